import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fnv1a, Mutex, ShardedLru } from "./sharded_lru.ts";

/** Lets everything happen that waits for no timer. */
const settle = () => new Promise((done) => setTimeout(done, 0));
/** Something to wait for, and how to end the wait. */
function gate() {
  let open = () => {};
  const wait = new Promise<void>((done) => open = done);
  return { wait, open };
}
/** The key itself is its hash, so a test says which shard it means. */
const own = (key: number) => key;

// Goldens: python3 -c "
// def f(t):
//   h=0x811c9dc5
//   for c in t.encode(): h=(h^c)*0x01000193%2**32
//   return h
// print([f(t) for t in ['','a','foobar','user 17','-1.5','null']])
// from collections import OrderedDict
// C=[3,2,2]; s=[OrderedDict() for _ in C]; o=[]
// for n in range(40):
//   k=n*n%17+n%5; c=s[f(str(k))%3]
//   if n%3:
//     if k in c: c.move_to_end(k)
//     o.append(c.get(k,-1))
//   else:
//     c[k]=n; c.move_to_end(k)
//     if len(c)>C[f(str(k))%3]: c.popitem(last=False)
// print(*o)
// print([sorted(x) for x in s])"
const HASHES = [
  ...[2166136261, 3826002220, 3214735720, 3982925974, 468291422, 1996966820],
];
const ANSWERS =
  "-1 -1 -1 -1 -1 -1 -1 6 -1 -1 -1 -1 -1 -1 12 -1 -1 -1 -1 -1 12 -1 33 -1 -1 -1";
const KEPT = [[0, 10], [4, 12], [5, 16]];

Deno.test("the hash is FNV-1a, of a key's text", () => {
  const keys = ["", "a", "foobar", "user 17", -1.5, null];
  assertEquals(keys.map(fnv1a), HASHES);
  assertEquals([fnv1a(-0), fnv1a(NaN), fnv1a(undefined)], [
    ...[fnv1a("0"), fnv1a("NaN"), fnv1a("undefined")],
  ]);
});

Deno.test("gets and sets answer as three OrderedDicts do", async () => {
  const cache = new ShardedLru<number, number>(7, 3);
  const answers: number[] = [];
  for (let n = 0; n < 40; n++) {
    const key = n * n % 17 + n % 5;
    if (n % 3 === 0) await cache.set(key, n);
    else answers.push(cache.get(key) ?? -1);
  }
  assertEquals(answers.join(" "), ANSWERS);
  const kept: number[][] = [[], [], []];
  for (let key = 0; key < 30; key++) {
    if (cache.has(key)) kept[cache.shardOf(key)].push(key);
  }
  assertEquals(kept, KEPT);
});

Deno.test("100 updates of one counter give 100, and without the lock 1", async () => {
  const cache = new ShardedLru<string, number>(8, 2);
  const addOne = async (old = 0) => {
    await settle();
    return old + 1;
  };
  const all = new Array<string>(100).fill("requests");
  const returned = await Promise.all(
    all.map((key) => cache.update(key, addOne)),
  );
  assertEquals(cache.get("requests"), 100);
  // Each caller gets the number that it made, in the order of the calls.
  assertEquals(returned, all.map((_, n) => n + 1));
  const plain = new Map<string, number>();
  await Promise.all(all.map(async (key) => {
    plain.set(key, await addOne(plain.get(key)));
  }));
  assertEquals(plain.get("requests"), 1);
});

Deno.test("two updates of one key never overlap, nor do two keys of a shard", async () => {
  const cache = new ShardedLru<number, number>(8, 4, own);
  let running = 0;
  let most = 0;
  const task = async (old = 0) => {
    most = Math.max(most, ++running);
    await settle();
    running--;
    return old + 1;
  };
  await Promise.all([5, 1, 5, 1, 5].map((key) => cache.update(key, task)));
  assertEquals([most, cache.get(5), cache.get(1)], [1, 3, 2]);
});

Deno.test("updates of different shards overlap", async () => {
  const cache = new ShardedLru<number, string>(8, 4, own);
  const [first, second] = [gate(), gate()];
  const log: string[] = [];
  const update = (key: number, wait: Promise<void>) =>
    cache.update(key, async () => {
      log.push(`begin ${key}`);
      await wait;
      log.push(`end ${key}`);
      return "done";
    });
  const both = [update(1, first.wait), update(2, second.wait)];
  await settle();
  second.open();
  await both[1];
  first.open();
  await both[0];
  assertEquals(log, ["begin 1", "begin 2", "end 2", "end 1"]);
});

