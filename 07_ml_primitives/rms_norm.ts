#!/usr/bin/env -S deno run
/**
 * Q. Implement RMSNorm, forward and backward. How does it differ from LayerNorm?
 *
 * A. Divide each row by the root of its mean square plus eps, and scale entry by
 * entry with gamma. LayerNorm subtracts the mean first and adds beta at the end: it
 * is RMSNorm of the centred row. RMSNorm drops the mean because it costs a second
 * sum over the row, 7C operations instead of 4C, and models train as well without;
 * what is given up is that a shift of the whole row changes nothing. eps belongs
 * inside the root. Backward, dx is gamma · dy without its part along the row, over
 * the rms: the norm has fixed the length, so along it nothing can change.
 *
 * Shapes: B rows of C channels.
 * Time O(B·C), space O(B·C). Backward needs a (B, C) array and one number a row.
 * Trap: `x * x` of 300 in float16, of 1e20 in float32, of 1e200 in float64 is
 * Infinity, and the row comes out all zeros, silently.
 * Left out: partial RMSNorm. Where it stands in a block, and its bytes: pre_norm.ts.
 * Source: Zhang, Sennrich (2019), arXiv:1910.07467; Ba, Kiros, Hinton (2016),
 * arXiv:1607.06450.
 * Run: `deno run rms_norm.ts`
 * @module
 */

type Matrix = readonly (readonly number[])[];

/** What the backward pass needs of the forward pass. */
export interface Saved {
  /** (B, C) the rows before gamma and beta. */
  readonly xhat: Matrix;
  /** (B,) what each row was divided by, in the unit of x. */
  readonly scale: readonly number[];
}

/**
 * x / √(mean(x²) + eps) · gamma, row by row.
 *
 * A row of zeros stays zeros. One NaN or ±Infinity makes its row NaN, no other.
 * @param x (B, C); left unchanged
 * @param gamma (C,) scale of each channel
 * @param eps in the unit of x²
 * @returns y (B, C), and what `rmsNormBackward` needs
 * @throws {RangeError} if C is 0, sizes differ, eps < 0, or eps and a row are 0
 */
export function rmsNorm(
  x: Matrix,
  gamma: readonly number[],
  eps = 1e-6,
): { y: number[][]; saved: Saved } {
  const saved = standardise(x, gamma.length, eps, () => 0);
  return { y: saved.xhat.map((row) => row.map((v, c) => v * gamma[c])), saved };
}

/**
 * (x − mean) / √(variance + eps) · gamma + beta, row by row; the variance is Σ/C,
 * not Σ/(C − 1). A constant row, or one channel, becomes beta.
 * @param x (B, C); left unchanged
 * @param gamma (C,)
 * @param beta (C,)
 * @throws {RangeError} as rmsNorm; a constant row when eps is 0
 */
export function layerNorm(
  x: Matrix,
  gamma: readonly number[],
  beta: readonly number[],
  eps = 1e-5,
): { y: number[][]; saved: Saved } {
  sameLength("beta", beta.length, gamma.length);
  const saved = standardise(x, gamma.length, eps, middleOf);
  const y = saved.xhat.map((row) => row.map((v, c) => v * gamma[c] + beta[c]));
  return { y, saved };
}

/**
 * Gradients of a loss through rmsNorm.
 * @param dy (B, C) ∂loss/∂y
 * @returns dx (B, C) and dgamma (C,), which is a sum over the rows
 * @throws {RangeError} if sizes differ
 */
export function rmsNormBackward(
  dy: Matrix,
  gamma: readonly number[],
  saved: Saved,
): { dx: number[][]; dgamma: number[] } {
  return backward(dy, gamma, saved, () => 0);
}

/** As rmsNormBackward, through layerNorm; dbeta (C,) is the sum of dy over rows. */
export function layerNormBackward(
  dy: Matrix,
  gamma: readonly number[],
  saved: Saved,
): { dx: number[][]; dgamma: number[]; dbeta: number[] } {
  const dbeta = gamma.map((_, c) => dy.reduce((sum, row) => sum + row[c], 0));
  return { ...backward(dy, gamma, saved, mean), dbeta };
}

