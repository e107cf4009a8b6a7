#!/usr/bin/env -S deno run
/**
 * Q. FAISS is an index in memory. What does a database such as Qdrant add around one,
 * so that vectors come, change and go while it is searched?
 *
 * A. FAISS gives the search: codes, graphs, lists, rescoring too. What comes with a
 * vector, changes during a search and files that outlive a crash are left to the
 * caller. Qdrant cuts a collection into segments. New vectors go to a growing one,
 * small enough to be searched in full. Once it is sealed its vectors never change, so
 * codes and a graph are built over them once. Deleting sets a tombstone; changing is
 * deleting and adding. A search asks every segment, skips tombstones, rescores, and
 * merges. Compaction rewrites sealed segments without the dead.
 *
 * Shapes: N vectors of D dimensions in S segments; k results, C = oversampling · k.
 * Time O(N·D) integer steps, O(N·log N) to sort, O(S·C·D) to rescore; space N·D bytes
 * of codes, 4·N·D of full vectors.
 * Trap: taking the best k first and dropping the deleted ones after.
 * Left out: the log for crashes, filters, a graph a segment, searching while compacting.
 * Source: Qdrant's documentation, "Storage" and "Optimizer".
 * Run: `deno run segments.ts`
 * @module
 */

type Vector = ArrayLike<number>;
type Point = [id: number, row: Float32Array];

/** One result of a search: the vector's id, and its exact cosine with the query. */
export interface Hit {
  readonly id: number;
  readonly score: number;
}

/** A sealed segment: only `dead` ever changes. */
interface Segment {
  readonly ids: readonly number[]; // (n,)
  readonly rows: readonly Float32Array[]; // (n, D) unit vectors
  readonly codes: Int8Array; // (n · D,)
  readonly dead: Set<number>; // rows
}

/** A collection of vectors by id, in one growing segment and any number of sealed ones. */
export class Collection {
  /** Codes compared, and full vectors read, so far. */
  readonly cost = { codes: 0, full: 0 };
  #growing = new Map<number, Float32Array>();
  #sealed: Segment[] = [];
  // Of the living in sealed segments.
  #place = new Map<number, { segment: Segment; row: number }>();

  /** @param full how many vectors of size D seal the growing segment */
  constructor(readonly D: number, readonly full = 1000) {
    if (![D, full].every((size) => Number.isInteger(size) && size > 0)) {
      throw new RangeError(`Cannot seal ${full} vectors of size ${D}`);
    }
  }

  /** How many vectors live. */
  get size(): number {
    return this.#growing.size + this.#place.size;
  }

  /** Living and dead, [living, dead] a segment, the growing one last. */
  get segments(): number[][] {
    const count = (
      { ids, dead }: Segment,
    ) => [ids.length - dead.size, dead.size];
    return [...this.#sealed.map(count), [this.#growing.size, 0]];
  }

  /** Adds a vector (D,), or puts it in the place of the one of that id. */
  upsert(id: number, vector: Vector): void {
    const row = unit(vector, this.D);
    this.delete(id);
    this.#growing.set(id, row);
    if (this.#growing.size >= this.full) this.seal();
  }

  /** Takes a vector out; false if there is none of that id. */
  delete(id: number): boolean {
    const place = this.#place.get(id);
    // Sealed: nothing is moved, a tombstone hides it.
    place?.segment.dead.add(place.row);
    return this.#place.delete(id) || this.#growing.delete(id);
  }

  /** Seals the growing segment, full or not; nothing if it is empty. */
  seal(): void {
    this.#add([...this.#growing]);
    this.#growing = new Map();
  }

  /** Rewrites the sealed segments as one, by a new scale; returns how many dead went. */
  compact(): number {
    const all = this.#sealed;
    this.#sealed = [];
    this.#add(
      all.flatMap(({ ids, rows, dead }) =>
        ids.map((id, row): Point => [id, rows[row]])
          .filter((_, row) => !dead.has(row))
      ),
    );
    return all.reduce((sum, { dead }) => sum + dead.size, 0);
  }

  /**
   * The k best, best first; equal ones by the lowest id.
   * @param query (D,)
   * @param oversampling candidates of each sealed segment for each result, 1 or more
   * @throws {RangeError} if one of them is not as it must be
   */
  search(query: Vector, k: number, oversampling = 4): Hit[] {
    if (!(Number.isInteger(k) && k >= 0 && oversampling >= 1)) {
      throw new RangeError(
        `Cannot take ${k} results of ${oversampling} candidates each`,
      );
    }
    const q = unit(query, this.D);
    const exact = (id: number, row: Float32Array): Hit => {
      this.cost.full++;
      return { id, score: Math.max(-1, Math.min(1, dot(q, row, 0))) };
    };
    const hits = [...this.#growing].map(([id, row]) => exact(id, row));
    const query8 = quantise([q]);
    for (const { ids, rows, codes, dead } of this.#sealed) {
      const living = [...ids.keys()].filter((row) => !dead.has(row));
      this.cost.codes += living.length;
      const scores = ids.map((_, row) => dot(query8, codes, row * this.D));
      living.sort((a, b) => scores[b] - scores[a] || ids[a] - ids[b])
        .slice(0, Math.ceil(oversampling * k))
        .forEach((row) => hits.push(exact(ids[row], rows[row])));
    }
    // Codes of two segments have two scales; exact scores compare.
    return hits.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k);
  }

  #add(points: readonly Point[]): void {
    if (points.length === 0) return;
    const ids = points.map(([id]) => id);
    const rows = points.map(([, row]) => row);
    const dead = new Set<number>();
    const segment = { ids, rows, codes: quantise(rows), dead };
    ids.forEach((id, row) => this.#place.set(id, { segment, row }));
    this.#sealed.push(segment);
  }
}

/** Int8 codes of (n, D) rows, flat: the largest entry is 127, the others in proportion. */
function quantise(rows: readonly Float32Array[]): Int8Array {
  const entries = rows.flatMap((row) => [...row]); // (n · D,)
  const most = entries.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  return Int8Array.from(entries, (x) => Math.round(x / (most / 127 || 1)));
}

/** Σ x_d · rows_{from + d}. */
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
  const draw = () => Array.from({ length: 32 }, () => random() - 0.5);
  const collection = new Collection(32, 1000);
  const show = (name: string) =>
    console.log(
      name.padEnd(12),
      collection.segments.map((s) => s.join("+")).join("  "),
    );
  console.log("living+dead of each segment, the growing one last");
  for (let id = 0; id < 3400; id++) collection.upsert(id, draw());
  show("3400 added");
  const query = draw();
  const before = collection.search(query, 10);
  for (let id = 0; id < 3400; id += 3) collection.delete(id);
  show("1 in 3 gone");
  const late = before.filter(({ id }) => id % 3 > 0).length;
  const after = collection.search(query, 10).length;
  for (let id = 1; id < 1400; id += 3) collection.upsert(id, draw());
  show("467 changed");
  collection.compact();
  show("compacted");
  console.log("of 10 asked for, with the dead dropped at the end:", late);
  console.log("of 10 asked for, with the dead skipped           :", after);
}
