import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Attention, LANES, randomAttention } from "./attention.ts";
import { attendTiled, flashTile, ROWS } from "./flash_attention.ts";
import {
  extraBytes,
  flashCost,
  measureAttention,
  measureProducts,
  naiveCosts,
  productCost,
  readSizes,
  table,
} from "./gpu.ts";
import { WAYS } from "./matmul.ts";
import { gpuTests, lehmer } from "./testing.ts";
import { multiplyOnCpu } from "./tiling.ts";

const test = await gpuTests();

/** All that the invocations of a kernel read, in numbers of f32. */
const allReads = (cost: { reads: number; invocations: number }) =>
  cost.reads * cost.invocations / 4;

Deno.test("a naive product reads two numbers a multiply-add: a quarter FLOP a byte", () => {
  const sizes = { M: 64, K: 40, N: 32 };
  const cost = productCost(WAYS.naive, sizes);
  assertEquals(cost.flop, 2 * 64 * 40 * 32);
  assertEquals(cost.invocations, 64 * 32);
  assertEquals(allReads(cost), 2 * 64 * 40 * 32);
  assertEquals(cost.writes, 4);
});

Deno.test("a tiled product reads what the twin counts", () => {
  for (const name of ["tiled", "registers"] as const) {
    const [M, K, N] = [256, 48, 128];
    const counter = { reads: 0 };
    const data = new Float32Array(M * N);
    multiplyOnCpu(
      { rows: M, columns: K, data: data.subarray(0, M * K) },
      { rows: K, columns: N, data: data.subarray(0, K * N) },
      WAYS[name].tile,
      16,
      counter,
    );
    assertEquals(allReads(productCost(WAYS[name], { M, K, N })), counter.reads);
  }
});

Deno.test("f16 halves the bytes that are read, not those that are written", () => {
  const sizes = { M: 128, K: 16, N: 128 };
  const [half, single] = [
    productCost(WAYS.half, sizes, 2),
    productCost(WAYS.registers, sizes),
  ];
  assertEquals(half.reads, single.reads / 2);
  assertEquals(half.writes, single.writes);
});

test("flash attention reads what its twin counts", (gpu) => {
  const N = 128;
  const x = randomAttention({ H: 2, N, D: 8 }, lehmer(1));
  const { X, Y } = flashTile(gpu, x.D);
  const counter = { reads: 0 };
  attendTiled(x, ROWS * Y, 4 * X, counter);
  const cost = flashCost(gpu, x);
  assertEquals(allReads(cost), counter.reads);
  assertEquals(cost.writes * cost.invocations / 4, 2 * N * 8);
});

Deno.test("naive attention writes and reads each score; both ways do the same FLOP", () => {
  const x = randomAttention({ N: 128, S: 256, D: 64 }, lehmer(1));
  const [scores, softmax, output] = naiveCosts(x);
  assertEquals(scores.writes * scores.invocations / 4, 128 * 256);
  assertEquals(allReads(softmax), 2 * 128 * 256);
  assertEquals(softmax.writes * LANES / 4, 256);
  assertEquals(scores.flop + output.flop, 4 * 128 * 256 * 64);
});

Deno.test("scores grow with the square of the length, log-sums with the length", () => {
  const bytes = (N: number) => extraBytes({ B: 1, H: 2, N, S: N } as Attention);
  assertEquals(bytes(4096).naive, 2 * (64 * 2 ** 20 + 4 * 4096));
  assertEquals(bytes(65536).flash, 2 * 4 * 65536);
  assertEquals(bytes(65536).flash / bytes(1024).flash, 64);
});

test("every kernel is measured: time, FLOP and bytes are there", async (gpu) => {
  const measured = [
    ...await measureProducts(gpu, 33, lehmer(2)),
    ...await measureAttention(
      gpu,
      randomAttention({ H: 2, G: 1, N: 40, D: 12, causal: true }, lehmer(3)),
    ),
  ];
  const names = measured.map(({ name }) => name.trim());
  assertEquals(names.filter((name) => name !== "matmul half"), [
    ...["matmul naive", "matmul tiled", "matmul registers"],
    ...["scores", "softmax", "output", "attention naive", "attention flash"],
  ]);
  for (const { name, ms, flop, reads, writes } of measured) {
    assert(!(ms <= 0) && reads > 0 && writes > 0, name);
    assert(flop > 0 || name === "  softmax", name);
  }
  const naive = measured.find(({ name }) => name === "attention naive")!;
  const flash = measured.find(({ name }) => name === "attention flash")!;
  assertEquals(naive.flop, flash.flop);
  const lines = table(measured, { gflops: 100, gbytes: 10 });
  assertEquals(lines.length, measured.length + 2);
  assert(lines.every((line) => line.length === lines[0].length));
});

test("a wrong result is not timed", async (gpu) => {
  const { read } = gpu;
  gpu.read = async (...buffers) => {
    const results = await read.call(gpu, ...buffers);
    results[0].fill(0.5);
    return results;
  };
  try {
    await assertRejects(
      () => measureProducts(gpu, 20, lehmer(4)),
      Error,
      "naive is wrong by",
    );
    await assertRejects(
      () => measureAttention(gpu, randomAttention({ N: 9, D: 3 }, lehmer(5))),
      Error,
      "attention naive is wrong by",
    );
  } finally {
    gpu.read = read;
  }
});

Deno.test("the command line takes sizes, and nothing else", () => {
  assertEquals(readSizes([]), {});
  assertEquals(readSizes(["--size", "64", "--length=128"]), {
    size: 64,
    length: 128,
  });
  for (
    const [args, message] of [
      [
        ["--size", "0"],
        '--size must be a whole number from 1 to 999999, got "0"',
      ],
      [["--size"], '--size must be a whole number from 1 to 999999, got ""'],
      [
        ["--length", "1e3"],
        '--length must be a whole number from 1 to 999999, got "1e3"',
      ],
      [["--depth", "3"], "Unknown argument --depth"],
      [["64"], "Unknown argument 64"],
    ] as const
  ) {
    assertThrows(() => readSizes([...args]), RangeError, message);
  }
});
