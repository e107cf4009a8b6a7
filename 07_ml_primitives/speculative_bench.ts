/**
 * Speculative decoding with two real models, trained on the spot on the docs of this
 * folder: how many tokens a round gives, and what that is worth, beside the formula.
 *
 * The target is a perceptron over the last characters, the draft counts what follows
 * the last one, two or three. On a CPU that computes without waiting for memory, to
 * check K + 1 tokens costs almost K + 1 times one, so nothing is gained, as the formula
 * says with these costs. The last column is what it would be where a check costs as
 * much as one token, as on a GPU whose time goes into reading weights.
 *
 * Run: `deno run speculative_bench.ts`
 * @module
 */
import { readTopic, TOPICS } from "./ml_primitives.ts";
import {
  acceptanceRate,
  draw,
  expectedTokens,
  verify,
} from "./speculative_decoding.ts";

const CONTEXT = 10;
const E = 12; // numbers for a character
const HIDDEN = 256;
const BATCH = 64;
const STEPS = 1500;
let seed = 42;
const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;

const docs = await Promise.all(TOPICS.map(readTopic));
const text = docs.map(({ question, answer, trap }) =>
  `${question} ${answer} ${trap}\n`
).join("").replaceAll(/[^\x20-\x7e\n]/g, "");
const alphabet = [...new Set(text)].sort();
const V = alphabet.length;
const ids = Array.from(text, (character) => alphabet.indexOf(character));

/** out (B, N) = x (B, K) · w (K, N) + bias (N,) */
function affine(
  x: Float32Array,
  w: Float32Array,
  bias: Float32Array,
  B: number,
): Float32Array {
  const N = bias.length;
  const K = w.length / N;
  const out = new Float32Array(B * N);
  for (let b = 0; b < B; b++) out.set(bias, b * N);
  // A row of w serves the whole batch while it is in the cache.
  for (let k = 0; k < K; k++) {
    const row = w.subarray(k * N, (k + 1) * N);
    for (let b = 0; b < B; b++) {
      const xk = x[b * K + k];
      if (xk === 0) continue;
      const to = b * N;
      for (let n = 0; n < N; n++) out[to + n] += xk * row[n];
    }
  }
  return out;
}

const weights = (K: number, N: number) =>
  Float32Array.from(
    { length: K * N },
    () => (random() - 0.5) * Math.sqrt(12 / K),
  );

/** The target: characters to vectors, one hidden layer, logits. */
class Perceptron {
  embedding = weights(V, E).map((x) => x * Math.sqrt(V));
  w1 = weights(CONTEXT * E, HIDDEN);
  b1 = new Float32Array(HIDDEN);
  w2 = weights(HIDDEN, V);
  b2 = new Float32Array(V);

  /** (B, CONTEXT) tokens to (B, V) logits, and what the backward pass needs. */
  forward(contexts: number[][]) {
    const B = contexts.length;
    const x = new Float32Array(B * CONTEXT * E);
    contexts.forEach((context, b) =>
      context.forEach((id, c) =>
        x.set(
          this.embedding.subarray(id * E, (id + 1) * E),
          (b * CONTEXT + c) * E,
        )
      )
    );
    const hidden = affine(x, this.w1, this.b1, B).map((h) => Math.max(0, h));
    return { x, hidden, logits: affine(hidden, this.w2, this.b2, B) };
  }

  /** One step of gradient descent. @returns the mean loss in nats */
  train(contexts: number[][], next: number[], rate: number): number {
    const B = contexts.length;
    const { x, hidden, logits } = this.forward(contexts);
    const dLogits = new Float32Array(B * V);
    let loss = 0;
    for (let b = 0; b < B; b++) {
      const row = logits.subarray(b * V, (b + 1) * V);
      const max = row.reduce((m, y) => Math.max(m, y), -Infinity);
      const sum = row.reduce((s, y) => s + Math.exp(y - max), 0);
      row.forEach((y, v) => dLogits[b * V + v] = Math.exp(y - max) / sum / B);
      dLogits[b * V + next[b]] -= 1 / B;
      loss += (Math.log(sum) + max - row[next[b]]) / B;
    }
    const dHidden = this.#back(hidden, this.w2, this.b2, dLogits, B, rate);
    hidden.forEach((h, i) => h > 0 || (dHidden[i] = 0));
    const dx = this.#back(x, this.w1, this.b1, dHidden, B, rate);
    contexts.forEach((context, b) =>
      context.forEach((id, c) => {
        for (let e = 0; e < E; e++) {
          this.embedding[id * E + e] -= rate * dx[(b * CONTEXT + c) * E + e];
        }
      })
    );
    return loss;
  }

  /** dx (B, K) of dOut (B, N); then moves w and bias. */
  #back(
    x: Float32Array,
    w: Float32Array,
    bias: Float32Array,
    dOut: Float32Array,
    B: number,
    rate: number,
  ): Float32Array {
    const N = bias.length;
    const K = w.length / N;
    const dx = new Float32Array(B * K);
    for (let b = 0; b < B; b++) {
      for (let k = 0; k < K; k++) {
        let sum = 0;
        for (let n = 0; n < N; n++) sum += dOut[b * N + n] * w[k * N + n];
        dx[b * K + k] = sum;
      }
    }
    for (let b = 0; b < B; b++) {
      for (let k = 0; k < K; k++) {
        const step = rate * x[b * K + k];
        if (step === 0) continue;
        for (let n = 0; n < N; n++) w[k * N + n] -= step * dOut[b * N + n];
      }
      for (let n = 0; n < N; n++) bias[n] -= rate * dOut[b * N + n];
    }
    return dx;
  }
}

