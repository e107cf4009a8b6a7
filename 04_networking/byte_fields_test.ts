import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FieldList, formatFields } from "./byte_fields.ts";

Deno.test("fields follow each other without a gap, whatever their sizes", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 9 })),
      (bytes, sizes) => {
        const list = new FieldList(bytes);
        for (const size of sizes) {
          if (list.at + size <= bytes.length) list.next(size, `${size}`);
        }
        list.rest("rest");
        assertEquals(list.fields.flatMap((field) => [...field.bytes]), [
          ...bytes,
        ]);
        let at = 0;
        for (const field of list.fields) {
          assertEquals(field.at, at);
          at += field.bytes.length;
        }
      },
    ),
  );
});

Deno.test("a field that is empty, behind the last or beyond the end is an error", () => {
  const list = new FieldList(new Uint8Array(5));
  list.upTo(3, "three");
  for (const end of [0, 2, 3, 6]) {
    assertThrows(
      () => list.upTo(end, "wrong"),
      RangeError,
      `Cannot tell a field from 3 to ${end} of 5 bytes`,
    );
  }
  list.rest("two");
  list.rest("nothing");
  assertEquals(list.fields.map(({ meaning }) => meaning), ["three", "two"]);
});

Deno.test("a line says where, which bytes and what; a long field is cut, and says so", () => {
  const bytes = Uint8Array.from({ length: 13 }, (_, i) => i * 16);
  const list = new FieldList(bytes);
  list.next(2, "short");
  list.next(3, "just three");
  list.rest("long");
  assertEquals(formatFields(list.fields, 3), [
    "   0  00 10           short",
    "   2  20 30 40        just three",
    "   5  50 60 70 … (8)  long",
  ]);
});
