#!/usr/bin/env -S deno run
/**
 * Q. The connection stands, and TLS has agreed on a protocol. Get the page.
 *
 * A. If it is h2, the client sends its preface and HEADERS, and reads DATA until a frame
 * says that it is the last one. If it is http/1.1, or there is no TLS, it sends lines of
 * text, and reads a head of lines and a body, whose end the head names. Either way there is
 * a status, headers and bytes, and the rest of the browser need not know which it was.
 *
 * Trap: to take `GET / HTTP/2` for what is sent: HTTP/2 has no such line.
 * Left out: HTTP/3, caches, cookies; redirects are followed in story.ts.
 * Source: RFC 9112, RFC 9113; the choice by ALPN: RFC 7301.
 * Run: `deno run page.ts`
 * @module
 */
import { type ByteStream, HttpConnection } from "./http.ts";
import { collect } from "./http_content.ts";
import { connect, memoryPair, serve } from "./http2.ts";
import { describeFrame } from "./http2_frames.ts";
import { encodeRequest, requestFor } from "./http_message.ts";

/** What came of a request. */
export interface Page {
  readonly status: number;
  readonly location?: string;
  readonly body: Uint8Array;
}

/** Takes a line for people. */
type Say = (line: string) => void;

/** Asks for a URL over a connection that speaks one protocol. */
type Fetch = (
  stream: ByteStream,
  url: URL,
  signal: AbortSignal,
  say: Say,
  bytes: Say,
) => Promise<Page>;

/** The longest page, in bytes. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Asks for a URL, and reads all of the answer.
 * @param protocol "h2", or anything else for HTTP/1.1
 * @param say gets what was done, `bytes` what went over the connection
 * @throws {HttpError} or {Http2Error} if the answer is not as it must be
 */
export function getPage(
  stream: ByteStream,
  url: URL,
  protocol: string,
  signal: AbortSignal,
  say: Say,
  bytes: Say,
): Promise<Page> {
  const over = protocol === "h2" ? overHttp2 : overHttp1;
  return over(stream, url, signal, say, bytes);
}

const overHttp1: Fetch = async (stream, url, signal, say, bytes) => {
  const request = requestFor(url, { fields: [["Connection", "close"]] });
  for (
    const line of new TextDecoder().decode(encodeRequest(request)).trim().split(
      "\r\n",
    )
  ) {
    bytes(`→ ${line}`);
  }
  say(`GET ${request.target} HTTP/1.1, Host: ${request.host}`);
  const http = new HttpConnection(stream);
  const response = await http.request(request, { signal });
  for (const [name, value] of response.fields) bytes(`← ${name}: ${value}`);
  const { status, reason } = response;
  say(`${status} ${reason}`);
  const body = await response.bytes(MOST_BYTES);
  say(`${body.length} bytes, after decoding`);
  return { status, location: response.location, body };
};

const overHttp2: Fetch = async (stream, url, signal, say, bytes) => {
  const client = connect(stream, {
    signal,
    observe: (sent, frame) =>
      bytes(`${sent ? "→" : "←"} ${describeFrame(frame)}`),
  });
  const path = url.pathname + url.search;
  say(
    `HEADERS on stream 1: :method GET, :authority ${url.host}, :path ${path}`,
  );
  const response = await client.fetch({
    url,
    signal,
    headers: [["user-agent", "workshop/1.1"], ["accept", "*/*"]],
  });
  const field = (name: string) =>
    response.headers.find(([n]) => n === name)?.[1];
  say(`:status ${response.status}`);
  const body = await collect(response.body, MOST_BYTES);
  say(`${body.length} bytes in DATA frames`);
  await client.close();
  return { status: response.status, location: field("location"), body };
};

/** The beginning of a page, as text in UTF-8. */
export const readText = (body: Uint8Array) =>
  [...new TextDecoder().decode(body.subarray(0, 4096))].slice(0, 200).join("");

if (import.meta.main) {
  const url = new URL("https://www.google.com/");
  const signal = AbortSignal.timeout(5000);
  const say = (line: string) => console.log(`  ${line}`);
  const [near, far] = memoryPair();
  const body = new TextEncoder().encode("the page");
  const server = serve(far, () => ({ headers: [["server", "memory"]], body }));
  console.log("h2");
  await getPage(near, url, "h2", signal, say, say);
  await server.close();

  console.log("http/1.1");
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe page";
  const text: ByteStream = {
    readable: ReadableStream.from([new TextEncoder().encode(answer)]),
    writable: new WritableStream(),
  };
  await getPage(text, url, "http/1.1", signal, say, say);
}
