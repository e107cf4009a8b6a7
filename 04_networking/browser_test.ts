import { assert, assertEquals, assertRejects } from "@std/assert";
import { Browser, type Kept } from "./browser.ts";
import { DnsError } from "./dns_client.ts";
import { message } from "./dns_message.ts";
import type { Field } from "./http_message.ts";
import type { Page } from "./page.ts";

const SITE = new URL("https://a.example/x");
const OTHER = new URL("https://b.example/x");
const body = new TextEncoder().encode("the page");

/** A browser whose clock is set, and whose servers know two addresses of each name. */
function browserAt(start = Date.UTC(2026, 10, 21)) {
  const clock = { now: start };
  const asked: string[] = [];
  const browser = new Browser({
    hints: { "a.root-servers.net": ["192.0.2.1"] },
    families: [4, 6],
    ask(_, name, type) {
      asked.push(`${name} ${type}`);
      const answers = type === "A"
        ? [{ name, ttl: 300, type, address: "192.0.2.80" } as const]
        : [{ name, ttl: 300, type: "AAAA", address: "2001:db8::80" } as const];
      const fields = { response: true, authoritative: true };
      return Promise.resolve(message({ ...fields, answers }));
    },
  }, () => clock.now);
  return { browser, clock, asked };
}

const page = (fields: Field[], status = 200): Page => ({
  status,
  fields,
  body,
});

/** A connection that counts how often it was closed. */
function connection(open = true) {
  const kept = { count: 0, open };
  const end = () => {
    kept.count++;
    return Promise.resolve();
  };
  const pages: Kept["pages"] = {
    get open() {
      return kept.open;
    },
    get: () => Promise.reject(new Error("nobody asks")),
    close: end,
  };
  const rest = { address: "192.0.2.80", protocol: "h2", close: end };
  return { kept, connection: { pages, ...rest } };
}

Deno.test("both families are asked for, and a second time within a minute nobody is", async () => {
  const { browser, clock, asked } = browserAt();
  const first = await browser.lookUp("a.example", [6, 4]);
  assertEquals(first.addresses, ["2001:db8::80", "192.0.2.80"]);
  assertEquals(asked.sort(), ["a.example A", "a.example AAAA"]);
  assertEquals(first.log.steps.length, 2);
  clock.now += 59_000;
  const second = await browser.lookUp("a.example", [6, 4]);
  assertEquals(second.addresses, first.addresses);
  const caches = second.log.caches.map(({ cache, outcome }) =>
    `${cache} ${outcome}`
  );
  assertEquals([caches, second.log.steps], [
    ["browser hit", "browser hit"],
    [],
  ]);
  // Then the system still knows, and after 300 s nobody.
  clock.now += 2000;
  await browser.lookUp("a.example", [4]);
  assertEquals(asked.length, 2);
  clock.now += 300_000;
  await browser.lookUp("a.example", [4]);
  assertEquals(asked.length, 3);
});

Deno.test("cookies, HSTS and the page are kept, each for its own site", () => {
  const { browser } = browserAt();
  const fields: Field[] = [
    ["set-cookie", "id=7; Secure; Path=/"],
    ["strict-transport-security", "max-age=100"],
    ["cache-control", "max-age=60"],
    ["etag", '"1"'],
  ];
  const { page: shown, did } = browser.take(
    SITE,
    [],
    page(fields),
    Date.UTC(2026, 10, 21),
  );
  assertEquals(shown.body, body);
  assertEquals(did, [
    ...["cookie id=7", "HSTS: a.example by https only", "the page is kept"],
  ]);
  assertEquals(browser.prepare(SITE).advice.use, "fresh");
  assertEquals(browser.prepare(SITE).fields, [["Cookie", "id=7"]]);
  assert(browser.hsts.isKnown("a.example"));
  const other = browser.prepare(OTHER);
  assertEquals([other.advice.use, other.fields], ["miss", []]);
  assert(!browser.hsts.isKnown("b.example"));
});

Deno.test("a stale page is asked for with its condition, and shown after 304", () => {
  const { browser, clock } = browserAt();
  const fields: Field[] = [["cache-control", "max-age=60"], ["etag", '"1"']];
  browser.take(SITE, [], page(fields), clock.now);
  clock.now += 61_000;
  const { advice, fields: sent } = browser.prepare(SITE);
  assertEquals(advice.use, "revalidate");
  assertEquals(sent, [["If-None-Match", '"1"']]);
  const same: Page = { status: 304, fields, body: new Uint8Array() };
  const { page: shown, did } = browser.take(SITE, sent, same, clock.now);
  assertEquals([shown.status, shown.body], [200, body]);
  assertEquals(did, ["the same page as before: 8 bytes of the cache"]);
  assertEquals(browser.prepare(SITE).advice.use, "fresh");
  // Another page came in the meantime.
  clock.now += 61_000;
  const text = new TextEncoder().encode("another");
  const news: Page = { status: 200, fields, body: text };
  assertEquals(browser.take(SITE, sent, news, clock.now).page.body, text);
});

