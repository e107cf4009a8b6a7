import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  currentAge,
  freshnessLifetime,
  parseCacheControl,
  parseHttpDate,
  type Timed,
  valueOf,
} from "./http_freshness.ts";
import type { Field } from "./http_message.ts";

/** When the responses came: the noon of a day. */
const NOON = Date.UTC(2026, 0, 1, 12);
const at = (seconds: number) => new Date(NOON + 1000 * seconds).toUTCString();
const timed = (
  fields: Field[],
  { status = 200, delay = 0 } = {},
): Timed => ({
  response: { status, fields },
  requestTime: NOON - 1000 * delay,
  responseTime: NOON,
});
const CC = "cache-control";
const LM = "last-modified";

Deno.test("lifetime and age are those of http-cache-semantics, or the line says why not", () => {
  // npm install http-cache-semantics@4.3.0; for each row, with a clock at NOON:
  // p = new CachePolicy({ url: "/", method: "GET", headers: {} }, { status, headers },
  // { shared: false }); p.maxAge(), and 10 s later p.age()
  for (
    const [status, fields, lifetime, age] of [
      [200, [[CC, "max-age=60"]], 60, 10],
      [200, [[CC, 'max-age="60"']], 60, 10],
      [200, [[CC, "private, max-age=60"]], 60, 10],
      [200, [[CC, "public"]], 0, 10],
      [200, [[CC, "max-age=60, s-maxage=600"]], 60, 10],
      [200, [[CC, "max-age=60"], ["expires", at(600)]], 60, 10],
      [200, [["date", at(0)], ["expires", at(600)]], 600, 10],
      [200, [["date", at(0)], ["expires", at(-1)]], 0, 10],
      [200, [["date", at(0)], ["expires", "0"]], 0, 10],
      [200, [["expires", at(90)]], 90, 10],
      [200, [["date", at(0)], [LM, at(-86_400)]], 8640, 10],
      [200, [["date", at(0)], [LM, at(10)]], 0, 10],
      [200, [["date", at(0)]], 0, 10],
      [200, [[CC, "max-age=60"], ["age", "50"]], 60, 60],
      [200, [[CC, "max-age=60"], ["age", "x"]], 60, 10],
      [200, [[CC, "max-age=x"]], 0, 10],
      [200, [[CC, "max-age=60, max-age=30"]], 30, 10],
      [200, [[CC, 'a="max-age=9, b", max-age=60']], 60, 10],
      [404, [["date", at(0)], [LM, at(-1000)]], 100, 10],
      [301, [["date", at(0)]], 0, 10],
      [302, [["date", at(0)], ["expires", at(60)]], 60, 10],
      [302, [[CC, "max-age=60"]], 60, 10],
      [
        200,
        [["date", at(0)], [
          "expires",
          "Thursday, 01-Jan-26 13:00:00 GMT",
        ]],
        3600,
        10,
      ],
      [
        200,
        [["date", at(0)], ["expires", "Thu Jan  1 13:00:00 2026"]],
        3600,
        10,
      ],
      // It has 0: names of directives are without case (RFC 9111, 5.2).
      [200, [[CC, "MAX-AGE=60"]], 60, 10],
      // It has 0, as it asks anyway; here no-cache is the cache's matter.
      [200, [[CC, "no-cache, max-age=60"]], 60, 10],
      // It has −1: a value that is no number means stale, as does 0.
      [200, [[CC, "max-age=-1"]], 0, 10],
      // It has ages of 10: it leaves out what Date says (4.2.3, apparent_age).
      [200, [[CC, "max-age=60"], ["date", at(-50)]], 60, 60],
      [200, [["date", at(-7200)], ["expires", at(-3600)]], 3600, 7210],
      // It has 32400 and 3600: no other zone, no other form is a date of HTTP (4.2).
      [
        200,
        [["date", at(0)], ["expires", "Thu, 01 Jan 2026 13:00:00 PST"]],
        0,
        10,
      ],
      [200, [["date", at(0)], ["expires", "2026-01-01T13:00:00Z"]], 0, 10],
    ] as [number, Field[], number, number][]
  ) {
    const response = timed(fields, { status });
    const what = JSON.stringify(fields);
    assertEquals(freshnessLifetime(response), lifetime, what);
    assertEquals(currentAge(response, NOON + 10_000), age, what);
  }
});

