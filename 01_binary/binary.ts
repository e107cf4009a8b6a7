#!/usr/bin/env -S deno run
/**
 * Q. What is 13 in binary?
 *
 * A. 1101: eight and four and one. To find it, halve and note the remainder until
 * nothing is left, 13 = 2·6 + 1, 6 = 2·3 + 0, 3 = 2·1 + 1, 1 = 2·0 + 1, and read
 * the remainders from the last to the first. Back: double and add, bit by bit.
 * A negative number is a minus sign and its magnitude or, in w bits, what is
 * missing to 2^w: two's complement.
 *
 * Time O(bits), and O(bits²) for a bigint; space O(bits).
 * Trap: `n >> 1` and `n | 0`, which see 32 bits only.
 * Left out: other bases, and binary-coded decimals.
 * Run: `deno run binary.ts 13`, or -13, 0.1, 5/6, 0b1101
 * @module
 */
import { exactDecimal, FORMATS, fromBits, toBits } from "./float_bits.ts";
import { fractionToBinary } from "./fraction_bits.ts";

/** One step of the halving: `n` = 2 · `half` + `bit`. */
export interface Halving {
  n: number | bigint;
  half: number | bigint;
  bit: number;
}

/**
 * Halves `n` until nothing is left.
 * @returns the steps; the bits of `n` are their remainders, last to first
 * @throws {RangeError} unless `n` is a bigint from 0, or a number from 0 to 2^53
 */
export function halvings(n: number | bigint): Halving[] {
  checkInteger(n);
  if (n < 0) throw new RangeError(`Cannot halve ${n} away: it is negative`);
  const steps: Halving[] = [];
  do {
    const half = typeof n === "bigint" ? n / 2n : Math.floor(n / 2);
    const bit = Number(typeof n === "bigint" ? n % 2n : n % 2);
    steps.push({ n, half, bit });
    n = half;
  } while (n > 0);
  return steps;
}

/**
 * Writes an integer in binary, with a minus sign if it is negative.
 * @throws {RangeError} for a number that is no integer, or beyond 2^53
 */
export function toBinary(n: number | bigint): string {
  checkInteger(n);
  if (n < 0) return "-" + toBinary(-n);
  return halvings(n).map(({ bit }) => bit).reverse().join("");
}

/**
 * Reads what {@link toBinary} writes.
 * @returns a number if it is safe, that is up to 2^53 − 1, and a bigint beyond
 * @throws {SyntaxError} if there is anything but a sign and bits
 */
export function fromBinary(text: string): number | bigint {
  const [, sign, bits] = /^(-?)([01]+)$/.exec(text) ?? [];
  if (bits === undefined) {
    throw new SyntaxError(`Cannot read "${text}" as binary: needs 0s and 1s`);
  }
  let n = 0n;
  for (const bit of bits) n = 2n * n + BigInt(bit);
  return narrow(sign ? -n : n);
}

/** A number where that is safe, and the bigint itself beyond. */
function narrow(n: bigint): number | bigint {
  const safe = -(2n ** 53n) < n && n < 2n ** 53n;
  return safe ? Number(n) : n;
}

/**
 * Writes an integer in two's complement: a negative one as 2^width + n.
 * @param width how many bits to write
 * @throws {RangeError} if `n` is not one of the 2^width numbers that fit
 */
export function toTwosComplement(n: number | bigint, width: number): string {
  checkInteger(n);
  checkWidth(width);
  const [value, half] = [BigInt(n), 2n ** BigInt(width - 1)];
  if (value < -half || value >= half) {
    throw new RangeError(
      `Cannot write ${n} in ${width} bits: they hold ${-half} to ${half - 1n}`,
    );
  }
  return toBinary(value < 0n ? value + 2n * half : value).padStart(width, "0");
}

/**
 * Reads two's complement: the first bit counts −2^(width − 1).
 * @throws {SyntaxError} if there is anything but bits
 */
