#!/usr/bin/env -S deno run
/**
 * Q. Which kinds of DNS records are there, and how is one read?
 *
 * A. A record says one thing about a name: A and AAAA its addresses, CNAME that it is
 * another name for something, NS which servers know its zone, SOA where the zone begins
 * and how long an absence holds, MX who takes its mail, TXT any text, PTR the name of an
 * address, SRV a service's host and port, CAA who may sign its certificates, and HTTPS
 * how to connect before the first byte: protocols, port, hints of addresses. Each has a
 * time to live, in seconds, for which it may be kept.
 *
 * Trap: comparing names as text: case does not count, and a last dot is the root's.
 * Left out: DNSSEC's types, which come as TYPE43 and their bytes.
 * Source: RFC 1035 section 3.3; AAAA: RFC 3596; SRV: RFC 2782; CAA: RFC 8659; HTTPS and
 * SVCB: RFC 9460; unknown types: RFC 3597; case: RFC 4343.
 * Run: `deno run dns_record.ts`
 * @module
 */
import { formatAddress } from "./address.ts";

/** Data that is malformed, or that cannot be written. */
export class DnsFormatError extends Error {
  override readonly name = "DnsFormatError";
}

/** How a field of a type's data is kept in a message. */
export type Kind =
  | ("u8" | "u16" | "u32")
  /** A name that may be compressed, and one that must not be. */
  | ("name" | "plain")
  /** 4 and 16 bytes. */
  | ("ipv4" | "ipv6")
  /** A length and so many bytes; several of these; all bytes that are left. */
  | ("string" | "strings" | "rest")
  /** Keys with values, in order of the keys. */
  | "params";

type Fields = readonly (readonly [field: string, kind: Kind])[];
const target: Fields = [["target", "name"]];
const service: Fields = [
  ["priority", "u16"],
  ["target", "plain"],
  ["params", "params"],
];

/** Types by name: the number, and the fields of the data in their order. */
export const TYPES: Record<string, readonly [number, Fields]> = {
  A: [1, [["address", "ipv4"]]],
  NS: [2, target],
  CNAME: [5, target],
  SOA: [6, [
    ["primary", "name"],
    ["mailbox", "name"],
    ["serial", "u32"],
    ["refresh", "u32"],
    ["retry", "u32"],
    ["expire", "u32"],
    ["minimum", "u32"],
  ]],
  PTR: [12, target],
  MX: [15, [["preference", "u16"], ["exchange", "name"]]],
  TXT: [16, [["texts", "strings"]]],
  AAAA: [28, [["address", "ipv6"]]],
  SRV: [33, [
    ["priority", "u16"],
    ["weight", "u16"],
    ["port", "u16"],
    ["target", "plain"],
  ]],
  SVCB: [64, service],
  HTTPS: [65, service],
  CAA: [257, [["flags", "u8"], ["tag", "string"], ["value", "rest"]]],
};
const NAMES = new Map(Object.entries(TYPES).map(([name, [n]]) => [n, name]));

/** What a record says, by its type. Strings hold bytes, one a character. */
export type Data =
  | { readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly type: "NS" | "CNAME" | "PTR"; readonly target: string }
  | { readonly type: "SOA" } & Soa
  | {
    readonly type: "MX";
    readonly preference: number;
    readonly exchange: string;
  }
  | { readonly type: "TXT"; readonly texts: readonly string[] }
  | {
    readonly type: "SRV";
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: string;
  }
  | {
    readonly type: "HTTPS" | "SVCB";
    readonly priority: number;
    readonly target: string;
    readonly params: readonly Param[];
  }
  | {
    readonly type: "CAA";
    readonly flags: number;
    readonly tag: string;
    readonly value: string;
  }
  | { readonly type: `TYPE${number}`; readonly data: string };

