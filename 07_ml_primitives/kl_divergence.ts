#!/usr/bin/env -S deno run
/**
 * Q. What is the KL divergence? What changes if you minimise KL(q‖p) instead of
 * KL(p‖q)?
 *
 * A. KL(p‖q) = Σ p · ln(p/q): what it costs, in nats, to code samples of p with a code
 * made for q. It is 0 only if they are equal, and it is no distance: it has a
 * direction. As a loss for q, KL(p‖q) is maximum likelihood: q pays wherever p is and q
 * is not, so it covers every mode, and the ground between them. KL(q‖p) is what
 * variational inference and the penalty of RLHF use: q pays only where q is, so it seeks
 * one mode and may ignore the others. Where p > 0 and q = 0 it is infinite; where p = 0
 * the term is 0.
 *
 * Shapes: K outcomes.
 * Time O(K); space O(1).
 * Trap: swapping the arguments: it runs, and another q is best.
 * Left out: estimates from samples, f-divergences, Jensen–Shannon.
 * Source: Kullback, Leibler (1951), doi:10.1214/aoms/1177729694; the two directions:
 * Bishop (2006), Pattern Recognition and Machine Learning, 10.1.2.
 * Run: `deno run kl_divergence.ts`
 * @module
 */

/** Natural logarithms or those to base 2. */
export type Unit = "nats" | "bits";

/**
 * KL(p‖q) = Σ p · log(p/q).
 * @param p (K,) probabilities; what is true
 * @param q (K,) probabilities; what is believed
 * @returns 0 or more; 0 if they are equal, Infinity if q rules out what p does not
 * @throws {RangeError} if sizes differ, or one is no distribution
 */
export function klDivergence(
  p: readonly number[],
  q: readonly number[],
  unit: Unit = "nats",
): number {
  if (p.length !== q.length) {
    throw new RangeError(
      `Cannot compare ${p.length} with ${q.length} probabilities`,
    );
  }
  check("p", p);
  check("q", q);
  let sum = 0;
  p.forEach((pi, i) => {
    // 0 · log 0 is 0, the limit, and not NaN. Two logarithms, as p/q may overflow.
    if (pi > 0) sum += pi * (Math.log(pi) - Math.log(q[i]));
  });
  // Rounding may carry a divergence of almost 0 below it.
  return Math.max(0, sum) / (unit === "bits" ? Math.LN2 : 1);
}

function check(name: string, probs: readonly number[]): void {
  const wrong = probs.findIndex((x) => !(x >= 0));
  if (wrong >= 0) {
    throw new RangeError(
      `Cannot compare ${name}: its probability ${wrong} is ${probs[wrong]}`,
    );
  }
  const sum = probs.reduce((total, x) => total + x, 0);
  if (!(Math.abs(sum - 1) <= 1e-9)) {
    throw new RangeError(`Cannot compare ${name}: it sums to ${sum}, not to 1`);
  }
}

/** A normal distribution. */
export interface Gaussian {
  mean: number;
  /** Its standard deviation, above 0. */
  sd: number;
}

/**
 * KL(p‖q) of two normal distributions, in nats, in closed form.
 * @throws {RangeError} if a standard deviation is not above 0
 */
export function klOfGaussians(p: Gaussian, q: Gaussian): number {
  [p, q].forEach(checkWidth);
  const ratio = p.sd / q.sd;
  const shift = (p.mean - q.mean) / q.sd;
  return (ratio ** 2 - 1 + shift ** 2) / 2 - Math.log(ratio);
}

/**
 * The normal distribution q nearest to p, on a grid.
 * @param p (K,) probabilities of the points
 * @param x (K,) points, evenly spaced
 * @param direction "covering" minimises KL(p‖q), "seeking" KL(q‖p)
 * @param start where the search begins; "seeking" may end in another mode from
 * elsewhere
 * @returns a local minimum, to about 1e−6
 * @throws {RangeError} as {@link klDivergence}, if p has a 0 when "seeking", or the
 * search begins with a standard deviation that is not above 0
 */
export function fitGaussian(
  p: readonly number[],
  x: readonly number[],
  direction: "covering" | "seeking",
  start: Gaussian,
): Gaussian {
  checkWidth(start);
  const loss = (mean: number, logSd: number) => {
    const q = onGrid({ mean, sd: Math.exp(logSd) }, x);
    return direction === "covering" ? klDivergence(p, q) : klDivergence(q, p);
  };
  // Try a step along each axis; when none helps, halve the step.
  let [mean, logSd] = [start.mean, Math.log(start.sd)];
  let least = loss(mean, logSd);
  if (least === Infinity) {
    throw new RangeError(
      "Cannot seek: p is 0 somewhere, and a Gaussian nowhere",
    );
  }
  for (let step = 1; step > 1e-6;) {
    let better = false;
    for (const [dMean, dLog] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      const [m, s] = [mean + step * dMean, logSd + step * dLog];
      const next = loss(m, s);
      if (!(next < least)) continue;
      [mean, logSd, least, better] = [m, s, next, true];
    }
    if (!better) step /= 2;
  }
  return { mean, sd: Math.exp(logSd) };
}

/** Probabilities (K,) of evenly spaced points x, as the density there has them. */
export function onGrid({ mean, sd }: Gaussian, x: readonly number[]): number[] {
  const exponents = x.map((xi) => -(((xi - mean) / sd) ** 2) / 2);
  const max = exponents.reduce((a, b) => Math.max(a, b), -Infinity);
  // A density that is 0 in every double far out would be Infinity as a loss.
  const weights = exponents.map((e) => Math.exp(Math.max(e - max, -600)));
  const sum = weights.reduce((total, w) => total + w, 0);
  return weights.map((w) => w / sum);
}

function checkWidth({ sd }: Gaussian): void {
  if (sd > 0 && sd < Infinity) return;
  throw new RangeError(`Cannot use a Gaussian of sd ${sd}: must be above 0`);
}

if (import.meta.main) {
  const [p, q] = [[0.5, 0.5], [0.8, 0.2]];
  for (const [name, a, b] of [["p‖q", p, q], ["q‖p", q, p]] as const) {
    const [nats, bits] = (["nats", "bits"] as const)
      .map((unit) => klDivergence(a, b, unit).toFixed(6));
    console.log(`p [${p}], q [${q}]: KL(${name}) = ${nats} nats, ${bits} bits`);
  }
  console.log("p [0.5,0.5], q [1,0]: KL(p‖q) =", klDivergence(p, [1, 0]));

  const x = Array.from({ length: 241 }, (_, i) => i / 10 - 12);
  const [left, right] = [
    onGrid({ mean: -3, sd: 1 }, x),
    onGrid({
      mean: 3,
      sd: 1,
    }, x),
  ];
  const mixture = x.map((_, i) => 0.4 * left[i] + 0.6 * right[i]);
  console.log("\n40 % N(−3, 1) and 60 % N(3, 1), and the nearest Gaussian");
  for (const direction of ["covering", "seeking"] as const) {
    const fit = fitGaussian(mixture, x, direction, { mean: 1, sd: 2 });
    const found = onGrid(fit, x);
    const there = klDivergence(mixture, found).toFixed(2);
    const back = klDivergence(found, mixture).toFixed(2);
    console.log(
      `${direction}: mean ${fit.mean.toFixed(2)}, sd ${fit.sd.toFixed(2)};`,
      `KL(p‖q) ${there}, KL(q‖p) ${back}`,
    );
  }
}
