#!/usr/bin/env -S deno run
/**
 * Q. A thousand servers stand behind one address. To which does a connection go?
 *
 * A. To the least busy one, if the balancer knows which. Of many balancers none knows, and
 * all would send to the same one: then draw two at random and take the emptier, which
 * brings the fullest of N from about ln N / ln ln N down to ln ln N / ln 2. Round robin
 * needs to know nothing, but takes all requests and all servers for equal. If a client must
 * come to the same server again, for its session or a cache, hash it: each server has
 * many points on a ring, and a key goes to the next one, so that when one of N servers goes,
 * 1/N of the keys move. Whoever fails some times in a row is left out for a while, and then
 * tried again with one connection.
 *
 * Shapes: N servers, V points of each on the ring.
 * Time O(1) round robin, random, two choices; O(N) all others; the ring's search O(log(N·V)).
 * Trap: `hash % N` moves (N − 1)/N of the keys; and who refuses at once is always least busy.
 * Left out: weights, slow start, a bound on the load of a key, keys chosen by an attacker.
 * Source: two choices: Mitzenmacher (2001), doi:10.1109/71.963420; ring: Karger et al.
 * (1997), doi:10.1145/258533.258660; rendezvous: Thaler, Ravishankar (1998),
 * doi:10.1109/90.663936; hash: FNV-1a, RFC 9923, then the end of MurmurHash3.
 * Run: `deno run balancer.ts`
 * @module
 */

/** Uniform in [0, 1). */
export type Random = () => number;

/** What a policy sees of a server. Names are its identity on the ring. */
export interface Server {
  readonly name: string;
  /** Connections that are open now. */
  readonly open: number;
}

/**
 * Chooses one of the servers, which may be others at each call.
 * @throws {BalancerError} if there is none, or a policy that needs a key has none
 */
export type Pick = <S extends Server>(
  servers: readonly S[],
  key?: string,
) => S;

/** Why there is no server. */
export class BalancerError extends Error {
  override readonly name = "BalancerError";
  constructor(readonly code: "no-server" | "no-key", message: string) {
    super(message);
  }
}

const ENCODER = new TextEncoder();

/** One after the other. */
export function roundRobin(): Pick {
  let next = 0;
  return (servers) => {
    checkSome(servers);
    // The list may be shorter than it was.
    next %= servers.length;
    return servers[next++];
  };
}

/** Any. */
export function atRandom(random: Random): Pick {
  return (servers) => {
    checkSome(servers);
    return servers[Math.floor(random() * servers.length)];
  };
}

/** The one with the fewest connections; among equals, any. */
export function leastConnections(random: Random): Pick {
  return (servers) => {
    checkSome(servers);
    let least = servers[0];
    let equal = 0;
    for (const server of servers) {
      if (server.open > least.open) continue;
      if (server.open < least.open) equal = 0;
      // The k-th of equals replaces those before with a chance of 1/k, so each is as likely.
      if (random() * ++equal < 1) least = server;
    }
    return least;
  };
}

/** The emptier of two that are drawn at random. */
export function twoChoices(random: Random): Pick {
  return (servers) => {
    checkSome(servers);
    const first = Math.floor(random() * servers.length);
    if (servers.length === 1) return servers[first];
    // From the others only, so that they are two.
    let second = Math.floor(random() * (servers.length - 1));
    if (second >= first) second++;
    return servers[second].open < servers[first].open
      ? servers[second]
      : servers[first];
  };
}

/**
 * Consistent hashing: the server whose point on a ring is the next behind the key's.
 * @param points V
 * @throws {RangeError} unless V is a whole number above 0
 */
export function ring(points = 100): Pick {
  if (!(Number.isInteger(points) && points > 0)) {
    throw new RangeError(`Cannot make a ring of ${points} points a server`);
  }
  let names: string[] = [];
  let circle: { at: number; index: number }[] = []; // (N·V,)
  return (servers, key) => {
    checkSome(servers);
    const at = hash(checkKey(key));
    const same = servers.length === names.length &&
      servers.every(({ name }, i) => name === names[i]);
    if (!same) {
      names = servers.map(({ name }) => name);
      circle = names.flatMap((name, index) =>
        Array.from(
          { length: points },
          (_, v) => ({ at: hash(`${name}#${v}`), index }),
        )
      );
      // Of points that fall together the name decides, and not the order of the list.
      circle.sort((a, b) =>
        a.at - b.at || (names[a.index] < names[b.index] ? -1 : 1)
      );
    }
    let [low, high] = [0, circle.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (circle[middle].at < at) low = middle + 1;
      else high = middle;
    }
    // Behind the last point comes the first one.
    return servers[circle[low % circle.length].index];
  };
}

/** Rendezvous hashing: the server whose hash together with the key is the highest. */
export const rendezvous: Pick = (servers, key) => {
  checkSome(servers);
  checkKey(key);
  let best = servers[0];
  let most = -1;
  for (const server of servers) {
    const score = hash(`${server.name}\0${key}`);
    if (score < most || (score === most && server.name > best.name)) continue;
    [best, most] = [server, score];
  }
  return best;
};

/** The trap: the key's hash modulo N. */
export const modulo: Pick = (servers, key) => {
  checkSome(servers);
  return servers[hash(checkKey(key)) % servers.length];
};

/** A policy that is told how it went. */
export interface Checked {
  readonly pick: Pick;
  /** Tells whether a connection to the server worked. */
  report(server: Server, worked: boolean): void;
}

