import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  AdamW,
  type AdamWOptions,
  clipByNorm,
  trainingBytes,
} from "./adamw.ts";

const f64 = (...xs: number[]) => Float64Array.from(xs);
// A step rounds about ten times, relative to weights and steps near 1.
const close = (actual: ArrayLike<number>, expected: readonly number[]) => {
  assertEquals(actual.length, expected.length);
  expected.forEach((e, i) =>
    assertAlmostEquals(actual[i], e, 1e-13 * Math.max(1, Math.abs(e)))
  );
};

/** How far one weight moves in the last of `grads`, in units of lr. */
function lastStep(grads: readonly number[], options: AdamWOptions = {}) {
  const adam = new AdamW({ lr: 1, weightDecay: 0, ...options });
  const p = f64(0);
  let before = 0;
  for (const g of grads) {
    before = p[0];
    adam.step({ p }, { p: f64(g) });
  }
  return before - p[0];
}

// Golden (optax 0.2.8, jax 0.10.2):
// python3 -c "
// import jax; jax.config.update('jax_enable_x64', True)
// import jax.numpy as np, optax
// p = {'w': np.array([1, -2, .5]), 'b': np.array([3, -.25])}
// opt = optax.adamw(.01, .8, .95, 1e-3, weight_decay=.1,
//   mask={'w': True, 'b': False}); state = opt.init(p)
// for t in range(1, 51):
//   g = {k: np.array([((7 * t + 3 * i) % 11 - 5) / 4 for i in range(len(p[k]))])
//     for k in p}
//   u, state = opt.update(g, state, p); p = optax.apply_updates(p, u)
//   if t in (1, 2, 50): print(t, p['w'].tolist(), p['b'].tolist())"
const GOLDEN: [t: number, w: number[], b: number[]][] = [[1, [
  0.9890199600798403,
  -2.007992006394884,
  0.5094866844207723,
], [2.9900199600798403, -0.25999200639488407]], [2, [
  0.9891398334442226,
  -2.0137722640561746,
  0.5064748381526885,
], [2.9911288534043026, -0.26778025606256944]], [50, [
  0.9237923070294531,
  -1.929894533085656,
  0.48672238818782776,
], [2.9713350995691616, -0.2787409706631096]]];
const OPTIONS: AdamWOptions = {
  lr: 0.01,
  beta1: 0.8,
  beta2: 0.95,
  eps: 1e-3,
  weightDecay: 0.1,
  decays: (name) => name !== "b",
};
const gradAt = (t: number) => (_: number, i: number) =>
  ((7 * t + 3 * i) % 11 - 5) / 4;
function steps(
  adam: AdamW,
  params: { w: Float64Array; b: Float64Array },
  from: number,
  to: number,
) {
  for (let t = from; t <= to; t++) {
    adam.step(params, {
      w: params.w.map(gradAt(t)),
      b: params.b.map(gradAt(t)),
    });
  }
}
const start = () => ({ w: f64(1, -2, 0.5), b: f64(3, -0.25) });

for (const [t, w, b] of GOLDEN) {
  Deno.test(`golden: two parameters after ${t} steps, the bias without decay`, () => {
    const params = start();
    steps(new AdamW(OPTIONS), params, 1, t);
    close(params.w, w);
    close(params.b, b);
  });
}

const seed = { seed: 1 };
const gradient = fc.double({ min: 1e-3, max: 1e3, noNaN: true });

Deno.test("the first step is lr, whatever the gradient's size and sign", () => {
  fc.assert(
    fc.property(gradient, fc.boolean(), (size, negative) => {
      const g = negative ? -size : size;
      // eps takes away eps/g of it, at most 1e−5.
      assertAlmostEquals(lastStep([g]), Math.sign(g), 2e-5);
    }),
    seed,
  );
});

Deno.test("a constant gradient steps by lr at any t: m and v are corrected by t", () => {
  for (const t of [1, 2, 12, 100, 3000]) {
    assertAlmostEquals(lastStep(new Array(t).fill(5)), 1, 1e-8);
  }
});

Deno.test("a factor on all gradients changes no step", () => {
  fc.assert(
    fc.property(fc.array(gradient, { minLength: 1, maxLength: 9 }), (grads) => {
      // A power of 2 rounds nothing.
      assertEquals(
        lastStep(grads.map((g) => g * 1024), { eps: 0 }),
        lastStep(grads, { eps: 0 }),
      );
    }),
    seed,
  );
});

Deno.test("eps is outside the root: a gradient of 1e−6 steps by 0.990 of lr", () => {
  // 1e−6 / (1e−6 + 1e−8) = 100/101; inside the root it would be 0.010.
  assertAlmostEquals(lastStep([1e-6]), 100 / 101, 1e-12);
});

Deno.test("eps is added to v̂, not to v: it is not corrected away", () => {
  // √v is 0.0316 of √v̂ at the first step; eps of the gradient's size halves it.
  assertAlmostEquals(lastStep([0.25], { eps: 0.25 }), 0.5, 1e-12);
});

