import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  broadcastShapes,
  broadcastStrides,
  combine,
  reduceTo,
  type Shape,
  tensor,
} from "./broadcasting.ts";

// Goldens, but that NumPy has [0, 0] for (1, 0): nothing moves along an empty axis.
// python3 -c "
// import numpy as np
// for s in [((4, 3), (3,)), ((4, 1), (3,)), ((2, 1, 5), (3, 1)), ((), (2,)), ((0,), (1,)),
//           ((3, 1), (1, 0)), ((8, 1, 6, 1), (7, 1, 5))]:
//     o = np.broadcast_shapes(*s)
//     print(list(o), [[k // 8 for k in np.broadcast_to(np.empty(x), o).strides] for x in s])"
for (
  const [a, b, shape, strides] of [
    [[4, 3], [3], [4, 3], [[3, 1], [0, 1]]],
    [[4, 1], [3], [4, 3], [[1, 0], [0, 1]]],
    [[2, 1, 5], [3, 1], [2, 3, 5], [[5, 0, 1], [0, 1, 0]]],
    [[], [2], [2], [[0], [1]]],
    [[3, 1], [1, 0], [3, 0], [[1, 0], [0, 1]]],
    [[8, 1, 6, 1], [7, 1, 5], [8, 7, 6, 5], [[6, 0, 1, 0], [0, 5, 0, 1]]],
  ]
) {
  Deno.test(`golden: (${a}) with (${b}) is (${shape}), with their strides`, () => {
    assertEquals(broadcastShapes(a as number[], b as number[]), shape);
    assertEquals(broadcastShapes(b as number[], a as number[]), shape);
    [a, b].forEach((from, i) => {
      const found = broadcastStrides(from as number[], shape as number[]);
      assertEquals(found, (strides as number[][])[i]);
    });
  });
}

Deno.test("combine() golden: (2, 1, 3) with (4, 1)", () => {
  // python3 -c "
  // import numpy as np
  // a = (np.arange(6) * 5 % 7 - 2).reshape(2, 1, 3) / 4; b = (np.arange(0, 8, 2) * 3 % 11 - 4).reshape(4, 1) / 2
  // print((a * b - b).ravel().tolist())"
  const values = (n: number, f: (i: number) => number) =>
    Float64Array.from({ length: n }, (_, i) => f(i));
  const a = { data: values(6, (i) => (i * 5 % 7 - 2) / 4), shape: [2, 1, 3] };
  const b = { data: values(4, (i) => (i * 6 % 11 - 4) / 2), shape: [4, 1] };
  const result = combine(a, b, (a, b) => a * b - b);
  assertEquals(result.shape, [2, 4, 3]);
  // All are exact.
  assertEquals(
    result.data.join(" "),
    "3 0.5 1.5 -1.5 -0.25 -0.75 2.25 0.375 1.125 -2.25 -0.375 -1.125 " +
      "2.5 0 1 -1.25 0 -0.5 1.875 0 0.75 -1.875 0 -0.75",
  );
});

Deno.test("reduceTo() golden: (2, 4, 3) to a kept axis, to a lost one, to a number", () => {
  // python3 -c "
  // import numpy as np
  // g = (np.arange(24) * 7 % 13 - 5).reshape(2, 4, 3)
  // print(g.sum(axis=1, keepdims=True).ravel().tolist(), g.sum(axis=(0, 2)).tolist(), g.sum())"
  const data = Float64Array.from({ length: 24 }, (_, i) => i * 7 % 13 - 5);
  const grad = { data, shape: [2, 4, 3] };
  const sums = reduceTo(grad, [2, 1, 3]);
  assertEquals([[...sums.data], sums.shape], [[2, 4, 6, 0, 2, 4], [2, 1, 3]]);
  assertEquals([...reduceTo(grad, [4, 1]).data], [-9, 0, 9, 18]);
  assertEquals([...reduceTo(grad, []).data], [18]);
  assertEquals(reduceTo(grad, [2, 4, 3]), grad);
});

