#!/usr/bin/env -S deno run
/**
 * Q. Implement multi-head attention, given the four weight matrices.
 *
 * A. Project x to queries, keys and values; cut the columns of each into H heads of
 * D = C / H; attend in every head; put the heads side by side again; and mix them
 * with the output matrix. Head h owns columns h·D up to (h + 1)·D of every row, so
 * (T, C) becomes (T, H, D) and then, by exchanging two axes, (H, T, D). With fewer
 * key heads than query heads, G = H / KV queries share one head of keys and
 * values (grouped-query; multi-query if KV = 1): the cache shrinks G-fold.
 *
 * Shapes: T positions of x, S of the memory (x itself, unless given), C channels,
 * H query heads of D = C / H, KV heads of keys and values.
 * Time O(T·C² + T·S·C); space O(T·C + S·C).
 * Trap: reshaping (T, C) straight to (H, T, D) runs, and mixes positions.
 * Left out: biases, dropout, padding masks (attention.ts), rotary positions; the
 * form without a loop over heads is in batched_heads.ts.
 * Source: Vaswani et al. (2017), arXiv:1706.03762; Ainslie et al. (2023),
 * arXiv:2305.13245.
 * Run: `deno run multi_head_attention.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** The projections; a row of x stands on their left: x · query. */
export interface HeadWeights {
  /** (C, C) */
  query: Matrix;
  /** (C, KV·D) */
  key: Matrix;
  /** (C, KV·D) */
  value: Matrix;
  /** (C, C): mixes the heads; without it they would meet only in later layers. */
  output: Matrix;
}

/** Which heads there are, and what they look at. */
export interface HeadOptions {
  /** H; it must divide C. */
  heads: number;
  /** KV; it must divide H. H if not given, 1 for multi-query attention. */
  kvHeads?: number;
  /** Hide what comes after a position; x is taken for the last T of S. */
  causal?: boolean;
  /** (S, C): what keys and values are made of, if not x (cross-attention). */
  memory?: Matrix;
}

/**
 * @param x (T, C); left unchanged
 * @returns (T, C)
 * @throws {RangeError} if heads do not divide, or shapes do not fit
 */
export function multiHeadAttention(
  x: Matrix,
  weights: HeadWeights,
  options: HeadOptions,
): number[][] {
  const { heads: H, kvHeads: KV = H, causal = false, memory = x } = options;
  check(weights, H, KV);
  if (x.length === 0) return [];
  if (memory.length === 0) throw new RangeError("Cannot attend to no memory");
  const query = splitHeads(multiply(x, weights.query), H); // (H, T, D)
  const key = splitHeads(multiply(memory, weights.key), KV); // (KV, S, D)
  const value = splitHeads(multiply(memory, weights.value), KV); // (KV, S, D)
  const G = H / KV;
  const heads = query.map((q, h) => {
    // Shared by index: copies would give back the memory that sharing saves.
    const kv = Math.floor(h / G);
    return attend(q, key[kv], value[kv], causal);
  }); // (H, T, D)
  return multiply(mergeHeads(heads), weights.output); // (T, C)
}

/**
 * Cuts the columns into `heads` parts of equal width.
 * @param x (T, H·D)
 * @returns (H, T, D)
 * @throws {RangeError} unless `heads` divides the width
 */
export function splitHeads(x: Matrix, heads: number): number[][][] {
  const D = divide(x[0]?.length ?? 0, heads, "columns into heads");
  return Array.from(
    { length: heads },
    (_, h) => x.map((row) => row.slice(h * D, (h + 1) * D)),
  );
}

/**
 * Puts the heads side by side: the inverse of `splitHeads`.
 * @param heads (H, T, D)
 * @returns (T, H·D)
 */
export function mergeHeads(heads: readonly Matrix[]): number[][] {
  return (heads[0] ?? []).map((_, t) => heads.flatMap((head) => head[t]));
}

