import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type HeadOptions,
  type HeadWeights,
  mergeHeads,
  multiHeadAttention,
  splitHeads,
} from "./multi_head_attention.ts";

type Matrix = number[][];

// Sums of 8 to 64 products below 10: some 1e−14.
const close = (actual: Matrix, expected: Matrix) => {
  assertEquals(actual.map((row) => row.length), expected.map((r) => r.length));
  expected.forEach((row, i) =>
    row.forEach((e, j) =>
      assertAlmostEquals(actual[i][j], e, 1e-11 * Math.max(1, Math.abs(e)))
    )
  );
};

/** (rows, columns) of quarters between −1 and 1.5, in no order. */
const make = (rows: number, columns: number, step: number): Matrix =>
  Array.from(
    { length: rows },
    (_, i) =>
      Array.from(
        { length: columns },
        (_, j) => (i * columns + j) * step % 11 / 4 - 1,
      ),
  );
const weightsOf = (C: number, H: number, KV: number) => ({
  query: make(C, C, 7),
  key: make(C, KV * C / H, 5),
  value: make(C, KV * C / H, 3),
  output: make(C, C, 2),
});
const identity = (n: number): Matrix =>
  Array.from(
    { length: n },
    (_, i) => Array.from({ length: n }, (_, j) => i === j ? 1 : 0),
  );

// Goldens, head by head, keys and values repeated for the heads that share them:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// def mha(T, S, C, H, KV, causal):
//     D = C // H; x = make(T, C, 4); m = make(S, C, 6) if S else x; S = len(m)
//     q, k, v = x @ make(C, C, 7), m @ make(C, KV * D, 5), m @ make(C, KV * D, 3)
//     parts = lambda a, n: np.stack(np.split(a, n, axis=1))
//     q, k, v = parts(q, H), parts(k, KV).repeat(H // KV, 0), parts(v, KV).repeat(H // KV, 0)
//     s = q @ k.transpose(0, 2, 1) / np.sqrt(D)
//     if causal: s = np.where(np.tril(np.ones((T, S)), S - T) > 0, s, -np.inf)
//     e = np.exp(s - s.max(-1, keepdims=True)); o = e / e.sum(-1, keepdims=True) @ v
//     print((np.concatenate(list(o), axis=1) @ make(C, C, 2)).tolist())
// mha(5, 0, 4, 2, 2, False); mha(2, 0, 4, 2, 2, True); mha(3, 0, 6, 3, 1, True)
// mha(3, 0, 8, 4, 2, True); mha(2, 5, 6, 2, 2, False); mha(2, 5, 6, 2, 2, True)"
type Golden = [
  name: string,
  sizes: [T: number, S: number, C: number],
  options: HeadOptions,
  expected: Matrix,
];
const GOLDEN: Golden[] = [
  ["2 heads", [5, 0, 4], { heads: 2 }, [[
    1.8342469749786925,
    0.49565986896795605,
    -1.2802273195473608,
    -1.5622681162245116,
  ], [
    0.20133198037252262,
    1.485193518401174,
    2.570520792125827,
    -1.9473216848361916,
  ], [
    2.288989906731131,
    1.723668260730959,
    -0.37027457811894454,
    -1.4527837560493824,
  ], [
    -0.06551619850971445,
    1.3090570358505573,
    2.4446623606233455,
    -1.4316781681864175,
  ], [
    2.4960865609221146,
    3.0586811539447867,
    2.380665716849545,
    -3.244884256290077,
  ]]],
  [
    "as many positions as heads, causal",
    [2, 0, 4],
    { heads: 2, causal: true },
    [[0.171875, -0.484375, -1.484375, -0.9375], [
      -1.3076384065531135,
      0.7835158652902056,
      2.542244526961463,
      1.3763304565396688,
    ]],
  ],
  ["multi-query", [3, 0, 6], { heads: 3, kvHeads: 1, causal: true }, [[
    0.328125,
    -1.546875,
    -3.421875,
    0.375,
    1.9375,
    3.5,
  ], [
    1.5623129255732309,
    0.7703457199146546,
    -0.02162148574392153,
    -3.820057597764371,
    -3.5934280688143456,
    -1.1152892599741584,
  ], [
    -0.14881620320006123,
    0.13275897174388274,
    0.41433414668782664,
    2.5815628368738457,
    -0.8357972068458606,
    -3.928881714813772,
  ]]],
  ["grouped-query", [3, 0, 8], { heads: 4, kvHeads: 2, causal: true }, [[
    -0.1875,
    -0.390625,
    2.5,
    -2.515625,
    -2.03125,
    3.09375,
    -3.46875,
    2.6875,
  ], [
    -1.9234140641750153,
    1.1006263438126622,
    0.7919068760303742,
    -0.4717713010662059,
    0.39948895554119535,
    -4.582161814782415,
    -0.8368260317569948,
    1.6745509036363448,
  ], [
    1.157958334454026,
    6.10014326161395,
    -0.8357129313378118,
    -1.2439388046594213,
    -5.105250837833278,
    -3.4502751641245384,
    5.416792511533927,
    -0.4597080812699326,
  ]]],
  ["cross-attention", [2, 5, 6], { heads: 2 }, [[
    0.016777035131910534,
    -0.7365483339915534,
    -1.4898737031150173,
    0.8862370108091348,
    2.4757564786211095,
    -2.0525823583805383,
  ], [
    -0.28412971352190997,
    -0.954421704889749,
    -1.624713696257588,
    -1.9075102193296087,
    2.173876728234299,
    -0.9560110504225163,
  ]]],
  ["the last 2 of 5, causal", [2, 5, 6], { heads: 2, causal: true }, [[
    0.08294186226442574,
    -0.7329249208303781,
    -1.548791703925182,
    0.8153194677557056,
    2.4959223556091175,
    -2.1219382177610377,
  ], [
    -0.28412971352190997,
    -0.954421704889749,
    -1.624713696257588,
    -1.9075102193296087,
    2.173876728234299,
    -0.9560110504225163,
  ]]],
];
for (const [name, [T, S, C], options, expected] of GOLDEN) {
  Deno.test(`multiHeadAttention() golden: ${name}`, () => {
    const { heads, kvHeads = heads } = options;
    const memory = S > 0 ? make(S, C, 6) : undefined;
    const weights = weightsOf(C, heads, kvHeads);
    close(
      multiHeadAttention(make(T, C, 4), weights, { ...options, memory }),
      expected,
    );
  });
}

