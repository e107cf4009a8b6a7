#!/usr/bin/env -S deno run --allow-ffi
/**
 * Q. How can you optimise it? Show what each step is worth.
 *
 * A. Multiply the same two matrices by every form of this chapter, from the triple
 * loop to BLAS, and compare: the time, the rate, how many times the triple loop it
 * is, and what share of the most that one core can do. A rung that is fast and
 * wrong is worth nothing, so each product is compared with a compensated sum.
 *
 * Times are medians after a warm-up, of one run of this program: machines differ,
 * ratios less so.
 * Trap: timing the first call, which is compiled while it runs.
 * Left out: shapes that are not square, see the tests.
 * Run: `deno run --allow-ffi ladder.ts`, `--n 1024`, `--type f64`; `--help`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Blas, openBlas } from "./blas.ts";
import {
  multiplyIjk,
  multiplyIkj,
  multiplyPacked,
  multiplyTiled,
} from "./blocked.ts";
import { type Kind, measurePeak } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import {
  type Floats,
  largestError,
  lehmer,
  type Matrix,
  matrix,
  randomMatrix,
  toRows,
} from "./matrix.ts";
import { Pool } from "./parallel.ts";
import { multiplySimd } from "./simd.ts";
import { strassen } from "./strassen.ts";

/** A way to multiply, and its name. */
export interface Rung {
  name: string;
  /** Does what is not to be timed, and returns what is. */
  ready(a: Matrix, b: Matrix): () => Matrix | Promise<Matrix>;
}

function rung(
  name: string,
  multiply: (a: Matrix, b: Matrix) => Matrix | Promise<Matrix>,
): Rung {
  return { name, ready: (a, b) => () => multiply(a, b) };
}

export interface Options {
  help: boolean;
  n: number;
  type: Kind;
  force: boolean;
}

const USAGE =
  "Usage: deno run --allow-ffi ladder.ts [--n N] [--type f32|f64] [--force]";

const HELP =
  `Multiply two n × n matrices in every way of this chapter, and compare.

${USAGE}

  --n N      rows and columns (512)
  --type T   f32 or f64 (f32)
  --force    also if that takes minutes

Without --allow-ffi, BLAS is left out.`;

/** Rows of number[][] beyond this fill the memory of the engine. */
const MOST = 8192;
/** A ladder that is said to take longer needs --force, in ms. */
const PATIENCE = 120_000;
/** How long a rung is warmed up and then timed, in ms, unless RUNS are enough. */
const [WARM_UP, TIMED, RUNS] = [400, 1500, 200];

/**
 * Reads a command line.
 * @throws {SyntaxError} for an unknown flag, a missing value, or no number
 * @throws {RangeError} for a value that is not allowed
 */
export function parseOptions(args: string[]): Options {
  const refuse = (arg: string) => {
    throw new SyntaxError(`Unknown argument ${arg || '""'}`);
  };
  args.filter((arg) => /^--(help|force)=/.test(arg)).forEach(refuse);
  const parsed = parseArgs(args, {
    boolean: ["help", "force"],
    string: ["n", "type"],
    unknown: refuse,
  });
  parsed._.forEach((arg: unknown) => refuse(String(arg))); // behind `--`
  const { n = "512", type = "f32" } = parsed as Record<string, string>;
  for (const [flag, value] of Object.entries({ n, type })) {
    if (value === "") throw new SyntaxError(`--${flag} needs a value`);
  }
  if (!/^\d+$/.test(n)) {
    throw new SyntaxError(`--n needs a whole number, got "${n}"`);
  }
  if (!(Number(n) >= 1 && Number(n) <= MOST)) {
    throw new RangeError(
      `--n needs a whole number from 1 to ${MOST}, got ${n}`,
    );
  }
  if (type !== "f32" && type !== "f64") {
    throw new RangeError(`--type ${type} is unknown: needs f32 or f64`);
  }
  return {
    help: Boolean(parsed.help),
    n: Number(n),
    type,
    force: Boolean(parsed.force),
  };
}

/** The rungs that need nothing but this chapter. */
export const RUNGS: Rung[] = [
  {
    name: "matmul, number[][]",
    ready(a, b) {
      const [x, y] = [toRows(a), toRows(b)];
      const Kind = a.data.constructor as typeof Float64Array;
      return () => {
        const product = Kind.from(matmul(x, y).flat());
        return matrix(a.rows, b.columns, product);
      };
    },
  },
  rung("i-j-k, flat", multiplyIjk),
  rung("i-k-j, flat", multiplyIkj),
  rung("tiled", (a, b) => multiplyTiled(a, b)),
  rung("strassen", (a, b) => strassen(a, b)),
  rung("packed, in registers", multiplyPacked),
  rung("simd", multiplySimd),
];

