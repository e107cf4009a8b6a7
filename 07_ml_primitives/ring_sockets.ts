#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Q. Run the ring all-reduce between processes that only have sockets.
 *
 * A. Each worker listens, connects to the next one, and accepts the one before it. Then
 * n − 1 steps of reduce-scatter and n − 1 of all-gather: send a chunk on, receive
 * one, add it or keep it. Sending and receiving go on at the same time, because
 * if all of them send first and no buffer is large enough, all wait for ever. Each wait
 * has a deadline. Who misses it closes both sockets, and so the error goes round: no
 * worker is left waiting for one that is dead or slow.
 *
 * Shapes: n workers, each with d numbers in f64.
 * Time O(d) and 2(n − 1) messages a worker; traffic 2(n − 1)/n · d numbers each.
 * Trap: a read that returns fewer bytes than were asked for. TCP has no messages.
 * Left out: other operators than the sum, frames and sequence numbers (lengths are
 * known), other machines, joining again after a failure.
 * Source: Patarasuk, Yuan (2009), doi:10.1016/j.jpdc.2008.09.002.
 * Run: `deno run --allow-net=127.0.0.1 ring_sockets.ts`
 * @module
 */
import { chunkStart } from "./ring_all_reduce.ts";

/** How the ring is run. */
export interface RingOptions {
  /** How long a worker waits for a neighbour, in ms. */
  deadline?: number;
  /** The rank of a worker that is ended before the first step. */
  dead?: number;
  /** A worker that sleeps so long before each step. */
  slow?: { rank: number; ms: number };
}

/** What became of a worker: the sums, or why it has none. */
export type Outcome =
  | { data: Float64Array; sent: number }
  | { error: string };

/** What a worker is told before it starts. */
interface Order {
  rank: number;
  n: number;
  data: Float64Array;
  deadline: number;
  pause: number;
}

