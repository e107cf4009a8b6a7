import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  layerNorm,
  layerNormBackward,
  rmsNorm,
  rmsNormBackward,
} from "./rms_norm.ts";

type Matrix = readonly (readonly number[])[];

// A gradient is a difference of numbers of the size of its largest entry, each
// rounded about C + 5 times: a few 1e−16 of that entry.
const close = (actual: readonly number[], expected: readonly number[]) => {
  assertEquals(actual.length, expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((e, i) =>
    assertAlmostEquals(actual[i], e, 1e-13 * largest, `entry ${i}`)
  );
};
const closeRows = (actual: Matrix, expected: Matrix) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((row, b) => close(actual[b], row));
};

// Goldens, from automatic differentiation (jax 0.10.2):
// python3 -c "
// import jax; jax.config.update('jax_enable_x64', True); import jax.numpy as np
// x = np.array([[1, -2, 3.5, .25, 8], [1e-3, 2e-3, -1e-3, 0, 5e-4],
//   [101, 102, 103, 105, 108.]])
// gamma = np.array([1, .5, -2, 3, .75]); beta = np.array([.1, -.2, .3, 0, 1])
// dy = np.array([[1, 2, -1, .5, 3], [-2, 1, 0, 4, 1], [.5, -.25, 1, 2, -3.]])
// rms = lambda x, g: x / np.sqrt((x ** 2).mean(-1, keepdims=True) + 1e-6) * g
// ln = lambda x, g, b: ((x - x.mean(-1, keepdims=True))
//   / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * g + b)
// for f, a in (rms, (x, gamma)), (ln, (x, gamma, beta)):
//   y, vjp = jax.vjp(f, *a); print(y.tolist(), *(d.tolist() for d in vjp(dy)))"
const X = [
  [1, -2, 3.5, 0.25, 8],
  [1e-3, 2e-3, -1e-3, 0, 5e-4],
  [101, 102, 103, 105, 108],
];
const GAMMA = [1, 0.5, -2, 3, 0.75];
const BETA = [0.1, -0.2, 0.3, 0, 1];
const DY = [[1, 2, -1, 0.5, 3], [-2, 1, 0, 4, 1], [0.5, -0.25, 1, 2, -3]];
const RMS = {
  "y": [
    [
      0.24797410522974891,
      -0.24797410522974891,
      -1.7358187366082425,
      0.18598057892231168,
      1.4878446313784934,
    ],
    [0.6666666666666667, 0.6666666666666667, 1.3333333333333335, 0.0, 0.25],
    [
      0.97274701671822,
      0.49118908764979424,
      -1.984018667761914,
      3.033814953131082,
      0.7801238450908496,
    ],
  ],
  "dx": [[
    0.17363905904004995,
    0.3966441976091469,
    0.2357755487955514,
    0.3533773962971986,
    -0.03673863275065681,
  ], [
    -1296.2962962962965,
    407.40740740740745,
    -37.037037037037045,
    8000.000000000001,
    518.5185185185186,
  ], [
    0.0008679620915047585,
    -0.005190597340654321,
    -0.023288104999524044,
    0.05368299301381656,
    -0.02589132123888496,
  ]],
  "dgamma": [
    -0.5989857197444747,
    0.0958423685894407,
    0.12409996557683578,
    2.0535400652411067,
    3.164216478483908,
  ],
};
const LAYER = {
  "y": [[
    -0.23707082472247368,
    -0.8081930098253332,
    -0.49138367543537315,
    -1.670698870363565,
    2.285998472582481,
  ], [
    0.2507556722888818,
    0.026133508433322655,
    1.2045340337332906,
    -0.4522670168666454,
    1.0,
  ], [
    -1.0281512339287382,
    -0.5626200394770953,
    0.9446578479592855,
    1.4504801579083582,
    2.269170138169822,
  ]],
  "dx": [[
    -0.11654014824044001,
    -1.5876510713275227e-05,
    0.07946135696085183,
    0.05914345218002376,
    -0.022048784389722187,
  ], [
    -1264.2918880590314,
    -476.25087382169477,
    -729.7945044893596,
    2922.6042832367307,
    -452.2670168666454,
  ], [
    -0.036628178298799136,
    -0.26457389482864496,
    -0.9961585550766755,
    2.274878195378199,
    -0.97751756717408,
  ]],
  "dgamma": [
    -1.2026577862646064,
    -1.7991950026961394,
    -0.7180207616973293,
    0.08551427105611753,
    0.06731333765063674,
  ],
  "dbeta": [-0.5, 2.75, 0.0, 6.5, 1.0],
};

