#!/usr/bin/env -S deno run
/**
 * Q. What happens when you call `torch.device("cuda")` and use it?
 *
 * A. The adapter is a GPU and its driver, the device my own connection to it. I
 * allocate buffers in its memory, copy numbers into them, have the driver compile
 * a kernel to a pipeline, and bind buffers to its parameters. Then I record
 * commands, and submit them to a queue. Nothing has run so far: the queue belongs
 * to the GPU, which takes from it while my program goes on. To see a result I copy
 * it into a buffer that the CPU can map, and wait for that.
 *
 * Trap: an error does not throw. It goes to an error scope, or is never seen.
 * Left out: textures, drawing, several queues, subgroups.
 * Source: WebGPU and WGSL, w3.org/TR/webgpu and w3.org/TR/WGSL.
 * Run: `deno run device.ts`
 * @module
 */

import { inBytes, Memory } from "./buffers.ts";

/** One run of a kernel. */
export interface Launch {
  kernel: GPUComputePipeline;
  /** The kernel's parameters: buffer i is @binding(i) of @group(0). */
  buffers: GPUBuffer[];
  /** How many workgroups; folded into rows where one row cannot hold them. */
  groups: number;
  /** How often an invocation goes round its loops, at most; the look that leaves one counts. */
  iterations?: number;
}

/** How a device is opened. */
export interface GpuOptions {
  /** Fills new memory with NaN where it would be 0: shows what is read unwritten. */
  poison?: boolean;
}

/** llvmpipe ends an invocation's loops after so many iterations, without a word. */
const MOST_ITERATIONS = 65_535;
/** What to install where there is no GPU, nor a driver that computes on the CPU. */
const INSTALL = Deno.build.os === "linux"
  ? "mesa-vulkan-drivers and libvulkan1, or the GPU's own driver"
  : "the GPU's driver";

/** The text of a loop without the loop: of each number below `count`, in lines. */
export function unroll(count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join("\n");
}

/** An open GPU. To be disposed, or held by `using`. */
export class Gpu implements Disposable {
  /** As its driver calls it. */
  readonly name: string;
  /** Computes on the CPU. */
  readonly software: boolean;
  /** Has 16-bit floats. */
  readonly half: boolean;
  /** Which clock times its kernels. */
  readonly clock: "GPU" | "host";
  readonly limits: GPUSupportedLimits;
  /** Bytes in buffers now, and the most there have been since it was last set. */
  bytes = 0;
  peakBytes = 0;
  readonly device: GPUDevice;
  readonly poison: boolean;
  #kernels = new Map<string, Promise<GPUComputePipeline>>();
  #lost?: string;

