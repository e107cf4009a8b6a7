#!/usr/bin/env -S deno run
/**
 * Q. Find the k stored vectors most similar to a query by cosine similarity, exactly.
 *
 * A. Cosine is the dot product of unit vectors. Normalise a vector once, when it is
 * added, not at each query; then a query is one pass of dot products over a flat
 * array. Keep the best k in a heap whose root is the worst one kept: most scores lose
 * to the root at once, so nothing sorts all N. Adding and removing are trivial, nothing
 * is approximate, and every ANN index is measured against it. It is the right choice
 * while a pass over all bytes is fast enough: tens of ms for 100,000 rows of 384.
 *
 * Shapes: N rows of D dimensions; k results.
 * Time O(N·D + N log k) at worst; space O(N·D), and O(N) a query for the scores.
 * Trap: an ε in the denominator against 0/0 gives tiny vectors a wrong cosine.
 * Left out: SIMD, threads; ivf.ts scans a part of the rows, hnsw.ts walks a graph.
 * Source: Manning, Raghavan, Schütze (2008), Introduction to Information Retrieval, 7.1.
 * Run: `deno run vector_search.ts`
 * @module
 */

/** One result of a search. */
export interface Hit {
  /** Which vector: its row, or the id that `add` gave it. */
  readonly id: number;
  /** Its cosine with the query, from −1 to 1; 0 if one of them is a zero vector. */
  readonly score: number;
}

/**
 * The whiteboard form: the k rows of `index` most similar to `query`.
 * @param index (N, D) rows; left unchanged
 * @param query (D,)
 * @returns min(k, N) hits, best first; equal scores by the lowest row
 * @throws {RangeError} if sizes differ, k is no count, or an entry is not finite
 */
export function cosineTopK(
  index: readonly (readonly number[])[],
  query: readonly number[],
  k: number,
): Hit[] {
  const q = unit(query);
  const scores = index.map((row, n) => {
    checkSize(row.length, q.length, `row ${n}`);
    return clamp(unit(row).reduce((sum, x, d) => sum + x * q[d], 0));
  }); // (N,)
  return topK(scores, k);
}

/**
 * The largest k of N scores, without sorting the rest.
 * @param scores (N,); left unchanged
 * @param ids (N,) what to call them; their index if left out
 * @returns min(k, N) hits, best first; equal scores by the lowest id
 * @throws {RangeError} if k is no count, or a score is NaN
 */
export function topK(
  scores: ArrayLike<number>,
  k: number,
  ids?: ArrayLike<number>,
): Hit[] {
  if (!Number.isInteger(k) || k < 0) {
    throw new RangeError(`Cannot take the top ${k}: needs a whole number ≥ 0`);
  }
  const worse = (a: Hit, b: Hit) =>
    a.score < b.score || (a.score === b.score && a.id > b.id);
  // A heap whose root is the worst hit kept, at first of hits that any hit beats.
  const heap = new Array<Hit>(Math.min(k, scores.length))
    .fill({ id: Infinity, score: -Infinity });
  for (let n = 0; n < scores.length && k > 0; n++) {
    if (scores[n] < heap[0].score) continue;
    const hit = { id: ids ? ids[n] : n, score: scores[n] };
    if (Number.isNaN(hit.score)) {
      throw new RangeError(`Cannot rank NaN at ${n}`);
    }
    if (!worse(heap[0], hit)) continue;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && worse(heap[down + 1], heap[down])) down++;
      if (!worse(heap[down], hit)) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = hit;
  }
  return heap.sort((a, b) => worse(a, b) ? 1 : -1);
}

/** The fast form: unit rows, flat, in single precision, which moves a score by < 1e−7. */
export class VectorIndex {
  #rows: Float32Array;
  #ids: number[] = []; // (N,) of row 0, 1, …
  #rowOf = new Map<number, number>();
  #next = 0;
  // D rounded up to a multiple of 4, so that the loop needs no remainder.
  readonly #stride: number;

  /** @throws {RangeError} if D is no size */
  constructor(readonly D: number) {
    if (!Number.isInteger(D) || D < 1) {
      throw new RangeError(`Cannot index vectors of ${D} dimensions`);
    }
    this.#stride = 4 * Math.ceil(D / 4);
    this.#rows = new Float32Array(4 * this.#stride);
  }

