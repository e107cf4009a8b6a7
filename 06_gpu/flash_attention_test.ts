import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  attend,
  attendNaive,
  type Attention,
  attentionError,
  randomAttention,
  runPlan,
} from "./attention.ts";
import { type Gpu } from "./device.ts";
import {
  attendFlash,
  attendTiled,
  flashKernel,
  planFlash,
  type Tile,
  tileBytes,
  tileFor,
} from "./flash_attention.ts";
import { gpuTests, lehmer, withoutBarriers } from "./testing.ts";

const test = await gpuTests();

/** 8 queries and 8 keys at a time: so small that few numbers make many tiles. */
const SMALL: Tile = { X: 2, Y: 1 };

/** Sees that the kernel and its twin are right, with the tile that fits and others. */
async function mustBeRight(gpu: Gpu, x: Attention, tiles = [SMALL]) {
  for (const tile of [undefined, ...tiles]) {
    const error = attentionError(x, await attendFlash(gpu, x, tile));
    assert(error <= 1, `${JSON.stringify(tile)}: ${error}`);
  }
  const error = attentionError(x, attendTiled(x, 8, 8));
  assert(error <= 1, `twin: ${error}`);
}

// python3 -c '
// import numpy as np
// q, k, v = (np.arange(n, dtype=float).reshape(s) * f % 1 - 0.5 for n, s, f in
//   [(8, (2, 4), 0.37), (12, (3, 4), 0.61), (12, (3, 4), 0.29)])
// s = q @ k.T / 2
// s[0, 2] = -np.inf
// p = np.exp(s); l = p.sum(1)
// print((p / l[:, None] @ v).tolist(), np.log(l).tolist())'
const numpy = {
  x: {
    ...{ B: 1, H: 1, G: 1, N: 2, S: 3, D: 4, causal: true },
    query: steps(8, 0.37),
    key: steps(12, 0.61),
    value: steps(12, 0.29),
  },
  output: [
    ...[-0.4164663008923173, -0.1264663008923173],
    ...[0.1635336991076826, -0.06855192031533447],
    ...[-0.3410383326545943, -0.051038332654594294],
    ...[0.23896166734540564, -0.11508907665034535],
  ],
  logSums: [0.7582236826664425, 1.1112670976037073],
};
function steps(length: number, step: number) {
  return Float32Array.from({ length }, (_, i) => i * step % 1 - 0.5);
}

/** Numbers of order 1, off by a few roundings to f32. */
function near(got: Float32Array, right: number[]) {
  assertEquals(got.length, right.length);
  got.forEach((y, i) => assert(Math.abs(y - right[i]) < 1e-6, `${y} at ${i}`));
}

Deno.test("the twin gives numpy's output and log-sums, causal, two queries and three keys", () => {
  const { output, logSums } = attendTiled(numpy.x, 1, 2);
  near(output, numpy.output);
  near(logSums, numpy.logSums);
});
test("so does the kernel", async (gpu) => {
  const { output, logSums } = await attendFlash(gpu, numpy.x);
  near(output, numpy.output);
  near(logSums, numpy.logSums);
});

test("any sizes are within what f32 may be off, in any tile", async (gpu) => {
  const tile = fc.constantFrom(
    ...[1, 2, 4].flatMap((X) => [1, 2, 3].map((Y) => ({ X, Y }))),
  );
  const sizes = fc.record({
    B: fc.integer({ min: 1, max: 2 }),
    G: fc.integer({ min: 1, max: 3 }),
    share: fc.integer({ min: 1, max: 3 }),
    N: fc.integer({ min: 0, max: 20 }),
    S: fc.integer({ min: 0, max: 40 }),
    D: fc.constantFrom(1, 4, 7),
    causal: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1000 }),
  });
  await fc.assert(
    fc.asyncProperty(sizes, tile, async (some, tile) => {
      const { B, G, N, S, D, causal, share, seed } = some;
      const random = lehmer(seed);
      const keep = Uint8Array.from({ length: B * S }, () => +(random() < 0.7));
      const sizes = { B, H: G * share, G, N, S, D, causal, keep };
      await mustBeRight(gpu, randomAttention(sizes, random), [tile]);
    }),
    { numRuns: 15, seed: 1 },
  );
});

