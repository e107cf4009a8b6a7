import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  attend,
  type Attended,
  attendNaive,
  type Attention,
  attentionError,
  checkAttention,
  planAttention,
  randomAttention,
  reach,
  runPlan,
  scaleOf,
  SOFTMAX,
} from "./attention.ts";
import type { Gpu } from "./device.ts";
import { gpuTests, lehmer, UNIT, withoutBarriers } from "./testing.ts";

const test = await gpuTests();

/** Results in f64, rounded to f32. */
function round({ output, logSums }: ReturnType<typeof attend>): Attended {
  return {
    output: Float32Array.from(output),
    logSums: Float32Array.from(logSums),
  };
}

/** Attention with another kernel for the softmax, or other constants of it. */
async function attendWith(
  gpu: Gpu,
  x: Attention,
  code: string,
  constants?: Record<string, number>,
): Promise<Attended> {
  using memory = gpu.memory();
  const plan = await planAttention(gpu, memory, x);
  plan.launches[1].kernel = await gpu.compile(code, constants);
  return await runPlan(gpu, x, plan);
}

Deno.test("attention is NumPy's, with shared keys, a mask of padding and a causal one", () => {
  // the formula in NumPy, in f64, over the same numbers of Lehmer's generator:
  // s = q @ k.swapaxes(2, 3) / np.sqrt(D), with k and v repeated for each H / G heads
  // e = np.where(keep & (causal ? np.tri(N, S, S - N) : 1), np.exp(s), 0)
  // e @ v / e.sum(-1, keepdims=True), entries 0 and 6, and np.log(e.sum(-1))
  const rows: [causal: boolean, row: number, number, number, number][] = [
    [false, 0, -0.4647750740569265, 0.21441335013814145, 1.2967468951530052],
    [false, 10, -0.006324230062276627, -0.6245424228871401, 1.3837645935034304],
    [false, 23, -0.4641176598485577, -0.26707418388045695, 0.43286476064596285],
    [true, 0, -0.5468557678177248, 0.6109137659212185, 0.6477364330288862],
    [true, 10, 0.19496392479706887, -0.7101442896652513, 1.1343387731134322],
    [true, 23, -0.4641176598485577, -0.26707418388045695, 0.43286476064596285],
  ];
  const x = randomAttention({ B: 2, H: 4, G: 2, N: 3, S: 5, D: 7 }, lehmer(42));
  const keep = Uint8Array.of(1, 0, 1, 1, 1, 0, 0, 1, 1, 0);
  for (const [causal, row, first, last, logSum] of rows) {
    const { output, logSums } = attend({ ...x, causal, keep });
    const got = [output[7 * row], output[7 * row + 6], logSums[row]];
    [first, last, logSum].forEach((right, i) => {
      // both are in f64, and differ in the order of their sums
      assert(Math.abs(got[i] - right) < 1e-14, `${got[i]} is not ${right}`);
    });
  }
});

Deno.test("weights add up to 1: values that are all the same come out", () => {
  const sizes = fc.record({
    N: fc.integer({ min: 1, max: 6 }),
    S: fc.integer({ min: 1, max: 6 }),
    D: fc.integer({ min: 1, max: 5 }),
    seed: fc.integer({ min: 1, max: 1e9 }),
  });
  fc.assert(fc.property(sizes, ({ seed, ...sizes }) => {
    const x = randomAttention({ H: 2, G: 1, ...sizes }, lehmer(seed));
    x.value.fill(3);
    for (const y of attend(x).output) assert(Math.abs(y - 3) < 1e-14);
  }));
});

Deno.test("a causal query sees what it would see if there were no later keys", () => {
  const x = randomAttention({ N: 4, S: 9, D: 3 }, lehmer(5));
  const all = attend({ ...x, causal: true });
  for (let n = 0; n < 4; n++) {
    const S = 9 - 4 + n + 1;
    const one = attend({
      ...{ ...x, N: 1, S, query: x.query.subarray(3 * n, 3 * n + 3) },
      key: x.key.subarray(0, 3 * S),
      value: x.value.subarray(0, 3 * S),
    });
    assertEquals(all.output.slice(3 * n, 3 * n + 3), one.output);
    assertEquals(all.logSums[n], one.logSums[0]);
  }
});

