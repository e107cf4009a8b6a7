import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  accuracy,
  balancedAccuracy,
  confusion,
  macroF1,
  mcnemar,
  meanCost,
  scores,
  twoShareZ,
  twoSided,
} from "./classification_metrics.ts";

// Goldens, from scikit-learn 1.9.1:
// python3 -c "
// import numpy as np
// from sklearn import metrics as m
// n = np.arange(90); y = n * 7 % 11 % 4; p = (n * 5 % 13 + y) % 4
// print(m.confusion_matrix(y, p).tolist())
// q, r, f, _ = m.precision_recall_fscore_support(y, p); print(q.tolist(), r.tolist(), f.tolist())
// print(m.accuracy_score(y, p), m.balanced_accuracy_score(y, p), m.f1_score(y, p, average='macro'))"
const N = Array.from({ length: 90 }, (_, n) => n);
const TARGETS = N.map((n) => n * 7 % 11 % 4);
const GUESSES = N.map((n) => (n * 5 % 13 + TARGETS[n]) % 4);
const COUNTS = confusion(TARGETS, GUESSES, 4);

Deno.test("confusion() golden: the true class is the row", () => {
  assertEquals(COUNTS, [[7, 6, 6, 6], [5, 8, 6, 5], [6, 6, 7, 5], [
    4,
    4,
    4,
    5,
  ]]);
});

Deno.test("scores() golden, class by class", () => {
  const expected = [
    [0.3181818181818182, 0.28, 0.2978723404255319],
    [0.3333333333333333, 0.3333333333333333, 0.3333333333333333],
    [0.30434782608695654, 0.2916666666666667, 0.2978723404255319],
    [0.23809523809523808, 0.29411764705882354, 0.2631578947368421],
  ];
  expected.forEach(([precision, recall, f1], c) => {
    const found = scores(COUNTS, c);
    // One division each; theirs of F1 is another formula.
    assertAlmostEquals(found.precision, precision, 1e-15);
    assertAlmostEquals(found.recall, recall, 1e-15);
    assertAlmostEquals(found.f1, f1, 1e-15);
  });
});

Deno.test("accuracy(), balancedAccuracy() and macroF1() golden", () => {
  assertAlmostEquals(accuracy(COUNTS), 0.3, 1e-15);
  assertAlmostEquals(balancedAccuracy(COUNTS), 0.2997794117647059, 1e-15);
  assertAlmostEquals(macroF1(COUNTS), 0.2980589772303098, 1e-15);
});

Deno.test("twoSided() golden: a normal number that far from 0", () => {
  // python3 -c "
  // from scipy.stats import norm
  // for z in (.1, 1.8070158058105, 3, 3.01, 8): print(2 * norm.sf(z))"
  for (
    const [z, p] of [
      [0.1, 0.920344325445942],
      [1.8070158058105, 0.07075981480305776],
      [3, 0.0026997960632601866],
      [3.01, 0.002612476897538935],
      [8, 1.244192114854348e-15],
    ]
  ) {
    // At z = 3 the series leaves 0.0027 of 1, and 1e−16 of 1 is 4e−14 of that.
    assertAlmostEquals(twoSided(z) / p, 1, 1e-12);
    assertEquals(twoSided(-z), twoSided(z));
  }
  assertEquals(twoSided(0), 1);
  assertEquals(twoSided(Infinity), 0);
});

Deno.test("mcnemar() golden: an exact binomial", () => {
  // python3 -c "
  // from scipy.stats import binomtest
  // for a, b in ((130, 100), (40, 10), (3, 3), (0, 5), (600, 900)):
  //     print(binomtest(min(a, b), a + b).pvalue)"
  for (
    const [a, b, p] of [
      [130, 100, 0.05561357778139238],
      [40, 10, 2.3861331676755526e-05],
      [3, 3, 1],
      [0, 5, 0.0625],
      [600, 900, 9.509594050178402e-15],
    ]
  ) {
    // Logarithms near 1,000, summed 600 times.
    assertAlmostEquals(mcnemar(a, b) / p, 1, 1e-10);
    assertEquals(mcnemar(b, a), mcnemar(a, b));
  }
  assertEquals(mcnemar(0, 0), 1);
});

Deno.test("twoShareZ() golden: 85 % and 82 % of 1,000 rows are not significant", () => {
  // python3 -c "
  // from statsmodels.stats.proportion import proportions_ztest
  // print(proportions_ztest([850, 820], [1000, 1000]), proportions_ztest([17, 9], [20, 30]))"
  const z = twoShareZ(850, 1000, 820, 1000);
  assertAlmostEquals(z, 1.8072617084864482, 1e-14);
  assertAlmostEquals(twoSided(z), 0.07072148340930373, 1e-13);
  assertAlmostEquals(twoShareZ(17, 20, 9, 30), 3.81356384904845, 1e-14);
  assertEquals(twoShareZ(820, 1000, 850, 1000), -z);
  assert(Number.isNaN(twoShareZ(5, 5, 7, 7)));
});

