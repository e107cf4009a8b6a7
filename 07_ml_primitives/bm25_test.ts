import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  buildIndex,
  fuseRanks,
  fuseScores,
  IDF,
  type Options,
  scores,
  search,
} from "./bm25.ts";

// Goldens:
// python3 -c "
// from math import log
// docs = [d.split() for d in ['the cat sat', 'the dog sat on the dog mat', 'a cat and a dog', 'birds sing', '']]
// N, avg = 5, sum(map(len, docs)) / 5
// def bm25(q, k1, b, idf):
//     out = []
//     for d in docs:
//         s = 0
//         for t in q:
//             df = sum(t in d for d in docs); tf = d.count(t)
//             if df: s += idf(df) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(d) / avg))
//         out.append(s)
//     return out
// lucene = lambda df: log(1 + (N - df + .5) / (df + .5)); rsj = lambda df: log((N - df + .5) / (df + .5))
// print(bm25(['cat', 'dog'], 1.5, .75, lucene)); print(bm25(['the', 'dog'], 1.2, .3, rsj))"
const split = (text: string) => text.split(" ").filter((token) => token);
const DOCS = [
  "the cat sat",
  "the dog sat on the dog mat",
  "a cat and a dog",
  "birds sing",
  "",
].map(split);
const GOLDEN: [query: string, options: Options, expected: number[]][] = [
  ["cat dog", {}, [
    0.924407983541385,
    0.9331014755496112,
    1.444948401457893,
    0.0,
    0.0,
  ]],
  ["the dog", { k1: 1.2, b: 0.3, idf: "rsj" }, [
    0.34307692610777984,
    0.8268108836815613,
    0.31241463876944797,
    0.0,
    0.0,
  ]],
];
const of = (
  docs: string[],
  query: string,
  options?: Options,
) => [...scores(buildIndex(docs.map(split)), split(query), options)];
const ids = (hits: { id: number }[]) => hits.map((hit) => hit.id);

for (const [query, options, expected] of GOLDEN) {
  Deno.test(`scores() golden: ${query} ${JSON.stringify(options)}`, () => {
    const actual = scores(buildIndex(DOCS), split(query), options);
    // A few operations round, each by 1e−16 of the score.
    expected.forEach((e, id) => assertAlmostEquals(actual[id], e, 1e-14));
    assertEquals(actual.length, 5);
  });
}

/** The twin: every document is read for every query. */
const scan = (docs: string[][], query: string[], k1: number, b: number) => {
  const average = docs.flat().length / docs.length;
  return docs.map((doc) =>
    query.reduce((sum, term) => {
      const tf = doc.filter((token) => token === term).length;
      const df = docs.filter((doc) => doc.includes(term)).length;
      if (tf === 0) return sum;
      return sum + IDF.lucene(docs.length, df) * tf * (k1 + 1) /
          (tf + k1 * (1 - b + b * doc.length / average));
    }, 0)
  );
};
const doc = fc.array(fc.constantFrom(..."abcdefg"), { maxLength: 9 });

Deno.test("the inverted index scores as a scan of every document does", () => {
  const query = fc.array(fc.constantFrom(..."abchij"), { maxLength: 5 });
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(doc, { maxLength: 8 }),
      query,
      unit,
      unit,
      (docs, query, k1, b) => {
        const actual = scores(buildIndex(docs), query, { k1, b });
        const expected = scan(docs, query, k1, b);
        assertEquals(actual.length, expected.length);
        expected.forEach((e, i) => assertAlmostEquals(actual[i], e, 1e-12));
      },
    ),
    { seed: 16, numRuns: 500 },
  );
});

