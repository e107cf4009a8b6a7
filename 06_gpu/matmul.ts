#!/usr/bin/env -S deno run
/**
 * Q. Write a GPU kernel that multiplies two matrices. Now make it fast.
 *
 * A. One invocation an entry: each walks a row of a and a column of b. All of them
 * compute at once as far as the GPU has room, the rest wait for their turn. It is
 * slow, because each multiply-add needs two numbers from memory. So a workgroup
 * makes a tile of the product: it copies a tile of a and a tile of b into its own
 * fast memory, waits at a barrier until all of it is there, and every number read
 * once from far away is used by a whole row of invocations. That memory then is the
 * limit, so each invocation makes 8 × 8 entries in registers: 16 numbers read for 64
 * multiply-adds.
 *
 * Shapes: a (M, K), b (K, N), product (M, N); rows padded to whole vec4s in memory.
 * Time O(M·N·K); space O(tile) beside the matrices.
 * Trap: the edge. A grid of whole workgroups is larger than the product.
 * Left out: two tiles in turn (load one, use the other), tensor cores, splitting K.
 * Source: Volkov, Demmel (2008), doi:10.1109/SC.2008.5214359, for registers first.
 * Run: `deno run matmul.ts`
 * @module
 */
import { type Memory, pitchOf, unpad } from "./buffers.ts";
import { demo, type Gpu, type Launch, unroll } from "./device.ts";
import { time } from "./timing.ts";
import { lehmer, randomFloats } from "./testing.ts";
import { checkSizes, type Floats, type Matrix } from "./tiling.ts";

/** A way to multiply, and what it costs. */
export interface Way {
  code: string;
  /** The `override` constants of the code. */
  constants: Record<string, number>;
  /** Rows and columns of the product that a workgroup makes. */
  tile: [rows: number, columns: number];
  /** Entries of the product that an invocation makes. */
  entries: number;
  /** b is (N, K), as keys are. */
  transposed: boolean;
  /** Of workgroup memory. */
  bytes: number;
  /** Numbers that a workgroup reads from buffers. */
  reads(K: number): number;
  /** As of a launch. */
  iterations(K: number): number;
}

/** What a launch computes: `batch` products, of a[i] and b[i / share]. */
export interface Sizes {
  M: number;
  K: number;
  N: number;
  batch?: number;
  share?: number;
}

/** The parameters of all kernels, and where a workgroup is. */
const HEAD = /* wgsl */ `
struct Sizes { M: u32, K: u32, N: u32, batch: u32, share: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;

/** How far apart two rows of so many numbers are. */
fn pitch(columns: u32) -> u32 { return (columns + 3) / 4 * 4; }

/** The tile of the product that workgroup n makes: batch, first row, first column. */
fn place(n: u32, rows: u32, columns: u32) -> vec3u {
  let across = (sizes.N + columns - 1) / columns;
  let down = (sizes.M + rows - 1) / rows;
  return vec3u(n / (across * down), n / across % down * rows, n % across * columns);
}
`;

const SCALARS = /* wgsl */ `
@group(0) @binding(1) var<storage, read> a: array<f32>; // (batch, M, pitch of K)
@group(0) @binding(2) var<storage, read> b: array<f32>; // (batch, K, pitch of N)
@group(0) @binding(3) var<storage, read_write> c: array<f32>; // (batch, M, pitch of N)
override SIDE: u32 = 16;
`;

/**
 * An entry an invocation. Grid: (M / SIDE) · (N / SIDE) workgroups of SIDE × SIDE.
 * An invocation makes 2K reads and 1 write.
 */
const NAIVE = HEAD + SCALARS + /* wgsl */ `
@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let at = place(group.x + group.y * groups.x, SIDE, SIDE);
  let row = at.y + local.y;
  let column = at.z + local.x;
  if (at.x >= sizes.batch || row >= sizes.M || column >= sizes.N) { return; }
  let A = (at.x * sizes.M + row) * pitch(sizes.K);
  let B = at.x / sizes.share * sizes.K * pitch(sizes.N) + column;
  var sum = 0.0;
  for (var k = 0u; k < sizes.K; k++) {
    sum += a[A + k] * b[B + k * pitch(sizes.N)];
  }
  c[(at.x * sizes.M + row) * pitch(sizes.N) + column] = sum;
}`;

/**
 * Tiles in workgroup memory. Grid as before. An invocation makes 2K / SIDE reads
 * from buffers, 2K from workgroup memory, and 1 write.
 */
