import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Graph, insert, remove, search } from "./hnsw_index.ts";
import { recall } from "./ivf.ts";

const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);
const build = (rows: number[][], M = 8, efConstruction = 40, seed = 1) => {
  const graph = new Graph(rows[0].length);
  const random = lcg(seed);
  rows.forEach((row) => insert(graph, row, random, M, efConstruction));
  return graph;
};
/** The twin: all rows, sorted by distance and id. */
const exact = (rows: number[][], q: number[], k: number) =>
  rows.map((row, id) => ({
    id,
    distance: Math.sqrt(row.reduce((s, x, d) => s + (x - q[d]) ** 2, 0)),
  })).sort((a, b) => a.distance - b.distance || a.id - b.id).slice(0, k);

// 40 tight clusters far from each other, one after the other.
const random = lcg(9);
const clustered = Array.from(
  { length: 2000 },
  (_, n) =>
    [3, 5, 7, 11, 13].map((p) => (Math.floor(n / 50) * p) % 17 + random() / 9),
);
const queries = Array.from(
  { length: 60 },
  (_, i) => clustered[i * 33].map((x) => x + random() / 20),
);
const mean = (graph: Graph, ef: number) =>
  queries.reduce(
    (s, q) => s + recall(exact(clustered, q, 10), search(graph, q, 10, ef)),
    0,
  ) / queries.length;

Deno.test("clusters inserted one after the other stay joined: recall is above 0.9", () => {
  const graph = build(clustered);
  // Whole clusters are found or lost; linking the nearest loses more.
  assertEquals(mean(graph, 60) > 0.9, true, `${mean(graph, 60)}`);
  assertEquals(mean(graph, 60) > mean(graph, 10), true);
});

Deno.test("no node has more than M links, or 2M in layer 0", () => {
  const graph = build(clustered.slice(0, 900), 5);
  graph.links.forEach((layers) =>
    layers.forEach((ids, layer) => {
      assertEquals(ids.length <= (layer === 0 ? 10 : 5), true);
      assertEquals(new Set(ids).size, ids.length);
    })
  );
});

Deno.test("a link is nearer to its node than to the links before it", () => {
  // On a line, 0 needs its neighbours on both sides and no other.
  const graph = build([[0], [1], [2], [3], [-1], [-2]], 8, 40);
  assertEquals(graph.links[5][0], [4]);
  assertEquals(graph.links[3][0], [2]);
});

Deno.test("each layer holds about 1/M of the one below", () => {
  const graph = build(clustered, 5, 10);
  const sizes = [0, 1, 2].map((layer) =>
    graph.links.filter((layers) => layers.length > layer).length
  );
  // 2000, then binomial with p = 1/5 and 1/25: five standard deviations are 90 and 44.
  assertEquals(sizes[0], 2000);
  assertAlmostEquals(sizes[1], 400, 90);
  assertAlmostEquals(sizes[2], 80, 44);
  assertEquals(graph.links[graph.entry].length >= 3, true);
});

Deno.test("a draw of nearly 1 does not make layers without end", () => {
  const graph = new Graph(1);
  insert(graph, [1], () => 1 - 2 ** -53, 2);
  assertEquals(graph.links[0].length, 17);
  insert(graph, [2], () => 0, 2);
  assertEquals(graph.links[1].length, 1);
  assertEquals(ids(search(graph, [2], 1, 1)), [1]);
});

Deno.test("few vectors are all found, in order, whatever they are", () => {
  const rows = fc.array(
    fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 3, maxLength: 3 }),
    { minLength: 1, maxLength: 15 },
  );
  fc.assert(
    fc.property(rows, fc.nat({ max: 20 }), fc.nat(1e6), (rows, k, seed) => {
      const graph = build(rows, 8, 40, seed + 1);
      assertEquals(
        search(graph, [1, 0, -2], k, 99),
        exact(rows, [1, 0, -2], k),
      );
    }),
    { seed: 6, numRuns: 300 },
  );
});

Deno.test("a hundred copies are all found, and do not cut off the others", () => {
  const rows = Array.from({ length: 100 }, () => [1, 2]);
  rows.push([9, 9], [5, 5], [9, 8]);
  const graph = build(rows, 4, 10);
  assertEquals(ids(search(graph, [1, 2], 100, 10)).length, 100);
  assertEquals(ids(search(graph, [9, 9], 3, 10)), [100, 102, 101]);
});

