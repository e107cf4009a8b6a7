#!/usr/bin/env -S deno run
/**
 * Q. Write TCP's state machine: from SYN to the last ACK.
 *
 * A. Both sides have a state. SYN takes the client to SYN-SENT and the server to
 * SYN-RECEIVED, the answers to these take both to ESTABLISHED. A side that has said all
 * sends FIN and is in FIN-WAIT-1, then, acknowledged, in FIN-WAIT-2; the other one is in
 * CLOSE-WAIT until it has said all, too, and in LAST-ACK until its FIN is acknowledged.
 * If both FINs cross, both are in CLOSING. Who closed first ends in TIME-WAIT. What is
 * sent and not acknowledged is kept, with a timer for the oldest; what comes early is kept
 * by its number, until the gap is filled.
 *
 * Trap: to compare sequence numbers with <: after 4,294,967,295 comes 0.
 * Left out: congestion control but for a fixed window, flow control, options, resets, and
 * an opening from both sides at once.
 * Source: RFC 9293 sections 3.3 to 3.6; timers: RFC 6298; fast retransmit: RFC 5681
 * section 3.2; the checksum: RFC 1071.
 * Run: `deno run tcp_endpoint.ts`; a conversation of two is in tcp.ts
 * @module
 */
import { checksum } from "./packet_writer.ts";

/** What goes over the network. */
export interface Segment {
  /** The number of its first byte, from 0 to 2³² − 1. A SYN or FIN counts as one. */
  readonly seq: number;
  /** The number of the byte that is wanted next; undefined only in the first SYN. */
  readonly ack?: number;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly data: Uint8Array;
  readonly checksum: number;
}

/** The states of RFC 9293, section 3.3.2. */
export type State =
  | ("CLOSED" | "LISTEN" | "SYN-SENT" | "SYN-RECEIVED" | "ESTABLISHED")
  | ("FIN-WAIT-1" | "FIN-WAIT-2" | "CLOSE-WAIT" | "CLOSING" | "LAST-ACK")
  | "TIME-WAIT";

const MOST_AGAIN = 15;
/** How long a segment may be on its way, in ms; TIME-WAIT is twice that. */
const LIFETIME = 120_000;
const FIRST_TIMEOUT = 1000;
const NOTHING: Uint8Array = new Uint8Array();
/** RFC 6298 says 1000; Linux takes 200. */
const LEAST_TIMEOUT = 200;
const LONGEST_TIMEOUT = 60_000;

/** How far a sequence number is ahead of another; they begin again after 2³² − 1. */
export const ahead = (a: number, b: number): number => (a - b) | 0;
const plus = (seq: number, n: number) => (seq + n) >>> 0;

/** The checksum of a segment: of its numbers, flags and data. */
function checksumOf({ seq, ack, syn, fin, data }: Omit<Segment, "checksum">) {
  const head = new DataView(new ArrayBuffer(12));
  head.setUint32(0, seq);
  head.setUint32(4, ack ?? 0);
  head.setUint16(
    8,
    (ack === undefined ? 0 : 16) | (syn ? 2 : 0) | (fin ? 1 : 0),
  );
  const bytes = new Uint8Array(12 + data.length);
  bytes.set(new Uint8Array(head.buffer));
  bytes.set(data, 12);
  return checksum(bytes);
}

/** What is not acknowledged yet. */
interface Pending {
  readonly segment: Segment;
  readonly end: number;
  readonly time: number;
  again: boolean;
}

/** How much to send at once. */
export interface Limits {
  /** Bytes a segment, and segments on the way at most. */
  readonly mss: number;
  readonly window: number;
  /** False to see what the handshake is worth alone. */
  readonly retransmit: boolean;
}

/** A clock in ms, that can be one of a simulation. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): object;
  cancel(timer?: object): void;
}

/** One side of a connection. It closes when all that it has is sent. */
export class Endpoint {
  state: State = "CLOSED";
  readonly received: number[] = [];
  error?: string;
  #next: number; // the number of the next byte to be sent
  #wanted = 0; // the number of the next byte from the other side
  #offset = 0; // of `data`, what is sent
  #finSent = false;
  #pending: Pending[] = [];
  // What came early, by its number.
  readonly #early = new Map<number, Segment>();
  #equalAcks = 0;
  #again = 0;
  #smoothed = 0;
  #deviation = 0;
  #timeout = FIRST_TIMEOUT;
  #timer?: object;
  #waiting?: object;

