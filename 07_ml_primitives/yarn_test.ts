import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { yarnFrequencies, type YarnOptions, yarnScale } from "./yarn.ts";

// Goldens:
// python3 -c "
// import numpy as np
// def yarn(D, L, s, base, slow, fast):
//     t = base ** (-np.arange(0, D, 2) / D)
//     g = np.clip((L * t / (2 * np.pi) - slow) / (fast - slow), 0, 1)
//     return ((1 - g) * t / s + g * t).tolist()
// print(yarn(12, 4096, 8, 10000.0, 1, 32)); print(yarn(10, 300, 3, 500.0, 2, 20))
// print(0.1 * np.log(8) + 1)"
const GOLDEN: [D: number, options: YarnOptions, expected: number[]][] = [
  [12, { trained: 4096, factor: 8 }, [
    1.0,
    0.2154434690031884,
    0.04413424489918112,
    0.002807778438843074,
    0.0002939006085548248,
    5.8019860420159716e-05,
  ]],
  [10, { trained: 300, factor: 3, base: 500, slow: 2, fast: 20 }, [
    1.0,
    0.22203439328224817,
    0.033842204791915007,
    0.008007496226542876,
    0.002310482810517154,
  ]],
];
for (const [D, options, expected] of GOLDEN) {
  Deno.test(`yarnFrequencies() golden: ${D} wide, factor ${options.factor}`, () => {
    const theta = yarnFrequencies(D, options);
    assertEquals(theta.length, expected.length);
    // A power and a few products: some 1e-15 of the number.
    expected.forEach((e, i) => assertAlmostEquals(theta[i], e, 1e-13 * e));
  });
}

Deno.test("yarnScale() golden: 0.1·ln(8) + 1, for queries and keys each", () => {
  assertAlmostEquals(yarnScale(8), 1.2079441541679836, 1e-15);
});

Deno.test("a factor of 1 changes nothing", () => {
  assertEquals(yarnScale(1), 1);
  yarnFrequencies(128, { trained: 4096, factor: 1 }).forEach((theta, i) => {
    const plain = 10000 ** (-2 * i / 128);
    assertAlmostEquals(theta, plain, 1e-15 * plain);
  });
});

Deno.test("fast pairs are left alone, slow ones divided by the factor, none goes beyond", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 16, max: 9000 }),
      fc.integer({ min: 2, max: 40 }),
      (half, trained, factor) => {
        const D = 2 * half;
        const theta = yarnFrequencies(D, { trained, factor });
        theta.forEach((t, i) => {
          const plain = 10000 ** (-2 * i / D);
          const turns = trained * plain / (2 * Math.PI);
          const near = 1e-14 * plain;
          if (turns > 32) assertAlmostEquals(t, plain, near);
          if (turns < 1) assertAlmostEquals(t, plain / factor, near);
          assertEquals(t <= plain + near && t >= plain / factor - near, true);
          if (i > 0) assertEquals(t < theta[i - 1], true);
        });
      },
    ),
    { seed: 7 },
  );
});

Deno.test("slow pairs stay within the angles they were trained on", () => {
  const [D, trained, factor] = [128, 4096, 8];
  const theta = yarnFrequencies(D, { trained, factor });
  for (const i of [46, 50, 63]) {
    const known = trained * 10000 ** (-2 * i / D);
    assertEquals(trained * factor * theta[i] <= known * (1 + 1e-14), true);
  }
});

Deno.test("sizes and factors that cannot be are refused, with the number", () => {
  const good = { trained: 4096, factor: 8 };
  const bad: [D: number, change: Partial<YarnOptions>, message: string][] = [
    [5, {}, "Cannot pair 5 numbers: needs an even count from 2"],
    [0, {}, "Cannot pair 0 numbers"],
    [6, { base: 1 }, "Cannot turn by base 1: needs more than 1"],
    [6, { trained: 0 }, "Cannot stretch 0 positions"],
    [6, { trained: 2.5 }, "Cannot stretch 2.5 positions"],
    [6, { slow: 32 }, "Cannot mix between 32 and 32 turns"],
    [6, { slow: NaN }, "Cannot mix between NaN and 32 turns"],
    [6, { factor: 0.5 }, "Cannot stretch by factor 0.5: needs 1 or more"],
    [6, { factor: NaN }, "Cannot stretch by factor NaN: needs 1 or more"],
  ];
  for (const [D, change, message] of bad) {
    assertThrows(
      () => yarnFrequencies(D, { ...good, ...change }),
      RangeError,
      message,
    );
  }
  assertThrows(() => yarnScale(0.5), RangeError, "by factor 0.5");
});
