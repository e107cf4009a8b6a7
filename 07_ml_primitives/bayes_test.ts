import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { likelihoodRatio, logOdds, posterior, probability } from "./bayes.ts";

// Goldens, in exact fractions:
// python3 -c "
// from fractions import Fraction as F
// def update(prior, likelihood):
//     j = [F(p) * F(l) for p, l in zip(prior, likelihood)]; print([float(x / sum(j)) for x in j])
// update(['0.001', '0.999'], ['0.99', '0.01']); update(['0.2', '0.5', '0.3'], ['0.9', '0.1', '0'])"
for (
  const [prior, likelihood, expected] of [
    [[0.001, 0.999], [0.99, 0.01], [0.09016393442622951, 0.9098360655737705]],
    [
      [0.2, 0.5, 0.3],
      [0.9, 0.1, 0],
      [0.782608695652174, 0.21739130434782608, 0],
    ],
  ]
) {
  Deno.test(`posterior() golden: [${prior}] after evidence of [${likelihood}]`, () => {
    // Logarithms near 7 are rounded to 1e−15, which moves a ratio by as much.
    posterior(prior, [likelihood])
      .forEach((p, k) => assertAlmostEquals(p, expected[k], 2e-15));
  });
}

Deno.test("logOdds() and probability() golden, also far from ½", () => {
  // python3 -c "
  // from mpmath import mp, mpf, log, exp
  // mp.dps = 40; p = mpf('1e-9')
  // print(float(log(p / (1 - p))), float(1 / (1 + exp(mpf(40)))), float(1 / (1 + exp(mpf(-3)))))"
  const relative = (x: number, y: number) =>
    assertAlmostEquals(x / y, 1, 1e-15);
  relative(logOdds(1e-9), -20.72326583594641);
  relative(probability(-40), 4.248354255291589e-18);
  relative(probability(3), 0.9525741268224333);
});

const share = fc.double({ min: 0.01, max: 0.99, noNaN: true });
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });
const evidence = fc.integer({ min: 2, max: 5 }).chain((K) => {
  const row = fc.array(share, { minLength: K, maxLength: K });
  return fc.record({
    weights: row,
    rows: fc.array(row, { minLength: 2, maxLength: 8 }),
  });
});

Deno.test("evidence is worth the same in any order, at once or one by one", () => {
  assertAll(evidence, ({ weights, rows }) => {
    const total = weights.reduce((sum, w) => sum + w, 0);
    const prior = weights.map((w) => w / total);
    const whole = posterior(prior, rows);
    const back = posterior(prior, rows.toReversed());
    let last = prior;
    for (const row of rows) last = posterior(last, [row]);
    whole.forEach((p, k) => {
      assertAlmostEquals(back[k], p, 1e-13);
      assertAlmostEquals(last[k], p, 1e-13);
    });
    assertAlmostEquals(whole.reduce((sum, p) => sum + p, 0), 1, 1e-14);
    assertEquals(posterior(prior, []).length, prior.length);
  });
});

Deno.test("only ratios of likelihoods count", () => {
  const [a, b] = [[0.8, 0.2, 0.4], [0.4, 0.1, 0.2]];
  const prior = [0.2, 0.3, 0.5];
  posterior(prior, [a]).forEach((p, k) =>
    assertAlmostEquals(p, posterior(prior, [b])[k], 1e-15)
  );
});

Deno.test("odds times the likelihood ratio is the posterior, for either result", () => {
  assertAll(
    fc.tuple(share, share, share),
    ([prior, sensitivity, specificity]) => {
      const test = { sensitivity, specificity };
      const odds = logOdds(prior);
      for (const positive of [true, false]) {
        const row = positive
          ? [sensitivity, 1 - specificity]
          : [1 - sensitivity, specificity];
        const [there] = posterior([prior, 1 - prior], [row]);
        const ratio = likelihoodRatio(test, positive);
        const p = probability(odds + Math.log(ratio));
        assertAlmostEquals(p, there, 1e-13);
      }
    },
  );
});

