#!/usr/bin/env -S deno run
/**
 * Q. How far can an estimate be trusted that came about by chance?
 *
 * A. As far as its own numbers say. Independent values have a mean and a variance,
 * and the mean of n of them the standard error √(variance / n); it is off by more
 * than 1.96 of these in 5 runs of 100. If the values are few, the variance itself
 * is uncertain, and 1.96 becomes Student's t. A share of hits has the interval of
 * Wilson, which is right even for one dart.
 *
 * Time O(n), one pass; space O(1).
 * Trap: p ± 1.96 √(p(1 − p) / n): after one dart it is empty, and π is not in it.
 * Left out: one-sided intervals, and other levels than 95 %.
 * Source: Wilson (1927), doi:10.1080/01621459.1927.10502953; Welford (1962),
 * doi:10.1080/00401706.1962.10490022.
 * Run: `deno run intervals.ts`
 * @module
 */

/** What a run says about π. */
export interface Estimate {
  value: number;
  /** The standard error of `value`, as this run itself shows it; 0 if it cannot. */
  error: number;
  /** An interval that should hold π in 95 of 100 runs. */
  low: number;
  high: number;
}

/** How many standard errors a normal number stays within, 95 times in 100. */
const Z_95 = 1.96;
/** The same if the error is known from ten values: Student's t with 9 degrees. */
const T_95 = 2.262;

/**
 * What `n` independent values say, n being 10 or from 50 on.
 * @param value four times whose mean is π
 */
export function fromMean(n: number, value: () => number): Estimate {
  let mean = 0, squares = 0; // of the distances from the mean
  for (let i = 1; i <= n; i++) {
    const y = value();
    const distance = y - mean;
    mean += distance / i;
    squares += distance * (y - mean);
  }
  const error = 4 * Math.sqrt(squares / (n - 1) / n);
  const half = error * (n > 10 ? Z_95 : T_95);
  return {
    value: 4 * mean,
    error,
    low: 4 * mean - half,
    high: 4 * mean + half,
  };
}

/**
 * What a share of hits says.
 * @param p the share of `n` that are hits
 * @param pi turns the share into π; it rises or falls, but not both
 * @param slope how steeply, without sign
 */
export function fromShare(
  p: number,
  n: number,
  pi: (p: number) => number,
  slope: (p: number) => number,
): Estimate {
  const z = Z_95 ** 2 / n;
  const middle = (p + z / 2) / (1 + z);
  const half = Math.sqrt(z * (p * (1 - p) + z / 4)) / (1 + z);
  const ends = [Math.max(0, middle - half), middle + half].map(pi);
  return {
    value: pi(p),
    error: p > 0 ? slope(p) * Math.sqrt(p * (1 - p) / n) : 0,
    low: Math.min(...ends),
    high: Math.max(...ends),
  };
}

/** What a run says in which the share `p` of `n` darts is inside. */
export function fromDarts(p: number, n: number): Estimate {
  return fromShare(p, n, (p) => 4 * p, () => 4);
}

/** How many decimals leave two digits of the error; 2 if it is not known. */
export function digits(error: number): number {
  if (!(error > 0)) return 2;
  return Math.max(0, 1 - Math.floor(Math.log10(error)));
}

if (import.meta.main) {
  console.log("inside      π  Wilson's interval     p ± 1.96 √(p(1 − p) / n)");
  for (const [inside, n] of [[1, 1], [4, 5], [40, 50], [785, 1000]]) {
    const p = inside / n;
    const { value, low, high, error } = fromDarts(p, n);
    const show = (low: number, high: number) =>
      `${low.toFixed(2)} … ${high.toFixed(2)}`;
    console.log(
      `${inside}/${n}`.padStart(8),
      value.toFixed(2),
      show(low, high).padStart(14),
      show(value - 1.96 * error, value + 1.96 * error).padStart(20),
    );
  }
}
