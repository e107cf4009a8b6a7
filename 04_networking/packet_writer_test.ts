import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Frame, Ipv4, TcpOption } from "./packet.ts";
import {
  browserSyn,
  checksum,
  encode,
  PacketError,
  wrap,
} from "./packet_writer.ts";

const [to, from] = ["02:00:5e:10:00:01", "02:00:5e:10:00:14"];
const [source, target] = ["192.168.1.20", "203.0.113.80"];
const way = { to, from, source, target, sourcePort: 51514, targetPort: 443 };
const bytes = (text: string) => new TextEncoder().encode(text);
const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));
const udp = (data: Uint8Array, sourcePort = 1000, targetPort = 2000) =>
  ({ kind: "UDP", sourcePort, targetPort, data }) as const;

function value(what: () => unknown, message: string) {
  const error = assertThrows(what, PacketError, message);
  assert(/^Cannot write [^\n]+$/.test(error.message), error.message);
  assertEquals(error.code, "value");
}

// RFC 1071, section 3: the sum of these bytes is ddf2.
Deno.test("the checksum of the RFC's example is the complement of its sum", () => {
  assertEquals(checksum(hex("0001 f203 f4f5 f6f7")), ~0xddf2 & 0xffff);
});

Deno.test("checksums: nothing, one byte, carries that come back in, an odd end", () => {
  assertEquals(checksum(hex("")), 0xffff);
  assertEquals(checksum(hex("12")), 0xedff);
  assertEquals(checksum(hex("ffff ffff ffff")), 0);
  assertEquals(checksum(hex("8000 8000")), 0xfffe);
  assertEquals(checksum(hex("ffff 0001")), 0xfffe);
  assertEquals(checksum(hex("0102 03")), 0xfbfd);
});

Deno.test("a checksum is that of a naive sum, and 0 with it in its place", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 99 }), (data) => {
      const even = new Uint8Array(
        [...data, 0, 0].slice(0, data.length + data.length % 2),
      );
      // RFC 1071, section 2: all carries at the end do as well. 2¹⁶ − 1 divides.
      let sum = 0n;
      for (let i = 0; i < even.length; i += 2) {
        sum += BigInt(even[i] * 256 + even[i + 1]);
      }
      const folded = sum === 0n ? 0n : (sum - 1n) % 65535n + 1n;
      assertEquals(checksum(data), 65535 - Number(folded));
      const right = checksum(data);
      assertEquals(checksum(new Uint8Array([right >> 8, right, ...even])), 0);
    }),
    { seed: 4, numRuns: 300 },
  );
});

// Goldens: scapy 2.7.0, python -c "
// from scapy.all import *
// me, router = '02:00:5e:10:00:14', '02:00:5e:10:00:01'
// e, a = Ether(src=me, dst=router), dict(src='192.168.1.20', dst='203.0.113.80')
// syn = [('MSS', 1460), ('SAckOK', b''), ('Timestamp', (0x12345678, 0)), ('NOP', None),
//   ('WScale', 7)]
// for p in [e/IP(**a, id=0x1c46, flags='DF')/TCP(sport=51514, dport=443, seq=0x9a3b1c5d,
//     window=64240, flags='S', options=syn),
//   e/IP(**a, id=3, ttl=255)/TCP(sport=1, dport=65535, seq=2**32-1, ack=2**31,
//     flags='PA', window=0)/b'x',
//   e/IP(src=a['src'], dst='203.0.113.53', id=7)/UDP(sport=53535, dport=53)/b'hello',
//   e/IP(**a, id=9)/UDP(sport=1000, dport=2000)/bytes.fromhex('f614'),
//   e/IP(**a, id=9, ttl=1, options=IPOption_Router_Alert())/UDP(sport=1000, dport=2000)
//     /b'odd', e/IP(**a, id=9)/ICMP(id=1, seq=1)/b'abc',
//   Ether(src=me, dst='ff:ff:ff:ff:ff:ff')/ARP(op=1, hwsrc=me, psrc=a['src'],
//     pdst='192.168.1.1'),
//   Ether(src=router, dst=me)/ARP(op=2, hwsrc=router, psrc='192.168.1.1', hwdst=me,
//     pdst=a['src'])]: print(raw(p).hex())"
const ETHER = "02005e100001 02005e100014 0800";
const ADDRESSES = "c0a80114 cb007150";
const rest = { dontFragment: false };
const arp = (operation: "request" | "reply", a: string[], b: string[]) =>
  ({
    kind: "ARP",
    operation,
    sender: { mac: a[0], ip: a[1] },
    target: { mac: b[0], ip: b[1] },
  }) as const;