Deno.test("thousands of pieces of evidence do not underflow, and may be outweighed", () => {
  const [towards, against] = [[1e-3, 2e-3], [2e-3, 1e-3]];
  const one = new Array<number[]>(2000).fill(towards);
  const other = new Array<number[]>(2000).fill(against);
  assertEquals(posterior([0.5, 0.5], one), [0, 1]);
  // Sums of 4,000 logarithms near 27,000: 1e−9 at worst.
  posterior([0.3, 0.7], [...one, ...other])
    .forEach((p, k) => assertAlmostEquals(p, [0.3, 0.7][k], 1e-9));
});

Deno.test("what is certain stays so, and what is ruled out does", () => {
  assertEquals(posterior([1, 0], [[0.01, 0.99]]), [1, 0]);
  assertEquals(posterior([0.5, 0.5], [[0, 1e-300]]), [0, 1]);
  assertEquals(posterior([1], [[0.2]]), [1]);
  const many = new Array<number>(2 ** 18).fill(2 ** -18);
  assertEquals(posterior(many, []), many);
  assertEquals([logOdds(0), logOdds(0.5), logOdds(1)], [
    -Infinity,
    0,
    Infinity,
  ]);
  assertEquals([-Infinity, 0, Infinity].map(probability), [0, 0.5, 1]);
  const perfect = { sensitivity: 1, specificity: 1 };
  assertEquals(likelihoodRatio(perfect, true), Infinity);
  assertEquals(likelihoodRatio(perfect, false), 0);
});

Deno.test("probability() undoes logOdds()", () => {
  assertAll(fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true }), (p) => {
    assertAlmostEquals(probability(logOdds(p)) / p, 1, 1e-13);
  });
});

Deno.test("inputs stay as they are", () => {
  const [prior, rows] = [[0.25, 0.75], [[0.5, 0.1]]];
  assert(posterior(prior, rows)[0] > 0.6);
  assertEquals([prior, rows], [[0.25, 0.75], [[0.5, 0.1]]]);
});

Deno.test("evidence that nothing allows, and what is no probability, are errors", () => {
  for (
    const [prior, row, line] of [
      [[0.5, 0.5], [0, 0], "Cannot update: no hypothesis allows the evidence"],
      [[1, 0], [0, 1], "Cannot update: no hypothesis allows the evidence"],
      [[0.5, 0.5], [1], "Cannot update 2 beliefs by the 1 likelihoods of 0"],
      [[0.5, 0.5], [1, 1, 1], "Cannot update 2 beliefs by the 3 likelihoods"],
      [[0.5, 0.5 + 2e-9], [1, 1], "the prior sums to 1.00000000200"],
      [[0.5, 0.6], [1, 1], "Cannot update: the prior sums to 1.1, not to 1"],
      [[], [], "Cannot update: the prior sums to 0, not to 1"],
      [[1.5, -0.5], [1, 1], "Cannot update: prior 0 is 1.5, and a probability"],
      [
        [0.5, 0.5],
        [1, 1.1],
        "Cannot update: likelihood 1 of evidence 0 is 1.1, and a",
      ],
      [
        [0.5, 0.5],
        [NaN, 1],
        "Cannot update: likelihood 0 of evidence 0 is NaN, and a",
      ],
    ] as const
  ) {
    assertThrows(() => posterior(prior, [row]), RangeError, line);
  }
  const never = { sensitivity: 0, specificity: 1 };
  assertThrows(
    () => likelihoodRatio(never, true),
    RangeError,
    "Cannot update: such a test is never positive",
  );
  assertThrows(
    () => likelihoodRatio({ sensitivity: 1, specificity: 0 }, false),
    RangeError,
    "Cannot update: such a test is never negative",
  );
  assertThrows(
    () => likelihoodRatio({ sensitivity: 99, specificity: 0.9 }, true),
    RangeError,
    "Cannot update: sensitivity is 99, and a probability is from 0 to 1",
  );
  assertThrows(
    () => likelihoodRatio({ sensitivity: 0.9, specificity: 1.1 }, true),
    RangeError,
    "Cannot update: specificity is 1.1",
  );
  assertThrows(
    () => posterior([0.5, 0.5], [[1, 1], [1, 2]]),
    RangeError,
    "likelihood 1 of evidence 1 is 2",
  );
  assertThrows(() => logOdds(-0.1), RangeError, "p is -0.1");
});
