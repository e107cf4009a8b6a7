import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  atRandom,
  BalancerError,
  fullestBin,
  hash,
  leastConnections,
  leaveOutFailing,
  makeServers,
  modulo,
  moved,
  type Pick,
  rendezvous,
  ring,
  roundRobin,
  seeded,
  spread,
  twoChoices,
} from "./balancer.ts";

const KEYS = Array.from({ length: 4000 }, (_, i) => `192.0.2.${i}`);
const withOpen = (...open: number[]) =>
  open.map((open, i) => ({ name: `s${i}`, open }));
const names = (
  pick: Pick,
  servers: { name: string; open: number }[],
  n: number,
) => Array.from({ length: n }, () => pick(servers).name).join(" ");
const median = (x: number[]) =>
  x.toSorted((a, b) => a - b)[Math.floor(x.length / 2)];
const mean = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;

// python3: x = 0x811c9dc5; for b in s.encode(): x = ((x ^ b) * 0x01000193) & 0xffffffff
// then x ^= x>>16; x = x*0x85ebca6b & M; x ^= x>>13; x = x*0xc2b2ae35 & M; x ^= x>>16
Deno.test("hash() is FNV-1a of the UTF-8, mixed, in 32 bits", () => {
  assertEquals(
    ["", "a", "foobar", "client 7", "café", "10.0.0.1#3"].map(hash),
    [0xab3e7c0b, 0x1a80b1b3, 0xc0da6dc, 0x77ddf43a, 0xdf518d52, 0x3de0efd1],
  );
});

// python3: P(max ≤ k) of n balls in n bins is that of n Poisson numbers of mean 1, given
// their sum n, by numpy.fft: for n = 10,000 0.0025 at k = 5, 0.435 at 6, 0.9028 at 7; the
// median is 7. With the emptier of numpy.random.default_rng(1).integers(0, n, (n, 2)) the
// fullest had 3 in 57 of 60 runs, and 4 in 3.
Deno.test("of 10,000 balls in as many bins the fullest has 7, and with two choices 3", () => {
  const seeds = Array.from({ length: 15 }, (_, i) => i);
  const fullest = (make: (random: () => number) => Pick) =>
    median(seeds.map((seed) => fullestBin(10_000, make(seeded(seed)))));
  assertEquals([fullest(atRandom), fullest(twoChoices)], [7, 3]);
});

// The largest of N gaps between random points on a circle is (1 + 1/2 + … + 1/N)/N on average:
// of ten 2.929 times the mean gap (David, Nagaraja, Order Statistics, 6.4).
Deno.test("with one point a server the fullest of ten has 2.93 times the mean, with 100 hardly more", () => {
  const loads = (points: number, sets: number, keys: number) =>
    Array.from({ length: sets }, (_, n) =>
      spread(
        ring(points),
        makeServers(10).map(({ name }) => ({ name: `${n}/${name}`, open: 0 })),
        KEYS.slice(0, keys),
      ));
  // Of 200 sets the mean has a standard error of 0.07.
  assertAlmostEquals(mean(loads(1, 200, 1000)), 2.929, 0.25);
  assert(mean(loads(100, 10, 4000)) < 1.35);
});

Deno.test("round robin gives each its turn, also when the list becomes shorter", () => {
  const pick = roundRobin();
  const five = makeServers(5);
  assertEquals(names(pick, five, 6), "s0 s1 s2 s3 s4 s0");
  assertEquals(names(pick, five, 3), "s1 s2 s3");
  assertEquals(names(pick, five.slice(0, 3), 4), "s1 s2 s0 s1");
});

Deno.test("random draws reach every server, each about as often", () => {
  const pick = atRandom(seeded(1));
  const servers = makeServers(3);
  const counts = new Map(servers.map((server) => [server.name, 0]));
  for (let n = 0; n < 3000; n++) {
    const { name } = pick(servers);
    counts.set(name, counts.get(name)! + 1);
  }
  // Three standard deviations are 77.
  for (const count of counts.values()) assertAlmostEquals(count, 1000, 100);
});

