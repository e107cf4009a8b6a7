#!/usr/bin/env -S deno run
/**
 * Q. What does a side of TLS have to remember, from the first message to the last byte?
 *
 * A. All messages of the handshake, for their hash goes into the keys, the signature and
 * Finished. What it reads and writes with, which changes at certain messages, and never in
 * the middle of a record. And how it ended: by close_notify all was said, and by anything
 * else something may be missing. If something is wrong, it tells the other side by an alert,
 * and ends.
 *
 * Trap: to take the end of TCP for the end of the text: anybody on the way can send a FIN.
 * Left out: tickets for a next visit, which are read and dropped.
 * Source: RFC 8446 sections 4.4.1, 4.4.4, 4.6.3, 5.1 and 6.
 * Run: `deno run tls_session.ts`
 * @module
 */
import { CertificateError } from "./certificate_check.ts";
import type { ByteStream } from "./http2_stream.ts";
import {
  type Bytes,
  finishedOf,
  nextSecret,
  sha256,
  trafficKeys,
} from "./tls_keys.ts";
import {
  finished,
  keyUpdate,
  type Message,
  MessageReader,
  need,
} from "./tls_messages.ts";
import {
  type AlertName,
  ALERTS,
  type ObserveRecord,
  Records,
  TlsError,
  type TlsRecord,
} from "./tls_record.ts";

/** A stream whose bytes are encrypted below. */
export interface TlsStream extends ByteStream {
  /** What ALPN agreed on. */
  readonly protocol?: string;
  /** When this side has sent its last byte, or has failed. */
  readonly ended: Promise<void>;
  /** When nothing is being encrypted or decrypted. */
  idle(): Promise<void>;
}

export interface SessionOptions {
  /** Ends the handshake and the stream. */
  readonly signal?: AbortSignal;
  /** Called with each record, and with each message of the handshake. */
  readonly onRecord?: ObserveRecord;
  readonly onMessage?: (sent: boolean, message: Message) => void;
}

/** What the other side is told of a certificate that is not believed. */
const CERTIFICATE_ALERTS: Record<CertificateError["code"], AlertName> = {
  malformed: "bad_certificate",
  name: "bad_certificate",
  use: "bad_certificate",
  time: "certificate_expired",
  "unknown authority": "unknown_ca",
};

/** How long the other side has to hear why it is over, in ms. */
export const GOODBYE = 100;

/** One side of a connection. */
export class Session {
  readonly #records: Records;
  readonly #options: SessionOptions;
  readonly #messages = new MessageReader();
  /** The handshake so far. */
  readonly #said: Bytes[] = [];
  /** Messages that have come, and are not yet asked for. */
  readonly #come: Message[] = [];
  readonly #over = new Set<string>();
  readonly #ended = Promise.withResolvers<void>();
  /** Whether fresh keys were asked for, and the answer has not gone out. */
  #answering = false;
  #stop = () => {};

  constructor(stream: ByteStream, options: SessionOptions = {}) {
    this.#records = new Records(stream, options.onRecord);
    this.#options = options;
  }

