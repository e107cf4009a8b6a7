#!/usr/bin/env -S deno run
/**
 * Q. Some training labels are wrong, by mistake or on purpose. How do you find them?
 *
 * A. Ask a model that has not seen the label: K-fold probabilities, with copies of an
 * example in one fold. Confident learning: class j has as threshold the mean probability
 * of j on rows labelled j, so a class that the model is less sure of asks for less. A row
 * labelled i that reaches the threshold of j ≠ i is a suspect; rank by the margin. It may
 * be hard and right: near a boundary precision is poor. People can tell: on a hard row
 * new votes differ, on a wrong one they agree, against the label. Count suspects by
 * annotator: a high rate is a signal about all of that one. Then: filter_policies.ts.
 *
 * Shapes: N rows, D features, K classes, F folds.
 * Time O(N²·(D + K)) for this classifier, O(N·K) for the suspects; space O(N·K).
 * Trap: probabilities of rows that the model was trained on: it has learnt their errors.
 * Left out: noise that depends on the features, the noise matrix.
 * Source: Northcutt, Jiang, Chuang (2021), doi:10.1613/jair.1.12125.
 * Run: `deno run label_filtering.ts`
 * @module
 */

/** Rows of one length. */
export type Matrix = readonly (readonly number[])[];

/** A row whose label is doubted. */
export interface Suspect {
  row: number;
  /** The class whose threshold it reaches. */
  suggested: number;
  /** Probability of that class minus that of the label. */
  margin: number;
}

/**
 * Confident learning.
 * @param probs (N, K) held-out probabilities
 * @param labels (N,) given classes
 * @returns thresholds (K,), Infinity for a class without rows; confident (K, K) counts
 * [label][likely class]; suspects, the largest margin first
 * @throws {RangeError} if sizes differ or a label is no class
 */
export function findSuspects(
  probs: Matrix,
  labels: readonly number[],
): { thresholds: number[]; confident: number[][]; suspects: Suspect[] } {
  if (probs.length === 0 || probs.length !== labels.length) {
    throw new RangeError(
      `Cannot judge ${labels.length} labels by ${probs.length} probabilities`,
    );
  }
  const classes = probs[0].map((_, k) => k);
  const no = labels.find((label) => !classes.includes(label));
  if (no !== undefined) {
    throw new RangeError(`Cannot judge label ${no}: it is none of ${classes}`);
  }
  const thresholds = classes.map((k) => {
    const own = probs.filter((_, n) => labels[n] === k).map((p) => p[k]);
    return own.length > 0 ? mean(own) : Infinity;
  });
  const confident = classes.map(() => classes.map(() => 0));
  const suspects: Suspect[] = [];
  probs.forEach((p, row) => {
    const label = labels[row];
    // The label first, to win ties. A mean of equal numbers may round above them.
    const reached = [label, ...classes]
      .filter((k) => p[k] >= thresholds[k] - 1e-9);
    if (reached.length === 0) return;
    const suggested = reached.reduce((best, k) => p[k] > p[best] ? k : best);
    confident[label][suggested]++;
    if (suggested === label) return;
    suspects.push({ row, suggested, margin: p[suggested] - p[label] });
  });
  suspects.sort((a, b) => b.margin - a.margin || a.row - b.row);
  return { thresholds, confident, suspects };
}

/**
 * Probabilities of each row by a model fitted to the other folds.
 * @param x (N, D)
 * @param folds (N,) of each row; copies of an example share one
 * @returns (N, K)
 * @throws {RangeError} if all rows are in one fold
 */
export function heldOut(
  x: Matrix,
  labels: readonly number[],
  K: number,
  folds: readonly number[],
  bandwidth: number,
): number[][] {
  return x.map((point, n) => {
    const others = x.filter((_, i) => folds[i] !== folds[n]);
    const theirs = labels.filter((_, i) => folds[i] !== folds[n]);
    if (theirs.length > 0) {
      return neighbours(others, theirs, K, point, bandwidth);
    }
    throw new RangeError(
      `Cannot hold out: all ${x.length} rows are in one fold`,
    );
  });
}

