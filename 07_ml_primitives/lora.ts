#!/usr/bin/env -S deno run
/**
 * Q. Implement the forward pass of LoRA. Why does B begin at zero?
 *
 * A. W stays as it is, and what is learned is a detour through R numbers:
 * y = W·x + α/R · B·(A·x). From the right, so that the OUT × IN matrix B·A is
 * never made, and gradients exist for A and B only. B begins at zero so that the
 * first output is the base model's. A must not, because the gradient of B holds
 * A·x, and that of A holds B: with both at zero nothing ever moves. To deploy,
 * add α/R · B·A to W once, and the detour costs nothing.
 *
 * Shapes: W (OUT, IN), A (R, IN), B (OUT, R); x (N, IN), y (N, OUT).
 * Time O(N·(OUT·IN + R·(IN + OUT))); R·(IN + OUT) numbers to train.
 * Trap: α/R at the merge only, so that the merged model is not the trained one.
 * Left out: dropout, several adapters at once, DoRA (dora.ts).
 * Source: Hu et al. (2021), arXiv:2106.09685, B = 0 in section 4.1; A as in its
 * code: He et al. (2015), arXiv:1502.01852, with a slope of √5.
 * Run: `deno run lora.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** What is trained: A (R, IN) and B (OUT, R). */
export interface Adapter {
  a: number[][];
  b: number[][];
}

/**
 * A between ±1/√IN, so that A·x is as large whatever IN is, and B zero.
 * @param random uniform between 0 and 1
 * @throws {RangeError} if R is no whole number from 1 to min(OUT, IN)
 */
export function initAdapter(
  OUT: number,
  IN: number,
  R: number,
  random: () => number,
): Adapter {
  checkRank(R, OUT, IN);
  const row = () =>
    Array.from({ length: IN }, () => (2 * random() - 1) / Math.sqrt(IN));
  const zeros = () => new Array<number>(R).fill(0);
  return {
    a: Array.from({ length: R }, row),
    b: Array.from({ length: OUT }, zeros),
  };
}

/** Whether A and B are both zero: then both gradients are, and stay so. */
export const isStuck = ({ a, b }: Adapter): boolean =>
  [...a, ...b].every((row) => row.every((x) => x === 0));

/** A linear layer with a frozen matrix and an adapter beside it. */
export class LoRALinear {
  /** α/R, the weight of the detour, in training and at the merge. */
  readonly scale: number;
  /** Whether the detour is in the matrix already. */
  merged = false;
  #weight: Matrix; // (OUT, IN)

  /**
   * @param weight (OUT, IN), never written to
   * @throws {RangeError} if shapes do not fit, R > min(OUT, IN), or alpha < 0
   */
  constructor(weight: Matrix, readonly adapter: Adapter, alpha: number) {
    const [OUT, IN] = shape(weight);
    const [[R, aIn], [bOut, bR]] = [shape(adapter.a), shape(adapter.b)];
    checkRank(R, OUT, IN);
    if (aIn !== IN || bOut !== OUT || bR !== R) {
      const ba = `B (${bOut}, ${bR}) and A (${R}, ${aIn})`;
      throw new RangeError(`Cannot adapt W (${OUT}, ${IN}) by ${ba}`);
    }
    if (!(alpha >= 0 && alpha < Infinity)) {
      throw new RangeError(`Cannot scale by alpha ${alpha}: needs 0 or more`);
    }
    this.scale = alpha / R;
    this.#weight = weight;
  }

