#!/usr/bin/env -S deno run
/**
 * Q. What makes TCP reliable? Is it the handshake?
 *
 * A. No. SYN, SYN-ACK and ACK only agree on the two numbers from which both sides count
 * their bytes. What makes it reliable comes after: each byte has a number; the receiver
 * says which byte it wants next; what is not acknowledged in time is sent again, after
 * twice the wait each time; three equal acknowledgements tell of a gap sooner; what comes
 * early waits, what comes twice is dropped, what is damaged has a wrong checksum and is
 * dropped, too. Each direction is closed by itself with a FIN, which is numbered and
 * acknowledged like a byte, and who closed first stays a while, as its last ACK may be lost.
 *
 * Trap: to think of packets: the other side reads a stream, cut anywhere.
 * Left out: congestion control; the state machine is in tcp_endpoint.ts.
 * Source: RFC 9293 sections 3.4 to 3.6 and 3.8.
 * Run: `deno run tcp.ts`
 * @module
 */

import {
  ahead,
  Endpoint,
  type Limits,
  type Segment,
  type State,
} from "./tcp_endpoint.ts";

/** What the network does to a segment: when each copy arrives, in ms; none: it is lost. */
export interface Fate {
  readonly delays: readonly number[];
  /** Whether a bit of it is turned over. */
  readonly damaged?: boolean;
}

/** A segment's way. */
export interface Sent {
  readonly time: number;
  readonly from: "client" | "server";
  readonly segment: Segment;
  readonly fate: Fate;
  /** Whether it was sent before. */
  readonly again: boolean;
}

/** What one side has to say, and how. */
export interface Side {
  readonly data?: Uint8Array;
  /** The first sequence number; random in real life, so that nobody can guess it. */
  readonly isn?: number;
}

/** A conversation. */
export interface Options extends Partial<Limits> {
  readonly client?: Side;
  readonly server?: Side;
  /** Of the n-th segment, from 0; 50 ms of way for each, if not given. */
  readonly network?: (segment: Segment, n: number) => Fate;
}

/** How it ended. */
export interface Result {
  readonly sent: readonly Sent[];
  /** What each side got of the other. */
  readonly received: {
    readonly client: Uint8Array;
    readonly server: Uint8Array;
  };
  readonly states: { readonly client: State; readonly server: State };
  /** ms. */
  readonly time: number;
  /** As "client: no answer to 15 retransmissions". */
  readonly error?: string;
}

/** Lets a client connect to a server, both say what they have, and close. */
export function converse(options: Options = {}): Result {
  const network = options.network ?? ((): Fate => ({ delays: [50] }));
  const { mss = 4, window = 4, retransmit = true } = options;
  let now = 0;
  let queue: { time: number; run: () => void }[] = [];
  const clock = {
    now: () => now,
    after(ms: number, run: () => void) {
      const event = { time: now + ms, run };
      queue.push(event);
      return event;
    },
    cancel: (timer?: object) => {
      queue = queue.filter((event) => event !== timer);
    },
  };
  const sent: Sent[] = [];
  const make = (name: "client" | "server", other: () => Endpoint) => {
    const { data = new Uint8Array(), isn = 0 } = options[name] ?? {};
    const limits = { mss, window, retransmit };
    return new Endpoint(name, data, isn, limits, clock, (segment, again) => {
      const fate = network(segment, sent.length);
      sent.push({ time: now, from: name, segment, fate, again });
      const arrived = fate.damaged ? damage(segment) : segment;
      for (const ms of fate.delays) {
        clock.after(ms, () => other().receive(arrived));
      }
    });
  };
  const client: Endpoint = make("client", () => server);
  const server: Endpoint = make("server", () => client);
  server.listen();
  client.connect();
  while (queue.length > 0) {
    const next = queue.reduce((a, b) => b.time < a.time ? b : a);
    queue.splice(queue.indexOf(next), 1);
    now = next.time;
    next.run();
  }
  return {
    ...{ sent, time: now, error: client.error ?? server.error },
    received: {
      client: Uint8Array.from(client.received),
      server: Uint8Array.from(server.received),
    },
    states: { client: client.state, server: server.state },
  };
}

/** Turns one bit over, of the data if there are any. */
function damage(segment: Segment): Segment {
  const { data, seq } = segment;
  return data.length > 0
    ? { ...segment, data: data.with(0, data[0] ^ 1) }
    : { ...segment, seq: (seq ^ 1) >>> 0 };
}

/** A conversation as two columns; numbers count from each side's first. */
export function diagram({ sent }: Result): string {
  const isn: Record<string, number> = {};
  return sent.map(({ time, from, segment, fate, again }) => {
    isn[from] ??= segment.seq;
    const other = isn[from === "client" ? "server" : "client"] ?? 0;
    const { syn, fin, data, ack, seq } = segment;
    const parts = [
      syn ? "SYN" : fin ? "FIN" : data.length > 0 ? "data" : "ACK",
      `seq ${ahead(seq, isn[from])}`,
      ...(data.length > 0 ? [`${data.length} bytes`] : []),
      ...(ack === undefined ? [] : [`ack ${ahead(ack, other)}`]),
      ...(again ? ["(again)"] : []),
    ];
    const text = parts.join(" ").padEnd(36);
    const end = fate.delays.length === 0
      ? "x lost"
      : fate.damaged
      ? "x damaged"
      : "";
    const line = from === "client" ? `──${text}──▶ ` : `◀──${text}── `;
    return `${`${Math.round(time)}`.padStart(6)} ms  ${line}${end}`.trimEnd();
  }).join("\n");
}

if (import.meta.main) {
  const text = (s: string) => new TextEncoder().encode(s);
  const conversation = {
    client: { data: text("GET / HTTP"), isn: 4294967290 },
    server: { data: text("200 OK"), isn: 7000 },
    // The second data segment is lost, and then one is damaged.
    network: (_: Segment, n: number): Fate => ({
      delays: n === 4 ? [] : [50],
      damaged: n === 8,
    }),
  };
  const result = converse(conversation);
  console.log("client                                        server");
  console.log(diagram(result));
  const got = (r: Result) =>
    JSON.stringify(new TextDecoder().decode(r.received.server));
  console.log(`the server read ${got(result)}, both are`, result.states.client);
  const alone = converse({ ...conversation, retransmit: false });
  console.log(`with the handshake alone it read ${got(alone)}`);
}
