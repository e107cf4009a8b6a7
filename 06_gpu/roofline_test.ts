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
