#!/usr/bin/env -S deno run
/**
 * Q. Write a small decoder that trains and generates. How do you know that it is right?
 *
 * A. A token's row and its position's row are added: the stream. A block adds to it
 * twice, from the normed stream: attention over what came before, and a perceptron. The
 * last norm times the head is the logits of the next token. With a cache a block keeps
 * keys and values and takes new tokens only: their position starts at its length, and
 * the mask matters only if several come. I check every gradient against differences,
 * that no logit depends on a later token, and that a cache changes no logit.
 *
 * Shapes: V tokens, C wide, L blocks of one head, F in the perceptron, T tokens now, S
 * so far, at most `capacity`.
 * Time O(L·T·C·(C + F + S) + T·C·V); space as much for the tape.
 * Trap: with a cache the next token's position is S, not 0; with 0 nothing fails.
 * Left out: several heads, biases, gains. Gradients are those of matrix_tape.ts.
 * Source: Radford et al. (2019), Language Models are Unsupervised Multitask Learners.
 * Run: `deno run decoder.ts`
 * @module
 */
import * as ops from "./matrix_tape.ts";
import { multiply, norm, plus, type Tape, Tensor } from "./matrix_tape.ts";

/** The token that fills a text up; as a target it does not count. */
export const PAD = 0;
/** Sizes as in the legend above, and weights by name. */
export type Model = { sizes: Sizes; params: Record<string, Tensor> };
type Sizes = Record<"V" | "C" | "L" | "F" | "capacity", number>;
/** The parts that are easily got wrong; transformer_debug.ts exchanges one at a time. */
export const PARTS = {
  /** Which row of the position table token t has. */
  position: (t: number): number => t,
  /** Whether token t may look at token s. */
  sees: (t: number, s: number): boolean => s <= t,
  softmax: ops.softmax,
  logSoftmax: ops.logSoftmax,
  /** Takes the sum of the embeddings. */
  embedded: (x: Tensor): Tensor => x,
  /** Takes what is added to the stream. */
  dropout: (x: Tensor, _tape: Tape): Tensor => x,
};
/** Keys and values (S, C) of each block; starts as []. */
export type Cache = { keys: Tensor; values: Tensor }[];
/** On which tape to record, with which parts, and after which tokens. */
export type Run = { tape?: Tape; parts?: typeof PARTS; cache?: Cache };
type Tokens = readonly number[];
/** What goes in, and what should come out; (T,) each. */
export type Example = { inputs: Tokens; targets: Tokens };

/**
 * Draws a decoder with logits near 0, so a loss near ln V, from uniform numbers.
 * @throws {RangeError} if a size is no whole number above 0
 */
export function makeModel(sizes: Sizes, random: () => number): Model {
  const { V, C, L, F, capacity } = sizes;
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size > 0) continue;
    throw new RangeError(`Cannot make a decoder: ${name} is ${size}`);
  }
  const draw = (rows: number, columns: number, variance = 1 / rows) => {
    const uniform = () => (random() - 0.5) * Math.sqrt(12 * variance);
    const data = Float64Array.from({ length: rows * columns }, uniform);
    return new Tensor(rows, columns, data);
  };
  const params: Model["params"] = {
    tokens: draw(V, C, 0.25),
    positions: draw(capacity, C, 0.25),
    head: draw(C, V, 0.01 / C),
  };
  for (let l = 0; l < L; l++) {
    for (const n of ["query", "key", "value", "output"]) {
      params[`${n} ${l}`] = draw(C, C);
    }
    params[`up ${l}`] = draw(C, F);
    params[`down ${l}`] = draw(F, C);
  }
  return { sizes, params };
}

/**
 * The stream after the last norm, as a head takes it.
 * @param run with a cache, the tokens come after those in it and join them
 * @returns (T, C)
 * @throws {RangeError} if a token is none, or there are none or too many
 */
