#!/usr/bin/env -S deno run
/**
 * Q. What is flash attention?
 *
 * A. Attention in one kernel that never writes the scores. A workgroup keeps a tile of
 * queries, and the keys and values pass by in blocks. Of each block it makes the
 * scores, in its own memory, and adds what they weigh to the output so far. A softmax
 * needs the largest score of its row, which is not known yet; so it takes the largest
 * so far, and when a larger one comes, what was summed shrinks by
 * exp(old largest − new largest). The result is the formula's, but for rounding. Keys
 * and values are read once for each tile of queries, not once in all: memory traffic
 * falls to N² D² / M for a memory of M numbers, it does not vanish.
 *
 * Shapes: as in attention.ts: query (B, H, N, D), key and value (B, G, S, D).
 * Time O(B·H·N·S·D); space O(B·H·N) beside the output, for the log-sums.
 * Trap: to change the largest score, and not the sum and the output with it.
 * Left out: f16, tensor cores, parts of the keys in parallel, dropout, scores beyond
 * 3.4e38. A value that
 * causality hides must be a finite number, as 0 · ∞ is none; one that is padding may
 * be anything.
 * Source: Dao, Fu, Ermon, Rudra, Ré (2022), arXiv:2205.14135.
 * Run: `deno run flash_attention.ts`
 * @module
 */
import {
  type Attended,
  attendNaive,
  type Attention,
  attentionError,
  checkAttention,
  type Plan,
  randomAttention,
  reach,
  runPlan,
  scaleOf,
  SHAPE,
  uploadShape,
} from "./attention.ts";
import { inBytes, type Memory, pitchOf } from "./buffers.ts";
import { demo, type Gpu, unroll } from "./device.ts";
import { lehmer } from "./testing.ts";

/** The largest head: its part of the output fills an invocation's registers. */
const LARGEST_HEAD = 128;
/** Queries and keys of an invocation. */
export const ROWS = 8;
const KEYS = 4;

/** How many invocations a workgroup has across its keys and down its queries. */
export interface Tile {
  X: number;
  Y: number;
}

/** How many bytes of workgroup memory the kernel needs. */
export function tileBytes(D: number, { X, Y }: Tile): number {
  const width = pitchOf(D) / 4;
  const [rows, keys] = [ROWS * Y, KEYS * X];
  return 16 * ((rows + keys) * (width | 1) + rows * X) + 4 * rows * X;
}

/** The largest tile that fits so much workgroup memory. */
export function tileFor(D: number, bytes: number): Tile {
  const tiles = [8, 4, 2, 1].flatMap((X) => [8, 4, 2].map((Y) => ({ X, Y })));
  return tiles.find((tile) => tileBytes(D, tile) <= bytes) ?? { X: 1, Y: 1 };
}

/** The tile that this GPU takes for heads of D. */
export const flashTile = ({ limits }: Gpu, D: number) =>
  tileFor(D, limits.maxComputeWorkgroupStorageSize);

/** What the kernels of flash attention read rows by, after {@link SHAPE}. */
export const CUT =
  /* wgsl */ `/** Vec4 v of a row; zeros in place of its padding. */
fn cut(x: vec4f, v: u32) -> vec4f {
  return select(vec4f(), x, vec4u(4 * v) + vec4u(0, 1, 2, 3) < vec4u(shape.D));
}
`;

/**
 * Flash attention for heads of D. Grid: B · H · (N / 8Y) workgroups of X × Y. A
 * workgroup keeps 8Y queries and takes 4X keys at a time. An invocation makes
 * D / 4 · (8Y + 2S) / XY reads of vec4s, and 2D / X writes of them. It has 8 rows, Y
 * apart; of their scores 4, X apart; and of their output every X-th vec4.
 */
