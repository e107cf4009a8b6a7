import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { centroids, Ivf, recall } from "./ivf.ts";
import { VectorIndex } from "./vector_search.ts";

const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const draw = (N: number, D: number, seed: number) => {
  const random = lcg(seed);
  return Array.from(
    { length: N },
    () => Array.from({ length: D }, () => random() - 0.5),
  );
};
const build = (rows: number[][], L: number) => {
  const index = new Ivf(centroids(rows, L, lcg(7)));
  rows.forEach((row) => index.add(row));
  return index;
};
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);

Deno.test("all lists probed find what the exact search finds", () => {
  const shape = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat({ max: 25 }));
  fc.assert(
    fc.property(shape, fc.integer({ min: 1, max: 1e6 }), ([L, k], seed) => {
      const rows = draw(20, 3, seed);
      const exact = new VectorIndex(3);
      rows.forEach((row) => exact.add(row));
      const [query] = draw(1, 3, seed + 1);
      const found = build(rows, L).search(query, k, L);
      const best = exact.search(query, k);
      assertEquals(ids(found), ids(best));
      // VectorIndex keeps unit vectors in single precision.
      found.forEach((hit, i) =>
        assertAlmostEquals(hit.score, best[i].score, 6e-8)
      );
    }),
    { seed: 4 },
  );
});

Deno.test("more probes find more and scan more, fewer scan only their lists", () => {
  const [rows, queries] = [draw(2000, 6, 1), draw(50, 6, 2)];
  const index = build(rows, 32);
  const exact = queries.map((q) => index.search(q, 10, 32));
  const [means, scanned] = [[], []] as number[][];
  for (const probes of [1, 4, 16]) {
    index.compared = 0;
    const found = queries.map((q) => index.search(q, 10, probes));
    means.push(found.reduce((sum, f, i) => sum + recall(exact[i], f), 0) / 50);
    scanned.push(index.compared / queries.length / rows.length);
  }
  // One list of 32 holds 3 % of the rows on average, 4 hold 13 %, 16 a half.
  assertEquals(
    scanned.map((s) => s < 0.06),
    [true, false, false],
    `${scanned}`,
  );
  assertEquals(scanned.map((s) => s < 0.6), [true, true, true]);
  assertEquals(means[0] < 0.7 && means[1] > 0.75 && means[2] > 0.98, true);
});

Deno.test("centroids of two bundles lie in their middles, of unit length", () => {
  const rows = [[9, 1], [9, -1], [-1, 8], [1, 8]];
  for (let seed = 1; seed < 20; seed++) {
    const centres = centroids(rows, 2, lcg(seed * 7919)).map((c) => [...c]);
    centres.sort((a, b) => b[0] - a[0]);
    centres.flat().forEach((x, i) =>
      assertAlmostEquals(x, [1, 0, 0, 1][i], 1e-15)
    );
  }
});

Deno.test("a cell that nobody is in keeps its centroid, and none becomes NaN", () => {
  const centres = centroids([[1, 2], [1, 2], [1, 2]], 3, lcg(1));
  assertEquals(centres.flatMap((c) => [...c]).every(Number.isFinite), true);
  const zeros = centroids([[0, 0], [0, 0]], 2, lcg(1));
  assertEquals(zeros.map((c) => [...c]), [[0, 0], [0, 0]]);
});

Deno.test("a vector added later goes to the nearest cell and is found there", () => {
  const index = new Ivf([Float64Array.of(1, 0), Float64Array.of(0, 1)]);
  assertEquals(index.add([5, 1]), 0);
  assertEquals(index.add([1, 5]), 1);
  assertEquals(index.add([2, 9]), 2);
  assertEquals(index.sizes, [1, 2]);
  assertEquals(ids(index.search([1, 9], 3, 1)), [1, 2]);
  assertEquals(ids(index.search([9, 1], 3, 1)), [0]);
});

Deno.test("a removed vector is not found, and its id is not given again", () => {
  const index = build([[1, 0], [0, 1], [1, 1]], 2);
  assertEquals([index.remove(2), index.remove(2), index.remove(9)], [
    true,
    false,
    false,
  ]);
  assertEquals(ids(index.search([1, 1], 3, 2)), [0, 1]);
  assertEquals(index.add([1, 1]), 3);
  assertEquals(ids(index.search([1, 1], 1, 2)), [3]);
});

Deno.test("probes above L are L, k of 0 finds nothing, no vectors find nothing", () => {
  const index = build([[1, 0], [0, 1], [1, 1]], 2);
  assertEquals(ids(index.search([2, 1], 9, 99)), [2, 0, 1]);
  assertEquals(index.search([2, 1], 0, 1), []);
  assertEquals(new Ivf([Float64Array.of(1, 0)]).search([1, 1], 3, 1), []);
});

Deno.test("recall() is the share of the exact hits found, in any order", () => {
  const hits = (...ids: number[]) => ids.map((id) => ({ id }));
  assertEquals(recall(hits(1, 2, 3, 4), hits(4, 9, 2, 8)), 0.5);
  assertEquals(recall(hits(5), hits(1, 2, 5)), 1);
  assertEquals(recall(hits(1, 2), hits(1)), 0.5);
  assertEquals(recall([], hits(1)), 1);
});

const some = build([[1, 0], [0, 1]], 1);
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no cell", () => centroids([[1]], 0, lcg(1)), "Cannot make 0 cells of 1"],
  [
    "too few",
    () => centroids([[1]], 2, lcg(1)),
    "Cannot make 2 cells of 1 vec",
  ],
  ["no centroid", () => new Ivf([]), "centroids of different or no size"],
  [
    "two sizes",
    () => new Ivf([Float64Array.of(1, 0), Float64Array.of(1)]),
    "centroids of different or no size",
  ],
  ["no probe", () => some.search([1, 2], 1, 0), "search with probes = 0"],
  ["half a probe", () => some.search([1, 2], 1, 0.5), "probes = 0.5"],
  ["k below 0", () => some.search([1, 2], -1, 1), "Cannot search with k = -1"],
  ["a size", () => some.search([1], 1, 1), "size 1: needs 2 entries"],
  ["a NaN", () => some.add([1, NaN]), "of size 2: entry 1 is NaN"],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}

Deno.test("scores stay in [−1, 1], and vectors may be of length 1e±200", () => {
  for (let seed = 1; seed < 50; seed++) {
    const rows = draw(5, 3, seed * 7919);
    for (const scale of [1, 1e200, 1e-200]) {
      const index = build(rows.map((row) => row.map((x) => x * scale)), 1);
      const [best] = index.search(rows[0], 1, 1);
      assertEquals(best.id, 0);
      assertAlmostEquals(best.score, 1, 1e-15);
      assertEquals(best.score <= 1, true);
    }
  }
});

Deno.test("of two centroids equally near the first is taken", () => {
  const index = new Ivf([Float64Array.of(1, 0), Float64Array.of(0, 1)]);
  index.add([1, 1]);
  assertEquals(index.sizes, [1, 0]);
});
