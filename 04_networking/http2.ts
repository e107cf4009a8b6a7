#!/usr/bin/env -S deno run
/**
 * Q. The browser says GET / over HTTP/2. What is really sent?
 *
 * A. No text line. After TLS has agreed on "h2", the client sends a fixed preface and its
 * SETTINGS, and does not wait for the answer. The request is HEADERS: method, scheme, host
 * and path are headers too, with a colon in front. The response is HEADERS with :status
 * and then DATA; END_STREAM is what ends it. There is no Connection, no chunked coding and
 * no Host. The next request goes over the same connection at once, as stream 3, 5, 7, and
 * the answers come in any order.
 *
 * Trap: 100 requests over one connection still are one TCP: a lost packet stops them all.
 * Left out: CONNECT, server push, splitting and joining of cookies, TLS (the caller brings
 * a stream that is h2 already), content codings, redirects.
 * Source: RFC 9113, 3.3, 8.1 to 8.3 and 8.7.
 * Run: `deno run http2.ts`
 * @module
 */
import type { Header } from "./hpack.ts";
import { Connection } from "./http2_connection.ts";
import { describeFrame, type Frame, Http2Error } from "./http2_frames.ts";
import {
  type Body,
  contentLength,
  fail,
  malformed,
  readMessage,
  readTrailers,
  REQUEST,
  RESPONSE,
  sendBody,
} from "./http2_messages.ts";
import { serve } from "./http2_server.ts";
import {
  type ByteStream,
  type ConnectionOptions,
  memoryPair,
  type Stream,
} from "./http2_stream.ts";

export {
  type Body,
  type ByteStream,
  type ConnectionOptions,
  Http2Error,
  memoryPair,
  serve,
};

const MAX_INTERIM = 100;

export interface Http2Request {
  url: string | URL;
  /** GET as standard. */
  method?: string;
  /** Names in lower case. */
  headers?: readonly Header[];
  body?: Body;
  /** Cancels the request, and the body of its response. */
  signal?: AbortSignal;
}

export interface Http2Response {
  status: number;
  headers: Header[];
  /** The 1xx responses that came before. */
  interim: { status: number; headers: Header[] }[];
  /** Must be read or cancelled: until then it takes up a part of the window. */
  body: ReadableStream<Uint8Array>;
  /** What comes after the body; empty if nothing does. Rejects if the body fails. */
  trailers: Promise<Header[]>;
}

export interface Http2Client {
  /** @throws {Http2Error}, or the signal's reason */
  fetch(request: Http2Request): Promise<Http2Response>;
  /** Lets the open requests finish. */
  close(): Promise<void>;
  /** When the connection has ended; never rejects. */
  closed: Promise<void>;
}

/** Starts HTTP/2 as a client on a stream of bytes. */
export function connect(
  bytes: ByteStream,
  options: ConnectionOptions = {},
): Http2Client {
  const connection = new Connection(bytes, options);
  return {
    fetch: (request) => fetchOver(connection, request),
    close: () => connection.close(),
    closed: connection.closed,
  };
}

async function fetchOver(
  connection: Connection,
  request: Http2Request,
): Promise<Http2Response> {
  const { method = "GET", headers = [], body, signal } = request;
  const { protocol, host, pathname, search } = new URL(request.url);
  const all: Header[] = [
    [":method", method],
    [":scheme", protocol.slice(0, -1)],
    [":authority", host],
    [":path", pathname + search],
    ...headers,
  ];
  readMessage(all, REQUEST, 0);
  let response!: Promise<Http2Response>;
  const stream = await connection.open(all, !body, signal, (stream) => {
    response = receive(stream, method, signal);
  });
  // The response may come, or fail, before the body has been sent.
  if (body) sendBody(stream, body, true).catch((error) => fail(stream, error));
  return await response;
}

/** The response, when its headers are there. */
function receive(
  stream: Stream,
  method: string,
  signal?: AbortSignal,
): Promise<Http2Response> {
  const abort = () => stream.reset("CANCEL", signal!.reason);
  signal?.addEventListener("abort", abort);
  const response = Promise.withResolvers<Http2Response>();
  const trailers = Promise.withResolvers<Header[]>();
  // It is no error if nobody asks for the trailers.
  trailers.promise.catch(() => {});
  const done = () => signal?.removeEventListener("abort", abort);
  const interim: Http2Response["interim"] = [];
  stream.onError = (error) => {
    response.reject(error);
    trailers.reject(error);
    done();
  };
  stream.onEnd = () => {
    trailers.resolve([]);
    done();
  };
  stream.onHeaders = (headers, end) => {
    if (stream.begun) {
      return trailers.resolve(readTrailers(stream, headers, end));
    }
    const { pseudo, rest } = readMessage(headers, RESPONSE, stream.id);
    const text = pseudo[":status"];
    const status = Number(text);
    if (!/^[1-5]\d\d$/.test(text) || status === 101 || status < 200 && end) {
      throw malformed(`:status is ${text}`, stream.id);
    }
    if (status < 200) {
      if (interim.push({ status, headers: rest }) > MAX_INTERIM) {
        throw malformed(`more than ${MAX_INTERIM} of 1xx`, stream.id);
      }
      return;
    }
    stream.begun = true;
    const empty = method === "HEAD" || status === 204 || status === 304;
    stream.expected = empty ? 0 : contentLength(rest, stream.id);
    response.resolve({
      status,
      headers: rest,
      interim,
      body: stream.body,
      trailers: trailers.promise,
    });
  };
  return response.promise;
}

/** What a frame of the demo is for. */
function meaning(frame: Frame): string {
  switch (frame.type) {
    case "SETTINGS":
      return frame.ack ? "your settings hold" : "what I can take";
    case "HEADERS":
      return frame.endStream ? "that is all I ask" : "the body follows";
    case "WINDOW_UPDATE":
      return "you may send so much more";
    case "DATA":
      return frame.endStream ? "the end of the body" : "a part of the body";
    case "GOAWAY":
      return "I open no more streams";
    default:
      return "";
  }
}

if (import.meta.main) {
  const [near, far] = memoryPair();
  const server = serve(far, ({ path }) => ({
    headers: [["content-type", "text/plain"]],
    body: new TextEncoder().encode(`You asked for ${path}. `.repeat(3000)),
  }));
  console.log("→ PRI * HTTP/2.0 … SM".padEnd(64), "I speak HTTP/2");
  const client = connect(near, {
    observe: (sent, frame) => {
      const line = `${sent ? "→" : "←"} ${describeFrame(frame)}`;
      console.log(`${line.padEnd(64)} ${meaning(frame)}`);
    },
  });
  const response = await client.fetch({ url: "https://www.google.com/" });
  const text = await new Response(response.body).text();
  console.log(`${response.status}, ${text.length} characters`);
  await client.close();
  await server.closed;
}
