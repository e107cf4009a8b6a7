#!/usr/bin/env -S deno run
/**
 * Q. Run a round of questions against the clock, on a terminal or from a pipe.
 *
 * A. One loop: work through what was typed, draw the line, wait for a key or for
 * the next full second, whichever is first. The deadline is one moment for the
 * whole round, fixed before the first question, and an answer is late if its
 * Enter is. Raw mode goes off in a `finally`. Clock, keys and screen are passed
 * in, so a test can play a round without waiting.
 *
 * Trap: a timer for each question, or one that is left when an answer comes.
 * Left out: a terminal that is made narrower while a line stands.
 * Run: `deno run round.ts`
 * @module
 */
import { accepts, remark, solution } from "./answers.ts";
import { LineEditor } from "./line_editor.ts";
import type { Question } from "./questions.ts";

/** What came in; "tick" if nothing did. */
export type Input = Uint8Array | "end" | "tick" | "SIGINT" | "SIGTERM";

/** The world outside of a round. */
export interface World {
  /** Whether a person types here and reads here. */
  terminal: boolean;
  write(text: string): void;
  /** Waits for input, for `ms` at most. */
  read(ms?: number): Promise<Input>;
  setRaw(on: boolean): void;
  /** The time in ms. */
  now(): number;
  columns(): number;
}

export interface Reply {
  question: Question;
  answer: string;
  right: boolean;
  late: boolean;
  seconds: number;
}

export interface Round {
  questions: Question[];
  /** Fewer than the questions if the round was ended. */
  replies: Reply[];
  ending: "all" | "end" | "SIGINT" | "SIGTERM";
}

/** Asks all questions, and tells after each what is right. */
export async function play(
  questions: Question[],
  seconds: number,
  world: World,
): Promise<Round> {
  const round: Round = { questions, replies: [], ending: "all" };
  const editor = new LineEditor();
  let drawn = false;
  try {
    if (world.terminal) world.setRaw(true);
    const deadline = world.now() + 1000 * seconds;
    for (const question of questions) {
      const begin = world.now();
      const prompt = new Prompt(question.text, world);
      drawn = world.terminal;
      const answer = await ask(prompt, editor, deadline, world);
      if (typeof answer !== "string") {
        round.ending = answer.ending;
        break;
      }
      const reply = {
        question,
        answer,
        right: accepts(question, answer),
        late: world.now() > deadline,
        seconds: (world.now() - begin) / 1000,
      };
      round.replies.push(reply);
      prompt.close(answer);
      drawn = false;
      world.write(`  ${verdict(reply)}\n`);
    }
  } finally {
    if (world.terminal) world.setRaw(false);
    if (drawn) world.write("\n");
  }
  return round;
}

/** Reads one answer, or why there is none. */
async function ask(
  prompt: Prompt,
  editor: LineEditor,
  deadline: number,
  world: World,
): Promise<string | { ending: "end" | "SIGINT" | "SIGTERM" }> {
  for (;;) {
    const event = editor.next();
    if (event?.kind === "line") return event.text;
    if (event) return { ending: event.kind === "end" ? "end" : "SIGINT" };
    const left = deadline - world.now();
    prompt.draw(left, editor.text);
    const ticking = world.terminal && left > 0;
    const input = await world.read(ticking ? left % 1000 || 1000 : undefined);
    if (typeof input !== "string") editor.feed(input);
    else if (input === "end" && editor.text !== "") return editor.take();
    else if (input !== "tick") return { ending: input };
  }
}

/** The line below all others, of a question that is open. */
class Prompt {
  #text: string;
  constructor(text: string, readonly world: World) {
    const room = 8 + 24; // for the time before it and the answer behind
    const fits = world.terminal && [...text].length + room <= world.columns();
    this.#text = fits ? text : ">";
    if (!fits) world.write(`${text}\n`);
  }

  draw(left: number, typed: string): void {
    if (!this.world.terminal) return;
    const clock = left > 0 ? `${Math.ceil(left / 1000)} s` : "late";
    const head = `${clock.padStart(4)}  ${this.#text} `;
    const line = cut(head, typed, this.world.columns() - 1);
    this.world.write(`\r\x1b[K${line}`);
  }

  close(answer: string): void {
    if (!this.world.terminal) return;
    this.world.write(`\r\x1b[K${this.#text} ${answer}\n`);
  }
}

/** `head` and the end of `typed`, in so many columns. */
export function cut(head: string, typed: string, columns: number): string {
  const wide = (char: string) => char >= "\u1100" ? 2 : 1; // at most
  const kept: string[] = [];
  let left = columns - [...head].length;
  for (const char of [...typed].reverse()) {
    left -= wide(char);
    if (left < 0) break;
    kept.unshift(char);
  }
  return [...head].slice(0, Math.max(columns, 0)).join("") + kept.join("");
}

/** What is said after an answer. */
export function verdict({ question, answer, right, late }: Reply): string {
  const more = remark(question, answer);
  const said = right
    ? `right${late ? ", but late" : ""}`
    : `wrong: ${solution(question)}`;
  return more ? `${said}; ${more}` : said;
}

/** The score, and the slowest answers. */
export function report({ questions, replies }: Round, seed: bigint): string[] {
  const right = replies.filter((reply) => reply.right);
  const late = right.filter((reply) => reply.late).length;
  const slowest = replies.toSorted((a, b) => b.seconds - a.seconds).slice(0, 5);
  return [
    `${right.length - late} right in time, ${late} right but late, ` +
    `${replies.length - right.length} wrong, ` +
    `${questions.length - replies.length} unanswered; seed ${seed}`,
    ...slowest.map(({ seconds, question }) =>
      `${seconds.toFixed(1).padStart(6)} s  ${question.text}`
    ),
  ];
}

if (import.meta.main) {
  const keys = ["1101\r", "3e8\r"].map((text) =>
    new TextEncoder().encode(text)
  );
  const round = await play(
    [
      { kind: "binary", value: 13, text: "What is 13 in binary?" },
      { kind: "light", value: 299792458, text: "How fast is light?" },
    ],
    10,
    {
      terminal: false,
      write: (text) => Deno.stdout.writeSync(new TextEncoder().encode(text)),
      read: () => Promise.resolve(keys.shift() ?? "end"),
      setRaw: () => {},
      now: () => 6000 * (2 - keys.length),
      columns: () => 80,
    },
  );
  report(round, 1n).forEach((line) => console.log(line));
}
