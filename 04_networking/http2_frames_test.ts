import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  concat,
  decodeFrame,
  describeFrame,
  encodeFrame,
  ERROR_NAMES,
  errorName,
  type Frame,
  FrameReader,
  Http2Error,
  PREFACE,
} from "./http2_frames.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));
const text = (text: string) => new TextEncoder().encode(text);
function code(what: () => unknown): string {
  const error = assertThrows(what, Http2Error);
  assert(/^Cannot [^\n]+$/.test(error.message), error.message);
  assertEquals(error.stream, 0);
  return error.code;
}

// Golden: pip install hyperframe==6.1.0; python3 -c "
// from hyperframe.frame import *
// for f in [DataFrame(1, b'hello', flags=['END_STREAM', 'PADDED'], pad_length=2),
//     HeadersFrame(3, b'\x82', flags=['END_HEADERS', 'PRIORITY'],
//       depends_on=1, stream_weight=15, exclusive=True),
//     SettingsFrame(0, {2: 0, 4: 131072}), SettingsFrame(0, flags=['ACK']),
//     PriorityFrame(5, 3, 200, False), RstStreamFrame(3, 8),
//     PushPromiseFrame(1, 2, b'\x84', flags=['END_HEADERS']),
//     PingFrame(0, b'12345678', flags=['ACK']), GoAwayFrame(0, 7, 11, b'calm'),
//     WindowUpdateFrame(9, 2**31-1),
//     ContinuationFrame(3, b'\x86\x87', flags=['END_HEADERS'])]:
//   print(f.serialize().hex())"
const GOLDEN: [string, Frame][] = [
  ["0000080009000000010268656c6c6f0000", {
    type: "DATA",
    stream: 1,
    data: text("hello"),
    endStream: true,
    padding: 3,
  }],
  ["000006012400000003800000010f82", {
    type: "HEADERS",
    stream: 3,
    block: hex("82"),
    endStream: false,
    endHeaders: true,
    priority: hex("80000001 0f"),
  }],
  ["00000c040000000000000200000000000400020000", {
    type: "SETTINGS",
    stream: 0,
    ack: false,
    settings: [[2, 0], [4, 131072]],
  }],
  ["000000040100000000", {
    type: "SETTINGS",
    stream: 0,
    ack: true,
    settings: [],
  }],
  ["00000502000000000500000003c8", {
    type: "PRIORITY",
    stream: 5,
    priority: hex("00000003 c8"),
  }],
  ["00000403000000000300000008", { type: "RST_STREAM", stream: 3, code: 8 }],
  ["0000050504000000010000000284", {
    type: "PUSH_PROMISE",
    stream: 1,
    promised: 2,
    block: hex("84"),
    endHeaders: true,
  }],
  ["0000080601000000003132333435363738", {
    type: "PING",
    stream: 0,
    ack: true,
    data: text("12345678"),
  }],
  ["00000c070000000000000000070000000b63616c6d", {
    type: "GOAWAY",
    stream: 0,
    last: 7,
    code: 11,
    debug: text("calm"),
  }],
  ["0000040800000000097fffffff", {
    type: "WINDOW_UPDATE",
    stream: 9,
    increment: 2 ** 31 - 1,
  }],
  ["0000020904000000038687", {
    type: "CONTINUATION",
    stream: 3,
    block: hex("8687"),
    endHeaders: true,
  }],
];
Deno.test("frames have another implementation's bytes, and come back from them", () => {
  for (const [bytes, frame] of GOLDEN) {
    assertEquals(encodeFrame(frame).toHex(), bytes, frame.type);
    assertEquals(decodeFrame(hex(bytes)), frame);
  }
});

