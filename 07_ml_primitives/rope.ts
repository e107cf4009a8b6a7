#!/usr/bin/env -S deno run
/**
 * Q. Implement rotary position embedding (RoPE).
 *
 * A. Take the D numbers of a query or key as D/2 pairs, points in the plane, and
 * turn pair i by the angle position · θᵢ, θᵢ = base^(−2i/D). The dot product of
 * a query turned by m and a key turned by n depends on m − n only, so that
 * attention sees distances. Queries and keys are turned, values never: nothing
 * would turn them back. A token keeps its absolute position: with a cache of 7
 * the next one is number 7, though it comes alone.
 *
 * Shapes: D wide a head; T tokens, MAX positions in the table; H heads.
 * Time O(T·D); space O(MAX·D) for the table, made once, in f64.
 * Trap: two layouts exist. Pairs (2i, 2i + 1), the paper's and Meta's Llama; or
 * (i, i + D/2), GPT-NeoX's and Hugging Face's. The same weights need the same one.
 * Left out: YaRN (yarn.ts), rounding of the angles (rope_precision.ts).
 * Source: Su et al. (2021), arXiv:2104.09864; interpolation: Chen et al. (2023),
 * arXiv:2306.15595.
 * Run: `deno run rope.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];
type Turn = [table: RopeTable, position?: number | readonly number[]];

/** Which numbers are a pair: neighbours, or one of each half. */
export type Layout = "interleaved" | "halves";

/** The turns of every position. Queries and keys share it, hence their layout too. */
export interface RopeTable {
  readonly layout: Layout;
  /** (MAX, D/2) */
  readonly cos: readonly Float64Array[];
  /** (MAX, D/2) */
  readonly sin: readonly Float64Array[];
}

/** How to reach beyond the positions that were trained on. */
export interface Scaling {
  /** "linear" divides every angle by the factor, "ntk" changes the base. */
  kind: "linear" | "ntk";
  /** The new length over the old one, 1 or more. */
  factor: number;
}

/**
 * θᵢ = base^(−2i/D). Scaled by "linear", all are divided by the factor. By "ntk"
 * the base is multiplied by factor^(D/(D − 2)): the fastest pair stays as it is,
 * the slowest is divided by the factor exactly.
 * @returns (D/2,) radians a position
 * @throws {RangeError} if D is odd or below 2, base ≤ 1 or factor < 1
 */
export function frequencies(
  D: number,
  base = 10000,
  scaling?: Scaling,
): number[] {
  if (!(Number.isInteger(D) && D > 0 && D % 2 === 0)) {
    throw new RangeError(
      `Cannot pair ${D} numbers: needs an even count from 2`,
    );
  }
  if (!(base > 1 && base < Infinity)) {
    throw new RangeError(`Cannot turn by base ${base}: needs more than 1`);
  }
  const { kind, factor } = scaling ?? { kind: "linear", factor: 1 };
  if (!(factor >= 1 && factor < Infinity)) {
    throw new RangeError(`Cannot stretch by factor ${factor}: needs 1 or more`);
  }
  // A single pair is its own slowest and turns by 1 whatever the base.
  if (kind === "ntk" && D > 2) base *= factor ** (D / (D - 2));
  const divisor = kind === "linear" ? factor : 1;
  return Array.from(
    { length: D / 2 },
    (_, i) => base ** (-2 * i / D) / divisor,
  );
}

/**
 * @param theta (D/2,) radians a position, of `frequencies`
 * @throws {RangeError} if MAX is no whole number, or there is no frequency
 */
export function ropeTable(
  theta: readonly number[],
  MAX: number,
  layout: Layout,
): RopeTable {
  if (theta.length === 0) {
    throw new RangeError("Cannot make a table of 0 pairs");
  }
  if (!Number.isSafeInteger(MAX) || MAX < 0) {
    throw new RangeError(`Cannot make a table of ${MAX} positions`);
  }
  const rows = (f: (angle: number) => number) =>
    Array.from(
      { length: MAX },
      (_, position) => Float64Array.from(theta, (t) => f(position * t)),
    );
  return { layout, cos: rows(Math.cos), sin: rows(Math.sin) };
}

