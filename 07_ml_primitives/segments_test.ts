import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Collection } from "./segments.ts";
import { cosineTopK } from "./vector_search.ts";

const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);
const draw = (D: number, random: () => number) =>
  Array.from({ length: D }, () => random() - 0.5);
function fill(N: number, D: number, full: number, seed = 1) {
  const random = lcg(seed);
  const collection = new Collection(D, full);
  const rows = Array.from({ length: N }, () => draw(D, random));
  rows.forEach((row, id) => collection.upsert(id, row));
  return { collection, rows, query: draw(D, random) };
}

// Golden: python3 -c "
// import numpy as np
// R = np.array([[(3 * i + j) * 7 % 13 - 6 for j in range(3)] for i in range(7)])
// q = np.array([2, -1, 3]); c = R @ q / np.linalg.norm(R, axis=1) / np.linalg.norm(q)
// print([[int(i), float(c[i])] for i in np.argsort(-c)[:4]])"
const BEST = [[3, 0.9843241382880894], [6, 0.9625334218796218], [
  1,
  0.8436958338752908,
], [4, 0.3954372976473721]];
Deno.test("search() golden: over two sealed segments and a growing one", () => {
  const collection = new Collection(3, 3);
  for (let i = 0; i < 7; i++) {
    collection.upsert(i, [0, 1, 2].map((j) => (3 * i + j) * 7 % 13 - 6));
  }
  assertEquals(collection.segments, [[3, 0], [3, 0], [1, 0]]);
  const hits = collection.search([2, -1, 3], 4);
  assertEquals(ids(hits), BEST.map(([id]) => id));
  // Rows and query are unit vectors in single precision: 1e-7.
  hits.forEach((hit, i) => assert(Math.abs(hit.score - BEST[i][1]) < 2e-7));
});

type Step = ["upsert" | "delete", number] | ["seal"] | ["compact"];
const id = fc.nat({ max: 11 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("upsert" as const), id) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("delete" as const), id) },
  { weight: 1, arbitrary: fc.constant<Step>(["seal"]) },
  { weight: 1, arbitrary: fc.constant<Step>(["compact"]) },
);
Deno.test("after any changes, seals and compactions it finds what an exact search of a map does", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 1e6 }),
      (steps, full, seed) => {
        const random = lcg(seed);
        const collection = new Collection(4, full);
        const truth = new Map<number, number[]>();
        for (const [what, of] of steps) {
          if (what === "upsert") {
            const row = draw(4, random);
            collection.upsert(of, row);
            truth.set(of, row);
          } else if (what === "delete") {
            assertEquals(collection.delete(of), truth.delete(of));
          } else collection[what]();
          assertEquals(collection.size, truth.size);
          const living = collection.segments.reduce((sum, [n]) => sum + n, 0);
          assertEquals(living, truth.size);
        }
        const query = draw(4, random);
        const [keys, rows] = [[...truth.keys()], [...truth.values()]];
        const exact = cosineTopK(rows, query, 5);
        const hits = collection.search(query, 5, 12);
        assertEquals(ids(hits), exact.map((hit) => keys[hit.id]));
        hits.forEach((hit, i) =>
          assert(Math.abs(hit.score - exact[i].score) < 3e-7)
        );
      },
    ),
    { seed: 15, numRuns: 200 },
  );
});

