import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AdamW } from "./adamw.ts";
import {
  GradAccumulator,
  type Model,
  type Tensors,
} from "./grad_accumulation.ts";

type Sample = { x: number[]; y: number };
const f64 = (...xs: number[]) => Float64Array.from(xs);

/** Linear regression: the loss is the mean of (w · x + b − y)². */
function regression(w = [0.5, -1, 2], b = 0.25): Model<Sample[]> {
  const params = { w: Float64Array.from(w), b: f64(b) };
  // The same buffers every time, as frameworks have it.
  const grads = { w: params.w.map(() => 0), b: f64(0) };
  return {
    params,
    backward(batch) {
      let loss = 0;
      grads.w.fill(0), grads.b.fill(0);
      for (const { x, y } of batch) {
        const error = x.reduce((sum, v, i) =>
          sum + v * params.w[i], params.b[0]) - y;
        loss += error ** 2 / batch.length;
        x.forEach((v, i) => grads.w[i] += 2 * error * v / batch.length);
        grads.b[0] += 2 * error / batch.length;
      }
      return { loss, grads, count: batch.length };
    },
  };
}

/** Plain SGD that keeps what it is given. */
function sgd(lr = 0.1) {
  const calls: Tensors[] = [];
  return {
    calls,
    step(params: Tensors, grads: Tensors) {
      calls.push(grads);
      for (const [name, p] of Object.entries(params)) {
        p.forEach((v, i) => p[i] = v - lr * grads[name][i]);
      }
    },
  };
}

const DATA: Sample[] = [
  { x: [1, 2, 3], y: 5 },
  { x: [-2, 0, 1], y: 1 },
  { x: [0, 1, -1], y: -3 },
  { x: [4, -1, 2], y: 2 },
  { x: [1, 1, 0], y: 8 },
  { x: [-3, 2, 5], y: 13 },
  { x: [2, -2, 1], y: 0 },
  { x: [0, 3, -4], y: 21 },
];
// The order of the sums differs from that of one batch: some 1e−16 of the largest.
const close = (actual: Tensors, expected: Tensors) => {
  assertEquals(Object.keys(actual), Object.keys(expected));
  for (const [name, e] of Object.entries(expected)) {
    assertEquals(actual[name].length, e.length);
    e.forEach((v, i) => assertAlmostEquals(actual[name][i], v, 1e-12));
  }
};

Deno.test("golden: micro-batches of 6 and 2 give the gradient of all 8", () => {
  // python3 -c "
  // import numpy as np
  // x = np.array([[1,2,3],[-2,0,1],[0,1,-1],[4,-1,2],[1,1,0],[-3,2,5],[2,-2,1],
  //   [0,3,-4]]); y = np.array([5, 1, -3, 2, 8, 13, 0, 21])
  // e = x @ [.5, -1, 2] + .25 - y
  // print((2 * x.T @ e / 8).tolist(), (2 * e.mean()).tolist())"
  const optimizer = sgd();
  const accumulator = new GradAccumulator(regression(), optimizer, 2);
  accumulator.step(DATA.slice(0, 6));
  accumulator.step(DATA.slice(6));
  close(optimizer.calls[0], {
    w: f64(10.3125, -33.0, 27.6875),
    b: f64(-8.875),
  });
});

/** Cuts DATA at the places given. */
const cut = (places: readonly number[]) => {
  const ends = [0, ...[...new Set(places)].sort((a, b) => a - b), DATA.length];
  return ends.slice(1).map((end, k) => DATA.slice(ends[k], end));
};
const places = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 7 });

Deno.test("however the batch is cut, the step is that of the whole", () => {
  fc.assert(
    fc.property(places, (at) => {
      const [whole, parts] = [regression(), regression()];
      sgd().step(whole.params, whole.backward(DATA).grads);
      const micros = cut(at);
      const accumulator = new GradAccumulator(parts, sgd(), micros.length);
      for (const micro of micros) accumulator.step(micro);
      close(parts.params, whole.params);
    }),
    { seed: 1 },
  );
});

Deno.test("it is PyTorch's loop: zero_grad, scaled backward into .grad, one step", () => {
  const [torch, ours] = [regression(), regression()];
  const accumulator = new GradAccumulator(ours, sgd(), 3);
  for (let epoch = 0; epoch < 2; epoch++) {
    const grad = { w: f64(0, 0, 0), b: f64(0) };
    for (const micro of cut([3, 5])) {
      const { grads, count } = torch.backward(micro);
      const scale = count / DATA.length;
      grads.w.forEach((g, i) => grad.w[i] += g * scale);
      grad.b[0] += grads.b[0] * scale;
      accumulator.step(micro);
    }
    sgd().step(torch.params, grad);
  }
  close(ours.params, torch.params);
});

