import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  assembleKernel,
  createEngine,
  hasRelaxedMadd,
  type Kind,
} from "./kernel.ts";
import { matmul } from "./matmul.ts";
import {
  largestError,
  lehmer,
  matrix,
  randomMatrix,
  toRows,
  zeros,
} from "./matrix.ts";
import { engineOf, multiplyPart, multiplySimd } from "./simd.ts";

/** From 0.5 to 1.5: randomMatrix() takes off a half, and no sum cancels. */
const uniform = lehmer(1);
const random = () => 0.5 + uniform();

const KINDS: [kind: Kind, like: Float32Array | Float64Array, unit: number][] = [
  ["f32", new Float32Array(), 2 ** -24],
  ["f64", new Float64Array(), 2 ** -53],
];

/** M, K, N: one, primes, tiles of 6, 4 and 8 ± 1, blocks of 120, 256 and 1024 ± 1. */
const SHAPES = [
  ...[[1, 1, 1], [2, 3, 5], [5, 3, 7], [6, 4, 8], [7, 5, 9], [13, 11, 17]],
  ...[[1, 600, 1], [121, 2, 3], [119, 257, 5], [7, 255, 9], [3, 256, 4]],
  ...[[2, 3, 1025], [1, 2, 2049], [4081, 2, 3], [240, 513, 31]],
];

for (const [kind, like, unit] of KINDS) {
  for (const relaxed of [true, false]) {
    const name = `${kind} ${relaxed ? "with" : "without"} relaxed madd`;
    Deno.test({
      name: `multiplyPart() in ${name} is right for every shape, on one engine`,
      ignore: relaxed && !hasRelaxedMadd(),
      fn() {
        const engine = createEngine(assembleKernel(kind, relaxed));
        for (const [M, K, N] of SHAPES) {
          const [a, b] = [[M, K], [K, N]].map(([rows, columns]) =>
            randomMatrix(rows, columns, like, random)
          );
          const c = zeros(M, N, like);
          const all = { top: 0, bottom: M, left: 0, right: N };
          multiplyPart(engine, a.data, b.data, c.data, K, N, all);
          // K products and K sums of positive numbers, each rounded once
          const error = largestError(a, b, c);
          assert(error <= (K + 1) * unit, `${[M, K, N]}: ${error}`);
        }
      },
    });
  }

  Deno.test(`multiplySimd() in ${kind} is the triple loop, exactly, in whole numbers`, () => {
    const size = fc.integer({ min: 1, max: 20 });
    fc.assert(fc.property(size, size, size, fc.nat(), (M, K, N, seed) => {
      let x = seed % 100 + 1;
      const next = () => (x = x * 37 % 101) % 19 - 9 + 0.5;
      const a = randomMatrix(M, K, like, next);
      const b = randomMatrix(K, N, like, next);
      assertEquals(toRows(multiplySimd(a, b)), matmul(toRows(a), toRows(b)));
    }));
  });

  Deno.test(`multiplySimd() in ${kind} does not remember the product before`, () => {
    // Neither 45 nor 41 is whole in panels: what is behind them must not matter.
    const [a, b] = [[31, 45], [45, 41]].map(([rows, columns]) =>
      randomMatrix(rows, columns, like, random)
    );
    const before = multiplySimd(a, b);
    const bad = randomMatrix(300, 400, like, () => NaN);
    multiplySimd(bad, randomMatrix(400, 200, like, () => NaN));
    assertEquals(multiplySimd(a, b), before);
  });
}

Deno.test("multiplyPart() makes its part, and leaves all else", () => {
  const [a, b] = [[20, 9], [9, 30]].map(([rows, columns]) =>
    randomMatrix(rows, columns, new Float64Array(), random)
  );
  const engine = createEngine(assembleKernel("f64", hasRelaxedMadd()));
  const whole = multiplySimd(a, b);
  const c = matrix(20, 30, new Float64Array(600).fill(-1));
  const [top, bottom, left, right] = [3, 11, 7, 29];
  multiplyPart(engine, a.data, b.data, c.data, 9, 30, {
    top,
    bottom,
    left,
    right,
  });
  c.data.forEach((x, at) => {
    const [i, j] = [Math.floor(at / 30), at % 30];
    const inside = i >= top && i < bottom && j >= left && j < right;
    assertEquals(x, inside ? whole.data[at] : -1);
  });
});