/** The start of a zone. An absence holds for the lesser of `minimum` and the ttl. */
export interface Soa {
  readonly primary: string;
  readonly mailbox: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

/** A parameter of HTTPS and SVCB; {@link PARAMS} has the names of keys. */
export interface Param {
  readonly key: number;
  readonly value: string;
}

/** A record of a name, for `ttl` seconds. */
export type DnsRecord = Data & { readonly name: string; readonly ttl: number };

/** The number of a type's name, or of TYPE and a number. @throws {DnsFormatError} */
export function typeNumber(type: string): number {
  const known = Object.hasOwn(TYPES, type) ? TYPES[type][0] : undefined;
  const number = known ?? Number(/^TYPE(\d{1,5})$/.exec(type)?.[1] ?? -1);
  if (number >= 0 && number <= 0xffff) return number;
  throw new DnsFormatError(`Cannot use the type ${type}: it has no number`);
}

/** The name of a type's number. */
export const typeName = (n: number): string => NAMES.get(n) ?? `TYPE${n}`;

/**
 * The labels of a name, as strings of bytes; none of the root, ".". In a name, a dot or a
 * backslash within a label has a backslash before it, and a byte that is no visible
 * ASCII is \DDD, in decimal. A last dot may be there.
 * @throws {DnsFormatError} if a label is empty or above 63 bytes, the name above 255, or
 * a character is no byte
 */
export function labels(name: string): string[] {
  if (name === "." || name === "") return [];
  const found = name.includes("\\") ? unescape(name) : name.split(".");
  if (found[found.length - 1] === "") found.pop();
  let size = 1;
  for (const label of found) {
    const { length } = label;
    if (length === 0 || length > 63) {
      fail(name, `a label of ${length} bytes; needs 1 to 63`);
    }
    if (/[\u0100-\uffff]/.test(label)) {
      fail(name, "a character that is no byte");
    }
    size += 1 + length;
  }
  if (size > 255) fail(name, `${size} bytes; needs 255 or less`);
  return found;
}

function unescape(name: string): string[] {
  const found = [""];
  for (const [part] of name.matchAll(/\\\d{3}|\\?[^]/g)) {
    if (part === ".") found.push("");
    else if (part === "\\") fail(name, "a backslash at its end");
    else {
      const byte = part.length === 4
        ? String.fromCharCode(Number(part.slice(1)))
        : part[part.length - 1];
      found[found.length - 1] += byte;
    }
  }
  return found;
}

function fail(name: string, why: string): never {
  throw new DnsFormatError(`Cannot use the name ${name}: it has ${why}`);
}

/** A label as it stands in a name. */
export const escapeLabel = (label: string): string =>
  /^[\w-]*$/.test(label) ? label : escapeBytes(label, /["().;\\@$]/, /[!-~]/);

/** Bytes as text: a backslash before what is special, \DDD for what is not plain. */
function escapeBytes(bytes: string, special: RegExp, plain: RegExp): string {
  return bytes.replace(
    /[^]/g,
    (byte) =>
      special.test(byte)
        ? `\\${byte}`
        : plain.test(byte)
        ? byte
        : `\\${`${byte.charCodeAt(0)}`.padStart(3, "0")}`,
  );
}

/** A name in the one form in which names can be compared: lower case, without a last dot. */
export const canonicalName = (name: string): string =>
  // Only the case of ASCII does not count (RFC 4343): other bytes are digits by then.
  labels(name).map(escapeLabel).join(".").toLowerCase() || ".";

/** Whether a canonical name is `zone` or below it. */
export const isWithin = (name: string, zone: string): boolean =>
  zone === "." || name === zone || name.endsWith(`.${zone}`) &&
    // The dot before it has no backslash of its own: then it would be within a label.
    /^(\\.|[^\\])*$/.test(name.slice(0, -zone.length - 1));

/** The addresses among records. */
export const addressesOf = (records: readonly DnsRecord[]): string[] =>
  records.flatMap((r) => "address" in r ? [r.address] : []);

/** The names of servers among records. */
export const serversOf = (records: readonly DnsRecord[]): string[] =>
  records.flatMap((r) => r.type === "NS" ? [canonicalName(r.target)] : []);

/** Names of keys of HTTPS and SVCB. */
export const PARAMS = [
  ...["mandatory", "alpn", "no-default-alpn", "port"],
  ...["ipv4hint", "ech", "ipv6hint"],
];

/** A record in a line, as zone files and dig have it. */
export function formatRecord(record: DnsRecord): string {
  const { name, ttl, type } = record;
  return `${dotted(name)} ${ttl} IN ${type} ${formatData(record)}`;
}

/** What a record says, in a line. */
export function formatData(record: Data): string {
  const values = record as unknown as Record<string, unknown>;
  if (!Object.hasOwn(TYPES, record.type)) {
    const bytes = [...values.data as string];
    const hex = bytes.map((byte) => toHex(byte.charCodeAt(0))).join("");
    return `\\# ${bytes.length} ${hex}`.trimEnd();
  }
  return TYPES[record.type][1].map(([field, kind]) => {
    const value = values[field];
    switch (kind) {
      case "name":
      case "plain":
        return dotted(value as string);
      case "strings":
        return (value as string[]).map(quoted).join(" ");
      case "rest":
        return quoted(value as string);
      case "params":
        return (value as Param[]).map(formatParam).join(" ");
      default:
        return value;
    }
  }).join(" ").trimEnd();
}

const dotted = (name: string) => `${labels(name).map(escapeLabel).join(".")}.`;
const quoted = (bytes: string) => `"${escapeBytes(bytes, /["\\]/, /[ -~]/)}"`;
const toHex = (byte: number) =>
  byte.toString(16).toUpperCase().padStart(2, "0");

const paramName = (key: number) => PARAMS[key] ?? `key${key}`;

function formatParam({ key, value }: Param): string {
  const name = paramName(key);
  const bytes = Uint8Array.from(value, (byte) => byte.charCodeAt(0));
  const addresses = (size: number) =>
    Array.from(
      { length: bytes.length / size },
      (_, i) => formatAddress(bytes.subarray(i * size, (i + 1) * size)),
    ).join(",");
  if (key === 0 && bytes.length % 2 === 0) {
    const keys = Array.from(
      { length: bytes.length / 2 },
      (_, i) => paramName(bytes[2 * i] << 8 | bytes[2 * i + 1]),
    );
    return `${name}=${keys.join(",")}`;
  }
  if (key === 1) {
    // A comma within one of the list has a backslash (RFC 9460 appendix A.1).
    const list = strings(value).map((text) => text.replace(/[,\\]/g, "\\$&"));
    return `${name}=${quoted(list.join(","))}`;
  }
  if (key === 5) return `${name}=${btoa(value)}`;
  if (key === 3 && bytes.length === 2) {
    return `${name}=${bytes[0] << 8 | bytes[1]}`;
  }
  if (key === 4 && bytes.length % 4 === 0) return `${name}=${addresses(4)}`;
  if (key === 6 && bytes.length % 16 === 0) return `${name}=${addresses(16)}`;
  return value === "" ? name : `${name}=${quoted(value)}`;
}

/** The strings in a value, each with its length before it, up to where one is cut off. */
export function strings(value: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < value.length;) {
    const end = at + 1 + value.charCodeAt(at);
    found.push(value.slice(at + 1, end));
    at = end;
  }
  return found;
}

if (import.meta.main) {
  const of = { name: "example.com", ttl: 300 };
  const records: DnsRecord[] = [
    { ...of, type: "A", address: "192.0.2.1" },
    { ...of, type: "AAAA", address: "2001:db8::1" },
    { ...of, type: "CNAME", target: "other.example.com" },
    { ...of, type: "NS", target: "ns1.example.com" },
    {
      ...of,
      ...{ type: "SOA", primary: "ns1.example.com", serial: 7 },
      ...{ mailbox: "admin\\.dns.example.com", refresh: 7200, retry: 900 },
      ...{ expire: 1209600, minimum: 60 },
    },
    { ...of, type: "MX", preference: 10, exchange: "mail.example.com" },
    { ...of, type: "TXT", texts: ["v=spf1 -all", 'a "quote"'] },
    {
      ...of,
      ...{
        type: "SRV",
        priority: 0,
        weight: 5,
        port: 5060,
        target: "sip.example.com",
      },
    },
    { ...of, type: "CAA", flags: 0, tag: "issue", value: "ca.example" },
    {
      ...of,
      ...{ type: "HTTPS", priority: 1, target: "." },
      params: [{ key: 1, value: "\x02h2" }, { key: 3, value: "\x20\xfb" }],
    },
    { ...of, type: "TYPE43", data: "\x12\x34" },
  ];
  for (const record of records) console.log(formatRecord(record));
}
