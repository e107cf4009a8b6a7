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
/** Records from "name type what-it-says", with a ttl at the end if it is not 300. */
const read = (lines: readonly string[]): DnsRecord[] =>
  lines.map((line) => {
    const [name, type, value, life = ttl] = line.split(" ");
    const field = /^A/.test(type) ? "address" : "target";
    return { name, ttl: +life, type, [field]: value } as unknown as DnsRecord;
  });
const zone = (origin: string, ...lines: string[]): Zone => ({
  origin,
  records: [soa(origin), ...read(lines)],
});
type Server = (query: Message) => Message;
/** A server that answers this to anything. */
const says = (fields: Partial<Message>): Server => (query) =>
  message({ ...query, response: true, ...fields });
/** One that refers to others, with their addresses. */
const refers = (ns: string[], glue: string[] = [], authoritative = false) =>
  says({ authorities: read(ns), additionals: read(glue), authoritative });

/** Servers by address: zones, or what the server answers to anything. */
type Internet = Record<string, Zone[] | Server>;

/** A small internet: com and net, example.com, other.net. */
const ROOT = ["com NS gtld.net", "net NS gtld.net", "gtld.net A 10.0.0.2"];
const EXAMPLE = ["example.com NS ns.example.com", "ns.example.com A 10.0.0.3"];
const INTERNET: Internet = {
  "10.0.0.1": [zone(".", ...ROOT)],
  "10.0.0.2": [
    zone("com", ...EXAMPLE),
    zone("net", "other.net NS ns.example.com"),
  ],
  "10.0.0.3": [
    zone(
      "example.com",
      ...["www.example.com A 192.0.2.1", "second.example.com A 192.0.2.9"],
      ...["ns.example.com A 10.0.0.3", "x.example.com CNAME y.example.com"],
      "alias.example.com CNAME www.example.com",
      "far.example.com CNAME host.other.net",
      "y.example.com CNAME x.example.com",
    ),
    zone("other.net", "host.other.net A 192.0.2.2"),
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
      const silent = new DnsError("timeout", `No answer from ${address}`);
      if (!server) return Promise.reject(silent);
      const query = message({ questions: [{ name, type }] });
      const zones = typeof server !== "function";
      return Promise.resolve(zones ? answerFrom(server, query) : server(query));
    },
    ...options,
  });
  const find = async (name: string, type = "A") => {
    const { status, asked, records } = await resolver.resolve(name, type);
    return [status, asked, ...records.map(formatRecord)];
  };
  /** What is found begins like this: status, questions, records. */
  const check = async (question: string, ...expected: unknown[]) => {
    const [name, type] = question.split(" ");
    const found = await find(name, type);
    assertEquals(found.slice(0, expected.length), expected, question);
  };
  const fails = (name: string, line: string) =>
    assertRejects(() => find(name), DnsError, line);
  const trace = () =>
    steps.splice(0).map((s) =>
      `${s.zone} ${s.address} ${s.name} ${s.type}: ${s.outcome}`
    );
  return { find, check, fails, clock, trace };
}

Deno.test("a name is found from the root down, one zone at a time", async () => {
  const { find, trace } = start(INTERNET);
  const line = "www.example.com. 300 IN A 192.0.2.1";
  assertEquals(await find("WWW.Example.com."), ["found", 3, line]);
  assertEquals(trace(), [
    ". 10.0.0.1 www.example.com A: referral to com",
    "com 10.0.0.2 www.example.com A: referral to example.com",
    "example.com 10.0.0.3 www.example.com A: answer",
  ]);
  await start(INTERNET).check("ns.example.com TYPE1", "found", 3); // it is A
});

Deno.test("what is known is not asked again, until its ttl is over", async () => {
  const { check, find, clock } = start(INTERNET);
  await find("www.example.com");
  clock.now += 100.5;
  const line = "www.example.com. 199 IN A 192.0.2.1";
  await check("www.example.com", "found", 0, line);
  // Other names of the zone are asked for where the zone is.
  await check("ns.example.com", "found", 1);
  clock.now += 250;
  await check("www.example.com", "found", 3);
});

