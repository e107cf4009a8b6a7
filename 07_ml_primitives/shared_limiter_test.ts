import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  fixedWindow,
  MemoryStore,
  sharedBucket,
  type SharedLimiter,
  slidingWindow,
  type Store,
} from "./shared_limiter.ts";
import { TokenBucket } from "./token_bucket.ts";

const MAKE = { sharedBucket, fixedWindow, slidingWindow };

/** How many of so many requests pass that come at once. */
async function passed(limiter: SharedLimiter, requests: number, key = "ann") {
  const all = Array.from({ length: requests }, () => limiter.take(key));
  return (await Promise.all(all)).filter((yes) => yes).length;
}

for (const [name, make] of Object.entries(MAKE)) {
  Deno.test(`${name}: gateways that ask at once get what one would, no more`, async () => {
    const store = new MemoryStore(() => 1000);
    const gateways = [1, 2, 3].map(() => make(store, 7, 10));
    const counts = await Promise.all(gateways.map((g) => passed(g, 20)));
    assertEquals(counts.reduce((sum, n) => sum + n), 7);
    assertEquals(await passed(gateways[0], 5), 0);
  });

  Deno.test(`${name}: each key has a limit of its own`, async () => {
    const limiter = make(new MemoryStore(() => 1000), 2, 10);
    assertEquals(await passed(limiter, 3, "ann"), 2);
    assertEquals(await passed(limiter, 3, "__proto__"), 2);
  });

  Deno.test(`${name}: if the store fails, all pass or none, as was decided`, async () => {
    const fail = () => Promise.reject(new Error("the store is gone"));
    const gone: Store = { read: fail, compareAndSet: fail, now: fail };
    assertEquals(await passed(make(gone, 5, 1, "open"), 9), 9);
    assertEquals(await passed(make(gone, 5, 1, "closed"), 9), 0);
    assertEquals(await passed(make(gone, 5, 1), 9), 0);
  });

  Deno.test(`${name}: a step that others always forestall ends, and is refused`, async () => {
    let tries = 0;
    const busy: Store = {
      read: () => Promise.resolve({ value: undefined, version: 0 }),
      compareAndSet: () => Promise.resolve(++tries < 0),
      now: () => Promise.resolve(0),
    };
    assertEquals(await make(busy, 5, 1).take("ann"), false);
    assert(tries > 1 && tries < 1000);
    assertEquals(await make(busy, 5, 1, "open").take("ann"), false);
  });

  Deno.test(`${name}: a limit or a time of 0, or that is no number, is an error`, () => {
    const store = new MemoryStore(() => 0);
    for (const [limit, seconds] of [[0, 1], [-1, 1], [1, 0], [NaN, 1]]) {
      assertThrows(
        () => make(store, limit, seconds),
        RangeError,
        `Cannot limit to ${limit} in ${seconds} s: both must be above 0, and finite in time`,
      );
    }
  });
}

Deno.test("the bucket in the store grants what a bucket in one process does", async () => {
  const pauses = fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(pauses, async (pauses) => {
      let time = 100;
      const shared = sharedBucket(new MemoryStore(() => time), 5, 2);
      const own = new TokenBucket({ capacity: 5, rate: 2 }, () => time);
      for (const pause of pauses) {
        time += pause / 8;
        assertEquals(await shared.take("ann"), own.take());
      }
    }),
    { seed: 1 },
  );
});

Deno.test("around its edge a fixed window passes twice its limit", async () => {
  let time = 59.9;
  const limiter = fixedWindow(new MemoryStore(() => time), 10, 60);
  assertEquals(await passed(limiter, 30), 10);
  time = 60;
  assertEquals(await passed(limiter, 30), 10);
  time = 119.9;
  assertEquals(await passed(limiter, 30), 0);
});

Deno.test("a sliding window passes its limit in any window, and no more", async () => {
  const pauses = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(pauses, async (pauses) => {
      let time = 55;
      const limiter = slidingWindow(new MemoryStore(() => time), 3, 10);
      const granted: number[] = [];
      for (const pause of pauses) {
        time += pause / 4;
        const recent = granted.filter((t) => t > time - 10).length;
        const yes = await limiter.take("ann");
        assertEquals(yes, recent < 3, `${recent} in the last 10 s`);
        if (yes) granted.push(time);
      }
    }),
    { seed: 1 },
  );
});

Deno.test("a limit of 2.5 is 2, and a clock that goes back begins no new window", async () => {
  for (const make of [fixedWindow, slidingWindow]) {
    let time = 61;
    const limiter = make(new MemoryStore(() => time), 2.5, 60);
    assertEquals(await passed(limiter, 5), 2);
    time = 59;
    assertEquals(await passed(limiter, 5), 0);
  }
});

Deno.test("limiters of several kinds share a store, and no key", async () => {
  const store = new MemoryStore(() => 100);
  for (const make of Object.values(MAKE)) {
    assertEquals(await passed(make(store, 3, 1), 9), 3);
  }
});

Deno.test("ten pauses of a tenth give one token, though their sum is less", async () => {
  let time = 0;
  const limiter = sharedBucket(new MemoryStore(() => time), 1, 1);
  assert(await limiter.take("ann"));
  for (let i = 0; i < 10; i++) time += 0.1;
  assert(await limiter.take("ann"));
});

Deno.test("what a sliding window keeps does not grow", async () => {
  let time = 0;
  const store = new MemoryStore(() => time);
  const limiter = slidingWindow(store, 4, 1);
  for (; time < 100; time += 0.1) await limiter.take("ann");
  const { value } = await store.read("sliding ann");
  assert((value as number[]).length <= 4);
});

Deno.test("compareAndSet() writes only what nobody has changed", async () => {
  const store = new MemoryStore(() => 0);
  assertEquals(await store.read("a"), { value: undefined, version: 0 });
  assertEquals(await store.compareAndSet("a", 1, "x"), false);
  assertEquals(await store.compareAndSet("a", 0, "x"), true);
  assertEquals(await store.compareAndSet("a", 0, "y"), false);
  assertEquals(await store.read("a"), { value: "x", version: 1 });
});
