#!/usr/bin/env -S deno run
/**
 * Q. Does BatchNorm go together with gradient accumulation?
 *
 * A. It runs, but it is not the same as one large batch. BatchNorm subtracts the mean
 * of each channel over the batch, and the batch it sees is the micro-batch; no sum of
 * gradients mends that. The variance within micro-batches is on average too small by
 * the variance between their means, and so are the running statistics. LayerNorm and
 * RMSNorm look along one row, so a cut changes nothing, to the last bit.
 *
 * Shapes: B rows of C channels.
 * Time O(B·C), space O(B·C).
 * Trap: a micro-batch of one row. Its variance is 0, and every output is 0.
 * Left out: gamma and beta, running averages, synchronised BatchNorm.
 * Source: Ioffe, Szegedy (2015), arXiv:1502.03167; normalising parts of a batch:
 * Hoffer, Hubara, Soudry (2017), arXiv:1705.08741.
 * Run: `deno run batch_norm.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** Mean and variance of each channel over the rows, each (C,). */
export interface Statistics {
  readonly mean: number[];
  /** Over B, not over B − 1. */
  readonly variance: number[];
}

/**
 * What BatchNorm learns about a batch in training.
 * @param x (B, C); left unchanged
 * @throws {RangeError} if there is no row, or rows differ in length
 */
export function batchStatistics(x: Matrix): Statistics {
  if (x.length === 0) {
    throw new RangeError("Cannot take statistics of 0 rows: needs 1");
  }
  const ragged = x.findIndex((row) => row.length !== x[0].length);
  if (ragged >= 0) {
    throw new RangeError(
      `Cannot take statistics: row ${ragged} has ${
        x[ragged].length
      } channels, ` +
        `not ${x[0].length}`,
    );
  }
  const columns = x[0].map((_, c) => x.map((row) => row[c])); // (C, B)
  return { mean: columns.map(mean), variance: columns.map(variance) };
}

/**
 * BatchNorm in training, without gamma and beta. One row becomes zeros.
 * @param x (B, C); left unchanged
 * @throws {RangeError} as batchStatistics
 */
export function batchNorm(x: Matrix, eps = 1e-5): number[][] {
  const { mean, variance } = batchStatistics(x);
  return x.map((row) =>
    row.map((v, c) => (v - mean[c]) / Math.sqrt(variance[c] + eps))
  );
}

/** LayerNorm without gamma and beta: each row by its own mean and variance. */
export function layerNorm(x: Matrix, eps = 1e-5): number[][] {
  return x.map((row) => {
    const scale = Math.sqrt(variance(row) + eps);
    const middle = mean(row);
    return row.map((v) => (v - middle) / scale);
  });
}

const mean = (x: readonly number[]) =>
  x.reduce((sum, v) => sum + v, 0) / x.length;

function variance(x: readonly number[]): number {
  const middle = mean(x);
  return mean(x.map((v) => (v - middle) ** 2));
}

if (import.meta.main) {
  const x = [[1, 5, 2], [3, 4, 8], [11, 0, 6], [13, 7, -4]];
  const micros = [x.slice(0, 2), x.slice(2)];
  const show = (y: number[]) => y.map((v) => v.toFixed(3).padStart(7)).join("");
  console.log("the first of 4 rows, as one batch and in micro-batches of 2");
  console.log("  BatchNorm, 4     ", show(batchNorm(x)[0]));
  console.log(
    "  BatchNorm, 2 + 2 ",
    show(micros.flatMap((m) => batchNorm(m))[0]),
  );
  console.log("  LayerNorm, 4     ", show(layerNorm(x)[0]));
  console.log(
    "  LayerNorm, 2 + 2 ",
    show(micros.flatMap((m) => layerNorm(m))[0]),
  );
  console.log("variance of the channels");
  console.log("  of 4             ", show(batchStatistics(x).variance));
  const [a, b] = micros.map((m) => batchStatistics(m).variance);
  console.log("  mean of 2 + 2    ", show(a.map((v, c) => (v + b[c]) / 2)));
}
