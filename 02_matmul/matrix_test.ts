import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  largestError,
  lehmer,
  matrix,
  medianTime,
  prepare,
  randomMatrix,
  referenceRow,
  toRows,
  zeros,
} from "./matrix.ts";

const f64 = (rows: number, columns: number, ...data: number[]) =>
  matrix(rows, columns, Float64Array.from(data));

Deno.test("matrix() is row after row", () => {
  const a = f64(2, 3, 1, 2, 3, 4, 5, 6);
  assertEquals(toRows(a), [[1, 2, 3], [4, 5, 6]]);
  assertEquals(toRows(f64(2, 0)), [[], []]);
});

for (const [rows, columns] of [[-1, 2], [1.5, 2], [2, NaN], [2, Infinity]]) {
  Deno.test(`matrix() refuses the sizes ${rows} and ${columns}`, () => {
    const message =
      `Cannot make a (${rows}, ${columns}) matrix: sizes are whole`;
    assertThrows(() => f64(rows, columns, 1), RangeError, message);
    const like = new Float32Array();
    assertThrows(() => zeros(rows, columns, like), RangeError, message);
  });
}

Deno.test("matrix() refuses entries that are too many or too few", () => {
  const message = "Cannot make a (2, 2) matrix: needs 4 entries, got ";
  assertThrows(() => f64(2, 2, 1, 2, 3), RangeError, message + "3");
  assertThrows(() => f64(2, 2, 1, 2, 3, 4, 5), RangeError, message + "5");
});

Deno.test("lehmer() from 1 is at 1043618065 after 10,000 steps", () => {
  // Park, Miller (1988), doi:10.1145/63039.63042
  const random = lehmer(1);
  const last = Array.from({ length: 10_000 }, random).pop();
  assertEquals(last, 1043618065 / (2 ** 31 - 1));
});

Deno.test("zeros() and randomMatrix() are of the kind of the other", () => {
  const like = new Float32Array();
  assert(zeros(2, 3, like).data instanceof Float32Array);
  let u = 0;
  const filled = randomMatrix(1, 3, like, () => u += 0.25);
  assertEquals([...filled.data], [-0.25, 0, 0.25]);
});

Deno.test("prepare() gives zeros of the right shape, or clears what is given", () => {
  const [a, b] = [f64(2, 3, 1, 2, 3, 4, 5, 6), f64(3, 1, 1, 2, 3)];
  assertEquals(prepare(a, b), f64(2, 1, 0, 0));
  const out = f64(2, 1, 7, 8);
  assertEquals(prepare(a, b, out), f64(2, 1, 0, 0));
  assert(prepare(a, b, out) === out);
});

Deno.test("prepare() refuses what cannot be multiplied, and says both shapes", () => {
  const [a, b] = [f64(2, 3, 1, 2, 3, 4, 5, 6), f64(2, 2, 1, 2, 3, 4)];
  const message =
    "Cannot multiply a (2, 3) by b (2, 2): inner sizes 3 and 2 differ";
  assertThrows(() => prepare(a, b), RangeError, message);
});

Deno.test("prepare() refuses an out of another shape, and leaves it", () => {
  const a = f64(2, 2, 1, 2, 3, 4);
  for (const [rows, columns] of [[1, 4], [3, 2], [2, 3]]) {
    const out = matrix(rows, columns, new Float64Array(rows * columns).fill(5));
    const message = `the product is (2, 2), out is (${rows}, ${columns})`;
    assertThrows(() => prepare(a, a, out), RangeError, message);
    assert(out.data.every((x) => x === 5));
  }
});

Deno.test("prepare() refuses an out that shares memory with a or b, and leaves it", () => {
  const buffer = new Float64Array(12).fill(1);
  const part = (from: number) => matrix(2, 2, buffer.subarray(from, from + 4));
  const other = f64(2, 2, 1, 2, 3, 4);
  const message = "out shares its memory with a or b";
  assertThrows(() => prepare(part(0), other, part(0)), RangeError, message);
  assertThrows(() => prepare(other, part(0), part(3)), RangeError, message);
  assertThrows(() => prepare(part(3), other, part(0)), RangeError, message);
  assertEquals(buffer.every((x) => x === 1), true);
  prepare(part(0), part(4), part(8)); // side by side is fine
});

