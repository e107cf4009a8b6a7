#!/usr/bin/env -S deno run
/**
 * Q. A classifier gives scores. Draw its ROC and its precision-recall curve, and compute
 * the area under them.
 *
 * A. Sort by score, from the top, and lower the threshold: each row above it is an alarm,
 * right or false. ROC plots the share of positives found over the share of negatives
 * alarmed; its area, AUC, is the probability that a random positive scores above a random
 * negative, equal scores counting half. Rows of one score pass the threshold together,
 * as one step. AUC does not see how rare positives are; precision does, so with 1 % of
 * positives look at precision over recall. Its area is a sum of steps: between two points
 * precision is not a straight line. One threshold is chosen by what errors cost.
 *
 * Shapes: N rows, P of them positive.
 * Time O(N log N); space O(N).
 * Trap: stepping row by row through equal scores: the area depends on their order.
 * Left out: several classes, confidence intervals, partial areas.
 * Source: Fawcett (2006), doi:10.1016/j.patrec.2005.10.010; Davis, Goadrich (2006),
 * doi:10.1145/1143844.1143874.
 * Run: `deno run roc_curve.ts`
 * @module
 */

/** What is alarmed with a threshold. */
export interface Point {
  /** Rows of this score and above are alarms; Infinity: none is. */
  threshold: number;
  /** Alarms that are positive, and that are not. */
  right: number;
  wrong: number;
}

/**
 * The counts for each threshold that makes a difference, from the highest.
 * @param scores (N,) high for positives; left unchanged
 * @param positive (N,)
 * @returns from 2 to N + 1 points, from none alarmed to all
 * @throws {RangeError} if there is no row, sizes differ, or a score is NaN or
 * Infinity
 */
export function thresholds(
  scores: readonly number[],
  positive: readonly boolean[],
): Point[] {
  if (scores.length === 0 || scores.length !== positive.length) {
    throw new RangeError(
      `Cannot rank ${scores.length} scores of ${positive.length} rows`,
    );
  }
  // −Infinity is a score; above Infinity there is no threshold.
  const bad = scores.findIndex((score) => !(score < Infinity));
  if (bad >= 0) {
    throw new RangeError(`Cannot rank row ${bad}: its score is ${scores[bad]}`);
  }
  const order = scores.map((_, n) => n);
  // Of two scores of −Infinity the difference is NaN.
  order.sort((a, b) => scores[a] === scores[b] ? 0 : scores[b] - scores[a]);
  let [right, wrong] = [0, 0];
  const points = [{ threshold: Infinity, right, wrong }];
  order.forEach((n, i) => {
    if (positive[n]) right++;
    else wrong++;
    // Only behind the last row of a score: equal scores are alarmed together.
    if (scores[order[i + 1]] !== scores[n]) {
      points.push({ threshold: scores[n], right, wrong });
    }
  });
  return points;
}

/** The ROC curve: points of (share of negatives alarmed, share of positives found). */
export function rocCurve(points: readonly Point[]): [number, number][] {
  const all = points[points.length - 1];
  return points.map((p) => [p.wrong / all.wrong, p.right / all.right]);
}

/** The area under the ROC curve, from 0 to 1; NaN if there is only one class. */
export function auc(points: readonly Point[]): number {
  const curve = rocCurve(points);
  return curve.slice(1).reduce((area, [x, y], i) => {
    // A step of equal scores is a slope: half of its box lies below.
    const [x0, y0] = curve[i];
    return area + (x - x0) * (y + y0) / 2;
  }, 0);
}

/** Points of (recall, precision) for each threshold that alarms; NaN if no positives. */
export function precisionRecallCurve(
  points: readonly Point[],
): [number, number][] {
  const P = points[points.length - 1].right;
  return points.slice(1).map((
    p,
  ) => [p.right / P, p.right / (p.right + p.wrong)]);
}

/**
 * Average precision: the area below the curve in steps, Σ (rise of recall) · precision.
 * @returns from 0 to 1; of random scores about the share of positives; NaN without any
 */
export function averagePrecision(points: readonly Point[]): number {
  let before = 0;
  return precisionRecallCurve(points).reduce((area, [recall, precision]) => {
    const rise = recall - before;
    before = recall;
    return area + rise * precision;
  }, 0);
}

/**
 * The threshold with the least cost; of equal ones the highest.
 * @param costs of a negative that is alarmed, and of a positive that is missed
 * @throws {RangeError} if one is negative, NaN or Infinity
 */
export function cheapest(
  points: readonly Point[],
  costs: { falseAlarm: number; miss: number },
): { threshold: number; cost: number } {
  for (const cost of [costs.falseAlarm, costs.miss]) {
    if (cost >= 0 && cost < Infinity) continue;
    throw new RangeError(`Cannot weigh errors by ${cost}: needs 0 or more`);
  }
  const P = points[points.length - 1].right;
  return points
    .map(({ threshold, right, wrong }) => ({
      threshold,
      cost: wrong * costs.falseAlarm + (P - right) * costs.miss,
    }))
    .reduce((best, next) => next.cost < best.cost ? next : best);
}

if (import.meta.main) {
  const scores = [0.9, 0.8, 0.7, 0.7, 0.7, 0.4, 0.3, 0.3, 0.2, 0.1];
  const positive = [1, 1, 0, 1, 0, 0, 1, 0, 0, 0].map(Boolean);
  /** The wrong form: a step a row, equal scores in the order of the input. */
  const rowByRow = (rows: number[]) => {
    let [right, area] = [0, 0];
    for (const n of rows) {
      if (positive[n]) right++;
      else area += right;
    }
    return area / 24;
  };
  const points = thresholds(scores, positive);
  console.log("threshold  found  alarmed  precision");
  const precision = precisionRecallCurve(points);
  rocCurve(points).forEach(([x, y], i) =>
    console.log(
      `${points[i].threshold}`.padEnd(10),
      y.toFixed(2).padEnd(6),
      x.toFixed(2).padEnd(8),
      precision[i - 1]?.[1].toFixed(2) ?? "",
    )
  );
  const order = (tie: number) =>
    scores.map((_, n) => n).sort((a, b) =>
      scores[b] - scores[a] || tie * (Number(positive[b]) - Number(positive[a]))
    );
  console.log("\nAUC", auc(points).toFixed(3));
  console.log("row by row, the positives of a tie first:", rowByRow(order(1)));
  console.log("row by row, the negatives of a tie first:", rowByRow(order(-1)));
  console.log("average precision", averagePrecision(points).toFixed(3));
  for (const miss of [1, 5]) {
    const { threshold, cost } = cheapest(points, { falseAlarm: 1, miss });
    console.log(`a miss costs ${miss}: threshold ${threshold}, cost ${cost}`);
  }
}
