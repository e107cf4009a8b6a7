import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  ByteReader,
  encodeRequest,
  type Field,
  HttpError,
  type HttpRequest,
  latin1,
  list,
  MAX_FIELDS,
  MAX_LINE,
  parseUrl,
  quote,
  readFields,
  readHead,
  requestFor,
  trim,
} from "./http_message.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A reader of these pieces, each a byte a character. */
const reader = (...pieces: string[]) =>
  new ByteReader(ReadableStream.from(pieces.map((piece) => latin1(piece))));
const OK = "HTTP/1.1 200 OK\r\n";

/** The code of the error that `work` ends in. */
async function failure(work: Promise<unknown>): Promise<[string, string]> {
  const error = await assertRejects(() => work, HttpError);
  assert(!/[\r\n]/.test(error.message), error.message);
  return [error.code, error.message];
}

Deno.test("the request of RFC 9110, 3.9 is written with Host first and an empty line last", () => {
  const fields: Field[] = [
    ["User-Agent", "curl/7.64.1"],
    ["Accept-Language", "en, mi"],
  ];
  const url = new URL("http://www.example.com/hello.txt");
  assertEquals(
    text(encodeRequest(requestFor(url, { fields }))),
    "GET /hello.txt HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n" +
      "Accept-Encoding: gzip, deflate, br\r\nUser-Agent: curl/7.64.1\r\n" +
      "Accept-Language: en, mi\r\n\r\n",
  );
});

Deno.test("the answer of RFC 9110, 3.9 is read to its empty line and not beyond", async () => {
  const source = reader(
    OK + "Date: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\n" +
      "Last-Modified: Wed, 22 Jul 2009 19:15:56 GMT\r\n" +
      'ETag: "34aa387-d-1568eb00"\r\nAccept-Ranges: bytes\r\n' +
      "Content-Length: 51\r\nVary: Accept-Encoding\r\n" +
      "Content-Type: text/plain\r\n\r\n" +
      "Hello World! My content includes a trailing CRLF.\r\n",
  );
  const head = await readHead(source);
  assertEquals([head.minor, head.status, head.reason], [1, 200, "OK"]);
  assertEquals(head.fields.length, 8);
  assertEquals(head.fields[3], ["etag", '"34aa387-d-1568eb00"']);
  assertEquals(source.left, 51);
});

Deno.test("a target is the path and the query of a URL, and never its fragment or host", () => {
  for (
    const [url, host, target] of [
      ["http://a.example", "a.example", "/"],
      ["http://a.example:80/x", "a.example", "/x"],
      ["https://a.example:8443/x?y=1#z", "a.example:8443", "/x?y=1"],
      ["http://[::1]:8000/ü b?ö", "[::1]:8000", "/%C3%BC%20b?%C3%B6"],
      ["http://a.example/x\r\nX: y", "a.example", "/xX:%20y"],
    ]
  ) {
    const request = requestFor(new URL(url));
    assertEquals([request.host, request.target], [host, target]);
    const [line, first] = text(encodeRequest(request)).split("\r\n");
    assertEquals([line, first], [`GET ${target} HTTP/1.1`, `Host: ${host}`]);
  }
});

Deno.test("a body goes with its length in bytes, not in characters; a GET of nothing has none", () => {
  const at = { host: "a.example", target: "/" };
  const post = text(encodeRequest({ ...at, method: "POST", body: "12 €" }));
  assert(post.endsWith("\r\nContent-Length: 6\r\n\r\n12 €"), post);
  const empty = text(encodeRequest({ ...at, method: "POST" }));
  assert(empty.endsWith("\r\nContent-Length: 0\r\n\r\n"), empty);
  assert(!text(encodeRequest(at)).includes("Content-Length"));
});

Deno.test("no part of a request can smuggle in a line, and Host is required", () => {
  const good: HttpRequest = { host: "a.example", target: "/" };
  const bad: Partial<HttpRequest>[] = [
    { host: "" },
    { host: "a.example\r\nX: y" },
    { host: "a.example/x" },
    { host: "user@a.example" },
    { target: "" },
    { target: "x" },
    { target: "/ x" },
    { target: "/\r\nX: y" },
    { target: "/#x" },
    { target: "/\x00" },
    { target: "/ü" },
    { method: "" },
    { method: "GET /" },
    { method: "GET\r\n" },
    { method: "CONNECT" },
    { fields: [["X", "1\r\nY: 2"]] },
    { fields: [["X", "1\nY: 2"]] },
    { fields: [["X", "1\rY: 2"]] },
    { fields: [["X", "1\x002"]] },
    { fields: [["X", "\u010a"]] },
    { fields: [["X: 1\r\nY", "2"]] },
    { fields: [["X ", "1"]] },
    { fields: [["", "1"]] },
    { fields: [["host", "b.example"]] },
    { fields: [["Content-LENGTH", "5"]] },
    { fields: [["Transfer-Encoding", "chunked"]] },
  ];
  for (const part of bad) {
    const error = assertThrows(
      () => encodeRequest({ ...good, ...part }),
      HttpError,
      "Cannot send the",
      JSON.stringify(part),
    );
    assertEquals((error as HttpError).code, "request");
  }
});