Deno.test("rmsNorm() golden: three rows, the second as small as eps", () =>
  closeRows(rmsNorm(X, GAMMA).y, RMS.y));

Deno.test("rmsNormBackward() golden: dx and dgamma", () => {
  const { dx, dgamma } = rmsNormBackward(DY, GAMMA, rmsNorm(X, GAMMA).saved);
  closeRows(dx, RMS.dx);
  close(dgamma, RMS.dgamma);
});

Deno.test("layerNorm() golden: three rows, the second as small as eps", () =>
  closeRows(layerNorm(X, GAMMA, BETA).y, LAYER.y));

Deno.test("layerNormBackward() golden: dx, dgamma and dbeta", () => {
  const { saved } = layerNorm(X, GAMMA, BETA);
  const { dx, dgamma, dbeta } = layerNormBackward(DY, GAMMA, saved);
  closeRows(dx, LAYER.dx);
  close(dgamma, LAYER.dgamma);
  close(dbeta, LAYER.dbeta);
});

const seed = { seed: 1 };
const ones = (x: readonly number[]) => x.map(() => 1);
const zeros = (x: readonly number[]) => x.map(() => 0);
// Integers that are not all the same, so that eps matters little.
const row = fc.array(fc.integer({ min: -99, max: 99 }), {
  minLength: 2,
  maxLength: 9,
}).filter((x) => new Set(x).size > 1);

Deno.test("rmsNorm() gives rows of mean square 1, not of sum of squares 1", () => {
  fc.assert(
    fc.property(row, (x) => {
      const [y] = rmsNorm([x], ones(x), 0).y;
      assertAlmostEquals(y.reduce((s, v) => s + v * v, 0), x.length, 1e-12);
    }),
    seed,
  );
});

Deno.test("layerNorm() is rmsNorm() of the centred row, and so has mean 0", () => {
  fc.assert(
    fc.property(row, (x) => {
      const mean = x.reduce((sum, v) => sum + v) / x.length;
      const [y] = layerNorm([x], ones(x), zeros(x), 1e-6).y;
      const [ofCentred] = rmsNorm([x.map((v) => v - mean)], ones(x)).y;
      close(y, ofCentred);
      assertAlmostEquals(y.reduce((sum, v) => sum + v), 0, 1e-12);
    }),
    seed,
  );
});

Deno.test("a shift of the row moves rmsNorm() and does not move layerNorm()", () => {
  fc.assert(
    fc.property(row, fc.integer({ min: 1, max: 999 }), (x, shift) => {
      const shifted = x.map((v) => v + shift);
      close(
        layerNorm([shifted], ones(x), zeros(x)).y[0],
        layerNorm([x], ones(x), zeros(x)).y[0],
      );
    }),
    seed,
  );
  // √(mean of 9 and 25) is √17, that of 169 and 225 is √197.
  close(rmsNorm([[3, 5]], [1, 1], 0).y[0], [3 / 17 ** 0.5, 5 / 17 ** 0.5]);
  close(
    rmsNorm([[13, 15]], [1, 1], 0).y[0],
    [13 / 197 ** 0.5, 15 / 197 ** 0.5],
  );
});

Deno.test("a factor of 2 to any power changes no bit, however far it takes the row", () => {
  const power = fc.constantFrom(-1000, -600, -1, 30, 600, 1000);
  fc.assert(
    fc.property(row, power, (x, k) => {
      const scaled = x.map((v) => v * 2 ** k);
      assertEquals(
        rmsNorm([scaled], ones(x), 0).y,
        rmsNorm([x], ones(x), 0).y,
      );
      assertEquals(
        layerNorm([scaled], ones(x), zeros(x), 0).y,
        layerNorm([x], ones(x), zeros(x), 0).y,
      );
    }),
    seed,
  );
});

