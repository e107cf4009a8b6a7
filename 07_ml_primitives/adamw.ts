#!/usr/bin/env -S deno run
/**
 * Q. Implement a step of Adam, then AdamW. Why is AdamW not Adam with L2? What does
 * it cost in memory?
 *
 * A. Keep two running means a weight: m of the gradient, v of its square. Both start
 * at 0, so divide by 1 − βᵗ. The step is lr · m̂ / (√v̂ + eps), about lr whatever the
 * gradient's size. Without the correction v is short of its value by more than m, so
 * the steps are too large: 3.2 times at first, 6.6 times at the 12th. L2 adds λ·p to the
 * gradient, where √v̂ divides it: weights with large gradients hardly decay. AdamW
 * shrinks the weight itself by lr · λ. m and v are 8 bytes a weight in float32:
 * 560 GB for 70 billion; with weights and gradients 1120 GB, against 560 for SGD.
 *
 * Shapes: any; a parameter is a flat array under a name. State is float64 here.
 * Time O(N) a step; space 2N.
 * Trap: one t for all parameters. One that joins at step 1000 gets no correction.
 * Left out: AMSGrad, sparse gradients (a missing one is an error, zeros decay m, v).
 * Source: Kingma, Ba (2015), arXiv:1412.6980; Loshchilov, Hutter (2019),
 * arXiv:1711.05101. Preconditioning a whole matrix: muon.ts, shampoo.ts.
 * Run: `deno run adamw.ts`
 * @module
 */

/** Parameters or gradients, by name. */
export type Tensors = Readonly<Record<string, Float64Array | Float32Array>>;

export interface AdamWOptions {
  /** Step size; 0 moves no weight, though m, v and t go on. */
  lr?: number;
  /** How much of m is kept, from 0 to below 1. */
  beta1?: number;
  /** How much of v is kept, from 0 to below 1. */
  beta2?: number;
  /** Added to √v̂, outside the root, in the unit of the gradient. */
  eps?: number;
  /** λ; a weight loses lr · λ of itself a step. 0 is plain Adam. */
  weightDecay?: number;
  /** Which parameters decay; norms and biases usually do not. */
  decays?: (name: string) => boolean;
}

/** What Adam knows of one parameter; plain data, so that JSON keeps it exactly. */
export interface Moments {
  t: number;
  m: number[];
  v: number[];
}

export class AdamW {
  readonly #options: Required<AdamWOptions>;
  #state = new Map<string, Moments>();

