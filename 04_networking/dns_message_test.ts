import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decode, encode, type Message, message } from "./dns_message.ts";
import { DnsFormatError, type DnsRecord, formatRecord } from "./dns_record.ts";

const bytes = (hex: string) =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toHex = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Goldens, from dnspython 2.8.0:
// python3 -c "
// import dns.message, dns.rrset, dns.edns, dns.flags
// rr = lambda n, *a: dns.rrset.from_text(n + '.', *a)
// q = dns.message.make_query('www.example.com', 'HTTPS', id=0x2a17, use_edns=0, payload=1232)
// print(q.to_wire().hex())
// m = dns.message.make_response(q); m.flags |= dns.flags.AA | dns.flags.RA
// w, e = 'web.example.com', 'example.com'
// m.answer = [rr('www.example.com', 300, 'IN', 'CNAME', w + '.'), rr(w, 60, 'IN', 'A', '192.0.2.1'), rr(w, 60, 'IN', 'AAAA', '2001:db8::1'),
//             rr(w, 60, 'IN', 'HTTPS', '1 . alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1'), rr(e, 5, 'IN', 'MX', '10 mail.example.com.'),
//             rr(e, 5, 'IN', 'TXT', r'\"v=spf1 -all\" \"a \\\"b\\\" \200\"'), rr('_sip._tcp.example.com', 5, 'IN', 'SRV', '1 2 5060 sip.example.net.'),
//             rr(e, 5, 'IN', 'CAA', '128 issue \"ca.example; x=y\"'), rr('1.2.0.192.in-addr.arpa', 5, 'IN', 'PTR', w + '.'), rr(r'a\.b.example.com', 5, 'IN', 'TYPE65280', r'\# 2 abcd')]
// m.authority = [rr(e, 3600, 'IN', 'NS', 'ns1.example.com.'), rr(e, 3600, 'IN', 'SOA', r'ns1.example.com. ad\.min.example.com. 2026112101 7200 900 1209600 60')]
// m.additional = [rr('ns1.example.com', 3600, 'IN', 'A', '192.0.2.53')]
// m.use_edns(0, 0, 4096, options=[dns.edns.GenericOption(10, b'\1\2\3\4\5\6\7\x08')]); m.set_rcode(23)
// print(m.to_wire().hex())"
const QUERY = "2a170100000100000000000103777777076578616d706c6503636f6d00" +
  "0041000100002904d0000000000000";
const RESPONSE = [
  "2a1785870001000a0002000203777777076578616d706c6503636f6d0000410001c00c00",
  "0500010000012c000603776562c010c02d000100010000003c0004c0000201c02d001c00",
  "010000003c001020010db8000000000000000000000001c02d004100010000003c002f00",
  "0100000100060268320268330003000220fb00040004c00002010006001020010db80000",
  "00000000000000000001c010000f0001000000050009000a046d61696cc010c010001000",
  "010000000500140b763d73706631202d616c6c07612022622220c8045f736970045f7463",
  "70c010002100010000000500170001000213c403736970076578616d706c65036e657400",
  "c010010100010000000500168005697373756563612e6578616d706c653b20783d790131",
  "013201300331393207696e2d61646472046172706100000c0001000000050002c02d0361",
  "2e62c010ff000001000000050002abcdc0100002000100000e100006036e7331c010c010",
  "0006000100000e10001fc1600661642e6d696ec01078c4046500001c2000000384001275",
  "000000003cc1600001000100000e100004c0000235000029100001000000000c000a0008",
  "0102030405060708",
].join("");
// As dnspython's to_text() has them, but for quotes and lower case, which dig has not. (It compresses
// the target of SRV, which RFC 2782 forbids; here there is nothing to compress it with.)
const LINES = `www.example.com. 300 IN CNAME web.example.com.
web.example.com. 60 IN A 192.0.2.1
web.example.com. 60 IN AAAA 2001:db8::1
web.example.com. 60 IN HTTPS 1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1
example.com. 5 IN MX 10 mail.example.com.
example.com. 5 IN TXT "v=spf1 -all" "a \\"b\\" \\200"
_sip._tcp.example.com. 5 IN SRV 1 2 5060 sip.example.net.
example.com. 5 IN CAA 128 issue "ca.example; x=y"
1.2.0.192.in-addr.arpa. 5 IN PTR web.example.com.
a\\.b.example.com. 5 IN TYPE65280 \\# 2 ABCD
example.com. 3600 IN NS ns1.example.com.
example.com. 3600 IN SOA ns1.example.com. ad\\.min.example.com. 2026112101 7200 900 1209600 60
ns1.example.com. 3600 IN A 192.0.2.53`;

Deno.test("decode() and encode() golden: a query with EDNS", () => {
  const query = message({
    id: 0x2a17,
    recursionDesired: true,
    questions: [{ name: "www.example.com", type: "HTTPS" }],
    edns: { size: 1232, version: 0, dnssecOk: false, options: [] },
  });
  assertEquals(toHex(encode(query)), QUERY);
  assertEquals(decode(bytes(QUERY)), query);
});

