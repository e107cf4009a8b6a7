#!/usr/bin/env -S deno run
/**
 * Q. One classifier is right in 85 % of the cases, another in 82 %. Which is better?
 *
 * A. It cannot be told from that. If 15 % are positive, always saying no is right in
 * 85 %. Look at the confusion matrix: recall is the share of the positives that are
 * found, precision the share of the alarms that are right, F1 their harmonic mean, and
 * balanced accuracy the mean recall of the classes, ½ for guessing. If errors have
 * prices, weigh the matrix with them and be done. Then ask whether the difference is
 * noise: on 1,000 rows each, 85 against 82 is z = 1.8, not significant; on the same
 * rows count only those where just one is right.
 *
 * Shapes: N rows; K classes; a confusion matrix (K, K), row: true, column: predicted.
 * Time O(N + K²); space O(K²).
 * Trap: accuracy on unbalanced classes.
 * Left out: curves over thresholds (roc_curve.ts), calibration (calibration.ts), loss
 * (cross_entropy.ts: at perfect accuracy it still may be anything below ln K).
 * Source: Manning, Raghavan, Schütze (2008), Introduction to Information Retrieval,
 * 8.3 and 13.6; McNemar (1947), doi:10.1007/BF02295996.
 * Run: `deno run classification_metrics.ts`
 * @module
 */

/** Counts (K, K): row, the true class; column, the predicted one. */
export type Confusion = readonly (readonly number[])[];

/**
 * Counts each pair of a true and a predicted class.
 * @param targets (N,) classes from 0 to K − 1
 * @param predictions (N,) likewise
 * @returns (K, K)
 * @throws {RangeError} if there is no row, sizes differ, K is no count, or one no class
 */
export function confusion(
  targets: readonly number[],
  predictions: readonly number[],
  K: number,
): number[][] {
  if (targets.length === 0 || targets.length !== predictions.length) {
    throw new RangeError(
      `Cannot compare ${targets.length} targets with ${predictions.length} predictions`,
    );
  }
  if (!(Number.isSafeInteger(K) && K >= 1)) {
    throw new RangeError(`Cannot count ${K} classes: needs 1 or more`);
  }
  const counts = Array.from({ length: K }, () => new Array<number>(K).fill(0));
  targets.forEach((target, n) => {
    for (const c of [target, predictions[n]]) {
      if (!(Number.isInteger(c) && c >= 0 && c < K)) {
        throw new RangeError(`Cannot count class ${c} of row ${n}: K is ${K}`);
      }
    }
    counts[target][predictions[n]]++;
  });
  return counts;
}

/** How well one class is found. */
export interface Scores {
  /** The share of its predictions that are right; NaN if there is none. */
  precision: number;
  /** The share of its rows that are found; NaN if there is none. */
  recall: number;
  /** 2TP / (2TP + FP + FN); NaN if the class neither occurs nor is predicted. */
  f1: number;
}

/** The scores of class c. @throws {RangeError} if there is no such class */
export function scores(counts: Confusion, c: number): Scores {
  if (counts[c] === undefined) {
    throw new RangeError(`Cannot score class ${c} of ${counts.length}`);
  }
  const right = counts[c][c];
  const predicted = sum(counts.map((row) => row[c]));
  const occurs = sum(counts[c]);
  return {
    precision: right / predicted,
    recall: right / occurs,
    f1: 2 * right / (predicted + occurs),
  };
}

/** The share of all rows that are right; equal to F1 by counts of all classes (micro). */
export function accuracy(counts: Confusion): number {
  return sum(counts.map((row, c) => row[c])) / sum(counts.flat());
}

/** The mean recall of the classes that occur: 1 / K for guessing. */
export function balancedAccuracy(counts: Confusion): number {
  return mean(counts.map((_, c) => scores(counts, c).recall));
}

/** The mean F1 of the classes that occur or are predicted (macro). */
export function macroF1(counts: Confusion): number {
  return mean(counts.map((_, c) => scores(counts, c).f1));
}

/**
 * What a row costs on average.
 * @param costs (K, K) of each pair of a true and a predicted class
 * @throws {RangeError} if there is not a cost for each count
 */
