import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { dawidSkene, information, type Votes } from "./dawid_skene.ts";

const VOTES: Votes =
  "0010 1110 2222 0.01 2212 11.1 0120 20.2 1011 00.0 221. 0102"
    .split(" ").map((row) => [...row].map((c) => c === "." ? null : Number(c)));

/** Within `tolerance` of each entry, however deep. */
function close(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
) {
  assertEquals(actual.length, expected.length);
  actual.forEach((x, i) => assertAlmostEquals(x, expected[i], tolerance));
}

// Golden: numpy, without loops over votes:
// python3 -c "
// import numpy as np
// V = '0010 1110 2222 0.01 2212 11.1 0120 20.2 1011 00.0 221. 0102'.split()
// X = np.array([[[c == str(k) for k in range(3)] for c in row] for row in V], float)
// for s, steps in ((0.1, 7), (0, 4)):
//     T = X.sum(1) / X.sum((1, 2))[:, None]; obj = []
//     for _ in range(steps):
//         C = np.einsum('nk,nav->akv', T, X) + s; C /= C.sum(2, keepdims=True)
//         p = T.sum(0) + s; p /= p.sum()
//         with np.errstate(divide='ignore'): L = np.log(C)
//         J = np.log(p) + np.einsum('nav,akv->nk', X, np.where(np.isinf(L), -1e9, L))
//         m = J.max(1, keepdims=True); Z = np.exp(J - m).sum(1); T = np.exp(J - m) / Z[:, None]
//         obj.append((m[:, 0] + np.log(Z)).sum() + (s * (np.log(p).sum() + L.sum()) if s else 0))
//     print(obj[0], obj[-1], p.tolist(), C[3].tolist(), T[[3, 6, 10]].tolist())"
const GOLDENS = [
  {
    smoothing: 0.1,
    steps: 7,
    first: -44.35480943526482,
    last: -41.134470243595075,
    prior: [0.4059986375251343, 0.2615822514174374, 0.3324191110574283],
    confusion: [
      [0.5740754898433289, 0.21208399216495008, 0.21384051799172105],
      [0.35608103018316245, 0.6140153923055508, 0.02990357751128677],
      [0.031057258893417462, 0.030713903871222224, 0.9382288372353603],
    ],
    posterior: [
      [0.9858261261028183, 0.013993832187447272, 0.0001800417097345316],
      [0.9935640347824655, 0.006370167543341724, 6.579767419284032e-05],
      [0.0003501194425144881, 0.0014565683183115383, 0.998193312239174],
    ],
  },
  {
    smoothing: 0,
    steps: 4,
    first: -38.057208574998405,
    last: -32.780117948438836,
    prior: [0.4013306982979129, 0.2654063976257068, 0.33326290407638026],
    confusion: [
      [0.591878409672617, 0.20041761717118606, 0.20770397315619699],
      [0.3609346611943367, 0.6388929717009073, 0.00017236710475603464],
      [1.3666214767592788e-08, 0.0, 0.9999999863337853],
    ],
    posterior: [
      [0.994282841923398, 0.005717158076601952, 0.0],
      [0.9998701438764898, 0.00012985612351030384, 5.553461392417172e-28],
      [0.0, 6.009274386967166e-13, 0.9999999999993991],
    ],
  },
];
for (const golden of GOLDENS) {
  const { smoothing, steps } = golden;
  Deno.test(`dawidSkene() golden: ${steps} steps with a smoothing of ${smoothing}`, () => {
    const fit = dawidSkene(VOTES, 3, { smoothing, steps });
    assertEquals(fit.objective.length, steps);
    // A few hundred roundings of 1e−16, fed back a few times.
    const tolerance = 1e-12;
    assertAlmostEquals(fit.objective[0], golden.first, 40 * tolerance);
    assertAlmostEquals(fit.objective[steps - 1], golden.last, 40 * tolerance);
    close(fit.prior, golden.prior, tolerance);
    close(fit.confusion[3].flat(), golden.confusion.flat(), tolerance);
    const rows = [3, 6, 10].map((n) => fit.posterior[n]);
    close(rows.flat(), golden.posterior.flat(), tolerance);
  });
}

