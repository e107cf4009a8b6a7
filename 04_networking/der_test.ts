import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  bits,
  boolean,
  context,
  type Der,
  integer,
  objectId,
  octets,
  pem,
  sequence,
  set,
  time,
  utf8,
  value,
} from "./der.ts";

const hex = (bytes: Uint8Array) => bytes.toHex();

// Goldens, from OpenSSL 3.0.19: for each of
// INTEGER:0 INTEGER:127 INTEGER:128 INTEGER:200 INTEGER:256 INTEGER:18446744073709551615
// OID:1.2.840.10045.4.3.2 OID:2.5.29.17 OID:2.999.3 BOOL:TRUE UTCTIME:261121120000Z
// GENERALIZEDTIME:20500101000000Z FORMAT:HEX,OCTETSTRING:0102 FORMAT:HEX,BITSTRING:06
// IMP:2C,FORMAT:ASCII,OCTETSTRING:ab EXP:3,INTEGER:1
// openssl asn1parse -genstr "$it" -noout -out o.der; xxd -p o.der
const text = (s: string) => new TextEncoder().encode(s);
const GOLDENS: [string, Der, string][] = [
  ["0", integer(0), "020100"],
  ["127", integer(127), "02017f"],
  ["128, with a 0 before its sign", integer(128), "02020080"],
  ["200", integer(200), "020200c8"],
  ["256", integer(256), "02020100"],
  ["2⁶⁴ − 1", integer(18446744073709551615n), "020900ffffffffffffffff"],
  [
    "1.2.840.10045.4.3.2",
    objectId("1.2.840.10045.4.3.2"),
    "06082a8648ce3d040302",
  ],
  ["2.5.29.17", objectId("2.5.29.17"), "0603551d11"],
  ["2.999.3", objectId("2.999.3"), "0603883703"],
  ["true", boolean(true), "0101ff"],
  [
    "a time of this half of the century",
    time(new Date("2026-11-21T12:00:00.999Z")),
    "170d3236313132313132303030305a",
  ],
  [
    "a time from 2050 on",
    time(new Date("2050-01-01T00:00:00Z")),
    "180f32303530303130313030303030305a",
  ],
  ["octets", octets(Uint8Array.of(1, 2)), "04020102"],
  ["bits", bits(Uint8Array.of(6)), "03020006"],
  ["a context's own octets", context(2, text("ab"), false), "82026162"],
  ["a context around an integer", context(3, integer(1)), "a303020101"],
];
for (const [name, der, expected] of GOLDENS) {
  Deno.test(`golden: ${name}`, () => assertEquals(hex(der), expected));
}

Deno.test("text is UTF-8", () => assertEquals(hex(utf8("é")), "0c02c3a9"));

Deno.test("bits say how many of the last byte are unused", () => {
  assertEquals(hex(bits(Uint8Array.of(0x80), 7)), "03020780");
});

Deno.test("a length below 128 is one byte, a longer one says how many it has", () => {
  for (
    const [size, head] of [
      [127, "047f"],
      [128, "048180"],
      [255, "0481ff"],
      [256, "04820100"],
      [70_000, "0483011170"],
    ] as const
  ) {
    const der = octets(new Uint8Array(size));
    assertEquals(der.length, head.length / 2 + size);
    assertEquals(hex(der.subarray(0, head.length / 2)), head);
  }
});

Deno.test("a whole number is as short as it can be, and never negative", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 1n << 200n }), (x) => {
      const [, length, ...bytes] = integer(x);
      assertEquals(length, bytes.length);
      assertEquals(BigInt(`0x${Uint8Array.from(bytes).toHex()}`), x);
      assert(bytes[0] < 128);
      assert(bytes.length === 1 || bytes[0] > 0 || bytes[1] >= 128);
    }),
    { seed: 7 },
  );
});

Deno.test("a sequence keeps its order, a set is sorted by bytes", () => {
  const values = [integer(300), integer(2), boolean(false)];
  assertEquals(hex(sequence(...values)), "300a0202012c020102010100");
  assertEquals(hex(set(...values)), "310a0101000201020202012c");
  assertEquals(hex(set()), "3100");
});

Deno.test("PEM is base64 in lines of 64, between two that say what it is", () => {
  const whole = pem("X", new Uint8Array(96));
  const line = "A".repeat(64);
  assertEquals(whole, `-----BEGIN X-----\n${line}\n${line}\n-----END X-----\n`);
  assertEquals(
    pem("X", value(5)),
    "-----BEGIN X-----\nBQA=\n-----END X-----\n",
  );
});

Deno.test("what DER cannot hold is an error", () => {
  assertThrows(
    () => integer(-1),
    RangeError,
    "Cannot write -1: needs 0 or more",
  );
  for (
    const id of [
      "",
      "1",
      "3.1",
      "1.40",
      "1.2.x",
      "1..2",
      "1.02",
      "2.25.12345678901234567",
    ]
  ) {
    assertThrows(
      () => objectId(id),
      SyntaxError,
      `Cannot write ${id} as an object identifier`,
    );
  }
  assertThrows(() => time(new Date(NaN)), RangeError, "Cannot write the date");
  assertThrows(() => time(new Date("1949-01-01")), RangeError, "needs 1950");
  const late = new Date("+010000-01-01T00:00:00Z");
  assertThrows(() => time(late), RangeError, "Cannot write the date");
});
