#!/usr/bin/env -S deno run
/**
 * Q. Build the first packet of a connection, a browser's SYN, byte by byte.
 *
 * A. From the inside out, as each layer needs the length of what it carries. The TCP header
 * has 20 bytes and options of 20 more; its checksum covers the addresses, too, which stand
 * outside: so it is taken over a pseudo header of 12 bytes before the segment. The IPv4
 * header has a checksum of its own. It is the ones' complement of the ones' complement sum
 * of all 16-bit words, with 0 in the place where it will stand, and a carry comes back in
 * at the right. Summed up again with the checksum in its place, all ones come out. Last
 * come the two MAC addresses: the next router's and our own.
 *
 * Trap: in UDP a checksum of 0 means that there is none, so one that is 0 is sent as 0xffff.
 * Left out: as in packet.ts, which reads all this.
 * Source: RFC 1071 sections 1 and 2; the pseudo header: RFC 9293 section 3.1; UDP: RFC 768;
 * options: RFC 9293 section 3.2, RFC 7323 sections 2.2 and 3.2, RFC 2018 section 2.
 * Run: `deno run packet_writer.ts`
 * @module
 */
import { addressFamily, parseAddress } from "./address.ts";
import type { Arp, Frame, Ipv4, Tcp, TcpOption, Udp } from "./packet.ts";

/** From the lowest bit on. */
export const FLAGS = [
  ...["FIN", "SYN", "RST", "PSH"] as const,
  ...["ACK", "URG", "ECE", "CWR"] as const,
];
/** What the numbers of types, protocols and options are. */
export const ETHER = { IPv4: 0x0800, ARP: 0x0806 } as const;
export const PROTOCOL = { TCP: 6, UDP: 17 } as const;
export const OPTION = {
  ...{ "end": 0, "no-op": 1, "MSS": 2, "window scale": 3 },
  ...{ "SACK permitted": 4, "timestamps": 8 },
} as const;
/** A header's length has 4 bits and counts words of 4 bytes, of which 5 are fixed. */
export const MOST_OPTIONS = 40;
export const DONT_FRAGMENT = 0x4000;
const LONGEST_PACKET = 0xffff;

/** Why a frame cannot be read or written. */
export type Problem =
  | ("cut" | "length" | "checksum" | "version" | "unsupported")
  | "value";

export class PacketError extends Error {
  override name = "PacketError";
  constructor(readonly code: Problem, message: string) {
    super(message);
  }
}

/**
 * The bytes of a frame, without padding: a network card fills up to 60.
 * @throws {PacketError} if something does not fit into its field
 */
export function encode({ to, from, body }: Frame): Uint8Array {
  return join([
    macBytes(to),
    macBytes(from),
    [2, ETHER[body.kind], "type"],
    body.kind === "ARP" ? encodeArp(body) : encodeIpv4(body),
  ]);
}

/** The Internet checksum: of bytes in which its own place is 0. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    // The last byte of an odd number is the left half of a word.
    sum += bytes[i] << 8 | (bytes[i + 1] ?? 0);
    // The carry comes back in at the right: 0x10000 less, and 1 more.
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

/** What TCP and UDP sum up before their own bytes. */
export function pseudoHeader(
  { source, target }: { readonly source: string; readonly target: string },
  protocol: number,
  length: number,
): Uint8Array {
  return join([
    ipBytes(source),
    ipBytes(target),
    [1, 0, "zero"],
    [1, protocol, "protocol"],
    [2, length, "length"],
  ]);
}

/** From where to where. */
export interface Way {
  readonly to: string;
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly sourcePort: number;
  readonly targetPort: number;
}

/** A packet with the usual rest of its header, in a frame. */
export function wrap(
  { to, from, source, target }: Pick<Way, "to" | "from" | "source" | "target">,
  body: Ipv4["body"],
  rest: Partial<Pick<Ipv4, "ttl" | "id" | "dontFragment" | "tos">> = {},
): Frame {
  const usual = { ttl: 64, id: 0, dontFragment: true, tos: 0 };
  const options = new Uint8Array();
  return {
    ...{ to, from },
    body: { kind: "IPv4", source, target, ...usual, ...rest, options, body },
  };
}

