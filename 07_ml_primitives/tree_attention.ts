#!/usr/bin/env -S deno run
/**
 * Q. Read a whole tree of candidate tokens in one pass, as if each path were alone.
 *
 * A. Flatten the tree, parents first. A mask lets each node see the prefix, its
 * ancestors and itself, nothing else; its position is the prefix's length plus its
 * depth, not its place in the list. Then its row is the one it would get at the end
 * of its own path, at every layer. After verification, keep in the KV cache the rows
 * of the accepted path, which do not lie side by side; their positions are right
 * already. A chain is a tree whose mask is the causal one.
 *
 * Shapes: T tokens of the prefix; N nodes; S = T + N; D wide; V vocabulary size;
 * L layers.
 * Time O(L·N·S·D), against one pass a path; space O(N·S) for the mask.
 * Trap: the causal mask over the flattened tree. Siblings then see each other.
 * Left out: heads, MLPs, kernels that skip the masked blocks.
 * Source: Cai et al. (2024), arXiv:2401.10774; Miao et al. (2024), SpecInfer,
 * arXiv:2305.09781.
 * Run: `deno run tree_attention.ts`
 * @module
 */

type Vector = readonly number[];
type Matrix = readonly Vector[];
type Mask = readonly (readonly boolean[])[];

/**
 * What each node may see.
 * @param parents (N,) the index of each node's parent, before its own; −1 of a root
 * @param T the tokens of the prefix, seen by all nodes
 * @returns (N, T + N)
 * @throws {RangeError} if a parent does not come before its child
 */
export function treeMask(parents: Vector, T: number): boolean[][] {
  check(parents, T);
  const mask: boolean[][] = [];
  parents.forEach((parent, n) => {
    const row = parents.map((_, m) => parent >= 0 && mask[parent][T + m]);
    row[n] = true;
    mask.push([...Array<boolean>(T).fill(true), ...row]);
  });
  return mask;
}

/** (N,) positions: T of a root, and one more a level. */
export function treePositions(parents: Vector, T: number): number[] {
  check(parents, T);
  return treeMask(parents, 0).map((row) => T - 1 + row.filter(Boolean).length);
}

/**
 * Scaled dot-product attention of those keys that the mask shows.
 * @param query (N, D); `key` and `value`, (S, D); `mask`, (N, S), a true in each row
 * @returns (N, D)
 */
export function attend(
  query: Matrix,
  key: Matrix,
  value: Matrix,
  mask: Mask,
): number[][] {
  return query.map((q, n) => {
    const seen = [...key.keys()].filter((s) => mask[n][s]);
    const scores = seen.map((s) => dot(q, key[s]) / Math.sqrt(q.length));
    const shift = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - shift));
    const total = weights.reduce((sum, w) => sum + w, 0);
    return q.map((_, d) =>
      seen.reduce((sum, s, i) => sum + weights[i] * value[s][d], 0) / total
    );
  });
}

/** The weights of a toy: (V, D), and three (D, D) a layer. */
export interface Model {
  readonly embed: Matrix;
  readonly layers: readonly { query: Matrix; key: Matrix; value: Matrix }[];
}

/** Keys and values of each layer, (S, D) both. */
export type Cache = readonly { readonly key: Matrix; readonly value: Matrix }[];

/**
 * Reads tokens behind those of a cache.
 * @param tokens (N,) in the order of `parents`, (N,)
 * @param cache of T tokens; left unchanged
 * @param mask (N, T + N) and `positions` (N,), those of the tree if left out
 * @returns the last hidden states, (N, D), and the cache with all N nodes
 */
