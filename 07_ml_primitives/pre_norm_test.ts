import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  type Block,
  forward,
  gradients,
  makeBlocks,
  savedBytes,
} from "./pre_norm.ts";
import { layerNorm, rmsNorm } from "./rms_norm.ts";

// Golden, from automatic differentiation (jax 0.10.2):
// python3 -c "
// import jax; jax.config.update('jax_enable_x64', True); import jax.numpy as np
// L, C = 3, 5; i = np.arange(C)
// w = [[np.sin(1 + 7 * i[:, None] + 3 * i + 2 * l + k) for k in (0, 1)]
//   for l in range(L)]
// x, dy = np.cos(i), np.cos(2 * i)
// norm = lambda v: v / np.sqrt((v ** 2).mean() + 1e-6)
// def loss(x, w, pre):
//   for up, down in w:
//     x = x + down @ jax.nn.relu(up @ (norm(x) if pre else x))
//     x = x if pre else norm(x)
//   return (norm(x) if pre else x) @ dy
// for pre in (True, False):
//   dx, dw = jax.grad(loss, (0, 1))(x, w, pre)
//   print(loss(x, w, pre), dx.tolist(), [np.linalg.norm(d) for _, d in dw])"
const GOLDEN = {
  "pre": {
    "loss": 0.24957965417446099,
    "dx": [
      1.1908616498933362,
      -0.5696103946591214,
      -0.8429070681478115,
      1.362667397200942,
      -0.17237126132207614,
    ],
    "down": [1.6651174883878646, 0.02601199248819836, 1.586527981760187],
  },
  "post": {
    "loss": 0.24470714250404568,
    "dx": [
      1.2476536190965388,
      -0.6080818574371356,
      -0.8486424942962492,
      1.369807026637706,
      -0.12825520935031698,
    ],
    "down": [1.2806121513533608, 0.0, 1.4977649626370197],
  },
};
const [L, C] = [3, 5];
const entries = Array.from({ length: C }, (_, i) => i);
const wave = (phase: number) =>
  entries.map((i) => entries.map((j) => Math.sin(1 + 7 * i + 3 * j + phase)));
const BLOCKS: Block[] = [0, 1, 2].map((l) => ({
  up: wave(2 * l),
  down: wave(2 * l + 1),
}));
const X = entries.map((i) => Math.cos(i));
const DY = entries.map((i) => Math.cos(2 * i));
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, v, i) => sum + v * b[i], 0);
// Three blocks round some dozens of times, and sin may differ in its last bit.
const close = (actual: readonly number[], expected: readonly number[]) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((e, i) => assertAlmostEquals(actual[i], e, 1e-12));
};

for (const placement of ["pre", "post"] as const) {
  const { loss, dx, down } = GOLDEN[placement];
  Deno.test(`forward() golden: ${placement}-norm`, () =>
    close([dot(forward(X, BLOCKS, placement), DY)], [loss]));

  Deno.test(`gradients() golden: ${placement}-norm`, () => {
    const found = gradients(X, BLOCKS, placement, DY);
    close(found.dx, dx);
    close(found.down, down);
  });
}

function normals(seed: number): () => number {
  let state = seed;
  const uniform = () => (state = state * 48271 % 2147483647) / 2147483647;
  return () =>
    Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
const vector = (width: number, normal: () => number) =>
  Array.from({ length: width }, normal);

Deno.test("both ends are normed: the result has mean square 1", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const normal = normals(seed);
      const blocks = makeBlocks(2, 8, normal);
      for (const placement of ["pre", "post"] as const) {
        const y = forward(vector(8, normal), blocks, placement);
        assertAlmostEquals(dot(y, y) / 8, 1, 1e-4);
      }
    }),
    { seed: 1, numRuns: 50 },
  );
});

