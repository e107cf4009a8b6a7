import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  crossEntropy,
  crossEntropyGradient,
  crossEntropyRows,
  smoothTarget,
  softCrossEntropy,
} from "./cross_entropy.ts";

// A log-softmax rounds about V + 3 times: a few 1e−16, relative to its size.
const close = (actual: number, expected: number, tolerance = 1e-13) =>
  assertAlmostEquals(actual, expected, tolerance * Math.max(1e-300, expected));

// Goldens, with 50 digits:
// python3 -c "
// from decimal import *; getcontext().prec = 50
// def ls(x):
//     x = [Decimal(v) for v in x]; t = sum(v.exp() for v in x).ln(); return [v - t for v in x]
// def ce(x, t, e):
//     e = Decimal(e); l = ls(x); V = len(x)
//     return -sum((1 - e if v == t else 0) * l[v] + e / V * l[v] for v in range(V))
// X = [[1, -2, 0.5, 3], [0, 0, -1.25, 2], [4, 1, -0.5, -3]]; T = [0, 2, 0]
// for e in ('0', '0.1', '0.5'):
//     print([float(ce(x, t, e)) for x, t in zip(X, T)], float(sum(map(ce, X, T, [e] * 3)) / 3))
// e = Decimal('0.1')
// print([[float((l.exp() - ((1 - e if v == t else 0) + e / 4)) / 3) for v, l in enumerate(ls(x))]
//     for x, t in zip(X, T)])"
const LOGITS = [[1, -2, 0.5, 3], [0, 0, -1.25, 2], [4, 1, -0.5, -3]];
const TARGETS = [0, 2, 0];
const GOLDEN: [smoothing: number, rows: number[], mean: number][] = [
  [
    0,
    [2.2022534476793516, 3.5196032109605855, 0.05997306547890738],
    1.9272765747062814,
  ],
  [
    0.1,
    [2.2397534476793517, 3.3758532109605857, 0.4224730654789074],
    2.0126932413729484,
  ],
  [
    0.5,
    [2.3897534476793516, 2.8008532109605855, 1.8724730654789075],
    2.3543599080396147,
  ],
];
for (const [smoothing, rows, mean] of GOLDEN) {
  Deno.test(`crossEntropy() golden: ε = ${smoothing}`, () => {
    close(crossEntropy(LOGITS, TARGETS, { smoothing }), mean);
    crossEntropyRows(LOGITS, TARGETS, { smoothing })
      .forEach((loss, b) => close(loss, rows[b]));
  });
}
const GRADIENT = [
  [
    -0.2714820832127536,
    -0.006498617624138775,
    0.014018079713537156,
    0.2639626211233552,
  ],
  [
    0.026117727119228475,
    0.026117727119228475,
    -0.298462939256754,
    0.24622748501829703,
  ],
  [
    0.0055966333008520336,
    0.0072963193782041,
    -0.004845886420743645,
    -0.008047066258312488,
  ],
];
Deno.test("crossEntropyGradient() golden: ε = 0.1", () => {
  crossEntropyGradient(LOGITS, TARGETS, { smoothing: 0.1 })
    .flat()
    // Differences of shares: the error is absolute.
    .forEach((g, i) => assertAlmostEquals(g, GRADIENT.flat()[i], 1e-15));
});

const batch = fc.tuple(
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 6 }),
).chain(([B, V]) =>
  fc.tuple(
    fc.array(
      fc.array(fc.double({ min: -8, max: 8, noNaN: true }), {
        minLength: V,
        maxLength: V,
      }),
      { minLength: B, maxLength: B },
    ),
    fc.array(fc.nat(V - 1), { minLength: B, maxLength: B }),
    fc.double({ min: 0, max: 0.99, noNaN: true }),
  )
);
const run = { seed: 5 };

Deno.test("a smoothed target sums to 1, neither more nor less", () => {
  fc.assert(
    fc.property(batch, ([logits, targets, smoothing]) => {
      const target = smoothTarget(targets[0], logits[0].length, smoothing);
      assertAlmostEquals(target.reduce((a, b) => a + b), 1, 1e-15 * 8);
    }),
    run,
  );
  assertEquals(smoothTarget(1, 5, 0), [0, 1, 0, 0, 0]);
});

