#!/usr/bin/env -S deno run
/**
 * Q. A server sets a cookie. To which requests does the browser add it?
 *
 * A. To those whose host, path and scheme fit. Without a Domain the cookie goes only to
 * the host that set it; with one also to the names below it, and a host may name only
 * itself or a parent. The path must be the cookie's or lie below it, cut at a slash.
 * Secure demands https. It goes until it expires: Max-Age is stronger than Expires, and
 * without both it lasts as long as the jar. A longer path comes first. HttpOnly hides it
 * from scripts, not from servers.
 *
 * Trap: comparing ends of names: evil-example.com ends in example.com and is another host.
 * Left out: the list of public suffixes, so `Domain=co.uk` is believed and only names of
 * one label are refused; SameSite; partitions; a jar on disk.
 * Source: RFC 6265, sections 5.1 to 5.4; draft-ietf-httpbis-rfc6265bis, sections 5.6 and
 * 5.7: prefixes, limits, and Secure cookies that only https may set or replace.
 * Run: `deno run cookies.ts`
 * @module
 */
import { quote, trim } from "./http_message.ts";

/** The longest name with its value, in bytes, and the longest attribute. */
export const MAX_COOKIE = 4096;
export const MAX_ATTRIBUTE = 1024;
/**
 * The most cookies of one host or domain, and of all. The ones used longest ago go first,
 * but of one domain those that are Secure go last.
 */
export const MAX_OF_DOMAIN = 50;
export const MAX_COOKIES = 3000;
/** The longest life, in ms: 400 days. */
export const MAX_AGE = 400 * 86_400_000;

/** A cookie as it is kept. */
export interface Cookie {
  name: string;
  value: string;
  domain: string;
  /** It goes to `domain` itself and not to names below. */
  hostOnly: boolean;
  path: string;
  secure: boolean;
  httpOnly: boolean;
  /** When it ends, in ms since 1970; Infinity for a cookie of the session. */
  expires: number;
  /** When it was first set: a number that counts up. */
  created: number;
  /** When it was last sent or set. */
  used: number;
}

/** Cookies of many hosts. */
export class CookieJar {
  // By domain, path and name, which together are what a cookie is.
  #cookies = new Map<string, Cookie>();
  #count = 0;

  /** @param now the time in ms since 1970 */
  constructor(readonly now: () => number = Date.now) {}

  get size(): number {
    return this.#cookies.size;
  }

  /**
   * What the Cookie field to `url` holds; "" for none.
   * @param script asked by a script, which does not see HttpOnly
   */
  header(url: URL, script = false): string {
    const path = url.pathname;
    const fitting = [...this.#cookies.values()].filter((cookie) =>
      (cookie.hostOnly
        ? hostOf(url) === cookie.domain
        : domainMatches(hostOf(url), cookie.domain)) &&
      pathMatches(path, cookie.path) &&
      (!cookie.secure || isSecure(url)) &&
      !(script && cookie.httpOnly) &&
      cookie.expires > this.now()
    );
    fitting.sort((a, b) =>
      b.path.length - a.path.length || a.created - b.created
    );
    for (const cookie of fitting) cookie.used = this.#count++;
    return fitting.map(({ name, value }) => name ? `${name}=${value}` : value)
      .join("; ");
  }

  /**
   * Takes a Set-Cookie field of an answer from `url`.
   * @param field as it was read, a byte each character
   * @returns undefined, or in one line why the cookie was refused
   */
  set(url: URL, field: string): string | undefined {
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(field)) return "a control character";
    const [pair, ...rest] = field.split(";");
    const [name, value] = splitPair(pair);
    if (name === "" && value === "") return "no name and no value";
    if (name.length + value.length > MAX_COOKIE) {
      return `longer than ${MAX_COOKIE} bytes`;
    }
    const attributes = new Map<string, string>();
    for (const part of rest) {
      const equals = part.indexOf("=");
      const key = trim(equals < 0 ? part : part.slice(0, equals)).toLowerCase();
      const text = equals < 0 ? "" : trim(part.slice(equals + 1));
      // The last one counts, as long as it is no wrong one.
      const wrong = text.length > MAX_ATTRIBUTE ||
        key === "expires" && isNaN(parseDate(text)) ||
        key === "max-age" && !/^-?\d+$/.test(text);
      if (!wrong) attributes.set(key, text);
    }
    const host = hostOf(url);
    const domain = attributes.get("domain")?.replace(/^\./, "").toLowerCase() ??
      "";
    if (domain && !domainMatches(host, domain)) {
      return `${quote(host)} may not set a cookie for ${quote(domain)}`;
    }
    // "com", or "com." with its root, would reach every shop; a host of one label may
    // name itself.
    const single = !domain.slice(0, -1).includes(".");
    if (domain && single && domain !== host) {
      return `${quote(domain)} is no name of its own`;
    }
    const path = attributes.get("path");
    const secure = attributes.has("secure");
    const cookie: Cookie = {
      name,
      value,
      domain: domain || host,
      hostOnly: single,
      path: path?.startsWith("/") ? path : defaultPath(url.pathname),
      secure,
      httpOnly: attributes.has("httponly"),
      expires: this.#expiry(attributes),
      created: this.#count++,
      used: this.#count,
    };
    if (secure && !isSecure(url)) return "Secure, but set without https";
    // A server that takes any case for a name would take these for the real ones.
    const lower = (name || value).toLowerCase();
    if (lower.startsWith("__secure-") && !secure) {
      return "__Secure- without Secure";
    }
    if (lower.startsWith("__host-") && !(secure && !domain && path === "/")) {
      return "__Host- without Secure and Path=/, or with Domain";
    }
    // It would be sent without the name, as if it had the prefix there.
    if (name === "" && /^__(secure|host)-/.test(lower)) {
      return "a prefix in a cookie without a name";
    }
    this.#dropExpired();
    if (!isSecure(url) && this.#shadows(cookie)) {
      return "a Secure cookie has that name";
    }
    this.#keep(cookie);
  }

  #expiry(attributes: Map<string, string>): number {
    const now = this.now();
    const [age, date] = [attributes.get("max-age"), attributes.get("expires")];
    if (age !== undefined) {
      return Number(age) <= 0
        ? -Infinity
        : now + Math.min(1000 * Number(age), MAX_AGE);
    }
    return date === undefined
      ? Infinity
      : Math.min(parseDate(date), now + MAX_AGE);
  }

  /** Whether `cookie`, from http, would stand in front of a Secure one. */
  #shadows({ name, domain, path }: Cookie): boolean {
    return [...this.#cookies.values()].some((old) =>
      old.secure && old.name === name && pathMatches(path, old.path) &&
      (domainMatches(domain, old.domain) || domainMatches(old.domain, domain))
    );
  }

  #keep(cookie: Cookie): void {
    const key = JSON.stringify([cookie.domain, cookie.path, cookie.name]);
    const old = this.#cookies.get(key);
    if (old) cookie.created = old.created;
    this.#cookies.set(key, cookie);
    this.#dropExpired();
    this.#evict(MAX_OF_DOMAIN, true, ({ domain }) => domain === cookie.domain);
    this.#evict(MAX_COOKIES, false, () => true);
  }

  #dropExpired(): void {
    for (const [key, { expires }] of this.#cookies) {
      if (expires <= this.now()) this.#cookies.delete(key);
    }
  }

  #evict(
    most: number,
    secureLast: boolean,
    which: (cookie: Cookie) => boolean,
  ): void {
    const all = [...this.#cookies].filter(([, cookie]) => which(cookie));
    const rank = ({ secure }: Cookie) => Number(secureLast && secure);
    all.sort(([, a], [, b]) => rank(a) - rank(b) || a.used - b.used);
    for (const [key] of all.slice(0, Math.max(0, all.length - most))) {
      this.#cookies.delete(key);
    }
  }
}

