import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  dequantise,
  multiply,
  pack4,
  quantise,
  type Scheme,
  unpack4,
} from "./efficient_inference.ts";

// Goldens:
// python3 -c "
// import numpy as np
// x = (np.sin(np.arange(24) * 1.7) * (1 + np.arange(24) // 8 * 2)).astype(np.float32).reshape(3, 8)
// def sym(g, most):
//     s = np.abs(g).max(1, keepdims=True) / np.float32(most)
//     return np.clip(np.rint(g / s), -most, most).astype(int), s
// for name, g in (('tensor', x.reshape(1, -1)), ('channel', x), ('4', x.reshape(-1, 4))):
//     for bits in (8, 4):
//         q, s = sym(g, 2 ** (bits - 1) - 1)
//         print(name, bits, q.ravel().tolist(), [float('%.7g' % v) for v in s.ravel()])
// g = np.maximum(x, -.5); low = np.minimum(g.min(1, keepdims=True), 0); high = np.maximum(g.max(1, keepdims=True), 0)
// s = ((high - low) / 255).astype(np.float32); z = np.rint(-128 - low / s)
// print(np.clip(np.rint(g / s) + z, -128, 127).astype(int).ravel().tolist(), z.astype(int).ravel().tolist(), [float('%.7g' % v) for v in s.ravel()])
// w = np.round(np.cos(np.arange(40) * 2.3) * 127).astype(int).reshape(5, 8)
// q, s = sym(x, 127); print((q @ w.T).ravel().tolist())"
const X = Float32Array.from(
  { length: 24 },
  (_, i) => Math.sin(i * 1.7) * (1 + Math.floor(i / 8) * 2),
);
const GOLDENS: [Scheme, string, number[]][] = [
  [
    { bits: 8, share: "tensor" },
    "0 26 -7 -24 13 21 -18 -16 66 31 -74 -12 77 -8 -75 28 113 -75 -94 100 68 -117 -38 127",
    [0.03880316],
  ],
  [
    { bits: 4, share: "tensor" },
    "0 1 0 -1 1 1 -1 -1 4 2 -4 -1 4 0 -4 2 6 -4 -5 5 4 -6 -2 7",
    [0.7040002],
  ],
  [
    { bits: 8, share: "channel" },
    "0 127 -33 -119 63 102 -90 -79 109 50 -122 -19 127 -14 -123 46 113 -75 -94 100 68 -117 -38 127",
    [0.007808384, 0.02361716, 0.03880316],
  ],
  [
    { bits: 4, share: "channel" },
    "0 7 -2 -7 3 6 -5 -4 6 3 -7 -1 7 -1 -7 3 6 -4 -5 5 4 -6 -2 7",
    [0.1416664, 0.4284827, 0.7040002],
  ],
  [
    { bits: 4, share: 4 },
    "0 7 -2 -7 4 7 -6 -5 6 3 -7 -1 7 -1 -7 3 7 -5 -6 6 4 -6 -2 7",
    [0.1416664, 0.1140696, 0.4120275, 0.4284827, 0.6280522, 0.7040002],
  ],
];
const checkScales = (found: Float32Array, expected: number[]) => {
  assertEquals(found.length, expected.length);
  // Seven digits are printed.
  found.forEach((s, i) => assertAlmostEquals(s / expected[i], 1, 1e-6));
};

for (const [scheme, codes, scales] of GOLDENS) {
  Deno.test(`quantise() golden: ${scheme.bits} bits, a scale for ${scheme.share}`, () => {
    const q = quantise(X, 3, 8, scheme);
    // −0 is a 0 of bytes.
    assertEquals(q.codes.join(" "), codes);
    checkScales(q.scales, scales);
    assertEquals(q.bytes, 24 * scheme.bits / 8 + 4 * scales.length);
  });
}

Deno.test("quantise() golden: zero points for numbers on one side", () => {
  const x = X.map((v) => Math.max(-0.5, v));
  const scheme = { bits: 8, share: "channel", asymmetric: true } as const;
  const q = quantise(x, 3, 8, scheme);
  assertEquals(
    q.codes.join(" "),
    "-43 127 -87 -128 41 94 -128 -128 96 -5 -128 -125 127 -116 -128 -14 " +
      "102 -128 -128 77 19 -128 -128 127",
  );
  assertEquals([...q.zeros], [-43, -92, -105]);
  checkScales(q.scales, [0.005849666, 0.01372305, 0.02128628]);
  assertEquals(q.bytes, 24 + 4 * 3 + 3);
});

