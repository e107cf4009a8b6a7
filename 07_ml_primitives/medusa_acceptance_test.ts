import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  drawChain,
  threshold,
  verifyChain,
  verifyTypical,
} from "./medusa_acceptance.ts";

// A handful of roundings, 1e-16 each, and some room.
const close = (actual: number, expected: number, tolerance = 1e-13) =>
  assert(
    Math.abs(actual - expected) <= tolerance,
    `${actual}, not ${expected}`,
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
const chain = (...tokens: number[]) => ({
  tokens,
  parents: tokens.map((_, n) => n - 1),
});

// Golden: python3 -c "
// import numpy as np
// from scipy.stats import entropy
// P = [[.5, .3, .15, .05], [.01, .02, .95, .02], [.25] * 4, [.2] * 3 + [.1] * 4]
// print([float(min(.09, .3 * np.exp(-entropy(p)))) for p in P])"
const ROWS = [
  [0.5, 0.3, 0.15, 0.05],
  [0.01, 0.02, 0.95, 0.02],
  [0.25, 0.25, 0.25, 0.25],
  [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1],
];
const LIMITS = [0.09, 0.09, 0.075, 0.04547149699531196];
Deno.test("threshold() golden: eps for a sure target, delta·exp(−H) for an unsure one", () =>
  ROWS.forEach((p, i) => close(threshold(p), LIMITS[i])));
Deno.test("threshold() of a one-hot row is the smaller of eps and delta", () => {
  assertEquals(threshold([0, 1, 0], 0.09, 0.3), 0.09);
  assertEquals(threshold([0, 1, 0], 0.5, 0.3), 0.3);
});
Deno.test("threshold() of V equal tokens is delta / V, in nats and not in bits", () =>
  close(threshold(Array(32).fill(1 / 32), 0.09, 0.3), 0.3 / 32));
Deno.test("the argmax passes always: no row is without a token above the threshold", () => {
  const row = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
    minLength: 1,
    maxLength: 9,
  }).filter((xs) => xs.some((x) => x > 1e-9));
  fc.assert(
    fc.property(row, (xs) => {
      const total = xs.reduce((sum, x) => sum + x, 0);
      const p = xs.map((x) => x / total);
      // exp(−H) is the geometric mean of p under p, so below its max.
      assert(Math.max(...p) > threshold(p));
    }),
    { seed: 3 },
  );
});

const SURE = [0.95, 0.04, 0.01];
const EVEN = [0.4, 0.35, 0.25];
Deno.test("verifyTypical() takes the longest path, though another begins likelier", () => {
  // 0 → 0 → 1 fails at its second token; 0 → 2 → 0 passes.
  const tree = { tokens: [9, 0, 2, 1, 0], parents: [-1, 0, 0, 1, 2] };
  const probs = [EVEN, SURE, SURE, EVEN, [0.1, 0.2, 0.7]];
  assertEquals(verifyTypical(tree, probs), { path: [0, 2, 4], next: 2 });
});
Deno.test("verifyTypical() takes the likelier of two paths of one length", () => {
  const tree = { tokens: [9, 2, 1, 0], parents: [-1, 0, 0, 0] };
  const rows = [SURE, SURE, SURE];
  assertEquals(verifyTypical(tree, [EVEN, ...rows]).path, [0, 3]);
  const lower = { tokens: [9, 0, 2], parents: [-1, 0, 0] };
  assertEquals(verifyTypical(lower, [EVEN, SURE, SURE]).path, [0, 1]);
});
Deno.test("a path is as likely as the product of its tokens, not as its last one", () => {
  const tree = { tokens: [9, 0, 1, 0, 0], parents: [-1, 0, 0, 1, 2] };
  const probs = [[0.7, 0.3, 0], [0.6, 0.4, 0], [0.8, 0.2, 0], SURE, SURE];
  // 0.7 · 0.6 is more than 0.3 · 0.8.
  assertEquals(verifyTypical(tree, probs).path, [0, 1, 3]);
});
Deno.test("nothing under a token that fails is accepted", () => {
  const tree = chain(9, 1, 0, 0);
  const probs = [SURE, SURE, SURE, SURE];
  assertEquals(verifyTypical(tree, probs), { path: [0], next: 0 });
});
Deno.test("a token just at the threshold fails, just above it passes", () => {
  const p = [0.5, 0.25, 0.25], tree = chain(9, 1);
  assertEquals(verifyTypical(tree, [p, p], 0.25, 9).path, [0]);
  assertEquals(verifyTypical(tree, [p, p], 0.25 - 1e-12, 9).path, [0, 1]);
});
Deno.test("a token of probability 0 fails", () =>
  assertEquals(verifyTypical(chain(9, 2), [[0.5, 0.5, 0], EVEN]).path, [0]));
