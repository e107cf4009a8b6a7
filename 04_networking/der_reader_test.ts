import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  bits,
  boolean,
  integer,
  objectId,
  octets,
  pem,
  sequence,
  time,
  utf8,
  value,
} from "./der.ts";
import {
  DerError,
  need,
  readBits,
  readBoolean,
  readObjectId,
  readOne,
  readPem,
  readSequence,
  readSmall,
  readTime,
  readValues,
  TAGS,
} from "./der_reader.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const one = (hex: string) => readValues(bytes(hex))[0];

// Goldens, from OpenSSL 3.0.19: for each of SEQUENCE:x with 1 and 2.5.29.17,
// OID:1.2.840.10045.4.3.2 OID:2.999.3 BOOL:TRUE UTCTIME:261121120000Z
// GENERALIZEDTIME:20500101000000Z FORMAT:HEX,BITSTRING:06
// openssl asn1parse -genstr "$it" -noout -out o.der; xxd -p o.der
Deno.test("values that OpenSSL has written are read as they were meant", () => {
  const [a, b, ...more] = readSequence(bytes("30080201010603551d11"));
  assertEquals([a.tag, a.content.toHex()], [TAGS.integer, "01"]);
  assertEquals([b.whole.toHex(), more.length], ["0603551d11", 0]);
  assertEquals(readObjectId(b), "2.5.29.17");
  assertEquals(
    readObjectId(one("06082a8648ce3d040302")),
    "1.2.840.10045.4.3.2",
  );
  assertEquals(readObjectId(one("0603883703")), "2.999.3");
  assertEquals(readBoolean(one("0101ff")), true);
  const time = (hex: string) => readTime(one(hex)).toISOString();
  assertEquals(
    time("170d3236313132313132303030305a"),
    "2026-11-21T12:00:00.000Z",
  );
  assertEquals(
    time("180f32303530303130313030303030305a"),
    "2050-01-01T00:00:00.000Z",
  );
  assertEquals(readBits(one("03020006")), { bytes: bytes("06"), unused: 0 });
});

Deno.test("what is written is read again", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 2 ** 32 }), { maxLength: 5 }),
      fc.date({
        ...{ min: new Date("1950-01-01"), max: new Date("9999-12-31") },
        noInvalidDate: true,
      }),
      fc.boolean(),
      (texts, arcs, date, yes) => {
        const id = ["2.5", ...arcs].join(".");
        const written = sequence(
          ...texts.map(octets),
          ...[objectId(id), time(date), boolean(yes)],
        );
        const values = readSequence(written);
        texts.forEach((text, i) => assertEquals(values[i].content, text));
        const [name, when, flag] = values.slice(texts.length);
        assertEquals(readObjectId(name), id);
        const seconds = Math.floor(date.getTime() / 1000);
        assertEquals(readTime(when).getTime(), 1000 * seconds);
        assertEquals(readBoolean(flag), yes);
        const text = pem("X", written);
        assertEquals(readPem("X", `before\n${text}after`), written);
      },
    ),
  );
});

Deno.test("two digits of a year are of 1950 to 2049", () => {
  for (const year of [1950, 1999, 2000, 2049]) {
    const date = new Date(Date.UTC(year, 1, 3));
    assertEquals(readTime(readOne(time(date), TAGS.shortTime)), date);
  }
});

Deno.test("each form but the right one is refused", () => {
  for (
    const [hex, line] of [
      ["30", "at byte 0: it ends too early"],
      ["02010002", "at byte 3: it ends too early"],
      ["0203", "at byte 0: 3 bytes are not there"],
      ["02820001", "a length that could be shorter"],
      ["02817f" + "00".repeat(127), "a length that could be shorter"],
      ["3080", "a length of 0 bytes"],
      ["0285000000000100", "a length of 5 bytes"],
      ["0284ffffffff", "4294967295 bytes are not there"],
      ["3f0100", "a tag above 30"],
    ]
  ) {
    assertThrows(() => readValues(bytes(hex)), DerError, line);
  }
  assertThrows(
    () => readOne(bytes("05000500"), TAGS.null),
    DerError,
    "too many",
  );
  assertThrows(
    () => readOne(bytes("0500"), TAGS.octets),
    DerError,
    "tag 5 where",
  );
  assertThrows(() => need(undefined, TAGS.octets), DerError, "nothing where");
  for (const hex of ["0600", "060180", "06022a80", "060480551d11"]) {
    assertThrows(() => readObjectId(one(hex)), DerError, "object identifier");
  }
  for (const hex of ["0100", "010101", "0102ffff"]) {
    assertThrows(() => readBoolean(one(hex)), DerError, "neither 0 nor 255");
  }
  for (const hex of ["0200", "020180", "02020100"]) {
    assertThrows(() => readSmall(one(hex)), DerError, "from 0 to 127");
  }
  for (const hex of ["0300", "030108", "030101", "03020781", "030204ff"]) {
    assertThrows(() => readBits(one(hex)), DerError, "Cannot read bits");
  }
});

Deno.test("a time that is none is refused", () => {
  for (
    const text of [
      ...["261121120000", "2611211200Z", "261121120000+0100", "261321120000Z"],
      ...["260230000000Z", "261121240000Z", "26112112000٠Z", ""],
    ]
  ) {
    const der = value(TAGS.shortTime, new TextEncoder().encode(text));
    assertThrows(
      () => readTime(readValues(der)[0]),
      DerError,
      "Cannot read the time",
    );
  }
  const marked = bytes("1710efbbbf3236313132313132303030305a");
  assertThrows(() => readTime(readValues(marked)[0]), DerError, "the time");
  assertThrows(() => readTime(readValues(utf8("261121120000Z"))[0]), DerError);
});

Deno.test("PEM that is none is refused", () => {
  for (
    const text of [
      ...[
        "",
        "-----BEGIN X-----\nAAAA\n",
        "-----BEGIN Y-----\nAA==\n-----END Y-----",
      ],
      "-----BEGIN X-----\nA?==\n-----END X-----",
    ]
  ) {
    assertThrows(
      () => readPem("X", text),
      DerError,
      "Cannot read a X from PEM",
    );
  }
});

Deno.test("damaged values end in an error of DER, or are other values", () => {
  const whole = sequence(
    ...[integer(300), bits(Uint8Array.of(1, 2)), utf8("text")],
    sequence(objectId("1.2.840"), time(new Date(0))),
  );
  let refused = 0;
  for (let at = 0; at < whole.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const damaged = new Uint8Array(whole);
      damaged[at] = byte;
      try {
        readSequence(damaged).forEach(({ whole }) => readValues(whole));
      } catch (error) {
        if (!(error instanceof DerError)) throw error;
        refused++;
      }
    }
  }
  assertEquals(refused > 1000, true);
});
