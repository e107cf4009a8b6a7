#!/usr/bin/env -S deno run
/**
 * Q. "Let BLAS do it", you say. What does BLAS do?
 *
 * A. It has a kernel that multiplies small tiles as fast as the processor can, see
 * kernel.ts, and everything around it serves to have the next numbers where the
 * kernel reads them: copied into panels, in the order of reading. A block of a stays
 * in the second cache, a panel of b in the first, and each is used for a whole row
 * or column of tiles. K is filled up with zeros; what stands beyond the other edges
 * does not count, because what comes of it is left out when the result is read.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(M·N·K); space O(1), 18 MB at most in f32.
 * Trap: a memory that grows has a new buffer, and the views of the old one are
 * empty.
 * Left out: prefetching, and threads, see parallel.ts.
 * Source: Goto, van de Geijn (2008), doi:10.1145/1356052.1356053.
 * Run: `deno run simd.ts`
 * @module
 */
import {
  createEngine,
  type Engine,
  kernelCode,
  type Kind,
  kindOf,
  measurePeak,
} from "./kernel.ts";
import {
  checkProduct,
  type Floats,
  largestError,
  lehmer,
  medianTime,
  type Multiply,
  randomMatrix,
  zeros,
} from "./matrix.ts";

/** Rows `top` up to `bottom` and columns `left` up to `right` of a product. */
export interface Part {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/**
 * Makes a part of the product. It uses nothing but its arguments, so that its text
 * can be given to a worker.
 * @param a (M, K), `b` (K, N), `c` (M, N), row after row
 */
export function multiplyPart(
  { kernel, memory }: Engine,
  a: Floats,
  b: Floats,
  c: Floats,
  K: number,
  N: number,
  { top, bottom, left, right }: Part,
): void {
  const [ROWS, UNROLL, BYTES] = [6, 4, a.BYTES_PER_ELEMENT];
  const COLUMNS = 32 / BYTES;
  // The block of a is (HEIGHT, DEPTH), of b (DEPTH, WIDTH), of c (TALL, WIDTH).
  const [HEIGHT, DEPTH, WIDTH, TALL] = [120, 256, 1024, 4080];
  const up = (n: number, unit: number) => Math.ceil(n / unit) * unit;

  // Where they are in memory, counted in numbers: b, then a, then c.
  const deepest = up(Math.min(K, DEPTH), UNROLL);
  const widest = up(Math.min(right - left, WIDTH), COLUMNS);
  const tallest = up(Math.min(bottom - top, TALL), ROWS);
  const rowPanels = deepest * widest;
  const block = rowPanels + HEIGHT * deepest;
  const missing = (block + tallest * widest) * BYTES - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  const Kind = a.constructor as new (buffer: ArrayBufferLike) => Floats;
  const heap = new Kind(memory.buffer);

  for (let j0 = left; j0 < right; j0 += WIDTH) {
    const wide = Math.min(WIDTH, right - j0);
    const stride = up(wide, COLUMNS);
    for (let i0 = top; i0 < bottom; i0 += TALL) {
      const tall = Math.min(TALL, bottom - i0);
      heap.fill(0, block, block + up(tall, ROWS) * stride);
      for (let k0 = 0; k0 < K; k0 += DEPTH) {
        const deep = Math.min(DEPTH, K - k0);
        const depth = up(deep, UNROLL);
        pack(b, k0 * N + j0, 1, N, wide, deep, heap, 0, COLUMNS, depth);
        for (let i = 0; i < tall; i += HEIGHT) {
          const high = Math.min(HEIGHT, tall - i);
          const at = (i0 + i) * K + k0;
          pack(a, at, K, 1, high, deep, heap, rowPanels, ROWS, depth);
          kernel(
            rowPanels * BYTES,
            0,
            (block + i * stride) * BYTES,
            depth,
            Math.ceil(high / ROWS),
            stride / COLUMNS,
            depth * COLUMNS * BYTES,
            stride * BYTES,
          );
        }
      }
      for (let i = 0; i < tall; i++) {
        const from = block + i * stride;
        c.set(heap.subarray(from, from + wide), (i0 + i) * N + j0);
      }
    }
  }

  /**
   * Packs `count` rows or columns, `unit` of them to a panel: for each k below
   * `deep`, entry k of each; up to `depth`, zeros.
   * @param line how far apart two of them are in `from`, and `next` two entries
   */
  function pack(
    from: Floats,
    at: number,
    line: number,
    next: number,
    count: number,
    deep: number,
    to: Floats,
    panels: number,
    unit: number,
    depth: number,
  ): void {
    for (let i = 0; i < count; i += unit) {
      const lines = Math.min(unit, count - i);
      let panel = panels + i * depth;
      for (let k = 0; k < deep; k++, panel += unit) {
        const entry = at + i * line + k * next;
        for (let q = 0; q < lines; q++) to[panel + q] = from[entry + q * line];
      }
      to.fill(0, panel, panels + (i + unit) * depth);
    }
  }
}

const engines = new Map<Kind, Engine>();

/** The engine of a kind of number, made when it is first asked for. */
export function engineOf(kind: Kind): Engine {
  const engine = engines.get(kind) ?? createEngine(kernelCode(kind));
  engines.set(kind, engine);
  return engine;
}

/**
 * Multiplies by the kernel, on one core.
 * @param a (M, K), `b` (K, N), `out` (M, N) for the product
 * @throws as {@link checkProduct}
 */
export const multiplySimd: Multiply = (a, b, out) => {
  checkProduct(a, b, out);
  const c = out ?? zeros(a.rows, b.columns, a.data);
  const engine = engineOf(kindOf(a.data));
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const all = { top: 0, bottom: M, left: 0, right: N };
  multiplyPart(engine, a.data, b.data, c.data, K, N, all);
  return c;
};

if (import.meta.main) {
  const random = lehmer(42);
  for (const like of [new Float32Array(), new Float64Array()]) {
    const peak = measurePeak(kindOf(like));
    console.log(`${kindOf(like)}: peak ${peak.toFixed(1)} GFLOP/s`);
    for (const n of [256, 512, 1024]) {
      const [a, b] = [0, 1].map(() => randomMatrix<Floats>(n, n, like, random));
      const ms = await medianTime(() => multiplySimd(a, b), 7, 3);
      const rate = 2 * n ** 3 / ms / 1e6;
      const error = largestError(a, b, multiplySimd(a, b), 4);
      console.log(
        `${n}`.padStart(7),
        `${rate.toFixed(1).padStart(6)} GFLOP/s`,
        `${(100 * rate / peak).toFixed(0).padStart(4)} % of the peak`,
        `  largest error ${error.toExponential(1)}`,
      );
    }
  }
}
