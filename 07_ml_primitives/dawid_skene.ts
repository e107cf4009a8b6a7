#!/usr/bin/env -S deno run
/**
 * Q. Some annotators are careless and some adversarial, and nobody tells you who. Find
 * the true labels.
 *
 * A. Dawid and Skene: each annotator has a confusion matrix, P(vote | true class), and
 * the true classes are hidden. EM: given posteriors of the classes, count confusion
 * matrices; given these, Bayes' rule gives posteriors, in logarithms, as a thousand
 * votes underflow. The likelihood never falls. It begins from the shares of the votes,
 * so the majority must be better than chance. Then a careless annotator counts for
 * nothing, and an adversarial one, who swaps classes, is as good as a perfect one, read
 * backwards. If all are equally good, it costs a little. If most are adversarial, it
 * finds the mirror image, as likely; only gold labels tell. A single one passes through.
 *
 * Shapes: N examples, A annotators, K classes; a missing vote is null.
 * Time O(N·A·K) a step; space O(N·K + A·K²).
 * Trap: beginning with equal posteriors: all matrices are equal, and stay so for ever.
 * Left out: difficulty of examples (GLAD), priors that favour the diagonal.
 * Source: Dawid, Skene (1979), doi:10.2307/2346806.
 * Run: `deno run dawid_skene.ts`
 * @module
 */

/** (N, A): the class, from 0 to K − 1, that an annotator gave, or null for none. */
export type Votes = readonly (readonly (number | null)[])[];

type Matrix = readonly (readonly number[])[];

/** Settings of {@link dawidSkene}. */
export interface Options {
  /** Votes added to each count: 0.1. An annotator with one label needs some. */
  smoothing?: number;
  /** Steps of EM, at most: 500. It ends when one gains less than 1e−6 nats. */
  steps?: number;
  /** (N,) true classes where known, else null; they are kept. */
  gold?: readonly (number | null)[];
  /** (N, K) posteriors to begin with: the shares of the votes. */
  start?: Matrix;
}

/** What EM found. */
export interface Fit {
  /** (N, K) probabilities of the true class. */
  posterior: number[][];
  /** (K,) probabilities of the classes. */
  prior: number[];
  /** (A, K, K): [a][k][v] is the probability that annotator a says v of a true k. */
  confusion: number[][][];
  /** Before each step: the log-likelihood, and that of the smoothing. Never falls. */
  objective: number[];
}

/**
 * Estimates true classes and what each annotator makes of them.
 * @param votes (N, A); a row or a column without votes is allowed
 * @param K classes; one that nobody votes for is allowed
 * @throws {RangeError} if there is no vote at all, or a vote or a gold label is no class
 */
export function dawidSkene(
  votes: Votes,
  K: number,
  options: Options = {},
): Fit {
  if (votes.flat().every((vote) => vote === null)) {
    throw new RangeError("Cannot aggregate: there is no vote");
  }
  const gold = votes.map((_, n) => options.gold?.[n] ?? null);
  check(votes, K, "votes");
  check(gold.map((k) => [k]), K, "gold labels");
  // Gold alone, as the majority may be wrong; but two classes without any stay equal.
  const known = gold.filter((_, n) => votes[n].some((vote) => vote !== null));
  const alone = new Set(known).difference(new Set([null])).size > K - 2;
  const seeds = gold.map((k, n) => alone || k !== null ? [k] : votes[n]);
  const { smoothing = 0.1, steps = 500, start } = options;
  // Nobody checks a single annotator, and smoothing would wear rare votes away.
  const added = votes[0].length > 1 ? smoothing : 0;
  const zeros = () => new Array<number>(K).fill(0);
  const fill = (seed: readonly (number | null)[]) =>
    shares(zeros().map((_, k) => seed.filter((vote) => vote === k).length));
  let posterior = seeds.map((seed, n) => [...start?.[n] ?? fill(seed)]); // (N, K)
  const objective: number[] = [];
  for (;;) {
    // M: count as if the posteriors were so many examples.
    const totals = zeros().fill(added);
    const counts = votes[0].map(() => totals.map(() => [...totals])); // (A, K, K)
    votes.forEach((row, n) =>
      posterior[n].forEach((p, k) => {
        totals[k] += p;
        row.forEach((vote, a) => {
          if (vote !== null) counts[a][k][vote] += p;
        });
      })
    );
    const prior = shares(totals);
    const confusion = counts.map((matrix) => matrix.map(shares));

    // E: Bayes' rule for each example.
    const logPrior = prior.map(Math.log);
    const logs = confusion.map((rows) => rows.map((row) => row.map(Math.log)));
    let sum = 0;
    posterior = votes.map((row, n) => {
      const joint = [...logPrior];
      joint.forEach((_, k) => {
        row.forEach((v, a) => joint[k] += v === null ? 0 : logs[a][k][v]);
        if (gold[n] !== null && gold[n] !== k) joint[k] = -Infinity;
      });
      const most = Math.max(...joint);
      const exps = joint.map((j) => Math.exp(j - most));
      sum += most + Math.log(exps.reduce((s, e) => s + e, 0));
      return shares(exps);
    });
    // 0 · log 0 is 0.
    const all = added > 0 ? [logPrior, ...logs.flat()].flat() : [];
    objective.push(all.reduce((total, log) => total + added * log, sum));
    const gain = objective.at(-1)! - (objective.at(-2) ?? -Infinity);
    if (gain < 1e-6 || objective.length >= steps) {
      return { posterior, prior, confusion, objective };
    }
  }
}

