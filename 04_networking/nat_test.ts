import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LIFETIME, Nat, type Packet, show } from "./nat.ts";

const HOME = "198.51.100.7";
const SERVER = "203.0.113.80";
const packet = (
  source: string,
  sourcePort: number,
  target: string,
  targetPort: number,
  kind: "TCP" | "UDP" = "TCP",
): Packet => ({
  ...{ source, target, ttl: 64 },
  body: { kind, sourcePort, targetPort, text: "data" },
});
const out = (device: number, port: number, to = SERVER, toPort = 443) =>
  packet(`192.168.1.${device}`, port, to, toPort);
const back = (port: number, from = SERVER, fromPort = 443) =>
  packet(from, fromPort, HOME, port);
const text = (packet?: Packet) =>
  packet ? show(packet).replace(" data", "") : "dropped";

/** A table, its clock, and ports that are looked for from 28940 on, where Linux found one. */
function make() {
  const clock = { now: 0 };
  return { clock, nat: new Nat(HOME, () => clock.now, () => 28940 - 1024) };
}

// Golden: the network of routing_test.ts in Linux 6.18, whose masquerading wrote so, seen by
// tcpdump -i wan; the port that it took for the second is random.
Deno.test("two devices with one port get two, and both get their answers, as in Linux", () => {
  const { nat } = make();
  assertEquals(
    text(nat.outgoing(out(20, 50000))),
    `${HOME}:50000 to ${SERVER}:443`,
  );
  assertEquals(
    text(nat.outgoing(out(21, 50000))),
    `${HOME}:28940 to ${SERVER}:443`,
  );
  assertEquals(
    text(nat.incoming(back(50000))),
    `${SERVER}:443 to 192.168.1.20:50000`,
  );
  assertEquals(
    text(nat.incoming(back(28940))),
    `${SERVER}:443 to 192.168.1.21:50000`,
  );
});

Deno.test("a port keeps its public port, whoever is written to (RFC 4787, REQ-1)", () => {
  const { nat } = make();
  nat.outgoing(out(20, 50000));
  nat.outgoing(out(21, 50000));
  for (const to of ["192.0.2.1", "192.0.2.2"]) {
    assertEquals(
      text(nat.outgoing(out(21, 50000, to, 7))),
      `${HOME}:28940 to ${to}:7`,
    );
    assertEquals(
      text(nat.incoming(back(28940, to, 7))),
      `${to}:7 to 192.168.1.21:50000`,
    );
  }
  assertEquals(nat.mappings().length, 2);
});

Deno.test("what nobody asked for is dropped", () => {
  const { nat } = make();
  nat.outgoing(out(20, 50000));
  for (
    const unasked of [
      back(50001),
      back(50000, "203.0.113.81"),
      back(50000, SERVER, 444),
      packet(SERVER, 443, HOME, 50000, "UDP"),
      // Right port, but the private address itself.
      packet(SERVER, 443, "192.168.1.20", 50000),
    ]
  ) assertEquals(nat.incoming(unasked), undefined, show(unasked));
});

Deno.test("TCP and UDP have ports of their own", () => {
  const { nat } = make();
  nat.outgoing(out(20, 50000));
  const sent = nat.outgoing(packet("192.168.1.21", 50000, SERVER, 53, "UDP"));
  assertEquals(text(sent), `${HOME}:50000 to ${SERVER}:53`);
});

Deno.test("a service's port is never taken, and ports run on after the last", () => {
  const nat = new Nat(HOME, () => 0, (n) => n - 1);
  assertEquals(
    text(nat.outgoing(out(20, 53))),
    `${HOME}:65535 to ${SERVER}:443`,
  );
  assertEquals(
    text(nat.outgoing(out(21, 53))),
    `${HOME}:1024 to ${SERVER}:443`,
  );
});

for (const kind of ["TCP", "UDP"] as const) {
  Deno.test(`${kind}: an entry ends when nothing has gone out for long, and then is free`, () => {
    const { clock, nat } = make();
    const send = (device: number) =>
      nat.outgoing(packet(`192.168.1.${device}`, 50000, SERVER, 443, kind));
    const answer = () => nat.incoming(packet(SERVER, 443, HOME, 50000, kind));
    send(20);
    clock.now += LIFETIME[kind] - 1;
    assert(answer());
    send(20);
    clock.now += LIFETIME[kind] - 1;
    // What comes in renews nothing, or outsiders could keep it (RFC 4787, REQ-6).
    assert(answer());
    clock.now += 1;
    assertEquals([answer(), nat.mappings()], [undefined, []]);
    assertEquals(text(send(21)), `${HOME}:50000 to ${SERVER}:443`);
    assertEquals(text(answer()), `${SERVER}:443 to 192.168.1.21:50000`);
    assertEquals(text(send(20)), `${HOME}:28940 to ${SERVER}:443`);
    assertEquals(nat.mappings().length, 2);
  });
}

Deno.test("RFC 4787 and 5382 say how long: 5 minutes, and 2 hours and 4 minutes", () => {
  assertEquals(LIFETIME, { UDP: 5 * 60_000, TCP: 124 * 60_000 });
});

