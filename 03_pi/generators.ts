#!/usr/bin/env -S deno run
/**
 * Q. Where do uniform random numbers come from, and how do you share one seed
 * among many workers?
 *
 * A. A small state is changed by shifts and exclusive ors, and at each step a word
 * is read off it: xoshiro128++ has 128 bits and a period of 2^128 − 1. A step is linear
 * over bits, so 2^64 of them are one linear map, too, which can be worked out
 * beforehand: `jump`. Worker w starts w jumps on. No two streams meet
 * unless one of them draws 2^64 numbers.
 *
 * Time O(1) a number, 128 steps a jump; space 16 bytes.
 * Trap: seeds 1, 2, 3 … as they are: the words are mostly zeros, and the first
 * numbers of all workers alike. SplitMix64 spreads the seed over the state.
 * Left out: secrets. Whoever sees a few numbers can compute all others.
 * Source: Blackman, Vigna (2021), doi:10.1145/3460772, prng.di.unimi.it.
 * Run: `deno run generators.ts`
 * @module
 */
import { estimatePi, type Random } from "./pi.ts";

/** 2^64 steps as a polynomial in one step, over bits, its lowest power first. */
const JUMP = [0x8764000b, 0xf542d2d3, 0x6fa035c3, 0x77f2db5b];

/** The generator xoshiro128++. */
export class Xoshiro128 {
  /** The state: four words, not all of them 0. */
  readonly words: Uint32Array;

  /**
   * @param seed an integer from 0 to 2^64 − 1, a bigint beyond 2^53; or the state
   * @throws {RangeError} for any other seed, or a state of zeros
   */
  constructor(seed: number | bigint | Uint32Array) {
    this.words = typeof seed === "object" ? seed.slice() : spread(seed);
    if (this.words.length === 4 && this.words.some((word) => word > 0)) return;
    throw new RangeError(
      `Cannot start from the state [${this.words}]: needs 4 words, not all 0`,
    );
  }

  /** 32 random bits, as a number from 0 to 2^32 − 1. */
  next(): number {
    const s = this.words;
    const sum = s[0] + s[3];
    const word = ((sum << 7 | sum >>> 25) + s[0]) >>> 0;
    this.#step();
    return word;
  }

  /** A multiple of 2^−32 in [0, 1); bound, so that it can be passed on. */
  random: Random = () => this.next() / 2 ** 32;

  /** Goes on as if 2^64 numbers had been drawn. */
  jump(): void {
    const sum = new Uint32Array(4);
    for (const bits of JUMP) {
      for (let bit = 0; bit < 32; bit++) {
        if (bits >>> bit & 1) sum.forEach((_, i) => sum[i] ^= this.words[i]);
        this.#step();
      }
    }
    this.words.set(sum);
  }

  #step(): void {
    const s = this.words;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 11 | s[3] >>> 21;
  }
}

/** Makes four words of a seed by two steps of SplitMix64. */
function spread(seed: number | bigint): Uint32Array {
  const fits = typeof seed === "bigint" || Number.isSafeInteger(seed);
  if (!fits || seed < 0 || seed >= 2n ** 64n) {
    throw new RangeError(
      `Cannot seed with ${seed}: needs an integer from 0 to 2^64 - 1, as a bigint beyond 2^53`,
    );
  }
  const wrap = (x: bigint) => BigInt.asUintN(64, x);
  const words = new Uint32Array(4);
  for (const i of [0, 1]) {
    let z = wrap(BigInt(seed) + BigInt(i + 1) * 0x9e3779b97f4a7c15n);
    z = wrap((z ^ z >> 30n) * 0xbf58476d1ce4e5b9n);
    z = wrap((z ^ z >> 27n) * 0x94d049bb133111ebn);
    z ^= z >> 31n;
    words.set([Number(z & 0xffffffffn), Number(z >> 32n)], 2 * i);
  }
  return words;
}

/**
 * RANDU, of IBM's library of 1968: x ← 65539 · x mod 2^31. As 65539 is 2^16 + 3,
 * x₂ = 6x₁ − 9x₀ mod 2^31: all points of three numbers lie in 15 planes.
 * @param x odd, from 1 to 2^31 − 1
 */
export function randu(x: number): Random {
  return () => (x = 65539 * x % 2 ** 31) / 2 ** 31;
}

/**
 * The generator of the Sinclair ZX81, x ← 75 · x mod 65537. Its period is 65,536;
 * then it repeats.
 * @param x from 1 to 65536
 */
export function shortLcg(x: number): Random {
  return () => (x = 75 * x % 65537) / 65537;
}

if (import.meta.main) {
  const generator = new Xoshiro128(Uint32Array.of(1, 2, 3, 4));
  console.log("xoshiro128++ from the state 1, 2, 3, 4");
  console.log(" ", ...Array.from({ length: 5 }, () => generator.next()));
  console.log("three workers with seed 42, one jump apart");
  const seeded = new Xoshiro128(42);
  for (let worker = 0; worker < 3; worker++) {
    const own = new Xoshiro128(seeded.words);
    const drawn = Array.from({ length: 6 }, own.random);
    console.log(`  ${worker} `, ...drawn.map((u) => u.toFixed(6)));
    seeded.jump();
  }
  console.log("RANDU: 9x − 6y + z of three numbers is always whole");
  const bad = randu(1);
  for (let i = 0; i < 3; i++) {
    const [x, y, z] = [bad(), bad(), bad()];
    console.log("  9 ·", x, "− 6 ·", y, "+", z, "=", 9 * x - 6 * y + z);
  }
  console.log("the short LCG: π from its period, and from a hundred of them");
  for (const n of [32_768, 3_276_800]) {
    console.log(`  ${n} darts`.padEnd(17), estimatePi(n, shortLcg(1)));
  }
}
