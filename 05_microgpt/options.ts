#!/usr/bin/env -S deno run
/**
 * Q. Read a command line, and refuse every bad one before any work is done.
 *
 * A. Let a library split the arguments, with every flag declared, and check each
 * value against one table: what is not in the table is refused by name. A
 * refusal is one line that states what came and what was expected.
 *
 * Trap: `Number(value)`, which takes "", " 7 " and "0x10" for numbers.
 * Left out: flags of one letter, environment variables.
 * Run: `deno run options.ts --steps many`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Config, KARPATHY } from "./microgpt.ts";

/** Published programs that a run can follow. */
export const RECIPES: Record<string, { config: Config; samples: number }> = {
  reference: {
    config: {
      ...KARPATHY,
      steps: 20,
      batch: 8,
      logEps: 1e-10,
      rmsEps: 1e-8,
    },
    samples: 10,
  },
  karpathy: { config: KARPATHY, samples: 20 },
};

/** The least value of each number, and whether it must be whole. */
const NUMBERS = {
  steps: { least: 0, whole: true },
  batch: { least: 1, whole: true },
  samples: { least: 0, whole: true },
  layers: { least: 0, whole: true },
  heads: { least: 1, whole: true },
  embd: { least: 1, whole: true },
  block: { least: 1, whole: true },
  lr: { least: 0, whole: false },
  temperature: { least: 0, whole: false },
};
/** What every other setting must be. */
const ANY = { least: 0, whole: false };
const TEXTS = ["names", "prefix", "save", "load", "inspect", "recipe", "seed"];

export const USAGE =
  "Usage: deno run microgpt.ts [--flag value]...; --help lists the flags";

export const HELP = `Train a small GPT on names, then print names of its own.

Usage: deno run microgpt.ts [--flag value]...

Data and result
  --names FILE|URL   one text a line (needs --allow-read or --allow-net);
                     without it, the first names beside this script
  --samples N        texts to print (10; karpathy: 20)
  --temperature T    0 takes the likeliest token, 1 the model's own odds (0.5)
  --prefix TEXT      what every printed text begins with
  --seed N           an integer of any size, as for Python's random (42)

Training
  --recipe NAME      reference: 20 steps of 8 texts, or
                     karpathy: the published 1,000 steps of one text
  --steps N          steps in all (20); the learning rate falls evenly over them
  --batch N          texts a step (8)
  --lr X             learning rate of the first step (0.01)

Model
  --layers N         (1)          --heads N   must divide --embd (4)
  --embd N           width (16)   --block N   most tokens looked at (16)

Watch, stop, go on
  --inspect P        print a parameter, say 'wte[9][5]', at every step
  --save FILE        keep the run in FILE, at the end and on Ctrl-C after the
                     step that runs (needs --allow-read and --allow-write)
  --load FILE        go on with a kept run (needs --allow-read)`;

/** What was asked for; what was not is undefined. */
export interface Options {
  help: boolean;
  names?: string;
  prefix?: string;
  save?: string;
  load?: string;
  inspect?: string;
  recipe?: string;
  seed?: bigint;
  samples?: number;
  temperature?: number;
  /** Settings of the model and its training. */
  config: Partial<Config>;
}

/**
 * Reads a command line.
 * @throws {SyntaxError} for an unknown flag, a missing value, or no number
 * @throws {RangeError} for a number or a recipe that is not allowed
 */
export function parseOptions(args: string[]): Options {
  const refuse = (arg: string) => {
    const hint = /^-\d/.test(arg) ? `; write --flag=${arg}` : "";
    throw new SyntaxError(`Unknown argument ${arg || '""'}${hint}`);
  };
  const string = [...Object.keys(NUMBERS), ...TEXTS];
  const parsed = parseArgs(args, {
    boolean: ["help"],
    string,
    unknown: refuse,
  });
  parsed._.forEach((arg: unknown) => refuse(String(arg))); // behind `--`
  const options: Options = { help: Boolean(parsed.help), config: {} };
  for (const flag of string.filter((flag) => parsed[flag] !== undefined)) {
    const text = String(parsed[flag]);
    if (text === "") throw new SyntaxError(`--${flag} needs a value`);
    const value = flag in NUMBERS
      ? parseNumber(flag as keyof typeof NUMBERS, text)
      : flag === "seed"
      ? parseSeed(text)
      : text;
    Object.assign(flag in KARPATHY ? options.config : options, {
      [flag]: value,
    });
  }
  const { recipe } = options;
  if (recipe !== undefined && !Object.hasOwn(RECIPES, recipe)) {
    const known = Object.keys(RECIPES).join(" or ");
    throw new RangeError(`--recipe ${recipe} is unknown: needs ${known}`);
  }
  return options;
}

/** @throws {RangeError} if this setting may not have this value */
export function checkNumber(
  name: string,
  value: number,
  label = name,
): void {
  const { least, whole } = NUMBERS[name as keyof typeof NUMBERS] ?? ANY;
  const fits = whole ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (fits && value >= least) return;
  const kind = whole ? "a whole number" : "a number";
  throw new RangeError(`${label} needs ${kind} from ${least}, got ${value}`);
}

function parseNumber(flag: keyof typeof NUMBERS, text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    const kind = NUMBERS[flag].whole ? "a whole number" : "a number";
    throw new SyntaxError(`--${flag} needs ${kind}, got "${text}"`);
  }
  checkNumber(flag, Number(text), `--${flag}`);
  return Number(text);
}

function parseSeed(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) {
    throw new SyntaxError(`--seed needs an integer, got "${text}"`);
  }
  return BigInt(text.replace("+", ""));
}

if (import.meta.main) {
  try {
    console.log(parseOptions(Deno.args));
  } catch (error) {
    console.error((error as Error).message);
    console.error(USAGE);
    Deno.exit(2);
  }
}
