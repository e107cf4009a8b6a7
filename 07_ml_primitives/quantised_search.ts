#!/usr/bin/env -S deno run
/**
 * Q. The vectors no longer fit into memory. Search quantised ones and lose no recall.
 *
 * A. Keep a small code of each vector in memory and the full vector on disk. Int8: one
 * scale for all, from a quantile of the entries so that a few outliers do not stretch
 * it; a byte an entry, a quarter of the memory. Binary: the sign of each entry, a bit,
 * a thirty-second; similarity is the number of equal bits, by XOR and popcount. Codes
 * only choose candidates: take `oversampling` times k of them, compute the exact
 * cosine of those from the full vectors, and return the best k.
 *
 * Shapes: N vectors of D dimensions; k results of C = oversampling · k candidates.
 * Time O(N·D) integer steps, or N·D/32 for bits, O(N·log N) to sort, O(C·D) to rescore;
 * space N·D bytes or N·D/8, and 4·N·D on disk.
 * Trap: rescoring only the k that the codes chose: a better order, the same recall.
 * Left out: product quantisation, rotations before the signs, a graph over the codes;
 * vectors that come and go are in segments.ts.
 * Source: Qdrant's documentation, "Quantization"; signs: Charikar (2002),
 * doi:10.1145/509907.509965.
 * Run: `deno run quantised_search.ts`
 * @module
 */

type Vector = ArrayLike<number>;

/** One result of a search: a row, and its score. */
export interface Hit {
  readonly id: number;
  readonly score: number;
}

/** Candidates a result, 1 if not given; whether they get their exact cosine, true. */
export interface SearchOptions {
  oversampling?: number;
  rescore?: boolean;
}

/**
 * Int8 codes of all rows, (N · D,), by one scale: entry ≈ scale · code.
 * @param quantile the share of entries that are not clipped, above 0, 1 for all
 */
export function scalarCodes(
  rows: Float32Array,
  quantile: number,
): { codes: Int8Array; scale: number } {
  if (!(quantile > 0 && quantile <= 1)) {
    throw new RangeError(`Cannot clip at quantile ${quantile}: needs 0 to 1`);
  }
  const sizes = rows.map(Math.abs).sort();
  const at = quantile * (sizes.length - 1);
  const [low, high] = [sizes[Math.floor(at)], sizes[Math.ceil(at)]];
  // Where nearly all entries are 0, their quantile is no scale, but the largest is.
  const most = low + (at % 1) * (high - low) || sizes[sizes.length - 1];
  const scale = most / 127 || 1;
  const clip = (x: number) => Math.max(-127, Math.min(127, x / scale));
  return { codes: Int8Array.from(rows, (x) => Math.round(clip(x))), scale };
}

/** Signs of all rows, (N · ⌈D/32⌉,): 1 for positive entries, 0 past the last. */
export function binaryCodes(rows: Float32Array, D: number): Uint32Array {
  const words = Math.ceil(D / 32);
  const codes = new Uint32Array(rows.length / D * words);
  rows.forEach((x, i) => {
    const [n, d] = [Math.floor(i / D), i % D];
    if (x > 0) codes[n * words + (d >> 5)] |= 1 << (d & 31);
  });
  return codes;
}