const TILED = HEAD + SCALARS + /* wgsl */ `
var<workgroup> tileA: array<f32, SIDE * SIDE>;
var<workgroup> tileB: array<f32, SIDE * SIDE>;

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let at = place(group.x + group.y * groups.x, SIDE, SIDE);
  if (at.x >= sizes.batch) { return; } // the whole workgroup: barriers stay uniform
  let row = at.y + local.y;
  let column = at.z + local.x;
  let A = (at.x * sizes.M + row) * pitch(sizes.K);
  let B = at.x / sizes.share * sizes.K * pitch(sizes.N) + column;
  let mine = local.y * SIDE + local.x;
  var sum = 0.0;
  for (var k = 0u; k < sizes.K; k += SIDE) {
    // Zeros beyond the edge, so that the inner loop needs no check.
    tileA[mine] = 0.0;
    tileB[mine] = 0.0;
    if (row < sizes.M && k + local.x < sizes.K) {
      tileA[mine] = a[A + k + local.x];
    }
    if (k + local.y < sizes.K && column < sizes.N) {
      tileB[mine] = b[B + (k + local.y) * pitch(sizes.N)];
    }
    workgroupBarrier(); // all of both tiles is there
    for (var i = 0u; i < SIDE; i++) {
      sum += tileA[local.y * SIDE + i] * tileB[i * SIDE + local.x];
    }
    workgroupBarrier(); // and no one reads them any more
  }
  if (row < sizes.M && column < sizes.N) {
    c[(at.x * sizes.M + row) * pitch(sizes.N) + column] = sum;
  }
}`;

/** Rows of the product that an invocation keeps in registers, and vec4s of a row. */
const ROWS = 8;
const VECTORS = 2;

/**
 * Tiles in registers. Grid: (M / 8Y) · (N / 8X) workgroups of X × Y. An invocation
 * makes (8X + 8Y)K / XY reads from buffers, as vec4s, 16K from workgroup memory, and
 * 64 writes. Its rows are Y apart and its vec4s X apart, so that neighbours read
 * neighbours.
 * @param type of a and b; sums are f32
 * @param transposed b is (N, K)
 */
