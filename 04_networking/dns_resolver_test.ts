import { assert, assertEquals, assertRejects } from "@std/assert";
import { DnsError } from "./dns_client.ts";
import { type Message, message } from "./dns_message.ts";
import { type DnsRecord, formatRecord } from "./dns_record.ts";
import { Resolver, type ResolverOptions, type Step } from "./dns_resolver.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";

const ttl = 300;
const soa = (name: string, minimum = 60): DnsRecord => ({
  ...{ name, ttl, type: "SOA", primary: "ns", mailbox: "admin", serial: 1 },
  ...{ refresh: 2, retry: 3, expire: 4, minimum },
});
const a = (name: string, address: string, life = ttl): DnsRecord => ({
  ...{ name, ttl: life, type: "A", address },
});
const ns = (name: string, target: string, life = ttl): DnsRecord => ({
  ...{ name, ttl: life, type: "NS", target },
});
const alias = (name: string, target: string): DnsRecord => ({
  ...{ name, ttl, type: "CNAME", target },
});
const zone = (origin: string, ...rest: DnsRecord[]): Zone => ({
  origin,
  records: [soa(origin), ...rest],
});

/** Servers by address: zones, or what the server answers to anything. */
type Internet = Record<string, Zone[] | ((query: Message) => Message)>;

/** A small internet: com and net, example.com, other.net. */
const INTERNET: Internet = {
  "10.0.0.1": [
    zone(
      ".",
      ...[ns("com", "a.gtld.net"), ns("net", "a.gtld.net")],
      a("a.gtld.net", "10.0.0.2"),
    ),
  ],
  "10.0.0.2": [
    zone(
      "com",
      ns("example.com", "ns.example.com"),
      a("ns.example.com", "10.0.0.3"),
    ),
    zone("net", ns("other.net", "ns.example.com")),
  ],
  "10.0.0.3": [
    zone(
      "example.com",
      ...[a("www.example.com", "192.0.2.1"), a("ns.example.com", "10.0.0.3")],
      ...[alias("alias.example.com", "www.example.com")],
      ...[alias("far.example.com", "host.other.net")],
      ...[alias("x.example.com", "y.example.com")],
      ...[alias("y.example.com", "x.example.com")],
      a("second.example.com", "192.0.2.9"),
    ),
    zone("other.net", a("host.other.net", "192.0.2.2")),
  ],
};

/** A resolver in such an internet, what it asks, and a clock that is set by hand. */
function start(internet: Internet, options: Partial<ResolverOptions> = {}) {
  const steps: Step[] = [];
  const clock = { now: 1000 };
  const resolver = new Resolver({
    hints: { "root.test": ["10.0.0.1"] },
    now: () => clock.now,
    random: () => 0,
    onStep: (step) => steps.push(step),
    ask: (address, name, type) => {
      const server = internet[address];
      if (!server) {
        return Promise.reject(
          new DnsError("timeout", `No answer from ${address}`),
        );
      }
      const query = message({ questions: [{ name, type }] });
      return Promise.resolve(
        typeof server === "function"
          ? server(query)
          : answerFrom(server, query),
      );
    },
    ...options,
  });
  const find = async (name: string, type = "A") => {
    const { status, asked, records } = await resolver.resolve(name, type);
    return [status, asked, ...records.map(formatRecord)];
  };
  const trace = () =>
    steps.splice(0).map((s) =>
      `${s.zone} ${s.address} ${s.name} ${s.type}: ${s.outcome}`
    );
  return { find, clock, trace };
}

Deno.test("a name is found from the root down, one zone at a time", async () => {
  const { find, trace } = start(INTERNET);
  assertEquals(await find("WWW.Example.com."), [
    ...["found", 3, "www.example.com. 300 IN A 192.0.2.1"],
  ]);
  assertEquals(trace(), [
    ". 10.0.0.1 www.example.com A: referral to com",
    "com 10.0.0.2 www.example.com A: referral to example.com",
    "example.com 10.0.0.3 www.example.com A: answer",
  ]);
});

Deno.test("what is known is not asked again, until its ttl is over", async () => {
  const { find, clock, trace } = start(INTERNET);
  await find("www.example.com");
  clock.now += 100.5;
  assertEquals(await find("www.example.com"), [
    ...["found", 0, "www.example.com. 199 IN A 192.0.2.1"],
  ]);
  trace();
  // Other names of the zone are asked for where the zone is.
  assertEquals((await find("ns.example.com"))[1], 1);
  clock.now += 250;
  assertEquals((await find("www.example.com"))[1], 3);
});

Deno.test("a ttl of 0 is not kept, and longer than a day nothing is", async () => {
  const { find, clock } = start({
    "10.0.0.1": [
      zone(
        ".",
        a("long.test", "192.0.2.7", 1e9),
        a("now.test", "192.0.2.8", 0),
      ),
    ],
  });
  assertEquals((await find("now.test"))[1], 1);
  assertEquals((await find("now.test"))[1], 1);
  assertEquals((await find("long.test"))[1], 1);
  clock.now += 86_399;
  assertEquals((await find("long.test"))[1], 0);
  clock.now += 2;
  assertEquals((await find("long.test"))[1], 1);
});

