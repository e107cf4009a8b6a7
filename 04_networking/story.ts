#!/usr/bin/env -S deno run
/**
 * Q. You enter an address and press Enter. What happens, step by step, and on which layer?
 *
 * A. The keyboard sends a code, the CPU is interrupted, the system makes an event of it,
 * the browser reads what stands in its address bar: an address or a search. Does it know
 * that this site wants https? Is the answer in a cache? Else: what is the address of the
 * name (DNS)? Connect to one of them (TCP); agree on a key, and see that the certificate
 * is right (TLS); ask for the page (HTTP); perhaps be sent elsewhere, and begin again;
 * read what comes. Each step is a module of its own here, and this one only goes from one
 * to the next, and measures.
 *
 * Trap: to resolve the name, and then connect by name: that resolves it again, perhaps to
 * something else.
 * Left out: rendering, HTTP/3, proxies, ARP and routing, which the system does below.
 * Source: https://github.com/alex/what-happens-when, for the stages before the network;
 * layers: RFC 1122 section 1.1.3.
 * Run: `deno run story.ts`; networking.ts tells it
 * @module
 */
import { addressFamily } from "./address.ts";
import { DnsError } from "./dns_client.ts";
import { DnsFormatError } from "./dns_record.ts";
import { Resolver, type ResolverOptions, type Step } from "./dns_resolver.ts";
import { ConnectError, connectToFirst } from "./happy_eyeballs.ts";
import { HttpError } from "./http_message.ts";
import { Http2Error } from "./http2_frames.ts";
import { getPage, readText } from "./page.ts";

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

/** All of it. */
export interface Story {
  readonly input: string;
  readonly url: string;
  readonly status: number;
  readonly protocol: string;
  readonly address: string;
  readonly redirects: number;
  readonly bytes: number;
  /** The beginning of the page, as text. */
  readonly text: string;
  readonly ms: number;
}

/** What the story needs of the world: the real one, or the lab. */
export interface World {
  readonly hints?: ResolverOptions["hints"];
  readonly ask: ResolverOptions["ask"];
  connect(
    address: string,
    port: number,
    signal: AbortSignal,
  ): Promise<Deno.TcpConn>;
  /** Further authorities that are trusted. */
  readonly caCerts?: readonly string[];
  readonly families: readonly (4 | 6)[];
}

/** Why it came to an end, at which stage, and what a person can do. */
export class StoryError extends Error {
  override readonly name = "StoryError";
  constructor(
    readonly stage: string,
    message: string,
    readonly advice: string,
  ) {
    super(message);
  }
}

/** What stands in the address bar. */
export type Input =
  | { readonly kind: "url"; readonly url: URL }
  | { readonly kind: "search"; readonly words: string };

const MOST_REDIRECTS = 10;
/** How long each stage may take, in ms. */
const PATIENCE = 10_000;

/**
 * An address or a search, as browsers tell them apart: by a scheme, a dot or a port
 * without spaces, or localhost.
 */