/**
 * Turns queries or keys; never values.
 * @param x (T, D)
 * @param position of the first row, the rest following; or (T,) one for each row
 * @returns (T, D)
 * @throws {RangeError} if a position is not in the table, or a row not D wide
 */
export function rope(
  x: Matrix,
  table: RopeTable,
  position: number | readonly number[] = 0,
): number[][] {
  const { layout, cos, sin } = table;
  const start = typeof position === "number" ? position : 0;
  const positions = typeof position === "number"
    ? x.map((_, t) => start + t)
    : position;
  check(start, cos.length + 1);
  if (positions.length !== x.length) {
    throw new RangeError(
      `Cannot turn ${x.length} rows by ${positions.length} positions`,
    );
  }
  return x.map((row, t) => {
    const at = check(positions[t], cos.length);
    const half = cos[at].length;
    if (row.length !== 2 * half) {
      throw new RangeError(
        `Cannot turn row ${t} of ${row.length} numbers: the table is for ${
          2 * half
        }`,
      );
    }
    const out = new Array<number>(2 * half);
    for (let i = 0; i < half; i++) {
      const [a, b] = layout === "halves" ? [i, i + half] : [2 * i, 2 * i + 1];
      out[a] = row[a] * cos[at][i] - row[b] * sin[at][i];
      out[b] = row[a] * sin[at][i] + row[b] * cos[at][i];
    }
    return out;
  });
}

/** The same for (H, T, D), every head at the same positions. */
export const ropeHeads = (
  heads: readonly Matrix[],
  ...at: Turn
): number[][][] => heads.map((x) => rope(x, ...at));

/** What attention reads, with the queries and keys turned; the values are not. */
export const ropeQueryKey = <V>(
  query: Matrix,
  key: Matrix,
  value: V,
  ...at: Turn
) => ({
  query: rope(query, ...at),
  key: rope(key, ...at),
  value,
});

/**
 * Puts neighbours in halves, [x0 y0 x1 y1] → [x0 x1 y0 y1]: then "halves" does
 * what "interleaved" did. Apply it to the rows of a head's Wq and Wk, once.
 * @param x (D,) numbers or rows
 */
export const toHalves = <T>(x: readonly T[]): T[] => [
  ...x.filter((_, d) => d % 2 === 0),
  ...x.filter((_, d) => d % 2 === 1),
];

function check(position: number, MAX: number): number {
  if (Number.isSafeInteger(position) && position >= 0 && position < MAX) {
    return position;
  }
  throw new RangeError(
    `Cannot turn by position ${position}: the table has 0 to ${MAX - 1}`,
  );
}

if (import.meta.main) {
  const dot = (x: number[], y: number[]) =>
    x.reduce((sum, xi, i) => sum + xi * y[i], 0);
  const [q, k] = [[1, 2, -1, 0.5, 3, -2, 0, 1], [2, -1, 0, 1, 1, 3, -2, 0.5]];
  const table = ropeTable(frequencies(8), 2000, "interleaved");
  const halves = ropeTable(frequencies(8), 2000, "halves");
  const score = (t: RopeTable, m: number, n: number) =>
    dot(rope([q], t, m)[0], rope([k], t, n)[0]).toFixed(3);
  console.log("score of a query and a key 3 before it, 8 wide");
  console.log("  positions 7 and 4        :", score(table, 7, 4));
  console.log("  positions 1007 and 1004  :", score(table, 1007, 1004));
  console.log("  no offset: query at 0    :", score(table, 0, 4));
  console.log("  the other layout         :", score(halves, 7, 4));
  const moved = dot(
    rope([toHalves(q)], halves, 7)[0],
    rope([toHalves(k)], halves, 4)[0],
  );
  console.log("  and the weights permuted :", moved.toFixed(3));
}
