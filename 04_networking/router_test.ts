import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Segment } from "./nat.ts";
import { RoutingError } from "./route_table.ts";
import { ARP_LIFETIME, type Machine, Network, type Step } from "./router.ts";

const mac = (n: number) => `02:00:00:00:00:0${n}`;
const MACHINES: readonly Machine[] = [
  {
    name: "laptop",
    ports: [{ link: "left", address: "192.0.2.2/29", mac: mac(1) }],
    routes: [{ to: "0.0.0.0/0", via: "192.0.2.1" }],
  },
  {
    name: "router",
    ports: [
      { link: "left", address: "192.0.2.1/29", mac: mac(2) },
      { link: "right", address: "192.0.2.9/29", mac: mac(3) },
    ],
    forwards: true,
  },
  {
    name: "printer",
    ports: [{ link: "right", address: "192.0.2.10/29", mac: mac(4) }],
    routes: [{ to: "0.0.0.0/0", via: "192.0.2.9" }],
    listens: ["TCP 631", "UDP 161"],
  },
];
const PRINTER = "192.0.2.10";
const tcp = (targetPort: number, text = "SYN"): Segment => ({
  kind: "TCP",
  sourcePort: 50000,
  targetPort,
  text,
});
const udp = (targetPort: number, sourcePort = 50000): Segment => ({
  kind: "UDP",
  sourcePort,
  targetPort,
  text: "ping",
});
/** The machines, one of them changed. */
const change = (name: string, part: Partial<Machine>) =>
  MACHINES.map((machine) =>
    machine.name === name ? { ...machine, ...part } : machine
  );
const kinds = (steps: readonly Step[], kind: Step["kind"]) =>
  steps.filter((step) => step.kind === kind);
/** Who got what last, as "laptop: SYN-ACK". */
function end(steps: readonly Step[]) {
  const { machine, packet } = kinds(steps, "deliver").at(-1)!;
  const { body, source } = packet!;
  return `${machine}: ${
    body.kind === "ICMP" ? body.what : body.text
  } of ${source}`;
}

Deno.test("frames are for the next hop, packets for the target, and the TTL counts down", () => {
  const steps = new Network(MACHINES, () => 0).send(
    "laptop",
    PRINTER,
    tcp(631),
  );
  const frames = kinds(steps, "frame").map((
    { machine, mac, packet },
  ) => [
    machine,
    mac?.from,
    mac?.to,
    packet?.source,
    packet?.target,
    packet?.ttl,
  ]);
  const [there, back] = [["192.0.2.2", PRINTER], [PRINTER, "192.0.2.2"]];
  assertEquals(frames, [
    ["laptop", mac(1), mac(2), ...there, 64],
    ["router", mac(3), mac(4), ...there, 63],
    ["printer", mac(4), mac(3), ...back, 64],
    ["router", mac(2), mac(1), ...back, 63],
  ]);
  assertEquals(end(steps), "laptop: SYN-ACK of 192.0.2.10");
});

Deno.test("ARP asks once a cable, who is asked need not ask back, and entries end", () => {
  let now = 0;
  const network = new Network(MACHINES, () => now);
  const asked = () =>
    kinds(network.send("laptop", PRINTER, tcp(631)), "ask").map(({ machine }) =>
      machine
    );
  assertEquals(asked(), ["laptop", "router"]);
  assertEquals(asked(), []);
  now = ARP_LIFETIME - 1;
  assertEquals(asked(), []);
  now = ARP_LIFETIME;
  assertEquals(asked(), ["laptop", "router"]);
});

Deno.test("neighbours need no router, and hear nothing of what is not theirs", () => {
  const near = change("printer", {
    ports: [{ link: "left", address: "192.0.2.3/29", mac: mac(4) }],
    routes: [],
  });
  const steps = new Network(near, () => 0).send(
    "laptop",
    "192.0.2.3",
    tcp(631),
  );
  assertEquals([...new Set(steps.map(({ machine }) => machine))], [
    "laptop",
    "printer",
  ]);
  assertEquals(end(steps), "laptop: SYN-ACK of 192.0.2.3");
});

Deno.test("a closed port answers RST to TCP, and an ICMP error to UDP", () => {
  const network = new Network(MACHINES, () => 0);
  const send = (body: Segment) => network.send("laptop", PRINTER, body);
  assertEquals(end(send(tcp(80))), "laptop: RST of 192.0.2.10");
  assertEquals(end(send(udp(80))), "laptop: port unreachable of 192.0.2.10");
  assertEquals(end(send(udp(161))), "printer: ping of 192.0.2.2");
  assertEquals(end(send(tcp(631, "data"))), "printer: data of 192.0.2.2");
  // Who sent by UDP waits for an answer at that port.
  assertEquals(
    end(network.send("printer", "192.0.2.2", udp(50000, 161))),
    "laptop: ping of 192.0.2.10",
  );
});