  /**
   * Copies a vector in; returns its id, which stays its own and is never reused.
   * @throws {RangeError} if its size is not D or an entry is not finite
   */
  add(vector: ArrayLike<number>): number {
    checkSize(vector.length, this.D, "a vector");
    const row = unit(vector);
    const at = this.#ids.length * this.#stride;
    if (at === this.#rows.length) {
      const full = this.#rows;
      this.#rows = new Float32Array(2 * at);
      this.#rows.set(full);
    }
    this.#rows.set(row, at);
    this.#rowOf.set(this.#next, this.#ids.length);
    this.#ids.push(this.#next);
    return this.#next++;
  }

  /** Removes a vector by moving the last row into its place; false if there is none. */
  remove(id: number): boolean {
    const row = this.#rowOf.get(id);
    if (row === undefined) return false;
    const last = this.#ids.pop()!;
    const [from, to] = [this.#ids.length * this.#stride, row * this.#stride];
    this.#rows.copyWithin(to, from, from + this.#stride);
    if (last !== id) this.#ids[row] = last;
    this.#rowOf.set(last, row);
    return this.#rowOf.delete(id);
  }

  /**
   * The k vectors most similar to `query` (D,), as cosineTopK() gives them.
   */
  search(query: ArrayLike<number>, k: number): Hit[] {
    checkSize(query.length, this.D, "a query");
    const [rows, stride] = [this.#rows, this.#stride];
    const q = new Float64Array(stride);
    q.set(unit(query));
    const scores = new Float64Array(this.#ids.length);
    for (let n = 0; n < scores.length; n++) {
      // Four sums, so that an addition need not wait for the one before it.
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let d = 0, i = n * stride; d < stride; d += 4, i += 4) {
        s0 += q[d] * rows[i];
        s1 += q[d + 1] * rows[i + 1];
        s2 += q[d + 2] * rows[i + 2];
        s3 += q[d + 3] * rows[i + 3];
      }
      scores[n] = clamp((s0 + s1) + (s2 + s3));
    }
    return topK(scores, k, this.#ids);
  }
}

/** x / ‖x‖, scaled by the largest entry first so that no square under- or overflows. */
function unit(x: ArrayLike<number>): Float64Array {
  const y = Float64Array.from(x);
  const bad = y.findIndex((yi) => !Number.isFinite(yi));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot normalise a vector: entry ${bad} is ${x[bad]}`,
    );
  }
  const max = y.reduce((m, yi) => Math.max(m, Math.abs(yi)), 0);
  // A zero vector has no direction: it stays zero, and all its cosines are 0.
  if (max === 0) return y;
  const norm = Math.sqrt(y.reduce((sum, yi) => sum + (yi / max) ** 2, 0));
  return y.map((yi) => yi / max / norm);
}

/** Rounding may carry a cosine past 1. */
const clamp = (cosine: number) => Math.max(-1, Math.min(1, cosine));

function checkSize(size: number, D: number, what: string): void {
  if (size === D) return;
  throw new RangeError(`Cannot compare ${what} of size ${size} with size ${D}`);
}

if (import.meta.main) {
  const rows = [[10, 10], [1, 0], [0, 0], [0, 3e-9], [-1, 0]];
  const naive = ([a, b]: number[], [c, d]: number[]) =>
    (a * c + b * d) / (Math.hypot(a, b) * Math.hypot(c, d) + 1e-8);
  const show = (name: string, hits: Hit[]) =>
    console.log(name, ...hits.map((h) => `${h.id}: ${h.score.toFixed(3)} `));
  const q = [1, 2];
  console.log("rows", JSON.stringify(rows), "and the query [1, 2]");
  show("dot product :", topK(rows.map((r) => r[0] * q[0] + r[1] * q[1]), 5));
  show("ε below it  :", topK(rows.map((row) => naive(row, q)), 5));
  show("cosine      :", cosineTopK(rows, q, 5));
  const index = new VectorIndex(2);
  for (const row of rows) index.add(row);
  index.remove(0);
  show("0 removed   :", index.search(q, 5));
}
