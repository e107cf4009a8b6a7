#!/usr/bin/env -S deno run
/**
 * Q. Implement a KV cache for decoding one token at a time. How large is it?
 *
 * A. The keys and values of past tokens never change, so I keep them: two arrays
 * made once, and a counter. A step projects only the new token, writes its key
 * and value behind the others, and lets its one query attend to all of them. No
 * mask is needed, because the future is not there yet. T tokens cost T
 * projections instead of T²/2; reading the cache stays O(T) a step, and from
 * there on memory is the limit: 2 · layers · KV heads · head size numbers a token.
 *
 * Shapes: C wide a token, D a key and query, E a value; T tokens in the cache.
 * Time O(D + E) an append, O(T·(D + E)) an attend; space O(capacity·(D + E)).
 * Trap: bytes by the model's width. Only the KV heads are kept: an eighth in a 70B.
 * Left out: prefill, which needs the mask; blocks to share (paged_kv_cache.ts).
 * Source: Shazeer (2019), arXiv:1911.02150; grouped: Ainslie et al. (2023),
 * arXiv:2305.13245.
 * Run: `deno run kv_cache.ts`
 * @module
 */

/** Where the numbers are kept; what is written is rounded to it. */
export type Storage = Float16Array | Float32Array | Float64Array;

/** The sizes of a cache for one head of one layer of one sequence. */
export interface CacheOptions {
  /** How many tokens it can hold. */
  capacity: number;
  /** D, numbers in a key. */
  keyWidth: number;
  /** E, numbers in a value; D if not given. */
  valueWidth?: number;
  /** What to do when it is full: "throw" (the default), or drop the oldest token. */
  full?: "throw" | "slide";
  /** Makes the arrays; f32 if not given. */
  allocate?: (length: number) => Storage;
}

/** Append-only keys and values of one sequence; each of a batch has its own. */
export class KVCache {
  /** Of the next token, absolute; above `length` once the cache has slid. */
  position = 0;
  readonly #capacity: number;
  readonly #width: readonly [D: number, E: number];
  readonly #slide: boolean;
  readonly #keys: Storage; // (capacity, D)
  readonly #values: Storage; // (capacity, E)

  /** @throws {RangeError} if a size is no whole number; only capacity may be 0 */
  constructor(options: CacheOptions) {
    const { capacity, keyWidth, valueWidth = keyWidth } = options;
    const allocate = options.allocate ?? ((n) => new Float32Array(n));
    this.#capacity = size("capacity", capacity, 0);
    this.#width = [size("keyWidth", keyWidth), size("valueWidth", valueWidth)];
    this.#slide = options.full === "slide";
    this.#keys = allocate(capacity * keyWidth);
    this.#values = allocate(capacity * valueWidth);
  }