/** Shares (K,) of the labels near a point: weights are softmax(−distance² / 2h²). */
export function neighbours(
  x: Matrix,
  labels: readonly number[],
  K: number,
  point: readonly number[],
  bandwidth: number,
): number[] {
  const logs = x.map((row) =>
    -row.reduce((s, xd, d) => s + (xd - point[d]) ** 2, 0) / 2 / bandwidth ** 2
  );
  // The nearest row counts as 1, however far it is.
  const most = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - most));
  const shares = new Array<number>(K).fill(0);
  weights.forEach((weight, n) => shares[labels[n]] += weight);
  const total = shares.reduce((s, share) => s + share, 0);
  return shares.map((s) => s / total);
}

/** Of the flagged, how many are wrong (NaN of none); of the wrong, how many flagged. */
export function precisionRecall(
  flagged: readonly number[],
  wrong: readonly boolean[],
): { precision: number; recall: number } {
  const hits = flagged.filter((row) => wrong[row]).length;
  const all = wrong.filter((w) => w).length;
  return { precision: hits / flagged.length, recall: hits / all };
}

/** The share of rows flagged under each key: an annotator, or a group of people. */
export function rateBy<T>(
  keys: readonly T[],
  flagged: readonly number[],
): Map<T, number> {
  const marked = new Set(flagged);
  const rate = (rows: number[]) => mean(rows.map((n) => marked.has(n) ? 1 : 0));
  const groups = Map.groupBy(keys.keys(), (n) => keys[n]);
  return new Map([...groups].map(([key, rows]) => [key, rate(rows)]));
}

const mean = (x: readonly number[]) =>
  x.reduce((s, xi) => s + xi, 0) / x.length;

if (import.meta.main) {
  const centres = [[0, 0], [3, 0], [1.5, 2.5]];
  const seeds = Array.from({ length: 20 }, (_, seed) => {
    let state = (seed + 1) * 7919;
    const random = () => (state = state * 48271 % 2147483647) / 2147483647;
    const normal = () =>
      Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    const slip = (k: number, share: number) =>
      random() < share ? (k + 1 + Math.floor(2 * random())) % 3 : k;
    const rows = Array.from({ length: 400 }, (_, n) => {
      const truth = Math.floor(3 * random());
      const x = centres[truth].map((c) => c + normal());
      // With a bandwidth of 1 these are the true probabilities.
      const hard = neighbours(centres, [0, 1, 2], 3, x, 1)[truth] < 0.75;
      const label = slip(truth, n % 4 === 3 ? 0.4 : 0.05);
      const votes = [0, 1, 2].map(() => slip(truth, hard ? 0.3 : 0.03));
      return { x, hard, label, wrong: label !== truth, votes };
    });
    const [x, labels] = [rows.map((r) => r.x), rows.map((r) => r.label)];
    const held = heldOut(x, labels, 3, rows.map((_, n) => n % 7), 0.3);
    const own = x.map((point) => neighbours(x, labels, 3, point, 0.3));
    const [flagged, blind] = [held, own].map((probs) =>
      findSuspects(probs, labels).suspects.map((s) => s.row)
    );
    const found = [
      flagged,
      blind,
      flagged.filter((n) => !rows[n].hard),
      flagged.filter((n) => rows[n].hard),
      flagged.filter((n) => !rows[n].votes.includes(labels[n])),
    ].map((set) => precisionRecall(set, rows.map((r) => r.wrong)));
    return { found, rates: rateBy(rows.map((_, n) => n % 4), flagged) };
  });
  const show = (d: number[]) => {
    const half = 2.093 * Math.sqrt(mean(d.map((x) => (x - mean(d)) ** 2)) / 19);
    return `${mean(d).toFixed(2)} ± ${half.toFixed(2)}`;
  };
  console.log(
    "means of 20 seeds, ± t, 95 %: precision and recall of suspects by",
  );
  [
    "held-out probabilities",
    "probabilities of training rows",
    "held-out, easy rows only",
    "held-out, hard rows only",
    "held-out, and none of 3 votes agrees",
  ].forEach((name, i) => {
    const [precision, recall] = (["precision", "recall"] as const)
      .map((key) => show(seeds.map((s) => s.found[i][key])));
    console.log(`  ${name.padEnd(36)} ${precision} ${recall}`);
  });
  const rates = [0, 1, 2, 3].map((a) => seeds.map((s) => s.rates.get(a)!));
  console.log("wrong 0.05, 0.05, 0.05, 0.40: flagged", ...rates.map(show));
}
