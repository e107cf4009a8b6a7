#!/usr/bin/env -S deno run
/**
 * Q. Search by words and by meaning, and make one ranking of the two.
 *
 * A. Two indexes over the same documents: BM25 over the words, cosine over vectors.
 * Each gives its best candidates, more than are asked for, since a document in the
 * middle of both may be the best of all. Their scores have no common scale, BM25
 * has no upper end, so I fuse ranks: a document gets 1 / (60 + rank) from each ranking
 * that has it. Words find names, numbers and rare terms; vectors find what is said in
 * other words, or misspelt.
 *
 * Shapes: N documents of D dimensions, k results, depth candidates of each ranking.
 * Time O(N·D + postings) a query; space O(N·D + total length).
 * Trap: adding the scores. A BM25 of 12 drowns every cosine.
 * Left out: the model that makes the vectors; here they are counts of hashed trigrams.
 * Source: Cormack, Clarke, Büttcher (2009), doi:10.1145/1571941.1572114.
 * Run: `deno run hybrid_search.ts`
 * @module
 */
import { buildIndex, fuseRanks, type Hit, search } from "./bm25.ts";
import { VectorIndex } from "./vector_search.ts";

/** What is looked for, and how. */
export interface Options {
  /** Results. */
  k: number;
  /** Candidates of each ranking; 10 k if left out. */
  depth?: number;
  /** What is added to each rank; 60 if left out. */
  constant?: number;
}

/** A result: its part of the fused score, and where each ranking has it, from 1. */
export interface HybridHit extends Hit {
  words?: number;
  meaning?: number;
}

/**
 * Both indexes over some documents.
 * @param docs (N,) texts
 * @param embed makes a vector of a text, always of the same size
 * @throws {RangeError} as VectorIndex, if the vectors differ in size
 */
export class HybridIndex {
  readonly #words: ReturnType<typeof buildIndex>;
  readonly #vectors?: VectorIndex;
  readonly #embed: (text: string) => number[];

  constructor(docs: readonly string[], embed = trigrams) {
    this.#embed = embed;
    this.#words = buildIndex(docs.map(tokens));
    for (const doc of docs) {
      const vector = embed(doc);
      this.#vectors ??= new VectorIndex(vector.length);
      this.#vectors.add(vector); // ids are 0, 1, … as in the other index
    }
  }

  /**
   * @returns up to k hits, best first; equal ones by the lowest id
   * @throws {RangeError} if k or depth is no whole number from 0, or depth is below k
   */
  search(query: string, { k, depth = 10 * k, constant }: Options): HybridHit[] {
    if (!Number.isSafeInteger(k) || k < 0 || depth < k) {
      throw new RangeError(
        `Cannot take the best ${k} of ${depth}: needs whole numbers, 0 ≤ k ≤ depth`,
      );
    }
    const words = search(this.#words, tokens(query), depth);
    const meaning = (this.#vectors?.search(this.#embed(query), depth) ?? [])
      .filter(({ score }) => score > 0); // what has nothing in common is no candidate
    const rankings = [words, meaning].map((hits) => hits.map(({ id }) => id));
    const place = (ids: number[], id: number) =>
      ids.indexOf(id) + 1 || undefined;
    return fuseRanks(rankings, constant).slice(0, k).map((hit) => ({
      ...hit,
      words: place(rankings[0], hit.id),
      meaning: place(rankings[1], hit.id),
    }));
  }
}

/** Lower-case runs of letters, with their marks, and digits, however é is written. */
export function tokens(text: string): string[] {
  return text.normalize().toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/**
 * Counts of a text's runs of three characters, hashed to D places: near if the
 * spelling is. It stands in for a model.
 * @returns (D,)
 */
export function trigrams(text: string, D = 256): number[] {
  const vector = new Array<number>(D).fill(0);
  for (const word of tokens(text)) {
    const padded = [..." ", ...word, " "];
    for (let i = 0; i + 2 < padded.length; i++) {
      let hash = 2166136261; // FNV-1a
      for (const character of padded.slice(i, i + 3)) {
        hash = Math.imul(hash ^ character.codePointAt(0)!, 16777619);
      }
      vector[(hash >>> 0) % D]++;
    }
  }
  return vector;
}

if (import.meta.main) {
  const docs = [
    "error 503 when the gateway restarts",
    "gateways restarting: what to do about errors",
    "restart the gateway after error 503",
    "a list of all error codes, 503 among them",
    "gatway restartet itself, no idea why",
  ];
  const index = new HybridIndex(docs);
  for (const query of ["error 503", "gatway restart", "gateway 503"]) {
    console.log(`${query}: by words, by trigrams, fused`);
    for (const hit of index.search(query, { k: 5 })) {
      const places = [hit.words, hit.meaning].map((place) => place ?? "–");
      console.log(
        `  ${places.join("  ")}  ${hit.score.toFixed(4)}  ${docs[hit.id]}`,
      );
    }
  }
}
