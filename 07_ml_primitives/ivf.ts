#!/usr/bin/env -S deno run
/**
 * Q. Searching all N vectors is too slow. Build an inverted file (IVF) that searches a
 * part of them, and takes vectors that come later.
 *
 * A. Cluster a sample by k-means into L cells. A vector is stored in the list of the
 * cell whose centroid is nearest; a query ranks the L centroids and scans only the
 * lists of the nearest P. Adding is one assignment, removing is taking it off its
 * list. P trades recall for speed, and P = L is exact. Recall is measured against the
 * exact search, on queries like the real ones. If the data drifts away from the
 * sample, lists grow uneven and the centroids must be trained again.
 *
 * Shapes: N vectors of D dimensions, L lists, P of them probed, k results.
 * Time O(L·D + N·D·P/L) a query if lists are even; space O((N + L)·D).
 * Trap: one probe. A neighbour just behind a cell's border is never looked at.
 * Left out: product quantisation of the residuals (IVF-PQ), balanced cells.
 * Source: Jégou, Douze, Schmid (2011), doi:10.1109/TPAMI.2010.57.
 * Run: `deno run ivf.ts`
 * @module
 */

type Vector = ArrayLike<number>;

/** One result of a search: an id that `add` gave, and its cosine with the query. */
export interface Hit {
  readonly id: number;
  readonly score: number;
}

/** The share of the exact hits that were found too: recall@k, 1 if there is none. */
export function recall(
  exact: readonly { readonly id: number }[],
  found: readonly { readonly id: number }[],
): number {
  const ids = new Set(found.map((hit) => hit.id));
  const both = exact.filter((hit) => ids.has(hit.id)).length;
  return exact.length === 0 ? 1 : both / exact.length;
}

/**
 * Spherical k-means: L unit centroids of unit vectors, by Lloyd's rounds.
 * @param sample vectors (D,), at least L of them; left unchanged
 * @param random a number in [0, 1); draws the L vectors to begin with
 * @throws {RangeError} if the sample is smaller than L, or a vector is not as it must be
 */
export function centroids(
  sample: readonly Vector[],
  L: number,
  random: () => number,
  rounds = 10,
): Float64Array[] {
  if (!Number.isInteger(L) || L < 1 || L > sample.length) {
    throw new RangeError(`Cannot make ${L} cells of ${sample.length} vectors`);
  }
  const points = sample.map((x) => unit(x, sample[0].length));
  const order = points.map((_, n) => n);
  let centres = Array.from({ length: L }, (_, l) => {
    const from = l + Math.floor(random() * (order.length - l));
    [order[l], order[from]] = [order[from], order[l]];
    return points[order[l]];
  });
  for (let round = 0; round < rounds; round++) {
    const sums = centres.map((centre) => new Float64Array(centre.length));
    for (const x of points) {
      const sum = sums[nearest(centres, x, 1)[0]];
      for (let d = 0; d < x.length; d++) sum[d] += x[d];
    }
    // A cell that nobody is in keeps its centroid: the mean of nothing is no place.
    centres = sums.map((sum, l) => {
      const mean = unit(sum, sum.length);
      return mean.some((m) => m !== 0) ? mean : centres[l];
    });
  }
  return centres;
}

/** Lists of unit vectors by cell. */
export class Ivf {
  /** Dot products with stored vectors so far: what a search costs. */
  compared = 0;
  readonly #lists: Map<number, Float64Array>[]; // L of them, id to vector
  readonly #cellOf = new Map<number, number>();
  #next = 0;

  /** @param centres L unit vectors (D,), as centroids() gives them */
  constructor(readonly centres: readonly Float64Array[]) {
    const D = centres[0]?.length ?? 0;
    if (D === 0 || centres.some(({ length }) => length !== D)) {
      throw new RangeError("Cannot index by centroids of different or no size");
    }
    this.#lists = centres.map(() => new Map());
  }

