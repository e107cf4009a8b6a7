import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  canonicalName,
  DnsFormatError,
  escapeLabel,
  formatData,
  formatRecord,
  isWithin,
  labels,
  strings,
  typeName,
  typeNumber,
  TYPES,
} from "./dns_record.ts";

Deno.test("types have the numbers that IANA gave them", () => {
  // https://www.iana.org/assignments/dns-parameters, "Resource Record (RR) TYPEs"
  const numbers = Object.fromEntries(
    Object.entries(TYPES).map(([name, [number]]) => [name, number]),
  );
  assertEquals(numbers, {
    ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28 },
    ...{ SRV: 33, SVCB: 64, HTTPS: 65, CAA: 257 },
  });
  for (const [name, number] of Object.entries(numbers)) {
    assertEquals([typeNumber(name), typeName(number)], [number, name]);
  }
  assertEquals([typeNumber("TYPE46"), typeName(46)], [46, "TYPE46"]);
});

Deno.test("what has no number is an error, also what every object has", () => {
  for (const type of ["", "a", "TYPE", "TYPE65536", "TYPE1.5", "toString"]) {
    assertThrows(
      () => typeNumber(type),
      DnsFormatError,
      `Cannot use the type ${type}: it has no number`,
    );
  }
});

Deno.test("labels() reads dots, backslashes and decimal bytes", () => {
  for (
    const [name, expected] of [
      [".", []],
      ["", []],
      ["a", ["a"]],
      ["a.", ["a"]],
      ["www.example.com", ["www", "example", "com"]],
      ["a\\.b.c", ["a.b", "c"]],
      ["a\\\\.c", ["a\\", "c"]],
      ["\\000\\255.c.", ["\0\xff", "c"]],
      ["\\a.b", ["a", "b"]],
    ] as const
  ) {
    assertEquals(labels(name), [...expected], name);
  }
});

Deno.test("a name of any bytes survives its text", () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 20 })
    .map((bytes) => String.fromCharCode(...bytes));
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (parts) => {
      const name = parts.map(escapeLabel).join(".");
      assert(/^[!-~]*$/.test(name), name);
      assertEquals(labels(name), parts);
      assertEquals(labels(`${name}.`), parts);
    }),
    { seed: 7 },
  );
});

Deno.test("names that no message can hold are errors", () => {
  const long = `${"x".repeat(63)}.`.repeat(4);
  for (
    const [name, line] of [
      ["a..b", "it has a label of 0 bytes; needs 1 to 63"],
      [".a", "it has a label of 0 bytes"],
      ["a..", "it has a label of 0 bytes"],
      [`${"x".repeat(64)}.com`, "it has a label of 64 bytes; needs 1 to 63"],
      [long, "it has 257 bytes; needs 255 or less"],
      ["a\\", "it has a backslash at its end"],
      ["€.com", "it has a character that is no byte"],
      ["\\999.com", "it has a character that is no byte"],
      // The sign of the kelvin, of which the lower case is a plain k.
      ["\u212a.com", "it has a character that is no byte"],
    ]
  ) {
    assertThrows(
      () => labels(name),
      DnsFormatError,
      `Cannot use the name ${name}: ${line}`,
    );
  }
  assertEquals(
    labels(`${"x".repeat(63)}.`.repeat(3) + "y".repeat(61)).length,
    4,
  );
});

Deno.test("names are compared without case, last dot and needless backslashes", () => {
  for (
    const [name, canonical] of [
      ["WWW.Example.COM.", "www.example.com"],
      [".", "."],
      ["", "."],
      ["\\119ww.a", "www.a"],
      ["A\\.B.c", "a\\.b.c"],
      ["\\065.c", "a.c"],
      // Bytes beyond ASCII have no case (RFC 4343).
      ["\\192.c", "\\192.c"],
      ["\xc0.c", "\\192.c"],
    ]
  ) {
    assertEquals(canonicalName(name), canonical);
  }
});

