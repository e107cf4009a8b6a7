import { assert, assertEquals } from "@std/assert";
import {
  type Fault,
  FAULTS,
  FURTHER,
  makeTrainer,
  type Trainer,
} from "./broken_transformer.ts";
import { CHECKS, confusion, diagnose } from "./transformer_debug.ts";

const generator = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const examine = (fault: Fault, seed = 1) =>
  diagnose(makeTrainer(fault, generator(seed)), generator(seed + 100));

Deno.test("20 healthy models have no false alarm, and 20 of each of ten faults are named", () => {
  const faults = ["healthy", ...FAULTS] as const;
  assertEquals(
    confusion(faults, 20),
    faults.map((_, i) =>
      [...faults, "another"].map((_, j) => i === j ? 20 : 0)
    ),
  );
});

Deno.test("the further faults are named too", () => {
  assertEquals(
    confusion(FURTHER, 5),
    FURTHER.map((_, i) =>
      [...FURTHER, "another"].map((_, j) => i === j ? 5 : 0)
    ),
  );
});

Deno.test("the table has a row for each fault asked for, and one column more", () => {
  assertEquals(confusion(["mask missing", "learning rate 0"], 2), [
    [2, 0, 0],
    [0, 2, 0],
  ]);
  assertEquals(confusion([], 2), []);
});

Deno.test("each fault is found by its own check, and the message has its number", () => {
  for (
    const [fault, check, message] of [
      [
        "labels not shifted",
        "the next token is learned",
        /^it says 12 times the same token, 0 the next, 0 the second$/,
      ],
      [
        "labels shifted twice",
        "the next token is learned",
        /^it says 0 times the same token, 0 the next, 12 the second$/,
      ],
      [
        "mask missing",
        "the future does not leak",
        /^the last token moves earlier logits by 0\.\d+$/,
      ],
      [
        "mask inverted",
        "the past has influence",
        /^the first token moves later logits by 0\.00$/,
      ],
      [
        "positions constant",
        "places differ",
        /^one token, repeated, differs by \d/,
      ],
      [
        "dropout left on",
        "evaluation is the same twice",
        /^logits differ by 0\.\d+$/,
      ],
      [
        "padding in the loss",
        "padding does not count",
        /^with more of it 2\.\d+ is 2\.\d+$/,
      ],
      [
        "learning rate 0",
        "a step moves every parameter",
        /^9 of 9 stay, as tokens$/,
      ],
      [
        "softmax over the queries",
        "the rows of attention sum to 1",
        /^one sums to 0\.\d+$/,
      ],
      [
        "embeddings detached",
        "a gradient reaches every parameter",
        /^0 at tokens, positions$/,
      ],
      [
        "learning rate too high",
        "one batch can be overfitted",
        /^40 steps take the loss from [\d.]+ to [\d.e+]+$/,
      ],
      [
        "learning rate too low",
        "one batch can be overfitted",
        /^40 steps take the loss from 2\.\d+ to 2\.\d+$/,
      ],
      [
        "parameter frozen",
        "a step moves every parameter",
        /^1 of 9 stay, as value 0$/,
      ],
      [
        "head too large",
        "the loss starts at ln V",
        /^the loss is [\d.]+, not 2\.48, with logits [\d.]+ apart$/,
      ],
      [
        "loss over the wrong axis",
        "the loss starts at ln V",
        /^the loss is 1\.9\d, not 2\.48, with logits 0\.\d+ apart$/,
      ],
      [
        "position 0 in the cache",
        "the cache changes nothing",
        /^it moves the logits by 0\.\d+$/,
      ],
      [
        "targets out of range",
        "the targets are tokens",
        /^Cannot aim token \d of 7 at 12 of 12$/,
      ],
    ] as const
  ) {
    const found = examine(fault);
    assertEquals([found.fault, found.check], [fault, check]);
    assert(message.test(found.message), found.message);
  }
  assertEquals(examine("healthy"), {
    fault: "healthy",
    check: "all",
    message: "nothing found",
  });
});

