import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { connect, Http2Error, memoryPair, serve } from "./http2.ts";
import { Connection } from "./http2_connection.ts";
import type { Handler } from "./http2_server.ts";
import type { Header } from "./hpack.ts";
import type { Frame } from "./http2_frames.ts";

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

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (body: ReadableStream<Uint8Array>) => new Response(body).text();
const same = (got: Uint8Array, body: Uint8Array) =>
  got.length === body.length && got.every((byte, i) => byte === body[i]);
/** A connection's streams may have closed it. */
function closeQuietly(conn: Deno.Conn) {
  try {
    conn.close();
  } catch {
    // They have.
  }
}
const pattern = (length: number) =>
  Uint8Array.from({ length }, (_, i) => i * 7 % 251);

/** Our client and a server of Node's. */
async function withNode(
  onStream: (
    stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
  ) => void,
  use: (client: ReturnType<typeof connect>, frames: Frame[]) => Promise<void>,
  settings: http2.Settings = {},
) {
  const server = http2.createServer({ settings });
  server.on("stream", onStream);
  server.on("session", (session) => session.on("error", () => {}));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const frames: Frame[] = [];
  const client = connect(conn, {
    observe: (sent, frame) => sent || frames.push(frame),
    signal: AbortSignal.timeout(20_000),
  });
  try {
    await use(client, frames);
  } finally {
    await client.close();
    closeQuietly(conn);
    await new Promise((done) => server.close(done));
  }
}
const url = "http://127.0.0.1/";

testSockets(
  "1 MB comes from a server of Node's, through our windows",
  async () => {
    const body = pattern(1_000_003);
    await withNode((stream) => {
      stream.respond({
        ":status": 200,
        "content-length": body.length,
        "x-a": "é",
      });
      stream.end(body);
    }, async (client, frames) => {
      const response = await client.fetch({ url });
      assertEquals(response.status, 200);
      assert(response.headers.some(([name]) => name === "content-length"));
      const got = await new Response(response.body).bytes();
      assert(same(got, body));
      assertEquals(await response.trailers, []);
      const sizes = frames.map((frame) =>
        frame.type === "DATA" ? frame.data.length : 0
      );
      assert(Math.max(...sizes) <= 16_384);
    });
  },
);

testSockets(
  "fifty requests at once have each its own answer, two at a time too",
  async () => {
    for (const maxConcurrentStreams of [100, 2]) {
      let most = 0;
      let now = 0;
      await withNode((stream, headers) => {
        most = Math.max(most, ++now);
        const n = Number(headers[":path"]!.slice(1));
        setTimeout(() => {
          now--;
          stream.respond({ ":status": 200 });
          stream.end(`${n} `.repeat(n * 200));
        }, 50 - n);
      }, async (client) => {
        // Before the server's SETTINGS have come, nothing limits the streams.
        await (await client.fetch({ url: url + "0" })).body.cancel();
        const texts = await Promise.all(
          Array.from({ length: 50 }, async (_, n) => {
            const { body } = await client.fetch({ url: url + n });
            return read(body);
          }),
        );
        texts.forEach((text, n) => assertEquals(text, `${n} `.repeat(n * 200)));
        assert(most > 1 && most <= maxConcurrentStreams, `${most}`);
      }, { maxConcurrentStreams });
    }
  },
);

testSockets(
  "a body that we send arrives at Node's, larger than its windows",
  async () => {
    const body = pattern(300_007);
    await withNode((stream, headers) => {
      const parts: Uint8Array[] = [];
      stream.on("data", (part) => parts.push(part as Uint8Array));
      stream.on("end", () => {
        const all = new Uint8Array(Buffer.concat(parts));
        stream.respond({ ":status": 201, "x-cookie": headers.cookie });
        stream.end(
          `${same(all, body)} ${headers[":method"]} ${headers["user-agent"]}`,
        );
      });
    }, async (client) => {
      const response = await client.fetch({
        url,
        method: "POST",
        headers: [["user-agent", "workshop"], ["cookie", "a=b"]],
        body,
      });
      assertEquals(response.status, 201);
      assertEquals(await read(response.body), "true POST workshop");
      assert(response.headers.some((h) => `${h}` === "x-cookie,a=b"));
    }, { initialWindowSize: 20_000 });
  },
);

testSockets(
  "trailers, 103 and a response of no body come from Node's",
  async () => {
    await withNode((stream, headers) => {
      if (headers[":method"] === "HEAD") {
        stream.respond({ ":status": 200, "content-length": 5 }, {
          endStream: true,
        });
        return;
      }
      stream.additionalHeaders({ ":status": 103, link: "</a.css>" });
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "42" }));
      stream.end("hello");
    }, async (client) => {
      const response = await client.fetch({ url });
      assertEquals(response.interim, [{
        status: 103,
        headers: [["link", "</a.css>"]],
      }]);
      assertEquals(await read(response.body), "hello");
      assertEquals(await response.trailers, [["x-sum", "42"]]);
      const head = await client.fetch({ url, method: "HEAD" });
      assertEquals([head.status, await read(head.body)], [200, ""]);
    });
  },
);

