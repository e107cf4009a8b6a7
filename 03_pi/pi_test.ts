import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Xoshiro128 } from "./generators.ts";
import { estimatePi, gridPi, type Random, standardError } from "./pi.ts";

/** Returns these numbers, one after the other, and then NaN. */
function script(...numbers: number[]): Random {
  let i = 0;
  return () => numbers[i++] ?? NaN;
}

// 4 · inside / n by a Python twin of xoshiro128++ with seed 42, in integers:
//   inside += x * x + y * y <= 1
const PYTHON: [n: number, pi: number][] = [
  [100, 3.04],
  [1000, 3.08],
  [10_000, 3.1396],
  [100_000, 3.1438],
  [1_000_000, 3.13948],
];
for (const [n, pi] of PYTHON) {
  Deno.test(`estimatePi() with ${n} darts is that of Python's arithmetic`, () => {
    assertEquals(estimatePi(n, new Xoshiro128(42).random), pi);
  });
}

Deno.test("estimatePi() is four times the share of darts inside", () => {
  const darts = [0, 0, 0.5, 0.5, 0.9, 0.9, 0.3, 0.7];
  assertEquals(estimatePi(4, script(...darts)), 3);
});

Deno.test("estimatePi() counts a dart on the circle as inside", () => {
  for (const [x, y] of [[1, 0], [0, 1], [0.6, 0.8], [0.28, 0.96]]) {
    assertEquals(x * x + y * y, 1);
    assertEquals(estimatePi(1, script(x, y)), 4);
  }
});

Deno.test("estimatePi() counts a dart next to the circle for what it is", () => {
  assertEquals(estimatePi(1, script(1, 2 ** -26)), 0);
  assertEquals(estimatePi(1, script(1 - 2 ** -53, 0)), 4);
  assertEquals(estimatePi(1, script(1, 1)), 0);
});

Deno.test("estimatePi() draws a number for x and another for y", () => {
  assertEquals(estimatePi(1, script(0.9, 0.1)), 4);
  assertEquals(estimatePi(1, script(0.1, 0.9)), 4);
  assertEquals(estimatePi(1, script(0.6, 0.9)), 0);
});

Deno.test("estimatePi() calls random exactly 2n times", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), (n) => {
    let calls = 0;
    estimatePi(n, () => ++calls / 1000);
    assertEquals(calls, 2 * n);
  }));
});

Deno.test("estimatePi() goes on counting beyond 2^24, where float32 stops", () => {
  assertEquals(estimatePi(2 ** 24 + 2, () => 0), 4);
});

/** The root mean square error of 400 runs, a stream each. */
function measured(n: number): number {
  const seeds = new Xoshiro128(7);
  let squares = 0;
  for (let run = 0; run < 400; run++) {
    const { random } = new Xoshiro128(seeds.words);
    squares += (estimatePi(n, random) - Math.PI) ** 2;
    seeds.jump();
  }
  return Math.sqrt(squares / 400);
}

Deno.test("standardError() is the error of 400 runs, which halves with 4 times the darts", () => {
  // The root of 400 squares is good to 1 / √800, here within four of that.
  for (const n of [100, 400, 1600, 6400]) {
    assertAlmostEquals(measured(n) / standardError(n), 1, 4 / Math.sqrt(800));
  }
});

Deno.test("standardError() of 200 darts leaves one digit, and six digits need 2.7e12", () => {
  // python3 -c "from math import *; print(sqrt(pi * (4 - pi) / 200))"
  assertAlmostEquals(standardError(200), 0.11611989952781165, 1e-15);
  assertAlmostEquals(standardError(1e6), 0.001642183367736324, 1e-17);
  assert(standardError(2.6e12) > 1e-6 && standardError(2.7e12) < 1e-6);
});

Deno.test("more darts are better only on the average: here ten times as many are worse", () => {
  const off = (n: number) =>
    Math.abs(estimatePi(n, new Xoshiro128(42).random) - Math.PI);
  assert(off(100_000) > off(10_000));
});

Deno.test("gridPi() counts cells by their centres", () => {
  // counted by hand, and by Python for 1,000
  assertEquals([1, 2, 10, 1000].map(gridPi), [4, 3, 3.16, 3.141676]);
});

for (const n of [0, -1, 2.5, NaN, Infinity, 2 ** 53]) {
  Deno.test(`estimatePi() and gridPi() refuse n = ${n}`, () => {
    const message = `Cannot take ${n} darts or points: needs a whole number`;
    assertThrows(() => estimatePi(n, () => 0), RangeError, message);
    assertThrows(() => gridPi(n), RangeError, message);
  });
}

for (const u of [-1e-300, 1 + 2 ** -52, NaN, Infinity]) {
  Deno.test(`estimatePi() refuses a generator that returns ${u}, for x and for y`, () => {
    const message = `Cannot throw a dart at ${u}: random() must return 0 to 1`;
    assertThrows(() => estimatePi(1, script(u, 0)), RangeError, message);
    assertThrows(() => estimatePi(1, script(0, u)), RangeError, message);
  });
}
