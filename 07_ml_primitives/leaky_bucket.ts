#!/usr/bin/env -S deno run
/**
 * Q. What is the difference between a token bucket and a leaky bucket?
 *
 * A. There are two leaky buckets. The queue lets requests out at a constant rate,
 * 1 / rate seconds apart, however they come in: a burst waits, and what does not fit
 * the queue is refused. The meter has no queue: each request pours in, the level
 * leaks away at the rate, and a request that would overflow is refused. That is a
 * token bucket upside down, level = capacity − tokens, and says yes and no to the
 * same requests. So a token bucket passes bursts on, a queue smooths them.
 *
 * Shapes: times in seconds.
 * Time O(1) a request; space O(1).
 * Trap: to take the meter for the queue. "Strictly constant" is the queue alone.
 * Left out: running the requests, and giving them up while they wait.
 * Source: Turner (1986), doi:10.1109/MCOM.1986.1092946; ITU-T I.371, for the meter.
 * Run: `deno run leaky_bucket.ts`
 * @module
 */

/** Requests leave 1 / rate seconds apart, or later if none is there. */
export class LeakyQueue {
  readonly #size: number;
  readonly #gap: number;
  readonly #now: () => number;
  /** When the next request may leave. */
  #free = -Infinity;

  /**
   * @param size how many may wait, besides the one that leaves
   * @param rate requests a second
   * @param now a monotonic clock, in seconds
   * @throws {RangeError} unless size is a whole number from 0 and 0 < rate < ∞
   */
  constructor(
    size: number,
    rate: number,
    now = () => performance.now() / 1000,
  ) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new RangeError(
        `Cannot queue ${size} requests: needs a whole number`,
      );
    }
    if (!(rate > 0 && rate < Infinity)) {
      throw new RangeError(
        `Cannot let out ${rate} requests a second: needs 0 < rate`,
      );
    }
    this.#size = size;
    this.#gap = 1 / rate;
    this.#now = now;
  }

  /** When a request that comes now leaves, in seconds; undefined if it is refused. */
  enter(): number | undefined {
    const now = this.#now();
    const leaves = Math.max(now, this.#free);
    // As many wait as gaps fit between now and then. A sum of gaps rounds.
    const waiting = Math.ceil((leaves - now) / this.#gap - 1e-9);
    if (waiting > this.#size) return undefined;
    this.#free = leaves + this.#gap;
    return leaves;
  }
}

/** A level that leaks away at a rate; it may not pass the capacity. */
export class LeakyMeter {
  readonly #capacity: number;
  readonly #rate: number;
  readonly #now: () => number;
  #level = 0;
  #last: number;

  /**
   * @param rate what leaks in a second
   * @param now a monotonic clock, in seconds
   * @throws {RangeError} unless 0 < capacity and 0 < rate < ∞
   */
  constructor(
    capacity: number,
    rate: number,
    now = () => performance.now() / 1000,
  ) {
    if (!(capacity > 0)) {
      throw new RangeError(`Cannot hold ${capacity}: needs capacity > 0`);
    }
    if (!(rate > 0 && rate < Infinity)) {
      throw new RangeError(`Cannot leak ${rate} a second: needs 0 < rate`);
    }
    [this.#capacity, this.#rate, this.#now] = [capacity, rate, now];
    this.#last = now();
  }

  /** What is in it now. */
  get level(): number {
    const now = this.#now();
    if (now > this.#last) {
      this.#level = Math.max(0, this.#level - (now - this.#last) * this.#rate);
      this.#last = now;
    }
    return this.#level;
  }

  /**
   * Pours n in, or nothing. @returns whether it fits
   * @throws {RangeError} if n is negative or no number, or above the capacity
   */
  pour(n = 1): boolean {
    if (!(n >= 0 && n <= this.#capacity && n < Infinity)) {
      throw new RangeError(
        `Cannot pour ${n} into a bucket of ${this.#capacity}`,
      );
    }
    // The tolerance of TokenBucket; relative to the capacity, 1e9 would pass 1 more.
    if (this.level + n - this.#capacity > 1e-9 * Math.max(1, n)) return false;
    this.#level += n;
    return true;
  }
}

if (import.meta.main) {
  let time = 0;
  const clock = () => time;
  const queue = new LeakyQueue(3, 2, clock);
  const meter = new LeakyMeter(4, 2, clock);
  console.log("six requests at once, at 0 s, and one at 0.5 s; 2 a second");
  const [out, passed]: [string[], string[]] = [[], []];
  for (const at of [0, 0, 0, 0, 0, 0, 0.5]) {
    time = at;
    const leaves = queue.enter();
    out.push(leaves === undefined ? "refused" : `${leaves} s`);
    passed.push(meter.pour() ? `${at} s` : "refused");
  }
  console.log("queue of 3, leaves at :", out.join(", "));
  console.log("meter of 4, passes at :", passed.join(", "));
}
