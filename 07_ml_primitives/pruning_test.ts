import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { bytes, compress24, multiply24, prune, prune24 } from "./pruning.ts";

// Goldens:
// python3 -c "
// import numpy as np
// w = ((np.arange(24) * 7 % 23 - 11) / 4).reshape(3, 8)
// def keep(g, n):
//     out = np.zeros_like(g)
//     for r, row in enumerate(g): i = np.argsort(-abs(row), kind='stable')[:n]; out[r, i] = row[i]
//     return out
// for g, n in ((w.reshape(1, -1), 9), (w, 3), (w.reshape(-1, 4), 2)): print((4 * keep(g, n)).astype(int).ravel().tolist())
// print((keep(w.reshape(-1, 4), 2).reshape(3, 8) @ (np.arange(8) - 2.5)).tolist())"
const W = Float32Array.from({ length: 24 }, (_, i) => (i * 7 % 23 - 11) / 4);
const quarters = (w: Float32Array) => w.map((v) => 4 * v).join(" ");

Deno.test("prune() golden: 15 of 24 over all, 5 of 8 in each row", () => {
  assertEquals(
    quarters(prune(W, 8, 15 / 24)),
    "-11 0 0 10 0 0 8 -8 0 0 -10 0 0 11 0 0 9 0 0 0 -9 0 0 -11",
  );
  assertEquals(
    quarters(prune(W, 8, 5 / 8, "row")),
    "-11 0 0 10 0 0 8 0 0 6 -10 0 0 11 0 0 9 0 0 0 -9 0 0 -11",
  );
});

Deno.test("prune24() and multiply24() golden: the larger two of each four", () => {
  assertEquals(
    quarters(prune24(W, 8)),
    "-11 0 0 10 0 0 8 -8 0 6 -10 0 0 11 -5 0 9 -7 0 0 -9 0 0 -11",
  );
  const x = Float32Array.from({ length: 8 }, (_, i) => i - 2.5);
  // All are exact.
  assertEquals(
    [...multiply24(compress24(prune24(W, 8), 8), x)],
    [6.125, 1.5, -18.75],
  );
});

const rows = fc.integer({ min: 1, max: 4 }).chain((R) =>
  fc.array(fc.integer({ min: -4, max: 4 }), {
    minLength: 8 * R,
    maxLength: 8 * R,
  })
).map((w) => Float32Array.from(w));
const zeros = (w: Float32Array) => w.filter((v) => v === 0).length;

Deno.test("exactly so many go, however many are equal, and none larger than one kept", () => {
  fc.assert(
    fc.property(rows, fc.nat({ max: 8 }), (weights, gone) => {
      // No zeros of its own, so that what went can be counted.
      const w = weights.map((v) => v === 0 ? 5 : v);
      for (const by of ["all", "row"] as const) {
        const pruned = prune(w, 8, gone / 8, by);
        assertEquals(zeros(pruned), w.length * gone / 8);
        const sizes = (keep: boolean) =>
          [...w].filter((_, i) => (pruned[i] !== 0) === keep).map(Math.abs);
        if (by === "all" && gone > 0 && gone < 8) {
          assert(Math.max(...sizes(false)) <= Math.min(...sizes(true)));
        }
        pruned.forEach((v, i) => assert(v === 0 || v === w[i]));
        for (let r = 0; by === "row" && r < w.length; r += 8) {
          assertEquals(zeros(pruned.subarray(r, r + 8)), gone);
        }
      }
    }),
    { seed: 7 },
  );
});

Deno.test("a share of 0 changes nothing, a share of 1 leaves nothing", () => {
  assertEquals(prune(W, 8, 0), W);
  assertEquals(prune(W, 8, 1), new Float32Array(24));
  assertEquals(prune(new Float32Array(), 8, 0.5), new Float32Array());
});