/** Each row minus `centre(row)`, over √(mean square + eps). */
function standardise(
  x: Matrix,
  C: number,
  eps: number,
  centre: (row: readonly number[]) => number,
): Saved {
  if (!(eps >= 0 && eps < Infinity)) {
    throw new RangeError(`Cannot normalise with eps ${eps}: needs 0 or more`);
  }
  if (C === 0) throw new RangeError("Cannot normalise 0 channels: needs 1");
  const xhat: number[][] = [];
  const scale = x.map((row, b) => {
    sameLength(`row ${b}`, row.length, C);
    // Squares of numbers near 1 neither overflow nor vanish. A power of 2 rounds
    // nothing, so ordinary rows give the same bits as without.
    const unit = powerOfTwo(row.reduce(
      (max, v) => Math.max(max, Math.abs(v)),
      Math.sqrt(eps),
    ));
    const scaled = row.map((v) => v / unit);
    const middle = centre(scaled);
    const centred = scaled.map((v) => v - middle);
    const meanSquare = mean(centred.map((v) => v * v));
    const rms = Math.sqrt(meanSquare + eps / unit / unit);
    if (rms === 0 || unit === 0) {
      throw new RangeError(
        `Cannot normalise row ${b}: its length and eps are 0`,
      );
    }
    xhat.push(centred.map((v) => v / rms));
    return rms * unit;
  });
  return { xhat, scale };
}

/** dx = (d − centre(d) − xhat · mean(d · xhat)) / scale, where d = dy · gamma. */
function backward(
  dy: Matrix,
  gamma: readonly number[],
  { xhat, scale }: Saved,
  centre: (row: readonly number[]) => number,
): { dx: number[][]; dgamma: number[] } {
  sameLength("dy", dy.length, xhat.length);
  const dgamma = gamma.map(() => 0);
  const dx = dy.map((row, b) => {
    sameLength(`row ${b} of dy`, row.length, gamma.length);
    const d = row.map((v, c) => v * gamma[c]);
    const along = mean(d.map((v, c) => v * xhat[b][c]));
    const middle = centre(d);
    row.forEach((v, c) => dgamma[c] += v * xhat[b][c]);
    return d.map((v, c) => (v - middle - xhat[b][c] * along) / scale[b]);
  });
  return { dx, dgamma };
}

const mean = (row: readonly number[]) =>
  row.reduce((sum, v) => sum + v, 0) / row.length;

/** The mean, taken from the first entry on: exact if all entries are the same. */
const middleOf = (row: readonly number[]) =>
  row[0] + mean(row.map((v) => v - row[0]));

/** The power of 2 at or just below x > 0; NaN for ±Infinity, 0 for 0. */
const powerOfTwo = (x: number) =>
  x === Infinity ? NaN : 2 ** Math.min(1023, Math.floor(Math.log2(x)));

function sameLength(what: string, length: number, expected: number) {
  if (length === expected) return;
  throw new RangeError(
    `Cannot normalise: ${what} has length ${length}, not ${expected}`,
  );
}

if (import.meta.main) {
  const show = (y: number[]) => y.map((v) => +v.toFixed(4)).join("  ");
  const naive = (x: number[], inside: number, outside: number) =>
    x.map((v) => v / (Math.sqrt(mean(x.map((w) => w * w)) + inside) + outside));
  const ours = (x: number[]) => show(rmsNorm([x], [1, 1]).y[0]);
  console.log("1e−4, −1e−4 with eps 1e−6");
  console.log("  eps inside the root  :", ours([1e-4, -1e-4]));
  console.log("  eps outside the root :", show(naive([1e-4, -1e-4], 0, 1e-6)));
  console.log("1e200, −1e200");
  console.log(
    "  x · x overflows      :",
    show(naive([1e200, -1e200], 1e-6, 0)),
  );
  console.log("  a unit taken out     :", ours([1e200, -1e200]));
  console.log("0, 0");
  console.log("  no eps               :", show(naive([0, 0], 0, 0)));
  console.log("  eps 1e−6             :", ours([0, 0]));
}