Deno.test("a ttl of 0 is not kept, and longer than a day nothing is", async () => {
  const root = zone(".", "long A 192.0.2.7 1000000000", "now A 192.0.2.8 0");
  const { check, clock } = start({ "10.0.0.1": [root] });
  for (const name of ["now", "now"]) await check(name, "found", 1);
  for (const [seconds, asked] of [[0, 1], [86_399, 0], [2, 1]]) {
    clock.now += seconds;
    await check("long", "found", asked);
  }
});

Deno.test("an alias is followed, also to another zone, and kept", async () => {
  const { find, check } = start(INTERNET);
  const line = "alias.example.com. 300 IN CNAME www.example.com.";
  assertEquals(await find("alias.example.com"), [
    ...["found", 4, line, "www.example.com. 300 IN A 192.0.2.1"],
  ]);
  // ns.example.com serves other.net, too; its address is known as glue.
  assertEquals(await find("far.example.com"), [
    ...["found", 4, "far.example.com. 300 IN CNAME host.other.net."],
    "host.other.net. 300 IN A 192.0.2.2",
  ]);
  await check("far.example.com", "found", 0);
  assertEquals(await find("alias.example.com", "CNAME"), ["found", 0, line]);
});

Deno.test("aliases in a ring are an error, and end", async () => {
  const line = "More than 16 aliases in a row, the last to y.example.com";
  await start(INTERNET).fails("x.example.com", line);
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

Deno.test("a missing name has no type, and one without aliases may have others", async () => {
  const { check } = start(INTERNET);
  await check("no.example.com", "no-such-name", 3);
  await check("no.example.com MX", "no-such-name", 0);
  await check("www.example.com CNAME", "no-data", 1);
  await check("www.example.com CNAME", "no-data", 0);
  await check("www.example.com A", "found", 1);
});

Deno.test("an absence is kept for an hour at most", async () => {
  const records = [{ ...soa(".", 1e6), ttl: 1e6 }];
  const { check, clock } = start({ "10.0.0.1": [{ origin: ".", records }] });
  for (const [seconds, asked] of [[0, 1], [3599, 0], [2, 1]]) {
    clock.now += seconds;
    await check("no.test", "no-such-name", asked);
  }
});

/** An internet in which the servers of evil.net answer whatever they like. */
const evil = (reply: Partial<Message>): Internet => ({
  ...INTERNET,
  "10.0.0.2": [
    zone("com", ...EXAMPLE),
    zone("net", "evil.net NS ns.evil.net", "ns.evil.net A 10.6.6.6"),
  ],
  "10.6.6.6": says({ authoritative: true, ...reply }),
});

Deno.test("a server is believed only about its own zone", async () => {
  const own = "www.evil.net A 10.6.6.7";
  const alias = "www.evil.net CNAME www.example.com";
  const poison = "www.example.com A 10.6.6.6 9999";
  const down = "www.evil.net NS ns.example.com 9999";
  for (
    const [answers, authorities, additionals] of [
      [[own, poison], [], []],
      [[own], [], [poison, "ns.example.com A 10.6.6.6"]],
      [[own], ["example.com NS ns.evil.net"], []],
      [[own], ["com NS ns.evil.net", ". NS ns.evil.net"], []],
      [[alias, poison], [], []],
      // It may refer to whom it likes, but not say where that is.
      [[], [down], ["ns.example.com A 10.6.6.6 9999"]],
    ]
  ) {
    const reply = {
      authoritative: answers.length > 0,
      answers: read(answers),
      authorities: read(authorities),
      additionals: read(additionals),
    };
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
  const com = zone("com", EXAMPLE[0], `${EXAMPLE[1]} 9999`);
  const { find, check } = start({ ...INTERNET, "10.0.0.2": [com] });
  await find("www.example.com");
  const line = "ns.example.com. 300 IN A 10.0.0.3";
  await check("ns.example.com", "found", 1, line);
});

Deno.test("referrals upwards, sideways or in place lead nowhere", async () => {
  for (const where of [".", "net", "evil.net", "example.com"]) {
    const authorities = read([`${where} NS ns.evil.net`]);
    const { fails, trace } = start(evil({ authoritative: false, authorities }));
    const line = "No server of evil.net answers for www.evil.net";
    assertEquals((await fails("www.evil.net", line)).code, "server-failure");
    assertEquals(trace().at(-1), "evil.net 10.6.6.6 www.evil.net A: lame");
  }
});

Deno.test("a referral is one with the flag AA, too, if there is no SOA", async () => {
  const root = refers([ROOT[0]], [ROOT[2]], true);
  const { check } = start({ ...INTERNET, "10.0.0.1": root });
  await check("www.example.com", "found", 3);
});

Deno.test("a server that fails, is lame or silent is passed over for the next", async () => {
  const servers = ["a", "b", "c", "d", "e"].map((n) => `${n}.test`);
  const { check, trace } = start({
    "10.0.0.1": refers(
      servers.map((name) => `test NS ${name}`),
      servers.map((name, i) => `${name} A 10.0.1.${i}`),
    ),
    // 10.0.1.0 is silent.
    "10.0.1.1": says({ rcode: 2 }),
    "10.0.1.2": says({ rcode: 5 }),
    "10.0.1.3": says({}),
    "10.0.1.4": [zone("test", "www.test A 192.0.2.3")],
  });
  await check("www.test", "found", 6, "www.test. 300 IN A 192.0.2.3");
  assertEquals(trace().map((line) => line.split(": ")[1]), [
    ...["referral to test", "No answer from 10.0.1.0", "SERVFAIL", "REFUSED"],
    ...["lame", "answer"],
  ]);
});

Deno.test("a server without glue is looked up first", async () => {
  const { check, trace } = start({
    ...INTERNET,
    "10.0.0.2": [zone("com", ...EXAMPLE, "glueless.com NS www.example.com")],
    "192.0.2.1": [zone("glueless.com", "glueless.com A 192.0.2.4")],
  });
  await check("glueless.com", "found", 5);
  assertEquals(trace().map((line) => line.split(" ").slice(1, 4).join(" ")), [
    "10.0.0.1 glueless.com A:",
    "10.0.0.2 glueless.com A:",
    "10.0.0.2 www.example.com A:",
    "10.0.0.3 www.example.com A:",
    "192.0.2.1 glueless.com A:",
  ]);
});

Deno.test("a server with glue of the other family alone is looked up", async () => {
  const root = refers(["test NS ns.com"], ["ns.com AAAA 2001:db8::1"]);
  const com = says({ answers: read(["ns.com A 10.0.0.2"]) });
  const { check } = start({
    "10.0.0.1": (query) =>
      query.questions[0].name === "ns.com" ? com(query) : root(query),
    "10.0.0.2": [zone("test", "x.test A 192.0.2.1")],
  }, { families: [4] });
  await check("x.test", "found", 3);
});

Deno.test("servers that need each other to be found are an error, soon", async () => {
  const root = [zone(".", "a NS ns.b", "b NS ns.a")];
  const { code } = await start({ "10.0.0.1": root }).fails("www.a", "");
  assert(["server-failure", "too-many-steps"].includes(code), code);
});

Deno.test("servers that nobody can find are each looked up once", async () => {
  const root = Array.from({ length: 3 }, (_, i) => `a NS ns${i}.a`);
  let looks = 0; // at the clock, which is at each look into the cache
  const now = () => ++looks / 1e9;
  const { fails, trace } = start({ "10.0.0.1": [zone(".", ...root)] }, { now });
  await fails("www.a", "No server of a answers for www.a");
  assertEquals(trace().length, 7); // www.a, and two families of each server
  assert(looks < 1000, `${looks} looks`);
});

Deno.test("of a zone's thousand servers a few are asked", async () => {
  const names = Array.from({ length: 999 }, (_, i) => `ns${i}.a`);
  const root = refers(
    names.map((name) => `a NS ${name}`),
    names.map((name) => `${name} A 10.0.0.9`),
  );
  const { fails, trace } = start({ "10.0.0.1": root });
  await fails("www.a", "No server of a answers for www.a");
  assertEquals(trace().length, 17);
});

Deno.test("a way down lasts for the search, whatever its ttl", async () => {
  let time = 0; // each look at the clock takes a second
  const { check } = start({
    "10.0.0.1": [zone(".", "test NS ns.test 0", "ns.test A 10.0.0.2 0")],
    "10.0.0.2": [zone("test", "x.test A 192.0.2.1")],
  }, { now: () => time++ });
  await check("x.test", "found", 2);
});

Deno.test("a zone is found again when its glue is over before its NS records", async () => {
  const { check, clock } = start({
    "10.0.0.1": [zone(".", "test NS ns.test 900", "ns.test A 10.0.0.2 100")],
    "10.0.0.2": [zone("test", "x.test A 192.0.2.1 100")],
  });
  await check("x.test", "found", 2);
  clock.now += 200;
  await check("x.test", "found", 2);
});

Deno.test("a zone of which each server has many servers stops at the budget", async () => {
  // Each name's zone has 9 servers, each in a zone of its own that has 9 more.
  const { fails, trace } = start({
    "10.0.0.1": (query) => {
      const top = query.questions[0].name.split(".").at(-1)!;
      const nine = Array.from(
        { length: 9 },
        (_, i) => `${top} NS ns.${top}${i}`,
      );
      return refers(nine)(query);
    },
  });
  await fails("www.a", "Stopped after 64 questions, at ");
  assertEquals(trace().length, 64);
});

Deno.test("two searches at once have a budget each", async () => {
  const { find } = start(INTERNET);
  const both = await Promise.all([find("www.example.com"), find("no.com")]);
  assertEquals(both.map(([, asked]) => asked), [3, 2]);
});

Deno.test("the cache has a bound, and what came first goes first", async () => {
  const lines = ["a", "b", "c"].map((name) => `${name} A 192.0.2.1`);
  const net = { "10.0.0.1": [zone(".", ...lines)] };
  const { check } = start(net, { capacity: 2 });
  for (const name of ["a", "b", "c"]) await check(name, "found", 1);
  for (const name of ["c", "b"]) await check(name, "found", 0);
  await check("a", "found", 1);
});

Deno.test("servers are tried in an order that is drawn", async () => {
  const draws = [0.9, 0.1];
  const hints = { "a.test": ["10.0.0.8"], "b.test": ["10.0.0.9"] };
  const { fails, trace } = start({}, { hints, random: () => draws.shift()! });
  await fails("x", "No server of the root");
  const asked = trace().map((line) => line.split(" ")[1]);
  assertEquals(asked, ["10.0.0.9", "10.0.0.8"]);
});

Deno.test("only addresses that can be reached are asked", async () => {
  const hints = { "a.test": ["10.0.0.1", "2001:db8::1"] };
  const six: Internet = { "2001:db8::1": [zone(".", "x A 192.0.2.5")] };
  await start(six, { hints, families: [6] }).check("x", "found", 1);
  const line = "No server of the root answers for x; the last, a.test: No";
  await start(six, { hints, families: [4] }).fails("x", line);
});

Deno.test("a truncated answer that nobody completed is of no use", async () => {
  const net = { "10.0.0.1": says({ truncated: true }) };
  await start(net).fails("x", "root.test: truncated");
});

Deno.test("what is no error of the network is not taken for one", async () => {
  const ask = () => Promise.reject(new TypeError("mistake"));
  await assertRejects(() => start({}, { ask }).find("x"), TypeError, "mistake");
});

Deno.test("a name or a type that cannot be is an error before anything is asked", async () => {
  const { find, trace } = start(INTERNET);
  await assertRejects(() => find("a..b"), Error, "a label of 0 bytes");
  await assertRejects(() => find("a", "NOPE"), Error, "it has no number");
  assertEquals(trace(), []);
});
