#!/usr/bin/env -S deno run
/**
 * Q. Here is a DNS packet. Read it to me, byte by byte.
 *
 * A. Two bytes of id. Two of flags, some of one bit, one of four: whether it is an answer,
 * which kind, authoritative, cut, recursion wanted and offered, how it went. Four counts.
 * The question: labels, each with its length before it, up to a 0; type and class. Then
 * records: a name, mostly two bytes that point back; type, class, four bytes of seconds, a
 * length, and so many bytes of data. The last one may be no record at all but EDNS, which
 * uses the class for a size.
 *
 * Trap: c0 0c is no length of 192: its two highest bits say that it is a pointer.
 * Source: RFC 1035 section 4.1; EDNS: RFC 6891 section 6.1.
 * Run: `deno run dns_explain.ts`
 * @module
 */
import { type Field, FieldList, formatFields } from "./byte_fields.ts";
import { decode, encode, message, RCODES } from "./dns_message.ts";
import { type DnsRecord, formatData, typeName } from "./dns_record.ts";
import { Reader } from "./dns_wire.ts";

const OPT = 41;
/** Flags by their bit. */
const FLAGS: readonly (readonly [number, string])[] = [
  [0x8000, "an answer"],
  [0x0400, "authoritative"],
  [0x0200, "truncated: ask over TCP"],
  [0x0100, "recursion wanted"],
  [0x0080, "recursion offered"],
  [0x0020, "checked by DNSSEC"],
  [0x0010, "unchecked wanted"],
];

/**
 * What each field of a packet means, from the first byte to the last.
 * @throws {DnsFormatError} if it is none
 */
export function explainDns(packet: Uint8Array): Field[] {
  const { answers, authorities, additionals, edns } = decode(packet);
  const list = new FieldList(packet);
  const from = new Reader(packet);
  const tell = (meaning: string) => list.upTo(from.at, meaning);
  tell(`id ${from.u16()}`);
  const flags = from.u16();
  const set = FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);
  if (!(flags & 0x8000)) set.unshift("a query");
  const opcode = flags >> 11 & 15;
  if (opcode > 0) set.push(`opcode ${opcode}`);
  const rcode = RCODES[flags & 15] ?? `${flags & 15}`;
  tell([...set, ...(flags & 0x8000 ? [rcode] : [])].join(", "));
  const counts = ["questions", "answers", "authorities", "additionals"]
    .map((what) => {
      const count = from.u16();
      tell(count === 1 ? `1 ${singular(what)}` : `${count} ${what}`);
      return count;
    });
  for (let n = 0; n < counts[0]; n++) {
    tell(`question: ${from.name()}`);
    tell(`type ${typeName(from.u16())}`);
    tell(classOf(from.u16()));
  }
  const sections = [answers, authorities, additionals];
  for (const [s, records] of sections.entries()) {
    const what = singular(["answers", "authorities", "additionals"][s]);
    let next = 0;
    for (let n = 0; n < counts[s + 1]; n++) {
      const start = from.at;
      const name = from.name();
      const pointer = packet[start] >= 0xc0;
      tell(`${what}: ${name}${pointer ? ", by a pointer" : ""}`);
      const type = from.u16();
      tell(type === OPT ? "no record but EDNS" : `type ${typeName(type)}`);
      const third = from.u16();
      tell(type === OPT ? `takes ${third} bytes over UDP` : classOf(third));
      const ttl = from.u32();
      tell(type === OPT ? ednsFlags(ttl) : `for ${ttl} seconds`);
      const size = from.u16();
      tell(`${size} bytes of data`);
      from.take(size);
      const data = type === OPT
        ? `options ${edns?.options.map(({ code }) => code).join(", ")}`
        : formatData(records[next++]);
      if (size > 0) tell(data);
    }
  }
  return list.fields;
}

const singular = (what: string) => what.replace(/ies$/, "y").replace(/s$/, "");

const classOf = (number: number) =>
  number === 1 ? "class IN" : `class ${number}`;

function ednsFlags(bits: number): string {
  const dnssec = bits & 0x8000 ? ", wants DNSSEC" : "";
  const rest = bits >>> 24 ? `, upper bits of the outcome: ${bits >>> 24}` : "";
  return `version ${bits >> 16 & 255}${dnssec}${rest}`;
}

if (import.meta.main) {
  // A name that is not there, asked for with its IPv6 address.
  const query = message({
    ...{ id: 0x1234, recursionDesired: true },
    questions: [{ name: "mail.google.com", type: "AAAA" }],
    edns: { size: 1232, version: 0, dnssecOk: false, options: [] },
  });
  const soa: DnsRecord = {
    ...{ name: "google.com", ttl: 60, type: "SOA", primary: "ns1.google.com" },
    ...{ mailbox: "admin.google.com", serial: 1, refresh: 900, retry: 900 },
    ...{ expire: 1800, minimum: 60 },
  };
  const flags = { response: true, recursionAvailable: true, rcode: 3 };
  for (
    const m of [query, message({ ...query, ...flags, authorities: [soa] })]
  ) {
    console.log(m.response ? "the answer" : "the query");
    console.log(formatFields(explainDns(encode(m))).join("\n"));
  }
}