Deno.test("heads that share keys see what they would see with a copy of them each", () => {
  const x = randomAttention({ B: 2, H: 6, G: 2, N: 3, S: 4, D: 5 }, lehmer(6));
  const copies = (data: Float32Array) => {
    const heads = Array.from(
      { length: 12 },
      (_, i) => [...data.subarray(20 * Math.floor(i / 3)).subarray(0, 20)],
    );
    return Float32Array.from(heads.flat());
  };
  const apart = { ...x, G: 6, key: copies(x.key), value: copies(x.value) };
  assertEquals(attend(x), attend(apart));
});

Deno.test("reach() lets the last query see all keys, and one less each before it", () => {
  const sizes = { B: 1, H: 1, G: 1, D: 1 };
  const none = new Float32Array();
  const reaches = (N: number, S: number, causal?: boolean) => {
    const x = { ...sizes, N, S, causal, query: none, key: none, value: none };
    return Array.from({ length: N }, (_, n) => reach(x, n));
  };
  assertEquals(reaches(3, 3, true), [1, 2, 3]);
  assertEquals(reaches(2, 5, true), [4, 5]);
  assertEquals(reaches(5, 2, true), [0, 0, 0, 1, 2]);
  assertEquals(reaches(2, 0, true), [0, 0]);
  assertEquals(reaches(2, 5), [5, 5]);
  assertEquals(reaches(2, 5, false), [5, 5]);
});

Deno.test("scores are divided by the root of the head's size", () => {
  assertEquals(scaleOf(randomAttention({ D: 16 }, lehmer(1))), 0.25);
});

Deno.test("a row that may look at no key is zeros, and its sum's logarithm −Infinity", () => {
  const x = randomAttention({ N: 3, S: 2, D: 2, causal: true }, lehmer(1));
  const { output, logSums } = attend(x);
  assertEquals([...output.subarray(0, 2), logSums[0]], [0, 0, -Infinity]);
  // the second query sees the first key alone: its weight is 1
  assertEquals([...output.subarray(2, 4)], [...x.value.subarray(0, 2)]);
});

/** B, H, G, N, S, D: ones, primes, more keys than lanes, heads wider than 64. */
const SIZES: Partial<Attention>[] = [
  { B: 1, H: 1, G: 1, N: 1, S: 1, D: 1 },
  { B: 2, H: 6, G: 2, N: 3, S: 5, D: 7 },
  { B: 1, H: 2, G: 1, N: 5, S: 127, D: 13 },
  { B: 1, H: 3, G: 3, N: 7, S: 128, D: 2 },
  { B: 1, H: 1, G: 1, N: 2, S: 129, D: 16 },
  { B: 2, H: 2, G: 2, N: 131, S: 17, D: 5 },
  { B: 1, H: 2, G: 1, N: 11, S: 259, D: 65 },
  { B: 1, H: 1, G: 1, N: 129, S: 3, D: 129 },
];
for (const sizes of SIZES) {
  const { B, H, G, N, S, D } = sizes;
  test(`B=${B} H=${H} G=${G} N=${N} S=${S} D=${D} is the formula, causal or not`, async (gpu) => {
    for (const causal of [false, true]) {
      const x = randomAttention({ ...sizes, causal }, lehmer(42));
      const error = attentionError(x, await attendNaive(gpu, x));
      assert(error <= 1, `causal ${causal}: error ${error}`);
    }
  });
}

test("any size with any mask is the formula", async (gpu) => {
  const size = fc.integer({ min: 1, max: 12 });
  const cases = fc.record({
    ...{ B: fc.integer({ min: 1, max: 3 }), G: fc.integer({ min: 1, max: 3 }) },
    ...{ share: fc.integer({ min: 1, max: 3 }), N: size, S: size, D: size },
    causal: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1e9 }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ seed, share, ...sizes }) => {
      const random = lehmer(seed);
      const x = randomAttention({ ...sizes, H: sizes.G * share }, random);
      const length = x.B * x.S;
      x.keep = Uint8Array.from({ length }, () => Math.floor(2 * random()));
      assert(attentionError(x, await attendNaive(gpu, x)) <= 1);
    }),
    { numRuns: 12 },
  );
});