Deno.test("decay does not depend on the gradient's size, as L2 does", () => {
  const run = (l2: number, weightDecay: number) => {
    const adam = new AdamW({ lr: 0.01, weightDecay });
    const p = f64(1, 1);
    for (let t = 0; t < 200; t++) {
      const grads = f64(10, 0.01).map((g, i) => g * (-1) ** t + l2 * p[i]);
      adam.step({ p }, { p: grads });
    }
    return [...p].map((v) => +v.toFixed(3));
  };
  // python3 -c "
  // for l2, wd in ((0, .1), (.1, 0)):
  //   for size in (10, .01):
  //     p, m, v = 1, 0, 0
  //     for t in range(1, 201):
  //       g = -(-1) ** t * size + l2 * p
  //       m = .9 * m + .1 * g; v = .999 * v + .001 * g * g
  //       p = p - .01 * (wd * p + m / (1 - .9 ** t)
  //         / ((v / (1 - .999 ** t)) ** .5 + 1e-8))
  //     print(round(p, 3))"
  assertEquals(run(0, 0.1), [0.804, 0.804]);
  assertEquals(run(0.1, 0), [0.963, 0.018]);
});

Deno.test("with no gradient decay alone is left: p · (1 − lr · λ)", () => {
  const p = f64(4, -8);
  new AdamW({ lr: 0.5, weightDecay: 0.25 }).step({ p }, { p: f64(0, 0) });
  assertEquals(p, f64(3.5, -7));
});

Deno.test("a parameter that joins later starts its own t", () => {
  const adam = new AdamW({ lr: 1, weightDecay: 0 });
  const early = f64(0);
  for (let t = 0; t < 1000; t++) adam.step({ early }, { early: f64(1) });
  const late = f64(0);
  adam.step({ early, late }, { early: f64(1), late: f64(7) });
  // A shared t = 1001 would make it 0.1 / √0.001 · √(1 − 0.999¹⁰⁰¹) = 2.51.
  assertAlmostEquals(late[0], -1, 1e-8);
  assertEquals([adam.save().early.t, adam.save().late.t], [1001, 1]);
});

Deno.test("saved and restored, through JSON, it goes on with the same bits", () => {
  const whole = start();
  steps(new AdamW(OPTIONS), whole, 1, 20);
  const halves = start();
  const first = new AdamW(OPTIONS);
  steps(first, halves, 1, 13);
  const second = new AdamW(OPTIONS);
  second.restore(JSON.parse(JSON.stringify(first.save())));
  steps(second, halves, 14, 20);
  assertEquals(halves, whole);
});

Deno.test("save() and restore() copy: later steps change neither side", () => {
  const adam = new AdamW(OPTIONS);
  steps(adam, start(), 1, 3);
  const saved = adam.save();
  const kept = structuredClone(saved);
  steps(adam, start(), 4, 5);
  assertEquals(saved, kept);
  const other = new AdamW(OPTIONS);
  other.restore(saved);
  steps(other, start(), 4, 5);
  assertEquals(saved, kept);
});

for (
  const [name, bad] of [["NaN", NaN], ["Infinity", -Infinity], [
    "1e200, whose square is Infinity,",
    1e200,
  ]] as const
) {
  Deno.test(`${name} in the last gradient leaves the first parameter and all state alone`, () => {
    const adam = new AdamW(OPTIONS);
    const params = start();
    steps(adam, params, 1, 2);
    const before = structuredClone([params, adam.save()]);
    assertThrows(
      () => adam.step(params, { w: f64(1, 2, 3), b: f64(1, bad) }),
      RangeError,
      `Cannot step "b": its gradient at 1 is ${bad}`,
    );
    assertEquals([params, adam.save()], before as unknown[]);
  });
}

Deno.test("100,000 steps, until β₁ᵗ is 0, and it still steps by lr", () => {
  const adam = new AdamW({ lr: 1e-3, weightDecay: 0 });
  const p = f64(0);
  for (let t = 0; t < 100_000; t++) adam.step({ p }, { p: f64(2) });
  assertAlmostEquals(p[0], -100, 1e-5);
});

Deno.test("float32 weights keep their state in float64, where 1e−25² is not 0", () => {
  const adam = new AdamW({ lr: 1, weightDecay: 0, eps: 0 });
  const p = Float32Array.of(0);
  adam.step({ p }, { p: Float32Array.of(1e-25) });
  assertAlmostEquals(p[0], -1, 1e-6);
});

Deno.test("lr 0 moves no weight, though t goes on", () => {
  const adam = new AdamW({ lr: 0 });
  const p = f64(3, -5);
  adam.step({ p }, { p: f64(1, 2) });
  assertEquals([p, adam.save().p.t], [f64(3, -5), 1]);
});

Deno.test("β of 0 keeps nothing: each step is lr with its own sign", () => {
  assertEquals(lastStep([9, -0.5], { beta1: 0, beta2: 0, eps: 0 }), -1);
});

Deno.test("the gradients are left unchanged, and nothing is stepped with nothing", () => {
  const g = f64(1, 2);
  new AdamW().step({ p: f64(3, 4) }, { p: g });
  assertEquals(g, f64(1, 2));
  new AdamW().step({}, { stray: g });
});

