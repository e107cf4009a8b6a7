#!/usr/bin/env -S deno run
/**
 * Q. Train through attention without keeping its weights. What is computed again?
 *
 * A. The forward pass keeps one number a row, the logarithm of its sum of
 * exponentials: each weight is exp(score − logSum), so a tile of them is made again
 * whenever it is needed. The softmax turns dWeight into weight · (dWeight − delta),
 * where delta is the row's mean of dWeight, and that is dOutput · output: one more
 * number a row. One kernel has a workgroup for a tile of queries and walks over the
 * keys; the other has one for a tile of keys and walks over the queries. So each
 * gradient has one writer, and its sum the same order in each run. It costs seven
 * products in place of the four of a backward pass that has kept its weights.
 *
 * Shapes: as in attention.ts; query, output and their gradients (B, H, N, D), key,
 * value and theirs (B, G, S, D), log-sums and delta (B, H, N).
 * Time O(B·H·N·S·D); space O(B·H·N) beside inputs and outputs.
 * Trap: G below H. A key's gradient is the sum over all heads of queries that share
 * it; a kernel that walks over the queries of one head loses the others.
 * Left out: 16-bit floats, several scores an invocation, dropout.
 * Source: Dao et al. (2022), arXiv:2205.14135; Dao (2023), arXiv:2307.08691.
 * Run: `deno run flash_backward.ts`
 * @module
 */
import {
  type Attended,
  attendNaive,
  type Attention,
  randomAttention,
  reach,
  scaleOf,
  SHAPE,
  uploadShape,
} from "./attention.ts";
import {
  checkBackward,
  type Gradients,
  gradients,
} from "./attention_backward.ts";
import { CUT } from "./flash_attention.ts";
import { inBytes, type Memory, pitchOf, unpad } from "./buffers.ts";
import { demo, type Gpu, type Launch } from "./device.ts";
import { lehmer, randomFloats } from "./testing.ts";

/** A kernel for each tile of queries, and one for each of keys. */
export interface Backward {
  /** Rows of a tile, and invocations for each. */
  tile: number;
  queries: string;
  keys: string;
}

/** The gradients on the GPU: launches, and the buffers that they fill. */
export type GradientsPlan = Gradients<GPUBuffer> & { launches: Launch[] };

