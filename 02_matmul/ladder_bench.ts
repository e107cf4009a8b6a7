/**
 * The rungs beside other people's libraries, each group in one run: ml-matrix,
 * TensorFlow.js, and Python on the same OpenBLAS, if it is there.
 *
 * Run: `deno bench --allow-all ladder_bench.ts`
 * @module
 */
import * as tfjs from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { Matrix as MlMatrix } from "ml-matrix";
import { type Blas, openBlas } from "./blas.ts";
import { multiplyPacked } from "./blocked.ts";
import { measurePeak } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import {
  type Floats,
  largestError,
  lehmer,
  type Matrix,
  matrix,
  randomMatrix,
  toRows,
} from "./matrix.ts";
import { Pool, sharedZeros } from "./parallel.ts";
import { multiplySimd } from "./simd.ts";

const random = lehmer(42);
const square = (n: number, like: Floats) => randomMatrix(n, n, like, random);

/** A way to multiply, and how to see its last product, if it does not look itself. */
interface Way {
  run: () => unknown;
  see?: () => Matrix;
}

/** Times ways that are warm, once their products are seen to be right. */
async function group(
  title: string,
  a: Matrix,
  b: Matrix,
  ways: Record<string, Way | undefined>,
): Promise<void> {
  const unit = a.data instanceof Float32Array ? 2 ** -24 : 2 ** -53;
  let baseline = true;
  for (const [name, way] of Object.entries(ways)) {
    if (!way) continue;
    const start = performance.now();
    do await way.run(); while (performance.now() - start < 500);
    const error = way.see ? largestError(a, b, way.see(), 4) : 0;
    if (!(error < a.columns * unit)) {
      throw new Error(`${name} is off by ${error}: nothing to time`);
    }
    const fn = async () => void await way.run();
    Deno.bench({ name, group: title, baseline, fn });
    baseline = false;
  }
}

/** A rung of this chapter. */
function rung(
  multiply: (a: Matrix, b: Matrix) => Matrix | Promise<Matrix>,
  a: Matrix,
  b: Matrix,
): Way {
  let product = a;
  return {
    run: async () => product = await multiply(a, b),
    see: () => product,
  };
}

/** TensorFlow.js, with one of its backends, in f32. */
async function tensorflow(backend: string, a: Matrix, b: Matrix): Promise<Way> {
  const n = a.rows;
  await tfjs.setBackend(backend);
  const [x, y] = [a, b].map(({ data }) =>
    tfjs.tensor2d(data as Float32Array, [n, n])
  );
  let product = new Float32Array();
  const run = async () => {
    await tfjs.setBackend(backend);
    const z = tfjs.matMul(x, y);
    product = z.dataSync() as Float32Array<ArrayBuffer>;
    z.dispose();
  };
  return { run, see: () => matrix(n, n, product) };
}

/** For each line that it reads, multiplies once by the library's gemm. */
const PYTHON = `
import ctypes, sys
import numpy as np
name, n, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
library = ctypes.CDLL(name)
library.openblas_set_num_threads(threads)
i, p, real = ctypes.c_int, ctypes.c_void_p, ctypes.c_double
library.cblas_dgemm.argtypes = [i, i, i, i, i, i, real, p, i, p, i, real, p, i]
a, b = np.random.rand(2, n, n)
c = np.empty((n, n))
at = [x.ctypes.data for x in (a, b, c)]
def multiply():
    library.cblas_dgemm(101, 111, 111, n, n, n, 1, at[0], n, at[1], n, 0, at[2], n)
multiply()
assert np.allclose(c, a @ b)
print("ready", flush=True)
for line in sys.stdin:
    multiply()
    print("done", flush=True)
`;

