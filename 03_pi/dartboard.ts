#!/usr/bin/env -S deno run
/**
 * Q. Show the estimate for more and more darts. How far can it be trusted?
 *
 * A. As far as its standard error says, which a run can compute from its own
 * hits: p is the share inside, and 4√(p(1 − p) / n) the error. Print as many
 * digits as that leaves, and beside them the interval that holds π in 95 runs of
 * a hundred. A long run says what it will cost, tells how it stands, and Ctrl-C
 * ends it with what it has found.
 *
 * The last column, how far off it is, is what a real question does not have.
 * Trap: six digits in print, of which two are known.
 * Left out: runs that go on from a file.
 * Run: `deno run dartboard.ts --darts 1e7`
 * @module
 */
import { BLOCK, CORES, type Tally, throwDarts } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { digits, type Estimate, fromDarts } from "./intervals.ts";
import { estimate, METHODS } from "./methods.ts";
import { HELP, type Options, parseOptions, USAGE } from "./options.ts";
import { convergence, svgPicture, textPicture, throwSome } from "./pictures.ts";

/** If what is left of a run will take longer than this, it is said, in ms. */
const LONG = 30_000;
/** From a row that took less than this, nothing is foretold, in ms. */
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

export const HEADING =
  "               n      estimate  std error           95 % interval  errors off";

/** A row of the table. */
export function row(n: number, { value, error, low, high }: Estimate): string {
  const shown = digits(error);
  const known = error > 0;
  return [
    `n=${count(n).padStart(14)}`,
    value.toFixed(shown).padStart(13),
    (known ? error.toPrecision(2) : "?").padStart(10),
    `${low.toFixed(shown)} … ${high.toFixed(shown)}`.padStart(23),
    (known ? ((value - Math.PI) / error).toFixed(1) : "?").padStart(11),
  ].join(" ");
}

const count = (n: number) => n.toLocaleString("en");

/**
 * Prints the picture of 200 darts, and the table.
 * @throws {Interrupted} if the world stopped it
 */
export async function show(options: Options, world: World): Promise<void> {
  const { darts, seed, method } = options;
  if (method === "darts") {
    const some = throwSome(Math.min(200, darts), new Xoshiro128(seed).random);
    world.print("● inside, ○ outside; the estimate after n darts");
    textPicture(some).forEach(world.print);
  }
  world.print(`${METHODS[method].title}, seed ${seed}`);
  world.print(HEADING);
  const rows = sizes(darts);
  let rest = rows.reduce((a, b) => a + b, 0);
  let warned = false;
  for (const n of rows) {
    rest -= n;
    const start = world.now();
    world.print(row(n, await find(n, rest, options, world)));
    const time = world.now() - start;
    const left = time / n * rest;
    if (warned || time < TELLING || left < LONG) continue;
    warned = true;
    world.warn(`${count(darts)} will take ${span(left)}; Ctrl-C ends it`);
  }
}

/** The estimate of one row; every row starts from the same seed. */
async function find(
  n: number,
  rest: number,
  { darts, seed, method, workers }: Options,
  world: World,
): Promise<Estimate> {
  if (method !== "darts" || n <= BLOCK) {
    return estimate(method, n, new Xoshiro128(seed).random);
  }
  const start = world.now();
  let shown = start;
  let tally: Tally = { darts: 0, inside: 0 };
  for await (tally of throwDarts(n, seed, workers ?? CORES)) {
    const found = fromDarts(tally.inside / tally.darts, tally.darts);
    if (world.stopped()) {
      world.progress("");
      world.print(row(tally.darts, found));
      throw new Interrupted(
        `Stopped after ${count(tally.darts)} darts of ${count(darts)}`,
      );
    }
    const now = world.now();
    if (now - shown < REFRESH) continue;
    shown = now;
    const left = (now - start) / tally.darts * (n - tally.darts + rest);
    const pi = found.value.toFixed(digits(found.error));
    world.progress(`${count(tally.darts)} darts: ${pi}, ${span(left)} left`);
  }
  world.progress("");
  return fromDarts(tally.inside / tally.darts, tally.darts);
}

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

/** Draws the first darts, and the estimate as far as one stream goes. */
async function drawTo(path: string, { darts, seed }: Options): Promise<void> {
  const svg = svgPicture(
    throwSome(Math.min(2000, darts), new Xoshiro128(seed).random),
    convergence(Math.min(BLOCK, darts), seed),
  );
  try {
    await writeWhole(path, svg);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotCapable
      ? "needs --allow-read and --allow-write for its folder"
      : (error as Error).message;
    throw new Error(`Cannot draw to ${path}: ${reason}`);
  }
}

/**
 * Writes `text` to a file so that it is there whole, or as it was before. Where
 * `path` is a link, the file that it leads to is written; a pipe or a device is
 * written to, and not replaced.
 * @throws {Error} what the system says; nothing is left behind
 */
async function writeWhole(path: string, text: string): Promise<void> {
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

/** The program. Exits with 2 if it cannot begin, 1 if it fails, 130 on Ctrl-C. */
export async function main(args = Deno.args): Promise<void> {
  const options = await orExit(2, () => parseOptions(args), USAGE);
  if (options.help) return await orExit(1, () => write(HELP));
  const { svg, method } = options;
  if (svg !== undefined) {
    await orExit(1, () => drawTo(svg, options));
    await orExit(1, () => write(`drawn to ${svg}`));
  }
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    Deno.removeSignalListener("SIGINT", interrupt); // the next one ends it at once
  };
  const world: World = {
    print: write,
    warn: (line) => console.error(line),
    progress: Deno.stderr.isTerminal() ? showProgress : () => {},
    now: () => performance.now(),
    stopped: () => interrupted,
  };
  // Only between blocks of darts can a run see whether it is to stop.
  if (method === "darts") Deno.addSignalListener("SIGINT", interrupt);
  await orExit(1, () => show(options, world));
  if (method === "darts" && !interrupted) {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

/** Prints a line. console.log would go on when nobody reads any more. */
function write(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let at = 0; at < bytes.length;) {
    at += Deno.stdout.writeSync(bytes.subarray(at));
  }
}

function showProgress(line: string): void {
  const { columns } = Deno.consoleSize();
  const text = line.slice(0, Math.max(0, columns - 1));
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
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
    // Nobody reads any more, as behind `| head -1`: 128 + SIGPIPE.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(141);
    console.error((error as Error).message);
    if (usage !== undefined) console.error(usage);
    Deno.exit(error instanceof Interrupted ? 130 : code);
  }
}

if (import.meta.main) await main();
