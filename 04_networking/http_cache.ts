#!/usr/bin/env -S deno run
/**
 * Q. The browser has this page already. May it show it without asking?
 *
 * A. While it is fresh: while its age, from when the origin made it, is below max-age, or
 * without that below Expires less Date; and unless it says no-cache. Else the browser asks
 * with what it has: the ETag goes into If-None-Match, Last-Modified into
 * If-Modified-Since, and 304 means: the same, and here are new fields. no-store is what
 * forbids to keep it. Vary names the fields of the request that must be equal. With
 * stale-while-revalidate the old page is shown while a new one is asked for. A POST to
 * the URL throws the page away, and when there is no room, the one used longest ago goes.
 *
 * Trap: taking no-cache for "do not store": it means "do not show without asking".
 * Left out: shared caches, partitions by site, ranges, HEAD, max-stale, only-if-cached,
 * stale-if-error, must-understand (no-store beside it wins), Pragma; no-cache="field" and
 * private="field" are taken as if they named no field.
 * Source: RFC 9111, sections 3, 4.1, 4.3 and 4.4; stale-while-revalidate: RFC 5861,
 * section 3; immutable: RFC 8246; the times themselves: `http_freshness.ts`.
 * Run: `deno run http_cache.ts`
 * @module
 */
import {
  type CacheResponse,
  currentAge,
  dateOf,
  freshnessLifetime,
  HEURISTIC,
  parseCacheControl,
  seconds,
  type Timed,
  valueOf,
} from "./http_freshness.ts";
import { type Field, trim } from "./http_message.ts";

/** What is asked, with all fields that are sent. */
export interface CacheRequest {
  /** GET unless given. */
  method?: string;
  url: URL;
  fields?: readonly Field[];
}

/** What to do with a request. */
export interface Advice {
  /**
   * "fresh": show it; "stale": show it, and ask in the background; "revalidate": ask with
   * `conditional`, and show it after 304; "miss": ask as if there were no cache.
   */
  use: "fresh" | "stale" | "revalidate" | "miss";
  response?: CacheResponse;
  /** Fields to add to the request. */
  conditional?: Field[];
  /** For people. */
  why: string;
}

interface Entry extends Timed {
  response: CacheResponse;
  /** The fields that Vary named, as they were in the request. */
  varied: (readonly [name: string, value: string | undefined])[];
  bytes: number;
}

/** Responses of one URL that differ by Vary. */
const MOST_VARIANTS = 20;
/** Methods that only ask. */
const SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"];
/** Fields of a connection, not of a response (RFC 9111, 3.1). */
const NOT_KEPT =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*)$/;
/** Fields of the body, which a 304 does not bring (RFC 9111, 3.2). */
const OF_THE_BODY = /^content-(?:length|encoding|range)$/;

/** A browser's cache: of one user, for GET, in memory. */
export class HttpCache {
  // By URL, the one used longest ago first; so are the variants of each.
  #pages = new Map<string, Entry[]>();
  #bytes = 0;

  /** @param capacity the most bytes: bodies, fields and URLs */
  constructor(readonly capacity = 64 * 2 ** 20) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** @param now in ms since 1970 */
  lookUp(request: CacheRequest, now: number): Advice {
    const { method = "GET", url, fields = [] } = request;
    const miss = (why: string): Advice => ({ use: "miss", why });
    if (method !== "GET") return miss(`only GET is kept, not ${method}`);
    if (fields.some(([name]) => /^(?:range$|if-)/i.test(name))) {
      return miss("the request is for a part, or has a condition of its own");
    }
    const entries = this.#pages.get(keyOf(url));
    if (!entries) return miss("not kept");
    const entry = select(entries, fields);
    if (!entry) {
      const names = entries.flatMap(({ varied }) => varied.map(([n]) => n));
      return miss(`kept for another ${[...new Set(names)].join(", ")}`);
    }
    this.#touch(url, entry);

    const age = currentAge(entry, now);
    const left = freshnessLifetime(entry) - age;
    const response = withAge(entry.response, age);
    const conditional = conditions(response.fields);
    const said = parseCacheControl(response.fields);
    const wanted = parseCacheControl(fields);
    const oldest = seconds(wanted, "max-age") ?? Infinity;
    let reason: string | undefined;
    if (said.has("no-cache")) reason = "the response says no-cache";
    else if (wanted.has("no-cache")) reason = "the request says no-cache";
    // The reload of a page asks with max-age=0 for all that is on it.
    else if (age > oldest && !(said.has("immutable") && left > 0)) {
      reason = `the request wants it at most ${oldest} s old`;
    } else if (left > 0 && left < (seconds(wanted, "min-fresh") ?? 0)) {
      reason = `fresh for only ${Math.ceil(left)} s`;
    } else if (left > 0) {
      const why = `fresh for another ${Math.ceil(left)} s`;
      return { use: "fresh", response, why };
    } else {
      reason = `stale since ${Math.floor(-left)} s`;
      const shown = seconds(said, "stale-while-revalidate") ?? 0;
      if (-left < shown && !said.has("must-revalidate")) {
        const why = `${reason}: shown, while it is asked for`;
        return { use: "stale", response, conditional, why };
      }
    }
    if (conditional.length === 0) {
      return miss(`${reason}, and there is nothing to compare by`);
    }
    const names = conditional.map(([name]) => name).join(" and ");
    const why = `${reason}: ask with ${names}`;
    return { use: "revalidate", response, conditional, why };
  }

