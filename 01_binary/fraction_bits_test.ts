import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fractionToBinary } from "./fraction_bits.ts";

const GOLDEN: [n: bigint, d: bigint, text: string][] = [
  [1n, 2n, "0.1"],
  [1n, 3n, "0.(01)"],
  [1n, 10n, "0.0(0011)"],
  [-22n, 7n, "-11.(001)"],
  [6n, 2n, "11"],
  [0n, 5n, "0"],
  [13n, 16n, "0.1101"],
];
for (const [n, d, text] of GOLDEN) {
  Deno.test(`fractionToBinary() of ${n}/${d} is ${text}, by hand`, () => {
    assertEquals(fractionToBinary(n, d), text);
  });
}

/** Adds up the bits, the repeating ones as a geometric series: [n, d]. */
function value(text: string): [bigint, bigint] {
  const [, whole, fixed = "", period = ""] =
    /^(\d+)(?:\.(\d*)(?:\((\d+)\))?)?$/.exec(text) ?? [];
  const shift = 2n ** BigInt(fixed.length);
  const start = BigInt(`0b${whole}${fixed}`);
  if (period === "") return [start, shift];
  const cycle = 2n ** BigInt(period.length) - 1n; // Σ 2^(−k·p) = 1 / (2^p − 1)
  return [start * cycle + BigInt(`0b${period}`), shift * cycle];
}

Deno.test("fractionToBinary() adds up to the fraction again, exactly", () => {
  const size = fc.bigInt({ min: 0n, max: 999n });
  fc.assert(fc.property(size, size, (n, rest) => {
    const d = rest + 1n;
    const [a, b] = value(fractionToBinary(n, d));
    assertEquals(a * d, n * b);
  }));
});

Deno.test("fractionToBinary() of a denominator that is not above 0 is an error", () => {
  for (const d of [0n, -2n]) {
    assertThrows(
      () => fractionToBinary(1n, d),
      RangeError,
      `Cannot divide by ${d}: needs one above 0`,
    );
  }
});
