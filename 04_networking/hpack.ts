#!/usr/bin/env -S deno run
/**
 * Q. How does HTTP/2 compress its headers, and why not just with gzip?
 *
 * A. Both ends keep the same two tables of headers. The static one has 61 common headers,
 * for ever. The dynamic one starts empty: a header that is sent as a literal can be added
 * in front, and the oldest fall out when it is full. So a header is an index of one byte if
 * a table has it, or an index for the name and a literal for the value, or two literals.
 * Literals may be in a fixed Huffman code. A second request costs little more than what is
 * new in it. Gzip would find repetitions between a secret and text that an attacker
 * chooses, and the length would tell him each right guess (CRIME). HPACK matches only whole
 * headers, and a cookie may be marked as never to be put into a table.
 *
 * Trap: the dynamic table is the connection's state: a block that is skipped, or decoded
 * in another order, makes every later one wrong.
 * Left out: QPACK, which is HPACK for streams that overtake each other (HTTP/3).
 * Source: RFC 7541 (tables: appendices A and B); RFC 9113, 4.3.1 and 6.5.2.
 * Run: `deno run hpack.ts`
 * @module
 */
import {
  HpackError,
  readInteger,
  readString,
  writeInteger,
  writeString,
} from "./hpack_strings.ts";

export { HpackError };

/** A header: bytes as characters up to "ÿ"; `true` if no table may ever keep it. */
export type Header = readonly [name: string, value: string, never?: true];

/** How a literal is sent: added to the table, left out of it, or never to be added. */
export type Literal = "add" | "plain" | "never";

export interface EncoderOptions {
  /** The size of the table, if the peer's SETTINGS are known before the first block. */
  tableSize?: number;
  /** Chooses by header; as standard "never" for credentials, and "add" for the others. */
  literal?: (name: string, value: string) => Literal;
  /** Whether strings are Huffman coded where that is no longer; true as standard. */
  huffman?: boolean;
}

export interface DecoderOptions {
  /** The size of the table that our SETTINGS allow. */
  tableSize?: number;
  /** The most that names and values, with 32 for each header, may sum up to. */
  listSize?: number;
  /** The longest name or value, in bytes. */
  stringSize?: number;
}

/** What SETTINGS_HEADER_TABLE_SIZE is before anybody has said anything. */
export const DEFAULT_TABLE_SIZE = 4096;
export const DEFAULT_LIST_SIZE = 65_536;
/** RFC 7541, 4.1: what an entry is taken to cost besides its bytes. */
const OVERHEAD = 32;
const SECRETS = [
  "authorization",
  "cookie",
  "proxy-authorization",
  "set-cookie",
];

// Appendix A: entry 1 first, a name and perhaps a value.
const STATIC: Header[] = (":authority|:method GET|:method POST|:path /|" +
  ":path /index.html|:scheme http|:scheme https|:status 200|:status 204|" +
  ":status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|" +
  "accept-encoding gzip, deflate|accept-language|accept-ranges|accept|" +
  "access-control-allow-origin|age|allow|authorization|cache-control|" +
  "content-disposition|content-encoding|content-language|content-length|" +
  "content-location|content-range|content-type|cookie|date|etag|expect|expires|" +
  "from|host|if-match|if-modified-since|if-none-match|if-range|" +
  "if-unmodified-since|last-modified|link|location|max-forwards|" +
  "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|" +
  "server|set-cookie|strict-transport-security|transfer-encoding|user-agent|" +
  "vary|via|www-authenticate").split("|").map((entry) => {
    const [name, ...value] = entry.split(" ");
    return [name, value.join(" ")];
  });

/** The dynamic table. Both ends have one for each direction. */
export class DynamicTable {
  /** The oldest first; index 62 is the last of them. */
  #entries: Header[] = [];
  #size = 0;

  constructor(public maxSize: number = DEFAULT_TABLE_SIZE) {}

  /** The bytes of names and values, and 32 for each entry. */
  get size(): number {
    return this.#size;
  }
  /** A copy: the newest, index 62, first. */
  get entries(): Header[] {
    return this.#entries.toReversed();
  }
  get length(): number {
    return this.#entries.length;
  }

