import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  capture,
  type Checkpoint,
  configOf,
  restore,
  writeWhole,
} from "./checkpoint.ts";
import { accumulate, createModel, KARPATHY } from "./microgpt.ts";
import { type Model, sample, update } from "./microgpt.ts";
import { PythonRandom } from "./python_random.ts";

const CONFIG = {
  ...KARPATHY,
  layers: 2,
  heads: 2,
  embd: 6,
  steps: 9,
  batch: 2,
};
const DOCS = ["ada", "alan", "edsger", "grace", "john"];
const model = () => createModel({ ...CONFIG }, [...DOCS], new PythonRandom(3));

function train(m: Model, steps: number): number[] {
  return Array.from({ length: steps }, () => {
    const loss = accumulate(m);
    update(m);
    return loss;
  });
}

/** Everything a run shows from here on. */
const rest = (m: Model) => ({
  losses: train(m, m.steps - m.step),
  texts: [1, 2, 3].map(() => sample(m, 1)),
  weights: m.params.map((p) => p.data),
});

/** A checkpoint as it comes back from a file. */
const saved = (m: Model): Checkpoint =>
  JSON.parse(JSON.stringify(capture(m, 3n)));

for (const steps of [0, 4, 9]) {
  Deno.test(`a run saved after step ${steps} goes on to the last bit as if it had not been`, () => {
    const m = model();
    train(m, steps);
    m.random.gauss(0, 1); // leaves half a pair waiting
    const copy = restore(saved(m));
    assertEquals(configOf(copy), CONFIG);
    assertEquals(copy.step, steps);
    assertEquals(rest(copy), rest(m));
  });
}

Deno.test("capture() is a copy: what the run does later does not reach it", () => {
  const m = model();
  train(m, 1);
  const state = capture(m, 3n);
  const before = JSON.stringify(state);
  train(m, 1);
  m.random.random();
  assertEquals(JSON.stringify(state), before);
});

const ERRORS: [change: (c: Checkpoint) => unknown, message: string][] = [
  [() => null, "it is not a checkpoint"],
  [() => ({}), "it is not a checkpoint"],
  [(c) => ({ ...c, seed: "x" }), "its seed is no integer: x"],
  [(c) => ({ ...c, config: undefined }), "its layers is undefined"],
  [(c) => ({ ...c, config: { ...CONFIG, lr: -1 } }), "its lr is -1"],
  [(c) => ({ ...c, config: { ...CONFIG, lr: "1" } }), "its lr is 1"],
  [(c) => ({ ...c, docs: [] }), "it has no texts"],
  [(c) => ({ ...c, docs: ["a", 2] }), "a text is no string"],
  [(c) => ({ ...c, step: 10 }), "step 10 is not within its 9 steps"],
  [(c) => ({ ...c, step: 0.5 }), "step 0.5 is not within its 9 steps"],
  [(c) => ({ ...c, weights: {} }), "wpe is not a (16, 6) matrix of numbers"],
  [
    (c) => ({ ...c, weights: { ...c.weights, wte: c.weights.wte.slice(1) } }),
    "wte is not a (13, 6) matrix of numbers",
  ],
  [
    (c) => ({ ...c, weights: { ...c.weights, lm_head: [[null]] } }),
    "lm_head is not a (13, 6) matrix of numbers",
  ],
  [(c) => ({ ...c, m: c.m.slice(1) }), "m is not a (1, 1116) matrix"],
  [(c) => ({ ...c, v: undefined }), "v is not a (1, 1116) matrix"],
  [(c) => ({ ...c, random: undefined }), "Cannot restore: this is not"],
];
for (const [change, message] of ERRORS) {
  Deno.test(`restore() of what does not fit says so: ${message}`, () => {
    const state = change(saved(model())) as Checkpoint;
    assertThrows(() => restore(state), RangeError, message);
  });
}

const { state } = Deno.permissions.querySync({ name: "write" });
Deno.test({
  name: state === "granted"
    ? "writeWhole() leaves the old file whole, and nothing else, when it fails"
    : "writeWhole() needs --allow-read and --allow-write, so it is not tested here",
  ignore: state !== "granted",
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/run.json`;
      await writeWhole(path, "old");
      await writeWhole(path, "new");
      assertEquals(await Deno.readTextFile(path), "new");
      await Deno.mkdir(`${folder}/taken`);
      await Deno.writeTextFile(`${folder}/taken/file`, "");
      await assertRejects(() => writeWhole(`${folder}/taken`, "x"), Error);
      const names = [...Deno.readDirSync(folder)].map((entry) => entry.name);
      assertEquals(names.toSorted(), ["run.json", "taken"]);
      assert((await Deno.stat(`${folder}/taken`)).isDirectory);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
