#!/usr/bin/env -S deno run
/**
 * Q. Write the decode loop: token in, token out, with a KV cache.
 *
 * A. A decoder has a cache for each layer and key head. A step takes one token:
 * embed it, and in each layer project it, turn its query and keys by its position,
 * append key and value, attend with one query, and add what comes out; then the
 * multi-layer perceptron. The last norm, projected on the tokens, is the logits. The
 * prompt goes through the same step, and then each token that was chosen goes back
 * in. What I check: the logits of every step are those of a run over all tokens
 * without a cache, and each token is projected once.
 *
 * Shapes: V tokens, C wide, L layers, H query heads of D = C / H, KV key heads, F in
 * the perceptron, T tokens so far.
 * Time O(L·C·(C + F) + L·T·C + V·C) a step; space O(L·capacity·KV·D).
 * Trap: the position. A cached key was turned by its own, so a step must know T.
 * Left out: batches, prefill in one go, stopping at an end token; gains of the norms
 * and gates in the perceptron.
 * Source: Touvron et al. (2023), arXiv:2302.13971; grouped heads: Ainslie et al.
 * (2023), arXiv:2305.13245.
 * Run: `deno run decode_loop.ts`
 * @module
 */
import { attention } from "./attention.ts";
import { KVCache } from "./kv_cache.ts";
import { rmsNorm } from "./rms_norm.ts";
import { frequencies, rope, type RopeTable, ropeTable } from "./rope.ts";
import { greedy } from "./sampling.ts";

type Matrix = readonly (readonly number[])[];

/** Sizes of a decoder; see the legend above. */
export interface Sizes {
  V: number;
  C: number;
  L: number;
  H: number;
  KV: number;
  F: number;
  /** The most tokens it can hold. */
  capacity: number;
}

/** One layer's weights; a row stands on their left. */
export interface Layer {
  /** (C, H·D) */
  query: Matrix;
  /** (C, KV·D) */
  key: Matrix;
  /** (C, KV·D) */
  value: Matrix;
  /** (H·D, C) */
  output: Matrix;
  /** (C, F) */
  up: Matrix;
  /** (F, C) */
  down: Matrix;
}

/** A decoder's weights. */
export interface Model {
  sizes: Sizes;
  /** (V, C) what a token becomes */
  embedding: Matrix;
  /** (C, V) what becomes the logits */
  unembedding: Matrix;
  layers: Layer[];
  turns: RopeTable;
}

/**
 * A decoder of random weights.
 * @param random uniform numbers of [0, 1)
 * @throws {RangeError} if a size is no whole number from 1, H does not divide C, KV not
 * H, or D is odd
 */
export function randomModel(sizes: Sizes, random: () => number): Model {
  const { V, C, L, H, KV, F, capacity } = sizes;
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size > 0) continue;
    throw new RangeError(
      `Cannot make a decoder: ${name} is ${size}, not a whole number above 0`,
    );
  }
  const D = C / H;
  if (!Number.isInteger(D) || !Number.isInteger(H / KV)) {
    throw new RangeError(
      `Cannot cut ${C} channels into ${H} heads that share ${KV}`,
    );
  }
  // Uniform, of variance 1 / rows: what goes through keeps its size.
  const matrix = (rows: number, columns: number) =>
    Array.from({ length: rows }, () =>
      Array.from(
        { length: columns },
        () => (random() - 0.5) * Math.sqrt(12 / rows),
      ));
  return {
    sizes,
    embedding: Array.from({ length: V }, () => matrix(1, C)[0]),
    unembedding: matrix(C, V),
    layers: Array.from({ length: L }, () => ({
      query: matrix(C, H * D),
      key: matrix(C, KV * D),
      value: matrix(C, KV * D),
      output: matrix(H * D, C),
      up: matrix(C, F),
      down: matrix(F, C),
    })),
    turns: ropeTable(frequencies(D), capacity, "halves"),
  };
}

/** A model with its caches: one sequence, one token at a time. */
export class Decoder {
  readonly #model: Model;
  readonly #caches: KVCache[][]; // (L, KV)

  constructor(model: Model) {
    this.#model = model;
    const { L, KV, C, H, capacity } = model.sizes;
    const allocate = (length: number) => new Float64Array(length);
    this.#caches = Array.from({ length: L }, () =>
      Array.from(
        { length: KV },
        () => new KVCache({ capacity, keyWidth: C / H, allocate }),
      ));
  }

  /** T, the tokens so far. */
  get length(): number {
    return this.#caches[0][0].position;
  }

  /**
   * Takes the next token.
   * @returns (V,) logits of the one after it
   * @throws {RangeError} if there is no such token, or no place for it
   */
  step(token: number): number[] {
    const { sizes, embedding, unembedding, layers, turns } = this.#model;
    const position = this.length;
    checkTokens([token], sizes);
    if (position >= sizes.capacity) {
      throw new RangeError(
        `Cannot decode token ${
          position + 1
        }: there is room for ${sizes.capacity}`,
      );
    }
    const D = sizes.C / sizes.H;
    let x = embedding[token]; // (C,)
    layers.forEach((layer, l) => {
      const h = norm(x);
      const heads = (weights: Matrix) => rows(times(h, weights), D);
      const queries = rope(heads(layer.query), turns, same(sizes.H, position));
      const keys = rope(heads(layer.key), turns, same(sizes.KV, position));
      const values = heads(layer.value);
      const caches = this.#caches[l];
      caches.forEach((cache, kv) => cache.append(keys[kv], values[kv]));
      const G = sizes.H / sizes.KV;
      const out = queries.flatMap((query, i) =>
        caches[Math.floor(i / G)].attend(query)
      ); // (H·D,)
      x = feedForward(plus(x, times(out, layer.output)), layer);
    });
    return times(norm(x), unembedding);
  }
}

