import { assert, assertEquals } from "@std/assert";
import { explainMessage, explainRecord } from "./tls_explain.ts";
import {
  certificateMessage,
  certificateVerify,
  encryptedExtensions,
  finished,
  keyUpdate,
  MessageReader,
} from "./tls_messages.ts";
import type { TlsRecord } from "./tls_record.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const messageOf = (hex: string) => new MessageReader().push(bytes(hex))[0];

/** RFC 8448 section 3. */
const CLIENT = messageOf(
  "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7" +
    "000006130113031302010000910000000b0009000006736572766572ff01000100000a0014" +
    "0012001d0017001800190100010101020103010400230000003300260024001d002099381d" +
    "e560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b000302030400" +
    "0d0020001e0403050306030203080408050806040105010601020104020502060202020" +
    "02d00020101001c00024001",
);
const SERVER = messageOf(
  "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e26928" +
    "00130100002e00330024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833d" +
    "f1dd69b1b04e751f0f002b00020304",
);

/** Where each field is, how long, and what it means. */
const lines = (message: Parameters<typeof explainMessage>[0]) =>
  explainMessage(message).map(({ at, bytes, meaning }) =>
    `${at} ${bytes.length} ${meaning}`
  );

Deno.test("the RFC's ServerHello is told field by field", () => {
  assertEquals(lines(SERVER), [
    "0 1 ServerHello",
    "1 3 86 bytes",
    "4 2 version 1.2: the true one is in an extension",
    "6 32 random",
    "38 1 0 bytes of session",
    "39 2 cipher TLS_AES_128_GCM_SHA256",
    "41 1 no compression",
    "42 2 46 bytes of extensions",
    "44 2 extension key_share",
    "46 2 36 bytes",
    "48 36 a share of a key by X25519",
    "84 2 extension supported_versions",
    "86 2 2 bytes",
    "88 2 TLS 1.3",
  ]);
});

Deno.test("the RFC's ClientHello is told, and what is not known as a number", () => {
  const told = lines(CLIENT);
  for (
    const line of [
      "39 2 6 bytes of ciphers that it can do",
      '55 11 "server"',
      "66 2 extension 65281",
      "75 20 X25519, P-256, 0018, 0019, 0100, 0101, 0102, 0103, 0104",
      "103 38 a share of a key by X25519",
      "145 3 TLS 1.3",
      "152 32 15 methods of signing",
    ]
  ) {
    assert(told.includes(line), `${line} of\n${told.join("\n")}`);
  }
});

Deno.test("each further message is told", () => {
  assertEquals(lines(encryptedExtensions("h2")).slice(2), [
    "4 2 9 bytes of extensions",
    "6 2 extension alpn",
    "8 2 5 bytes",
    '10 5 "h2"',
  ]);
  // What would move the cursor of a terminal is shown, and does nothing.
  assertEquals(
    lines(encryptedExtensions("\x1b[2J")).at(-1),
    String.raw`10 7 "\u001b[2J"`,
  );
  assertEquals(lines(certificateMessage([new Uint8Array(7)])).slice(2), [
    "4 1 0 bytes of context",
    "5 3 12 bytes of certificates",
    "8 3 7 bytes of a certificate",
    "11 7 a certificate",
    "18 2 0 bytes of its extensions",
  ]);
  assertEquals(lines(certificateVerify(new Uint8Array(70))).slice(2), [
    "4 2 signed by ecdsa_secp256r1_sha256",
    "6 2 70 bytes of signature",
    "8 70 signature",
  ]);
  assertEquals(
    lines(finished(new Uint8Array(32))).at(-1),
    "4 32 check of all messages by the new key",
  );
  assertEquals(lines(keyUpdate(true)).at(-1), "4 1 not told here");
});

Deno.test("a damaged message is told as far as it goes, to its last byte", () => {
  for (const message of [CLIENT, SERVER]) {
    for (let at = 4; at < message.whole.length; at++) {
      const whole = new Uint8Array(message.whole);
      whole[at] = 255;
      const fields = explainMessage({ ...message, whole });
      const all = fields.flatMap(({ bytes }) => [...bytes]);
      assertEquals(all.length, whole.length);
      const cut = explainMessage({ ...message, whole: whole.slice(0, at) });
      assertEquals(cut.flatMap(({ bytes }) => [...bytes]).length, at);
    }
  }
});

Deno.test("a record is told as it went, and what is in it", () => {
  const content = bytes("0102");
  const lines = (wire: string, record: TlsRecord) =>
    explainRecord(bytes(wire), record).map(({ meaning }) => meaning);
  const version = "version 1.2, for old boxes on the way";
  assertEquals(lines("16030300020102", { type: "handshake", content }), [
    ...["a record: handshake", version, "2 bytes", "the handshake"],
  ]);
  assertEquals(
    lines("1703030013" + "00".repeat(19), { type: "handshake", content }),
    [
      ...["a record: data", version, "19 bytes"],
      "encrypted: 2 bytes of handshake, the type, 16 that seal it",
    ],
  );
  const alert = { type: "alert", content: bytes("022a") } as const;
  assertEquals(lines("1503030002022a", alert).at(-1), "alert: bad_certificate");
  const old = { type: "change_cipher_spec", content: bytes("01") } as const;
  assertEquals(lines("140303000101", old).at(-1), "for old boxes on the way");
});