  /** Opens the adapter's device with all that it can hold. */
  static async open(
    adapter: GPUAdapter,
    { poison = false }: GpuOptions = {},
  ): Promise<Gpu> {
    const wanted: GPUFeatureName[] = ["timestamp-query", "shader-f16"];
    const { limits } = adapter;
    const device = await adapter.requestDevice({
      requiredFeatures: wanted.filter((name) => adapter.features.has(name)),
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup:
          limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
      },
    });
    return new Gpu(device, adapter.info, poison);
  }

  private constructor(
    device: GPUDevice,
    info: GPUAdapterInfo,
    poison: boolean,
  ) {
    this.device = device;
    this.limits = device.limits;
    this.name = info.description || info.device || info.vendor || "a GPU";
    this.software = /llvmpipe|lavapipe|swiftshader|software/i.test(this.name);
    this.half = device.features.has("shader-f16");
    const timed = device.features.has("timestamp-query");
    this.clock = timed ? "GPU" : "host";
    this.poison = poison;
    device.lost.then(({ reason, message }) =>
      this.#lost = reason === "destroyed" ? "it is closed" : message
    );
  }

  /** Closes the device and frees its memory. */
  [Symbol.dispose](): void {
    this.#lost = "it is closed";
    this.device.destroy();
  }

  /** Buffers that are freed together. */
  memory(): Memory {
    return new Memory(this);
  }

  /**
   * Compiles a kernel, once for each code and constants.
   * @param code WGSL with one entry point
   * @param constants values of its `override` constants
   * @throws {Error} if the driver refuses it, with the driver's reason
   */
  async compile(
    code: string,
    constants: Record<string, number> = {},
  ): Promise<GPUComputePipeline> {
    this.#check("compile a kernel");
    const key = JSON.stringify([code, constants]);
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      kernel = this.scope(
        "compile a kernel",
        () =>
          this.device.createComputePipeline({
            layout: "auto",
            compute: {
              module: this.device.createShaderModule({ code }),
              constants,
            },
          }),
      );
      this.#kernels.set(key, kernel);
    }
    return await kernel;
  }

  /**
   * Not every driver refuses a kernel that wants more memory than a workgroup has.
   * @throws {RangeError} if it is less than so many bytes
   */
  mustFit(bytes: number): void {
    const { maxComputeWorkgroupStorageSize: most } = this.limits;
    if (bytes <= most) return;
    throw new RangeError(
      `Cannot give a workgroup ${bytes} bytes: ${this.name} has ${most}`,
    );
  }

  /**
   * Does what reports its errors to a scope.
   * @throws {Error} of the first error there, in one line, or if the device is lost
   */
  async scope<T>(task: string, work: () => T | Promise<T>): Promise<T> {
    const filters: GPUErrorFilter[] = [
      "validation",
      "out-of-memory",
      "internal",
    ];
    this.#check(task);
    filters.forEach((filter) => this.device.pushErrorScope(filter));
    const pending = (async () => await work())();
    // Closed before any wait, so that no other task's errors end up in them; a lost
    // device has none.
    const scopes = filters.map(() =>
      this.device.popErrorScope().catch(() => null)
    );
    let thrown: unknown;
    const result = await pending.catch((error) => void (thrown = error));
    const errors = await Promise.all(scopes);
    this.#check(task);
    const failure = errors.find((error) => error) ?? thrown;
    if (!failure) return result as T;
    if (failure instanceof RangeError) throw failure;
    const reason = (failure as Error).message.split("\n")
      .find((line) => line.trim() !== "" && !/^\W*$/.test(line));
    throw new Error(`Cannot ${task}: ${reason?.trim()}`);
  }

  #check(task: string): void {
    if (this.#lost === undefined) return;
    throw new Error(
      `Cannot ${task}: the GPU is lost (${this.#lost}); open it anew`,
    );
  }

  /** Runs kernels, each after the one before it has finished. */
  run(...launches: Launch[]): Promise<void> {
    return this.submit(
      "run kernels",
      (encoder) => this.encode(encoder, launches),
    );
  }

  /** Records commands, and puts them into the queue. */
  submit(
    task: string,
    record: (encoder: GPUCommandEncoder) => void,
  ): Promise<void> {
    return this.scope(task, () => {
      const encoder = this.device.createCommandEncoder();
      record(encoder);
      this.device.queue.submit([encoder.finish()]);
    });
  }

  /** Waits until the queue is empty. */
  finish(): Promise<void> {
    return this.scope(
      "wait for kernels",
      () => this.device.queue.onSubmittedWorkDone().then(() => {}),
    );
  }

  /**
   * Records launches as one pass.
   * @throws {RangeError} if one is too long for the software driver
   */
  encode(
    encoder: GPUCommandEncoder,
    launches: Launch[],
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void {
    const pass = encoder.beginComputePass({ timestampWrites });
    for (const { kernel, buffers, groups, iterations = 0 } of launches) {
      if (groups === 0) continue;
      if (this.software && iterations > MOST_ITERATIONS) {
        throw new RangeError(
          `Cannot run a kernel of ${iterations} iterations: ${this.name} stops after ${MOST_ITERATIONS}`,
        );
      }
      const entries = buffers.map((buffer, binding) => ({
        binding,
        resource: { buffer },
      }));
      const layout = kernel.getBindGroupLayout(0);
      pass.setPipeline(kernel);
      pass.setBindGroup(0, this.device.createBindGroup({ layout, entries }));
      pass.dispatchWorkgroups(
        ...fold(groups, this.limits.maxComputeWorkgroupsPerDimension),
      );
    }
    pass.end();
  }

  /** Reads buffers back, as floats, with one wait for all of them. */
  async read(...buffers: GPUBuffer[]): Promise<Float32Array<ArrayBuffer>[]> {
    const size = buffers.reduce((sum, buffer) => sum + buffer.size, 0);
    using memory = this.memory();
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const host = await memory.buffer(size, usage);
    await this.submit("read results", (encoder) => {
      let at = 0;
      for (const buffer of buffers) {
        encoder.copyBufferToBuffer(buffer, 0, host, at, buffer.size);
        at += buffer.size;
      }
    });
    const copy = await this.scope("read results", async () => {
      await host.mapAsync(GPUMapMode.READ);
      const copy = host.getMappedRange().slice(0);
      host.unmap();
      return copy;
    });
    let at = 0;
    return buffers.map(({ size }) => {
      const part = new Float32Array(copy, at, size / 4);
      at += size;
      return part;
    });
  }
}