/** Two shapes that fit: some axes of a common one are 1, or not there. */
const pair = fc.array(fc.nat({ max: 3 }), { maxLength: 4 }).chain((whole) => {
  const part = fc.tuple(
    fc.nat({ max: whole.length }),
    fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  ).map(([from, ones]) => whole.map((n, i) => ones[i] ? 1 : n).slice(from));
  return fc.tuple(part, part);
});
const assertAll = (check: (a: number[], b: number[]) => void) =>
  fc.assert(fc.property(pair, ([a, b]) => check(a, b)), { seed: 7 });
const size = (shape: Shape) => shape.reduce((n, s) => n * s, 1);
const numbered = (shape: Shape) => ({
  data: Float64Array.from({ length: size(shape) }, (_, i) => i + 1),
  shape,
});
/** All indices of a shape, the last one fastest. */
const indices = (shape: Shape): number[][] =>
  shape.reduce<number[][]>(
    (all, n) =>
      all.flatMap((at) => Array.from({ length: n }, (_, i) => [...at, i])),
    [[]],
  );
/** What an index of the result reads: from the right, and 0 on an axis of 1. */
const read = (shape: Shape, at: number[]) =>
  shape.reduce((offset, n, axis) => {
    const i = at[axis + at.length - shape.length];
    return offset * n + (n === 1 ? 0 : i);
  }, 0);

Deno.test("each number of the result is f of what its index reads on both sides", () => {
  assertAll((a, b) => {
    const result = combine(numbered(a), numbered(b), (x, y) => 1000 * x + y);
    const expected = indices(result.shape)
      .map((at) => 1000 * (read(a, at) + 1) + read(b, at) + 1);
    assertEquals([...result.data], expected);
  });
});

Deno.test("strides lead to the same place as an index of the smaller shape", () => {
  assertAll((a, b) => {
    const shape = broadcastShapes(a, b);
    const strides = broadcastStrides(a, shape);
    for (const at of indices(shape)) {
      const offset = at.reduce((sum, i, axis) => sum + i * strides[axis], 0);
      assertEquals(offset, read(a, at));
    }
  });
});

Deno.test("a gradient gets back the shape of its tensor, and is what differences say", () => {
  assertAll((a, b) => {
    const [x, y] = [numbered(a), numbered(b)];
    const product = (x: number, y: number) => x * y;
    const weights = numbered(broadcastShapes(a, b));
    const loss = (data: Float64Array) =>
      combine(combine({ data, shape: a }, y, product), weights, product)
        .data.reduce((sum, v) => sum + v, 0);
    const grad = reduceTo(combine(weights, y, product), a);
    assertEquals(grad.shape, a);
    assertEquals(grad.data.length, x.data.length);
    x.data.forEach((v, i) => {
      // The loss is linear in x: a step of 1 is exact, as all are whole numbers.
      const difference = loss(x.data.with(i, v + 1)) - loss(x.data);
      assertEquals(grad.data[i], difference);
    });
  });
});

Deno.test("a bias (M,) gets the column sum, and an axis of 1 stays", () => {
  const grad = tensor([[1, 2, 3], [10, 20, 30]]);
  assertEquals(reduceTo(grad, [3]), tensor([11, 22, 33]));
  assertEquals(reduceTo(grad, [1, 3]), tensor([[11, 22, 33]]));
  assertEquals(reduceTo(grad, [2, 1]), tensor([[6], [60]]));
});

Deno.test("predictions (B, 1) minus labels (B,) make a loss that means nothing", () => {
  const [perfect, labels] = [tensor([[1], [2], [3]]), tensor([1, 2, 3])];
  const errors = combine(perfect, labels, (a, b) => (a - b) ** 2);
  assertEquals(errors.shape, [3, 3]);
  assertAlmostEquals(errors.data.reduce((s, e) => s + e) / 9, 4 / 3, 1e-15);
});