Deno.test("whatever the value of a field is, it is sent as one line or refused", () => {
  fc.assert(fc.property(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "binary" }),
    (name, value) => {
      let bytes;
      try {
        bytes = encodeRequest({
          host: "a",
          target: "/",
          fields: [[name, value]],
        });
      } catch (error) {
        return error instanceof HttpError;
      }
      // The request line, Host, three of ours and the field, then the empty line.
      const lines = String.fromCharCode(...bytes).split(/[\r\n]+/);
      return bytes.filter((byte) => byte === 0x0a).length ===
          7 - Number(/^(user-agent|accept|accept-encoding)$/i.test(name)) &&
        lines.includes(`${name}: ${value}`) && !bytes.includes(0);
    },
  ));
});

Deno.test("URLs that are no http: or hold a password are refused, with one line", () => {
  for (
    const [url, message] of [
      [
        "ftp://a.example/",
        'Cannot open "ftp://a.example/": needs http: or https:',
      ],
      ["file:///x", 'Cannot open "file:///x": needs http: or https:'],
      ["x y", 'Cannot open "x y": it is no URL'],
      [
        "http://u:p@a.example/",
        'Cannot open a URL of "a.example" with a password in it',
      ],
    ]
  ) assertThrows(() => parseUrl(url), HttpError, message);
  assertEquals(
    parseUrl("../x", new URL("http://a.example/b/c/")).pathname,
    "/b/x",
  );
});

Deno.test("a folded field begins and ends with no space", async () => {
  const wire = "A:\r\n\t1\r\n 2\r\nB: 3\r\n \r\n\r\n";
  const fields = await readFields(reader(wire), "head");
  assertEquals(fields, [["a", "1 2"], ["b", "3"]]);
});

Deno.test("any split of the same bytes gives the same head", async () => {
  const wire =
    "HTTP/1.1 404 Not \xfcber\r\nA:1\r\nSet-Cookie:  x=1 \t\r\nB: a\r\n\t b\r\nC:\r\nD: \x80\r\n\r\n";
  const right = {
    minor: 1,
    status: 404,
    reason: "Not \xfcber",
    fields: [["a", "1"], ["set-cookie", "x=1"], ["b", "a b"], ["c", ""], [
      "d",
      "\x80",
    ]],
  } as const;
  for (let i = 0; i <= wire.length; i++) {
    const pieces = reader(wire.slice(0, i), wire.slice(i));
    assertEquals<unknown>(await readHead(pieces), right);
  }
  assertEquals<unknown>(await readHead(reader(...wire)), right);
});

Deno.test("a status line that is none is an error, and its reason may be missing", async () => {
  for (
    const line of [
      "HTTP/2.0 200 OK",
      "HTTP/1.1 2000 OK",
      "HTTP/1.1 20 OK",
      "HTTP/1.1  200 OK",
      "HTTP/1.1 099 OK",
      "HTTP/1.1 600 OK",
      "http/1.1 200 OK",
      "HTTP/1.1 200OK",
      "HTTP/1.1 200 O\rK",
      "HTTP/1.1 200 O\0K",
      "",
      "SSH-2.0-OpenSSH_9.2",
    ]
  ) {
    const [code, message] = await failure(readHead(reader(`${line}\r\n\r\n`)));
    assertEquals(code, "head");
    assertEquals(
      message,
      `Cannot read the answer: no status line of HTTP/1: ${quote(line)}`,
    );
  }
  for (const line of ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 a b c"]) {
    const { status } = await readHead(reader(`${line}\r\n\r\n`));
    assertEquals(status, 200);
  }
});