/**
 * One head of scaled dot-product attention.
 * @param query (T, D)
 * @param key (S, D)
 * @param value (S, D)
 * @returns (T, D); zeros for a position that sees nothing
 */
function attend(query: Matrix, key: Matrix, value: Matrix, causal: boolean) {
  const [T, S, D] = [query.length, key.length, value[0].length];
  return query.map((q, t) => {
    const seen = causal ? Math.max(0, t + 1 + S - T) : S;
    const scores = key.slice(0, seen).map((k) =>
      k.reduce((sum, kd, d) => sum + kd * q[d], 0) / Math.sqrt(D)
    ); // (seen,)
    const max = scores.reduce((m, s) => Math.max(m, s), -Infinity);
    const exps = scores.map((s) => Math.exp(s - max));
    const total = exps.reduce((sum, e) => sum + e, 0);
    const out = new Array<number>(D).fill(0);
    exps.forEach((e, s) => {
      for (let d = 0; d < D; d++) out[d] += e / total * value[s][d];
    });
    return out;
  });
}

/** (M, K) · (K, N) = (M, N) @throws {RangeError} if the inner sizes differ */
function multiply(a: Matrix, b: Matrix): number[][] {
  return a.map((row) => {
    if (row.length !== b.length) {
      throw new RangeError(
        `Cannot multiply a row of ${row.length} by ${shape(b)}: ` +
          `inner sizes ${row.length} and ${b.length} differ`,
      );
    }
    const out = new Array<number>(b[0].length).fill(0);
    row.forEach((x, k) => b[k].forEach((w, n) => out[n] += x * w));
    return out;
  });
}

function check(weights: HeadWeights, H: number, KV: number): void {
  const C = weights.query.length;
  const D = divide(C, H, "channels into heads");
  divide(H, KV, "query heads among key heads");
  const sizes = { query: C, key: KV * D, value: KV * D, output: C };
  for (const name of ["query", "key", "value", "output"] as const) {
    const w = weights[name];
    if (w.length !== C || w.some((row) => row.length !== sizes[name])) {
      throw new RangeError(
        `Cannot use ${name} weights ${shape(w)}: ` +
          `${H} heads need (${C}, ${sizes[name]})`,
      );
    }
  }
}

/** n / parts. @throws {RangeError} unless both are whole and it has no remainder */
function divide(n: number, parts: number, what: string): number {
  if (n > 0 && Number.isInteger(parts) && parts > 0 && n % parts === 0) {
    return n / parts;
  }
  throw new RangeError(
    `Cannot divide ${n} ${what}: ${parts} does not divide it`,
  );
}

const shape = (x: Matrix) => `(${x.length}, ${x[0]?.length ?? 0})`;

if (import.meta.main) {
  const make = (rows: number, columns: number, step: number) =>
    Array.from(
      { length: rows },
      (_, i) =>
        Array.from({ length: columns }, (_, j) =>
          (i * columns + j) * step % 11 / 4 - 1),
    );
  // T = H = 2: the wrong axes have the right sizes.
  const x = [[1, 2, 3, 4], [5, 6, 7, 8]];
  console.log("(T, C) = (2, 4) into 2 heads of 2:");
  console.log(
    "  reshaped :",
    JSON.stringify([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
  );
  console.log("  split    :", JSON.stringify(splitHeads(x, 2)));
  const [C, H, T] = [8, 4, 3];
  for (const KV of [4, 2, 1]) {
    const weights = {
      query: make(C, C, 7),
      key: make(C, KV * C / H, 5),
      value: make(C, KV * C / H, 3),
      output: make(C, C, 2),
    };
    const options = { heads: H, kvHeads: KV, causal: true };
    const out = multiHeadAttention(make(T, C, 4), weights, options);
    const first = out[T - 1].slice(0, 3).map((y) => y.toFixed(2)).join(" ");
    console.log(
      `KV = ${KV}: ${2 * KV * C / H} numbers a position to cache; ${first} …`,
    );
  }
}
