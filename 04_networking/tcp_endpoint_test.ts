import { assert, assertEquals, assertThrows } from "@std/assert";
import { checksum } from "./packet_writer.ts";
import { ahead, Endpoint, type Segment } from "./tcp_endpoint.ts";

const text = (s: string) => new TextEncoder().encode(s);

/** An endpoint, what it sends, and a clock that goes on when told to. */
function alone(name: "client" | "server", isn: number, data = "", limits = {}) {
  const sent: string[] = [];
  const segments: Segment[] = [];
  let timers: { time: number; run: () => void }[] = [];
  let now = 0;
  const clock = {
    now: () => now,
    after(ms: number, run: () => void) {
      const timer = { time: now + ms, run };
      timers.push(timer);
      return timer;
    },
    cancel: (timer?: object) => {
      timers = timers.filter((t) => t !== timer);
    },
  };
  const endpoint = new Endpoint(
    name,
    text(data),
    isn,
    { mss: 4, window: 4, retransmit: true, ...limits },
    clock,
    (segment, again) => {
      const { seq, ack, syn, fin, data } = segment;
      const flags = [syn && "SYN", fin && "FIN", ack !== undefined && "ACK"];
      sent.push(
        `<SEQ=${seq}>${ack === undefined ? "" : `<ACK=${ack}>`}` +
          `<CTL=${flags.filter(Boolean).join(",")}>` +
          new TextDecoder().decode(data) + (again ? " again" : ""),
      );
      segments.push(segment);
    },
  );
  /** Lets so many ms go by. */
  const pass = (ms: number) => {
    const end = now + ms;
    for (;;) {
      const due = timers.filter(({ time }) => time <= end)
        .sort((a, b) => a.time - b.time)[0];
      if (!due) break;
      clock.cancel(due);
      now = due.time;
      due.run();
    }
    now = end;
  };
  return { endpoint, sent: () => sent.splice(0), segments, pass };
}

/** A segment with its checksum, as another endpoint would send it. */
function segment(
  seq: number,
  ack: number | undefined,
  rest: Partial<Segment> = {},
) {
  const { syn = false, fin = false, data = new Uint8Array() } = rest;
  const head = new DataView(new ArrayBuffer(12));
  head.setUint32(0, seq);
  head.setUint32(4, ack ?? 0);
  const flags = (ack === undefined ? 0 : 16) + (syn ? 2 : 0) + (fin ? 1 : 0);
  head.setUint16(8, flags);
  const bytes = [...new Uint8Array(head.buffer), ...data];
  const sum = checksum(Uint8Array.from(bytes));
  return { seq, ack, syn, fin, data, checksum: sum };
}

Deno.test("sequence numbers are compared across their end", () => {
  assertEquals(ahead(5, 3), 2);
  assertEquals(ahead(2, 4294967290), 8);
  assertEquals(ahead(4294967290, 2), -8);
  assertEquals(ahead(0x80000000, 0), -0x80000000);
});

// RFC 9293, figure 6: basic three-way handshake; then figure 12, a normal close.
Deno.test("the client of the RFC: opens with 100 and 300, and closes first", () => {
  const { endpoint, sent, pass } = alone("client", 100);
  endpoint.connect();
  assertEquals([endpoint.state, sent()], ["SYN-SENT", ["<SEQ=100><CTL=SYN>"]]);
  endpoint.receive(segment(300, 101, { syn: true }));
  assertEquals([endpoint.state, sent()], ["FIN-WAIT-1", [
    "<SEQ=101><ACK=301><CTL=ACK>",
    // It has nothing to say.
    "<SEQ=101><ACK=301><CTL=FIN,ACK>",
  ]]);
  endpoint.receive(segment(301, 102));
  assertEquals([endpoint.state, sent()], ["FIN-WAIT-2", []]);
  endpoint.receive(segment(301, 102, { fin: true }));
  assertEquals([endpoint.state, sent()], ["TIME-WAIT", [
    "<SEQ=102><ACK=302><CTL=ACK>",
  ]]);
  // The other side has not got it: the wait begins anew.
  pass(239_000);
  endpoint.receive(segment(301, 102, { fin: true }));
  assertEquals([endpoint.state, sent()], ["TIME-WAIT", [
    "<SEQ=102><ACK=302><CTL=ACK>",
  ]]);
  pass(239_999);
  assertEquals(endpoint.state, "TIME-WAIT");
  pass(1);
  assertEquals(endpoint.state, "CLOSED");
});

