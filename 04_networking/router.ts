#!/usr/bin/env -S deno run
/**
 * Q. A packet arrives at a router. What does it do with it?
 *
 * A. Is the frame for my MAC address? Is the packet for one of my own addresses? Then it is
 * mine. Else it is to be passed on: a TTL of 1 is used up, so drop it and tell the sender;
 * else take one off. Look up the longest route that matches; none: tell the sender. The
 * next hop is what the route says, or the target itself if it is on that cable. Ask for its
 * MAC address by ARP, if it is not in the cache, and put the packet in a new frame. A host
 * does the same, but does not pass on what is not its own. About an ICMP error nothing is
 * ever said, or two routers could go on for ever.
 *
 * Trap: ICMP errors about ICMP errors: a loop of complaints that no TTL ends.
 * Left out: checksums and bytes (packet.ts), queues and loss, fragments and MTU, limits on
 * the rate of ICMP errors, broadcast and multicast, machines that send to themselves, or
 * NAT routers that send.
 * Source: RFC 1812 section 5.2.1; TTL: section 5.3.1; ICMP errors: RFC 1122 section 3.2.2,
 * RFC 792, RFC 1812 section 4.3; ARP: RFC 826; its cache: RFC 1122 section 2.3.2.
 * Run: `deno run router.ts`; a whole way is in routing.ts
 * @module
 */
import { type IcmpError, Nat, type Packet, type Segment, show } from "./nat.ts";
import {
  configError,
  contains,
  longestMatch,
  parseInterface,
  parsePrefix,
  type Prefix,
  RoutingError,
} from "./route_table.ts";

/** How a machine is set up. */
export interface Machine {
  readonly name: string;
  /** Each with its address and how many bits of it are the cable's, as 192.168.1.20/24. */
  readonly ports: readonly {
    readonly link: string;
    readonly address: string;
    readonly mac: string;
  }[];
  readonly routes?: readonly { readonly to: string; readonly via: string }[];
  /** Whether it passes on what is not for it. */
  readonly forwards?: boolean;
  /** As TCP 443. */
  readonly listens?: readonly string[];
  /** The link where its public address is; what goes out there is translated. */
  readonly nat?: string;
}

/** One thing that happened, in order. */
export interface Step {
  readonly machine: string;
  readonly kind:
    | "route"
    | "ask"
    | "tell"
    | "frame"
    | "nat"
    | "drop"
    | "deliver";
  readonly text: string;
  /** Of frame and deliver. */
  readonly packet?: Packet;
  readonly mac?: { readonly from: string; readonly to: string };
}

interface Port {
  readonly link: string;
  readonly address: string;
  readonly mac: string;
  readonly prefix: Prefix;
  readonly cache: Map<string, { mac: string; until: number }>;
}
interface Route {
  readonly prefix: Prefix;
  readonly port: Port;
  /** Undefined if the target itself is on the cable. */
  readonly via?: string;
}
interface Node {
  readonly name: string;
  readonly ports: readonly Port[];
  readonly routes: readonly Route[];
  readonly forwards: boolean;
  readonly listens: Set<string>;
  readonly nat?: { readonly table: Nat; readonly outside: Port };
}

/** How long a MAC address is believed, in ms. */
export const ARP_LIFETIME = 60_000;
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const TTL = 64;

/** Machines and the cables between them. */
export class Network {
  readonly #nodes: readonly Node[];
  readonly #now: () => number;
  #steps: Step[] = [];
  #cable: { to: string; from: string; link: string; packet: Packet }[] = [];

