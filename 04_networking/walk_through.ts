#!/usr/bin/env -S deno run
/**
 * Q. Walk me through it from end to end, without hesitating.
 *
 * A. Practise it. Two drills draw from the walk: what comes next, and on which layer is
 * that? Only orders that are forced count: a step that may come next as well never stands
 * among the wrong answers. At the end come the score, the time an answer, and the steps that
 * were missed, each with what must be before it, and why.
 *
 * Trap: a wrong answer that is right, too: most steps have one place, but not all.
 * Left out: a record of past rounds, a clock that counts down.
 * Run: `deno run walk_through.ts`, on a terminal; `--questions N`, `--seed N`; answers may
 * come from a pipe, one a line, and without any it tells the whole walk
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { seeded } from "./balancer.ts";
import { LAYERS, mayComeNext, type Step, tell, WALK } from "./walk.ts";

/** A question with choices, one of which is right. */
export interface Question {
  readonly kind: "next" | "layer";
  /** The step that is asked for. */
  readonly step: Step;
  /** What has been done, for "what comes next?". */
  readonly done: readonly string[];
  readonly text: string;
  readonly choices: readonly string[];
  /** The index of the right one. */
  readonly right: number;
}

/** How many questions there are: two of each step. */
export const ALL = 2 * WALK.length;

/** Draws questions, no one twice. @param random uniform in [0, 1) */
export function draw(count: number, random: () => number): Question[] {
  const all = WALK.flatMap((
    _,
    n,
  ) => [() => askNext(n, random), () => askLayer(n, random)]);
  return shuffle(all, random).slice(0, count).map((make) => make());
}

/** "What comes next?" after the first `n` steps of the walk. */
function askNext(n: number, random: () => number): Question {
  const step = WALK[n];
  const done = WALK.slice(0, n).map(({ name }) => name);
  // What may come next as well must not stand there: it would be right, too.
  const possible = mayComeNext(done);
  const later = WALK.slice(n + 1).filter((step) => !possible.includes(step));
  const wrong = shuffle(later.slice(0, 6), random).slice(0, 3);
  // Near the end there are only steps that are done.
  wrong.push(...WALK.slice(n - 3 + wrong.length, n));
  const steps = shuffle([step, ...wrong.slice(0, 3)], random);
  const last = done.slice(-3).join(", ");
  return {
    ...{ kind: "next", step, done, right: steps.indexOf(step) },
    text: n === 0
      ? "What comes first?"
      : `Done: ${n > 3 ? "all up to " : ""}${last}. What comes next?`,
    choices: steps.map(({ name, what }) => `${name}: ${what}`),
  };
}

function askLayer(n: number, random: () => number): Question {
  const step = WALK[n];
  const { layer, name, what } = step;
  const others = Object.keys(LAYERS).filter((other) => other !== layer);
  const choices = shuffle(
    [layer, ...shuffle(others, random).slice(0, 3)],
    random,
  );
  return {
    ...{
      kind: "layer",
      step,
      done: [],
      right: choices.indexOf(layer),
      choices,
    },
    text: `On which layer is that? ${name}: ${what}`,
  };
}

/** A shuffled copy (Fisher, Yates). */
function shuffle<T>(from: readonly T[], random: () => number): T[] {
  const all = [...from];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}

/** The world outside of a round. */
export interface World {
  write(line: string): void;
  /** A line, or undefined if there is none any more. */
  read(): Promise<string | undefined>;
  /** The time in ms. */
  now(): number;
}

/** An answer that was given. */
export interface Reply {
  readonly question: Question;
  readonly right: boolean;
  readonly seconds: number;
}

/** Asks all questions, or as many as there are answers. */
export async function play(
  questions: readonly Question[],
  { write, read, now }: World,
): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (const [n, question] of questions.entries()) {
    const { text, choices, step } = question;
    write(`\n${n + 1}. ${text}`);
    choices.forEach((choice, i) => write(`   ${i + 1}  ${choice}`));
    const start = now();
    const answer = await read();
    if (answer === undefined) break;
    const seconds = (now() - start) / 1000;
    const right = answer.trim() === `${question.right + 1}`;
    replies.push({ question, right, seconds });
    const because = question.kind === "next"
      ? step.why
      : `${step.layer} has ${LAYERS[step.layer]}`;
    const verdict = right
      ? "right"
      : `wrong: ${question.right + 1}, because ${because}`;
    write(`   ${verdict} (${seconds.toFixed(1)} s)`);
  }
  return replies;
}

