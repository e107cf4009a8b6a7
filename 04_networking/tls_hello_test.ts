import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  CIPHER,
  clientHello,
  readClientHello,
  readHello,
  readServerHello,
  serverHello,
} from "./tls_hello.ts";
import {
  type Message,
  MessageReader,
  MESSAGES,
  SCHEMES,
} from "./tls_messages.ts";
import { TlsError } from "./tls_record.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** The one message that these bytes are. */
function messageOf(whole: Uint8Array): Message {
  const [message] = new MessageReader().push(whole);
  return message;
}

/** RFC 8448 section 3. */
const CLIENT = messageOf(bytes(
  "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7" +
    "000006130113031302010000910000000b0009000006736572766572ff01000100000a0014" +
    "0012001d0017001800190100010101020103010400230000003300260024001d002099381d" +
    "e560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b000302030400" +
    "0d0020001e0403050306030203080408050806040105010601020104020502060202020" +
    "02d00020101001c00024001",
));
const SERVER = messageOf(bytes(
  "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e26928" +
    "00130100002e00330024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833d" +
    "f1dd69b1b04e751f0f002b00020304",
));

Deno.test("the RFC's ClientHello is read", () => {
  const { random, session, ciphers, extensions } = readHello(CLIENT);
  assertEquals(
    random.toHex(),
    "cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7",
  );
  assertEquals(session.length, 0);
  assertEquals(ciphers, [0x1301, 0x1303, 0x1302]);
  assertEquals([...extensions.keys()], [0, 65281, 10, 35, 51, 43, 13, 45, 28]);
  const { share, host, protocols } = readClientHello(CLIENT);
  assertEquals(
    share.toHex(),
    "99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c",
  );
  assertEquals([host, protocols], ["server", []]);
});

Deno.test("the RFC's ServerHello is read, and written bit by bit", () => {
  const share =
    "c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f";
  assertEquals(readServerHello(SERVER).toHex(), share);
  const { random } = readHello(SERVER);
  const written = serverHello(random, new Uint8Array(), bytes(share));
  assertEquals(written.whole.toHex(), SERVER.whole.toHex());
});

Deno.test("what a client writes a server reads", () => {
  const thirtyTwo = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(
      thirtyTwo,
      thirtyTwo,
      fc.option(fc.domain(), { nil: undefined }),
      fc.subarray(["h2", "http/1.1", "façade"]),
      (random, share, host, protocols) => {
        const options = { random, share, protocols, ...(host && { host }) };
        const message = clientHello(options);
        assertEquals(readHello(messageOf(message.whole)).random, random);
        const offer = readClientHello(messageOf(message.whole));
        assertEquals(offer, {
          ...{ session: new Uint8Array(), share, protocols },
          ...(host && { host }),
        });
      },
    ),
  );
});

/** A Hello with one piece of hex put in place of another. */
function changed(message: Message, from: string, to: string): Message {
  const hex = message.body.toHex();
  const at = hex.indexOf(from);
  if (at < 0 || hex.includes(from, at + 1)) {
    throw new Error(`not once: ${from}`);
  }
  return { ...message, body: bytes(hex.replace(from, to)) };
}

Deno.test("a server that does not answer what was offered is refused", () => {
  for (
    const [from, to, code, line] of [
      [
        "002b00020304",
        "002b00020303",
        "illegal_parameter",
        "does not speak TLS 1.3",
      ],
      [
        "002b00020304",
        "002c00020304",
        "protocol_version",
        "does not speak TLS 1.3",
      ],
      ["001301", "001302", "illegal_parameter", "what was not offered"],
      ["130100", "130101", "illegal_parameter", "what was not offered"],
      [
        "002b00020304",
        "002b00020304" + "00100000",
        ...["decode_error", "bytes too many"] as const,
      ],
      [
        "002e00330024",
        "003200100000" + "00330024",
        ...["illegal_parameter", "extension 16 does not belong"] as const,
      ],
      [
        "002e00330024",
        "003240010000" + "00330024",
        ...["unsupported_extension", "extension 16385 does not"] as const,
      ],
      ["001d0020c9", "00170020c9", "illegal_parameter", "of curve 23"],
      ["00330024", "00340024", "missing_extension", "has no key_share"],
      ["001d0020c9", "001d001fc9", "decode_error", "1 bytes too many"],
      ["002b00020304", "003300020304", "illegal_parameter", "51 stands twice"],
      [
        "a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e26928",
        "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c",
        ...["handshake_failure", "wants another curve"] as const,
      ],
    ] as const
  ) {
    const error = assertThrows(
      () => readServerHello(changed(SERVER, from, to)),
      TlsError,
      line,
    );
    assertEquals(error.code, code, `${from} ${to}`);
  }
  const session = serverHello(
    new Uint8Array(32),
    bytes("01"),
    new Uint8Array(32),
  );
  assertThrows(
    () => readServerHello(session),
    TlsError,
    "what was not offered",
  );
});