/**
 * Leaves out who failed so many times in a row; after a pause one connection tries it.
 * If all are out all are used: it is more likely that the check is wrong. Servers are
 * known by identity here, so a list that changes needs no clearing up.
 * @param pause how long, in units of `now`
 * @throws {RangeError} unless `failures` is a whole number above 0
 */
export function leaveOutFailing(
  policy: Pick,
  { failures = 3, pause = 10_000, now = (): number => performance.now() } = {},
): Checked {
  if (!(Number.isInteger(failures) && failures > 0)) {
    throw new RangeError(`Cannot leave servers out after ${failures} failures`);
  }
  const records = new WeakMap<Server, { failed: number; until: number }>();
  return {
    pick(servers, key) {
      const time = now();
      const usable = servers.filter((server) =>
        (records.get(server)?.until ?? time) <= time
      );
      const server = policy(usable.length > 0 ? usable : servers, key);
      const record = records.get(server);
      // Half open: while one tries it, nobody else does.
      if (record && record.failed >= failures) record.until = time + pause;
      return server;
    },
    report(server, worked) {
      const failed = worked ? 0 : (records.get(server)?.failed ?? 0) + 1;
      const until = failed >= failures ? now() + pause : -Infinity;
      records.set(server, { failed, until });
    },
  };
}

/** 32 bits of a text: FNV-1a, mixed, since it leaves names that end alike close together. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of ENCODER.encode(text)) {
    h = Math.imul(h ^ byte, 0x01000193);
  }
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return (h ^ h >>> 16) >>> 0;
}

/** Which share of the keys moves when the server at index `gone` goes. */
export function moved(
  pick: Pick,
  servers: readonly Server[],
  gone: number,
  keys: readonly string[],
): number {
  const before = keys.map((key) => pick(servers, key));
  const left = servers.filter((_, i) => i !== gone);
  return keys.filter((key, i) => pick(left, key) !== before[i]).length /
    keys.length;
}

/** How many times the mean the fullest server has of the keys. */
export function spread(
  pick: Pick,
  servers: readonly Server[],
  keys: readonly string[],
): number {
  const counts = new Map<Server, number>();
  for (const key of keys) {
    const server = pick(servers, key);
    counts.set(server, (counts.get(server) ?? 0) + 1);
  }
  return Math.max(...counts.values()) * servers.length / keys.length;
}

/** Throws n balls into n bins by a policy. @returns how many the fullest has */
export function fullestBin(n: number, policy: Pick): number {
  const bins = makeServers(n);
  let fullest = 0;
  for (let ball = 0; ball < n; ball++) {
    fullest = Math.max(fullest, ++policy(bins).open);
  }
  return fullest;
}

/** Servers "s0", "s1", … without connections. */
export function makeServers(n: number): { name: string; open: number }[] {
  return Array.from({ length: n }, (_, i) => ({ name: `s${i}`, open: 0 }));
}

/** Numbers that can be repeated (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let x = Math.imul(state ^ state >>> 15, state | 1);
    x ^= x + Math.imul(x ^ x >>> 7, x | 61);
    return ((x ^ x >>> 14) >>> 0) / 2 ** 32;
  };
}

function checkSome(servers: readonly Server[]): void {
  if (servers.length > 0) return;
  throw new BalancerError("no-server", "Cannot pick a server of 0: add one");
}

function checkKey(key?: string): string {
  if (key !== undefined) return key;
  throw new BalancerError(
    "no-key",
    "Cannot hash a client without a key: give its address or its session",
  );
}

if (import.meta.main) {
  const share = (x: number) => `${(100 * x).toFixed(1)} %`;
  const random = seeded(1);
  const ten = makeServers(10);
  const keys = Array.from({ length: 10_000 }, (_, i) => `client ${i}`);
  console.log("one of 10 servers goes: keys that move; and the fullest's load");
  const policies: [string, Pick][] = [
    ["hash % N", modulo],
    ["ring, 1 point a server", ring(1)],
    ["ring, 10 points", ring(10)],
    ["ring, 100 points", ring(100)],
    ["rendezvous", rendezvous],
  ];
  for (const [name, policy] of policies) {
    console.log(
      name.padEnd(24),
      share(moved(policy, ten, 4, keys)).padStart(6),
      `${spread(policy, ten, keys).toFixed(2)} times the mean`.padStart(24),
    );
  }

  const n = 100_000;
  const [one, two] = [
    fullestBin(n, atRandom(random)),
    fullestBin(n, twoChoices(random)),
  ];
  const ln = Math.log;
  console.log(
    `\n${n} connections at ${n} servers: the fullest has ${one} at random ` +
      `(ln n / ln ln n = ${(ln(n) / ln(ln(n))).toFixed(1)}),\n` +
      `and ${two} of two choices (ln ln n / ln 2 = ${
        (ln(ln(n)) / ln(2)).toFixed(1)
      })`,
  );

  let time = 0;
  const three = makeServers(3);
  const balancer = leaveOutFailing(roundRobin(), {
    ...{ failures: 2, pause: 5, now: () => time },
  });
  const went: string[] = [];
  for (; time < 16; time++) {
    const server = balancer.pick(three);
    balancer.report(server, server.name !== "s1" || time > 11);
    went.push(server.name);
  }
  console.log(`\ns1 is broken up to time 11: ${went.join(" ")}`);
}
