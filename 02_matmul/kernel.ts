#!/usr/bin/env -S deno run
/**
 * Q. Write the innermost loop of a matrix product for a processor with SIMD.
 *
 * A. Keep a tile of the product in vector registers: 6 rows of 2 vectors are 12
 * sums, which with 2 vectors of b and one number of a fill 15 of the 16 registers
 * there are. For each k load 2 vectors and 6 numbers and multiply and add 12
 * vectors. Each sum waits for nothing but itself, so both units of a processor that
 * multiplies and adds in 4 steps have 12 sums to do in turn, and 8 are enough.
 *
 * Shapes: rows (6, depth), columns (depth, 2 vectors), tile (6, 2 vectors); a
 * vector has 4 f32 or 2 f64.
 * Time O(depth) a tile, 12 multiply-adds of vectors for 8 loads; space O(1).
 * Trap: a tile of 4 rows of 3 vectors. It needs one register too many, and what is
 * spilled to memory halves its speed.
 * Left out: prefetching, wider vectors, other tiles for flat shapes.
 * Source: Van Zee, van de Geijn (2015), doi:10.1145/2764454.
 * Run: `deno run kernel.ts`
 * @module
 */
import * as wasm from "./assembler.ts";
import { type Code, get, I32, LANES, set, tee, V128 } from "./assembler.ts";
import { type Floats, medianTime } from "./matrix.ts";

/** The kind of number that a kernel multiplies. */
export type Kind = keyof typeof LANES;

/** Rows of a tile. */
export const ROWS = 6;
/** Vectors in each of them. */
const VECTORS = 2;
/** How many k one turn of the innermost loop takes. */
const UNROLL = 4;
/** Bytes of a vector. */
const VECTOR = 16;

/**
 * Adds tiles to a block of the product: for each panel of columns, for each panel
 * of rows, (ROWS, depth) times (depth, columns).
 * @param a address of the row panels: for each k, one number of each row
 * @param b address of the column panels: for each k, VECTORS vectors
 * @param c address of the block
 * @param depth a multiple of UNROLL, not 0
 * @param rowTiles not 0
 * @param columnTiles not 0
 * @param bStride bytes from one column panel to the next
 * @param cStride bytes from one row of the block to the next
 */
export type Kernel = (
  a: number,
  b: number,
  c: number,
  depth: number,
  rowTiles: number,
  columnTiles: number,
  bStride: number,
  cStride: number,
) => void;

/** The code of a {@link Kernel}, with or without the fused multiply-add. */
export function assembleKernel(
  kind: Kind,
  relaxed: boolean,
): Uint8Array<ArrayBuffer> {
  const { bytes, splat, add } = LANES[kind];
  let count = 0;
  const locals = (n: number) => Array.from({ length: n }, () => count++);
  const [a, b, c, depth, rowTiles, columnTiles, bStride, cStride] = locals(8);
  const [rowPanel, columnPanel, row, tile, k] = locals(5);
  const sums = locals(ROWS * VECTORS);
  const y = locals(VECTORS);
  const [x] = locals(1);
  const step = (local: number, ...by: Code) => [
    ...get(local),
    ...by,
    ...wasm.add,
    ...set(local),
  ];
  const countDown = (local: number, by = 1) => [
    ...get(local),
    ...wasm.constant(by),
    ...wasm.subtract,
    ...tee(local),
  ];
  const turn = range(UNROLL).flatMap((u) => [
    ...y.flatMap((vector, v) => [
      ...get(columnPanel),
      ...wasm.load((u * VECTORS + v) * VECTOR),
      ...set(vector),
    ]),
    ...range(ROWS).flatMap((r) => [
      ...get(rowPanel),
      ...splat((u * ROWS + r) * bytes),
      ...set(x),
      ...y.flatMap((vector, v) =>
        madd(kind, relaxed, x, vector, sums[r * VECTORS + v])
      ),
    ]),
  ]);
  const addSums = range(ROWS).flatMap((r) => [
    ...range(VECTORS).flatMap((v) => [
      ...get(row),
      ...get(row),
      ...wasm.load(v * VECTOR),
      ...get(sums[r * VECTORS + v]),
      ...add,
      ...wasm.store(v * VECTOR),
    ]),
    ...step(row, ...get(cStride)),
  ]);
  const body = wasm.repeat(
    [...get(a), ...set(rowPanel)],
    [...get(c), ...set(row)],
    [...get(rowTiles), ...set(tile)],
    wasm.repeat(
      sums.flatMap((sum) => [...wasm.zeroVector, ...set(sum)]),
      [...get(b), ...set(columnPanel)],
      [...get(depth), ...set(k)],
      wasm.repeat(
        turn,
        step(rowPanel, ...wasm.constant(UNROLL * ROWS * bytes)),
        step(columnPanel, ...wasm.constant(UNROLL * VECTORS * VECTOR)),
        countDown(k, UNROLL),
      ),
      addSums,
      countDown(tile),
    ),
    step(b, ...get(bStride)),
    step(c, ...wasm.constant(VECTORS * VECTOR)),
    countDown(columnTiles),
  );
  return wasm.assemble(8, [[5, I32], [sums.length + VECTORS + 1, V128]], body);
}

