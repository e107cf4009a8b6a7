import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { lehmer } from "./testing.ts";
import {
  blocksFor,
  H100,
  launch,
  matmul,
  type Order,
  type Product,
  strays,
  tripleLoop,
  waves,
} from "./threads.ts";

/** A product of whole numbers, so that every order of a sum is exact. */
function product(N: number, start = 0): Product {
  const random = lehmer(42);
  const numbers = () =>
    Float64Array.from({ length: N * N }, () => Math.floor(10 * random()) + 1);
  const c = new Float64Array(N * N).fill(start);
  return { N, a: numbers(), b: numbers(), c, writes: [] };
}

/** The global places of the threads, in the order in which they ran. */
function places(order: Order): string[] {
  const all: string[] = [];
  launch([2, 1], [2, 3], ({ blockIdx, threadIdx, blockDim }) => {
    const x = blockIdx.x * blockDim.x + threadIdx.x;
    all.push(`${x}${blockIdx.y * blockDim.y + threadIdx.y}`);
  }, order);
  return all;
}

const wrong = (x: Product, right: Product) =>
  x.c.filter((y, at) => y !== right.c[at]).length;

Deno.test("launch() does not swap x and y, or the block's index and the thread's", () => {
  const all: number[][] = [];
  launch([2, 3], [4, 5], ({ blockIdx, threadIdx, blockDim }) => {
    assertEquals(blockDim, { x: 4, y: 5 });
    all.push([blockIdx.x, blockIdx.y, threadIdx.x, threadIdx.y]);
  });
  const right: number[][] = [];
  for (const y of [0, 1, 2]) {
    for (const ty of [0, 1, 2, 3, 4]) {
      for (const x of [0, 1]) {
        for (const tx of [0, 1, 2, 3]) right.push([x, y, tx, ty]);
      }
    }
  }
  assertEquals(all, right);
});

Deno.test("launch() takes row after row, or column after column, not always the same", () => {
  const rows = "00 10 20 30 01 11 21 31 02 12 22 32";
  assertEquals(places("rows").join(" "), rows);
  const columns = "00 01 02 10 11 12 20 21 22 30 31 32";
  assertEquals(places("columns").join(" "), columns);
});

Deno.test("launch() in a shuffled order forgets no thread and runs none twice", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
    assertEquals(places(lehmer(seed)).sort(), places("columns"));
  }));
});

Deno.test("launch() shuffles every thread to every place, not only to some", () => {
  const random = lehmer(42);
  const seen = new Set<string>();
  for (let n = 0; n < 300; n++) {
    places(random).forEach((place, at) => seen.add(`${place} at ${at}`));
  }
  // One pair is missed by chance once in (12 / 11)^300 = 2e11 runs.
  assertEquals(seen.size, 12 * 12);
});

Deno.test("blocksFor() loses no entry at the edge and adds no empty block", () => {
  const table = [[1, 4, 1], [3, 4, 1], [4, 4, 1], [5, 4, 2], [8, 4, 2]];
  for (const [N, block, right] of table) {
    assertEquals(blocksFor(N, block), right);
  }
});

// python3 -c "
// N, B = 5, 4; G = -(-N // B); ts = [(i, j) for i in range(G*B) for j in range(G*B)]
// def wrong(order):
//   last = {i*N + j: (i, j) for i, j in order}
//   return sum(last[i*N + j] != (i, j) for i in range(N) for j in range(N))
// print(len(ts), sum(i*N + j >= N*N for i, j in ts),
//   sum(i*N + j < N*N and (i*N + j)//N != i for i, j in ts),
//   wrong(ts), wrong(sorted(ts, key=lambda t: t[::-1])))"
const PYTHON = [64, 27, 12, 0, 12];

Deno.test("matmul() without the check goes astray as Python's arithmetic says", () => {
  const right = product(5);
  tripleLoop(right);
  const [rows, columns] = [product(5), product(5)];
  launch([2, 2], [4, 4], matmul(rows, false), "rows");
  launch([2, 2], [4, 4], matmul(columns, false), "columns");
  assertEquals([
    rows.writes.length,
    strays(rows).past,
    strays(rows).row,
    wrong(rows, right),
    wrong(columns, right),
  ], PYTHON);
  assertEquals(strays(columns), strays(rows));
});

