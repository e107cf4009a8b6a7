import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  acceptanceRate,
  breakEven,
  draw,
  expectedTokens,
  residual,
  speculate,
  speedUp,
  verify,
} from "./speculative_decoding.ts";

// A handful of roundings, 1e-16 each, and some room.
const close = (actual: number, expected: number, tolerance = 1e-13) =>
  assert(
    Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
const always = (...numbers: number[]) => () => {
  const next = numbers.shift();
  if (next === undefined) throw new Error("random() was called once too often");
  return next;
};
/** Mulberry32, so that every run draws the same. */
function mulberry32(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let x = Math.imul(seed ^ seed >>> 15, 1 | seed);
    x = x + Math.imul(x ^ x >>> 7, 61 | x) ^ x;
    return ((x ^ x >>> 14) >>> 0) / 2 ** 32;
  };
}

// Golden: python3 -c "from scipy.optimize import brentq
// f=lambda a,K: sum(a**i for i in range(K+1))
// print([f(.8,K) for K in (1,4,8)])
// print([brentq(lambda a:f(a,K)/(K*.1+1)-1,1e-9,.999999,xtol=1e-14) for K in (1,4,8)])"
const TOKENS = [1.8, 3.3616000000000006, 4.328911360000001];
const BREAK_EVEN = [
  0.10000000000000005,
  0.2871077523039061,
  0.44482324865062256,
];
Deno.test("expectedTokens() sums a geometric series: 3.36 for K = 4, not 4.2", () =>
  [1, 4, 8].forEach((K, i) => close(expectedTokens(0.8, K), TOKENS[i])));
Deno.test("breakEven() rises with K: longer drafts need a better draft model", () =>
  [1, 4, 8].forEach((K, i) => close(breakEven(K, 0.1), BREAK_EVEN[i], 1e-12)));
Deno.test("a draft model as slow as the target never pays, nor do no drafts", () => {
  assertEquals([breakEven(4, 1), breakEven(1, 1.5)], [Infinity, Infinity]);
  assertEquals(breakEven(0, 0.1), Infinity);
});
Deno.test("expectedTokens() is exact next to α = 1, where 1 − α cancels", () => {
  // K + 1 less (1 + 2 + … + K)(1 − α), but for 1e−18.
  for (const gap of [2 ** -30, 2 ** -40, 2 ** -52]) {
    close(expectedTokens(1 - gap, 4), 5 - 10 * gap, 1e-15 + 20 * gap ** 2);
  }
});
Deno.test("there is nothing to continue in an empty prefix", () => {
  const never = () => [];
  assertThrows(
    () => speculate(never, never, [], 2, always()),
    RangeError,
    "Cannot continue no token",
  );
});
Deno.test("speedUp() of 0 drafts is 1, and of perfect ones (K + 1) / (Kc + 1)", () => {
  assertEquals([
    speedUp(0.7, 0, 0.1),
    expectedTokens(1, 4),
    expectedTokens(0, 4),
  ], [1, 5, 1]);
  close(speedUp(1, 4, 0.25), 2.5);
});

