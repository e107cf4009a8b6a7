#!/usr/bin/env -S deno run
/**
 * Q. A transformer trains without an error, and is wrong. How do you find the fault?
 *
 * A. With checks of which each gives one number, in an order in which each may trust
 * those before. In evaluation, is the same text the same twice? Is the loss at the start
 * ln V? Does a past token change later logits, do the rows of attention sum to 1, does a
 * future token change nothing before it? Does one token, repeated, look different in
 * each place? Are the logits with a cache those without? Does more padding leave the
 * loss alone? Does a gradient reach every parameter, and a step move it? Then overfit
 * one batch, and look what it learned: the next token, the same one, or the one after.
 *
 * Shapes: V tokens, T in a text.
 * Time: 40 steps on two texts and some twenty forward passes.
 * Trap: the loss. With the mask missing it falls beautifully, for the model reads the
 * answer. Check the leak, not the loss.
 * Left out: two faults at once, and wrong data. The faults are in broken_transformer.ts,
 * which only the demo and the table import: the doctor sees a {@link Trainer}.
 * Source: Karpathy (2019), https://karpathy.github.io/2019/04/25/recipe/
 * Run: `deno run transformer_debug.ts`
 * @module
 */
import {
  type Fault,
  FAULTS,
  FURTHER,
  makeTrainer,
  type Rows,
  type Trainer,
} from "./broken_transformer.ts";

/** A fault, and the number that says so. */
type Symptom = [fault: Fault, message: string];
/** Two `texts`, the first of which is `text`; `other` is a token not in it. */
type Check = (
  trainer: Trainer,
  sample: { text: number[]; texts: Rows; other: number },
) => Symptom | false;

/** Each may trust those before it. */
export const CHECKS: Record<string, Check> = {
  "the targets are tokens": (trainer, { texts }) => {
    try {
      trainer.loss(texts);
      return false;
    } catch (error) {
      return ["targets out of range", (error as Error).message];
    }
  },
  "evaluation is the same twice": (trainer, { text }) => {
    const off = distance(trainer.logits(text), trainer.logits(text));
    return off > 0 && ["dropout left on", `logits differ by ${show(off)}`];
  },
  "the loss starts at ln V": (trainer, { text, texts }) => {
    const loss = trainer.loss(texts);
    const [has, should] = [show(loss), show(Math.log(trainer.V))];
    const all = trainer.logits(text).flat();
    const spread = Math.max(...all) - Math.min(...all);
    return !(Math.abs(loss - Math.log(trainer.V)) < 0.3) && [
      spread > 3 ? "head too large" : "loss over the wrong axis",
      `the loss is ${has}, not ${should}, with logits ${show(spread)} apart`,
    ];
  },
  "the past has influence": (trainer, { text, other }) => {
    const past = Math.max(...change(trainer, text, 0, other).slice(1));
    return !(past > 1e-9) &&
      ["mask inverted", `the first token moves later logits by ${show(past)}`];
  },
  "the rows of attention sum to 1": (trainer, { text }) => {
    const sums = trainer.attention(text).map((row) =>
      row.reduce((s, p) => s + p)
    );
    const wrong = sums.find((sum) => !(Math.abs(sum - 1) < 1e-9));
    return wrong !== undefined &&
      ["softmax over the queries", `one sums to ${show(wrong)}`];
  },
  "the future does not leak": (trainer, { text, other }) => {
    const moved = change(trainer, text, text.length - 1, other);
    const leak = Math.max(...moved.slice(0, -1));
    return !(leak < 1e-9) &&
      ["mask missing", `the last token moves earlier logits by ${show(leak)}`];
  },
  "places differ": (trainer, { text }) => {
    const rows = trainer.logits(text.map(() => text[0]));
    const off = distance(rows.slice(1), rows.slice(0, -1));
    return !(off > 1e-9) &&
      ["positions constant", `one token, repeated, differs by ${show(off)}`];
  },
  "the cache changes nothing": (trainer, { text }) => {
    const off = distance(trainer.cached(text), trainer.logits(text));
    return !(off < 1e-9) &&
      ["position 0 in the cache", `it moves the logits by ${show(off)}`];
  },
  "padding does not count": (trainer, { texts }) => {
    const [one, more] = [[0], [0, 0, 0]].map((pads) =>
      trainer.loss(texts.map((text) => [...text, ...pads]))
    );
    return !(Math.abs(one - more) < 1e-9) &&
      ["padding in the loss", `with more of it ${show(one)} is ${show(more)}`];
  },
  "a gradient reaches every parameter": (trainer, { texts }) => {
    const all = Object.entries(trainer.gradients(texts));
    const dead = all.filter(([, grad]) => grad.every((g) => g === 0));
    return dead.length > 0 &&
      ["embeddings detached", `0 at ${dead.map(([name]) => name).join(", ")}`];
  },
  "a step moves every parameter": (trainer, { texts }) => {
    const before = Object.entries(trainer.parameters());
    trainer.step(texts);
    const after = trainer.parameters();
    const still = before.filter(([name, was]) =>
      was.every((w, i) => w === after[name][i])
    );
    return still.length > 0 && [
      still.length === before.length ? "learning rate 0" : "parameter frozen",
      `${still.length} of ${before.length} stay, as ${still[0][0]}`,
    ];
  },
  "one batch can be overfitted": (trainer, { texts }) => {
    const start = trainer.loss(texts);
    for (let step = 0; step < 40; step++) trainer.step(texts);
    const end = trainer.loss(texts);
    const high = !(Math.max(start, end) < 2 * Math.log(trainer.V));
    return !(end < start / 2) && [
      high ? "learning rate too high" : "learning rate too low",
      `40 steps take the loss from ${show(start)} to ${show(end)}`,
    ];
  },
  "the next token is learned": (trainer, { texts }) => {
    const hits = [0, 0, 0];
    for (const text of texts) {
      trainer.logits(text).slice(0, -2).forEach((row, t) => {
        const guess = row.indexOf(Math.max(...row));
        hits.forEach((_, k) => hits[k] += guess === text[t + k] ? 1 : 0);
      });
    }
    const [same, next, second] = hits;
    return next <= Math.max(same, second) && [
      same > second ? "labels not shifted" : "labels shifted twice",
      `it says ${same} times the same token, ${next} the next, ${second} the second`,
    ];
  },
};

