import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  Decoder,
  generate,
  type Model,
  randomModel,
  runAll,
  type Sizes,
} from "./decode_loop.ts";
import { sample } from "./sampling.ts";

const SIZES = { V: 11, C: 12, L: 2, H: 6, KV: 3, F: 10, capacity: 20 };

function generator(seed: number) {
  return () => (seed = seed * 48271 % 2147483647) / 2147483647;
}
const make = (sizes: Partial<Sizes> = {}, seed = 1) =>
  randomModel({ ...SIZES, ...sizes }, generator(seed));

/** Numbers of order 1 to 10 in f64, after some hundred roundings. */
function near(got: number[], right: number[]) {
  assertEquals(got.length, right.length);
  got.forEach((y, i) => assert(Math.abs(y - right[i]) < 1e-12, `${y} at ${i}`));
}

// Golden: the same decoder in plain Python, with turns as products of complex numbers:
// import math
// seed = 1
// def rnd():
//     global seed
//     seed = seed * 48271 % 2147483647
//     return seed / 2147483647
// V, C, L, H, KV, F = 11, 12, 2, 6, 3, 10; D = C // H
// def mat(r, c): return [[(rnd() - .5) * math.sqrt(12 / r) for _ in range(c)] for _ in range(r)]
// emb = [mat(1, C)[0] for _ in range(V)]; un = mat(C, V)
// layers = [dict(q=mat(C, C), k=mat(C, KV*D), v=mat(C, KV*D), o=mat(C, C), up=mat(C, F),
//                down=mat(F, C)) for _ in range(L)]
// def norm(x): return [v / math.sqrt(sum(u*u for u in x) / len(x) + 1e-6) for v in x]
// def mul(x, w): return [sum(x[k] * w[k][n] for k in range(len(x))) for n in range(len(w[0]))]
// def rot(h, p):
//     z = complex(h[0], h[1]) * complex(math.cos(p), math.sin(p)) # D = 2: one pair
//     return [z.real, z.imag]
// xs = [emb[t] for t in (3, 1, 4)]
// for l in layers:
//     hs = [norm(x) for x in xs]
//     Q, K, W = ([mul(h, l[n]) for h in hs] for n in "qkv")
//     new = []
//     for t, x in enumerate(xs):
//         o = []
//         for h in range(H):
//             g = h // (H // KV); q = rot(Q[t][h*D:h*D+D], t)
//             e = [math.exp(sum(a*b for a, b in zip(q, rot(K[j][g*D:g*D+D], j))) / math.sqrt(D))
//                  for j in range(t + 1)]
//             o += [sum(e[j] / sum(e) * W[j][g*D+d] for j in range(t + 1)) for d in range(D)]
//         x = [a + b for a, b in zip(x, mul(o, l['o']))]
//         u = [max(0, v) for v in mul(norm(x), l['up'])]
//         new.append([a + b for a, b in zip(x, mul(u, l['down']))])
//     xs = new
// print([round(v, 12) for v in mul(norm(xs[-1]), un)])
Deno.test("the logits are those of the same decoder in Python", () => {
  const expected = [
    ...[-1.816503539221, -0.486554171921, 0.393207443307, -0.500732514231],
    ...[0.597197748052, -0.109048683023, -0.433362331075, -1.191766686504],
    ...[-1.131556823586, 1.054301792493, 0.233064331425],
  ];
  near(runAll(make(), [3, 1, 4])[2], expected); // twelve digits are given
});