Deno.test("a field that is none is an error that says which and why", async () => {
  for (
    const [line, why] of [
      ["A : 1", "field 1 of the head: a space before the colon"],
      ["A\t: 1", "field 1 of the head: a space before the colon"],
      ["A", "field 1 of the head: no colon"],
      [": 1", "field 1 of the head: its name is no token"],
      ["A b: 1", "field 1 of the head: its name is no token"],
      ["A: 1\rB: 2", "field 1 of the head: a control character"],
      ["A: 1\x00", "field 1 of the head: a control character"],
      ["A: 1\r\nB: \x1b[2J", "field 2 of the head: a control character"],
      [" A: 1", "field 1 of the head: a space before the first name"],
      ["A: 1\nB: 2", "field 1 of the head: an LF without a CR before it"],
    ]
  ) {
    const [code, message] = await failure(
      readHead(reader(`${OK}${line}\r\n\r\n`)),
    );
    assertEquals(code, "head");
    assert(message.startsWith(`Cannot read ${why}`), message);
    // Nothing that a terminal would obey.
    assert(/^[\x20-\x7e…\ufffd]*$/.test(message), message);
  }
});

Deno.test("a head that ends early is cut; a connection that ends before it is closed", async () => {
  const head = `${OK}A: 1\r\n\r\n`;
  assertEquals(await failure(readHead(reader(""))), [
    "closed",
    "The server closed before an answer began",
  ]);
  for (let i = 1; i < head.length; i++) {
    assertEquals((await failure(readHead(reader(head.slice(0, i)))))[0], "cut");
  }
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("reset")),
  });
  assertEquals(await failure(readHead(new ByteReader(broken))), [
    "cut",
    "The connection broke: reset",
  ]);
  const silent = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(),
  });
  assertEquals(await failure(readHead(new ByteReader(silent))), [
    "cut",
    "The connection broke: undefined",
  ]);
});

Deno.test("long lines, long heads and many fields stop at their limits", async () => {
  const field = (length: number) => `A: ${"x".repeat(length - 3)}\r\n`;
  const { fields } = await readHead(reader(OK + field(MAX_LINE) + "\r\n"));
  assertEquals(fields[0][1].length, MAX_LINE - 3);
  for (
    const [head, message] of [
      [
        OK + field(MAX_LINE + 1),
        "Cannot read field 1 of the head: longer than 16384 bytes",
      ],
      [
        "x".repeat(20_000),
        "Cannot read the status line: longer than 16384 bytes",
      ],
      [
        OK + field(16_000).repeat(5),
        "Cannot read field 5 of the head: longer than 1528 bytes",
      ],
      [
        OK + "A: 1\r\n".repeat(MAX_FIELDS + 1),
        "Cannot read the head: more than 128 fields",
      ],
      [
        OK + "A: 1\r\n" + ` ${"x".repeat(998)}\r\n`.repeat(70),
        "Cannot read field 2 of the head: longer than 465 bytes",
      ],
    ]
  ) assertEquals(await failure(readHead(reader(head))), ["limit", message]);
  const most = await readHead(
    reader(OK + "A: 1\r\n".repeat(MAX_FIELDS) + "\r\n"),
  );
  assertEquals(most.fields.length, MAX_FIELDS);
});

Deno.test("a source without an end is not read beyond the limit", async () => {
  let pieces = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pieces++;
      controller.enqueue(new Uint8Array(1000).fill(65));
    },
  });
  assertEquals((await failure(readHead(new ByteReader(endless))))[0], "limit");
  assert(pieces < 20, `${pieces} pieces`);
});

Deno.test("spaces and tabs round a value go, those inside and a Latin-1 one stay", async () => {
  const value = "a" + " ".repeat(16_000) + "b";
  const fields = await readFields(reader(`A: ${value} \r\n\r\n`), "trailer");
  assertEquals(fields, [["a", value]]);
  assertEquals(trim(" \t a\xa0 \t"), "a\xa0");
  assertEquals(trim(" \t "), "");
});

Deno.test("a list is the items of all fields with its name", () => {
  const fields: Field[] = [["a", "1, 2"], ["b", "x"], ["a", "3"]];
  assertEquals(list(fields, "a"), ["1", "2", "3"]);
  assertEquals(list(fields, "c"), []);
});

Deno.test("who waits for bytes when the reader fails gets that error at once", async () => {
  let cancelled = 0;
  const silent = new ReadableStream<Uint8Array>({
    cancel: () => void cancelled++,
  });
  const waiting = new ByteReader(silent);
  const line = waiting.line("x");
  const failed = new HttpError("deadline", "late");
  waiting.fail(failed);
  waiting.fail(new HttpError("abort", "later"));
  assertEquals(await failure(line), ["deadline", "late"]);
  assertEquals(await failure(waiting.some()), ["deadline", "late"]);
  assertEquals(cancelled, 1);
});
