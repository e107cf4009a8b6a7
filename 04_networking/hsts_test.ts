import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { HstsStore, MAX_HOSTS, parsePolicy, type Policy } from "./hsts.ts";

/** A store whose clock can be set, in seconds. */
function storeAt(preload: Record<string, boolean> = {}) {
  const clock = { seconds: 1_700_000_000 };
  const store = new HstsStore(() => 1000 * clock.seconds, preload);
  return { clock, store };
}
const policy = (maxAge: number, includeSubDomains = false): Policy => ({
  maxAge,
  includeSubDomains,
});
const refused = (value: string) => typeof parsePolicy(value) === "string";

Deno.test("the five fields of RFC 6797, 6.2 mean what is written there", () => {
  for (
    const [value, right] of [
      ["max-age=31536000", policy(31536000)],
      ["max-age=15768000 ; includeSubDomains", policy(15768000, true)],
      ['max-age="31536000"', policy(31536000)],
      ["max-age=0", policy(0)],
      ["max-age=0; includeSubDomains", policy(0, true)],
    ] as const
  ) assertEquals(parsePolicy(value), right, value);
});

Deno.test("a field is read as curl reads it, except where curl breaks the grammar", () => {
  // A local https server that sent each value, and what curl 7.88.1 kept of it:
  // curl --cacert c.pem --hsts kept.txt --resolve bank.test:$PORT:127.0.0.1 https://…
  for (
    const [value, right] of [
      ["MAX-AGE=1000;INCLUDESUBDOMAINS", policy(1000, true)],
      ["includeSubDomains; max-age=1000", policy(1000, true)],
      ["max-age=1000; preload", policy(1000)],
      ["max-age=1000;;", policy(1000)],
      ['max-age=1000; unknown="a;b"', policy(1000)],
      ["includeSubDomains", "there is no max-age"],
      ["max-age=1000; max-age=2000", '"max-age" stands twice'],
      [
        "max-age=1000; includeSubDomains; includeSubDomains",
        '"includesubdomains" stands twice',
      ],
      ["max-age=-1000", '"-1000" is no number of seconds'],
      ["max-age", '"" is no number of seconds'],
      ["max-age=", '"max-age=" is no directive'],
      ['max-age=""', '"" is no number of seconds'],
      ["max-age='1000'", "\"'1000'\" is no number of seconds"],
      // curl takes the digits of these and drops the rest.
      ["max-age=1000abc", '"1000abc" is no number of seconds'],
      ["max-age=1e9", '"1e9" is no number of seconds'],
      [
        "max-age=1000, max-age=2000",
        '"max-age=1000, max-age=2000" is no directive',
      ],
      // curl refuses spaces that RFC 2616's grammar, which 6.1 uses, allows.
      ["max-age = 1000", policy(1000)],
    ] as const
  ) assertEquals(parsePolicy(value), right, value);
});

Deno.test("what Chromium refuses is refused, and what it takes is taken", () => {
  // The values of net/http/http_security_headers_unittest.cc in Chromium's sources.
  for (
    const value of [
      ...["", "    ", "abc", "  abc   ", "  max-age  ", "   max-age  ="],
      ...["   max-age  =     ", "   max-age  =     xy", "max-age=3488a923  "],
      ...["max-ag=3488923", "max-aged=3488923", "max-age==3488923"],
      ...["amax-age=3488923", "max-age=+3488923", "max-age=13####"],
      ...["max-age=999999999999999999999999$.&#!", "max-age=3488923     e"],
      ...["max-age=3488923     includesubdomain"],
      ...["max-age=3488923includesubdomains"],
      ...["max-age=3488923=includesubdomains"],
      ...["max-age=3488923 includesubdomain=true"],
      ...["max-age=34889.23 includesubdomains", ";;;; ;;;", ";"],
      ...[";;;; includeSubDomains;;;", "max-age; ;"],
    ]
  ) assertEquals(refused(value), true, value);
  assertEquals(parsePolicy("max-age=243"), policy(243));
  assertEquals(parsePolicy("max-age=3488923;"), policy(3488923));
  assertEquals(parsePolicy("  Max-agE    = 567"), policy(567));
});

