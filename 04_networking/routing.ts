#!/usr/bin/env -S deno run
/**
 * Q. Your machine has an address. How does a packet find its way?
 *
 * A. Hop by hop; nobody knows the whole way. Each machine has a table of routes, prefixes of
 * addresses, and takes the longest that matches: it says the next hop, at home mostly
 * 0.0.0.0/0, the router. The next hop's MAC address is asked for by ARP, once, and then
 * remembered. So the frame goes to the router's MAC address and the packet in it to the
 * server's IP address: the MAC addresses change at each hop, the IP addresses stay, but for
 * NAT at home. Each router takes one off the TTL; who takes the last one drops the packet and
 * tells the sender. So a loop ends, and so traceroute works: it sends with a TTL of 1, of 2,
 * of 3, and looks who complains.
 *
 * Trap: to ask by ARP for the server's address: it is not on this cable, nobody answers.
 * Left out: how routers learn routes (BGP, OSPF), how the machine got its address (DHCP),
 * fragments and MTU; what one router does is in router.ts.
 * Source: RFC 1812 sections 5.2.1 and 5.3.1; traceroute: RFC 1393 section 1; addresses for
 * examples: RFC 5737.
 * Run: `deno run routing.ts`
 * @module
 */
import { type Machine, Network, type Step } from "./router.ts";
import { RoutingError } from "./route_table.ts";

const mac = (last: string) => `02:00:5e:10:00:${last}`;

/** A home behind NAT, its provider, an exchange, and a server. */
export const INTERNET: readonly Machine[] = [
  ...[["laptop", "20", "14"], ["phone", "21", "15"]].map(([name, n, last]) => ({
    name,
    ports: [{ link: "home", address: `192.168.1.${n}/24`, mac: mac(last) }],
    routes: [{ to: "0.0.0.0/0", via: "192.168.1.1" }],
  })),
  {
    name: "home router",
    ports: [
      { link: "home", address: "192.168.1.1/24", mac: mac("01") },
      { link: "access", address: "198.51.100.7/24", mac: mac("02") },
    ],
    routes: [{ to: "0.0.0.0/0", via: "198.51.100.1" }],
    forwards: true,
    nat: "access",
  },
  {
    name: "provider",
    ports: [
      { link: "access", address: "198.51.100.1/24", mac: mac("03") },
      { link: "exchange", address: "192.0.2.1/29", mac: mac("04") },
    ],
    routes: [
      // Another network, for all that nobody nearer says.
      { to: "0.0.0.0/0", via: "192.0.2.3" },
      { to: "203.0.113.0/24", via: "192.0.2.2" },
    ],
    forwards: true,
  },
  {
    name: "exchange",
    ports: [
      { link: "exchange", address: "192.0.2.2/29", mac: mac("05") },
      { link: "hosting", address: "203.0.113.1/24", mac: mac("06") },
    ],
    routes: [{ to: "198.51.100.0/24", via: "192.0.2.1" }],
    forwards: true,
  },
  {
    name: "server",
    ports: [{ link: "hosting", address: "203.0.113.80/24", mac: mac("50") }],
    routes: [{ to: "0.0.0.0/0", via: "203.0.113.1" }],
    listens: ["TCP 443"],
  },
];

/** What traceroute found at a distance. */
export interface Hop {
  readonly ttl: number;
  /** Who answered; undefined if nobody did. */
  readonly address?: string;
  readonly what?: string;
}

/**
 * Who is on the way, by packets whose TTL ends there.
 * @throws {RoutingError} if the machine cannot send at all
 */
export function traceroute(
  network: Network,
  from: string,
  target: string,
  most = 30,
): Hop[] {
  const hops: Hop[] = [];
  for (let ttl = 1; ttl <= most; ttl++) {
    // A port for each, so that a late answer is not taken for the next one's.
    const ports = { sourcePort: 33434 + ttl, targetPort: 443 };
    const body = { kind: "TCP", ...ports, text: "SYN" } as const;
    const answer = network.send(from, target, body, ttl)
      .find(({ machine, kind }) => machine === from && kind === "deliver")
      ?.packet;
    if (!answer) {
      hops.push({ ttl });
      continue;
    }
    const what = answer.body.kind === "ICMP"
      ? answer.body.what
      : answer.body.text;
    hops.push({ ttl, address: answer.source, what });
    if (what !== "time exceeded") break;
  }
  return hops;
}

/** Steps as lines, a machine's name only where it changes. */
export function formatSteps(steps: readonly Step[]): string {
  return steps.map(({ machine, kind, text }, i) => {
    const name = machine === steps[i - 1]?.machine ? "" : machine;
    return `${name.padEnd(12)} ${kind.padEnd(8)} ${text}`;
  }).join("\n");
}

if (import.meta.main) {
  const network = new Network(INTERNET, () => 0);
  const server = "203.0.113.80";
  const ports = { sourcePort: 50000, targetPort: 443 };
  const syn = { kind: "TCP", ...ports, text: "SYN" } as const;
  console.log(`The laptop sends a SYN to ${server}, and is answered`);
  console.log(formatSteps(network.send("laptop", server, syn)));

  console.log("\nThe phone uses the same port: NAT takes another one");
  const steps = network.send("phone", server, syn);
  console.log(formatSteps(steps.filter(({ kind }) => kind === "nat")));

  console.log(`\ntraceroute to ${server}`);
  for (
    const { ttl, address = "*", what = "" } of traceroute(
      network,
      "laptop",
      server,
    )
  ) {
    console.log(`${`${ttl}`.padStart(2)}  ${address.padEnd(13)} ${what}`);
  }

  console.log(
    "\nThe server sends a SYN to a port of the home that nobody opened",
  );
  const unasked = { ...syn, sourcePort: 443, targetPort: 22 };
  console.log(
    formatSteps(network.send("server", "198.51.100.7", unasked).slice(-1)),
  );

  console.log("\nTwo routers that send to one another: the TTL ends it");
  const loop = INTERNET.map((machine) => ({
    ...machine,
    routes: machine.name === "exchange"
      ? [{ to: "0.0.0.0/0", via: "192.0.2.1" }]
      : machine.name === "provider"
      ? [{ to: "0.0.0.0/0", via: "192.0.2.2" }]
      : machine.routes,
  }));
  const lost = new Network(loop, () => 0).send("laptop", "192.0.2.99", syn);
  const frames = lost.filter(({ packet }) => packet?.body.kind === "TCP");
  console.log(`${frames.length} frames, then`);
  console.log(formatSteps(lost.filter(({ kind }) => kind === "drop")));

  console.log("\nA machine without a default route");
  const alone = INTERNET.map((machine) => ({ ...machine, routes: [] }));
  try {
    new Network(alone, () => 0).send("laptop", server, syn);
  } catch (error) {
    if (!(error instanceof RoutingError)) throw error;
    console.log(error.message);
  }
}
