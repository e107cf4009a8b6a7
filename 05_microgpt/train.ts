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
import { loss, type Model, noGrad, sample, train } from "./microgpt.ts";
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
 * Trains to the last step, and saves.
 * @throws {RangeError} if the loss or a parameter is no finite number any more
 * @throws {Interrupted} if the world stopped it
 */
export async function learn(run: Run, world: World): Promise<void> {
  const { model, save, inspect } = run;
  world.print(`Number of docs: ${model.docs.length}`);
  world.print(`Vocab size: ${model.chars.length + 1}`);
  world.print(`Number of parameters: ${model.params.length}`);
  const probe = inspect === undefined ? undefined : new Probe(model, inspect);
  const pace = new Pace(model, world.now());
  let saved = world.now();
  for (const mean of train(model, probe?.watch)) {
    checkFinite(model, mean);
    world.progress("");
    world.print(`Step ${model.step}/${model.steps}, Loss: ${mean.toFixed(4)}`);
    if (probe) describe(probe.report()).forEach(world.print);
    world.progress(pace.report(mean, world.now()));
    if (save === undefined || model.step === model.steps) continue;
    await new Promise((resolve) => setTimeout(resolve)); // lets a signal in
    const stopped = world.stopped();
    if (!stopped && world.now() - saved < SAVE_EVERY) continue;
    await settle(run);
    saved = world.now();
    if (!stopped) continue;
    throw new Interrupted(
      `Stopped after step ${model.step} of ${model.steps}; go on with --load ${save}`,
    );
  }
  world.progress("");
  await settle(run);
}

/** Prints the texts that the run is to write in the end. */
export function write(run: Run, world: World): void {
  world.print("\nGenerated names:");
  for (let i = 0; i < run.samples; i++) {
    world.print(sample(run.model, run.temperature, run.prefix));
  }
}

/** Tells how far a run is, how fast it goes, and when it will end. */
class Pace {
  #first: number;
  #tokens = 0;
  constructor(readonly model: Model, readonly start: number) {
    this.#first = model.step;
  }
  /** To be called after each step. */
  report(loss: number, now: number): string {
    const { docs, step, steps, batch, block } = this.model;
    for (let i = (step - 1) * batch; i < step * batch; i++) {
      this.#tokens += Math.min(docs[i % docs.length].length + 1, block);
    }
    const seconds = (now - this.start) / 1000;
    const left = seconds / (step - this.#first) * (steps - step);
    const rate = Math.round(this.#tokens / seconds);
    const at = `step ${step}/${steps}  loss ${loss.toFixed(4)}`;
    return `${at}  ${rate} tokens/s  ${Math.ceil(left)} s left`;
  }
}

/** @throws {RangeError} if the loss or a parameter is not finite any more */
function checkFinite({ params, step, steps, lr }: Model, mean: number): void {
  const sound = params.every((p) => Number.isFinite(p.data));
  if (sound && Number.isFinite(mean)) return;
  throw new RangeError(
    `Training diverged at step ${step} of ${steps}, where the loss is ${mean}: lower --lr, now ${lr}`,
  );
}

/** The loss of the text to come: a number, if the model can still be used. */
function lossAhead(model: Model): number {
  using _ = noGrad();
  return loss(model, model.docs[model.step * model.batch % model.docs.length])
    .data;
}

/** Sees that the model can be used, and saves the run if that was asked for. */
async function settle(run: Run): Promise<void> {
  checkFinite(run.model, lossAhead(run.model));
  const { save: path } = run;
  if (path === undefined) return;
  try {
    await writeWhole(path, JSON.stringify(capture(run)));
  } catch (error) {
    throw new Error(`Cannot save to ${path}: ${(error as Error).message}`);
  }
}

/** The program. Exits with 2 if it cannot begin, 1 if it fails, 130 on Ctrl-C. */
export async function main(args = Deno.args): Promise<void> {
  const options = await orExit(2, () => parseOptions(args), USAGE);
  if (options.help) return await orExit(1, () => console.log(HELP));
  const run = await orExit(2, () => prepare(options));
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  const world: World = {
    print: (line) => console.log(line),
    progress: Deno.stderr.isTerminal() ? showProgress : () => {},
    now: () => performance.now(),
    stopped: () => interrupted,
  };
  if (run.save !== undefined) Deno.addSignalListener("SIGINT", interrupt);
  await orExit(1, () => learn(run, world));
  if (run.save !== undefined) Deno.removeSignalListener("SIGINT", interrupt);
  await orExit(1, () => write(run, world));
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
