import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  CookieJar,
  defaultPath,
  domainMatches,
  MAX_AGE,
  MAX_COOKIE,
  MAX_COOKIES,
  MAX_OF_DOMAIN,
  parseDate,
  pathMatches,
} from "./cookies.ts";

const DAY = 86_400_000;

/** A jar whose clock can be set. */
function jarAt(time = 0) {
  const clock = { time };
  return { clock, jar: new CookieJar(() => clock.time) };
}
/** What a jar sends to `to` after `from` set these cookies. */
function sent(from: string, to: string, ...fields: string[]): string {
  const { jar } = jarAt();
  for (const field of fields) jar.set(new URL(from), field);
  return jar.header(new URL(to));
}

Deno.test("the session of RFC 6265, 3.1 goes as it is written there", () => {
  const { jar, clock } = jarAt(Date.UTC(2021, 0, 1));
  const site = new URL("https://www.example.com/");
  jar.set(site, "SID=31d4d96e407aad42; Path=/; Secure; HttpOnly");
  jar.set(site, "lang=en-US; Path=/; Domain=example.com");
  assertEquals(jar.header(site), "SID=31d4d96e407aad42; lang=en-US");
  assertEquals(jar.header(new URL("http://www.example.com/")), "lang=en-US");
  assertEquals(jar.header(new URL("https://site.example.com/")), "lang=en-US");
  jar.set(
    site,
    "lang=en-US; Path=/; Domain=example.com; Expires=Wed, 09 Jun 2021 10:18:14 GMT",
  );
  clock.time = Date.UTC(2021, 5, 9, 10, 18, 13);
  assertEquals(jar.header(site), "SID=31d4d96e407aad42; lang=en-US");
  clock.time += 1000;
  assertEquals(jar.header(site), "SID=31d4d96e407aad42");
  jar.set(site, "SID=; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT");
  assertEquals([jar.header(site), jar.size], ["", 0]);
});

Deno.test("dates are read as Python reads them, and as RFC 6265, 5.1.1 says where it does not", () => {
  // python3 -c 'from http.cookiejar import http2time; print(http2time("…"))'
  for (
    const [text, seconds] of [
      ["Wed, 09 Jun 2021 10:18:14 GMT", 1623233894],
      ["Sunday, 06-Nov-94 08:49:37 GMT", 784111777],
      ["Mon, 10-Dec-2007 20:35:03 GMT", 1197318903],
      ["06 Nov 1994 08:49:37", 784111777],
      ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
      ["Tue, 29 Feb 2028 23:59:59 GMT", 1835481599],
      // In any order, with words cut to three letters, and years of two digits.
      ["Sun Nov  6 08:49:37 1994", 784111777],
      ["8:9:7;november,1994 6", 784109347],
      ["08:49:37 1994 NOVEMBER 6th", 784111777],
      ["1 Jan 69 00:00:00", Date.UTC(2069, 0, 1) / 1000],
      ["1 Jan 70 00:00:00", 0],
    ] as const
  ) assertEquals(parseDate(text), 1000 * seconds, text);
  for (
    const text of [
      "",
      "soon",
      "Wed, 31 Feb 2021 10:18:14 GMT",
      "Wed, 00 Jun 2021 10:18:14 GMT",
      "Wed, 32 Jan 2021 10:18:14 GMT",
      "09 Jun 2021 24:00:00",
      "09 Jun 2021 10:60:00",
      "09 Jun 2021 10:00:60",
      "09 Jun 1600 10:00:00",
      "09 Jun 10:00:00",
      "Jun 2021 10:00:00",
      "09 2021 10:00:00",
      "09 Jun 2021",
      "09 Ebm 2021 10:00:00",
    ]
  ) assertEquals(parseDate(text), NaN, text);
});

