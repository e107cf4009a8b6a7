import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { add, finish, merge, start, type State } from "./online_softmax.ts";

type Result = ReturnType<typeof finish>;
const NONE = -Infinity;

/** The softmax in two passes, in f64, with the weights before the values. */
function twoPass(scores: number[], values: number[][]): Result {
  const peak = scores.reduce((x, y) => Math.max(x, y), NONE);
  if (peak === NONE) return { output: [0, 0], logSum: NONE };
  const exps = scores.map((score) => Math.exp(score - peak));
  const sum = exps.reduce((x, y) => x + y);
  const output = values[0].map((_, d) =>
    exps.reduce((x, e, n) => e === 0 ? x : x + e / sum * values[n][d], 0)
  );
  return { output, logSum: Math.log(sum) + peak };
}

/**
 * How far two results may be apart, in u = 2^−53, to first order. A weight is a product
 * of at most N exponentials from adding and N from merging. The rounding of their
 * exponents adds up to R, the range of the scores, as the peak only rises; each costs 2
 * for exp itself (V8 takes fdlibm's, below 1 ulp) and 1 for its product. Then come the
 * product with the value and up to 2N additions: R + 8N + 3 for a sum. The quotient of
 * two has twice that and 1 more, and the other result at most the same.
 */
function assertClose(
  a: Result,
  b: Result,
  scores: number[],
  values: number[][],
) {
  const real = scores.filter((score) => score !== NONE);
  const N = real.length;
  const R = N ? Math.max(...real) - Math.min(...real) : 0;
  const bound = (R + 8 * N + 3) * 2 ** -53;
  const magnitudes = values.map((row) => row.map(Math.abs));
  const { output } = twoPass(scores, magnitudes);
  a.output.forEach((x, d) => {
    // 2^−1022: what is below has fewer digits.
    const most = (4 * bound + 2 ** -52) * output[d] + 2 ** -1022;
    assert(Math.abs(x - b.output[d]) <= most, `${x} ${b.output[d]} ${most}`);
  });
  if (a.logSum === b.logSum) return;
  // The sum's error is the logarithm's; that and the addition of the peak round, too.
  const size = Math.abs(b.logSum) + Math.log(N + 1);
  const most = 2 * bound + 8 * 2 ** -53 * size;
  assert(Math.abs(a.logSum - b.logSum) <= most, `${a.logSum} ${b.logSum}`);
}

/** Keys may be left out to simplify a failure; two doubles together take too long. */
const number = (most: number) =>
  fc.noShrink(fc.double({ min: -most, max: most, noNaN: true }));
const key = fc.tuple(
  fc.oneof(
    { weight: 4, arbitrary: number(300) },
    { weight: 1, arbitrary: fc.constant(NONE) },
  ),
  fc.tuple(number(1000), number(1000)),
  fc.boolean(), // whether a block ends after it
);
type Key = [score: number, value: [number, number], ends: boolean];
const keys = fc.array(key, { maxLength: 30 });

const scoresOf = (keys: Key[]) => keys.map(([score]) => score);
const valuesOf = (keys: Key[]) => keys.map(([, value]) => value);
const addKeys = (state: State, keys: Key[]) =>
  add(state, scoresOf(keys), valuesOf(keys));
const inOneGo = (keys: Key[]) => addKeys(start(2), keys);

/** The keys, cut into blocks, some of them empty. */
function blocksOf(keys: Key[]): Key[][] {
  const blocks: Key[][] = [[]];
  for (const key of keys) {
    blocks[blocks.length - 1].push(key);
    if (key[2]) blocks.push([]);
  }
  return blocks;
}

// python3 with mpmath 1.3.0:
//   from mpmath import mp, mpf, exp, log
//   mp.dps = 50
//   def softmax(s, v):
//     w = [exp(mpf(x)) for x in s]
//     print([float(sum(a * b[d] for a, b in zip(w, v)) / sum(w))
//       for d in range(len(v[0]))], float(log(sum(w))))
const MPMATH: [scores: number[], values: number[][], ...right: unknown[]][] = [
  [
    [1.5, -2, 3.25, 0.5, 3],
    [[1, 2, -3], [0.5, -4, 6], [7, -1, 2], [-8, 3, 0.25], [5, 9, -10]],
    [5.222692308188883, 3.2286623479244696, -3.09724855034729],
    3.953963525486801,
  ],
  [
    [-10000, 9999, 10000, 9998.5],
    [[1, 2], [3, -5], [-7, 11], [13, 17]],
    [-1.8828733604567396, 8.141883937042145],
    10000.464368784107,
  ],
  [
    [-10000, -10001.5, -9999.25],
    [[2, 3], [-5, 7], [11, -13]],
    [7.236648903737046, -6.873710867517443],
    -9998.793990218694,
  ],
];
for (const [scores, values, output, logSum] of MPMATH) {
  Deno.test(`scores of ${scores} have mpmath's mean and logarithm`, () => {
    const right = { output, logSum } as Result;
    for (let cut = 0; cut <= scores.length; cut++) {
      const first = [scores.slice(0, cut), values.slice(0, cut)] as const;
      const rest = [scores.slice(cut), values.slice(cut)] as const;
      const D = values[0].length;
      const once = add(add(start(D), ...first), ...rest);
      assertClose(finish(once), right, scores, values);
      const merged = merge(add(start(D), ...first), add(start(D), ...rest));
      assertClose(finish(merged), right, scores, values);
    }
  });
}

