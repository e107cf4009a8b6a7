#!/usr/bin/env -S deno run
/**
 * Q. How do many HTTP/2 requests share one TCP connection without one blocking the rest?
 *
 * A. Each request is a stream with its own number, and frames of all streams are mixed. A
 * receiver promises bytes: so many on each stream, and so many on the connection. DATA
 * uses up both windows; WINDOW_UPDATE gives back what the application has really taken, so
 * a body that nobody reads stops its own stream and no other, as long as the connection's
 * window is larger than a stream's. An error of one stream is RST_STREAM; an error that
 * leaves the common state in doubt, such as a bad block of headers, is GOAWAY and the end.
 *
 * Trap: to forget streams that one has reset: frames for them are still under way.
 * Left out: server push (refused), priorities (ignored), a deadline for the SETTINGS' ACK
 * (pass a signal). The caller closes what is below the streams of bytes.
 * Source: RFC 9113, 3.4 and 5 to 6.
 * Run: `deno run http2_connection.ts`
 * @module
 */
import type { Header } from "./hpack.ts";
import {
  DEFAULT_WINDOW,
  describeFrame,
  ERROR_NAMES,
  type ErrorName,
  errorName,
  type Frame,
  Http2Error,
  MAX_WINDOW,
  PREFACE,
  SETTING,
} from "./http2_frames.ts";
import {
  readFrames,
  type ReceivedHeaders,
  Receiver,
} from "./http2_receiver.ts";
import { Sender } from "./http2_sender.ts";
import {
  type ByteStream,
  type ConnectionOptions,
  memoryPair,
  Stream,
  type StreamOwner,
} from "./http2_stream.ts";

/** How many streams that we reset are remembered, for frames that were under way. */
const MAX_RESET = 1000;

/** One end of a connection. */
export class Connection implements StreamOwner {
  /** When nothing goes on any more; never rejects. */
  readonly closed: Promise<void>;
  /** Why it ended, if not by `close` or by GOAWAY. */
  error: Error | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #sender: Sender;
  #streams = new Map<number, Stream>();
  #reset = new Set<number>();
  #nextId: number;
  #lastPeerId = 0;
  #receiver: Receiver;
  #maxStreams: number;
  #settled = false;
  #draining = false;
  #ended = false;
  #abort: () => void;

