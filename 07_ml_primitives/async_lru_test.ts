import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AsyncLru, Turns } from "./async_lru.ts";

/** A computation that ends when told to, and what it was asked for. */
function slow() {
  const calls: string[] = [];
  const ends: { done(value: string): void; fail(error: Error): void }[] = [];
  const compute = (key: string) => {
    calls.push(key);
    return new Promise<string>((done, fail) => ends.push({ done, fail }));
  };
  return { calls, ends, compute };
}
/** Lets everything happen that waits for no computation. */
const settle = () => new Promise((done) => setTimeout(done, 0));

// Golden: python3 -c "
// import functools
// o=[]
// @functools.lru_cache(maxsize=3)
// def f(k): o.append(k); return -k
// for n in range(30): f(n*n%7+n%3)
// print(o,f.cache_info())"
const GOLDEN = "0 2 6 3 1 4 2 1 5 4 2 3 0 2 6 3 1";
Deno.test("one caller after another computes what Python's lru_cache does", async () => {
  const asked: number[] = [];
  const cache = new AsyncLru<number, number>(3, (key) => {
    asked.push(key);
    return Promise.resolve(-key);
  });
  for (let n = 0; n < 30; n++) {
    const key = n * n % 7 + n % 3;
    assertEquals(await cache.get(key), -key);
  }
  assertEquals(asked.join(" "), GOLDEN);
  assertEquals([cache.hits, cache.computed, cache.size], [13, 17, 3]);
});

Deno.test("100 callers of a missing key share one computation", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const all = Array.from({ length: 100 }, () => cache.get("a"));
  await settle();
  assertEquals([calls, cache.running, cache.size], [["a"], 1, 0]);
  ends[0].done("A");
  assertEquals(new Set(await Promise.all(all)), new Set(["A"]));
  assertEquals([cache.hits, cache.computed, cache.joined], [0, 1, 99]);
  assertEquals([cache.running, cache.size], [0, 1]);
});

Deno.test("callers that come while it runs join it, later ones find the value", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const first = cache.get("a");
  await settle();
  const second = cache.get("a");
  await settle();
  ends[0].done("A");
  assertEquals([await first, await second, await cache.get("a")], [
    ...["A", "A", "A"],
  ]);
  assertEquals([calls.length, cache.hits], [1, 1]);
});

Deno.test("different keys are computed at the same time", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const both = [cache.get("a"), cache.get("b")];
  await settle();
  assertEquals(calls, ["a", "b"]);
  ends[1].done("B");
  ends[0].done("A");
  assertEquals(await Promise.all(both), ["A", "B"]);
});

Deno.test("a failure reaches all who wait, and the next caller tries again", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const all = [1, 2, 3].map(() => cache.get("a"));
  const ended = Promise.allSettled(all);
  await settle();
  ends[0].fail(new Error("no such model"));
  for (const { status } of await ended) assertEquals(status, "rejected");
  await assertRejects(() => all[2], Error, "no such model");
  assertEquals([cache.running, cache.size], [0, 0]);
  const again = cache.get("a");
  await settle();
  ends[1].done("A");
  assertEquals([await again, calls.length], ["A", 2]);
});

Deno.test("a retry right in the catch does not meet the promise that failed", async () => {
  let calls = 0;
  const cache = new AsyncLru<string, string>(2, () => {
    if (++calls === 1) throw new Error("busy");
    return "A";
  });
  assertEquals(await cache.get("a").catch(() => cache.get("a")), "A");
  assertEquals(calls, 2);
});

Deno.test("a computation that throws at once is a rejection, not an exception", async () => {
  const cache = new AsyncLru<string, string>(2, () => {
    throw new TypeError("no string");
  });
  await assertRejects(() => cache.get("a"), TypeError, "no string");
  assertEquals(cache.running, 0);
});

Deno.test("a computation may ask for another key, before it awaits anything", async () => {
  const cache: AsyncLru<number, number> = new AsyncLru(
    9,
    (n) => n < 2 ? n : cache.get(n - 1).then(async (x) => x + await at(n - 2)),
  );
  const at = (n: number) => cache.get(n);
  assertEquals(await cache.get(30), 832040);
  assertEquals(cache.computed, 31);
});

Deno.test("what is deleted while it is computed does not come back", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const before = cache.get("a");
  await settle();
  assertEquals([cache.delete("a"), cache.delete("a")], [true, false]);
  ends[0].done("old");
  assertEquals([await before, cache.size], ["old", 0]);
  const after = cache.get("a");
  await settle();
  ends[1].done("new");
  assertEquals([await after, await cache.get("a")], ["new", "new"]);
  assertEquals(calls.length, 2);
});