Deno.test("a name is within its zone and those above, not within one that looks alike", () => {
  assert(isWithin("www.example.com", "example.com"));
  assert(isWithin("example.com", "example.com"));
  assert(isWithin("example.com", "com") && isWithin("com", "."));
  assert(isWithin(".", "."));
  assert(!isWithin("badexample.com", "example.com"));
  assert(!isWithin("com", "example.com"));
  assert(!isWithin("example.com.evil.net", "example.com"));
  // Two labels, of which the first has a dot; then three, the first with a backslash.
  assert(!isWithin("a\\.example.com", "example.com"));
  assert(isWithin("a\\\\.example.com", "example.com"));
});

Deno.test("data as dig prints it", () => {
  // dig +short of version 9.18.49, asking knotd 3.2.6 for a zone of these records.
  for (
    const [data, line] of [
      [
        { type: "TXT", texts: ['a "b" \\', "", "\xc3\xa9"] },
        `"a \\"b\\" \\\\" "" "\\195\\169"`,
      ],
      [{ type: "CAA", flags: 0, tag: "issue", value: ";" }, `0 issue ";"`],
      [{ type: "TYPE65280", data: "" }, "\\# 0"],
      [{ type: "TYPE65280", data: "\xab\xcd" }, "\\# 2 ABCD"],
      [{ type: "MX", preference: 0, exchange: "." }, "0 ."],
      [{ type: "HTTPS", priority: 0, target: "a.b", params: [] }, "0 a.b."],
      [
        {
          ...{ type: "HTTPS", priority: 1, target: "." },
          params: [
            { key: 1, value: "\x02h3\x02h2" },
            { key: 2, value: "" },
            { key: 4, value: "\x01\x02\x03\x04\x05\x06\x07\x08" },
            { key: 667, value: "hi" },
          ],
        },
        `1 . alpn="h3,h2" no-default-alpn ipv4hint=1.2.3.4,5.6.7.8 key667="hi"`,
      ],
      [
        {
          ...{ type: "HTTPS", priority: 1, target: "." },
          params: [
            { key: 3, value: "\x20\xfb" },
            {
              key: 6,
              value: "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
            },
            { key: 668, value: "" },
          ],
        },
        "1 . port=8443 ipv6hint=2001:db8::1 key668",
      ],
      // As dig prints it; the list of alpn is also that of RFC 9460 appendix D.2.
      [
        {
          ...{ type: "HTTPS", priority: 1, target: "." },
          params: [
            { key: 0, value: "\0\x01\0\x04" },
            { key: 1, value: "\x08f\\oo,bar\x02h2" },
            { key: 4, value: "\xc0\0\x02\x01" },
            { key: 5, value: "\0\x45\xfe\x0d" },
          ],
        },
        '1 . mandatory=alpn,ipv4hint alpn="f\\\\\\\\oo\\\\,bar,h2" ipv4hint=192.0.2.1 ech=AEX+DQ==',
      ],
      // No escape sequence reaches a terminal.
      [
        {
          ...{ type: "HTTPS", priority: 1, target: "." },
          params: [{ key: 1, value: "\x04\x1b[2J" }],
        },
        '1 . alpn="\\027[2J"',
      ],
      [
        {
          type: "CNAME",
          target: `${escapeLabel('we.ird";()@$x\xc8')}.example.test`,
        },
        'we\\.ird\\"\\;\\(\\)\\@\\$x\\200.example.test.',
      ],
    ] as const
  ) {
    assertEquals(formatData(data as never), line);
  }
});

Deno.test("a record is a line, of absolute names", () => {
  const record = { name: "a", ttl: 5, type: "NS", target: "." } as const;
  assertEquals(formatRecord(record), "a. 5 IN NS .");
  assertEquals(formatRecord({ ...record, name: "." }), ". 5 IN NS .");
  // A dot within the last label is not the root's.
  assertEquals(formatRecord({ ...record, name: "a\\." }), "a\\.. 5 IN NS .");
});

Deno.test("strings() ends where one is cut off", () => {
  assertEquals(strings("\x01a\x00\x02bc"), ["a", "", "bc"]);
  assertEquals(strings("\x05ab"), ["ab"]);
  assertEquals(strings(""), []);
});
