#!/usr/bin/env -S deno run
/**
 * Q. Limit a client to so many requests a second, with bursts: a token bucket.
 *
 * A. The bucket holds up to `capacity` tokens and gains `rate` a second; a request
 * takes some, or is refused and takes none. No timer fills it: at each request I add
 * what has come in since the last one, and cut it at the capacity. That is two
 * numbers a client, and no work while nobody asks. The clock must be monotonic: the
 * time of day jumps, and a jump back would take tokens away. In any T seconds at most
 * capacity + rate · T are granted.
 *
 * Shapes: n tokens of a request; times in seconds.
 * Time O(1) a request; space O(1) a client.
 * Trap: a request for more than the capacity. It would wait for ever.
 * Left out: several processes (shared_limiter.ts), a queue (leaky_bucket.ts).
 * Source: Turner (1986), "New directions in communications", doi:10.1109/MCOM.1986.1092946.
 * Run: `deno run token_bucket.ts`
 * @module
 */

/** What a bucket allows. */
export interface Limit {
  /** Tokens it holds, and starts with; Infinity is no limit. */
  readonly capacity: number;
  /** Tokens a second that come in; 0 fills it never. */
  readonly rate: number;
}

/** Sums of fractions stay a little below what they should be: ten times 0.1. */
const DRIFT = 1e-9;

/** A bucket that starts full. */
export class TokenBucket {
  readonly limit: Limit;
  readonly #now: () => number;
  #tokens: number;
  #last: number;

  /**
   * @param now a monotonic clock, in seconds
   * @throws {RangeError} unless capacity > 0 and 0 ≤ rate < ∞
   */
  constructor(limit: Limit, now = () => performance.now() / 1000) {
    const { capacity, rate } = limit;
    if (!(capacity > 0)) {
      throw new RangeError(
        `Cannot hold ${capacity} tokens: needs capacity > 0`,
      );
    }
    if (!(rate >= 0 && rate < Infinity)) {
      throw new RangeError(
        `Cannot gain ${rate} tokens a second: needs 0 ≤ rate`,
      );
    }
    this.limit = { capacity, rate };
    this.#now = now;
    this.#tokens = capacity;
    this.#last = now();
  }

  /** Tokens now; changes nothing that a later call would see otherwise. */
  get tokens(): number {
    return Math.max(0, this.#refill());
  }

  /** What has come in since; a debt of DRIFT stays, or each request would get one. */
  #refill(): number {
    const now = this.#now();
    // A clock that goes back gives no tokens, and takes none.
    if (now > this.#last) {
      const gained = (now - this.#last) * this.limit.rate;
      this.#tokens = Math.min(this.limit.capacity, this.#tokens + gained);
      this.#last = now;
    }
    return this.#tokens;
  }

  /**
   * Takes n tokens, or none.
   * @param n from 0; fractions are allowed
   * @returns whether they were there
   * @throws {RangeError} if n is negative or no number, or above the capacity
   */
  take(n = 1): boolean {
    if (this.wait(n) > 0) return false;
    this.#tokens -= n;
    return true;
  }

  /**
   * Seconds until n tokens are there, if nobody else takes any; Infinity at rate 0.
   * @throws as {@link take}
   */
  wait(n = 1): number {
    const { capacity, rate } = this.limit;
    if (!(n >= 0)) {
      throw new RangeError(`Cannot take ${n} tokens: needs a number from 0`);
    }
    if (n > capacity || n === Infinity) {
      throw new RangeError(
        `Cannot ever take ${n} tokens: the bucket holds ${capacity}`,
      );
    }
    const missing = n - this.#refill();
    return missing <= DRIFT * Math.max(1, n) ? 0 : missing / rate;
  }
}

/**
 * Buckets for each key and unit, such as requests a second and tokens a minute of a
 * user: a request takes from all of its user's buckets, or from none.
 */
export class KeyedLimiter {
  readonly #limits: Record<string, Limit>;
  readonly #now?: () => number;
  readonly #buckets = new Map<string, Record<string, TokenBucket>>();

  /** @param limits by unit @throws {RangeError} as {@link TokenBucket} */
  constructor(limits: Record<string, Limit>, now?: () => number) {
    this.#limits = structuredClone(limits);
    this.#now = now;
    for (const limit of Object.values(limits)) new TokenBucket(limit, now);
  }

  /**
   * @param amounts by unit; a unit that is not named is not asked
   * @throws {RangeError} if a unit has no limit, or as {@link TokenBucket.take}
   */
  take(key: string, amounts: Record<string, number>): boolean {
    const unknown = Object.keys(amounts)
      .find((unit) => !Object.hasOwn(this.#limits, unit));
    if (unknown !== undefined) {
      const units = Object.keys(this.#limits).join(", ");
      throw new RangeError(`Cannot limit ${unknown}: there are ${units}`);
    }
    const buckets = this.#buckets.get(key) ?? Object.fromEntries(
      Object.entries(this.#limits).map(([unit, limit]) => [
        unit,
        new TokenBucket(limit, this.#now),
      ]),
    );
    this.#buckets.set(key, buckets);
    const asked = Object.entries(amounts)
      .map(([unit, n]) => [buckets[unit], n] as const);
    // All are asked first, as nothing that was taken can be given back unseen.
    const waits = asked.map(([bucket, n]) => bucket.wait(n));
    if (waits.some((seconds) => seconds > 0)) return false;
    return asked.every(([bucket, n]) => bucket.take(n));
  }

  /** How many keys have buckets. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Forgets keys whose buckets are full: a new one would be no different. */
  prune(): void {
    for (const [key, buckets] of this.#buckets) {
      const full = Object.values(buckets)
        .every((bucket) => bucket.tokens >= bucket.limit.capacity);
      if (full) this.#buckets.delete(key);
    }
  }
}

if (import.meta.main) {
  let time = 0;
  const bucket = new TokenBucket({ capacity: 10, rate: 2 }, () => time);
  const burst = () => {
    let granted = 0;
    while (bucket.take()) granted++;
    return granted;
  };
  console.log("capacity 10, 2 tokens a second");
  console.log("  a burst at 0 s           :", burst());
  time = 1.5;
  console.log("  1.5 s later              :", burst());
  time = 1000;
  console.log("  after 1000 s, not 1997   :", burst());
  console.log("  wait for 5 more          :", bucket.wait(5), "s");
  time = 995;
  console.log("  the clock goes 5 s back  :", bucket.tokens, "tokens");
  console.log("    without a check        :", bucket.tokens + (995 - 1000) * 2);
  try {
    bucket.take(11);
  } catch (error) {
    console.log(`  ${(error as Error).message}`);
  }
}
