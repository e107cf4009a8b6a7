import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Floats,
  lehmer,
  type Matrix,
  matrix,
  type Multiply,
  prepare,
  referenceRow,
  toRows,
} from "./matrix.ts";
import {
  type Form,
  operations,
  STRASSEN,
  strassen,
  WINOGRAD,
} from "./strassen.ts";

/** By definition, entry after entry. */
const plain: Multiply = (a, b, out) => {
  const c = prepare(a, b, out);
  const [K, N] = [a.columns, b.columns];
  c.data.forEach((_, at) => {
    for (let k = 0; k < K; k++) {
      c.data[at] += a.data[Math.floor(at / N) * K + k] *
        b.data[k * N + at % N];
    }
  });
  return c;
};

function filled<T extends Floats>(
  rows: number,
  columns: number,
  data: T,
  entry: (i: number, j: number) => number,
): Matrix<T> {
  data.forEach((_, at) => {
    data[at] = entry(Math.floor(at / columns), at % columns);
  });
  return matrix(rows, columns, data);
}
const f64 = (
  rows: number,
  columns: number,
  entry: (i: number, j: number) => number,
) => filled(rows, columns, new Float64Array(rows * columns), entry);
const x = (i: number, j: number) => (7 * i + 3 * j) % 11 - 5;
const y = (i: number, j: number) => (5 * i + 2 * j * j) % 13 - 6;

/** Two matrices whose inner sizes agree, with entries from `entry`. */
const factors = (entry: fc.Arbitrary<number>, most = 40) => {
  const size = fc.integer({ min: 0, max: most });
  const of = (rows: number, columns: number) => {
    const length = rows * columns;
    return fc.array(entry, { minLength: length, maxLength: length })
      .map((entries) => matrix(rows, columns, Float64Array.from(entries)));
  };
  return fc.tuple(size, size, size)
    .chain(([M, K, N]) => fc.tuple(of(M, K), of(K, N)));
};
const cutoffs = fc.integer({ min: 1, max: 12 });

// numpy: a[i, j] = (7i + 3j) % 11 - 5, b[i, j] = (5i + 2j²) % 13 - 6, (a @ b).tolist()
Deno.test("strassen() of (3, 5) and (5, 7) is numpy's product, at every cut-off", () => {
  for (const cutoff of [1, 2, 3, 64]) {
    assertEquals(toRows(strassen(f64(3, 5, x), f64(5, 7, y), { cutoff })), [
      [16, 4, 33, -27, 19, -37, 13],
      [-26, -12, -35, 48, 16, -14, 23],
      [42, 38, -26, -20, -9, 20, -11],
    ]);
  }
});

Deno.test("strassen() puts each quarter of a and b where it belongs", () => {
  // one 1 in each: the product has one 1, or none
  for (let p = 0; p < 16; p++) {
    for (let q = 0; q < 16; q++) {
      const a = f64(4, 4, (i, j) => 4 * i + j === p ? 1 : 0);
      const b = f64(4, 4, (i, j) => 4 * i + j === q ? 1 : 0);
      const place = p % 4 === q >> 2 ? 4 * (p >> 2) + q % 4 : -1;
      const { data } = strassen(a, b, { cutoff: 1 });
      assertEquals(
        [...data],
        Array.from(data, (_, at) => at === place ? 1 : 0),
      );
    }
  }
});

const SHAPES: [name: string, ...[M: number, K: number, N: number][]][] = [
  ["one entry", [1, 1, 1]],
  ["primes", [13, 17, 19], [37, 2, 3], [5, 31, 7]],
  ["powers of two", [2, 2, 2], [16, 16, 16], [4, 8, 32]],
  ["powers of two and 1", [9, 17, 33], [33, 9, 17]],
  ["powers of two less 1", [7, 15, 31], [31, 31, 31]],
  ["an odd number of rows only", [5, 4, 4], [11, 8, 8]],
  ["an odd inner size only", [4, 5, 4], [8, 11, 8]],
  ["an odd number of columns only", [4, 4, 5], [8, 8, 11]],
  ["tall and flat", [97, 3, 2], [2, 3, 97], [2, 97, 3], [1, 50, 1], [
    50,
    1,
    50,
  ]],
  ["no inner entry: all zeros", [3, 0, 4]],
  ["no row, or no column", [0, 3, 4], [3, 4, 0], [0, 0, 0]],
];
for (const [name, ...shapes] of SHAPES) {
  Deno.test(`strassen() is the plain product for ${name}`, () => {
    for (const [M, K, N] of shapes) {
      const [a, b] = [f64(M, K, x), f64(K, N, y)];
      for (const cutoff of [1, 2, 3, 5, 64]) {
        assertEquals(strassen(a, b, { cutoff }), plain(a, b));
      }
    }
  });
}