Deno.test("clipByNorm() takes all gradients for one vector, and keeps its direction", () => {
  const grads = { a: f64(3, 0), b: f64(-4) };
  assertEquals(clipByNorm(grads, 1), {
    a: f64(0.6000000000000001, 0),
    b: f64(-0.8),
  });
  assertEquals(clipByNorm(grads, 6), { a: f64(3, 0), b: f64(-4) });
  assertEquals(clipByNorm({ a: f64(0) }, 6), { a: f64(0) });
  close(clipByNorm({ a: f64(3e200, -4e200) }, 10).a, [6, -8]);
  assertEquals(grads, { a: f64(3, 0), b: f64(-4) });
});

// 70e9 weights: m and v are 2 · 4 bytes each; the 840 GB one often hears are weights,
// m and v, or a master copy, m and v.
const BYTES: [
  optimizer: "sgd" | "momentum" | "adam",
  mixed: boolean,
  state: number,
  total: number,
][] = [
  ["sgd", false, 0, 560e9],
  ["momentum", false, 280e9, 840e9],
  ["adam", false, 560e9, 1120e9],
  ["sgd", true, 280e9, 560e9],
  ["adam", true, 840e9, 1120e9],
];
for (const [optimizer, mixed, state, total] of BYTES) {
  Deno.test(`70 billion weights, ${optimizer}${mixed ? ", mixed" : ""}: ${state / 1e9} GB of ${total / 1e9}`, () => {
    const bytes = trainingBytes(70e9, optimizer, mixed);
    assertEquals([bytes.state, bytes.total], [state, total]);
    assertEquals(bytes.weights + bytes.gradients + bytes.state, bytes.total);
  });
}

const step = (options: AdamWOptions, p: Float64Array, g?: Float64Array) => () =>
  new AdamW(options).step({ p }, g ? { p: g } : {});
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "lr below 0",
    () => new AdamW({ lr: -1 }),
    "Cannot set lr to -1: needs 0 or more",
  ],
  ["lr of NaN", () => new AdamW({ lr: NaN }), "Cannot set lr to NaN"],
  [
    "beta1 of 1",
    () => new AdamW({ beta1: 1 }),
    "beta1 to 1: needs 0 or more and less than 1",
  ],
  [
    "beta2 below 0",
    () => new AdamW({ beta2: -0.1 }),
    "Cannot set beta2 to -0.1",
  ],
  ["beta2 of NaN", () => new AdamW({ beta2: NaN }), "Cannot set beta2 to NaN"],
  ["eps below 0", () => new AdamW({ eps: -1e-8 }), "Cannot set eps to -1e-8"],
  [
    "decay below 0",
    () => new AdamW({ weightDecay: -1 }),
    "Cannot set weightDecay to -1",
  ],
  [
    "a missing gradient",
    step({}, f64(1)),
    'Cannot step "p": it has no gradient',
  ],
  [
    "one gradient for three weights",
    step({}, f64(1, 2, 3), f64(1)),
    "it has 3 entries, its gradient 1",
  ],
  [
    "eps and v of 0",
    step({ eps: 0 }, f64(1, 2), f64(1, 0)),
    "eps is 0, and so is v at 1",
  ],
  ["clipping to 0", () => clipByNorm({}, 0), "Cannot clip to length 0"],
  [
    "state of another size",
    () => {
      const adam = new AdamW();
      adam.restore({ p: { t: 1, m: [0], v: [0] } });
      adam.step({ p: f64(1, 2) }, { p: f64(1, 2) });
    },
    "it has 2 entries, its state 1 and 1",
  ],
  [
    "a name that only Object.prototype has",
    () => new AdamW().step({ toString: f64(1) }, {}),
    'Cannot step "toString": it has no gradient',
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}

Deno.test("an error of decays() comes before anything has moved", () => {
  const optimizer = new AdamW({
    decays: (name) => {
      if (name === "b") throw new Error("which one?");
      return true;
    },
  });
  const params = { a: Float64Array.of(1), b: Float64Array.of(2) };
  const grads = { a: Float64Array.of(1), b: Float64Array.of(1) };
  assertThrows(() => optimizer.step(params, grads), Error, "which one?");
  assertEquals(params, { a: Float64Array.of(1), b: Float64Array.of(2) });
});

Deno.test("gradients without a finite length are not clipped to NaN or to zeros", () => {
  const fine = Float64Array.of(3, 4);
  for (const bad of [[NaN, 1], [Infinity, 1], Array(8).fill(1e308)]) {
    assertThrows(
      () => clipByNorm({ fine, bad: Float64Array.from(bad) }, 1),
      RangeError,
      'Cannot clip: with "bad" the length is ',
    );
  }
});

Deno.test("the bytes of no count of weights are an error", () => {
  for (const N of [-1, 1.5, NaN, Infinity]) {
    assertThrows(
      () => trainingBytes(N, "adam"),
      RangeError,
      `Cannot count the bytes of ${N} weights`,
    );
  }
  assertEquals(trainingBytes(0, "adam").total, 0);
});
