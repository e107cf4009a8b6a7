#!/usr/bin/env -S deno run
/**
 * Q. Why does pre-norm train more stably than post-norm? What does a norm keep in
 * memory for the backward pass?
 *
 * A. Post-norm is x ← norm(x + f(x)): every block is normed again at once, and the
 * gradient of the last block is as large at any depth. Pre-norm is x ← x + f(norm(x)):
 * the stream is a sum that nothing interrupts; it grows like √L, and the gradient of
 * the last block falls like 1/√L. So at the start post-norm has large gradients near
 * the output, and needs a warm-up. That its first blocks vanish is not what one sees:
 * at 96 blocks of this toy the first still has ⅔ of the gradient of the last.
 *
 * A norm keeps x, or x normalised, and one or two numbers a row. Where the stream
 * holds x anyway, only those numbers are extra, and y can be recomputed.
 *
 * Shapes: C channels, L blocks of f(h) = W₂ · relu(W₁ · h), W (C, C), biases none.
 * Time O(L·C²), space O(L·C²).
 * Trap: repeating that post-norm's gradients vanish, without having looked.
 * Left out: attention, training, and the warm-up itself. A toy at its start.
 * Source: Xiong et al. (2020), arXiv:2002.04745.
 * Run: `deno run pre_norm.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** The two weights of a block, each (C, C). */
export interface Block {
  readonly up: Matrix;
  readonly down: Matrix;
}

/** Where the norm stands. */
export type Placement = "pre" | "post";

/**
 * Draws blocks that keep the variance: that of `up` is 2/C, because relu halves
 * the mean square, and that of `down` 1/C.
 * @param normal draws a standard normal number
 */
export function makeBlocks(
  L: number,
  C: number,
  normal: () => number,
): Block[] {
  const draw = (std: number) =>
    Array.from(
      { length: C },
      () => Array.from({ length: C }, () => std * normal()),
    );
  return Array.from({ length: L }, () => ({
    up: draw(Math.sqrt(2 / C)),
    down: draw(Math.sqrt(1 / C)),
  }));
}

/**
 * Sends x through the blocks, and through one more norm at the end of pre-norm.
 * @param x (C,); left unchanged
 * @returns (C,)
 * @throws {RangeError} if there is no block, or x has not C entries
 */
export function forward(
  x: readonly number[],
  blocks: readonly Block[],
  placement: Placement,
): number[] {
  return run(x, blocks, placement).y;
}

/**
 * The gradients of the loss y · dy, where y is the result of `forward`.
 * @param dy (C,) ∂loss/∂y
 * @returns dx (C,), and for each block the Frobenius norm of ∂loss/∂down, (L,)
 */
export function gradients(
  x: readonly number[],
  blocks: readonly Block[],
  placement: Placement,
  dy: readonly number[],
): { dx: number[]; down: number[] } {
  const { tape, last } = run(x, blocks, placement);
  const down = new Array<number>(blocks.length);
  let d = placement === "pre" ? normBackward(dy, last) : [...dy];
  for (let l = blocks.length - 1; l >= 0; l--) {
    const { input, sum, hidden } = tape[l];
    const { up, down: w } = blocks[l];
    if (placement === "post") d = normBackward(d, sum);
    // ∂loss/∂down is the outer product of d and hidden.
    down[l] = length(d) * length(hidden);
    const dHidden = transposed(w, d).map((v, c) => hidden[c] > 0 ? v : 0);
    let branch = transposed(up, dHidden);
    if (placement === "pre") branch = normBackward(branch, input);
    // The stream passes unhindered, the branch adds to it.
    d = d.map((v, c) => v + branch[c]);
  }
  return { dx: d, down };
}

/**
 * Bytes that one norm keeps until its backward pass.
 *
 * "x" is nothing extra where the stream holds it, "xhat" is a copy that saves
 * recomputing, "y" is what the matrix after the norm needs.
 * @param rows batch times positions
 * @param bytes of one activation
 * @param statistics numbers a row, in float32: 1 for RMSNorm, 2 for LayerNorm
 * @throws {RangeError} if a size is not a natural number
 */
