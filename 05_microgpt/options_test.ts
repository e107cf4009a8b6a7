import { assert, assertEquals, assertThrows } from "@std/assert";
import { HELP, parseOptions, RECIPES } from "./options.ts";

Deno.test("parseOptions() of nothing sets nothing", () => {
  assertEquals(parseOptions([]), { help: false, config: {} });
});

Deno.test("parseOptions() reads every flag, and sorts settings from the rest", () => {
  const line =
    "--names a.txt --steps 30 --batch 4 --seed 7 --temperature 0.9 " +
    "--samples 3 --prefix har --layers 2 --heads 8 --embd 32 --block 12 " +
    "--lr 1e-3 --save b --load c --inspect wte[9][5] --recipe karpathy";
  assertEquals(parseOptions(line.split(" ")), {
    help: false,
    names: "a.txt",
    seed: 7n,
    temperature: 0.9,
    samples: 3,
    prefix: "har",
    save: "b",
    load: "c",
    inspect: "wte[9][5]",
    recipe: "karpathy",
    config: {
      steps: 30,
      batch: 4,
      layers: 2,
      heads: 8,
      embd: 32,
      block: 12,
      lr: 0.001,
    },
  });
});

Deno.test("parseOptions() keeps every digit of a seed", () => {
  const digits = "123456789012345678901234567890";
  assertEquals(parseOptions([`--seed=-${digits}`]).seed, -BigInt(digits));
});

Deno.test("HELP tells of every flag that there is", () => {
  const flags = HELP.match(/--[a-z]+/g) ?? [];
  for (const flag of new Set(flags)) {
    if (flag === "--allow" || flag === "--flag") continue;
    const value = flag === "--recipe" ? "karpathy" : "3";
    assert(parseOptions([flag, value]), flag);
  }
  assertEquals(new Set(flags).size, 16 + 2); // the flags and those two
});

Deno.test("RECIPES differ in steps, batch, samples and the two epsilons only", () => {
  const { reference, karpathy } = RECIPES;
  const differing = Object.keys(reference.config).filter((key) =>
    reference.config[key as "lr"] !== karpathy.config[key as "lr"]
  );
  assertEquals(differing.toSorted(), ["batch", "logEps", "rmsEps", "steps"]);
  assertEquals([reference.samples, karpathy.samples], [10, 20]);
});

const ERRORS: [args: string[], error: typeof Error, message: string][] = [
  [["--stepz", "3"], SyntaxError, "Unknown argument --stepz"],
  [["--__proto__", "3"], SyntaxError, "Unknown argument --__proto__"],
  [["names.txt"], SyntaxError, "Unknown argument names.txt"],
  [["--", "names.txt"], SyntaxError, "Unknown argument names.txt"],
  [["--lr", "-1"], SyntaxError, "Unknown argument -1; write --flag=-1"],
  [["--lr=-1"], RangeError, "--lr needs a number from 0, got -1"],
  [["--lr", "1e999"], RangeError, "--lr needs a number from 0, got Infinity"],
  [["--lr", "NaN"], SyntaxError, '--lr needs a number, got "NaN"'],
  [["--lr"], SyntaxError, "--lr needs a value"],
  [["--prefix", "--lr", "1"], SyntaxError, "--prefix needs a value"],
  [["--prefix", ""], SyntaxError, 'Unknown argument ""'],
  [["--block", "0"], RangeError, "--block needs a whole number from 1, got 0"],
  [["--samples", "1.5"], RangeError, "--samples needs a whole number from 0"],
  [["--temperature=-9"], RangeError, "--temperature needs a number from 0"],
  [["--names", "--lr", "1"], SyntaxError, "--names needs a value"],
  [
    ["--steps", "many"],
    SyntaxError,
    '--steps needs a whole number, got "many"',
  ],
  [
    ["--steps", "0x10"],
    SyntaxError,
    '--steps needs a whole number, got "0x10"',
  ],
  [["--steps", " "], SyntaxError, '--steps needs a whole number, got " "'],
  [
    ["--steps", "1.5"],
    RangeError,
    "--steps needs a whole number from 0, got 1.5",
  ],
  [["--heads", "0"], RangeError, "--heads needs a whole number from 1, got 0"],
  [["--seed", "1.5"], SyntaxError, '--seed needs an integer, got "1.5"'],
  [
    ["--recipe", "toString"],
    RangeError,
    "--recipe toString is unknown: needs reference or karpathy",
  ],
];
for (const [args, error, message] of ERRORS) {
  Deno.test(`parseOptions() of ${args.join(" ")} is an error, not a guess`, () => {
    assertThrows(() => parseOptions(args), error, message);
  });
}