const cases = fc.record({
  T: fc.integer({ min: 1, max: 5 }),
  KV: fc.integer({ min: 1, max: 3 }),
  G: fc.integer({ min: 1, max: 3 }),
  D: fc.integer({ min: 1, max: 4 }),
  causal: fc.boolean(),
});
const run = { seed: 3, numRuns: 60 };

Deno.test("mergeHeads() puts back what splitHeads() cut", () => {
  fc.assert(
    fc.property(cases, ({ T, G, D }) => {
      const x = make(T, G * D, 3);
      const heads = splitHeads(x, G);
      const sizes = [heads.length, heads[0].length, heads[0][0].length];
      assertEquals(sizes, [G, T, D]);
      assertEquals(mergeHeads(heads), x);
    }),
    run,
  );
});

Deno.test("splitHeads() cuts columns, also where there are as many rows as heads", () => {
  assertEquals(
    splitHeads([[1, 2, 3, 4], [5, 6, 7, 8]], 2),
    [[[1, 2], [5, 6]], [[3, 4], [7, 8]]],
  );
});

Deno.test("shared key heads equal key heads copied to every query head", () => {
  fc.assert(
    fc.property(cases, ({ T, KV, G, D, causal }) => {
      const [H, C] = [KV * G, KV * G * D];
      const shared = weightsOf(C, H, KV);
      const copy = (w: Matrix) =>
        w.map((row) =>
          splitHeads([row], KV).flatMap(([part]) =>
            new Array(G).fill(part).flat()
          )
        );
      const x = make(T, C, 4);
      close(
        multiHeadAttention(x, shared, { heads: H, kvHeads: KV, causal }),
        multiHeadAttention(x, {
          ...shared,
          key: copy(shared.key),
          value: copy(shared.value),
        }, { heads: H, causal }),
      );
    }),
    run,
  );
});

Deno.test("shared keys are projected once, not once for every query head", () => {
  const [T, C, H, KV] = [3, 8, 4, 2];
  const weights = weightsOf(C, H, KV);
  let reads = 0;
  const key = weights.key.map((row) =>
    new Proxy(row, {
      get(target, property, receiver) {
        if (/^\d+$/.test(String(property))) reads++;
        return Reflect.get(target, property, receiver);
      },
    })
  );
  const options = { heads: H, kvHeads: KV };
  multiHeadAttention(make(T, C, 4), { ...weights, key }, options);
  assertEquals(reads, T * C * KV * C / H);
});

Deno.test("the channels of a head see no other head before the output matrix", () => {
  const [T, C, H] = [3, 6, 3];
  const weights = { ...weightsOf(C, H, H), output: identity(C) };
  const x = make(T, C, 4);
  const before = multiHeadAttention(x, weights, { heads: H });
  // Head 1 owns columns 2 and 3.
  const spoil = (w: Matrix) =>
    w.map((row) => row.map((v, j) => j === 2 || j === 3 ? v + 1 : v));
  const after = multiHeadAttention(x, {
    query: spoil(weights.query),
    key: spoil(weights.key),
    value: spoil(weights.value),
    output: weights.output,
  }, { heads: H });
  for (let t = 0; t < T; t++) {
    for (let j = 0; j < C; j++) {
      assertEquals(after[t][j] === before[t][j], j !== 2 && j !== 3);
    }
  }
});

