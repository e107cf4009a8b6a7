#!/usr/bin/env -S deno run
/**
 * Q. How does a body that comes in frames become a stream that somebody reads at leisure?
 *
 * A. Frames go into a queue that the window bounds. Each read takes one of them out and
 * tells the connection so, and only then is the peer allowed to send as much again. The
 * end counts only if the bytes are as many as content-length said. A stream that fails
 * drops its queue, but those bytes are given back to the connection all the same.
 *
 * Trap: to give bytes back when they arrive: then the queue has no bound.
 * Source: RFC 9113, 5.1, 5.2 and 8.1.1.
 * Run: `deno run http2_stream.ts`
 * @module
 */
import type { Header } from "./hpack.ts";
import { type ErrorName, type Frame, Http2Error } from "./http2_frames.ts";

/** Bytes both ways; a Deno.Conn and a Deno.TlsConn are such. */
export interface ByteStream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

export interface ConnectionOptions {
  /** How many bytes the peer may send ahead on a stream; 65,535 as standard. */
  window?: number;
  /** And on all streams together; 1 MiB as standard, and never below 65,535. */
  connectionWindow?: number;
  /** How many streams the peer may have open; 100 as standard. */
  maxStreams?: number;
  /** The most bytes of headers in a message, as the RFC counts them; 64 KiB as standard. */
  listSize?: number;
  /** Ends the connection. */
  signal?: AbortSignal;
  /** Called with each frame, in order. */
  observe?: (sent: boolean, frame: Frame) => void;
}

/** Two ends in memory: what one writes, the other reads. */
export function memoryPair(): [ByteStream, ByteStream] {
  const there = new TransformStream<Uint8Array, Uint8Array>();
  const back = new TransformStream<Uint8Array, Uint8Array>();
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ];
}

/** What a stream needs of its connection. */
export interface StreamOwner {
  /** Resolves when the transport can take more. */
  readonly ready: Promise<void>;
  sendHeaders(stream: Stream, headers: readonly Header[], end: boolean): void;
  sendData(stream: Stream, data: Uint8Array, end: boolean): Promise<void>;
  /** Sends RST_STREAM, if the stream is open. */
  resetStream(stream: Stream, code: ErrorName, error: Error): void;
  /** Gives so many bytes back to the windows. */
  consume(stream: Stream, size: number): void;
}

/** One request and its response. */
export class Stream {
  /** What has come; an Http2Error with this stream's id resets the stream only. */
  onHeaders: (headers: Header[], end: boolean) => void = () => {};
  /** Called if the stream ends before everything was received. */
  onError: (error: Error) => void = () => {};
  /** Called when everything was received. */
  onEnd: () => void = () => {};
  /** Called if the reader of the body wants no more of it. */
  onCancel: () => void = () => this.reset("CANCEL");
  readonly body: ReadableStream<Uint8Array>;
  /** Whether DATA may come: a message's headers have. */
  begun = false;
  /** What content-length says, if it says anything. */
  expected: number | undefined;
  /** Whether END_STREAM has been sent, and received. */
  sent = false;
  received = false;
  /** Why no more can be sent. */
  error: Error | undefined;
  /** Bytes that were taken, and not yet given back. */
  credit = 0;
  #got = 0;
  #queue: Uint8Array[] = [];
  /** The front of the queue, the first one last: `shift` would move all the others. */
  #front: Uint8Array[] = [];
  #failed = false;
  #cancelled = false;
  #wake = () => {};
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(
    readonly owner: StreamOwner,
    readonly id: number,
    public sendWindow: number,
    public receiveWindow: number,
  ) {
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: () => {
        this.#cancelled = true;
        this.#wake();
        this.owner.consume(this, this.#discard());
        this.onCancel();
      },
      // Nothing is taken, and so nothing given back, before somebody reads.
    }, { highWaterMark: 0 });
  }

  /** Sends headers; a second time as trailers. */
  sendHeaders(headers: readonly Header[], end: boolean): void {
    this.owner.sendHeaders(this, headers, end);
  }

  /** Sends a part of the body as the windows allow it. @throws if the stream ends before */
  sendData(data: Uint8Array, end: boolean): Promise<void> {
    return this.owner.sendData(this, data, end);
  }

  /** Ends both directions at once. */
  reset(code: ErrorName, error?: Error): void {
    const why = error ?? new Http2Error(code, `Reset with ${code}`, this.id);
    this.owner.resetStream(this, code, why);
  }

  /** Takes a frame's data. */
  push(data: Uint8Array): void {
    this.#got += data.length;
    this.#checkLength(this.#got > (this.expected ?? Infinity));
    if (this.#cancelled) return this.owner.consume(this, data.length);
    if (data.length > 0) this.#queue.push(data);
    this.#wake();
  }

  /** Takes the end. */
  finish(): void {
    this.#checkLength(this.#got !== (this.expected ?? this.#got));
    this.received = true;
    this.#wake();
    this.onEnd();
  }

  /** Ends what has not ended. @returns how many bytes nobody will read */
  fail(error: Error): number {
    this.error ??= error;
    // What is complete can still be read, even if the other direction has failed.
    if (this.received) return 0;
    this.received = this.#failed = true;
    this.#controller.error(error);
    this.#wake();
    this.onError(error);
    return this.#discard();
  }

  async #pull(): Promise<void> {
    const waits = () =>
      this.#queue.length + this.#front.length === 0 && !this.received;
    while (waits() && !this.#cancelled) {
      await new Promise<void>((wake) => this.#wake = wake);
    }
    if (this.#failed || this.#cancelled) return;
    if (this.#front.length === 0) {
      this.#front = this.#queue.reverse();
      this.#queue = [];
    }
    const data = this.#front.pop();
    if (data) {
      this.#controller.enqueue(data);
      this.owner.consume(this, data.length);
    } else this.#controller.close();
  }

  #discard(): number {
    const all = [...this.#front, ...this.#queue];
    this.#front = [];
    this.#queue = [];
    return all.reduce((sum, data) => sum + data.length, 0);
  }

  #checkLength(wrong: boolean): void {
    if (!wrong) return;
    const { expected, id } = this;
    throw new Http2Error(
      "PROTOCOL_ERROR",
      `Cannot take a body of ${this.#got} bytes: content-length is ${expected}`,
      id,
    );
  }
}

if (import.meta.main) {
  const nothing = () => {};
  const stream: Stream = new Stream(
    {
      ready: Promise.resolve(),
      sendHeaders: nothing,
      sendData: () => Promise.resolve(),
      resetStream: nothing,
      consume: (_, size) => console.log(`read, and given back: ${size} bytes`),
    },
    1,
    0,
    10,
  );
  stream.begun = true;
  for (const text of ["Hello", ", ", "stream 1"]) {
    stream.push(new TextEncoder().encode(text));
    console.log(`arrived: ${text.length} bytes`);
  }
  stream.finish();
  console.log(await new Response(stream.body).text());
}