// Eighths: a grid of 12 midpoints meets every threshold p/q and every share exactly.
const DRAFT = [[3, 4, 1], [2, 2, 4]].map((row) => row.map((x) => x / 8));
const TARGET = [[4, 1, 3], [4, 3, 1], [1, 5, 2]].map((row) =>
  row.map((x) => x / 8)
);
/** Runs verify() on each equally likely combination of random numbers, by weight. */
function enumerate(
  grid: number,
  visit: (tokens: readonly number[], weight: number) => void,
) {
  for (let a = 0; a < 3; a++) {
    for (let b = 0; b < 3; b++) {
      for (let n = 0; n < grid ** 3; n++) {
        const u = [
          n % grid,
          Math.floor(n / grid) % grid,
          Math.floor(n / grid ** 2),
        ];
        const { tokens } = verify(
          [a, b],
          DRAFT,
          TARGET,
          () => (u.shift()! + 0.5) / grid,
        );
        visit(tokens, DRAFT[0][a] * DRAFT[1][b] / grid ** 3);
      }
    }
  }
}
Deno.test("by enumeration each output token is distributed as the target's row", () => {
  // Equals hold to 1e-12: sums of some 100,000 numbers below 1e-3.
  const mass = [0, 1, 2].map(() => [0, 0, 0]);
  const first = [0, 0, 0], second = [0, 0, 0];
  enumerate(24, (tokens, weight) => {
    tokens.forEach((token, i) => mass[i][token] += weight);
  });
  enumerate(24, (tokens, weight) => {
    first[tokens[0]] += weight;
    if (tokens.length > 1) second[tokens[0]] += weight;
  });
  mass.forEach((row, i) => {
    const total = row.reduce((sum, x) => sum + x, 0);
    row.forEach((x, token) => close(x / total, TARGET[i][token], 1e-12));
  });
  // Accepted is min(p, q) of each token, whatever follows it.
  second.forEach((x, token) =>
    close(x, Math.min(TARGET[0][token], DRAFT[0][token]), 1e-12)
  );
});
Deno.test("the mean number of accepted drafts is that of the acceptance rates", () => {
  let tokens = 0;
  enumerate(24, (list, weight) => tokens += list.length * weight);
  const [a, b] = DRAFT.map((row, i) => acceptanceRate(TARGET[i], row));
  close(tokens, 1 + a + a * b, 1e-12);
});

/** A causal model: row t depends on the tokens up to t, in one sweep. */
const toy = (seed: number) => (tokens: readonly number[]) => {
  let state = seed;
  return tokens.map((token) => {
    state = (state * 31 + token * 17 + 7) % 1009;
    const weights = [state % 5 + 1, state % 7 + 1, state % 3 + 1];
    const total = weights[0] + weights[1] + weights[2];
    return weights.map((w) => w / total);
  });
};
Deno.test("one pass of the target scores what K + 1 separate passes do", () => {
  const model = toy(3);
  const tokens = [1, 0, 2, 2, 1, 0];
  assertEquals(
    model(tokens),
    tokens.map((_, t) => model(tokens.slice(0, t + 1))[t]),
  );
});
Deno.test("three tokens of speculation pass a chi-square test against the target", () => {
  const [draft, target] = [toy(5), toy(3)];
  const N = 20_000;
  const random = mulberry32(1);
  const counts = Array<number>(27).fill(0);
  let passes = 0;
  for (let n = 0; n < N; n++) {
    let tokens = [1];
    while (tokens.length < 4) {
      tokens = [
        ...tokens,
        ...speculate(draft, target, tokens, 2, random).tokens,
      ];
      passes++;
    }
    counts[tokens[1] * 9 + tokens[2] * 3 + tokens[3]]++;
  }
  let chiSquare = 0;
  counts.forEach((count, n) => {
    const [a, b, c] = [Math.floor(n / 9), Math.floor(n / 3) % 3, n % 3];
    const rows = target([1, a, b]);
    const expected = N * rows[0][a] * rows[1][b] * rows[2][c];
    chiSquare += (count - expected) ** 2 / expected;
  });
  // scipy.stats.chi2.ppf(.999, 26) prints 54.05196238857664
  assert(chiSquare < 54.05196238857664, `chi-square is ${chiSquare}`);
  assert(passes < 2 * N, `${passes} passes for ${3 * N} tokens`);
});
Deno.test("the residual sums to 1 and is 0 where the draft has more", () => {
  const row = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), {
    minLength: 5,
    maxLength: 5,
  })
    .map((xs) => xs.map((x) => x / xs.reduce((sum, y) => sum + y, 0)));
  fc.assert(
    fc.property(row, row, (p, q) => {
      const rest = residual(p, q);
      close(rest.reduce((sum, x) => sum + x, 0), 1);
      const alpha = acceptanceRate(p, q);
      // The law itself: what is accepted and what is refilled make p.
      p.forEach((pi, i) =>
        close(Math.min(pi, q[i]) + (1 - alpha) * rest[i], pi)
      );
    }),
    { seed: 19, numRuns: 200 },
  );
});
Deno.test("a residual of mass 1e-7 is divided by its exact sum", () => {
  // With 1e-9 added to the divisor it sums to 0.99.
  const rest = residual([0.5 + 1e-7, 0.5 - 1e-7], [0.5, 0.5]);
  assertEquals(rest, [1, 0]);
});
Deno.test("a residual that rounds to 0 everywhere is the target's row", () =>
  assertEquals(residual([0.25, 0.75], [0.25, 0.75]), [0.25, 0.75]));

