import { assert, assertEquals } from "@std/assert";
import { LANES } from "./assembler.ts";
import {
  assembleKernel,
  createEngine,
  hasRelaxedMadd,
  kernelCode,
  kindOf,
  measurePeak,
} from "./kernel.ts";

for (const kind of ["f32", "f64"] as const) {
  for (const relaxed of [true, false]) {
    const name = `${kind} ${relaxed ? "with" : "without"} relaxed madd`;
    Deno.test({
      name:
        `the kernel in ${name} adds tiles to a block, and touches nothing else`,
      ignore: relaxed && !hasRelaxedMadd(),
      fn() {
        const { kernel, memory } = createEngine(assembleKernel(kind, relaxed));
        const { bytes } = LANES[kind];
        const heap = kind === "f32"
          ? new Float32Array(memory.buffer)
          : new Float64Array(memory.buffer);
        // 2 row panels of (6, 8) at 1000, 3 column panels of (8, width) at 2000,
        // each 10 numbers longer; a block of (12, 3 · width) at 4000, 7 numbers
        // between its rows. All are small whole numbers, so sums are exact.
        const width = 32 / bytes;
        const [depth, rows, columns, stride] = [
          8,
          12,
          3 * width,
          3 * width + 7,
        ];
        heap.forEach((_, i) => heap[i] = i * 37 % 11 - 5);
        const before = heap.slice();
        kernel(
          1000 * bytes,
          2000 * bytes,
          4000 * bytes,
          depth,
          2,
          3,
          (depth * width + 10) * bytes,
          stride * bytes,
        );
        const after = before.slice();
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            for (let k = 0; k < depth; k++) {
              const x = 1000 + ((i - i % 6) * depth) + k * 6 + i % 6;
              const panel = 2000 + Math.floor(j / width) * (depth * width + 10);
              const y = panel + k * width + j % width;
              after[4000 + i * stride + j] += before[x] * before[y];
            }
          }
        }
        assertEquals(heap, after);
      },
    });
  }
}

Deno.test("hasRelaxedMadd() is what the engine says: this one has it", () => {
  const code = assembleKernel("f64", true);
  assertEquals(hasRelaxedMadd(), WebAssembly.validate(code));
  assert(hasRelaxedMadd());
});

Deno.test("kernelCode() is the fastest kernel there is, assembled once", () => {
  for (const kind of ["f32", "f64"] as const) {
    assertEquals(kernelCode(kind), assembleKernel(kind, hasRelaxedMadd()));
    assert(kernelCode(kind) === kernelCode(kind));
  }
});

Deno.test("a kernel of one turn and one tile is whole, too", () => {
  const { kernel, memory } = createEngine(assembleKernel("f64", false));
  const heap = new Float64Array(memory.buffer);
  heap.fill(1, 0, 100);
  kernel(0, 0, 800, 4, 1, 1, 0, 32);
  assertEquals([...heap.subarray(100, 124)], new Array(24).fill(4));
  assertEquals(heap[124], 0);
});

Deno.test("kindOf() tells f32 from f64", () => {
  assertEquals(kindOf(new Float32Array()), "f32");
  assertEquals(kindOf(new Float64Array()), "f64");
});

Deno.test("measurePeak() is a rate, that of f32 above that of f64", () => {
  const [single, double] = [measurePeak("f32"), measurePeak("f64")];
  assert(double > 0 && single > double && single < 1000);
});
