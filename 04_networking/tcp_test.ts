import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { converse, diagram, type Fate } from "./tcp.ts";
import { type Segment } from "./tcp_endpoint.ts";

const bytes = (s: string) => new TextEncoder().encode(s);
const read = (x: Uint8Array) => new TextDecoder().decode(x);
const TALK = {
  client: { data: bytes("GET / HTTP") },
  server: { data: bytes("200 OK") },
};

Deno.test("without loss each byte goes once, and both end", () => {
  const { sent, received, states, time, error } = converse(TALK);
  assertEquals([read(received.server), read(received.client)], [
    "GET / HTTP",
    "200 OK",
  ]);
  assertEquals([states, error], [
    { client: "CLOSED", server: "CLOSED" },
    undefined,
  ]);
  assert(sent.every(({ again }) => !again));
  const data = sent.filter(({ segment }) => segment.data.length > 0);
  assertEquals(data.length, 3 + 2);
  // A round trip for the handshake, one for the data and FINs, and TIME-WAIT.
  assert(time >= 240_150 && time < 240_300, `${time}`);
});

Deno.test("the handshake takes one round trip before the first data are sent", () => {
  const { sent } = converse(TALK);
  assertEquals(
    sent.slice(0, 4).map(({ time, from, segment: s }) =>
      `${time} ${from} ${s.syn ? "SYN" : s.data.length > 0 ? "data" : "ACK"}`
    ),
    ["0 client SYN", "50 server SYN", "100 client ACK", "100 client data"],
  );
});

Deno.test("whichever one segment is lost or damaged, all is read, and both end", () => {
  const count = converse(TALK).sent.length;
  for (const delays of [[], [50]]) {
    for (let bad = 0; bad < count; bad++) {
      const network = (_: Segment, n: number): Fate =>
        n === bad ? { delays, damaged: true } : { delays: [50] };
      const { received, states, sent } = converse({ ...TALK, network });
      assertEquals(
        [
          read(received.server),
          read(received.client),
          states.client,
          states.server,
        ],
        ["GET / HTTP", "200 OK", "CLOSED", "CLOSED"],
        `${bad}`,
      );
      // Of an ACK the next one makes up, of all else only a retransmission does.
      const { syn, fin, data } = sent[bad].segment;
      if (syn || fin || data.length > 0) {
        assert(sent.some((s) => s.again), `${bad}`);
      }
    }
  }
});

/** What a bad network does to the first segments: fate by number. */
const fates = fc.array(
  fc.record({
    delays: fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 2 }),
    damaged: fc.boolean(),
  }),
  { maxLength: 40 },
);

Deno.test("whatever is lost, doubled, late or damaged, both read what was sent", () => {
  const text = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fates, text, text, fc.nat(), (bad, a, b, isn) => {
      const { received, states, error } = converse({
        client: { data: a, isn: (isn * 7919) >>> 0 },
        server: { data: b, isn: 4294967295 },
        network: (_, n) => bad[n] ?? { delays: [50] },
      });
      // After 40 segments the network is good again, before a side gives up.
      assertEquals(error, undefined);
      assertEquals([...received.server], [...a]);
      assertEquals([...received.client], [...b]);
      assertEquals(states, { client: "CLOSED", server: "CLOSED" });
    }),
    { seed: 7 },
  );
});

Deno.test("a fifth lost and a tenth damaged are no reason to give up", () => {
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  let again = 0;
  for (let n = 0; n < 30; n++) {
    const { received, error, sent } = converse({
      ...TALK,
      network: () => ({
        delays: random() < 0.2 ? [] : [50 + 30 * random()],
        damaged: random() < 0.1,
      }),
    });
    assertEquals(error, undefined);
    assertEquals(
      read(received.server) + read(received.client),
      "GET / HTTP200 OK",
    );
    again += sent.filter((s) => s.again).length;
  }
  assert(again > 100, `${again}`);
});

Deno.test("the handshake alone carries only what is not lost", () => {
  const network = (_: Segment, n: number): Fate => ({
    delays: n === 4 ? [] : [50],
  });
  const { received } = converse({ ...TALK, network, retransmit: false });
  assertEquals(read(received.server), "GET ");
  assertEquals(
    read(converse({ ...TALK, network }).received.server),
    "GET / HTTP",
  );
});

Deno.test("a network that lets nothing through is an error, and has an end", () => {
  const { states, error, sent } = converse({ network: () => ({ delays: [] }) });
  assertEquals(states, { client: "CLOSED", server: "LISTEN" });
  assertEquals(error, "client: no answer to 15 retransmissions");
  assertEquals(sent.length, 16);
});

Deno.test("nothing to say is a conversation, too", () => {
  const { received, states } = converse();
  assertEquals([received.client.length, received.server.length], [0, 0]);
  assertEquals(states, { client: "CLOSED", server: "CLOSED" });
});

Deno.test("a larger window takes less time, not fewer segments", () => {
  const data = bytes("x".repeat(400));
  const [small, large] = [1, 50].map((window) =>
    converse({ client: { data }, window })
  );
  const [slow, fast] = [small, large].map(({ sent }) => sent.at(-1)!.time);
  assert(fast < slow / 3, `${fast}, ${slow}`);
  const count = (r: typeof small) =>
    r.sent.filter(({ segment }) => segment.data.length > 0).length;
  assertEquals([count(small), count(large)], [100, 100]);
});

Deno.test("the diagram counts from each side's first number", () => {
  const network = (_: Segment, n: number): Fate => ({
    delays: n === 3 ? [] : [50],
    damaged: n === 4,
  });
  const result = converse({
    client: { data: bytes("abcdefg"), isn: 4294967295 },
    server: { isn: 12345 },
    network,
  });
  assertEquals(
    diagram(result).split("\n").slice(0, 6).map((line) =>
      line.replaceAll(/ +/g, " ")
    ),
    [
      " 0 ms ──SYN seq 0 ──▶",
      " 50 ms ◀──SYN seq 0 ack 1 ──",
      " 100 ms ──ACK seq 1 ack 1 ──▶",
      " 100 ms ──data seq 1 4 bytes ack 1 ──▶ x lost",
      " 100 ms ──data seq 5 3 bytes ack 1 ──▶ x damaged",
      " 100 ms ──FIN seq 8 ack 1 ──▶",
    ],
  );
  assert(diagram(result).includes("(again)"));
});