Deno.test("eps of 1 and delta of 1 take only what is likelier than exp(−H)", () => {
  // exp(−H) of SURE is 0.80, of EVEN 0.34: the likeliest passes alone, then two.
  assertEquals(verifyTypical(chain(9, 0), [SURE, SURE], 1, 1).path.length, 2);
  assertEquals(verifyTypical(chain(9, 1), [SURE, SURE], 1, 1).path.length, 1);
  assertEquals(verifyTypical(chain(9, 1), [EVEN, EVEN], 1, 1).path.length, 2);
  assertEquals(verifyTypical(chain(9, 2), [EVEN, EVEN], 1, 1).path.length, 1);
});

// Eighths: a grid of 24 midpoints meets each threshold p/q and each share exactly.
const HEADS = [[3, 4, 1], [2, 2, 4]].map((row) => row.map((x) => x / 8));
const AFTER: Record<string, number[]> = {
  "": [4, 1, 3].map((x) => x / 8),
  "0": [4, 3, 1].map((x) => x / 8),
  "1": [1, 5, 2].map((x) => x / 8),
  "2": [2, 2, 4].map((x) => x / 8),
};
const rowsFor = (a: number) => [AFTER[""], AFTER[a], [0.5, 0.25, 0.25]];
Deno.test("by enumeration, an exact chain of independent heads is distributed as the target", () => {
  const grid = 24;
  const pairs = Array.from({ length: 3 }, () => [0, 0, 0]);
  const first = [0, 0, 0];
  for (let a = 0; a < 3; a++) {
    for (let b = 0; b < 3; b++) {
      for (let n = 0; n < grid ** 3; n++) {
        const u = [
          n % grid,
          Math.floor(n / grid) % grid,
          Math.floor(n / grid ** 2),
        ];
        const random = () => (u.shift()! + 0.5) / grid;
        const tree = chain(9, a, b);
        const { path, next } = verifyChain(tree, rowsFor(a), HEADS, random);
        const out = [...path.slice(1).map((node) => tree.tokens[node]), next];
        const weight = HEADS[0][a] * HEADS[1][b] / grid ** 3;
        first[out[0]] += weight;
        if (out.length > 1) pairs[out[0]][out[1]] += weight;
      }
    }
  }
  // Sums of some 100,000 numbers below 1e-4: an error of 1e-12 at most.
  first.forEach((x, a) => close(x, AFTER[""][a], 1e-12));
  pairs.forEach((row, a) => {
    // Accepted as the first token: min(p, q) of it; then the target's own row.
    const mass = Math.min(AFTER[""][a], HEADS[0][a]);
    row.forEach((x, b) => close(x, mass * AFTER[a][b], 1e-12));
  });
});
Deno.test("three tokens of exact chains pass a chi-square test against the target", () => {
  /** What the target puts after a token, and two heads that know it from far. */
  const target = (x: number) => [AFTER["0"], AFTER["1"], AFTER["2"]][x];
  const heads = (x: number) => [target((x + 1) % 3), [0.25, 0.5, 0.25]];
  const N = 20_000, random = mulberry32(2);
  const counts = Array<number>(27).fill(0);
  let passes = 0;
  for (let n = 0; n < N; n++) {
    const out: number[] = [];
    let root = 1;
    while (out.length < 3) {
      const guesses = heads(root);
      const tree = drawChain(root, guesses, random);
      const probs = tree.tokens.map(target);
      const { path, next } = verifyChain(tree, probs, guesses, random);
      out.push(...path.slice(1).map((node) => tree.tokens[node]), next);
      root = next;
      passes++;
    }
    counts[out[0] * 9 + out[1] * 3 + out[2]]++;
  }
  let chiSquare = 0;
  counts.forEach((count, n) => {
    const [a, b, c] = [Math.floor(n / 9), Math.floor(n / 3) % 3, n % 3];
    const expected = N * target(1)[a] * target(a)[b] * target(b)[c];
    chiSquare += (count - expected) ** 2 / expected;
  });
  // scipy.stats.chi2.ppf(.999, 26) prints 54.05196238857664
  assert(chiSquare < 54.05196238857664, `chi-square is ${chiSquare}`);
  assert(passes < 2.3 * N, `${passes} passes for ${3 * N} tokens`);
});
Deno.test("typical acceptance is no such distribution: a total variation of 0.375 here", () => {
  // Both guesses 0 and 1 pass, and 0 is likelier: 0 comes always, not half the time.
  const tree = { tokens: [9, 0, 1], parents: [-1, 0, 0] };
  const p = [5, 2, 1].map((x) => x / 8);
  const { path } = verifyTypical(tree, [p, EVEN, EVEN]);
  assertEquals(path, [0, 1]);
  const out = p.map((_, x) => x === tree.tokens[path[1]] ? 1 : 0);
  const TV = p.reduce((sum, px, x) => sum + Math.abs(px - out[x]) / 2, 0);
  assertEquals(TV, 0.375);
});
Deno.test("the share accepted is the sum of min(p, q)", () => {
  const random = mulberry32(5), N = 40_000;
  const [p, q] = [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]];
  let accepted = 0;
  for (let n = 0; n < N; n++) {
    const tree = drawChain(9, [q], random);
    accepted += verifyChain(tree, [p, p], [q], random).path.length - 1;
  }
  // The standard deviation is 0.0023.
  close(accepted / N, 0.7, 0.008);
});

