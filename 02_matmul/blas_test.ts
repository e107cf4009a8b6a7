import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Gemms, multiplyBy, openBlas } from "./blas.ts";
import { matmul } from "./matmul.ts";
import {
  type Floats,
  type Matrix,
  matrix,
  randomMatrix,
  referenceRow,
  toRows,
  zeros,
} from "./matrix.ts";

/** A permission that is granted, without asking for it. */
const granted = (name: "env" | "ffi" | "read" | "run") =>
  Deno.permissions.querySync({ name }).state === "granted";
const required = granted("env") && Deno.env.get("REQUIRE_BLAS") === "1";

/** A test with a library; where one must be there, its absence is a failure. */
function testBlas(name: string, fn: () => void | Promise<void>) {
  const ignore = !required && !isThere();
  Deno.test({
    name: ignore
      ? `needs --allow-ffi and OpenBLAS, so not tested here: ${name}`
      : name,
    ignore,
    fn,
  });
}

function isThere(): boolean {
  try {
    openBlas().close();
    return true;
  } catch {
    return false;
  }
}

const KINDS = [new Float32Array(), new Float64Array()];

/** A matrix with the entries `fill` gives for each index. */
function filled<T extends Floats>(
  rows: number,
  columns: number,
  like: T,
  fill: (i: number) => number,
): Matrix<T> {
  const made = zeros(rows, columns, like);
  for (let i = 0; i < made.data.length; i++) made.data[i] = fill(i);
  return made;
}

/** Two matrices of small integers, whose products and sums are exact. */
const integers = fc.tuple(
  fc.constantFrom(...KINDS),
  fc.uniqueArray(fc.integer({ min: 1, max: 40 }), {
    minLength: 3,
    maxLength: 3,
  }),
  fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 60 }),
).map(([kind, [M, K, N], entries]) =>
  [
    filled(M, K, kind, (i) => entries[i % entries.length] + i % 7),
    filled(K, N, kind, (i) => entries[i * i % entries.length] - i % 5),
  ] as [Matrix, Matrix]
);

/** gemm by its definition, for columns or rows in order, transposed or not. */
function plainGemm(
  ...[order, ta, tb, M, N, K, alpha, a, lda, b, ldb, beta, c, ldc]: Parameters<
    Gemms["cblas_dgemm"]
  >
): void {
  const at = (transposed: number, ld: number, row: number, column: number) =>
    (order === 101) === (transposed === 111)
      ? row * ld + column
      : column * ld + row;
  const [x, y, z] = [a, b, c] as Floats[];
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        sum += x[at(ta, lda, i, k)] * y[at(tb, ldb, k, j)];
      }
      const p = at(111, ldc, i, j);
      z[p] = alpha * sum + (beta === 0 ? 0 : beta * z[p]);
    }
  }
}

/** No gemm: to call it is a failure. */
const never = () => {
  throw new Error("gemm was called");
};

Deno.test("multiplyBy() asks gemm for the product of the plain loop", () => {
  fc.assert(fc.property(integers, ([a, b]) => {
    const gemms = { cblas_sgemm: plainGemm, cblas_dgemm: plainGemm };
    const c = multiplyBy(gemms, a, b);
    assertEquals(toRows(c), matmul(toRows(a), toRows(b)));
  }));
});

Deno.test("multiplyBy() asks sgemm for single precision, and dgemm for double", () => {
  const one = (kind: Floats) => filled(1, 1, kind, () => 3);
  const [single, double] = KINDS.map(one);
  const sgemm = { cblas_sgemm: plainGemm, cblas_dgemm: never };
  assertEquals(multiplyBy(sgemm, single, single).data, Float32Array.of(9));
  const dgemm = { cblas_sgemm: never, cblas_dgemm: plainGemm };
  assertEquals(multiplyBy(dgemm, double, double).data, Float64Array.of(9));
});

