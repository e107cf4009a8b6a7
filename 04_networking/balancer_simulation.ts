#!/usr/bin/env -S deno run
/**
 * Q. Which balancer is best? How do you find out before you build it?
 *
 * A. Simulate it: requests come at random moments (Poisson), each with some work, and each
 * server does one after the other. Time jumps from event to event, so it needs no clock,
 * and with seeded numbers each policy sees the same requests. Check it where the answer is
 * known: one server with exponential work takes 1/(μ − λ) on average. And look at more than
 * the mean: what 99 % stay below, and the fullest server.
 *
 * Shapes: N servers; times in units of the mean request.
 * Time O(R·(log F + the policy's)) for R requests of which F are under way; space O(N + R).
 * Trap: to look at times only: a server that refuses at once makes those of the others better.
 * Left out: several requests at a time in a server, retries, distance.
 * Source: Kleinrock (1975), Queueing Systems 1, 3.2 (M/M/1), 5.5 (M/G/1); two choices of
 * many servers: Mitzenmacher (2001), doi:10.1109/71.963420.
 * Run: `deno run balancer_simulation.ts`
 * @module
 */
import {
  atRandom,
  type Checked,
  leastConnections,
  leaveOutFailing,
  type Pick,
  type Random,
  ring,
  roundRobin,
  seeded,
  twoChoices,
} from "./balancer.ts";

/** What is simulated. */
export interface Run {
  /** (N,) work that each server does in a unit of time. */
  readonly speeds: readonly number[];
  /** Requests in a unit of time, at all servers together. */
  readonly rate: number;
  /** How many, R. */
  readonly requests: number;
  /** The work of a request, 1 on average. */
  readonly work: (random: Random) => number;
  /** From how many clients, each with a key of its own; 1000. */
  readonly clients?: number;
  /** The server that refuses every request at once. */
  readonly broken?: number;
}

/** What came out. */
export interface Outcome {
  /** Response times of what worked, NaN if nothing did; a half and 99 % stay below p50, p99. */
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  /** The most connections that a server had at a time. */
  readonly fullest: number;
  /** (N,) shares of the requests. */
  readonly shares: readonly number[];
  /** The share of the requests that was refused. */
  readonly failed: number;
}

/** How long a refusal takes. */
const REFUSAL = 0.01;

/**
 * Runs all requests.
 * @param balance makes the balancer, of the simulation's clock
 * @throws {RangeError} if there is no server or no request, or a speed or the rate is not above 0
 */
export function simulate(
  balance: (now: () => number) => Pick | Checked,
  run: Run,
  random: Random,
): Outcome {
  const { speeds, rate, requests, work, clients = 1000, broken } = run;
  if (speeds.length === 0) throw new RangeError("Cannot simulate 0 servers");
  const wrong = speeds.find((speed) => !(speed > 0 && speed < Infinity));
  if (wrong !== undefined || !(rate > 0 && rate < Infinity)) {
    const fact = wrong !== undefined ? `speed of ${wrong}` : `rate of ${rate}`;
    throw new RangeError(`Cannot simulate a ${fact}: needs above 0`);
  }
  if (!(Number.isInteger(requests) && requests > 0)) {
    throw new RangeError(`Cannot simulate ${requests} requests`);
  }
  const servers = speeds.map((speed, i) => ({
    ...{ name: `s${i}`, open: 0, speed, free: 0, count: 0 },
    worked: i !== broken,
  }));
  let time = 0;
  const made = balance(() => time);
  const { pick, report } = typeof made === "function"
    ? { pick: made, report: undefined }
    : made;
  const ends = new Events<typeof servers[number]>();
  const endUntil = (limit: number) => {
    for (
      let next = ends.first();
      next && next.time <= limit;
      next = ends.first()
    ) {
      ends.take();
      time = next.time;
      next.what.open--;
      report?.(next.what, next.what.worked);
    }
  };
  const times: number[] = [];
  let fullest = 0;
  let arrival = 0;
  for (let n = 0; n < requests; n++) {
    arrival += exponential(random) / rate;
    endUntil(arrival);
    time = arrival;
    // Drawn for every policy, so that all see the same.
    const size = work(random);
    const key = `client ${Math.floor(random() * clients)}`;
    const server = pick(servers, key);
    server.count++;
    fullest = Math.max(fullest, ++server.open);
    let end = time + REFUSAL;
    if (server.worked) {
      // First what is there already.
      server.free = Math.max(server.free, time) + size / server.speed;
      end = server.free;
      times.push(end - time);
    }
    ends.add(end, server);
  }
  times.sort((a, b) => a - b);
  const below = (share: number) =>
    times[Math.ceil(share * times.length) - 1] ?? NaN;
  return {
    mean: times.reduce((sum, x) => sum + x, 0) / times.length,
    ...{ p50: below(0.5), p99: below(0.99), fullest },
    shares: servers.map(({ count }) => count / requests),
    failed: 1 - times.length / requests,
  };
}

