#!/usr/bin/env -S deno run
/**
 * Q. Which other ways lead from random numbers to π, and which is the best?
 *
 * A. Plain Monte Carlo is off by c / √n, whatever is averaged. One can lower c:
 * average the height √(1 − x²) instead of hits and misses, or take x together
 * with 1 − x. Or one can break the √n: cut the interval into parts and take a point
 * in each (stratified), or let a sequence fill the gaps by itself. Such points are
 * more even than chance, so they say nothing of their own error; ten independent
 * runs do. Needles and coprime pairs are darts in another dress: c / √n.
 *
 * Time O(n), for coprime pairs O(n log N) with numbers up to N; space O(1).
 * Trap: to throw a needle by a random angle from 0 to π, which needs π. A random
 * point in the quarter circle has the direction without it.
 * Left out: importance sampling, and sequences in many dimensions.
 * Source: Owen, Monte Carlo theory, methods and examples (2013), artowen.su.domains.
 * Run: `deno run methods.ts`
 * @module
 */
import { Xoshiro128 } from "./generators.ts";
import { type Estimate, fromDarts, fromMean, fromShare } from "./intervals.ts";
import { checkCount, draw, estimatePi, type Random } from "./pi.ts";

/** How many independent runs an even method is cut into, so that its error shows. */
const RUNS = 10;

/** A way to estimate π from `n` points. */
export interface Method {
  /** What is done at each point. */
  title: string;
  /** `n` must be a multiple of this, because points come in groups. */
  group: number;
  /** The least `n` whose interval can be relied on. */
  least: number;
  estimate(n: number, random: Random): Estimate;
}

/** The ways, by name. */
export const METHODS: Record<string, Method> = {
  darts: {
    title: "darts in the quarter circle",
    group: 1,
    least: 1,
    estimate: (n, random) => fromDarts(estimatePi(n, random) / 4, n),
  },
  mean: {
    title: "the mean height √(1 − x²)",
    group: 1,
    least: 50,
    estimate: (n, random) => fromMean(n, () => height(draw(random))),
  },
  antithetic: {
    title: "the mean height, at x and 1 − x together",
    group: 2,
    least: 100,
    estimate: (n, random) =>
      fromMean(n / 2, () => {
        const x = draw(random);
        return (height(x) + height(1 - x)) / 2;
      }),
  },
  stratified: {
    title: "the mean height, one x in each of n / 10 parts, ten times",
    group: RUNS,
    least: RUNS,
    estimate: (n, random) =>
      fromMean(RUNS, () => stratifiedMean(n / RUNS, random)),
  },
  sequence: {
    title: "the mean height, x in steps of the golden ratio, ten times",
    group: RUNS,
    least: RUNS,
    estimate: (n, random) =>
      fromMean(RUNS, () => goldenMean(n / RUNS, draw(random))),
  },
  needle: {
    title: "Buffon's needle on a floor of boards",
    group: 1,
    least: 1,
    estimate: (n, random) => {
      const crossings = count(n, () => sine(random) >= draw(random));
      return fromShare(crossings / n, n, (p) => 2 / p, (p) => 2 / p ** 2);
    },
  },
  coprime: {
    title: "pairs of numbers without a common factor",
    group: 1,
    least: 1,
    estimate: (n, random) => {
      const pairs = count(n, () => gcd(whole(random), whole(random)) === 1);
      const pi = (p: number) => Math.sqrt(6 / p);
      return fromShare(pairs / n, n, pi, (p) => pi(p) / (2 * p));
    },
  },
};

/**
 * Estimates π from `n` points by one of {@link METHODS}.
 * @throws {RangeError} if there is no such method, or it cannot take `n` points
 */
export function estimate(name: string, n: number, random: Random): Estimate {
  checkMethod(name, n);
  return METHODS[name].estimate(n, random);
}

/**
 * Checks a method and its number of points.
 * @throws {RangeError} unless {@link estimate} takes them
 */
export function checkMethod(name: string, n: number): void {
  if (!Object.hasOwn(METHODS, name)) {
    const known = Object.keys(METHODS).join(", ");
    throw new RangeError(`There is no method ${name}: needs one of ${known}`);
  }
  checkCount(n);
  const { group, least } = METHODS[name];
  if (n % group === 0 && n >= least) return;
  const multiple = group > 1 ? `a multiple of ${group}` : "a whole number";
  throw new RangeError(
    `Cannot use ${name} with ${n} points: needs ${multiple} from ${least}`,
  );
}

/** The mean height at one random point in each of `n` equal parts. */
function stratifiedMean(n: number, random: Random): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += height((i + draw(random)) / n);
  return sum / n;
}

/** The mean height at `n` points, each the golden ratio further, modulo 1. */
function goldenMean(n: number, x: number): number {
  const step = (Math.sqrt(5) - 1) / 2;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    sum += height(x);
    x += step;
    if (x >= 1) x -= 1;
  }
  return sum / n;
}

const height = (x: number) => Math.sqrt(1 - x * x);

function count(n: number, hit: () => boolean): number {
  let hits = 0;
  for (let i = 0; i < n; i++) if (hit()) hits++;
  return hits;
}

/** The sine of a random direction: that of a random point in the quarter circle. */
function sine(random: Random): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const [x, y] = [draw(random), draw(random)];
    const radius = Math.hypot(x, y);
    if (radius > 0 && radius <= 1) return y / radius;
  }
  throw new RangeError(
    "Cannot throw a needle: a hundred points in a row miss the quarter circle",
  );
}

const whole = (random: Random) => 1 + Math.floor(draw(random) * 2 ** 30);

function gcd(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}

/**
 * The root of the mean square error of independent runs, a stream each.
 * @param runs how many, from 1
 * @throws {RangeError} as {@link estimate}
 */
export function measureError(
  name: string,
  n: number,
  runs: number,
  seed: number,
): number {
  const seeds = new Xoshiro128(seed);
  let squares = 0;
  for (let run = 0; run < runs; run++) {
    const { random } = new Xoshiro128(seeds.words);
    squares += (estimate(name, n, random).value - Math.PI) ** 2;
    seeds.jump();
  }
  return Math.sqrt(squares / runs);
}

/**
 * The slope of the straight line that is nearest to the points in log-log.
 * @param xs above 0, at least two
 * @param ys above 0, one for each x
 */
export function fitSlope(xs: readonly number[], ys: readonly number[]): number {
  const center = (values: readonly number[]) => {
    const logs = values.map(Math.log);
    const mean = logs.reduce((a, b) => a + b, 0) / logs.length;
    return logs.map((log) => log - mean);
  };
  const dot = (a: number[], b: number[]) =>
    a.reduce((s, x, i) => s + x * b[i], 0);
  const [x, y] = [center(xs), center(ys)];
  return dot(x, y) / dot(x, x);
}

if (import.meta.main) {
  const sizes = [100, 1000, 10_000, 100_000];
  const heads = sizes.map((n) => `n = ${n.toLocaleString("en")}`.padStart(11));
  console.log(
    "root mean square error of 50 runs, and the slope of its logarithm",
  );
  console.log("".padEnd(10), ...heads, "  slope");
  for (const [name, { title }] of Object.entries(METHODS)) {
    const errors = sizes.map((n) => measureError(name, n, 50, 42));
    console.log(
      name.padEnd(10),
      ...errors.map((error) => error.toPrecision(2).padStart(11)),
      fitSlope(sizes, errors).toFixed(2).padStart(7),
      ` ${title}`,
    );
  }
}
