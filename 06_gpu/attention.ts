#!/usr/bin/env -S deno run
/**
 * Q. Compute attention on a GPU, step by step as its formula says.
 *
 * A. softmax(q kᵀ / √D) v in three kernels. The first makes all N · S scores and
 * writes them to memory; the second reads each row, twice, and writes its weights;
 * the third reads those and sums the values. Each is tuned as well as it can be, and
 * yet most of the time may go into scores that nobody asked for: they are written
 * twice and read three times, and their memory grows with the square of the length.
 *
 * Shapes: query (B, H, N, D), key and value (B, G, S, D), output (B, H, N, D):
 * B batch, H heads, G heads of keys and values, each for H / G heads of queries, N
 * queries, S keys, D head size.
 * Time O(B·H·N·S·D); space O(B·H·N·S).
 * Trap: a row that may look at no key. Its weights are 0 / 0; here it is zeros.
 * Left out: dropout, other biases on the scores, scores beyond 3.4e38. A masked key may be anything, but its
 * value must be a finite number: its weight is 0, and 0 · ∞ is none.
 * Source: Vaswani et al. (2017), arXiv:1706.03762; Ainslie et al. (2023),
 * arXiv:2305.13245, for shared heads of keys.
 * Run: `deno run attention.ts`
 * @module
 */
import { inBytes, type Memory, pitchOf, unpad } from "./buffers.ts";
import { demo, type Gpu, type Launch } from "./device.ts";
import { launchProduct, type Way, way, WAYS } from "./matmul.ts";
import { lehmer, randomFloats, UNIT } from "./testing.ts";

/** What attends to what. */
export interface Attention {
  B: number;
  H: number;
  G: number;
  N: number;
  S: number;
  D: number;
  /** (B, H, N, D) */
  query: Float32Array;
  /** (B, G, S, D) */
  key: Float32Array;
  /** (B, G, S, D) */
  value: Float32Array;
  /** Query n may look at the keys up to n + S − N: the last query at all of them. */
  causal?: boolean;
  /** (B, S) 0 where a key is padding, which nobody looks at; all are kept without. */
  keep?: Uint8Array;
}

/** What attention returns. */
export interface Attended {
  /** (B, H, N, D) a row without a key is zeros */
  output: Float32Array<ArrayBuffer>;
  /** (B, H, N) the logarithm of each row's sum of exponentials; −∞ without a key */
  logSums: Float32Array<ArrayBuffer>;
}

/** Attention on the GPU: launches, and the buffers that they fill. */
export interface Plan {
  launches: Launch[];
  /** (B, H, N, pitch of D) */
  output: GPUBuffer;
  /** (B, H, N) */
  logSums: GPUBuffer;
}

/** The factor of the scores. */
export const scaleOf = ({ D }: Attention) => 1 / Math.sqrt(D);

/**
 * @throws {RangeError} if a size is no whole number, B, H, G or D is below 1, H is
 * no multiple of G, or an array has another length than its shape
 */
export function checkAttention(x: Attention): void {
  const { B, H, G, N, S, D, query, key, value, keep } = x;
  const task = `Cannot attend with B=${B} H=${H} G=${G} N=${N} S=${S} D=${D}`;
  for (
    const [name, size, least] of [
      ...Object.entries({ B, H, G, D }).map((e) => [...e, 1] as const),
      ...Object.entries({ N, S }).map((e) => [...e, 0] as const),
    ]
  ) {
    if (Number.isSafeInteger(size) && size >= least) continue;
    throw new RangeError(
      `${task}: ${name} must be a whole number from ${least}`,
    );
  }
  if (H % G !== 0) {
    throw new RangeError(`${task}: ${H} heads cannot share ${G} evenly`);
  }
  for (
    const [name, { length }, right] of [
      ["query", query, B * H * N * D],
      ["key", key, B * G * S * D],
      ["value", value, B * G * S * D],
      ["keep", keep ?? { length: B * S }, B * S],
    ] as const
  ) {
    if (length === right) continue;
    throw new RangeError(
      `${task}: ${name} has ${length} numbers, not ${right}`,
    );
  }
}

/** How many keys query n may look at, as far as causality goes. */
export function reach({ N, S, causal }: Attention, n: number): number {
  return causal ? Math.max(0, Math.min(S, n + S - N + 1)) : S;
}

/**
 * The rows of the weights, as the formula says, in f64: the twin of the kernels.
 * @returns each query's keys, weights, largest score and sum of exponentials
 */
export function* weightsOf(x: Attention) {
  const { B, H, G, N, S, D, query, key, keep } = x;
  const scale = scaleOf(x);
  for (let row = 0; row < B * H * N; row++) {
    const b = Math.floor(row / (H * N));
    const shared = Math.floor(Math.floor(row / N) / (H / G));
    const keys: number[] = [];
    for (let s = 0; s < reach(x, row % N); s++) {
      if (!keep || keep[b * S + s] !== 0) keys.push(s);
    }
    const scores = keys.map((s) => {
      let sum = 0;
      for (let d = 0; d < D; d++) {
        sum += query[row * D + d] * key[(shared * S + s) * D + d];
      }
      return sum * scale;
    });
    const peak = scores.reduce((x, y) => Math.max(x, y), -Infinity);
    const exponentials = scores.map((score) => Math.exp(score - peak));
    const sum = exponentials.reduce((x, y) => x + y, 0);
    const weights = exponentials.map((e) => e / sum);
    yield { row, shared, keys, scores, weights, logSum: peak + Math.log(sum) };
  }
}