Deno.test("only known hosts are upgraded, as curl upgrades them", () => {
  // curl -sv --hsts list.txt --connect-to ::127.0.0.1:1 URL, "Switched from HTTP to HTTPS";
  // list.txt: bank.test "20391231 23:59:59" and .shop.test "20391231 23:59:59".
  const { store } = storeAt();
  store.note(new URL("https://bank.test/"), "max-age=1000");
  store.note(new URL("https://shop.test/"), "max-age=1000; includeSubDomains");
  for (
    const [url, right] of [
      ["http://bank.test/", "https://bank.test/"],
      ["http://bank.test:8080/a", "https://bank.test:8080/a"],
      ["http://BANK.test/", "https://bank.test/"],
      ["http://bank.test./", "https://bank.test./"],
      ["http://www.bank.test/", ""],
      ["http://evilbank.test/", ""],
      ["http://shop.test/", "https://shop.test/"],
      ["http://www.shop.test/", "https://www.shop.test/"],
      ["http://a.www.shop.test:81/", "https://a.www.shop.test:81/"],
      ["http://evilshop.test/", ""],
      ["http://shop.test.evil.test/", ""],
      ["http://test/", ""],
      // curl keeps port 80, which RFC 6797, 8.3 makes 443.
      ["http://bank.test:80/a?b#c", "https://bank.test/a?b#c"],
      ["http://bank.test:443/", "https://bank.test/"],
      ["http://a:b@bank.test/", "https://a:b@bank.test/"],
      ["https://bank.test:80/", ""],
      ["ftp://bank.test/", ""],
    ]
  ) {
    const typed = new URL(url);
    assertEquals(store.upgrade(typed).href, right || typed.href, url);
    assertEquals(typed.href, new URL(url).href);
  }
});

Deno.test("a field that came over http, or past a bad certificate, is ignored", () => {
  const { store } = storeAt();
  const why = "it came over http, so anybody may have written it";
  assertEquals(store.note(new URL("http://a.example/"), "max-age=9"), why);
  assertEquals(
    store.note(new URL("https://a.example/"), "max-age=9", false),
    why,
  );
  assertEquals([store.size, store.isKnown("a.example")], [0, false]);
  store.note(new URL("https://a.example/"), "max-age=9");
  assertEquals(store.note(new URL("http://a.example/"), "max-age=0"), why);
  assertEquals(store.isKnown("a.example"), true);
});

Deno.test("an address is never a known host", () => {
  const { store } = storeAt({ "192.0.2.7": true, "2.7": true });
  for (const host of ["192.0.2.1", "[2001:db8::1]", "0x7f.1", "127.0.0.1."]) {
    const url = new URL(`https://${host}/`);
    assertEquals(
      store.note(url, "max-age=9")?.endsWith("is an address"),
      true,
      host,
    );
    assertEquals(store.isKnown(url.hostname), false, host);
  }
  assertEquals(store.isKnown("192.0.2.7"), false);
});

Deno.test("a host is forgotten when max-age is over, to the millisecond, or at once by 0", () => {
  const { store, clock } = storeAt();
  const url = new URL("https://a.example/");
  const start = clock.seconds;
  store.note(url, "max-age=60; includeSubDomains");
  clock.seconds = start + 59.999;
  assertEquals(store.isKnown("www.a.example"), true);
  clock.seconds = start + 60;
  assertEquals(store.isKnown("www.a.example"), false);
  assertEquals(store.isKnown("a.example"), false);
  store.note(url, "max-age=60");
  clock.seconds += 50;
  store.note(url, "max-age=60");
  clock.seconds += 50;
  assertEquals(store.isKnown("a.example"), true, "each visit starts anew");
  store.note(url, "max-age=0; includeSubDomains");
  assertEquals([store.isKnown("a.example"), store.size], [false, 0]);
  store.note(url, `max-age=${"9".repeat(400)}`);
  clock.seconds *= 1000;
  assertEquals(store.isKnown("a.example"), true, "too long for a number");
});

Deno.test("an ignored field leaves what is known as it was", () => {
  const { store } = storeAt();
  const url = new URL("https://a.example/");
  store.note(url, "max-age=60; includeSubDomains");
  for (const value of ["max-age=0; max-age=0", "includeSubDomains", "x y"]) {
    assertEquals(typeof store.note(url, value), "string");
    assertEquals(store.isKnown("www.a.example"), true, value);
  }
  store.note(url, "max-age=60");
  assertEquals(
    store.isKnown("www.a.example"),
    false,
    "the last valid one counts",
  );
});