Deno.test("a client that has nothing in common is refused", () => {
  for (
    const [from, to, code] of [
      ["0203040", "0203030", "protocol_version"],
      ["002b0003020304", "002c0003020304", "protocol_version"],
      ["130113031302", "130413031302", "handshake_failure"],
      ["001e0403", "001e0503", "handshake_failure"],
      ["001d002099", "0017002099", "handshake_failure"],
      ["00330026", "00340026", "missing_extension"],
      ["000d0020", "000e0020", "missing_extension"],
      ["000a00140012", "000c00140012", "missing_extension"],
      ["13020100", "13020101", "illegal_parameter"],
      ["00330026", "00330025", "decode_error"],
    ] as const
  ) {
    const error = assertThrows(
      () => readClientHello(changed(CLIENT, from, to)),
      TlsError,
    );
    assertEquals(error.code, code, `${from} ${to}`);
  }
});

Deno.test("of several versions and shares the right one is found", () => {
  const random = new Uint8Array(32);
  const share = new Uint8Array(32).fill(9);
  const hello = clientHello({ random, share, protocols: [] });
  // A reserved value first, as browsers send it (RFC 8701).
  const versions = changed(hello, "002b0003020304", "002b0005047a7a0304");
  const grown = versions.body.toHex();
  const at = grown.indexOf("000a0004");
  // The length of all extensions stands in the two bytes before the first one.
  const size = parseInt(grown.slice(at - 4, at), 16) + 2;
  const fixed = grown.slice(0, at - 4) + size.toString(16).padStart(4, "0") +
    grown.slice(at);
  const offer = readClientHello({ ...hello, body: bytes(fixed) });
  assertEquals(offer.share, share);
});

Deno.test("the name goes without a dot at its end", () => {
  const random = new Uint8Array(32);
  const hello = clientHello({
    ...{ random, share: random, protocols: [], host: "www.example.com." },
  });
  assertEquals(readClientHello(hello).host, "www.example.com");
});

Deno.test("a session has at most 32 bytes", () => {
  const random = new Uint8Array(32);
  for (const size of [32, 33]) {
    const hello = serverHello(random, new Uint8Array(size), random);
    const read = () => readHello(hello).session.length;
    if (size === 32) assertEquals(read(), 32);
    else assertThrows(read, TlsError, "a session of 33 bytes");
  }
});

Deno.test("the client says only what it can do", () => {
  const random = new Uint8Array(32);
  const hello = clientHello({ random, share: random, protocols: [] });
  const { ciphers, extensions } = readHello(hello);
  assertEquals(ciphers, [CIPHER]);
  // No name for an address, and no list of protocols without any.
  assertEquals([...extensions.keys()], [10, 13, 43, 51]);
  const schemes = extensions.get(13)!.toHex();
  for (const scheme of Object.values(SCHEMES)) {
    assertEquals(schemes.includes(scheme.toString(16).padStart(4, "0")), true);
  }
});

Deno.test("a Hello that is cut or damaged ends in an error of TLS", () => {
  for (const message of [CLIENT, SERVER]) {
    const read = message === CLIENT ? readClientHello : readServerHello;
    const { body } = message;
    for (let cut = 0; cut < body.length; cut++) {
      const part = { ...message, body: body.subarray(0, cut) };
      assertThrows(() => read(part), TlsError);
    }
    for (let at = 0; at < body.length; at++) {
      for (const byte of [0, 1, 0x7f, 0xff]) {
        const damaged = new Uint8Array(body);
        damaged[at] = byte;
        try {
          read({ ...message, body: damaged });
        } catch (error) {
          if (!(error instanceof TlsError)) throw error;
        }
      }
    }
  }
  assertEquals(MESSAGES[1], CLIENT.name);
});
