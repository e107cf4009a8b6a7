import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { countProducts, matmul } from "./matmul.ts";

Deno.test("matmul() is row times column, as numpy has it", () => {
  // python3 -c "import numpy as np; print(np.array([[1,2,3],[4,5,6]]) @
  // np.array([[7,8,9,10],[11,12,13,14],[15,16,17,18]]))"
  const a = [[1, 2, 3], [4, 5, 6]];
  const b = [[7, 8, 9, 10], [11, 12, 13, 14], [15, 16, 17, 18]];
  assertEquals(matmul(a, b), [[74, 80, 86, 92], [173, 188, 203, 218]]);
});

/** Random matrices (M, K), (K, N) and (N, P) of small integers: sums are exact. */
const chains = fc.array(fc.integer({ min: 1, max: 6 }), {
  minLength: 4,
  maxLength: 4,
}).chain((sizes) => {
  const rows = (i: number) =>
    fc.array(
      fc.array(fc.integer({ min: -9, max: 9 }), {
        minLength: sizes[i + 1],
        maxLength: sizes[i + 1],
      }),
      { minLength: sizes[i], maxLength: sizes[i] },
    );
  return fc.tuple(rows(0), rows(1), rows(2));
});

Deno.test("matmul() is associative, and the transpose of it is that of the factors", () => {
  const transpose = (rows: number[][]) =>
    rows[0].map((_, j) => rows.map((row) => row[j]));
  fc.assert(fc.property(chains, ([a, b, c]) => {
    assertEquals(matmul(matmul(a, b), c), matmul(a, matmul(b, c)));
    const turned = matmul(transpose(b), transpose(a));
    assertEquals(
      transpose(matmul(a, b)).map((row) => row.map((x) => x + 0)),
      turned,
    );
  }));
});

Deno.test("matmul() by the identity changes nothing", () => {
  const a = [[1, 2, 3], [4, 5, 6]];
  const one = (n: number) =>
    Array.from(
      { length: n },
      (_, i) => Array.from({ length: n }, (_, j) => i === j ? 1 : 0),
    );
  assertEquals(matmul(a, one(3)), a);
  assertEquals(matmul(one(2), a), a);
});

Deno.test("matmul() gives rows of their own, not one row M times", () => {
  const c = matmul([[1], [2]], [[3, 4]]);
  c[0][0] = 99;
  assertEquals(c, [[99, 4], [6, 8]]);
});

Deno.test("matmul() of one entry, of one row and one column, of one column and one row", () => {
  assertEquals(matmul([[3]], [[4]]), [[12]]);
  assertEquals(matmul([[1, 2, 3]], [[4], [5], [6]]), [[32]]);
  assertEquals(matmul([[1], [2]], [[3, 4, 5]]), [[3, 4, 5], [6, 8, 10]]);
});

Deno.test("matmul() with an inner size of 0 is 0, and of no row no row", () => {
  assertEquals(matmul([[], []], []), [[], []]);
  assertEquals(matmul([], [[1, 2]]), []);
  assertEquals(matmul([], []), []);
  assertEquals(matmul([[1], [2]], [[]]), [[], []]);
});

Deno.test("matmul() lets NaN and Infinity through, beside a zero too", () => {
  assertEquals(matmul([[0, 1]], [[NaN], [2]]), [[NaN]]);
  assertEquals(matmul([[0, 1]], [[Infinity], [2]]), [[NaN]]);
  assertEquals(matmul([[1, 1]], [[Infinity], [2]]), [[Infinity]]);
});

Deno.test("matmul() leaves its arguments as they were", () => {
  const a = [Object.freeze([1, 2]), Object.freeze([3, 4])];
  matmul(Object.freeze(a), Object.freeze(a));
  assertEquals(a, [[1, 2], [3, 4]]);
});

const REFUSED: [a: number[][], b: number[][], message: string][] = [
  [
    [[1, 2, 3], [4, 5, 6]],
    [[1], [2], [3], [4]],
    "Cannot multiply a (2, 3) by b (4, 1): inner sizes 3 and 4 differ",
  ],
  [[[1]], [], "Cannot multiply a (1, 1) by b (0, 0): inner sizes 1 and 0"],
  [
    [[1, 2], [3, 4, 999]],
    [[1], [1]],
    "Cannot multiply: row 1 of a has 3 entries, row 0 has 2",
  ],
  [
    [[1, 2]],
    [[1], [1, 5]],
    "Cannot multiply: row 1 of b has 2 entries, row 0 has 1",
  ],
];
for (const [a, b, message] of REFUSED) {
  Deno.test(`matmul() of ${JSON.stringify(a)} and ${JSON.stringify(b)} is an error, not −1`, () => {
    assertThrows(() => matmul(a, b), RangeError, message);
  });
}

Deno.test("countProducts() proves M·K·N", () => {
  for (const [M, K, N] of [[1, 1, 1], [2, 3, 5], [7, 1, 4], [5, 0, 5]]) {
    assertEquals(countProducts(matmul, M, K, N), M * K * N);
  }
});

Deno.test("countProducts() notices a product more, and one less", () => {
  const lazy = (a: number[][], b: number[][]) => matmul(a.slice(1), b);
  assertEquals(countProducts(lazy, 3, 4, 5), 2 * 4 * 5);
  const twice = (a: number[][], b: number[][]) => [matmul(a, b), matmul(a, b)];
  assert(countProducts(twice, 3, 4, 5) === 2 * 60);
});