export function fromTwosComplement(bits: string): number | bigint {
  if (bits.startsWith("-")) {
    throw new SyntaxError(`Cannot read "${bits}": the first bit is the sign`);
  }
  const n = BigInt(fromBinary(bits));
  const negative = bits.startsWith("1");
  return narrow(negative ? n - 2n ** BigInt(bits.length) : n);
}

/**
 * Shows a number in binary, and how one gets there.
 * @param text such as 13, -13, 0.1, 5/6 or 0b1101
 * @param width the bits of the two's complement; by default the least multiple
 * of 8 that will do
 * @throws {SyntaxError} if `text` is no number
 * @throws {RangeError} if it does not fit into `width` bits
 */
export function explain(text: string, width?: number): string[] {
  const bits = /^([+-]?)0b([01]+)$/.exec(text);
  if (bits) {
    const n = fromBinary(bits[1].replace("+", "") + bits[2]);
    return [`${text} = ${n}`, "", ...explainInteger(n, width)];
  }
  const whole = /^[+-]?\d+$/.test(text);
  if (whole) return explainInteger(BigInt(text.replace("+", "")), width);
  const decimal = /^[+-]?\d+\.(\d+)$/.exec(text);
  if (decimal) {
    const digits = BigInt(text.replace(/[+.]/g, ""));
    const bits = fractionToBinary(digits, 10n ** BigInt(decimal[1].length));
    return [`${text} = ${bits}`, ...explainFloat(Number(text))];
  }
  const ratio = /^[+]?(-?\d+)\/(\d+)$/.exec(text);
  if (ratio) {
    const [n, d] = ratio.slice(1).map(BigInt);
    if (n > 2n ** 53n || n < -(2n ** 53n) || d > 2n ** 53n) {
      throw new RangeError(
        `Cannot show ${text} as a float: neither part may be beyond 2^53`,
      );
    }
    const bits = fractionToBinary(n, d);
    return [`${text} = ${bits}`, ...explainFloat(Number(n) / Number(d))];
  }
  throw new SyntaxError(
    `Cannot read "${text}" as a number: needs one like 13, -13, 0.1, 5/6, 0b1101`,
  );
}

function explainInteger(n: number | bigint, width?: number): string[] {
  const size = BigInt(n < 0 ? -n : n);
  const steps = halvings(size).map(({ n, half, bit }) =>
    `${n} = 2 · ${half} + ${bit}`
  );
  const longest = steps[0].length;
  const needed = toBinary(n < 0 ? size - 1n : size).length + 1;
  const W = width ?? 8 * Math.ceil(needed / 8);
  return [
    `${n} = ${toBinary(n)}`,
    ...steps.map((step) => `  ${step.padStart(longest)}`),
    "  the bits are the remainders, from the last to the first",
    `two's complement in ${W} bits: ${toTwosComplement(n, W)}`,
    ...explainFloat(Number(n)),
  ];
}

function explainFloat(x: number): string[] {
  return FORMATS.flatMap((format) => {
    const bits = toBits(x, format);
    const { sign, exponent, mantissa } = bits;
    const value = exactDecimal(fromBits(bits));
    return [
      `${format.name.padEnd(4)} ${sign} ${exponent} ${mantissa}`,
      `     = ${value}`,
    ];
  });
}

function checkInteger(n: number | bigint): void {
  if (typeof n === "bigint" || Number.isInteger(n) && Math.abs(n) <= 2 ** 53) {
    return;
  }
  throw new RangeError(
    `Cannot write ${n} in binary: needs an integer, as a bigint beyond 2^53`,
  );
}

function checkWidth(width: number): void {
  if (Number.isInteger(width) && width > 0) return;
  throw new RangeError(`Cannot write in ${width} bits: needs 1 or more`);
}

if (import.meta.main) {
  const [text = "13", width, ...rest] = Deno.args;
  try {
    if (rest.length > 0) throw new SyntaxError(`Unknown argument ${rest[0]}`);
    const lines = explain(
      text,
      width === undefined ? undefined : Number(width),
    );
    lines.forEach((line) => console.log(line));
  } catch (error) {
    console.error((error as Error).message);
    console.error("Usage: deno run binary.ts [NUMBER [WIDTH]]");
    Deno.exit(2);
  }
}
