import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { type Adapter, initAdapter, isStuck, LoRALinear } from "./lora.ts";

type Matrix = readonly (readonly number[])[];

/** (rows, columns) of quarters between −1 and 1.5, in no order. */
const make = (rows: number, columns: number, step: number): number[][] =>
  Array.from(
    { length: rows },
    (_, i) =>
      Array.from(
        { length: columns },
        (_, j) => (i * columns + j) * step % 11 / 4 - 1,
      ),
  );
/** A generator of the minimal standard kind, enough for weights. */
const generator = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const close = (actual: Matrix, expected: Matrix, tolerance: number) => {
  assertEquals(actual.map((row) => row.length), expected.map((r) => r.length));
  expected.forEach((row, i) =>
    row.forEach((e, j) => assertAlmostEquals(actual[i][j], e, tolerance))
  );
};
const base = (w: Matrix, x: Matrix) =>
  x.map((row) => w.map((wi) => wi.reduce((s, wij, j) => s + wij * row[j], 0)));

const W = make(3, 5, 7); // (OUT, IN)
const X = make(4, 5, 2); // (N, IN)
const DY = make(4, 3, 9); // (N, OUT)
const adapter = (): Adapter => ({ a: make(2, 5, 5), b: make(3, 2, 3) });
const layer = (alpha = 16) => new LoRALinear(W, adapter(), alpha);

// Goldens, exact because all are small multiples of 1/16:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// W, A, B, x, dy = make(3, 5, 7), make(2, 5, 5), make(3, 2, 3), make(4, 5, 2), make(4, 3, 9)
// s = 16 / 2
// print((x @ W.T).tolist())
// print((x @ W.T + s * (x @ A.T) @ B.T).tolist())
// print((W + s * B @ A).tolist())
// print((s * B.T @ dy.T @ x).tolist())
// print((s * dy.T @ (x @ A.T)).tolist())
// print((dy @ (W + s * B @ A)).tolist())"
const BASE = [
  [1.875, 0.5, 1.875],
  [-1.25, -1.1875, 1.625],
  [-1.625, -1.5, 1.375],
  [0.0625, 1.625, -1.625],
];
const FORWARD = [
  [-13.875, 2.75, -10.875],
  [10.5, -19.4375, 8.375],
  [14.25, -22.375, 11.125],
  [9.0625, 8.375, 7.0],
];
const MERGED = [
  [7.5, -3.25, -11.25, 0.0, -8.0],
  [-7.0, 12.25, 1.25, 6.75, -1.5],
  [6.0, -2.5, -8.25, -0.25, -6.0],
];
const DA = [
  [-16.0, 11.625, 2.125, 3.625, 5.125],
  [-15.25, -19.5, 1.0, 7.75, 14.5],
];
const DB = [[-38.75, -15.0], [16.25, -20.0], [24.5, -11.25]];
const DX = [
  [-11.75, 16.6875, 6.625, 8.25, 1.625],
  [-0.875, -2.0, 3.0625, -1.5, 2.875],
  [7.25, 6.125, -19.75, 6.625, -16.5],
  [-2.5, -3.625, 7.625, -3.125, 6.75],
];

Deno.test("forward() golden: the base and alpha/R times the detour", () => {
  assertEquals(layer().forward(X), FORWARD);
});

Deno.test("merge() golden: alpha/R times B·A is added, not B·A", () => {
  assertEquals(layer().merge(), MERGED);
});

Deno.test("backward() golden: gradients of A, B and x, and of nothing else", () => {
  assertEquals(layer().backward(X, DY), { da: DA, db: DB, dx: DX });
});

Deno.test("a row alone gives what it gives in a batch", () => {
  X.forEach((row, n) => assertEquals(layer().forward([row]), [FORWARD[n]]));
  assertEquals(layer().forward([]), []);
});

Deno.test("a fresh adapter changes nothing: 64 by 32, rank 4, alpha 16", () => {
  const random = generator(7);
  const w = Array.from(
    { length: 64 },
    () => Array.from({ length: 32 }, random),
  );
  const x = Array.from({ length: 3 }, () => Array.from({ length: 32 }, random));
  const fresh = new LoRALinear(w, initAdapter(64, 32, 4, random), 16);
  assertEquals(fresh.forward(x), base(w, x));
});

Deno.test("at first B has a gradient and A has none", () => {
  const fresh = new LoRALinear(W, initAdapter(3, 5, 2, generator(7)), 16);
  const { da, db, dx } = fresh.backward(X, DY);
  // −0 is a zero too.
  assert(da.flat().every((d) => d === 0));
  assert(db.flat().every((d) => d !== 0));
  // dy · W, as if there were no adapter.
  close(
    dx,
    DY.map((row) =>
      W[0].map((_, j) => row.reduce((s, d, i) => s + d * W[i][j], 0))
    ),
    1e-12,
  );
});