Deno.test("the gradient is the slope that a small step finds", () => {
  const loss = (x: number[]) =>
    layerNorm([x], GAMMA, BETA).y[0].reduce((s, y, c) => s + y * DY[0][c], 0) +
    rmsNorm([x], GAMMA).y[0].reduce((s, y, c) => s + y * DY[0][c], 0);
  const sample = fc.array(fc.integer({ min: -9, max: 9 }), {
    minLength: 5,
    maxLength: 5,
  }).filter((x) => new Set(x).size > 1);
  fc.assert(
    fc.property(sample, fc.nat(4), (x, c) => {
      const h = 1e-5;
      const at = (d: number) => loss(x.map((v, i) => i === c ? v + d : v));
      const rms = rmsNormBackward([DY[0]], GAMMA, rmsNorm([x], GAMMA).saved);
      const layer = layerNorm([x], GAMMA, BETA).saved;
      const ln = layerNormBackward([DY[0]], GAMMA, layer);
      // The central difference is wrong by h² times a third derivative.
      assertAlmostEquals(
        rms.dx[0][c] + ln.dx[0][c],
        (at(h) - at(-h)) / (2 * h),
        1e-6,
      );
    }),
    seed,
  );
});

Deno.test("LayerNorm takes 7C operations and a second sum, RMSNorm 4C", () => {
  // The textbook forms, counting. x · rstd and · gamma are one operation each.
  let ops = 0;
  const count = (v: number) => (ops++, v);
  const sum = (x: number[]) => x.reduce((s, v) => count(s + v), 0);
  const rms = (x: number[], eps: number) => {
    const rstd = (sum(x.map((v) => count(v * v))) / x.length + eps) ** -0.5;
    return x.map((v) => count(v * rstd)).map((v, c) => count(v * GAMMA[c]));
  };
  const layer = (x: number[]) => {
    const mean = sum(x) / x.length;
    return rms(x.map((v) => count(v - mean)), 1e-5)
      .map((v, c) => count(v + BETA[c]));
  };
  close(rms(X[0], 1e-6), rmsNorm(X, GAMMA).y[0]);
  assertEquals(ops, 4 * 5);
  ops = 0;
  close(layer(X[0]), layerNorm(X, GAMMA, BETA).y[0]);
  assertEquals(ops, 7 * 5);
});

Deno.test("eps is inside the root: 1e−4 becomes 0.0995, not 0.990", () => {
  // 1e−4 / √(1e−8 + 1e−6) = 1 / √101
  close(rmsNorm([[1e-4, -1e-4]], [1, 1]).y[0], [101 ** -0.5, -(101 ** -0.5)]);
});

Deno.test("the usual eps differ: 1e−6 for RMSNorm, 1e−5 for LayerNorm", () => {
  close(rmsNorm([[1e-3, -1e-3]], [1, 1]).y[0], [0.5 ** 0.5, -(0.5 ** 0.5)]);
  close(
    layerNorm([[1e-3, -1e-3]], [1, 1], [0, 0]).y[0],
    [11 ** -0.5, -(11 ** -0.5)],
  );
});

Deno.test("gamma scales its own channel; it is no projection", () => {
  const { y } = rmsNorm([[3, -3, 3], [5, 5, -5]], [2, 0, -7], 0);
  assertEquals(y, [[2, -0, -7], [2, 0, 7]]);
});

Deno.test("a row of zeros stays zeros, and its gradient is finite", () => {
  const { y, saved } = rmsNorm([[0, 0]], [1, 2]);
  assertEquals(y, [[0, 0]]);
  closeRows(rmsNormBackward([[3, 5]], [1, 2], saved).dx, [[3e3, 1e4]]);
});