/** What `work` gives, if it does so in time. */
async function within<T>(
  deadline: number,
  what: string,
  work: Promise<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `${what} took longer than ${deadline} ms`;
    timer = setTimeout(() => reject(new Error(message)), deadline);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * A worker's side of the ring.
 * @param previous the connection that it reads from
 * @param next the connection that it writes to
 * @returns how many numbers it sent; `data` is then the sum
 */
async function reduceRing(
  { rank, n, data, deadline, pause }: Order,
  previous: Deno.Conn,
  next: Deno.Conn,
): Promise<number> {
  const chunk = (j: number) => {
    const place = (j % n + n) % n;
    const [from, to] = [place, place + 1].map((j) =>
      chunkStart(data.length, n, j)
    );
    return data.subarray(from, to);
  };
  const send = async (numbers: Float64Array) => {
    const bytes = new Uint8Array(numbers.slice().buffer);
    for (let at = 0; at < bytes.length;) {
      at += await next.write(bytes.subarray(at));
    }
  };
  const receive = async (length: number) => {
    const bytes = new Uint8Array(8 * length);
    for (let at = 0; at < bytes.length;) {
      const read = await previous.read(bytes.subarray(at));
      if (read === null) throw new Error("A neighbour is gone");
      at += read;
    }
    return new Float64Array(bytes.buffer);
  };
  let sent = 0;
  for (let step = 0; step < 2 * (n - 1); step++) {
    await new Promise((done) => setTimeout(done, pause));
    // First sums go round, then results; either way each step is one place further.
    const [out, into] = [chunk(rank - step), chunk(rank - step - 1)];
    const both = Promise.all([receive(into.length), send(out)]);
    const [received] = await within(deadline, `Step ${step}`, both);
    sent += out.length;
    if (step >= n - 1) into.set(received);
    else received.forEach((x, i) => into[i] += x);
  }
  return sent;
}

/** What a worker runs; as text, because to load a file would need --allow-read. */
const PROGRAM = `
  ${chunkStart}
  ${within}
  ${reduceRing}
  const hostname = "127.0.0.1";
  const listener = Deno.listen({ hostname, port: 0 });
  onmessage = async ({ data: { order, port } }) => {
    const open = [listener];
    try {
      const sockets = [listener.accept(), Deno.connect({ hostname, port })];
      sockets.forEach((socket) => socket.then((s) => open.push(s), () => {}));
      const both = Promise.all(sockets);
      const [previous, next] = await within(order.deadline, "A connection", both);
      next.setNoDelay();
      const sent = await reduceRing(order, previous, next);
      postMessage({ data: order.data, sent });
    } catch ({ name, message }) {
      const gone = /^(Connection|BrokenPipe)/.test(name);
      postMessage({ error: gone ? "A neighbour is gone" : message });
    } finally {
      open.forEach((socket) => socket.close());
    }
  };
  postMessage(listener.addr.port);
`;

/**
 * Sums arrays that are each with a worker, over TCP on this machine.
 * @param arrays (n, d)
 * @returns n outcomes: each the sum of all, or all of them errors
 * @throws {RangeError} if there is no array, their lengths differ, or the deadline is
 * no time that a timer can wait
 * @throws {Error} without the permission for the network; never prompts
 */
export async function ringSockets(
  arrays: readonly Float64Array[],
  { deadline = 2000, dead, slow }: RingOptions = {},
): Promise<Outcome[]> {
  const n = arrays.length;
  const odd = arrays.find(({ length }) => length !== arrays[0].length);
  if (n === 0 || odd) {
    throw new RangeError(
      n === 0
        ? "Cannot sum the arrays of no workers"
        : `Cannot sum ${arrays[0].length} and ${odd!.length} numbers`,
    );
  }
  if (!(deadline > 0 && 2 * n * deadline < 2 ** 31)) {
    throw new RangeError(
      `Cannot wait ${deadline} ms: needs 0 < deadline < 2³¹ / 2n`,
    );
  }
  const host = "127.0.0.1";
  const { state } = await Deno.permissions.query({ name: "net", host });
  if (state !== "granted") {
    throw new Error(`Cannot open sockets: run with --allow-net=${host}`);
  }
  const type = "text/javascript";
  const url = URL.createObjectURL(new Blob([PROGRAM], { type }));
  const workers = arrays.map(() => new Worker(url, { type: "module" }));
  const hear = (worker: Worker) =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        resolve({ error: event.message });
      };
    });
  try {
    const ports = await Promise.all(workers.map(hear));
    const outcomes = workers.map(async (worker, rank) => {
      if (rank === dead) {
        worker.terminate();
        return { error: "It was ended" };
      }
      // A connection and 2(n − 1) steps wait so long at most.
      const outcome = within(2 * n * deadline, "The ring", hear(worker))
        .catch(({ message }) => ({ error: message }));
      const pause = slow?.rank === rank ? slow.ms : 0;
      const data = Float64Array.from(arrays[rank]);
      const order = { rank, n, data, deadline, pause };
      worker.postMessage({ order, port: ports[(rank + 1) % n] });
      return await outcome as Outcome;
    });
    return await Promise.all(outcomes);
  } finally {
    workers.forEach((worker) => worker.terminate());
    URL.revokeObjectURL(url);
  }
}

if (import.meta.main) {
  const [n, d] = [8, 100_003];
  const arrays = Array.from(
    { length: n },
    (_, rank) => Float64Array.from({ length: d }, (_, i) => rank + i / 4),
  );
  const cases: [string, RingOptions][] = [
    ["all well", {}],
    ["worker 3 is ended", { dead: 3, deadline: 300 }],
    ["worker 5 sleeps", { slow: { rank: 5, ms: 1000 }, deadline: 300 }],
  ];
  try {
    for (const [name, options] of cases) {
      const outcomes = await ringSockets(arrays, options);
      console.log(`${n} workers, ${d} numbers: ${name}`);
      outcomes.forEach((outcome, rank) =>
        console.log(
          `  ${rank}:`,
          "error" in outcome
            ? outcome.error
            : `last sum ${outcome.data[d - 1]}, ${outcome.sent} numbers sent`,
        )
      );
    }
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(2);
  }
}
