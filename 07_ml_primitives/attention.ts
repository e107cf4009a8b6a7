#!/usr/bin/env -S deno run
/**
 * Q. Implement scaled dot-product attention, with an optional causal mask.
 *
 * A. softmax(query · keyᵀ / √D) · value: every query takes a mean of the values,
 * weighted by how well it fits their keys. A dot product of D terms of variance
 * 1 has variance D; without the √D the softmax saturates and its gradient dies.
 * The queries are the last SQ of SK positions, so query i sees the keys up to
 * i + SK − SQ, itself included: one query of a decode step sees the whole cache.
 * A masked key is skipped, not given a score of −1e9, which real scores can pass.
 *
 * Shapes: SQ queries, SK keys and values, D wide; values E wide; B in a batch.
 * Time O(SQ·SK·(D + E)); space O(SQ·SK) for the weights, O(SK) without them.
 * Trap: `triu` of k = 0 masks the diagonal, and of k = 1 is right only if SQ = SK.
 * Left out: dropout, backward, tiling (flash attention).
 * Source: Vaswani et al. (2017), arXiv:1706.03762.
 * Run: `deno run attention.ts`
 * @module
 */

/** What a query may see, and how sharply. All that is given must allow a key. */
export interface AttentionOptions {
  /** Hide the keys after the query's own position. */
  causal?: boolean;
  /** (SQ, SK), true where the query may see the key. */
  mask?: readonly (readonly boolean[])[];
  /** (SK,), true for a key that is there, false for padding. */
  present?: readonly boolean[];
  /** What the dot products are multiplied by; 1/√D if not given. */
  scale?: number;
}

type Matrix = readonly (readonly number[])[];

/**
 * A query that may see no key gets zeros. What a masked key or value holds, be
 * it NaN, has no influence; elsewhere NaN passes through, unless its weight is 0.
 * @param query (SQ, D)
 * @param key (SK, D)
 * @param value (SK, E)
 * @returns (SQ, E)
 * @throws {RangeError} if the shapes do not fit, or there is no key or no D
 */
export function attention(
  query: Matrix,
  key: Matrix,
  value: Matrix,
  options: AttentionOptions = {},
): number[][] {
  const E = width(value, "value");
  if (key.length !== value.length) {
    throw new RangeError(
      `Cannot attend to key ${shape(key)} with value ${shape(value)}: ` +
        `${key.length} keys and ${value.length} values`,
    );
  }
  return attentionWeights(query, key, options).map((weights) => {
    const out = new Array<number>(E).fill(0);
    weights.forEach((weight, j) => {
      // 0 · NaN is NaN: a weight of 0 must not touch the value.
      if (weight === 0) return;
      for (let e = 0; e < E; e++) out[e] += weight * value[j][e];
    });
    return out;
  }); // (SQ, SK) · (SK, E) = (SQ, E)
}

/**
 * @param query (SQ, D)
 * @param key (SK, D)
 * @returns (SQ, SK): each row sums to 1, or is 0 if the query may see no key
 * @throws {RangeError} as attention
 */
export function attentionWeights(
  query: Matrix,
  key: Matrix,
  options: AttentionOptions = {},
): number[][] {
  const [SQ, SK, D] = [query.length, key.length, width(key, "key")];
  const { causal = false, mask, present, scale = 1 / Math.sqrt(D) } = options;
  if (D === 0) throw new RangeError("Cannot scale by 1/√D: keys are 0 wide");
  if (SQ > 0 && width(query, "query") !== D) {
    throw new RangeError(
      `Cannot compare query ${shape(query)} with key ${shape(key)}: ` +
        `${query[0].length} and ${D} wide`,
    );
  }
  const fits = mask?.length === SQ && mask.every((row) => row.length === SK);
  if (mask && !fits) {
    throw new RangeError(`Cannot mask (${SQ}, ${SK}) by ${shape(mask)}`);
  }
  if (present && present.length !== SK) {
    throw new RangeError(`Cannot mask ${SK} keys by ${present.length} flags`);
  }
  const last = (i: number) => causal ? i + SK - SQ : SK - 1;
  const visible = (i: number, j: number) =>
    j <= last(i) && (mask?.[i][j] ?? true) && (present?.[j] ?? true);
  return query.map((q, i) =>
    softmax(key.map((k, j) => visible(i, j) ? scale * dot(q, k) : -Infinity))
  ); // (SQ, SK)
}

