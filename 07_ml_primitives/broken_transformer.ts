#!/usr/bin/env -S deno run
/**
 * Q. Which faults does a transformer train with, and never complain?
 *
 * A. Labels that are not shifted, so that it learns to copy, or shifted twice. A mask
 * that is missing or turned round. Positions that are all the same. Dropout that stays
 * on in evaluation. Padding that counts in the loss. A learning rate of 0. A softmax
 * over the queries, so that columns sum to 1 and rows do not. Embeddings cut off from
 * the gradient. Here each is one part of a right decoder exchanged, and the rest runs as
 * it is. Of all here, only targets out of range are an error.
 *
 * Shapes: V tokens, T in a text.
 * Trap: the loss. Without a mask it falls below what anybody can know, as the answer is
 * read; with labels not shifted it falls lowest of all.
 * Left out: finding them, which is transformer_debug.ts. The decoder is decoder.ts.
 * Source: Karpathy (2019), https://karpathy.github.io/2019/04/25/recipe/
 * Run: `deno run broken_transformer.ts`
 * @module
 */
import {
  type Cache,
  descend,
  logits,
  loss,
  makeModel,
  PAD,
  PARTS,
} from "./decoder.ts";
import * as ops from "./matrix_tape.ts";

/** Texts of tokens, or rows of numbers. */
export type Rows = number[][];

/** A model in training, as its user sees it. Token 0 is padding. */
export interface Trainer {
  readonly V: number;
  /** Switches dropout on, or off for evaluation. */
  train(on: boolean): void;
  /** (T, V) row t scores what follows token t. */
  logits(text: number[]): Rows;
  /** The same, one token at a time through a cache. */
  cached(text: number[]): Rows;
  /** (T, T) what each token takes of each, in the last block. */
  attention(text: number[]): Rows;
  /** The mean loss in nats; what is to be predicted, the trainer knows. */
  loss(texts: Rows): number;
  /** ∂loss/∂parameter, by name. */
  gradients(texts: Rows): Record<string, number[]>;
  /** Copies, by name. */
  parameters(): Record<string, number[]>;
  /** One step of the optimiser. */
  step(texts: Rows): void;
}

/** The ten well-known ones. */
export const FAULTS = [
  "labels not shifted",
  "labels shifted twice",
  "mask missing",
  "mask inverted",
  "positions constant",
  "dropout left on",
  "padding in the loss",
  "learning rate 0",
  "softmax over the queries",
  "embeddings detached",
] as const;
/** More of them. */
export const FURTHER = [
  "learning rate too high",
  "learning rate too low",
  "parameter frozen",
  "head too large",
  "loss over the wrong axis",
  "position 0 in the cache",
  "targets out of range",
] as const;
/** One fault, or none. */
export type Fault = "healthy" | typeof FAULTS[number] | typeof FURTHER[number];

/** f down the columns. */
const down = (f: typeof ops.softmax): typeof ops.softmax => (x, tape) =>
  ops.transpose(f(ops.transpose(x, tape), tape), tape);
const EXCHANGED: Partial<Record<Fault, Partial<typeof PARTS>>> = {
  "mask missing": { sees: () => true },
  "mask inverted": { sees: (t, s) => s > t },
  "positions constant": { position: () => 0 },
  "softmax over the queries": { softmax: down(ops.softmax) },
  "loss over the wrong axis": { logSoftmax: down(ops.logSoftmax) },
  // A copy is a new leaf: nothing goes back through it.
  "embeddings detached": {
    embedded: (x) => new ops.Tensor(x.rows, x.columns, x.data),
  },
};
const SHIFTS: Partial<Record<Fault, number>> = {
  "labels not shifted": 0,
  "labels shifted twice": 2,
};
const RATES: Partial<Record<Fault, number>> = {
  "learning rate 0": 0,
  "learning rate too high": 100,
  "learning rate too low": 1e-5,
};

/**
 * A small decoder in training, of 12 tokens and texts up to 12.
 * @param random uniform numbers of [0, 1); draws the weights and the dropout
 */
export function makeTrainer(fault: Fault, random: () => number): Trainer {
  const is = (name: Fault) => fault === name;
  const V = 12;
  const model = makeModel({ V, C: 8, L: 1, F: 16, capacity: 12 }, random);
  const { head } = model.params;
  if (is("head too large")) head.data.forEach((w, i) => head.data[i] = 50 * w);
  let training = true;
  let shares = new ops.Tensor(0, 0);
  const { softmax, ...rest } = { ...PARTS, ...EXCHANGED[fault] };
  const parts: typeof PARTS = {
    ...rest,
    softmax: (x, tape) => shares = softmax(x, tape),
    dropout: (x, tape) =>
      training || is("dropout left on")
        ? ops.scale(x, () => random() < 0.1 ? 0 : 1 / 0.9, tape)
        : x,
  };
  const example = (text: number[]) => {
    const inputs = text.slice(0, -1);
    const next = (t: number) => text[t + (SHIFTS[fault] ?? 1)] ?? PAD;
    const targets = inputs.map((_, t) => next(t));
    // The labels of a larger vocabulary.
    const far = (y: number) => y && is("targets out of range") ? y + 1 : y;
    return { inputs, targets: targets.map(far) };
  };
  const mean = (texts: Rows, tape: ops.Tape = []) =>
    loss(model, texts.map(example), {
      tape,
      parts,
      ignore: is("padding in the loss") ? -1 : PAD,
    });
  const params = Object.entries(model.params);
  const byName = (of: "data" | "grad") =>
    Object.fromEntries(params.map(([name, x]) => [name, [...x[of]]]));
  const gradients = (texts: Rows) => {
    const tape: ops.Tape = [];
    for (const [, { grad }] of params) grad.fill(0);
    mean(texts, tape);
    ops.backward(tape);
    return byName("grad");
  };
  return {
    V,
    train: (on) => training = on,
    loss: (texts) => mean(texts),
    gradients,
    parameters: () => byName("data"),
    logits: (text) => rows(logits(model, text, { parts })),
    cached(text) {
      const cache: Cache = [];
      const stuck = { ...parts, position: () => 0 };
      const now = is("position 0 in the cache") ? stuck : parts;
      const run = { parts: now, cache };
      return text.flatMap((token) => rows(logits(model, [token], run)));
    },
    attention(text) {
      logits(model, text, { parts });
      return rows(shares);
    },
    step(texts) {
      gradients(texts);
      const moving = params.filter(([name]) =>
        !(is("parameter frozen") && name === "value 0")
      );
      descend(moving.map(([, x]) => x), RATES[fault] ?? 0.3);
    },
  };
}

const rows = (x: ops.Tensor): Rows =>
  Array.from({ length: x.rows }, (_, r) => [
    ...x.data.slice(r * x.columns, (r + 1) * x.columns),
  ]);

if (import.meta.main) {
  console.log(
    `11 random tokens: no loss below ln 11 = ${Math.log(11)} is honest`,
  );
  for (const fault of ["healthy", FAULTS[2], FAULTS[0]] as const) {
    let seed = 1;
    const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
    const trainer = makeTrainer(fault, random);
    const draw = () => 1 + Math.floor(random() * 11);
    const texts = (count: number) =>
      Array.from({ length: count }, () => Array.from({ length: 7 }, draw));
    for (let step = 0; step < 600; step++) trainer.step(texts(4));
    trainer.train(false);
    console.log(fault.padEnd(18), trainer.loss(texts(80)));
  }
}
