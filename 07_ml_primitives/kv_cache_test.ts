import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  cacheBytes,
  type CacheOptions,
  decodeStep,
  KVCache,
  type Projection,
} from "./kv_cache.ts";

type Matrix = number[][];
const f64 = (length: number) => new Float64Array(length);

// Some products near 1 in f64: the order of the terms moves the last bits only.
const close = (actual: Matrix, expected: Matrix, tolerance = 1e-12) => {
  assertEquals(actual.map((row) => row.length), expected.map((r) => r.length));
  expected.forEach((row, i) =>
    row.forEach((e, j) => assertAlmostEquals(actual[i][j], e, tolerance))
  );
};

/** (rows, columns) of quarters between −1 and 1.5, in no order; exact in f16. */
const make = (rows: number, columns: number, step: number): Matrix =>
  Array.from(
    { length: rows },
    (_, i) =>
      Array.from(
        { length: columns },
        (_, j) => (i * columns + j) * step % 11 / 4 - 1,
      ),
  );

const decode = (T: number, D: number, E: number, options = {}): Matrix => {
  const cache = new KVCache({
    capacity: T,
    keyWidth: D,
    valueWidth: E,
    ...options,
  });
  const [query, key, value] = [make(T, D, 7), make(T, D, 5), make(T, E, 3)];
  return query.map((q, t) => {
    cache.append(key[t], value[t]);
    return cache.attend(q);
  });
};

// Goldens:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// def decode(T, D, E):
//     q, k, v = make(T, D, 7), make(T, D, 5), make(T, E, 3)
//     s = np.where(np.tril(np.ones((T, T), bool)), q @ k.T / np.sqrt(D), -np.inf)
//     e = np.exp(s - s.max(axis=1, keepdims=True))
//     print((e / e.sum(axis=1, keepdims=True) @ v).tolist())
// decode(5, 3, 2); decode(3, 2, 5)"
const GOLDEN: [sizes: [T: number, D: number, E: number], expected: Matrix][] = [
  [[5, 3, 2], [
    [-1.0, -0.25],
    [0.2603332483035204, 1.0103332483035203],
    [-0.2125018120336975, 0.5374981879663026],
    [0.09225072402049364, 0.8422507240204935],
    [-0.6248768817400844, 0.12512311825991562],
  ]],
  [[3, 2, 5], [
    [-1.0, -0.25, 0.5, 1.25, -0.75],
    [
      -0.6697615493266569,
      0.08023845067334312,
      0.8302384506733431,
      0.6720827113216495,
      -0.4197615493266569,
    ],
    [
      0.2614461491583334,
      -0.1448794875701389,
      0.6051205124298611,
      0.19879487570138882,
      0.5114461491583334,
    ],
  ]],
];
for (const [[T, D, E], expected] of GOLDEN) {
  Deno.test(`token by token gives causal attention over all at once: (${T}, ${D}, ${E})`, () => {
    close(decode(T, D, E), expected);
  });
}

// 8192 wide in 64 heads of 128: 80 · 2 · 8192 · 2 bytes = 2.5 MiB, by hand.
Deno.test("a token of a 70B with 8 KV heads takes 320 KiB, not 2.5 MiB", () => {
  const llama = { layers: 80, kvHeads: 8, headWidth: 128 };
  assertEquals(cacheBytes({ ...llama, kvHeads: 64 }), 2.5 * 2 ** 20);
  assertEquals(cacheBytes(llama), 320 * 2 ** 10);
  assertEquals(cacheBytes(llama, 8192, 3), 7.5 * 2 ** 30);
  assertEquals(cacheBytes({ ...llama, bytesPerNumber: 1 }), 160 * 2 ** 10);
});

Deno.test("the bytes that are computed are the bytes that are allocated", () => {
  const [layers, kvHeads, headWidth, tokens, batch] = [2, 3, 5, 7, 4];
  let bytes = 0;
  for (let i = 0; i < layers * kvHeads * batch; i++) {
    const allocate = (length: number) => {
      const array = new Float16Array(length);
      bytes += array.byteLength;
      return array;
    };
    new KVCache({ capacity: tokens, keyWidth: headWidth, allocate });
  }
  assertEquals(
    cacheBytes({ layers, kvHeads, headWidth }, tokens, batch),
    bytes,
  );
});

/** Attention of one query to all rows, as one would write it down. */
function attend(query: number[], keys: Matrix, values: Matrix): number[] {
  const scores = keys.map((key) =>
    key.reduce((sum, k, d) => sum + k * query[d], 0) / Math.sqrt(query.length)
  );
  const max = Math.max(...scores);
  const exps = scores.map((s) => Math.exp(s - max));
  const total = exps.reduce((a, b) => a + b);
  return values[0].map((_, e) =>
    exps.reduce((sum, x, t) => sum + x / total * values[t][e], 0)
  );
}

