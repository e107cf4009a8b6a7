#!/usr/bin/env -S deno run
/**
 * Q. How does a GPU work, and what is flash attention?
 *
 * A. Thousands of simple cores run one program, the kernel, each on data of its own,
 * as many at once as there is room for, the rest in waves. They wait for memory much
 * more than they compute, so what counts is how much a kernel does with each number
 * that it reads: a matrix product reuses a tile, and attention keeps its scores to
 * itself instead of writing them to memory and reading them again. That is flash
 * attention. This script measures what the device can do, and then each kernel.
 *
 * Trap: to count FLOP only. Two kernels with the same FLOP differ by a factor of nine
 * here, and by more on a GPU.
 * Run: `deno run gpu.ts`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import {
  type Attended,
  type Attention,
  attentionError,
  LANES,
  outputWay,
  type Plan,
  planAttention,
  randomAttention,
  runPlan,
} from "./attention.ts";
import { inBytes, pitchOf, unpad } from "./buffers.ts";
import { demo, type Gpu, type Launch } from "./device.ts";
import { flashTile, planFlash, ROWS } from "./flash_attention.ts";
import {
  groupsOf,
  launchProduct,
  type Sizes,
  type Way,
  WAYS,
} from "./matmul.ts";
import { measureRoof, type Roof } from "./roofline.ts";
import { lehmer, randomFloats } from "./testing.ts";
import { errorOf, type Matrix } from "./tiling.ts";
import { time } from "./timing.ts";

/** What a kernel costs. */
export interface Cost {
  flop: number;
  invocations: number;
  /** Bytes that an invocation reads from buffers, and writes to them. */
  reads: number;
  writes: number;
}

/** A kernel's cost and the median of its times. */
export interface Measured extends Cost {
  name: string;
  ms: number;
  /** Why it could not be run; there is no time then. */
  problem?: string;
}

/** The cost of a matrix product; a and b have numbers of so many bytes. */
export function productCost(way: Way, sizes: Sizes, bytes = 4): Cost {
  const { M, K, N, batch = 1 } = sizes;
  const group = way.tile[0] * way.tile[1] / way.entries;
  return {
    flop: 2 * M * K * N * batch,
    invocations: group * groupsOf(way, sizes),
    reads: bytes * way.reads(K) / group,
    writes: 4 * way.entries,
  };
}

/** The costs of the three passes of naive attention. */
export function naiveCosts({ B, H, N, S, D }: Attention): Cost[] {
  const batch = B * H;
  return [
    productCost(WAYS.transposed, { M: N, K: D, N: S, batch }),
    {
      flop: 0, // exponentials are not counted
      invocations: batch * N * LANES,
      reads: 4 * 2 * S / LANES,
      writes: 4 * S / LANES,
    },
    productCost(outputWay(D), { M: N, K: S, N: D, batch }),
  ];
}

/** The cost of flash attention on this GPU, without causality. */
export function flashCost(gpu: Gpu, { B, H, N, S, D }: Attention): Cost {
  const { X, Y } = flashTile(gpu, D);
  const tiles = B * H * Math.ceil(N / (ROWS * Y));
  return {
    flop: 4 * B * H * N * S * D,
    invocations: tiles * X * Y,
    reads: 4 * pitchOf(D) * (ROWS * Y + 2 * S) / (X * Y),
    writes: 4 * pitchOf(D) * ROWS / X,
  };
}

/** The first rows of a matrix. */
const firstRows = ({ rows, columns, data }: Matrix, count: number): Matrix => ({
  rows: Math.min(rows, count),
  columns,
  data: data.subarray(0, count * columns),
});

/** @throws {Error} unless the error is within what f32 may be off */
function mustBeRight(name: string, error: number): void {
  if (error <= 1) return;
  throw new Error(`${name} is wrong by ${error} bounds: nothing to time`);
}

/**
 * Multiplies n × n matrices in all ways, sees that each is right, and times it.
 * @param random makes the numbers
 */