Deno.test("decode() golden: a response with a record of each kind", () => {
  const found = decode(bytes(RESPONSE));
  const { answers, authorities, additionals, ...rest } = found;
  const lines = [...answers, ...authorities, ...additionals].map(formatRecord);
  assertEquals(lines.join("\n"), LINES);
  assertEquals([answers.length, authorities.length], [10, 2]);
  assertEquals([rest.rcode, rest.id, rest.opcode], [23, 0x2a17, 0]);
  assertEquals(
    [rest.response, rest.authoritative, rest.recursionAvailable],
    [true, true, true],
  );
  assertEquals([rest.truncated, rest.authenticData], [false, false]);
  const options = [{ code: 10, data: "\x01\x02\x03\x04\x05\x06\x07\x08" }];
  assertEquals(rest.edns, { size: 4096, version: 0, dnssecOk: false, options });
});

Deno.test("encode() golden: the same response, compressed alike, byte for byte", () => {
  assertEquals(toHex(encode(decode(bytes(RESPONSE)))), RESPONSE);
});

const label = fc.string({ minLength: 1, maxLength: 9, unit: "grapheme-ascii" })
  .map((text) => text.replace(/[^a-z0-9-]/gi, "_"));
const name = fc.array(label, { maxLength: 5 })
  .map((parts) => parts.join(".") || ".");
const byteString = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((x) => String.fromCharCode(...x));
const u16 = fc.nat({ max: 0xffff });
const u32 = fc.nat({ max: 0x7fffffff });
const text = byteString(40);
const data = fc.oneof(
  fc.record({ type: fc.constant("A"), address: fc.ipV4() }),
  fc.record({
    type: fc.constant("AAAA"),
    address: fc.array(fc.integer({ min: 0x1000, max: 0xffff }), {
      minLength: 8,
      maxLength: 8,
    }).map((groups) => groups.map((g) => g.toString(16)).join(":")),
  }),
  fc.record({ type: fc.constantFrom("NS", "CNAME", "PTR"), target: name }),
  fc.record({
    ...{ type: fc.constant("SOA"), primary: name, mailbox: name, serial: u32 },
    ...{ refresh: u32, retry: u32, expire: u32, minimum: u32 },
  }),
  fc.record({ type: fc.constant("MX"), preference: u16, exchange: name }),
  fc.record({ type: fc.constant("TXT"), texts: fc.array(text) }),
  fc.record({
    ...{ type: fc.constant("SRV"), priority: u16, weight: u16 },
    ...{ port: u16, target: name },
  }),
  fc.record({
    ...{ type: fc.constant("CAA"), flags: fc.nat({ max: 255 }) },
    ...{ tag: text, value: text },
  }),
  fc.record({
    ...{ type: fc.constantFrom("HTTPS", "SVCB"), priority: u16, target: name },
    params: fc.uniqueArray(fc.record({ key: u16, value: text }), {
      selector: ({ key }) => key,
    }).map((params) => params.sort((a, b) => a.key - b.key)),
  }),
  fc.record({ type: fc.constant("TYPE65280"), data: text }),
);
const record = fc.tuple(fc.record({ name, ttl: u32 }), data)
  .map(([common, data]) => ({ ...common, ...data }) as unknown as DnsRecord);
const some = fc.array(record, { maxLength: 4 });
const flag = fc.boolean();
const anyMessage: fc.Arbitrary<Message> = fc.record({
  ...{ id: u16, opcode: fc.nat({ max: 15 }), rcode: fc.nat({ max: 15 }) },
  ...{ response: flag, authoritative: flag, truncated: flag },
  ...{ recursionDesired: flag, recursionAvailable: flag },
  ...{ authenticData: flag, checkingDisabled: flag },
  questions: fc.array(
    fc.record({ name, type: fc.constantFrom("A", "MX", "TYPE999") }),
    { maxLength: 2 },
  ),
  ...{ answers: some, authorities: some, additionals: some },
});

Deno.test("what is written is what is read", () => {
  fc.assert(
    fc.property(anyMessage, (m) => assertEquals(decode(encode(m)), m)),
    { seed: 7 },
  );
});

Deno.test("a message that is cut anywhere is an error, and so is one too long", () => {
  const whole = bytes(RESPONSE);
  for (let end = 0; end < whole.length; end++) {
    assertThrows(
      () => decode(whole.subarray(0, end)),
      DnsFormatError,
      "Cannot",
    );
  }
  const more = Uint8Array.of(...whole, 0, 0);
  assertThrows(
    () => decode(more),
    DnsFormatError,
    `Cannot read the message at byte ${whole.length}: 2 bytes too many`,
  );
});

