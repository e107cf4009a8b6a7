import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  checkGradient,
  type Loss,
  numericGradient,
  relativeError,
  sweep,
} from "./gradient_check.ts";

/** Σ sin(k·xₖ) · e^(x₀ / 5) and its gradient, written out. */
const smooth: Loss = (x) =>
  x.reduce((sum, xi, i) => sum + Math.sin((i + 1) * xi), 0) *
  Math.exp(x[0] / 5);
const gradient = (x: Float64Array) => {
  const scale = Math.exp(x[0] / 5);
  return x.map((xi, i) =>
    (i + 1) * Math.cos((i + 1) * xi) * scale + (i === 0 ? smooth(x) / 5 : 0)
  );
};

// Golden:
// python3 -c "
// from mpmath import mp, diff, sin, exp
// mp.dps = 30
// f = lambda a, b, c: (sin(a) + sin(2 * b) + sin(3 * c)) * exp(a / 5)
// print([float(diff(f, (0.3, -1.1, 2), n)) for n in [(1, 0, 0), (0, 1, 0), (0, 0, 1)]])"
const AT = Float64Array.of(0.3, -1.1, 2);
const GOLDEN = [0.8461331061400447, -1.2497839879690045, 3.058631703816878];

Deno.test("numericGradient() golden: three slopes of a product", () => {
  const numeric = numericGradient(smooth, AT);
  assertEquals(numeric.length, 3);
  numeric.forEach((n, i) => {
    // h² of the third derivative, at most 27, and rounding: 1e−16 / 1e−5.
    assertAlmostEquals(n, GOLDEN[i], 3e-9);
    assertAlmostEquals(gradient(AT)[i], GOLDEN[i], 1e-14);
  });
});

const point = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), {
  minLength: 1,
  maxLength: 5,
}).map((x) => Float64Array.from(x));
const assertAll = (check: (x: Float64Array) => void) =>
  fc.assert(fc.property(point, check), { seed: 7 });

Deno.test("a right gradient passes anywhere, without a kink where there is none", () => {
  assertAll((x) => {
    const report = checkGradient(smooth, x, gradient(x));
    assert(report.worst <= 1e-6, `${report.worst}`);
    assertEquals([report.wrong, report.kinks], [[], []]);
    assertEquals(report.diagnosis, undefined);
  });
});

Deno.test("a constant factor has the error that it must have, and is named", () => {
  for (
    const [factor, error, diagnosis] of [
      [2, 1 / 3, "it is 2 times what it should be"],
      [0.5, 1 / 3, "it is 0.5 times what it should be"],
      [-1, 1, "its sign is flipped"],
      [1.01, 0.01 / 2.01, "it is 1.01 times what it should be"],
      [-2, 1, "it is -2 times what it should be"],
      [-1.2, 1, "it is -1.2 times what it should be"],
      [0, 1, "it is 0: nothing arrives"],
      [NaN, NaN, "it is not finite"],
    ] as const
  ) {
    const grad = gradient(AT).map((g) => factor * g);
    const report = checkGradient(smooth, AT, grad);
    // The numeric gradient is right to some 1e−9 of itself.
    assertAlmostEquals(report.worst, error, 1e-7);
    assertEquals([report.wrong, report.diagnosis], [[0, 1, 2], diagnosis]);
  }
});

/** The mean square of B errors, and its gradient with a forgotten 1/B. */
function meanSquare(B: number) {
  const rows = Array.from({ length: B }, (_, b) => 1 + b * 3 % 5);
  const loss: Loss = ([w]) =>
    rows.reduce((sum, x) => sum + (w * x - 2) ** 2, 0) / B;
  const sum = rows.reduce((sum, x) => sum + 2 * (0.7 * x - 2) * x, 0);
  return checkGradient(loss, Float64Array.of(0.7), [sum]);
}

Deno.test("a forgotten 1/B is seen with B = 3, as 3 times, and not with B = 1", () => {
  const report = meanSquare(3);
  assertAlmostEquals(report.worst, 2 / 4, 1e-7);
  assertEquals(report.diagnosis, "it is 3 times what it should be");
  assertEquals(meanSquare(1).wrong, []);
});

