import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Floats,
  largestError,
  lehmer,
  randomMatrix,
  zeros,
} from "./matrix.ts";
import { assembleKernel, hasRelaxedMadd } from "./kernel.ts";
import { cut, Pool, PROGRAM, sharedZeros } from "./parallel.ts";
import { multiplySimd } from "./simd.ts";

/** From 0.5 to 1.5: randomMatrix() takes off a half, and no sum cancels. */
const uniform = lehmer(1);
const random = () => 0.5 + uniform();

const single = (rows: number, columns: number) =>
  randomMatrix(rows, columns, new Float32Array(), random);
const double = (rows: number, columns: number) =>
  randomMatrix(rows, columns, new Float64Array(), random);

for (const size of [1, 2, 3]) {
  Deno.test(`a pool of ${size} multiplies as one thread does, bit for bit`, async () => {
    using pool = new Pool(size);
    for (
      const [M, K, N] of [[1, 1, 1], [5, 3, 7], [61, 300, 50], [3, 20, 130]]
    ) {
      const [a, b] = [single(M, K), single(K, N)];
      assertEquals(
        [...(await pool.multiply(a, b)).data],
        [...multiplySimd(a, b).data],
      );
      const [c, d] = [double(M, K), double(K, N)];
      const product = await pool.multiply(c, d);
      assert(largestError(c, d, product) <= (K + 1) * 2 ** -53);
    }
  });
}

Deno.test("a pool multiplies sizes of 0 to nothing, or to zeros", async () => {
  using pool = new Pool(2);
  for (const [M, K, N] of [[0, 3, 2], [2, 3, 0], [0, 0, 0], [2, 0, 3]]) {
    const { data } = await pool.multiply(double(M, K), double(K, N));
    assertEquals([...data], new Array(M * N).fill(0));
  }
});

Deno.test("a pool writes over what is in out, shared or not, and gives it back", async () => {
  using pool = new Pool(2);
  const [a, b] = [double(20, 5), double(5, 9)];
  const right = [...multiplySimd(a, b).data];
  for (const out of [zeros(20, 9, a.data), sharedZeros(20, 9, a.data)]) {
    out.data.fill(7);
    assert(await pool.multiply(a, b, out) === out);
    assertEquals([...out.data], right);
  }
});

Deno.test("a pool takes a and b from shared memory, and leaves them", async () => {
  using pool = new Pool(2);
  const [a, b] = [sharedZeros(7, 6, new Float64Array()), double(6, 8)];
  a.data.set(double(7, 6).data);
  const before = [...a.data];
  const c = await pool.multiply(a, b);
  assertEquals([...c.data], [...multiplySimd(a, b).data]);
  assertEquals([...a.data], before);
});

Deno.test("products that are asked for at once do not mix", async () => {
  using pool = new Pool(2);
  const pairs = Array.from(
    { length: 5 },
    () => [double(30, 40), double(40, 20)],
  );
  const products = await Promise.all(
    pairs.map(([a, b]) => pool.multiply(a, b)),
  );
  pairs.forEach(([a, b], i) => {
    assertEquals([...products[i].data], [...multiplySimd(a, b).data]);
  });
});

Deno.test("a product that is refused does not stop the next", async () => {
  using pool = new Pool(2);
  const [a, b] = [double(2, 3), double(4, 2)];
  const message = "Cannot multiply a (2, 3) by b (4, 2): inner sizes 3 and 4";
  const refused = pool.multiply(a, b);
  const right = pool.multiply(a, double(3, 2));
  await assertRejects(() => refused, RangeError, message);
  assertEquals((await right).rows, 2);
  const aliased = () => pool.multiply(double(2, 2), a, a);
  await assertRejects(aliased, RangeError);
});

/** A worker that fails in one way or another. */
function breakWorkers(fail: (worker: Broken, message: unknown) => void) {
  const RealWorker = globalThis.Worker;
  const ended = { count: 0 };
  class Fake extends Broken {
    postMessage(message: unknown) {
      fail(this, message);
    }
    terminate() {
      ended.count++;
    }
  }
  globalThis.Worker = Fake as unknown as typeof Worker;
  return {
    ended,
    [Symbol.dispose]: () => void (globalThis.Worker = RealWorker),
  };
}
class Broken {
  onerror = (_: ErrorEvent) => {};
  onmessage = (_: MessageEvent) => {};
}

