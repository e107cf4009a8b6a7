#!/usr/bin/env -S deno run
/**
 * Q. How do you store a matrix so that it can be multiplied fast, and know that
 * the product is right?
 *
 * A. In one typed array, row after row: entry (i, j) is at i · columns + j. Rows
 * are then neighbours in memory, and an inner loop along them reads every byte of
 * a cache line. A product is right if it is near one that was summed without
 * rounding errors to speak of: each product and each sum split into its value and
 * what was rounded off, and the rests added up beside it.
 *
 * Time O(M·N·K) for the reference, about twenty times that of a plain loop.
 * Trap: comparing two products by ===. Sums in another order round differently.
 * Left out: column-major order, strides, complex numbers.
 * Source: Ogita, Rump, Oishi (2005), doi:10.1137/030601818, for Dot2.
 * Run: `deno run matrix.ts`
 * @module
 */

/** What a matrix is made of. */
export type Floats = Float32Array | Float64Array;

/** A matrix in row-major order. */
export interface Matrix<T extends Floats = Floats> {
  readonly rows: number;
  readonly columns: number;
  /** (rows · columns,) entry (i, j) at i · columns + j */
  readonly data: T;
}

/** Makes a product (M, N) of a (M, K) and b (K, N), in `out` if it is given. */
export type Multiply = <T extends Floats>(
  a: Matrix<T>,
  b: Matrix<T>,
  out?: Matrix<T>,
) => Matrix<T>;

/**
 * Makes a matrix.
 * @param data its entries, row after row; not copied
 * @throws {RangeError} if a size is no integer from 0, or `data` has another length
 */
export function matrix<T extends Floats>(
  rows: number,
  columns: number,
  data: T,
): Matrix<T> {
  checkSizes(rows, columns);
  if (data.length !== rows * columns) {
    throw new RangeError(
      `Cannot make a (${rows}, ${columns}) matrix: needs ${
        rows * columns
      } entries, got ${data.length}`,
    );
  }
  return { rows, columns, data };
}

/**
 * A matrix of zeros, of the kind of `like`.
 * @throws {RangeError} if a size is no integer from 0, or there is no memory for it
 */
export function zeros<T extends Floats>(
  rows: number,
  columns: number,
  like: T,
): Matrix<T> {
  const Kind = like.constructor as new (length: number) => T;
  checkSizes(rows, columns);
  return matrix(rows, columns, new Kind(rows * columns));
}

function checkSizes(rows: number, columns: number): void {
  const whole = Number.isSafeInteger(rows) && Number.isSafeInteger(columns);
  if (whole && rows >= 0 && columns >= 0) return;
  throw new RangeError(
    `Cannot make a (${rows}, ${columns}) matrix: sizes are whole numbers from 0`,
  );
}

/**
 * Numbers between 0 and 1 that are the same each time: Lehmer's generator.
 * @param x from 1 to 2^31 − 2
 */
export function lehmer(x: number): () => number {
  return () => (x = x * 16807 % 2147483647) / 2147483647;
}

/** A matrix of numbers from `random`, less a half of each. */
export function randomMatrix<T extends Floats>(
  rows: number,
  columns: number,
  like: T,
  random: () => number,
): Matrix<T> {
  const filled = zeros(rows, columns, like);
  for (let i = 0; i < filled.data.length; i++) filled.data[i] = random() - 0.5;
  return filled;
}

/** (rows, columns) as rows of numbers. */
export function toRows({ rows, columns, data }: Matrix): number[][] {
  return Array.from(
    { length: rows },
    (_, i) => [...data.subarray(i * columns, (i + 1) * columns)],
  );
}

/**
 * Checks that a · b can be made, and put into `out` if it is given.
 * @throws {RangeError} if inner sizes differ, `out` has another shape, or shares
 * memory with `a` or `b`, or a matrix has not the entries of its sizes
 * @throws {TypeError} if not all are of one kind, f32 or f64
 */
