import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  capture,
  type Checkpoint,
  configOf,
  restore,
  writeWhole,
} from "./checkpoint.ts";
import * as microgpt from "./microgpt.ts";
import { KARPATHY, type Model } from "./microgpt.ts";
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
const model = () =>
  microgpt.createModel({ ...CONFIG }, [...DOCS], new PythonRandom(3));

/** Trains for so many steps, and gives their losses. */
function train(m: Model, steps: number): (number | void)[] {
  const losses = microgpt.train(m);
  return Array.from({ length: steps }, () => losses.next().value);
}

/** Everything a run shows from here on. */
const rest = (m: Model) => ({
  losses: train(m, m.steps - m.step),
  texts: [1, 2, 3].map(() => microgpt.sample(m, 1)),
  weights: m.params.map((p) => p.data),
});

const WRITING = { seed: -3n, samples: 7, temperature: 0.25, prefix: "ad" };
/** A checkpoint as it comes back from a file. */
const saved = (model: Model): Checkpoint =>
  JSON.parse(JSON.stringify(capture({ model, ...WRITING })));

for (const steps of [0, 4, 9]) {
  Deno.test(`a run saved after step ${steps} goes on to the last bit as if it had not been`, () => {
    const m = model();
    train(m, steps);
    m.random.gauss(0, 1); // leaves half a pair waiting
    const { model: copy, ...writing } = restore(saved(m));
    assertEquals(writing, WRITING);
    assertEquals(configOf(copy), CONFIG);
    assertEquals(copy.step, steps);
    assertEquals(rest(copy), rest(m));
  });
}

Deno.test("capture() is a copy: what the run does later does not reach it", () => {
  const m = model();
  train(m, 1);
  const state = capture({ model: m, ...WRITING });
  const before = JSON.stringify(state);
  train(m, 1);
  m.random.random();
  assertEquals(JSON.stringify(state), before);
});

const ERRORS: [change: (c: Checkpoint) => unknown, message: string][] = [
  [() => null, "it is not a checkpoint"],
  [() => ({}), "it is not a checkpoint"],
  [(c) => ({ ...c, seed: "x" }), "its seed is no integer: x"],
  [(c) => ({ ...c, samples: -1 }), "its samples needs a whole number from 0"],
  [(c) => ({ ...c, temperature: "1" }), "its temperature needs a number"],
  [(c) => ({ ...c, prefix: 5 }), "its prefix is no text"],
  [(c) => ({ ...c, config: undefined }), "its layers needs a whole number"],
  [
    (c) => ({ ...c, config: { ...CONFIG, lr: -1 } }),
    "its lr needs a number from 0",
  ],
  [
    (c) => ({ ...c, config: { ...CONFIG, lr: "1" } }),
    "its lr needs a number from 0",
  ],
  [
    (c) => ({ ...c, config: { ...CONFIG, batch: 0 } }),
    "its batch needs a whole",
  ],
  [
    (c) => ({ ...c, config: { ...CONFIG, heads: 1.5 } }),
    "its heads needs a whole",
  ],
  [(c) => ({ ...c, docs: [] }), "it has no texts"],
  [(c) => ({ ...c, docs: ["a", 2] }), "a text is no string"],
  [(c) => ({ ...c, step: 10 }), "step 10 is not within its 9 steps"],
  [(c) => ({ ...c, step: 0.5 }), "step 0.5 is not within its 9 steps"],
  [(c) => ({ ...c, weights: {} }), "wpe is not a (16, 6) matrix of numbers"],
  [
    (c) => ({ ...c, weights: { ...c.weights, wpe: "a".repeat(16) } }),
    "wpe is not a (16, 6) matrix of numbers",
  ],
  [
    (c) => ({ ...c, weights: { ...c.weights, wte: c.weights.wte.slice(1) } }),
    "wte is not a (13, 6) matrix of numbers",
  ],
  [
    (c) => ({ ...c, weights: { ...c.weights, lm_head: [[null]] } }),
    "lm_head is not a (13, 6) matrix of numbers",
  ],
  [(c) => ({ ...c, m: c.m.slice(1) }), "m is not a (1, 1116) matrix"],
  [(c) => ({ ...c, m: "a".repeat(1116) }), "m is not a (1, 1116) matrix"],
  [(c) => ({ ...c, v: undefined }), "v is not a (1, 1116) matrix"],
  [(c) => ({ ...c, v: c.v.map(() => -1) }), "v has a square below 0"],
  [(c) => ({ ...c, random: undefined }), "Cannot restore: this is not"],
];
for (const [change, message] of ERRORS) {
  Deno.test(`restore() of what does not fit says so: ${message}`, () => {
    const state = change(saved(model())) as Checkpoint;
    assertThrows(() => restore(state), RangeError, message);
  });
}

const granted = (["read", "write"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);
Deno.test({
  name: granted
    ? "writeWhole() writes another file first, so that no reader sees half of one"
    : "writeWhole() needs --allow-read and --allow-write, so it is not tested here",
  ignore: !granted,
  async fn() {
    const folder = await Deno.makeTempDir();
    const names = () => [...Deno.readDirSync(folder)].map((e) => e.name).sort();
    const path = `${folder}/run.json`, link = `${folder}/link`;
    try {
      await Deno.writeTextFile(path, "old");
      await Deno.writeTextFile(`${path}.part`, "somebody else's");
      const before = await Deno.open(path); // still sees the old file, whole
      await writeWhole(path, "new");
      assertEquals(await new Response(before.readable).text(), "old");
      assertEquals(await Deno.readTextFile(path), "new");

      await Deno.chmod(path, 0o640);
      await writeWhole(path, "new");
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o640);

      await Deno.symlink(path, link);
      await writeWhole(link, "through the link");
      assertEquals(await Deno.readTextFile(path), "through the link");
      assert((await Deno.lstat(link)).isSymlink);

      await Deno.mkdir(`${folder}/taken`);
      await assertRejects(() => writeWhole(`${folder}/taken`, "x"), Error);
      assertEquals(names(), ["link", "run.json", "run.json.part", "taken"]);
      assertEquals(await Deno.readTextFile(`${path}.part`), "somebody else's");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const mayRun = Deno.permissions.querySync({ name: "run" }).state === "granted";
Deno.test({
  name: granted && mayRun
    ? "writeWhole() writes into a pipe, and puts no file in its place"
    : "writeWhole() into a pipe needs --allow-all, so it is not tested here",
  ignore: !granted || !mayRun || Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/pipe`;
    try {
      await new Deno.Command("mkfifo", { args: [path] }).output();
      const reader = new Deno.Command("cat", { args: [path], stdout: "piped" })
        .spawn();
      await writeWhole(path, "through the pipe");
      const { isFifo } = await Deno.lstat(path);
      if (!isFifo) reader.kill(); // it would wait for ever
      const { stdout } = await reader.output();
      assertEquals(new TextDecoder().decode(stdout), "through the pipe");
      assert(isFifo);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