Deno.test("an alias is followed, also to another zone, and kept", async () => {
  const { find, trace } = start(INTERNET);
  assertEquals(await find("alias.example.com"), [
    ...["found", 4, "alias.example.com. 300 IN CNAME www.example.com."],
    "www.example.com. 300 IN A 192.0.2.1",
  ]);
  trace();
  // ns.example.com serves other.net, too; its address is known as glue.
  assertEquals(await find("far.example.com"), [
    ...["found", 4, "far.example.com. 300 IN CNAME host.other.net."],
    "host.other.net. 300 IN A 192.0.2.2",
  ]);
  assertEquals((await find("far.example.com"))[1], 0);
  assertEquals(await find("alias.example.com", "CNAME"), [
    ...["found", 0, "alias.example.com. 300 IN CNAME www.example.com."],
  ]);
});

Deno.test("aliases in a ring are an error, and end", async () => {
  const { find } = start(INTERNET);
  await assertRejects(
    () => find("x.example.com"),
    DnsError,
    "More than 16 aliases in a row, the last one of y.example.com",
  );
});

Deno.test("an absence is told from an error, and kept as long as the SOA says", async () => {
  const { find, clock } = start(INTERNET);
  assertEquals(await find("no.example.com"), ["no-such-name", 3]);
  assertEquals(await find("no.example.com"), ["no-such-name", 0]);
  assertEquals(await find("www.example.com", "MX"), ["no-data", 1]);
  assertEquals(await find("www.example.com", "MX"), ["no-data", 0]);
  // The lesser of the SOA's ttl, 300, and its minimum, 60.
  clock.now += 61;
  assertEquals(await find("no.example.com"), ["no-such-name", 1]);
});

Deno.test("an absence is kept for an hour at most", async () => {
  const records = [{ ...soa(".", 1e6), ttl: 1e6 }];
  const { find, clock } = start({ "10.0.0.1": [{ origin: ".", records }] });
  assertEquals(await find("no.test"), ["no-such-name", 1]);
  clock.now += 3599;
  assertEquals(await find("no.test"), ["no-such-name", 0]);
  clock.now += 2;
  assertEquals(await find("no.test"), ["no-such-name", 1]);
});

/** An internet in which the servers of evil.net answer whatever they like. */
const evil = (reply: Partial<Message>): Internet => ({
  ...INTERNET,
  "10.0.0.2": [
    zone(
      "com",
      ns("example.com", "ns.example.com"),
      a("ns.example.com", "10.0.0.3"),
    ),
    zone("net", ns("evil.net", "ns.evil.net"), a("ns.evil.net", "10.6.6.6")),
  ],
  "10.6.6.6": (query) =>
    message({ ...query, response: true, authoritative: true, ...reply }),
});
const poison = a("www.example.com", "10.6.6.6", 9999);
Deno.test("a server is believed only about its own zone", async () => {
  const own = a("www.evil.net", "10.6.6.7");
  for (
    const reply of [
      { answers: [own, poison] },
      {
        answers: [own],
        additionals: [poison, a("ns.example.com", "10.6.6.6")],
      },
      { answers: [own], authorities: [ns("example.com", "ns.evil.net")] },
      {
        answers: [own],
        authorities: [ns("com", "ns.evil.net"), ns(".", "ns.evil.net")],
      },
      { answers: [alias("www.evil.net", "www.example.com"), poison] },
      {
        // It may refer to whom it likes, but not say where that is.
        authoritative: false,
        authorities: [ns("www.evil.net", "ns.example.com", 9999)],
        additionals: [a("ns.example.com", "10.6.6.6", 9999)],
      },
    ]
  ) {
    const { find } = start(evil(reply));
    await find("no.example.com");
    await find("www.evil.net").catch(() => {});
    for (const name of ["second.example.com", "www.example.com"]) {
      const record = (await find(name)).at(-1);
      assert(/IN A 192\.0\.2\.[19]$/.test(`${record}`), `${name}: ${record}`);
    }
  }
});

Deno.test("glue is only for finding servers, and no answer", async () => {
  const { find } = start({
    ...INTERNET,
    "10.0.0.2": [
      zone(
        "com",
        ns("example.com", "ns.example.com"),
        a("ns.example.com", "10.0.0.3", 9999),
      ),
    ],
  });
  await find("www.example.com");
  assertEquals(await find("ns.example.com"), [
    ...["found", 1, "ns.example.com. 300 IN A 10.0.0.3"],
  ]);
});

Deno.test("referrals upwards, sideways or in place lead nowhere", async () => {
  for (const where of [".", "net", "evil.net", "example.com"]) {
    const { find, trace } = start(
      evil({ authoritative: false, authorities: [ns(where, "ns.evil.net")] }),
    );
    const error = await assertRejects(
      () => find("www.evil.net"),
      DnsError,
      "No server of evil.net answers for www.evil.net",
    );
    assertEquals(error.code, "server-failure");
    assertEquals(trace().at(-1), "evil.net 10.6.6.6 www.evil.net A: lame");
  }
});

