import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  attend,
  type Attended,
  attendNaive,
  type Attention,
  randomAttention,
  scaleOf,
  weightsOf,
} from "./attention.ts";
import { type Gradients, gradients } from "./attention_backward.ts";
import type { Gpu } from "./device.ts";
import {
  type Backward,
  backwardOf,
  flashGradients,
  gradientsTiled,
  planGradients,
} from "./flash_backward.ts";
import {
  gpuTests,
  lehmer,
  randomFloats,
  UNIT,
  withoutBarriers,
} from "./testing.ts";

const test = await gpuTests();
const random = lehmer(5);
const NAMES = ["dQuery", "dKey", "dValue"] as const;

/** What attention keeps for the backward pass, rounded to f32. */
function attended(x: Attention): Attended {
  const { output, logSums } = attend(x);
  const f32 = (numbers: Float64Array) => new Float32Array(numbers);
  return { output: f32(output), logSums: f32(logSums) };
}

/** Random attention, and the gradient of its output. */
function problem(sizes: Partial<Attention>): [Attention, Float32Array] {
  const x = randomAttention(sizes, random);
  return [x, randomFloats(x.query.length, random)];
}

/**
 * How far gradients are from the reference, as a part of what f32 may be off; up to 1
 * they are right. A weight is off by the errors of its score (D + 4 roundings of its
 * sum of magnitudes), of its row's log-sum (as large, and roundings of a sum over S
 * keys and of its own size), and of exp, which WGSL bounds by 3 + 2|x| units in the
 * last place. That part, and the roundings of two sums over D and of the gradient's
 * own, is what dWeight and delta each may be off, of their sums of magnitudes.
 */
function errorOf(x: Attention, dOutput: Float32Array, got: Gradients): number {
  const { H, G, N, S, D, query, key, value } = x;
  const scale = scaleOf(x);
  const right = gradients(x, dOutput);
  const least = 2 ** -126; // what lies below is zero on some GPUs
  const bounds = NAMES.map((name) => right[name].map(() => least));
  for (const { row, scores, weights, logSum, ...of } of weightsOf(x)) {
    const q = row * D;
    const ks = of.keys.map((s) => (of.shared * S + s) * D);
    const magnitude = (a: Float32Array, b: Float32Array, k: number) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += Math.abs(a[q + d] * b[k + d]);
      return sum;
    };
    const units = ks.map((k, i) =>
      2 * (D + 4) * scale * magnitude(query, key, k) +
      2 * (4 + 2 * Math.min(104, logSum - scores[i])) + 8 * Math.abs(logSum)
    );
    const sums = 10 * (S + 1) + 2 * (D + 4) + N * H / G + 8;
    const part = Math.expm1((Math.max(...units) + sums) * UNIT);
    const sizes = ks.map((k) => magnitude(dOutput, value, k));
    const mean = sizes.reduce((sum, size, i) => sum + size * weights[i], 0);
    ks.forEach((k, i) => {
      const ofWeight = weights[i] * (2 + part) * part + least;
      const ofScore = scale * (sizes[i] + mean) * ofWeight;
      for (let d = 0; d < D; d++) {
        bounds[0][q + d] += Math.abs(key[k + d]) * ofScore;
        bounds[1][k + d] += Math.abs(query[q + d]) * ofScore;
        bounds[2][k + d] += Math.abs(dOutput[q + d]) * ofWeight;
      }
    });
  }
  let worst = 0;
  for (const [at, name] of NAMES.entries()) {
    assertEquals(got[name].length, right[name].length, name);
    right[name].forEach((right, i) => {
      const error = Math.abs(got[name][i] - right) / bounds[at][i];
      worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
    });
  }
  return worst;
}

/** The kernels' error on a problem. */
async function kernelError(
  gpu: Gpu,
  [x, dOutput]: [Attention, Float32Array],
  way?: Backward,
) {
  const got = await flashGradients(gpu, x, attended(x), dOutput, way);
  return errorOf(x, dOutput, got);
}

/** Fails unless the error is what f32 may have. */
const isSmall = (error: number) =>
  assert(error <= 1, `${error} of what f32 may be off`);

const SIZES: [name: string, sizes: Partial<Attention>][] = [
  ["of one query and one key", { N: 1, S: 1, D: 1 }],
  ["of exactly a tile", { N: 16, D: 16 }],
  ["of a tile less one", { N: 15, D: 15, causal: true }],
  ["of a tile and one", { N: 17, D: 17, causal: true }],
  ["of primes", { B: 2, H: 2, N: 37, S: 53, D: 29 }],
  ["without queries", { H: 2, N: 0, S: 5, D: 3 }],
  ["without keys", { H: 2, N: 5, S: 0, D: 3, causal: true }],
  ["of few last queries", { B: 2, N: 19, S: 61, D: 7, causal: true }],
  ["of rows without keys", { H: 2, N: 61, S: 19, D: 5, causal: true }],
  ["of shared keys", { B: 2, H: 4, G: 2, N: 21, S: 35, D: 6, causal: true }],
  ["of one head of keys", { H: 4, G: 1, N: 18, S: 33, D: 9 }],
  ["of a text that is all padding", {
    ...{ B: 2, H: 2, G: 1, N: 5, S: 18, D: 3 },
    keep: Uint8Array.from({ length: 36 }, (_, i) => Number(i >= 18)),
  }],
  ["of the widest head", { H: 2, N: 18, S: 19, D: 128, causal: true }],
];
for (const [name, sizes] of SIZES) {
  test(`flashGradients() ${name} are those of the formula`, async (gpu) => {
    isSmall(await kernelError(gpu, problem(sizes)));
  });
  Deno.test(`gradientsTiled() ${name} are those of the formula`, () => {
    const [x, dOutput] = problem(sizes);
    for (const tile of [1, 5, 16]) {
      const got = gradientsTiled(x, attended(x), dOutput, tile);
      isSmall(errorOf(x, dOutput, got));
    }
  });
}

