#!/usr/bin/env -S deno run
/**
 * Q. Ten devices at home, one public address. How does an answer find its way back?
 *
 * A. The home router keeps a table. When a packet goes out, it writes its own public address
 * over the sender's, and a port that is free there over the sender's port, and remembers
 * which device and port that stands for. The server answers to the public address and
 * port; the router looks the port up and writes the private address back in. What comes to
 * a port that is not in the table, or from somebody who was not asked, is dropped. An entry
 * ends when nothing has gone out for long. ICMP errors quote the packet that they are
 * about, and in there the addresses must be changed as well.
 *
 * Trap: to key the table by the port alone: two devices may use the same one.
 * Left out: answers of one's own to oneself (hairpinning), ending an entry at FIN or RST,
 * the port that a router forwards by hand, protocols that write addresses into their data,
 * low ports for low ports and even ones for even ones (RFC 4787 REQ-3a and 4).
 * Source: RFC 3022 section 4.1; one mapping for all peers, what renews it, and for how long:
 * RFC 4787 REQ-1, 5 and 6, RFC 5382 REQ-5; ICMP: RFC 5508 REQ-4 and 5.
 * Run: `deno run nat.ts`
 * @module
 */

/** What goes from host to host. */
export interface Packet {
  readonly source: string;
  readonly target: string;
  /** How many routers may still pass it on, and one more. */
  readonly ttl: number;
  readonly body: Segment | IcmpError;
}
export interface Segment {
  readonly kind: "TCP" | "UDP";
  readonly sourcePort: number;
  readonly targetPort: number;
  /** "SYN", "SYN-ACK", "RST" or data. */
  readonly text: string;
}
export interface IcmpError {
  readonly kind: "ICMP";
  readonly what:
    | ("time exceeded" | "network unreachable")
    | ("host unreachable" | "port unreachable");
  readonly about: Packet;
}

/** How long an entry lives with nothing going out, in ms. */
export const LIFETIME = { TCP: 7_440_000, UDP: 300_000 } as const;
/** Ports below are for services. */
const FIRST_PORT = 1024;
const PORTS = 65536 - FIRST_PORT;
/** How many ports are looked at, so that a full table does not hold the router up. */
const MOST_TRIES = 128;
/** Peers that an entry remembers, so that none grows without end. */
const MOST_PEERS = 1000;

/** What a public port stands for. */
export interface Mapping {
  readonly kind: Segment["kind"];
  readonly address: string;
  readonly port: number;
  readonly publicPort: number;
  /** Who was written to, as 203.0.113.80:443: only these may answer. */
  readonly peers: Set<string>;
  /** When it ends, in ms. */
  until: number;
}

/** What a packet is about, in a line. */
export function show({ source, target, body }: Packet): string {
  return body.kind === "ICMP"
    ? `${source} to ${target} ${body.what}`
    : `${source}:${body.sourcePort} to ${target}:${body.targetPort} ${body.text}`;
}

/** The table of one public address. */
export class Nat {
  readonly #byDevice = new Map<string, Mapping>();
  readonly #byPort = new Map<string, Mapping>();

  /**
   * @param now ms of a clock
   * @param random an integer from 0 to below n: where to look for a free port
   */
  constructor(
    readonly publicAddress: string,
    readonly now: () => number,
    readonly random: (n: number) => number = randomBelow,
  ) {}

