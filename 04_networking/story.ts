#!/usr/bin/env -S deno run
/**
 * Q. You enter an address and press Enter. What happens, step by step, and on which layer?
 *
 * A. The keyboard sends a code, the CPU is interrupted, the system makes an event of it,
 * the browser reads what stands in its address bar: an address or a search. Does it know
 * that this site wants https? Is the page in a cache, or a connection open? Else: what is
 * the address of the name (DNS)? Connect to one of them (TCP); agree on a key, and see that
 * the certificate is right (TLS); ask for the page (HTTP); keep what it says; perhaps be
 * sent elsewhere, and begin again. Each step is a module of its own here, and this one only
 * goes from one to the next, and measures.
 *
 * Trap: to resolve the name, and then connect by name: that resolves it again, perhaps to
 * something else.
 * Left out: rendering, HTTP/3, proxies; ARP and routing, which the system does below, are
 * in routing.ts.
 * Source: https://github.com/alex/what-happens-when, for the stages before the network;
 * layers: RFC 1122 section 1.1.3.
 * Run: `deno run story.ts`; networking.ts tells it
 * @module
 */
import { readInput } from "./address_bar.ts";
import { addressFamily } from "./address.ts";
import { Browser, formatLog, type Kept, withoutConditions } from "./browser.ts";
import { formatFields } from "./byte_fields.ts";
import { DnsError, type ObservePacket } from "./dns_client.ts";
import { explainDns } from "./dns_explain.ts";
import type { Message } from "./dns_message.ts";
import { type Encrypted, type EncryptRequest, quietly } from "./encryption.ts";
import { explain, StoryError } from "./failures.ts";
import { connectToFirst } from "./happy_eyeballs.ts";
import { type Field, parseUrl } from "./http_message.ts";
import {
  Driver,
  explainEvent,
  explainReport,
  keydowns,
  usageOf,
  writeReport,
} from "./keyboard.ts";
import { openPages, type Page, readText, redirectOf } from "./page.ts";
import { type Say, Stages, type Telling } from "./stages.ts";

/** All of it. */
export interface Story {
  readonly input: string;
  readonly url: string;
  readonly status: number;
  /** What was spoken, or "none" if the page was in the cache. */
  readonly protocol: string;
  /** Where the page came from; "" if from the cache. */
  readonly address: string;
  readonly redirects: number;
  readonly bytes: number;
  /** The beginning of the page, as text. */
  readonly text: string;
  readonly ms: number;
}

/** What the story needs of the world: the real one, or the lab. */
export interface World {
  readonly hints?: Readonly<Record<string, readonly string[]>>;
  ask(
    address: string,
    name: string,
    type: string,
    observe?: ObservePacket,
    signal?: AbortSignal,
  ): Promise<Message>;
  connect(
    address: string,
    port: number,
    signal: AbortSignal,
  ): Promise<Deno.TcpConn>;
  encrypt(tcp: Deno.TcpConn, request: EncryptRequest): Promise<Encrypted>;
  readonly families: readonly (4 | 6)[];
}

const MOST_REDIRECTS = 10;
/** ms for each page, from the name on. */
const PATIENCE = 10_000;
const PART_OF_NAMES = 0.7;

/** A browser in a world, and what goes over its network. */
export class Visitor {
  readonly #world: World;
  readonly #browser: Browser;
  /** Where packets of DNS are told, if they are. */
  #packets?: (server: string) => ObservePacket;
  /** When they are waited for no longer. */
  #signal?: AbortSignal;

