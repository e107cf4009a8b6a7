import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  fitGaussian,
  klDivergence,
  klOfGaussians,
  onGrid,
} from "./kl_divergence.ts";

// Goldens:
// python3 -c "
// import numpy as np
// from scipy.special import rel_entr
// for p, q in [([.5, .5], [.8, .2]), ([.8, .2], [.5, .5]), ([0, .25, .75], [.1, .6, .3]), ([1e-300, 1 - 1e-300], [.5, .5])]:
//     print(rel_entr(p, q).sum(), rel_entr(p, q).sum() / np.log(2))"
const GOLDENS = [
  [[0.5, 0.5], [0.8, 0.2], 0.22314355131420974, 0.32192809488736235],
  [[0.8, 0.2], [0.5, 0.5], 0.19274475702175747, 0.27807190511263774],
  [[0, 0.25, 0.75], [0.1, 0.6, 0.3], 0.46835086456714137, 0.6756874697070734],
  [[1e-300, 1 - 1e-300], [0.5, 0.5], 0.6931471805599453, 1],
] as const;

for (const [p, q, nats, bits] of GOLDENS) {
  Deno.test(`klDivergence() golden: [${p}] and [${q}], in nats and in bits`, () => {
    // Three terms, each rounded a few times: 1e−15 of their size, about 1.
    assertAlmostEquals(klDivergence(p, q), nats, 2e-15);
    assertAlmostEquals(klDivergence(p, q, "nats"), nats, 2e-15);
    assertAlmostEquals(klDivergence(p, q, "bits"), bits, 3e-15);
  });
}

Deno.test("klOfGaussians() golden: N(1, ½) and N(−½, 2), in that direction", () => {
  // python3 -c "
  // from scipy.integrate import quad
  // from scipy.stats import norm
  // f = lambda x: norm.pdf(x, 1, .5) * (norm.logpdf(x, 1, .5) - norm.logpdf(x, -.5, 2))
  // print(quad(f, -5, 7, epsabs=1e-13, epsrel=1e-13)[0])"
  const [p, q] = [{ mean: 1, sd: 0.5 }, { mean: -0.5, sd: 2 }];
  // The integral is good to 1e−13.
  assertAlmostEquals(klOfGaussians(p, q), 1.1987943611198906, 1e-12);
  assertEquals(klOfGaussians(p, p), 0);
});

/** K positive numbers over their sum. */
const normal = (weights: number[]) => {
  const sum = weights.reduce((total, w) => total + w, 0);
  return weights.map((w) => w / sum);
};
const weight = fc.double({ min: 1e-6, max: 1, noNaN: true });
const pair = fc.integer({ min: 2, max: 6 }).chain((K) => {
  const some = fc.array(weight, { minLength: K, maxLength: K }).map(normal);
  return fc.tuple(some, some);
});
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });

Deno.test("a divergence is never negative, and exactly 0 between equals", () => {
  assertAll(pair, ([p, q]) => {
    assert(klDivergence(p, q) >= 0);
    assertEquals(klDivergence(p, [...p]), 0);
    assert(Object.is(klDivergence(p, p, "bits"), 0));
    // As good as equal: rounding alone would go below 0.
    const near = normal(p.map((x, i) => x * (1 + (i % 2) * 1e-15)));
    assert(klDivergence(p, near) >= 0);
  });
});

Deno.test("independent parts add up", () => {
  assertAll(fc.tuple(pair, pair), ([[p1, q1], [p2, q2]]) => {
    const joint = (a: number[], b: number[]) =>
      normal(a.flatMap((x) => b.map((y) => x * y)));
    const sum = klDivergence(p1, q1) + klDivergence(p2, q2);
    // 36 terms of at most ln 1e6 · p each.
    const whole = klDivergence(joint(p1, p2), joint(q1, q2));
    assertAlmostEquals(whole, sum, 1e-13 * (1 + sum));
  });
});

Deno.test("to merge two outcomes never makes a divergence larger", () => {
  assertAll(pair, ([p, q]) => {
    const merge = ([a, b, ...rest]: number[]) => [a + b, ...rest];
    const merged = klDivergence(merge(p), merge(q));
    assert(merged <= klDivergence(p, q) + 1e-14);
  });
});

Deno.test("Infinity where q rules out what p does not; 0 where p is 0", () => {
  assertEquals(klDivergence([0.5, 0.5], [1, 0]), Infinity);
  assertEquals(klDivergence([1, 0], [0.5, 0.5]), Math.LN2);
  assertEquals(klDivergence([1, 0], [1, 0]), 0);
  assertEquals(klDivergence([1], [1]), 0);
});

Deno.test("a ratio that no double holds is no infinite divergence", () => {
  const p = [1 - 1e-300, 1e-300];
  const q = [1, 5e-324];
  // 1e−300 · ln(1e−300 / 5e−324), which is 5e−299 or so.
  const expected = 1e-300 * Math.log(1e-300 / 5e-324);
  assertAlmostEquals(klDivergence(p, q) / expected, 1, 1e-12);
  assert(Number.isFinite(klDivergence([0.5, 0.5], [1, 5e-324])));
});

