#!/usr/bin/env -S deno run
/**
 * Q. HPACK has no fields of a fixed length. How does it write a number and a string?
 *
 * A. A number starts in the bits that the byte before it has left. If it does not fit, they
 * are all 1, and the rest follows in 7 bits a byte, the lowest first; the top bit says that
 * one more comes. A string is one bit that says whether it is Huffman coded, its length, and
 * the bytes. The code was made once from the headers of real traffic, so it needs no table
 * on the wire: 5 bits for a digit 0 to 2 and the commonest letters, up to 30 for bytes that
 * headers do not have. The last byte is filled up with ones, the start of a symbol that is
 * never sent.
 *
 * Trap: to accept any filling: then one header has many codings, and a filter sees another
 * one than the server.
 * Source: RFC 7541, 5.1, 5.2 and appendix B.
 * Run: `deno run hpack_strings.ts`
 * @module
 */

/** What was wrong; after each but "list" the connection cannot go on. */
export type HpackCode =
  | "huffman"
  | "index"
  | "integer"
  | "list"
  | "string"
  | "table size"
  | "text"
  | "truncated";

/** A block that cannot be read, or a header that cannot be written. */
export class HpackError extends Error {
  override name = "HpackError";
  constructor(readonly code: HpackCode, message: string) {
    super(message);
  }
}

/** More than any length or index that is not an attack. */
const MAX_INTEGER = 2 ** 31 - 1;

// Appendix B: the length of each symbol's code in base 36 (d is 13), EOS last. The code is
// canonical: shorter codes first, equally long ones in the order of their symbols.
const LENGTHS = [
  ..."dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
    "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
    "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
    "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu",
].map((digit) => parseInt(digit, 36)); // (257,)
const EOS = 256;
const BY_LENGTH = LENGTHS.map((_, symbol) => symbol)
  .sort((a, b) => LENGTHS[a] - LENGTHS[b] || a - b);
const CODES: number[] = [];
/** For each length: its first code, how many there are, and where they start. */
const ROWS = Array.from({ length: 31 }, () => ({ first: 0, count: 0, at: 0 }));
BY_LENGTH.reduce((code, symbol, at) => {
  const length = LENGTHS[symbol];
  const row = ROWS[length];
  if (row.count === 0) Object.assign(row, { first: code, at });
  row.count++;
  CODES[symbol] = code;
  const next = LENGTHS[BY_LENGTH[at + 1]] ?? length;
  return (code + 1) * 2 ** (next - length);
}, 0);

/** Appends an integer: `prefix` bits of the first byte, then 7 in each, the lowest first. */
export function writeInteger(
  out: number[],
  value: number,
  prefix: number,
  flags = 0,
): void {
  const full = 2 ** prefix - 1;
  if (value < full) {
    out.push(flags | value);
    return;
  }
  out.push(flags | full);
  for (value -= full; value >= 128; value = Math.floor(value / 128)) {
    out.push(128 | value % 128);
  }
  out.push(value);
}

/** The integer that starts with the last `prefix` bits of byte `at`, and where it ends. */
export function readInteger(
  bytes: Uint8Array,
  at: number,
  prefix: number,
): { value: number; next: number } {
  const start = at;
  const bad = (code: HpackCode, why: string) =>
    new HpackError(code, `Cannot read the integer at byte ${start}: ${why}`);
  if (at >= bytes.length) throw bad("truncated", "the block ends");
  const full = 2 ** prefix - 1;
  let value = bytes[at++] & full;
  if (value < full) return { value, next: at };
  for (let weight = 1;; weight *= 128) {
    if (at >= bytes.length) throw bad("truncated", "the block ends");
    const byte = bytes[at++];
    value += (byte & 127) * weight;
    // Zeros without end are as much of an attack as a value that is too large.
    if (value > MAX_INTEGER || weight >= 2 ** 28 && byte >= 128) {
      throw bad("integer", `more than ${MAX_INTEGER}, or more than 6 bytes`);
    }
    if (byte < 128) return { value, next: at };
  }
}