const number = fc.double({ min: -9, max: 9, noNaN: true });
const vectors = (width: number) =>
  fc.array(number, { minLength: width, maxLength: width });
const token = fc.tuple(vectors(3), vectors(3), vectors(2));

Deno.test("every step attends to all tokens so far, not to some of them", () => {
  fc.assert(
    fc.property(fc.array(token, { minLength: 1, maxLength: 12 }), (tokens) => {
      const sizes = { capacity: 12, keyWidth: 3, valueWidth: 2 };
      const cache = new KVCache({ ...sizes, allocate: f64 });
      const rounded = new KVCache(sizes);
      tokens.forEach(([query, key, value], t) => {
        cache.append(key, value);
        rounded.append(key, value);
        const seen = tokens.slice(0, t + 1);
        const expected = attend(
          query,
          seen.map(([, k]) => k),
          seen.map(([, , v]) => v),
        );
        // Scores reach 243, so that rounding moves the weights by 1e-13 of themselves.
        close([cache.attend(query)], [expected], 1e-11);
        // f32 rounds keys by 6e-8 of 9: scores move by 1e-4 at worst, values of 9 likewise.
        close([rounded.attend(query)], [expected], 2e-3);
      });
    }),
    { seed: 7 },
  );
});

Deno.test("only the new token is projected, whatever came before", () => {
  const calls: string[] = [];
  const project = (name: string): Projection => (x, position) => {
    calls.push(`${name} ${position}`);
    return [...x];
  };
  const projections = {
    query: project("query"),
    key: project("key"),
    value: project("value"),
  };
  const cache = new KVCache({ capacity: 5, keyWidth: 2 });
  for (const x of make(5, 2, 3)) {
    const { position } = cache;
    calls.length = 0;
    decodeStep(x, projections, cache);
    const names = ["key", "query", "value"];
    assertEquals(calls.sort(), names.map((name) => `${name} ${position}`));
  }
  assertEquals(cache.length, 5);
});

Deno.test("a token attends to itself: decodeStep appends before it attends", () => {
  const same: Projection = (x) => [...x];
  const project = { query: same, key: same, value: same };
  const cache = new KVCache({ capacity: 2, keyWidth: 2 });
  assertEquals(decodeStep([3, -2], project, cache), [3, -2]);
});

Deno.test("an append writes in place: the arrays are never grown or copied", () => {
  let made = 0;
  const allocate = (length: number) => {
    made++;
    return new Float32Array(length);
  };
  const cache = new KVCache({ capacity: 5, keyWidth: 2, allocate });
  const { buffer } = cache.keys;
  for (const row of make(5, 2, 3)) {
    cache.append(row, row);
    assertEquals(cache.keys.buffer === buffer, true);
  }
  assertEquals(made, 2);
  assertEquals([...cache.keys], make(5, 2, 3).flat());
});

Deno.test("an append leaves what is in the cache as it was", () => {
  const cache = new KVCache({ capacity: 3, keyWidth: 2, valueWidth: 1 });
  cache.append([1, 2], [3]);
  cache.append([4, 5], [6]);
  assertEquals([...cache.keys], [1, 2, 4, 5]);
  assertEquals([...cache.values], [3, 6]);
});

Deno.test("a caller who goes on using its arrays does not change the cache", () => {
  const cache = new KVCache({ capacity: 2, keyWidth: 2 });
  const key = [1, 2];
  cache.append(key, key);
  key[0] = 99;
  assertEquals([...cache.keys], [1, 2]);
});

Deno.test("several query heads share one cache, which attending does not change", () => {
  const caches = [0, 1].map(() => new KVCache({ capacity: 3, keyWidth: 2 }));
  caches.forEach((cache, g) => {
    for (const row of make(3, 2, 3 + g)) cache.append(row, row);
  });
  const copy = caches.map((cache) => [...cache.keys]);
  const out = make(6, 2, 7).map((q, h) => caches[Math.floor(h / 3)].attend(q));
  const rows = [make(3, 2, 3), make(3, 2, 4)];
  close(
    out,
    make(6, 2, 7).map((q, h) => {
      const kv = rows[Math.floor(h / 3)];
      return attend(q, kv, kv);
    }),
  );
  assertEquals(caches.map((cache) => [...cache.keys]), copy);
});

Deno.test("sequences of a batch may differ in length: each has a cache", () => {
  const caches = [2, 5].map((T) => {
    const cache = new KVCache({ capacity: 5, keyWidth: 3 });
    make(T, 3, 5).forEach((row) => cache.append(row, row));
    return cache;
  });
  assertEquals(caches.map((cache) => cache.length), [2, 5]);
  const query = [1, 0, -1];
  close(
    caches.map((cache) => cache.attend(query)),
    [2, 5].map((T) => attend(query, make(T, 3, 5), make(T, 3, 5))),
  );
});

