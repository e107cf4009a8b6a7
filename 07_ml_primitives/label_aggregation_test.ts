import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  entropy,
  fit,
  majorityVote,
  overconfidence,
  predict,
  softCrossEntropy,
  softTargets,
} from "./label_aggregation.ts";

Deno.test("entropy() and softCrossEntropy() golden, with zeros in both", () => {
  // python3 -c "
  // import numpy as np; from scipy.stats import entropy
  // print(entropy([.6, .4]), entropy([.5, .3, .2]), entropy([0, 1, 0]))
  // T = np.array([[.6, .4, 0], [0, .25, .75]]); P = np.array([[.5, .4, .1], [0, .5, .5]])
  // with np.errstate(divide='ignore'): print(-(T * np.where(T > 0, np.log(P), 0)).sum() / 2)"
  // Two or three terms near 1, each rounded twice.
  assertAlmostEquals(entropy([0.6, 0.4]), 0.6730116670092565, 1e-15);
  assertAlmostEquals(entropy([0.5, 0.3, 0.2]), 1.0296530140645737, 1e-15);
  assert(Object.is(entropy([0, 1, 0]), 0));
  const targets = [[0.6, 0.4, 0], [0, 0.25, 0.75]];
  const probs = [[0.5, 0.4, 0.1], [0, 0.5, 0.5]];
  assertAlmostEquals(
    softCrossEntropy(targets, probs),
    0.7377758908227872,
    1e-15,
  );
});

Deno.test("fit() golden: soft targets train as rows of both classes with these weights", () => {
  // python3 -c "
  // import numpy as np; from sklearn.linear_model import LogisticRegression
  // x = np.array([-2, -1.5, -1, -.5, 0, .5, 1, 1.5]); t = np.array([.1, .3, .2, .4, .6, .4, .8, .9])
  // m = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000).fit(
  //     np.repeat(x, 2)[:, None], np.tile([0, 1], 8), sample_weight=np.stack([1 - t, t], 1).ravel())
  // print(m.intercept_, m.coef_, m.predict_proba([[.7]]))"
  const x = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5].map((xi) => [1, xi]);
  const targets = [0.1, 0.3, 0.2, 0.4, 0.6, 0.4, 0.8, 0.9].map((
    t,
  ) => [1 - t, t]);
  const w = fit(x, targets, 2000);
  // Its solver stops at a gradient of 1e−12 or a flat loss: 7 digits or more.
  assertAlmostEquals(w[1][0] - w[0][0], 0.05457125762789998, 1e-6);
  assertAlmostEquals(w[1][1] - w[0][1], 1.0084209169943614, 1e-6);
  assertAlmostEquals(predict(w, [[1, 0.7]])[0][1], 0.6814548770705283, 1e-6);
});

const votes = fc.integer({ min: 2, max: 4 }).chain((K) =>
  fc.tuple(
    fc.constant(K),
    fc.array(
      fc.array(fc.option(fc.integer({ min: 0, max: K - 1 })), {
        minLength: 3,
        maxLength: 6,
      }).filter((row) => row.some((vote) => vote !== null)),
      { minLength: 1, maxLength: 10 },
    ),
  )
);
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });

Deno.test("soft targets sum to 1, and the majority is a class with the largest share", () => {
  assertAll(votes, ([K, rows]) => {
    const soft = softTargets(rows, K);
    const hard = majorityVote(rows, K, (tied) => tied.at(-1)!);
    soft.forEach((row, n) => {
      assertEquals(row.length, K);
      assertAlmostEquals(row.reduce((sum, p) => sum + p, 0), 1, 1e-15);
      assertEquals(row[hard[n]!], Math.max(...row));
    });
  });
});

Deno.test("the order of annotators and missing votes change nothing", () => {
  assertAll(votes, ([K, rows]) => {
    const other = rows.map((row) => [null, ...row.toReversed(), null]);
    assertEquals(softTargets(other, K), softTargets(rows, K));
    assertEquals(majorityVote(other, K), majorityVote(rows, K));
  });
});

Deno.test("a tie is no label unless a policy picks one, which sees the tied classes only", () => {
  const tied = [[0, 1], [2, 1, 1, 2, 0], [0, 0, 1], [2, 1, 0]];
  assertEquals(majorityVote(tied, 3), [null, null, 0, null]);
  assertEquals(majorityVote(tied, 3, ([first]) => first), [0, 1, 0, 0]);
  const seen: number[][] = [];
  const last = majorityVote(tied, 3, (classes) => {
    seen.push(classes);
    return classes.at(-1)!;
  });
  assertEquals(last, [1, 2, 0, 2]);
  assertEquals(seen, [[0, 1], [1, 2], [0, 1, 2]]);
  // A soft target needs no policy.
  assertEquals(softTargets(tied, 3)[0], [0.5, 0.5, 0]);
});

Deno.test("ties to the lowest class give it 11 of 16 labels, where both are as likely", () => {
  // All 16 outcomes of four fair votes: 6 are ties.
  const all = Array.from(
    { length: 16 },
    (_, i) => [0, 1, 2, 3].map((b) => i >> b & 1),
  );
  const count = (labels: (number | null)[], k: number | null) =>
    labels.filter((label) => label === k).length;
  const lowest = majorityVote(all, 2, (tied) => tied[0]);
  assertEquals([count(lowest, 0), count(lowest, 1)], [11, 5]);
  const none = majorityVote(all, 2);
  assertEquals([0, 1, null].map((k) => count(none, k)), [5, 5, 6]);
});

