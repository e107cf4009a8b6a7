#!/usr/bin/env -S deno run
/**
 * Q. Which numbers should an engineer know by heart?
 *
 * A. The speed of light with its unit, 299,792,458 m/s in vacuum, which is near
 * 3·10^8; the ladder of latencies from a cache to another continent, to a factor
 * of 3; a dozen powers of two; and the complexity of what one calls every day.
 *
 * A latency belongs to a machine and a year. Those of 2009 are the ones that
 * are quoted; caches and the speed of light have hardly moved since, disks have.
 *
 * Left out: prices, failure rates, bandwidths.
 * Source: BIPM, SI Brochure, 9th edition (2019), for light; each row names its own.
 * Run: `deno run constants.ts`
 * @module
 */

/** Metres a second in vacuum: exact, as the metre has been defined by it since 1983. */
export const SPEED_OF_LIGHT = 299_792_458;
/** What one says aloud. */
export const ROUND_SPEED_OF_LIGHT = 3e8;
/** Group index of single-mode fibre at 1550 nm: Corning SMF-28e. */
export const FIBRE_INDEX = 1.4682;

/**
 * How long light takes.
 * @param metres of the way
 * @param refractiveIndex how many times slower than in vacuum
 * @returns seconds
 * @throws {RangeError} for a way below 0, an index below 1, or no number
 */
export function lightTime(metres: number, refractiveIndex = 1): number {
  if (!(metres >= 0)) {
    throw new RangeError(`Cannot cross ${metres} m: needs a number from 0`);
  }
  if (!(refractiveIndex >= 1)) {
    throw new RangeError(
      `Cannot slow light by ${refractiveIndex}: needs a refractive index from 1`,
    );
  }
  return metres / SPEED_OF_LIGHT * refractiveIndex;
}

/** How far `said` is from `exact`, as a part of `exact`. */
export function relativeError(said: number, exact: number): number {
  return (said - exact) / exact;
}

export interface Latency {
  what: string;
  seconds: number;
  /** When this was so; a law of nature has no year. */
  year?: number;
  source: string;
}

const DEAN = "Dean, keynote at LADIS 2009";
const P4500 = "Lenovo, specification of the Intel SSD DC P4500";

/** From the fastest to the slowest. */
// deno-fmt-ignore
export const LATENCIES: readonly Latency[] = [
  { what: "L1 cache reference", seconds: 0.5e-9, year: 2009, source: DEAN },
  { what: "branch mispredicted", seconds: 5e-9, year: 2009, source: DEAN },
  { what: "L2 cache reference", seconds: 7e-9, year: 2009, source: DEAN },
  { what: "L3 cache reference", seconds: 30 / 3.4e9, year: 2012, source: "7-cpu.com, Ivy Bridge: 30 cycles at 3.4 GHz" },
  { what: "lock and unlock a mutex", seconds: 25e-9, year: 2009, source: DEAN },
  { what: "main memory reference", seconds: 100e-9, year: 2009, source: DEAN },
  { what: "memory reference on a GPU, HBM", seconds: 400 / 1.755e9, year: 2023, source: "doi:10.1016/j.ultsonch.2023.106546, table 3, H100: 400 cycles" },
  { what: "compress 1 kB", seconds: 3e-6, year: 2009, source: DEAN },
  { what: "send 2 kB over 1 Gb/s", seconds: 20e-6, year: 2009, source: DEAN },
  { what: "read 4 kB at random from an NVMe SSD", seconds: 85e-6, year: 2017, source: P4500 },
  { what: "read 1 MB in sequence from memory", seconds: 250e-6, year: 2009, source: DEAN },
  { what: "read 1 MB in sequence from an NVMe SSD", seconds: 1e6 / 3.2e9, year: 2017, source: `${P4500}: 3.2 GB/s` },
  { what: "round trip within a datacenter", seconds: 500e-6, year: 2009, source: DEAN },
  { what: "seek on a disk", seconds: 10e-3, year: 2009, source: DEAN },
  { what: "read 1 MB in sequence from a disk", seconds: 20e-3, year: 2009, source: DEAN },
  { what: "light through 10,000 km of fibre", seconds: lightTime(1e7, FIBRE_INDEX), source: "SI Brochure, and Corning SMF-28e" },
  { what: "packet from California to the Netherlands and back", seconds: 150e-3, year: 2009, source: DEAN },
];

