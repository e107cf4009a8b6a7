#!/usr/bin/env -S deno run
/**
 * Q. What is an IP address, and how is it written?
 *
 * A. A number: of 32 bits in IPv4, written as four bytes in decimal, and of 128 in IPv6,
 * written as eight groups of 16 bits in hexadecimal. In IPv6 leading zeros of a group are
 * left out, and the longest run of zero groups, from two on and the first of equal ones,
 * becomes "::", once. So each address has one right form, and texts can be compared.
 *
 * Trap: to read 010.0.0.1: some say 8.0.0.1, as a leading 0 once meant octal. It is refused.
 * Left out: zones (fe80::1%eth0), prefixes, ranges.
 * Source: RFC 4291 section 2.2; the one right form: RFC 5952 section 4.
 * Run: `deno run address.ts 2001:0db8:0:0:0:0:0:1`
 * @module
 */

/**
 * An address as text: four bytes as IPv4, sixteen as IPv6.
 * @throws {RangeError} if there are other than 4 or 16 bytes
 */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) {
    throw new RangeError(`Cannot write an address of ${bytes.length} bytes`);
  }
  const groups = Array.from(
    { length: 8 },
    (_, i) => bytes[2 * i] << 8 | bytes[2 * i + 1],
  );
  let [start, length] = [-1, 1]; // of the longest run of zeros, from two on
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
    if (end > i) i = end;
  }
  const hex = groups.map((group) => group.toString(16));
  if (start < 0) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${
    hex.slice(start + length).join(":")
  }`;
}

/**
 * The bytes of an address: 4 or 16. IPv6 may end in IPv4, as in ::ffff:192.0.2.1.
 * @throws {SyntaxError} if it is none
 */
export function parseAddress(text: string): Uint8Array {
  const bytes = text.includes(":") ? parseIPv6(text) : parseIPv4(text);
  if (bytes) return bytes;
  throw new SyntaxError(`Cannot read ${text} as an IP address`);
}

/** Whether a text is an address: 4, 6, or 0 if it is none. */
export function addressFamily(text: string): 0 | 4 | 6 {
  if (text.includes(":")) return parseIPv6(text) ? 6 : 0;
  return parseIPv4(text) ? 4 : 0;
}

function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const byte = Number(parts[i]);
    // As a number is written, and in no other way: no 01, 1e1, 0x1 or blank.
    if (!(byte < 256) || `${byte}` !== parts[i] || byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

function parseIPv6(text: string): Uint8Array | undefined {
  const [, head, tail] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const last = tail === undefined ? undefined : parseIPv4(tail);
  if (tail !== undefined && !last) return undefined;
  const hex = (byte: number) => last![byte] << 8 | last![byte + 1];
  const whole = last
    ? head + hex(0).toString(16) + ":" + hex(2).toString(16)
    : text;
  const sides = whole.split("::")
    .map((side) => side === "" ? [] : side.split(":"));
  const count = sides.reduce((sum, side) => sum + side.length, 0);
  // "::" stands for one group at least.
  const fits = sides.length === 1
    ? count === 8
    : sides.length === 2 && count < 8;
  if (!fits || !sides.flat().every((group) => /^[\da-f]{1,4}$/i.test(group))) {
    return undefined;
  }
  const groups = [
    ...sides[0],
    ...new Array<string>(8 - count).fill("0"),
    ...sides[1] ?? [],
  ].map((group) => parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

if (import.meta.main) {
  const texts = Deno.args.length > 0 ? Deno.args : [
    "2001:0DB8:0:0:0:0:0:1",
    "::ffff:192.0.2.1",
    "1:0:0:2:0:0:0:3",
    "10.0.0.1",
  ];
  try {
    for (const text of texts) {
      const bytes = parseAddress(text);
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
      console.log(`${text} is ${formatAddress(bytes)}, bytes ${hex.join(" ")}`);
    }
  } catch (error) {
    console.error(
      `${(error as Error).message}\nUsage: deno run address.ts [ADDRESS ...]`,
    );
    Deno.exit(2);
  }
}
