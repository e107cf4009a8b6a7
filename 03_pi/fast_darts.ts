#!/usr/bin/env -S deno run
/**
 * Q. Make it fast: throw a billion darts.
 *
 * A. The work of a dart is two random numbers, so write the generator into the
 * loop, with its state in local variables: no calls, no array. Then the `if` is
 * what costs: it goes the wrong way for one dart in five, and each time the
 * processor throws away what it has begun. Adding the truth of the comparison, 0
 * or 1, needs no guess. Then use every core: blocks of darts, each from a stream
 * of its own, so that the result does not depend on who counts which.
 *
 * Time O(n), 3 ns a dart and core; space O(workers), whatever n is.
 * Trap: a block's stream depends on the worker that takes it. Then the same seed
 * gives another π at every run.
 * Left out: four darts at a time (SIMD), which needs WebAssembly.
 * Run: `deno run fast_darts.ts`
 * @module
 */
import { Xoshiro128 } from "./generators.ts";
import { checkCount, estimatePi } from "./pi.ts";

/** The darts of one stream; those after them are of the next. */
export const BLOCK = 2 ** 22;

/** More workers would only fill the memory, 8 MB each. */
export const MOST_WORKERS = 256;
/** How many workers this machine has a core for. */
export const CORES = Math.min(MOST_WORKERS, navigator.hardwareConcurrency);

/** How many darts have been thrown, and how many of them are inside. */
export interface Tally {
  darts: number;
  inside: number;
}

/**
 * Throws `n` darts, and counts those inside the quarter circle.
 * @param words the state of xoshiro128++; it is moved on by 2n numbers
 */
export function countInside(n: number, words: Uint32Array): number {
  let a = words[0] | 0, b = words[1] | 0, c = words[2] | 0, d = words[3] | 0;
  let inside = 0;
  for (let i = 0; i < n; i++) {
    let sum = a + d | 0;
    const x = ((sum << 7 | sum >>> 25) + a >>> 0) / 2 ** 32;
    let t = b << 9;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= t, d = d << 11 | d >>> 21;
    sum = a + d | 0;
    const y = ((sum << 7 | sum >>> 25) + a >>> 0) / 2 ** 32;
    t = b << 9;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= t, d = d << 11 | d >>> 21;
    inside += Number(x * x + y * y <= 1);
  }
  words.set([a, b, c, d]);
  return inside;
}

/** The blocks of `n` darts, each with the state where its stream begins. */
export function* blocks(
  n: number,
  seed: number | bigint,
): Generator<{ darts: number; words: Uint32Array }> {
  const generator = new Xoshiro128(seed);
  for (let left = n; left > 0; left -= BLOCK) {
    yield { darts: Math.min(left, BLOCK), words: generator.words.slice() };
    generator.jump();
  }
}

/**
 * Throws `n` darts on several cores, and tells after each block how it stands.
 * The last tally depends on `n` and `seed` only. Up to {@link BLOCK} darts it is
 * that of `estimatePi` with the generator of this seed.
 * @throws {RangeError} if `n` is no integer from 1, or `workers` not one from 1 to 256
 */
export async function* throwDarts(
  n: number,
  seed: number | bigint,
  workers = 1,
): AsyncGenerator<Tally> {
  checkCount(n);
  if (!Number.isInteger(workers) || workers < 1 || workers > MOST_WORKERS) {
    throw new RangeError(
      `Cannot throw darts with ${workers} workers: needs 1 to ${MOST_WORKERS}`,
    );
  }
  const todo = blocks(n, seed);
  const tally = { darts: 0, inside: 0 };
  const url = program();
  const pool: Worker[] = [];
  const busy = new Map<Worker, Promise<[Worker, Tally]>>();
  const employ = (worker: Worker) => {
    busy.delete(worker);
    const { value } = todo.next();
    if (value) busy.set(worker, ask(worker, value.darts, value.words));
  };
  try {
    while (pool.length < Math.min(workers, Math.ceil(n / BLOCK))) {
      pool.push(new Worker(url, { type: "module" }));
    }
    pool.forEach(employ);
    while (busy.size > 0) {
      const [worker, { darts, inside }] = await Promise.race(busy.values());
      employ(worker);
      tally.darts += darts;
      tally.inside += inside;
      yield { ...tally };
    }
  } finally {
    pool.forEach((worker) => worker.terminate());
    URL.revokeObjectURL(url);
  }
}

/** The last tally of all, or that of no dart. */
export async function last(tallies: AsyncIterable<Tally>): Promise<Tally> {
  let tally = { darts: 0, inside: 0 };
  for await (tally of tallies);
  return tally;
}

/** The worker's program, as a blob: to load a file would need --allow-read. */
function program(): string {
  const text = `
    ${countInside}
    onmessage = ({ data: [n, words] }) => postMessage(countInside(n, words));
  `;
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

function ask(
  worker: Worker,
  darts: number,
  words: Uint32Array,
): Promise<[Worker, Tally]> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data: inside }) =>
      resolve([worker, { darts, inside }]);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`A worker failed: ${event.message}`));
    };
    worker.postMessage([darts, words]);
  });
}

if (import.meta.main) {
  const n = 20_000_000;
  const generator = new Xoshiro128(42);
  const ways: Record<string, () => unknown> = {
    "estimatePi, Math.random": () => estimatePi(n, Math.random),
    "estimatePi, xoshiro128++": () => estimatePi(n, generator.random),
    "countInside": () => countInside(n, generator.words),
    [`throwDarts, ${CORES} workers`]: () => last(throwDarts(10 * n, 42, CORES)),
  };
  console.log("nanoseconds a dart");
  for (const [name, way] of Object.entries(ways)) {
    await way();
    const start = performance.now();
    await way();
    const time = performance.now() - start;
    const darts = name.startsWith("throw") ? 10 * n : n;
    console.log(name.padEnd(25), (time / darts * 1e6).toFixed(2).padStart(6));
  }
}
