import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { lowerBound, pipelinedRing } from "./pipelined_ring.ts";
import { ringAllReduce } from "./ring_all_reduce.ts";

const ones = (n: number, d: number) =>
  Array.from({ length: n }, () => new Array<number>(d).fill(1));

// Golden: a simulation in Python that picks, again and again, the send that can
// begin first; a = α a message, b = β a number, g = γ an addition:
// import itertools
// def ring(n, d, m, a, b, g):
//     cut = lambda p: p * d // (n * m)
//     size = [cut(p + 1) - cut(p) for p in range(n * m)]
//     sends = [[(r - s) % n * m + k for s in range(2 * n - 2) for k in range(m)]
//              for r in range(n)]
//     nxt, link, adder, end = [0] * n, [0.0] * n, [0.0] * n, 0.0
//     have = [{p: 0.0 for p in range(n * m) if p // m == r} for r in range(n)]
//     while any(nxt[r] < len(sends[r]) for r in range(n)):
//         t, r = min((max(have[r][p], link[r]), r) for r in range(n)
//                    for p in sends[r][nxt[r]:nxt[r] + 1] if p in have[r])
//         p, q = sends[r][nxt[r]], (r + 1) % n
//         link[r] = t = t + a + size[p] * b
//         del have[r][p]
//         if nxt[r] < (n - 1) * m:
//             adder[q] = t = max(adder[q], t) + size[p] * g
//         have[q][p], nxt[r], end = t, nxt[r] + 1, max(end, t)
//     return end
// for x in [(4, 10, 1, 1, 1, 1), (4, 10, 2, 1, 1, 1), (3, 17, 4, .5, 1, .25),
//           (5, 40, 8, 0, 1, .5), (2, 7, 3, 2, 1, 3),
//           (3, 12, 4, 0, 1, 5)]: print(x, ring(*x))
for (
  const [n, d, m, message, number, add, seconds] of [
    [4, 10, 1, 1, 1, 1, 33],
    [4, 10, 2, 1, 1, 1, 29],
    [3, 17, 4, 0.5, 1, 0.25, 31],
    [5, 40, 8, 0, 1, 0.5, 64],
    [2, 7, 3, 2, 1, 3, 20],
    [3, 12, 4, 0, 1, 5, 46],
  ]
) {
  Deno.test(`${n} workers with ${d} numbers in ${m} pieces take ${seconds} s, as in Python`, () => {
    const costs = { message, number, add };
    assertEquals(pipelinedRing(ones(n, d), m, costs).seconds, seconds);
  });
}

Deno.test("in any number of pieces the sums are those of the simple ring, at the same cost or more than the bound", () => {
  const sizes = fc.record({
    n: fc.integer({ min: 1, max: 6 }),
    d: fc.integer({ min: 0, max: 30 }),
    m: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(sizes, ({ n, d, m }) => {
      const all = Array.from(
        { length: n },
        (_, r) => Array.from({ length: d }, (_, i) => (r + 2) * i + 10 ** r),
      );
      const before = structuredClone(all);
      const costs = { message: 0, number: 1, add: 0.5 };
      const { results, seconds } = pipelinedRing(all, m, costs);
      assertEquals(results, ringAllReduce(all).results);
      assertEquals(all, before);
      // Where n does not divide d, some link carries up to two numbers less.
      assert(seconds >= lowerBound(n, d, costs) - 2);
    }),
    { seed: 1 },
  );
});

Deno.test("in one piece it is 2(n − 1) messages, and n − 1 additions that nothing hides", () => {
  for (const [n, d] of [[2, 8], [4, 40], [8, 16]]) {
    const costs = { message: 3, number: 2, add: 5 };
    const s = d / n;
    assertEquals(
      pipelinedRing(ones(n, d), 1, costs).seconds,
      2 * (n - 1) * (3 + 2 * s) + (n - 1) * 5 * s,
    );
  }
});

Deno.test("where messages cost nothing, more pieces come nearer to the bound", () => {
  const costs = { message: 0, number: 1, add: 0.5 };
  const times = [1, 2, 4, 8, 32].map((m) =>
    pipelinedRing(ones(4, 4 * 64), m, costs).seconds
  );
  times.slice(1).forEach((t, i) => assert(t <= times[i], `${times}`));
  const least = lowerBound(4, 256, costs);
  assert(times[0] > 1.2 * least && times[4] < 1.02 * least, `${times}`);
});

Deno.test("where messages are dear, one piece is the best", () => {
  const costs = { message: 100, number: 1, add: 1 };
  const [one, two] = [1, 2].map((m) =>
    pipelinedRing(ones(4, 16), m, costs).seconds
  );
  assert(one < two);
});

Deno.test("the bound is what each link must carry", () => {
  assertEquals(lowerBound(4, 100, { message: 9, number: 2, add: 9 }), 300);
  assertEquals(lowerBound(1, 100, { message: 9, number: 2, add: 9 }), 0);
});

Deno.test("no worker, no piece, and costs below 0 are errors", () => {
  const costs = { message: 1, number: 1, add: 1 };
  assertThrows(
    () => pipelinedRing([], 1, costs),
    RangeError,
    "Cannot reduce over no workers",
  );
  assertThrows(
    () => pipelinedRing([[1, 2], [3]], 1, costs),
    RangeError,
    "Cannot reduce 2 numbers of worker 0 with 1 of worker 1",
  );
  for (const pieces of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => pipelinedRing([[1]], pieces, costs),
      RangeError,
      `Cannot cut a chunk into ${pieces} pieces`,
    );
  }
  for (const add of [-1, NaN, Infinity]) {
    assertThrows(
      () => pipelinedRing([[1]], 1, { ...costs, add }),
      RangeError,
      `Cannot reckon with add at ${add} s`,
    );
  }
});