export function hidden(model: Model, tokens: Tokens, run: Run = {}): Tensor {
  const { sizes: { L, C, capacity }, params } = model;
  const { tape = [], parts = PARTS, cache } = run;
  const [T, past] = [tokens.length, cache?.[0]?.keys.rows ?? 0];
  if (T === 0 || past + T > capacity) {
    throw new RangeError(`Cannot run ${T} after ${past}: holds ${capacity}`);
  }
  const times = (x: Tensor, name: string) => multiply(x, params[name], tape);
  const what = ops.lookUp(params.tokens, tokens, tape);
  const places = tokens.map((_, t) => parts.position(past + t));
  const where = ops.lookUp(params.positions, places, tape);
  let x = parts.embedded(plus(what, where, tape)); // (T, C)
  for (let l = 0; l < L; l++) {
    const h = norm(x, tape);
    const keys = joined(cache?.[l]?.keys, times(h, `key ${l}`)); // (S, C)
    const values = joined(cache?.[l]?.values, times(h, `value ${l}`));
    if (cache) cache[l] = { keys, values };
    const query = ops.scale(times(h, `query ${l}`), () => C ** -0.5, tape);
    const scores = multiply(query, ops.transpose(keys, tape), tape); // (T, S)
    const seen = ops.hide(scores, (t, s) => parts.sees(past + t, s), tape);
    const mix = multiply(parts.softmax(seen, tape), values, tape); // (T, C)
    x = plus(x, parts.dropout(times(mix, `output ${l}`), tape), tape);
    const wide = ops.relu(times(norm(x, tape), `up ${l}`), tape); // (T, F)
    x = plus(x, parts.dropout(times(wide, `down ${l}`), tape), tape);
  }
  return norm(x, tape);
}

function joined(past: Tensor | undefined, next: Tensor): Tensor {
  if (!past) return next;
  const data = Float64Array.from([...past.data, ...next.data]);
  return new Tensor(past.rows + next.rows, past.columns, data);
}

/** (T, V) row t scores what follows token t. @throws as {@link hidden} */
export function logits(model: Model, tokens: Tokens, run: Run = {}): Tensor {
  const h = hidden(model, tokens, run); // (T, C)
  return multiply(h, model.params.head, run.tape ?? []);
}

/**
 * The mean of −log p(target), in nats, over all targets of the batch but `ignore`.
 * @throws {RangeError} if no target counts, one is no token, or as {@link hidden}
 */
export function loss(
  model: Model,
  batch: readonly Example[],
  { tape = [], parts = PARTS, ignore = PAD }: Run & { ignore?: number } = {},
): number {
  const { V } = model.sizes;
  const counts = (target: number) => target !== ignore;
  const N = batch.flatMap(({ targets }) => targets).filter(counts).length;
  if (N === 0) throw new RangeError("Cannot take the mean of 0 targets");
  let sum = 0;
  for (const { inputs, targets } of batch) {
    const logP = parts.logSoftmax(logits(model, inputs, { tape, parts }), tape);
    targets.forEach((y, t) => {
      if (!counts(y)) return;
      if (!(Number.isInteger(y) && y >= 0 && y < V && t < inputs.length)) {
        const T = inputs.length;
        throw new RangeError(`Cannot aim token ${t} of ${T} at ${y} of ${V}`);
      }
      sum -= logP.data[t * V + y];
      tape.push(() => logP.grad[t * V + y] -= 1 / N);
    });
  }
  return sum / N;
}

/** Goes down the gradients, and clears them. */
export function descend(params: Tensor[], rate: number): void {
  for (const { data, grad } of params) {
    data.forEach((_, i) => data[i] -= rate * grad[i]);
    grad.fill(0);
  }
}

/**
 * Goes on after a prompt with the likeliest token each time.
 * @param run without a cache, all tokens go in again for each new one
 * @throws {RangeError} as {@link hidden}
 */
export function generate(
  model: Model,
  prompt: Tokens,
  count: number,
  run: Run = { cache: [] },
): number[] {
  const tokens = [...prompt];
  for (let fresh: Tokens = tokens; tokens.length < prompt.length + count;) {
    const last = logits(model, fresh, run).data.slice(-model.sizes.V);
    tokens.push(last.indexOf(Math.max(...last)));
    fresh = run.cache ? tokens.slice(-1) : tokens;
  }
  return tokens.slice(prompt.length);
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const model = makeModel({ V: 12, C: 8, L: 2, F: 16, capacity: 12 }, random);
  const targets = [1, 4, 1, 5, 9, 2, 6, 5, 3];
  const batch = [{ inputs: [3, ...targets.slice(0, -1)], targets }];
  for (let step = 0; step <= 100; step++) {
    const tape: Tape = [];
    const nats = loss(model, batch, { tape });
    if (step % 100 === 0) console.log(`loss after ${step} steps:`, nats);
    ops.backward(tape);
    descend(Object.values(model.params), 0.3);
  }
  const wrong = { cache: [], parts: { ...PARTS, position: () => 0 } };
  console.log("without a cache         ", ...generate(model, [3], 9, {}));
  console.log("with a cache            ", ...generate(model, [3], 9));
  console.log("each token at position 0", ...generate(model, [3], 9, wrong));
}
