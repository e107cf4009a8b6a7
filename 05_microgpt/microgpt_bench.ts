/**
 * How fast the scalar GPT learns and writes, and how large its graphs are.
 *
 * Run: `deno bench microgpt_bench.ts`
 * @module
 */
import { maskedLoss } from "./masked_attention.ts";
import * as microgpt from "./microgpt.ts";
import names from "./names.txt" with { type: "text" };
import { RECIPES } from "./options.ts";
import { PythonRandom } from "./python_random.ts";

const { config } = RECIPES.reference;
const docs = names.trim().split("\n");
const model = microgpt.createModel(config, docs, new PythonRandom(42));
const batch = docs.slice(0, config.batch);
const tokens = batch.reduce((sum, doc) => sum + doc.length + 1, 0);
const [longest] = batch.toSorted((a, b) => b.length - a.length);
const count = (root: microgpt.Value) =>
  microgpt.topologicalOrder(root).length.toLocaleString("en");

const { value: first } = microgpt.train(model).next();
if (Math.abs(Number(first) - 3.338944348346084) > 1e-12) { // CPython's
  throw new Error(`The first loss is ${first}: nothing to time`);
}
const one = microgpt.loss(model, longest);
const masked = maskedLoss(model, longest);
if (one.data !== masked.data) throw new Error("The two forms differ");

const seconds: number[] = [];
Deno.bench({
  name: `train on ${batch.length} texts of ${tokens} tokens`,
  group: "one step",
  baseline: true,
  fn() {
    const start = performance.now();
    model.step = 0; // always the first step, whatever the plan
    microgpt.train(model).next();
    seconds.push((performance.now() - start) / 1000);
  },
});
Deno.bench("compute its loss only", { group: "one step" }, () => {
  batch.forEach((doc) => microgpt.loss(model, doc));
});
Deno.bench("update the parameters only", { group: "one step" }, () => {
  model.step = 0;
  microgpt.update(model);
});

const group = `loss and gradients of ${longest}`;
const forms = { loss: microgpt.loss, maskedLoss };
for (const [name, form] of Object.entries(forms)) {
  const values = count(form(model, longest));
  const baseline = name === "loss";
  Deno.bench(`${name}(), ${values} Values`, { group, baseline }, () => {
    form(model, longest).backward();
  });
}

Deno.bench("write a text", { group: "sample" }, () => {
  microgpt.sample(model, 0.5);
});

addEventListener("unload", () => {
  const median = seconds.sort((a, b) => a - b)[seconds.length >> 1];
  if (median === undefined) return; // filtered out
  const [texts, rate] = [batch.length, tokens].map((n) =>
    Math.round(n / median)
  );
  console.log(`\nTraining: ${texts} texts a second, ${rate} tokens a second`);
});
