import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DnsFormatError } from "./dns_record.ts";
import { Reader, Writer } from "./dns_wire.ts";

const read = (...bytes: (number | string)[]) =>
  new Reader(Uint8Array.from(
    bytes.flatMap((x) =>
      typeof x === "number" ? [x] : [...x].map((c) => c.charCodeAt(0))
    ),
  ));
const written = (...names: string[]) => {
  const writer = new Writer();
  names.forEach((name) => writer.name(name));
  return String.fromCharCode(...writer.done());
};

Deno.test("the example of RFC 1035, 4.1.4: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA and the root", () => {
  // There the first name stands at byte 20.
  const writer = new Writer();
  writer.bytes(new Uint8Array(20));
  writer.name("F.ISI.ARPA");
  writer.name("FOO.F.ISI.ARPA");
  writer.name("ARPA");
  writer.name(".");
  const bytes = writer.done().subarray(20);
  const expected = "\x01F\x03ISI\x04ARPA\0\x03FOO\xc0\x14\xc0\x1a\0";
  assertEquals(String.fromCharCode(...bytes), expected);
  const reader = new Reader(writer.done());
  reader.take(20);
  const names = [1, 2, 3, 4].map(() => reader.name());
  assertEquals(names, ["F.ISI.ARPA", "FOO.F.ISI.ARPA", "ARPA", "."]);
  assertEquals(reader.at, writer.done().length);
});

const label = fc.uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => String.fromCharCode(...bytes));
const escape = (label: string) =>
  [...label].map((c) => `\\${`${c.charCodeAt(0)}`.padStart(3, "0")}`).join("");
const names = fc.array(fc.array(label, { minLength: 1, maxLength: 6 }), {
  maxLength: 6,
});

Deno.test("names of any bytes are read back as they were, compressed or not", () => {
  fc.assert(
    fc.property(names, fc.boolean(), (list, compress) => {
      // Ends of each name, too, so that there is something to compress.
      const all = list.flatMap((parts) => parts.map((_, i) => parts.slice(i)));
      const writer = new Writer();
      for (const parts of all) {
        writer.name(parts.map(escape).join("."), compress);
      }
      const reader = new Reader(writer.done());
      for (const parts of all) {
        // The same labels in whatever form: escape them all.
        const again = new Writer();
        again.name(reader.name(), false);
        const size = String.fromCharCode(...again.done());
        assertEquals(
          size,
          parts.map((l) => String.fromCharCode(l.length) + l).join("") + "\0",
        );
      }
      assertEquals(reader.at, writer.done().length);
    }),
    { seed: 7 },
  );
});

Deno.test("labels that look alike when put end to end are not taken for each other", () => {
  // A length of 10 is no label of one character before another.
  const long = "9abcdefghi";
  assertEquals(
    written("0.abcdefghi", long),
    `\x010\x09abcdefghi\0\x0a${long}\0`,
  );
  // Nor is a dot within a label one between two.
  assertEquals(written("a.b", "a\\.b"), "\x01a\x01b\0\x03a.b\0");
});

Deno.test("a pointer never leads beyond 14 bits", () => {
  const writer = new Writer();
  writer.bytes(new Uint8Array(0x3fff));
  writer.name("a.b");
  writer.name("a.b");
  writer.name("b");
  const bytes = writer.done().subarray(0x3fff);
  assertEquals(String.fromCharCode(...bytes), "\x01a\x01b\0\xff\xff\x01b\0");
});

Deno.test("case stays as it was written", () => {
  assertEquals(written("A.b", "a.b"), "\x01A\x01b\0\x01a\xc0\x02");
});