for (
  const [what, sizes] of Object.entries({
    "one query, one key, a head of one": { N: 1, S: 1, D: 1 },
    "a tile of queries and of keys": { N: 32, S: 32, D: 16 },
    "one less than a tile": { N: 31, S: 31, D: 15 },
    "one more than a tile": { N: 33, S: 33, D: 17 },
    "primes": { N: 67, S: 101, D: 13 },
    "the largest head": { N: 19, S: 37, D: 128 },
    "batch and shared heads": { B: 3, H: 6, G: 2, N: 5, S: 9, D: 7 },
    "one head of keys for all": { B: 2, H: 5, G: 1, N: 9, S: 5, D: 3 },
  })
) {
  test(`${what}: right, causal and not`, async (gpu) => {
    for (const causal of [false, true]) {
      const x = randomAttention({ ...sizes, causal }, lehmer(7));
      await mustBeRight(gpu, x);
    }
  });
}

test("without queries the output is empty, without keys it is zeros", async (gpu) => {
  const none = randomAttention({ N: 0, S: 3, D: 2 }, lehmer(1));
  assertEquals((await attendFlash(gpu, none)).output.length, 0);
  const blind = randomAttention({ N: 3, S: 0, D: 2 }, lehmer(1));
  const { output, logSums } = await attendFlash(gpu, blind);
  assertEquals([...output], Array(6).fill(0));
  assertEquals([...logSums], Array(3).fill(-Infinity));
  assertEquals(attendTiled(blind), await attendFlash(gpu, blind));
});

test("the first queries of more than there are keys see none: zeros, no NaN", async (gpu) => {
  const x = randomAttention(
    { N: 20, S: 3, D: 5, causal: true },
    lehmer(2),
  );
  const { output, logSums } = await attendFlash(gpu, x, SMALL);
  assertEquals([...output.subarray(0, 17 * 5)], Array(17 * 5).fill(0));
  assertEquals([...logSums.subarray(0, 17)], Array(17).fill(-Infinity));
  assert(output.subarray(17 * 5).every((y) => y !== 0));
});

test("a first block that is all padding leaves no trace, though it holds NaN", async (gpu) => {
  const [N, S, D] = [5, 30, 6];
  const keep = Uint8Array.from({ length: S }, (_, s) => +(s >= 9 && s !== 20));
  const x = randomAttention({ N, S, D, keep }, lehmer(3));
  const right = await attendFlash(gpu, x, SMALL);
  const twin = attendTiled(x, 8, 8);
  await mustBeRight(gpu, x);
  for (let s = 0; s < S; s++) {
    if (keep[s] === 1) continue;
    x.key.fill(NaN, s * D, (s + 1) * D);
    x.value.fill(s % 2 ? NaN : Infinity, s * D, (s + 1) * D);
  }
  assertEquals(await attendFlash(gpu, x, SMALL), right);
  assertEquals(attendTiled(x, 8, 8), twin);
});

test("scores of ±10,000 neither overflow nor vanish", async (gpu) => {
  for (const signs of [[1, 1], [-1, -1], [-1, 1], [1, -1]]) {
    const x = randomAttention({ N: 9, S: 35, D: 4 }, lehmer(4));
    x.query.forEach((_, i) => x.query[i] = 100);
    x.key.forEach((y, i) => x.key[i] = 50 * signs[+(i > 70)] + y / 1000);
    assert((attend(x).logSums[0] > 9e3) === signs.includes(1));
    await mustBeRight(gpu, x);
  }
});

test("the largest score may come first or last: older sums shrink, newer do not", async (gpu) => {
  for (const rising of [1, -1]) {
    const x = randomAttention({ N: 8, S: 64, D: 1 }, lehmer(5));
    x.query.fill(1);
    x.key.forEach((_, s) => x.key[s] = rising * s / 2);
    await mustBeRight(gpu, x);
  }
});

test("infinities and NaN pass through as in the formula", async (gpu) => {
  const x = randomAttention({ N: 2, S: 20, D: 4 }, lehmer(6));
  x.value[4 * 13 + 2] = Infinity;
  const { output } = await attendFlash(gpu, x, SMALL);
  assertEquals([...output].map(Number.isFinite), [
    ...[true, true, false, true],
    ...[true, true, false, true],
  ]);
  x.query[0] = NaN;
  const spoiled = await attendFlash(gpu, x, SMALL);
  assert(spoiled.output.subarray(0, 4).every(Number.isNaN));
  assert(Number.isNaN(spoiled.logSums[0]));
  assert(Number.isFinite(spoiled.output[4]));
});

