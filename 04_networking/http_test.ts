import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, type RequestListener } from "node:http";
import zlib from "node:zlib";
import { type ByteStream, HttpConnection, openNetwork } from "./http.ts";
import { HttpError, latin1, requestFor } from "./http_message.ts";

const { state } = Deno.permissions.querySync({
  name: "net",
  host: "127.0.0.1",
});

/** A test that needs sockets. */
function testSockets(name: string, fn: () => Promise<void>) {
  const ignore = state !== "granted";
  Deno.test({
    name: ignore ? `needs --allow-net, so not tested here: ${name}` : name,
    ignore,
    fn,
  });
}

const OK = "HTTP/1.1 200 OK\r\n";
const asked = requestFor(new URL("http://a.example/"));

async function failure(work: Promise<unknown>): Promise<[string, string]> {
  const { code, message } = await assertRejects(() => work, HttpError);
  assert(!/[\r\n]/.test(message), message);
  return [code, message];
}

/** A server in memory that sends these pieces, and what it saw. */
function memory(...pieces: (string | Uint8Array)[]) {
  const seen = { sent: "", cancelled: 0, aborted: 0 };
  const queue = pieces.map((piece) =>
    typeof piece === "string" ? latin1(piece) : piece
  );
  const stream: ByteStream = {
    readable: new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = queue.shift();
        if (piece) controller.enqueue(piece);
        else controller.close();
      },
      cancel: () => void seen.cancelled++,
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      write: (bytes) => void (seen.sent += String.fromCharCode(...bytes)),
      abort: () => void seen.aborted++,
    }),
  };
  return { connection: new HttpConnection(stream), seen };
}

