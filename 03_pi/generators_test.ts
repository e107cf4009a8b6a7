import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { randu, shortLcg, Xoshiro128 } from "./generators.ts";
import { serialTest } from "./randomness.ts";

const STATE = Uint32Array.of(1, 2, 3, 4);
const take = (n: number, next: () => number) => Array.from({ length: n }, next);

Deno.test("next() from the state 1, 2, 3, 4 is the published sequence", () => {
  // xoshiro128plusplus.c of Blackman and Vigna, as in the tests of Rust's
  // rand_xoshiro
  const generator = new Xoshiro128(STATE);
  assertEquals(take(10, () => generator.next()), [
    641,
    1573767,
    3222811527,
    3517856514,
    836907274,
    4247214768,
    3867114732,
    1355841295,
    495546011,
    621204420,
  ]);
});

Deno.test("a seed is spread as Rust's seed_from_u64() spreads it", () => {
  // the tests of Rust's rand, for the seed 0
  const generator = new Xoshiro128(0);
  assertEquals(take(10, () => generator.next()), [
    1179900579,
    1938959192,
    3089844957,
    3657088315,
    1015453891,
    479942911,
    3433842246,
    669252886,
    3985671746,
    2737205563,
  ]);
});

Deno.test("jump() is 2^64 numbers on", () => {
  // the tests of rand_xoshiro; and the matrix of one step over bits, squared 64
  // times in Python, gives the same
  const generator = new Xoshiro128(STATE);
  generator.jump();
  assertEquals([...generator.words], [
    2843103750,
    2038079848,
    1533207345,
    44816753,
  ]);
});

Deno.test("jump() and next() can be done in either order", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(50), (seed, n) => {
      const [a, b] = [new Xoshiro128(seed), new Xoshiro128(seed)];
      take(n, () => a.next());
      a.jump();
      b.jump();
      take(n, () => b.next());
      assertEquals(a.words, b.words);
    }),
  );
});

Deno.test("random() is next() / 2^32, and never 1", () => {
  const [a, b] = [new Xoshiro128(5), new Xoshiro128(5)];
  assertEquals(take(9, a.random), take(9, () => b.next() / 2 ** 32));
  // rotl(−1 + 0, 7) + −1 + 1 = 2^32 − 1, the largest word
  const largest = new Xoshiro128(Uint32Array.of(0, 1, 1, 0xffffffff));
  assertEquals(largest.random(), 1 - 2 ** -32);
});

Deno.test("a generator goes on from the words of another, without moving it", () => {
  const a = new Xoshiro128(3);
  take(5, a.random);
  const b = new Xoshiro128(a.words);
  assertEquals(take(5, b.random), take(5, a.random));
  const words = Uint32Array.of(1, 2, 3, 4);
  new Xoshiro128(words).next();
  assertEquals([...words], [1, 2, 3, 4]);
});

Deno.test("seeds side by side, and beyond 2^53, begin differently", () => {
  const first = (seed: number | bigint) => new Xoshiro128(seed).next();
  const seeds = [0, 1, 2, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n];
  assertEquals(new Set(seeds.map(first)).size, seeds.length);
  assertEquals(first(7), first(7n));
});

Deno.test("streams a jump apart do not go together, as streams of one seed would", () => {
  const pairs = (...both: Xoshiro128[]) => {
    let i = 0;
    return serialTest(() => both[i++ % 2].random(), 200_000, 2, 20);
  };
  const jumped = new Xoshiro128(42);
  jumped.jump();
  assertNotEquals(jumped.words, new Xoshiro128(42).words);
  assert(Math.abs(pairs(new Xoshiro128(42), jumped)) < 4);
  assert(pairs(new Xoshiro128(42), new Xoshiro128(42)) > 100);
});

Deno.test("randu() from 1 is the published sequence", () => {
  // OEIS A096555
  const words = [65539, 393225, 1769499, 7077969, 26542323, 95552217];
  assertEquals(take(6, randu(1)), words.map((word) => word / 2 ** 31));
});

Deno.test("randu() lies in planes: 9x − 6y + z of three numbers is whole", () => {
  const random = randu(1);
  for (let i = 0; i < 1000; i++) {
    const [x, y, z] = take(3, random);
    assert(Number.isInteger(9 * x - 6 * y + z));
  }
});

Deno.test("shortLcg() begins again after 65,536 numbers, and not before", () => {
  const random = shortLcg(1);
  const first = take(65_536, random);
  assertEquals(new Set(first).size, 65_536);
  assertEquals(
    Math.max(...first.slice(0, 999), first[32_767]),
    65_536 / 65_537,
  );
  assertEquals(take(3, random), first.slice(0, 3));
});

for (const seed of [-1, 1.5, NaN, 2 ** 53, 2n ** 64n, -1n]) {
  Deno.test(`a generator refuses the seed ${seed}${typeof seed === "bigint" ? "n" : ""}`, () => {
    const message = `Cannot seed with ${seed}: needs an integer from 0 to 2^64`;
    assertThrows(() => new Xoshiro128(seed), RangeError, message);
  });
}

for (const state of [[0, 0, 0, 0], [1, 2, 3], [1, 2, 3, 4, 5]]) {
  Deno.test(`a generator refuses the state ${state}, from which it cannot start`, () => {
    const message = `Cannot start from the state [${state}]: needs 4 words`;
    assertThrows(
      () => new Xoshiro128(Uint32Array.from(state)),
      RangeError,
      message,
    );
  });
}
