import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { EXACT, orthogonalise } from "./muon.ts";
import { powerOf, type Preconditioners, shampooStep } from "./shampoo.ts";

type Matrix = readonly (readonly number[])[];

const close = (actual: Matrix, expected: Matrix, tolerance: number) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((row, i) => {
    assertEquals(actual[i].length, row.length);
    row.forEach((e, j) => assertAlmostEquals(actual[i][j], e, tolerance));
  });
};
const transpose = (x: Matrix) => x[0].map((_, j) => x.map((row) => row[j]));
const multiply = (x: Matrix, y: Matrix) =>
  x.map((row) =>
    y[0].map((_, j) => row.reduce((sum, v, k) => sum + v * y[k][j], 0))
  );

// Goldens, with numpy's eigenvalues (LAPACK):
// python3 -c "
// import numpy as np
// def root(A, p=-.25, eps=1e-12):
//   w, Q = np.linalg.eigh(A)
//   return Q * np.maximum(w, eps * w.max()) ** p @ Q.T
// W = np.array([[1, 2, 3], [5, 8, 13.]]); L = R = 0
// for t in range(3):
//   G = np.array([[1, -2, t], [3, t * t, -4.]])
//   L = L + G @ G.T; R = R + G.T @ G
//   W = W - .1 * root(L) @ G @ root(R); print(W.tolist())
// A = np.array([[4, 1, -2], [1, 3, .5], [-2, .5, 5]])
// for p in (-.25, .5, -1): print(root(A, p).tolist())"
const STEPS: Matrix[] = [[[
  0.9653781923357904,
  2.0925228407595,
  2.9844805163792563,
], [4.942693027869606, 7.992240258189627, 13.081582457380755]], [[
  0.9230111988566022,
  2.145843523708142,
  2.9492682685675247,
], [4.895310591751308, 7.971310704965911, 13.132812024898424]], [[
  0.8808171037617722,
  2.174735581512805,
  2.906718571820925,
], [4.8550830346280724, 7.91982735239902, 13.162875915604298]]];
const POWERS: [power: number, expected: Matrix][] = [[-0.25, [
  [0.7510118628570569, -0.07320171705748907, 0.09615343927371839],
  [-0.073201717057489, 0.7808158570970939, -0.04573722122715509],
  [0.09615343927371835, -0.04573722122715511, 0.6983669618709922],
]], [0.5, [[1.912539359333971, 0.30038756300189146, -0.5019566823862318], [
  0.30038756300189146,
  1.6974949976381453,
  0.1681607712495924,
], [-0.5019566823862317, 0.1681607712495924, 2.1725011954014097]]], [-1, [
  [0.3687500000000005, -0.15000000000000038, 0.16250000000000034],
  [-0.15000000000000038, 0.40000000000000047, -0.10000000000000016],
  [0.16250000000000034, -0.1000000000000002, 0.2750000000000003],
]]];

Deno.test("shampooStep() golden: three steps of a (2, 3)", () => {
  let weight: Matrix = [[1, 2, 3], [5, 8, 13]];
  let seen: Preconditioners | undefined;
  STEPS.forEach((expected, t) => {
    const grad = [[1, -2, t], [3, t * t, -4]];
    ({ weight, seen } = shampooStep(weight, grad, seen, { lr: 0.1 }));
    // At first R has one direction unseen: 1e−16 of rounding times 1e−12^−¼.
    close(weight, expected, 1e-11);
  });
});

for (const [power, expected] of POWERS) {
  Deno.test(`powerOf() golden: a (3, 3) to the ${power}`, () =>
    // Some dozens of rotations, each rounding entries near 1.
    close(
      powerOf([[4, 1, -2], [1, 3, 0.5], [-2, 0.5, 5]], power),
      expected,
      1e-13,
    ));
}

const seed = { seed: 1 };
const matrix = fc.array(
  fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 4 }),
  { minLength: 3, maxLength: 3 },
).filter((G) => {
  const [[a, b, c], [, d, e], [, , f]] = multiply(G, transpose(G));
  const determinant = a * d * f + 2 * b * c * e - c * c * d - b * b * f -
    a * e * e;
  return determinant > 0.01 * a * d * f;
});
const first = (G: Matrix) =>
  shampooStep(G.map((row) => row.map(() => 0)), G, undefined, { lr: 1 })
    .weight.map((row) => row.map((v) => -v));

