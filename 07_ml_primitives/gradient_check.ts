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
  /** The largest relative error, but for those at kinks. */
  worst: number;
  /** Parameters whose relative error is above the tolerance. */
  wrong: number[];
  /** Parameters at a kink, with a gradient near both slopes: neither right nor wrong. */
  kinks: number[];
  /** The numeric gradient, (P,). */
  numeric: Float64Array;
  /** What the wrong ones have in common, as in "its sign is flipped"; or undefined. */
  diagnosis?: string;
}

/**
 * Compares a gradient with central differences.
 * @param at (P,) parameters; left unchanged
 * @param grad (P,) the gradient there
 * @param h the step
 * @param tolerance of relative errors
 * @throws {RangeError} if sizes differ, the loss is not finite, two calls differ, the
 * tolerance is not above 0, or h is too small to move a parameter
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
  if (!(tolerance > 0)) {
    throw new RangeError(`Cannot check to ${tolerance}: must be above 0`);
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
    // Each of two slopes is off their mean by half of what they differ by: pass twice that.
    if (Math.abs(grad[i] - n) < bend(loss, at, i, h)) {
      kinks.push(i);
      return 0;
    }
    return relativeError(grad[i], n, floor);
  });
  const wrong = [...errors.keys()].filter((i) => !(errors[i] <= tolerance));
  return {
    worst: errors.reduce((worst, e) => Math.max(worst, e), 0),
    wrong,
    kinks,
    numeric,
    diagnosis: diagnose(wrong, grad, numeric),
  };
}

/** (f(x + h) − f(x − h)) / 2h for each: (P,). @throws {RangeError} if x + h is x */
export function numericGradient(
  loss: Loss,
  at: Float64Array,
  h = 1e-5,
): Float64Array {
  return at.map((_, i) => {
    const [up, down] = [moved(at, i, h), moved(at, i, -h)];
    // What was really moved, as x + h is rounded; the loss may write to its input.
    const step = up[i] - down[i];
    if (!(Math.abs(step) > 0)) {
      throw new RangeError(`Cannot move parameter ${i}, ${at[i]}, by ${h}`);
    }
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
 * By how much the slopes to both sides differ, if for good, or else 0. Where the loss is
 * smooth, it is h times its curvature, and halves with h. At a kink it stays, and near
 * one it does neither.
 */
function bend(loss: Loss, at: Float64Array, i: number, h: number): number {
  const here = loss(at.slice());
  const [wide, half, quarter] = [h, h / 2, h / 4].map((h) =>
    (loss(moved(at, i, h)) + loss(moved(at, i, -h)) - 2 * here) / h
  );
  // Below this a difference is rounding.
  const noise = 1e-14 * (1 + Math.abs(here)) / h;
  const kink = [[wide, half], [half, quarter]].some(([more, less]) =>
    Math.abs(more) > noise && Math.abs(less / more - 0.5) > 0.25
  );
  return kink ? Math.abs(wide) : 0;
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
  const ratios = Float64Array.from(wrong, (i) => grad[i] / numeric[i]).sort();
  const [low, high] = [ratios[0], ratios[ratios.length - 1]];
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
  const slopes = errors(w).map((e, b) => 2 * e * (1 - (e + y[b]) ** 2) / B);
  const grad = w.map((_, i) => slopes.reduce((g, s, b) => g + s * x[b][i], 0));
  console.log("gradient          worst error  diagnosis");
  const factors = [
    ["right", 1],
    ["a factor of 2", 2],
    ["no 1/B, B = 4", B],
    ["sign flipped", -1],
    ["detached", 0],
  ] as const;
  for (const [name, factor] of factors) {
    const wrong = grad.map((g) => factor * g);
    const { worst, diagnosis } = checkGradient(loss, w, wrong);
    const error = worst.toExponential(1).padEnd(12);
    console.log(name.padEnd(17), error, diagnosis ?? "none");
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
