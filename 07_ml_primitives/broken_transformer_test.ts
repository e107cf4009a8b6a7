import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Fault,
  FAULTS,
  FURTHER,
  makeTrainer,
  type Rows,
} from "./broken_transformer.ts";
import { logits, loss, makeModel } from "./decoder.ts";

const generator = (seed: number) => () =>
  (seed = seed * 48271 % 2147483647) / 2147483647;
const make = (fault: Fault, on = false) => {
  const trainer = makeTrainer(fault, generator(1));
  trainer.train(on);
  return trainer;
};
const TEXT = [3, 1, 4, 2, 5, 9];
const TEXTS = [TEXT, [2, 7, 1, 8]];
const distance = (a: Rows, b: Rows) =>
  Math.max(...a.flatMap((row, t) => row.map((v, i) => Math.abs(v - b[t][i]))));
const near = (a: number, b: number, tolerance = 1e-12) =>
  assert(Math.abs(a - b) < tolerance, `${a} is not ${b}`);
/** Mean −log p of targets `shift` on, from the trainer's own logits. */
function meanLoss(fault: Fault, texts: Rows, shift: number, pads = false) {
  const trainer = make(fault);
  const all = texts.flatMap((text) => {
    const rows = trainer.logits(text.slice(0, -1));
    return rows.flatMap((row, t) => {
      const y = text[t + shift] ?? 0;
      const sum = row.reduce((total, v) => total + Math.exp(v), 0);
      return y || pads ? [Math.log(sum) - row[y]] : [];
    });
  });
  return all.reduce((sum, v) => sum + v, 0) / all.length;
}

Deno.test("a healthy trainer runs the decoder as it is", () => {
  const trainer = make("healthy");
  const sizes = { V: 12, C: 8, L: 1, F: 16, capacity: 12 };
  const model = makeModel(sizes, generator(1));
  assertEquals(trainer.logits(TEXT).flat(), [...logits(model, TEXT).data]);
  const batch = TEXTS.map((text) => ({
    inputs: text.slice(0, -1),
    targets: text.slice(1),
  }));
  assertEquals(trainer.loss(TEXTS), loss(model, batch));
  assertEquals(trainer.V, 12);
  assertEquals(
    Object.values(trainer.parameters()),
    Object.values(model.params).map(({ data }) => [...data]),
  );
});

Deno.test("labels are the next token, the same one or the second, and the loss says which", () => {
  near(make("healthy").loss(TEXTS), meanLoss("healthy", TEXTS, 1));
  near(make("labels not shifted").loss(TEXTS), meanLoss("healthy", TEXTS, 0));
  near(make("labels shifted twice").loss(TEXTS), meanLoss("healthy", TEXTS, 2));
});

Deno.test("padding counts in the loss of one trainer only", () => {
  const padded = TEXTS.map((text) => [...text, 0, 0, 0]);
  const healthy = meanLoss("healthy", TEXTS, 1);
  const counted = meanLoss("healthy", padded, 1, true);
  assert(Math.abs(healthy - counted) > 1e-3);
  near(make("healthy").loss(padded), healthy);
  near(make("padding in the loss").loss(padded), counted);
});

Deno.test("each mask hides what its name says", () => {
  const sees = (fault: Fault, what: (t: number, s: number) => boolean) =>
    make(fault).attention(TEXT).some((row, t) =>
      row.some((p, s) => what(t, s) && p > 0)
    );
  for (
    const [fault, past, self, future] of [
      ["healthy", true, true, false],
      ["mask missing", true, true, true],
      ["mask inverted", false, false, true],
    ] as const
  ) {
    assertEquals(sees(fault, (t, s) => s < t), past, fault);
    assertEquals(sees(fault, (t, s) => s === t), self, fault);
    assertEquals(sees(fault, (t, s) => s > t), future, fault);
  }
});

Deno.test("a mask that is inverted hides everything from the last token", () => {
  const rows = make("mask inverted").attention(TEXT);
  assertEquals(rows.at(-1), TEXT.map(() => 0));
  near(rows[0].reduce((sum, p) => sum + p), 1);
});

Deno.test("a softmax over the queries sums to 1 down the columns", () => {
  const sums = (rows: Rows) =>
    rows[0].map((_, s) => rows.reduce((sum, row) => sum + row[s], 0));
  const wrong = make("softmax over the queries").attention(TEXT);
  sums(wrong).forEach((sum) => near(sum, 1));
  const right = make("healthy").attention(TEXT);
  right.forEach((row) => near(row.reduce((sum, p) => sum + p), 1));
  assert(sums(right).some((sum) => Math.abs(sum - 1) > 0.1));
});