for (const order of [[0, 1], [1, 0]]) {
  Deno.test(`who asks after a deletion gets the new value, ended ${order.join(" then ")}`, async () => {
    const { ends, compute } = slow();
    const cache = new AsyncLru<string, string>(2, compute);
    const before = cache.get("a");
    await settle();
    cache.delete("a");
    const after = cache.get("a");
    await settle();
    const texts = ["old", "new"];
    for (const i of order) {
      ends[i].done(texts[i]);
      await settle();
      // The end of the old one must not unlist the new one: a third would compute.
      if (i === 0) assertEquals(cache.joined, 0);
    }
    const third = await cache.get("a");
    assertEquals([await before, await after, third], ["old", "new", "new"]);
    assertEquals([cache.computed, cache.size, cache.running], [2, 1, 0]);
  });
}

Deno.test("an old computation that ends does not unlist the one that runs", async () => {
  const { ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const before = cache.get("a");
  await settle();
  cache.delete("a");
  const after = cache.get("a");
  await settle();
  ends[0].fail(new Error("late"));
  await assertRejects(() => before, Error, "late");
  const joined = cache.get("a");
  assertEquals([cache.computed, cache.joined], [2, 1]);
  ends[1].done("new");
  assertEquals([await after, await joined], ["new", "new"]);
});

Deno.test("what is set while it is computed stays", async () => {
  const { ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const before = cache.get("a");
  await settle();
  cache.set("a", "mine");
  assertEquals(await cache.get("a"), "mine");
  ends[0].done("old");
  assertEquals([await before, await cache.get("a")], ["old", "mine"]);
});

Deno.test("a value becomes the newest when it is ready, not when it was asked for", async () => {
  const { ends, compute } = slow();
  const cache = new AsyncLru<string, string>(2, compute);
  const all = ["a", "b", "c"].map((key) => cache.get(key));
  await settle();
  [[1, "B"], [0, "A"]].forEach(([i, text]) => ends[Number(i)].done(`${text}`));
  await settle();
  assertEquals(cache.keys(), ["b", "a"]);
  ends[2].done("C");
  await Promise.all(all);
  assertEquals(cache.keys(), ["a", "c"]);
});

Deno.test("a hit makes its value the newest; who joins does nothing to the order", async () => {
  const { ends, compute } = slow();
  const cache = new AsyncLru<string, string>(3, compute);
  for (const key of ["x", "y"]) cache.set(key, key);
  const a = cache.get("a");
  await settle();
  ends[0].done("A");
  cache.get("a");
  await a;
  await cache.get("x");
  assertEquals(cache.keys(), ["y", "a", "x"]);
  cache.set("z", "z");
  assertEquals(cache.keys(), ["a", "x", "z"]);
});

Deno.test("what runs does not count against the capacity, and is not evicted", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(1, compute);
  const slowest = cache.get("a");
  await settle();
  for (const key of ["b", "c", "d"]) cache.set(key, key);
  const joined = cache.get("a");
  ends[0].done("A");
  assertEquals([await slowest, await joined, calls], ["A", "A", ["a"]]);
  assertEquals(cache.keys(), ["a"]);
});

Deno.test("capacity 0 stores nothing, and still computes only once at a time", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(0, compute);
  const both = [cache.get("a"), cache.get("a")];
  await settle();
  ends[0].done("A");
  assertEquals([await Promise.all(both), cache.size], [["A", "A"], 0]);
  const third = cache.get("a");
  await settle();
  ends[1].done("A");
  assertEquals([await third, calls.length], ["A", 2]);
});

Deno.test("a stored undefined, null or NaN is not a missing one", async () => {
  for (const value of [undefined, null, NaN]) {
    const cache = new AsyncLru<string, unknown>(2, () => value);
    assertEquals([await cache.get("a"), await cache.get("a")], [value, value]);
    assertEquals([cache.computed, cache.hits], [1, 1]);
  }
});

Deno.test("keys are equal as in a Map: NaN is NaN, 1 is not '1'", async () => {
  const cache = new AsyncLru<unknown, string>(9, (key) => typeof key);
  for (const key of [NaN, NaN, 0, -0, 1, "1", "__proto__"]) {
    assertEquals(await cache.get(key), typeof key);
  }
  assertEquals([cache.computed, cache.hits], [5, 2]);
});