  /**
   * @param now ms of a clock
   * @param random where NAT looks for a free port
   * @throws {RoutingError} if an address is there twice, or a route leads nowhere
   */
  constructor(
    machines: readonly Machine[],
    now: () => number,
    random?: (n: number) => number,
  ) {
    this.#now = now;
    this.#nodes = machines.map((machine) => build(machine, now, random));
    for (const key of ["address", "mac"] as const) {
      const all = this.#nodes.flatMap(({ ports }) =>
        ports.map((port) => `${port[key]} on ${port.link}`)
      );
      const twice = all.find((text, i) => all.indexOf(text) < i);
      if (twice) configError(`${twice} for two machines`);
    }
  }

  /** The NAT table of a machine. */
  nat(name: string): Nat | undefined {
    return this.#node(name).nat?.table;
  }

  /**
   * Sends a segment and lets the network run until all is quiet.
   * @returns what happened
   * @throws {RoutingError} if the machine has no route, or nobody answers its ARP
   */
  send(name: string, target: string, body: Segment, ttl = TTL): Step[] {
    this.#steps = [];
    this.#cable = [];
    const node = this.#node(name);
    const route = this.#lookUp(node, target);
    const source = route.port.address;
    // It waits for answers there.
    if (body.kind === "UDP") node.listens.add(`UDP ${body.sourcePort}`);
    this.#transmit(node, route, { source, target, ttl, body });
    for (let sent = this.#cable.shift(); sent; sent = this.#cable.shift()) {
      for (const node of this.#nodes) {
        const port = node.ports.find(({ link, mac }) =>
          link === sent.link && mac === sent.to
        );
        if (port) this.#receive(node, port, sent.packet);
      }
    }
    return this.#steps;
  }

  #node(name: string): Node {
    return this.#nodes.find((node) => node.name === name) ??
      configError(`${name}: no machine has that name`);
  }

  #step(
    node: Node,
    kind: Step["kind"],
    text: string,
    rest: Partial<Step> = {},
  ) {
    this.#steps.push({ machine: node.name, kind, text, ...rest });
  }

  #receive(node: Node, port: Port, received: Packet): void {
    let packet = received;
    const isMine = (address: string) =>
      node.ports.some((port) => port.address === address);
    if (node.nat?.outside === port) {
      const inside = node.nat.table.incoming(packet);
      if (!inside) {
        return this.#step(node, "drop", `${show(packet)}: nobody inside asked`);
      }
      this.#step(node, "nat", `to ${packet.target} becomes ${show(inside)}`);
      packet = inside;
    }
    if (isMine(packet.target)) return this.#deliver(node, packet);
    if (!node.forwards) {
      return this.#step(node, "drop", `${show(packet)}: not for this machine`);
    }
    if (packet.ttl <= 1) return this.#complain(node, received, "time exceeded");
    packet = { ...packet, ttl: packet.ttl - 1 };
    try {
      const route = this.#lookUp(node, packet.target);
      if (node.nat?.outside === route.port && node.nat.outside !== port) {
        const outside = node.nat.table.outgoing(packet);
        if (!outside) {
          return this.#step(
            node,
            "drop",
            `${show(packet)}: NAT has no entry for it`,
          );
        }
        this.#step(
          node,
          "nat",
          `from ${packet.source} becomes ${show(outside)}`,
        );
        packet = outside;
      }
      this.#transmit(node, route, packet);
    } catch (error) {
      const { code } = error as RoutingError;
      if (!(error instanceof RoutingError) || code === "config") throw error;
      this.#complain(node, received, code);
    }
  }

  /** Hands a packet to its target, which answers as a system does. */
  #deliver(node: Node, packet: Packet): void {
    this.#step(node, "deliver", show(packet), { packet });
    const { body } = packet;
    if (body.kind === "ICMP") return;
    const open = node.listens.has(`${body.kind} ${body.targetPort}`);
    if (body.kind === "UDP") {
      if (!open) this.#complain(node, packet, "port unreachable");
    } else if (body.text === "SYN") {
      const [sourcePort, targetPort] = [body.targetPort, body.sourcePort];
      const text = open ? "SYN-ACK" : "RST";
      const answer = { ...body, sourcePort, targetPort, text };
      const { source, target } = packet;
      this.#reply(node, {
        source: target,
        target: source,
        ttl: TTL,
        body: answer,
      });
    }
  }

  /** Drops a packet, and tells its sender; nothing is said about an error. */
  #complain(node: Node, about: Packet, what: IcmpError["what"]): void {
    this.#step(node, "drop", `${show(about)}: ${what}`);
    if (about.body.kind === "ICMP") return;
    const body = { kind: "ICMP", what, about } as const;
    const isMine = node.ports.some(({ address }) => address === about.target);
    // A host says that with the address that was asked, a router with its nearest one.
    const source = isMine ? about.target : undefined;
    this.#reply(node, { source, target: about.source, ttl: TTL, body });
  }

  #reply(
    node: Node,
    packet: Omit<Packet, "source"> & { source?: string },
  ): void {
    try {
      const route = this.#lookUp(node, packet.target);
      const source = packet.source ?? route.port.address;
      this.#transmit(node, route, { ...packet, source });
    } catch (error) {
      if (!(error instanceof RoutingError)) throw error;
      this.#step(node, "drop", error.message);
    }
  }

  #lookUp(node: Node, target: string): Route {
    const matching = node.routes.filter(({ prefix }) =>
      contains(prefix, target)
    );
    const route = longestMatch(node.routes, target);
    if (!route) {
      throw new RoutingError(
        "network unreachable",
        `Cannot send to ${target}: network unreachable, no route of ${node.name} ` +
          "matches; add one, as 0.0.0.0/0 via its router",
      );
    }
    const names = matching.map(({ prefix }) => prefix.text).join(" and ");
    const why = matching.length > 1
      ? `${names} match, ${route.prefix.text} is the longest`
      : `only ${names} matches`;
    const next = route.via
      ? `via ${route.via}`
      : `on ${route.port.link} itself`;
    this.#step(node, "route", `${target}: ${why}: ${next}`);
    return route;
  }

  #transmit(node: Node, { port, via }: Route, packet: Packet): void {
    const next = via ?? packet.target;
    const to = this.#resolve(node, port, next);
    const [from, link] = [port.mac, port.link];
    const text = `${from} to ${to}: ${show(packet)}, TTL ${packet.ttl}`;
    this.#step(node, "frame", text, { packet, mac: { from, to } });
    this.#cable.push({ to, from, link, packet });
  }

  /** The MAC address of a neighbour, by ARP if it is not known. */
  #resolve(node: Node, port: Port, address: string): string {
    const now = this.#now();
    const known = port.cache.get(address);
    if (known && known.until > now) return known.mac;
    const question = `who has ${address}? tell ${port.address}`;
    this.#step(node, "ask", `${port.mac} to ${BROADCAST}: ${question}`);
    const until = now + ARP_LIFETIME;
    for (const other of this.#nodes) {
      for (const theirs of other.ports) {
        if (theirs.link !== port.link || theirs.address !== address) continue;
        // It will answer soon, so it remembers who asked, and need not ask back.
        theirs.cache.set(port.address, { mac: port.mac, until });
        port.cache.set(address, { mac: theirs.mac, until });
        const text =
          `${theirs.mac} to ${port.mac}: ${address} is at ${theirs.mac}`;
        this.#step(other, "tell", text);
        return theirs.mac;
      }
    }
    port.cache.delete(address);
    throw new RoutingError(
      "host unreachable",
      `Cannot reach ${address}: host unreachable, nobody on ${port.link} has it; ` +
        "is it on, and is the prefix right?",
    );
  }
}

