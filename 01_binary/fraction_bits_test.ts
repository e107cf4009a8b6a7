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

Deno.test("fractionToBinary() breaks off what repeats too late, and says so", () => {
  assertEquals(fractionToBinary(1n, 11n, 10), "0.(0001011101)"); // just in time
  assertEquals(fractionToBinary(1n, 11n, 9), "0.000101110…");
  assertEquals(fractionToBinary(5n, 8n, 3), "0.101");
  // Its bits repeat after 4 · 5^13, which is more than memory holds.
  const pi = fractionToBinary(314159265358979n, 10n ** 14n);
  assertEquals(pi.slice(0, 13), "11.0010010000"); // python3: bin(int(math.pi * 2**10))
  assertEquals([pi.length, pi.at(-1)], [3 + 1100 + 1, "…"]);
});

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