/**
 * How much of the true class an annotator's vote tells: I(class; vote) / H(class). 1 for
 * a perfect annotator and for one who always swaps two classes, 0 for one who votes
 * without looking.
 */
export function information(confusion: Matrix, prior: readonly number[]) {
  const entropy = (p: readonly number[]) =>
    p.reduce((sum, x) => x > 0 ? sum - x * Math.log(x) : sum, 0);
  const votes = prior.map((_, v) =>
    prior.reduce((sum, p, k) => sum + p * confusion[k][v], 0)
  );
  const noise = prior.reduce((sum, p, k) => sum + p * entropy(confusion[k]), 0);
  return (entropy(votes) - noise) / entropy(prior);
}

/** Counts over their sum; equal if there are none. */
function shares(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, c) => sum + c, 0);
  return counts.map((c) => total > 0 ? c / total : 1 / counts.length);
}

function check(votes: Votes, K: number, what: string): void {
  const A = votes[0].length;
  const allowed = [null, ...new Array(K).keys()];
  votes.forEach((row, n) => {
    if (row.length === A && row.every((v) => allowed.includes(v))) return;
    throw new RangeError(
      `Cannot aggregate example ${n}: [${row}] is not ${A} ${what} below ${K}`,
    );
  });
}

if (import.meta.main) {
  const argmax = (x: readonly number[]) => x.indexOf(Math.max(...x));
  const mean = (x: number[]) => x.reduce((s, xi) => s + xi, 0) / x.length;
  /** % right of 200 examples of 3 classes: by majority, by EM, by EM that is stuck. */
  const run = (seed: number, rights: readonly number[], golds: number) => {
    let state = seed * 7919;
    const random = () => (state = state * 48271 % 2147483647) / 2147483647;
    const any = () => Math.floor(3 * random());
    const truth = Array.from({ length: 200 }, any);
    // Right that often; else any class, but an adversary says the next one.
    const votes = truth.map((k) =>
      rights.map((r) => random() < r ? k : r > 0.1 ? any() : (k + 1) % 3)
    );
    // The majority decides a tie by lot; gold examples are not counted.
    const lots = votes.map((row) =>
      [0, 1, 2].map((k) => row.filter((v) => v === k).length + random() / 2)
    );
    const em = (options: Options) => dawidSkene(votes, 3, options).posterior;
    const gold = truth.map((k, n) => n < golds ? k : null);
    const start = votes.map(() => [1 / 3, 1 / 3, 1 / 3]);
    return [lots, em({ gold }), em({ start })].map((rows) => {
      const right = rows.map((row, n) => argmax(row) === truth[n] ? 100 : 0);
      return mean(right.slice(golds));
    });
  };
  const seeds = Array.from({ length: 50 }, (_, i) => i + 1);
  const digit = (x: number) => x.toFixed(1);
  console.log("% right, mean of 50 seeds, ± paired t, 95 %; stuck: flat start");
  for (
    const [name, rights, golds] of [
      ["3 fair, careless, adversary", [.6, .6, .6, .11, .05], 0],
      ["5 equally fair", [.6, .6, .6, .6, .6], 0],
      ["2 fair, 3 adversaries", [.6, .6, .05, .05, .05], 0],
      ["the same, 10 gold labels", [.6, .6, .05, .05, .05], 10],
    ] as const
  ) {
    const runs = seeds.map((seed) => run(seed, rights, golds));
    const [vote, em, stuck] = [0, 1, 2].map((i) => mean(runs.map((r) => r[i])));
    const squares = runs.map((r) => (r[1] - r[0] - em + vote) ** 2);
    // Student's t of 49 degrees of freedom, at 97.5 %.
    const half = 2.0096 * Math.sqrt(mean(squares) / 49);
    console.log(
      `${name.padEnd(28)}: majority ${digit(vote)}, EM ${digit(em)},`,
      `margin ${digit(em - vote)} ± ${digit(half)}; stuck ${digit(stuck)}`,
    );
  }
}
