import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  greedy,
  probabilities,
  sample,
  type SamplingOptions,
  sumFloat32,
} from "./sampling.ts";

// A softmax of a few logits rounds a dozen times: 1e-15 each, and some room.
const close = (actual: number[], expected: number[]) => {
  assertEquals(actual.length, expected.length);
  actual.forEach((x, i) => {
    const error = Math.abs(x - expected[i]);
    assert(error <= 1e-13 * expected[i], `${actual} is not ${expected}`);
  });
};
const log = (probs: number[]) => probs.map(Math.log);
const kept = (probs: number[]) => probs.filter((p) => p > 0).length;
const never = () => {
  throw new Error("random() was called");
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

// Golden: python3, numpy 2.4.6:
// def f(z,T=1,k=0,p=1,m=0):
//   z=np.array(z)/T; q=np.exp(z-z.max()); q/=q.sum()
//   o=np.argsort(-q,kind="stable")
//   if k: q[o[k:]]=0; q/=q.sum()
//   if p<1: q[o[np.searchsorted(np.cumsum(q[o]),p)+1:]]=0
//   q[q<m*q.max()]=0
//   return (q/q.sum()).tolist()
// f([1.5,-0.25,3,0.75,2.25], ...)
const LOGITS = [1.5, -0.25, 3, 0.75, 2.25];
// deno-fmt-ignore
const GOLDEN: [name: string, SamplingOptions, expected: number[]][] = [
  ["softmax alone", {},
    [0.12128813457159274, 0.021076717438253935, 0.5435757070711996, 0.057292458015971555, 0.25676698290298217]],
  ["temperature 0.5", { temperature: 0.5 },
    [0.03872883664416011, 0.0011695095296440417, 0.7778894784083814, 0.008641571522773821, 0.17357060389504067]],
  ["top-k 2", { topK: 2 },
    [0.0, 0.0, 0.679178699175393, 0.0, 0.320821300824607]],
  ["top-p 0.85", { topP: 0.85 },
    [0.13160164714691433, 0.0, 0.5897976636568126, 0.0, 0.278600689196273]],
  ["min-p 0.2", { minP: 0.2 },
    [0.13160164714691433, 0.0, 0.5897976636568126, 0.0, 0.278600689196273]],
  ["all four", { temperature: 2, topK: 4, topP: 0.8, minP: 0.45 },
    [0.21872306959481308, 0.0, 0.4630367419657945, 0.0, 0.31824018843939245]],
];
for (const [name, options, expected] of GOLDEN) {
  Deno.test(`probabilities() golden: ${name}`, () =>
    close(probabilities(LOGITS, options), expected));
}

Deno.test("a high temperature widens the nucleus: it comes before top-p", () => {
  const logits = log([0.4, 0.3, 0.2, 0.1]);
  assertEquals(kept(probabilities(logits, { topP: 0.6 })), 2);
  assertEquals(kept(probabilities(logits, { topP: 0.6, temperature: 3 })), 3);
});
Deno.test("top-p measures what top-k left, not the whole vocabulary", () => {
  const logits = log([0.4, 0.3, 0.2, 0.1]);
  assertEquals(kept(probabilities(logits, { topP: 0.75 })), 3);
  assertEquals(kept(probabilities(logits, { topP: 0.75, topK: 3 })), 2);
});
Deno.test("top-p adds probabilities, not logits", () => {
  // The first is 0.61 of the sum of exp(logits); the logits alone pass 0.9 at 2.
  const probs = probabilities([2, 1, 0.5, -1], { topP: 0.9 });
  assertEquals(probs.map((p) => p > 0), [true, true, true, false]);
});
Deno.test("the token that crosses top-p is kept", () => {
  assertEquals(
    kept(probabilities(log([0.4, 0.3, 0.2, 0.1]), { topP: 0.5 })),
    2,
  );
});
Deno.test("a sum that equals top-p is enough: no token more", () => {
  assertEquals(probabilities([0, 0], { topP: 0.5 }), [1, 0]);
  assertEquals(probabilities([7, 7, 7, 7], { topP: 0.5 }), [0.5, 0.5, 0, 0]);
  assertEquals(kept(probabilities([1, 1, 1, 1], { topP: 0.75 })), 3);
});
Deno.test("a small top-p keeps the likeliest token instead of dividing by 0", () => {
  const logits = log([0.1, 0.4, 0.3, 0.2]);
  for (const topP of [0, Number.MIN_VALUE, 0.3]) {
    assertEquals(probabilities(logits, { topP }), [0, 1, 0, 0]);
  }
  assertEquals(probabilities([-3], { topP: 0, topK: 1, minP: 1 }), [1]);
});
Deno.test("top-p 1 is off: it cuts nothing that rounding hides", () => {
  assertEquals(kept(probabilities([0, -50, -60], { topP: 1 })), 3);
});

Deno.test("top-k keeps k tokens of many equals, the first ones", () => {
  assertEquals(probabilities([2, 2, 2, 2, 2], { topK: 1 }), [1, 0, 0, 0, 0]);
  assertEquals(probabilities([1, 3, 1, 1], { topK: 2 }).map((p) => p > 0), [
    true,
    true,
    false,
    false,
  ]);
});
Deno.test("top-k 0 is off, and more than V keeps all", () => {
  for (const topK of [0, 5, 6, 1000]) {
    assertEquals(probabilities(LOGITS, { topK }), probabilities(LOGITS));
  }
});

Deno.test("temperature 0 is the argmax, the lowest index of equals", () => {
  assertEquals(probabilities([1, 5, 5, 2], { temperature: 0 }), [0, 1, 0, 0]);
  assertEquals(greedy([-3, -1, -1]), 1);
});
Deno.test("temperature 0 separates logits that differ by 1e-9", () => {
  assertEquals(probabilities([0, 1e-9], { temperature: 0 }), [0, 1]);
});
Deno.test("temperature 0 with top-k never draws a masked token", () => {
  // A divisor of 1e-8 and a mask of -1e9 give the masked ones half each.
  const logits = [-40, -20, -30];
  for (const temperature of [0, 1e-8]) {
    assertEquals(probabilities(logits, { temperature, topK: 1 }), [0, 1, 0]);
  }
});
Deno.test("no temperature overflows", () => {
  assertEquals(probabilities([1, 3, 2], { temperature: 1e-320 }), [0, 1, 0]);
  assertEquals(probabilities([1e308, -1e308, 1e308], {}), [0.5, 0, 0.5]);
});
Deno.test("temperature Infinity is uniform over the tokens kept, in rank order", () => {
  const options = { temperature: Infinity, topK: 2 };
  assertEquals(probabilities([1, 3, 2, -Infinity], options), [0, 0.5, 0.5, 0]);
  const three = probabilities([1, -1e308, 2, -Infinity], {
    temperature: Infinity,
  });
  assertEquals(three, [1 / 3, 1 / 3, 1 / 3, 0]);
});

Deno.test("min-p is a part of the largest probability, not a probability", () => {
  const logits = log([0.4, 0.3, 0.2, 0.1]);
  assertEquals(kept(probabilities(logits, { minP: 0.4 })), 3);
  assertEquals(kept(probabilities(logits, { minP: 0.6 })), 2);
  assertEquals(kept(probabilities(logits, { minP: 0 })), 4);
  assertEquals(probabilities([1, 2, 2], { minP: 1 }), [0, 0.5, 0.5]);
});

const logitArrays = fc.array(
  fc.oneof(
    fc.double({ min: -8, max: 8, noNaN: true }),
    fc.integer({ max: 2, min: 0 }),
  ),
  { minLength: 1, maxLength: 7 },
);
const sure = { seed: 7, numRuns: 200 };

Deno.test("no smaller set than the nucleus reaches top-p, and none as small weighs more", () => {
  const fraction = fc.double({ min: 0.01, max: 0.99, noNaN: true });
  fc.assert(
    fc.property(logitArrays, fraction, (logits, topP) => {
      const all = probabilities(logits);
      const nucleus = probabilities(logits, { topP });
      const mass = (set: number) =>
        all.reduce((sum, p, i) => sum + (set >> i & 1 ? p : 0), 0);
      const size = kept(nucleus);
      const own = mass(
        nucleus.reduce((set, p, i) => p > 0 ? set | 1 << i : set, 0),
      );
      assert(own > topP - 1e-12);
      for (let set = 0; set < 1 << logits.length; set++) {
        const bits = [...set.toString(2)].filter((bit) => bit === "1").length;
        if (bits < size) assert(mass(set) < topP + 1e-12);
        if (bits === size) assert(mass(set) < own + 1e-12);
      }
    }),
    { ...sure, numRuns: 60 },
  );
});
Deno.test("what a filter keeps holds its old proportions and sums to 1", () => {
  const options = fc.record({
    topK: fc.integer({ min: 0, max: 8 }),
    topP: fc.double({ min: 0, max: 1, noNaN: true }),
    minP: fc.double({ min: 0, max: 1, noNaN: true }),
    temperature: fc.double({ min: 0.1, max: 9, noNaN: true }),
  });
  fc.assert(
    fc.property(logitArrays, options, (logits, options) => {
      const { temperature } = options;
      const all = probabilities(logits, { temperature });
      const some = probabilities(logits, options);
      const mass = all.reduce((sum, p, i) => sum + (some[i] > 0 ? p : 0), 0);
      close(some, all.map((p, i) => some[i] > 0 ? p / mass : 0));
      assert(some[greedy(logits)] > 0);
    }),
    sure,
  );
});
Deno.test("adding one number to all logits changes no draw", () => {
  // Sixteenths and 1024 add without rounding, so the results are identical.
  const grid = fc.array(fc.integer({ min: -99, max: 99 }).map((n) => n / 16), {
    minLength: 2,
    maxLength: 7,
  });
  fc.assert(
    fc.property(grid, (logits) => {
      const options = { temperature: 0.7, topK: 5, topP: 0.9, minP: 0.01 };
      const shifted = logits.map((x) => x + 1024);
      assertEquals(
        probabilities(shifted, options),
        probabilities(logits, options),
      );
    }),
    sure,
  );
});

Deno.test("sample() gives each token its share of the unit interval, exactly", () => {
  const logits = log([2 / 16, 5 / 16, 0, 8 / 16, 1 / 16]);
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 16; i++) {
    counts[sample(logits, {}, () => (i + 0.5) / 16)]++;
  }
  assertEquals(counts, [2, 5, 0, 8, 1]);
});
Deno.test("sample() passes a chi-square test against probabilities()", () => {
  const options = { temperature: 1.5, topK: 4, topP: 0.97 };
  const probs = probabilities(LOGITS, options);
  assertEquals(kept(probs), 4);
  const random = mulberry32(1);
  const counts = probs.map(() => 0);
  const N = 20_000;
  for (let i = 0; i < N; i++) counts[sample(LOGITS, options, random)]++;
  const chiSquare = probs.reduce(
    (sum, p, i) => p > 0 ? sum + (counts[i] - N * p) ** 2 / (N * p) : sum,
    0,
  );
  // scipy.stats.chi2.ppf(.999, 3) prints 16.26623619623813
  assert(chiSquare < 16.26623619623813, `chi-square is ${chiSquare}`);
  assertEquals(counts.map((n) => n > 0), probs.map((p) => p > 0));
});
Deno.test("sample() never draws an impossible token at the ends of [0, 1)", () => {
  const logits = [-Infinity, 1, 0, -Infinity];
  assertEquals(sample(logits, {}, () => 0), 1);
  assertEquals(sample(logits, {}, () => 1 - 2 ** -53), 2);
  // Ten tenths sum to less than 1: the walk ends on the last possible token.
  const ten = [...Array(10).fill(0), -Infinity];
  assertEquals(sample(ten, {}, () => 1 - 2 ** -53), 9);
});
Deno.test("sample() and probabilities() leave the logits unchanged", () => {
  const logits = Object.freeze([3, 1, 2]);
  sample(logits, { topK: 2, topP: 0.9, temperature: 0.5 }, () => 0.5);
  assertEquals(logits, [3, 1, 2]);
});

