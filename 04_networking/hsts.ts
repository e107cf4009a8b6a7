#!/usr/bin/env -S deno run
/**
 * Q. You type http://bank.com. Why does no unencrypted request leave your machine?
 *
 * A. On an earlier visit, over https, the bank's answer held Strict-Transport-Security
 * with a max-age. Until then is over, the browser changes http into https by itself,
 * before it opens a connection: no redirect is waited for that somebody on the way could
 * answer. includeSubDomains means every name below, too. Each visit starts the time anew,
 * and a max-age of 0 ends it. Over http the field is ignored, as anybody could have
 * written it, and addresses have no names to be known by. And where a host is known, no
 * click leads past a bad certificate.
 *
 * Trap: the first visit is open: only a list that came with the browser closes it.
 * Left out: wss, the stop at a bad certificate, which is TLS's, and a store on disk.
 * Source: RFC 6797, sections 6.1, 6.2, 8.1 to 8.3; the list: https://hstspreload.org.
 * Run: `deno run hsts.ts`
 * @module
 */
import { addressFamily } from "./address.ts";
import { type Field, quote, trim } from "./http_message.ts";

/**
 * The most hosts that are learnt. Then new ones are refused, instead of old ones
 * forgotten: else a site of many names could make the browser forget the bank.
 */
export const MAX_HOSTS = 10_000;

/** What the field says. */
export interface Policy {
  /** Seconds. */
  maxAge: number;
  includeSubDomains: boolean;
}

interface Known {
  includeSubDomains: boolean;
  /** In ms since 1970. */
  until: number;
}

/** The hosts that are to be asked over https only. */
export class HstsStore {
  #known = new Map<string, Known>();
  #preloaded: ReadonlyMap<string, boolean>;

  /**
   * @param now the time in ms since 1970
   * @param preload hosts that are known before a first visit, for ever; true for those
   * whose names below are meant, too
   */
  constructor(
    readonly now: () => number = Date.now,
    preload: Readonly<Record<string, boolean>> = {},
  ) {
    this.#preloaded = new Map(Object.entries(preload));
  }

  /** How many hosts were learnt. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * Where a request for `url` really goes: https in place of http, and 443 in place of
   * 80; any other port stays.
   */
  upgrade(url: URL): URL {
    const upgraded = new URL(url);
    // The port of a URL is "" where it is the scheme's own, so 80 becomes 443 by itself.
    if (url.protocol === "http:" && this.isKnown(url.hostname)) {
      upgraded.protocol = "https:";
    }
    return upgraded;
  }

  /** Whether `host`, or a name above it together with those below, wants https. */
  isKnown(host: string): boolean {
    const name = canonical(host);
    if (isAddress(name)) return false;
    const labels = name.split(".");
    // A nearer name that is known for itself alone does not end the search.
    return labels.some((_, i) => {
      const parent = labels.slice(i).join(".");
      const below = this.#includesSubDomains(parent);
      return below !== undefined && (i === 0 || below);
    });
  }

  /**
   * Takes Strict-Transport-Security from an answer.
   * @param field its value, or all fields of the answer, of which the first one counts
   * @param secure whether it came over https and nothing was wrong with the certificate
   * @returns undefined, or in one line why it was ignored
   */
  note(
    url: URL,
    field: string | readonly Field[],
    secure = url.protocol === "https:",
  ): string | undefined {
    const value = typeof field === "string"
      ? field
      : field.find(([name]) =>
        name.toLowerCase() === "strict-transport-security"
      )?.[1];
    if (value === undefined) return "no such field";
    if (!secure) return "it came over http, so anybody may have written it";
    const host = canonical(url.hostname);
    if (isAddress(host)) return `${quote(host)} is an address`;
    const policy = parsePolicy(value);
    if (typeof policy === "string") return policy;
    const { maxAge, includeSubDomains } = policy;
    // What a name above has said is not touched: it is another entry.
    if (maxAge === 0) {
      this.#known.delete(host);
      return undefined;
    }
    if (!this.#known.has(host) && this.#known.size >= MAX_HOSTS) {
      this.#forgetOld();
      if (this.#known.size >= MAX_HOSTS) return `${MAX_HOSTS} hosts are known`;
    }
    const until = this.now() + 1000 * maxAge;
    this.#known.set(host, { includeSubDomains, until });
  }

  /** Whether the names below are meant, too; undefined if the name is not known. */
  #includesSubDomains(name: string): boolean | undefined {
    const entry = this.#known.get(name);
    const learnt = entry && this.now() < entry.until
      ? entry.includeSubDomains
      : undefined;
    const listed = this.#preloaded.get(name);
    return learnt || listed ? true : learnt ?? listed;
  }