  /** The header with that index in both tables, if there is one. */
  at(index: number): Header | undefined {
    return index <= STATIC.length
      ? STATIC[index - 1]
      : this.#entries[this.#entries.length - (index - STATIC.length)];
  }

  /** Drops the oldest until it fits; one that never does leaves the table empty. */
  add(header: Header): void {
    const size = headerSize(header);
    this.#evict(this.maxSize - size);
    if (size > this.maxSize) return;
    this.#entries.push(header);
    this.#size += size;
  }

  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.#evict(maxSize);
  }

  /** Where both are, and where the name is; 0 if nowhere. */
  find(name: string, value: string): { both: number; named: number } {
    let named = 0;
    for (let index = 1; index <= STATIC.length + this.length; index++) {
      const header = this.at(index)!;
      if (header[0] !== name) continue;
      if (header[1] === value) return { both: index, named: index };
      named ||= index;
    }
    return { both: 0, named };
  }

  #evict(room: number): void {
    while (this.#size > room && this.length > 0) {
      this.#size -= headerSize(this.#entries.shift()!);
    }
  }
}

/** What a header counts in a table and in SETTINGS_MAX_HEADER_LIST_SIZE. */
export function headerSize([name, value]: Header): number {
  return name.length + value.length + OVERHEAD;
}

/** Writes the blocks of one direction of a connection. */
export class HpackEncoder {
  readonly table: DynamicTable;
  #literal: (name: string, value: string) => Literal;
  #huffman: boolean;
  /** Sizes that the other end has not been told: the smallest, then the last. */
  #updates: number[] = [];

  constructor(options: EncoderOptions = {}) {
    this.table = new DynamicTable(options.tableSize);
    this.#literal = options.literal ??
      ((name) => SECRETS.includes(name) ? "never" : "add");
    this.#huffman = options.huffman ?? true;
  }

