import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Cache,
  descend,
  type Example,
  generate,
  hidden,
  logits,
  loss,
  makeModel,
  type Model,
  PARTS,
} from "./decoder.ts";
import { backward, type Tape, Tensor } from "./matrix_tape.ts";

const SIZES = { V: 7, C: 4, L: 2, F: 5, capacity: 6 };
const generator = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const make = (seed = 1) => makeModel(SIZES, generator(seed));

/** Weights 0.5·sin(1.3·i + k) for the k-th name. */
function golden(): Model {
  const { V, C, L, F, capacity } = SIZES;
  const params: Record<string, Tensor> = {};
  const draw = (name: string, rows: number, columns: number) => {
    const k = Object.keys(params).length;
    params[name] = new Tensor(
      rows,
      columns,
      Float64Array.from(
        { length: rows * columns },
        (_, i) => 0.5 * Math.sin(1.3 * i + k),
      ),
    );
  };
  draw("tokens", V, C);
  draw("positions", capacity, C);
  draw("head", C, V);
  for (let l = 0; l < L; l++) {
    for (const n of ["query", "key", "value", "output"]) {
      draw(`${n} ${l}`, C, C);
    }
    draw(`up ${l}`, C, F);
    draw(`down ${l}`, F, C);
  }
  return { sizes: SIZES, params };
}
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

// Goldens; gradients by a step of 1e-30·i, along cos(0), cos(1), … in each parameter:
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
// def logits(P, ids):
//     x = P['tokens'][ids] + P['positions'][:len(ids)]
//     for l in range(L):
//         h = norm(x); q, k, v = (h @ P[f'{n} {l}'] for n in ('query', 'key', 'value'))
//         e = np.exp(q @ k.T / np.sqrt(C)) * np.tri(len(ids))
//         x = x + e / e.sum(1, keepdims=True) @ v @ P[f'output {l}']
//         u = norm(x) @ P[f'up {l}']
//         x = x + np.where(u.real > 0, u, 0) @ P[f'down {l}']
//     return norm(x) @ P['head']
// def loss(P):
//     s = []
//     for ids, ys in [([3, 1, 4, 6], [1, 4, 6, 0]), ([2, 5], [5, 1])]:
//         z = logits(P, ids); z = z - np.log(np.exp(z).sum(1, keepdims=True))
//         s += [-z[t, y] for t, y in enumerate(ys) if y]
//     return sum(s) / len(s)
// print(logits(P, [3, 1, 4])[2].tolist(), loss(P).item())
// for n in P:
//     d = np.cos(np.arange(P[n].size)).reshape(P[n].shape)
//     print(n, (loss(P | {n: P[n] + 1e-30j * d}).imag / 1e-30).item())"
const BATCH: Example[] = [
  { inputs: [3, 1, 4, 6], targets: [1, 4, 6, 0] },
  { inputs: [2, 5], targets: [5, 1] },
];
Deno.test("logits, loss and gradients are numpy's", () => {
  const model = golden();
  // Some hundred roundings of numbers of order 1.
  near(logits(model, [3, 1, 4]).data.slice(14), [
    ...[-0.04886460443988334, -0.46829582474922143, -0.20167256470051967],
    ...[0.36040147510301, 0.39448650954977726, -0.14935211667747617],
    -0.4743895420774336,
  ], 1e-13);
  const tape: Tape = [];
  near([loss(model, BATCH, { tape })], [2.069545603443518], 1e-13);
  backward(tape);
  const along = Object.entries(model.params).map(([name, { grad }]) =>
    [name, grad.reduce((sum, g, i) => sum + g * Math.cos(i), 0)] as const
  );
  const right = {
    "tokens": 1.5490766623841303,
    "positions": 3.044664051456025,
    "head": 1.2568456521078524,
    "query 0": -0.07459873187391948,
    "key 0": -0.01671701905062919,
    "value 0": -0.3173356561068049,
    "output 0": 0.1197731257523014,
    "up 0": 0.44504219687337987,
    "down 0": 0.08923889475987862,
    "query 1": -0.07399966374353091,
    "key 1": 0.12803293082492195,
    "value 1": -0.25471310639644845,
    "output 1": -0.11469411805508735,
    "up 1": 0.07281351295016503,
    "down 1": -0.009079850461540688,
  };
  assertEquals(along.map(([name]) => name), Object.keys(right));
  near(along.map(([, g]) => g), Object.values(right), 1e-13);
});

