import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { seeded } from "./balancer.ts";
import { LAYERS, tell, WALK } from "./walk.ts";
import {
  ALL,
  draw,
  play,
  type Question,
  readArgs,
  readLines,
  type Reply,
  report,
} from "./walk_through.ts";

const nameOf = (choice: string) => choice.split(": ")[0];
const step = (name: string) => WALK.find((step) => step.name === name)!;
/** Whether a step is not done, and all it needs is. */
const possible = (name: string, done: readonly string[]) =>
  !done.includes(name) && step(name).after.every((x) => done.includes(x));

Deno.test("of every question exactly one answer is right: one step may come next, one layer is it", () => {
  for (let seed = 0; seed < 200; seed++) {
    for (const question of draw(ALL, seeded(seed))) {
      const { kind, done, choices, right } = question;
      assertEquals([choices.length, new Set(choices).size], [4, 4]);
      const good = kind === "next"
        ? choices.filter((choice) => possible(nameOf(choice), done))
        : choices.filter((choice) => choice === question.step.layer);
      assertEquals(good, [choices[right]], `${seed}: ${question.text}`);
      if (kind === "next") assertEquals(nameOf(good[0]), question.step.name);
      else assert(choices.every((choice) => choice in LAYERS));
    }
  }
});

Deno.test("wrong answers are plausible: steps soon after, and done ones only at the end", () => {
  for (const { kind, done, choices, step } of draw(ALL, seeded(1))) {
    if (kind === "layer") continue;
    const places = choices.map((choice) =>
      WALK.findIndex(({ name }) => name === nameOf(choice)) - WALK.indexOf(step)
    );
    const left = WALK.length - done.length - 1;
    for (const place of places) {
      // Up to two steps are left out that would be right, too.
      assert(place <= 8 && (place >= 0 || left < 5), `${step.name} ${place}`);
    }
  }
});

Deno.test("all steps are asked for in both drills, none twice, and the right one stands anywhere", () => {
  const all = draw(ALL, seeded(5));
  const asked = all.map(({ kind, step }) => `${kind} ${step.name}`);
  assertEquals(new Set(asked).size, 2 * WALK.length);
  const places = [0, 1, 2, 3].map((i) =>
    [1, 2, 3, 4].flatMap((seed) => draw(ALL, seeded(seed)))
      .filter(({ right }) => right === i).length
  );
  // Of 232: 58 each, with a standard deviation of 7.
  for (const count of places) assert(count > 30 && count < 86, `${places}`);
});

Deno.test("a seed asks the same again, and another one something else", () => {
  const texts = (seed: number) =>
    draw(10, seeded(seed)).map(({ text }) => text);
  assertEquals(texts(3), texts(3));
  assert(texts(3).join() !== texts(4).join());
  assertEquals(draw(1, seeded(3)).length, 1);
});

Deno.test("what is done is said, as far as one can keep it in mind", () => {
  const texts = new Map(
    draw(ALL, seeded(2)).filter(({ kind }) => kind === "next")
      .map(({ step, text }) => [step.name, text]),
  );
  assertEquals(texts.get("key"), "What comes first?");
  assertEquals(texts.get("interrupt"), "Done: key. What comes next?");
  assertEquals(
    texts.get("address bar"),
    "Done: key, interrupt, event. What comes next?",
  );
  assertEquals(
    texts.get("ACK"),
    "Done: all up to SYN, NAT, SYN-ACK. What comes next?",
  );
});

/** A question of each kind, of which the answers are 2 and 1. */
const TWO: Question[] = [
  {
    ...{ kind: "next", step: step("com"), done: [], text: "What comes next?" },
    ...{ choices: ["a", "com", "c", "d"], right: 1 },
  },
  {
    ...{ kind: "layer", step: step("NAT"), done: [], text: "On which layer?" },
    ...{ choices: ["system", "TCP", "TLS", "DNS"], right: 0 },
  },
];

/** Plays; each answer takes a second more than the one before. */
async function playTwo(answers: string[]) {
  const lines: string[] = [];
  const left = [...answers];
  let [time, asked] = [0, 0];
  const replies = await play(TWO, {
    write: (line) => lines.push(line),
    read: () => {
      time += 1000 * ++asked;
      return Promise.resolve(left.shift());
    },
    now: () => time,
  });
  return { lines, replies };
}

Deno.test("play() shows each question, takes its answer, and says what is right, why, and how long it took", async () => {
  const { lines, replies } = await playTwo([" 2\r", "3"]);
  assertEquals(lines, [
    ...["\n1. What comes next?", "   1  a", "   2  com", "   3  c", "   4  d"],
    ...["   right (1.0 s)", "\n2. On which layer?"],
    ...["   1  system", "   2  TCP", "   3  TLS", "   4  DNS"],
    `   wrong: 1, because system has ${LAYERS.system} (2.0 s)`,
  ]);
  assertEquals(
    replies.map(({ right, seconds }) => [right, seconds]),
    [[true, 1], [false, 2]],
  );
  const wrong = await playTwo(["1"]);
  assertStringIncludes(
    wrong.lines.join("\n"),
    `   wrong: 2, because ${step("com").why} (1.0 s)`,
  );
});

Deno.test("whatever is no number of the right choice is wrong, and an end is no answer", async () => {
  for (const answer of ["", "0", "5", "com", "22", "2.0", "-2", "two", "1"]) {
    const { replies } = await playTwo([answer]);
    assertEquals(replies.map(({ right }) => right), [false], answer);
  }
  assertEquals((await playTwo([])).replies, []);
});