Deno.test("equal logits cost ln V, whatever is smoothed: the mean is not over classes", () => {
  for (const smoothing of [0, 0.1, 0.9]) {
    for (const V of [2, 5, 1000]) {
      const logits = [new Array(V).fill(3), new Array(V).fill(-700)];
      // A mean over V classes would be ln V / V.
      close(crossEntropy(logits, [1, 0], { smoothing }), Math.log(V), 1e-12);
    }
  }
});

Deno.test("the gradient is the slope of the loss", () => {
  fc.assert(
    fc.property(batch, ([logits, targets, smoothing]) => {
      const gradient = crossEntropyGradient(logits, targets, { smoothing });
      const h = 1e-5;
      gradient.forEach((row, b) =>
        row.forEach((g, v) => {
          const at = (step: number) =>
            crossEntropy(
              logits.map((x, i) =>
                x.map((xi, j) => i === b && j === v ? xi + step : xi)
              ),
              targets,
              { smoothing },
            );
          // Rounding of losses up to 20 over 2h, and h² of the third derivative.
          assertAlmostEquals(g, (at(h) - at(-h)) / (2 * h), 1e-8);
        })
      );
    }),
    { ...run, numRuns: 50 },
  );
});

Deno.test("a shift of all logits changes neither loss nor gradient", () => {
  fc.assert(
    fc.property(batch, ([logits, targets, smoothing]) => {
      const exact = logits.map((x) => x.map((xi) => Math.round(xi)));
      const far = exact.map((x) => x.map((xi) => xi + 2 ** 40));
      const options = { smoothing };
      assertEquals(
        crossEntropy(far, targets, options),
        crossEntropy(exact, targets, options),
      );
      const gradient = crossEntropyGradient(far, targets, options);
      assertEquals(gradient, crossEntropyGradient(exact, targets, options));
      for (const row of gradient) {
        assertAlmostEquals(row.reduce((a, b) => a + b), 0, 1e-14);
      }
    }),
    run,
  );
});

Deno.test("with all argmaxes right the loss is between 0 and ln V", () => {
  fc.assert(
    fc.property(batch, ([logits]) => {
      const right = logits.map((x) => x.indexOf(Math.max(...x)));
      for (const loss of crossEntropyRows(logits, right)) {
        const bound = Math.log(logits[0].length);
        assertEquals(loss >= 0 && loss <= bound * (1 + 1e-15), true);
      }
    }),
    run,
  );
  for (const V of [2, 3, 10, 1000]) {
    const near = new Array(V).fill(0);
    const at = (gap: number) => crossEntropy([near.with(0, gap)], [0]);
    // Both ends are approached: a gap of 1e−9 costs 1e−9 less than ln V.
    assertEquals(at(1e-9) < Math.log(V), true);
    assertAlmostEquals(at(1e-9), Math.log(V), 2e-9);
    assertEquals(at(700) > 0 && at(700) < 1e-300, true);
    // And the ends themselves: by a tie, and by rounding.
    close(at(0), Math.log(V));
    assertEquals(at(800), 0);
  }
});

Deno.test("the best a smoothed loss can be is the entropy of its target", () => {
  const smoothing = 0.1;
  const target = smoothTarget(0, 10, smoothing); // 0.91 and nine times 0.01
  const best = crossEntropy([target.map(Math.log)], [0], { smoothing });
  // python3 -c "from math import log; print(-.91 * log(.91) - 9 * .01 * log(.01))"
  close(best, 0.5002880350577578);
  const gap = Math.log(0.91 / 0.01);
  for (const other of [gap - 0.1, gap + 0.1, 100]) {
    const logits = [[other, 0, 0, 0, 0, 0, 0, 0, 0, 0]];
    assertEquals(crossEntropy(logits, [0], { smoothing }) > best, true);
  }
});

Deno.test("logits of 0 and 1000 cost 1000, not Infinity", () => {
  assertEquals(crossEntropy([[0, 1000]], [0]), 1000);
  assertEquals(crossEntropyGradient([[0, 1000]], [0]), [[-1, 1]]);
  // Beside 1e17 a logarithm would be rounded away.
  assertEquals(crossEntropy([[1e17, 1e17]], [0]), Math.LN2);
  // python3 -c "
  // from decimal import *; getcontext().prec = 60
  // print(float((1 + Decimal(-50).exp()).ln()))"
  close(crossEntropy([[50, 0]], [0]), 1.9287498479639178e-22);
});

