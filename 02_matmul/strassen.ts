#!/usr/bin/env -S deno run
/**
 * Q. Multiply two matrices with fewer than n³ products of entries.
 *
 * A. Cut a, b and c into quarters. The definition needs eight products of quarters;
 * Strassen found sums and differences of quarters whose seven products are enough.
 * The same again for each of the seven: 7^log₂(n) = n^2.807 products. Here in
 * Winograd's form, with 15 additions of quarters instead of Strassen's 18. Quarters
 * are views, and two temporaries a level hold all sums. Of an odd size the last row
 * or column is peeled off and multiplied plainly. Below a cut-off the plain loops
 * take over.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(n^2.807) for squares; space ⅔ n² beside the product.
 * Trap: the error. Sums of quarters are larger than entries, and each level of
 * recursion rounds them again. NaN and Infinity spread beyond their row and column.
 * Source: Strassen (1969), doi:10.1007/BF02165411; the order of steps from Boyer,
 * Dumas, Pernet, Zhou (2009), arXiv:0707.2347.
 * Run: `deno run strassen.ts`
 * @module
 */
import {
  type Floats,
  largestError,
  lehmer,
  type Matrix,
  type Multiply,
  prepare,
  randomMatrix,
  zeros,
} from "./matrix.ts";

/** How many operations with two entries were done. */
export interface Tally {
  products: number;
  /** Additions and subtractions. */
  additions: number;
}

/** How {@link strassen} multiplies. */
export interface Options<T extends Floats = Floats> {
  /** A product is plain if M, K or N is not above this; 64 if not given. */
  cutoff?: number;
  /** Makes the plain products; three loops in the order i, k, j if not given. */
  base?: Multiply;
  /** (M, N), for the product. */
  out?: Matrix<T>;
  /** The operations are added to it. */
  tally?: Tally;
}

/** Additions of quarters of a, of b and of c, in one level of recursion. */
export type Form = readonly [a: number, b: number, c: number];
export const WINOGRAD: Form = [4, 4, 7];
export const STRASSEN: Form = [5, 5, 8];

/** A part of a matrix: entry (i, j) is at start + i · stride + j. */
interface View {
  rows: number;
  columns: number;
  data: Floats;
  start: number;
  stride: number;
}

/** What all levels of the recursion share. */
interface Run {
  cutoff: number;
  base?: Multiply;
  tally: Tally;
  /** Where the temporaries of all levels are, one after the other. */
  space: Floats;
}

/**
 * Multiplies two matrices. Above the cut-off, NaN and Infinity spread: an entry
 * that is not finite by definition is not finite here either, but it may be NaN
 * instead of Infinity, and other entries may be NaN as well.
 * @param a (M, K), left unchanged
 * @param b (K, N), left unchanged
 * @returns (M, N): `out`, or a new matrix
 * @throws {RangeError} if the cut-off is no integer from 1, inner sizes differ, or
 * `out` has another shape or shares memory with `a` or `b`
 * @throws {TypeError} if not all are of one kind
 */
export function strassen<T extends Floats>(
  a: Matrix<T>,
  b: Matrix<T>,
  options: Options<T> = {},
): Matrix<T> {
  const { cutoff = 64, base, tally = { products: 0, additions: 0 } } = options;
  checkCutoff(cutoff);
  const c = prepare(a, b, options.out);
  const length = spaceFor(a.rows, a.columns, b.columns, cutoff);
  const { data: space } = zeros(1, length, a.data);
  const run = { cutoff, base, tally, space };
  multiply(view(a), view(b), view(c), 0, run);
  return c;
}