function registerTiled(type: "f32" | "f16", transposed = false): string {
  return (type === "f16" ? "enable f16;\n" : "") + HEAD + /* wgsl */ `
@group(0) @binding(1) var<storage, read> a: array<vec4<${type}>>; // (batch, M, pitch of K)
@group(0) @binding(2) var<storage, read> b: array<vec4<${type}>>; // (batch, K, pitch of N)
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>; // (batch, M, pitch of N)
override X: u32 = 16;
override Y: u32 = 16;
override DEPTH: u32 = 4; // of a tile, in vec4s
const ZERO = vec4<${type}>();
var<workgroup> tileA: array<vec4<${type}>, ${ROWS} * Y * DEPTH>;
var<workgroup> tileB: array<vec4<${type}>, 4 * DEPTH * ${VECTORS} * X>;

/** Vec4 number v of a row with so many numbers; zeros in place of its padding. */
fn cut(x: vec4<${type}>, v: u32, columns: u32) -> vec4<${type}> {
  return select(ZERO, x, vec4u(4 * v) + vec4u(0, 1, 2, 3) < vec4u(columns));
}

fn loadA(batch: u32, row: u32, v: u32) -> vec4<${type}> {
  if (row >= sizes.M || 4 * v >= sizes.K) { return ZERO; }
  return cut(a[(batch * sizes.M + row) * (pitch(sizes.K) / 4) + v], v, sizes.K);
}

fn loadB(batch: u32, row: u32, v: u32, rows: u32, columns: u32) -> vec4<${type}> {
  if (row >= rows || 4 * v >= columns) { return ZERO; }
  return cut(b[(batch * rows + row) * (pitch(columns) / 4) + v], v, columns);
}

@compute @workgroup_size(X, Y)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let at = place(group.x + group.y * groups.x, ${ROWS} * Y, ${4 * VECTORS} * X);
  if (at.x >= sizes.batch) { return; } // the whole workgroup: barriers stay uniform
  let batchB = at.x / sizes.share;
  let wide = ${VECTORS} * X; // vec4s in a row of tileB
${unroll(ROWS, (i) => unroll(VECTORS, (j) => `  var c${i}${j} = vec4f();`))}
  for (var k = 0u; k < sizes.K; k += 4 * DEPTH) {
    for (var i = index; i < ${ROWS} * Y * DEPTH; i += X * Y) {
      tileA[i] = loadA(at.x, at.y + i / DEPTH, k / 4 + i % DEPTH);
    }
${
    transposed
      ? /* wgsl */ `
    for (var i = index; i < DEPTH * wide; i += X * Y) {
      let v = i % DEPTH; // four rows of b become four columns
      let row = at.z + i / DEPTH * 4;
      let turned = transpose(mat4x4<${type}>(
        loadB(batchB, row, k / 4 + v, sizes.N, sizes.K),
        loadB(batchB, row + 1, k / 4 + v, sizes.N, sizes.K),
        loadB(batchB, row + 2, k / 4 + v, sizes.N, sizes.K),
        loadB(batchB, row + 3, k / 4 + v, sizes.N, sizes.K),
      ));
${
        unroll(4, (j) =>
          `      tileB[(4 * v + ${j}) * wide + i / DEPTH] = turned[${j}];`)
      }
    }`
      : /* wgsl */ `
    for (var i = index; i < 4 * DEPTH * wide; i += X * Y) {
      tileB[i] = loadB(batchB, k + i / wide, at.z / 4 + i % wide, sizes.K, sizes.N);
    }`
  }
    workgroupBarrier(); // all of both tiles is there
    for (var v = 0u; v < DEPTH; v++) {
${
    unroll(
      ROWS,
      (i) =>
        `      let a${i} = vec4f(tileA[(local.y + ${i} * Y) * DEPTH + v]);`,
    )
  }
${
    unroll(4, (k) =>
      unroll(VECTORS, (j) =>
        `      let b${k}${j} = vec4f(tileB[(4 * v + ${k}) * wide + local.x + ${j} * X]);`) +
      "\n" +
      unroll(ROWS, (i) =>
        unroll(VECTORS, (j) =>
          `      c${i}${j} = fma(vec4f(a${i}[${k}]), b${k}${j}, c${i}${j});`)))
  }
    }
    workgroupBarrier(); // and no one reads them any more
  }
${
    unroll(ROWS, (i) =>
      unroll(VECTORS, (j) =>
        `  store(at, local.y + ${i} * Y, local.x + ${j} * X, c${i}${j});`))
  }
}

fn store(at: vec3u, i: u32, j: u32, sum: vec4f) {
  let row = at.y + i;
  let v = at.z / 4 + j;
  if (row >= sizes.M || 4 * v >= sizes.N) { return; }
  c[(at.x * sizes.M + row) * (pitch(sizes.N) / 4) + v] = sum;
}`;
}

/** The kernels, from the simplest to the fastest. */
export const WAYS = {
  naive: way(NAIVE, { SIDE: 16 }),
  tiled: way(TILED, { SIDE: 16 }),
  registers: way(registerTiled("f32"), { X: 16, Y: 16, DEPTH: 4 }),
  half: way(registerTiled("f16"), { X: 16, Y: 16, DEPTH: 4 }),
  transposed: way(registerTiled("f32", true), { X: 16, Y: 16, DEPTH: 4 }),
};

/** A kernel with its constants, and what that costs. */
export function way(code: string, constants: Record<string, number>): Way {
  const { SIDE, X, Y, DEPTH } = constants;
  const tile: Way["tile"] = SIDE ? [SIDE, SIDE] : [ROWS * Y, 4 * VECTORS * X];
  const entries = SIDE ? 1 : 4 * ROWS * VECTORS;
  const shared = code !== NAIVE;
  const reads = (K: number) =>
    shared ? (tile[0] + tile[1]) * K : 2 * tile[0] * tile[1] * K;
  const iterations = (K: number) => {
    if (!shared) return K + 1;
    if (SIDE) return Math.ceil(K / SIDE) * (SIDE + 2) + 1;
    const loads = Math.ceil(ROWS * DEPTH / X) +
      Math.ceil(4 * VECTORS * DEPTH / Y);
    return Math.ceil(K / (4 * DEPTH)) * (loads + DEPTH + 4) + 1;
  };
  const transposed = code.includes("transpose(");
  const size = code.includes("enable f16;") ? 2 : 4;
  const depth = !shared ? 0 : SIDE ?? 4 * DEPTH;
  const bytes = size * depth * (tile[0] + tile[1]);
  return {
    ...{ code, constants, tile, entries, transposed, bytes, reads, iterations },
  };
}