Deno.test("prepare() refuses a matrix that has fewer entries than it says", () => {
  const a = f64(2, 2, 1, 2, 3, 4);
  const short = { ...a, data: a.data.subarray(1) };
  const message = "Cannot make a (2, 2) matrix: needs 4 entries, got 3";
  assertThrows(() => prepare(short, a), RangeError, message);
  assertThrows(() => prepare(a, short), RangeError, message);
  const out = { ...short, data: new Float64Array(3) };
  assertThrows(() => prepare(a, a, out), RangeError, message);
});

Deno.test("prepare() refuses what is no f32 and no f64", () => {
  for (const data of [new Int32Array(4), [1, 2, 3, 4]]) {
    // deno-lint-ignore no-explicit-any
    const a = { rows: 2, columns: 2, data } as any;
    const message = "needs a Float32Array or a Float64Array, got ";
    assertThrows(() => prepare(a, a), TypeError, message);
  }
});

Deno.test("prepare() takes an empty out anywhere in memory", () => {
  const a = f64(2, 2, 1, 2, 3, 4);
  const none = matrix(2, 0, a.data.subarray(1, 1));
  assertEquals(prepare(a, none, none), none);
});

Deno.test("prepare() refuses f32 and f64 together", () => {
  const a = f64(1, 1, 1);
  // deno-lint-ignore no-explicit-any
  const single = matrix(1, 1, Float32Array.of(1)) as any;
  assertThrows(() => prepare(a, single), TypeError, "a is a Float64Array");
  assertThrows(() => prepare(a, a, single), TypeError, "Float32Array");
});

Deno.test("referenceRow() rounds once, where a plain sum loses everything", () => {
  const [row] = [Float64Array.of(1e16, 1, -1e16)];
  assertEquals([...referenceRow(matrix(1, 3, row), f64(3, 1, 1, 1, 1), 0)], [
    1,
  ]);
  // 1 + 2^-60 squared: the product's own rest
  const x = 1 + 2 ** -30;
  const rest = referenceRow(f64(1, 2, x, -1), f64(2, 1, x, 1 + 2 ** -29), 0);
  assertEquals([...rest], [2 ** -60]);
});

Deno.test("referenceRow() is exact in whole numbers, for every row", () => {
  const entries = fc.array(fc.integer({ min: -1000, max: 1000 }), {
    minLength: 6,
    maxLength: 6,
  });
  fc.assert(fc.property(entries, entries, (x, y) => {
    const [a, b] = [f64(2, 3, ...x), f64(3, 2, ...y)];
    for (const i of [0, 1]) {
      assertEquals(
        [...referenceRow(a, b, i)],
        [0, 1].map((j) =>
          x[3 * i] * y[j] + x[3 * i + 1] * y[2 + j] + x[3 * i + 2] * y[4 + j]
        ),
      );
    }
  }));
});

Deno.test("referenceRow() is the correctly rounded sum, by fractions", () => {
  // python3: from fractions import Fraction as F; x = [1/3, -2/7, 1e-9, 5/11];
  // y = [3.1, 2.7, -1e9, 0.1]; float(sum(F(p) * F(q) for p, q in zip(x, y)))
  const a = f64(1, 4, 1 / 3, -2 / 7, 1e-9, 5 / 11);
  const [sum] = referenceRow(a, f64(4, 1, 3.1, 2.7, -1e9, 0.1), 0);
  assertEquals(sum, -0.6926406926406927);
});

Deno.test("largestError() is the largest distance over the largest entry", () => {
  const [a, b] = [f64(2, 1, 1, 2), f64(1, 2, 3, 4)]; // [[3, 4], [6, 8]]
  assertEquals(largestError(a, b, f64(2, 2, 3, 4, 6, 8)), 0);
  assertAlmostEquals(largestError(a, b, f64(2, 2, 3, 4, 6, 9)), 1 / 8, 1e-15);
  assertEquals(largestError(a, b, f64(2, 2, 3, 4, 6, 9), 1), 0); // only row 0
  assert(Number.isNaN(largestError(a, b, f64(2, 2, 3, NaN, 6, 8))));
  const nothing = f64(2, 1, 0, 0);
  assertEquals(largestError(nothing, b, f64(2, 2, 0, 0, 0, 0)), 0);
  assertThrows(() => largestError(a, b, f64(0, 0)), RangeError, "is (2, 2)");
});

Deno.test("medianTime() is the middle of the runs, in order, after the warm-up", async () => {
  let clock = 0, calls = 0;
  const times = [900, 800, 30, 10, 50, 20, 40];
  const call = () => {
    clock += times[calls++];
    return Promise.resolve();
  };
  assertEquals(await medianTime(call, 5, 2, () => clock), 30);
  assertEquals(calls, 7);
});
