import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { KeyedLimiter, TokenBucket } from "./token_bucket.ts";

/** A bucket, and a clock to turn. */
function at0(capacity: number, rate: number) {
  const clock = { time: 0 };
  const bucket = new TokenBucket({ capacity, rate }, () => clock.time);
  return { clock, bucket };
}

Deno.test("a bucket starts full, is refused when empty, and gains with time", () => {
  const { clock, bucket } = at0(3, 2);
  assertEquals([1, 2, 3, 4].map(() => bucket.take()), [
    ...[true, true, true, false],
  ]);
  clock.time = 0.25;
  assertEquals([bucket.tokens, bucket.take()], [0.5, false]);
  clock.time = 0.5;
  assertEquals([bucket.take(), bucket.take()], [true, false]);
});

Deno.test("a bucket that was idle holds its capacity, no more", () => {
  const { clock, bucket } = at0(10, 5);
  bucket.take(4);
  clock.time = 1000;
  assertEquals(bucket.tokens, 10);
  assertEquals([bucket.take(10), bucket.take()], [true, false]);
});

Deno.test("what is refused takes nothing", () => {
  const { bucket } = at0(5, 1);
  bucket.take(3);
  assertEquals([bucket.take(4), bucket.take(3), bucket.tokens], [
    ...[false, false, 2],
  ]);
  assert(bucket.take(2));
});

Deno.test("a clock that goes back takes no tokens, and gives none on its way again", () => {
  const { clock, bucket } = at0(10, 2);
  clock.time = 100;
  bucket.take(6);
  clock.time = 95;
  assertEquals(bucket.tokens, 4);
  clock.time = 100;
  assertEquals(bucket.tokens, 4);
  clock.time = 101;
  assertEquals(bucket.tokens, 6);
});

Deno.test("ten times a tenth is one, though the sum in doubles is less", () => {
  const { clock, bucket } = at0(1, 1);
  bucket.take(1);
  for (let i = 1; i <= 10; i++) {
    clock.time += 0.1;
    void bucket.tokens;
  }
  assert(bucket.tokens < 1);
  assert(bucket.take(1));
  assertEquals(bucket.tokens, 0);
});

Deno.test("what rounding forgives is forgiven once, not with each request", () => {
  const { bucket } = at0(1, 0);
  bucket.take(1);
  let granted = 0;
  for (let i = 0; i < 1000; i++) granted += Number(bucket.take(1e-9));
  assert(granted <= 2, `${granted}`);
});

Deno.test("the tolerance grows with the request, as its rounding does", () => {
  const { clock, bucket } = at0(1e9, 1e9);
  bucket.take(1e9);
  for (let i = 0; i < 10; i++) {
    clock.time += 0.1;
    void bucket.tokens;
  }
  assert(bucket.take(1e9), `${bucket.tokens}`);
});

Deno.test("a limit that is changed afterwards changes nothing", () => {
  const limit = { capacity: 2, rate: 0 };
  const bucket = new TokenBucket(limit, () => 0);
  const users = new KeyedLimiter({ requests: limit }, () => 0);
  limit.capacity = 100;
  assertThrows(() => bucket.take(3), RangeError, "the bucket holds 2");
  assertThrows(() => users.take("ann", { requests: 3 }), RangeError);
});

Deno.test("wait() is how long it takes, to the moment", () => {
  const { clock, bucket } = at0(8, 4);
  bucket.take(8);
  assertEquals([bucket.wait(0), bucket.wait(1), bucket.wait(6)], [
    ...[0, 0.25, 1.5],
  ]);
  clock.time = bucket.wait(6) - 0.001;
  assertEquals(bucket.take(6), false);
  clock.time = 1.5;
  assert(bucket.take(6));
});

Deno.test("at rate 0 what is taken is gone for good", () => {
  const { clock, bucket } = at0(2, 0);
  assert(bucket.take(2));
  clock.time = 1e9;
  assertEquals([bucket.tokens, bucket.wait(1), bucket.take(1)], [
    ...[0, Infinity, false],
  ]);
});

Deno.test("a capacity of Infinity is no limit, but for Infinity itself", () => {
  const { bucket } = at0(Infinity, 1);
  assert(bucket.take(1e300) && bucket.take(1e300));
  assertEquals(bucket.tokens, Infinity);
  assertThrows(
    () => bucket.take(Infinity),
    RangeError,
    "Cannot ever take Infinity",
  );
});

Deno.test("fractions and nothing can be taken", () => {
  const { bucket } = at0(1, 0);
  assert(bucket.take(0) && bucket.take(0.75) && bucket.take(0.25));
  assert(bucket.take(0));
  assertEquals(bucket.take(0.01), false);
});

