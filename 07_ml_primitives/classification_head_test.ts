import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  checkOnce,
  type Classifier,
  classify,
  classLoss,
  type Labelled,
  parameters,
  poolWeights,
} from "./classification_head.ts";
import { descend, makeModel } from "./decoder.ts";
import { backward, type Tape, Tensor } from "./matrix_tape.ts";

const generator = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
function make(pool: "mean" | "last", seed = 1): Classifier {
  const random = generator(seed);
  const sizes = { V: 7, C: 4, L: 2, F: 5, capacity: 8 };
  const model = makeModel(sizes, random);
  const entries = Float64Array.from({ length: 12 }, () => random() - 0.5);
  return { model, head: new Tensor(4, 3, entries), pool };
}
const POOLS = ["mean", "last"] as const;
const BATCH: Labelled[] = [
  { text: [3, 1, 4, 0, 0], label: 2 },
  { text: [5, 2], label: 0 },
];
function near(
  got: Iterable<number>,
  right: Iterable<number>,
  tolerance: number,
) {
  const [a, b] = [[...got], [...right]];
  assertEquals(a.length, b.length);
  a.forEach((v, i) =>
    assert(Math.abs(v - b[i]) < tolerance, `${v} is not ${b[i]} at ${i}`)
  );
}

// Goldens:
// python3 -c "
// import numpy as np
// V, C, L, F, cap = 7, 4, 2, 5, 6
// shapes = {'tokens': (V, C), 'positions': (cap, C), 'head': (C, V)}
// for l in range(L):
//     shapes |= {f'{n} {l}': (C, C) for n in ('query', 'key', 'value', 'output')}
//     shapes |= {f'up {l}': (C, F), f'down {l}': (F, C)}
// P = {n: .5 * np.sin(1.3 * np.arange(r * c) + k).reshape(r, c)
//      for k, (n, (r, c)) in enumerate(shapes.items())}
// norm = lambda x: x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6)
// x = P['tokens'][[3, 1, 4]] + P['positions'][:3]
// for l in range(L):
//     h = norm(x); q, k, v = (h @ P[f'{n} {l}'] for n in ('query', 'key', 'value'))
//     e = np.exp(q @ k.T / np.sqrt(C)) * np.tri(3)
//     x = x + e / e.sum(1, keepdims=True) @ v @ P[f'output {l}']
//     x = x + np.maximum(norm(x) @ P[f'up {l}'], 0) @ P[f'down {l}']
// h = norm(x); W = np.cos(np.arange(12)).reshape(4, 3)
// print((h.mean(0) @ W).tolist(), (h[-1] @ W).tolist())"
Deno.test("pooled logits are numpy's, padded or not", () => {
  const model = make("mean").model;
  const sizes = { ...model.sizes, capacity: 6 };
  const params: typeof model.params = {};
  const draw = (name: string, rows: number, columns: number) => {
    const k = Object.keys(params).length;
    const entry = (_: unknown, i: number) => 0.5 * Math.sin(1.3 * i + k);
    const data = Float64Array.from({ length: rows * columns }, entry);
    params[name] = new Tensor(rows, columns, data);
  };
  for (const [name, { rows, columns }] of Object.entries(model.params)) {
    draw(name, name === "positions" ? 6 : rows, columns);
  }
  const head = new Tensor(
    4,
    3,
    new Float64Array(12).map((_, i) => Math.cos(i)),
  );
  for (const text of [[3, 1, 4], [3, 1, 4, 0], [3, 1, 4, 0, 0, 0]]) {
    const [mean, last] = POOLS.map((pool) =>
      classify({ model: { sizes, params }, head, pool }, text).data
    );
    near(mean, [
      -0.037833336022951136,
      -0.14544519251942528,
      -0.11933540976841084,
    ], 1e-13);
    near(
      last,
      [-0.11470878857048938, -0.441846308002076, -0.36275236953520273],
      1e-13,
    );
  }
});

