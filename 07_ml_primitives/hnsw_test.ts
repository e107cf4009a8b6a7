import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { beam, type Links, search } from "./hnsw.ts";
import { recall } from "./ivf.ts";

const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);
const path = (N: number): Links =>
  Array.from({ length: N }, (_, n) => [
    [n - 1, n + 1].filter((id) => id >= 0 && id < N),
  ]);
/** The twin: all nodes, sorted. */
const exact = (N: number, distance: (id: number) => number, k: number) =>
  Array.from({ length: N }, (_, id) => ({ id, distance: distance(id) }))
    .sort((a, b) => a.distance - b.distance || a.id - b.id).slice(0, k);

// 2000 points in 8 dimensions; layer l holds every 10^l-th, each linked to its 6
// nearest there and to one more.
const N = 2000;
const random = lcg(3);
const draw = () => Float64Array.from({ length: 8 }, random);
const points = Array.from({ length: N }, draw);
const between = (a: Float64Array, b: Float64Array) =>
  Math.sqrt(a.reduce((sum, x, d) => sum + (x - b[d]) ** 2, 0));
const links: Links = points.map((p, n) =>
  [0, 1, 2].filter((layer) => n % 10 ** layer === 0).map((layer) => {
    const step = 10 ** layer;
    const near = Array.from({ length: N / step }, (_, i) => {
      const id = i * step;
      return { id, d: id === n ? Infinity : between(p, points[id]) };
    });
    const far = near[Math.floor(random() * near.length)].id;
    return [
      ...near.sort((a, b) => a.d - b.d).slice(0, 6).map((x) => x.id),
      far,
    ];
  })
);
const queries = Array.from({ length: 60 }, draw);
const mean = (k: number, ef: number, counts?: number[]) =>
  queries.reduce((sum, q) => {
    const distance = (id: number) => between(q, points[id]);
    const found = search(links, 0, distance, k, ef, counts);
    return sum + recall(exact(N, distance, k), found);
  }, 0) / queries.length;

Deno.test("recall rises with ef: a beam of k alone loses neighbours", () => {
  const means = [10, 30, 100, N].map((ef) => mean(10, ef));
  const rising = means.every((m, i) => i === 0 || m > means[i - 1]);
  assertEquals(rising, true, `${means}`);
  assertEquals(means[0] < 0.9 && means[2] > 0.95, true, `${means}`);
});

Deno.test("a beam of N is exact: every node can be reached", () => {
  for (const q of queries.slice(0, 10)) {
    const distance = (id: number) => between(q, points[id]);
    assertEquals(search(links, 0, distance, 10, N), exact(N, distance, 10));
  }
});

Deno.test("ef widens the beam in layer 0 only: upper layers cost the same", () => {
  const [narrow, wide] = [[], []] as number[][];
  mean(10, 10, narrow);
  mean(10, 200, wide);
  assertEquals(wide.slice(1), narrow.slice(1));
  assertEquals(wide[0] > 3 * narrow[0], true);
  // A greedy walk in 20 nodes of layer 2 and 200 of layer 1 sees a part of each.
  assertEquals(narrow[2] / 60 < 20 && narrow[1] / 60 < 40, true, `${narrow}`);
});

Deno.test("ef smaller than k is raised to k", () => {
  const distance = (id: number) => Math.abs(id - 3.2);
  assertEquals(ids(search(path(9), 0, distance, 5, 1)), [3, 4, 2, 5, 1]);
});

Deno.test("each node is visited once, so no result comes twice", () => {
  const visits: number[] = [];
  const hits = search(path(7), 3, (id) => (visits.push(id), id), 7, 7);
  assertEquals(ids(hits), [0, 1, 2, 3, 4, 5, 6]);
  assertEquals(visits.sort(), [0, 1, 2, 3, 4, 5, 6]);
});

Deno.test("no distance is computed twice, also of nodes that fell out of the beam", () => {
  for (const q of queries) {
    const visits: number[] = [];
    beam(links, 0, (id) => (visits.push(id), between(q, points[id])), 3, 0);
    assertEquals(new Set(visits).size, visits.length);
  }
});

Deno.test("a node that fell out of the beam is not expanded", () => {
  const visits: number[] = [];
  const star: Links = [[[3, 1, 2]], [[0]], [[0]], [[4]], [[]]];
  search(star, 0, (id) => (visits.push(id), [9, 1, 2, 5, 0][id]), 1, 2);
  assertEquals(visits, [0, 3, 1, 2]);
});

Deno.test("a search expands no more once the nearest open node is too far", () => {
  const visits: number[] = [];
  search(path(100), 0, (id) => (visits.push(id), Math.abs(id - 4)), 1, 2);
  // 4 is nearest; 3 and 5 tie, so the beam is {4, 3}, and 5 is not let in.
  assertEquals(visits, [0, 1, 2, 3, 4, 5]);
});

