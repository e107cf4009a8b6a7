import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { pitchOf, unpad } from "./buffers.ts";
import type { Gpu } from "./device.ts";
import {
  groupsOf,
  launchProduct,
  multiply,
  type Sizes,
  type Way,
  way,
  WAYS,
} from "./matmul.ts";
import { gpuTests, lehmer, randomFloats, withoutBarriers } from "./testing.ts";
import { errorOf, type Floats, type Matrix, multiplyOnCpu } from "./tiling.ts";

const test = await gpuTests();
type Name = keyof typeof WAYS;
const NAMES = Object.keys(WAYS) as Name[];
/** Those that take b as (K, N) and f32. */
const PLAIN = ["naive", "tiled", "registers"] as const;
type Products = Matrix<Float32Array<ArrayBuffer>>[];

/** A matrix of numbers from −1 to 1, in the way's kind of floats. */
function randomMatrix(
  rows: number,
  columns: number,
  random: () => number,
  name: Name = "naive",
): Matrix {
  const data = randomFloats(rows * columns, random);
  const Kind = name === "half" ? Float16Array : Float32Array;
  return { rows, columns, data: Kind.from(data) };
}

function transpose({ rows, columns, data }: Matrix): Matrix {
  const turned = data.slice();
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      turned[j * rows + i] = data[i * columns + j];
    }
  }
  return { rows: columns, columns: rows, data: turned };
}

/** Several matrices of one size, as they lie in memory: one below the other. */
function stack(matrices: Matrix[]): Matrix {
  const [{ columns, rows }] = matrices;
  const all = matrices.flatMap(({ data }) => [...data]);
  const data = matrices[0].data.constructor === Float16Array
    ? Float16Array.from(all)
    : Float32Array.from(all);
  return { rows: rows * matrices.length, columns, data };
}

/** Multiplies a[i] by b[i / share] in one launch; b is turned if the way wants it. */
async function products(
  gpu: Gpu,
  name: Name,
  a: Matrix[],
  b: Matrix[],
  way: Way = WAYS[name],
): Promise<Products> {
  const [batch, share] = [a.length, a.length / b.length];
  const [M, K, N] = [a[0].rows, a[0].columns, b[0].columns];
  const [left, right] = [
    stack(a),
    stack(name === "transposed" ? b.map(transpose) : b),
  ];
  using memory = gpu.memory();
  const end = batch * M * pitchOf(N);
  const c = await memory.empty(4 * (end + 8)); // NaN beyond the end, which must stay
  const sizes = { M, K, N, batch, share };
  const launch = await launchProduct(gpu, memory, way, sizes, [
    await memory.uploadRows(left.data, left.columns),
    await memory.uploadRows(right.data, right.columns),
    c,
  ]);
  await gpu.run(launch);
  const [padded] = await gpu.read(c);
  assert(padded.subarray(end).every(Number.isNaN), "it writes beyond the end");
  const data = unpad(padded, batch * M, N);
  return a.map((_, i) => ({
    ...{ rows: M, columns: N },
    data: data.slice(i * M * N, (i + 1) * M * N),
  }));
}

/** A test of each way that this GPU can go. */
function testWays(
  name: string,
  fn: (gpu: Gpu, name: Name) => Promise<void>,
  names: readonly Name[] = NAMES,
  on?: "software",
): void {
  for (const way of names) {
    test(`${way}: ${name}`, (gpu) => fn(gpu, way), way === "half" ? "f16" : on);
  }
}

test("a product is NumPy's product", async (gpu) => {
  // python3 -c "import numpy as np; a = np.arange(6).reshape(2, 3) / 4 - 0.5;
  // b = 1.5 - np.arange(15).reshape(3, 5) / 8; print((a @ b).ravel().tolist())"
  const a = Float32Array.from({ length: 6 }, (_, i) => i / 4 - 0.5);
  const b = Float32Array.from({ length: 15 }, (_, i) => 1.5 - i / 8);
  const right = [
    -0.96875,
    -0.875,
    -0.78125,
    -0.6875,
    -0.59375,
    1.0,
    0.8125,
    0.625,
    0.4375,
    0.25,
  ];
  for (const name of PLAIN) {
    const c = await multiply(
      gpu,
      { rows: 2, columns: 3, data: a },
      { rows: 3, columns: 5, data: b },
      WAYS[name],
    );
    assertEquals({ ...c, data: [...c.data] }, {
      rows: 2,
      columns: 5,
      data: right,
    });
  }
});

