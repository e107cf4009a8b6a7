import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Header, HpackDecoder } from "./hpack.ts";
import { concat, type Frame, Http2Error } from "./http2_frames.ts";
import { MAX_REPLIES, type Outgoing, Sender } from "./http2_sender.ts";

function sender(writable = new WritableStream<Uint8Array>()) {
  const frames: Frame[] = [];
  const errors: Error[] = [];
  const sender = new Sender(
    writable,
    (frame) => frames.push(frame),
    (error) => errors.push(error),
  );
  return { sender, frames, errors };
}
const stream = (id: number, sendWindow: number): Outgoing => ({
  id,
  sendWindow,
  sent: false,
  error: undefined,
});
const pause = () => new Promise((done) => setTimeout(done));
const lengths = (frames: Frame[]) =>
  frames.flatMap((frame) => frame.type === "DATA" ? [frame.data.length] : []);
function fails(what: () => unknown): [string, number] {
  const { code, stream } = assertThrows(what, Http2Error, "Cannot ");
  return [code, stream];
}

Deno.test("DATA stop at the stream's window, and go on with it", async () => {
  const { sender: it, frames } = sender();
  const one = stream(1, 20_000);
  const sending = it.sendData(one, new Uint8Array(30_000), true);
  await pause();
  assertEquals(lengths(frames), [16_384, 3616]);
  assertEquals(one.sent, false);
  it.addWindow(1, 9999, one);
  await pause();
  it.addWindow(1, 5, one);
  await sending;
  assertEquals(lengths(frames), [16_384, 3616, 9999, 1]);
  assertEquals([one.sendWindow, one.sent], [4, true]);
  const ends = frames.map((frame) => "endStream" in frame && frame.endStream);
  assertEquals(ends, [false, false, false, true]);
});

Deno.test("all streams together stop at the connection's window", async () => {
  const { sender: it, frames } = sender();
  const both = [stream(1, 90_000), stream(3, 90_000)];
  const sending = both.map((one) =>
    it.sendData(one, new Uint8Array(40_000), true)
  );
  await pause();
  const sum = () => lengths(frames).reduce((sum, length) => sum + length);
  assertEquals(sum(), 65_535);
  // Neither has to wait until the other has ended.
  assertEquals(frames.slice(0, 4).map(({ stream }) => stream), [1, 3, 1, 3]);
  it.addWindow(0, 14_465);
  await Promise.all(sending);
  assertEquals(sum(), 80_000);
});

Deno.test("an end without data needs no window, and no data are no frame", async () => {
  const { sender: it, frames } = sender();
  const one = stream(1, -5);
  await it.sendData(one, new Uint8Array(), false);
  assertEquals(frames, []);
  await it.sendData(one, new Uint8Array(), true);
  assertEquals(lengths(frames), [0]);
});

Deno.test("a new initial window changes open streams by the difference, below 0 too", async () => {
  const { sender: it, frames } = sender();
  const one = stream(1, 65_535);
  await it.sendData(one, new Uint8Array(50_000), false);
  it.applySettings([[4, 40_000]], [one]);
  assertEquals([one.sendWindow, it.peer.window], [-10_000, 40_000]);
  frames.length = 0;
  const sending = it.sendData(one, new Uint8Array(10), true);
  it.addWindow(1, 10_000, one);
  await pause();
  assertEquals(lengths(frames), []);
  it.addWindow(1, 3, one);
  await pause();
  it.applySettings([[4, 40_007]], [one]);
  await sending;
  assertEquals(lengths(frames), [3, 7]);
});

Deno.test("headers are cut at the peer's frame size, and nothing comes between", () => {
  fc.assert(
    fc.property(fc.nat(50_000), fc.boolean(), (length, end) => {
      const { sender: it, frames } = sender();
      const headers: Header[] = [["x", "~".repeat(length)]];
      const one = stream(5, 0);
      it.sendHeaders(one, headers, end);
      const blocks = frames.map((frame) =>
        frame.type === "HEADERS" || frame.type === "CONTINUATION"
          ? frame.block
          : new Uint8Array()
      );
      assertEquals(
        blocks.length,
        Math.max(1, Math.ceil(concat(blocks).length / 16_384)),
      );
      assertEquals(new HpackDecoder().decode(concat(blocks)), headers);
      frames.forEach((frame, i) => {
        assertEquals(frame.type, i === 0 ? "HEADERS" : "CONTINUATION");
        const last = i === frames.length - 1;
        assertEquals("endHeaders" in frame && frame.endHeaders, last);
      });
      assertEquals(
        [one.sent, "endStream" in frames[0] && frames[0].endStream],
        [end, end],
      );
    }),
    { seed: 3, numRuns: 30 },
  );
});

Deno.test("headers above the peer's limit are not sent", () => {
  const { sender: it, frames } = sender();
  it.applySettings([[6, 40]], []);
  assertEquals(
    fails(() => it.sendHeaders(stream(3, 0), [["abc", "defghi"]], true)),
    [
      "PROTOCOL_ERROR",
      3,
    ],
  );
  it.sendHeaders(stream(3, 0), [["abc", "defgh"]], true);
  assertEquals(frames.map(({ type }) => type), ["SETTINGS", "HEADERS"]);
});

