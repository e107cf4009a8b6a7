import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { countComparisons, mergeSort, mostComparisons } from "./merge_sort.ts";

const byNumber = (a: number, b: number) => a - b;

Deno.test("mergeSort() of no item, one and two", () => {
  assertEquals(mergeSort([], byNumber), []);
  assertEquals(mergeSort([5], byNumber), [5]);
  assertEquals(mergeSort([7, 5], byNumber), [5, 7]);
});

Deno.test("mergeSort() is the engine's own sort, at every length", () => {
  for (let n = 0; n <= 70; n++) {
    const items = Array.from({ length: n }, (_, i) => i * 37 % 71);
    assertEquals(mergeSort(items, byNumber), items.toSorted(byNumber));
  }
  const numbers = fc.array(fc.double({ noNaN: true }), { maxLength: 300 });
  fc.assert(fc.property(numbers, (items) => {
    assertEquals(mergeSort(items, byNumber), items.toSorted(byNumber));
  }));
});

Deno.test("mergeSort() sorts by the comparison given, not by text", () => {
  assertEquals(mergeSort([10, 9, 1, 2], byNumber), [1, 2, 9, 10]);
  const words = ["pear", "Apple", "fig"];
  const byLength = (a: string, b: string) => a.length - b.length;
  assertEquals(mergeSort(words, byLength), ["fig", "pear", "Apple"]);
  assertEquals(mergeSort([1, 2, 3], (a, b) => b - a), [3, 2, 1]);
});

Deno.test("mergeSort() keeps the order of equal items: it is stable", () => {
  const keys = fc.array(fc.nat(4), { maxLength: 200 });
  fc.assert(fc.property(keys, (keys) => {
    const items = keys.map((key, place) => ({ key, place }));
    const sorted = mergeSort(items, (a, b) => a.key - b.key);
    sorted.slice(1).forEach((b, i) => {
      const a = sorted[i];
      assert(a.key < b.key || (a.key === b.key && a.place < b.place));
    });
  }));
});

Deno.test("mergeSort() leaves its input as it was", () => {
  const items = Object.freeze([3, 1, 2]);
  mergeSort(items, byNumber);
  assertEquals(items, [3, 1, 2]);
});

Deno.test("mergeSort() of equal items is a copy, in order", () => {
  const items = [2, 2, 2];
  const sorted = mergeSort(items, byNumber);
  assertEquals(sorted, items);
  assert(sorted !== items);
});

Deno.test("mergeSort() never compares more often than n·L − 2^L + 1 times", () => {
  fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 200 }), (items) => {
    const { comparisons } = countComparisons(mergeSort, items, byNumber);
    assert(comparisons <= mostComparisons(items.length));
  }));
});

Deno.test("mostComparisons() is reached by the worst order, and by hand", () => {
  assertEquals([0, 1, 2, 3, 4, 5, 8].map(mostComparisons), [
    0,
    0,
    1,
    3,
    5,
    8,
    17,
  ]);
  const { comparisons } = countComparisons(
    mergeSort,
    [0, 4, 2, 6, 1, 5, 3, 7], // at each merge, the two pieces interleave
    byNumber,
  );
  assertEquals(comparisons, 17);
});

Deno.test("countComparisons() grows as n·log n: twice the items, a little more than twice", () => {
  const count = (n: number) => {
    const items = Array.from({ length: n }, (_, i) => i * 7919 % n);
    return countComparisons(mergeSort, items, byNumber).comparisons;
  };
  for (const n of [1000, 2000, 4000]) {
    const ratio = count(2 * n) / count(n);
    assert(ratio > 2 && ratio < 2.4, `${ratio}`);
  }
});
