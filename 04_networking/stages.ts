#!/usr/bin/env -S deno run
/**
 * Q. A program goes through many steps. Which layer is each on, what did it do, what did it
 * cost?
 *
 * A. Each step is a function that is given two places to write to: one for what it did, in
 * lines for people, and one for the bytes, with what they mean. A clock runs from the first
 * step on. When a step ends, well or not, it is told with its layer, when it began and how
 * long it took; so a failure is the last line of a step that has a name, and what a person
 * can do about it depends on that.
 *
 * Trap: to tell only steps that went well: the one that failed is what people ask about.
 * Source: layers: RFC 1122 section 1.1.3; W3C Navigation Timing.
 * Run: `deno run stages.ts`
 * @module
 */
import { explain } from "./failures.ts";

/** Where a stage belongs, from the finger up, and down again. */
export type Layer =
  | "hardware"
  | "system"
  | "browser"
  | "DNS"
  | "TCP"
  | "TLS"
  | "HTTP";

/** One step. */
export interface Stage {
  readonly name: string;
  readonly layer: Layer;
  /** ms from the key to when it began, and how long it took. */
  readonly start: number;
  readonly ms: number;
  /** What it did, in lines. */
  readonly did: readonly string[];
  /** What went over the network, with what it means; only if asked for. */
  readonly bytes?: readonly string[];
}

/** How to tell it. */
export interface Telling {
  /** Called as each stage ends. */
  onStage(stage: Stage): void;
  /** Whether stages say what went over the network. */
  readonly showBytes?: boolean;
  /** ms. */
  now?(): number;
}

/** Takes a line. */
export type Say = (line: string) => void;

/** Stages, one after the other, each with its time. */
export class Stages {
  readonly #begin: number;
  readonly #now: () => number;

  constructor(readonly telling: Telling) {
    this.#now = telling.now ?? (() => performance.now());
    this.#begin = this.#now();
  }

  /** ms since the key. */
  get elapsed(): number {
    return this.#now() - this.#begin;
  }

  async tell<T>(
    name: string,
    layer: Layer,
    work: (say: Say, bytes?: Say) => Promise<T> | T,
  ): Promise<T> {
    const { onStage, showBytes = false } = this.telling;
    const start = this.elapsed;
    const [did, bytes]: string[][] = [[], []];
    try {
      return await work(
        (line) => did.push(line),
        showBytes ? (line) => bytes.push(line) : undefined,
      );
    } catch (error) {
      did.push((error as Error).message);
      throw explain(name, error as Error);
    } finally {
      const ms = this.elapsed - start;
      onStage({ name, layer, start, ms, did, ...(showBytes && { bytes }) });
    }
  }
}

if (import.meta.main) {
  const stages = new Stages({
    onStage: ({ name, layer, start, ms, did }) =>
      console.log(
        `${layer}: ${name}, at ${start.toFixed(1)} ms, ${ms.toFixed(1)} ms`,
        did,
      ),
  });
  await stages.tell("event", "system", (say) => say("a key was pressed"));
  await stages.tell("connection", "TCP", async (say) => {
    say("SYN");
    await new Promise((done) => setTimeout(done, 20));
    throw new DOMException("late", "TimeoutError");
  }).catch((error) => console.log(`${error.message}. ${error.advice}.`));
}