Deno.test("search() is the scores sorted, without those that are 0", () => {
  assertEquals(ids(search(buildIndex(DOCS), ["cat", "dog"], 9)), [2, 1, 0]);
  assertEquals(ids(search(buildIndex(DOCS), ["cat", "dog"], 2)), [2, 1]);
  assertEquals(search(buildIndex(DOCS), ["cat"], 0), []);
  // Equal ones by the lowest id, also where a better one comes between them.
  const ties = buildIndex(["x y", "x z", "x x", "x q", "w w"].map(split));
  assertEquals(ids(search(ties, ["x"], 3)), [2, 0, 1]);
  assertEquals(ids(search(ties, ["x"], 9)), [2, 0, 1, 3]);
  // A score below 0 is one other than 0.
  assertEquals(ids(search(ties, ["x"], 9, { idf: "rsj" })), [0, 1, 3, 2]);
});

Deno.test("a term in every document still counts with Lucene's idf", () => {
  const [score] = of(["a", "a", "a"], "a");
  // python3 -c "from math import log; print(log(1 + .5 / 3.5))"
  assertAlmostEquals(score, 0.13353139262452257, 1e-15);
  assertEquals(of(["a", "a", "a"], "a", { idf: "plain" }), [0, 0, 0]);
});

Deno.test("the classic idf is negative for a term in more than half", () => {
  // python3 -c "from math import log; print(log(.5 / 10.5), log(1 + .5 / 10.5))"
  assertAlmostEquals(IDF.rsj(10, 10), -3.044522437723423, 1e-14);
  assertAlmostEquals(IDF.lucene(10, 10), 0.04652001563489291, 1e-15);
  assertEquals(IDF.rsj(10, 5), 0);
  assertEquals(of(["a b", "a", "a"], "a", { idf: "rsj" })[1] < 0, true);
});

Deno.test("one hit in a short document beats two in one of 100 words", () => {
  const [short, long] = of(["x y", `x x ${"z ".repeat(98)}`], "x");
  assertEquals(short > long, true, `${short} ${long}`);
  const [flatShort, flatLong] = of(["x y", `x x ${"z ".repeat(98)}`], "x", {
    b: 0,
  });
  assertEquals(flatShort < flatLong, true);
});

Deno.test("repeats saturate: no term counts more than k1 + 1 times its idf", () => {
  const docs = ["x", "x x x x", "x ".repeat(500), "y"];
  const all = of(docs, "x", { k1: 1.5, b: 0 });
  const most = 2.5 * IDF.lucene(4, 3);
  assertEquals(all[0] < all[1] && all[1] < all[2] && all[2] < most, true);
  assertAlmostEquals(all[2] / most, 1, 0.01);
  // With tf = 1 and no length the k1 + 1 cancels.
  assertAlmostEquals(all[0], IDF.lucene(4, 3), 1e-15);
});

Deno.test("k1 of 0 counts a term once however often it comes, and not if it does not", () => {
  const once = IDF.lucene(3, 2);
  assertEquals(of(["x x x", "x y", "y"], "x", { k1: 0 }), [once, once, 0]);
});

Deno.test("a term that comes twice in the query counts twice", () => {
  const docs = ["x y", "y z z"];
  const [once, twice] = ["x z", "x z z"].map((query) => of(docs, query));
  assertEquals(twice[0], once[0]);
  assertAlmostEquals(twice[1], 2 * once[1], 1e-15);
});

Deno.test("no documents, empty ones and empty queries score 0, never NaN", () => {
  assertEquals(of([], "x"), []);
  assertEquals(of(["", ""], "x"), [0, 0]);
  assertEquals(of(["x", ""], ""), [0, 0]);
  assertEquals(of(["x y", ""], "q"), [0, 0]);
  assertEquals(of(["x", ""], "x")[1], 0);
  assertEquals(search(buildIndex([]), ["x"], 3), []);
  assertEquals(of(["x"], "x")[0] > 0, true);
});

Deno.test("terms named like an object's own properties are terms", () => {
  assertEquals(of(["a"], "__proto__ constructor toString"), [0]);
  const all = of(["__proto__ a", "constructor b b"], "constructor __proto__");
  assertEquals(all.every((score) => score > 0), true);
});