/** Whether `host` is `domain` or a name below it; an address is only itself. */
export function domainMatches(host: string, domain: string): boolean {
  const address = /^[\d.]+$|^\[/.test(host);
  return host === domain || !address && host.endsWith(`.${domain}`);
}

/** Whether `path` is `prefix` or lies below it. */
export function pathMatches(path: string, prefix: string): boolean {
  return path === prefix ||
    path.startsWith(prefix) &&
      (prefix.endsWith("/") || path[prefix.length] === "/");
}

/** The folder of a path: the path of a cookie that names none. */
export function defaultPath(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

/**
 * Reads a date of Expires as RFC 6265, 5.1.1 says: in any order, with any marks between.
 * @returns ms since 1970; NaN for no date
 */
export function parseDate(text: string): number {
  let time: number[] | undefined;
  let [day, month, year] = [NaN, NaN, NaN];
  // Digits, letters, a colon and bytes above ASCII make up a token.
  for (const token of text.split(/[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+/)) {
    const clock = /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)/.exec(token);
    const at = MONTHS.indexOf(token.slice(0, 3).toLowerCase());
    if (!time && clock) time = clock.slice(1).map(Number);
    else if (isNaN(day) && /^\d{1,2}(?:\D|$)/.test(token)) {
      day = parseInt(token);
    } else if (isNaN(month) && token.length >= 3 && at % 3 === 0) {
      month = at / 3;
    } else if (isNaN(year) && /^\d{2,4}(?:\D|$)/.test(token)) {
      year = parseInt(token);
    }
  }
  if (year >= 70 && year <= 99) year += 1900;
  if (year >= 0 && year <= 69) year += 2000;
  if (!time || !(year >= 1601)) return NaN;
  const [h, m, s] = time;
  const ms = Date.UTC(year, month, day, h, m, s);
  // Date.UTC counts on into the next month; 31 February is no day.
  const same = new Date(ms).getUTCDate() === day && day > 0;
  return same && h < 24 && m < 60 && s < 60 ? ms : NaN;
}

/** The host without its port. */
function hostOf(url: URL): string {
  return url.hostname.toLowerCase();
}

function isSecure(url: URL): boolean {
  return url.protocol === "https:";
}

/** The name and the value; without "=" it is a value that has no name. */
function splitPair(pair: string): [name: string, value: string] {
  const equals = pair.indexOf("=");
  return [
    trim(pair.slice(0, Math.max(0, equals))),
    trim(pair.slice(equals + 1)),
  ];
}

if (import.meta.main) {
  let seconds = 0;
  const jar = new CookieJar(() => 1000 * seconds);
  const shop = new URL("https://www.shop.example/cart/add");
  for (
    const field of [
      "id=7; HttpOnly",
      "lang=de; Domain=shop.example; Path=/",
      "__Host-login=x; Secure; Path=/",
      "sale=now; Max-Age=60; Path=/",
      "bad=1; Domain=example",
      "bad=1; Domain=other.example",
      "__Host-bad=1; Path=/",
    ]
  ) {
    console.log(`Set-Cookie: ${field}: ${jar.set(shop, field) ?? "kept"}`);
  }
  for (
    const [at, url] of [
      [1, "https://www.shop.example/cart/"],
      [1, "https://www.shop.example/cartoon"],
      [1, "http://www.shop.example/"],
      [1, "https://pay.shop.example/"],
      [1, "https://evil-shop.example/"],
      [61, "https://www.shop.example/"],
    ] as const
  ) {
    seconds = at;
    console.log(`after ${at} s, ${url}: ${jar.header(new URL(url)) || "none"}`);
  }
}
