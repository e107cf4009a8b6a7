import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type DoRA,
  doraBackward,
  doraForward,
  doraWeight,
  lengths,
} from "./dora.ts";

type Matrix = readonly (readonly number[])[];

/** (rows, columns) of quarters between −1 and 1.5, in no order. */
const make = (rows: number, columns: number, step: number): number[][] =>
  Array.from(
    { length: rows },
    (_, i) =>
      Array.from(
        { length: columns },
        (_, j) => (i * columns + j) * step % 11 / 4 - 1,
      ),
  );
// A dozen operations on numbers near 5, each with 1e-16 of it as its error.
const close = (actual: Matrix, expected: Matrix, tolerance = 1e-12) => {
  assertEquals(actual.map((row) => row.length), expected.map((r) => r.length));
  expected.forEach((row, i) =>
    row.forEach((e, j) => assertAlmostEquals(actual[i][j], e, tolerance))
  );
};

const W = make(3, 5, 7);
const X = make(4, 5, 2);
const DY = make(4, 3, 9);
const dora = (): DoRA => ({
  a: make(2, 5, 5),
  b: make(3, 2, 3),
  magnitude: [2, 0.5, 3],
});
const fresh = (): DoRA => ({
  a: make(2, 5, 5),
  b: [[0, 0], [0, 0], [0, 0]],
  magnitude: lengths(W),
});

// Goldens; the slopes by a complex step, which has no rounding of a difference:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// W, x, dy, s = make(3, 5, 7), make(4, 5, 2), make(4, 3, 9), 3 / 2
// p = [make(2, 5, 5), make(3, 2, 3), np.array([2, 0.5, 3])]
// def f(A, B, m):
//     V = W + s * B @ A
//     return x @ (m[:, None] * V / np.sqrt((V * V).sum(axis=1, keepdims=True))).T
// print(f(*p).tolist())
// for i in range(3):
//     g = np.zeros(p[i].shape)
//     for k in np.ndindex(g.shape):
//         q = [z.astype(complex) for z in p]
//         q[i][k] += 1e-30j
//         g[k] = (f(*q) * dy).sum().imag / 1e-30
//     print(g.tolist())"
const FORWARD = [
  [-0.7447826216036812, 0.11968949203881868, -0.7876017113339726],
  [0.6584310133018051, -0.5984474601940935, 4.415342927175301],
  [0.9336767647640352, -0.7029221862957741, 4.89267729768074],
  [1.2089225162262653, 0.3752975597827365, -0.011933359262636056],
];
const DA = [
  [
    0.13378040671512836,
    4.7707250566944905,
    -0.8936137338228493,
    0.3971965440658312,
    -0.5931854425884551,
  ],
  [
    -1.1220687479692089,
    0.022754730503991426,
    -0.011008615589216104,
    0.45571125315987976,
    0.29281424671471273,
  ],
];
const DB = [
  [-2.7746792453501072, -3.0764684580237955],
  [0.6268740034137974, -0.2705345075049375],
  [5.481490391424472, -3.9808961435286943],
];
const DM = [1.1549527610375925, -1.1826944721801909, -0.4813121569263164];

Deno.test("doraForward() golden: m times the directions of W + alpha/R · B·A", () => {
  close(doraForward(X, W, dora(), 3), FORWARD);
});

Deno.test("doraBackward() golden: the slopes, through the lengths too", () => {
  const { da, db, dMagnitude } = doraBackward(X, DY, W, dora(), 3);
  close(da, DA);
  close(db, DB);
  close([dMagnitude], [DM]);
});

Deno.test("with B = 0 and m the lengths of W it is the base model", () => {
  close(doraWeight(W, fresh(), 16), W);
});

Deno.test("one scalar for all rows does not keep the base model", () => {
  const w = [[3, 4], [0.6, -0.8]];
  const given = { a: [[1, 2]], b: [[0], [0]] };
  close(doraWeight(w, { ...given, magnitude: [5, 1] }, 1), w);
  const same = doraWeight(w, { ...given, magnitude: [3, 3] }, 1);
  close(same, [[1.8, 2.4], [1.8, -2.4]]);
});

Deno.test("each row is as long as its magnitude, wherever it turns", () => {
  const numbers = (n: number) =>
    fc.array(fc.double({ min: -3, max: 3, noNaN: true }), {
      minLength: n,
      maxLength: n,
    });
  fc.assert(
    fc.property(numbers(6), numbers(3), ([...b], magnitude) => {
      const rows = [b.slice(0, 2), b.slice(2, 4), b.slice(4)];
      const w = doraWeight(W, { a: make(2, 5, 5), b: rows, magnitude }, 3);
      // The length of a direction is 1 but for rounding, unless V is all zeros.
      close([lengths(w)], [magnitude.map(Math.abs)]);
    }),
    { seed: 7 },
  );
});

Deno.test("at first B and m have gradients and A has none", () => {
  const { da, db, dMagnitude } = doraBackward(X, DY, W, fresh(), 3);
  assertEquals(da.flat().every((d) => d === 0), true);
  assertEquals([...db.flat(), ...dMagnitude].every((d) => d !== 0), true);
});

Deno.test("a row of zeros stays zero and is no NaN", () => {
  const w = [[0, 0], [3, 4]];
  const zero = { a: [[1, 2]], b: [[0], [0]], magnitude: lengths(w) };
  assertEquals(doraWeight(w, zero, 1), w);
  const { da, db, dMagnitude } = doraBackward([[1, 2]], [[1, 1]], w, zero, 1);
  for (const d of [...da.flat(), ...db.flat(), ...dMagnitude]) {
    assertEquals(Number.isFinite(d), true);
  }
});

Deno.test("alpha 0 leaves only the magnitudes", () => {
  close(doraWeight(W, { ...dora(), magnitude: lengths(W) }, 0), W);
});

Deno.test("NaN passes through, and what is passed in stays as it was", () => {
  assertEquals(doraForward([[NaN, 0, 0, 0, 0]], W, dora(), 3)[0][0], NaN);
  const [w, given, x] = structuredClone([W, dora(), X] as const);
  doraForward(x, w, given, 3);
  doraBackward(x, DY, w, given, 3);
  assertEquals([w, given, x], [W, dora(), X]);
});

Deno.test("shapes that do not fit are refused, with the numbers", () => {
  const bad: [change: Partial<DoRA>, alpha: number, message: string][] = [
    [{ a: [] }, 3, "Cannot adapt W (3, 5) at rank 0"],
    [{ a: make(4, 5, 3) }, 3, "Cannot adapt W (3, 5) at rank 4"],
    [{ a: make(2, 4, 3) }, 3, "Cannot use a row of 4 numbers: needs 5"],
    [{ b: make(3, 1, 3) }, 3, "Cannot use a row of 1 numbers: needs 2"],
    [
      { b: make(2, 2, 3) },
      3,
      "Cannot adapt 3 rows by 2 of B and 3 magnitudes",
    ],
    [
      { magnitude: [2] },
      3,
      "Cannot adapt 3 rows by 3 of B and 1 magnitudes",
    ],
    [{}, -1, "Cannot scale by alpha -1: needs 0 or more"],
  ];
  for (const [change, alpha, message] of bad) {
    assertThrows(
      () => doraForward(X, W, { ...dora(), ...change }, alpha),
      RangeError,
      message,
    );
  }
  assertThrows(() => doraForward([[1]], W, dora(), 3), RangeError, "needs 5");
  assertThrows(
    () => doraBackward(X, DY.slice(1), W, dora(), 3),
    RangeError,
    "Cannot pair 4 rows of x with 3 of dy",
  );
});