test("a NaN in one text stays there", async (gpu) => {
  const x = randomAttention({ B: 2, N: 5, S: 5, D: 4 }, lehmer(20));
  const right = await attendFlash(gpu, x);
  x.value.fill(NaN, 20);
  const got = await attendFlash(gpu, x);
  assertEquals(got.output.subarray(0, 20), right.output.subarray(0, 20));
});

test("more than 65,535 workgroups are all run", async (gpu) => {
  const x = randomAttention({ B: 65_537, N: 1, D: 1 }, lehmer(21));
  assert(attentionError(x, await attendFlash(gpu, x, SMALL)) <= 1);
});

test("what comes later changes nothing, not a bit", async (gpu) => {
  const [N, D] = [37, 8];
  const x = randomAttention({ N, D, causal: true }, lehmer(8));
  const before = await attendFlash(gpu, x, SMALL);
  for (const last of [0, 7, 8, 20, 35]) {
    const other = randomAttention({ N, D, causal: true }, lehmer(9));
    for (const name of ["key", "value"] as const) {
      const past = x[name].subarray(0, (last + 1) * D);
      other[name].set(past);
    }
    other.query.set(x.query);
    const { output } = await attendFlash(gpu, other, SMALL);
    const seen = (last + 1) * D;
    assertEquals(output.subarray(0, seen), before.output.subarray(0, seen));
    assert(output[seen] !== before.output[seen]);
  }
});

test("the block of the last query counts: each key it may see does", async (gpu) => {
  const x = randomAttention({ N: 9, S: 24, D: 2, causal: true }, lehmer(10));
  const before = await attendFlash(gpu, x, SMALL);
  x.value[2 * 23] += 1;
  const { output } = await attendFlash(gpu, x, SMALL);
  assert(output[2 * 8] !== before.output[2 * 8]);
  assertEquals(output.subarray(0, 16), before.output.subarray(0, 16));
});

test("ten runs give the same bits", async (gpu) => {
  const x = randomAttention({ H: 2, N: 70, D: 24, causal: true }, lehmer(11));
  const first = await attendFlash(gpu, x);
  for (let i = 0; i < 9; i++) assertEquals(await attendFlash(gpu, x), first);
});

test("it agrees with attention in three passes, each within its bound", async (gpu) => {
  const x = randomAttention({ H: 2, G: 1, N: 50, D: 20 }, lehmer(12));
  const [flash, naive] = [await attendFlash(gpu, x), await attendNaive(gpu, x)];
  assert(attentionError(x, naive) <= 1);
  flash.output.forEach((y, i) => assert(Math.abs(y - naive.output[i]) < 1e-5));
});

test("its memory grows with N, not with N²", async (gpu) => {
  const peak = async (N: number) => {
    const x = randomAttention({ N, D: 8 }, lehmer(13));
    using memory = gpu.memory();
    const before = gpu.peakBytes = gpu.bytes;
    await runPlan(gpu, x, await planFlash(gpu, memory, x));
    return gpu.peakBytes - before;
  };
  const [small, large] = [await peak(1000), await peak(8000)];
  // Query, key, value and output of 8, a log-sum and a mask; to read, the output
  // and the log-sum again: 43 numbers a token.
  assertEquals(large - small, 7000 * 43 * 4);
});

test("what it allocated is free again, also when it fails", async (gpu) => {
  const { bytes } = gpu;
  await attendFlash(gpu, randomAttention({ N: 9, D: 2 }, lehmer(1)));
  const wrong = randomAttention({ N: 9, D: 2 }, lehmer(1));
  await assertRejects(
    () => attendFlash(gpu, { ...wrong, H: 2 }),
    RangeError,
    "H",
  );
  assertEquals(gpu.bytes, bytes);
});

Deno.test("the twin reads keys and values once for each tile of queries", () => {
  const x = randomAttention({ N: 64, D: 4 }, lehmer(14));
  for (const rows of [1, 8, 64]) {
    const counter = { reads: 0 };
    attendTiled(x, rows, 16, counter);
    assertEquals(counter.reads, 64 * 4 + 64 / rows * 2 * 64 * 4);
  }
});