Deno.test("add() in one block is the softmax in two passes, not a sum of stale weights", () => {
  fc.assert(fc.property(keys, (keys) => {
    const [scores, values] = [scoresOf(keys), valuesOf(keys)];
    const got = finish(inOneGo(keys));
    assertClose(got, twoPass(scores, values), scores, values);
  }));
});

Deno.test("add() does not depend on where the data is cut into blocks", () => {
  fc.assert(fc.property(keys, (keys) => {
    // One key after the other takes the very same steps, so nothing may differ.
    assertEquals(blocksOf(keys).reduce(addKeys, start(2)), inOneGo(keys));
  }));
});

Deno.test("add() does not depend on the order of the scores, beyond rounding", () => {
  const shuffled = keys.chain((keys) =>
    fc.tuple(
      fc.constant(keys),
      fc.shuffledSubarray(keys, { minLength: keys.length }),
    )
  );
  fc.assert(fc.property(shuffled, ([keys, others]) => {
    const [a, b] = [finish(inOneGo(keys)), finish(inOneGo(others))];
    assertClose(a, b, scoresOf(keys), valuesOf(keys));
  }));
});

Deno.test("merge() of the blocks' states is adding them in one go, beyond rounding", () => {
  fc.assert(fc.property(keys, (keys) => {
    const merged = blocksOf(keys).map(inOneGo).reduce(merge);
    const [a, b] = [finish(merged), finish(inOneGo(keys))];
    assertClose(a, b, scoresOf(keys), valuesOf(keys));
  }));
});

Deno.test("merge() may be put in brackets in any way, beyond rounding", () => {
  fc.assert(fc.property(keys, keys, keys, (a, b, c) => {
    const [x, y, z] = [a, b, c].map(inOneGo);
    const all = [...a, ...b, ...c];
    assertClose(
      finish(merge(merge(x, y), z)),
      finish(merge(x, merge(y, z))),
      scoresOf(all),
      valuesOf(all),
    );
  }));
});

Deno.test("merge() favours no side, and a state that has seen nothing changes nothing", () => {
  fc.assert(fc.property(keys, keys, (a, b) => {
    const [x, y] = [inOneGo(a), inOneGo(b)];
    assertEquals(merge(x, y), merge(y, x));
    // + 0 turns −0 into 0, as the sum with the empty state's zeros does.
    const same = { ...x, total: x.total.map((t) => t + 0) };
    assertEquals(merge(x, start(2)), same);
    assertEquals(merge(start(2), x), same);
  }));
});

Deno.test("add() leaves the old state as it is, so that it can be added to twice", () => {
  const state = add(start(2), [1], [[2, 3]]);
  const copy = structuredClone(state);
  add(state, [5], [[7, 11]]);
  assertEquals(state, copy);
});

Deno.test("add() reads each score and each number of a value once, masked values never", () => {
  const reads = new Map<string, number>();
  const watch = <T extends object>(x: T, name: string) =>
    new Proxy(x, {
      get(x, key) {
        if (/^\d+$/.test(String(key))) {
          const place = `${name}${String(key)}`;
          reads.set(place, (reads.get(place) ?? 0) + 1);
        }
        return Reflect.get(x, key);
      },
    });
  const scores = watch([1, 5, NONE, 3, 5], "score ");
  const rows = [[1, 2], [3, 4], [NaN, NaN], [5, 6], [7, 8]];
  const state = add(start(2), scores, rows.map((x, n) => watch(x, `${n}, `)));
  assertEquals(
    [...reads.keys()].sort(),
    [
      ..."0, 0;0, 1;1, 0;1, 1;3, 0;3, 1;4, 0;4, 1".split(";"),
      ..."score 0;score 1;score 2;score 3;score 4".split(";"),
    ],
  );
  assertEquals(new Set(reads.values()), new Set([1]));
  assert(finish(state).output.every(Number.isFinite));
});

