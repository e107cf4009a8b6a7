#!/usr/bin/env -S deno run --allow-net
/**
 * Q. The connection stands. How does the browser fetch pages over it?
 *
 * A. It writes a request and reads the answer: head, then body, to the end that the head
 * names. Where that end is known, the connection stays open for the next request;
 * `Connection: close` or a body to the end of the connection ends it. After an error
 * nobody knows where the next answer would begin, so it is never used again. All of it
 * has a deadline, because a server may send a byte a minute for ever.
 *
 * Trap: waiting for a body after HEAD or 304: it never comes, and the connection hangs.
 * Left out: pipelining, pools of connections, caches, proxies, HSTS, HTTP/2 and 3. Bytes
 * that come between an answer and the next request are not told from its answer, unless
 * they came with the answer's end.
 * Source: RFC 9112, section 9; RFC 9110, sections 6.4.1 and 7.6.1.
 * Run: `deno run --allow-net http.ts https://www.google.com/`, or without an argument and
 * a permission a demo in memory: `deno run http.ts`
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type HttpResponse, readResponse } from "./http_body.ts";
import { texts } from "./http_content.ts";
import {
  ByteReader,
  encodeRequest,
  type Field,
  HttpError,
  type HttpRequest,
  latin1,
  list,
  parseUrl,
  quote,
  requestFor,
} from "./http_message.ts";

/** Bytes both ways: a Deno.Conn, a TlsConn, or something in memory. */
export interface ByteStream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

/** What ends an exchange before its time. */
export interface Deadlines {
  /** For all of it, to the end of the body. */
  signal?: AbortSignal;
  /** To the end of the head. */
  headSignal?: AbortSignal;
  /** The most bytes that come out of a content coding. */
  mostDecoded?: number;
}

/** One connection, and one request after the other. */
export class HttpConnection {
  #reader: ByteReader;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #state: "idle" | "busy" | "closed" = "idle";

  constructor(stream: ByteStream) {
    this.#reader = new ByteReader(stream.readable);
    this.#writer = stream.writable.getWriter();
  }

  /** Whether a request may be sent now. */
  get idle(): boolean {
    return this.#state === "idle";
  }

  /** Closes it; a body that is being read gets an error. */
  close(): void {
    this.#fail(new HttpError("closed", "The connection was closed here"));
  }

  /**
   * Sends a request and reads the answer up to its body. The next request must wait until
   * the body is read to its end; cancelling the body closes the connection.
   * @throws {HttpError} after which the connection is closed, unless the request itself
   * was wrong
   */
  async request(
    request: HttpRequest,
    { signal, headSignal, mostDecoded }: Deadlines = {},
  ): Promise<HttpResponse> {
    const bytes = encodeRequest(request);
    if (this.#state !== "idle") {
      const why = this.#state === "busy"
        ? "the answer before is not read to its end"
        : "the connection is closed";
      throw new HttpError("closed", `Cannot send a request: ${why}`);
    }
    this.#state = "busy";
    const until = (signal: AbortSignal | undefined, what: string) =>
      onAbort(signal, (late) => {
        const message = late
          ? `${what} did not come in time`
          : `${what} was not waited for`;
        this.#fail(new HttpError(late ? "deadline" : "abort", message));
      });
    const freeHead = until(headSignal, "The head of the answer");
    const freeAll = until(signal, "The answer");
    // Not awaited: a server may answer and close before it has read a long body.
    let sent = false;
    this.#writer.write(bytes).then(() => sent = true, () => {});
    let response: HttpResponse | undefined;
    let ended = false;
    const end = () => {
      ended = true;
      freeAll();
      if (response) this.#finish(sent && staysOpen(request, response));
    };
    const fail = (error: HttpError) => {
      freeAll();
      this.#fail(error);
    };
    try {
      const method = request.method ?? "GET";
      response = await readResponse(this.#reader, method, {
        mostDecoded,
        end,
        fail,
      });
      // A body that is empty ends before there is a response to look at.
      if (ended) end();
      return response;
    } finally {
      freeHead();
    }
  }

  #finish(open: boolean): void {
    if (this.#state !== "busy") return;
    this.#state = "idle";
    // Bytes that nobody asked for are no answer to what is asked next.
    if (!open || this.#reader.left > 0) this.close();
  }

  #fail(error: HttpError): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#reader.fail(error);
    this.#writer.abort(error).catch(() => {});
  }
}

/** Calls `stop` once if the signal says so. @returns what takes that back */
function onAbort(
  signal: AbortSignal | undefined,
  stop: (late: boolean) => void,
): () => void {
  const listener = () => stop(signal?.reason?.name === "TimeoutError");
  if (signal?.aborted) listener();
  signal?.addEventListener("abort", listener, { once: true });
  return () => signal?.removeEventListener("abort", listener);
}

/** Whether the connection may take another request after this answer. */
function staysOpen(request: HttpRequest, response: HttpResponse): boolean {
  const asked: Field[] = (request.fields ?? [])
    .map(([name, value]) => [name.toLowerCase(), value]);
  const words = [
    ...list(asked, "connection"),
    ...list(response.fields, "connection"),
  ];
  const close = words.some((word) => word.toLowerCase() === "close");
  return response.minor >= 1 && !close && !response.toTheEnd;
}

/**
 * A connection to the host of a URL: TCP, and for https: TLS over it.
 * @throws {HttpError} "connect", "deadline" or "abort"; never prompts for a permission
 */
