#!/usr/bin/env -S deno run
/**
 * Q. A stream of bytes is to be secret, and no bit of it changed. How does TLS do that?
 *
 * A. It cuts the stream into records of at most 16,384 bytes: a header of five bytes with
 * type and length, then the content. Once there are keys, the content is encrypted with
 * AES-GCM, which adds 16 bytes that only the same key, nonce, header and text give. The nonce
 * is the record's number, added to the iv: nobody sends it, and so a record that is left
 * out, doubled or put elsewhere does not open. The true type is encrypted, too; outside all
 * say "data". The end is a message of its own, close_notify, for else whoever cuts the
 * connection could cut the text.
 *
 * Trap: the same nonce twice under one key: then both texts can be had without it.
 * Left out: other ciphers, compression (which TLS 1.3 has dropped), TLS 1.2.
 * Source: RFC 8446 section 5; alerts: section 6.
 * Run: `deno run tls_record.ts`
 * @module
 */
import { type ByteStream, memoryPair } from "./http2_stream.ts";
import { concat } from "./http_message.ts";
import type { Bytes, TrafficKeys } from "./tls_keys.ts";

/** Why a connection ends, by the number that the other side is told. */
export const ALERTS = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  user_canceled: 90,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  certificate_required: 116,
  no_application_protocol: 120,
} as const;
export type AlertName = keyof typeof ALERTS;

/** Why there is no connection, or no more. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  /** @param code what the other side is told, or "closed" if it ended by itself */
  constructor(readonly code: AlertName | "closed", message: string) {
    super(message);
  }
}

/** What a record may hold. */
export const TYPES = {
  change_cipher_spec: 20,
  alert: 21,
  handshake: 22,
  data: 23,
} as const;
export type Type = keyof typeof TYPES;

/** A record as it is meant. */
export interface TlsRecord {
  readonly type: Type;
  readonly content: Bytes;
}

/** Called with each record, as it went over the network, and as it is meant. */
export type ObserveRecord = (
  sent: boolean,
  wire: Bytes,
  record: TlsRecord,
) => void;

const HEADER = 5;
const TAG = 16;
/** The longest content, in bytes, and what encryption may add to it. */
const MOST_CONTENT = 2 ** 14;
const MOST_ADDED = 256;
/** How many records one key may encrypt: section 5.5 has 2^24.5. */
const MOST_RECORDS = 2 ** 24;

/** One direction's encryption: keys, and the number of the next record. */
class Cipher {
  #number = 0;
  readonly #key: Promise<CryptoKey>;
  readonly #iv: Bytes;

  constructor({ key, iv }: TrafficKeys) {
    const usages: KeyUsage[] = ["encrypt", "decrypt"];
    this.#key = crypto.subtle.importKey("raw", key, "AES-GCM", false, usages);
    this.#iv = iv;
  }

  async run(what: "encrypt" | "decrypt", header: Bytes, text: Bytes) {
    if (this.#number === MOST_RECORDS) {
      const why = `Cannot ${what} more than ${MOST_RECORDS} records by one key`;
      throw new TlsError("internal_error", why);
    }
    const algorithm = {
      ...{ name: "AES-GCM", additionalData: header, tagLength: 8 * TAG },
      iv: nonceOf(this.#iv, this.#number++),
    };
    const key = await this.#key;
    return new Uint8Array(await crypto.subtle[what](algorithm, key, text));
  }
}

/** The iv, with the record's number added bit by bit to its last bytes. */
export function nonceOf(iv: Uint8Array, number: number): Bytes {
  const nonce = new Uint8Array(iv);
  let rest = number;
  for (let i = nonce.length - 1; rest > 0; i--) {
    nonce[i] ^= rest % 256;
    rest = Math.floor(rest / 256);
  }
  return nonce;
}

/** Records over a stream of bytes; in the clear, until a direction has keys. */
export class Records {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #observe: ObserveRecord;
  #left: Uint8Array = new Uint8Array();
  #reads: Cipher | undefined;
  #writes: Cipher | undefined;
  /** Whether the other side has shown that it has the keys. */
  #proved = false;
  /** When all before is sent: records must go in the order of their numbers. */
  #sent = Promise.resolve();
  /** When the last record that has come is decrypted. */
  #opened: Promise<unknown> = Promise.resolve();

  constructor(stream: ByteStream, observe: ObserveRecord = () => {}) {
    this.#reader = stream.readable.getReader();
    this.#writer = stream.writable.getWriter();
    this.#observe = observe;
  }

  /** From the next record on the other side encrypts with these. */
  readWith(keys: TrafficKeys): void {
    this.#reads = new Cipher(keys);
  }

  /**
   * @returns undefined if the stream has ended between two records
   * @throws {TlsError} if it ends within one, or a record is not as it must be
   */
  async read(): Promise<TlsRecord | undefined> {
    const header = await this.#take(HEADER);
    if (header === undefined) return undefined;
    const type = typeOf(header[0]);
    const size = header[3] << 8 | header[4];
    const secret = this.#reads !== undefined && type === "data";
    const most = MOST_CONTENT + (secret ? MOST_ADDED : 0);
    if (size > most) {
      const why = `Cannot read a record of ${size} bytes: ${most} at most`;
      throw new TlsError("record_overflow", why);
    }
    const body = await this.#take(size) ?? new Uint8Array();
    // In the clear after there are keys come only a sign for old boxes on the way, and an
    // alert of a side that has not come to the keys.
    const early = type === "alert" && !this.#proved;
    if (this.#reads && !secret && type !== "change_cipher_spec" && !early) {
      const why = `Cannot read a record of type ${type} in the clear here`;
      throw new TlsError("unexpected_message", why);
    }
    const record = secret
      ? await this.#open(header, body)
      : { type, content: body };
    this.#observe(false, concat([header, body]), record);
    return record;
  }

