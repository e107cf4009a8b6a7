import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fold, Gpu, openGpu } from "./device.ts";
import { gpuTests } from "./testing.ts";

const test = await gpuTests();

/** Adds 1 to each number, one a workgroup, as far as `groups` go. */
const COUNT = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
override STEP: u32 = 1;

@compute @workgroup_size(1)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = group.x + group.y * groups.x;
  if (n < arrayLength(&x)) { x[n] += STEP; }
}`;
/** Reads a name that is nowhere declared. */
const BROKEN = "@compute @workgroup_size(1) fn main() { let y = nowhere; }";

/** What a buffer of whole numbers holds. */
async function readWhole(gpu: Gpu, buffer: GPUBuffer): Promise<Uint32Array> {
  const [{ buffer: bytes }] = await gpu.read(buffer);
  return new Uint32Array(bytes);
}

Deno.test("fold() makes one row of as many groups as fit, and equal rows of more", () => {
  const cases: [groups: number, grid: [number, number]][] = [
    [0, [0, 0]],
    [1, [1, 1]],
    [65535, [65535, 1]],
    [65536, [32768, 2]],
    [131071, [43691, 3]],
    [65535 ** 2, [65535, 65535]],
  ];
  for (const [groups, grid] of cases) assertEquals(fold(groups, 65535), grid);
});

Deno.test("fold() loses no group, exceeds no side, and adds less than a column", () => {
  const grids = fc.integer({ min: 1, max: 70_000 }).chain((most) =>
    fc.tuple(fc.constant(most), fc.integer({ min: 0, max: most * most }))
  );
  fc.assert(fc.property(grids, ([most, groups]) => {
    const [x, y] = fold(groups, most);
    assert(x <= most && y <= most, `${groups} in ${x} × ${y}`);
    assert(x * y >= groups && x * y < groups + Math.max(1, y));
  }));
});

Deno.test("fold() numbers each group once, as a kernel numbers it", () => {
  for (const groups of [1, 6, 7, 8, 40, 49]) {
    const [width, height] = fold(groups, 7);
    const numbers = new Set<number>();
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) numbers.add(x + y * width);
    }
    assertEquals(numbers.size, width * height);
    for (let n = 0; n < groups; n++) assert(numbers.has(n), `${n} is missing`);
  }
});

Deno.test("fold() refuses more groups than a square holds", () => {
  assertThrows(
    () => fold(65536 ** 2, 65535),
    RangeError,
    "Cannot run 4294967296 workgroups: a grid holds at most 65535 × 65535",
  );
  assertThrows(() => fold(65535 ** 2 + 1, 65535), RangeError);
  assertThrows(() => fold(5, 2), RangeError);
});

/** The last words where no adapter is found. */
const NONE = Deno.build.os === "linux"
  ? "No GPU adapter found: install mesa-vulkan-drivers and libvulkan1, or the GPU's own driver"
  : "No GPU adapter found: install the GPU's driver";

Deno.test("openGpu() without an adapter says in a line what to install", async () => {
  const none = { requestAdapter: () => Promise.resolve(null) };
  const error = await assertRejects(() => openGpu({}, none), Error);
  assertEquals(error.message, NONE);
});

Deno.test("openGpu() where there is no WebGPU at all says the same", async () => {
  Object.defineProperty(navigator, "gpu", {
    value: undefined,
    configurable: true,
  });
  try {
    const error = await assertRejects(() => openGpu(), Error);
    assertEquals(error.message, NONE);
  } finally {
    // what is left is the getter of its prototype
    delete (navigator as { gpu?: GPU }).gpu;
  }
});

/** An adapter that only notes what is asked of it. */
function fakeAdapter(info: Partial<GPUAdapterInfo>, features: string[]) {
  const asked: GPUDeviceDescriptor[] = [];
  const limits = { maxBufferSize: 1e6, maxStorageBufferBindingSize: 1e5 };
  const device = {
    limits,
    features: new Set(features),
    lost: new Promise(() => {}),
    destroy() {},
  };
  const adapter = {
    info,
    limits,
    features: new Set(features),
    requestDevice(descriptor: GPUDeviceDescriptor) {
      asked.push(descriptor);
      return Promise.resolve(device);
    },
  } as unknown as GPUAdapter;
  return { adapter, asked };
}

Deno.test("a device is asked for with all that the adapter can hold, and no more", async () => {
  const old = fakeAdapter({ description: "an old GPU" }, []);
  const gpu = await Gpu.open(old.adapter);
  assertEquals([gpu.name, gpu.clock], ["an old GPU", "host"]);
  assertEquals([gpu.half, gpu.software, gpu.poison], [false, false, false]);
  assertEquals(old.asked[0].requiredFeatures, []);
  assertEquals(old.asked[0].requiredLimits?.maxBufferSize, 1e6);
  assertEquals(old.asked[0].requiredLimits?.maxStorageBufferBindingSize, 1e5);
  const all = ["timestamp-query", "shader-f16", "depth-clip-control"];
  const good = fakeAdapter({ device: "llvmpipe (LLVM 15)" }, all);
  const options = { requestAdapter: () => Promise.resolve(good.adapter) };
  const other = await openGpu({ poison: true }, options);
  assertEquals([other.name, other.clock], ["llvmpipe (LLVM 15)", "GPU"]);
  assertEquals([other.half, other.software, other.poison], [true, true, true]);
  assertEquals(good.asked[0].requiredFeatures, all.slice(0, 2));
});

test("each of 70,000 workgroups runs, once", async (gpu) => {
  using memory = gpu.memory();
  const x = await memory.upload(new Uint32Array(70_000));
  const kernel = await gpu.compile(COUNT);
  await gpu.run({ kernel, buffers: [x], groups: 70_000 });
  assert((await readWhole(gpu, x)).every((times) => times === 1));
});

test("launches run in order; one of no groups runs nothing", async (gpu) => {
  using memory = gpu.memory();
  const x = await memory.upload(Uint32Array.of(1, 2, 3, 4, 5));
  const double = await gpu.compile(COUNT.replace("+= STEP", "*= 2"));
  const add = await gpu.compile(COUNT, { STEP: 10 });
  await gpu.run(
    { kernel: add, buffers: [x], groups: 0 },
    { kernel: add, buffers: [x], groups: 2 },
    { kernel: double, buffers: [x], groups: 4 },
  );
  assertEquals([...await readWhole(gpu, x)].slice(0, 5), [22, 24, 6, 8, 5]);
  await gpu.run();
});

test("read() returns buffers of all sizes in the order asked for", async (gpu) => {
  using memory = gpu.memory();
  const wanted = [5, 1, 300].map((n) => new Float32Array(n).fill(n));
  const buffers = [];
  for (const numbers of wanted) buffers.push(await memory.upload(numbers));
  const bytes = gpu.bytes;
  const got = await gpu.read(...buffers);
  got.forEach((x, i) => {
    assertEquals(x.subarray(0, wanted[i].length), wanted[i]);
  });
  assertEquals(await gpu.read(), []);
  assertEquals(gpu.bytes, bytes);
});

test("a kernel is compiled once for each code and constants", async (gpu) => {
  const kernel = await gpu.compile(COUNT, { STEP: 3 });
  assert(await gpu.compile(COUNT, { STEP: 3 }) === kernel);
  assert(await gpu.compile(COUNT, { STEP: 4 }) !== kernel);
  assert(await gpu.compile(`${COUNT}\n`, { STEP: 3 }) !== kernel);
});

/** The message of what must fail, which is one line. */
async function failure(work: () => Promise<unknown>): Promise<string> {
  const { message } = await assertRejects(work, Error);
  assert(!message.includes("\n"), message);
  return message;
}

test("a shader that is wrong is refused in a line that names why", async (gpu) => {
  const message = await failure(() => gpu.compile(BROKEN));
  assert(message.startsWith("Cannot compile a kernel: "), message);
  assert(message.includes("nowhere"), message);
  assertEquals(await failure(() => gpu.compile(BROKEN)), message);
  const constant = await failure(() => gpu.compile(COUNT, { LENGTH: 1 }));
  assert(constant.includes("LENGTH"), constant);
});

test("a binding that is wrong is refused in a line that names why", async (gpu) => {
  using memory = gpu.memory();
  const kernel = await gpu.compile(COUNT);
  const none = await failure(() => gpu.run({ kernel, buffers: [], groups: 1 }));
  assert(/^Cannot run kernels: .*\bbindings?\b/.test(none), none);
  const parameters = await memory.uniform([1]);
  const wrong = await failure(() =>
    gpu.run({ kernel, buffers: [parameters], groups: 1 })
  );
  assert(/^Cannot run kernels: .*STORAGE/.test(wrong), wrong);
  const unread = await failure(() => gpu.read(parameters));
  assert(/^Cannot read results: .*COPY_SRC/.test(unread), unread);
});

test("too many groups are refused in fold()'s own words, and the next launch runs", async (gpu) => {
  using memory = gpu.memory();
  const x = await memory.upload(Uint32Array.of(5));
  const kernel = await gpu.compile(COUNT);
  await assertRejects(
    () => gpu.run({ kernel, buffers: [x], groups: 2 ** 40 }),
    RangeError,
    "Cannot run 1099511627776 workgroups: a grid holds at most ",
  );
  await gpu.run({ kernel, buffers: [x], groups: 1 });
  assertEquals((await readWhole(gpu, x))[0], 6);
});

test("tasks that fail at the same time each get their own error, and others none", async (gpu) => {
  using memory = gpu.memory();
  const kernel = await gpu.compile(COUNT);
  const code = (name: string) => BROKEN.replace("nowhere", name);
  const results = await Promise.allSettled([
    gpu.read(await memory.upload(Uint32Array.of(7))),
    gpu.compile(code("first_one")),
    gpu.run({ kernel, buffers: [], groups: 1 }),
    gpu.compile(`${COUNT}\n\n`),
    gpu.compile(code("second_one")),
    gpu.finish(),
  ]);
  const messages = results.map((result) =>
    result.status === "rejected" ? result.reason.message : "fine"
  );
  const expected = [
    /^fine$/,
    /first_one/,
    /run kernels/,
    /^fine$/,
    /second_one/,
    /^fine$/,
  ];
  messages.forEach((message, i) => assert(expected[i].test(message), message));
});

test("a task that ends does not take the error of one that still waits", async (gpu) => {
  const [first, second] = [0, 1].map(() => Promise.withResolvers<void>());
  const waiting = gpu.scope("wait", () => first.promise);
  const breaking = gpu.scope("break", () => {
    gpu.device.createShaderModule({ code: BROKEN });
    return second.promise;
  });
  const broken = assertRejects(() => breaking, Error, "nowhere");
  first.resolve();
  await waiting;
  second.resolve();
  await broken;
});

test("scope() tells what the work itself throws, in a line, and passes its result", async (gpu) => {
  assertEquals(await gpu.scope("add", () => 2), 2);
  assertEquals(await gpu.scope("add", () => Promise.resolve(3)), 3);
  const fail = () => Promise.reject(new TypeError("\n  no such\n  thing"));
  assertEquals(
    await failure(() => gpu.scope("do it", fail)),
    "Cannot do it: no such",
  );
  await gpu.finish();
});

/** All that a GPU can be asked, each with the task that its error names. */
const ASKED: [
  task: string,
  ask: (gpu: Gpu, x: GPUBuffer) => Promise<unknown>,
][] = [
  ["compile a kernel", (gpu) => gpu.compile(COUNT)],
  ["compile a kernel", (gpu) => gpu.compile(`${COUNT}\n\n\n`)],
  ["run kernels", (gpu) => gpu.run()],
  ["do it", (gpu) => gpu.submit("do it", () => {})],
  ["do it", (gpu) => gpu.scope("do it", () => 1)],
  ["wait for kernels", (gpu) => gpu.finish()],
  ["allocate", (gpu, x) => gpu.read(x)],
  ["allocate", (gpu) => gpu.memory().empty(4)],
  ["allocate", (gpu) => gpu.memory().upload(Float32Array.of(1))],
  ["allocate", (gpu) => gpu.memory().uploadRows(Float32Array.of(1), 1)],
  ["allocate", (gpu) => gpu.memory().uniform([1])],
];
const ENDS: [how: string, end: (gpu: Gpu) => unknown][] = [
  ["closed", (gpu) => gpu[Symbol.dispose]()],
  ["closed twice", (gpu) => {
    gpu[Symbol.dispose]();
    gpu[Symbol.dispose]();
  }],
  ["lost", (gpu) => {
    gpu.device.destroy();
    return gpu.device.lost;
  }],
];
for (const [how, end] of ENDS) {
  test(`a GPU that is ${how} says so in words, whatever it is asked`, async () => {
    const gpu = await openGpu();
    const x = await gpu.memory().empty(4);
    await gpu.compile(COUNT);
    await end(gpu);
    for (const [task, ask] of ASKED) {
      const message = await failure(() => ask(gpu, x));
      assert(message.startsWith(`Cannot ${task}`), message);
      const reason = ": the GPU is lost (it is closed); open it anew";
      assert(message.endsWith(reason), message);
    }
  });
}

test("a GPU that is lost while it works fails what it was doing", async () => {
  const gpu = await openGpu();
  const x = await gpu.memory().empty(4);
  const reading = gpu.read(x);
  gpu.device.destroy();
  await failure(() => reading);
});

const granted = Deno.permissions.querySync({ name: "run" }).state === "granted";

/** Runs a program that has device.ts, and `gpu` for its navigator.gpu. */
async function runWith(gpu: string, program: string) {
  const script = JSON.stringify(new URL("device.ts", import.meta.url).href);
  const code = `
    Object.defineProperty(navigator, "gpu", { value: ${gpu} });
    const { demo } = await import(${script});
    ${program}`;
  const { stdout, stderr, code: exit } = await new Deno.Command(
    Deno.execPath(),
    { args: ["eval", "--no-check", "--no-lock", code], env: { NO_COLOR: "1" } },
  ).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { exit, stdout: decode(stdout), stderr: decode(stderr) };
}
const NO_GPU = "{ requestAdapter: () => Promise.resolve(null) }";
const A_GPU = `{ requestAdapter: () => Promise.resolve({
  features: new Set(), limits: {}, info: { vendor: "nobody" },
  requestDevice: () => Promise.resolve({
    features: new Set(), limits: {}, lost: new Promise(() => {}),
    destroy: () => console.log("destroyed"),
  }),
}) }`;

const PROGRAMS: [
  name: string,
  gpu: string,
  program: string,
  result: { exit: number; stdout: string; stderr: string },
][] = [
  [
    "demo() without an adapter is one line on stderr and the exit code 2",
    NO_GPU,
    `await demo(() => console.log("shown"))`,
    { exit: 2, stdout: "", stderr: `${NONE}\n` },
  ],
  [
    "demo() that fails is one line on stderr and the exit code 1, and closes the GPU",
    A_GPU,
    `await demo(() => Promise.reject(new Error("out of order")))`,
    { exit: 1, stdout: "destroyed\n", stderr: "out of order\n" },
  ],
  [
    "demo() shows its GPU, closes it, and lets the program go on",
    A_GPU,
    `await demo(async (gpu) => console.log(gpu.name)); console.log("on");`,
    { exit: 0, stdout: "nobody\ndestroyed\non\n", stderr: "" },
  ],
];
for (const [name, gpu, program, result] of PROGRAMS) {
  Deno.test({
    name: granted ? name : `needs --allow-run, so not tested here: ${name}`,
    ignore: !granted,
    fn: async () => assertEquals(await runWith(gpu, program), result),
  });
}