Deno.test("a set during an update waits for it, and is not overwritten by it", async () => {
  const cache = new ShardedLru<number, string>(8, 4, own);
  const { wait, open } = gate();
  const update = cache.update(1, async (old) => {
    await wait;
    return `${old}, changed`;
  });
  const set = cache.set(1, "set");
  await settle();
  assertEquals(cache.has(1), false);
  open();
  assertEquals(await update, "undefined, changed");
  await set;
  assertEquals(cache.get(1), "set");
});

Deno.test("a delete during an update waits for it, and is not undone by it", async () => {
  const cache = new ShardedLru<number, string>(8, 4, own);
  await cache.set(1, "a");
  const { wait, open } = gate();
  const update = cache.update(1, async (old) => {
    await wait;
    return `${old}b`;
  });
  const gone = cache.delete(1);
  const again = cache.delete(1);
  open();
  assertEquals([await update, await gone, await again, cache.has(1)], [
    ...["ab", true, false, false],
  ]);
});

Deno.test("a get waits for nobody, and sees the old value until the new one is there", async () => {
  const cache = new ShardedLru<number, string>(8, 4, own);
  await cache.set(1, "old");
  const { wait, open } = gate();
  const update = cache.update(1, async () => {
    await wait;
    return "new";
  });
  await settle();
  assertEquals(cache.get(1), "old");
  open();
  await update;
  assertEquals(cache.get(1), "new");
});

Deno.test("an update that fails changes nothing, and lets the next one in", async () => {
  const cache = new ShardedLru<number, number>(8, 4, own);
  await cache.set(1, 10);
  const late = cache.update(1, async () => {
    await settle();
    throw new Error("no answer");
  });
  const early = cache.update(1, () => {
    throw new TypeError("no number");
  });
  const good = cache.update(1, (old = 0) => old + 1);
  await assertRejects(() => late, Error, "no answer");
  await assertRejects(() => early, TypeError, "no number");
  assertEquals([await good, cache.get(1), cache.has(5)], [11, 11, false]);
});

Deno.test("a lock is first come, first served, also for who comes while it changes hands", async () => {
  const lock = new Mutex();
  const order: number[] = [];
  let running = 0;
  const all: Promise<number>[] = [];
  for (let n = 0; n < 40; n++) {
    all.push(lock.run(async () => {
      assertEquals(++running, 1, "alone");
      order.push(n);
      for (let k = 0; k < n % 4; k++) await undefined;
      running--;
      return -n;
    }));
    if (n % 3 > 0) await undefined;
  }
  const numbers = all.map((_, n) => n);
  assertEquals(await Promise.all(all), numbers.map((n) => 0 - n));
  assertEquals(order, numbers);
});

for (const touch of ["get", "set", "update"] as const) {
  Deno.test(`${touch}: an old key becomes the newest, and drives nothing out`, async () => {
    const cache = new ShardedLru<number, number>(2, 1);
    await cache.set(1, 10);
    await cache.set(2, 20);
    if (touch === "get") cache.get(1);
    else if (touch === "set") await cache.set(1, 11);
    else await cache.update(1, (old = 0) => old + 1);
    assertEquals([cache.has(1), cache.has(2)], [true, true]);
    await cache.set(3, 30);
    assertEquals([1, 2, 3].map((key) => cache.has(key)), [true, false, true]);
  });
}

Deno.test("the capacities of the shards sum to the capacity, and differ by 1 at most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(499), (C, more) => {
      const S = 1 + more % C;
      const sizes = new ShardedLru<string, number>(C, S).sizes();
      const capacities = sizes.map(({ capacity }) => capacity);
      assertEquals(capacities.length, S);
      assertEquals(capacities.reduce((sum, c) => sum + c), C);
      const [least, most] = [Math.min(...capacities), Math.max(...capacities)];
      assert(least >= 1 && most - least <= 1, `${capacities}`);
    }),
    { seed: 7 },
  );
});

Deno.test("with one shard it is an LRU, with more each shard is one of its own", async () => {
  const operations = fc.array(
    fc.tuple(
      fc.constantFrom("get", "set", "update", "delete", "has"),
      fc.nat(9),
    ),
    { maxLength: 60, size: "max" },
  );
  await fc.assert(
    fc.asyncProperty(
      operations,
      fc.integer({ min: 1, max: 6 }),
      fc.nat(5),
      async (list, C, more) => {
        const S = 1 + more % C;
        const cache = new ShardedLru<number, number>(C, S, own);
        const room = cache.sizes().map(({ capacity }) => capacity);
        let model: [key: number, value: number][] = [];
        for (const [n, [name, key]] of list.entries()) {
          const at = model.findIndex(([k]) => k === key);
          const value = model[at]?.[1];
          if (name === "get") {
            assertEquals(cache.get(key), value);
            if (at >= 0) model.push(...model.splice(at, 1));
          } else if (name === "has") assertEquals(cache.has(key), at >= 0);
          else if (name === "delete") {
            assertEquals(await cache.delete(key), at >= 0);
            if (at >= 0) model.splice(at, 1);
          } else {
            if (name === "set") await cache.set(key, n);
            else {await cache.update(
                key,
                (old) => (assertEquals(old, value), n),
              );}
            model = [...model.filter(([k]) => k !== key), [key, n]];
            const shard = model.filter(([k]) => k % S === key % S);
            if (shard.length > room[key % S]) {
              model.splice(model.indexOf(shard[0]), 1);
            }
          }
          const inShard = (i: number) => model.filter(([k]) => k % S === i);
          assertEquals(
            cache.sizes().map(({ size }) => size),
            room.map((_, i) => inShard(i).length),
          );
        }
        for (const [key, value] of model) assertEquals(cache.get(key), value);
      },
    ),
    { seed: 7 },
  );
});