  #forgetOld(): void {
    for (const [name, { until }] of this.#known) {
      if (until <= this.now()) this.#known.delete(name);
    }
  }
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const DIRECTIVE = new RegExp(
  `^(${TOKEN})(?:[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?$`,
);

/**
 * Reads the value of Strict-Transport-Security.
 * @returns the policy, or in one line why the field must be ignored
 */
export function parsePolicy(value: string): Policy | string {
  const directives = new Map<string, string | undefined>();
  for (const part of splitUnquoted(value)) {
    const text = trim(part);
    if (text === "") continue;
    const [whole, name, token, quoted] = DIRECTIVE.exec(text) ?? [];
    if (whole === undefined) return `${quote(text)} is no directive`;
    const key = name.toLowerCase();
    if (directives.has(key)) return `${quote(key)} stands twice`;
    directives.set(key, token ?? quoted?.replace(/\\(.)/g, "$1"));
  }
  if (!directives.has("max-age")) return "there is no max-age";
  const age = directives.get("max-age") ?? "";
  if (!/^\d+$/.test(age)) return `${quote(age)} is no number of seconds`;
  const includeSubDomains = directives.has("includesubdomains");
  if (directives.get("includesubdomains") !== undefined) {
    return "includeSubDomains takes no value";
  }
  return { maxAge: Number(age), includeSubDomains };
}

/** Cuts at semicolons, except those in quotes. */
function splitUnquoted(value: string): string[] {
  const parts = [""];
  let inQuotes = false;
  for (let i = 0; i < value.length; i++) {
    const start = i;
    if (value[i] === '"') inQuotes = !inQuotes;
    // What follows a backslash is no quote.
    if (inQuotes && value[i] === "\\") i++;
    if (value[i] === ";" && !inQuotes) parts.push("");
    else parts[parts.length - 1] += value.slice(start, i + 1);
  }
  return parts;
}

/** A host as it is compared: "bank.com." with its last dot is the same host. */
function canonical(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

function isAddress(host: string): boolean {
  return addressFamily(host.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

if (import.meta.main) {
  let days = 0;
  const store = new HstsStore(() => days * 86_400_000, {
    "list.example": true,
  });
  const type = (text: string) =>
    console.log(`  type ${text}: ${store.upgrade(new URL(text)).href}`);
  const visit = (text: string, field: string) => {
    const ignored = store.note(new URL(text), field);
    console.log(`  ${text} answers ${field}: ${ignored ?? "noted"}`);
  };
  const month = "max-age=2592000; includeSubDomains";
  console.log("The first visit is open, unless the host is on the list:");
  type("http://bank.example/");
  type("http://www.list.example/");
  visit("http://bank.example/", month);
  type("http://bank.example/");
  console.log("After a visit over https:");
  visit("https://bank.example/", month);
  type("http://bank.example/");
  type("http://www.bank.example:8080/login");
  type("http://evilbank.example/");
  days = 30;
  console.log("30 days later:");
  type("http://bank.example/");
  visit("https://bank.example/", month);
  visit("https://bank.example/", "max-age=0");
  type("http://bank.example/");
  visit("https://192.0.2.1/", month);
  visit("https://bank.example/", "max-age=60; max-age=600");
}
