#!/usr/bin/env -S deno run
/**
 * Q. HTTP/2 over a slow link: what must a sender of a large body wait for?
 *
 * A. For three things: the stream's window, the connection's window, and the transport
 * itself. A frame takes no more than the smallest of the windows and the peer's frame
 * size, and after each frame the other streams have their turn, so that a large download
 * does not hold up a small one. Headers do not count; but the frames of one block go out
 * with nothing in between. A new INITIAL_WINDOW_SIZE changes the windows of open streams
 * by the difference, and that may make them negative.
 *
 * Trap: a peer that asks and never reads the answers fills the memory: count those.
 * Left out: priorities.
 * Source: RFC 9113, 4.2, 4.3, 5.2, 6.5 and 6.9; the attack: CVE-2019-9512.
 * Run: `deno run http2_sender.ts`
 * @module
 */
import {
  DEFAULT_TABLE_SIZE,
  type Header,
  headerSize,
  HpackEncoder,
} from "./hpack.ts";
import {
  DEFAULT_FRAME_SIZE,
  DEFAULT_WINDOW,
  describeFrame,
  encodeFrame,
  ERROR_NAMES,
  type ErrorName,
  type Frame,
  Http2Error,
  MAX_WINDOW,
  SETTING,
} from "./http2_frames.ts";

/** What is known of a stream here. */
export interface Outgoing {
  readonly id: number;
  sendWindow: number;
  /** Whether END_STREAM has been sent. */
  sent: boolean;
  /** Why nothing can be sent any more. */
  error: Error | undefined;
}

/** How many answers to PING and the like may wait for a peer that does not read. */
export const MAX_REPLIES = 1000;

/** The sending half of a connection, and what the peer allows it. */
export class Sender {
  /** The peer's settings. */
  readonly peer = {
    window: DEFAULT_WINDOW,
    frameSize: DEFAULT_FRAME_SIZE,
    streams: Infinity,
    listSize: Infinity,
  };
  #encoder = new HpackEncoder();
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #window = DEFAULT_WINDOW;
  #replies = 0;
  #last = MAX_WINDOW;
  #ended = false;
  #changed = Promise.withResolvers<void>();

  /**
   * @param observe called with each frame before it is written
   * @param onError called if nothing can be written any more, or the peer reads nothing
   */
  constructor(
    writable: WritableStream<Uint8Array>,
    readonly observe: (frame: Frame) => void,
    readonly onError: (error: Http2Error) => void,
  ) {
    this.#writer = writable.getWriter();
  }

  /** Resolves when a window, a setting or the number of streams has changed. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Resolves when the transport can take more, or nothing any more. */
  get ready(): Promise<void> {
    return this.#writer.ready.catch(() => {});
  }