/** A browser's SYN, with the options in Linux's order. @param seq random in real life */
export function browserSyn(way: Way, seq: number, time: number): Frame {
  return wrap(way, {
    kind: "TCP",
    ...{ sourcePort: way.sourcePort, targetPort: way.targetPort },
    ...{ seq, ack: 0, flags: ["SYN"], window: 64240, urgent: 0 },
    options: [
      // What fits into Ethernet's 1500 bytes, less two headers of 20.
      { kind: "MSS", size: 1460 },
      { kind: "SACK permitted" },
      { kind: "timestamps", value: time, echo: 0 },
      { kind: "no-op" },
      { kind: "window scale", shift: 7 },
    ],
    data: new Uint8Array(),
  });
}

function encodeArp({ operation, sender, target }: Arp): Uint8Array {
  return join([
    [2, 1, "hardware"],
    [2, ETHER.IPv4, "protocol"],
    [1, 6, "length"],
    [1, 4, "length"],
    [2, operation === "request" ? 1 : 2, "operation"],
    ...[sender, target].flatMap(({ mac, ip }) => [macBytes(mac), ipBytes(ip)]),
  ]);
}

function encodeIpv4(packet: Ipv4): Uint8Array {
  const { body, options } = packet;
  if (options.length > MOST_OPTIONS || options.length % 4 !== 0) {
    fail(
      `IPv4 options of ${options.length} bytes: needs 0, 4, … ${MOST_OPTIONS}`,
    );
  }
  const protocol = body.kind === "other" ? body.protocol : PROTOCOL[body.kind];
  const inside = body.kind === "TCP"
    ? encodeTcp(packet, body)
    : body.kind === "UDP"
    ? encodeUdp(packet, body)
    : body.data;
  const size = 20 + options.length;
  const length = size + inside.length;
  if (length > LONGEST_PACKET) {
    fail(`a packet of ${length} bytes: at most ${LONGEST_PACKET} fit`);
  }
  const header = join([
    [1, 4 << 4 | size / 4, "version and length"],
    [1, packet.tos, "traffic class"],
    [2, length, "length"],
    [2, packet.id, "id"],
    [2, packet.dontFragment ? DONT_FRAGMENT : 0, "flags"],
    [1, packet.ttl, "ttl"],
    [1, protocol, "protocol"],
    [2, 0, "checksum"],
    ipBytes(packet.source),
    ipBytes(packet.target),
    options,
  ]);
  put(header, 10, checksum(header));
  return join([header, inside]);
}

function encodeTcp(packet: Ipv4, tcp: Tcp): Uint8Array {
  const options = join(tcp.options.map(encodeOption));
  const size = 20 + Math.ceil(options.length / 4) * 4;
  if (options.length > MOST_OPTIONS) {
    fail(`TCP options of ${options.length} bytes: at most ${MOST_OPTIONS} fit`);
  }
  const bits = tcp.flags.reduce(
    (sum, flag) => sum | 1 << FLAGS.indexOf(flag),
    0,
  );
  const segment = join([
    [2, tcp.sourcePort, "port"],
    [2, tcp.targetPort, "port"],
    [4, tcp.seq, "sequence number"],
    [4, tcp.ack, "acknowledgement"],
    [1, size / 4 << 4, "header length"],
    [1, bits, "flags"],
    [2, tcp.window, "window"],
    [2, 0, "checksum"],
    [2, tcp.urgent, "urgent pointer"],
    options,
    new Uint8Array(size - 20 - options.length),
    tcp.data,
  ]);
  put(segment, 16, checksumOf(packet, PROTOCOL.TCP, segment));
  return segment;
}

