#!/usr/bin/env -S deno run
/**
 * Q. Documents have fields, a title and a body. How does BM25 take them into account?
 *
 * A. Not by adding a BM25 score of each field: each would saturate by itself, and a word
 * in the title and in the body would count nearly twice. BM25F adds up the counts first.
 * Each field's count is divided by its own length norm and multiplied by its weight;
 * the sum saturates once, with one k1, and is multiplied by one idf, of the documents
 * that hold the term in any field. With one field of weight 1 it is BM25.
 *
 * Shapes: N documents of F fields.
 * Time O(total length · query length), as each term reads all texts; space O(N·F).
 * Trap: Σ of BM25 over fields. A title with both words loses to one word, repeated.
 * Left out: postings, as in bm25.ts; fitting the weights, often title 2 to 10.
 * Source: Robertson, Zaragoza, Taylor (2004), doi:10.1145/1031171.1031181.
 * Run: `deno run bm25f.ts`
 * @module
 */

/** Tokens by field; a field left out is empty. */
export type Document = Readonly<Record<string, readonly string[]>>;

/** How a field counts: w times, and its length with b from 0 (not) to 1 (fully). */
export type Fields = Readonly<
  Record<string, { readonly w: number; readonly b: number }>
>;

/**
 * The BM25F score of every document, with Lucene's idf.
 * @param docs (N,) documents; left unchanged
 * @param query tokens; one that comes twice counts twice
 * @returns (N,) scores, 0 where no term occurs in a field of weight above 0
 * @throws {RangeError} if a weight or k1 is below 0, or a b not in [0, 1]
 * @throws {TypeError} if a query or a field is no list of tokens
 */
export function bm25f(
  docs: readonly Document[],
  query: readonly string[],
  fields: Fields,
  k1 = 1.5,
): number[] {
  if (!(k1 >= 0 && k1 < Infinity)) {
    throw new RangeError(`Cannot saturate with k1 = ${k1}: needs 0 or more`);
  }
  if (!Array.isArray(query)) {
    throw new TypeError(`Cannot search for a ${typeof query}: needs tokens`);
  }
  const parts = Object.entries(fields).map(([name, { w, b }]) => {
    if (!(w >= 0 && w < Infinity && b >= 0 && b <= 1)) {
      throw new RangeError(`Cannot weigh ${name} with w = ${w}, b = ${b}`);
    }
    const texts = docs.map((doc) => tokens(doc, name)); // (N,)
    const total = texts.reduce((sum, text) => sum + text.length, 0);
    return { w, b, texts, average: total / docs.length };
  });
  const scores = docs.map(() => 0);
  for (const term of query) {
    const counts = docs.map((_, n) =>
      parts.reduce((sum, { w, b, texts, average }) => {
        const tf = texts[n].filter((token) => token === term).length;
        // A field that is empty everywhere has no average to divide by.
        if (tf === 0) return sum;
        return sum + w * tf / (1 - b + b * texts[n].length / average);
      }, 0)
    );
    const df = counts.filter((count) => count > 0).length;
    const idf = Math.log(1 + (docs.length - df + 0.5) / (df + 0.5));
    counts.forEach((count, n) => {
      if (count > 0) scores[n] += idf * count * (k1 + 1) / (count + k1);
    });
  }
  return scores;
}

function tokens(doc: Document, name: string): readonly string[] {
  const text = Object.hasOwn(doc, name) ? doc[name] : [];
  if (Array.isArray(text)) return text;
  throw new TypeError(
    `Cannot read ${name}: needs tokens, got a ${typeof text}`,
  );
}

if (import.meta.main) {
  const split = (title: string, body: string) => ({
    title: title.split(" "),
    body: body.split(" "),
  });
  const docs = [
    split("tiger tiger", "tiger tiger tiger"),
    split("tiger stripes", "an animal by night"),
    split("zebra stripes", "stripes by day"),
    split("cats", "a cat by day"),
  ];
  const query = ["tiger", "stripes"];
  const fields = { title: { w: 3, b: 0.5 }, body: { w: 1, b: 0.75 } };
  const show = (name: string, scores: number[]) =>
    console.log(name, scores.map((score) => score.toFixed(3)).join("  "));
  const [title, body] = (["title", "body"] as const).map((name) =>
    bm25f(docs, query, { [name]: { ...fields[name], w: 1 } })
      .map((score) => fields[name].w * score)
  );
  show("BM25F           :", bm25f(docs, query, fields));
  show("Σ of BM25, w · s:", title.map((score, n) => score + body[n]));
}
