import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Header } from "./hpack.ts";
import { Connection } from "./http2_connection.ts";
import {
  concat,
  encodeFrame,
  errorName,
  type Frame,
  FrameReader,
  Http2Error,
  PREFACE,
} from "./http2_frames.ts";
import {
  ACK,
  block,
  data,
  GET,
  open,
  part,
  ping,
  type Role,
  scripted,
  setting,
  SETTINGS,
  update,
} from "./http2_peer.ts";
import { memoryPair } from "./http2_stream.ts";

/** Headers that go on, and the end of a stream. */
const CUT = { ...open(1), endHeaders: false } as Frame;
const RST: Frame = { type: "RST_STREAM", stream: 1, code: 8 };
/** A window of DATA, with one byte more. */
const WINDOW = [1, 2, 3, 4].map(() => data(1, 16_384));

/** What a peer's frames lead to: the connection's error, and the streams'. */
async function outcome(role: Role, frames: Frame[], first = [SETTINGS]) {
  const peer = scripted(role);
  if (role === "client") {
    const stream = await peer.connection.open(GET, false);
    stream.onHeaders = () => stream.begun = true;
  } else await peer.write(PREFACE);
  await peer.say(...first, ...frames);
  const { error } = peer.connection;
  await peer.finish();
  const away = peer.sent.find((frame) => frame.type === "GOAWAY");
  const resets = peer.sent.filter((frame) => frame.type === "RST_STREAM");
  if (error) {
    assert(error instanceof Http2Error);
    const { code } = error as Http2Error;
    assert(/^Cannot [^\n]+$/.test(error.message), error.message);
    assertEquals(away && errorName(away.code), code);
    return code;
  }
  return resets.map(({ code, stream }) => `${stream} ${errorName(code)}`)
    .join();
}

const UNKNOWN: Frame = {
  type: "UNKNOWN",
  stream: 8,
  number: 200,
  flags: 255,
  payload: block,
};
const PUSH: Frame = {
  type: "PUSH_PROMISE",
  stream: 1,
  promised: 2,
  block,
  endHeaders: true,
};
const PRIORITY: Frame = {
  type: "PRIORITY",
  stream: 9,
  priority: new Uint8Array(5),
};
const NOT_HPACK: Frame = { ...open(1), block: Uint8Array.of(0x80) } as Frame;
const PADDED: Frame = { ...data(1, 16_383), padding: 1 } as Frame;
const pieces = [1, 2, 3, 4, 5].map(() => part(1, false, 16_000));
const large = 2 ** 31 - 1;

/** What an end answers to a peer's frames: a connection's error, or a stream's. */
const table: [Role, string, Record<string, Frame[]>][] = [
  ["server", "PROTOCOL_ERROR", {
    "DATA on a stream that nobody opened": [data(1, 1)],
    "WINDOW_UPDATE on such a stream": [update(1, 1)],
    "RST_STREAM on such a stream": [RST],
    "a client's stream of an even number": [open(2)],
    "DATA in the middle of headers": [CUT, data(1, 1)],
    "DATA in the middle of trailers": [open(1, false), CUT, data(1, 1)],
    "PING in the middle of headers": [CUT, ping],
    "an unknown frame in the middle of headers": [CUT, UNKNOWN],
    "another stream's CONTINUATION": [CUT, part(3, true)],
    "CONTINUATION after nothing": [open(1), part(1, true)],
    "ENABLE_PUSH of 2": [setting(2, 2)],
    "frames of 16,383 bytes": [setting(5, 16_383)],
    "an increment of 0 of the connection": [update(0, 0)],
  }],
  ["client", "PROTOCOL_ERROR", {
    "HEADERS on a stream that nobody opened": [open(3)],
    "HEADERS on a server's stream": [open(2)],
    "a push": [PUSH],
    "a server that enables push": [setting(2, 1)],
  }],
  ["client", "1 PROTOCOL_ERROR", { "DATA before the headers": [data(1, 1)] }],
  ["server", "1 PROTOCOL_ERROR", {
    "an increment of 0 of a stream": [open(1), update(1, 0)],
  }],
  ["server", "STREAM_CLOSED", {
    "a smaller stream after a larger one": [open(5), open(3)],
    "DATA after the client's own reset": [open(1), RST, data(1, 5)],
  }],
  ["server", "1 STREAM_CLOSED", {
    "HEADERS after END_STREAM": [open(1), open(1)],
    "DATA after END_STREAM": [open(1), data(1, 5)],
  }],
  ["server", "ENHANCE_YOUR_CALM", {
    "CONTINUATION without end": [CUT, ...pieces],
  }],
  ["server", "COMPRESSION_ERROR", { "a block of no HPACK": [NOT_HPACK] }],
  ["server", "FLOW_CONTROL_ERROR", {
    "a window of 2³¹": [setting(4, 2 ** 31)],
    "a connection's window above 2³¹ − 1": [
      update(0, large - 65_535),
      update(0, 1),
    ],
    "SETTINGS that make one larger": [
      open(1),
      update(1, 1),
      setting(4, large),
    ],
  }],
  ["server", "1 FLOW_CONTROL_ERROR", {
    "a stream's window above 2³¹ − 1": [open(1), update(1, large)],
    "more DATA than the stream's window": [open(1, false), ...WINDOW],
    "a byte of padding too much": [
      open(1, false),
      ...WINDOW.slice(1),
      PADDED,
    ],
  }],
  ["server", "", {
    "an unknown setting": [setting(77, 1), open(1)],
    "as much DATA as the stream's window": [
      open(1, false),
      data(1, 16_383),
      ...WINDOW.slice(1),
    ],
    "PRIORITY, PING's ACK, unknown and late frames": [
      PRIORITY,
      { ...ping, ack: true } as Frame,
      UNKNOWN,
      open(1),
      RST,
      update(1, 5),
      RST,
    ],
  }],
];
for (const [role, expected, rows] of table) {
  for (const [name, frames] of Object.entries(rows)) {
    Deno.test(`${role}: ${name}: ${expected || "no error"}`, async () => {
      assertEquals(await outcome(role, frames), expected);
    });
  }
}