Deno.test("causality halves what the twin reads: hidden blocks are not touched", () => {
  const x = randomAttention({ N: 64, D: 4, causal: true }, lehmer(14));
  const counter = { reads: 0 };
  attendTiled(x, 8, 8, counter);
  assertEquals(counter.reads, 64 * 4 + (8 * 9 / 2) * 2 * 8 * 4);
});

Deno.test("the tile fits the workgroup memory, and is the largest that does", () => {
  for (const D of [1, 17, 64, 100, 128]) {
    for (const bytes of [16384, 32768, 49152]) {
      assert(tileBytes(D, tileFor(D, bytes)) <= bytes, `${D} in ${bytes}`);
    }
  }
  assertEquals(tileFor(64, 32768), { X: 8, Y: 4 });
  assertEquals(tileFor(64, 49152), { X: 8, Y: 8 });
});

Deno.test("a tile's bytes are those of the kernel's workgroup variables", () => {
  for (const [D, tile] of [[3, SMALL], [128, { X: 8, Y: 4 }]] as const) {
    const width = Math.ceil(D / 4);
    const variables = flashKernel(D, tile)
      .replaceAll("STRIDE", `${width | 1}`).replaceAll(/\bX\b/g, `${tile.X}`)
      .replaceAll(/\bY\b/g, `${tile.Y}`)
      .matchAll(/var<workgroup> \w+: array<(.*), (.*)>;/g);
    let bytes = 0;
    for (const [, type, count] of variables) {
      const length = count.split(" * ").map(Number).reduce((x, y) => x * y);
      bytes += length * (type === "f32" ? 4 : 16);
    }
    assertEquals(bytes, tileBytes(D, tile));
  }
});

test("a head above 128 is refused", async (gpu) => {
  await assertRejects(
    () => attendFlash(gpu, randomAttention({ N: 1, D: 129 }, lehmer(1))),
    RangeError,
    "Cannot attend in one pass: heads of 129 are above 128",
  );
});

test("a tile that a workgroup's memory does not hold is refused", async (gpu) => {
  const x = randomAttention({ N: 1, D: 128 }, lehmer(1));
  const most = gpu.limits.maxComputeWorkgroupStorageSize;
  await assertRejects(
    () => attendFlash(gpu, x, { X: 16, Y: 64 }),
    RangeError,
    `bytes: ${gpu.name} has ${most}`,
  );
});

test("the longest sum that is not refused is whole", async (gpu) => {
  const tile = { X: 2, Y: 16 };
  for (let S = 48_000;; S -= 500) {
    using memory = gpu.memory();
    const x = randomAttention({ N: 1, S, D: 16 }, () => 0.75);
    const plan = await planFlash(gpu, memory, x, tile);
    if (plan.launches[0].iterations! > 65_535) continue;
    // All values are a half, so their mean is.
    const { output } = await runPlan(gpu, x, plan);
    output.forEach((y) => assert(Math.abs(y - 0.5) < 1e-3, `S=${S}: ${y}`));
    break;
  }
}, "software");

test(
  "a loop that the software driver would cut short is refused",
  async (gpu) => {
    const x = randomAttention({ N: 1, S: 40000, D: 64 }, lehmer(1));
    const message = "iterations: llvmpipe";
    await assertRejects(() => attendFlash(gpu, x), RangeError, message);
  },
  "software",
);

test("each barrier is needed: without it the result is wrong", async (gpu) => {
  const x = randomAttention({ N: 40, S: 200, D: 8 }, lehmer(15));
  const run = async (tile: Tile, edit: (code: string) => string) => {
    using memory = gpu.memory();
    const plan = await planFlash(gpu, memory, x, tile);
    const kernel = await gpu.compile(edit(flashKernel(x.D, tile)));
    const launches = [{ ...plan.launches[0], kernel }];
    return attentionError(x, await runPlan(gpu, x, { ...plan, launches }));
  };
  // The driver takes 8 invocations in one step, so there must be more: in the
  // workgroup, and for the last barrier in a row.
  const tiles = [...Array(4).fill({ X: 2, Y: 8 }), { X: 16, Y: 1 }];
  for (const [i, tile] of tiles.entries()) {
    assert(await run(tile, (code) => code) <= 1, `with barrier ${i}`);
    const error = await run(tile, (code) => {
      const sabotaged = withoutBarriers(code);
      assertEquals(sabotaged.length, tiles.length);
      return sabotaged[i];
    });
    assert(error > 1, `without barrier ${i}: ${error}`);
  }
}, "software");
