import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  chunkStart,
  parameterServer,
  ringAllReduce,
} from "./ring_all_reduce.ts";

/** Whole numbers: their sums are exact in any order. */
const workers = fc.tuple(
  fc.integer({ min: 1, max: 9 }),
  fc.integer({ min: 0, max: 30 }),
).chain(([n, d]) =>
  fc.array(
    fc.array(fc.integer(), { minLength: d, maxLength: d }),
    { minLength: n, maxLength: n },
  )
);

Deno.test("every worker has every worker's number once, in each place", () => {
  for (const [n, d] of [[4, 8], [2, 7], [3, 5], [5, 5], [8, 3], [6, 1]]) {
    const all = Array.from(
      { length: n },
      (_, r) => new Array<number>(d).fill(10 ** r),
    );
    const ones = Number("1".repeat(n)); // a digit for each worker
    for (const row of ringAllReduce(all).results) {
      assertEquals(row, new Array(d).fill(ones));
    }
  }
});

Deno.test("sum, mean, max and min are those of all workers, for any n and d", () => {
  fc.assert(
    fc.property(workers, (all) => {
      const n = all.length;
      const column = (i: number) => all.map((row) => row[i]);
      const sums = all[0].map((_, i) => column(i).reduce((x, y) => x + y));
      const expected = {
        sum: sums,
        mean: sums.map((sum) => sum / n),
        max: all[0].map((_, i) => Math.max(...column(i))),
        min: all[0].map((_, i) => Math.min(...column(i))),
      };
      for (const name of ["sum", "mean", "max", "min"] as const) {
        for (const row of ringAllReduce(all, name).results) {
          row.forEach((x, i) => assert(x === expected[name][i], name));
        }
      }
      assertEquals(parameterServer(all).sum, sums);
    }),
    { seed: 1, endOnFailure: true },
  );
});

Deno.test("a worker sends 2(n − 1)/n of its numbers, and a server moves 2n times all", () => {
  fc.assert(
    fc.property(workers, (all) => {
      const [n, d] = [all.length, all[0].length];
      const { sent } = ringAllReduce(all);
      assertEquals(sent.reduce((x, y) => x + y), 2 * (n - 1) * d);
      // Chunks differ by one number, and each worker leaves out two.
      for (const x of sent) assert(Math.abs(x - 2 * (n - 1) / n * d) < 2);
      assertEquals(parameterServer(all).moved, 2 * n * d);
    }),
    { seed: 1 },
  );
  assertEquals(ringAllReduce([[1, 2, 3, 4], [5, 6, 7, 8]]).sent, [4, 4]);
});

Deno.test("fractions have the same bits with all workers, though not those of a sum in order", () => {
  const all = [0.1, 0.2, 0.3, 0.7, 1.1].map((x) =>
    Array.from({ length: 7 }, (_, i) => x / (i + 1))
  );
  const { results } = ringAllReduce(all);
  for (const row of results) assertEquals(row, results[0]);
  const { sum } = parameterServer(all);
  // Five terms: four roundings, of sums no larger than the whole.
  sum.forEach((y, i) =>
    assert(Math.abs(y - results[0][i]) <= 4 * 2 ** -52 * y)
  );
  assert(sum.some((y, i) => y !== results[0][i]));
});

Deno.test("a NaN or Infinity of one worker reaches them all, in its place alone", () => {
  for (const name of ["sum", "mean", "max", "min"] as const) {
    const all = [[1, 2, 3, 4], [5, NaN, 7, 8], [9, 1, 2, Infinity]];
    for (const row of ringAllReduce(all, name).results) {
      assertEquals(row.map(Number.isNaN), [false, true, false, false]);
      assertEquals(row[3], name === "min" ? 4 : Infinity);
    }
  }
});

Deno.test("max and min keep a NaN from any worker in any place", () => {
  for (let at = 0; at < 9; at++) {
    const all = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];
    all[Math.floor(at / 3)][at % 3] = NaN;
    for (const name of ["max", "min"] as const) {
      for (const row of ringAllReduce(all, name).results) {
        assertEquals(row.map(Number.isNaN), [0, 1, 2].map((i) => i === at % 3));
      }
    }
  }
});

Deno.test("the workers' own numbers stay as they are", () => {
  const all = [[1, 2, 3], [4, 5, 6]];
  const { results } = ringAllReduce(all);
  assertEquals(all, [[1, 2, 3], [4, 5, 6]]);
  const [alone] = ringAllReduce([all[0]]).results;
  assert(alone !== all[0], "one worker has a copy");
  assertEquals([alone, results[1]], [[1, 2, 3], [5, 7, 9]]);
});

Deno.test("one worker sends nothing, and no numbers are no work", () => {
  assertEquals(ringAllReduce([[7]]), { results: [[7]], sent: [0] });
  assertEquals(ringAllReduce([[], []]), { results: [[], []], sent: [0, 0] });
});

Deno.test("chunks are as even as can be, and leave nothing out", () => {
  for (const [d, n] of [[10, 3], [8, 8], [3, 8], [0, 2], [17, 4]]) {
    const starts = Array.from({ length: n + 1 }, (_, j) => chunkStart(d, n, j));
    assertEquals([starts[0], starts[n]], [0, d]);
    const sizes = starts.slice(1).map((to, j) => to - starts[j]);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
});

Deno.test("no worker, and numbers of other lengths, are errors", () => {
  for (const reduce of [ringAllReduce, parameterServer]) {
    assertThrows(() => reduce([]), RangeError, "Cannot reduce over no workers");
    assertThrows(
      () => reduce([[1, 2], [3, 4], [5]]),
      RangeError,
      "Cannot reduce 2 numbers of worker 0 with 1 of worker 2",
    );
  }
});
