#!/usr/bin/env -S deno run
/**
 * Q. How do you know that a random generator is any good?
 *
 * A. You do not; you know that it passes tests. Each test counts something whose
 * distribution is known if the numbers are random, and says how many standard
 * deviations off the count is. Beyond ±4 the generator is to blame: and numbers
 * that are too even are as wrong as numbers that are not even enough.
 *
 * Time O(n); space O(cells).
 * Trap: testing one number at a time. RANDU passes that, and fails in space.
 * Left out: the hundreds of tests of TestU01 and PractRand.
 * Source: Knuth, The Art of Computer Programming, vol. 2, 3.3.2 and 3.3.4;
 * Marsaglia (1968), doi:10.1073/pnas.61.1.25.
 * Run: `deno run randomness.ts`
 * @module
 */
import { randu, shortLcg, Xoshiro128 } from "./generators.ts";
import { draw, type Random } from "./pi.ts";

/** Says how many standard deviations off the numbers of `random` are. */
export type Test = (random: Random) => number;

/** The tests, by name. */
export const TESTS: Record<string, Test> = {
  "one number": (random) => serialTest(random, 1_000_000, 1, 1000),
  "pairs": (random) => serialTest(random, 1_000_000, 2, 32),
  "triples": (random) => serialTest(random, 1_000_000, 3, 16),
  "birthdays": (random) => birthdayTest(random, 500),
};

/**
 * Cuts the unit cube of `dimensions` into cells, drops `n` points, and compares
 * the counts of the cells with n / cells by χ².
 * @param side cells along each side
 */
export function serialTest(
  random: Random,
  n: number,
  dimensions: number,
  side: number,
): number {
  const counts = new Float64Array(side ** dimensions);
  for (let i = 0; i < n; i++) {
    let cell = 0;
    for (let d = 0; d < dimensions; d++) {
      cell = cell * side + Math.min(side - 1, Math.floor(draw(random) * side));
    }
    counts[cell]++;
  }
  const expected = n / counts.length;
  const chi2 = counts.reduce((s, x) => s + (x - expected) ** 2 / expected, 0);
  return normal(chi2, counts.length - 1);
}

/**
 * Marsaglia's birthday spacings, `rounds` times: 2^10 birthdays in a year of
 * 2^25 days. The number of equal gaps between them is Poisson with mean 8.
 */
export function birthdayTest(random: Random, rounds: number): number {
  const mean = 2 ** (3 * 10) / (4 * 2 ** 25);
  let equal = 0;
  for (let round = 0; round < rounds; round++) {
    const days = new Float64Array(2 ** 10)
      .map(() => Math.floor(draw(random) * 2 ** 25)).sort();
    const gaps = days.map((day, i) => day - (days[i - 1] ?? 0)).sort();
    for (let i = 1; i < gaps.length; i++) {
      if (gaps[i] === gaps[i - 1]) equal++;
    }
  }
  return (equal - rounds * mean) / Math.sqrt(rounds * mean);
}

/** χ² with `k` degrees of freedom as a standard normal, after Wilson, Hilferty. */
export function normal(chi2: number, k: number): number {
  const v = 2 / (9 * k);
  return (Math.cbrt(chi2 / k) - (1 - v)) / Math.sqrt(v);
}

if (import.meta.main) {
  const generators: Record<string, () => Random> = {
    "xoshiro128++": () => new Xoshiro128(42).random,
    "Math.random": () => Math.random,
    "RANDU": () => randu(1),
    "short LCG": () => shortLcg(1),
  };
  const columns = Object.keys(TESTS);
  console.log("standard deviations from what random numbers would show");
  console.log("".padEnd(13), ...columns.map((name) => name.padStart(11)));
  for (const [name, make] of Object.entries(generators)) {
    const scores = columns.map((test) => TESTS[test](make()));
    const verdict = scores.every((z) => Math.abs(z) < 4) ? "passes" : "fails";
    console.log(
      name.padEnd(13),
      ...scores.map((z) => z.toFixed(1).padStart(11)),
      ` ${verdict}`,
    );
  }
}
