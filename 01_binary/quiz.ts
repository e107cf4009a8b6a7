#!/usr/bin/env -S deno run
/**
 * Q. Answer three questions in ten seconds: 13 in binary, the speed of light, the
 * complexity of merge sort.
 *
 * A. 1101; 3·10^8 m/s; O(n log n). Here one can practise that, and 100 more. Ten
 * seconds are for all three together; what comes later is still asked, and
 * counted as late.
 *
 * On a terminal one line counts down and shows what is typed, in raw mode; the
 * terminal is put back however the round ends. From a pipe each line is an answer.
 * Trap: leaving raw mode on when the round is stopped or fails.
 * Left out: a record of past rounds.
 * Run: `deno run quiz.ts`, and `--help`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { ALL, draw, splitmix64 } from "./questions.ts";
import { type Input, play, report, type World } from "./round.ts";

export const USAGE =
  "Usage: deno run quiz.ts [--questions N] [--seconds S] [--seed N]; --help tells more";

export const HELP =
  `Answer questions that an engineer should not have to think about.

Usage: deno run quiz.ts [--flag value]...
  --questions N   1 to ${ALL} (3)
  --seconds S     for all of them together (10)
  --seed N        an integer; the same seed asks the same questions

Enter ends an answer, Ctrl-U clears it, Ctrl-D ends the round, Ctrl-C stops it.
A pipe may bring the answers, one a line.`;

export interface Options {
  help: boolean;
  questions: number;
  seconds: number;
  /** Undefined: any. */
  seed?: bigint;
}

/**
 * Reads a command line.
 * @throws {SyntaxError} for an unknown flag, a missing value, or no number
 * @throws {RangeError} for a number that is not allowed
 */
export function parseOptions(args: string[]): Options {
  const refuse = (arg: string) => {
    const hint = /^-\d/.test(arg) ? `; write --flag=${arg}` : "";
    throw new SyntaxError(`Unknown argument ${arg || '""'}${hint}`);
  };
  const string = ["questions", "seconds", "seed"];
  const parsed = parseArgs(args, {
    boolean: ["help"],
    string,
    unknown: refuse,
  });
  parsed._.forEach((arg: unknown) => refuse(String(arg))); // behind `--`
  for (const flag of string.filter((flag) => parsed[flag] === "")) {
    throw new SyntaxError(`--${flag} needs a value`);
  }
  const read = (flag: string, preset: string, shape: RegExp, kind: string) => {
    const text = String(parsed[flag] ?? preset);
    if (shape.test(text)) return text;
    throw new SyntaxError(`--${flag} needs ${kind}, got "${text}"`);
  };
  const whole = `a whole number from 1 to ${ALL}`;
  const questions = Number(read("questions", "3", /^\d+$/, whole));
  if (questions < 1 || questions > ALL) {
    throw new RangeError(`--questions needs ${whole}, got ${questions}`);
  }
  const number = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  const seconds = Number(read("seconds", "10", number, "a number above 0"));
  if (!(seconds > 0 && seconds < Infinity)) {
    throw new RangeError(`--seconds needs a number above 0, got ${seconds}`);
  }
  const seed = read("seed", "0", /^[+-]?\d+$/, "an integer");
  return {
    help: Boolean(parsed.help),
    questions,
    seconds,
    ...parsed.seed !== undefined && { seed: BigInt(seed.replace("+", "")) },
  };
}

/** Standard input and output. */
function standard(): World {
  const encoder = new TextEncoder();
  const signal = new Promise<Input>((resolve) => {
    if (Deno.build.os === "windows") return;
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(name, () => resolve(name));
    }
  });
  const readInput = async (): Promise<Input> => {
    const buffer = new Uint8Array(4096);
    const length = await Deno.stdin.read(buffer);
    return length === null ? "end" : buffer.subarray(0, length);
  };
  let reading: Promise<Input> | undefined;
  return {
    terminal: Deno.stdin.isTerminal() && Deno.stdout.isTerminal(),
    write(text) {
      const bytes = encoder.encode(text);
      for (let at = 0; at < bytes.length;) {
        at += Deno.stdout.writeSync(bytes.subarray(at));
      }
    },
    async read(ms) {
      reading ??= readInput();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tick = new Promise<Input>((resolve) => {
        if (ms !== undefined) timer = setTimeout(resolve, ms, "tick");
      });
      const input = await Promise.race([signal, reading, tick]);
      clearTimeout(timer);
      if (input !== "tick") reading = undefined;
      return input;
    },
    setRaw: (on) => Deno.stdin.setRaw(on),
    now: () => performance.now(),
    columns: () => Deno.consoleSize().columns || 80,
  };
}

/** The program. Exits with 2 if it cannot begin, 130 or 143 if it was stopped. */
async function main(): Promise<void> {
  let options: Options;
  try {
    options = parseOptions(Deno.args);
  } catch (error) {
    console.error((error as Error).message);
    console.error(USAGE);
    Deno.exit(2);
  }
  const world = standard();
  const { questions, seconds } = options;
  const seed = options.seed ?? BigInt(Math.floor(Math.random() * 2 ** 32));
  try {
    if (options.help) world.write(`${HELP}\n`);
    if (options.help) Deno.exit(0);
    const round = await play(draw(questions, splitmix64(seed)), seconds, world);
    world.write(`\n${report(round, seed).join("\n")}\n`);
    Deno.exit({ all: 0, end: 0, SIGINT: 130, SIGTERM: 143 }[round.ending]);
  } catch (error) {
    // Nobody reads any more, as behind `| head -1`: 128 + SIGPIPE.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(141);
    console.error(`The round broke off: ${(error as Error).message}`);
    Deno.exit(1);
  }
}

if (import.meta.main) await main();