Deno.test("with 15 % of positives, never to find one beats 82 % in accuracy alone", () => {
  const [never, tries] = [[[85, 0], [15, 0]], [[70, 15], [3, 12]]];
  assertEquals([accuracy(never), accuracy(tries)], [0.85, 0.82]);
  assertEquals([scores(never, 1).recall, scores(tries, 1).recall], [0, 0.8]);
  assertAlmostEquals(scores(tries, 1).f1, 0.5714285714285714, 1e-15);
  assertEquals(balancedAccuracy(never), 0.5);
  assertAlmostEquals(balancedAccuracy(tries), 0.8117647058823529, 1e-15);
  const costs = [[0, 1], [10, 0]];
  assertEquals([meanCost(never, costs), meanCost(tries, costs)], [1.5, 0.45]);
});

Deno.test("accuracy is F1 by the counts of all classes", () => {
  const classes = fc.array(
    fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(classes, (rows) => {
      const counts = confusion(rows.map(([t]) => t), rows.map(([, p]) => p), 4);
      let [right, predicted, occurs] = [0, 0, 0];
      for (const [t, p] of rows) {
        for (let c = 0; c < 4; c++) {
          if (t === c && p === c) right++;
          if (p === c) predicted++;
          if (t === c) occurs++;
        }
      }
      const micro = 2 * right / (predicted + occurs);
      assertAlmostEquals(accuracy(counts), micro, 1e-15);
      counts.forEach((_, c) => {
        const { precision, recall, f1 } = scores(counts, c);
        if (precision > 0) {
          const harmonic = 2 / (1 / precision + 1 / recall);
          assertAlmostEquals(f1, harmonic, 1e-15);
        } else assert(f1 === 0 || Number.isNaN(f1));
      });
    }),
    { seed: 7 },
  );
});

Deno.test("what is undefined is NaN, and no part of a mean", () => {
  // Class 1 is never predicted, class 2 never occurs, class 3 neither.
  const counts = confusion([0, 0, 1], [0, 2, 2], 4);
  assertEquals(scores(counts, 1), { precision: NaN, recall: 0, f1: 0 });
  assertEquals(scores(counts, 2), { precision: 0, recall: NaN, f1: 0 });
  assertEquals(scores(counts, 3), { precision: NaN, recall: NaN, f1: NaN });
  assertEquals(balancedAccuracy(counts), 0.25);
  assertAlmostEquals(macroF1(counts), 2 / 9, 1e-15);
});

Deno.test("a cost of 1 for each error is the share of errors", () => {
  const ones = COUNTS.map((row, t) => row.map((_, p) => t === p ? 0 : 1));
  assertAlmostEquals(meanCost(COUNTS, ones), 1 - accuracy(COUNTS), 1e-15);
});

Deno.test("what never happens costs nothing, at any price", () => {
  const costs = [[0, 1], [Infinity, 0]];
  assertEquals(meanCost([[3, 1], [0, 4]], costs), 1 / 8);
  assertEquals(meanCost([[3, 1], [1, 4]], costs), Infinity);
});

Deno.test("what cannot be counted is an error that says why", () => {
  for (
    const [call, line] of [
      [
        () => confusion([], [], 2),
        "Cannot compare 0 targets with 0 predictions",
      ],
      [
        () => confusion([0, 1], [0], 2),
        "Cannot compare 2 targets with 1 predictions",
      ],
      [
        () => confusion([0, 2], [0, 1], 2),
        "Cannot count class 2 of row 1: K is 2",
      ],
      [() => confusion([0], [-1], 2), "Cannot count class -1 of row 0: K is 2"],
      [() => confusion([0.5], [0], 2), "Cannot count class 0.5 of row 0"],
      [() => confusion([0], [1], 2.5), "Cannot count 2.5 classes: needs 1"],
      [() => confusion([0], [0], Infinity), "Cannot count Infinity classes"],
      [() => scores(COUNTS, 4), "Cannot score class 4 of 4"],
      [() => scores(COUNTS, -1), "Cannot score class -1 of 4"],
      [() => meanCost(COUNTS, [[1]]), "Cannot weigh: needs (4, 4) costs"],
      [
        () => meanCost([[1, 0], [0, 1]], [[0, 1], [1]]),
        "Cannot weigh: needs (2, 2) costs",
      ],
      [() => twoShareZ(1, 2, 6, 5), "Cannot test: -1 is no count of rows"],
      [() => mcnemar(-1, 3), "Cannot test: -1 is no count of rows"],
      [() => mcnemar(1.5, 3), "Cannot test: 1.5 is no count of rows"],
      [() => twoShareZ(6, 5, 1, 2), "Cannot test: -1 is no count of rows"],
      [() => twoShareZ(NaN, 5, 1, 2), "Cannot test: NaN is no count of rows"],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
});
