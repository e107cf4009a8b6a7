#!/usr/bin/env -S deno run
/**
 * Q. What does NCCL do that the simple ring does not?
 *
 * A. It cuts each chunk into pieces. In the simple ring a worker sends a chunk, waits
 * for one, adds it, and only then sends again: the link is idle while it adds. In
 * pieces it adds the first while the second is still on its way, and passes it on at
 * once. Too many pieces cost too, as each pays for a message. What is left is
 * 2(n − 1)/n · d numbers over one link, which no all-reduce can go below. It also
 * picks rings along the fastest links, and trees where n is large and d small.
 *
 * Shapes: n workers, d numbers each; n chunks of d/n, each in m pieces; times in s.
 * Time 2(n − 1) · m messages a worker; space O(n·d) for this simulation.
 * Trap: to count bandwidth and forget the message: small tensors are all latency.
 * Left out: links of different speed, trees, congestion.
 * Source: Patarasuk, Yuan (2009), doi:10.1016/j.jpdc.2008.09.002, for the bound.
 * Run: `deno run pipelined_ring.ts`
 * @module
 */

/** What things take, in seconds. */
export interface Costs {
  /** To start a message. */
  message: number;
  /** To send a number, once the message is started. */
  number: number;
  /** To add a number. */
  add: number;
}

/**
 * Sums over a ring in pieces, and tells how long that takes: each link carries one
 * message at a time, each worker adds one at a time, and sends while it adds.
 * @param workers (n, d); left unchanged
 * @param pieces m of each chunk; 1 is the simple ring
 * @returns results (n, d), and when the last worker has its last number
 * @throws {RangeError} if m is no whole number from 1, a cost is below 0 or not finite, there is no
 * worker, or their lengths differ
 */
export function pipelinedRing(
  workers: readonly (readonly number[])[],
  pieces: number,
  costs: Costs,
): { results: number[][]; seconds: number } {
  const [n, d] = [workers.length, workers[0]?.length ?? 0];
  check(workers, pieces, costs);
  const results = workers.map((numbers) => [...numbers]);
  const parts = n * pieces; // part p is piece p % m of chunk ⌊p / m⌋
  const start = (part: number) => Math.floor(part * d / parts);
  /** (n, parts) when a worker may send a part. */
  const ready = workers.map(() => new Array<number>(parts).fill(0));
  const linkFree = new Array<number>(n).fill(0);
  const adderFree = new Array<number>(n).fill(0);
  let seconds = 0;
  for (let step = 0; step < 2 * (n - 1); step++) {
    for (let piece = 0; piece < pieces; piece++) {
      const messages = results.map((numbers, r) => {
        const part = mod(r - step, n) * pieces + piece;
        const [from, to] = [start(part), start(part + 1)];
        const begin = Math.max(ready[r][part], linkFree[r]);
        linkFree[r] = begin + costs.message + (to - from) * costs.number;
        return { part, from, data: numbers.slice(from, to) };
      });
      messages.forEach(({ part, from, data }, r) => {
        const right = mod(r + 1, n);
        let done = linkFree[r];
        if (step < n - 1) {
          data.forEach((x, i) => results[right][from + i] += x);
          done = Math.max(done, adderFree[right]) + data.length * costs.add;
          adderFree[right] = done;
        } else {
          data.forEach((x, i) => results[right][from + i] = x);
        }
        ready[right][part] = done;
        seconds = Math.max(seconds, done);
      });
    }
  }
  return { results, seconds };
}

/** The least time of any all-reduce: what each link must carry, and nothing else. */
export function lowerBound(n: number, d: number, { number }: Costs): number {
  return 2 * (n - 1) / n * d * number;
}

const mod = (x: number, n: number) => (x % n + n) % n;

function check(
  workers: readonly (readonly number[])[],
  pieces: number,
  costs: Costs,
): void {
  if (workers.length === 0) {
    throw new RangeError("Cannot reduce over no workers");
  }
  const odd = workers.findIndex(({ length }) => length !== workers[0].length);
  if (odd >= 0) {
    throw new RangeError(
      `Cannot reduce ${workers[0].length} numbers of worker 0 with ${
        workers[odd].length
      } of worker ${odd}`,
    );
  }
  if (!Number.isSafeInteger(pieces) || pieces < 1) {
    throw new RangeError(`Cannot cut a chunk into ${pieces} pieces`);
  }
  for (const [name, cost] of Object.entries(costs)) {
    if (cost >= 0 && cost < Infinity) continue;
    throw new RangeError(`Cannot reckon with ${name} at ${cost} s`);
  }
}

if (import.meta.main) {
  const [n, d] = [8, 2 ** 16];
  const workers = Array.from({ length: n }, () => new Array<number>(d).fill(1));
  // 4 bytes a number at 0.4 and at 40 GB/s; a message takes 1 µs.
  const slow = { message: 1e-6, number: 1e-8, add: 5e-9 };
  const fast = { message: 1e-6, number: 1e-10, add: 5e-11 };
  for (const [name, costs] of Object.entries({ slow, fast })) {
    const least = lowerBound(n, d, costs);
    console.log(`${name} links, ${n} workers, ${d} numbers, in µs`);
    for (const m of [1, 2, 4, 16, 64]) {
      const { seconds } = pipelinedRing(workers, m, costs);
      const times = (seconds / least).toFixed(2);
      console.log(
        `  ${m} piece(s)`.padEnd(16),
        (seconds * 1e6).toFixed(0).padStart(7),
        `${times} times the bound`,
      );
    }
  }
}
