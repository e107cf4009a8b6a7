#!/usr/bin/env -S deno run --allow-net
/**
 * Q. Look up a name as your machine would not: from the root down.
 *
 * A. A stub, which is what a machine has, asks one resolver and believes it; with
 * --server this does the same. Without, it is the resolver: it asks a root server, then one
 * of the top-level domain, then one of the name's own zone, as dns_resolver.ts tells. With
 * --trace each question is a line. Some networks let no packet through but to their own
 * resolver; then the first step fails, and --server is the way.
 *
 * Trap: to take dig's ttl for the zone's: a resolver counts it down.
 * Left out: the system's own list of resolvers and its hosts file; names beyond ASCII, which
 * are asked for as xn--….
 * Source: dig's manual page, for how the answer reads; RFC 1035 section 3.5 and
 * RFC 3596 section 2.5, for names of addresses.
 * Run: `deno run --allow-net dns.ts www.google.com [--trace] [--bytes]`, or
 * `deno run --allow-net dns.ts example.com --type MX --server 9.9.9.9`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { addressFamily, parseAddress } from "./address.ts";
import { formatFields } from "./byte_fields.ts";
import {
  ask,
  DnsError,
  type ObservePacket,
  type Server,
} from "./dns_client.ts";
import { explainDns } from "./dns_explain.ts";
import { type Message, RCODES } from "./dns_message.ts";
import {
  canonicalName,
  DnsFormatError,
  type DnsRecord,
  formatRecord,
  typeNumber,
} from "./dns_record.ts";
import { Resolver, type Step } from "./dns_resolver.ts";

/** What the command line asks for. */
export interface Request {
  readonly name: string;
  readonly type: string;
  readonly trace: boolean;
  /** Whether to show each packet, field by field. */
  readonly bytes: boolean;
  /** Whom to ask; without one, the root servers. */
  readonly server?: { readonly address: string; readonly port: number };
}

/**
 * Reads the arguments. An address as a name is looked up backwards, as PTR.
 * @throws {SyntaxError} if one is wrong
 */
export function readArgs(args: readonly string[]): Request {
  const flags = parseArgs([...args], {
    string: ["_", "type", "server", "port"],
    boolean: ["trace", "bytes"],
    unknown: (name: string, key?: string) => {
      if (key) throw new SyntaxError(`Unknown option ${name}`);
    },
  });
  const [name, ...more] = flags._.map(String);
  if (name === undefined || more.length > 0) {
    throw new SyntaxError(
      name ? `One name at a time, not ${more[0]}` : "No name",
    );
  }
  const backwards = addressFamily(name) > 0;
  const type = `${flags.type ?? (backwards ? "PTR" : "A")}`.toUpperCase();
  const port = Number(flags.port ?? 53);
  if (!(Number.isInteger(port) && port > 0 && port < 65536)) {
    throw new SyntaxError(`--port ${flags.port} is no port: needs 1 to 65535`);
  }
  const address = flags.server as string | undefined;
  if (address !== undefined && addressFamily(address) === 0) {
    throw new SyntaxError(`--server ${address} is no IP address`);
  }
  try {
    typeNumber(type);
    return {
      name: canonicalName(backwards ? reverseName(name) : name),
      type,
      trace: Boolean(flags.trace),
      bytes: Boolean(flags.bytes),
      ...(address && { server: { address, port } }),
    };
  } catch (error) {
    throw new SyntaxError((error as Error).message);
  }
}

/** The name under which the names of an address are kept. */
export function reverseName(address: string): string {
  const bytes = [...parseAddress(address)];
  if (bytes.length === 4) return `${bytes.reverse().join(".")}.in-addr.arpa`;
  const digits = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}

/** One step of a search, as a line. */
export function formatStep(
  { server, address, zone, name, type, ms, outcome }: Step,
) {
  const where = zone === "." ? "the root" : zone;
  return `;; ${server} (${address}) for ${where}: ${name} ${type}? ` +
    `${outcome}, ${ms.toFixed(0)} ms`;
}

/** An answer in the form of dig: status, question, records. */
export function formatAnswer(
  { name, type }: Request,
  status: string,
  records: readonly DnsRecord[],
  last: string,
): string {
  return [
    `;; status: ${status}, answers: ${records.length}`,
    ";; QUESTION",
    `;${name === "." ? name : `${name}.`} IN ${type}`,
    ...(records.length > 0 ? [";; ANSWER"] : []),
    ...records.map(formatRecord),
    `;; ${last}`,
  ].join("\n");
}

const STATUS = {
  "found": "NOERROR",
  "no-data": "NOERROR",
  "no-such-name": "NXDOMAIN",
};

/** How long a look-up may take, in ms. */
const PATIENCE = 10_000;

/** Looks up, and prints. @throws {DnsError} */
async function run(request: Request): Promise<void> {
  const { name, type, server, trace, bytes } = request;
  const signal = AbortSignal.timeout(PATIENCE);
  const show = ({ address }: Server): ObservePacket => (sent, packet) => {
    console.log(`;; ${sent ? "to" : "from"} ${address}`);
    console.log(formatFields(explainDns(packet)).join("\n"));
  };
  const options = (server: Server) => ({
    ...{ signal, tries: 2 },
    ...(bytes && { observe: show(server) }),
  });
  const start = performance.now();
  const took = () => `${(performance.now() - start).toFixed(0)} ms`;
  if (server) {
    const answer: Message = await ask(server, name, type, {
      ...options(server),
      recursion: true,
    });
    const { address, port } = server;
    const status = RCODES[answer.rcode] ?? `${answer.rcode}`;
    const last = `${took()}, by ${address} port ${port}`;
    console.log(formatAnswer(request, status, answer.answers, last));
    return;
  }
  const resolver = new Resolver({
    ask: (address, name, type) =>
      ask({ address }, name, type, options({ address })),
    onStep: (step) => trace && console.log(formatStep(step)),
  });
  const { records, status, asked } = await resolver.resolve(name, type);
  const last = `${took()}, by ${asked} questions from the root down`;
  console.log(formatAnswer(request, STATUS[status], records, last));
}

const USAGE = "Usage: deno run --allow-net dns.ts NAME [--type A] [--trace] " +
  "[--bytes] [--server IP [--port 53]]";

if (import.meta.main) {
  if (Deno.args.length === 0) {
    console.log(
      `${USAGE}\n\nWithout --server it asks from the root servers down.`,
    );
    Deno.exit(0);
  }
  try {
    const request = readArgs(Deno.args);
    // Asked for here, as a socket without permission fails where nobody can catch it.
    const net = { name: "net", host: "0.0.0.0" } as const;
    if (Deno.permissions.requestSync(net).state !== "granted") {
      throw new DnsError("network", "Cannot use the network: add --allow-net");
    }
    await run(request);
  } catch (error) {
    if (error instanceof SyntaxError) {
      console.error(`${error.message}\n${USAGE}`);
      Deno.exit(2);
    }
    const late = error instanceof DOMException && error.name === "TimeoutError";
    if (
      !(error instanceof DnsError || error instanceof DnsFormatError || late)
    ) {
      throw error;
    }
    console.error(
      late ? `No answer within ${PATIENCE / 1000} seconds` : error.message,
    );
    Deno.exit(1);
  }
}
