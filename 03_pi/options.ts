#!/usr/bin/env -S deno run
/**
 * Q. Read a command line, and refuse every bad one before a dart is thrown.
 *
 * A. A library splits the arguments, with every flag declared; each value is
 * checked where it is read, and what fits alone is checked together: whether the
 * method can take this many points, and has use for workers. A refusal is one
 * line that states what came and what was expected.
 *
 * Trap: `Number(value)`, which takes "", " 7 " and "0x10" for numbers.
 * Left out: flags of one letter, environment variables.
 * Run: `deno run options.ts --darts many`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { MOST_WORKERS } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { checkMethod, METHODS } from "./methods.ts";

export const USAGE =
  "Usage: deno run pi.ts [--flag value]...; --help lists the flags";

export const HELP = `Estimate π from uniform random numbers.

Usage: deno run pi.ts [--flag value]...

  --darts N      how many, say 50000 or 1e9 (1000000)
  --seed N       an integer from 0 to 2^64 - 1 (42)
  --method NAME  one of the ways below (darts)
  --workers N    cores to throw darts on (all)
  --svg FILE     draw the first 2,000 darts, and the estimate of up to 4,194,304
                 (needs --allow-read and --allow-write for its folder)

${
  Object.entries(METHODS).map(([name, { title }]) =>
    `  ${name.padEnd(13)}  ${title}`
  ).join("\n")
}`;

/** What was asked for. */
export interface Options {
  help: boolean;
  /** How many darts, or points of another method. */
  darts: number;
  seed: bigint;
  method: string;
  /** How many workers; undefined is one for each core. */
  workers?: number;
  /** The file to draw to, if any. */
  svg?: string;
}

/**
 * Reads a command line.
 * @throws {SyntaxError} for an unknown flag, a missing value, or no number
 * @throws {RangeError} for a value that is not allowed, alone or with the others
 */
export function parseOptions(args: string[]): Options {
  const refuse = (arg: string) => {
    const hint = /^-\d/.test(arg) ? `; write --flag=${arg}` : "";
    throw new SyntaxError(`Unknown argument ${arg || '""'}${hint}`);
  };
  const flags = ["darts", "seed", "method", "workers", "svg"];
  const parsed = parseArgs(args, {
    boolean: ["help"],
    string: flags,
    unknown: refuse,
  });
  parsed._.forEach((arg: unknown) => refuse(String(arg))); // behind `--`
  const read = <T>(flag: string, parse: (text: string) => T, otherwise: T) => {
    const text = parsed[flag];
    if (text === undefined) return otherwise;
    if (text === "") throw new SyntaxError(`--${flag} needs a value`);
    return parse(String(text));
  };
  const options: Options = {
    help: Boolean(parsed.help),
    darts: read("darts", (text) => parseCount("--darts", text), 1_000_000),
    seed: read("seed", parseSeed, 42n),
    method: read("method", String, "darts"),
    workers: read(
      "workers",
      (text) => parseCount("--workers", text, MOST_WORKERS),
      undefined,
    ),
    svg: read("svg", String, undefined),
  };
  const { method, darts, workers, svg } = options;
  checkMethod(method, darts);
  for (const [flag, value] of Object.entries({ workers, svg })) {
    if (method === "darts" || value === undefined) continue;
    throw new RangeError(`--${flag} is for darts only, not for ${method}`);
  }
  return options;
}

function parseCount(
  flag: string,
  text: string,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    throw new SyntaxError(`${flag} needs a whole number, got "${text}"`);
  }
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= most) return count;
  throw new RangeError(
    `${flag} needs a whole number from 1 to ${most}, got ${text}`,
  );
}

function parseSeed(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) {
    throw new SyntaxError(`--seed needs an integer, got "${text}"`);
  }
  const seed = BigInt(text);
  new Xoshiro128(seed); // refuses what it cannot start from
  return seed;
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