Deno.test("ignored rows count neither in the loss nor in the mean nor in the gradient", () => {
  const without = [LOGITS[0], LOGITS[2]];
  const targets = [0, -100, 0];
  close(crossEntropy(LOGITS, targets), crossEntropy(without, [0, 0]));
  assertEquals(crossEntropyRows(LOGITS, targets)[1], 0);
  const gradient = crossEntropyGradient(LOGITS, targets);
  assertEquals(gradient[1], [0, 0, 0, 0]);
  assertEquals(gradient[0], crossEntropyGradient(without, [0, 0])[0]);
  assertEquals(
    crossEntropy([[NaN, 1], [0, 0]], [7, 0], { ignoreIndex: 7 }),
    Math.LN2,
  );
  assertEquals(crossEntropyRows(LOGITS, [-100, -100, -100]), [0, 0, 0]);
});

Deno.test("−Infinity costs Infinity only where the target has a share", () => {
  const logits = [[0, -Infinity, 0]];
  assertEquals(crossEntropy(logits, [0]), Math.LN2);
  assertEquals(crossEntropy(logits, [1]), Infinity);
  assertEquals(crossEntropy(logits, [0], { smoothing: 0.1 }), Infinity);
  assertEquals(crossEntropyGradient(logits, [1]), [[0.5, -1, 0.5]]);
});

Deno.test("NaN is let through, not hidden", () => {
  assertEquals(crossEntropy([[0, NaN], [0, 0]], [0, 0]), NaN);
  assertEquals(crossEntropy([[-Infinity, -Infinity]], [0]), NaN);
  assertEquals(crossEntropy([[Infinity, 0]], [0]), NaN);
});

Deno.test("a single class costs nothing", () => {
  assertEquals(crossEntropy([[7], [-3]], [0, 0], { smoothing: 0.3 }), 0);
});

Deno.test("softCrossEntropy() takes any distribution", () => {
  const [soft, one] = [[0.25, 0, 0.75], [0, 0, 1]];
  const logits = [0, -Infinity, Math.log(3)];
  close(softCrossEntropy(logits, soft), 2 * Math.LN2 - 0.75 * Math.log(3));
  close(softCrossEntropy(logits, one), Math.log(4 / 3));
});

Deno.test("200,000 classes do not overflow the stack", () => {
  close(
    crossEntropy([new Array(200_000).fill(3)], [7]),
    Math.log(200_000),
    1e-10,
  );
});

Deno.test("the inputs are left unchanged", () => {
  const logits = structuredClone(LOGITS);
  crossEntropyGradient(logits, TARGETS, { smoothing: 0.1 });
  assertEquals([logits, TARGETS], [LOGITS, [0, 2, 0]]);
});

const smooth = (smoothing: number) => () =>
  crossEntropy([[1, 2]], [0], { smoothing });
const target = (value: number) => () => crossEntropy([[1, 2, 3]], [value]);
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["ε below 0", smooth(-0.5), "Cannot smooth by -0.5: needs 0 ≤ ε < 1"],
  ["ε of 1", smooth(1), "smooth by 1"],
  ["ε of NaN", smooth(NaN), "smooth by NaN"],
  [
    "a target of −1",
    target(-1),
    "Cannot use target -1 of row 0: there are 3 classes",
  ],
  ["a target of V", target(3), "target 3 of row 0"],
  ["half a target", target(1.5), "target 1.5 of row 0"],
  ["a target of NaN", target(NaN), "target NaN of row 0"],
  [
    "one target for two rows",
    () => crossEntropy([[1, 2], [3, 4]], [0]),
    "Cannot compare 2 rows of logits with 1 targets",
  ],
  [
    "a number for the targets",
    () => crossEntropy([[1, 2]], 0 as unknown as number[]),
    "Cannot compare 1 rows of logits",
  ],
  ["no row", () => crossEntropy([], []), "mean: all 0 rows are ignored"],
  [
    "no row that counts",
    () => crossEntropyGradient([[1, 2], [3, 4]], [-100, -100]),
    "Cannot take a mean: all 2 rows are ignored",
  ],
  ["no class", () => crossEntropy([[]], [0]), "there are 0 classes"],
  [
    "a soft target that sums to 1.08",
    () => softCrossEntropy([0, 0, 0, 0, 0], [1, 0.02, 0.02, 0.02, 0.02]),
    "Cannot use a target that sums to 1.08",
  ],
  [
    "a soft target of other size",
    () => softCrossEntropy([0, 0], [1]),
    "Cannot compare 2 logits with 1 shares",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