/** The kernels for rows of V vec4s, and tiles of so many rows. */
function kernels(V: number, tile: number): Omit<Backward, "tile"> {
  /** The text for each vec4 that an invocation sums; # is its number, c# its place. */
  const each = (text: string) =>
    Array.from(
      { length: Math.ceil(V / tile) },
      (_, i) => text.replaceAll("#", `${i}`),
    ).join("\n");
  const both = SHAPE + /* wgsl */ `
@group(0) @binding(2) var<storage, read> query: array<vec4f>; // (B·H·N, V)
@group(0) @binding(3) var<storage, read> key: array<vec4f>; // (B·G·S, V)
@group(0) @binding(4) var<storage, read> value: array<vec4f>; // (B·G·S, V)
@group(0) @binding(5) var<storage, read> dOutput: array<vec4f>; // (B·H·N, V)
override TILE: u32;
const V = ${V}u;
const PITCH = V | 1; // odd, so that rows begin in different banks
var<workgroup> tileQuery: array<vec4f, TILE * PITCH>;
var<workgroup> tileKey: array<vec4f, TILE * PITCH>;
var<workgroup> tileValue: array<vec4f, TILE * PITCH>;
var<workgroup> tileDOutput: array<vec4f, TILE * PITCH>;
var<workgroup> made: array<vec2f, TILE * TILE>; // weight, dScore

${CUT}
/** Copies query n to row y of its tile: the invocations of that row do it together. */
fn loadQuery(head: u32, n: u32, at: vec2u) {
  for (var v = at.x; v < V; v += TILE) {
    let i = (head * shape.N + n) * V + v;
    let to = at.y * PITCH + v;
    tileQuery[to] = vec4f();
    tileDOutput[to] = vec4f();
    if (n >= shape.N) { continue; }
    tileQuery[to] = cut(query[i], v);
    tileDOutput[to] = cut(dOutput[i], v);
  }
}

fn kept(keyHead: u32, s: u32) -> bool {
  return s < shape.S && keep[keyHead / shape.G * shape.S + min(s, shape.S - 1)] != 0;
}

/** Copies key s likewise; zeros for padding, for even 0 · NaN is NaN. */
fn loadKey(keyHead: u32, s: u32, at: vec2u) {
  for (var v = at.x; v < V; v += TILE) {
    let i = (keyHead * shape.S + s) * V + v;
    let to = at.y * PITCH + v;
    tileKey[to] = vec4f();
    tileValue[to] = vec4f();
    if (!kept(keyHead, s)) { continue; }
    tileKey[to] = cut(key[i], v);
    tileValue[to] = cut(value[i], v);
  }
}

/** Makes the weight of query n, row y of its tile, for key s, row x of its own. */
fn weigh(keyHead: u32, n: u32, s: u32, row: vec2f, at: vec2u) {
  made[at.y * TILE + at.x] = vec2f();
  if (n >= shape.N || s >= reach(n) || !kept(keyHead, s)) { return; }
  var score = 0.0;
  var dWeight = 0.0;
  for (var v = 0u; v < V; v++) {
    score += dot(tileQuery[at.y * PITCH + v], tileKey[at.x * PITCH + v]);
    dWeight += dot(tileDOutput[at.y * PITCH + v], tileValue[at.x * PITCH + v]);
  }
  let weight = exp(score * shape.scale - row.x);
  made[at.y * TILE + at.x] = vec2f(weight, weight * (dWeight - row.y));
}

@compute @workgroup_size(TILE, TILE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let at = local.xy;
  let place = group.x + group.y * groups.x;
${each("  let c# = at.x + # * TILE;")}
`;

  // Grid: B·H · (N / TILE) workgroups of TILE × TILE. An invocation reads 2V vec4s
  // for delta and 2V / TILE for each tile of keys, and writes V / TILE.
  const queries = both + /* wgsl */ `
  let down = (shape.N + TILE - 1) / TILE;
  if (place >= shape.B * shape.H * down) { return; } // the whole workgroup
  let head = place / down;
  let keyHead = head / (shape.H / shape.G);
  let first = place % down * TILE;
  let n = first + at.y;
  let at0 = (head * shape.N + n) * V;
  loadQuery(head, n, at);
  var row = vec2f();
  if (n < shape.N) {
    row.x = rows[2 * (head * shape.N + n)];
    for (var v = 0u; v < V; v++) {
      row.y += dot(cut(output[at0 + v], v), cut(dOutput[at0 + v], v));
    }
    if (at.x == 0) { rows[2 * (head * shape.N + n) + 1] = row.y; } // for the other kernel
  }
${each("  var sum# = vec4f();")}
  // What the tile's last query may not look at, no other may.
  let end = reach(min(first + TILE, shape.N) - 1);
  for (var s = 0u; s < end; s += TILE) {
    loadKey(keyHead, s + at.y, at);
    workgroupBarrier(); // both tiles are there
    weigh(keyHead, n, s + at.x, row, at);
    workgroupBarrier(); // all of their weights are there
    for (var i = 0u; i < TILE; i++) {
      let dScore = made[at.y * TILE + i].y;
${each("      if (c# < V) { sum# += dScore * tileKey[i * PITCH + c#]; }")}
    }
    workgroupBarrier(); // and no one reads the keys any more
  }
  if (n >= shape.N) { return; }
${each("  if (c# < V) { dQuery[at0 + c#] = shape.scale * sum#; }")}
}
@group(0) @binding(6) var<storage, read_write> rows: array<f32>; // (B·H·N, 2) log-sum, delta
@group(0) @binding(7) var<storage, read> output: array<vec4f>; // (B·H·N, V)
@group(0) @binding(8) var<storage, read_write> dQuery: array<vec4f>; // (B·H·N, V)`;

  // Grid: B·G · (S / TILE) workgroups of TILE × TILE. An invocation reads 2V / TILE
  // vec4s for each tile of queries, and writes 2V / TILE.
  const keys = both + /* wgsl */ `
  let down = (shape.S + TILE - 1) / TILE;
  if (place >= shape.B * shape.G * down) { return; } // the whole workgroup
  let keyHead = place / down;
  let first = place % down * TILE;
  loadKey(keyHead, first + at.y, at);
${each("  var dKey# = vec4f();\n  var dValue# = vec4f();")}
  // The first query that may look at the tile's first key; before it, none may.
  let above = select(0, max(first + shape.N, shape.S) - shape.S, shape.causal != 0);
  let share = shape.H / shape.G;
  for (var head = keyHead * share; head < (keyHead + 1) * share; head++) {
    for (var top = above / TILE * TILE; top < shape.N; top += TILE) {
      let n = top + at.y;
      loadQuery(head, n, at);
      workgroupBarrier(); // both tiles are there
      let rowAt = 2 * (head * shape.N + min(n, shape.N - 1));
      let row = vec2f(rows[rowAt], rows[rowAt + 1]);
      weigh(keyHead, n, first + at.x, row, at);
      workgroupBarrier(); // all of their weights are there
      for (var i = 0u; i < TILE; i++) {
        let m = made[i * TILE + at.y]; // a column: of key first + y
${each("if (c# < V) { dKey# += m.y * tileQuery[i * PITCH + c#]; }")}
${each("if (c# < V) { dValue# += m.x * tileDOutput[i * PITCH + c#]; }")}
      }
      workgroupBarrier(); // and no one reads the queries any more
    }
  }
  if (first + at.y >= shape.S) { return; }
  let at0 = (keyHead * shape.S + first + at.y) * V;
${each("  if (c# < V) { dKey[at0 + c#] = shape.scale * dKey#; }")}
${each("  if (c# < V) { dValue[at0 + c#] = dValue#; }")}
}
@group(0) @binding(6) var<storage, read> rows: array<f32>; // (B·H·N, 2) log-sum, delta
@group(0) @binding(7) var<storage, read_write> dKey: array<vec4f>; // (B·G·S, V)
@group(0) @binding(8) var<storage, read_write> dValue: array<vec4f>; // (B·G·S, V)`;
  return { queries, keys };
}

