import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  binaryCodes,
  popcount,
  QuantisedIndex,
  scalarCodes,
} from "./quantised_search.ts";
import { cosineTopK } from "./vector_search.ts";

const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);
/** Tight clusters: within one, neighbours differ by little. */
function clusters(N: number, D: number, L: number, seed: number) {
  const random = lcg(seed);
  const draw = () => Array.from({ length: D }, () => random() - 0.5);
  const centres = Array.from({ length: L }, draw);
  const near = (_: unknown, n: number) =>
    centres[n % L].map((c) => c + 0.2 * (random() - 0.5));
  return {
    rows: Array.from({ length: N }, near),
    queries: Array.from({ length: 30 }, near),
  };
}

// Goldens: python3 -c "
// import numpy as np
// R = (((np.arange(35) * 17) % 23 - 11) / 16).astype(np.float32)
// m = np.quantile(np.abs(R).astype(float), .9); s = m / 127
// print(float(s)); print(np.rint(np.clip(R / s, -127, 127)).astype(int).tolist())
// B = (((np.arange(70) * 29) % 31 - 15)).reshape(2, 35) > 0
// print([[int(sum(1 << i for i, b in enumerate(r[w:w + 32]) if b)) for w in (0, 32)] for r in B])
// X = R.reshape(7, 5); U = X / np.linalg.norm(X.astype(float), axis=1, keepdims=True)
// q = np.array([3, -1, 2, .5, -2]); c = U @ (q / np.linalg.norm(q))
// o = np.argsort(-c)[:3]; print([[int(i), float(c[i])] for i in o])"
const SCALE = 0.005216535433070867;
const CODES = [
  -127,
  72,
  0,
  -72,
  127,
  60,
  -12,
  -84,
  120,
  48,
  -24,
  -96,
  108,
  36,
  -36,
  -108,
  96,
  24,
  -48,
  -120,
  84,
  12,
  -60,
  -127,
  72,
  0,
  -72,
  127,
  60,
  -12,
  -84,
  120,
  48,
  -24,
  -96,
];
const BITS = [[16711934, 7], [4027576335, 7]];
const BEST = [[5, 0.5623754862979817], [2, 0.49813037374547414], [
  1,
  -0.016937600377082408,
]];
const ROWS = Float32Array.from(
  { length: 35 },
  (_, i) => (i * 17 % 23 - 11) / 16,
);
Deno.test("scalarCodes() golden: the 90 % quantile is 127, larger entries are clipped", () => {
  const { codes, scale } = scalarCodes(ROWS, 0.9);
  assert(Math.abs(scale - SCALE) < 1e-15, `${scale}`);
  assertEquals([...codes], CODES);
  assertEquals(codes.filter((c) => Math.abs(c) === 127).length > 1, true);
});
Deno.test("binaryCodes() golden: 35 signs in two words, 0 where an entry is 0", () => {
  const signs = Float32Array.from({ length: 70 }, (_, i) => i * 29 % 31 - 15);
  assertEquals([...binaryCodes(signs, 35)], BITS.flat());
});
for (const kind of ["int8", "binary"] as const) {
  Deno.test(`search() golden: rescored, ${kind} gives the exact cosines`, () => {
    const rows = Array.from(
      { length: 7 },
      (_, n) => ROWS.slice(5 * n, 5 * n + 5),
    );
    const index = new QuantisedIndex(rows, 5, kind);
    const hits = index.search([3, -1, 2, 0.5, -2], 3, { oversampling: 3 });
    assertEquals(ids(hits), BEST.map(([id]) => id));
    // Rows and query are unit vectors in single precision: 1e-7.
    hits.forEach((hit, i) => assert(Math.abs(hit.score - BEST[i][1]) < 2e-7));
  });
}

