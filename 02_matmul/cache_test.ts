import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  Cache,
  L1,
  missRates,
  type Order,
  ORDERS,
  type Sizes,
  tiled,
} from "./cache.ts";

/** Two sets of two lines of 16 bytes: lines 0, 2, 4 share a set, 1, 3, 5 the other. */
const SMALL: Sizes = { bytes: 64, ways: 2, line: 16 };
const hits = (cache: Cache, lines: number[]) =>
  lines.map((line) => cache.access(16 * line) ? "hit" : "miss").join(" ");

Deno.test("the first access to a line misses, also to line 0; the rest of it hits", () => {
  const cache = new Cache(SMALL);
  assertEquals(cache.access(0), false);
  for (let address = 0; address < 16; address++) {
    assertEquals(cache.access(address), true);
  }
  assertEquals(cache.access(16), false);
  assertEquals(cache.access(31), true);
});

Deno.test("the line that was not used for longest makes room, not the oldest", () => {
  assertEquals(
    hits(new Cache(SMALL), [0, 2, 0, 4, 0, 2]),
    "miss miss hit miss hit miss",
  );
  const four = new Cache({ bytes: 64, ways: 4, line: 16 });
  assertEquals(
    hits(four, [0, 1, 2, 3, 0, 4, 5, 6, 0]),
    "miss miss miss miss hit miss miss miss hit",
  );
});

Deno.test("a line has one set only, by the lowest bits of its number", () => {
  assertEquals(
    hits(new Cache(SMALL), [0, 1, 2, 3, 0, 1, 2, 3]),
    "miss miss miss miss hit hit hit hit",
  );
  assertEquals(
    hits(new Cache(SMALL), [0, 2, 4, 0, 2, 4]),
    "miss miss miss miss miss miss",
  );
});

Deno.test("one way is a place for each line, one set takes any lines", () => {
  const direct = new Cache({ bytes: 64, ways: 1, line: 16 });
  assertEquals(
    hits(direct, [0, 1, 2, 3, 0, 4, 0]),
    "miss miss miss miss hit miss miss",
  );
  const full = new Cache({ bytes: 48, ways: 3, line: 16 });
  assertEquals(
    hits(full, [0, 2, 4, 0, 6, 0, 2]),
    "miss miss miss hit miss hit miss",
  );
});

Deno.test("a cache does what its sets do as lists with the last used in front", () => {
  const power = fc.integer({ min: 0, max: 3 }).map((k) => 2 ** k);
  const ways = fc.integer({ min: 1, max: 5 });
  const trace = fc.array(fc.nat(99), { minLength: 50, maxLength: 200 });
  fc.assert(
    fc.property(power, ways, power, trace, (sets, ways, line, trace) => {
      const cache = new Cache({ bytes: sets * ways * line, ways, line });
      const lists = Array.from({ length: sets }, () => [] as number[]);
      for (const address of trace) {
        const number = Math.floor(address / line);
        const list = lists[number % sets];
        const at = list.indexOf(number);
        if (at >= 0) list.splice(at, 1);
        list.unshift(number);
        list.splice(ways);
        assertEquals(cache.access(address), at >= 0);
      }
    }),
  );
});

// A twin in Python, an OrderedDict with move_to_end and popitem for each set: misses
// on a, b and c in pass 1 after pass 0, and the accesses
const TWIN: [
  name: string,
  n: number,
  order: Order,
  misses: number[],
  of: number[],
  sizes?: Sizes,
][] = [
  ["i-j-k", 500, ORDERS["i-j-k"], [62, 31250, 62], [250000, 250000, 500]],
  ["i-j-k", 512, ORDERS["i-j-k"], [636, 262144, 512], [262144, 262144, 512]],
  ["i-j-k", 520, ORDERS["i-j-k"], [65, 33800, 65], [270400, 270400, 520]],
  ["i-j-k", 700, ORDERS["i-j-k"], [28565, 221958, 524], [490000, 490000, 700]],
  ["i-j-k", 1000, ORDERS["i-j-k"], [125000, 1e6, 1000], [1e6, 1e6, 1000]],
  ["i-k-j", 500, ORDERS["i-k-j"], [62, 31250, 62], [500, 250000, 250000]],
  ["i-k-j", 512, ORDERS["i-k-j"], [64, 32768, 64], [512, 262144, 262144]],
  ["i-k-j", 700, ORDERS["i-k-j"], [87, 61250, 87], [700, 490000, 490000]],
  ["j-k-i", 500, ORDERS["j-k-i"], [250000, 500, 250000], [250000, 500, 250000]],
  ["j-k-i", 100, ORDERS["j-k-i"], [1250, 100, 0], [10000, 100, 10000]],
  ["tiles of 8", 512, tiled(8), [16, 512, 512], [4096, 32768, 32768]],
  ["tiles of 16", 512, tiled(16), [1024, 16384, 1024], [8192, 131072, 131072]],
  ["tiles of 32", 500, tiled(32), [2000, 2250, 128], [16000, 512000, 512000]],
  ["tiles of 80", 500, tiled(80), [5280, 343948, 5880], [
    40000,
    3200000,
    3200000,
  ]],
  ["tiles of 48", 130, tiled(48), [888, 878, 930], [6240, 299520, 299520]],
  ["i-j-k, 2 kB", 40, ORDERS["i-j-k"], [187, 1600, 40], [1600, 1600, 40], {
    bytes: 2048,
    ways: 4,
    line: 32,
  }],
  ["tiles of 7, 2 kB", 40, tiled(7), [91, 120, 77], [280, 1960, 1960], {
    bytes: 2048,
    ways: 4,
    line: 32,
  }],
];
for (const [name, n, order, misses, of, sizes] of TWIN) {
  Deno.test(`${name} at n = ${n} misses exactly as Python's twin: ${misses}`, () => {
    const { a, b, c, product } = missRates(n, order, sizes);
    assertEquals([a, b, c], misses.map((count, i) => count / of[i]));
    assertEquals(
      product,
      (misses[0] + misses[1] + misses[2]) / of[1 - Number(name === "j-k-i")],
    );
  });
}

