#!/usr/bin/env -S deno run
/**
 * Q. The body of an answer came with Content-Encoding: gzip and Content-Type: text/html;
 * charset=utf-8. How do its bytes become text?
 *
 * A. First the codings are undone, the last one first. Few bytes can become very many, so
 * what comes out is counted and bounded, and few bytes go in at once. Then bytes become
 * characters. A byte order mark says which encoding it is; without one the charset does;
 * without that it is UTF-8. A character may be cut between two pieces, so one decoder
 * goes along with the whole body and keeps the start of a character for the next piece.
 *
 * Trap: decoding each piece on its own: a letter that lies across two becomes two U+FFFD.
 * Left out: gzip of several members, which DecompressionStream refuses; deflate without
 * its zlib header, which some servers send and which has no checksum; zstd; charsets
 * named inside HTML.
 * Source: RFC 9110, section 8.4; RFC 1950 to 1952; RFC 7932; Encoding standard, "decode".
 * Run: `deno run http_content.ts`
 * @module
 */
import { concat, type Field, HttpError, list, quote } from "./http_message.ts";

/** The most bytes that come out of a content coding. */
export const MAX_DECODED = 1024 * 1024 * 1024;
/** The most content codings round one another. */
export const MAX_CODINGS = 3;

/** Pieces of a body. */
export type Pieces = AsyncGenerator<Uint8Array, void, void>;

/**
 * The content codings, in the order they were applied.
 * @throws {HttpError} "coding" if one is unknown, or they are more than MAX_CODINGS
 */
export function codingsOf(fields: Field[]): string[] {
  const codings = list(fields, "content-encoding")
    .map((coding) => coding.toLowerCase().replace(/^x-/, ""))
    .filter((coding) => coding !== "" && coding !== "identity");
  const unknown = codings.find((coding) => !Object.hasOwn(SLICES, coding));
  if (unknown !== undefined || codings.length > MAX_CODINGS) {
    const all = quote(codings.join(", "));
    throw new HttpError("coding", `Cannot undo the content coding ${all}`);
  }
  return codings;
}

/**
 * How many bytes go into a decoder at once. It gives all that comes of them as one
 * piece, so this bounds the memory: deflate makes at most 1032 bytes of one, and brotli
 * up to 2²⁴ of about eight.
 */
const SLICES: Record<string, number> = { gzip: 4096, deflate: 4096, br: 16 };

/**
 * Undoes a content coding.
 * @param coding "gzip", "deflate" or "br"
 * @throws {HttpError} "coding" if the bytes are broken or cut, "limit" if more than `most`
 * come of them
 */
export async function* decoded(
  source: Pieces,
  coding: string,
  most = MAX_DECODED,
): Pieces {
  const check = new Adler32();
  let tail: Uint8Array = new Uint8Array();
  async function* slices(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const part of source) {
      tail = concat([tail, part.subarray(-4)]).slice(-4);
      for (let at = 0; at < part.length; at += SLICES[coding]) {
        yield part.slice(at, at + SLICES[coding]);
      }
    }
  }
  const input = slices();
  const first = await input.next();
  // No body at all is no broken one.
  if (first.done) return;
  async function* all() {
    yield first.value!;
    yield* input;
  }
  const broken = (why: string) =>
    new HttpError("coding", `Cannot undo ${coding}: ${why}`);
  let left = most;
  try {
    const format = coding === "br" ? "brotli" : coding;
    const decoder = new DecompressionStream(format as CompressionFormat);
    for await (const part of ReadableStream.from(all()).pipeThrough(decoder)) {
      left -= part.length;
      if (left < 0) {
        const message =
          `Cannot undo ${coding}: more than ${most} bytes come of it`;
        throw new HttpError("limit", message);
      }
      if (coding === "deflate") check.add(part);
      yield part;
    }
  } catch (error) {
    throw error instanceof HttpError ? error : broken((error as Error).message);
  }
  // The runtime takes a deflate that was cut for a whole one; its last four bytes tell.
  if (coding === "deflate" && tail.toHex() !== check.hex) {
    throw broken("it is cut, or its checksum is wrong");
  }
}

/** The checksum at the end of deflate, RFC 1950, 8.2. */
class Adler32 {
  #a = 1;
  #b = 0;