test("flashGradients() go on from the GPU's attention", async (gpu) => {
  const [x, dOutput] = problem({ H: 2, N: 20, S: 35, D: 12, causal: true });
  const kept = await attendNaive(gpu, x);
  const got = await flashGradients(gpu, x, kept, dOutput);
  isSmall(errorOf(x, dOutput, got));
});

test("flashGradients() survive scores of ±10,000", async (gpu) => {
  const [x, dOutput] = problem({ H: 2, N: 20, S: 35, D: 4 });
  // Keys in pairs that are almost alike, so that two weights of a row are above 0.
  const query = x.query.map((q) => 2e4 * q);
  const key = x.key.map((k, i) => i % 8 < 4 ? k : x.key[i - 4] + k / 2 ** 15);
  isSmall(await kernelError(gpu, [{ ...x, query, key }, dOutput]));
});

test("flashGradients() hide padding, even if it is NaN", async (gpu) => {
  const [S, D] = [37, 6];
  const [x, dOutput] = problem({ B: 2, H: 4, G: 2, N: 20, S, D });
  // 2 is not 0: such a key is kept.
  const keep = new Uint8Array(2 * S).map((_, i) => i < S + 23 ? i % 3 : 0);
  const poison = (numbers: Float32Array) =>
    numbers.map((n, i) => {
      const [row, b] = [Math.floor(i / D), Math.floor(i / (2 * S * D))];
      return keep[b * S + row % S] === 0 ? NaN : n;
    });
  const masked = { ...x, keep };
  const poisoned = { ...masked, key: poison(x.key), value: poison(x.value) };
  const got = await flashGradients(gpu, poisoned, attended(masked), dOutput);
  isSmall(errorOf(masked, dOutput, got));
  poisoned.key.forEach((k, i) => {
    if (Number.isNaN(k)) assertEquals([got.dKey[i], got.dValue[i]], [0, 0]);
  });
});

test("flashGradients() keep a NaN in its head", async (gpu) => {
  const [x, dOutput] = problem({ H: 2, N: 19, S: 21, D: 6 });
  const spoil = (numbers: Float32Array) =>
    numbers.map((n, i) => i < numbers.length / 2 ? n : NaN);
  const kept = attended(x);
  const right = await flashGradients(gpu, x, kept, dOutput);
  const key = spoil(x.key);
  const spoilt = { ...x, query: spoil(x.query), key, value: spoil(x.value) };
  const got = await flashGradients(gpu, spoilt, kept, spoil(dOutput));
  for (const name of NAMES) {
    const half = right[name].length / 2;
    assertEquals(got[name].subarray(0, half), right[name].subarray(0, half));
    assert(got[name].subarray(half).every(Number.isNaN), name);
  }
});

test("flashGradients() of a row without a key are zeros", async (gpu) => {
  const [x, dOutput] = problem({ N: 6, S: 3, D: 5, causal: true });
  const kept = attended(x);
  const got = await flashGradients(gpu, x, kept, dOutput);
  assertEquals(got.dQuery.subarray(0, 15), new Float32Array(15));
  const other = dOutput.map((y, i) => i < 15 ? 1e30 : y);
  assertEquals(await flashGradients(gpu, x, kept, other), got);
});

test("flashGradients() do not depend on the tile", async (gpu) => {
  const data = problem({ H: 2, G: 1, N: 23, S: 29, D: 22, causal: true });
  for (const tile of [1, 3, 16]) {
    const way = backwardOf(22, 2 ** 14, tile);
    assertEquals(way.tile, tile);
    isSmall(await kernelError(gpu, data, way));
  }
});

test("flashGradients() fit into the 16 KiB of any GPU", async (gpu) => {
  const way = backwardOf(128);
  assertEquals([way.tile, backwardOf(128, 2 ** 16).tile], [7, 16]);
  isSmall(await kernelError(gpu, problem({ N: 10, D: 128 }), way));
});

test("flashGradients() have the same bits in ten runs", async (gpu) => {
  const [x, dOutput] = problem({ H: 4, G: 2, N: 40, S: 35, D: 9 });
  const kept = attended(x);
  const first = await flashGradients(gpu, x, kept, dOutput);
  for (let run = 1; run < 10; run++) {
    assertEquals(await flashGradients(gpu, x, kept, dOutput), first);
  }
});