Deno.test("no drafts: the bonus token alone", () =>
  assertEquals(verify([], [], [[0, 1, 0]], always(0.5)), {
    tokens: [1],
    accepted: 0,
    end: "bonus",
  }));
Deno.test("all accepted: K + 1 tokens, the last from the last row", () => {
  const rows = [[0.5, 0.5, 0], [0.25, 0.75, 0]];
  const result = verify(
    [1, 0],
    rows,
    [...rows, [0, 0, 1]],
    always(0.999, 0.999, 0.5),
  );
  assertEquals(result, { tokens: [1, 0, 2], accepted: 2, end: "bonus" });
});
Deno.test("a rejection drops all later drafts, and keeps the KV cache of those before", () => {
  const draft = [[1, 0, 0], [1, 0, 0], [1, 0, 0]];
  const target = [[1, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]];
  const result = verify([0, 0, 0], draft, target, always(0.9, 0, 0.5));
  assertEquals(result, { tokens: [0, 2], accepted: 1, end: "residual" });
});
Deno.test("probability 0 is rejected, even by a random number of 0", () =>
  assertEquals(verify([0], [[1, 0]], [[0, 1], [1, 0]], always(0, 0)).tokens, [
    1,
  ]));
Deno.test("equal tiny probabilities are accepted always, not half the time", () => {
  const row = [1e-9, 1 - 1e-9];
  assertEquals(verify([0], [row], [row, row], always(0.99, 0.5)).accepted, 1);
});
Deno.test("EOS inside the accepted run ends it, without a bonus", () => {
  const row = [0.5, 0.5];
  const result = verify(
    [1, 0, 1],
    [row, row, row],
    [row, row, row, row],
    always(0.5, 0.5),
    0,
  );
  assertEquals(result, { tokens: [1, 0], accepted: 2, end: "eos" });
});
Deno.test("one-hot rows of temperature 0 compare the argmax", () => {
  const [A, B] = [[1, 0], [0, 1]];
  assertEquals(verify([1, 1], [B, B], [B, A, A], Math.random).tokens, [1, 0]);
  assertEquals(verify([1, 1], [B, B], [B, B, A], Math.random).tokens, [
    1,
    1,
    0,
  ]);
});
Deno.test("a vocabulary of one token yields K + 1 of it", () =>
  assertEquals(
    verify([0, 0], [[1], [1]], [[1], [1], [1]], mulberry32(2)).tokens,
    [0, 0, 0],
  ));
Deno.test("draw() at the ends of [0, 1) never draws an impossible token", () => {
  assertEquals(draw([0, 0.5, 0.5, 0], () => 0), 1);
  assertEquals(draw([...Array(10).fill(0.1), 0], () => 1 - 2 ** -53), 9);
});

const E = [0.5, 0.5];
// deno-fmt-ignore
const ERRORS: [name: string, number[], number[][], number[][], string][] = [
  ["K target rows", [0], [E], [E], "target has 1 rows, not 2"],
  ["too few draft rows", [0, 1], [E], [E, E, E], "draft has 1 rows"],
  ["ragged", [0], [[1]], [E, E], "rows of 2 and 1 tokens differ"],
  ["impossible draft", [1], [[1, 0]], [E, E], "draft gives token 1 probability 0 in row 0"],
  ["token -1", [-1], [E], [E, E], "token -1 probability undefined"],
  ["token V", [2], [E], [E, E], "token 2 probability undefined"],
  ["unnormalised", [0], [[1, 1]], [E, E], "a row sums to 2, not 1"],
  ["nearly normalised", [0], [[0.5, 0.501]], [E, E], "a row sums to 1.001, not 1"],
  ["negative", [0], [[1.5, -0.5]], [E, E], "a probability is -0.5"],
  ["NaN", [0], [E], [E, [NaN, 1]], "a probability is NaN"],
];
for (const [name, drafted, draft, target, message] of ERRORS) {
  Deno.test(`verify() is an error before a number is drawn: ${name}`, () => {
    assertThrows(
      () => verify(drafted, draft, target, always()),
      RangeError,
      message,
    );
  });
}
