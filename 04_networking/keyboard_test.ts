import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  debounce,
  Driver,
  encodeEvent,
  explainEvent,
  explainReport,
  keydowns,
  usageOf,
  writeReport,
} from "./keyboard.ts";

// Linux, drivers/hid/usbhid/usbkbd.c, usb_kbd_keycode[4] to [56].
const LINUX = [
  ...[30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19],
  ...[31, 20, 22, 47, 17, 45, 21, 44, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 1],
  ...[14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52, 53],
];

Deno.test("each usage gets Linux's code, and keys that are none get nothing", () => {
  const codes = Array.from({ length: 256 }, (_, usage) => {
    const [event] = new Driver().read(writeReport(0, [usage]), 0);
    return event?.code;
  });
  assertEquals(codes.slice(4, 57), LINUX);
  assertEquals(codes.slice(0, 4), Array(4).fill(undefined));
  assert(codes.slice(57).every((code) => code === undefined));
  // Enter is usage 0x28 (HID Usage Tables, page 7).
  assertEquals(usageOf("Enter"), 0x28);
});

Deno.test("modifiers have Linux's codes, bit by bit", () => {
  // KEY_LEFTCTRL, LEFTSHIFT, LEFTALT, LEFTMETA and the right ones of input-event-codes.h.
  const codes = [29, 42, 56, 125, 97, 54, 100, 126];
  codes.forEach((code, bit) => {
    const events = new Driver().read(writeReport(1 << bit, []), 7);
    assertEquals(events, [{ time: 7, code, pressed: true }]);
  });
});

Deno.test("a key that is held is pressed once, and let go once", () => {
  const driver = new Driver();
  const read = (time: number, ...usages: number[]) =>
    driver.read(writeReport(0, usages), time)
      .map(({ code, pressed }) => `${code} ${pressed ? "down" : "up"}`);
  assertEquals(read(0, 0x28), ["28 down"]);
  assertEquals(read(8, 0x28), []);
  // In another place of the report it is still the same.
  assertEquals(read(16, 4, 0x28), ["30 down"]);
  assertEquals(read(24, 5), ["30 up", "28 up", "48 down"]);
  assertEquals(read(32), ["48 up"]);
});

Deno.test("more than six keys are told as such, and change nothing", () => {
  const driver = new Driver();
  driver.read(writeReport(0, [4]), 0);
  const seven = writeReport(2, [4, 5, 6, 7, 8, 9, 10]);
  assertEquals(seven.toHex(), "0200010101010101");
  assertEquals(driver.read(seven, 8), []);
  assertEquals(driver.read(writeReport(0, [4]), 16), []);
});

Deno.test("whatever is pressed: what is down is what was pressed and not let go", () => {
  const usages = fc.uniqueArray(fc.integer({ min: 4, max: 49 }), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      fc.array(usages),
      fc.integer({ min: 0, max: 255 }),
      (all, bits) => {
        const driver = new Driver();
        const down = new Set<number>();
        for (const usages of all) {
          for (
            const { code, pressed } of driver.read(writeReport(bits, usages), 0)
          ) {
            assertEquals(down.has(code), !pressed);
            if (pressed) down.add(code);
            else down.delete(code);
          }
          const codes = usages.map((usage) => LINUX[usage - 4]);
          assert(codes.every((code) => down.has(code)));
          assertEquals(
            down.size,
            codes.length + bits.toString(2).replaceAll("0", "").length,
          );
        }
      },
    ),
  );
});

Deno.test("a contact that bounces closes once, when it has been quiet", () => {
  const samples = (text: string) =>
    [...text].map((c, i) => ({ time: i, closed: c === "1" }));
  assertEquals(debounce(samples("0010110111111111")), [{
    time: 12,
    closed: true,
  }]);
  assertEquals(debounce(samples("0001000000000000")), []);
  assertEquals(debounce(samples("1111111100100000000")), [
    { time: 5, closed: true },
    { time: 16, closed: false },
  ]);
  assertEquals(debounce(samples("01111"), 3), [{ time: 4, closed: true }]);
  assertEquals(debounce([]), []);
});

Deno.test("an event has the bytes that a program reads", () => {
  // python3 -c "import struct; print(struct.pack('<qqHHi', 12, 345600, 1, 28, 1).hex())"
  const bytes = encodeEvent({ time: 12_345.6, code: 28, pressed: true });
  assertEquals(
    bytes.toHex(),
    "0c00000000000000004605000000000001001c0001000000",
  );
  const [, , , code, value] = explainEvent({
    time: 0,
    code: 28,
    pressed: false,
  });
  assertEquals([code.meaning, value.meaning], ["code 28, Enter", "let go"]);
  assertEquals(value.bytes.toHex(), "00000000");
});

Deno.test("the page gets what the layout makes of a code, with shift as long as it is down", () => {
  const driver = new Driver();
  const type = (modifiers: number, ...codes: string[]) =>
    driver.read(writeReport(modifiers, codes.map(usageOf)), 0);
  const events = [
    ...type(2),
    ...type(2, "KeyA"),
    ...type(0x22, "KeyA", "Digit1"),
    ...type(0x20),
    ...type(0x20, "Slash"),
    ...type(0),
    ...type(0, "Slash"),
    ...type(0, "Enter"),
  ];
  assertEquals(keydowns(events), [
    { key: "A", code: "KeyA" },
    { key: "!", code: "Digit1" },
    { key: "?", code: "Slash" },
    { key: "/", code: "Slash" },
    { key: "Enter", code: "Enter" },
  ]);
});

Deno.test("each byte of a report is told", () => {
  const told = (report: Uint8Array) =>
    explainReport(report).map(({ meaning }) => meaning);
  assertEquals(told(writeReport(0x42, [0x28, 200])), [
    ...[
      "left shift, right alt",
      "reserved",
      "Enter is down",
      "usage 200 is down",
    ],
    ...Array(4).fill("no further key"),
  ]);
  assertEquals(
    told(writeReport(0, Array(7).fill(4)))[2],
    "too many keys",
  );
});

Deno.test("a report of another size, and a key that is none, are errors", () => {
  for (const size of [0, 7, 9]) {
    assertThrows(
      () => new Driver().read(new Uint8Array(size), 0),
      RangeError,
      `Cannot read the keyboard: a report has 8 bytes, not ${size}`,
    );
  }
  assertThrows(
    () => usageOf("F13"),
    RangeError,
    "Cannot press F13: no such key",
  );
});