Deno.test("least connections picks a least one, whichever it is, and not always the first of equals", () => {
  assertEquals(leastConnections(seeded(1))(withOpen(3, 5, 2, 4)).name, "s2");
  const pick = leastConnections(seeded(1));
  const seen = Array.from(
    { length: 900 },
    () => pick(withOpen(7, 1, 2, 1, 1)).name,
  );
  for (const name of ["s1", "s3", "s4"]) {
    assertAlmostEquals(seen.filter((other) => other === name).length, 300, 60);
  }
});

Deno.test("two choices never picks the fullest of different ones, nor draws one twice", () => {
  const pick = twoChoices(seeded(1));
  for (let n = 0; n < 500; n++) {
    assert(pick(withOpen(1, 4, 2)).name !== "s1");
    assertEquals(pick(withOpen(6, 5)).name, "s1");
  }
  assertEquals(pick(withOpen(9)).name, "s0");
  assert(names(pick, withOpen(1, 4, 2), 50).includes("s2"));
});

const HASHED: [string, Pick][] = [
  ["the ring", ring()],
  ["rendezvous", rendezvous],
];
for (const [name, pick] of HASHED) {
  Deno.test(`${name}: when one of ten goes only its own keys move, and of hash % N nine tenths`, () => {
    const ten = makeServers(10);
    const left = ten.filter(({ name }) => name !== "s4");
    const before = KEYS.map((key) => pick(ten, key).name);
    const after = KEYS.map((key) => pick(left, key).name);
    const others = KEYS.flatMap((_, i) => before[i] === "s4" ? [] : [i]);
    assertEquals(others.map((i) => after[i]), others.map((i) => before[i]));
    assertAlmostEquals(moved(pick, ten, 4, KEYS), 1 / 10, 0.03);
    assertAlmostEquals(moved(modulo, ten, 4, KEYS), 9 / 10, 0.02);
  });

  Deno.test(`${name}: a key stays where it is in whichever order the servers stand`, () => {
    const servers = makeServers(7);
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.shuffledSubarray(servers, { minLength: 7 }),
        (key, shuffled) => pick(shuffled, key) === pick(servers, key),
      ),
      { seed: 7, numRuns: 50 },
    );
  });

  Deno.test(`${name}: a new server takes keys for itself, and moves none between the others`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.string(), (n, key) => {
        const more = makeServers(n + 1);
        const before = pick(more.slice(0, n), key);
        const after = pick(more, key);
        assert(after === before || after === more[n]);
      }),
      { seed: 7, numRuns: 60 },
    );
  });
}

Deno.test("a key of the ring goes to the next point, round its end too, as a search of all points says", () => {
  const servers = makeServers(4);
  const pick = ring(3);
  const points = servers.flatMap(({ name }) =>
    [0, 1, 2].map((v) => ({ name, at: hash(`${name}#${v}`) }))
  );
  const last = Math.max(...points.map(({ at }) => at));
  assert(KEYS.some((key) => hash(key) > last));
  for (const key of KEYS) {
    // How far it is onward, modulo 2³².
    const far = (at: number) => (at - hash(key)) >>> 0;
    const [next] = points.toSorted((a, b) => far(a.at) - far(b.at));
    assertEquals(pick(servers, key).name, next.name, key);
  }
});

Deno.test("the load of rendezvous is even", () => {
  // 4000 keys: 400 a server with a standard deviation of 19.
  assert(spread(rendezvous, makeServers(10), KEYS) < 1.2);
});

Deno.test("a ring whose server's place in the list is another one's now sends there", () => {
  const pick = ring();
  const keys = KEYS.slice(0, 200);
  const [a, b, c] = makeServers(3);
  for (const key of keys) pick([a, b], key);
  const found = new Set(keys.map((key) => pick([a, c], key).name));
  assertEquals([...found].toSorted(), ["s0", "s2"]);
  assertEquals(
    keys.map((key) => pick([a, c], key).name),
    keys.map((key) => ring()([a, c], key).name),
  );
});

