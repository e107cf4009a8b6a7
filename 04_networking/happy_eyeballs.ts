#!/usr/bin/env -S deno run
/**
 * Q. A name has four addresses, of IPv6 and IPv4, and some do not work. To which do you
 * connect?
 *
 * A. To all of them, a little one after the other, and the first that answers is taken.
 * Addresses of both families take turns, IPv6 first. Each gets a head start of a quarter of
 * a second; if it has failed before that, the next one starts at once. When one is
 * connected, the others are given up. So a family that is broken costs 250 ms and not the
 * minutes for which TCP waits.
 *
 * Trap: to try the next address only when the last one has given up.
 * Left out: sorting by what worked before, and by prefixes (RFC 6724); asking for A and
 * AAAA at the same time.
 * Source: RFC 8305 sections 4 and 5.
 * Run: `deno run happy_eyeballs.ts`
 * @module
 */
import { addressFamily } from "./address.ts";

/** How long an address has before the next one is tried, in ms. */
export const HEAD_START = 250;

/** Addresses of both families in turn, those of IPv6 first, each family in its order. */
export function interleave(addresses: readonly string[]): string[] {
  const [six, four] = [6, 4].map((family) =>
    addresses.filter((address) => addressFamily(address) === family)
  );
  const most = Math.max(six.length, four.length);
  return Array.from({ length: most }, (_, i) => [six[i], four[i]]).flat()
    .filter((address) => address !== undefined);
}

/** One attempt, for the story. */
export interface Attempt {
  readonly address: string;
  /** ms after the first one began. */
  readonly start: number;
  readonly outcome: "connected" | "given up" | string;
}

/** What came of it. */
export interface Winner<T> {
  readonly address: string;
  readonly connection: T;
  readonly attempts: readonly Attempt[];
}

/** All attempts failed. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  constructor(readonly attempts: readonly Attempt[]) {
    const each = attempts.map((a) => `${a.address}: ${a.outcome}`).join("; ");
    super(`Cannot connect to any address: ${each || "there is none"}`);
  }
}

/**
 * Connects to the first of some addresses that answers.
 * @param connect must end when its signal says so; what it opens too late is closed
 * @param close ends what was opened and is not wanted
 * @throws {ConnectError} if none does; the signal's reason if that is aborted
 */
export async function connectToFirst<T>(
  addresses: readonly string[],
  connect: (address: string, signal: AbortSignal) => Promise<T>,
  close: (connection: T) => void,
  options: { signal?: AbortSignal; headStart?: number; now?: () => number } =
    {},
): Promise<Winner<T>> {
  const { signal, headStart = HEAD_START, now = () => performance.now() } =
    options;
  const begin = now();
  const attempts: { address: string; start: number; outcome: string }[] = [];
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  let winner: { address: string; connection: T } | undefined;
  try {
    for (const address of interleave(addresses)) {
      signal?.throwIfAborted();
      const attempt = { address, start: now() - begin, outcome: "given up" };
      attempts.push(attempt);
      const either = signal
        ? AbortSignal.any([stop.signal, signal])
        : stop.signal;
      const done = connect(address, either).then((connection) => {
        if (winner || either.aborted) return close(connection);
        winner = { address, connection };
        attempt.outcome = "connected";
        stop.abort();
      }, (error) => {
        if (!either.aborted) attempt.outcome = (error as Error).message;
      });
      running.push(done);
      // A failure is no reason to wait on; a success least of all.
      await Promise.race([done, wait(headStart, stop.signal)]);
      if (winner) break;
    }
    await Promise.race([Promise.all(running), aborted(stop.signal)]);
    // First of all, so that no connection is left behind, whatever the signal says.
    if (winner) return { ...winner, attempts };
    signal?.throwIfAborted();
    throw new ConnectError(attempts);
  } finally {
    // Also the clocks of head starts that were not needed.
    stop.abort();
  }
}

/** Until some ms are over, or the signal says so. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((done) => {
    if (signal.aborted) done();
    signal.addEventListener("abort", () => done());
  });

if (import.meta.main) {
  const ms: Record<string, number> = {
    "2001:db8::1": Infinity,
    "2001:db8::2": 90,
    "192.0.2.1": 400,
    "192.0.2.2": 30,
  };
  const connect = (address: string, signal: AbortSignal) =>
    new Promise<string>((done) => {
      if (ms[address] === Infinity) return;
      const timer = setTimeout(() => done(address), ms[address]);
      signal.addEventListener("abort", () => clearTimeout(timer));
    });
  console.log("ms to answer:", ms);
  const { address, attempts } = await connectToFirst(
    Object.keys(ms),
    connect,
    () => {},
  );
  for (const { address, start, outcome } of attempts) {
    console.log(
      `at ${
        `${Math.floor(start / 10) * 10}`.padStart(4)
      } ms ${address}: ${outcome}`,
    );
  }
  console.log("connected to", address);
}
