import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  explain,
  index,
  pick,
  readDoc,
  readTopic,
  runDemo,
  TOPICS,
  wrap,
} from "./ml_primitives.ts";

const FOLDER = new URL(".", import.meta.url);
const { state } = Deno.permissions.querySync({ name: "read", path: FOLDER });

const SCRIPT = `#!/usr/bin/env -S deno run
/**
 * Q. Add two
 * numbers.
 *
 * A. With +. In time
 * that does not grow.
 *
 * Shapes: none.
 * Time O(1); space
 * O(1).
 * Trap: strings, which + puts end to end.
 * Source: Peano (1889).
 * Run: \`deno run add.ts\`
 * @module
 */
export const add = (a: number, b: number) => a + b;

if (import.meta.main) console.log("2 + 2 is", add(2, 2));
`;

Deno.test("the parts of a module doc are found, also over several lines", () => {
  assertEquals(readDoc(SCRIPT), {
    question: "Add two numbers.",
    answer: "With +. In time that does not grow.",
    complexity: "Time O(1); space O(1).",
    trap: "strings, which + puts end to end.",
    run: "deno run add.ts",
  });
  const short = SCRIPT.replace(/ \* Time.*?Source/s, " * Source");
  assertEquals(readDoc(short).trap, undefined);
  assertEquals(readDoc(short).complexity, undefined);
});

Deno.test("a doc without question, answer or run line is an error", () => {
  for (const part of [" * Q. Add", " * A. With", " * Run: `"]) {
    assertThrows(
      () => readDoc(SCRIPT.replace(part, " * So")),
      SyntaxError,
      "A module doc needs Q., A. and Run: with a command",
    );
  }
  assertThrows(() => readDoc(""), SyntaxError);
});

Deno.test("every topic has a question, an answer, a trap and its run line", async () => {
  for (const topic of await Promise.all(TOPICS.map(readTopic))) {
    assert(topic.question && topic.answer && topic.trap, topic.name);
    assert(topic.run.includes(` ${topic.name}.ts`), topic.name);
  }
});

Deno.test({
  name: state === "granted"
    ? "every script of the folder is a topic"
    : "needs --allow-read, so not tested here: every script is a topic",
  ignore: state !== "granted",
  fn() {
    const scripts = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
      .filter((name) => /(?<!_test|_bench)\.ts$/.test(name))
      .map((name) => name.slice(0, -3))
      .filter((name) => name !== "bugs" && name !== "ml_primitives");
    assertEquals(TOPICS.toSorted(), scripts.sort());
  },
});

Deno.test("a topic that is none is an error, and names those that are near", async () => {
  await assertRejects(() => readTopic("../deno"), RangeError, "No topic");
  const [first] = TOPICS;
  await assertRejects(
    () => readTopic(first.slice(0, 5)),
    RangeError,
    `No topic is called ${first.slice(0, 5)}; do you mean ${first}`,
  );
});

/** What is logged while `work` runs. */
async function logged(work: () => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...words: unknown[]) => lines.push(words.join(" "));
  try {
    await work();
  } finally {
    console.log = log;
  }
  return lines;
}

Deno.test("a topic's demo runs, though it is not the main module", async () => {
  const topic = { name: "add", text: SCRIPT, ...readDoc(SCRIPT) };
  assertEquals(await logged(() => runDemo(topic)), ["2 + 2 is 4"]);
});

Deno.test("a demo runs that imports other topics", async () => {
  const [name] = TOPICS;
  const text = `import * as topic from "./${name}.ts";
if (import.meta.main) console.log(Object.keys(topic).length > 0);`;
  const topic = { ...readDoc(SCRIPT), name: "joint", text };
  assertEquals(await logged(() => runDemo(topic)), ["true"]);
});

Deno.test("the index has a topic's name and question, trap, time and run line", () => {
  const topic = { name: "add", text: SCRIPT, ...readDoc(SCRIPT) };
  assertEquals(index([topic, { ...topic, trap: undefined }]), [
    "add: Add two numbers.",
    "    Trap: strings, which + puts end to end.",
    "    Time O(1); space O(1).",
    "    deno run add.ts",
    "add: Add two numbers.",
    "    Time O(1); space O(1).",
    "    deno run add.ts",
  ]);
});

Deno.test("wrap() breaks between words, and loses none", () => {
  const words = Array.from({ length: 60 }, (_, i) => "x".repeat(1 + i % 9));
  const lines = wrap(words.join(" ")).split("\n");
  assert(lines.every((line) => line.length <= 80 && line.trim() === line));
  assert(lines.slice(0, -1).every((line) => line.length > 70));
  assertEquals(lines.join(" ").split(" "), words);
});

Deno.test("explain() tells a trap only after the wait, and says how long it took", () => {
  const topic = { name: "add", text: SCRIPT, ...readDoc(SCRIPT) };
  const heard: string[] = [];
  let now = 5000;
  const seconds = explain(
    [topic, { ...topic, trap: undefined }],
    (line) => heard.push(line),
    () => {
      heard.push("…");
      now += 7000;
    },
    () => now,
  );
  assertEquals(heard, [
    "add: Add two numbers.",
    "…",
    "Trap: strings, which + puts end to end.\n",
    "add: Add two numbers.",
    "…",
    "Trap: none is known\n",
  ]);
  assertEquals(seconds, 14);
});

Deno.test("pick() takes any topic, and none twice", () => {
  assertEquals(pick(2, () => 0), TOPICS.slice(0, 2));
  assertEquals(pick(1, () => 1 - 2 ** -53), TOPICS.slice(-1));
  assertEquals(pick(TOPICS.length, () => 0.3).sort(), TOPICS.toSorted());
});

const run = Deno.permissions.querySync({ name: "run" }).state === "granted";

/** Runs the front door as a user does, without a permission. */
async function front(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", new URL("ml_primitives.ts", FOLDER).href]
      .concat(args),
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out, err };
}

Deno.test({
  name: run
    ? "the command line runs the index, a demo and traps, and exits 2 on all else"
    : "needs --allow-run, so not tested here: the command line",
  ignore: !run,
  async fn() {
    const all = await front();
    assertEquals([all.code, all.err], [0, ""]);
    for (const name of TOPICS) {
      assert(
        all.out.includes(` ${name}.ts\n`) && all.out.includes(`${name}: `),
      );
    }
    const demo = await front("softmax");
    assertEquals([demo.code, demo.err], [0, ""]);
    assert(demo.out.startsWith("Implement softmax and log-softmax."), demo.out);
    const traps = await front("explain", "softmax", "rope");
    assertEquals([traps.code, traps.err], [0, ""]);
    assertEquals(traps.out.match(/^Trap: /gm)?.length, 2);
    assert(/^2 in 0 s; 12 each is good$/m.test(traps.out), traps.out);
    for (
      const [args, line] of [
        [["none"], "No topic is called none"],
        [["explain", "none"], "No topic is called none"],
        [["softmax", "rope"], "Unknown argument rope"],
        [[""], "No topic is called "],
        [["ring_sockets"], "ring_sockets needs flags: deno run --allow-net="],
      ] as const
    ) {
      const { code, out, err } = await front(...args);
      const [first, usage, ...more] = err.split("\n");
      assert(first.startsWith(line), err);
      assertEquals(usage.slice(0, 31), "Usage: deno run ml_primitives.t");
      assertEquals([code, out, more], [2, "", [""]]);
    }
  },
});
