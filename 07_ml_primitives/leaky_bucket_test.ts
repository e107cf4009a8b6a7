import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LeakyMeter, LeakyQueue } from "./leaky_bucket.ts";
import { TokenBucket } from "./token_bucket.ts";

const gaps = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 50 });

Deno.test("a burst leaves one gap apart, and what does not fit is refused", () => {
  const queue = new LeakyQueue(3, 4, () => 10);
  assertEquals([1, 2, 3, 4, 5].map(() => queue.enter()), [
    ...[10, 10.25, 10.5, 10.75, undefined],
  ]);
});

Deno.test("a place is free when one has left", () => {
  let time = 0;
  const queue = new LeakyQueue(1, 2, () => time);
  assertEquals([queue.enter(), queue.enter(), queue.enter()], [
    ...[0, 0.5, undefined],
  ]);
  time = 0.49;
  assertEquals(queue.enter(), undefined);
  time = 0.5;
  assertEquals([queue.enter(), queue.enter()], [1, undefined]);
});

Deno.test("a queue of 0 passes one and lets none wait", () => {
  let time = 0;
  const queue = new LeakyQueue(0, 2, () => time);
  assertEquals([queue.enter(), queue.enter()], [0, undefined]);
  time = 0.75;
  assertEquals([queue.enter(), queue.enter()], [0.75, undefined]);
});

Deno.test("requests leave in order, never less than a gap apart, none before it came", () => {
  fc.assert(
    fc.property(gaps, fc.integer({ min: 0, max: 5 }), (gaps, size) => {
      let time = 0;
      const queue = new LeakyQueue(size, 3, () => time);
      let last = -Infinity;
      const left: number[] = [];
      for (const gap of gaps) {
        time += gap / 10;
        const leaves = queue.enter();
        const waiting = left.filter((at) => at > time + 1e-9).length;
        if (leaves === undefined) {
          assertEquals(waiting, size, "refused though there is a place");
          continue;
        }
        assert(leaves >= time && leaves >= last + 1 / 3 - 1e-12);
        assert(left.length > 0 || leaves === time);
        left.push(last = leaves);
        assert(left.filter((at) => at > time + 1e-9).length <= size);
      }
    }),
    { seed: 1 },
  );
});

Deno.test("the meter says yes and no to the same requests as a token bucket", () => {
  fc.assert(
    fc.property(gaps, gaps, (gaps, amounts) => {
      let time = 0;
      const [capacity, rate] = [8, 5];
      const meter = new LeakyMeter(capacity, rate, () => time);
      const bucket = new TokenBucket({ capacity, rate }, () => time);
      gaps.forEach((gap, i) => {
        time += gap / 8; // exact in doubles, as all that follows
        const n = (amounts[i] ?? 1) % 9;
        assertEquals(meter.pour(n), bucket.take(n));
        assertEquals(meter.level, capacity - bucket.tokens);
      });
    }),
    { seed: 1 },
  );
});

Deno.test("the meter passes a burst at once; the queue does not", () => {
  const meter = new LeakyMeter(4, 1, () => 0);
  const queue = new LeakyQueue(3, 1, () => 0);
  assertEquals([1, 2, 3, 4, 5].filter(() => meter.pour()).length, 4);
  assertEquals([1, 2, 3, 4].map(() => queue.enter()), [0, 1, 2, 3]);
});

Deno.test("the level is never below 0, and does not rise when the clock goes back", () => {
  let time = 0;
  const meter = new LeakyMeter(4, 1, () => time);
  meter.pour(3);
  time = 10;
  assertEquals(meter.level, 0);
  meter.pour(2);
  time = 5;
  assertEquals(meter.level, 2);
  time = 10;
  assertEquals(meter.level, 2);
});

Deno.test("a large bucket holds no more than its capacity, either", () => {
  const meter = new LeakyMeter(1e9, 1, () => 0);
  assertEquals([meter.pour(1e9), meter.pour(1)], [true, false]);
  const endless = new LeakyMeter(Infinity, 1, () => 0);
  assertThrows(
    () => endless.pour(Infinity),
    RangeError,
    "Cannot pour Infinity",
  );
});

Deno.test("three tenths fill a bucket of 0.3, though their sum is more", () => {
  const meter = new LeakyMeter(0.3, 1, () => 0);
  assert(meter.pour(0.1) && meter.pour(0.1) && meter.pour(0.1));
  assertEquals(meter.pour(0.1), false);
});

for (
  const [what, make, message] of [
    ["a queue of −1", () => new LeakyQueue(-1, 1), "Cannot queue -1 requests"],
    ["a queue of 1.5", () => new LeakyQueue(1.5, 1), "queue 1.5 requests"],
    ["a queue at rate 0", () => new LeakyQueue(1, 0), "let out 0 requests"],
    ["a queue at rate ∞", () => new LeakyQueue(1, Infinity), "out Infinity"],
    ["a meter of 0", () => new LeakyMeter(0, 1), "Cannot hold 0"],
    ["a meter at rate 0", () => new LeakyMeter(1, 0), "Cannot leak 0 a second"],
    ["a meter at NaN", () => new LeakyMeter(1, NaN), "Cannot leak NaN"],
    ["−1", () => new LeakyMeter(1, 1).pour(-1), "Cannot pour -1"],
    ["NaN", () => new LeakyMeter(1, 1).pour(NaN), "Cannot pour NaN"],
    [
      "too much",
      () => new LeakyMeter(2, 1).pour(3),
      "pour 3 into a bucket of 2",
    ],
  ] as const
) {
  Deno.test(`${what} is an error`, () => {
    assertThrows(make, RangeError, message);
  });
}
