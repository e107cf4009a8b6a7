import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  poisson,
  type Policy,
  simulate,
  summarise,
} from "./dynamic_batching.ts";

const POLICY = { size: 4, wait: 10, perBatch: 20, perRequest: 1 };
const brief = (arrivals: number[], policy: Policy) =>
  simulate(arrivals, policy)
    .map(({ start, end, requests }) => `${requests} ${start}–${end}`);

Deno.test("a batch starts when it is full, or its first has waited, or the machine is free", () => {
  // Full at 3; then 4 at 40, alone, after its wait; 5 waits for the machine, with 6.
  const arrivals = [0, 1, 2, 3, 40, 55, 60, 72];
  assertEquals(brief(arrivals, POLICY), [
    "0,1,2,3 3–27",
    "4 50–71",
    "5,6 71–93",
    "7 93–114",
  ]);
});

Deno.test("without a wait the machine never idles while somebody waits", () => {
  assertEquals(brief([0, 1, 2, 50, 51], { ...POLICY, wait: 0 }), [
    "0 0–21",
    "1,2 21–43",
    "3 50–71",
    "4 71–92",
  ]);
});

Deno.test("the last ones are answered, though their batch is not full", () => {
  assertEquals(brief([0, 1], { ...POLICY, size: 8 }), ["0,1 10–32"]);
  assertEquals(brief([], POLICY), []);
});

Deno.test("requests of one moment share a batch, up to its size", () => {
  assertEquals(brief([5, 5, 5, 5, 5], POLICY), ["0,1,2,3 5–29", "4 29–50"]);
  assertEquals(brief([5, 5, 5], { ...POLICY, wait: 0 }), ["0,1,2 5–28"]);
});

const gaps = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 40 });
const policy = fc.record({
  size: fc.integer({ min: 1, max: 5 }),
  wait: fc.nat({ max: 40 }),
  perBatch: fc.nat({ max: 30 }),
  perRequest: fc.nat({ max: 5 }),
});

Deno.test("each request is answered once, in order, in time, and no batch is too large", () => {
  fc.assert(
    fc.property(gaps, policy, (gaps, policy) => {
      let time = 0;
      const arrivals = gaps.map((gap) => time += gap);
      const batches = simulate(arrivals, policy);
      assertEquals(
        batches.flatMap(({ requests }) => requests),
        [...arrivals.keys()],
      );
      let free = -Infinity;
      for (const { start, end, requests } of batches) {
        const [first, last] = [requests[0], requests[requests.length - 1]];
        assert(requests.length >= 1 && requests.length <= policy.size);
        assert(start >= arrivals[last] && start >= free);
        // As soon as one may: it waits for the machine, for others, or for time.
        const full = requests.length === policy.size;
        const reasons = [free, arrivals[first] + policy.wait];
        if (full) reasons.push(arrivals[last]);
        assert(reasons.includes(start), `${start}: ${reasons}`);
        assert(start <= Math.max(free, arrivals[first] + policy.wait));
        const next = arrivals[last + 1] ?? Infinity;
        assert(full || next > start, "one that was there was left behind");
        assertEquals(
          end,
          start + policy.perBatch + policy.perRequest * requests.length,
        );
        free = end;
      }
    }),
    { seed: 7 },
  );
});

Deno.test("one by one it is the queue M/D/1, whose mean is known", () => {
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  for (const load of [0.3, 0.6, 0.8]) {
    const arrivals = poisson(200_000, 100 * load, random);
    const alone = { size: 1, wait: 0, perBatch: 8, perRequest: 2 };
    const { mean, busy, size } = summarise(arrivals, simulate(arrivals, alone));
    // Pollaczek–Khinchine: service s and load ρ wait ρ·s / (2·(1 − ρ)).
    const expected = 10 + load * 10 / (2 * (1 - load));
    // Waits follow each other: some 1 % at 0.8, of 200,000 requests.
    assertAlmostEquals(mean / expected, 1, 0.03);
    assertAlmostEquals(busy, load, 0.01);
    assertEquals(size, 1);
  }
});

Deno.test("a load that is too much one by one is carried in batches", () => {
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const arrivals = poisson(5000, 200, random);
  const at = (size: number) => {
    const policy = { ...POLICY, wait: 0, size };
    return summarise(arrivals, simulate(arrivals, policy));
  };
  // 200 a second at 21 ms each are 4.2 s of work a second.
  assert(at(1).mean > 10_000 && at(32).mean < 100);
  assert(at(1).busy > 0.99);
});

Deno.test("arrivals come at the rate that was asked for, and forget the last", () => {
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const arrivals = poisson(100_000, 250, random);
  const gaps = arrivals.map((time, n) => time - (arrivals[n - 1] ?? 0));
  const mean = arrivals[99_999] / 100_000;
  // 4 ms each, with a standard error of 4 / √100,000.
  assertAlmostEquals(mean, 4, 0.05);
  const square = gaps.reduce((sum, gap) => sum + gap ** 2, 0) / 100_000;
  // Of an exponential distribution: twice the mean squared.
  assertAlmostEquals(square / (2 * mean ** 2), 1, 0.03);
  assertEquals(poisson(3, 1000, () => 0), [0, 0, 0]);
});

Deno.test("p99 is the latency that 99 of 100 do not exceed", () => {
  const batches = Array.from({ length: 200 }, (_, n) => ({
    start: 0,
    end: n + 1,
    requests: [n],
  }));
  const { mean, p99 } = summarise(new Array(200).fill(0), batches);
  assertEquals([mean, p99], [100.5, 198]);
  const one = summarise([5], simulate([5], POLICY));
  assertEquals(one, { mean: 31, p99: 31, size: 1, busy: 21 / 31 });
  // A clock may begin anywhere, and work may take no time.
  assertEquals(summarise([-5], simulate([-5], POLICY)), one);
  const none = { size: 1, wait: 0, perBatch: 0, perRequest: 0 };
  assertEquals(summarise([5], simulate([5], none)).busy, 0);
});

Deno.test("arrivals and policies that make no sense are errors", () => {
  for (
    const [arrivals, change, line] of [
      [[1], { size: 0 }, "Cannot make batches of 0"],
      [[1], { size: 1.5 }, "Cannot make batches of 1.5"],
      [[1], { wait: -1 }, "Cannot take -1 ms: needs 0 or more"],
      [[1], { wait: Infinity }, "Cannot take Infinity ms"],
      [[1], { perBatch: NaN }, "Cannot take NaN ms"],
      [[2, 1], {}, "Cannot come at 1 ms: request 1 is out of order"],
      [[NaN], {}, "Cannot come at NaN ms: request 0 is out of order"],
      [[-Infinity, 1], {}, "Cannot come at -Infinity ms: request 0"],
      [[1, Infinity], {}, "Cannot come at Infinity ms: request 1"],
      [[1], { perRequest: -1 }, "Cannot take -1 ms"],
    ] as const
  ) {
    assertThrows(
      () => simulate(arrivals, { ...POLICY, ...change }),
      RangeError,
      line,
    );
  }
  for (const rate of [0, -5, NaN, Infinity]) {
    assertThrows(
      () => poisson(2, rate, () => 0.5),
      RangeError,
      `Cannot draw at ${rate} a second: must be above 0`,
    );
  }
  assertThrows(() => summarise([], []), RangeError, "Cannot sum up 0 requests");
});
