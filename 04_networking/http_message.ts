#!/usr/bin/env -S deno run
/**
 * Q. What does an HTTP/1.1 request look like on the wire, and how is the head of the
 * answer read?
 *
 * A. Lines that end in CR LF. First the request line: method, path, version. Then fields,
 * a name, a colon and a value each; Host comes first, since one address serves many
 * names. An empty line ends the head, and then the body comes, as many bytes as
 * Content-Length says. The answer is the same with a status line on top. TCP gives
 * pieces, not lines, so a reader keeps what it has until a line is whole. A line break
 * inside a value would begin a new field: a builder refuses it.
 *
 * Trap: putting a value with a line break into a field: whoever chose it writes a field.
 * Left out: asterisk and absolute targets, CONNECT, Upgrade, a body of unknown length.
 * An LF alone ends no line, which RFC 9112 leaves to the reader; folded fields are
 * joined by a space, which it demands of user agents.
 * Source: RFC 9112, sections 2 to 5; RFC 9110, sections 5.5, 5.6.2 and 7.2.
 * Run: `deno run http_message.ts`
 * @module
 */

/** What kind of thing went wrong. */
export type HttpCode =
  | "abort" // the caller ended it
  | "chunk" // a chunk that is none
  | "closed" // nothing more can be asked or read here
  | "coding" // a coding that is unknown or broken
  | "connect" // no connection
  | "cut" // the connection ended too early
  | "deadline" // the time was over
  | "head" // a line that is no status line or field
  | "length" // it is unclear where the body ends
  | "limit" // longer than we want to hold
  | "redirect" // a redirect that must not be followed
  | "request" // the request cannot be written
  | "url"; // no http: or https: URL

/** An exchange that failed; the message is one line that names the fact. */
export class HttpError extends Error {
  override name = "HttpError";
  constructor(readonly code: HttpCode, message: string) {
    super(message);
  }
}

/** The longest line, in bytes. */
export const MAX_LINE = 16 * 1024;
/** The most bytes of all fields of a head, or of a trailer. */
export const MAX_FIELDS_BYTES = 64 * 1024;
/** The most fields of a head, or of a trailer. */
export const MAX_FIELDS = 128;

/** A name, in lower case when it was read, and its value. */
export type Field = [name: string, value: string];

/** What is asked. */
export interface HttpRequest {
  /** GET unless given. */
  method?: string;
  /** The name, and the port unless it is the scheme's own: example.com:8080. */
  host: string;
  /** The path and the query: /search?q=1. */
  target: string;
  fields?: Field[];
  /** A body of known length; text is sent in UTF-8. */
  body?: string | Uint8Array;
}