export async function measureProducts(
  gpu: Gpu,
  n: number,
  random: () => number,
): Promise<Measured[]> {
  const measured: Measured[] = [];
  const sizes = { M: n, K: n, N: n };
  for (const name of ["naive", "tiled", "registers", "half"] as const) {
    if (name === "half" && !gpu.half) continue;
    using memory = gpu.memory();
    const Kind = name === "half" ? Float16Array : Float32Array;
    const [a, b] = [0, 1].map((): Matrix => {
      const data = new Kind(randomFloats(n * n, random));
      return { rows: n, columns: n, data };
    });
    const buffers: [GPUBuffer, GPUBuffer, GPUBuffer] = [
      await memory.uploadRows(a.data, n),
      await memory.uploadRows(b.data, n),
      await memory.empty(4 * n * pitchOf(n)),
    ];
    const launch = await launchProduct(
      gpu,
      memory,
      WAYS[name],
      sizes,
      buffers,
    );
    await gpu.run(launch);
    const [padded] = await gpu.read(buffers[2]);
    const c = { rows: n, columns: n, data: unpad(padded, n, n) };
    mustBeRight(name, errorOf(firstRows(a, 8), b, firstRows(c, 8)));
    measured.push({
      name: `matmul ${name}`,
      ...productCost(WAYS[name], sizes, Kind.BYTES_PER_ELEMENT),
      ms: await time(gpu, [launch], gpu.software ? 3 : 9),
    });
  }
  return measured;
}

/** The last queries of the first head; causality is the same for them. */
function lastQueries(
  x: Attention,
  got: Attended,
  count: number,
): [Attention, Attended] {
  const { N, S, D } = x;
  const [from, to] = [Math.max(0, N - count), N];
  const query = x.query.subarray(from * D, to * D);
  const key = x.key.subarray(0, S * D);
  const value = x.value.subarray(0, S * D);
  return [
    { ...x, B: 1, H: 1, G: 1, N: to - from, query, key, value },
    {
      output: got.output.subarray(from * D, to * D),
      logSums: got.logSums.subarray(from, to),
    },
  ];
}

/** Attends in three passes and in one, sees that both are right, and times them. */
export async function measureAttention(
  gpu: Gpu,
  x: Attention,
): Promise<Measured[]> {
  const measured: Measured[] = [];
  const measure = async (
    name: string,
    plan: Plan,
    parts: [name: string, cost: Cost][],
  ) => {
    const got = await runPlan(gpu, x, plan);
    mustBeRight(name, attentionError(...lastQueries(x, got, 8)));
    // A part is timed alone; its inputs stay where the run before left them.
    const times = async (launches: Launch[]) =>
      await time(gpu, launches, gpu.software ? 3 : 9);
    if (parts.length > 1) {
      for (const [i, [part, cost]] of parts.entries()) {
        const ms = await times([plan.launches[i]]);
        measured.push({ name: `  ${part}`, ...cost, ms });
      }
    }
    const total = parts.map(([, cost]) => cost).reduce(addCosts);
    const ms = await times(plan.launches);
    measured.push({ name, ...total, ms });
  };
  {
    using memory = gpu.memory();
    const name = "attention naive";
    const costs = naiveCosts(x);
    const parts = ["scores", "softmax", "output"] as const;
    try {
      const plan = await planAttention(gpu, memory, x);
      await measure(name, plan, parts.map((part, i) => [part, costs[i]]));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const problem = `${name}: ${error.message}`;
      measured.push({ name, ...costs.reduce(addCosts), ms: NaN, problem });
    }
  }
  using memory = gpu.memory();
  const name = "attention flash";
  await measure(name, await planFlash(gpu, memory, x), [
    [name, flashCost(gpu, x)],
  ]);
  return measured;
}

function addCosts(a: Cost, b: Cost): Cost {
  const invocations = a.invocations + b.invocations;
  const mean = (key: "reads" | "writes") =>
    (a[key] * a.invocations + b[key] * b.invocations) / invocations;
  return {
    flop: a.flop + b.flop,
    invocations,
    reads: mean("reads"),
    writes: mean("writes"),
  };
}

/** Bytes that both ways need beside inputs and output: scores, or log-sums alone. */
export function extraBytes({ B, H, N, S }: Attention) {
  return { naive: 4 * B * H * N * (pitchOf(S) + 1), flash: 4 * B * H * N };
}