/** The score, the time, and the steps that were missed. */
export function report(
  asked: number,
  replies: readonly Reply[],
  seed: number,
): string[] {
  const right = replies.filter((reply) => reply.right).length;
  const seconds = replies.map((reply) => reply.seconds);
  const mean = seconds.reduce((sum, x) => sum + x, 0) / replies.length;
  const missed = new Set(
    replies.filter((reply) => !reply.right).map(({ question }) =>
      question.step
    ),
  );
  return [
    `${right} of ${asked} right, ${replies.length - right} wrong, ` +
    `${asked - replies.length} not answered; seed ${seed}`,
    ...replies.length > 0
      ? [
        `${mean.toFixed(1)} s an answer, the slowest ${
          Math.max(...seconds).toFixed(1)
        } s`,
      ]
      : [],
    ...missed.size > 0 ? ["Missed:"] : [],
    ...WALK.filter((step) => missed.has(step)).flatMap(tell),
  ];
}

/** Longer lines lose what is beyond. */
const LONGEST = 200;

/** The lines of a stream of UTF-8, wherever it is cut. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let line = "";
  for await (const chunk of chunks) {
    const parts = decoder.decode(chunk, { stream: true }).split("\n");
    for (const [i, part] of parts.entries()) {
      if (i > 0) {
        yield line;
        line = "";
      }
      line = (line + part).slice(0, LONGEST);
    }
  }
  // The last one may lack its end.
  if (line !== "") yield line;
}

const USAGE =
  `Usage: deno run walk_through.ts [--questions 1 to ${ALL}] [--seed N]`;

/** Reads the arguments. @throws {SyntaxError} if one is wrong */
export function readArgs(
  args: readonly string[],
): { questions: number; seed?: number } {
  const refuse = (name: string) => {
    throw new SyntaxError(`Unknown argument ${name || '""'}`);
  };
  const flags = parseArgs([...args], {
    string: ["questions", "seed"],
    unknown: refuse,
  });
  flags._.forEach((rest: unknown) => refuse(String(rest)));
  const read = (flag: string, least: number, most: number) => {
    const text = flags[flag];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d+$/.test(String(text)) && value >= least && value <= most) {
      return value;
    }
    throw new SyntaxError(
      `--${flag} needs a whole number from ${least} to ${most}, got "${text}"`,
    );
  };
  const seed = read("seed", 0, 2 ** 32 - 1);
  return {
    questions: read("questions", 1, ALL) ?? 10,
    ...seed !== undefined && { seed },
  };
}

async function main(): Promise<void> {
  let request: ReturnType<typeof readArgs>;
  try {
    request = readArgs(Deno.args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    Deno.exit(2);
  }
  const write = (line: string) => console.log(line);
  const lines = readLines(Deno.stdin.readable);
  const next = async () => (await lines.next()).value as string | undefined;
  const first = Deno.stdin.isTerminal() ? undefined : await next();
  if (!Deno.stdin.isTerminal() && first === undefined) {
    WALK.flatMap(tell).forEach(write);
    return;
  }
  const [seed] = request.seed !== undefined
    ? [request.seed]
    : crypto.getRandomValues(new Uint32Array(1));
  let stopped = false;
  const stop = new Promise<undefined>((resolve) =>
    Deno.addSignalListener("SIGINT", () => {
      stopped = true;
      resolve(undefined);
    })
  );
  let waiting = first;
  const read = () => {
    const line = waiting !== undefined ? Promise.resolve(waiting) : next();
    waiting = undefined;
    return Promise.race([stop, line]);
  };
  for (const [layer, what] of Object.entries(LAYERS)) {
    write(`${layer.padEnd(9)} ${what}`);
  }
  const questions = draw(request.questions, seeded(seed));
  const replies = await play(questions, {
    write,
    read,
    now: () => performance.now(),
  });
  write("");
  report(questions.length, replies, seed).forEach(write);
  Deno.exit(stopped ? 130 : 0);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`Cannot go on: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
