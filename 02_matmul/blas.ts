#!/usr/bin/env -S deno run --allow-ffi
/**
 * Q. What does numpy's `a @ b` call?
 *
 * A. BLAS, an interface of 1979 that has had matrix products since 1990: gemm is
 * c = alpha · a · b + beta · c. Many libraries offer it. The one on netlib is plain
 * loops in Fortran, there to say what is right. The fast ones, such as OpenBLAS, are
 * C and assembly for each processor: blocks that fit its caches and registers, SIMD,
 * threads. From Deno it is a foreign function: load the library, pass the arrays.
 *
 * Shapes: a (M, K), b (K, N), product (M, N).
 * Time O(M·N·K); space O(M·N).
 * Trap: a leading dimension is how far apart two rows are in memory: K for a, N for
 * b and for the product. A wrong one, or a call into a library that is closed, is
 * no exception but foreign memory.
 * Left out: transposed matrices and parts of matrices, other alpha and beta, 64-bit
 * sizes, calls that do not block (`nonblocking`).
 * Source: Dongarra, Du Croz, Hammarling, Duff (1990), doi:10.1145/77626.79170.
 * Run: `deno run --allow-ffi blas.ts`, with a library's path to take that one
 * @module
 */
import {
  checkProduct,
  type Floats,
  largestError,
  lehmer,
  type Matrix,
  medianTime,
  type Multiply,
  randomMatrix,
  zeros,
} from "./matrix.ts";

/** A BLAS library that is loaded. */
export interface Blas extends Disposable {
  /** The name it was loaded by. */
  readonly name: string;
  /** How it was built, and for which processor, if it tells. */
  readonly config: string | undefined;
  /** Multiplies by gemm. @throws {Error} if the library is closed */
  readonly multiply: Multiply;
  /** The threads it uses, for all in this process; undefined if it does not tell. */
  get threads(): number | undefined;
  set threads(n: number);
  /** Unloads the library. */
  close(): void;
}

/** gemm in single and in double precision. */
export type Gemms = Pick<
  ReturnType<typeof load>[1]["symbols"],
  "cblas_sgemm" | "cblas_dgemm"
>;

const ROW_MAJOR = 101;
const NOT_TRANSPOSED = 111;
const LARGEST_INT = 2 ** 31 - 1;

/** The usual names of the libraries, the fast ones first, and how to get one. */
const SYSTEMS: Record<string, [names: string[], install: string]> = {
  linux: [[
    ...["libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.2"],
    ...["libmkl_rt.so", "libcblas.so.3", "libblas.so.3"],
  ], "apt-get install libopenblas0-pthread"],
  darwin: [[
    "/System/Library/Frameworks/Accelerate.framework/Accelerate",
    "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
  ], "brew install openblas"],
  windows: [
    ["mkl_rt.2.dll", "mkl_rt.dll", "libopenblas.dll", "openblas.dll"],
    "conda install mkl",
  ],
};
const [NAMES, INSTALL] = SYSTEMS[Deno.build.os] ?? SYSTEMS.linux;

/**
 * Loads a BLAS library.
 * @param names or paths; the first that can be loaded is taken
 * @throws {Deno.errors.NotFound} if there is none with CBLAS; says what to install
 * @throws {Deno.errors.NotCapable} without --allow-ffi; never prompts
 */
export function openBlas(names: readonly string[] = NAMES): Blas {
  const [name, loaded] = load(names);
  let library: typeof loaded | undefined = loaded;
  const symbols = () => {
    if (library) return library.symbols;
    throw new Error(`Cannot use ${name}: it is closed`);
  };
  const close = () => {
    library?.close();
    library = undefined;
  };
  const config = loaded.symbols.openblas_get_config?.();
  return {
    name,
    config: config ? Deno.UnsafePointerView.getCString(config) : undefined,
    multiply: (a, b, out) => multiplyBy(symbols(), a, b, out),
    get threads(): number | undefined {
      const { openblas_get_num_threads, MKL_Get_Max_Threads } = symbols();
      return (openblas_get_num_threads ?? MKL_Get_Max_Threads)?.();
    },
    set threads(n: number) {
      const { openblas_set_num_threads, MKL_Set_Num_Threads } = symbols();
      const set = openblas_set_num_threads ?? MKL_Set_Num_Threads;
      const task = `Cannot use ${n} threads of ${name}`;
      if (!set) throw new TypeError(`${task}: it has no way to set them`);
      if ((n | 0) !== n || n < 1) {
        throw new RangeError(`${task}: needs a whole number from 1`);
      }
      set(n);
    },
    close,
    [Symbol.dispose]: close,
  };
}

