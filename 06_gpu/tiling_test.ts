import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { lehmer, randomFloats, UNIT } from "./testing.ts";
import { errorOf, type Matrix, multiplyOnCpu } from "./tiling.ts";

/** A matrix of numbers from −1 to 1. */
function randomMatrix(rows: number, columns: number, random: () => number) {
  return { rows, columns, data: randomFloats(rows * columns, random) };
}

const f32 = (rows: number, columns: number, data: number[]) => ({
  rows,
  columns,
  data: Float32Array.from(data),
});

Deno.test("a product is NumPy's product", () => {
  // python3 -c "import numpy as np; a = np.arange(6).reshape(2, 3) / 4 - 0.5;
  // b = 1.5 - np.arange(15).reshape(3, 5) / 8; print((a @ b).ravel().tolist())"
  const a = f32(2, 3, Array.from({ length: 6 }, (_, i) => i / 4 - 0.5));
  const b = f32(3, 5, Array.from({ length: 15 }, (_, i) => 1.5 - i / 8));
  const right = [
    -0.96875,
    -0.875,
    -0.78125,
    -0.6875,
    -0.59375,
    1.0,
    0.8125,
    0.625,
    0.4375,
    0.25,
  ];
  for (const tile of [[1, 1], [2, 3], [16, 16], [3, 1]] as const) {
    const c = multiplyOnCpu(a, b, [...tile], 2);
    assertEquals([c.rows, c.columns], [2, 5]);
    assertEquals([...c.data], right);
  }
});

