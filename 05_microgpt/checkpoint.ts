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
import {
  type Config,
  createModel,
  KARPATHY,
  type Matrix,
  type Model,
  train,
} from "./microgpt.ts";
import { checkNumber } from "./options.ts";
import { PythonRandom, type RandomState } from "./python_random.ts";

const FORMAT = "microgpt checkpoint 1";
/** How the file of a checkpoint begins. */
export const SIGNATURE = `{"format":"${FORMAT}"`;

/** A model, and what it is to write in the end. */
export interface Session {
  model: Model;
  /** What its random generator was seeded with. */
  seed: bigint;
  samples: number;
  temperature: number;
  prefix: string;
}

/** All that decides how a session goes on, as plain data. */
export interface Checkpoint {
  format: string;
  /** In decimal digits. */
  seed: string;
  samples: number;
  temperature: number;
  prefix: string;
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

/** Copies the state of a session. */
export function capture(session: Session): Checkpoint {
  const { model, seed, samples, temperature, prefix } = session;
  const { docs, step, m, v, random } = model;
  const numbers = (rows: Matrix) => rows.map((row) => row.map((x) => x.data));
  const weights: Checkpoint["weights"] = {};
  for (const name in model.weights) {
    weights[name] = numbers(model.weights[name]);
  }
  return {
    format: FORMAT,
    seed: String(seed),
    samples,
    temperature,
    prefix,
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
 * Makes the session whose state this is.
 * @param check may refuse the sizes before anything is made
 * @throws {RangeError} if it is no checkpoint, or a part of it does not fit
 */
export function restore(
  state: Checkpoint,
  check?: (config: Config, docs: readonly string[]) => void,
): Session {
  need(state?.format === FORMAT, "it is not a checkpoint");
  const { seed, samples, temperature, prefix, config, docs, step } = state;
  need(/^-?\d+$/.test(seed), `its seed is no integer: ${seed}`);
  need(typeof prefix === "string", "its prefix is no text");
  for (const name in KARPATHY) {
    checkNumber(name, config?.[name as keyof Config], `its ${name}`);
  }
  checkNumber("samples", samples, "its samples");
  checkNumber("temperature", temperature, "its temperature");
  need(
    Number.isInteger(step) && step >= 0 && step <= config.steps,
    `step ${step} is not within its ${config.steps} steps`,
  );
  need(Array.isArray(docs) && docs.length > 0, "it has no texts");
  need(docs.every((doc) => typeof doc === "string"), "a text is no string");
  check?.(config, docs);
  checkShape("wpe", state.weights?.wpe, config.block, config.embd);

  const random = new PythonRandom(0);
  const model = createModel(config, [...docs], random);
  for (const [name, rows] of Object.entries(model.weights)) {
    const values = state.weights[name];
    checkShape(name, values, rows.length, rows[0].length);
    rows.forEach((row, i) => row.forEach((x, j) => x.data = values[i][j]));
  }
  for (const moment of ["m", "v"] as const) {
    checkShape(moment, [state[moment]], 1, model.params.length);
    state[moment].forEach((x, i) => model[moment][i] = x);
  }
  need(state.v.every((x) => x >= 0), "v has a square below 0");
  docs.forEach((doc, i) => model.docs[i] = doc); // createModel() shuffled them
  model.step = step;
  random.restore(state.random);
  return { model, seed: BigInt(seed), samples, temperature, prefix };
}

/** @throws {RangeError} with the other case as its message, unless it is a fact */
export function need(fact: boolean, otherwise: string): void {
  if (!fact) throw new RangeError(otherwise);
}

function checkShape(name: string, rows: number[][], R: number, C: number) {
  const isRow = (row: unknown) =>
    Array.isArray(row) && row.length === C && row.every(Number.isFinite);
  const fits = Array.isArray(rows) && rows.length === R && rows.every(isRow);
  need(fits, `${name} is not a (${R}, ${C}) matrix of numbers`);
}

/**
 * Writes `text` to a file so that it is there whole, or as it was before. Where
 * `path` is a link, the file that it leads to is written; a pipe or a device is
 * written to, and not replaced.
 * @throws {Error} what the system says; nothing is left behind
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const there = await Deno.lstat(path).catch(unlessMissing);
  const file = await Deno.stat(path).catch(unlessMissing);
  if (there && !file?.isFile) return await Deno.writeTextFile(path, text);
  const target = file ? await Deno.realPath(path) : path;
  const part = `${target}.${crypto.randomUUID()}.part`;
  const mode = file?.mode ?? undefined;
  try {
    await Deno.writeTextFile(part, text, { createNew: true, mode });
    await Deno.rename(part, target);
  } catch (error) {
    await Deno.remove(part).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

function unlessMissing(error: Error): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

if (import.meta.main) {
  const names = ["ada", "alan", "edsger", "grace", "john", "barbara"];
  const config = { ...KARPATHY, embd: 8, steps: 6 };
  const model = createModel(config, names, new PythonRandom(1));
  const writing = { seed: 1n, samples: 10, temperature: 0.5, prefix: "" };
  const losses = train(model);
  const show = () =>
    console.log(`  loss ${losses.next().value}, step ${model.step}`);
  console.log("six steps; after the third, a copy goes through JSON");
  [1, 2, 3].forEach(show);
  const copy = JSON.stringify(capture({ model, ...writing }));
  [4, 5, 6].forEach(show);
  console.log(`the copy of ${copy.length} characters, three steps on`);
  for (const loss of train(restore(JSON.parse(copy)).model)) {
    console.log(`  loss ${loss}`);
  }
}