export function flashKernel(D: number, { X, Y }: Tile): string {
  const width = pitchOf(D) / 4; // of a head, in vec4s
  const vectors = Math.ceil(width / X); // of the output, in an invocation
  return SHAPE + /* wgsl */ `
@group(0) @binding(2) var<storage, read> query: array<vec4f>; // (B, H, N, pitch of D)
@group(0) @binding(3) var<storage, read> key: array<vec4f>; // (B, G, S, pitch of D)
@group(0) @binding(4) var<storage, read> value: array<vec4f>; // (B, G, S, pitch of D)
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>; // (B, H, N, pitch of D)
@group(0) @binding(6) var<storage, read_write> logSums: array<f32>; // (B, H, N)
override X: u32 = ${X};
override Y: u32 = ${Y};
const WIDTH = ${width}u;
const STRIDE = ${
    width | 1
  }u; // odd, so that neighbouring rows lie in other banks
var<workgroup> tileQ: array<vec4f, ${ROWS} * Y * STRIDE>;
var<workgroup> tileKV: array<vec4f, ${KEYS} * X * STRIDE>;
var<workgroup> weights: array<vec4f, ${ROWS} * Y * X>;
var<workgroup> partial: array<f32, ${ROWS} * Y * X>;

${CUT}
@compute @workgroup_size(X, Y)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let n = group.x + group.y * groups.x;
  let tiles = (shape.N + ${ROWS} * Y - 1) / (${ROWS} * Y);
  let head = n / tiles; // of B · H
  let top = n % tiles * ${ROWS} * Y;
  if (head >= shape.B * shape.H) { return; } // the whole workgroup
  let keyHead = head / (shape.H / shape.G); // of B · G
  let keepAt = head / shape.H * shape.S;

  // Scores in powers of two: exp2 is what the hardware has.
  let factor = shape.scale * ${Math.LOG2E};
  for (var i = index; i < ${ROWS} * Y * WIDTH; i += X * Y) {
    let row = top + i / WIDTH;
    let at = i / WIDTH * STRIDE + i % WIDTH;
    tileQ[at] = vec4f();
    if (row < shape.N) {
      tileQ[at] = factor * cut(query[(head * shape.N + row) * WIDTH + i % WIDTH], i % WIDTH);
    }
  }
${
    unroll(ROWS, (i) =>
      `  let reach${i} = reach(top + local.y + ${i} * Y);
  var peak${i} = LOWEST;
  var sum${i} = 0.0; // of this invocation's keys\n` +
      unroll(vectors, (v) => `  var out${i}_${v} = vec4f();`))
  }

  // Blocks that causality hides from every row are not even loaded.
  let end = reach(min(top + ${ROWS} * Y, shape.N) - 1);
  for (var start = 0u; start < end; start += ${KEYS} * X) {
    for (var i = index; i < ${KEYS} * X * WIDTH; i += X * Y) {
      let s = start + i / WIDTH;
      let at = i / WIDTH * STRIDE + i % WIDTH;
      tileKV[at] = vec4f();
      if (s < shape.S) {
        tileKV[at] = cut(key[(keyHead * shape.S + s) * WIDTH + i % WIDTH], i % WIDTH);
      }
    }
    workgroupBarrier(); // queries and keys are there
${unroll(ROWS, (i) => `    var score${i} = vec4f();`)}
    for (var v = 0u; v < WIDTH; v++) {
${
    unroll(KEYS, (j) =>
      `      let k${j} = tileKV[(local.x + ${j} * X) * STRIDE + v];`)
  }
${
    unroll(ROWS, (i) =>
      `      let q${i} = tileQ[(local.y + ${i} * Y) * STRIDE + v];\n` +
      unroll(4, (d) =>
        `      score${i} = fma(vec4f(q${i}[${d}]), vec4f(k0[${d}], k1[${d}], k2[${d}], k3[${d}]), score${i});`))
  }
    }
    let keys = vec4u(start + local.x) + vec4u(0, 1, 2, 3) * X;
    let places = min(keys, vec4u(shape.S - 1)); // beyond S a row does not reach
    let kept = vec4<bool>(${
    Array.from(
      { length: KEYS },
      (_, j) => `keep[keepAt + places[${j}]] != 0`,
    ).join(", ")
  });
${
    unroll(ROWS, (i) =>
      `    let seen${i} = kept & (keys < vec4u(reach${i}));
    let masked${i} = select(vec4f(LOWEST), score${i}, seen${i});
    partial[(local.y + ${i} * Y) * X + local.x] =
      max(max(masked${i}[0], masked${i}[1]), max(masked${i}[2], masked${i}[3]));`)
  }
    workgroupBarrier(); // each row's largest scores are there, and the keys are used
${unroll(ROWS, (i) => `    var higher${i} = peak${i};`)}
    for (var x = 0u; x < X; x++) {
${
    unroll(ROWS, (i) =>
      `      higher${i} = max(higher${i}, partial[(local.y + ${i} * Y) * X + x]);`)
  }
    }
${
    unroll(ROWS, (i) =>
      `    let shrink${i} = exp2(peak${i} - higher${i});
    let weight${i} = select(vec4f(), exp2(score${i} - higher${i}), seen${i});
    peak${i} = higher${i};
    weights[(local.y + ${i} * Y) * X + local.x] = weight${i};
    sum${i} = sum${i} * shrink${i} + dot(weight${i}, vec4f(1));
${unroll(vectors, (v) => `    out${i}_${v} *= shrink${i};`)}`)
  }
    for (var i = index; i < ${KEYS} * X * WIDTH; i += X * Y) {
      let s = start + i / WIDTH;
      let at = i / WIDTH * STRIDE + i % WIDTH;
      tileKV[at] = vec4f();
      if (s >= shape.S) { continue; }
      if (keep[keepAt + s] == 0) { continue; } // not even NaN gets through
      tileKV[at] = value[(keyHead * shape.S + s) * WIDTH + i % WIDTH];
    }
    workgroupBarrier(); // weights and values are there
    for (var x = 0u; x < X; x++) {
${
    unroll(ROWS, (i) =>
      `      let w${i} = weights[(local.y + ${i} * Y) * X + x];`)
  }
${
    unroll(KEYS, (j) =>
      unroll(vectors, (v) =>
        `      let v${j}_${v} = tileKV[(x + ${j} * X) * STRIDE + min(local.x + ${v} * X, WIDTH - 1)];\n` +
        unroll(ROWS, (i) =>
          `      out${i}_${v} = fma(vec4f(w${i}[${j}]), v${j}_${v}, out${i}_${v});`)))
  }
    }
    workgroupBarrier(); // and no one reads them any more
  }