const vote = fc.option(fc.integer({ min: 0, max: 2 }), { freq: 4 });
const table = fc.array(fc.array(vote, { minLength: 4, maxLength: 4 }), {
  minLength: 2,
  maxLength: 15,
}).filter((rows) => rows.flat().some((v) => v !== null));
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });

Deno.test("no step makes the votes less likely, with smoothing or without", () => {
  assertAll(
    fc.tuple(table, fc.constantFrom(0, 0.01, 0.1, 2)),
    ([votes, smoothing]) => {
      const { objective } = dawidSkene(votes, 3, { smoothing, steps: 30 });
      objective.slice(1).forEach((value, i) =>
        // Rounding of a sum of some hundred.
        assert(value >= objective[i] - 1e-11, `${objective[i]} to ${value}`)
      );
      assert(objective.every(Number.isFinite));
    },
  );
});

Deno.test("every posterior, prior and row of a confusion matrix sums to 1", () => {
  assertAll(table, (votes) => {
    const { posterior, prior, confusion } = dawidSkene(votes, 3, { steps: 5 });
    for (const row of [...posterior, prior, ...confusion.flat()]) {
      assert(row.every((p) => p >= 0));
      assertAlmostEquals(row.reduce((sum, p) => sum + p, 0), 1, 1e-14);
    }
  });
});

/** Votes on N examples of K classes; annotators[a](k) says something of a true k. */
function draw(
  N: number,
  K: number,
  seed: number,
  annotators: ((k: number, random: () => number) => number | null)[],
) {
  let state = seed * 7919;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const truth = Array.from({ length: N }, () => Math.floor(K * random()));
  const votes = truth.map((k) => annotators.map((say) => say(k, random)));
  return { truth, votes };
}
const fair = (k: number, random: () => number) =>
  random() < 0.7 ? k : Math.floor(3 * random());
const careless = (_: number, random: () => number) => Math.floor(3 * random());
const perfect = (k: number) => k;
const adversary = (k: number) => (k + 1) % 3;
const argmax = (x: readonly number[]) => x.indexOf(Math.max(...x));
const accuracy = (posterior: number[][], truth: number[]) =>
  posterior.filter((p, n) => argmax(p) === truth[n]).length / truth.length;

Deno.test("EM beats the majority with an adversary and a careless annotator, on 50 of 50 seeds", () => {
  const margins = Array.from({ length: 50 }, (_, i) => {
    const annotators = [fair, fair, fair, careless, adversary];
    const { truth, votes } = draw(200, 3, i + 1, annotators);
    const shares = votes.map((row) =>
      [0, 1, 2].map((k) => row.filter((v) => v === k).length)
    );
    const { posterior } = dawidSkene(votes, 3);
    return accuracy(posterior, truth) - accuracy(shares, truth);
  });
  assert(margins.every((margin) => margin > 0), `${margins}`);
  // By the demo the margin is near 0.2, with a standard deviation of 0.03.
  assert(margins.reduce((sum, m) => sum + m, 0) / 50 > 0.1);
});

Deno.test("a perfect annotator and an adversarial one weigh 1, a careless one 0", () => {
  const { truth, votes } = draw(600, 3, 5, [
    fair,
    fair,
    fair,
    careless,
    adversary,
    perfect,
  ]);
  const { posterior, confusion, prior } = dawidSkene(votes, 3);
  assertEquals(accuracy(posterior, truth), 1);
  const told = confusion.map((matrix) => information(matrix, prior));
  // Smoothing of 0.1 beside 200 votes costs about 1 %.
  assert(told[5] > 0.98 && told[4] > 0.98, `${told}`);
  assert(told[3] < 0.02, `${told}`);
  // Read backwards: of a true k the adversary says k + 1.
  [0, 1, 2].forEach((k) => assert(confusion[4][k][(k + 1) % 3] > 0.99));
  [0, 1, 2].forEach((k) => assert(confusion[5][k][k] > 0.99));
});