Deno.test("popcount() counts the bits of any 32-bit word, the sign bit too", () => {
  assertEquals([0, 1, 0x80000000, 0xffffffff, -1].map(popcount), [
    0,
    1,
    1,
    32,
    32,
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (word) => {
      const ones = [...word.toString(2)].filter((bit) => bit === "1").length;
      assertEquals(popcount(word), ones);
      assertEquals(popcount(word | 0), ones);
    }),
    { seed: 2, numRuns: 500 },
  );
});
Deno.test("a code of quantile 1 is within half a step of its entry", () => {
  const entries = fc.float32Array({
    noNaN: true,
    min: -2,
    max: 2,
    minLength: 1,
  });
  fc.assert(
    fc.property(entries, (rows) => {
      const { codes, scale } = scalarCodes(rows, 1);
      rows.forEach((x, i) =>
        assert(Math.abs(scale * codes[i] - x) <= scale / 2 * (1 + 1e-9), `${x}`)
      );
    }),
    { seed: 3 },
  );
});
Deno.test("Hamming distance is the number of entries of different sign", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 1e6 }),
      (D, seed) => {
        const random = lcg(seed);
        const [x, y] = [0, 1].map(() =>
          Array.from({ length: D }, () => random() - 0.5)
        );
        const [hit] = new QuantisedIndex([x], D, "binary")
          .search(y, 1, { rescore: false });
        const differ = x.filter((xd, d) => xd > 0 !== y[d] > 0).length;
        assertEquals(hit.score, 1 - 2 * differ / D);
      },
    ),
    { seed: 4 },
  );
});
Deno.test("with as many candidates as rows, either code finds what the exact search finds", () => {
  const kinds = fc.constantFrom("int8" as const, "binary" as const);
  fc.assert(
    fc.property(
      kinds,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 1e6 }),
      (kind, D, seed) => {
        const random = lcg(seed);
        const draw = () => Array.from({ length: D }, () => random() - 0.5);
        const rows = Array.from({ length: 15 }, draw), query = draw();
        const index = new QuantisedIndex(rows, D, kind);
        const hits = index.search(query, 4, { oversampling: 4 });
        const exact = cosineTopK(rows, query, 4);
        hits.forEach((hit, i) => {
          // Rounded to single precision, two cosines may change places.
          assert(Math.abs(hit.score - exact[i].score) < 3e-7);
          assert(i === 0 || hit.score <= hits[i - 1].score);
        });
        assertEquals(hits.length, 4);
      },
    ),
    { seed: 5 },
  );
});

const { rows, queries } = clusters(600, 48, 6, 1);
const exact = queries.map((q) => ids(cosineTopK(rows, q, 10)));
const recall = (index: QuantisedIndex, oversampling: number, rescore = true) =>
  queries.reduce((sum, q, i) => {
    const found = ids(index.search(q, 10, { oversampling, rescore }));
    return sum + exact[i].filter((id) => found.includes(id)).length;
  }, 0) / queries.length / 10;
