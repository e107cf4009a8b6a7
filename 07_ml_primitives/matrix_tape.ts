#!/usr/bin/env -S deno run
/**
 * Q. Differentiate the matrix operations of a transformer, without a library.
 *
 * A. Each operation computes its result and pushes onto a tape how a gradient goes back
 * through it. Run from its end, the tape meets each result after all its uses. Gradients
 * are added, as what is used twice has two. For Y = A·B it is dA += dY·Bᵀ and dB +=
 * Aᵀ·dY. A row divided by its root mean square loses the part of its gradient along
 * itself; a softmax loses the mean of its gradient under its own shares.
 *
 * Shapes: a matrix is (rows, columns), flat, row by row.
 * Time of `backward` about twice that of the forward pass; space all results of it.
 * Trap: `grad =` for `grad +=` is right until something is used twice, as a stream is.
 * Left out: more than two dimensions, broadcasting.
 * Source: Griewank, Walther (2008), Evaluating Derivatives, doi:10.1137/1.9780898717761.
 * Run: `deno run matrix_tape.ts`
 * @module
 */

/** A matrix, and the gradient of the loss by it. */
export class Tensor {
  /** As `data`; zeros until {@link backward}. */
  readonly grad: Float64Array;
  constructor(
    readonly rows: number,
    readonly columns: number,
    readonly data = new Float64Array(rows * columns),
  ) {
    if (data.length !== rows * columns) {
      throw new RangeError(`Cannot cut ${data.length} into rows of ${columns}`);
    }
    this.grad = data.map(() => 0);
  }
}

/** How gradients go back, in the order of the forward pass. */
export type Tape = (() => void)[];

/** Runs a tape from its end, once: it adds to every `grad` that it reaches. */
export function backward(tape: Tape): void {
  for (const step of tape.splice(0).reverse()) step();
}

/** a (M, K) times b (K, N): (M, N). @throws {RangeError} if K differs */
export function multiply(a: Tensor, b: Tensor, tape: Tape): Tensor {
  const [M, K, N] = [a.rows, a.columns, b.columns];
  if (b.rows !== K) {
    throw new RangeError(`Cannot multiply ${shape(a)} by ${shape(b)}`);
  }
  const out = new Tensor(M, N);
  const all = (go: (mk: number, kn: number, mn: number) => void) => {
    for (let mk = 0; mk < M * K; mk++) {
      const [row, k] = [Math.floor(mk / K) * N, (mk % K) * N];
      for (let n = 0; n < N; n++) go(mk, k + n, row + n);
    }
  };
  all((mk, kn, mn) => out.data[mn] += a.data[mk] * b.data[kn]);
  tape.push(() =>
    all((mk, kn, mn) => {
      a.grad[mk] += out.grad[mn] * b.data[kn];
      b.grad[kn] += a.data[mk] * out.grad[mn];
    })
  );
  return out;
}

/** a + b, entry by entry. @throws {RangeError} if the shapes differ */
export function plus(a: Tensor, b: Tensor, tape: Tape): Tensor {
  if (a.rows !== b.rows || a.columns !== b.columns) {
    throw new RangeError(`Cannot add ${shape(b)} to ${shape(a)}`);
  }
  const back = (dy: number, i: number) => {
    a.grad[i] += dy;
    b.grad[i] += dy;
  };
  return fill(a.rows, a.columns, (i) => a.data[i] + b.data[i], back, tape);
}

/** x times a factor for each entry: a dropout's, say, or a constant. */
export function scale(x: Tensor, factor: (i: number) => number, tape: Tape) {
  const by = x.data.map((_, i) => factor(i));
  const back = (dy: number, i: number) => x.grad[i] += dy * by[i];
  return fill(x.rows, x.columns, (i) => x.data[i] * by[i], back, tape);
}

/** x, but −Infinity in row r and column c unless `keeps(r, c)`. */
export function hide(
  x: Tensor,
  keeps: (r: number, c: number) => boolean,
  tape: Tape,
): Tensor {
  const C = x.columns;
  const add = (_: number, i: number) =>
    keeps(Math.floor(i / C), i % C) ? 0 : -Infinity;
  return plus(x, new Tensor(x.rows, C, x.data.map(add)), tape);
}

/** max(x, 0) of finite x; at 0 the slope is taken as 0. */
export const relu = (x: Tensor, tape: Tape): Tensor =>
  scale(x, (i) => +(x.data[i] > 0), tape);