/**
 * Attention for every element of a batch, and again for every head if those are
 * the elements. `present` has one row for each; the other options are shared.
 * @param query (B, SQ, D)
 * @param key (B, SK, D)
 * @param value (B, SK, E)
 * @param present (B, SK), true for a key that is there, false for padding
 * @returns (B, SQ, E)
 * @throws {RangeError} if the sizes of the batches differ, or as attention
 */
export function batchedAttention(
  query: readonly Matrix[],
  key: readonly Matrix[],
  value: readonly Matrix[],
  options: Omit<AttentionOptions, "present"> = {},
  present?: readonly (readonly boolean[])[],
): number[][][] {
  const sizes = [query, key, value, present ?? query].map((x) => x.length);
  if (sizes.some((B) => B !== sizes[0])) {
    throw new RangeError(`Cannot pair batches of ${sizes.join(", ")}`);
  }
  return query.map((q, b) =>
    attention(q, key[b], value[b], { ...options, present: present?.[b] })
  );
}

/** The variance of the dot products of `count` pairs of random D-vectors of variance 1. */
export function scoreVariance(D: number, count: number, random: () => number) {
  // Uniform on ±√3, whose variance is 1.
  const vector = () =>
    Array.from({ length: D }, () => (random() - 0.5) * Math.sqrt(12));
  let sum = 0;
  for (let i = 0; i < count; i++) sum += dot(vector(), vector()) ** 2;
  return sum / count;
}

/** (N,) shares that sum to 1, or zeros if all are −Infinity. */
function softmax(x: readonly number[]): number[] {
  const max = x.reduce((m, xi) => Math.max(m, xi), -Infinity);
  if (max === -Infinity) return x.map(() => 0);
  const exps = x.map((xi) => Math.exp(xi - max));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

function dot(x: readonly number[], y: readonly number[]): number {
  let sum = 0;
  for (let d = 0; d < x.length; d++) sum += x[d] * y[d];
  return sum;
}

const shape = (x: readonly (readonly unknown[])[]) =>
  `(${x.length}, ${x[0]?.length ?? "?"})`;

/** The width of all rows. @throws {RangeError} if there is no row or they differ */
function width(x: Matrix, name: string): number {
  if (x.length === 0) throw new RangeError(`Cannot attend: ${name} has no row`);
  const odd = x.findIndex((row) => row.length !== x[0].length);
  if (odd < 0) return x[0].length;
  throw new RangeError(
    `Cannot read ${name} as a matrix: row 0 has ${x[0].length} numbers, ` +
      `row ${odd} has ${x[odd].length}`,
  );
}

if (import.meta.main) {
  const show = (rows: number[][]) => rows[0].map((x) => x.toFixed(2)).join(" ");
  const x = [[1, 0], [0, 1], [1, 1], [2, -1], [0, 3]];
  console.log("a decode step: 1 query, 5 keys; which keys have weight?");
  const triu = { mask: [x.map((_, j) => j < 1)] };
  console.log("  triu(k=1) :", show(attentionWeights([x[4]], x, triu)));
  const causal = true;
  console.log("  shifted   :", show(attentionWeights([x[4]], x, { causal })));
  console.log("two keys, the second masked; the first has a score of −2e10");
  const key = [[-2e10], [-1e9]];
  const mask = [[true, false]];
  console.log("  −1e9      :", show(attentionWeights([[1]], key)));
  console.log("  skipped   :", show(attentionWeights([[1]], key, { mask })));
  console.log("variance of a dot product of D terms, and over √D");
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  for (const D of [4, 64, 1024]) {
    const v = scoreVariance(D, 4000, random);
    console.log(`  D = ${D}`.padEnd(11), ":", v.toFixed(1), (v / D).toFixed(2));
  }
}
