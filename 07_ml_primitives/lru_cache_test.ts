import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LruCache, MapLru, memoize } from "./lru_cache.ts";

// Golden: python3 -c "
// from collections import OrderedDict
// c,o=OrderedDict(),[]
// for n in range(24):
//   k=n*n%7+n%3
//   if n%2:
//     if k in c: c.move_to_end(k)
//     o.append(c.get(k,-1))
//   else:
//     c[k]=n; c.move_to_end(k)
//     if len(c)>3: c.popitem(last=False)
// print(o,list(c))"
const GOLDEN: [number[], number[]] = [[
  -1,
  -1,
  2,
  6,
  -1,
  -1,
  -1,
  -1,
  12,
  16,
  -1,
  -1,
], [5, 3, 2]];
Deno.test("gets and puts answer as Python's OrderedDict does", () => {
  const cache = new LruCache<number, number>(3);
  const answers: number[] = [];
  for (let n = 0; n < 24; n++) {
    const key = n * n % 7 + n % 3;
    if (n % 2 === 1) answers.push(cache.get(key) ?? -1);
    else cache.set(key, n);
  }
  assertEquals([answers, cache.keys()], GOLDEN);
});

for (const Lru of [LruCache, MapLru]) {
  const filled = (touch: (cache: LruCache<number, number>) => void) => {
    const cache = new Lru<number, number>(2);
    cache.set(1, 10);
    cache.set(2, 20);
    touch(cache as LruCache<number, number>);
    cache.set(3, 30);
    return [1, 2, 3].map((key) => cache.get(key) ?? -1);
  };
  Deno.test(`${Lru.name}: untouched, the oldest entry goes`, () =>
    assertEquals(filled(() => {}), [-1, 20, 30]));
  Deno.test(`${Lru.name}: a get makes its entry the newest`, () =>
    assertEquals(filled((cache) => cache.get(1)), [10, -1, 30]));
  Deno.test(`${Lru.name}: a put of an old key makes it the newest, and replaces`, () =>
    assertEquals(filled((cache) => cache.set(1, 11)), [11, -1, 30]));
  Deno.test(`${Lru.name}: a put of an old key drives nothing out`, () => {
    const cache = new Lru<number, number>(2);
    cache.set(1, 10);
    cache.set(2, 20);
    cache.set(2, 21);
    assertEquals([cache.get(1), cache.get(2)], [10, 21]);
  });
  Deno.test(`${Lru.name}: capacity 0 stores nothing, capacity 1 the last`, () => {
    const none = new Lru<string, number>(0);
    none.set("a", 1);
    assertEquals(none.get("a"), undefined);
    const one = new Lru<string, number>(1);
    one.set("a", 1);
    one.set("b", 2);
    assertEquals([one.get("a"), one.get("b")], [undefined, 2]);
  });
  Deno.test(`${Lru.name}: a capacity that is no count is an error`, () => {
    for (const capacity of [-1, 1.5, NaN, Infinity, 2 ** 23]) {
      assertThrows(
        () => new Lru(capacity),
        RangeError,
        `capacity must be an integer in [0, 2²³), got ${capacity}`,
      );
    }
  });
  Deno.test(`${Lru.name}: keys are equal as in a Map`, () => {
    const cache = new Lru<unknown, string>(9);
    const object = {};
    cache.set(NaN, "NaN");
    cache.set(-0, "zero");
    cache.set(1, "number");
    cache.set("1", "string");
    cache.set(true, "boolean");
    cache.set(object, "object");
    const keys = [NaN, 0, 1, "1", true, object, {}];
    assertEquals(keys.map((key) => cache.get(key)), [
      "NaN",
      "zero",
      "number",
      "string",
      "boolean",
      "object",
      undefined,
    ]);
  });
}

