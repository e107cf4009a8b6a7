#!/usr/bin/env -S deno run
/**
 * Q. What is asked in the coding round of an ML-systems interview?
 *
 * A. These topics. Each is one file that imports nothing, but for a few that put
 * others together: the question, the answer as you would say it, the code, and a
 * demo in which the usual mistake shows.
 *
 * Trap: to know the formula, and not where it overflows.
 * Run: `deno run ml_primitives.ts` for the index, `deno run ml_primitives.ts softmax`
 * for a topic's demo, `deno run ml_primitives.ts explain` for a minute of traps
 * @module
 */

/** The topics, in the order of the index. */
export const TOPICS = [
  "softmax",
  "attention",
  "multi_head_attention",
  "batched_heads",
  "bpe",
  "byte_bpe",
  "byte_tokenizer",
  "sampling",
  "beam_search",
  "kv_cache",
  "paged_kv_cache",
  "lora",
  "dora",
  "cross_entropy",
  "calibration",
  "rope",
  "yarn",
  "long_rope",
  "long_rope_search",
  "rope_precision",
  "rms_norm",
  "pre_norm",
  "adamw",
  "muon",
  "shampoo",
  "grad_accumulation",
  "batch_norm",
  "vector_search",
  "ivf",
  "quantised_search",
  "segments",
  "hnsw",
  "hnsw_index",
  "bm25",
  "bm25f",
  "token_bucket",
  "leaky_bucket",
  "shared_limiter",
  "lru_cache",
  "async_lru",
  "sharded_lru",
  "prefix_cache",
  "speculative_decoding",
  "medusa",
  "medusa_acceptance",
  "tree_attention",
  "ring_all_reduce",
  "pipelined_ring",
  "decode_loop",
  "hybrid_search",
  "ring_sockets",
  "backprop",
  "linear_grad",
  "gradient_check",
  "broadcasting",
  "autograd",
  "matrix_tape",
  "decoder",
  "broken_transformer",
  "transformer_debug",
  "classification_head",
  "agreement",
  "label_aggregation",
  "group_split",
  "dawid_skene",
  "label_filtering",
  "filter_policies",
  "efficient_inference",
  "pruning",
  "dynamic_batching",
  "kl_divergence",
  "classification_metrics",
  "roc_curve",
  "bayes",
];

/** What a topic's module doc says. */
export interface Topic {
  name: string;
  question: string;
  answer: string;
  /** Without it, undefined; as for all that follow. */
  complexity?: string;
  trap?: string;
  /** The command that runs it. */
  run: string;
  /** The file itself. */
  text: string;
}

/**
 * Reads a topic's file.
 * @throws {RangeError} if there is none of that name
 */
export async function readTopic(name: string): Promise<Topic> {
  if (!TOPICS.includes(name)) {
    const near = TOPICS.filter((topic) =>
      name && (topic.includes(name) || name.startsWith(topic))
    );
    throw new RangeError(
      `No topic is called ${name}${
        near.length > 0 ? `; do you mean ${near.join(" or ")}?` : ""
      }`,
    );
  }
  const text = await read(name);
  return { name, text, ...readDoc(text) };
}