/** Of workgroup memory: rows of queries, keys, values and dOutput, and their scores. */
const bytesOf = (D: number, tile: number) =>
  4 * tile * (pitchOf(D) / 4 | 1) * 16 + 2 * tile * tile * 4;

/**
 * The kernels for heads of D numbers, with the largest tiles that fit.
 * @param limit bytes of memory that a workgroup has; any GPU has 16 KiB
 * @param tile the longest side: a workgroup has tile × tile invocations
 * @throws {RangeError} if D is too large, or no tile fits
 */
export function backwardOf(D: number, limit = 2 ** 14, tile = 16): Backward {
  const task = `Cannot find gradients of heads of ${D}`;
  if (D > 128) throw new RangeError(`${task}: the kernels hold at most 128`);
  while (tile > 0 && bytesOf(D, tile) > limit) tile--;
  if (tile === 0) {
    throw new RangeError(
      `${task}: a tile needs ${bytesOf(D, 1)} bytes, a workgroup has ${limit}`,
    );
  }
  return { tile, ...kernels(pitchOf(D) / 4, tile) };
}

/**
 * Plans the gradients: two launches, and B · H · N pairs of numbers beside what goes
 * in and out.
 * @param attended what attention returned for x
 * @param dOutput (B, H, N, D) the gradient of its output
 * @throws as {@link gradients} and {@link backwardOf}, and {RangeError} if what
 * attention returned does not fit x, or the GPU has no buffer as large
 */
export async function planGradients(
  gpu: Gpu,
  memory: Memory,
  x: Attention,
  { output, logSums }: Attended,
  dOutput: Float32Array,
  way?: Backward,
): Promise<GradientsPlan> {
  checkBackward(x, { dOutput, output, logSums });
  const { B, H, G, N, S, D } = x;
  way ??= backwardOf(D, gpu.limits.maxComputeWorkgroupStorageSize);
  const rows = new Float32Array(2 * B * H * N).fill(NaN); // delta is not known yet
  logSums.forEach((sum, i) => rows[2 * i] = Math.max(sum, -3.4e38)); // LOWEST
  const [bytes, keyBytes] = [H * N, G * S].map((n) => 4 * B * n * pitchOf(D));
  const dQuery = await memory.empty(bytes);
  const dKey = await memory.empty(keyBytes);
  const dValue = await memory.empty(keyBytes);
  const inputs = [...await uploadShape(memory, x)];
  for (const numbers of [x.query, x.key, x.value, dOutput]) {
    inputs.push(await memory.uploadRows(numbers, D));
  }
  inputs.push(await memory.upload(rows));
  const TILE = way.tile;
  gpu.mustFit(bytesOf(D, TILE));
  const V = pitchOf(D) / 4;
  const loads = Math.ceil(V / TILE);
  const round = loads + V + TILE + 4; // how often a tile's loops go round
  const launches = [{
    kernel: await gpu.compile(way.queries, { TILE }),
    buffers: [...inputs, await memory.uploadRows(output, D), dQuery],
    groups: B * H * Math.ceil(N / TILE),
    iterations: Math.ceil(S / TILE) * round + V + loads + 3,
  }, {
    kernel: await gpu.compile(way.keys, { TILE }),
    buffers: [...inputs, dKey, dValue],
    groups: B * G * Math.ceil(S / TILE),
    iterations: H / G * (Math.ceil(N / TILE) * round + 2) + loads + 2,
  }];
  return { launches, dQuery, dKey, dValue };
}