Deno.test("report() says the score, the times, and each missed step once with its lines", () => {
  const [next, layer] = TWO;
  const replies: Reply[] = [
    { question: layer, right: false, seconds: 1 },
    { question: next, right: false, seconds: 4.5 },
    { question: layer, right: true, seconds: 0.5 },
    { question: { ...layer, kind: "next" }, right: false, seconds: 2 },
  ];
  assertEquals(report(6, replies, 77), [
    "1 of 6 right, 3 wrong, 2 not answered; seed 77",
    "2.0 s an answer, the slowest 4.5 s",
    "Missed:",
    ...tell(step("com")),
    ...tell(step("NAT")),
  ]);
  assertEquals(report(1, [{ question: next, right: true, seconds: 3 }], 0), [
    "1 of 1 right, 0 wrong, 0 not answered; seed 0",
    "3.0 s an answer, the slowest 3.0 s",
  ]);
  assertEquals(report(3, [], 0), [
    "0 of 3 right, 0 wrong, 3 not answered; seed 0",
  ]);
});

/** What readLines makes of a text that is cut at these places. */
function linesOf(text: string, cuts: number[]): Promise<string[]> {
  const bytes = new TextEncoder().encode(text);
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
    .toSorted((a, b) => a - b);
  async function* chunks() {
    for (const [i, from] of at.slice(0, -1).entries()) {
      yield await Promise.resolve(bytes.subarray(from, at[i + 1]));
    }
  }
  return Array.fromAsync(readLines(chunks()));
}

Deno.test("lines are the same wherever the input is cut, inside a character too", async () => {
  const line = fc.string({ unit: fc.constantFrom("1", " ", "é", "€", "😀") });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.nat()),
      async (lines, cuts) => {
        const text = lines.map((line) => `${line}\n`).join("");
        assertEquals(await linesOf(text, cuts), lines);
      },
    ),
    { seed: 7 },
  );
});

Deno.test("the last line may lack its end, and a line without end is cut", async () => {
  assertEquals(await linesOf("1\n\n3", []), ["1", "", "3"]);
  assertEquals(await linesOf("", []), []);
  const long = `${"x".repeat(5000)}\n2\n`;
  assertEquals(await linesOf(long, [1000, 3000]), ["x".repeat(200), "2"]);
});

Deno.test("readArgs() reads both flags, and of nothing asks ten questions of any seed", () => {
  assertEquals(readArgs([]), { questions: 10 });
  assertEquals(readArgs(["--seed=0", "--questions", `${ALL}`]), {
    ...{ questions: ALL, seed: 0 },
  });
});

const ERRORS: [args: string, message: string][] = [
  [
    "--questions 0",
    `--questions needs a whole number from 1 to ${ALL}, got "0"`,
  ],
  [`--questions ${ALL + 1}`, `from 1 to ${ALL}, got "${ALL + 1}"`],
  ["--questions 1.5", 'got "1.5"'],
  ["--questions", 'got ""'],
  ["--questions 1 --questions 0", 'got "0"'],
  ["--seed 4294967296", 'from 0 to 4294967295, got "4294967296"'],
  ["--seed=-1", '--seed needs a whole number from 0 to 4294967295, got "-1"'],
  ["--seed 0x10", 'got "0x10"'],
  ["--sed 1", "Unknown argument --sed"],
  ["7", "Unknown argument 7"],
  ["-- 7", "Unknown argument 7"],
];
for (const [args, message] of ERRORS) {
  Deno.test(`readArgs() of ${args} is an error, not a guess`, () => {
    assertThrows(() => readArgs(args.split(" ")), SyntaxError, message);
  });
}

const granted = (["run", "read"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);
const SCRIPT = new URL("walk_through.ts", import.meta.url);

/** A test of walk_through.ts as a program. */
function testProgram(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: granted ? name : `needs --allow-all, so not tested here: ${name}`,
    ...{ ignore: !granted, fn },
  });
}

function start(...args: string[]) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", SCRIPT.href, ...args],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
}

/** Runs it without any permission, and with `input` from a pipe. */
async function run(input: string, ...args: string[]) {
  const child = start(...args);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((x) => new TextDecoder().decode(x));
  return { code, out, err };
}

testProgram(
  "without any input walk_through.ts tells the whole walk, and exits 0",
  async () => {
    assertEquals(await run(""), {
      ...{ code: 0, err: "", out: `${WALK.flatMap(tell).join("\n")}\n` },
    });
  },
);

testProgram(
  "walk_through.ts takes answers from a pipe, one a line",
  async () => {
    const [first] = draw(3, seeded(3));
    const input = `${first.right + 1}\r\nnonsense\n`;
    const { code, out, err } = await run(input, "--seed", "3", "--questions=3");
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(
      out,
      `\n1. ${first.text}\n   1  ${first.choices[0]}\n`,
    );
    assertStringIncludes(
      out,
      "\n1 of 3 right, 1 wrong, 1 not answered; seed 3\n",
    );
  },
);

testProgram(
  "a wrong argument of walk_through.ts is two lines on stderr, and exit 2",
  async () => {
    assertEquals(await run("1\n", "--seed", "x"), {
      ...{ code: 2, out: "" },
      err: '--seed needs a whole number from 0 to 4294967295, got "x"\n' +
        `Usage: deno run walk_through.ts [--questions 1 to ${ALL}] [--seed N]\n`,
    });
  },
);

testProgram(
  "Ctrl-C ends walk_through.ts with the score so far, and exit 130",
  async () => {
    const child = start("--seed", "3");
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("9\n"));
    let out = "";
    let stopped = false;
    for await (
      const text of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      out += text;
      if (stopped || !out.includes("\n2. ")) continue;
      stopped = true;
      child.kill("SIGINT");
    }
    await writer.close().catch(() => {});
    await child.stderr.cancel();
    assertEquals((await child.status).code, 130);
    assertStringIncludes(out, "0 of 10 right, 1 wrong, 9 not answered; seed 3");
  },
);
