import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concat, Http2Error } from "./http2_frames.ts";
import { memoryPair, Stream } from "./http2_stream.ts";

function stream() {
  const consumed: number[] = [];
  const resets: string[] = [];
  const it: Stream = new Stream(
    {
      ready: Promise.resolve(),
      sendHeaders: () => {},
      sendData: () => Promise.resolve(),
      resetStream: (stream, code, error) => {
        resets.push(code);
        const unread = stream.fail(error);
        if (unread > 0) consumed.push(unread);
      },
      consume: (_, size) => {
        if (size > 0) consumed.push(size);
      },
    },
    7,
    0,
    0,
  );
  return { it, consumed, resets };
}
const bytes = (length: number) => new Uint8Array(length).fill(length);
const pause = () => new Promise((done) => setTimeout(done));

Deno.test("bytes are given back when they are read, and not before", async () => {
  const { it, consumed } = stream();
  it.push(bytes(3));
  it.push(bytes(5));
  await pause();
  assertEquals(consumed, []);
  const reader = it.body.getReader();
  assertEquals((await reader.read()).value, bytes(3));
  await pause();
  assertEquals(consumed, [3]);
  assertEquals((await reader.read()).value, bytes(5));
  const waiting = reader.read();
  it.push(bytes(0));
  it.push(bytes(2));
  assertEquals((await waiting).value, bytes(2));
  it.finish();
  assertEquals((await reader.read()).done, true);
  assertEquals(consumed, [3, 5, 2]);
});

Deno.test("any pieces are read in order, whoever is first", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(20), fc.boolean())),
      async (pieces) => {
        const { it, consumed } = stream();
        const all = new Response(it.body).bytes();
        for (const [length, wait] of pieces) {
          it.push(bytes(length));
          if (wait) await pause();
        }
        it.finish();
        const expected = concat(pieces.map(([length]) => bytes(length)));
        assertEquals(await all, expected);
        const sum = consumed.reduce((sum, size) => sum + size, 0);
        assertEquals(sum, expected.length);
      },
    ),
    { seed: 3, numRuns: 50 },
  );
});

Deno.test("a failed body drops its queue, gives the bytes back, and tells once", async () => {
  const { it } = stream();
  const told: string[] = [];
  it.onError = ({ message }) => told.push(message);
  it.push(bytes(3));
  it.push(bytes(4));
  assertEquals(it.fail(new Http2Error("CANCEL", "first", 7)), 7);
  assertEquals(it.fail(new Http2Error("CANCEL", "second", 7)), 0);
  await assertRejects(() => it.body.getReader().read(), Http2Error, "first");
  assertEquals([told, it.error?.message], [["first"], "first"]);
});

Deno.test("a body that has arrived can be read although sending has failed", async () => {
  const { it } = stream();
  it.onError = () => {
    throw new Error("it was complete");
  };
  let ended = 0;
  it.onEnd = () => ended++;
  it.push(bytes(4));
  it.finish();
  assertEquals(it.fail(new Http2Error("NO_ERROR", "stop", 7)), 0);
  assertEquals(await new Response(it.body).bytes(), bytes(4));
  assertEquals([ended, it.error?.message], [1, "stop"]);
});

Deno.test("a body that is cancelled resets the stream, and gives its bytes back", async () => {
  const { it, consumed, resets } = stream();
  it.push(bytes(9));
  await it.body.cancel();
  assertEquals([consumed, resets], [[9], ["CANCEL"]]);
  const waiting = stream();
  const reader = waiting.it.body.getReader();
  const read = reader.read();
  await reader.cancel();
  assertEquals((await read).done, true);
  assertEquals(waiting.resets, ["CANCEL"]);
});

Deno.test("what comes for a body that was cancelled is given back at once", async () => {
  const { it, consumed, resets } = stream();
  let cancelled = 0;
  it.onCancel = () => cancelled++;
  const reader = it.body.getReader();
  const reading = reader.read();
  await pause();
  await reader.cancel();
  assertEquals((await reading).done, true);
  it.push(bytes(5));
  it.push(bytes(2));
  it.finish();
  await pause();
  assertEquals([consumed, resets, cancelled], [[5, 2], [], 1]);
});

Deno.test("content-length is kept, with the first byte too many and at the end", () => {
  const { it } = stream();
  it.expected = 5;
  it.push(bytes(3));
  assertThrows(
    () => it.finish(),
    Http2Error,
    "a body of 3 bytes: content-length is 5",
  );
  it.push(bytes(2));
  const error = assertThrows(() => it.push(bytes(1)), Http2Error);
  assertEquals([error.code, error.stream], ["PROTOCOL_ERROR", 7]);
  const empty = stream().it;
  empty.expected = 0;
  empty.finish();
  assertEquals(empty.received, true);
});

Deno.test("two ends in memory read what the other writes", async () => {
  const [near, far] = memoryPair();
  const both = [[near, far], [far, near]] as const;
  for (const [from, to] of both) {
    const writer = from.writable.getWriter();
    writer.write(bytes(3));
    writer.close();
    assertEquals(await new Response(to.readable).bytes(), bytes(3));
  }
});
