import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  candidates,
  decode,
  fitHeads,
  type Target,
  toy,
  verifyGreedy,
} from "./medusa.ts";
import { type Model, treePass } from "./tree_attention.ts";

type Head = readonly (readonly number[])[];
const lcg = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;

/** Plain greedy decoding, one token and one pass at a time. */
function plain(target: Target, prompt: readonly number[], count: number) {
  const text = [...prompt];
  for (let n = 0; n < count; n++) {
    const tree = { tokens: text.slice(-1), parents: [-1] };
    const [row] = target(text.slice(0, -1), tree).probs;
    text.push(row.reduce((best, p, i) => p > row[best] ? i : best, 0));
  }
  return text.slice(prompt.length);
}
/** A text of the target's own, and its states. */
function read(target: Target, V: number, seed: number, texts: number) {
  const random = lcg(seed);
  const draw = () => Math.floor(random() * V);
  const tokens: number[] = [];
  for (let n = 0; n < texts; n++) {
    const prompt = [draw(), draw(), draw()];
    tokens.push(...prompt, ...plain(target, prompt, 20));
  }
  const parents = tokens.map((_, t) => t - 1);
  return { tokens, hidden: target([], { tokens, parents }).hidden };
}
/** Counts passes, and the nodes of each. */
function counted(target: Target): { target: Target; nodes: number[] } {
  const nodes: number[] = [];
  return {
    nodes,
    target: (prefix, tree) => {
      nodes.push(tree.tokens.length);
      return target(prefix, tree);
    },
  };
}

// Goldens of the regression:
// python3 -c "
// import numpy as np
// H = np.array([[.5,-1],[1,.25],[-.75,.5],[.2,.9],[-1,-.3],[.6,.1]]); t=[2,0,1,1,2,0]
// def fit(k, V, rounds, rate):
//     W = np.zeros((V, 2))
//     for _ in range(rounds):
//         for i in range(len(t) - k - 2):
//             p = np.exp(W @ H[i]); p /= p.sum()
//             p[t[i + k + 2]] -= 1; W -= rate * np.outer(p, H[i])
//     return W.tolist()
// print(fit(0, 3, 3, .5)); print(fit(1, 3, 3, .5))"
const GOLDEN = [[[-0.015402874559052232, 0.7234806738124133], [
  1.1826911343521556,
  -0.8843876592982202,
], [-1.1672882597931034, 0.16090698548580684]], [
  [-1.00585340743376, 0.5737580642773582],
  [0.1357116516655175, -1.04862010412436],
  [0.8701417557682424, 0.4748620398470017],
]];
const STATES = [[0.5, -1], [1, 0.25], [-0.75, 0.5], [0.2, 0.9], [-1, -0.3], [
  0.6,
  0.1,
]];
const TOKENS = [2, 0, 1, 1, 2, 0];
Deno.test("fitHeads() golden: head 1 learns two tokens ahead, head 2 three", () => {
  const heads = fitHeads(STATES, TOKENS, 3, 2, { rounds: 3, rate: 0.5 });
  assertEquals(heads.map((head) => [head.length, head[0].length]), [[3, 2], [
    3,
    2,
  ]]);
  // A dozen steps of a few roundings each: some 1e-15.
  heads.flat(2).forEach((w, i) =>
    assert(Math.abs(w - GOLDEN.flat(2)[i]) < 1e-13, `${w} at ${i}`)
  );
});

// Golden: python3 -c "from itertools import product
// print([list(p) for p in product([3, 0], [1, 4, 2])])"
const PATHS = [[3, 1], [3, 4], [3, 2], [0, 1], [0, 4], [0, 2]];
const GUESSES = [[5, 1, 3, 9, 2], [0, 9, 2, 1, 4]];
Deno.test("candidates() golden: the leaves are the product of the best of each head", () => {
  const { tokens, parents } = candidates(2, GUESSES, [2, 3]);
  const leaves = [...tokens.keys()].filter((n) => !parents.includes(n));
  assertEquals(leaves.map((n) => [tokens[parents[n]], tokens[n]]), PATHS);
  assertEquals([tokens[0], tokens.length], [2, 1 + 2 + 6]);
  assertEquals(parents, [-1, 0, 0, 1, 1, 1, 2, 2, 2]);
});
Deno.test("candidates() takes the lower token of equal guesses, and all if asked for more", () => {
  assertEquals(candidates(7, [[1, 4, 4]], [2]).tokens, [7, 1, 2]);
  assertEquals(candidates(7, [[1, 4, 4]], [9]).tokens, [7, 1, 2, 0]);
});
Deno.test("candidates() has as many levels as there are both heads and sizes", () => {
  assertEquals(candidates(7, [], [3, 2]), { tokens: [7], parents: [-1] });
  assertEquals(candidates(7, GUESSES, []).tokens, [7]);
  assertEquals(candidates(7, GUESSES, [1]).tokens, [7, 3]);
});

