#!/usr/bin/env -S deno run
/**
 * Q. Multiply on all cores.
 *
 * A. Cut the product into as many parts as there are workers, along its longer
 * side: then what every worker has to pack for itself is the smaller matrix. No
 * two write the same entry, so there is nothing to lock. The numbers lie in shared
 * memory, where all workers read and write them without a copy; each has a kernel
 * and panels of its own. To start a worker takes longer than a product of a few
 * hundred rows, so they are kept in a pool.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(M·N·K / workers); space O(M·K + K·N) for copies, unless a and b are shared.
 * Trap: to cut along K: all workers would add to the same entries.
 * Left out: parts that are handed out one by one, for cores that are not alike.
 * Run: `deno run parallel.ts`
 * @module
 */
import { createEngine, kernelCode, kindOf, ROWS } from "./kernel.ts";
import {
  checkProduct,
  type Floats,
  largestError,
  lehmer,
  type Matrix,
  matrix,
  medianTime,
  randomMatrix,
} from "./matrix.ts";
import { multiplyPart, multiplySimd, type Part } from "./simd.ts";

/** More workers would only fill the memory, 8 MB each. */
const MOST_WORKERS = 256;
/** How many workers this machine has a core for. */
const CORES = Math.min(MOST_WORKERS, navigator.hardwareConcurrency);

/**
 * Workers that multiply together. To be closed, or held by `using`: it keeps the
 * program alive. The factors are read when their turn comes, so they must stay as
 * they are until the product is there.
 */
export class Pool {
  readonly size: number;
  #program = URL.createObjectURL(
    new Blob([PROGRAM], { type: "text/javascript" }),
  );
  #workers: Worker[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #failure?: Error;
  #reject: (failure: Error) => void = () => {};
  /** Shared copies of a and b, kept for the next product. */
  #copies: SharedArrayBuffer[] = [];

  /**
   * @param size how many workers
   * @throws {RangeError} if that is no integer from 1 to 256
   */
  constructor(size = CORES) {
    if (!Number.isInteger(size) || size < 1 || size > MOST_WORKERS) {
      throw new RangeError(
        `Cannot make a pool of ${size} workers: needs 1 to ${MOST_WORKERS}`,
      );
    }
    this.size = size;
    for (let i = 0; i < size; i++) {
      const worker = new Worker(this.#program, { type: "module" });
      worker.onerror = (event) => {
        event.preventDefault();
        this.#fail(new Error(`A worker failed: ${event.message}`));
      };
      this.#workers.push(worker);
    }
  }

  /**
   * Multiplies by all workers; one product after the other.
   * @param out without it, the product is in shared memory
   * @throws as {@link checkProduct}, and {Error} if a worker fails, after which the
   * pool is closed, or if it was closed before
   */
  multiply<T extends Floats>(
    a: Matrix<T>,
    b: Matrix<T>,
    out?: Matrix<T>,
  ): Promise<Matrix<T>> {
    const product = this.#last.then(() => this.#multiply(a, b, out));
    this.#last = product.catch(() => {});
    return product;
  }

  async #multiply<T extends Floats>(
    a: Matrix<T>,
    b: Matrix<T>,
    out?: Matrix<T>,
  ): Promise<Matrix<T>> {
    if (this.#failure) throw this.#failure;
    checkProduct(a, b, out);
    const c = out ?? sharedZeros(a.rows, b.columns, a.data);
    const [K, N] = [a.columns, b.columns];
    const operands = [a.data, b.data].map((data, i) => this.#share(data, i));
    const result = isShared(c.data)
      ? c.data
      : sharedZeros(c.rows, N, c.data).data;
    const kind = kindOf(a.data);
    const code = kernelCode(kind);
    const parts = cut(c.rows, N, this.size);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#reject = reject;
    let left = parts.length;
    if (left === 0) resolve();
    parts.forEach((part, i) => {
      const worker = this.#workers[i];
      worker.onmessage = ({ data: failure }) => {
        if (failure !== null) {
          this.#fail(new Error(`A worker failed: ${failure}`));
        } else if (--left === 0) resolve();
      };
      worker.postMessage([kind, code, [...operands, result, K, N, part]]);
    });
    await promise;
    if (result !== c.data) c.data.set(result);
    return c;
  }

  /** Ends the workers. A product that is being made fails. */
  close(): void {
    this.#fail(new Error("The pool is closed"));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#workers.forEach((worker) => worker.terminate());
    URL.revokeObjectURL(this.#program);
    this.#reject(this.#failure);
  }

  /** The numbers in shared memory: `data` itself, or a copy. */
  #share<T extends Floats>(data: T, slot: number): T {
    if (isShared(data)) return data;
    let buffer = this.#copies[slot];
    if (!(buffer?.byteLength >= data.byteLength)) {
      buffer = this.#copies[slot] = new SharedArrayBuffer(data.byteLength);
    }
    const Kind = data.constructor as SharedKind<T>;
    const copy = new Kind(buffer, 0, data.length);
    copy.set(data);
    return copy;
  }
}

type SharedKind<T> = new (
  buffer: SharedArrayBuffer,
  from?: number,
  length?: number,
) => T;

const isShared = ({ buffer }: Floats) => buffer instanceof SharedArrayBuffer;

/** A matrix of zeros in shared memory, of the kind of `like`. */
export function sharedZeros<T extends Floats>(
  rows: number,
  columns: number,
  like: T,
): Matrix<T> {
  const Kind = like.constructor as SharedKind<T>;
  const bytes = rows * columns * like.BYTES_PER_ELEMENT;
  return matrix(rows, columns, new Kind(new SharedArrayBuffer(bytes)));
}

/** Cuts (M, N) along its longer side into `count` parts or fewer, none empty. */
export function cut(M: number, N: number, count: number): Part[] {
  const [side, unit] = M >= N ? [M, ROWS] : [N, 8]; // whole tiles of the kernel
  const tiles = Math.ceil(side / unit);
  const edge = (i: number) =>
    Math.min(side, Math.floor(i * tiles / count) * unit);
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [edge(i), edge(i + 1)];
    return M >= N
      ? { top: from, bottom: to, left: 0, right: N }
      : { top: 0, bottom: M, left: from, right: to };
  }).filter(({ top, bottom, left, right }) => top < bottom && left < right);
}

/** What a worker runs; as text, because to load a file would need --allow-read. */
export const PROGRAM = `
  ${createEngine}
  ${multiplyPart}
  const engines = {};
  onmessage = ({ data: [kind, code, product] }) => {
    try {
      engines[kind] ??= createEngine(code);
      multiplyPart(engines[kind], ...product);
      postMessage(null);
    } catch (error) {
      postMessage(String(error));
    }
  };
`;

if (import.meta.main) {
  const random = lehmer(42);
  const n = 1024;
  const [a, b] = [0, 1].map(() =>
    randomMatrix(n, n, new Float32Array(), random)
  );
  const show = (name: string, ms: number) =>
    console.log(
      name.padEnd(12),
      `${ms.toFixed(1).padStart(7)} ms`,
      `${(2 * n ** 3 / ms / 1e6).toFixed(1).padStart(6)} GFLOP/s`,
    );
  console.log(`${n} × ${n} in f32`);
  show("one thread", await medianTime(() => multiplySimd(a, b), 9, 3));
  for (const size of new Set([1, 2, CORES])) {
    using pool = new Pool(size);
    const ms = await medianTime(() => pool.multiply(a, b), 9, 3);
    show(`${size} worker(s)`, ms);
    const c = await pool.multiply(a, b);
    console.log(" ".repeat(12), `largest error ${largestError(a, b, c, 4)}`);
  }
}
