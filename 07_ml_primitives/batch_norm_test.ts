import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { batchNorm, batchStatistics, layerNorm } from "./batch_norm.ts";

const X = [[1, 5, 2], [3, 4, 8], [11, 0, 6], [13, 7, -4], [2, 2, 1]];

// Some ten roundings on numbers of about 1.
const close = (actual: number[][], expected: number[][]) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((row, b) => {
    assertEquals(actual[b].length, row.length);
    row.forEach((e, c) => assertAlmostEquals(actual[b][c], e, 1e-13));
  });
};

// Goldens: python3 -c "
// import numpy as np
// x = np.array([[1,5,2],[3,4,8],[11,0,6],[13,7,-4],[2,2,1.]])
// print(((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)).tolist())
// print(((x - x.mean(1)[:, None]) / np.sqrt(x.var(1) + 1e-5)[:, None]).tolist())"
Deno.test("batchNorm() golden: five rows of three channels", () =>
  close(batchNorm(X), [
    [-1.0040239587039588, 0.5793236260256147, -0.14367390159226648],
    [-0.6024143752223753, 0.16552103600731843, 1.2930651143303982],
    [1.0040239587039588, -1.4896893240658664, 0.8141521090228433],
    [1.4056335421855422, 1.4069288060622072, -1.580412917514931],
    [-0.803219166963167, -0.662084144029274, -0.38313040424604394],
  ]));

Deno.test("layerNorm() golden: five rows of three channels", () =>
  close(layerNorm(X), [
    [-0.9805789785364644, 1.3728105699510502, -0.3922315914145857],
    [-0.9258191078240388, -0.4629095539120194, 1.3887286617360581],
    [1.1859986134163827, -1.2601235267549067, 0.07412491333852385],
    [1.0890814548789758, 0.23675683801716868, -1.325838292896144],
    [0.7070908718209098, 0.7070908718209098, -1.41418174364182],
  ]));

const row = fc.array(fc.integer({ min: -99, max: 99 }), {
  minLength: 3,
  maxLength: 3,
});
const batch = fc.array(row, { minLength: 4, maxLength: 8 });
const halves = (
  x: number[][],
) => [x.slice(0, x.length / 2), x.slice(x.length / 2)];

Deno.test("layerNorm() of the parts is layerNorm() of the whole, to the last bit", () => {
  fc.assert(
    fc.property(
      batch,
      (x) =>
        assertEquals(
          halves(x).flatMap((part) => layerNorm(part)),
          layerNorm(x),
        ),
    ),
    { seed: 1 },
  );
});

Deno.test("batchNorm() of the parts is not batchNorm() of the whole", () => {
  const whole = batchNorm(X);
  const parts = halves(X).flatMap((part) => batchNorm(part));
  const distance = Math.max(
    ...whole.flat().map((v, i) => Math.abs(v - parts.flat()[i])),
  );
  assert(distance > 0.5, `the largest difference is ${distance}`);
});

Deno.test("the variance of the whole is that within the parts plus that of their means", () => {
  fc.assert(
    fc.property(batch, (x) => {
      const parts = halves(x);
      const all = batchStatistics(x);
      all.variance.forEach((expected, c) => {
        const total = parts.reduce((sum, part) => {
          const { mean, variance } = batchStatistics(part);
          const between = (mean[c] - all.mean[c]) ** 2;
          return sum + part.length * (variance[c] + between);
        }, 0);
        assertAlmostEquals(total / x.length, expected, 1e-9);
      });
    }),
    { seed: 1 },
  );
});

Deno.test("each channel of batchNorm() has mean 0 and variance 1 on its own", () => {
  const { mean, variance } = batchStatistics(batchNorm(X, 0));
  close([mean, variance], [[0, 0, 0], [1, 1, 1]]);
});

Deno.test("a batch of one row becomes zeros; without eps it is 0/0", () => {
  assertEquals(batchNorm([[3, -5]]), [[0, 0]]);
  assertEquals(batchNorm([[3, -5]], 0), [[NaN, NaN]]);
});

Deno.test("NaN spoils its channel in batchNorm(), its row in layerNorm()", () => {
  const x = [[NaN, 1], [2, 3]];
  assertEquals(batchNorm(x, 0), [[NaN, -1], [NaN, 1]]);
  assertEquals(layerNorm(x, 0), [[NaN, NaN], [-1, 1]]);
});

Deno.test("the rows are left unchanged", () => {
  const x = Object.freeze([Object.freeze([1, 2]), Object.freeze([3, 5])]);
  batchNorm(x), layerNorm(x);
});

Deno.test("no row is an error", () => {
  assertThrows(
    () => batchNorm([]),
    RangeError,
    "statistics of 0 rows: needs 1",
  );
});

Deno.test("a ragged row is an error", () => {
  assertThrows(
    () => batchStatistics([[1, 2], [3]]),
    RangeError,
    "Cannot take statistics: row 1 has 1 channels, not 2",
  );
});