/** How many bits of a 32-bit word are 1. */
export function popcount(word: number): number {
  let x = word - (word >>> 1 & 0x55555555);
  x = (x & 0x33333333) + (x >>> 2 & 0x33333333);
  return Math.imul(x + (x >>> 4) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** N vectors that do not change, with codes of one kind. */
export class QuantisedIndex {
  /** Full vectors read so far: what rescoring costs. */
  rescored = 0;
  /** Of the codes, which stay in memory, and of the full vectors. */
  readonly bytes: { readonly codes: number; readonly full: number };
  readonly #rows: Float32Array; // (N · D,)
  /** Of a row, from the codes of a query that is given first. */
  readonly #scorer: (query: Float32Array) => (n: number) => number;

  /**
   * @param rows N vectors of D entries; copied, as unit vectors
   * @param quantile for int8: the share of entries that are not clipped
   * @throws {RangeError} if a size or an entry is not as it must be
   */
  constructor(
    rows: readonly Vector[],
    readonly D: number,
    kind: "int8" | "binary",
    quantile = 0.99,
  ) {
    this.#rows = new Float32Array(rows.length * D);
    rows.forEach((row, n) => this.#rows.set(unit(row, D), n * D));
    const { codes, scale } = kind === "int8"
      ? scalarCodes(this.#rows, quantile)
      : { codes: binaryCodes(this.#rows, D), scale: 0 };
    this.bytes = { codes: codes.byteLength, full: this.#rows.byteLength };
    this.#scorer = (query) => {
      if (kind === "binary") {
        const q = binaryCodes(query, D);
        return (n) => {
          const differ = (sum: number, word: number, w: number) =>
            sum + popcount(word ^ codes[n * q.length + w]);
          return 1 - 2 * q.reduce(differ, 0) / D;
        };
      }
      // The query's scale is its own: it is the same in all of its scores.
      const q = scalarCodes(query, 1);
      return (n) => dot(q.codes, codes, n * D) * scale * q.scale;
    };
  }

  /**
   * The k best rows, best first; equal scores by the lowest row.
   * @param query (D,)
   * @returns exact cosines, or, not rescored, what the codes estimate
   * @throws {RangeError} if k, oversampling or the query is not as it must be
   */
  search(query: Vector, k: number, options: SearchOptions = {}): Hit[] {
    const { oversampling = 1, rescore = true } = options;
    if (!(Number.isInteger(k) && k >= 0 && oversampling >= 1)) {
      throw new RangeError(
        `Cannot take ${k} results of ${oversampling} candidates each`,
      );
    }
    const q = unit(query, this.D);
    const N = this.#rows.length / this.D;
    const score = this.#scorer(q);
    const scores = Float64Array.from({ length: N }, (_, n) => score(n)); // (N,)
    const best = (rows: number[], count: number) =>
      rows.sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
    let rows = best([...scores.keys()], Math.ceil(oversampling * k)); // (C,)
    if (rescore) {
      this.rescored += rows.length;
      const cosine = (n: number) => dot(q, this.#rows, n * this.D);
      for (const n of rows) scores[n] = Math.max(-1, Math.min(1, cosine(n)));
      rows = best(rows, k);
    }
    return rows.slice(0, k).map((id) => ({ id, score: scores[id] }));
  }
}

/** Σ x_d · rows_{from + d}, of bytes or of floats. */
function dot(x: Vector, rows: Vector, from: number): number {
  let sum = 0;
  for (let d = 0; d < x.length; d++) sum += x[d] * rows[from + d];
  return sum;
}

/** x / ‖x‖ of size D; a zero vector stays zero. */
function unit(x: Vector, D: number): Float32Array {
  const y = Float64Array.from(x);
  if (y.length !== D || !y.every(Number.isFinite)) {
    throw new RangeError(
      `Cannot use a vector of size ${y.length}: needs ${D} finite entries`,
    );
  }
  const max = y.reduce((m, yi) => Math.max(m, Math.abs(yi)), 0);
  const norm = Math.hypot(...y.map((yi) => yi / (max || 1))) || 1;
  return Float32Array.from(y, (yi) => yi / (max || 1) / norm);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [N, D, k] = [2000, 64, 10];
  const draw = () => Array.from({ length: D }, () => random() - 0.5);
  const centres = Array.from({ length: 20 }, draw);
  const near = (_: unknown, n: number) =>
    centres[n % 20].map((c) => c + 0.2 * (random() - 0.5));
  const rows = Array.from({ length: N }, near);
  const queries = Array.from({ length: 100 }, near);
  // In one row of 100, one entry is far larger than all others.
  for (let n = 0; n < N; n += 100) rows[n][n % D] = 90;
  const exact = new QuantisedIndex(rows, D, "int8");
  const best = queries.map((q) => exact.search(q, k, { oversampling: N }));
  console.log(`recall@${k}, ${N} rows of ${exact.bytes.full} bytes in full`);
  console.log("code                bytes  alone  ×1     ×2     ×4     ×8");
  const show = (name: string, index: QuantisedIndex) => {
    const cells = [0, 1, 2, 4, 8].map((times) => {
      const options = { oversampling: times || 1, rescore: times > 0 };
      const both = queries.map((q, i) => {
        const ids = index.search(q, k, options).map((hit) => hit.id);
        return best[i].filter((hit) => ids.includes(hit.id)).length;
      });
      return (both.reduce((a, b) => a + b) / k / queries.length).toFixed(3);
    });
    const bytes = `${index.bytes.codes}`.padStart(6);
    console.log(`${name}  ${bytes}  ${cells.join("  ")}`);
  };
  show("int8, all entries ", new QuantisedIndex(rows, D, "int8", 1));
  show("int8, 99 % of them", exact);
  show("binary            ", new QuantisedIndex(rows, D, "binary"));
}
