#!/usr/bin/env -S deno run
/**
 * Q. How long does a kernel take?
 *
 * A. Not what a clock around the call says: the call only puts work into the queue.
 * Nor what a clock around the call and a wait says: the wait has a price of its own,
 * which may be larger than the kernel's. The GPU has a clock, and writes its time
 * before and after. Where it has none, I time n runs and 2n runs in one submission
 * each, and take the difference: what a submission and a wait cost is in both.
 * Either way after a warm-up, several times, and the median of them.
 *
 * Trap: to time the queue. It makes every kernel equally fast.
 * Run: `deno run timing.ts`
 * @module
 */
import { demo, type Gpu, type Launch } from "./device.ts";

/**
 * The median time of launches that run one after the other, in ms.
 * @param runs how many are timed, after a warm-up of as many
 * @param clock the GPU's, if it has one, or the host's
 * @returns NaN if the host's clock cannot tell it from 0
 */
export async function time(
  gpu: Gpu,
  launches: Launch[],
  runs = 9,
  clock = gpu.clock,
): Promise<number> {
  const times = clock === "GPU"
    ? await gpuTimes(gpu, launches, runs)
    : await hostTimes(gpu, launches, runs);
  const median = times.sort((x, y) => x - y)[runs >> 1];
  return median > 0 ? median : NaN;
}

async function gpuTimes(
  gpu: Gpu,
  launches: Launch[],
  runs: number,
): Promise<number[]> {
  using memory = gpu.memory();
  const count = 2 * runs;
  const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
  const resolved = await memory.buffer(8 * count, usage);
  const querySet = gpu.device.createQuerySet({ type: "timestamp", count });
  try {
    await gpu.submit("time kernels", (encoder) => {
      for (let i = 0; i < runs; i++) gpu.encode(encoder, launches);
      for (let i = 0; i < count; i += 2) {
        gpu.encode(encoder, launches, {
          querySet,
          beginningOfPassWriteIndex: i,
          endOfPassWriteIndex: i + 1,
        });
      }
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    });
    const [{ buffer }] = await gpu.read(resolved);
    const ns = new BigUint64Array(buffer, 0, count);
    return Array.from(
      { length: runs },
      (_, i) => Number(ns[2 * i + 1] - ns[2 * i]) / 1e6,
    );
  } finally {
    querySet.destroy();
  }
}

async function hostTimes(
  gpu: Gpu,
  launches: Launch[],
  runs: number,
): Promise<number[]> {
  const measure = async (repeat: number) => {
    const start = performance.now();
    await gpu.submit("time kernels", (encoder) => {
      for (let i = 0; i < repeat; i++) gpu.encode(encoder, launches);
    });
    await gpu.finish();
    return performance.now() - start;
  };
  await measure(runs);
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    times.push((await measure(2 * runs) - await measure(runs)) / runs);
  }
  return times;
}

/**
 * Works for a while on each number. Grid: 64 invocations a workgroup, one a number;
 * 1 read and 1 write each.
 */
const WORK = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&x)) { return; }
  var y = x[id.x];
  for (var i = 0; i < 1000; i++) { y = fma(y, 0.5, 1.0); }
  x[id.x] = y;
}`;

if (import.meta.main) {
  await demo(async (gpu) => {
    using memory = gpu.memory();
    const x = await memory.upload(new Float32Array(2 ** 16));
    const kernel = await gpu.compile(WORK);
    const launch = { kernel, buffers: [x], groups: 2 ** 10 };
    const show = (name: string, ms: number) =>
      console.log(`${name.padEnd(34)}${ms.toFixed(3).padStart(9)} ms`);
    const around = async (work: () => unknown) => {
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    await gpu.run(launch);
    await gpu.finish();
    console.log(`${gpu.name}: 65,536 numbers, 1,000 multiply-adds each`);
    const { queue } = gpu.device;
    const encoder = gpu.device.createCommandEncoder();
    gpu.encode(encoder, [launch]);
    const commands = encoder.finish();
    show("a clock around submit", await around(() => queue.submit([commands])));
    show("and around the wait for it", await around(() => gpu.finish()));
    show("around a wait for nothing", await around(() => gpu.finish()));
    for (const clock of ["GPU", "host"] as const) {
      if (clock === "GPU" && gpu.clock === "host") continue;
      show(`time by the ${clock}'s clock`, await time(gpu, [launch], 9, clock));
    }
  });
}