Deno.test("the preface and the codes are the RFC's, 3.4 and 7", () => {
  assertEquals(
    PREFACE.toHex(),
    "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a",
  );
  assertEquals([ERROR_NAMES[1], ERROR_NAMES[0xb], ERROR_NAMES[0xd]], [
    "PROTOCOL_ERROR",
    "ENHANCE_YOUR_CALM",
    "HTTP_1_1_REQUIRED",
  ]);
  assertEquals(ERROR_NAMES.length, 14);
  assertEquals(errorName(99), "INTERNAL_ERROR");
});

const bytes = fc.uint8Array({ maxLength: 20 });
const on = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const word = fc.nat({ max: 2 ** 32 - 1 });
const pads = fc.integer({ min: 1, max: 256 });
const five = fc.uint8Array({ minLength: 5, maxLength: 5 });
const flag = fc.boolean();
const zero = fc.constant(0);
const is = <T extends string>(type: T) => fc.constant(type);
const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: is("DATA"),
    stream: on,
    data: bytes,
    endStream: flag,
    padding: pads,
  }, { requiredKeys: ["type", "stream", "data", "endStream"] }),
  fc.record({
    type: is("HEADERS"),
    stream: on,
    block: bytes,
    endStream: flag,
    endHeaders: flag,
    padding: pads,
    priority: five,
  }, { requiredKeys: ["type", "stream", "block", "endStream", "endHeaders"] }),
  fc.record({
    type: is("PUSH_PROMISE"),
    stream: on,
    promised: on,
    block: bytes,
    endHeaders: flag,
    padding: pads,
  }, { requiredKeys: ["type", "stream", "promised", "block", "endHeaders"] }),
  fc.record({ type: is("PRIORITY"), stream: on, priority: five }),
  fc.record({ type: is("RST_STREAM"), stream: on, code: word }),
  fc.record({
    type: is("SETTINGS"),
    stream: zero,
    ack: fc.constant(false),
    settings: fc.array(fc.tuple(fc.nat(65535), word), { maxLength: 4 }),
  }),
  fc.record({
    type: is("PING"),
    stream: zero,
    ack: flag,
    data: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  }),
  fc.record({
    type: is("GOAWAY"),
    stream: zero,
    last: fc.nat(2 ** 31 - 1),
    code: word,
    debug: bytes,
  }),
  fc.record({
    type: is("WINDOW_UPDATE"),
    stream: fc.nat(9),
    increment: fc.nat(2 ** 31 - 1),
  }),
  fc.record({
    type: is("CONTINUATION"),
    stream: on,
    block: bytes,
    endHeaders: flag,
  }),
  fc.record({
    type: is("UNKNOWN"),
    stream: fc.nat(9),
    number: fc.integer({ min: 10, max: 255 }),
    flags: fc.nat(255),
    payload: bytes,
  }),
);

Deno.test("any frames come back, wherever the bytes are cut", () => {
  const many = fc.array(frames, { maxLength: 5 });
  fc.assert(
    fc.property(many, fc.array(fc.nat(30)), (frames, cuts) => {
      const all = concat(frames.map(encodeFrame));
      const reader = new FrameReader();
      const back: Frame[] = [];
      let at = 0;
      for (const cut of [...cuts, all.length]) {
        back.push(...reader.push(all.subarray(at, at + cut)));
        at += cut;
      }
      assertEquals(back, frames);
      assert(!reader.inside);
      for (const frame of back) assert(!describeFrame(frame).includes("\n"));
    }),
    { seed: 3, numRuns: 500 },
  );
});

Deno.test("a frame may be as long as the limit, and not a byte longer", () => {
  const data = (length: number) =>
    encodeFrame({
      type: "DATA",
      stream: 1,
      data: new Uint8Array(length),
      endStream: false,
    });
  assertEquals([...new FrameReader().push(data(16_384))].length, 1);
  const long = data(16_385);
  // The head is enough to know it.
  assertEquals(
    code(() => [...new FrameReader().push(long.subarray(0, 9))]),
    "FRAME_SIZE_ERROR",
  );
  assertEquals([...new FrameReader(16_385).push(long)].length, 1);
});