/** c = a · b. @param free where the unused part of the space begins */
function multiply(a: View, b: View, c: View, free: number, run: Run): void {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  if (Math.min(M, K, N) <= run.cutoff) return plain(a, b, c, run);

  const [m, k, n] = [M >> 1, K >> 1, N >> 1];
  const [a11, a12, a21, a22] = quarters(a, m, k);
  const [b11, b12, b21, b22] = quarters(b, k, n);
  const [c11, c12, c21, c22] = quarters(c, m, n);
  const data = run.space;
  const t = view({ rows: k, columns: n, data }, free);
  const s = view({ rows: m, columns: k, data }, free + k * n);
  const p = view({ rows: m, columns: n, data }, free + k * n); // instead of s
  const next = free + k * n + m * Math.max(k, n);
  const add = (x: View, y: View, z: View) => combine(x, y, z, 1, run);
  const subtract = (x: View, y: View, z: View) => combine(x, y, z, -1, run);

  subtract(a11, a21, s);
  subtract(b22, b12, t);
  multiply(s, t, c21, next, run); // (a11 − a21) · (b22 − b12)
  add(a21, a22, s);
  subtract(b12, b11, t);
  multiply(s, t, c22, next, run); // (a21 + a22) · (b12 − b11)
  subtract(s, a11, s); // a21 + a22 − a11
  subtract(b22, t, t); // b22 − b12 + b11
  multiply(s, t, c12, next, run);
  subtract(a12, s, s);
  multiply(s, b22, c11, next, run); // (a12 − a21 − a22 + a11) · b22
  multiply(a11, b11, p, next, run);
  add(p, c12, c12);
  add(c12, c21, c21);
  add(c12, c22, c12);
  add(c21, c22, c22); // done
  add(c12, c11, c12); // done
  subtract(t, b21, t);
  multiply(a22, t, c11, next, run); // a22 · (b22 − b12 + b11 − b21)
  subtract(c21, c11, c21); // done
  multiply(a12, b21, c11, next, run);
  add(p, c11, c11); // done

  if (K % 2 === 1) {
    const column = part(a, 0, K - 1, 2 * m, 1);
    const row = part(b, K - 1, 0, 1, 2 * n);
    addProduct(column, row, part(c, 0, 0, 2 * m, 2 * n), run.tally);
  }
  if (N % 2 === 1) {
    plain(a, part(b, 0, N - 1, K, 1), part(c, 0, N - 1, M, 1), run);
  }
  if (M % 2 === 1) {
    const columns = part(b, 0, 0, K, 2 * n);
    plain(part(a, M - 1, 0, 1, K), columns, part(c, M - 1, 0, 1, 2 * n), run);
  }
}

/** c = a · b, by definition. */
function plain(a: View, b: View, c: View, { base, tally }: Run): void {
  const { rows, columns, data, start, stride } = c;
  if (base) {
    const product = base(dense(a), dense(b)).data;
    for (let i = 0; i < rows; i++) {
      const row = product.subarray(i * columns, (i + 1) * columns);
      data.set(row, start + i * stride);
    }
    tally.products += rows * a.columns * columns;
    tally.additions += rows * a.columns * columns;
  } else {
    for (let i = 0; i < rows; i++) {
      data.fill(0, start + i * stride, start + i * stride + columns);
    }
    addProduct(a, b, c, tally);
  }
  if (a.columns > 0) tally.additions -= rows * columns; // 0 + the first product
}

/** c += a · b */
function addProduct(a: View, b: View, c: View, tally: Tally): void {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const [x, y, z] = [a.data, b.data, c.data];
  for (let i = 0; i < M; i++) {
    const row = c.start + i * c.stride;
    for (let k = 0; k < K; k++) {
      const factor = x[a.start + i * a.stride + k];
      const from = b.start + k * b.stride;
      for (let j = 0; j < N; j++) z[row + j] += factor * y[from + j];
    }
  }
  tally.products += M * K * N;
  tally.additions += M * K * N;
}

/** z = x + sign · y; z may be x or y. */
function combine(
  x: View,
  y: View,
  z: View,
  sign: 1 | -1,
  { tally }: Run,
): void {
  const { rows, columns } = z;
  for (let i = 0; i < rows; i++) {
    const xi = x.start + i * x.stride;
    const yi = y.start + i * y.stride;
    const zi = z.start + i * z.stride;
    for (let j = 0; j < columns; j++) {
      z.data[zi + j] = x.data[xi + j] + sign * y.data[yi + j];
    }
  }
  tally.additions += rows * columns;
}

/** The entries that the temporaries of all levels take. */
function spaceFor(M: number, K: number, N: number, cutoff: number): number {
  let length = 0;
  while (Math.min(M, K, N) > cutoff) {
    [M, K, N] = [M >> 1, K >> 1, N >> 1];
    length += K * N + M * Math.max(K, N);
  }
  return length;
}

/** All of a matrix whose entries begin at `start`. */
function view({ rows, columns, data }: Matrix, start = 0): View {
  return { rows, columns, data, start, stride: columns };
}

/** The (rows, columns) of a view that begin at its entry (i, j). */
function part(
  { data, start, stride }: View,
  i: number,
  j: number,
  rows: number,
  columns: number,
): View {
  return { rows, columns, data, start: start + i * stride + j, stride };
}

/** The first four parts of (rows, columns): 11, 12, 21, 22. */
function quarters(whole: View, rows: number, columns: number): View[] {
  return [[0, 0], [0, columns], [rows, 0], [rows, columns]]
    .map(([i, j]) => part(whole, i, j, rows, columns));
}