Deno.test("information() golden: of 1 bit, a channel that flips 1 in 10 tells 0.531", () => {
  // python3 -c "
  // from scipy.stats import entropy
  // print(1 - entropy([.9, .1], base=2))"
  const flips = [[0.9, 0.1], [0.1, 0.9]];
  assertAlmostEquals(information(flips, [0.5, 0.5]), 0.5310044064107188, 1e-14);
  const swapped = flips.map((row) => row.toReversed());
  assertAlmostEquals(
    information(swapped, [0.5, 0.5]),
    0.5310044064107188,
    1e-14,
  );
  assertEquals(information([[1, 0], [0, 1]], [0.5, 0.5]), 1);
  assertEquals(information([[0, 1], [1, 0]], [0.5, 0.5]), 1);
  assertAlmostEquals(
    information([[0.2, 0.8], [0.2, 0.8]], [0.3, 0.7]),
    0,
    1e-15,
  );
});

Deno.test("from equal posteriors every matrix has equal rows, and no step changes that", () => {
  const start = VOTES.map(() => [1 / 3, 1 / 3, 1 / 3]);
  const { posterior, confusion } = dawidSkene(VOTES, 3, { start });
  for (const row of posterior) close(row, [1 / 3, 1 / 3, 1 / 3], 1e-14);
  for (const [first, ...rest] of confusion) {
    for (const row of rest) close(row, first, 1e-14);
  }
  // And the start is left unchanged.
  assertEquals(start[11], [1 / 3, 1 / 3, 1 / 3]);
});

Deno.test("a labelling with two classes swapped is as likely: the votes cannot tell", () => {
  const fit = dawidSkene(VOTES, 3);
  const swap = <T>([a, b, c]: readonly T[]) => [b, a, c];
  const start = fit.posterior.map(swap);
  const mirror = dawidSkene(VOTES, 3, { start });
  const best = fit.objective.at(-1)!;
  // EM had stopped at a gain of 1e−6.
  assertAlmostEquals(mirror.objective.at(-1)!, best, 1e-4);
  close(mirror.posterior.flat(), fit.posterior.map(swap).flat(), 1e-2);
});

Deno.test("with most annotators adversarial it is wrong everywhere, and ten gold labels mend it", () => {
  const annotators = [fair, fair, adversary, adversary, adversary];
  const { truth, votes } = draw(200, 3, 3, annotators);
  assert(accuracy(dawidSkene(votes, 3).posterior, truth) < 0.02);
  const gold = truth.map((k, n) => n % 20 === 0 ? k : null);
  const { posterior } = dawidSkene(votes, 3, { gold });
  assert(accuracy(posterior, truth) > 0.98);
  gold.forEach((k, n) => k === null || assertEquals(posterior[n][k], 1));
});

Deno.test("gold labels of one class of three do not leave the others equal for ever", () => {
  const { truth, votes } = draw(200, 3, 4, [fair, fair, fair, fair]);
  const without = accuracy(dawidSkene(votes, 3).posterior, truth);
  for (const most of [1, 20]) {
    let left = most;
    const gold = truth.map((k) => k === 0 && left-- > 0 ? k : null);
    const { posterior } = dawidSkene(votes, 3, { gold });
    // With two classes alike a third of all examples would be a lot.
    assert(accuracy(posterior, truth) >= without - 0.02, `${most}`);
  }
  // Nor does a gold label of an example that nobody voted on tell two classes apart.
  const { posterior } = dawidSkene([[null, null], [0, 0], [1, 1]], 2, {
    gold: [0, null, null],
  });
  assertEquals(posterior.map(argmax), [0, 0, 1]);
});

