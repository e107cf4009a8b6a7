#!/usr/bin/env -S deno run
/**
 * Q. Requests come one by one, and the model is faster in batches. When do you start one?
 *
 * A. A batch of n takes a + b·n: reading the weights costs a, whoever asks, so a batch
 * serves n for little more than one. Start when the machine is free, and the batch is full
 * or its first request has waited as long as it may. While one batch runs the next one
 * gathers by itself, so under load no wait is needed; and without batches the queue grows
 * without end. To wait while the machine is idle makes fewer and larger batches, which
 * saves work, and everybody pays with latency. Measure what 99 % stay below, at the load
 * that you have.
 *
 * Shapes: N requests; times in ms.
 * Time O(N); space O(N).
 * Trap: no time limit: the last requests wait for a batch that never fills.
 * Left out: batches that change while they run (continuous batching), padding, priorities.
 * Source: Crankshaw et al. (2017), Clipper, https://www.usenix.org/conference/nsdi17;
 * without batches it is the queue M/D/1: Kleinrock (1975), Queueing Systems 1, 5.5.
 * Run: `deno run dynamic_batching.ts`
 * @module
 */

/** When a batch starts, and how long it takes. */
export interface Policy {
  /** The most requests a batch, at least 1. */
  readonly size: number;
  /** How long the first of a batch waits for others, in ms; 0: not at all. */
  readonly wait: number;
  /** ms for any batch, and for each request in it. */
  readonly perBatch: number;
  readonly perRequest: number;
}

/** A batch that ran. */
export interface Batch {
  readonly start: number;
  readonly end: number;
  /** Requests, as indices of the arrivals. */
  readonly requests: readonly number[];
}

/**
 * Runs all requests on one machine, in the order in which they came.
 * @param arrivals (N,) ms, in order
 * @throws {RangeError} if times are out of order, or a number of the policy is none
 */
export function simulate(arrivals: readonly number[], policy: Policy): Batch[] {
  const { size, wait, perBatch, perRequest } = policy;
  if (!(Number.isInteger(size) && size >= 1)) {
    throw new RangeError(`Cannot make batches of ${size}`);
  }
  for (const ms of [wait, perBatch, perRequest]) {
    if (!(ms >= 0 && ms < Infinity)) {
      throw new RangeError(`Cannot take ${ms} ms: needs 0 or more`);
    }
  }
  arrivals.forEach((time, n) => {
    if (Number.isFinite(time) && time >= (arrivals[n - 1] ?? time)) return;
    throw new RangeError(
      `Cannot come at ${time} ms: request ${n} is out of order`,
    );
  });
  const batches: Batch[] = [];
  let free = -Infinity;
  for (let first = 0; first < arrivals.length;) {
    // Full, or out of time; but not before the machine is free.
    const full = arrivals[first + size - 1] ?? Infinity;
    const start = Math.max(free, Math.min(full, arrivals[first] + wait));
    let last = first;
    while (last < first + size && arrivals[last] <= start) last++;
    const requests = Array.from({ length: last - first }, (_, i) => first + i);
    free = start + perBatch + perRequest * requests.length;
    batches.push({ start, end: free, requests });
    first = last;
  }
  return batches;
}

/** What users see. */
export interface Summary {
  /** From arrival to answer, in ms: the mean, and what 99 % stay at or below. */
  readonly mean: number;
  readonly p99: number;
  /** Requests a batch. */
  readonly size: number;
  /** The share of the time, up to the last answer, in which the machine runs; or 0. */
  readonly busy: number;
}

/** Sums up a simulation of at least one request. */
export function summarise(
  arrivals: readonly number[],
  batches: readonly Batch[],
): Summary {
  const latencies = batches.flatMap(({ end, requests }) =>
    requests.map((n) => end - arrivals[n])
  ).sort((a, b) => a - b); // (N,)
  const N = latencies.length;
  if (N === 0) throw new RangeError("Cannot sum up 0 requests");
  const running = batches.reduce((sum, { start, end }) => sum + end - start, 0);
  const all = batches[batches.length - 1].end - arrivals[0];
  return {
    mean: latencies.reduce((sum, ms) => sum + ms, 0) / N,
    p99: latencies[Math.ceil(0.99 * N) - 1],
    size: N / batches.length,
    busy: all > 0 ? running / all : 0,
  };
}

/**
 * Arrivals that do not know of each other, a Poisson process.
 * @param rate requests a second
 * @returns (N,) ms, in order
 * @throws {RangeError} if the rate is not above 0
 */
export function poisson(
  N: number,
  rate: number,
  random: () => number,
): number[] {
  if (!(rate > 0 && rate < Infinity)) {
    throw new RangeError(`Cannot draw at ${rate} a second: must be above 0`);
  }
  let time = 0;
  return Array.from(
    { length: N },
    () => time -= Math.log(1 - random()) * 1000 / rate,
  );
}

if (import.meta.main) {
  const work = { perBatch: 20, perRequest: 0.5 };
  console.log("a batch takes 20 ms, and 0.5 ms a request\n");
  console.log("requests/s  size  wait  in a batch  busy   mean ms  p99 ms");
  for (const rate of [10, 40, 200, 1000]) {
    let seed = 1;
    const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
    const arrivals = poisson(5000, rate, random);
    for (const [size, wait] of [[1, 0], [32, 0], [32, 10], [32, 100]]) {
      const batches = simulate(arrivals, { ...work, size, wait });
      const { mean, p99, size: n, busy } = summarise(arrivals, batches);
      console.log(
        `${rate}`.padEnd(11),
        `${size}`.padEnd(5),
        `${wait}`.padEnd(5),
        n.toFixed(1).padEnd(11),
        busy.toFixed(2).padEnd(6),
        mean.toFixed(1).padStart(7),
        p99.toFixed(0).padStart(7),
      );
    }
  }
}
