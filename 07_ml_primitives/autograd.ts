#!/usr/bin/env -S deno run
/**
 * Q. Write a tensor autograd: requiresGrad, backward, zeroGrad, a mode without gradients.
 *
 * A. Each result remembers its parents and how to turn its own gradient into theirs: that
 * is the graph, built while the forward pass runs. backward() puts it into topological
 * order, starts with 1 at the loss and goes back to the leaves; what arrives on several
 * ways is summed. Where an operand was broadcast, its gradient is summed over what was
 * repeated. Leaves add to `grad`, so a second backward adds again: zero it in between.
 * An operation that needs numbers for its backward notes their version; writing in place
 * raises it, and backward refuses instead of being wrong.
 *
 * Shapes: R rows and C columns, as (R, C); an axis of 1 is repeated where it must be.
 * Time backward about twice forward; space: all that the graph holds.
 * Trap: writing in place to what backward still needs: without versions, a wrong number.
 * Left out: more axes (broadcasting.ts), writing in place within the graph, views, freeing
 * the graph, second derivatives.
 * Source: Paszke et al. (2019), arXiv:1912.01703; Baydin et al. (2018),
 * arXiv:1502.05767.
 * Run: `deno run autograd.ts`
 * @module
 */

type Matrix = number[][];
type Numeric = (a: number, b: number) => number;

/** A step of the graph: an operation, or a leaf. */
interface Node {
  /** Undefined for a parent that requires no gradient. */
  parents: (Node | undefined)[];
  /** Throws if something that `back` reads was written to. */
  check(): void;
  /** From the gradient of the result to that of each parent. */
  back(grad: Matrix): Matrix[];
  leaf?: Tensor;
}

let recording = true;

/** Runs `work` without building a graph, as for an optimiser's step. */
export function noGrad<T>(work: () => T): T {
  const before = recording;
  recording = false;
  try {
    return work();
  } finally {
    recording = before;
  }
}

/** Numbers (R, C) that know where they come from. */
export class Tensor {
  /** Of a leaf: (R, C), what backward() has added up since zeroGrad(). */
  grad?: Matrix;
  #version = 0;
  #node?: Node;

  /** @throws {RangeError} if there is no number, or rows differ in length */
  constructor(readonly rows: Matrix, requiresGrad = false) {
    if (!rows[0]?.length || rows.some((r) => r.length !== rows[0].length)) {
      throw new RangeError("Cannot make a tensor: needs rows of one length");
    }
    const leaf = { parents: [], check: () => {}, back: () => [], leaf: this };
    if (requiresGrad) this.#node = leaf;
  }

  /** Whether backward() goes through here. */
  get requiresGrad(): boolean {
    return this.#node !== undefined;
  }

  add(other: Tensor): Tensor {
    const sum = pairs(this.rows, other.rows, plus);
    return this.#from([this, other], sum, (g) => [g, g], []);
  }

  mul(other: Tensor): Tensor {
    const [a, b] = [this.rows, other.rows];
    const back = (g: Matrix) => [pairs(g, b, times), pairs(g, a, times)];
    return this.#from([this, other], pairs(a, b, times), back);
  }

  /** (R, C) times (C, K): (R, K). @throws {RangeError} if C differs */
  matmul(other: Tensor): Tensor {
    const [a, b] = [this.rows, other.rows];
    const back = (g: Matrix) => [
      multiply(g, transpose(b)),
      multiply(transpose(a), g),
    ];
    return this.#from([this, other], multiply(a, b), back);
  }

  /** f of each number, as in x.map(Math.exp, Math.exp). @param slope of f at x */
  map(f: (x: number) => number, slope: (x: number) => number): Tensor {
    const { rows } = this;
    const back = (g: Matrix) => [pairs(g, rows, (gi, x) => gi * slope(x))];
    return this.#from([this], rows.map((row) => row.map((x) => f(x))), back);
  }

  /** All to (1, 1), or each row to one number, (R, 1). */
  sum(over: "all" | "row" = "all"): Tensor {
    const { rows } = this;
    const sums = reduce(rows, over === "all" ? 1 : rows.length, 1);
    const back = (g: Matrix) => [pairs(rows, g, (_, gi) => gi)];
    return this.#from([this], sums, back, []);
  }

  /** A copy, without where it comes from. */
  detach(): Tensor {
    return new Tensor(this.rows.map((row) => [...row]));
  }