Deno.test("has() and peek() leave the age of an entry as it is", () => {
  const cache = new LruCache<number, number>(2);
  cache.set(1, 10);
  cache.set(2, 20);
  assertEquals([cache.peek(1), cache.has(1), cache.peek(9)], [
    10,
    true,
    undefined,
  ]);
  cache.set(3, 30);
  assertEquals(cache.keys(), [2, 3]);
  assertEquals([cache.hits, cache.misses], [0, 0]);
});
Deno.test("a stored undefined, null or -1 is not a missing one", () => {
  const cache = new LruCache<string, unknown>(4);
  cache.set("u", undefined);
  cache.set("n", null);
  cache.set("m", -1);
  assertEquals(["u", "n", "m", "x"].map((key) => cache.has(key)), [
    true,
    true,
    true,
    false,
  ]);
  assertEquals(["u", "n", "m", "x"].map((key) => cache.get(key)), [
    undefined,
    null,
    -1,
    undefined,
  ]);
  assertEquals([cache.hits, cache.misses], [3, 1]);
});
Deno.test("a deleted entry is gone, its slot is used again, and it makes room", () => {
  const out: number[] = [];
  const cache = new LruCache<number, number>(3, (key) => out.push(key));
  for (const key of [1, 2, 3]) cache.set(key, key);
  assertEquals([cache.delete(2), cache.delete(2), cache.delete(1)], [
    true,
    false,
    true,
  ]);
  cache.set(4, 4);
  cache.set(5, 5);
  assertEquals([cache.keys(), out], [[3, 4, 5], []]);
  cache.set(6, 6);
  assertEquals([cache.keys(), out, cache.size], [[4, 5, 6], [3], 3]);
});
Deno.test("an error thrown by onEvict leaves the new state whole", () => {
  const cache = new LruCache<number, number>(2, () => {
    throw new Error("disk full");
  });
  cache.set(1, 1);
  cache.set(2, 2);
  assertThrows(() => cache.set(3, 3), Error, "disk full");
  assertEquals([cache.keys(), cache.get(3)], [[2, 3], 3]);
});
Deno.test("onEvict sees each evicted entry once, and may use the cache", () => {
  const out: number[][] = [];
  const cache = new LruCache<number, number>(2, (key, value) => {
    out.push([key, value]);
    if (key === 1) cache.get(2);
  });
  [1, 2, 3, 4].forEach((key) => cache.set(key, key * 10));
  assertEquals([out, cache.keys()], [[[1, 10], [3, 30]], [2, 4]]);
});
Deno.test("keys() may be walked while entries are driven out", () => {
  const cache = new LruCache<number, number>(3);
  [1, 2, 3].forEach((key) => cache.set(key, key));
  const seen: number[] = [];
  for (const key of cache.keys()) {
    seen.push(key);
    cache.set(key + 10, key);
    cache.delete(2);
  }
  assertEquals(seen, [1, 2, 3]);
});
Deno.test("a hit changes no entry of the Map: it only relinks", () => {
  const cache = new LruCache<number, number>(5);
  for (let key = 0; key < 5; key++) cache.set(key, key);
  const { set, delete: remove } = Map.prototype;
  let writes = 0;
  try {
    Map.prototype.set = function (key, value) {
      writes++;
      return set.call(this, key, value);
    };
    Map.prototype.delete = function (key) {
      writes++;
      return remove.call(this, key);
    };
    for (let n = 0; n < 100; n++) cache.get(n * 3 % 5);
    cache.set(4, 44);
  } finally {
    Map.prototype.set = set;
    Map.prototype.delete = remove;
  }
  assertEquals([writes, cache.hits], [0, 100]);
});
Deno.test("200,000 puts through a cache of 7 leave the last 7", () => {
  const cache = new LruCache<number, number>(7);
  for (let n = 0; n < 200_000; n++) cache.set(n, n);
  assertEquals(cache.keys(), [0, 1, 2, 3, 4, 5, 6].map((n) => 199_993 + n));
});

Deno.test("any mix of operations answers as a sorted list of ages does", () => {
  const operations = fc.array(
    fc.tuple(
      fc.constantFrom("get", "set", "delete", "has", "peek"),
      fc.integer({ min: 0, max: 9 }),
    ),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(operations, fc.integer({ min: 0, max: 6 }), (list, C) => {
      const out: number[] = [];
      const cache = new LruCache<number, number>(C, (key) => out.push(key));
      const short = new MapLru<number, number>(C);
      let model: [key: number, value: number][] = [];
      const gone: number[] = [];
      list.forEach(([name, key], n) => {
        const at = model.findIndex(([k]) => k === key);
        const value = model[at]?.[1];
        if (name === "get") {
          assertEquals(cache.get(key), value);
          if (!list.some(([other]) => other === "delete")) {
            assertEquals(short.get(key), value);
          }
          if (at >= 0) model.push(...model.splice(at, 1));
        } else if (name === "set") {
          cache.set(key, n);
          short.set(key, n);
          model = [...model.filter(([k]) => k !== key), [key, n]];
          if (model.length > C) {
            const [old] = model.splice(0, 1);
            if (C > 0) gone.push(old[0]);
          }
        } else if (name === "delete") {
          assertEquals(cache.delete(key), at >= 0);
          if (at >= 0) model.splice(at, 1);
        } else if (name === "has") assertEquals(cache.has(key), at >= 0);
        else assertEquals(cache.peek(key), value);
        assertEquals([cache.keys(), cache.size, out], [
          model.map(([k]) => k),
          model.length,
          gone,
        ]);
      });
    }),
    { seed: 18, numRuns: 200 },
  );
});

Deno.test("memoize() computes each kept key once, even if the answer is undefined", () => {
  const asked: string[] = [];
  const cache = new LruCache<string, number | undefined>(2);
  const find = memoize((key: string) => {
    asked.push(key);
    return key === "none" ? undefined : key.length;
  }, cache);
  assertEquals(["none", "cat", "none", "bird", "none", "cat"].map(find), [
    undefined,
    3,
    undefined,
    4,
    undefined,
    3,
  ]);
  assertEquals(asked, ["none", "cat", "bird", "cat"]);
  assertEquals([cache.hits, cache.misses], [2, 4]);
});
Deno.test("memoize() does not remember an error", () => {
  let calls = 0;
  const flaky = memoize((key: number) => {
    if (calls++ === 0) throw new Error("timeout");
    return key;
  }, new LruCache<number, number>(2));
  assertThrows(() => flaky(5), Error, "timeout");
  assert(flaky(5) === 5);
});
