#!/usr/bin/env -S deno run
/**
 * Q. What do client and server say to each other before they trust each other?
 *
 * A. Two Hellos, which agree on a cipher and exchange shares of a key (tls_hello.ts). From
 * there on all is encrypted. EncryptedExtensions: the protocol that the server chose.
 * Certificate: who it is. CertificateVerify: a signature over all messages so far, which
 * only who has the key can make. Finished: a check by the new keys that both have seen the
 * same. The client answers with its own Finished, and in the same flight its first request.
 * Each message has a type and a length, and does not care where records begin and end.
 *
 * Trap: to check the certificate, and not CertificateVerify: certificates are public, so
 * anybody can send Google's.
 * Left out: client certificates, tickets for a next visit.
 * Source: RFC 8446 section 4; ALPN: RFC 7301.
 * Run: `deno run tls_messages.ts`
 * @module
 */
import { concat } from "./http_message.ts";
import { TlsError } from "./tls_record.ts";
import type { Bytes } from "./tls_keys.ts";

/** Messages by their number. */
export const MESSAGES: Record<number, string> = {
  1: "ClientHello",
  2: "ServerHello",
  4: "NewSessionTicket",
  8: "EncryptedExtensions",
  11: "Certificate",
  13: "CertificateRequest",
  15: "CertificateVerify",
  20: "Finished",
  24: "KeyUpdate",
};

/** A message of the handshake. */
export interface Message {
  /** As in {@link MESSAGES}, or its number. */
  readonly name: string;
  readonly body: Uint8Array;
  /** With its head of four bytes, as it is hashed. */
  readonly whole: Bytes;
}

/** Extensions by name. */
export const EXTENSIONS = {
  server_name: 0,
  supported_groups: 10,
  signature_algorithms: 13,
  alpn: 16,
  supported_versions: 43,
  key_share: 51,
} as const;
export type Extension = keyof typeof EXTENSIONS;

/** Methods of signing the handshake, the ones this client knows. */
export const SCHEMES = {
  ecdsa_secp256r1_sha256: 0x0403,
  ecdsa_secp384r1_sha384: 0x0503,
  rsa_pss_rsae_sha256: 0x0804,
  ed25519: 0x0807,
} as const;
/** The longest message, in bytes; chains of certificates are a few thousand. */
const LONGEST = 2 ** 16;
/** The type of a message and its length. */
const HEAD = 4;

/** A number of so many bytes. */
export const number = (x: number, size: number): number[] =>
  Array.from({ length: size }, (_, i) => x / 256 ** (size - 1 - i) & 255);

/** Bytes with their length before them, as a number of so many bytes. */
export const vector = (size: number, bytes: Iterable<number>): number[] => {
  const all = [...bytes];
  return [...number(all.length, size), ...all];
};

export const shorts = (values: readonly number[]) =>
  vector(2, values.flatMap((x) => number(x, 2)));

export const text = (value: string) => new TextEncoder().encode(value);

export function message(name: string, body: readonly number[]): Message {
  const [type] = Object.entries(MESSAGES).find(([, n]) => n === name)!;
  const whole = Uint8Array.from([Number(type), ...vector(3, body)]);
  return { name, body: whole.subarray(4), whole };
}

export const extensions = (all: readonly (readonly [Extension, number[]])[]) =>
  vector(
    2,
    all.flatMap(([name, body]) => [
      ...number(EXTENSIONS[name], 2),
      ...vector(2, body),
    ]),
  );

/** A list of protocols by name, as ALPN has it. */
export const protocolList = (protocols: readonly string[]) =>
  vector(2, protocols.flatMap((name) => vector(1, text(name))));

/** @param protocol that the server chose, if any */
export const encryptedExtensions = (protocol?: string): Message =>
  message(
    "EncryptedExtensions",
    extensions(
      protocol === undefined ? [] : [["alpn", protocolList([protocol])]],
    ),
  );

/** @param chain in DER, the server's own first */
export const certificateMessage = (chain: readonly Uint8Array[]): Message =>
  message("Certificate", [
    ...vector(1, []),
    ...vector(3, chain.flatMap((der) => [...vector(3, der), 0, 0])),
  ]);

/** @param signature by ECDSA, in DER */
export const certificateVerify = (signature: Uint8Array): Message =>
  message("CertificateVerify", [
    ...number(SCHEMES.ecdsa_secp256r1_sha256, 2),
    ...vector(2, signature),
  ]);

export const finished = (check: Uint8Array): Message =>
  message("Finished", [...check]);

/** @param asks whether the other side shall do the same */
export const keyUpdate = (asks: boolean): Message =>
  message("KeyUpdate", [asks ? 1 : 0]);

/** Reads numbers and vectors. Each method throws a {@link TlsError}. */
export class Reader {
  #at = 0;
  constructor(readonly what: string, readonly bytes: Uint8Array) {}

  get left(): number {
    return this.bytes.length - this.#at;
  }
  take(count: number): Uint8Array {
    if (count > this.left) {
      const why = `Cannot read ${this.what}: it ends too early`;
      throw new TlsError("decode_error", why);
    }
    this.#at += count;
    return this.bytes.subarray(this.#at - count, this.#at);
  }
  number(size: number): number {
    return this.take(size).reduce((sum, byte) => 256 * sum + byte, 0);
  }
  vector(size: number): Uint8Array {
    return this.take(this.number(size));
  }
  shorts(): number[] {
    const list = new Reader(this.what, this.vector(2));
    const values: number[] = [];
    while (list.left > 0) values.push(list.number(2));
    return values;
  }
  end(): void {
    if (this.left === 0) return;
    const why = `Cannot read ${this.what}: ${this.left} bytes too many`;
    throw new TlsError("decode_error", why);
  }
}

/** Puts messages together from records, which may hold a part of one, or several. */
export class MessageReader {
  #parts: Uint8Array[] = [];
  #size = 0;
  /** How many bytes it takes until there is something to do. */
  #wanted = HEAD;