Deno.test("of equal ones the first are kept", () => {
  const ones = new Float32Array(8).fill(-1);
  assertEquals(prune(ones, 8, 0.75).join(" "), "-1 -1 0 0 0 0 0 0");
  assertEquals(prune24(ones, 8).join(" "), "-1 -1 0 0 -1 -1 0 0");
});

Deno.test("a compressed product is that of the pruned rows, whatever the zeros are", () => {
  fc.assert(
    fc.property(rows, (w) => {
      const pruned = prune24(w, 8);
      const x = Float32Array.from({ length: 8 }, (_, i) => i * 3 % 7 - 2);
      const compressed = compress24(pruned, 8);
      assertEquals(compressed.values.length, w.length / 2);
      const size = compressed.values.byteLength + compressed.places.byteLength;
      assertEquals(size, bytes(w.length / 8, 8, 0).twoOfFour);
      multiply24(compressed, x).forEach((y, r) => {
        const row = pruned.subarray(8 * r, 8 * r + 8);
        // Small whole numbers: exact.
        assertEquals(y, row.reduce((sum, v, c) => sum + v * x[c], 0));
      });
    }),
    { seed: 7 },
  );
});

Deno.test("over all errs least, by row less than 2 of 4", () => {
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  const w = Float32Array.from({ length: 640 }, () => random() - 0.5);
  const error = (pruned: Float32Array) =>
    w.reduce((sum, v, i) => sum + (v - pruned[i]) ** 2, 0);
  const [all, row, two] = [
    prune(w, 16, 0.5),
    prune(w, 16, 0.5, "row"),
    prune24(w, 16),
  ].map(error);
  assert(all < row && row < two, `${[all, row, two]}`);
});

Deno.test("an index for each weight pays only above a third of zeros", () => {
  // 6 bytes a weight against 4.
  const at = (share: number) => bytes(100, 100, 10_000 * (1 - share));
  assert(at(0.3).indexed > at(0.3).dense && at(0.4).indexed < at(0.4).dense);
  assertAlmostEquals(at(0.5).twoOfFour / at(0.5).dense, 17 / 32, 1e-15);
  // 7 weights, 7 columns, and where 3 rows begin and the last one ends.
  assertEquals(bytes(3, 4, 7), { dense: 48, indexed: 58, twoOfFour: 26 });
  const { values, places } = compress24(new Float32Array(12), 4);
  assertEquals(values.byteLength + places.byteLength, 26);
});

Deno.test("weights stay as they are", () => {
  const w = W.slice();
  prune(w, 8, 0.5);
  prune24(w, 8);
  assertEquals(w, W);
});

Deno.test("shares, rows and patterns that are none are errors that say why", () => {
  for (
    const [call, line] of [
      [() => prune(W, 8, 1.5), "Cannot prune a share of 1.5: needs 0 to 1"],
      [() => prune(W, 8, NaN), "Cannot prune a share of NaN"],
      [() => prune(W, 7, 0.5), "Cannot cut 24 weights into rows of 7"],
      [() => prune(W, 0, 0.5), "Cannot cut 24 weights into rows of 0"],
      [
        () => prune(Float32Array.of(1, NaN), 2, 0.5),
        "Cannot prune: weight 1 is NaN",
      ],
      [() => prune24(W, 6), "Cannot prune 2 of 4 in rows of 6 weights"],
      [
        () => compress24(W, 8),
        "Cannot compress rows of 8: 4 of 4 are not 0 at 0",
      ],
      [
        () => compress24(Float32Array.of(1, 0, 2, 3), 4),
        "Cannot compress rows of 4: 3 of 4 are not 0 at 0",
      ],
      [
        () => compress24(new Float32Array(12), 6),
        "Cannot compress rows of 6: no multiple of 4",
      ],
      [() => prune(W, 8, -0.1), "Cannot prune a share of -0.1: needs 0 to 1"],
      [
        () => multiply24(compress24(prune24(W, 8), 8), new Float32Array(7)),
        "Cannot multiply rows of 8 by 7 numbers",
      ],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
});