Deno.test("verifyGreedy() follows the argmax below the node it is at, not elsewhere", () => {
  // Token 5 follows both 1 and 2; only under 2 is it on the path.
  const tree = { tokens: [0, 1, 2, 5, 5], parents: [-1, 0, 0, 1, 2] };
  const row = (token: number) => [0, 1, 2, 3, 4, 5].map((x) => +(x === token));
  const probs = [row(2), row(3), row(5), row(1), row(4)];
  assertEquals(verifyGreedy(tree, probs), { path: [0, 2, 4], next: 4 });
});
Deno.test("verifyGreedy() of a root whose argmax no head guessed still gives that token", () => {
  const tree = { tokens: [0, 1, 2], parents: [-1, 0, 0] };
  const probs = [[0, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0]];
  assertEquals(verifyGreedy(tree, probs), { path: [0], next: 3 });
});

Deno.test("the text is that of plain greedy decoding token by token, with any heads at all", () => {
  const [V, D] = [7, 5];
  const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      sizes,
      fc.nat({ max: 12 }),
      (seed, sizes, count) => {
        const random = lcg(seed);
        const target = toy(V, D, random);
        const heads: Head[] = [0, 1, 2].map(() =>
          Array.from(
            { length: V },
            () => Array.from({ length: D }, () => random() - 0.5),
          )
        );
        const prompt = [1, 3].slice(0, 1 + seed % 2);
        const out = decode(target, heads, prompt, count, sizes);
        assertEquals(out.tokens, plain(target, prompt, count));
        assert(out.passes <= count);
      },
    ),
    { seed: 19, numRuns: 150 },
  );
});