/**
 * Names what is wrong with a trainer that has not trained; it has, afterwards.
 * @param random uniform numbers of [0, 1), for the texts
 */
export function diagnose(trainer: Trainer, random: () => number) {
  const deck = Array.from({ length: trainer.V - 1 }, (_, i) => i + 1);
  const keys = deck.map(random);
  const drawn = deck.sort((a, b) => keys[a - 1] - keys[b - 1]);
  // No token twice in a text, so each shift of it is another answer.
  const T = Math.ceil(drawn.length * 2 / 3);
  const text = drawn.slice(0, T);
  const texts = [text, [...drawn.slice(1 - T), drawn[0]]];
  trainer.train(false);
  for (const [check, run] of Object.entries(CHECKS)) {
    const symptom = run(trainer, { text, texts, other: drawn[T] });
    if (symptom) return { fault: symptom[0], check, message: symptom[1] };
  }
  const fault: Fault = "healthy";
  return { fault, check: "all", message: "nothing found" };
}

/** How often each fault (row) is named what (column); one column more for others. */
export function confusion(faults: readonly Fault[], seeds: number): number[][] {
  return faults.map((fault) => {
    const row = new Array<number>(faults.length + 1).fill(0);
    for (let seed = 1; seed <= seeds; seed++) {
      const trainer = makeTrainer(fault, generator(seed));
      const named = faults.indexOf(diagnose(trainer, generator(-seed)).fault);
      row[named < 0 ? faults.length : named]++;
    }
    return row;
  });
}

const distance = (a: Rows, b: Rows) =>
  Math.max(...a.flatMap((row, t) => row.map((v, i) => Math.abs(v - b[t][i]))));
/** (T,) how far each token's logits move if the one in place `at` is another */
function change(trainer: Trainer, text: number[], at: number, other: number) {
  const [a, b] = [text, text.with(at, other)].map((x) => trainer.logits(x));
  return a.map((row, t) => distance([row], [b[t]]));
}
const show = (x: number) => x.toPrecision(3);
function generator(seed: number) {
  let state = (seed * 7919 + 2147483647) % 2147483647;
  return () => (state = state * 48271 % 2147483647) / 2147483647;
}

if (import.meta.main) {
  const faults = ["healthy", ...FAULTS, ...FURTHER] as const;
  const line = (cells: (number | string)[], name: string) =>
    console.log(name + cells.map((n) => String(n || "·").padStart(3)).join(""));
  line(faults.map((_, i) => i + 1), "of 20, named as".padEnd(28));
  confusion(faults, 20).forEach((row, i) =>
    line(row.slice(0, -1), `${i + 1}`.padStart(2) + ` ${faults[i].padEnd(25)}`)
  );
  for (const fault of FAULTS) {
    const found = diagnose(makeTrainer(fault, generator(1)), generator(-1));
    console.log(`${fault}: fails "${found.check}",\n  ${found.message}`);
  }
}
