import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  bf16,
  cosineError,
  f16,
  f32,
  lateError,
  type Round,
} from "./rope_precision.ts";

const POSITIONS = [1, 100, 255, 4000, 32768];

// Goldens:
// python3 -c "
// import numpy as np
// def bf16(x):
//     b = np.asarray(x, np.float32).view(np.uint32)
//     return ((b + 0x7fff + (b >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32).astype(float)
// f16 = lambda x: np.asarray(x, np.float16).astype(float)
// f32 = lambda x: np.asarray(x, np.float32).astype(float)
// t = 10000.0 ** (-np.arange(0, 128, 2) / 128)
// P = [1, 100, 255, 4000, 32768]
// for r in bf16, f16, f32:
//     print([float(np.abs(r(np.cos(r(r(p) * r(t)))) - np.cos(p * t)).max()) for p in P])
// print([float(np.abs(bf16(np.cos(p * t)) - np.cos(p * t)).max()) for p in P])"
const GOLDEN: [name: string, round: Round, expected: number[]][] = [
  ["bf16", bf16, [
    0.001801513512927011,
    0.09529345762167002,
    0.5456844690392487,
    1.9896391523994978,
    1.9773191891830393,
  ]],
  ["f16", f16, [
    0.0003156632987247887,
    0.03340380918417002,
    0.09021889075787043,
    1.2482649945272457,
    1.663906865065358,
  ]],
  ["f32", f32, [
    4.569823719435817e-08,
    3.1487998006229923e-06,
    4.076061963953492e-06,
    0.00012439856395615734,
    0.0008471034400446831,
  ]],
];
for (const [name, round, expected] of GOLDEN) {
  Deno.test(`cosineError() golden: ${name} at five positions`, () => {
    POSITIONS.forEach((position, i) => {
      // The f64 angle of 32768 is known to 4e-12.
      assertAlmostEquals(cosineError(position, 128, round), expected[i], 1e-11);
    });
  });
}

const LATE = [
  0.001801513512927011,
  0.0018519775095268143,
  0.0019458930231562865,
  0.001916863971903271,
  0.0018892110547532592,
];
Deno.test("lateError() golden: rounded last, bf16 is as good far away as near", () => {
  POSITIONS.forEach((position, i) =>
    assertAlmostEquals(lateError(position, 128, bf16), LATE[i], 1e-11)
  );
});

Deno.test("the error is large far away, not near zero", () => {
  for (const round of [bf16, f16, f32]) {
    assertEquals(cosineError(0, 128, round), 0);
    const [near, far] = [1, 4000].map((p) => cosineError(p, 128, round));
    assertEquals(far > 100 * near, true);
  }
});

Deno.test("bf16 has no 257, f16 no 2049 and no 65520", () => {
  assertEquals([256, 257, 258, 259].map(bf16), [256, 256, 258, 260]);
  assertEquals([2048, 2049, 2050].map(f16), [2048, 2048, 2050]);
  assertEquals([65519, 65520].map(f16), [65504, Infinity]);
  assertEquals(cosineError(131072, 128, f16), NaN);
});

Deno.test("bf16() is the nearest number of 8 bits, and the even one of two", () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 2, noNaN: true }), (x) => {
      // Between 1 and 2 the places are 1/128 apart; f32 comes first, as in hardware.
      const places = Math.fround(x) * 128;
      assertEquals(Math.abs(bf16(x) * 128 - places) <= 0.5, true);
      assertEquals(bf16(x) * 128 % 1, 0);
      assertEquals(bf16(-x), -bf16(x));
    }),
    { seed: 7 },
  );
  assertEquals([1 + 1 / 256, 1 + 3 / 256].map(bf16), [1, 1 + 4 / 256]);
  const special = [0, -0, Infinity, -Infinity, NaN];
  assertEquals(special.map(bf16), special);
});

Deno.test("positions and widths that cannot be are refused", () => {
  for (const error of [cosineError, lateError]) {
    for (const position of [-1, 0.5, NaN]) {
      assertThrows(
        () => error(position, 6, f32),
        RangeError,
        `Cannot turn by position ${position}`,
      );
    }
    for (const D of [0, 5, NaN]) {
      assertThrows(() => error(1, D, f32), RangeError, `Cannot pair ${D}`);
    }
  }
});
