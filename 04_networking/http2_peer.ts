#!/usr/bin/env -S deno run
/**
 * Q. How do you test a protocol against a peer that breaks its rules?
 *
 * A. Not with a real one: those keep them. A scripted peer sends the frames it is given, in
 * memory, and writes down what comes back. The test then is a table: these frames, that
 * error. It reads all the time, so that no window of the transport's own hides a fault.
 *
 * Left out: delays; a peer that never reads.
 * Source: the frames of RFC 9113, 6.
 * Run: `deno run http2_peer.ts`
 * @module
 */
import { type Header, HpackEncoder } from "./hpack.ts";
import { Connection } from "./http2_connection.ts";
import {
  describeFrame,
  encodeFrame,
  type Frame,
  FrameReader,
  PREFACE,
} from "./http2_frames.ts";
import {
  type ConnectionOptions,
  memoryPair,
  type Stream,
} from "./http2_stream.ts";

/** A peer's first frame, and its answer to ours. */
export const SETTINGS: Frame = {
  type: "SETTINGS",
  stream: 0,
  ack: false,
  settings: [],
};
export const ACK: Frame = { ...SETTINGS, ack: true };
/** A request, and its block for an empty table. */
export const GET: Header[] = [[":method", "GET"], [":path", "/"]];
export const block = new HpackEncoder().encode(GET);
/** HEADERS that open a stream. */
export const open = (stream: number, endStream = true): Frame => ({
  type: "HEADERS",
  stream,
  block,
  endStream,
  endHeaders: true,
});
/** DATA of so many zeros. */
export const data = (
  stream: number,
  length: number,
  endStream = false,
): Frame => ({
  type: "DATA",
  stream,
  data: new Uint8Array(length),
  endStream,
});
/** CONTINUATION of so many zeros. */
export const part = (stream: number, endHeaders: boolean, size = 0): Frame => ({
  type: "CONTINUATION",
  stream,
  block: new Uint8Array(size),
  endHeaders,
});
/** WINDOW_UPDATE. */
export const update = (stream: number, increment: number): Frame => ({
  type: "WINDOW_UPDATE",
  stream,
  increment,
});
/** SETTINGS with one of them. */
export const setting = (id: number, value: number): Frame => ({
  ...SETTINGS,
  type: "SETTINGS",
  ack: false,
  settings: [[id, value]],
});
/** PING. */
export const ping: Frame = {
  type: "PING",
  stream: 0,
  ack: false,
  data: new Uint8Array(8).fill(7),
};

/** The end under test. */
export type Role = "client" | "server";

/** One end under test, and a peer that does what it is told. */
export function scripted(role: Role, options: ConnectionOptions = {}) {
  const [near, far] = memoryPair();
  const streams: Stream[] = [];
  const connection = new Connection(
    near,
    options,
    role === "client" ? undefined : (stream) => {
      stream.onHeaders = () => stream.begun = true;
      streams.push(stream);
    },
  );
  /** What the end under test has sent. */
  const sent: Frame[] = [];
  let skip = role === "client" ? PREFACE.length : 0;
  const frames = new FrameReader(2 ** 24);
  const reading = (async () => {
    try {
      for await (const chunk of far.readable) {
        const skipped = Math.min(skip, chunk.length);
        skip -= skipped;
        sent.push(...frames.push(chunk.subarray(skipped)));
      }
    } catch {
      // It was cut off.
    }
  })();
  const writer = far.writable.getWriter();
  const write = (bytes: Uint8Array) => writer.write(bytes).catch(() => {});
  const say = async (...frames: Frame[]) => {
    for (const frame of frames) await write(encodeFrame(frame));
    await new Promise((done) => setTimeout(done));
  };
  /** Closes the peer's side, and waits until nothing goes on. */
  const finish = async () => {
    await writer.close().catch(() => {});
    await connection.closed;
    await reading;
  };
  return { connection, streams, sent, write, say, finish };
}

if (import.meta.main) {
  const peer = scripted("server");
  await peer.write(PREFACE);
  await peer.say(SETTINGS, ping, data(1, 5));
  for (const frame of peer.sent) console.log(describeFrame(frame));
  await peer.finish();
  console.log(peer.connection.error?.message);
}
