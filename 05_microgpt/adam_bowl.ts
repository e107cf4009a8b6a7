#!/usr/bin/env -S deno run
/**
 * Q. What does Adam do that plain gradient descent does not?
 *
 * A. Two things. It steps along a running mean of the gradient, so that what
 * swings to and fro cancels. And it divides each parameter's step by the root of
 * a running mean of its squared gradient, so that a steep direction and a flat
 * one move equally far. Both means start at 0 and are corrected for that. In a
 * bowl that is 100 times steeper one way, plain descent must be slow along the
 * flat way, or it flies out over the steep one.
 *
 * Trap: calling Adam "just an adaptive learning rate": the momentum is half of it.
 * Left out: weight decay, AMSGrad.
 * Source: Kingma, Ba (2015), https://arxiv.org/abs/1412.6980.
 * Run: `deno run adam_bowl.ts`
 * @module
 */
import { createModel, KARPATHY, update } from "./microgpt.ts";
import { PythonRandom } from "./python_random.ts";

/** A place in the bowl. */
export type Point = readonly [x: number, y: number];

/** The height of the bowl, 100 times steeper along y. */
export const bowl = ([x, y]: Point): number => (x * x + 100 * y * y) / 2;

const slope = ([x, y]: Point): Point => [x, 100 * y];

/** Steps of x −= rate · slope from (1, 1); the path has `steps` + 1 points. */
export function descend(rate: number, steps: number): Point[] {
  const path: Point[] = [[1, 1]];
  for (let i = 0; i < steps; i++) {
    const [[x, y], [dx, dy]] = [path[i], slope(path[i])];
    path.push([x - rate * dx, y - rate * dy]);
  }
  return path;
}

/** Steps of the optimizer of microgpt.ts from (1, 1), its rate falling evenly. */
export function adam(rate: number, steps: number): Point[] {
  const sizes = { layers: 0, heads: 1, embd: 1, block: 1 };
  const config = { ...KARPATHY, ...sizes, lr: rate, steps };
  const model = createModel(config, ["a"], new PythonRandom(0));
  const [x, y] = model.params; // the others have no gradient, and stay
  [x.data, y.data] = [1, 1];
  const path: Point[] = [[1, 1]];
  for (let i = 0; i < steps; i++) {
    [x.grad, y.grad] = slope(path[i]);
    update(model);
    path.push([x.data, y.data]);
  }
  return path;
}

if (import.meta.main) {
  const steps = 60;
  const paths = {
    "descent, rate 0.019": descend(0.019, steps),
    "descent, rate 0.021": descend(0.021, steps),
    "Adam, rate 0.2": adam(0.2, steps),
  };
  console.log("(x, y) in the bowl (x² + 100 y²) / 2, from (1, 1)");
  for (const [name, path] of Object.entries(paths)) {
    console.log(name);
    for (const i of [1, 2, 3, 10, 30, 60]) {
      const [x, y] = path[i].map((z) => z.toFixed(3).padStart(9));
      const height = bowl(path[i]).toPrecision(2);
      console.log(`  step ${`${i}`.padStart(2)} ${x} ${y}   height ${height}`);
    }
  }
}
