import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  applyPolicy,
  groupReport,
  neighbours,
  POLICIES,
  type Policy,
  suspectsOf,
} from "./filter_policies.ts";

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
const SUSPECTS = new Map([[3, 0], [7, 1], [9, 2], [10, 1], [11, 0]]);

Deno.test("suspectsOf() golden: rows and suggested classes", () => {
  // python3 -c "
  // import numpy as np
  // P = np.array([[.7,.2,.1],[.1,.8,.1],[.3,.3,.4],[.6,.35,.05],[.15,.25,.6],[.05,.5,.45],
  //     [.45,.1,.45],[.2,.7,.1],[.34,.33,.33],[.1,.2,.7],[.05,.9,.05],[.5,.2,.3]])
  // y = np.array([0,1,2,1,2,1,0,0,1,1,2,2])
  // ok = P >= np.array([P[y == k, k].mean() for k in range(3)]) - 1e-9
  // j = np.where(ok, P, -1).argmax(1)
  // print({n: int(j[n]) for n in range(12) if ok[n].any() and j[n] != y[n]})"
  assertEquals(suspectsOf(PROBS, LABELS), SUSPECTS);
});

Deno.test("suspectsOf() has none in no rows, and none of a class without rows", () => {
  assertEquals(suspectsOf([], []), new Map());
  assertEquals(
    suspectsOf([[0.2, 0.1, 0.7], [0.1, 0.8, 0.1]], [0, 1]),
    new Map(),
  );
  // Equal probabilities reach their own mean, though it rounds above them.
  const same = Array.from({ length: 10 }, () => [0.7, 0.3]);
  assertEquals(
    suspectsOf([...same, [0.6, 0.4]], [...new Array(10).fill(0), 1]).size,
    0,
  );
});

Deno.test("suspectsOf() does not doubt a label as likely as another class", () => {
  const probs = Array.from({ length: 4 }, () => [0.5, 0.5]);
  assertEquals(suspectsOf(probs, [0, 1, 1, 1]), new Map());
});

Deno.test("neighbours() golden: weights multiply the kernel, and 0 is no row", () => {
  // python3 -c "
  // import numpy as np; from scipy.special import softmax
  // X = np.array([[0, 1], [2, -1], [.5, .5], [3, 2]]); L = np.array([2, 0, 2, 1])
  // w = softmax(-((X - [1, .25]) ** 2).sum(1) / 2 / .7 ** 2) * [1, .5, 0, 2]; w /= w.sum()
  // print([w[L == k].sum() for k in range(3)])"
  const x = [[0, 1], [2, -1], [0.5, 0.5], [3, 2]];
  const labels = [2, 0, 2, 1];
  const weights = [1, 0.5, 0, 2];
  const shares = neighbours(x, { labels, weights }, 3, [1, 0.25], 0.7);
  [0.1517637052371132, 0.006152031588518732, 0.842084263174368]
    // Exponents near 5 are rounded to 1e−15.
    .forEach((p, k) => assertAlmostEquals(shares[k], p, 5e-15));
  // The nearest row with a weight counts, however far it is.
  const far = neighbours(
    x,
    { labels, weights: [0, 0, 1, 0] },
    3,
    [90, 60],
    0.7,
  );
  assertEquals(far, [0, 0, 1]);
});

Deno.test("each policy does what it is called, to suspects only", () => {
  const of = (policy: Policy) => applyPolicy(policy, LABELS, PROBS, SUSPECTS);
  const ones = LABELS.map(() => 1);
  assertEquals(of("keep"), { labels: LABELS, weights: ones });
  assertEquals(of("remove"), {
    labels: LABELS,
    weights: [1, 1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0],
  });
  assertEquals(of("relabel"), {
    labels: [0, 1, 2, 0, 2, 1, 0, 1, 1, 2, 1, 0],
    weights: ones,
  });
  assertEquals(of("down-weight"), {
    labels: LABELS,
    // The probability of the given label, not of the suggested one.
    weights: [1, 1, 1, 0.35, 1, 1, 1, 0.2, 1, 0.2, 0.05, 0.3],
  });
});

Deno.test("without suspects every policy keeps everything, and labels are left unchanged", () => {
  const copy = [...LABELS];
  for (const policy of POLICIES) {
    const { labels, weights } = applyPolicy(policy, LABELS, PROBS, new Map());
    assertEquals(labels, copy);
    assert(weights.every((w) => w === 1));
    applyPolicy(policy, LABELS, PROBS, SUSPECTS);
    assertEquals(LABELS, copy);
  }
});

