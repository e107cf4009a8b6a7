#!/usr/bin/env -S deno run
/**
 * Q. Medusa heads guessed; the temperature is not 0. Which guesses are accepted?
 *
 * A. Two rules. Typical acceptance takes a token if the target's probability of it is
 * above min(ε, δ·exp(−H)), where H is the entropy of the target's row: an unsure
 * target lets more pass. The longest accepted path of the tree wins. It is fast, and
 * it is another distribution: the best guess passes always, not as often as its
 * probability. The exact rule draws one guess a head and verifies the chain as
 * speculative decoding does: accept by min(1, p/q), else draw from max(0, p − q).
 * That the heads guess without each other costs acceptance, never exactness: q may
 * be any distribution fixed before the draw.
 *
 * Shapes: V vocabulary size; N nodes of a tree; K heads, one drawn token each.
 * Time O(N·V) for a tree, O(K·V) for a chain; space O(N·V).
 * Trap: calling typical acceptance lossless.
 * Left out: the heads and the decoding loop, which are in medusa.ts.
 * Source: Cai et al. (2024), arXiv:2401.10774; Leviathan et al. (2023),
 * arXiv:2211.17192.
 * Run: `deno run medusa_acceptance.ts`
 * @module
 */

type Vector = readonly number[];
type Matrix = readonly Vector[];

/** Candidates. Node 0, the root, is decided already; parents come before children. */
export interface Tree {
  readonly tokens: Vector; // (N,)
  readonly parents: Vector; // (N,), −1 of the root
}

/** The accepted nodes from the root, and the token that the target puts after them. */
export interface Verified {
  readonly path: Vector;
  readonly next: number;
}

/**
 * The probability that a token has to be above: min(eps, delta·exp(−H)), H in nats.
 * @param p (V,) of the target
 */
export function threshold(p: Vector, eps = 0.09, delta = 0.3): number {
  const H = p.reduce((sum, x) => x > 0 ? sum - x * Math.log(x) : sum, 0);
  return Math.min(eps, delta * Math.exp(-H));
}

/**
 * Typical acceptance: the longest path of which every token passes, the likeliest of
 * equally long ones, and the argmax after it. Not lossless.
 * @param probs (N, V): what the target puts after each node
 * @throws {RangeError} if the rows and the nodes differ in number
 */
export function verifyTypical(
  { tokens, parents }: Tree,
  probs: Matrix,
  eps = 0.09,
  delta = 0.3,
): Verified {
  check(probs, tokens.length);
  const limits = probs.map((p) => threshold(p, eps, delta)); // (N,)
  let best = { path: [0], log: 0 };
  const passed = [best]; // (N,), empty where the node or an ancestor fails
  for (let n = 1; n < tokens.length; n++) {
    const parent = parents[n];
    const [before, p] = [passed[parent], probs[parent][tokens[n]]];
    if (before === undefined || !(p > limits[parent])) continue;
    const path = [...before.path, n];
    passed[n] = { path, log: before.log + Math.log(p) };
    const longer = path.length - best.path.length;
    if (longer > 0 || (longer === 0 && passed[n].log > best.log)) {
      best = passed[n];
    }
  }
  const last = probs[best.path[best.path.length - 1]];
  return { path: best.path, next: last.indexOf(Math.max(...last)) };
}

/**
 * The root and one token drawn of each head, each the child of the one before.
 * @param guesses (K, V) probabilities of the heads
 */
export function drawChain(
  root: number,
  guesses: Matrix,
  random: () => number,
): Tree {
  const tokens = [root, ...guesses.map((q) => draw(q, random))];
  return { tokens, parents: tokens.map((_, n) => n - 1) };
}

/**
 * The exact rule for a chain: what is accepted, and `next`, are distributed as the
 * target's rows.
 * @param guesses (K, V) that drawChain() drew from; `probs`, (K + 1, V), of the target
 * @throws {RangeError} if the rows and the nodes differ in number
 */
export function verifyChain(
  { tokens }: Tree,
  probs: Matrix,
  guesses: Matrix,
  random: () => number,
): Verified {
  check(probs, tokens.length);
  check(guesses, tokens.length - 1);
  const path = [0];
  for (const [i, q] of guesses.entries()) {
    const [p, x] = [probs[i], tokens[i + 1]];
    // Strict: p = 0 is never accepted, even by a random number of 0.
    if (!(random() * q[x] < p[x])) {
      const rest = p.map((py, y) => Math.max(0, py - q[y]));
      // Where p − q rounds to 0 everywhere, p is what is left.
      const some = rest.some((r) => r > 0);
      return { path, next: draw(some ? rest : p, random) };
    }
    path.push(i + 1);
  }
  return { path, next: draw(probs[guesses.length], random) };
}

/** Draws an index of (V,) weights, which need not sum to 1. */
function draw(weights: Vector, random: () => number): number {
  let left = random() * weights.reduce((sum, w) => sum + w, 0);
  let token = -1;
  for (let i = 0; i < weights.length && left >= 0; i++) {
    if (weights[i] === 0) continue;
    token = i;
    left -= weights[i];
  }
  return token;
}

function check(rows: Matrix, count: number): void {
  if (rows.length === count) return;
  throw new RangeError(
    `Cannot verify by ${rows.length} rows: the tree needs ${count}`,
  );
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  // After the root 0: what the target says, and what a head does.
  const [p, q] = [[0.5, 0.3, 0.15, 0.05], [0.6, 0.1, 0.2, 0.1]];
  const after = [[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.4, 0.1]];
  console.log("threshold of", p.join(" "), "is", threshold(p).toFixed(3));
  const N = 100_000;
  const rules: [string, () => number][] = [
    ["exact, 1 guess   ", () => {
      const tree = drawChain(0, [q], random);
      const { path, next } = verifyChain(tree, [p, after[0]], [q], random);
      return path.length > 1 ? tree.tokens[1] : next;
    }],
    ["typical, 1 guess ", () => {
      const tree = drawChain(0, [q], random);
      const { path, next } = verifyTypical(tree, [p, after[0]]);
      return path.length > 1 ? tree.tokens[1] : next;
    }],
    ["typical, best two", () => {
      const tree = { tokens: [0, 0, 2], parents: [-1, 0, 0] };
      const { path, next } = verifyTypical(tree, [p, ...after]);
      return path.length > 1 ? tree.tokens[path[1]] : next;
    }],
  ];
  console.log("target            ", p.map((x) => x.toFixed(3)).join(" "));
  for (const [name, rule] of rules) {
    const counts = p.map(() => 0);
    for (let n = 0; n < N; n++) counts[rule()]++;
    const share = counts.map((c) => c / N);
    const TV = share.reduce((sum, x, i) => sum + Math.abs(x - p[i]) / 2, 0);
    console.log(
      name,
      share.map((x) => x.toFixed(3)).join(" "),
      " TV",
      TV.toFixed(3),
    );
  }
}