  /** Eight digits. */
  get hex(): string {
    return (this.#b * 65_536 + this.#a).toString(16).padStart(8, "0");
  }

  add(bytes: Uint8Array): void {
    let [a, b] = [this.#a, this.#b];
    for (let at = 0; at < bytes.length;) {
      // So many sums stay below 2³²; then one remainder does for all.
      for (const end = Math.min(at + 5552, bytes.length); at < end; at++) {
        a += bytes[at];
        b += a;
      }
      a %= 65_521;
      b %= 65_521;
    }
    [this.#a, this.#b] = [a, b];
  }
}

/**
 * All bytes of a body, in one buffer that grows: an array for each piece would take 150
 * bytes for a piece of one.
 * @throws {HttpError} "limit" if they are more than `most`
 */
export async function collect(
  source: AsyncIterable<Uint8Array>,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let [all, length] = [new Uint8Array(), 0];
  for await (const part of source) {
    const next = length + part.length;
    if (next > most) {
      const message = `Cannot keep the body: longer than ${most} bytes`;
      throw new HttpError("limit", message);
    }
    if (next > all.length) {
      const size = Math.min(most, Math.max(next, 2 * all.length));
      all = new Uint8Array(all.buffer.transfer(size));
    }
    all.set(part, length);
    length = next;
  }
  return new Uint8Array(all.buffer.transfer(length));
}

/**
 * Text as it comes, in characters that are whole.
 * @param type the Content-Type, if there is one
 */
export async function* texts(
  source: AsyncIterable<Uint8Array>,
  type?: string,
): AsyncGenerator<string, void, void> {
  let start: Uint8Array = new Uint8Array();
  let decoder: TextDecoder | undefined;
  for await (const part of source) {
    if (decoder) {
      yield decoder.decode(part, { stream: true });
      continue;
    }
    // A byte order mark has up to three bytes.
    start = concat([start, part]);
    if (start.length < 3) continue;
    decoder = decoderFor(type, start);
    yield decoder.decode(start, { stream: true });
  }
  yield decoder ? decoder.decode() : decoderFor(type, start).decode(start);
}

/** The decoder for a body that starts so. */
function decoderFor(type: string | undefined, start: Uint8Array): TextDecoder {
  const marks = {
    "utf-8": [0xef, 0xbb, 0xbf],
    "utf-16le": [0xff, 0xfe],
    "utf-16be": [0xfe, 0xff],
  };
  for (const [label, mark] of Object.entries(marks)) {
    if (mark.every((byte, i) => start[i] === byte)) {
      return new TextDecoder(label);
    }
  }
  const label = /;[ \t]*charset="?([\w.:+-]+)/i.exec(type ?? "")?.[1];
  try {
    return new TextDecoder(label);
  } catch {
    return new TextDecoder();
  }
}

/** Bytes in pieces of `size`, as a network has them. */
async function* pieces(bytes: Uint8Array, size: number): Pieces {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
  }
}

if (import.meta.main) {
  const page = "<h1>Grüße, 12 €</h1>\n".repeat(1000);
  const zip = async (blob: Blob) => {
    const packed = blob.stream().pipeThrough(new CompressionStream("gzip"));
    return new Uint8Array(await new Response(packed).arrayBuffer());
  };
  const packed = await zip(new Blob([page]));
  console.log(`${packed.length} bytes of gzip`);
  let all = "";
  const type = "text/html; charset=utf-8";
  for await (const text of texts(decoded(pieces(packed, 7), "gzip"), type)) {
    all += text;
  }
  console.log(
    `are ${all.length} characters, the same as before: ${all === page}`,
  );

  const naive = new TextEncoder().encode("12 €");
  const halves = [naive.subarray(0, 4), naive.subarray(4)];
  console.log(
    "each piece on its own:",
    halves.map((half) => new TextDecoder().decode(half)).join(""),
  );

  const bomb = await zip(new Blob([new Uint8Array(20_000_000)]));
  try {
    let most = 0;
    for await (
      const part of decoded(pieces(bomb, 65_536), "gzip", 10_000_000)
    ) most += part.length;
    console.log(most);
  } catch (error) {
    const { code, message } = error as HttpError;
    console.log(`${bomb.length} bytes of zeros: ${code}: ${message}`);
  }
}