Deno.test("the gradient of every single parameter is what central differences say", () => {
  const model = make();
  model.params.head.data.forEach((w, i, head) => head[i] = 10 * w);
  const tape: Tape = [];
  loss(model, BATCH, { tape });
  backward(tape);
  const h = 1e-6;
  for (const { data, grad } of Object.values(model.params)) {
    const slopes = data.map((v, i) => {
      const [up, down] = [h, -h].map((d) => {
        data[i] = v + d;
        return loss(model, BATCH);
      });
      data[i] = v;
      return (up - down) / (2 * h);
    });
    // 2^−52 / h of rounding, and h²/6 times a third derivative of up to 1000.
    near(grad, slopes, 2e-9);
  }
});

const texts = fc.array(fc.integer({ min: 0, max: 6 }), {
  minLength: 1,
  maxLength: 6,
});

Deno.test("no logit depends on a later token, and each on all before it", () => {
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat(), (text, seed, place) => {
      const model = make(seed % 1000 + 1);
      const at = place % text.length;
      const other = text.with(at, (text[at] + 1) % SIZES.V);
      const [a, b] = [text, other].map((x) => logits(model, x).data);
      for (let t = 0; t < text.length; t++) {
        const row = (data: Float64Array) => [
          ...data.slice(t * SIZES.V, (t + 1) * SIZES.V),
        ];
        if (t < at) assertEquals(row(a), row(b));
        else assert(row(a).some((v, i) => v !== row(b)[i]), `${at} to ${t}`);
      }
    }),
    { seed: 7, numRuns: 50 },
  );
});

Deno.test("the same token has other logits in each place", () => {
  const { data } = logits(make(), [3, 3, 3]);
  const [first, second, third] = [0, 7, 14].map((i) => data.slice(i, i + 7));
  for (const [a, b] of [[first, second], [second, third], [first, third]]) {
    assert(Math.max(...a.map((v, i) => Math.abs(v - b[i]))) > 1e-3);
  }
});

Deno.test("with a cache the logits are those without, however the text is cut", () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(3)), fc.nat(), (text, cuts, seed) => {
      const model = make(seed % 1000 + 1);
      const cache: Cache = [];
      const rows: number[] = [];
      for (let from = 0; from < text.length;) {
        const length = cuts.length ? 1 + cuts[from % cuts.length] : 1;
        const chunk = text.slice(from, from + length);
        rows.push(...logits(model, chunk, { cache }).data);
        from += chunk.length;
        assertEquals(cache.map(({ keys }) => keys.rows), [from, from]);
      }
      // The sums have the same terms in the same order, but for what is hidden.
      near(rows, logits(model, text).data, 1e-14);
    }),
    { seed: 7, numRuns: 50 },
  );
});

Deno.test("a cache may be larger than the stack", () => {
  const sizes = { V: 3, C: 64, L: 1, F: 2, capacity: 5001 };
  const cache = [{ keys: new Tensor(5000, 64), values: new Tensor(5000, 64) }];
  logits(makeModel(sizes, generator(9)), [2], { cache });
  assertEquals([cache[0].keys.rows, cache[0].values.rows], [5001, 5001]);
});

Deno.test("generation with a cache chooses the tokens of that without", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const model = makeModel({ ...SIZES, capacity: 12 }, generator(seed));
    const prompt = [seed % 7, 3, 1].slice(0, 1 + seed % 3);
    const count = 12 - prompt.length + 1;
    const tokens = generate(model, prompt, count);
    assertEquals(tokens.length, count);
    assertEquals(tokens, generate(model, prompt, count, {}));
    let text = prompt;
    for (const token of tokens) {
      const row = [...logits(model, text).data.slice(-7)];
      assertEquals(token, row.indexOf(Math.max(...row)));
      text = [...text, token];
    }
  }
  assertEquals(generate(make(), [1], 0), []);
});

Deno.test("a cache whose tokens all stand at position 0 has other logits", () => {
  const parts = { ...PARTS, position: () => 0 };
  const cache: Cache = [];
  const model = make();
  const rows = [3, 1, 4].flatMap((token) => [
    ...logits(model, [token], { cache, parts }).data,
  ]);
  const right = logits(model, [3, 1, 4]).data;
  near(rows.slice(0, 7), right.slice(0, 7), 1e-15);
  assert(Math.abs(rows[7] - right[7]) > 1e-3);
});

Deno.test("the loss starts near ln V", () => {
  for (let seed = 1; seed <= 20; seed++) {
    // Logits of a standard deviation of 0.1 add half its square, and a little chance.
    assert(Math.abs(loss(make(seed), BATCH) - Math.log(7)) < 0.15);
  }
});