Deno.test("a host matches itself and its parents, not what only ends alike", () => {
  for (
    const [host, domain, right] of [
      ["a.example", "a.example", true],
      ["www.a.example", "a.example", true],
      ["x.www.a.example", "a.example", true],
      ["evil-a.example", "a.example", false],
      ["a.example", "www.a.example", false],
      ["127.0.0.1", "127.0.0.1", true],
      ["127.0.0.1", "0.0.1", false],
      ["127.0.0.1", "1", false],
      ["[::1]", "[::1]", true],
    ] as const
  ) assertEquals(domainMatches(host, domain), right, `${host} ${domain}`);
});

Deno.test("a path matches what lies below it, cut at a slash", () => {
  for (
    const [path, prefix, right] of [
      ["/a", "/a", true],
      ["/a/", "/a", true],
      ["/a/b", "/a", true],
      ["/a/b", "/a/", true],
      ["/ab", "/a", false],
      ["/a", "/a/", false],
      ["/", "/a", false],
      ["/anything", "/", true],
    ] as const
  ) assertEquals(pathMatches(path, prefix), right, `${path} ${prefix}`);
  for (
    const [path, right] of [["/", "/"], ["/a", "/"], ["/a/", "/a"], [
      "/a/b",
      "/a",
    ], ["/a/b/c", "/a/b"]]
  ) assertEquals(defaultPath(path), right);
});

Deno.test("a cookie goes where its domain, path and scheme fit, and nowhere else", () => {
  const from = "https://www.a.example/x/y";
  for (
    const [field, to, right] of [
      ["c=1", "https://www.a.example/x/z?q", "c=1"],
      ["c=1", "https://www.a.example/x", "c=1"],
      ["c=1", "https://www.a.example/", ""],
      ["c=1", "https://www.a.example:8443/x/", "c=1"],
      ["c=1", "https://a.example/x/", ""],
      ["c=1", "https://sub.www.a.example/x/", ""],
      ["c=1; Domain=a.example", "https://a.example/x/", "c=1"],
      ["c=1; Domain=.A.Example", "https://b.a.example/x/", "c=1"],
      ["c=1; Domain=www.a.example", "https://b.www.a.example/x/", "c=1"],
      ["c=1; Domain=", "https://b.www.a.example/x/", ""],
      ["c=1; Domain=a.example", "https://evil-a.example/x/", ""],
      ["c=1; path=/", "https://www.a.example/", "c=1"],
      ["c=1; Path=/x/y", "https://www.a.example/x/yz", ""],
      ["c=1; Path=x", "https://www.a.example/x/", "c=1"],
      ["c=1; Path=", "https://www.a.example/", ""],
      ["c=1; SECURE", "https://www.a.example/x/", "c=1"],
      ["c=1; Secure", "http://www.a.example/x/", ""],
      ["c=1", "http://www.a.example/x/", "c=1"],
      [" c = 1 = 2 ;; =; x", "https://www.a.example/x/", "c=1 = 2"],
      ['c="a, b"', "https://www.a.example/x/", 'c="a, b"'],
      // "à" in UTF-8, a byte each character: its second one is a space to trim().
      ["c=\xc3\xa0", "https://www.a.example/x/", "c=\xc3\xa0"],
      ["=1", "https://www.a.example/x/", "1"],
      ["1", "https://www.a.example/x/", "1"],
      ["c=", "https://www.a.example/x/", "c="],
      ["c=1; Path=/; Path=/x", "https://www.a.example/", ""],
    ]
  ) assertEquals(sent(from, to, field), right, `${field} to ${to}`);
});