Deno.test("a constant row, and a single channel, become beta exactly", () => {
  assertEquals(layerNorm([[0.1, 0.1, 0.1]], [2, 3, 5], [7, 8, 9]).y[0], [
    7,
    8,
    9,
  ]);
  assertEquals(layerNorm([[41]], [2], [0.5]).y, [[0.5]]);
});

Deno.test("rows of 1e200 do not overflow to zeros, nor 1e−200 underflow", () => {
  assertEquals(rmsNorm([[1e200, -1e200]], [1, 1]).y, [[1, -1]]);
  assertEquals(rmsNorm([[1e-200, -1e-200]], [1, 1], 0).y, [[1, -1]]);
  assertEquals(rmsNorm([[5e-324, -5e-324]], [1, 1], 0).y, [[1, -1]]);
  assertEquals(
    layerNorm([[1.5e308, -1.5e308]], [1, 1], [0, 0]).y,
    [[1, -1]],
  );
  const f32 = [...Float32Array.of(1e20, -1e20)];
  assertEquals(rmsNorm([f32], [1, 1]).y, [[1, -1]]);
});

Deno.test("beside eps a row of 1e−200 is as good as 0", () => {
  close(rmsNorm([[1e-200, -1e-200]], [1, 1]).y[0], [1e-197, -1e-197]);
});

Deno.test("NaN and Infinity spoil their own row, all of it, and no other", () => {
  const x = [[1, NaN], [Infinity, 2], [-Infinity, 2], [3, -3]];
  const expected = [[NaN, NaN], [NaN, NaN], [NaN, NaN], [1, -1]];
  assertEquals(rmsNorm(x, [1, 1], 0).y, expected);
  assertEquals(layerNorm(x, [1, 1], [0, 0], 0).y, expected);
});

Deno.test("no rows give no rows", () => {
  assertEquals(rmsNorm([], [1, 1]).y, []);
  const { dx, dgamma } = rmsNormBackward([], [1, 1], rmsNorm([], [1, 1]).saved);
  assertEquals([dx, dgamma], [[], [0, 0]]);
});

Deno.test("the rows are left unchanged", () => {
  const x = Object.freeze([Object.freeze([3, 1, 2])]);
  const one = Object.freeze([1, 1, 1]);
  rmsNormBackward(x, one, rmsNorm(x, one).saved);
  layerNormBackward(x, one, layerNorm(x, one, one).saved);
});

Deno.test("backward keeps one array of the size of x and one number a row", () => {
  const { xhat, scale } = rmsNorm(X, GAMMA).saved;
  assertEquals([xhat.length, xhat[0].length, scale.length], [3, 5, 3]);
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no channels", () => rmsNorm([[]], []), "Cannot normalise 0 channels"],
  ["negative eps", () => rmsNorm(X, GAMMA, -1e-6), "with eps -0.000001"],
  ["eps of NaN", () => layerNorm(X, GAMMA, BETA, NaN), "with eps NaN"],
  [
    "a gamma of one number, which NumPy would broadcast",
    () => rmsNorm(X, [2]),
    "row 0 has length 5, not 1",
  ],
  [
    "a short beta",
    () => layerNorm(X, GAMMA, [1, 2]),
    "beta has length 2, not 5",
  ],
  [
    "a ragged row",
    () => rmsNorm([[1, 2], [3]], [1, 1]),
    "row 1 has length 1, not 2",
  ],
  [
    "a row of zeros without eps",
    () => rmsNorm([[1, 2], [0, 0]], [1, 1], 0),
    "Cannot normalise row 1: its length and eps are 0",
  ],
  [
    "a constant row without eps",
    () => layerNorm([[0.1, 0.1, 0.1]], [1, 1, 1], [0, 0, 0], 0),
    "Cannot normalise row 0: its length and eps are 0",
  ],
  [
    "a gradient of too few rows",
    () => rmsNormBackward([[1, 2]], [1, 1], rmsNorm([], [1, 1]).saved),
    "dy has length 1, not 0",
  ],
  [
    "a gradient of too many channels",
    () => rmsNormBackward([[1, 2]], [1], rmsNorm([[3]], [1]).saved),
    "row 0 of dy has length 2, not 1",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
