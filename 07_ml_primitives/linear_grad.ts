#!/usr/bin/env -S deno run
/**
 * Q. Y = X·W, and a scalar loss depends on Y. What are its gradients by W and by X?
 *
 * A. dW = Xᵀ·dY and dX = dY·Wᵀ, where dY is the gradient by Y. To see it, take one
 * entry: Y[b][m] = Σₙ X[b][n]·W[n][m], so W[n][m] reaches the loss through column m of
 * Y alone, each row b of it with weight X[b][n]: dW[n][m] = Σ_b X[b][n]·dY[b][m]. The
 * shapes leave no other choice: dW is like W, (N, M), and only Xᵀ·dY is. "dY/dW = Xᵀ"
 * is loose talk: dY/dW has four indices, X[b][n] where the columns are equal and 0
 * elsewhere, and nobody stores it: a layer only needs its product with dY.
 *
 * Shapes: X (B, N), W (N, M), Y (B, M), and each gradient like its own.
 * Time O(B·N·M) for each; space O(N·M + B·N). The four indices would take B·M·N·M.
 * Trap: with B = N = M every wrong order and transpose has the right shape.
 * Left out: biases, whose gradient is the column sum of dY (backprop.ts).
 * Source: Petersen, Pedersen (2012), The Matrix Cookbook, 2.4.
 * Run: `deno run linear_grad.ts`
 * @module
 */

/** Rows of one length. */
export type Matrix = readonly (readonly number[])[];

/**
 * The gradients of a loss by the inputs of Y = X·W.
 * @param x (B, N); B may be 0
 * @param w (N, M)
 * @param dy (B, M) gradient of the loss by Y
 * @returns dx (B, N) and dw (N, M)
 * @throws {RangeError} if the shapes do not fit
 */
export function linearGrad(
  x: Matrix,
  w: Matrix,
  dy: Matrix,
): { dx: number[][]; dw: number[][] } {
  const [B, N, M] = shapes(x, w);
  if (dy.length !== B || dy.some((row) => row.length !== M)) {
    throw new RangeError(
      `Cannot take dy ${shape(dy)} back through x ${shape(x)} times w ${
        shape(w)
      }: it must be (${B}, ${M})`,
    );
  }
  const dx = zeros(B, N);
  const dw = zeros(N, M); // zeros for an empty batch
  for (let b = 0; b < B; b++) {
    for (let n = 0; n < N; n++) {
      for (let m = 0; m < M; m++) {
        dw[n][m] += x[b][n] * dy[b][m];
        dx[b][n] += dy[b][m] * w[n][m];
      }
    }
  }
  return { dx, dw };
}

/** Y = X·W, (B, M). @throws {RangeError} if the inner sizes differ */
export function linear(x: Matrix, w: Matrix): number[][] {
  const [, , M] = shapes(x, w);
  return x.map((row) =>
    Array.from(
      { length: M },
      (_, m) => row.reduce((sum, xn, n) => sum + xn * w[n][m], 0),
    )
  );
}

/**
 * All of dY/dW: entry [b][m][n][k] is ∂Y[b][m] / ∂W[n][k].
 * @returns (B, M, N, M), almost all of it zeros
 */
export function linearJacobian(x: Matrix, w: Matrix): number[][][][] {
  const [, N, M] = shapes(x, w);
  const all = Array.from({ length: M }, (_, m) => m);
  return x.map((row) =>
    all.map((m) =>
      Array.from({ length: N }, (_, n) => all.map((k) => k === m ? row[n] : 0))
    )
  );
}

/** B, N and M. */
function shapes(x: Matrix, w: Matrix): [number, number, number] {
  const [N, M] = [w.length, w[0]?.length ?? 0];
  if (M === 0 || w.some((row) => row.length !== M)) {
    throw new RangeError(`Cannot multiply by w ${shape(w)}: needs equal rows`);
  }
  if (x.some((row) => row.length !== N)) {
    throw new RangeError(
      `Cannot multiply x ${shape(x)} by w ${shape(w)}: each row needs ${N}`,
    );
  }
  return [x.length, N, M];
}

/** As in (2, 3), or (2, 3 or 4) if the rows differ. */
const shape = (x: Matrix) =>
  `(${x.length}, ${[...new Set(x.map((row) => row.length))].join(" or ")})`;

const zeros = (rows: number, columns: number) =>
  Array.from({ length: rows }, () => new Array<number>(columns).fill(0));

if (import.meta.main) {
  const x = [[1, 2, 3], [4, 5, 6]]; // (2, 3)
  const w = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]; // (3, 2)
  const dy = [[1, -1], [2, 0.5]]; // (2, 2)
  const loss = (x: Matrix, w: Matrix) =>
    linear(x, w).flat().reduce((sum, y, i) => sum + y * dy.flat()[i], 0);
  const h = 1e-5;
  const numeric = w.map((row, n) =>
    row.map((_, m) => {
      const at = (d: number) =>
        loss(x, w.with(n, w[n].with(m, w[n][m] + d) as number[]));
      return (at(h) - at(-h)) / (2 * h);
    })
  );
  const show = (name: string, rows: Matrix) =>
    console.log(
      name.padEnd(22),
      shape(rows),
      rows.map((row) => `[${row.map((v) => v.toFixed(3)).join(" ")}]`).join(""),
    );
  const { dx, dw } = linearGrad(x, w, dy);
  show("dw = xᵀ·dy", dw);
  show("by finite differences", numeric);
  show("dx = dy·wᵀ", dx);
  show('"dY/dW = xᵀ"', x[0].map((_, n) => x.map((row) => row[n])));
  const all = linearJacobian(x, w).flat(3);
  const nonzero = all.filter((v) => v !== 0).length;
  console.log(`dY/dW itself: ${all.length} numbers, ${nonzero} not 0`);
}
