import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { inBytes, Memory, type Numbers, pitchOf, unpad } from "./buffers.ts";
import { type Gpu, openGpu } from "./device.ts";
import { gpuTests } from "./testing.ts";

const test = await gpuTests();

/** A GPU of 1 KiB a binding and 4 KiB a buffer that keeps its buffers in sight. */
function fakeGpu(poison = false, works = () => true) {
  const live = new Set<unknown>();
  const gpu = {
    ...{ name: "a GPU", poison, bytes: 0, peakBytes: 0 },
    limits: { maxBufferSize: 4096, maxStorageBufferBindingSize: 1024 },
    scope: async <T>(_: string, work: () => T) => await work(),
    device: {
      createBuffer({ size, usage }: GPUBufferDescriptor) {
        if (!works()) throw new Error("out of memory");
        const buffer = { size, usage, destroy: () => live.delete(buffer) };
        live.add(buffer);
        return buffer;
      },
      queue: { writeBuffer() {} },
    },
  };
  return { gpu: gpu as unknown as Gpu, live };
}

/** The words of a buffer. */
async function wordsOf(gpu: Gpu, buffer: GPUBuffer): Promise<number[]> {
  const [{ buffer: bytes }] = await gpu.read(buffer);
  return [...new Uint32Array(bytes)];
}

Deno.test("pitchOf() is the next multiple of four", () => {
  const pitches = [0, 1, 2, 3, 4, 5, 8, 9, 63, 65].map(pitchOf);
  assertEquals(pitches, [0, 4, 4, 4, 4, 8, 8, 12, 64, 68]);
});

Deno.test("inBytes() takes the unit below, and four digits", () => {
  const cases: [bytes: number, text: string][] = [
    [0, "0 bytes"],
    [16, "16 bytes"],
    [1024, "1 KiB"],
    [32 * 1024, "32 KiB"],
    [2 ** 20 - 1024, "1023 KiB"],
    [2 ** 20, "1 MiB"],
    [128 * 2 ** 20, "128 MiB"],
    [1_234_567, "1.177 MiB"],
    [2 ** 30, "1 GiB"],
    [3 * 2 ** 39, "1536 GiB"],
  ];
  for (const [bytes, text] of cases) assertEquals(inBytes(bytes), text);
});

Deno.test("unpad() leaves out what is between the rows, and after them", () => {
  const _ = NaN;
  const padded = [1, 2, 3, 4, 5, _, _, _, 6, 7, 8, 9, 10, _, _, _, _, _, _, _];
  const rows = unpad(Float32Array.from(padded), 2, 5);
  assertEquals([...rows], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assertEquals([...unpad(new Float32Array(4), 0, 5)], []);
  assertEquals([...unpad(new Float32Array(4), 5, 0)], []);
});

test("what uploadRows() pads, unpad() gives back, bit for bit", async (gpu) => {
  const sizes = fc.integer({ min: 0, max: 20 });
  const matrices = fc.tuple(sizes, sizes).chain(([rows, columns]) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      data: fc.float32Array({
        minLength: rows * columns,
        maxLength: rows * columns,
      }),
    })
  );
  await fc.assert(
    fc.asyncProperty(matrices, async ({ rows, columns, data }) => {
      using memory = gpu.memory();
      const buffer = await memory.uploadRows(data, columns);
      const [padded] = await gpu.read(buffer);
      assertEquals(unpad(padded, rows, columns), Float32Array.from(data));
    }),
    { numRuns: 15 },
  );
});

test("each row begins at its pitch, with NaN from its end to the next", async (gpu) => {
  using memory = gpu.memory();
  const x = await memory.uploadRows(Float32Array.of(1, 2, 3, 4, 5, 6), 3);
  const [padded] = await gpu.read(x);
  assertEquals([...padded], [1, 2, 3, NaN, 4, 5, 6, NaN]);
  const y = await memory.uploadRows(new Float32Array(10).fill(7), 5);
  const [wide] = await gpu.read(y);
  const row = [7, 7, 7, 7, 7, NaN, NaN, NaN];
  assertEquals([...wide], [...row, ...row]);
});

test("rows of f16 are padded too, by as many numbers", async (gpu) => {
  using memory = gpu.memory();
  const x = await memory.uploadRows(Float16Array.of(1, 2, 3, -4, 5, 6), 3);
  const [{ buffer }] = await gpu.read(x);
  const numbers = [...new Float16Array(buffer)];
  assertEquals(numbers, [1, 2, 3, NaN, -4, 5, 6, NaN]);
});

test("memory that no one has written is NaN, in f32 and in f16", async (gpu) => {
  using memory = gpu.memory();
  for (const bytes of [0, 4, 100]) {
    const [x] = await gpu.read(await memory.empty(bytes));
    assertEquals(x.length, Math.max(4, bytes / 4));
    assert(x.every(Number.isNaN));
    assert(new Float16Array(x.buffer).every(Number.isNaN));
  }
  const short = await memory.upload(Float32Array.of(1));
  assertEquals([...(await gpu.read(short))[0]], [1, NaN, NaN, NaN]);
});

test("a GPU that does not poison has zeros there", async () => {
  using gpu = await openGpu();
  using memory = gpu.memory();
  const x = await memory.uploadRows(Float32Array.of(1, 2, 3, 4, 5, 6), 3);
  const [padded, empty] = await gpu.read(x, await memory.empty(20));
  assertEquals([...padded], [1, 2, 3, 0, 4, 5, 6, 0]);
  assertEquals([...empty], [0, 0, 0, 0, 0]);
});