Deno.test("only what is wrong is named, and one wrong entry is not all", () => {
  const grad = gradient(AT);
  grad[1] *= 1.5;
  assertEquals(checkGradient(smooth, AT, grad).wrong, [1]);
  grad[2] *= 3;
  const { wrong, diagnosis } = checkGradient(smooth, AT, grad);
  assertEquals([wrong, diagnosis], [[1, 2], "it differs in no one way"]);
  const factors = gradient(AT).map((g, i) => g * [2, 3, 2][i]);
  const all = checkGradient(smooth, AT, factors);
  assertEquals(all.diagnosis, "it differs in no one way");
});

Deno.test("small gradients are checked as strictly as large ones", () => {
  for (const scale of [1e-3, 1, 1e6]) {
    const loss: Loss = ([x]) => scale * Math.sin(x);
    const right = scale * Math.cos(1);
    const at = Float64Array.of(1);
    assertEquals(checkGradient(loss, at, [right]).wrong, []);
    assertEquals(checkGradient(loss, at, [right * 1.00001]).wrong, [0]);
  }
});

Deno.test("two zeros are equal, also if rounding makes one of them 1e−12", () => {
  assertEquals([relativeError(0, 0), relativeError(0, -0)], [0, 0]);
  assertAlmostEquals(relativeError(1e-9, 2e-9), 0.1, 1e-15);
  // The loss is 0 but for rounding, and so is its gradient.
  const loss: Loss = (x) => x.reduce((sum, xi) => sum + (xi / 49 * 49 - xi), 0);
  const at = Float64Array.from({ length: 30 }, (_, i) => (i + 1) / 7);
  const report = checkGradient(loss, at, new Float64Array(30));
  assert(report.numeric.some((n) => n !== 0));
  assertEquals(report.wrong, []);
});

Deno.test("a kink is neither right nor wrong, at 0 or a part of the step away", () => {
  const relu: Loss = (x) => x.reduce((sum, xi) => sum + Math.max(0, xi), 0);
  const h = 1e-5;
  for (const d of [0, 0.1, 0.25, 1 / 3, 0.5, 0.6, 0.75, 0.9, -0.3, -0.7]) {
    // On the kink itself either slope will do.
    for (const slope of d === 0 ? [0, 1] : [d > 0 ? 1 : 0]) {
      const at = Float64Array.of(d * h, 1, -1);
      const report = checkGradient(relu, at, [slope, 1, 0]);
      assertEquals([report.kinks, report.wrong], [[0], []], `${d}`);
    }
  }
  const far = checkGradient(relu, Float64Array.of(1.5 * h, -1.5 * h), [1, 0]);
  assertEquals([far.kinks, far.wrong], [[], []]);
  assertEquals(checkGradient(relu, Float64Array.of(0), [NaN]).wrong, [0]);
});

Deno.test("a kink excuses a gradient of either side, and no other one", () => {
  const relu: Loss = ([x]) => Math.max(0, x);
  for (const slope of [99, 2, -1, -0.6]) {
    const report = checkGradient(relu, Float64Array.of(0), [slope]);
    assertEquals([report.kinks, report.wrong], [[], [0]], `${slope}`);
  }
  // Flat and smooth: the slopes differ by a power of h that is no kink's.
  const flat: Loss = ([x]) => x ** 4;
  const { wrong } = checkGradient(flat, Float64Array.of(0), [5], { h: 1e-2 });
  assertEquals(wrong, [0]);
});

Deno.test("noise that looks like a kink does not hide a wrong gradient", () => {
  const loss: Loss = ([x, y]) => Math.fround(Math.sin(x) * Math.exp(y));
  for (let i = 0; i < 20; i++) {
    const x = 1 + i / 50;
    const at = Float64Array.of(x, 0.3);
    const right = [Math.cos(x), Math.sin(x)].map((g) => g * Math.exp(0.3));
    const twice = right.map((g) => 2 * g);
    const options = { h: 1e-3, tolerance: 1e-2 };
    assertEquals(checkGradient(loss, at, right, options).wrong, []);
    assertEquals(checkGradient(loss, at, twice, options).wrong, [0, 1]);
  }
});

