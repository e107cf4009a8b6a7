import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Event, LineEditor } from "./line_editor.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What comes of reads, and what stands on the line in the end. */
function type(...reads: (string | Uint8Array)[]): [Event[], string] {
  const editor = new LineEditor();
  const events: Event[] = [];
  for (const read of reads) {
    editor.feed(typeof read === "string" ? bytes(read) : read);
    for (let e = editor.next(); e; e = editor.next()) events.push(e);
  }
  return [events, editor.text];
}
const line = (text: string): Event => ({ kind: "line", text });

const CASES: [name: string, reads: string[], events: Event[], rest: string][] =
  [
    ["text stays until Enter", ["11", "01"], [], "1101"],
    ["Enter ends a line, and the next begins empty", ["1101\r3"], [
      line("1101"),
    ], "3"],
    ["Enter on nothing is an empty line", ["\r"], [line("")], ""],
    ["a paste of lines is as many lines", ["1\n2\n3\n"], [
      line("1"),
      line("2"),
      line("3"),
    ], ""],
    ["\\r\\n is one Enter, even in two reads", ["1\r", "\n2\r\n"], [
      line("1"),
      line("2"),
    ], ""],
    ["\\n\\n and \\r\\r are two", ["\n\n\r\r"], [
      line(""),
      line(""),
      line(""),
      line(""),
    ], ""],
    ["backspace takes a whole character", ["1😀\x7f²\b"], [], "1"],
    ["backspace on nothing does nothing", ["\x7f\x7f1"], [], "1"],
    ["Ctrl-U clears the line", ["1101\x153"], [], "3"],
    [
      "Ctrl-C interrupts, with text too",
      ["11\x03"],
      [{ kind: "interrupt" }],
      "11",
    ],
    ["Ctrl-D ends on an empty line", ["\x04"], [{ kind: "end" }], ""],
    ["Ctrl-D does nothing behind text", ["1\x04"], [], "1"],
    ["Ctrl-Z, Tab and Ctrl-A do nothing", ["\x1a\t\x01"], [], ""],
    [
      "arrows, Delete and function keys do nothing",
      ["1\x1b[A\x1b[3~\x1bOP\x1b[1;5C2"],
      [],
      "12",
    ],
    [
      "an escape sequence may come in pieces",
      ["1\x1b", "[", "1;", "5", "C2"],
      [],
      "12",
    ],
    ["the marks round a paste are no text", ["\x1b[200~3e8\x1b[201~\r"], [
      line("3e8"),
    ], ""],
    ["Escape alone does nothing", ["\x1b", "1"], [], "1"],
    ["Ctrl-C interrupts within an escape sequence", ["\x1b[\x03"], [{
      kind: "interrupt",
    }], ""],
    ["signs beyond ASCII are text", ["3·10⁸ √n"], [], "3·10⁸ √n"],
  ];
for (const [name, reads, events, rest] of CASES) {
  Deno.test(`LineEditor: ${name}`, () => {
    assertEquals(type(...reads), [events, rest]);
  });
}

Deno.test("LineEditor does not break a character that comes in two reads", () => {
  const [high, low] = bytes("²");
  assertEquals(type(Uint8Array.of(high), Uint8Array.of(low))[1], "²");
});

Deno.test("LineEditor reads the same lines, wherever the bytes are cut", () => {
  const piece = fc.constantFrom(
    "1",
    "²",
    "√",
    "😀",
    "\r",
    "\n",
    "\x1b[A",
    "\x7f",
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 30 });
  fc.assert(fc.property(fc.array(piece), cuts, (pieces, cuts) => {
    const all = bytes(pieces.join(""));
    const reads: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += reads.at(-1)!.length) {
      reads.push(all.subarray(at, at + (cuts[reads.length] ?? 7)));
    }
    assertEquals(type(...reads), type(all));
  }));
});

Deno.test("LineEditor drops what is beyond 200 characters, and never a key after it", () => {
  assertEquals(type("1".repeat(1000))[1].length, 200);
  assertEquals(type("1".repeat(1000) + "\x7f\r")[0], [line("1".repeat(199))]);
});

Deno.test("LineEditor take() empties the line", () => {
  const editor = new LineEditor();
  editor.feed(bytes("11"));
  editor.next();
  assertEquals([editor.take(), editor.text], ["11", ""]);
});
