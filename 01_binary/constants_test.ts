import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { canonical } from "./big_o.ts";
import {
  COMPLEXITIES,
  FIBRE_INDEX,
  formatSeconds,
  LATENCIES,
  lightTime,
  POWERS,
  PREFIXES,
  relativeError,
  ROUND_SPEED_OF_LIGHT,
  SPEED_OF_LIGHT,
  valueOf,
  writePower,
} from "./constants.ts";

Deno.test("SPEED_OF_LIGHT is the exact one of the SI, not 3e8", () => {
  assertEquals(SPEED_OF_LIGHT, 299_792_458);
});

Deno.test("relativeError() of 3e8 is 0.069 % high, not low", () => {
  // python3 -c "from fractions import Fraction as F
  // print(float(F(3 * 10**8 - 299792458, 299792458)))"
  const error = relativeError(ROUND_SPEED_OF_LIGHT, SPEED_OF_LIGHT);
  assertAlmostEquals(error, 0.0006922855944561488, 1e-18);
});

Deno.test("lightTime() of a metre, to the Moon, and through fibre, slower by its index", () => {
  // python3: 1/299792458, 384400e3/299792458; only the last bit may differ
  assertAlmostEquals(lightTime(1), 3.3356409519815204e-9, 1e-24);
  assertAlmostEquals(lightTime(384_400e3), 1.2822203819416964, 1e-15);
  // What networks reckon with: 4.9 µs a kilometre, so 49 ms for 10,000 km.
  assertAlmostEquals(lightTime(1e7, FIBRE_INDEX), 49e-3, 0.1e-3);
  assertEquals(lightTime(0), 0);
  assertEquals(lightTime(Infinity), Infinity);
});

const ERRORS: [metres: number, index: number | undefined, message: string][] = [
  [-1, undefined, "Cannot cross -1 m: needs a number from 0"],
  [NaN, undefined, "Cannot cross NaN m: needs a number from 0"],
  [1, 0.5, "Cannot slow light by 0.5: needs a refractive index from 1"],
  [1, NaN, "Cannot slow light by NaN: needs a refractive index from 1"],
];
for (const [metres, index, message] of ERRORS) {
  Deno.test(`lightTime() of ${metres} m at index ${index ?? 1} is an error, not a time`, () => {
    assertThrows(() => lightTime(metres, index), RangeError, message);
  });
}

Deno.test("LATENCIES grow from row to row, each with a source, all but light with a year", () => {
  LATENCIES.slice(1).forEach(({ what, seconds }, i) => {
    assert(LATENCIES[i].seconds < seconds, what);
  });
  for (const { what, seconds, year, source } of LATENCIES) {
    assert(seconds > 0 && source !== "", what);
    assertEquals(year === undefined, what.startsWith("light"), what);
  }
  assertEquals(new Set(LATENCIES.map(({ what }) => what)).size, 17);
});

Deno.test("LATENCIES are those of Dean's talk of 2009, in ns", () => {
  // everythingisdata.wordpress.com/2009/10/17/numbers-everyone-should-know
  const nanoseconds = LATENCIES
    .filter(({ source }) => source.startsWith("Dean"))
    .map(({ seconds }) => Number((seconds * 1e9).toPrecision(3)));
  assertEquals(
    nanoseconds.join(" "),
    "0.5 5 7 25 100 3000 20000 250000 500000 10000000 20000000 150000000",
  );
});

const TIMES: [seconds: number, text: string][] = [
  [0.5e-9, "0.5 ns"],
  [1e-9, "1 ns"],
  [30 / 3.4e9, "8.8 ns"],
  [1e-6, "1 µs"],
  [312.5e-6, "310 µs"],
  [1e-3, "1 ms"],
  [0.15, "150 ms"],
  [1, "1 s"],
  [90, "90 s"],
  [0, "0 ns"],
];
for (const [seconds, text] of TIMES) {
  Deno.test(`formatSeconds() of ${seconds} is ${text}, in the unit that suits it`, () => {
    assertEquals(formatSeconds(seconds), text);
  });
}

Deno.test("POWERS are exact, beyond 2^53 too", () => {
  // python3 -c "print(*(2**n - l for n, l in [(8, 0), …, (64, 0)]))"
  assertEquals(
    POWERS.map((power) => [writePower(power), `${valueOf(power)}`]),
    [
      ["2^8", "256"],
      ["2^10", "1024"],
      ["2^12", "4096"],
      ["2^16", "65536"],
      ["2^20", "1048576"],
      ["2^24", "16777216"],
      ["2^30", "1073741824"],
      ["2^31 − 1", "2147483647"],
      ["2^32", "4294967296"],
      ["2^40", "1099511627776"],
      ["2^53 − 1", "9007199254740991"],
      ["2^63 − 1", "9223372036854775807"],
      ["2^64", "18446744073709551616"],
    ],
  );
});

Deno.test("relativeError() of a KiB taken for a kB is 2.4 %, of a GiB 7.4 %", () => {
  // python3 -c "print(*(f'{100*(1024**i/1000**i-1):.1f}' for i in (1,2,3,4)))"
  const percents = PREFIXES.map((_, i) =>
    (100 * relativeError(1024 ** (i + 1), 1000 ** (i + 1))).toFixed(1)
  );
  assertEquals(percents, ["2.4", "4.9", "7.4", "10.0"]);
});

Deno.test("COMPLEXITIES can all be read, and none is there twice", () => {
  for (const row of COMPLEXITIES) {
    const { name, best = "1", time, worst = "1", space, or = [] } = row;
    for (const text of [best, time, worst, space, ...or]) {
      assert(canonical(text) !== undefined, `${name}: ${text}`);
    }
    assert(row.source !== "", name);
  }
  const names = COMPLEXITIES.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("COMPLEXITIES of sorts are those of the textbook: best, average, worst, space, stable", () => {
  const sorts = COMPLEXITIES.filter(({ stable }) => stable !== undefined);
  assertEquals(
    sorts.map(({ name, best, time, worst, space, stable }) =>
      [name.split(" ")[0], best ?? time, time, worst ?? time, space, stable]
        .join(", ")
    ),
    [
      "bubble, n, n^2, n^2, 1, true",
      "insertion, n, n^2, n^2, 1, true",
      "merge, n log n, n log n, n log n, n, true",
      "quicksort, n log n, n log n, n^2, log n, false",
      "heapsort, n log n, n log n, n log n, 1, false",
      "counting, n + k, n + k, n + k, n + k, true",
    ],
  );
});
