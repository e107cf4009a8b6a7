#!/usr/bin/env -S deno run
/**
 * Q. Your data has several rows for one example: votes, copies, paraphrases. How do you
 * split it into train and test without leakage?
 *
 * A. By group, never by row: every vote on an example, and every copy of its text, on
 * one side. Pick the side by a hash of the group's name, not by a shuffle: then it does
 * not depend on the order of rows, and rows that are added later move no other row from
 * train to test. The same for folds. A split by row puts half of the examples on both
 * sides, and a model that only remembers looks good: on labels that are coin tosses, it
 * is right far more often than half the time.
 *
 * Shapes: R rows, each of one group.
 * Time O(R), and the length of the names; space O(R).
 * Trap: splitting rows, one for each vote.
 * Left out: near-duplicates beyond case and spaces (MinHash), stratifying by class.
 * Source: leakage: Kaufman et al. (2012), doi:10.1145/2382577.2382579; FNV-1a: RFC 9923.
 * Run: `deno run group_split.ts`
 * @module
 */

/**
 * Splits rows so that all of one group are on one side.
 * @param groups (R,) the group of each row: its example, or {@link groupKey} of its text
 * @param testShare the share of groups to expect in the test, from 0 to 1
 * @param salt another salt is another split
 * @returns indices of rows. A group's side depends on its name alone
 * @throws {RangeError} if the share is none
 */
export function splitByGroup(
  groups: readonly string[],
  testShare: number,
  salt = "",
): { train: number[]; test: number[] } {
  if (!(testShare >= 0 && testShare <= 1)) {
    throw new RangeError(
      `Cannot split off ${testShare} of the groups: needs 0 to 1`,
    );
  }
  const split = { train: [] as number[], test: [] as number[] };
  groups.forEach((group, row) => {
    split[hash(salt + group) < testShare ? "test" : "train"].push(row);
  });
  return split;
}

/** One key for copies of a text: Unicode's form NFKC, lower case, single spaces. */
export function groupKey(text: string): string {
  return text.normalize("NFKC").toLowerCase().trim().replace(/\s+/g, " ");
}

/** How many groups have rows on both sides: 0, or the test is no test. */
export function leakedGroups(
  groups: readonly string[],
  { train, test }: { train: readonly number[]; test: readonly number[] },
): number {
  const seen = new Set(train.map((row) => groups[row]));
  return new Set(test.map((row) => groups[row])).intersection(seen).size;
}

/** FNV-1a of UTF-8, mixed once more as its high bits are poor, in [0, 1). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    h = Math.imul(h ^ byte, 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  // A text's label is a coin toss: there is nothing to learn. Votes are right 9 in 10.
  const votes = Array.from({ length: 400 }, (_, n) => {
    const label = random() < 0.5 ? 0 : 1;
    return [`Text ${n}`, `text ${n} `, `text  ${n}`].map((text) => ({
      text,
      vote: random() < 0.9 ? label : 1 - label,
    }));
  }).flat();
  const byRow = { train: [] as number[], test: [] as number[] };
  votes.forEach((_, n) => byRow[random() < 0.2 ? "test" : "train"].push(n));
  const keys = votes.map(({ text }) => groupKey(text));
  console.log("400 texts whose labels are coin tosses, each in 3 spellings");
  for (
    const [name, split] of [
      ["by row", byRow],
      ["by text as it is", splitByGroup(votes.map(({ text }) => text), 0.2)],
      ["by key of the text", splitByGroup(keys, 0.2)],
    ] as const
  ) {
    // It knows the texts that it has seen, and says 0 for others.
    const memory = new Map(split.train.map((n) => [keys[n], votes[n].vote]));
    const right = split.test.filter((n) =>
      (memory.get(keys[n]) ?? 0) === votes[n].vote
    ).length;
    console.log(
      `  ${name.padEnd(18)}: ${split.test.length} rows in the test,`,
      `${leakedGroups(keys, split)} texts on both sides,`,
      `a memory is right on ${(100 * right / split.test.length).toFixed(1)} %`,
    );
  }
}