/** Writes a time to two digits, in the unit that suits it. */
export function formatSeconds(seconds: number): string {
  const units: [string, number][] = [["s", 1], ["ms", 1e-3], ["µs", 1e-6]];
  const [unit, size] = units.find(([, size]) => seconds >= size) ??
    ["ns", 1e-9];
  return `${Number((seconds / size).toPrecision(2))} ${unit}`;
}

/** 2^exponent, less one if it is the largest of a signed or exact integer. */
export interface Power {
  exponent: number;
  lessOne?: boolean;
  use: string;
}

export const POWERS: readonly Power[] = [
  { exponent: 8, use: "values of a byte" },
  { exponent: 10, use: "bytes of a KiB" },
  { exponent: 12, use: "bytes of a page" },
  { exponent: 16, use: "ports, values of a u16" },
  { exponent: 20, use: "bytes of a MiB" },
  { exponent: 24, use: "integers that an f32 counts through" },
  { exponent: 30, use: "bytes of a GiB" },
  { exponent: 31, lessOne: true, use: "largest i32" },
  { exponent: 32, use: "IPv4 addresses, values of a u32" },
  { exponent: 40, use: "bytes of a TiB" },
  { exponent: 53, lessOne: true, use: "largest safe integer of an f64" },
  { exponent: 63, lessOne: true, use: "largest i64" },
  { exponent: 64, use: "values of a u64" },
];

/** The exact value. */
export function valueOf({ exponent, lessOne }: Power): bigint {
  return 2n ** BigInt(exponent) - (lessOne ? 1n : 0n);
}

/** The power as it is written, 2^31 − 1. */
export function writePower({ exponent, lessOne }: Power): string {
  return `2^${exponent}${lessOne ? " − 1" : ""}`;
}

/** Decimal prefixes beside binary ones: 1000^i and 1024^i bytes, i from 1. */
export const PREFIXES: readonly [decimal: string, binary: string][] = [
  ["kB", "KiB"],
  ["MB", "MiB"],
  ["GB", "GiB"],
  ["TB", "TiB"],
];

export interface Complexity {
  name: string;
  /** On average; and at best and at worst, unless those are given. */
  time: string;
  best?: string;
  worst?: string;
  /** Besides the input. */
  space: string;
  /** Of a sort: whether equal items keep their order. */
  stable?: boolean;
  /** Other usual answers to `time`. */
  or?: string[];
  source: string;
}