Deno.test("constant positions make a repeated token the same everywhere", () => {
  const spread = (fault: Fault) => {
    const rows = make(fault).logits([3, 3, 3, 3]);
    return distance(rows.slice(1), rows.slice(0, -1));
  };
  assert(spread("positions constant") < 1e-12);
  assert(spread("healthy") > 1e-3);
});

Deno.test("dropout is random in training, and off in evaluation unless it is left on", () => {
  const noise = (fault: Fault, on: boolean) => {
    const trainer = make(fault, on);
    return distance(trainer.logits(TEXT), trainer.logits(TEXT));
  };
  assert(noise("healthy", true) > 0);
  assertEquals(noise("healthy", false), 0);
  assert(noise("dropout left on", false) > 0);
});

Deno.test("a step is the rate times the gradient, but for what is frozen", () => {
  for (
    const [fault, rate] of [
      ["healthy", 0.3],
      ["learning rate 0", 0],
      ["learning rate too high", 100],
      ["learning rate too low", 1e-5],
      ["parameter frozen", 0.3],
    ] as const
  ) {
    const trainer = make(fault);
    const before = trainer.parameters();
    const gradients = trainer.gradients(TEXTS);
    trainer.gradients(TEXTS); // a second look adds nothing
    trainer.step(TEXTS);
    for (const [name, after] of Object.entries(trainer.parameters())) {
      const frozen = fault === "parameter frozen" && name === "value 0";
      assert(gradients[name].some((g) => g !== 0));
      after.forEach((v, i) =>
        near(v, before[name][i] - (frozen ? 0 : rate) * gradients[name][i])
      );
    }
  }
});

Deno.test("detached embeddings get no gradient, and all else the right one", () => {
  const right = make("healthy").gradients(TEXTS);
  const wrong = make("embeddings detached").gradients(TEXTS);
  for (const name of Object.keys(right)) {
    const cut = name === "tokens" || name === "positions";
    assertEquals(wrong[name], cut ? right[name].map(() => 0) : right[name]);
  }
});

Deno.test("the loss over the wrong axis starts at the ln of the length", () => {
  const text = [1, 2, 3, 4, 5];
  near(make("loss over the wrong axis").loss([text]), Math.log(4), 0.2);
  near(make("healthy").loss([text]), Math.log(12), 0.2);
  assert(make("head too large").loss([text]) > 3.5);
});

Deno.test("only one cache forgets how long it is", () => {
  for (const fault of ["healthy", "position 0 in the cache"] as const) {
    const trainer = make(fault);
    const off = distance(trainer.cached(TEXT), trainer.logits(TEXT));
    assert(fault === "healthy" ? off < 1e-12 : off > 1e-3);
  }
});

Deno.test("targets out of range are an error that names one", () => {
  assertThrows(
    () => make("targets out of range").loss([[1, 2, 11]]),
    RangeError,
    "Cannot aim token 1 of 2 at 12 of 12",
  );
});

Deno.test("parameters and gradients are copies", () => {
  const trainer = make("healthy");
  const nats = trainer.loss(TEXTS);
  trainer.parameters().head.fill(0);
  trainer.gradients(TEXTS).head.fill(0);
  assertEquals(trainer.loss(TEXTS), nats);
});

Deno.test("without a mask the loss falls below what can be known", () => {
  const end = (fault: Fault) => {
    const random = generator(1);
    const trainer = makeTrainer(fault, random);
    trainer.train(false);
    const texts = (count: number) =>
      Array.from(
        { length: count },
        () => Array.from({ length: 7 }, () => 1 + Math.floor(random() * 11)),
      );
    for (let step = 0; step < 300; step++) trainer.step(texts(4));
    return trainer.loss(texts(40));
  };
  assert(end("healthy") > Math.log(11) - 0.05);
  assert(end("mask missing") < 2, `${end("mask missing")}`);
});

Deno.test("every fault but those of labels, learning and padding is another function", () => {
  assertEquals(FAULTS.length, 10);
  assertEquals(new Set([...FAULTS, ...FURTHER]).size, 17);
  const right = make("healthy").logits(TEXT);
  for (
    const fault of [
      "mask missing",
      "mask inverted",
      "positions constant",
      "softmax over the queries",
      "dropout left on",
      "head too large",
    ] as const
  ) assert(distance(make(fault).logits(TEXT), right) > 1e-3, fault);
});
