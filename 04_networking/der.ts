#!/usr/bin/env -S deno run
/**
 * Q. How are certificates and keys written in bytes?
 *
 * A. In DER: each value is a tag, a length and its content, and a content may be values
 * again. A length below 128 is one byte; a longer one begins with the count of its bytes.
 * There is exactly one way to write each value, so that a signature over the bytes is a
 * signature over the meaning: an integer has no needless zeros, a set is sorted. PEM is
 * the same in base64, between two lines that say what it is.
 *
 * Trap: an integer whose first bit is 1 is negative: a serial number needs a 0 before it.
 * Left out: reading, which is in der_reader.ts.
 * Source: ITU-T X.690 sections 8, 10 and 11; PEM: RFC 7468.
 * Run: `deno run der.ts`
 * @module
 */

/** A value with its tag and length. */
export type Der = Uint8Array<ArrayBuffer>;

/** A value of this tag. */
export function value(tag: number, ...content: readonly Uint8Array[]): Der {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = [tag, ...lengthBytes(length)];
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const part of content) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** One byte below 128; else how many there are, and they. */
function lengthBytes(length: number): number[] {
  if (length < 128) return [length];
  const bytes = bigEndian(BigInt(length));
  return [0x80 | bytes.length, ...bytes];
}

/** A whole number from 0 in as few bytes as it needs, one at least. */
function bigEndian(x: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = x; rest > 0n || bytes.length === 0; rest >>= 8n) {
    bytes.unshift(Number(rest & 255n));
  }
  return bytes;
}

/** Values in this order. */
export const sequence = (...values: readonly Uint8Array[]): Der =>
  value(0x30, ...values);

/** Values in the order of their bytes. */
export const set = (...values: readonly Uint8Array[]): Der =>
  value(0x31, ...values.toSorted(compareBytes));

/** A whole number from 0. @throws {RangeError} if it is negative */
export function integer(x: number | bigint): Der {
  if (x < 0) throw new RangeError(`Cannot write ${x}: needs 0 or more`);
  const bytes = bigEndian(BigInt(x));
  // The first bit is the sign.
  if (bytes[0] >= 128) bytes.unshift(0);
  return value(0x02, Uint8Array.from(bytes));
}

export const boolean = (x: boolean): Der =>
  value(0x01, Uint8Array.of(x ? 0xff : 0));

export const octets = (bytes: Uint8Array): Der => value(0x04, bytes);

/** Whole bytes as bits; the first content byte says how many bits of the last are unused. */
export const bits = (bytes: Uint8Array, unused = 0): Der =>
  value(0x03, Uint8Array.of(unused), bytes);

/** An object identifier, as 1.2.840.10045.2.1. @throws {SyntaxError} if it is none */
export function objectId(text: string): Der {
  // 15 digits at most: a double holds all of them.
  const number = /^(0|[1-9]\d{0,14})$/;
  const parts = text.split(".").map((part) => number.test(part) ? +part : NaN);
  const [first, second, ...rest] = parts;
  if (
    parts.some(Number.isNaN) || !(first <= 2) || !(second < 40 || first === 2)
  ) {
    throw new SyntaxError(`Cannot write ${text} as an object identifier`);
  }
  // Seven bits a byte; the highest bit says that more follow.
  const base128 = (x: number): number[] => {
    const bytes = [x % 128];
    for (
      let more = Math.floor(x / 128);
      more > 0;
      more = Math.floor(more / 128)
    ) {
      bytes.unshift(128 | more % 128);
    }
    return bytes;
  };
  const bytes = [40 * first + second, ...rest].flatMap(base128);
  return value(0x06, Uint8Array.from(bytes));
}

export const utf8 = (text: string): Der =>
  value(0x0c, new TextEncoder().encode(text));

/** A moment, to the second. Years up to 2049 are written with two digits (RFC 5280). */
export function time(date: Date): Der {
  const year = date.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999)) {
    throw new RangeError(`Cannot write the date ${date}: needs 1950 to 9999`);
  }
  const digits = date.toISOString().slice(0, 19).replaceAll(/[^\d]/g, "");
  const text = (short: boolean) =>
    new TextEncoder().encode(`${short ? digits.slice(2) : digits}Z`);
  return year < 2050 ? value(0x17, text(true)) : value(0x18, text(false));
}

/** Content with a tag whose meaning depends on where it stands; constructed or not. */
export const context = (
  tag: number,
  content: Uint8Array,
  constructed = true,
): Der => value((constructed ? 0xa0 : 0x80) | tag, content);

/** DER as text: base64 between two lines. @param what as CERTIFICATE */
export function pem(what: string, der: Uint8Array): string {
  const base64 = der.toBase64().replaceAll(/.{1,64}/g, "$&\n");
  return `-----BEGIN ${what}-----\n${base64}-----END ${what}-----\n`;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}

if (import.meta.main) {
  const values: [string, Der][] = [
    ["integer 13", integer(13)],
    ["integer 200", integer(200)],
    ["true", boolean(true)],
    ["object 1.2.840.10045.2.1", objectId("1.2.840.10045.2.1")],
    ["text é", utf8("é")],
    ["time", time(new Date(Date.UTC(2026, 10, 21, 12)))],
    ["sequence of 1 and 2", sequence(integer(1), integer(2))],
    ["200 octets", octets(new Uint8Array(200)).subarray(0, 8)],
  ];
  for (const [name, der] of values) {
    const hex = [...der].map((byte) => byte.toString(16).padStart(2, "0"));
    console.log(name.padEnd(25), hex.join(" "));
  }
  console.log(pem("NOTHING", sequence()).trim());
}