Deno.test("fuseRanks() is Σ 1/(60 + rank), also of what one ranking lacks", () => {
  const fused = fuseRanks([[7, 3, 9], [3, 5]]);
  assertEquals(fused, [
    { id: 3, score: 1 / 62 + 1 / 61 },
    { id: 7, score: 1 / 61 },
    { id: 5, score: 1 / 62 },
    { id: 9, score: 1 / 63 },
  ]);
  assertEquals(ids(fuseRanks([[2, 1], [1, 2]])), [1, 2]);
  assertEquals(fuseRanks([[], []]), []);
  assertEquals(ids(fuseRanks([[4, 2]], 1)), [4, 2]);
});

Deno.test("ranks do not care about a common scale, weighted scores are brought to one", () => {
  const bm25 = [[4, 9], [2, 7.5], [6, 1]].map(([id, score]) => ({ id, score }));
  const dense = [[2, 0.9], [6, 0.8], [4, 0.1]].map(([id, score]) => ({
    id,
    score,
  }));
  const expected = fuseScores([bm25, dense], [0.5, 0.5]);
  for (const scale of [1e-6, 1e6]) {
    const scaled = bm25.map(({ id, score }) => ({
      id,
      score: scale * score + 3,
    }));
    const fused = fuseScores([scaled, dense], [0.5, 0.5]);
    assertEquals(ids(fused), ids(expected));
    fused.forEach((hit, i) =>
      assertAlmostEquals(hit.score, expected[i].score, 1e-8)
    );
    assertEquals(
      fuseRanks([ids(scaled), ids(dense)]),
      fuseRanks([[4, 2, 6], [2, 6, 4]]),
    );
  }
  // 2: (6.5/8 + 1) / 2, 4: (1 + 0) / 2, 6: (0 + 7/8) / 2.
  assertEquals(ids(expected), [2, 4, 6]);
  assertAlmostEquals(expected[0].score, 0.90625, 1e-15);
  assertEquals(fuseScores([bm25, dense], [0, 1])[0].id, 2);
  assertEquals(fuseScores([[{ id: 1, score: 5 }], []], [2, 1]), [{
    id: 1,
    score: 2,
  }]);
});

const one = buildIndex([["x"]]);
const text = "abc" as unknown as string[];
const ERRORS: [
  call: () => unknown,
  kind: typeof RangeError,
  message: string,
][] = [
  [
    () => scores(one, ["x"], { k1: -1 }),
    RangeError,
    "Cannot saturate with k1 = -1",
  ],
  [() => scores(one, ["x"], { k1: NaN }), RangeError, "k1 = NaN"],
  [
    () => scores(one, ["x"], { b: -0.1 }),
    RangeError,
    "Cannot normalise with b = -0.1",
  ],
  [() => scores(one, ["x"], { b: 1.1 }), RangeError, "b = 1.1: needs 0 to 1"],
  [() => scores(one, text), TypeError, "a query: needs tokens, got a string"],
  [() => buildIndex([["x"], text]), TypeError, "document 1: needs tokens"],
  [() => search(one, ["x"], -1), RangeError, "Cannot take the best -1"],
  [() => fuseRanks([[1]], 0), RangeError, "a constant of 0: needs > 0"],
  [() => fuseScores([[], []], [1]), RangeError, "by undefined in list 1"],
  [
    () => fuseScores([[{ id: 1, score: NaN }, { id: 2, score: 1 }]], [1]),
    RangeError,
    "scores from NaN to NaN by 1 in list 0",
  ],
  [
    () =>
      fuseScores([[{ id: 1, score: 1e308 }, { id: 2, score: -1e308 }]], [
        1,
      ]),
    RangeError,
    "scores from -1e+308 to 1e+308",
  ],
  [() => fuseRanks([[1, 2, 1]]), RangeError, "an id that comes twice"],
];
for (const [call, kind, message] of ERRORS) {
  Deno.test(`error: ${message}`, () => {
    assertThrows(call, kind, message);
  });
}