/** The gradients of attention, on the GPU. @throws as {@link planGradients} */
export async function flashGradients(
  gpu: Gpu,
  x: Attention,
  attended: Attended,
  dOutput: Float32Array,
  way?: Backward,
): Promise<Gradients<Float32Array<ArrayBuffer>>> {
  using memory = gpu.memory();
  const plan = await planGradients(gpu, memory, x, attended, dOutput, way);
  await gpu.run(...plan.launches);
  const { B, H, G, N, S, D } = x;
  const read = await gpu.read(plan.dQuery, plan.dKey, plan.dValue);
  const [dQuery, dKey, dValue] = read.map((padded, i) =>
    unpad(padded, i === 0 ? B * H * N : B * G * S, D)
  );
  return { dQuery, dKey, dValue };
}

/**
 * The twin of the kernels on the CPU, in f32: each weight is made again from its
 * row's log-sum, tile by tile, once for the queries and once for the keys.
 * @throws as {@link gradients}, and {RangeError} if what attention returned does not
 * fit x
 */
export function gradientsTiled(
  x: Attention,
  { output, logSums }: Attended,
  dOutput: Float32Array,
  tile = 16,
): Gradients {
  checkBackward(x, { dOutput, output, logSums });
  const { B, H, G, N, S, D, query, key, value, keep } = x;
  const [share, scale] = [H / G, scaleOf(x)];
  const dot = (a: Float32Array, i: number, b: Float32Array, j: number) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += a[i * D + d] * b[j * D + d];
    return sum;
  };
  /** Adds factor · row j of b to row i of a. */
  const addRow = (
    [a, i]: [Float32Array, number],
    factor: number,
    [b, j]: [Float32Array, number],
  ) => {
    for (let d = 0; d < D; d++) a[i * D + d] += factor * b[j * D + d];
  };
  const weigh = (row: number, at: number): [weight: number, dScore: number] => {
    const weight = Math.exp(dot(query, row, key, at) * scale - logSums[row]);
    const delta = dot(dOutput, row, output, row);
    return [weight, weight * (dot(dOutput, row, value, at) - delta)];
  };
  const [dQuery, dKey, dValue] = [query, key, value].map(({ length }) =>
    new Float32Array(length)
  );
  const seen = (head: number, n: number, s: number) =>
    s < reach(x, n) && (!keep || keep[Math.floor(head / H) * S + s] !== 0);
  for (let head = 0; head < B * H; head++) {
    const keys = Math.floor(head / share) * S;
    for (let top = 0; top < N; top += tile) {
      const bottom = Math.min(top + tile, N);
      for (let s = 0; s < reach(x, bottom - 1); s++) {
        for (let n = top; n < bottom; n++) {
          if (!seen(head, n, s)) continue;
          const [row, at] = [head * N + n, keys + s];
          addRow([dQuery, row], scale * weigh(row, at)[1], [key, at]);
        }
      }
    }
    for (let left = 0; left < S; left += tile) {
      // The first query that may look at the tile's first key.
      const above = x.causal ? Math.max(0, left + N - S) : 0;
      for (let n = Math.floor(above / tile) * tile; n < N; n++) {
        for (let s = left; s < Math.min(left + tile, S); s++) {
          if (!seen(head, n, s)) continue;
          const [row, at] = [head * N + n, keys + s];
          const [weight, dScore] = weigh(row, at);
          addRow([dKey, at], scale * dScore, [query, row]);
          addRow([dValue, at], weight, [dOutput, row]);
        }
      }
    }
  }
  return { dQuery, dKey, dValue };
}

if (import.meta.main) {
  await demo(async (gpu) => {
    const random = lehmer(42);
    const sizes = { H: 4, G: 2, N: 70, D: 32, causal: true };
    const x = randomAttention(sizes, random);
    const dOutput = randomFloats(x.query.length, random);
    const attended = await attendNaive(gpu, x);
    console.log(`${gpu.name}: ${x.H} heads of ${x.D} on ${x.G}, N = ${x.N}`);
    const got = await flashGradients(gpu, x, attended, dOutput);
    const right = gradients(x, dOutput);
    for (const name of ["dQuery", "dKey", "dValue"] as const) {
      const off = right[name].map((y, i) => Math.abs(y - got[name][i]));
      const [most, largest] = [off, right[name].map(Math.abs)].map((all) =>
        all.reduce((x, y) => Math.max(x, y))
      );
      console.log(
        `${name} is off by ${most.toExponential(0)} of ${largest.toFixed(1)}`,
      );
    }
    for (const N of [1024, 4096, 16384, 65536]) {
      const [sums, weights] = [4 * N, 4 * N * N].map(inBytes);
      console.log(`N = ${N}: a head keeps ${sums}, not ${weights} of weights`);
    }
  });
}
