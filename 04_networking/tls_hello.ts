#!/usr/bin/env -S deno run
/**
 * Q. What is in the first two messages of TLS, which everybody can read?
 *
 * A. ClientHello: a random number, the ciphers it can do, and in extensions all that counts:
 * the server's name, the protocols for later, the methods of signing, the version, and a
 * share of a key already, by a good guess at the curve. ServerHello: its choice, and its
 * share. So after one message each both have keys, and the certificate needs not be sent in
 * the clear. What stays readable is the name of the server, and that is what networks that
 * want to know where you go look at.
 *
 * Trap: to take the version 3,3 at the start for what is spoken: that is in an extension.
 * Left out: asking for another curve (HelloRetryRequest), hiding the name (ECH).
 * Source: RFC 8446 sections 4.1 and 4.2; server name: RFC 6066 section 3.
 * Run: `deno run tls_hello.ts`
 * @module
 */
import {
  checkAnswers,
  decode,
  type Extension,
  EXTENSIONS,
  extensions,
  type Message,
  message,
  number,
  protocolList,
  Reader,
  readerOf,
  readExtensions,
  SCHEMES,
  shorts,
  text,
  vector,
} from "./tls_messages.ts";
import { TlsError } from "./tls_record.ts";

/** A Hello of either side. */
export interface Hello {
  /** (32,) */
  readonly random: Uint8Array;
  readonly session: Uint8Array;
  /** What the client can do, or the one that the server chose. */
  readonly ciphers: readonly number[];
  /** How what is encrypted could be compressed: 0, not at all. */
  readonly compressions: Uint8Array;
  readonly extensions: ReadonlyMap<number, Uint8Array>;
}

const TLS_1_3 = 0x0304;
/** TLS_AES_128_GCM_SHA256, which everybody must have. */
export const CIPHER = 0x1301;
const X25519 = 0x001d;
/** And in certificates only. */
const CERTIFICATE_SCHEMES = [0x0401, 0x0501, 0x0601];
/** The random number of a ServerHello that asks for another curve: SHA-256 of a text. */
const RETRY =
  "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
const shareEntry = (share: Uint8Array) => [
  ...number(X25519, 2),
  ...vector(2, share),
];

/** The first message. @param host without a dot at its end in the message */
export function clientHello(
  { random, host, share, protocols }: {
    readonly random: Uint8Array;
    readonly host?: string;
    readonly share: Uint8Array;
    readonly protocols: readonly string[];
  },
): Message {
  const known = [...Object.values(SCHEMES), ...CERTIFICATE_SCHEMES];
  return message("ClientHello", [
    ...[3, 3],
    ...random,
    ...vector(1, []),
    ...shorts([CIPHER]),
    ...vector(1, [0]), // no compression
    ...extensions([
      ...(host === undefined ? [] : [
        [
          "server_name",
          vector(2, [0, ...vector(2, text(host.replace(/\.$/, "")))]),
        ] as const,
      ]),
      ["supported_groups", shorts([X25519])],
      ["signature_algorithms", shorts(known)],
      ...(protocols.length === 0 ? [] : [
        ["alpn", protocolList(protocols)] as const,
      ]),
      ["supported_versions", vector(1, number(TLS_1_3, 2))],
      ["key_share", vector(2, shareEntry(share))],
    ]),
  ]);
}

/** The answer. @param session as the client's */
export const serverHello = (
  random: Uint8Array,
  session: Uint8Array,
  share: Uint8Array,
): Message =>
  message("ServerHello", [
    ...[3, 3],
    ...random,
    ...vector(1, session),
    ...number(CIPHER, 2),
    0,
    ...extensions([
      ["key_share", shareEntry(share)],
      ["supported_versions", number(TLS_1_3, 2)],
    ]),
  ]);

/** @throws {TlsError} */
export function readHello({ name, body }: Message): Hello {
  const from = new Reader(name, body);
  from.take(2); // the version, which no longer says anything
  const random = from.take(32);
  const session = from.vector(1);
  if (session.length > 32) {
    const why = `Cannot read ${name}: a session of ${session.length} bytes`;
    throw new TlsError("decode_error", why);
  }
  const client = name === "ClientHello";
  const ciphers = client ? from.shorts() : [from.number(2)];
  const compressions = client ? from.vector(1) : from.take(1);
  // Before TLS 1.3 there were Hellos without any.
  const extensions = from.left > 0
    ? readExtensions(name, from.vector(2))
    : new Map();
  from.end();
  return { random, session, ciphers, compressions, extensions };
}