Deno.test("multiplyBy() does not trouble gemm with sizes of zero", () => {
  const gemms = { cblas_sgemm: never, cblas_dgemm: never };
  for (const kind of KINDS) {
    for (
      const [M, K, N] of [
        [0, 2, 3],
        [2, 0, 3],
        [2, 3, 0],
        [0, 0, 5],
        [0, 0, 0],
      ]
    ) {
      const [a, b] = [zeros(M, K, kind), zeros(K, N, kind)];
      assertEquals(multiplyBy(gemms, a, b), zeros(M, N, kind));
      const dirty = filled(M, N, kind, () => NaN);
      assertEquals(multiplyBy(gemms, a, b, dirty), zeros(M, N, kind));
    }
  }
});

Deno.test("multiplyBy() refuses what gemm would read or write beyond", () => {
  const gemms = { cblas_sgemm: never, cblas_dgemm: never };
  const m = (rows: number, columns: number, entries: number) => ({
    rows,
    columns,
    data: new Float64Array(entries),
  });
  const whole = m(2, 2, 4);
  const cases: [a: Matrix, b: Matrix, out: Matrix, message: string][] = [
    [m(2, 2, 3), whole, m(2, 2, 4), "(2, 2) matrix: needs 4 entries, got 3"],
    [whole, m(2, 2, 3), m(2, 2, 4), "(2, 2) matrix: needs 4 entries, got 3"],
    [whole, whole, m(2, 2, 3), "(2, 2) matrix: needs 4 entries, got 3"],
    [whole, whole, m(2, 3, 6), "the product is (2, 2), out is (2, 3)"],
    [whole, m(3, 2, 6), m(2, 2, 4), "inner sizes 2 and 3 differ"],
    [whole, whole, whole, "out shares its memory with a or b"],
    [m(1, 2 ** 31, 0), m(2 ** 31, 1, 0), m(1, 1, 1), "go up to 2147483647"],
    [m(2 ** 31, 1, 0), m(1, 1, 1), m(2 ** 31, 1, 0), "go up to 2147483647"],
    [m(1, 1, 1), m(1, 2 ** 31, 0), m(1, 2 ** 31, 0), "go up to 2147483647"],
  ];
  for (const [a, b, out, message] of cases) {
    assertThrows(() => multiplyBy(gemms, a, b, out), RangeError, message);
  }
});

Deno.test("multiplyBy() refuses kinds that are mixed, or are no floats", () => {
  const gemms = { cblas_sgemm: never, cblas_dgemm: never };
  const [single, double] = KINDS.map((kind) => zeros(1, 1, kind));
  const whole = zeros(1, 1, new Int32Array() as unknown as Floats);
  for (
    const [a, b, out, message] of [
      [single, double, single, "a is a Float32Array, but not all are: Float64"],
      [double, double, single, "a is a Float64Array, but not all are: Float32"],
      [whole, whole, whole, "a Float64Array, got Int32Array"],
    ] as const
  ) {
    assertThrows(() => multiplyBy(gemms, a, b, out), TypeError, message);
  }
});

testBlas("BLAS multiplies integers as the plain loop does", () => {
  using blas = openBlas();
  fc.assert(fc.property(integers, ([a, b]) => {
    const c = blas.multiply(a, b);
    assertEquals(toRows(c), matmul(toRows(a), toRows(b)));
  }));
});

