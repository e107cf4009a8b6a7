#!/usr/bin/env -S deno run
/**
 * Q. A classifier is too sure of itself. How do you measure that, and mend it?
 *
 * A. Sort the predictions by confidence into bins; the expected calibration error
 * (ECE) is the mean distance between confidence and accuracy in a bin, weighted by
 * its size. To mend it afterwards, divide all logits by one temperature, fitted to
 * the NLL of held-out rows: no argmax changes, so accuracy stays. Label smoothing
 * mends it in training: a one-hot target has its best loss at an infinite logit
 * gap, a smoothed one at ln(1 + V·(1 − ε)/ε), so confidence stops at 1 − ε + ε/V.
 *
 * Shapes: N rows of V classes.
 * Time O(N·V) for an ECE, and 60 times that for a fit; space O(N·V).
 * Trap: fitting the temperature on training rows, where being sure is right.
 * Left out: vector and matrix scaling, isotonic regression, adaptive bins.
 * Source: Guo et al. (2017), arXiv:1706.04599; Müller, Kornblith, Hinton (2019),
 * arXiv:1906.02629.
 * Run: `deno run calibration.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/**
 * The expected calibration error of the top class: Σ over bins of
 * n/N · |accuracy − mean confidence|.
 * @param shares (N, V) rows that sum to 1; the lowest index wins a tie
 * @param targets (N,) classes
 * @param bins how many equal parts (0, 1] is cut into, each with its upper end
 * @returns from 0 to 1
 * @throws {RangeError} if there is no row, sizes differ, or a confidence is no share
 */
export function calibrationError(
  shares: Matrix,
  targets: readonly number[],
  bins = 15,
): number {
  check(shares, targets);
  if (!Number.isInteger(bins) || bins < 1) {
    throw new RangeError(`Cannot sort into ${bins} bins: needs 1 or more`);
  }
  // Σ (correct − confidence) in each bin: its size cancels.
  const excess = new Array<number>(bins).fill(0);
  shares.forEach((row, n) => {
    const top = argmax(row);
    const confidence = row[top];
    if (!(confidence > 0 && confidence <= 1 + 1e-9)) {
      throw new RangeError(
        `Cannot bin row ${n}: its confidence is ${confidence}, not from 0 to 1`,
      );
    }
    // 0.07 · 100 rounds to more than 7: the edge is where j / bins rounds to.
    let bin = Math.min(bins, Math.ceil(confidence * bins)) - 1;
    if (bin > 0 && confidence <= bin / bins) bin--;
    excess[bin] += (top === targets[n] ? 1 : 0) - confidence;
  });
  return excess.reduce((sum, e) => sum + Math.abs(e), 0) / shares.length;
}

/**
 * The temperature whose softmax(logits / T) has the least mean NLL.
 *
 * In β = 1/T the NLL is convex, with the slope mean(Σ p·z − z[target]); bisection
 * finds its zero.
 * @param logits (N, V) of held-out rows; left unchanged
 * @param targets (N,) classes
 * @returns T > 0; above 1 if the model is too sure
 * @throws {RangeError} if shapes do not fit, a logit is not finite, or no
 * temperature is best: every row right (T → 0) or no better than chance (T → ∞)
 */
export function fitTemperature(
  logits: Matrix,
  targets: readonly number[],
): number {
  check(logits, targets);
  const fail = (why: string) => {
    throw new RangeError(`Cannot fit a temperature: ${why}`);
  };
  if (!logits.flat().every(Number.isFinite)) fail("a logit is not finite");
  // In units of the largest logit neither 1e308 nor 1e−308 is lost in bisection.
  const size = logits.flat().reduce((m, z) => Math.max(m, Math.abs(z)), 0);
  const scaled = logits.map((row) => row.map((z) => z / size));
  const slope = (beta: number) =>
    scaled.reduce((sum, z, n) => {
      const p = softmax(z, 1 / beta);
      return sum + z.reduce((s, zi, v) => s + p[v] * (zi - z[targets[n]]), 0);
    }, 0);
  if (logits.every((z, n) => z[targets[n]] === z[argmax(z)])) {
    fail("every row is right, and T → 0 is best");
  }
  if (slope(0) >= 0) fail("no better than chance, and T → ∞ is best");
  let high = 1;
  while (slope(high) < 0) high *= 2;
  while (slope(high / 2) >= 0) high /= 2;
  let low = high / 2;
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (slope(middle) < 0) low = middle;
    else high = middle;
  }
  const temperature = size / high;
  if (temperature === Infinity) fail("it is above 1.8e308");
  return temperature;
}