export function readInput(text: string): Input {
  const input = text.trim();
  if (/^https?:\/\//i.test(input) && URL.canParse(input)) {
    return { kind: "url", url: new URL(input) };
  }
  const [host] = input.split(/[/?#]/);
  const looks = /^(localhost|[^\s@:]+\.[^\s@:.]+|\[[\da-f:.]+\])\.?(:\d+)?$/i
    .test(host);
  // Browsers try https first (since 2021).
  return looks && !/\s/.test(input) && URL.canParse(`https://${input}`)
    ? { kind: "url", url: new URL(`https://${input}`) }
    : { kind: "search", words: input };
}

/**
 * Goes the whole way from the key to the page.
 * @param onStage called as each stage ends
 * @param showBytes whether stages say what went over the network
 * @throws {StoryError}
 */
export async function enter(
  text: string,
  world: World,
  onStage: (stage: Stage) => void,
  { showBytes = false, now = () => performance.now() } = {},
): Promise<Story> {
  const begin = now();
  const stage = async <T>(
    name: string,
    layer: Layer,
    work: (
      say: (line: string) => void,
      bytes: (line: string) => void,
    ) => Promise<T> | T,
  ): Promise<T> => {
    const start = now();
    const [did, bytes]: string[][] = [[], []];
    try {
      return await work(
        (line) => did.push(line),
        (line) => showBytes && bytes.push(line),
      );
    } catch (error) {
      did.push((error as Error).message);
      throw explain(name, error as Error);
    } finally {
      const ms = now() - start;
      const shown = showBytes ? { bytes } : {};
      onStage({ name, layer, start: start - begin, ms, did, ...shown });
    }
  };

  await stage("key", "hardware", (say) => {
    say(
      "the switch closes; the keyboard reports usage 0x28 of page 7, Enter, over USB",
    );
    say(
      "the controller interrupts the CPU, which jumps to the handler of the driver",
    );
  });
  await stage("event", "system", (say) => {
    say("the driver makes it the key code 28; the window in front gets it");
    say(
      'the browser makes a keydown event of it: { key: "Enter", code: "Enter" }',
    );
  });
  let url = await stage("address bar", "browser", (say) => {
    const input = readInput(text);
    if (input.kind === "search") {
      throw new StoryError(
        "address bar",
        `"${input.words}" is no address: a browser would search for it`,
        "Enter a name with a dot, as www.google.com",
      );
    }
    say(`an address, not a search: ${input.url.href}`);
    return input.url;
  });
  await stage("caches", "browser", (say) => {
    say(`HSTS: nobody has said yet that ${url.hostname} wants https only`);
    say(
      "cache of pages, of connections and of names: empty, as on a first visit",
    );
  });

  const steps: Step[] = [];
  const resolver = new Resolver({
    ...{
      ask: world.ask,
      families: world.families,
      onStep: (s) => steps.push(s),
    },
    ...(world.hints && { hints: world.hints }),
  });
  for (let redirects = 0;; redirects++) {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const addresses = addressFamily(host) > 0 ? [host] : await stage(
      "name",
      "DNS",
      async (say, bytes) => {
        const found = await lookUp(resolver, host, world.families);
        for (
          const { server, zone, name, type, outcome, ms } of steps.splice(0)
        ) {
          const where = zone === "." ? "the root" : zone;
          say(
            `${server}, for ${where}: ${name} ${type}? ${outcome}, ${
              ms.toFixed(1)
            } ms`,
          );
          bytes(
            `UDP to port 53: id, flags, 1 question: ${name} ${type} IN, EDNS 1232`,
          );
        }
        say(`${host} is ${found.join(", ")}`);
        return found;
      },
    );
    const signal = AbortSignal.timeout(PATIENCE);
    const { connection, address } = await stage(
      "connection",
      "TCP",
      async (say) => {
        const won = await connectToFirst(
          addresses,
          (address, signal) => world.connect(address, port, signal),
          (late) => late.close(),
          { signal },
        );
        for (const { address, start, outcome } of won.attempts) {
          say(
            `at ${
              start.toFixed(0)
            } ms SYN to ${address} port ${port}: ${outcome}`,
          );
        }
        return won;
      },
    );
    let open: Deno.TcpConn | Deno.TlsConn = connection;
    try {
      let protocol = "http/1.1";
      if (url.protocol === "https:") {
        open = await stage("encryption", "TLS", async (say) => {
          const tls = await Deno.startTls(connection, {
            ...{ hostname: host, alpnProtocols: ["h2", "http/1.1"] },
            ...(world.caCerts && { caCerts: [...world.caCerts] }),
          });
          const stop = () => tls.close();
          signal.addEventListener("abort", stop);
          const { alpnProtocol } = await tls.handshake().catch((error) => {
            if (!signal.aborted) tls.close();
            throw error;
          }).finally(() => signal.removeEventListener("abort", stop));
          protocol = alpnProtocol ?? protocol;
          say(
            `ClientHello with a share of a key, for ${host}; offers h2 and http/1.1`,
          );
          say(
            `ServerHello with the other share; in TLS 1.3 all else is encrypted: certificate,`,
          );
          say(
            `signed by an authority that is trusted, for ${host}, valid today`,
          );
          say(`both speak ${protocol}`);
          return tls;
        });
      }
      const page = await stage(
        "page",
        "HTTP",
        (say, bytes) => getPage(open, url, protocol, signal, say, bytes),
      );
      const { status, location, body } = page;
      if (location === undefined || status < 300 || status > 399) {
        return {
          ...{
            input: text,
            url: url.href,
            status,
            protocol,
            address,
            redirects,
          },
          ...{ bytes: body.length, text: readText(body), ms: now() - begin },
        };
      }
      if (redirects === MOST_REDIRECTS) {
        throw new StoryError(
          "page",
          `More than ${MOST_REDIRECTS} redirects, the last one to ${location}`,
          "The site sends in a circle: tell its owner, or clear its cookies",
        );
      }
      url = new URL(location, url);
    } finally {
      try {
        open.close();
      } catch {
        // It has ended with the page.
      }
    }
  }
}

/** All addresses of a name. */
async function lookUp(
  resolver: Resolver,
  host: string,
  families: readonly (4 | 6)[],
) {
  const found: string[] = [];
  let status = "no-data";
  for (const family of families) {
    const { records, ...rest } = await resolver.resolve(
      host,
      family === 4 ? "A" : "AAAA",
    );
    status = rest.status;
    for (const record of records) {
      if (record.type === "A" || record.type === "AAAA") {
        found.push(record.address);
      }
    }
  }
  if (found.length > 0) return found;
  throw status === "no-such-name"
    ? new DnsError("no-such-name", `There is no name ${host}`)
    : new DnsError("no-data", `${host} has no address`);
}

/** What failed, and what a person can do. */
function explain(stage: string, error: Error): Error {
  if (error instanceof StoryError) return error;
  const cut = /close_notify|unexpected eof/i.test(error.message);
  const message = cut
    ? "The connection ended before the page was whole"
    : error.message;
  const advice = adviceFor(stage, error);
  return advice ? new StoryError(stage, message, advice) : error;
}

function adviceFor(stage: string, error: Error): string | undefined {
  if (error instanceof DnsFormatError) {
    return "Look whether the name is spelt right";
  }
  if (error instanceof DnsError) {
    return error.code === "no-such-name" || error.code === "no-data"
      ? "Look whether the name is spelt right"
      : "Look whether this network lets DNS through, or go with --lab";
  }
  if (error instanceof ConnectError) {
    return "The site or the network is down: try later";
  }
  if (error.name === "TimeoutError" || error.name === "AbortError") {
    return "It takes too long: try again later";
  }
  if (stage === "encryption") {
    return "Do not go on: the other side may not be who it says it is";
  }
  if (error instanceof HttpError || error instanceof Http2Error) {
    return "The server does not answer as it should: try again later";
  }
  return stage === "page" ? "The connection broke: try again" : undefined;
}

if (import.meta.main) {
  for (
    const text of [
      ...["www.google.com", "https://example.com/a?b", "localhost:8000"],
      ...[
        "what is dns",
        "192.0.2.1",
        "[2001:db8::1]:81/x",
        "a@b.c",
        "node.js help",
      ],
    ]
  ) {
    const input = readInput(text);
    const what = input.kind === "url" ? input.url.href : "a search";
    console.log(text.padEnd(24), what);
  }
}
