#!/usr/bin/env -S deno run --allow-net
/**
 * Q. What happens when you enter www.google.com and press Enter?
 *
 * A. Told step by step, each with its layer and its time: from the key to the event, from
 * the text to a URL, past the caches to DNS, from the name to addresses, from an address
 * to a connection, from the connection to a secret, from the request to the page; then a
 * waterfall of where the time went. Without an address it goes through the lab, an internet
 * in this process, for machines that have no other, and for faults.
 *
 * Trap: "the browser sends an HTTP request", as the whole answer.
 * Left out: rendering. The parts are in the other scripts of this chapter.
 * Source: https://github.com/alex/what-happens-when
 * Run: `deno run --allow-net networking.ts` in the lab, `… networking.ts www.google.com` on
 * the internet; with `--bytes`, `--json`, `--svg FILE`, and `--fault "lost packets"`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { ask } from "./dns_client.ts";
import { encryptByRuntime } from "./encryption.ts";
import { StoryError } from "./failures.ts";
import { type Fault, FAULTS, startLab } from "./lab.ts";
import type { Stage } from "./stages.ts";
import { type Story, Visitor, type World } from "./story.ts";
import { drawSvg, drawText } from "./waterfall.ts";

/** What the command line asks for. */
export interface Request {
  readonly text: string;
  readonly lab: boolean;
  readonly fault?: Fault;
  readonly bytes: boolean;
  readonly json: boolean;
  /** Whether to go a second time, with all that the browser knows by then. */
  readonly again: boolean;
  readonly svg?: string;
}

/** Reads the arguments. @throws {SyntaxError} if one is wrong */
export function readArgs(args: readonly string[]): Request {
  const flags = parseArgs([...args], {
    string: ["_", "fault", "svg"],
    boolean: ["lab", "bytes", "json", "again"],
    unknown: (name: string, key?: string) => {
      if (key) throw new SyntaxError(`Unknown option ${name}`);
    },
  });
  const words = flags._.map(String);
  const fault = flags.fault as string | undefined;
  if (fault !== undefined && !FAULTS.includes(fault as Fault)) {
    throw new SyntaxError(
      `No fault is called "${fault}": ${FAULTS.join(", ")}`,
    );
  }
  if (flags.svg === "") throw new SyntaxError("--svg needs a file");
  return {
    text: words.join(" ") || "www.google.com",
    lab: Boolean(flags.lab) || fault !== undefined || words.length === 0,
    bytes: Boolean(flags.bytes),
    json: Boolean(flags.json),
    again: Boolean(flags.again),
    fault: fault as Fault | undefined,
    svg: flags.svg as string | undefined,
  };
}

/** A stage as paragraphs. */
export function formatStage(
  { name, layer, start, ms, did, bytes }: Stage,
): string {
  return [
    `${layer}: ${name}, at ${start.toFixed(1)} ms, ${ms.toFixed(1)} ms`,
    ...did.map((line) => `  ${line}`),
    ...(bytes ?? []).map((line) => `    ${line}`),
  ].join("\n");
}

/** What it came to. */
export function formatStory(story: Story): string {
  const { url, status, protocol, address, redirects, bytes, text, ms } = story;
  const from = address ? `${address} over ${protocol}` : "the cache";
  return `${status} from ${from}, ${bytes} bytes of ${url}` +
    `${redirects > 0 ? ` after ${count(redirects, "redirect")}` : ""}, ` +
    `${ms.toFixed(0)} ms\n\n` +
    text.trimEnd();
}

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;

/** The real internet. */
const internet: World = {
  ask: (address, name, type, observe, signal) =>
    ask({ address }, name, type, { tries: 2, observe, signal }),
  connect: (hostname, port, signal) => Deno.connect({ hostname, port, signal }),
  encrypt: encryptByRuntime,
  families: [6, 4],
};

async function tell(request: Request): Promise<void> {
  const { text, json, bytes, svg, again } = request;
  const lab = request.lab ? await startLab(request.fault) : undefined;
  const visitor = new Visitor(lab ?? internet);
  const stages: Stage[] = [];
  if (lab && !json) console.log("In the lab, an internet in this process\n");
  const visit = async () => {
    stages.length = 0;
    const story = await visitor.enter(text, {
      showBytes: bytes,
      onStage(stage) {
        stages.push(stage);
        if (!json) console.log(formatStage(stage));
      },
    });
    if (!json) console.log(`\n${drawText(stages)}\n\n${formatStory(story)}`);
    return { ...story, stages: [...stages] };
  };
  try {
    const first = await visit();
    if (again && !json) console.log("\nThe same address again\n");
    const told = again ? { ...first, again: await visit() } : first;
    if (json) console.log(JSON.stringify(told, null, 2));
  } catch (error) {
    if (!(error instanceof StoryError)) throw error;
    const { stage, message, advice } = error;
    if (json) {
      const told = { error: { stage, message, advice }, stages };
      console.log(JSON.stringify(told, null, 2));
    } else {
      const where = `It ended at the stage "${stage}"`;
      console.error(`\n${where}: ${message}\n${advice}.`);
    }
    Deno.exitCode = 1;
  } finally {
    await visitor.close();
    await lab?.close();
  }
  if (svg) await Deno.writeTextFile(svg, drawSvg(text, stages));
}

const USAGE =
  "Usage: deno run --allow-net networking.ts [ADDRESS] [--lab] [--fault NAME] " +
  "[--again] [--bytes] [--json] [--svg FILE]";

if (import.meta.main) {
  try {
    const request = readArgs(Deno.args);
    const net = { name: "net", host: "0.0.0.0" } as const;
    if (Deno.permissions.requestSync(net).state !== "granted") {
      console.error(
        "Cannot use the network: add --allow-net, also for the lab",
      );
      Deno.exit(1);
    }
    await tell(request);
  } catch (error) {
    if (error instanceof SyntaxError) {
      console.error(`${error.message}\n${USAGE}`);
      Deno.exit(2);
    }
    const { name, message } = error as Error;
    const system = name in Deno.errors || /\(os error \d+\)/.test(message);
    if (!system) throw error;
    console.error(message);
    Deno.exit(1);
  }
}