Deno.test("the server of the RFC: answers with 300, and closes last", () => {
  const { endpoint, sent } = alone("server", 300, "abcdef");
  endpoint.listen();
  endpoint.receive(segment(100, undefined, { syn: true }));
  assertEquals([endpoint.state, sent()], ["SYN-RECEIVED", [
    "<SEQ=300><ACK=101><CTL=SYN,ACK>",
  ]]);
  endpoint.receive(segment(101, 301, { fin: true }));
  assertEquals([endpoint.state, sent()], ["LAST-ACK", [
    "<SEQ=301><ACK=102><CTL=ACK>",
    "<SEQ=301><ACK=102><CTL=ACK>abcd",
    "<SEQ=305><ACK=102><CTL=ACK>ef",
    "<SEQ=307><ACK=102><CTL=FIN,ACK>",
  ]]);
  endpoint.receive(segment(102, 307));
  assertEquals(endpoint.state, "LAST-ACK");
  endpoint.receive(segment(102, 308));
  assertEquals([endpoint.state, sent()], ["CLOSED", []]);
});

// RFC 9293, figure 13: simultaneous close.
Deno.test("if both close at once, both are in CLOSING, and then wait", () => {
  const { endpoint, sent } = alone("client", 100);
  endpoint.connect();
  endpoint.receive(segment(300, 101, { syn: true }));
  sent();
  endpoint.receive(segment(301, 101, { fin: true }));
  assertEquals([endpoint.state, sent()], ["CLOSING", [
    "<SEQ=102><ACK=302><CTL=ACK>",
  ]]);
  endpoint.receive(segment(302, 102));
  assertEquals([endpoint.state, sent()], ["TIME-WAIT", []]);
});

/** A client that is connected, with 100 and 300. */
function connected(data: string, limits = {}) {
  const side = alone("client", 100, data, limits);
  side.endpoint.connect();
  side.endpoint.receive(segment(300, 101, { syn: true }));
  return side;
}

Deno.test("no more is on the way than the window", () => {
  const { endpoint, sent } = connected("0123456789abcdefghij", { window: 2 });
  assertEquals(sent().slice(2), [
    "<SEQ=101><ACK=301><CTL=ACK>0123",
    "<SEQ=105><ACK=301><CTL=ACK>4567",
  ]);
  endpoint.receive(segment(301, 105));
  assertEquals(sent(), ["<SEQ=109><ACK=301><CTL=ACK>89ab"]);
  endpoint.receive(segment(301, 113));
  assertEquals(sent().length, 2);
});

Deno.test("what is not acknowledged is sent again, after twice the wait each time", () => {
  const { endpoint, sent, pass } = connected("abcd");
  sent();
  // The SYN took no time, so the wait is the least.
  pass(199);
  assertEquals(sent(), []);
  pass(1);
  assertEquals(sent(), ["<SEQ=101><ACK=301><CTL=ACK>abcd again"]);
  pass(399);
  assertEquals(sent(), []);
  pass(1);
  assertEquals(sent().length, 1);
  endpoint.receive(segment(301, 105));
  // The FIN is the oldest now.
  pass(800);
  assertEquals(sent(), ["<SEQ=105><ACK=301><CTL=FIN,ACK> again"]);
});

Deno.test("after fifteen times without an answer it gives up, and says so", () => {
  const { endpoint, sent, pass } = connected("abcd");
  sent();
  pass(1e6);
  assertEquals(sent().length, 15);
  assertEquals(
    [endpoint.state, endpoint.error],
    ["CLOSED", "client: no answer to 15 retransmissions"],
  );
});

Deno.test("three equal acknowledgements bring the gap again, before the timer", () => {
  const { endpoint, sent } = connected("0123456789abcdef");
  sent();
  endpoint.receive(segment(301, 105));
  sent();
  for (const n of [1, 2, 3, 4]) {
    endpoint.receive(segment(301, 105));
    assertEquals(
      sent(),
      n === 3 ? ["<SEQ=105><ACK=301><CTL=ACK>4567 again"] : [],
    );
  }
});

Deno.test("data with the same acknowledgement do not count as three equal ones", () => {
  const { endpoint, sent } = connected("0123456789abcdef");
  sent();
  for (let n = 0; n < 5; n++) {
    endpoint.receive(segment(301 + n, 101, { data: text("x") }));
  }
  assert(sent().every((line) => !line.includes("again")));
});

