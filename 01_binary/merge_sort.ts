#!/usr/bin/env -S deno run
/**
 * Q. Sort a list. What is the complexity of merge sort?
 *
 * A. O(n log n): the list is halved log₂ n times, and each level merges all n
 * items once. Here from the bottom up, without recursion: pieces of one item are
 * sorted, two neighbours are merged into one piece, and so on, to and fro between
 * the list and one buffer. Of two equal items the left one is taken first, so
 * their order stays: the sort is stable.
 *
 * Time O(n log n), at most n·L − 2^L + 1 comparisons with L = ⌈log₂ n⌉; space
 * O(n), one buffer.
 * Trap: `compare(left, right) < 0`, which takes the right one of two equals.
 * Left out: runs that are sorted already, as Timsort looks for.
 * Source: Knuth, The Art of Computer Programming, vol. 3, 5.2.4.
 * Run: `deno run merge_sort.ts`
 * @module
 */

/** Below 0 if `a` comes first, above 0 if `b` does, 0 if they are equal. */
export type Compare<T> = (a: T, b: T) => number;

/**
 * Sorts into a new list; equal items keep their order.
 * @param items (N,), left unchanged
 */
export function mergeSort<T>(items: readonly T[], compare: Compare<T>): T[] {
  const n = items.length;
  let from = items.slice();
  let to = items.slice();
  // At each level the list is in `pieces` parts, as equal in length as can be.
  let pieces = 1;
  while (pieces < n) pieces *= 2;
  for (; pieces > 1; pieces /= 2) {
    let left = 0;
    for (let piece = 2; piece <= pieces; piece += 2) {
      const right = Math.floor((piece - 1) * n / pieces);
      const end = Math.floor(piece * n / pieces);
      merge(from, to, left, right, end, compare);
      left = end;
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Merges [left, right) and [right, end) of `from` into the same place of `to`. */
function merge<T>(
  from: readonly T[],
  to: T[],
  left: number,
  right: number,
  end: number,
  compare: Compare<T>,
): void {
  let i = left, j = right, k = left;
  while (i < right && j < end) {
    to[k++] = compare(from[i], from[j]) <= 0 ? from[i++] : from[j++];
  }
  while (i < right) to[k++] = from[i++];
  while (j < end) to[k++] = from[j++];
}

/** Sorts, and counts how often two items were compared. */
export function countComparisons<T>(
  sort: (items: readonly T[], compare: Compare<T>) => T[],
  items: readonly T[],
  compare: Compare<T>,
): { sorted: T[]; comparisons: number } {
  let comparisons = 0;
  const sorted = sort(items, (a, b) => {
    comparisons++;
    return compare(a, b);
  });
  return { sorted, comparisons };
}

/** The most comparisons that merge sort needs for `n` items. */
export function mostComparisons(n: number): number {
  const levels = n > 1 ? Math.ceil(Math.log2(n)) : 0;
  return n > 0 ? n * levels - 2 ** levels + 1 : 0;
}

if (import.meta.main) {
  let seed = 42;
  const random = () => (seed = seed * 16807 % 2147483647) / 2147483647;
  console.log("       n  comparisons  at most      per n·log₂ n");
  for (let n = 1000; n <= 256_000; n *= 2) {
    const items = Array.from({ length: n }, random);
    const { comparisons } = countComparisons(mergeSort, items, (a, b) => a - b);
    const share = comparisons / (n * Math.log2(n));
    console.log(
      `${n}`.padStart(8),
      `${comparisons}`.padStart(12),
      `${mostComparisons(n)}`.padStart(8),
      share.toFixed(4).padStart(17),
    );
  }
}
