#!/usr/bin/env -S deno run
/**
 * Q. Make the LRU cache safe for concurrent callers: 100 of them ask for one key,
 * which takes a second to compute.
 *
 * A. JavaScript runs one piece of code at a time, so no get or set is ever cut in
 * two. What is open to others is each await. Check, await, set lets all 100 pass the
 * check before the first one sets, and computes 100 times. So I keep the promise of a
 * computation that runs in a second Map, put there before anything is awaited, and
 * whoever asks meanwhile gets the same promise: single flight. An error goes to all
 * who wait and is not kept. Only values count against the capacity, so nothing that
 * runs is evicted. A key that is deleted or set meanwhile is struck from the second
 * Map, and a computation that is no longer listed there stores nothing.
 *
 * Shapes: C capacity.
 * Time O(1) a call, but for what deleting leaves in a Map (lru_cache.ts has a list
 * instead); space O(C + running).
 * Trap: check, await, set: the check is out of date after the await.
 * Left out: a time to live, cancelling, several processes, a lock (sharded_lru.ts).
 * Source: Go's singleflight, https://pkg.go.dev/golang.org/x/sync/singleflight; on
 * stampedes Vattani et al. (2015), doi:10.14778/2757807.2757813.
 * Run: `deno run async_lru.ts`
 * @module
 */

/**
 * Remembers the last C values that `compute` gave. The order is that in which values
 * were stored or found: one that is computed becomes the newest when it is ready, not
 * when it was asked for, and who joins a computation leaves no further trace.
 */
export class AsyncLru<K, V> {
  /** Calls of `get` that found a value, that began to compute one, and that joined. */
  hits = 0;
  computed = 0;
  joined = 0;
  readonly #compute: (key: K) => V | Promise<V>;
  readonly #turns?: Turns;
  // The oldest first.
  readonly #values = new Map<K, V>();
  readonly #running = new Map<K, Promise<V>>();

  /**
   * @param capacity C; with 0 nothing is stored, but what runs is still shared
   * @param compute gives a key's value, the same one to all: do not change it. It
   * must not wait for its own key
   * @param concurrent how many may run at once; the others wait in the order in which
   * they were asked for. A computation that waits for another key keeps its turn
   * @throws {RangeError} unless C is a whole number, and `concurrent` at least 1
   */
  constructor(
    readonly capacity: number,
    compute: (key: K) => V | Promise<V>,
    concurrent = Infinity,
  ) {
    if (!(Number.isSafeInteger(capacity) && capacity >= 0)) {
      throw new RangeError(
        `Cannot make a cache: capacity must be a whole number, got ${capacity}`,
      );
    }
    this.#compute = compute;
    if (concurrent !== Infinity) this.#turns = new Turns(concurrent);
  }

  /** How many values are stored, and how many are being computed. */
  get size(): number {
    return this.#values.size;
  }
  get running(): number {
    return this.#running.size;
  }

  /** The value, now the newest; computed if it is missing and nobody does so yet. */
  get(key: K): Promise<V> {
    if (this.#values.has(key)) {
      this.hits++;
      const value = this.#values.get(key) as V;
      this.#store(key, value);
      return Promise.resolve(value);
    }
    const known = this.#running.get(key);
    if (known !== undefined) {
      this.joined++;
      return known;
    }
    this.computed++;
    const promise: Promise<V> = this.#run(key, () => promise);
    this.#running.set(key, promise);
    return promise;
  }

  /** Stores a value; a computation of it that runs will not overwrite it. */
  set(key: K, value: V): void {
    this.#running.delete(key);
    this.#store(key, value);
  }

  /**
   * Forgets a value, and strikes a computation of it that runs: who waits for that
   * gets its value, but it is not stored, and who asks from now on has it computed anew.
   * @returns whether there was either
   */
  delete(key: K): boolean {
    const ran = this.#running.delete(key);
    return this.#values.delete(key) || ran;
  }

  /** A copy of the keys that have values, the oldest first. */
  keys(): K[] {
    return [...this.#values.keys()];
  }

  async #run(key: K, own: () => Promise<V>): Promise<V> {
    // Nothing is computed before the caller has listed the promise.
    await undefined;
    const listed = () => this.#running.get(key) === own();
    try {
      const task = () => this.#compute(key);
      const value = await (this.#turns ? this.#turns.run(task) : task());
      if (listed()) this.#store(key, value);
      return value;
    } finally {
      // Before those who wait go on: a retry must not meet the promise that failed.
      if (listed()) this.#running.delete(key);
    }
  }

  #store(key: K, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= this.capacity) return;
    this.#values.delete(this.#values.keys().next().value as K);
  }
}

/** Lets so many tasks run at once, the others in the order in which they came. */
export class Turns {
  #free: number;
  #waiting: (() => void)[] = [];
  // Its last one goes first: shift() would move all others, each time.
  #next: (() => void)[] = [];

  /** @throws {RangeError} unless `count` is a whole number from 1 */
  constructor(count: number) {
    if (!(Number.isSafeInteger(count) && count >= 1)) {
      throw new RangeError(
        `Cannot run ${count} at once: needs a whole number from 1`,
      );
    }
    this.#free = count;
  }

  async run<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return await task();
    } finally {
      // Handed over, not given back: one that comes just now must not get in between.
      if (this.#next.length === 0) {
        [this.#next, this.#waiting] = [this.#waiting.reverse(), this.#next];
      }
      const next = this.#next.pop();
      if (next) next();
      else this.#free++;
    }
  }
}

if (import.meta.main) {
  let calls = 0;
  const slow = async (key: string) => {
    const text = `${key}, computation ${++calls}`;
    await new Promise((done) => setTimeout(done, 5));
    return text;
  };
  const values = new Map<string, string>();
  const checkAwaitSet = async (key: string) => {
    if (values.has(key)) return values.get(key)!;
    const value = await slow(key);
    values.set(key, value);
    return value;
  };
  const cache = new AsyncLru<string, string>(3, slow);
  const get = (key: string) => cache.get(key);
  const hundred = async (get: (key: string) => Promise<string>) => {
    calls = 0;
    await Promise.all(new Array(100).fill("a").map(get));
    return calls;
  };
  console.log("100 callers ask for one key at once; it is computed");
  console.log("  check, await, set :", await hundred(checkAwaitSet), "times");
  console.log("  single flight     :", await hundred(get), "time");
  console.log("a key is deleted while it is computed, and asked for again");
  calls = 0;
  await Promise.all([checkAwaitSet("b"), values.delete("b")]);
  console.log("  check, await, set :", await checkAwaitSet("b"));
  calls = 0;
  await Promise.all([get("b"), cache.delete("b")]);
  console.log("  single flight     :", await get("b"));
}
