/**
 * Encoding and decoding of DNS messages against the package dns-packet: a query, and an
 * answer of eight records of which most names are compressed.
 *
 * Run: `deno bench dns_message_bench.ts`
 * @module
 */
import { Buffer } from "node:buffer";
import peer from "dns-packet";
import { decode, encode, message } from "./dns_message.ts";

const name = "www.example.com";
const query = message({ id: 7, questions: [{ name, type: "A" }] });
const answer = message({
  ...{ ...query, response: true },
  answers: [
    { name, ttl: 300, type: "CNAME", target: "web.example.com" },
    ...[1, 2, 3, 4].map((i) => ({
      ...{ name: "web.example.com", ttl: 60, type: "A" } as const,
      address: `192.0.2.${i}`,
    })),
    { name: "web.example.com", ttl: 60, type: "AAAA", address: "2001:db8::1" },
  ],
  authorities: ["ns1", "ns2"].map((host) => ({
    ...{ name: "example.com", ttl: 3600, type: "NS" } as const,
    target: `${host}.example.com`,
  })),
});

for (const [what, m] of Object.entries({ query, answer })) {
  const bytes = encode(m);
  const buffer = Buffer.from(bytes);
  const packet = peer.decode(buffer);
  if (peer.encode(packet).length < bytes.length) {
    throw new Error("It is shorter");
  }
  if (encode(decode(peer.encode(packet))).toHex() !== bytes.toHex()) {
    throw new Error("The messages differ");
  }
  for (
    const [group, ours, theirs] of [
      [`decode ${what}`, () => decode(bytes), () => peer.decode(buffer)],
      [`encode ${what}`, () => encode(m), () => peer.encode(packet)],
    ] as [string, () => unknown, () => unknown][]
  ) {
    // Short calls first: deno bench's own warm-up ends before V8 has compiled them well.
    for (let i = 0; i < 50_000; i++) [ours(), theirs()];
    Deno.bench("dns_message.ts", { group, baseline: true }, () => {
      ours();
    });
    Deno.bench("dns-packet", { group }, () => {
      theirs();
    });
  }
}
