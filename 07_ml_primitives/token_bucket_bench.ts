/**
 * How many nanoseconds a call of the token bucket takes when it grants and when it
 * refuses, against the package limiter; what of that is the clock; and what buckets
 * for each user and unit add.
 *
 * Run: `deno bench token_bucket_bench.ts`
 * @module
 */
import { TokenBucket as Peer } from "limiter";
import { KeyedLimiter, TokenBucket } from "./token_bucket.ts";

/** A bucket of limiter's that starts full: by itself it starts empty. */
function peer(capacity: number, rate: number): Peer {
  const sizes = { bucketSize: capacity, tokensPerInterval: rate };
  const bucket = new Peer({ ...sizes, interval: "second" });
  bucket.content = capacity;
  return bucket;
}

/** Answers to the same requests at the same times, on a clock turned by hand. */
function answers(
  make: (capacity: number, rate: number) => (n: number) => boolean,
): string {
  const { now } = performance;
  let time = 1000;
  performance.now = () => time;
  try {
    const take = make(8, 4);
    let state = 1;
    const random = () => (state = state * 16807 % 2147483647) / 2147483647;
    // Steps of 1/8 s give tokens that doubles hold exactly, so no rounding decides.
    return Array.from({ length: 1000 }, () => {
      time += 125 * Math.floor(random() * 8);
      return take(Math.floor(random() * 9)) ? "y" : "n";
    }).join("");
  } finally {
    performance.now = now;
  }
}
const expected = answers((capacity, rate) => {
  const bucket = new TokenBucket({ capacity, rate });
  return (n) => bucket.take(n);
});
const found = answers((capacity, rate) => {
  const bucket = peer(capacity, rate);
  return (n) => bucket.tryRemoveTokens(n);
});
if (found !== expected || new Set(expected).size !== 2) {
  throw new Error("The answers differ: nothing to time");
}

/** Short calls first: deno bench's own warm-up ends before V8 has compiled them well. */
function bench(
  name: string,
  group: string,
  call: () => unknown,
  granted?: boolean,
): void {
  for (let i = 0; i < 200_000; i++) {
    const answer = call();
    if (granted !== undefined && answer !== granted) {
      throw new Error(`${name} answered ${answer}: not what is timed`);
    }
  }
  const baseline = name === "token_bucket.ts";
  Deno.bench(name, { group, baseline }, () => {
    call();
  });
}

let ticks = 0;
const counter = () => ticks++ * 1e-9;
for (
  const [group, capacity, rate, granted] of [
    ["one token, granted", 1e12, 1e9, true],
    ["one token, refused", 1, 1e-9, false],
  ] as const
) {
  const limit = { capacity, rate };
  const bucket = new TokenBucket(limit);
  const counted = new TokenBucket(limit, counter);
  const other = peer(capacity, rate);
  if (!granted) {
    for (const take of [bucket, counted]) take.take();
    other.tryRemoveTokens(1);
  }
  bench("token_bucket.ts", group, () => bucket.take(), granted);
  bench("its clock is a counter", group, () => counted.take(), granted);
  bench("limiter", group, () => other.tryRemoveTokens(1), granted);
  bench("performance.now() alone", group, () => performance.now());
}

for (const users of [1, 1000, 100_000]) {
  const keys = Array.from({ length: users }, (_, i) => `user ${i}`);
  const limits = {
    requests: { capacity: 1e12, rate: 1e9 },
    tokens: { capacity: 1e12, rate: 1e9 },
  };
  const many = new KeyedLimiter(limits);
  const amounts = { requests: 1, tokens: 500 };
  for (const key of keys) many.take(key, amounts);
  let next = 0;
  bench(
    `users: ${users}`,
    "KeyedLimiter, two units, granted",
    () => many.take(keys[next = (next + 1) % users], amounts),
    true,
  );
}