  /** The entries that have not ended. */
  mappings(): Mapping[] {
    return [...this.#byPort.values()].filter((m) => m.until > this.now());
  }

  /** A packet as it leaves; undefined if it cannot: no port is free, or nobody asked. */
  outgoing(packet: Packet): Packet | undefined {
    const { body } = packet;
    if (body.kind === "ICMP") {
      // About a packet that came in: its target must be what the peer knows.
      const { about } = body;
      if (about.body.kind === "ICMP") return undefined;
      const { kind, targetPort } = about.body;
      const found = this.#device(kind, about.target, targetPort);
      if (!found) return undefined;
      const inside = { ...about.body, targetPort: found.publicPort };
      const quoted = { ...about, target: this.publicAddress, body: inside };
      const source = this.publicAddress;
      return { ...packet, source, body: { ...body, about: quoted } };
    }
    const mapping = this.#map(body.kind, packet.source, body.sourcePort);
    if (!mapping) return undefined;
    mapping.until = this.now() + LIFETIME[body.kind];
    const peer = `${packet.target}:${body.targetPort}`;
    if (mapping.peers.size >= MOST_PEERS && !mapping.peers.has(peer)) {
      const [oldest] = mapping.peers;
      mapping.peers.delete(oldest);
    }
    mapping.peers.add(peer);
    return {
      ...packet,
      source: this.publicAddress,
      body: { ...body, sourcePort: mapping.publicPort },
    };
  }

  /** A packet as it comes in; undefined if no device asked for it. */
  incoming(packet: Packet): Packet | undefined {
    if (packet.target !== this.publicAddress) return undefined;
    const { body } = packet;
    if (body.kind === "ICMP") {
      const { about } = body;
      if (about.body.kind === "ICMP" || about.source !== this.publicAddress) {
        return undefined;
      }
      const { kind, sourcePort, targetPort } = about.body;
      // Any router on the way may send it, so what counts is whom the packet was for.
      const found = this.#asked(kind, sourcePort, about.target, targetPort);
      if (!found) return undefined;
      const inside = { ...about.body, sourcePort: found.port };
      const quoted = { ...about, source: found.address, body: inside };
      return {
        ...packet,
        target: found.address,
        body: { ...body, about: quoted },
      };
    }
    const { kind, sourcePort, targetPort } = body;
    const found = this.#asked(kind, targetPort, packet.source, sourcePort);
    if (!found) return undefined;
    return {
      ...packet,
      target: found.address,
      body: { ...body, targetPort: found.port },
    };
  }

  /** What a public port stands for, if its device has written to that peer. */
  #asked(kind: Segment["kind"], port: number, peer: string, peerPort: number) {
    const found = this.#byPort.get(`${kind} ${port}`);
    if (!found || found.until <= this.now()) return undefined;
    return found.peers.has(`${peer}:${peerPort}`) ? found : undefined;
  }

  #device(kind: Segment["kind"], address: string, port: number) {
    const found = this.#byDevice.get(`${kind} ${address}:${port}`);
    return found && found.until > this.now() ? found : undefined;
  }

  /** The entry of a device's port, a new one if need be. */
  #map(kind: Segment["kind"], address: string, port: number) {
    const known = this.#device(kind, address, port);
    if (known) return known;
    const publicPort = this.#free(kind, port);
    if (publicPort === undefined) return undefined;
    const mapping = {
      kind,
      address,
      port,
      publicPort,
      peers: new Set<string>(),
    };
    const old = this.#byPort.get(`${kind} ${publicPort}`);
    if (old) this.#byDevice.delete(`${kind} ${old.address}:${old.port}`);
    // A device's ended entry may still stand at another port.
    const ended = this.#byDevice.get(`${kind} ${address}:${port}`);
    if (ended) this.#byPort.delete(`${kind} ${ended.publicPort}`);
    const entry: Mapping = { ...mapping, until: this.now() + LIFETIME[kind] };
    this.#byDevice.set(`${kind} ${address}:${port}`, entry);
    this.#byPort.set(`${kind} ${publicPort}`, entry);
    return entry;
  }

  /** The device's own port if it is free, or else the next free one from anywhere. */
  #free(kind: Segment["kind"], own: number): number | undefined {
    const free = (port: number) =>
      !((this.#byPort.get(`${kind} ${port}`)?.until ?? 0) > this.now());
    if (own >= FIRST_PORT && free(own)) return own;
    const start = this.random(PORTS);
    for (let i = 0; i < MOST_TRIES; i++) {
      const port = FIRST_PORT + (start + i) % PORTS;
      if (free(port)) return port;
    }
    return undefined;
  }
}

/** By crypto, so that nobody outside can guess a port. */
function randomBelow(n: number): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] % n;
}

if (import.meta.main) {
  let now = 0;
  const nat = new Nat("198.51.100.7", () => now, () => 60_000);
  const line = (what: string, packet: Packet | undefined) => {
    console.log(what.padEnd(42), packet ? show(packet) : "dropped");
  };
  const packet = (
    source: string,
    sourcePort: number,
    target: string,
    targetPort: number,
  ): Packet => {
    const body = { kind: "UDP", sourcePort, targetPort, text: "data" } as const;
    return { source, target, ttl: 64, body };
  };
  const server = "203.0.113.80";
  for (const device of ["192.168.1.20", "192.168.1.21"]) {
    const sent = packet(device, 50000, server, 443);
    line(`${device}:50000 asks ${server}:443`, nat.outgoing(sent));
  }
  const answer = (port: number) => packet(server, 443, "198.51.100.7", port);
  line("the answer to port 50000", nat.incoming(answer(50000)));
  line("the answer to port 61024", nat.incoming(answer(61024)));
  const other = packet("203.0.113.99", 443, "198.51.100.7", 50000);
  line("somebody else, to port 50000", nat.incoming(other));
  line("the server, to port 50001", nat.incoming(answer(50001)));
  now += LIFETIME.UDP;
  line("the server, five minutes later", nat.incoming(answer(50000)));
}
