import { assert, assertEquals } from "@std/assert";
import { PREFACE } from "./http2_frames.ts";
import { data, GET, open, ping, scripted, SETTINGS } from "./http2_peer.ts";

Deno.test("a scripted client's frames arrive, and the answers are written down", async () => {
  const peer = scripted("server");
  await peer.write(PREFACE);
  await peer.say(SETTINGS, open(1, false), data(1, 3, true), ping);
  assertEquals(peer.streams.map(({ id, received }) => [id, received]), [[
    1,
    true,
  ]]);
  assert(peer.sent.some((frame) => frame.type === "PING" && frame.ack));
  const body = await new Response(peer.streams[0].body).bytes();
  assertEquals(body, new Uint8Array(3));
  await peer.finish();
});

Deno.test("a scripted server sees the client's frames without the preface", async () => {
  const peer = scripted("client");
  await peer.connection.open(GET, true);
  await peer.say(SETTINGS);
  const types = peer.sent.map(({ type }) => type);
  assertEquals(types.filter((type) => type !== "WINDOW_UPDATE"), [
    "SETTINGS",
    "HEADERS",
    "SETTINGS",
  ]);
  await peer.finish();
  assert(peer.connection.error);
});
