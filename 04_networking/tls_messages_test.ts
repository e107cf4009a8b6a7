import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { makeAuthority } from "./certificates.ts";
import { readPem } from "./der_reader.ts";
import { memoryPair } from "./http2_stream.ts";
import { connectTls } from "./tls.ts";
import { readClientHello, serverHello } from "./tls_hello.ts";
import { handshakeSecrets, makeShare } from "./tls_keys.ts";
import {
  certificateMessage,
  certificateVerify,
  encryptedExtensions,
  extensions,
  finished,
  keyUpdate,
  type Message,
  message,
  MessageReader,
  need,
  readCertificates,
  readProtocol,
  readVerify,
  SCHEMES,
} from "./tls_messages.ts";
import { TlsError } from "./tls_record.ts";
import { Session } from "./tls_session.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** RFC 8448 section 3: what the server sends after its Hello, 657 bytes. */
const FLIGHT = bytes(
  "080000240022000a00140012001d00170018001901000101010201030104001c000240010000" +
    "00000b0001b9000001b50001b0308201ac30820115a003020102020102300d06092a864886" +
    "f70d01010b0500300e310c300a06035504031303727361301e170d31363037333030313233" +
    "35395a170d3236303733303031323335395a300e310c300a0603550403130372736130819f" +
    "300d06092a864886f70d010101050003818d0030818902818100b4bb498f8279303d980836" +
    "399b36c6988c0c68de55e1bdb826d3901a2461eafd2de49a91d015abbc9a95137ace6c1af1" +
    "9eaa6af98c7ced43120998e187a80ee0ccb0524b1b018c3e0b63264d449a6d38e22a5fda43" +
    "0846748030530ef0461c8ca9d9efbfae8ea6d1d03e2bd193eff0ab9a8002c47428a6d35a8d" +
    "88d79f7f1e3f0203010001a31a301830090603551d1304023000300b0603551d0f04040302" +
    "05a0300d06092a864886f70d01010b05000381810085aad2a0e5b9276b908c65f73a726717" +
    "0618a54c5f8a7b337d2df7a594365417f2eae8f8a58c8f8172f9319cf36b7fd6c55b80f21a" +
    "03015156726096fd335e5e67f2dbf102702e608ccae6bec1fc63a42a99be5c3eb7107c3c54" +
    "e9b9eb2bd5203b1c3b84e0a8b2f759409ba3eac9d91d402dcc0cc8f8961229ac9187b42b4d" +
    "e100000f000084080400805a747c5d88fa9bd2e55ab085a61015b7211f824cd484145ab3ff" +
    "52f1fda8477b0b7abc90db78e2d33a5c141a078653fa6bef780c5ea248eeaaa785c4f394ca" +
    "b6d30bbe8d4859ee511f602957b15411ac027671459e46445c9ea58c181e818e95b8c3fb0b" +
    "f3278409d3be152a3da5043e063dda65cdf5aea20d53dfacd42f74f3140000209b9b141d90" +
    "6337fbd2cbdce71df4deda4ab42c309572cb7fffee5454b78f0718",
);

Deno.test("the RFC's flight is four messages, with what they say", () => {
  const [extensions, certificate, proof, end, ...more] = new MessageReader()
    .push(FLIGHT);
  assertEquals(
    [extensions.name, extensions.whole.length],
    ["EncryptedExtensions", 40],
  );
  assertEquals(readProtocol(extensions), undefined);
  const chain = readCertificates(certificate);
  assertEquals(chain.map((der) => der.length), [432]);
  const [scheme, signature] = readVerify(proof);
  assertEquals([scheme, signature.length], [SCHEMES.rsa_pss_rsae_sha256, 128]);
  assertEquals([end.name, end.body.length, more], ["Finished", 32, []]);
  // Those that can be written come out the same.
  const check = bytes(
    "9b9b141d906337fbd2cbdce71df4deda4ab42c309572cb7fffee5454b78f0718",
  );
  assertEquals(finished(check).whole, end.whole);
  assertEquals(certificateMessage(chain).whole, certificate.whole);
});

Deno.test("messages come whole from records of any size", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: FLIGHT.length }), { maxLength: 20 }),
      (cuts) => {
        const reader = new MessageReader();
        const names: string[] = [];
        const edges = [0, ...cuts.sort((a, b) => a - b), FLIGHT.length];
        edges.slice(1).forEach((end, i) => {
          const part = FLIGHT.subarray(edges[i], end);
          names.push(...reader.push(part).map(({ name }) => name));
          const ends = [40, 485, 621, 657];
          assertEquals(reader.isEmpty, end === 0 || ends.includes(end));
        });
        assertEquals(names, [
          ...["EncryptedExtensions", "Certificate"],
          ...["CertificateVerify", "Finished"],
        ]);
      },
    ),
  );
});

Deno.test("no letter of a protocol is passed over", () => {
  assertEquals(readProtocol(encryptedExtensions("\ufeffh2")), "\ufeffh2");
});

