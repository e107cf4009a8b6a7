import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Segment } from "./nat.ts";
import { RoutingError } from "./route_table.ts";
import { Network, type Step } from "./router.ts";
import { formatSteps, INTERNET, traceroute } from "./routing.ts";

const SERVER = "203.0.113.80";
const HOME = "198.51.100.7";
const syn = (sourcePort = 50000, targetPort = 443): Segment => ({
  kind: "TCP",
  sourcePort,
  targetPort,
  text: "SYN",
});
const make = () => new Network(INTERNET, () => 0, () => 28940 - 1024);
const frames = (steps: readonly Step[]) =>
  steps.filter(({ kind }) => kind === "frame");

// Goldens: this network in namespaces of Linux 6.18, with veth, a bridge at home, ip_forward,
// and nft "oifname wan masquerade"; tcpdump -e on each cable, and in the laptop's namespace
// traceroute -n -T -p 443 -q 1 203.0.113.80.
Deno.test("source and TTL on each cable are those of Linux", () => {
  const steps = make().send("laptop", SERVER, syn());
  assertEquals(
    frames(steps).map(({ packet }) => [packet?.source, packet?.ttl]),
    [
      ...[["192.168.1.20", 64], [HOME, 63], [HOME, 62], [HOME, 61]],
      ...[[SERVER, 64], [SERVER, 63], [SERVER, 62], [SERVER, 61]],
    ],
  );
});

Deno.test("ARP asks on each cable what Linux asks, and only once", () => {
  const network = make();
  const asked = (steps: readonly Step[]) =>
    steps.filter(({ kind }) => kind === "ask").map(({ text }) =>
      text.split(": ")[1]
    );
  assertEquals(asked(network.send("laptop", SERVER, syn())), [
    "who has 192.168.1.1? tell 192.168.1.20",
    "who has 198.51.100.1? tell 198.51.100.7",
    "who has 192.0.2.2? tell 192.0.2.1",
    "who has 203.0.113.80? tell 203.0.113.1",
  ]);
  assertEquals(asked(network.send("laptop", SERVER, syn(50001))), []);
  assertEquals(asked(network.send("phone", SERVER, syn())), [
    "who has 192.168.1.1? tell 192.168.1.21",
  ]);
});

Deno.test("traceroute finds the routers that Linux's finds, and the server", () => {
  assertEquals(traceroute(make(), "laptop", SERVER), [
    { ttl: 1, address: "192.168.1.1", what: "time exceeded" },
    { ttl: 2, address: "198.51.100.1", what: "time exceeded" },
    { ttl: 3, address: "192.0.2.2", what: "time exceeded" },
    { ttl: 4, address: SERVER, what: "SYN-ACK" },
  ]);
});

// tcpdump: 192.0.2.2 > 198.51.100.7: ICMP host 203.0.113.81 unreachable.
Deno.test("traceroute ends at an address that nobody has, by its router's error", () => {
  const last = traceroute(make(), "laptop", "203.0.113.81").at(-1);
  assertEquals(last, {
    ttl: 4,
    address: "192.0.2.2",
    what: "host unreachable",
  });
});

Deno.test("each frame has the MAC addresses of its own cable's ends", () => {
  const steps = frames(make().send("laptop", SERVER, syn())).slice(0, 4);
  assertEquals(
    steps.map(({ mac }) => [mac!.from.slice(-2), mac!.to.slice(-2)]),
    [["14", "01"], ["02", "03"], ["04", "05"], ["06", "50"]],
  );
});

Deno.test("laptop and phone, with the same port, each get their own answer", () => {
  const network = make();
  for (const name of ["laptop", "phone"]) {
    const { machine, text } = network.send(name, SERVER, syn()).at(-1)!;
    const address = name === "laptop" ? "192.168.1.20" : "192.168.1.21";
    assertEquals(machine, name);
    assertEquals(text, `${SERVER}:443 to ${address}:50000 SYN-ACK`);
  }
  const ports = network.nat("home router")!.mappings().map((m) => m.publicPort);
  assertEquals(ports, [50000, 28940]);
});

Deno.test("what nobody at home asked for ends at the home router", () => {
  const network = make();
  network.send("laptop", SERVER, syn());
  for (const [port, from] of [[22, 443], [50000, 444]]) {
    const { machine, kind } = network.send("server", HOME, syn(from, port)).at(
      -1,
    )!;
    assertEquals([machine, kind], ["home router", "drop"]);
  }
});

Deno.test("the longest route is taken, not the first: the provider has two", () => {
  const { text } = make().send("laptop", SERVER, syn())
    .find(({ machine, kind }) => machine === "provider" && kind === "route")!;
  assertEquals(
    text,
    `${SERVER}: 0.0.0.0/0 and 203.0.113.0/24 match, 203.0.113.0/24 is the longest: ` +
      "via 192.0.2.2",
  );
});

Deno.test("a loop ends by the TTL, after as many frames, and the sender is told", () => {
  const routes = (via: string) => [{ to: "0.0.0.0/0", via }];
  const loop = INTERNET.map((machine) =>
    machine.name === "provider"
      ? { ...machine, routes: routes("192.0.2.2") }
      : machine.name === "exchange"
      ? { ...machine, routes: routes("192.0.2.1") }
      : machine
  );
  const network = new Network(loop, () => 0);
  const steps = network.send("laptop", "192.0.2.99", syn(), 9);
  const sent = frames(steps).filter(({ packet }) =>
    packet?.body.kind === "TCP"
  );
  assertEquals(sent.map(({ packet }) => packet?.ttl), [
    9,
    8,
    7,
    6,
    5,
    4,
    3,
    2,
    1,
  ]);
  assert(steps.at(-1)?.text.endsWith("to 192.168.1.20 time exceeded"));
  const hops = traceroute(network, "laptop", "192.0.2.99");
  assertEquals(hops.length, 30);
});

Deno.test("who does not answer is a hop without an address", () => {
  const network = new Network(
    INTERNET.map((machine) =>
      machine.name === "exchange" ? { ...machine, routes: [] } : machine
    ),
    () => 0,
  );
  assertEquals(traceroute(network, "laptop", SERVER, 4).slice(2), [{ ttl: 3 }, {
    ttl: 4,
  }]);
});

Deno.test("without a route it is an error of one line with the fix", () => {
  const alone = INTERNET.map((machine) => ({ ...machine, routes: [] }));
  assertThrows(
    () => new Network(alone, () => 0).send("laptop", SERVER, syn()),
    RoutingError,
    "network unreachable, no route of laptop matches; add one",
  );
});

Deno.test("formatSteps() names a machine where it changes", () => {
  const step = (machine: string): Step => ({
    machine,
    kind: "drop",
    text: "x",
  });
  assertEquals(
    formatSteps([step("a"), step("a"), step("b")]),
    [
      "a            drop     x",
      "             drop     x",
      "b            drop     x",
    ]
      .join("\n"),
  );
});
