import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { randu, shortLcg, Xoshiro128 } from "./generators.ts";
import type { Random } from "./pi.ts";
import { birthdayTest, normal, serialTest, TESTS } from "./randomness.ts";

for (const [name, test] of Object.entries(TESTS)) {
  Deno.test(`the test of ${name} passes xoshiro128++ and fails the short LCG`, () => {
    for (const seed of [1, 2, 3]) {
      assert(Math.abs(test(new Xoshiro128(seed).random)) < 4);
    }
    assert(Math.abs(test(shortLcg(1))) > 30);
  });
}

Deno.test("RANDU passes one number at a time and pairs, and fails triples", () => {
  assert(Math.abs(TESTS["one number"](randu(1))) < 4);
  assert(Math.abs(TESTS["pairs"](randu(1))) < 4);
  assert(TESTS["triples"](randu(1)) > 100);
});

Deno.test("numbers that are too even are off, with a minus", () => {
  let i = 0;
  assert(serialTest(() => i++ % 1000 / 1000, 100_000, 1, 1000) < -30);
});

Deno.test("numbers that prefer one half are off, with a plus", () => {
  const { random } = new Xoshiro128(1);
  assert(serialTest(() => random() ** 1.2, 100_000, 1, 100) > 30);
});

Deno.test("a test of a good generator is a standard normal number over the seeds", () => {
  // 200 scores: their mean is good to 1 / √200, their variance to √(2 / 200);
  // here within four of each.
  const tests: ((random: Random) => number)[] = [
    (random) => serialTest(random, 2000, 2, 8),
    (random) => birthdayTest(random, 4),
  ];
  for (const test of tests) {
    const scores = Array.from(
      { length: 200 },
      (_, seed) => test(new Xoshiro128(seed).random),
    );
    const mean = scores.reduce((a, b) => a + b, 0) / 200;
    const variance = scores.reduce((s, z) => s + (z - mean) ** 2, 0) / 199;
    assertAlmostEquals(mean, 0, 4 / Math.sqrt(200));
    assertAlmostEquals(variance, 1, 4 * Math.sqrt(2 / 200));
  }
});

Deno.test("serialTest() takes the number 1 as the last cell", () => {
  const all = (u: number) => serialTest(() => u, 100, 2, 4);
  assertEquals(all(1), all(0.99));
});

Deno.test("normal() takes the quantiles of χ² to those of the normal distribution", () => {
  // scipy.stats.chi2.ppf(q, k); Wilson and Hilferty are good to 0.03 from k = 10
  const table: [k: number, chi2: number, z: number][] = [
    [10, 3.9402991361190605, -1.645],
    [10, 18.307038053275146, 1.645],
    [10, 29.58829844507442, 3.09],
    [100, 77.92946516501726, -1.645],
    [100, 99.33412923598846, 0],
    [100, 124.34211340400407, 1.645],
    [999, 1142.8479838910355, 3.09],
  ];
  for (const [k, chi2, z] of table) {
    assertAlmostEquals(normal(chi2, k), z, 0.03);
  }
});