export function treePass(
  model: Model,
  tokens: Vector,
  parents: Vector,
  cache: Cache = model.layers.map(() => ({ key: [], value: [] })),
  mask: Mask = treeMask(parents, cache[0].key.length),
  positions: Vector = treePositions(parents, cache[0].key.length),
): { hidden: number[][]; cache: Cache } {
  if (tokens.length !== parents.length) {
    throw new RangeError(
      `Cannot read ${tokens.length} tokens as a tree of ${parents.length} nodes`,
    );
  }
  let hidden = tokens.map((token, n) =>
    model.embed[token].map((x, d) => x + Math.sin(positions[n] / 3 ** d + d))
  ); // (N, D)
  const grown = model.layers.map((layer, l) => {
    const times = (weights: Matrix) =>
      hidden.map((x) => weights.map((row) => dot(row, x))); // (N, D)
    const key = [...cache[l].key, ...times(layer.key)]; // (S, D)
    const value = [...cache[l].value, ...times(layer.value)];
    const add = attend(times(layer.query), key, value, mask);
    hidden = hidden.map((x, n) => x.map((xd, d) => xd + add[n][d]));
    return { key, value };
  });
  return { hidden, cache: grown };
}

/**
 * The cache after verification: the prefix and the accepted nodes.
 * @param path nodes from the root, as indices of the tree
 */
export function keepPath(
  cache: Cache,
  T: number,
  path: Vector,
): Cache {
  const keep = (
    rows: Matrix,
  ) => [...rows.slice(0, T), ...path.map((n) => rows[T + n])];
  return cache.map(({ key, value }) => ({
    key: keep(key),
    value: keep(value),
  }));
}

/** The nodes from the root down to `node`. */
export function pathTo(parents: Vector, node: number): number[] {
  const path: number[] = [];
  for (let n = node; n >= 0; n = parents[n]) path.unshift(n);
  return path;
}

const dot = (x: Vector, y: Vector): number =>
  x.reduce((sum, xi, i) => sum + xi * y[i], 0);

function check(parents: Vector, T: number): void {
  if (!Number.isSafeInteger(T) || T < 0) {
    throw new RangeError(`Cannot put a tree behind ${T} tokens`);
  }
  parents.forEach((parent, n) => {
    if (Number.isInteger(parent) && parent >= -1 && parent < n) return;
    throw new RangeError(
      `Cannot use a tree whose node ${n} has parent ${parent}: needs one before it, or −1`,
    );
  });
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [V, D, T] = [7, 6, 3];
  const draw = (rows: number) =>
    [...Array(rows)].map(() => [...Array(D)].map(() => random() * 2 - 1));
  const layer = () => ({ query: draw(D), key: draw(D), value: draw(D) });
  const model = { embed: draw(V), layers: [layer(), layer()] };
  const prefix = [3, 1, 4];
  const tokens = [1, 5, 2, 6, 5, 3, 5];
  const parents = [-1, 0, 0, 1, 1, 2, 2];
  const chain = [-1, 0, 1, 2, 3, 4, 5];
  const alone = parents.map((_, n) => {
    const text = [...prefix, ...pathTo(parents, n).map((m) => tokens[m])];
    return treePass(model, text, text.map((_, t) => t - 1)).hidden.pop()!;
  }); // (N, D)
  console.log("parent, position, what each of 7 nodes sees of 3 tokens and 7");
  const [mask, positions] = [treeMask(parents, T), treePositions(parents, T)];
  mask.forEach((row, n) =>
    console.log(
      `${parents[n]}`.padStart(6),
      `${positions[n]}`.padStart(8),
      "",
      row.map((seen) => seen ? "x" : ".").join(" "),
    )
  );
  const { cache } = treePass(model, prefix, [-1, 0, 1]);
  const show = (name: string, seen: Mask, at: Vector) => {
    const { hidden } = treePass(model, tokens, parents, cache, seen, at);
    const off = hidden.flatMap((x, n) =>
      x.map((xd, d) => Math.abs(xd - alone[n][d]))
    );
    console.log(name, Math.max(...off).toFixed(3));
  };
  console.log("furthest from the paths by themselves, after 2 layers");
  show("  tree mask                     ", mask, positions);
  show("  causal mask over the list     ", treeMask(chain, T), positions);
  show("  positions by place in the list", mask, treePositions(chain, T));
}