/** 1, primes, and about a tile of 16 and of 128, all different. */
const SIZES = [
  [1, 1, 1],
  [3, 1, 2],
  [16, 15, 17],
  [17, 16, 15],
  [127, 11, 129],
  [129, 13, 127],
  [130, 48, 2],
  [5, 33, 131],
];
testWays(
  "sizes of 1, of primes, of a tile and of one more or less",
  async (gpu, name) => {
    const random = lehmer(42);
    for (const [M, K, N] of SIZES) {
      const a = randomMatrix(M, K, random, name);
      const b = randomMatrix(K, N, random, name);
      const [c] = await products(gpu, name, [a], [b]);
      const error = errorOf(a, b, c);
      assert(error <= 1, `(${M}, ${K}) by (${K}, ${N}): error ${error}`);
    }
  },
);

test("any size in any way is the product in f64, within K roundings", async (gpu) => {
  const size = fc.integer({ min: 1, max: 40 });
  const names = fc.constantFrom(...NAMES.filter((name) => name !== "half"));
  const cases = fc.record({ name: names, M: size, K: size, N: size });
  const random = lehmer(43);
  await fc.assert(
    fc.asyncProperty(cases, async ({ name, M, K, N }) => {
      const [a, b] = [randomMatrix(M, K, random), randomMatrix(K, N, random)];
      const [c] = await products(gpu, name, [a], [b]);
      assert(errorOf(a, b, c) <= 1);
    }),
    { numRuns: 12 },
  );
});

testWays("of a batch, several products share a b", async (gpu, name) => {
  const random = lehmer(7);
  const [M, K, N] = [19, 21, 18];
  const a = Array.from({ length: 6 }, () => randomMatrix(M, K, random, name));
  const b = Array.from({ length: 2 }, () => randomMatrix(K, N, random, name));
  const c = await products(gpu, name, a, b);
  c.forEach((product, i) => {
    const error = errorOf(a[i], b[Math.floor(i / 3)], product);
    assert(error <= 1, `product ${i}: error ${error}`);
  });
});

testWays("a size of 0 makes nothing, or zeros", async (gpu, name) => {
  const random = lehmer(1);
  for (const [M, K, N] of [[0, 3, 2], [2, 3, 0], [5, 0, 3], [0, 0, 0]]) {
    const a = randomMatrix(M, K, random, name);
    const b = randomMatrix(K, N, random, name);
    const [c] = await products(gpu, name, [a], [b]);
    assertEquals([...c.data], new Array(M * N).fill(0));
  }
});

testWays(
  "NaN and Infinity spoil their row or column, and no more",
  async (gpu, name) => {
    const random = () => 0.75; // so that no sum is Infinity − Infinity
    const a = randomMatrix(20, 6, random, name);
    const b = randomMatrix(6, 21, random, name);
    a.data[3 * 6 + 5] = NaN;
    b.data[5 * 21 + 17] = Infinity;
    const [{ data }] = await products(gpu, name, [a], [b]);
    const right = multiplyOnCpu(a, b).data;
    assertEquals(right.filter(Number.isNaN).length, 21);
    assertEquals(right.filter((x) => x === Infinity).length, 19);
    assertEquals(data, right);
  },
);

testWays("ten runs give the same bits", async (gpu, name) => {
  const random = lehmer(11);
  const a = [randomMatrix(33, 70, random, name)];
  const b = [randomMatrix(70, 35, random, name)];
  const [first] = await products(gpu, name, a, b);
  for (let i = 1; i < 10; i++) {
    assertEquals((await products(gpu, name, a, b))[0].data, first.data);
  }
});

