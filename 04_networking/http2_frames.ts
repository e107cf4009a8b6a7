#!/usr/bin/env -S deno run
/**
 * Q. What does HTTP/2 look like on the wire?
 *
 * A. Everything is a frame: 9 bytes that say its length, its type, its flags and its stream,
 * and then the payload. HEADERS open a stream and carry a compressed block, DATA carry the
 * body, and a flag on the last of them ends that direction. Stream 0 is the connection:
 * SETTINGS, PING, GOAWAY. Because each frame names its stream, frames of many requests may
 * be mixed; only a block of headers that goes on in CONTINUATION may not be interrupted.
 *
 * Trap: the padding of DATA is no data, but it does count for flow control.
 * Left out: priorities are read and not used, as RFC 9113 says.
 * Source: RFC 9113, 4.1, 5.4 and 6; error codes: 7.
 * Run: `deno run http2_frames.ts`
 * @module
 */
import { concat } from "./http_message.ts";

export { concat };

/** The error codes, each at its number. */
export const ERROR_NAMES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
] as const;
export type ErrorName = typeof ERROR_NAMES[number];

/** An error of one stream, or, with stream 0, of the whole connection. */
export class Http2Error extends Error {
  override name = "Http2Error";
  constructor(
    readonly code: ErrorName,
    message: string,
    readonly stream: number = 0,
  ) {
    super(message);
  }
}

/** The name of an error code; RFC 9113, 7: one that is not known is INTERNAL_ERROR. */
export function errorName(code: number): ErrorName {
  return ERROR_NAMES[code] ?? "INTERNAL_ERROR";
}

/** The numbers of the settings. */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** What a frame may carry unless SETTINGS say more. */
export const DEFAULT_FRAME_SIZE = 16_384;
/** The window before anybody has said anything, and the largest there is. */
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;
/** What a client sends before its first frame. */
export const PREFACE = new TextEncoder().encode(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
);
const HEADER_LENGTH = 9;

const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
] as const;
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;

type Is<Type, Fields> = { type: Type; stream: number } & Fields;
/** `padding` counts the byte with its length too, so 0 is none and 1 an empty one. */
type Padded = { padding?: number };
/** A piece of a block of headers. */
type Block = { block: Uint8Array; endHeaders: boolean };

