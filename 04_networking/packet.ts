#!/usr/bin/env -S deno run
/**
 * Q. What does one packet look like on the wire, from the cable up?
 *
 * A. Three envelopes, one in another. Outside is the Ethernet frame: the MAC addresses of
 * the next hop and of the sender, which hold on this cable only, and what is inside. Then
 * the IPv4 header, 20 bytes: the length, the TTL, the protocol, a checksum of the header,
 * and both addresses, which stay the same all the way. Then TCP: ports, the number of the
 * first byte, flags, the window. A SYN also says how large segments may be, how the window
 * is scaled, and that SACK and timestamps are known. TCP's checksum covers the data, and
 * the addresses as well. Whose MAC address an IP address has is asked by ARP, of everybody
 * on the cable.
 *
 * Trap: header lengths count words of 4 bytes: 5 means 20, and with options it is not 5.
 * Left out: the preamble and the CRC-32, which the network card adds and takes away; VLAN
 * tags, IPv6, fragments, what ICMP says; IPv4's options stay bytes.
 * Source: IPv4: RFC 791 section 3.1; TCP: RFC 9293 section 3.1; its options: RFC 9293
 * section 3.2, RFC 7323 and RFC 2018; UDP: RFC 768; ARP: RFC 826; type or length: RFC 894.
 * Run: `deno run packet.ts`, or with a frame in hexadecimal
 * @module
 */
import { formatFields } from "./byte_fields.ts";
import { decode, explain } from "./packet_reader.ts";
import {
  browserSyn,
  encode,
  type FLAGS,
  PacketError,
} from "./packet_writer.ts";

export { decode, encode, explain };

/** What is on the cable, between the preamble and the CRC. */
export interface Frame {
  /** MAC addresses as 02:00:5e:10:00:01. */
  readonly to: string;
  readonly from: string;
  readonly body: Arp | Ipv4;
}

/** A question for the MAC address of an IPv4 address, or the answer. */
export interface Arp {
  readonly kind: "ARP";
  readonly operation: "request" | "reply";
  readonly sender: { readonly mac: string; readonly ip: string };
  /** In a request its MAC address is what is asked for, mostly written as zeros. */
  readonly target: { readonly mac: string; readonly ip: string };
}

/** A packet. */
export interface Ipv4 {
  readonly kind: "IPv4";
  readonly source: string;
  readonly target: string;
  /** How many routers may still pass it on. */
  readonly ttl: number;
  readonly id: number;
  readonly dontFragment: boolean;
  /** Traffic class: DSCP in the upper 6 bits, ECN in the lower 2. */
  readonly tos: number;
  /** As they are, a multiple of 4 bytes. */
  readonly options: Uint8Array;
  readonly body: Tcp | Udp | Other;
}

/** A segment. */
export interface Tcp {
  readonly kind: "TCP";
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: readonly Flag[];
  readonly window: number;
  readonly urgent: number;
  readonly options: readonly TcpOption[];
  readonly data: Uint8Array;
}

/** A datagram. */
export interface Udp {
  readonly kind: "UDP";
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly data: Uint8Array;
}

/** Any other protocol, by its number. */
export interface Other {
  readonly kind: "other";
  readonly protocol: number;
  readonly data: Uint8Array;
}

export type Flag = typeof FLAGS[number];

export type TcpOption =
  | { readonly kind: "no-op" | "SACK permitted" }
  | { readonly kind: "MSS"; readonly size: number }
  | { readonly kind: "window scale"; readonly shift: number }
  | {
    readonly kind: "timestamps";
    readonly value: number;
    readonly echo: number;
  }
  | {
    readonly kind: "other";
    readonly type: number;
    readonly data: Uint8Array;
  };

const show = (frame: Uint8Array) =>
  console.log(formatFields(explain(frame)).join("\n"));

if (import.meta.main) {
  const given = Deno.args.join("").replaceAll(/[\s:]/g, "");
  if (given.length % 2 || !/^[\da-f]*$/i.test(given)) {
    console.error(
      "Cannot read the frame: it is no hexadecimal of whole bytes\n" +
        "Usage: deno run packet.ts [HEX ...]",
    );
    Deno.exit(2);
  }
  try {
    if (given) {
      show(Uint8Array.fromHex(given));
    } else demo();
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}

function demo(): void {
  const [to, from] = ["02:00:5e:10:00:01", "02:00:5e:10:00:14"];
  const [source, target] = ["192.168.1.20", "203.0.113.80"];
  const way = { to, from, source, target, sourcePort: 51514, targetPort: 443 };
  const question = encode({
    ...{ to: "ff:ff:ff:ff:ff:ff", from },
    body: {
      ...{ kind: "ARP", operation: "request" },
      sender: { mac: from, ip: source },
      target: { mac: "00:00:00:00:00:00", ip: "192.168.1.1" },
    },
  });
  const syn = encode(browserSyn(way, 0x9a3b1c5d, 0x12345678));
  console.log(`Who is the router? ${question.length} bytes`);
  show(question);
  console.log(`\nThe browser's SYN, ${syn.length} bytes`);
  show(syn);
  const damaged = syn.with(22, 63);
  console.log(
    "\nThe same with a TTL of 63, as if a router had not summed up anew",
  );
  try {
    decode(damaged);
  } catch (error) {
    console.log((error as Error).message);
  }
}
