import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { Xoshiro128 } from "./generators.ts";
import {
  checkMethod,
  estimate,
  fitSlope,
  measureError,
  METHODS,
} from "./methods.ts";
import { estimatePi, type Random } from "./pi.ts";

/** Returns these numbers, one after the other, and then NaN. */
function script(...numbers: number[]): Random {
  let i = 0;
  return () => numbers[i++] ?? NaN;
}
const names = Object.keys(METHODS);

// A Python twin with the same generator, seed 42 and 1,000 points: lists,
// statistics.fmean, stdev and variance, math.atan2 and math.gcd
const PYTHON: [name: string, value: number, error: number][] = [
  ["mean", 3.1170901558638167, 0.02933915634440371],
  ["antithetic", 3.139476209148563, 0.014823063502859897],
  ["stratified", 3.1419088604450627, 0.0002495554761307263],
  ["sequence", 3.141197779736004, 0.003316553334484677],
  ["needle", 3.179650238473768, 0.07722198878424796],
  ["coprime", 3.2191138998982525, 0.04340183721288106],
];
for (const [name, value, error] of PYTHON) {
  Deno.test(`estimate() by ${name} is that of Python's arithmetic, with its error`, () => {
    const found = estimate(name, 1000, new Xoshiro128(42).random);
    assertAlmostEquals(found.value, value, 1e-11); // sums in another order
    assertAlmostEquals(found.error / error, 1, 1e-9);
  });
}

Deno.test("estimate() by darts is estimatePi(), with Wilson's interval", () => {
  const { random } = new Xoshiro128(42);
  const { value, low, high } = estimate("darts", 1000, random);
  assertEquals(value, estimatePi(1000, new Xoshiro128(42).random));
  // Wilson (1927) for 770 of 1,000, by Python
  assertAlmostEquals(low, 2.9716509145771233, 1e-13);
  assertAlmostEquals(high, 3.1800829844762735, 1e-13);
});

// √n times the error, by mpmath: √(π(4 − π)), 4√(2/3 − π²/16), the same of the
// mean of f(x) and f(1 − x) times √2, π√(π/2 − 1), (π/2)√(π²/6 − 1)
const THEORY: [name: string, constant: number][] = [
  ["darts", 1.64218336773632],
  ["mean", 0.892783437109643],
  ["antithetic", 0.468456714098548],
  ["needle", 2.37350667558795],
  ["coprime", 1.26147176985632],
];
for (const [name, constant] of THEORY) {
  Deno.test(`the error of ${name} is ${constant.toFixed(3)} / √n, and so it says itself`, () => {
    // 400 squares give a root that is good to 1 / √800; here within four of that
    const measured = measureError(name, 1000, 400, 1) * Math.sqrt(1000);
    assertAlmostEquals(measured / constant, 1, 4 / Math.sqrt(800));
    const { error } = estimate(name, 40_000, new Xoshiro128(1).random);
    assertAlmostEquals(error * Math.sqrt(40_000) / constant, 1, 0.05);
  });
}

const SLOPES: [name: string, slope: number, tolerance: number][] = [
  ["darts", -0.5, 0.06],
  ["mean", -0.5, 0.06],
  ["antithetic", -0.5, 0.06],
  ["stratified", -1.5, 0.1],
  ["sequence", -1, 0.12], // √log n / n
  ["needle", -0.5, 0.06],
  ["coprime", -0.5, 0.06],
];
for (const [name, slope, tolerance] of SLOPES) {
  Deno.test(`the error of ${name} falls with the slope ${slope}`, () => {
    const sizes = [100, 1000, 10_000];
    const errors = sizes.map((n) => measureError(name, n, 200, 1));
    assertAlmostEquals(fitSlope(sizes, errors), slope, tolerance);
  });
}

for (const name of names) {
  Deno.test(`the interval of ${name} holds π in 95 of 100 runs`, () => {
    const seeds = new Xoshiro128(2);
    let held = 0;
    for (let run = 0; run < 1000; run++) {
      const { random } = new Xoshiro128(seeds.words);
      const { low, high } = estimate(name, 500, random);
      if (low <= Math.PI && Math.PI <= high) held++;
      seeds.jump();
    }
    // Binomial: 950 ± 6.9, here within four of that
    assert(held >= 922 && held <= 978, `${held}`);
  });
}