export async function openNetwork(
  url: URL,
  signal?: AbortSignal,
): Promise<ByteStream> {
  const secure = url.protocol === "https:";
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || (secure ? 443 : 80));
  const host = `${url.hostname}:${port}`;
  const { state } = await Deno.permissions.query({ name: "net", host });
  if (state !== "granted") {
    throw new HttpError(
      "connect",
      `Cannot connect to ${host}: run with --allow-net=${host}`,
    );
  }
  let conn: Deno.TcpConn | Deno.TlsConn | undefined;
  // Already closed, or taken over by TLS: then there is nothing to do.
  const close = () => {
    try {
      conn?.close();
    } catch { /* as above */ }
  };
  const free = onAbort(signal, close);
  try {
    conn = await Deno.connect({ hostname, port, signal });
    conn.setNoDelay();
    if (!secure) return conn;
    const tls = await Deno.startTls(conn, {
      hostname,
      alpnProtocols: ["http/1.1"],
    });
    conn = tls;
    await tls.handshake();
    return tls;
  } catch (error) {
    close();
    if (signal?.aborted) {
      const late = signal.reason?.name === "TimeoutError";
      const message = `The connection to ${host} ${
        late ? "did not come in time" : "was not waited for"
      }`;
      throw new HttpError(late ? "deadline" : "abort", message);
    }
    const { message } = error as Error;
    throw new HttpError("connect", `Cannot connect to ${host}: ${message}`);
  } finally {
    free();
  }
}

const USAGE = "Usage: deno run --allow-net http.ts URL [--head] [--bytes]";
/** How long the command waits for the head, and for all, in ms. */
const HEAD_MS = 10_000;
const ALL_MS = 300_000;

/** Prints an answer as curl -i does, and its body as it comes. */
async function print(url: URL, head: boolean, raw: boolean): Promise<void> {
  const headSignal = AbortSignal.timeout(HEAD_MS);
  const signal = AbortSignal.timeout(ALL_MS);
  const stream = await openNetwork(url, headSignal);
  const connection = new HttpConnection(stream);
  const request: HttpRequest = requestFor(url, {
    method: head ? "HEAD" : "GET",
    fields: [["Connection", "close"]],
  });
  const response = await connection.request(request, { signal, headSignal });
  const write = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) {
      at += await Deno.stdout.write(bytes.subarray(at));
    }
  };
  const { minor, status, reason, fields } = response;
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  await write(latin1(`HTTP/1.${minor} ${status} ${reason}\r\n${lines}\r\n`));
  if (raw) {
    for await (const part of response.body) await write(part);
    return;
  }
  const encoder = new TextEncoder();
  const type = response.field("content-type");
  for await (const part of texts(response.body, type)) {
    await write(encoder.encode(part));
  }
}

/** An exchange in memory, and what each line of it means. */
async function demo(): Promise<void> {
  const page = "<h1>Grüße</h1>\n";
  const packed = new Blob([page]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const gzip = new Uint8Array(await new Response(packed).arrayBuffer());
  const half = gzip.length >> 1;
  const answer = [
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n",
    "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
    `${half.toString(16)}\r\n`,
    gzip.subarray(0, half),
    `\r\n${(gzip.length - half).toString(16)}\r\n`,
    gzip.subarray(half),
    "\r\n0\r\n\r\n",
  ].map((part) => typeof part === "string" ? latin1(part) : part);
  let sent = "";
  const connection = new HttpConnection({
    readable: ReadableStream.from(answer),
    writable: new WritableStream({
      write: (bytes) => void (sent += String.fromCharCode(...bytes)),
    }),
  });
  const url = new URL("http://www.google.com/search?q=http#top");
  const response = await connection.request(requestFor(url));
  const meanings: Record<string, string> = {
    "GET": "what is asked; the fragment #top stays in the browser",
    "Host": "which site of the many at this address",
    "User-Agent": "who asks",
    "Accept": "what may come",
    "Accept-Encoding": "how it may be packed",
    "HTTP/1.1": "the answer: it is here",
    "content-type": "what the bytes are once they are unpacked",
    "content-encoding": "how the page is packed",
    "transfer-encoding": "in chunks: its end is a chunk of size 0",
  };
  const explain = (line: string) => {
    const key = line.split(/[: ]/)[0];
    console.log(`  ${line.padEnd(40)}  ${meanings[key] ?? ""}`.trimEnd());
  };
  console.log(`Request for ${url}`);
  sent.trimEnd().split("\r\n").forEach(explain);
  console.log("Answer");
  explain(`HTTP/1.${response.minor} ${response.status} ${response.reason}`);
  response.fields.forEach((field) => explain(field.join(": ")));
  console.log(`Body: ${gzip.length} bytes in two chunks, and unpacked:`);
  console.log(`  ${(await response.text()).trimEnd()}`);
  console.log(`The connection may be used again: ${connection.idle}`);
  connection.close();
}

if (import.meta.main) {
  const refuse = (why: string): never => {
    console.error(`${why}\n${USAGE}`);
    Deno.exit(2);
  };
  const { _: args, head, bytes } = parseArgs(Deno.args, {
    boolean: ["head", "bytes"],
    string: ["_"],
    unknown: (flag: string) =>
      !flag.startsWith("-") || refuse(`Cannot read ${quote(flag)}`),
  });
  if (args.length > 1) refuse("Cannot fetch more than one URL");
  try {
    if (args.length === 0) await demo();
    else await print(parseUrl(`${args[0]}`), head === true, bytes === true);
  } catch (error) {
    const { code, message } = error as HttpError;
    if (code === "url") refuse(message);
    console.error(message);
    Deno.exit(1);
  }
}
