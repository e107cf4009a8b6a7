#!/usr/bin/env -S deno run
/**
 * Q. Why does the order of the three loops matter?
 *
 * A. Memory comes to the processor in lines of 64 bytes, eight doubles of a row. With
 * k innermost, b is read down a column: one double of each line. Whether the other
 * seven are still in the cache when their columns come depends on n. If all n lines
 * of a column fit, one read in eight misses; if not, every one does. A row of a power
 * of two bytes puts a column into a few sets only, and then hardly any of it fits.
 * With j innermost, b is read along its rows: one miss in eight, whatever n is.
 * Tiles are read many times while they are in the cache: a and b miss once in
 * 8 · tile products each.
 *
 * Here a cache is simulated, as large as the first level of a processor, and given
 * the addresses that the loops touch.
 *
 * Time O(ways) an access; space O(bytes / line).
 * Trap: "the plain loop misses at every access to b". At n = 500 it does not.
 * Left out: prefetching, further levels, page tables, and the cost of a miss.
 * Source: Lam, Rothberg, Wolf (1991), doi:10.1145/106972.106981.
 * Run: `deno run cache.ts`
 * @module
 */

/** The sizes of a {@link Cache}. */
export interface Sizes {
  /** All that fits in. */
  bytes: number;
  /** How many lines one set holds. */
  ways: number;
  /** The bytes that come together; a power of two. */
  line: number;
}

/** The first level of many processors of today. */
export const L1: Sizes = { bytes: 48 * 1024, ways: 12, line: 64 };

/**
 * A cache of sets. The lowest bits of a line's number are its set; when that is full,
 * the line that was not used for longest makes room.
 */
export class Cache {
  /** (sets · ways) the numbers of the lines; in each set the last used is first. */
  readonly #lines: Float64Array;
  readonly #sets: number;
  readonly #ways: number;
  readonly #line: number;

  /**
   * An empty cache.
   * @throws {RangeError} if a size is no integer from 1, or `line` or the number of
   * sets, bytes / (ways · line), is no power of two
   */
  constructor({ bytes, ways, line }: Sizes) {
    const task = `Cannot make a cache of ${bytes} bytes, ${ways} ways and ` +
      `lines of ${line} bytes`;
    for (const size of [bytes, ways, line]) {
      if (Number.isSafeInteger(size) && size > 0) continue;
      throw new RangeError(`${task}: ${size} is no whole number from 1`);
    }
    if (!isPowerOfTwo(line)) {
      throw new RangeError(`${task}: a line needs a power of two bytes`);
    }
    const sets = bytes / (ways * line);
    if (!isPowerOfTwo(sets)) {
      throw new RangeError(`${task}: ${sets} sets are no power of two`);
    }
    this.#sets = sets;
    this.#ways = ways;
    this.#line = line;
    this.#lines = new Float64Array(sets * ways).fill(-1);
  }