/** Attention as its formula says, in f64. @throws as {@link checkAttention} */
export function attend(x: Attention) {
  checkAttention(x);
  const { B, H, N, S, D, value } = x;
  const output = new Float64Array(B * H * N * D);
  const logSums = new Float64Array(B * H * N);
  for (const { row, shared, keys, weights, logSum } of weightsOf(x)) {
    logSums[row] = logSum;
    keys.forEach((s, i) => {
      for (let d = 0; d < D; d++) {
        output[row * D + d] += weights[i] * value[(shared * S + s) * D + d];
      }
    });
  }
  return { output, logSums };
}

/**
 * How far results are from the formula, as a part of what f32 may be off; up to 1
 * they are right. A score's error is D + 4 roundings of its sum of magnitudes. It
 * changes its weight by that part, and so does an exponential's own error, which
 * WGSL bounds by 3 + 2|x| units in the last place. Each key adds at most ten
 * roundings to a sum: of the product, the sum, and a change of the maximum.
 */
export function attentionError(x: Attention, got: Attended): number {
  const { D, S, query, key, value } = x;
  const right = attend(x);
  const scale = scaleOf(x);
  let worst = 0;
  const compare = (got: number, right: number, bound: number) => {
    if (Object.is(got, right) || got === right) return;
    const error = Math.abs(got - right) / bound;
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  };
  for (const { row, shared, keys, scores, weights } of weightsOf(x)) {
    const peak = scores.reduce((x, y) => Math.max(x, y), -Infinity);
    const errors = scores.map((score, i) => {
      let magnitude = 0;
      for (let d = 0; d < D; d++) {
        magnitude += Math.abs(
          query[row * D + d] * key[(shared * S + keys[i]) * D + d],
        );
      }
      const exponential = 2 * (3 + 2 * Math.min(104, peak - score)) * UNIT;
      return (D + 4) * UNIT * magnitude * scale + exponential;
    });
    const mean = errors.reduce((sum, e, i) => sum + e * weights[i], 0);
    const sums = 10 * (S + 1) * UNIT;
    const logSum = right.logSums[row];
    const bound = mean + sums + 4 * UNIT * (Math.abs(logSum) + 1);
    compare(got.logSums[row], logSum, bound);
    for (let d = 0; d < D; d++) {
      const bound = keys.reduce((sum, s, i) => {
        const v = Math.abs(value[(shared * S + s) * D + d]);
        return sum + weights[i] * v * (errors[i] + mean + sums);
      }, 2 ** -126); // what lies below is zero on some GPUs
      compare(got.output[row * D + d], right.output[row * D + d], bound);
    }
  }
  return worst;
}

/** What all kernels of attention share: sizes, and who may look at what. */
export const SHAPE = /* wgsl */ `
struct Shape {
  B: u32, H: u32, G: u32, N: u32, S: u32, D: u32, causal: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> keep: array<u32>; // (B, S)

/** Below every score; −∞ cannot be written in WGSL, and −∞ − (−∞) is NaN. */
const LOWEST = -3.4e38;

/** How many keys query n may look at, as far as causality goes. */
fn reach(n: u32) -> u32 {
  if (shape.causal == 0) { return shape.S; }
  return min(shape.S, max(n + shape.S + 1, shape.N) - shape.N);
}
`;

/** The buffers of {@link SHAPE}. */
export async function uploadShape(
  memory: Memory,
  x: Attention,
): Promise<[shape: GPUBuffer, keep: GPUBuffer]> {
  const { B, H, G, N, S, D, causal } = x;
  return [
    await memory.uniform([B, H, G, N, S, D, Number(causal ?? 0)], [scaleOf(x)]),
    await memory.upload(
      Uint32Array.from(x.keep ?? new Uint8Array(B * S).fill(1)),
    ),
  ];
}

/** Invocations for a row of scores; a power of two. */
export const LANES = 128;

/**
 * Turns rows of scores into weights. Grid: a workgroup a row. An invocation makes
 * 2S / LANES reads and S / LANES writes.
 */