  /** @returns the messages that are whole by now @throws {TlsError} */
  push(content: Uint8Array): Message[] {
    this.#parts.push(content);
    this.#size += content.length;
    const messages: Message[] = [];
    // Else many small records would mean to copy a long message many times.
    if (this.#size < this.#wanted) return messages;
    const bytes = concat(this.#parts);
    this.#wanted = HEAD;
    let at = 0;
    while (bytes.length - at >= HEAD) {
      const [type, high, middle, low] = bytes.subarray(at, at + HEAD);
      const size = high << 16 | middle << 8 | low;
      if (size > LONGEST) {
        const why =
          `Cannot read a message of ${size} bytes: ${LONGEST} at most`;
        throw new TlsError("decode_error", why);
      }
      this.#wanted = HEAD + size;
      if (at + this.#wanted > bytes.length) break;
      const whole = bytes.slice(at, at + this.#wanted);
      const name = MESSAGES[type] ?? `message ${type}`;
      messages.push({ name, body: whole.subarray(HEAD), whole });
      at += this.#wanted;
      this.#wanted = HEAD;
    }
    this.#parts = [bytes.slice(at)];
    this.#size = bytes.length - at;
    return messages;
  }

  /** Whether a part of a message is left: where the keys change there must be none. */
  get isEmpty(): boolean {
    return this.#size === 0;
  }
}

/** A message that must be the next. @throws {TlsError} */
export function need(message: Message | undefined, name: string): Message {
  if (message?.name === name) return message;
  const why = `Cannot go on with ${message?.name}: ${name} must be next`;
  throw new TlsError("unexpected_message", why);
}

/** Extensions by number. @throws {TlsError} */
export function readExtensions(what: string, bytes: Uint8Array) {
  const found = new Map<number, Uint8Array>();
  const from = new Reader(what, bytes);
  while (from.left > 0) {
    const type = from.number(2);
    if (found.has(type)) {
      const why = `Cannot read ${what}: extension ${type} stands twice`;
      throw new TlsError("illegal_parameter", why);
    }
    found.set(type, from.vector(2));
  }
  return found;
}

/**
 * Answers to extensions must have been asked for, and each has its message.
 * @param allowed those that this message may have
 * @throws {TlsError} if there is another one
 */
export function checkAnswers(
  what: string,
  answers: ReadonlyMap<number, Uint8Array>,
  allowed: readonly Extension[],
): void {
  const numbers: number[] = allowed.map((name) => EXTENSIONS[name]);
  for (const id of answers.keys()) {
    if (numbers.includes(id)) continue;
    const known = Object.values<number>(EXTENSIONS).includes(id);
    const why = `Cannot read ${what}: extension ${id} does not belong there`;
    const code = known ? "illegal_parameter" : "unsupported_extension";
    throw new TlsError(code, why);
  }
}

/** Bytes as text, with all that stands there. */
export const decode = (bytes: Uint8Array) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** What an extension says. @throws {TlsError} if it is not there */
export function readerOf(
  extensions: ReadonlyMap<number, Uint8Array>,
  name: Extension,
  what: string,
): Reader {
  const body = extensions.get(EXTENSIONS[name]);
  if (body) return new Reader(`${name} of ${what}`, body);
  throw new TlsError("missing_extension", `${what} has no ${name}`);
}

/**
 * The protocol that the server chose, if any.
 * @param allowed which extensions may come; any, if not given
 * @throws {TlsError}
 */
export function readProtocol(
  { name, body }: Message,
  allowed?: readonly Extension[],
): string | undefined {
  const from = new Reader(name, body);
  const extensions = readExtensions(name, from.vector(2));
  from.end();
  if (allowed) checkAnswers(name, extensions, allowed);
  if (!extensions.has(EXTENSIONS.alpn)) return undefined;
  const list = readerOf(extensions, "alpn", name);
  const inner = new Reader(name, list.vector(2));
  const protocol = decode(inner.vector(1));
  inner.end();
  list.end();
  return protocol;
}

/** The server's certificates in DER, its own first. @throws {TlsError} */
export function readCertificates({ name, body }: Message): Uint8Array[] {
  const from = new Reader(name, body);
  from.vector(1);
  const list = new Reader(name, from.vector(3));
  from.end();
  const chain: Uint8Array[] = [];
  while (list.left > 0) {
    chain.push(list.vector(3));
    // This client asks for none.
    checkAnswers(name, readExtensions(name, list.vector(2)), []);
  }
  return chain;
}

/** @returns the method's number and the signature @throws {TlsError} */
export function readVerify({ name, body }: Message): [number, Uint8Array] {
  const from = new Reader(name, body);
  const scheme = from.number(2);
  const signature = from.vector(2);
  from.end();
  return [scheme, signature];
}

if (import.meta.main) {
  const messages = [
    encryptedExtensions("h2"),
    certificateMessage([new Uint8Array(5)]),
    certificateVerify(new Uint8Array(4)),
    finished(new Uint8Array(32)),
  ];
  const all = messages.flatMap(({ whole }) => [...whole]);
  const reader = new MessageReader();
  for (let at = 0; at < all.length; at += 20) {
    const part = Uint8Array.from(all.slice(at, at + 20));
    const names = reader.push(part).map(({ name }) => name);
    console.log(part.toHex().padEnd(41), names.join(", "));
  }
}