/** Python, which calls the same library; undefined if it cannot. */
async function python(
  name: string,
  n: number,
  threads: number,
): Promise<Way | undefined> {
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command("python3", {
      args: ["-c", PYTHON, name, `${n}`, `${threads}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return undefined;
  }
  const writer = process.stdin.getWriter();
  const reader = process.stdout.pipeThrough(new TextDecoderStream())
    .getReader();
  const hear = async () => {
    let line = "";
    while (!line.endsWith("\n")) {
      const { value, done } = await reader.read();
      if (done) return "";
      line += value;
    }
    return line;
  };
  if (await hear() === "") return undefined;
  addEventListener("unload", () => process.kill());
  const go = new TextEncoder().encode("go\n");
  const run = async () => {
    await writer.write(go);
    await hear();
  };
  return { run };
}

{
  const [a, b] = [0, 1].map(() => square(512, new Float64Array()));
  const [rowsA, rowsB] = [toRows(a), toRows(b)];
  const [mlA, mlB] = [new MlMatrix(rowsA), new MlMatrix(rowsB)];
  let rows: number[][] = [], ml = mlA;
  const flat = (rows: number[][]) =>
    matrix(512, 512, Float64Array.from(rows.flat()));
  await group("plain TypeScript, 512³ f64", a, b, {
    multiplyPacked: rung(multiplyPacked, a, b),
    "matmul, number[][]": {
      run: () => rows = matmul(rowsA, rowsB),
      see: () => flat(rows),
    },
    "ml-matrix": {
      run: () => ml = mlA.mmul(mlB),
      see: () => flat(ml.to2DArray()),
    },
  });
}

const backend = import.meta.resolve("@tensorflow/tfjs-backend-wasm");
setWasmPaths(new URL(".", backend).pathname);
setThreadsCount(1);
const cores = navigator.hardwareConcurrency;
console.log(
  `Peak of one core in f32: ${measurePeak("f32").toFixed(1)} GFLOP/s`,
);
const pool = new Pool(Math.min(2, cores));
const blas: Blas | undefined = openOrTell();
addEventListener("unload", () => pool.close());

/** BLAS, or undefined and why not. */
function openOrTell(): Blas | undefined {
  try {
    return openBlas();
  } catch (error) {
    console.error((error as Error).message);
  }
}

/** BLAS with so many threads; to set them costs nothing. */
function withThreads(
  threads: number,
  a: Matrix,
  b: Matrix,
  out?: Matrix,
): Way | undefined {
  if (!blas) return undefined;
  return rung(
    (a, b) => {
      blas.threads = threads;
      return blas.multiply(a, b, out);
    },
    a,
    b,
  );
}
for (const n of [512, 1024, 2048]) {
  const [a, b] = [0, 1].map(() => square(n, new Float32Array()));
  await group(`one thread, ${n}³ f32`, a, b, {
    simd: rung(multiplySimd, a, b),
    "tfjs, wasm": await tensorflow("wasm", a, b),
    "tfjs, cpu": n === 512 ? await tensorflow("cpu", a, b) : undefined,
    BLAS: withThreads(1, a, b),
  });
}
{
  const [a, b] = [0, 1].map(() => square(1024, new Float32Array()));
  const [x, y, z] = [a, b, a].map(({ data }) => {
    const shared = sharedZeros(1024, 1024, data);
    shared.data.set(data);
    return shared;
  });
  const workers = `simd, ${pool.size} workers`;
  await group("two workers, 1024³ f32", a, b, {
    "simd, one thread": rung(multiplySimd, a, b),
    [workers]: rung((a, b) => pool.multiply(a, b), a, b),
    [`${workers}, all in shared memory`]: rung(
      () => pool.multiply(x, y, z),
      a,
      b,
    ),
  });
}
for (const threads of new Set([1, Math.min(2, cores)])) {
  const [a, b] = [0, 1].map(() => square(1024, new Float64Array()));
  const out = square(1024, new Float64Array()); // as Python has it
  await group(`OpenBLAS by FFI, ${threads} thread(s), 1024³ f64`, a, b, {
    Deno: withThreads(threads, a, b, out),
    Python: blas && await python(blas.name, 1024, threads),
  });
}
