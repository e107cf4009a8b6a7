import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  contains,
  longestMatch,
  parseInterface,
  parsePrefix,
  RoutingError,
} from "./route_table.ts";

const table = (...texts: string[]) =>
  texts.map((text) => ({ prefix: parsePrefix(text) }));
const match = (texts: string[], address: string) =>
  longestMatch(table(...texts), address)?.prefix.text;

// Golden: Linux 6.18 in an empty network namespace, veth0 with 192.0.2.1/24, and for each
// prefix below ip route add $p via 192.0.2.$i, i from 10 on; ip route get $a | head -1 says
// the way.
const PREFIXES = [
  ...["0.0.0.0/0", "10.0.0.0/8", "10.128.0.0/9", "10.128.7.0/24"],
  ...["10.128.7.64/26", "10.128.7.65/32", "128.0.0.0/1", "203.0.112.0/20"],
];
const VIA: Record<string, number> = {
  ...{ "0.0.0.1": 10, "9.255.255.255": 10, "10.0.0.1": 11 },
  ...{ "10.127.255.255": 11, "10.128.6.255": 12, "10.128.7.63": 13 },
  ...{ "10.128.7.64": 14, "10.128.7.65": 15, "10.128.7.127": 14 },
  ...{ "10.128.7.128": 13, "10.255.255.255": 12, "11.0.0.0": 10 },
  ...{ "127.255.255.255": 10, "128.0.0.1": 16, "203.0.111.255": 16 },
  ...{ "203.0.113.80": 17, "203.0.128.0": 16, "223.255.255.255": 16 },
};
Deno.test("addresses take the routes that Linux takes, in any order of the table", () => {
  const orders = [PREFIXES, PREFIXES.toReversed(), PREFIXES.toSorted()];
  for (const [address, via] of Object.entries(VIA)) {
    for (const order of orders) {
      assertEquals(match(order, address), PREFIXES[via - 10], address);
    }
  }
});

Deno.test("nothing that matches is undefined, and of equal routes the first is taken", () => {
  assertEquals(match([], "192.0.2.1"), undefined);
  assertEquals(match(["192.0.2.0/24"], "192.0.3.0"), undefined);
  const [a, b] = table("192.0.2.0/24", "192.0.2.0/24");
  assert(longestMatch([a, b], "192.0.2.9") === a);
});

Deno.test("a prefix of 0 bits holds all, and one of 32 a single address", () => {
  for (
    const address of ["0.0.0.0", "127.0.0.1", "128.0.0.0", "255.255.255.255"]
  ) {
    assert(contains(parsePrefix("0.0.0.0/0"), address));
    assert(contains(parsePrefix(`${address}/32`), address));
  }
  const last = parsePrefix("255.255.255.255/32");
  assert(!contains(last, "255.255.255.254"));
  assert(contains(parsePrefix("255.255.255.254/31"), "255.255.255.255"));
  assert(!contains(parsePrefix("128.0.0.0/1"), "127.255.255.255"));
});

const number = fc.nat({ max: 2 ** 32 - 1 });
const text = (x: number) =>
  [24, 16, 8, 0].map((bits) => x / 2 ** bits & 255).join(".");
const binary = (x: number) => x.toString(2).padStart(32, "0");

Deno.test("a match is the longest text of bits that the address begins with", () => {
  // Few first bytes, so that much matches.
  const near = fc.tuple(fc.constantFrom(0, 10, 10.5, 255), fc.nat({ max: 999 }))
    .map(([a, b]) => a * 2 ** 24 + b);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(near, number), fc.nat({ max: 32 })), {
        maxLength: 9,
      }),
      fc.oneof(near, number),
      (prefixes, address) => {
        const heads = prefixes.map(([x, bits]) => binary(x).slice(0, bits));
        const texts = heads.map((head) =>
          `${text(parseInt(head.padEnd(32, "0"), 2))}/${head.length}`
        );
        const right = heads.filter((head) => binary(address).startsWith(head))
          .reduce((best, head) => Math.max(best, head.length), -1);
        const found = longestMatch(table(...texts), text(address));
        assertEquals(found?.prefix.bits ?? -1, right);
      },
    ),
    { seed: 6, numRuns: 300 },
  );
});

Deno.test("parseInterface() keeps the address, and says what its cable is", () => {
  const { address, prefix } = parseInterface("192.168.1.20/24");
  assertEquals([address, prefix.text], ["192.168.1.20", "192.168.1.0/24"]);
  assertEquals(
    parseInterface("203.0.113.200/26").prefix.text,
    "203.0.113.192/26",
  );
  assertEquals(parseInterface("255.1.2.3/0").prefix.text, "0.0.0.0/0");
});

Deno.test("what is no prefix is an error of one line", () => {
  for (
    const [text, message] of [
      [
        "192.168.1.20/24",
        "it has bits after the first 24; is 192.168.1.0/24 meant?",
      ],
      ["192.168.1.1/0", "is 0.0.0.0/0 meant?"],
      ["192.168.1.0/33", "needs a form like 192.168.1.0/24"],
      ["192.168.1.0", "needs a form like"],
      ["192.168.1/24", "needs a form like"],
      ["192.168.1.0/024", "needs a form like"],
      ["192.168.1.256/24", "needs a form like"],
      ["2001:db8::/32", "needs a form like"],
      ["", "needs a form like"],
    ]
  ) {
    const error = assertThrows(() => parsePrefix(text), RoutingError, message);
    assert(error.message.startsWith(`Cannot use ${text}: `), error.message);
    assertEquals([error.code, error.message.includes("\n")], ["config", false]);
  }
  assertThrows(
    () => match(["0.0.0.0/0"], "::1"),
    RoutingError,
    "::1: no IPv4 address",
  );
});