Deno.test("each step's logits are those of a run over all tokens without a cache", () => {
  const sizes = fc.record({
    L: fc.integer({ min: 1, max: 3 }),
    KV: fc.constantFrom(1, 2, 3, 6),
    seed: fc.integer({ min: 1, max: 100 }),
    tokens: fc.array(fc.integer({ min: 0, max: 10 }), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(sizes, ({ L, KV, seed, tokens }) => {
      const model = make({ L, KV }, seed);
      const decoder = new Decoder(model);
      const right = runAll(model, tokens);
      tokens.forEach((token, t) => near(decoder.step(token), right[t]));
    }),
    { seed: 1, numRuns: 40 },
  );
});

Deno.test("generate() chooses what running everything again each time would", () => {
  const model = make();
  const prompt = [3, 1, 4];
  const tokens = [...prompt];
  while (tokens.length < 13) {
    const logits = runAll(model, tokens).at(-1)!;
    tokens.push(logits.indexOf(Math.max(...logits)));
  }
  assertEquals(generate(model, prompt, 10), tokens.slice(3));
  assert(new Set(tokens.slice(3)).size > 1);
});

Deno.test("what comes later does not change the logits of a token", () => {
  const model = make();
  const [a, b] = [[1, 2, 3, 4], [1, 2, 7, 9]].map((t) => runAll(model, t));
  assertEquals(a.slice(0, 2), b.slice(0, 2));
  assert(a[2][0] !== b[2][0]);
});

Deno.test("the order of what came before counts", () => {
  const model = make();
  const [a, b] = [[1, 2, 3], [2, 1, 3]].map((t) => runAll(model, t)[2]);
  assert(a.some((y, v) => Math.abs(y - b[v]) > 1e-3));
});

Deno.test("a step projects one token, however many came before", () => {
  const model = make();
  let reads = 0;
  const counted = model.layers.map((layer) => ({
    ...layer,
    get key() {
      reads++;
      return layer.key;
    },
  }));
  const decoder = new Decoder({ ...model, layers: counted } as Model);
  for (const token of [1, 2, 3, 4, 5]) decoder.step(token);
  assertEquals(reads, 5 * SIZES.L);
  assertEquals(decoder.length, 5);
});

Deno.test("generate() does not look past the last token", () => {
  assertEquals(generate(make({ capacity: 5 }), [1, 2], 4).length, 4);
  assertEquals(generate(make({ capacity: 2 }), [1, 2], 1).length, 1);
  assertEquals(generate(make(), [1], 0), []);
});

Deno.test("the next token may be drawn", () => {
  const random = generator(7);
  const draw = (logits: number[]) => sample(logits, { temperature: 9 }, random);
  const tokens = generate(make(), [1], 19, draw);
  assert(tokens.every((token) => token >= 0 && token < SIZES.V));
  assert(new Set(tokens).size > 4);
});

Deno.test("what cannot be decoded is an error, and a decoder goes on after it", () => {
  const decoder = new Decoder(make({ capacity: 2 }));
  for (const token of [-1, 11, 1.5, NaN]) {
    assertThrows(
      () => decoder.step(token),
      RangeError,
      `Cannot embed token ${token}: there are 11`,
    );
  }
  decoder.step(1);
  decoder.step(2);
  assertThrows(
    () => decoder.step(3),
    RangeError,
    "Cannot decode token 3: there is room for 2",
  );
  assertEquals(decoder.length, 2);
  assertThrows(
    () => generate(make(), [], 3),
    RangeError,
    "the prompt has no token",
  );
  assertThrows(() => runAll(make(), [12]), RangeError, "embed token 12");
  for (const name of ["V", "L", "KV", "F", "capacity"] as const) {
    for (const size of [0, -1, 1.5, NaN]) {
      assertThrows(
        () => make({ [name]: size }),
        RangeError,
        `Cannot make a decoder: ${name} is ${size}, not a whole number above 0`,
      );
    }
  }
  for (const count of [-1, 1.5, NaN]) {
    assertThrows(
      () => generate(make(), [1], count),
      RangeError,
      `Cannot choose ${count} tokens: needs a whole number`,
    );
  }
  for (const [H, KV] of [[5, 5], [6, 4]]) {
    assertThrows(
      () => make({ H, KV }),
      RangeError,
      `Cannot cut 12 channels into ${H} heads that share ${KV}`,
    );
  }
});
