import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { EXACT, muonStep, orthogonalise } from "./muon.ts";

type Matrix = readonly (readonly number[])[];

// Five rounds of some dozen roundings each, on entries of at most 1.2.
const close = (actual: Matrix, expected: Matrix, tolerance = 1e-12) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((row, i) => {
    assertEquals(actual[i].length, row.length);
    row.forEach((e, j) => assertAlmostEquals(actual[i][j], e, tolerance));
  });
};

// Goldens by another way: the polynomial on the singular values of numpy's SVD.
// python3 -c "
// import numpy as np
// def ortho(G):
//   U, s, V = np.linalg.svd(G, full_matrices=False); s = s / np.linalg.norm(G)
//   for _ in range(5): s = 3.4445 * s - 4.775 * s ** 3 + 2.0315 * s ** 5
//   return U * s @ V
// for G in ([[1, 2, -3], [4, 0, 5]], [[1, 2], [-3, 4], [0, 5]], [[7]]):
//   print(ortho(np.array(G, float)).tolist())
// W = np.array([[1, 2], [3, 5], [8, 13.]]); m = np.zeros((3, 2))
// for t in range(3):
//   g = np.array([[1, -2], [t, 4], [5, -t * t]])
//   m = .9 * m + g; W = (1 - .1 * .2) * W - .1 * (3 / 2) ** .5 * ortho(.9 * m + g)
// print(W.tolist())"
const GOLDEN: [G: Matrix, expected: Matrix][] = [[[[1, 2, -3], [4, 0, 5]], [[
  0.650570342292302,
  0.6565880859452419,
  -0.5820367547682613,
], [0.60270342111755, 0.1611381496598404, 0.4109607083697764]]], [[[1, 2], [
  -3,
  4,
], [0, 5]], [[0.5079668787114935, 0.3197871326018805], [
  -0.8277540113133735,
  0.2915009527932075,
], [0.34807331241055317, 0.6254311752994243]]], [[[7]], [[
  0.6964364094697522,
]]]];
for (const [G, expected] of GOLDEN) {
  Deno.test(`orthogonalise() golden: (${G.length}, ${G[0].length})`, () =>
    close(orthogonalise(G), expected));
}

Deno.test("muonStep() golden: three steps of a (3, 2), with decay", () => {
  let weight: Matrix = [[1, 2], [3, 5], [8, 13]];
  let momentum: Matrix | undefined;
  for (let t = 0; t < 3; t++) {
    const grad = [[1, -2], [t, 4], [5, -t * t]];
    const options = { lr: 0.1, beta: 0.9, weightDecay: 0.2 };
    ({ weight, momentum } = muonStep(weight, grad, momentum, options));
  }
  close(weight, [[0.8715801592947373, 2.033637980411489], [
    2.7753718518399175,
    4.404012785870908,
  ], [7.173361230493488, 12.304235098955845]]);
});

const seed = { seed: 1 };
const entry = fc.integer({ min: -9, max: 9 });
const wide = fc.array(fc.array(entry, { minLength: 3, maxLength: 3 }), {
  minLength: 2,
  maxLength: 2,
});
const gram = (x: Matrix) =>
  x.map((a) => x.map((b) => a.reduce((sum, v, k) => sum + v * b[k], 0)));
const transpose = (x: Matrix) => x[0].map((_, j) => x.map((row) => row[j]));
const independent = ([a, b]: Matrix) => {
  const [[aa, ab], [, bb]] = gram([a, b]);
  return aa * bb - ab * ab > 0.01 * aa * bb;
};

Deno.test("the quick rounds bring every singular value into 0.68 to 1.21", () => {
  fc.assert(
    fc.property(wide.filter(independent), (G) => {
      const [[a, b], [, d]] = gram(orthogonalise(G));
      const root = Math.hypot((a - d) / 2, b);
      const [low, high] = [(a + d) / 2 - root, (a + d) / 2 + root];
      assert(
        low > 0.68 ** 2 && high < 1.21 ** 2,
        `${low ** 0.5} ${high ** 0.5}`,
      );
    }),
    seed,
  );
});

