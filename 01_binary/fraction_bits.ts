#!/usr/bin/env -S deno run
/**
 * Q. Write 0.1 in binary.
 *
 * A. Double it; what passes the point is the next bit; go on with the rest. For a
 * fraction n/d every rest is one of 0 to d − 1, so one must come back, and from
 * there the bits repeat: 1/10 is 0.0(0011). It ends only if d is a power of two.
 *
 * Time and space O(d) bits, or as many as are asked for.
 * Trap: starting from the double 0.1, which is another number.
 * Run: `deno run fraction_bits.ts`
 * @module
 */
import { toBinary } from "./binary.ts";

/**
 * Writes a fraction in binary, exactly: the bits that repeat are in brackets.
 * @example 1/10 is 0.0(0011)
 * @param most how many bits after the point to write; if by then they neither end
 * nor repeat, the last character is …
 * @throws {RangeError} if the denominator is not above 0
 */
export function fractionToBinary(
  numerator: bigint,
  denominator: bigint,
  most = 1100, // enough for all that a double holds
): string {
  if (denominator <= 0n) {
    throw new RangeError(`Cannot divide by ${denominator}: needs one above 0`);
  }
  const sign = numerator < 0n ? "-" : "";
  const size = numerator < 0n ? -numerator : numerator;
  let rest = size % denominator;
  const seen = new Map<bigint, number>(); // where each rest came up first
  let bits = "";
  while (rest > 0n && !seen.has(rest) && bits.length < most) {
    seen.set(rest, bits.length);
    rest *= 2n;
    bits += rest / denominator;
    rest %= denominator;
  }
  const start = seen.get(rest);
  if (start !== undefined) {
    bits = `${bits.slice(0, start)}(${bits.slice(start)})`;
  } else if (rest > 0n) bits += "…";
  return sign + toBinary(size / denominator) + (bits && `.${bits}`);
}

if (import.meta.main) {
  for (const [n, d] of [[1n, 2n], [1n, 3n], [1n, 10n], [5n, 6n], [-22n, 7n]]) {
    console.log(`${n}/${d}`.padStart(5), "=", fractionToBinary(n, d));
  }
}
