#!/usr/bin/env -S deno run
/**
 * Q. Answer HTTP/2 requests on a connection that has been accepted.
 *
 * A. Each stream is a request of its own, and its handler starts when the headers are
 * there. What it returns goes out as HEADERS, DATA and perhaps HEADERS again as trailers;
 * an answer that is complete before the request's body is resets the rest with NO_ERROR.
 * An error of a handler is RST_STREAM of its stream, and no other one's concern.
 *
 * Trap: to limit the open streams only: a client that opens and resets at once never has
 * one open, while the handlers pile up.
 * Left out: CONNECT, server push, compression, and a 431 for headers that are too long.
 * Source: RFC 9113, 5.1.2 and 8.1; the attack: CVE-2023-44487.
 * Run: `deno run http2_server.ts`
 * @module
 */
import type { Header } from "./hpack.ts";
import { Connection } from "./http2_connection.ts";
import { Http2Error } from "./http2_frames.ts";
import {
  type Body,
  contentLength,
  fail,
  readMessage,
  readTrailers,
  REQUEST,
  RESPONSE,
  sendBody,
} from "./http2_messages.ts";
import {
  type ByteStream,
  type ConnectionOptions,
  memoryPair,
  type Stream,
} from "./http2_stream.ts";

/** What a handler is asked. */
export interface ServerRequest {
  method: string;
  scheme: string;
  authority: string;
  path: string;
  headers: Header[];
  body: ReadableStream<Uint8Array>;
}

/** What a handler answers. */
export interface ServerResponse {
  /** 200 as standard. */
  status?: number;
  headers?: readonly Header[];
  body?: Body;
  trailers?: readonly Header[];
}

export type Handler = (
  request: ServerRequest,
) => ServerResponse | Promise<ServerResponse>;

/** Answers one connection's requests. @returns `error` is set if it did not end well */
export function serve(
  bytes: ByteStream,
  handler: Handler,
  options: ConnectionOptions = {},
): Connection {
  let running = 0;
  const { maxStreams = 100 } = options;
  return new Connection(bytes, options, (stream) => {
    let request: ServerRequest | undefined;
    stream.onHeaders = (headers, end) => {
      if (request) return void readTrailers(stream, headers, end);
      request = readRequest(stream, headers);
      // Streams that are reset at once are not open, but their handlers still run.
      if (running >= maxStreams) {
        const why = `Cannot serve: ${running} requests are being answered`;
        throw new Http2Error("REFUSED_STREAM", why, stream.id);
      }
      stream.begun = true;
      // Who wants no more of the body may answer all the same.
      stream.onCancel = () => {};
      running++;
      answer(stream, request, handler).finally(() => running--);
    };
  });
}

async function answer(
  stream: Stream,
  request: ServerRequest,
  handler: Handler,
): Promise<void> {
  try {
    const response = await handler(request);
    const { status = 200, headers = [], body, trailers = [] } = response;
    const all: Header[] = [[":status", `${status}`], ...headers];
    readMessage(all, RESPONSE, stream.id);
    readMessage(trailers, [], stream.id);
    const empty = !body || request.method === "HEAD";
    // A client that does not read its answers keeps its requests running.
    await stream.owner.ready;
    stream.sendHeaders(all, empty && trailers.length === 0);
    if (!empty) await sendBody(stream, body, trailers.length === 0);
    if (trailers.length > 0) stream.sendHeaders(trailers, true);
    // The rest of the request is of no use any more.
    if (!stream.received) stream.reset("NO_ERROR");
  } catch (error) {
    fail(stream, error);
  } finally {
    // What nobody reads would take up its part of the window for ever.
    stream.body.cancel().catch(() => {});
  }
}

function readRequest(stream: Stream, headers: Header[]): ServerRequest {
  const { pseudo, rest } = readMessage(headers, REQUEST, stream.id);
  stream.expected = contentLength(rest, stream.id);
  const host = rest.find(([name]) => name === "host")?.[1] ?? "";
  return {
    method: pseudo[":method"],
    scheme: pseudo[":scheme"],
    authority: pseudo[":authority"] ?? host,
    path: pseudo[":path"],
    headers: rest,
    body: stream.body,
  };
}

if (import.meta.main) {
  const [near, far] = memoryPair();
  serve(far, ({ method, path }) => {
    console.log(`asked: ${method} ${path}`);
    return { status: 404, body: new TextEncoder().encode("Not here") };
  });
  const client = new Connection(near);
  const stream = await client.open([
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/"],
  ], true);
  stream.onHeaders = (headers) => {
    stream.begun = true;
    console.log(headers.map((header) => header.join(" ")).join(", "));
  };
  console.log(await new Response(stream.body).text());
  await client.close();
}
