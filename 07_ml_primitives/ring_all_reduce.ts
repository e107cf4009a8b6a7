#!/usr/bin/env -S deno run
/**
 * Q. Sum the gradients of n workers, so that each has the sum: a ring all-reduce.
 *
 * A. Cut the numbers into n chunks. In each step every worker sends one chunk to its
 * right neighbour and receives one from its left. In n − 1 steps of reduce-scatter it
 * adds what it receives, its neighbour's partial sum and not its first numbers, and
 * passes that on: then each worker has one chunk complete. In n − 1 steps of
 * all-gather the complete chunks go round and replace what was there. Each worker
 * sends 2(n − 1)/n of its numbers, hardly more for more workers; a parameter server
 * would have to move 2n times all of them.
 *
 * Shapes: n workers with d numbers each; chunk j is ⌊j·d/n⌋ up to ⌊(j + 1)·d/n⌋.
 * Time O(d) a worker in 2(n − 1) steps; space O(d/n) besides the result.
 * Trap: one phase is not enough. After it a worker has 1 of n chunks right.
 * Left out: sockets (ring_sockets.ts), pieces that overlap (pipelined_ring.ts).
 * Source: Patarasuk, Yuan (2009), doi:10.1016/j.jpdc.2008.09.002.
 * Run: `deno run ring_all_reduce.ts`
 * @module
 */

/** How two numbers become one; mean is the sum over n. */
export type Operation = "sum" | "mean" | "max" | "min";

/** What all workers end with. */
export interface Reduced {
  /** (n, d) the same in each row, to the last bit */
  results: number[][];
  /** (n,) how many numbers each worker sent */
  sent: number[];
}

const COMBINE: Record<Operation, (x: number, y: number) => number> = {
  sum: (x, y) => x + y,
  mean: (x, y) => x + y,
  max: Math.max, // NaN wins, as in a sum
  min: Math.min,
};

/**
 * Reduces over the workers of a ring. NaN and ±Infinity of one reach them all.
 * @param workers (n, d); left unchanged
 * @throws {RangeError} if there is no worker, or their lengths differ
 */
export function ringAllReduce(
  workers: readonly (readonly number[])[],
  operation: Operation = "sum",
): Reduced {
  const { n, d } = sizesOf(workers);
  const results = workers.map((numbers) => [...numbers]);
  const sent = new Array<number>(n).fill(0);
  const combine = COMBINE[operation];
  for (let step = 0; step < 2 * (n - 1); step++) {
    // All send at the same time, so all is read before any is written.
    const messages = results.map((numbers, r) => {
      const chunk = mod(r - step, n);
      const from = chunkStart(d, n, chunk);
      return { from, data: numbers.slice(from, chunkStart(d, n, chunk + 1)) };
    });
    messages.forEach(({ from, data }, r) => {
      const right = results[mod(r + 1, n)];
      sent[r] += data.length;
      data.forEach((x, i) => {
        const reducing = step < n - 1;
        right[from + i] = reducing ? combine(right[from + i], x) : x;
      });
    });
  }
  if (operation === "mean") {
    return { results: results.map((row) => row.map((x) => x / n)), sent };
  }
  return { results, sent };
}

/**
 * The same through a parameter server, which receives all and sends all back.
 * @returns (d,) the sum, and how many numbers go into and out of the server
 * @throws as {@link ringAllReduce}
 */
export function parameterServer(
  workers: readonly (readonly number[])[],
): { sum: number[]; moved: number } {
  const { n, d } = sizesOf(workers);
  const sum = new Array<number>(d).fill(0);
  let moved = 0;
  for (const numbers of workers) {
    numbers.forEach((x, i) => sum[i] += x);
    moved += d;
  }
  return { sum, moved: moved + n * d };
}

/** Where chunk j of d numbers begins: no two differ by more than 1 in length. */
export function chunkStart(d: number, n: number, j: number): number {
  return Math.floor(j * d / n);
}

const mod = (x: number, n: number) => (x % n + n) % n;

function sizesOf(workers: readonly (readonly number[])[]) {
  const n = workers.length;
  if (n === 0) throw new RangeError("Cannot reduce over no workers");
  const d = workers[0].length;
  const odd = workers.findIndex((numbers) => numbers.length !== d);
  if (odd < 0) return { n, d };
  throw new RangeError(
    `Cannot reduce ${d} numbers of worker 0 with ${
      workers[odd].length
    } of worker ${odd}`,
  );
}

if (import.meta.main) {
  // Worker r has 10^r: a sum shows who is in it.
  const workers = [0, 1, 2, 3].map((r) => new Array<number>(10).fill(10 ** r));
  const { results, sent } = ringAllReduce(workers);
  console.log("worker r has 10^r, ten times; 4 workers");
  console.log("  every worker :", results[0].join(" "));
  console.log("  sent         :", sent.join(" "), "numbers");
  console.log("  a server     :", parameterServer(workers).moved, "in and out");
  // What one phase leaves worker 0 with.
  const half = workers.map((numbers) => [...numbers]);
  for (let step = 0; step < 3; step++) {
    const before = half.map((numbers) => [...numbers]);
    before.forEach((numbers, r) => {
      const chunk = mod(r - step, 4);
      for (
        let i = chunkStart(10, 4, chunk);
        i < chunkStart(10, 4, chunk + 1);
        i++
      ) {
        half[mod(r + 1, 4)][i] += numbers[i];
      }
    });
  }
  console.log("  one phase    :", half[0].join(" "));
  const tenths = [0.1, 0.1, 0.4].map((x) => [x]);
  console.log(
    "0.1, 0.1, 0.4 :",
    ringAllReduce(tenths).results[0][0],
    "in the ring,",
    parameterServer(tenths).sum[0],
    "in order",
  );
}