Deno.test("multiply() golden: sums of integers", () => {
  const w = Float32Array.from(
    { length: 40 },
    (_, i) => Math.round(Math.cos(i * 2.3) * 127),
  );
  const scheme = { bits: 8, share: "channel" } as const;
  const [x, q] = [quantise(X, 3, 8, scheme), quantise(w, 5, 8, scheme)];
  // Each row of w has 127 or less, so its codes are not those of the golden: undo it.
  const whole = {
    ...q,
    codes: Int8Array.from(w),
    scales: q.scales.map(() => 1),
  };
  const expected = [
    ...[-18836, -20666, -18781, -12893, -4605, -17825, -12986, -5646],
    ...[2812, 10683, 418, 7299, 13040, 15914, 15759],
  ];
  multiply(x, whole).forEach((y, i) =>
    assertAlmostEquals(y / x.scales[Math.floor(i / 5)] / expected[i], 1, 1e-6)
  );
});

const scheme = fc.record({
  bits: fc.constantFrom(4 as const, 8 as const),
  share: fc.constantFrom("tensor" as const, "channel" as const, 3),
  asymmetric: fc.boolean(),
});
const rows = fc.tuple(
  fc.integer({ min: 1, max: 4 }),
  fc.constantFrom(3, 6, 9),
).chain(([R, C]) =>
  fc.record({
    R: fc.constant(R),
    C: fc.constant(C),
    x: fc.array(fc.double({ min: -50, max: 50, noNaN: true }), {
      minLength: R * C,
      maxLength: R * C,
    }).map((x) => Float32Array.from(x)),
  })
);

Deno.test("no number is off by more than half a scale, with a zero point or without", () => {
  fc.assert(
    fc.property(rows, scheme, ({ x, R, C }, scheme) => {
      const q = quantise(x, R, C, scheme);
      const most = 2 ** (scheme.bits - 1) - 1;
      dequantise(q).forEach((y, i) => {
        const scale = q.scales[Math.floor(i / q.group)];
        // A scale is rounded to 24 bits, and has up to 255 codes.
        assert(Math.abs(y - x[i]) <= scale / 2 * (1 + 1e-4), `${x[i]}: ${y}`);
        assert(q.codes[i] <= most && q.codes[i] >= -most - 1);
        if (!scheme.asymmetric) assert(q.codes[i] > -most - 1);
        if (x[i] === 0) assertEquals(Math.abs(y), 0);
      });
    }),
    { seed: 7 },
  );
});

Deno.test("a product in integers is that of the numbers that the codes stand for", () => {
  const schemes = fc.tuple(
    fc.constantFrom("tensor" as const, "channel" as const),
    fc.constantFrom("tensor" as const, "channel" as const),
    fc.boolean(),
  );
  fc.assert(
    fc.property(rows, rows, schemes, (a, b, [sx, sw, asymmetric]) => {
      fc.pre(a.C === b.C);
      const x = quantise(a.x, a.R, a.C, { bits: 8, share: sx, asymmetric });
      const w = quantise(b.x, b.R, b.C, { bits: 8, share: sw });
      const [dx, dw] = [dequantise(x), dequantise(w)];
      multiply(x, w).forEach((y, i) => {
        const [row, column] = [Math.floor(i / b.R), i % b.R];
        let [sum, size] = [0, 0];
        for (let c = 0; c < a.C; c++) {
          const term = dx[row * a.C + c] * dw[column * a.C + c];
          sum += term;
          size += Math.abs(term);
        }
        // Rounded to f32 at each dequantised number, and at the end.
        assertAlmostEquals(y, sum, 4e-7 * size + 1e-12);
      });
    }),
    { seed: 7 },
  );
});

Deno.test("an outlier costs its own channel only, if scales are by channel", () => {
  const x = Float32Array.of(0.3, -0.7, 0.2, 100, 1, -50);
  const error = (share: "tensor" | "channel" | number) => {
    const y = dequantise(quantise(x, 2, 3, { bits: 8, share }));
    return Math.max(...[0, 1, 2].map((i) => Math.abs(y[i] - x[i])));
  };
  assert(error("tensor") > 0.25 && error("channel") < 0.003);
});

Deno.test("4-bit codes are packed two a byte, with their signs", () => {
  assertEquals([...pack4(Int8Array.of(1, -1, 7))], [0xf1, 0x07]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -8, max: 7 })), (list) => {
      const packed = pack4(Int8Array.from(list));
      assertEquals(packed.length, Math.ceil(list.length / 2));
      assertEquals([...unpack4(packed, list.length)], list);
    }),
    { seed: 7 },
  );
});

