import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Affine, type Matrix, Network, Relu, SoftmaxLoss } from "./backprop.ts";

// Goldens, by automatic differentiation:
// python3 -c "
// import jax, jax.numpy as np
// jax.config.update('jax_enable_x64', True)
// f = lambda k, *s: (np.arange(np.prod(np.array(s))) * k % 17 / 8. - 1).reshape(s)
// x, w1, b1, w2, b2, y = f(5, 4, 3), f(7, 3, 5), f(3, 5), f(11, 5, 2), f(6, 2), np.array([1, 0, 1, 1])
// def loss(x, w1, b1, w2, b2):
//     z = jax.nn.relu(x @ w1 + b1) @ w2 + b2
//     return -jax.nn.log_softmax(z)[np.arange(4), y].mean()
// print(loss(x, w1, b1, w2, b2))
// for g in jax.grad(loss, range(5))(x, w1, b1, w2, b2): print(g.tolist())"
const fill = (k: number, B: number, N: number) =>
  Array.from(
    { length: B },
    (_, b) => Array.from({ length: N }, (_, n) => (b * N + n) * k % 17 / 8 - 1),
  );
const X = fill(5, 4, 3);
const TARGETS = [1, 0, 1, 1];
const [FIRST, SECOND] = [
  new Affine(fill(7, 3, 5), fill(3, 1, 5)[0]),
  new Affine(fill(11, 5, 2), fill(6, 1, 2)[0]),
];
// Sums of some ten products below 1: 1e−15.
const close = (a: Matrix, b: Matrix, tolerance = 1e-15) => {
  assertEquals(a.map((row) => row.length), b.map((row) => row.length));
  a.forEach((row, i) =>
    row.forEach((v, j) => assertAlmostEquals(v, b[i][j], tolerance))
  );
};

Deno.test("loss and all five gradients golden: sizes 4, 3, 5 and 2", () => {
  const net = new Network([FIRST, new Relu(), SECOND]);
  assertAlmostEquals(net.forward(X, TARGETS), 0.6714659069922485, 1e-15);
  close(net.backward(), [
    [0.04444665848906847, 0.021506447656000877, -0.001433763177066727],
    [0.10459160358792882, 0.13945547145057177, 0.17431933931321472],
    [-0.0694577589410323, -0.07555054481305269, -0.08164333068507307],
    [0.001994905515171865, -0.0013299370101145756, -0.004654779535401013],
  ]);
  close(FIRST.dw, [
    [
      ...[0.1261711595818718, 0, 0.011969433091031188],
      ...[-0.03226391726708054, 0.2812536293612577],
    ],
    [
      ...[0.04731418484320193, 0, 0.031918488242749836],
      ...[-0.07698713851217223, -0.09169348048594034],
    ],
    [
      ...[-0.03154278989546795, 0, -0.015959244121374918],
      ...[0.002582472031951796, 0.024524082163942394],
    ],
  ]);
  close([FIRST.db], [[
    ...[-0.1261711595818718, 0, 0.031918488242749836],
    ...[0.12731137687059843, -0.01301047647332828],
  ]]);
  close(SECOND.dw, [
    [0.012903868593600527, -0.012903868593600527],
    [0, 0],
    [0.01728918113148949, -0.017289181131489494],
    [0.0803605862352556, -0.08036058623525562],
    [-0.04977867918785552, 0.049778679187855515],
  ]);
  close([SECOND.db], [[0.009462164707875122, -0.009462164707875143]]);
  assertEquals(net.deltas.map((d) => [d.length, d[0].length]), [
    [4, 3],
    [4, 5],
    [4, 5],
    [4, 2],
  ]);
});

const entry = fc.double({ min: -1, max: 1, noNaN: true });
const matrix = (B: number, N: number) =>
  fc.array(fc.array(entry, { minLength: N, maxLength: N }), {
    minLength: B,
    maxLength: B,
  });
const problem = fc.tuple(
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 2, max: 4 }),
).chain(([B, N, H, K]) =>
  fc.record({
    x: matrix(B, N),
    w1: matrix(N, H),
    b1: matrix(1, H),
    w2: matrix(H, K),
    b2: matrix(1, K),
    targets: fc.array(fc.nat({ max: K - 1 }), { minLength: B, maxLength: B }),
  })
);
type Problem = typeof problem extends fc.Arbitrary<infer P> ? P : never;
const build = ({ w1, b1, w2, b2 }: Problem) => {
  const [first, second] = [new Affine(w1, b1[0]), new Affine(w2, b2[0])];
  return { first, second, net: new Network([first, new Relu(), second]) };
};

Deno.test("every gradient is what finite differences say", () => {
  fc.assert(
    fc.property(problem, (p) => {
      const { first, second, net } = build(p);
      // Not within a step of a kink, where there is no gradient.
      fc.pre(first.forward(p.x).flat().every((z) => Math.abs(z) > 1e-3));
      net.forward(p.x, p.targets);
      const dx = net.backward();
      const h = 1e-5;
      const differences = (key: "x" | "w1" | "b1" | "w2" | "b2") =>
        p[key].map((row, i) =>
          row.map((v, j) => {
            const [up, down] = [h, -h].map((d) => {
              const moved = { ...p, [key]: p[key].with(i, row.with(j, v + d)) };
              return build(moved).net.forward(moved.x, p.targets);
            });
            return (up - down) / (2 * h);
          })
        );
      // h² of a third derivative, and rounding: 1e−16 / h.
      close(dx, differences("x"), 1e-9);
      close(first.dw, differences("w1"), 1e-9);
      close([first.db], differences("b1"), 1e-9);
      close(second.dw, differences("w2"), 1e-9);
      close([second.db], differences("b2"), 1e-9);
    }),
    { seed: 7 },
  );
});

