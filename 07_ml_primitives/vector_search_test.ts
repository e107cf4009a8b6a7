import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { cosineTopK, topK, VectorIndex } from "./vector_search.ts";

// Golden:
// python3 -c "
// import numpy as np
// X = (np.arange(1, 22) ** 2 % 11 - 4.0).reshape(7, 3); q = np.array([2.0, -1, 3])
// s = X @ q / (np.linalg.norm(X, axis=1) * np.linalg.norm(q))
// i = np.argsort(-s, kind='stable')[:4]; print(i.tolist(), s[i].tolist())"
const ROWS = Array.from(
  { length: 7 },
  (_, n) => [1, 2, 3].map((d) => (3 * n + d) ** 2 % 11 - 4),
);
const QUERY = [2, -1, 3];
const GOLDEN: [id: number, score: number][] = [
  [0, 0.412514323662695],
  [5, 0.3086066999241839],
  [6, 0.04583492485141056],
  [1, 0.0],
];

/** The twin: every score, sorted. */
const sorted = (scores: readonly number[], k: number) =>
  scores.map((score, id) => ({ id, score }))
    .sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k);

const indexOf = (rows: readonly (readonly number[])[]) => {
  const index = new VectorIndex(rows[0].length);
  rows.forEach((row) => index.add(row));
  return index;
};
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);
// Both forms, by rows: what holds of one must hold of the other.
const FORMS: [string, (r: number[][], q: number[], k: number) => Found][] = [
  ["cosineTopK()", cosineTopK],
  ["VectorIndex", (rows, query, k) => indexOf(rows).search(query, k)],
];
type Found = { id: number; score: number }[];