/** The status line and the fields. */
export interface ResponseHead {
  /** The y of HTTP/1.y. */
  minor: number;
  status: number;
  reason: string;
  fields: Field[];
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// Tab, visible ASCII and Latin-1's upper half: no CR, LF, NUL or other control.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d{1,5})?$/;
/** Fields that say where a request goes and where it ends: only we write these. */
const OURS = ["host", "content-length", "transfer-encoding"];

/** Codings that this runtime can undo, as Accept-Encoding lists them. */
export const ACCEPT_ENCODING = acceptEncoding();

function acceptEncoding(): string {
  try {
    new DecompressionStream("brotli");
    return "gzip, deflate, br";
  } catch {
    return "gzip, deflate";
  }
}

/**
 * Writes a request.
 * @throws {HttpError} "request" if a part has a character that cannot stand there
 */
export function encodeRequest(request: HttpRequest): Uint8Array<ArrayBuffer> {
  const { method = "GET", host, target, fields = [] } = request;
  const demand = (fact: boolean, what: string, text: string, why: string) => {
    if (fact) return;
    const message = `Cannot send the ${what} ${quote(text)}: ${why}`;
    throw new HttpError("request", message);
  };
  demand(TOKEN.test(method), "method", method, "it is no token");
  demand(method !== "CONNECT", "method", method, "it asks for a tunnel");
  demand(HOST.test(host), "host", host, "it is no name with a port");
  const path = /^\/[\x21\x22\x24-\x7e]*$/.test(target);
  demand(path, "target", target, "it is no path of visible ASCII");
  for (const [name, value] of fields) {
    demand(TOKEN.test(name), "field", name, "its name is no token");
    demand(
      VALUE.test(value),
      "field",
      name,
      "its value has a control or ≥ U+0100",
    );
    const ours = OURS.includes(name.toLowerCase());
    demand(!ours, "field", name, "it is written from the request itself");
  }
  const body = typeof request.body === "string"
    ? new TextEncoder().encode(request.body)
    : request.body;
  const all: Field[] = [["Host", host]];
  const names = new Set(fields.map(([name]) => name.toLowerCase()));
  const add = (name: string, value: string) => {
    if (!names.has(name.toLowerCase())) all.push([name, value]);
  };
  add("User-Agent", "workshop/1.1");
  add("Accept", "*/*");
  add("Accept-Encoding", ACCEPT_ENCODING);
  all.push(...fields);
  // A POST of nothing says so; a GET of nothing needs no word.
  if (body || /^(POST|PUT|PATCH)$/.test(method)) {
    all.push(["Content-Length", `${body?.length ?? 0}`]);
  }
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = latin1(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`);
  return concat([head, body ?? new Uint8Array()]);
}

/**
 * The request for a URL, whose fragment stays here.
 * @throws {HttpError} "url" unless it is http: or https: and holds no password
 */
export function requestFor(
  url: URL,
  rest: Pick<HttpRequest, "method" | "fields" | "body"> = {},
): HttpRequest {
  if (!/^https?:$/.test(url.protocol)) {
    const message = `Cannot open ${quote(url.href)}: needs http: or https:`;
    throw new HttpError("url", message);
  }
  if (url.username || url.password) {
    const message = `Cannot open a URL of ${
      quote(url.host)
    } with a password in it`;
    throw new HttpError("url", message);
  }
  return { ...rest, host: url.host, target: url.pathname + url.search };
}

/**
 * Reads a URL that may be relative to `base`.
 * @throws {HttpError} "url" unless it is a URL of http: or https: without a password
 */
export function parseUrl(text: string | URL, base?: URL): URL {
  const url = URL.parse(`${text}`, base?.href);
  if (!url) {
    throw new HttpError("url", `Cannot open ${quote(`${text}`)}: it is no URL`);
  }
  requestFor(url);
  return url;
}

/** Reads lines and bytes from pieces of any size; holds one piece and one line at most. */
export class ByteReader {
  #source: ReadableStreamDefaultReader<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();
  #failure?: HttpError;

  constructor(readable: ReadableStream<Uint8Array>) {
    this.#source = readable.getReader();
  }

  /** How many bytes have come that nobody has taken. */
  get left(): number {
    return this.#piece.length;
  }

  /** Up to `most` bytes, at least one; null at the end. They belong to the caller. */
  async some(most = Infinity): Promise<Uint8Array | null> {
    return await this.#fill() ? this.#take(most) : null;
  }

  /**
   * A line without its CR LF, each byte a character; null if the end comes first.
   * @param what it is called in errors
   */
  async line(what: string, most = MAX_LINE): Promise<string | null> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let ended = false; !ended;) {
      if (!await this.#fill()) {
        if (length === 0) return null;
        throw new HttpError("cut", `The connection ended in ${what}`);
      }
      const end = this.#piece.indexOf(0x0a);
      ended = end >= 0;
      const part = this.#take(ended ? end + 1 : Infinity);
      length += part.length;
      if (length > most + 2) {
        const message = `Cannot read ${what}: longer than ${most} bytes`;
        throw new HttpError("limit", message);
      }
      parts.push(part);
    }
    const line = text(concat(parts));
    if (line.endsWith("\r\n")) return line.slice(0, -2);
    throw new HttpError(
      "head",
      `Cannot read ${what}: an LF without a CR before it`,
    );
  }

  /** Closes the source; who waits for it or comes later gets `failure`. */
  fail(failure: HttpError): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#piece = new Uint8Array();
    this.#source.cancel(failure).catch(() => {});
  }

  #take(most: number): Uint8Array {
    const taken = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(taken.length);
    return taken;
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0) {
      if (this.#failure) throw this.#failure;
      try {
        const { value, done } = await this.#source.read();
        if (this.#failure) throw this.#failure;
        if (done) return false;
        this.#piece = value;
      } catch (error) {
        const why = error instanceof Error ? error.message : `${error}`;
        throw this.#failure ??
          new HttpError("cut", `The connection broke: ${why}`);
      }
    }
    return true;
  }
}

/**
 * Reads one head, to its empty line.
 * @throws {HttpError} "closed" if there is none, "head", "limit" or "cut"
 */
export async function readHead(reader: ByteReader): Promise<ResponseHead> {
  const line = await reader.line("the status line");
  if (line === null) {
    throw new HttpError("closed", "The server closed before an answer began");
  }
  // The reason, and even the space before it, may be missing.
  const parts = /^HTTP\/1\.(\d) ([1-5]\d\d)(?: ([^]*))?$/.exec(line);
  const [, minor, status, reason = ""] = parts ?? [];
  if (!parts || !VALUE.test(reason)) {
    const message = `Cannot read the answer: no status line of HTTP/1: ${
      quote(line)
    }`;
    throw new HttpError("head", message);
  }
  const fields = await readFields(reader, "head");
  return { minor: Number(minor), status: Number(status), reason, fields };
}

/** Reads fields to the empty line after them; folded ones are joined. */
export async function readFields(
  reader: ByteReader,
  part: "head" | "trailer",
): Promise<Field[]> {
  const fields: Field[] = [];
  for (let left = MAX_FIELDS_BYTES;;) {
    const what = `field ${fields.length + 1} of the ${part}`;
    const line = await reader.line(what, Math.min(MAX_LINE, left));
    if (line === null) {
      throw new HttpError("cut", `The connection ended before ${what}`);
    }
    if (line === "") return fields;
    left = Math.max(0, left - line.length - 2);
    const wrong = (why: string) =>
      new HttpError("head", `Cannot read ${what}: ${why}: ${quote(line)}`);
    if (!VALUE.test(line)) throw wrong("a control character");
    if (/^[ \t]/.test(line)) {
      const last = fields.at(-1);
      if (!last) throw wrong("a space before the first name");
      const more = trim(line);
      last[1] += last[1] && more ? ` ${more}` : more;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon < 0) throw wrong("no colon");
    const name = line.slice(0, colon);
    if (/[ \t]$/.test(name)) throw wrong("a space before the colon");
    if (!TOKEN.test(name)) throw wrong("its name is no token");
    if (fields.length === MAX_FIELDS) {
      const message = `Cannot read the ${part}: more than ${MAX_FIELDS} fields`;
      throw new HttpError("limit", message);
    }
    fields.push([name.toLowerCase(), trim(line.slice(colon + 1))]);
  }
}

/** The items of all fields of that name, which may be lists: "a, b" and "c" are three. */
export function list(fields: Field[], name: string): string[] {
  return fields.filter(([n]) => n === name)
    .flatMap(([, value]) => value.split(",").map(trim));
}

/** Cuts spaces and tabs off; a regular expression would take O(N²) for a run of them. */
export function trim(text: string): string {
  const blank = (i: number) => text[i] === " " || text[i] === "\t";
  let [start, end] = [0, text.length];
  while (start < end && blank(start)) start++;
  while (end > start && blank(end - 1)) end--;
  return text.slice(start, end);
}

/** A short piece of foreign text that no terminal obeys. */
export function quote(text: string): string {
  const start = text.slice(0, 60).replace(/[^\x20-\x7e]/g, "\ufffd");
  return `"${start}${text.length > 60 ? "…" : ""}"`;
}

/** One array of several. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A byte for each character. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// TextDecoder's "latin1" is windows-1252, which gives 0x80 to 0x9f other characters.
function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

if (import.meta.main) {
  const url = new URL("http://www.google.com/search?q=host#top");
  const fields: Field[] = [["Cookie", "id=7"]];
  const bytes = encodeRequest(requestFor(url, { fields }));
  console.log(`What is sent for ${url}:`);
  console.log(JSON.stringify(text(bytes)).replaceAll("\\r\\n", "\\r\\n\n"));

  const answer =
    "HTTP/1.1 301 Moved\r\nLocation: /\r\nX: a\r\n  folded line\r\n\r\n";
  const pieces = ReadableStream.from(latin1(answer)).pipeThrough(
    new TransformStream<number, Uint8Array>({
      transform: (byte, out) => out.enqueue(Uint8Array.of(byte)),
    }),
  );
  console.log("An answer that comes byte by byte:");
  console.log(await readHead(new ByteReader(pieces)));
  try {
    encodeRequest(requestFor(url, { fields: [["X", "1\r\nHost: evil"]] }));
  } catch (error) {
    console.log(`${(error as HttpError).code}: ${(error as Error).message}`);
  }
}
