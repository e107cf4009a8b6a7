import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  attend,
  keepPath,
  type Model,
  pathTo,
  treeMask,
  treePass,
  treePositions,
} from "./tree_attention.ts";

const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
function toy(V: number, D: number, L: number, seed: number): Model {
  const random = lcg(seed);
  const draw = (rows: number) =>
    Array.from(
      { length: rows },
      () => Array.from({ length: D }, () => random() * 2 - 1),
    );
  const layer = () => ({ query: draw(D), key: draw(D), value: draw(D) });
  return { embed: draw(V), layers: Array.from({ length: L }, layer) };
}
const chain = (N: number) => Array.from({ length: N }, (_, n) => n - 1);

// Goldens: python3 -c "
// import numpy as np
// n, s, d = 4, 6, 3
// r = lambda a, k: ((np.arange(a * d).reshape(a, d) * k) % 11 - 5) / 4
// q, key, v = r(n, 7), r(s, 3), r(s, 4)
// par, T = [-1, 0, 0, 2], 2
// m = np.zeros((n, s), bool); m[:, :T] = True
// for i in range(n):
//     j = i
//     while j >= 0: m[i, T + j] = True; j = par[j]
// z = np.where(m, q @ key.T / np.sqrt(d), -np.inf)
// p = np.exp(z - z.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
// print(m.astype(int).tolist()); print((p @ v).tolist())"
const MASK = [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0], [
  1,
  1,
  1,
  0,
  1,
  1,
]];
const ROWS = [
  [-1.051356502831109, -0.051356502831108944, 0.9486434971688912],
  [-0.7782591201640866, 0.22174087983591345, 0.42588408444561976],
  [-0.8537867660889797, 0.14621323391102017, 0.9128676608897982],
  [-0.7981258920227623, 0.20187410797723762, 0.7614338394242605],
];
const grid = (rows: number, factor: number) =>
  Array.from(
    { length: rows },
    (_, i) => [0, 1, 2].map((j) => ((3 * i + j) * factor % 11 - 5) / 4),
  );
Deno.test("treeMask() golden: the prefix, the ancestors and the node itself", () =>
  assertEquals(treeMask([-1, 0, 0, 2], 2).map((row) => row.map(Number)), MASK));
Deno.test("attend() golden: 4 queries of a tree over 6 keys", () => {
  const mask = treeMask([-1, 0, 0, 2], 2);
  attend(grid(4, 7), grid(6, 3), grid(6, 4), mask).flat().forEach((x, i) =>
    // Sums of at most five terms below 2: some 1e-16 each.
    assert(Math.abs(x - ROWS.flat()[i]) < 1e-14, `${x} at ${i}`)
  );
});

