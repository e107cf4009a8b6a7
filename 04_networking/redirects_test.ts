import { assert, assertEquals, assertRejects } from "@std/assert";
import zlib from "node:zlib";
import { CookieJar } from "./cookies.ts";
import type { ByteStream } from "./http.ts";
import { HttpError, latin1 } from "./http_message.ts";
import { follow, type FollowOptions, MAX_REDIRECTS } from "./redirects.ts";

/** A web in memory: what each URL answers; and every request it saw, as text. */
function web(pages: Record<string, string>) {
  const seen: string[] = [];
  let open = 0;
  const connect = ({ href }: URL): Promise<ByteStream> => {
    open++;
    let closed = false;
    const close = () => {
      if (!closed) open--;
      closed = true;
    };
    const answer = pages[href.replace(/#.*/, "")] ?? "HTTP/1.1 404 X\r\n\r\n";
    return Promise.resolve({
      readable: new ReadableStream({
        start: (controller) => controller.enqueue(latin1(answer)),
        cancel: close,
      }),
      writable: new WritableStream<Uint8Array>({
        write: (bytes) => void seen.push(String.fromCharCode(...bytes)),
        abort: close,
      }),
    });
  };
  return { seen, connect, open: () => open };
}
const to = (status: number, location: string, ...more: string[]) =>
  [
    `HTTP/1.1 ${status} X`,
    "Content-Length: 0",
    `Location: ${location}`,
    ...more,
    "\r\n",
  ].join("\r\n");
const page = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

async function failure(work: Promise<unknown>): Promise<[string, string]> {
  const { code, message } = await assertRejects(() => work, HttpError);
  assert(!/[\r\n]/.test(message), message);
  return [code, message];
}

Deno.test("the method after a redirect is that of RFC 9110, 15.4", async () => {
  // What the Fetch standard's "HTTP-redirect fetch", step 12, makes of them too.
  for (
    const [status, before, after] of [
      [301, "GET", "GET"],
      [301, "POST", "GET"],
      [301, "HEAD", "HEAD"],
      [301, "PUT", "PUT"],
      [302, "POST", "GET"],
      [302, "DELETE", "DELETE"],
      [303, "POST", "GET"],
      [303, "PUT", "GET"],
      [303, "HEAD", "HEAD"],
      [307, "POST", "POST"],
      [308, "POST", "POST"],
      [308, "HEAD", "HEAD"],
    ] as const
  ) {
    const { seen, connect, open } = web({
      "http://a.example/x": to(status, "/y"),
      "http://a.example/y": page,
    });
    const body = /^P/.test(before) ? "q=1" : undefined;
    const fields: [string, string][] = [["Content-Type", "text/x"], ["X", "1"]];
    const { response, hops } = await follow("http://a.example/x", connect, {
      method: before,
      body,
      fields,
    });
    await response.bytes();
    const [, second] = seen;
    assert(second.startsWith(`${after} /y HTTP/1.1\r\n`), second);
    const kept = body !== undefined && before === after;
    assertEquals(second.endsWith("\r\n\r\nq=1"), kept, second);
    if (before !== after) assert(!/^content-/im.test(second), second);
    assert(second.includes("\r\nX: 1\r\n"), second);
    assertEquals(hops.map(({ status, method }) => [status, method]), [[
      status,
      after,
    ]]);
    assertEquals(open(), 0);
  }
});

Deno.test("a Location counts from the URL that was asked, and keeps its fragment", async () => {
  for (
    const [location, right] of [
      ["y?z#w", "http://a.example/b/y?z#w"],
      ["y#", "http://a.example/b/y#"],
      ["y\xc3\xbc", "http://a.example/b/y%C3%BC#top"],
      ["/y", "http://a.example/y#top"],
      ["?z", "http://a.example/b/x?z#top"],
      ["../y", "http://a.example/y#top"],
      ["//c.example/y", "http://c.example/y#top"],
      ["https://c.example", "https://c.example/#top"],
      ["http://a.example:8080/", "http://a.example:8080/#top"],
    ]
  ) {
    const { connect, seen } = web({
      "http://a.example/b/x": to(302, location),
      [right.replace(/#.*/, "")]: page,
    });
    const { url, response } = await follow("http://a.example/b/x#top", connect);
    assertEquals([url.href, await response.text()], [right, "hi"]);
    assert(seen[1].includes(`\r\nHost: ${new URL(right).host}\r\n`), seen[1]);
  }
});

Deno.test("a Location after a redirect counts from where that one led", async () => {
  const { connect } = web({
    "http://a.example/": to(302, "http://b.example/c/d"),
    "http://b.example/c/d": to(302, "e"),
    "http://b.example/c/e": page,
  });
  const { url, response } = await follow("http://a.example/", connect);
  assertEquals([url.href, await response.text()], [
    "http://b.example/c/e",
    "hi",
  ]);
});

Deno.test("other answers are not followed, nor a redirect that leads nowhere", async () => {
  for (const status of [200, 201, 300, 304, 305, 399, 404]) {
    const { connect, seen } = web({ "http://a.example/": to(status, "/y") });
    const { response } = await follow("http://a.example/", connect);
    await response.bytes();
    assertEquals([response.status, seen.length], [status, 1]);
  }
  const { connect } = web({
    "http://a.example/": "HTTP/1.1 302 X\r\nContent-Length: 2\r\n\r\nhi",
  });
  const { response } = await follow("http://a.example/", connect);
  assertEquals([response.status, await response.text()], [302, "hi"]);
});

Deno.test("what was given for one origin goes to no other, and does not come back", async () => {
  for (
    const [location, away] of [
      ["/y", false],
      ["http://a.example:80/y", false],
      ["http://b.example/y", true],
      ["http://sub.a.example/y", true],
      ["http://a.example:8080/y", true],
      ["https://a.example/y", true],
    ] as const
  ) {
    const next = new URL(location, "http://a.example").href;
    const { connect, seen } = web({
      "http://a.example/x": to(307, location),
      [next]: to(307, "http://a.example/z"),
      "http://a.example/z": page,
    });
    const fields: [string, string][] = [
      ["authorization", "Basic x"],
      ["Cookie", "id=7"],
      ["Proxy-Authorization", "z"],
      ["X", "1"],
    ];
    const options = { fields, downgrade: true };
    const { response, hops } = await follow(
      "http://a.example/x",
      connect,
      options,
    );
    await response.bytes();
    const secret = seen.map((request) =>
      /^(proxy-)?authorization:|^cookie:/im.test(request)
    );
    assertEquals(secret, [true, !away, !away], location);
    assertEquals(hops[0].dropped.length, away ? 3 : 0);
    for (const request of seen) assert(request.includes("\r\nX: 1\r\n"));
  }
});

Deno.test("cookies are taken at every step and chosen anew for each URL", async () => {
  const jar = new CookieJar(() => 0);
  const { connect, seen } = web({
    "https://a.example/": to(
      302,
      "/in",
      "Set-Cookie: id=7; Secure",
      "Set-Cookie: t=1; Path=/in",
    ),
    "https://a.example/in": to(
      302,
      "https://b.example/",
      "Set-Cookie: b=2; Domain=b.example",
    ),
    "https://b.example/": page,
  });
  const { response } = await follow("https://a.example/", connect, { jar });
  await response.bytes();
  const cookies = seen.map((request) => /^Cookie: (.*)\r$/m.exec(request)?.[1]);
  assertEquals(cookies, [undefined, "t=1; id=7", undefined]);
  assertEquals(jar.header(new URL("https://b.example/")), "");
  const both = web({ "https://a.example/": page });
  const fields: [string, string][] = [["cookie", "mine=1"]];
  const last = await follow("https://a.example/", both.connect, {
    jar,
    fields,
  });
  await last.response.bytes();
  assertEquals(both.seen[0].match(/^cookie:.*$/gim), [
    "Cookie: mine=1; id=7",
  ]);
});

Deno.test("circles end, and a page that only wants its cookie back is none", async () => {
  const circle = web({
    "http://a.example/": to(302, "/b"),
    "http://a.example/b": to(302, "http://a.example"),
  });
  assertEquals(await failure(follow("http://a.example/", circle.connect)), [
    "redirect",
    'Redirects go in a circle: "http://a.example/"',
  ]);
  assertEquals([circle.seen.length, circle.open()], [2, 0]);
  const jar = new CookieJar();
  let asked = 0;
  const server = (url: URL) =>
    web({ [url.href]: asked++ ? page : to(302, "/", "Set-Cookie: seen=1") })
      .connect(url);
  const { response } = await follow("http://a.example/", server, { jar });
  assertEquals([await response.text(), asked], ["hi", 2]);
});

Deno.test("more redirects than the limit are an error, and just as many are not", async () => {
  const chain = (length: number) => {
    const pages: Record<string, string> = {
      [`http://a.example/${length}`]: page,
    };
    for (let i = 0; i < length; i++) {
      pages[`http://a.example/${i}`] = to(302, `/${i + 1}`);
    }
    return web(pages);
  };
  const most = chain(MAX_REDIRECTS);
  const { response, hops } = await follow("http://a.example/0", most.connect);
  assertEquals([await response.text(), hops.length], ["hi", MAX_REDIRECTS]);
  const more = chain(MAX_REDIRECTS + 1);
  assertEquals(await failure(follow("http://a.example/0", more.connect)), [
    "redirect",
    'More than 20 redirects, the last to "/21"',
  ]);
  assertEquals([more.seen.length, more.open()], [MAX_REDIRECTS + 1, 0]);
  const none = chain(1);
  const [code] = await failure(
    follow("http://a.example/0", none.connect, { mostRedirects: 0 }),
  );
  assertEquals(code, "redirect");
});

Deno.test("https: does not lead to http: unless allowed, nor anything to other schemes", async () => {
  const pages = {
    "https://a.example/": to(301, "http://a.example/"),
    "http://a.example/": page,
  };
  const { connect, seen, open } = web(pages);
  assertEquals(await failure(follow("https://a.example/", connect)), [
    "redirect",
    'The redirect to "http://a.example/" would leave https:',
  ]);
  assertEquals([seen.length, open()], [1, 0]);
  const { response } = await follow("https://a.example/", connect, {
    downgrade: true,
  });
  assertEquals(await response.text(), "hi");
  const others =
    "file:///etc/passwd javascript:alert(1) data:,x http://u:p@a.example/ http://[ ftp://a";
  for (const location of others.split(" ")) {
    const bad = web({ "http://a.example/": to(302, location) });
    assertEquals(
      (await failure(follow("http://a.example/", bad.connect)))[0],
      "url",
    );
    assertEquals([bad.seen.length, bad.open()], [1, 0]);
  }
  for (const url of ["ftp://a.example/", "x"]) {
    assertEquals((await failure(follow(url, connect)))[0], "url");
  }
});

Deno.test("a request that cannot be written opens no connection", async () => {
  const { connect, open } = web({});
  const bad: FollowOptions[] = [{ method: "G T" }, { fields: [["X", "\r\n"]] }];
  for (const options of bad) {
    assertEquals(
      (await failure(follow("http://a.example/", connect, options)))[0],
      "request",
    );
    assertEquals(open(), 0);
  }
});

Deno.test("40,000 damaged answers give an answer or an HttpError, and little memory", async () => {
  // Mulberry32, so that every run damages the same bytes.
  let seed = 42;
  const random = (n: number) => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % n;
  };
  const packed = zlib.gzipSync("<p>Grüße</p>".repeat(30)).toString("latin1");
  const OK = "HTTP/1.1 200 OK\r\nSet-Cookie: id=7; Path=/; Max-Age=60\r\n";
  const wires = [
    `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 11\r\n\r\nhello world`,
    `${OK}\r\nhello world`,
    `${OK}Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n${
      packed.length.toString(16)
    };x\r\n${packed}\r\n0\r\nX-Sum: 7\r\n\r\n`,
    to(302, "/x?y#z", "Set-Cookie: id=8; Domain=a.example"),
  ];
  const words = "\r\n|\n|\0|:|0|;|Content-Length: 3\r\n|ffffffff|chunked| "
    .split("|");
  const codes: Record<string, number> = {};
  const jar = new CookieJar(() => 0);
  const options: FollowOptions = { jar, mostRedirects: 2 };
  for (let n = 0; n < 40_000; n++) {
    let wire = wires[random(wires.length)];
    for (let edits = 1 + random(3); edits > 0; edits--) {
      const [at, kind] = [random(wire.length), random(4)];
      const word = [
        String.fromCharCode(random(256)),
        "",
        "",
        words[random(words.length)],
      ][kind];
      // Changes a byte, cuts the end off, cuts some out, or puts a word in.
      const rest = [at + 1, wire.length, at + 1 + random(5), at][kind];
      wire = wire.slice(0, at) + word + wire.slice(rest);
    }
    const half = random(wire.length + 1);
    const open = () =>
      Promise.resolve({
        readable: ReadableStream.from(
          [wire.slice(0, half), wire.slice(half)].map(latin1),
        ),
        writable: new WritableStream(),
      });
    let code = "read";
    try {
      const { response } = await follow("http://a.example/", open, options);
      const { length } = await response.bytes();
      assert(length <= 1032 * wire.length);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      assert(!/[\r\n]/.test(error.message), error.message);
      code = error.code;
    }
    codes[code] = (codes[code] ?? 0) + 1;
  }
  assert(jar.size <= 50);
  // The damage reached every part.
  const all = "read head cut chunk length coding redirect";
  for (const code of all.split(" ")) {
    assert(codes[code] > 20, `${code}: ${codes[code]}`);
  }
});

const granted = (["net", "run"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);
const name =
  "the command exits with 2 for a wrong argument, with 1 for a wrong Location";
Deno.test({
  name: granted
    ? name
    : `needs --allow-net and --allow-run, so not tested here: ${name}`,
  ignore: !granted,
  fn: async () => {
    const hostname = "127.0.0.1";
    const headers = { Location: "ftp://b.example/" };
    const server = Deno.serve(
      { hostname, port: 0, onListen() {} },
      () => new Response(null, { status: 302, headers }),
    );
    const script = new URL("redirects.ts", import.meta.url).href;
    const flags = ["run", "--no-prompt", `--allow-net=${hostname}`, script];
    const at = `http://${hostname}:${server.addr.port}/`;
    for (const [url, right] of [[at, 1], ["ftp://b.example/", 2]] as const) {
      const options = { args: [...flags, url], env: { NO_COLOR: "1" } };
      const process = new Deno.Command(Deno.execPath(), options);
      const { code, stderr } = await process.output();
      const [line, ...more] = new TextDecoder().decode(stderr).split("\n");
      const why = 'Cannot open "ftp://b.example/": needs http: or https:';
      assertEquals([code, line, more.length], [right, why, right]);
    }
    await server.shutdown();
  },
});
