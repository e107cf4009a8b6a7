#!/usr/bin/env -S deno run
/**
 * Q. How does an HTTP/2 receiver keep a fast sender from filling its memory?
 *
 * A. By credit. The sender may have so many bytes under way on each stream, and so many on
 * the connection. Each byte of DATA, padding too, uses up both; what the application has
 * taken is given back on both, in steps of half a window, so that there are few frames
 * and the sender need not stop. Headers are outside of this, so a block has a limit of its
 * own, however many CONTINUATION frames it is cut into.
 *
 * Trap: to give back the stream's window and forget the connection's: all goes well for
 * the first 65,535 bytes.
 * Left out: windows that grow with the delay.
 * Source: RFC 9113, 4.3, 5.2, 6.9 and 6.10; the attack: CVE-2024-27316.
 * Run: `deno run http2_receiver.ts`
 * @module
 */
import { type Header, HpackDecoder, HpackError } from "./hpack.ts";
import {
  concat,
  DEFAULT_WINDOW,
  type ErrorName,
  type Frame,
  FrameReader,
  Http2Error,
} from "./http2_frames.ts";

/** What is known of a stream here. */
export interface Incoming {
  readonly id: number;
  receiveWindow: number;
  /** Bytes that were taken, and not yet given back. */
  credit: number;
  /** Whether END_STREAM has been received. */
  received: boolean;
}

export interface ReceiverOptions {
  /** How many bytes may be under way on a stream. */
  window: number;
  /** And on all streams together; at least 65,535. */
  connectionWindow: number;
  /** The most bytes of headers, as SETTINGS_MAX_HEADER_LIST_SIZE counts them. */
  listSize: number;
}

/** A whole block of headers. */
export interface ReceivedHeaders {
  id: number;
  end: boolean;
  headers: Header[];
  /** Why the headers are missing, although the connection can go on. */
  tooLong?: Http2Error;
}

/** How long a block of headers may be while it is compressed, its frames' heads included. */
export const MAX_BLOCK = 65_536;

/** The receiving half of a connection. */
export class Receiver {
  /** The streams' window that the peer has acknowledged. */
  agreedWindow = DEFAULT_WINDOW;
  #window = DEFAULT_WINDOW;
  #credit = 0;
  #decoder: HpackDecoder;
  #block:
    | { id: number; parts: Uint8Array[]; size: number; end: boolean }
    | undefined;

  /** @param send takes the WINDOW_UPDATE frames */
  constructor(
    readonly options: ReceiverOptions,
    readonly send: (frame: Frame) => void,
  ) {
    const { listSize } = options;
    // The list's limit is for a long string, too: it fails no more than its stream.
    const stringSize = 2 * MAX_BLOCK;
    this.#decoder = new HpackDecoder({ listSize, stringSize });
  }

  /** The stream whose headers have begun and not ended; nothing else may come before. */
  get insideHeaders(): number | undefined {
    return this.#block?.id;
  }

  /** Takes HEADERS and CONTINUATION. @returns the headers, if that was the last of them */
  takeBlock(
    frame: Frame & { type: "HEADERS" | "CONTINUATION" },
  ): ReceivedHeaders | undefined {
    if (frame.type === "HEADERS") {
      const { stream: id, endStream: end } = frame;
      this.#block = { id, parts: [], size: 0, end };
    }
    const block = this.#block!;
    block.parts.push(frame.block);
    // Empty ones count too, or they could go on for ever.
    block.size += frame.block.length + 9;
    if (block.size > MAX_BLOCK) {
      throw new Http2Error(
        "ENHANCE_YOUR_CALM",
        `Cannot take headers of more than ${MAX_BLOCK} bytes`,
      );
    }
    if (!frame.endHeaders) return undefined;
    this.#block = undefined;
    const { id, end } = block;
    try {
      return { id, end, headers: this.#decoder.decode(concat(block.parts)) };
    } catch (error) {
      const { code, message } = error as HpackError;
      if (code !== "list") throw new Http2Error("COMPRESSION_ERROR", message);
      const tooLong = new Http2Error("ENHANCE_YOUR_CALM", message, id);
      return { id, end, headers: [], tooLong };
    }
  }

  /** Takes so many bytes from the connection's window. */
  take(size: number): void {
    if (size > this.#window) throw overrun(size, "connection", this.#window);
    this.#window -= size;
  }

  /** Takes so many bytes from the stream's window. */
  takeOf(stream: Incoming, size: number): void {
    if (size > stream.receiveWindow) {
      throw overrun(size, "stream", stream.receiveWindow, stream.id);
    }
    stream.receiveWindow -= size;
  }

  /** Gives bytes back that the application has taken. */
  consume(stream: Incoming, size: number): void {
    this.giveBack(size);
    stream.credit += size;
    const enough = 2 * stream.credit >= this.options.window;
    if (stream.credit === 0 || stream.received || !enough) return;
    const increment = stream.credit;
    stream.credit = 0;
    stream.receiveWindow += increment;
    this.send({ type: "WINDOW_UPDATE", stream: stream.id, increment });
  }

  /** Gives bytes back that belong to no stream any more. */
  giveBack(size: number): void {
    this.#credit += size;
    const enough = 2 * this.#credit >= this.options.connectionWindow;
    if (this.#credit > 0 && enough) this.#update();
  }

  /** Opens the connection's window as far as the options say. */
  open(): void {
    this.#credit = this.options.connectionWindow - DEFAULT_WINDOW;
    if (this.#credit > 0) this.#update();
  }

  /** The peer has applied our settings, so they bind it from here on. */
  agree(streams: Iterable<Incoming>): void {
    const change = this.options.window - this.agreedWindow;
    this.agreedWindow = this.options.window;
    for (const stream of streams) stream.receiveWindow += change;
  }

  #update(): void {
    const increment = this.#credit;
    this.#credit = 0;
    this.#window += increment;
    this.send({ type: "WINDOW_UPDATE", stream: 0, increment });
  }
}

/**
 * The frames of a stream of bytes, after the preface.
 * @throws {Http2Error} of the connection, if they are none
 */
export async function* readFrames(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  preface: Uint8Array,
): AsyncGenerator<Frame> {
  const frames = new FrameReader();
  for (let at = 0;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const start = preface.subarray(at, at + value.length);
    if (!start.every((byte, i) => byte === value[i])) {
      throw new Http2Error(
        "PROTOCOL_ERROR",
        "Cannot serve: the client's preface is not that of HTTP/2",
      );
    }
    at += start.length;
    yield* frames.push(value.subarray(start.length));
  }
}

function overrun(
  size: number,
  whose: string,
  window: number,
  id = 0,
): Http2Error {
  const code: ErrorName = "FLOW_CONTROL_ERROR";
  const why = `Cannot take ${size} bytes: the ${whose}'s window is ${window}`;
  return new Http2Error(code, why, id);
}

if (import.meta.main) {
  const receiver = new Receiver(
    { window: DEFAULT_WINDOW, connectionWindow: 100_000, listSize: 1000 },
    (frame) =>
      frame.type === "WINDOW_UPDATE" &&
      console.log(
        `  WINDOW_UPDATE, stream ${frame.stream}: ${frame.increment}`,
      ),
  );
  receiver.open();
  const stream = { id: 1, receiveWindow: 65_535, credit: 0, received: false };
  for (let n = 1; n <= 5; n++) {
    receiver.take(16_384);
    receiver.takeOf(stream, 16_384);
    console.log(`DATA ${n} arrived and was read: 16384 bytes`);
    receiver.consume(stream, 16_384);
  }
}