/** How many workgroups make the products. */
export function groupsOf({ tile }: Way, { M, N, batch = 1 }: Sizes): number {
  return batch * Math.ceil(M / tile[0]) * Math.ceil(N / tile[1]);
}

/** A launch that makes c from a and b, which lie on the GPU. */
export async function launchProduct(
  gpu: Gpu,
  memory: Memory,
  way: Way,
  sizes: Sizes,
  [a, b, c]: [a: GPUBuffer, b: GPUBuffer, c: GPUBuffer],
): Promise<Launch> {
  const { M, K, N, batch = 1, share = 1 } = sizes;
  const uniform = await memory.uniform([M, K, N, batch, share]);
  gpu.mustFit(way.bytes);
  const kernel = await gpu.compile(way.code, way.constants);
  const groups = groupsOf(way, sizes);
  const iterations = way.iterations(K);
  return { kernel, buffers: [uniform, a, b, c], groups, iterations };
}

/**
 * Multiplies on the GPU; sums are f32.
 * @param b (K, N), or (N, K) for a way that takes it transposed
 * @throws {RangeError} if inner sizes differ, a matrix has not the entries of its
 * sizes, or the GPU allows no buffer as large
 * @throws {TypeError} if a and b are not both of f32 or f16, as the way needs
 * @throws {Error} if it is f16 and the GPU has none, or the GPU is lost
 */
export async function multiply<T extends Floats>(
  gpu: Gpu,
  a: Matrix<T>,
  b: Matrix<T>,
  way: Way = a.data instanceof Float32Array ? WAYS.registers : WAYS.half,
): Promise<Matrix<Float32Array<ArrayBuffer>>> {
  checkProduct(a, b, way, gpu);
  const [M, K] = [a.rows, a.columns];
  const N = way.transposed ? b.rows : b.columns;
  using memory = gpu.memory();
  const c = await memory.empty(4 * M * pitchOf(N));
  const launch = await launchProduct(gpu, memory, way, { M, K, N }, [
    await memory.uploadRows(a.data, K),
    await memory.uploadRows(b.data, b.columns),
    c,
  ]);
  await gpu.run(launch);
  const [padded] = await gpu.read(c);
  return { rows: M, columns: N, data: unpad(padded, M, N) };
}

function checkProduct(
  a: Matrix,
  b: Matrix,
  { code, transposed }: Way,
  gpu: Gpu,
): void {
  const half = code.includes("enable f16;");
  const inner = transposed ? b.columns : b.rows;
  const task =
    `Cannot multiply a (${a.rows}, ${a.columns}) by b (${b.rows}, ${b.columns})${
      transposed ? " transposed" : ""
    }`;
  if (a.columns !== inner) {
    throw new RangeError(
      `${task}: inner sizes ${a.columns} and ${inner} differ`,
    );
  }
  for (const { rows, columns, data } of [a, b]) {
    checkSizes(task, rows, columns, data);
    const Kind = half ? Float16Array : Float32Array;
    if (!(data instanceof Kind)) {
      throw new TypeError(
        `${task}: the kernel needs a ${Kind.name}, got a ${data.constructor.name}`,
      );
    }
  }
  if (half && !gpu.half) {
    throw new Error(`${task}: ${gpu.name} has no 16-bit floats; use f32`);
  }
}

if (import.meta.main) {
  await demo(async (gpu) => {
    const n = gpu.software ? 512 : 4096;
    const random = lehmer(42);
    console.log(`${gpu.name}: ${n} × ${n}, times by the ${gpu.clock}'s clock`);
    using memory = gpu.memory();
    const [a, b, c] = [
      await memory.upload(randomFloats(n * n, random)),
      await memory.upload(randomFloats(n * n, random)),
      await memory.empty(4 * n * n),
    ];
    const sizes = { M: n, K: n, N: n };
    for (const name of ["naive", "tiled", "registers"] as const) {
      const way = WAYS[name];
      const launch = await launchProduct(gpu, memory, way, sizes, [a, b, c]);
      const ms = await time(gpu, [launch], 5);
      console.log(
        name.padEnd(10),
        `${ms.toFixed(2).padStart(9)} ms`,
        `${(2 * n ** 3 / ms / 1e6).toFixed(1).padStart(9)} GFLOP/s`,
      );
    }
  });
}
