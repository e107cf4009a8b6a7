import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  findSuspects,
  heldOut,
  neighbours,
  precisionRecall,
  rateBy,
} from "./label_filtering.ts";

const PROBS = [
  [0.7, 0.2, 0.1],
  [0.1, 0.8, 0.1],
  [0.3, 0.3, 0.4],
  [0.6, 0.35, 0.05],
  [0.15, 0.25, 0.6],
  [0.05, 0.5, 0.45],
  [0.45, 0.1, 0.45],
  [0.2, 0.7, 0.1],
  [0.34, 0.33, 0.33],
  [0.1, 0.2, 0.7],
  [0.05, 0.9, 0.05],
  [0.5, 0.2, 0.3],
];
const LABELS = [0, 1, 2, 1, 2, 1, 0, 0, 1, 1, 2, 2];

Deno.test("findSuspects() golden: thresholds, counts, and suspects in order", () => {
  // python3 -c "
  // import numpy as np
  // P = np.array([[.7,.2,.1],[.1,.8,.1],[.3,.3,.4],[.6,.35,.05],[.15,.25,.6],[.05,.5,.45],
  //     [.45,.1,.45],[.2,.7,.1],[.34,.33,.33],[.1,.2,.7],[.05,.9,.05],[.5,.2,.3]])
  // y = np.array([0,1,2,1,2,1,0,0,1,1,2,2])
  // t = np.array([P[y == k, k].mean() for k in range(3)]); ok = P >= t - 1e-9
  // j = np.where(ok, P, -1).argmax(1)
  // C = np.zeros((3, 3), int); np.add.at(C, (y[ok.any(1)], j[ok.any(1)]), 1)
  // s = [n for n in range(12) if ok[n].any() and j[n] != y[n]]
  // s.sort(key=lambda n: -(P[n, j[n]] - P[n, y[n]]))
  // print(t, C, [(n, j[n], P[n, j[n]] - P[n, y[n]]) for n in s])"
  const { thresholds, confident, suspects } = findSuspects(PROBS, LABELS);
  // A mean of three to five numbers: a few roundings of 1e−16.
  [0.44999999999999996, 0.43600000000000005, 0.3375]
    .forEach((t, k) => assertAlmostEquals(thresholds[k], t, 1e-15));
  assertEquals(confident, [[2, 1, 0], [1, 2, 1], [1, 1, 2]]);
  assertEquals(suspects.map((s) => [s.row, s.suggested]), [
    [10, 1],
    [7, 1],
    [9, 2],
    [3, 0],
    [11, 0],
  ]);
  [0.85, 0.5, 0.5, 0.25, 0.2]
    .forEach((m, i) => assertAlmostEquals(suspects[i].margin, m, 1e-15));
});

const X = [[0, 1], [2, -1], [0.5, 0.5], [3, 2]];

Deno.test("neighbours() golden: shares of labels by a Gaussian kernel", () => {
  // python3 -c "
  // import numpy as np; from scipy.special import softmax
  // X = np.array([[0, 1], [2, -1], [.5, .5], [3, 2]]); L = np.array([2, 0, 2, 1])
  // w = softmax(-((X - [1, .25]) ** 2).sum(1) / 2 / .7 ** 2)
  // print([w[L == k].sum() for k in range(3)])"
  const shares = neighbours(X, [2, 0, 2, 1], 3, [1, 0.25], 0.7);
  [0.0728968407709388, 0.000738753159764654, 0.9263644060692966]
    // Exponents near 5 are rounded to 1e−15.
    .forEach((p, k) => assertAlmostEquals(shares[k], p, 5e-15));
});

Deno.test("a point far from every row gets its nearest row's label, not 0 / 0", () => {
  assertEquals(neighbours(X, [2, 0, 2, 1], 4, [900, 600], 0.7), [0, 1, 0, 0]);
});

