#!/usr/bin/env -S deno run
/**
 * Q. The second visit takes a quarter of the time. What does the browser know by then?
 *
 * A. That the site wants https, from HSTS, so that no request goes in the clear; the
 * addresses of its name, for a minute; an open connection, with keys and compressed
 * headers; the cookies that make it the same visitor; and the page itself, which it may
 * show without a question while it is fresh, and else asks for with a condition: send it,
 * unless it is still the same. Each of these has an end of its own, and none is for another
 * site.
 *
 * Trap: a cookie, a page or a connection of one site that is used for another.
 * Left out: what is kept on disk; the hosts file, but for localhost; several windows;
 * sharing of a connection by names.
 * Source: RFC 6797, RFC 6265bis, RFC 9111; connections: RFC 9112 section 9.3, RFC 9113
 * section 9.1.
 * Run: `deno run browser.ts`
 * @module
 */
import { CookieJar } from "./cookies.ts";
import { DnsError } from "./dns_client.ts";
import { Resolver, type ResolverOptions, type Step } from "./dns_resolver.ts";
import { HstsStore } from "./hsts.ts";
import { type Advice, HttpCache } from "./http_cache.ts";
import type { Field } from "./http_message.ts";
import {
  type Ask,
  type CacheEvent,
  fromResolver,
  machine,
  parseHosts,
} from "./name_caches.ts";
import type { Page, PageConnection } from "./page.ts";
import { GOODBYE, settledWithin } from "./tls_session.ts";

/** A connection that is kept for the next page. */
export interface Kept {
  readonly pages: PageConnection;
  /** Where it leads, and what is spoken there. */
  readonly address: string;
  readonly protocol: string;
  close(): Promise<void>;
}

/** What went on while a name was looked up. */
export interface NameLog {
  readonly caches: CacheEvent[];
  readonly steps: Step[];
}

/** What went on, in lines for people. */
export function formatLog({ caches, steps }: NameLog): string[] {
  // Both types are asked for at the same time; they are told one after the other.
  const byType = Object.values(Object.groupBy(steps, ({ type }) => type));
  return [
    ...caches.map(({ cache, type, outcome, left }) => {
      const seconds = outcome === "hit" ? `, ${Math.floor(left)} s left` : "";
      return `cache of the ${cache}: ${type}? ${outcome}${seconds}`;
    }),
    ...(byType.flat() as Step[]).map((step) => {
      const { server, zone, name, type, outcome, ms } = step;
      const where = zone === "." ? "the root" : zone;
      const time = `${ms.toFixed(1)} ms`;
      return `${server}, for ${where}: ${name} ${type}? ${outcome}, ${time}`;
    }),
  ];
}

/** The fields of a request that asks for a page whatever the browser has. */
export const withoutConditions = (fields: readonly Field[]): Field[] =>
  fields.filter(([name]) => !/^if-/i.test(name));

/** What a browser keeps from one visit to the next. */
export class Browser {
  readonly hsts: HstsStore;
  readonly cookies: CookieJar;
  readonly #cache = new HttpCache();
  readonly #open = new Map<string, Kept>();
  readonly #names: Ask;
  readonly #log: NameLog = { caches: [], steps: [] };

