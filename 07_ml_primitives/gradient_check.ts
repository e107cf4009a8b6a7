#!/usr/bin/env -S deno run
/**
 * Q. You wrote a backward pass. How do you know that it is right?
 *
 * A. Move one parameter by ±h and compare (f(x + h) − f(x − h)) / 2h with the gradient,
 * as a relative error |a − n| / (|a| + |n|). In doubles take h near 1e−5: the formula's
 * own error falls as h², but rounding grows as 1e−16 / h. Right is 1e−7 or less. The
 * size of a wrong one tells what is wrong: a factor of 2 is 1/3 everywhere, a flipped
 * sign is 1, a forgotten 1/B is (B − 1)/(B + 1), so check with B > 1. At the kink of a
 * ReLU both sides differ and no number is right: skip that one. Check in doubles, with
 * dropout off, on few rows.
 *
 * Shapes: P parameters.
 * Time O(P) losses; space O(P).
 * Trap: an absolute error: 1e−4 is fine for a gradient of 100, and not for one of 1e−4.
 * Left out: complex steps, checks along random directions.
 * Source: Nocedal, Wright (2006), Numerical Optimization, 8.1; the relative error:
 * https://cs231n.github.io/neural-networks-3/#gradcheck.
 * Run: `deno run gradient_check.ts`
 * @module
 */

/** A loss of P parameters that always says the same of the same ones. */
export type Loss = (params: Float64Array) => number;

/** What a check found. */
export interface Report {
  /** The largest relative error, but for the kinks. */
  worst: number;
  /** Parameters whose relative error is above the tolerance. */
  wrong: number[];
  /** Parameters at which the loss has a kink: neither right nor wrong. */
  kinks: number[];
  /** The numeric gradient, (P,). */
  numeric: Float64Array;
  /** What is wrong with all of it, as in "2 times too large"; undefined if nothing is. */
  diagnosis?: string;
}

/**
 * Compares a gradient with central differences.
 * @param at (P,) parameters; left unchanged
 * @param grad (P,) the gradient there
 * @param h the step
 * @param tolerance of relative errors
 * @throws {RangeError} if sizes differ, the loss is not finite, or two calls differ
 */
export function checkGradient(
  loss: Loss,
  at: Float64Array,
  grad: ArrayLike<number>,
  { h = 1e-5, tolerance = 1e-6 } = {},
): Report {
  if (grad.length !== at.length) {
    throw new RangeError(
      `Cannot check ${grad.length} gradients of ${at.length} parameters`,
    );
  }
  const [here, again] = [loss(at.slice()), loss(at.slice())];
  if (!Object.is(here, again) || !Number.isFinite(here)) {
    throw new RangeError(
      `Cannot check: the loss is ${here}, and then ${again}; is dropout on?`,
    );
  }
  const numeric = numericGradient(loss, at, h);
  // What rounding leaves of a slope of 0 must pass.
  const floor = 2 ** -50 * (1 + Math.abs(here)) / h / tolerance;
  const kinks: number[] = [];
  const errors = numeric.map((n, i) => {
    if (Number.isFinite(grad[i]) && isKink(loss, at, i, h)) {
      kinks.push(i);
      return 0;
    }
    return relativeError(grad[i], n, floor);
  });
  const wrong = [...errors.keys()].filter((i) => !(errors[i] <= tolerance));
  return {
    worst: Math.max(0, ...errors),
    wrong,
    kinks,
    numeric,
    diagnosis: diagnose(wrong, grad, numeric),
  };
}

/** (f(x + h) − f(x − h)) / 2h for each parameter: (P,). */
export function numericGradient(
  loss: Loss,
  at: Float64Array,
  h = 1e-5,
): Float64Array {
  return at.map((_, i) => {
    const [up, down] = [moved(at, i, h), moved(at, i, -h)];
    // What was really moved, as x + h is rounded; the loss may write to its input.
    const step = up[i] - down[i];
    return (loss(up) - loss(down)) / step;
  });
}

/**
 * |a − n| / (|a| + |n|), from 0 to 1; NaN if one of them is.
 * @param floor of the denominator, so that two zeros are equal
 */