for (const [N, S] of [[4, 9], [9, 4], [130, 140], [140, 130]]) {
  test(`${N} causal queries of ${S} keys end at the last key`, async (gpu) => {
    const x = randomAttention({ H: 2, N, S, D: 4, causal: true }, lehmer(3));
    const got = await attendNaive(gpu, x);
    assert(attentionError(x, got) <= 1);
    const empty = Math.max(0, N - S);
    assertEquals(
      [...got.output.subarray(0, 4 * empty)],
      new Array(4 * empty).fill(0),
    );
    const without = got.logSums.filter((y) => y === -Infinity).length;
    assertEquals(without, 2 * empty);
  });
}

test("a batch whose keys are all padding is zeros, and its neighbour is not", async (gpu) => {
  const x = randomAttention({ B: 2, H: 2, N: 3, S: 4, D: 5 }, lehmer(8));
  x.keep = Uint8Array.of(0, 0, 0, 0, 1, 0, 255, 1);
  const got = await attendNaive(gpu, x);
  assert(attentionError(x, got) <= 1);
  assert(got.output.subarray(0, 30).every((y) => y === 0));
  assertEquals([...got.logSums.subarray(0, 6)], new Array(6).fill(-Infinity));
  assert(got.output.subarray(30).every((y) => y !== 0));
});

test("no queries are nothing, no keys are zeros", async (gpu) => {
  for (const [N, S] of [[0, 3], [3, 0], [0, 0]]) {
    const x = randomAttention({ H: 2, N, S, D: 5 }, lehmer(8));
    const { output, logSums } = await attendNaive(gpu, x);
    assertEquals([...output], new Array(2 * N * 5).fill(0));
    assertEquals([...logSums], new Array(2 * N).fill(-Infinity));
  }
});

test("a key that is padding may hold NaN", async (gpu) => {
  const x = randomAttention({ N: 3, S: 6, D: 4 }, lehmer(9));
  x.keep = Uint8Array.of(1, 1, 1, 1, 0, 0);
  const right = await attendNaive(gpu, x);
  x.key.fill(NaN, 4 * 4);
  assertEquals(await attendNaive(gpu, x), right);
});

test("scores of ±10,000 neither overflow nor vanish", async (gpu) => {
  const x = randomAttention({ H: 2, N: 5, S: 131, D: 8 }, lehmer(10));
  for (let i = 0; i < x.query.length; i++) x.query[i] *= 3e4;
  const { logSums } = attend(x);
  assert(Math.max(...logSums) > 1e4);
  assert(attentionError(x, await attendNaive(gpu, x)) <= 1);
  // all scores of a row are −10,000 · √D, and its weights the same
  x.query.fill(-1e4);
  x.key.fill(1);
  const got = await attendNaive(gpu, x);
  assert(got.logSums.every((y) => y < -1e4));
  assert(attentionError(x, got) <= 1);
});

test("any number of lanes is the formula", async (gpu) => {
  const x = randomAttention({ N: 6, S: 67, D: 3, causal: true }, lehmer(12));
  for (const LANES of [1, 2, 32, 64, 256]) {
    const got = await attendWith(gpu, x, SOFTMAX, { LANES });
    assert(attentionError(x, got) <= 1, `${LANES} lanes`);
  }
});

test("more than 65,535 rows", async (gpu) => {
  const x = randomAttention({ H: 6, N: 11_000, S: 2, D: 1 }, lehmer(14));
  const got = await attendWith(gpu, x, SOFTMAX, { LANES: 2 });
  assert(attentionError(x, got) <= 1);
});

test("ten runs give the same bits", async (gpu) => {
  const x = randomAttention({ H: 2, N: 9, S: 150, D: 16 }, lehmer(15));
  const first = await attendNaive(gpu, x);
  for (let i = 1; i < 10; i++) assertEquals(await attendNaive(gpu, x), first);
});

test("without one of its barriers the softmax is wrong", async (gpu) => {
  const x = randomAttention({ N: 20, S: 150, D: 4 }, lehmer(16));
  const broken = withoutBarriers(SOFTMAX);
  assertEquals(broken.length, 2);
  for (const code of broken) {
    assert(attentionError(x, await attendWith(gpu, x, code)) > 1);
  }
}, "software");

test("attention leaves its inputs, and no buffer", async (gpu) => {
  const x = randomAttention({ N: 3, S: 5, D: 3 }, lehmer(17));
  const before = structuredClone(x);
  const bytes = gpu.bytes;
  await attendNaive(gpu, x);
  assertEquals([x, gpu.bytes], [before, bytes]);
});