Deno.test("multiplyPart() holds no more memory for a long K than for 256", () => {
  const engine = createEngine(assembleKernel("f32", hasRelaxedMadd()));
  const pages = (K: number) => {
    const all = { top: 0, bottom: 1, left: 0, right: 1 };
    const [a, b] = [new Float32Array(K).fill(1), new Float32Array(K).fill(1)];
    const c = new Float32Array(1);
    multiplyPart(engine, a, b, c, K, 1, all);
    assertEquals(c[0], K);
    return engine.memory.buffer.byteLength;
  };
  assertEquals(pages(256), pages(100_000));
});

Deno.test("multiplyPart() holds no more memory for many rows than for 4,080", () => {
  const engine = createEngine(assembleKernel("f64", hasRelaxedMadd()));
  const bytes = (M: number) => {
    const [a, b] = [new Float64Array(M).fill(1), Float64Array.of(2)];
    const c = new Float64Array(M);
    const all = { top: 0, bottom: M, left: 0, right: 1 };
    multiplyPart(engine, a, b, c, 1, 1, all);
    assert(c.every((x) => x === 2));
    return engine.memory.buffer.byteLength;
  };
  assertEquals(bytes(4080), bytes(100_000));
});

Deno.test("engineOf() makes one engine a kind, and keeps it", () => {
  assert(engineOf("f32") === engineOf("f32"));
  assert(engineOf("f32") !== engineOf("f64"));
});

Deno.test("multiplySimd() of sizes of 0 is empty, or zeros", () => {
  for (const [M, K, N] of [[0, 3, 2], [2, 3, 0], [0, 0, 0]]) {
    const [a, b] = [[M, K], [K, N]].map(([rows, columns]) =>
      randomMatrix(rows, columns, new Float64Array(), random)
    );
    const { rows, columns, data } = multiplySimd(a, b);
    assertEquals([rows, columns, data.length], [M, N, 0]);
  }
  const [a, b] = [[2, 0], [0, 3]].map(([rows, columns]) =>
    matrix(rows, columns, new Float64Array())
  );
  const out = matrix(2, 3, new Float64Array(6).fill(7));
  assertEquals([...multiplySimd(a, b, out).data], [0, 0, 0, 0, 0, 0]);
});

Deno.test("multiplySimd() lets NaN and Infinity through, and only where they belong", () => {
  const a = matrix(2, 2, Float64Array.of(0, 1, 1, 1));
  const b = matrix(2, 2, Float64Array.of(NaN, Infinity, 2, 3));
  assertEquals([...multiplySimd(a, b).data], [NaN, NaN, NaN, Infinity]);
  const single = matrix(2, 2, Float32Array.of(1, 0, 0, 1));
  const nan = matrix(2, 2, Float32Array.of(NaN, 1, 2, 3));
  assertEquals([...multiplySimd(nan, single).data], [NaN, NaN, 2, 3]);
});

Deno.test("multiplySimd() takes views into larger arrays", () => {
  const buffer = new Float32Array(40).map((_, i) => i);
  const a = matrix(3, 4, buffer.subarray(1, 13));
  const b = matrix(4, 2, buffer.subarray(20, 28));
  const out = matrix(3, 2, buffer.subarray(30, 36));
  const right = matmul(toRows(a), toRows(b));
  assertEquals(toRows(multiplySimd(a, b, out)), right);
  assertEquals([buffer[29], buffer[36]], [29, 36]);
});

Deno.test("multiplySimd() refuses other sizes, and an out that is a", () => {
  const a = matrix(2, 2, new Float32Array(4));
  const b = matrix(3, 2, new Float32Array(6));
  const message = "Cannot multiply a (2, 2) by b (3, 2): inner sizes 2 and 3";
  assertThrows(() => multiplySimd(a, b), RangeError, message);
  assertThrows(() => multiplySimd(a, a, a), RangeError, "shares its memory");
});
