import { assert, assertEquals, assertRejects } from "@std/assert";
import { ringAllReduce } from "./ring_all_reduce.ts";
import { type Outcome, ringSockets } from "./ring_sockets.ts";

const { state } = Deno.permissions.querySync({
  name: "net",
  host: "127.0.0.1",
});

/** A test that needs sockets. */
function testSockets(name: string, fn: () => Promise<void>) {
  const ignore = state !== "granted";
  Deno.test({
    name: ignore ? `needs --allow-net, so not tested here: ${name}` : name,
    ignore,
    fn,
  });
}

/** (n, d) whole numbers, whose sums are exact in any order. */
const arrays = (n: number, d: number) =>
  Array.from(
    { length: n },
    (_, rank) => Float64Array.from({ length: d }, (_, i) => (rank + 2) * i + 1),
  );
const sum = (all: Float64Array[]) =>
  all[0].map((_, i) => all.reduce((sum, x) => sum + x[i], 0));

/** What a worker has, or its error thrown. */
function good(outcome: Outcome) {
  if ("error" in outcome) throw new Error(outcome.error);
  return outcome;
}

for (
  const [n, d] of [[8, 1003], [2, 5], [3, 2], [5, 0], [1, 4], [2, 1_000_003]]
) {
  testSockets(
    `${n} workers with ${d} numbers each all have the sum`,
    async () => {
      const all = arrays(n, d);
      const right = sum(all);
      const outcomes = await ringSockets(all, { deadline: 20_000 });
      assertEquals(outcomes.length, n);
      let sent = 0;
      for (const outcome of outcomes) {
        assertEquals(good(outcome).data, right);
        sent += good(outcome).sent;
      }
      // Each chunk goes over n − 1 edges as a sum, and over n − 1 as a result.
      assertEquals(sent, 2 * (n - 1) * d);
      const rows = all.map((row) => Array.from(row, () => 0));
      assertEquals(
        outcomes.map((outcome) => good(outcome).sent),
        ringAllReduce(rows).sent,
      );
      assertEquals(all, arrays(n, d), "the arrays are left as they are");
    },
  );
}

testSockets("fractions have the same bits with all workers", async () => {
  const all = arrays(5, 33).map((x) => x.map((y) => 1 / y));
  const right = sum(all);
  const outcomes = await ringSockets(all, { deadline: 20_000 });
  const [first, ...others] = outcomes.map((outcome) => good(outcome).data);
  for (const other of others) assertEquals(other, first);
  // Five terms, summed in another order: four roundings.
  first.forEach((y, i) =>
    assert(Math.abs(y - right[i]) <= 4 * 2 ** -52 * right[i])
  );
});

for (
  const [what, options] of [
    ["is dead", { dead: 3, deadline: 300 }],
    ["sleeps", { slow: { rank: 5, ms: 900 }, deadline: 300 }],
  ] as const
) {
  testSockets(
    `if one of eight ${what}, every worker has an error, and none hangs`,
    async () => {
      const outcomes = await ringSockets(arrays(8, 100), options);
      assertEquals(outcomes.length, 8);
      for (const outcome of outcomes) assert("error" in outcome);
      const words = outcomes.map((outcome) =>
        (outcome as { error: string }).error
      );
      assert(words.some((word) => word.endsWith("took longer than 300 ms")));
      const known =
        /^(A neighbour is gone|It was ended|.* took longer than \d+ ms)$/;
      words.forEach((word) => assert(known.test(word), word));
    },
  );
}

testSockets("a worker that does not wake up holds nobody up", async () => {
  const start = performance.now();
  const slow = { rank: 0, ms: 60_000 };
  const outcomes = await ringSockets(arrays(2, 3), { deadline: 100, slow });
  for (const outcome of outcomes) assert("error" in outcome);
  // 2 · n · 100 ms is the most; a minute is what it would be otherwise.
  assert(performance.now() - start < 30_000);
});

testSockets(
  "NaN and infinities reach every worker, and arrays may be shared",
  async () => {
    const shared = [0, 1].map(() =>
      new Float64Array(new SharedArrayBuffer(8 * 3)).fill(1)
    );
    shared[1].set([NaN, Infinity]);
    for (const outcome of await ringSockets(shared, { deadline: 20_000 })) {
      assertEquals([...good(outcome).data], [NaN, Infinity, 2]);
    }
    assertEquals([...shared[0]], [1, 1, 1]);
  },
);

Deno.test("a deadline that no timer can wait for is an error", async () => {
  for (const deadline of [0, -1, NaN, Infinity, 1e10]) {
    await assertRejects(
      () => ringSockets([new Float64Array(1)], { deadline }),
      RangeError,
      `Cannot wait ${deadline} ms`,
    );
  }
});

Deno.test("no worker, and arrays of other lengths, are errors", async () => {
  await assertRejects(
    () => ringSockets([]),
    RangeError,
    "Cannot sum the arrays of no workers",
  );
  await assertRejects(
    () => ringSockets([new Float64Array(3), new Float64Array(4)]),
    RangeError,
    "Cannot sum 3 and 4 numbers",
  );
});

Deno.test({
  name: "without the permission it is an error, and nobody is asked",
  permissions: "none",
  fn: async () => {
    await assertRejects(
      () => ringSockets([new Float64Array(1)]),
      Error,
      "Cannot open sockets: run with --allow-net=127.0.0.1",
    );
  },
});