Deno.test("padding adds nothing to the loss or to a gradient", () => {
  const [plain, padded] = [0, 2].map((pads) => {
    const model = golden();
    const pad = (x: readonly number[]) => [...x, ...new Array(pads).fill(0)];
    const batch = BATCH.map(({ inputs, targets }) => ({
      inputs: pad(inputs),
      targets: pad(targets),
    }));
    const tape: Tape = [];
    const nats = loss(model, batch, { tape });
    backward(tape);
    const grads = Object.values(model.params).flatMap(({ grad }) => [...grad]);
    return [nats, ...grads];
  });
  near(padded, plain, 1e-15);
  const counted = loss(golden(), BATCH, { ignore: -1 });
  assert(Math.abs(counted - plain[0]) > 1e-3);
});

Deno.test("the mean is over the tokens of a batch, not over its texts", () => {
  const model = golden();
  const [long, short] = BATCH.map((example) => loss(model, [example]));
  near([loss(model, BATCH)], [(3 * long + 2 * short) / 5], 1e-14);
});

Deno.test("a step goes down the gradient and clears it", () => {
  const x = new Tensor(1, 2, Float64Array.of(1, 2));
  x.grad.set([10, -20]);
  descend([x], 0.25);
  assertEquals([...x.data], [-1.5, 7]);
  assertEquals([...x.grad], [0, 0]);
});

Deno.test("it learns a text by heart", () => {
  const model = makeModel({ ...SIZES, capacity: 8, C: 8 }, generator(1));
  const text = [3, 1, 4, 1, 5, 2, 6];
  const batch = [{ inputs: text.slice(0, -1), targets: text.slice(1) }];
  for (let step = 0; step < 100; step++) {
    const tape: Tape = [];
    loss(model, batch, { tape });
    backward(tape);
    descend(Object.values(model.params), 0.3);
  }
  assert(loss(model, batch) < 0.1);
  assertEquals(generate(model, [3], 6), text.slice(1));
});

Deno.test("what is hidden from every token gives zeros, not NaN", () => {
  const parts = { ...PARTS, sees: () => false };
  assert(logits(make(), [1, 2], { parts }).data.every(Number.isFinite));
});

Deno.test("the head takes the hidden states, normed", () => {
  const h = hidden(make(), [1, 2, 3]);
  assertEquals([h.rows, h.columns], [3, 4]);
  const squares = h.data.reduce((sum, v) => sum + v * v, 0) / 12;
  assert(Math.abs(squares - 1) < 1e-5);
});

Deno.test("errors name the token or the size, and leave the cache as it was", () => {
  const model = make();
  const cache: Cache = [];
  logits(model, [1, 2, 3, 4, 5], { cache });
  const at = (inputs: number[], targets: number[]) => () =>
    loss(model, [{ inputs, targets }]);
  for (
    const [call, line] of [
      [() => logits(model, []), "Cannot run 0 after 0: holds 6"],
      [
        () => logits(model, [1, 2, 3, 4, 5, 6, 1]),
        "Cannot run 7 after 0: holds 6",
      ],
      [
        () => logits(model, [1, 2], { cache }),
        "Cannot run 2 after 5: holds 6",
      ],
      [
        () => logits(model, [7], { cache }),
        "Cannot look up row 7: there are 7",
      ],
      [() => logits(model, [-1]), "Cannot look up row -1: there are 7"],
      [() => generate(model, [], 1), "Cannot run 0 after 0: holds 6"],
      [() => generate(model, [1], 7), "Cannot run 1 after 6: holds 6"],
      [at([1, 2], [2, 7]), "Cannot aim token 1 of 2 at 7 of 7"],
      [at([1, 2], [-1, 3]), "Cannot aim token 0 of 2 at -1 of 7"],
      [at([1, 2], [1.5, 3]), "Cannot aim token 0 of 2 at 1.5 of 7"],
      [at([1, 2], [1, 2, 3]), "Cannot aim token 2 of 2 at 3 of 7"],
      [at([1, 2], [0, 0]), "Cannot take the mean of 0 targets"],
      [() => loss(model, []), "Cannot take the mean of 0 targets"],
      [
        () => makeModel({ ...SIZES, L: 1.5 }, Math.random),
        "Cannot make a decoder: L is 1.5",
      ],
      [
        () => makeModel({ ...SIZES, V: 0 }, Math.random),
        "Cannot make a decoder: V is 0",
      ],
    ] as const
  ) assertThrows(call, RangeError, line);
  assertEquals(cache.map(({ keys, values }) => [keys.rows, values.rows]), [
    [5, 5],
    [5, 5],
  ]);
});
