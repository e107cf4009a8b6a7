#!/usr/bin/env -S deno run
/**
 * Q. Run a training that can be watched, stopped and continued.
 *
 * A. The result goes to stdout and is the same at every run; progress goes to
 * stderr, and only to a terminal. Between two steps a run is whole: that is where
 * it can be looked into, saved, or stopped by Ctrl-C. A loss that is no number
 * ends it before it reaches a file, because no later step would mend it.
 *
 * Trap: saving from the signal handler, in the middle of a step.
 * Left out: a validation set, early stopping, other schedules.
 * Run: `deno run train.ts --steps 5 --inspect 'wte[9][5]'`
 * @module
 */
import { capture, writeWhole } from "./checkpoint.ts";
import { describe, Probe } from "./inspect.ts";
import { accumulate, type Model, sample, update } from "./microgpt.ts";
import { HELP, parseOptions, USAGE } from "./options.ts";
import { prepare, type Run } from "./prepare.ts";

/** How often a run with --save is saved while it goes on. */
const SAVE_EVERY = 10_000; // ms

/** The world outside of a run. */
export interface World {
  /** Takes one line of the result. */
  print(line: string): void;
  /** Takes the line that stands below the result; "" clears it. */
  progress(line: string): void;
  /** The time in ms. */
  now(): number;
  /** Whether to stop after this step; asked only if the run can be saved. */
  stopped(): boolean;
}

/** The run was stopped, and saved. */
export class Interrupted extends Error {}

/**
 * Trains to the last step, then prints samples.
 * @throws {RangeError} if the loss or a parameter is no finite number any more
 * @throws {Interrupted} if the world stopped it
 */
export async function train(run: Run, world: World): Promise<void> {
  const { model, save } = run;
  world.print(`Number of docs: ${model.docs.length}`);
  world.print(`Vocab size: ${model.chars.length + 1}`);
  world.print(`Number of parameters: ${model.params.length}`);
  const probe = run.inspect === undefined
    ? undefined
    : new Probe(model, run.inspect);
  const pace = new Pace(model, world.now());
  let saved = world.now();
  while (model.step < model.steps) {
    pace.count();
    const loss = accumulate(model, (doc) => probe?.see(doc));
    keepFinite(Number.isFinite(loss), model, `the loss is ${loss}`);
    const report = probe ? probe.update() : update(model);
    const sound = model.params.every((p) => Number.isFinite(p.data));
    keepFinite(sound, model, "a parameter is not finite");
    world.progress("");
    world.print(`Step ${model.step}/${model.steps}, Loss: ${loss.toFixed(4)}`);
    if (report) describe(report).forEach(world.print);
    world.progress(pace.report(loss, world.now()));
    if (save === undefined) continue;
    await new Promise((resolve) => setTimeout(resolve)); // lets a signal in
    if (world.stopped() && model.step < model.steps) {
      await keep(run, save);
      throw new Interrupted(
        `Stopped after step ${model.step} of ${model.steps}; go on with --load ${save}`,
      );
    }
    if (world.now() - saved < SAVE_EVERY) continue;
    await keep(run, save);
    saved = world.now();
  }
  world.progress("");
  if (save !== undefined) await keep(run, save);
  world.print("\nGenerated names:");
  for (let i = 0; i < run.samples; i++) {
    world.print(sample(model, run.temperature, run.prefix));
  }
}

/** Tells how far a run is, how fast it goes, and when it will end. */
class Pace {
  #first: number;
  #tokens = 0;
  constructor(readonly model: Model, readonly start: number) {
    this.#first = model.step;
  }
  /** Counts the tokens of the step to come. */
  count(): void {
    const { docs, step, batch, block } = this.model;
    for (let i = 0; i < batch; i++) {
      const { length } = docs[(step * batch + i) % docs.length];
      this.#tokens += Math.min(length + 1, block);
    }
  }
  report(loss: number, now: number): string {
    const { step, steps } = this.model;
    const seconds = (now - this.start) / 1000;
    const left = seconds / (step - this.#first) * (steps - step);
    const rate = Math.round(this.#tokens / seconds);
    const at = `step ${step}/${steps}  loss ${loss.toFixed(4)}`;
    return `${at}  ${rate} tokens/s  ${Math.ceil(left)} s left`;
  }
}

function keepFinite(fact: boolean, model: Model, otherwise: string): void {
  if (fact) return;
  const { step, steps, lr } = model;
  throw new RangeError(
    `Training diverged near step ${step} of ${steps}, ${otherwise}: lower --lr, now ${lr}`,
  );
}

async function keep({ model, seed }: Run, path: string): Promise<void> {
  try {
    await writeWhole(path, JSON.stringify(capture(model, seed)));
  } catch (error) {
    throw new Error(`Cannot save to ${path}: ${(error as Error).message}`);
  }
}

/** The program. Exits with 2 if it cannot begin, 1 if it fails, 130 on Ctrl-C. */
export async function main(args = Deno.args): Promise<void> {
  const options = await orExit(2, () => parseOptions(args), USAGE);
  if (options.help) return console.log(HELP);
  const run = await orExit(2, () => prepare(options));
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  if (run.save !== undefined) Deno.addSignalListener("SIGINT", interrupt);
  const world: World = {
    print: (line) => console.log(line),
    progress: Deno.stderr.isTerminal() ? showProgress : () => {},
    now: () => performance.now(),
    stopped: () => interrupted,
  };
  await orExit(1, () => train(run, world));
  Deno.removeSignalListener("SIGINT", interrupt);
}

function showProgress(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line}`));
}

/** What `work` gives; what it throws is told in one line, and ends the program. */
async function orExit<T>(
  code: number,
  work: () => T | Promise<T>,
  usage?: string,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (Deno.stderr.isTerminal()) showProgress("");
    console.error((error as Error).message);
    if (usage !== undefined) console.error(usage);
    Deno.exit(error instanceof Interrupted ? 130 : code);
  }
}

if (import.meta.main) await main();