  /** Does something; if that fails, tells the other side why, and ends. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#options;
    const aborted = Promise.withResolvers<never>();
    const abort = () => {
      this.#records.abort(signal!.reason);
      this.#lose();
      aborted.reject(signal!.reason);
    };
    this.#stop = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    aborted.promise.catch(() => {});
    if (signal?.aborted) abort();
    try {
      signal?.throwIfAborted();
      return await Promise.race([work(), aborted.promise]);
    } catch (error) {
      throw await this.#fail(error);
    }
  }

  /** SHA-256 of all messages so far. */
  hash(): Promise<Bytes> {
    return sha256(...this.#said);
  }

  /** From now on the other side encrypts by keys of this secret. */
  async readWith(secret: Uint8Array): Promise<void> {
    if (!this.#messages.isEmpty || this.#come.length > 0) {
      const why = "Cannot change the keys in the middle of a message";
      throw new TlsError("unexpected_message", why);
    }
    this.#records.readWith(await trafficKeys(secret));
  }

  /** From now on this side does. */
  async writeWith(secret: Uint8Array): Promise<void> {
    this.#records.writeWith(await trafficKeys(secret));
  }

  async send(message: Message): Promise<void> {
    this.#said.push(message.whole);
    this.#options.onMessage?.(true, message);
    await this.#records.write("handshake", message.whole);
  }

  /** A record that means nothing: without it some boxes on the way cut the connection. */
  changeCipherSpec(): Promise<void> {
    return this.#records.write("change_cipher_spec", Uint8Array.of(1));
  }

  /** The next message, which must be this one. @throws {TlsError} */
  async receive(name: string): Promise<Message> {
    while (this.#come.length === 0) {
      const record = await this.#records.read();
      if (!record) {
        const why = `The connection ended before ${name}`;
        throw new TlsError("closed", why);
      }
      if (record.type === "alert") throw ended(record);
      if (isChangeCipherSpec(record) && this.#said.length > 0) continue;
      if (record.type !== "handshake") {
        const why = `Cannot go on with ${record.type}: ${name} must be next`;
        throw new TlsError("unexpected_message", why);
      }
      this.#come.push(...this.#pushed(record.content));
    }
    const message = need(this.#come.shift(), name);
    this.#options.onMessage?.(false, message);
    this.#said.push(message.whole);
    return message;
  }

  /** Says that this side has the keys, and has seen the same. @param secret its own */
  async sendFinished(secret: Uint8Array): Promise<void> {
    await this.send(finished(await finishedOf(secret, await this.hash())));
  }

  /** Checks that the other side does. @param secret the other's */
  async receiveFinished(secret: Uint8Array): Promise<void> {
    const expected = await finishedOf(secret, await this.hash());
    const { body } = await this.receive("Finished");
    if (body.toHex() === expected.toHex()) return;
    const why = "Finished is wrong: somebody has changed a message";
    throw new TlsError("decrypt_error", why);
  }

  /** The handshake is over; from here on there is data. @param reads secrets */
  async open(
    reads: Bytes,
    writes: Bytes,
    protocol?: string,
  ): Promise<TlsStream> {
    await this.readWith(reads);
    await this.writeWith(writes);
    const secrets = { reads, writes };
    let cancelled = false;
    let pulled = Promise.resolve();
    const pull = async (to: ReadableStreamDefaultController<Uint8Array>) => {
      try {
        const data = await this.#readData(secrets);
        if (cancelled) return;
        if (data) return to.enqueue(data);
        this.#end("read");
        to.close();
      } catch (error) {
        if (cancelled) return;
        const failure = await this.#fail(error);
        to.error(failure);
        output.error(failure);
        this.#lose();
      }
    };
    const readable = new ReadableStream<Uint8Array>({
      pull: (to) => pulled = pull(to),
      cancel: () => {
        cancelled = true;
        // A record that is being read is read to its end.
        pulled.then(() => this.#records.drop());
        this.#end("read");
      },
    }, { highWaterMark: 0 });
    let output: WritableStreamDefaultController;
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => void (output = controller),
      write: async (bytes) => {
        try {
          await this.#records.write("data", bytes);
        } catch (error) {
          this.#lose();
          throw error;
        }
      },
      close: async () => {
        await this.#tell("close_notify").finally(this.#ended.resolve);
        this.#end("written");
      },
      abort: (reason) => {
        this.#abort(reason);
        this.#lose();
      },
    });
    return {
      ...{ readable, writable, ended: this.#ended.promise },
      idle: () => this.#records.idle(),
      ...(protocol !== undefined && { protocol }),
    };
  }

  /** The next bytes; undefined if the other side has said that there are no more. */
  async #readData(
    secrets: { reads: Bytes; writes: Bytes },
  ): Promise<Uint8Array | undefined> {
    for (;;) {
      const record = await this.#records.read();
      if (!record) {
        const why = "The connection ended without a word: the text may be cut";
        throw new TlsError("closed", why);
      }
      const { type, content } = record;
      if (type === "alert") {
        const why = ended(record);
        if (content[1] === ALERTS.close_notify) return;
        // Some say so before close_notify.
        if (content[1] === ALERTS.user_canceled) continue;
        throw why;
      }
      const between = type === "data" && !this.#messages.isEmpty;
      if (type === "change_cipher_spec" || between) {
        const why = `Cannot read a record of type ${type} here`;
        throw new TlsError("unexpected_message", why);
      }
      if (type === "data" && content.length > 0) return content;
      if (type === "data") continue;
      this.#come.push(...this.#pushed(content));
      for (let next = this.#come.shift(); next; next = this.#come.shift()) {
        this.#options.onMessage?.(false, next);
        if (next.name === "NewSessionTicket") continue;
        await this.#update(need(next, "KeyUpdate"), secrets);
      }
    }
  }

  /** Messages that are whole with these bytes of the handshake. */
  #pushed(content: Uint8Array): Message[] {
    if (content.length > 0) return this.#messages.push(content);
    const why = "Cannot read a record of the handshake without bytes";
    throw new TlsError("unexpected_message", why);
  }

  /** The other side has changed its key, and may ask for the same. */
  async #update(
    { body }: Message,
    secrets: { reads: Bytes; writes: Bytes },
  ): Promise<void> {
    if (body.length !== 1 || body[0] > 1) {
      throw new TlsError("illegal_parameter", "Cannot read KeyUpdate");
    }
    secrets.reads = await nextSecret(secrets.reads);
    await this.readWith(secrets.reads);
    // One answer is enough for all that ask before it goes out.
    if (body[0] === 0 || this.#answering) return;
    this.#answering = true;
    secrets.writes = await nextSecret(secrets.writes);
    const keys = await trafficKeys(secrets.writes);
    // Both at once, so that no data comes between.
    const sent = this.#records.write("handshake", keyUpdate(false).whole);
    this.#records.writeWith(keys);
    // Nobody waits for it: the other side may send a lot before it reads.
    sent.then(() => this.#answering = false, () => {});
  }

  /** Tells the other side what is wrong, if anything can be told, and ends. */
  async #fail(thrown: unknown): Promise<Error> {
    const { signal } = this.#options;
    const broken = new TlsError("closed", "The connection broke");
    // A stream may be cancelled for any reason, or none.
    const error = thrown instanceof Error ? thrown : broken;
    if (signal?.aborted) return signal.reason;
    const alert = error instanceof TlsError
      ? error.code
      : error instanceof CertificateError
      ? CERTIFICATE_ALERTS[error.code]
      : "closed"; // the transport's
    if (alert !== "closed") await settledWithin(GOODBYE, this.#tell(alert));
    this.#stop();
    this.#records.end();
    return error;
  }

  #tell(alert: AlertName): Promise<void> {
    const level = alert === "close_notify" ? 1 : 2;
    const content = Uint8Array.of(level, ALERTS[alert]);
    return this.#records.write("alert", content);
  }

  /** One direction is over; after both so is the connection. */
  #end(direction: "read" | "written"): void {
    this.#over.add(direction);
    if (this.#over.size < 2) return;
    this.#stop();
    this.#records.end();
  }

  /** What is left to be sent is sent or lost; then it has ended. */
  #lose(): void {
    this.#records.idle().then(this.#ended.resolve);
  }