Deno.test("the optimizer is called once a window, after its last micro-batch", () => {
  const optimizer = sgd();
  const accumulator = new GradAccumulator(regression(), optimizer, 3);
  const calls = DATA.slice(0, 7).map((sample) => {
    accumulator.step([sample]);
    return [optimizer.calls.length, accumulator.pending];
  });
  assertEquals(calls, [[0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0], [2, 1]]);
});

Deno.test("the second window has the gradient of its own samples only", () => {
  const optimizer = sgd(0);
  const accumulator = new GradAccumulator(regression(), optimizer, 2);
  for (const sample of DATA.slice(0, 4)) accumulator.step([sample]);
  close(optimizer.calls[1], regression().backward(DATA.slice(2, 4)).grads);
  // The first window's gradients are the optimizer's: zeroing did not reach them.
  close(optimizer.calls[0], regression().backward(DATA.slice(0, 2)).grads);
});

Deno.test("a window of 1 is the plain step", () => {
  const [plain, wrapped] = [regression(), regression()];
  const accumulator = new GradAccumulator(wrapped, sgd(), 1);
  for (const batch of cut([3])) {
    sgd().step(plain.params, plain.backward(batch).grads);
    accumulator.step(batch);
    assertEquals(accumulator.pending, 0);
  }
  close(wrapped.params, plain.params);
});

Deno.test("flush() averages over what is there, not over n", () => {
  const optimizer = sgd();
  const accumulator = new GradAccumulator(regression(), optimizer, 4);
  for (const batch of cut([1, 2, 3, 4, 5])) accumulator.step(batch);
  assertEquals([optimizer.calls.length, accumulator.pending], [1, 2]);
  const expected = regression().backward(DATA.slice(4)).grads;
  const lastModel = regression();
  const last = sgd(0);
  const tail = new GradAccumulator(lastModel, last, 4);
  tail.step(DATA.slice(4, 5)), tail.step(DATA.slice(5));
  assertEquals(tail.flush(), true);
  close(last.calls[0], expected);
  assertEquals([tail.pending, tail.flush(), last.calls.length], [0, false, 1]);
  // And the window after it starts from zeros.
  tail.step(DATA), tail.flush();
  close(last.calls[1], regression().backward(DATA).grads);
});

Deno.test("Adam hides a gradient that is n times too long, SGD does not", () => {
  const moved = (
    factor: number,
    optimizer: { step(p: Tensors, g: Tensors): void },
  ) => {
    const params = { p: f64(0) };
    for (const g of [3, 5, 2]) optimizer.step(params, { p: f64(g * factor) });
    return params.p[0];
  };
  assertAlmostEquals(moved(4, sgd()) / moved(1, sgd()), 4, 1e-12);
  const adam = () => new AdamW({ weightDecay: 0 });
  // Only eps sees the factor: 1e−8 beside gradients of 2 and more.
  assertAlmostEquals(moved(4, adam()) / moved(1, adam()), 1, 1e-8);
});

Deno.test("the returned loss is the micro-batch's own mean, not divided by n", () => {
  const accumulator = new GradAccumulator(regression(), sgd(), 4);
  const micro = DATA.slice(2, 5);
  assertEquals(accumulator.step(micro), regression().backward(micro).loss);
});

Deno.test("the average is clipped, not each micro-batch", () => {
  // 3 and −1 average to 1; each clipped to 2 would average to ½.
  const model: Model<number> = {
    params: { w: f64(0) },
    backward: (g) => ({ loss: 0, grads: { w: f64(g) }, count: 1 }),
  };
  const optimizer = sgd();
  const accumulator = new GradAccumulator(model, optimizer, 2, 2);
  for (const g of [3, -1, 8, 4]) accumulator.step(g);
  assertEquals(optimizer.calls, [{ w: f64(1) }, { w: f64(2) }]);
});

Deno.test("a parameter without a gradient gets zeros of its own size", () => {
  const optimizer = sgd();
  const model: Model<number> = {
    params: { used: f64(1), frozen: f64(1, 2, 3) },
    backward: (g) => ({ loss: 0, grads: { used: f64(g) }, count: 2 }),
  };
  new GradAccumulator(model, optimizer, 1, 9).step(5);
  assertEquals(optimizer.calls, [{ used: f64(5), frozen: f64(0, 0, 0) }]);
});

/** Runs a window of 3 in which the second call fails once, by `spoil`. */
function interrupted(spoil: (model: Model<Sample[]>) => Model<Sample[]>) {
  const model = regression();
  const optimizer = sgd();
  let fails = false;
  const accumulator = new GradAccumulator(
    {
      params: model.params,
      backward: (batch: Sample[]) =>
        (fails ? spoil(model) : model).backward(batch),
    },
    optimizer,
    3,
  );
  const [a, b, c] = cut([3, 5]);
  accumulator.step(a);
  fails = true;
  assertThrows(() => accumulator.step(b), Error);
  fails = false;
  assertEquals([accumulator.pending, optimizer.calls.length], [1, 0]);
  accumulator.step(b), accumulator.step(c);
  close(optimizer.calls[0], regression().backward(DATA).grads);
}
const changed =
  (change: object) => (model: Model<Sample[]>): Model<Sample[]> => ({
    ...model,
    backward: (batch) => ({ ...model.backward(batch), ...change }),
  });

