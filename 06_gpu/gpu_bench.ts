/**
 * All kernels at full size, as a table for the README: results are checked before
 * they are timed, the numbers are new in each run, and the times are the GPU's own.
 *
 * Run: `deno run gpu_bench.ts`
 * @module
 */
import { planAttention, randomAttention } from "./attention.ts";
import { inBytes } from "./buffers.ts";
import { demo } from "./device.ts";
import { attendFlash, planFlash } from "./flash_attention.ts";
import { planGradients } from "./flash_backward.ts";
import {
  extraBytes,
  measureAttention,
  type Measured,
  measureProducts,
  table,
} from "./gpu.ts";
import { measureRoof } from "./roofline.ts";
import { lehmer, randomFloats } from "./testing.ts";
import { time } from "./timing.ts";

await demo(async (gpu) => {
  const seed = 1 + Math.floor(Math.random() * 2 ** 30);
  const random = lehmer(seed);
  const roof = await measureRoof(gpu);
  console.log(
    `${gpu.name}${gpu.software ? ", a software adapter" : ""}, seed ${seed}`,
  );
  console.log(
    `peak ${roof.gflops.toFixed(0)} GFLOP/s, copy ${
      roof.gbytes.toFixed(1)
    } GB/s, times by the ${gpu.clock}'s clock\n`,
  );

  const ratio = (title: string, slow: Measured, fast: Measured) =>
    console.log(`${title}: ${(slow.ms / fast.ms).toFixed(2)} times as fast`);
  const find = (measured: Measured[], name: string) =>
    measured.find((x) => x.name === name)!;

  for (const n of gpu.software ? [256, 512] : [1024, 2048, 4096]) {
    const measured = await measureProducts(gpu, n, random);
    console.log(`${n} × ${n}`);
    console.log(table(measured, roof).join("\n"));
    const registers = find(measured, "matmul registers");
    ratio("registers, to naive", find(measured, "matmul naive"), registers);
    for (const [name, ms] of Object.entries(onCpu(Math.min(n, 512), random))) {
      const scale = (n / Math.min(n, 512)) ** 3;
      const times = (ms * scale / registers.ms).toFixed(0);
      console.log(
        `${name}, one thread of JavaScript: ${
          (ms * scale).toFixed(0)
        } ms, ${times} times as long${
          scale > 1 ? " (from 512, times the FLOP)" : ""
        }`,
      );
    }
    console.log("");
  }

  const N = gpu.software ? 1024 : 4096;
  for (
    const sizes of [
      { H: 1, N, D: 64 },
      { H: gpu.software ? 2 : 16, N, D: 64 },
      { H: gpu.software ? 2 : 16, N, D: 64, causal: true },
      { H: gpu.software ? 2 : 16, N, D: 128 },
    ]
  ) {
    const x = randomAttention(sizes, random);
    const measured = await measureAttention(gpu, x);
    console.log(
      `${x.H} × ${x.D}, ${N} tokens${x.causal ? ", causal" : ""}`,
    );
    console.log(table(measured, roof).join("\n"));
    measured.forEach(({ problem }) => problem && console.log(problem));
    const flash = find(measured, "attention flash");
    ratio("flash, to naive", find(measured, "attention naive"), flash);
    using memory = gpu.memory();
    const gradients = await planGradients(
      gpu,
      memory,
      x,
      await attendFlash(gpu, x),
      randomFloats(x.query.length, random),
    );
    const ms = await time(gpu, gradients.launches, 3);
    console.log(
      `backward: ${ms.toFixed(2)} ms, ${
        (ms / flash.ms).toFixed(1)
      } times the forward pass\n`,
    );
  }

  console.log("one head of 64, memory beside inputs and output");
  for (let N = 1024; N <= (gpu.software ? 4096 : 65536); N *= 2) {
    const x = randomAttention({ N, D: 64 }, random);
    const { naive, flash } = extraBytes(x);
    for (
      const [name, plan, bytes] of [
        ["naive", planAttention, naive],
        ["flash", planFlash, flash],
      ] as const
    ) {
      using memory = gpu.memory();
      let result: string;
      try {
        const { launches } = await plan(gpu, memory, x);
        result = `${(await time(gpu, launches, 3)).toFixed(2)} ms`;
      } catch (error) {
        result = (error as Error).message;
      }
      console.log(`N = ${N}, ${name}: ${inBytes(bytes)}, ${result}`);
    }
  }
});

/** The triple loop on rows of numbers, and i-k-j on typed arrays: median ms of 3. */
function onCpu(
  n: number,
  random: () => number,
): Record<string, number> {
  const [a, b] = [0, 1].map(() => randomFloats(n * n, random));
  const [rowsA, rowsB] = [a, b].map((x) =>
    Array.from({ length: n }, (_, i) => [...x.subarray(i * n, (i + 1) * n)])
  );
  const median = (work: () => unknown) => {
    const times = [0, 1, 2].map(() => {
      const start = performance.now();
      work();
      return performance.now() - start;
    });
    return times.sort((x, y) => x - y)[1];
  };
  return {
    "number[][]": median(() =>
      rowsA.map((row) =>
        row.map((_, j) => {
          let sum = 0;
          for (let k = 0; k < n; k++) sum += row[k] * rowsB[k][j];
          return sum;
        })
      )
    ),
    "Float32Array": median(() => {
      const c = new Float32Array(n * n);
      for (let i = 0; i < n; i++) {
        for (let k = 0; k < n; k++) {
          const x = a[i * n + k];
          for (let j = 0; j < n; j++) c[i * n + j] += x * b[k * n + j];
        }
      }
      return c;
    }),
  };
}