testWays("tiles of other sizes give the same bits", async (gpu, name) => {
  const random = lehmer(13);
  const a = [randomMatrix(37, 41, random, name)];
  const b = [randomMatrix(41, 43, random, name)];
  const [right] = await products(gpu, name, a, b);
  const { code, constants } = WAYS[name];
  const others: Record<string, number>[] = constants.SIDE
    ? [{ SIDE: 8 }, { SIDE: 1 }, { SIDE: 5 }]
    : [
      { X: 8, Y: 16, DEPTH: 4 },
      { X: 16, Y: 4, DEPTH: 2 },
      { X: 3, Y: 5, DEPTH: 1 },
    ];
  for (const other of others) {
    const [c] = await products(gpu, name, a, b, way(code, other));
    assertEquals(c.data, right.data);
  }
});

testWays("more than 65,535 workgroups", async (gpu, name) => {
  const smallest = way(
    WAYS[name].code,
    WAYS[name].constants.SIDE ? { SIDE: 1 } : { X: 1, Y: 1, DEPTH: 1 },
  );
  const [rows, columns] = smallest.tile;
  const [M, N] = [263 * rows, 251 * columns];
  assert(groupsOf(smallest, { M, K: 1, N }) > 65_535);
  const random = lehmer(17);
  const a = randomMatrix(M, 1, random, name);
  const b = randomMatrix(1, N, random, name);
  const [c] = await products(gpu, name, [a], [b], smallest);
  assert(errorOf(a, b, c) <= 1);
}, NAMES.filter((name) => name !== "half"));

testWays(
  "without one of its barriers the product is wrong",
  async (gpu, name) => {
    const random = lehmer(19);
    const a = [randomMatrix(70, 80, random, name)];
    const b = [randomMatrix(80, 75, random, name)];
    const { code, constants } = WAYS[name];
    const broken = withoutBarriers(code);
    assertEquals(broken.length, 2);
    for (const code of broken) {
      const [c] = await products(gpu, name, a, b, way(code, constants));
      assert(errorOf(a[0], b[0], c) > 1);
    }
  },
  NAMES.filter((name) => name !== "naive"),
  "software",
);

testWays(
  "the longest sum that is not refused is whole",
  async (gpu, name) => {
    let K = 2 ** 17;
    while (WAYS[name].iterations(K) > 65_535) K -= 16;
    const ones = (rows: number, columns: number) =>
      randomMatrix(rows, columns, () => 1, name);
    const [{ data }] = await products(gpu, name, [ones(1, K)], [ones(K, 1)]);
    assertEquals([...data], [K]);
  },
  NAMES,
  "software",
);

test("multiply() takes registers for f32, and half for f16", async (gpu) => {
  const random = lehmer(23);
  const [a, b] = [randomMatrix(9, 7, random), randomMatrix(7, 5, random)];
  const c = await multiply(gpu, a as Matrix<Float32Array>, b as typeof a);
  assertEquals(c.data, (await products(gpu, "registers", [a], [b]))[0].data);
  if (!gpu.half) return;
  const [x, y] = [a, b].map(({ data, ...sizes }) => ({
    ...sizes,
    data: Float16Array.from(data),
  }));
  assert(errorOf(x, y, await multiply(gpu, x, y)) <= 1);
});

test("multiply() takes b as (N, K) where the way is for a transposed b", async (gpu) => {
  const random = lehmer(23);
  const [a, b] = [randomMatrix(9, 7, random), randomMatrix(7, 5, random)];
  const c = await multiply(gpu, a, transpose(b), WAYS.transposed);
  assertEquals(c, await multiply(gpu, a, b, WAYS.registers));
});

test("multiply() leaves a and b, and no buffer", async (gpu) => {
  const random = lehmer(29);
  const [a, b] = [randomMatrix(3, 5, random), randomMatrix(5, 2, random)];
  const [x, y] = [a.data.slice(), b.data.slice()];
  const bytes = gpu.bytes;
  await multiply(gpu, a, b, WAYS.tiled);
  assertEquals([a.data, b.data, gpu.bytes], [x, y, bytes]);
  const broken = { ...WAYS.tiled, code: "fn main() {" };
  await assertRejects(() => multiply(gpu, a, b, broken), Error);
  assertEquals(gpu.bytes, bytes);
});