Deno.test("a model that throws mid-window leaves the window as it was", () =>
  interrupted((model) => ({
    ...model,
    backward: () => {
      throw new Error("out of memory");
    },
  })));

for (
  const [name, change] of [
    ["a loss of NaN", { loss: NaN }],
    ["an empty batch", { count: 0 }],
    ["Infinity in the last gradient", {
      grads: { w: f64(1, 2, 3), b: f64(Infinity) },
    }],
  ] as const
) {
  Deno.test(`${name} is refused mid-window, and the window is as it was`, () =>
    interrupted(changed(change)));
}

Deno.test("an optimizer that throws leaves the window as it was: the batch can come again", () => {
  const optimizer = sgd();
  let fails = true;
  const accumulator = new GradAccumulator(regression(), {
    step(params, grads) {
      if (fails) throw new Error("refused");
      optimizer.step(params, grads);
    },
  }, 2);
  const [a, b] = cut([3]);
  accumulator.step(a);
  assertThrows(() => accumulator.step(b), Error, "refused");
  assertThrows(() => accumulator.flush(), Error, "refused");
  assertEquals(accumulator.pending, 1);
  fails = false;
  accumulator.step(b);
  close(optimizer.calls[0], regression().backward(DATA).grads);
});

const build = (n: number, maxNorm?: number) => () =>
  new GradAccumulator(regression(), sgd(), n, maxNorm);
const send = (change: object) => () =>
  new GradAccumulator(changed(change)(regression()), sgd(), 2).step(DATA);
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "a window of 0",
    build(0),
    "Cannot accumulate 0 micro-batches: needs 1 or more",
  ],
  ["a window of −1", build(-1), "Cannot accumulate -1 micro-batches"],
  ["a window of 1.5", build(1.5), "Cannot accumulate 1.5 micro-batches"],
  ["clipping to 0", build(2, 0), "Cannot clip to length 0"],
  ["an empty micro-batch", send({ count: 0 }), "it has 0 samples"],
  ["a count of NaN", send({ count: NaN }), "it has NaN samples"],
  ["a loss of Infinity", send({ loss: Infinity }), "its loss is Infinity"],
  [
    "a NaN gradient",
    send({ grads: { b: f64(NaN) } }),
    'the gradient of "b" at 0 is NaN',
  ],
  [
    "a gradient of another size",
    send({ grads: { w: f64(1) } }),
    '"w" has 3 entries, its gradient 1',
  ],
  [
    "a gradient of no parameter",
    send({ grads: { z: f64(1) } }),
    '"z" has no entries, its gradient 1',
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}

Deno.test("gradients below maxNorm are not scaled up to it", () => {
  let got: number[] = [];
  const model = {
    params: { w: Float64Array.of(0, 0) },
    backward: () => ({
      loss: 1,
      grads: { w: Float64Array.of(3, 4) },
      count: 2,
    }),
  };
  const optimizer = {
    step: (_: unknown, { w }: Record<string, Float64Array>) => got = [...w],
  };
  new GradAccumulator(model, optimizer, 1, 5.01).step(0);
  assertEquals(got, [3, 4]);
});

/** What an optimizer gets for micro-batches of one gradient [g, g, …]. */
function accumulate(values: [g: number, count: number][], maxNorm: number) {
  const got: Float64Array[] = [];
  let at = 0;
  const accumulator = new GradAccumulator(
    {
      params: { w: new Float64Array(8) },
      backward: () => {
        const [g, count] = values[at++];
        return { loss: 1, grads: { w: new Float64Array(8).fill(g) }, count };
      },
    },
    { step: (_, grads) => got.push(grads.w) },
    2,
    maxNorm,
  );
  return { accumulator, got };
}

Deno.test("a sum that overflows is an error, and the window stays as it was", () => {
  const { accumulator, got } = accumulate([[2, 1], [1e308, 8], [4, 1]], 1e9);
  accumulator.step(0);
  assertThrows(
    () => accumulator.step(0),
    RangeError,
    'the sum of "w" overflow',
  );
  assertEquals([accumulator.pending, got.length], [1, 0]);
  accumulator.step(0);
  assertEquals(got, [new Float64Array(8).fill(3)]);
});

Deno.test("a gradient whose length overflows is not clipped to zeros", () => {
  const twice: [number, number][] = [[8e307, 1], [8e307, 1]];
  const { accumulator, got } = accumulate(twice, 1);
  accumulator.step(0);
  assertThrows(
    () => accumulator.step(0),
    RangeError,
    "Cannot clip: the length overflows",
  );
  assertEquals([accumulator.pending, got.length], [1, 0]);
});
