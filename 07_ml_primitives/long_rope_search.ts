#!/usr/bin/env -S deno run
/**
 * Q. LongRoPE divides the frequency of each RoPE pair by its own factor. How are the
 * factors found?
 *
 * A. By evolution. Begin with the lists that formulas give: interpolation, NTK, YaRN.
 * Rate each by the loss at the new length, keep the best, change some factors of some,
 * cross others, and again. Two things keep the space small: a factor lies between 1
 * and 1.25 times the stretch, and none is below that of a faster pair. The number n̂
 * of first positions that stay unscaled evolves with them. The best ones are kept, so
 * the result is never worse than any formula, at that loss.
 *
 * Shapes: D wide a head, D/2 pairs; L positions in training; s times as many to read.
 * Time: the loss is all of it, `first` + rounds · born calls; space O(keep · D).
 * Trap: searching the pairs freely: of the orders of P factors only 1 in P! rises.
 * Left out: perplexity of a real model; toyLoss() is one head that imitates a power
 * law, and shows that the search works, not that these factors are good ones.
 * Source: Ding et al. (2024), arXiv:2402.13753.
 * Run: `deno run long_rope_search.ts`
 * @module
 */

/** What evolves. */
export interface Candidate {
  /** (D/2,) from the fastest pair to the slowest. */
  readonly factors: readonly number[];
  /** n̂, how many positions are left as they were. */
  readonly unscaled: number;
}

/** The largest factor, 1.25·s in the paper; the n̂ to choose from; the population. */
export interface SearchOptions {
  most: number;
  unscaled?: readonly number[];
  rounds?: number;
  keep?: number;
  born?: number;
}

/**
 * The best candidate found; never worse than the best of `first`.
 * @param loss lower is better
 * @param random returns uniform numbers of [0, 1)
 * @returns with its loss, and how often `loss` was called
 * @throws {RangeError} if there is no first one, one breaks the constraints, or none is kept
 */
export function search(
  first: readonly Candidate[],
  loss: (candidate: Candidate) => number,
  random: () => number,
  options: SearchOptions,
): Candidate & { readonly loss: number; readonly calls: number } {
  const { most, unscaled = [0], rounds = 40, keep = 16, born = 32 } = options;
  if (first.length === 0) throw new RangeError("Cannot search from 0 lists");
  if (!(keep >= 1)) throw new RangeError(`Cannot keep ${keep} lists`);
  first.forEach(({ factors }) => check(factors, most, first[0].factors.length));
  let calls = 0;
  const rate = (candidate: Candidate) => {
    calls++;
    return { ...candidate, loss: loss(candidate) };
  };
  const pick = <T>(list: readonly T[]) =>
    list[Math.floor(random() * list.length)];
  // A loss of NaN is the worst.
  const order = (x: number) => Number.isNaN(x) ? Infinity : x;
  const best = (all: (Candidate & { loss: number })[]) =>
    all.sort((a, b) => order(a.loss) - order(b.loss) || 0).slice(0, keep);
  let alive = best(first.map(rate));
  for (let round = 0; round < rounds; round++) {
    const children = Array.from({ length: born }, (_, n) => {
      const [a, b] = [pick(alive), pick(alive)];
      if (n % 2 === 0) return cross(a, b, random);
      const start = random() < 0.3 ? pick(unscaled) : a.unscaled;
      return { factors: mutate(a.factors, most, random), unscaled: start };
    });
    alive = best([...alive, ...children.map(rate)]);
  }
  return { ...alive[0], calls };
}

/** Some factors move, by up to e times; sorting puts them back in order. */
function mutate(a: readonly number[], most: number, random: () => number) {
  return a.map((x) =>
    random() < 0.3
      ? Math.min(most, Math.max(1, x * Math.exp(random() - random())))
      : x
  ).sort((x, y) => x - y);
}

/** Each factor is of one parent; the running maximum keeps them in order. */
function cross(a: Candidate, b: Candidate, random: () => number): Candidate {
  let least = 1;
  const factors = a.factors.map((x, i) =>
    least = Math.max(least, random() < 0.5 ? x : b.factors[i])
  );
  return { factors, unscaled: random() < 0.5 ? a.unscaled : b.unscaled };
}

