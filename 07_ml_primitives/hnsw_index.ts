#!/usr/bin/env -S deno run
/**
 * Q. Build the HNSW graph that hnsw.ts searches, and let vectors come and go.
 *
 * A. An insert draws its top layer, so that each layer holds 1/M of the one below, and
 * goes down to it greedily. From there on a beam of efConstruction finds candidates in
 * each layer, and one is linked only if it is nearer to the new node than to a link
 * already chosen, so clusters stay joined. Links go both ways; a node with too many
 * chooses again. A copy of a vector is one more name of its node. A delete takes a name
 * away; a node without names is still walked, but not returned.
 *
 * Shapes: N vectors of D dimensions; M links a node, 2M in layer 0; k results.
 * Time about O(ef·M·D·log N) an insert or search; space O(N·(D + M)).
 * Trap: linking the M nearest: clusters link to themselves only, and are not left.
 * Left out: repair after deletes (rebuild when many are dead).
 * Source: Malkov, Yashunin (2018), arXiv:1603.09320, algorithms 1, 2, 4 and 5.
 * Run: `deno run hnsw_index.ts`
 * @module
 */

/** A vector's id (inside: a node), and its distance from the query. */
export type Hit = { readonly id: number; readonly distance: number };

/** An empty graph for vectors of D dimensions is `new Graph(D)`. */
export class Graph {
  readonly links: number[][][] = []; // by node, by layer: nodes
  readonly names: number[][] = []; // by node: the ids of the vectors there
  readonly nodeOf: number[] = []; // by id
  entry = -1; // a node of the top layer; −1 while there is none
  vectors: Float32Array<ArrayBuffer>; // (nodes, D) flat, with room to grow
  seen = new Float64Array(1); // (nodes,) the last walk there; 2³² are a day's
  walk = 0;
  constructor(readonly D: number) {
    need(D > 0 && Number.isInteger(D), `index vectors of ${D} dimensions`);
    this.vectors = new Float32Array(D);
  }
}

/** Adds a copy of a vector (D,); returns its id. `random` draws its top layer. */
export function insert(
  graph: Graph,
  vector: ArrayLike<number>,
  random: () => number,
  M = 12,
  efConstruction = 80,
): number {
  const x = check(vector, graph.D);
  need(M > 1, `build with M = ${M}`);
  need(efConstruction > 0, `build with a beam of ${efConstruction}`);
  const { links, entry, names, nodeOf } = graph;
  // Layer l is reached with probability M^−l; 16 is far above any real top.
  const level = Math.min(16, Math.floor(-Math.log(1 - random()) / Math.log(M)));
  const top = (links[entry] ?? []).length - 1;
  const own: number[][] = Array.from({ length: level + 1 }, () => []);
  let near = [entry];
  for (let layer = top; layer >= 0; layer--) {
    const ef = layer > level ? 1 : Math.ceil(efConstruction);
    const hits = beam(graph, x, near, ef, layer, true);
    near = hits.map((hit) => hit.id);
    if (layer <= level) own[layer] = choose(graph, hits, M);
    if (hits[0].distance > 0) continue;
    names[near[0]].push(nodeOf.length);
    return nodeOf.push(near[0]) - 1;
  }
  const node = links.push(own) - 1;
  if (node === graph.seen.length) {
    const full = graph.vectors.buffer;
    graph.vectors = new Float32Array(full.transfer(2 * full.byteLength));
    graph.seen = new Float64Array(2 * node).fill(graph.walk);
  }
  graph.vectors.set(x, node * graph.D);
  own.forEach((chosen, layer) => {
    const most = layer === 0 ? 2 * M : M;
    for (const other of chosen) {
      const back = links[other][layer];
      if (back.push(node) <= most) continue;
      const [q, hits] = [row(graph, other), [] as Hit[]];
      back.forEach((id) => place(hits, { id, distance: far(graph, q, id) }, 1));
      links[other][layer] = choose(graph, hits, most);
    }
  });
  if (level > top) graph.entry = node;
  names.push([nodeOf.length]);
  return nodeOf.push(node) - 1;
}

