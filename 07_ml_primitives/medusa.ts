#!/usr/bin/env -S deno run
/**
 * Q. Decode several tokens a pass without a draft model: Medusa heads.
 *
 * A. The last hidden state knows more than the next token. The model's own head
 * gives token t + 1; K small extra heads guess tokens t + 2 to t + K + 1, none
 * knowing what another guessed. The few best of each make a tree under token t + 1,
 * and one pass of the target reads all of it, each node behind its own ancestors.
 * Then walk from the root while the argmax is a child. The text is that of plain
 * greedy decoding; a pass gives 1 to K + 1 tokens. Only the heads are trained, on
 * texts of the target.
 *
 * Shapes: V vocabulary size; D wide a hidden state; K heads; T tokens; N nodes of a
 * tree, 1 + s₁ + s₁s₂ + … for s_i guesses of head i.
 * Time O(K·V·D) a pass beside the target, which reads N tokens; space O(N·V).
 * Trap: fitting head 1 to the next token, which is the root already.
 * Left out: sparse trees, EOS, deep heads; see tree_attention.ts for the mask of such
 * a pass, medusa_acceptance.ts for temperatures above 0.
 * Source: Cai et al. (2024), arXiv:2401.10774.
 * Run: `deno run medusa.ts`
 * @module
 */

type Vector = readonly number[];
type Matrix = readonly Vector[];

/** Candidates. Node 0, the root, is decided already; parents come before children. */
export interface Tree {
  readonly tokens: Vector; // (N,)
  readonly parents: Vector; // (N,), −1 of the root
}

/** One pass over a prefix and a tree: (N, D) states, and (N, V) of what follows. */
export type Target = (prefix: Vector, tree: Tree) => {
  readonly hidden: Matrix;
  readonly probs: Matrix;
};

/**
 * Continues a prompt by `count` tokens, as greedy decoding does, in fewer passes.
 * @param heads (K, V, D), as fitHeads() gives them; none: plain decoding
 * @param sizes how many guesses of each head are candidates
 * @returns the tokens, and how often the target ran, over the prompt too
 * @throws {RangeError} if the prompt is empty, or a count or size is none
 */
export function decode(
  target: Target,
  heads: readonly Matrix[],
  prompt: Vector,
  count: number,
  sizes: Vector,
): { tokens: number[]; passes: number } {
  const T = prompt.length;
  if (!(T > 0 && Number.isInteger(count) && count >= 0)) {
    throw new RangeError(`Cannot continue ${T} tokens by ${count}`);
  }
  const text = [...prompt];
  // The prompt's last token is a root without guesses.
  let [passes, tree] = [0, candidates(prompt[T - 1], [], sizes)];
  while (text.length < T + count) {
    const { hidden, probs } = target(text.slice(0, -1), tree);
    passes++;
    const { path, next } = verifyGreedy(tree, probs);
    text.push(...path.slice(1).map((node) => tree.tokens[node]), next);
    // The state that decided `next` also guesses what comes after it.
    const state = hidden[path[path.length - 1]];
    const guesses = heads.map((head) => multiply(head, state)); // (K, V)
    tree = candidates(next, guesses, sizes);
  }
  return { tokens: text.slice(T, T + count), passes };
}

/**
 * Follows the argmax from the root while it is in the tree.
 * @param probs (N, V): what the target puts after each node
 * @returns the nodes of the path, the root's 0 first, and the argmax after it
 */
export function verifyGreedy({ tokens, parents }: Tree, probs: Matrix) {
  const path: number[] = [];
  let [node, next] = [0, -1];
  while (node >= 0) {
    path.push(node);
    next = probs[node].indexOf(Math.max(...probs[node]));
    const isNext = (x: number, n: number) => parents[n] === node && x === next;
    node = tokens.findIndex(isNext);
  }
  return { path, next };
}

/**
 * Every node of depth i has the `sizes[i]` likeliest guesses of head i as children.
 * @param guesses (K, V) logits; as many levels as there are guesses and sizes
 * @throws {RangeError} if a size is none
 */