/**
 * The grid (x, y) that holds so many workgroups where a side may not be longer than
 * `most`. It may hold a few more: a kernel leaves if its number, x + y · (groups in
 * a row), is none of the `groups`.
 * @throws {RangeError} if even a square does not hold them
 */
export function fold(groups: number, most: number): [x: number, y: number] {
  const y = Math.ceil(groups / most);
  if (y > most) {
    throw new RangeError(
      `Cannot run ${groups} workgroups: a grid holds at most ${most} × ${most}`,
    );
  }
  return [Math.ceil(groups / Math.max(1, y)), y];
}

/**
 * Opens the GPU, or the driver that computes on the CPU where there is none.
 * @throws {Error} if there is neither; says what to install
 */
export async function openGpu(
  options?: GpuOptions,
  gpu: Pick<GPU, "requestAdapter"> = navigator.gpu,
): Promise<Gpu> {
  const powerPreference = "high-performance";
  const adapter = await gpu?.requestAdapter({ powerPreference });
  if (!adapter) {
    throw new Error(`No GPU adapter found: install ${INSTALL}`);
  }
  return await Gpu.open(adapter, options);
}

/**
 * Runs a script's demo on the GPU. What goes wrong is one line on stderr; the exit
 * code is 2 without an adapter, and 1 if the demo fails.
 */
export async function demo(show: (gpu: Gpu) => Promise<void>): Promise<void> {
  let code = 2;
  try {
    using gpu = await openGpu();
    code = 1;
    await show(gpu);
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(code);
  }
}

/** Doubles each number. Grid: an invocation a number; 1 read and 1 write each. */
const DOUBLE = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&x)) { return; }
  x[id.x] = 2 * x[id.x];
}`;

if (import.meta.main) {
  await demo(async (gpu) => {
    let last = performance.now();
    const step = (name: string, what: string) => {
      const now = performance.now();
      console.log(
        `${name.padEnd(10)}${(now - last).toFixed(1).padStart(6)} ms  ${what}`,
      );
      last = now;
    };
    const { limits, clock, half } = gpu;
    console.log(
      `${gpu.name}${gpu.software ? ": no GPU, the CPU in its place" : ""}`,
    );
    console.log(
      `a workgroup has up to ${limits.maxComputeInvocationsPerWorkgroup} invocations and ${
        inBytes(limits.maxComputeWorkgroupStorageSize)
      }`,
    );
    console.log(
      `a buffer up to ${inBytes(limits.maxStorageBufferBindingSize)}`,
    );
    console.log(
      `times by the ${clock}'s clock; 16-bit floats: ${half ? "yes" : "no"}\n`,
    );
    using memory = gpu.memory();
    const x = await memory.upload(Float32Array.of(1, 2, 3, 4));
    step("buffer", "4 numbers copied into a buffer: 1 2 3 4");
    const kernel = await gpu.compile(DOUBLE);
    step("pipeline", "WGSL compiled for this GPU");
    const launch = { kernel, buffers: [x], groups: 1 };
    await gpu.run(launch);
    step(
      "dispatch",
      "a workgroup of 64 invocations in the queue; 60 of them idle",
    );
    const [result] = await gpu.read(x);
    step("map", `waited, and copied back: ${result.join(" ")}`);
  });
}