Deno.test("the first frame must be SETTINGS, and no ACK", async () => {
  for (const role of ["client", "server"] as const) {
    assertEquals(await outcome(role, [], [ping]), "PROTOCOL_ERROR");
    assertEquals(await outcome(role, [], [ACK]), "PROTOCOL_ERROR");
  }
});

Deno.test("a client that speaks HTTP/1.1 is told so by an error", async () => {
  const peer = scripted("server");
  await peer.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  await peer.finish();
  assertEquals(
    peer.connection.error?.message,
    "Cannot serve: the client's preface is not that of HTTP/2",
  );
});

Deno.test("SETTINGS are acknowledged, and PING is answered with its own bytes", async () => {
  const peer = scripted("server");
  for (const byte of PREFACE) await peer.write(Uint8Array.of(byte));
  await peer.say(SETTINGS, ping);
  await peer.finish();
  assertEquals(peer.connection.error, undefined);
  assertEquals(peer.sent.filter(({ type }) => type === "PING"), [
    { ...ping, ack: true } as Frame,
  ]);
  assert(peer.sent.some((frame) => frame.type === "SETTINGS" && frame.ack));
});

Deno.test("a client's streams are 1, 3, 5; push is off; the preface comes first", async () => {
  const [near, far] = memoryPair();
  const { closed, open } = (() => {
    const connection = new Connection(near);
    return {
      closed: connection.closed,
      open: () => connection.open(GET, true),
    };
  })();
  const ids = [await open(), await open(), await open()].map(({ id }) => id);
  assertEquals(ids, [1, 3, 5]);
  const reader = far.readable.getReader();
  assertEquals((await reader.read()).value, PREFACE);
  const [first] = new FrameReader().push((await reader.read()).value!);
  assertEquals(
    first.type === "SETTINGS" && !first.ack && first.settings[0],
    [2, 0],
  );
  await reader.cancel();
  await far.writable.close();
  await closed;
});

Deno.test("headers that come in pieces are one block, also with an empty piece", async () => {
  const peer = scripted("server");
  await peer.write(PREFACE);
  const got: Header[][] = [];
  await peer.say(
    SETTINGS,
    { ...open(1), endHeaders: false, block: block.slice(0, 1) } as Frame,
  );
  await peer.say(part(1, false));
  assertEquals(peer.streams.length, 0);
  await peer.say({
    type: "CONTINUATION",
    stream: 1,
    block: block.slice(1),
    endHeaders: true,
  });
  assertEquals(peer.streams.length, 1);
  peer.streams[0].onHeaders = (headers) => got.push(headers);
  // The table of later blocks is right only if this one was read as a whole.
  assert(peer.streams[0].received);
  await peer.finish();
});

Deno.test("a reader gives back both windows, and nobody gives back before", async () => {
  const peer = scripted("server", { connectionWindow: 65_535 });
  await peer.write(PREFACE);
  await peer.say(SETTINGS, open(1, false), data(1, 16_384), data(1, 16_384));
  const updates = () =>
    peer.sent.flatMap((frame) =>
      frame.type === "WINDOW_UPDATE" ? [[frame.stream, frame.increment]] : []
    );
  assertEquals(updates(), []);
  const reader = peer.streams[0].body.getReader();
  await reader.read();
  await reader.read();
  await peer.say();
  assertEquals(updates(), [[0, 32_768], [1, 32_768]]);
  await peer.say(
    { ...data(1, 16_384), padding: 0 } as Frame,
    data(1, 16_384, true),
  );
  // What is dropped unread is given back too, on the connection only.
  await reader.cancel();
  await peer.say();
  assertEquals(updates().slice(2), [[0, 32_768]]);
  await peer.finish();
});

