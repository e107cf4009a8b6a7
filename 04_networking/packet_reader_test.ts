import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Frame, Ipv4, Tcp, Udp } from "./packet.ts";
import { decode, explain } from "./packet_reader.ts";
import { encode, FLAGS, PacketError, wrap } from "./packet_writer.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const NONE = new Uint8Array();

// Goldens: a connection of Linux 6.18, from a network namespace over veth, with
// ethtool -K eth0 tx off, or the checksums are not there yet: tcpdump -i br0 -w home.pcap,
// and tcpdump -e -v -xx -r home.pcap said what they are.
const SYN = hex(`0ae42ceb41f182e7dec498200800
  4500003cb3054000400689a9c0a80114cb007150
  c35001bbe32bd60000000000a002faf03e1f0000020405b40402080adfb1b2f5000000000103030a`);
const SYN_ACK = hex(`82e7dec498200ae42ceb41f10800
  4500003c000040003d063fafcb007150c0a80114
  01bbc350e289b51de32bd601a012fe887c560000020405b40402080abcd269a5dfb1b2f50103030a`);
const FIN = hex(`0ae42ceb41f11a97446135af0800
  45000034420d40004006faa8c0a80115cb007150
  c35001bb4922f911447c47218011003f373c00000101080ac4562944a1ec1ece`);
const HELLO = hex(`0ae42ceb41f182e7dec498200800
  450000211838400040112487c0a80114cb007150 d11f0035000dec9f68656c6c6f`);
const REQUEST = hex(`ffffffffffff82e7dec498200806
  000108000604000182e7dec49820c0a80114000000000000c0a80101`);
const REPLY = hex(`82e7dec498200ae42ceb41f10806
  00010800060400020ae42ceb41f1c0a8010182e7dec49820c0a80114`);
// scapy 2.7.0: the bytes of packet_writer_test.ts, and an ACK filled up to 60 bytes.
const PADDED = hex(`02005e10001402005e1000010800
  45000028000400003c0680bfcb007150c0a80114
  01bbc93a0000000500000006501001f4e4d20000 000000000000`);
const ALERT = hex(`02005e10000102005e1000140800
  4600002300090000011126b0c0a80114cb00715094040000 03e807d0000b22ae6f6464`);
const FFFF = hex(`02005e10000102005e1000140800
  4500001e0009000040117cb9c0a80114cb007150 03e807d0000afffff614`);
const ALL = { SYN, SYN_ACK, FIN, HELLO, REQUEST, REPLY, ALERT, FFFF, PADDED };

const [to, from] = ["0a:e4:2c:eb:41:f1", "82:e7:de:c4:98:20"];
const packet = (frame: Frame) => frame.body as Ipv4;
const tcp = (bytes: Uint8Array) => packet(decode(bytes)).body as Tcp;

/** The error of some bytes. */
function error(bytes: Uint8Array): PacketError {
  const error = assertThrows(() => decode(bytes), PacketError);
  assert(
    /^Cannot read the frame at byte \d+: [^\n]+$/.test(error.message),
    error.message,
  );
  assertThrows(() => explain(bytes), PacketError, error.message);
  return error;
}

Deno.test("Linux's SYN says what tcpdump says", () => {
  assertEquals(decode(SYN), {
    ...{ to, from },
    body: {
      ...{ kind: "IPv4", source: "192.168.1.20", target: "203.0.113.80" },
      ...{ ttl: 64, id: 45829, dontFragment: true, tos: 0, options: NONE },
      body: {
        ...{ kind: "TCP", sourcePort: 50000, targetPort: 443 },
        ...{
          seq: 3811300864,
          ack: 0,
          flags: ["SYN"],
          window: 64240,
          urgent: 0,
        },
        options: [
          { kind: "MSS", size: 1460 },
          { kind: "SACK permitted" },
          { kind: "timestamps", value: 3752964853, echo: 0 },
          { kind: "no-op" },
          { kind: "window scale", shift: 10 },
        ],
        data: NONE,
      },
    },
  });
});

Deno.test("Linux's answer, its FIN, and UDP say what tcpdump says", () => {
  assertEquals(packet(decode(SYN_ACK)).ttl, 61);
  const { flags, seq, ack, window, options } = tcp(SYN_ACK);
  assertEquals([flags, seq, ack, window], [
    ["SYN", "ACK"],
    3800675613,
    3811300865,
    65160,
  ]);
  assertEquals(options[2], {
    ...{ kind: "timestamps", value: 3167906213, echo: 3752964853 },
  });
  assertEquals(tcp(FIN).flags, ["FIN", "ACK"]);
  assertEquals(packet(decode(HELLO)).body, {
    ...{ kind: "UDP", sourcePort: 53535, targetPort: 53 },
    data: new TextEncoder().encode("hello"),
  });
});

Deno.test("Linux's question for the router, and the router's answer, are ARP", () => {
  const sender = { mac: from, ip: "192.168.1.20" };
  assertEquals(decode(REQUEST), {
    ...{ to: "ff:ff:ff:ff:ff:ff", from },
    body: {
      ...{ kind: "ARP", operation: "request", sender },
      target: { mac: "00:00:00:00:00:00", ip: "192.168.1.1" },
    },
  });
  assertEquals(decode(REPLY).body, {
    ...{ kind: "ARP", operation: "reply", target: sender },
    sender: { mac: to, ip: "192.168.1.1" },
  });
});

