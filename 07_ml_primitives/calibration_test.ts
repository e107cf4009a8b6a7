import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  calibrationError,
  fitTemperature,
  meanLoss,
  softmax,
  trainGap,
} from "./calibration.ts";

const argmax = (x: number[]) => x.indexOf(Math.max(...x));

// Goldens:
// python3 -c "
// import numpy as np
// z = 3 * (np.arange(200) * 7 % 11 / 4 - 1).reshape(40, 5)
// n = np.arange(40); y = np.where(n % 3 > 0, z.argmax(1), n ** 2 % 5)
// def nll(T):
//     l = z / T; m = l.max(1); return np.mean(np.log(np.exp(l - m[:, None]).sum(1)) + m - l[n, y])
// def ece(T, bins):
//     e = np.exp(z / T - (z / T).max(1, keepdims=True)); p = e / e.sum(1, keepdims=True)
//     c, ok = p.max(1), p.argmax(1) == y; out = 0
//     for low in np.arange(bins) / bins:
//         i = (c > low) & (c <= low + 1 / bins)
//         if i.any(): out += i.mean() * abs(ok[i].mean() - c[i].mean())
//     return out
// print(nll(1), nll(2.5), ece(1, 15), ece(2.5, 4))
// T = np.linspace(2.0962, 2.0964, 200001); print(T[np.argmin([nll(t) for t in T])])"
const LOGITS = Array.from(
  { length: 40 },
  (_, n) =>
    Array.from({ length: 5 }, (_, v) => 3 * ((n * 5 + v) * 7 % 11 / 4 - 1)),
);
const TARGETS = LOGITS.map((z, n) => n % 3 > 0 ? argmax(z) : n ** 2 % 5);

Deno.test("meanLoss() golden: T = 1 and 2.5", () => {
  // Means of 40 losses near 1: some 1e−16.
  assertAlmostEquals(meanLoss(LOGITS, TARGETS), 1.4263165087264889, 1e-14);
  assertAlmostEquals(meanLoss(LOGITS, TARGETS, 2.5), 1.1912437555032838, 1e-14);
});

Deno.test("calibrationError() golden: 15 bins at T = 1, 4 bins at T = 2.5", () => {
  const at = (T: number, bins?: number) =>
    calibrationError(LOGITS.map((z) => softmax(z, T)), TARGETS, bins);
  assertAlmostEquals(at(1), 0.20782909487920406, 1e-14);
  assertAlmostEquals(at(2.5, 4), 0.24565693159428337, 1e-14);
});

Deno.test("fitTemperature() golden: the best of a grid of T", () => {
  // Near its least value an NLL is flat: 1e−16 of it is 1e−8 of T.
  assertAlmostEquals(fitTemperature(LOGITS, TARGETS), 2.096262285, 1e-6);
});

let state = 1;
const random = () => (state = state * 48271 % 2147483647) / 2147483647;
/** Labels that follow softmax(z), and logits `sharp` times too large. */
const draw = (N: number, sharp: number) => {
  const z = Array.from(
    { length: N },
    () => Array.from({ length: 4 }, () => 4 * random()),
  );
  const targets = z.map((row) => {
    let u = random();
    return softmax(row).findIndex((p) => (u -= p) < 0);
  });
  return { logits: z.map((row) => row.map((zi) => sharp * zi)), targets };
};

Deno.test("the fitted temperature undoes what made the logits too large, or too small", () => {
  for (const sharp of [3, 1, 0.2]) {
    state = 9;
    const { logits, targets } = draw(2000, sharp);
    // The Fisher information of ln T is the variance of z under its softmax, here
    // 0.47 a row: five standard errors are 5 / √(0.47 · 2000) = 0.16.
    assertAlmostEquals(fitTemperature(logits, targets) / sharp, 1, 0.16);
  }
});

Deno.test("fitted on held-out rows, it lowers the ECE and NLL of others and moves no argmax", () => {
  state = 10;
  const [held, test] = [draw(1500, 3), draw(1500, 3)];
  const T = fitTemperature(held.logits, held.targets);
  const [before, after] = [1, T].map((t) =>
    test.logits.map((z) => softmax(z, t))
  );
  const ece = (shares: number[][]) => calibrationError(shares, test.targets);
  assertEquals(ece(before) > 0.2 && ece(after) < 0.06, true);
  assertEquals(
    meanLoss(test.logits, test.targets, T) <
      meanLoss(test.logits, test.targets),
    true,
  );
  assertEquals(after.map(argmax), before.map(argmax));
});

Deno.test("no temperature near the fitted one has a smaller NLL", () => {
  fc.assert(
    fc.property(fc.double({ min: -2, max: 2, noNaN: true }), (step) => {
      const T = fitTemperature(LOGITS, TARGETS);
      const best = meanLoss(LOGITS, TARGETS, T);
      // Equal up to rounding where the step is tiny.
      const other = meanLoss(LOGITS, TARGETS, T * Math.exp(step));
      assertEquals(other >= best - 1e-15, true);
    }),
    { seed: 6 },
  );
});

Deno.test("logits k times as large are fitted by a temperature k times as large", () => {
  const T = fitTemperature(LOGITS, TARGETS);
  for (const k of [1e-3, 7, 1e4]) {
    const scaled = LOGITS.map((z) => z.map((zi) => k * zi));
    assertAlmostEquals(fitTemperature(scaled, TARGETS) / (k * T), 1, 1e-9);
  }
});