Deno.test("settings are taken within their bounds, and acknowledged once each", () => {
  const { sender: it, frames } = sender();
  it.applySettings([[3, 7], [5, 2 ** 24 - 1], [4, 2 ** 31 - 1], [99, 1], [
    1,
    0,
  ]], []);
  assertEquals(it.peer, {
    window: 2 ** 31 - 1,
    frameSize: 2 ** 24 - 1,
    streams: 7,
    listSize: Infinity,
  });
  assertEquals(frames, [{
    type: "SETTINGS",
    stream: 0,
    ack: true,
    settings: [],
  }]);
  for (
    const [id, value, code] of [
      [2, 2, "PROTOCOL_ERROR"],
      [4, 2 ** 31, "FLOW_CONTROL_ERROR"],
      [5, 16_383, "PROTOCOL_ERROR"],
      [5, 2 ** 24, "PROTOCOL_ERROR"],
    ] as const
  ) {
    assertEquals(fails(() => it.applySettings([[id, value]], [])), [code, 0]);
  }
});

Deno.test("a header table of the peer's size is used from the next block on", () => {
  const { sender: it, frames } = sender();
  it.applySettings([[1, 0]], []);
  for (const id of [1, 3]) it.sendHeaders(stream(id, 0), [["a", "b"]], true);
  const blocks = frames.flatMap((frame) =>
    frame.type === "HEADERS" ? [frame.block] : []
  );
  assertEquals(blocks[0][0], 0x20);
  // Nothing could be put into a table of nothing.
  assert(blocks[1][0] < 0x10);
});

Deno.test("a stream that fails while it waits stops sending", async () => {
  const { sender: it, frames } = sender();
  const one = stream(1, 10);
  const sending = it.sendData(one, new Uint8Array(20), true);
  await pause();
  one.error = new Http2Error("CANCEL", "enough", 1);
  it.wake();
  await assertRejects(() => sending, Http2Error, "enough");
  assertThrows(() => it.sendHeaders(one, [], true), Http2Error, "enough");
  assertEquals(lengths(frames), [10]);
});

Deno.test("answers that nobody reads are counted, and read ones are not", async () => {
  const ping: Frame = {
    type: "PING",
    stream: 0,
    ack: true,
    data: new Uint8Array(8),
  };
  const stuck = sender(
    new WritableStream({ write: () => new Promise(() => {}) }),
  );
  for (let n = 0; n < MAX_REPLIES; n++) stuck.sender.reply(ping);
  assertEquals(stuck.errors, []);
  // It may be the application that resets streams: nothing is thrown at it.
  stuck.sender.reply(ping);
  const [error] = stuck.errors as Http2Error[];
  assertEquals([error?.code, error?.stream], ["ENHANCE_YOUR_CALM", 0]);
  const { sender: read } = sender();
  for (let n = 0; n < 3 * MAX_REPLIES; n++) {
    read.reply(ping);
    if (n % 500 === 0) await pause();
  }
});

Deno.test("a transport that fails is told once a write, and nothing throws", async () => {
  const broken = sender(
    new WritableStream({ write: () => Promise.reject(new Error("broken")) }),
  );
  await broken.sender.send({
    type: "PING",
    stream: 0,
    ack: false,
    data: new Uint8Array(8),
  });
  assertEquals(broken.errors.map(({ message }) => message), [
    "Cannot write: broken",
  ]);
  broken.sender.end();
  await broken.sender.send({
    type: "PING",
    stream: 0,
    ack: false,
    data: new Uint8Array(8),
  });
  assertEquals([broken.errors.length, broken.frames.length], [1, 1]);
});

Deno.test("the last stream that GOAWAY names never grows", () => {
  const { sender: it, frames } = sender();
  for (const last of [5, 9, 3]) it.goAway(last, "NO_ERROR");
  const named = frames.map((frame) => "last" in frame && frame.last);
  assertEquals(named, [5, 5, 3]);
});

Deno.test("a window above 2³¹ − 1 and an increment of 0 are errors of their owner", () => {
  const { sender: it } = sender();
  const one = stream(7, -10);
  it.addWindow(7, 2 ** 31 - 1, one);
  assertEquals(one.sendWindow, 2 ** 31 - 11);
  assertEquals(fails(() => it.addWindow(7, 11, one)), [
    "FLOW_CONTROL_ERROR",
    7,
  ]);
  it.addWindow(7, 10, one);
  it.addWindow(0, 2 ** 31 - 65_536);
  assertEquals(fails(() => it.addWindow(0, 1)), ["FLOW_CONTROL_ERROR", 0]);
  for (const id of [0, 7]) {
    assertEquals(fails(() => it.addWindow(id, 0, one)), ["PROTOCOL_ERROR", id]);
  }
});