const SHAPES = [
  [1, 1, 1],
  [2, 3, 5],
  [101, 103, 107],
  [401, 3, 2],
  [2, 3, 401],
  [3, 1009, 2],
  [64, 65, 63],
  [1, 300, 200],
  [300, 200, 1],
  [200, 1, 300],
];
for (const [M, K, N] of SHAPES) {
  testBlas(
    `BLAS multiplies (${M}, ${K}) by (${K}, ${N}) with no more error than K roundings make`,
    () => {
      let state = 1;
      const random = () => (state = state * 48271 % 2147483647) / 2147483647;
      using blas = openBlas();
      for (const kind of KINDS) {
        const a = randomMatrix(M, K, kind, random);
        const b = randomMatrix(K, N, kind, random);
        const c = blas.multiply(a, b);
        assertEquals([c.rows, c.columns, c.data.length], [M, N, M * N]);
        const [x, y] = [a, b].map((m) => ({
          ...m,
          data: m.data.map(Math.abs),
        }));
        // In whatever order K products are summed, each takes part in K roundings
        // at most, of unit u each; two more are for the reference and the bound.
        const u = kind instanceof Float32Array ? 2 ** -24 : 2 ** -53;
        for (let i = 0; i < M; i++) {
          const bound = referenceRow(x, y, i);
          referenceRow(a, b, i).forEach((right, j) => {
            const wrong = Math.abs(c.data[i * N + j] - right);
            assert(wrong <= (K + 2) * u * bound[j], `(${i}, ${j}): ${wrong}`);
          });
        }
      }
    },
  );
}

testBlas(
  "BLAS gives zeros where the inner size is zero, and nothing for nothing",
  () => {
    using blas = openBlas();
    for (const kind of KINDS) {
      const [tall, flat] = [zeros(3, 0, kind), zeros(0, 2, kind)];
      assertEquals(blas.multiply(tall, flat), zeros(3, 2, kind));
      assertEquals(blas.multiply(flat, zeros(2, 5, kind)), zeros(0, 5, kind));
      assertEquals(
        blas.multiply(zeros(5, 3, kind), tall),
        zeros(5, 0, kind),
      );
    }
  },
);

testBlas("BLAS lets NaN and infinity through: 0 · NaN is NaN", () => {
  using blas = openBlas();
  for (const kind of KINDS) {
    for (const n of [2, 3, 17, 70]) {
      for (const special of [NaN, Infinity, -Infinity]) {
        const a = zeros(n, n + 1, kind);
        const b = filled(n + 1, n + 2, kind, (i) => i === n + 1 ? special : 1);
        const c = blas.multiply(a, b); // b's (0, n + 1) is not finite
        const right = filled(
          n,
          n + 2,
          kind,
          (i) => i % (n + 2) < n + 1 ? 0 : NaN,
        );
        assertEquals(c.data, right.data);
        a.data[0] = 2;
        assertEquals(blas.multiply(a, b).data[n + 1], 2 * special);
      }
    }
  }
});

testBlas("BLAS overwrites out, whatever is in it, and returns it", () => {
  using blas = openBlas();
  for (const kind of KINDS) {
    const a = filled(2, 3, kind, (i) => i + 1);
    const b = filled(3, 4, kind, (i) => i - 5);
    for (const dirt of [7, NaN, Infinity]) {
      const out = filled(2, 4, kind, () => dirt);
      assert(blas.multiply(a, b, out) === out);
      assertEquals(toRows(out), matmul(toRows(a), toRows(b)));
    }
  }
});

testBlas("BLAS stays within parts of larger arrays", () => {
  using blas = openBlas();
  for (const kind of KINDS) {
    const all = filled(1, 40, kind, (i) => i).data;
    const a = matrix(2, 3, all.subarray(5, 11));
    const b = matrix(3, 4, all.subarray(12, 24));
    const out = matrix(2, 4, all.subarray(27, 35));
    const right = matmul(toRows(a), toRows(b));
    blas.multiply(a, b, out);
    assertEquals(toRows(out), right);
    const rest = [...all].filter((x, i) => (i < 27 || i >= 35) && x !== i);
    assertEquals(rest, []);
  }
});

testBlas("a closed library says so, and one that is open still works", () => {
  const [first, second] = [openBlas(), openBlas()];
  const a = filled(1, 1, new Float64Array(), () => 3);
  first.close();
  first.close();
  const message = `Cannot use ${first.name}: it is closed`;
  assertThrows(() => first.multiply(a, a), Error, message);
  assertThrows(() => first.threads, Error, message);
  assertThrows(() => first.threads = 1, Error, message);
  assertEquals(second.multiply(a, a).data[0], 9);
  second.close();
});