Deno.test("what must not be kept is not, and why is told", () => {
  const { browser, clock } = browserAt();
  const plain = new URL("http://a.example/");
  const { did } = browser.take(
    plain,
    [],
    page([
      ["set-cookie", "id=7; Domain=b.example"],
      ["strict-transport-security", "max-age=100"],
      ["cache-control", "no-store"],
    ]),
    clock.now,
  );
  assertEquals(did.map((line) => line.split(":")[0]), [
    ...["cookie refused", "HSTS ignored", "not kept"],
  ]);
  assertEquals(browser.prepare(plain).fields, []);
});

Deno.test("a connection is for its own origin, as long as it is open", async () => {
  const { browser } = browserAt();
  const { kept, connection: one } = connection();
  await browser.keep(SITE, one);
  assertEquals(browser.connectionTo(new URL("/y", SITE)), one);
  for (
    const url of [
      "https://b.example/",
      "http://a.example/",
      "https://a.example:8443/",
    ]
  ) {
    assertEquals(browser.connectionTo(new URL(url)), undefined, url);
  }
  kept.open = false;
  assertEquals(browser.connectionTo(SITE), undefined);
  // The next one takes its place, and it is closed: what it carries, and it.
  const { kept: next, connection: two } = connection();
  await browser.keep(SITE, two);
  assertEquals([kept.count, next.count], [2, 0]);
  await browser.drop(OTHER);
  await browser.close();
  await browser.close();
  assertEquals([kept.count, next.count], [2, 2]);
});

Deno.test("a peer that never hears the goodbye does not hold it up", async () => {
  const { browser } = browserAt();
  const { kept, connection: one } = connection();
  const pages = { ...one.pages, close: () => new Promise<void>(() => {}) };
  await browser.keep(SITE, { ...one, pages });
  await browser.close();
  assertEquals(kept.count, 1);
});

Deno.test("if there is no way to one family's addresses, the other's do, and nothing is left for the next name", async () => {
  const browser = new Browser({
    hints: { "a.root-servers.net": ["192.0.2.1"] },
    families: [4, 6],
    ask(_, name, type) {
      if (type === "AAAA") {
        return Promise.reject(new DnsError("timeout", "silent"));
      }
      const answers = [{
        name,
        ttl: 300,
        type: "A",
        address: "192.0.2.80",
      }] as const;
      return Promise.resolve(
        message({ response: true, authoritative: true, answers }),
      );
    },
  });
  const { addresses, failure } = await browser.lookUp("a.example", [6, 4]);
  assertEquals(addresses, ["192.0.2.80"]);
  assert(failure instanceof DnsError);
  const none = await browser.lookUp("b.example", [6]);
  assertEquals([none.addresses, none.missing], [[], false]);
  assert(none.failure instanceof DnsError);
  assert(none.log.steps.length > 0);
  const next = await browser.lookUp("c.example", [4]);
  assertEquals(next.log.steps.map(({ name }) => name), ["c.example"]);
});

Deno.test("localhost is this machine, and nobody is asked", async () => {
  const { browser, asked } = browserAt();
  const { addresses } = await browser.lookUp("localhost", [6, 4]);
  assertEquals([addresses, asked], [["::1", "127.0.0.1"], []]);
});

Deno.test("HSTS with an age of 0 takes it back, and that is what is told", () => {
  const { browser, clock } = browserAt();
  const told = (age: number) => {
    const fields: Field[] = [["strict-transport-security", `max-age=${age}`]];
    return browser.take(SITE, [], page(fields), clock.now).did[0];
  };
  assertEquals([told(9), told(0)], [
    ...["HSTS: a.example by https only", "HSTS: a.example also by http"],
  ]);
});

Deno.test("a mistake of the program is not hidden by the other family's address", async () => {
  const browser = new Browser({
    ask: (_, name, type) =>
      type === "AAAA"
        ? Promise.reject(new TypeError("a mistake"))
        : Promise.resolve(message({
          ...{ response: true, authoritative: true },
          answers: [{ name, ttl: 300, type: "A", address: "192.0.2.80" }],
        })),
  });
  await assertRejects(() => browser.lookUp("a.example", [6, 4]), TypeError);
});
