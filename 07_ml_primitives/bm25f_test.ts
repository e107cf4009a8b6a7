import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { buildIndex, scores } from "./bm25.ts";
import { bm25f, type Document, type Fields } from "./bm25f.ts";

// Golden:
// python3 -c "
// from math import log
// docs = [dict(t='cat sat'.split(), b='the cat and the dog'.split()), dict(t='dogs'.split(), b='a dog a cat a dog'.split()), dict(t=[], b='birds'.split())]
// fields, k1 = dict(t=dict(w=3, b=.4), b=dict(w=1, b=.75)), 1.2
// avg = {f: sum(len(d[f]) for d in docs) / 3 for f in fields}
// for q in (['cat'], ['dog', 'sat']):
//     out = [0] * 3
//     for t in q:
//         df = sum(t in d['t'] + d['b'] for d in docs); idf = log(1 + (3 - df + .5) / (df + .5))
//         for i, d in enumerate(docs):
//             c = sum(o['w'] * d[f].count(t) / (1 - o['b'] + o['b'] * len(d[f]) / avg[f]) for f, o in fields.items())
//             out[i] += idf * c * (k1 + 1) / (k1 + c)
//     print(out)"
const split = (text: string) => text.split(" ").filter((token) => token);
const DOCS: Document[] = [
  { t: split("cat sat"), b: split("the cat and the dog") },
  { t: ["dogs"], b: split("a dog a cat a dog") },
  { b: ["birds"] },
];
const FIELDS: Fields = { t: { w: 3, b: 0.4 }, b: { w: 1, b: 0.75 } };
const GOLDEN: [query: string, expected: number[]][] = [
  ["cat", [0.7375155763263126, 0.39019169220400696, 0.0]],
  ["dog sat", [1.8096157865157085, 0.5665797174469143, 0.0]],
];
for (const [query, expected] of GOLDEN) {
  Deno.test(`bm25f() golden: ${query}`, () => {
    // A few operations round, each by 1e−16 of the score.
    bm25f(DOCS, split(query), FIELDS, 1.2).forEach((score, n) =>
      assertAlmostEquals(score, expected[n], 1e-14)
    );
  });
}

const text = fc.array(fc.constantFrom(..."abcde"), { maxLength: 8 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

Deno.test("one field of weight 1 is BM25", () => {
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 6 }),
      text,
      share,
      share,
      (docs, query, k1, b) => {
        const actual = bm25f(
          docs.map((body) => ({ body })),
          query,
          { body: { w: 1, b } },
          k1,
        );
        const expected = scores(buildIndex(docs), query, { k1, b });
        assertEquals(actual.length, docs.length);
        actual.forEach((s, n) => assertAlmostEquals(s, expected[n], 1e-12));
      },
    ),
    { seed: 17, numRuns: 300 },
  );
});

Deno.test("a field of weight 0, or empty everywhere, is as if it were not there", () => {
  const both = DOCS.map((doc) => ({ ...doc, x: ["cat", "cat"], none: [] }));
  const expected = bm25f(DOCS, ["cat"], FIELDS);
  const more = { ...FIELDS, x: { w: 0, b: 0.5 }, none: { w: 9, b: 1 } };
  assertEquals(bm25f(both, ["cat"], more), expected);
});

Deno.test("a word in two fields saturates once, not in each of them", () => {
  const docs = [{ t: ["x"], b: ["x"] }, { t: ["y"], b: ["z"] }];
  const flat = { t: { w: 500, b: 0 }, b: { w: 500, b: 0 } };
  const [score] = bm25f(docs, ["x"], flat);
  const [one] = bm25f(docs, ["x"], { t: flat.t });
  // Both are near (k1 + 1) · idf already: twice the count adds 0.15 %.
  assertEquals(score > one && score < 1.01 * one, true, `${score} ${one}`);
});

Deno.test("a word in a field of more weight counts more", () => {
  const docs = [{ t: ["x"], b: ["y"] }, { t: ["y"], b: ["x"] }];
  const [title, body] = bm25f(docs, ["x"], {
    t: { w: 2, b: 1 },
    b: { w: 1, b: 1 },
  });
  assertEquals(title > body && body > 0, true);
});

Deno.test("each field has its own length norm", () => {
  const docs = [{ t: ["x", "z"], b: ["q"] }, { t: ["x"], b: ["q", "r", "s"] }];
  const only = (t: number, b: number) =>
    bm25f(docs, ["x"], { t: { w: 1, b: t }, b: { w: 1, b } });
  const [long, short] = only(1, 1);
  assertEquals(short > long, true);
  const [one, other] = only(0, 1);
  assertEquals(one, other);
});

Deno.test("no documents, no query and unknown terms score 0; k1 of 0 is the idf", () => {
  assertEquals(bm25f([], ["x"], FIELDS), []);
  assertEquals(bm25f(DOCS, [], FIELDS), [0, 0, 0]);
  assertEquals(bm25f(DOCS, ["constructor", "q"], FIELDS), [0, 0, 0]);
  assertEquals(bm25f([{}, {}], ["x"], FIELDS), [0, 0]);
  const [a, b, c] = bm25f(DOCS, ["cat"], FIELDS, 0);
  assertAlmostEquals(a, b, 1e-15);
  assertEquals(c, 0);
  assertEquals(bm25f([{}], ["x"], { constructor: { w: 1, b: 1 } }), [0]);
});

const word = "cat" as unknown as string[];
const ERRORS: [
  call: () => unknown,
  kind: typeof RangeError,
  message: string,
][] = [
  [() => bm25f(DOCS, ["x"], FIELDS, -1), RangeError, "with k1 = -1"],
  [
    () => bm25f(DOCS, ["x"], { t: { w: -1, b: 0 } }),
    RangeError,
    "w = -1, b = 0",
  ],
  [
    () => bm25f(DOCS, ["x"], { t: { w: 1, b: 2 } }),
    RangeError,
    "weigh t with w = 1, b = 2",
  ],
  [() => bm25f(DOCS, word, FIELDS), TypeError, "Cannot search for a string"],
  [
    () => bm25f([{ t: word }], ["x"], FIELDS),
    TypeError,
    "Cannot read t: needs tokens",
  ],
];
for (const [call, kind, message] of ERRORS) {
  Deno.test(`error: ${message}`, () => {
    assertThrows(call, kind, message);
  });
}