Deno.test("k results though the best ones are dead: tombstones are skipped, not dropped at the end", () => {
  const { collection, rows, query } = fill(90, 8, 30);
  const best = ids(cosineTopK(rows, query, 40));
  best.slice(0, 30).forEach((id) => collection.delete(id));
  const hits = collection.search(query, 5, 1);
  assertEquals(hits.length, 5);
  // 20 candidates of 30 a segment: the codes of 8 entries miss none so far down.
  const left = best.slice(30);
  assert(ids(collection.search(query, 5, 4)).every((id, i) => id === left[i]));
});
Deno.test("a changed vector is found at its new place only, from the growing segment on", () => {
  const collection = new Collection(2, 2);
  collection.upsert(5, [1, 0]);
  collection.upsert(6, [0, 1]);
  assertEquals(collection.segments, [[2, 0], [0, 0]]);
  collection.upsert(5, [-1, 0]);
  assertEquals(collection.segments, [[1, 1], [1, 0]]);
  assertEquals(collection.search([1, 0], 9), [
    { id: 6, score: 0 },
    { id: 5, score: -1 },
  ]);
  assertEquals(collection.size, 2);
});
Deno.test("a vector changed while growing leaves no tombstone", () => {
  const collection = new Collection(2, 9);
  collection.upsert(5, [1, 0]);
  collection.upsert(5, [0, 1]);
  assertEquals(collection.segments, [[1, 0]]);
  assertEquals(ids(collection.search([0, 1], 2)), [5]);
});
Deno.test("sealed segments stay as they are: only the number of dead grows", () => {
  const { collection } = fill(10, 3, 4);
  assertEquals(collection.segments, [[4, 0], [4, 0], [2, 0]]);
  assertEquals([1, 2, 5, 9, 9, 77].map((id) => collection.delete(id)), [
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
  assertEquals(collection.segments, [[2, 2], [3, 1], [1, 0]]);
  assertEquals(collection.size, 6);
});
Deno.test("compact() makes one segment of the living, and changes no result", () => {
  const { collection, query } = fill(100, 6, 24);
  for (let id = 0; id < 100; id += 3) collection.delete(id);
  const before = collection.search(query, 20, 10);
  // Of 34 gone, 0 and 3 … 93 were sealed; 96 and 99 were growing.
  assertEquals(collection.compact(), 32);
  assertEquals(collection.segments, [[64, 0], [2, 0]]);
  assertEquals(collection.search(query, 20, 10), before);
  assertEquals(collection.compact(), 0);
  // And what was moved can still be deleted.
  assertEquals(collection.delete(before[0].id), true);
  assertEquals(ids(collection.search(query, 5)), ids(before).slice(1, 6));
});
Deno.test("compact() of nothing but dead leaves no segment, and of none changes nothing", () => {
  const { collection } = fill(4, 3, 2);
  [0, 1, 2, 3].forEach((id) => collection.delete(id));
  assertEquals(collection.segments, [[0, 2], [0, 2], [0, 0]]);
  assertEquals(collection.compact(), 4);
  assertEquals(collection.segments, [[0, 0]]);
  assertEquals(collection.compact(), 0);
});
Deno.test("segments of different scales merge by exact scores, not by codes", () => {
  // One-hot rows have codes of 127; a spread row has 127 in all its entries.
  const collection = new Collection(4, 2);
  collection.upsert(0, [1, 1, 1, 1]);
  collection.upsert(1, [1, 1, 1, 0.9]);
  collection.upsert(2, [1, 0, 0, 0]);
  collection.upsert(3, [0.9, 0.1, 0, 0]);
  assertEquals(ids(collection.search([1, 0.1, 0.1, 0], 3)), [3, 2, 1]);
});
Deno.test("a search reads full vectors of the growing segment and of candidates only", () => {
  const { collection, query } = fill(70, 5, 30);
  collection.delete(0);
  collection.search(query, 2, 3);
  // 29 + 30 codes; 2 · 6 candidates and the 10 that grow.
  assertEquals(collection.cost, { codes: 59, full: 22 });
});
Deno.test("oversampling finds what codes alone would mix up", () => {
  const random = lcg(9);
  const centre = draw(16, random);
  const collection = new Collection(16, 200);
  const rows = Array.from(
    { length: 400 },
    () => centre.map((c) => c + 0.02 * (random() - 0.5)),
  );
  rows.forEach((row, id) => collection.upsert(id, row));
  let [one, eight] = [0, 0];
  for (let n = 0; n < 20; n++) {
    const query = centre.map((c) => c + 0.02 * (random() - 0.5));
    const exact = ids(cosineTopK(rows, query, 10));
    const found = (times: number) => {
      const hits = ids(collection.search(query, 10, times));
      return exact.filter((id) => hits.includes(id)).length / 200;
    };
    one += found(1);
    eight += found(8);
  }
  assert(one < 0.9 && eight > one + 0.1, `${one} ${eight}`);
});
Deno.test("vectors are copied, and an error leaves the old one in place", () => {
  const collection = new Collection(2, 9);
  const own = [1, 0];
  collection.upsert(3, own);
  own[0] = -1;
  assertThrows(() => collection.upsert(3, [1, NaN]), RangeError);
  assertEquals(collection.search([1, 0], 1), [{ id: 3, score: 1 }]);
});
Deno.test("nothing stored, k of 0, or more asked for than there is", () => {
  const empty = new Collection(2, 3);
  assertEquals([empty.size, empty.search([1, 0], 4)], [0, []]);
  empty.seal();
  assertEquals(empty.segments, [[0, 0]]);
  const { collection, query } = fill(7, 2, 3);
  assertEquals(collection.search(query, 0), []);
  assertEquals(collection.search(query, 50).length, 7);
});
Deno.test("segments of one vector each, and zero vectors, work", () => {
  const collection = new Collection(2, 1);
  [[0, 0], [1, 0], [-1, 1]].forEach((row, id) => collection.upsert(id, row));
  assertEquals(collection.segments, [[1, 0], [1, 0], [1, 0], [0, 0]]);
  assertEquals(ids(collection.search([1, 0], 3)), [1, 0, 2]);
  assertEquals(collection.search([0, 0], 3).map((h) => h.score), [0, 0, 0]);
});

const two = new Collection(2, 2);
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["D = 0", () => new Collection(0, 3), "Cannot seal 3 vectors of size 0"],
  ["half a size", () => new Collection(2.5, 3), "of size 2.5"],
  ["full at 0", () => new Collection(2, 0), "Cannot seal 0 vectors of size 2"],
  [
    "k below 0",
    () => two.search([1, 2], -1),
    "Cannot take -1 results of 4 candidates each",
  ],
  [
    "oversampling below 1",
    () => two.search([1, 2], 1, 0),
    "1 results of 0 candidates",
  ],
  ["a size", () => two.upsert(1, [1]), "size 1: needs 2 finite entries"],
  [
    "an infinity",
    () => two.search([1, Infinity], 1),
    "of size 2: needs 2 finite",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