/** Finds the parts of a module doc. @throws {SyntaxError} if one is missing */
export function readDoc(text: string): Omit<Topic, "name" | "text"> {
  const doc = /^\/\*\*\n(.*?)\n \*\/$/ms.exec(text)?.[1] ?? "";
  const parts: Record<string, string> = {};
  let name = "";
  for (const line of doc.split("\n")) {
    const words = line.replace(/^ \* ?/, "");
    const [, start, rest] =
      /^(Q\.|A\.|Shapes:|Time|Trap:|Left out:|Source:|Run:|@module)( .*|$)/
        .exec(words) ?? [];
    if (start) name = start;
    parts[name] = `${parts[name] ?? ""} ${rest ?? words}`.trim();
  }
  const run = /^`([^`]+)`/.exec(parts["Run:"] ?? "")?.[1];
  if (!parts["Q."] || !parts["A."] || !run) {
    throw new SyntaxError("A module doc needs Q., A. and Run: with a command");
  }
  return {
    question: parts["Q."],
    answer: parts["A."],
    complexity: parts["Time"] && `Time ${parts["Time"]}`,
    trap: parts["Trap:"],
    run,
  };
}

/** The file of this folder, as text: a permission is not needed for that. */
async function read(name: string): Promise<string> {
  const file = await import(`./${name}.ts`, { with: { type: "text" } });
  return file.default;
}

/** A copy of a script, and of what it imports of this folder, to be imported. */
async function copy(text: string): Promise<string> {
  for (const [, name] of text.matchAll(/ from "\.\/(\w+)\.ts";/g)) {
    const url = await copy(await read(name));
    text = text.replace(` from "./${name}.ts";`, ` from "${url}";`);
  }
  const type = "application/typescript";
  return URL.createObjectURL(new Blob([text], { type }));
}

/** Runs a topic's demo: a copy of it that does not ask whether it is the main one. */
export async function runDemo({ text }: Topic): Promise<void> {
  await import(await copy(text.replace("if (import.meta.main)", "if (true)")));
}

/** Words in lines of at most 80 characters. */
export function wrap(text: string): string {
  return text.replaceAll(/(.{1,80})(?: |$)/g, "$1\n").trimEnd();
}

/**
 * Names topics one after the other, and after each waits before it tells the trap.
 * @param wait until the trap has been said aloud
 * @param now in ms
 * @returns how many seconds it took
 */
export function explain(
  topics: Topic[],
  say: (line: string) => void,
  wait: () => void,
  now: () => number,
): number {
  const start = now();
  for (const { name, question, trap } of topics) {
    say(`${name}: ${question}`);
    wait();
    say(wrap(`Trap: ${trap ?? "none is known"}`) + "\n");
  }
  return (now() - start) / 1000;
}

/** `count` topics at random, none twice. */
export function pick(count: number, random: () => number): string[] {
  const left = [...TOPICS];
  return Array.from(
    { length: count },
    () => left.splice(Math.floor(random() * left.length), 1)[0],
  );
}

const USAGE = "Usage: deno run ml_primitives.ts [TOPIC | explain [TOPIC ...]]";

/** The index, as lines. */
export function index(topics: Topic[]): string[] {
  return topics.flatMap(({ name, question, trap, complexity, run }) => [
    `${name}: ${question}`,
    ...[trap && `Trap: ${trap}`, complexity, run]
      .filter((line) => line).map((line) => `    ${line}`),
  ]);
}

if (import.meta.main) {
  const [name, ...more] = Deno.args;
  try {
    if (name === "explain") {
      const names = more.length > 0 ? more : pick(5, Math.random);
      const topics = await Promise.all(names.map(readTopic));
      console.log("Say the trap of each aloud, then press Enter.\n");
      const wait = () => void prompt("What is the trap?");
      const seconds = explain(topics, console.log, wait, Date.now);
      console.log(`${names.length} in ${seconds.toFixed()} s; 12 each is good`);
    } else if (more.length > 0) {
      throw new RangeError(`Unknown argument ${more[0]}`);
    } else if (name === undefined) {
      const topics = await Promise.all(TOPICS.map(readTopic));
      console.log(index(topics).join("\n"));
      console.log(`\n${USAGE}`);
    } else {
      const topic = await readTopic(name);
      const flags = /deno run( -\S.*?)? \w+\.ts/.exec(topic.run)?.[1];
      if (flags) throw new RangeError(`${name} needs flags: ${topic.run}`);
      console.log(`${wrap(topic.question)}\n\n${wrap(topic.answer)}\n`);
      await runDemo(topic);
    }
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    Deno.exit(2);
  }
}