const X = Array.from({ length: 241 }, (_, i) => i / 10 - 12);
const [LEFT, RIGHT] = [-3, 3].map((mean) => onGrid({ mean, sd: 1 }, X));
const TWO = X.map((_, i) => 0.4 * LEFT[i] + 0.6 * RIGHT[i]);

Deno.test("fitGaussian() covers both modes with the mean and spread of p", () => {
  // python3 -c "
  // import numpy as np
  // x = np.arange(241) / 10 - 12
  // g = lambda m, s: (lambda w: w / w.sum())(np.exp(-((x - m) / s) ** 2 / 2))
  // p = .4 * g(-3, 1) + .6 * g(3, 1)
  // print((p * x).sum(), np.sqrt((p * x * x).sum() - (p * x).sum() ** 2))"
  const fit = fitGaussian(TWO, X, "covering", { mean: -1, sd: 0.7 });
  const q = onGrid(fit, X);
  const mean = q.reduce((sum, qi, i) => sum + qi * X[i], 0);
  const square = q.reduce((sum, qi, i) => sum + qi * X[i] ** 2, 0);
  // The search stops at steps of 1e−6.
  assertAlmostEquals(mean, 0.6, 1e-5);
  assertAlmostEquals(Math.sqrt(square - mean ** 2), 3.104834939252005, 1e-5);
});

for (
  const [start, mean, sd, least] of [
    [3, 2.9877025872523832, 1.0186763542582244, 0.5073882690944921],
    [-3, -2.9798725529517247, 1.0293594196265616, 0.9107089970953243],
  ]
) {
  Deno.test(`fitGaussian() seeks the mode near ${start}`, () => {
    // From scipy.optimize.minimize, method "Nelder-Mead", of
    // rel_entr(g(mean, sd), p).sum(), with g and p as above, from that mode with sd 1.
    const fit = fitGaussian(TWO, X, "seeking", { mean: start, sd: 2 ** -0.5 });
    assertAlmostEquals(fit.mean, mean, 1e-5);
    assertAlmostEquals(fit.sd, sd, 1e-5);
    assertAlmostEquals(klDivergence(onGrid(fit, X), TWO), least, 1e-10);
  });
}

Deno.test("each fit is best in its own direction, and worse in the other", () => {
  const start = { mean: 1, sd: 2 };
  const cover = onGrid(fitGaussian(TWO, X, "covering", start), X);
  const seek = onGrid(fitGaussian(TWO, X, "seeking", start), X);
  assert(klDivergence(TWO, cover) < klDivergence(TWO, seek));
  assert(klDivergence(seek, TWO) < klDivergence(cover, TWO));
});

Deno.test("a grid gives a Gaussian's probabilities, and no 0 far out", () => {
  // python3 -c "
  // import numpy as np
  // w = np.exp(-((np.arange(4) - 1) / 2.) ** 2 / 2); print((w / w.sum()).tolist())"
  const q = onGrid({ mean: 1, sd: 2 }, [0, 1, 2, 3]);
  [
    0.2617501108999154,
    0.2966017332563094,
    0.2617501108999154,
    0.17989804494385989,
  ].forEach((x, i) => assertAlmostEquals(q[i], x, 1e-15));
  const many = Array.from({ length: 200_000 }, (_, i) => i);
  assertEquals(onGrid({ mean: 0, sd: 1e9 }, many).length, 200_000);
  assert(onGrid({ mean: 0, sd: 1e-3 }, [0, 1, 2]).every((x) => x > 0));
});

Deno.test("what is no distribution is an error that says why", () => {
  for (
    const [p, q, line] of [
      [[0.5, 0.5], [1], "Cannot compare 2 with 1 probabilities"],
      [[], [], "Cannot compare p: it sums to 0, not to 1"],
      [[0.5, 0.6], [0.5, 0.5], "Cannot compare p: it sums to 1.1, not to 1"],
      [
        [0.5, 0.5],
        [0.5, 0.5 + 2e-9],
        "Cannot compare q: it sums to 1.000000002",
      ],
      [[1.5, -0.5], [0.5, 0.5], "Cannot compare p: its probability 1 is -0.5"],
      [[0.5, 0.5], [NaN, 1], "Cannot compare q: its probability 0 is NaN"],
      [[Infinity, 0], [0.5, 0.5], "Cannot compare p: it sums to Infinity"],
    ] as const
  ) {
    assertThrows(() => klDivergence(p, q), RangeError, line);
  }
  for (const sd of [0, -1, NaN, Infinity]) {
    const [right, wrong] = [{ mean: 0, sd: 1 }, { mean: 0, sd }];
    const line = `Cannot use a Gaussian of sd ${sd}: must be above 0`;
    for (
      const call of [
        () => klOfGaussians(right, wrong),
        () => klOfGaussians(wrong, right),
        () => fitGaussian([0.5, 0.5], [0, 1], "covering", wrong),
      ]
    ) assertThrows(call, RangeError, line);
  }
  const p = X.map((_, i) => i === 0 ? 1 : 0);
  assertThrows(
    () => fitGaussian(p, X, "seeking", { mean: 0, sd: 1 }),
    RangeError,
    "Cannot seek: p is 0 somewhere, and a Gaussian nowhere",
  );
});