/** xᵀ */
export function transpose(x: Tensor, tape: Tape): Tensor {
  const at = (i: number) => (i % x.rows) * x.columns + Math.floor(i / x.rows);
  const back = (dy: number, i: number) => x.grad[at(i)] += dy;
  return fill(x.columns, x.rows, (i) => x.data[at(i)], back, tape);
}

/** Rows `ids` of a table. @throws {RangeError} if one is not there */
export function lookUp(table: Tensor, ids: readonly number[], tape: Tape) {
  const { rows: V, columns: C } = table;
  for (const id of ids) {
    if (Number.isInteger(id) && id >= 0 && id < V) continue;
    throw new RangeError(`Cannot look up row ${id}: there are ${V}`);
  }
  const at = (i: number) => ids[Math.floor(i / C)] * C + i % C;
  const back = (dy: number, i: number) => table.grad[at(i)] += dy;
  return fill(ids.length, C, (i) => table.data[at(i)], back, tape);
}

/** Each row divided by its root mean square; a row of zeros stays so. */
export const norm = (x: Tensor, tape: Tape): Tensor =>
  rowwise(x, tape, (x) => {
    const rms = Math.sqrt(dot(x, x) / x.length + 1e-6);
    const y = x.map((v) => v / rms);
    return [y, (dy, i) => (dy[i] - y[i] * dot(dy, y) / y.length) / rms];
  });

/** The shares of each row, exp(x) / Σ exp(x); zeros where all is −Infinity. */
export const softmax = (x: Tensor, tape: Tape): Tensor =>
  rowwise(x, tape, (x) => {
    const p = logShares(x).map(Math.exp);
    return [p, (dy, i) => p[i] * (dy[i] - dot(dy, p))];
  });

/** The logarithm of {@link softmax}, finite where a share is too small to write. */
export const logSoftmax = (x: Tensor, tape: Tape): Tensor =>
  rowwise(x, tape, (x) => {
    const y = logShares(x);
    return [y, (dy, i) => dy[i] - Math.exp(y[i]) * dy.reduce((s, d) => s + d)];
  });

type Row = Float64Array;
/** Each row of x becomes y; the second function makes entry i of dx of dy. */
function rowwise(
  x: Tensor,
  tape: Tape,
  f: (x: Row) => [y: Row, back: (dy: Row, i: number) => number],
): Tensor {
  const out = new Tensor(x.rows, x.columns);
  for (let i = 0; i < x.data.length; i += x.columns) {
    const row = (data: Row) => data.subarray(i, i + x.columns);
    const [y, back] = f(row(x.data));
    row(out.data).set(y);
    const dy = row(out.grad);
    tape.push(() => dy.forEach((_, j) => x.grad[i + j] += back(dy, j)));
  }
  return out;
}

/** A matrix of y(i); `back` takes its gradient to where it came from. */
function fill(
  rows: number,
  columns: number,
  y: (i: number) => number,
  back: (dy: number, i: number) => void,
  tape: Tape,
): Tensor {
  const out = new Tensor(rows, columns);
  out.data.forEach((_, i) => out.data[i] = y(i));
  tape.push(() => out.grad.forEach(back));
  return out;
}

const shape = (x: Tensor) => `(${x.rows}, ${x.columns})`;
const dot = (a: Row, b: Row) => a.reduce((sum, v, i) => sum + v * b[i], 0);
function logShares(x: Row): Row {
  const max = x.reduce((m, v) => Math.max(m, v), -Infinity);
  // −Infinity − −Infinity would be NaN: where all is hidden, so are the shares.
  if (max === -Infinity) return x.slice();
  const total = x.reduce((sum, v) => sum + Math.exp(v - max), 0);
  return x.map((v) => (v - max) - Math.log(total));
}

if (import.meta.main) {
  const w = new Tensor(2, 2, Float64Array.of(0.3, -0.2, 0.1, 0.4));
  const row = (a: number) => new Tensor(1, 2, Float64Array.of(a, 2));
  // A residual block: a branch starts from the stream, and is added to it.
  const block = (stream: Tensor, start: Tensor, tape: Tape) =>
    plus(stream, relu(multiply(norm(start, tape), w, tape), tape), tape);
  const [x, start, tape] = [row(1), row(1), []];
  block(x, x, tape).grad[0] = 1;
  block(row(1), start, tape).grad[0] = 1;
  backward(tape);
  const y = (x: Tensor) => block(x, x, []).data[0];
  const difference = y(row(1 + 1e-5)) - y(row(1 - 1e-5));
  console.log("∂y/∂x[0] by the tape", x.grad[0]);
  console.log("central difference  ", difference / 2e-5);
  console.log("grad = for grad +=  ", start.grad[0]);
}