  /** What is sent from now on is encrypted by these. */
  writeWith(keys: TrafficKeys): void {
    this.#sent = this.#sent.then(() => void (this.#writes = new Cipher(keys)));
    this.#sent.catch(() => {});
  }

  /** Cuts content into records, and sends them, after all that was to be sent before. */
  write(type: Type, content: Uint8Array): Promise<void> {
    this.#sent = this.#sent.then(async () => {
      let at = 0;
      do {
        const part = content.slice(at, at + MOST_CONTENT);
        await this.#send({ type, content: new Uint8Array(part) });
        at += MOST_CONTENT;
      } while (at < content.length);
    });
    // Whoever sends gets the error; what is sent after it fails by itself.
    this.#sent.catch(() => {});
    return this.#sent;
  }

  /** When all is sent that was to be sent, or cannot be, and nothing is being read. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#sent, this.#opened]);
  }

  /** Drops what still comes: whoever is busy sending would not read what is sent. */
  drop(): void {
    const read = async () => {
      while (!(await this.#reader.read()).done);
    };
    read().catch(() => {});
  }

  /** Ends the stream, once all is sent that was to be sent. */
  end(): void {
    this.drop();
    this.#sent.then(() => this.#writer.close())
      .catch((error) => this.#writer.abort(error)).catch(() => {});
  }

  /** Ends it at once. */
  abort(reason: Error): void {
    this.#writer.abort(reason).catch(() => {});
    this.#reader.cancel(reason).catch(() => {});
  }

  async #send(record: TlsRecord): Promise<void> {
    const { type, content } = record;
    const secret = this.#writes !== undefined;
    const size = secret ? content.length + 1 + TAG : content.length;
    const outer = secret ? TYPES.data : TYPES[type];
    // Version 1.2, which TLS 1.3 still says here.
    const header = Uint8Array.of(outer, 3, 3, size >> 8, size);
    const body = this.#writes
      ? await this.#writes.run(
        "encrypt",
        header,
        concat([content, Uint8Array.of(TYPES[type])]),
      )
      : content;
    const wire = concat([header, body]);
    this.#observe(true, wire, record);
    await this.#writer.write(wire);
  }

  async #open(header: Bytes, body: Bytes): Promise<TlsRecord> {
    const opened = this.#reads!.run("decrypt", header, body);
    this.#opened = opened;
    const text = await opened.catch((error) => {
      if (error instanceof TlsError) throw error;
      const why = "Cannot decrypt a record: it was changed, or left out";
      throw new TlsError("bad_record_mac", why);
    });
    this.#proved = true;
    // Zeros may hide how long it is; the type stands before them.
    const end = text.findLastIndex((byte) => byte !== 0);
    // The zeros count, too.
    const size = text.length - 1;
    if (end < 0 || size > MOST_CONTENT) {
      const code = end < 0 ? "unexpected_message" : "record_overflow";
      const what = end < 0 ? "without a type" : `of ${size} bytes`;
      throw new TlsError(code, `Cannot read an encrypted record ${what}`);
    }
    const type = typeOf(text[end]);
    if (type === "change_cipher_spec") {
      const why = `Cannot read a record of type ${type} encrypted`;
      throw new TlsError("unexpected_message", why);
    }
    return { type, content: text.slice(0, end) };
  }

  /** So many bytes; undefined if the stream has ended before the first. */
  async #take(count: number): Promise<Bytes | undefined> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      if (this.#left.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done && at === 0 && count === HEADER) return undefined;
        if (done) {
          const why = "The connection ended in the middle of a record";
          throw new TlsError("closed", why);
        }
        this.#left = value;
      }
      const part = this.#left.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      this.#left = this.#left.subarray(part.length);
    }
    return bytes;
  }
}

function typeOf(number: number): Type {
  for (const [name, value] of Object.entries(TYPES)) {
    if (value === number) return name as Type;
  }
  const why = `Cannot read a record of type ${number}: is this TLS?`;
  throw new TlsError("unexpected_message", why);
}

if (import.meta.main) {
  const keys = {
    key: crypto.getRandomValues(new Uint8Array(16)),
    iv: crypto.getRandomValues(new Uint8Array(12)),
  };
  const [near, far] = memoryPair();
  const [sender, receiver] = [
    new Records(near, (_, wire) => console.log(`on the way: ${wire.toHex()}`)),
    new Records(far),
  ];
  sender.writeWith(keys);
  receiver.readWith(keys);
  for (const text of ["attack at dawn", "attack at dawn"]) {
    const sent = sender.write("data", new TextEncoder().encode(text));
    const record = await receiver.read();
    await sent;
    console.log(`received: ${new TextDecoder().decode(record?.content)}`);
  }
}