Deno.test("matmul() is not numpy's a @ b, if rows and columns are mixed up", () => {
  // python3 -c "import numpy as np; a = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 10]])
  // b = np.array([[2, -1, 0], [5, 3, 1], [-4, 6, 9]]); print((a @ b).ravel().tolist())"
  const [a, b] = [
    Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 10),
    Float64Array.of(2, -1, 0, 5, 3, 1, -4, 6, 9),
  ];
  const numpy = [0, 23, 29, 9, 47, 59, 14, 77, 98];
  const x = { N: 3, a, b, c: new Float64Array(9), writes: [] };
  launch([1, 1], [3, 3], matmul(x));
  assertEquals([...x.c], numpy);
  const loop = { ...x, c: new Float64Array(9) };
  tripleLoop(loop);
  assertEquals([...loop.c], numpy);
});

Deno.test("matmul() with the check depends on no order, no block and no old numbers in c", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 5 }),
    fc.constantFrom("rows" as const, "columns" as const, lehmer(7)),
    (N, X, Y, order) => {
      const [x, right] = [product(N, NaN), product(N)];
      tripleLoop(right);
      launch([blocksFor(N, X), blocksFor(N, Y)], [X, Y], matmul(x), order);
      assertEquals(x.c, right.c);
      assertEquals(strays(x), { past: 0, row: 0 });
      assertEquals(x.writes.length, N * N);
    },
  ));
});

Deno.test("tripleLoop() adds to c where the kernel overwrites: they are not the same loop", () => {
  const [zeros, sevens, kernel] = [product(3), product(3, 7), product(3, 7)];
  tripleLoop(zeros);
  tripleLoop(sevens);
  launch([1, 1], [3, 3], matmul(kernel));
  assertEquals(sevens.c, zeros.c.map((x) => x + 7));
  assertEquals(kernel.c, zeros.c);
});

Deno.test("waves() of 4096² threads on an H100 are 63, not one", () => {
  // python3 -c "t = 4096**2; b = t//256; r = 132*(2048//256)
  // print(t, b, r, r*256, -(-b//r), (-b % r)/r)"
  const run = waves({ threads: 4096 ** 2, blockThreads: 256, ...H100 });
  assertEquals(
    [4096 ** 2, ...Object.values(run)],
    [16777216, 65536, 1056, 270336, 63, 0.9393939393939394],
  );
});

Deno.test("waves() forgets neither the limit of blocks nor that of whole warps", () => {
  const gpu = {
    processors: 3,
    residentThreads: 128,
    residentBlocks: 5,
    warp: 8,
  };
  // By hand: 9 threads take 2 warps, so 8 blocks fit, of which 5 may stay.
  const small = waves({ threads: 91, blockThreads: 9, ...gpu });
  assertEquals([small.blocks, small.residentBlocks, small.waves], [11, 15, 1]);
  assertEquals(small.idle, 4 / 15);
  // 41 take 6 warps, 48 places: 2 blocks fit, where 3 would fit into 41 places each.
  const large = waves({ threads: 361, blockThreads: 41, ...gpu });
  assertEquals([large.residentBlocks, large.residentThreads], [6, 246]);
  assertEquals([large.blocks, large.waves, large.idle], [9, 2, 0.5]);
});

Deno.test("waves() has no idle place if the blocks come out even", () => {
  const run = waves({ threads: 2 * 132 * 2048, blockThreads: 1024, ...H100 });
  assertEquals([run.waves, run.idle], [2, 0]);
});

Deno.test("sizes that are no whole numbers, or too large, are not taken", () => {
  const none = () => {};
  for (const size of [0, -1, 1.5, NaN, Infinity]) {
    const message = `is ${size}, no whole number from 1`;
    for (
      const run of [
        () => launch([size, 1], [1, 1], none),
        () => launch([1, size], [1, 1], none),
        () => launch([1, 1], [size, 1], none),
        () => launch([1, 1], [1, size], none),
        () => blocksFor(size, 1),
        () => blocksFor(1, size),
        () => waves({ threads: size, blockThreads: 1, ...H100 }),
        () => waves({ threads: 1, blockThreads: 1, ...H100, warp: size }),
      ]
    ) assertThrows(run, RangeError, message);
  }
  assertThrows(
    () => launch([1, 1], [25, 41], none),
    RangeError,
    "Cannot launch 1,1 blocks of 25,41 threads: 1025 are above 1024",
  );
  let calls = 0;
  launch([1, 1], [32, 32], () => calls++);
  assertEquals(calls, 1024);
  assertThrows(
    () => waves({ threads: 9, blockThreads: 2049, ...H100 }),
    RangeError,
    "Cannot run blocks of 2049 threads: each takes 2080 places, and a processor has 2048",
  );
  assert(waves({ threads: 9, blockThreads: 2048, ...H100 }).waves === 1);
});
