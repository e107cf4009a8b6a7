import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  linear,
  linearGrad,
  linearJacobian,
  type Matrix,
} from "./linear_grad.ts";

// Goldens; every number is a sum of a few eighths and sixteenths, so it is exact:
// python3 -c "
// import numpy as np
// x = (np.arange(6) * 7 % 11 - 4).reshape(2, 3) / 4
// w = (np.arange(15) * 5 % 13 - 6).reshape(3, 5) / 8
// dy = (np.arange(10) * 3 % 7 - 2).reshape(2, 5) / 2
// print((x @ w).tolist()); print((dy @ w.T).tolist()); print((x.T @ dy).tolist())"
const fill = (B: number, N: number, entry: (i: number) => number) =>
  Array.from(
    { length: B },
    (_, b) => Array.from({ length: N }, (_, n) => entry(b * N + n)),
  );
const X = fill(2, 3, (i) => (i * 7 % 11 - 4) / 4);
const W = fill(3, 5, (i) => (i * 5 % 13 - 6) / 8);
const DY = fill(2, 5, (i) => (i * 3 % 7 - 2) / 2);

Deno.test("linear() and linearGrad() golden: sizes 2, 3 and 5", () => {
  assertEquals(linear(X, W), [
    [1.15625, 0.03125, -0.28125, 0.21875, -0.09375],
    [-1.0625, -0.125, 0.8125, -0.6875, 0.25],
  ]);
  assertEquals(linearGrad(X, W, DY), {
    dx: [[1.875, -0.125, -0.5], [-0.25, -1.3125, -1.5625]],
    dw: [
      [0.25, 1, -3.5, 0.75, 1.5],
      [-1, 0.875, 1, 0.25, 2.125],
      [0.5, -0.625, 0, -0.25, -1.375],
    ],
  });
});

const size = fc.integer({ min: 1, max: 4 });
const problem = fc.tuple(size, size, size).chain(([B, N, M]) => {
  const matrix = (rows: number, columns: number) =>
    fc.array(
      fc.array(fc.double({ min: -2, max: 2, noNaN: true }), {
        minLength: columns,
        maxLength: columns,
      }),
      { minLength: rows, maxLength: rows },
    );
  return fc.tuple(matrix(B, N), matrix(N, M), matrix(B, M));
});
const assertAll = (check: (x: Matrix, w: Matrix, dy: Matrix) => void) =>
  fc.assert(fc.property(problem, (args) => check(...args)), { seed: 7 });
const close = (a: Matrix, b: Matrix, tolerance: number) => {
  assertEquals(a.map((row) => row.length), b.map((row) => row.length));
  a.forEach((row, i) =>
    row.forEach((v, j) => assertAlmostEquals(v, b[i][j], tolerance))
  );
};

Deno.test("gradients are what finite differences say, also where all is square", () => {
  assertAll((x, w, dy) => {
    const loss = (x: Matrix, w: Matrix) =>
      linear(x, w).reduce(
        (sum, row, b) => sum + row.reduce((s, y, m) => s + y * dy[b][m], 0),
        0,
      );
    const h = 1e-4;
    const differences = (at: Matrix, loss: (moved: Matrix) => number) =>
      at.map((row, i) =>
        row.map((v, j) => {
          const [up, down] = [h, -h].map((d) =>
            loss(at.with(i, row.with(j, v + d)))
          );
          return (up - down) / (2 * h);
        })
      );
    const { dx, dw } = linearGrad(x, w, dy);
    // The loss is linear in each entry, so only rounding is left: 64 · 2^−52 / h.
    close(dw, differences(w, (moved) => loss(x, moved)), 1e-9);
    close(dx, differences(x, (moved) => loss(moved, w)), 1e-9);
  });
});

Deno.test("dW is all of dY/dW weighted by dY", () => {
  assertAll((x, w, dy) => {
    const all = linearJacobian(x, w); // (B, M, N, M)
    const dw = w.map((row, n) =>
      row.map((_, k) =>
        all.reduce(
          (sum, rows, b) =>
            sum + rows.reduce((s, at, m) => s + at[n][k] * dy[b][m], 0),
          0,
        )
      )
    );
    close(linearGrad(x, w, dy).dw, dw, 1e-14 * 64);
  });
});

Deno.test("dY/dW has four indices, and is 0 where the columns differ", () => {
  const all = linearJacobian(X, W);
  assertEquals([all.length, all[0].length], [2, 5]);
  assertEquals([all[0][0].length, all[0][0][0].length], [3, 5]);
  all.forEach((rows, b) =>
    rows.forEach((at, m) =>
      at.forEach((row, n) =>
        row.forEach((v, k) => assertEquals(v, m === k ? X[b][n] : 0))
      )
    )
  );
});

Deno.test("an empty batch has a gradient of zeros by W", () => {
  assertEquals(linear([], W), []);
  assertEquals(linearGrad([], W, []), { dx: [], dw: fill(3, 5, () => 0) });
});

Deno.test("gradients of a batch are the sum of those of its rows", () => {
  const [first, second] = [0, 1].map((b) => linearGrad([X[b]], W, [DY[b]]).dw);
  const sum = first.map((row, n) => row.map((v, m) => v + second[n][m]));
  assertEquals(linearGrad(X, W, DY).dw, sum);
});

Deno.test("inputs stay as they are, and NaN is not lost", () => {
  const before = JSON.stringify([X, W, DY]);
  linearGrad(X, W, DY);
  assertEquals(JSON.stringify([X, W, DY]), before);
  const { dx, dw } = linearGrad([[NaN, 0]], [[0], [1]], [[0]]);
  assert(Number.isNaN(dw[0][0]));
  assertEquals(dx, [[0, 0]]);
});

Deno.test("shapes that do not fit are an error that names them", () => {
  for (
    const [call, line] of [
      [
        () => linear(X, W.slice(1)),
        "Cannot multiply x (2, 3) by w (2, 5): each row needs 2",
      ],
      [
        () => linear([[1, 2], [3]], [[1], [2]]),
        "Cannot multiply x (2, 2 or 1) by w (2, 1)",
      ],
      [
        () => linear(X, [[1], [2, 3], [4]]),
        "Cannot multiply by w (3, 1 or 2): needs equal rows",
      ],
      [() => linear(X, []), "Cannot multiply by w (0, ): needs equal rows"],
      [
        () => linearGrad(X, W, DY.slice(1)),
        "Cannot take dy (1, 5) back through x (2, 3) times w (3, 5): it must be (2, 5)",
      ],
      [() => linearGrad(X, W, X), "Cannot take dy (2, 3) back through"],
      [() => linearJacobian(X, DY), "Cannot multiply x (2, 3) by w (2, 5)"],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
});
