#!/usr/bin/env -S deno run
/**
 * Q. Check everything that a long run needs before its first step.
 *
 * A. Read all inputs, build all state, and try the output file; then nothing that
 * the user did can stop the run later. Every refusal is one line: what could not
 * be done, and why. A size that cannot fit is refused by arithmetic, because
 * running out of memory cannot be caught.
 *
 * Trap: finding out after an hour that the folder of --save does not exist.
 * Left out: the space left on the disk.
 * Run: `deno run prepare.ts --embd 20 --heads 3`
 * @module
 */
import {
  type Checkpoint,
  need,
  restore,
  type Session,
  SIGNATURE,
  writeWhole,
} from "./checkpoint.ts";
import { locate } from "./inspect.ts";
import { type Config, createModel, encode } from "./microgpt.ts";
import firstNames from "./names.txt" with { type: "text" };
import { type Options, parseOptions, RECIPES } from "./options.ts";
import { PythonRandom } from "./python_random.ts";

/** The most Values in one graph: about 2 GB, and a Set cannot hold 2^24. */
const MOST_VALUES = 10_000_000;

/** A session that can begin, or go on. */
export interface Run extends Session {
  save?: string;
  /** The parameter to print at every step, such as wte[9][5]. */
  inspect?: string;
}

/**
 * Makes the run that was asked for.
 * @throws {Error} one line: what could not be done, and why
 */
export async function prepare(options: Options): Promise<Run> {
  const session = options.load === undefined
    ? await begin(options)
    : await goOn(options, options.load);
  const { inspect, save } = options;
  const { model, prefix } = session;
  await attempt(`begin with --prefix ${prefix}`, () => {
    const tokens = encode(model, prefix).length + 1;
    need(
      tokens <= model.block,
      `with the token that begins a text it has ${tokens}, --block is ${model.block}`,
    );
  });
  if (inspect !== undefined) {
    await attempt(`inspect ${inspect}`, () => locate(model, inspect));
  }
  if (save !== undefined) {
    await attempt(`save to ${save}`, () => tryToSave(save));
  }
  return { ...session, inspect, save };
}

async function begin(options: Options): Promise<Session> {
  const { recipe = "reference", seed = 42n, names } = options;
  const { prefix = "", temperature = 0.5 } = options;
  const docs = await readDocs(names);
  const config = { ...RECIPES[recipe].config, ...options.config };
  checkSize(config, docs);
  const model = createModel(config, docs, new PythonRandom(seed));
  const samples = options.samples ?? RECIPES[recipe].samples;
  return { model, seed, samples, temperature, prefix };
}

/** Flags may change how a saved session goes on, but not what it is. */
async function goOn(options: Options, path: string): Promise<Session> {
  const { names, recipe, seed, config } = options;
  const docs = names === undefined ? undefined : await readDocs(names);
  return await attempt(`load ${path}`, async () => {
    const state: Checkpoint = parse(await readText(path));
    const session = restore(state, checkSize);
    const { model } = session;
    const { logEps, rmsEps } = recipe ? RECIPES[recipe].config : model;
    const asked: Partial<Config> = { logEps, rmsEps, ...config };
    for (const key of Object.keys(asked) as (keyof Config)[]) {
      const same = asked[key] === model[key];
      const free = ["steps", "batch", "lr"].includes(key);
      need(same || free, `its ${key} is ${model[key]}, not ${asked[key]}`);
    }
    Object.assign(model, asked);
    need(model.step <= model.steps, `it has done ${model.step} steps already`);
    const sorted = (texts: string[]) => texts.toSorted().join("\n");
    const same = docs === undefined || sorted(docs) === sorted(model.docs);
    need(same, `it was trained on other names than ${names}`);
    if (seed !== undefined && seed !== session.seed) model.random.seed(seed);
    const { samples, temperature, prefix } = { ...session, ...options };
    return { model, seed: seed ?? session.seed, samples, temperature, prefix };
  });
}

/** Reads the texts of a file or an address, by default those of this folder. */
async function readDocs(source?: string): Promise<string[]> {
  if (source === undefined) return lines(firstNames);
  return await attempt(`read names from ${source}`, async () => {
    const docs = lines(await readText(source));
    need(docs.length > 0, "there is no text in it");
    return docs;
  });
}

const lines = (text: string) =>
  text.split(/\r\n|\r|\n/).map((line) => line.trim()).filter(Boolean);

async function readText(source: string): Promise<string> {
  if (!/^https?:/i.test(source)) {
    const { isFile, isFifo, isDirectory } = await Deno.stat(source);
    need(!isDirectory, "it is a folder");
    need(isFile || isFifo === true, "it is not a file"); // a device may not end
    return utf8(await Deno.readFile(source));
  }
  const response = await fetch(source);
  const bytes = await response.bytes();
  need(response.ok, `the server answered ${response.status}`);
  return utf8(bytes);
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new TypeError("it is not UTF-8 text");
  }
}

function parse(json: string) {
  try {
    return JSON.parse(json);
  } catch {
    throw new SyntaxError("it is not JSON");
  }
}

/** Refuses a model when the graph of its longest text would not fit in memory. */
export function checkSize(config: Config, docs: readonly string[]): void {
  const { layers, embd: C, block } = config;
  const vocabulary = new Set(docs.join("")).size + 1;
  const params = (2 * vocabulary + block) * C + 12 * layers * C * C;
  const longest = docs.reduce((most, doc) => Math.max(most, doc.length), 0);
  const T = Math.min(block, longest + 1);
  const values = T * (2.1 * params + T * C * layers);
  need(
    values <= MOST_VALUES,
    `Cannot train ${params} parameters on ${T} tokens: about ${
      Math.round(values / 1e6)
    } million Values at once, and ${
      MOST_VALUES / 1e6
    } million fit; lower --embd, --layers or --block`,
  );
}

/**
 * Does all that saving needs, and leaves in the file what was in it. A file that
 * is there already must be a checkpoint, so that no other is lost by a slip.
 */
async function tryToSave(path: string): Promise<void> {
  const there = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (there === null) {
    await writeWhole(path, "");
    await Deno.remove(path);
    return;
  }
  need(!there.isDirectory, "it is a folder");
  need(there.isFile, "it is not a file");
  const text = await Deno.readTextFile(path);
  need(
    text === "" || text.startsWith(SIGNATURE),
    "it is there, and is not a checkpoint; name another file",
  );
  await writeWhole(path, text);
}

/** Runs `work`; what it throws becomes one line that begins with what was tried. */
async function attempt<T>(
  what: string,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`Cannot ${what}: ${reason(error)}`);
  }
}

/** The message of an error, without the system call that it came from. */
function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file or folder";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  const { message } = error as Error;
  if (message === "fetch failed") return "no server answers there";
  return message.replace(/: \w+ '.*$/s, "");
}

if (import.meta.main) {
  try {
    const { model, seed } = await prepare(parseOptions(Deno.args));
    const { docs, chars, params, steps, batch } = model;
    console.log(`${docs.length} texts of ${chars.length} characters`);
    console.log(`${params.length} parameters, drawn with seed ${seed}`);
    console.log(`${steps} steps of ${batch} texts can begin`);
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(2);
  }
}