  /** Lets all who wait look again. */
  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  send(frame: Frame): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.observe(frame);
    return this.write(encodeFrame(frame));
  }

  /** Tells the peer our settings. */
  sendSettings(settings: [id: number, value: number][]): void {
    this.send({ type: "SETTINGS", stream: 0, ack: false, settings });
  }

  /** Tells the peer that no stream after its `last` will be answered, and why. */
  goAway(last: number, name: ErrorName, message = ""): void {
    const code = ERROR_NAMES.indexOf(name);
    const debug = new TextEncoder().encode(message);
    // What was given up once may have been sent again elsewhere.
    this.#last = Math.min(this.#last, last);
    this.send({ type: "GOAWAY", stream: 0, last: this.#last, code, debug });
  }

  /** Sends what the peer has caused; it is an error if that is much, and it reads nothing. */
  reply(frame: Frame): void {
    this.#replies++;
    this.send(frame).finally(() => this.#replies--);
    if (this.#replies <= MAX_REPLIES) return;
    const why = `Cannot go on: ${MAX_REPLIES} answers have not been read`;
    this.onError(new Http2Error("ENHANCE_YOUR_CALM", why));
  }

  /** Headers, and CONTINUATION for what does not fit, with nothing between them. */
  sendHeaders(
    stream: Outgoing,
    headers: readonly Header[],
    end: boolean,
  ): void {
    if (stream.error) throw stream.error;
    const size = headers.reduce((sum, header) => sum + headerSize(header), 0);
    if (size > this.peer.listSize) {
      throw new Http2Error(
        "PROTOCOL_ERROR",
        `Cannot send ${size} bytes of headers: the peer takes ${this.peer.listSize}`,
        stream.id,
      );
    }
    const whole = this.#encoder.encode(headers);
    const most = this.peer.frameSize;
    for (let at = 0; at === 0 || at < whole.length; at += most) {
      const block = whole.slice(at, at + most);
      const endHeaders = at + most >= whole.length;
      const part = { stream: stream.id, block, endHeaders };
      this.send(
        at === 0
          ? { type: "HEADERS", ...part, endStream: end }
          : { type: "CONTINUATION", ...part },
      );
    }
    stream.sent ||= end;
  }

  /** DATA, a frame at a time, as both windows allow. @throws if the stream ends before */
  async sendData(
    stream: Outgoing,
    data: Uint8Array,
    end: boolean,
  ): Promise<void> {
    for (let at = 0; at < data.length || end && !stream.sent;) {
      // The transport's turn, and that of the other streams.
      await this.ready;
      if (stream.error) throw stream.error;
      const { frameSize } = this.peer;
      const room = Math.min(this.#window, stream.sendWindow, frameSize);
      if (room <= 0 && at < data.length) {
        await this.changed;
        continue;
      }
      // An empty frame needs no window.
      const part = data.slice(at, at + Math.max(room, 0));
      at += part.length;
      this.#window -= part.length;
      stream.sendWindow -= part.length;
      const endStream = end && at === data.length;
      stream.sent ||= endStream;
      this.send({ type: "DATA", stream: stream.id, data: part, endStream });
    }
  }

  /** Takes the peer's SETTINGS, and acknowledges them. */
  applySettings(
    settings: readonly (readonly [id: number, value: number])[],
    streams: Iterable<Outgoing>,
  ): void {
    for (const [id, value] of settings) {
      const check = (right: boolean, code: ErrorName = "PROTOCOL_ERROR") => {
        if (right) return;
        const name = Object.keys(SETTING)[id - 1];
        throw new Http2Error(code, `Cannot take SETTINGS: ${name} = ${value}`);
      };
      if (id === SETTING.HEADER_TABLE_SIZE) {
        this.#encoder.setTableSize(Math.min(value, DEFAULT_TABLE_SIZE));
      } else if (id === SETTING.ENABLE_PUSH) {
        check(value <= 1);
      } else if (id === SETTING.MAX_CONCURRENT_STREAMS) {
        this.peer.streams = value;
      } else if (id === SETTING.INITIAL_WINDOW_SIZE) {
        check(value <= MAX_WINDOW, "FLOW_CONTROL_ERROR");
        for (const stream of streams) {
          // It may become negative, and then DATA wait until it is not.
          stream.sendWindow += value - this.peer.window;
          check(stream.sendWindow <= MAX_WINDOW, "FLOW_CONTROL_ERROR");
        }
        this.peer.window = value;
      } else if (id === SETTING.MAX_FRAME_SIZE) {
        check(value >= DEFAULT_FRAME_SIZE && value < 2 ** 24);
        this.peer.frameSize = value;
      } else if (id === SETTING.MAX_HEADER_LIST_SIZE) {
        this.peer.listSize = value;
      }
    }
    this.reply({ type: "SETTINGS", stream: 0, ack: true, settings: [] });
    this.wake();
  }

  /** Takes a WINDOW_UPDATE of `stream`, or of the connection. */
  addWindow(id: number, increment: number, stream?: Outgoing): void {
    const check = (right: boolean, code: ErrorName, why: string) => {
      if (right) return;
      throw new Http2Error(code, `Cannot take WINDOW_UPDATE: ${why}`, id);
    };
    check(increment > 0, "PROTOCOL_ERROR", "it adds 0 bytes");
    const window = id === 0 ? this.#window : stream?.sendWindow ?? 0;
    const right = window + increment <= MAX_WINDOW;
    check(right, "FLOW_CONTROL_ERROR", `more than ${MAX_WINDOW} bytes`);
    if (id === 0) this.#window += increment;
    else if (stream) stream.sendWindow += increment;
    this.wake();
  }

  /** Sends nothing further. */
  end(): void {
    this.#ended = true;
    this.wake();
    this.#writer.close().catch(() => {});
  }

  /** Sends bytes that are no frame: the preface. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes).catch((error) => {
      const why = `Cannot write: ${error?.message ?? "the peer is gone"}`;
      this.onError(new Http2Error("INTERNAL_ERROR", why));
    });
  }
}

if (import.meta.main) {
  const sender = new Sender(
    new WritableStream(),
    (frame) => console.log(describeFrame(frame)),
    console.error,
  );
  const stream = { id: 1, sendWindow: 20_000, sent: false, error: undefined };
  const sending = sender.sendData(stream, new Uint8Array(30_000), true);
  await new Promise((done) => setTimeout(done));
  console.log(
    `the stream's window: ${stream.sendWindow}; WINDOW_UPDATE arrives`,
  );
  sender.addWindow(1, 10_000, stream);
  await sending;
}
