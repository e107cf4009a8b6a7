import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  factorsFor,
  type LongRope,
  longRopeAngles,
  longRopeScale,
  mustReread,
  turn,
} from "./long_rope.ts";

// A power, a product and a quotient round by some 1e-16 of the number each.
const close = (actual: number, expected: number, tolerance = 1e-14) =>
  assert(
    Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
const dot = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, xi, i) => sum + xi * y[i], 0);

// Goldens: python3 -c "
// import numpy as np
// def angles(n, f, base, kept):
//     t = 1 / base ** (np.arange(0, 2 * len(f), 2) / (2 * len(f)))
//     return (n * t / (np.ones(len(f)) if n < kept else np.array(f))).tolist()
// F = [1, 1.25, 3.5, 8, 8.25]
// print([angles(4096, F, 10000., 0), angles(15, F, 500., 16), angles(16, F, 500., 16)])
// print([float(np.sqrt(1 + np.log(b / a) / np.log(a))) for a, b in [(4096, 131072), (8192, 65536), (7, 7)]])
// x = np.array([.5, -1, 2, 3, .25, -2]); a = np.array([.3, 1.1, 2.5]); h = x[:3] + 1j * x[3:]
// z = 1.5 * h * np.exp(1j * a); print(np.concatenate([z.real, z.imag]).tolist())"
const FACTORS = [1, 1.25, 3.5, 8, 8.25];
const ANGLES = [[
  4096.0,
  519.3378013056575,
  29.39624806703782,
  2.0383087132339064,
  0.313260761574651,
], [
  15.0,
  4.32809971772164,
  1.2488298111028096,
  0.36033733019442943,
  0.10397172647327192,
], [
  16.0,
  3.6933117591224667,
  0.380595751955142,
  0.04804497735925726,
  0.013442809079372533,
]];
const SCALES = [1.1902380714238083, 1.1094003924504583, 1.0];
const TURNED = [
  -0.6133385631318233,
  -1.0145969421614043,
  -0.6080144143289313,
  4.520654356061232,
  -1.1667124945575615,
  4.1988472789526705,
];
Deno.test("longRopeAngles() golden: each pair by its own factor, at position 4096", () =>
  longRopeAngles(4096, FACTORS).forEach((a, i) => close(a, ANGLES[0][i])));
Deno.test("longRopeAngles() golden: position 15 is unscaled if 16 are, position 16 is not", () => {
  const options = { base: 500, unscaled: 16 };
  longRopeAngles(15, FACTORS, options).forEach((a, i) =>
    close(a, ANGLES[1][i])
  );
  longRopeAngles(16, FACTORS, options).forEach((a, i) =>
    close(a, ANGLES[2][i])
  );
});
const model = (trained: number, longest: number): LongRope => ({
  trained,
  longest,
  short: [1, 1, 1],
  long: [1, 4, 32],
});
Deno.test("longRopeScale() golden: 4096 to 131072 as Phi-3, 8192 to 65536, and not at all", () => {
  close(longRopeScale(model(4096, 131072)), SCALES[0]);
  close(longRopeScale(model(8192, 65536)), SCALES[1]);
  assertEquals(longRopeScale(model(7, 7)), SCALES[2]);
});
Deno.test("longRopeScale() of 32 times 4096 is the root of 17/12, by hand: 1 + 5/12", () =>
  close(longRopeScale(model(4096, 131072)) ** 2, 17 / 12));
Deno.test("turn() golden: number i with number i + D/2, times the scale", () => {
  const x = Object.freeze([0.5, -1, 2, 3, 0.25, -2]);
  turn(x, [0.3, 1.1, 2.5], 1.5).forEach((y, i) => close(y, TURNED[i]));
});

const phi = model(4096, 131072);
Deno.test("a text of L tokens has the short list, of L + 1 the long one", () => {
  assertEquals(factorsFor(phi, 0), phi.short);
  assertEquals(factorsFor(phi, 4096), phi.short);
  assertEquals(factorsFor(phi, 4097), phi.long);
  assertEquals(factorsFor(phi, 131072), phi.long);
});
Deno.test("the text is read again once, at token L + 1, and when it is cut back", () => {
  const again: number[] = [];
  for (let T = 4090; T < 4105; T++) {
    if (mustReread(phi, T - 1, T)) again.push(T);
  }
  assertEquals(again, [4097]);
  assertEquals(mustReread(phi, 5000, 4096), true);
  assertEquals(mustReread(phi, 4097, 131072), false);
  // Nothing is cached yet: nothing is void.
  assertEquals(mustReread(phi, 0, 9000), false);
});