/**
 * The same without a cache: all tokens at once, under a causal mask.
 * @returns (T, V) row t has the logits after tokens 0 … t
 * @throws {RangeError} as {@link Decoder.step}
 */
export function runAll(model: Model, tokens: readonly number[]): number[][] {
  const { sizes, embedding, unembedding, layers, turns } = model;
  checkTokens(tokens, sizes);
  if (tokens.length === 0) return [];
  const D = sizes.C / sizes.H;
  let xs: Matrix = tokens.map((token) => embedding[token]); // (T, C)
  for (const layer of layers) {
    const hs = xs.map(norm);
    const head = (weights: Matrix, i: number) =>
      hs.map((h) => times(h, weights).slice(i * D, (i + 1) * D)); // (T, D)
    const outs = Array.from({ length: sizes.H }, (_, i) => {
      const kv = Math.floor(i / (sizes.H / sizes.KV));
      const query = rope(head(layer.query, i), turns);
      const key = rope(head(layer.key, kv), turns);
      return attention(query, key, head(layer.value, kv), { causal: true });
    }); // (H, T, D)
    xs = xs.map((x, t) => {
      const out = outs.flatMap((head) => head[t]); // (H·D,)
      return feedForward(plus(x, times(out, layer.output)), layer);
    });
  }
  return xs.map((x) => times(norm(x), unembedding));
}

/**
 * Goes on after a prompt.
 * @param choose the next token from logits (V,); the likeliest, without
 * @returns the new tokens, without the prompt
 * @throws {RangeError} if the prompt is empty or the count none, or as {@link Decoder.step}
 */
export function generate(
  model: Model,
  prompt: readonly number[],
  count: number,
  choose: (logits: number[]) => number = greedy,
): number[] {
  if (prompt.length === 0) {
    throw new RangeError("Cannot go on after nothing: the prompt has no token");
  }
  if (!(Number.isSafeInteger(count) && count >= 0)) {
    throw new RangeError(
      `Cannot choose ${count} tokens: needs a whole number`,
    );
  }
  const decoder = new Decoder(model);
  const tokens: number[] = [];
  let logits = prompt.map((token) => decoder.step(token)).at(-1)!;
  while (tokens.length < count) {
    tokens.push(choose(logits));
    // The last one is not looked past.
    if (tokens.length < count) logits = decoder.step(tokens.at(-1)!);
  }
  return tokens;
}

/** (C,) through the perceptron, and added. */
function feedForward(x: readonly number[], layer: Layer): number[] {
  const hidden = times(norm(x), layer.up).map((h) => Math.max(0, h)); // (F,)
  return plus(x, times(hidden, layer.down));
}

const norm = (x: readonly number[]) => rmsNorm([x], x.map(() => 1)).y[0];

const plus = (x: readonly number[], y: readonly number[]) =>
  x.map((xi, i) => xi + y[i]);

/** (K,) · (K, N) = (N,) */
function times(x: readonly number[], weights: Matrix): number[] {
  const out = new Array<number>(weights[0].length).fill(0);
  x.forEach((xk, k) => weights[k].forEach((w, n) => out[n] += xk * w));
  return out;
}

/** (n·D,) as (n, D) */
const rows = (x: readonly number[], D: number) =>
  Array.from({ length: x.length / D }, (_, i) => x.slice(i * D, (i + 1) * D));

const same = (length: number, position: number) =>
  Array.from({ length }, () => position);

function checkTokens(tokens: readonly number[], { V }: Sizes): void {
  const wrong = tokens.find((token) =>
    !(Number.isInteger(token) && token >= 0 && token < V)
  );
  if (wrong === undefined) return;
  throw new RangeError(`Cannot embed token ${wrong}: there are ${V}`);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const sizes = { V: 50, C: 32, L: 2, H: 4, KV: 2, F: 64, capacity: 200 };
  const model = randomModel(sizes, random);
  const prompt = [1, 2, 3];
  const tokens = generate(model, prompt, 12);
  console.log("cached    :", tokens.join(" "));
  const again = [...prompt];
  while (again.length < prompt.length + 12) {
    again.push(greedy(runAll(model, again).at(-1)!));
  }
  console.log("not cached:", again.slice(prompt.length).join(" "));
  const decoder = new Decoder(model);
  const all = [...prompt, ...tokens];
  const right = runAll(model, all);
  const off = all.map((token, t) => {
    const logits = decoder.step(token);
    return Math.max(...logits.map((y, v) => Math.abs(y - right[t][v])));
  });
  console.log("logits are off by at most", Math.max(...off).toExponential(0));
  console.log("1000 tokens: 1000 projections, or", 1000 * 1001 / 2);
}
