import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  checkPatience,
  climb,
  measure,
  parseOptions,
  predict,
  row,
  RUNGS,
} from "./ladder.ts";
import { matmul } from "./matmul.ts";
import { type Floats, matrix, randomMatrix, toRows } from "./matrix.ts";

Deno.test("every rung multiplies the same two matrices to the same product", async () => {
  let x = 1;
  const next = () => (x = x * 37 % 101) % 19 - 9 + 0.5; // whole, less a half
  for (const like of [new Float32Array(), new Float64Array()]) {
    const [a, b] = [0, 1].map(() => randomMatrix<Floats>(70, 70, like, next));
    const right = matmul(toRows(a), toRows(b));
    for (const { name, ready } of RUNGS) {
      const product = await ready(a, b)();
      assertEquals(toRows(product), right, name);
      assert(product.data.constructor === like.constructor, name);
    }
  }
});

Deno.test("measure() is the median of the runs after the warm-up", async () => {
  let clock = 0, runs = 0;
  const times = [500, 30, 10, 900, 20, 800];
  const product = matrix(1, 1, Float64Array.of(7));
  const rung = {
    name: "",
    ready: () => () => {
      clock += times[runs++];
      return product;
    },
  };
  const found = await measure(rung, product, product, () => clock);
  // 500 is the warm-up; 30, 10, 900, 20 and 800 fill the time
  assertEquals(found, { ms: 30, product });
  assertEquals(runs, 6);
});

Deno.test("measure() of what is slow runs twice, and times the second", async () => {
  let clock = 0;
  const product = matrix(1, 1, Float64Array.of(7));
  const multiply = () => {
    clock += clock === 0 ? 9000 : 5000;
    return product;
  };
  const rung = { name: "", ready: () => multiply };
  const { ms } = await measure(rung, product, product, () => clock);
  assertEquals([ms, clock], [5000, 14_000]);
});

Deno.test("row() is 2n³ operations a time, against the first rung and the peak", () => {
  const cells = row("simd", 1000, 50, 5000, 80, 3.2e-7).trim().split(/ +/);
  assertEquals(cells, ["simd", "50.0", "40.0", "100", "50", "3e-7"]);
});

Deno.test("predict() is near what was measured, from a product of 10 ms at 128", () => {
  // deno run --allow-ffi ladder.ts, with time: 21 s at 512, 64 s at 1024; at 1536
  // a product of the first rung alone took 97 s
  for (const [n, seconds] of [[512, 21], [1024, 64], [1536, 4 * 97]]) {
    const ratio = predict(n, 10, 10) / 1000 / seconds;
    assert(ratio > 0.6 && ratio < 1.7, `${n}: ${ratio}`);
  }
});

Deno.test("checkPatience() refuses minutes, unless they are forced", () => {
  checkPatience(1024, 119_000, false);
  checkPatience(2048, 3_600_000, true);
  assertThrows(
    () => checkPatience(2048, 3_600_000, false),
    RangeError,
    "n = 2048 takes about 60 minutes: add --force",
  );
});

Deno.test("climb() gives times of the first rung, and the error of each product", async () => {
  const a = matrix(2, 2, Float64Array.of(1, 2, 3, 4));
  let clock = 0;
  const rung = (name: string, ms: number, ...product: number[]) => ({
    name,
    ready: () => () => {
      clock += ms;
      return matrix(2, 2, Float64Array.from(product));
    },
  });
  // [[1, 2], [3, 4]] squared is [[7, 10], [15, 22]]
  const rungs = [
    rung("first", 8, 7, 10, 15, 22),
    rung("second", 2, 7, 10, 15, 22),
    rung("wrong", 4, 7, 10, 15, 11),
  ];
  const cells: string[][] = [];
  for await (const line of climb(rungs, a, a, 1, () => clock)) {
    cells.push(line.trim().split(/ +/));
  }
  assertEquals(
    cells.map(([name, ms, , times, , error]) => [name, ms, times, error]),
    [
      ["first", "8.00", "1.0", "0e+0"],
      ["second", "2.00", "4.0", "0e+0"],
      ["wrong", "4.00", "2.0", "5e-1"],
    ],
  );
});

Deno.test("parseOptions() of nothing is 512 in f32, and reads every flag", () => {
  const preset = { help: false, n: 512, type: "f32" as const, force: false };
  assertEquals(parseOptions([]), preset);
  assertEquals(parseOptions("--n 1024 --type f64 --force --help".split(" ")), {
    help: true,
    n: 1024,
    type: "f64",
    force: true,
  });
});

type ErrorClass = new (message: string) => Error;
const ERRORS: [line: string, error: ErrorClass, message: string][] = [
  ["--m 5", SyntaxError, "Unknown argument --m"],
  ["5", SyntaxError, "Unknown argument 5"],
  ["-- 5", SyntaxError, "Unknown argument 5"],
  ["--n", SyntaxError, "--n needs a value"],
  ["--n many", SyntaxError, '--n needs a whole number, got "many"'],
  ["--n=-5", SyntaxError, '--n needs a whole number, got "-5"'],
  ["--n 1.5", SyntaxError, '--n needs a whole number, got "1.5"'],
  ["--n 0", RangeError, "--n needs a whole number from 1 to 8192, got 0"],
  ["--n 8193", RangeError, "--n needs a whole number from 1 to 8192"],
  ["--force=no", SyntaxError, "Unknown argument --force=no"],
  ["--type f16", RangeError, "--type f16 is unknown: needs f32 or f64"],
];
for (const [line, error, message] of ERRORS) {
  Deno.test(`parseOptions() of ${line} is an error, not a guess`, () => {
    assertThrows(() => parseOptions(line.split(" ")), error, message);
  });
}

const granted = Deno.permissions.querySync({ name: "run" }).state === "granted";

Deno.test({
  name: granted
    ? "ladder.ts climbs without a permission, and refuses what takes minutes"
    : "needs --allow-run, so not tested here: ladder.ts as a program",
  ignore: !granted,
  async fn() {
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-prompt",
          import.meta.resolve("./ladder.ts"),
          ...args,
        ],
        stdin: "null",
        env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      }).output();
      const [out, err] = [stdout, stderr].map((b) =>
        new TextDecoder().decode(b)
      );
      return { code, out: out.trim().split("\n"), err };
    };
    const small = await run("--n", "20");
    assertEquals([small.code, small.err], [0, ""]);
    assertEquals(small.out.length, 2 + RUNGS.length + 1 + 1);
    assert(small.out.at(-1)!.includes("--allow-ffi"), small.out.at(-1));
    const large = await run("--n", "8192");
    assertEquals([large.code, large.out], [2, [""]]);
    assert(
      /^n = 8192 takes about \d+ minutes: add --force\nUsage: /.test(large.err),
    );
    const wrong = await run("--n", "0");
    assertEquals([wrong.code, wrong.err.split("\n").length], [2, 3]);
  },
});
