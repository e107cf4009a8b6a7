#!/usr/bin/env -S deno run
/**
 * Q. Rank documents for a query with BM25.
 *
 * A. A document's score is Σ over query terms of idf · tf·(k1 + 1) / (tf + k1·(1 − b +
 * b·length/average)). The idf makes rare terms count; k1 lets repeats saturate, at most
 * to k1 + 1; b takes the length into account. Name the idf: the classic one of
 * Robertson and Spärck Jones goes below 0 for a term in more than half of the documents,
 * Lucene's adds 1 inside the logarithm and never does. An inverted index keeps for each
 * term the documents that hold it, so a query reads only those. The factor k1 + 1
 * changes no ranking. Join BM25 with a dense ranking by reciprocal ranks, which need no
 * common scale, or by a weighted sum of scores scaled to [0, 1].
 *
 * Shapes: N documents, P postings of the query's terms.
 * Time O(total length) to index, O(N + P) a query, and up to O(N·k) to keep the best k
 * where scores rise with the id; space O(total length).
 * Trap: log(N/df) gives a term in every document no weight.
 * Left out: the tokenizer, positions, skipping (WAND); fields are in bm25f.ts.
 * Source: Robertson, Zaragoza (2009), doi:10.1561/1500000019; reciprocal ranks: Cormack,
 * Clarke, Büttcher (2009), doi:10.1145/1571941.1572114.
 * Run: `deno run bm25.ts`
 * @module
 */

/** For each term the documents that hold it, in order, and how often. */
export interface Index {
  readonly postings: ReadonlyMap<string, { ids: number[]; tfs: number[] }>;
  /** (N,) tokens in each document. */
  readonly lengths: readonly number[];
  /** Their mean; 0 if there is none. */
  readonly average: number;
}

/** A document and its score, or its part of a fused score. */
export interface Hit {
  readonly id: number;
  readonly score: number;
}

/** How rare a term is that df of N documents hold. */
export const IDF = {
  /** Lucene: above 0 for every df. */
  lucene: (N: number, df: number) => Math.log(1 + (N - df + 0.5) / (df + 0.5)),
  /** Robertson and Spärck Jones: below 0 for df > N/2. */
  rsj: (N: number, df: number) => Math.log((N - df + 0.5) / (df + 0.5)),
  /** Plain: 0 for df = N. */
  plain: (N: number, df: number) => Math.log(N / df),
};

/** The parameters of a score; k1 = 1.5, b = 0.75, Lucene's idf if left out. */
export interface Options {
  readonly k1?: number;
  readonly b?: number;
  readonly idf?: keyof typeof IDF;
}

/**
 * Builds the inverted index.
 * @param docs (N,) lists of tokens; left unchanged
 * @throws {TypeError} if a document is a string: splitting it is the tokenizer's work
 */