  /** T, the tokens that can be attended to. */
  get length(): number {
    return Math.min(this.position, this.#capacity);
  }

  /** (T, D) a view on the keys that are there, and never on what lies behind them. */
  get keys(): Storage {
    return this.#keys.subarray(0, this.length * this.#width[0]);
  }

  /** (T, E) a view on the values that are there. */
  get values(): Storage {
    return this.#values.subarray(0, this.length * this.#width[1]);
  }

  /**
   * Writes one token behind the others. Nothing is written if it throws.
   * @param key (D,) already rotated by `position`, if the model rotates
   * @param value (E,)
   * @throws {RangeError} if the cache is full and may not slide, or a length is wrong
   */
  append(key: readonly number[], value: readonly number[]): void {
    const [D, E] = this.#width;
    vector("key", key, D);
    vector("value", value, E);
    const capacity = this.#capacity;
    if (capacity === 0 || this.position >= capacity && !this.#slide) {
      throw new RangeError(`Cannot append: all ${capacity} slots are taken`);
    }
    // Softmax does not care for the order of its terms: the slot of the oldest will do.
    const slot = this.position % capacity;
    this.#keys.set(key, slot * D);
    this.#values.set(value, slot * E);
    this.position++;
  }

  /**
   * softmax(keys · query / √D) · values over all tokens there; NaN passes through.
   * @param query (D,) of the newest token
   * @returns (E,)
   * @throws {RangeError} if the cache is empty or the length of `query` is wrong
   */
  attend(query: readonly number[]): number[] {
    const [D, E] = this.#width;
    vector("query", query, D);
    const T = this.length;
    if (T === 0) throw new RangeError("Cannot attend: the cache is empty");
    const { keys, values } = this; // (T, D), (T, E)
    const scores = new Float64Array(T);
    for (let t = 0; t < T; t++) {
      for (let d = 0; d < D; d++) scores[t] += query[d] * keys[t * D + d];
    }
    const max = scores.reduce((m, score) => Math.max(m, score), -Infinity);
    const weights = scores.map((s) => Math.exp((s - max) / Math.sqrt(D)));
    const total = weights.reduce((sum, w) => sum + w, 0);
    const out = new Array<number>(E).fill(0);
    weights.forEach((w, t) => {
      for (let e = 0; e < E; e++) out[e] += w / total * values[t * E + e];
    });
    return out;
  }

  /** Forgets all tokens; what is left in the arrays is never seen again. */
  reset(): void {
    this.position = 0;
  }
}

/** What a token becomes at an absolute position. */
export type Projection = (x: readonly number[], position: number) => number[];

/**
 * One step: three projections of one token, whatever came before.
 * @param x (C,) the new token
 * @returns (E,) what it attends to, itself included
 */
export function decodeStep(
  x: readonly number[],
  project: Record<"query" | "key" | "value", Projection>,
  cache: KVCache,
): number[] {
  const { position } = cache;
  cache.append(project.key(x, position), project.value(x, position));
  return cache.attend(project.query(x, position));
}

/** What decides the size of a model's caches. */
export interface ModelSizes {
  layers: number;
  /** Heads with a key and a value: the query heads, if nothing is grouped. */
  kvHeads: number;
  headWidth: number;
  /** 2, as in bf16, if not given. */
  bytesPerNumber?: number;
}

/**
 * batch · tokens · layers · 2 · KV heads · head width · bytes, for keys and values.
 * @throws {RangeError} if a size is not a whole number above 0
 */
export function cacheBytes(model: ModelSizes, tokens = 1, batch = 1): number {
  const sizes = { bytesPerNumber: 2, ...model, tokens, batch };
  return Object.entries(sizes).reduce((n, [name, x]) => n * size(name, x), 2);
}

function size(name: string, x: number, least = 1): number {
  if (Number.isSafeInteger(x) && x >= least) return x;
  throw new RangeError(`Cannot size a cache: ${name} is ${x}`);
}

function vector(name: string, x: readonly number[], length: number): void {
  if (x.length === length) return;
  throw new RangeError(`Cannot use ${name}: ${x.length} wide, not ${length}`);
}

if (import.meta.main) {
  console.log("a token of a 70B in bf16: 80 layers, 64 query heads of 128");
  for (const kvHeads of [64, 8]) {
    const bytes = cacheBytes({ layers: 80, kvHeads, headWidth: 128 });
    console.log(`  ${kvHeads} KV heads`.padEnd(20), ":", bytes / 1024, "KiB");
  }
  let count = 0;
  const by = (factor: number): Projection => (x, position) => {
    count++;
    return x.map((xi, d) => Math.sin(factor * xi + d + position));
  };
  const project = { query: by(1), key: by(2), value: by(3) };
  const tokens = Array.from({ length: 32 }, (_, t) => [t % 5, t % 3]);
  const decode = (xs: number[][]) => {
    const cache = new KVCache({ capacity: 32, keyWidth: 2 });
    return xs.map((x) => decodeStep(x, project, cache)[0]).at(-1);
  };
  console.log("what the last of 32 tokens sees, and the projections it took");
  console.log("  cached             :", decode(tokens), "from", count);
  count = 0;
  const again = tokens.map((_, t) => decode(tokens.slice(0, t + 1))).at(-1);
  console.log("  all at every step  :", again, "from", count);
}
