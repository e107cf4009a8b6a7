#!/usr/bin/env -S deno run
/**
 * Q. How does CUDA work? What does kernel<<<grid, block>>>(…) do?
 *
 * A. It calls one function once for each thread of grid × block. Each thread asks who
 * it is, i = blockIdx.y · blockDim.y + threadIdx.y, and works on its own part of the
 * data. Nobody promises an order. Whole blocks go to the multiprocessors; as many as
 * fit are resident, and the rest wait. Sizes are whole blocks, so at the edge there
 * are threads without work, and `if (i < N && j < N)` must send them home.
 * An H100 holds 270,336 threads: N² of them, for N = 4096, come in 63 waves.
 *
 * CUDA's names, and WebGPU's: grid of blocks, workgroups; gridDim, num_workgroups;
 * thread, invocation; blockIdx, workgroup_id; threadIdx, local_invocation_id;
 * blockDim, @workgroup_size; blockIdx · blockDim + threadIdx, global_invocation_id;
 * <<<grid, block>>>, dispatchWorkgroups(grid).
 *
 * Shapes: a, b, product (N, N), row by row.
 * Time O(grid · block · N) for the product; space O(grid · block).
 * Trap: without the check a thread beyond column N writes into the next row. That row's
 * own thread may write later and hide it: in row order all is right, in others not.
 * Left out: threads that run at once, barriers, z; registers and shared memory, which
 * bound what is resident; and that a block starts as soon as another ends.
 * Source: NVIDIA, CUDA C++ Programming Guide; NVIDIA, Hopper Tuning Guide, 1.4.1.1;
 * NVIDIA H100 Tensor Core GPU Architecture (2022).
 * Run: `deno run threads.ts`
 * @module
 */
import { lehmer } from "./testing.ts";

/** Sizes or places in a plane. */
export type Plane = readonly [x: number, y: number];

/** Who a thread is, in CUDA's words. */
export interface Thread {
  blockIdx: { x: number; y: number };
  threadIdx: { x: number; y: number };
  blockDim: { x: number; y: number };
}

/** What every thread runs. */
export type Kernel = (thread: Thread) => void;

/** Row after row, column after column, or as chance has it: numbers from 0 to 1. */
export type Order = "rows" | "columns" | (() => number);

/** The most threads that CUDA takes in a block; WebGPU promises no more than 256. */
const MOST_THREADS = 1024;

/**
 * Calls `kernel` once for each thread, one at a time: `kernel<<<grid, block>>>()`.
 * @param grid blocks @param block threads in each
 * @throws {RangeError} if a size is no whole number from 1, or a block has too many
 */
export function launch(
  grid: Plane,
  block: Plane,
  kernel: Kernel,
  order: Order = "rows",
): void {
  const [[gridX, gridY], [blockX, blockY]] = [grid, block];
  const task = `Cannot launch ${grid} blocks of ${block} threads`;
  for (const size of [...grid, ...block]) whole(task, "a size", size);
  if (blockX * blockY > MOST_THREADS) {
    throw new RangeError(
      `${task}: ${blockX * blockY} are above ${MOST_THREADS}`,
    );
  }
  const [width, height] = [gridX * blockX, gridY * blockY];
  const threads = Array.from({ length: width * height }, (_, n) => n);
  if (typeof order === "function") {
    for (let n = threads.length - 1; n > 0; n--) {
      const m = Math.floor(order() * (n + 1));
      [threads[n], threads[m]] = [threads[m], threads[n]];
    }
  }
  for (const n of threads) {
    const down = order === "columns";
    const x = down ? Math.floor(n / height) : n % width;
    const y = down ? n % height : Math.floor(n / width);
    kernel({
      blockIdx: { x: Math.floor(x / blockX), y: Math.floor(y / blockY) },
      threadIdx: { x: x % blockX, y: y % blockY },
      blockDim: { x: blockX, y: blockY },
    });
  }
}

/** How many blocks of such a size cover N: the last may reach over the edge. */
export function blocksFor(N: number, block: number): number {
  for (const size of [N, block]) whole("Cannot cover", "a size", size);
  return Math.ceil(N / block);
}

/** A product of matrices, with a record of who wrote where. */
export interface Product {
  N: number;
  /** (N, N) */
  a: Float64Array;
  b: Float64Array;
  c: Float64Array;
  /** Each write to c in turn: to where, and for an entry of which row. */
  writes: { at: number; i: number }[];
}

/**
 * The usual answer: a thread an element of c = a · b, with the check or without. Past
 * the end a number is NaN here, and a write is lost; CUDA touches what lies there.
 */