Deno.test("cookies for others, for whole suffixes and with false prefixes are refused", () => {
  for (
    const [from, field, why] of [
      [
        "https://a.example/",
        "c=1; Domain=b.example",
        '"a.example" may not set a cookie for "b.example"',
      ],
      [
        "https://a.example/",
        "c=1; Domain=www.a.example",
        '"a.example" may not set a cookie for "www.a.example"',
      ],
      [
        "https://evil-a.example/",
        "c=1; Domain=a.example",
        '"evil-a.example" may not set a cookie for "a.example"',
      ],
      [
        "https://a.example/",
        "c=1; Domain=example",
        '"example" is no name of its own',
      ],
      [
        "https://127.0.0.1/",
        "c=1; Domain=0.0.1",
        '"127.0.0.1" may not set a cookie for "0.0.1"',
      ],
      ["http://a.example/", "c=1; Secure", "Secure, but set without https"],
      ["https://a.example/", "__Secure-c=1", "__Secure- without Secure"],
      ["https://a.example/", "__secure-c=1", "__Secure- without Secure"],
      [
        "https://a.example/",
        "__Host-c=1; Secure",
        "__Host- without Secure and Path=/, or with Domain",
      ],
      [
        "https://a.example/",
        "__Host-c=1; Path=/",
        "__Host- without Secure and Path=/, or with Domain",
      ],
      [
        "https://a.example/",
        "__Host-c=1; Secure; Path=/; Domain=a.example",
        "__Host- without Secure and Path=/, or with Domain",
      ],
      [
        "https://a.example/",
        "=__Host-c=1",
        "__Host- without Secure and Path=/, or with Domain",
      ],
      [
        "https://a.example/",
        "=__Host-c=1; Secure; Path=/",
        "a prefix in a cookie without a name",
      ],
      ["https://a.com./", "c=1; Domain=com.", '"com." is no name of its own'],
      ["https://a.example/", "c=1\r\nX: y", "a control character"],
      ["https://a.example/", "c=\x00", "a control character"],
      ["https://a.example/", "", "no name and no value"],
      ["https://a.example/", "=", "no name and no value"],
      [
        "https://a.example/",
        `c=${"x".repeat(MAX_COOKIE)}`,
        "longer than 4096 bytes",
      ],
    ]
  ) {
    const { jar } = jarAt();
    assertEquals(jar.set(new URL(from), field), why, field);
    assertEquals(jar.size, 0);
  }
  for (
    const [from, field] of [
      ["https://a.example/", "__Host-c=1; Secure; Path=/"],
      ["https://a.example/", "__Secure-c=1; Secure; Domain=a.example"],
      ["http://localhost/", "c=1; Domain=localhost"],
      ["http://127.0.0.1/", "c=1; Domain=127.0.0.1"],
      ["https://a.example/", `c=${"\xe9".repeat(MAX_COOKIE - 1)}`],
    ]
  ) assertEquals(jarAt().jar.set(new URL(from), field), undefined, field);
});

Deno.test("a cookie set over http neither replaces nor hides a Secure one", () => {
  const { jar } = jarAt();
  jar.set(new URL("https://a.example/"), "id=7; Secure; Path=/");
  const http = new URL("http://a.example/");
  const why = "a Secure cookie has that name";
  assertEquals(jar.set(http, "id=8; Path=/"), why);
  assertEquals(jar.set(http, "id=8; Path=/x"), why);
  assertEquals(
    jar.set(new URL("http://www.a.example/"), "id=8; Domain=a.example"),
    why,
  );
  assertEquals(jar.set(http, "other=8; Path=/"), undefined);
  assertEquals(jar.header(new URL("https://a.example/x")), "id=7; other=8");
});

Deno.test("a Secure cookie that has expired stands in nobody's way", () => {
  const { jar, clock } = jarAt();
  const secure = "id=7; Secure; Max-Age=1";
  jar.set(new URL("https://a.example/"), secure);
  clock.time = 1000;
  const http = new URL("http://a.example/");
  assertEquals(jar.set(http, "id=8"), undefined);
  assertEquals([jar.header(http), jar.size], ["id=8", 1]);
});

