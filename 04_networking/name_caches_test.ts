import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { formatAddress, parseAddress } from "./address.ts";
import { DnsError } from "./dns_client.ts";
import { message } from "./dns_message.ts";
import { DnsFormatError } from "./dns_record.ts";
import { Resolver } from "./dns_resolver.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";
import {
  type Answer,
  type Ask,
  fromResolver,
  lastSight,
  machine,
  NameCache,
  type NameCacheOptions,
  parseHosts,
  withHosts,
} from "./name_caches.ts";

/** A zone that can be changed, a clock, and what has been asked and has happened. */
function world(ttl = 300) {
  const zone = {
    address: "192.0.2.1",
    ttl,
    status: "found" as Answer["status"],
  };
  const clock = { time: 0 };
  const asked: string[] = [];
  const events: string[] = [];
  const below: Ask = (name, type) => {
    asked.push(`${type} ${name}`);
    const { address, ttl, status } = zone;
    const addresses = status === "found" ? [address] : [];
    return Promise.resolve({ addresses, status, ttl, from: "zone" });
  };
  const options = {
    below,
    now: () => clock.time,
    onEvent: ({ cache, outcome, left }) =>
      events.push(`${cache} ${outcome} ${left}`),
  } satisfies Omit<NameCacheOptions, "label">;
  const cache = (rest: Partial<NameCacheOptions> = {}) =>
    new NameCache({ ...options, label: "cache", ...rest });
  const router = cache({ label: "router" });
  /** Who answers with which address, and for how long, at a time. */
  const look = async (ask: Ask, time: number, name = "www.a.example") => {
    clock.time = time;
    const { addresses, from, ttl } = await ask(name, "A");
    return `${addresses} by ${from} for ${ttl} s`;
  };
  return { zone, clock, asked, events, options, cache, router, look };
}

Deno.test("hosts are read as glibc reads them", () => {
  // unshare -m bash -c 'mount --bind hosts.txt /etc/hosts; for n in …; do
  //   getent -s files ahostsv4 $n; getent -s files ahostsv6 $n; done', glibc 2.36
  const hosts = parseHosts(`# a comment
127.0.0.1	localhost
::1 localhost ip6-localhost
192.0.2.10 Server.Example   server srv # the machine under the desk
192.0.2.11	server.example
2001:db8::10	server.example
192.0.2.300 wrong.example
010.0.0.1 octal.example
2001:db8::99 six.example
  192.0.2.12 blank.example
192.0.2.13
192.0.2.14 #hidden.example
192.0.2.16 cr.example\r
2001:0DB8:0::10 server.example`);
  assertEquals(Object.fromEntries(hosts), {
    "localhost": ["127.0.0.1", "::1"],
    "ip6-localhost": ["::1"],
    "server.example": ["192.0.2.10", "192.0.2.11", "2001:db8::10"],
    "server": ["192.0.2.10"],
    "srv": ["192.0.2.10"],
    "six.example": ["2001:db8::99"],
    "blank.example": ["192.0.2.12"],
    "cr.example": ["192.0.2.16"],
  });
});

Deno.test("two caches in a row tell what two dnsmasq in a row tell", async () => {
  // deno run --allow-net dns_server.ts 5311; dnsmasq -k --no-resolv --no-hosts --port=5312
  // --server=127.0.0.1#5311; one more with --port=5313 --server=127.0.0.1#5312; then dig
  // www.example.com: 5312 at once and after 3 s, 5313 after 3 s and after 5 s (dnsmasq 2.90)
  const { cache, look, asked, zone, clock } = world(300);
  const first = cache({ label: "5312" });
  const second = cache({ label: "5313", below: first.ask });
  const told = [
    await look(first.ask, 0),
    await look(first.ask, 3),
    await look(second.ask, 3),
    await look(second.ask, 5),
  ];
  const ttls = told.map((text) => Number(/for (\d+) s/.exec(text)![1]));
  assertEquals(ttls, [300, 297, 297, 295]);
  assertEquals(asked.splice(0), ["A www.a.example"]);
  // none.example.com: NXDOMAIN to A at once and after 2 s, and to AAAA without asking.
  Object.assign(zone, { status: "no-such-name", ttl: 60 });
  clock.time = 0;
  assertEquals((await first.ask("none", "A")).ttl, 60);
  clock.time = 2;
  assertEquals((await first.ask("none", "A")).ttl, 58);
  assertEquals((await first.ask("none", "AAAA")).status, "no-such-name");
  assertEquals(asked, ["A none"]);
});

Deno.test("the hosts file comes before the network, and only for names and types that it has", async () => {
  const { options, asked, look } = world();
  const hosts = parseHosts("192.0.2.7 Printer\n2001:db8::7 six\n");
  const ask = withHosts(hosts, options.below);
  const held = "192.0.2.7 by hosts file for Infinity s";
  for (const name of ["printer", "PRINTER", "printer."]) {
    assertEquals(await look(ask, 0, name), held);
  }
  assertEquals(asked, []);
  assertEquals(await look(ask, 0, "six"), "192.0.2.1 by zone for 300 s");
  assertEquals((await ask("six", "AAAA")).addresses, ["2001:db8::7"]);
  await ask("constructor", "A");
  assertEquals(asked, ["A six", "A constructor"]);
});