Deno.test("an output matrix of zeros gives zeros: it is not forgotten", () => {
  const zeros = (rows: number) => make(rows, 4, 0).map((r) => r.map(() => 0));
  const weights = { ...weightsOf(4, 2, 2), output: zeros(4) };
  const out = multiHeadAttention(make(3, 4, 4), weights, { heads: 2 });
  assertEquals(out, zeros(3));
});

Deno.test("a causal position does not change when later ones are cut off", () => {
  fc.assert(
    fc.property(cases, ({ T, KV, G, D }) => {
      const [H, C] = [KV * G, KV * G * D];
      const options = { heads: H, kvHeads: KV, causal: true };
      const x = make(T, C, 4);
      const weights = weightsOf(C, H, KV);
      close(
        multiHeadAttention(x.slice(0, 1), weights, options),
        multiHeadAttention(x, weights, options).slice(0, 1),
      );
    }),
    run,
  );
});

Deno.test("the last position against the whole memory is the last row of all", () => {
  const [C, H] = [6, 3];
  const x = make(5, C, 4);
  const options = { heads: H, causal: true };
  close(
    multiHeadAttention(x.slice(-1), weightsOf(C, H, H), {
      ...options,
      memory: x,
    }),
    multiHeadAttention(x, weightsOf(C, H, H), options).slice(-1),
  );
});

Deno.test("causal positions before the memory see nothing and get zeros", () => {
  const options = { heads: 2, causal: true, memory: make(2, 4, 6) };
  const out = multiHeadAttention(make(3, 4, 4), weightsOf(4, 2, 2), options);
  assertEquals(out[0], [0, 0, 0, 0]);
});

Deno.test("scores of a million do not overflow", () => {
  const x = make(3, 4, 4).map((row) => row.map((v) => v * 1e3));
  const out = multiHeadAttention(x, weightsOf(4, 2, 2), { heads: 2 });
  assertEquals(out.flat().every(Number.isFinite), true);
});

Deno.test("one head, and as many heads as channels, are both possible", () => {
  const x = make(3, 4, 4);
  for (const heads of [1, 4]) {
    const out = multiHeadAttention(x, weightsOf(4, heads, heads), { heads });
    assertEquals([out.length, out[0].length], [3, 4]);
  }
});

Deno.test("no position: no output", () => {
  assertEquals(multiHeadAttention([], weightsOf(4, 2, 2), { heads: 2 }), []);
});

Deno.test("the inputs are left unchanged", () => {
  const [x, weights] = [make(3, 4, 4), weightsOf(4, 2, 2)];
  multiHeadAttention(x, weights, { heads: 2, causal: true });
  assertEquals([x, weights], [make(3, 4, 4), weightsOf(4, 2, 2)]);
});

const attend =
  (options: HeadOptions, change: Partial<HeadWeights> = {}) => () =>
    multiHeadAttention(
      make(3, 4, 4),
      { ...weightsOf(4, 2, 2), ...change },
      options,
    );
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["0 heads", attend({ heads: 0 }), "4 channels into heads: 0 does not"],
  ["3 heads", attend({ heads: 3 }), "4 channels into heads: 3 does not"],
  ["half a head", attend({ heads: 0.5 }), "0.5 does not divide it"],
  [
    "3 key heads for 2",
    attend({ heads: 2, kvHeads: 3 }),
    "Cannot divide 2 query heads among key heads: 3 does not divide it",
  ],
  [
    "key weights for 2 heads and 1 key head",
    attend({ heads: 2, kvHeads: 1 }),
    "Cannot use key weights (4, 4): 2 heads need (4, 2)",
  ],
  [
    "narrow output weights",
    attend({ heads: 2 }, { output: make(4, 3, 2) }),
    "Cannot use output weights (4, 3): 2 heads need (4, 4)",
  ],
  [
    "weights without a row",
    attend({ heads: 2 }, { query: [] }),
    "Cannot divide 0 channels",
  ],
  [
    "a memory of other width",
    attend({ heads: 2, memory: make(2, 5, 6) }),
    "Cannot multiply a row of 5 by (4, 4): inner sizes 5 and 4 differ",
  ],
  ["no memory", attend({ heads: 2, memory: [] }), "attend to no memory"],
  ["5 columns", () => splitHeads(make(2, 5, 3), 2), "5 columns into heads"],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