Deno.test("a batch has the mean of its rows' losses and gradients", () => {
  const net = new Network([FIRST, new Relu(), SECOND]);
  const loss = net.forward(X, TARGETS);
  net.backward();
  const [dw, db] = [FIRST.dw, SECOND.db];
  let mean = 0;
  let sum = dw.map((row) => row.map(() => 0));
  let sumB = db.map(() => 0);
  X.forEach((row, b) => {
    mean += net.forward([row], [TARGETS[b]]) / 4;
    net.backward();
    sum = sum.map((r, n) => r.map((v, m) => v + FIRST.dw[n][m] / 4));
    sumB = sumB.map((v, k) => v + SECOND.db[k] / 4);
  });
  assertAlmostEquals(loss, mean, 1e-15);
  close(dw, sum);
  close([db], [sumB]);
});

Deno.test("going back twice gives the same gradients, not twice as much", () => {
  const net = new Network([FIRST, new Relu(), SECOND]);
  net.forward(X, TARGETS);
  net.backward();
  const [dw, db] = [FIRST.dw, FIRST.db];
  net.backward();
  assertEquals([FIRST.dw, FIRST.db], [dw, db]);
  assertEquals(net.deltas.length, 4);
});

Deno.test("ReLU passes what is above 0, by its own input, and keeps NaN", () => {
  const relu = new Relu();
  const y = relu.forward([[-1, 0, 2], [3, -0.5, NaN]]);
  assertEquals(y, [[0, 0, 2], [3, 0, NaN]]);
  assertEquals(relu.backward([[5, 6, 7], [8, 9, 10]]), [[0, 0, 7], [8, 0, 0]]);
});

Deno.test("a bias is added to each row, and not to each column", () => {
  const layer = new Affine([[1, 0], [0, 1]], [10, 20]);
  assertEquals(layer.forward([[1, 2], [3, 4]]), [[11, 22], [13, 24]]);
});

Deno.test("logits of ±1000 cost what they must, and have gradients", () => {
  const loss = new SoftmaxLoss();
  assertEquals(loss.forward([[0, -800]], [1]), 800);
  assertEquals(loss.backward(), [[1, -1]]);
  assertEquals(loss.forward([[1000, 0], [-1000, 0]], [0, 1]), 0);
  assertEquals(loss.backward(), [[0, 0], [0, 0]]);
  assertEquals(loss.forward([[1e308, 1e308]], [0]), Math.LN2);
});

Deno.test("200,000 classes are not too many", () => {
  const loss = new SoftmaxLoss();
  const logits = new Array<number>(200_000).fill(0);
  // A sum of 200,000 ones is exact.
  assertEquals(loss.forward([logits], [7]), Math.log(200_000));
});

Deno.test("the gradient by the logits is share minus one-hot, over B", () => {
  const loss = new SoftmaxLoss();
  assertEquals(loss.forward([[0, 0], [0, 0]], [0, 1]), Math.LN2);
  assertEquals(loss.backward(), [[-0.25, 0.25], [0.25, -0.25]]);
});

Deno.test("inputs stay as they are", () => {
  const [x, w, b] = [[[1, 2]], [[3], [4]], [5]];
  const net = new Network([new Affine(w, b), new Relu()]);
  net.forward(x, [0]);
  net.backward();
  assertEquals([x, w, b], [[[1, 2]], [[3], [4]], [5]]);
});

Deno.test("sizes that differ, no rows and targets out of range are errors", () => {
  const layer = () => new Affine([[1], [2]], [0]);
  const loss = new SoftmaxLoss();
  for (
    const [call, line] of [
      [
        () => new Affine([[1, 2]], [0]),
        "Cannot use w: it has rows of 2, needs 1",
      ],
      [() => new Affine([], []), "Cannot use w: it has no rows, needs 0"],
      [() => layer().forward([[1]]), "Cannot use x: it has rows of 1, needs 2"],
      [() => layer().forward([]), "Cannot use x: it has no rows, needs 2"],
      [
        () => layer().backward([[1]]),
        "Cannot go back with 1 rows: forward had 0",
      ],
      [
        () => {
          const first = layer();
          first.forward([[1, 2], [3, 4]]);
          first.backward([[1]]);
        },
        "Cannot go back with 1 rows: forward had 2",
      ],
      [() => new Relu().backward([[1]]), "Cannot go back with 1 rows"],
      [
        () => {
          const relu = new Relu();
          relu.forward([[1, 2]]);
          relu.backward([[1, 2, 3]]);
        },
        "Cannot use dy: it has rows of 3, needs 2",
      ],
      [
        () => {
          const first = layer();
          first.forward([[1, 2]]);
          first.backward([[1, 2]]);
        },
        "Cannot use dy: it has rows of 2, needs 1",
      ],
      [() => loss.forward([], []), "Cannot score 0 rows, 0 targets"],
      [() => loss.forward([[1, 2]], [0, 1]), "Cannot score 1 rows, 2 targets"],
      [() => loss.forward([[1, 2]], [2]), "Cannot score row 0: target 2 of 2"],
      [
        () => loss.forward([[1, 2]], [-1]),
        "Cannot score row 0: target -1 of 2",
      ],
      [() => loss.forward([[1, 2]], [0.5]), "Cannot score row 0: target 0.5"],
    ] as const
  ) {
    assertThrows(call, RangeError, line);
  }
  assert(layer().forward([[1, 1]])[0][0] === 3);
});
