#!/usr/bin/env -S deno run
/**
 * Q. Repeat a Python program's random numbers in another language, digit for digit.
 *
 * A. The generator is the easy half: CPython uses MT19937, 624 words of state
 * and one twist every 624 numbers. The other half is everything around it: how
 * an integer becomes the key, how two words become one float of 53 bits, that
 * `randrange` draws again whenever a number is too large, that `shuffle` walks
 * from the back, and that `gauss` makes two numbers at a time and keeps one.
 *
 * Time O(1) a number, a twist amortised; space 624 words.
 * Trap: forgetting the kept half of `gauss` leaves the first number right and
 * every later one wrong.
 * Left out: seeds that are not integers, and the rest of Python's module.
 * Source: Matsumoto, Nishimura (1998), doi:10.1145/272991.272995; CPython 3.11,
 * Modules/_randommodule.c and Lib/random.py.
 * Run: `deno run python_random.ts`
 * @module
 */

const N = 624;
const M = 397;

/** All that decides which numbers come next. */
export interface RandomState {
  /** The 624 words of the generator, each from 0 to 2^32 − 1. */
  words: number[];
  /** How many of them are used up, 0 to 624. */
  used: number;
  /** The half of `gauss` that is waiting, or null. */
  nextGauss: number | null;
}

/** Python's `random.Random`, as far as a small program needs it. */
export class PythonRandom {
  #words = new Uint32Array(N);
  #used = N;
  #nextGauss: number | null = null;

  /** @param seed as for Python's `seed`: an integer of any size, its sign ignored */
  constructor(seed: number | bigint) {
    this.seed(seed);
  }

