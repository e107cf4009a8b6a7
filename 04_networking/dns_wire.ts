#!/usr/bin/env -S deno run
/**
 * Q. How does DNS write a name in bytes, and why not twice?
 *
 * A. Each label with its length before it, 63 at most, and a 0 at the end for the root:
 * 3 www 6 google 3 com 0. The two highest bits of a length are free, so 11 means that the
 * other 14 bits say where in the message the rest of the name stands: a pointer of two
 * bytes in place of google.com. A reader must only follow pointers that lead back, each
 * further than the one before, and stop at 255 bytes. Then no message can hold it up.
 *
 * Trap: checking only that a pointer leads into the message: it may lead to itself.
 * Left out: what the numbers and names mean, which is in dns_message.ts.
 * Source: RFC 1035 sections 2.3.4, 3.1 and 4.1.4.
 * Run: `deno run dns_wire.ts`
 * @module
 */
import { DnsFormatError, escapeLabel, labels } from "./dns_record.ts";

/** Pointers have 14 bits. */
const FURTHEST = 0x3fff;
/** The bytes that a name may have, lengths and the root's 0 among them. */
const LONGEST = 255;
const LARGEST = 0xffff;

/** Writes numbers in network order, and names, each end of one only once. */
export class Writer {
  #bytes = new Uint8Array(64);
  #length = 0;
  /** Where each end of a name begins. */
  readonly #seen = new Map<string, number>();

  /** Makes room; returns where. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > LARGEST) {
      throw new DnsFormatError(`Cannot write more than ${LARGEST} bytes`);
    }
    if (this.#length > this.#bytes.length) {
      const old = this.#bytes;
      this.#bytes = new Uint8Array(4 * this.#length);
      this.#bytes.set(old);
    }
    return at;
  }

  u8(x: number): void {
    need(x, 0xff);
    const at = this.#grow(1); // first, as it may put other bytes in place
    this.#bytes[at] = x;
  }
  u16(x: number): void {
    need(x, 0xffff);
    const at = this.#grow(2);
    this.#bytes[at] = x >> 8;
    this.#bytes[at + 1] = x;
  }
  u32(x: number): void {
    need(x, 0xffffffff);
    this.u16(x >>> 16);
    this.u16(x & 0xffff);
  }

  /** @throws {DnsFormatError} if a character is no byte */
  bytes(x: string | Uint8Array): void {
    const at = this.#grow(x.length);
    if (typeof x !== "string") return this.#bytes.set(x, at);
    for (let i = 0; i < x.length; i++) {
      const code = x.charCodeAt(i);
      if (code > 0xff) {
        throw new DnsFormatError(`Cannot write ${x[i]}: it is no byte`);
      }
      this.#bytes[at + i] = code;
    }
  }

  /** A length of one byte, and so many. */
  string(x: string): void {
    need(x.length, 0xff);
    const at = this.#grow(1);
    this.#bytes[at] = x.length;
    this.bytes(x);
  }

  /** What `write` writes, with its length of two bytes before it. */
  sized(write: () => void): void {
    const at = this.#grow(2);
    write();
    const length = this.#length - at - 2;
    this.#bytes[at] = length >> 8;
    this.#bytes[at + 1] = length;
  }

  /** @param compress whether its end may be a pointer */
  name(name: string, compress = true): void {
    const whole = compress ? this.#seen.get(name) : undefined;
    if (whole !== undefined) return this.u16(0xc000 | whole);
    const parts = labels(name);
    // Texts without backslashes tell ends of names apart as they are.
    const plain = !name.includes("\\");
    let end = plain ? parts.join(".") : parts.map(escapeLabel).join(".");
    for (const part of parts) {
      const seen = this.#seen.get(end);
      if (seen !== undefined && compress) return this.u16(0xc000 | seen);
      if (seen === undefined && this.#length <= FURTHEST) {
        this.#seen.set(end, this.#length);
      }
      this.string(part);
      end = end.slice((plain ? part : escapeLabel(part)).length + 1);
    }
    this.u8(0);
  }

