#!/usr/bin/env -S deno run
/**
 * Q. Make the LRU cache thread-safe. Would one lock be a bottleneck? Stripe it.
 *
 * A. In JavaScript a get or a set needs no lock: nothing runs in between. A lock is
 * needed where an await stands between reading and writing, as in "read the counter,
 * ask the model, write the counter": without one, 100 callers read the same number,
 * and 99 updates are lost. One lock for the whole cache lets all wait for all. So I
 * split the cache into S shards by a hash of the key, each with a lock of its own, and
 * an update holds only the shard of its key. Every write goes through the lock, also a
 * plain set; a read does not. The price: capacity and age are per shard now, so a
 * shard with many keys evicts while others have room: 16 shards of 4 keep 52 of 64
 * keys on average, where one LRU keeps them all.
 *
 * Shapes: C capacity; S shards, S ≤ C.
 * Time O(length of the key) an operation, but for what deleting leaves in a Map
 * (lru_cache.ts), and the waiting; space O(C + S).
 * Trap: read, await, write: each update in itself is right, and all but one are lost.
 * Left out: updates of two keys at once (take the locks in the order of their shards,
 * or two of them wait for each other for ever), worker threads.
 * Source: Herlihy, Shavit (2012), The Art of Multiprocessor Programming, chapter 13,
 * for striped locks; Noll et al. (2026), doi:10.17487/RFC9923, for the hash FNV-1a.
 * Run: `deno run sharded_lru.ts`
 * @module
 */

/** Runs tasks one after another, in the order in which they came. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * The next task begins when this one has ended, also if it ended with an error.
   * A task must not wait for another one of the same lock: that would be for ever.
   * @returns what the task returns, or its error
   */
  run<T>(task: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(() => task());
    const ended = () => {};
    this.#last = result.then(ended, ended);
    return result;
  }
}

/** A part of the cache: the oldest entry first. */
interface Shard<K, V> {
  readonly capacity: number;
  readonly lock: Mutex;
  readonly entries: Map<K, V>;
}

/** An LRU cache in S parts, each of which evicts by itself and has its own lock. */
export class ShardedLru<K, V> {
  readonly #shards: readonly Shard<K, V>[]; // (S,)
  readonly #hash: (key: K) => number;

  /**
   * @param capacity C, cut so that no two shards differ by more than 1
   * @param shards S
   * @param hash of any size and sign; equal keys must have equal hashes
   * @throws {RangeError} unless 1 ≤ S ≤ C, both whole numbers
   */
  constructor(
    readonly capacity: number,
    shards: number,
    hash: (key: K) => number = fnv1a,
  ) {
    const whole = Number.isSafeInteger(capacity) &&
      Number.isSafeInteger(shards);
    if (!(whole && shards >= 1 && shards <= capacity)) {
      throw new RangeError(
        `Cannot cut a capacity of ${capacity} into ${shards} shards: ` +
          "each needs room for 1 entry",
      );
    }
    this.#hash = hash;
    const base = Math.floor(capacity / shards);
    this.#shards = Array.from({ length: shards }, (_, i) => ({
      capacity: base + (i < capacity % shards ? 1 : 0),
      lock: new Mutex(),
      entries: new Map<K, V>(),
    }));
  }

  /** Which shard a key is in, from 0 to S − 1. */
  shardOf(key: K): number {
    // As an unsigned number: the remainder of a negative one is negative.
    return (this.#hash(key) >>> 0) % this.#shards.length;
  }

  /** The value, now the newest of its shard; undefined if missing. Waits for nobody. */
  get(key: K): V | undefined {
    const { entries } = this.#shards[this.shardOf(key)];
    const value = entries.get(key);
    if (entries.delete(key)) entries.set(key, value as V);
    return value;
  }

  /** Whether there is such an entry, even one of undefined; its age stays as it is. */
  has(key: K): boolean {
    return this.#shards[this.shardOf(key)].entries.has(key);
  }

  /**
   * Replaces a value by one that is made of it, with nobody else writing meanwhile.
   * Others may read, and read the old one. If `next` throws, nothing has changed.
   * @param next must not wait for another write to the same shard
   * @returns the new value
   */
  update(
    key: K,
    next: (old: V | undefined) => V | Promise<V>,
  ): Promise<V> {
    const shard = this.#shards[this.shardOf(key)];
    return shard.lock.run(async () => {
      const { capacity, entries } = shard;
      const value = await next(entries.get(key));
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > capacity) entries.delete(entries.keys().next().value!);
      return value;
    });
  }

  /** Stores a value, when the updates before it are done. */
  async set(key: K, value: V): Promise<void> {
    await this.update(key, () => value);
  }

  /** Removes an entry, when the updates before it are done. @returns whether there was one */
  delete(key: K): Promise<boolean> {
    const { lock, entries } = this.#shards[this.shardOf(key)];
    return lock.run(() => entries.delete(key));
  }

  /** For each shard, how many entries it has, and how many it may have. */
  sizes(): { size: number; capacity: number }[] {
    return this.#shards.map(({ entries, capacity }) => ({
      size: entries.size,
      capacity,
    }));
  }
}

/**
 * The 32-bit hash FNV-1a of a key's text, a code unit at a time: for ASCII that of its
 * bytes. 1 and "1" share a shard, and are still two keys.
 * @throws {TypeError} for an object: its text may change, or be that of all others
 */
export function fnv1a(key: unknown): number {
  if (Object(key) === key) {
    throw new TypeError("Cannot hash an object: pass a hash for such keys");
  }
  const text = String(key);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

if (import.meta.main) {
  const cache = new ShardedLru<string, number>(64, 16);
  const pause = () => new Promise((done) => setTimeout(done, 0));
  const addOne = async (old = 0) => {
    await pause();
    return old + 1;
  };
  const plain = new Map<string, number>();
  const all = new Array(100).fill("requests");
  await Promise.all(all.map(async (key) => {
    plain.set(key, await addOne(plain.get(key)));
  }));
  await Promise.all(all.map((key) => cache.update(key, addOne)));
  console.log("100 callers add 1 to a counter, with an await in between");
  console.log("  without a lock :", plain.get("requests"));
  console.log("  update()       :", cache.get("requests"));

  console.log("64 keys and a capacity of 64, so nothing need go");
  for (const S of [1, 4, 16, 64]) {
    const parts = new ShardedLru<number, string>(64, S);
    for (let n = 1; n <= 64; n++) await parts.set(n * 7919 % 10007, "a user");
    const kept = parts.sizes().reduce((sum, { size }) => sum + size, 0);
    console.log(`  kept by S = ${String(S).padEnd(4)}:`, kept);
  }
}
