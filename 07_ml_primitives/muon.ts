#!/usr/bin/env -S deno run
/**
 * Q. What is Muon, and how does it orthogonalise a matrix without an SVD?
 *
 * A. Muon takes the momentum of a weight matrix, U·S·Vᵀ, and steps along U·Vᵀ: every
 * direction equally far, where a plain step is nearly all along the largest few.
 * Newton–Schulz gets there with matrix products alone: X ← a·X + b·(X·Xᵀ)·X +
 * c·(X·Xᵀ)²·X is an odd polynomial of each singular value and leaves U and V. With
 * 3.4445, −4.775, 2.0315, five rounds bring every value above 0.002 of the norm into
 * 0.68 to 1.21: quick, and never quite 1. It keeps one number a weight, Adam two. It is often
 * called second order, but it estimates no curvature. Embeddings, gains and biases
 * are no matrices in this sense; they stay with AdamW.
 *
 * Shapes: M × N weights.
 * Time O(rounds · M·N · min(M, N)); space O(M·N).
 * Trap: not dividing by the Frobenius norm first: a singular value of 2 diverges.
 * Left out: bfloat16, sharding, the schedule of the learning rate.
 * Source: Jordan et al. (2024), https://kellerjordan.github.io/posts/muon/;
 * Bernstein, Newhouse (2024), arXiv:2409.20325.
 * Run: `deno run muon.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** a, b, c of a round: quick, and only near to orthogonal. */
export const QUICK = [3.4445, -4.775, 2.0315] as const;
/** Slower, and converges to U·Vᵀ itself. */
export const EXACT = [15 / 8, -10 / 8, 3 / 8] as const;

/**
 * Brings all singular values of G near 1 and keeps its singular vectors.
 *
 * A direction that G does not have (singular value 0) stays 0; zeros stay zeros.
 * @param G (M, N); left unchanged
 * @param rounds more of them come nearer only with EXACT
 * @returns (M, N)
 * @throws {RangeError} if G has no entry, is ragged, or holds NaN or ±Infinity
 */
export function orthogonalise(
  G: Matrix,
  rounds = 5,
  [a, b, c]: readonly [number, number, number] = QUICK,
): number[][] {
  const N = G[0]?.length ?? 0;
  if (N === 0) throw new RangeError("Cannot orthogonalise an empty matrix");
  if (!Number.isInteger(rounds) || rounds < 0) {
    throw new RangeError(`Cannot run ${rounds} rounds: needs 0 or more`);
  }
  // X·Xᵀ is the smaller one if X is wide.
  if (G.length > N) {
    return transpose(orthogonalise(transpose(G), rounds, [a, b, c]));
  }
  let norm = 0;
  G.forEach((row, m) => {
    if (row.length !== N) {
      throw new RangeError(
        `Cannot orthogonalise: row ${m} has ${row.length} entries, not ${N}`,
      );
    }
    for (const g of row) norm = Math.hypot(norm, g);
  });
  if (!Number.isFinite(norm)) {
    throw new RangeError(`Cannot orthogonalise: the norm is ${norm}`);
  }
  // No singular value is above the Frobenius norm.
  let X = G.map((row) => row.map((g) => norm === 0 ? 0 : g / norm));
  for (let round = 0; round < rounds; round++) {
    const A = multiply(X, transpose(X)); // (M, M)
    const AA = multiply(A, A);
    const B = A.map((row, i) => row.map((v, j) => b * v + c * AA[i][j]));
    const BX = multiply(B, X); // (M, N)
    X = X.map((row, i) => row.map((v, j) => a * v + BX[i][j]));
  }
  return X;
}

export interface MuonOptions {
  lr: number;
  /** How much of the momentum is kept, from 0 to below 1. */
  beta?: number;
  /** λ, decoupled as AdamW's. */
  weightDecay?: number;
}

/**
 * One step of Muon with Nesterov momentum, scaled by √max(1, M/N).
 * @param weight (M, N); left unchanged
 * @param grad (M, N)
 * @param momentum (M, N) of the step before; none at first
 * @returns the new weight and the new momentum
 * @throws {RangeError} if sizes differ, an option is out of range, or as orthogonalise
 */
export function muonStep(
  weight: Matrix,
  grad: Matrix,
  momentum: Matrix | undefined,
  { lr, beta = 0.95, weightDecay = 0 }: MuonOptions,
): { weight: number[][]; momentum: number[][] } {
  for (const [name, value] of Object.entries({ lr, beta, weightDecay })) {
    if (value >= 0 && value < (name === "beta" ? 1 : Infinity)) continue;
    throw new RangeError(`Cannot set ${name} to ${value}`);
  }
  const before = momentum ?? grad.map((row) => row.map(() => 0));
  for (const [name, x] of [["gradient", grad], ["momentum", before]] as const) {
    if (shape(x) === shape(weight)) continue;
    throw new RangeError(
      `Cannot step a ${shape(weight)} weight: its ${name} is ${shape(x)}`,
    );
  }
  const next = before.map((row, i) => row.map((v, j) => beta * v + grad[i][j]));
  // Nesterov looks one step ahead: the gradient counts once more.
  const ahead = next.map((row, i) => row.map((v, j) => beta * v + grad[i][j]));
  const step = orthogonalise(ahead);
  const scale = lr * Math.sqrt(Math.max(1, weight.length / weight[0].length));
  const moved = weight.map((row, i) =>
    row.map((v, j) => (1 - lr * weightDecay) * v - scale * step[i][j])
  );
  return { weight: moved, momentum: next };
}

const shape = (x: Matrix) => `(${x.length}, ${x[0]?.length ?? 0})`;

const transpose = (x: Matrix): number[][] =>
  x[0].map((_, j) => x.map((row) => row[j]));

const multiply = (x: Matrix, y: Matrix): number[][] =>
  x.map((row) =>
    y[0].map((_, j) => row.reduce((sum, v, k) => sum + v * y[k][j], 0))
  );

if (import.meta.main) {
  // Rotations left and right of diag(1, s): singular values of 1 and s.
  const turned = (s: number) => {
    const [u, v] = [0.5, 1.2];
    const left = [[Math.cos(u), -Math.sin(u)], [Math.sin(u), Math.cos(u)]];
    const right = [[Math.cos(v), Math.sin(v)], [-Math.sin(v), Math.cos(v)]];
    return multiply(multiply(left, [[1, 0], [0, s]]), right);
  };
  const values = (x: Matrix) => {
    const sum = Math.hypot(x[0][0] + x[1][1], x[0][1] - x[1][0]);
    const difference = Math.hypot(x[0][0] - x[1][1], x[0][1] + x[1][0]);
    return [(sum + difference) / 2, Math.abs(sum - difference) / 2]
      .map((v) => v.toFixed(3)).join("  ");
  };
  console.log(
    "singular values of  G             5 rounds      25 exact rounds",
  );
  for (const s of [0.5, 0.05, 0.005]) {
    const G = turned(s);
    console.log(
      "                   ",
      [G, orthogonalise(G), orthogonalise(G, 25, EXACT)].map(values).join("  "),
    );
  }
}