Deno.test("the reserved bits of a stream, an increment and a GOAWAY are ignored", () => {
  const update = decodeFrame(hex("000004 08 00 80000001 80000005"));
  assertEquals(update, { type: "WINDOW_UPDATE", stream: 1, increment: 5 });
  const away = decodeFrame(hex("000008 07 00 80000000 80000003 00000000"));
  assertEquals([away.stream, "last" in away && away.last], [0, 3]);
});

Deno.test("padding is no data, and may not be longer than the payload", () => {
  const data = (payload: string, length: string) =>
    decodeFrame(hex(`${length} 00 08 00000001 ${payload}`));
  assertEquals(data("02 6869 0000", "000005"), {
    type: "DATA",
    stream: 1,
    data: text("hi"),
    endStream: false,
    padding: 3,
  });
  // Only padding, and a padding of nothing.
  assertEquals("data" in data("020000", "000003"), true);
  assertEquals(describeFrame(data("00", "000001")).includes("0 bytes"), true);
  assertEquals(code(() => data("03 0000", "000003")), "PROTOCOL_ERROR");
  assertEquals(code(() => data("", "000000")), "FRAME_SIZE_ERROR");
});

for (
  const [name, bytes, expected] of [
    ["DATA on stream 0", "000001 00 00 00000000 61", "PROTOCOL_ERROR"],
    ["HEADERS on stream 0", "000001 01 04 00000000 82", "PROTOCOL_ERROR"],
    ["SETTINGS on a stream", "000000 04 00 00000001", "PROTOCOL_ERROR"],
    [
      "PING on a stream",
      "000008 06 00 00000001 0000000000000000",
      "PROTOCOL_ERROR",
    ],
    [
      "RST_STREAM on stream 0",
      "000004 03 00 00000000 00000008",
      "PROTOCOL_ERROR",
    ],
    [
      "SETTINGS of 5 bytes",
      "000005 04 00 00000000 0001000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "an ACK with settings",
      "000006 04 01 00000000 000100000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "PING of 7 bytes",
      "000007 06 00 00000000 00000000000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "RST_STREAM of 3 bytes",
      "000003 03 00 00000001 000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "WINDOW_UPDATE of 5 bytes",
      "000005 08 00 00000001 0000000001",
      "FRAME_SIZE_ERROR",
    ],
    [
      "GOAWAY of 7 bytes",
      "000007 07 00 00000000 00000000000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "PRIORITY of 4 bytes",
      "000004 02 00 00000001 00000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "HEADERS with half a priority",
      "000003 01 24 00000001 000000",
      "FRAME_SIZE_ERROR",
    ],
    [
      "PUSH_PROMISE of 3 bytes",
      "000003 05 04 00000001 000000",
      "FRAME_SIZE_ERROR",
    ],
  ]
) {
  Deno.test(`${name} is a ${expected}`, () => {
    assertEquals(code(() => decodeFrame(hex(bytes))), expected);
  });
}

Deno.test("mutated frames give frames or typed errors", () => {
  const all = concat(GOLDEN.map(([bytes]) => hex(bytes)));
  const edit = fc.tuple(fc.nat(all.length - 1), fc.nat(255));
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), (edits) => {
      const bytes = all.slice();
      for (const [at, byte] of edits) bytes[at] = byte;
      try {
        for (const frame of new FrameReader().push(bytes)) {
          seen.add(frame.type);
          const whole = encodeFrame(frame);
          assertEquals(decodeFrame(whole), frame);
        }
      } catch (error) {
        if (!(error instanceof Http2Error)) throw error;
        seen.add(error.code);
      }
    }),
    { seed: 5, numRuns: 3000 },
  );
  for (const name of ["FRAME_SIZE_ERROR", "PROTOCOL_ERROR", "UNKNOWN"]) {
    assert(seen.has(name), name);
  }
});