// The twin in Python, from an empty cache, a and b only
for (
  const [n, rate] of [[500, 0.140625], [512, 1], [700, 0.45625], [1000, 1]]
) {
  Deno.test(`the first 32 columns of b at n = ${n} miss with a rate of ${rate}`, () => {
    const cache = new Cache(L1);
    let misses = 0;
    for (let j = 0; j < 32; j++) {
      for (let k = 0; k < n; k++) {
        cache.access(8 * k);
        if (!cache.access(8 * (n * n + k * n + j))) misses++;
      }
    }
    assertEquals(misses / (32 * n), rate);
  });
}

Deno.test("i-k-j misses b once in eight, until b fits as a whole", () => {
  for (const n of [96, 200, 256, 512]) {
    assertEquals(missRates(n, ORDERS["i-k-j"]).b, 0.125);
  }
  assertEquals(missRates(64, ORDERS["i-k-j"]).b, 0);
});

Deno.test("a tile that fits misses less the larger it is, one that does not misses more", () => {
  const product = (tile: number) => missRates(520, tiled(tile)).product;
  const rates = [8, 16, 32, 64].map(product);
  rates.slice(1).forEach((rate, i) => assert(rate < rates[i]));
  assert(product(96) > 10 * product(64)); // 72 kB
  assert(missRates(512, tiled(32)).product > 10 * product(64)); // a power of two
});

for (
  const [name, order] of Object.entries({
    ...ORDERS,
    "tiles of 3": tiled(3),
    "tiles of 7": tiled(7),
    "a tile of 9": tiled(9),
  })
) {
  Deno.test(`all passes of ${name} together are the product, each entry as often`, () => {
    const n = 7;
    const touches = [0, 1, 2].map(() => new Array<number>(n * n).fill(0));
    const loops = order(n);
    for (let p = 0; p < loops.passes; p++) {
      loops.pass(p, (matrix, row, column) => {
        assert(row < n && column < n);
        touches[matrix][row * n + column]++;
      });
    }
    for (const list of touches) {
      assertEquals(list, Array(n * n).fill(list[0]));
      assert(list[0] > 0);
    }
    assertEquals(Math.max(...touches.flat()), n);
  });
}

const REFUSED: [sizes: Partial<Sizes>, message: string][] = [
  [
    { bytes: 0 },
    "of 0 bytes, 12 ways and lines of 64 bytes: 0 is no whole number",
  ],
  [{ ways: NaN }, "NaN is no whole number from 1"],
  [{ ways: -12 }, "-12 is no whole number from 1"],
  [{ line: 0.5 }, "0.5 is no whole number from 1"],
  [{ bytes: Infinity }, "Infinity is no whole number from 1"],
  [{ line: 48 }, "a line needs a power of two bytes"],
  [{ ways: 8 }, "96 sets are no power of two"],
  [{ bytes: 49153 }, "sets are no power of two"],
  [{ bytes: 384 }, "0.5 sets are no power of two"],
];
for (const [sizes, message] of REFUSED) {
  Deno.test(`a cache of ${Object.entries(sizes)} is refused`, () => {
    assertThrows(() => new Cache({ ...L1, ...sizes }), RangeError, message);
  });
}

Deno.test("an address, a tile, a size or a single pass that makes no sense is refused", () => {
  const cache = new Cache(L1);
  for (const address of [-1, 0.5, NaN, 2 ** 53]) {
    const message = `Cannot access address ${address}: needs a whole number`;
    assertThrows(() => cache.access(address), RangeError, message);
  }
  for (const size of [0, -8, 2.5, NaN]) {
    assertThrows(
      () => tiled(size),
      RangeError,
      `Cannot use tiles of ${size} rows`,
    );
    assertThrows(
      () => missRates(size, ORDERS["i-j-k"]),
      RangeError,
      `Cannot multiply (${size}, ${size})`,
    );
  }
  assertThrows(
    () => missRates(8, tiled(8)),
    RangeError,
    "Cannot measure 1 pass",
  );
});