Deno.test("padding is not data, whatever it is", () => {
  assertEquals(tcp(PADDED).data, NONE);
  const padded = new Uint8Array([...HELLO, 1, 2, 3]);
  assertEquals(decode(padded), decode(HELLO));
  assertEquals(decode(new Uint8Array([...REQUEST, 9])), decode(REQUEST));
  assertEquals(explain(padded).at(-1)?.bytes, Uint8Array.of(1, 2, 3));
});

Deno.test("options of IPv4 move what follows", () => {
  const { options, body, ttl } = packet(decode(ALERT));
  assertEquals([options.toHex(), ttl], ["94040000", 1]);
  assertEquals((body as Udp).data, new TextEncoder().encode("odd"));
});

Deno.test("in UDP, ffff is a checksum, and 0 is none", () => {
  decode(FFFF);
  // A wrong bit is not seen without one.
  const none = FFFF.with(40, 0).with(41, 0);
  decode(none);
  decode(none.with(43, 0));
  assertEquals(error(FFFF.with(43, 0)).code, "checksum");
});

for (const [name, bytes] of Object.entries(ALL)) {
  Deno.test(`${name}: reading and writing gives the same bytes`, () => {
    const length = name === "PADDED" ? 54 : bytes.length;
    assertEquals(encode(decode(bytes)), bytes.slice(0, length));
  });
  Deno.test(`${name}: cut at any byte it is an error`, () => {
    const length = name === "PADDED" ? 54 : bytes.length;
    for (let i = 0; i < length; i++) {
      assertEquals(error(bytes.slice(0, i)).code, "cut", `${i}`);
    }
  });
  Deno.test(`${name}: each byte is explained once, in order`, () => {
    const fields = explain(bytes);
    let at = 0;
    for (const field of fields) {
      assertEquals(field.at, at);
      assert(field.bytes.length > 0 && /^\S[^\n]+$/.test(field.meaning));
      at += field.bytes.length;
    }
    assertEquals(at, bytes.length);
    assertEquals(fields.flatMap((field) => [...field.bytes]), [...bytes]);
  });
}

Deno.test("each bit that turns over behind the addresses of a frame is seen", () => {
  for (const bytes of [SYN, HELLO]) {
    for (let bit = 14 * 8; bit < bytes.length * 8; bit++) {
      const at = bit >> 3;
      error(bytes.with(at, bytes[at] ^ 1 << (bit & 7)));
    }
  }
});

/** Turns bytes of a good SYN into others, with the checksum of IPv4 summed up again. */
function edited(at: number, ...values: number[]): Uint8Array {
  const bytes = SYN.slice();
  bytes.set(values, at);
  bytes.set([0, 0], 24);
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  const right = 65535 - sum % 65535;
  bytes.set([right >> 8, right & 255], 24);
  return bytes;
}

Deno.test("an error says at which byte, what, and why", () => {
  for (
    const [bytes, code, message] of [
      [NONE, "cut", "byte 0: it ends 6 too early"],
      [SYN.slice(0, 60), "cut", "byte 18: the packet ends 14 too early"],
      [
        SYN.with(13, 6).with(12, 0x86),
        "unsupported",
        "byte 12: type 0x8606 is",
      ],
      [SYN.with(14, 0x65), "version", "byte 14: IP version 6, not 4"],
      [SYN.with(14, 0x44), "length", "an IPv4 header of 4 words: needs 5"],
      [SYN.with(14, 0x46), "checksum", "checksum 0x89a9 of the IPv4 header"],
      [SYN.with(17, 19), "length", "byte 16: a packet of 19, its header 20"],
      [SYN.with(20, 0x20), "unsupported", "byte 20: 0x2000: a fragment"],
      [SYN.with(21, 1), "unsupported", "byte 20: 0x4001: a fragment"],
      [SYN.with(20, 0x80), "unsupported", "byte 20: 0x8000: the reserved bit"],
      [SYN.with(20, 0xa0), "unsupported", "byte 20: 0xa000: the reserved bit"],
      [
        SYN.with(22, 63),
        "checksum",
        "byte 24: checksum 0x89a9 of the IPv4 header, but it is 0x8aa9",
      ],
      [
        SYN.with(50, 0),
        "checksum",
        "byte 50: checksum 0x001f of TCP, but it is 0x3e1f",
      ],
      [
        edited(29, 21),
        "checksum",
        "byte 50: checksum 0x3e1f of TCP, but it is 0x3e1e",
      ],
      [edited(46, 0x40), "length", "byte 46: a TCP header of 4 words: needs 5"],
      [edited(46, 0xb0), "cut", "byte 54: the TCP header ends 4 too early"],
      [edited(17, 30), "cut", "byte 42: it ends 2 too early"],
      [edited(55, 3), "length", "byte 54: MSS of 3 bytes: needs 4"],
      [
        edited(55, 0),
        "length",
        "byte 54: a TCP option of a length that does not fit",
      ],
      [edited(61, 1), "length", "byte 60: a TCP option of a length that"],
      [edited(61, 15), "length", "byte 60: a TCP option of a length that"],
      [edited(73, 9), "checksum", "of TCP"],
      [
        HELLO.with(39, 12),
        "length",
        "byte 38: UDP of 12 bytes, but 13 are here",
      ],
      [
        HELLO.with(39, 14),
        "length",
        "byte 38: UDP of 14 bytes, but 13 are here",
      ],
      [HELLO.with(46, 0), "checksum", "byte 40: checksum 0xec9f of UDP"],
      [
        REPLY.with(15, 6),
        "unsupported",
        "byte 14: ARP of 0x0006, not of 0x0001",
      ],
      [
        REPLY.with(18, 8),
        "unsupported",
        "byte 18: ARP of 0x0008, not of 0x0006",
      ],
      [REPLY.with(21, 3), "unsupported", "ARP operation 3 is neither 1 nor 2"],
    ] as const
  ) {
    const { code: found, message: said } = error(bytes);
    assert(said.includes(message), `${said} should say ${message}`);
    assertEquals(found, code);
  }
});