Deno.test("an entry that begins again does not know its old peers", () => {
  const { clock, nat } = make();
  nat.outgoing(out(20, 50000));
  clock.now += LIFETIME.TCP;
  nat.outgoing(out(20, 50000, "192.0.2.1"));
  assertEquals(nat.incoming(back(50000)), undefined);
  assert(nat.incoming(back(50000, "192.0.2.1")));
});

Deno.test("when 128 ports in a row are taken, a packet is not sent, until one ends", () => {
  const { clock, nat } = make();
  const send = (i: number) =>
    nat.outgoing(packet(`10.0.0.${i}`, 1, SERVER, 443));
  for (let i = 0; i < 128; i++) assert(send(i));
  assertEquals([nat.mappings().length, send(128)], [128, undefined]);
  clock.now += LIFETIME.TCP;
  assert(send(128));
  assertEquals(nat.mappings().length, 1);
});

Deno.test("an entry remembers 1000 peers, and forgets the first ones", () => {
  const { nat } = make();
  for (let port = 0; port <= 1000; port++) {
    nat.outgoing(out(20, 50000, SERVER, port));
  }
  assertEquals(nat.mappings()[0].peers.size, 1000);
  assertEquals(nat.incoming(back(50000, SERVER, 0)), undefined);
  assert(nat.incoming(back(50000, SERVER, 1)));
});

const error = (source: string, target: string, about: Packet): Packet => ({
  ...{ source, target, ttl: 64 },
  body: { kind: "ICMP", what: "time exceeded", about },
});

Deno.test("an ICMP error of any router finds its device, and quotes what that sent", () => {
  const { nat } = make();
  nat.outgoing(out(21, 50000));
  const sent = nat.outgoing(out(20, 50000))!;
  assertEquals(
    nat.incoming(error("192.0.2.2", HOME, sent)),
    error("192.0.2.2", "192.168.1.20", out(20, 50000)),
  );
  // About what was never sent, or for another address.
  const unasked = packet(HOME, 50000, "203.0.113.99", 443);
  assertEquals(nat.incoming(error("192.0.2.2", HOME, unasked)), undefined);
  const foreign = packet("198.51.100.8", 28940, SERVER, 443);
  assertEquals(nat.incoming(error("192.0.2.2", HOME, foreign)), undefined);
  const nested = error("192.0.2.2", HOME, sent);
  assertEquals(nat.incoming(error("192.0.2.2", HOME, nested)), undefined);
});

// As tcpdump -v saw it: 198.51.100.7 > 203.0.113.80: ICMP 198.51.100.7 udp port 53535
// unreachable, and in it 203.0.113.80.53 > 198.51.100.7.53535.
Deno.test("an ICMP error of a device quotes the public address, as in Linux", () => {
  const { nat } = make();
  nat.outgoing(out(21, 50000));
  nat.outgoing(out(20, 50000));
  const came = back(28940);
  const inside = nat.incoming(came)!;
  assertEquals(inside.target, "192.168.1.20");
  assertEquals(
    nat.outgoing(error("192.168.1.20", SERVER, inside)),
    error(HOME, SERVER, came),
  );
  const never = packet(SERVER, 443, "192.168.1.22", 50000);
  assertEquals(nat.outgoing(error("192.168.1.22", SERVER, never)), undefined);
});

Deno.test("any packets: no two devices share a port, and each answer finds its device", () => {
  const flow = fc.record({
    kind: fc.constantFrom("TCP" as const, "UDP" as const),
    device: fc.integer({ min: 20, max: 24 }),
    port: fc.constantFrom(80, 1024, 1025, 50000, 65535),
    peer: fc.integer({ min: 1, max: 3 }),
    pause: fc.constantFrom(0, 0, 1000, LIFETIME.UDP, LIFETIME.TCP),
  });
  const random = fc.constantFrom(0, 1, 64511);
  fc.assert(
    fc.property(fc.array(flow, { maxLength: 40 }), random, (flows, start) => {
      let now = 0;
      const nat = new Nat(HOME, () => now, () => start);
      for (const { kind, device, port, peer, pause } of flows) {
        now += pause;
        const [address, server] = [`192.168.1.${device}`, `192.0.2.${peer}`];
        const sent = nat.outgoing(packet(address, port, server, 443, kind))!;
        assert(sent.body.kind === kind && sent.source === HOME);
        const { sourcePort } = sent.body as { sourcePort: number };
        const answer = nat.incoming(
          packet(server, 443, HOME, sourcePort, kind),
        );
        assertEquals(text(answer), `${server}:443 to ${address}:${port}`);
        const all = nat.mappings();
        const ports = all.map(({ kind, publicPort }) =>
          `${kind} ${publicPort}`
        );
        const inside = all.map((m) => `${m.kind} ${m.address}:${m.port}`);
        assertEquals(new Set(ports).size, all.length);
        assertEquals(new Set(inside).size, all.length);
      }
    }),
    { seed: 7, numRuns: 200 },
  );
});
