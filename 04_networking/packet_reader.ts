#!/usr/bin/env -S deno run
/**
 * Q. Read a packet that a stranger sent. What can be wrong with it?
 *
 * A. Everything. A length may be shorter than its own header, or longer than what is there;
 * lengths that stand in one another may contradict; an option of length 0 would be read
 * for ever; and any bit may have turned over, which the checksums mostly tell. So each read
 * looks for the end first, each length is compared with what it stands in, and an error says
 * at which byte and why. And a frame may go on after its packet: Ethernet fills up to 60
 * bytes, so where the data end is only said by IPv4's own length.
 *
 * Trap: to take all of the frame for the packet: 6 bytes of padding become data.
 * Left out: as in packet.ts, which shows what this reads; UDP options (RFC 9868).
 * Source: RFC 791 section 3.1, RFC 9293 sections 3.1 and 3.2, RFC 768, RFC 826; padding:
 * RFC 894; checksums: RFC 1071 section 1.
 * Run: `deno run packet_reader.ts`
 * @module
 */
import { formatAddress } from "./address.ts";
import type { Field } from "./byte_fields.ts";
import type { Arp, Frame, Ipv4, Tcp, TcpOption, Udp } from "./packet.ts";
import {
  browserSyn,
  checksum,
  DONT_FRAGMENT,
  encode,
  ETHER,
  FLAGS,
  OPTION,
  PacketError,
  type Problem,
  PROTOCOL,
  pseudoHeader,
} from "./packet_writer.ts";

/**
 * Reads a frame. What stands behind the packet is padding: frames have 60 bytes at least.
 * @throws {PacketError} if it is cut, contradicts itself, or is none of ours
 */
export function decode(bytes: Uint8Array): Frame {
  return readFrame(new Reader(bytes));
}

/**
 * What each byte of a frame says: all of them, in order.
 * @throws {PacketError} as {@link decode}
 */
export function explain(bytes: Uint8Array): Field[] {
  const reader = new Reader(bytes);
  readFrame(reader);
  return reader.fields;
}

/** Reads bytes in order, up to an end, and notes what they mean. */
class Reader {
  at = 0;
  end: number;
  readonly fields: Field[] = [];

  constructor(readonly bytes: Uint8Array) {
    this.end = bytes.length;
  }

  fail(code: Problem, why: string, at = this.at): never {
    throw new PacketError(code, `Cannot read the frame at byte ${at}: ${why}`);
  }

  take(size: number, meaning: (bytes: Uint8Array) => string): Uint8Array {
    if (this.at + size > this.end) {
      const missing = this.at + size - this.end;
      this.fail("cut", `it ends ${missing} too early`);
    }
    const bytes = this.bytes.slice(this.at, this.at + size);
    if (size > 0) {
      this.fields.push({ at: this.at, bytes, meaning: meaning(bytes) });
    }
    this.at += size;
    return bytes;
  }

  number(size: number, meaning: (value: number) => string): number {
    const value = (bytes: Uint8Array) =>
      bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    return value(this.take(size, (bytes) => meaning(value(bytes))));
  }

  mac(what: string): string {
    return formatMac(this.take(6, (bytes) => `${what} ${formatMac(bytes)}`));
  }

  ip(what: string): string {
    return formatAddress(
      this.take(4, (bytes) => `${what} ${formatAddress(bytes)}`),
    );
  }

  data(): Uint8Array {
    return this.take(this.end - this.at, ({ length }) => `${length} of data`);
  }

  /** Goes on up to an earlier end. */
  until(end: number, what: string): void {
    if (end > this.end) {
      this.fail("cut", `${what} ends ${end - this.end} too early`);
    }
    this.end = end;
  }
}

function readFrame(from: Reader): Frame {
  const to = from.mac("to the network card");
  const sender = from.mac("from the network card");
  const type = from.number(
    2,
    (type) =>
      type === ETHER.IPv4
        ? "what follows is IPv4"
        : type === ETHER.ARP
        ? "what follows is ARP"
        : from.fail("unsupported", `type ${hex(type)} is neither IPv4 nor ARP`),
  );
  const body = type === ETHER.ARP ? readArp(from) : readIpv4(from);
  from.end = from.bytes.length;
  from.take(from.end - from.at, () => "padding, to the 60 bytes of a frame");
  return { to, from: sender, body };
}