const byte = fc.integer({ min: 0, max: 255 });
const word = fc.integer({ min: 0, max: 65535 });
const long = fc.nat({ max: 2 ** 31 - 1 }).map((x) => 2 * x + 1);
const data = fc.uint8Array({ maxLength: 40 });
const ip = fc.tuple(byte, byte, byte, byte).map((x) => x.join("."));
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 })
  .map((x) => x.toHex().replace(/..(?=.)/g, "$&:"));
const option = fc.oneof(
  fc.constant({ kind: "no-op" } as const),
  fc.constant({ kind: "SACK permitted" } as const),
  fc.record({ kind: fc.constant("MSS" as const), size: word }),
  fc.record({ kind: fc.constant("window scale" as const), shift: byte }),
  fc.record({
    kind: fc.constant("timestamps" as const),
    value: long,
    echo: long,
  }),
  fc.record({
    kind: fc.constant("other" as const),
    type: fc.constantFrom(5, 19, 34, 254),
    data: fc.uint8Array({ maxLength: 6 }),
  }),
);
const body = fc.oneof(
  fc.record({
    ...{
      kind: fc.constant("TCP" as const),
      sourcePort: word,
      targetPort: word,
    },
    ...{ seq: long, ack: long, window: word, urgent: word, data },
    flags: fc.subarray([...FLAGS]),
    options: fc.array(option, { maxLength: 4 }),
  }),
  fc.record({
    ...{
      kind: fc.constant("UDP" as const),
      sourcePort: word,
      targetPort: word,
    },
    data,
  }),
  fc.record({
    kind: fc.constant("other" as const),
    protocol: fc.constantFrom(0, 1, 5, 7, 16, 18, 255),
    data,
  }),
);

Deno.test("what was written is read again, with or without padding", () => {
  const way = fc.record({ to: mac, from: mac, source: ip, target: ip });
  const rest = fc.record({
    ...{ ttl: byte, id: word, tos: byte, dontFragment: fc.boolean() },
  });
  fc.assert(
    fc.property(way, body, rest, data, (way, body, rest, padding) => {
      const frame = wrap(way, body, rest);
      const bytes = encode(frame);
      assertEquals(decode(bytes), frame);
      assertEquals(decode(new Uint8Array([...bytes, ...padding])), frame);
    }),
    { seed: 5, numRuns: 400 },
  );
});

Deno.test("20,000 damaged frames give a frame or an error of ours", () => {
  // xorshift32
  let state = 2463534242;
  const random = (n: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  const all = Object.values(ALL);
  const codes = new Map<string, number>();
  for (let n = 0; n < 20_000; n++) {
    let bytes = all[n % all.length].slice(
      0,
      random(3) ? undefined : random(70),
    );
    for (let i = random(3); i >= 0 && bytes.length > 0; i--) {
      bytes[random(bytes.length)] = random(2) ? random(256) : 255 * random(2);
    }
    // Half of them pass the first checksum, so that TCP and UDP are read, too.
    if (n % 2 && bytes.length >= 34 && bytes[12] === 8 && bytes[13] === 0) {
      bytes = bytes.with(14, 0x45);
      bytes.set([0, 0], 24);
      let sum = 0;
      for (let i = 14; i < 34; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
      const right = 65535 - sum % 65535;
      bytes.set([right >> 8, right & 255], 24);
    }
    let code = "none";
    try {
      const fields = explain(bytes);
      const sum = fields.reduce((sum, { bytes }) => sum + bytes.length, 0);
      assertEquals(sum, bytes.length);
    } catch (e) {
      if (!(e instanceof PacketError)) throw e;
      code = e.code;
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  // Each way out was taken, or the damage is not wide enough.
  for (
    const code of [
      "none",
      "cut",
      "length",
      "checksum",
      "version",
      "unsupported",
    ]
  ) assert((codes.get(code) ?? 0) > 100, `${code}: ${codes.get(code)}`);
});
