#!/usr/bin/env -S deno run
/**
 * Q. You have a list of labels that are probably wrong (label_filtering.ts). Do you
 * remove, relabel or down-weight them, and how do you know that it helped?
 *
 * A. Compare on held-out gold labels, over seeds, with noise planted by yourself and a
 * control that removes as many rows at random. Removing loses hard rows that were right;
 * relabelling trusts the model about itself, and where the model is wrong it writes that
 * down; a weight, the held-out probability of the label, is in between. Without any
 * noise a filter still finds suspects, all of them right. Then look at groups: a small
 * one is learnt less well, so more of its rows are flagged, and most of these by mistake.
 * Report rates by group, and give such rows to people instead of the bin.
 *
 * Shapes: N rows, K classes.
 * Time O(N·K) for a policy; space O(N·K).
 * Trap: one removal rate for all hides that one group loses far more rows.
 * Left out: co-teaching, noise-robust losses.
 * Source: Northcutt, Jiang, Chuang (2021), doi:10.1613/jair.1.12125; groups: Chen,
 * Johansson, Sontag (2018), arXiv:1805.12002.
 * Run: `deno run filter_policies.ts`
 * @module
 */

/** Rows of one length. */
export type Matrix = readonly (readonly number[])[];

/** What to do with suspects. */
export const POLICIES = ["keep", "remove", "relabel", "down-weight"] as const;

/** One of {@link POLICIES}. */
export type Policy = typeof POLICIES[number];

/** What to train on: row n is an example of class labels[n], weights[n] times. */
export interface Training {
  labels: number[];
  weights: number[];
}

/**
 * Applies a policy to suspects.
 * @param labels (N,) given classes; left unchanged
 * @param probs (N, K) held-out probabilities
 * @param suspects row → suggested class
 * @returns (N,) labels and weights
 * @throws {RangeError} if sizes differ
 */
export function applyPolicy(
  policy: Policy,
  labels: readonly number[],
  probs: Matrix,
  suspects: ReadonlyMap<number, number>,
): Training {
  const [N, P] = [labels.length, probs.length];
  if (N !== P) {
    throw new RangeError(`Cannot ${policy} ${N} labels by ${P} rows`);
  }
  return {
    labels: labels.map((label, n) =>
      policy === "relabel" ? suspects.get(n) ?? label : label
    ),
    weights: labels.map((label, n) => {
      if (!suspects.has(n)) return 1;
      if (policy === "remove") return 0;
      return policy === "down-weight" ? probs[n][label] : 1;
    }),
  };
}

/** What a filter did to one group. */
export interface GroupReport {
  /** The share of its rows that were removed. */
  removed: number;
  /** The share of the removed that had the right label: removed by mistake. */
  mistaken: number;
}

/**
 * What removal did to each group.
 * @param groups (N,)
 * @param removed rows
 * @param wrong (N,) whether the label was wrong, known where noise is planted or checked
 * @returns shares are NaN where they are of nothing
 */
export function groupReport(
  groups: readonly string[],
  removed: Iterable<number>,
  wrong: readonly boolean[],
): Map<string, GroupReport> {
  const gone = new Set(removed);
  const rows = Map.groupBy(groups.keys(), (n) => groups[n]);
  return new Map([...rows].map(([group, own]) => {
    const out = own.filter((n) => gone.has(n));
    const hits = out.filter((n) => wrong[n]).length;
    const removed = out.length / own.length;
    return [group, { removed, mistaken: 1 - hits / out.length }];
  }));
}

/** Suspects by confident learning, row → suggested class (label_filtering.ts). */
export function suspectsOf(
  probs: Matrix,
  labels: readonly number[],
): Map<number, number> {
  const found = new Map<number, number>();
  const thresholds = probs[0]?.map((_, k) => {
    const own = probs.filter((_, n) => labels[n] === k);
    return own.reduce((sum, p) => sum + p[k], 0) / own.length; // NaN: no row
  });
  probs.forEach((p, n) => {
    let best = -1;
    // The label first, to win ties.
    for (const k of [labels[n], ...p.keys()]) {
      if (p[k] >= thresholds[k] - 1e-9 && !(p[k] <= p[best])) best = k;
    }
    if (best >= 0 && best !== labels[n]) found.set(n, best);
  });
  return found;
}