// Any tree: parents of which each is an earlier node, or −1.
const trees = fc.array(fc.nat(), { minLength: 1, maxLength: 9 }).map((xs) =>
  xs.map((x, n) => x % (n + 1) - 1)
);
Deno.test("a node's row in the tree is the last row of its own path alone, bit by bit", () => {
  fc.assert(
    fc.property(
      trees,
      fc.array(fc.nat({ max: 6 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 3 }),
      (parents, prefix, seed, L) => {
        const model = toy(7, 5, L, seed);
        const random = lcg(seed + 1);
        const tokens = parents.map(() => Math.floor(random() * 7));
        const { cache } = treePass(model, prefix, chain(prefix.length));
        const { hidden } = treePass(model, tokens, parents, cache);
        parents.forEach((_, n) => {
          const path = pathTo(parents, n).map((m) => tokens[m]);
          const text = [...prefix, ...path];
          const alone = treePass(model, text, chain(text.length)).hidden;
          assertEquals(hidden[n], alone[text.length - 1]);
        });
      },
    ),
    { seed: 5, numRuns: 150 },
  );
});
Deno.test("with the causal mask over the list, siblings see each other, and rows differ", () => {
  const model = toy(7, 5, 2, 3);
  const [tokens, parents] = [[1, 5, 2, 6], [-1, 0, 0, 2]];
  const { cache } = treePass(model, [3, 4], chain(2));
  const right = treePass(model, tokens, parents, cache).hidden;
  const causal = treeMask(chain(4), 2);
  const at = treePositions(parents, 2);
  const wrong = treePass(model, tokens, parents, cache, causal, at).hidden;
  // The root and its first child see the same either way.
  assertEquals(wrong.slice(0, 2), right.slice(0, 2));
  assert(wrong[2].some((x, d) => Math.abs(x - right[2][d]) > 0.01));
  const list = treePositions(chain(4), 2);
  const moved =
    treePass(model, tokens, parents, cache, treeMask(parents, 2), list).hidden;
  assertEquals(moved.slice(0, 2), right.slice(0, 2));
  assert(moved[2].some((x, d) => Math.abs(x - right[2][d]) > 0.01));
});
Deno.test("what a sibling is changes nothing; what an ancestor is does", () => {
  const model = toy(7, 5, 2, 4);
  const parents = [-1, 0, 0, 2, 1];
  const { cache } = treePass(model, [3, 4, 0], chain(3));
  const rows = (tokens: number[]) =>
    treePass(model, tokens, parents, cache).hidden;
  const before = rows([1, 5, 2, 6, 3]), after = rows([1, 4, 2, 6, 3]);
  assertEquals([0, 2, 3].map((n) => after[n]), [0, 2, 3].map((n) => before[n]));
  assert(after[1][0] !== before[1][0] && after[4][0] !== before[4][0]);
});
Deno.test("the mask of a chain is the causal mask, behind a prefix too", () => {
  assertEquals(treeMask(chain(3), 2).map((row) => row.map(Number)), [
    [1, 1, 1, 0, 0],
    [1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1],
  ]);
  assertEquals(treePositions(chain(3), 2), [2, 3, 4]);
});
Deno.test("positions count the depth, equal for siblings and cousins", () =>
  assertEquals(treePositions([-1, 0, 0, 1, 2, 2, 5], 10), [
    10,
    11,
    11,
    12,
    12,
    12,
    13,
  ]));
Deno.test("a row of the mask shows the prefix and as many nodes as it is deep", () => {
  fc.assert(
    fc.property(trees, fc.nat({ max: 6 }), (parents, T) => {
      const [mask, at] = [treeMask(parents, T), treePositions(parents, T)];
      mask.forEach((row, n) => {
        assertEquals(row.length, T + parents.length);
        assertEquals(row.filter(Boolean).length, at[n] + 1);
        const seen = [...row.keys()].filter((s) => row[s] && s >= T);
        assertEquals(seen.map((s) => s - T), pathTo(parents, n));
      });
    }),
    { seed: 6 },
  );
});
Deno.test("keepPath() leaves the cache of the accepted text as if it were read plainly", () => {
  const model = toy(7, 5, 2, 9);
  const [prefix, tokens] = [[3, 1], [4, 0, 2, 6, 5, 1]];
  const parents = [-1, 0, 0, 2, 1, 2];
  const { cache } = treePass(model, prefix, chain(2));
  const whole = treePass(model, tokens, parents, cache).cache;
  assertEquals(whole[1].key.length, 2 + 6);
  const path = pathTo(parents, 5);
  assertEquals(path, [0, 2, 5]);
  const plain = treePass(model, [3, 1, 4, 2, 1], chain(5)).cache;
  const kept = keepPath(whole, 2, path);
  assertEquals(kept, plain);
  // And what is read next does not differ either.
  assertEquals(
    treePass(model, [6], [-1], kept).hidden,
    treePass(model, [3, 1, 4, 2, 1, 6], chain(6)).hidden.slice(5),
  );
});
Deno.test("keepPath() of no node takes the tree back out of the cache", () => {
  const model = toy(7, 5, 2, 9);
  const { cache } = treePass(model, [3, 1], chain(2));
  const grown = treePass(model, [4, 0, 2], [-1, 0, 0], cache).cache;
  assertEquals(keepPath(grown, 2, []), cache);
});
Deno.test("treePass() leaves the cache it was given unchanged", () => {
  const model = toy(7, 5, 2, 9);
  const { cache } = treePass(model, [3, 1], chain(2));
  const before = JSON.stringify(cache);
  treePass(model, [4, 0, 2], [-1, 0, 0], cache);
  assertEquals(JSON.stringify(cache), before);
});
Deno.test("several roots see the prefix and not each other", () =>
  assertEquals(treeMask([-1, -1, 1], 1).map((row) => row.map(Number)), [
    [1, 1, 0, 0],
    [1, 0, 1, 0],
    [1, 0, 1, 1],
  ]));
Deno.test("scores of 1e4 do not overflow", () => {
  const rows = attend([[200, 0]], [[50, 0], [49, 0]], [[1, 2], [3, 4]], [
    [true, true],
  ]);
  assert(rows[0].every((x, d) => Math.abs(x - (1 + d)) < 1e-12), `${rows}`);
});
Deno.test("a NaN in one node's value stays among its descendants", () => {
  const rows = attend(
    [[1], [1], [1]],
    [[1], [1], [1]],
    [[2], [NaN], [3]],
    treeMask([-1, 0, 0], 0),
  );
  assertEquals(rows, [[2], [NaN], [2.5]]);
});

const model = toy(3, 2, 1, 1);
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "a child first",
    () => treeMask([1, -1], 0),
    "node 0 has parent 1: needs one before it",
  ],
  ["its own parent", () => treeMask([-1, 1], 0), "node 1 has parent 1"],
  ["parent -2", () => treeMask([-2], 0), "node 0 has parent -2"],
  ["parent NaN", () => treePositions([NaN], 0), "node 0 has parent NaN"],
  [
    "half a token",
    () => treeMask([-1], 0.5),
    "Cannot put a tree behind 0.5 tokens",
  ],
  ["a negative prefix", () => treePositions([-1], -1), "behind -1 tokens"],
  [
    "too few tokens",
    () => treePass(model, [1], [-1, 0]),
    "Cannot read 1 tokens as a tree of 2 nodes",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