const cases = fc.tuple(
  fc.array(
    fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), {
      minLength: 3,
      maxLength: 3,
    }),
    { minLength: 1, maxLength: 25 },
  ),
  fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 25, maxLength: 25 }),
).map(([rows, labels]) =>
  [
    rows.map((row) => row.map((x) => x / (row[0] + row[1] + row[2]))),
    labels.slice(0, rows.length),
  ] as const
);
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });

Deno.test("each row is counted at most once, suspects are the counts off the diagonal", () => {
  assertAll(cases, ([probs, labels]) => {
    const { confident, suspects } = findSuspects(probs, labels);
    const total = confident.flat().reduce((sum, c) => sum + c, 0);
    const diagonal = confident.reduce((sum, row, k) => sum + row[k], 0);
    assert(total <= labels.length);
    assertEquals(suspects.length, total - diagonal);
    assert(suspects.every((s) => s.suggested !== labels[s.row]));
    const margins = suspects.map((s) => s.margin);
    assertEquals(margins, margins.toSorted((a, b) => b - a));
    assertEquals(new Set(suspects.map((s) => s.row)).size, suspects.length);
  });
});

Deno.test("the names of classes mean nothing", () => {
  assertAll(cases, ([probs, labels]) => {
    const turned = probs.map(([a, b, c]) => [b, c, a]);
    const { suspects } = findSuspects(turned, labels.map((k) => [2, 0, 1][k]));
    const rows = (list: { row: number }[]) =>
      list.map((s) => s.row).sort((a, b) => a - b);
    assertEquals(rows(suspects), rows(findSuspects(probs, labels).suspects));
  });
});

Deno.test("a label as likely as another class is not doubted, whatever its number", () => {
  const probs = Array.from({ length: 4 }, () => [0.5, 0.5]);
  const { confident, suspects } = findSuspects(probs, [0, 1, 1, 1]);
  assertEquals([confident, suspects], [[[1, 0], [0, 3]], []]);
});

Deno.test("of two thresholds that are reached the likelier class counts, not the label", () => {
  // The thresholds are 0.5 and 0.425.
  const probs = [[0.5, 0.5], [0.55, 0.45], [0.6, 0.4]];
  const { confident, suspects } = findSuspects(probs, [0, 1, 1]);
  assertEquals(confident, [[1, 0], [2, 0]]);
  assertEquals(suspects.map((s) => s.row), [2, 1]);
});

Deno.test("a class without rows has no threshold that anything reaches", () => {
  const { thresholds, suspects, confident } = findSuspects(
    [[0.2, 0.1, 0.7], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]],
    [0, 1, 0],
  );
  assertEquals(thresholds[2], Infinity);
  assertEquals(suspects, []);
  assertEquals(confident, [[1, 0, 0], [0, 1, 0], [0, 0, 0]]);
});

Deno.test("a class that the model is unsure of asks for less, and ½ is no threshold", () => {
  // Class 1 has probability 0.3 on its own rows: 0.4 is a lot.
  const probs = [[0.7, 0.3], [0.7, 0.3], [0.6, 0.4], [0.95, 0.05], [
    0.95,
    0.05,
  ]];
  const { suspects } = findSuspects(probs, [1, 1, 0, 0, 0]);
  assertEquals(suspects.map((s) => [s.row, s.suggested]), [[2, 1]]);
});

Deno.test("equal probabilities reach their own mean, though it rounds above them", () => {
  const probs = Array.from({ length: 3 }, () => [0.9, 0.1]);
  // 0.1 + 0.1 + 0.1 over 3 is 0.10000000000000002.
  assertEquals(findSuspects(probs, [1, 1, 1]).confident, [[0, 0], [0, 3]]);
  const same = Array.from({ length: 10 }, () => [0.3, 0.7]);
  const { confident, suspects } = findSuspects(same, new Array(10).fill(1));
  assertEquals([confident[1][1], suspects.length], [10, 0]);
});