Deno.test("strassen() of whole numbers is exactly the plain product, for any shape", () => {
  const entries = factors(fc.integer({ min: -9, max: 9 }));
  fc.assert(fc.property(entries, cutoffs, ([a, b], cutoff) => {
    assertEquals(strassen(a, b, { cutoff }), plain(a, b));
  }));
});

Deno.test("strassen() of small whole numbers is exact in f32, and stays f32", () => {
  // three levels make sums of 64 entries at most, so nothing reaches 2^24
  const entries = factors(fc.integer({ min: -3, max: 3 }));
  fc.assert(
    fc.property(entries, ([a, b]) => {
      const single = ({ rows, columns, data }: Matrix) =>
        matrix(rows, columns, Float32Array.from(data));
      const c = strassen(single(a), single(b), { cutoff: 8 });
      assertEquals(c, single(plain(a, b)));
    }),
    { numRuns: 30 },
  );
});

/**
 * Higham (2002), theorem 23.3: in Winograd's form an entry is off by less than
 * 18^levels · (k² + 6k) · u · max |a| · max |b|, with k entries in a row of the
 * plain products. The peeled parts are within it if k is all of K.
 */
function bound(a: Matrix, b: Matrix, cutoff: number, u: number): number {
  const K = a.columns;
  let levels = 0;
  for (let n = Math.min(a.rows, K, b.columns); n > cutoff; n >>= 1) levels++;
  const largest = ({ data }: Matrix) => Math.max(0, ...data.map(Math.abs));
  return 18 ** levels * (K ** 2 + 6 * K) * u * largest(a) * largest(b);
}

Deno.test("strassen() of real numbers is within Higham's bound of the reference", () => {
  const real = fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 7e8);
  fc.assert(
    fc.property(factors(real), cutoffs, ([a, b], cutoff) => {
      const limit = bound(a, b, cutoff, 2 ** -53);
      toRows(strassen(a, b, { cutoff })).forEach((row, i) => {
        const right = referenceRow(a, b, i);
        row.forEach((c, j) => assert(Math.abs(c - right[j]) <= limit));
      });
    }),
    { numRuns: 50 },
  );
});

Deno.test("strassen() in f32 rounds as f32 does: within its bound, beyond that of f64", () => {
  const wave = (i: number, j: number) => Math.sin(31 * i + j);
  const [a, b] = [0, 1].map((shift) =>
    filled(40, 40, new Float32Array(1600), (i, j) => wave(i + shift, j))
  );
  const c = strassen(a, b, { cutoff: 10 });
  const distances = toRows(c).flatMap((row, i) => {
    const right = referenceRow(a, b, i);
    return row.map((c, j) => Math.abs(c - right[j]));
  });
  const most = Math.max(...distances);
  assert(most <= bound(a, b, 10, 2 ** -24) && most > 1e-9, `${most}`);
});

Deno.test("a level of recursion costs accuracy: the error grows with the depth", () => {
  const n = 128;
  const uniform = lehmer(42);
  const random = () => uniform() - 0.5;
  const [a, b] = [f64(n, n, random), f64(n, n, random)];
  const right = Array.from({ length: n }, (_, i) => referenceRow(a, b, i));
  const errors = [128, 32, 4].map((cutoff) => {
    const rows = toRows(strassen(a, b, { cutoff }));
    return Math.hypot(
      ...rows.flatMap((row, i) => row.map((c, j) => c - right[i][j])),
    );
  });
  assert(errors[1] > 2 * errors[0] && errors[2] > 2 * errors[1], `${errors}`);
});

// A twin in Python on lists, Winograd's formulas from the textbook one by one, with
// a class of numbers that counts its products and its additions:
// M, K, N, cut-off, products, additions
const COUNTS: number[][] = [
  [2, 2, 2, 1, 7, 15],
  [16, 16, 16, 1, 2401, 10725],
  [64, 64, 64, 8, 175616, 242944],
  [3, 5, 7, 1, 99, 122],
  [13, 17, 19, 2, 3235, 6372],
  [31, 33, 32, 4, 23408, 38128],
  [40, 3, 9, 1, 1000, 1056],
  [7, 7, 7, 7, 343, 294],
  [15, 15, 15, 7, 3032, 3395],
];
for (const [M, K, N, cutoff, products, additions] of COUNTS) {
  Deno.test(`(${M}, ${K}) · (${K}, ${N}) with a cut-off of ${cutoff} takes ${products} products and ${additions} additions`, () => {
    const tally = { products: 0, additions: 0 };
    strassen(f64(M, K, x), f64(K, N, y), { cutoff, tally });
    assertEquals(tally, { products, additions });
    assertEquals(operations(M, K, N, cutoff), { products, additions });
  });
}