Deno.test("in a local minimum only a wider beam goes on", () => {
  // Along the path: 5, 2, 4, 3, 0.
  const distance = (id: number) => [5, 2, 4, 3, 0][id];
  assertEquals(ids(search(path(5), 0, distance, 1, 1)), [1]);
  assertEquals(ids(search(path(5), 0, distance, 1, 3)), [4]);
});

Deno.test("ties end: three nodes at one distance, linked in a ring", () => {
  const ring: Links = [[[1, 2]], [[2, 0]], [[0, 1]]];
  assertEquals(ids(search(ring, 2, () => 1, 2, 2)), [0, 1]);
  assertEquals(ids(search(ring, 2, () => 1, 3, 5)), [0, 1, 2]);
});

Deno.test("links to itself, double links and one-way links do no harm", () => {
  const odd: Links = [[[0, 0, 1, 1]], [[1, 2, 2]], [[2]]];
  assertEquals(ids(search(odd, 0, (id) => -id, 3, 9)), [2, 1, 0]);
  assertEquals(ids(search(odd, 2, (id) => -id, 3, 9)), [2]);
});

Deno.test("what cannot be reached is not found", () => {
  const parts: Links = [[[1]], [[0]], [[3]], [[2]]];
  assertEquals(ids(search(parts, 0, (id) => -id, 4, 9)), [1, 0]);
});

Deno.test("an upper layer leads to the far side, where layer 0 alone stays", () => {
  // In layer 0 the way from 0 to 9 climbs first; in layer 1 they are neighbours.
  const hill: Links = path(10).map(([layer0], n) =>
    n === 0 ? [layer0, [9]] : n === 9 ? [layer0, [0]] : [layer0]
  );
  const distance = (id: number) => id < 5 ? 10 + id : 20 - 2 * id;
  assertEquals(ids(search(hill, 0, distance, 1, 1)), [9]);
  assertEquals(ids(search(path(10), 0, distance, 1, 1)), [0]);
});

Deno.test("a layer where a node has no links, or is not, is passed through", () => {
  const sparse: Links = [[[1], [], [1]], [[0, 2]], [[1]]];
  // Layer 2 leads to node 1, which has layer 0 only.
  assertEquals(ids(search(sparse, 0, (id) => 2 - id, 1, 1)), [2]);
  // An entry in layer 0 only skips the upper ones.
  assertEquals(ids(search(sparse, 2, (id) => id, 1, 1)), [0]);
});

Deno.test("no node and k of 0 find nothing, one node finds itself", () => {
  assertEquals(search([], -1, () => 0, 3, 3), []);
  assertEquals(search(path(4), 0, () => 0, 0, 3), []);
  assertEquals(search([[[]]], 0, () => 7, 3, 3), [{ id: 0, distance: 7 }]);
  assertEquals(ids(search(path(3), 0, (id) => id, 99, 1)), [0, 1, 2]);
});

Deno.test("any graph: hits are what the beam could reach, sorted, without doubles", () => {
  const graph = fc.array(
    fc.array(fc.nat({ max: 7 }), { maxLength: 4 }),
    { minLength: 8, maxLength: 8 },
  );
  const distances = fc.array(fc.nat({ max: 3 }), {
    minLength: 8,
    maxLength: 8,
  });
  fc.assert(
    fc.property(graph, distances, fc.nat({ max: 7 }), (layer0, d, entry) => {
      const reached = new Set([entry]);
      for (const id of reached) layer0[id].forEach((next) => reached.add(next));
      const all = exact(8, (id) => d[id], 8).filter((hit) =>
        reached.has(hit.id)
      );
      const one = layer0.map((next) => [next]);
      assertEquals(search(one, entry, (id) => d[id], 8, 8), all);
      assertEquals(
        beam(one, entry, (id) => d[id], 3, 0).length,
        Math.min(3, all.length),
      );
    }),
    { seed: 5, numRuns: 500 },
  );
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["k below 0", () => search(path(2), 0, () => 0, -1, 1), "k = -1: needs 0"],
  ["half a k", () => search(path(2), 0, () => 0, 1.5, 1), "k = 1.5"],
  [
    "no beam",
    () => search(path(2), 0, () => 0, 1, 0),
    "ef = 0: needs 1 or more",
  ],
  ["a walk of no beam", () => beam(path(2), 0, () => 0, 0, 0), "a beam of 0"],
  ["ef of NaN", () => search(path(2), 0, () => 0, 1, NaN), "ef = NaN"],
  [
    "an entry too high",
    () => search(path(2), 2, () => 0, 1, 1),
    "visit node 2",
  ],
  ["an entry of −1", () => search(path(2), -1, () => 0, 1, 1), "visit node -1"],
  [
    "a link that leads nowhere",
    () => search([[[1]], [[5]]], 0, (id) => -id, 2, 2),
    "Cannot visit node 5: there are 2 nodes",
  ],
  [
    "a distance of NaN",
    () => search(path(3), 0, (id) => id === 1 ? NaN : 1, 2, 2),
    "Cannot rank node 1: its distance is NaN",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