/** The (D/2,) factors that formulas give for a stretch by s. */
export function formulas(D: number, s: number, trained: number, base = 10000) {
  if (!(Number.isInteger(D / 2) && D > 2)) {
    throw new RangeError(
      `Cannot pair ${D} numbers: needs an even count from 4`,
    );
  }
  const pairs = [...Array(D / 2).keys()];
  return {
    uniform: pairs.map(() => s),
    ntk: pairs.map((i) => s ** (2 * i / (D - 2))),
    yarn: pairs.map((i) => {
      const turns = trained * base ** (-2 * i / D) / (2 * Math.PI);
      const keep = Math.min(1, Math.max(0, (turns - 1) / 31));
      return 1 / (keep + (1 - keep) / s);
    }),
  };
}

/**
 * A toy loss. A head's score is a sum of cosines and sines of the pairs' angles, with
 * weights fitted by ridge regression to −ln(1 + distance) at distances below L. The
 * weights stay, and the last of L, 2·L, … s·L tokens looks back by other factors.
 * @returns a loss: how far the softmax is from the law 1 / (1 + distance), as the KL
 * divergence in nats, the mean of those lengths; 0 at best
 */
export function toyLoss(D: number, s: number, trained: number, base = 10000) {
  const theta = Array.from({ length: D / 2 }, (_, i) => base ** (-2 * i / D));
  const waves = (angles: readonly number[]): number[] =>
    angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]); // (D,)
  const want = Array.from({ length: trained }, (_, d) => -Math.log(1 + d)); // (L,)
  const rows = want.map((_, d) => [...waves(theta.map((t) => d * t)), want[d]]);
  // The normal equations, and 1 on the diagonal: (D, D + 1).
  let A = theta.flatMap((_, i) => [2 * i, 2 * i + 1]).map((j) =>
    rows[0].map((_, k) =>
      rows.reduce((sum, row) => sum + row[j] * row[k], j === k ? 1 : 0)
    )
  );
  for (let j = 0; j < D; j++) {
    A = A.map((row, i) =>
      i === j ? row : row.map((x, k) => x - row[j] / A[j][j] * A[j][k])
    );
  }
  const weights = A.map((row, j) => row[D] / row[j]); // (D,)
  return ({ factors, unscaled }: Candidate): number => {
    const angles = (n: number) =>
      theta.map((t, i) => n < unscaled ? n * t : n * t / factors[i]);
    let [loss, lengths] = [0, 0];
    for (let T = trained; T <= s * trained; T *= 2) {
      const query = angles(T - 1);
      let [law, exps, gap] = [0, 0, 0];
      for (let d = 0; d < T; d++) {
        const key = angles(T - 1 - d);
        const score = waves(query.map((q, i) => q - key[i]))
          .reduce((sum, wave, j) => sum + wave * weights[j], 0);
        law += 1 / (1 + d);
        exps += Math.exp(score);
        gap += (Math.log(1 + d) + score) / (1 + d);
      }
      loss += Math.log(exps / law) - gap / law;
      lengths++;
    }
    return loss / lengths;
  };
}

/** P factors lie between 1 and `most`, and none is below the one before it. */
function check(factors: readonly number[], most: number, P: number): void {
  if (factors.length !== P) {
    throw new RangeError(`Cannot cross ${P} and ${factors.length} factors`);
  }
  factors.forEach((factor, i) => {
    const least = factors[i - 1] ?? 1;
    if (factor >= least && factor <= most) return;
    throw new RangeError(
      `Cannot divide pair ${i} by ${factor}: needs ${least} to ${most}`,
    );
  });
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [D, s, trained] = [16, 8, 64];
  const loss = toyLoss(D, s, trained);
  const show = (name: string, { factors, unscaled }: Candidate) =>
    console.log(
      name.padEnd(8),
      loss({ factors, unscaled }).toFixed(4).padStart(7),
      ` ${unscaled}  `,
      factors.map((x) => x.toFixed(2)).join(" "),
    );
  console.log("a toy head of 64 positions, read 512   loss, n̂, factors");
  show("none", { factors: Array(D / 2).fill(1), unscaled: 0 });
  const first = Object.entries(formulas(D, s, trained))
    .map(([name, factors]) => ({ name, factors, unscaled: 0 }));
  first.forEach((candidate) => show(candidate.name, candidate));
  const options = { most: 1.25 * s, unscaled: [0, 2, 4, 8, 16, 32] };
  const found = search(first, loss, random, options);
  show("found", found);
  console.log(`by ${found.calls} calls of the loss`);
}