Deno.test("2^k takes 7^k products, and 7^k · c³ above a cut-off of c", () => {
  for (const [k, c] of [[1, 1], [3, 1], [5, 1], [1, 3], [2, 5], [4, 4]]) {
    const tally = { products: 0, additions: 0 };
    const n = c * 2 ** k;
    strassen(f64(n, n, x), f64(n, n, y), { cutoff: c, tally });
    assertEquals(tally.products, 7 ** k * c ** 3);
  }
});

Deno.test("the cut-off is 64 if none is given", () => {
  for (const n of [64, 66]) {
    const tally = { products: 0, additions: 0 };
    strassen(f64(n, n, x), f64(n, n, y), { tally });
    assertEquals(tally, operations(n, n, n, 64));
  }
});

Deno.test("the tally is added to what it holds, whoever makes the plain products", () => {
  const [a, b] = [f64(13, 17, x), f64(17, 19, y)];
  const tally = { products: 1000, additions: 2000 };
  strassen(a, b, { cutoff: 2, tally });
  assertEquals(tally, { products: 4235, additions: 8372 });
  strassen(a, b, { cutoff: 2, tally, base: plain });
  assertEquals(tally, { products: 7470, additions: 14744 });
});

Deno.test("operations() counts what strassen() does, for any shape", () => {
  const size = fc.integer({ min: 0, max: 40 });
  fc.assert(fc.property(size, size, size, cutoffs, (M, K, N, cutoff) => {
    const tally = { products: 0, additions: 0 };
    strassen(f64(M, K, x), f64(K, N, y), { cutoff, tally });
    assertEquals(tally, operations(M, K, N, cutoff));
  }));
});

// python3 -c "f = lambda n, c, q: n*n*(2*n-1) if n <= c else 7*f(n//2, c, q) + q*(n//2)**2
// print([round(f(1024, c, q) / f(1024, 1024, q), 6) for q in (15, 18) for c in (1, 4, 8, 16, 64)])"
const SHARES: [name: string, form: Form, shares: number[]][] = [
  ["Winograd's", WINOGRAD, [0.78717, 0.513223, 0.488667, 0.502699, 0.602353]],
  ["Strassen's", STRASSEN, [0.918283, 0.555706, 0.512734, 0.516242, 0.606446]],
];
for (const [name, form, shares] of SHARES) {
  Deno.test(`${name} form needs fewest operations at n = 1024 with a cut-off of 8`, () => {
    const flops = (cutoff: number) => {
      const { products, additions } = operations(
        1024,
        1024,
        1024,
        cutoff,
        form,
      );
      return products + additions;
    };
    [1, 4, 8, 16, 64].forEach((cutoff, i) => {
      const share = flops(cutoff) / flops(1024);
      assert(Math.abs(share - shares[i]) <= 5e-7, `${cutoff}: ${share}`);
    });
  });
}

Deno.test("peeling 513 is cheap, padding it to 1024 would cost four plain products", () => {
  const products = (n: number) => operations(n, n, n, 64).products / 513 ** 3;
  assert(products(513) < 0.7 && products(1024) > 4);
});

Deno.test("a base makes seven products of halves a level, and the peeled ones", () => {
  const shapes: string[] = [];
  const base: Multiply = (a, b, out) => {
    shapes.push(`${a.rows} ${a.columns} ${b.columns}`);
    return plain(a, b, out);
  };
  const [a, b] = [f64(12, 12, x), f64(12, 12, y)];
  assertEquals(strassen(a, b, { cutoff: 3, base }), plain(a, b));
  assertEquals(shapes, Array(49).fill("3 3 3"));
  shapes.length = 0;
  const [odd, other] = [f64(5, 7, x), f64(7, 9, y)];
  assertEquals(strassen(odd, other, { cutoff: 4, base }), plain(odd, other));
  assertEquals(shapes, [...Array(7).fill("2 3 4"), "5 7 1", "1 7 8"]);
});

Deno.test("strassen() leaves a and b as they were, and takes one matrix for both", () => {
  const [a, b] = [f64(9, 9, x), f64(9, 9, y)];
  strassen(a, b, { cutoff: 1 });
  assertEquals([a, b], [f64(9, 9, x), f64(9, 9, y)]);
  assertEquals(strassen(a, a, { cutoff: 1 }), plain(a, a));
});