Deno.test("groupReport() by hand: rates are of each group's own rows", () => {
  const groups = ["a", "a", "b", "a", "a", "b", "c"];
  const wrong = [true, false, false, true, false, true, false];
  const report = groupReport(groups, [0, 1, 2, 3], wrong);
  assertEquals(report.get("a"), { removed: 3 / 4, mistaken: 1 - 2 / 3 });
  assertEquals(report.get("b"), { removed: 1 / 2, mistaken: 1 });
  // Nothing was removed: no share of it is mistaken.
  assertEquals(report.get("c"), { removed: 0, mistaken: NaN });
});

Deno.test("the groups' removed rows add up to all that were removed", () => {
  const rows = fc.array(
    fc.record({
      group: fc.constantFrom("a", "b", "c"),
      wrong: fc.boolean(),
      gone: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(rows, (rows) => {
      const groups = rows.map((r) => r.group);
      const gone = [...rows.keys()].filter((n) => rows[n].gone);
      const report = groupReport(groups, gone, rows.map((r) => r.wrong));
      let removed = 0;
      for (const [group, { removed: share }] of report) {
        removed += share * groups.filter((g) => g === group).length;
      }
      assertAlmostEquals(removed, gone.length, 1e-12);
    }),
    { seed: 7 },
  );
});

/** Two classes; in a small group they lie the other way round. */
function draw(seed: number, noise: number) {
  let state = seed * 7919;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const normal = () =>
    Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  const rows = Array.from({ length: 500 }, (_, n) => {
    const truth = random() < 0.5 ? 0 : 1;
    const small = random() < 0.1;
    const centre = small ? [3 - 2.5 * truth, 3] : [2.5 * truth, 0];
    const x = centre.map((c) => c + normal());
    const wrong = n < 250 && random() < noise;
    return { x, truth, small, wrong, label: wrong ? 1 - truth : truth };
  });
  const train = rows.slice(0, 250);
  const [x, labels] = [train.map((r) => r.x), train.map((r) => r.label)];
  const probs = x.map((point, n) => {
    const weights = labels.map((_, i) => i % 5 === n % 5 ? 0 : 1);
    return neighbours(x, { labels, weights }, 2, point, 0.3);
  });
  return { x, labels, probs, train, test: rows.slice(250) };
}
const mean = (x: number[]) => x.reduce((s, xi) => s + xi, 0) / x.length;

Deno.test("on planted noise each policy beats keeping, and removal at random does not", () => {
  const margins = Array.from({ length: 12 }, (_, i) => {
    const { x, labels, probs, test } = draw(i + 1, 0.25);
    const suspects = suspectsOf(probs, labels);
    // The first rows are as good as any: the noise is independent of the order.
    const some = new Map(labels.slice(0, suspects.size).map((_, n) => [n, 0]));
    const right = [
      ...POLICIES.map((policy) => applyPolicy(policy, labels, probs, suspects)),
      applyPolicy("remove", labels, probs, some),
    ].map((training) =>
      mean(test.map((row) => {
        const [p0, p1] = neighbours(x, training, 2, row.x, 0.3);
        return (p1 > p0 ? 1 : 0) === row.truth ? 100 : 0;
      }))
    );
    return right.map((r) => r - right[0]);
  });
  const [, remove, relabel, weight, chance] = [0, 1, 2, 3, 4]
    .map((i) => mean(margins.map((m) => m[i])));
  // Points of accuracy; the demo's intervals are ± 1.
  assert(
    remove > 1 && relabel > 0.5 && weight > 0.5,
    `${[remove, relabel, weight]}`,
  );
  assert(chance < 0.5, `${chance}`);
});

Deno.test("a small group loses more rows, most of them right, at the same noise", () => {
  const reports = Array.from({ length: 12 }, (_, i) => {
    const { labels, probs, train } = draw(i + 1, 0.2);
    const groups = train.map((r) => r.small ? "small" : "large");
    const wrong = train.map((r) => r.wrong);
    return groupReport(groups, suspectsOf(probs, labels).keys(), wrong);
  });
  const of = (group: string, key: "removed" | "mistaken") =>
    mean(reports.map((report) => report.get(group)![key]));
  assert(of("small", "removed") > 1.2 * of("large", "removed"));
  assert(of("small", "mistaken") > 0.5);
  assert(of("large", "mistaken") < 0.5);
});

Deno.test("a filter finds suspects in labels without any error", () => {
  const { labels, probs, train } = draw(3, 0);
  assert(train.every((r) => !r.wrong));
  assert(suspectsOf(probs, labels).size > 5);
});

Deno.test("probabilities that do not fit the labels are an error", () => {
  assertThrows(
    () => applyPolicy("down-weight", [0, 1], [[1, 0]], new Map()),
    RangeError,
    "Cannot down-weight 2 labels by 1 rows",
  );
});