  /**
   * @param x (N, IN)
   * @returns (N, OUT)
   * @throws {RangeError} if a row is not IN wide
   */
  forward(x: Matrix): number[][] {
    checkWidth("x", x, this.adapter.a[0].length);
    const y = apply(this.#weight, x); // (N, IN) → (N, OUT)
    if (this.merged) return y;
    const hidden = apply(this.adapter.a, x); // (N, IN) → (N, R)
    return plus(y, this.scale, apply(this.adapter.b, hidden));
  }

  /**
   * The gradients of a loss by A, B and x, summed over N; for W there is none.
   * @param x (N, IN) as given to `forward`
   * @param dy (N, OUT) the gradient of the loss by what came out
   * @throws {RangeError} if shapes do not fit, or the adapter is merged
   */
  backward(x: Matrix, dy: Matrix): Record<"da" | "db" | "dx", number[][]> {
    const { a, b } = this.adapter;
    if (this.merged) throw new RangeError("Cannot train: A and B are merged");
    checkWidth("x", x, a[0].length);
    checkWidth("dy", dy, b.length);
    if (x.length !== dy.length || x.length === 0) {
      const [N, M] = [x.length, dy.length];
      throw new RangeError(`Cannot pair ${N} rows of x with ${M} of dy`);
    }
    const detour = dy.map((row) => row.map((d) => d * this.scale)); // (N, OUT)
    const hidden = times(detour, b); // (N, OUT) · (OUT, R) = (N, R)
    return {
      da: times(transpose(hidden), x), // (R, N) · (N, IN)
      db: times(transpose(detour), apply(a, x)), // (OUT, N) · (N, R)
      dx: plus(times(dy, this.#weight), 1, times(hidden, a)), // (N, IN)
    };
  }

  /** W + α/R · B·A (OUT, IN), a copy. @throws {RangeError} if it was done */
  merge(): number[][] {
    if (this.merged) throw new RangeError("Cannot merge: it is merged already");
    this.merged = true;
    this.#weight = plus(this.#weight, this.scale, this.#delta());
    return this.#weight.map((row) => [...row]);
  }

  /** Takes it out: a copy of W, but for rounding. @throws {RangeError} if it is not merged */
  unmerge(): number[][] {
    if (!this.merged) throw new RangeError("Cannot unmerge: it is not merged");
    this.merged = false;
    this.#weight = plus(this.#weight, -this.scale, this.#delta());
    return this.#weight.map((row) => [...row]);
  }

  #delta = () => times(this.adapter.b, this.adapter.a); // (OUT, R) · (R, IN)
}

/** Each row of x (N, K) through w (M, K): (N, M), and no copy of w. */
const apply = (w: Matrix, x: Matrix): number[][] =>
  x.map((xn) => w.map((wm) => wm.reduce((sum, wk, k) => sum + wk * xn[k], 0)));

/** (M, K) · (K, P) = (M, P), row by row. */
function times(x: Matrix, y: Matrix): number[][] {
  return x.map((row) => {
    const out = new Array<number>(y[0].length).fill(0);
    row.forEach((xk, k) => y[k].forEach((ykp, p) => out[p] += xk * ykp));
    return out;
  });
}

const plus = (x: Matrix, factor: number, y: Matrix): number[][] =>
  x.map((row, i) => row.map((xij, j) => xij + factor * y[i][j]));

const transpose = (x: Matrix): number[][] =>
  (x[0] ?? []).map((_, j) => x.map((row) => row[j]));

function shape(x: Matrix): [rows: number, columns: number] {
  if (x.length === 0) throw new RangeError("Cannot adapt: a matrix has no row");
  checkWidth("a matrix", x, x[0].length);
  return [x.length, x[0].length];
}

function checkWidth(name: string, x: Matrix, width: number): void {
  const odd = x.findIndex((row) => row.length !== width);
  if (odd < 0) return;
  const found = `row ${odd} has ${x[odd].length} numbers`;
  throw new RangeError(`Cannot use ${name}: ${found}, not ${width}`);
}

function checkRank(R: number, OUT: number, IN: number): void {
  if (Number.isInteger(R) && R >= 1 && R <= Math.min(OUT, IN)) return;
  throw new RangeError(`Cannot adapt W (${OUT}, ${IN}) at rank ${R}`);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const rms = (x: Matrix) =>
    (Math.hypot(...x.flat()) / Math.sqrt(x.flat().length)).toFixed(3);
  const draw = (rows: number, columns: number) =>
    initAdapter(rows, columns, rows, random).a;
  const [w, x, a, b] = [draw(5, 64), draw(3, 64), draw(4, 64), draw(4, 5)];
  const fresh = new LoRALinear(w, { a, b: w.map(() => [0, 0, 0, 0]) }, 16);
  const layer = new LoRALinear(w, { a, b: transpose(b) }, 16);
  const off = (y: Matrix) => rms(plus(y, -1, apply(w, x)));
  console.log("R 4, alpha 16: how far from the base model is the output?");
  console.log("  B zero             :", off(fresh.forward(x)));
  console.log("  B trained          :", off(layer.forward(x)));
  const naive = plus(w, 1, times(transpose(b), a));
  console.log("  merged without α/R :", off(apply(naive, x)));
  console.log("  merged with it     :", off(apply(layer.merge(), x)));
  const { da, db } = fresh.backward(x, fresh.forward(x));
  console.log("first gradients, of A:", rms(da), "and of B:", rms(db));
}
