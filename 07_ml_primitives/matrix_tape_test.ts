import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  backward,
  hide,
  logSoftmax,
  lookUp,
  multiply,
  norm,
  plus,
  relu,
  scale,
  softmax,
  type Tape,
  Tensor,
  transpose,
} from "./matrix_tape.ts";

const tensor = (rows: number, columns: number, entry: (i: number) => number) =>
  new Tensor(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, (_, i) => entry(i)),
  );
const close = (got: Iterable<number>, right: number[], tolerance: number) => {
  const numbers = [...got];
  assertEquals(numbers.length, right.length);
  numbers.forEach((v, i) =>
    assert(
      Math.abs(v - right[i]) <= tolerance * Math.max(1, Math.abs(right[i])),
      `${v} is not ${right[i]} at ${i}`,
    )
  );
};

// Goldens; numpy has no tape, so a gradient is the imaginary part of a step of 1e-30·i:
// python3 -c "
// import numpy as np
// a = np.sin(np.arange(6)).reshape(2, 3); b = np.cos(np.arange(15)).reshape(3, 5)
// norm = lambda x: x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6)
// def run(a, b):
//     u = a @ b; u = np.where(u.real > 0, u, 0)
//     e = np.exp(norm(u) @ b.T + a) * np.tri(2, 3, 1)
//     l = e / e.sum(1, keepdims=True) @ b
//     return l - np.log(np.exp(l).sum(1, keepdims=True))
// print(run(a, b).tolist())
// w = np.arange(10).reshape(2, 5) / 10
// def grad(x, f):
//     out = np.zeros(x.shape)
//     for i in np.ndindex(x.shape):
//         s = x.astype(complex); s[i] += 1e-30j; out[i] = (f(s) * w).sum().imag / 1e-30
//     return out.ravel().tolist()
// print(grad(a, lambda s: run(s, b))); print(grad(b, lambda s: run(a, s)))"
Deno.test("a block of all operations has numpy's results and gradients", () => {
  const a = tensor(2, 3, Math.sin);
  const b = tensor(3, 5, Math.cos);
  const tape: Tape = [];
  const wide = norm(relu(multiply(a, b, tape), tape), tape); // (2, 5)
  const scores = plus(multiply(wide, transpose(b, tape), tape), a, tape);
  const p = softmax(hide(scores, (r, c) => c <= r + 1, tape), tape); // (2, 3)
  const out = logSoftmax(multiply(p, b, tape), tape); // (2, 5)
  out.grad.set(tensor(2, 5, (i) => i / 10).data);
  backward(tape);
  // Some ten roundings of numbers of order 1.
  close(out.data, [
    ...[-1.6897592088935474, -1.0317451213493247, -1.2502238462458428],
    ...[-2.1443270514795056, -2.8920203735266723, -0.8680348386994884],
    ...[-1.216340656320921, -2.0764899134694916, -2.657665349904339],
    -2.42553694959511,
  ], 1e-14);
  close(a.grad, [
    ...[0.000262783203064485, -0.00011467879746628326],
    ...[-5.4983262170344304e-05, -0.6061374932841368],
    ...[-0.312471158685356, 0.3234122894382835],
  ], 1e-14);
  close(b.grad, [
    ...[-1.2080895806105347, -0.39979843471633963, 0.23543425078535596],
    ...[0.5053498411274104, 0.40055581999566137, 0.04513863827451286],
    ...[-0.2830016142324416, -0.06702399853027943, 0.21857320769451885],
    ...[0.1980559140025967, 0.3583588937706215, -0.010581447212539495],
    ...[0.006350940363838976, 0.013437092630609727, -0.21115647108609567],
  ], 1e-14);
});

const OPERATIONS: Record<string, (x: Tensor, tape: Tape) => Tensor> = {
  "multiply, on the left": (x, tape) =>
    multiply(x, tensor(x.columns, 2, Math.cos), tape),
  "multiply, on the right": (x, tape) =>
    multiply(tensor(2, x.rows, Math.cos), x, tape),
  "multiply by itself": (x, tape) => multiply(transpose(x, tape), x, tape),
  "plus itself": (x, tape) => plus(x, x, tape),
  scale: (x, tape) => scale(x, Math.sin, tape),
  relu,
  transpose,
  "lookUp with a row twice": (x, tape) =>
    lookUp(x, [x.rows - 1, 0, x.rows - 1], tape),
  norm,
  softmax,
  logSoftmax,
  "softmax of what is not hidden": (x, tape) =>
    softmax(hide(x, (r, c) => c <= r, tape), tape),
};
const matrices = fc.tuple(
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 4 }),
).chain(([rows, columns]) =>
  fc.array(
    // At 0 relu has no slope, and a row of zeros turns too fast for a difference.
    fc.double({ min: 0.1, max: 2, noNaN: true }).chain((v) =>
      fc.constantFrom(v, -v)
    ),
    { minLength: rows * columns, maxLength: rows * columns },
  ).map((data) => ({ rows, columns, data }))
);