export function candidates(root: number, guesses: Matrix, sizes: Vector): Tree {
  const [tokens, parents] = [[root], [-1]];
  let level = [0];
  for (let i = 0; i < Math.min(guesses.length, sizes.length); i++) {
    if (!Number.isInteger(sizes[i]) || sizes[i] < 1) {
      throw new RangeError(`Cannot take ${sizes[i]} guesses of head ${i + 1}`);
    }
    const q = guesses[i];
    const order = [...q.keys()].sort((a, b) => q[b] - q[a] || a - b);
    level = level.flatMap((parent) =>
      order.slice(0, sizes[i]).map((token) => {
        parents.push(parent);
        return tokens.push(token) - 1;
      })
    );
  }
  return { tokens, parents };
}

/**
 * Fits the heads by softmax regression: from state t, which has read the tokens up to
 * t, head i learns token t + 1 + i.
 * @param hidden (T, D); `tokens`, (T,), at least K + 2 of them
 * @returns (K, V, D)
 * @throws {RangeError} if the text is too short
 */
export function fitHeads(
  hidden: Matrix,
  tokens: Vector,
  V: number,
  K: number,
  { rounds = 8, rate = 0.1 } = {},
): number[][][] {
  const T = Math.min(hidden.length, tokens.length);
  if (T < K + 2) throw new RangeError(`Cannot fit ${K} heads to ${T} tokens`);
  return Array.from({ length: K }, (_, k) => {
    const head = [...Array(V)].map(() => hidden[0].map(() => 0)); // (V, D)
    const pairs = T - k - 2;
    for (let step = 0; step < rounds * pairs; step++) {
      const t = step % pairs;
      softmax(multiply(head, hidden[t])).forEach((p, token) => {
        const slope = rate * (p - (token === tokens[t + k + 2] ? 1 : 0));
        hidden[t].forEach((h, d) => head[token][d] -= slope * h);
      });
    }
    return head;
  });
}

/** A recurrent toy of random weights: h ← tanh(0.6·A·h + the token's vector). */
export function toy(V: number, D: number, random: () => number): Target {
  const row = () => [...Array(D)].map(() => random() * 2 - 1); // (D,)
  const [A, embed, out] = [D, V, V].map((n) => [...Array(n)].map(row));
  const read = (h: Vector, token: number) =>
    multiply(A, h).map((x, d) => Math.tanh(0.6 * x + embed[token][d]));
  return (prefix, { tokens, parents }) => {
    const start = prefix.reduce(read, new Array<number>(D).fill(0));
    const hidden: number[][] = []; // (N, D)
    for (const [n, token] of tokens.entries()) {
      hidden.push(read(hidden[parents[n]] ?? start, token));
    }
    return { hidden, probs: hidden.map((h) => softmax(multiply(out, h))) };
  };
}

const multiply = (rows: Matrix, x: Vector): number[] =>
  rows.map((row) => row.reduce((sum, w, d) => sum + w * x[d], 0));

function softmax(x: Vector): number[] {
  const max = Math.max(...x);
  const exps = x.map((xi) => Math.exp(xi - max));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const [V, K, count] = [12, 3, 24];
  const target = toy(V, 16, random);
  const draw = () => Math.floor(random() * V);
  const prompts = [...Array(150)].map(() => [draw(), draw(), draw(), draw()]);
  const plain = prompts.map((p) => decode(target, [], p, count, []).tokens);
  const text = plain.slice(50).flatMap((t, n) => [...prompts[n + 50], ...t]);
  const parents = text.map((_, t) => t - 1);
  const { hidden } = target([], { tokens: text, parents }); // (T, D)
  const heads = fitHeads(hidden, text, V, K);
  // One state on, head 1 learns the token that the model's own head gives.
  const early = fitHeads(hidden.slice(1), text, V, K);
  console.log("50 prompts, 24 tokens each; heads fitted to 100 other texts");
  const show = (name: string, fitted: Matrix[], sizes: number[]) => {
    let [passes, equal] = [0, 0];
    for (const [n, prompt] of prompts.slice(0, 50).entries()) {
      const out = decode(target, fitted, prompt, count, sizes);
      passes += out.passes;
      if (`${out.tokens}` === `${plain[n]}`) equal++;
    }
    const rate = (50 * count / passes).toFixed(2);
    console.log(`${name}: ${rate} tokens a pass, ${equal} of 50 as plain`);
  };
  show("no heads              ", [], []);
  show("1 × 1 × 1             ", heads, [1, 1, 1]);
  show("3 × 2 × 2             ", heads, [3, 2, 2]);
  show("3 × 2 × 2, a token off", early, [3, 2, 2]);
}