Deno.test("more candidates find more, and bits need more of them than bytes", () => {
  const int8 = new QuantisedIndex(rows, 48, "int8");
  const binary = new QuantisedIndex(rows, 48, "binary");
  const bytes = [1, 2, 4].map((times) => recall(int8, times));
  const bits = [1, 2, 4, 10].map((times) => recall(binary, times));
  assert(bytes[0] > 0.8 && bytes[0] < bytes[1], `${bytes}`);
  assert(bytes[1] < bytes[2] && bytes[2] > 0.97, `${bytes}`);
  assert(bits[0] < 0.4 && bits[3] > 0.95, `${bits}`);
  bits.forEach((r, i) => assert(i === 0 || r > bits[i - 1], `${bits}`));
});
Deno.test("rescoring the k that the codes chose orders them, and finds no other", () => {
  const binary = new QuantisedIndex(rows, 48, "binary");
  assertEquals(recall(binary, 1), recall(binary, 1, false));
  const codes = binary.search(queries[0], 10, { rescore: false });
  const rescored = binary.search(queries[0], 10);
  assertEquals(ids(codes).sort(), ids(rescored).sort());
  assert(ids(codes).join() !== ids(rescored).join());
  rescored.forEach((hit, i) =>
    assert(i === 0 || hit.score <= rescored[i - 1].score)
  );
});
Deno.test("a quantile keeps a few outliers from taking the bytes of all others", () => {
  const wild = rows.map((row, n) =>
    n % 100 === 7 ? row.map((x, d) => d === n % 48 ? 90 : x) : row
  );
  const best = queries.map((q) => ids(cosineTopK(wild, q, 10)));
  const found = (quantile: number) => {
    const index = new QuantisedIndex(wild, 48, "int8", quantile);
    return queries.reduce((sum, q, i) => {
      const hits = ids(index.search(q, 10, { rescore: false }));
      return sum + best[i].filter((id) => hits.includes(id)).length;
    }, 0) / 300;
  };
  const [all, most] = [found(1), found(0.99)];
  assert(most > all + 0.03, `${all} ${most}`);
});
Deno.test("int8 estimates are near the cosine, in its own unit", () => {
  const index = new QuantisedIndex(rows, 48, "int8", 1);
  const [hits] = [index.search(queries[3], 600, { rescore: false })];
  const cosine = new Map(
    cosineTopK(rows, queries[3], 600).map((hit) => [hit.id, hit.score]),
  );
  // 48 products of two codes, each half a step of 1/127 · 0.3 off at most.
  hits.forEach((hit) =>
    assert(Math.abs(hit.score - cosine.get(hit.id)!) < 0.02)
  );
});
Deno.test("the length of the query changes nothing", () => {
  for (const kind of ["int8", "binary"] as const) {
    const index = new QuantisedIndex(rows, 48, kind);
    const long = queries[1].map((x) => x * 1e6);
    for (const rescore of [true, false]) {
      assertEquals(
        ids(index.search(long, 5, { rescore })),
        ids(index.search(queries[1], 5, { rescore })),
      );
    }
  }
});
Deno.test("full vectors are read for the candidates only, and not at all unless rescored", () => {
  const index = new QuantisedIndex(rows, 48, "int8");
  index.search(queries[0], 10, { rescore: false, oversampling: 4 });
  assertEquals(index.rescored, 0);
  index.search(queries[0], 10, { oversampling: 2.45 });
  // ⌈24.5⌉.
  assertEquals(index.rescored, 25);
});
Deno.test("bytes: a quarter of single precision, and a bit an entry in whole words", () => {
  const bytes = (kind: "int8" | "binary", D: number) =>
    new QuantisedIndex(clusters(3, D, 1, 1).rows, D, kind).bytes;
  assertEquals(bytes("int8", 40), { codes: 120, full: 480 });
  assertEquals(bytes("binary", 40), { codes: 3 * 2 * 4, full: 480 });
  assertEquals(bytes("binary", 64), { codes: 3 * 2 * 4, full: 768 });
});
Deno.test("zero vectors have cosine 0 with everything, not NaN", () => {
  for (const kind of ["int8", "binary"] as const) {
    const index = new QuantisedIndex([[0, 0], [-1, 0], [1, 1]], 2, kind);
    assertEquals(index.search([2, 0], 3).map((h) => h.id), [2, 0, 1]);
    assertEquals(index.search([2, 0], 3)[1].score, 0);
    assertEquals(index.search([0, 0], 2).map((h) => h.score), [0, 0]);
  }
});
Deno.test("rows that are nearly all zeros are scaled by what is left", () => {
  const sparse = Array.from(
    { length: 3 },
    (_, n) => Array.from({ length: 400 }, (_, d) => d === n ? 1 + n : 0),
  );
  const index = new QuantisedIndex(sparse, 400, "int8", 0.9);
  const query = sparse[0].map((_, d) => [1, 2, 3][d] ?? 0);
  assertEquals(ids(index.search(query, 3, { rescore: false })), [2, 1, 0]);
  assert(index.search(sparse[1], 1, { rescore: false })[0].score > 0.99);
});
Deno.test("equal scores come by the lowest row, k of 0 or no rows give nothing", () => {
  const same = new QuantisedIndex([[1, 2], [1, 2], [2, 4]], 2, "binary");
  assertEquals(ids(same.search([1, 1], 2)), [0, 1]);
  assertEquals(ids(same.search([1, 1], 9)), [0, 1, 2]);
  assertEquals(same.search([1, 1], 0), []);
  assertEquals(new QuantisedIndex([], 2, "int8").search([1, 1], 3), []);
});
Deno.test("rows are copied: changing them later changes nothing", () => {
  const own = [[1, 0], [0, 1]];
  const index = new QuantisedIndex(own, 2, "int8");
  own[0][0] = -9;
  assertEquals(ids(index.search([1, 0], 1)), [0]);
});

const some = new QuantisedIndex([[1, 0], [0, 1]], 2, "int8");
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "k below 0",
    () => some.search([1, 2], -1),
    "Cannot take -1 results of 1 candidates",
  ],
  ["half a k", () => some.search([1, 2], 0.5), "Cannot take 0.5 results"],
  [
    "oversampling below 1",
    () => some.search([1, 2], 1, { oversampling: 0.5 }),
    "1 results of 0.5 candidates each",
  ],
  [
    "oversampling NaN",
    () => some.search([1, 2], 1, { oversampling: NaN }),
    "of NaN candidates",
  ],
  ["a size", () => some.search([1], 1), "size 1: needs 2 finite entries"],
  [
    "a NaN",
    () => some.search([1, NaN], 1),
    "of size 2: needs 2 finite entries",
  ],
  [
    "a row's size",
    () => new QuantisedIndex([[1, 2, 3]], 2, "int8"),
    "size 3: needs 2",
  ],
  [
    "quantile 0",
    () => new QuantisedIndex([[1, 2]], 2, "int8", 0),
    "Cannot clip at quantile 0: needs",
  ],
  [
    "quantile 99",
    () => scalarCodes(ROWS, 99),
    "Cannot clip at quantile 99: needs",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