  /** How many vectors each list holds. */
  get sizes(): number[] {
    return this.#lists.map((list) => list.size);
  }

  /** Copies a vector (D,) into the list of the nearest centroid; returns its id. */
  add(vector: Vector): number {
    const x = unit(vector, this.centres[0].length);
    const [cell] = nearest(this.centres, x, 1);
    this.#lists[cell].set(this.#next, x);
    this.#cellOf.set(this.#next, cell);
    return this.#next++;
  }

  /** Removes a vector; false if there is none of that id. */
  remove(id: number): boolean {
    const cell = this.#cellOf.get(id);
    if (cell === undefined) return false;
    this.#cellOf.delete(id);
    return this.#lists[cell].delete(id);
  }

  /**
   * The k best of the `probes` nearest lists, best first; equal ones by the lowest id.
   * @param query (D,)
   * @throws {RangeError} if k or probes is no count, or the query not as it must be
   */
  search(query: Vector, k: number, probes: number): Hit[] {
    for (const [name, count, least] of [["k", k, 0], ["probes", probes, 1]]) {
      if (!Number.isInteger(count) || count < least) {
        throw new RangeError(`Cannot search with ${name} = ${count}`);
      }
    }
    const q = unit(query, this.centres[0].length);
    const hits: Hit[] = [];
    for (const cell of nearest(this.centres, q, probes)) {
      for (const [id, x] of this.#lists[cell]) {
        hits.push({ id, score: Math.max(-1, Math.min(1, dot(q, x))) });
        this.compared++;
      }
    }
    return hits.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k);
  }
}

/** The `count` centroids with the largest dot product with x, nearest first. */
function nearest(
  centres: readonly Float64Array[],
  x: Float64Array,
  count: number,
): number[] {
  const scores = centres.map((centre) => dot(centre, x)); // (L,)
  if (count > 1) {
    return scores.map((_, l) => l).sort((a, b) =>
      scores[b] - scores[a] || a - b
    )
      .slice(0, count);
  }
  return [scores.reduce((best, s, l) => s > scores[best] ? l : best, 0)];
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < x.length; d++) sum += x[d] * y[d];
  return sum;
}

/** x / ‖x‖ of size D; a zero vector stays zero. */
function unit(x: Vector, D: number): Float64Array {
  const y = Float64Array.from(x);
  const bad = y.findIndex((yi) => !Number.isFinite(yi));
  if (y.length !== D || bad >= 0) {
    const why = bad < 0 ? `needs ${D} entries` : `entry ${bad} is ${x[bad]}`;
    throw new RangeError(`Cannot use a vector of size ${y.length}: ${why}`);
  }
  const max = y.reduce((m, yi) => Math.max(m, Math.abs(yi)), 0);
  if (max === 0) return y;
  const norm = Math.sqrt(y.reduce((sum, yi) => sum + (yi / max) ** 2, 0));
  return y.map((yi) => yi / max / norm);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [N, D, L] = [10_000, 8, 64];
  const draw = () => Array.from({ length: D }, () => random() - 0.5);
  const rows = Array.from({ length: N }, draw);
  const queries = Array.from({ length: 100 }, draw);
  const index = new Ivf(centroids(rows.slice(0, 2000), L, random));
  rows.forEach((row) => index.add(row));
  const exact = queries.map((q) => index.search(q, 10, L));
  console.log(`${N} vectors of ${D} numbers in ${L} lists`);
  for (const probes of [1, 2, 4, 8, 16, L]) {
    index.compared = 0;
    const found = queries.map((q) => index.search(q, 10, probes));
    const mean = found.reduce((sum, f, i) => sum + recall(exact[i], f), 0) /
      100;
    const share = 100 * index.compared / queries.length / N;
    console.log(
      `  ${probes} of ${L} probed`.padEnd(16),
      `: recall@10 ${mean.toFixed(3)}, ${share.toFixed(1)} % scanned`,
    );
  }
}
