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
  if (!(Number(n) >= 1 && Number(n) <= 16_384)) {
    throw new RangeError(`--n needs a whole number from 1 to 16384, got ${n}`);
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

/** About how long the ladder takes, in ms, from a product of (128, 128). */
export function predict(n: number, ms128: number): number {
  // The first rung is run twice, and is half of the whole; beyond the caches it
  // takes longer an entry.
  return 4 * ms128 * (n / 128) ** 3 * (n > 512 ? 1.5 : 1);
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
  const minutes = predict(n, ms128) / 60_000;
  if (minutes * 60_000 > PATIENCE && !force) {
    throw new RangeError(
      `n = ${n} takes about ${Math.ceil(minutes)} minutes: add --force`,
    );
  }

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
  let first: number | undefined;
  for (const rung of rungs) {
    note(rung.name);
    const { ms, product } = await measure(rung, a, b, now);
    const error = largestError(a, b, product, Math.min(n, 8));
    note("");
    console.log(row(rung.name, n, ms, first ??= ms, peak, error));
  }
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
    if (error instanceof SyntaxError) console.error(USAGE);
    Deno.exit(2);
  }
}