/** Shares (K,) of labels near a point by weight · exp(−distance² / 2h²), NaN of no weight. */
export function neighbours(
  x: Matrix,
  { labels, weights }: Training,
  K: number,
  point: readonly number[],
  bandwidth: number,
): number[] {
  const logs = x.map((row, n) => {
    const square = row.reduce((s, xd, d) => s + (xd - point[d]) ** 2, 0);
    return Math.log(weights[n]) - square / 2 / bandwidth ** 2;
  });
  const most = Math.max(...logs);
  const shares = new Array<number>(K).fill(0);
  logs.forEach((log, n) => shares[labels[n]] += Math.exp(log - most));
  const total = shares.reduce((s, share) => s + share, 0);
  return shares.map((s) => s / total);
}

if (import.meta.main) {
  const mean = (x: number[]) => x.reduce((s, xi) => s + xi, 0) / x.length;
  const run = (seed: number, noise: number) => {
    let state = seed * 7919;
    const random = () => (state = state * 48271 % 2147483647) / 2147483647;
    const normal = () =>
      Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    const rows = Array.from({ length: 800 }, (_, n) => {
      const truth = random() < 0.5 ? 0 : 1;
      const small = random() < 0.1;
      // In the small group the same feature means the other class.
      const centre = small ? [3 - 2.5 * truth, 3] : [2.5 * truth, 0];
      const x = centre.map((c) => c + normal());
      const wrong = n < 300 && random() < noise;
      return { x, truth, small, wrong, label: wrong ? 1 - truth : truth };
    });
    const [train, test] = [rows.slice(0, 300), rows.slice(300)];
    const [x, labels] = [train.map((r) => r.x), train.map((r) => r.label)];
    const probs = x.map((point, n) => {
      const weights = labels.map((_, i) => i % 5 === n % 5 ? 0 : 1);
      return neighbours(x, { labels, weights }, 2, point, 0.3);
    });
    const found = suspectsOf(probs, labels);
    const lots = labels.map((_, n) => [random(), n]).sort(([a], [b]) => a - b);
    const some = new Map(lots.slice(0, found.size).map(([, n]) => [n, 0]));
    const trainings = [
      ...POLICIES.map((policy) => applyPolicy(policy, labels, probs, found)),
      applyPolicy("remove", labels, probs, some),
    ];
    const right = trainings.map((training) =>
      test.map(({ x: point, truth }) => {
        const p = neighbours(x, training, 2, point, 0.3);
        return (p[1] > p[0] ? 1 : 0) === truth ? 100 : 0;
      })
    );
    const groups = train.map((r) => r.small ? "small" : "large");
    const report = groupReport(groups, found.keys(), train.map((r) => r.wrong));
    const few = right.map((row) => row.filter((_, n) => test[n].small));
    return { report, right: [right.map(mean), few.map(mean)] };
  };
  const show = (d: number[]) => {
    const half = 2.093 * Math.sqrt(mean(d.map((x) => (x - mean(d)) ** 2)) / 19);
    return `${mean(d).toFixed(1)} ± ${half.toFixed(1)}`;
  };
  console.log("means of 20 seeds, ± a t interval of 95 %, paired for margins");
  for (const noise of [0, 0.2]) {
    const runs = Array.from({ length: 20 }, (_, i) => run(i + 1, noise));
    console.log(`${100 * noise} % wrong labels; % right, then margins to it`);
    ["all", "small group"].forEach((who, g) => {
      const parts = [...POLICIES, "remove at random"].map((name, i) =>
        `${name} ${show(runs.map((r) => r.right[g][i] - (i && r.right[g][0])))}`
      );
      console.log(`  ${who}: ${parts.join(", ")}`);
    });
    for (const group of ["large", "small"]) {
      const [out, mistaken] = (["removed", "mistaken"] as const).map((key) =>
        show(runs.map((r) => 100 * r.report.get(group)![key]))
      );
      console.log(`  ${group}: ${out} % removed, ${mistaken} % of these right`);
    }
  }
}
