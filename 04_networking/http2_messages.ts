#!/usr/bin/env -S deno run
/**
 * Q. Which headers must an HTTP/2 endpoint refuse, and why is it that strict?
 *
 * A. Names in upper case, headers that are of HTTP/1.1's connection, such as
 * transfer-encoding, line breaks in values, headers with a colon that are unknown, late,
 * double or missing, a host that is not the authority, and two lengths that differ. HPACK
 * carries any byte, so nothing on the wire stops them. But most servers behind a proxy
 * still speak HTTP/1.1, and a line break or a second length that is passed on there becomes
 * a request of its own.
 *
 * Trap: to lower the case of a name instead of refusing it: then two filters disagree.
 * Left out: CONNECT, and the joining of several cookie headers.
 * Source: RFC 9113, 8.1.1, 8.2 and 8.3.
 * Run: `deno run http2_messages.ts`
 * @module
 */
import type { Header } from "./hpack.ts";
import { Http2Error } from "./http2_frames.ts";
import type { Stream } from "./http2_stream.ts";

/** The headers with a colon of each kind of message; trailers have none. */
export const REQUEST = [":method", ":scheme", ":path", ":authority"];
export const RESPONSE = [":status"];
const FORBIDDEN = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
];

/** The error of one stream's message. */
export function malformed(why: string, id: number): Http2Error {
  return new Http2Error("PROTOCOL_ERROR", `Malformed message: ${why}`, id);
}

/**
 * The headers with a colon, and the others.
 * @throws {Http2Error} PROTOCOL_ERROR of stream `id`, if RFC 9113 does not allow them
 */
export function readMessage(
  headers: readonly Header[],
  allowed: readonly string[],
  id: number,
): { pseudo: Record<string, string>; rest: Header[] } {
  const pseudo: Record<string, string> = {};
  const rest: Header[] = [];
  for (const header of headers) {
    const [name, value] = header;
    const bad = (why: string) =>
      malformed(`${JSON.stringify(name)} ${why}`, id);
    // deno-lint-ignore no-control-regex
    if (/[\0\r\n]|[^\x00-\xff]|^[ \t]|[ \t]$/.test(value)) {
      throw bad("has a value with a character that it must not have");
    }
    if (name.startsWith(":")) {
      if (!allowed.includes(name)) throw bad("does not belong here");
      if (rest.length > 0) throw bad("comes after other headers");
      if (Object.hasOwn(pseudo, name)) throw bad("comes twice");
      // It would end a part of HTTP/1.1's first line.
      if (/[ \t]/.test(value)) throw bad("has a space");
      pseudo[name] = value;
      continue;
    }
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) throw bad("is no name");
    if (FORBIDDEN.includes(name) || name === "te" && value !== "trailers") {
      throw bad("is of HTTP/1.1");
    }
    const { ":authority": authority = value } = pseudo;
    if (name === "host" && value.toLowerCase() !== authority.toLowerCase()) {
      throw bad("is not the :authority");
    }
    rest.push(header);
  }
  for (const name of allowed) {
    if (name !== ":authority" && !pseudo[name]) {
      throw malformed(`${name} is missing`, id);
    }
  }
  return { pseudo, rest };
}

/** What content-length says; undefined if it is not there. */
export function contentLength(
  headers: Header[],
  id: number,
): number | undefined {
  const values = headers.filter(([name]) => name === "content-length")
    .map(([, value]) => value);
  if (values.length === 0) return undefined;
  if (
    values.some((value) => !/^\d{1,15}$/.test(value) || value !== values[0])
  ) {
    throw malformed(`content-length is ${values.join(", ")}`, id);
  }
  return Number(values[0]);
}

/** Parts of a body: all at once, or as they come. */
export type Body = Uint8Array | AsyncIterable<Uint8Array>;

/** Sends a body as the windows allow it. @throws if the stream ends before */
export async function sendBody(
  stream: Stream,
  body: Body,
  end: boolean,
): Promise<void> {
  if (body instanceof Uint8Array) return await stream.sendData(body, end);
  for await (const part of body) await stream.sendData(part, false);
  if (end) await stream.sendData(new Uint8Array(), true);
}

/** What went wrong here is no concern of the peer's. */
export function fail(stream: Stream, error: unknown): void {
  if (!stream.error) stream.reset("INTERNAL_ERROR", error as Error);
}

/** What comes after the body. @throws if it is malformed, or not the end */
export function readTrailers(
  stream: Stream,
  headers: Header[],
  end: boolean,
): Header[] {
  if (!end) throw malformed("trailers that do not end it", stream.id);
  return readMessage(headers, [], stream.id).rest;
}

if (import.meta.main) {
  const messages: Header[][] = [
    [[":status", "200"], ["content-length", "5"]],
    [[":status", "200"], ["transfer-encoding", "chunked"]],
    [[":status", "200"], ["x", "1\r\nset-cookie: admin=1"]],
    [[":status", "200"], ["content-length", "5"], ["content-length", "6"]],
  ];
  for (const headers of messages) {
    const [[name, value]] = headers.slice(1);
    try {
      const { pseudo, rest } = readMessage(headers, RESPONSE, 1);
      contentLength(rest, 1);
      console.log(`${pseudo[":status"]}, ${name}: ${value}`);
    } catch (error) {
      console.log((error as Error).message);
    }
  }
}
