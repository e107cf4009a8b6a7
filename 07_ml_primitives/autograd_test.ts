import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { noGrad, Tensor } from "./autograd.ts";
import { Affine, Network, Relu } from "./backprop.ts";

const exp = (x: Tensor) => x.map(Math.exp, Math.exp);
const log = (x: Tensor) => x.map(Math.log, (v) => 1 / v);
const relu = (x: Tensor) => x.map((v) => Math.max(0, v), (v) => v > 0 ? 1 : 0);
const leaf = (rows: number[][]) => new Tensor(rows, true);

// Sums of some ten products near 1: 1e−14.
const close = (a: number[][] | undefined, b: number[][], tolerance = 1e-14) => {
  assertEquals(a?.map((row) => row.length), b.map((row) => row.length));
  b.forEach((row, r) =>
    row.forEach((v, c) => assertAlmostEquals(a![r][c], v, tolerance))
  );
};

Deno.test("gradients golden: a broadcast product, exp, log and a matrix product", () => {
  // python3 -c "
  // import jax, jax.numpy as np
  // jax.config.update('jax_enable_x64', True)
  // f = lambda k, *s: (np.arange(np.prod(np.array(s))) * k % 13 / 8. - .5).reshape(s)
  // a, b, c, d = f(5, 2, 3), f(7, 3, 4), f(3, 1, 4), f(4, 2, 1)
  // loss = lambda a, b, c, d: np.log(np.exp(a @ b * c + d).sum(1, keepdims=True)).sum()
  // print(loss(a, b, c, d))
  // for g in jax.grad(loss, range(4))(a, b, c, d): print(g.tolist())"
  const fill = (k: number, R: number, C: number) =>
    Array.from(
      { length: R },
      (_, r) =>
        Array.from({ length: C }, (_, c) => (r * C + c) * k % 13 / 8 - 0.5),
    );
  const [a, b, c, d] = [
    fill(5, 2, 3),
    fill(7, 3, 4),
    fill(3, 1, 4),
    fill(4, 2, 1),
  ]
    .map(leaf);
  const loss = log(exp(a.matmul(b).mul(c).add(d)).sum("row")).sum();
  assertAlmostEquals(loss.rows[0][0], 2.5730182151837253, 1e-14);
  loss.backward();
  close(a.grad, [
    [0.1225872657936785, 0.1575464458733811, 0.1925056259530837],
    [0.1510723357817007, 0.19867009536965047, 0.24626785495760023],
  ]);
  close(b.grad, [
    [
      ...[0.07630265466757197, 0.01896281329578016],
      ...[-0.043850684983951484, -0.16893090272675562],
    ],
    [
      ...[-0.050032651118512704, -0.011664582958307041],
      ...[0.027375205207818838, 0.12319825829077687],
    ],
    [
      ...[-0.1763679569045974, -0.042291979212394235],
      ...[0.09860109539958915, 0.41532741930830935],
    ],
  ]);
  close(c.grad, [[
    ...[0.05128632910831562, 0.2974783293909544],
    ...[0.10138897257181237, 0.6772170586608226],
  ]]);
  close(d.grad, [[1], [1]]);
});

const entry = fc.double({ min: -1, max: 1, noNaN: true });
const matrix = (R: number, C: number) =>
  fc.array(fc.array(entry, { minLength: C, maxLength: C }), {
    minLength: R,
    maxLength: R,
  });
const size = fc.integer({ min: 1, max: 4 });

/** Mean cross-entropy of softmax, of operations alone. */
function crossEntropy(logits: Tensor, targets: number[]): Tensor {
  // A constant for each row: the gradient through it is 0.
  const max = logits.rows.map((row) => [-Math.max(...row)]);
  const shifted = logits.add(new Tensor(max));
  const oneHot = logits.rows.map((row, b) =>
    row.map((_, k) => (k === targets[b] ? -1 : 0) / targets.length)
  );
  const logTotal = log(exp(shifted).sum("row")).sum()
    .mul(new Tensor([[1 / targets.length]]));
  return shifted.mul(new Tensor(oneHot)).sum().add(logTotal);
}

