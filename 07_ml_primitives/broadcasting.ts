#!/usr/bin/env -S deno run
/**
 * Q. What are NumPy's broadcasting rules? What is the gradient of a tensor that was
 * broadcast?
 *
 * A. Write the shapes one below the other, aligned on the right; a missing axis counts
 * as 1. On each axis the sizes must be equal, or one of them 1, and that one is
 * repeated. Nothing is copied: its stride is 0, so every index reads the same number.
 * Backward, a number that was read many times gets the sum of what comes back: sum the
 * gradient over the axes that were added, and over those that were 1, keeping these as
 * size 1. So the gradient of a bias (M,) added to (B, M) is the column sum.
 *
 * Shapes: any; of R axes, N numbers in the result.
 * Time O(N·R); space O(N) for a result, O(R) for a view.
 * Trap: predictions (B, 1) minus labels (B,) is (B, B): it runs, and means nothing.
 * Left out: types of numbers, views that are not contiguous, in-place operations.
 * Source: NumPy manual, "Broadcasting", https://numpy.org/doc/stable/user/basics.broadcasting.html.
 * Run: `deno run broadcasting.ts`
 * @module
 */

/** Sizes of the axes, the outermost first; [] is the shape of a single number. */
export type Shape = readonly number[];

/** Numbers in row-major order. */
export interface Tensor {
  readonly data: Float64Array;
  readonly shape: Shape;
}

/**
 * The shape of a result of tensors of these shapes.
 * @throws {RangeError} if an axis has two sizes and neither is 1, or one is no count
 */
export function broadcastShapes(...shapes: Shape[]): number[] {
  const none = shapes.flat().find((n) => !(Number.isSafeInteger(n) && n >= 0));
  if (none !== undefined) {
    throw new RangeError(`Cannot broadcast a size of ${none}: needs 0 or more`);
  }
  const R = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: R }, (_, axis) => {
    const sizes = shapes
      .map((shape) => shape[axis - R + shape.length] ?? 1)
      .filter((size) => size !== 1);
    if (new Set(sizes).size > 1) {
      const [a, b] = new Set(sizes);
      throw new RangeError(
        `Cannot broadcast ${
          shapes.map(show).join(" with ")
        }: sizes ${a} and ${b} differ ${R - axis} from the right`,
      );
    }
    return sizes[0] ?? 1;
  });
}

/**
 * How far to move in the data of `shape` for a step along each axis of `to`: 0 along
 * an axis that is repeated.
 * @returns one stride for each axis of `to`
 * @throws {RangeError} if `shape` does not broadcast to `to`
 */
export function broadcastStrides(shape: Shape, to: Shape): number[] {
  const strides = new Array<number>(to.length).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const at = axis - shape.length + to.length;
    if (shape[axis] !== 1 && shape[axis] !== to[at]) {
      throw new RangeError(`Cannot broadcast ${show(shape)} to ${show(to)}`);
    }
    if (shape[axis] !== 1) strides[at] = stride;
    stride *= shape[axis];
  }
  if (shape.length > to.length) {
    throw new RangeError(`Cannot broadcast ${show(shape)} to ${show(to)}`);
  }
  return strides;
}

/**
 * f of each pair of numbers.
 * @returns of the shape that both broadcast to
 * @throws {RangeError} as {@link broadcastShapes}, or if data does not fill its shape
 */
export function combine(
  a: Tensor,
  b: Tensor,
  f: (a: number, b: number) => number,
): Tensor {
  const shape = broadcastShapes(a.shape, b.shape);
  [a, b].forEach(checkData);
  const [fromA, fromB] = [a, b].map((x) => offsets(x.shape, shape));
  const data = fromA.map((from, i) => f(a.data[from], b.data[fromB[i]]));
  return { data: Float64Array.from(data), shape };
}

/**
 * The gradient of a tensor of `shape`, from that of what it was broadcast to: each
 * number gets the sum over all places where it was read.
 * @throws {RangeError} if `shape` does not broadcast to that of `grad`, or `grad` has
 * too few numbers, or too many
 */
export function reduceTo(grad: Tensor, shape: Shape): Tensor {
  checkData(grad);
  const data = new Float64Array(size(shape));
  offsets(shape, grad.shape).forEach((to, i) => data[to] += grad.data[i]);
  return { data, shape };
}

/** Where in the data of `shape` each number of the larger shape is read. */
function offsets(shape: Shape, to: Shape): number[] {
  const strides = broadcastStrides(shape, to);
  return to.reduce((starts, size, axis) => {
    const stride = strides[axis];
    return starts.flatMap((start) =>
      Array.from({ length: size }, (_, i) => start + i * stride)
    );
  }, [0]);
}

/**
 * A tensor of nested arrays.
 * @throws {RangeError} if rows of one level differ in length
 * @throws {TypeError} if something else than a number is in them
 */
export function tensor(x: unknown): Tensor {
  const shape: number[] = [];
  for (let first = x; Array.isArray(first); first = first[0]) {
    shape.push(first.length);
  }
  const data = [x].flat(shape.length + 1) as number[];
  const check = (x: unknown, axis: number): boolean =>
    Array.isArray(x)
      ? x.length === shape[axis] && x.every((y) => check(y, axis + 1))
      : axis === shape.length;
  if (!check(x, 0)) throw new RangeError("Cannot make a tensor: rows differ");
  const other = data.find((x) => typeof x !== "number");
  if (other !== undefined) {
    throw new TypeError(`Cannot make a tensor: "${other}" is no number`);
  }
  return { data: Float64Array.from(data), shape };
}

function checkData({ data, shape }: Tensor): void {
  if (data.length === size(shape)) return;
  throw new RangeError(
    `Cannot use a tensor ${show(shape)}: it has ${data.length} numbers`,
  );
}

const size = (shape: Shape) => shape.reduce((n, s) => n * s, 1);

/** As Python writes it: (), (3,), (2, 3). */
const show = (shape: Shape) =>
  `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

if (import.meta.main) {
  for (const [a, b] of [[[4, 3], [3]], [[4, 1], [3]], [[2, 1, 5], [3, 1]]]) {
    const shape = broadcastShapes(a, b);
    console.log(
      `${show(a)} with ${show(b)}: ${show(shape)}, strides`,
      broadcastStrides(a, shape),
      broadcastStrides(b, shape),
    );
  }
  try {
    broadcastShapes([2, 3], [3, 2]);
  } catch (error) {
    console.log((error as Error).message);
  }
  const grad = tensor([[1, 2, 3], [10, 20, 30]]); // (B, M)
  console.log("\ngradient of the sum", grad.data.join(" "), "is (2, 3)");
  console.log("of a bias (3,):", reduceTo(grad, [3]).data.join(" "));
  console.log("of a scale (2, 1):", reduceTo(grad, [2, 1]).data.join(" "));

  const labels = tensor([1, 2, 3]); // (B,)
  const perfect = tensor([[1], [2], [3]]); // (B, 1)
  const square = (a: number, b: number) => (a - b) ** 2;
  const errors = combine(perfect, labels, square);
  const loss = errors.data.reduce((sum, e) => sum + e) / errors.data.length;
  console.log("\nlabels (3,), perfect predictions (3, 1)");
  console.log(`errors ${show(errors.shape)}, loss ${loss.toFixed(3)}, not 0`);
}