Deno.test("one annotator passes through, and so do unanimous votes", () => {
  const one = [[2], [0], [1], [1], [0]];
  assertEquals(dawidSkene(one, 3).posterior.map(argmax), one.flat());
  const three = one.map(([v]) => [v, v, v]);
  assertEquals(dawidSkene(three, 3).posterior.map(argmax), one.flat());
});

Deno.test("two votes that differ, of annotators who are alike, stay even", () => {
  const { posterior } = dawidSkene([[0, 1], [1, 0], [0, 0], [1, 1]], 2);
  close(posterior[0], [0.5, 0.5], 1e-12);
  close(posterior[1], [0.5, 0.5], 1e-12);
});

Deno.test("an annotator with one label is smoothed: never a probability of 0, and no weight", () => {
  const { votes } = draw(300, 3, 9, [fair, fair, fair, () => 1]);
  const { confusion, prior } = dawidSkene(votes, 3);
  assert(confusion[3].flat().every((p) => p > 0));
  assert(confusion[3].every((row) => row[1] > 0.99));
  assert(information(confusion[3], prior) < 1e-3);
});

Deno.test("a class that nobody votes for and an annotator who never votes give no NaN", () => {
  for (const smoothing of [0, 0.1]) {
    const votes = VOTES.map((row) => [...row, null]);
    const { posterior, prior, confusion } = dawidSkene(votes, 5, { smoothing });
    const all = [...posterior, prior, ...confusion.flat()].flat();
    assert(all.every(Number.isFinite));
    assert(posterior.every((row) => row[3] < 0.05 && row[4] < 0.05));
    // Nothing is known of who never voted.
    close(confusion[4].flat(), new Array(25).fill(0.2), 1e-15);
  }
});

Deno.test("missing votes are ignored: an example without any has the prior, and moves nothing much", () => {
  const votes = [...VOTES, [null, null, null, null]];
  const { posterior, prior } = dawidSkene(votes, 3);
  // The prior of the last step; EM had all but stopped.
  close(posterior[12], prior, 1e-12);
  // A missing vote is no vote for a class, 0 included.
  const some = dawidSkene(VOTES.map((row) => [...row, null]), 3);
  close(some.posterior.flat(), dawidSkene(VOTES, 3).posterior.flat(), 1e-14);
});

Deno.test("2,000 votes on one example: their product underflows, their logarithms do not", () => {
  const many = Array.from({ length: 2000 }, () => fair);
  const { truth, votes } = draw(12, 3, 2, many);
  const { posterior, objective } = dawidSkene(votes, 3, { steps: 5 });
  assertEquals(accuracy(posterior, truth), 1);
  assert(objective.every(Number.isFinite));
});

Deno.test("votes are left unchanged", () => {
  const copy = structuredClone(VOTES);
  dawidSkene(VOTES, 3);
  assertEquals(VOTES, copy);
});

Deno.test("votes that say nothing or are no class are an error", () => {
  const cases: [() => unknown, string][] = [
    [() => dawidSkene([], 2), "Cannot aggregate: there is no vote"],
    [() => dawidSkene([[], []], 2), "Cannot aggregate: there is no vote"],
    [
      () => dawidSkene([[null], [null]], 2),
      "Cannot aggregate: there is no vote",
    ],
    [
      () => dawidSkene([[0, 1], [1]], 2),
      "Cannot aggregate example 1: [1] is not 2 votes below 2",
    ],
    [
      () => dawidSkene([[0, 1], [1, 2]], 2),
      "Cannot aggregate example 1: [1,2] is not 2 votes below 2",
    ],
    [
      () => dawidSkene([[0, 0.5]], 2),
      "Cannot aggregate example 0: [0,0.5] is not 2 votes below 2",
    ],
    [
      () => dawidSkene([[-1]], 2),
      "Cannot aggregate example 0: [-1] is not 1 votes below 2",
    ],
    [
      () => dawidSkene([[0], [1]], 2, { gold: [null, 2] }),
      "Cannot aggregate example 1: [2] is not 1 gold labels below 2",
    ],
  ];
  for (const [call, line] of cases) assertThrows(call, RangeError, line);
});