  #abort(reason: unknown): void {
    this.#stop();
    const why = "The stream was not read to its end";
    const error = reason instanceof Error
      ? reason
      : new TlsError("closed", why);
    this.#records.abort(error);
  }
}

/** Waits until something is over, well or not, but not for ever. */
export async function settledWithin(
  ms: number,
  work: Promise<unknown>,
): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([work.catch(() => {}), late.promise]);
  clearTimeout(timer);
}

function isChangeCipherSpec({ type, content }: TlsRecord): boolean {
  return type === "change_cipher_spec" && content.toHex() === "01";
}

/** What an alert says. @throws {TlsError} if it is none */
function ended({ content }: TlsRecord): TlsError {
  if (content.length !== 2) {
    const why = `Cannot read an alert of ${content.length} bytes: needs 2`;
    const code = content.length === 0 ? "unexpected_message" : "decode_error";
    throw new TlsError(code, why);
  }
  const [name] = Object.entries(ALERTS)
    .find(([, number]) => number === content[1]) ?? [`alert ${content[1]}`];
  return new TlsError("closed", `The other side ended the connection: ${name}`);
}

if (import.meta.main) {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const records: Bytes[] = [];
  const sender = new Session(
    { readable: new ReadableStream(), writable: new WritableStream() },
    { onRecord: (_, wire) => records.push(wire) },
  );
  const { writable } = await sender.open(secret, secret);
  const writer = writable.getWriter();
  await writer.write(new TextEncoder().encode("all of it"));
  await writer.close();
  for (const count of [2, 1]) {
    const receiver = new Session({
      readable: ReadableStream.from(records.slice(0, count)),
      writable: new WritableStream(),
    });
    const { readable } = await receiver.open(secret, secret);
    const text = await new Response(readable).text()
      .catch((error) => error.message);
    console.log(`${count} records: ${text}`);
  }
}
