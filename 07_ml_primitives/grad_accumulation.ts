#!/usr/bin/env -S deno run
/**
 * Q. Write a wrapper that accumulates gradients over n micro-batches before one
 * optimizer step. How does it go together with BatchNorm, and what is it in PyTorch?
 *
 * A. Start from zeros, add each gradient times the number of samples it is a mean of,
 * divide by all samples at the end, step once, zero again. 1/n for each is right only
 * if all are of one size: the mean of means is not the mean. What is left at the end
 * of an epoch needs a flush. Clip what is averaged, never its parts. SGD shows a
 * missing 1/n, as an n times longer step; Adam hides it, because it divides by the
 * gradient's size. BatchNorm runs, but its statistics are those of a micro-batch
 * (batch_norm.ts); LayerNorm and RMSNorm look at one row, and nothing changes. In PyTorch: zero_grad();
 * for each (loss * count / total).backward(), which adds to .grad; clip; step().
 *
 * Shapes: any; a parameter is a flat array under a name.
 * Time O(P) a micro-batch beside the model's own, for P weights; space O(P).
 * Trap: with 6 and 2 samples, 1/n gives each of the 2 three times the weight.
 * Left out: several workers (ring all-reduce), loss scaling for float16.
 * Source: Goyal et al. (2017), arXiv:1706.02677, section 3 (pitfalls of scaling).
 * Run: `deno run grad_accumulation.ts`
 * @module
 */

/** Parameters or gradients, by name. */
export type Tensors = Readonly<Record<string, Float64Array>>;

/** What a model says about one micro-batch. */
export interface Micro {
  /** Mean over its samples. */
  readonly loss: number;
  /** Gradients of that mean; one that is not there counts as zeros. */
  readonly grads: Tensors;
  /** Samples in it, or tokens if the loss is a mean of tokens. */
  readonly count: number;
}

export interface Model<Batch> {
  readonly params: Tensors;
  backward(batch: Batch): Micro;
}

export interface Optimizer {
  step(params: Tensors, grads: Tensors): void;
}

export class GradAccumulator<Batch> {
  readonly #model: Model<Batch>;
  readonly #optimizer: Optimizer;
  readonly #n: number;
  readonly #maxNorm: number;
  /** Σ count · gradient of this window. */
  readonly #sums: Tensors;
  #count = 0;
  #pending = 0;

  /**
   * @param n micro-batches in a window; 1 is the plain step
   * @param maxNorm length to which the averaged gradient is clipped
   * @throws {RangeError} if n is not a positive integer, or maxNorm not above 0
   */
  constructor(
    model: Model<Batch>,
    optimizer: Optimizer,
    n: number,
    maxNorm = Infinity,
  ) {
    if (!Number.isInteger(n) || n < 1) {
      throw new RangeError(
        `Cannot accumulate ${n} micro-batches: needs 1 or more`,
      );
    }
    if (!(maxNorm > 0)) {
      throw new RangeError(
        `Cannot clip to length ${maxNorm}: needs more than 0`,
      );
    }
    this.#model = model;
    this.#optimizer = optimizer;
    this.#n = n;
    this.#maxNorm = maxNorm;
    this.#sums = mapTensors(model.params, (p) => p.map(() => 0));
  }