Deno.test("a removed vector is not found, and what lies behind it still is", () => {
  const graph = build(clustered.slice(0, 600));
  for (let id = 0; id < 600; id++) {
    if (id % 3 > 0) assertEquals(remove(graph, id), true);
  }
  for (const q of [clustered[0], clustered[301], clustered[590]]) {
    const left = exact(clustered.slice(0, 600), q, 600)
      .filter((hit) => hit.id % 3 === 0).slice(0, 10);
    const found = search(graph, q, 10, 60);
    assertEquals(found.length, 10);
    // Removed ones take no place in the beam.
    assertEquals(search(graph, q, 10, 10).length, 10);
    assertEquals(found.every((hit) => hit.id % 3 === 0), true);
    assertEquals(recall(left, found) >= 0.9, true);
  }
  assertEquals([remove(graph, 1), remove(graph, 999), remove(graph, -1)], [
    false,
    false,
    false,
  ]);
});

Deno.test("one of two copies removed leaves the other, and ids are not given again", () => {
  const graph = build([[1], [1], [4]]);
  assertEquals(remove(graph, 0), true);
  assertEquals(ids(search(graph, [1], 3, 9)), [1, 2]);
  assertEquals([remove(graph, 1), remove(graph, 2)], [true, true]);
  assertEquals(search(graph, [1], 3, 9), []);
  assertEquals(insert(graph, [2], () => 0.5), 3);
  assertEquals(insert(graph, [1], () => 0.5), 4);
  assertEquals(ids(search(graph, [1], 3, 9)), [4, 3]);
});

Deno.test("an empty graph and k of 0 find nothing; ef below k is raised", () => {
  assertEquals(search(new Graph(2), [1, 2], 3, 3), []);
  const graph = build([[1], [2], [3]]);
  assertEquals(search(graph, [1], 0, 3), []);
  assertEquals(ids(search(graph, [1.2], 3, 1)), [0, 1, 2]);
});

Deno.test("in a local minimum only a wider beam goes on", () => {
  // Along the path the distances from 0 are 5, 2, 4, 3, 1.
  const graph = new Graph(1);
  graph.vectors = Float32Array.of(5, 2, 4, 3, 1);
  graph.seen = new Float64Array(5);
  graph.entry = 0;
  for (let id = 0; id < 5; id++) {
    graph.links.push([[id - 1, id + 1].filter((n) => n >= 0 && n < 5)]);
    graph.names.push([id]);
    graph.nodeOf.push(id);
  }
  assertEquals(ids(search(graph, [0], 1, 1)), [1]);
  assertEquals(ids(search(graph, [0], 1, 3)), [4]);
});

Deno.test("distances are exact in an odd and in an even number of dimensions", () => {
  for (const D of [1, 2, 3, 4, 7]) {
    const x = Array.from({ length: D }, (_, d) => d * d - 3);
    const q = Array.from({ length: D }, (_, d) => 5 - 2 * d);
    assertEquals(search(build([x]), q, 1, 1), exact([x], q, 1));
  }
});

Deno.test("the walks go on after 2³² of them, which a server has in a day", () => {
  const graph = build(clustered.slice(0, 50));
  const before = search(graph, clustered[7], 5, 10);
  graph.walk = 2 ** 32 - 2;
  for (let n = 0; n < 5; n++) {
    assertEquals(search(graph, clustered[7], 5, 10), before);
  }
});

Deno.test("the index keeps its own copy of a vector", () => {
  const graph = new Graph(2);
  const x = new Float32Array([3, 4]);
  insert(graph, x, () => 0);
  x.fill(0);
  assertEquals(search(graph, [0, 0], 1, 1), [{ id: 0, distance: 5 }]);
});

const one = build([[1, 2]]);
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no dimension", () => new Graph(0), "Cannot index vectors of 0 dimensions"],
  ["a size", () => insert(one, [1], () => 0), "compare size 1 with size 2"],
  ["another size", () => search(one, [1, 2, 3], 1, 1), "size 3 with size 2"],
  [
    "NaN",
    () => insert(one, [1, NaN], () => 0),
    "place NaN (entry 1): not finite in f32",
  ],
  [
    "beyond f32",
    () => insert(one, [1e39, 0], () => 0),
    "Cannot place 1e+39 (entry 0)",
  ],
  ["M of 1", () => insert(one, [1, 1], () => 0, 1), "Cannot build with M = 1"],
  ["M of NaN", () => insert(one, [1, 1], () => 0, NaN), "build with M = NaN"],
  [
    "no beam",
    () => insert(one, [1, 1], () => 0, 2, 0),
    "build with a beam of 0",
  ],
  ["k below 0", () => search(one, [1, 1], -1, 1), "find the nearest -1"],
  ["ef of 0", () => search(one, [1, 1], 1, 0), "search with a beam of 0"],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
