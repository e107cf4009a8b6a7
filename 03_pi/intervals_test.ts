import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Xoshiro128 } from "./generators.ts";
import { digits, fromDarts, fromMean, fromShare } from "./intervals.ts";

Deno.test("fromMean() is mean and standard error as Python's statistics has them", () => {
  // statistics.fmean and stdev of √(1 − x²) at 1,000 numbers of seed 42, in Python
  const { random } = new Xoshiro128(42);
  const { value, error, low, high } = fromMean(
    1000,
    () => Math.sqrt(1 - random() ** 2),
  );
  assertAlmostEquals(value, 3.1170901558638167, 1e-13);
  assertAlmostEquals(error, 0.02933915634440371, 1e-14);
  assertAlmostEquals(low, value - 1.96 * error, 1e-14);
  assertAlmostEquals(high, value + 1.96 * error, 1e-14);
});

Deno.test("fromMean() of ten values takes Student's 2.262, as scipy has it", () => {
  // scipy.stats.t.ppf(0.975, 9) is 2.262157162798205
  let i = 0;
  const { value, error, low, high } = fromMean(10, () => i++);
  assertAlmostEquals(value, 18, 1e-14);
  assertAlmostEquals(error, 4 * Math.sqrt(82.5 / 9 / 10), 1e-14);
  assertAlmostEquals((high - value) / error, 2.262157, 2e-4);
  assertAlmostEquals((value - low) / error, 2.262157, 2e-4);
});

Deno.test("fromMean() of equal values has the error 0, and not a root below it", () => {
  assertEquals(fromMean(50, () => 0.1).error, 0);
});

Deno.test("fromDarts() has the interval of Wilson", () => {
  // Wilson (1927) for 770 of 1,000, by Python
  const { value, error, low, high } = fromDarts(0.77, 1000);
  assertAlmostEquals(value, 3.08, 1e-15);
  assertAlmostEquals(error, 4 * Math.sqrt(0.77 * 0.23 / 1000), 1e-15);
  assertAlmostEquals(low, 2.9716509145771233, 1e-13);
  assertAlmostEquals(high, 3.1800829844762735, 1e-13);
});

Deno.test("fromDarts() of one dart holds π, inside or outside, and claims no error", () => {
  for (const p of [0, 1]) {
    const { low, high, error } = fromDarts(p, 1);
    assert(low < Math.PI && Math.PI < high);
    assert(low >= 0 && high <= 4);
    assertEquals(error, 0);
  }
});

Deno.test("fromShare() turns the ends round if π falls with the share", () => {
  const { value, error, low, high } = fromShare(
    0.5,
    100,
    (p) => 2 / p,
    (p) => 2 / p ** 2,
  );
  assertEquals(value, 4);
  assertAlmostEquals(error, 8 * 0.05, 1e-15);
  assert(low < 4 && 4 < high);
  const none = fromShare(0, 10, (p) => 2 / p, (p) => 2 / p ** 2);
  assertEquals([none.value, none.error, none.high], [Infinity, 0, Infinity]);
  assert(none.low > 2 && none.low < Infinity);
});

Deno.test("digits() leaves two digits of the error, and two decimals if there is none", () => {
  const errors = [12, 1.5, 0.99, 0.17, 0.053, 0.0099, 6.1e-9, 0, NaN];
  assertEquals(errors.map(digits), [0, 1, 2, 2, 3, 4, 10, 2, 2]);
});
