import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { logSoftmax, logSumExp, softmax, softmaxAxis } from "./softmax.ts";

// A share rounds about N + 3 times: a few 1e−16, relative to its size.
const close = (actual: readonly number[], expected: readonly number[]) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((e, i) => {
    if (!Number.isFinite(e)) return assertEquals(actual[i], e);
    assertAlmostEquals(actual[i], e, 1e-13 * Math.abs(e));
  });
};

// Goldens, with 60 digits:
// python3 -c "
// from decimal import *; getcontext().prec = 60
// for x in ([1,2,3], ...):
//     x = [Decimal(v) for v in x]; t = sum(v.exp() for v in x)
//     print([float(v.exp() / t) for v in x], [float(v - t.ln()) for v in x])"
const GOLDEN: [x: number[], shares: number[], logs: number[]][] = [
  [
    [1, 2, 3],
    [0.09003057317038046, 0.24472847105479764, 0.6652409557748219],
    [-2.40760596444438, -1.4076059644443804, -0.4076059644443803],
  ],
  [
    [-3.5, 0.25, 2, -1],
    [
      0.0033289445834557285,
      0.14155032560678588,
      0.8145658825262925,
      0.04055484728346595,
    ],
    [
      -5.705099967131672,
      -1.955099967131672,
      -0.20509996713167192,
      -3.205099967131672,
    ],
  ],
  [
    [1000, 1001, 1002],
    [0.09003057317038046, 0.24472847105479764, 0.6652409557748219],
    [-2.40760596444438, -1.4076059644443804, -0.4076059644443803],
  ],
  [
    [-1000, -1003],
    [0.9525741268224333, 0.04742587317756678],
    [-0.04858735157374206, -3.048587351573742],
  ],
  [[0, 0, 0, 3000], [0, 0, 0, 1], [-3000, -3000, -3000, 0]],
  [[0, -800], [1, 0], [0, -800]],
  [
    [0, -50],
    [1, 1.9287498479639178e-22],
    [-1.9287498479639178e-22, -50],
  ],
];
for (const [x, shares, logs] of GOLDEN) {
  Deno.test(`softmax() golden: ${x.join(", ")}`, () =>
    close(softmax(x), shares));
  Deno.test(`logSoftmax() golden: ${x.join(", ")}`, () =>
    close(logSoftmax(x), logs));
}

const logits = fc.array(fc.double({ min: -40, max: 40, noNaN: true }), {
  minLength: 1,
  maxLength: 20,
});
const seed = { seed: 1 };

Deno.test("softmax() gives shares that sum to 1", () => {
  fc.assert(
    fc.property(logits, (x) => {
      const shares = softmax(x);
      assertAlmostEquals(shares.reduce((a, b) => a + b), 1, 1e-14);
      assertEquals(shares.every((p) => p >= 0 && p <= 1), true);
    }),
    seed,
  );
});

Deno.test("softmax() is e^x over the sum of e^x while that cannot overflow", () => {
  fc.assert(
    fc.property(logits, (x) => {
      const total = x.reduce((sum, xi) => sum + Math.exp(xi), 0);
      close(softmax(x), x.map((xi) => Math.exp(xi) / total));
      // The twin takes a difference of numbers up to 43, so the error is absolute.
      logSoftmax(x).forEach((l, i) =>
        assertAlmostEquals(l, x[i] - Math.log(total), 1e-13)
      );
      assertAlmostEquals(logSumExp(x), Math.log(total), 1e-13);
    }),
    seed,
  );
});

