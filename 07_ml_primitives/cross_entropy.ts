#!/usr/bin/env -S deno run
/**
 * Q. Implement cross-entropy from logits, with label smoothing, and its gradient.
 *
 * A. The loss of a row is −log softmax(logits)[target], computed as a log-softmax
 * so that no share can underflow to 0. Smoothing mixes the one-hot target with the
 * uniform one: 1 − ε + ε/V for the class, ε/V for each other; that sums to 1.
 * Mean over the rows, not over the classes. The gradient is softmax − target, for
 * any target that sums to 1: the shift by the maximum is a constant and has none.
 * With all argmaxes right the loss of a row is still anywhere from 0 to ln V: the
 * class needs a share above the others' only, so above 1/V.
 *
 * Shapes: B rows of V classes. Losses in nats.
 * Time O(B·V); space O(V), and O(B·V) for the gradient.
 * Trap: a target of 1 with ε/V for each other class sums to 1 + ε·(V − 1)/V.
 * Left out: weights of classes; what smoothing does to calibration (calibration.ts).
 * Source: Szegedy et al. (2016), doi:10.1109/CVPR.2016.308.
 * Run: `deno run cross_entropy.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** How targets are read. */
export interface TargetOptions {
  /** ε, from 0 to below 1: how much of the target is spread over all classes. */
  smoothing?: number;
  /** The target of rows that do not count; −100 if not given. */
  ignoreIndex?: number;
}

/**
 * The mean loss of the rows that are not ignored.
 *
 * −Infinity for a class whose target is above 0 is a loss of Infinity. NaN gives
 * NaN, and so does −Infinity for all classes; +Infinity gives no finite loss.
 * @param logits (B, V); left unchanged
 * @param targets (B,) classes from 0 to V − 1
 * @returns nats a row
 * @throws {RangeError} if a target or ε is out of range, shapes differ, or no row
 * counts
 */
export function crossEntropy(
  logits: Matrix,
  targets: readonly number[],
  options: TargetOptions = {},
): number {
  const losses = crossEntropyRows(logits, targets, options);
  const counted = count(targets, options);
  return losses.reduce((sum, loss) => sum + loss, 0) / counted;
}

/**
 * The loss of every row, 0 where it is ignored. Sum it for the summed loss.
 * @param logits (B, V)
 * @param targets (B,)
 * @returns (B,) in nats
 * @throws {RangeError} as crossEntropy, but no row need count
 */
export function crossEntropyRows(
  logits: Matrix,
  targets: readonly number[],
  options: TargetOptions = {},
): number[] {
  return targetRows(logits, targets, options).map((target, b) =>
    target === null ? 0 : softCrossEntropy(logits[b], target)
  );
}

/**
 * ∂crossEntropy/∂logits: (softmax − target) / rows that count.
 * @param logits (B, V)
 * @param targets (B,)
 * @returns (B, V); rows sum to 0, and are 0 where ignored
 * @throws {RangeError} as crossEntropy
 */
export function crossEntropyGradient(
  logits: Matrix,
  targets: readonly number[],
  options: TargetOptions = {},
): number[][] {
  const rows = targetRows(logits, targets, options);
  const counted = count(targets, options);
  return rows.map((target, b) => {
    if (target === null) return logits[b].map(() => 0);
    const shares = logSoftmax(logits[b]).map(Math.exp);
    return shares.map((share, v) => (share - target[v]) / counted);
  });
}

/**
 * −Σ target · log softmax(logits), for a target that is itself a distribution.
 * @param logits (V,)
 * @param target (V,) shares from 0 to 1 that sum to 1
 * @throws {RangeError} if the sizes differ or the target is no distribution
 */
export function softCrossEntropy(
  logits: readonly number[],
  target: readonly number[],
): number {
  if (logits.length !== target.length) {
    throw new RangeError(
      `Cannot compare ${logits.length} logits with ${target.length} shares`,
    );
  }
  const total = target.reduce((sum, share) => sum + share, 0);
  if (!(Math.abs(total - 1) < 1e-6) || target.some((share) => share < 0)) {
    throw new RangeError(`Cannot use a target that sums to ${total}, not 1`);
  }
  // 0 · −Infinity is NaN: a class with no share of the target must be left out.
  return logSoftmax(logits).reduce(
    (loss, l, v) => target[v] === 0 ? loss : loss - target[v] * l,
    0,
  );
}

/**
 * One class's target distribution: 1 − ε + ε/V for it, ε/V for each other.
 * @returns (V,), which sums to 1
 */
export function smoothTarget(target: number, V: number, smoothing: number) {
  const rest = smoothing / V;
  return Array.from(
    { length: V },
    (_, v) => v === target ? 1 - smoothing + rest : rest,
  );
}

/** (B, V) target distributions; null for a row that is ignored. */
function targetRows(
  logits: Matrix,
  targets: readonly number[],
  { smoothing = 0, ignoreIndex = -100 }: TargetOptions,
): (number[] | null)[] {
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new RangeError(`Cannot smooth by ${smoothing}: needs 0 ≤ ε < 1`);
  }
  if (logits.length !== targets.length) {
    throw new RangeError(
      `Cannot compare ${logits.length} rows of logits with ` +
        `${targets.length} targets`,
    );
  }
  return targets.map((target, b) => {
    if (target === ignoreIndex) return null;
    const V = logits[b].length;
    // A target of −1 would be the last class where negative indices count back.
    if (Number.isInteger(target) && target >= 0 && target < V) {
      return smoothTarget(target, V, smoothing);
    }
    throw new RangeError(
      `Cannot use target ${target} of row ${b}: there are ${V} classes`,
    );
  });
}

/** How many rows count. @throws {RangeError} if none does: the mean is 0 / 0 */
function count(targets: readonly number[], options: TargetOptions): number {
  const { ignoreIndex = -100 } = options;
  const counted = targets.filter((target) => target !== ignoreIndex).length;
  if (counted > 0) return counted;
  throw new RangeError(
    `Cannot take a mean: all ${targets.length} rows are ignored`,
  );
}

/** (V,): x − max − log Σ exp(x − max), in this order. */
function logSoftmax(x: readonly number[]): number[] {
  const max = x.reduce((m, xi) => Math.max(m, xi), -Infinity);
  const at = x.indexOf(max);
  // The term of the maximum is the 1 that log1p adds.
  const others = x.reduce(
    (sum, xi, v) => v === at ? sum : sum + Math.exp(xi - max),
    0,
  );
  return x.map((xi) => (xi - max) - Math.log1p(others));
}

if (import.meta.main) {
  const softmax = (x: number[]) => logSoftmax(x).map(Math.exp);
  console.log("logits 0, 1000; target 0");
  console.log("  −log(softmax)    :", -Math.log(softmax([0, 1000])[0]));
  console.log("  log-softmax      :", crossEntropy([[0, 1000]], [0]));
  console.log("5 equal logits, ε = 0.1: the loss is ln 5");
  const wrong = (1 + 4 * 0.1 / 5) * Math.log(5);
  console.log("  sums to 1.08     :", wrong.toFixed(4));
  const level = crossEntropy([[3, 3, 3, 3, 3]], [2], { smoothing: 0.1 });
  console.log("  sums to 1        :", level.toFixed(4));
  console.log("all argmaxes right; the loss of 10 classes, and ln 10");
  for (const gap of [1e-9, 1, 10, 40]) {
    const logits = [gap, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    console.log(`  gap ${gap}`.padEnd(19), crossEntropy([logits], [0]));
  }
  console.log("  ln 10".padEnd(19), Math.log(10));
}