const [V, D] = [9, 12];
const target = toy(V, D, lcg(2));
const { tokens, hidden } = read(target, V, 5, 60);
const heads = fitHeads(hidden, tokens, V, 3);
/** Tokens a pass over texts that the heads were not fitted to. */
function rate(fitted: Head[], sizes: number[]) {
  const random = lcg(11);
  const draw = () => Math.floor(random() * V);
  let passes = 0;
  for (let n = 0; n < 20; n++) {
    const prompt = [draw(), draw(), draw(), draw(), draw()];
    const out = decode(target, fitted, prompt, 20, sizes);
    assertEquals(out.tokens, plain(target, prompt, 20));
    passes += out.passes;
  }
  return 20 * 20 / passes;
}
Deno.test("fitted heads give more tokens a pass, and wider and deeper trees still more", () => {
  const [none, one, chain, tree] = [
    rate([], []),
    rate(heads, [1]),
    rate(heads, [1, 1, 1]),
    rate(heads, [3, 2, 2]),
  ];
  assertEquals(none, 1);
  assert(one > 1.2 && one < chain && chain < tree, `${one} ${chain} ${tree}`);
  assert(tree > 2 && tree <= 4, `${tree}`);
});
Deno.test("heads fitted a token off repeat what the root says already", () => {
  const early = fitHeads(hidden.slice(1), tokens, V, 3);
  const [right, off] = [rate(heads, [2, 2, 2]), rate(early, [2, 2, 2])];
  assert(off < 1.3 && right > 1.8, `${off} ${right}`);
});
Deno.test("later heads are right less often than earlier ones", () => {
  const right = heads.map((head, k) => {
    let hits = 0;
    for (let t = 0; t < tokens.length - 4; t++) {
      const [, guess] = candidates(0, [
        head.map((row) => row.reduce((s, w, d) => s + w * hidden[t][d], 0)),
      ], [1]).tokens;
      if (guess === tokens[t + k + 2]) hits++;
    }
    return hits / (tokens.length - 4);
  });
  assert(right[0] > right[1] && right[1] > right[2], `${right}`);
  assert(right[2] > 2 / V, `${right}`);
});
Deno.test("decode() runs the target once a pass, over the whole tree", () => {
  const { target: same, nodes } = counted(target);
  const out = decode(same, heads, [4, 2, 8], 15, [3, 2]);
  assertEquals(nodes.length, out.passes);
  assertEquals(nodes, [1, ...Array(out.passes - 1).fill(1 + 3 + 6)]);
  assert(out.passes < 15);
});
Deno.test("decode() guesses from the state that decided the root, not from another", () => {
  // The state counts positions; the only head says it out loud as its guess.
  const positions: Target = (prefix, { tokens, parents }) => {
    const at: number[] = [];
    parents.forEach((p, n) => at.push(n === 0 ? prefix.length : at[p] + 1));
    const row = (x: number) => Array.from({ length: 30 }, (_, i) => +(i === x));
    return {
      hidden: at.map((x) => row(x + 2)),
      probs: tokens.map((_, n) => row(at[n] + 1)),
    };
  };
  const identity = Array.from(
    { length: 30 },
    (_, i) => Array.from({ length: 30 }, (_, d) => +(i === d)),
  );
  const out = decode(positions, [identity], [0], 12, [1]);
  assertEquals(out.tokens, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  // The prompt's pass gives 1, each other pass 2.
  assertEquals(out.passes, 1 + 6);
});
Deno.test("decode() leaves prompt and heads unchanged", () => {
  const before = JSON.stringify(heads);
  const prompt = Object.freeze([1, 2, 3]);
  decode(target, heads, prompt, 9, Object.freeze([2, 2]));
  assertEquals(JSON.stringify(heads), before);
});
Deno.test("no tokens asked for: none, and no pass", () =>
  assertEquals(decode(target, heads, [1], 0, [2]), { tokens: [], passes: 0 }));
Deno.test("a vocabulary of one token repeats it, K + 1 times a pass", () => {
  const one = toy(1, 2, lcg(1));
  const out = decode(one, [[[1, 1]], [[0, 1]]], [0], 7, [2, 2]);
  assertEquals(out, { tokens: [0, 0, 0, 0, 0, 0, 0], passes: 3 });
});

Deno.test("a target of attention with a tree mask gives its own greedy text too", () => {
  const random = lcg(8);
  const draw = (rows: number) =>
    Array.from(
      { length: rows },
      () => Array.from({ length: D }, () => random() * 2 - 1),
    );
  const layer = () => ({ query: draw(D), key: draw(D), value: draw(D) });
  const model: Model = { embed: draw(V), layers: [layer(), layer()] };
  const unembed = draw(V);
  const attending: Target = (prefix, tree) => {
    const before = prefix.map((_, t) => t - 1);
    const { cache } = treePass(model, prefix, before);
    const { hidden } = treePass(model, tree.tokens, tree.parents, cache);
    const dot = (x: readonly number[], y: readonly number[]) =>
      x.reduce((sum, xi, i) => sum + xi * y[i], 0);
    return {
      hidden,
      // Logits do: only the argmax is asked for.
      probs: hidden.map((h) => unembed.map((row) => dot(row, h))),
    };
  };
  const own = read(attending, V, 2, 15);
  const fitted = fitHeads(own.hidden, own.tokens, V, 2, { rate: 0.02 });
  const out = decode(attending, fitted, [2, 7, 1], 24, [3, 2]);
  assertEquals(out.tokens, plain(attending, [2, 7, 1], 24));
  assert(out.passes < 24, `${out.passes}`);
});

const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "no prompt",
    () => decode(target, heads, [], 3, [1]),
    "Cannot continue 0 tokens by 3",
  ],
  [
    "half a token",
    () => decode(target, heads, [1], 0.5, [1]),
    "1 tokens by 0.5",
  ],
  [
    "a negative count",
    () => decode(target, heads, [1], -1, [1]),
    "1 tokens by -1",
  ],
  [
    "a NaN count",
    () => decode(target, heads, [1], NaN, [1]),
    "1 tokens by NaN",
  ],
  [
    "no guess",
    () => candidates(0, GUESSES, [2, 0]),
    "Cannot take 0 guesses of head 2",
  ],
  [
    "half a guess",
    () => candidates(0, GUESSES, [1.5]),
    "Cannot take 1.5 guesses of head 1",
  ],
  [
    "a short text",
    () => fitHeads(STATES, TOKENS, 3, 5),
    "Cannot fit 5 heads to 6 tokens",
  ],
  [
    "few states",
    () => fitHeads(STATES.slice(4), TOKENS, 3, 1),
    "Cannot fit 1 heads to 2 tokens",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