/**
 * The string at byte `at`, each byte as a character, and where it ends.
 * @param limit the longest that is taken
 */
export function readString(
  bytes: Uint8Array,
  at: number,
  limit: number,
): { text: string; next: number } {
  const start = at;
  const bad = (code: HpackCode, why: string) =>
    new HpackError(code, `Cannot read the string at byte ${start}: ${why}`);
  const { value: length, next } = readInteger(bytes, at, 7);
  const end = next + length;
  if (end > bytes.length) {
    const left = bytes.length - next;
    throw bad("truncated", `it says ${length} bytes, and ${left} are left`);
  }
  const raw = bytes.subarray(next, end);
  const plain = bytes[start] >= 0x80 ? decodeHuffman(raw, limit) : raw;
  if (plain.length > limit) {
    throw bad("string", `longer than ${limit} bytes`);
  }
  let text = "";
  for (const byte of plain) text += String.fromCharCode(byte);
  return { text, next: end };
}

/** Appends a string, Huffman coded if it may be and that is no longer. */
export function writeString(out: number[], text: string, huffman = true): void {
  const raw = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const short = huffman ? encodeHuffman(raw) : raw;
  huffman &&= short.length <= raw.length;
  const bytes = huffman ? short : raw;
  writeInteger(out, bytes.length, 7, huffman ? 0x80 : 0x00);
  for (const byte of bytes) out.push(byte);
}

/** @returns the codes one after another, filled up with ones to a whole byte */
export function encodeHuffman(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  let bits = 0;
  let pending = 0;
  const put = (code: number, length: number) => {
    // Up to 37 bits: too many for <<, few enough for a double.
    bits = bits * 2 ** length + code;
    for (pending += length; pending >= 8;) {
      pending -= 8;
      out.push(Math.floor(bits / 2 ** pending));
      bits %= 2 ** pending;
    }
  };
  for (const byte of bytes) put(CODES[byte], LENGTHS[byte]);
  if (pending > 0) put(2 ** (8 - pending) - 1, 8 - pending);
  return Uint8Array.from(out);
}

/**
 * @param limit stops as soon as there are more than that
 * @throws {HpackError} "huffman" for EOS, and for an end that is not 0 to 7 ones
 */
export function decodeHuffman(bytes: Uint8Array, limit = Infinity): Uint8Array {
  const out: number[] = [];
  let code = 0;
  let length = 0;
  for (let bit = 0; bit < 8 * bytes.length && out.length <= limit; bit++) {
    code = code * 2 + (bytes[bit >> 3] >> (7 - bit % 8) & 1);
    const { first, count, at } = ROWS[++length];
    if (count === 0 || code - first >= count) continue;
    const symbol = BY_LENGTH[at + code - first];
    if (symbol === EOS) {
      throw new HpackError(
        "huffman",
        "Cannot read a string that has EOS in it",
      );
    }
    out.push(symbol);
    code = length = 0;
  }
  if (out.length <= limit && (length > 7 || code !== 2 ** length - 1)) {
    throw new HpackError(
      "huffman",
      length > 7
        ? `Cannot read a string that ends in ${length} bits of no symbol`
        : `Cannot read a string whose last ${length} bits are not all 1`,
    );
  }
  return Uint8Array.from(out);
}

if (import.meta.main) {
  for (const [value, prefix] of [[10, 5], [1337, 5], [42, 8]]) {
    const out: number[] = [];
    writeInteger(out, value, prefix);
    const bytes = out.map((byte) => byte.toString(2).padStart(8, "0"));
    console.log(`${value} in ${prefix} bits and more: ${bytes.join(" ")}`);
  }
  for (const text of ["www.google.com", "SID=31d4d96e407aad42", "{<^>}"]) {
    const bytes = new TextEncoder().encode(text);
    const code = encodeHuffman(bytes);
    console.log(
      `${text}: ${bytes.length} bytes, ${code.length} coded: ${code.toHex()}`,
    );
  }
}
