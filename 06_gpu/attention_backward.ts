#!/usr/bin/env -S deno run
/**
 * Q. Derive the gradients of attention.
 *
 * A. Backwards through its three steps. The output is weights · value, so dValue is
 * weightsᵀ · dOutput, and dWeights is dOutput · valueᵀ. Through the softmax a score's
 * gradient is weight · (dWeight − the row's mean of dWeight): all weights of a row
 * share a sum of 1, so only what is above the mean may grow. The scores are
 * query · keyᵀ / √D, so dQuery is dScores · key and dKey is dScoresᵀ · query, each
 * over √D. Where heads share keys, the gradients of those are sums over the heads.
 *
 * Shapes: as in attention.ts; query, output and their gradients (B, H, N, D), key,
 * value and theirs (B, G, S, D).
 * Time O(B·H·N·S·D); space O(S) beside the gradients: one row of weights at a time.
 * Trap: the mean. Without it a row's gradient pushes all of its scores the same way,
 * which changes nothing in a softmax.
 * Source: Dao et al. (2022), arXiv:2205.14135, appendix B.
 * Run: `deno run attention_backward.ts`
 * @module
 */
import {
  attend,
  type Attended,
  type Attention,
  checkAttention,
  randomAttention,
  scaleOf,
  weightsOf,
} from "./attention.ts";
import { lehmer, randomFloats } from "./testing.ts";

/** What the loss changes by, for each number of the inputs. */
export interface Gradients<T = Float32Array> {
  /** (B, H, N, D) */
  dQuery: T;
  /** (B, G, S, D) zeros where a key is padding */
  dKey: T;
  /** (B, G, S, D) */
  dValue: T;
}

/**
 * The gradients as the formulas say, in f64, from whole rows of weights.
 * @param dOutput (B, H, N, D) the gradient of the output
 * @throws as {@link checkAttention}, and {RangeError} if dOutput has another length
 */
export function gradients(
  x: Attention,
  dOutput: Float32Array,
): Gradients<Float64Array> {
  checkBackward(x, { dOutput });
  const { S, D, query, key, value } = x;
  const scale = scaleOf(x);
  const [dQuery, dKey, dValue] = [query, key, value].map(({ length }) =>
    new Float64Array(length)
  );
  for (const { row, shared, keys, weights } of weightsOf(x)) {
    const slope = dOutput.subarray(row * D, (row + 1) * D);
    const ats = keys.map((s) => (shared * S + s) * D);
    const dWeights = ats.map((at) =>
      slope.reduce((sum, dO, d) => sum + dO * value[at + d], 0)
    );
    const delta = weights.reduce((sum, w, i) => sum + w * dWeights[i], 0);
    ats.forEach((at, i) => {
      const dScore = weights[i] * (dWeights[i] - delta);
      slope.forEach((dO, d) => {
        dQuery[row * D + d] += scale * dScore * key[at + d];
        dKey[at + d] += scale * dScore * query[row * D + d];
        dValue[at + d] += weights[i] * dO;
      });
    });
  }
  return { dQuery, dKey, dValue };
}

/** @throws {RangeError} if an array has another length than x says */
export function checkBackward(
  x: Attention,
  arrays: { dOutput: Float32Array } & Partial<Attended>,
): void {
  checkAttention(x);
  const { B, H, N, D } = x;
  for (const [name, { length }] of Object.entries(arrays)) {
    const right = B * H * N * (name === "logSums" ? 1 : D);
    if (length === right) continue;
    throw new RangeError(
      `Cannot find gradients with B=${B} H=${H} N=${N} D=${D}: ` +
        `${name} has ${length} numbers, not ${right}`,
    );
  }
}

if (import.meta.main) {
  const random = lehmer(42);
  const sizes = { H: 4, G: 2, N: 7, D: 3, causal: true };
  const x = randomAttention(sizes, random);
  const dOutput = randomFloats(x.query.length, random);
  const got = gradients(x, dOutput);
  const loss = () =>
    attend(x).output.reduce((sum, o, i) => sum + o * dOutput[i], 0);
  console.log(`${x.H} heads of ${x.D} on ${x.G}, ${x.N} tokens, causal`);
  for (
    const [name, numbers] of [["dQuery", x.query], ["dKey", x.key]] as const
  ) {
    for (const i of [4, 10, 20]) {
      const was = numbers[i];
      const step = 2 ** -10;
      numbers[i] = was + step;
      const [above, up] = [loss(), numbers[i]];
      numbers[i] = was - step;
      const slope = (above - loss()) / (up - numbers[i]);
      numbers[i] = was;
      const [a, b] = [got[name][i], slope].map((y) => y.toFixed(6));
      console.log(`${name}[${i}] is ${a}, by differences ${b}`);
    }
  }
}