export function matmul({ N, a, b, c, writes }: Product, check = true): Kernel {
  return ({ blockIdx, blockDim, threadIdx }) => {
    const i = blockIdx.y * blockDim.y + threadIdx.y;
    const j = blockIdx.x * blockDim.x + threadIdx.x;
    if (check && !(i < N && j < N)) return;
    let sum = 0;
    for (let k = 0; k < N; k++) sum += a[i * N + k] * b[k * N + j];
    c[i * N + j] = sum;
    writes.push({ at: i * N + j, i });
  };
}

/** How many writes went past the end of c, and how many into another row of it. */
export function strays({ N, writes }: Product): { past: number; row: number } {
  const inside = writes.filter(({ at }) => at < N * N);
  const row = inside.filter(({ at, i }) => Math.floor(at / N) !== i).length;
  return { past: writes.length - inside.length, row };
}

/** The same on the CPU, as it is taught: it adds to c, which has to be zeros. */
export function tripleLoop({ N, a, b, c }: Product): void {
  for (let i = 0; i < N; i++) {
    for (let j = 0; j < N; j++) {
      for (let k = 0; k < N; k++) c[i * N + j] += a[i * N + k] * b[k * N + j];
    }
  }
}

/** What a GPU holds at once. */
export interface Chip {
  processors: number;
  /** On each processor, like the blocks, if its registers suffice. */
  residentThreads: number;
  residentBlocks: number;
  /** Threads that step together; a block takes whole warps. */
  warp: number;
}

/** NVIDIA's H100 SXM. */
export const H100: Chip = {
  ...{ processors: 132, residentThreads: 2048, residentBlocks: 32, warp: 32 },
};

/** What a launch comes to on a GPU. */
export interface Run {
  blocks: number;
  /** The most that can be resident at once, and the threads in them. */
  residentBlocks: number;
  residentThreads: number;
  waves: number;
  /** The share of the last wave's places that stay empty. */
  idle: number;
}

/**
 * In how many turns a launch is done, if all blocks take the same time.
 * @throws {RangeError} if a number is no whole number from 1, or no block fits
 */
export function waves(
  x: Chip & { threads: number; blockThreads: number },
): Run {
  const task = `Cannot run blocks of ${x.blockThreads} threads`;
  for (const [name, size] of Object.entries(x)) whole(task, name, size);
  const places = Math.ceil(x.blockThreads / x.warp) * x.warp;
  const fit = Math.floor(x.residentThreads / places);
  if (fit < 1) {
    throw new RangeError(
      `${task}: each takes ${places} places, and a processor has ${x.residentThreads}`,
    );
  }
  const blocks = Math.ceil(x.threads / x.blockThreads);
  const residentBlocks = x.processors * Math.min(fit, x.residentBlocks);
  const waves = Math.ceil(blocks / residentBlocks);
  return {
    blocks,
    residentBlocks,
    residentThreads: residentBlocks * x.blockThreads,
    waves,
    idle: (waves * residentBlocks - blocks) / residentBlocks,
  };
}

/** @throws {RangeError} unless `size` is a whole number from 1 */
function whole(task: string, name: string, size: number): void {
  if (Number.isSafeInteger(size) && size >= 1) return;
  throw new RangeError(`${task}: ${name} is ${size}, no whole number from 1`);
}

if (import.meta.main) {
  const [N, B] = [5, 4];
  const blocks = blocksFor(N, B);
  const random = lehmer(42);
  const [a, b] = [0, 1].map(() => Float64Array.from({ length: N * N }, random));
  const fresh = (start = 0): Product => ({
    ...{ N, a, b, c: new Float64Array(N * N).fill(start), writes: [] },
  });
  const right = fresh();
  tripleLoop(right);
  const wrong = ({ c }: Product) =>
    c.filter((x, at) => x !== right.c[at]).length;
  console.log(`N = ${N}, blocks of ${B} × ${B}: ${(blocks * B) ** 2} threads`);
  for (const order of ["rows", "columns", random] as const) {
    const x = fresh();
    launch([blocks, blocks], [B, B], matmul(x, false), order);
    console.log(
      `unchecked, ${typeof order === "string" ? `by ${order}` : "shuffled"}:`,
      `${strays(x).past} writes past the end, ${
        strays(x).row
      } into another row,`,
      `${wrong(x)} of ${N * N} wrong`,
    );
  }
  const [loop, kernel] = [fresh(7), fresh(7)];
  tripleLoop(loop);
  launch([blocks, blocks], [B, B], matmul(kernel));
  console.log(
    `checked, c full of sevens before: ${wrong(kernel)} wrong by the kernel,`,
    `${wrong(loop)} by the loop`,
  );
  for (const [N, B] of [[4096, 16], [4096, 4]]) {
    const run = waves({ threads: N * N, blockThreads: B * B, ...H100 });
    console.log(
      `N = ${N}, blocks of ${B} × ${B}, H100: ${N * N} threads, at most`,
      `${run.residentThreads} resident; waves: ${run.waves}, the last one`,
      `${(100 * run.idle).toFixed(0)} % empty`,
    );
  }
}
