#!/usr/bin/env -S deno run
/**
 * Q. Save a training run so that it goes on as if it had never stopped.
 *
 * A. The weights are a third of it. The next step also needs Adam's two moments,
 * the number of steps done, the order of the texts, the settings, and the state
 * of the random generator. JSON keeps every bit: a float is printed with as many
 * digits as it takes to read the same float back. The file is written under
 * another name and then renamed, so that there is never half a checkpoint.
 *
 * Time and space O(parameters + texts).
 * Trap: saving the weights alone. The loss jumps, because Adam starts over.
 * Left out: compression, and the formats of other programs.
 * Run: `deno run checkpoint.ts`
 * @module
 */
import { accumulate, createModel, KARPATHY, update } from "./microgpt.ts";
import type { Config, Matrix, Model } from "./microgpt.ts";
import { PythonRandom, type RandomState } from "./python_random.ts";

const FORMAT = "microgpt checkpoint 1";

/** All that decides how a run goes on, as plain data. */
export interface Checkpoint {
  format: string;
  /** What the run was seeded with, in decimal digits. */
  seed: string;
  config: Config;
  /** The texts, in the order in which they are trained on. */
  docs: string[];
  /** Steps done. */
  step: number;
  /** The weights by name, each as rows of numbers. */
  weights: Record<string, number[][]>;
  /** Adam's moments, in the order of the weights. */
  m: number[];
  v: number[];
  random: RandomState;
}

/** The settings of a model. */
export function configOf(model: Model): Config {
  const config = { ...KARPATHY };
  for (const key in config) {
    config[key as keyof Config] = model[key as keyof Config];
  }
  return config;
}

/** Copies the state of a run that was seeded with `seed`. */
export function capture(model: Model, seed: bigint): Checkpoint {
  const { docs, step, m, v, random } = model;
  const numbers = (rows: Matrix) => rows.map((row) => row.map((x) => x.data));
  const weights: Checkpoint["weights"] = {};
  for (const name in model.weights) {
    weights[name] = numbers(model.weights[name]);
  }
  return {
    format: FORMAT,
    seed: String(seed),
    config: configOf(model),
    docs: [...docs],
    step,
    weights,
    m: [...m],
    v: [...v],
    random: random.state,
  };
}

/**
 * Makes the run whose state this is.
 * @param check may refuse the sizes before anything is made
 * @throws {RangeError} if it is no checkpoint, or a part of it does not fit
 */
export function restore(
  state: Checkpoint,
  check?: (config: Config, docs: readonly string[]) => void,
): Model {
  need(state?.format === FORMAT, "it is not a checkpoint");
  const { seed, config, docs, step, weights } = state;
  need(/^-?\d+$/.test(seed), `its seed is no integer: ${seed}`);
  for (const key in KARPATHY) {
    const value = config?.[key as keyof Config];
    need(Number.isFinite(value) && value >= 0, `its ${key} is ${value}`);
  }
  need(Array.isArray(docs) && docs.length > 0, "it has no texts");
  need(docs.every((doc) => typeof doc === "string"), "a text is no string");
  need(
    Number.isInteger(step) && step >= 0 && step <= config.steps,
    `step ${step} is not within its ${config.steps} steps`,
  );
  check?.(config, docs);
  checkShape("wpe", weights?.wpe, config.block, config.embd);

  const random = new PythonRandom(0);
  const model = createModel(config, [...docs], random);
  for (const [name, rows] of Object.entries(model.weights)) {
    const values = weights[name];
    checkShape(name, values, rows.length, rows[0].length);
    rows.forEach((row, i) => row.forEach((x, j) => x.data = values[i][j]));
  }
  for (const moment of ["m", "v"] as const) {
    checkShape(moment, [state[moment]], 1, model.params.length);
    state[moment].forEach((x, i) => model[moment][i] = x);
  }
  docs.forEach((doc, i) => model.docs[i] = doc); // createModel() shuffled them
  model.step = step;
  random.restore(state.random ?? {});
  return model;
}

function need(fact: boolean, otherwise: string): void {
  if (!fact) {
    throw new RangeError(otherwise);
  }
}

function checkShape(name: string, rows: number[][], R: number, C: number) {
  const fits = rows?.length === R &&
    rows.every((row) => row?.length === C && row.every(Number.isFinite));
  need(fits, `${name} is not a (${R}, ${C}) matrix of numbers`);
}

/** Writes `text` to `path` so that the file is there whole, or as it was. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.part`;
  try {
    await Deno.writeTextFile(part, text);
    await Deno.rename(part, path);
  } catch (error) {
    await Deno.remove(part).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

if (import.meta.main) {
  const names = ["ada", "alan", "edsger", "grace", "john", "barbara"];
  const config = { ...KARPATHY, embd: 8, steps: 6 };
  const straight = createModel(config, names, new PythonRandom(1n));
  const train = (model: Model, steps: number) => {
    for (let i = 0; i < steps; i++) {
      const loss = accumulate(model);
      update(model);
      console.log(`  step ${model.step}, loss ${loss}`);
    }
  };
  console.log("six steps; after the third, a copy goes through JSON");
  train(straight, 3);
  const copy = JSON.stringify(capture(straight, 1n));
  train(straight, 3);
  console.log(`the copy of ${copy.length} characters, three steps on`);
  train(restore(JSON.parse(copy)), 3);
}