Deno.test("zeros and constants are exact", () => {
  for (const value of [0, 3, -0.1]) {
    for (const asymmetric of [false, true]) {
      const x = new Float32Array(6).fill(value);
      const q = quantise(x, 2, 3, { bits: 8, share: "channel", asymmetric });
      dequantise(q).forEach((y) =>
        assertAlmostEquals(y, Math.fround(value), 1e-7 * Math.abs(value))
      );
      assert(value !== 0 || q.scales.every((scale) => scale === 1));
    }
  }
  assertEquals(
    quantise(new Float32Array(), 0, 3, { bits: 8, share: 3 }).bytes,
    0,
  );
});

Deno.test("numbers too small for a scale of all digits become 0, not NaN", () => {
  for (const size of [1e-45, 1e-40, 1e-38]) {
    const x = Float32Array.of(size, -size, 0);
    const y = dequantise(quantise(x, 1, 3, { bits: 8, share: "tensor" }));
    y.forEach((v, i) => assert(Math.abs(v - x[i]) <= 2 ** -127, `${v}`));
  }
});

Deno.test("the largest numbers come back finite", () => {
  const most = (2 - 2 ** -23) * 2 ** 127;
  const x = Float32Array.of(most, -most, 1);
  for (const bits of [4, 8] as const) {
    const y = dequantise(quantise(x, 1, 3, { bits, share: "tensor" }));
    assertEquals([...y], [most, -most, 0]);
  }
});

Deno.test("an odd number of 4-bit codes takes half a byte more", () => {
  const { bytes } = quantise(new Float32Array(5), 1, 5, {
    bits: 4,
    share: "channel",
  });
  assertEquals(bytes, 3 + 4);
});

Deno.test("inputs stay as they are", () => {
  const x = X.slice();
  quantise(x, 3, 8, { bits: 4, share: 4 });
  assertEquals(x, X);
});

Deno.test("sizes that do not fit, and what is not finite, are errors", () => {
  const eight = { bits: 8, share: "channel" } as const;
  const q = (R: number, C: number, scheme: Scheme = eight) =>
    quantise(new Float32Array(R * C).fill(1), R, C, scheme);
  for (
    const [call, line] of [
      [
        () => quantise(X, 5, 5, eight),
        "Cannot cut 24 numbers, (5, 5), into groups of 5",
      ],
      [
        () => quantise(X, 3, 8, { bits: 4, share: 7 }),
        "Cannot cut 24 numbers, (3, 8), into groups of 7",
      ],
      [() => q(2, 2, { bits: 4, share: 0 }), "into groups of 0"],
      // They divide the whole, but not a row.
      [() => q(3, 8, { bits: 4, share: 6 }), "into groups of 6"],
      [() => q(3, 8, { bits: 4, share: 12 }), "into groups of 12"],
      [() => q(2, 6, { bits: 4, share: 1.5 }), "into groups of 1.5"],
      [() => quantise(X, 2, 8, eight), "Cannot cut 24 numbers, (2, 8)"],
      [
        // Only the second row has a zero point: −128 to 127 need none.
        () => {
          const w = Float32Array.of(-128, 127, 0, 1);
          const scheme = { ...eight, asymmetric: true };
          multiply(q(1, 2), quantise(w, 2, 2, scheme));
        },
        "no zero points of weights",
      ],
      [() => pack4(Int8Array.of(7, 8)), "Cannot pack 8: 4 bits are from -8"],
      [() => pack4(Int8Array.of(-9)), "Cannot pack -9: 4 bits are from -8"],
      [() => unpack4(new Uint8Array(2), 5), "Cannot unpack 5 of 4"],
      [() => unpack4(new Uint8Array(2), -1), "Cannot unpack -1 of 4"],
      [
        () => quantise(Float32Array.of(1, NaN), 1, 2, eight),
        "Cannot quantise NaN, entry 1",
      ],
      [
        () => quantise(Float32Array.of(-Infinity), 1, 1, eight),
        "Cannot quantise -Infinity, entry 0",
      ],
      [() => multiply(q(2, 3), q(2, 4)), "Cannot multiply (2, 3) by (2, 4)"],
      [
        () => multiply(q(2, 4), q(2, 4, { bits: 4, share: 2 })),
        "scales by row",
      ],
      [
        () => multiply(q(2, 4), q(2, 4, { ...eight, asymmetric: true })),
        "no zero points of weights",
      ],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
});