/** sum += x · y, of vectors in locals, in one instruction or in two. */
function madd(
  kind: Kind,
  relaxed: boolean,
  x: number,
  y: number,
  sum: number,
): Code {
  const { add, multiply, relaxedMadd } = LANES[kind];
  return relaxed
    ? [...get(x), ...get(y), ...get(sum), ...relaxedMadd, ...set(sum)]
    : [...get(sum), ...get(x), ...get(y), ...multiply, ...add, ...set(sum)];
}

const codes = new Map<Kind, Uint8Array<ArrayBuffer>>();

/** The code of the fastest kernel that the engine knows, assembled once. */
export function kernelCode(kind: Kind): Uint8Array<ArrayBuffer> {
  const code = codes.get(kind) ?? assembleKernel(kind, hasRelaxedMadd());
  codes.set(kind, code);
  return code;
}

/** Whether the engine knows the fused multiply-add; all do since 2024 or so. */
export function hasRelaxedMadd(): boolean {
  return WebAssembly.validate(assembleKernel("f32", true));
}

/** The kind of the entries of an array. */
export const kindOf = (data: Floats): Kind =>
  data instanceof Float32Array ? "f32" : "f64";

/** A kernel and the memory that it works on. */
export interface Engine {
  kernel: Kernel;
  memory: WebAssembly.Memory;
}

/** Makes a kernel, with a memory of its own. */
export function createEngine(code: BufferSource): Engine {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(code);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return { kernel: exports.run as Kernel, memory };
}

/**
 * The most that this machine's core can do in WebAssembly: multiply-adds on 12
 * sums in registers, and nothing else.
 * @returns GFLOP/s, the best of some runs
 */
export function measurePeak(kind: Kind): number {
  const { bytes } = LANES[kind];
  const sums = range(12).map((i) => i + 1);
  const x = 13;
  const fused = hasRelaxedMadd();
  const body = wasm.repeat(
    sums.flatMap((sum) => madd(kind, fused, x, x, sum)),
    [...get(0), ...wasm.constant(1), ...wasm.subtract, ...tee(0)],
  );
  const keep = sums.flatMap((sum) => [
    ...wasm.constant(0),
    ...get(sum),
    ...wasm.store(0),
  ]);
  const code = wasm.assemble(1, [[13, V128]], [...body, ...keep]);
  const run = createEngine(code).kernel as unknown as (turns: number) => void;
  const turns = 2_000_000;
  const times = range(8).map(() => {
    const start = performance.now();
    run(turns);
    return performance.now() - start;
  });
  const operations = turns * 12 * (VECTOR / bytes) * 2;
  return operations / Math.min(...times) / 1e6;
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

if (import.meta.main) {
  console.log(`fused multiply-add: ${hasRelaxedMadd() ? "yes" : "no"}`);
  for (const kind of ["f32", "f64"] as const) {
    const { bytes } = LANES[kind];
    const code = kernelCode(kind);
    const { kernel, memory } = createEngine(code);
    // 20 row panels of (6, 256), 32 column panels of (256, 2 vectors), a block
    const [depth, rowTiles, columnTiles] = [256, 20, 32];
    const panel = depth * VECTORS * VECTOR;
    const rows = columnTiles * panel;
    const block = rows + rowTiles * ROWS * depth * bytes;
    const stride = columnTiles * VECTORS * VECTOR;
    memory.grow(Math.ceil((block + rowTiles * ROWS * stride) / 65536));
    const run = () =>
      kernel(rows, 0, block, depth, rowTiles, columnTiles, panel, stride);
    const ms = await medianTime(run, 300, 100);
    const operations = 2 * rowTiles * ROWS * depth * (stride / bytes);
    const [rate, peak] = [operations / ms / 1e6, measurePeak(kind)];
    console.log(
      `${kind}: ${code.length} bytes of code, ${rate.toFixed(1)} GFLOP/s,`,
      `${(100 * rate / peak).toFixed(0)} % of the peak of ${peak.toFixed(1)}`,
    );
  }
}
