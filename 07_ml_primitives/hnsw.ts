#!/usr/bin/env -S deno run
/**
 * Q. Search a given HNSW graph for the k nearest neighbours of a query.
 *
 * A. Every vector is a node of layer 0; each layer above holds fewer, as a coarse map.
 * From the entry go down greedily: in each upper layer move to the nearest neighbour
 * until none is nearer. Only in layer 0 keep a beam of the ef best seen: expand the
 * nearest node not yet expanded, look at each unseen neighbour once, and stop when it
 * is farther than the worst of a full beam. The answer is the best k of the beam. ef is
 * the knob: a wider beam leaves local minima, and with ef = N it is exact for all that
 * can be reached.
 *
 * Shapes: N nodes, about M links a node, a beam of ef, k results.
 * Time about O(ef·M) distances; space O(N) for what was seen.
 * Trap: ef = k. The beam is full of what is near the entry, and ends there.
 * Left out: building the graph and deletes, in hnsw_index.ts; filters.
 * Source: Malkov, Yashunin (2018), arXiv:1603.09320, algorithms 2 and 5.
 * Run: `deno run hnsw.ts`
 * @module
 */

/** links[node][layer]: the ids of its neighbours; a node has only its own layers. */
export type Links = readonly (readonly (readonly number[])[])[];

/** A node and its distance from the query. */
export interface Hit {
  readonly id: number;
  readonly distance: number;
}

/**
 * The k nearest nodes that can be found from the entry.
 * @param links (N, layers of the node, its neighbours); left unchanged
 * @param entry where to start, in its top layer; not used if there is no node
 * @param distance from the query to a node, called once a node and layer
 * @param ef width of the beam in layer 0; raised to k if smaller
 * @param counts if given, gets the number of distances computed in each layer
 * @returns at most k hits, nearest first; equal ones by the lowest id
 * @throws {RangeError} if k or ef is no count, an id is no node, or a distance is NaN
 */
export function search(
  links: Links,
  entry: number,
  distance: (id: number) => number,
  k: number,
  ef: number,
  counts: number[] = [],
): Hit[] {
  for (const [name, count, least] of [["k", k, 0], ["ef", ef, 1]] as const) {
    if (!Number.isInteger(count) || count < least) {
      throw new RangeError(
        `Cannot search with ${name} = ${count}: needs ${least} or more`,
      );
    }
  }
  if (links.length === 0) return [];
  const top = layersOf(links, entry).length - 1;
  let near = entry;
  for (let layer = top; layer > 0; layer--) {
    near = beam(links, near, distance, 1, layer, counts)[0].id;
  }
  return beam(links, near, distance, Math.max(ef, k), 0, counts).slice(0, k);
}

/**
 * The ef nodes nearest to the query that a walk in one layer finds, nearest first. With
 * ef = 1 it is the greedy descent: it moves only to what is nearer than all before.
 * @throws {RangeError} if ef is below 1, an id is no node, or a distance is NaN
 */
export function beam(
  links: Links,
  start: number,
  distance: (id: number) => number,
  ef: number,
  layer: number,
  counts: number[] = [],
): Hit[] {
  if (!(ef >= 1)) throw new RangeError(`Cannot walk with a beam of ${ef}`);
  const seen = new Set<number>();
  const open: Hit[] = []; // seen but not expanded, the nearest last
  const best: Hit[] = []; // at most ef, the nearest first
  const see = (id: number) => {
    if (seen.has(id)) return;
    seen.add(id);
    layersOf(links, id);
    const hit = { id, distance: distance(id) };
    counts[layer] = (counts[layer] ?? 0) + 1;
    if (Number.isNaN(hit.distance)) {
      throw new RangeError(`Cannot rank node ${id}: its distance is NaN`);
    }
    if (best.length === ef && !before(hit, best[ef - 1])) return;
    place(best, hit, before);
    if (best.length > ef) best.pop();
    place(open, hit, (a, b) => before(b, a));
  };
  see(start);
  for (let hit = open.pop(); hit; hit = open.pop()) {
    if (best.length === ef && before(best[ef - 1], hit)) break;
    // A node that is not in this layer has no links there.
    (links[hit.id][layer] ?? []).forEach(see);
  }
  return best;
}

/** Nearer, or as near with the lower id: no two nodes are equal, so every walk ends. */
function before(a: Hit, b: Hit): boolean {
  return a.distance < b.distance ||
    (a.distance === b.distance && a.id < b.id);
}

/** Puts a hit into its place in a sorted list; new ones belong near the end. */
function place(list: Hit[], hit: Hit, first: typeof before): void {
  let at = list.length;
  for (; at > 0 && first(hit, list[at - 1]); at--) list[at] = list[at - 1];
  list[at] = hit;
}

function layersOf(links: Links, id: number): Links[number] {
  if (links[id]) return links[id];
  throw new RangeError(
    `Cannot visit node ${id}: there are ${links.length} nodes`,
  );
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const draw = () => Array.from({ length: 4 }, random);
  const N = 1000;
  const points = Array.from({ length: N }, draw);
  const between = (a: number[], b: number[]) =>
    Math.hypot(...a.map((x, d) => x - b[d]));
  // Layer l holds every 10^l-th node, each linked to its 6 nearest there and one other.
  const links = points.map((p, n) =>
    [0, 1, 2].filter((layer) => n % 10 ** layer === 0).map((layer) => {
      const ids = Array.from(
        { length: N / 10 ** layer },
        (_, i) => i * 10 ** layer,
      )
        .filter((id) => id !== n);
      const far = ids[Math.floor(random() * ids.length)];
      ids.sort((a, b) => between(p, points[a]) - between(p, points[b]));
      return [...ids.slice(0, 6), far];
    })
  );
  const queries = Array.from({ length: 100 }, draw);
  for (const ef of [10, 20, 50, 100, N]) {
    const counts: number[] = [];
    let right = 0;
    for (const q of queries) {
      const distance = (id: number) => between(q, points[id]);
      const exact = points.map((_, id) => id)
        .sort((a, b) => distance(a) - distance(b)).slice(0, 10);
      right += search(links, 0, distance, 10, ef, counts)
        .filter((hit) => exact.includes(hit.id)).length;
    }
    console.log(
      `ef ${ef}: recall@10 ${
        right / 1000
      }, distances a query in layers 0, 1, 2:`,
      counts.map((c) => Math.round(c / queries.length)).join(", "),
    );
  }
}