Deno.test("late frames of a stream that we have reset are ignored, but counted", async () => {
  const peer = scripted("server", { connectionWindow: 65_535 });
  await peer.write(PREFACE);
  await peer.say(SETTINGS, open(1, false));
  peer.streams[0].reset("CANCEL");
  await peer.say(...Array.from({ length: 9 }, () => data(1, 16_384)));
  await peer.say(open(1), open(3));
  assertEquals(peer.connection.error, undefined);
  assertEquals(peer.streams.length, 2);
  const updates = peer.sent.filter(({ type }) => type === "WINDOW_UPDATE");
  assertEquals(updates.map(({ stream }) => stream), [0, 0, 0, 0]);
  await peer.finish();
});

Deno.test("more streams than allowed are refused, and can be tried again", async () => {
  const peer = scripted("server", { maxStreams: 2 });
  await peer.write(PREFACE);
  await peer.say(SETTINGS, open(1), open(3), open(5));
  const resets = peer.sent.filter((frame) => frame.type === "RST_STREAM");
  assertEquals(resets, [{ type: "RST_STREAM", stream: 5, code: 7 }]);
  assertEquals(peer.streams.length, 2);
  await peer.finish();
});

Deno.test("GOAWAY fails the streams that were not processed, and lets others finish", async () => {
  const peer = scripted("client");
  const streams = [
    await peer.connection.open(GET, true),
    await peer.connection.open(GET, true),
  ];
  const errors: string[] = [];
  for (const stream of streams) {
    stream.onHeaders = () => stream.begun = true;
    stream.onError = (error) => errors.push((error as Http2Error).code);
  }
  const away: Frame = {
    type: "GOAWAY",
    stream: 0,
    last: 1,
    code: 0,
    debug: block,
  };
  await peer.say(SETTINGS, away);
  assertEquals(errors, ["REFUSED_STREAM"]);
  await assertRejects(
    () => peer.connection.open(GET, true),
    Http2Error,
    "closing",
  );
  await peer.say({ ...open(1), endStream: true } as Frame);
  await peer.connection.closed;
  assertEquals([errors.length, peer.connection.error], [1, undefined]);
  await peer.finish();
});

Deno.test("a peer that pings and never reads is cut off", async () => {
  const [near, far] = memoryPair();
  const connection = new Connection(near, {}, () => {});
  const writer = far.writable.getWriter();
  const pings = concat(Array(100).fill(encodeFrame(ping)));
  writer.write(concat([PREFACE, encodeFrame(SETTINGS)])).catch(() => {});
  for (let n = 0; n < 20; n++) writer.write(pings).catch(() => {});
  await connection.closed;
  assertEquals((connection.error as Http2Error).code, "ENHANCE_YOUR_CALM");
});

Deno.test("a connection that is cut off fails its streams, and aborting does too", async () => {
  for (const how of ["cut", "abort"]) {
    const abort = new AbortController();
    const peer = scripted("client", { signal: abort.signal });
    const stream = await peer.connection.open(GET, true);
    const failed = new Promise<Error>((done) => stream.onError = done);
    await peer.say(SETTINGS);
    if (how === "abort") abort.abort(new Error("enough"));
    else await peer.finish();
    const message = how === "abort"
      ? "enough"
      : "The peer closed the connection too early";
    assertEquals((await failed).message, message);
    await peer.finish();
  }
});

Deno.test("mutated frames give typed errors, and the connection always ends", async () => {
  const whole = concat([
    SETTINGS,
    open(1, false),
    data(1, 40),
    { ...data(1, 9, true), padding: 4 } as Frame,
    { ...open(3), endHeaders: false } as Frame,
    part(3, true),
    setting(4, 100),
    update(3, 7),
    ping,
    { type: "GOAWAY", stream: 0, last: 0, code: 0, debug: block } as Frame,
  ].map(encodeFrame));
  const edit = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      async (edits) => {
        const bytes = whole.slice();
        for (const [at, byte] of edits) bytes[at] = byte;
        const [near, far] = memoryPair();
        const connection = new Connection(near, {}, (stream) => {
          stream.onHeaders = () => stream.begun = true;
          new Response(stream.body).bytes().catch(() => {});
        });
        const reading = new Response(far.readable).bytes().catch(() => {});
        const writer = far.writable.getWriter();
        writer.write(concat([PREFACE, bytes])).catch(() => {});
        writer.close().catch(() => {});
        await connection.closed;
        await reading;
        const { error } = connection;
        assert(error === undefined || error instanceof Http2Error, `${error}`);
        seen.add((error as Http2Error)?.code ?? "none");
      },
    ),
    { seed: 7, numRuns: 1500 },
  );
  for (const code of ["PROTOCOL_ERROR", "FRAME_SIZE_ERROR", "none"]) {
    assert(seen.has(code), code);
  }
});