Deno.test("gradients are those of the backward pass written by hand", () => {
  const problem = fc.tuple(size, size, size, fc.integer({ min: 2, max: 4 }))
    .chain(([B, N, H, K]) =>
      fc.tuple(
        fc.tuple(matrix(B, N), matrix(N, H), matrix(1, H)),
        fc.tuple(matrix(H, K), matrix(1, K)),
        fc.array(fc.nat({ max: K - 1 }), { minLength: B, maxLength: B }),
      )
    );
  fc.assert(
    fc.property(problem, ([[x, w1, b1], [w2, b2], targets]) => {
      const [first, second] = [new Affine(w1, b1[0]), new Affine(w2, b2[0])];
      const net = new Network([first, new Relu(), second]);
      const expected = net.forward(x, targets);
      const dx = net.backward();
      const leaves = [x, w1, b1, w2, b2].map(leaf);
      const [tx, tw1, tb1, tw2, tb2] = leaves;
      const logits = relu(tx.matmul(tw1).add(tb1)).matmul(tw2).add(tb2);
      const loss = crossEntropy(logits, targets);
      assertAlmostEquals(loss.rows[0][0], expected, 1e-14);
      loss.backward();
      close(tx.grad, dx);
      close(tw1.grad, first.dw);
      close(tb1.grad, [first.db]);
      close(tw2.grad, second.dw);
      close(tb2.grad, [second.db]);
    }),
    { seed: 7 },
  );
});

Deno.test("what was repeated gets the sum over its copies", () => {
  for (
    const [rows, grad] of [
      [[[2, 3, 4]], [[11, 22, 33]]],
      [[[2], [3]], [[6], [60]]],
      [[[2]], [[66]]],
      [[[2, 3, 4], [5, 6, 7]], [[1, 2, 3], [10, 20, 30]]],
    ]
  ) {
    const x = leaf(rows);
    const weights = new Tensor([[1, 2, 3], [10, 20, 30]]);
    // From both sides, and in a sum and a product.
    x.mul(weights).add(x.detach()).sum().backward();
    assertEquals(x.grad, grad);
    x.zeroGrad();
    weights.mul(x).sum().backward();
    assertEquals(x.grad, grad);
    x.zeroGrad();
    x.add(weights).sum().backward();
    const ones = weights.rows.flat().length / rows.flat().length;
    assertEquals(x.grad, rows.map((row) => row.map(() => ones)));
  }
});

Deno.test("a tensor that is used twice gets both gradients", () => {
  const x = leaf([[3, -2]]);
  x.mul(x).sum().backward();
  assertEquals(x.grad, [[6, -4]]);
  x.zeroGrad();
  const y = x.mul(x);
  y.add(y).add(x).sum().backward();
  assertEquals(x.grad, [[13, -7]]);
});

Deno.test("a second backward adds, and zeroGrad() begins anew", () => {
  const x = leaf([[3]]);
  const loss = x.mul(x).sum();
  loss.backward();
  loss.backward();
  assertEquals(x.grad, [[12]]);
  x.zeroGrad();
  assertEquals(x.grad, undefined);
  x.mul(new Tensor([[5]])).backward();
  assertEquals(x.grad, [[5]]);
});

Deno.test("backward on a leaf is 1, and constants get nothing", () => {
  const [x, c] = [leaf([[3]]), new Tensor([[4]])];
  x.backward();
  assertEquals(x.grad, [[1]]);
  x.zeroGrad();
  x.mul(c).backward();
  assertEquals([x.grad, c.grad], [[[4]], undefined]);
  assertEquals([x.requiresGrad, c.requiresGrad], [true, false]);
  assertEquals([x.mul(c).requiresGrad, c.mul(c).requiresGrad], [true, false]);
});

Deno.test("detach() stops, and does not share numbers", () => {
  const x = leaf([[3]]);
  x.mul(x.detach()).backward();
  assertEquals(x.grad, [[3]]);
  const copy = x.detach();
  copy.addInPlace(new Tensor([[1]]));
  assertEquals([x.rows, copy.rows, copy.requiresGrad], [[[3]], [[4]], false]);
});

Deno.test("noGrad() builds no graph, also if it is nested or throws", () => {
  const x = leaf([[3]]);
  const y = noGrad(() => {
    noGrad(() => x.mul(x));
    return x.mul(x);
  });
  assertEquals([y.rows, y.requiresGrad], [[[9]], false]);
  const stop = () => {
    throw new Error("stop");
  };
  assertThrows(() => noGrad(stop), Error, "stop");
  assert(x.mul(x).requiresGrad);
});

Deno.test("writing to what backward needs is an error, and changes no gradient", () => {
  const one = new Tensor([[1]]);
  for (
    const [name, make] of [
      ["a factor", (w: Tensor, x: Tensor) => x.mul(w)],
      ["the other factor", (w: Tensor, x: Tensor) => w.mul(x)],
      ["a matrix", (w: Tensor, x: Tensor) => w.matmul(x)],
      ["the other matrix", (w: Tensor, x: Tensor) => x.matmul(w)],
      ["what exp() was taken of", (w: Tensor, x: Tensor) => x.add(exp(w))],
    ] as const
  ) {
    const [w, x] = [leaf([[2]]), leaf([[3]])];
    const loss = make(w, x).add(x).sum();
    noGrad(() => w.addInPlace(one));
    assertThrows(
      () => loss.backward(),
      RangeError,
      "Cannot go back: a (1, 1) was overwritten",
      name,
    );
    assertEquals([w.grad, x.grad], [undefined, undefined], name);
  }
});

