#!/usr/bin/env -S deno run
/**
 * Q. Where does the body of an HTTP/1.1 answer end, and how does it become text?
 *
 * A. In this order. After HEAD, and with 1xx, 204 or 304, there is none, whatever the
 * fields say. With Transfer-Encoding: chunked it comes in chunks, each behind its size in
 * hexadecimal, to one of size 0 and the trailer. With Content-Length it has that many
 * bytes. With neither it goes on to the end of the connection. If the connection ends
 * before that, the answer is cut, and that is an error. Content-Encoding,
 * gzip for instance, is inside of that, and is undone after it.
 *
 * Trap: one read is not one body: TCP cuts anywhere, inside a size or a letter too.
 * Left out: transfer codings other than chunked, which nobody may send unasked; ranges,
 * multipart. A body to the end of a bare TCP connection cannot be told
 * from one that was cut; over TLS it can.
 * Source: RFC 9112, sections 6.3, 7.1 and 8; RFC 9110, sections 6.4.1 and 8.6.
 * Run: `deno run http_body.ts`
 * @module
 */
import {
  codingsOf,
  collect,
  decoded,
  type Pieces,
  texts,
} from "./http_content.ts";
import {
  ByteReader,
  type Field,
  HttpError,
  latin1,
  list,
  quote,
  readFields,
  readHead,
  type ResponseHead,
} from "./http_message.ts";

/** The most bytes that bytes() and text() keep unless told otherwise. */
export const MAX_BODY = 64 * 1024 * 1024;
/** The longest line with a chunk's size, and the most of what stands behind the sizes. */
export const MAX_CHUNK_LINE = 4096;
export const MAX_EXTENSIONS = 64 * 1024;
/** The most 1xx answers before the one that counts. */
export const MAX_INTERIM = 16;

/** How the end of a body is found. */
export type Framing =
  | { kind: "none" | "chunked" | "close" }
  | { kind: "length"; length: number };

/** How an answer is read, and who is told about its body. */
export interface ReadOptions {
  /** The most bytes that come out of a content coding; MAX_DECODED unless given. */
  mostDecoded?: number;
  /** It was read to its end, and the next answer may follow. */
  end?(): void;
  /** It was not, and nothing may follow. */
  fail?(error: HttpError): void;
}

/**
 * How the end of the body is found.
 * @param method of the request
 * @throws {HttpError} "length" if the fields contradict one another, "coding" if a
 * transfer coding is unknown
 */
export function framingOf(
  { minor, status, fields }: ResponseHead,
  method: string,
): Framing {
  if (
    method === "HEAD" || status < 200 || status === 204 || status === 304
  ) return { kind: "none" };
  const wrong = (why: string) =>
    new HttpError("length", `Cannot find the end of the body: ${why}`);
  const lengths = list(fields, "content-length");
  if (fields.some(([name]) => name === "transfer-encoding")) {
    if (lengths.length > 0) {
      throw wrong("both Content-Length and Transfer-Encoding");
    }
    // It came with HTTP/1.1: an older server that names it does not know it.
    if (minor === 0) throw wrong("Transfer-Encoding in HTTP/1.0");
    const codings = list(fields, "transfer-encoding").join(", ");
    if (codings.toLowerCase() === "chunked") return { kind: "chunked" };
    const message = `Cannot undo the transfer coding ${quote(codings)}`;
    throw new HttpError("coding", message);
  }
  if (lengths.length === 0) return { kind: "close" };
  const [first] = lengths;
  if (!/^\d+$/.test(first)) {
    throw wrong(`Content-Length is ${quote(first)}`);
  }
  const other = lengths.find((length) => length !== first);
  if (other !== undefined) {
    throw wrong(`Content-Length is ${quote(first)} and ${quote(other)}`);
  }
  const length = Number(first);
  if (!Number.isSafeInteger(length)) {
    throw wrong(`Content-Length is ${quote(first)}, above 2⁵³ − 1`);
  }
  return { kind: "length", length };
}

/** An answer, whose body is still to come. */
export class HttpResponse {
  readonly status: number;
  readonly reason: string;
  readonly minor: number;
  readonly fields: Field[];
  #taken = false;