export const SOFTMAX = SHAPE + /* wgsl */ `
@group(0) @binding(2) var<storage, read_write> scores: array<f32>; // (B·H·N, pitch of S)
@group(0) @binding(3) var<storage, read_write> logSums: array<f32>; // (B·H·N)
override LANES: u32 = ${LANES};
var<workgroup> peaks: array<f32, LANES>;
var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= shape.B * shape.H * shape.N) { return; } // the whole workgroup
  let at = row * ((shape.S + 3) / 4 * 4);
  let keepAt = row / (shape.H * shape.N) * shape.S;
  let end = reach(row % shape.N);
  var peak = LOWEST;
  var sum = 0.0;
  for (var s = lane; s < end; s += LANES) {
    if (keep[keepAt + s] == 0) { continue; }
    let score = scores[at + s] * shape.scale;
    let higher = max(peak, score);
    sum = sum * exp(peak - higher) + exp(score - higher);
    peak = higher;
  }
  peaks[lane] = peak;
  sums[lane] = sum;
  workgroupBarrier(); // all parts are there
  for (var half = LANES / 2; half > 0; half /= 2) {
    if (lane < half) {
      let higher = max(peaks[lane], peaks[lane + half]);
      sums[lane] = sums[lane] * exp(peaks[lane] - higher) +
        sums[lane + half] * exp(peaks[lane + half] - higher);
      peaks[lane] = higher;
    }
    workgroupBarrier(); // half as many are
  }
  for (var s = lane; s < shape.S; s += LANES) {
    var weight = 0.0;
    if (s < end && keep[keepAt + s] != 0) {
      weight = exp(scores[at + s] * shape.scale - peaks[0]) / sums[0];
    }
    scores[at + s] = weight;
  }
  if (lane == 0) {
    logSums[row] = select(peaks[0] + log(sums[0]), LOWEST, sums[0] == 0);
  }
}`;

/** The kernel that sums the values: with tiles as wide as a head, if it is narrow. */
export function outputWay(D: number): Way {
  const X = D > 64 ? 16 : D > 32 ? 8 : 4;
  return way(WAYS.registers.code, { X, Y: 16, DEPTH: 4 });
}

/**
 * Plans attention in three passes, with scores of B · H · N · (pitch of S) in memory.
 * @throws as {@link checkAttention}, and {RangeError} if the GPU has no buffer for
 * the scores
 */
export async function planAttention(
  gpu: Gpu,
  memory: Memory,
  x: Attention,
): Promise<Plan> {
  checkAttention(x);
  const { B, H, G, N, S, D } = x;
  const [batch, share] = [B * H, H / G];
  const output = await memory.empty(4 * batch * N * pitchOf(D));
  const logSums = await memory.empty(4 * batch * N);
  const scores = await memory.empty(4 * batch * N * pitchOf(S));
  const [query, key, value] = [
    await memory.uploadRows(x.query, D),
    await memory.uploadRows(x.key, D),
    await memory.uploadRows(x.value, D),
  ];
  const launches = [
    await launchProduct(gpu, memory, WAYS.transposed, {
      ...{ M: N, K: D, N: S, batch, share },
    }, [query, key, scores]),
    {
      kernel: await gpu.compile(SOFTMAX),
      buffers: [...await uploadShape(memory, x), scores, logSums],
      groups: batch * N,
      iterations: 2 * Math.ceil(S / LANES) + Math.log2(LANES) + 3,
    },
    await launchProduct(gpu, memory, outputWay(D), {
      ...{ M: N, K: S, N: D, batch, share },
    }, [scores, value, output]),
  ];
  return { launches, output, logSums };
}

/** Runs a plan, and reads what it made. */
export async function runPlan(
  gpu: Gpu,
  { B, H, N, D }: Attention,
  { launches, output, logSums }: Plan,
): Promise<Attended> {
  await gpu.run(...launches);
  const [padded, sums] = await gpu.read(output, logSums);
  return {
    output: unpad(padded, B * H * N, D),
    logSums: sums.subarray(0, B * H * N).map((x) => x < -3e38 ? -Infinity : x),
  };
}

/** Attention in three passes. @throws as {@link planAttention} */
export async function attendNaive(gpu: Gpu, x: Attention): Promise<Attended> {
  using memory = gpu.memory();
  return await runPlan(gpu, x, await planAttention(gpu, memory, x));
}

/** Attention of such sizes over random numbers from −1 to 1. */
export function randomAttention(
  sizes: Partial<Attention>,
  random: () => number,
): Attention {
  const { B = 1, H = 1, G = H, N = 1, S = N, D = 1 } = sizes;
  return {
    query: randomFloats(B * H * N * D, random),
    key: randomFloats(B * G * S * D, random),
    value: randomFloats(B * G * S * D, random),
    ...{ ...sizes, B, H, G, N, S, D },
  };
}

if (import.meta.main) {
  await demo(async (gpu) => {
    const x = randomAttention({ N: 300, D: 64, causal: true }, lehmer(42));
    const got = await attendNaive(gpu, x);
    console.log(`${gpu.name}: ${x.N} queries and keys of ${x.D}, causal`);
    const error = attentionError(x, got);
    console.log(`error: ${error.toFixed(3)} of what f32 may be off`);
    for (const N of [1024, 4096, 16384, 65536]) {
      const scores = inBytes(4 * N * N);
      const inputs = inBytes(4 * 4 * N * x.D);
      console.log(`N = ${N}: ${inputs} in and out, ${scores} of scores a head`);
    }
  });
}
