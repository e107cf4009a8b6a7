import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { makeAuthority } from "./certificates.ts";
import { listens, testWith, withProgram } from "./counterparts.ts";
import { type ByteStream } from "./http.ts";
import { HttpError } from "./http_message.ts";
import { memoryPair, serve } from "./http2.ts";
import { Http2Error } from "./http2_frames.ts";
import { openPages, type Page, readText, redirectOf } from "./page.ts";

const URL1 = new URL("https://www.example.com/a?b#c");
const utf8 = (text: string) => new TextEncoder().encode(text);

/** What is said, what is shown of bytes, and the page. */
async function get(
  stream: ByteStream,
  protocol: string,
  fields?: Page["fields"],
) {
  const [said, shown]: string[][] = [[], []];
  const page = await openPages(stream, protocol).get({
    ...{ url: URL1, signal: new AbortController().signal, fields },
    say: (line) => said.push(line),
    bytes: (line) => shown.push(line),
  });
  return { page, said, shown };
}

/** A server in memory that sends these bytes, whatever it is asked. */
function scripted(answer: string): { stream: ByteStream; asked: () => string } {
  const asked: Uint8Array[] = [];
  const stream = {
    readable: ReadableStream.from([utf8(answer)]),
    writable: new WritableStream<Uint8Array>({
      write: (bytes) => void asked.push(bytes),
    }),
  };
  const text = () =>
    asked.map((part) => new TextDecoder().decode(part)).join("");
  return { stream, asked: text };
}

Deno.test("over http/1.1 it sends lines, and reads what the head says", async () => {
  const { stream, asked } = scripted(
    "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 4\r\n\r\npage",
  );
  const { page, said, shown } = await get(stream, "http/1.1");
  const fields: Page["fields"] = [["location", "/x"], ["content-length", "4"]];
  assertEquals(page, { status: 301, fields, body: utf8("page") });
  assert(asked().startsWith("GET /a?b HTTP/1.1\r\nHost: www.example.com\r\n"));
  assertEquals(said, [
    "GET /a?b HTTP/1.1, Host: www.example.com",
    "301 Moved",
    "4 bytes, after decoding",
  ]);
  assertEquals(shown[0], "→ GET /a?b HTTP/1.1");
  assertEquals(shown.slice(-3), [
    ...["← HTTP/1.1 301 Moved", "← location: /x", "← content-length: 4"],
  ]);
});

Deno.test("over h2 it sends frames, and there is no text line", async () => {
  const [near, far] = memoryPair();
  const server = serve(far, ({ path, authority }) => ({
    status: 302,
    headers: [["location", "/y"]],
    body: utf8(`${authority} ${path}`),
  }));
  const { page, said, shown } = await get(near, "h2");
  assertEquals(page.status, 302);
  assertEquals(page.fields[0], ["location", "/y"]);
  assertEquals(page.body, utf8("www.example.com /a?b"));
  const path = ":path /a?b";
  assertEquals(said.slice(0, 2), [
    `HEADERS: :method GET, :authority www.example.com, ${path}`,
    ":status 302",
  ]);
  assert(shown.some((line) => line.startsWith("→ HEADERS, stream 1")));
  assert(shown.some((line) => line.startsWith("← DATA, stream 1, 20 bytes")));
  await server.close();
});

Deno.test("further fields go along, over either", async () => {
  const fields: Page["fields"] = [["Cookie", "a=1"], ["If-None-Match", '"1"']];
  const { stream, asked } = scripted("HTTP/1.1 304 Same\r\n\r\n");
  await get(stream, "http/1.1", fields);
  assert(asked().includes('\r\nCookie: a=1\r\nIf-None-Match: "1"\r\n'));
  const [near, far] = memoryPair();
  let sent: unknown;
  const server = serve(far, ({ headers }) => {
    sent = headers.slice(-2).map(([name, value]) => [name, value]);
    return { status: 304 };
  });
  assertEquals((await get(near, "h2", fields)).page.status, 304);
  assertEquals(sent, [["cookie", "a=1"], ["if-none-match", '"1"']]);
  await server.close();
});

Deno.test("the next page comes over the same connection", async () => {
  const say = () => {};
  const request = {
    ...{ url: URL1, signal: new AbortController().signal, say, bytes: say },
  };
  const body = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage";
  const { stream } = scripted(body + body);
  const one = openPages(stream, "http/1.1");
  const [near, far] = memoryPair();
  const server = serve(far, () => ({ body: utf8("page") }));
  const two = openPages(near, "h2");
  for (let n = 0; n < 2; n++) {
    assertEquals((await two.get(request)).body, utf8("page"));
    assertEquals(two.open, true);
  }
  // What is more than the first answer came before it was asked for.
  assertEquals((await one.get(request)).body, utf8("page"));
  assertEquals(one.open, false);
  await two.close();
  assertEquals(two.open, false);
  await server.close();
});

