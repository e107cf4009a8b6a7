import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { PrefixCache, type Request } from "./prefix_cache.ts";

/** A request that is computed, and ended, at once. */
function run(cache: PrefixCache, tokens: number[], scope?: string): Request {
  const request = cache.start(tokens, scope);
  const found = request.computed;
  cache.commit(request);
  cache.end(request);
  return { ...request, computed: found };
}
const count = (n: number, from = 0) =>
  Array.from({ length: n }, (_, i) => from + i);

// Golden: one request after another; a dict from whole prefixes to nothing.
// python3 -c "
// from collections import OrderedDict
// S,N=3,7; lru=OrderedDict(); out=[]; ev=0
// for n in range(14):
//   t=[(n*n*j%5)%3 for j in range(4+n*5%9)] if n%4 else [0,0,0,1,1,1,2,n]
//   pre=[tuple(t[:i]) for i in range(S,len(t)+1,S)]
//   h=0
//   while h<(len(t)-1)//S and pre[h] in lru: h+=1
//   for p in pre[:h]: lru.pop(p)
//   for p in list(lru)[:max(0,len(lru)+h+-(-len(t)//S)-h-N)]: del lru[p]; ev+=1
//   for p in pre[::-1]: lru.pop(p,None); lru[p]=1
//   out.append((len(t),h*S))
// print(*['%d/%d'%(h,T) for T,h in out]); print(ev,len(lru))"
const FOUND = "0/8 0/9 0/5 3/10 0/8 3/11 0/7 0/12 3/8 0/4 3/9 3/5 6/8 3/6";
Deno.test("one request after another finds what a dict of whole prefixes says", () => {
  const cache = new PrefixCache(7, 3);
  const found = count(14).map((n) => {
    const tokens = n % 4 === 0
      ? [0, 0, 0, 1, 1, 1, 2, n]
      : count(4 + n * 5 % 9).map((j) => n * n * j % 5 % 3);
    return `${run(cache, tokens).computed}/${tokens.length}`;
  });
  assertEquals(found.join(" "), FOUND);
  assertEquals([cache.stats.evicted, cache.cached(), cache.free()], [16, 7, 7]);
});

Deno.test("two requests share the full blocks of their common prompt, no more", () => {
  const cache = new PrefixCache(9, 4);
  const prompt = count(10);
  const first = cache.start([...prompt, 50, 51, 52]);
  cache.commit(first);
  const second = cache.start([...prompt, 60, 61]);
  assertEquals([first.computed, second.computed], [13, 8]);
  assertEquals(second.table.slice(0, 2), first.table.slice(0, 2));
  assertEquals(first.table.map(cache.users), [2, 2, 1, 1]);
  assertEquals(second.table.map(cache.users), [2, 2, 1]);
  assertEquals([cache.free(), cache.cached()], [4, 3]);
  cache.commit(second);
  assertEquals(cache.stats, { hits: 8, computed: 13 + 4, evicted: 0 });
});

Deno.test("the last token is computed, even if the whole prompt is cached", () => {
  const cache = new PrefixCache(9, 4);
  for (const [T, found] of [[1, 0], [4, 0], [5, 4], [8, 4], [9, 8]]) {
    run(cache, count(9));
    assertEquals(cache.start(count(T)).computed, found);
  }
});

Deno.test("a block is not found behind another prefix, though its tokens are the same", () => {
  const cache = new PrefixCache(20, 2);
  run(cache, [1, 1, 5, 5, 6, 6, 7]);
  assertEquals(run(cache, [9, 9, 5, 5, 6, 6, 7]).computed, 0);
  assertEquals(run(cache, [5, 5, 6, 6, 7]).computed, 0);
  assertEquals(run(cache, [1, 1, 6, 6, 7]).computed, 2);
  assertEquals(run(cache, [1, 1, 5, 5, 6, 6, 7]).computed, 6);
});

Deno.test("after a difference nothing is found, though later blocks are the same", () => {
  const cache = new PrefixCache(20, 2);
  run(cache, [1, 1, 2, 2, 3, 3, 4]);
  assertEquals(run(cache, [1, 1, 9, 2, 3, 3, 4]).computed, 2);
});

Deno.test("tokens whose digits run together the same way are told apart", () => {
  const cache = new PrefixCache(20, 2);
  run(cache, [1, 23, 4, 5, 6]);
  assertEquals(run(cache, [12, 3, 4, 5, 6]).computed, 0);
  assertEquals(run(cache, [1, 23, 45, 6, 6]).computed, 2);
  assertEquals(run(cache, [23, 1, 4, 5, 6]).computed, 0);
});

Deno.test("tokens of the same sum, or of the same usual hash, are told apart", () => {
  // Pairs with equal sums, xors, and Σ t · 31ⁱ from the left and from the right.
  for (
    const [one, other] of [
      [[1, 4], [2, 3]],
      [[5, 1], [4, 0]],
      [[1, 33], [2, 2]],
      [[33, 1], [2, 2]],
    ]
  ) {
    const cache = new PrefixCache(9, 2);
    run(cache, [...one, 7]);
    assertEquals(run(cache, [...other, 7]).computed, 0, `${one}`);
    // The same for the parent of an equal block.
    run(cache, [...one, 8, 8, 7]);
    assertEquals(run(cache, [...other, 8, 8, 7]).computed, 2, `${one}`);
  }
});