  /**
   * Reads or writes the byte at `address`.
   * @returns whether its line was there: a hit
   * @throws {RangeError} if `address` is no integer from 0
   */
  access(address: number): boolean {
    if (!Number.isSafeInteger(address) || address < 0) {
      throw new RangeError(
        `Cannot access address ${address}: needs a whole number from 0`,
      );
    }
    const lines = this.#lines;
    const line = Math.floor(address / this.#line);
    const first = line % this.#sets * this.#ways;
    const last = first + this.#ways - 1;
    let place = first;
    while (place < last && lines[place] !== line) place++;
    const hit = lines[place] === line;
    for (; place > first; place--) lines[place] = lines[place - 1];
    lines[first] = line;
    return hit;
  }
}

function isPowerOfTwo(x: number): boolean {
  return x >= 1 && 2 ** Math.round(Math.log2(x)) === x;
}

/** Is told that an entry of matrix 0 (a), 1 (b) or 2 (c) is read or written. */
export type Touch = (matrix: 0 | 1 | 2, row: number, column: number) => void;

/** The loops of c = a · b, all (n, n), cut into passes of the same kind. */
export interface Loops {
  passes: number;
  pass(p: number, touch: Touch): void;
}

/** The loops for one n. */
export type Order = (n: number) => Loops;

/** Three orders; a pass is one step of the outermost loop. */
export const ORDERS: Record<string, Order> = {
  "i-j-k": (n) => ({
    passes: n,
    pass(i, touch) {
      for (let j = 0; j < n; j++) {
        for (let k = 0; k < n; k++) {
          touch(0, i, k);
          touch(1, k, j);
        }
        touch(2, i, j);
      }
    },
  }),
  "i-k-j": (n) => ({
    passes: n,
    pass(i, touch) {
      for (let k = 0; k < n; k++) {
        touch(0, i, k);
        for (let j = 0; j < n; j++) {
          touch(1, k, j);
          touch(2, i, j);
        }
      }
    },
  }),
  "j-k-i": (n) => ({
    passes: n,
    pass(j, touch) {
      for (let k = 0; k < n; k++) {
        touch(1, k, j);
        for (let i = 0; i < n; i++) {
          touch(0, i, k);
          touch(2, i, j);
        }
      }
    },
  }),
};

/**
 * Loops over tiles, and i-k-j within three of them; a pass makes one tile of c.
 * @throws {RangeError} if `tile` is no integer from 1
 */
export function tiled(tile: number): Order {
  if (!Number.isSafeInteger(tile) || tile < 1) {
    throw new RangeError(
      `Cannot use tiles of ${tile} rows: needs a whole number from 1`,
    );
  }
  return (n) => {
    const across = Math.ceil(n / tile);
    const pass: Loops["pass"] = (p, touch) => {
      const top = Math.floor(p / across) * tile;
      const left = p % across * tile;
      const [bottom, right] = [top, left].map((at) => Math.min(n, at + tile));
      for (let near = 0; near < n; near += tile) {
        const far = Math.min(n, near + tile);
        for (let i = top; i < bottom; i++) {
          for (let k = near; k < far; k++) {
            touch(0, i, k);
            for (let j = left; j < right; j++) {
              touch(1, k, j);
              touch(2, i, j);
            }
          }
        }
      }
    };
    return { passes: across ** 2, pass };
  };
}

/** Misses as a share of the accesses to a matrix. */
export interface Rates {
  a: number;
  b: number;
  c: number;
  /** Misses on all three, as a share of the products of entries. */
  product: number;
}

/**
 * The miss rates of one pass, after another one before it has filled the cache. The
 * matrices are in f64, row-major, one after the other from address 0.
 * @throws {RangeError} if `n` is no integer from 1, or `order` has but one pass
 */
export function missRates(n: number, order: Order, sizes = L1): Rates {
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new RangeError(`Cannot multiply (${n}, ${n}): needs sizes from 1`);
  }
  const loops = order(n);
  if (loops.passes < 2) {
    throw new RangeError(
      `Cannot measure ${loops.passes} pass: needs one to fill the cache, and one more`,
    );
  }
  const cache = new Cache(sizes);
  let accesses = [0, 0, 0], misses = [0, 0, 0];
  const touch: Touch = (matrix, row, column) => {
    accesses[matrix]++;
    const address = 8 * ((matrix * n + row) * n + column);
    if (!cache.access(address)) misses[matrix]++;
  };
  loops.pass(0, touch);
  accesses = [0, 0, 0];
  misses = [0, 0, 0];
  loops.pass(1, touch);
  const [a, b, c] = misses.map((count, matrix) => count / accesses[matrix]);
  const products = Math.max(...accesses);
  return { a, b, c, product: (misses[0] + misses[1] + misses[2]) / products };
}

if (import.meta.main) {
  const row = (...cells: (string | number)[]) =>
    console.log(
      cells.map((cell) =>
        (typeof cell === "number" ? cell.toFixed(4) : cell).padStart(9)
      ).join(""),
    );
  const { bytes, ways, line } = L1;
  console.log(`${bytes} bytes, ${ways} ways, lines of ${line} bytes`);
  console.log("\nmisses a read, and of all three a product of two entries");
  row("loops", "n", "a", "b", "c", "product");
  for (const [name, order] of Object.entries(ORDERS)) {
    for (const n of [500, 512, 520, 700, 1000, 1024]) {
      const { a, b, c, product } = missRates(n, order);
      row(name, `${n}`, a, b, c, product);
    }
  }
  console.log("\ntiles: misses a product of two entries");
  const sizes = [500, 512, 520, 1000];
  row("tile", "kB of b", ...sizes.map((n) => `n = ${n}`));
  for (const tile of [8, 16, 24, 32, 40, 48, 64, 80, 96, 128]) {
    const rates = sizes.map((n) => missRates(n, tiled(tile)).product);
    row(`${tile}`, (tile ** 2 * 8 / 1024).toFixed(1), ...rates);
  }
}