Deno.test("an answer that is cut is an error, over either", async () => {
  const { stream } = scripted(
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npage",
  );
  await assertRejects(() => get(stream, "http/1.1"), HttpError);
  const [near, far] = memoryPair();
  const server = serve(far, () => {
    throw new Error("broken");
  });
  await assertRejects(() => get(near, "h2"), Http2Error);
  await server.close().catch(() => {});
});

Deno.test("a page above 16 MiB is an error over either, and not kept", async () => {
  const size = 16 * 2 ** 20 + 1;
  const [near, far] = memoryPair();
  const server = serve(far, () => ({ body: new Uint8Array(size) }));
  const line = "Cannot keep the body: longer than 16777216 bytes";
  await assertRejects(() => get(near, "h2"), HttpError, line);
  await server.close().catch(() => {});
  const { stream } = scripted(
    `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`,
  );
  await assertRejects(() => get(stream, "http/1.1"), HttpError, line);
});

Deno.test("a redirect leads where its location says, from where it was asked for", () => {
  const from = new URL("https://a.example/x/y?z#top");
  const to = (status: number, location?: string) => {
    const fields: Page["fields"] = location === undefined
      ? []
      : [["location", location]];
    return redirectOf(from, { status, fields })?.href;
  };
  for (
    const [location, expected] of [
      ["/b", "https://a.example/b#top"],
      ["b?c", "https://a.example/x/b?c#top"],
      ["//b.example", "https://b.example/#top"],
      ["http://b.example/#end", "http://b.example/#end"],
      ["", "https://a.example/x/y?z#top"],
    ]
  ) {
    for (const status of [301, 302, 303, 307, 308]) {
      assertEquals(to(status, location), expected, location);
    }
    for (const status of [200, 201, 300, 304, 305, 306, 404]) {
      assertEquals(to(status, location), undefined);
    }
  }
  assertEquals(to(302), undefined);
  for (const nowhere of ["ftp://a.example/", "mailto:a@b.c", "https://["]) {
    assertThrows(() => to(302, nowhere), HttpError, "Cannot open");
  }
});

Deno.test("the beginning of a page is 200 characters at most, never half of one", () => {
  assertEquals(readText(utf8("東京")), "東京");
  assertEquals(
    readText(utf8("a\tb\r\n\x1b[2Jc\r\x9b")),
    "a\tb\n\ufffd[2Jc\ufffd\ufffd",
  );
  assertEquals(readText(utf8("é".repeat(5000))), "é".repeat(200));
  assertEquals(readText(utf8("a" + "😀".repeat(5000))), "a" + "😀".repeat(199));
});

const LARGE = Array.from({ length: 200_000 }, (_, i) => `${i} façade\n`).join(
  "",
);

testWith("nginx", "nginx's pages come whole over both protocols", async () => {
  const authority = await makeAuthority("Test Root");
  const root = authority.certificate;
  const { certificate, key } = await authority.issue({
    names: ["www.example.com"],
  });
  await withProgram(
    "nginx",
    (folder, port) => ({
      ...{ "cert.pem": certificate, "key.pem": key, small: "é", large: LARGE },
      "nginx.conf": `daemon off; pid ${folder}/pid; error_log ${folder}/log;
        events {}
        http {
          access_log off; default_type text/plain; gzip on; gzip_types text/plain;
          client_body_temp_path ${folder}/t; proxy_temp_path ${folder}/t;
          fastcgi_temp_path ${folder}/t; uwsgi_temp_path ${folder}/t;
          scgi_temp_path ${folder}/t;
          server {
            listen 127.0.0.1:${port} ssl http2; root ${folder};
            ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
            location = /moved { return 301 /small; }
          }
        }`,
    }),
    (folder) => ["-c", `${folder}/nginx.conf`],
    listens,
    async (port) => {
      for (const protocol of ["h2", "http/1.1"]) {
        for (
          const [path, status, text] of [
            ["/small", 200, "é"],
            ["/large", 200, LARGE],
            ["/none", 404, undefined],
            ["/moved", 301, undefined],
          ] as const
        ) {
          const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
          const tls = await Deno.startTls(tcp, {
            ...{
              hostname: "www.example.com",
              caCerts: [root],
              alpnProtocols: [protocol],
            },
          });
          assertEquals((await tls.handshake()).alpnProtocol, protocol);
          const url = new URL(`https://www.example.com${path}`);
          const page = await openPages(tls, protocol).get({
            ...{ url, signal: new AbortController().signal },
            ...{ say: () => {}, bytes: () => {} },
          });
          assertEquals(page.status, status);
          if (text !== undefined) {
            // Not assertEquals(): the difference of 3 MB is no use to anybody.
            assert(
              new TextDecoder().decode(page.body) === text,
              `${protocol} ${path}`,
            );
          }
          const location = page.fields.find(([name]) => name === "location");
          if (path === "/moved") assert(location?.[1].endsWith("/small"));
          try {
            tls.close();
          } catch {
            // It has ended with the page.
          }
        }
      }
    },
  );
});