Deno.test("attentionError() passes what is rounded to f32, and nothing that is off", () => {
  const x = randomAttention({ B: 2, H: 2, G: 1, N: 3, S: 5, D: 4 }, lehmer(18));
  const right = attend(x);
  assert(attentionError(x, round(right)) <= 1);
  // the bounds are below (2 · 8 · 2 + 2 · 2 · 9 + 60) · 2^-24 < 1e-5 for values to 1
  const changes = [1e-4, -1e-4, NaN, Infinity, -Infinity];
  for (const name of ["output", "logSums"] as const) {
    for (let i = 0; i < right[name].length; i += 5) {
      for (const change of changes) {
        const got = round(right);
        got[name][i] += change;
        assert(attentionError(x, got) > 1, `${name} off by ${change} passes`);
      }
    }
    const short = round(right);
    short[name] = short[name].slice(1);
    assert(attentionError(x, short) > 1);
  }
});

Deno.test("attentionError() of rows without a key passes zeros and −Infinity alone", () => {
  const x = randomAttention({ N: 2, S: 1, D: 2, causal: true }, lehmer(19));
  assertEquals(attentionError(x, round(attend(x))) <= 1, true);
  for (const wrong of [1e-30, NaN]) {
    const got = round(attend(x));
    got.output[1] = wrong;
    assert(attentionError(x, got) > 1);
  }
  for (const wrong of [0, -3e38, NaN, Infinity]) {
    const got = round(attend(x));
    got.logSums[0] = wrong;
    assert(attentionError(x, got) > 1, `${wrong} passes`);
  }
});

Deno.test("attentionError() is 1 where the error is as large as allowed", () => {
  // one key: its weight is 1, and log Σ exp is its score, 1 · 1 / √1
  const x = randomAttention({ N: 1, S: 1, D: 1 }, () => 1);
  const got = round(attend(x));
  // 5 roundings of the score, 6 of exp(0), 10 · 2 of sums, 4 · 2 of the logarithm
  got.logSums[0] = 1 + 2 ** -19;
  assertEquals(attentionError(x, got), 2 ** -19 / ((5 + 6 + 20 + 8) * UNIT));
});

Deno.test("what cannot be attended is refused with its sizes", async () => {
  const x = randomAttention({ B: 2, H: 4, G: 2, N: 3, S: 5, D: 7 }, lehmer(1));
  const task = "Cannot attend with ";
  const sizes = "B=2 H=4 G=2 N=3 S=5 D=7";
  const cases: [change: Partial<Attention>, message: string][] = [
    [{ B: 0 }, "B=0 H=4 G=2 N=3 S=5 D=7: B must be a whole number from 1"],
    [{ D: 1.5 }, "B=2 H=4 G=2 N=3 S=5 D=1.5: D must be a whole number from 1"],
    [{ G: NaN }, "B=2 H=4 G=NaN N=3 S=5 D=7: G must be a whole number from 1"],
    [{ H: -4 }, "B=2 H=-4 G=2 N=3 S=5 D=7: H must be a whole number from 1"],
    [{ N: -1 }, "B=2 H=4 G=2 N=-1 S=5 D=7: N must be a whole number from 0"],
    [{ S: 0.5 }, "B=2 H=4 G=2 N=3 S=0.5 D=7: S must be a whole number from 0"],
    [{ G: 3 }, "B=2 H=4 G=3 N=3 S=5 D=7: 4 heads cannot share 3 evenly"],
    [{ query: x.key }, `${sizes}: query has 140 numbers, not 168`],
    [{ key: x.query }, `${sizes}: key has 168 numbers, not 140`],
    [{ value: x.query }, `${sizes}: value has 168 numbers, not 140`],
    [{ keep: new Uint8Array(5) }, `${sizes}: keep has 5 numbers, not 10`],
  ];
  const gpu = {} as Gpu; // it is refused before a GPU is asked for anything
  for (const [change, message] of cases) {
    const wrong = { ...x, ...change };
    const error = assertThrows(() => checkAttention(wrong), RangeError);
    assertEquals(error.message, task + message);
    assertThrows(() => attend(wrong), RangeError, message);
    const planning = () => planAttention(gpu, {} as never, wrong);
    await assertRejects(planning, RangeError, message);
  }
  checkAttention(x);
});