function readArp(from: Reader): Arp {
  const must = (size: number, right: number, what: string) =>
    from.number(
      size,
      (value) =>
        value === right ? what : from.fail(
          "unsupported",
          `ARP of ${hex(value)}, not of ${hex(right)}`,
        ),
    );
  must(2, 1, "ARP for Ethernet");
  must(2, ETHER.IPv4, "and IPv4");
  must(1, 6, "whose addresses have 6 bytes");
  must(1, 4, "and 4 bytes");
  const number = from.number(
    2,
    (value) =>
      value === 1
        ? "a request: who has the target's IP address?"
        : value === 2
        ? "a reply: the sender has it"
        : from.fail("unsupported", `ARP operation ${value} is neither 1 nor 2`),
  );
  const [sender, target] = ["sender", "target"].map((who) => ({
    mac: from.mac(`${who}'s MAC address`),
    ip: from.ip(`${who}'s IP address`),
  }));
  const operation = number === 1 ? "request" : "reply";
  return { kind: "ARP", operation, sender, target };
}

function readIpv4(from: Reader): Ipv4 {
  const start = from.at;
  const first = from.number(1, (byte) => {
    const [version, words] = [byte >> 4, byte & 15];
    if (version !== 4) from.fail("version", `IP version ${version}, not 4`);
    if (words < 5) {
      from.fail("length", `an IPv4 header of ${words} words: needs 5`);
    }
    return `version 4, a header of ${words} words: ${words * 4} bytes`;
  });
  const size = (first & 15) * 4;
  const tos = from.number(1, (x) => `traffic class ${hex(x)}`);
  const length = from.number(2, (x) => {
    if (x < size) from.fail("length", `a packet of ${x}, its header ${size}`);
    return `the packet has ${x} bytes`;
  });
  from.until(start + length, "the packet");
  const id = from.number(2, (x) => `id ${x}, for fragments`);
  const flags = from.number(2, (x) => {
    const what = x & 0x8000 ? "the reserved bit is set" : "a fragment";
    if (x & ~DONT_FRAGMENT) from.fail("unsupported", `${hex(x)}: ${what}`);
    return x ? "do not cut into fragments" : "may be cut into fragments";
  });
  const ttl = from.number(1, (x) => `TTL: ${x} more hops`);
  const protocol = from.number(
    1,
    (x) =>
      x === PROTOCOL.TCP ? "TCP" : x === PROTOCOL.UDP ? "UDP" : `protocol ${x}`,
  );
  from.number(2, (x) => `checksum of the header ${hex(x)}`);
  const source = from.ip("from");
  const target = from.ip("to");
  const options = from.take(size - 20, () => "options of IPv4");
  const header = from.bytes.subarray(start, start + size);
  verify(from, "the IPv4 header", header, 10);
  const body = protocol === PROTOCOL.TCP
    ? readTcp(from, { source, target })
    : protocol === PROTOCOL.UDP
    ? readUdp(from, { source, target })
    : { kind: "other", protocol, data: from.data() } as const;
  const dontFragment = flags !== 0;
  const rest = { ttl, id, dontFragment, tos, options, body };
  return { kind: "IPv4", source, target, ...rest };
}

type Addresses = Pick<Ipv4, "source" | "target">;

function readTcp(from: Reader, addresses: Addresses): Tcp {
  const start = from.at;
  const segment = from.bytes.subarray(start, from.end);
  const sourcePort = from.number(2, (x) => `from port ${x}`);
  const targetPort = from.number(2, (x) => `to port ${x}`);
  const seq = from.number(4, (x) => `the first byte is number ${x}`);
  const ack = from.number(4, (x) => `byte ${x} is wanted next, if ACK is set`);
  const size = 4 * (from.number(1, (x) => {
    const words = x >> 4;
    if (words < 5) {
      from.fail("length", `a TCP header of ${words} words: needs 5`);
    }
    return `a header of ${words} words: ${words * 4} bytes`;
  }) >> 4);
  const named = (bits: number) => FLAGS.filter((_, i) => bits >> i & 1);
  const flags = named(from.number(1, (x) => named(x).join(" ") || "no flags"));
  const window = from.number(2, (x) => `a window of ${x}, before scaling`);
  from.number(2, (x) => `checksum, of the addresses as well ${hex(x)}`);
  const urgent = from.number(2, (x) => `urgent pointer ${x}`);
  const end = from.end;
  from.until(start + size, "the TCP header");
  const options: TcpOption[] = [];
  while (from.at < from.end) {
    const option = readOption(from);
    if (option) options.push(option);
  }
  from.end = end;
  const data = from.data();
  const before = pseudoHeader(addresses, PROTOCOL.TCP, segment.length);
  verify(from, "TCP", segment, 16, before);
  const numbers = { sourcePort, targetPort, seq, ack, window, urgent };
  return { kind: "TCP", ...numbers, flags, options, data };
}