const FAILURES: [name: string, fail: (worker: Broken) => void][] = [
  [
    "does not load",
    (worker) =>
      worker.onerror(new ErrorEvent("error", { message: "out of order" })),
  ],
  [
    "throws",
    (worker) =>
      worker.onmessage(new MessageEvent("message", { data: "out of order" })),
  ],
];
for (const [name, fail] of FAILURES) {
  Deno.test(`a worker that ${name} fails the product, and closes the pool`, async () => {
    using workers = breakWorkers(fail);
    const pool = new Pool(3);
    const product = () => pool.multiply(double(40, 2), double(2, 2));
    await assertRejects(product, Error, "A worker failed: out of order");
    assert(workers.ended.count >= 3);
    await assertRejects(product, Error, "A worker failed: out of order");
  });
}

Deno.test("a worker's program says what went wrong in it, and null if nothing did", async () => {
  const url = URL.createObjectURL(new Blob([PROGRAM]));
  const worker = new Worker(url, { type: "module" });
  const ask = (message: unknown) =>
    new Promise<string>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(message);
    });
  const part = { top: 0, bottom: 1, left: 0, right: 1 };
  const ones = [1, 1, 1].map(() => sharedZeros(1, 1, new Float64Array()).data);
  const product = [...ones, 1, 1, part];
  const broken = await ask(["f64", new Uint8Array(8), product]);
  assert(broken.startsWith("CompileError: "), broken);
  const code = assembleKernel("f64", hasRelaxedMadd());
  assertEquals(await ask(["f64", code, product]), null);
  worker.terminate();
  URL.revokeObjectURL(url);
});

Deno.test("a pool gives each worker a part, in shared memory, without a copy if it can", async () => {
  type Message = [string, Uint8Array, [Floats, Floats, Floats]];
  const sent: Message[] = [];
  using _ = breakWorkers((worker, message) => {
    sent.push(message as Message);
    worker.onmessage(new MessageEvent("message", { data: null }));
  });
  using pool = new Pool(3);
  const [a, b] = [double(40, 3), double(3, 5)];
  const [x, y] = [sharedZeros(40, 3, a.data), sharedZeros(3, 5, a.data)];
  await pool.multiply(a, b);
  await pool.multiply(a, b);
  const out = sharedZeros(40, 5, a.data);
  await pool.multiply(x, y, out);
  assertEquals(sent.length, 9);
  const buffers = sent.map(([, , numbers]) =>
    numbers.slice(0, 3).map(({ buffer }) => buffer)
  );
  assert(buffers.flat().every((buffer) => buffer instanceof SharedArrayBuffer));
  assert(buffers[0][0] === buffers[3][0] && buffers[0][1] === buffers[3][1]);
  assertEquals(sent[3][2][0].length, 120);
  const own = [x, y, out].map(({ data }) => data.buffer);
  assert(buffers[6].every((buffer, i) => buffer === own[i]));
});

Deno.test("a pool that is closed refuses, also what it was doing", async () => {
  const pool = new Pool(2);
  const [a, b] = [double(200, 200), double(200, 200)];
  const product = pool.multiply(a, b);
  await Promise.resolve();
  pool.close();
  await assertRejects(() => product, Error, "The pool is closed");
  await assertRejects(() => pool.multiply(a, b), Error, "The pool is closed");
  pool.close();
});

for (const size of [0, -1, 1.5, NaN, 257]) {
  Deno.test(`a pool of ${size} workers is refused`, () => {
    const message = `Cannot make a pool of ${size} workers: needs 1 to 256`;
    assertThrows(() => new Pool(size), RangeError, message);
  });
}

Deno.test("cut() covers every entry once, in parts of much the same size", () => {
  for (
    const [M, N] of [[1, 1], [100, 30], [30, 100], [7, 7], [0, 5], [13, 0]]
  ) {
    for (const count of [1, 2, 3, 8]) {
      const times = new Uint8Array(M * N);
      const parts = cut(M, N, count);
      for (const { top, bottom, left, right } of parts) {
        assert(top < bottom && left < right);
        for (let i = top; i < bottom; i++) {
          for (let j = left; j < right; j++) times[i * N + j]++;
        }
      }
      assert(times.every((n) => n === 1));
      assert(parts.length <= count);
    }
  }
  assertEquals(cut(25, 5, 2), [
    { top: 0, bottom: 12, left: 0, right: 5 },
    { top: 12, bottom: 25, left: 0, right: 5 },
  ]);
  assertEquals(cut(24, 5, 2), [
    { top: 0, bottom: 12, left: 0, right: 5 },
    { top: 12, bottom: 24, left: 0, right: 5 },
  ]);
  assertEquals(cut(5, 32, 2), [
    { top: 0, bottom: 5, left: 0, right: 16 },
    { top: 0, bottom: 5, left: 16, right: 32 },
  ]);
});
