import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { batchedHeads, einsum, reshape, type Tensor } from "./batched_heads.ts";
import { multiHeadAttention } from "./multi_head_attention.ts";

/** `shape` of quarters between −1 and 1.5, in no order. */
const make = (shape: number[], step: number): Tensor => ({
  shape,
  data: Float64Array.from(
    { length: shape.reduce((n, size) => n * size, 1) },
    (_, i) => i * step % 11 / 4 - 1,
  ),
});
/** (rows, columns) as rows of rows. */
const rows = ({ data, shape }: Tensor): number[][] =>
  Array.from(
    { length: shape[0] },
    (_, i) => [...data.slice(i * shape[1], (i + 1) * shape[1])],
  );
const weightsOf = (C: number, H: number, KV: number) => ({
  query: make([C, C], 7),
  key: make([C, KV * C / H], 5),
  value: make([C, KV * C / H], 3),
  output: make([C, C], 2),
});

// Goldens, exact, since all inputs are quarters:
// python3 -c "
// import numpy as np
// def make(shape, step): return (np.arange(np.prod(shape)) * step % 11 / 4 - 1).reshape(shape)
// for spec, a, b in (('mk,kn->mn', (2, 3), (3, 4)), ('mk,kn->nm', (2, 3), (3, 4)),
//     ('tgd,sd->gts', (2, 3, 2), (2, 2)), ('btc,cn->btn', (2, 1, 3), (3, 2)), ('i,j->', (2,), (3,))):
//     print(np.einsum(spec, make(a, 4), make(b, 5)).ravel().tolist())"
const GOLDEN: [spec: string, a: number[], b: number[], expected: number[]][] = [
  ["mk,kn->mn", [2, 3], [3, 4], [
    1.75,
    -1.0,
    -1.0,
    -1.0,
    2.0,
    -1.1875,
    -0.25,
    -1.375,
  ]],
  ["mk,kn->nm", [2, 3], [3, 4], [
    1.75,
    2.0,
    -1.0,
    -1.1875,
    -1.0,
    -0.25,
    -1.0,
    -1.375,
  ]],
  ["tgd,sd->gts", [2, 3, 2], [2, 2], [
    1.0,
    -1.5,
    0.625,
    -0.75,
    -1.1875,
    1.5,
    -1.5625,
    2.25,
    0.0625,
    0.375,
    -1.0,
    1.125,
  ]],
  ["btc,cn->btn", [2, 1, 3], [3, 2], [2.25, -0.5, 2.6875, -0.5]],
  ["i,j->", [2], [3], [-0.75]],
];
for (const [spec, a, b, expected] of GOLDEN) {
  Deno.test(`einsum() golden: ${spec}`, () =>
    assertEquals([...einsum(spec, make(a, 4), make(b, 5)).data], expected));
}

Deno.test("batchedHeads() equals a loop over batch and heads", () => {
  const cases = fc.record({
    B: fc.integer({ min: 1, max: 3 }),
    T: fc.integer({ min: 1, max: 4 }),
    KV: fc.integer({ min: 1, max: 3 }),
    G: fc.integer({ min: 1, max: 3 }),
    D: fc.integer({ min: 1, max: 3 }),
    causal: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ B, T, KV, G, D, causal }) => {
      const [H, C] = [KV * G, KV * G * D];
      const [x, w] = [make([B, T, C], 4), weightsOf(C, H, KV)];
      const options = { heads: H, kvHeads: KV, causal };
      const out = batchedHeads(x, w, options);
      assertEquals(out.shape, [B, T, C]);
      const loop = Array.from({ length: B }, (_, b) => {
        const data = x.data.slice(b * T * C, (b + 1) * T * C);
        return multiHeadAttention(rows({ data, shape: [T, C] }), {
          query: rows(w.query),
          key: rows(w.key),
          value: rows(w.value),
          output: rows(w.output),
        }, options);
      }).flat(2);
      // Sums of up to 27 products below 10, in another order: some 1e−14.
      loop.forEach((y, i) =>
        assertAlmostEquals(out.data[i], y, 1e-11 * Math.max(1, Math.abs(y)))
      );
    }),
    { seed: 4, numRuns: 40 },
  );
});

Deno.test("scores of a million do not overflow", () => {
  const x = make([1, 3, 4], 4);
  x.data.forEach((v, i) => x.data[i] = 1e3 * v);
  const out = batchedHeads(x, weightsOf(4, 2, 2), { heads: 2 });
  assertEquals(out.data.every(Number.isFinite), true);
});

Deno.test("reshape() moves nothing: it is the same memory", () => {
  const x = make([2, 6], 4);
  assertEquals(reshape(x, [3, 4]).data === x.data, true);
});

Deno.test("no batch and no position: no output", () => {
  const weights = weightsOf(4, 2, 2);
  const options = { heads: 2, causal: true };
  assertEquals(batchedHeads(make([0, 3, 4], 4), weights, options).shape, [
    0,
    3,
    4,
  ]);
  assertEquals(
    batchedHeads(make([2, 0, 4], 4), weights, options).data.length,
    0,
  );
});

Deno.test("the inputs are left unchanged", () => {
  const [x, weights] = [make([2, 3, 4], 4), weightsOf(4, 2, 2)];
  batchedHeads(x, weights, { heads: 2, causal: true });
  assertEquals([x, weights], [make([2, 3, 4], 4), weightsOf(4, 2, 2)]);
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "3 heads for 4 channels",
    () => batchedHeads(make([1, 2, 4], 4), weightsOf(4, 2, 2), { heads: 3 }),
    "Cannot cut 4 channels into 3 heads that share 3",
  ],
  [
    "4 heads that share 3",
    () =>
      batchedHeads(make([1, 2, 4], 4), weightsOf(4, 4, 4), {
        heads: 4,
        kvHeads: 3,
      }),
    "into 4 heads that share 3",
  ],
  [
    "0 heads",
    () => batchedHeads(make([1, 2, 4], 4), weightsOf(4, 2, 2), { heads: 0 }),
    "into 0 heads",
  ],
  [
    "key weights that are too wide",
    () =>
      batchedHeads(make([1, 2, 4], 4), weightsOf(4, 2, 2), {
        heads: 2,
        kvHeads: 1,
      }),
    "Cannot read 8 numbers as (1, 2, 1, 2)",
  ],
  [
    "a letter of two sizes",
    () => einsum("mk,kn->mn", make([2, 3], 1), make([5, 2], 1)),
    "Cannot compute mk,kn->mn: k is 3 and 5",
  ],
  [
    "an axis without a letter",
    () => einsum("m,kn->mn", make([2, 3], 1), make([3, 2], 1)),
    'Cannot read (2, 3) as "m": 2 axes and 1 letters',
  ],
  [
    "a letter from nowhere",
    () => einsum("mk,kn->mz", make([2, 3], 1), make([3, 2], 1)),
    "what is z?",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