${
    unroll(ROWS, (i) =>
      `  partial[(local.y + ${i} * Y) * X + local.x] = sum${i};`)
  }
  workgroupBarrier(); // each row's sums are there
${
    unroll(ROWS, (i) =>
      `  {
    let row = top + local.y + ${i} * Y;
    var sum = 0.0;
    for (var x = 0u; x < X; x++) { sum += partial[(local.y + ${i} * Y) * X + x]; }
    let part = select(1 / sum, 0, sum == 0); // a row without a key is zeros
    if (row < shape.N) {
      let at = head * shape.N + row;
${
        unroll(vectors, (v) =>
          `      if (local.x + ${v} * X < WIDTH) { output[at * WIDTH + local.x + ${v} * X] = part * out${i}_${v}; }`)
      }
      if (local.x == 0) {
        logSums[at] = select((peak${i} + log2(sum)) * ${Math.LN2}, LOWEST, sum == 0);
      }
    }
  }`)
  }
}`;
}

/**
 * Plans flash attention.
 * @param tile of a workgroup; the largest that fits, without
 * @throws as {@link checkAttention}, and {RangeError} if D is above 128 or the tile
 * does not fit
 */
export async function planFlash(
  gpu: Gpu,
  memory: Memory,
  x: Attention,
  tile = flashTile(gpu, x.D),
): Promise<Plan> {
  checkAttention(x);
  const { B, H, N, S, D } = x;
  if (D > LARGEST_HEAD) {
    throw new RangeError(
      `Cannot attend in one pass: heads of ${D} are above ${LARGEST_HEAD}`,
    );
  }
  gpu.mustFit(tileBytes(D, tile));
  const output = await memory.empty(4 * B * H * N * pitchOf(D));
  const logSums = await memory.empty(4 * B * H * N);
  const buffers = [
    ...await uploadShape(memory, x),
    await memory.uploadRows(x.query, D),
    await memory.uploadRows(x.key, D),
    await memory.uploadRows(x.value, D),
    ...[output, logSums],
  ];
  const kernel = await gpu.compile(flashKernel(D, tile));
  const groups = B * H * Math.ceil(N / (ROWS * tile.Y));
  const { X, Y } = tile;
  const width = pitchOf(D) / 4;
  const round = 2 * Math.ceil(KEYS * width / Y) + width + 2 * X + 6;
  const iterations = Math.ceil(S / (KEYS * X)) * round +
    Math.ceil(ROWS * width / X) + ROWS * (X + 1) + 2;
  const launches = [{ kernel, buffers, groups, iterations }];
  return { launches, output, logSums };
}

/** Attention in one pass. @throws as {@link planFlash} */
export async function attendFlash(
  gpu: Gpu,
  x: Attention,
  tile?: Tile,
): Promise<Attended> {
  using memory = gpu.memory();
  return await runPlan(gpu, x, await planFlash(gpu, memory, x, tile));
}

/**
 * The twin of the kernel on the CPU, in f32: tile by tile, block by block.
 * @param rows of a tile of queries
 * @param block how many keys pass by at a time
 * @param counter counts the numbers read from query, key and value
 * @throws as {@link checkAttention}
 */
export function attendTiled(
  x: Attention,
  rows = 32,
  block = 32,
  counter = { reads: 0 },
): Attended {
  checkAttention(x);
  const { B, H, G, N, S, D, query, key, value, keep } = x;
  const scale = scaleOf(x);
  const output = new Float32Array(B * H * N * D);
  const logSums = new Float32Array(B * H * N).fill(-Infinity);
  for (let head = 0; head < B * H; head++) {
    const shared = Math.floor(head / (H / G)) * S;
    const keepAt = Math.floor(head / H) * S;
    for (let top = 0; top < N; top += rows) {
      const bottom = Math.min(top + rows, N);
      const peaks = new Float32Array(rows).fill(-Infinity);
      const sums = new Float32Array(rows);
      counter.reads += (bottom - top) * D;
      const end = reach(x, bottom - 1);
      for (let start = 0; start < end; start += block) {
        counter.reads += 2 * (Math.min(start + block, S) - start) * D;
        for (let n = top; n < bottom; n++) {
          const at = (head * N + n) * D;
          const scores = new Float32Array(block).fill(-Infinity);
          for (let j = 0; j < Math.min(block, reach(x, n) - start); j++) {
            if (keep && keep[keepAt + start + j] === 0) continue;
            let sum = 0;
            for (let d = 0; d < D; d++) {
              sum = Math.fround(
                sum + query[at + d] * key[(shared + start + j) * D + d],
              );
            }
            scores[j] = sum * scale;
          }
          const peak = Math.max(peaks[n - top], ...scores);
          if (peak === -Infinity) continue; // no key yet, and −∞ − (−∞) is NaN
          const shrink = Math.exp(peaks[n - top] - peak);
          const row = output.subarray(at, at + D);
          sums[n - top] *= shrink;
          row.forEach((y, d) => row[d] = y * shrink);
          scores.forEach((score, j) => {
            if (score === -Infinity) return;
            const weight = Math.fround(Math.exp(score - peak));
            sums[n - top] += weight;
            const v = (shared + start + j) * D;
            for (let d = 0; d < D; d++) row[d] += weight * value[v + d];
          });
          peaks[n - top] = peak;
        }
      }
      for (let n = top; n < bottom; n++) {
        const [at, sum] = [head * N + n, sums[n - top]];
        if (sum === 0) continue;
        for (let d = 0; d < D; d++) output[at * D + d] /= sum;
        logSums[at] = peaks[n - top] + Math.log(sum);
      }
    }
  }
  return { output, logSums };
}

if (import.meta.main) {
  await demo(async (gpu) => {
    const x = randomAttention({ N: 300, D: 64, causal: true }, lehmer(42));
    console.log(`${gpu.name}: ${x.N} queries and keys of ${x.D}, causal`);
    for (const [name, attend] of Object.entries({ attendNaive, attendFlash })) {
      gpu.peakBytes = 0;
      const got = await attend(gpu, x);
      const error = attentionError(x, got).toFixed(3);
      console.log(
        `${name}: error ${error} of what f32 may be off,`,
        `${inBytes(gpu.peakBytes)} on the GPU`,
      );
    }
    console.log("\nnumbers read from memory, N = 300, not causal");
    for (const rows of [4, 16, 64, 300]) {
      const counter = { reads: 0 };
      attendTiled({ ...x, causal: false }, rows, 32, counter);
      console.log(`tiles of ${rows} queries: ${counter.reads}`);
    }
    console.log(`scores alone, written and read: ${2 * x.N * x.S}`);
  });
}