testBlas("threads are what they are set to, and change no integer", () => {
  using blas = openBlas();
  const before = blas.threads;
  if (before === undefined) return;
  const a = filled(150, 151, new Float64Array(), (i) => i % 11 - 5);
  const b = filled(151, 152, new Float64Array(), (i) => i % 7 - 3);
  const right = matmul(toRows(a), toRows(b));
  for (const threads of [1, 2]) {
    blas.threads = threads;
    assertEquals(blas.threads, threads);
    assertEquals(toRows(blas.multiply(a, b)), right);
  }
  blas.threads = before;
});

testBlas("threads are refused unless they are a whole number from 1", () => {
  using blas = openBlas();
  const before = blas.threads;
  if (before === undefined) return;
  for (const n of [0, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 1]) {
    const message = `Cannot use ${n} threads of ${blas.name}`;
    assertThrows(() => blas.threads = n, RangeError, message);
    assertEquals(blas.threads, before);
  }
});

testBlas("openBlas() takes the first library that there is", () => {
  using blas = openBlas();
  using second = openBlas(["/no/library.so", blas.name, "/no/other.so"]);
  assertEquals(second.name, blas.name);
});

testBlas("openBlas() of what is no BLAS says why, and what to install", () => {
  const script = new URL(import.meta.url).pathname;
  for (const path of ["/no/library.so", "/", "", script]) {
    const { message } = assertThrows(
      () => openBlas([path]),
      Deno.errors.NotFound,
      `Cannot load "${path}" as BLAS: `,
    );
    assert(/^.+; to install one: .+ install .+$/.test(message), message);
  }
});

testBlas("openBlas() refuses a library without gemm", () => {
  if (Deno.build.os !== "linux") return;
  const message = "undefined symbol: cblas_";
  assertThrows(() => openBlas(["libm.so.6"]), Deno.errors.NotFound, message);
});

Deno.test({
  name: granted("ffi")
    ? "needs to lack --allow-ffi, so not tested here: openBlas() without permission does not prompt"
    : "openBlas() without permission does not prompt",
  ignore: granted("ffi"),
  fn() {
    const { NotCapable } = Deno.errors;
    assertThrows(() => openBlas(), NotCapable, "run with --allow-ffi");
  },
});

const programs = granted("run") && granted("read") && granted("ffi");
Deno.test({
  name: programs
    ? "blas.ts tells a failure on stderr in a line, with exit code"
    : "needs --allow-all, so not tested here: blas.ts tells a failure",
  ignore: !programs,
  async fn() {
    const ffi = "--allow-ffi";
    const usage = "Usage: deno run --allow-ffi blas.ts [library]...\n";
    const cases: [flags: string[], args: string[], number, string][] = [
      [[], [], 1, "Cannot load BLAS: run with --allow-ffi\n"],
      [[], ["/no.so"], 1, "Cannot load BLAS: run with --allow-ffi\n"],
      [[ffi], ["/no.so"], 1, 'Cannot load "/no.so" as BLAS: '],
      [
        [ffi],
        ["/a.so", "/b.so"],
        1,
        'Cannot load "/a.so" or "/b.so" as BLAS: ',
      ],
      [[ffi], ["--help"], 2, `Unknown argument --help\n${usage}`],
    ];
    const script = new URL("blas.ts", import.meta.url).href;
    for (const [flags, args, code, start] of cases) {
      const { stderr, stdout, ...end } = await new Deno.Command(
        Deno.execPath(),
        { args: ["run", "--no-prompt", ...flags, script, ...args] },
      ).output();
      const text = new TextDecoder().decode(stderr);
      assert(text.startsWith(start), text);
      assertEquals([end.code, stdout.length], [code, 0]);
      assertEquals(text.split("\n").length, code + 1);
    }
  },
});
