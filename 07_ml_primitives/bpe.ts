#!/usr/bin/env -S deno run
/**
 * Q. Train a byte-pair encoding on a few texts, then encode and decode with it.
 *
 * A. Split each different word into characters and an end marker, and keep how
 * often the word occurs. Then repeat: count all neighbouring pairs, weighted by
 * their words; merge the most frequent pair wherever it stands; write it down.
 * The list of merges, in order, is the tokenizer. To encode a word, apply to it
 * the earliest merge that fits, until none fits. That is not the longest match:
 * with (b, c) before (a, b), "abc" becomes a + bc.
 *
 * Shapes: N characters in all different words, M merges, L length of a word.
 * Time O(N·M) to train, O(L²) a word to encode; space O(N).
 * Trap: encoding by the longest match, which is another tokenizer's rule.
 * Left out: counts kept up to date, bytes and ids: see byte_bpe.ts. Runs of white
 * space become one blank. A character never seen stays a symbol of its own.
 * Source: Sennrich, Haddow, Birch (2016), doi:10.18653/v1/P16-1162.
 * Run: `deno run bpe.ts`
 * @module
 */

/** Two neighbouring symbols that become one. */
export type Merge = readonly [left: string, right: string];

/**
 * Ends a word; the paper writes `</w>`. A blank, because a word holds none: so a
 * text with the four characters `</w>` in it is no trap, and decoding only joins.
 */
export const END = " ";

/**
 * Which of equally frequent pairs is merged: the one that sorts first by its
 * symbols, left then right, or the one that stands first in the texts.
 */
export type Ties = "sorted" | "first";

/**
 * Learns merges, the most frequent pair first. Pairs are counted as they stand,
 * overlaps too: "aaa" has (a, a) twice, though only one of them can be merged.
 * @param texts words or sentences, split at white space
 * @param limit the most merges to learn; fewer if no pair is left
 * @throws {RangeError} if `limit` is not a whole number
 */
export function trainBpe(
  texts: readonly string[],
  limit: number,
  ties: Ties = "sorted",
): Merge[] {
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new RangeError(
      `Cannot train: limit must be a whole number, got ${limit}`,
    );
  }
  const counts = new Map<string, number>();
  for (const word of texts.flatMap(wordsOf)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = Array.from(counts, ([word, count]) => {
    return { symbols: symbolsOf(word), count };
  });
  const merges: Merge[] = [];
  while (merges.length < limit) {
    const best = mostFrequentPair(words, ties);
    if (best === undefined) break;
    merges.push(best);
    for (const word of words) word.symbols = mergePair(word.symbols, best);
  }
  return merges;
}

/**
 * Splits a text into the symbols of a trained encoding.
 * @param merges in the order in which they were learnt
 * @returns symbols; the last one of each word ends in `END`
 */
export function encode(text: string, merges: readonly Merge[]): string[] {
  const ranks = new Map(merges.map((pair, rank) => [keyOf(pair), rank]));
  return wordsOf(text).flatMap((word) => {
    let symbols = symbolsOf(word);
    while (true) {
      let best = Infinity;
      for (const pair of pairsOf(symbols)) {
        best = Math.min(best, ranks.get(keyOf(pair)) ?? Infinity);
      }
      if (best === Infinity) return symbols;
      symbols = mergePair(symbols, merges[best]);
    }
  });
}

/** The text of some symbols, with one blank between words. */
export function decode(symbols: readonly string[]): string {
  const text = symbols.join("");
  return text.endsWith(END) ? text.slice(0, -END.length) : text;
}

/** A symbol as the paper prints it: "est</w>". */
export function show(symbol: string): string {
  return symbol.replace(END, "</w>");
}

/** Replaces a pair from left to right: "aaa" becomes aa + a. */
function mergePair(symbols: readonly string[], [left, right]: Merge): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length;) {
    const fits = symbols[i] === left && symbols[i + 1] === right;
    merged.push(fits ? left + right : symbols[i]);
    i += fits ? 2 : 1;
  }
  return merged;
}

function mostFrequentPair(
  words: readonly { symbols: readonly string[]; count: number }[],
  ties: Ties,
): Merge | undefined {
  const counts = new Map<string, { pair: Merge; count: number }>();
  for (const { symbols, count } of words) {
    for (const pair of pairsOf(symbols)) {
      const key = keyOf(pair);
      const seen = counts.get(key);
      if (seen) seen.count += count;
      else counts.set(key, { pair, count });
    }
  }
  let best: { pair: Merge; count: number } | undefined;
  // A map keeps the order of first sight, so "first" needs no comparison.
  for (const next of counts.values()) {
    const more = next.count - (best?.count ?? 0);
    const sooner = ties === "sorted" && best && precedes(next.pair, best.pair);
    if (more > 0 || (more === 0 && sooner)) best = next;
  }
  return best?.pair;
}

const precedes = ([a, b]: Merge, [c, d]: Merge) => a < c || (a === c && b < d);

const wordsOf = (text: string) => text.split(/\s+/u).filter((word) => word);

// Code points, not UTF-16 units: half an emoji is no symbol.
const symbolsOf = (word: string) => [...word, END];

// No symbol holds a line break, so ("ab", "c") and ("a", "bc") differ.
const keyOf = ([left, right]: Merge) => `${left}\n${right}`;

function pairsOf(symbols: readonly string[]): Merge[] {
  const pairs: Merge[] = [];
  for (let i = 0; i + 1 < symbols.length; i++) {
    pairs.push([symbols[i], symbols[i + 1]]);
  }
  return pairs;
}

if (import.meta.main) {
  const line = (symbols: readonly string[]) => symbols.map(show).join(" ");
  const texts = ["low ".repeat(5), "lower ".repeat(2), "newest ".repeat(6)];
  texts.push("widest ".repeat(3));
  const merges = trainBpe(texts, 10, "first");
  console.log("merges  :", line(merges.map((pair) => pair.join(""))));
  const symbols = encode("lowest new wit", merges);
  console.log("encoded :", line(symbols));
  console.log("decoded :", decode(symbols));

  console.log('\n"abc" with the merges (b, c), (a, b):');
  console.log("by rank       :", line(encode("abc", [["b", "c"], ["a", "b"]])));
  console.log("longest match : ab c </w>");
}