Deno.test("one annotator passes through; unanimous votes are one-hot, with entropy 0", () => {
  const one = [[2], [0], [1]];
  assertEquals(majorityVote(one, 3), [2, 0, 1]);
  assertEquals(softTargets(one, 3), [[0, 0, 1], [1, 0, 0], [0, 1, 0]]);
  const [row] = softTargets([[1, 1, 1, null]], 3);
  assertEquals(row, [0, 1, 0]);
  assertEquals(entropy(row), 0);
});

Deno.test("smoothing adds votes to each class, an absent one too", () => {
  assertEquals(softTargets([[0, 0, 1]], 4, 1), [[3 / 7, 2 / 7, 1 / 7, 1 / 7]]);
  // Without any vote it leaves 1/K.
  assertEquals(softTargets([[null]], 4, 0.5), [[0.25, 0.25, 0.25, 0.25]]);
  assertEquals(softTargets([[]], 2, 0.5), [[0.5, 0.5]]);
  assertEquals(softTargets([[0, 0, 1]], 4), [[2 / 3, 1 / 3, 0, 0]]);
});

Deno.test("soft cross-entropy is least at the targets, where it is their entropy", () => {
  assertAll(votes, ([K, rows]) => {
    const targets = softTargets(rows, K);
    const other = softTargets(rows, K, 0.3);
    const least = softCrossEntropy(targets, targets);
    const mean = targets.reduce((sum, t) => sum + entropy(t), 0) / rows.length;
    assertAlmostEquals(least, mean, 1e-14);
    assert(softCrossEntropy(targets, other) >= least - 1e-14);
  });
  assertEquals(softCrossEntropy([[0.5, 0.5]], [[1, 0]]), Infinity);
});

Deno.test("overconfidence compares the top class with its truth, not with the label", () => {
  const probs = [[0.9, 0.1], [0.2, 0.8]];
  assertAlmostEquals(
    overconfidence([[0.6, 0.4], [0.5, 0.5]], probs),
    0.3,
    1e-15,
  );
  assertAlmostEquals(overconfidence([[1, 0], [0, 1]], probs), -0.15, 1e-15);
});

Deno.test("predictions survive logits that overflow", () => {
  assertEquals(predict([[800, 0], [0, 0]], [[1, 5], [2, 1]]), [[1, 0], [1, 0]]);
});

for (
  const [name, slope, flips, better] of [
    [
      "ambiguous examples: soft targets give the truer probabilities",
      1,
      0,
      "soft",
    ],
    ["careless annotators: the majority gives the truer ones", 6, 0.3, "hard"],
  ] as const
) {
  Deno.test(name, () => {
    let seed = 11;
    const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
    const rows = Array.from({ length: 600 }, () => {
      const x = 6 * random() - 3;
      const p = 1 / (1 + Math.exp(-slope * x));
      const label = random() < p ? 1 : 0;
      const seen = flips > 0 ? Math.abs(label - flips) : p;
      const votes = [0, 0, 0, 0, 0].map(() => random() < seen ? 1 : 0);
      return { x: [1, x], truth: [1 - p, p], votes };
    });
    const [x, truth] = [rows.map((r) => r.x), rows.map((r) => r.truth)];
    const soft = softTargets(rows.map((r) => r.votes), 2);
    const hard = majorityVote(rows.map((r) => r.votes), 2)
      .map((k) => [k === 0 ? 1 : 0, k!]);
    const [ofSoft, ofHard] = [soft, hard].map((targets) =>
      predict(fit(x, targets, 200), x)
    );
    const margin = softCrossEntropy(truth, ofHard) -
      softCrossEntropy(truth, ofSoft);
    // The demo's margins are 0.09 and 0.14 nats; 12 other draws vary by 0.02.
    assert(better === "soft" ? margin > 0.04 : margin < -0.04, `${margin}`);
    if (better === "hard") return;
    assert(overconfidence(truth, ofHard) > 0.05);
    assert(Math.abs(overconfidence(truth, ofSoft)) < 0.03);
  });
}

Deno.test("an example without votes and a vote for no class are errors", () => {
  const cases: [() => unknown, string][] = [
    [
      () => softTargets([[0], [null, null]], 2),
      "Cannot aggregate example 1: it has no vote",
    ],
    [() => majorityVote([[]], 2), "Cannot aggregate example 0: it has no vote"],
    [
      () => softTargets([[0], [1, 2]], 2),
      "Cannot count vote 2 on example 1: there are 2 classes",
    ],
    [
      () => majorityVote([[-1]], 3),
      "Cannot count vote -1 on example 0: there are 3 classes",
    ],
    [
      () => softTargets([[0, 0]], 2, -0.5),
      "Cannot add -0.5 votes to each class",
    ],
    [
      () => softTargets([[0]], 2, NaN),
      "Cannot add NaN votes to each class",
    ],
    [
      () => softTargets([[0.5]], 3, 1),
      "Cannot count vote 0.5 on example 0: there are 3 classes",
    ],
  ];
  for (const [call, line] of cases) assertThrows(call, RangeError, line);
});
