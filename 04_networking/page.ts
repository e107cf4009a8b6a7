#!/usr/bin/env -S deno run
/**
 * Q. The connection stands, and TLS has agreed on a protocol. Get the page.
 *
 * A. If it is h2, the client sends its preface and HEADERS, and reads DATA until a frame
 * says that it is the last one. If it is http/1.1, or there is no TLS, it sends lines of
 * text, and reads a head of lines and a body, whose end the head names. Either way there is
 * a status, headers and bytes, and the rest of the browser need not know which it was. The
 * connection stays open: the next page costs one round trip instead of four.
 *
 * Trap: to take `GET / HTTP/2` for what is sent: HTTP/2 has no such line.
 * Left out: HTTP/3, several pages at once; caches, cookies and redirects are in story.ts.
 * Source: RFC 9112, RFC 9113; the choice by ALPN: RFC 7301.
 * Run: `deno run page.ts`
 * @module
 */
import { formatFields } from "./byte_fields.ts";
import { type ByteStream, HttpConnection } from "./http.ts";
import { connect, type Http2Client, memoryPair, serve } from "./http2.ts";
import { FrameExplainer } from "./http2_explain.ts";
import { locationOf } from "./http_body.ts";
import { describeFrame } from "./http2_frames.ts";
import { collect } from "./http_content.ts";
import {
  encodeRequest,
  type Field,
  parseUrl,
  requestFor,
} from "./http_message.ts";

/** What came of a request. */
export interface Page {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: readonly Field[];
  readonly body: Uint8Array;
}

/** What goes along with a request. */
export interface PageRequest {
  readonly url: URL;
  /** Further fields, as Cookie. */
  readonly fields?: readonly Field[];
  readonly signal: AbortSignal;
  /** Gets what was done, in lines for people. */
  readonly say: (line: string) => void;
  /** Gets what went over the connection. */
  readonly bytes?: (line: string) => void;
}

/** A connection that pages come over, one after the other. */
export interface PageConnection {
  /** Whether another page may be asked for. */
  readonly open: boolean;
  /** @throws {HttpError} or {Http2Error} if the answer is not as it must be */
  get(request: PageRequest): Promise<Page>;
  /** Says that it is over, and resolves when that is said; the stream is the caller's. */
  close(): Promise<void>;
}

/** The longest page, in bytes. */
const MOST_BYTES = 16 * 2 ** 20;

/** Starts to speak a protocol. @param protocol "h2", or anything else for HTTP/1.1 */
export function openPages(
  stream: ByteStream,
  protocol: string,
): PageConnection {
  return protocol === "h2" ? overHttp2(stream) : overHttp1(stream);
}

function overHttp1(stream: ByteStream): PageConnection {
  const http = new HttpConnection(stream);
  return {
    get open() {
      return http.idle;
    },
    async get({ url, fields = [], signal, say, bytes }) {
      const request = requestFor(url, { fields: [...fields] });
      const text = new TextDecoder().decode(encodeRequest(request));
      for (const line of text.trim().split("\r\n")) bytes?.(`→ ${line}`);
      say(`GET ${request.target} HTTP/1.1, Host: ${request.host}`);
      const response = await http.request(request, { signal });
      const { minor, status, reason } = response;
      bytes?.(`← HTTP/1.${minor} ${status} ${reason}`);
      for (const [name, value] of response.fields) {
        bytes?.(`← ${name}: ${value}`);
      }
      say(`${status} ${reason}`);
      const body = await response.bytes(MOST_BYTES);
      say(`${body.length} bytes, after decoding`);
      return { status, fields: response.fields, body };
    },
    close() {
      http.close();
      return Promise.resolve();
    },
  };
}

function overHttp2(stream: ByteStream): PageConnection {
  let bytes: PageRequest["bytes"];
  let open = true;
  let client: Http2Client | undefined;
  const explainer = new FrameExplainer();
  const start = () => {
    const started = connect(stream, {
      observe(sent, frame) {
        // Headers must be read all of them, also those that nobody wants to see.
        if (!bytes && frame.type === "DATA") return;
        const fields = explainer.explain(sent, frame);
        bytes?.(`${sent ? "→" : "←"} ${describeFrame(frame)}`);
        formatFields(fields).forEach((line) => bytes?.(`  ${line}`));
      },
    });
    started.closed.then(() => open = false);
    return started;
  };
  return {
    get open() {
      return open;
    },
    async get({ url, fields = [], signal, say, ...rest }) {
      bytes = rest.bytes;
      const path = url.pathname + url.search;
      say(`HEADERS: :method GET, :authority ${url.host}, :path ${path}`);
      client ??= start();
      const response = await client.fetch({
        ...{ url, signal },
        headers: [
          ...[["user-agent", "workshop/1.1"], ["accept", "*/*"]] as const,
          // HTTP/2 has no capitals in names.
          ...fields.map(([name, value]) =>
            [name.toLowerCase(), value] as const
          ),
        ],
      });
      const { status, headers } = response;
      const answered = headers.map(([name, value]): Field => [name, value]);
      say(`:status ${status}`);
      const body = await collect(response.body, MOST_BYTES);
      say(`${body.length} bytes in DATA frames`);
      return { status, fields: answered, body };
    },
    async close() {
      open = false;
      await client?.close();
    },
  };
}

/**
 * Where an answer sends the browser on to.
 * @throws {HttpError} "url" if nobody can go there, as to ftp:
 */
export function redirectOf(
  url: URL,
  { status, fields }: Omit<Page, "body">,
): URL | undefined {
  const location = locationOf(fields);
  // 300 leaves the choice to the user, and 304 is no redirect.
  const leads = [301, 302, 303, 307, 308].includes(status);
  if (location === undefined || !leads) return undefined;
  const next = parseUrl(location, url);
  // A Location without a fragment keeps the one that was asked for (RFC 9110, 10.2.2).
  if (!location.includes("#")) next.hash = url.hash;
  return next;
}

/** The beginning of a page, as text in UTF-8, without what a terminal would obey. */
export const readText = (body: Uint8Array) =>
  [...new TextDecoder().decode(body.subarray(0, 4096))].slice(0, 200).join("")
    .replaceAll("\r\n", "\n").replace(/[^\P{Cc}\t\n]/gu, "\ufffd");

if (import.meta.main) {
  const url = new URL("https://www.google.com/");
  const signal = AbortSignal.timeout(5000);
  const say = (line: string) => console.log(`  ${line}`);
  const request = { url, signal, say, bytes: say };
  const [near, far] = memoryPair();
  const body = new TextEncoder().encode("the page");
  const server = serve(far, () => ({ headers: [["server", "memory"]], body }));
  console.log("h2, twice");
  const pages = openPages(near, "h2");
  await pages.get(request);
  await pages.get(request);
  await pages.close();
  await server.close();

  console.log("http/1.1");
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe page";
  const text: ByteStream = {
    readable: ReadableStream.from([new TextEncoder().encode(answer)]),
    writable: new WritableStream(),
  };
  await openPages(text, "http/1.1").get(request);
}
