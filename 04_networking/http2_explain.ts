#!/usr/bin/env -S deno run
/**
 * Q. Here are the bytes of an HTTP/2 request. Read them to me.
 *
 * A. Each frame has a head of nine bytes: three of length, one of type, one of flags, four
 * of the stream's number. In HEADERS each byte above 7f is a whole header out of a table: 82
 * is :method GET, 87 is :scheme https. 41 means that the name is number 1 of the table,
 * :authority, that the value follows, and that both go into the table; the value has its
 * length before it, and mostly is in a Huffman code. On the next request the same header is
 * one byte. Who has not read all blocks before cannot read this one.
 *
 * Trap: to read the length as part of the payload: it counts what comes after the nine.
 * Source: RFC 9113 sections 4.1 and 6; headers: RFC 7541 section 6.
 * Run: `deno run http2_explain.ts`
 * @module
 */
import { type Field, FieldList, formatFields } from "./byte_fields.ts";
import {
  type Header,
  HpackDecoder,
  HpackEncoder,
  HpackError,
} from "./hpack.ts";
import {
  concat,
  encodeFrame,
  errorName,
  type Frame,
  SETTING,
} from "./http2_frames.ts";

/** The bytes of a frame's head. */
const HEAD = 9;

/** Tells the frames of a connection, each of them and in order. */
export class FrameExplainer {
  readonly #sent = new Direction();
  readonly #received = new Direction();

  /** What each field of a frame means, from the first byte to the last. */
  explain(sent: boolean, frame: Frame): Field[] {
    return (sent ? this.#sent : this.#received).explain(frame);
  }
}

/** One direction, with its table of headers. */
class Direction {
  readonly #decoder = new HpackDecoder({
    tableSize: 2 ** 16,
    listSize: 2 ** 20,
  });
  /** A block that goes on in the next frame. */
  #block: Uint8Array[] = [];

  explain(frame: Frame): Field[] {
    const bytes = encodeFrame(frame);
    const list = new FieldList(bytes);
    list.next(3, `${bytes.length - HEAD} bytes after these nine`);
    list.next(1, frame.type);
    const flags = flagsOf(frame).join(", ");
    list.next(1, flags ? `flags: ${flags}` : "no flags");
    list.next(4, frame.stream ? `stream ${frame.stream}` : "the connection");
    const padding = "padding" in frame ? frame.padding ?? 0 : 0;
    if (padding > 0) list.next(1, `${padding - 1} bytes of padding at the end`);
    if ("priority" in frame && frame.priority) {
      list.next(5, "a priority, which nobody heeds any more");
    }
    switch (frame.type) {
      case "SETTINGS":
        for (const [id, value] of frame.settings) {
          const [name = `${id}`] = Object.entries(SETTING)
            .find(([, number]) => number === id) ?? [];
          list.next(2, name);
          list.next(4, `${value}`);
        }
        break;
      case "HEADERS":
      case "CONTINUATION":
        this.#headers(list, frame.block, frame.endHeaders);
        break;
      case "WINDOW_UPDATE":
        list.next(4, `${frame.increment} bytes more may be sent`);
        break;
      case "RST_STREAM":
        list.next(4, errorName(frame.code));
        break;
      case "GOAWAY":
        list.next(4, `streams up to ${frame.last} were looked at`);
        list.next(4, errorName(frame.code));
        list.rest("more about it, for people");
        break;
      case "DATA":
        if (frame.data.length > 0) {
          list.next(
            frame.data.length,
            `${frame.data.length} bytes of the body`,
          );
        }
    }
    list.rest(padding > 1 ? "padding" : "not told here");
    return list.fields;
  }

  #headers(list: FieldList, block: Uint8Array, ends: boolean): void {
    const whole = this.#block.length === 0 && ends;
    this.#block.push(block);
    const start = list.at;
    const tell = (header: Header, end: number) => {
      const first = block[list.at - start];
      const [name, value] = header;
      const line = name.startsWith(":")
        ? `${name} ${value}`
        : `${name}: ${value}`;
      if (whole) list.upTo(start + end, `${how(first)}, ${line}`);
    };
    if (!whole && block.length > 0) {
      list.next(
        block.length,
        ends ? "the end of the block" : "a part of the block",
      );
    }
    if (!ends) return;
    try {
      this.#decoder.decode(concat(this.#block), tell);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      if (block.length > list.at - start) {
        list.upTo(start + block.length, error.message);
      }
    }
    this.#block = [];
  }
}

/** How a header is written, by the first byte of it. */
function how(first: number): string {
  if (first >= 0x80) return "from the table";
  if (first >= 0x40) return "for the table";
  // The size of the table, before the first header.
  if (first >= 0x20) return "after a new size of the table";
  return first >= 0x10 ? "never for a table" : "not for the table";
}

function flagsOf(frame: Frame): string[] {
  const flags: string[] = [];
  if ("ack" in frame && frame.ack) flags.push("ACK");
  if ("endStream" in frame && frame.endStream) flags.push("END_STREAM");
  if ("endHeaders" in frame && frame.endHeaders) flags.push("END_HEADERS");
  if ("padding" in frame && frame.padding) flags.push("PADDED");
  if (frame.type === "HEADERS" && frame.priority) flags.push("PRIORITY");
  return flags;
}

if (import.meta.main) {
  const explainer = new FrameExplainer();
  const encoder = new HpackEncoder();
  const show = (frame: Frame) =>
    console.log(formatFields(explainer.explain(true, frame)).join("\n"));
  for (const stream of [1, 3]) {
    const block = encoder.encode([
      ...[[":method", "GET"], [":scheme", "https"], [":path", "/"]] as const,
      ...[[":authority", "www.google.com"], ["cookie", "a=1"]] as const,
    ]);
    console.log(`request ${(stream + 1) / 2}`);
    const flags = { endHeaders: true, endStream: true };
    show({ type: "HEADERS", stream, block, ...flags });
  }
}