  /**
   * @param internet whom to ask for names
   * @param now the time in ms since 1970
   */
  constructor(
    internet: Pick<ResolverOptions, "ask" | "hints" | "families">,
    readonly now: () => number = () =>
      performance.timeOrigin + performance.now(),
  ) {
    this.hsts = new HstsStore(now);
    this.cookies = new CookieJar(now);
    const seconds = () => now() / 1000;
    const resolver = new Resolver({
      ...{ ...internet, now: seconds },
      onStep: (step) => this.#log.steps.push(step),
    });
    this.#names = machine({
      ...{ below: fromResolver(resolver), now: seconds },
      onEvent: (event) => this.#log.caches.push(event),
    }, parseHosts("::1 localhost\n127.0.0.1 localhost"));
  }

  /**
   * The addresses of a name, of some families asked for at the same time: those of one
   * family, if there is no way to the other's.
   * @returns also why there was no way, if so
   * @throws what is no failure of the network
   */
  async lookUp(name: string, families: readonly (4 | 6)[]) {
    const settled = await Promise.allSettled(
      families.map((family) => this.#names(name, family === 4 ? "A" : "AAAA")),
    );
    const answers = settled.flatMap((one) =>
      one.status === "fulfilled" ? [one.value] : []
    );
    const failure: unknown = settled.find((one) => one.status === "rejected")
      ?.reason;
    const addresses = answers.flatMap(({ addresses }) => addresses);
    const missing = answers.some(({ status }) => status === "no-such-name");
    const log = {
      caches: this.#log.caches.splice(0),
      steps: this.#log.steps.splice(0),
    };
    // What no network does is a mistake of the program, whatever the other family says.
    const known = [DnsError, DOMException];
    if (failure && !known.some((kind) => failure instanceof kind)) {
      throw failure;
    }
    return { addresses, missing, failure, log };
  }

  /** The open connection to where a URL is, if there is one. */
  connectionTo(url: URL): Kept | undefined {
    const kept = this.#open.get(url.origin);
    return kept?.pages.open ? kept : undefined;
  }

  /** Keeps a connection for the next page from there. */
  async keep(url: URL, kept: Kept): Promise<void> {
    await this.drop(url);
    this.#open.set(url.origin, kept);
  }

  /** Closes the connection to where a URL is. */
  async drop(url: URL): Promise<void> {
    const kept = this.#open.get(url.origin);
    if (!kept) return;
    this.#open.delete(url.origin);
    // Whoever reads nothing any more would never hear it.
    await settledWithin(GOODBYE, kept.pages.close());
    await kept.close();
  }

  /** What to send with a request for a URL, and whether to send one at all. */
  prepare(url: URL): { readonly advice: Advice; readonly fields: Field[] } {
    const cookie = this.cookies.header(url);
    const fields: Field[] = cookie ? [["Cookie", cookie]] : [];
    const advice = this.#cache.lookUp({ url, fields }, this.now());
    return { advice, fields: [...fields, ...advice.conditional ?? []] };
  }

  /**
   * Takes what an answer says: cookies, HSTS, and the page for the next time.
   * @param fields that were sent
   * @param asked when, in ms since 1970
   * @returns the page to show, which after 304 is the one that was kept, and what was done
   */
  take(url: URL, fields: readonly Field[], page: Page, asked: number) {
    const did: string[] = [];
    for (const [name, value] of page.fields) {
      if (name !== "set-cookie") continue;
      const why = this.cookies.set(url, value);
      const [cookie] = value.split(";");
      did.push(why ? `cookie refused: ${why}` : `cookie ${cookie}`);
    }
    if (page.fields.some(([name]) => name === "strict-transport-security")) {
      const why = this.hsts.note(url, page.fields);
      // An age of 0 takes it back.
      const by = this.hsts.isKnown(url.hostname)
        ? "by https only"
        : "also by http";
      did.push(why ? `HSTS ignored: ${why}` : `HSTS: ${url.hostname} ${by}`);
    }
    const now = this.now();
    const sent = withoutConditions(fields);
    const request = { url, fields: sent };
    if (page.status === 304) {
      const fresh = this.#cache.update(request, page, asked, now);
      if (fresh) {
        did.push(
          `the same page as before: ${fresh.body.length} bytes of the cache`,
        );
        return { page: fresh, did };
      }
    }
    const why = this.#cache.store(request, page, asked, now);
    did.push(why ? `not kept: ${why}` : "the page is kept");
    return { page, did };
  }

  /** Ends it. */
  async close(): Promise<void> {
    for (const origin of [...this.#open.keys()]) {
      await this.drop(new URL(origin));
    }
  }
}

if (import.meta.main) {
  let now = Date.UTC(2026, 10, 21);
  const nobody = () => Promise.reject(new Error("nobody is asked"));
  const browser = new Browser({ ask: nobody }, () => now);
  const url = new URL("https://www.example.com/");
  const page: Page = {
    status: 200,
    fields: [
      ["set-cookie", "id=7; Secure; Path=/"],
      ["strict-transport-security", "max-age=31536000"],
      ["cache-control", "max-age=60"],
      ["etag", '"1"'],
    ],
    body: new TextEncoder().encode("the page"),
  };
  const look = (when: string, at: URL) => {
    const asked = browser.hsts.upgrade(at);
    const { advice, fields } = browser.prepare(asked);
    const sent = fields.map((field) => field.join(": ")).join(", ");
    console.log(`${when} ${asked.href}: ${advice.why}; ${sent || "no fields"}`);
  };
  look("before,", url);
  browser.take(url, [], page, now).did.forEach((line) =>
    console.log(`  ${line}`)
  );
  look("after,", new URL("http://www.example.com/"));
  now += 61_000;
  look("61 s later,", url);
  look("another site,", new URL("https://example.org/"));
}