/** The k nearest that a beam of width ef finds, nearest first; ef is raised to k. */
export function search(
  graph: Graph,
  query: ArrayLike<number>,
  k: number,
  ef: number,
): Hit[] {
  const q = check(query, graph.D);
  need(k >= 0 && Number.isInteger(k), `find the nearest ${k}`);
  need(ef > 0 && Number.isInteger(ef), `search with a beam of ${ef}`);
  if (graph.entry < 0 || k === 0) return [];
  let near = [graph.entry];
  for (let layer = graph.links[near[0]].length - 1; layer > 0; layer--) {
    near = [beam(graph, q, near, 1, layer, true)[0].id];
  }
  return beam(graph, q, near, Math.max(ef, k), 0, false).flatMap((hit) =>
    graph.names[hit.id].map((id) => ({ id, distance: Math.sqrt(hit.distance) }))
  ).sort((a, b) => a.distance - b.distance || a.id - b.id).slice(0, k);
}

/** Removes a vector from all results; false if there is none of that id. */
export function remove(graph: Graph, id: number): boolean {
  const names = graph.names[graph.nodeOf[id]] ?? [];
  return names.includes(id) && names.splice(names.indexOf(id), 1).length > 0;
}

/** The ef nodes of a layer nearest to q that a walk from `start` finds, in order. */
function beam(
  graph: Graph,
  q: Float32Array,
  start: readonly number[],
  ef: number,
  layer: number,
  nameless: boolean,
): Hit[] {
  const { links, names, seen } = graph;
  const walk = ++graph.walk;
  const open: Hit[] = []; // not yet expanded, the nearest last
  const best: Hit[] = []; // the farthest last
  const see = (id: number) => {
    if (seen[id] === walk) return;
    seen[id] = walk;
    const hit = { id, distance: far(graph, q, id) };
    if (best.length >= ef && hit.distance >= best[ef - 1].distance) return;
    place(open, hit, -1);
    if (nameless || names[id].length > 0) place(best, hit, 1);
    if (best.length > ef) best.pop();
  };
  start.forEach(see);
  for (let hit = open.pop(); hit; hit = open.pop()) {
    if (best.length >= ef && hit.distance > best[ef - 1].distance) break;
    links[hit.id][layer].forEach(see);
  }
  return best;
}

/** Puts a hit into its place in a list sorted by sign · distance. */
function place(list: Hit[], hit: Hit, sign: number): void {
  let at = list.length;
  for (; at > 0 && sign * (list[at - 1].distance - hit.distance) > 0; at--) {
    list[at] = list[at - 1];
  }
  list[at] = hit;
}

/** At most M of `hits`, in order: each nearer to the node than to one chosen before. */
function choose(graph: Graph, hits: readonly Hit[], M: number): number[] {
  const chosen: number[] = [];
  for (const { id, distance } of hits) {
    const q = row(graph, id);
    if (chosen.every((c) => distance < far(graph, q, c))) chosen.push(id);
    if (chosen.length >= M) break;
  }
  return chosen;
}

const row = (g: Graph, n: number) => g.vectors.subarray(n * g.D, n * g.D + g.D);
/** The squared distance from q to a node. */
function far({ vectors, D }: Graph, q: Float32Array, node: number): number {
  // Two sums, so that an addition need not wait for the one before it.
  let [even, odd, i] = [0, 0, node * D];
  for (let d = 1; d < D; d += 2, i += 2) {
    even += (q[d - 1] - vectors[i]) ** 2;
    odd += (q[d] - vectors[i + 1]) ** 2;
  }
  return even + odd + (D % 2 && (q[D - 1] - vectors[i]) ** 2);
}

function check(vector: ArrayLike<number>, D: number): Float32Array {
  const x = Float32Array.from(vector);
  need(x.length === D, `compare size ${x.length} with size ${D}`);
  const bad = x.findIndex((v) => !Number.isFinite(v));
  need(bad < 0, `place ${vector[bad]} (entry ${bad}): not finite in f32`);
  return x;
}
function need(ok: boolean, what: string): void {
  if (!ok) throw new RangeError(`Cannot ${what}`);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const graph = new Graph(8);
  const draw = () => Float32Array.from({ length: 8 }, random);
  for (let n = 0; n < 5000; n++) insert(graph, draw(), random);
  const qs = Array.from({ length: 100 }, draw);
  const find = (ef: number) =>
    qs.map((q) => search(graph, q, 10, ef).map((hit) => hit.id));
  const all = find(5000);
  for (const ef of [10, 20, 40, 80]) {
    const ids = find(ef).flat().filter((x, i) => all[i / 10 | 0].includes(x));
    console.log(`ef ${ef}: recall@10`, ids.length / 1000);
  }
}