/** Gradient norms of the first and of the last block, mean of 20 draws. */
function ends(placement: "pre" | "post", depth: number): [number, number] {
  const normal = normals(7);
  let [first, last] = [0, 0];
  for (let n = 0; n < 20; n++) {
    const blocks = makeBlocks(depth, 16, normal);
    const { down } = gradients(
      vector(16, normal),
      blocks,
      placement,
      vector(16, normal),
    );
    first += down[0] / 20;
    last += down[depth - 1] / 20;
  }
  return [first, last];
}

// A mean of 20 draws is some 10 % from its expectation; the bounds are 30 % wide.
Deno.test("the last gradient of pre-norm falls like 1/√L: by half from 6 to 24", () => {
  const ratio = ends("pre", 24)[1] / ends("pre", 6)[1];
  assert(ratio > 0.35 && ratio < 0.65, `it changed by a factor of ${ratio}`);
});

Deno.test("the last gradient of post-norm does not fall with depth", () => {
  const ratio = ends("post", 24)[1] / ends("post", 6)[1];
  assert(ratio > 0.7 && ratio < 1.3, `it changed by a factor of ${ratio}`);
});

Deno.test("the first gradient of post-norm does not vanish: over half the last at 24", () => {
  const [first, last] = ends("post", 24);
  assert(first / last > 0.5, `it is ${first / last} of the last`);
});

Deno.test("the first gradient of pre-norm is larger than its last", () => {
  const [first, last] = ends("pre", 24);
  assert(first / last > 2, `it is ${first / last} of the last`);
});

Deno.test("makeBlocks() keeps the variance: 2/C before relu, 1/C after", () => {
  const [{ up, down }] = makeBlocks(1, 64, normals(3));
  const variance = (w: Block["up"]) =>
    dot(w.flat(), w.flat()) / w.flat().length;
  // 4096 squares of normals: their mean is within √(2/4096) = 2 %, 5 σ are 11 %.
  assertAlmostEquals(variance(up) * 64, 2, 0.22);
  assertAlmostEquals(variance(down) * 64, 1, 0.11);
});

Deno.test("savedBytes() counts what rmsNorm() and layerNorm() really save", () => {
  const x = [[1, 2, 3, 5, 8], [2, 3, 5, 7, 11], [1, 4, 9, 16, 25]];
  const one = [1, 1, 1, 1, 1];
  for (const { saved } of [rmsNorm(x, one), layerNorm(x, one, one)]) {
    const bytes = 2 * saved.xhat.flat().length + 4 * saved.scale.length;
    assertEquals(savedBytes(3, 5, ["xhat"]), bytes);
  }
});

Deno.test("savedBytes(): only the statistics where the stream holds x", () => {
  assertEquals(savedBytes(4096, 4096, []), 16_384);
  assertEquals(savedBytes(4096, 4096, [], { statistics: 2 }), 32_768);
  assertEquals(savedBytes(4096, 4096, ["x"]), 33_570_816);
  assertEquals(savedBytes(7, 3, ["xhat", "y"], { bytes: 4 }), 196);
  assertEquals(savedBytes(0, 3, ["x"]), 0);
});

Deno.test("x, dy and the weights are left unchanged", () => {
  const before = JSON.stringify([X, DY, BLOCKS]);
  gradients(X, BLOCKS, "pre", DY), gradients(X, BLOCKS, "post", DY);
  assertEquals(JSON.stringify([X, DY, BLOCKS]), before);
  assertEquals(gradients(X, BLOCKS, "pre", DY).down.length, L);
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  ["no block", () => forward(X, [], "pre"), "Cannot run 0 blocks: needs 1"],
  [
    "an x of another width",
    () => gradients([1, 2], BLOCKS, "post", DY),
    "Cannot run blocks of 5 channels on x: it has 2",
  ],
  ["half a row", () => savedBytes(1.5, 4, ["x"]), "1.5 is no natural number"],
  ["negative C", () => savedBytes(1, -4, ["x"]), "-4 is no natural number"],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
