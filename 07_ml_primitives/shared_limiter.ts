#!/usr/bin/env -S deno run
/**
 * Q. The rate limiter runs on ten gateways. How do they share one limit?
 *
 * A. The state goes into one store, and reading, deciding and writing must be one
 * step there: a script inside the store (Lua in Redis), or compare-and-set, which
 * writes only if nobody wrote in between, and is tried again if somebody did. Read,
 * then write, grants one token to two gateways. A counter that expires (INCR and
 * EXPIRE) is a fixed window: around its edge twice the limit passes. A sliding window
 * keeps the times of what it granted. If the store is gone, someone must have
 * decided whether all pass or none.
 *
 * Shapes: times in seconds, on the store's clock.
 * Time O(1) a request for bucket and counter, O(limit) for the sliding window; space
 * likewise, a key.
 * Trap: INCR and EXPIRE "for a sliding window".
 * Left out: a store on a network; shards of a limit; keys that expire; approximate
 * sliding windows.
 * Source: Redis documentation, INCR, "Pattern: Rate limiter"; Herlihy (1991),
 * doi:10.1145/114005.102808, for compare-and-set.
 * Run: `deno run shared_limiter.ts`
 * @module
 */

/** A store that many gateways use at once. */
export interface Store {
  /** The value, and a version that every write changes; version 0 if there is none. */
  read(key: string): Promise<{ value: unknown; version: number }>;
  /** Writes if the version is still the same. @returns whether it did */
  compareAndSet(key: string, version: number, value: unknown): Promise<boolean>;
  /** The clock of all gateways, in seconds. */
  now(): Promise<number>;
}

/**
 * What happens if the store fails: all requests pass, or none. A request that others
 * forestall too often is refused either way.
 */
export type OnFailure = "open" | "closed";

/** A limiter of many gateways. */
export interface SharedLimiter {
  /** Whether the request may pass. Never throws for what the store does. */
  take(key: string): Promise<boolean>;
}

/**
 * Does a step of reading, deciding and writing as if alone.
 * @param decide the new value, or undefined to write nothing
 * @returns whether it wrote; false, too, if others were first `attempts` times
 */
async function update(
  store: Store,
  key: string,
  decide: (value: unknown, now: number) => unknown,
  attempts = 100,
): Promise<boolean> {
  for (let i = 0; i < attempts; i++) {
    const { value, version } = await store.read(key);
    const next = decide(value, await store.now());
    if (next === undefined) return false;
    if (await store.compareAndSet(key, version, next)) return true;
  }
  return false;
}

/** A limiter that does such a step for each request. */
function limiter(
  kind: string,
  store: Store,
  onFailure: OnFailure,
  decide: (value: unknown, now: number) => unknown,
): SharedLimiter {
  return {
    take: (key) =>
      update(store, `${kind} ${key}`, decide).catch(() => onFailure === "open"),
  };
}

/** @throws {RangeError} unless both are above 0 */
function check(limit: number, seconds: number): void {
  if (limit > 0 && seconds > 0 && seconds < Infinity) return;
  throw new RangeError(
    `Cannot limit to ${limit} in ${seconds} s: both must be above 0, and finite in time`,
  );
}

/**
 * A token bucket in a store.
 * @param capacity tokens it holds, and starts with
 * @param rate tokens a second
 * @throws {RangeError} unless both are above 0
 */
export function sharedBucket(
  store: Store,
  capacity: number,
  rate: number,
  onFailure: OnFailure = "closed",
): SharedLimiter {
  check(capacity, rate);
  return limiter("bucket", store, onFailure, (value, now) => {
    const { tokens, last } = (value ?? { tokens: capacity, last: now }) as {
      tokens: number;
      last: number;
    };
    const gained = Math.max(0, now - last) * rate;
    const left = Math.min(capacity, tokens + gained) - 1;
    if (left < -1e-9) return undefined;
    return { tokens: Math.max(0, left), last: Math.max(last, now) };
  });
}

/**
 * A counter that begins anew with each window: at its edge up to twice the limit pass.
 * @throws {RangeError} unless both are above 0
 */
export function fixedWindow(
  store: Store,
  limit: number,
  seconds: number,
  onFailure: OnFailure = "closed",
): SharedLimiter {
  check(limit, seconds);
  return limiter("fixed", store, onFailure, (value, now) => {
    const seen = value as { window: number; count: number } | undefined;
    // A clock that goes back stays in the window that it has seen.
    const window = Math.max(
      seen?.window ?? -Infinity,
      Math.floor(now / seconds),
    );
    const count = seen?.window === window ? seen.count : 0;
    return count + 1 <= limit ? { window, count: count + 1 } : undefined;
  });
}

/**
 * The times of what was granted: in any window of so many seconds the limit, no more.
 * @throws {RangeError} unless both are above 0
 */
export function slidingWindow(
  store: Store,
  limit: number,
  seconds: number,
  onFailure: OnFailure = "closed",
): SharedLimiter {
  check(limit, seconds);
  return limiter("sliding", store, onFailure, (value, now) => {
    const times = ((value ?? []) as number[]).filter((t) => t > now - seconds);
    return times.length + 1 <= limit ? [...times, now] : undefined;
  });
}

/** A store in memory whose answers come later, so that others run in between. */
export class MemoryStore implements Store {
  readonly #values = new Map<string, { value: unknown; version: number }>();
  readonly #clock: () => number;

  /** @param clock in seconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  async read(key: string) {
    await Promise.resolve();
    return this.#values.get(key) ?? { value: undefined, version: 0 };
  }

  async compareAndSet(key: string, version: number, value: unknown) {
    await Promise.resolve();
    if ((this.#values.get(key)?.version ?? 0) !== version) return false;
    this.#values.set(key, { value, version: version + 1 });
    return true;
  }

  now(): Promise<number> {
    return Promise.resolve(this.#clock());
  }
}

if (import.meta.main) {
  let time = 0;
  const granted = async (limiter: SharedLimiter, requests: number) => {
    const all = Array.from({ length: requests }, () => limiter.take("ann"));
    return (await Promise.all(all)).filter((yes) => yes).length;
  };
  const store = new MemoryStore(() => time);
  const readThenWrite: Store = {
    read: (key) => store.read(key),
    now: () => store.now(),
    compareAndSet: async (key, _, value) => {
      for (;;) {
        const { version } = await store.read(key);
        if (await store.compareAndSet(key, version, value)) return true;
      }
    },
  };
  console.log("10 tokens, 30 requests at once from as many gateways");
  console.log(
    "  read, then write:",
    await granted(sharedBucket(readThenWrite, 10, 1), 30),
  );
  const fresh = new MemoryStore(() => time);
  console.log(
    "  compare and set :",
    await granted(sharedBucket(fresh, 10, 1), 30),
  );
  console.log("10 in 60 s; 20 requests at 59 s, 20 at 61 s");
  for (const [name, make] of Object.entries({ fixedWindow, slidingWindow })) {
    time = 59;
    const limiter = make(new MemoryStore(() => time), 10, 60);
    const before = await granted(limiter, 20);
    time = 61;
    console.log(
      `  ${name.padEnd(16)}: ${before} and ${await granted(limiter, 20)}`,
    );
  }
}