Deno.test("dates are read as Python reads them, and nothing else is a date", () => {
  // python3 -c 'import email.utils as e, calendar
  // print(calendar.timegm(e.parsedate("…")))'
  for (
    const [text, right] of [
      ["Sun, 06 Nov 1994 08:49:37 GMT", 784111777],
      ["sun, 06 nov 1994 08:49:37 gmt", 784111777],
      ["Tue, 29 Feb 2028 23:59:59 GMT", 1835481599],
      ["Sunday, 06-Nov-94 08:49:37 GMT", 784111777],
      ["Sun Nov  6 08:49:37 1994", 784111777],
      // From here on as the RFC says. 5.6.7: two digits are not more than 50 years ahead.
      ["Wednesday, 01-Jan-76 00:00:00 GMT", Date.UTC(2076, 0, 1) / 1000],
      ["Saturday, 01-Jan-77 00:00:00 GMT", Date.UTC(1977, 0, 1) / 1000],
      ["Sat, 31 Dec 2016 23:59:60 GMT", Date.UTC(2017, 0, 1) / 1000],
      ["", NaN],
      ["0", NaN],
      ["-1", NaN],
      ["Sun, 6 Nov 1994 08:49:37 GMT", NaN],
      ["Sun, 06 Nov 1994 08:49:37", NaN],
      ["Sun, 06 Nov 1994 08:49:37 EST", NaN],
      ["Sun, 06 Nov 1994 08:49:37 +0000", NaN],
      ["Mon, 31 Feb 2022 00:00:00 GMT", NaN],
      ["Mon, 00 Jan 2022 00:00:00 GMT", NaN],
      ["Mon, 01 Ebm 2022 00:00:00 GMT", NaN],
      ["Mon, 01 Xyz 2022 00:00:00 GMT", NaN],
      ["Mon, 01 Jan 2022 24:00:00 GMT", NaN],
      ["Mon, 01 Jan 2022 00:60:00 GMT", NaN],
      ["Mon, 01 Jan 2022 00:00:61 GMT", NaN],
    ] as const
  ) assertEquals(parseHttpDate(text, NOON), 1000 * right, text);
});

Deno.test("the age has the delay of the exchange in it, or the time since Date, whichever is more", () => {
  const age = (fields: Field[], delay: number, later: number) =>
    currentAge(timed(fields, { delay }), NOON + 1000 * later);
  assertEquals(age([], 3, 0), 3);
  assertEquals(age([["Age", "50"]], 3, 0), 53);
  assertEquals(age([["Age", "50"]], 3, 10), 63);
  assertEquals(age([["Age", "50"], ["Date", at(-52)]], 3, 10), 63);
  assertEquals(age([["Age", "50"], ["Date", at(-54)]], 3, 10), 64);
  // A clock of the origin that is ahead makes nothing younger, nor one set back here.
  assertEquals(age([["Date", at(500)]], 3, 10), 13);
  assertEquals(age([["Date", at(-5)]], 3, -1000), 5);
  // RFC 9111, 5.1: the first of a list; what is no number is ignored.
  assertEquals(age([["Age", "50, 70"]], 0, 0), 50);
  assertEquals(age([["Age", "50"], ["Age", "70"]], 0, 0), 50);
  assertEquals(age([["Age", "-50"]], 0, 0), 0);
  assertEquals(age([["Age", "9".repeat(400)]], 0, 0), 2 ** 31);
});