export function relativeError(a: number, n: number, floor = 1e-8): number {
  return Math.abs(a - n) / Math.max(Math.abs(a) + Math.abs(n), floor);
}

/** The worst relative error for each step, in the order of `steps`. */
export function sweep(
  loss: Loss,
  at: Float64Array,
  grad: ArrayLike<number>,
  steps: readonly number[],
): number[] {
  return steps.map((h) =>
    numericGradient(loss, at, h).reduce(
      (worst, n, i) => Math.max(worst, relativeError(grad[i], n)),
      0,
    )
  );
}

/**
 * Whether the slopes to both sides differ for good. Where the loss is smooth, their
 * difference is h times its curvature, and halves with h. At a kink it stays, and near
 * one it does neither.
 */
function isKink(loss: Loss, at: Float64Array, i: number, h: number): boolean {
  const here = loss(at.slice());
  const [wide, half, quarter] = [h, h / 2, h / 4].map((h) =>
    (loss(moved(at, i, h)) + loss(moved(at, i, -h)) - 2 * here) / h
  );
  // Below this a difference is rounding.
  const noise = 1e-14 * (1 + Math.abs(here)) / h;
  return [[wide, half], [half, quarter]].some(([more, less]) =>
    Math.abs(more) > noise && Math.abs(less / more - 0.5) > 0.25
  );
}

/** Says what a wrong gradient has in common with the right one. */
function diagnose(
  wrong: readonly number[],
  grad: ArrayLike<number>,
  numeric: Float64Array,
): string | undefined {
  if (wrong.length === 0) return undefined;
  if (wrong.some((i) => !Number.isFinite(grad[i]))) return "it is not finite";
  if (wrong.every((i) => grad[i] === 0)) return "it is 0: nothing arrives";
  const ratios = wrong.map((i) => grad[i] / numeric[i]);
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  if (!(high - low < 1e-3 * Math.abs(high))) return "it differs in no one way";
  if (Math.abs(high + 1) < 1e-3) return "its sign is flipped";
  return `it is ${Number(high.toPrecision(3))} times what it should be`;
}

const moved = (at: Float64Array, i: number, h: number) => at.with(i, at[i] + h);

if (import.meta.main) {
  const x = [[1, -2], [0.5, 1], [-1, 1.5], [2, 0.3]]; // (B, 2)
  const y = [0.7, 2, -0.3, 1];
  const B = x.length;
  const errors = (w: Float64Array) =>
    x.map((row, b) => Math.tanh(row[0] * w[0] + row[1] * w[1]) - y[b]);
  const loss = (w: Float64Array) =>
    errors(w).reduce((sum, e) => sum + e * e, 0) / B;
  const w = Float64Array.of(0.8, -0.4);
  const grad = w.map((_, i) =>
    errors(w).reduce(
      (sum, e, b) => sum + 2 * e * (1 - (e + y[b]) ** 2) * x[b][i] / B,
      0,
    )
  );
  console.log("gradient          worst error  diagnosis");
  for (
    const [name, factor] of [
      ["right", 1],
      ["1 % too large", 1.01],
      ["a factor of 2", 2],
      ["no 1/B, B = 4", B],
      ["sign flipped", -1],
      ["detached", 0],
    ] as const
  ) {
    const wrong = grad.map((g) => factor * g);
    const { worst, diagnosis } = checkGradient(loss, w, wrong);
    console.log(
      name.padEnd(17),
      worst.toExponential(1).padEnd(12),
      diagnosis ?? "none",
    );
  }
  const steps = [1e-2, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10];
  console.log("\nstep   worst error of the right gradient");
  sweep(loss, w, grad, steps).forEach((error, i) =>
    console.log(steps[i].toExponential(0).padEnd(6), error.toExponential(0))
  );
  const relu = (p: Float64Array) => Math.max(0, p[0]) + Math.max(0, p[1]);
  const { kinks } = checkGradient(relu, Float64Array.of(0, 1), [1, 1]);
  console.log("\nReLU at 0 and at 1: kink in parameter", ...kinks);
}