Deno.test("what is written is read again", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), {
        maxLength: 3,
      }),
      fc.uint8Array({ maxLength: 300 }),
      fc.option(fc.constantFrom("h2", "http/1.1", "façade"), {
        nil: undefined,
      }),
      (chain, signature, protocol) => {
        const read = (message: Message) =>
          new MessageReader().push(message.whole)[0];
        assertEquals(readCertificates(read(certificateMessage(chain))), chain);
        assertEquals(
          readVerify(read(certificateVerify(signature))),
          [SCHEMES.ecdsa_secp256r1_sha256, signature],
        );
        assertEquals(
          readProtocol(read(encryptedExtensions(protocol))),
          protocol,
        );
      },
    ),
  );
  assertEquals(keyUpdate(true).whole.toHex(), "1800000101");
  assertEquals(keyUpdate(false).whole.toHex(), "1800000100");
});

Deno.test("a message that is not the next one, or none, is an error", () => {
  const message = finished(new Uint8Array(32));
  assertEquals(need(message, "Finished"), message);
  const error = assertThrows(
    () => need(message, "Certificate"),
    TlsError,
    "Cannot go on with Finished: Certificate must be next",
  );
  assertEquals(error.code, "unexpected_message");
  const [unknown] = new MessageReader().push(bytes("63000000"));
  assertThrows(() => need(unknown, "Finished"), TlsError, "message 99");
});

Deno.test("lengths that do not fit are errors, and a long message is not kept", () => {
  for (
    const [read, hex] of [
      [readCertificates, "00"],
      [readCertificates, "00000005000002aabb0000"],
      [readCertificates, "0000000700000201020000aa"],
      [readVerify, "0403"],
      [readVerify, "04030002aa"],
      [readVerify, "04030001aabb"],
      [readProtocol, "0003001000"],
      [readProtocol, "000700100003000168"],
      [readProtocol, "000900100005000302683200"],
      [readProtocol, "00000000"],
    ] as const
  ) {
    const message = { name: "X", body: bytes(hex), whole: bytes(hex) };
    const error = assertThrows(() => read(message), TlsError, "Cannot read");
    assertEquals(error.code, "decode_error", hex);
  }
  const twice = bytes("000c0010000000100000");
  twice[1] = twice.length - 2;
  const message = { name: "X", body: twice, whole: twice };
  assertThrows(
    () => readProtocol(message),
    TlsError,
    "extension 16 stands twice",
  );
  // ALPN where only a name may be answered, and what was never asked for.
  for (
    const [answer, code] of [
      ["000400100000", "illegal_parameter"],
      ["0004001c0000", "unsupported_extension"],
    ]
  ) {
    const body = bytes(answer);
    const error = assertThrows(
      () => readProtocol({ ...message, body }, ["server_name"]),
      TlsError,
      "does not belong there",
    );
    assertEquals(error.code, code);
    assertThrows(
      () =>
        readCertificates({
          ...message,
          body: bytes(`0000000a000001aa0004${answer.slice(4)}`),
        }),
      TlsError,
      "does not belong there",
    );
  }
  const reader = new MessageReader();
  assertThrows(
    () => reader.push(bytes("0b010001")),
    TlsError,
    "Cannot read a message of 65537 bytes: 65536 at most",
  );
});

Deno.test("a server that answers what was not asked is refused, and told", async () => {
  const host = "www.example.com";
  const root = await makeAuthority("Root");
  const server = await root.issue({ names: [host] });
  const none = encryptedExtensions();
  const share = extensions([["key_share", []]]);
  const proof = certificateMessage([readPem("CERTIFICATE", root.certificate)]);
  const right = certificateMessage([
    readPem("CERTIFICATE", server.certificate),
  ]);
  for (
    const [code, line, ...flight] of [
      [
        ...["unsupported_extension", '"h2", which was not offered'] as const,
        encryptedExtensions("h2"),
      ],
      [
        ...["illegal_parameter", "extension 51 does not belong"] as const,
        message("EncryptedExtensions", share),
      ],
      ["decode_error", "sent no certificate", none, certificateMessage([])],
      ["bad_certificate", "is not for www.example.com", none, proof],
      [
        ...["illegal_parameter", "a method that was not offered"] as const,
        ...[none, right, message("CertificateVerify", [4, 1, 0, 0])],
      ],
    ] as const
  ) {
    const [near, far] = memoryPair();
    const failing = assertRejects(
      () => connectTls(near, { host, roots: [root.certificate] }),
      Error,
      line,
    );
    const session = new Session(far);
    const offer = readClientHello(await session.receive("ClientHello"));
    const own = await makeShare();
    const random = new Uint8Array(32);
    await session.send(serverHello(random, offer.session, own.bytes));
    const shared = await own.agree(offer.share);
    const secrets = await handshakeSecrets(shared, await session.hash());
    await session.writeWith(secrets.server);
    await session.readWith(secrets.client);
    for (const message of flight) await session.send(message);
    await assertRejects(() => session.receive("Finished"), TlsError, code);
    await failing;
  }
});