function build(
  machine: Machine,
  now: () => number,
  random?: (n: number) => number,
): Node {
  const { name, forwards = false, listens = [] } = machine;
  const ports = machine.ports.map((port): Port => ({
    ...port,
    ...parseInterface(port.address),
    cache: new Map(),
  }));
  const routes: Route[] = ports.map((port) => ({ port, prefix: port.prefix }));
  for (const { to, via } of machine.routes ?? []) {
    const port = ports.find(({ prefix }) => contains(prefix, via)) ??
      configError(`the route to ${to}: no cable of ${name} reaches ${via}`);
    routes.push({ prefix: parsePrefix(to), port, via });
  }
  const outside = ports.find(({ link }) => link === machine.nat);
  if (machine.nat && !outside) {
    configError(`NAT to ${machine.nat}: not at ${name}`);
  }
  const nat = outside &&
    { table: new Nat(outside.address, now, random), outside };
  return { name, ports, routes, forwards, listens: new Set(listens), nat };
}

if (import.meta.main) {
  const mac = (n: number) => `02:00:00:00:00:0${n}`;
  const network = new Network([
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
      listens: ["TCP 631"],
    },
  ], () => 0);
  const syn = { kind: "TCP", sourcePort: 50000, text: "SYN" } as const;
  for (const target of ["192.0.2.10", "192.0.2.11", "198.51.100.1"]) {
    console.log(`laptop sends a SYN to ${target}`);
    for (
      const step of network.send("laptop", target, { ...syn, targetPort: 631 })
    ) {
      console.log(
        `  ${step.machine.padEnd(8)} ${step.kind.padEnd(8)} ${step.text}`,
      );
    }
  }
}
