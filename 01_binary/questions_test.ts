import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { accepts } from "./answers.ts";
import { ALL, draw, type Question, shuffle, splitmix64 } from "./questions.ts";

const texts = (questions: Question[]) => questions.map(({ text }) => text);

Deno.test("splitmix64() draws what the published generator draws, to 53 bits", () => {
  // The same three lines in python3, & 2**64 - 1 after each step, >> 11
  const random = splitmix64(1234567n);
  assertEquals(Array.from({ length: 5 }, () => random() * 2 ** 53), [
    3153236189995295,
    1564046978124417,
    4793697232518735,
    2242861585998575,
    8012169364969835,
  ]);
  assertEquals(splitmix64(-1n)() * 2 ** 53, 8051922005355685);
  assertEquals(splitmix64(2n ** 64n - 1n)() * 2 ** 53, 8051922005355685);
});

Deno.test("shuffle() reaches each order of three items by as many ways as any other", () => {
  // 3 · 2 equally likely draws: of 3 places, then of 2
  const orders: string[] = [];
  for (const first of [0.1, 0.5, 0.9]) {
    for (const second of [0.2, 0.7]) {
      const draws = [first, second];
      orders.push(shuffle(["a", "b", "c"], () => draws.shift()!).join(""));
    }
  }
  const all = ["abc", "acb", "bac", "bca", "cab", "cba"];
  assertEquals(orders.toSorted(), all);
});

Deno.test("shuffle() leaves its list as it was, and loses nothing", () => {
  const items = Object.freeze([3, 1, 2, 5, 8]);
  const shuffled = shuffle(items, splitmix64(1n));
  assertEquals(shuffled.toSorted(), [1, 2, 3, 5, 8]);
  assertEquals(shuffle([], Math.random), []);
});

Deno.test("draw() asks no question twice in a round, and no number in both directions", () => {
  fc.assert(
    fc.property(
      fc.bigInt(),
      fc.integer({ min: 1, max: ALL }),
      (seed, count) => {
        const round = draw(count, splitmix64(seed));
        assertEquals(round.length, count);
        assertEquals(new Set(texts(round)).size, count);
        const binary = round.filter(({ text }) => text.includes("binary"))
          .filter(({ kind }) => kind === "binary" || kind === "decimal");
        assertEquals(
          new Set(binary.map(({ value }) => value)).size,
          binary.length,
        );
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("draw() of three is of three kinds", () => {
  fc.assert(fc.property(fc.bigInt(), (seed) => {
    const topic = ({ kind, text }: Question) =>
      kind === "decimal" || kind === "binary"
        ? "binary"
        : kind === "exponent"
        ? "power"
        : kind || text;
    const kinds = draw(3, splitmix64(seed)).map(topic);
    assertEquals(new Set(kinds).size, 3, `${kinds}`);
  }));
});

Deno.test("draw() asks every question sooner or later, the last of each list too", () => {
  const met = new Set<string>();
  for (let seed = 0n; seed < 2000n; seed++) {
    texts(draw(5, splitmix64(seed))).forEach((text) => met.add(text));
  }
  // 30 numbers and the 10 powers that are not less one are asked in both directions.
  assertEquals(met.size, ALL + 30 + 10);
});

Deno.test("draw() of one seed is the same round, of another another", () => {
  const round = (seed: bigint) => texts(draw(10, splitmix64(seed)));
  assertEquals(round(42n), round(42n));
  assert(round(42n).join() !== round(43n).join());
});

Deno.test("draw() asks large powers to 10 %, and small ones exactly", () => {
  const powers = draw(ALL, () => 0).flatMap((question) =>
    question.kind === "power" ? [question] : []
  );
  for (const { value, tolerance, text } of powers) {
    assertEquals(tolerance, value <= 65536 ? 0 : 0.1, text);
    assertEquals(text.startsWith("About"), value > 65536, text);
  }
  assertEquals(powers.length, 13);
});

Deno.test("draw() asks a time on average only if another is asked as well", () => {
  const all = texts(draw(ALL, splitmix64(1n)));
  for (const text of ["merge sort: time?", "quicksort: time at worst?"]) {
    assert(all.includes(text), text);
  }
  for (
    const text of all.filter((text) => text.endsWith(": time on average?"))
  ) {
    const [name] = text.split(":");
    assert(all.some((t) => t.startsWith(`${name}: time at`)), text);
  }
  assertEquals(all.filter((text) => text.endsWith(": extra space?")).length, 6);
});

Deno.test("draw() never asks what no answer is right for", () => {
  for (const question of draw(ALL, splitmix64(7n))) {
    const { kind, value } = question;
    const answer = kind === "latency"
      ? `${value} s`
      : kind === "binary"
      ? value.toString(2)
      : kind === "exponent"
      ? `${Math.log2(value)}`
      : `${value}`;
    assert(accepts(question, answer), `${question.text} ${answer}`);
  }
});

for (const count of [0, -1, 1.5, NaN, ALL + 1]) {
  Deno.test(`draw() of ${count} questions is an error that names the most there are`, () => {
    assertThrows(
      () => draw(count, Math.random),
      RangeError,
      `Cannot draw ${count} questions: needs a whole number from 1 to ${ALL}`,
    );
  });
}
