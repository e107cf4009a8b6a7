import { assertEquals, assertThrows } from "@std/assert";
import { explainDns } from "./dns_explain.ts";
import { DnsFormatError } from "./dns_record.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const lines = (packet: Uint8Array) =>
  explainDns(packet).map(({ at, bytes, meaning }) =>
    `${at} ${bytes.toHex()} ${meaning}`
  );

// Packets of dns_message_test.ts, by dnspython 2.8.0; the second without its middle.
const QUERY = bytes(
  "2a170100000100000000000103777777076578616d706c6503636f6d00" +
    "0041000100002904d0000000000000",
);

Deno.test("a query is told from the id to EDNS", () => {
  assertEquals(lines(QUERY), [
    "0 2a17 id 10775",
    "2 0100 a query, recursion wanted",
    "4 0001 1 question",
    "6 0000 0 answers",
    "8 0000 0 authorities",
    "10 0001 1 additional",
    "12 03777777076578616d706c6503636f6d00 question: www.example.com",
    "29 0041 type HTTPS",
    "31 0001 class IN",
    "33 00 additional: .",
    "34 0029 no record but EDNS",
    "36 04d0 takes 1232 bytes over UDP",
    "38 00000000 version 0",
    "42 0000 0 bytes of data",
  ]);
});

// From dnspython 2.8.0:
// python3 -c "
// import dns.message, dns.rrset, dns.edns, dns.flags
// q = dns.message.make_query('a.b', 'A', id=1, use_edns=0); m = dns.message.make_response(q)
// m.flags |= dns.flags.AA | dns.flags.TC
// m.answer = [dns.rrset.from_text('a.b.', 9, 'IN', 'CNAME', 'c.b.')]
// m.authority = [dns.rrset.from_text('b.', 9, 'IN', 'TYPE65280', r'\# 0')]
// m.use_edns(0, dns.flags.DO, 4096, options=[dns.edns.GenericOption(10, b'\1\2')]); m.set_rcode(23)
// print(m.to_wire().hex())"
const ANSWER = bytes(
  "00018707000100010001000101610162000001" +
    "0001c00c0005000100000009000401" +
    "63c00ec00eff000001000000090000000029100001008000" +
    "0006000a00020102",
);

Deno.test("an answer is told with flags, pointers, data and what EDNS adds", () => {
  assertEquals(lines(ANSWER), [
    "0 0001 id 1",
    "2 8707 an answer, authoritative, truncated: ask over TCP, " +
    "recursion wanted, YXRRSET",
    "4 0001 1 question",
    "6 0001 1 answer",
    "8 0001 1 authority",
    "10 0001 1 additional",
    "12 0161016200 question: a.b",
    "17 0001 type A",
    "19 0001 class IN",
    "21 c00c answer: a.b, by a pointer",
    "23 0005 type CNAME",
    "25 0001 class IN",
    "27 00000009 for 9 seconds",
    "31 0004 4 bytes of data",
    "33 0163c00e c.b.",
    "37 c00e authority: b, by a pointer",
    "39 ff00 type TYPE65280",
    "41 0001 class IN",
    "43 00000009 for 9 seconds",
    "47 0000 0 bytes of data",
    "49 00 additional: .",
    "50 0029 no record but EDNS",
    "52 1000 takes 4096 bytes over UDP",
    "54 01008000 version 0, wants DNSSEC, upper bits of the outcome: 1",
    "58 0006 6 bytes of data",
    "60 000a00020102 options 10",
  ]);
});

Deno.test("another kind of message is told", () => {
  const notify = new Uint8Array(QUERY);
  notify[2] |= 4 << 3;
  assertEquals(lines(notify)[1], "2 2100 a query, recursion wanted, opcode 4");
});

Deno.test("a packet that is cut or damaged is an error of DNS, and no other", () => {
  for (const packet of [QUERY, ANSWER]) {
    for (let cut = 0; cut < packet.length; cut++) {
      assertThrows(() => explainDns(packet.subarray(0, cut)), DnsFormatError);
    }
    for (let at = 0; at < packet.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const damaged = new Uint8Array(packet);
        damaged[at] = byte;
        try {
          const fields = explainDns(damaged);
          const all = fields.flatMap(({ bytes }) => [...bytes]);
          assertEquals(all.length, packet.length);
        } catch (error) {
          if (!(error instanceof DnsFormatError)) throw error;
        }
      }
    }
  }
});