  /**
   * Takes an exchange that is over, of any method and status but 304.
   * @returns undefined if it is kept, or in one line why not
   */
  store(
    request: CacheRequest,
    response: CacheResponse,
    requestTime: number,
    responseTime: number,
  ): string | undefined {
    const { method = "GET", url, fields = [] } = request;
    const { status } = response;
    // A failed POST has changed nothing.
    if (!SAFE.includes(method) && status >= 200 && status < 400) {
      this.#invalidate(url, response.fields);
    }
    const why = whyNotStored(request, response);
    const key = keyOf(url);
    const answered = method === "GET" && status >= 200 && status < 500 &&
      status !== 206 && status !== 304;
    // What was kept is not what the origin says now.
    for (const old of answered ? this.#pages.get(key) ?? [] : []) {
      if (matches(old, fields)) this.#drop(key, old);
    }
    if (why) return why;
    const kept = { ...response, fields: keptFields(response, responseTime) };
    const varied = varyNames(kept.fields)
      .map((name) => [name, valueOf(fields, name)] as const);
    const bytes = key.length + kept.body.length +
      [...kept.fields, ...varied].flat().join("").length;
    if (bytes > this.capacity) return `${bytes} bytes are more than all room`;
    const variants = this.#pages.get(key) ?? [];
    if (variants.length >= MOST_VARIANTS) this.#drop(key, variants[0]);
    const entry = { response: kept, requestTime, responseTime, varied, bytes };
    this.#pages.set(key, [...this.#pages.get(key) ?? [], entry]);
    this.#bytes += bytes;
    this.#touch(url, entry);
    while (this.#bytes > this.capacity) {
      const [oldest, [first]] = this.#pages.entries().next().value!;
      this.#drop(oldest, first);
    }
  }

  /**
   * Takes the 304 that answers a request with `conditional`.
   * @param request as it was looked up
   * @returns what to show; undefined if the 304 is about another version, and the
   * page must be asked for without a condition
   */
  update(
    request: CacheRequest,
    notModified: Omit<CacheResponse, "body">,
    requestTime: number,
    responseTime: number,
  ): CacheResponse | undefined {
    const { url, fields = [] } = request;
    const old = select(this.#pages.get(keyOf(url)) ?? [], fields)?.response;
    if (!old || !isSameVersion(old.fields, notModified.fields)) {
      return undefined;
    }
    const news = notModified.fields
      .filter(([name]) => !OF_THE_BODY.test(name.toLowerCase()));
    // Age and Date are of the message, not of the page: those of the old one are over.
    const names = new Set(["age", "date"]);
    for (const [name] of news) names.add(name.toLowerCase());
    const rest = old.fields.filter(([name]) => !names.has(name));
    const merged = { ...old, fields: [...rest, ...news] };
    const response = { ...old, fields: keptFields(merged, responseTime) };
    this.store(request, response, requestTime, responseTime);
    return response;
  }

  #invalidate(url: URL, fields: readonly Field[]): void {
    const named = ["location", "content-location"]
      .map((name) => valueOf(fields, name))
      .map((text) => text === undefined ? null : URL.parse(text, url));
    for (const other of [url, ...named]) {
      // Nobody throws away what is another's.
      if (other?.origin !== url.origin) continue;
      for (const entry of this.#pages.get(keyOf(other)) ?? []) {
        this.#drop(keyOf(other), entry);
      }
    }
  }

  #drop(key: string, entry: Entry): void {
    const rest = this.#pages.get(key)!.filter((other) => other !== entry);
    this.#bytes -= entry.bytes;
    if (rest.length > 0) this.#pages.set(key, rest);
    else this.#pages.delete(key);
  }

  #touch(url: URL, entry: Entry): void {
    const key = keyOf(url);
    const others = this.#pages.get(key)!.filter((other) => other !== entry);
    this.#pages.delete(key);
    this.#pages.set(key, [...others, entry]);
  }
}

/** Why a response may not be kept, in one line; undefined if it may. */
export function whyNotStored(
  { method = "GET", fields = [] }: CacheRequest,
  { status, fields: answer }: CacheResponse,
): string | undefined {
  const said = parseCacheControl(answer);
  if (method !== "GET") return `only GET is kept, not ${method}`;
  if (status < 200 || status === 206 || status === 304) {
    return `${status} is not a whole response`;
  }
  if (said.has("no-store")) return "the response says no-store";
  if (parseCacheControl(fields).has("no-store")) {
    return "the request says no-store";
  }
  if (varyNames(answer).includes("*")) return "Vary: * fits no other request";
  const allowed = ["public", "private", "max-age"].some((n) => said.has(n)) ||
    valueOf(answer, "expires") !== undefined || HEURISTIC.includes(status);
  return allowed ? undefined : `${status}, and no field says that it may`;
}

