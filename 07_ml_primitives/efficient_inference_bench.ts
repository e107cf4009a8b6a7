/**
 * What int8 codes save when one token goes through a layer, and when a batch does: a
 * product of integers against the same loop over f32.
 *
 * Run: `deno bench efficient_inference_bench.ts`
 * @module
 */
import { dequantise, multiply, quantise } from "./efficient_inference.ts";

/** x · wᵀ of x (B, C) and w (R, C): (B, R), flat. */
function multiplyFloats(x: Float32Array, w: Float32Array, C: number) {
  const R = w.length / C;
  return Float32Array.from({ length: x.length / C * R }, (_, i) => {
    const [b, r] = [Math.floor(i / R) * C, i % R * C];
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x[b + c] * w[r + c];
    return sum;
  });
}

let state = 1;
const random = () => (state = state * 48271 % 2147483647) / 2147483647;
const draw = (n: number) =>
  Float32Array.from({ length: n }, () => random() - 0.5);

for (const [B, R, C] of [[1, 256, 256], [1, 4096, 4096], [16, 1024, 1024]]) {
  const scheme = { bits: 8, share: "channel" } as const;
  const [x, w] = [draw(B * C), draw(R * C)];
  const [x8, w8] = [quantise(x, B, C, scheme), quantise(w, R, C, scheme)];
  const [fx, fw] = [dequantise(x8), dequantise(w8)];
  const expected = multiplyFloats(fx, fw, C);
  const wrong = multiply(x8, w8).findIndex((y, i) =>
    !(Math.abs(y - expected[i]) < 1e-3)
  );
  if (wrong >= 0) throw new Error(`The products differ at ${wrong}`);
  const group = `(${B}, ${C}) by (${R}, ${C})`;
  Deno.bench("f32", { group, baseline: true }, () => {
    multiplyFloats(fx, fw, C);
  });
  Deno.bench("int8", { group }, () => {
    multiply(x8, w8);
  });
}
