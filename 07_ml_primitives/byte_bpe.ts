#!/usr/bin/env -S deno run
/**
 * Q. Train a byte-pair encoding without counting everything again each time.
 *
 * A. Start from the 256 bytes of UTF-8: then no character is unknown. Split the
 * text by a regular expression first, so that no token runs from one word into the
 * next, and train on the different pieces, with their counts. Count the pairs
 * once. A merge changes only the pieces that hold it, and an index finds them. A
 * heap gives the best pair; a count that is out of date is dropped on top.
 *
 * Shapes: N bytes in all different pieces, M merges.
 * Time about O(N log N) if pieces are short; recounting takes O(N·M); space O(N).
 * Trap: recounting every pair after every merge, though few of them changed.
 * Left out: encoding, in byte_tokenizer.ts; the whiteboard form, in bpe.ts.
 * Source: Radford et al. (2019), "Language Models are Unsupervised Multitask
 * Learners"; merges: Sennrich et al. (2016), doi:10.18653/v1/P16-1162.
 * Run: `deno run byte_bpe.ts`
 * @module
 */

/** Two neighbouring ids that become one: 0 to 255 are bytes, 256 + n is merge n. */
export type Merge = readonly [left: number, right: number];

/**
 * GPT-2's pieces: a word, a number or a run of signs, each with the blank before
 * it. `\s` of JavaScript lacks U+0085 and has U+FEFF, so it is not used.
 */
export const GPT2 =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

// Two ids make one number, which is a faster key than a string.
const SHIFT = 2 ** 21;
const halves = (p: number): Merge => [Math.floor(p / SHIFT), p % SHIFT];

/**
 * Learns up to `limit` merges; id 256 + n is the n-th. Of equally frequent pairs
 * the one with the lower ids is merged, left id first.
 * @throws {RangeError} if `limit` is no whole number, or `split` leaves gaps
 */
export function train(text: string, limit: number, split = GPT2): Merge[] {
  const pieces = countPieces(text, limit, split);
  const counts = new Map<number, number>();
  const where = new Map<number, number[]>();
  const index = (ids: readonly number[], piece: number, id?: number) => {
    for (let i = 0; i + 1 < ids.length; i++) {
      if (id !== undefined && ids[i] !== id && ids[i + 1] !== id) continue;
      const pair = ids[i] * SHIFT + ids[i + 1];
      const list = where.get(pair);
      if (list === undefined) where.set(pair, [piece]);
      else if (list[list.length - 1] !== piece) list.push(piece);
    }
  };
  pieces.forEach(({ ids, count }, piece) => {
    tally(ids, count, counts);
    index(ids, piece);
  });
  const heap = new Heap();
  for (const [pair, count] of counts) heap.push(count, pair);
  const pairs: number[] = [];
  while (pairs.length < limit) {
    const best = heap.pop();
    if (best === undefined) break;
    // Every change pushes the new count, so an old one can be dropped.
    if (counts.get(best.value) !== best.priority) continue;
    const id = 255 + pairs.push(best.value);
    const change = new Map<number, number>();
    for (const piece of where.get(best.value)!) {
      const { ids, count } = pieces[piece];
      const merged = mergePair(ids, best.value, id);
      // An earlier merge may have taken the pair from this piece.
      if (merged.length === ids.length) continue;
      tally(ids, -count, change);
      tally(merged, count, change);
      index(merged, piece, id);
      pieces[piece].ids = merged;
    }
    for (const [pair, more] of change) {
      if (more === 0) continue;
      const count = (counts.get(pair) ?? 0) + more;
      counts.set(pair, count);
      if (count > 0) heap.push(count, pair);
    }
  }
  return pairs.map(halves);
}

/** What `train` does, with every pair counted again after every merge. */
export function trainByRecount(
  text: string,
  limit: number,
  split = GPT2,
): Merge[] {
  const pieces = countPieces(text, limit, split);
  const pairs: number[] = [];
  while (pairs.length < limit) {
    const counts = new Map<number, number>();
    for (const { ids, count } of pieces) tally(ids, count, counts);
    let [best, most] = [Infinity, 0];
    for (const [pair, count] of counts) {
      if (count < most || (count === most && pair > best)) continue;
      [best, most] = [pair, count];
    }
    if (most === 0) break;
    const id = 255 + pairs.push(best);
    for (const piece of pieces) piece.ids = mergePair(piece.ids, best, id);
  }
  return pairs.map(halves);
}

/** The different pieces as bytes, and how often each occurs. */
function countPieces(text: string, limit: number, split: RegExp) {
  if (!(Number.isSafeInteger(limit) && limit >= 0 && limit < SHIFT - 256)) {
    throw new RangeError(
      `Cannot train: limit must be a whole number below 2^21 - 256, got ${limit}`,
    );
  }
  const counts = new Map<string, number>();
  let length = 0;
  for (const piece of text.match(split) ?? []) {
    counts.set(piece, (counts.get(piece) ?? 0) + 1);
    length += piece.length;
  }
  if (length !== text.length || !split.global) {
    throw new RangeError(
      `Cannot split by ${split}: it gives ${length} of ${text.length} units`,
    );
  }
  const utf8 = new TextEncoder();
  return Array.from(counts, ([piece, count]) => {
    return { ids: Array.from(utf8.encode(piece)), count };
  });
}

/** Adds `weight` for each pair of neighbours; "aaa" has two. */
function tally(
  ids: readonly number[],
  weight: number,
  into: Map<number, number>,
): void {
  for (let i = 0; i + 1 < ids.length; i++) {
    const pair = ids[i] * SHIFT + ids[i + 1];
    into.set(pair, (into.get(pair) ?? 0) + weight);
  }
}

/** Replaces a pair by an id, from left to right. */
function mergePair(ids: readonly number[], pair: number, id: number): number[] {
  const merged: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const fits = i + 1 < ids.length && ids[i] * SHIFT + ids[i + 1] === pair;
    merged.push(fits ? id : ids[i]);
    if (fits) i++;
  }
  return merged;
}

/** A heap with the highest priority on top; of equals, the lowest value. */
class Heap {
  readonly #items: Entry[] = [];

  push(priority: number, value: number): void {
    const items = this.#items;
    let i = items.push({ priority, value }) - 1;
    for (let up; i > 0 && isAbove(items[i], items[up = (i - 1) >> 1]); i = up) {
      [items[i], items[up]] = [items[up], items[i]];
    }
  }

  pop(): Entry | undefined {
    const items = this.#items;
    if (items.length < 2) return items.pop();
    const top = items[0];
    items[0] = items.pop()!;
    for (let i = 0, down = 1; down < items.length; down = 2 * i + 1) {
      if (items[down + 1] && isAbove(items[down + 1], items[down])) down++;
      if (!isAbove(items[down], items[i])) break;
      [items[i], items[down]] = [items[down], items[i]];
      i = down;
    }
    return top;
  }
}

type Entry = { readonly priority: number; readonly value: number };

const isAbove = (a: Entry, b: Entry) =>
  a.priority > b.priority || (a.priority === b.priority && a.value < b.value);

if (import.meta.main) {
  const text =
    "the cat, the dog. the cat's dog, the dog's cat; 10 cats, 100 dogs.";
  const show = (name: string, merges: readonly Merge[]) => {
    const words = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));
    for (const [left, right] of merges) words.push(words[left] + words[right]);
    console.log(name, words.slice(256).map((word) => `[${word}]`).join(""));
  };
  show("split into pieces:", train(text, 12));
  show("by recounting    :", trainByRecount(text, 12));
  show("in one piece     :", train(text, 12, /[^]+/gu));
}
