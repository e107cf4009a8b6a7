#!/usr/bin/env -S deno run
/**
 * Q. Read DER: what does a certificate say, byte by byte?
 *
 * A. A tag, a length, and so many bytes; those of a sequence are values again. The reader
 * must insist on the one right form: a length that could be shorter, or "until the end", is
 * refused, for else the same signed bytes could mean two things to two readers. And it
 * checks each length against what is there before it takes a byte.
 *
 * Trap: to go into values by calling oneself: a thousand sequences in each other are 4 KB.
 * Left out: tags above 30, which certificates do not have.
 * Source: ITU-T X.690 sections 8 and 10; times: RFC 5280 section 4.1.2.5.
 * Run: `deno run der_reader.ts`
 * @module
 */
import { boolean, integer, objectId, sequence, time, utf8 } from "./der.ts";

/** Bytes are not DER, or not of the kind that must be here. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** A value that was read. */
export interface Value {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

/** Tags, each with a word for it. */
export const TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  objectId: 0x06,
  utf8: 0x0c,
  shortTime: 0x17,
  longTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** All values that stand one after the other. @throws {DerError} */
export function readValues(bytes: Uint8Array): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at;
    const fail = (why: string): never => {
      throw new DerError(`Cannot read DER at byte ${start}: ${why}`);
    };
    const next = () => bytes[at++] ?? fail("it ends too early");
    const tag = next();
    if ((tag & 31) === 31) fail("a tag above 30");
    let length = next();
    if (length > 127) {
      const count = length - 128;
      if (count === 0 || count > 4) fail(`a length of ${count} bytes`);
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + next();
      const shortest = count === 1 ? 128 : 256 ** (count - 1);
      if (length < shortest) fail("a length that could be shorter");
    }
    const end = at + length;
    if (end > bytes.length) fail(`${length} bytes are not there`);
    const [content, whole] = [at, start].map((from) =>
      bytes.subarray(from, end)
    );
    values.push({ tag, content, whole });
    at = end;
  }
  return values;
}

/** The one value that bytes are. @param tag which it must have @throws {DerError} */
export function readOne(bytes: Uint8Array, tag: number): Value {
  const [value, ...more] = readValues(bytes);
  if (more.length > 0) throw new DerError("Cannot read DER: a value too many");
  return need(value, tag);
}

/** The values of a sequence. @throws {DerError} */
export const readSequence = (bytes: Uint8Array): Value[] =>
  readValues(readOne(bytes, TAGS.sequence).content);

/** A value that must be there, with this tag. @throws {DerError} */
export function need(value: Value | undefined, tag: number): Value {
  if (value?.tag === tag) return value;
  const found = value ? `tag ${value.tag}` : "nothing";
  throw new DerError(`Cannot read DER: ${found} where tag ${tag} must be`);
}

/** An object identifier, as 2.5.29.17. @throws {DerError} */
export function readObjectId(value: Value | undefined): string {
  const bytes = need(value, TAGS.objectId).content;
  const parts: number[] = [];
  let part = 0;
  let short = true;
  bytes.forEach((byte) => {
    // A part that begins with zeros could be shorter.
    if (part === 0 && byte === 128) short = false;
    part = part * 128 + (byte & 127);
    if (byte >= 128) return;
    parts.push(part);
    part = 0;
  });
  const cut = bytes.length === 0 || bytes[bytes.length - 1] >= 128;
  if (cut || !short || parts.some((part) => part > Number.MAX_SAFE_INTEGER)) {
    throw new DerError(`Cannot read the object identifier ${bytes.toHex()}`);
  }
  const [head, ...rest] = parts;
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - 40 * first, ...rest].join(".");
}

/** True is 255 and nothing else. @throws {DerError} */
export function readBoolean(value: Value | undefined): boolean {
  const [byte, ...more] = need(value, TAGS.boolean).content;
  if (more.length === 0 && (byte === 0 || byte === 255)) return byte === 255;
  throw new DerError("Cannot read a boolean that is neither 0 nor 255");
}

/** A whole number from 0 to 127. @throws {DerError} */
export function readSmall(value: Value | undefined): number {
  const [byte, ...more] = need(value, TAGS.integer).content;
  if (more.length === 0 && byte < 128) return byte;
  throw new DerError("Cannot read an integer that is not from 0 to 127");
}

/** Whole bytes of a string of bits, and how many bits of the last are unused. */
export function readBits(
  value: Value | undefined,
): { readonly bytes: Uint8Array; readonly unused: number } {
  const [unused, ...rest] = need(value, TAGS.bits).content;
  if (unused === undefined || unused > 7 || unused > 0 && rest.length === 0) {
    throw new DerError(`Cannot read bits of which ${unused} are unused`);
  }
  if (rest.length > 0 && rest[rest.length - 1] % 2 ** unused !== 0) {
    throw new DerError("Cannot read bits: those that are unused are not 0");
  }
  return { bytes: Uint8Array.from(rest), unused };
}

/** A moment. @throws {DerError} */
export function readTime(value: Value | undefined): Date {
  const text = new TextDecoder("latin1").decode(value?.content);
  const long = value?.tag === TAGS.longTime;
  if (!long) need(value, TAGS.shortTime);
  // Two digits are of 1950 to 2049.
  const year = long ? "" : text < "50" ? "20" : "19";
  const digits = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(year + text);
  const [, y, month, day, h, min, s] = digits ?? [];
  const iso = `${y}-${month}-${day}T${h}:${min}:${s}Z`;
  const date = new Date(iso);
  if (
    Number.isNaN(date.getTime()) ||
    date.toISOString() !== `${iso.slice(0, -1)}.000Z`
  ) {
    throw new DerError(`Cannot read the time ${JSON.stringify(text)}`);
  }
  return date;
}

/** The bytes between the lines of PEM. @throws {DerError} if there are none */
export function readPem(what: string, text: string): Uint8Array<ArrayBuffer> {
  const lines = text.split(`-----BEGIN ${what}-----`)[1]
    ?.split(`-----END ${what}-----`);
  try {
    if (lines?.length !== 2) throw new SyntaxError("there is none");
    return Uint8Array.fromBase64(lines[0].replaceAll(/\s/g, ""));
  } catch (error) {
    const why = (error as Error).message;
    throw new DerError(`Cannot read a ${what} from PEM: ${why}`);
  }
}

if (import.meta.main) {
  const names = Object.entries(TAGS);
  const bytes = sequence(
    integer(13),
    objectId("1.2.840.10045.2.1"),
    boolean(true),
    sequence(utf8("é"), time(new Date(Date.UTC(2026, 10, 21)))),
  );
  console.log(bytes.toHex());
  // A list of what is still to be told, instead of calls within calls.
  const left = readValues(bytes).map((value) => ({ value, depth: 0 }));
  for (let next = left.shift(); next; next = left.shift()) {
    const { value: { tag, content }, depth } = next;
    const name = names.find(([, number]) => number === tag)?.[0] ?? `${tag}`;
    const inside = tag === TAGS.sequence || tag === TAGS.set;
    const shown = inside ? "" : content.toHex();
    console.log(
      `${"  ".repeat(depth)}${name}, ${content.length} bytes ${shown}`,
    );
    const within = inside ? readValues(content) : [];
    left.unshift(...within.map((value) => ({ value, depth: depth + 1 })));
  }
  for (const wrong of ["0203", "028101", "0280", "3f0100", "02820001aa"]) {
    try {
      readValues(Uint8Array.fromHex(wrong));
    } catch (error) {
      console.log(wrong.padEnd(12), (error as Error).message);
    }
  }
}
