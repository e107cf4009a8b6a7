/**
 * How fast the linked list, the short Map form and lru-cache are: a million lookups
 * of skewed keys, of new keys, and of one hot key.
 *
 * Run: `deno bench lru_cache_bench.ts`
 * @module
 */
import { LRUCache } from "lru-cache";
import { LruCache, MapLru } from "./lru_cache.ts";

const N = 1_000_000;
const C = 5000;
let state = 1;
const random = () => (state = state * 16807 % 2147483647) / 2147483647;
/** Half of all keys are below √(20 C): the r-th likeliest weighs about 1/r. */
const skewed = Array.from(
  { length: N },
  () => Math.floor((20 * C) ** random()),
);
const fresh = Array.from({ length: N }, (_, n) => n);
const hot = fresh.map((n) => n < C ? n : 7);

type Cache = Pick<LruCache<number, number>, "get" | "set">;
/** Looks every key up, and puts it in if it is missing. @returns the hits */
function run(cache: Cache, keys: readonly number[]): number {
  let hits = 0;
  for (const key of keys) {
    if (cache.get(key) === undefined) cache.set(key, key);
    else hits++;
  }
  return hits;
}

const forms: [name: string, make: () => Cache, n: number][] = [
  ["LruCache", () => new LruCache(C), 20],
  ["lru-cache", () => new LRUCache<number, number>({ max: C }), 20],
  ["MapLru", () => new MapLru(C), 3],
];
for (const [name, keys] of [["skewed", skewed], ["new", fresh]] as const) {
  if (new Set(forms.map(([, make]) => run(make(), keys))).size > 1) {
    throw new Error(`The hits of ${name} keys differ: nothing to time`);
  }
  for (const [form, make, n] of forms) {
    Deno.bench(form, {
      group: `${N} ${name} keys, capacity ${C}`,
      baseline: form === "LruCache",
      n,
      warmup: 1,
    }, () => {
      run(make(), keys);
    });
  }
}
for (const [form, make, n] of forms) {
  const few = hot.slice(0, C + 20_000);
  Deno.bench(form, {
    group: `fill ${C}, then 20000 hits on one hot key`,
    baseline: form === "LruCache",
    n: 5 * n,
    warmup: 5,
  }, () => {
    run(make(), few);
  });
}
