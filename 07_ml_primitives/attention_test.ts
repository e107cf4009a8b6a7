import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  attention,
  type AttentionOptions,
  attentionWeights,
  batchedAttention,
  scoreVariance,
} from "./attention.ts";

type Matrix = number[][];

// Sums of a few products near 1: some 1e−15, whatever the order of the terms.
const close = (actual: Matrix, expected: Matrix, tolerance = 1e-12) => {
  assertEquals(actual.map((row) => row.length), expected.map((r) => r.length));
  expected.forEach((row, i) =>
    row.forEach((e, j) => {
      if (Number.isNaN(e)) return assertEquals(actual[i][j], NaN);
      assertAlmostEquals(actual[i][j], e, tolerance * Math.max(1, Math.abs(e)));
    })
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

// Goldens:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// def attend(SQ, SK, D, E, see):
//     q, k, v = make(SQ, D, 7), make(SK, D, 5), make(SK, E, 3)
//     s = np.where(see, q @ k.T / np.sqrt(D), -np.inf)
//     e = np.exp(s - s.max(axis=1, keepdims=True))
//     print((e / e.sum(axis=1, keepdims=True) @ v).tolist())
// attend(2, 3, 5, 4, True)
// attend(3, 3, 2, 5, np.tril(np.ones((3, 3), bool)))
// attend(2, 5, 3, 4, np.tril(np.ones((2, 5), bool), 3))
// attend(1, 5, 3, 4, np.tril(np.ones((1, 5), bool), 4))
// attend(2, 3, 5, 4, np.array([[True, False, True], [False, True, True]]))"
type Sizes = [SQ: number, SK: number, D: number, E: number];
const GOLDEN: [
  name: string,
  sizes: Sizes,
  options: AttentionOptions,
  expected: Matrix,
][] = [
  ["no mask", [2, 3, 5, 4], {}, [[
    -0.7666104048828656,
    -0.016610404882865595,
    0.7333895951171344,
    0.7542210950689805,
  ], [
    -0.9057264238094868,
    -0.1557264238094869,
    0.5942735761905129,
    1.139283806169073,
  ]]],
  ["causal, as many queries as keys", [3, 3, 2, 5], { causal: true }, [[
    -1.0,
    -0.25,
    0.5,
    1.25,
    -0.75,
  ], [
    -0.6697615493266569,
    0.08023845067334312,
    0.8302384506733431,
    0.6720827113216495,
    -0.4197615493266569,
  ], [
    0.2614461491583334,
    -0.1448794875701389,
    0.6051205124298611,
    0.19879487570138882,
    0.5114461491583334,
  ]]],
  ["causal, the last 2 of 5", [2, 5, 3, 4], { causal: true }, [[
    -0.6153192453075607,
    0.13468075469243945,
    0.8846807546924396,
    0.43443377835436947,
  ], [
    -0.39914212435672974,
    0.35085787564327026,
    1.1008578756432703,
    -0.08680091523800401,
  ]]],
  ["causal, the last of 5", [1, 5, 3, 4], { causal: true }, [[
    -0.4821003662668732,
    0.26789963373312686,
    1.017899633733127,
    0.23212542957535276,
  ]]],
  [
    "a mask",
    [2, 3, 5, 4],
    { mask: [[true, false, true], [false, true, true]] },
    [[
      -0.7778349672229287,
      -0.027834967222928664,
      0.7221650327770713,
      0.25025735250317904,
    ], [
      -0.688405964869339,
      0.06159403513066102,
      0.8115940351306611,
      0.8840596486933898,
    ]],
  ],
];
const inputs = ([SQ, SK, D, E]: Sizes): [Matrix, Matrix, Matrix] => [
  make(SQ, D, 7),
  make(SK, D, 5),
  make(SK, E, 3),
];
for (const [name, sizes, options, expected] of GOLDEN) {
  Deno.test(`attention() golden: ${name}`, () =>
    close(attention(...inputs(sizes), options), expected));
}

const sizes = fc.tuple(
  ...[1, 2, 3, 4].map(() => fc.integer({ min: 1, max: 6 })),
) as fc.Arbitrary<Sizes>;
const cell = fc.double({ min: -3, max: 3, noNaN: true });
const matrix = (rows: number, columns: number) =>
  fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  });
const problem = sizes.chain(([SQ, SK, D, E]) =>
  fc.tuple(matrix(SQ, D), matrix(SK, D), matrix(SK, E))
);
const run = { seed: 2 };