Deno.test("the browser knows for a minute, then the system, then the router, then all begins again", async () => {
  const { options, router, look, events, asked } = world();
  const laptop = machine({ ...options, below: router.ask });
  const phone = machine({ ...options, below: router.ask });
  assertEquals(await look(laptop, 0), "192.0.2.1 by zone for 300 s");
  assertEquals(events.splice(0), [
    "browser miss 0",
    "system miss 0",
    "router miss 0",
  ]);
  assertEquals(await look(laptop, 1), "192.0.2.1 by browser for 59 s");
  assertEquals(await look(laptop, 59), "192.0.2.1 by browser for 1 s");
  assertEquals(await look(laptop, 61), "192.0.2.1 by system for 239 s");
  assertEquals(await look(phone, 62), "192.0.2.1 by router for 238 s");
  assertEquals(asked, ["A www.a.example"]);
  events.splice(0);
  assertEquals(await look(laptop, 300), "192.0.2.1 by zone for 300 s");
  assertEquals(events, [
    "browser expired 0",
    "system expired 0",
    "router expired 0",
  ]);
  assertEquals(asked.length, 2);
});

Deno.test("a new address is seen by all when one ttl is over, whenever the old one came", async () => {
  const { options, router, look, zone } = world();
  const laptop = machine({ ...options, below: router.ask });
  const phone = machine({ ...options, below: router.ask });
  await look(laptop, 0);
  zone.address = "192.0.2.2";
  assertEquals(await look(phone, 295), "192.0.2.1 by router for 5 s");
  assertEquals(await look(laptop, 299), "192.0.2.1 by system for 1 s");
  assertEquals(await look(phone, 299.5), "192.0.2.1 by browser for 0 s");
  assertEquals(await look(phone, 300), "192.0.2.2 by zone for 300 s");
  assertEquals(await look(laptop, 300), "192.0.2.2 by router for 300 s");
});

Deno.test("caches that start the ttl anew add up, and those that count it down do not", async () => {
  assertEquals(await lastSight(300, false), 299);
  // Resolver, router and system keep it for 300 s each, the browser for 60; each asks in
  // the last second of the one below it: 3 · 299 + 59.
  assertEquals(await lastSight(300, true), 956);
  assertEquals(await lastSight(30, false), 29);
  assertEquals(await lastSight(30, true), 4 * 29);
});

Deno.test("what is told on lasts no longer than what was told, whatever the times of the visits", async () => {
  const visit = fc.record({
    wait: fc.integer({ min: 0, max: 90 }),
    who: fc.nat(2),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(visit, { maxLength: 40 }), async (visits) => {
      const { options, router, look, zone } = world(100);
      const machines = [0, 1, 2].map(() =>
        machine({ ...options, below: router.ask })
      );
      let time = 0;
      await look(machines[0], 0);
      zone.address = "192.0.2.2";
      for (const { wait, who } of visits) {
        time += wait / 4;
        const seen = await look(machines[who], time);
        assertEquals(seen.startsWith("192.0.2.1 "), time < 100, `${time} s`);
      }
    }),
  );
});

Deno.test("an absence is kept, too: of a name for every type, of a type only for that", async () => {
  const { cache, zone, asked } = world(60);
  const { ask } = cache();
  zone.status = "no-such-name";
  assertEquals((await ask("none.example", "A")).status, "no-such-name");
  assertEquals((await ask("NONE.example.", "AAAA")).status, "no-such-name");
  assertEquals(asked.splice(0), ["A none.example"]);
  zone.status = "no-data";
  assertEquals((await ask("four.example", "AAAA")).status, "no-data");
  assertEquals((await ask("four.example", "AAAA")).from, "cache");
  zone.status = "found";
  assertEquals((await ask("four.example", "A")).status, "found");
  assertEquals(asked, ["AAAA four.example", "A four.example"]);
});

Deno.test("an absence ends with its own ttl", async () => {
  const { cache, zone, look } = world(60);
  const { ask } = cache();
  zone.status = "no-such-name";
  assertEquals(await look(ask, 0), " by zone for 60 s");
  zone.status = "found";
  assertEquals(await look(ask, 59), " by cache for 1 s");
  assertEquals(await look(ask, 60), "192.0.2.1 by zone for 60 s");
});

Deno.test("a ttl of 0 is for one question, and nothing is kept longer than a day", async () => {
  const { cache, zone, look, asked } = world(0);
  const { ask } = cache();
  await look(ask, 0);
  await look(ask, 0);
  assertEquals(asked.length, 2);
  zone.ttl = 2 ** 31 - 1;
  await look(ask, 0);
  await look(ask, 86_399);
  assertEquals(asked.length, 3);
  await look(ask, 86_400);
  assertEquals(asked.length, 4);
});

