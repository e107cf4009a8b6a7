/**
 * The sorts of the textbook and the engine's own, with one and the same comparison.
 *
 * Run: `deno bench merge_sort_bench.ts`
 * @module
 */
import { type Compare, mergeSort } from "./merge_sort.ts";

type Sort = (items: readonly number[], compare: Compare<number>) => number[];

/** O(n²): each item moves left to its place. */
const insertionSort: Sort = (items, compare) => {
  const a = items.slice();
  for (let i = 1; i < a.length; i++) {
    const x = a[i];
    let j = i;
    for (; j > 0 && compare(a[j - 1], x) > 0; j--) a[j] = a[j - 1];
    a[j] = x;
  }
  return a;
};

/** O(n log n), in place: the largest of a heap goes to the end, again and again. */
const heapSort: Sort = (items, compare) => {
  const a = items.slice();
  const sink = (i: number, n: number) => {
    for (let child = 2 * i + 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && compare(a[child], a[child + 1]) < 0) child++;
      if (compare(a[i], a[child]) >= 0) return;
      [a[i], a[child]] = [a[child], a[i]];
      i = child;
    }
  };
  for (let i = a.length >> 1; i-- > 0;) sink(i, a.length);
  for (let n = a.length - 1; n > 0; n--) {
    [a[0], a[n]] = [a[n], a[0]];
    sink(0, n);
  }
  return a;
};

/** O(n log n) on the average, O(n²) at worst: smaller ones left of a pivot. */
const quicksort: Sort = (items, compare) => {
  const a = items.slice();
  const stack: [low: number, high: number][] = [[0, a.length - 1]];
  for (let part = stack.pop(); part; part = stack.pop()) {
    const [low, high] = part;
    if (low >= high) continue;
    const pivot = a[(low + high) >> 1];
    let i = low, j = high;
    while (i <= j) {
      while (compare(a[i], pivot) < 0) i++;
      while (compare(a[j], pivot) > 0) j--;
      if (i > j) break;
      [a[i], a[j]] = [a[j], a[i]];
      i++;
      j--;
    }
    stack.push([low, j], [i, high]);
  }
  return a;
};

const engine: Sort = (items, compare) => items.toSorted(compare);
const sorts = { engine, mergeSort, quicksort, heapSort, insertionSort };
const compare: Compare<number> = (a, b) => a - b;
let seed = 42;
const random = () => (seed = seed * 16807 % 2147483647) / 2147483647;

for (const n of [1000, 10_000, 1_000_000]) {
  const items = Array.from({ length: n }, random);
  const expected = engine(items, compare);
  for (const [name, sort] of Object.entries(sorts)) {
    if (name === "insertionSort" && n > 10_000) continue; // a quarter of an hour
    const sorted = sort(items, compare);
    if (!sorted.every((x, i) => x === expected[i])) {
      throw new Error(`${name} does not sort: nothing to time`);
    }
    const group = `${n.toLocaleString("en")} random numbers`;
    Deno.bench(name, { group, baseline: name === "engine" }, () => {
      sort(items, compare);
    });
  }
}