Deno.test("a better method has a smaller error with as many points", () => {
  const errors = ["darts", "mean", "antithetic", "sequence", "stratified"]
    .map((name) => measureError(name, 1000, 200, 3));
  errors.slice(1).forEach((error, i) => assert(error < errors[i]));
});

Deno.test("a needle crosses if it falls within its sine, whose direction is a point's", () => {
  // the point (0.6, 0.8) has the sine 0.8; (1, 1) is outside and drawn again
  assertEquals(estimate("needle", 1, script(0.6, 0.8, 0.79)).value, 2);
  assertEquals(estimate("needle", 1, script(0.6, 0.8, 0.81)).value, Infinity);
  assertEquals(estimate("needle", 1, script(1, 1, 0.6, 0.8, 0.79)).value, 2);
});

Deno.test("a needle whose points never hit the quarter circle is refused, not waited for", () => {
  for (const u of [0, 1]) {
    assertThrows(() => estimate("needle", 1, () => u), RangeError, "a hundred");
  }
});

Deno.test("a run of darts or needles without a hit says so, and has an end above", () => {
  const none = estimate(
    "needle",
    10,
    script(...Array(10).fill([1, 0, 1]).flat()),
  );
  assertEquals(none.value, Infinity);
  assert(none.low > 3 && none.high === Infinity);
});

Deno.test("coprime pairs are those without a common factor", () => {
  const u = (n: number) => (n - 1) / 2 ** 30;
  const pairs = [[6, 35], [6, 33], [1, 1], [7, 7], [2 ** 29, 3]];
  const numbers = pairs.flat().map(u);
  const { value } = estimate("coprime", 5, script(...numbers));
  assertAlmostEquals(value, Math.sqrt(6 / (3 / 5)), 1e-15);
});

Deno.test("antithetic takes x and 1 − x, so the ends weigh alike", () => {
  const ends = Array.from({ length: 50 }, (_, i) => i % 2);
  const { value, error } = estimate("antithetic", 100, script(...ends));
  assertEquals([value, error], [2, 0]); // (√(1 − 0) + √(1 − 1)) / 2, four times
});

Deno.test("stratified puts a point into each part, first to last, ten times", () => {
  // √(1 − x²) at (0 + 0.56) / 2 and (1 + 0.2) / 2 is 0.96 and 0.8
  const points = new Array(10).fill([0.56, 0.2]).flat();
  const { value } = estimate("stratified", 20, script(...points));
  assertAlmostEquals(value, 4 * (0.96 + 0.8) / 2, 1e-15);
});

for (const name of names) {
  Deno.test(`estimate() by ${name} refuses a generator that returns NaN or 1.5`, () => {
    for (const u of [NaN, 1.5, -1]) {
      assertThrows(() => estimate(name, 100, () => u), RangeError, `${u}`);
    }
  });
}

const REFUSED: [name: string, n: number, message: string][] = [
  ["dice", 100, "There is no method dice: needs one of darts, mean"],
  ["toString", 100, "There is no method toString"],
  ["darts", 0, "Cannot take 0 darts"],
  ["darts", NaN, "Cannot take NaN darts"],
  ["mean", 49, "Cannot use mean with 49 points: needs a whole number from 50"],
  ["mean", 1.5, "Cannot take 1.5 darts or points"],
  ["antithetic", 98, "needs a multiple of 2 from 100"],
  ["antithetic", 101, "needs a multiple of 2 from 100"],
  ["stratified", 1, "needs a multiple of 10 from 10"],
  ["sequence", 25, "needs a multiple of 10 from 10"],
];
for (const [name, n, message] of REFUSED) {
  Deno.test(`estimate() refuses ${name} with n = ${n}`, () => {
    assertThrows(() => checkMethod(name, n), RangeError, message);
    assertThrows(() => estimate(name, n, () => 0.5), RangeError, message);
  });
}

Deno.test("fitSlope() finds the power", () => {
  const xs = [1, 10, 100, 1000];
  assertAlmostEquals(fitSlope(xs, xs.map((x) => 3 * x ** -0.5)), -0.5, 1e-14);
  assertAlmostEquals(fitSlope([1, 2, 4], [1, 8, 1]), 0, 1e-14);
});