Deno.test("pointers in a ring, to themselves or ahead are errors, and end at once", () => {
  for (
    const [reader, at, line] of [
      [read(0xc0, 0), 0, "a pointer to 0 does not lead back"],
      [read(0xc0, 2, 1, "a", 0), 0, "a pointer to 2 does not lead back"],
      [read(1, "a", 0xc0, 0), 2, "a pointer to 0 does not lead back"],
      [read(0xc0), 1, "it ends 1 too early"],
      [read(0xff, 0xff), 0, "a pointer to 16383 does not lead back"],
    ] as const
  ) {
    assertThrows(
      () => reader.name(),
      DnsFormatError,
      `Cannot read the message at byte ${at}: ${line}`,
    );
  }
  // At 5 to 3, which is no further back than where this name begins.
  const ring = read(1, "a", 0, 0xc0, 5, 0xc0, 3);
  ring.take(5);
  assertThrows(
    () => ring.name(),
    DnsFormatError,
    "a pointer to 5 does not lead",
  );
});

Deno.test("pointers may lead to pointers, always further back", () => {
  const reader = read(1, "a", 0, 1, "b", 0xc0, 0, 1, "c", 0xc0, 3);
  reader.take(7);
  assertEquals(reader.name(), "c.b.a");
  assertEquals(reader.at, 11);
});

Deno.test("a name is 255 bytes at most, of labels of 63, also by pointers", () => {
  const label = String.fromCharCode(63) + "x".repeat(63);
  const most = String.fromCharCode(61) + "y".repeat(61);
  const name = read(...label.repeat(3), most, 0).name();
  assertEquals(name.length, 253);
  assertThrows(
    () =>
      read(...label.repeat(3), String.fromCharCode(62) + "y".repeat(62), 0)
        .name(),
    DnsFormatError,
    "a name above 255 bytes",
  );
  assertThrows(() => read(0x40, "a").name(), DnsFormatError, "an unknown kind");
  assertThrows(() => read(0x80, "a").name(), DnsFormatError, "an unknown kind");
});

Deno.test("a length that is not used up, or not there, is an error", () => {
  assertThrows(
    () => read(0, 3, 1, 2, 3).sized(() => {}),
    DnsFormatError,
    "at byte 0: a length of 3, of which 0 are used",
  );
  const over = read(0, 1, 9, 9);
  assertThrows(
    () => over.sized(() => void over.u16()),
    DnsFormatError,
    "a length of 1, of which 2 are used",
  );
  assertThrows(
    () => read(0, 3, 1, 2).sized(() => {}),
    DnsFormatError,
    "at byte 0: 3 bytes are not there",
  );
});

Deno.test("numbers are in network order", () => {
  const writer = new Writer();
  writer.u8(1);
  writer.u16(0x0203);
  writer.u32(0xf4050607);
  writer.sized(() => writer.string("abc"));
  const bytes = writer.done();
  assertEquals([...bytes], [1, 2, 3, 0xf4, 5, 6, 7, 0, 4, 3, 97, 98, 99]);
  const reader = new Reader(bytes);
  assertEquals([reader.u8(), reader.u16(), reader.u32()], [
    1,
    0x0203,
    0xf4050607,
  ]);
});

Deno.test("bytes stay where they are when more room is needed", () => {
  const writer = new Writer();
  for (let i = 0; i < 1000; i++) writer.u8(i & 255);
  const bytes = writer.done();
  assertEquals(bytes.length, 1000);
  assertEquals(bytes.every((byte, i) => byte === (i & 255)), true);
});

Deno.test("what does not fit is an error, and so is a 65,536th byte", () => {
  const writer = new Writer();
  for (const x of [-1, 256, 0.5, NaN]) {
    assertThrows(
      () => writer.u8(x),
      DnsFormatError,
      `Cannot write ${x}: needs`,
    );
  }
  writer.bytes(new Uint8Array(65535));
  assertThrows(
    () => writer.u8(0),
    DnsFormatError,
    "Cannot write more than 65535 bytes",
  );
});

Deno.test("strings of any length are read, a byte a character", () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i);
  const text = new Reader(bytes).bytes(20_000);
  assertEquals(text.length, 20_000);
  assertEquals([...text].every((c, i) => c.charCodeAt(0) === (i & 255)), true);
});
