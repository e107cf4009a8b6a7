#!/usr/bin/env -S deno run
/**
 * Q. Implement softmax and log-softmax. Why does numerical stability matter?
 *
 * A. Subtract the maximum first. The shares do not change, because e^−max is in
 * the numerator and in the denominator. No exponent is above 0 any more, so
 * nothing overflows, and one term is exactly 1, so the sum cannot be 0.
 * Log-softmax never forms the shares: it is (x − max) − log Σ exp(x − max). A
 * share below 1e−324 is 0 and its logarithm −∞, but its log-softmax is right.
 *
 * Shapes: N logits; outer and inner are the axes before and after the N.
 * Time O(N), four passes; space O(N).
 * Trap: `Math.exp(710)` is Infinity and raises nothing, and ∞ / ∞ is NaN.
 * Left out: the one-pass (online) form, temperature.
 * Source: Blanchard, Higham, Higham (2021), doi:10.1093/imanum/draa038.
 * Run: `deno run softmax.ts`
 * @module
 */

/**
 * exp(xᵢ) / Σ exp(x): shares that sum to 1.
 *
 * −Infinity gets exactly 0. If all are −Infinity (everything masked) the shares
 * are all 0 and sum to 0. One NaN makes all NaN.
 * @param x (N,) logits; left unchanged
 * @returns (N,)
 * @throws {RangeError} if `x` is empty, or holds +Infinity and no NaN
 */
export function softmax(x: readonly number[]): number[] {
  const shift = largest(x);
  if (shift === -Infinity) return x.map(() => 0);
  const exps = x.map((xi) => Math.exp(xi - shift));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

/**
 * log(softmax(x)), without the softmax.
 *
 * The subtraction of the maximum comes first: `x − (max + log Σ)` would round
 * the logarithm away as soon as the maximum is large.
 * @param x (N,) logits; left unchanged
 * @returns (N,) in nats; −Infinity where the share is 0
 * @throws {RangeError} as softmax
 */
export function logSoftmax(x: readonly number[]): number[] {
  const shift = largest(x);
  if (shift === -Infinity) return x.map(() => -Infinity);
  const logTotal = Math.log1p(othersThan(shift, x));
  return x.map((xi) => (xi - shift) - logTotal);
}

/**
 * log Σ exp(x), in nats; −Infinity if all are.
 * @param x (N,) logits; left unchanged
 * @throws {RangeError} as softmax
 */
export function logSumExp(x: readonly number[]): number {
  const shift = largest(x);
  if (shift === -Infinity) return -Infinity;
  return shift + Math.log1p(othersThan(shift, x));
}

/**
 * Softmax along one axis of an array of any rank, the last one if not told. Each
 * lane is on its own: a NaN stays in its lane.
 * @param x flat, row-major, of `shape`; left unchanged
 * @param axis from 0, or from the end: −1 is the last
 * @returns flat, of `shape`; each lane along `axis` sums to 1
 * @throws {RangeError} if shape and size or axis differ, or as softmax
 */
export function softmaxAxis(
  x: Float64Array | Float32Array,
  shape: readonly number[],
  axis = -1,
): Float64Array {
  const size = shape.reduce((product, n) => product * n, 1);
  if (
    x.length !== size || shape.some((n) => !(Number.isInteger(n) && n >= 0))
  ) {
    throw new RangeError(
      `Cannot read ${x.length} numbers as (${
        shape.join(", ")
      }): that is ${size}`,
    );
  }
  const at = axis < 0 ? axis + shape.length : axis;
  if (!(at in shape)) {
    throw new RangeError(
      `Cannot normalise along axis ${axis}: there are ${shape.length} axes`,
    );
  }
  const N = shape[at];
  const product = (sizes: readonly number[]) =>
    sizes.reduce((n, size) => n * size, 1);
  const outer = product(shape.slice(0, at));
  const inner = product(shape.slice(at + 1));
  const out = new Float64Array(x.length);
  for (let lane = 0; lane < outer * inner; lane++) {
    const start = Math.floor(lane / inner) * N * inner + lane % inner;
    const place = (n: number) => start + n * inner;
    const logits = Array.from({ length: N }, (_, n) => x[place(n)]); // (N,)
    softmax(logits).forEach((share, n) => out[place(n)] = share);
  }
  return out;
}

/** The maximum, by a loop: `Math.max(...x)` overflows the stack near 130,000. */
function largest(x: readonly number[]): number {
  if (x.length === 0) {
    throw new RangeError(
      "Cannot take the softmax of no logits: needs 1, got 0",
    );
  }
  const max = x.reduce((m, xi) => Math.max(m, xi), -Infinity);
  if (max === Infinity) {
    throw new RangeError(
      `Cannot take the softmax of +Infinity, at ${x.indexOf(max)}: ` +
        "it stands for any logit too large to write",
    );
  }
  return max;
}

/**
 * Σ exp(xᵢ − max) without the maximum itself, whose term is 1. With log1p this
 * keeps what 1 + 1e−20 would round away.
 */
function othersThan(max: number, x: readonly number[]): number {
  const at = x.indexOf(max);
  return x.reduce((sum, xi, i) => i === at ? sum : sum + Math.exp(xi - max), 0);
}

if (import.meta.main) {
  const naive = (x: number[], shift = 0) => {
    const exps = x.map((xi) => Math.exp(xi - shift));
    return exps.map((e) => e / exps.reduce((sum, e) => sum + e));
  };
  const show = (xs: number[]) => xs.map((x) => +x.toFixed(4)).join("  ");
  console.log("softmax of 1000, 1001, 1002");
  console.log("  no shift        :", show(naive([1000, 1001, 1002])));
  console.log("  minus the max   :", show(softmax([1000, 1001, 1002])));
  console.log("softmax of 0, 0, 0, 3000");
  console.log("  minus the mean  :", show(naive([0, 0, 0, 3000], 750)));
  console.log("  minus the max   :", show(softmax([0, 0, 0, 3000])));
  console.log("log-softmax of 0, −800");
  console.log("  log of softmax  :", show(softmax([0, -800]).map(Math.log)));
  console.log("  log-softmax     :", show(logSoftmax([0, -800])));
  console.log("log-softmax of 1e17, 1e17: each is log ½");
  const z = 1e17;
  console.log(
    "  x − logSumExp   :",
    show([z, z].map((x) => x - logSumExp([z, z]))),
  );
  console.log("  log-softmax     :", show(logSoftmax([z, z])));
}