Deno.test("a shard that gets more keys evicts while the others have room", async () => {
  const cache = new ShardedLru<number, string>(8, 4, own);
  for (const key of [0, 4, 8]) await cache.set(key, "same shard");
  assertEquals([0, 4, 8].map((key) => cache.has(key)), [false, true, true]);
  assertEquals(cache.sizes().map(({ size }) => size), [2, 0, 0, 0]);
});

// python3 -c "
// from math import comb
// for S in [4,16,64]: print(S*sum(min(k,64//S)*comb(64,k)*(1/S)**k*(1-1/S)**(64-k)
//   for k in range(65)))"
for (
  const [S, mean] of [
    [4, 58.503192420480936],
    [16, 51.894612110361045],
    [64, 40.64086244838992],
  ]
) {
  Deno.test(`${S} shards of ${64 / S} keep ${mean.toFixed(1)} of 64 keys on average, one LRU all`, async () => {
    let state = 7;
    const random = () => (state = state * 16807 % 2147483647) / 2147483647;
    const [runs, kept]: [number, number[]] = [200, []];
    for (let run = 0; run < runs; run++) {
      const hash = Array.from({ length: 64 }, () => random() * 2 ** 32);
      const cache = new ShardedLru<number, number>(64, S, (key) => hash[key]);
      for (let key = 0; key < 64; key++) await cache.set(key, key);
      kept.push(cache.sizes().reduce((sum, { size }) => sum + size, 0));
    }
    const average = kept.reduce((sum, n) => sum + n) / runs;
    // A fill strays by less than 3, the mean of 200 by 0.2; the test allows 4 of those.
    assert(Math.abs(average - mean) < 0.8, `${average}`);
    const whole = new ShardedLru<number, number>(64, 1);
    for (let key = 0; key < 64; key++) await whole.set(key, key);
    assertEquals(whole.sizes(), [{ size: 64, capacity: 64 }]);
  });
}

Deno.test("a hash may be negative, a fraction or NaN: the shard is still one of S", async () => {
  for (const hash of [-1, -7, -(2 ** 31), 2 ** 40 + 3, 2.5, NaN, Infinity]) {
    const cache = new ShardedLru<string, number>(7, 5, () => hash);
    const shard = cache.shardOf("a");
    assert(Number.isInteger(shard) && shard >= 0 && shard < 5, `${hash}`);
    await cache.set("a", 1);
    assertEquals(cache.get("a"), 1);
  }
});

Deno.test("1 and '1' are two keys, though of one shard; 0 and −0 are one", async () => {
  const cache = new ShardedLru<unknown, string>(20, 2);
  for (const key of [1, "1", 0, NaN, "__proto__"]) {
    await cache.set(key, typeof key);
  }
  assertEquals(cache.shardOf(1), cache.shardOf("1"));
  assertEquals([1, "1", -0, NaN].map((key) => cache.get(key)), [
    ...["number", "string", "number", "number"],
  ]);
});

Deno.test("a stored undefined is not a missing one", async () => {
  const cache = new ShardedLru<string, undefined>(2, 1);
  await cache.set("a", undefined);
  assertEquals([cache.has("a"), cache.get("a"), cache.has("b")], [
    ...[true, undefined, false],
  ]);
  assertEquals([cache.get("b"), cache.has("b")], [undefined, false]);
});

Deno.test("an object needs a hash of its own", () => {
  const cache = new ShardedLru<unknown, string>(2, 1);
  for (const key of [{}, [1], () => 1]) {
    assertThrows(
      () => cache.get(key),
      TypeError,
      "Cannot hash an object: pass a hash for such keys",
    );
  }
});

Deno.test("sizes that leave a shard without room are an error", () => {
  for (const [C, S] of [[3, 4], [0, 1], [4, 0], [4, -1], [4, 1.5], [NaN, 1]]) {
    assertThrows(
      () => new ShardedLru(C, S),
      RangeError,
      `Cannot cut a capacity of ${C} into ${S} shards: each needs room for 1 entry`,
    );
  }
});