Deno.test("of two lifetimes the shorter one counts, and a wrong one counts as 0", () => {
  const lifetime = (...fields: Field[]) => freshnessLifetime(timed(fields));
  assertEquals(lifetime([CC, "max-age=30"], [CC, "max-age=60"]), 30);
  assertEquals(lifetime([CC, "max-age=60, max-age=30"]), 30);
  assertEquals(lifetime([CC, "max-age=60, max-age=x"]), 0);
  assertEquals(lifetime([CC, "max-age"], ["expires", at(60)]), 0);
  assertEquals(lifetime([CC, "max-age=1.5"]), 0);
  assertEquals(lifetime([CC, `max-age=${"9".repeat(400)}`]), 2 ** 31);
  assertEquals(lifetime(["Expires", at(60)], ["Expires", at(30)]), 30);
  assertEquals(lifetime(["Expires", at(60)], ["Expires", "never"]), 0);
  assertEquals(lifetime(["Expires", "0"], [LM, at(-1000)]), 0);
});

Deno.test("Expires is compared with the origin's clock, not with ours", () => {
  const fields: Field[] = [["Date", at(7200)], ["Expires", at(7260)]];
  assertEquals(freshnessLifetime(timed(fields)), 60);
  // Without a readable Date there is only ours.
  const none: Field[] = [["Date", "today"], ["Expires", at(7260)]];
  assertEquals(freshnessLifetime(timed(none)), 7260);
});

Deno.test("a lifetime is guessed only for statuses that allow it, or with public", () => {
  const old: Field[] = [["date", at(0)], [LM, at(-1000)]];
  assertEquals(freshnessLifetime(timed(old, { status: 410 })), 100);
  assertEquals(freshnessLifetime(timed(old, { status: 302 })), 0);
  const open: Field[] = [...old, [CC, "public"]];
  assertEquals(freshnessLifetime(timed(open, { status: 302 })), 100);
});

Deno.test("directives are read through quotes, case, blanks and several fields", () => {
  const read = (...values: string[]) =>
    Object.fromEntries(
      parseCacheControl(values.map((value): Field => ["Cache-Control", value])),
    );
  for (
    const [values, right] of [
      [[""], {}],
      [["no-cache"], { "no-cache": [""] }],
      [["No-Cache , MAX-AGE = 5"], { "no-cache": [""], "max-age": ["5"] }],
      [["a=1", "b", "a=2"], { a: ["1", "2"], b: [""] }],
      [[",, a ,"], { a: [""] }],
      [['a="x, no-store=\\"", b'], { a: ['x, no-store="'], b: [""] }],
      [['a=""'], { a: [""] }],
      // Of what is open at the end, the stricter reading.
      [['a="x, no-store'], { a: ['"x'], "no-store": [""] }],
    ] as [string[], Record<string, string[]>][]
  ) assertEquals(read(...values), right, `${values}`);
  assertEquals(
    valueOf([["Vary", " a"], ["x", ""], ["vary", "b"]], "vary"),
    "a, b",
  );
  assertEquals(valueOf([["x", ""]], "vary"), undefined);
});

Deno.test("a response ages by one second a second, and never below what it was told", () => {
  const second = fc.integer({ min: 0, max: 1e6 });
  fc.assert(fc.property(
    ...[second, second, second, second] as const,
    (told, date, delay, later) => {
      const response = timed([["age", `${told}`], ["date", at(-date)]], {
        delay,
      });
      const first = currentAge(response, NOON);
      assertEquals(first, Math.max(date, told + delay));
      const then = currentAge(response, NOON + 1000 * later);
      assertAlmostEquals(then - first, later, 1e-6);
    },
  ));
});

Deno.test("whatever the fields hold, lifetime and age are numbers, and soon there", () => {
  const words = [
    "max-age",
    "=",
    ",",
    '"',
    "\\",
    "1",
    " ",
    "-",
    ";",
    "a",
    "GMT",
  ];
  const text = fc.array(fc.constantFrom(...words, at(0), at(9), "é", "Jan"))
    .map((parts) => parts.join(""));
  const name = fc.constantFrom(CC, "expires", "date", "age", LM);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text)), (fields) => {
      const response = timed(fields as Field[]);
      return freshnessLifetime(response) >= 0 &&
        currentAge(response, NOON) >= 0;
    }),
    { numRuns: 3000, seed: 9111 },
  );
  for (const part of ['a="', '"\\', "a=", " ", "a,", "\\"]) {
    parseCacheControl([[CC, part.repeat(30_000 / part.length)]]);
  }
});
