#!/usr/bin/env -S deno run
/**
 * Q. Implement an LRU cache: get and put in O(1), and a fixed capacity.
 *
 * A. A Map from key to slot, and a doubly linked list through the slots, the newest
 * first. A get moves its slot to the front, and so does a put, of an old key too; a
 * put into a full cache takes over the last slot. One sentinel is both ends of the
 * list, so no link is ever missing. The short form, a Map in which each hit deletes
 * its key and sets it again, answers the same but is not O(1): V8 only marks deleted
 * entries, and until it rebuilds the table a hot key and an eviction walk past them.
 *
 * Shapes: C capacity.
 * Time O(1) an operation, of MapLru up to O(C); space O(C).
 * Trap: `delete` and `set` on each hit: one hot key makes that O(C).
 * Left out: a time to live, sizes of entries, admission (TinyLFU).
 * Source: a Map's order and equality of keys: ECMA-262, 24.1; the table V8 keeps it
 * in: https://wiki.mozilla.org/User:Jorend/Deterministic_hash_tables.
 * Run: `deno run lru_cache.ts`
 * @module
 */

/** A map of the C entries used last. Keys are equal as in a Map: NaN is NaN, 1 is not "1". */
export class LruCache<K, V> {
  /** How often `get` found its key, and how often not. */
  hits = 0;
  misses = 0;
  #slots = new Map<K, number>();
  // Slot 0 is the sentinel: newer[0] is the oldest entry, older[0] the newest.
  #keys: (K | undefined)[] = [undefined]; // (1 + C,) at most
  #values: (V | undefined)[] = [undefined];
  #newer: Uint32Array; // (1 + C,)
  #older: Uint32Array;
  /** Slots that `delete` left empty. */
  #free: number[] = [];

  /**
   * @param capacity C; with 0 nothing is ever stored
   * @param onEvict called with each entry that a newer one drives out, when the
   * cache is already in its new state; not for `delete`, and not when C is 0
   * @throws {RangeError} unless `capacity` is an integer in [0, 2²³): half of the 2²⁴ places
   * of V8's Map, which takes deleted ones back only in bulk
   */
  constructor(
    readonly capacity: number,
    readonly onEvict?: (key: K, value: V) => void,
  ) {
    checkCapacity(capacity);
    this.#newer = new Uint32Array(capacity + 1);
    this.#older = new Uint32Array(capacity + 1);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The value, now the newest; undefined if missing, so `?? -1` is the interview's. */
  get(key: K): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.#unlink(slot);
    this.#linkFirst(slot);
    return this.#values[slot];
  }

  /** Whether there is such an entry, even one of undefined; its age stays as it is. */
  has(key: K): boolean {
    return this.#slots.has(key);
  }

  /** The value, whose age stays as it is; undefined if missing. */
  peek(key: K): V | undefined {
    return this.#values[this.#slots.get(key) ?? 0];
  }

  /** Stores the value as the newest, and drops the oldest if there is no room. */
  set(key: K, value: V): void {
    const known = this.#slots.get(key);
    if (known !== undefined) {
      this.#values[known] = value;
      this.#unlink(known);
      this.#linkFirst(known);
      return;
    }
    if (this.capacity === 0) return;
    const full = this.#slots.size === this.capacity;
    const slot = full ? this.#newer[0] : this.#free.pop() ?? this.#keys.length;
    const oldKey = this.#keys[slot];
    const oldValue = this.#values[slot];
    if (full) {
      this.#slots.delete(oldKey as K);
      this.#unlink(slot);
    }
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#linkFirst(slot);
    // Last, so that an error thrown in there leaves nothing half done.
    if (full) this.onEvict?.(oldKey as K, oldValue as V);
  }

  /** Removes an entry. @returns whether there was one */
  delete(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#slots.delete(key);
    this.#unlink(slot);
    // An empty slot must not keep its last object from the garbage collector.
    this.#keys[slot] = this.#values[slot] = undefined;
    this.#free.push(slot);
    return true;
  }

  /** A copy of the keys, the oldest first, so the cache may change meanwhile. */
  keys(): K[] {
    const all: K[] = [];
    for (let slot = this.#newer[0]; slot !== 0; slot = this.#newer[slot]) {
      all.push(this.#keys[slot] as K);
    }
    return all;
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot];
    const older = this.#older[slot];
    this.#older[newer] = older;
    this.#newer[older] = newer;
  }

  #linkFirst(slot: number): void {
    const second = this.#older[0];
    this.#newer[second] = slot;
    this.#older[slot] = second;
    this.#newer[slot] = 0;
    this.#older[0] = slot;
  }
}

/** The short form: a Map keeps the order of insertion, so a hit is inserted again. */
export class MapLru<K, V> {
  #map = new Map<K, V>();

  constructor(readonly capacity: number) {
    checkCapacity(capacity);
  }
  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (this.#map.delete(key)) this.#map.set(key, value as V);
    return value;
  }
  set(key: K, value: V): void {
    const map = this.#map;
    map.delete(key);
    map.set(key, value);
    if (map.size > this.capacity) map.delete(map.keys().next().value as K);
  }
}

function checkCapacity(capacity: number): void {
  if (!(Number.isInteger(capacity) && capacity >= 0 && capacity < 2 ** 23)) {
    throw new RangeError(
      `Cannot make a cache: capacity must be an integer in [0, 2²³), got ${capacity}`,
    );
  }
}

/** Remembers what `compute` returned for the last keys; an error is not remembered. */
export function memoize<K, V>(
  compute: (key: K) => V,
  cache: LruCache<K, V>,
): (key: K) => V {
  return (key) => {
    const found = cache.get(key);
    if (found !== undefined || cache.has(key)) return found as V;
    const value = compute(key);
    cache.set(key, value);
    return value;
  };
}

if (import.meta.main) {
  let computed = 0;
  const embeddings = new LruCache<string, number>(3);
  const embed = memoize((word) => (computed++, word.length), embeddings);
  "the cat and the dog and the cat".split(" ").forEach(embed);
  console.log(computed, "computed,", embeddings.hits, "hits");
  console.log("kept, the oldest first:", embeddings.keys().join(" "), "\n");

  for (const lru of [new MapLru(5000), new LruCache(5000)]) {
    for (let key = 0; key < 5000; key++) lru.set(key, key);
    const start = performance.now();
    for (let n = 0; n < 20_000; n++) lru.get(7);
    const ns = (performance.now() - start) / 20_000 * 1e6;
    console.log(`${lru.constructor.name}: ${ns.toFixed(0)} ns a hot hit`);
  }
}