  /** @param patience how long a page may take, in ms */
  constructor(world: World, readonly patience = PATIENCE) {
    this.#world = world;
    this.#browser = new Browser({
      ...(world.hints && { hints: world.hints }),
      families: world.families,
      ask: (address, name, type) =>
        world.ask(address, name, type, this.#packets?.(address), this.#signal),
    });
  }

  /** Ends it, with its connections. */
  async close(): Promise<void> {
    await this.#browser.close();
  }

  /**
   * Goes the whole way from the key to the page.
   * @throws {StoryError}
   */
  async enter(text: string, telling: Telling): Promise<Story> {
    const stages = new Stages(telling);
    const report = await stages.tell("key", "hardware", (say, bytes) => {
      const usage = usageOf("Enter");
      say(`the switch closes; the keyboard reports usage ${usage}, Enter`);
      say("the USB controller interrupts the CPU, which jumps to its handler");
      const report = writeReport(0, [usage]);
      if (bytes) formatFields(explainReport(report)).forEach(bytes);
      return report;
    });
    await stages.tell("event", "system", (say, bytes) => {
      const [event] = new Driver().read(report, performance.now());
      const [keydown] = keydowns([event]);
      say(`the driver makes it code ${event.code}, for the window in front`);
      say(`the browser makes it a keydown: ${JSON.stringify(keydown)}`);
      if (bytes) formatFields(explainEvent(event)).forEach(bytes);
    });
    let url = await stages.tell("address bar", "browser", (say) => {
      const input = readInput(text);
      if (input.kind === "url") {
        say(`an address, not a search: ${input.url.href}`);
        return parseUrl(input.url);
      }
      throw new StoryError(
        "address bar",
        `"${input.words}" is no address: a browser would search for it`,
        "Enter a name with a dot, as www.google.com",
      );
    });
    for (let redirects = 0;; redirects++) {
      const { page, kept, asked } = await this.#visit(url, stages);
      url = asked;
      const next = nextAfter(url, page);
      if (!next) {
        return {
          ...{ input: text, url: url.href, status: page.status, redirects },
          ...{
            protocol: kept?.protocol ?? "none",
            address: kept?.address ?? "",
          },
          ...{ bytes: page.body.length, text: readText(page.body) },
          ms: stages.elapsed,
        };
      }
      if (redirects === MOST_REDIRECTS) {
        throw new StoryError(
          "page",
          `More than ${MOST_REDIRECTS} redirects, the last one to ${next.href}`,
          "The site sends in a circle: tell its owner, or clear its cookies",
        );
      }
      url = next;
    }
  }

  /** Gets one page. @returns with where it was really asked for, and over what */
  async #visit(typed: URL, stages: Stages) {
    const browser = this.#browser;
    const { asked, advice, fields, open } = await stages.tell(
      "caches",
      "browser",
      (say) => {
        const asked = browser.hsts.upgrade(typed);
        const wants = browser.hsts.isKnown(typed.hostname);
        say(
          wants
            ? `HSTS: ${typed.hostname} wants https only`
            : `HSTS: nobody has said that ${typed.hostname} wants https only`,
        );
        const { advice, fields } = browser.prepare(asked);
        say(`the page: ${advice.why}`);
        // There is no background here.
        if (advice.use === "stale") say("here it is asked for first");
        for (const [name, value] of fields) {
          say(`to be sent: ${name}: ${value}`);
        }
        const open = browser.connectionTo(asked);
        say(
          open
            ? `a connection to ${asked.host} is open: no DNS, TCP or TLS`
            : `no connection to ${asked.host} is open`,
        );
        return { asked, advice, fields, open };
      },
    );
    if (advice.use === "fresh" && advice.response) {
      return { page: advice.response as Page, asked };
    }
    const signal = AbortSignal.timeout(this.patience);
    const connect = async () => {
      const kept = await this.#connect(asked, signal, stages);
      await browser.keep(asked, kept);
      return kept;
    };
    let kept = open ?? await connect();
    let when = browser.now();
    const get = (fields: readonly Field[]) =>
      stages.tell("page", "HTTP", (say, bytes) => {
        when = browser.now();
        return kept.pages.get({
          ...{ url: asked, fields, signal, say, bytes },
        });
      });
    const visit = async (fields: readonly Field[]) => {
      const answer = await get(fields).catch(async (error) => {
        if (!open || signal.aborted) throw error;
        // The server may have closed it just now, and a GET may be sent twice.
        kept = await connect();
        return await get(fields);
      });
      return await stages.tell("memory", "browser", (say) => {
        const { page, did } = browser.take(asked, fields, answer, when);
        did.forEach(say);
        return page;
      });
    };
    try {
      let page = await visit(fields);
      const plain = withoutConditions(fields);
      // About another version than the one that is kept.
      const other = page.status === 304 && plain.length < fields.length;
      if (other) page = await visit(plain);
      return { page, kept, asked };
    } catch (error) {
      await browser.drop(asked);
      throw error;
    }
  }

  /** Opens a connection: name, TCP and, for https, TLS. */
  async #connect(
    url: URL,
    signal: AbortSignal,
    stages: Stages,
  ): Promise<Kept> {
    const world = this.#world;
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
    const addresses = addressFamily(host) > 0
      ? [host]
      : await stages.tell("name", "DNS", (say, bytes) =>
        this.#lookUp(host, say, bytes));
    const { connection: tcp, address } = await stages.tell(
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
          const when = start.toFixed(0);
          say(`at ${when} ms SYN to ${address} port ${port}: ${outcome}`);
        }
        return won;
      },
    );
    const close = () => {
      quietly(() => tcp.close());
      return Promise.resolve();
    };
    const plain = { stream: tcp, protocol: "http/1.1", close };
    const secret = url.protocol !== "https:" ? plain : await stages.tell(
      "encryption",
      "TLS",
      async (say, bytes): Promise<Encrypted> => {
        try {
          return await world.encrypt(tcp, { host, signal, say, bytes });
        } catch (error) {
          await close();
          throw error;
        }
      },
    );
    const { stream, protocol } = secret;
    const pages = openPages(stream, protocol);
    return { pages, address, protocol, close: secret.close };
  }

  /** The addresses of a name. */
  async #lookUp(host: string, say: Say, bytes?: Say): Promise<string[]> {
    // If one family's servers are silent, the other's address still gets its chance.
    this.#signal = AbortSignal.timeout(this.patience * PART_OF_NAMES);
    this.#packets = bytes && ((server) => (sent, packet, transport) => {
      const way = sent ? `→ to ${server}` : `← from ${server}`;
      bytes(`${way}, ${packet.length} bytes over ${transport}`);
      formatFields(explainDns(packet)).forEach((line) => bytes(`  ${line}`));
    });
    const { addresses, missing, failure, log } = await this.#browser
      .lookUp(host, this.#world.families);
    formatLog(log).forEach(say);
    if (addresses.length === 0) {
      throw missing
        ? new DnsError("no-such-name", `There is no name ${host}`)
        : failure ?? new DnsError("no-data", `${host} has no address`);
    }
    say(`${host} is ${addresses.join(", ")}`);
    return addresses;
  }
}

/** Where a page leads on to. @throws {StoryError} if nobody can go there */
function nextAfter(url: URL, page: Page): URL | undefined {
  try {
    return redirectOf(url, page);
  } catch (error) {
    throw explain("page", error as Error);
  }
}

if (import.meta.main) {
  // A world without a network, as far as it goes.
  const nobody = () => Promise.reject(new Error("nobody is there"));
  const visitor = new Visitor({
    ...{ ask: nobody, connect: nobody, encrypt: nobody, families: [4] },
  });
  for (const text of ["what is dns", "192.0.2.1"]) {
    console.log(text);
    await visitor.enter(text, {
      onStage: ({ name, layer, did }) =>
        console.log(`  ${layer}: ${name}\n    ${did.join("\n    ")}`),
    }).catch((error) => console.log(`  ${error.message}`));
  }
}
