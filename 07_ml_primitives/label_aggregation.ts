#!/usr/bin/env -S deno run
/**
 * Q. Every example has labels of several noisy annotators. How do you make targets of
 * them, and which loss do you train with?
 *
 * A. Look at their agreement first (agreement.ts). Then make a target. Majority vote:
 * say what a tie is, or the first class wins them all. Soft targets: the shares of the
 * votes, trained with cross-entropy. They are right where annotators differ because the
 * example is ambiguous: the model learns how sure to be, and on majorities it becomes
 * too sure. They are wrong where annotators are careless: the model learns the noise,
 * and the majority has voted some of it away. If some annotators are bad, model them
 * (dawid_skene.ts). Split by example and not by vote (group_split.ts), and evaluate on
 * gold labels: those of a majority are wrong in the same places.
 *
 * Shapes: N examples, A annotators, K classes, D features; a missing vote is null.
 * Time O(N·(A + K)) for targets; space O(N·K).
 * Trap: breaking ties by argmax, which shifts the shares of the classes.
 * Left out: weights of annotators, calibration after training (calibration.ts).
 * Source: Uma et al. (2021), doi:10.1613/jair.1.12752.
 * Run: `deno run label_aggregation.ts`
 * @module
 */

/** (N, A): the class, from 0 to K − 1, that an annotator gave, or null for none. */
export type Votes = readonly (readonly (number | null)[])[];

/** (N, K) and other rows of one length. */
export type Matrix = readonly (readonly number[])[];

/**
 * The class with the most votes.
 * @param tie picks one of several classes with the most votes, in ascending order; by
 * default none. `(tied) => tied[0]` inflates the first class
 * @returns (N,) classes, null where `tie` picked none
 * @throws {RangeError} if a row has no vote, or a vote is no class
 */
export function majorityVote(
  votes: Votes,
  K: number,
  tie: (tied: number[]) => number | null = () => null,
): (number | null)[] {
  return softTargets(votes, K).map((shares) => {
    const most = Math.max(...shares);
    const tied = shares.flatMap((share, k) => share === most ? [k] : []);
    return tied.length === 1 ? tied[0] : tie(tied);
  });
}

/**
 * The share of votes that each class got.
 * @param smoothing votes added to each class: as if each annotator could be wrong. A row
 * without votes needs some, and gets 1/K
 * @returns (N, K) rows that sum to 1
 * @throws {RangeError} if a row has no vote and smoothing is 0 or none, or a vote is no
 * class
 */
export function softTargets(
  votes: Votes,
  K: number,
  smoothing = 0,
): number[][] {
  if (!(smoothing >= 0)) {
    throw new RangeError(`Cannot add ${smoothing} votes to each class`);
  }
  return votes.map((row, n) => {
    const counts = new Array<number>(K).fill(smoothing);
    for (const vote of row) {
      if (vote === null) continue;
      if (!(vote in counts)) {
        throw new RangeError(
          `Cannot count vote ${vote} on example ${n}: there are ${K} classes`,
        );
      }
      counts[vote]++;
    }
    const total = counts.reduce((sum, c) => sum + c, 0);
    if (total > 0) return counts.map((c) => c / total);
    throw new RangeError(`Cannot aggregate example ${n}: it has no vote`);
  });
}

/** How much annotators differ on one example: Σ −p·ln p, in nats; 0 if unanimous. */
export function entropy(p: readonly number[]): number {
  return p.reduce((sum, pk) => pk > 0 ? sum - pk * Math.log(pk) : sum, 0);
}

/**
 * Cross-entropy −Σ t·ln p with soft targets, the mean of all rows, in nats. Its least
 * value is the targets' mean entropy, not 0.
 * @param targets (N, K) rows that sum to 1
 * @param probs (N, K) rows that sum to 1
 */
export function softCrossEntropy(targets: Matrix, probs: Matrix): number {
  const sum = targets.reduce(
    (total, row, n) =>
      // A target of 0 costs nothing, even where ln p is −Infinity.
      row.reduce((s, t, k) => t > 0 ? s - t * Math.log(probs[n][k]) : s, total),
    0,
  );
  return sum / targets.length;
}