const half = 4;
const scores = fc.record({
  far: fc.integer({ min: 1, max: 9000 }),
  near: fc.integer({ min: 0, max: 9000 }),
  shift: fc.integer({ min: 1, max: 9000 }),
  steps: fc.array(fc.double({ min: 0, max: 4, noNaN: true }), {
    minLength: half,
    maxLength: half,
  }),
});
const rising = (steps: number[]) => {
  let factor = 1;
  return steps.map((step) => factor += step);
};
const Q = [0.5, -1, 2, 0.75, 1, -0.25, 0.5, 1.5];
const K = [1, 0.5, -1, 2, 0.25, 1, -1.5, 1];
Deno.test("of one list, a score depends on the distance alone", () => {
  fc.assert(
    fc.property(scores, ({ far, near, shift, steps }) => {
      const factors = rising(steps);
      const score = (n: number, m: number) =>
        dot(
          turn(Q, longRopeAngles(n, factors)),
          turn(K, longRopeAngles(m, factors)),
        );
      // Angles of 18,000 radians are exact to 4e-12.
      close(score(far + shift, near + shift), score(far, near), 1e-10);
    }),
    { seed: 2 },
  );
});
Deno.test("factors of 1 are plain RoPE, and factors of s are interpolation", () => {
  const ones = longRopeAngles(70, [1, 1, 1], { base: 100 });
  ones.forEach((a, i) => close(a, 70 / 100 ** (i / 3)));
  longRopeAngles(70, [8, 8, 8], { base: 100 })
    .forEach((a, i) => close(a, ones[i] / 8));
});
Deno.test("an angle is never above the plain one, and turning keeps the length", () => {
  fc.assert(
    fc.property(scores, ({ far, near, steps }) => {
      const angles = longRopeAngles(far, rising(steps), { unscaled: near });
      angles.forEach((a, i) =>
        assert(a <= far * 10000 ** (-i / half) * (1 + 1e-15))
      );
      close(dot(turn(Q, angles), turn(Q, angles)), dot(Q, Q), 1e-13);
      close(dot(turn(Q, angles, 3), turn(Q, angles, 3)), 9 * dot(Q, Q), 1e-13);
    }),
    { seed: 3 },
  );
});
Deno.test("a key of the short list under a query of the long one has another score", () => {
  const x = Array(8).fill(1);
  const [short, long] = [[1, 1, 1, 1], [1, 3, 10, 32]];
  const score = (n: number, queries: number[], m: number, keys: number[]) =>
    dot(turn(x, longRopeAngles(n, queries)), turn(x, longRopeAngles(m, keys)));
  const fresh = score(4096, long, 4095, long);
  // Neighbours that are equal: all pairs but the fastest have turned by little.
  assert(fresh > 6.9, `${fresh}`);
  assert(score(4096, long, 4095, short) < fresh - 1);
});
// The first factors of MiniCPM4's list for long texts, from its model card.
Deno.test("a list may begin a little below 1", () => {
  const factors = [0.9977997200264581, 1.014658295992452];
  const [first] = longRopeAngles(7, factors);
  assertAlmostEquals(first, 7 / 0.9977997200264581, 1e-12);
});
Deno.test("position 0 is not turned by any list", () =>
  assertEquals(longRopeAngles(0, FACTORS), [0, 0, 0, 0, 0]));
Deno.test("no factors: no angles, and a head of no numbers is not turned", () => {
  assertEquals(longRopeAngles(3, []), []);
  assertEquals(turn([], []), []);
});
Deno.test("NaN in a vector stays in its pair", () =>
  assertEquals(turn([NaN, 2, 1, 3], [0.5, 0]), [NaN, 2, NaN, 3]));

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "a factor of 0",
    () => longRopeAngles(1, [0, 2]),
    "Cannot divide pair 0 by 0: needs more than 0",
  ],
  [
    "falling factors",
    () => longRopeAngles(1, [1, 3, 2]),
    "Cannot divide pair 2 by 2: needs 3 or more",
  ],
  ["a NaN factor", () => longRopeAngles(1, [1, NaN]), "pair 1 by NaN: needs 1"],
  [
    "an infinite factor",
    () => longRopeAngles(1, [1, Infinity]),
    "pair 1 by Infinity",
  ],
  [
    "position -1",
    () => longRopeAngles(-1, [1]),
    "Cannot turn position -1: needs a whole number",
  ],
  ["half a position", () => longRopeAngles(0.5, [1]), "position 0.5"],
  [
    "base 1",
    () => longRopeAngles(1, [1], { base: 1 }),
    "Cannot turn by base 1: needs more than 1",
  ],
  [
    "a text too long",
    () => factorsFor(phi, 131073),
    "Cannot turn 131073 tokens: the longest text has 131072",
  ],
  ["half a token", () => factorsFor(phi, 0.5), "Cannot turn 0.5 tokens"],
  [
    "a shrunk model",
    () => longRopeScale(model(4096, 2048)),
    "Cannot stretch 4096 positions to 2048",
  ],
  [
    "one position",
    () => longRopeScale(model(1, 2048)),
    "Cannot stretch 1 positions",
  ],
  [
    "odd numbers",
    () => turn([1, 2, 3], [0.5]),
    "Cannot turn 3 numbers by 1 angles",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