Deno.test("no scope finds the blocks of another one, whatever its name is", () => {
  const cache = new PrefixCache(60, 2);
  const scopes = ["", "a", "1", "a 1", "root", "root a", "root a 1,2"];
  for (const scope of scopes) {
    assertEquals(run(cache, [1, 2, 1, 2, 1], scope).computed, 0, scope);
  }
  for (const scope of scopes) {
    assertEquals(run(cache, [1, 2, 1, 2, 1], scope).computed, 4, scope);
  }
});

Deno.test("a block is found only when it is computed, and when it is full", () => {
  const cache = new PrefixCache(9, 4);
  const request = cache.start(count(7));
  assertEquals(cache.match(count(9)), []);
  cache.commit(request);
  assertEquals(cache.match(count(9)), request.table.slice(0, 1));
  cache.append(request, 7);
  assertEquals(cache.match(count(9)).length, 1);
  cache.commit(request);
  assertEquals(cache.match(count(9)), request.table);
});

Deno.test("what was sampled is found by the next turn of the conversation", () => {
  const cache = new PrefixCache(9, 4);
  const request = cache.start(count(6));
  cache.commit(request);
  for (const token of [6, 7, 8, 9]) {
    cache.append(request, token);
    cache.commit(request);
  }
  cache.end(request);
  assertEquals(request.table.length, 3);
  assertEquals(cache.stats.computed, 10);
  assertEquals(cache.start([...count(10), 77, 78]).computed, 8);
});

Deno.test("a request that ends before it is computed leaves nothing to find", () => {
  const cache = new PrefixCache(5, 2);
  cache.end(cache.start(count(8)));
  assertEquals([cache.cached(), cache.free(), cache.match(count(9))], [
    ...[0, 5, []],
  ]);
  assertEquals(cache.stats, { hits: 0, computed: 0, evicted: 0 });
});

Deno.test("of two that compute the same, the second takes the first one's blocks", () => {
  const cache = new PrefixCache(9, 2);
  const [first, second] = [cache.start(count(5)), cache.start(count(5))];
  assertEquals(cache.free(), 3);
  cache.commit(first);
  cache.commit(second);
  assertEquals(second.table.slice(0, 2), first.table.slice(0, 2));
  assertEquals(second.table[2] === first.table[2], false);
  assertEquals([cache.free(), cache.cached()], [5, 2]);
  cache.end(first);
  assertEquals(second.table.map(cache.users), [1, 1, 1]);
  cache.end(second);
  assertEquals([cache.free(), cache.cached()], [9, 2]);
});

Deno.test("the last block of a chain goes first, its parent after it", () => {
  const cache = new PrefixCache(4, 2);
  run(cache, count(8));
  const lengths = [4, 3, 2, 1].map((_, i) => {
    const holders = cache.start(count(2 * (i + 1), 100));
    const length = cache.match(count(9)).length;
    cache.end(holders);
    return length;
  });
  assertEquals(lengths, [3, 2, 1, 0]);
});

Deno.test("the chain that was not used for longest goes first", () => {
  const cache = new PrefixCache(6, 2);
  const texts = [[1, 1, 2, 2], [3, 3, 4, 4], [5, 5, 6, 6]];
  texts.forEach((text) => run(cache, text));
  // Found again, by a request that overwrites its own last block only.
  cache.end(cache.start([1, 1, 2]));
  const left = () =>
    texts.map((text) => cache.match([...text, 0]).length).join("");
  assertEquals([left(), cache.stats.evicted], ["122", 1]);
  run(cache, [7, 7, 8]);
  assertEquals(left(), "112");
  run(cache, [7, 7, 8, 8, 9, 9]);
  assertEquals([left(), cache.cached()], ["102", 6]);
});

Deno.test("blocks that nobody can find are overwritten before those that can", () => {
  const cache = new PrefixCache(6, 2);
  run(cache, count(4));
  run(cache, [9]);
  const half = cache.start([50, 51, 52, 53, 54]);
  cache.end(half);
  cache.start([60, 61, 62, 63, 64, 65, 66]);
  assertEquals([cache.match(count(5)).length, cache.stats.evicted], [2, 0]);
});

Deno.test("a request that finds blocks does not overwrite them for its rest", () => {
  const cache = new PrefixCache(4, 2);
  run(cache, count(8));
  const request = cache.start([0, 1, 2, 3, 60, 61, 62]);
  assertEquals([request.computed, new Set(request.table).size], [4, 4]);
  assertEquals(request.table.map(cache.users), [1, 1, 1, 1]);
});

