#!/usr/bin/env -S deno run
/**
 * Q. Show the estimate for more and more darts. How far can it be trusted?
 *
 * A. As far as its standard error says, which a run can compute from its own
 * hits: p is the share inside, and 4√(p(1 − p) / n) the error. Print the interval
 * that holds π 95 times in 100 beside the estimate; a digit beyond it is chance.
 * A long run says what it will cost, tells how it stands, and can be stopped
 * without losing what it has found.
 *
 * Trap: comparing with π itself. In real use there is nothing to compare with.
 * Left out: runs that go on from a file.
 * Run: `deno run dartboard.ts --darts 1e7`
 * @module
 */
import { BLOCK, type Tally, throwDarts } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { type Estimate, estimate, fromDarts, METHODS } from "./methods.ts";
import { HELP, type Options, parseOptions, USAGE } from "./options.ts";
import { convergence, svgPicture, textPicture, throwSome } from "./pictures.ts";

/** A rest of a run that takes longer is announced, in ms. */
const LONG = 30_000;
/** How long a row must take before one can tell from it how long others will, in ms. */
const TELLING = 50;
/** How often the line below the table is renewed, in ms. */
const REFRESH = 100;

/** The world outside of a run. */
export interface World {
  /** Takes one line of the result. */
  print(line: string): void;
  /** Takes one line that is not part of the result. */
  warn(line: string): void;
  /** Takes the line that stands below the result; "" clears it. */
  progress(line: string): void;
  /** The time in ms. */
  now(): number;
  /** Whether to stop. */
  stopped(): boolean;
}

/** The run was stopped, and has shown what it had found. */
export class Interrupted extends Error {}

/** The sizes of the table: 100, 1,000 … as far as below `n`, and `n`. */
export function sizes(n: number): number[] {
  const all: number[] = [];
  for (let size = 100; size < n; size *= 10) all.push(size);
  return [...all, n];
}

/** A row of the table; without an estimate, its heading. */
export function row(n: number, found?: Estimate): string {
  if (!found) {
    return "               n      estimate  std error" +
      "         95 % interval          off by";
  }
  const { value, error, low, high } = found;
  // As many digits as leave two of the error.
  const known = error > 0 && error < Infinity;
  const digits = known ? Math.max(2, 1 - Math.floor(Math.log10(error))) : 2;
  const off = known ? ((value - Math.PI) / error).toFixed(1) : "?";
  return [
    `n=${n.toLocaleString("en").padStart(14)}`,
    value.toFixed(Math.max(6, digits)).padStart(13),
    error.toPrecision(2).padStart(10),
    `${low.toFixed(digits)} … ${high.toFixed(digits)}`.padStart(25),
    `${off} std errors`.padStart(15),
  ].join(" ");
}

/**
 * Prints the picture of 200 darts, and the table.
 * @throws {Interrupted} if the world stopped it
 */
export async function show(options: Options, world: World): Promise<void> {
  const { darts, seed, method } = options;
  const { random } = new Xoshiro128(seed);
  if (method === "darts") {
    world.print("● inside, ○ outside; the estimate after n darts");
    textPicture(throwSome(Math.min(200, darts), random)).forEach(world.print);
  }
  world.print(`${METHODS[method].title}, seed ${seed}`);
  world.print(row(0));
  let warned = false;
  for (const [i, n] of sizes(darts).entries()) {
    const start = world.now();
    world.print(row(n, await find(n, options, world)));
    const time = world.now() - start;
    const rest = sizes(darts).slice(i + 1).reduce((a, b) => a + b, 0);
    const left = time / n * rest;
    if (warned || time < TELLING || left < LONG) continue;
    warned = true;
    world.warn(
      `${darts.toLocaleString("en")} will take ${span(left)}; Ctrl-C stops`,
    );
  }
}

/** The estimate of one row; every row starts from the same seed. */
async function find(
  n: number,
  { seed, method, workers }: Options,
  world: World,
): Promise<Estimate> {
  if (method !== "darts" || n <= BLOCK) {
    return estimate(method, n, new Xoshiro128(seed).random);
  }
  const cores = workers ?? navigator.hardwareConcurrency;
  const start = world.now();
  let shown = start;
  let tally: Tally = { darts: 0, inside: 0 };
  for await (tally of throwDarts(n, seed, cores)) {
    const now = world.now();
    if (world.stopped()) {
      world.progress("");
      world.print(row(tally.darts, ofTally(tally)));
      throw new Interrupted(
        `Stopped after ${tally.darts.toLocaleString("en")} of ${
          n.toLocaleString("en")
        } darts`,
      );
    }
    if (now - shown < REFRESH) continue;
    shown = now;
    const left = (now - start) / tally.darts * (n - tally.darts);
    world.progress(`${row(tally.darts, ofTally(tally))}  ${span(left)} left`);
  }
  world.progress("");
  return ofTally(tally);
}

const ofTally = ({ darts, inside }: Tally) => fromDarts(inside / darts, darts);

/** A time in ms, as one would say it. */
export function span(ms: number): string {
  const units: [string, number][] = [
    ["days", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
  ];
  const [name, size] = units.find(([, size]) => ms >= 2 * size) ??
    ["s", 1000];
  return `${Math.ceil(ms / size)} ${name}`;
}

/** Draws the picture to a file that is there whole, or as it was before. */
async function drawTo(path: string, { darts, seed }: Options): Promise<void> {
  const { random } = new Xoshiro128(seed);
  const svg = svgPicture(
    throwSome(Math.min(2000, darts), random),
    convergence(Math.min(BLOCK, darts), seed),
  );
  const target = await Deno.realPath(path).catch(() => path); // follows a link
  const part = `${target}.${crypto.randomUUID()}.part`;
  try {
    await Deno.writeTextFile(part, svg, { createNew: true });
    await Deno.rename(part, target);
  } catch (error) {
    await Deno.remove(part).catch(() => {}); // the first error is the one to tell
    throw new Error(`Cannot draw to ${path}: ${(error as Error).message}`);
  }
}

/** The program. Exits with 2 if it cannot begin, 1 if it fails, 130 on Ctrl-C. */
export async function main(args = Deno.args): Promise<void> {
  const options = await orExit(2, () => parseOptions(args), USAGE);
  if (options.help) return console.log(HELP);
  const { svg, method } = options;
  if (svg !== undefined) {
    await orExit(1, () => drawTo(svg, options));
    console.log(`drawn to ${svg}`);
  }
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  const world: World = {
    print: (line) => console.log(line),
    warn: (line) => console.error(line),
    progress: Deno.stderr.isTerminal() ? showProgress : () => {},
    now: () => performance.now(),
    stopped: () => interrupted,
  };
  // Only between blocks of darts can a run look whether it is to stop.
  if (method === "darts") Deno.addSignalListener("SIGINT", interrupt);
  await orExit(1, () => show(options, world));
  if (method === "darts") Deno.removeSignalListener("SIGINT", interrupt);
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
    console.error((error as Error).message);
    if (usage !== undefined) console.error(usage);
    Deno.exit(error instanceof Interrupted ? 130 : code);
  }
}

if (import.meta.main) await main();
