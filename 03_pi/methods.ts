#!/usr/bin/env -S deno run
/**
 * Q. Which other ways lead from random numbers to π, and which is the best?
 *
 * A. Plain Monte Carlo is off by c / √n, whatever is averaged. One can lower c:
 * average the height √(1 − x²) instead of hits and misses, or take x together
 * with 1 − x. Or one can break the √n: let every n-th part of the interval have
 * its point (stratified), or let a sequence fill the gaps by itself. Such points
 * are too even to be random, and that is the point. Needles and coprime pairs are
 * beautiful, and no better than darts.
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
import { checkCount, draw, estimatePi, type Random } from "./pi.ts";

/** How many standard errors a normal number stays within, 95 times in 100. */
const Z_95 = 1.96;
/** How many random starts the golden sequence has, so that its error shows. */
const SHIFTS = 10;
/** What 1.96 is if the standard error itself is known from ten values only. */
const T_95 = 2.262;

/** What a run says about π. */
export interface Estimate {
  value: number;
  /** The standard error of `value`, as this run itself shows it. */
  error: number;
  /** An interval that should hold π in 95 of 100 runs. */
  low: number;
  high: number;
}

/** A way to estimate π from `n` points. */
export interface Method {
  /** What is done at each point. */
  title: string;
  /** `n` must be a multiple of this, because points come in groups. */
  group: number;
  /** The least `n` that has a standard error. */
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
    least: 2,
    estimate: (n, random) => mean(n, () => height(draw(random))),
  },
  antithetic: {
    title: "the mean height, at x and 1 − x together",
    group: 2,
    least: 4,
    estimate: (n, random) =>
      mean(n / 2, () => {
        const x = draw(random);
        return (height(x) + height(1 - x)) / 2;
      }),
  },
  stratified: {
    title: "the mean height, two x in each of n / 2 parts",
    group: 2,
    least: 2,
    estimate: stratified,
  },
  sequence: {
    title: "the mean height, x in steps of the golden ratio",
    group: SHIFTS,
    least: SHIFTS,
    estimate: (n, random) =>
      mean(SHIFTS, () => goldenMean(n / SHIFTS, draw(random)), T_95),
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

/** @throws {RangeError} unless {@link estimate} takes this method and `n` */
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

/** The estimate of a run in which the share `p` of `n` darts is inside. */
export function fromDarts(p: number, n: number): Estimate {
  return fromShare(p, n, (p) => 4 * p, () => 4);
}

/**
 * What a share of hits says about π. The interval is Wilson's, which is right
 * even for one dart: that of p ± 1.96 √(p(1 − p) / n) would be empty.
 * @param pi turns the share into π; it rises or falls, but not both
 * @param slope how steeply, without sign
 */
function fromShare(
  p: number,
  n: number,
  pi: (p: number) => number,
  slope: (p: number) => number,
): Estimate {
  const z = Z_95 ** 2 / n;
  const middle = (p + z / 2) / (1 + z);
  const half = Math.sqrt(z * (p * (1 - p) + z / 4)) / (1 + z);
  const ends = [middle - half, middle + half].map((p) => pi(Math.max(0, p)));
  return {
    value: pi(p),
    error: slope(p) * Math.sqrt(p * (1 - p) / n),
    low: Math.min(...ends),
    high: Math.max(...ends),
  };
}

/** Four times the mean of `n` independent values, and how far to trust it. */
function mean(n: number, value: () => number, t = Z_95): Estimate {
  let middle = 0, squares = 0; // of the distances from the mean, after Welford
  for (let i = 1; i <= n; i++) {
    const y = value();
    const distance = y - middle;
    middle += distance / i;
    squares += distance * (y - middle);
  }
  return fromMean(middle, Math.sqrt(squares / (n - 1) / n), t);
}

function fromMean(mean: number, error: number, t = Z_95): Estimate {
  const [value, half] = [4 * mean, 4 * t * error];
  return { value, error: 4 * error, low: value - half, high: value + half };
}

/** Two points in each part show how much the height varies within it. */
function stratified(n: number, random: Random): Estimate {
  const parts = n / 2;
  let sum = 0, variance = 0;
  for (let part = 0; part < parts; part++) {
    const a = height((part + draw(random)) / parts);
    const b = height((part + draw(random)) / parts);
    sum += (a + b) / 2;
    variance += (a - b) ** 2 / 4;
  }
  return fromMean(sum / parts, Math.sqrt(variance) / parts);
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

/** The root of the mean square error of `runs` independent runs. */
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

/** The slope of the straight line that is nearest to the points in log-log. */
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
