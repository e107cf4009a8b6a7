import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  multiplyIjk,
  multiplyIkj,
  multiplyPacked,
  multiplyTiled,
} from "./blocked.ts";
import { matmul } from "./matmul.ts";
import {
  largestError,
  lehmer,
  matrix,
  type Multiply,
  randomMatrix,
  toRows,
} from "./matrix.ts";

const forms: Record<string, Multiply> = {
  multiplyIjk,
  multiplyIkj,
  multiplyTiled,
  "multiplyTiled of 3": (a, b, out) => multiplyTiled(a, b, out, 3),
  multiplyPacked,
};
/** From 0.5 to 1.5: randomMatrix() takes off a half, and no sum cancels. */
const uniform = lehmer(1);
const random = () => 0.5 + uniform();

/** M, K, N: one, primes, tiles ± 1, tall, flat, beyond a panel of 256. */
const SHAPES = [
  ...[[1, 1, 1], [2, 3, 5], [3, 4, 3], [4, 3, 4], [5, 2, 7], [7, 11, 13]],
  ...[[8, 8, 9], [9, 257, 8], [3, 255, 4], [4, 256, 3], [1, 600, 1]],
  ...[[97, 2, 1], [1, 2, 97], [31, 1, 37], [129, 130, 131]],
];

for (const [name, multiply] of Object.entries(forms)) {
  Deno.test(`${name}() is the triple loop, exactly, in whole numbers`, () => {
    const size = fc.integer({ min: 1, max: 12 });
    fc.assert(fc.property(size, size, size, fc.nat(), (M, K, N, seed) => {
      let x = seed % 100 + 1;
      const next = () => (x = x * 37 % 101) % 19 - 9 + 0.5;
      const a = randomMatrix(M, K, new Float64Array(), next);
      const b = randomMatrix(K, N, new Float64Array(), next);
      assertEquals(toRows(multiply(a, b)), matmul(toRows(a), toRows(b)));
    }));
  });

  for (const like of [new Float32Array(), new Float64Array()]) {
    const kind = like.constructor.name;
    Deno.test(`${name}() of ${kind} is right for every shape`, () => {
      for (const [M, K, N] of SHAPES) {
        const a = randomMatrix(M, K, like, random);
        const b = randomMatrix(K, N, like, random);
        const c = multiply(a, b);
        assert(c.data.constructor === like.constructor);
        // K products and K sums of positive numbers, each rounded once
        const unit = like instanceof Float32Array ? 2 ** -24 : 2 ** -53;
        const error = largestError(a, b, c);
        assert(
          error <= (K + 1) * unit,
          `${[M, K, N]}: ${error}`,
        );
      }
    });
  }

  Deno.test(`${name}() of sizes of 0 is empty, or zeros`, () => {
    for (const [M, K, N] of [[0, 3, 2], [2, 3, 0], [0, 0, 0]]) {
      const make = (rows: number, columns: number) =>
        randomMatrix(rows, columns, new Float64Array(), random);
      const { rows, columns, data } = multiply(make(M, K), make(K, N));
      assertEquals([rows, columns, data.length], [M, N, 0]);
    }
    const [a, b] = [[2, 0], [0, 3]].map(([rows, columns]) =>
      matrix(rows, columns, new Float64Array())
    );
    const out = matrix(2, 3, new Float64Array(6).fill(7));
    assertEquals([...multiply(a, b, out).data], [0, 0, 0, 0, 0, 0]);
  });

  Deno.test(`${name}() writes over what is in out, and nowhere else`, () => {
    const [a, b] = [
      randomMatrix(5, 7, new Float64Array(), random),
      randomMatrix(7, 4, new Float64Array(), random),
    ];
    const buffer = new Float64Array(30).fill(9);
    const out = matrix(5, 4, buffer.subarray(5, 25));
    const before = [[...a.data], [...b.data]];
    assert(multiply(a, b, out) === out);
    assertEquals([...out.data], [...multiply(a, b).data]);
    assertEquals(
      [...buffer.subarray(0, 5), ...buffer.subarray(25)],
      new Array(10).fill(9),
    );
    assertEquals([[...a.data], [...b.data]], before);
  });

  Deno.test(`${name}() lets NaN and Infinity through, beside a zero too`, () => {
    const a = matrix(2, 2, Float64Array.of(0, 1, 1, 1));
    const b = matrix(2, 2, Float64Array.of(NaN, Infinity, 2, 3));
    assertEquals([...multiply(a, b).data], [NaN, NaN, NaN, Infinity]);
  });

  Deno.test(`${name}() refuses other sizes, and an out that is a`, () => {
    const a = matrix(2, 2, new Float64Array(4));
    const b = matrix(3, 2, new Float64Array(6));
    const message = "Cannot multiply a (2, 2) by b (3, 2): inner sizes 2 and 3";
    assertThrows(() => multiply(a, b), RangeError, message);
    assertThrows(() => multiply(a, a, a), RangeError, "shares its memory");
  });
}

Deno.test("multiplyTiled() is the same with every tile", () => {
  const a = randomMatrix(10, 9, new Float64Array(), random);
  const b = randomMatrix(9, 11, new Float64Array(), random);
  const right = multiplyIkj(a, b);
  for (let tile = 1; tile <= 12; tile++) {
    assertEquals(multiplyTiled(a, b, undefined, tile), right);
  }
});

for (const tile of [0, -1, 1.5, NaN, Infinity]) {
  Deno.test(`multiplyTiled() refuses tiles of ${tile}`, () => {
    const a = matrix(1, 1, new Float64Array(1));
    const message = `Cannot cut tiles of ${tile}: needs a whole number from 1`;
    assertThrows(
      () => multiplyTiled(a, a, undefined, tile),
      RangeError,
      message,
    );
  });
}