/** CLRS is Introduction to Algorithms, 4th edition; Knuth, The Art of Computer Programming. */
// deno-fmt-ignore
export const COMPLEXITIES: readonly Complexity[] = [
  { name: "linear search", best: "1", time: "n", space: "1", source: "Knuth 6.1" },
  { name: "binary search", best: "1", time: "log n", space: "1", source: "Knuth 6.2.1" },
  { name: "bubble sort", best: "n", time: "n^2", space: "1", stable: true, source: "Knuth 5.2.2" },
  { name: "insertion sort", best: "n", time: "n^2", space: "1", stable: true, source: "CLRS 2.1" },
  { name: "merge sort", time: "n log n", space: "n", stable: true, source: "CLRS 2.3" },
  { name: "quicksort", time: "n log n", worst: "n^2", space: "log n", stable: false, source: "CLRS 7" },
  { name: "heapsort", time: "n log n", space: "1", stable: false, source: "CLRS 6" },
  { name: "counting sort of n keys below k", time: "n + k", space: "n + k", stable: true, source: "CLRS 8.2" },
  { name: "look-up in a hash table", time: "1", worst: "n", space: "1", source: "CLRS 11" },
  { name: "look-up in a balanced tree", time: "log n", space: "1", source: "CLRS 13" },
  { name: "look-up in a binary tree that is never balanced", time: "log n", worst: "n", space: "1", source: "CLRS 12" },
  { name: "append to a dynamic array", time: "1", worst: "n", space: "1", source: "CLRS 16.4" },
  { name: "push onto a binary heap, at worst", time: "log n", space: "1", source: "CLRS 6.5" },
  { name: "pop from a binary heap", time: "log n", space: "1", source: "CLRS 6.5" },
  { name: "peek into a binary heap", time: "1", space: "1", source: "CLRS 6.5" },
  { name: "build a binary heap of n items", time: "n", space: "1", source: "CLRS 6.3" },
  { name: "breadth-first search", time: "V + E", space: "V", source: "CLRS 20.2" },
  { name: "depth-first search", time: "V + E", space: "V", source: "CLRS 20.3" },
  { name: "Dijkstra with a binary heap", time: "(V + E) log V", or: ["E log V"], space: "V", source: "CLRS 22.3" },
  { name: "Floyd–Warshall", time: "V^3", or: ["n^3"], space: "V^2", source: "CLRS 23.2" },
  { name: "one operation of union–find, amortized", time: "α(n)", space: "1", source: "CLRS 19.4" },
  { name: "product of two n × n matrices by three loops", time: "n^3", space: "n^2", source: "CLRS 4.1" },
  { name: "product of two n × n matrices by Strassen", time: "n^2.81", or: ["n^2.807", "n^2.8", "n^(log 7)"], space: "n^2", source: "CLRS 4.2" },
  { name: "FFT of n points", time: "n log n", space: "n", source: "CLRS 30.2" },
  { name: "edit distance of m and n letters", time: "m n", space: "m n", source: "CLRS 14, problem 14-5" },
  { name: "largest sum of a subarray, by Kadane", time: "n", space: "1", source: "Bentley, Programming Pearls, column 8" },
  { name: "find m letters in n, by Knuth–Morris–Pratt", time: "n + m", or: ["n"], space: "m", source: "CLRS 32.4" },
  { name: "primes up to n, by the sieve", time: "n log log n", space: "n", source: "Hardy, Wright 22.7" },
  { name: "is n prime, by trial division", time: "√n", or: ["n^0.5"], space: "1", source: "CLRS 31.8" },
  { name: "greatest common divisor by Euclid, in divisions", time: "log n", space: "1", source: "CLRS 31.2" },
  { name: "write all permutations of n items", time: "n n!", or: ["n!"], space: "n", source: "Knuth 7.2.1.2" },
  { name: "write all subsets of n items", time: "n 2^n", or: ["2^n"], space: "n", source: "Knuth 7.2.1.1" },
  { name: "n-th Fibonacci number by plain recursion", time: "φ^n", or: ["2^n", "1.618^n", "1.6^n"], space: "n", source: "Knuth 1.2.8" },
  { name: "self-attention over T tokens d wide", time: "T^2 d", or: ["T^2"], space: "T^2", source: "Vaswani et al. (2017), table 1" },
];

/** Lines up the columns. */
function table(rows: string[][]): string[] {
  const widths = rows[0].map((_, i) =>
    Math.max(...rows.map((row) => [...row[i]].length))
  );
  return rows.map((row) =>
    row.map((cell, i) => cell + " ".repeat(widths[i] - [...cell].length))
      .join("  ").trimEnd()
  );
}

if (import.meta.main) {
  const percent = (part: number, digits: number) =>
    `${(100 * part).toFixed(digits)} %`;
  const print = (rows: string[][]) =>
    console.log(table(rows).join("\n") + "\n");
  const light = SPEED_OF_LIGHT.toLocaleString("en");
  const high = percent(relativeError(ROUND_SPEED_OF_LIGHT, SPEED_OF_LIGHT), 3);
  console.log(`light in vacuum: ${light} m/s exactly; 3e8 is ${high} high\n`);
  print(LATENCIES.map((row) => [
    formatSeconds(row.seconds).padStart(7),
    row.what,
    `${row.year ?? ""}`,
    row.source,
  ]));
  print(POWERS.map((power) => [
    writePower(power),
    valueOf(power).toLocaleString("en").padStart(26),
    power.use,
  ]));
  print(PREFIXES.map(([decimal, binary], i) => {
    const more = relativeError(1024 ** (i + 1), 1000 ** (i + 1));
    return [`a ${binary}`, `${percent(more, 1)} more than a ${decimal}`];
  }));
  print([
    ["", "best", "average", "worst", "space", "stable", ""],
    ...COMPLEXITIES.map((row) => [
      row.name,
      row.best ?? row.time,
      row.time,
      row.worst ?? row.time,
      row.space,
      row.stable === undefined ? "" : row.stable ? "yes" : "no",
      row.source,
    ]),
  ]);
}
