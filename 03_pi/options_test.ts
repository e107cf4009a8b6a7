import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { METHODS } from "./methods.ts";
import { HELP, parseOptions } from "./options.ts";

Deno.test("parseOptions() of nothing is a million darts with seed 42", () => {
  assertEquals(parseOptions([]), {
    help: false,
    darts: 1_000_000,
    seed: 42n,
    method: "darts",
    workers: undefined,
    svg: undefined,
  });
});

Deno.test("parseOptions() reads every flag", () => {
  const line =
    "--darts 1e9 --seed 18446744073709551615 --workers 2 --svg a.svg";
  assertEquals(parseOptions(line.split(" ")), {
    help: false,
    darts: 1_000_000_000,
    seed: 2n ** 64n - 1n,
    method: "darts",
    workers: 2,
    svg: "a.svg",
  });
  const { method, darts } = parseOptions(["--method", "needle", "--darts=50"]);
  assertEquals([method, darts], ["needle", 50]);
  assert(parseOptions(["--help"]).help);
});

Deno.test("HELP names every flag and every method", () => {
  const flags = ["--darts", "--seed", "--method", "--workers", "--svg"];
  for (const name of [...flags, ...Object.keys(METHODS)]) {
    assertStringIncludes(HELP, `\n  ${name} `);
  }
});

type ErrorClass = new (message: string) => Error;
const ERRORS: [line: string, error: ErrorClass, message: string][] = [
  ["--dart 5", SyntaxError, "Unknown argument --dart"],
  ["5", SyntaxError, "Unknown argument 5"],
  ["-- 5", SyntaxError, "Unknown argument 5"],
  ["--darts -5", SyntaxError, "Unknown argument -5; write --flag=-5"],
  ["--darts", SyntaxError, "--darts needs a value"],
  ["--svg --seed 1", SyntaxError, "--svg needs a value"],
  ["--darts many", SyntaxError, '--darts needs a whole number, got "many"'],
  ["--darts 0x10", SyntaxError, '--darts needs a whole number, got "0x10"'],
  ["--darts NaN", SyntaxError, '--darts needs a whole number, got "NaN"'],
  [
    "--darts 0",
    RangeError,
    "--darts needs a whole number from 1 to 9007199254740991",
  ],
  ["--darts=-5", RangeError, "--darts needs a whole number from 1"],
  ["--darts 2.5", RangeError, "--darts needs a whole number from 1"],
  ["--darts 1e16", RangeError, "--darts needs a whole number from 1"],
  ["--darts 1e999", RangeError, "--darts needs a whole number from 1"],
  ["--workers 0", RangeError, "--workers needs a whole number from 1"],
  ["--workers 257", RangeError, "needs a whole number from 1 to 256, got 257"],
  ["--seed 1.5", SyntaxError, '--seed needs an integer, got "1.5"'],
  ["--seed=-1", RangeError, "Cannot seed with -1: needs an integer from 0"],
  ["--seed 18446744073709551616", RangeError, "from 0 to 2^64 - 1"],
  ["--method dice", RangeError, "There is no method dice: needs one of darts"],
  ["--method toString", RangeError, "There is no method toString"],
  ["--method sequence --darts 25", RangeError, "needs a multiple of 10"],
  ["--method mean --workers 2", RangeError, "--workers is for darts only"],
  ["--method mean --svg a.svg", RangeError, "--svg is for darts only"],
];
for (const [line, error, message] of ERRORS) {
  Deno.test(`parseOptions() of ${line} is an error, not a guess`, () => {
    assertThrows(() => parseOptions(line.split(" ")), error, message);
  });
}