Deno.test("25 exact rounds give orthonormal rows", () => {
  fc.assert(
    fc.property(
      wide.filter(independent),
      (G) => close(gram(orthogonalise(G, 25, EXACT)), [[1, 0], [0, 1]]),
    ),
    seed,
  );
});

Deno.test("a tall matrix comes out as its transpose, transposed", () => {
  fc.assert(
    fc.property(
      wide,
      (G) => close(orthogonalise(transpose(G)), transpose(orthogonalise(G))),
    ),
    seed,
  );
});

Deno.test("the size of the gradient is taken out, of 1e200 and of 1e−200 too", () => {
  const G = [[1, 2, -3], [4, 0, 5]];
  for (const factor of [1e-200, 1e-9, 3, 1e200]) {
    close(
      orthogonalise(G.map((row) => row.map((v) => v * factor))),
      orthogonalise(G),
    );
  }
});

Deno.test("directions that are not there stay away, and zeros stay zeros", () => {
  const [[a, b], [c, d]] = orthogonalise([[1, 2], [2, 4]], 25, EXACT);
  close([[a, b], [c, d]], [[0.2, 0.4], [0.4, 0.8]]);
  assertEquals(orthogonalise([[0, 0, 0], [0, 0, 0]]), [[0, 0, 0], [0, 0, 0]]);
});

Deno.test("no round only divides by the norm", () =>
  close(orthogonalise([[3, -4]], 0), [[0.6, -0.8]]));

Deno.test("the momentum is kept as a sum, and looks one step ahead", () => {
  const first = muonStep([[1, 2]], [[1, 0]], undefined, { lr: 1, beta: 0.5 });
  assertEquals(first.momentum, [[1, 0]]);
  const second = muonStep([[1, 2]], [[0, 3]], first.momentum, {
    lr: 1,
    beta: 0.5,
  });
  assertEquals(second.momentum, [[0.5, 3]]);
  // Along (0.25, 4.5), not along the momentum (0.5, 3).
  const [dx, dy] = [1 - second.weight[0][0], 2 - second.weight[0][1]];
  assertAlmostEquals(dx / dy, 0.25 / 4.5, 1e-12);
});

Deno.test("weight, gradient and momentum are left unchanged", () => {
  const frozen = () => Object.freeze([Object.freeze([1, 2])]);
  muonStep(frozen(), frozen(), frozen(), { lr: 0.1 });
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no matrix", () => orthogonalise([]), "an empty matrix"],
  ["no columns", () => orthogonalise([[]]), "an empty matrix"],
  [
    "a ragged row",
    () => orthogonalise([[1, 2], [3]]),
    "row 1 has 1 entries, not 2",
  ],
  ["NaN", () => orthogonalise([[1, NaN]]), "the norm is NaN"],
  ["Infinity", () => orthogonalise([[1, -Infinity]]), "the norm is Infinity"],
  ["half a round", () => orthogonalise([[1]], 0.5), "Cannot run 0.5 rounds"],
  [
    "beta of 1",
    () => muonStep([[1]], [[1]], undefined, { lr: 1, beta: 1 }),
    "Cannot set beta to 1",
  ],
  [
    "lr of NaN",
    () => muonStep([[1]], [[1]], undefined, { lr: NaN }),
    "Cannot set lr to NaN",
  ],
  [
    "a gradient of another shape",
    () => muonStep([[1, 2]], [[1]], undefined, { lr: 1 }),
    "Cannot step a (1, 2) weight: its gradient is (1, 1)",
  ],
  [
    "a momentum of another shape",
    () => muonStep([[1, 2]], [[1, 2]], [[1], [2]], { lr: 1 }),
    "its momentum is (2, 1)",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}

Deno.test("a wide weight is not scaled down", () => {
  const gradient = [[3, 1, 2]];
  const { weight } = muonStep([[0, 0, 0]], gradient, undefined, {
    lr: 1,
    beta: 0,
  });
  assertEquals(weight[0], orthogonalise(gradient)[0].map((x) => -x));
});