Deno.test("what comes early waits, what comes twice is dropped, both are answered", () => {
  const { endpoint, sent } = connected("abcd");
  sent();
  const got = () => String.fromCharCode(...endpoint.received);
  endpoint.receive(segment(305, 101, { data: text("67") }));
  endpoint.receive(segment(303, 101, { data: text("45") }));
  assertEquals([got(), sent()], [
    "",
    [
      "<SEQ=105><ACK=301><CTL=ACK>",
      "<SEQ=105><ACK=301><CTL=ACK>",
    ].map((line) => line.replace("105", "106")),
  ]);
  endpoint.receive(segment(301, 101, { data: text("23") }));
  assertEquals([got(), sent()], ["234567", ["<SEQ=106><ACK=307><CTL=ACK>"]]);
  endpoint.receive(segment(303, 101, { data: text("45") }));
  assertEquals([got(), sent()], ["234567", ["<SEQ=106><ACK=307><CTL=ACK>"]]);
});

Deno.test("what is damaged is dropped, without an answer", () => {
  const { endpoint, sent } = connected("");
  sent();
  const right = segment(301, 101, { data: text("ab") });
  endpoint.receive({ ...right, data: text("bb") });
  endpoint.receive({ ...right, seq: 300 });
  endpoint.receive({ ...right, ack: 102 });
  endpoint.receive({ ...right, fin: true });
  assertEquals([endpoint.received, sent()], [[], []]);
  endpoint.receive(right);
  assertEquals(endpoint.received.length, 2);
});

Deno.test("a SYN that comes again, or one that answers another, changes nothing", () => {
  const { endpoint, sent } = alone("client", 100, "abcd");
  endpoint.connect();
  sent();
  endpoint.receive(segment(900, 77, { syn: true }));
  assertEquals([endpoint.state, sent()], ["SYN-SENT", []]);
  endpoint.receive(segment(300, 101, { syn: true }));
  sent();
  endpoint.receive(segment(300, 101, { syn: true }));
  assertEquals(sent(), ["<SEQ=106><ACK=301><CTL=ACK>"]);
  assertEquals(endpoint.received, []);
});

// RFC 9293, 3.10.7.4, fifth: an ACK is sent, and the segment dropped.
Deno.test("what acknowledges bytes that were never sent is dropped, its data too", () => {
  const { endpoint, sent } = connected("abcd");
  sent();
  endpoint.receive(segment(301, 5000, { data: text("evil"), fin: true }));
  assertEquals([endpoint.state, sent()], ["FIN-WAIT-1", [
    "<SEQ=106><ACK=301><CTL=ACK>",
  ]]);
  // Without an acknowledgement it is no part of a conversation.
  endpoint.receive(segment(301, undefined, { data: text("evil") }));
  assertEquals([endpoint.received, sent()], [[], []]);
});

Deno.test("nothing is read before the other side has acknowledged the SYN", () => {
  const { endpoint, sent } = alone("server", 300);
  endpoint.listen();
  endpoint.receive(segment(900, 77, { syn: true }));
  assertEquals([endpoint.state, sent()], ["LISTEN", []]);
  endpoint.receive(segment(100, undefined, { syn: true }));
  sent();
  endpoint.receive(segment(101, 77, { data: text("evil"), fin: true }));
  assertEquals([endpoint.state, endpoint.received], ["SYN-RECEIVED", []]);
  endpoint.receive(segment(101, 301, { data: text("good"), fin: true }));
  assertEquals([endpoint.state, endpoint.received.length], ["LAST-ACK", 4]);
});

Deno.test("segments of no bytes, or none at all, are an error and not an endless loop", () => {
  for (const limits of [{ mss: 0 }, { mss: NaN }, { window: 0 }]) {
    assertThrows(
      () => alone("client", 1, "abcd", limits),
      RangeError,
      "Cannot send segments of",
    );
  }
});

Deno.test("the wait follows the time of round trips, not that of repeated ones", () => {
  const { endpoint, sent, pass } = alone("client", 100, "abcd");
  endpoint.connect();
  pass(400);
  // 400 + 4 · 200 ms.
  endpoint.receive(segment(300, 101, { syn: true }));
  sent();
  pass(1199);
  assertEquals(sent(), []);
  pass(1);
  assertEquals(sent().length, 1);
  endpoint.receive(segment(301, 106));
  assertEquals(endpoint.state, "FIN-WAIT-2");
});