/** The median time of a rung in ms, after a warm-up, and its product. */
export async function measure(
  rung: Rung,
  a: Matrix,
  b: Matrix,
  now: () => number,
): Promise<{ ms: number; product: Matrix }> {
  const multiply = rung.ready(a, b);
  let product: Matrix;
  const begin = now();
  let runs = 0;
  do product = await multiply(); while (
    ++runs < RUNS && now() - begin < WARM_UP
  );
  const times: number[] = [];
  const first = now();
  do {
    const start = now();
    product = await multiply();
    times.push(now() - start);
  } while (times.length < RUNS && now() - first < TIMED);
  times.sort((x, y) => x - y);
  return { ms: times[times.length >> 1], product };
}

export const HEADING =
  "rung                           ms  GFLOP/s   times  % of" +
  " peak    error";

/** A row of the table. @param first the time of the first rung, in ms */
export function row(
  name: string,
  n: number,
  ms: number,
  first: number,
  peak: number,
  error: number,
): string {
  const rate = 2 * n ** 3 / ms / 1e6;
  return [
    name.padEnd(22),
    ms.toFixed(ms < 10 ? 2 : 1).padStart(10),
    rate.toFixed(rate < 10 ? 2 : 1).padStart(8),
    (first / ms).toFixed(first / ms < 10 ? 1 : 0).padStart(7),
    (100 * rate / peak).toFixed(0).padStart(10),
    error.toExponential(0).padStart(8),
  ].join(" ");
}

/**
 * About how long a ladder of so many rungs takes, in ms.
 * @param ms128 a product of (128, 128) on the first rung
 */
export function predict(n: number, rungs: number, ms128: number): number {
  // A product of the first rung grows as n³, and beyond the caches as n⁴; it is
  // made twice, and all others together are about as slow.
  const first = ms128 * (n / 128) ** 3 * Math.max(1, n / 256);
  return 4 * first + rungs * (n < 128 ? 0 : WARM_UP + TIMED);
}

/** @throws {RangeError} if a run of so many ms needs --force and has it not */
export function checkPatience(n: number, ms: number, force: boolean): void {
  if (ms <= PATIENCE || force) return;
  const minutes = Math.ceil(ms / 60_000);
  throw new RangeError(`n = ${n} takes about ${minutes} minutes: add --force`);
}

/** Times each rung, and gives a row for it as soon as it is there. */
export async function* climb(
  rungs: Rung[],
  a: Matrix,
  b: Matrix,
  peak: number,
  now: () => number,
): AsyncGenerator<string> {
  const n = a.rows;
  let first: number | undefined;
  for (const rung of rungs) {
    note(rung.name);
    const { ms, product } = await measure(rung, a, b, now);
    const error = largestError(a, b, product, Math.min(n, 8));
    note("");
    yield row(rung.name, n, ms, first ??= ms, peak, error);
  }
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  if (options.help) return console.log(HELP);
  const { n, type, force } = options;
  const random = lehmer(42);
  const like = type === "f32" ? new Float32Array() : new Float64Array();
  const square = (n: number) => randomMatrix<Floats>(n, n, like, random);
  const now = () => performance.now();

  const [small, other] = [square(128), square(128)];
  const { ms: ms128 } = await measure(RUNGS[0], small, other, now);
  checkPatience(n, predict(n, RUNGS.length + 3, ms128), force);

  const rungs = [...RUNGS];
  using pool = new Pool();
  rungs.push(
    rung(`simd, ${pool.size} worker(s)`, (a, b) => pool.multiply(a, b)),
  );
  let missing = "";
  let blas: Blas | undefined;
  try {
    blas = openBlas();
  } catch (error) {
    missing = (error as Error).message;
  }
  using library = blas;
  const all = library?.threads;
  for (const threads of new Set(library ? [all && 1, all] : [])) {
    rungs.push(rung(`BLAS, ${threads ?? "?"} thread(s)`, (a, b) => {
      if (threads) library!.threads = threads;
      return library!.multiply(a, b);
    }));
  }

  const peak = measurePeak(type);
  const [a, b] = [square(n), square(n)];
  console.log(
    `${n} × ${n} in ${type}; one core's peak ${peak.toFixed(1)} GFLOP/s`,
  );
  console.log(HEADING);
  for await (const line of climb(rungs, a, b, peak, now)) console.log(line);
  if (missing) console.log(missing);
}

/** Shows on a terminal what is being done; "" clears it. */
function note(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error((error as Error).message);
    console.error(USAGE);
    Deno.exit(2);
  }
}
