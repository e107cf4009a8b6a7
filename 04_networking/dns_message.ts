#!/usr/bin/env -S deno run
/**
 * Q. What is in a DNS packet?
 *
 * A. A header of 12 bytes: an id, flags, and four counts. Then questions, answers,
 * authorities, which say who would know, and additionals, such as their addresses. A
 * record is a name, a type, a class, a time to live and its data. A name is a list of
 * labels, each with its length before it; where its end has stood before, two bytes point
 * back to that. EDNS hides in the additionals as a record OPT, whose class is the size of
 * answers that the sender takes, and whose ttl holds further flags.
 *
 * Trap: following pointers without a limit. One that points at itself is for ever.
 * Left out: updates, transfers, classes but IN; records are in dns_record.ts.
 * Source: RFC 1035 section 4; EDNS(0): RFC 6891; names that must not be compressed: RFC
 * 3597 section 4.
 * Run: `deno run dns_message.ts`; dns_explain.ts reads a packet byte by byte
 * @module
 */
import { formatAddress, parseAddress } from "./address.ts";
import {
  DnsFormatError,
  type DnsRecord,
  formatRecord,
  type Kind,
  type Param,
  typeName,
  typeNumber,
  TYPES,
} from "./dns_record.ts";
import { Reader, Writer } from "./dns_wire.ts";

/** What is asked. */
export interface Question {
  readonly name: string;
  /** As A or AAAA, or TYPE and its number. */
  readonly type: string;
}

/** What EDNS adds. */
export interface Edns {
  /** The largest UDP payload that the sender takes, in bytes. */
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  /** Strings of bytes. */
  readonly options: readonly { readonly code: number; readonly data: string }[];
}

/** A query or a response. */
export interface Message {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** As in {@link RCODES}; above 15 only with EDNS. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  /** But for OPT, which is `edns`. */
  readonly additionals: readonly DnsRecord[];
  readonly edns?: Edns;
}

/** Response codes by number. */
export const RCODES = [
  ...["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"],
  ...["YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"],
];

const IN = 1;
const OPT = 41;
/** Bits of the header's second pair of bytes. */
const FLAGS = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
} as const;
const FLAG_NAMES = Object.keys(FLAGS) as (keyof typeof FLAGS)[];
const SECTIONS = ["answers", "authorities", "additionals"] as const;

/** A message with these fields, and nothing else: a query that asks nothing. */
export function message(fields: Partial<Message>): Message {
  const flags = {
    response: false,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
  };
  const counts = {
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  };
  return { id: 0, opcode: 0, rcode: 0, ...flags, ...counts, ...fields };
}

/**
 * Writes a message.
 * @throws {DnsFormatError} if a name, a type or a number does not fit, or the message is
 * above 65,535 bytes
 */
export function encode(m: Message): Uint8Array {
  const to = new Writer();
  to.u16(m.id);
  let flags = number("opcode", m.opcode, 4) << 11 | m.rcode & 15;
  for (const flag of FLAG_NAMES) if (m[flag]) flags |= FLAGS[flag];
  if (number("rcode", m.rcode, 12) > 15 && !m.edns) {
    throw new DnsFormatError(`Cannot write rcode ${m.rcode} without EDNS`);
  }
  to.u16(flags);
  to.u16(m.questions.length);
  for (const section of SECTIONS) {
    const opt = section === "additionals" && m.edns ? 1 : 0;
    to.u16(m[section].length + opt);
  }
  for (const { name, type } of m.questions) {
    to.name(name);
    to.u16(typeNumber(type));
    to.u16(IN);
  }
  for (const section of SECTIONS) {
    for (const record of m[section]) writeRecord(to, record);
  }
  if (m.edns) {
    const { size, version, dnssecOk, options } = m.edns;
    to.u8(0); // the root
    to.u16(OPT);
    to.u16(size);
    to.u8(m.rcode >> 4);
    to.u8(version);
    to.u16(dnssecOk ? 0x8000 : 0);
    to.sized(() => {
      for (const { code, data } of options) {
        to.u16(code);
        to.sized(() => to.bytes(data));
      }
    });
  }
  return to.done();
}

function writeRecord(to: Writer, record: DnsRecord): void {
  to.name(record.name);
  to.u16(typeNumber(record.type));
  to.u16(IN);
  to.u32(record.ttl);
  const values = record as unknown as Record<string, unknown>;
  const known = Object.hasOwn(TYPES, record.type);
  to.sized(() => {
    if (!known) return to.bytes(values.data as string);
    for (const [field, kind] of TYPES[record.type][1]) {
      write(to, kind, values[field]);
    }
  });
}

function write(to: Writer, kind: Kind, value: unknown): void {
  switch (kind) {
    case "u8":
    case "u16":
    case "u32":
      return to[kind](value as number);
    case "name":
      return to.name(value as string);
    case "plain":
      return to.name(value as string, false);
    case "ipv4":
    case "ipv6": {
      const bytes = address(value as string);
      if (bytes.length !== (kind === "ipv4" ? 4 : 16)) {
        throw new DnsFormatError(`Cannot write ${value} as ${kind}`);
      }
      return to.bytes(bytes);
    }
    case "string":
      return to.string(value as string);
    case "strings":
      return (value as string[]).forEach((text) => to.string(text));
    case "rest":
      return to.bytes(value as string);
    case "params":
      for (const param of value as Param[]) {
        to.u16(param.key);
        to.sized(() => to.bytes(param.value));
      }
  }
}