  /**
   * Adds a tensor that may be repeated, in place.
   * @throws {RangeError} if one requires a gradient, outside of noGrad(), or if the sum
   * is larger
   */
  addInPlace(other: Tensor): void {
    if (recording && (this.#node ?? other.#node)) {
      throw new RangeError("Cannot write in place to the graph: use noGrad()");
    }
    const sums = pairs(this.rows, other.rows, plus);
    if (shape(sums) !== shape(this.rows)) {
      throw new RangeError(
        `Cannot write ${shape(sums)} in place of ${shape(this.rows)}`,
      );
    }
    this.rows.forEach((row, r) => row.forEach((_, c) => row[c] = sums[r][c]));
    this.#version++;
  }

  zeroGrad(): void {
    this.grad = undefined;
  }

  /**
   * Adds ∂this/∂leaf to the `grad` of each leaf.
   * @throws {RangeError} if this is not (1, 1), requires no gradient, or needs what was
   * written to; then no `grad` has changed
   */
  backward(): void {
    if (!this.#node || shape(this.rows) !== "(1, 1)") {
      const why = this.#node ? "needs (1, 1)" : "it requires no gradient";
      throw new RangeError(`Cannot go back from ${shape(this.rows)}: ${why}`);
    }
    const order = parentsFirst(this.#node);
    order.forEach((node) => node.check());
    const grads = new Map<Node, Matrix>([[this.#node, [[1]]]]);
    const add = (g: Matrix, sum?: Matrix) => sum ? pairs(g, sum, plus) : g;
    for (const node of order.reverse()) {
      const grad = grads.get(node)!;
      if (node.leaf) node.leaf.grad = add(grad, node.leaf.grad);
      node.back(grad).forEach((g, i) => {
        const parent = node.parents[i];
        if (parent) grads.set(parent, add(g, grads.get(parent)));
      });
    }
  }

  /** A result of `parents`; `back` reads the numbers of `saved`. */
  #from(parents: Tensor[], rows: Matrix, back: Node["back"], saved = parents) {
    const result = new Tensor(rows);
    if (!recording || !parents.some((parent) => parent.#node)) return result;
    const versions = saved.map((tensor) => tensor.#version);
    result.#node = {
      parents: parents.map((parent) => parent.#node),
      check() {
        const bad = saved.find((t, i) => t.#version !== versions[i])?.rows;
        if (bad === undefined) return;
        throw new RangeError(`Cannot go back: a ${shape(bad)} was overwritten`);
      },
      // What was repeated gets the sum over its copies.
      back: (grad) =>
        back(grad).map((g, i) =>
          reduce(g, parents[i].rows.length, parents[i].rows[0].length)
        ),
    };
    return result;
  }
}

const plus: Numeric = (a, b) => a + b;
const times: Numeric = (a, b) => a * b;

/** f of each pair; an axis of 1 is repeated. */
function pairs(a: Matrix, b: Matrix, f: Numeric): Matrix {
  const R = Math.max(a.length, b.length);
  const C = Math.max(a[0].length, b[0].length);
  for (const x of [a, b]) {
    if ([1, R].includes(x.length) && [1, C].includes(x[0].length)) continue;
    throw new RangeError(`Cannot broadcast ${shape(a)} with ${shape(b)}`);
  }
  const at = (x: Matrix, r: number, c: number) =>
    x[r % x.length][c % x[0].length];
  return grid(R, C, (r, c) => f(at(a, r, c), at(b, r, c)));
}

/** Sums over each axis that is 1 in (R, C). */
function reduce(x: Matrix, R: number, C: number): Matrix {
  const sums = grid(R, C, () => 0);
  x.forEach((row, r) => row.forEach((v, c) => sums[r % R][c % C] += v));
  return sums;
}

function multiply(a: Matrix, b: Matrix): Matrix {
  if (a[0].length !== b.length) {
    throw new RangeError(`Cannot multiply ${shape(a)} by ${shape(b)}`);
  }
  return grid(
    a.length,
    b[0].length,
    (r, c) => a[r].reduce((sum, v, k) => sum + v * b[k][c], 0),
  );
}

const transpose = (a: Matrix) => a[0].map((_, c) => a.map((row) => row[c]));
const shape = (a: Matrix) => `(${a.length}, ${a[0].length})`;

/** Numbers (R, C) by row and column. */
const grid = (R: number, C: number, f: Numeric): Matrix =>
  [...Array(R).keys()].map((r) => [...Array(C).keys()].map((c) => f(r, c)));

/** All that `root` comes from, parents first; no recursion, however deep. */
function parentsFirst(root: Node): Node[] {
  const [order, stack] = [new Set<Node>(), [root]];
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    const next = node.parents.find((parent) => parent && !order.has(parent));
    if (next) stack.push(next);
    else order.add(stack.pop()!);
  }
  return [...order];
}

if (import.meta.main) {
  const x = new Tensor([[1, 2], [3, 4], [5, 6]]); // (B, N)
  const minus = new Tensor([[-1], [0], [2]]); // (B, 1)
  const [w, bias] = [[[0.5], [-1]], [[0.25]]].map((m) => new Tensor(m, true));
  const loss = () => {
    const error = x.matmul(w).add(bias).add(minus);
    return error.mul(error).sum();
  };
  const show = (name: string) =>
    console.log(name.padEnd(24), `dw ${w.grad}`, ` dbias ${bias.grad}`);
  loss().backward();
  show("backward");
  loss().backward();
  show("again, without zeroGrad");
  const last = loss();
  noGrad(() => w.addInPlace(new Tensor([[1]])));
  try {
    last.backward();
  } catch (error) {
    console.log((error as Error).message);
  }
}