Deno.test("writing to what backward does not need changes nothing there", () => {
  const [x, c] = [leaf([[2]]), new Tensor([[5]])];
  const loss = x.add(c).sum();
  c.addInPlace(new Tensor([[1]]));
  noGrad(() => x.addInPlace(new Tensor([[1]])));
  loss.backward();
  assertEquals([loss.rows, x.grad, x.rows], [[[7]], [[1]], [[3]]]);
  const y = leaf([[1, 2]]);
  const sum = y.sum();
  noGrad(() => y.addInPlace(c));
  sum.backward();
  assertEquals(y.grad, [[1, 1]]);
});

Deno.test("what is added in place is repeated where it must be", () => {
  const x = new Tensor([[1, 2], [3, 4]]);
  x.addInPlace(new Tensor([[10, 20]]));
  x.addInPlace(new Tensor([[100], [200]]));
  x.addInPlace(x);
  assertEquals(x.rows, [[222, 244], [426, 448]]);
});

Deno.test("a row of 200,000 numbers is written to in place", () => {
  const x = new Tensor([new Array<number>(200_000).fill(1)]);
  x.addInPlace(new Tensor([[2]]));
  assertEquals([x.rows[0].length, x.rows[0][199_999]], [200_000, 3]);
});

Deno.test("a step of an optimiser in noGrad() lowers the loss", () => {
  const [w, x] = [leaf([[1], [-1]]), new Tensor([[1, 2], [3, -1]])];
  const losses = Array.from({ length: 20 }, () => {
    const error = x.matmul(w).add(new Tensor([[-2], [1]]));
    const loss = error.mul(error).sum();
    w.zeroGrad();
    loss.backward();
    const step = w.grad!.map((row) => row.map((g) => -0.04 * g));
    noGrad(() => w.addInPlace(new Tensor(step)));
    return loss.rows[0][0];
  });
  assert(losses.every((loss, i) => i === 0 || loss < losses[i - 1]));
  assert(losses[19] < 0.01 * losses[0], `${losses}`);
});

Deno.test("a chain of 100,000 operations does not exhaust the stack", () => {
  const [x, half] = [leaf([[1]]), new Tensor([[0.5]])];
  let y = x;
  for (let n = 0; n < 100_000; n++) y = y.add(half);
  y.backward();
  assertEquals([x.grad, y.rows], [[[1]], [[50_001]]]);
});

Deno.test("two ways of many forks are walked once a step", () => {
  const x = leaf([[1]]);
  let y = x;
  for (let n = 0; n < 60; n++) y = y.add(y);
  y.backward();
  assertEquals(x.grad, [[2 ** 60]]);
});

Deno.test("what does not fit, and what has no gradient, is an error that says why", () => {
  const x = leaf([[1, 2], [3, 4]]);
  for (
    const [call, line] of [
      [() => x.backward(), "Cannot go back from (2, 2): needs (1, 1)"],
      [() => x.detach().sum().backward(), "(1, 1): it requires no gradient"],
      [() => x.add(leaf([[1, 2, 3]])), "Cannot broadcast (2, 2) with (1, 3)"],
      [
        () => x.mul(leaf([[1], [2], [3]])),
        "Cannot broadcast (2, 2) with (3, 1)",
      ],
      [() => x.matmul(leaf([[1, 2]])), "Cannot multiply (2, 2) by (1, 2)"],
      [
        () => x.matmul(leaf([[1], [2], [3]])),
        "Cannot multiply (2, 2) by (3, 1)",
      ],
      [() => x.addInPlace(x.detach()), "Cannot write in place to the graph"],
      [() => x.detach().addInPlace(x), "Cannot write in place to the graph"],
      [() => new Tensor([]), "Cannot make a tensor: needs rows of one length"],
      [() => new Tensor([[]]), "Cannot make a tensor: needs rows"],
      [() => new Tensor([[1], [2, 3]]), "Cannot make a tensor: needs rows"],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
  assertThrows(
    () => new Tensor([[1], [2]]).addInPlace(x.detach()),
    RangeError,
    "Cannot write (2, 2) in place of (2, 1)",
  );
  assertThrows(
    () => noGrad(() => leaf([[1]]).addInPlace(x)),
    RangeError,
    "Cannot write (2, 2) in place of (1, 1)",
  );
});