for (const pool of POOLS) {
  Deno.test(`${pool}: every gradient is what central differences say`, () => {
    const classifier = make(pool);
    const tape: Tape = [];
    classLoss(classifier, BATCH, tape);
    backward(tape);
    const h = 1e-6;
    for (const { data, grad } of parameters(classifier)) {
      const slopes = data.map((v, i) => {
        const [up, down] = [h, -h].map((d) => {
          data[i] = v + d;
          return classLoss(classifier, BATCH);
        });
        data[i] = v;
        return (up - down) / (2 * h);
      });
      // 2^−52 / h of rounding, and h² times a third derivative.
      near(grad, slopes, 1e-8);
    }
  });

  Deno.test(`${pool}: one pass forward and back agrees with the slope that is measured`, () => {
    for (let seed = 1; seed <= 10; seed++) {
      const classifier = make(pool, seed);
      const { loss, slope, measured } = checkOnce(
        classifier,
        BATCH,
        generator(seed),
      );
      assertEquals(loss, classLoss(classifier, BATCH));
      assert(Math.abs(slope) > 1e-5);
      assert(Math.abs(slope - measured) < 1e-6 * Math.max(1, Math.abs(slope)));
    }
  });

  Deno.test(`${pool}: padding changes no logit and no gradient`, () => {
    const [plain, padded] = [0, 3].map((pads) => {
      const classifier = make(pool);
      const text = [3, 1, 4, ...new Array<number>(pads).fill(0)];
      const tape: Tape = [];
      const nats = classLoss(classifier, [{ text, label: 1 }], tape);
      backward(tape);
      return [nats, ...parameters(classifier).flatMap(({ grad }) => [...grad])];
    });
    near(padded, plain, 1e-15);
  });

  Deno.test(`${pool}: it learns which token came first`, () => {
    const classifier = make(pool);
    const batch = [1, 2, 3, 4, 5, 6].map((first) => ({
      text: [first, 6, 5, ...first % 2 ? [0] : []],
      label: first % 3,
    }));
    const start = classLoss(classifier, batch);
    for (let step = 0; step < 150; step++) {
      const tape: Tape = [];
      classLoss(classifier, batch, tape);
      backward(tape);
      descend(parameters(classifier), 0.3);
    }
    assert(classLoss(classifier, batch) < start / 20);
  });
}

Deno.test("the pool weighs real tokens only, wherever padding stands", () => {
  assertEquals([...poolWeights([5, 3, 0, 0], "mean").data], [0.5, 0.5, 0, 0]);
  assertEquals([...poolWeights([5, 3, 0, 0], "last").data], [0, 1, 0, 0]);
  assertEquals([...poolWeights([0, 3, 0, 1], "mean").data], [0, 0.5, 0, 0.5]);
  assertEquals([...poolWeights([5, 3], "last").data], [0, 1]);
});

Deno.test("the check leaves parameters and gradients as they were", () => {
  const classifier = make("mean");
  for (const { grad } of parameters(classifier)) grad.fill(7);
  const state = () =>
    parameters(classifier).map(({ data, grad }) => [[...data], [...grad]]);
  const before = state();
  checkOnce(classifier, BATCH, generator(3));
  assertEquals(state(), before);
});

Deno.test("the check finds a gradient that is lost", () => {
  const classifier = make("mean");
  const { head } = classifier;
  const lost = new Proxy(head, {
    get: (target, name) =>
      name === "grad" ? new Float64Array(12) : target[name as keyof Tensor],
  });
  const args = [BATCH, generator(3)] as const;
  const { slope, measured } = checkOnce({ ...classifier, head: lost }, ...args);
  assert(Math.abs(slope - measured) > 1e-3);
});

Deno.test("the head for tokens is not learned, everything else is", () => {
  const classifier = make("mean");
  const tape: Tape = [];
  classLoss(classifier, BATCH, tape);
  backward(tape);
  assertEquals(parameters(classifier).length, 15);
  assert(!parameters(classifier).includes(classifier.model.params.head));
  assert(classifier.model.params.head.grad.every((g) => g === 0));
  for (const { grad } of parameters(classifier)) assert(grad.some((g) => g));
});

Deno.test("a head of zeros has the loss ln K", () => {
  const classifier = { ...make("mean"), head: new Tensor(4, 3) };
  near([classLoss(classifier, BATCH)], [Math.log(3)], 1e-15);
});

Deno.test("errors name the label, the text or the batch", () => {
  const classifier = make("last");
  const at = (label: number) => () =>
    classLoss(classifier, [{ text: [1], label }]);
  for (
    const [call, line] of [
      [at(3), "Cannot aim at class 3: there are 3"],
      [at(-1), "Cannot aim at class -1: there are 3"],
      [at(0.5), "Cannot aim at class 0.5: there are 3"],
      [() => classLoss(classifier, []), "Cannot take the mean of 0 texts"],
      [
        () => classify(classifier, [0, 0]),
        "Cannot pool a text of padding only",
      ],
      [() => classify(classifier, []), "Cannot run 0 after 0: holds 8"],
      [() => classify(classifier, [7]), "Cannot look up row 7: there are 7"],
    ] as const
  ) assertThrows(call, RangeError, line);
});
