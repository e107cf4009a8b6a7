#!/usr/bin/env -S deno run
/**
 * Q. Prune a trained layer. What does it cost, and when does it make it faster?
 *
 * A. Set the smallest weights to zero: by magnitude over all of them the error is least,
 * row by row each output keeps its share. But zeros at any place do not help a machine
 * that multiplies blocks, and each weight that is kept then needs an index, so it is
 * smaller only above a third of zeros. 2:4 is the bargain with hardware: of each four
 * neighbours keep the larger two, with two bits each for their places. Half the weights,
 * half the multiplications, and a fixed pattern. Pruning errs more than rounding does at
 * the same size, so the rest is trained on, with the mask fixed.
 *
 * Shapes: R rows, the output channels, of C weights; K kept.
 * Time O(R·C·log(R·C)) to prune, O(K) for a product; space O(K).
 * Trap: a threshold: ties and zeros at it make another sparsity than was asked for.
 * Left out: training on, pruning by second derivatives (OBS, SparseGPT), whole heads.
 * Source: Han et al. (2015), arXiv:1506.02626; Mishra et al. (2021), arXiv:2104.08378.
 * Run: `deno run pruning.ts`
 * @module
 */

/**
 * Sets the smallest weights to 0.
 * @param w (R, C), flat; left unchanged
 * @param sparsity the share that becomes 0, rounded to a count of weights
 * @param by "all" of them, or "row": so many of each
 * @returns (R, C), flat; of equal ones the later ones go
 * @throws {RangeError} if sizes differ, the share is none, or a weight is NaN
 */
export function prune(
  w: Float32Array,
  C: number,
  sparsity: number,
  by: "all" | "row" = "all",
): Float32Array {
  check(w, C);
  if (!(sparsity >= 0 && sparsity <= 1)) {
    throw new RangeError(`Cannot prune a share of ${sparsity}: needs 0 to 1`);
  }
  const group = by === "all" ? w.length : C;
  return inGroups(w, group, Math.round((1 - sparsity) * group));
}

/**
 * Keeps the larger two of each four neighbours in a row.
 * @param w (R, C), flat, C a multiple of 4; left unchanged
 * @returns (R, C), flat
 * @throws {RangeError} if C is another size, or a weight is NaN
 */
export function prune24(w: Float32Array, C: number): Float32Array {
  check(w, C);
  if (C % 4 !== 0) {
    throw new RangeError(`Cannot prune 2 of 4 in rows of ${C} weights`);
  }
  return inGroups(w, 4, 2);
}

/** Keeps the `keep` largest of each group of neighbours. */
function inGroups(w: Float32Array, group: number, keep: number): Float32Array {
  const pruned = new Float32Array(w.length);
  for (let from = 0; from < w.length; from += group) {
    [...w.subarray(from, from + group).keys()]
      .sort((i, j) => Math.abs(w[from + j]) - Math.abs(w[from + i]) || i - j)
      .slice(0, keep)
      .forEach((i) => pruned[from + i] = w[from + i]);
  }
  return pruned;
}

/** Weights of a 2:4 pattern: of each four, two and their places. */
export interface TwoOfFour {
  readonly C: number;
  readonly values: Float32Array; // (R · C / 2,)
  /** Two bits each, four a byte: the place within the four. */
  readonly places: Uint8Array; // (R · C / 8,)
}

/**
 * Stores what is left of rows that are pruned 2:4.
 * @param w (R, C), flat, at most two of each four not 0
 * @throws {RangeError} if more are, or C is no multiple of 4
 */
export function compress24(w: Float32Array, C: number): TwoOfFour {
  check(w, C);
  if (C % 4 !== 0) {
    throw new RangeError(`Cannot compress rows of ${C}: no multiple of 4`);
  }
  const values = new Float32Array(w.length / 2);
  const places = new Uint8Array(Math.ceil(values.length / 4));
  for (let from = 0; from < w.length; from += 4) {
    const kept = [0, 1, 2, 3].filter((i) => w[from + i] !== 0);
    if (kept.length > 2) {
      throw new RangeError(
        `Cannot compress rows of ${C}: ${kept.length} of 4 are not 0 at ${from}`,
      );
    }
    // Fewer than two: zeros fill up, at places that are free.
    for (let i = 0; kept.length < 2; i++) if (!kept.includes(i)) kept.push(i);
    kept.forEach((place, k) => {
      const at = from / 2 + k;
      values[at] = w[from + place];
      places[at >> 2] |= place << 2 * (at & 3);
    });
  }
  return { C, values, places };
}

/** W·x for x (C,): (R,). Multiplies half as often as without pruning. */
export function multiply24(w: TwoOfFour, x: Float32Array): Float32Array {
  if (x.length !== w.C) {
    throw new RangeError(
      `Cannot multiply rows of ${w.C} by ${x.length} numbers`,
    );
  }
  const half = w.C / 2;
  return Float32Array.from({ length: w.values.length / half }, (_, r) => {
    let sum = 0;
    for (let k = 0; k < half; k++) {
      const at = r * half + k;
      const place = w.places[at >> 2] >> 2 * (at & 3) & 3;
      sum += w.values[at] * x[(k >> 1) * 4 + place];
    }
    return sum;
  });
}

/** Bytes of (R, C) weights of f32, K of them not 0. */
export function bytes(R: number, C: number, K: number) {
  return {
    dense: 4 * R * C,
    /** With the column of each in 2 bytes, and where each row begins in 4. */
    indexed: 6 * K + 4 * (R + 1),
    /** Half the weights, and two bits for each. */
    twoOfFour: 2 * R * C + Math.ceil(R * C / 8),
  };
}

function check(w: Float32Array, C: number): void {
  if (!(Number.isInteger(C) && C > 0 && w.length % C === 0)) {
    throw new RangeError(`Cannot cut ${w.length} weights into rows of ${C}`);
  }
  const bad = w.findIndex(Number.isNaN);
  if (bad >= 0) throw new RangeError(`Cannot prune: weight ${bad} is NaN`);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [R, C] = [256, 256];
  const draw = () => random() + random() + random() - 1.5;
  const w = Float32Array.from({ length: R * C }, draw);
  const x = Float32Array.from({ length: C }, draw);
  const apply = (w: Float32Array) =>
    Array.from(
      { length: R },
      (_, r) => x.reduce((sum, xi, c) => sum + xi * w[r * C + c], 0),
    );
  const right = apply(w);
  const error = (y: ArrayLike<number>) => {
    const off = right.reduce((sum, v, r) => sum + (v - y[r]) ** 2, 0);
    const all = right.reduce((sum, v) => sum + v * v, 0);
    return `${(100 * Math.sqrt(off / all)).toFixed(1)} %`;
  };
  console.log("error of the outputs of a (256, 256) layer, 262144 bytes dense");
  for (const sparsity of [0.25, 0.5, 0.75, 0.9]) {
    const kept = prune(w, C, sparsity);
    const K = kept.filter((v) => v !== 0).length;
    console.log(
      `${100 * sparsity} % zeros`.padEnd(14),
      error(apply(kept)).padStart(7),
      `${bytes(R, C, K).indexed} bytes with indices`.padStart(28),
    );
  }
  const two = multiply24(compress24(prune24(w, C), C), x);
  console.log(
    "2 of 4        ",
    error(two).padStart(7),
    `${bytes(R, C, R * C / 2).twoOfFour} bytes`.padStart(15),
  );
}