/** (V,) logits to (V,) shares that sum to 1; a temperature of Infinity makes all equal. */
export function softmax(logits: readonly number[], temperature = 1): number[] {
  if (!(temperature > 0)) {
    throw new RangeError(`Cannot divide logits by ${temperature}: needs T > 0`);
  }
  const max = logits[argmax(logits)];
  const exps = logits.map((z) => Math.exp((z - max) / temperature));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

/** −log softmax(logits / temperature)[target], the mean of all rows, in nats. */
export function meanLoss(
  logits: Matrix,
  targets: readonly number[],
  temperature = 1,
): number {
  check(logits, targets);
  return logits.reduce((sum, z, n) => {
    const max = z[argmax(z)];
    const total = z.reduce(
      (s, zi) => s + Math.exp((zi - max) / temperature),
      0,
    );
    return sum + Math.log(total) - (z[targets[n]] - max) / temperature;
  }, 0) / logits.length;
}

/**
 * Trains V logits from zeros by gradient descent on their cross-entropy with class
 * 0, smoothed by ε, and returns the gap between its logit and the others.
 */
export function trainGap(
  V: number,
  eps: number,
  steps: number,
  learningRate = 1,
): number {
  let logits = new Array<number>(V).fill(0);
  for (let step = 0; step < steps; step++) {
    const p = softmax(logits);
    logits = logits.map((z, v) =>
      z - learningRate * (p[v] - (v === 0 ? 1 - eps : 0) - eps / V)
    );
  }
  return logits[0] - logits[1];
}

/** The lowest index of the largest entry. */
function argmax(x: readonly number[]): number {
  return x.reduce((best, xi, i) => xi > x[best] ? i : best, 0);
}

function check(rows: Matrix, targets: readonly number[]): void {
  if (rows.length === 0 || rows.length !== targets.length) {
    throw new RangeError(
      `Cannot compare ${rows.length} rows with ${targets.length} targets`,
    );
  }
  const n = targets.findIndex((target, n) => !(target in rows[n]));
  if (n < 0) return;
  throw new RangeError(
    `Cannot use target ${targets[n]} of row ${n}: ` +
      `there are ${rows[n].length} classes`,
  );
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  // Labels follow softmax(z); the model says 3 · z, and so is too sure.
  const draw = () => {
    const z = Array.from({ length: 5 }, () => 4 * random());
    let u = random();
    return [softmax(z).findIndex((p) => (u -= p) < 0), ...z.map((x) => 3 * x)];
  };
  const [held, test] = [1, 2].map(() => Array.from({ length: 2000 }, draw));
  const T = fitTemperature(held.map((x) => x.slice(1)), held.map((x) => x[0]));
  const [logits, targets] = [test.map((x) => x.slice(1)), test.map(([y]) => y)];
  console.log("logits three times too large; T is fitted on other rows");
  for (const t of [1, T]) {
    const shares = logits.map((z) => softmax(z, t));
    const ece = calibrationError(shares, targets).toFixed(3);
    const nll = meanLoss(logits, targets, t).toFixed(3);
    const right = shares.filter((p, n) => argmax(p) === targets[n]).length;
    console.log(
      `  T = ${t.toFixed(2)}: ECE ${ece}, NLL ${nll}, right ${right}`,
    );
  }
  console.log("logit gap after 100, 1000, 10000 steps; 10 classes");
  for (const eps of [0, 0.1]) {
    const gaps = [100, 1000, 10000].map((n) => trainGap(10, eps, n).toFixed(3));
    console.log(`  ε = ${eps}`.padEnd(10), ":", gaps.join("  "));
  }
}
