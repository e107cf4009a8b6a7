#!/usr/bin/env -S deno run
/**
 * Q. Compute −log softmax(z)[target] so that neither it nor its gradient is lost.
 *
 * A. Never form the probability. With m the largest logit, the loss is
 * m + log Σ exp(z − m) − z[target]: no exponent is above 0, and the sum is at
 * least 1, so nothing overflows and the logarithm never sees 0. The gradient is
 * softmax(z) less 1 at the target, whatever the logits.
 *
 * Time and space O(V).
 * Trap: log(p + 1e-10). It caps the loss at 23.03, and the gradient fades just
 * where the model is most wrong.
 * Source: Blanchard, Higham, Higham (2021), doi:10.1093/imanum/draa038.
 * Run: `deno run stable_loss.ts`
 * @module
 */
import { softmax, Value } from "./microgpt.ts";

/**
 * The loss of one prediction, in nats.
 * @param logits z (V,), finite
 * @throws {RangeError} if `target` is not one of their places
 */
export function crossEntropy(logits: Value[], target: number): Value {
  checkTarget(logits, target);
  const max = logits.reduce((m, { data }) => Math.max(m, data), -Infinity);
  const exps = logits.map((z) => z.plus(-max).exp());
  const logSum = exps.reduce((x, y) => x.plus(y)).log();
  return logSum.plus(max).plus(logits[target].times(-1));
}

/**
 * The usual form, −log(p + epsilon), to compare with.
 * @throws {RangeError} if `target` is not one of their places
 */
export function lossOfProbability(
  logits: Value[],
  target: number,
  epsilon: number,
): Value {
  checkTarget(logits, target);
  return softmax(logits)[target].plus(epsilon).log().times(-1);
}

/** Softmax as it is first written down, without taking the largest off. */
export function naiveSoftmax(logits: readonly number[]): number[] {
  const exps = logits.map(Math.exp);
  const total = exps.reduce((x, y) => x + y);
  return exps.map((e) => e / total);
}

function checkTarget(logits: Value[], target: number): void {
  if (!(target in logits)) {
    throw new RangeError(
      `Cannot take the loss of target ${target}: there are ${logits.length} logits`,
    );
  }
}

if (import.meta.main) {
  console.log("exp(x) is Infinity from");
  const sizes: [name: string, round: (x: number) => number][] = [
    ["f16", Math.f16round],
    ["f32", Math.fround],
    ["f64", (x) => x],
  ];
  for (const [name, round] of sizes) {
    let x = 0;
    while (round(Math.exp(x)) < Infinity) x += 0.01;
    console.log(`  ${x.toFixed(2).padStart(6)} in ${name}`);
  }
  const logits = [1000, 999];
  console.log("softmax of 1000 and 999");
  console.log("  naive", naiveSoftmax(logits));
  console.log(
    "  safe ",
    softmax(logits.map((z) => new Value(z))).map((p) => p.data),
  );

  console.log("the wrong one of two logits is higher by `gap`");
  console.log("   gap    loss  with 1e-10  slope  with 1e-10  of log p alone");
  for (const gap of [0, 5, 20, 30, 50, 800]) {
    const columns = [
      crossEntropy,
      (z: Value[], t: number) => lossOfProbability(z, t, 1e-10),
      (z: Value[], t: number) => lossOfProbability(z, t, 0),
    ].map((form) => {
      const z = [new Value(gap), new Value(0)];
      const loss = form(z, 1);
      loss.backward();
      return { loss: loss.data, slope: z[1].grad };
    });
    const [exact, capped, bare] = columns;
    console.log(
      `${gap}`.padStart(6),
      exact.loss.toFixed(3).padStart(7),
      capped.loss.toFixed(3).padStart(11),
      exact.slope.toFixed(3).padStart(6),
      capped.slope.toPrecision(3).padStart(11),
      bare.slope.toPrecision(3).padStart(15),
    );
  }
}