/**
 * Multiplies a (M, K) by b (K, N) with one call of gemm.
 * @param gemms c = alpha · a · b + beta · c; with beta = 0 it does not read c
 * @throws as {@link checkProduct}, and {RangeError} if a size is above 2^31 − 1
 */
export function multiplyBy<T extends Floats>(
  gemms: Gemms,
  a: Matrix<T>,
  b: Matrix<T>,
  out?: Matrix<T>,
): Matrix<T> {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  const task = `Cannot multiply (${M}, ${K}) by (${b.rows}, ${N}) with BLAS`;
  if (Math.max(M, K, N) > LARGEST_INT) {
    throw new RangeError(`${task}: sizes go up to ${LARGEST_INT}`);
  }
  checkProduct(a, b, out);
  const c = out ?? zeros(M, N, a.data);
  // gemm takes no leading dimension of 0.
  if (M === 0 || K === 0 || N === 0) {
    c.data.fill(0);
    return c;
  }
  const single = a.data instanceof Float32Array;
  const gemm = single ? gemms.cblas_sgemm : gemms.cblas_dgemm;
  const [order, plain] = [ROW_MAJOR, NOT_TRANSPOSED];
  gemm(order, plain, plain, M, N, K, 1, a.data, K, b.data, N, 0, c.data, N);
  return c;
}

function load(names: readonly string[]) {
  const ints = ["i32", "i32", "i32", "i32", "i32", "i32"] as const;
  // order, is a transposed, is b, M, N, K; alpha, a, lda, b, ldb; beta, c, ldc
  const gemm = <T extends "f32" | "f64">(real: T) => ({
    parameters: [
      ...ints,
      ...[real, "buffer", "i32", "buffer", "i32"] as const,
      ...[real, "buffer", "i32"] as const,
    ],
    result: "void",
  } as const);
  const get = { parameters: [], result: "i32", optional: true } as const;
  const set = { parameters: ["i32"], result: "void", optional: true } as const;
  const symbols = {
    cblas_sgemm: gemm("f32"),
    cblas_dgemm: gemm("f64"),
    openblas_get_config: { ...get, result: "pointer" },
    openblas_get_num_threads: get,
    openblas_set_num_threads: set,
    MKL_Get_Max_Threads: get,
    MKL_Set_Num_Threads: set,
  } as const;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    throw new Deno.errors.NotCapable("Cannot load BLAS: run with --allow-ffi");
  }
  const task = `Cannot load ${names.map((n) => `"${n}"`).join(" or ")} as BLAS`;
  let reason = "";
  for (const name of names) {
    try {
      return [name, Deno.dlopen(name, symbols)] as const;
    } catch (error) {
      reason = (error as Error).message;
    }
  }
  throw new Deno.errors.NotFound(
    `${task}: ${reason}; to install one: ${INSTALL}`,
  );
}

/** Times one product of n × n matrices; prints a row. */
async function show(blas: Blas, n: number, kind: Floats): Promise<void> {
  const random = lehmer(42);
  const a = randomMatrix(n, n, kind, random);
  const b = randomMatrix(n, n, kind, random);
  const c = zeros(n, n, kind);
  const ms = await medianTime(() => blas.multiply(a, b, c), 7, 3);
  console.log(
    `${n}`.padStart(4),
    kind.constructor.name.slice(0, 7),
    `${blas.threads ?? "?"}`.padStart(8),
    ms.toFixed(2).padStart(7),
    (2 * n ** 3 / ms / 1e6).toFixed(1).padStart(8),
    largestError(a, b, c, 8).toExponential(1).padStart(8),
  );
}

async function main(args: string[]): Promise<void> {
  using blas = openBlas(args.length > 0 ? args : undefined);
  console.log(`${blas.name}\n${blas.config ?? "no configuration"}\n`);
  console.log("   n entries  threads      ms  GFLOP/s    error");
  const all = blas.threads;
  for (const n of [512, 1024]) {
    for (const kind of [new Float64Array(), new Float32Array()]) {
      for (const threads of new Set([all && 1, all])) {
        if (threads) blas.threads = threads;
        await show(blas, n, kind);
      }
    }
  }
}

if (import.meta.main) {
  const flag = Deno.args.find((arg) => arg.startsWith("-"));
  if (flag !== undefined) {
    console.error(`Unknown argument ${flag}`);
    console.error("Usage: deno run --allow-ffi blas.ts [library]...");
    Deno.exit(2);
  }
  try {
    await main(Deno.args);
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