Deno.test("no more run at once than allowed, the others in the order of asking", async () => {
  const { calls, ends, compute } = slow();
  const cache = new AsyncLru<string, string>(9, compute, 2);
  const all = ["a", "b", "c", "d", "a"].map((key) => cache.get(key));
  const ended = Promise.allSettled(all);
  await settle();
  assertEquals([calls, cache.running], [["a", "b"], 4]);
  ends[1].fail(new Error("busy"));
  await settle();
  assertEquals(calls, ["a", "b", "c"]);
  ends[0].done("A");
  await settle();
  assertEquals(calls, ["a", "b", "c", "d"]);
  ends[2].done("C");
  ends[3].done("D");
  assertEquals((await ended).map(({ status }) => status[0]).join(""), "frfff");
});

Deno.test("a turn is handed over: one that comes just then does not get in between", async () => {
  const turns = new Turns(1);
  let most = 0;
  let now = 0;
  const order: number[] = [];
  const task = async (n: number) => {
    most = Math.max(most, ++now);
    order.push(n);
    await undefined;
    now--;
  };
  const first = turns.run(() => task(0));
  const second = turns.run(() => task(1));
  // Comes in every moment around the end of the first.
  const late: Promise<void>[] = [];
  for (let n = 2; n < 12; n++) {
    late.push(turns.run(() => task(n)));
    await undefined;
  }
  await Promise.all([first, second, ...late]);
  assertEquals([most, order], [1, order.map((_, n) => n)]);
});

Deno.test("turns that all came back are all given again, in the order of asking", async () => {
  const turns = new Turns(2);
  for (let round = 0; round < 3; round++) {
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const ask = (n: number) =>
      turns.run(() => {
        started.push(n);
        return new Promise<void>((end) => ends.push(end));
      });
    const all = [0, 1, 2, 3, 4].map(ask);
    await settle();
    assertEquals(started, [0, 1]);
    ends[0]();
    await settle();
    // Those who come while others already wait go behind them.
    all.push(ask(5), ask(6));
    for (let n = 1; n < 7; n++) {
      ends[n]();
      await settle();
    }
    await Promise.all(all);
    assertEquals(started, [0, 1, 2, 3, 4, 5, 6]);
  }
});

// Every order in which computations may end, with deletions and writes in between.
Deno.test("in any order of events nothing stale is stored, and nothing runs twice", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(
        fc.tuple(fc.constantFrom("get", "get", "delete", "set"), fc.nat(3)),
        { maxLength: 40, size: "max" },
      ),
      fc.nat(4),
      async (scheduler, events, C) => {
        // What stands at the source, by key; a cache may lag behind it only for
        // those who asked before the change.
        const version = [0, 0, 0, 0];
        const running = new Map<string, number>();
        const cache: AsyncLru<number, number> = new AsyncLru(C, async (key) => {
          const own = `${key} ${version[key]}`;
          running.set(own, (running.get(own) ?? 0) + 1);
          assertEquals(running.get(own), 1, "one computation of a version");
          const value = version[key];
          await scheduler.schedule(Promise.resolve());
          running.delete(own);
          return value;
        });
        const waiting: Promise<void>[] = [];
        const ask = async (key: number) => {
          const least = version[key];
          const value = await cache.get(key);
          assert(value >= least, `asked at ${least}, got ${value}`);
        };
        const run = scheduler.scheduleSequence(
          events.map(([name, key]) => () => {
            if (name === "get") waiting.push(ask(key));
            else {
              version[key]++;
              if (name === "delete") cache.delete(key);
              else cache.set(key, version[key]);
            }
            assert(cache.size <= C);
            return Promise.resolve();
          }),
        );
        await scheduler.waitFor(run.task);
        await scheduler.waitFor(Promise.all(waiting));
        assertEquals(cache.running, 0);
        for (const key of cache.keys()) {
          assertEquals(await cache.get(key), version[key]);
        }
      },
    ),
    { seed: 7, numRuns: 150 },
  );
});

Deno.test("a capacity or a number of turns that is no count is an error", () => {
  for (const capacity of [-1, 1.5, NaN, Infinity]) {
    assertThrows(
      () => new AsyncLru(capacity, (key) => key),
      RangeError,
      `capacity must be a whole number, got ${capacity}`,
    );
  }
  for (const turns of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => new AsyncLru(2, (key) => key, turns),
      RangeError,
      `Cannot run ${turns} at once: needs a whole number from 1`,
    );
  }
});