  /** The bytes so far. */
  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Reads what {@link Writer} writes. Each method throws a {@link DnsFormatError}. */
export class Reader {
  /** The next byte to be read. */
  at = 0;
  readonly #bytes: Uint8Array;
  /** Names by where they begin, as pointers mostly lead there. */
  readonly #names = new Map<number, { name: string; size: number }>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  fail(at: number, why: string): never {
    throw new DnsFormatError(`Cannot read the message at byte ${at}: ${why}`);
  }

  /** The next `count` bytes, in place. */
  take(count: number): Uint8Array {
    const from = this.at;
    this.at += count;
    if (this.at <= this.#bytes.length) {
      return this.#bytes.subarray(from, this.at);
    }
    return this.fail(from, `it ends ${this.at - this.#bytes.length} too early`);
  }

  u8(): number {
    if (this.at >= this.#bytes.length) this.take(1);
    return this.#bytes[this.at++];
  }
  u16(): number {
    if (this.at + 2 > this.#bytes.length) this.take(2);
    return this.#bytes[this.at++] << 8 | this.#bytes[this.at++];
  }
  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  /** So many bytes as a string of them. */
  bytes(count: number): string {
    const end = this.at + count;
    if (end > this.#bytes.length) this.take(count);
    let text = "";
    while (this.at < end) text += String.fromCharCode(this.#bytes[this.at++]);
    return text;
  }

  /** Reads within a length of two bytes, all of it. @param read gets where it ends */
  sized(read: (end: number) => void): void {
    const start = this.at;
    const length = this.u16();
    const end = this.at + length;
    if (end > this.#bytes.length) {
      this.fail(start, `${length} bytes are not there`);
    }
    read(end);
    if (this.at !== end) {
      this.fail(
        start,
        `a length of ${length}, of which ${this.at - start - 2} are used`,
      );
    }
  }

  name(): string {
    const start = this.at;
    let name = "";
    // Each pointer must lead further back than all before it, so there is an end.
    let [furthest, size, back] = [start, 1, -1];
    for (let length = this.u8(); length !== 0; length = this.u8()) {
      const at = this.at - 1;
      let part = "";
      if (length >= 0xc0) {
        const to = (length & 0x3f) << 8 | this.u8();
        if (to >= furthest) {
          this.fail(at, `a pointer to ${to} does not lead back`);
        }
        if (back < 0) back = this.at;
        this.at = furthest = to;
        const known = this.#names.get(to);
        if (!known) continue;
        part = known.name;
        size += known.size - 1;
      } else if (length > 63) {
        this.fail(at, "a label of an unknown kind");
      } else {
        part = escapeLabel(this.bytes(length));
        size += 1 + length;
      }
      if (size > LONGEST) this.fail(at, `a name above ${LONGEST} bytes`);
      name = name && part !== "." ? `${name}.${part}` : name || part;
      if (length >= 0xc0) break;
    }
    if (back >= 0) this.at = back;
    name ||= ".";
    this.#names.set(start, { name, size });
    return name;
  }
}

function need(x: number, most: number): void {
  if (Number.isInteger(x) && x >= 0 && x <= most) return;
  throw new DnsFormatError(`Cannot write ${x}: needs 0 to ${most}`);
}

if (import.meta.main) {
  const writer = new Writer();
  const hex = (bytes: Uint8Array) =>
    [...bytes].map((byte) =>
      byte > 0x20 && byte < 0x7f
        ? ` ${String.fromCharCode(byte)}`
        : byte.toString(16).padStart(2, "0")
    ).join(" ");
  let start = 0;
  for (const name of ["www.google.com", "mail.google.com", "google.com", "."]) {
    writer.name(name);
    const bytes = writer.done();
    console.log(name.padEnd(16), hex(bytes.subarray(start)));
    start = bytes.length;
  }
  for (const bytes of [[0xc0, 0], [1, 97, 0xc0, 9], [0x40, 1], [5, 97]]) {
    try {
      new Reader(Uint8Array.from(bytes)).name();
    } catch (error) {
      const text = hex(Uint8Array.from(bytes)).padEnd(16);
      console.log(`${text} ${(error as Error).message}`);
    }
  }
}
