import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { BLOCK, blocks, countInside, last, throwDarts } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { estimatePi } from "./pi.ts";

Deno.test("countInside() counts what estimatePi() counts, and moves the state as far", () => {
  const seeds = fc.bigInt(0n, 2n ** 64n - 1n);
  fc.assert(fc.property(seeds, fc.integer({ min: 1, max: 300 }), (seed, n) => {
    const [slow, fast] = [new Xoshiro128(seed), new Xoshiro128(seed)];
    const inside = countInside(n, fast.words);
    assertEquals(4 * inside / n, estimatePi(n, slow.random));
    assertEquals(fast.words, slow.words);
  }));
});

Deno.test("countInside() of a million darts is Python's count", () => {
  // a Python twin of xoshiro128++ with seed 42, in integers
  assertEquals(countInside(1_000_000, new Xoshiro128(42).words), 784_870);
});

Deno.test("countInside() counts a dart on the circle as inside", () => {
  // a state found by search: x² + y² of its two numbers rounds to 1
  const state = Uint32Array.of(12345, 1245953479, 0, 813130967);
  const { random } = new Xoshiro128(state);
  const [x, y] = [random(), random()];
  assertEquals(x * x + y * y, 1);
  assertEquals(countInside(1, state), 1);
});

Deno.test("countInside() of no dart leaves the state", () => {
  const { words } = new Xoshiro128(1);
  assertEquals(countInside(0, words), 0);
  assertEquals(words, new Xoshiro128(1).words);
});

Deno.test("blocks() are as many darts as asked for, each block a jump further", () => {
  for (const n of [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]) {
    const all = [...blocks(n, 9)];
    assertEquals(all.reduce((sum, { darts }) => sum + darts, 0), n);
    assertEquals(all.length, Math.ceil(n / BLOCK));
    const generator = new Xoshiro128(9);
    for (const { words } of all) {
      assertEquals(words, generator.words);
      generator.jump();
    }
  }
});

Deno.test("blocks() are made one by one, so that 2^53 − 1 darts take no memory", () => {
  const { value } = blocks(2 ** 53 - 1, 1).next();
  assertEquals(value?.darts, BLOCK);
});

for (const workers of [1, 2, 5]) {
  Deno.test(`throwDarts() with ${workers} worker(s) finds what Python finds in three streams`, async () => {
    // Python, seed 42: 3,292,935 of 2^22, 3,294,592 of 2^22 after a jump by the
    // matrix of one step, squared 64 times, and 1,266,469 of 1,611,392
    assertEquals(await last(throwDarts(10_000_000, 42, workers)), {
      darts: 10_000_000,
      inside: 7_853_996,
    });
  });
}

Deno.test("throwDarts() of one block is one stream", async () => {
  const { inside } = await last(throwDarts(1_000_000, 42));
  assertEquals(inside, 784_870);
});

Deno.test("throwDarts() tells after each block, and stops when one stops listening", async () => {
  const heard: number[] = [];
  for await (const { darts } of throwDarts(6 * BLOCK, 1, 2)) {
    heard.push(darts);
    if (heard.length === 3) break;
  }
  assertEquals(heard, [BLOCK, 2 * BLOCK, 3 * BLOCK]);
});

Deno.test("throwDarts() ends its workers and passes the error on if one fails", async () => {
  const RealWorker = globalThis.Worker;
  let ended = 0;
  class Broken extends EventTarget {
    onerror = (_: ErrorEvent) => {};
    postMessage() {
      this.onerror(new ErrorEvent("error", { message: "out of order" }));
    }
    terminate() {
      ended++;
    }
  }
  globalThis.Worker = Broken as unknown as typeof Worker;
  try {
    const run = () => last(throwDarts(4 * BLOCK, 1, 2));
    await assertRejects(run, Error, "A worker failed: out of order");
    assertEquals(ended, 2);
  } finally {
    globalThis.Worker = RealWorker;
  }
});

Deno.test("last() is the last", async () => {
  const one = (async function* () {
    yield { darts: 1, inside: 0 };
    yield await Promise.resolve({ darts: 2, inside: 1 });
  })();
  assertEquals(await last(one), { darts: 2, inside: 1 });
});

for (const n of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
  Deno.test(`throwDarts() refuses ${n} darts and ${n} workers`, async () => {
    const throwing = (darts: number, workers: number) =>
      last(throwDarts(darts, 1, workers));
    await assertRejects(() => throwing(n, 1), RangeError, `Cannot take ${n}`);
    const message = `with ${n} workers: needs 1 to 256`;
    await assertRejects(() => throwing(10, n), RangeError, message);
  });
}
