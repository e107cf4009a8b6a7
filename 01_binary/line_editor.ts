#!/usr/bin/env -S deno run
/**
 * Q. Read a line from a terminal in raw mode, where every key comes as bytes.
 *
 * A. Decode UTF-8 as a stream, since a character may be cut between two reads;
 * drop escape sequences, which may be cut as well; and let each character either
 * edit the line or end it. A paste is many keys in one read: what lies behind an
 * Enter belongs to the next line and has to be kept.
 *
 * Keys: backspace, Ctrl-U, Enter, Ctrl-C, and Ctrl-D on an empty line. All else
 * that is not text does nothing: arrows, Tab, Ctrl-Z.
 * Trap: taking one read for one key.
 * Left out: moving in the line, completion, history.
 * Run: `deno run line_editor.ts`
 * @module
 */

/** What ends a line. */
export type Event =
  | { kind: "line"; text: string }
  | { kind: "interrupt" }
  | { kind: "end" };

/** Longer lines lose what is beyond. */
const LONGEST = 200;

export class LineEditor {
  /** What stands on the line. */
  text = "";
  #decoder = new TextDecoder();
  #keys: string[] = [];
  #escape: "" | "start" | "sequence" = "";
  #afterReturn = false;

  /** Takes what was read. */
  feed(bytes: Uint8Array): void {
    this.#keys.push(...this.#decoder.decode(bytes, { stream: true }));
  }

  /** Works through what was read, up to the end of a line. */
  next(): Event | undefined {
    for (let key = this.#keys.shift(); key; key = this.#keys.shift()) {
      const event = this.#isEscaped(key) ? undefined : this.#press(key);
      if (event !== undefined) return event;
    }
  }

  /** Empties the line. @returns what stood there */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }

  /** ESC [ or ESC O, then parameters, then a letter or ~; broken off by Ctrl. */
  #isEscaped(key: string): boolean {
    const before = this.#escape;
    if (key === "\x1b") this.#escape = "start";
    else if (before === "start" && /[[O]/.test(key)) this.#escape = "sequence";
    else if (before !== "sequence" || !/[ -?]/.test(key)) this.#escape = "";
    return this.#escape !== "" || before === "sequence" && /[@-~]/.test(key);
  }

  #press(key: string): Event | undefined {
    const second = key === "\n" && this.#afterReturn; // of \r\n
    this.#afterReturn = key === "\r";
    if (second) return;
    if (key === "\r" || key === "\n") {
      return { kind: "line", text: this.take() };
    }
    if (key === "\x03") return { kind: "interrupt" };
    if (key === "\x04" && this.text === "") return { kind: "end" };
    if (key === "\x7f" || key === "\b") {
      this.text = [...this.text].slice(0, -1).join("");
    } else if (key === "\x15") {
      this.take();
    } else if (!/[\p{C}\p{M}]/u.test(key) && this.text.length < LONGEST) {
      this.text += key;
    }
  }
}

if (import.meta.main) {
  const editor = new LineEditor();
  editor.feed(new TextEncoder().encode("11x\x7f01\r3\x1b[D·10⁸\r\x04"));
  for (let event = editor.next(); event; event = editor.next()) {
    console.log(event);
  }
}