Deno.test("a way costs what its loops cost, counted", () => {
  // 2 numbers for each multiply-add of a tile; or a tile of a and a tile of b
  const costs: [Name, tile: number[], entries: number, reads: number][] = [
    ["naive", [16, 16], 1, 2 * 256 * 100],
    ["tiled", [16, 16], 1, 32 * 100],
    ["registers", [128, 128], 64, 256 * 100],
    ["half", [128, 128], 64, 256 * 100],
  ];
  for (const [name, ...cost] of costs) {
    const { tile, entries, reads } = WAYS[name];
    assertEquals([tile, entries, reads(100)], cost);
  }
  const narrow = way(WAYS.registers.code, { X: 8, Y: 16, DEPTH: 4 });
  assertEquals([...narrow.tile, narrow.reads(3)], [128, 64, 3 * 192]);
});

Deno.test("groupsOf() counts a tile at the edge as a whole one, for each product", () => {
  const cases: [Name, Sizes, groups: number][] = [
    ["naive", { M: 16, K: 9, N: 16 }, 1],
    ["naive", { M: 17, K: 9, N: 33 }, 6],
    ["tiled", { M: 17, K: 9, N: 33, batch: 5, share: 5 }, 30],
    ["registers", { M: 128, K: 9, N: 129 }, 2],
    ["transposed", { M: 1, K: 9, N: 1, batch: 3 }, 3],
    ["half", { M: 0, K: 9, N: 1 }, 0],
  ];
  for (const [name, sizes, groups] of cases) {
    assertEquals(groupsOf(WAYS[name], sizes), groups);
  }
  const narrow = way(WAYS.registers.code, { X: 8, Y: 4, DEPTH: 4 });
  assertEquals(groupsOf(narrow, { M: 33, K: 1, N: 65 }), 4);
});

/** Zeros, with as many entries as told, or as the sizes say. */
const zeros = (rows: number, columns: number, length = rows * columns) => ({
  ...{ rows, columns },
  data: new Float32Array(length) as Floats,
});
const half = { rows: 3, columns: 4, data: new Float16Array(12) };

test("what cannot be multiplied is refused with both facts", async (gpu) => {
  const cases: [Matrix, Matrix, Way, typeof RangeError, message: string][] = [
    [
      ...[zeros(2, 3), zeros(4, 5), WAYS.naive, RangeError] as const,
      "Cannot multiply a (2, 3) by b (4, 5): inner sizes 3 and 4 differ",
    ],
    [
      ...[zeros(2, 3, 5), zeros(3, 4), WAYS.naive, RangeError] as const,
      "Cannot multiply a (2, 3) by b (3, 4): (2, 3) are 6 entries, got 5",
    ],
    [
      ...[zeros(2, 3), zeros(3, 4, 13), WAYS.naive, RangeError] as const,
      "Cannot multiply a (2, 3) by b (3, 4): (3, 4) are 12 entries, got 13",
    ],
    [
      ...[zeros(2, 3), half, WAYS.tiled, TypeError] as const,
      "Cannot multiply a (2, 3) by b (3, 4): the kernel needs a Float32Array, got a Float16Array",
    ],
    [
      ...[zeros(2, 3), half, WAYS.half, TypeError] as const,
      "Cannot multiply a (2, 3) by b (3, 4): the kernel needs a Float16Array, got a Float32Array",
    ],
  ];
  for (const [a, b, way, errorClass, message] of cases) {
    const error = await assertRejects(
      () => multiply(gpu, a, b, way),
      errorClass,
    );
    assertEquals(error.message, message);
  }
});

Deno.test("f16 on a GPU without it is refused, before anything is allocated", async () => {
  const gpu = { half: false, name: "an old GPU" } as Gpu;
  const error = await assertRejects(
    () => multiply(gpu, { ...half, rows: 4, columns: 3 }, half),
    Error,
  );
  assertEquals(
    error.message,
    "Cannot multiply a (4, 3) by b (3, 4): an old GPU has no 16-bit floats; use f32",
  );
});