Deno.test("strassen() fills out, whatever was in it", () => {
  for (const [M, K, N] of [[5, 6, 7], [4, 0, 3], [8, 8, 8]]) {
    const [a, b] = [f64(M, K, x), f64(K, N, y)];
    const out = f64(M, N, () => NaN);
    assertEquals(strassen(a, b, { cutoff: 1, out }) === out, true);
    assertEquals(out, plain(a, b));
  }
});

// The twin in Python, a NaN in one entry of 2 × 2 and 1 elsewhere. By definition
// only a row or a column would be NaN.
const SPREAD: [factor: "a" | "b", place: number, nan: number[]][] = [
  ["a", 0, [0, 1, 2, 3]],
  ["a", 1, [0, 1]],
  ["a", 2, [1, 2, 3]],
  ["a", 3, [1, 2, 3]],
  ["b", 0, [0, 1, 2, 3]],
  ["b", 1, [1, 2, 3]],
  ["b", 2, [0, 2]],
  ["b", 3, [1, 2, 3]],
];
for (const [factor, place, nan] of SPREAD) {
  Deno.test(`a NaN at ${place} of ${factor} spreads to ${nan} of the product`, () => {
    const ones = f64(2, 2, () => 1);
    const one = f64(2, 2, (i, j) => 2 * i + j === place ? NaN : 1);
    const [a, b] = factor === "a" ? [one, ones] : [ones, one];
    const { data } = strassen(a, b, { cutoff: 1 });
    assertEquals(
      [...data],
      [0, 1, 2, 3].map((at) => nan.includes(at) ? NaN : 2),
    );
  });
}

Deno.test("Infinity becomes NaN where it is taken from itself", () => {
  const a = matrix(2, 2, Float64Array.of(Infinity, 1, 1, 1));
  const ones = f64(2, 2, () => 1);
  assertEquals([...plain(a, ones).data], [Infinity, Infinity, 2, 2]);
  const { data } = strassen(a, ones, { cutoff: 1 });
  assertEquals([...data], [Infinity, NaN, NaN, NaN]); // the twin in Python
});

Deno.test("strassen() below its cut-off leaves NaN and Infinity where they belong", () => {
  const a = matrix(2, 2, Float64Array.of(0, 1, 2, 3));
  const b = matrix(2, 2, Float64Array.of(NaN, 1, 1, -Infinity));
  assertEquals([...strassen(a, b).data], [NaN, -Infinity, NaN, -Infinity]);
});

Deno.test("no entry that is not finite by definition becomes finite", () => {
  const entry = fc.oneof(
    { weight: 40, arbitrary: fc.integer({ min: -9, max: 9 }) },
    { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity) },
  );
  fc.assert(fc.property(factors(entry, 12), cutoffs, ([a, b], cutoff) => {
    const { data } = strassen(a, b, { cutoff });
    plain(a, b).data.forEach((right, at) => {
      assert(Number.isFinite(right) || !Number.isFinite(data[at]));
      assert(!Number.isFinite(data[at]) || data[at] === right);
    });
  }));
});

for (const cutoff of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
  Deno.test(`a cut-off of ${cutoff} is refused`, () => {
    const a = f64(2, 2, x);
    const message =
      `Cannot multiply with a cut-off of ${cutoff}: needs a whole`;
    assertThrows(() => strassen(a, a, { cutoff }), RangeError, message);
    assertThrows(() => operations(2, 2, 2, cutoff), RangeError, message);
  });
}

Deno.test("sizes that do not fit, an out in the way and mixed kinds are refused", () => {
  const [a, b] = [f64(4, 4, x), f64(4, 4, y)];
  const refused = (out: Matrix<Float64Array>, message: string) =>
    assertThrows(() => strassen(a, b, { cutoff: 1, out }), RangeError, message);
  assertThrows(() => strassen(f64(2, 3, x), b), RangeError, "3 and 4 differ");
  refused(f64(4, 5, y), "the product is (4, 4), out is (4, 5)");
  refused(a, "out shares its memory");
  refused(b, "out shares its memory");
  const memory = new Float64Array(24);
  const [left, right] = [memory.subarray(0, 16), memory.subarray(8)];
  const out = matrix(4, 4, right);
  assertThrows(
    () => strassen(matrix(4, 4, left), b, { out }),
    RangeError,
    "out shares its memory",
  );
  const single: Matrix = matrix(4, 4, new Float32Array(16));
  assertThrows(() => strassen(a as Matrix, single), TypeError, "Float32Array");
  assertEquals([a, b], [f64(4, 4, x), f64(4, 4, y)]);
});