Deno.test("in any time T no more than capacity + rate · T is granted", () => {
  const requests = fc.array(
    fc.record({
      pause: fc.integer({ min: -2, max: 5 }),
      n: fc.integer({ min: 0, max: 6 }),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(requests, (requests) => {
      const { clock, bucket } = at0(6, 2);
      const granted: { time: number; n: number }[] = [];
      let latest = 0;
      for (const { pause, n } of requests) {
        clock.time += pause / 4;
        latest = Math.max(latest, clock.time);
        if (bucket.take(n)) granted.push({ time: latest, n });
      }
      granted.forEach((_, i) => {
        let sum = 0;
        for (let j = i; j < granted.length; j++) {
          sum += granted[j].n;
          const T = granted[j].time - granted[i].time;
          assert(sum <= 6 + 2 * T + 1e-6, `${sum} in ${T} s`);
        }
      });
    }),
    { seed: 1 },
  );
});

Deno.test("a request that waits as told is granted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { maxLength: 20 }),
      (amounts) => {
        const { clock, bucket } = at0(5, 3);
        for (const n of amounts) {
          clock.time += bucket.wait(n);
          assert(bucket.take(n), `${n} at ${clock.time}`);
        }
      },
    ),
    { seed: 1 },
  );
});

Deno.test("without a clock it takes the monotonic one, in seconds", () => {
  const { now } = performance;
  const day = Date.now;
  let ms = 5000;
  performance.now = () => ms;
  Date.now = () => 0;
  try {
    const bucket = new TokenBucket({ capacity: 4, rate: 2 });
    bucket.take(4);
    ms += 1000;
    assertEquals(bucket.tokens, 2);
  } finally {
    performance.now = now;
    Date.now = day;
  }
});

for (
  const [what, make, message] of [
    ["capacity 0", () => at0(0, 1), "Cannot hold 0 tokens: needs capacity > 0"],
    ["capacity −1", () => at0(-1, 1), "hold -1 tokens"],
    ["capacity NaN", () => at0(NaN, 1), "hold NaN tokens"],
    ["rate −1", () => at0(1, -1), "Cannot gain -1 tokens a second"],
    ["rate NaN", () => at0(1, NaN), "gain NaN tokens"],
    ["rate ∞", () => at0(1, Infinity), "gain Infinity tokens"],
    ["n −1", () => at0(1, 1).bucket.take(-1), "Cannot take -1 tokens"],
    ["n NaN", () => at0(1, 1).bucket.take(NaN), "take NaN tokens"],
    ["n ∞", () => at0(1, 1).bucket.take(Infinity), "Cannot ever take Infinity"],
    [
      "more than the capacity",
      () => at0(10, 1).bucket.take(10.5),
      "Cannot ever take 10.5 tokens: the bucket holds 10",
    ],
    ["wait(−1)", () => at0(1, 1).bucket.wait(-1), "take -1 tokens"],
  ] as const
) {
  Deno.test(`${what} is an error`, () => {
    assertThrows(make, RangeError, message);
  });
}

/** 2 requests a second, and 100 tokens a minute. */
function limiter() {
  const clock = { time: 0 };
  const limits = {
    requests: { capacity: 2, rate: 2 },
    tokens: { capacity: 100, rate: 100 / 60 },
  };
  return { clock, users: new KeyedLimiter(limits, () => clock.time) };
}

Deno.test("a request takes from all of its buckets, or from none", () => {
  const { clock, users } = limiter();
  assert(users.take("ann", { requests: 1, tokens: 90 }));
  assertEquals(users.take("ann", { requests: 1, tokens: 20 }), false);
  assert(
    users.take("ann", { requests: 1, tokens: 10 }),
    "no request was taken",
  );
  assertEquals(users.take("ann", { requests: 1, tokens: 0 }), false);
  clock.time = 0.5;
  assert(users.take("ann", { requests: 1 }));
});

Deno.test("each key has buckets of its own", () => {
  const { users } = limiter();
  assert(users.take("ann", { tokens: 100 }));
  assert(users.take("bob", { tokens: 100 }));
  assertEquals(users.take("ann", { tokens: 1 }), false);
  assert(users.take("__proto__", { tokens: 100 }));
  assertEquals(users.size, 3);
});

Deno.test("prune() forgets who would get a full bucket anyway, and no other", () => {
  const { clock, users } = limiter();
  users.take("ann", { requests: 2 });
  users.take("bob", { tokens: 100 });
  clock.time = 1;
  users.prune();
  assertEquals(users.size, 1);
  assertEquals(users.take("bob", { tokens: 90 }), false);
});

Deno.test("a unit without a limit, or a limit that is none, is an error", () => {
  const { users } = limiter();
  assertThrows(
    () => users.take("ann", { images: 1 }),
    RangeError,
    "Cannot limit images: there are requests, tokens",
  );
  assertThrows(() => users.take("ann", { toString: 1 }), RangeError);
  assertEquals(users.size, 0);
  assertThrows(
    () => new KeyedLimiter({ requests: { capacity: 0, rate: 1 } }),
    RangeError,
    "Cannot hold 0 tokens",
  );
  assertThrows(
    () => users.take("ann", { requests: 1, tokens: 101 }),
    RangeError,
    "Cannot ever take 101 tokens",
  );
  assert(users.take("ann", { requests: 2 }), "the error took nothing");
});