export function savedBytes(
  rows: number,
  C: number,
  keep: readonly ("x" | "xhat" | "y")[],
  { bytes = 2, statistics = 1 }: { bytes?: number; statistics?: number } = {},
): number {
  for (const size of [rows, C, bytes, statistics]) {
    if (!Number.isInteger(size) || size < 0) {
      throw new RangeError(`Cannot count bytes: ${size} is no natural number`);
    }
  }
  return keep.length * rows * C * bytes + statistics * rows * 4;
}

/** The forward pass with what the backward pass needs of it. */
function run(
  x: readonly number[],
  blocks: readonly Block[],
  placement: Placement,
) {
  if (blocks.length === 0) throw new RangeError("Cannot run 0 blocks: needs 1");
  const C = blocks[0].up.length;
  if (x.length !== C) {
    throw new RangeError(
      `Cannot run blocks of ${C} channels on x: it has ${x.length}`,
    );
  }
  let stream = [...x];
  const tape = blocks.map(({ up, down }) => {
    const input = stream;
    const h = placement === "pre" ? norm(input) : input;
    const hidden = multiply(up, h).map((v) => Math.max(0, v));
    const sum = multiply(down, hidden).map((v, c) => v + input[c]);
    stream = placement === "post" ? norm(sum) : sum;
    return { input, hidden, sum };
  });
  const y = placement === "pre" ? norm(stream) : stream;
  return { y, tape, last: stream };
}

function norm(x: readonly number[]): number[] {
  const scale = rms(x);
  return x.map((v) => v / scale);
}
function normBackward(dy: readonly number[], x: readonly number[]) {
  const scale = rms(x);
  const along = dot(dy, x) / x.length / scale ** 2;
  return dy.map((v, c) => (v - x[c] * along) / scale);
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, v, i) => sum + v * b[i], 0);
const length = (x: readonly number[]) => Math.sqrt(dot(x, x));
const rms = (x: readonly number[]) => Math.sqrt(dot(x, x) / x.length + 1e-6);
const multiply = (w: Matrix, x: readonly number[]) => w.map((r) => dot(r, x));
const transposed = (w: Matrix, x: readonly number[]) =>
  w[0].map((_, c) => w.reduce((sum, row, r) => sum + row[c] * x[r], 0));

if (import.meta.main) {
  let state = 1;
  const uniform = () => (state = state * 48271 % 2147483647) / 2147483647;
  const normal = () =>
    Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const [C, draws] = [32, 20];
  console.log(`gradient norm of a block, mean of ${draws} draws, C = ${C}`);
  console.log("             L   first   last   first/last");
  for (const placement of ["post", "pre"] as const) {
    for (const L of [6, 24, 96]) {
      let [first, last] = [0, 0];
      for (let n = 0; n < draws; n++) {
        const blocks = makeBlocks(L, C, normal);
        const vector = () => Array.from({ length: C }, normal);
        const { down } = gradients(vector(), blocks, placement, vector());
        first += down[0] / draws;
        last += down[L - 1] / draws;
      }
      const show = (v: number, digits = 1) => v.toFixed(digits).padStart(7);
      console.log(
        `  ${placement.padEnd(5)}${String(L).padStart(7)} ${show(first)}` +
          `${show(last)} ${show(first / last, 2)}`,
      );
    }
  }
  const mib = (keep: ("xhat" | "y")[]) =>
    (savedBytes(4096, 4096, keep) / 2 ** 20).toFixed(2) + " MiB";
  console.log("kept by one RMSNorm, 4096 rows of 4096 channels, 2 bytes each");
  console.log("  xhat and y:", mib(["xhat", "y"]));
  console.log("  y         :", mib(["y"]));
  console.log("  the rms   :", mib([]), "x is in the stream, y recomputed");
}