Deno.test("the first step is U·Vᵀ, which Muon gets by matrix products", () => {
  fc.assert(
    fc.property(matrix, (G) => {
      // Eigenvalues of L are squares: half their digits are those of G.
      close(first(G), orthogonalise(G, 30, EXACT), 1e-9);
      close(first(transpose(G)), transpose(first(G)), 1e-9);
    }),
    seed,
  );
});

Deno.test("a fourth power of the fourth root is the matrix", () => {
  fc.assert(
    fc.property(matrix, (G) => {
      const A = multiply(G, transpose(G));
      const root = powerOf(A, 1 / 4);
      const square = multiply(root, root);
      close(multiply(square, square), A, 1e-9);
    }),
    seed,
  );
});

Deno.test("a single weight is AdaGrad: g over the root of the sum of squares", () => {
  let weight: Matrix = [[0]];
  let seen: Preconditioners | undefined;
  for (const g of [3, -4]) {
    ({ weight, seen } = shampooStep(weight, [[g]], seen, { lr: 1 }));
  }
  close(weight, [[-1 + 4 / 5]], 1e-14);
});

Deno.test("L and R are sums over all steps, of G·Gᵀ and of Gᵀ·G", () => {
  const one = shampooStep([[0, 0]], [[1, 2]], undefined, { lr: 1 });
  const two = shampooStep([[0, 0]], [[3, -1]], one.seen, { lr: 1 });
  assertEquals(one.seen, { L: [[5]], R: [[1, 2], [2, 4]] });
  assertEquals(two.seen, { L: [[15]], R: [[10, -1], [-1, 5]] });
});

Deno.test("a turned gradient gives a turned step, as no step by entry does", () => {
  const [c, s] = [0.6, 0.8];
  const turn = [[c, -s], [s, c]];
  const G = [[1, 2], [-3, 5]];
  close(first(multiply(turn, G)), multiply(turn, first(G)), 1e-12);
});

Deno.test("a gradient of zeros moves nothing, first or later", () => {
  const zero = shampooStep([[1, 2]], [[0, 0]], undefined, { lr: 1 });
  assertEquals(zero.weight, [[1, 2]]);
  const later = shampooStep([[1, 2]], [[3, 4]], zero.seen, { lr: 1 });
  close(later.weight, [[1 - 0.6, 2 - 0.8]], 1e-11);
});

Deno.test("a matrix of 40 rows still comes apart exactly", () => {
  const A = Array.from(
    { length: 40 },
    (_, i) =>
      Array.from({ length: 40 }, (_, j) => Math.exp(-((i - j) ** 2) / 2)),
  );
  const root = powerOf(A, 1 / 2);
  close(multiply(root, root), A, 1e-11);
});

Deno.test("weight, gradient and preconditioners are left unchanged", () => {
  const frozen = (x: number[][]) =>
    Object.freeze(x.map((row) => Object.freeze(row)));
  const seen = { L: frozen([[5]]), R: frozen([[1, 2], [2, 4]]) };
  shampooStep(frozen([[1, 2]]), frozen([[3, 5]]), seen, { lr: 1 });
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "no weight",
    () => shampooStep([], [], undefined, { lr: 1 }),
    "Cannot step a (0, 0) weight",
  ],
  [
    "a gradient of another shape",
    () => shampooStep([[1, 2]], [[1], [2]], undefined, { lr: 1 }),
    "Cannot step a (1, 2) weight: its gradient is (2, 1)",
  ],
  [
    "a ragged gradient",
    () => shampooStep([[1], [2]], [[1], []], undefined, { lr: 1 }),
    "ragged",
  ],
  [
    "lr of NaN",
    () => shampooStep([[1]], [[1]], undefined, { lr: NaN }),
    "Cannot set lr to NaN",
  ],
  [
    "eps of 0",
    () => powerOf([[1]], 1, 0),
    "Cannot set eps to 0: needs above 0",
  ],
  [
    "a NaN gradient",
    () => shampooStep([[1]], [[NaN]], undefined, { lr: 1 }),
    "not finite",
  ],
  [
    "an Infinity",
    () => powerOf([[Infinity]], 1),
    "Cannot take a root: an entry is not finite",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}

Deno.test("eps is a part of the largest eigenvalue", () => {
  const [, [, small]] = powerOf([[1e6, 0], [0, 0]], -1 / 2, 1e-4);
  // (1e-4 · 1e6)^−½ = 0.1, after a few roundings.
  assert(Math.abs(small - 0.1) < 1e-12, `${small}`);
});
