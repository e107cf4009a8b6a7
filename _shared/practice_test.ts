import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).slice(0, -1);
const granted = (["read", "write", "run", "env"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);
// TypeScript reads the environment as soon as it is loaded.
const { blank, prepare } = granted
  ? await import("./practice.ts")
  : {} as typeof import("./practice.ts");
const ts = granted
  ? (await import("typescript")).default
  : {} as typeof import("typescript");

/** A test that needs every permission, and is ignored by name without them. */
function test(name: string, fn: () => void | Promise<void>): void {
  const label = granted ? name : `${name}: not checked without --allow-all`;
  Deno.test({ name: label, ignore: !granted, fn });
}

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
 * Trap: strings.
 * Source: Peano (1889).
 * Run: \`deno run add.ts\`
 * @module
 */

/** What is added to nothing. */
const NOTHING = 0;

const TABLE = [1, 2, 3];

/** Two numbers. */
interface Pair {
  a: number;
  b: number;
}

/** The sum. */
export function add({ a, b }: Pair, start = NOTHING): number {
  return twice(a) + b + start - a;
}

/** The sum again. */
export const sum = (x: Pair): number => add(x);

/** The answer in another language. */
export const KERNEL = \`
  a + b
\`;

/** Sums up. */
export class Adder {
  /** The sum. */
  total = 0;
  #secret = TABLE;
  private hidden = 1;
  constructor(readonly start = 0) {
    this.total = start;
  }
  /** Adds. */
  put(x: number): void {
    this.total += x;
  }
  get = () => this.total;
  #twice() {}
}

// Says TABLE.
function twice(x: number): number {
  return 2 * x;
}

if (import.meta.main) console.log("2 + 2 is", add({ a: 2, b: 2 }));
`;

test("blank() leaves question, types and signatures, and no answer", () => {
  const body = '{ throw new Error("Not written yet"); }';
  assertEquals(
    blank(SCRIPT),
    `#!/usr/bin/env -S deno run
/**
 * Q. Add two
 * numbers.
 *
 * Shapes: none.
 * Run: \`deno run add.ts\`
 * @module
 */

/** What is added to nothing. */
const NOTHING = 0;

/** Two numbers. */
interface Pair {
  a: number;
  b: number;
}

/** The sum. */
export function add({ a, b }: Pair, start = NOTHING): number ${body}

/** The sum again. */
export const sum = (x: Pair): number => ${body};

/** The answer in another language. */
export const KERNEL = "";

/** Sums up. */
export class Adder {
  /** The sum. */
  total = 0;
  constructor(readonly start = 0) ${body}
  /** Adds. */
  put(x: number): void ${body}
  get = () => ${body};
}
`,
  );
});

test("a blank of any script is well-formed, and exports what the script does", () => {
  const exported = (text: string) =>
    [...text.matchAll(/^export (?:async )?(?:\w+\*?) ?(\w*)/gm)]
      .map(([, name]) => name);
  let scripts = 0;
  for (const { name: chapter } of Deno.readDirSync(ROOT)) {
    if (!/^\d\d_/.test(chapter)) continue;
    for (const { name } of Deno.readDirSync(`${ROOT}/${chapter}`)) {
      if (!/(?<!_test|_bench|bugs)\.ts$/.test(name)) continue;
      const text = Deno.readTextFileSync(`${ROOT}/${chapter}/${name}`);
      const exercise = blank(text);
      const { diagnostics } = ts.transpileModule(exercise, {
        reportDiagnostics: true,
      });
      assertEquals(diagnostics, [], name);
      assertEquals(exported(exercise), exported(text), name);
      assert(exercise.length < text.length && !/\bthis\./.test(exercise), name);
      scripts++;
    }
  }
  assert(scripts > 50, `${scripts}`);
});

test("a file that is no script of a chapter is an error, and makes nothing", async () => {
  for (
    const file of [
      "softmax.ts",
      "../07_ml_primitives/softmax.ts",
      "07_ml_primitives/softmax",
      "07_ml_primitives/bugs.ts",
      "07_ml_primitives/none.ts",
    ]
  ) {
    await assertRejects(
      () => prepare(ROOT, file, "/dev/null/none"),
      RangeError,
      `No script with a test is called ${file}: needs one`,
    );
  }
});

/** Starts the exercise as `deno task practice` does. */
function start(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}/_shared/practice.ts`, ...args],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

test("an exercise counts the green tests at each save, and ends when all are", async () => {
  const into = await Deno.makeTempDir();
  const task = start("07_ml_primitives/softmax.ts", "--into", into);
  const file = `${into}/07_ml_primitives/softmax/softmax.ts`;
  const answer = await Deno.readTextFile(`${ROOT}/07_ml_primitives/softmax.ts`);
  const half = answer.replace("export function logSumExp(", "function unused(");
  // What is saved after each line that begins with a time.
  const saves = ["export const x = (", half, answer];
  const lines: string[] = [];
  let rest = "";
  for await (const text of task.stdout.pipeThrough(new TextDecoderStream())) {
    const [...whole] = (rest + text).split("\n");
    rest = whole.pop()!;
    for (const line of whole) {
      lines.push(line.replace(/^\d+:\d\d/, "0:00"));
      const save = /^\d+:\d\d/.test(line) && saves.shift();
      if (save) await Deno.writeTextFile(file, save);
    }
  }
  assertEquals(await new Response(task.stderr).text(), "");
  assertEquals((await task.status).code, 0);
  const [, all] = / of (\d+) tests pass$/.exec(lines[5]) ?? [];
  assertEquals(lines, [
    `Write ${file}`,
    "15 minutes from now. Each save runs its tests.",
    `0:00  0 of ${all} tests pass; red: softmax() golden: 1, 2, 3`,
    "0:00  the tests do not run: SyntaxError: Expression expected",
    "0:00  the tests do not run: SyntaxError: The requested module " +
    "'./softmax.ts' does not provide an export named 'logSumExp'",
    `0:00  ${all} of ${all} tests pass`,
    "Done. Compare with 07_ml_primitives/softmax.ts.",
  ]);

  // The file is as it was left.
  const again = start("07_ml_primitives/softmax.ts", "--into", into);
  const { stdout } = await again.output();
  assert(new TextDecoder().decode(stdout).startsWith(`Go on with ${file}\n`));
  assertEquals(await Deno.readTextFile(file), answer);
  await Deno.remove(into, { recursive: true });
});

test("a wrong argument is one line and the usage, and status 2", async () => {
  for (
    const [args, line] of [
      [[], "Needs one FILE"],
      [["a.ts", "b.ts"], "Needs one FILE"],
      [["a.ts", "--minute", "3"], "Unknown option --minute"],
      [
        ["a.ts", "--minutes", "0"],
        "Cannot time 0 minutes: needs from 0 to 1000",
      ],
      [["a.ts"], "No script with a test is called a.ts: needs one as in"],
    ] as const
  ) {
    const { code, stderr } = await start(...args).output();
    const [first, usage, ...more] = new TextDecoder().decode(stderr).split(
      "\n",
    );
    assert(first.startsWith(line), first);
    assertEquals(usage.slice(0, 33), "Usage: deno task practice FILE [-");
    assertEquals([more, code], [[""], 2]);
  }
});