Deno.test("a full cache forgets the name that was used longest ago", async () => {
  const { cache, asked } = world();
  const small = cache({ mostNames: 2 });
  for (const name of ["a", "b", "A", "c"]) await small.ask(name, "A");
  assertEquals(small.size, 2);
  asked.splice(0);
  await small.ask("a", "A");
  await small.ask("c", "A");
  assertEquals(asked, []);
  await small.ask("b", "A");
  assertEquals(asked, ["A b"]);
  assertEquals(small.size, 2);
  // Whoever asks for many names, the memory has an end.
  const wide = cache();
  for (let i = 0; i < 5000; i++) await wide.ask(`n${i}`, "A");
  assertEquals(wide.size, 4096);
});

Deno.test("two who ask at the same time wait for one answer, and an error is not kept", async () => {
  const { cache, zone, asked, options } = world();
  let broken = true;
  const { ask } = cache({
    below: async (name, type) => {
      const answer = await options.below(name, type);
      if (broken) throw new DnsError("timeout", "No answer from 192.0.2.53");
      return answer;
    },
  });
  const both = [ask("a", "A"), ask("A.", "A")];
  for (const one of both) await assertRejects(() => one, DnsError, "No answer");
  assertEquals(asked.splice(0), ["A a"]);
  broken = false;
  const found = await Promise.all([
    ask("a", "A"),
    ask("a", "A"),
    ask("a", "AAAA"),
  ]);
  assertEquals(found.map(({ from }) => from), ["zone", "zone", "zone"]);
  assertEquals(asked, ["A a", "AAAA a"]);
  zone.ttl = 1;
  await assertRejects(() => ask("a..b", "A"), DnsFormatError);
});

Deno.test("at the end of the chain the resolver goes down from the root, once", async () => {
  const { options, look, asked } = world();
  const soa = (name: string) => ({
    ...{ name, ttl: 300, type: "SOA" as const, primary: "ns", mailbox: "a" },
    ...{ serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 60 },
  });
  const cut = (name: string, target: string, address: string) => [
    { name, ttl: 900, type: "NS" as const, target },
    { name: target, ttl: 900, type: "A" as const, address },
  ];
  const www = {
    name: "www.a.example",
    type: "A" as const,
    address: "192.0.2.9",
  };
  const alias = { name: "b.a.example", type: "CNAME" as const };
  const zones: Record<string, Zone> = {
    "10.0.0.1": {
      origin: ".",
      records: [soa("."), ...cut("example", "ns", "10.0.0.2")],
    },
    "10.0.0.2": {
      origin: "example",
      records: [
        soa("example"),
        ...cut("a.example", "ns.a.example", "10.0.0.3"),
      ],
    },
    "10.0.0.3": {
      origin: "a.example",
      records: [
        soa("a.example"),
        { ...www, ttl: 300 },
        { ...alias, ttl: 20, target: "www.a.example" },
        { ...alias, name: "c.a.example", ttl: 20, target: "none.a.example" },
      ],
    },
  };
  const steps: string[] = [];
  const resolver = new Resolver({
    hints: { root: ["10.0.0.1"] },
    now: options.now,
    ask: (address, name, type) =>
      Promise.resolve(
        answerFrom([zones[address]], message({ questions: [{ name, type }] })),
      ),
    onStep: ({ zone, outcome }) => steps.push(`${zone}: ${outcome}`),
  });
  const end = fromResolver(resolver, () => 60);
  const laptop = machine({ ...options, below: end });
  assertEquals(
    await look(laptop, 0),
    "192.0.2.9 by the zone's server for 300 s",
  );
  const way = [".: referral to example", "example: referral to a.example"];
  assertEquals(steps.splice(0), [...way, "a.example: answer"]);
  assertEquals(await look(laptop, 61), "192.0.2.9 by system for 239 s");
  assertEquals(await look(end, 100), "192.0.2.9 by resolver for 200 s");
  assertEquals(steps, []);
  // The shortest ttl on the way is the answer's, that of the alias, too.
  const other = "192.0.2.9 by the zone's server for 20 s";
  assertEquals(await look(end, 101, "b.a.example"), other);
  assertEquals(
    await look(end, 101, "none.a.example"),
    " by the zone's server for 60 s",
  );
  assertEquals(
    await look(end, 101, "c.a.example"),
    " by the zone's server for 20 s",
  );
  assertEquals((await end("www.a.example", "AAAA")).status, "no-data");
  assertEquals(asked, []);
});

Deno.test("whatever a hosts file holds, only addresses come out, and each once", () => {
  const words = [
    "127.0.0.1",
    "::1",
    "a",
    "B",
    "#",
    "\n",
    "\r\n",
    " ",
    "\t",
    "é",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words, "1.2.3", "\0")), (parts) => {
      for (const [name, addresses] of parseHosts(parts.join(""))) {
        assertEquals(name, name.toLowerCase());
        assertEquals(new Set(addresses).size, addresses.length);
        const again = addresses.map((a) => formatAddress(parseAddress(a)));
        assertEquals(again, addresses);
      }
    }),
    { numRuns: 2000, seed: 1035 },
  );
});