Deno.test("start() has no mean, and does not divide 0 by 0", () => {
  assertEquals(start(2), { peak: NONE, sum: 0, total: [0, 0] });
  assertEquals(finish(start(2)), { output: [0, 0], logSum: NONE });
  assertEquals(finish(start()), { output: [], logSum: NONE });
  assertEquals(finish(add(start(2), [])), { output: [0, 0], logSum: NONE });
  assertEquals(merge(start(2), start(2)), start(2));
});

Deno.test("masked scores are no −∞ − (−∞): all masked is zeros, and real ones may follow", () => {
  const masked = add(start(1), [NONE, NONE], [[10], [Infinity]]);
  assertEquals(masked, start(1));
  assertEquals(finish(masked), { output: [0], logSum: NONE });
  const real = [[2, 2], [[5], [7]]] as const;
  const right = { peak: 2, sum: 2, total: [12] };
  assertEquals(add(masked, ...real), right);
  assertEquals(merge(masked, add(start(1), ...real)), right);
  assertEquals(merge(add(start(1), ...real), masked), right);
  assertEquals(add(add(start(1), ...real), [NONE], [[10]]), right);
  assertEquals(finish(add(masked, ...real)).output, [6]);
});

Deno.test("equal scores share evenly, and one alone takes all, however large or small", () => {
  for (const score of [-1e4, -1, -0, 0, 1e4, 1e308, -1e308, 5e-324]) {
    const one = finish(add(start(1), [score], [[7]]));
    assertEquals(one, { output: [7], logSum: score + 0 });
    const four = add(start(1), [score, score, score, score], [[1], [2], [3], [
      6,
    ]]);
    assertEquals(finish(four).output, [3]);
    assertEquals(four.sum, 4);
  }
});

Deno.test("a peak far above forgets what came before, and one far below changes nothing", () => {
  for (const scores of [[-1e4, 1e4], [0, 746], [-1e308, 1e308]]) {
    const up = finish(add(start(1), scores, [[3], [5]]));
    assertEquals(up, { output: [5], logSum: scores[1] });
    const down = finish(add(start(1), scores.toReversed(), [[5], [3]]));
    assertEquals(down, up);
  }
});

Deno.test("+Infinity makes weights of ∞ / ∞, and NaN makes all NaN, wherever they stand", () => {
  const table: [scores: number[], output: number, logSum: number][] = [
    [[Infinity], NaN, Infinity],
    [[1, Infinity], NaN, Infinity],
    [[Infinity, 1, Infinity], NaN, Infinity],
    [[NONE, Infinity], NaN, Infinity],
    [[NaN], NaN, NaN],
    [[NaN, 1], NaN, NaN],
    [[1, NaN, 2], NaN, NaN],
    [[NONE, NaN, NONE], NaN, NaN],
    [[NaN, Infinity], NaN, NaN],
    [[Infinity, NaN], NaN, NaN],
  ];
  for (const [scores, output, logSum] of table) {
    const right = { output: [output], logSum };
    const values = scores.map((_, n) => [n + 1]);
    for (let cut = 0; cut <= scores.length; cut++) {
      const a = add(start(1), scores.slice(0, cut), values.slice(0, cut));
      const b = add(start(1), scores.slice(cut), values.slice(cut));
      const once = add(a, scores.slice(cut), values.slice(cut));
      assertEquals([cut, finish(once)], [cut, right]);
      assertEquals([cut, finish(merge(a, b))], [cut, right]);
    }
  }
});

Deno.test("a value of Infinity or NaN is not hidden, unless it is masked", () => {
  const mean = (score: number, value: number) =>
    finish(add(start(1), [0, score], [[1], [value]])).output[0];
  assertEquals(mean(1, Infinity), Infinity);
  assertEquals(mean(1, NaN), NaN);
  assertEquals(mean(-1e4, Infinity), NaN); // 0 · ∞
  assertEquals(mean(NONE, Infinity), 1);
});

Deno.test("sizes that do not fit are not taken", () => {
  for (const D of [-1, 1.5, NaN, Infinity]) {
    const message = `Cannot start with values of D=${D}: it must be a whole`;
    assertThrows(() => start(D), RangeError, message);
  }
  assertThrows(
    () => add(start(2), [1, 2, 3], [[1, 2]]),
    RangeError,
    "Cannot add a block: 3 scores and 1 values",
  );
  assertThrows(
    () => add(start(2), [1, NONE], [[1, 2], [1, 2, 3]]),
    RangeError,
    "Cannot add value 1 of 3 numbers to a state of D=2",
  );
  assertThrows(
    () => add(start(2), [1]),
    RangeError,
    "Cannot add value 0 of 0 numbers to a state of D=2",
  );
  assertThrows(
    () => merge(start(2), start(3)),
    RangeError,
    "Cannot merge states of D=2 and D=3",
  );
});
