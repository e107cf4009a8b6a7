#!/usr/bin/env -S deno run
/**
 * Q. How fast can this kernel be at all?
 *
 * A. As fast as the slower of two things: its multiply-adds at the rate of the units
 * that do them, its bytes at the rate of the memory. I measure both rates: with a
 * kernel that does nothing but independent multiply-adds in registers, and one that
 * copies memory larger than the cache. Their quotient is the intensity, in FLOP a
 * byte, below which memory is the limit, and above which arithmetic is.
 *
 * Trap: the vendor's figures. They hold for a clock and a mix of instructions that a
 * kernel does not get.
 * Source: Williams, Waterman, Patterson (2009), doi:10.1145/1498765.1498785.
 * Run: `deno run roofline.ts`
 * @module
 */
import { demo, type Gpu, unroll } from "./device.ts";
import { time } from "./timing.ts";

/** What a device can do at most. */
export interface Roof {
  /** Floating-point operations in f32, in 10^9 a second; a multiply-add is two. */
  gflops: number;
  /** Bytes read and written, in 10^9 a second. */
  gbytes: number;
}

/** Multiply-adds of an iteration: independent of each other in groups of 32. */
const CHAINS = 8;
const STEPS = 8;
const ROUNDS = 256;

/**
 * Multiply-adds in registers. Grid: 64 invocations a workgroup. An invocation makes
 * 1 write and 65,536 multiply-adds, none of which a compiler can leave out, as it
 * does not know the factors.
 */
const ARITHMETIC = /* wgsl */ `
@group(0) @binding(0) var<uniform> line: vec2f;
@group(0) @binding(1) var<storage, read_write> results: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let factor = vec4f(line.x);
  let term = vec4f(line.y);
${unroll(CHAINS, (i) => `  var x${i} = vec4f(f32(lane), 1, 2, 3) + ${i};`)}
  for (var round = 0; round < ${ROUNDS}; round++) {
${
  unroll(STEPS, () =>
    unroll(CHAINS, (i) => `    x${i} = fma(x${i}, factor, term);`))
}
  }
  let sum = ${Array.from({ length: CHAINS }, (_, i) => `x${i}`).join(" + ")};
  results[group.x * 64 + lane] = sum.x + sum.y + sum.z + sum.w;
}`;

/** Copies. Grid: 256 a workgroup. An invocation makes 1 read and 1 write of a vec4. */
const COPY = /* wgsl */ `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copy: array<vec4f>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < arrayLength(&copy)) { copy[i] = source[i]; }
}`;

/**
 * Measures what the device can do.
 * @throws {Error} if it computes or copies wrong
 */
export async function measureRoof(gpu: Gpu): Promise<Roof> {
  using memory = gpu.memory();
  const groups = gpu.software ? 32 : 2 ** 15;
  const results = await memory.empty(4 * 64 * groups);
  const arithmetic = {
    kernel: await gpu.compile(ARITHMETIC),
    buffers: [await memory.uniform([], [0.5, 1]), results],
    groups,
  };
  const largest = gpu.limits.maxStorageBufferBindingSize;
  const bytes = Math.min(gpu.software ? 2 ** 26 : 2 ** 27, largest - 15);
  const length = Math.floor(bytes / 16) * 4;
  const source = await memory.upload(
    new Float32Array(length).map((_, i) => i % 8191),
  );
  const target = await memory.empty(4 * length);
  const copy = {
    kernel: await gpu.compile(COPY),
    buffers: [source, target],
    groups: Math.ceil(length / 4 / 256),
  };
  const flop = 2 * 4 * CHAINS * STEPS * ROUNDS * 64 * groups;
  const roof = {
    gflops: flop / await time(gpu, [arithmetic]) / 1e6,
    gbytes: 2 * 4 * length / await time(gpu, [copy]) / 1e6,
  };
  // x / 2 + 1 brings every number to 2, four in each chain.
  const [computed, copied] = await gpu.read(results, target);
  if (
    !computed.every((sum) => sum === 2 * 4 * CHAINS) ||
    !copied.every((number, i) => number === i % 8191)
  ) {
    throw new Error(`${gpu.name} is wrong: nothing to measure`);
  }
  return roof;
}

/** The most GFLOP/s that a kernel can reach that does so many FLOP a byte. */
export function limitAt({ gflops, gbytes }: Roof, intensity: number): number {
  return Math.min(gflops, gbytes * intensity);
}

if (import.meta.main) {
  await demo(async (gpu) => {
    const roof = await measureRoof(gpu);
    console.log(gpu.name);
    console.log(`multiply-adds ${roof.gflops.toFixed(0)} GFLOP/s in f32`);
    console.log(`copy          ${roof.gbytes.toFixed(1)} GB/s`);
    const ridge = roof.gflops / roof.gbytes;
    console.log(`memory is the limit below ${ridge.toFixed(1)} FLOP a byte`);
    for (const intensity of [0.25, 1, 4, 16, 64]) {
      const limit = limitAt(roof, intensity).toFixed(1);
      console.log(`  at ${intensity} FLOP a byte up to ${limit} GFLOP/s`);
    }
  });
}
