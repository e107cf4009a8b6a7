import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  BlockAllocator,
  PagedKVCache,
  type Sequence,
} from "./paged_kv_cache.ts";

type Matrix = number[][];

/** (rows, columns) of quarters between −1 and 1.5, in no order; exact in f32. */
const make = (rows: number, columns: number, step: number): Matrix =>
  Array.from(
    { length: rows },
    (_, i) =>
      Array.from(
        { length: columns },
        (_, j) => (i * columns + j) * step % 11 / 4 - 1,
      ),
  );

// Some products near 1: the order of the terms moves the last bits only.
const close = (actual: number[], expected: number[]) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((e, i) => assertAlmostEquals(actual[i], e, 1e-12));
};

// Golden:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// q, k, v = make(7, 2, 7), make(7, 2, 5), make(7, 2, 3)
// s = np.where(np.tril(np.ones((7, 7), bool)), q @ k.T / np.sqrt(2), -np.inf)
// e = np.exp(s - s.max(axis=1, keepdims=True))
// print((e / e.sum(axis=1, keepdims=True) @ v).tolist())"
const GOLDEN = [
  [-1.0, -0.25],
  [-0.5046423239899853, 0.24535767601001468],
  [-0.26415641299097214, 0.48584358700902786],
  [0.10173652255169933, 0.8517365225516993],
  [-0.541451606976056, 0.208548393023944],
  [0.12384945173983865, 0.19228080722248336],
  [0.08366895558536173, 0.43732318642186113],
];
for (const blockSize of [1, 3, 7, 8]) {
  Deno.test(`7 tokens in blocks of ${blockSize} give causal attention, as one array does`, () => {
    const pool = new PagedKVCache({ blocks: 9, blockSize, width: 2 });
    const [other, sequence] = [pool.start(), pool.start()];
    const [query, key, value] = [7, 5, 3].map((step) => make(7, 2, step));
    query.forEach((q, t) => {
      pool.append(sequence, key[t], value[t]);
      close(pool.attend(sequence, q), GOLDEN[t]);
      // Another request in between: the blocks of this one do not lie side by side.
      if (t === 2) pool.append(other, [99, 99], [99, 99]);
    });
    assertEquals(sequence.table.length, Math.ceil(7 / blockSize));
  });
}

/** Attention of one query to all rows, as one would write it down. */
function attend(query: number[], keys: Matrix, values: Matrix): number[] {
  const scores = keys.map((key) =>
    key.reduce((sum, k, d) => sum + k * query[d], 0) / Math.sqrt(query.length)
  );
  const max = Math.max(...scores);
  const exps = scores.map((s) => Math.exp(s - max));
  const total = exps.reduce((a, b) => a + b);
  return values[0].map((_, e) =>
    exps.reduce((sum, x, t) => sum + x / total * values[t][e], 0)
  );
}

const action = fc.tuple(
  fc.constantFrom("append", "append", "append", "start", "fork", "free"),
  fc.nat(),
);

Deno.test("whatever requests do, each reads its own text, and no block is lost", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(action, { maxLength: 60, size: "max" }),
      (blockSize, actions) => {
        const blocks = 10;
        const pool = new PagedKVCache({ blocks, blockSize, width: 2 });
        const texts = new Map<Sequence, Matrix>();
        actions.forEach(([name, pick], n) => {
          const sequence = [...texts.keys()][pick % (texts.size || 1)];
          if (name === "start") texts.set(pool.start(), []);
          if (!sequence) return;
          const text = texts.get(sequence)!;
          if (name === "fork") texts.set(pool.start(sequence), [...text]);
          if (name === "free") {
            pool.free(sequence);
            texts.delete(sequence);
          }
          if (name !== "append") return;
          const row = [n % 7 / 4 - 1, n];
          try {
            pool.append(sequence, row, row);
            text.push(row);
          } catch (error) {
            // A full pool refuses, and the next check sees that nothing has changed.
            assertEquals(error instanceof RangeError, true);
            assertEquals(pool.allocator.free(), 0);
          }
          const used = new Map<number, number>();
          for (const [{ table, length }, rows] of texts) {
            assertEquals(length, rows.length);
            assertEquals(table.length, Math.ceil(length / blockSize));
            table.forEach((b) => used.set(b, (used.get(b) ?? 0) + 1));
          }
          assertEquals(pool.allocator.free(), blocks - used.size);
          used.forEach((n, b) => assertEquals(pool.allocator.users(b), n));
          for (const [other, rows] of texts) {
            if (rows.length === 0) continue;
            const out = pool.attend(other, [0.5, 0.01]);
            const expected = attend([0.5, 0.01], rows, rows);
            // Values reach 60, and rounding each to f64 moves the mean by 1e-14 of it.
            expected.forEach((e, i) => assertAlmostEquals(out[i], e, 1e-11));
          }
        });
      },
    ),
    { seed: 7, numRuns: 60 },
  );
});

const write = (pool: PagedKVCache, sequence: Sequence, values: number[]) =>
  values.forEach((x) => pool.append(sequence, [0], [x]));
const mean = (pool: PagedKVCache, sequence: Sequence) =>
  pool.attend(sequence, [1])[0];

Deno.test("a fork takes no block until somebody writes", () => {
  const pool = new PagedKVCache({ blocks: 9, blockSize: 4, width: 1 });
  const prompt = pool.start();
  write(pool, prompt, [1, 1, 1, 1, 1, 1]);
  const fork = pool.start(prompt);
  assertEquals([pool.allocator.free(), fork.table], [7, prompt.table]);
  assertEquals(prompt.table.map((b) => pool.allocator.users(b)), [2, 2]);
});

