#!/usr/bin/env -S deno run
/**
 * Q. Derive and implement forward and backward of Affine → ReLU → Affine → softmax with
 * cross-entropy, for a batch.
 *
 * A. Go from the loss backwards and pass on the gradient by each layer's input. Softmax
 * and cross-entropy together have the simplest one: (p − onehot(t)) / B. Affine: Y = X·W + b
 * gives dW = Xᵀ·dY, db the column sum of dY, as b was added to each row, and
 * dX = dY·Wᵀ. ReLU lets dY pass where its input was above 0. So a layer must keep its
 * input from forward. The 1/B comes in once, at the loss. Each gradient has the shape of
 * what it belongs to: that settles most transposes, and a gradient check the rest.
 *
 * Shapes: B rows; N inputs, H hidden, K classes.
 * Time O(B·(N·H + H·K)), backward twice forward; space O(B·(N + H + K)) to keep.
 * Trap: softmax and logarithm as two layers: log 0 for a logit of −800.
 * Left out: optimisers (adamw.ts), other layers, a graph (autograd.ts).
 * Source: Rumelhart, Hinton, Williams (1986), doi:10.1038/323533a0.
 * Run: `deno run backprop.ts`
 * @module
 */

/** Rows of one length. */
export type Matrix = readonly (readonly number[])[];

/** What has a forward and a backward pass. */
export interface Layer {
  /** The output for rows (B, in); keeps what backward needs. */
  forward(x: Matrix): number[][];
  /**
   * The gradient by the input of the last forward, from that by its output. Also sets
   * the gradients of the layer's own parameters, for this batch alone.
   */
  backward(dy: Matrix): number[][];
}

/** Y = X·W + b. */
export class Affine implements Layer {
  /** Gradients, (N, M) and (M,). */
  dw: number[][] = [];
  db: number[] = [];
  #x: Matrix = [];

  /** @param w (N, M); `b` (M,). @throws {RangeError} if they do not fit */
  constructor(readonly w: number[][], readonly b: number[]) {
    checkWidth("w", w, b.length);
  }

  forward(x: Matrix): number[][] {
    checkWidth("x", x, this.w.length);
    this.#x = x;
    return multiply(x, this.w).map((row) => row.map((y, m) => y + this.b[m]));
  }