for (const [name, run] of Object.entries(OPERATIONS)) {
  Deno.test(`the gradient of ${name} is what central differences say`, () => {
    fc.assert(
      fc.property(matrices, ({ rows, columns, data }) => {
        const total = (data: number[]) => {
          const out = run(tensor(rows, columns, (i) => data[i]), []);
          return out.data.reduce((sum, y, i) => sum + y * Math.sin(i + 1), 0);
        };
        const x = tensor(rows, columns, (i) => data[i]);
        const tape: Tape = [];
        const out = run(x, tape);
        out.grad.forEach((_, i) => out.grad[i] = Math.sin(i + 1));
        backward(tape);
        assertEquals([...x.data], data);
        const h = 1e-5;
        const slopes = data.map((v, i) =>
          (total(data.with(i, v + h)) - total(data.with(i, v - h))) / (2 * h)
        );
        // h²/6 times a third derivative of up to some 1/0.1², and 2^−52 / h of rounding.
        close(x.grad, slopes, 1e-7);
      }),
      { seed: 7, numRuns: 30 },
    );
  });
}

Deno.test("what is used twice has both gradients", () => {
  const x = tensor(1, 2, (i) => i + 1);
  const tape: Tape = [];
  const out = plus(x, scale(x, () => 10, tape), tape);
  out.grad.fill(1);
  backward(tape);
  assertEquals([...x.grad], [11, 11]);
});

Deno.test("a tape is run once, and a second one adds to the first", () => {
  const x = tensor(1, 2, (i) => i + 1);
  for (const expected of [3, 6]) {
    const tape: Tape = [];
    scale(x, () => 3, tape).grad.fill(1);
    backward(tape);
    backward(tape);
    assertEquals([...x.grad], [expected, expected]);
  }
});

Deno.test("a row with everything hidden has shares of 0 and no NaN goes back", () => {
  const x = tensor(2, 3, (i) => i);
  const tape: Tape = [];
  const p = softmax(hide(x, (r, c) => r > 0 && c < 2, tape), tape);
  p.grad.set([1, 2, 3, 1, 2, 3]);
  backward(tape);
  assertEquals([...p.data.slice(0, 3)], [0, 0, 0]);
  assertEquals(p.data[5], 0);
  assert(Math.abs(p.data[3] + p.data[4] - 1) < 1e-15);
  assertEquals([...x.grad.slice(0, 3), x.grad[5]], [0, 0, 0, 0]);
  assert(x.grad.every(Number.isFinite));
});

Deno.test("large logits do not overflow, and their logarithms stay finite", () => {
  const x = tensor(1, 3, (i) => [1000, 0, -1000][i]);
  assertEquals([...softmax(x, []).data], [1, 0, 0]);
  assertEquals([...logSoftmax(x, []).data], [0, -1000, -2000]);
});

Deno.test("a row of zeros stays so under a norm, and relu has no slope at 0", () => {
  const x = tensor(2, 3, (i) => i < 3 ? 0 : i);
  const tape: Tape = [];
  const y = norm(x, tape);
  assertEquals([...y.data.slice(0, 3)], [0, 0, 0]);
  // The mean square of a normed row is 1, but for the 1e-6.
  assert(Math.abs(y.data.reduce((sum, v) => sum + v * v, 0) / 3 - 1) < 1e-6);
  const z = tensor(1, 3, (i) => i - 1);
  relu(z, tape).grad.fill(1);
  backward(tape);
  assertEquals([...z.grad], [0, 0, 1]);
});

Deno.test("no rows are no trouble", () => {
  const none = new Tensor(0, 3);
  assertEquals(norm(none, []).rows, 0);
  assertEquals(multiply(none, new Tensor(3, 2), []).columns, 2);
  assertEquals(lookUp(tensor(2, 3, Math.sin), [], []).rows, 0);
});

Deno.test("shapes that do not fit are an error that names them", () => {
  const [a, b] = [new Tensor(2, 3), new Tensor(5, 2)];
  for (
    const [call, line] of [
      [() => multiply(a, b, []), "Cannot multiply (2, 3) by (5, 2)"],
      [() => plus(a, b, []), "Cannot add (5, 2) to (2, 3)"],
      [() => plus(a, new Tensor(3, 2), []), "Cannot add (3, 2) to (2, 3)"],
      [() => lookUp(a, [0, 2], []), "Cannot look up row 2: there are 2"],
      [() => lookUp(a, [-1], []), "Cannot look up row -1: there are 2"],
      [() => lookUp(a, [0.5], []), "Cannot look up row 0.5: there are 2"],
      [
        () => new Tensor(2, 3, new Float64Array(5)),
        "Cannot cut 5 into rows of 3",
      ],
    ] as const
  ) assertThrows(call, RangeError, line);
});
