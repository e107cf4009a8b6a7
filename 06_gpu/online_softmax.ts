#!/usr/bin/env -S deno run
/**
 * Q. Compute a softmax in one pass over data that comes in pieces.
 *
 * A. Keep the largest score so far, the peak, and the sum of exp(score − peak). When a
 * larger score comes, all that is in the sum is too large by the same factor, so one
 * product with exp(old − new) sets it right. Sums of values weighted by the same
 * exponentials go along, and need the same product. Two such states over different
 * keys merge in the same way. What comes out is the weighted mean of the values and
 * the logarithm of the sum; a single weight, exp(score − logSum), takes a second look
 * at its score, and attention never asks for it.
 *
 * Shapes: scores (N,), values (N, D), total and output (D,): N keys that a block has,
 * D head size, 0 without values.
 * Time O(N·D) for a block; space O(D), however many blocks there are.
 * Trap: a first block that is all masked. Its peak is −∞, and exp(−∞ − (−∞)) is NaN,
 * which no later block gets rid of.
 * Left out: rows of queries, f32, and values whose sum is beyond 1.8e308.
 * Source: Milakov, Gimelshein (2018), arXiv:1805.02867; Dao et al. (2022),
 * arXiv:2205.14135, for the values and the blocks.
 * Run: `deno run online_softmax.ts`
 * @module
 */

/** All that must be known of the scores and values that have been seen. */
export interface State {
  /** The largest score; −∞ if there was none. */
  readonly peak: number;
  /** Of exp(score − peak): 0 without a score, and else at least 1, or NaN. */
  readonly sum: number;
  /** (D,) the sum of exp(score − peak) · value */
  readonly total: readonly number[];
}

/**
 * The state that has seen nothing.
 * @param D numbers in a value; 0 if only the sum is asked for
 * @throws {RangeError} if D is no whole number from 0
 */
export function start(D = 0): State {
  if (!Number.isSafeInteger(D) || D < 0) {
    throw new RangeError(
      `Cannot start with values of D=${D}: it must be a whole number from 0`,
    );
  }
  return { peak: -Infinity, sum: 0, total: new Array(D).fill(0) };
}

/**
 * The state after a block more; the old one stays as it is.
 * @param scores (N,) −∞ is masked, and its value is not read; NaN and +∞ pass through
 * @param values (N, D); without, D must be 0
 * @throws {RangeError} if the sizes of scores, values and state differ
 */
export function add(
  state: State,
  scores: readonly number[],
  values: readonly (readonly number[])[] = scores.map(() => []),
): State {
  const [N, D] = [scores.length, state.total.length];
  if (values.length !== N) {
    throw new RangeError(
      `Cannot add a block: ${N} scores and ${values.length} values`,
    );
  }
  for (let n = 0; n < N; n++) {
    if (values[n].length === D) continue;
    throw new RangeError(
      `Cannot add value ${n} of ${
        values[n].length
      } numbers to a state of D=${D}`,
    );
  }
  let { peak, sum } = state;
  const total = [...state.total];
  for (let n = 0; n < N; n++) {
    const score = scores[n];
    if (score === -Infinity) continue;
    if (score > peak) {
      const factor = ratio(peak, score);
      sum *= factor;
      for (let d = 0; d < D; d++) total[d] *= factor;
      peak = score;
    }
    const weight = ratio(score, peak);
    sum += weight;
    for (let d = 0; d < D; d++) total[d] += weight * values[n][d];
  }
  return { peak, sum, total };
}

/**
 * The state of all that two states have seen, for keys that were split between them.
 * It is associative and commutative, up to rounding; start(D) changes nothing.
 * @throws {RangeError} if their values differ in size
 */
export function merge(a: State, b: State): State {
  if (a.total.length !== b.total.length) {
    throw new RangeError(
      `Cannot merge states of D=${a.total.length} and D=${b.total.length}`,
    );
  }
  const peak = Math.max(a.peak, b.peak);
  const [ofA, ofB] = [ratio(a.peak, peak), ratio(b.peak, peak)];
  return {
    peak,
    sum: ofA * a.sum + ofB * b.sum,
    total: a.total.map((x, d) => ofA * x + ofB * b.total[d]),
  };
}

/**
 * The softmax of all scores applied to their values, and log(Σ exp(score)) in nats.
 * Without a score the output is zeros and logSum −∞. With one of +∞ the weights are
 * ∞ / ∞: the output is NaN, and logSum +∞. With a NaN all is NaN.
 */
export function finish(
  { peak, sum, total }: State,
): { output: number[]; logSum: number } {
  return {
    output: total.map((x) => sum === 0 ? 0 : peak === Infinity ? NaN : x / sum),
    logSum: peak + Math.log(sum),
  };
}

/** exp(low − high), and 1 where both are the same infinity, whose difference is NaN. */
function ratio(low: number, high: number): number {
  return low === high ? 1 : Math.exp(low - high);
}

if (import.meta.main) {
  const scores = [1, 3, 1000, 999];
  const values = [[10], [20], [30], [40]];
  const right = finish(add(start(1), scores, values));
  console.log(`scores ${scores}, values ${values}`);
  console.log("online:", right.output[0], "log of the sum:", right.logSum);

  const exps = scores.map(Math.exp);
  const sum = exps.reduce((x, y) => x + y, 0);
  const mean = exps.reduce((x, e, n) => x + e / sum * values[n][0], 0);
  console.log("without a peak:", mean, "log of the sum:", Math.log(sum));

  // Each block by its own peak, and the sums added as if the peaks were the same.
  const blocks = [0, 2].map((n) =>
    add(start(1), scores.slice(n, n + 2), values.slice(n, n + 2))
  );
  const [total, weights] = blocks.reduce(
    ([total, weights], x) => [total + x.total[0], weights + x.sum],
    [0, 0],
  );
  console.log("two blocks, not rescaled:", total / weights);
  console.log(
    "two blocks, merged:",
    finish(merge(blocks[0], blocks[1])).output,
  );

  const masked = [-Infinity, -Infinity];
  const peak = Math.max(...masked);
  const trap = masked.reduce((sum, x) => sum + Math.exp(x - peak), 0);
  console.log("a masked block, by the formula:", trap);
  const first = add(start(1), masked, [[10], [20]]);
  console.log("a masked block, here:", first.sum, finish(first));
  console.log("and then the scores:", finish(add(first, scores, values)));
}