/** A table of measured kernels, as lines. */
export function table(measured: Measured[], { gflops }: Roof): string[] {
  const line = (...cells: string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(17) : cell.padStart(9))
      .join(" ");
  const short = (x: number) =>
    x < 1000 ? `${Number(x.toPrecision(3))}` : x.toExponential(1);
  return [
    line(
      "",
      "",
      "invo-",
      "B read",
      "B written",
      "FLOP per",
      "",
      "GFLOP/s",
      "% of",
    ),
    line("kernel", "FLOP", "cations", "each", "each", "byte", "ms", "", "peak"),
    ...measured.map(({ name, flop, invocations, reads, writes, ms }) => {
      const rate = flop / ms / 1e6;
      return line(
        name,
        flop.toExponential(1),
        short(invocations),
        short(reads),
        short(writes),
        short(flop / (invocations * (reads + writes))),
        ...Number.isNaN(ms) ? ["–", "–", "–"] : [
          ms.toFixed(2),
          rate.toFixed(1),
          (100 * rate / gflops).toFixed(1),
        ],
      );
    }),
  ];
}

const USAGE =
  "Usage: deno run gpu.ts [--size N] [--length N]  (sides of the matrices, length of the attention)";

/** The sizes asked for. @throws {RangeError} if one is no whole number from 1 */
export function readSizes(args: string[]): { size?: number; length?: number } {
  const known = ["size", "length"] as const;
  const flags = parseArgs(args, {
    string: [...known],
    unknown: (arg: string) => {
      throw new RangeError(`Unknown argument ${arg}`);
    },
  });
  const sizes: { size?: number; length?: number } = {};
  for (const name of known) {
    const text = flags[name];
    if (typeof text !== "string") continue;
    if (!/^[1-9]\d{0,5}$/.test(text)) {
      throw new RangeError(
        `--${name} must be a whole number from 1 to 999999, got "${text}"`,
      );
    }
    sizes[name] = Number(text);
  }
  return sizes;
}

async function show(
  gpu: Gpu,
  { size, length }: { size?: number; length?: number },
): Promise<void> {
  const n = size ?? (gpu.software ? 512 : 4096);
  const N = length ?? (gpu.software ? 1024 : 4096);
  const D = 64;
  const random = lehmer(42);
  console.log(gpu.name);
  if (gpu.software) {
    console.log("a software adapter: the CPU's figures, not those of a GPU");
  }
  const most = gpu.limits.maxStorageBufferBindingSize;
  if (4 * n * pitchOf(n) > most) {
    throw new RangeError(
      `Cannot multiply ${n} × ${n}: ${gpu.name} allows ${
        inBytes(most)
      } in one buffer`,
    );
  }
  const roof = await measureRoof(gpu);
  console.log(
    `multiply-add peak ${roof.gflops.toFixed(0)} GFLOP/s in f32, copy ${
      roof.gbytes.toFixed(1)
    } GB/s: memory is the limit below ${
      (roof.gflops / roof.gbytes).toFixed(1)
    } FLOP a byte`,
  );
  console.log(`times by the ${gpu.clock}'s clock, medians\n`);
  const x = randomAttention({ H: gpu.software ? 1 : 16, N, D }, random);
  const measured = [
    ...await measureProducts(gpu, n, random),
    ...await measureAttention(gpu, x),
  ];
  console.log(
    `matrices ${n} × ${n}; attention of ${N} tokens, heads of ${D}: ${x.H}`,
  );
  console.log(table(measured, roof).join("\n"));
  measured.forEach(({ problem }) => problem && console.log(problem));
  console.log("bytes are what the kernel asks for; a cache may answer");

  console.log(`\nmemory beside inputs and output, one head of ${D}`);
  for (let N = 1024; N <= 65536; N *= 4) {
    const x = randomAttention({ N, D }, () => 0.75); // any numbers do
    const { naive, flash } = extraBytes(x);
    console.log(
      `  N = ${`${N}`.padStart(5)}  naive ${
        inBytes(naive).padStart(9)
      }: ${await attempt(gpu, x, planAttention)}`,
    );
    console.log(
      `             flash ${inBytes(flash).padStart(9)}: ${await attempt(
        gpu,
        x,
        planFlash,
      )}`,
    );
  }
}

/** How long it takes, or why it cannot be. */
async function attempt(
  gpu: Gpu,
  x: Attention,
  plan: typeof planAttention,
): Promise<string> {
  using memory = gpu.memory();
  try {
    const { launches } = await plan(gpu, memory, x);
    if (gpu.software && x.N > 4096) {
      return "too long for a CPU, so not run here";
    }
    return `${(await time(gpu, launches, 1)).toFixed(1)} ms`;
  } catch (error) {
    return (error as Error).message;
  }
}

if (import.meta.main) {
  try {
    const sizes = readSizes(Deno.args);
    await demo((gpu) => show(gpu, sizes));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    Deno.exit(2);
  }
}
