#!/usr/bin/env -S deno run
/**
 * Q. A model with RoPE was trained on L positions. How does YaRN make it read 8 · L?
 *
 * A. It asks of each pair how many full turns it made within L. A pair of many
 * turns tells near tokens apart: leave it. One of less than a turn tells where in
 * the text a token is, and has never been at larger angles: divide its frequency
 * by the factor, so that it stays within those it knows. In between, mix. Scores
 * over more keys spread thinner, so they are also sharpened a little: queries and
 * keys are multiplied by 0.1·ln(factor) + 1 each.
 *
 * Shapes: D wide a head, D/2 pairs; L positions in training.
 * Time O(D), once; nothing while decoding.
 * Trap: interpolating every pair. Neighbours then look the same.
 * Left out: factors that grow with the text; the released code mixes along the
 * index of the pair, the paper along the number of turns, as here.
 * Source: Peng et al. (2023), arXiv:2309.00071; interpolation: Chen et al. (2023),
 * arXiv:2306.15595.
 * Run: `deno run yarn.ts`
 * @module
 */

/** How a model is to be stretched. */
export interface YarnOptions {
  /** L, the positions it was trained on. */
  trained: number;
  /** The new length over the old one, 1 or more. */
  factor: number;
  /** 10000 if not given. */
  base?: number;
  /** With this many turns in L or less, a pair is interpolated; 1 if not given. */
  slow?: number;
  /** With this many turns in L or more, a pair is left alone; 32 if not given. */
  fast?: number;
}

/**
 * @param D even, the width of a head
 * @returns (D/2,) radians a position
 * @throws {RangeError} if D is odd, factor < 1, or not 0 < slow < fast
 */
export function yarnFrequencies(D: number, options: YarnOptions): number[] {
  const { trained, factor, base = 10000, slow = 1, fast = 32 } = options;
  if (!(Number.isInteger(D) && D > 0 && D % 2 === 0)) {
    throw new RangeError(
      `Cannot pair ${D} numbers: needs an even count from 2`,
    );
  }
  if (!(base > 1 && base < Infinity)) {
    throw new RangeError(`Cannot turn by base ${base}: needs more than 1`);
  }
  if (!(Number.isSafeInteger(trained) && trained > 0)) {
    throw new RangeError(`Cannot stretch ${trained} positions`);
  }
  if (!(slow > 0 && slow < fast)) {
    throw new RangeError(`Cannot mix between ${slow} and ${fast} turns`);
  }
  checkFactor(factor);
  return Array.from({ length: D / 2 }, (_, i) => {
    const theta = base ** (-2 * i / D);
    const turns = trained * theta / (2 * Math.PI);
    const keep = ramp((turns - slow) / (fast - slow));
    return keep * theta + (1 - keep) * theta / factor;
  });
}

/**
 * What queries and keys are each multiplied by, so that scores grow by its square.
 * @throws {RangeError} if factor < 1
 */
export function yarnScale(factor: number): number {
  checkFactor(factor);
  return 0.1 * Math.log(factor) + 1;
}

/** 0 below 0, 1 above 1, and itself between them. */
const ramp = (x: number): number => Math.min(1, Math.max(0, x));

function checkFactor(factor: number): void {
  if (factor >= 1 && factor < Infinity) return;
  throw new RangeError(`Cannot stretch by factor ${factor}: needs 1 or more`);
}

if (import.meta.main) {
  const [D, trained, factor] = [128, 4096, 8];
  const yarn = yarnFrequencies(D, { trained, factor });
  const turns = (theta: number) =>
    (trained * theta / (2 * Math.PI)).toFixed(2).padStart(7);
  console.log("128 wide, trained on 4096 positions, to read 32768");
  console.log("pair  turns in 4096   radians between neighbours");
  console.log("                      plain    interpolated  YaRN");
  for (const i of [0, 10, 20, 30, 40, 63]) {
    const plain = 10000 ** (-2 * i / D);
    const row = [plain, plain / factor, yarn[i]].map((x) => x.toPrecision(3));
    console.log(
      `${i}`.padEnd(5),
      turns(plain),
      "       ",
      row[0].padEnd(8),
      row[1].padEnd(13),
      row[2],
    );
  }
  console.log("scores are multiplied by", (yarnScale(factor) ** 2).toFixed(3));
}