Deno.test("the weights of every query sum to 1: the softmax is over the keys", () => {
  fc.assert(
    fc.property(problem, ([query, key]) => {
      for (const row of attentionWeights(query, key)) {
        assertAlmostEquals(row.reduce((a, b) => a + b), 1, 1e-14);
      }
    }),
    run,
  );
});

Deno.test("values that are all the same come out the same: the softmax is not forgotten", () => {
  fc.assert(
    fc.property(problem, fc.boolean(), ([query, key], causal) => {
      if (causal) query.length = Math.min(query.length, key.length);
      const ones = key.map(() => [1, -2]);
      close(attention(query, key, ones, { causal }), query.map(() => [1, -2]));
    }),
    run,
  );
});

Deno.test("the order of keys and values does not matter without a mask", () => {
  fc.assert(
    fc.property(problem, ([query, key, value]) => {
      close(
        attention(query, key.toReversed(), value.toReversed()),
        attention(query, key, value),
      );
    }),
    run,
  );
});

Deno.test("a causal query does not see what comes after it", () => {
  fc.assert(
    fc.property(problem, ([query, key, value]) => {
      const T = Math.min(query.length, key.length);
      const [q, k, v] = [query, key, value].map((x) => x.slice(0, T));
      const whole = attention(q, k, v, { causal: true });
      for (let t = 1; t <= T; t++) {
        const [a, b, c] = [q, k, v].map((x) => x.slice(0, t));
        close(attention(a, b, c, { causal: true }), whole.slice(0, t));
      }
    }),
    run,
  );
});

Deno.test("the first causal query sees itself, so its output is value[0]", () => {
  const [query, key, value] = inputs([5, 5, 2, 3]);
  close(attention(query, key, value, { causal: true }).slice(0, 1), [value[0]]);
});

Deno.test("a decode step sees the whole cache, as the last row of a prefill does", () => {
  const [query, key, value] = inputs([5, 5, 3, 2]);
  const full = attention(query, key, value, { causal: true });
  for (const SQ of [1, 2, 4]) {
    close(
      attention(query.slice(-SQ), key, value, { causal: true }),
      full.slice(-SQ),
    );
  }
});

Deno.test("more causal queries than keys: the early ones see nothing and get zeros", () => {
  const [query, key, value] = inputs([5, 3, 2, 4]);
  const out = attention(query, key, value, { causal: true });
  assertEquals(out.slice(0, 2), [[0, 0, 0, 0], [0, 0, 0, 0]]);
  close([out[2]], [value[0]]);
});

Deno.test("query and key are not swapped, even where both shapes would fit", () => {
  const weights = attentionWeights([[1], [0]], [[0], [Math.log(3)]]);
  close(weights, [[1 / 4, 3 / 4], [1 / 2, 1 / 2]]);
});

Deno.test("a padded key has the same effect as no key", () => {
  const [query, key, value] = inputs([2, 5, 3, 4]);
  const present = [true, true, true, false, false];
  close(
    attention(query, key, value, { present }),
    attention(query, key.slice(0, 3), value.slice(0, 3)),
  );
});

Deno.test("padding, causality and a mask must all allow a key", () => {
  const [query, key] = inputs([3, 3, 2, 1]);
  const seen = attentionWeights(query, key, {
    causal: true,
    present: [false, true, true],
    mask: [[true, true, true], [true, true, true], [true, false, true]],
  }).map((row) => row.map((weight) => weight > 0));
  assertEquals(seen, [
    [false, false, false],
    [false, true, false],
    [false, false, true],
  ]);
});

Deno.test("a query that sees no key gets zeros, not a mean of what is forbidden", () => {
  const [query, key, value] = inputs([2, 3, 5, 4]);
  const present = [false, false, false];
  assertEquals(attention(query, key, value, { present })[1], [0, 0, 0, 0]);
});

Deno.test("NaN in a masked key or value does not leak", () => {
  const present = [true, false];
  const spoiled = attention([[1]], [[2], [NaN]], [[5], [NaN]], { present });
  assertEquals(spoiled, [[5]]);
  assertEquals(
    attention([[1]], [[2], [2]], [[5], [Infinity]], { present }),
    [[5]],
  );
});

Deno.test("NaN and Infinity that a query sees pass through", () => {
  assertEquals(attention([[1], [0]], [[2], [2]], [[5], [NaN]])[0], [NaN]);
  assertEquals(attention([[1]], [[2], [2]], [[5], [Infinity]]), [[Infinity]]);
  assertEquals(attention([[1]], [[NaN], [2]], [[5], [6]]), [[NaN]]);
});

