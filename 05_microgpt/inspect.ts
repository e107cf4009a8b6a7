#!/usr/bin/env -S deno run
/**
 * Q. Follow one gradient from the texts of a batch to the weight that it moves.
 *
 * A. The loss is a mean over the B texts, so each gradient is a sum with one share
 * a text. A row of `wte` gets a share only from texts that have its character in
 * them; for all other rows the gradient is exactly 0. Adam turns the sum into a
 * step through two running means, and clears it. It is a slope: how much the loss
 * would change for each unit that the weight changes, not what the weight "did".
 *
 * Trap: reading `grad` after the step, when it is 0, and counting rows from 1.
 * Run: `deno run inspect.ts`
 * @module
 */
import {
  createModel,
  KARPATHY,
  loss,
  type Model,
  train,
  type Value,
} from "./microgpt.ts";
import { PythonRandom } from "./python_random.ts";

/**
 * Finds a parameter by name, row and column, such as `wte[9][5]`.
 * @returns its place in `model.params`
 * @throws {SyntaxError} if the label has another form
 * @throws {RangeError} if there is no such matrix, row or column
 */
export function locate(model: Model, label: string): number {
  const parts = /^([\w.]+)\[(\d+)\]\[(\d+)\]$/.exec(label);
  if (parts === null) throw new SyntaxError("needs the form 'wte[9][5]'");
  const [, name, row, column] = parts;
  if (!Object.hasOwn(model.weights, name)) {
    const names = Object.keys(model.weights).join(" ");
    throw new RangeError(`the matrices are ${names}`);
  }
  const matrix = model.weights[name];
  const parameter = matrix[Number(row)]?.[Number(column)];
  if (parameter === undefined) {
    const [R, C] = [matrix.length, matrix[0].length];
    throw new RangeError(
      `${name} has rows 0 to ${R - 1}, columns 0 to ${C - 1}`,
    );
  }
  return model.params.indexOf(parameter);
}

/** What one step did to one parameter. */
export interface Report {
  label: string;
  /** Its value before the step. */
  from: number;
  /** ∂loss/∂parameter, before Adam cleared it. */
  gradient: number;
  /** What each text added to the gradient, without those that added 0. */
  shares: [doc: string, share: number][];
  /** Adam's moments after the step. */
  m: number;
  v: number;
  /** Its value after the step. */
  to: number;
}

/** Watches one parameter through the steps of a training. */
export class Probe {
  #parameter: Value;
  #index: number;
  #seen = 0;
  #shares: Report["shares"] = [];
  #before = { from: NaN, gradient: NaN };

  /** @throws as {@link locate} does */
  constructor(readonly model: Model, readonly label: string) {
    this.#index = locate(model, label);
    this.#parameter = model.params[this.#index];
  }

  /** To be given to `train`: notes what each text adds, and then the sum. */
  watch = (doc?: string): void => {
    const { data: from, grad } = this.#parameter;
    if (doc === undefined) this.#before = { from, gradient: grad };
    else if (grad !== this.#seen) this.#shares.push([doc, grad - this.#seen]);
    this.#seen = grad;
  };

  /** Tells what the last step did, once it is done, and begins with the next. */
  report(): Report {
    const { model, label } = this;
    const [m, v] = [model.m[this.#index], model.v[this.#index]];
    const [shares, to] = [this.#shares, this.#parameter.data];
    this.#shares = [];
    this.#seen = 0;
    return { label, ...this.#before, shares, m, v, to };
  }
}

/** The lines that tell a report. */
export function describe(report: Report): string[] {
  const { label, from, gradient, shares, m, v, to } = report;
  return [
    `  ${label} = ${from}`,
    `    gradient ${gradient}${shares.length > 0 ? "" : ", no text moves it"}`,
    ...shares.map(([doc, share]) => `      from ${doc}: ${share}`),
    `    moments m ${m}, v ${v}`,
    `    update ${to - from}, to ${to}`,
  ];
}

if (import.meta.main) {
  const config = { ...KARPATHY, steps: 1, batch: 3 };
  const docs = ["ann", "bob", "eve"];
  const model = createModel(config, docs, new PythonRandom(42));
  const mean = () =>
    docs.reduce((sum, doc) => sum + loss(model, doc).data, 0) / docs.length;
  const labels = ["wte[3][0]", "wte[1][0]", "lm_head[0][0]"];
  console.log(
    `ann, bob, eve; rows of wte: ${model.chars.join(" ")} and the end`,
  );

  const parameter = model.params[locate(model, labels[0])];
  const { data } = parameter;
  const before = mean();
  parameter.data += 0.001;
  const moved = (mean() - before) / 0.001;
  parameter.data = data;
  console.log(`loss per unit, from a nudge of 0.001 to ${labels[0]}: ${moved}`);

  const probes = labels.map((label) => new Probe(model, label));
  train(model, (doc) => probes.forEach((probe) => probe.watch(doc))).next();
  for (const probe of probes) {
    describe(probe.report()).forEach((line) => console.log(line));
  }
  console.log(`gradient of ${labels[0]} after the step: ${parameter.grad}`);
}