test("numbers of each kind arrive as they are, an odd count of f16 too", async (gpu) => {
  using memory = gpu.memory();
  for (const length of [0, 1, 2, 3, 7, 9]) {
    const numbers = Float16Array.from({ length }, (_, i) => i - 2.5);
    const [{ buffer }] = await gpu.read(await memory.upload(numbers));
    assertEquals(new Float16Array(buffer, 0, length), numbers);
  }
  const whole = Uint32Array.of(1, 2 ** 32 - 1, 3, 0, 5);
  assertEquals(await wordsOf(gpu, await memory.upload(whole)), [...whole]);
});

test("upload() takes a part of an array, and leaves the rest", async (gpu) => {
  using memory = gpu.memory();
  const all = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const part = await memory.upload(all.subarray(2, 7));
  assertEquals([...(await gpu.read(part))[0]], [3, 4, 5, 6, 7]);
});

test("nothing is uploaded to 16 bytes, the least that binds as a vec4", async (gpu) => {
  using memory = gpu.memory();
  const nothing: Numbers[] = [
    new Float32Array(),
    new Float16Array(),
    new Uint32Array(),
  ];
  for (const numbers of nothing) {
    assertEquals((await memory.upload(numbers)).size, 16);
  }
  assertEquals((await memory.uploadRows(new Float32Array(), 0)).size, 16);
  assertEquals((await memory.uploadRows(new Float32Array(), 3)).size, 16);
});

/** Copies what it is given as parameters. */
const ECHO = /* wgsl */ `
struct Given { a: u32, b: u32, c: u32, d: f32, e: f32 }
@group(0) @binding(0) var<uniform> given: Given;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(1)
fn main() {
  x[0] = f32(given.a);
  x[1] = f32(given.b);
  x[2] = f32(given.c);
  x[3] = given.d;
  x[4] = given.e;
}`;

test("a kernel gets whole numbers first, then fractions", async (gpu) => {
  using memory = gpu.memory();
  const given = await memory.uniform([3, 1, 4], [0.5, -2.25]);
  assertEquals(given.size, 32);
  const x = await memory.empty(20);
  const kernel = await gpu.compile(ECHO);
  await gpu.run({ kernel, buffers: [given, x], groups: 1 });
  assertEquals([...(await gpu.read(x))[0]], [3, 1, 4, 0.5, -2.25]);
});

Deno.test("a buffer too large is refused with what is allowed; a binding allows less", async () => {
  const { gpu, live } = fakeGpu();
  using memory = new Memory(gpu);
  const { STORAGE, MAP_READ } = GPUBufferUsage;
  assertEquals((await memory.buffer(1024, STORAGE)).size, 1024);
  assertEquals((await memory.buffer(4093, MAP_READ)).size, 4096);
  const refused: [bytes: number, usage: number, message: string][] = [
    [
      1025,
      STORAGE,
      "Cannot allocate 1.004 KiB: a GPU allows 1 KiB in one buffer",
    ],
    [
      2 ** 31,
      STORAGE | MAP_READ,
      "Cannot allocate 2 GiB: a GPU allows 1 KiB in one buffer",
    ],
    [
      4100,
      MAP_READ,
      "Cannot allocate 4.004 KiB: a GPU allows 4 KiB in one buffer",
    ],
  ];
  for (const [bytes, usage, message] of refused) {
    const allocating = () => memory.buffer(bytes, usage);
    const error = await assertRejects(allocating, RangeError);
    assertEquals(error.message, message);
  }
  await assertRejects(() => memory.buffer(NaN, STORAGE), RangeError);
  assertEquals([gpu.bytes, live.size], [5120, 2]);
});

test("a real GPU refuses twice what it allows", async (gpu) => {
  using memory = gpu.memory();
  const most = gpu.limits.maxStorageBufferBindingSize;
  const allocating = () => memory.empty(2 * most);
  const { message } = await assertRejects(allocating, RangeError);
  const allowed = `${gpu.name} allows ${inBytes(most)} in one buffer`;
  assertEquals(message, `Cannot allocate ${inBytes(2 * most)}: ${allowed}`);
});

Deno.test("bytes are counted while buffers live, and the most of them after", async () => {
  const { gpu, live } = fakeGpu(true);
  {
    using memory = new Memory(gpu);
    await memory.empty(100);
    await memory.upload(new Float16Array(51)); // 102 bytes, of which 104 are taken
    await memory.uploadRows(new Float32Array(6), 3);
    await memory.uniform([1, 2, 3, 4, 5]);
    assertEquals(gpu.bytes, 100 + 104 + 32 + 32);
    {
      using other = new Memory(gpu);
      await other.empty(1);
      assertEquals([gpu.bytes, live.size], [268 + 16, 5]);
    }
    assertEquals([gpu.bytes, live.size], [268, 4]);
  }
  assertEquals([gpu.bytes, live.size], [0, 0]);
  assertEquals(gpu.peakBytes, 284);
});

Deno.test("buffers are freed once, also if memory is freed twice", async () => {
  const { gpu, live } = fakeGpu();
  const memory = new Memory(gpu);
  await memory.empty(64);
  memory[Symbol.dispose]();
  memory[Symbol.dispose]();
  assertEquals([gpu.bytes, live.size], [0, 0]);
});

Deno.test("buffers are freed when one of them is refused, or breaks down", async () => {
  let calls = 0;
  const { gpu, live } = fakeGpu(true, () => ++calls < 4);
  const work = async (last: number) => {
    using memory = new Memory(gpu);
    await memory.empty(64);
    await memory.upload(Float32Array.of(1));
    await memory.empty(last);
  };
  await assertRejects(() => work(2 ** 20), RangeError);
  assertEquals([gpu.bytes, live.size], [0, 0]);
  await assertRejects(() => work(64), Error, "out of memory");
  assertEquals([gpu.bytes, live.size, calls], [0, 0, 4]);
});