Deno.test("a product is the same bit for bit in tiles of any size", () => {
  const sizes = fc.integer({ min: 1, max: 20 });
  const seeds = fc.integer({ min: 1, max: 1e9 });
  fc.assert(
    fc.property(
      ...[sizes, sizes, sizes, sizes, sizes, sizes, seeds] as const,
      (M, K, N, rows, columns, depth, seed) => {
        const random = lehmer(seed);
        const a = randomMatrix(M, K, random);
        const b = randomMatrix(K, N, random);
        const c = multiplyOnCpu(a, b, [rows, columns], depth);
        assertEquals(c.data, multiplyOnCpu(a, b, [1, 1], 1).data);
        assert(errorOf(a, b, c) <= 1);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("a tile is read once for each that it meets, and nothing beyond the edge", () => {
  // a (5, 3) meets ⌈7 / C⌉ columns of tiles, b (3, 7) meets ⌈5 / R⌉ rows
  const cases: [tile: [number, number], depth: number, reads: number][] = [
    [[1, 1], 1, 15 * 7 + 21 * 5],
    [[2, 4], 2, 15 * 2 + 21 * 3],
    [[4, 2], 3, 15 * 4 + 21 * 2],
    [[5, 7], 16, 15 + 21],
    [[16, 16], 16, 15 + 21],
  ];
  const random = lehmer(1);
  const [a, b] = [randomMatrix(5, 3, random), randomMatrix(3, 7, random)];
  for (const [tile, depth, reads] of cases) {
    const counter = { reads: 0 };
    multiplyOnCpu(a, b, tile, depth, counter);
    assertEquals(counter.reads, reads);
  }
});

Deno.test("a tile as large as the product reads 1 / R + 1 / C numbers a multiply-add", () => {
  const random = lehmer(2);
  const [a, b] = [randomMatrix(24, 10, random), randomMatrix(10, 40, random)];
  const counter = { reads: 0 };
  multiplyOnCpu(a, b, [8, 20], 5, counter);
  assertEquals(counter.reads, 24 * 10 * 40 * (1 / 8 + 1 / 20));
});

Deno.test("each sum is rounded to f32, once a multiply-add", () => {
  // 1 + 2^-24 is 1 in f32, however often; in f64 it would grow
  const a = f32(1, 5, [1, UNIT, UNIT, UNIT, UNIT]);
  const ones = f32(5, 1, [1, 1, 1, 1, 1]);
  assertEquals([...multiplyOnCpu(a, ones).data], [1]);
  // the product keeps its last bits: (1 + 2^-12)² − 1 − 2^-11 is 2^-24
  const x = 1 + 2 ** -12;
  const near = multiplyOnCpu(f32(1, 2, [-1 - 2 ** -11, x]), f32(2, 1, [1, x]));
  assertEquals([...near.data], [UNIT]);
});

Deno.test("NaN and Infinity go into the entries that they belong to, and no others", () => {
  const a = f32(2, 2, [NaN, 1, 2, 3]);
  const b = f32(2, 2, [1, 2, Infinity, 4]);
  const c = multiplyOnCpu(a, b);
  assertEquals([...c.data], [NaN, NaN, Infinity, 16]);
});

Deno.test("sizes of 0 make nothing, or zeros", () => {
  for (const [M, K, N] of [[0, 3, 2], [2, 3, 0], [2, 0, 3], [0, 0, 0]]) {
    const random = lehmer(1);
    const [a, b] = [randomMatrix(M, K, random), randomMatrix(K, N, random)];
    const c = multiplyOnCpu(a, b);
    assertEquals([...c.data], new Array(M * N).fill(0));
    assertEquals(errorOf(a, b, c), 0);
  }
});

Deno.test("f16 is multiplied as the f32 that it is", () => {
  const random = lehmer(5);
  const [a, b] = [randomMatrix(5, 6, random), randomMatrix(6, 7, random)];
  const half = ({ data, ...sizes }: Matrix) => ({
    ...sizes,
    data: Float16Array.from(data),
  });
  const single = ({ data, ...sizes }: Matrix) => ({
    ...sizes,
    data: Float32Array.from(Float16Array.from(data)),
  });
  const c = multiplyOnCpu(half(a), half(b));
  assertEquals(c.data, multiplyOnCpu(single(a), single(b)).data);
  assert(errorOf(half(a), half(b), c) <= 1);
});

/** A product, with one entry changed. */
function changed(c: Matrix, change: (x: number) => number): Matrix {
  const data = Float32Array.from(c.data);
  data[3] = change(data[3]);
  return { ...c, data };
}

Deno.test("errorOf() counts in roundings of the sum of magnitudes", () => {
  const a = f32(1, 4, [1, -2, 4, 1]);
  const b = f32(4, 1, [8, 1, 0.5, 4]);
  // the sum is 8 − 2 + 2 + 4 = 12, of magnitudes 16, in 4 roundings: 2^-18 in all
  const error = (x: number) =>
    errorOf(a, b, { rows: 1, columns: 1, data: Float32Array.of(x) });
  assertEquals(error(12), 0);
  assertEquals(error(12 + 2 ** -18), 1);
  assertEquals(error(12 - 2 ** -18), 1);
  assertEquals(error(12 + 2 ** -16), 4);
  assertEquals(error(0), 12 * 2 ** 18);
});

Deno.test("errorOf() notices one entry that is off, wherever, and what is no number", () => {
  const random = lehmer(7);
  const [a, b] = [randomMatrix(3, 20, random), randomMatrix(20, 4, random)];
  const c = multiplyOnCpu(a, b);
  assert(errorOf(a, b, c) <= 1);
  // 20 roundings of at most 20 magnitudes of 1 are 400 · 2^-24 < 0.0001
  assert(errorOf(a, b, changed(c, (x) => x + 1e-4)) > 1);
  assert(errorOf(a, b, changed(c, (x) => x - 1e-4)) > 1);
  for (const x of [NaN, Infinity, -Infinity, 0]) {
    assert(errorOf(a, b, changed(c, () => x)) > 1, `${x} passes`);
  }
});

Deno.test("errorOf() notices an entry that is missing, and a product of other sizes", () => {
  const random = lehmer(9);
  const [a, b] = [randomMatrix(3, 5, random), randomMatrix(5, 4, random)];
  const c = multiplyOnCpu(a, b);
  const wrong: Matrix[] = [
    { ...c, data: c.data.subarray(0, 11) },
    { ...c, data: new Float32Array() },
    { ...c, data: Float32Array.of(...c.data, 0) },
    { ...c, rows: 4, columns: 3 },
  ];
  for (const x of wrong) assertEquals(errorOf(a, b, x), Infinity);
  const nothing = randomMatrix(0, 5, random);
  assertEquals(errorOf(nothing, b, c), Infinity);
});

Deno.test("errorOf() of a sum that is not 0 where all that is added is 0 is Infinity", () => {
  const zeros = f32(1, 2, [0, 0]);
  const c = f32(1, 1, [1e-30]);
  assertEquals(errorOf(zeros, f32(2, 1, [1, 1]), c), Infinity);
  assertEquals(errorOf(f32(1, 0, []), f32(0, 1, []), c), Infinity);
});