/** A matrix with a copy of the entries. */
function dense({ rows, columns, data, start, stride }: View): Matrix {
  const copy = zeros(rows, columns, data);
  for (let i = 0; i < rows; i++) {
    const from = start + i * stride;
    copy.data.set(data.subarray(from, from + columns), i * columns);
  }
  return copy;
}

function checkCutoff(cutoff: number): void {
  if (Number.isSafeInteger(cutoff) && cutoff >= 1) return;
  throw new RangeError(
    `Cannot multiply with a cut-off of ${cutoff}: needs a whole number from 1`,
  );
}

/**
 * How many operations (M, K) · (K, N) takes, without doing them.
 * @throws {RangeError} if the cut-off is no integer from 1
 */
export function operations(
  M: number,
  K: number,
  N: number,
  cutoff: number,
  form = WINOGRAD,
): Tally {
  checkCutoff(cutoff);
  if (Math.min(M, K, N) <= cutoff) {
    return { products: M * K * N, additions: M * Math.max(0, K - 1) * N };
  }
  const [m, k, n] = [M >> 1, K >> 1, N >> 1];
  const seventh = operations(m, k, n, cutoff, form);
  let products = 7 * seventh.products;
  let additions = 7 * seventh.additions +
    form[0] * m * k + form[1] * k * n + form[2] * m * n;
  const outer = K % 2 * 2 * m * 2 * n; // a column of a times a row of b
  const edge = N % 2 * M + M % 2 * 2 * n; // entries in the last row and column
  products += outer + edge * K;
  additions += outer + edge * (K - 1);
  return { products, additions };
}

if (import.meta.main) {
  const random = lehmer(42);
  const square = (n: number) => randomMatrix(n, n, new Float64Array(), random);
  const row = (...cells: unknown[]) =>
    console.log(cells.map((cell) => `${cell}`.padStart(9)).join(""));
  const note = (text: string) => {
    if (!Deno.stderr.isTerminal()) return;
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${text}\x1b[K`));
  };

  console.log("products of two entries, counted, with a cut-off of 1");
  row("n", "n³", "counted", "7^log₂ n", "slope");
  let before = 1;
  for (let n = 2; n <= 128; n *= 2) {
    const tally = { products: 0, additions: 0 };
    strassen(square(n), square(n), { cutoff: 1, tally });
    const slope = Math.log2(tally.products / before).toFixed(5);
    row(n, n ** 3, tally.products, 7 ** Math.log2(n), slope);
    before = tally.products;
  }

  const cutoffs = [1, 4, 8, 16, 32, 64];
  console.log("\noperations, as a share of those of the plain product");
  for (const [name, form] of Object.entries({ WINOGRAD, STRASSEN })) {
    row(name, ...cutoffs.map((cutoff) => `cut ${cutoff}`));
    for (let n = 128; n <= 4096; n *= 2) {
      const flops = (cutoff: number) => {
        const { products, additions } = operations(n, n, n, cutoff, form);
        return products + additions;
      };
      row(n, ...cutoffs.map((cut) => (flops(cut) / flops(n)).toFixed(3)));
    }
  }

  console.log("\ntime, as a share of that of the plain product; medians");
  row("n", "plain ms", "ns / n³", "cut 16", "cut 32", "cut 64");
  for (let n = 64; n <= 1024; n *= 2) {
    const [a, b] = [square(n), square(n)];
    const tried = [n, 16, 32, 64];
    const times = tried.map(() => [] as number[]);
    const runs = Math.floor(3072 / n); // many if small, so that they are warm
    for (let run = 0; run < runs; run++) {
      tried.forEach((cutoff, i) => {
        note(`n = ${n}, cut-off ${cutoff}`);
        const start = performance.now();
        strassen(a, b, { cutoff });
        times[i].push(performance.now() - start);
      });
    }
    const [plain, ...others] = times.map((list) =>
      list.sort((x, y) => x - y)[list.length >> 1]
    );
    const shares = others.map((time) => (time / plain).toFixed(2));
    note("");
    row(n, plain.toFixed(1), (plain / n ** 3 * 1e6).toFixed(2), ...shares);
  }

  console.log("\nlargest error at n = 512, as a part of the largest entry");
  const [a, b] = [square(512), square(512)];
  row("cut-off", "levels", "error");
  for (let cutoff = 512; cutoff >= 4; cutoff /= 2) {
    const error = largestError(a, b, strassen(a, b, { cutoff }), 16);
    row(cutoff, Math.log2(512 / cutoff), error.toExponential(1));
  }
}