testSockets(
  "a reset and a GOAWAY of Node's are typed errors; an abort is ours",
  async () => {
    let closed = 0;
    await withNode((stream, headers) => {
      stream.on("error", () => {});
      stream.on("close", () => closed++);
      if (headers[":path"] === "/reset") {
        stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      }
      if (headers[":path"] === "/away") {
        stream.respond({ ":status": 200 });
        stream.session!.goaway(0, stream.id);
        stream.end("last");
      }
    }, async (client) => {
      const error = await assertRejects(
        () => client.fetch({ url: url + "reset" }),
        Http2Error,
      );
      assertEquals(error.code, "ENHANCE_YOUR_CALM");
      await assertRejects(
        () =>
          client.fetch({ url: url + "never", signal: AbortSignal.timeout(30) }),
        DOMException,
        "timeout",
      );
      const response = await client.fetch({ url: url + "away" });
      assertEquals(await read(response.body), "last");
      const late = await assertRejects(() => client.fetch({ url }), Http2Error);
      assertEquals(late.code, "REFUSED_STREAM");
    });
    assertEquals(closed, 3);
  },
);

/** Our client and our server in memory. */
function both(handler: Handler, options = {}) {
  const [near, far] = memoryPair();
  const server = serve(far, handler, options);
  return { client: connect(near), server };
}
const site = "https://www.google.com/search?q=h2#top";

Deno.test("any bodies and windows: what is sent is what arrives, both ways", async () => {
  const lengths = fc.array(fc.nat(70_000), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      lengths,
      fc.integer({ min: 1, max: 3 }),
      async (lengths, scale) => {
        const [near, far] = memoryPair();
        const window = 20_000 * scale;
        serve(
          far,
          async ({ body }) => ({ body: await new Response(body).bytes() }),
          { window },
        );
        const client = connect(near, { window: 90_000 - window });
        await Promise.all(lengths.map(async (length) => {
          const body = pattern(length);
          const response = await client.fetch({
            url: site,
            method: "POST",
            body,
          });
          assertEquals(await new Response(response.body).bytes(), body);
        }));
        await client.close();
      },
    ),
    { seed: 3, numRuns: 20 },
  );
});

Deno.test("one body that nobody reads does not hold up the others", async () => {
  const { client } = both(() => ({ body: pattern(200_000) }));
  const unread = await client.fetch({ url: site });
  for (let n = 0; n < 10; n++) {
    const { body } = await client.fetch({ url: site });
    assertEquals((await read(body)).length > 0, true);
  }
  await unread.body.cancel();
  await client.close();
});

Deno.test("malformed responses are a PROTOCOL_ERROR of their stream", async () => {
  const bad = ["2xx", "099", "600", "101", "20", ""];
  for (const status of bad) {
    const [near, far] = memoryPair();
    new Connection(far, {}, (stream) => {
      stream.onHeaders = () => stream.sendHeaders([[":status", status]], true);
    });
    const client = connect(near);
    const error = await assertRejects(
      () => client.fetch({ url: site }),
      Http2Error,
      "Malformed",
    );
    assertEquals([error.code, error.stream], ["PROTOCOL_ERROR", 1], status);
    await client.close();
  }
});

Deno.test("a body that is not as long as content-length says is an error", async () => {
  for (const length of ["4", "6"]) {
    const { client } = both(() => ({
      headers: [["content-length", length]],
      body: bytes("hello"),
    }));
    const { body } = await client.fetch({ url: site });
    await assertRejects(
      () => read(body),
      Http2Error,
      `content-length is ${length}`,
    );
    await client.close();
  }
});

Deno.test("requests that must not be sent are errors before anything is", async () => {
  const { client } = both(() => ({}));
  for (
    const headers of [[["Host", "a"]], [["a", "b\nc"]], [["te", "gzip"]], [[
      "a",
      "π",
    ]]] as Header[][]
  ) {
    await assertRejects(
      () => client.fetch({ url: site, headers }),
      Http2Error,
      "Malformed",
    );
  }
  await assertRejects(
    () => client.fetch({ url: site, signal: AbortSignal.abort() }),
    DOMException,
  );
  assertEquals(
    (await client.fetch({ url: site, headers: [["te", "trailers"]] })).status,
    200,
  );
  await client.close();
  await assertRejects(() => client.fetch({ url: site }), Http2Error, "closing");
});

Deno.test("an abort or a broken transport in the moment of asking is not missed", async () => {
  const { client } = both(() => new Promise<never>(() => {}));
  const abort = new AbortController();
  await new Promise((done) => setTimeout(done));
  queueMicrotask(() => abort.abort(new Error("stop")));
  const { signal } = abort;
  await assertRejects(() => client.fetch({ url: site, signal }), Error, "stop");
  client.close();
  const [near, far] = memoryPair();
  const broken = connect(near);
  await far.readable.cancel(new Error("gone"));
  await assertRejects(() => broken.fetch({ url: site }), Http2Error, "gone");
  await broken.closed;
});

Deno.test("any number of requests can be cancelled, also if the peer reads nothing", async () => {
  const [near] = memoryPair();
  const client = connect(near);
  const abort = new AbortController();
  const { signal } = abort;
  const all = Array.from(
    { length: 1200 },
    () => client.fetch({ url: site, signal }).catch((error) => error.message),
  );
  await new Promise((done) => setTimeout(done));
  abort.abort(new Error("stop"));
  // From the thousandth on it is the connection that has failed.
  const messages = await Promise.all(all);
  assertEquals(messages.filter((message) => message === "stop").length, 1000);
  await client.closed;
});