/** A balancer of three in turn, with a clock. */
function threeInTurn() {
  const clock = { time: 0 };
  const servers = makeServers(3);
  const { pick, report } = leaveOutFailing(roundRobin(), {
    ...{ failures: 2, pause: 10, now: () => clock.time },
  });
  const go = (n: number) => names(pick, servers, n);
  return { clock, servers, pick, report, go };
}

Deno.test("who fails twice in a row is left out, and the others share its load evenly", () => {
  const { servers, report, go } = threeInTurn();
  report(servers[1], false);
  assertEquals(go(3), "s0 s1 s2");
  report(servers[1], false);
  assertEquals(go(6), "s2 s0 s2 s0 s2 s0");
});

Deno.test("failures that are not in a row leave nobody out", () => {
  const { servers, report, go } = threeInTurn();
  for (let n = 0; n < 5; n++) {
    report(servers[1], false);
    report(servers[1], true);
  }
  report(servers[1], false);
  assertEquals(go(3), "s0 s1 s2");
});

Deno.test("after the pause one connection tries it, and nobody else before that one is told of", () => {
  const { clock, servers, report, go } = threeInTurn();
  for (let n = 0; n < 2; n++) report(servers[1], false);
  clock.time = 9.9;
  assertEquals(go(4), "s0 s2 s0 s2");
  clock.time = 10;
  assertEquals(go(6), "s2 s0 s1 s0 s2 s0");
  report(servers[1], false);
  clock.time = 19.9;
  assertEquals(go(2), "s2 s0");
  clock.time = 20;
  assertEquals(go(2).split(" ").filter((name) => name === "s1"), ["s1"]);
  report(servers[1], true);
  assertEquals(go(3).split(" ").toSorted().join(" "), "s0 s1 s2");
});

Deno.test("a trial that nobody tells of is not the last one", () => {
  const { clock, servers, report, go } = threeInTurn();
  for (let n = 0; n < 2; n++) report(servers[1], false);
  for (const time of [10, 20, 30]) {
    clock.time = time;
    assertEquals(go(6).split(" ").filter((name) => name === "s1").length, 1);
  }
});

Deno.test("if all fail all are used, and the first that works is the only one again", () => {
  const { servers, report, go } = threeInTurn();
  for (const server of [...servers, ...servers]) report(server, false);
  assertEquals(go(3), "s0 s1 s2");
  report(servers[2], true);
  assertEquals(go(3), "s2 s2 s2");
});

Deno.test("health goes with any policy: a hashed key comes back to its server", () => {
  let time = 0;
  const servers = makeServers(5);
  const { pick, report } = leaveOutFailing(rendezvous, {
    ...{ failures: 1, pause: 10, now: () => time },
  });
  const home = pick(servers, "a session");
  report(home, false);
  const away = pick(servers, "a session");
  assert(away !== home);
  assertEquals(pick(servers, "a session"), away);
  time = 10;
  assertEquals(pick(servers, "a session"), home);
});

Deno.test("no server, and no key where one is needed, are errors of one line", () => {
  const random = seeded(1);
  const all: [Pick, boolean][] = [
    [roundRobin(), false],
    [atRandom(random), false],
    [leastConnections(random), false],
    [twoChoices(random), false],
    [ring(), true],
    [rendezvous, true],
    [modulo, true],
  ];
  for (const [pick, hashes] of all) {
    const none = assertThrows(
      () => pick([], "key"),
      BalancerError,
      "Cannot pick a server of 0: add one",
    );
    assertEquals(none.code, "no-server");
    assertEquals(pick(withOpen(5), "key").name, "s0");
    if (!hashes) continue;
    const keyless = assertThrows(
      () => pick(makeServers(2)),
      BalancerError,
      "Cannot hash a client without a key: give its address or its session",
    );
    assertEquals(keyless.code, "no-key");
    assert(pick(makeServers(2), "").name !== "");
  }
  for (const count of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => leaveOutFailing(rendezvous, { failures: count }),
      RangeError,
      `Cannot leave servers out after ${count} failures`,
    );
    assertThrows(
      () => ring(count),
      RangeError,
      `Cannot make a ring of ${count} points a server`,
    );
  }
});
