#!/usr/bin/env -S deno run
/**
 * Q. What are the bits of 0.1, and which number do they stand for?
 *
 * A. A sign, an exponent and a mantissa: ±1.mantissa · 2^(exponent − bias). The
 * exponent 0 stands for 0.mantissa at the lowest power, so that there is a 0 and
 * no gap around it; the highest one for Infinity and NaN. 0.1 never ends in
 * binary, so the nearest number of 53 bits is stored. That one can be written in
 * decimal exactly, because every power of two can.
 *
 * Trap: rounding to bf16 by way of f32, which rounds twice.
 * Left out: the payload of a NaN.
 * Source: IEEE 754-2019, sections 3.4 and 4.3.1.
 * Run: `deno run float_bits.ts`
 * @module
 */

/** How a format divides its bits, after the one for the sign. */
export interface Format {
  name: string;
  exponentBits: number;
  mantissaBits: number;
}

export const FORMATS: readonly Format[] = [
  { name: "f64", exponentBits: 11, mantissaBits: 52 },
  { name: "f32", exponentBits: 8, mantissaBits: 23 },
  { name: "f16", exponentBits: 5, mantissaBits: 10 },
  { name: "bf16", exponentBits: 8, mantissaBits: 7 },
];

/** A number as a format stores it, each part in bits. */
export interface FloatBits {
  sign: string;
  exponent: string;
  mantissa: string;
}

/**
 * Stores `x` in a format: the nearest number there is, the even one of two.
 * @returns its bits; what is too large becomes ±Infinity, and NaN the quiet one
 */
export function toBits(x: number, format: Format): FloatBits {
  const M = format.mantissaBits;
  const top = 2 ** format.exponentBits - 1; // the exponent of Infinity and NaN
  const sign = x < 0 || Object.is(x, -0) ? "1" : "0";
  const join = (code: bigint) => {
    const bits = code.toString(2).padStart(format.exponentBits + M, "0");
    return { sign, exponent: bits.slice(0, -M), mantissa: bits.slice(-M) };
  };
  if (Number.isNaN(x)) {
    return join((BigInt(top) << BigInt(M)) + (1n << BigInt(M - 1)));
  }
  if (!Number.isFinite(x)) return join(BigInt(top) << BigInt(M));
  const { significand, power } = split(Math.abs(x));
  // The power of the last bit that is kept: M bits after the first, and not
  // below that of the smallest number of the format.
  const length = significand.toString(2).length;
  const last = Math.max(power + length - 1 - M, lowestPower(format));
  const shift = BigInt(Math.max(0, last - power));
  let kept = (significand << BigInt(Math.max(0, power - last))) >> shift;
  const rest = significand - ((significand >> shift) << shift);
  const half = shift > 0n ? 1n << (shift - 1n) : 1n;
  if (rest > half || (rest === half && shift > 0n && kept % 2n === 1n)) {
    kept += 1n;
  }
  // Exponent and mantissa count on as one number: a mantissa that overflows adds
  // 1 to the exponent, and the largest exponent of all is Infinity.
  const code = kept + (BigInt(last - lowestPower(format)) << BigInt(M));
  const infinity = BigInt(top) << BigInt(M);
  return join(code < infinity ? code : infinity);
}

/** The number that the bits stand for; a double holds those of every format. */
export function fromBits({ sign, exponent, mantissa }: FloatBits): number {
  const format = {
    exponentBits: exponent.length,
    mantissaBits: mantissa.length,
  };
  const [e, m] = [parseInt(exponent, 2), parseInt(mantissa, 2)];
  const factor = sign === "1" ? -1 : 1;
  if (e === 2 ** format.exponentBits - 1) {
    return m === 0 ? factor * Infinity : NaN;
  }
  const significand = e === 0 ? m : m + 2 ** mantissa.length;
  // In two steps, since 2 ** power alone may be below the smallest double.
  const power = Math.max(e, 1) - 1 + lowestPower(format);
  const scale = Math.floor(power / 2);
  return factor * significand * 2 ** scale * 2 ** (power - scale);
}

/** All decimal digits of a finite number, of which there are finitely many. */
export function exactDecimal(x: number): string {
  if (!Number.isFinite(x)) return String(x);
  const { significand, power } = split(Math.abs(x));
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  if (power >= 0) return sign + (significand << BigInt(power));
  // n / 2^k = n · 5^k / 10^k
  const digits = (significand * 5n ** BigInt(-power)).toString();
  const padded = digits.padStart(1 - power, "0");
  const fraction = padded.slice(power).replace(/0+$/, "");
  return sign + padded.slice(0, power) + (fraction && `.${fraction}`);
}

/** `x` = significand · 2^power, for a finite `x` from 0. */
function split(x: number): { significand: bigint; power: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const mantissa = bits & (2n ** 52n - 1n);
  const significand = exponent === 0 ? mantissa : mantissa + 2n ** 52n;
  return { significand, power: Math.max(exponent, 1) - 1075 };
}

/** The power of two of the last bit of the smallest numbers. */
function lowestPower(
  { exponentBits, mantissaBits }: Omit<Format, "name">,
): number {
  return 2 - 2 ** (exponentBits - 1) - mantissaBits;
}

if (import.meta.main) {
  for (const x of [0.1, 1 / 3, -2.5, 65504, 1e-7]) {
    console.log(`${x}`);
    for (const format of FORMATS) {
      const bits = toBits(x, format);
      const { sign, exponent, mantissa } = bits;
      console.log(`  ${format.name.padEnd(4)} ${sign} ${exponent} ${mantissa}`);
      console.log(`       ${exactDecimal(fromBits(bits))}`);
    }
  }
}