Deno.test("a name below has an entry of its own, and neither undoes nor hides its parent's", () => {
  const { store, clock } = storeAt();
  store.note(new URL("https://a.example/"), "max-age=60; includeSubDomains");
  store.note(new URL("https://www.a.example/"), "max-age=9");
  assertEquals(store.isKnown("x.www.a.example"), true, "by a.example");
  store.note(new URL("https://www.a.example/"), "max-age=0");
  assertEquals(store.isKnown("www.a.example"), true, "by a.example");
  store.note(new URL("https://b.a.example/"), "max-age=600");
  clock.seconds += 61;
  assertEquals(store.isKnown("a.example"), false);
  assertEquals(store.isKnown("b.a.example"), true);
  assertEquals(store.isKnown("c.b.a.example"), false);
});

Deno.test("of several fields the first one counts", () => {
  const url = new URL("https://a.example/");
  const { store } = storeAt();
  const name = "Strict-Transport-Security";
  store.note(url, [["date", "x"], [name, "max-age=9"], [name, "max-age=0"]]);
  assertEquals(store.isKnown("a.example"), true);
  store.note(url, [[name, "wrong"], [name, "max-age=0"]]);
  assertEquals(store.isKnown("a.example"), true);
  assertEquals(store.note(url, [["date", "x"]]), "no such field");
});

Deno.test("the list closes the first visit, and no host takes itself off it", () => {
  const { store } = storeAt({ "a.example": true, "b.example": false });
  assertEquals(store.isKnown("x.a.example"), true);
  assertEquals(store.isKnown("b.example"), true);
  assertEquals(store.isKnown("x.b.example"), false);
  assertEquals(store.isKnown("constructor"), false);
  store.note(new URL("https://a.example/"), "max-age=0");
  store.note(new URL("https://a.example/"), "max-age=9");
  assertEquals(store.isKnown("x.a.example"), true);
  store.note(new URL("https://b.example/"), "max-age=9; includeSubDomains");
  assertEquals(store.isKnown("x.b.example"), true);
});

Deno.test("a flood of names neither fills the memory nor drives the bank out", () => {
  const { store, clock } = storeAt();
  store.note(new URL("https://bank.example/"), "max-age=600");
  const note = (i: number) =>
    store.note(new URL(`https://h${i}.evil.example/`), "max-age=60");
  for (let i = 1; i < MAX_HOSTS; i++) assertEquals(note(i), undefined);
  assertEquals(note(0), "10000 hosts are known");
  assertEquals(note(1), undefined, "a known one may be renewed");
  assertEquals([store.size, store.isKnown("bank.example")], [MAX_HOSTS, true]);
  clock.seconds += 60;
  assertEquals([note(0), store.size], [undefined, 2]);
  assertEquals(store.isKnown("bank.example"), true);
});

Deno.test("whatever is written round a policy, order and unknown directives do not count", () => {
  const unknown = fc.constantFrom("", " ", "x", "x1=y", 'x2="a;\\"b"', "x3=1");
  fc.assert(fc.property(
    fc.nat(),
    fc.boolean(),
    fc.uniqueArray(unknown),
    fc.nat(),
    (seconds, below, others, seed) => {
      const parts = [`Max-Age="${seconds}"`, ...others];
      if (below) parts.push("IncludeSubDomains");
      const turn = seed % parts.length;
      const value = [...parts.slice(turn), ...parts.slice(0, turn)].join(" ; ");
      assertEquals(parsePolicy(value), policy(seconds, below));
    },
  ));
});

Deno.test("whatever a field holds, it throws nothing and gives one line without controls", () => {
  const words = [
    "max-age",
    "=",
    ";",
    '"',
    "\\",
    "1",
    " ",
    "a",
    ",",
    "\n",
    "\0",
  ];
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...words, "includeSubDomains", "é")),
      (parts) => {
        const result = parsePolicy(parts.join(""));
        return typeof result === "string"
          ? /^[\x20-\x7e…\ufffd]+$/.test(result)
          : result.maxAge >= 0;
      },
    ),
    { numRuns: 5000, seed: 6797 },
  );
});
