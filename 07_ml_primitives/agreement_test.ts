import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  cohenKappa,
  fleissKappa,
  interval,
  krippendorffAlpha,
  linear,
  nominal,
  percentAgreement,
  type Vote,
} from "./agreement.ts";

const A = [0, 2, 1, 1, 0, 2, 2, 0, 1, 0, 0, 2, 1];
const B = [0, 2, 1, 0, 0, 1, 2, 0, 2, 0, 1, 2, 0];

Deno.test("cohenKappa() golden: unweighted, linear and quadratic weights", () => {
  // python3 -c "
  // from sklearn.metrics import cohen_kappa_score
  // a = [0,2,1,1,0,2,2,0,1,0,0,2,1]; b = [0,2,1,0,0,1,2,0,2,0,1,2,0]
  // for w in (None, 'linear', 'quadratic'): print(cohen_kappa_score(a, b, weights=w))"
  // Sums of small whole numbers, divided a few times: 1e−15 of a value near 1.
  assertAlmostEquals(cohenKappa(A, B), 0.4144144144144145, 1e-15);
  assertAlmostEquals(cohenKappa(A, B, linear), 0.5806451612903227, 1e-15);
  assertAlmostEquals(cohenKappa(A, B, interval), 0.7325102880658436, 1e-15);
});

Deno.test("fleissKappa() golden: four votes on each of seven examples", () => {
  // python3 -c "
  // import numpy as np
  // from statsmodels.stats.inter_rater import fleiss_kappa, aggregate_raters
  // rows = [[0,0,1,0],[1,1,1,1],[2,0,2,2],[0,1,2,0],[2,2,2,2],[1,1,0,1],[0,0,0,0]]
  // print(fleiss_kappa(aggregate_raters(np.array(rows))[0]))"
  const votes = [
    [0, 0, 1, 0],
    [1, 1, 1, 1],
    [2, 0, 2, 2],
    [0, 1, 2, 0],
    [2, 2, 2, 2],
    [1, 1, 0, 1],
    [0, 0, 0, 0],
  ];
  assertAlmostEquals(fleissKappa(votes), 0.49549549549549543, 1e-15);
});

/** The reliability data of Krippendorff's own example: 4 coders, 12 units. */
const CODERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."];
const UNITS: Vote[][] = Array.from(
  { length: 12 },
  (_, n) => CODERS.map((row) => row[n] === "." ? null : Number(row[n])),
);

Deno.test("krippendorffAlpha() golden: his example, whose published values are .743 and .849", () => {
  // python3 -c "
  // from fractions import Fraction as F; from itertools import permutations
  // coders = ['123321412...', '1233224125.3', '.3332342251.', '12332441251.']
  // units = [u for u in ([int(x) for x in u if x != '.'] for u in zip(*coders)) if len(u) > 1]
  // def alpha(d):
  //     o = {}
  //     for u in units:
  //         for p in permutations(u, 2): o[p] = o.get(p, 0) + F(1, len(u) - 1)
  //     V = {c for c, _ in o}; n = {c: sum(o.get((c, k), 0) for k in V) for c in V}
  //     seen = sum(o.get((c, k), 0) * d(c, k) for c in V for k in V)
  //     return float(1 - (sum(n.values()) - 1) * seen / sum(n[c] * n[k] * d(c, k) for c in V for k in V))
  // print(alpha(lambda a, b: a != b), alpha(lambda a, b: abs(a - b)), alpha(lambda a, b: (a - b) ** 2))"
  for (
    const [distance, expected] of [
      [nominal, 0.743421052631579],
      [linear, 0.800383877159309],
      [interval, 0.8491071428571428],
    ] as const
  ) {
    // Thirds of 40 votes are summed: a few roundings of 1e−16.
    assertAlmostEquals(krippendorffAlpha(UNITS, distance), expected, 1e-15);
  }
  // Nominal is what it does when nothing is said.
  assertEquals(krippendorffAlpha(UNITS), krippendorffAlpha(UNITS, nominal));
});

const label = fc.integer({ min: 0, max: 3 });
const full = fc.array(fc.tuple(label, label, label), {
  minLength: 2,
  maxLength: 20,
});
const sparse = fc.array(
  fc.array(fc.option(label), { minLength: 4, maxLength: 4 }),
  { minLength: 1, maxLength: 20 },
).filter((rows) =>
  rows.some((row) => row.filter((v) => v !== null).length > 1)
);
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });
/** NaN equals NaN; else to 1e−12, as 1 − observed / expected is at worst near −10. */
const close = (a: number, b: number) =>
  Number.isNaN(b)
    ? assert(Number.isNaN(a))
    : assertAlmostEquals(a, b, 1e-12 * (1 + Math.abs(b)));

Deno.test("the order of examples and of annotators, and the names of classes, mean nothing", () => {
  assertAll(full, (rows) => {
    const turned = rows.toReversed().map(([a, b, c]) => [c, a, b]);
    const renamed = turned.map((row) => row.map((v) => [7, -1, 40, 3][v]));
    close(fleissKappa(renamed), fleissKappa(rows));
    close(krippendorffAlpha(renamed), krippendorffAlpha(rows));
    close(percentAgreement(renamed), percentAgreement(rows));
    const [a, b] = [0, 1].map((i) => rows.map((row) => row[i]));
    close(cohenKappa(b, a), cohenKappa(a, b));
  });
});