  backward(dy: Matrix): number[][] {
    checkWidth("dy", dy, this.b.length);
    checkBatch(dy, this.#x);
    this.dw = multiply(transpose(this.#x), dy); // (N, B) · (B, M)
    this.db = this.b.map((_, m) => dy.reduce((sum, row) => sum + row[m], 0));
    return multiply(dy, transpose(this.w)); // (B, M) · (M, N)
  }
}

/** max(0, x); its slope at 0 is taken as 0. */
export class Relu implements Layer {
  #x: Matrix = [];

  forward(x: Matrix): number[][] {
    this.#x = x;
    return x.map((row) => row.map((v) => Math.max(0, v)));
  }

  backward(dy: Matrix): number[][] {
    checkBatch(dy, this.#x);
    checkWidth("dy", dy, this.#x[0]?.length ?? 0);
    return dy.map((row, b) => row.map((g, n) => this.#x[b][n] > 0 ? g : 0));
  }
}

/** Mean cross-entropy of softmax(logits), in nats. */
export class SoftmaxLoss {
  #dlogits: number[][] = [];

  /**
   * @param logits (B, K)
   * @param targets (B,) classes
   * @throws {RangeError} if there is no row, sizes differ, or a target is no class
   */
  forward(logits: Matrix, targets: readonly number[]): number {
    const B = logits.length;
    if (B === 0 || targets.length !== B) {
      throw new RangeError(`Cannot score ${B} rows, ${targets.length} targets`);
    }
    let sum = 0;
    this.#dlogits = logits.map((row, b) => {
      const t = targets[b];
      if (!(Number.isInteger(t) && t >= 0 && t < row.length)) {
        throw new RangeError(
          `Cannot score row ${b}: target ${t} of ${row.length} classes`,
        );
      }
      // Not spread: 200,000 classes are too many arguments.
      const max = row.reduce((a, b) => Math.max(a, b));
      const powers = row.map((z) => Math.exp(z - max));
      const total = powers.reduce((s, p) => s + p, 0);
      // Not the logarithm of a share, which may be 0.
      sum += Math.log(total) + (max - row[t]);
      return powers.map((p, k) => (p / total - (k === t ? 1 : 0)) / B);
    });
    return sum / B;
  }

  /** The gradient by the logits, (B, K): (share − 1 at the target) / B. */
  backward(): number[][] {
    return this.#dlogits;
  }
}

/** Layers one after the other, and the loss. */
export class Network {
  readonly #loss = new SoftmaxLoss();
  /** The gradients by what goes into each layer, and at the end by the logits. */
  deltas: number[][][] = [];

  constructor(readonly layers: readonly Layer[]) {}

  /** The mean loss of rows (B, N) with targets (B,). */
  forward(x: Matrix, targets: readonly number[]): number {
    const logits = this.layers.reduce<Matrix>((y, l) => l.forward(y), x);
    return this.#loss.forward(logits, targets);
  }

  /** The gradient by the rows of the last forward, (B, N). */
  backward(): number[][] {
    this.deltas = [this.#loss.backward()];
    for (const layer of this.layers.toReversed()) {
      this.deltas.unshift(layer.backward(this.deltas[0]));
    }
    return this.deltas[0];
  }
}

function multiply(a: Matrix, b: Matrix): number[][] {
  const columns = transpose(b);
  return a.map((row) =>
    columns.map((column) => row.reduce((sum, v, i) => sum + v * column[i], 0))
  );
}

const transpose = (a: Matrix) =>
  Array.from({ length: a[0]?.length ?? 0 }, (_, j) => a.map((row) => row[j]));

function checkWidth(name: string, rows: Matrix, width: number): void {
  const wrong = rows.find((row) => row.length !== width);
  if (rows.length > 0 && !wrong) return;
  const found = wrong ? `rows of ${wrong.length}` : "no rows";
  throw new RangeError(`Cannot use ${name}: it has ${found}, needs ${width}`);
}

function checkBatch(dy: Matrix, x: Matrix): void {
  if (dy.length === x.length) return;
  throw new RangeError(
    `Cannot go back with ${dy.length} rows: forward had ${x.length}`,
  );
}

if (import.meta.main) {
  const x = [[1, 0.5, 0.5], [0.3, -0.8, 1]]; // (B, N)
  const targets = [1, 0];
  const first = new Affine([[0.2, -0.4], [0.7, 0.1], [-0.3, 0.5]], [0.1, 0]);
  const second = new Affine([[0.6, -0.2], [-0.5, 0.4]], [0, 0.2]);
  const net = new Network([first, new Relu(), second]);
  const loss = net.forward(x, targets);
  net.backward();
  const show = (rows: Matrix) =>
    rows.map((row) => row.map((v) => v.toFixed(4)).join(" ")).join(" | ");
  console.log(`loss ${loss.toFixed(6)}; backwards from it:`);
  const rows: [string, Matrix][] = [
    ["dlogits = (p − onehot) / B", net.deltas[3]],
    ["dW2 = hiddenᵀ·dlogits", second.dw],
    ["db2 = column sum", [second.db]],
    ["dhidden = dlogits·W2ᵀ", net.deltas[2]],
    ["through ReLU, where > 0", net.deltas[1]],
    ["dW1 = xᵀ·dhidden", first.dw],
    ["db1 = column sum", [first.db]],
    ["dx = dhidden·W1ᵀ", net.deltas[0]],
  ];
  rows.forEach(([name, m]) => console.log(name.padEnd(28), show(m)));
  const [up, down] = [1e-5, -1e-5].map((h) => {
    const w = first.w.map((row, n) => n === 0 ? [row[0] + h, row[1]] : row);
    const layers = [new Affine(w, first.b), new Relu(), second];
    return new Network(layers).forward(x, targets);
  });
  console.log("dW1[0][0] by differences    ", ((up - down) / 2e-5).toFixed(4));
  const share = Math.exp(-800) / (1 + Math.exp(-800));
  console.log("\n−log of the share of [0, −800]:", -Math.log(share));
  const sum = new SoftmaxLoss().forward([[0, -800]], [1]);
  console.log("in one step:                   ", sum);
}
