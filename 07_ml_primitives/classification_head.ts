#!/usr/bin/env -S deno run
/**
 * Q. Turn a decoder into a classifier. How do you verify it with one forward and one
 * backward pass?
 *
 * A. Drop the head for tokens; pool the hidden states of a text into one, and project it
 * on the classes. The pool is the mean over the real tokens, or the last real one, which
 * under a causal mask has seen them all. The check: run once forward and back, then move
 * all parameters a little along one random direction, both ways. The difference of the
 * losses must be the gradient along it: one number tests every gradient at once. And
 * the loss starts near ln K, and padding changes nothing.
 *
 * Shapes: K classes, C wide, T tokens in a text, padded at its end.
 * Time that of the decoder; the head adds O(T·C + C·K).
 * Trap: at the last place of a padded text stands padding, and in its mean too.
 * Left out: attention both ways, a token for the class. It imports decoder.ts.
 * Source: Radford et al. (2018), Improving Language Understanding by Generative
 * Pre-Training, 3.2.
 * Run: `deno run classification_head.ts`
 * @module
 */
import { descend, hidden, makeModel, type Model, PAD } from "./decoder.ts";
import { backward, logSoftmax, multiply, type Tape } from "./matrix_tape.ts";
import { Tensor } from "./matrix_tape.ts";

/** A decoder and what projects its pooled hidden state on the classes, (C, K). */
export interface Classifier {
  model: Model;
  head: Tensor;
  pool: "mean" | "last";
}
/** A text, padded or not, and its class. */
export interface Labelled {
  text: number[];
  label: number;
}

/**
 * @returns (1, K) logits
 * @throws {RangeError} if there is nothing but padding, or a token is none
 */
export function classify(
  { model, head, pool }: Classifier,
  text: readonly number[],
  tape: Tape = [],
): Tensor {
  const states = hidden(model, text, { tape }); // (T, C)
  const weights = poolWeights(text, pool);
  const pooled = multiply(weights, states, tape); // (1, C)
  return multiply(pooled, head, tape);
}

/** (1, T) what each state counts; padding counts 0. */
export function poolWeights(text: readonly number[], pool: "mean" | "last") {
  const real = text.map((token) => token === PAD ? 0 : 1);
  const count = real.reduce<number>((sum, r) => sum + r, 0);
  if (count === 0) throw new RangeError("Cannot pool a text of padding only");
  const last = real.lastIndexOf(1);
  const weights = pool === "mean"
    ? real.map((r) => r / count)
    : real.map((_, t) => t === last ? 1 : 0);
  return new Tensor(1, text.length, Float64Array.from(weights));
}

/**
 * The mean of −log p(label) over the batch, in nats.
 * @throws {RangeError} if a label is no class, the batch is empty, or as {@link classify}
 */
export function classLoss(
  classifier: Classifier,
  batch: readonly Labelled[],
  tape: Tape = [],
): number {
  const K = classifier.head.columns;
  if (batch.length === 0) {
    throw new RangeError("Cannot take the mean of 0 texts");
  }
  let sum = 0;
  for (const { text, label } of batch) {
    if (!(Number.isInteger(label) && label >= 0 && label < K)) {
      throw new RangeError(`Cannot aim at class ${label}: there are ${K}`);
    }
    const logP = logSoftmax(classify(classifier, text, tape), tape); // (1, K)
    sum -= logP.data[label];
    tape.push(() => logP.grad[label] -= 1 / batch.length);
  }
  return sum / batch.length;
}

/** All that is learned; the head for tokens is not. */
export function parameters({ model, head }: Classifier): Tensor[] {
  const { head: _, ...body } = model.params;
  return [...Object.values(body), head];
}

/**
 * The check: one pass forward and back, and two forward beside it.
 * @param random uniform numbers of [0, 1), for the direction
 * @returns the loss, and its slope along one direction: by the gradients, and as
 * measured. Parameters and gradients are as before.
 */
export function checkOnce(
  classifier: Classifier,
  batch: readonly Labelled[],
  random: () => number,
): { loss: number; slope: number; measured: number } {
  const params = parameters(classifier);
  const kept = params.map(({ data, grad }) => [data.slice(), grad.slice()]);
  const ways = params.map(({ data }) => data.map(() => random() - 0.5));
  for (const { grad } of params) grad.fill(0);
  const tape: Tape = [];
  const loss = classLoss(classifier, batch, tape);
  backward(tape);
  let slope = 0;
  params.forEach(({ grad }, p) =>
    grad.forEach((g, i) => slope += g * ways[p][i])
  );
  const h = 1e-5;
  const [up, down] = [h, -h].map((step) => {
    params.forEach(({ data }, p) =>
      data.forEach((_, i) => data[i] = kept[p][0][i] + step * ways[p][i])
    );
    return classLoss(classifier, batch);
  });
  params.forEach(({ data, grad }, p) => {
    data.set(kept[p][0]);
    grad.set(kept[p][1]);
  });
  return { loss, slope, measured: (up - down) / (2 * h) };
}

if (import.meta.main) {
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const model = makeModel({ V: 12, C: 8, L: 1, F: 16, capacity: 12 }, random);
  const head = new Tensor(
    8,
    3,
    Float64Array.from({ length: 24 }, () => (random() - 0.5) / 10),
  );
  // The class is the first token modulo 3; so the last must look back for it.
  const batch = Array.from({ length: 12 }, (_, i) => {
    const rest = Array.from(
      { length: i % 5 },
      () => 1 + Math.floor(random() * 11),
    );
    return { text: [1 + i % 11, ...rest, PAD, PAD], label: (1 + i % 11) % 3 };
  });
  const classifier: Classifier = { model, head, pool: "mean" };
  const { loss, slope, measured } = checkOnce(classifier, batch, random);
  console.log("loss at the start", loss, "and ln 3", Math.log(3));
  console.log("slope by gradients", slope, "and measured", measured);
  for (let step = 0; step < 200; step++) {
    const tape: Tape = [];
    classLoss(classifier, batch, tape);
    backward(tape);
    descend(parameters(classifier), 0.3);
  }
  console.log("loss after 200 steps", classLoss(classifier, batch));
  for (const pads of [0, 5]) {
    const text = [5, 3, 8, ...new Array<number>(pads).fill(PAD)];
    const right = classify(classifier, text).data;
    const every = new Float64Array(text.length).fill(1 / text.length);
    const all = new Tensor(1, text.length, every);
    const pooled = multiply(all, hidden(model, text), []);
    const wrong = multiply(pooled, head, []).data;
    const show = (x: Float64Array) => [...x].map((v) => v.toFixed(2)).join(" ");
    console.log(`${pads} pads: ${show(right)}; in the mean: ${show(wrong)}`);
  }
}