Deno.test("a server that fails, is lame or silent is passed over for the next", async () => {
  const servers = ["a", "b", "c", "d", "e"].map((n) => `${n}.test`);
  const { find, trace } = start({
    "10.0.0.1": [
      zone(
        ".",
        ...servers.map((name) => ns("test", name)),
        ...servers.map((name, i) => a(name, `10.0.1.${i}`)),
      ),
    ],
    // 10.0.1.0 is silent.
    "10.0.1.1": (query) => message({ ...query, response: true, rcode: 2 }),
    "10.0.1.2": (query) => message({ ...query, response: true, rcode: 5 }),
    "10.0.1.3": (query) => message({ ...query, response: true }),
    "10.0.1.4": [zone("test", a("www.test", "192.0.2.3"))],
  });
  assertEquals(await find("www.test"), [
    ...["found", 6, "www.test. 300 IN A 192.0.2.3"],
  ]);
  assertEquals(trace().map((line) => line.split(": ")[1]), [
    "referral to test",
    "No answer from 10.0.1.0",
    "SERVFAIL",
    "REFUSED",
    "lame",
    "answer",
  ]);
});

Deno.test("a server without glue is looked up first", async () => {
  const { find, trace } = start({
    ...INTERNET,
    "10.0.0.2": [
      zone(
        "com",
        ...[
          ns("example.com", "ns.example.com"),
          a("ns.example.com", "10.0.0.3"),
        ],
        ns("glueless.com", "www.example.com"),
      ),
    ],
    "192.0.2.1": [zone("glueless.com", a("glueless.com", "192.0.2.4"))],
  });
  const [status, asked] = await find("glueless.com");
  assertEquals([status, asked], ["found", 5]);
  assertEquals(trace().map((line) => line.split(" ").slice(1, 4).join(" ")), [
    "10.0.0.1 glueless.com A:",
    "10.0.0.2 glueless.com A:",
    "10.0.0.2 www.example.com A:",
    "10.0.0.3 www.example.com A:",
    "192.0.2.1 glueless.com A:",
  ]);
});

Deno.test("servers that need each other to be found are an error, soon", async () => {
  const { find } = start({
    "10.0.0.1": [zone(".", ns("a", "ns.b"), ns("b", "ns.a"))],
  });
  const error = await assertRejects(() => find("www.a"), DnsError);
  assert(["server-failure", "too-many-steps"].includes(error.code), error.code);
});

Deno.test("a zone of which each server has many servers stops at the budget", async () => {
  // Each name's zone has 9 servers, each in a zone of its own that has 9 more.
  let asked = 0;
  const { find } = start({
    "10.0.0.1": (query) => {
      asked++;
      const { name } = query.questions[0];
      const top = name.split(".").at(-1)!;
      return message({
        ...{ ...query, response: true },
        authorities: Array.from(
          { length: 9 },
          (_, i) => ns(top, `ns.${top}${i}`),
        ),
      });
    },
  });
  await assertRejects(
    () => find("www.a"),
    DnsError,
    "Stopped after 64 questions, at ",
  );
  assertEquals(asked, 64);
});

Deno.test("servers are tried in an order that is drawn", async () => {
  const draws = [0.9, 0.1];
  const hints = { "a.test": ["10.0.0.8"], "b.test": ["10.0.0.9"] };
  const { find, trace } = start({}, { hints, random: () => draws.shift()! });
  await assertRejects(() => find("x"), DnsError, "No server of the root");
  assertEquals(trace().map((line) => line.split(" ")[1]), [
    "10.0.0.9",
    "10.0.0.8",
  ]);
});

Deno.test("only addresses that can be reached are asked", async () => {
  const hints = { "a.test": ["10.0.0.1", "2001:db8::1"] };
  const six: Internet = { "2001:db8::1": [zone(".", a("x", "192.0.2.5"))] };
  const found = await start(six, { hints, families: [6] }).find("x");
  assertEquals(found.slice(0, 2), ["found", 1]);
  await assertRejects(
    () => start(six, { hints, families: [4] }).find("x"),
    DnsError,
    "No server of the root answers for x; the last, a.test: No answer",
  );
});

Deno.test("a truncated answer that nobody completed is of no use", async () => {
  const { find } = start({
    "10.0.0.1": (query) =>
      message({ ...query, response: true, truncated: true }),
  });
  await assertRejects(() => find("x"), DnsError, "root.test: truncated");
});

Deno.test("what is no error of the network is not taken for one", async () => {
  const ask = () => Promise.reject(new TypeError("a mistake"));
  const { find } = start({}, { ask });
  await assertRejects(() => find("x"), TypeError, "a mistake");
});

Deno.test("a name or a type that cannot be is an error before anything is asked", async () => {
  const { find, trace } = start(INTERNET);
  await assertRejects(() => find("a..b"), Error, "a label of 0 bytes");
  await assertRejects(() => find("a", "NOPE"), Error, "it has no number");
  assertEquals(trace(), []);
});
