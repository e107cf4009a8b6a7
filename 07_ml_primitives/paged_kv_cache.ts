#!/usr/bin/env -S deno run
/**
 * Q. Many requests of unknown length share one memory. How do you cache their keys?
 *
 * A. As an operating system does it: in pages. One pool of equal blocks, a few
 * tokens each; a request has a table of the blocks it fills, and takes another
 * one only when the last is full. At most one block a request is partly empty.
 * A block counts its users: a fork copies the table, not the blocks, and whoever
 * writes to a shared block copies that one first. At the end of a request each
 * block loses a user, and is free when it has none. The output is that of one
 * long array, because only the address of a token has changed.
 *
 * Shapes: D wide a key, value and query; S tokens in a block; T in a sequence.
 * Time O(D) an append, O(S·D) if it copies, O(T·D) an attend; space O(blocks·S·D).
 * Trap: writing to a block that is shared changes the text of another request.
 * Left out: swapping to another memory, finding equal prefixes by a hash.
 * Source: Kwon et al. (2023), arXiv:2309.06180.
 * Run: `deno run paged_kv_cache.ts`
 * @module
 */

/** Numbers blocks 0 to `count − 1`, and counts the users of each. */
export class BlockAllocator {
  readonly #users: number[];
  readonly #free: number[];

  /** @throws {RangeError} if `count` is no whole number */
  constructor(count: number) {
    whole("blocks", count, 0);
    this.#users = new Array<number>(count).fill(0);
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** How many blocks nobody uses. */
  free = () => this.#free.length;

  /** How many tables list the block. */
  users = (block: number) => this.#users[block] ?? 0;

  /** Takes a block. @throws {RangeError} if none is free */
  take(): number {
    const block = this.#free.pop();
    if (block === undefined) throw new RangeError("Cannot take: 0 blocks free");
    this.#users[block] = 1;
    return block;
  }

  /** Adds a user. @throws {RangeError} if the block is free */
  share(block: number): void {
    this.#users[block] = this.#check(block) + 1;
  }

  /** Removes a user; without one the block is free. @throws {RangeError} if it was */
  release(block: number): void {
    this.#users[block] = this.#check(block) - 1;
    if (this.users(block) === 0) this.#free.push(block);
  }

  #check(block: number): number {
    if (this.users(block) > 0) return this.users(block);
    throw new RangeError(`Cannot use block ${block}: it is free`);
  }
}

/** One request: where its tokens are, and how many. */
export interface Sequence {
  /** The blocks, in the order of the text. */
  readonly table: number[];
  /** T; the absolute position of the next token. */
  length: number;
}

/** Keys and values of many sequences, in f32, for one head of one layer. */
export class PagedKVCache {
  readonly allocator: BlockAllocator;
  readonly #S: number;
  readonly #D: number;
  readonly #keys: Float32Array; // (blocks, S, D)
  readonly #values: Float32Array; // (blocks, S, D)
  readonly #live = new Set<Sequence>();

  /** @throws {RangeError} if a size is no whole number; only `blocks` may be 0 */
  constructor(sizes: { blocks: number; blockSize: number; width: number }) {
    const { blocks, blockSize, width } = sizes;
    this.allocator = new BlockAllocator(blocks);
    this.#S = whole("blockSize", blockSize, 1);
    this.#D = whole("width", width, 1);
    this.#keys = new Float32Array(blocks * blockSize * width);
    this.#values = new Float32Array(blocks * blockSize * width);
  }

  /** A new sequence, or one that goes on from where `parent` is, in the same blocks. */
  start(parent?: Sequence): Sequence {
    if (parent) this.#check(parent);
    const { table, length } = parent ?? { table: [], length: 0 };
    table.forEach((block) => this.allocator.share(block));
    const sequence = { table: [...table], length };
    this.#live.add(sequence);
    return sequence;
  }