Deno.test("a request that does not fit takes nothing, and says what is missing", () => {
  const cache = new PrefixCache(4, 2);
  run(cache, count(5));
  const small = cache.start([50, 51, 52]);
  const state = () => [
    cache.free(),
    cache.cached(),
    cache.stats,
    count(4).map(cache.users),
    cache.match(count(5)),
  ];
  const before = structuredClone(state());
  assertThrows(
    () => cache.start(count(5, 70)),
    RangeError,
    "Cannot take 3 blocks: 2 are free",
  );
  // It finds 2 blocks, and those are the free ones: none is left for the other 2.
  assertThrows(
    () => cache.start([...count(4), 60, 61, 62]),
    RangeError,
    "Cannot take 2 blocks: 0 are free",
  );
  assertEquals(state(), before);
  cache.end(small);
  assertEquals(cache.start([...count(4), 60, 61, 62]).computed, 4);
});

Deno.test("a token that does not fit is not appended", () => {
  const cache = new PrefixCache(1, 2);
  const request = cache.start([5]);
  cache.append(request, 6);
  assertThrows(
    () => cache.append(request, 7),
    RangeError,
    "Cannot take 1 blocks: 0 are free",
  );
  assertEquals([request.tokens, request.table], [[5, 6], [0]]);
});

Deno.test("what the caller does to its tokens afterwards changes nothing", () => {
  const cache = new PrefixCache(9, 2);
  const tokens = [1, 2, 3];
  const request = cache.start(tokens);
  tokens[0] = 9;
  cache.commit(request);
  cache.append(request, 4);
  assertEquals(tokens, [9, 2, 3]);
  assertEquals(cache.match([1, 2, 3]).length, 1);
});

const event = fc.tuple(
  fc.constantFrom("start", "start", "append", "commit", "commit", "end"),
  fc.nat(99),
  // Few tokens, so that prompts begin alike.
  fc.array(fc.nat(1), { minLength: 1, maxLength: 9 }),
);

Deno.test("whatever requests do, a block that is found holds that very text, and none is lost", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(event, { maxLength: 60, size: "max" }),
      (S, blocks, events) => {
        const cache = new PrefixCache(blocks, S);
        // What the model writes for a token: all tokens up to it.
        const memory = new Array<string>(blocks * S).fill("nothing");
        const slot = ({ table }: Request, t: number) =>
          table[Math.floor(t / S)] * S + t % S;
        const live: Request[] = [];
        const texts: number[][] = [];
        for (const [name, pick, tokens] of events) {
          const at = pick % (live.length || 1);
          const request = live[at];
          try {
            if (name === "start") live.push(cache.start(tokens));
            else if (name === "append" && request) {
              cache.append(request, pick % 2);
            } else if (name === "commit" && request) {
              const { tokens, computed } = request;
              for (let t = computed; t < tokens.length; t++) {
                memory[slot(request, t)] = `${tokens.slice(0, t + 1)}`;
              }
              cache.commit(request);
              texts.push([...tokens, 0]);
            } else if (name === "end" && request) {
              cache.end(request);
              live.splice(at, 1);
            }
          } catch (error) {
            assert(error instanceof RangeError, `${error}`);
          }
          const users = new Array<number>(blocks).fill(0);
          for (const request of live) {
            const { table, tokens, computed } = request;
            assertEquals(table.length, Math.ceil(tokens.length / S));
            table.forEach((block) => users[block]++);
            for (let t = 0; t < computed; t++) {
              assertEquals(
                memory[slot(request, t)],
                `${tokens.slice(0, t + 1)}`,
              );
            }
          }
          assertEquals(count(blocks).map(cache.users), users);
          assertEquals(cache.free(), users.filter((n) => n === 0).length);
          // A block whose parent is gone is known, but on no path from the root.
          const found = new Set(texts.flatMap((text) => cache.match(text)));
          assertEquals(cache.cached(), found.size);
        }
      },
    ),
    { seed: 7, numRuns: 150 },
  );
});

Deno.test("sizes, tokens and requests that are none are errors", () => {
  const cache = new PrefixCache(4, 2);
  const ended = cache.start([1]);
  cache.end(ended);
  for (
    const [act, message] of [
      [() => new PrefixCache(-1, 2), "Cannot use blocks -1: no integer ≥ 0"],
      [() => new PrefixCache(1.5, 2), "Cannot use blocks 1.5"],
      [() => new PrefixCache(4, 0), "a block size of 0: no integer ≥ 1"],
      [() => new PrefixCache(4, NaN), "a block size of NaN"],
      [() => cache.start([]), "Cannot start: no tokens"],
      [() => cache.start([1, -1]), "Cannot use token -1: no integer ≥ 0"],
      [() => cache.start([1, 2.5]), "Cannot use token 2.5"],
      [() => cache.append(ended, 1), "Cannot use the request: it has ended"],
      [() => cache.commit(ended), "it has ended"],
      [() => cache.end(ended), "it has ended"],
      [() => new PrefixCache(0, 1).start([1]), "take 1 blocks: 0 are free"],
    ] as const
  ) assertThrows(act, RangeError, message);
  assertThrows(() => cache.append(cache.start([1]), NaN), RangeError, "NaN");
  assertEquals([cache.free(), cache.users(99)], [3, 0]);
});
