#!/usr/bin/env -S deno run
/**
 * Q. What is the complexity of matrix multiplication? Write it. How can you
 * optimise it?
 *
 * A. Entry (i, j) of the product is row i of a times column j of b, K products and
 * their sum, and there are M·N entries: O(M·N·K), which is O(n³) for squares. First
 * check that the inner sizes agree; then three loops.
 *
 * To optimise it, in this order: put k in the middle, so that the inner loop goes
 * along rows; use flat arrays; block it, so that what is loaded into a cache or a
 * register is used many times; use SIMD, and all cores. That is what BLAS does, so
 * call BLAS. None of this changes M·N·K. Strassen does: n^2.807.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(M·N·K); space O(M·N).
 * Trap: `Array(M).fill(Array(N).fill(0))`, M times one and the same row.
 * Source: Golub, Van Loan, Matrix Computations, 4th edition, 1.1.
 * Run: `deno run matmul.ts`
 * @module
 */

/**
 * Multiplies two matrices.
 * @param a (M, K), as rows
 * @param b (K, N), as rows; without a row it is (0, 0)
 * @returns (M, N)
 * @throws {RangeError} if rows are not equally long, or the inner sizes differ
 */
export function matmul(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
): number[][] {
  const [M, K] = shape("a", a);
  const [inner, N] = shape("b", b);
  if (K !== inner && M > 0) {
    throw new RangeError(
      `Cannot multiply a (${M}, ${K}) by b (${inner}, ${N}): inner sizes ${K} and ${inner} differ`,
    );
  }
  const c = Array.from({ length: M }, () => new Array<number>(N).fill(0));
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      for (let k = 0; k < K; k++) {
        c[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return c;
}

/** Rows and columns. @throws {RangeError} unless all rows are equally long */
function shape(
  name: string,
  rows: readonly (readonly number[])[],
): [rows: number, columns: number] {
  const columns = rows[0]?.length ?? 0;
  rows.forEach((row, i) => {
    if (row.length === columns) return;
    throw new RangeError(
      `Cannot multiply: row ${i} of ${name} has ${row.length} entries, row 0 has ${columns}`,
    );
  });
  return [rows.length, columns];
}

/**
 * Counts the products of two entries that `multiply` forms, by giving it entries
 * of `a` that notice when they are used in arithmetic.
 */
export function countProducts(
  multiply: (a: number[][], b: number[][]) => unknown,
  M: number,
  K: number,
  N: number,
): number {
  let products = 0;
  const entry = {
    valueOf() {
      products++;
      return 1;
    },
  };
  const a = Array.from({ length: M }, () => new Array(K).fill(entry));
  const b = Array.from({ length: K }, () => new Array<number>(N).fill(1));
  multiply(a, b);
  return products;
}

if (import.meta.main) {
  const a = [[1, 2, 3], [4, 5, 6]];
  const b = [[7, 8], [9, 10], [11, 12]];
  console.log(`${JSON.stringify(a)} · ${JSON.stringify(b)}`);
  console.log(`= ${JSON.stringify(matmul(a, b))}\n`);
  console.log("   M    K    N   products     M·K·N");
  for (
    const [M, K, N] of [[2, 3, 4], [20, 30, 40], [100, 100, 100], [
      200,
      200,
      200,
    ]]
  ) {
    const cells = [countProducts(matmul, M, K, N), M * K * N];
    console.log(
      [M, K, N].map((size) => `${size}`.padStart(4)).join(" "),
      cells.map((cell) => cell.toLocaleString("en").padStart(10)).join(""),
    );
  }
  console.log("\nHow fast can it be? deno run --allow-ffi ladder.ts");
}
