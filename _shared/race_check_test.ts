import { assert, assertEquals, assertThrows } from "@std/assert";
import { SOFTMAX } from "../06_gpu/attention.ts";
import { flashKernel } from "../06_gpu/flash_attention.ts";
import { backwardOf } from "../06_gpu/flash_backward.ts";
import { WAYS } from "../06_gpu/matmul.ts";
import { withoutBarriers } from "../06_gpu/testing.ts";
import { findRaces, type Kernel } from "./race_check.ts";

/** So many numbers, none of which is 0. */
const numbers = (length: number) =>
  Float32Array.from({ length }, (_, i) => 1 + i % 7);

/** (5, 9) by (9, 6), with rows padded to whole vec4s. */
const product = (way: keyof typeof WAYS, constants: Kernel["constants"]) => {
  return {
    name: way,
    code: WAYS[way].code,
    constants,
    groups: 6,
    buffers: [
      Uint32Array.of(5, 9, 6, 1, 1),
      numbers(5 * 12),
      numbers(9 * 12),
      numbers(5 * 8),
    ],
  };
};

/** Sizes and mask: two heads of 5 queries on 19 keys of 6, causal. */
const shape = () => {
  const words = new Uint32Array(8);
  words.set([1, 2, 1, 5, 19, 6, 1]);
  new Float32Array(words.buffer)[7] = 0.4;
  return [words, new Uint32Array(19).fill(1)];
};

/** Sizes, mask, query, key, value and dOutput. */
const inputs = () => [
  ...shape(),
  ...[numbers(10 * 8), numbers(19 * 8), numbers(19 * 8), numbers(10 * 8)],
];
const backward = backwardOf(6, 2 ** 14, 3);

/** Small enough for an interpreter, and with more than one tile each way. */
const kernels: Kernel[] = [
  product("tiled", { SIDE: 2 }),
  product("registers", { X: 2, Y: 2, DEPTH: 1 }),
  product("transposed", { X: 2, Y: 2, DEPTH: 1 }),
  {
    name: "softmax",
    code: SOFTMAX,
    constants: { LANES: 4 },
    groups: 10,
    buffers: [...shape(), numbers(10 * 20), numbers(10)],
  },
  {
    name: "flash attention",
    code: flashKernel(6, { X: 2, Y: 2 }),
    groups: 2,
    buffers: [
      ...shape(),
      ...[numbers(10 * 8), numbers(19 * 8), numbers(19 * 8)],
      ...[numbers(10 * 8), numbers(10)],
    ],
  },
  {
    name: "gradients of the queries",
    code: backward.queries,
    constants: { TILE: backward.tile },
    groups: 4,
    buffers: [
      ...inputs(),
      ...[numbers(20), numbers(10 * 8), numbers(10 * 8)],
    ],
  },
  {
    name: "gradients of keys and values",
    code: backward.keys,
    constants: { TILE: backward.tile },
    groups: 7,
    buffers: [
      ...inputs(),
      ...[numbers(20), numbers(19 * 8), numbers(19 * 8)],
    ],
  },
];

for (const kernel of kernels) {
  Deno.test(`${kernel.name}: no race, and one without any of its barriers`, () => {
    assertEquals(findRaces(kernel), []);
    const sabotaged = withoutBarriers(kernel.code);
    assert(sabotaged.length > 0);
    for (const [i, code] of sabotaged.entries()) {
      assert(findRaces({ ...kernel, code }).length > 0, `barrier ${i}`);
    }
  });
}

Deno.test("every kernel with workgroup memory is checked", () => {
  const shared = Object.entries(WAYS)
    .filter(([, { code }]) => code.includes("var<workgroup>"))
    .map(([name]) => name).filter((name) => name !== "half");
  const checked = kernels.map(({ name }) => name);
  assert(shared.length > 0);
  for (const name of shared) assert(checked.includes(name), name);
});

Deno.test("in f16, which the interpreter has not, the kernel is the same", () => {
  const { half, registers } = WAYS;
  assertEquals(
    half.code.replace("enable f16;\n", "").replaceAll("f16", "f32"),
    registers.code,
  );
});

Deno.test("a buffer that no kernel asks for is an error", () => {
  const [kernel] = kernels;
  assertThrows(
    () => findRaces({ ...kernel, buffers: [...kernel.buffers, numbers(1)] }),
    TypeError,
    "Cannot bind buffer 4: no @binding(4)",
  );
});