  /** @param onStream called with each stream that the peer opens; none may be, without it */
  constructor(
    bytes: ByteStream,
    readonly options: ConnectionOptions = {},
    readonly onStream?: (stream: Stream) => void,
  ) {
    const { window = DEFAULT_WINDOW, listSize = 65_536, signal } = options;
    this.#maxStreams = options.maxStreams ?? 100;
    this.#nextId = onStream ? 2 : 1;
    this.#reader = bytes.readable.getReader();
    this.#sender = new Sender(
      bytes.writable,
      (frame) => options.observe?.(true, frame),
      (error) => this.#end("NO_ERROR", error),
    );
    const least = Math.max(options.connectionWindow ?? 2 ** 20, DEFAULT_WINDOW);
    this.#receiver = new Receiver(
      { window, listSize, connectionWindow: least },
      (frame) => this.#sender.send(frame),
    );
    this.#abort = () => this.#end("CANCEL", signal!.reason);
    if (!onStream) this.#sender.write(PREFACE);
    this.#sender.sendSettings([
      onStream
        ? [SETTING.MAX_CONCURRENT_STREAMS, this.#maxStreams]
        : [SETTING.ENABLE_PUSH, 0],
      [SETTING.INITIAL_WINDOW_SIZE, window],
      [SETTING.MAX_HEADER_LIST_SIZE, listSize],
    ]);
    this.#receiver.open();
    this.closed = this.#run();
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted) this.#abort();
  }

  /**
   * Opens a stream and sends its headers, when the peer lets one more be open.
   * @param prepare called with it at once, before anything can come for it
   * @throws {Http2Error} REFUSED_STREAM if there can be no further one: it may be sent again
   */
  async open(
    headers: readonly Header[],
    end: boolean,
    signal?: AbortSignal,
    prepare: (stream: Stream) => void = () => {},
  ): Promise<Stream> {
    const wake = () => this.#sender.wake();
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (this.#ended || this.#draining || this.#nextId > MAX_WINDOW) {
          const why = "Cannot open a stream: the connection is closing";
          throw this.error ?? new Http2Error("REFUSED_STREAM", why);
        }
        if (this.#streams.size < this.#sender.peer.streams) break;
        await this.#sender.changed;
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
    const stream = this.#add(this.#nextId);
    this.#nextId += 2;
    try {
      stream.sendHeaders(headers, end);
    } catch (error) {
      // Nothing was sent, so the peer takes this number as one that was left out.
      this.#drop(stream);
      throw error;
    }
    prepare(stream);
    return stream;
  }

  /** Lets open streams finish and opens no others. */
  close(): Promise<void> {
    if (!this.#ended && !this.#draining) {
      this.#draining = true;
      this.#sender.goAway(this.#lastPeerId, "NO_ERROR");
      this.#drained();
    }
    return this.closed;
  }

  get ready(): Promise<void> {
    return this.#sender.ready;
  }

  /** Of a stream of this connection. */
  sendHeaders(stream: Stream, headers: readonly Header[], end: boolean): void {
    this.#sender.sendHeaders(stream, headers, end);
    this.#dropIfDone(stream);
  }

  /** Of a stream of this connection. */
  async sendData(stream: Stream, data: Uint8Array, end: boolean) {
    await this.#sender.sendData(stream, data, end);
    this.#dropIfDone(stream);
  }

  /** Ends a stream with RST_STREAM, unless it has ended. */
  resetStream(stream: Stream, code: ErrorName, error: Error): void {
    if (this.#streams.get(stream.id) !== stream) return;
    this.#reject(stream.id, code, error);
  }

  /** What the application has taken may be sent again. */
  consume(stream: Stream, size: number): void {
    this.#receiver.consume(stream, size);
  }

  async #run(): Promise<void> {
    try {
      await this.#read();
      const lost = this.#streams.size > 0 || !this.#settled ||
        this.#receiver.insideHeaders !== undefined;
      const why = "The peer closed the connection too early";
      const error = new Http2Error("INTERNAL_ERROR", why);
      this.#end("NO_ERROR", lost ? error : undefined);
    } catch (error) {
      const why = `Cannot read: ${(error as Error)?.message ?? error}`;
      const known = error instanceof Http2Error ? error : undefined;
      const typed = known ?? new Http2Error("INTERNAL_ERROR", why);
      this.#end(typed.code, typed);
    }
  }

  async #read(): Promise<void> {
    const preface = this.onStream ? PREFACE : new Uint8Array();
    for await (const frame of readFrames(this.#reader, preface)) {
      if (this.#ended) return;
      this.options.observe?.(false, frame);
      try {
        this.#receive(frame);
      } catch (error) {
        if (!(error instanceof Http2Error) || error.stream === 0) throw error;
        this.#reject(error.stream, error.code, error);
      }
    }
  }

  #receive(frame: Frame): void {
    const { stream: id, type } = frame;
    const bad = (why: string) =>
      new Http2Error("PROTOCOL_ERROR", `Cannot take ${type}: ${why}`);
    if (!this.#settled && (frame.type !== "SETTINGS" || frame.ack)) {
      throw bad("the first frame must be SETTINGS");
    }
    this.#settled = true;
    const inside = this.#receiver.insideHeaders;
    if (inside !== undefined && (type !== "CONTINUATION" || id !== inside)) {
      throw bad(`the headers of stream ${inside} have not ended`);
    }
    // Even numbers are for pushes, and so never opened.
    const last = this.onStream ? this.#lastPeerId : this.#nextId - 2;
    const idle = id > 0 && (id % 2 === 0 || id > last);
    const opens = type === "HEADERS" && this.onStream && id % 2 === 1;
    const anywhere = ["CONTINUATION", "PRIORITY", "UNKNOWN"].includes(type);
    if (idle && !opens && !anywhere) throw bad(`nobody opened stream ${id}`);
    const stream = this.#streams.get(id);
    switch (frame.type) {
      case "DATA":
        return this.#data(frame, stream);
      case "HEADERS":
      case "CONTINUATION": {
        if (type === "CONTINUATION" && inside === undefined) {
          throw bad("no headers came before it");
        }
        const block = this.#receiver.takeBlock(frame);
        return block && this.#headers(block);
      }
      case "RST_STREAM": {
        const code = errorName(frame.code);
        const error = new Http2Error(code, `The peer reset with ${code}`, id);
        return stream && this.#fail(stream, error);
      }
      case "SETTINGS":
        return frame.ack
          ? this.#receiver.agree(this.#streams.values())
          : this.#settings(frame.settings);
      case "PUSH_PROMISE":
        throw bad("we have not enabled push");
      case "PING":
        if (!frame.ack) this.#sender.reply({ ...frame, ack: true });
        return;
      case "GOAWAY":
        return this.#leave(frame.last, errorName(frame.code));
      case "WINDOW_UPDATE":
        return this.#sender.addWindow(id, frame.increment, stream);
    }
  }

  #data(frame: Frame & { type: "DATA" }, stream: Stream | undefined): void {
    const { stream: id, data, padding = 0 } = frame;
    const size = data.length + padding;
    this.#receiver.take(size);
    const bad = (code: ErrorName, why: string, id = 0) => {
      // Nobody will read it, so nobody else would give it back.
      this.#receiver.giveBack(size);
      return new Http2Error(code, `Cannot take DATA: ${why}`, id);
    };
    const why = `stream ${id} has ended`;
    if (!stream) {
      const error = bad("STREAM_CLOSED", why);
      // It may have been under way when we reset the stream.
      if (this.#reset.has(id)) return;
      throw error;
    }
    if (stream.received) throw bad("STREAM_CLOSED", why, id);
    if (!stream.begun) throw bad("PROTOCOL_ERROR", "headers come first", id);
    try {
      this.#receiver.takeOf(stream, size);
      stream.push(data);
    } catch (error) {
      this.#receiver.giveBack(size);
      throw error;
    }
    this.#receiver.consume(stream, padding);
    if (frame.endStream) this.#receivedEnd(stream);
  }

  #headers({ id, end, headers, tooLong }: ReceivedHeaders): void {
    const ended = (id = 0) =>
      new Http2Error("STREAM_CLOSED", "Cannot take HEADERS: it has ended", id);
    let stream = this.#streams.get(id);
    if (!stream) {
      if (this.#reset.has(id)) return;
      if (id <= this.#lastPeerId || !this.onStream) throw ended();
      this.#lastPeerId = id;
      if (this.#draining || this.#streams.size >= this.#maxStreams) {
        const why = `Cannot take stream ${id}: ${this.#maxStreams} are open`;
        throw new Http2Error("REFUSED_STREAM", why, id);
      }
      stream = this.#add(id);
      this.onStream(stream);
    }
    if (stream.received) throw ended(id);
    if (tooLong) throw tooLong;
    stream.onHeaders(headers, end);
    if (end) this.#receivedEnd(stream);
  }

  #settings(settings: [id: number, value: number][]): void {
    const push = ([id, value]: [number, number]) =>
      id === SETTING.ENABLE_PUSH && value > 0;
    if (!this.onStream && settings.some(push)) {
      throw new Http2Error("PROTOCOL_ERROR", "Cannot take push from a server");
    }
    this.#sender.applySettings(settings, this.#streams.values());
  }

  #leave(last: number, code: ErrorName): void {
    this.#draining = true;
    for (const stream of this.#streams.values()) {
      if (this.onStream || stream.id <= last) continue;
      const why = `Not processed: the peer left with ${code}`;
      this.#fail(stream, new Http2Error("REFUSED_STREAM", why, stream.id));
    }
    this.#sender.wake();
    this.#drained();
  }

  #add(id: number): Stream {
    const { window } = this.#sender.peer;
    const stream = new Stream(this, id, window, this.#receiver.agreedWindow);
    this.#streams.set(id, stream);
    return stream;
  }

  #receivedEnd(stream: Stream): void {
    stream.finish();
    this.#dropIfDone(stream);
  }

  #dropIfDone(stream: Stream): void {
    if (stream.sent && stream.received) this.#drop(stream);
  }

  #reject(id: number, code: ErrorName, error: Error): void {
    this.#reset.add(id);
    const [oldest] = this.#reset;
    if (this.#reset.size > MAX_RESET) this.#reset.delete(oldest);
    const number = ERROR_NAMES.indexOf(code);
    this.#sender.reply({ type: "RST_STREAM", stream: id, code: number });
    const stream = this.#streams.get(id);
    if (stream) this.#fail(stream, error);
  }

  #fail(stream: Stream, error: Error): void {
    this.#receiver.giveBack(stream.fail(error));
    this.#drop(stream);
  }

  #drop(stream: Stream): void {
    this.#streams.delete(stream.id);
    this.#sender.wake();
    this.#drained();
  }

  #drained(): void {
    if (this.#draining && this.#streams.size === 0) this.#end("NO_ERROR");
  }

  #end(code: ErrorName, error?: Error): void {
    if (this.#ended) return;
    if (code !== "NO_ERROR") {
      this.#sender.goAway(this.#lastPeerId, code, error?.message);
    }
    this.#ended = true;
    this.error = error;
    const gone = error ?? new Http2Error("CANCEL", "The connection ended");
    for (const stream of this.#streams.values()) stream.fail(gone);
    this.#streams.clear();
    this.#sender.end();
    this.options.signal?.removeEventListener("abort", this.#abort);
    this.#reader.cancel().catch(() => {});
  }
}

if (import.meta.main) {
  const [near, far] = memoryPair();
  const observe = (sent: boolean, frame: Frame) =>
    console.log(sent ? "client:" : "server:", describeFrame(frame));
  const client = new Connection(near, { observe });
  new Connection(far, {}, (stream) => {
    stream.onHeaders = () => stream.reset("REFUSED_STREAM");
  });
  const stream = await client.open([[":method", "GET"]], true);
  await new Promise((done) => stream.onError = done);
  await client.close();
}