// Golden: python3, numpy 2.4.6: t = np.array([2**24,1,1,-2**24], np.float32);
// p = np.zeros(n, np.float32); for i, x in enumerate(t): p[i%n] += x;
// print(n, p.sum(dtype=np.float32)) for n in 1, 2 prints: 1 0.0, 2 1.0
Deno.test("the order of a float32 sum decides the argmax at temperature 0", () => {
  const terms = [2 ** 24, 1, 1, -(2 ** 24)];
  assertEquals(sumFloat32(terms, 1), 0);
  assertEquals(sumFloat32(terms, 2), 1);
  const draw = (lanes: number) =>
    sample([sumFloat32(terms, lanes), 0.5], { temperature: 0 }, () => 0.5);
  assertEquals([draw(1), draw(2)], [1, 0]);
});

const ERRORS: [name: string, logits: number[], SamplingOptions, string][] = [
  ["no logits", [], {}, "none of the 0 logits is above -Infinity"],
  ["nothing possible", [-Infinity, -Infinity], {}, "none of the 2 logits is"],
  ["NaN", [1, NaN], {}, "must be below Infinity, got NaN at index 1"],
  ["Infinity", [Infinity, 1], { temperature: 0 }, "got Infinity at index 0"],
  [
    "T < 0",
    [1],
    { temperature: -1 },
    "temperature must be in [0, Infinity], got -1",
  ],
  [
    "T NaN",
    [1],
    { temperature: NaN },
    "temperature must be in [0, Infinity], got NaN",
  ],
  ["k < 0", [1], { topK: -1 }, "topK must be in [0, Infinity], got -1"],
  ["k 2.5", [1], { topK: 2.5 }, "topK must be an integer, got 2.5"],
  ["p < 0", [1], { topP: -0.1 }, "topP must be in [0, 1], got -0.1"],
  ["p > 1", [1], { topP: 1.1 }, "topP must be in [0, 1], got 1.1"],
  ["p NaN", [1], { topP: NaN }, "topP must be in [0, 1], got NaN"],
  ["min-p > 1", [1], { minP: 2 }, "minP must be in [0, 1], got 2"],
];
for (const [name, logits, options, message] of ERRORS) {
  Deno.test(`sample() is an error before a number is drawn: ${name}`, () => {
    assertThrows(() => sample(logits, options, never), RangeError, message);
  });
}
Deno.test("sample() is an error if random() leaves [0, 1)", () => {
  for (const u of [1, -0.1, NaN]) {
    assertThrows(() => sample([1, 2], {}, () => u), RangeError, `got ${u}`);
  }
});
