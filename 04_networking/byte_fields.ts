#!/usr/bin/env -S deno run
/**
 * Q. Some bytes came over the network. What does each of them mean?
 *
 * A. A protocol is a list of fields, one after the other: so many bytes, and what they say.
 * Whoever reads them goes from field to field, and the next begins where the last has
 * ended. So it is enough to say after each step how far one has come, and what it was; no
 * byte can be left out, and none told twice. A long field is shown by its first bytes.
 *
 * Trap: a dump in hex alone: all bytes are there, and nothing is said.
 * Source: dns_explain.ts and tls_explain.ts use it.
 * Run: `deno run byte_fields.ts`
 * @module
 */

/** Bytes that belong together. */
export interface Field {
  /** Where they begin. */
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly meaning: string;
}

/** The fields of some bytes, from the first on, without a gap. */
export class FieldList {
  readonly fields: Field[] = [];
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  /** How far it has come. */
  get at(): number {
    return this.#at;
  }

  /**
   * What stands from the end of the last field up to here.
   * @throws {RangeError} if that is not behind the last field, or not there
   */
  upTo(end: number, meaning: string): void {
    if (end <= this.#at || end > this.bytes.length) {
      const size = this.bytes.length;
      const what = `from ${this.#at} to ${end} of ${size} bytes`;
      throw new RangeError(`Cannot tell a field ${what}`);
    }
    const bytes = this.bytes.subarray(this.#at, end);
    this.fields.push({ at: this.#at, bytes, meaning });
    this.#at = end;
  }

  /** So many bytes more. @throws {RangeError} if they are not there */
  next(count: number, meaning: string): void {
    this.upTo(this.#at + count, meaning);
  }

  /** What is left, if anything is. */
  rest(meaning: string): void {
    if (this.#at < this.bytes.length) this.upTo(this.bytes.length, meaning);
  }
}

/** A line for each field: where it stands, its bytes in hex, what they mean. */
export function formatFields(fields: readonly Field[], most = 8): string[] {
  return fields.map(({ at, bytes, meaning }) => {
    const shown = [...bytes.subarray(0, most)]
      .map((byte) => byte.toString(16).padStart(2, "0"));
    const cut = bytes.length > most ? ` … (${bytes.length})` : "";
    const width = 3 * most + 6;
    return `${`${at}`.padStart(4)}  ${
      (shown.join(" ") + cut).padEnd(width)
    } ${meaning}`;
  });
}

if (import.meta.main) {
  // A UDP datagram with three bytes (RFC 768).
  const bytes = Uint8Array.fromHex("d4310035000b0000414243");
  const list = new FieldList(bytes);
  list.next(2, "from port 54321");
  list.next(2, "to port 53");
  list.next(2, "11 bytes, these eight among them");
  list.next(2, "no checksum");
  list.rest(`"${new TextDecoder().decode(bytes.subarray(list.at))}"`);
  console.log(formatFields(list.fields).join("\n"));
}
