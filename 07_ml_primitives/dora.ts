#!/usr/bin/env -S deno run
/**
 * Q. What is DoRA, and what does it add to LoRA?
 *
 * A. A matrix is split into lengths and directions, one length an output unit.
 * LoRA moves the directions, and the lengths are trained beside it, as a vector:
 * W′ = m ∘ V/‖V‖ by rows, where V = W + α/R · B·A. It begins with B = 0 and m the
 * lengths of W, hence as the base model. A row that LoRA turns changes its length
 * as well; here the two are free of each other. The gradient of a direction is
 * what is left of it at a right angle to V, times m/‖V‖.
 *
 * Shapes: W (OUT, IN), A (R, IN), B (OUT, R), m (OUT,); x (N, IN), y (N, OUT).
 * Time O(OUT·IN·(R + N)), because the lengths need B·A; space O(OUT·IN).
 * Trap: m is a vector. One scalar for all rows cannot keep the base model.
 * Left out: dropout; the constant ‖V‖ that saves memory in training.
 * Source: Liu et al. (2024), arXiv:2402.09353, which takes lengths of columns of
 * its matrix; an output unit each, as here, is what implementations do.
 * Run: `deno run dora.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** What is trained. */
export interface DoRA {
  /** (R, IN) */
  a: number[][];
  /** (OUT, R), zero at first. */
  b: number[][];
  /** (OUT,) the length of each row, of W at first. */
  magnitude: number[];
}

/** Below it a length counts as this much, so that a row of zeros gives 0, not NaN. */
const EPS = 1e-12;

/** (OUT,) the lengths of the rows. */
export const lengths = (w: Matrix): number[] =>
  w.map((row) => Math.hypot(...row));

/**
 * W′ = m ∘ V/‖V‖ with V = W + α/R · B·A, by rows.
 * @param weight (OUT, IN)
 * @returns (OUT, IN)
 * @throws {RangeError} if shapes do not fit
 */
export function doraWeight(
  weight: Matrix,
  dora: DoRA,
  alpha: number,
): number[][] {
  return direction(weight, dora, alpha).map((v, i) => {
    const factor = dora.magnitude[i] / Math.max(Math.hypot(...v), EPS);
    return v.map((vj) => factor * vj);
  });
}

/**
 * @param x (N, IN)
 * @returns (N, OUT)
 * @throws {RangeError} if shapes do not fit
 */
export function doraForward(
  x: Matrix,
  weight: Matrix,
  dora: DoRA,
  alpha: number,
): number[][] {
  checkWidth(x, weight[0]?.length ?? 0);
  const w = doraWeight(weight, dora, alpha);
  return x.map((row) => w.map((wi) => dot(wi, row)));
}

/**
 * The gradients of a loss by A, B and m, through the lengths too.
 * @param x (N, IN) as given to `doraForward`
 * @param dy (N, OUT) the gradient of the loss by what came out
 * @returns da (R, IN), db (OUT, R), dMagnitude (OUT,)
 * @throws {RangeError} if shapes do not fit
 */
export function doraBackward(
  x: Matrix,
  dy: Matrix,
  weight: Matrix,
  dora: DoRA,
  alpha: number,
): { da: number[][]; db: number[][]; dMagnitude: number[] } {
  const { a, b, magnitude } = dora;
  const scale = alpha / a.length;
  const v = direction(weight, dora, alpha); // (OUT, IN)
  checkWidth(x, v[0].length);
  checkWidth(dy, v.length);
  if (x.length !== dy.length) {
    throw new RangeError(
      `Cannot pair ${x.length} rows of x with ${dy.length} of dy`,
    );
  }
  const dMagnitude: number[] = [];
  const da = a.map((row) => row.map(() => 0));
  const db = b.map((row) => row.map(() => 0));
  v.forEach((vi, i) => {
    const length = Math.max(Math.hypot(...vi), EPS);
    const unit = vi.map((vij) => vij / length);
    const dw = vi.map((_, j) =>
      dy.reduce((sum, row, n) => sum + row[i] * x[n][j], 0)
    ); // (IN,)
    dMagnitude[i] = dot(dw, unit);
    // Along the unit vector only the length would change, and that is m's part.
    const dv = dw.map((d, j) =>
      magnitude[i] / length * (d - dMagnitude[i] * unit[j])
    );
    a.forEach((row, r) => {
      db[i][r] = scale * dot(dv, row);
      dv.forEach((d, j) => da[r][j] += scale * b[i][r] * d);
    });
  });
  return { da, db, dMagnitude };
}

/** V = W + α/R · B·A, (OUT, IN). */
function direction(
  weight: Matrix,
  { a, b, magnitude }: DoRA,
  alpha: number,
): number[][] {
  const [OUT, IN, R] = [weight.length, weight[0]?.length ?? 0, a.length];
  if (R === 0 || R > Math.min(OUT, IN)) {
    throw new RangeError(`Cannot adapt W (${OUT}, ${IN}) at rank ${R}`);
  }
  if (!(alpha >= 0 && alpha < Infinity)) {
    throw new RangeError(`Cannot scale by alpha ${alpha}: needs 0 or more`);
  }
  [weight, a].forEach((matrix) => checkWidth(matrix, IN));
  checkWidth(b, R);
  if (b.length !== OUT || magnitude.length !== OUT) {
    throw new RangeError(
      `Cannot adapt ${OUT} rows by ${b.length} of B and ${magnitude.length} magnitudes`,
    );
  }
  return weight.map((row, i) =>
    row.map((w, j) =>
      w + alpha / R * b[i].reduce((sum, bir, r) => sum + bir * a[r][j], 0)
    )
  );
}

const dot = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((sum, xi, i) => sum + xi * y[i], 0);

function checkWidth(x: Matrix, width: number): void {
  const odd = x.findIndex((row) => row.length !== width);
  if (odd < 0) return;
  throw new RangeError(
    `Cannot use a row of ${x[odd].length} numbers: needs ${width}`,
  );
}

if (import.meta.main) {
  const w = [[3, 4], [0.6, -0.8], [0, 5]]; // (OUT, IN)
  const show = (m: Matrix) =>
    m.map((row) => row.map((x) => x.toFixed(2)).join(" ")).join(" | ");
  const [a, b, zero] = [[[1, 2]], [[1], [-1], [0.5]], [[0], [0], [0]]];
  const magnitude = lengths(w);
  const mean = magnitude.map(() =>
    magnitude.reduce((sum, m) => sum + m, 0) / 3
  );
  console.log("the base                  :", show(w));
  console.log(
    "B = 0, m the lengths      :",
    show(doraWeight(w, { a, b: zero, magnitude }, 1)),
  );
  console.log(
    "B = 0, m one scalar       :",
    show(doraWeight(w, { a, b: zero, magnitude: mean }, 1)),
  );
  const turned = doraWeight(w, { a, b, magnitude }, 1);
  console.log("B trained                 :", show(turned));
  console.log(
    "its lengths, and the base's:",
    show([lengths(turned), magnitude]),
  );
}