Deno.test("a TTL of 1 ends at the first router, one of 2 at the target behind it", () => {
  const network = new Network(MACHINES, () => 0);
  const send = (ttl: number) => network.send("laptop", PRINTER, tcp(631), ttl);
  assertEquals(end(send(1)), "laptop: time exceeded of 192.0.2.1");
  assertEquals(end(send(0)), "laptop: time exceeded of 192.0.2.1");
  assertEquals(end(send(2)), "laptop: SYN-ACK of 192.0.2.10");
  // To the router itself nothing is passed on.
  const own = network.send("laptop", "192.0.2.9", tcp(22), 1);
  assertEquals(end(own), "laptop: RST of 192.0.2.9");
});

Deno.test("a router says network unreachable, or host unreachable, to the sender", () => {
  const network = new Network(MACHINES, () => 0);
  const send = (target: string) =>
    end(network.send("laptop", target, tcp(631)));
  assertEquals(send("203.0.113.1"), "laptop: network unreachable of 192.0.2.1");
  assertEquals(send("192.0.2.11"), "laptop: host unreachable of 192.0.2.1");
});

Deno.test("nothing is said about an ICMP error, so no two routers go on for ever", () => {
  // The printer's error has no way back: its router has no route there.
  const far = change("laptop", {
    ports: [{ link: "left", address: "203.0.113.9/24", mac: mac(1) }],
    routes: [{ to: "192.0.2.8/29", via: "203.0.113.1" }],
  }).map((machine) =>
    machine.name !== "router" ? machine : {
      ...machine,
      ports: [
        { link: "left", address: "203.0.113.1/32", mac: mac(2) },
        machine.ports[1],
      ],
    }
  );
  const steps = new Network(far, () => 0).send("laptop", PRINTER, udp(80));
  const icmp = kinds(steps, "frame").filter(({ packet }) =>
    packet?.body.kind === "ICMP"
  );
  assertEquals(icmp.map(({ machine }) => machine), ["printer"]);
  assertEquals(kinds(steps, "drop").at(-1)?.machine, "router");
});

Deno.test("an answer that has no route is dropped, and the sender learns nothing", () => {
  const network = new Network(change("printer", { routes: [] }), () => 0);
  const steps = network.send("laptop", PRINTER, tcp(631));
  assertEquals(end(steps), "printer: SYN of 192.0.2.2");
  const { kind, text } = steps.at(-1)!;
  assertEquals(kind, "drop");
  assert(text.includes("no route of printer"), text);
});

Deno.test("a host does not pass on what is not for it", () => {
  const steps = new Network(change("router", { forwards: false }), () => 0)
    .send("laptop", PRINTER, tcp(631));
  assertEquals(steps.at(-1)?.machine, "router");
  assertEquals(steps.at(-1)?.text.endsWith("not for this machine"), true);
});

Deno.test("who cannot send at all gets an error of one line that says the fix", () => {
  const error = (
    network: Network,
    target: string,
    code: string,
    message: string,
  ) => {
    const e = assertThrows(
      () => network.send("laptop", target, tcp(631)),
      RoutingError,
      message,
    );
    assertEquals([e.code, e.message.includes("\n")], [code, false]);
  };
  error(
    new Network(change("laptop", { routes: [] }), () => 0),
    ...[PRINTER, "network unreachable"] as const,
    "Cannot send to 192.0.2.10: network unreachable, no route of laptop matches; add one, " +
      "as 0.0.0.0/0 via its router",
  );
  const network = new Network(MACHINES, () => 0);
  const nobody = "nobody on left has it; is it on, and is the prefix right?";
  error(network, "192.0.2.5", "host unreachable", nobody);
  error(network, "printer", "config", "Cannot use printer: no IPv4 address");
  assertThrows(
    () => network.send("fax", PRINTER, tcp(1)),
    RoutingError,
    "Cannot use fax: no machine has that name",
  );
});

Deno.test("a network that cannot be is an error of one line", () => {
  const [port] = MACHINES[2].ports;
  const build = (part: Partial<Machine>) => () =>
    new Network(change("printer", part), () => 0);
  for (
    const [part, message] of [
      [
        { ports: [{ ...port, address: "192.0.2.9/29" }] },
        "192.0.2.9 on right for two",
      ],
      [
        { ports: [{ ...port, mac: mac(3) }] },
        `${mac(3)} on right for two machines`,
      ],
      [
        { routes: [{ to: "0.0.0.0/0", via: "192.0.2.1" }] },
        "Cannot use the route to 0.0.0.0/0: no cable of printer reaches 192.0.2.1",
      ],
      [
        { routes: [{ to: "10.0.0.1/8", via: "192.0.2.9" }] },
        "is 10.0.0.0/8 meant?",
      ],
      [{ ports: [{ ...port, address: "192.0.2.10" }] }, "needs a form like"],
      [{ nat: "left" }, "Cannot use NAT to left: not at printer"],
    ] as const
  ) assertThrows(build(part), RoutingError, message);
  // The same address on another cable is another one.
  build({ ports: [{ ...port, address: "192.0.2.1/29" }], routes: [] })();
});
