#!/usr/bin/env -S deno run
/**
 * Q. What breaks if the angles of RoPE are computed in bf16?
 *
 * A. The far positions, not the near ones. An angle is position · θ, and rounding
 * keeps a relative error: the larger the angle, the larger its error in radians.
 * bf16 has 8 bits, so that beyond 256 not even the position is a number of its
 * own, and neighbours get the same angle; f16 does this beyond 2048. Compute
 * angles in f32 or better, and round the cosine and sine, which are below 1, last.
 *
 * Shapes: D wide a head, D/2 pairs.
 * Time O(D) a position.
 * Trap: a whole model in bf16, its positions included.
 * Left out: rounding of queries and keys, which does not grow with the position.
 * Source: Su et al. (2021), arXiv:2104.09864; bf16: Kalamkar et al. (2019),
 * arXiv:1905.12322.
 * Run: `deno run rope_precision.ts`
 * @module
 */

/** A number format, as what it makes of a number. */
export type Round = (x: number) => number;

/** To 8 bits, the nearest, and the even one of two; NaN and ±Infinity stay. */
export function bf16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  // The upper half of an f32 is the bf16; half of its last place is added first.
  if (Number.isFinite(x)) bits[0] += 0x7fff + (bits[0] >>> 16 & 1);
  bits[0] = bits[0] & 0xffff0000;
  return Number.isNaN(x) ? NaN : new Float32Array(bits.buffer)[0];
}

/** To 11 bits. */
export const f16: Round = (x) => Float16Array.of(x)[0];

/** To 24 bits. */
export const f32: Round = Math.fround;

/**
 * The largest error of a cosine over the pairs, if θ, the position, their product
 * and the cosine are all rounded, as in a table made in that format.
 * @param position 0 or more
 * @param D even, the width of a head
 * @returns from 0 to 2; NaN if the format has no such position, as f16 beyond 65519
 * @throws {RangeError} if `position` is negative or not whole, or D is odd
 */
export function cosineError(
  position: number,
  D: number,
  round: Round,
  base = 10000,
): number {
  check(position, D);
  let worst = 0;
  for (let i = 0; i < D / 2; i++) {
    const theta = base ** (-2 * i / D);
    const angle = round(round(position) * round(theta));
    const error = Math.abs(round(Math.cos(angle)) - Math.cos(position * theta));
    worst = Math.max(worst, error);
  }
  return worst;
}

/** The same if only the cosine is rounded, and the angle is computed in f64. */
export function lateError(
  position: number,
  D: number,
  round: Round,
  base = 10000,
): number {
  check(position, D);
  let worst = 0;
  for (let i = 0; i < D / 2; i++) {
    const cos = Math.cos(position * base ** (-2 * i / D));
    worst = Math.max(worst, Math.abs(round(cos) - cos));
  }
  return worst;
}

function check(position: number, D: number): void {
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`Cannot turn by position ${position}`);
  }
  if (Number.isInteger(D) && D > 0 && D % 2 === 0) return;
  throw new RangeError(`Cannot pair ${D} numbers: needs an even count from 2`);
}

if (import.meta.main) {
  const show = (x: number) => x.toPrecision(2).padEnd(9);
  console.log("largest error of a cosine, 128 wide");
  console.log("position  bf16      f16       f32       bf16 of an f64 angle");
  for (const position of [1, 100, 255, 4000, 32768, 131072]) {
    const errors = [bf16, f16, f32].map((round) =>
      show(cosineError(position, 128, round))
    );
    console.log(
      `${position}`.padEnd(9),
      ...errors,
      show(lateError(position, 128, bf16)),
    );
  }
  console.log("positions 256 and 257 in bf16:", bf16(256), bf16(257));
}