export function buildIndex(docs: readonly (readonly string[])[]): Index {
  const postings = new Map<string, { ids: number[]; tfs: number[] }>();
  docs.forEach((doc, id) => {
    for (const term of tokens(doc, `document ${id}`)) {
      let list = postings.get(term);
      if (!list) postings.set(term, list = { ids: [], tfs: [] });
      const last = list.ids.length - 1;
      if (list.ids[last] === id) list.tfs[last]++;
      else {
        list.ids.push(id);
        list.tfs.push(1);
      }
    }
  });
  const lengths = docs.map((doc) => doc.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  return { postings, lengths, average: docs.length ? total / docs.length : 0 };
}

/**
 * The score of every document; a term that comes twice in the query counts twice.
 * @param query tokens
 * @returns (N,) scores, 0 where no term occurs
 * @throws {RangeError} if k1 < 0 or b is not in [0, 1]; {TypeError} if it is a string
 */
export function scores(
  index: Index,
  query: readonly string[],
  { k1 = 1.5, b = 0.75, idf = "lucene" }: Options = {},
): Float64Array {
  need(k1 >= 0 && k1 < Infinity, `saturate with k1 = ${k1}: needs 0 or more`);
  need(b >= 0 && b <= 1, `normalise with b = ${b}: needs 0 to 1`);
  const { postings, lengths, average } = index;
  const total = new Float64Array(lengths.length);
  for (const term of tokens(query, "a query")) {
    const list = postings.get(term);
    if (!list) continue;
    const { ids, tfs } = list;
    const weight = IDF[idf](lengths.length, ids.length) * (k1 + 1);
    for (let i = 0; i < ids.length; i++) {
      const norm = 1 - b + b * lengths[ids[i]] / average;
      total[ids[i]] += weight * tfs[i] / (tfs[i] + k1 * norm);
    }
  }
  return total;
}

/** The k best documents with a score other than 0; equal ones by the lowest id. */
export function search(
  index: Index,
  query: readonly string[],
  k: number,
  options?: Options,
): Hit[] {
  need(Number.isInteger(k) && k >= 0, `take the best ${k}: needs a count`);
  const hits: Hit[] = [];
  scores(index, query, options).forEach((score, id) => {
    // A later id loses a tie, so it must be better than the k-th.
    if (score === 0 || hits.length === k && score <= hits[k - 1]?.score) return;
    const at = hits.findLastIndex((hit) => hit.score >= score) + 1;
    hits.splice(at, 0, { id, score });
    if (hits.length > k) hits.pop();
  });
  return hits;
}

/**
 * Reciprocal rank fusion: Σ over rankings of 1 / (constant + rank), rank 1 the best.
 * Only the order counts; a document that a ranking lacks gets nothing from it.
 * @param rankings ids, best first; of any lengths
 * @throws {RangeError} if the constant is not above 0, or an id comes twice in one
 */
export function fuseRanks(
  rankings: readonly (readonly number[])[],
  constant = 60,
): Hit[] {
  const fine = constant > 0 && constant < Infinity;
  need(fine, `fuse with a constant of ${constant}: needs > 0`);
  const sums = new Map<number, number>();
  for (const ids of rankings) {
    if (new Set(ids).size < ids.length) {
      throw new RangeError("Cannot fuse a ranking with an id that comes twice");
    }
    ids.forEach((id, i) =>
      sums.set(id, (sums.get(id) ?? 0) + 1 / (constant + i + 1))
    );
  }
  return ranked(sums);
}

/**
 * Σ weight · (score − min) / (max − min) of each list; 0 where a list lacks an id.
 * @throws {RangeError} if a weight is missing, or a score or a range not finite
 */
export function fuseScores(
  lists: readonly (readonly Hit[])[],
  weights: readonly number[],
): Hit[] {
  const sums = new Map<number, number>();
  lists.forEach((hits, l) => {
    const [low, high] = hits.reduce(
      ([low, high], { score }) => [Math.min(low, score), Math.max(high, score)],
      [Infinity, -Infinity],
    );
    if (!(high - low < Infinity && Number.isFinite(weights[l]))) {
      const what = `scores from ${low} to ${high} by ${weights[l]}`;
      throw new RangeError(`Cannot weigh ${what} in list ${l}`);
    }
    for (const { id, score } of hits) {
      const scaled = high > low ? (score - low) / (high - low) : 1;
      sums.set(id, (sums.get(id) ?? 0) + weights[l] * scaled);
    }
  });
  return ranked(sums);
}

const ranked = (sums: Map<number, number>): Hit[] =>
  Array.from(sums, ([id, score]) => ({ id, score }))
    .sort((a, b) => b.score - a.score || a.id - b.id);

function need(ok: boolean, what: string): void {
  if (!ok) throw new RangeError(`Cannot ${what}`);
}

function tokens(x: readonly string[], what: string): readonly string[] {
  if (Array.isArray(x)) return x;
  throw new TypeError(`Cannot read ${what}: needs tokens, got a ${typeof x}`);
}

if (import.meta.main) {
  const docs = ["a cat sat", "a cat and the dog", "a dog dog"];
  const index = buildIndex(docs.map((doc) => doc.split(" ")));
  for (const idf of ["plain", "rsj", "lucene"] as const) {
    const all = Array.from(scores(index, ["a"], { idf }), (s) => s.toFixed(3));
    console.log("a in all 3 documents:", idf.padEnd(6), all.join("  "));
  }
  console.log("cat dog:", JSON.stringify(search(index, ["cat", "dog"], 3)));
}
