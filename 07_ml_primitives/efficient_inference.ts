#!/usr/bin/env -S deno run
/**
 * Q. Make a trained layer smaller and faster. What does int8 cost, and int4?
 *
 * A. A number becomes a code times a scale: 8 bits for 32. Symmetric codes suit weights:
 * scale max|x| / 127, zero is code 0. Activations after a ReLU lie on one side, so they get
 * a zero point: the range, made to include 0, is spread over all 256 codes. The error of a
 * number is at most half a scale, so one large entry spoils all that share its scale: give
 * each output channel its own, and with 4 bits each group of some 32 entries. The product
 * runs in integers, and scales come in once at the end. Decoding one token reads every
 * weight once, so where that waits for memory it is faster by the bytes left unread.
 *
 * Shapes: R rows, the output channels, of C entries; B inputs; G entries a group.
 * Time O(R·C) to quantise, O(B·R·C) for a product; space R·C bytes, or half of that.
 * Trap: one scale for the whole tensor: the channel with an outlier takes all 8 bits.
 * Left out: calibration of activations, GPTQ, AWQ, training with quantisation; see
 * pruning.ts and dynamic_batching.ts for the other two ways.
 * Source: Jacob et al. (2018), arXiv:1712.05877; Krishnamoorthi (2018), arXiv:1806.08342.
 * Run: `deno run efficient_inference.ts`
 * @module
 */

/** How finely scales are given, and how many bits a code has. */
export interface Scheme {
  readonly bits: 4 | 8;
  /** Entries that share a scale: all, those of a row, or so many, which divide a row. */
  readonly share: "tensor" | "channel" | number;
  /** With a zero point, for numbers that lie on one side of 0. */
  readonly asymmetric?: boolean;
}

/** x ≈ scale · (code − zero), by groups. */
export interface Quantised {
  readonly R: number;
  readonly C: number;
  /** (R · C,) */
  readonly codes: Int8Array;
  /** Entries in a group; the groups follow each other in the order of the codes. */
  readonly group: number;
  readonly scales: Float32Array; // (R · C / group,)
  readonly zeros: Int8Array; // likewise; all 0 if symmetric
  /** What it takes: codes, 4 bytes a scale, and 1 a zero point if there are any. */
  readonly bytes: number;
}

/**
 * Rounds numbers to codes.
 * @param x (R, C), flat
 * @throws {RangeError} if a size does not fit, or an entry is not finite
 */
export function quantise(
  x: Float32Array,
  R: number,
  C: number,
  { bits, share, asymmetric = false }: Scheme,
): Quantised {
  const group = share === "tensor" ? R * C : share === "channel" ? C : share;
  const fits = typeof share !== "number" || C % share === 0;
  if (x.length !== R * C || !(Number.isInteger(group) && group >= 1 && fits)) {
    throw new RangeError(
      `Cannot cut ${x.length} numbers, (${R}, ${C}), into groups of ${group}`,
    );
  }
  const bad = x.findIndex((xi) => !Number.isFinite(xi));
  if (bad >= 0) throw new RangeError(`Cannot quantise ${x[bad]}, entry ${bad}`);
  const most = 2 ** (bits - 1) - 1;
  const [codes, N] = [new Int8Array(x.length), x.length / group];
  const [scales, zeros] = [new Float32Array(N), new Int8Array(N)];
  for (let g = 0; g < N; g++) {
    const part = x.subarray(g * group, (g + 1) * group);
    // 0 must be in the range: padding and ReLU's zeros have to stay exactly 0.
    const low = part.reduce((a, b) => Math.min(a, b), 0);
    const high = part.reduce((a, b) => Math.max(a, b), 0);
    const spread = asymmetric
      ? (high - low) / (2 * most + 1)
      : Math.max(high, -low) / most;
    // Any scale gives zeros back; a tiny one is kept where f32 has all its digits.
    scales[g] = spread > 0 ? Math.max(spread, 2 ** -126) : 1;
    zeros[g] = asymmetric ? Math.round(-most - 1 - low / scales[g]) : 0;
    // The lowest code is of no use without a zero point: its opposite does not exist.
    const least = asymmetric ? -most - 1 : -most;
    part.forEach((v, i) => {
      const code = Math.round(v / scales[g]) + zeros[g];
      codes[g * group + i] = Math.max(least, Math.min(most, code));
    });
  }
  const bytes = Math.ceil(x.length * bits / 8) + 4 * N + (asymmetric ? N : 0);
  return { R, C, codes, group, scales, zeros, bytes };
}