Deno.test("who writes to a shared block copies it, and the other reads on as before", () => {
  const pool = new PagedKVCache({ blocks: 9, blockSize: 4, width: 1 });
  const prompt = pool.start();
  write(pool, prompt, [1, 1, 1, 1, 1, 1]);
  const forks = [pool.start(prompt), pool.start(prompt)];
  write(pool, forks[0], [8]);
  write(pool, forks[1], [15, 15]);
  write(pool, prompt, [1]);
  assertEquals([prompt, ...forks].map((s) => mean(pool, s)), [1, 2, 4.5]);
  // The full block is still shared; the last one to write to the other keeps it.
  assertEquals(pool.allocator.users(prompt.table[0]), 3);
  assertEquals(new Set([prompt, ...forks].map((s) => s.table[1])).size, 3);
  assertEquals(pool.allocator.free(), 9 - 4);
});

Deno.test("the last user of a block writes to it without a copy", () => {
  const pool = new PagedKVCache({ blocks: 2, blockSize: 4, width: 1 });
  const prompt = pool.start();
  write(pool, prompt, [1, 1]);
  const fork = pool.start(prompt);
  pool.free(prompt);
  write(pool, fork, [7]);
  assertEquals([fork.table.length, pool.allocator.free()], [1, 1]);
  assertEquals(mean(pool, fork), 3);
});

Deno.test("a fork of a full block shares it: the next token opens a block of its own", () => {
  const pool = new PagedKVCache({ blocks: 3, blockSize: 2, width: 1 });
  const prompt = pool.start();
  write(pool, prompt, [1, 3]);
  const fork = pool.start(prompt);
  write(pool, fork, [5]);
  write(pool, prompt, [8]);
  assertEquals([mean(pool, fork), mean(pool, prompt)], [3, 4]);
  assertEquals(pool.allocator.users(prompt.table[0]), 2);
});

Deno.test("a request that ends gives its blocks to the next, which sees nothing of it", () => {
  const pool = new PagedKVCache({ blocks: 2, blockSize: 3, width: 1 });
  for (let request = 1; request <= 5; request++) {
    const sequence = pool.start();
    write(pool, sequence, [request, request, request, request]);
    assertEquals(pool.allocator.free(), 0);
    pool.free(sequence);
    assertEquals(pool.allocator.free(), 2);
  }
  const next = pool.start();
  write(pool, next, [9]);
  assertEquals(mean(pool, next), 9);
});

Deno.test("a full pool refuses a token and keeps what it has", () => {
  const pool = new PagedKVCache({ blocks: 2, blockSize: 2, width: 1 });
  const [a, b] = [pool.start(), pool.start()];
  write(pool, a, [1, 2, 3]);
  const fork = pool.start(a);
  for (const sequence of [b, fork, a]) {
    const before = structuredClone(sequence);
    assertThrows(
      () => write(pool, sequence, [4]),
      RangeError,
      "Cannot take: 0 blocks free",
    );
    assertEquals(sequence, before);
  }
  assertEquals([mean(pool, a), mean(pool, fork)], [2, 2]);
  pool.free(fork);
  write(pool, a, [6]);
  assertEquals(mean(pool, a), 3);
});

Deno.test("a sequence that was freed can be neither freed nor used again", () => {
  const pool = new PagedKVCache({ blocks: 3, blockSize: 2, width: 1 });
  const [a, b] = [pool.start(), pool.start()];
  write(pool, a, [1]);
  pool.free(a);
  // Block 0 is now another's: releasing it twice would take it away from b.
  write(pool, b, [5]);
  const uses = [
    () => pool.free(a),
    () => write(pool, a, [1]),
    () => pool.attend(a, [1]),
    () => pool.start(a),
  ];
  for (const use of uses) {
    assertThrows(use, RangeError, "Cannot use the sequence: it was freed");
  }
  assertEquals([pool.allocator.users(0), mean(pool, b)], [1, 5]);
});

Deno.test("a block that is free can be neither shared nor released", () => {
  const allocator = new BlockAllocator(2);
  const block = allocator.take();
  allocator.release(block);
  for (const bad of [block, 1, 2, -1, 0.5]) {
    const message = `Cannot use block ${bad}: it is free`;
    assertThrows(() => allocator.release(bad), RangeError, message);
    assertThrows(() => allocator.share(bad), RangeError, message);
  }
  assertEquals(allocator.free(), 2);
});

Deno.test("wrong widths and an empty sequence are refused, and change nothing", () => {
  const pool = new PagedKVCache({ blocks: 2, blockSize: 1, width: 2 });
  const sequence = pool.start();
  assertThrows(
    () => pool.attend(sequence, [1, 2]),
    RangeError,
    "Cannot attend: the sequence is empty",
  );
  assertThrows(
    () => pool.append(sequence, [1], [1, 2]),
    RangeError,
    "Cannot use key: 1 wide, not 2",
  );
  assertThrows(
    () => pool.append(sequence, [1, 2], [1, 2, 3]),
    RangeError,
    "Cannot use value: 3 wide, not 2",
  );
  assertEquals([sequence.length, pool.allocator.free()], [0, 2]);
  pool.append(sequence, [1, 2], [NaN, 3]);
  assertEquals(pool.attend(sequence, [1, 2]), [NaN, 3]);
});

Deno.test("sizes that are no whole number are refused", () => {
  const good = { blocks: 2, blockSize: 3, width: 5 };
  const bad = [["blocks", -1], ["blockSize", 0], ["width", 2.5]] as const;
  for (const [name, x] of bad) {
    assertThrows(
      () => new PagedKVCache({ ...good, [name]: x }),
      RangeError,
      `Cannot size a pool: ${name} is ${x}`,
    );
  }
  const none = new PagedKVCache({ ...good, blocks: 0, width: 1 });
  assertThrows(() => write(none, none.start(), [1]), RangeError, "0 blocks");
});
