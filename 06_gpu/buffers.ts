#!/usr/bin/env -S deno run
/**
 * Q. What does cudaMalloc do, and where do the numbers of a matrix lie then?
 *
 * A. It asks the driver for a piece of the GPU's own memory, which the CPU cannot
 * read: each number crosses the bus in a copy. A matrix lies there row after row, and
 * its rows are padded to a pitch, so that each begins where a vector load may begin.
 * The memory is mine until I free it, also when something goes wrong in between.
 *
 * Trap: what lies in the padding. Zeros in it hide a kernel that reads too far.
 * Left out: memory that both sides see (integrated GPUs), reuse of freed buffers.
 * Run: `deno run buffers.ts`
 * @module
 */
import { demo, type Gpu } from "./device.ts";

/** What a buffer is filled from. */
export type Numbers = Float32Array | Float16Array | Uint32Array;

/** A row is padded to whole vec4s. */
const VECTOR = 4;
const STORAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
  GPUBufferUsage.COPY_DST;
/** A NaN in f32, and two of them in f16. */
const NAN = 0x7fff7fff;

/** How far apart two rows of so many numbers are in a buffer. */
export const pitchOf = (columns: number) =>
  Math.ceil(columns / VECTOR) * VECTOR;

/** So many bytes, in words. */
export function inBytes(bytes: number): string {
  if (bytes < 2 ** 10) return `${bytes} bytes`;
  const power = bytes < 2 ** 20 ? 10 : bytes < 2 ** 30 ? 20 : 30;
  const unit = { 10: "KiB", 20: "MiB", 30: "GiB" }[power];
  return `${Number((bytes / 2 ** power).toPrecision(4))} ${unit}`;
}

/** Buffers on a GPU that are freed together: by `using`, or by dispose. */
export class Memory implements Disposable {
  #buffers: GPUBuffer[] = [];
  readonly #gpu: Gpu;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Frees all. */
  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) {
      this.#gpu.bytes -= buffer.size;
      buffer.destroy();
    }
    this.#buffers = [];
  }

  /**
   * A buffer of at least so many bytes: whole words of 4, and not less than a vec4.
   * @param usage of GPUBufferUsage
   * @throws {RangeError} if the GPU allows none as large
   */
  async buffer(bytes: number, usage: number): Promise<GPUBuffer> {
    const { name, limits, device } = this.#gpu;
    const size = Math.max(16, Math.ceil(bytes / 4) * 4); // a vec4 at least
    const most = usage & GPUBufferUsage.STORAGE
      ? Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize)
      : limits.maxBufferSize;
    const task = `allocate ${inBytes(size)}`;
    if (!(size <= most)) {
      throw new RangeError(
        `Cannot ${task}: ${name} allows ${inBytes(most)} in one buffer`,
      );
    }
    const buffer = await this.#gpu.scope(
      task,
      () => device.createBuffer({ size, usage }),
    );
    this.#buffers.push(buffer);
    this.#gpu.bytes += size;
    this.#gpu.peakBytes = Math.max(this.#gpu.peakBytes, this.#gpu.bytes);
    return buffer;
  }

  /** Memory for a result of so many bytes: zeros, or NaN where the GPU poisons. */
  async empty(bytes: number): Promise<GPUBuffer> {
    const buffer = await this.buffer(bytes, STORAGE);
    if (this.#gpu.poison) {
      this.#write(buffer, new Uint32Array(buffer.size / 4).fill(NAN));
    }
    return buffer;
  }

  /** Copies numbers to the GPU. */
  async upload(numbers: Numbers): Promise<GPUBuffer> {
    const buffer = await this.empty(numbers.byteLength);
    this.#write(buffer, numbers);
    return buffer;
  }

  /** Copies rows of so many numbers to the GPU, each padded to its pitch. */
  uploadRows(
    numbers: Float32Array | Float16Array,
    columns: number,
  ): Promise<GPUBuffer> {
    const pitch = pitchOf(columns);
    if (pitch === columns) return this.upload(numbers);
    const rows = numbers.length / columns;
    const Kind = numbers.constructor as new (length: number) => typeof numbers;
    const padded = new Kind(rows * pitch).fill(this.#gpu.poison ? NaN : 0);
    for (let i = 0; i < rows; i++) {
      padded.set(numbers.subarray(i * columns, (i + 1) * columns), i * pitch);
    }
    return this.upload(padded);
  }

  /** Parameters of a kernel: whole numbers, then fractions, 4 bytes each. */
  async uniform(
    whole: number[],
    fractions: number[] = [],
  ): Promise<GPUBuffer> {
    const length = Math.ceil((whole.length + fractions.length) / 4) * 4;
    const words = new Uint32Array(length);
    words.set(whole);
    new Float32Array(words.buffer).set(fractions, whole.length);
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const buffer = await this.buffer(words.byteLength, usage);
    this.#write(buffer, words);
    return buffer;
  }

  #write(buffer: GPUBuffer, numbers: Numbers): void {
    if (numbers.length === 0) return; // Deno 2.9 breaks down on it
    const words = new Uint8Array(Math.ceil(numbers.byteLength / 4) * 4);
    words.set(
      new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength),
    );
    this.#gpu.device.queue.writeBuffer(buffer, 0, words);
  }
}

/** Rows out of a buffer, without their padding. */
export function unpad(
  padded: Float32Array<ArrayBuffer>,
  rows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const pitch = pitchOf(columns);
  const numbers = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    numbers.set(padded.subarray(i * pitch, i * pitch + columns), i * columns);
  }
  return numbers;
}

if (import.meta.main) {
  await demo(async (gpu) => {
    const { limits } = gpu;
    using memory = gpu.memory();
    const x = await memory.uploadRows(Float32Array.of(1, 2, 3, 4, 5, 6), 3);
    console.log("two rows of three, as they lie in memory");
    console.log(`  ${(await gpu.read(x))[0].join(" ")}`);
    console.log(`in buffers: ${gpu.bytes} bytes`);
    memory[Symbol.dispose]();
    console.log(`and freed:  ${gpu.bytes} bytes`);
    try {
      await memory.empty(2 * limits.maxStorageBufferBindingSize);
    } catch (error) {
      console.log((error as Error).message);
    }
  });
}
