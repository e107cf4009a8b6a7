#!/usr/bin/env -S deno run
/**
 * Q. Encode text to token ids and back, with the merges of a trained tokenizer.
 *
 * A. Split the text by the regular expression of the training, and take each piece
 * as bytes, so that nothing is unknown. Merge the pair with the lowest id first,
 * the leftmost of equals, because training did so. A heap over a linked list does
 * that in L log L steps; with a scan for every merge, a piece of a million letters
 * is an attack. Decoding joins all bytes, and only then reads them as UTF-8.
 *
 * Shapes: L bytes in a piece; V ids.
 * Time O(L log L) a piece, and once for equal pieces; space O(V + text).
 * Trap: decoding each id by itself, which breaks every emoji.
 * Left out: special tokens, which here are text like any other. Half a surrogate
 * pair has no UTF-8 and becomes U+FFFD. Training is in byte_bpe.ts.
 * Source: Radford et al. (2019), "Language Models are Unsupervised Multitask
 * Learners"; the table of a tokenizer as ranks: github.com/openai/tiktoken.
 * Run: `deno run byte_tokenizer.ts`
 * @module
 */

/** A trained encoding. Ids are ranks too: the lower one is merged first. */
export interface Tokenizer {
  /** The bytes of each id. */
  readonly vocab: readonly Uint8Array[];
  /** The id of each single byte. */
  readonly byteIds: readonly number[];
  /** `left · 2^21 + right` to the id of both together. */
  readonly merges: ReadonlyMap<number, number>;
  /** Cuts a text into pieces, without gaps. */
  readonly split: RegExp;
}

/**
 * GPT-2's pieces: a word, a number or a run of signs, each with the blank before
 * it. `\s` of JavaScript lacks U+0085 and has U+FEFF, so it is not used.
 */
export const GPT2 =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

// Two ids make one number, which is a faster key than a string.
const SHIFT = 2 ** 21;

/** The ids of a text. A piece is encoded once; a `known` that is kept, once for all. */
export function encode(
  tokenizer: Tokenizer,
  text: string,
  known = new Map<string, number[]>(),
): number[] {
  const utf8 = new TextEncoder();
  const ids: number[] = [];
  for (const piece of piecesOf(text, tokenizer.split)) {
    const own = known.get(piece) ?? encodePiece(tokenizer, utf8.encode(piece));
    known.set(piece, own);
    for (const id of own) ids.push(id);
  }
  return ids;
}

/**
 * The text of some ids; half a character becomes U+FFFD.
 * @throws {RangeError} if there is no such id
 */
export function decode({ vocab }: Tokenizer, ids: readonly number[]): string {
  const bytes = ids.flatMap((id) => {
    if (vocab[id]) return [...vocab[id]];
    throw new RangeError(`Cannot decode ${id}: there are ${vocab.length} ids`);
  });
  // Otherwise a text would lose the U+FEFF that it begins with.
  return new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(new Uint8Array(bytes));
}

/**
 * A tokenizer from merges in the order they were learnt; id 256 + n is merge n.
 * @throws {RangeError} if a merge names an id that is not there yet
 */
export function fromMerges(
  pairs: readonly (readonly [left: number, right: number])[],
  split = GPT2,
): Tokenizer {
  const byteIds = Array.from({ length: 256 }, (_, byte) => byte);
  const vocab = byteIds.map((byte) => Uint8Array.of(byte));
  const merges = new Map<number, number>();
  pairs.forEach(([left, right], n) => {
    if (!vocab[left] || !vocab[right]) {
      throw new RangeError(`Cannot load merge ${n}: no id ${left} or ${right}`);
    }
    merges.set(left * SHIFT + right, vocab.length);
    const bytes = new Uint8Array(vocab[left].length + vocab[right].length);
    bytes.set(vocab[left]);
    bytes.set(vocab[right], vocab[left].length);
    vocab.push(bytes);
  });
  return { vocab, byteIds, merges, split };
}

/**
 * A tokenizer from a published table, in which ids are ranks too. The two parts
 * of a token are what the tokens before it make of its bytes.
 * @throws {RangeError} if a byte is missing, or a token has not two parts
 */
export function fromVocab(
  vocab: readonly Uint8Array[],
  split = GPT2,
): Tokenizer {
  const byteIds: number[] = Array(256).fill(-1);
  vocab.forEach((bytes, id) => {
    if (bytes.length === 1) byteIds[bytes[0]] = id;
  });
  if (byteIds.includes(-1)) {
    throw new RangeError(`Cannot load: byte ${byteIds.indexOf(-1)} has no id`);
  }
  const merges = new Map<number, number>();
  const tokenizer = { vocab, byteIds, merges, split };
  vocab.forEach((bytes, id) => {
    if (bytes.length === 1) return;
    const parts = encodePiece(tokenizer, bytes);
    if (parts.length !== 2) {
      throw new RangeError(
        `Cannot load id ${id}: ${parts.length} parts, not 2`,
      );
    }
    merges.set(parts[0] * SHIFT + parts[1], id);
  });
  return tokenizer;
}

function encodePiece({ byteIds, merges }: Tokenizer, bytes: Uint8Array) {
  const ids = Array.from(bytes, (byte) => byteIds[byte]);
  const before = ids.map((_, i) => i - 1);
  const after = ids.map((_, i) => i + 1);
  const merged = (i: number) => merges.get(ids[i] * SHIFT + ids[after[i]]);
  const heap = new Heap();
  const offer = (i: number) => {
    const id = merged(i);
    if (id !== undefined) heap.push(-id, i);
  };
  for (let i = 0; i + 1 < ids.length; i++) offer(i);
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const i = top.value;
    // A pair of which a half is gone, or is now larger, gives another id.
    if (merged(i) !== -top.priority) continue;
    ids[i] = -top.priority;
    ids[after[i]] = -1;
    after[i] = after[after[i]];
    if (after[i] < ids.length) before[after[i]] = i;
    offer(i);
    if (before[i] >= 0) offer(before[i]);
  }
  return ids.filter((id) => id >= 0);
}

function piecesOf(text: string, split: RegExp): string[] {
  const pieces: string[] = text.match(split) ?? [];
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length !== text.length || !split.global) {
    throw new RangeError(
      `Cannot split by ${split}: it gives ${length} of ${text.length} units`,
    );
  }
  return pieces;
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
  const [t, h, e, space] = new TextEncoder().encode("the ");
  const tokenizer = fromMerges([[h, e], [t, 256], [space, 257], [0xf0, 0x9f]]);
  const text = "the 🙂, the 漢字";
  const ids = encode(tokenizer, text);
  console.log("ids            :", ids.join(" "));
  console.log("all bytes first:", decode(tokenizer, ids));
  const each = ids.map((id) => decode(tokenizer, [id]));
  console.log("id by id       :", each.join(""));
}