  constructor(
    readonly name: "client" | "server",
    readonly data: Uint8Array,
    isn: number,
    readonly limits: Limits,
    readonly clock: Clock,
    readonly transmit: (segment: Segment, again: boolean) => void,
  ) {
    const { mss, window } = limits;
    if (![mss, window].every((n) => Number.isInteger(n) && n > 0)) {
      throw new RangeError(
        `Cannot send segments of ${mss} bytes, ${window} at once: needs whole numbers from 1`,
      );
    }
    this.#next = isn;
  }

  /** Waits for a SYN. */
  listen(): void {
    this.state = "LISTEN";
  }

  /** Sends a SYN. */
  connect(): void {
    this.state = "SYN-SENT";
    this.#send({ syn: true });
  }

  receive(segment: Segment): void {
    const { checksum, ...rest } = segment;
    if (checksumOf(rest) !== checksum || this.state === "CLOSED") return;
    if (segment.syn) return this.#receiveSyn(segment);
    if (this.state === "LISTEN" || this.state === "SYN-SENT") return;
    const { ack } = segment;
    const open = this.state !== "SYN-RECEIVED" || ack === this.#next;
    if (ack === undefined || !open) return;
    // We have never sent that, so the data are no part of this conversation either.
    if (ahead(ack, this.#next) > 0) return this.#send({});
    // A FIN that comes again: the wait begins anew.
    if (this.state === "TIME-WAIT" && segment.fin) this.#wait();
    this.#receiveAck(segment);
    if (segment.data.length > 0 || segment.fin) this.#receiveData(segment);
    this.#pump();
  }

  #receiveSyn({ seq, ack }: Segment): void {
    const first = this.state === "LISTEN" && ack === undefined;
    const answer = this.state === "SYN-SENT" && ack === this.#next;
    const again = this.state !== "SYN-SENT" && this.state !== "LISTEN" &&
      ack !== undefined;
    if (first || answer) this.#wanted = plus(seq, 1);
    if (first) {
      this.state = "SYN-RECEIVED";
      return this.#send({ syn: true });
    }
    if (answer) {
      this.state = "ESTABLISHED";
      this.#acknowledge(ack!);
    }
    // Also to one that comes again: its answer was lost.
    if (answer || again) this.#send({});
    if (answer) this.#pump();
  }

  #receiveAck({ ack, data, fin }: Segment): void {
    const oldest = this.#pending[0];
    if (ack === undefined || !oldest) return;
    if (ahead(ack, oldest.segment.seq) > 0) {
      this.#acknowledge(ack);
    } else if (ack === oldest.segment.seq && data.length === 0 && !fin) {
      // Three that say the same: what follows has come, and this has not.
      if (++this.#equalAcks === 3) this.#resend();
    }
  }

  /** Forgets what has arrived, and goes on from there. */
  #acknowledge(ack: number): void {
    this.#equalAcks = this.#again = 0;
    while (this.#pending.length > 0 && ahead(this.#pending[0].end, ack) <= 0) {
      const { time, again } = this.#pending.shift()!;
      // Of one that was sent twice nobody knows which copy was answered.
      if (!again) this.#measure(this.clock.now() - time);
    }
    this.#restart();
    if (this.state === "SYN-RECEIVED") this.state = "ESTABLISHED";
    if (!this.#finSent || this.#pending.length > 0) return;
    if (this.state === "FIN-WAIT-1") this.state = "FIN-WAIT-2";
    else if (this.state === "CLOSING") this.#wait();
    else if (this.state === "LAST-ACK") this.state = "CLOSED";
  }

  /** The timeout: the mean of round trips and four times their deviation. */
  #measure(ms: number): void {
    if (this.#smoothed === 0) [this.#smoothed, this.#deviation] = [ms, ms / 2];
    else {
      const off = Math.abs(this.#smoothed - ms);
      this.#deviation += (off - this.#deviation) / 4;
      this.#smoothed += (ms - this.#smoothed) / 8;
    }
    const timeout = this.#smoothed + 4 * this.#deviation;
    this.#timeout = Math.max(LEAST_TIMEOUT, timeout);
  }

  #receiveData(segment: Segment): void {
    if (ahead(segment.seq, this.#wanted) >= 0) {
      this.#early.set(segment.seq, segment);
    }
    for (;;) {
      const next = this.#early.get(this.#wanted);
      if (!next) break;
      this.#early.delete(this.#wanted);
      this.received.push(...next.data);
      this.#wanted = plus(this.#wanted, next.data.length + (next.fin ? 1 : 0));
      if (next.fin) this.#receiveFin();
    }
    // Also to what came early or twice: it says what is wanted.
    this.#send({});
  }

  #receiveFin(): void {
    if (this.state === "ESTABLISHED") this.state = "CLOSE-WAIT";
    else if (this.state === "FIN-WAIT-1") this.state = "CLOSING";
    else if (this.state === "FIN-WAIT-2") this.#wait();
  }

  /** The other side may not know that its FIN has come: its answer may be lost. */
  #wait(): void {
    this.state = "TIME-WAIT";
    this.clock.cancel(this.#waiting);
    const end = () => this.state = "CLOSED";
    this.#waiting = this.clock.after(2 * LIFETIME, end);
  }

  /** Sends what the window lets through; behind the last byte, the FIN. */
  #pump(): void {
    if (this.state !== "ESTABLISHED" && this.state !== "CLOSE-WAIT") return;
    const { mss, window } = this.limits;
    while (this.#pending.length < window && this.#offset < this.data.length) {
      const data = this.data.subarray(this.#offset, this.#offset + mss);
      this.#offset += data.length;
      this.#send({ data });
    }
    if (this.#offset < this.data.length || this.#finSent) return;
    if (this.#pending.length === window) return;
    this.#finSent = true;
    this.state = this.state === "ESTABLISHED" ? "FIN-WAIT-1" : "LAST-ACK";
    this.#send({ fin: true });
  }

  #send({ syn = false, fin = false, data = NOTHING }: Partial<Segment>): void {
    const first = syn && this.state === "SYN-SENT";
    const ack = first ? undefined : this.#wanted;
    const rest = { seq: this.#next, ack, syn, fin, data };
    const segment = { ...rest, checksum: checksumOf(rest) };
    const length = data.length + Number(syn) + Number(fin);
    this.#next = plus(this.#next, length);
    if (length > 0) {
      const time = this.clock.now();
      this.#pending.push({ segment, end: this.#next, time, again: false });
      if (this.#pending.length === 1) this.#restart();
    }
    this.transmit(segment, false);
  }

  /** Sets the timer anew for the oldest segment that is pending. */
  #restart(): void {
    this.clock.cancel(this.#timer);
    if (this.#pending.length === 0) return;
    this.#timer = this.clock.after(this.#timeout, () => {
      this.#timeout = Math.min(2 * this.#timeout, LONGEST_TIMEOUT);
      this.#resend();
    });
  }

  #resend(): void {
    if (!this.limits.retransmit) return;
    if (this.#again++ === MOST_AGAIN) {
      this.error = `${this.name}: no answer to ${MOST_AGAIN} retransmissions`;
      this.state = "CLOSED";
      this.#pending = [];
      return;
    }
    const oldest = this.#pending[0];
    oldest.again = true;
    this.transmit(oldest.segment, true);
    this.#restart();
  }
}

if (import.meta.main) {
  // A client alone, to which nobody answers.
  const timers: { time: number; run: () => void }[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    after(ms, run) {
      const timer = { time: now + ms, run };
      timers.push(timer);
      return timer;
    },
    cancel: (timer) =>
      void timers.splice(timers.findIndex((t) => t === timer) >>> 0, 1),
  };
  const limits = { mss: 1460, window: 10, retransmit: true };
  const client = new Endpoint(
    "client",
    NOTHING,
    100,
    limits,
    clock,
    ({ seq }) =>
      console.log(
        `${`${now}`.padStart(7)} ms  ${client.state}: SYN, seq ${seq}`,
      ),
  );
  client.connect();
  for (let timer = timers.shift(); timer; timer = timers.shift()) {
    now = timer.time;
    timer.run();
  }
  console.log(`${`${now}`.padStart(7)} ms  ${client.state}; ${client.error}`);
}
