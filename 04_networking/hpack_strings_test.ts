import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  decodeHuffman,
  encodeHuffman,
  HpackError,
  readInteger,
  readString,
  writeInteger,
  writeString,
} from "./hpack_strings.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));
const bytes = (text: string) => new TextEncoder().encode(text);
const integer = (value: number, prefix: number, flags = 0) => {
  const out: number[] = [];
  writeInteger(out, value, prefix, flags);
  return Uint8Array.from(out);
};
function code(what: () => unknown): string {
  const error = assertThrows(what, HpackError);
  assert(/^Cannot [^\n]+$/.test(error.message), error.message);
  return error.code;
}

// RFC 7541, C.1.1 to C.1.3.
Deno.test("integers have the bytes of the RFC's examples", () => {
  for (
    const [value, prefix, expected] of [[10, 5, "0a"], [1337, 5, "1f9a0a"], [
      42,
      8,
      "2a",
    ]] as const
  ) {
    assertEquals(integer(value, prefix).toHex(), expected);
    const { length } = hex(expected);
    assertEquals(readInteger(hex(expected), 0, prefix), {
      value,
      next: length,
    });
  }
});

Deno.test("an integer comes back from any prefix, and leaves the flags alone", () => {
  const any = fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1));
  fc.assert(
    fc.property(any, fc.integer({ min: 1, max: 8 }), (value, prefix) => {
      const flags = 256 - 2 ** prefix;
      const out = integer(value, prefix, flags);
      assertEquals(out[0] & flags, flags);
      assertEquals(readInteger(out, 0, prefix), { value, next: out.length });
    }),
    { seed: 3 },
  );
});

Deno.test("an integer of exactly the full prefix takes a second byte", () => {
  assertEquals(integer(30, 5).toHex(), "1e");
  assertEquals(integer(31, 5).toHex(), "1f00");
  assertEquals(integer(158, 5).toHex(), "1f7f");
  assertEquals(integer(159, 5).toHex(), "1f8001");
});

Deno.test("an integer of 2³¹ and one of zeros without end are errors, not numbers", () => {
  assertEquals(readInteger(integer(2 ** 31 - 1, 5), 0, 5).value, 2 ** 31 - 1);
  assertEquals(code(() => readInteger(integer(2 ** 31, 5), 0, 5)), "integer");
  for (
    const long of ["1fffffffffffffffffff7f", "1f808080808000", "1f8080808080"]
  ) {
    assertEquals(code(() => readInteger(hex(long), 0, 5)), "integer");
  }
  for (const short of ["", "1f", "1f80", "1fff80"]) {
    assertEquals(code(() => readInteger(hex(short), 0, 5)), "truncated");
  }
});

// RFC 7541, C.4.1, C.4.3, C.6.1, C.6.2 and C.6.3.
const STRINGS = {
  "www.example.com": "f1e3c2e5f23a6ba0ab90f4ff",
  "custom-value": "25a849e95bb8e8b4bf",
  "302": "6402",
  "307": "640eff",
  "private": "aec3771a4b",
  "Mon, 21 Oct 2013 20:13:21 GMT":
    "d07abe941054d444a8200595040b8166e082a62d1bff",
  "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1":
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
};
Deno.test("strings have the codes of the RFC's examples", () => {
  for (const [text, expected] of Object.entries(STRINGS)) {
    assertEquals(encodeHuffman(bytes(text)).toHex(), expected);
    assertEquals(decodeHuffman(hex(expected)), bytes(text));
  }
});

// Golden: pip install hpack==4.2.0; python3 -c "
// from hpack.huffman import HuffmanEncoder as E
// from hpack.huffman_constants import *
// import hashlib
// x = E(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(bytes(range(256)))
// print(len(x), hashlib.sha256(x).hexdigest())"
Deno.test("the codes of all 256 bytes are those of another implementation", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const coded = encodeHuffman(all);
  assertEquals(coded.length, 583);
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new Uint8Array(coded),
  );
  assertEquals(
    new Uint8Array(digest).toHex(),
    "612dcf67552ffb6affc04a2ab910a4d347e4ad06e4a43544871071d831a2c076",
  );
  assertEquals(decodeHuffman(coded), all);
});

Deno.test("any bytes come back from the code", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (raw) => {
      assertEquals(decodeHuffman(encodeHuffman(raw)), raw);
    }),
    { seed: 5 },
  );
});

Deno.test("what one code decodes to is never decoded from another", () => {
  // Random bytes are a code or an error; if a code, then the only one.
  let decoded = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), (raw) => {
      let plain: Uint8Array;
      try {
        plain = decodeHuffman(raw);
      } catch (error) {
        assert(error instanceof HpackError && error.code === "huffman");
        return;
      }
      decoded++;
      assertEquals(encodeHuffman(plain), raw);
    }),
    { seed: 7, numRuns: 3000 },
  );
  assert(decoded > 50, `${decoded} of 3000 were codes`);
});

Deno.test("a code that does not end in 0 to 7 ones is an error, and so is EOS", () => {
  // "a" is 00011: three bits are left for the filling.
  assertEquals(decodeHuffman(hex("1f")), bytes("a"));
  for (
    const [bad, why] of [
      ["1e", "whose last 3 bits are not all 1"],
      ["18", "whose last 3 bits are not all 1"],
      ["1fff", "ends in 11 bits of no symbol"],
      ["ff", "ends in 8 bits of no symbol"],
      ["ffffff", "ends in 24 bits of no symbol"],
      ["fffffffc", "has EOS in it"],
      ["1fffffffff", "has EOS in it"],
    ]
  ) {
    const error = assertThrows(() => decodeHuffman(hex(bad)), HpackError, why);
    assertEquals(error.code, "huffman");
  }
  assertEquals(decodeHuffman(hex("")), bytes(""));
});

Deno.test("a string comes back, coded only where that is no longer", () => {
  const latin = fc.uint8Array({ maxLength: 40 }).map((raw) =>
    Array.from(raw, (byte) => String.fromCharCode(byte)).join("")
  );
  fc.assert(
    fc.property(latin, fc.boolean(), (text, huffman) => {
      const out: number[] = [];
      writeString(out, text, huffman);
      assert(out.length <= text.length + 1);
      assertEquals(readString(Uint8Array.from(out), 0, 40), {
        text,
        next: out.length,
      });
    }),
    { seed: 9 },
  );
  const out: number[] = [];
  // 3 bytes either way: the RFC's own encoder takes the code (C.6.2).
  writeString(out, "307");
  assertEquals(Uint8Array.from(out).toHex(), "83640eff");
  writeString(out, "{}");
  assertEquals(Uint8Array.from(out.slice(4)).toHex(), "027b7d");
});

Deno.test("a string that is cut off or too long is an error, coded or not", () => {
  const read = (text: string, limit: number) => () =>
    readString(hex(text), 0, limit);
  assertEquals(read("0361 6263", 3)().text, "abc");
  assertEquals(code(read("0361 6263", 2)), "string");
  assertEquals(code(read("0361 62", 9)), "truncated");
  assertEquals(code(read("7f", 9)), "truncated");
  assertEquals(code(read("", 9)), "truncated");
  // Five digits in 25 bits; the fifth is one too many.
  assertEquals(read("84 0000 007f", 5)().text, "00000");
  assertEquals(code(read("84 0000 007f", 4)), "string");
  // What is over the limit is not decoded, so its bad end is not seen.
  assertEquals(code(read("84 0000 0000", 2)), "string");
});