Deno.test("drawChain() draws a token of each head's own row", () => {
  const rows = [[0, 1, 0], [0, 0, 1], [1, 0, 0]];
  assertEquals(drawChain(7, rows, mulberry32(1)), chain(7, 1, 2, 0));
});
Deno.test("no heads: the next token alone, of the root's row", () => {
  assertEquals(drawChain(7, [], always()), chain(7));
  assertEquals(verifyChain(chain(7), [[0, 1]], [], always(0.5)), {
    path: [0],
    next: 1,
  });
});
Deno.test("a rejection drops all later guesses", () => {
  const [A, B] = [[1, 0], [0, 1]];
  const out = verifyChain(
    chain(7, 0, 0, 0),
    [A, B, A, A],
    [A, A, A],
    always(0.9, 0, 0.5),
  );
  assertEquals(out, { path: [0, 1], next: 1 });
});
Deno.test("all accepted: the token after comes of the last row", () => {
  const q = [0.25, 0.75];
  const out = verifyChain(
    chain(7, 1, 0),
    [q, q, [1, 0]],
    [q, q],
    always(0.999, 0.999, 0.5),
  );
  assertEquals(out, { path: [0, 1, 2], next: 0 });
});
Deno.test("probability 0 is rejected, even by a random number of 0", () =>
  assertEquals(
    verifyChain(chain(7, 0), [[0, 1], [1, 0]], [[1, 0]], always(0, 0)),
    {
      path: [0],
      next: 1,
    },
  ));
Deno.test("a residual that rounds to 0 everywhere draws from the target's row", () => {
  // Only a random number of 1 rejects here; it stands for a rounding.
  const p = [0.25, 0.75];
  assertEquals(verifyChain(chain(7, 0), [p, p], [p], always(1, 0.5)).next, 1);
});

const [P, Q] = [[0.5, 0.5], [0.5, 0.5]];
const ERRORS: [name: string, call: () => unknown, message: string][] = [
  [
    "too few rows",
    () => verifyTypical(chain(9, 1), [P]),
    "Cannot verify by 1 rows: the tree needs 2",
  ],
  [
    "too many rows",
    () => verifyTypical(chain(9), [P, P]),
    "by 2 rows: the tree needs 1",
  ],
  [
    "K rows",
    () => verifyChain(chain(9, 1), [P], [Q], always()),
    "by 1 rows: the tree needs 2",
  ],
  [
    "K − 1 heads",
    () => verifyChain(chain(9, 1), [P, P], [], always()),
    "by 0 rows: the tree needs 1",
  ],
];
for (const [name, call, message] of ERRORS) {
  Deno.test(`${name} is an error before a number is drawn: ${message}`, () => {
    assertThrows(call, RangeError, message);
  });
}
