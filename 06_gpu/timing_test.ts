import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Gpu, Launch } from "./device.ts";
import { gpuTests } from "./testing.ts";
import { time } from "./timing.ts";

const test = await gpuTests();

/** Counts its runs. */
const COUNT = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> x: array<u32>;

@compute @workgroup_size(1)
fn main() { x[0]++; }`;

/**
 * A GPU whose clock says that run i takes durations[i] ns, and on the host's clock a
 * run takes 3 ms, and 1 ms more for each that was timed before, to put a submission
 * into the queue 2 ms, and to wait 11 ms.
 */
function fakeGpu(durations: number[], hasClock = true) {
  const passes: (GPUComputePassTimestampWrites | undefined)[] = [];
  const state = { now: 1e6, queued: 0, freed: 0, querySets: 0 };
  const memory = {
    buffer: () => Promise.resolve({}),
    [Symbol.dispose]: () => void state.freed++,
  };
  const gpu = {
    clock: hasClock ? "GPU" : "host",
    memory: () => memory,
    device: {
      createQuerySet() {
        state.querySets++;
        return { destroy: () => void state.querySets-- };
      },
    },
    submit(_: string, record: (encoder: unknown) => void) {
      record({ resolveQuerySet() {} });
      state.now += 2;
      return Promise.resolve();
    },
    encode(_: unknown, __: Launch[], writes?: GPUComputePassTimestampWrites) {
      passes.push(writes);
      state.queued += 3;
    },
    finish() {
      state.now += 11 + state.queued;
      state.queued = 0;
      return Promise.resolve();
    },
    read() {
      let at = 2n ** 60n;
      const stamps = durations.flatMap((ns) => [at += 7n, at += BigInt(ns)]);
      const { buffer } = BigUint64Array.from(stamps);
      return Promise.resolve([new Float32Array(buffer)]);
    },
  };
  return { gpu: gpu as unknown as Gpu, passes, state };
}

/** Runs `work` while performance.now() is the clock given. */
async function withClock<T>(now: () => number, work: () => Promise<T>) {
  const real = performance.now;
  performance.now = now;
  try {
    return await work();
  } finally {
    performance.now = real;
  }
}

Deno.test("time() is the median of the runs, in ms", async () => {
  const cases: [ns: number[], ms: number][] = [
    [[1e6, 9e6, 2e6], 2],
    [[5_000_000_000, 1000, 2500, 1e6, 2000], 0.0025],
    [[1500], 0.0015],
  ];
  for (const [ns, ms] of cases) {
    assertEquals(await time(fakeGpu(ns).gpu, [], ns.length), ms);
  }
});

Deno.test("time() does not depend on which run was slow", async () => {
  const runs = fc.array(fc.integer({ min: 1, max: 10 ** 9 }), {
    minLength: 1,
    maxLength: 9,
  });
  await fc.assert(fc.asyncProperty(runs, async (ns) => {
    const sorted = ns.toSorted((x, y) => x - y);
    const { gpu } = fakeGpu(ns);
    assertEquals(
      await time(gpu, [], ns.length),
      sorted[ns.length >> 1] / 1e6,
    );
  }));
});

Deno.test("the GPU's clock is asked before and after each run that counts, and no other", async () => {
  const { gpu, passes, state } = fakeGpu([1, 2, 3, 4]);
  await time(gpu, [], 4);
  const times = passes.map((pass) => [
    pass?.beginningOfPassWriteIndex,
    pass?.endOfPassWriteIndex,
  ]);
  const none = [undefined, undefined];
  assertEquals(times, [
    ...[none, none, none, none],
    ...[[0, 1], [2, 3], [4, 5], [6, 7]],
  ]);
  assertEquals([state.freed, state.querySets], [1, 0]);
});

Deno.test("the host's clock takes neither the submission nor the wait for the kernel", async () => {
  for (const runs of [1, 2, 5]) {
    const { gpu, state } = fakeGpu([], false);
    const now = () => state.now;
    const ms = await withClock(now, () => time(gpu, [], runs));
    assertEquals(ms, 3);
  }
});

Deno.test("the host's clock is used if asked for, where the GPU has one too", async () => {
  const { gpu, state } = fakeGpu([7e6]);
  const now = () => state.now;
  assertEquals(await withClock(now, () => time(gpu, [], 1, "host")), 3);
  assertEquals(await time(gpu, [], 1, "GPU"), 7);
});

Deno.test("the host's clock warms up with work that it does not count", async () => {
  const { gpu, state } = fakeGpu([], false);
  let first = 1000;
  const submit = gpu.submit.bind(gpu);
  gpu.submit = (...args) => {
    state.now += first;
    first = 0;
    return submit(...args);
  };
  const now = () => state.now;
  assertEquals(await withClock(now, () => time(gpu, [], 1)), 3);
});

Deno.test("a time that cannot be told from 0 is NaN, not 0 and not negative", async () => {
  assertEquals(await time(fakeGpu([0, 0, 5]).gpu, [], 3), NaN);
  let now = 0;
  const { gpu } = fakeGpu([], false);
  // a clock that stands still, and one that is faster each time one looks
  assertEquals(await withClock(() => 0, () => time(gpu, [], 3)), NaN);
  const faster = () => now += 1 + now;
  assertEquals(await withClock(faster, () => time(gpu, [], 3)), NaN);
});

Deno.test("what was allocated to time a kernel that fails is freed", async () => {
  const { gpu, state } = fakeGpu([1]);
  gpu.submit = () => Promise.reject(new Error("Cannot time kernels: broken"));
  await assertRejects(() => time(gpu, [], 1), Error, "broken");
  assertEquals([state.freed, state.querySets], [1, 0]);
});

test("a real GPU runs a kernel as often as its clock needs", async (gpu) => {
  const kernel = await gpu.compile(COUNT);
  // n before n that count; and n before n times n runs and 2n runs
  const clocks = [
    ["GPU", (n: number) => 2 * n],
    ["host", (n: number) => n + n * 3 * n],
  ] as const;
  for (const [clock, times] of clocks) {
    if (clock === "GPU" && gpu.clock === "host") continue;
    for (const runs of [1, 3]) {
      using memory = gpu.memory();
      const x = await memory.upload(new Uint32Array(1));
      const launch = { kernel, buffers: [x], groups: 1 };
      const ms = await time(gpu, [launch], runs, clock);
      assert(Number.isNaN(ms) || ms > 0 && ms < Infinity, `${ms} ms`);
      const [{ buffer }] = await gpu.read(x);
      assertEquals(new Uint32Array(buffer)[0], times(runs));
    }
  }
});

test("time() takes several launches as one, and leaves no buffer", async (gpu) => {
  using memory = gpu.memory();
  const x = await memory.upload(new Uint32Array(1));
  const kernel = await gpu.compile(COUNT);
  const launch = { kernel, buffers: [x], groups: 1 };
  const bytes = gpu.bytes;
  await time(gpu, [launch, launch, launch], 2);
  assertEquals(gpu.bytes, bytes);
  const [{ buffer }] = await gpu.read(x);
  const count = new Uint32Array(buffer)[0];
  assertEquals(count, gpu.clock === "GPU" ? 3 * 4 : 3 * 14);
});