  /** What the peer's SETTINGS_HEADER_TABLE_SIZE allows, or less. */
  setTableSize(maxSize: number): void {
    if (maxSize === this.table.maxSize) return;
    this.table.resize(maxSize);
    const smallest = Math.min(maxSize, ...this.#updates);
    this.#updates = smallest < maxSize ? [smallest, maxSize] : [maxSize];
  }

  /**
   * @returns a block, that must be sent before any later one
   * @throws {HpackError} if a character is no byte; the table is then as it was
   */
  encode(headers: readonly Header[]): Uint8Array {
    for (const [name, value] of headers) {
      // deno-lint-ignore no-control-regex
      if (/[^\x00-\xff]/.test(name + value)) {
        throw new HpackError("text", `Cannot send ${name}: not only bytes`);
      }
    }
    const out: number[] = [];
    for (const size of this.#updates) writeInteger(out, size, 5, 0x20);
    this.#updates = [];
    for (const [name, value, never] of headers) {
      const { both, named } = this.table.find(name, value);
      let how = never ? "never" : this.#literal(name, value);
      // An index would tell that the secret is in a table.
      if (both && how !== "never") {
        writeInteger(out, both, 7, 0x80);
        continue;
      }
      // One header that is too large must not drive all the others out.
      const size = headerSize([name, value]);
      if (how === "add" && size > this.table.maxSize) how = "plain";
      if (how === "add") writeInteger(out, named, 6, 0x40);
      else writeInteger(out, named, 4, how === "never" ? 0x10 : 0x00);
      if (!named) writeString(out, name, this.#huffman);
      writeString(out, value, this.#huffman);
      if (how === "add") this.table.add([name, value]);
    }
    return Uint8Array.from(out);
  }
}

/** Reads the blocks of one direction of a connection, each of them, and in order. */
export class HpackDecoder {
  readonly table: DynamicTable;
  #tableSize: number;
  #listSize: number;
  #stringSize: number;
  /** Whether the next block must begin with a size, because ours has become smaller. */
  #mustShrink = false;
  #block: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(options: DecoderOptions = {}) {
    this.#tableSize = options.tableSize ?? DEFAULT_TABLE_SIZE;
    this.#listSize = options.listSize ?? DEFAULT_LIST_SIZE;
    this.#stringSize = options.stringSize ?? this.#listSize;
    this.table = new DynamicTable(
      Math.min(this.#tableSize, DEFAULT_TABLE_SIZE),
    );
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE, from when the peer has acknowledged it. */
  setTableSize(tableSize: number): void {
    this.#tableSize = tableSize;
    this.#mustShrink = tableSize < this.table.maxSize;
  }

  /**
   * @param onHeader called with each header, and where in the block it ends
   * @throws {HpackError} what is wrong, and where. After "list" the tables are still
   * right, and the next block can be read; after the others none can be.
   */
  decode(
    block: Uint8Array,
    onHeader: (header: Header, end: number) => void = () => {},
  ): Header[] {
    this.#block = block;
    this.#at = 0;
    const headers: Header[] = [];
    let size = 0;
    let fields = 0;
    while (this.#at < block.length) {
      const start = this.#at;
      const byte = block[start];
      if (byte >> 5 === 0b001) {
        this.#resize(this.#integer(5), fields, start);
        continue;
      }
      if (this.#mustShrink) {
        throw new HpackError(
          "table size",
          `Cannot read the header at byte ${start}: the table is still ` +
            `${this.table.maxSize} bytes, and only ${this.#tableSize} are allowed`,
        );
      }
      fields++;
      const header = this.#header(byte);
      onHeader(header, this.#at);
      size += headerSize(header);
      // The rest is still read, because it may change the table.
      if (size <= this.#listSize) headers.push(header);
    }
    if (size > this.#listSize) {
      throw new HpackError(
        "list",
        `Cannot take ${size} bytes of headers: at most ${this.#listSize}`,
      );
    }
    return headers;
  }

  #header(byte: number): Header {
    const start = this.#at;
    const entry = (index: number) => {
      const found = this.table.at(index);
      if (found) return found;
      const last = STATIC.length + this.table.length;
      throw new HpackError(
        "index",
        `Cannot read the header at byte ${start}: index ${index} is not in 1 to ${last}`,
      );
    };
    if (byte >= 0x80) return entry(this.#integer(7));
    const add = byte >= 0x40;
    const index = this.#integer(add ? 6 : 4);
    const name = index ? entry(index)[0] : this.#string();
    const value = this.#string();
    if (add) this.table.add([name, value]);
    return !add && byte >= 0x10 ? [name, value, true] : [name, value];
  }

  #integer(prefix: number): number {
    const { value, next } = readInteger(this.#block, this.#at, prefix);
    this.#at = next;
    return value;
  }

  #string(): string {
    const { text, next } = readString(this.#block, this.#at, this.#stringSize);
    this.#at = next;
    return text;
  }

  #resize(size: number, fields: number, at: number): void {
    if (fields > 0 || size > this.#tableSize) {
      throw new HpackError(
        "table size",
        `Cannot set the table's size to ${size} at byte ${at}: ` +
          (fields > 0
            ? `${fields} headers came before it`
            : `at most ${this.#tableSize} are allowed`),
      );
    }
    this.table.resize(size);
    this.#mustShrink = false;
  }
}

if (import.meta.main) {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (const path of ["/", "/search?q=hpack"]) {
    const headers: Header[] = [
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", "www.google.com"],
      [":path", path],
      ["user-agent", "workshop/1.0"],
      ["accept-encoding", "gzip"],
      ["cookie", "SID=31d4d96e407aad42"],
    ];
    const text = `GET ${path} HTTP/1.1\r\nhost: www.google.com\r\n` +
      headers.slice(4).map(([name, value]) => `${name}: ${value}\r\n`).join(
        "",
      ) +
      "\r\n";
    const block = encoder.encode(headers);
    console.log(
      `GET ${path}: ${text.length} bytes as HTTP/1.1, ${block.length} as HPACK`,
    );
    console.log(block.toHex().replace(/(.{2})/g, "$1 "));
    decoder.decode(block);
    console.log(`The table, ${decoder.table.size} bytes:`);
    decoder.table.entries.forEach((header, i) =>
      console.log(`  ${STATIC.length + 1 + i} ${header[0]}: ${header[1]}`)
    );
  }
}