Deno.test("one step lowers the loss and leaves W alone; the next one moves A as well", () => {
  const w = W.map((row) => Object.freeze([...row]));
  const trained = initAdapter(3, 5, 2, generator(7));
  const lora = new LoRALinear(Object.freeze(w), trained, 4);
  const target = make(4, 3, 5);
  const error = () =>
    lora.forward(X).map((row, n) => row.map((y, i) => y - target[n][i]));
  const loss = () => error().flat().reduce((sum, e) => sum + e * e / 2, 0);
  const losses = [loss()];
  const moved: boolean[] = [];
  for (let step = 0; step < 2; step++) {
    const before = structuredClone(trained.a);
    const { da, db } = lora.backward(X, error());
    for (const [p, d] of [[trained.a, da], [trained.b, db]]) {
      p.forEach((row, i) => row.forEach((_, j) => row[j] -= 0.01 * d[i][j]));
    }
    losses.push(loss());
    moved.push(trained.a.flat().some((x, i) => x !== before.flat()[i]));
  }
  assert(losses[1] < losses[0] && losses[2] < losses[1], `${losses}`);
  assertEquals(moved, [false, true]);
  assertEquals(w, W);
});

Deno.test("A and B both zero never learn, and that can be told", () => {
  const zero: Adapter = {
    a: make(2, 5, 0).map((r) => r.map(() => 0)),
    b: make(3, 2, 0).map((r) => r.map(() => 0)),
  };
  const { da, db } = new LoRALinear(W, zero, 16).backward(X, DY);
  assert([...da, ...db].flat().every((d) => d === 0));
  assert(isStuck(zero));
  assert(!isStuck(initAdapter(3, 5, 2, generator(7))));
  assert(!isStuck({ ...zero, b: make(3, 2, 3) }));
});

Deno.test("the gradients are the slopes of the loss", () => {
  const { a, b } = adapter();
  const loss = () =>
    new LoRALinear(W, { a, b }, 3).forward(X)
      .flat().reduce((sum, y, i) => sum + y * DY.flat()[i], 0);
  const { da, db } = new LoRALinear(W, { a, b }, 3).backward(X, DY);
  for (const [p, d] of [[a, da], [b, db]]) {
    p.forEach((row, i) =>
      row.forEach((was, j) => {
        const [up, down] = [1, -1].map((sign) => (row[j] = was + sign, loss()));
        row[j] = was;
        // The loss is linear in each number alone: a step of 1 is exact but for rounding.
        assertAlmostEquals((up - down) / 2, d[i][j], 1e-10);
      })
    );
  }
});

Deno.test("merged, unmerged: the same output, and it is not counted twice", () => {
  const sizes = fc.tuple(
    fc.integer({ min: 2, max: 5 }),
    fc.integer({ min: 2, max: 7 }),
    fc.integer({ min: 1, max: 2 }),
  );
  const alphas = fc.constantFrom(0, 0.3, 1, 16);
  fc.assert(
    fc.property(sizes, alphas, fc.nat(1e6), ([OUT, IN, R], alpha, seed) => {
      const random = generator(seed + 1);
      const draw = (rows: number, columns: number) =>
        Array.from(
          { length: rows },
          () => Array.from({ length: columns }, () => random() - 0.5),
        );
      const [w, x] = [draw(OUT, IN), draw(3, IN)];
      const lora = new LoRALinear(
        w,
        { a: draw(R, IN), b: draw(OUT, R) },
        alpha,
      );
      const before = lora.forward(x);
      // Terms up to 16 · 2 · 0.25 · 0.5 · 7, a few hundred roundings of 1e-16 each.
      const near = 1e-12;
      const merged = lora.merge();
      close(lora.forward(x), before, near);
      close(base(merged, x), before, near);
      close(lora.unmerge(), w, near);
      close(lora.forward(x), before, near);
    }),
    { seed: 7 },
  );
});

Deno.test("alpha 0 is the base model", () => {
  assertEquals(layer(0).forward(X), BASE);
});

Deno.test("the detour is taken from the right: B·A is not made for one input", () => {
  const { a, b } = adapter();
  let reads = 0;
  const counted = a.map((row) =>
    new Proxy(row, {
      get: (target, key) => {
        if (typeof key === "string" && /^\d+$/.test(key)) reads++;
        return Reflect.get(target, key);
      },
    })
  );
  const lora = new LoRALinear(W, { a: counted, b }, 16);
  reads = 0;
  assertEquals(lora.forward([X[0]]), [FORWARD[0]]);
  // A·x reads each number of A once, B·A does so for every one of the 3 outputs.
  assertEquals(reads, a.flat().length);
});