Deno.test("a loss of a million rounds, which is neither a slope nor a kink", () => {
  // 1e6 and sin x, but for rounding.
  const loss: Loss = ([x, y]) => Math.sin(x) + (1e3 + y) ** 2 - 2e3 * y - y * y;
  const report = checkGradient(loss, Float64Array.of(1, 2), [Math.cos(1), 0], {
    // 1e−10 / h of cos 1.
    tolerance: 1e-4,
  });
  assert(report.numeric[1] !== 0);
  assertEquals([report.wrong, report.kinks], [[], []]);
});

Deno.test("a large parameter moves by what x + h is, not by h", () => {
  const at = Float64Array.of(Math.PI * 1e6);
  assertEquals(checkGradient(([x]) => x, at, [1]).worst, 0);
});

Deno.test("the best step of doubles is near 1e−5, both sides of it are worse", () => {
  const steps = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10];
  const errors = sweep(smooth, AT, gradient(AT), steps);
  const best = steps[errors.indexOf(Math.min(...errors))];
  assert(best <= 1e-4 && best >= 1e-6, `${best}`);
  assert(errors[0] > 1e-5 && errors[8] > 1e-8 && Math.min(...errors) < 1e-9);
  // The worst is that of any parameter, not only of the last.
  const bad = gradient(AT).with(0, 7);
  assert(sweep(smooth, AT, bad, [1e-5])[0] > 0.5);
  // h² above it: a step 10 times larger costs 100 times.
  assertAlmostEquals(errors[0] / errors[1], 100, 5);
});

Deno.test("a loss in f32 needs a larger step, and is never as good", () => {
  const loss: Loss = (x) => Math.fround(smooth(x.map(Math.fround)));
  const [at3, at5, at6] = sweep(loss, AT, gradient(AT), [1e-3, 1e-5, 1e-6]);
  const [, best] = sweep(smooth, AT, gradient(AT), [1e-3, 1e-5]);
  assert(at3 < 1e-4 && at5 > 1e-4 && at6 > 1e-2, `${[at3, at5, at6]}`);
  assert(best < at3 / 1000, `${best}`);
});

Deno.test("parameters stay as they are, whatever the loss does to its own", () => {
  const loss: Loss = (x) => {
    const value = smooth(x);
    x.fill(9);
    return value;
  };
  const at = AT.slice();
  assertEquals(checkGradient(loss, at, gradient(AT)).wrong, []);
  assertEquals(at, AT);
});

Deno.test("no parameters are right", () => {
  const { worst, wrong } = checkGradient(() => 3, new Float64Array(), []);
  assertEquals([worst, wrong], [0, []]);
});

Deno.test("a loss that varies, or is not finite, and sizes that differ are errors", () => {
  let call = 0;
  const at = Float64Array.of(1);
  assertThrows(
    () => checkGradient(() => call++, at, [0]),
    RangeError,
    "Cannot check: the loss is 0, and then 1; is dropout on?",
  );
  assertThrows(
    () => checkGradient(() => NaN, at, [0]),
    RangeError,
    "Cannot check: the loss is NaN, and then NaN",
  );
  for (const tolerance of [0, -1, NaN]) {
    assertThrows(
      () => checkGradient(smooth, at, [1], { tolerance }),
      RangeError,
      `Cannot check to ${tolerance}: must be above 0`,
    );
  }
  for (const [x, h] of [[1, 0], [1e12, 1e-5], [1, NaN]]) {
    assertThrows(
      () => numericGradient(([x]) => x, Float64Array.of(x), h),
      RangeError,
      `Cannot move parameter 0, ${x}, by ${h}`,
    );
  }
  assertThrows(
    () => checkGradient(smooth, at, [1, 2]),
    RangeError,
    "Cannot check 2 gradients of 1 parameters",
  );
});