/** Mean confidence minus mean truth of the likeliest class: above 0 is too sure. */
export function overconfidence(truth: Matrix, probs: Matrix): number {
  return probs.reduce((sum, row, n) => {
    const top = row.indexOf(Math.max(...row));
    return sum + row[top] - truth[n][top];
  }, 0) / probs.length;
}

/**
 * Softmax regression by gradient descent from zeros.
 * @param x (N, D); a constant feature is a bias
 * @param targets (N, K), soft or one-hot: the gradient by the logits is p − target
 * @returns (K, D) weights
 */
export function fit(
  x: Matrix,
  targets: Matrix,
  steps = 400,
  rate = 1,
): number[][] {
  let w = targets[0].map(() => x[0].map(() => 0)); // (K, D)
  for (let step = 0; step < steps; step++) {
    const dLogits = predict(w, x).map((p, n) =>
      p.map((pk, k) => pk - targets[n][k])
    ); // (N, K)
    const dw = (k: number, d: number) =>
      dLogits.reduce((s, g, n) => s + g[k] * x[n][d], 0) / x.length;
    w = w.map((row, k) => row.map((wd, d) => wd - rate * dw(k, d)));
  }
  return w;
}

/** softmax(x · wᵀ), (N, K). */
export function predict(w: Matrix, x: Matrix): number[][] {
  return x.map((xn) => {
    const z = w.map((row) => row.reduce((s, wd, d) => s + wd * xn[d], 0));
    const exps = z.map((zk) => Math.exp(zk - Math.max(...z)));
    const total = exps.reduce((s, e) => s + e, 0);
    return exps.map((e) => e / total);
  });
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const times = <T>(length: number, make: () => T) =>
    Array.from({ length }, make);
  const even = times(1000, () => times(4, () => random() < 0.5 ? 0 : 1));
  console.log("1,000 examples, 4 votes each by a fair coin: labels 0, 1, none");
  for (
    const [name, tie] of [
      ["lowest of a tie", (tied: number[]) => tied[0]],
      ["a tie by coin", (tied: number[]) => tied[random() < 0.5 ? 0 : 1]],
      ["none of a tie", () => null],
    ] as const
  ) {
    const labels = majorityVote(even, 2, tie);
    const count = [0, 1, null].map((k) => labels.filter((v) => v === k).length);
    console.log(`  ${name.padEnd(16)}${count.join(", ")}`);
  }

  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  const draw = (slope: number, flips: number) =>
    times(1000, () => {
      const x = 6 * random() - 3;
      const p = sigmoid(slope * x);
      const label = random() < p ? 1 : 0;
      // Annotators each see the ambiguity anew, or see the label and flip some.
      const seen = flips > 0 ? Math.abs(label - flips) : p;
      const votes = times(5, () => random() < seen ? 1 : 0);
      return { x: [1, x], truth: [1 - p, p], votes };
    });
  for (
    const [name, slope, flips] of [
      ["the examples are ambiguous: votes differ as the truth does", 1, 0],
      ["the annotators are careless: 3 votes in 10 are flipped", 6, 0.3],
    ] as const
  ) {
    const [train, test] = [draw(slope, flips), draw(slope, flips)];
    const votes = train.map((row) => row.votes);
    const soft = softTargets(votes, 2);
    const hard = majorityVote(votes, 2).map((k) => [k === 0 ? 1 : 0, k ?? 0]);
    const truth = test.map((row) => row.truth);
    console.log("one draw:", name);
    for (const [kind, targets] of Object.entries({ majority: hard, soft })) {
      const w = fit(train.map((row) => row.x), targets);
      const probs = predict(w, test.map((row) => row.x));
      const least = softCrossEntropy(truth, truth);
      console.log(
        `  ${kind.padEnd(8)}: NLL`,
        (softCrossEntropy(truth, probs) - least).toFixed(4),
        `above the least, too sure by`,
        overconfidence(truth, probs).toFixed(3),
      );
    }
  }
}