Deno.test("whatever bytes come, there is a message or a DnsFormatError, and soon", () => {
  let state = 1;
  const random = (n: number) => (state = state * 48271 % 2147483647) % n;
  const seeds = [bytes(QUERY), bytes(RESPONSE)];
  let read = 0;
  for (let n = 0; n < 60_000; n++) {
    const mutant = seeds[n % 2].slice();
    for (let i = 0; i <= random(4); i++) {
      // Lengths, pointers and counts are where it hurts.
      mutant[random(mutant.length)] =
        [0, 0xc0, 0xff, 63, random(256)][random(5)];
    }
    try {
      const m = decode(mutant);
      read++;
      m.answers.map(formatRecord);
    } catch (error) {
      if (!(error instanceof DnsFormatError)) throw error;
    }
  }
  // Otherwise nothing but errors was tested.
  if (read < 1000) throw new Error(`only ${read} were read`);
});

Deno.test("rcodes above 15 need EDNS, and go through it", () => {
  const edns = { size: 512, version: 0, dnssecOk: true, options: [] };
  const m = message({ rcode: 16, response: true, edns });
  assertEquals(decode(encode(m)), m);
  assertThrows(
    () => encode(message({ rcode: 16 })),
    DnsFormatError,
    "Cannot write rcode 16 without EDNS",
  );
});

Deno.test("an OPT must be one, of the root, and an additional", () => {
  const [head, tail] = [QUERY.slice(0, -22), QUERY.slice(-22)];
  const counts = (a: string, n: string) =>
    head.slice(0, 12) + a + "0000" + n + head.slice(24);
  for (
    const hex of [
      counts("0000", "0002") + tail + tail,
      counts("0001", "0000") + tail,
      head + "0161" + tail,
    ]
  ) {
    assertThrows(
      () => decode(bytes(hex)),
      DnsFormatError,
      "an OPT that must not",
    );
  }
});

Deno.test("a time to live above 2³¹ − 1 counts as 0", () => {
  const m = message({
    answers: [{ name: "a", ttl: 0x01020304, type: "A", address: "9.8.7.6" }],
  });
  const hex = toHex(encode(m));
  const at = (ttl: string) =>
    decode(bytes(hex.replace("01020304", ttl))).answers[0].ttl;
  assertEquals([at("7fffffff"), at("80000000"), at("ffffffff")], [
    2147483647,
    0,
    0,
  ]);
});

Deno.test("names of RFC 1035 types are compressed, those of SRV and HTTPS are not", () => {
  const name = "service.example.com";
  const size = (data: Record<string, unknown>) =>
    encode(message({ answers: [{ name, ttl: 0, ...data } as DnsRecord] }))
      .length;
  const base = 12 + 21 + 10;
  assertEquals(size({ type: "MX", preference: 1, exchange: name }), base + 4);
  assertEquals(
    size({ type: "SRV", priority: 1, weight: 1, port: 1, target: name }),
    base + 6 + 21,
  );
  assertEquals(
    size({ type: "HTTPS", priority: 1, target: name, params: [] }),
    base + 2 + 21,
  );
});

Deno.test("what cannot be written is an error that says why", () => {
  const of = { name: "a.example", ttl: 1 };
  const answer = (data: Record<string, unknown>) => () =>
    encode(message({ answers: [{ ...of, ...data } as DnsRecord] }));
  for (
    const [call, line] of [
      [
        () => encode(message({ id: 65536 })),
        "Cannot write 65536: needs 0 to 65535",
      ],
      [
        () => encode(message({ id: 0.5 })),
        "Cannot write 0.5: needs 0 to 65535",
      ],
      [
        () => encode(message({ opcode: 16 })),
        "Cannot write opcode 16 in 4 bits",
      ],
      [
        answer({ type: "A", address: "1.2.3" }),
        "Cannot read 1.2.3 as an IP address",
      ],
      [answer({ type: "A", address: "::1" }), "Cannot write ::1 as ipv4"],
      [
        answer({ type: "AAAA", address: "1.2.3.4" }),
        "Cannot write 1.2.3.4 as ipv6",
      ],
      [
        answer({ type: "NS", target: "a..b" }),
        "a label of 0 bytes; needs 1 to 63",
      ],
      [
        answer({ type: "TXT", texts: ["x".repeat(256)] }),
        "Cannot write 256: needs",
      ],
      [answer({ type: "TXT", texts: ["€"] }), "Cannot write €: it is no byte"],
      [
        answer({ type: "SPF", data: "" }),
        "Cannot use the type SPF: it has no number",
      ],
      [
        answer({ type: "TYPE65536", data: "" }),
        "Cannot use the type TYPE65536",
      ],
      [
        answer({ type: "MX", preference: -1, exchange: "a" }),
        "Cannot write -1",
      ],
      [
        answer({ type: "TYPE1000", data: "x".repeat(65535) }),
        "Cannot write more than 65535 bytes",
      ],
      [
        answer({ ttl: 2 ** 32, type: "A", address: "1.2.3.4" }),
        "Cannot write 4294967296",
      ],
    ] as const
  ) {
    assertThrows(call, DnsFormatError, line);
  }
});
