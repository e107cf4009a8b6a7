import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { type Header, HpackEncoder } from "./hpack.ts";
import { connect, Http2Error, memoryPair } from "./http2.ts";
import { concat, encodeFrame, type Frame, PREFACE } from "./http2_frames.ts";
import { open, SETTINGS } from "./http2_peer.ts";
import { type Handler, serve } from "./http2_server.ts";

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

testSockets(
  "a client of Node's gets 1 MB, trailers and forty answers from our server",
  async () => {
    const body = pattern(1_000_003);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    const session = http2.connect(`http://127.0.0.1:${listener.addr.port}`, {
      settings: { initialWindowSize: 30_000 },
    });
    const conn = await accepted;
    const server = serve(conn, ({ path, method, headers }) => ({
      headers: [["x-path", path], ["x-agent", headers[0]?.[1] ?? method]],
      body: path === "/large" ? body : bytes(path.repeat(99)),
      trailers: [["x-sum", "7"]],
    }));
    const get = (path: string) =>
      new Promise<[http2.IncomingHttpHeaders, Uint8Array, unknown]>(
        (done, fail) => {
          const request = session.request({
            ":path": path,
            "user-agent": "node",
          });
          let head: http2.IncomingHttpHeaders;
          let trailers: unknown;
          const parts: Uint8Array[] = [];
          request.on("response", (headers) => head = headers);
          request.on("trailers", (headers) => trailers = headers["x-sum"]);
          request.on("data", (part) => parts.push(part));
          request.on("end", () => done([head, Buffer.concat(parts), trailers]));
          request.on("error", fail);
        },
      );
    const [head, large, sum] = await get("/large");
    assertEquals([head["x-path"], head["x-agent"], sum], [
      "/large",
      "node",
      "7",
    ]);
    assert(same(large, body));
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, n) => get(`/${n}`)),
    );
    all.forEach(([, text], n) => assertEquals(`${text}`, `/${n}`.repeat(99)));
    await new Promise<void>((done) => session.close(done));
    await server.closed;
    assertEquals(server.error, undefined);
    closeQuietly(conn);
    listener.close();
  },
);

/** Our client and our server in memory. */
function both(handler: Handler, options = {}) {
  const [near, far] = memoryPair();
  const server = serve(far, handler, options);
  return { client: connect(near), server };
}
const site = "https://www.google.com/search?q=h2#top";

Deno.test("the handler sees the request as it was, without the fragment", async () => {
  const seen: unknown[] = [];
  const { client, server } = both(({ body: _, ...request }) => {
    seen.push(request);
    return {};
  });
  const { status, body } = await client.fetch({
    url: site,
    headers: [["a", "b"]],
  });
  assertEquals([status, await read(body)], [200, ""]);
  assertEquals(seen, [{
    method: "GET",
    scheme: "https",
    authority: "www.google.com",
    path: "/search?q=h2",
    headers: [["a", "b"]],
  }]);
  await client.close();
  await server.closed;
});

Deno.test("a handler that fails resets its own stream only", async () => {
  const { client } = both(({ path }) => {
    if (path === "/bad") throw new Error("secret");
    return { body: bytes("good") };
  });
  const error = await assertRejects(
    () => client.fetch({ url: "https://a/bad" }),
    Http2Error,
    "The peer reset with INTERNAL_ERROR",
  );
  assertEquals([error.code, error.stream], ["INTERNAL_ERROR", 1]);
  assertEquals(await read((await client.fetch({ url: site })).body), "good");
  await client.close();
});

Deno.test("requests that are reset at once still count as running", async () => {
  let running = 0;
  let most = 0;
  const wait = Promise.withResolvers<void>();
  const { client } = both(async () => {
    most = Math.max(most, ++running);
    await wait.promise;
    return {};
  }, { maxStreams: 3 });
  for (let n = 0; n < 20; n++) {
    const signal = AbortSignal.timeout(1);
    await client.fetch({ url: site, signal }).catch(() => {});
  }
  assertEquals(most, 3);
  wait.resolve();
  await client.close();
});

Deno.test("a handler that cancels the request's body still answers", async () => {
  const { client } = both(async ({ body }) => {
    await body.cancel();
    return { status: 413 };
  });
  for (const body of [undefined, pattern(300_000)]) {
    const response = await client.fetch({ url: site, body });
    assertEquals([response.status, await read(response.body)], [413, ""]);
  }
  await client.close();
});

Deno.test("a body that no handler reads is given back when it is answered", async () => {
  for (const cancels of [false, true]) {
    const arrived = Promise.withResolvers<void>();
    const { client } = both(async ({ path, body }) => {
      if (path === "/read") return { body: await new Response(body).bytes() };
      if (cancels) await body.cancel();
      await arrived.promise;
      return { status: 404 };
    }, {
      connectionWindow: 65_535,
      observe: (sent: boolean, frame: Frame) => {
        if (!sent && frame.type === "DATA" && frame.endStream) {
          arrived.resolve();
        }
      },
    });
    const post = (path: string) =>
      client.fetch({ url: `https://a${path}`, body: pattern(60_000) });
    assertEquals(await read((await post("/")).body), "");
    assertEquals((await read((await post("/read")).body)).length > 0, true);
    await client.close();
  }
});

Deno.test("a client that asks and never reads the answers is cut off", async () => {
  const [near, far] = memoryPair();
  let asked = 0;
  const server = serve(near, () => {
    asked++;
    return { status: 204 };
  }, { maxStreams: 10 });
  const block = new HpackEncoder().encode([
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/"],
  ]);
  const requests = Array.from(
    { length: 3000 },
    (_, n) => encodeFrame({ ...open(2 * n + 1), block } as Frame),
  );
  const writer = far.writable.getWriter();
  const start = concat([PREFACE, encodeFrame(SETTINGS)]);
  writer.write(start).catch(() => {});
  for (const request of requests) writer.write(request).catch(() => {});
  writer.close().catch(() => {});
  await server.closed;
  assertEquals((server.error as Http2Error)?.code, "ENHANCE_YOUR_CALM");
  assertEquals(asked, 10);
});

Deno.test("a host that is not the authority is malformed", async () => {
  const { client } = both(({ authority }) => ({ body: bytes(authority) }));
  const ask = (...headers: Header[]) => client.fetch({ url: site, headers });
  const { body } = await ask(["host", "WWW.google.com"]);
  assertEquals(await read(body), "www.google.com");
  await assertRejects(() => ask(["host", "a.com"]), Http2Error, "Malformed");
  await client.close();
});
