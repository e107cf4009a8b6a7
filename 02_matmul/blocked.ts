#!/usr/bin/env -S deno run
/**
 * Q. How do you make the triple loop faster, without a library?
 *
 * A. First the order: with k in the middle, the inner loop goes along a row of b
 * and a row of the product, and not down a column. Then blocks: do all the work
 * on a tile of b while it is in the cache. Then registers, which are a cache, too:
 * 4 × 3 entries of the product are kept in local variables, so that 7 loads serve
 * 12 products. For that, 4 rows of a and 3 columns of b are copied side by side
 * into panels, in the order in which they are read.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(M·N·K) each; space O(1), for panels O(M + N) rows of 256.
 * Trap: a tile that does not divide the size. The last one is smaller.
 * Left out: SIMD and cores, see simd.ts and parallel.ts.
 * Source: Goto, van de Geijn (2008), doi:10.1145/1356052.1356053.
 * Run: `deno run blocked.ts`
 * @module
 */
import {
  type Floats,
  largestError,
  lehmer,
  type Matrix,
  medianTime,
  type Multiply,
  prepare,
  randomMatrix,
  zeros,
} from "./matrix.ts";

/** The loops of the definition: row of a times column of b. */
export const multiplyIjk: Multiply = (a, b, out) => {
  const c = prepare(a, b, out);
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const [x, y, z] = [a.data, b.data, c.data];
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[i * K + k] * y[k * N + j];
      z[i * N + j] = sum;
    }
  }
  return c;
};

/** The same products, but the inner loop goes along rows. */
export const multiplyIkj: Multiply = (a, b, out) => {
  const c = prepare(a, b, out);
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const [x, y, z] = [a.data, b.data, c.data];
  for (let i = 0; i < M; i++) {
    for (let k = 0; k < K; k++) {
      const factor = x[i * K + k];
      for (let j = 0; j < N; j++) z[i * N + j] += factor * y[k * N + j];
    }
  }
  return c;
};

/**
 * The same, tile by tile of b: `tile` · `tile` entries are used for all of a
 * before the next.
 * @throws {RangeError} if `tile` is no integer from 1, and as {@link prepare}
 */
export function multiplyTiled<T extends Floats>(
  a: Matrix<T>,
  b: Matrix<T>,
  out?: Matrix<T>,
  tile = 128,
): Matrix<T> {
  if (!Number.isSafeInteger(tile) || tile < 1) {
    throw new RangeError(
      `Cannot cut tiles of ${tile}: needs a whole number from 1`,
    );
  }
  const c = prepare(a, b, out);
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const [x, y, z] = [a.data, b.data, c.data];
  for (let k0 = 0; k0 < K; k0 += tile) {
    const k1 = Math.min(K, k0 + tile);
    for (let j0 = 0; j0 < N; j0 += tile) {
      const j1 = Math.min(N, j0 + tile);
      for (let i = 0; i < M; i++) {
        for (let k = k0; k < k1; k++) {
          const factor = x[i * K + k];
          for (let j = j0; j < j1; j++) z[i * N + j] += factor * y[k * N + j];
        }
      }
    }
  }
  return c;
}

/** Rows and columns of the product that are in registers at a time. */
const [MR, NR] = [4, 3];
/** How many k are in a panel: MR + NR rows of it fit into the first cache. */
const KC = 256;

/** Panels of rows of a and of columns of b, and MR · NR sums in registers. */
export const multiplyPacked: Multiply = (a, b, out) => {
  const c = prepare(a, b, out);
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const rows = zeros(Math.ceil(M / MR) * MR, Math.min(K, KC), a.data).data;
  const columns = zeros(Math.ceil(N / NR) * NR, Math.min(K, KC), b.data).data;
  for (let k0 = 0; k0 < K; k0 += KC) {
    const depth = Math.min(KC, K - k0);
    packRows(a, k0, depth, rows);
    packColumns(b, k0, depth, columns);
    for (let j = 0; j < N; j += NR) {
      for (let i = 0; i < M; i += MR) {
        addTile(rows, columns, depth, i, j, c);
      }
    }
  }
  return c;
};

/** Panel i / MR: for each k, entry k of MR rows of a. What stands beyond a does not count. */
function packRows(a: Matrix, k0: number, depth: number, panels: Floats): void {
  const K = a.columns;
  for (let i = 0; i < a.rows; i++) {
    let to = (i - i % MR) * depth + i % MR;
    for (let k = k0; k < k0 + depth; k++, to += MR) {
      panels[to] = a.data[i * K + k];
    }
  }
}

/** Panel j / NR: for each k, NR columns of row k of b. */
function packColumns(
  b: Matrix,
  k0: number,
  depth: number,
  panels: Floats,
): void {
  const N = b.columns;
  for (let j = 0; j < N; j++) {
    let to = (j - j % NR) * depth + j % NR;
    for (let k = k0; k < k0 + depth; k++, to += NR) {
      panels[to] = b.data[k * N + j];
    }
  }
}

const sums = new Float64Array(MR * NR);

/** Adds a panel of rows times a panel of columns to (MR, NR) entries of c. */
function addTile(
  rows: Floats,
  columns: Floats,
  depth: number,
  i: number,
  j: number,
  c: Matrix,
): void {
  let s00 = 0, s01 = 0, s02 = 0, s10 = 0, s11 = 0, s12 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s30 = 0, s31 = 0, s32 = 0;
  let p = i * depth, q = j * depth;
  for (let k = 0; k < depth; k++, p += MR, q += NR) {
    const y0 = columns[q], y1 = columns[q + 1], y2 = columns[q + 2];
    const x0 = rows[p], x1 = rows[p + 1], x2 = rows[p + 2], x3 = rows[p + 3];
    s00 += x0 * y0, s01 += x0 * y1, s02 += x0 * y2;
    s10 += x1 * y0, s11 += x1 * y1, s12 += x1 * y2;
    s20 += x2 * y0, s21 += x2 * y1, s22 += x2 * y2;
    s30 += x3 * y0, s31 += x3 * y1, s32 += x3 * y2;
  }
  sums.set([s00, s01, s02, s10, s11, s12, s20, s21, s22, s30, s31, s32]);
  const [height, width] = [
    Math.min(MR, c.rows - i),
    Math.min(NR, c.columns - j),
  ];
  for (let r = 0; r < height; r++) {
    for (let s = 0; s < width; s++) {
      c.data[(i + r) * c.columns + j + s] += sums[r * NR + s];
    }
  }
}

if (import.meta.main) {
  const n = 400;
  const random = lehmer(42);
  const [a, b] = [0, 1].map(() =>
    randomMatrix(n, n, new Float64Array(), random)
  );
  const forms = { multiplyIjk, multiplyIkj, multiplyTiled, multiplyPacked };
  console.log(`${n} × ${n} in f64: GFLOP/s, and the largest error`);
  for (const [name, multiply] of Object.entries(forms)) {
    const ms = await medianTime(() => multiply(a, b), 5, 1);
    const rate = 2 * n ** 3 / ms / 1e6;
    const error = largestError(a, b, multiply(a, b), 10);
    console.log(
      name.padEnd(15),
      rate.toFixed(2).padStart(6),
      error.toExponential(1).padStart(9),
    );
  }
}
