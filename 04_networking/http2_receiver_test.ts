import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Header, HpackEncoder } from "./hpack.ts";
import { type Frame, Http2Error } from "./http2_frames.ts";
import { MAX_BLOCK, Receiver } from "./http2_receiver.ts";

function receiver(window: number, connectionWindow: number, listSize = 1000) {
  const updates: [number, number][] = [];
  const receiver = new Receiver(
    { window, connectionWindow, listSize },
    (frame) =>
      frame.type === "WINDOW_UPDATE" &&
      updates.push([frame.stream, frame.increment]),
  );
  return { receiver, updates };
}
const stream = (id: number, receiveWindow: number) => ({
  id,
  receiveWindow,
  credit: 0,
  received: false,
});
const headers = (block: Uint8Array, endHeaders: boolean) =>
  ({ type: "HEADERS", stream: 1, block, endStream: true, endHeaders }) as
    & Frame
    & { type: "HEADERS" };
const more = (block: Uint8Array, endHeaders: boolean) =>
  ({ type: "CONTINUATION", stream: 1, block, endHeaders }) as
    & Frame
    & { type: "CONTINUATION" };
function fails(what: () => unknown): [string, number] {
  const { code, stream } = assertThrows(what, Http2Error, "Cannot ");
  return [code, stream];
}

Deno.test("both windows are given back, in steps of half a window", () => {
  const { receiver: it, updates } = receiver(100, 70_000);
  it.open();
  assertEquals(updates.splice(0), [[0, 70_000 - 65_535]]);
  const one = stream(1, 100);
  it.take(80);
  it.takeOf(one, 80);
  it.consume(one, 49);
  assertEquals(updates, []);
  it.consume(one, 1);
  assertEquals(updates.splice(0), [[1, 50]]);
  assertEquals(one.receiveWindow, 70);
  it.giveBack(34_949);
  assertEquals(updates, []);
  it.giveBack(1);
  assertEquals(updates, [[0, 35_000]]);
});

Deno.test("a stream that has ended is given nothing back, the connection is", () => {
  const { receiver: it, updates } = receiver(100, 65_535);
  const ended = { ...stream(1, 100), received: true };
  it.consume(ended, 100);
  it.consume(ended, 40_000);
  assertEquals(updates, [[0, 40_100]]);
});

Deno.test("what exactly fits a window is taken, a byte more is an error of its owner", () => {
  const { receiver: it } = receiver(100, 65_535);
  const one = stream(7, 100);
  it.takeOf(one, 100);
  assertEquals(fails(() => it.takeOf(one, 1)), ["FLOW_CONTROL_ERROR", 7]);
  it.take(65_535);
  it.take(0);
  assertEquals(fails(() => it.take(1)), ["FLOW_CONTROL_ERROR", 0]);
});

Deno.test("our window binds open streams when it is acknowledged, once", () => {
  const { receiver: it } = receiver(100, 65_535);
  const one = stream(1, 65_535 - 10);
  assertEquals(it.agreedWindow, 65_535);
  it.agree([one]);
  assertEquals([one.receiveWindow, it.agreedWindow], [90, 100]);
  it.agree([one]);
  assertEquals(one.receiveWindow, 90);
});

Deno.test("headers come out whole, wherever their block is cut", () => {
  const list: Header[] = [[":method", "GET"], ["x", "y".repeat(50)]];
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 5 }), (cuts) => {
      const { receiver: it } = receiver(100, 65_535);
      const block = new HpackEncoder().encode(list);
      const places = [...cuts.sort((a, b) => a - b), block.length];
      let at = 0;
      places.forEach((end, i) => {
        const part = block.subarray(at, end);
        const last = i === cuts.length;
        const got = it.takeBlock(
          i === 0 ? headers(part, last) : more(part, last),
        );
        assertEquals(it.insideHeaders, last ? undefined : 1);
        assertEquals(got?.headers, last ? list : undefined);
        assertEquals(got?.end, last ? true : undefined);
        at = end;
      });
    }),
    { seed: 3 },
  );
});

Deno.test("a block without end is cut off, even if its pieces are empty", () => {
  for (const size of [0, 1000, 16_384]) {
    const { receiver: it } = receiver(100, 65_535);
    const piece = new Uint8Array(size);
    it.takeBlock(headers(piece, false));
    let count = 1;
    const { code } = assertThrows(() => {
      for (; count < 99_999; count++) it.takeBlock(more(piece, false));
    }, Http2Error);
    assertEquals(code, "ENHANCE_YOUR_CALM");
    assertEquals(count, Math.floor(MAX_BLOCK / (size + 9)));
  }
});

Deno.test("headers that are too long fail their stream only, bad ones all of them", () => {
  const { receiver: it } = receiver(100, 65_535, 50);
  const encoder = new HpackEncoder();
  // Also if a single one of them is above the limit.
  for (const length of [30, 60, 70_000]) {
    const block = encoder.encode([["x", "0".repeat(length)]]);
    const long = it.takeBlock(headers(block, true));
    assertEquals([long?.tooLong?.code, long?.tooLong?.stream], [
      "ENHANCE_YOUR_CALM",
      1,
    ]);
  }
  const next = it.takeBlock(headers(encoder.encode([["a", "b"]]), true));
  assertEquals(next?.headers, [["a", "b"]]);
  assertEquals(
    fails(() => it.takeBlock(headers(Uint8Array.of(0x80), true))),
    ["COMPRESSION_ERROR", 0],
  );
});
