import { assert, assertEquals, assertRejects } from "@std/assert";
import { limitAt, measureRoof } from "./roofline.ts";
import { gpuTests } from "./testing.ts";

const test = await gpuTests();

Deno.test("below the ridge memory is the limit, above it arithmetic", () => {
  const roof = { gflops: 600, gbytes: 50 };
  assertEquals(limitAt(roof, 0.25), 12.5);
  assertEquals(limitAt(roof, 12), 600);
  assertEquals(limitAt(roof, 13), 600);
});

test("both rates are measured, and the memory is free again", async (gpu) => {
  const { bytes } = gpu;
  const { gflops, gbytes } = await measureRoof(gpu);
  assert(Number.isFinite(gflops) && gflops > 0, `${gflops}`);
  assert(Number.isFinite(gbytes) && gbytes > 0, `${gbytes}`);
  assertEquals(gpu.bytes, bytes);
});

test(
  "rates are what is done in a millisecond, where that is what it takes",
  async (gpu) => {
    const { clock, read } = gpu;
    const ns = BigUint64Array.from(
      { length: 18 },
      (_, i) => BigInt(i) * 10n ** 6n,
    );
    try {
      Object.assign(gpu, { clock: "GPU" });
      gpu.read = (...buffers) =>
        buffers[0].usage & GPUBufferUsage.QUERY_RESOLVE
          ? Promise.resolve([new Float32Array(ns.buffer)])
          : read.call(gpu, ...buffers);
      const { gflops, gbytes } = await measureRoof(gpu);
      // 32 workgroups of 64 with 65,536 multiply-adds; 64 MiB read and written.
      assertEquals(gflops, 2 * 65_536 * 64 * 32 / 1e6);
      assertEquals(gbytes, 2 * 2 ** 26 / 1e6);
    } finally {
      Object.assign(gpu, { clock, read });
    }
  },
  "software",
);

test("a device that computes or copies wrong is not measured", async (gpu) => {
  const { compile, read } = gpu;
  try {
    gpu.compile = (code) =>
      compile.call(gpu, code.replace("fma(x0, factor, ", "(x0 + "));
    await assertRejects(() => measureRoof(gpu), Error, "is wrong");
    gpu.compile = compile;
    gpu.read = async (...buffers) => {
      const results = await read.call(gpu, ...buffers);
      results[results.length - 1][12345] += 1;
      return results;
    };
    await assertRejects(() => measureRoof(gpu), Error, "is wrong");
  } finally {
    Object.assign(gpu, { compile, read });
  }
});