  /** @throws {RangeError} if an option is negative, NaN or Infinity, or a beta ≥ 1 */
  constructor(options: AdamWOptions = {}) {
    const { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = options;
    const { weightDecay = 0.01, decays = () => true } = options;
    const numbers = { lr, beta1, beta2, eps, weightDecay };
    for (const [name, value] of Object.entries(numbers)) {
      const limit = name.startsWith("beta") ? 1 : Infinity;
      if (value >= 0 && value < limit) continue;
      throw new RangeError(
        `Cannot set ${name} to ${value}: needs 0 or more and less than ${limit}`,
      );
    }
    this.#options = { ...numbers, decays };
  }

  /**
   * Moves every parameter in place, or throws and changes nothing at all.
   * @param params changed in place
   * @param grads ∂loss/∂param, one for each parameter; left unchanged
   * @throws {RangeError} if a gradient is missing, of another size, or has an entry
   * whose square is not finite; if eps and v are 0
   */
  step(params: Tensors, grads: Tensors): void {
    // All is checked before anything moves: one NaN in m or v stays for ever.
    for (const name of Object.keys(params)) {
      this.#check(name, params[name].length, grads);
    }
    const { lr, beta1, beta2, eps, weightDecay, decays } = this.#options;
    const decayed = new Set(Object.keys(params).filter((name) => decays(name)));
    for (const [name, p] of Object.entries(params)) {
      const seen = this.#state.get(name) ?? fresh(p.length);
      const { m, v } = seen;
      const t = ++seen.t;
      const keep = decayed.has(name) ? 1 - lr * weightDecay : 1;
      for (let i = 0; i < p.length; i++) {
        const g = grads[name][i];
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        const mHat = m[i] / (1 - beta1 ** t);
        const vHat = v[i] / (1 - beta2 ** t);
        p[i] = keep * p[i] - lr * mHat / (Math.sqrt(vHat) + eps);
      }
      this.#state.set(name, seen);
    }
  }

  /** A copy of all moments, to be saved with the parameters. */
  save(): Record<string, Moments> {
    return structuredClone(Object.fromEntries(this.#state));
  }

  /** Takes a copy of saved moments; what was there is forgotten. */
  restore(saved: Record<string, Moments>): void {
    this.#state = new Map(Object.entries(structuredClone(saved)));
  }

  #check(name: string, size: number, grads: Tensors): void {
    const { eps, beta2 } = this.#options;
    const grad = Object.hasOwn(grads, name) ? grads[name] : undefined;
    const fail = (why: string) => {
      throw new RangeError(`Cannot step "${name}": ${why}`);
    };
    if (!grad) return fail("it has no gradient");
    if (grad.length !== size) {
      fail(`it has ${size} entries, its gradient ${grad.length}`);
    }
    const { m, v } = this.#state.get(name) ?? fresh(size);
    if (m.length !== size || v.length !== size) {
      fail(`it has ${size} entries, its state ${m.length} and ${v.length}`);
    }
    grad.forEach((g, i) => {
      // The square of 1e200 is Infinity, and v would never come back from it.
      if (!Number.isFinite(g * g)) fail(`its gradient at ${i} is ${g}`);
      if (eps === 0 && beta2 * v[i] + (1 - beta2) * g * g === 0) {
        fail(`eps is 0, and so is v at ${i}`);
      }
    });
  }
}

/**
 * Scales all gradients by one factor, so that together they are at most `maxNorm`
 * long. Returns copies.
 * @throws {RangeError} unless `maxNorm` is above 0 and their length finite
 */
export function clipByNorm(
  grads: Tensors,
  maxNorm: number,
): Record<string, Float64Array> {
  need(maxNorm > 0, `clip to length ${maxNorm}: needs more than 0`);
  let norm = 0; // by hypot, because the square of 1e200 is Infinity
  for (const [name, grad] of Object.entries(grads)) {
    for (const g of grad) norm = Math.hypot(norm, g);
    need(Number.isFinite(norm), `clip: with "${name}" the length is ${norm}`);
  }
  const factor = Math.min(1, maxNorm / norm);
  const clipped: Record<string, Float64Array> = {};
  for (const [name, grad] of Object.entries(grads)) {
    clipped[name] = Float64Array.from(grad, (g) => g * factor);
  }
  return clipped;
}

/**
 * Bytes to train N weights, without activations. `mixed` keeps weights and gradients
 * in two bytes, and a float32 master copy of the weights with the optimizer.
 */
export function trainingBytes(
  N: number,
  optimizer: "sgd" | "momentum" | "adam",
  mixed = false,
): { weights: number; gradients: number; state: number; total: number } {
  need(Number.isSafeInteger(N) && N >= 0, `count the bytes of ${N} weights`);
  const moments = { sgd: 0, momentum: 1, adam: 2 }[optimizer];
  const weights = N * (mixed ? 2 : 4);
  const state = N * 4 * (moments + (mixed ? 1 : 0));
  return { weights, gradients: weights, state, total: 2 * weights + state };
}

function need(ok: boolean, what: string): void {
  if (!ok) throw new RangeError(`Cannot ${what}`);
}

const zeros = (size: number) => new Array<number>(size).fill(0);
const fresh = (size: number) => ({ t: 0, m: zeros(size), v: zeros(size) });

if (import.meta.main) {
  console.log("step in units of lr, constant gradient, without the correction");
  for (const t of [1, 12, 1000]) {
    const step = (1 - 0.9 ** t) / Math.sqrt(1 - 0.999 ** t);
    console.log(`  t = ${t}`, step.toFixed(2));
  }
  console.log("two weights of 1, gradients ±10 and ±0.01, lr 0.01, decay 0.1");
  for (const l2 of [0.1, 0]) {
    const adam = new AdamW({ lr: 0.01, weightDecay: 0.1 - l2 });
    const p = Float64Array.of(1, 1);
    for (let t = 0; t < 200; t++) {
      const grad = p.map((v, i) => [10, 0.01][i] * (-1) ** t + l2 * v);
      adam.step({ p }, { p: grad });
    }
    console.log(l2 ? "  L2   " : "  AdamW", ...p.map((v) => +v.toFixed(3)));
  }
  console.log("GB for 70 billion weights in float32: state, total");
  for (const name of ["sgd", "momentum", "adam"] as const) {
    const { state, total } = trainingBytes(70e9, name);
    console.log(`  ${name}`.padEnd(12), state / 1e9, " ", total / 1e9);
  }
}