Deno.test("a smoothed target has its best loss at a finite gap, a one-hot one has none", () => {
  // ln(0.91 / 0.01): python3 -c "from math import log; print(log(91))"
  assertAlmostEquals(trainGap(10, 0.1, 1000), 4.51085950651685, 1e-9);
  assertAlmostEquals(trainGap(10, 0.1, 2000), 4.51085950651685, 1e-9);
  const gaps = [1000, 2000, 4000].map((steps) => trainGap(10, 0, steps));
  // It grows by about ln 2 each time the steps double, without end.
  assertAlmostEquals(gaps[1] - gaps[0], Math.LN2, 0.01);
  assertAlmostEquals(gaps[2] - gaps[1], Math.LN2, 0.01);
});

Deno.test("trained with smoothing, confidence stops at 1 − ε + ε/V", () => {
  const gap = trainGap(10, 0.1, 1000);
  const p = softmax([gap, 0, 0, 0, 0, 0, 0, 0, 0, 0])[0];
  assertAlmostEquals(p, 0.91, 1e-9);
});

Deno.test("calibrationError() is |accuracy − confidence| if one bin takes all", () => {
  const shares = [[0.75, 0.25], [0.25, 0.75], [0.75, 0.25], [0.25, 0.75]];
  assertEquals(calibrationError(shares, [0, 1, 0, 0]), 0);
  assertEquals(calibrationError(shares, [1, 0, 0, 1]), 0.25);
  assertEquals(calibrationError(shares, [1, 0, 1, 0]), 0.75);
});

Deno.test("calibrationError() does not let one bin make up for another", () => {
  // Too sure at 1, and not sure enough at 0.5: together they are right.
  const shares = [[1, 0], [1, 0], [0.5, 0.5], [0.5, 0.5]];
  assertEquals(calibrationError(shares, [0, 1, 0, 0], 2), 0.5);
  assertEquals(calibrationError(shares, [0, 1, 0, 0], 1), 0);
});

Deno.test("a confidence on the edge of a bin is in the lower one, and 1 in the last", () => {
  // With edges at 1/2 and 1: 0.5 is alone below, 0.75 and 1 are above.
  const shares = [[0.5, 0.5], [0.75, 0.25], [1, 0]];
  assertEquals(calibrationError(shares, [1, 0, 0], 2), (0.5 + 0.25) / 3);
});

Deno.test("a temperature of Infinity makes all shares equal, one near 0 an argmax", () => {
  assertEquals(softmax([5, 1, 3, 9], Infinity), [0.25, 0.25, 0.25, 0.25]);
  assertEquals(softmax([5, 1, 1e3], 1e-9), [0, 0, 1]);
});

Deno.test("the inputs are left unchanged", () => {
  const copy = structuredClone(LOGITS);
  fitTemperature(copy, TARGETS);
  calibrationError(copy.map((z) => softmax(z)), TARGETS);
  assertEquals(copy, LOGITS);
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no row", () => calibrationError([], []), "Cannot compare 0 rows"],
  [
    "a target too few",
    () => meanLoss([[1, 2], [3, 4]], [0]),
    "Cannot compare 2 rows with 1 targets",
  ],
  [
    "a target that is no class",
    () => fitTemperature([[1, 2]], [2]),
    "Cannot use target 2 of row 0: there are 2 classes",
  ],
  ["a target of −1", () => meanLoss([[1, 2]], [-1]), "target -1 of row 0"],
  ["no bin", () => calibrationError([[1]], [0], 0), "sort into 0 bins"],
  [
    "logits for shares",
    () => calibrationError([[2, -1]], [0]),
    "Cannot bin row 0: its confidence is 2, not from 0 to 1",
  ],
  [
    "NaN for shares",
    () => calibrationError([[NaN, NaN]], [0]),
    "its confidence is NaN",
  ],
  [
    "T of 0",
    () => softmax([1, 2], 0),
    "Cannot divide logits by 0: needs T > 0",
  ],
  ["T of NaN", () => softmax([1, 2], NaN), "by NaN"],
  [
    "nothing but right rows",
    () => fitTemperature([[3, 1], [0, 2]], [0, 1]),
    "every row is right, and T → 0 is best",
  ],
  [
    "nothing but wrong rows",
    () => fitTemperature([[3, 1], [0, 2]], [1, 0]),
    "no better than chance, and T → ∞ is best",
  ],
  [
    "an infinite logit",
    () => fitTemperature([[3, -Infinity], [0, 2]], [0, 0]),
    "a logit is not finite",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}

Deno.test("the edges of 100 bins are in the lower bin, as 0.07 and 0.56 are written", () => {
  // In one bin a right row and a wrong one of equal confidence c give |1 − 2c| / 2;
  // in two bins they would give a half.
  for (let j = 51; j < 100; j++) {
    const edge = j / 100;
    const [below, above] = [edge - 1e-9, edge + 1e-9];
    const ece = (other: number) =>
      calibrationError([[edge, 1 - edge], [other, 1 - other]], [0, 1], 100);
    assertAlmostEquals(ece(below), edge - 0.5, 1e-8);
    assertAlmostEquals(ece(above), 0.5, 1e-8);
  }
});

Deno.test("the fit is as exact for logits of 1e−300, 1e9 and 1e300", () => {
  // Two of three rows right by a gap of 2z: the best share is 2/3, so T = 2z / ln 2.
  const fit = (z: number) =>
    fitTemperature([[z, -z], [-z, z], [z, -z]], [0, 0, 0]);
  for (const z of [1e-300, 1e-9, 1, 1e9, 1e300]) {
    assertAlmostEquals(fit(z) / (2 * z / Math.LN2), 1, 1e-12);
  }
  // Here T itself is above the largest double.
  assertThrows(() => fit(1e308), RangeError, "it is above 1.8e308");
});