  /**
   * Writes one token behind the others; if it throws, nothing has changed.
   * @param key (D,) already rotated by `sequence.length`, if the model rotates
   * @param value (D,)
   * @throws {RangeError} if no block is free, a width is wrong or the sequence freed
   */
  append(sequence: Sequence, key: readonly number[], value: readonly number[]) {
    this.#check(sequence);
    const [S, D] = [this.#S, this.#D];
    vector("key", key, D);
    vector("value", value, D);
    const { table, length } = sequence;
    const [page, row] = [Math.floor(length / S), length % S];
    if (row === 0) table.push(this.allocator.take());
    else if (this.allocator.users(table[page]) > 1) {
      const [from, to] = [table[page], this.allocator.take()];
      const copy = (array: Float32Array, n: number) =>
        array.copyWithin(to * n, from * n, (from + 1) * n);
      copy(this.#keys, S * D);
      copy(this.#values, S * D);
      table[page] = to;
      this.allocator.release(from);
    }
    const slot = table[page] * S + row;
    this.#keys.set(key, slot * D);
    this.#values.set(value, slot * D);
    sequence.length++;
  }

  /**
   * softmax(keys · query / √D) · values over the sequence's own tokens.
   * @param query (D,)
   * @returns (D,)
   * @throws {RangeError} if there is no token, a wrong width or a freed sequence
   */
  attend(sequence: Sequence, query: readonly number[]): number[] {
    this.#check(sequence);
    const [S, D] = [this.#S, this.#D];
    const { table, length: T } = sequence;
    vector("query", query, D);
    if (T === 0) throw new RangeError("Cannot attend: the sequence is empty");
    const slot = (t: number) => table[Math.floor(t / S)] * S + t % S;
    const scores = new Float64Array(T);
    for (let t = 0; t < T; t++) {
      const key = this.#keys.subarray(slot(t) * D);
      for (let d = 0; d < D; d++) scores[t] += query[d] * key[d];
    }
    const max = scores.reduce((m, score) => Math.max(m, score), -Infinity);
    const weights = scores.map((s) => Math.exp((s - max) / Math.sqrt(D)));
    const out = new Array<number>(D).fill(0);
    weights.forEach((w, t) => {
      const value = this.#values.subarray(slot(t) * D);
      for (let d = 0; d < D; d++) out[d] += w * value[d];
    });
    const total = weights.reduce((sum, w) => sum + w, 0);
    return out.map((sum) => sum / total);
  }

  /** Gives the blocks back that nobody else uses. @throws {RangeError} if it did so before */
  free(sequence: Sequence): void {
    this.#check(sequence);
    this.#live.delete(sequence);
    sequence.table.forEach((block) => this.allocator.release(block));
  }

  #check(sequence: Sequence): void {
    if (this.#live.has(sequence)) return;
    throw new RangeError("Cannot use the sequence: it was freed");
  }
}

function whole(name: string, x: number, least: number): number {
  if (Number.isSafeInteger(x) && x >= least) return x;
  throw new RangeError(`Cannot size a pool: ${name} is ${x}`);
}

function vector(name: string, x: readonly number[], length: number): void {
  if (x.length === length) return;
  throw new RangeError(`Cannot use ${name}: ${x.length} wide, not ${length}`);
}

if (import.meta.main) {
  const pool = new PagedKVCache({ blocks: 99, blockSize: 4, width: 1 });
  const used = () => `${99 - pool.allocator.free()} blocks`;
  const write = (sequence: Sequence, values: number[]) =>
    values.forEach((x) => pool.append(sequence, [0], [x]));
  const prompt = pool.start();
  write(prompt, [1, 1, 1, 1, 1, 1]);
  const all = [prompt, pool.start(prompt), pool.start(prompt)];
  console.log("a prompt of 6 tokens and two forks :", used());
  write(all[1], [8]);
  write(all[2], [15, 15]);
  console.log("each fork wrote to the half block  :", used());
  const means = all.map((sequence) => pool.attend(sequence, [1])[0]);
  console.log("means of the prompt and the forks  :", ...means);
  all.forEach((sequence) => pool.free(sequence));
  console.log("all three are done                 :", used());
}