const router = [to, "192.168.1.1"];
const alert = wrap(way, udp(bytes("odd")), { id: 9, ttl: 1, ...rest });
const GOLDENS: [name: string, frame: Frame, expected: string][] = [
  [
    "a browser's SYN",
    (() => {
      const frame = browserSyn(way, 0x9a3b1c5d, 0x12345678);
      return { ...frame, body: { ...frame.body as Ipv4, id: 0x1c46 } };
    })(),
    `${ETHER} 4500003c1c46400040062069 ${ADDRESSES}
     c93a01bb9a3b1c5d00000000a002faf064c70000020405b40402080a123456780000000001030307`,
  ],
  [
    "a segment of one byte, with the largest numbers",
    wrap(way, {
      kind: "TCP",
      ...{ sourcePort: 1, targetPort: 65535, seq: 2 ** 32 - 1, ack: 2 ** 31 },
      ...{ flags: ["PSH", "ACK"], window: 0, urgent: 0, options: [] },
      data: bytes("x"),
    }, { id: 3, ttl: 255, ...rest }),
    `${ETHER} 4500002900030000ff06bdbe ${ADDRESSES}
     0001ffffffffffff8000000050180000b9bc000078`,
  ],
  [
    "UDP",
    wrap({ ...way, target: "203.0.113.53" }, udp(bytes("hello"), 53535, 53), {
      id: 7,
      ...rest,
    }),
    `${ETHER} 450000210007000040117cd3 c0a80114 cb007135
     d11f0035000decba68656c6c6f`,
  ],
  [
    "UDP whose checksum is 0, sent as ffff",
    wrap(way, udp(hex("f614")), { id: 9, ...rest }),
    `${ETHER} 4500001e0009000040117cb9 ${ADDRESSES} 03e807d0000afffff614`,
  ],
  [
    "a header of 6 words, and an odd number of bytes",
    {
      ...alert,
      body: { ...alert.body as Ipv4, options: hex("94040000") },
    },
    `${ETHER} 4600002300090000011126b0 ${ADDRESSES} 94040000
     03e807d0000b22ae6f6464`,
  ],
  [
    "another protocol",
    wrap(
      way,
      { kind: "other", protocol: 1, data: hex("0800339b00010001616263") },
      { id: 9, ...rest },
    ),
    `${ETHER} 4500001f0009000040017cc8 ${ADDRESSES} 0800339b00010001616263`,
  ],
  [
    "an ARP request",
    {
      ...{ to: "ff:ff:ff:ff:ff:ff", from },
      body: arp("request", [from, source], ["00:00:00:00:00:00", router[1]]),
    },
    `ffffffffffff 02005e100014 0806 0001080006040001
     02005e100014c0a80114 000000000000c0a80101`,
  ],
  [
    "an ARP reply",
    { to: from, from: to, body: arp("reply", router, [from, source]) },
    `02005e100014 02005e100001 0806 0001080006040002
     02005e100001c0a80101 02005e100014c0a80114`,
  ],
];
for (const [name, frame, expected] of GOLDENS) {
  Deno.test(`${name} has scapy's bytes`, () => {
    assertEquals(encode(frame).toHex(), expected.replaceAll(/\s/g, ""));
  });
}

Deno.test("what does not fit into its field is an error, and is not cut off", () => {
  const tcp = (part: object) => () =>
    encode(wrap(way, {
      kind: "TCP",
      ...{ sourcePort: 1, targetPort: 2, seq: 0, ack: 0, flags: [] as const },
      ...{ window: 0, urgent: 0, options: [], data: bytes("") },
      ...part,
    }));
  for (
    const [part, message] of [
      [{ sourcePort: 65536 }, "Cannot write port 65536: needs 0 to 65535"],
      [{ targetPort: -1 }, "port -1: needs 0 to 65535"],
      [{ seq: 2 ** 32 }, "sequence number 4294967296: needs 0 to 4294967295"],
      [{ window: 1.5 }, "window 1.5: needs 0 to 65535"],
      [{ window: NaN }, "window NaN: needs 0 to 65535"],
      [
        { options: Array(41).fill({ kind: "no-op" }) },
        "TCP options of 41 bytes",
      ],
      [{ options: [{ kind: "window scale", shift: 256 }] }, "window scale 256"],
      ...[0, 1, 2, 8].map((type) =>
        [
          { options: [{ kind: "other", type, data: bytes("ab") }] },
          `Cannot write option ${type} as another one`,
        ] as const
      ),
      [
        { data: new Uint8Array(65496) },
        "a packet of 65536 bytes: at most 65535",
      ],
      [{ data: new Uint8Array(65516) }, "65536 bytes: at most 65535 fit"],
    ] as const
  ) value(tcp(part), message);
  tcp({ data: new Uint8Array(65495), window: 65535 })();
  const frame = wrap(way, udp(bytes("")));
  const ip = (part: object) => () =>
    encode({ ...frame, body: { ...frame.body as Ipv4, ...part } });
  value(ip({ options: new Uint8Array(3) }), "IPv4 options of 3 bytes");
  value(ip({ options: new Uint8Array(44) }), "IPv4 options of 44 bytes");
  value(ip({ ttl: 256 }), "ttl 256: needs 0 to 255");
  value(ip({ source: "::1" }), "Cannot write ::1 as an IPv4 address");
  value(ip({ target: "1.2.3" }), "Cannot write 1.2.3 as an IPv4 address");
  value(() => encode({ ...frame, to: "02-00" }), "02-00 as a MAC address");
  value(ip({ body: udp(bytes(""), 70000) }), "port 70000");
});

Deno.test("options are filled up to a word, and a header has up to 60 bytes", () => {
  const encoded = (options: TcpOption[]) =>
    encode(wrap(way, {
      kind: "TCP",
      ...{
        sourcePort: 1,
        targetPort: 2,
        seq: 0,
        ack: 0,
        flags: ["SYN"] as const,
      },
      ...{ window: 0, urgent: 0, options, data: bytes("") },
    })).slice(34);
  assertEquals(encoded([]).length, 20);
  assertEquals(encoded([])[12], 0x50);
  const one = encoded([{ kind: "window scale", shift: 7 }]);
  assertEquals([one.length, one[12], one.slice(20).toHex()], [
    24,
    0x60,
    "03030700",
  ]);
  const most = encoded(Array(40).fill({ kind: "no-op" }));
  assertEquals([most.length, most[12]], [60, 0xf0]);
});