/** A frame; a priority is its five bytes, because nobody may rely on them any more. */
export type Frame =
  | Is<"DATA", Padded & { data: Uint8Array; endStream: boolean }>
  | Is<
    "HEADERS",
    Padded & Block & { endStream: boolean; priority?: Uint8Array }
  >
  | Is<"PRIORITY", { priority: Uint8Array }>
  | Is<"RST_STREAM", { code: number }>
  | Is<"SETTINGS", { ack: boolean; settings: [id: number, value: number][] }>
  | Is<"PUSH_PROMISE", Padded & Block & { promised: number }>
  | Is<"PING", { ack: boolean; data: Uint8Array }>
  | Is<"GOAWAY", { last: number; code: number; debug: Uint8Array }>
  | Is<"WINDOW_UPDATE", { increment: number }>
  | Is<"CONTINUATION", Block>
  | Is<"UNKNOWN", { number: number; flags: number; payload: Uint8Array }>;

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Uint8Array {
  const bit = (set: boolean, flag: number) => set ? flag : 0;
  const padding = "padding" in frame ? frame.padding ?? 0 : 0;
  const pad = (...parts: Uint8Array[]) =>
    padding === 0 ? parts : [
      Uint8Array.of(padding - 1),
      ...parts,
      new Uint8Array(padding - 1),
    ];
  let flags = bit(padding > 0, PADDED);
  let parts: Uint8Array[];
  switch (frame.type) {
    case "DATA":
      flags |= bit(frame.endStream, END_STREAM);
      parts = pad(frame.data);
      break;
    case "HEADERS":
      flags |= bit(frame.endStream, END_STREAM) |
        bit(frame.endHeaders, END_HEADERS) |
        bit(frame.priority !== undefined, PRIORITY);
      parts = pad(frame.priority ?? new Uint8Array(), frame.block);
      break;
    case "PRIORITY":
      parts = [frame.priority];
      break;
    case "RST_STREAM":
      parts = [uint32(frame.code)];
      break;
    case "SETTINGS":
      flags |= bit(frame.ack, ACK);
      parts = frame.settings.flatMap(([id, value]) => [
        Uint8Array.of(id >> 8, id & 255),
        uint32(value),
      ]);
      break;
    case "PUSH_PROMISE":
      flags |= bit(frame.endHeaders, END_HEADERS);
      parts = pad(uint32(frame.promised), frame.block);
      break;
    case "PING":
      flags |= bit(frame.ack, ACK);
      parts = [frame.data];
      break;
    case "GOAWAY":
      parts = [uint32(frame.last), uint32(frame.code), frame.debug];
      break;
    case "WINDOW_UPDATE":
      parts = [uint32(frame.increment)];
      break;
    case "CONTINUATION":
      flags |= bit(frame.endHeaders, END_HEADERS);
      parts = [frame.block];
      break;
    case "UNKNOWN":
      flags = frame.flags;
      parts = [frame.payload];
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const type = frame.type === "UNKNOWN"
    ? frame.number
    : TYPES.indexOf(frame.type);
  const head = [length >> 16, length >> 8 & 255, length & 255, type, flags];
  return concat([Uint8Array.from(head), uint32(frame.stream), ...parts]);
}

/**
 * The frame that these bytes are, all of them.
 * @throws {Http2Error} of the connection, if the RFC does not allow such a frame
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const number = bytes[3];
  const flags = bytes[4];
  const stream = readUint32(bytes, 5) % 2 ** 31;
  const type = number < TYPES.length ? TYPES[number] : "UNKNOWN";
  const payload = bytes.slice(HEADER_LENGTH);
  const bad = (code: ErrorName, why: string) =>
    new Http2Error(code, `Cannot take ${type} on stream ${stream}: ${why}`);
  const onStream = (wanted: boolean) => {
    if (stream > 0 === wanted) return;
    throw bad(
      "PROTOCOL_ERROR",
      wanted ? "it needs a stream" : "it is for stream 0",
    );
  };
  const size = (right: boolean) => {
    if (right) return;
    throw bad("FRAME_SIZE_ERROR", `it has ${payload.length} bytes`);
  };
  const set = (flag: number) => (flags & flag) !== 0;
  const word = (at: number) => readUint32(payload, at);

  if (type === "UNKNOWN") return { type, stream, number, flags, payload };
  if (type === "SETTINGS" || type === "PING" || type === "GOAWAY") {
    onStream(false);
  } else if (type !== "WINDOW_UPDATE") onStream(true);

  let body = payload;
  let padding = 0;
  if (
    set(PADDED) &&
    (type === "DATA" || type === "HEADERS" || type === "PUSH_PROMISE")
  ) {
    size(payload.length > 0);
    padding = 1 + payload[0];
    if (padding > payload.length) {
      throw bad("PROTOCOL_ERROR", "its padding is longer than its payload");
    }
    body = payload.slice(1, payload.length - padding + 1);
  }
  const endStream = set(END_STREAM);
  const endHeaders = set(END_HEADERS);
  const extra = padding > 0 ? { padding } : {};
  switch (type) {
    case "DATA":
      return { type, stream, data: body, endStream, ...extra };
    case "HEADERS": {
      if (!set(PRIORITY)) {
        return { type, stream, block: body, endStream, endHeaders, ...extra };
      }
      size(body.length >= 5);
      const [priority, block] = [body.slice(0, 5), body.slice(5)];
      return { type, stream, block, endStream, endHeaders, ...extra, priority };
    }
    case "PRIORITY":
      size(payload.length === 5);
      return { type, stream, priority: payload };
    case "RST_STREAM":
      size(payload.length === 4);
      return { type, stream, code: word(0) };
    case "SETTINGS": {
      const ack = set(ACK);
      size(payload.length % 6 === 0 && !(ack && payload.length > 0));
      const settings: [number, number][] = [];
      for (let at = 0; at < payload.length; at += 6) {
        settings.push([payload[at] * 256 + payload[at + 1], word(at + 2)]);
      }
      return { type, stream, ack, settings };
    }
    case "PUSH_PROMISE": {
      size(body.length >= 4);
      const promised = readUint32(body, 0) % 2 ** 31;
      const block = body.slice(4);
      return { type, stream, promised, block, endHeaders, ...extra };
    }
    case "PING":
      size(payload.length === 8);
      return { type, stream, ack: set(ACK), data: payload };
    case "GOAWAY":
      size(payload.length >= 8);
      return {
        type,
        stream,
        last: word(0) % 2 ** 31,
        code: word(4),
        debug: payload.slice(8),
      };
    case "WINDOW_UPDATE":
      size(payload.length === 4);
      return { type, stream, increment: word(0) % 2 ** 31 };
    case "CONTINUATION":
      return { type, stream, block: payload, endHeaders };
  }
}

/** Puts frames together from bytes that come in any pieces. Holds one frame at most. */
export class FrameReader {
  #buffer: Uint8Array;
  #length = 0;

  constructor(readonly maxFrameSize: number = DEFAULT_FRAME_SIZE) {
    this.#buffer = new Uint8Array(HEADER_LENGTH + maxFrameSize);
  }

  /** Whether a frame has begun and not ended. */
  get inside(): boolean {
    return this.#length > 0;
  }

  /** @throws {Http2Error} of the connection; nothing can be read after it */
  *push(chunk: Uint8Array): Generator<Frame> {
    const buffer = this.#buffer;
    for (let at = 0; at < chunk.length;) {
      const whole = this.#length < HEADER_LENGTH
        ? HEADER_LENGTH
        : HEADER_LENGTH + payloadLength(buffer);
      const piece = chunk.subarray(at, at + whole - this.#length);
      // A copy: a view of a byte would keep the whole chunk alive.
      buffer.set(piece, this.#length);
      this.#length += piece.length;
      at += piece.length;
      if (this.#length < HEADER_LENGTH) return;
      const length = payloadLength(buffer);
      if (length > this.maxFrameSize) {
        throw new Http2Error(
          "FRAME_SIZE_ERROR",
          `Cannot take a frame of ${length} bytes: at most ${this.maxFrameSize}`,
        );
      }
      if (this.#length < HEADER_LENGTH + length) continue;
      this.#length = 0;
      yield decodeFrame(buffer.subarray(0, HEADER_LENGTH + length));
    }
  }
}

/** One line about a frame, for people. */
export function describeFrame(frame: Frame): string {
  const words: string[] = [frame.type];
  if (frame.stream > 0) words.push(`stream ${frame.stream}`);
  if ("ack" in frame && frame.ack) words.push("ACK");
  if (frame.type === "DATA") words.push(`${frame.data.length} bytes`);
  if ("block" in frame) words.push(`block of ${frame.block.length} bytes`);
  if ("padding" in frame) words.push(`${frame.padding} bytes of padding`);
  if ("code" in frame) words.push(errorName(frame.code));
  if (frame.type === "GOAWAY") words.push(`last stream ${frame.last}`);
  if (frame.type === "WINDOW_UPDATE") words.push(`+${frame.increment} bytes`);
  if (frame.type === "UNKNOWN") words.push(`type ${frame.number}`);
  if (frame.type === "SETTINGS") {
    for (const [id, value] of frame.settings) {
      words.push(`${Object.keys(SETTING)[id - 1] ?? id} = ${value}`);
    }
  }
  if ("endHeaders" in frame && frame.endHeaders) words.push("END_HEADERS");
  if ("endStream" in frame && frame.endStream) words.push("END_STREAM");
  return words.join(", ");
}

function payloadLength(bytes: Uint8Array): number {
  return bytes[0] * 65_536 + bytes[1] * 256 + bytes[2];
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at] * 2 ** 24 + bytes[at + 1] * 65_536 + bytes[at + 2] * 256 +
    bytes[at + 3];
}

if (import.meta.main) {
  const frames: Frame[] = [
    {
      type: "SETTINGS",
      stream: 0,
      ack: false,
      settings: [[SETTING.ENABLE_PUSH, 0]],
    },
    { type: "PING", stream: 0, ack: true, data: new Uint8Array(8) },
    {
      type: "HEADERS",
      stream: 1,
      block: Uint8Array.of(0x82, 0x87, 0x84),
      endStream: true,
      endHeaders: true,
    },
    {
      type: "DATA",
      stream: 1,
      data: new TextEncoder().encode("hello"),
      endStream: true,
      padding: 3,
    },
    { type: "RST_STREAM", stream: 1, code: ERROR_NAMES.indexOf("CANCEL") },
  ];
  for (const frame of frames) {
    const hex = encodeFrame(frame).toHex();
    console.log(`${hex.slice(0, 18)} ${hex.slice(18)}`);
    console.log(`  ${describeFrame(frame)}`);
  }
}
