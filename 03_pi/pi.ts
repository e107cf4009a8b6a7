#!/usr/bin/env -S deno run
/**
 * Q. You have a function that returns a random number between 0 and 1, all
 * equally likely. Calculate π.
 *
 * A. Draw a square of side 1, and a quarter circle of radius 1 around one of its
 * corners. The areas are 1 and π/4. Two random numbers are a dart (x, y) that is
 * equally likely to land anywhere in the square, so it lands in the quarter,
 * x² + y² ≤ 1, with a chance of π/4. Throw n darts: π ≈ 4 · inside / n.
 *
 * How good is that? One dart is 4 or 0 with variance π(4 − π), so the standard
 * error is 1.642 / √n: one more digit costs a hundred times the darts.
 *
 * Time O(n), two random numbers a dart; space O(1).
 * Trap: six decimals in print at n = 1,000,000, where the third is chance.
 * Source: Metropolis, Ulam (1949), doi:10.1080/01621459.1949.10483310.
 * Run: `deno run pi.ts`
 * @module
 */

/** Returns a number from 0 to 1, all equally likely. */
export type Random = () => number;

/**
 * Estimates π by throwing `n` darts.
 * @param random is called exactly 2n times
 * @returns a multiple of 4 / n
 * @throws {RangeError} if `n` is no integer from 1 to 2^53 − 1, or `random`
 * returns anything but a number from 0 to 1
 */
export function estimatePi(n: number, random: Random): number {
  checkCount(n);
  let inside = 0;
  for (let i = 0; i < n; i++) {
    const x = draw(random);
    const y = draw(random);
    if (x * x + y * y <= 1) inside++;
  }
  return 4 * inside / n;
}

/** The standard error of {@link estimatePi} with `n` darts, √(π(4 − π) / n). */
export function standardError(n: number): number {
  return Math.sqrt(Math.PI * (4 - Math.PI) / n);
}

/**
 * Four times the area of the quarter circle, deterministically: by the cells of a
 * grid in the unit square whose centres are inside.
 * @param side the cells along one side
 * @throws {RangeError} if it is no integer from 1 to 2^53 − 1
 */
export function gridPi(side: number): number {
  checkCount(side);
  let inside = 0;
  for (let i = 0; i < side; i++) {
    for (let j = 0; j < side; j++) {
      const x = (i + 0.5) / side;
      const y = (j + 0.5) / side;
      if (x * x + y * y <= 1) inside++;
    }
  }
  return 4 * inside / side ** 2;
}

/**
 * Checks a number of darts, or of other points.
 * @throws {RangeError} if `n` is no integer from 1 to 2^53 − 1
 */
export function checkCount(n: number): void {
  if (Number.isSafeInteger(n) && n > 0) return;
  throw new RangeError(
    `Cannot take ${n} darts or points: needs a whole number from 1 to 2^53 - 1`,
  );
}

/**
 * Draws a number.
 * @throws {RangeError} if `random` returns anything but a number from 0 to 1
 */
export function draw(random: Random): number {
  const u = random();
  if (u >= 0 && u <= 1) return u;
  throw new RangeError(
    `Cannot throw a dart at ${u}: random() must return 0 to 1`,
  );
}

if (import.meta.main) import("./dartboard.ts").then(({ main }) => main());
