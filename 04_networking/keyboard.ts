#!/usr/bin/env -S deno run
/**
 * Q. You press Enter. How does the browser get to know?
 *
 * A. The keyboard looks at its switches row by row, many times a second. A switch bounces, so
 * it waits until the contact is quiet. The host's USB controller asks it every few
 * milliseconds whether there is news, and gets eight bytes: the modifiers, and up to six keys
 * that are down. Only now is the CPU interrupted: it leaves what it does, saves where it was,
 * and runs the driver's handler. The driver compares with the report before: what is new
 * was pressed, what is missing was let go. It makes an event of each, with the time and the
 * system's own code, and whoever reads them, the window system, gives it to the window in
 * front. There the layout makes a character of the code, and the browser a keydown.
 *
 * Trap: a report says what is down, not what was pressed: without the one before it a key
 * that is held would be pressed again and again.
 * Left out: key repeat, dead keys and other layouts, keyboards with more than six keys.
 * Source: HID 1.11 appendix B.1 (reports), HID Usage Tables page 7; Linux
 * include/uapi/linux/input.h and input-event-codes.h; W3C UI Events, KeyboardEvent.
 * Run: `deno run keyboard.ts`
 * @module
 */
import { type Field, FieldList, formatFields } from "./byte_fields.ts";

/** A contact as it is seen: when, in ms, and whether it is closed. */
export interface Sample {
  readonly time: number;
  readonly closed: boolean;
}

/** What the system tells of a key. */
export interface KeyEvent {
  /** ms of the system's clock. */
  readonly time: number;
  /** Linux's code, as 28 for Enter. */
  readonly code: number;
  readonly pressed: boolean;
}

/** What a page gets, as KeyboardEvent has it. */
export interface Keydown {
  /** The character, or a name as "Enter". */
  readonly key: string;
  /** Where the key is, whatever the layout. */
  readonly code: string;
}

/** How long a contact must be quiet, in ms. */
const QUIET = 5;
const MOST_KEYS = 6;
/** Instead of keys, if there are more than a report can hold. */
const ROLLOVER = 1;
const EV_KEY = 1;

/**
 * Keys from usage 4 on: Linux's code, KeyboardEvent's code, and what a US layout makes of it
 * without and with shift.
 */
const KEYS: readonly (readonly [number, string, string, string?])[] = [
  ...[30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50].map(letter),
  ...[49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44]
    .map((code, i) => letter(code, i + 13)),
  ...[..."1234567890"].map((digit, i) =>
    [i + 2, `Digit${digit}`, digit, "!@#$%^&*()"[i]] as const
  ),
  ...[[28, "Enter"], [1, "Escape"], [14, "Backspace"], [15, "Tab"]]
    .map(([code, name]) =>
      [code as number, name as string, name as string] as const
    ),
  ...[[57, "Space", " ", " "], [12, "Minus", "-", "_"]] as const,
  ...[[13, "Equal", "=", "+"], [26, "BracketLeft", "[", "{"]] as const,
  ...[[27, "BracketRight", "]", "}"], [43, "Backslash", "\\", "|"]] as const,
  ...[[43, "Backslash", "\\", "|"], [39, "Semicolon", ";", ":"]] as const,
  ...[[40, "Quote", "'", '"'], [41, "Backquote", "`", "~"]] as const,
  ...[[51, "Comma", ",", "<"], [52, "Period", ".", ">"]] as const,
  [53, "Slash", "/", "?"],
];
const FIRST_USAGE = 4;
/** Linux's codes of the bits of the first byte: left control, shift, alt, meta; right ones. */
const MODIFIERS = [29, 42, 56, 125, 97, 54, 100, 126];
const SHIFTS = [42, 54];

function letter(code: number, i: number) {
  const name = String.fromCharCode(97 + i);
  return [code, `Key${name.toUpperCase()}`, name, name.toUpperCase()] as const;
}

/** The usage of a key by KeyboardEvent's code. @throws {RangeError} if it has none here */
export function usageOf(code: string): number {
  const at = KEYS.findIndex(([, name]) => name === code);
  if (at >= 0) return at + FIRST_USAGE;
  throw new RangeError(`Cannot press ${code}: no such key on this keyboard`);
}

/** When it is known that a contact has closed or opened: it was quiet for some time. */
export function debounce(
  samples: readonly Sample[],
  quiet = QUIET,
): Sample[] {
  const real: Sample[] = [];
  let [state, last] = [false, -Infinity];
  let seen = false;
  for (const { time, closed } of samples) {
    if (closed !== seen) [seen, last] = [closed, time];
    if (seen === state || time - last < quiet) continue;
    state = seen;
    real.push({ time, closed: state });
  }
  return real;
}

/**
 * What the keyboard reports.
 * @param modifiers bits as in a report: 2 is the left shift
 * @param usages of the keys that are down, in any order
 * @returns (8,)
 */
