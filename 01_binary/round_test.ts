import { assertEquals, assertRejects } from "@std/assert";
import type { Question } from "./questions.ts";
import { cut, type Input, play, report, type World } from "./round.ts";

const QUESTIONS: Question[] = [
  { kind: "binary", value: 13, text: "13 in binary?" },
  { kind: "light", value: 299_792_458, text: "Light, in m/s?" },
  { kind: "complexity", value: "n log n", or: [], text: "Merge sort?" },
];

/** Keys that are typed at once, ms that pass before the next, or what else comes. */
type Step = string | number | { comes: Input };

/** A world whose clock and keys are scripted; its log has all that was done to it. */
class Script implements World {
  log: string[] = [];
  clock = 5000;
  constructor(
    readonly steps: Step[],
    readonly terminal = true,
    readonly width = 80,
  ) {}
  write(text: string) {
    this.log.push(text);
  }
  setRaw(on: boolean) {
    this.log.push(on ? "<raw>" : "<cooked>");
  }
  now() {
    return this.clock;
  }
  columns() {
    return this.width;
  }
  read(ms = Infinity): Promise<Input> {
    const step = this.steps.shift();
    if (typeof step === "number") {
      this.clock += Math.min(ms, step);
      if (step > ms) this.steps.unshift(step - ms);
      return step < ms ? this.read(ms - step) : Promise.resolve("tick");
    }
    const input = step === undefined
      ? "end"
      : typeof step === "string"
      ? new TextEncoder().encode(step)
      : step.comes;
    return Promise.resolve(input);
  }
}

/** Plays in ten seconds; returns what was written, and the round. */
async function playIn(world: Script, questions = QUESTIONS, seconds = 10) {
  const round = await play(questions, seconds, world);
  return { text: world.log.join(""), round };
}

Deno.test("play() counts down on one line, and puts the terminal back", async () => {
  const world = new Script([1500, "11", 1000, "01", "\r"]);
  const { text } = await playIn(world, QUESTIONS.slice(0, 1));
  assertEquals(
    text,
    "<raw>" +
      "\r\x1b[K10 s  13 in binary? " +
      "\r\x1b[K 9 s  13 in binary? " +
      "\r\x1b[K 9 s  13 in binary? 11" +
      "\r\x1b[K 8 s  13 in binary? 11" +
      "\r\x1b[K 8 s  13 in binary? 1101" +
      "\r\x1b[K13 in binary? 1101\n" +
      "  right\n" +
      "<cooked>",
  );
});

Deno.test("play() redraws once a second while nobody types, and not after the end", async () => {
  const world = new Script([3_600_000, { comes: "SIGTERM" }]);
  const { text } = await playIn(world, QUESTIONS.slice(0, 1), 3);
  const clocks = text.split("\r\x1b[K").slice(1).map((line) =>
    line.slice(0, 4)
  );
  assertEquals(clocks, [" 3 s", " 2 s", " 1 s", "late"]);
});

Deno.test("play() takes ten seconds for all questions, not for each", async () => {
  const steps = [4000, "1101\r", 5999, "3e8\r", 2, "n log n\r"];
  const { round } = await playIn(new Script(steps));
  assertEquals(
    round.replies.map(({ right, late, seconds }) => ({ right, late, seconds })),
    [
      { right: true, late: false, seconds: 4 },
      { right: true, late: false, seconds: 5.999 },
      { right: true, late: true, seconds: 0.002 },
    ],
  );
});

Deno.test("play() takes an answer at the last moment for one in time", async () => {
  const steps = [10_000, "1101\r", 1, "3e8\r", "n\r"];
  const { round } = await playIn(new Script(steps));
  assertEquals(round.replies.map(({ late }) => late), [false, true, true]);
});

Deno.test("play() goes on after the time is up, and says so", async () => {
  const world = new Script([11_000, "1101\r", "3e8\r", "n\r"]);
  const { text, round } = await playIn(world);
  assertEquals(text.split("\n").slice(1), [
    "  right, but late",
    "\r\x1b[Klate  Light, in m/s? \r\x1b[KLight, in m/s? 3e8",
    "  right, but late; exactly 299,792,458 m/s",
    "\r\x1b[Klate  Merge sort? \r\x1b[KMerge sort? n",
    "  wrong: O(n log n)",
    "<cooked>",
  ]);
  assertEquals(round.ending, "all");
});

Deno.test("play() takes a paste of three lines for three answers", async () => {
  const { round } = await playIn(new Script(["1101\r3e8\rn log n\r"]));
  assertEquals(round.replies.map(({ right }) => right), [true, true, true]);
});

const ENDINGS: [name: string, step: Step, ending: string][] = [
  ["Ctrl-C", "\x03", "SIGINT"],
  ["Ctrl-D", "\x04", "end"],
  ["SIGINT", { comes: "SIGINT" }, "SIGINT"],
  ["SIGTERM", { comes: "SIGTERM" }, "SIGTERM"],
  ["the end of input", { comes: "end" }, "end"],
];
for (const [name, step, ending] of ENDINGS) {
  Deno.test(`play() puts the terminal back at ${name}, and keeps the score so far`, async () => {
    const { text, round } = await playIn(new Script(["1101\r", step]));
    assertEquals(round.ending, ending);
    assertEquals(round.replies.map(({ right }) => right), [true]);
    assertEquals(
      text.split("\r\x1b[K").at(-1),
      "10 s  Light, in m/s? <cooked>\n",
    );
  });
}

