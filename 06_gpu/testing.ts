#!/usr/bin/env -S deno run
/**
 * Q. How do you test a GPU kernel, on a machine that has no GPU?
 *
 * A. A software driver runs the same WGSL on the CPU. I compare with a reference in
 * f64 within the error that f32 sums can have, K · 2^−24 of the sum of magnitudes,
 * not within a number that happened to pass. Sizes are 1, a tile, and a tile ± 1.
 * Memory is full of NaN before the run, so that what is read or left unwritten shows.
 * And I take out each barrier in turn: a test that stays green then tests nothing.
 *
 * Trap: zeros. Fresh buffers hold them, and a read beyond the end of one gives 0.
 * Run: `deno run testing.ts`
 * @module
 */
import { demo, type Gpu, openGpu } from "./device.ts";

/** Half the distance of 1 to the next f32: the largest error of one rounding. */
export const UNIT = 2 ** -24;

/**
 * Adds a test; it is ignored where there is no GPU.
 * @param on what it needs besides: a "software" adapter for what a real GPU may get
 * right by chance, or "f16"
 */
export type AddTest = (
  name: string,
  fn: (gpu: Gpu) => void | Promise<void>,
  on?: "software" | "f16",
) => void;

/**
 * Opens a GPU whose memory is poisoned, for the tests of a file.
 * @throws {Error} if there is none and REQUIRE_GPU is 1
 */
export async function gpuTests(): Promise<AddTest> {
  const { state } = await Deno.permissions.query({
    name: "env",
    variable: "REQUIRE_GPU",
  });
  const required = state === "granted" && Deno.env.get("REQUIRE_GPU") === "1";
  const gpu = await openGpu({ poison: true }).catch((error) => {
    if (required || !/^No GPU adapter/.test(error.message)) throw error;
  });
  return (name, fn, on) => {
    const missing = !gpu
      ? "a GPU adapter"
      : on === "software" && !gpu.software
      ? "a software adapter"
      : on === "f16" && !gpu.half
      ? "a GPU with 16-bit floats"
      : undefined;
    Deno.test({
      name: missing ? `needs ${missing}, so not tested here: ${name}` : name,
      ignore: missing !== undefined,
      fn: () => fn(gpu!),
    });
  };
}

/**
 * Numbers between 0 and 1 that are the same each time: Lehmer's generator.
 * @param x from 1 to 2^31 − 2
 */
export function lehmer(x: number): () => number {
  return () => (x = x * 16807 % 2147483647) / 2147483647;
}

/** So many numbers from −1 to 1. */
export function randomFloats(
  length: number,
  random: () => number,
): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

/** The kernel without its barriers, one copy for each that it has. */
export function withoutBarriers(code: string): string[] {
  const parts = code.split("workgroupBarrier();");
  return parts.slice(1).map((_, i) =>
    parts.slice(0, i + 1).join("workgroupBarrier();") +
    parts.slice(i + 1).join("workgroupBarrier();")
  );
}

/** Reverses each 64 numbers through workgroup memory. Grid: 64 a workgroup. */
const REVERSE = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
var<workgroup> tile: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) {
  tile[i] = x[i];
  workgroupBarrier();
  x[i] = tile[63 - i];
}`;

if (import.meta.main) {
  await demo(async (gpu) => {
    const numbers = Float32Array.from({ length: 64 }, (_, i) => i);
    for (const code of [REVERSE, ...withoutBarriers(REVERSE)]) {
      using memory = gpu.memory();
      const x = await memory.upload(numbers);
      const kernel = await gpu.compile(code);
      await gpu.run({ kernel, buffers: [x], groups: 1 });
      const [result] = await gpu.read(x);
      const wrong = result.filter((y, i) => y !== 63 - i).length;
      console.log(
        code === REVERSE ? "with its barrier:   " : "without its barrier:",
        `${wrong} of 64 numbers are wrong`,
      );
    }
  });
}
