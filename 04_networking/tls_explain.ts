#!/usr/bin/env -S deno run
/**
 * Q. Here are the first bytes of a TLS connection. Read them to me.
 *
 * A. 16 is a record of the handshake, 03 01 or 03 03 an old version that means nothing any
 * more, then its length. In it a message: 01, ClientHello, its length in three bytes, the
 * old version again, 32 random bytes, and lists, each with its length before it: sessions,
 * ciphers, compressions, and extensions, each with a number and a length. After ServerHello
 * all records begin with 17, "data", and what follows only who has the key can read; here
 * that is us, so what they hold is told, too.
 *
 * Trap: to look for the certificate in the clear: in TLS 1.3 it is not there.
 * Source: RFC 8446 sections 4 and 5.
 * Run: `deno run tls_explain.ts`
 * @module
 */
import { type Field, FieldList, formatFields } from "./byte_fields.ts";
import { clientHello } from "./tls_hello.ts";
import { decode, EXTENSIONS, type Message, SCHEMES } from "./tls_messages.ts";
import { ALERTS, type TlsRecord, TYPES } from "./tls_record.ts";

/** What each field of a record means, as it went over the network. */
export function explainRecord(wire: Uint8Array, record: TlsRecord): Field[] {
  const list = new FieldList(wire);
  const secret = wire[0] === TYPES.data;
  list.next(1, `a record: ${nameOf(TYPES, wire[0])}`);
  list.next(2, "version 1.2, for old boxes on the way");
  list.next(2, `${wire.length - 5} bytes`);
  const { type, content } = record;
  if (secret) {
    const what =
      `${content.length} bytes of ${type}, the type, 16 that seal it`;
    list.rest(`encrypted: ${what}`);
  } else {
    list.rest(
      type === "alert"
        ? `alert: ${nameOf(ALERTS, content[1])}`
        : contentOf(type),
    );
  }
  return list.fields;
}

const contentOf = (type: TlsRecord["type"]) =>
  type === "change_cipher_spec" ? "for old boxes on the way" : `the ${type}`;

/** What each field of a message of the handshake means; what is damaged is not told. */
export function explainMessage(message: Message): Field[] {
  const list = new FieldList(message.whole);
  try {
    tell(message, list);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  list.rest("not told here");
  return list.fields;
}

function tell({ name, whole }: Message, list: FieldList): void {
  list.next(1, name);
  list.next(3, `${whole.length - 4} bytes`);
  const size = (bytes: number) => {
    let x = 0;
    for (const byte of whole.subarray(list.at, list.at + bytes)) {
      x = 256 * x + byte;
    }
    return x;
  };
  /** A length, and that many bytes. */
  const vector = (bytes: number, what: string) => {
    const length = size(bytes);
    list.next(bytes, `${length} bytes of ${what}`);
    if (length > 0) list.next(length, what);
  };
  const extensions = () => {
    list.next(2, `${size(2)} bytes of extensions`);
    while (list.at < whole.length) {
      const id = size(2);
      list.next(2, `extension ${nameOf(EXTENSIONS, id)}`);
      const length = size(2);
      list.next(2, `${length} bytes`);
      if (length === 0) continue;
      const body = whole.subarray(list.at, list.at + length);
      list.next(length, meaningOf(id, body, name));
    }
  };
  switch (name) {
    case "ClientHello":
    case "ServerHello":
      list.next(2, "version 1.2: the true one is in an extension");
      list.next(32, "random");
      vector(1, "session");
      if (name === "ClientHello") vector(2, "ciphers that it can do");
      else list.next(2, `cipher ${cipherOf(size(2))}`);
      if (name === "ClientHello") vector(1, "compressions, 0 for none");
      else list.next(1, "no compression");
      extensions();
      break;
    case "EncryptedExtensions":
      extensions();
      break;
    case "Certificate":
      vector(1, "context");
      list.next(3, `${size(3)} bytes of certificates`);
      while (list.at < whole.length) {
        vector(3, "a certificate");
        vector(2, "its extensions");
      }
      break;
    case "CertificateVerify":
      list.next(2, `signed by ${nameOf(SCHEMES, size(2))}`);
      vector(2, "signature");
      break;
    case "Finished":
      list.next(32, "check of all messages by the new key");
  }
}

const cipherOf = (id: number) =>
  id === 0x1301 ? "TLS_AES_128_GCM_SHA256" : id.toString(16).padStart(4, "0");

/** Numbers of two bytes that this chapter meets. */
const NAMES: Record<number, string> = {
  0x0303: "TLS 1.2",
  0x0304: "TLS 1.3",
  0x001d: "X25519",
  0x0017: "P-256",
};

/** What an extension says. */
function meaningOf(id: number, body: Uint8Array, name: string): string {
  switch (id) {
    case EXTENSIONS.server_name:
      return JSON.stringify(decode(body.subarray(5)));
    case EXTENSIONS.alpn:
      return protocolsOf(body.subarray(2)).join(", ");
    case EXTENSIONS.supported_versions:
      return namesOf(name === "ClientHello" ? body.subarray(1) : body);
    case EXTENSIONS.supported_groups:
      return namesOf(body.subarray(2));
    case EXTENSIONS.key_share: {
      const share = name === "ClientHello" ? body.subarray(2) : body;
      return `a share of a key by ${namesOf(share.subarray(0, 2))}`;
    }
    case EXTENSIONS.signature_algorithms:
      return `${body.length / 2 - 1} methods of signing`;
    default:
      return "not told here";
  }
}

function namesOf(list: Uint8Array): string {
  const numbers = Array.from(
    { length: list.length >> 1 },
    (_, i) => list[2 * i] << 8 | list[2 * i + 1],
  );
  return numbers.map((x) => NAMES[x] ?? x.toString(16).padStart(4, "0"))
    .join(", ");
}

function protocolsOf(list: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0; at < list.length; at += 1 + list[at]) {
    const name = list.subarray(at + 1, at + 1 + list[at]);
    names.push(JSON.stringify(decode(name)));
  }
  return names;
}

function nameOf(names: Readonly<Record<string, number>>, number: number) {
  const found = Object.entries(names).find(([, value]) => value === number);
  return found?.[0] ?? `${number}`;
}

if (import.meta.main) {
  const share = crypto.getRandomValues(new Uint8Array(32));
  const hello = clientHello({
    random: crypto.getRandomValues(new Uint8Array(32)),
    ...{ host: "www.google.com", share, protocols: ["h2", "http/1.1"] },
  });
  console.log(formatFields(explainMessage(hello)).join("\n"));
  const alert: TlsRecord = { type: "alert", content: Uint8Array.of(2, 42) };
  const wire = Uint8Array.of(21, 3, 3, 0, 2, 2, 42);
  console.log(formatFields(explainRecord(wire, alert)).join("\n"));
}