/** What the server chose. @returns its share @throws {TlsError} if it is no TLS 1.3 */
export function readServerHello(message: Message): Uint8Array {
  const hello = readHello(message);
  const { random, session, ciphers, extensions } = hello;
  if (random.toHex() === RETRY) {
    const why = "The server wants another curve than X25519";
    throw new TlsError("handshake_failure", why);
  }
  const version = extensions.get(EXTENSIONS.supported_versions);
  if (version?.toHex() !== "0304") {
    const code = version ? "illegal_parameter" : "protocol_version";
    throw new TlsError(code, "The server does not speak TLS 1.3");
  }
  if (ciphers[0] !== CIPHER || session.length > 0 || compresses(hello)) {
    const why = "The server chose what was not offered";
    throw new TlsError("illegal_parameter", why);
  }
  const from = readerOf(extensions, "key_share", message.name);
  checkAnswers(message.name, extensions, ["key_share", "supported_versions"]);
  const group = from.number(2);
  const share = from.vector(2);
  from.end();
  if (group === X25519) return share;
  const why = `The server's share is of curve ${group}, not of X25519`;
  throw new TlsError("illegal_parameter", why);
}

const compresses = ({ compressions }: Hello) => compressions.toHex() !== "00";

/** What a client offers, as far as a server needs it. */
export interface Offer {
  readonly session: Uint8Array;
  readonly share: Uint8Array;
  readonly host?: string;
  readonly protocols: readonly string[];
}

/** @throws {TlsError} if the client has nothing that this server can do */
export function readClientHello(message: Message): Offer {
  const hello = readHello(message);
  const { session, ciphers, extensions } = hello;
  const listed = (name: Extension, size = 2) => {
    const from = readerOf(extensions, name, message.name);
    const list = new Reader(message.name, from.vector(size));
    from.end();
    return list;
  };
  const has = (list: Reader, wanted: number) => {
    let found = false;
    while (list.left > 0) found = list.number(2) === wanted || found;
    return found;
  };
  if (
    !extensions.has(EXTENSIONS.supported_versions) ||
    !has(listed("supported_versions", 1), TLS_1_3)
  ) {
    throw new TlsError("protocol_version", "The client does not speak TLS 1.3");
  }
  if (compresses(hello)) {
    throw new TlsError("illegal_parameter", "The client wants to compress");
  }
  // Whoever sends shares says of which groups they may be.
  readerOf(extensions, "supported_groups", message.name);
  const scheme = SCHEMES.ecdsa_secp256r1_sha256;
  if (
    !ciphers.includes(CIPHER) || !has(listed("signature_algorithms"), scheme)
  ) {
    const why = "The client has no cipher or signature that this server has";
    throw new TlsError("handshake_failure", why);
  }
  let share: Uint8Array | undefined;
  for (const shares = listed("key_share"); shares.left > 0;) {
    const group = shares.number(2);
    const bytes = shares.vector(2);
    if (group === X25519) share ??= bytes;
  }
  if (!share) {
    const why = "The client has sent no share of X25519";
    throw new TlsError("handshake_failure", why);
  }
  const protocols: string[] = [];
  if (extensions.has(EXTENSIONS.alpn)) {
    const list = listed("alpn");
    while (list.left > 0) protocols.push(decode(list.vector(1)));
  }
  let host: string | undefined;
  if (extensions.has(EXTENSIONS.server_name)) {
    const list = listed("server_name");
    list.take(1);
    host = decode(list.vector(2));
  }
  return { session, share, protocols, ...(host !== undefined && { host }) };
}

if (import.meta.main) {
  const random = crypto.getRandomValues(new Uint8Array(32));
  const share = crypto.getRandomValues(new Uint8Array(32));
  const hello = clientHello({
    ...{ random, host: "www.google.com", share },
    protocols: ["h2", "http/1.1"],
  });
  console.log(`${hello.name}, ${hello.whole.length} bytes`);
  const names = Object.entries(EXTENSIONS);
  for (const [id, bytes] of readHello(hello).extensions) {
    const name = names.find(([, number]) => number === id)?.[0];
    console.log(`  ${name?.padEnd(20)} ${bytes.toHex()}`);
  }
}