Deno.test("a masked key stays masked beside a score of −2e10", () => {
  const mask = [[true, false]];
  assertEquals(attentionWeights([[1]], [[-2e10], [0]], { mask }), [[1, 0]]);
});

Deno.test("scores of a million do not overflow", () => {
  assertEquals(
    attentionWeights([[1e3]], [[1e3], [-1e3], [1e3]]),
    [[0.5, 0, 0.5]],
  );
  const sharp = attention([[1]], [[2], [1]], [[7], [8]], { scale: 1e300 });
  assertEquals(sharp, [[7]]);
});

Deno.test("the dot products are divided by √D, not by D", () => {
  const four = [1, 1, 1, 1];
  close(
    attentionWeights([four], [four, [0, 0, 0, 0]]),
    // A score of 4 / √4 = 2 against 0: python3 -c "
    // from decimal import *; getcontext().prec = 40
    // e = Decimal(-2).exp(); print(float(1 / (1 + e)), float(e / (1 + e)))"
    [[0.8807970779778824, 0.11920292202211756]],
  );
});

Deno.test("a dot product of D terms of variance 1 has variance D", () => {
  let state = 7;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  for (const D of [4, 64]) {
    // The squares have a relative deviation of about √2: 5 / √4000 · √2 is 0.11.
    const relative = scoreVariance(D, 4000, random) / D;
    assertAlmostEquals(relative, 1, 0.11);
  }
});

Deno.test("it reads SQ·SK·D numbers of the keys and SQ·SK·E of the values, no masked one", () => {
  const counted = (x: Matrix) => {
    const counter = { reads: 0, rows: [] as Matrix };
    counter.rows = x.map((row) =>
      new Proxy(row, {
        get(target, property, receiver) {
          if (/^\d+$/.test(String(property))) counter.reads++;
          return Reflect.get(target, property, receiver);
        },
      })
    );
    return counter;
  };
  const [query, key, value] = inputs([4, 4, 3, 5]);
  for (const [causal, pairs] of [[false, 16], [true, 10]] as const) {
    const [k, v] = [counted(key), counted(value)];
    attention(query, k.rows, v.rows, { causal });
    assertEquals([k.reads, v.reads], [pairs * 3, pairs * 5]);
  }
});

Deno.test("batchedAttention() keeps every element and its padding apart", () => {
  const [a, b] = [inputs([2, 3, 5, 4]), inputs([4, 3, 5, 2])];
  const present = [[true, true, false], [false, true, true]];
  const options = { causal: true };
  assertEquals(
    batchedAttention(
      [a[0], b[0]],
      [a[1], b[1]],
      [a[2], b[2]],
      options,
      present,
    ),
    [
      attention(...a, { causal: true, present: present[0] }),
      attention(...b, { causal: true, present: present[1] }),
    ],
  );
  assertEquals(batchedAttention([], [], []), []);
});

Deno.test("no query: no output", () => {
  assertEquals(attention([], [[1, 2]], [[3]], { causal: true, mask: [] }), []);
});

Deno.test("the inputs are left unchanged", () => {
  const given = inputs([2, 3, 5, 4]);
  attention(...given, { causal: true });
  assertEquals(given, inputs([2, 3, 5, 4]));
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no key", () => attention([[1]], [], []), "value has no row"],
  ["no key", () => attentionWeights([[1]], []), "key has no row"],
  ["keys 0 wide", () => attention([[]], [[]], [[1]]), "keys are 0 wide"],
  [
    "query and key of other widths",
    () => attention([[1, 2]], [[1, 2, 3]], [[1]]),
    "Cannot compare query (1, 2) with key (1, 3): 2 and 3 wide",
  ],
  [
    "a value too few",
    () => attention([[1]], [[1], [2]], [[1, 2, 3]]),
    "Cannot attend to key (2, 1) with value (1, 3): 2 keys and 1 values",
  ],
  [
    "a ragged key",
    () => attention([[1]], [[1], [2, 3]], [[1], [2]]),
    "row 0 has 1 numbers, row 1 has 2",
  ],
  [
    "a mask the wrong way round",
    () => attentionWeights([[1]], [[1], [2]], { mask: [[true], [true]] }),
    "Cannot mask (1, 2) by (2, 1)",
  ],
  [
    "padding flags for other keys",
    () => attentionWeights([[1]], [[1], [2]], { present: [true] }),
    "Cannot mask 2 keys by 1 flags",
  ],
  [
    "batches that differ",
    () => batchedAttention([[[1]]], [], []),
    "Cannot pair batches of 1, 0, 0, 1",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
