/**
 * The ladder of dart loops, one core and more, beside CPython and numpy if they
 * are there. All is timed in one run, because machines differ and change.
 *
 * Run: `deno bench --allow-run=python3 fast_darts_bench.ts`
 * @module
 */
import { CORES, countInside, last, throwDarts } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { estimatePi, standardError } from "./pi.ts";

const n = 10_000_000;
const group = `${n.toLocaleString("en")} darts`;
const generator = new Xoshiro128(42);
const { words } = generator;

/** As countInside(), with the `if` that a whiteboard has. */
function countByIf(n: number, words: Uint32Array): number {
  let a = words[0] | 0, b = words[1] | 0, c = words[2] | 0, d = words[3] | 0;
  let inside = 0;
  for (let i = 0; i < n; i++) {
    let sum = a + d | 0;
    const x = ((sum << 7 | sum >>> 25) + a >>> 0) / 2 ** 32;
    let t = b << 9;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= t, d = d << 11 | d >>> 21;
    sum = a + d | 0;
    const y = ((sum << 7 | sum >>> 25) + a >>> 0) / 2 ** 32;
    t = b << 9;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= t, d = d << 11 | d >>> 21;
    if (x * x + y * y <= 1) inside++;
  }
  words.set([a, b, c, d]);
  return inside;
}

// Short calls first, so that the whole function is compiled, and not only the
// loop that happens to run.
for (let i = 0; i < 1000; i++) {
  countByIf(10_000, words);
  countInside(10_000, words);
}

/** Reads the name of a form and n, a line each time; answers with its π. */
const PYTHON = `
import random, sys
def loop(n):
    inside = 0
    for _ in range(n):
        x, y = random.random(), random.random()
        if x * x + y * y <= 1:
            inside += 1
    return 4 * inside / n
try:
    import numpy as np
    sfc = np.random.Generator(np.random.SFC64(42))
    B = 1 << 14  # what stays in the cache
    x, y = np.empty(B, np.float32), np.empty(B, np.float32)
    def numpy(n):
        inside = 0
        for start in range(0, n, B):
            b = min(B, n - start)
            x, y = np.random.random(b), np.random.random(b)
            inside += np.count_nonzero(x * x + y * y <= 1)
        return 4 * inside / n
    def sfc64(n):
        inside = 0
        for start in range(0, n, B):
            b = min(B, n - start)
            sfc.random(out=x, dtype=np.float32)
            sfc.random(out=y, dtype=np.float32)
            np.multiply(x, x, out=x)
            np.multiply(y, y, out=y)
            np.add(x, y, out=x)
            inside += np.count_nonzero(x[:b] <= 1)
        return 4 * inside / n
    print("loop numpy sfc64", flush=True)
except ImportError:
    print("loop", flush=True)
for line in sys.stdin:
    form, n = line.split()
    print(globals()[form](int(n)), flush=True)
`;

/** Python in a process of its own that answers line by line. */
async function startPython() {
  try {
    const process = new Deno.Command("python3", {
      args: ["-c", PYTHON],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = process.stdin.getWriter();
    const reader = process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    const hear = async () => {
      let line = "";
      while (!line.endsWith("\n")) {
        const { value, done } = await reader.read();
        if (done) throw new Error("Python has ended");
        line += value;
      }
      return line.trim();
    };
    const forms = (await hear()).split(" ");
    const ask = async (form: string, n: number) => {
      await writer.write(new TextEncoder().encode(`${form} ${n}\n`));
      return Number(await hear());
    };
    addEventListener("unload", () => process.kill());
    return { forms, ask };
  } catch (error) {
    console.error(`Without Python: ${(error as Error).message}`);
  }
}

/** Times a way to π, once it is seen to come within five standard errors. */
const bench = async (
  name: string,
  way: () => number | Promise<number>,
  { darts = n, baseline = false } = {},
) => {
  for (let i = 0; i < 3; i++) {
    const pi = await way();
    if (Math.abs(pi - Math.PI) < 5 * standardError(darts)) continue;
    throw new Error(`${name} finds π = ${pi}: nothing to time`);
  }
  Deno.bench({ name, group, baseline, fn: async () => void await way() });
};

await bench("whiteboard, Math.random", () => estimatePi(n, Math.random));
await bench("whiteboard, xoshiro128++", () => estimatePi(n, generator.random));
await bench("the same in one loop", () => 4 * countByIf(n, words) / n);
await bench(
  "without the if: countInside",
  () => 4 * countInside(n, words) / n,
  { baseline: true },
);
const NAMES: Record<string, [name: string, darts: number]> = {
  loop: ["CPython's loop, a tenth of the darts", n / 10],
  numpy: ["numpy, random.random in blocks", n],
  sfc64: ["numpy, float32 of SFC64 in blocks", n],
};
const python = await startPython();
for (const form of python?.forms ?? []) {
  const [name, darts] = NAMES[form];
  await bench(name, () => python!.ask(form, darts), { darts });
}

const many = 400_000_000;
for (const workers of new Set([1, Math.min(2, CORES), CORES])) {
  Deno.bench(`${workers} worker(s)`, {
    group: `${many.toLocaleString("en")} darts`,
    baseline: workers === 1,
  }, async () => {
    await last(throwDarts(many, 42, workers));
  });
}
for (const n of [1e5, 1e6, 1e7, 1e8]) {
  Deno.bench(`countInside, ${n.toLocaleString("en")} darts`, {
    group: "cost by n",
  }, () => {
    countInside(n, words);
  });
}
