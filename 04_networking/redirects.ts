#!/usr/bin/env -S deno run --allow-net
/**
 * Q. The server answers 302 with a Location. What does the browser do?
 *
 * A. A new request, and it looks at five things. The Location may be relative: it counts
 * from the URL that was asked. The method: after 303 always a GET, after 301 and 302 a
 * GET instead of a POST, after 307 and 308 the same again, with its body. Secrets: what
 * was given for one origin, such as Authorization, goes to no other, and cookies are
 * chosen anew for each URL. The scheme: from https: not back to http:. And an end: a
 * number of redirects, and no circle.
 *
 * Trap: sending Authorization along to where a redirect leads.
 * Left out: caching of 301 and 308, Refresh, HSTS, a connection that serves two steps.
 * Source: RFC 9110, sections 10.2.2 and 15.4; Fetch standard, "HTTP-redirect fetch".
 * Run: `deno run --allow-net redirects.ts http://google.com`, or without an argument and
 * a permission a demo in memory: `deno run redirects.ts`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { CookieJar } from "./cookies.ts";
import {
  type ByteStream,
  type Deadlines,
  HttpConnection,
  openNetwork,
} from "./http.ts";
import type { HttpResponse } from "./http_body.ts";
import {
  encodeRequest,
  type Field,
  HttpError,
  latin1,
  parseUrl,
  quote,
  requestFor,
} from "./http_message.ts";

/** The most redirects that are followed. */
export const MAX_REDIRECTS = 20;

/** What is asked first, and what redirects may do. */
export interface FollowOptions extends Deadlines {
  method?: string;
  fields?: Field[];
  body?: string | Uint8Array;
  /** Gives and takes cookies at every step. */
  jar?: CookieJar;
  /** Whether https: may lead to http:, which is otherwise an error. */
  downgrade?: boolean;
  mostRedirects?: number;
}

/** A redirect that was followed. */
export interface Hop {
  status: number;
  from: URL;
  to: URL;
  /** The method of the request that follows. */
  method: string;
  /** Names of the fields that were left behind. */
  dropped: string[];
}

/** Fields that are meant for one origin, and those that describe a body. */
const SECRETS = ["authorization", "cookie", "proxy-authorization"];
const OF_BODY = /^content-/;

/**
 * Asks for a URL, and again wherever redirects lead, over a connection each.
 * @param open makes a connection to the URL's host and port, with TLS for https:
 * @returns the last answer, whose connection closes with its body, and the way there
 * @throws {HttpError} "redirect" if they are too many, go in a circle or from https: to
 * http:
 */
export async function follow(
  url: URL | string,
  open: (url: URL, signal?: AbortSignal) => Promise<ByteStream>,
  options: FollowOptions = {},
): Promise<{ response: HttpResponse; url: URL; hops: Hop[] }> {
  const { jar, mostRedirects = MAX_REDIRECTS } = options;
  let { method = "GET", body, fields = [] } = options;
  let at = parseUrl(url);
  const [hops, seen]: [Hop[], Set<string>] = [[], new Set()];
  for (;;) {
    const cookies = jar?.header(at) ?? "";
    // The same question with other cookies is no circle.
    const question = JSON.stringify([method, at.href, cookies]);
    if (seen.has(question)) {
      throw new HttpError(
        "redirect",
        `Redirects go in a circle: ${quote(at.href)}`,
      );
    }
    seen.add(question);
    // One Cookie field, whoever has something to say in it.
    const isCookie = ([name]: Field) => name.toLowerCase() === "cookie";
    const all = fields.filter((field) => !isCookie(field));
    all.push(["Connection", "close"]);
    const given = fields.filter(isCookie).map(([, value]) => value);
    if (cookies) given.push(cookies);
    if (given.length > 0) all.push(["Cookie", given.join("; ")]);
    const request = requestFor(at, { method, body, fields: all });
    // What cannot be sent must not open a connection.
    encodeRequest(request);
    const signals = [options.headSignal, options.signal].filter((s) =>
      s !== undefined
    );
    const stream = await open(
      at,
      signals.length > 0 ? AbortSignal.any(signals) : undefined,
    );
    const response = await new HttpConnection(stream).request(request, options);
    for (const [name, value] of response.fields) {
      if (name === "set-cookie") jar?.set(at, value);
    }
    const { status, location } = response;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      return { response, url: at, hops };
    }
    // Closes the connection, so that no error from here on leaves it open.
    await response.body.cancel();
    if (hops.length === mostRedirects) {
      throw new HttpError(
        "redirect",
        `More than ${mostRedirects} redirects, the last to ${quote(location)}`,
      );
    }
    const to = parseUrl(location, at);
    if (
      at.protocol === "https:" && to.protocol === "http:" && !options.downgrade
    ) {
      throw new HttpError(
        "redirect",
        `The redirect to ${quote(to.href)} would leave https:`,
      );
    }
    // A Location without a fragment keeps the one that was asked for.
    if (!location.includes("#")) to.hash = at.hash;
    const toGet = status === 303
      ? method !== "HEAD"
      : status <= 302 && method === "POST";
    if (toGet) [method, body] = ["GET", undefined];
    const away = to.origin !== at.origin;
    const drop = ([name]: Field) => {
      const lower = name.toLowerCase();
      return away && SECRETS.includes(lower) || toGet && OF_BODY.test(lower);
    };
    const dropped = fields.filter(drop).map(([name]) => name);
    fields = fields.filter((field) => !drop(field));
    hops.push({ status, from: at, to, method, dropped });
    at = to;
  }
}