function address(text: string): Uint8Array {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new DnsFormatError((error as Error).message);
  }
}

/**
 * Reads a message.
 * @throws {DnsFormatError} if it ends early, a pointer does not lead back, a length does
 * not fit, or something is left at the end
 */
export function decode(bytes: Uint8Array): Message {
  const from = new Reader(bytes);
  const id = from.u16();
  const flags = from.u16();
  const counts = [from.u16(), from.u16(), from.u16(), from.u16()];
  const questions: Question[] = [];
  for (let n = 0; n < counts[0]; n++) {
    questions.push({ name: from.name(), type: typeName(from.u16()) });
    from.u16(); // the class
  }
  let edns: Edns | undefined;
  let rcode = flags & 15;
  const [answers, authorities, additionals] = counts.slice(1).map(
    (count, s) => {
      const records: DnsRecord[] = [];
      for (let n = 0; n < count; n++) {
        const start = from.at;
        const name = from.name();
        const type = from.u16();
        if (type !== OPT) {
          records.push(readRecord(from, name, type));
          continue;
        }
        if (s !== 2 || edns || name !== ".") {
          from.fail(start, "an OPT that must not be here");
        }
        const size = from.u16();
        rcode |= from.u8() << 4;
        const version = from.u8();
        const dnssecOk = (from.u16() & 0x8000) !== 0;
        const options: { code: number; data: string }[] = [];
        from.sized((end) => {
          while (from.at < end) {
            const code = from.u16();
            options.push({ code, data: from.bytes(from.u16()) });
          }
        });
        edns = { size, version, dnssecOk, options };
      }
      return records;
    },
  );
  if (from.at < bytes.length) {
    from.fail(from.at, `${bytes.length - from.at} bytes too many`);
  }
  return {
    id,
    opcode: flags >> 11 & 15,
    rcode,
    response: (flags & FLAGS.response) !== 0,
    authoritative: (flags & FLAGS.authoritative) !== 0,
    truncated: (flags & FLAGS.truncated) !== 0,
    recursionDesired: (flags & FLAGS.recursionDesired) !== 0,
    recursionAvailable: (flags & FLAGS.recursionAvailable) !== 0,
    authenticData: (flags & FLAGS.authenticData) !== 0,
    checkingDisabled: (flags & FLAGS.checkingDisabled) !== 0,
    ...{ questions, answers, authorities, additionals },
    ...(edns && { edns }),
  };
}

function readRecord(from: Reader, name: string, number: number): DnsRecord {
  const type = typeName(number);
  from.u16(); // the class
  // Above 2³¹ − 1 a ttl counts as 0 (RFC 2181 section 8).
  const ttl = from.u32();
  const record: Record<string, unknown> = {
    name,
    type,
    ttl: ttl > 0x7fffffff ? 0 : ttl,
  };
  from.sized((end) => {
    if (!Object.hasOwn(TYPES, type)) {
      record.data = from.bytes(end - from.at);
      return;
    }
    for (const [field, kind] of TYPES[type][1]) {
      record[field] = read(from, kind, end);
    }
  });
  return record as unknown as DnsRecord;
}

function read(from: Reader, kind: Kind, end: number): unknown {
  switch (kind) {
    case "u8":
    case "u16":
    case "u32":
      return from[kind]();
    case "name":
    // Compressed all the same: be liberal (RFC 3597 section 4).
    case "plain":
      return from.name();
    case "ipv4":
      return formatAddress(from.take(4));
    case "ipv6":
      return formatAddress(from.take(16));
    case "string":
      return from.bytes(from.u8());
    case "strings": {
      const texts: string[] = [];
      while (from.at < end) texts.push(from.bytes(from.u8()));
      return texts;
    }
    case "rest":
      return from.bytes(end - from.at);
    case "params": {
      const params: Param[] = [];
      while (from.at < end) {
        const [at, key] = [from.at, from.u16()];
        if (key <= (params.at(-1)?.key ?? -1)) {
          from.fail(at, "a key out of order");
        }
        params.push({ key, value: from.bytes(from.u16()) });
      }
      return params;
    }
  }
}

/** A number of so many bits. */
function number(what: string, value: number, bits: number): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** bits) return value;
  throw new DnsFormatError(`Cannot write ${what} ${value} in ${bits} bits`);
}

if (import.meta.main) {
  const name = "www.google.com";
  const edns = { size: 1232, version: 0, dnssecOk: false, options: [] };
  const query = message({
    ...{ id: 0x1234, recursionDesired: true, edns },
    questions: [{ name, type: "A" }],
  });
  const answer = message({
    ...{ ...query, response: true, recursionAvailable: true },
    answers: [
      { name, ttl: 300, type: "CNAME", target: "web.google.com" },
      { name: "web.google.com", ttl: 60, type: "A", address: "192.0.2.1" },
    ],
  });
  for (const m of [query, answer]) {
    const bytes = encode(m);
    console.log(
      `a ${m.response ? "response" : "query"} of ${bytes.length} bytes`,
    );
    console.log(bytes.toHex());
    decode(bytes).answers.forEach((r) => console.log(`  ${formatRecord(r)}`));
  }
}