const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** The numbers that the codes stand for, (R, C) flat. */
export function dequantise(q: Quantised): Float32Array {
  return Float32Array.from(q.codes, (code, i) => {
    const g = Math.floor(i / q.group);
    const y = q.scales[g] * (code - q.zeros[g]);
    // A scale that was rounded up must not carry the largest f32 to Infinity.
    return Math.max(-LARGEST, Math.min(LARGEST, y));
  });
}

/**
 * x · wᵀ, (B, R) flat: sums of integers, scaled at the end of each.
 * @param x (B, C) with one scale a tensor or a channel
 * @param w (R, C), symmetric, by tensor or channel
 * @throws {RangeError} if sizes differ, or scales or zero points are others
 */
export function multiply(x: Quantised, w: Quantised): Float32Array {
  const whole = [x, w].every((q) => q.group % q.C === 0);
  if (x.C !== w.C || !whole || w.zeros.some((zero) => zero !== 0)) {
    throw new RangeError(
      `Cannot multiply (${x.R}, ${x.C}) by (${w.R}, ${w.C}): needs equal rows, ` +
        "scales by row, and no zero points of weights",
    );
  }
  const { C } = x;
  return Float32Array.from({ length: x.R * w.R }, (_, i) => {
    const [b, r] = [Math.floor(i / w.R), i % w.R];
    const [gx, gw] = [Math.floor(b * C / x.group), Math.floor(r * C / w.group)];
    const zero = x.zeros[gx];
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x.codes[b * C + c] * w.codes[r * C + c];
    // Σ (x − zero)·w: the zero point costs a sum of weights, best kept beside them.
    for (let c = 0; zero !== 0 && c < C; c++) sum -= zero * w.codes[r * C + c];
    return sum * x.scales[gx] * w.scales[gw];
  });
}

/**
 * Two codes of 4 bits a byte, the first in the low half.
 * @throws {RangeError} if a code is not from −8 to 7
 */
export function pack4(codes: Int8Array): Uint8Array {
  const wide = codes.find((code) => code < -8 || code > 7);
  if (wide !== undefined) {
    throw new RangeError(`Cannot pack ${wide}: 4 bits are from -8 to 7`);
  }
  return Uint8Array.from(
    { length: Math.ceil(codes.length / 2) },
    (_, i) => (codes[2 * i] & 15) | (codes[2 * i + 1] ?? 0) << 4,
  );
}

/** The first `count` codes of packed ones. @throws {RangeError} if they are fewer */
export function unpack4(packed: Uint8Array, count: number): Int8Array {
  if (!(count >= 0 && count <= 2 * packed.length)) {
    throw new RangeError(`Cannot unpack ${count} of ${2 * packed.length}`);
  }
  return Int8Array.from(
    { length: count },
    (_, i) => (packed[i >> 1] << (i % 2 === 0 ? 28 : 24)) >> 28,
  );
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [R, C] = [256, 256];
  const draw = () => random() + random() + random() - 1.5;
  const w = Float32Array.from({ length: R * C }, draw);
  // One channel of 256 is 20 times as large.
  for (let c = 0; c < C; c++) w[7 * C + c] *= 20;
  const x = Float32Array.from({ length: C }, () => Math.max(0, draw()));
  const apply = (w: Float32Array, x: Float32Array) =>
    Array.from(
      { length: R },
      (_, r) => x.reduce((sum, xi, c) => sum + xi * w[r * C + c], 0),
    );
  const right = apply(w, x);
  const error = (y: ArrayLike<number>) => {
    const parts = right.map((v, r) => r === 7 ? 0 : (v - y[r]) ** 2);
    const all = right.map((v, r) => r === 7 ? 0 : v ** 2);
    const sum = (z: number[]) => z.reduce((a, b) => a + b);
    return `${(100 * Math.sqrt(sum(parts) / sum(all))).toFixed(2)} %`;
  };
  console.log("error of the 255 usual outputs of a (256, 256) layer");
  console.log(`f32             ${4 * w.length} bytes`);
  const show = (name: string, scheme: Scheme) => {
    const q = quantise(w, R, C, scheme);
    console.log(
      name,
      `${q.bytes} bytes`.padStart(12),
      error(apply(dequantise(q), x)),
    );
  };
  show("int8, tensor   ", { bits: 8, share: "tensor" });
  show("int8, channels ", { bits: 8, share: "channel" });
  show("int4, channels ", { bits: 4, share: "channel" });
  show("int4, 32 a group", { bits: 4, share: 32 });
  const weights = quantise(w, R, C, { bits: 8, share: "channel" });
  for (const asymmetric of [false, true]) {
    const input = quantise(x, 1, C, { bits: 8, share: "tensor", asymmetric });
    const name = asymmetric ? "with" : "without";
    console.log(
      `int8 inputs ${name} a zero point:`,
      error(multiply(input, weights)),
    );
  }
}