test("planGradients() takes memory as the length, not N²", async (gpu) => {
  const peaks = [];
  for (const N of [64, 256, 1024]) {
    const [x, dOutput] = problem({ N, D: 8 });
    using memory = gpu.memory();
    gpu.peakBytes = gpu.bytes;
    const before = gpu.bytes;
    const output = new Float32Array(x.query.length);
    const kept = { output, logSums: new Float32Array(N) };
    await planGradients(gpu, memory, x, kept, dOutput);
    peaks.push(gpu.peakBytes - before);
  }
  // Eight arrays of N · D floats, log-sum, delta and keep, and the sizes: 32 bytes.
  assertEquals(peaks, [64, 256, 1024].map((N) => 4 * N * (8 * 8 + 3) + 32));
});

test("flashGradients() reach the grid's second row", async (gpu) => {
  // Two rows that hold one workgroup more than there are.
  const B = gpu.limits.maxComputeWorkgroupsPerDimension + 2;
  const [x, dOutput] = problem({ B, N: 1, D: 1 });
  const way = backwardOf(1, 2 ** 14, 1);
  const got = await flashGradients(gpu, x, attended(x), dOutput, way);
  // The only weight of each row is 1, up to the rounding of its score.
  got.dValue.forEach((y, i) =>
    assert(Math.abs(y - dOutput[i]) <= 16 * UNIT, `${i}: ${y}`)
  );
});

test("flashGradients() need each of their barriers", async (gpu) => {
  const data = problem({ H: 2, G: 1, N: 40, S: 40, D: 12 });
  const way = backwardOf(12);
  isSmall(await kernelError(gpu, data, way));
  for (const name of ["queries", "keys"] as const) {
    const sabotaged = withoutBarriers(way[name]);
    assertEquals(sabotaged.length, 3);
    for (const [i, code] of sabotaged.entries()) {
      const wrong = { ...way, [name]: code };
      const error = await kernelError(gpu, data, wrong);
      assert(error > 1, `${name}: barrier ${i} is of no use`);
    }
  }
}, "software");

/** Replaces what is there exactly once. */
function edit(text: string, was: RegExp, becomes: string): string {
  assertEquals(text.split(was).length, 2, `${was}`);
  return text.replace(was, becomes);
}

for (const [N, S] of [[24, 24], [13, 30], [30, 13]]) {
  test(`skipping tiles of ${N} by ${S} loses nothing`, async (gpu) => {
    const [x, dOutput] = problem({ N, S, D: 5, causal: true });
    const kept = attended(x);
    const way = backwardOf(5, 2 ** 14, 4);
    const all = {
      ...way,
      queries: edit(way.queries, /reach\(min.*\)/, "shape.S"),
      keys: edit(way.keys, /above \/ TILE \* TILE/, "0u"),
    };
    // A skipped tile would have added zeros.
    assertEquals(
      await flashGradients(gpu, x, kept, dOutput, way),
      await flashGradients(gpu, x, kept, dOutput, all),
    );
  });
}

test("flashGradients() skip what causality hides", async (gpu) => {
  const [x, dOutput] = problem({ N: 12, D: 4, causal: true });
  const kept = attended(x);
  const way = backwardOf(4, 2 ** 14, 4);
  const right = await flashGradients(gpu, x, kept, dOutput, way);
  const late = (n: number, i: number) => i < 8 * 4 ? n : NaN;
  const hidden = { ...x, key: x.key.map(late), value: x.value.map(late) };
  const { dQuery } = await flashGradients(gpu, hidden, kept, dOutput, way);
  assertEquals(dQuery.subarray(0, 32), right.dQuery.subarray(0, 32));
  const early = (n: number, i: number) => i < 4 * 4 ? NaN : n;
  const past = { ...x, query: x.query.map(early) };
  const dPast = dOutput.map(early);
  const got = await flashGradients(gpu, past, kept, dPast, way);
  assertEquals(got.dKey.subarray(16), right.dKey.subarray(16));
  assertEquals(got.dValue.subarray(16), right.dValue.subarray(16));
});

Deno.test("backwardOf() names what it cannot do", () => {
  const find = "Cannot find gradients of heads of";
  assertThrows(
    () => backwardOf(129),
    RangeError,
    `${find} 129: the kernels hold at most 128`,
  );
  assertThrows(
    () => backwardOf(128, 2000),
    RangeError,
    `${find} 128: a tile needs 2120 bytes, a workgroup has 2000`,
  );
});

test("flashGradients() name what does not fit", async (gpu) => {
  const [x, dOutput] = problem({ B: 2, H: 2, N: 3, D: 5 });
  for (
    const [wrong, message] of [
      [{ output: dOutput.slice(1) }, "output has 59 numbers, not 60"],
      [{ logSums: dOutput.slice() }, "logSums has 60 numbers, not 12"],
    ] as const
  ) {
    await assertRejects(
      () => flashGradients(gpu, x, { ...attended(x), ...wrong }, dOutput),
      RangeError,
      `Cannot find gradients with B=2 H=2 N=3 D=5: ${message}`,
    );
  }
});
