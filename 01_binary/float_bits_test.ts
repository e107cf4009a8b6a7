import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { exactDecimal, FORMATS, fromBits, toBits } from "./float_bits.ts";

const [F64, F32, F16, BF16] = FORMATS;
const code = (x: number, format: typeof F64) => {
  const { sign, exponent, mantissa } = toBits(x, format);
  return BigInt(`0b${sign}${exponent}${mantissa}`);
};
/** Doubles of every size, and those on and beside the edges of the formats. */
const edges = [
  0,
  -0,
  1,
  -1,
  2 ** -149,
  2 ** -150,
  2 ** -24,
  2 ** -25,
  65504,
  65519,
  65520,
  3.4028235e38,
  3.4028236e38,
  5e-324,
  Infinity,
  -Infinity,
];
const doubles = fc.oneof(
  fc.double({ noNaN: true }),
  fc.float({ noNaN: true }),
  fc.constantFrom(...edges),
);

Deno.test("toBits() of f64 are the bits of the engine's own double", () => {
  fc.assert(fc.property(doubles, (x) => {
    assertEquals(
      code(x, F64),
      new BigUint64Array(new Float64Array([x]).buffer)[0],
    );
  }));
});

Deno.test("toBits() of f32 round as the engine does, ties to even", () => {
  fc.assert(fc.property(doubles, (x) => {
    assertEquals(
      code(x, F32),
      BigInt(new Uint32Array(new Float32Array([x]).buffer)[0]),
    );
  }));
});

Deno.test("toBits() of f16 round as the engine does, subnormals too", () => {
  const small = fc.double({ min: -1e5, max: 1e5, noNaN: true });
  fc.assert(fc.property(fc.oneof(doubles, small), (x) => {
    assertEquals(
      code(x, F16),
      BigInt(new Uint16Array(new Float16Array([x]).buffer)[0]),
    );
  }));
});

Deno.test("toBits() of bf16 keep the upper half of an f32, if that is exact", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 0xff7f }), (upper) => {
    const x = new Float32Array(new Uint32Array([upper << 16]).buffer)[0];
    if (Number.isFinite(x)) assertEquals(code(x, BF16), BigInt(upper));
  }));
});

Deno.test("toBits() of bf16 round once, not by way of f32", () => {
  // Just above the middle of 1 and 1 + 2^-7: f32 would round down to the middle,
  // and the tie then to 1.
  const x = 1 + 2 ** -8 + 2 ** -40;
  assertEquals(fromBits(toBits(x, BF16)), 1 + 2 ** -7);
  assertEquals(fromBits(toBits(Math.fround(x), BF16)), 1);
});

Deno.test("fromBits() brings back every number that the format holds", () => {
  const round = [(x: number) => x, Math.fround, Math.f16round];
  FORMATS.slice(0, 3).forEach((format, i) => {
    fc.assert(fc.property(doubles, (x) => {
      assertEquals(fromBits(toBits(x, format)), round[i](x));
    }));
  });
});

Deno.test("toBits() of NaN is the quiet one, and fromBits() a NaN again", () => {
  for (const format of FORMATS) {
    const { sign, exponent, mantissa } = toBits(NaN, format);
    assertEquals([sign, exponent.includes("0"), mantissa[0]], [
      "0",
      false,
      "1",
    ]);
    assertEquals(fromBits({ sign, exponent, mantissa }), NaN);
  }
});

// python3 -c "from decimal import Decimal; print(f'{Decimal(x):f}')"
const DECIMALS: [x: number, text: string][] = [
  [0.1, "0.1000000000000000055511151231257827021181583404541015625"],
  [0.3, "0.299999999999999988897769753748434595763683319091796875"],
  [-2.5, "-2.5"],
  [1e22, "10000000000000000000000"],
  [1e23, "99999999999999991611392"],
  [2 ** -20, "0.00000095367431640625"],
  [0, "0"],
  [-0, "-0"],
  [Infinity, "Infinity"],
  [NaN, "NaN"],
];
for (const [x, text] of DECIMALS) {
  Deno.test(`exactDecimal() of ${Object.is(x, -0) ? "-0" : x} is ${text}`, () => {
    assertEquals(exactDecimal(x), text);
  });
}

Deno.test("exactDecimal() of the smallest double has all its 1,074 decimals", () => {
  const text = exactDecimal(5e-324); // python3 -c "print(str(5**1074)[-4:])"
  assertEquals(text.length, 2 + 1074);
  assertEquals([text.slice(-4), Number(text)], ["5625", 5e-324]);
});

Deno.test("exactDecimal() is read back as the same number", () => {
  fc.assert(fc.property(fc.double({ noNaN: true }), (x) => {
    assertEquals(Number(exactDecimal(x)), x);
  }));
});