Deno.test("a shift of all logits changes no share, wherever it takes them", () => {
  // Integers and shifts by a power of 2 are exact, so the results are the same bits.
  const integers = fc.array(fc.integer({ min: -99, max: 99 }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(
      integers,
      fc.constantFrom(-(2 ** 40), 1024, 2 ** 40),
      (x, c) => {
        const shifted = x.map((xi) => xi + c);
        assertEquals(softmax(shifted), softmax(x));
        assertEquals(logSoftmax(shifted), logSoftmax(x));
      },
    ),
    seed,
  );
});

Deno.test("softmax() is not dragged into overflow by one logit far above the mean", () => {
  assertEquals(softmax([0, 0, 0, 3000]), [0, 0, 0, 1]);
});

Deno.test("equal and very large logits share equally", () => {
  assertEquals(softmax([1e308, 1e308]), [0.5, 0.5]);
  assertEquals(softmax([1e308, -1e308]), [1, 0]);
});

Deno.test("logSoftmax() keeps −800, whose share is too small to write", () => {
  assertEquals(softmax([0, -800]).map(Math.log), [0, -Infinity]);
  assertEquals(logSoftmax([0, -800]), [0, -800]);
});

Deno.test("logSoftmax() does not round log 2 away beside logits of 1e17", () => {
  assertEquals(logSoftmax([1e17, 1e17]), [-Math.LN2, -Math.LN2]);
});

Deno.test("logSoftmax() of logits from float32 is as good near 1e6 as near 0", () => {
  const x = Float32Array.of(1e6, 1e6 + 0.0625, 1e6 - 1);
  close(logSoftmax([...x]), logSoftmax([0, 0.0625, -1]));
});

Deno.test("−Infinity among others gets exactly 0", () => {
  close(softmax([2, -Infinity, 2]), [0.5, 0, 0.5]);
  close(logSoftmax([2, -Infinity, 2]), [-Math.LN2, -Infinity, -Math.LN2]);
});

Deno.test("all masked: shares of 0, not NaN", () => {
  assertEquals(softmax([-Infinity, -Infinity]), [0, 0]);
  assertEquals(logSoftmax([-Infinity]), [-Infinity]);
  assertEquals(logSumExp([-Infinity, -Infinity]), -Infinity);
});

Deno.test("NaN is let through, not hidden", () => {
  assertEquals(softmax([1, NaN, 3]), [NaN, NaN, NaN]);
  assertEquals(logSoftmax([NaN, Infinity]), [NaN, NaN]);
  assertEquals(logSumExp([1, NaN]), NaN);
});

Deno.test("a single logit has it all, and −0 is a logit", () => {
  assertEquals(softmax([-7]), [1]);
  assertEquals(logSumExp([-7]), -7);
  assertEquals(softmax([-0, 0]), [0.5, 0.5]);
});

Deno.test("200,000 logits do not overflow the stack", () => {
  const shares = softmax(new Array(200_000).fill(3));
  assertEquals(shares[199_999], 1 / 200_000);
});

Deno.test("the logits are left unchanged", () => {
  const x = Object.freeze([3, 1, 2]) as number[];
  softmax(x), logSoftmax(x), logSumExp(x);
  const flat = Float64Array.of(3, 1, 2);
  softmaxAxis(flat, [3]);
  assertEquals(flat, Float64Array.of(3, 1, 2));
});

// Golden: python3 -c "
// import numpy as np
// x = np.arange(12.) ** 2 % 7 / 4
// for shape, axis in (((2, 6), -1), ((2, 6), 0), ((2, 3, 2), -1), ((2, 3, 2), 1)):
//     e = np.exp(x.reshape(shape)); print((e / e.sum(axis=axis, keepdims=True)).ravel()[:4])"
const FLAT = Float64Array.from({ length: 12 }, (_, i) => i ** 2 % 7 / 4);
const AXES: [shape: number[], axis: number, first: number[]][] = [
  [[2, 6], -1, [
    0.0907603131795377,
    0.11653854894906579,
    0.2467121100611893,
    0.14963845887450897,
  ]],
  [[2, 6], 0, [
    0.43782349911420193,
    0.5621765008857981,
    0.679178699175393,
    0.3775406687981454,
  ]],
  [[2, 3, 2], -1, [
    0.43782349911420193,
    0.5621765008857981,
    0.6224593312018545,
    0.3775406687981454,
  ]],
  [[2, 3, 2], 1, [
    0.18632372322584756,
    0.22721977301778057,
    0.506480391055654,
    0.29175596372884977,
  ]],
];
for (const [shape, axis, first] of AXES) {
  Deno.test(`softmaxAxis() golden: (${shape.join(", ")}) along ${axis}`, () => {
    close([...softmaxAxis(FLAT, shape, axis)].slice(0, 4), first);
    assertEquals(
      softmaxAxis(FLAT, shape, axis),
      softmaxAxis(FLAT, shape, axis < 0 ? axis + shape.length : axis),
    );
  });
}

Deno.test("softmaxAxis() makes rows sum to 1, not columns, if not told otherwise", () => {
  const out = softmaxAxis(FLAT, [3, 4]); // (B, V)
  for (let b = 0; b < 3; b++) {
    const row = out.slice(b * 4, b * 4 + 4);
    close([...row], softmax([...FLAT.slice(b * 4, b * 4 + 4)]));
  }
});

Deno.test("softmaxAxis(): a bad row spoils only itself", () => {
  const x = Float32Array.of(1, NaN, -Infinity, -Infinity, 5, 5);
  assertEquals(
    softmaxAxis(x, [3, 2]),
    Float64Array.of(NaN, NaN, 0, 0, 0.5, 0.5),
  );
});

Deno.test("softmaxAxis() of no rows is no rows", () => {
  assertEquals(softmaxAxis(new Float64Array(0), [0, 3]), new Float64Array(0));
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no logits", () => softmax([]), "needs 1, got 0"],
  ["no logits", () => logSoftmax([]), "needs 1, got 0"],
  ["no logits", () => logSumExp([]), "needs 1, got 0"],
  ["rows of none", () => softmaxAxis(FLAT.slice(0, 0), [2, 0]), "got 0"],
  ["+Infinity", () => softmax([1, Infinity]), "softmax of +Infinity, at 1"],
  [
    "a shape that does not fit",
    () => softmaxAxis(FLAT, [2, 5]),
    "Cannot read 12 numbers as (2, 5): that is 10",
  ],
  [
    "an axis that is not there",
    () => softmaxAxis(FLAT, [3, 4], 2),
    "Cannot normalise along axis 2: there are 2 axes",
  ],
  ["an axis of −3", () => softmaxAxis(FLAT, [3, 4], -3), "axis -3"],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
