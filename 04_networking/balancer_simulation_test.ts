import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
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
import {
  Events,
  exponential,
  pareto,
  type Run,
  simulate,
} from "./balancer_simulation.ts";

const ones = (n: number) => new Array<number>(n).fill(1);
const run = (n: number, load: number, requests: number): Run => ({
  ...{ speeds: ones(n), rate: n * load, requests, work: exponential },
});
const close = (actual: number, expected: number, share: number) =>
  assertAlmostEquals(actual, expected, share * expected);

// Kleinrock 3.2: the mean is 1/(μ − λ), and the times are exponential, so that 99 % stay
// below ln(100) of these, and a half below ln(2).
Deno.test("one server with exponential work takes 1/(mu − lambda), and ln(100) times that at 99 %", () => {
  const { mean, p50, p99 } = simulate(
    () => roundRobin(),
    { ...run(1, 0, 200_000), rate: 1.4, speeds: [2] },
    seeded(1),
  );
  const expected = 1 / (2 - 1.4);
  // Three standard errors of such a run are about 4 %.
  close(mean, expected, 0.05);
  close(p50, Math.LN2 * expected, 0.05);
  close(p99, Math.log(100) * expected, 0.1);
});

// Pollaczek, Khinchin (Kleinrock 5.5): work that is always 1 waits half as long: 1 + 0.8/(2·0.2).
Deno.test("one server with work that is always the same takes 3, at load 0.8", () => {
  const same = { ...run(1, 0.8, 100_000), work: () => 1 };
  close(simulate(() => roundRobin(), same, seeded(1)).mean, 3, 0.05);
});

// Random splits Poisson arrivals into such ones: each of four is alone, 1/(1 − 0.7).
// Round robin: gaps of four exponentials (E4/M/1, Kleinrock 6.4), 1/(1 − σ) where, in
// python3, s = .5; then 10,000 times s = (2.8/(2.8 + 1 − s))**4: 2.2367.
Deno.test("four servers at load 0.7: 3.33 at random, 2.24 by turns", () => {
  const four = run(4, 0.7, 150_000);
  const random = simulate(() => atRandom(seeded(5)), four, seeded(1));
  close(random.mean, 1 / 0.3, 0.05);
  close(simulate(() => roundRobin(), four, seeded(1)).mean, 2.2367, 0.05);
});

// The Markov chain of two queues up to 80, with scipy.sparse.linalg.spsolve: 2.95574 for
// arrivals of 1.6; of two servers, two choices is the same as the least.
Deno.test("two servers at load 0.8: 2.96 by least connections, and the same by two choices", () => {
  const two = run(2, 0.8, 150_000);
  for (const make of [leastConnections, twoChoices]) {
    close(simulate(() => make(seeded(5)), two, seeded(1)).mean, 2.95574, 0.05);
  }
});

// Mitzenmacher (2001): of many servers, a share of λ^(2^k − 1) has k or more, so the mean
// is Σ λ^(2^i − 2), i = 1, 2, …: 2.614 for 0.9, where random has 1/(1 − 0.9) = 10.
Deno.test("a hundred servers at load 0.9: two choices take 2.6 instead of 10", () => {
  const { mean } = simulate(
    () => twoChoices(seeded(5)),
    run(100, 0.9, 200_000),
    seeded(1),
  );
  close(mean, 2.614, 0.05);
});

Deno.test("a server of half the speed takes twice as long", () => {
  // So rare that nobody waits.
  const slow = { ...run(1, 0.0001, 100), speeds: [0.5], work: () => 3 };
  const { mean, p50, p99, fullest } = simulate(
    () => roundRobin(),
    slow,
    seeded(1),
  );
  for (const time of [mean, p50, p99]) assertAlmostEquals(time, 6, 1e-6);
  assertEquals(fullest, 1);
});

Deno.test("a slow server drowns by turns, but not by two choices or least connections", () => {
  const slow = { ...run(10, 0.6, 10_000), speeds: ones(10).with(0, 0.5) };
  const of = (pick: Pick) => simulate(() => pick, slow, seeded(3));
  const [turns, two, least] = [
    of(roundRobin()),
    of(twoChoices(seeded(2))),
    of(leastConnections(seeded(2))),
  ];
  assertAlmostEquals(turns.shares[0], 0.1, 1e-9);
  assert(turns.fullest > 100 && turns.p99 > 100);
  for (const { fullest, p99, shares } of [two, least]) {
    assert(fullest < 10 && p99 < 10 && shares[0] < 0.09, `${fullest}, ${p99}`);
  }
  assert(least.mean < two.mean);
});

Deno.test("by turns, requests of two kinds that alternate fill a half of the servers", () => {
  let n = 0;
  const kinds = { ...run(4, 0.8, 4000), work: () => n++ % 2 ? 1.9 : 0.1 };
  assert(simulate(() => roundRobin(), kinds, seeded(3)).p99 > 50);
  assert(simulate(() => twoChoices(seeded(2)), kinds, seeded(3)).p99 < 15);
});