const contextAt = (tokens: readonly number[], end: number) =>
  Array.from({ length: CONTEXT }, (_, i) => tokens[end - CONTEXT + i] ?? 0);

const target = new Perceptron();
let loss = 0;
const start = performance.now();
for (let step = 0; step < STEPS; step++) {
  const ends = Array.from(
    { length: BATCH },
    () => Math.floor(random() * ids.length),
  );
  const rate = 0.2 * (1 - step / STEPS);
  const now = target.train(
    ends.map((end) => contextAt(ids, end)),
    ends.map((end) => ids[end]),
    rate,
  );
  loss += (now - loss) / Math.min(step + 1, 100);
}
console.log(
  `${ids.length} characters, ${V} different; loss ${
    loss.toFixed(2)
  } nats, ln V is ${Math.log(V).toFixed(2)}; trained in ${
    ((performance.now() - start) / 1000).toFixed(0)
  } s`,
);

/** Rows of logits to rows of probabilities. */
function probabilities(logits: Float32Array): number[][] {
  return Array.from({ length: logits.length / V }, (_, b) => {
    const row = logits.subarray(b * V, (b + 1) * V);
    const max = row.reduce((m, y) => Math.max(m, y), -Infinity);
    const exps = Array.from(row, (y) => Math.exp(y - max));
    const total = exps.reduce((x, y) => x + y, 0);
    return exps.map((e) => e / total);
  });
}
const targetRows = (contexts: number[][]) =>
  probabilities(target.forward(contexts).logits);

/** What follows the last `order` characters, counted; a tenth of a count for all. */
function counting(order: number): (tokens: readonly number[]) => number[] {
  const counts = new Map<string, number[]>();
  const keyOf = (tokens: readonly number[], end: number) =>
    tokens.slice(Math.max(0, end - order), end).join();
  for (let end = order; end < ids.length; end++) {
    const key = keyOf(ids, end);
    const row = counts.get(key) ?? new Array<number>(V).fill(0.1);
    row[ids[end]]++;
    counts.set(key, row);
  }
  const even = new Array<number>(V).fill(1 / V);
  for (const [key, row] of counts) {
    const total = row.reduce((x, y) => x + y, 0);
    counts.set(key, row.map((n) => n / total));
  }
  return (tokens) => counts.get(keyOf(tokens, tokens.length)) ?? even;
}

const LENGTH = 2000;
const prompt = ids.slice(0, CONTEXT);

/** One token at a time by the target alone: ms a token. */
function plain(): number {
  const tokens = [...prompt];
  const start = performance.now();
  while (tokens.length < LENGTH) {
    const [row] = targetRows([contextAt(tokens, tokens.length)]);
    tokens.push(draw(row, random));
  }
  return (performance.now() - start) / (LENGTH - CONTEXT);
}

/** By K drafts and one check of all: what a round gave, and took. */
function speculative(
  draft: (tokens: readonly number[]) => number[],
  K: number,
) {
  const tokens = [...prompt];
  let [rounds, rate, drafting, checking] = [0, 0, 0, 0];
  const start = performance.now();
  while (tokens.length < LENGTH) {
    const begin = performance.now();
    const T = tokens.length;
    const drafts: number[][] = [];
    for (let i = 0; i < K; i++) {
      const row = draft(tokens);
      drafts.push(row);
      tokens.push(draw(row, random));
    }
    drafting += performance.now() - begin;
    const before = performance.now();
    const rows = targetRows(
      Array.from({ length: K + 1 }, (_, i) => contextAt(tokens, T + i)),
    );
    checking += performance.now() - before;
    const result = verify(tokens.splice(T), drafts, rows, random);
    tokens.push(...result.tokens);
    rate += K === 0 ? 0 : acceptanceRate(rows[0], drafts[0]);
    rounds++;
  }
  const made = tokens.length - CONTEXT;
  return {
    alpha: rate / rounds,
    perRound: made / rounds,
    ms: (performance.now() - start) / made,
    draftMs: drafting / rounds,
    checkMs: checking / rounds,
  };
}

plain();
const one = plain();
console.log(`target alone: ${(one * 1000).toFixed(0)} µs a token\n`);
console.log(
  "draft      K  acceptance  tokens a round  formula  speed-up  formula  if a check cost one",
);
for (const order of [1, 2, 3]) {
  const draft = counting(order);
  for (const K of [1, 2, 4, 8]) {
    speculative(draft, K);
    const { alpha, perRound, ms, draftMs, checkMs } = speculative(draft, K);
    const expected = expectedTokens(alpha, K);
    // The formula with what drafts and a check of K + 1 tokens really cost.
    const formula = expected * one / (draftMs + checkMs);
    console.log([
      `${order} before`.padEnd(9),
      `${K}`.padStart(2),
      alpha.toFixed(2).padStart(11),
      perRound.toFixed(2).padStart(15),
      expected.toFixed(2).padStart(8),
      (one / ms).toFixed(2).padStart(9),
      formula.toFixed(2).padStart(8),
      (expected * one / (draftMs + one)).toFixed(2).padStart(20),
    ].join(" "));
  }
}