Deno.test("a full cache that may slide drops the oldest, and counts positions on", () => {
  const cache = new KVCache({ capacity: 3, keyWidth: 2, full: "slide" });
  const rows = make(8, 2, 5);
  rows.forEach((row, t) => {
    assertEquals(cache.position, t);
    cache.append(row, row);
    const kept = rows.slice(Math.max(0, t - 2), t + 1);
    close([cache.attend([1, -2])], [attend([1, -2], kept, kept)]);
  });
  assertEquals([cache.length, cache.position], [3, 8]);
});

Deno.test("after a reset nothing of the old sequence is seen", () => {
  const cache = new KVCache({ capacity: 3, keyWidth: 2 });
  for (const row of make(3, 2, 3)) cache.append(row, row);
  cache.reset();
  assertEquals([cache.length, cache.position, cache.keys.length], [0, 0, 0]);
  assertThrows(() => cache.attend([1, 1]), RangeError, "the cache is empty");
  cache.append([1, 0], [2, 3]);
  assertEquals(cache.attend([5, 5]), [2, 3]);
});

Deno.test("scores of a thousand do not overflow", () => {
  const cache = new KVCache({ capacity: 2, keyWidth: 1 });
  cache.append([1000], [7]);
  cache.append([-1000], [9]);
  assertEquals(cache.attend([1000]), [7]);
});

Deno.test("NaN passes through instead of being hidden", () => {
  const sizes = { capacity: 2, keyWidth: 1 };
  const [byKey, byValue] = [new KVCache(sizes), new KVCache(sizes)];
  byKey.append([NaN], [1]);
  byValue.append([1], [NaN]);
  assertEquals(byKey.attend([1]), [NaN]);
  assertEquals(byValue.attend([1]), [NaN]);
  byValue.reset();
  byValue.append([1], [1]);
  assertEquals(byValue.attend([NaN]), [NaN]);
});

Deno.test("a refused append leaves the cache as it was", () => {
  const cache = new KVCache({ capacity: 2, keyWidth: 2, valueWidth: 3 });
  cache.append([1, 2], [3, 4, 5]);
  const bad: [key: number[], value: number[], message: string][] = [
    [[1], [3, 4, 5], "Cannot use key: 1 wide, not 2"],
    [[1, 2, 3], [3, 4, 5], "Cannot use key: 3 wide, not 2"],
    [[1, 2], [3], "Cannot use value: 1 wide, not 3"],
    // What a script without types may pass.
    [1 as unknown as number[], [3, 4, 5], "Cannot use key: undefined wide"],
  ];
  for (const [key, value, message] of bad) {
    assertThrows(() => cache.append(key, value), RangeError, message);
  }
  assertEquals([cache.length, [...cache.keys]], [1, [1, 2]]);
  assertThrows(
    () => cache.attend([1, 2, 3]),
    RangeError,
    "Cannot use query: 3 wide, not 2",
  );
});

Deno.test("a full cache says how much it holds", () => {
  const cache = new KVCache({ capacity: 2, keyWidth: 1 });
  cache.append([1], [1]);
  cache.append([2], [2]);
  assertThrows(
    () => cache.append([3], [3]),
    RangeError,
    "Cannot append: all 2 slots are taken",
  );
  assertEquals([...cache.keys], [1, 2]);
  for (const full of ["throw", "slide"] as const) {
    assertThrows(
      () => new KVCache({ capacity: 0, keyWidth: 1, full }).append([1], [1]),
      RangeError,
      "Cannot append: all 0 slots are taken",
    );
  }
});

Deno.test("sizes that are no whole number are refused", () => {
  const good: CacheOptions = { capacity: 2, keyWidth: 3 };
  for (const capacity of [-1, 2.5, NaN, Infinity]) {
    assertThrows(
      () => new KVCache({ ...good, capacity }),
      RangeError,
      `Cannot size a cache: capacity is ${capacity}`,
    );
  }
  assertThrows(() => new KVCache({ ...good, keyWidth: 0 }), RangeError);
  assertThrows(() => new KVCache({ ...good, valueWidth: 0 }), RangeError);
  const sizes = { layers: 2, kvHeads: 3, headWidth: 5 };
  assertThrows(
    () => cacheBytes({ ...sizes, kvHeads: 0 }),
    RangeError,
    "Cannot size a cache: kvHeads is 0",
  );
  assertThrows(() => cacheBytes(sizes, 1.5), RangeError, "tokens is 1.5");
  assertThrows(() => cacheBytes(sizes, 1, NaN), RangeError, "batch is NaN");
});
