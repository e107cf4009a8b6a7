#!/usr/bin/env -S deno run
/**
 * Q. Draw questions at random, mixed, and none of them twice.
 *
 * A. Shuffle, do not draw: one list for each kind, each shuffled once, and then
 * one from each list in turn, so that three questions are of three kinds. The
 * shuffle swaps every place with one of those up to it, itself included: then all
 * n! orders are equally likely. The generator is passed in, so a seed repeats it.
 *
 * Time O(n) in all questions there are; space O(n).
 * Trap: swapping with any place, or never with itself: some orders come too often.
 * Source: Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm P; and
 * Steele, Lea, Flood (2014), doi:10.1145/2660193.2660195, for splitmix64.
 * Run: `deno run questions.ts`
 * @module
 */
import {
  COMPLEXITIES,
  LATENCIES,
  POWERS,
  SPEED_OF_LIGHT,
  valueOf,
  writePower,
} from "./constants.ts";

/** What is asked, and what is right. */
export type Question =
  & { text: string }
  & (
    /** `value` is to be written in binary. */
    | { kind: "binary"; value: number }
    /** `value` is to be written in decimal. */
    | { kind: "decimal"; value: number }
    /** The same, to `tolerance` of it, and not as a power of two. */
    | { kind: "power"; value: number; tolerance: number }
    /** `value` is 2 to the power that is asked. */
    | { kind: "exponent"; value: number }
    /** `value` is in m/s. */
    | { kind: "light"; value: number }
    /** `value` is in seconds, right to a factor of 3. */
    | { kind: "latency"; value: number }
    /** `or`: other usual answers. */
    | { kind: "complexity"; value: string; or: string[] }
  );

/** Gives numbers from 0 up to, but not including, 1. */
export type Random = () => number;

/** splitmix64. @param seed any integer; those equal modulo 2^64 are one */
export function splitmix64(seed: bigint): Random {
  let state = seed;
  return () => {
    state += 0x9e3779b97f4a7c15n;
    let z = BigInt.asUintN(64, state);
    z = BigInt.asUintN(64, (z ^ z >> 30n) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ z >> 27n) * 0x94d049bb133111ebn);
    return Number((z ^ z >> 31n) >> 11n) / 2 ** 53;
  };
}

/** A new list in any order, all equally likely. */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const list = items.slice();
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

/** The least and the largest number that is asked in binary. */
const [LEAST, LARGEST] = [2, 31];
/** Up to this exponent a power of two is asked exactly, and to 10 % beyond. */
const EXACT = 16;

/** Either of two, by a coin. */
function either<T>(random: Random, a: T, b: T): T {
  return random() < 0.5 ? a : b;
}

/** One list for each kind: each fact once, and a coin for its direction. */
function pools(random: Random): Question[][] {
  const binary = Array.from({ length: LARGEST - LEAST + 1 }, (_, i) => {
    const value = LEAST + i;
    return either<Question>(
      random,
      { kind: "binary", value, text: `What is ${value} in binary?` },
      {
        kind: "decimal",
        value,
        text: `What is binary ${value.toString(2)} in decimal?`,
      },
    );
  });
  const light: Question = {
    kind: "light",
    value: SPEED_OF_LIGHT,
    text: "How fast is light in vacuum, in m/s?",
  };
  const powers = POWERS.map((power): Question => {
    const value = Number(valueOf(power));
    const exact = power.exponent <= EXACT;
    const forth: Question = {
      kind: "power",
      value,
      tolerance: exact ? 0 : 0.1,
      text: `${exact ? "What" : "About how much"} is ${writePower(power)}?`,
    };
    const digits = valueOf(power).toLocaleString("en");
    return power.lessOne ? forth : either<Question>(random, forth, {
      kind: "exponent",
      value,
      text: `${digits} is 2 to the power of what?`,
    });
  });
  const latencies = LATENCIES.map(({ what, year, seconds }): Question => ({
    kind: "latency",
    value: seconds,
    text: `How long: ${what}${year ? ` (${year})` : ""}?`,
  }));
  return [binary, [light], powers, latencies, complexities()];
}

function complexities(): Question[] {
  return COMPLEXITIES.flatMap(({ name, best, time, worst, space, ...row }) => {
    const ask = (what: string, value: string, or: string[] = []): Question => ({
      kind: "complexity",
      value,
      or,
      text: `${name}: ${what}?`,
    });
    const plain = best === undefined && worst === undefined;
    const questions = [ask(plain ? "time" : "time on average", time, row.or)];
    if (best !== undefined) questions.push(ask("time at best", best));
    if (worst !== undefined) questions.push(ask("time at worst", worst));
    if (row.stable !== undefined) questions.push(ask("extra space", space));
    return questions;
  });
}

/** How many questions there are. */
export const ALL = pools(() => 0).flat().length;

/**
 * Draws a round.
 * @param count at most {@link ALL}
 * @throws {RangeError} if there are not so many
 */
export function draw(count: number, random: Random): Question[] {
  if (!Number.isInteger(count) || count < 1 || count > ALL) {
    throw new RangeError(
      `Cannot draw ${count} questions: needs a whole number from 1 to ${ALL}`,
    );
  }
  let lists = shuffle(
    pools(random).map((list) => shuffle(list, random)),
    random,
  );
  const drawn: Question[] = [];
  while (drawn.length < count) {
    lists = lists.filter((list) => list.length > 0);
    lists.forEach((list) => drawn.push(list.pop()!));
  }
  return drawn.slice(0, count);
}

if (import.meta.main) {
  for (const { kind, text } of draw(10, splitmix64(1n))) {
    console.log(`${kind.padEnd(10)}  ${text}`);
  }
}
