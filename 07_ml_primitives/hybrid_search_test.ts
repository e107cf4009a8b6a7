import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { buildIndex, search } from "./bm25.ts";
import { HybridIndex, tokens, trigrams } from "./hybrid_search.ts";
import { cosineTopK } from "./vector_search.ts";

/** Texts with a vector each, the query's too. */
function withVectors(vectors: Record<string, number[]>, query: string) {
  const docs = Object.keys(vectors).filter((text) => text !== query);
  return { docs, index: new HybridIndex(docs, (text) => vectors[text]) };
}

Deno.test("a document gets 1 / (60 + rank) from each ranking that has it, and no more", () => {
  // By words: 0, 1. By meaning: 2, 1, 0.
  const { index } = withVectors({
    "ant ant": [1, 9],
    "ant bee bee": [5, 5],
    "cat": [9, 1],
    "ant": [7, 1],
  }, "ant");
  assertEquals(index.search("ant", { k: 3 }), [
    { id: 0, score: 1 / 61 + 1 / 63, words: 1, meaning: 3 },
    { id: 1, score: 1 / 62 + 1 / 62, words: 2, meaning: 2 },
    { id: 2, score: 1 / 61, words: undefined, meaning: 1 },
  ]);
});

Deno.test("what is second in both rankings may be first of all", () => {
  const vectors = {
    "ant ant ant": [0, 9], // first by words, not at all by meaning
    "ant bee": [8, 1],
    "bee cat": [9, 0], // first by meaning, has not the word
    "cat": [7, 3],
    "ant": [9, 0],
  };
  const { docs, index } = withVectors(vectors, "ant");
  const [best] = index.search("ant", { k: 1, constant: 1 });
  const [byWords] = search(buildIndex(docs.map(tokens)), ["ant"], 1);
  const rows = docs.map((doc) => vectors[doc as keyof typeof vectors]);
  const [byMeaning] = cosineTopK(rows, [9, 0], 1);
  assertEquals([byWords.id, byMeaning.id], [0, 2]);
  assertEquals([best.id, best.words, best.meaning], [1, 2, 2]);
});

Deno.test("only ranks count: vectors of any length give the same hits", () => {
  const docs = ["ant bee", "bee cat", "cat dog ant", "gnu"];
  const plain = new HybridIndex(docs).search("ant cat", { k: 4 });
  const longer = new HybridIndex(
    docs,
    (text) => trigrams(text).map((x) => 1000 * x),
  );
  assertEquals(longer.search("ant cat", { k: 4 }), plain);
});

Deno.test("each hit's score is the sum over its own places, best first", () => {
  const word = fc.constantFrom("ant", "bee", "cat", "dog", "elk");
  const text = fc.array(word, { maxLength: 5 }).map((words) => words.join(" "));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), text, (docs, query) => {
      const index = new HybridIndex(docs);
      const hits = index.search(query, { k: 5 });
      assert(hits.length <= Math.min(5, docs.length));
      for (const { score, words, meaning } of hits) {
        const parts = [words, meaning].map((at) => at ? 1 / (60 + at) : 0);
        assert(Math.abs(score - parts[0] - parts[1]) < 1e-15);
        assert(score > 0);
      }
      hits.slice(1).forEach((hit, i) => {
        const before = hits[i];
        assert(
          before.score > hit.score ||
            before.score === hit.score && before.id < hit.id,
        );
      });
      assertEquals(index.search(query, { k: 2, depth: 50 }), hits.slice(0, 2));
    }),
    { seed: 1 },
  );
});

Deno.test("a shallow ranking loses what lies deeper", () => {
  const { index } = withVectors({
    "ant ant ant": [0, 9],
    "ant bee": [8, 1],
    "bee cat": [9, 0],
    "ant": [9, 0],
  }, "ant");
  const best = (depth: number) =>
    index.search("ant", { k: 1, depth, constant: 1 })[0].id;
  assertEquals([best(1), best(3)], [0, 1]);
});

Deno.test("no documents, and a query with nothing in common, give no hits", () => {
  assertEquals(new HybridIndex([]).search("ant", { k: 3 }), []);
  const index = new HybridIndex(["ant", "bee"]);
  assertEquals(index.search("", { k: 3 }), []);
  assertEquals(index.search("xyz", { k: 3 }), []);
  assertEquals(index.search("ant", { k: 0 }), []);
});

Deno.test("words are found in any case, and across alphabets", () => {
  assertEquals(tokens("The GPU's 2nd Über-кот!"), [
    ...["the", "gpu", "s", "2nd", "über", "кот"],
  ]);
  assertEquals(tokens("…"), []);
  // One code point or two, and vowel signs that are marks.
  assertEquals(tokens("Caf\u00e9s"), tokens("Cafe\u0301s"));
  assertEquals(tokens("हिन्दी"), ["हिन्दी"]);
});

Deno.test("trigrams are near if the spelling is, and count what they count", () => {
  const near = (a: string, b: string) =>
    cosineTopK([trigrams(a)], trigrams(b), 1)[0].score;
  // " ga", "way" and "ay " of six and of seven, and what falls on the same place.
  assert(near("gateway", "gatway") > 0.5);
  assert(near("gateway", "zebra") < 0.3);
  assertEquals(trigrams("abc").reduce((x, y) => x + y), 3); // " ab", "abc", "bc "
  assertEquals(trigrams("a b", 8).reduce((x, y) => x + y), 2);
});

Deno.test("a k that is no count, a depth below it, and vectors of other sizes are errors", () => {
  const index = new HybridIndex(["ant"]);
  for (const [k, depth] of [[-1, 5], [1.5, 5], [3, 2]]) {
    assertThrows(
      () => index.search("ant", { k, depth }),
      RangeError,
      `Cannot take the best ${k} of ${depth}: needs whole numbers, 0 ≤ k ≤ depth`,
    );
  }
  const sizes = (text: string) => new Array<number>(text.length).fill(1);
  assertThrows(() => new HybridIndex(["ab", "abc"], sizes), RangeError);
  assertThrows(
    () => index.search("ant", { k: 1, constant: 0 }),
    RangeError,
    "constant",
  );
});
