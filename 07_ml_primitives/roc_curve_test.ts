import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  auc,
  averagePrecision,
  cheapest,
  precisionRecallCurve,
  rocCurve,
  thresholds,
} from "./roc_curve.ts";

// Goldens, from scikit-learn 1.9.1:
// python3 -c "
// import numpy as np
// from sklearn import metrics as m
// n = np.arange(60); s = n * 17 % 23 / 4; y = (n * 7 % 19 + s > 13)
// print(m.roc_auc_score(y, s), m.average_precision_score(y, s), y.sum())
// f, t, th = m.roc_curve(y, s, drop_intermediate=False)
// print(f.tolist()[3:6], t.tolist()[3:6], th.tolist()[3:6])
// p, r, th = m.precision_recall_curve(y, s); print(p[::-1].tolist()[3:6], r[::-1].tolist()[3:6])"
const N = Array.from({ length: 60 }, (_, n) => n);
const SCORES = N.map((n) => n * 17 % 23 / 4);
const POSITIVE = N.map((n) => n * 7 % 19 + SCORES[n] > 13);
const POINTS = thresholds(SCORES, POSITIVE);

Deno.test("auc() and averagePrecision() golden: 60 rows, 23 scores", () => {
  assertEquals(POINTS.length, 24);
  assertAlmostEquals(auc(POINTS), 0.7577142857142858, 1e-14);
  assertAlmostEquals(averagePrecision(POINTS), 0.7014057287405745, 1e-14);
});

Deno.test("rocCurve() and precisionRecallCurve() golden: their points", () => {
  const roc = rocCurve(POINTS).slice(3, 6);
  const found = [0.28, 0.32, 0.36];
  const alarmed = [
    0.05714285714285714,
    0.08571428571428572,
    0.11428571428571428,
  ];
  roc.forEach(([x, y], i) => {
    assertAlmostEquals(x, alarmed[i], 1e-15);
    assertAlmostEquals(y, found[i], 1e-15);
  });
  assertEquals(POINTS.slice(3, 6).map((p) => p.threshold), [5, 4.75, 4.5]);
  const precision = [
    0.7777777777777778,
    0.7272727272727273,
    0.6923076923076923,
  ];
  // Theirs has a first point of no alarm; ours begins with the first alarm.
  precisionRecallCurve(POINTS).slice(2, 5).forEach(([x, y], i) => {
    assertAlmostEquals(x, found[i], 1e-15);
    assertAlmostEquals(y, precision[i], 1e-15);
  });
});

const row = fc.tuple(fc.nat({ max: 6 }), fc.boolean());
const rows = fc.array(row, { minLength: 1, maxLength: 30 });
const assertAll = (check: (rows: [number, boolean][]) => void) =>
  fc.assert(fc.property(rows, check), { seed: 7 });
const of = (rows: [number, boolean][]) =>
  thresholds(rows.map(([s]) => s), rows.map(([, p]) => p));

Deno.test("AUC is the share of pairs in the right order, equal ones counting half", () => {
  assertAll((rows) => {
    let [won, pairs] = [0, 0];
    for (const [a] of rows.filter(([, positive]) => positive)) {
      for (const [b] of rows.filter(([, positive]) => !positive)) {
        won += a > b ? 1 : a === b ? 0.5 : 0;
        pairs++;
      }
    }
    if (pairs === 0) assert(Number.isNaN(auc(of(rows))));
    else assertAlmostEquals(auc(of(rows)), won / pairs, 1e-13);
  });
});

Deno.test("neither area depends on the order of the rows, or on the scale", () => {
  assertAll((rows) => {
    for (
      const other of [
        rows.toReversed(),
        rows.toSorted(([, a], [, b]) => Number(a) - Number(b)),
        rows.map(([s, p]) => [Math.exp(s) - 5, p] as [number, boolean]),
      ]
    ) {
      assertEquals(auc(of(other)), auc(of(rows)));
      assertEquals(averagePrecision(of(other)), averagePrecision(of(rows)));
    }
  });
});

Deno.test("each threshold alarms the rows of its score and above, no others", () => {
  assertAll((rows) => {
    for (const { threshold, right, wrong } of of(rows)) {
      const alarmed = rows.filter(([s]) => s >= threshold);
      assertEquals(alarmed.filter(([, positive]) => positive).length, right);
      assertEquals(alarmed.length, right + wrong);
    }
  });
});

Deno.test("cheapest() finds the least cost of all thresholds", () => {
  const cost = fc.nat({ max: 5 });
  fc.assert(
    fc.property(rows, cost, cost, (rows, falseAlarm, miss) => {
      const { threshold, cost } = cheapest(of(rows), { falseAlarm, miss });
      const priceAt = (t: number) =>
        rows.reduce(
          (sum, [s, positive]) =>
            sum + (s >= t ? positive ? 0 : falseAlarm : positive ? miss : 0),
          0,
        );
      assertEquals(priceAt(threshold), cost);
      for (const t of [Infinity, ...rows.map(([s]) => s)]) {
        assert(priceAt(t) >= cost);
        if (t > threshold) assert(priceAt(t) > cost);
      }
    }),
    { seed: 7 },
  );
});

Deno.test("a perfect order has an area of 1, its reverse of 0, one score of ½", () => {
  const positive = [true, true, false, false, false];
  assertEquals(auc(thresholds([5, 4, 3, 2, 1], positive)), 1);
  assertEquals(averagePrecision(thresholds([5, 4, 3, 2, 1], positive)), 1);
  assertEquals(auc(thresholds([1, 2, 3, 4, 5], positive)), 0);
  const equal = thresholds([7, 7, 7, 7, 7], positive);
  assertEquals(equal.length, 2);
  assertEquals([auc(equal), averagePrecision(equal)], [0.5, 0.4]);
});

Deno.test("with one class only AUC is NaN; without positives precision's area, too", () => {
  const no = thresholds([1, 2], [false, false]);
  assertEquals([auc(no), averagePrecision(no)], [NaN, NaN]);
  const yes = thresholds([1, 2], [true, true]);
  assertEquals([auc(yes), averagePrecision(yes)], [NaN, 1]);
});

Deno.test("−Infinity is a score, also of several rows", () => {
  const positive = [false, true, false, true];
  const points = thresholds([-Infinity, 0, -Infinity, -Infinity], positive);
  assertEquals(points.map((p) => p.threshold), [Infinity, 0, -Infinity]);
  assertEquals(auc(points), 0.75);
});

Deno.test("inputs stay as they are", () => {
  const scores = [1, 3, 2];
  thresholds(scores, [true, false, true]);
  assertEquals(scores, [1, 3, 2]);
});

Deno.test("what cannot be ranked is an error that says why", () => {
  for (
    const [scores, positive, line] of [
      [[], [], "Cannot rank 0 scores of 0 rows"],
      [[1], [true, false], "Cannot rank 1 scores of 2 rows"],
      [[1, NaN], [true, false], "Cannot rank row 1: its score is NaN"],
      [
        [Infinity, 1],
        [true, false],
        "Cannot rank row 0: its score is Infinity",
      ],
    ] as const
  ) {
    assertThrows(() => thresholds(scores, positive), RangeError, line);
  }
  for (const price of [-1, NaN, Infinity]) {
    for (
      const costs of [{ falseAlarm: price, miss: 1 }, {
        falseAlarm: 1,
        miss: price,
      }]
    ) {
      assertThrows(
        () => cheapest(POINTS, costs),
        RangeError,
        `Cannot weigh errors by ${price}: needs 0 or more`,
      );
    }
  }
});