Deno.test("the loss alone does not tell: without a mask it falls as well", () => {
  const fall = (fault: Fault) => {
    const trainer = makeTrainer(fault, generator(1));
    trainer.train(false);
    const texts = [[3, 1, 4, 2, 5, 9], [2, 7, 1, 8, 3, 4]];
    const start = trainer.loss(texts);
    for (let step = 0; step < 60; step++) trainer.step(texts);
    return trainer.loss(texts) / start;
  };
  for (
    const fault of ["healthy", "mask missing", "labels not shifted"] as const
  ) {
    assert(fall(fault) < 0.1, fault);
  }
});

Deno.test("the doctor uses what a trainer offers, and nothing else; it never trains with dropout", () => {
  const used = new Set<PropertyKey>();
  const modes: boolean[] = [];
  const trainer = makeTrainer("healthy", generator(1));
  const spied = new Proxy(trainer, {
    get(target, name) {
      used.add(name);
      if (name === "train") {
        return (on: boolean) => {
          modes.push(on);
          target.train(on);
        };
      }
      return target[name as keyof Trainer];
    },
  });
  assertEquals(diagnose(spied, generator(2)).fault, "healthy");
  assertEquals(modes, [false]);
  assertEquals([...used].map(String).sort(), Object.keys(trainer).sort());
  assert(
    !JSON.stringify(Object.keys(makeTrainer("mask missing", Math.random)))
      .includes("fault"),
  );
});

Deno.test("the same seeds find the same number", () => {
  assertEquals(examine("mask missing", 3), examine("mask missing", 3));
});

Deno.test("each check passes a healthy model by itself", () => {
  for (const [name, run] of Object.entries(CHECKS)) {
    const trainer = makeTrainer("healthy", generator(5));
    trainer.train(false);
    const text = [3, 1, 4, 2, 5, 9];
    const texts = [text, [2, 5, 9, 8, 3, 1]];
    // What was learned is asked only after learning.
    for (let n = 0; n < (name.includes("learned") ? 60 : 0); n++) {
      trainer.step(texts);
    }
    assertEquals(run(trainer, { text, texts, other: 7 }), false, name);
  }
});

Deno.test("texts have no token twice and none that is padding, and differ in each place", () => {
  const seen: number[][][] = [];
  const trainer = makeTrainer("healthy", generator(1));
  const spied: Trainer = {
    ...trainer,
    loss(texts) {
      seen.push(texts);
      return trainer.loss(texts);
    },
  };
  diagnose(spied, generator(2));
  const [text, other] = seen[0];
  assertEquals([text.length, other.length], [8, 8]);
  for (const one of [text, other]) assertEquals(new Set(one).size, 8);
  assertEquals(new Set([...text, ...other]).size, 11);
  assert([...text, ...other].every((token) => token > 0 && token < 12));
  text.forEach((token, t) => assert(token !== other[t]));
  // Every token is a target once or twice, so a label out of range cannot hide.
  assertEquals(new Set([...text.slice(1), ...other.slice(1)]).size, 11);
});

Deno.test("NaN is a symptom in every check that measures", () => {
  const rows = (text: number[]) => text.map(() => [NaN, NaN]);
  const sick: Trainer = {
    V: 12,
    train: () => {},
    logits: rows,
    cached: rows,
    attention: rows,
    loss: () => NaN,
    gradients: () => ({}),
    parameters: () => ({}),
    step: () => {},
  };
  const text = [1, 2, 3];
  for (
    const check of [
      "the loss starts at ln V",
      "the past has influence",
      "the rows of attention sum to 1",
      "the future does not leak",
      "places differ",
      "the cache changes nothing",
      "padding does not count",
      "one batch can be overfitted",
    ]
  ) {
    const symptom = CHECKS[check](sick, { text, texts: [text], other: 4 });
    assert(symptom !== false, check);
  }
});