  constructor(
    head: ResponseHead,
    /** Without its content coding; it may be read once. Cancelling closes the connection. */
    readonly body: ReadableStream<Uint8Array<ArrayBuffer>>,
    /** Fields after a chunked body, there when it has ended; they are no fields of the head. */
    readonly trailers: Field[],
    /** Whether only the end of the connection ends the body. */
    readonly toTheEnd: boolean,
  ) {
    ({
      status: this.status,
      reason: this.reason,
      minor: this.minor,
      fields: this.fields,
    } = head);
  }

  /** The first value with that name. */
  field(name: string): string | undefined {
    return this.fields.find(([n]) => n === name.toLowerCase())?.[1];
  }

  /** Where a redirect leads. */
  get location(): string | undefined {
    return locationOf(this.fields);
  }

  /** The body. @throws {HttpError} "limit" if it is longer than `most` bytes */
  async bytes(most = MAX_BODY): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#taken || this.body.locked) {
      throw new HttpError("closed", "Cannot read the body twice");
    }
    this.#taken = true;
    return await collect(this.body, most);
  }

  /** The body as text, by its byte order mark, else by Content-Type, else as UTF-8. */
  async text(most = MAX_BODY): Promise<string> {
    const all = ReadableStream.from([await this.bytes(most)]);
    const parts = texts(all, this.field("content-type"));
    return (await Array.fromAsync(parts)).join("");
  }
}

/** Where a redirect leads, from fields; bytes above ASCII as a URL writes them. */
export function locationOf(fields: readonly Field[]): string | undefined {
  const hex = (byte: string) => byte.charCodeAt(0).toString(16).toUpperCase();
  return fields.find(([name]) => name === "location")?.[1]
    .replace(/[\x80-\xff]/g, (byte) => `%${hex(byte)}`);
}

/**
 * Reads the next answer up to its body, and skips 1xx.
 * @param method of the request
 * @throws {HttpError} and tells `options.fail`
 */
export async function readResponse(
  reader: ByteReader,
  method: string,
  options: ReadOptions = {},
): Promise<HttpResponse> {
  const fail = (error: HttpError) => {
    reader.fail(error);
    options.fail?.(error);
  };
  try {
    const head = await readFinalHead(reader);
    const framing = framingOf(head, method);
    const trailers: Field[] = [];
    let pieces = PIECES[framing.kind](reader, framing, trailers);
    const codings = framing.kind === "none" ? [] : codingsOf(head.fields);
    for (const coding of codings.reverse()) {
      pieces = decoded(pieces, coding, options.mostDecoded);
    }
    const end = () => options.end?.();
    const body = streamOf(pieces, end, fail, framing.kind === "none");
    return new HttpResponse(
      head,
      body,
      trailers,
      framing.kind === "close",
    );
  } catch (error) {
    fail(error as HttpError);
    throw error;
  }
}

async function readFinalHead(reader: ByteReader): Promise<ResponseHead> {
  for (let interim = 0; interim <= MAX_INTERIM; interim++) {
    const head = await readHead(reader);
    if (head.status === 101) {
      throw new HttpError("head", "The server switched protocols unasked");
    }
    if (head.status >= 200) return head;
  }
  const message =
    `Cannot read the answer: more than ${MAX_INTERIM} of 1xx before it`;
  throw new HttpError("limit", message);
}

/** A stream that reads only when asked, and that cannot be stuck when it is cancelled. */
function streamOf(
  pieces: Pieces,
  end: () => void,
  fail: (error: HttpError) => void,
  empty: boolean,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  if (empty) end();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => empty ? controller.close() : undefined,
    async pull(controller) {
      try {
        const { value, done } = await pieces.next();
        if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>);
        end();
        controller.close();
      } catch (error) {
        fail(error as HttpError);
        throw error;
      }
    },
    cancel() {
      fail(new HttpError("closed", "The body was not wanted to its end"));
      // A generator that waits for bytes would hold its return() up for ever; those that
      // wait now get the error above.
      pieces.return().catch(() => {});
    },
  }, { highWaterMark: 0 });
}