function readOption(from: Reader): TcpOption | undefined {
  const type = from.bytes[from.at];
  if (type === OPTION.end) {
    from.take(from.end - from.at, () => "end of options, and filling");
    return undefined;
  }
  if (type === OPTION["no-op"]) {
    from.take(1, () => "no-op: fills up to a word");
    return { kind: "no-op" };
  }
  const start = from.at;
  const size = from.at + 1 < from.end ? from.bytes[start + 1] : 0;
  // A length of 0 would be read for ever.
  if (size < 2 || start + size > from.end) {
    from.fail("length", `a TCP option of a length that does not fit`);
  }
  const head = (name: string, right: number) => {
    if (size !== right) {
      from.fail("length", `${name} of ${size} bytes: needs ${right}`);
    }
    from.take(2, () => `option ${type}, ${name}, ${size} bytes`);
  };
  switch (type) {
    case OPTION.MSS:
      head("MSS", 4);
      return {
        kind: "MSS",
        size: from.number(2, (x) => `segments of ${x} bytes of data at most`),
      };
    case OPTION["window scale"]:
      head("window scale", 3);
      return {
        kind: "window scale",
        shift: from.number(1, (x) => `later windows count 2^${x} bytes each`),
      };
    case OPTION["SACK permitted"]:
      head("SACK permitted", 2);
      return { kind: "SACK permitted" };
    case OPTION.timestamps:
      head("timestamps", 10);
      return {
        kind: "timestamps",
        value: from.number(4, (x) => `the sender's clock ${x}`),
        echo: from.number(4, (x) => `the last that it saw of the other ${x}`),
      };
  }
  head("which we do not know", size);
  const data = from.take(size - 2, () => "its value");
  return { kind: "other", type, data };
}

function readUdp(from: Reader, addresses: Addresses): Udp {
  const datagram = from.bytes.subarray(from.at, from.end);
  const sourcePort = from.number(2, (x) => `from port ${x}`);
  const targetPort = from.number(2, (x) => `to port ${x}`);
  from.number(2, (x) => {
    if (x !== datagram.length) {
      from.fail("length", `UDP of ${x} bytes, but ${datagram.length} are here`);
    }
    return `the datagram has ${x} bytes`;
  });
  const sum = from.number(
    2,
    (x) =>
      x === 0 ? "no checksum" : `checksum, of the addresses as well ${hex(x)}`,
  );
  const data = from.data();
  const before = pseudoHeader(addresses, PROTOCOL.UDP, datagram.length);
  if (sum !== 0) verify(from, "UDP", datagram, 6, before);
  return { kind: "UDP", sourcePort, targetPort, data };
}

/** Sums up bytes with their checksum in its place, which leaves 0. */
function verify(
  from: Reader,
  what: string,
  bytes: Uint8Array,
  place: number,
  before: Uint8Array = new Uint8Array(),
): void {
  const all = new Uint8Array([...before, ...bytes]);
  if (checksum(all) === 0) return;
  const at = before.length + place;
  const right = hex(checksum(all.with(at, 0).with(at + 1, 0)));
  const found = hex(all[at] << 8 | all[at + 1]);
  const start = bytes.byteOffset - from.bytes.byteOffset + place;
  from.fail(
    "checksum",
    `checksum ${found} of ${what}, but it is ${right}`,
    start,
  );
}

const hex = (x: number) => `0x${x.toString(16).padStart(4, "0")}`;
const formatMac = (bytes: Uint8Array) =>
  bytes.toHex().replace(/..(?=.)/g, "$&:");

if (import.meta.main) {
  const way = {
    ...{ to: "02:00:5e:10:00:01", from: "02:00:5e:10:00:14" },
    ...{ source: "192.168.1.20", target: "203.0.113.80" },
    ...{ sourcePort: 51514, targetPort: 443 },
  };
  const syn = encode(browserSyn(way, 0x9a3b1c5d, 0x12345678));
  const edits: [what: string, bytes: Uint8Array][] = [
    ["as it was sent", syn],
    ["cut", syn.slice(0, 60)],
    ["filled up", new Uint8Array([...syn, 0, 0, 0, 0, 0, 0])],
    ["IPv6 in IPv4's place", syn.with(14, 0x60)],
    ["a header of 4 words", syn.with(14, 0x44)],
    ["a packet of 16 bytes", syn.with(17, 16)],
    ["one bit of an address", syn.with(33, 81)],
    ["one bit of a port", syn.with(37, 0xba)],
    ["an option of length 0", syn.with(59, 0)],
  ];
  for (const [what, bytes] of edits) {
    try {
      const { body } = decode(bytes);
      console.log(`${what}: ${body.kind}, ${explain(bytes).length} fields`);
    } catch (error) {
      console.log(`${what}: ${(error as Error).message}`);
    }
  }
}
