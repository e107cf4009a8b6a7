#!/usr/bin/env -S deno run
/**
 * Q. What is Shampoo?
 *
 * A. Adam scales each entry of a weight matrix by itself; Shampoo scales the matrix
 * from both sides. It sums G·Gᵀ into L and Gᵀ·G into R and steps along
 * L^−¼ · G · R^−¼, two small matrices in place of the one of size M·N × M·N that
 * full-matrix AdaGrad needs. They are sums of squared gradients, as Adam's v is; no
 * second derivative is taken. After a single gradient U·S·Vᵀ the step is exactly
 * U·Vᵀ: the S of G is divided away, half from each side. That is Muon's step without
 * momentum. For a single weight it is AdaGrad.
 *
 * Shapes: M × N weights, L (M, M), R (N, N).
 * Time O(M³ + N³) a step; space O(M² + N²). In practice roots are taken rarely.
 * Trap: the exponent. −½ on both sides would turn S into 1/S.
 * Left out: grafting, blocks of large matrices, a decaying L and R (as SOAP has).
 * Source: Gupta, Koren, Singer (2018), arXiv:1802.09568.
 * Run: `deno run shampoo.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** The preconditioners so far: sums of G·Gᵀ (M, M) and of Gᵀ·G (N, N). */
export interface Preconditioners {
  readonly L: Matrix;
  readonly R: Matrix;
}

/**
 * One step of Shampoo.
 * @param weight (M, N); left unchanged
 * @param grad (M, N)
 * @param seen of the step before; none at first
 * @param eps the least eigenvalue that L and R are taken to have, relative to their
 * largest: a direction never seen has no root
 * @returns the new weight and preconditioners
 * @throws {RangeError} if sizes differ, lr is negative or NaN, eps is not above 0, or
 * a gradient is not finite
 */
export function shampooStep(
  weight: Matrix,
  grad: Matrix,
  seen: Preconditioners | undefined,
  { lr, eps = 1e-12 }: { lr: number; eps?: number },
): { weight: number[][]; seen: Preconditioners } {
  if (!(lr >= 0 && lr < Infinity)) {
    throw new RangeError(`Cannot set lr to ${lr}`);
  }
  const [M, N] = [weight.length, weight[0]?.length ?? 0];
  if (
    N === 0 || grad.length !== M ||
    [...weight, ...grad].some((row) => row.length !== N)
  ) {
    throw new RangeError(
      `Cannot step a (${M}, ${N}) weight: its gradient is (${grad.length}, ${
        grad[0]?.length ?? 0
      }), or has ragged rows`,
    );
  }
  const L = add(multiply(grad, transpose(grad)), seen?.L); // (M, M)
  const R = add(multiply(transpose(grad), grad), seen?.R); // (N, N)
  const left = powerOf(L, -1 / 4, eps);
  const right = powerOf(R, -1 / 4, eps);
  const step = multiply(multiply(left, grad), right); // (M, N)
  const moved = weight.map((row, i) => row.map((v, j) => v - lr * step[i][j]));
  return { weight: moved, seen: { L, R } };
}

/**
 * A symmetric matrix, positive semidefinite, to a real power: Q · λᵖ · Qᵀ.
 * @param A (N, N); left unchanged
 * @param eps eigenvalues below eps · the largest count as that; zeros give zeros
 * @throws {RangeError} if an entry is not finite, or eps is not above 0
 */
export function powerOf(A: Matrix, power: number, eps = 1e-12): number[][] {
  if (!(eps > 0)) {
    throw new RangeError(`Cannot set eps to ${eps}: needs above 0`);
  }
  if (A.flat().some((v) => !Number.isFinite(v))) {
    throw new RangeError("Cannot take a root: an entry is not finite");
  }
  const { values, vectors } = eigen(A);
  const largest = values.reduce((max, v) => Math.max(max, v), 0);
  if (largest === 0) return A.map((row) => row.map(() => 0));
  const powers = values.map((v) => Math.max(v, eps * largest) ** power);
  return vectors.map((a) =>
    vectors.map((b) => a.reduce((sum, v, k) => sum + v * powers[k] * b[k], 0))
  );
}

/** Jacobi's method: rotations that zero one off-diagonal pair each. */
function eigen(A: Matrix): { values: number[]; vectors: number[][] } {
  const N = A.length;
  const D = A.map((row) => [...row]);
  const vectors = A.map((_, i) => A.map((_, j) => i === j ? 1 : 0));
  const rotate = (x: number[], p: number, q: number, c: number, s: number) => {
    [x[p], x[q]] = [c * x[p] - s * x[q], s * x[p] + c * x[q]];
  };
  // It converges quadratically; a matrix of 100 rows takes about ten sweeps.
  for (let sweep = 0; sweep < 16; sweep++) {
    for (let p = 0; p < N; p++) {
      for (let q = p + 1; q < N; q++) {
        if (D[p][q] === 0) continue;
        const angle = Math.atan2(2 * D[p][q], D[q][q] - D[p][p]) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const row of D) rotate(row, p, q, c, s);
        for (let k = 0; k < N; k++) {
          [D[p][k], D[q][k]] = [
            c * D[p][k] - s * D[q][k],
            s * D[p][k] + c * D[q][k],
          ];
        }
        D[p][q] = D[q][p] = 0;
        for (const row of vectors) rotate(row, p, q, c, s);
      }
    }
  }
  return { values: D.map((row, i) => row[i]), vectors };
}

const add = (x: number[][], y: Matrix | undefined): number[][] =>
  x.map((row, i) => row.map((v, j) => v + (y?.[i][j] ?? 0)));

const transpose = (x: Matrix): number[][] =>
  x[0].map((_, j) => x.map((row) => row[j]));

const multiply = (x: Matrix, y: Matrix): number[][] =>
  x.map((row) =>
    y[0].map((_, j) => row.reduce((sum, v, k) => sum + v * y[k][j], 0))
  );

if (import.meta.main) {
  const show = (what: string, x: Matrix) =>
    console.log(
      what.padEnd(24),
      x.map((row) => row.map((v) => v.toFixed(3).padStart(8)).join("")).join(
        "   ",
      ),
    );
  // Steep (3) along (1, 1), flat (0.01) along (1, −1), on both sides.
  const G = [[1.505, 1.495], [1.495, 1.505]];
  const zeros = [[0, 0], [0, 0]];
  const by = (power: number) => {
    const left = powerOf(multiply(G, transpose(G)), power);
    return multiply(multiply(left, G), left);
  };
  show("gradient, S = 3, 0.01", G);
  console.log("first step");
  show("  Adam: the signs", G.map((row) => row.map(Math.sign)));
  show(
    "  Shampoo, −¼: S = 1, 1",
    shampooStep(zeros, G, undefined, { lr: 1 }).weight
      .map((row) => row.map((v) => -v)),
  );
  show("  −½: S = 0.333, 100", by(-1 / 2));
}