Deno.test("Max-Age wins over Expires, wrong ones are ignored, and none is for ever", () => {
  const url = new URL("http://a.example/");
  const past = "Expires=Thu, 01 Jan 1970 00:00:00 GMT";
  for (
    const [attributes, life] of [
      ["", Infinity],
      ["Max-Age=60", 60_000],
      [`Max-Age=60; ${past}`, 60_000],
      [`${past}; Max-Age=60`, 60_000],
      [past, 0],
      ["Max-Age=0", 0],
      ["Max-Age=-1", 0],
      ["Max-Age=x", Infinity],
      ["Max-Age=1e9", Infinity],
      ["Max-Age=60; Max-Age=x", 60_000],
      ["Max-Age=9".padEnd(300, "9"), MAX_AGE],
      ["Expires=soon", Infinity],
      ["Expires=Fri, 02 Jan 1970 00:00:00 GMT", DAY],
      ["Expires=Fri, 02 Jan 2099 00:00:00 GMT", MAX_AGE],
    ] as const
  ) {
    const { jar, clock } = jarAt();
    jar.set(url, `c=1; ${attributes}`);
    clock.time = life === Infinity ? 1e15 : life - 1;
    assertEquals(jar.header(url), life > 0 ? "c=1" : "", attributes);
    if (life === Infinity) continue;
    clock.time = life;
    assertEquals(jar.header(url), "", attributes);
    jar.set(url, "other=1");
    assertEquals(jar.size, 1, attributes);
  }
});

Deno.test("the same name, domain and path is one cookie; longer paths, then older ones come first", () => {
  const url = "http://a.example/x/y/z";
  const fields = [
    "a=1; Path=/",
    "b=1; Path=/x/y",
    "c=1; Path=/",
    "a=2; Path=/",
    "a=3; Path=/x",
  ];
  assertEquals(sent(url, url, ...fields), "b=1; a=3; a=2; c=1");
});

Deno.test("scripts do not see HttpOnly, and servers do", () => {
  const { jar } = jarAt();
  const url = new URL("http://a.example/");
  jar.set(url, "a=1; HttpOnly");
  jar.set(url, "b=1");
  assertEquals([jar.header(url), jar.header(url, true)], ["a=1; b=1", "b=1"]);
});

Deno.test("a server cannot fill the jar: what was used longest ago goes", () => {
  const { jar } = jarAt();
  const url = new URL("http://a.example/");
  jar.set(url, "kept=1; Path=/");
  for (let i = 0; i < 2 * MAX_OF_DOMAIN; i++) {
    jar.header(new URL("http://a.example/none"));
    jar.set(url, `c${i}=1; Path=/c`);
  }
  assertEquals(jar.size, MAX_OF_DOMAIN);
  assert(jar.header(url).startsWith("kept=1"));
  for (let i = 0; i < MAX_COOKIES + 20; i++) {
    jar.set(new URL(`http://h${i >> 4}.example/`), `c${i}=1`);
  }
  assertEquals(jar.size, MAX_COOKIES);
});

Deno.test("http cannot push Secure cookies out by filling the jar", () => {
  const { jar } = jarAt();
  jar.set(new URL("https://a.example/"), "id=7; Secure; Path=/x");
  const http = new URL("http://a.example/");
  for (let i = 0; i < 2 * MAX_OF_DOMAIN; i++) jar.set(http, `c${i}=1`);
  assertEquals(jar.size, MAX_OF_DOMAIN);
  assert(jar.header(new URL("https://a.example/x")).startsWith("id=7; c51=1"));
});

Deno.test("whatever a Set-Cookie holds, it throws nothing, and no line break comes out", () => {
  const parts = fc.constantFrom(
    "a",
    "=",
    ";",
    "Domain",
    "a.example",
    "Path",
    "/",
    "Max-Age",
    "9",
    "Expires",
    "Jan",
    ":",
    " ",
    "\n",
    "\0",
    "é",
    "__Host-",
    "Secure",
  );
  const url = new URL("https://www.a.example/a/b");
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 20 }), (words) => {
      const { jar } = jarAt();
      const why = jar.set(url, words.join(""));
      // deno-lint-ignore no-control-regex
      return !/[\x00-\x1f]/.test(jar.header(url) + (why ?? ""));
    }),
    { numRuns: 3000 },
  );
});