Deno.test("a small detour beside large weights is not rounded away", () => {
  const lora = new LoRALinear(
    [[1e16, -1e16], [0, 0]],
    { a: [[1, 0]], b: [[1], [0]] },
    1,
  );
  assertEquals(lora.forward([[1, 1]]), [[1, 0]]);
  // Once merged it is: 1e16 + 1 is 1e16. In bf16 a 256th beside 1 is enough.
  lora.merge();
  assertEquals(lora.forward([[1, 1]]), [[0, 0]]);
});

Deno.test("what is passed in stays as it was, through all of it", () => {
  const [w, given, x, dy] = structuredClone([W, adapter(), X, DY] as const);
  const lora = new LoRALinear(w, given, 16);
  lora.forward(x);
  lora.backward(x, dy);
  lora.merge();
  lora.unmerge();
  assertEquals([w, given, x, dy], [W, adapter(), X, DY]);
});

Deno.test("A is drawn by IN: A·x is as large for 64 inputs as for 1024", () => {
  const rms = (IN: number) => {
    const random = generator(11);
    const { a, b } = initAdapter(64, IN, 64, random);
    assert(a.flat().every((x) => Math.abs(x) <= 1 / Math.sqrt(IN)));
    assertEquals(b.flat(), Array(64 * 64).fill(0));
    const x = Array.from({ length: IN }, () => random() < 0.5 ? -1 : 1);
    const hidden = base(a, [x])[0];
    return Math.hypot(...hidden) / 8;
  };
  // IN terms of variance 1/(3·IN): 1/√3 = 0.577. Of 64 samples the rms is off by
  // 1/√128 = 9 % typically; N(0, 1/R) would give √(IN/64), which is 1 and 4.
  for (const IN of [64, 1024]) assertAlmostEquals(rms(IN), 0.577, 0.2);
});

Deno.test("NaN passes through instead of being hidden", () => {
  assertEquals(layer().forward([[NaN, 0, 0, 0, 0]])[0], [NaN, NaN, NaN]);
});

Deno.test("merging twice, unmerging what is not merged and training a merged layer are refused", () => {
  const lora = layer();
  assertThrows(() => lora.unmerge(), RangeError, "it is not merged");
  lora.merge();
  assertThrows(() => lora.merge(), RangeError, "it is merged already");
  assertThrows(() => lora.backward(X, DY), RangeError, "A and B are merged");
  assertEquals(lora.forward(X), FORWARD);
  lora.unmerge();
  assertThrows(() => lora.unmerge(), RangeError, "it is not merged");
});

Deno.test("a rank, an alpha or a shape that cannot be is refused, with the numbers", () => {
  for (const R of [0, -1, 1.5, 4, NaN]) {
    assertThrows(
      () => initAdapter(3, 5, R, () => 0.5),
      RangeError,
      `Cannot adapt W (3, 5) at rank ${R}`,
    );
  }
  const { a, b } = adapter();
  for (const alpha of [-1, NaN, Infinity]) {
    assertThrows(
      () => new LoRALinear(W, { a, b }, alpha),
      RangeError,
      `Cannot scale by alpha ${alpha}: needs 0 or more`,
    );
  }
  const bad: [a: number[][], b: number[][], message: string][] = [
    [make(2, 4, 5), b, "W (3, 5) by B (3, 2) and A (2, 4)"],
    [a, make(4, 2, 3), "W (3, 5) by B (4, 2) and A (2, 5)"],
    [a, make(3, 1, 3), "W (3, 5) by B (3, 1) and A (2, 5)"],
    [make(4, 5, 5), make(3, 4, 3), "Cannot adapt W (3, 5) at rank 4"],
    [[], b, "Cannot adapt: a matrix has no row"],
    [[[1, 2, 3, 4, 5], [1]], b, "row 1 has 1 numbers, not 5"],
  ];
  for (const [a, b, message] of bad) {
    assertThrows(() => new LoRALinear(W, { a, b }, 1), RangeError, message);
  }
  assertThrows(
    () => layer().forward([...X, [1, 2]]),
    RangeError,
    "Cannot use x: row 4 has 2 numbers, not 5",
  );
  assertThrows(
    () => layer().backward(X, X),
    RangeError,
    "Cannot use dy: row 0",
  );
  assertThrows(
    () => layer().backward([], []),
    RangeError,
    "Cannot pair 0 rows",
  );
  assertThrows(
    () => layer().backward(X, DY.slice(1)),
    RangeError,
    "Cannot pair 4 rows of x with 3 of dy",
  );
});

Deno.test("what merge() and unmerge() return may be changed without harm", () => {
  const w = [[1, 2, 3], [4, 5, 6]];
  const layer = new LoRALinear(w, { a: [[1, 0, 2]], b: [[3], [5]] }, 2);
  const x = [[1, -1, 2]];
  const y = layer.forward(x);
  layer.merge()[0].fill(99);
  assertEquals(layer.forward(x), y);
  layer.unmerge()[1].fill(99);
  assertEquals(layer.forward(x), y);
  assertEquals(w, [[1, 2, 3], [4, 5, 6]]);
});