/** Three clusters; some labels moved to another class. */
function planted(N: number, share: number, seed = 5) {
  let state = seed * 7919;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const normal = () =>
    Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: N }, () => {
    const truth = Math.floor(3 * random());
    const x = [[0, 0], [4, 0], [2, 3.5]][truth].map((c) => c + normal());
    const wrong = random() < share;
    return { x, wrong, label: wrong ? (truth + 1) % 3 : truth };
  });
}

Deno.test("held-out probabilities find most planted errors; those of training rows few", () => {
  const rows = planted(300, 0.15);
  const [x, labels] = [rows.map((r) => r.x), rows.map((r) => r.label)];
  const wrong = rows.map((r) => r.wrong);
  const held = heldOut(x, labels, 3, rows.map((_, n) => n % 7), 0.3);
  const own = x.map((point) => neighbours(x, labels, 3, point, 0.3));
  const [a, b] = [held, own].map((probs) =>
    precisionRecall(
      findSuspects(probs, labels).suspects.map((s) => s.row),
      wrong,
    )
  );
  assert(a.precision > 0.75 && a.recall > 0.7, JSON.stringify(a));
  assert(b.recall < a.recall - 0.2, JSON.stringify(b));
});

Deno.test("heldOut() does not see a row's own label, nor that of a copy in its fold", () => {
  const x = [[0], [0], [1], [1.2], [5], [5.1]];
  const labels = [1, 1, 0, 0, 1, 0];
  const folds = [0, 0, 1, 1, 2, 2];
  const probs = heldOut(x, labels, 2, folds, 0.5);
  labels.forEach((label, n) => {
    const flipped = labels.map((k, i) => folds[i] === folds[n] ? 1 - k : k);
    assertEquals(heldOut(x, flipped, 2, folds, 0.5)[n], probs[n], `${label}`);
  });
  // A copy in another fold gives the label away.
  const leaked = heldOut(x, labels, 2, [0, 1, 2, 2, 2, 2], 0.1);
  assert(leaked[0][1] > 0.99 && probs[0][1] < 0.01);
});

Deno.test("heldOut() of one fold a row is leave-one-out", () => {
  const probs = heldOut(X, [2, 0, 2, 1], 3, [0, 1, 2, 3], 0.7);
  X.forEach((point, n) => {
    const others = X.toSpliced(n, 1);
    const labels = [2, 0, 2, 1].toSpliced(n, 1);
    assertEquals(probs[n], neighbours(others, labels, 3, point, 0.7));
  });
});

Deno.test("precision is of the flagged, recall of the wrong", () => {
  const wrong = [true, false, true, true, false, true];
  assertEquals(precisionRecall([0, 1, 2], wrong), {
    precision: 2 / 3,
    recall: 0.5,
  });
  const none = precisionRecall([], wrong);
  assertEquals([none.precision, none.recall], [NaN, 0]);
});

Deno.test("rateBy() divides by the rows of each key, not by all that were flagged", () => {
  const rates = rateBy(["a", "b", "a", "a", "b", "c"], [0, 4, 2]);
  assertEquals([...rates], [["a", 2 / 3], ["b", 1 / 2], ["c", 0]]);
});

Deno.test("inputs are left unchanged", () => {
  const copy = structuredClone([PROBS, LABELS]);
  findSuspects(PROBS, LABELS);
  assertEquals([PROBS, LABELS], copy);
});

Deno.test("labels that do not fit their probabilities are an error", () => {
  const errors: [() => unknown, string][] = [
    [() => findSuspects([], []), "Cannot judge 0 labels by 0 probabilities"],
    [
      () => findSuspects([[0.5, 0.5]], [0, 1]),
      "Cannot judge 2 labels by 1 probabilities",
    ],
    [
      () => findSuspects([[0.5, 0.5], [1, 0]], [0, 2]),
      "Cannot judge label 2: it is none of 0,1",
    ],
    [
      () => heldOut(X, [0, 1, 0, 1], 2, [3, 3, 3, 3], 1),
      "Cannot hold out: all 4 rows are in one fold",
    ],
  ];
  for (const [call, line] of errors) assertThrows(call, RangeError, line);
});