const USAGE = "Usage: deno run --allow-net redirects.ts [URL]";
/** How long the command waits for the last head, in ms. */
const HEAD_MS = 20_000;

/** Answers in memory: for each URL a status and what it leads to. */
const DEMO: Record<
  string,
  [status: number, location: string, cookie?: string]
> = {
  "http://google.com/": [
    301,
    "https://www.google.com/",
    "lang=de; Domain=google.com",
  ],
  "https://www.google.com/": [302, "/sorry?continue=/", "id=7; Secure"],
  "https://www.google.com/sorry?continue=/": [303, "//consent.example/"],
  "https://consent.example/": [200, ""],
};

function openDemo({ href, hash }: URL): Promise<ByteStream> {
  const known = DEMO[href.slice(0, href.length - hash.length)];
  const [status, location, cookie] = known;
  const fields = ["Content-Length: 0"];
  if (location) fields.push(`Location: ${location}`);
  if (cookie) fields.push(`Set-Cookie: ${cookie}`);
  const head = `HTTP/1.1 ${status} X\r\n${fields.join("\r\n")}\r\n\r\n`;
  return Promise.resolve({
    readable: ReadableStream.from([latin1(head)]),
    writable: new WritableStream(),
  });
}

if (import.meta.main) {
  const refuse = (why: string): never => {
    console.error(`${why}\n${USAGE}`);
    Deno.exit(2);
  };
  const { _: args } = parseArgs(Deno.args, {
    string: ["_"],
    unknown: (flag: string) =>
      !flag.startsWith("-") || refuse(`Cannot read ${quote(flag)}`),
  });
  if (args.length > 1) refuse("Cannot fetch more than one URL");
  let first: URL | undefined;
  try {
    if (args.length > 0) first = parseUrl(`${args[0]}`);
  } catch (error) {
    refuse((error as HttpError).message);
  }
  const jar = new CookieJar();
  const headSignal = AbortSignal.timeout(HEAD_MS);
  try {
    const { response, url, hops } = first
      ? await follow(first, openNetwork, { jar, headSignal })
      : await follow("http://google.com/#top", openDemo, {
        method: "POST",
        body: "q=1",
        jar,
        fields: [["Authorization", "Basic eDp5"]],
      });
    for (const { status, from, to, method, dropped } of hops) {
      const left = dropped.length > 0 ? `, without ${dropped.join(", ")}` : "";
      console.log(`${status} ${from}: ${method} ${to}${left}`);
    }
    console.log(`${response.status} ${url}, ${jar.size} cookies kept`);
    await response.body.cancel();
  } catch (error) {
    console.error((error as HttpError).message);
    Deno.exit(1);
  }
}
