import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { groupKey, leakedGroups, splitByGroup } from "./group_split.ts";

// Golden: where each name is hashed to, with its salt:
// python3 -c "
// def mixed(s):
//     h = 0x811c9dc5
//     for b in s.encode(): h = ((h ^ b) * 0x01000193) & 0xffffffff
//     h = ((h ^ (h >> 16)) * 0x85ebca6b) & 0xffffffff
//     h = ((h ^ (h >> 13)) * 0xc2b2ae35) & 0xffffffff
//     return (h ^ (h >> 16)) / 2**32
// names = ['a', 'b', 'text 1', 'naïve', '', '日本', 'x' * 50]
// print([mixed(n) for n in names], [mixed('salt' + n) for n in names])"
const NAMES = ["a", "b", "text 1", "naïve", "", "日本", "x".repeat(50)];
const HASHES = {
  "": [
    0.10352621669881046,
    0.5108090755529702,
    0.5185361029580235,
    0.8033608929254115,
    0.6689221884589642,
    0.9375696850474924,
    0.4462179681286216,
  ],
  salt: [
    0.6898737887386233,
    0.595484915887937,
    0.4194632146973163,
    0.22811180143617094,
    0.954817274119705,
    0.27554515190422535,
    0.15738814906217158,
  ],
};
for (const [salt, hashes] of Object.entries(HASHES)) {
  Deno.test(`splitByGroup() golden: a group's side depends on its UTF-8 and "${salt}" alone`, () => {
    NAMES.forEach((name, i) => {
      // It is in the test from the share on that is above its hash.
      const below = splitByGroup([name], hashes[i], salt);
      const above = splitByGroup([name], hashes[i] + 2 ** -33, salt);
      assertEquals(below, { train: [0], test: [] });
      assertEquals(above, { train: [], test: [0] });
    });
  });
}

const groups = fc.array(fc.string({ maxLength: 2 }), { maxLength: 60 });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const assertAll = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { seed: 7 });

Deno.test("no group is on both sides, and each row is on one", () => {
  assertAll(fc.tuple(groups, share), ([rows, testShare]) => {
    const split = splitByGroup(rows, testShare);
    assertEquals(leakedGroups(rows, split), 0);
    const all = [...split.train, ...split.test].sort((a, b) => a - b);
    assertEquals(all, rows.map((_, n) => n));
  });
});

Deno.test("rows that are added, or come in another order, move no row to the other side", () => {
  assertAll(fc.tuple(groups, groups), ([rows, more]) => {
    const of = (all: string[]) => {
      const { test } = splitByGroup(all, 0.4);
      return new Set(test.map((n) => all[n]));
    };
    const before = of(rows);
    const after = of([...more, ...rows.toReversed()]);
    for (const name of rows) assertEquals(after.has(name), before.has(name));
  });
});

Deno.test("a larger test keeps the smaller one", () => {
  const names = Array.from({ length: 300 }, (_, n) => `${n}`);
  const small = splitByGroup(names, 0.1).test;
  const large = new Set(splitByGroup(names, 0.3).test);
  assert(small.every((n) => large.has(n)));
});

Deno.test("the share of groups is as asked for, also for names that differ in one digit", () => {
  const names = Array.from({ length: 5000 }, (_, n) => `text ${n}`);
  for (const testShare of [0.1, 0.2, 0.5]) {
    const count = splitByGroup(names, testShare).test.length;
    // Five standard deviations of a binomial.
    const spread = 5 * Math.sqrt(5000 * testShare * (1 - testShare));
    assert(Math.abs(count - 5000 * testShare) < spread, `${count}`);
  }
  assertEquals(splitByGroup(names, 0).test, []);
  assertEquals(splitByGroup(names, 1).train, []);
});

Deno.test("another salt is another split, near to independent", () => {
  const names = Array.from({ length: 4000 }, (_, n) => `${n}`);
  const first = new Set(splitByGroup(names, 0.5, "a").test);
  const both = splitByGroup(names, 0.5, "b").test.filter((n) => first.has(n));
  // A quarter, with five standard deviations.
  assert(Math.abs(both.length - 1000) < 5 * Math.sqrt(4000 * 3 / 16));
});

Deno.test("a split by row has most examples on both sides", () => {
  let seed = 3;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const rows = Array.from({ length: 1200 }, (_, n) => `${n % 400}`);
  const split = { train: [] as number[], test: [] as number[] };
  rows.forEach((_, n) => split[random() < 0.2 ? "test" : "train"].push(n));
  // Of 400 examples of 3 votes, 1 − 0.8³ − 0.2³ are on both: 192, five deviations.
  const leaked = leakedGroups(rows, split);
  assert(
    Math.abs(leaked - 192) < 5 * Math.sqrt(400 * 0.48 * 0.52),
    `${leaked}`,
  );
  assertEquals(leakedGroups(rows, splitByGroup(rows, 0.2)), 0);
});

Deno.test("leakedGroups() counts a group once, however many rows it has", () => {
  const rows = ["a", "b", "a", "b", "c", "a"];
  assertEquals(leakedGroups(rows, { train: [0, 2, 4], test: [1, 3, 5] }), 1);
  assertEquals(leakedGroups(rows, { train: [0, 1, 4], test: [2, 3, 5] }), 2);
  assertEquals(leakedGroups([], { train: [], test: [] }), 0);
});

Deno.test("copies of a text have one key: case, spaces and forms of Unicode", () => {
  const key = "straße café 1";
  for (
    const text of [
      "Straße café 1",
      "  straße  CAFÉ\t1\n",
      "straße cafe\u0301 １",
      "straße\u00a0café 1",
    ]
  ) assertEquals(groupKey(text), key);
  assertEquals(groupKey("a b") === groupKey("ab"), false);
  assertEquals(groupKey(""), "");
});

Deno.test("a duplicated text goes to the side of its first spelling", () => {
  const texts = Array.from(
    { length: 200 },
    (_, n) => [`Text ${n}`, ` text  ${n}`],
  );
  const keys = texts.flat().map(groupKey);
  const split = splitByGroup(keys, 0.3);
  assertEquals(leakedGroups(keys, split), 0);
  // By the text as it is, copies fall apart.
  assert(leakedGroups(keys, splitByGroup(texts.flat(), 0.3)) > 50);
});

Deno.test("a share that is none is an error", () => {
  for (const testShare of [-0.1, 1.1, NaN]) {
    assertThrows(
      () => splitByGroup(["a"], testShare),
      RangeError,
      `Cannot split off ${testShare} of the groups: needs 0 to 1`,
    );
  }
});