for (const [name, search] of FORMS) {
  Deno.test(`${name} golden: the best 4 of (7, 3), by numpy`, () => {
    const hits = search(ROWS, QUERY, 4);
    assertEquals(ids(hits), GOLDEN.map(([id]) => id));
    // Single precision rounds each entry of a unit row by at most 2⁻²⁴ = 6e−8 of it.
    hits.forEach((hit, i) => assertAlmostEquals(hit.score, GOLDEN[i][1], 6e-8));
  });

  Deno.test(`${name}: a longer vector is not more similar`, () => {
    assertEquals(ids(search([[10, 10], [1, 0]], [1, 0], 2)), [1, 0]);
  });

  Deno.test(`${name}: the best come first, and equal ones by the lowest row`, () => {
    const rows = [[0, 1], [2, 0], [-1, 0], [0, 5], [1, 0], [3, 0], [0, 2]];
    assertEquals(ids(search(rows, [1, 0], 7)), [1, 4, 5, 0, 3, 6, 2]);
    assertEquals(ids(search(rows, [1, 0], 2)), [1, 4]);
    assertEquals(ids(search(rows, [1, 0], 5)), [1, 4, 5, 0, 3]);
  });

  Deno.test(`${name}: a zero row scores 0, above what points away`, () => {
    assertEquals(search([[-1, -2], [0, 0], [1, 0]], [0, 3], 3).slice(0, 2), [
      { id: 1, score: 0 },
      { id: 2, score: 0 },
    ]);
  });

  Deno.test(`${name}: a zero query scores 0 everywhere, in the order of the rows`, () => {
    assertEquals(search([[1, 2], [0, 0], [-3, 1]], [0, 0], 2), [
      { id: 0, score: 0 },
      { id: 1, score: 0 },
    ]);
  });

  Deno.test(`${name}: a cosine does not change with the length, from 1e−320 to 1e308`, () => {
    for (const scale of [1e-320, 1e-200, 1e-9, 1e9, 1e200, 1e307]) {
      const [{ score }] = search([[3 * scale, 4 * scale]], [1, 0], 1);
      // 1e−320 has 11 bits left, so 3 and 4 times it are rounded by 3e−4.
      assertAlmostEquals(score, 0.6, scale < 1e-300 ? 1e-3 : 6e-8);
      const [{ score: back }] = search([[1, 0]], [3 * scale, 4 * scale], 1);
      assertAlmostEquals(back, 0.6, scale < 1e-300 ? 1e-3 : 1e-15);
    }
  });

  Deno.test(`${name}: no score leaves [−1, 1], not even by rounding`, () => {
    const rows = fc.array(
      fc.array(fc.double({ min: -9, max: 9, noNaN: true }), {
        minLength: 5,
        maxLength: 5,
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(rows, (rows) => {
        for (const sign of [1, -1]) {
          const query = rows[0].map((x) => sign * x);
          for (const { score } of search(rows, query, 8)) {
            assertEquals(Math.abs(score) <= 1, true);
          }
        }
      }),
      { seed: 14, numRuns: 300 },
    );
  });

  Deno.test(`${name}: k of 0 finds none, k above N all`, () => {
    assertEquals(search(ROWS, QUERY, 0), []);
    assertEquals(ids(search(ROWS, QUERY, 99)).length, 7);
    assertEquals(search([[5]], [2], 1), [{ id: 0, score: 1 }]);
    assertEquals(search([[5]], [-2], 3), [{ id: 0, score: -1 }]);
  });

  Deno.test(`${name} leaves rows and query unchanged`, () => {
    const [rows, query] = [structuredClone(ROWS), [...QUERY]];
    search(rows, query, 3);
    assertEquals([rows, query], [ROWS, QUERY]);
  });

  const ERRORS: [r: number[][], q: number[], k: number, message: string][] = [
    [ROWS, QUERY, -3, "Cannot take the top -3: needs a whole number ≥ 0"],
    [ROWS, QUERY, 1.5, "Cannot take the top 1.5"],
    [ROWS, QUERY, NaN, "Cannot take the top NaN"],
    [ROWS, [1, 2], 1, "size"],
    [[[1, 2], [3]], [1, 2], 1, "of size 1 with size 2"],
    [[[1, 2], [NaN, 2]], [1, 2], 1, "vector: entry 0 is NaN"],
    [[[1, Infinity]], [1, 2], 1, "entry 1 is Infinity"],
    [[[1, 2]], [1, -Infinity], 1, "entry 1 is -Infinity"],
  ];
  for (const [rows, query, k, message] of ERRORS) {
    Deno.test(`${name}: error: ${message} (k = ${k})`, () => {
      assertThrows(() => search(rows, query, k), RangeError, message);
    });
  }
}

Deno.test("an index without vectors finds nothing", () => {
  assertEquals(cosineTopK([], [1, 2], 3), []);
  assertEquals(new VectorIndex(2).search([1, 2], 3), []);
});

Deno.test("an index of 0 or 1.5 dimensions is an error", () => {
  for (const D of [0, -1, 1.5, NaN]) {
    assertThrows(() => new VectorIndex(D), RangeError, `vectors of ${D} dim`);
  }
});

Deno.test("topK() equals a full sort, also with many equal scores", () => {
  const scores = fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 60 });
  fc.assert(
    fc.property(scores, fc.nat({ max: 70 }), (scores, k) => {
      assertEquals(topK(scores, k), sorted(scores, k));
    }),
    { seed: 1, numRuns: 1000 },
  );
});

Deno.test("topK() takes −Infinity and Infinity as scores like others", () => {
  const scores = [-Infinity, 2, Infinity, -Infinity, -0, 0];
  for (let k = 0; k <= 7; k++) assertEquals(topK(scores, k), sorted(scores, k));
});

Deno.test("topK() reads each score about once: it does not sort them all", () => {
  let [state, reads] = [1, 0];
  const values = Array.from(
    { length: 10_000 },
    () => (state = state * 48271 % 2147483647),
  );
  const counted = new Proxy(values, {
    get: (target, key, self) => {
      if (typeof key === "string" && /^\d+$/.test(key)) reads++;
      return Reflect.get(target, key, self);
    },
  });
  assertEquals(topK(counted, 10), sorted(values, 10));
  // One read a score to compare, one more for each that comes in: 10 · (1 + ln 1000)
  // = 80 expected. Sorting reads each at least log2(10,000) = 13 times.
  assertEquals(reads >= 10_000 && reads < 10_300, true, `${reads} reads`);
});