Deno.test("a number, an empty axis and many shapes at once", () => {
  assertEquals(broadcastShapes(), []);
  assertEquals(broadcastShapes([], []), []);
  assertEquals(broadcastShapes([0], [1]), [0]);
  assertEquals(broadcastShapes([5, 1, 1], [3, 1], [2]), [5, 3, 2]);
  assertEquals(combine(tensor(2), tensor(3), Math.pow), tensor(8));
  const none = combine(tensor([]), tensor([7]), Math.pow);
  assertEquals(none, { data: new Float64Array(), shape: [0] });
  // Nothing was read, so nothing comes back.
  assertEquals(reduceTo(none, [1]), tensor([0]));
});

Deno.test("tensor() reads nested arrays, and refuses rows that differ", () => {
  assertEquals(tensor([[[1, 2]], [[3, 4]]]).shape, [2, 1, 2]);
  assertEquals([...tensor([[[1, 2]], [[3, 4]]]).data], [1, 2, 3, 4]);
  assertEquals(tensor([[], []]).shape, [2, 0]);
  for (const rows of [[[1, 2], [3]], [1, [2]], [[1], 2], [[[1]], [2]]]) {
    assertThrows(() => tensor(rows), RangeError, "rows differ");
  }
  assertThrows(() => tensor([1, "a"]), TypeError, '"a" is no number');
  assertThrows(() => tensor("3"), TypeError, '"3" is no number');
});

Deno.test("inputs stay as they are", () => {
  const [a, b] = [tensor([[1], [2]]), tensor([3, 4])];
  combine(a, b, (x, y) => x + y);
  reduceTo(a, [1]);
  assertEquals([a, b], [tensor([[1], [2]]), tensor([3, 4])]);
});

Deno.test("shapes that do not fit are an error that names both, and the axis", () => {
  for (
    const [call, line] of [
      [
        () => broadcastShapes([2, 3], [3, 2]),
        "Cannot broadcast (2, 3) with (3, 2): sizes 2 and 3 differ 2 from the right",
      ],
      [
        () => broadcastShapes([4, 3], [4]),
        "Cannot broadcast (4, 3) with (4,): sizes 3 and 4 differ 1 from the right",
      ],
      [
        () => broadcastShapes([0], [3]),
        "Cannot broadcast (0,) with (3,): sizes 0 and 3 differ 1 from the right",
      ],
      [
        () => combine(tensor([1, 2]), tensor([1, 2, 3]), Math.pow),
        "Cannot broadcast (2,) with (3,)",
      ],
      [() => broadcastStrides([3], [2, 1]), "Cannot broadcast (3,) to (2, 1)"],
      [() => broadcastStrides([1, 2], [2]), "Cannot broadcast (1, 2) to (2,)"],
      [() => reduceTo(tensor([1, 2]), [3]), "Cannot broadcast (3,) to (2,)"],
      [() => reduceTo(tensor(1), [1]), "Cannot broadcast (1,) to ()"],
      [() => broadcastStrides([0], [3]), "Cannot broadcast (0,) to (3,)"],
      [
        () => broadcastShapes([2], [-1]),
        "Cannot broadcast a size of -1: needs 0 or more",
      ],
      [() => broadcastShapes([1.5]), "Cannot broadcast a size of 1.5"],
      [
        () =>
          combine(
            { data: Float64Array.of(1), shape: [2] },
            tensor(1),
            Math.pow,
          ),
        "Cannot use a tensor (2,): it has 1 numbers",
      ],
      [
        () =>
          combine(tensor(1), { data: new Float64Array(), shape: [] }, Math.pow),
        "Cannot use a tensor (): it has 0 numbers",
      ],
      [
        () => reduceTo({ data: Float64Array.of(1, 2), shape: [1] }, []),
        "Cannot use a tensor (1,): it has 2 numbers",
      ],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
});

Deno.test("NaN goes where it is read, and nowhere else", () => {
  const sum = combine(tensor([[1], [NaN]]), tensor([1, 2]), (a, b) => a + b);
  assertEquals([...sum.data].map(Number.isNaN), [false, false, true, true]);
  assert(Number.isNaN(reduceTo(sum, [2]).data[0]));
});