export function meanCost(counts: Confusion, costs: Confusion): number {
  const K = counts.length;
  if (costs.length !== K || costs.some((row) => row.length !== K)) {
    throw new RangeError(`Cannot weigh: needs (${K}, ${K}) costs`);
  }
  const prices = costs.flat();
  // What never happened costs nothing, whatever its price, Infinity too.
  const paid = counts.flat().map((n, i) => n === 0 ? 0 : n * prices[i]);
  return sum(paid) / sum(counts.flat());
}

/**
 * The z of two shares of different rows, under the hypothesis that they are equal.
 * @param rightA of `nA` rows, and `rightB` of `nB` others
 * @returns NaN if all are right, or all wrong, or there are no rows of one
 * @throws {RangeError} if a count is none
 */
export function twoShareZ(
  rightA: number,
  nA: number,
  rightB: number,
  nB: number,
): number {
  checkCounts(rightA, nA - rightA, rightB, nB - rightB);
  const pooled = (rightA + rightB) / (nA + nB);
  const variance = pooled * (1 - pooled) * (1 / nA + 1 / nB);
  return (rightA / nA - rightB / nB) / Math.sqrt(variance);
}

/** The probability of a standard normal number at least as far from 0 as z. */
export function twoSided(z: number): number {
  const x = Math.abs(z);
  const density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  if (x > 3) {
    // Laplace's continued fraction of the tail.
    let below = x;
    for (let n = 200; n > 0; n--) below = x + n / below;
    return 2 * density / below;
  }
  let [term, series] = [x, x];
  for (let n = 3; term > 1e-17 * series; n += 2) series += term *= x * x / n;
  return 1 - 2 * density * series;
}

/**
 * McNemar's exact test of two classifiers on the same rows.
 * @param onlyA rows that only A has right; `onlyB` likewise
 * @returns the two-sided p: how likely so uneven a split is if it were a fair coin's
 * @throws {RangeError} if a count is none
 */
export function mcnemar(onlyA: number, onlyB: number): number {
  checkCounts(onlyA, onlyB);
  const n = onlyA + onlyB;
  let [term, tail] = [-n * Math.LN2, 0]; // ln of C(n, i) / 2ⁿ
  for (let i = 0; i <= Math.min(onlyA, onlyB); i++) {
    tail += Math.exp(term);
    term += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}

const sum = (x: readonly number[]) => x.reduce((total, xi) => total + xi, 0);

/** The mean of what is a number. */
function mean(x: readonly number[]): number {
  const known = x.filter((xi) => !Number.isNaN(xi));
  return sum(known) / known.length;
}

function checkCounts(...counts: number[]): void {
  const wrong = counts.find((n) => !(Number.isSafeInteger(n) && n >= 0));
  if (wrong === undefined) return;
  throw new RangeError(`Cannot test: ${wrong} is no count of rows`);
}

if (import.meta.main) {
  const never = [[85, 0], [15, 0]]; // 85 negatives, 15 positives
  const tries = [[70, 15], [3, 12]];
  const costs = [[0, 1], [10, 0]]; // to miss one is worth ten false alarms
  console.log("            accuracy  recall  precision  F1     balanced  cost");
  for (const counts of [never, tries]) {
    const { precision, recall, f1 } = scores(counts, 1);
    const others = [balancedAccuracy(counts), meanCost(counts, costs)];
    console.log(
      (counts === never ? "always no" : "tries").padEnd(11),
      [accuracy(counts), recall, precision, f1, ...others]
        .map((x, i) => x.toFixed(3).padEnd([10, 8, 11, 7, 10, 5][i])).join(""),
    );
  }
  const z = twoShareZ(850, 1000, 820, 1000);
  console.log("\n850 and 820 right of 1,000 rows each:");
  console.log(`other rows: z = ${z.toFixed(2)}, p = ${twoSided(z).toFixed(3)}`);
  for (const [a, b] of [[130, 100], [40, 10]]) {
    const p = mcnemar(a, b).toPrecision(2);
    console.log(`the same rows, ${a} and ${b} right by one alone: p = ${p}`);
  }
}