/** Exponential work, 1 on average; also the gaps of Poisson arrivals. */
export function exponential(random: Random): number {
  // 1 − random is never 0.
  return -Math.log(1 - random());
}

/**
 * Work with a heavy tail (Pareto), 1 on average: the share above x falls as x^−α only.
 * @param alpha above 1, else there is no average
 */
export function pareto(alpha: number): (random: Random) => number {
  if (!(alpha > 1)) {
    throw new RangeError(`Cannot have a mean: alpha ${alpha} is not above 1`);
  }
  const least = (alpha - 1) / alpha;
  return (random) => least * (1 - random()) ** (-1 / alpha);
}

/** A queue of what is to happen, as a binary heap. */
export class Events<T> {
  #heap: { time: number; what: T }[] = [];

  first(): { time: number; what: T } | undefined {
    return this.#heap[0];
  }

  add(time: number, what: T): void {
    const heap = this.#heap;
    let at = heap.length;
    // Those above that are later come down.
    for (let up; at > 0 && heap[up = (at - 1) >> 1].time > time; at = up) {
      heap[at] = heap[up];
    }
    heap[at] = { time, what };
  }

  /** Removes the first one. */
  take(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down + 1 < heap.length && heap[down + 1].time < heap[down].time) {
        down++;
      }
      if (down >= heap.length || heap[down].time >= last.time) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = last;
  }
}

if (import.meta.main) {
  const policies: [string, (random: Random) => Pick][] = [
    ["round robin", () => roundRobin()],
    ["random", atRandom],
    ["two choices", twoChoices],
    ["least connections", leastConnections],
    ["ring, by client", () => ring()],
  ];
  const row = (name: string, cells: (string | number)[]) =>
    console.log(
      name.padEnd(18),
      ...cells.map((cell) =>
        (typeof cell === "string" ? cell : cell.toFixed(1)).padStart(8)
      ),
    );
  const alone = { speeds: [1], rate: 0.8, requests: 50_000, work: exponential };
  const { mean } = simulate(() => roundRobin(), alone, seeded(1));
  console.log(
    `one server, load 0.8: mean ${mean.toFixed(2)}, and 1/(1 − 0.8) = 5\n`,
  );

  const equal = new Array<number>(10).fill(1);
  const run = { speeds: equal, rate: 8, requests: 10_000, work: exponential };
  let count = 0;
  // Ten is even, so round robin sends each kind to a half of the servers.
  const everySecond = () => count++ % 2 === 0 ? 0.1 : 1.9;
  const tables: [string, Run][] = [
    [
      "10 servers, one half as fast, load 0.6: a tenth of it is too much for that one",
      { ...run, speeds: equal.with(0, 0.5), rate: 6 },
    ],
    ["10 servers, load 0.8, exponential work", run],
    [
      "10 servers, load 0.8, every second request is 19 times the others",
      { ...run, work: everySecond },
    ],
    ["10 servers, load 0.8, heavy tail", { ...run, work: pareto(2.2) }],
  ];
  for (const [title, run] of tables) {
    console.log(title);
    row("", ["mean", "p50", "p99", "fullest"]);
    for (const [name, make] of policies) {
      const policy = make(seeded(2));
      const { mean, p50, p99, fullest } = simulate(
        () => policy,
        run,
        seeded(3),
      );
      row(name, [mean, p50, p99, `${fullest}`]);
    }
    console.log();
  }

  console.log(
    "one of 10 refuses at once: requests that fail, and if it is left out",
  );
  const sick = { ...run, broken: 0 };
  for (const [name, make] of policies) {
    const plain = simulate(() => make(seeded(2)), sick, seeded(3));
    const left = simulate(
      (now) => leaveOutFailing(make(seeded(2)), { pause: 50, now }),
      sick,
      seeded(3),
    );
    row(
      name,
      [plain, left].map(({ failed }) => `${(100 * failed).toFixed(1)} %`),
    );
  }
}