Deno.test("VectorIndex equals the whiteboard form in any number of dimensions", () => {
  const shape = fc.tuple(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 12 }),
    fc.nat({ max: 14 }),
    fc.integer({ min: 1, max: 1e9 }),
  );
  fc.assert(
    fc.property(shape, ([D, N, k, seed]) => {
      const draw = () => (seed = seed * 48271 % 2147483647) / 2147483647 - 0.5;
      const rows = Array.from(
        { length: N },
        () => Array.from({ length: D }, draw),
      );
      const query = Array.from({ length: D }, draw);
      const scores = cosineTopK(rows, query, N);
      for (const { id, score } of indexOf(rows).search(query, k)) {
        const twin = scores.find((hit) => hit.id === id)!;
        assertAlmostEquals(score, twin.score, 6e-8);
        // Not one of the k if k others are better by more than the rounding.
        assertEquals(
          scores.filter((s) => s.score > score + 2e-7).length < k,
          true,
        );
      }
      assertEquals(indexOf(rows).search(query, k).length, Math.min(k, N));
    }),
    { seed: 2 },
  );
});

Deno.test("vectors may be added after a search, and typed arrays are taken", () => {
  const index = new VectorIndex(2);
  assertEquals(index.add([1, 0]), 0);
  assertEquals(ids(index.search([0, 1], 1)), [0]);
  assertEquals(index.add(new Float32Array([0, 2])), 1);
  assertEquals(ids(index.search(new Float64Array([0, 1]), 1)), [1]);
});

Deno.test("a vector changed after it was added does not change the index", () => {
  const index = new VectorIndex(2);
  const vector = [1, 0];
  index.add(vector);
  vector[0] = -1;
  assertEquals(index.search([1, 0], 1), [{ id: 0, score: 1 }]);
});

Deno.test("a removed vector is not found, and the others keep their ids", () => {
  const index = indexOf([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]]);
  assertEquals([index.remove(0), index.remove(2)], [true, true]);
  assertEquals(ids(index.search([1, 0], 9)), [1, 3, 4]);
  assertEquals(ids(index.search([-1, 0], 9)), [4, 3, 1]);
  assertEquals([index.remove(0), index.remove(7)], [false, false]);
  assertEquals([index.remove(4), index.remove(1)], [true, true]);
  assertEquals(ids(index.search([1, 0], 9)), [3]);
  assertEquals(index.remove(3), true);
  assertEquals(index.search([1, 0], 9), []);
});

Deno.test("an id is never given twice", () => {
  const index = indexOf([[1, 0], [0, 1]]);
  index.remove(1);
  assertEquals(index.add([0, 1]), 2);
  assertEquals(ids(index.search([0, 1], 2)), [2, 0]);
});

Deno.test("equal scores come by the lowest id even after rows have moved", () => {
  const index = indexOf([[0, 1], [1, 0], [1, 0], [1, 0], [1, 0]]);
  index.remove(0);
  assertEquals(ids(index.search([1, 0], 2)), [1, 2]);
});

Deno.test("any adds and removes equal an index built of what is left", () => {
  const steps = fc.array(fc.nat({ max: 12 }), { maxLength: 40 });
  fc.assert(
    fc.property(steps, (steps) => {
      const index = new VectorIndex(3);
      const left = new Map<number, number[]>();
      for (const step of steps) {
        if (step > 4) {
          const vector = [step, step * step % 7 - 3, 1];
          left.set(index.add(vector), vector);
        } else assertEquals(index.remove(step), left.delete(step));
      }
      const fresh = new VectorIndex(3);
      const names = [...left.keys()];
      left.forEach((vector) => fresh.add(vector));
      assertEquals(
        index.search(QUERY, 99),
        fresh.search(QUERY, 99).map((hit) => ({ ...hit, id: names[hit.id] })),
      );
    }),
    { seed: 3 },
  );
});

Deno.test("topK() does not rank a NaN, and makes no hit up in its place", () => {
  for (const scores of [[NaN], [1, NaN, NaN], [3, 2, NaN, 1]]) {
    assertThrows(() => topK(scores, 3), RangeError, "Cannot rank NaN at ");
  }
});

Deno.test("a row that has moved is removed by its id, also after another came", () => {
  for (const order of [[0, 2, 1], [1, 2, 0], [2, 1, 0], [0, 1, 2]]) {
    const index = indexOf([[1, 0], [0, 1], [-1, 0]]);
    const left = new Set([0, 1, 2]);
    for (const id of order) {
      assertEquals([index.remove(id), index.remove(id)], [true, false]);
      left.delete(id);
      left.add(index.add([1, 1]));
      assertEquals(new Set(ids(index.search([1, 2], 9))), left);
    }
  }
});
