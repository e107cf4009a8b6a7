#!/usr/bin/env -S deno run
/**
 * Q. Why does every fast kernel work in tiles?
 *
 * A. A multiply-add needs two numbers, and memory delivers one where the GPU could
 * do ten or more multiply-adds. A tile of R × C entries needs R + C numbers for
 * R · C multiply-adds: the larger it is, the less there is to read for each. What
 * bounds it is the memory that holds it: 16 × 16 entries one apiece, 128 × 128 when
 * each invocation keeps 64 of them in its registers.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(M·N·K); reads from far memory 1 / R + 1 / C for each multiply-add.
 * Trap: a tile at the edge. What is outside counts as zero, and is not read.
 * Run: `deno run tiling.ts`
 * @module
 */
import { lehmer, randomFloats, UNIT } from "./testing.ts";

/** What a matrix is made of: f32, or f16. */
export type Floats = Float32Array | Float16Array;

/** A matrix in row-major order. */
export interface Matrix<T extends Floats = Floats> {
  readonly rows: number;
  readonly columns: number;
  /** (rows · columns,) entry (i, j) at i · columns + j */
  readonly data: T;
}

/** @throws {RangeError} unless the sizes are whole numbers, and the data has them */
export function checkSizes(
  task: string,
  rows: number,
  columns: number,
  { length }: Floats,
): void {
  for (const size of [rows, columns]) {
    if (Number.isSafeInteger(size) && size >= 0) continue;
    throw new RangeError(
      `${task}: a size must be a whole number from 0, got ${size}`,
    );
  }
  if (length === rows * columns) return;
  throw new RangeError(
    `${task}: (${rows}, ${columns}) are ${
      rows * columns
    } entries, got ${length}`,
  );
}

/**
 * The twin of all kernels on the CPU: tile by tile, with zeros beyond the edge, and
 * each sum rounded to f32.
 * @param depth of a tile, in rows of b
 * @param counter counts the numbers that are read from a and b
 */
export function multiplyOnCpu(
  a: Matrix,
  b: Matrix,
  [tileRows, tileColumns]: [rows: number, columns: number] = [16, 16],
  depth = 16,
  counter = { reads: 0 },
): Matrix<Float32Array<ArrayBuffer>> {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const c = new Float32Array(M * N);
  const tileA = new Float32Array(tileRows * depth);
  const tileB = new Float32Array(depth * tileColumns);
  const load = (x: Matrix, i: number, j: number) => {
    if (i >= x.rows || j >= x.columns) return 0;
    counter.reads++;
    return x.data[i * x.columns + j];
  };
  for (let top = 0; top < M; top += tileRows) {
    for (let left = 0; left < N; left += tileColumns) {
      for (let k = 0; k < K; k += depth) {
        for (let n = 0; n < tileA.length; n++) {
          tileA[n] = load(a, top + Math.floor(n / depth), k + n % depth);
        }
        for (let n = 0; n < tileB.length; n++) {
          tileB[n] = load(
            b,
            k + Math.floor(n / tileColumns),
            left + n % tileColumns,
          );
        }
        for (let i = 0; i < Math.min(tileRows, M - top); i++) {
          for (let j = 0; j < Math.min(tileColumns, N - left); j++) {
            let sum = c[(top + i) * N + left + j];
            for (let d = 0; d < depth; d++) {
              sum = Math.fround(
                sum + tileA[i * depth + d] * tileB[d * tileColumns + j],
              );
            }
            c[(top + i) * N + left + j] = sum;
          }
        }
      }
    }
  }
  return { rows: M, columns: N, data: c };
}

/**
 * How far c is from a · b, as a part of what sums in f32 may be off: K roundings of
 * the sum of magnitudes. Up to 1 it is right; c of another size is Infinity off.
 */
export function errorOf(a: Matrix, b: Matrix, c: Matrix): number {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  if (c.rows !== M || c.columns !== N || c.data.length !== M * N) {
    return Infinity;
  }
  let worst = 0;
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let sum = 0, magnitude = 0;
      for (let k = 0; k < K; k++) {
        const product = a.data[i * K + k] * b.data[k * N + j];
        sum += product;
        magnitude += Math.abs(product);
      }
      const error = Math.abs(c.data[i * N + j] - sum);
      if (error === 0) continue;
      const part = error / (K * UNIT * magnitude);
      worst = Math.max(worst, Number.isNaN(part) ? Infinity : part);
    }
  }
  return worst;
}

if (import.meta.main) {
  const random = lehmer(42);
  const [M, K, N] = [150, 70, 130];
  const a = { rows: M, columns: K, data: randomFloats(M * K, random) };
  const b = { rows: K, columns: N, data: randomFloats(K * N, random) };
  console.log(`(${M}, ${K}) by (${K}, ${N}), on the CPU`);
  for (const side of [1, 4, 16, 64, 128]) {
    const counter = { reads: 0 };
    const c = multiplyOnCpu(a, b, [side, side], 16, counter);
    console.log(
      `${side} × ${side}`.padEnd(10),
      `${(counter.reads / (M * N * K)).toFixed(3)} reads a multiply-add,`,
      `error ${errorOf(a, b, c).toFixed(3)} of what f32 may have`,
    );
  }
}