  /**
   * Starts again from `seed`.
   * @throws {RangeError} if a `number` is no safe integer; give a bigint instead
   */
  seed(seed: number | bigint): void {
    if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
      throw new RangeError(
        `Cannot seed with ${seed}: needs an integer, as a bigint beyond 2^53`,
      );
    }
    let rest = BigInt(seed);
    if (rest < 0n) rest = -rest;
    const key: number[] = []; // 32 bits each, the lowest first
    do {
      key.push(Number(rest & 0xffffffffn));
      rest >>= 32n;
    } while (rest > 0n);
    this.#seedByKey(key);
    this.#used = N;
    this.#nextGauss = null;
  }

  /** A float in [0, 1) with 53 random bits. */
  random(): number {
    const high = this.#word() >>> 5; // 27 bits
    const low = this.#word() >>> 6; // 26 bits
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /**
   * An integer of `k` random bits.
   * @throws {RangeError} if `k` is not an integer from 0 to 53
   */
  getrandbits(k: number): number {
    if (!Number.isInteger(k) || k < 0 || k > 53) {
      throw new RangeError(
        `Cannot draw ${k} bits: needs an integer from 0 to 53`,
      );
    }
    if (k === 0) return 0;
    if (k <= 32) return this.#word() >>> (32 - k);
    const low = this.#word(); // the low word is drawn first
    return low + (this.#word() >>> (64 - k)) * 2 ** 32;
  }

  /**
   * An integer from 0 to `stop` − 1, each as likely as the other.
   * @throws {RangeError} if `stop` is not an integer from 1 to 2^53 − 1
   */
  randrange(stop: number): number {
    if (!Number.isSafeInteger(stop) || stop < 1) {
      throw new RangeError(
        `Cannot draw below ${stop}: needs an integer from 1 to 2^53 - 1`,
      );
    }
    const bits = stop.toString(2).length; // of `stop`, not of `stop` − 1
    let drawn = this.getrandbits(bits);
    while (drawn >= stop) drawn = this.getrandbits(bits);
    return drawn;
  }

  /** Puts `items` into a random order, in place. */
  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.randrange(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  /** A normal number with mean `mu` and standard deviation `sigma`. */
  gauss(mu: number, sigma: number): number {
    let z = this.#nextGauss;
    this.#nextGauss = null;
    if (z === null) {
      const angle = this.random() * 2 * Math.PI;
      const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
      z = Math.cos(angle) * radius;
      this.#nextGauss = Math.sin(angle) * radius;
    }
    return mu + z * sigma;
  }

  /**
   * Draws `k` of `population`, each time all of them, with these weights.
   * @throws {RangeError} if there is not one weight an item, or if their sum is
   * not finite and above 0
   */
  choices<T>(
    population: readonly T[],
    weights: readonly number[],
    k = 1,
  ): T[] {
    if (weights.length !== population.length) {
      throw new RangeError(
        `Cannot choose from ${population.length} items by ${weights.length} weight(s)`,
      );
    }
    let total = 0;
    const cumulative = weights.map((weight) => total += weight);
    if (!(total > 0 && total < Infinity)) {
      throw new RangeError(
        `Cannot choose with weights that add up to ${total}: needs a finite sum above 0`,
      );
    }
    return Array.from({ length: k }, () => {
      const dart = this.random() * total;
      const hit = cumulative.findIndex((edge) => dart < edge);
      return population[hit < 0 ? population.length - 1 : hit];
    });
  }

  /** What decides the next numbers, to be kept and given to {@link restore}. */
  get state(): RandomState {
    return {
      words: [...this.#words],
      used: this.#used,
      nextGauss: this.#nextGauss,
    };
  }

  /**
   * Goes on where the generator that had this state would.
   * @throws {RangeError} if it is not the state of an MT19937
   */
  restore(state: RandomState): void {
    const { words, used, nextGauss } = state ?? {};
    const isWord = (word: unknown) => Number(word) >>> 0 === word;
    if (
      !Array.isArray(words) || words.length !== N || !words.every(isWord) ||
      !Number.isInteger(used) || used < 0 || used > N ||
      !(nextGauss === null || Number.isFinite(nextGauss))
    ) {
      throw new RangeError(
        "Cannot restore: this is not the state of a 624-word generator",
      );
    }
    this.#words.set(words);
    this.#used = used;
    this.#nextGauss = nextGauss;
  }

  /** Spreads the key over all words; the constants are those of the paper's code. */
  #seedByKey(key: number[]): void {
    const mt = this.#words;
    const before = (i: number) => mt[i - 1] ^ (mt[i - 1] >>> 30);
    mt[0] = 19650218;
    for (let i = 1; i < N; i++) mt[i] = Math.imul(1812433253, before(i)) + i;
    let i = 1;
    const wrap = () => {
      if (i < N) return;
      mt[0] = mt[N - 1];
      i = 1;
    };
    for (let n = 0, j = 0; n < Math.max(N, key.length); n++) {
      mt[i] = (mt[i] ^ Math.imul(before(i), 1664525)) + key[j] + j;
      i++;
      j = (j + 1) % key.length;
      wrap();
    }
    for (let n = 1; n < N; n++) {
      mt[i] = (mt[i] ^ Math.imul(before(i), 1566083941)) - i;
      i++;
      wrap();
    }
    mt[0] = 0x80000000; // so that the state is never all zeros
  }

  /** The next 32 random bits. */
  #word(): number {
    if (this.#used === N) this.#twist();
    let y = this.#words[this.#used++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** Makes the next 624 words. */
  #twist(): void {
    const mt = this.#words;
    for (let i = 0; i < N; i++) {
      const y = (mt[i] & 0x80000000) | (mt[(i + 1) % N] & 0x7fffffff);
      mt[i] = mt[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#used = 0;
  }
}

if (import.meta.main) {
  const random = new PythonRandom(42);
  const cards = [..."♠♥♦♣"];
  random.shuffle(cards);
  console.log("r = PythonRandom(42), then what Python's r = Random(42) gives");
  console.log("r.shuffle(cards)           ", cards.join(" "));
  console.log("r.random()                 ", random.random());
  console.log("r.gauss(0, 0.08), twice    ", random.gauss(0, 0.08));
  console.log("                           ", random.gauss(0, 0.08));
  console.log("r.randrange(27)            ", random.randrange(27));
  console.log(
    "r.choices([a, b], [1, 9], 5)",
    ...random.choices(["a", "b"], [1, 9], 5),
  );
}