/** Runs `use` against a node:http server. */
async function withNode(
  listener: RequestListener,
  use: (url: URL) => Promise<void>,
) {
  const server = createServer(listener);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  try {
    const { port } = server.address() as { port: number };
    await use(new URL(`http://127.0.0.1:${port}/`));
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

/** Runs `use` against a server that answers one connection by `script`. */
async function withPeer(
  script: (conn: Deno.Conn) => Promise<void>,
  use: (url: URL) => Promise<void>,
) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  let conn: Deno.Conn | undefined;
  const peer = (async () => script(conn = await listener.accept()))();
  // A script ends when its client is gone; it may fail at writing to it.
  const ended = peer.then(() => true, () => true);
  let timer;
  try {
    await use(new URL(`http://127.0.0.1:${port}/`));
    const late = new Promise<boolean>((done) => {
      timer = setTimeout(() => done(false), 3000);
    });
    const closed = await Promise.race([ended, late]);
    assert(closed, "the client left its connection open");
  } finally {
    clearTimeout(timer);
    listener.close();
    conn?.close();
    await ended;
  }
}
async function write(conn: Deno.Conn, text: string) {
  const bytes = latin1(text);
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}
const connect = async (url: URL) => new HttpConnection(await openNetwork(url));
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

const LONG = "Grüße, 12 € ".repeat(20_000);

testSockets(
  "six requests to node:http go over one connection, each with its own answer",
  async () => {
    const sockets = new Set<unknown>();
    const seen: unknown[] = [];
    await withNode((request, response) => {
      sockets.add(request.socket);
      const { method, url, headers, rawHeaders } = request;
      let body = "";
      request.on("data", (data) => body += data);
      request.on("end", () => {
        seen.push([method, url, headers.host, rawHeaders[0], body]);
        if (url === "/none") return response.writeHead(204).end();
        if (url === "/same") {
          return response.writeHead(304, { "Content-Length": 5 }).end();
        }
        if (url === "/chunks") {
          response.writeHead(200, {
            Trailer: "X-Sum",
            "Content-Encoding": "gzip",
          });
          const packed = zlib.gzipSync(LONG);
          response.write(packed.subarray(0, 100));
          response.write(packed.subarray(100));
          response.addTrailers({ "X-Sum": "7" });
          return response.end();
        }
        const text = "Grüße";
        response.writeHead(200, {
          "Content-Length": 7,
          "Content-Type": "text/plain; charset=utf-8",
        });
        response.end(text);
      });
    }, async (url) => {
      const connection = await connect(url);
      const ask = async (path: string, method = "GET", body?: string) => {
        const request = requestFor(new URL(path, url), { method, body });
        const response = await connection.request(request);
        return [response.status, await response.text(), response.trailers];
      };
      assertEquals(await ask("/head", "HEAD"), [200, "", []]);
      assertEquals(await ask("/page?q=1#x"), [200, "Grüße", []]);
      assertEquals(await ask("/none"), [204, "", []]);
      assertEquals(await ask("/same"), [304, "", []]);
      assertEquals(await ask("/chunks"), [200, LONG, [["x-sum", "7"]]]);
      assertEquals(await ask("/post", "POST", "12 €"), [200, "Grüße", []]);
      assertEquals(connection.idle, true);
      connection.close();
      assertEquals(sockets.size, 1);
      assertEquals(seen[1], ["GET", "/page?q=1", url.host, "Host", ""]);
      assertEquals(seen[5], ["POST", "/post", url.host, "Host", "12 €"]);
    });
  },
);

testSockets("an answer that comes byte by byte over TCP is whole", async () => {
  await withPeer(async (conn) => {
    (conn as Deno.TcpConn).setNoDelay();
    await conn.read(new Uint8Array(4096));
    const wire =
      `HTTP/1.1 100 Continue\r\n\r\n${OK}Transfer-Encoding: chunked\r\n\r\n5\r\n12 \xe2\x82\r\n1\r\n\xac\r\n0\r\n\r\n`;
    for (const byte of wire) {
      await write(conn, byte);
      await pause(0);
    }
  }, async (url) => {
    const connection = await connect(url);
    const response = await connection.request(requestFor(url));
    assertEquals(await response.text(), "12 €");
    connection.close();
  });
});

for (
  const [what, answer, options] of [
    ["a head", OK + "A: ", "headSignal"],
    [
      "a head, one byte after the other,",
      OK + "A: x".repeat(5000),
      "headSignal",
    ],
    ["a body", OK + "Content-Length: 500\r\n\r\n" + "x".repeat(100), "signal"],
    ["a packed body", OK + "Content-Encoding: gzip\r\n\r\n\x1f\x8b", "signal"],
  ] as const
) {
  testSockets(
    `who sends ${what} too slowly meets the deadline, and the connection closes`,
    async () => {
      await withPeer(async (conn) => {
        (conn as Deno.TcpConn).setNoDelay();
        await conn.read(new Uint8Array(4096));
        const quick = answer.slice(0, answer.indexOf("\r\n\r\n") + 4 || 20);
        await write(conn, quick);
        for (const byte of answer.slice(quick.length)) {
          await write(conn, byte);
          await pause(20);
        }
        await conn.read(new Uint8Array(1)).catch(() => null);
      }, async (url) => {
        const stop = new AbortController();
        const timer = setTimeout(
          () => stop.abort(new DOMException("", "TimeoutError")),
          120,
        );
        const connection = await connect(url);
        const [code, message] = await failure((async () => {
          const response = await connection.request(requestFor(url), {
            [options]: stop.signal,
          });
          await response.bytes();
        })());
        clearTimeout(timer);
        assertEquals(code, "deadline");
        assert(message.endsWith("did not come in time"), message);
        assertEquals(connection.idle, false);
        assertEquals((await failure(connection.request(asked)))[0], "closed");
      });
    },
  );
}

Deno.test("a head's deadline does not end a body, and an abort is no deadline", async () => {
  const { connection } = memory(OK + "Content-Length: 2\r\n\r\n", "h", "i");
  const head = new AbortController();
  const response = await connection.request(asked, { headSignal: head.signal });
  head.abort();
  assertEquals(await response.text(), "hi");
  const all = new AbortController();
  all.abort();
  const { connection: other, seen } = memory(
    OK + "Content-Length: 2\r\n\r\nhi",
  );
  assertEquals(await failure(other.request(asked, { signal: all.signal })), [
    "abort",
    "The answer was not waited for",
  ]);
  assertEquals([seen.cancelled, seen.aborted, seen.sent], [1, 1, ""]);
});

Deno.test("a signal that comes after the body leaves the connection open", async () => {
  const { connection } = memory(
    OK + "Content-Length: 2\r\n\r\nhi",
    OK + "Content-Length: 0\r\n\r\n",
  );
  const all = new AbortController();
  const response = await connection.request(asked, { signal: all.signal });
  await response.bytes();
  all.abort();
  assertEquals(connection.idle, true);
  assertEquals(await (await connection.request(asked)).text(), "");
});

Deno.test("a connection is used again only after an answer whose end is known and was read", async () => {
  for (
    const [wire, method, open] of [
      [OK + "Content-Length: 2\r\n\r\nhi", "GET", true],
      [
        OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "GET",
        true,
      ],
      [OK + "Content-Length: 2\r\n\r\n", "HEAD", true],
      ["HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n", "GET", true],
      [OK + "\r\nhi", "GET", false],
      [OK + "Connection: close\r\nContent-Length: 2\r\n\r\nhi", "GET", false],
      [
        OK + "Connection: Upgrade, Close\r\nContent-Length: 2\r\n\r\nhi",
        "GET",
        false,
      ],
      ["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", false],
      // Bytes that nobody asked for.
      [OK + "Content-Length: 2\r\n\r\nhi" + OK + "\r\n", "GET", false],
      [OK + "Content-Length: 2\r\n\r\nhi", "HEAD", false],
    ] as const
  ) {
    const { connection, seen } = memory(wire);
    const response = await connection.request({ ...asked, method });
    await response.bytes();
    assertEquals(connection.idle, open, wire);
    assertEquals(seen.aborted, open ? 0 : 1, wire);
    if (open) continue;
    assertEquals(await failure(connection.request(asked)), [
      "closed",
      "Cannot send a request: the connection is closed",
    ]);
  }
  const { connection } = memory(OK + "Content-Length: 2\r\n\r\nhi");
  const last = {
    ...asked,
    fields: [["Connection", "close"]] as [string, string][],
  };
  await (await connection.request(last)).bytes();
  assertEquals(connection.idle, false);
});

Deno.test("no request is sent before the answer to the one before is read, or after an error", async () => {
  const { connection, seen } = memory(
    OK + "Content-Length: 2\r\n\r\nhi",
    "HTTP/1.1 banana\r\n",
  );
  const response = await connection.request(asked);
  const { length } = seen.sent;
  assertEquals(await failure(connection.request(asked)), [
    "closed",
    "Cannot send a request: the answer before is not read to its end",
  ]);
  assertEquals(seen.sent.length, length);
  await response.bytes();
  // A request that cannot be written leaves the connection as it is.
  assertEquals(
    (await failure(connection.request({ ...asked, target: "x" })))[0],
    "request",
  );
  assertEquals(connection.idle, true);
  assertEquals((await failure(connection.request(asked)))[0], "head");
  assertEquals((await failure(connection.request(asked)))[0], "closed");
  assertEquals([seen.cancelled, seen.aborted], [1, 1]);
});

Deno.test("a cancelled body closes the connection both ways", async () => {
  const { connection, seen } = memory(OK + "Content-Length: 5000\r\n\r\nhi");
  const response = await connection.request(asked);
  await response.body.cancel();
  assertEquals([seen.cancelled, seen.aborted, connection.idle], [1, 1, false]);
});

testSockets("port 0 of a URL is no other port", async () => {
  const [code, message] = await failure(
    openNetwork(new URL("http://127.0.0.1:0/")),
  );
  assertEquals(code, "connect");
  assert(message.startsWith("Cannot connect to 127.0.0.1:0: "), message);
});

const run = Deno.permissions.querySync({
  name: "run",
  command: Deno.execPath(),
});
const cli = run.state === "granted" && state === "granted";
Deno.test({
  name: cli
    ? "the command prints an answer, and one line for what it cannot do"
    : "needs --allow-run and --allow-net, so not tested here: the command",
  ignore: !cli,
  fn: async () => {
    const script = new URL("http.ts", import.meta.url).href;
    const env = { NO_COLOR: "1" };
    const command = async (flags: string[], ...rest: string[]) => {
      const args = ["run", "--no-prompt", ...flags, script, ...rest];
      const signal = AbortSignal.timeout(8000);
      const options = { args, env, signal };
      const process = new Deno.Command(Deno.execPath(), options);
      const { code, stdout, stderr } = await process.output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, out: text(stdout), error: text(stderr) };
    };
    const net = "--allow-net=127.0.0.1";
    await withNode((_, response) => {
      const type = "text/plain; charset=iso-8859-1";
      response.writeHead(200, { "Content-Type": type });
      response.end(Uint8Array.of(0xe4, 0x0a));
    }, async (url) => {
      const page = await command([net], url.href);
      assertEquals(page.code, 0, page.error);
      assert(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nä\n$/.test(page.out), page.out);
      const { out } = await command([net], url.href, "--head");
      assert(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\n$/.test(out), out);
      const bytes = await command([net], url.href, "--bytes");
      assert(bytes.out.endsWith("\r\n\r\n\ufffd\n"), bytes.out);
      const denied = await command([], url.href);
      const error =
        `Cannot connect to ${url.host}: run with --allow-net=${url.host}\n`;
      assertEquals(denied, { code: 1, out: "", error });
    });
    const demo = await command([]);
    assertEquals([demo.code, demo.error], [0, ""]);
    assert(demo.out.includes("Grüße"), demo.out);
    for (const args of [["ftp://a.example/"], ["--x"], ["x", "y"], ["x y"]]) {
      const { code, out, error } = await command([net], ...args);
      assertEquals([code, out], [2, ""]);
      assert(/^Cannot [^\n]*\nUsage: [^\n]*\n$/.test(error), error);
    }
  },
});