Deno.test("alpha and Fleiss' kappa differ only by drawing without replacement", () => {
  assertAll(full, (rows) => {
    const n = 3 * rows.length;
    // 1 − alpha = Do / De, and De without replacement is n / (n − 1) times as large.
    close(1 - krippendorffAlpha(rows), (1 - fleissKappa(rows)) * (n - 1) / n);
  });
});

Deno.test("missing votes are ignored: rows with one vote or none, and empty columns", () => {
  assertAll(sparse, (rows) => {
    const more = [
      ...rows.map((row) => [null, ...row, null]),
      [null, 2, null, null, null, null],
      new Array<null>(6).fill(null),
    ];
    close(krippendorffAlpha(more), krippendorffAlpha(rows));
    close(percentAgreement(more), percentAgreement(rows));
  });
  const [a, b] = [[null, ...A, 1, null], [2, ...B, null, null]];
  assertEquals(cohenKappa(a, b), cohenKappa(A, B));
});

Deno.test("a vote that is missing is as one that was never asked for", () => {
  const gone = [[0, 1, null, 1], [null, 2, 2, 1], [0, 0, 1, null]];
  const short = gone.map((row) => row.filter((v) => v !== null));
  close(fleissKappa(gone), fleissKappa(short));
  close(krippendorffAlpha(gone), krippendorffAlpha(short));
});

Deno.test("perfect agreement is 1 on any classes, and systematic disagreement is below 0", () => {
  assertEquals(cohenKappa(A, A), 1);
  assertEquals(fleissKappa(A.map((v) => [v, v, v])), 1);
  assertEquals(krippendorffAlpha(A.map((v) => [v, v])), 1);
  // An adversary on balanced classes: −1. By hand: observed 1, expected ½.
  assertEquals(cohenKappa([0, 1, 0, 1], [1, 0, 1, 0]), -1);
  assert(fleissKappa([[0, 1], [1, 0], [0, 1]]) < 0);
});

Deno.test("one label only: agreement by chance is certain, and 0 / 0 is NaN, not 1", () => {
  const rows = [[1, 1], [1, 1], [1, 1]];
  assert(Number.isNaN(cohenKappa([1, 1, 1], [1, 1, 1])));
  assert(Number.isNaN(fleissKappa(rows)));
  assert(Number.isNaN(krippendorffAlpha(rows)));
  assertEquals(percentAgreement(rows), 1);
  assert(Number.isNaN(krippendorffAlpha([[2, null, 2], [2, 2, null]])));
  // Two different constants: nothing was expected either, and nothing was seen.
  assertEquals(cohenKappa([0, 0, 0], [1, 1, 1]), 0);
});

Deno.test("95 % agreement is a kappa of 0.9 on balanced classes, and below 0 on rare ones", () => {
  const table = (...times: number[]) =>
    times.flatMap((n, i) => Array.from({ length: n }, () => [i >> 1, i & 1]));
  const kappa = (rows: number[][]) =>
    cohenKappa(rows.map((row) => row[0]), rows.map((row) => row[1]));
  const [half, rare] = [table(475, 25, 25, 475), table(950, 25, 25, 0)];
  assertAlmostEquals(percentAgreement(half), 0.95, 1e-13);
  assertAlmostEquals(percentAgreement(rare), 0.95, 1e-13);
  // By hand: expected agreement 0.5, then 0.975² + 0.025² = 0.95125.
  assertAlmostEquals(kappa(half), 0.9, 1e-14);
  assertAlmostEquals(kappa(rare), -0.00125 / 0.04875, 1e-13);
});

Deno.test("an example with more votes weighs more in alpha, not in the percentage", () => {
  const votes = [[0, 0, 0, 0], [0, 1, null, null], [1, 1, null, null]];
  assertAlmostEquals(percentAgreement(votes), 2 / 3, 1e-15);
  // By hand: observed 2/8; of 8 · 7 ordered pairs 2 · 5 · 3 differ.
  assertAlmostEquals(krippendorffAlpha(votes), 1 - (2 / 8) / (30 / 56), 1e-15);
});

Deno.test("votes that cannot be compared are an error that says why", () => {
  const cases: [() => number, string][] = [
    [() => cohenKappa([0, 1], [0]), "Cannot compare 2 votes with 1 votes"],
    [
      () => cohenKappa([0, null], [null, 1]),
      "Cannot compare votes: none of 2 examples has two",
    ],
    [
      () => krippendorffAlpha([]),
      "Cannot compare votes: none of 0 examples has two",
    ],
    [
      () => percentAgreement([[1], [0], [2]]),
      "Cannot compare votes: none of 3 examples has two",
    ],
    [
      () => fleissKappa([[0, 1, 1], [0, null, 1]]),
      "Cannot take Fleiss' kappa of rows with 3 and 2 votes: needs one number, 2 or more",
    ],
    [
      () => fleissKappa([[0], [1]]),
      "Cannot take Fleiss' kappa of rows with 1 votes: needs one number, 2 or more",
    ],
    [
      () => fleissKappa([]),
      "Cannot take Fleiss' kappa of rows with no votes: needs one number",
    ],
  ];
  for (const [call, line] of cases) assertThrows(call, RangeError, line);
});