Deno.test("play() puts the terminal back when it fails", async () => {
  const fail = () => Promise.reject(new Error("unplugged"));
  const reading = new Script([]);
  reading.read = fail;
  await assertRejects(() => play(QUESTIONS, 10, reading), Error, "unplugged");
  assertEquals(reading.log.slice(-2), ["<cooked>", "\n"]);

  const writing = new Script([]);
  writing.write = () => {
    throw new Error("closed");
  };
  await assertRejects(() => play(QUESTIONS, 10, writing), Error, "closed");
  assertEquals(writing.log, ["<raw>", "<cooked>"]);

  const sizing = new Script([]);
  sizing.columns = () => {
    throw new Error("no size");
  };
  await assertRejects(() => play(QUESTIONS, 10, sizing), Error, "no size");
  assertEquals(sizing.log, ["<raw>", "<cooked>"]);
});

Deno.test("play() from a pipe writes plain lines, and leaves the terminal alone", async () => {
  const world = new Script(["1101\r\n3e", "9\n\nmore"], false);
  const { text, round } = await playIn(world);
  assertEquals(
    text,
    "13 in binary?\n  right\n" +
      "Light, in m/s?\n  wrong: 299,792,458 m/s, about 3·10^8\n" +
      "Merge sort?\n  wrong: O(n log n)\n",
  );
  assertEquals(round.replies.length, 3);
});

Deno.test("play() from a pipe takes a last line without its end, and leaves the rest unanswered", async () => {
  const { text, round } = await playIn(new Script(["1101\n3e8"], false));
  assertEquals(round.replies.map(({ answer }) => answer), ["1101", "3e8"]);
  assertEquals(round.ending, "end");
  assertEquals(text.endsWith("exactly 299,792,458 m/s\nMerge sort?\n"), true);
});

Deno.test("play() from a pipe does not wake up to count down", async () => {
  const world = new Script([], false);
  const waits: (number | undefined)[] = [];
  const { read } = world;
  world.read = (ms) => {
    waits.push(ms);
    return read.call(world, ms);
  };
  await playIn(world);
  assertEquals(waits, [undefined]);
});

Deno.test("play() never draws beyond a narrow terminal", async () => {
  for (const width of [1, 2, 8, 20, 40, 46]) {
    const world = new Script(
      [1000, "1".repeat(100), 20_000, "\x04\x03"],
      true,
      width,
    );
    const { text } = await playIn(world);
    const redrawn = text.split("\r\x1b[K").slice(1)
      .map((line) => line.split(/[<\n]/)[0]);
    for (const line of redrawn) {
      assertEquals([...line].length <= width - 1, true, `${width}: ${line}`);
    }
  }
});

Deno.test("play() shows a question that does not fit above the line", async () => {
  const world = new Script(["1101\r"], true, 20);
  const { text } = await playIn(world, QUESTIONS.slice(0, 1));
  assertEquals(
    text,
    "<raw>13 in binary?\n\r\x1b[K10 s  > \r\x1b[K> 1101\n  right\n<cooked>",
  );
});

Deno.test("cut() keeps the end of what was typed, and counts a wide character twice", () => {
  assertEquals(cut("9 s  Q? ", "1101", 20), "9 s  Q? 1101");
  assertEquals(cut("9 s  Q? ", "1101", 10), "9 s  Q? 01");
  assertEquals(cut("9 s  Q? ", "1101", 5), "9 s  ");
  assertEquals(cut("Q? ", "漢字1", 7), "Q? 字1");
  assertEquals(cut("Q? ", "1", -1), "");
});

const reply = (right: boolean, late: boolean, seconds: number) => ({
  question: QUESTIONS[0],
  answer: "",
  right,
  late,
  seconds,
});

Deno.test("report() counts right in time, right but late, wrong and unanswered", () => {
  const replies = [
    reply(true, false, 1),
    reply(true, true, 9.96),
    reply(false, true, 3),
    reply(false, false, 2),
    reply(true, false, 4.04),
    reply(true, true, 0),
  ];
  const questions = Array(9).fill(QUESTIONS[0]);
  assertEquals(report({ questions, replies, ending: "end" }, 42n), [
    "2 right in time, 2 right but late, 2 wrong, 3 unanswered; seed 42",
    "  10.0 s  13 in binary?",
    "   4.0 s  13 in binary?",
    "   3.0 s  13 in binary?",
    "   2.0 s  13 in binary?",
    "   1.0 s  13 in binary?",
  ]);
});

Deno.test("report() of nothing is one line", () => {
  assertEquals(report({ questions: [], replies: [], ending: "SIGINT" }, -1n), [
    "0 right in time, 0 right but late, 0 wrong, 0 unanswered; seed -1",
  ]);
});