Deno.test("least connections sends most to the one that refuses at once, until it is left out", () => {
  const sick = { ...run(10, 0.8, 10_000), broken: 3 };
  const failed = (balance: (now: () => number) => Pick | Checked) =>
    simulate(balance, sick, seeded(3)).failed;
  assertAlmostEquals(failed(() => roundRobin()), 0.1, 1e-9);
  assert(failed(() => leastConnections(seeded(2))) > 0.25);
  const left = failed((now) =>
    leaveOutFailing(leastConnections(seeded(2)), { now, pause: 50 })
  );
  // 10,000 requests are 1250 units of time: a trial every 50.
  assert(left > 0.001 && left < 0.005, `${left}`);
});

Deno.test("a client always comes to the same server of a ring", () => {
  const { shares } = simulate(
    () => ring(),
    { ...run(5, 0.5, 500), clients: 1 },
    seeded(1),
  );
  assertEquals(shares.toSorted(), [0, 0, 0, 0, 1]);
});

Deno.test("a seed repeats a simulation, and every policy sees the same requests", () => {
  const seen: number[][] = [];
  const make = (pick: Pick) => {
    const sizes: number[] = [];
    seen.push(sizes);
    const work = (random: Random) => {
      sizes.push(exponential(random));
      return sizes.at(-1)!;
    };
    return simulate(() => pick, { ...run(3, 0.7, 300), work }, seeded(8));
  };
  const first = make(twoChoices(seeded(4)));
  assertEquals(make(twoChoices(seeded(4))), first);
  make(atRandom(seeded(9)));
  assertEquals(seen[1], seen[0]);
  assertEquals(seen[2], seen[0]);
});

// Of a Pareto of index α and mean 1 the least is (α − 1)/α, and a share q stays below
// that times (1 − q)^(−1/α).
Deno.test("pareto() has a mean of 1, a least value, and its heavy tail", () => {
  const random = seeded(2);
  const x = Array.from({ length: 200_000 }, () => pareto(2.5)(random));
  x.sort((a, b) => a - b);
  close(x.reduce((a, b) => a + b, 0) / x.length, 1, 0.02);
  assert(x[0] >= 0.6 && x[0] < 0.6001);
  close(x[100_000], 0.6 * 2 ** 0.4, 0.01);
  close(x[198_000], 0.6 * 100 ** 0.4, 0.05);
});

Deno.test("exponential() and pareto() are finite whatever is drawn", () => {
  for (const drawn of [0, 2 ** -32, 0.5, 1 - 2 ** -32, 1 - 2 ** -53]) {
    for (const work of [exponential, pareto(1.5)]) {
      const x = work(() => drawn);
      assert(x >= 0 && x < Infinity);
    }
  }
});

Deno.test("Events give back whatever was added, the earliest first, also between additions", () => {
  // Undefined takes, a number adds.
  const steps = fc.array(fc.option(fc.nat({ max: 20 }), { nil: undefined }));
  fc.assert(
    fc.property(steps, (steps) => {
      const events = new Events<string>();
      let naive: number[] = [];
      for (const step of steps) {
        if (step === undefined) events.take();
        else events.add(step, `${step}`);
        naive = step === undefined
          ? naive.slice(1)
          : [...naive, step].toSorted((a, b) => a - b);
        const first = events.first();
        assertEquals(first?.time, naive[0]);
        assertEquals(first?.what, first && `${first.time}`);
      }
    }),
    { seed: 7 },
  );
});

Deno.test("what cannot be simulated is an error that says why", () => {
  const good = run(2, 0.5, 10);
  const cases: [Run, string][] = [
    [{ ...good, speeds: [] }, "Cannot simulate 0 servers"],
    [{ ...good, speeds: [1, 0] }, "Cannot simulate a speed of 0"],
    [{ ...good, speeds: [1, NaN] }, "Cannot simulate a speed of NaN"],
    [{ ...good, rate: -1 }, "Cannot simulate a rate of -1"],
    [{ ...good, rate: Infinity }, "Cannot simulate a rate of Infinity"],
    [{ ...good, requests: 0 }, "Cannot simulate 0 requests"],
    [{ ...good, requests: 1.5 }, "Cannot simulate 1.5 requests"],
  ];
  for (const [wrong, message] of cases) {
    assertThrows(
      () => simulate(() => roundRobin(), wrong, seeded(1)),
      RangeError,
      message,
    );
  }
  assertThrows(() => pareto(1), RangeError, "alpha 1 is not above 1");
});

Deno.test("if all are refused there is no time to tell", () => {
  const { mean, failed } = simulate(
    () => roundRobin(),
    { ...run(1, 0.5, 10), broken: 0 },
    seeded(1),
  );
  assertEquals([mean, failed], [NaN, 1]);
});