export function checkProduct<T extends Floats>(
  a: Matrix<T>,
  b: Matrix<T>,
  out?: Matrix<T>,
): void {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const task = `Cannot multiply a (${M}, ${K}) by b (${b.rows}, ${N})`;
  if (K !== b.rows) {
    throw new RangeError(`${task}: inner sizes ${K} and ${b.rows} differ`);
  }
  const kind = a.data.constructor;
  if (kind !== Float32Array && kind !== Float64Array) {
    throw new TypeError(
      `${task}: needs a Float32Array or a Float64Array, got ${kind.name}`,
    );
  }
  for (const { rows, columns, data } of out ? [a, b, out] : [a, b]) {
    matrix(rows, columns, data); // a kernel believes the sizes
    if (data.constructor === kind) continue;
    throw new TypeError(
      `${task}: a is a ${kind.name}, but not all are: ${data.constructor.name}`,
    );
  }
  if (!out) return;
  if (out.rows !== M || out.columns !== N) {
    throw new RangeError(
      `${task}: the product is (${M}, ${N}), out is (${out.rows}, ${out.columns})`,
    );
  }
  if (overlap(out.data, a.data) || overlap(out.data, b.data)) {
    throw new RangeError(`${task}: out shares its memory with a or b`);
  }
}

/**
 * The matrix to add a · b to: `out`, or a new one; all zeros.
 * @throws as {@link checkProduct}
 */
export function prepare<T extends Floats>(
  a: Matrix<T>,
  b: Matrix<T>,
  out?: Matrix<T>,
): Matrix<T> {
  checkProduct(a, b, out);
  out?.data.fill(0);
  return out ?? zeros(a.rows, b.columns, a.data);
}

function overlap(x: Floats, y: Floats): boolean {
  return x.length > 0 && x.buffer === y.buffer &&
    x.byteOffset < y.byteOffset + y.byteLength &&
    y.byteOffset < x.byteOffset + x.byteLength;
}

/**
 * Row `i` of a · b, each entry rounded about once: by Dot2, as if summed in twice
 * the precision. For finite entries below 2^970.
 * @returns (N,)
 */
export function referenceRow(a: Matrix, b: Matrix, i: number): Float64Array {
  const [K, N] = [a.columns, b.columns];
  const sums = new Float64Array(N);
  const rests = new Float64Array(N); // what the sums have rounded off
  for (let k = 0; k < K; k++) {
    const x = a.data[i * K + k];
    const [x1, x2] = split(x);
    for (let j = 0; j < N; j++) {
      const y = b.data[k * N + j];
      const [y1, y2] = split(y);
      const product = x * y;
      const productRest = x2 * y2 - (product - x1 * y1 - x2 * y1 - x1 * y2);
      const sum = sums[j] + product;
      const part = sum - sums[j];
      rests[j] += sums[j] - (sum - part) + (product - part) + productRest;
      sums[j] = sum;
    }
  }
  return sums.map((sum, j) => sum + rests[j]);
}

/** Two halves of 26 bits, whose products are exact. */
function split(x: number): [high: number, low: number] {
  const scaled = (2 ** 27 + 1) * x;
  const high = scaled - (scaled - x);
  return [high, x - high];
}

/**
 * How far `c` is from a · b: the largest distance in some of its rows, as a part
 * of the largest entry there.
 * @param sample how many rows are looked at, spread evenly
 * @throws {RangeError} if `c` has not the shape of the product
 */
export function largestError(
  a: Matrix,
  b: Matrix,
  c: Matrix,
  sample = c.rows,
): number {
  checkProduct(a, b, c);
  let distance = 0, largest = 0;
  for (let s = 0; s < sample; s++) {
    const i = Math.floor(s * c.rows / sample);
    referenceRow(a, b, i).forEach((right, j) => {
      const wrong = Math.abs(c.data[i * c.columns + j] - right);
      distance = Math.max(distance, wrong); // NaN stays
      largest = Math.max(largest, Math.abs(right));
    });
  }
  return distance === 0 ? 0 : distance / largest;
}

/**
 * The median time of a call, in ms.
 * @param runs how many are timed, after `warmUp` others
 */
export async function medianTime(
  call: () => unknown,
  runs: number,
  warmUp: number,
  now = () => performance.now(),
): Promise<number> {
  for (let i = 0; i < warmUp; i++) await call();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = now();
    await call();
    times.push(now() - start);
  }
  return times.sort((x, y) => x - y)[runs >> 1];
}

if (import.meta.main) {
  const a = matrix(1, 3, Float64Array.of(1e16, 1, -1e16));
  const b = matrix(3, 1, Float64Array.of(1, 1, 1));
  const [x, y, z] = a.data;
  console.log("1e16 + 1 − 1e16");
  console.log("  summed as it stands:", x + y + z);
  console.log("  with the rests:     ", referenceRow(a, b, 0)[0]);
}