  /** Micro-batches that no step has used yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Adds one micro-batch; every n-th call steps the optimizer.
   *
   * If anything throws, the model or the optimizer or a check here, the window is as
   * before the call, and the batch can be sent again.
   * @returns the mean loss of this micro-batch, not scaled
   * @throws {RangeError} if the batch is empty, its loss or a gradient is not finite,
   * or a gradient has no parameter or another size, or Σ count · gradient overflows
   */
  step(batch: Batch): number {
    const { loss, grads, count } = this.#model.backward(batch);
    this.#check(loss, grads, count);
    const sums = mapTensors(this.#sums, (sum, name) => {
      const grad = grads[name];
      return sum.map((s, i) => s + (grad ? count * grad[i] : 0));
    });
    for (const [name, sum] of Object.entries(sums)) {
      if (sum.every(Number.isFinite)) continue;
      throw new RangeError(`Cannot accumulate: the sum of "${name}" overflows`);
    }
    if (this.#pending + 1 === this.#n) {
      this.#apply(sums, this.#count + count);
    } else {
      for (const name of Object.keys(sums)) this.#sums[name].set(sums[name]);
      this.#count += count;
      this.#pending++;
    }
    return loss;
  }

  /**
   * Steps with what is there, averaged over what is there: for the end of an epoch.
   * @returns false if nothing was
   */
  flush(): boolean {
    if (this.#pending === 0) return false;
    this.#apply(this.#sums, this.#count);
    return true;
  }

  #apply(sums: Tensors, count: number): void {
    // New arrays, so that the optimizer may keep them.
    const grads = mapTensors(sums, (sum) => sum.map((s) => s / count));
    let norm = 0;
    for (const grad of Object.values(grads)) {
      for (const g of grad) norm = Math.hypot(norm, g);
    }
    if (norm > this.#maxNorm) {
      if (norm === Infinity) {
        throw new RangeError("Cannot clip: the length overflows");
      }
      for (const grad of Object.values(grads)) {
        grad.forEach((g, i) => grad[i] = g * (this.#maxNorm / norm));
      }
    }
    this.#optimizer.step(this.#model.params, grads);
    for (const sum of Object.values(this.#sums)) sum.fill(0);
    this.#count = this.#pending = 0;
  }

  #check(loss: number, grads: Tensors, count: number): void {
    const fail = (why: string) => {
      throw new RangeError(`Cannot accumulate this micro-batch: ${why}`);
    };
    if (!(count > 0 && count < Infinity)) fail(`it has ${count} samples`);
    if (!Number.isFinite(loss)) fail(`its loss is ${loss}`);
    for (const [name, grad] of Object.entries(grads)) {
      const size = this.#sums[name]?.length;
      if (grad.length !== size) {
        fail(
          `"${name}" has ${size ?? "no"} entries, its gradient ${grad.length}`,
        );
      }
      const bad = grad.findIndex((g) => !Number.isFinite(g));
      if (bad >= 0) fail(`the gradient of "${name}" at ${bad} is ${grad[bad]}`);
    }
  }
}

const mapTensors = (
  tensors: Tensors,
  change: (tensor: Float64Array, name: string) => Float64Array,
): Record<string, Float64Array> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, t]) => [name, change(t, name)]),
  );

if (import.meta.main) {
  // The loss (w − y)², mean over the samples y, has the gradient 2 · (w − mean y).
  const model: Model<number[]> = {
    params: { w: Float64Array.of(0) },
    backward(y) {
      const mean = (x: number[]) => x.reduce((sum, v) => sum + v) / x.length;
      const loss = mean(y.map((v) => (model.params.w[0] - v) ** 2));
      const g = 2 * (model.params.w[0] - mean(y));
      return { loss, grads: { w: Float64Array.of(g) }, count: y.length };
    },
  };
  const show = (what: string, g: number) => console.log(what.padEnd(24), g);
  const optimizer: Optimizer = {
    step: (_, grads) => show("  weighted by size", grads.w[0]),
  };
  const [six, two] = [[1, 2, 3, 4, 5, 6], [10, 16]];
  const gradient = (y: number[]) => model.backward(y).grads.w[0];
  console.log("gradient of 8 samples in micro-batches of 6 and 2");
  show("  all at once", gradient([...six, ...two]));
  show("  1/n for each", (gradient(six) + gradient(two)) / 2);
  show("  not scaled", gradient(six) + gradient(two));
  const accumulator = new GradAccumulator(model, optimizer, 4);
  accumulator.step(six);
  accumulator.step(two);
  console.log(`epoch over, ${accumulator.pending} of 4 pending: flush`);
  accumulator.flush();
}
