import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import fc from "fast-check";
import {
  gpuTests,
  lehmer,
  randomFloats,
  UNIT,
  withoutBarriers,
} from "./testing.ts";

const test = await gpuTests();

Deno.test("lehmer() is the minimal standard generator of Park and Miller", () => {
  // Park, Miller (1988), doi:10.1145/63039.63042: from 1, number 10,000 of the
  // sequence is 1043618065
  const random = lehmer(1);
  let last = 0;
  for (let i = 0; i < 10_000; i++) last = random();
  assertEquals(Math.round(last * 2147483647), 1043618065);
});

Deno.test("lehmer() stays between 0 and 1, and repeats itself for the same seed", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 - 2 }), (seed) => {
    const [a, b] = [lehmer(seed), lehmer(seed)];
    for (let i = 0; i < 20; i++) {
      const x = a();
      assert(x > 0 && x < 1);
      assertEquals(b(), x);
    }
  }));
});

Deno.test("randomFloats() are as many as asked for, from −1 to 1, of both signs", () => {
  const numbers = randomFloats(1000, lehmer(3));
  assertEquals(numbers.length, 1000);
  assert(numbers.every((x) => x >= -1 && x <= 1));
  const negative = numbers.filter((x) => x < 0).length;
  // 500 ± 5 standard deviations of √(1000 / 4)
  assert(Math.abs(negative - 500) < 80, `${negative} negative`);
  assertEquals([...randomFloats(3, () => 0.75)], [0.5, 0.5, 0.5]);
  assertEquals(randomFloats(0, lehmer(1)).length, 0);
});

Deno.test("UNIT is half of what lies between 1 and the next f32", () => {
  assertEquals(new Float32Array([1 + 2 * UNIT])[0], 1 + 2 * UNIT);
  assertEquals(Math.fround(1 + UNIT), 1);
  assert(Math.fround(1 + 1.01 * UNIT) > 1);
});

Deno.test("withoutBarriers() takes out each barrier once, and nothing else", () => {
  const barrier = "workgroupBarrier();";
  const code = `a ${barrier} b ${barrier} c ${barrier} d`;
  assertEquals(withoutBarriers(code), [
    `a  b ${barrier} c ${barrier} d`,
    `a ${barrier} b  c ${barrier} d`,
    `a ${barrier} b ${barrier} c  d`,
  ]);
  assertEquals(withoutBarriers("no barrier"), []);
});

/** What gpuTests() adds where `navigator.gpu` finds no adapter. */
async function addedWithoutGpu() {
  const added: Deno.TestDefinition[] = [];
  const real = Deno.test;
  Object.defineProperty(navigator, "gpu", {
    value: { requestAdapter: () => Promise.resolve(null) },
    configurable: true,
  });
  const test = (test: Deno.TestDefinition) => added.push(test);
  Object.assign(Deno, { test });
  try {
    const addTest = await gpuTests();
    addTest("a kernel runs", () => Promise.reject(new Error("it ran")));
  } finally {
    Object.assign(Deno, { test: real });
    // what is left is the getter of its prototype
    delete (navigator as { gpu?: GPU }).gpu;
  }
  return added.map(({ name, ignore }) => ({ name, ignore }));
}
const IGNORED = [{
  name: "needs a GPU adapter, so not tested here: a kernel runs",
  ignore: true,
}];

Deno.test({
  name: "gpuTests() asks for no permission",
  permissions: "none",
  fn: async () => assertEquals(await addedWithoutGpu(), IGNORED),
});

const { state } = Deno.permissions.querySync({ name: "env" });
const granted = state === "granted";
const name = "a test without a GPU is ignored, and an error with REQUIRE_GPU=1";
Deno.test({
  name: granted ? name : `needs --allow-env, so not tested here: ${name}`,
  ignore: !granted,
  async fn() {
    const before = Deno.env.get("REQUIRE_GPU");
    try {
      Deno.env.delete("REQUIRE_GPU");
      assertEquals(await addedWithoutGpu(), IGNORED);
      Deno.env.set("REQUIRE_GPU", "0");
      assertEquals(await addedWithoutGpu(), IGNORED);
      Deno.env.set("REQUIRE_GPU", "1");
      await assertRejects(addedWithoutGpu, Error, "No GPU adapter found");
    } finally {
      if (before === undefined) Deno.env.delete("REQUIRE_GPU");
      else Deno.env.set("REQUIRE_GPU", before);
    }
  },
});

test("a test's GPU has NaN in new memory, and is open", async (gpu) => {
  assert(gpu.poison);
  using memory = gpu.memory();
  const [x] = await gpu.read(await memory.empty(40));
  assertEquals([...x], new Array(10).fill(NaN));
});

/** Turns 64 numbers round, through workgroup memory. */
const REVERSE = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
var<workgroup> tile: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) {
  tile[i] = x[i];
  workgroupBarrier();
  x[i] = tile[63 - i];
}`;

test("a kernel without its barrier computes something else", async (gpu) => {
  const numbers = randomFloats(64, lehmer(1));
  const right = numbers.toReversed();
  const run = async (code: string) => {
    using memory = gpu.memory();
    const x = await memory.upload(numbers);
    const kernel = await gpu.compile(code);
    await gpu.run({ kernel, buffers: [x], groups: 1 });
    return (await gpu.read(x))[0];
  };
  assertEquals(await run(REVERSE), right);
  assertNotEquals(await run(withoutBarriers(REVERSE)[0]), right);
}, "software");