function encodeOption(option: TcpOption): Uint8Array {
  const numbers: Part[] = option.kind === "MSS"
    ? [[2, option.size, "MSS"]]
    : option.kind === "window scale"
    ? [[1, option.shift, "window scale"]]
    : option.kind === "timestamps"
    ? [[4, option.value, "timestamp"], [4, option.echo, "timestamp"]]
    : option.kind === "other"
    ? [option.data]
    : [];
  const type = option.kind === "other" ? option.type : OPTION[option.kind];
  const known: readonly number[] = Object.values(OPTION);
  if (option.kind === "other" && known.includes(type)) {
    fail(`option ${type} as another one: its form is fixed`);
  }
  if (type === OPTION["no-op"]) return Uint8Array.of(type);
  const value = join(numbers);
  return join([[1, type, "option"], [1, 2 + value.length, "length"], value]);
}

function encodeUdp(packet: Ipv4, udp: Udp): Uint8Array {
  const datagram = join([
    [2, udp.sourcePort, "port"],
    [2, udp.targetPort, "port"],
    [2, 8 + udp.data.length, "UDP length"],
    [2, 0, "checksum"],
    udp.data,
  ]);
  const sum = checksumOf(packet, PROTOCOL.UDP, datagram);
  // Both are zero in ones' complement, but 0 would say that there is no checksum.
  put(datagram, 6, sum === 0 ? 0xffff : sum);
  return datagram;
}

function checksumOf(packet: Ipv4, protocol: number, bytes: Uint8Array): number {
  if (bytes.length > LONGEST_PACKET) {
    fail(`${bytes.length} bytes: at most ${LONGEST_PACKET} fit`);
  }
  const before = pseudoHeader(packet, protocol, bytes.length);
  return checksum(join([before, bytes]));
}

/** Bytes as they are, or a number in so many, with what it is. */
type Part = Uint8Array | readonly [size: number, value: number, what: string];

function join(parts: readonly Part[]): Uint8Array {
  const all = parts.map((part) =>
    part instanceof Uint8Array ? part : number(part)
  );
  const bytes = new Uint8Array(
    all.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of all) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function number([size, value, what]: readonly [number, number, string]) {
  const least = 256 ** size;
  if (!(Number.isInteger(value) && value >= 0 && value < least)) {
    fail(`${what} ${value}: needs 0 to ${least - 1}`);
  }
  return Uint8Array.from(
    { length: size },
    (_, i) => Math.floor(value / 256 ** (size - 1 - i)),
  );
}

function put(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

function macBytes(text: string): Uint8Array {
  if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/.test(text)) {
    fail(`${text} as a MAC address: needs a form like 02:00:5e:10:00:01`);
  }
  return Uint8Array.fromHex(text.replaceAll(":", ""));
}

function ipBytes(text: string): Uint8Array {
  if (addressFamily(text) !== 4) fail(`${text} as an IPv4 address`);
  return parseAddress(text);
}

function fail(what: string): never {
  throw new PacketError("value", `Cannot write ${what}`);
}

if (import.meta.main) {
  const frame = browserSyn(
    {
      ...{ to: "02:00:5e:10:00:01", from: "02:00:5e:10:00:14" },
      ...{ source: "192.168.1.20", target: "203.0.113.80" },
      ...{ sourcePort: 51514, targetPort: 443 },
    },
    0x9a3b1c5d,
    0x12345678,
  );
  const bytes = encode(frame);
  const rows = [[0, 14, "Ethernet"], [14, 34, "IPv4"], [
    34,
    54,
    "TCP",
  ]] as const;
  for (const [from, to, name] of [...rows, [54, 74, "options"]] as const) {
    console.log(name.padEnd(9), bytes.slice(from, to).toHex());
  }
  const header = bytes.slice(14, 34);
  const right = checksum(header.with(10, 0).with(11, 0));
  console.log("checksum of the IPv4 header:", `0x${right.toString(16)}`);
  console.log("summed up with it in its place:", checksum(header));
}