function keyOf(url: URL): string {
  return url.href.slice(0, url.href.length - url.hash.length);
}

function varyNames(fields: readonly Field[]): string[] {
  const names = (valueOf(fields, "vary") ?? "").toLowerCase().split(",");
  return [...new Set(names.map(trim))].filter((name) => name !== "");
}

function matches({ varied }: Entry, fields: readonly Field[]): boolean {
  return varied.every(([name, value]) => valueOf(fields, name) === value);
}

/** Of the variants that fit, the one that the origin made last. */
function select(
  entries: readonly Entry[],
  fields: readonly Field[],
): Entry | undefined {
  const date = ({ response, responseTime }: Entry) =>
    dateOf(response.fields, responseTime);
  return entries.filter((entry) => matches(entry, fields))
    .reduce<Entry | undefined>(
      (last, next) => last && date(last) > date(next) ? last : next,
      undefined,
    );
}

/** The fields that ask whether a response has changed. */
function conditions(fields: readonly Field[]): Field[] {
  const etag = valueOf(fields, "etag");
  const modified = valueOf(fields, "last-modified");
  const conditional: Field[] = [];
  if (etag) conditional.push(["If-None-Match", etag]);
  if (modified) conditional.push(["If-Modified-Since", modified]);
  return conditional;
}

/** Whether a 304 is about what is kept (RFC 9111, 4.3.4). */
function isSameVersion(
  old: readonly Field[],
  news: readonly Field[],
): boolean {
  const [etag, kept] = [valueOf(news, "etag"), valueOf(old, "etag")];
  const opaque = (tag?: string) => tag?.replace(/^W\//, "");
  if (etag?.startsWith("W/")) return opaque(etag) === opaque(kept);
  if (etag !== undefined) return etag === kept;
  const modified = valueOf(news, "last-modified");
  // One that names no version answers what was asked, and we asked for one only.
  return modified === undefined || modified === valueOf(old, "last-modified");
}

/** The fields of a response, less those of its connection, and with a Date. */
function keptFields(
  { fields }: CacheResponse,
  responseTime: number,
): Field[] {
  const named = (valueOf(fields, "connection") ?? "").toLowerCase().split(",")
    .map(trim);
  const kept = fields.map(([name, value]): Field => [name.toLowerCase(), value])
    .filter(([name]) => !NOT_KEPT.test(name) && !named.includes(name));
  if (kept.some(([name]) => name === "date")) return kept;
  return [...kept, ["date", new Date(responseTime).toUTCString()]];
}

/** A response as it leaves the cache: it says how old it is. */
function withAge(response: CacheResponse, age: number): CacheResponse {
  const fields = response.fields.filter(([name]) => name !== "age");
  fields.push(["age", `${Math.floor(age)}`]);
  return { ...response, fields };
}

if (import.meta.main) {
  const cache = new HttpCache();
  const url = new URL("https://shop.example/style.css");
  const german: CacheRequest = { url, fields: [["Accept-Language", "de"]] };
  const start = Date.UTC(2026, 0, 1);
  const show = (after: number, request: CacheRequest, what: string) => {
    const { use, why } = cache.lookUp(request, start + 1000 * after);
    console.log(`after ${after} s, ${what}: ${use}: ${why}`);
  };
  const fields: Field[] = [
    ["Cache-Control", "max-age=300, stale-while-revalidate=60"],
    ["ETag", '"v1"'],
    ["Vary", "Accept-Language"],
  ];
  const body = new TextEncoder().encode("a { color: red }");
  show(0, german, "GET");
  cache.store(german, { status: 200, fields, body }, start, start);
  show(60, german, "GET");
  show(60, { url, fields: [["Accept-Language", "en"]] }, "GET in English");
  const reload: Field[] = [...german.fields!, ["Cache-Control", "max-age=0"]];
  show(60, { url, fields: reload }, "reload");
  show(312, german, "GET");
  show(372, german, "GET");
  const at = start + 372_000;
  cache.update(german, { status: 304, fields: [["ETag", '"v1"']] }, at, at);
  show(373, german, "GET after a 304");
  const none = new Uint8Array();
  const post: CacheRequest = { method: "POST", url };
  cache.store(post, { status: 204, fields: [], body: none }, at, at);
  show(374, german, "GET after a POST");
  const refused: CacheResponse = {
    status: 200,
    fields: [["Cache-Control", "no-store"]],
    body,
  };
  const why = cache.store({ url }, refused, at, at);
  console.log(`a page with no-store is not kept: ${why}`);
}