const PIECES: Record<
  Framing["kind"],
  (reader: ByteReader, framing: Framing, trailers: Field[]) => Pieces
> = {
  async *none() {},
  async *length(reader, framing) {
    const { length } = framing as { length: number };
    for (let left = length; left > 0;) {
      const part = await reader.some(left);
      if (!part) {
        const message = `The body is cut: ${
          length - left
        } of ${length} bytes came`;
        throw new HttpError("cut", message);
      }
      left -= part.length;
      yield part;
    }
  },
  async *close(reader) {
    for (let part; (part = await reader.some());) yield part;
  },
  async *chunked(reader, _, trailers) {
    let extensions = MAX_EXTENSIONS;
    for (let n = 1;; n++) {
      const line = await chunkLine(reader, `the size of chunk ${n}`);
      const [, digits] = /^([0-9A-Fa-f]+)[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/
        .exec(line) ?? [];
      if (!digits) {
        const message = `Cannot read the size of chunk ${n}: ${quote(line)}`;
        throw new HttpError("chunk", message);
      }
      extensions -= line.length - digits.length;
      if (extensions < 0) {
        const message =
          `Cannot read chunk ${n}: more than ${MAX_EXTENSIONS} bytes behind the sizes`;
        throw new HttpError("limit", message);
      }
      const size = parseInt(digits, 16);
      if (!Number.isSafeInteger(size)) {
        const message = `Cannot read chunk ${n}: its size is above 2⁵³ − 1`;
        throw new HttpError("chunk", message);
      }
      if (size === 0) break;
      for (let left = size; left > 0;) {
        const part = await reader.some(left);
        if (!part) {
          const message = `The body is cut in chunk ${n}: ${
            size - left
          } of ${size} bytes came`;
          throw new HttpError("cut", message);
        }
        left -= part.length;
        yield part;
      }
      const rest = await chunkLine(reader, `the end of chunk ${n}`);
      if (rest !== "") {
        const message =
          `Cannot read chunk ${n}: longer than the ${size} bytes it names`;
        throw new HttpError("chunk", message);
      }
    }
    trailers.push(...await readFields(reader, "trailer"));
  },
};

async function chunkLine(reader: ByteReader, what: string): Promise<string> {
  try {
    const line = await reader.line(what, MAX_CHUNK_LINE);
    if (line !== null) return line;
  } catch (error) {
    const { code, message } = error as HttpError;
    throw code === "head" ? new HttpError("chunk", message) : error;
  }
  throw new HttpError("cut", `The body is cut before ${what}`);
}

if (import.meta.main) {
  const head = (field: string) => `HTTP/1.1 200 OK\r\n${field}\r\n\r\n`;
  // The euro sign is e2 82 ac, and the chunk ends inside it.
  const euro = "\xe2\x82\xac";
  const chunked =
    "5;note=x\r\n12 \xe2\x82\r\n1\r\n\xac\r\n0\r\nX-Sum: 7\r\n\r\n";
  for (
    const [what, method, wire] of [
      ["no body after HEAD", "HEAD", head("Content-Length: 6")],
      ["by length", "GET", head("Content-Length: 6") + `12 ${euro}and more`],
      ["by chunks", "GET", head("Transfer-Encoding: chunked") + chunked],
      ["to the end", "GET", head("Server: old") + `12 ${euro}`],
      ["cut", "GET", head("Content-Length: 6") + "12 "],
      ["two lengths", "GET", head("Content-Length: 6, 7") + "123456"],
      ["a decimal size", "GET", head("Transfer-Encoding: chunked") + "0x5\r\n"],
    ]
  ) {
    // Byte by byte, as if each came in a packet of its own.
    const bytes = ReadableStream.from(
      Array.from(latin1(wire), (b) => Uint8Array.of(b)),
    );
    const reader = new ByteReader(bytes);
    try {
      const response = await readResponse(reader, method);
      const text = JSON.stringify(await response.text());
      const trailers = response.trailers.map((field) => field.join(": "));
      console.log(`${what}:`, text, ...trailers);
    } catch (error) {
      const { code, message } = error as HttpError;
      console.log(`${what}: ${code}: ${message}`);
    }
  }
}
