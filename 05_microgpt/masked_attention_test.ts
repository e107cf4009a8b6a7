import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { maskedLoss } from "./masked_attention.ts";
import { createModel, KARPATHY, loss, type Model } from "./microgpt.ts";
import { topologicalOrder } from "./microgpt.ts";
import { PythonRandom } from "./python_random.ts";

const model = (config: Partial<typeof KARPATHY>, docs = ["abba", "cab"]) =>
  createModel({ ...KARPATHY, ...config }, [...docs], new PythonRandom(1));

/** Loss and gradients by one of the two forms. */
function train(form: typeof loss, m: Model, doc: string) {
  m.params.forEach((p) => p.grad = 0);
  const root = form(m, doc);
  root.backward();
  return { loss: root.data, grads: m.params.map((p) => p.grad) };
}

const CASES: [name: string, config: Partial<typeof KARPATHY>, doc: string][] = [
  ["of several layers and heads", { layers: 3, heads: 3, embd: 6 }, "abba"],
  ["of a text longer than the block", { block: 3 }, "abcabc"],
  ["of a single token", { block: 1 }, "c"],
  ["of an empty text", {}, ""],
];
for (const [name, config, doc] of CASES) {
  Deno.test(`maskedLoss() ${name} sees no key after its query`, () => {
    const m = model(config);
    const expected = train(loss, m, doc);
    const actual = train(maskedLoss, m, doc);
    assertEquals(actual.loss, expected.loss); // the same sums, plus zeros
    // Gradients are added up in another order, which moves the last bits.
    actual.grads.forEach((grad, i) =>
      assertAlmostEquals(grad, expected.grads[i], 1e-14)
    );
  });
}

Deno.test("maskedLoss() builds more Values than one token at a time, but few", () => {
  const text = "abcdefghijklmno";
  const m = model({}, [text]);
  for (const length of [3, 7, 15]) {
    const [one, masked] = [loss, maskedLoss].map((form) =>
      topologicalOrder(form(m, text.slice(0, length))).length
    );
    assert(masked > one && masked < 1.12 * one, `${one}, ${masked}`);
  }
});