export function writeReport(
  modifiers: number,
  usages: readonly number[],
): Uint8Array {
  const report = new Uint8Array(2 + MOST_KEYS);
  report[0] = modifiers;
  if (usages.length > MOST_KEYS) report.fill(ROLLOVER, 2);
  else report.set(usages, 2);
  return report;
}

/** The driver: makes events of reports, each compared with the one before. */
export class Driver {
  #down: readonly number[] = [];

  /**
   * @param report (8,)
   * @param time ms
   * @throws {RangeError} if it has not eight bytes
   */
  read(report: Uint8Array, time: number): KeyEvent[] {
    if (report.length !== 2 + MOST_KEYS) {
      const why = `a report has ${2 + MOST_KEYS} bytes, not ${report.length}`;
      throw new RangeError(`Cannot read the keyboard: ${why}`);
    }
    const usages = [...report.subarray(2)];
    // Nobody knows which keys are down, so all is as it was.
    if (usages.includes(ROLLOVER)) return [];
    const down = [
      ...MODIFIERS.filter((_, bit) => report[0] >> bit & 1),
      ...usages.flatMap((usage) => KEYS[usage - FIRST_USAGE]?.[0] ?? []),
    ];
    const before = this.#down;
    this.#down = down;
    return [
      ...before.filter((code) => !down.includes(code))
        .map((code) => ({ time, code, pressed: false })),
      ...down.filter((code) => !before.includes(code))
        .map((code) => ({ time, code, pressed: true })),
    ];
  }
}

/** An event as a program reads it from /dev/input. @returns (24,) */
export function encodeEvent({ time, code, pressed }: KeyEvent): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(24));
  const micros = Math.round(1000 * time);
  bytes.setBigInt64(0, BigInt(Math.floor(micros / 1e6)), true);
  bytes.setBigInt64(8, BigInt(micros % 1e6), true);
  bytes.setUint16(16, EV_KEY, true);
  bytes.setUint16(18, code, true);
  bytes.setInt32(20, pressed ? 1 : 0, true);
  return new Uint8Array(bytes.buffer);
}

/** What the page in front is told of events; nothing of modifiers and of keys let go. */
export function keydowns(events: readonly KeyEvent[]): Keydown[] {
  const shifts = new Set<number>();
  return events.flatMap(({ code, pressed }) => {
    if (SHIFTS.includes(code)) {
      if (pressed) shifts.add(code);
      else shifts.delete(code);
    }
    const key = KEYS.find(([number]) => number === code);
    if (!key || !pressed) return [];
    const [, name, plain, shifted = plain] = key;
    return [{ key: shifts.size > 0 ? shifted : plain, code: name }];
  });
}

/** What each byte of a report means. */
export function explainReport(report: Uint8Array): Field[] {
  const list = new FieldList(report);
  const names = ["control", "shift", "alt", "meta"];
  const held = MODIFIERS.flatMap((_, bit) =>
    report[0] >> bit & 1
      ? `${bit < 4 ? "left" : "right"} ${names[bit % 4]}`
      : []
  );
  list.next(1, held.join(", ") || "no modifier");
  list.next(1, "reserved");
  for (const usage of report.subarray(2)) {
    const [, name] = KEYS[usage - FIRST_USAGE] ?? [];
    const known = usage === ROLLOVER
      ? "too many keys"
      : `${name ?? `usage ${usage}`} is down`;
    list.next(1, usage ? known : "no further key");
  }
  return list.fields;
}

/** What each field of an event means. */
export function explainEvent(event: KeyEvent): Field[] {
  const list = new FieldList(encodeEvent(event));
  list.next(8, "seconds, the lowest byte first");
  list.next(8, "and microseconds");
  list.next(2, "EV_KEY");
  const name = KEYS.find(([code]) => code === event.code)?.[1];
  list.next(2, `code ${event.code}${name ? `, ${name}` : ""}`);
  list.next(4, event.pressed ? "pressed" : "let go");
  return list.fields;
}

if (import.meta.main) {
  // The contact bounces for two ms.
  const samples = [..."0010110111111111111111"]
    .map((closed, i) => ({ time: i / 2 + 100, closed: closed === "1" }));
  const [closed] = debounce(samples);
  const changes = samples.filter((one, i) =>
    i && one.closed !== samples[i - 1].closed
  );
  console.log(`${changes.length} changes; really closed at ${closed.time} ms`);
  const driver = new Driver();
  const enter = usageOf("Enter");
  const events: KeyEvent[] = [];
  for (
    const [time, usages] of [[112, [enter]], [120, [enter]], [184, []]] as const
  ) {
    const report = writeReport(0, usages);
    console.log(`at ${time} ms the report ${report.toHex()}`);
    if (time === 112) {
      console.log(formatFields(explainReport(report)).join("\n"));
    }
    const news = driver.read(report, time);
    for (const event of news) {
      console.log(formatFields(explainEvent(event)).join("\n"));
    }
    if (news.length === 0) console.log("      nothing new");
    events.push(...news);
  }
  console.log("the page gets", ...keydowns(events));
}
