import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  type BeamOptions,
  beamSearch,
  lengthPenalty,
  loopingModel,
  type Model,
  WORDS,
} from "./beam_search.ts";

const [EOS, BOS] = [0, 1];
const at = { bos: BOS, eos: EOS };
// A handful of logarithms are added: 1e-15 each, and some room.
const close = (actual: number, expected: number) =>
  assertAlmostEquals(actual, expected, 1e-13 * Math.max(1, Math.abs(expected)));
/** The next token depends on the last one only: rows by token, from BOS on. */
const bigram = (rows: Record<number, number[]>): Model => (tokens) =>
  rows[tokens[tokens.length - 1]].map(Math.log);

// Golden: every string of up to 4 tokens, counted out in python3:
// P = {1:[.05,0,.6,.35], 2:[.2,0,.3,.5], 3:[.45,0,.5,.05]}
// for n in range(1,5):
//   for s in itertools.product([2,3],repeat=n-1):
//     t=[1,*s,0]; l=sum(math.log(P[a][b]) for a,b in zip(t,t[1:]))
//     out.append((l/f(n),t,l))
// with f(n) = 1, n**.9 and ((5+n)/6)**.9; the first three of out, sorted.
const model = bigram({
  1: [.05, 0, .6, .35],
  2: [.2, 0, .3, .5],
  3: [.45, 0, .5, .05],
});
// deno-fmt-ignore
const GOLDEN: [string, Partial<BeamOptions>, [number[], logProb: number, score: number][]][] = [
  ["no penalty", {}, [
    [[1, 3, 0], -1.8483298207164496, -1.8483298207164496],
    [[1, 2, 3, 0], -2.0024805005437076, -2.0024805005437076],
    [[1, 2, 0], -2.120263536200091, -2.120263536200091]]],
  ["length^0.9", { alpha: 0.9 }, [
    [[1, 2, 3, 0], -2.0024805005437076, -0.7450049640692816],
    [[1, 2, 2, 3, 0], -3.206453304869644, -0.9208119091696416],
    [[1, 3, 2, 3, 0], -3.2346241818363404, -0.9289018691772586]]],
  ["GNMT, 0.9", { alpha: 0.9, penalty: "gnmt" }, [
    [[1, 2, 3, 0], -2.0024805005437076, -1.5456936857882508],
    [[1, 3, 0], -1.8483298207164496, -1.6088937320420647],
    [[1, 2, 0], -2.120263536200091, -1.8456006473711437]]],
];
for (const [name, options, expected] of GOLDEN) {
  Deno.test(`beamSearch() golden, the penalty picks the winner: ${name}`, () => {
    const found = beamSearch(model, {
      ...at,
      width: 40,
      maxLength: 4,
      ...options,
    });
    expected.forEach(([tokens, logProb, score], i) => {
      assertEquals(found[i].tokens, tokens);
      close(found[i].logProb, logProb);
      close(found[i].score, score);
      assert(found[i].finished);
    });
  });
}

/** A model of V tokens in which every prefix has scores of its own. */
function tableModel(seed: number, V: number): Model {
  return (tokens) => {
    let state = tokens.reduce((sum, x) => (sum * 31 + x + 7) % 65521, seed + 1);
    const weights = Array.from({ length: V }, (_, token) => {
      state = state * 16807 % 2147483647;
      return token === BOS ? 0 : 1 + state % 97;
    });
    const total = weights.reduce((sum, w) => sum + w);
    return weights.map((w) => Math.log(w / total));
  };
}
const sure = { seed: 3, numRuns: 60 };
const cases = fc.record({
  seed: fc.integer({ min: 0, max: 10_000 }),
  V: fc.integer({ min: 3, max: 4 }),
  width: fc.integer({ min: 1, max: 6 }),
  maxLength: fc.integer({ min: 1, max: 4 }),
  alpha: fc.constantFrom(0, 0.6, 1, 2),
  penalty: fc.constantFrom("length" as const, "gnmt" as const),
});

Deno.test("a width above the number of strings finds all, in exhaustive order", () => {
  fc.assert(
    fc.property(cases, ({ seed, V, maxLength, alpha, penalty }) => {
      const model = tableModel(seed, V);
      const all: { tokens: number[]; score: number; finished: boolean }[] = [];
      const open: [number[], number][] = [[[BOS], 0]];
      for (const [tokens, logProb] of open) {
        const length = tokens.length - 1;
        const finished = tokens[length] === EOS;
        if (!finished && length < maxLength) {
          model(tokens).forEach((x, token) => {
            if (x > -Infinity) open.push([[...tokens, token], logProb + x]);
          });
          continue;
        }
        const divisor = penalty === "gnmt" ? (5 + length) / 6 : length;
        const score = logProb / divisor ** alpha;
        all.push({ tokens, score, finished });
      }
      all.sort((a, b) =>
        Number(b.finished) - Number(a.finished) || b.score - a.score
      );
      const width = 4 ** maxLength;
      const found = beamSearch(model, {
        ...at,
        width,
        maxLength,
        alpha,
        penalty,
      });
      assertEquals(found.length, all.length);
      found.forEach((hypothesis, i) => {
        close(hypothesis.score, all[i].score);
        assertEquals(hypothesis.finished, all[i].finished);
      });
      const key = (h: { tokens: readonly number[] }) => h.tokens.join();
      assertEquals(found.map(key).sort(), all.map(key).sort());
    }),
    sure,
  );
});

Deno.test("the early stop loses nothing, whatever the length penalty", () => {
  fc.assert(
    fc.property(cases, (options) => {
      const model = tableModel(options.seed, options.V);
      const found = beamSearch(model, { ...at, ...options });
      // The twin never stops before the last step.
      let live: [readonly number[], number][] = [[[BOS], 0]];
      const done: number[] = [];
      for (let t = 1; t <= options.maxLength; t++) {
        const next = live.flatMap(([tokens, sum]) =>
          model(tokens).map((x, token): [number[], number] => [
            [...tokens, token],
            sum + x,
          ])
        ).sort((a, b) => b[1] - a[1]);
        next.slice(0, options.width)
          .filter(([tokens, sum]) => tokens[t] === EOS && sum > -Infinity)
          .forEach(([, sum]) => done.push(sum / lengthPenalty(t, options)));
        live = next.filter(([tokens]) => tokens[t] !== EOS)
          .slice(0, options.width);
      }
      const best = done.sort((a, b) => b - a).slice(0, options.width);
      const scores = found.filter((h) => h.finished).map((h) => h.score);
      assertEquals(scores.length, best.length);
      scores.forEach((score, i) => close(score, best[i]));
    }),
    { ...sure, numRuns: 300 },
  );
});

Deno.test("width 1 is greedy, up to the EOS that greedy takes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (seed) => {
      const model = tableModel(seed, 5);
      const tokens = [BOS];
      while (tokens.length < 8 && tokens.at(-1) !== EOS) {
        const logProbs = model(tokens);
        tokens.push(logProbs.indexOf(Math.max(...logProbs)));
      }
      const [best] = beamSearch(model, { ...at, width: 1, maxLength: 7 });
      assertEquals(best.tokens, tokens);
    }),
    sure,
  );
});

Deno.test("no token follows EOS, no string comes twice, finished ones come first", () => {
  fc.assert(
    fc.property(cases, (options) => {
      const found = beamSearch(tableModel(options.seed, options.V), {
        ...at,
        ...options,
      });
      assert(found.length <= options.width);
      assertEquals(
        new Set(found.map((h) => h.tokens.join())).size,
        found.length,
      );
      found.forEach(({ tokens, finished }, i) => {
        const end = tokens.indexOf(EOS);
        assertEquals(end, finished ? tokens.length - 1 : -1);
        if (i > 0 && finished) assert(found[i - 1].finished);
        if (!finished) assertEquals(tokens.length, 1 + options.maxLength);
      });
    }),
    sure,
  );
});

Deno.test("the model is called for W strings a step at most: the rest is cut", () => {
  let calls = 0;
  const counted: Model = () => {
    calls++;
    return [-9, -Infinity, -1.5, -1, -2];
  };
  beamSearch(counted, { ...at, width: 3, maxLength: 5 });
  assertEquals(calls, 1 + 3 * 4);
});

Deno.test("400 tokens of probability 0.1 keep their order: sums do not underflow", () => {
  const step = [0, 0, 0.1, 0.09].map(Math.log);
  const found = beamSearch(() => step, { ...at, width: 2, maxLength: 400 });
  assertEquals(found[0].tokens, [BOS, ...Array(400).fill(2)]);
  assertEquals(found[1].tokens.filter((token) => token === 3).length, 1);
  // 400 additions round 400 times, each by half an ulp of 921.
  assertAlmostEquals(found[0].logProb, 400 * Math.log(0.1), 1e-10);
});

Deno.test("two beams that end together are returned once each", () => {
  const ends = bigram({ 1: [0, 0, .6, .4], 2: [1, 0, 0, 0], 3: [1, 0, 0, 0] });
  const found = beamSearch(ends, { ...at, width: 2, maxLength: 9 });
  assertEquals(found.map((h) => h.tokens), [[BOS, 2, EOS], [BOS, 3, EOS]]);
});
Deno.test("an unfinished prefix does not outrank a finished string", () => {
  const half = bigram({ 1: [.3, 0, .7], 2: [.3, 0, .66] });
  const found = beamSearch(half, { ...at, width: 2, maxLength: 2 });
  assertEquals(found.map((h) => h.tokens), [[BOS, EOS], [BOS, 2, EOS]]);
  const only = beamSearch(half, { ...at, width: 1, maxLength: 2 });
  assertEquals(only.map((h) => h.finished), [false]);
  const wide = beamSearch(half, { ...at, width: 3, maxLength: 2 });
  assertEquals(wide.map((h) => h.finished), [true, true, false]);
  assert(wide[2].logProb > wide[0].logProb);
});
Deno.test("a finished string does not stop the search for a longer, better one", () => {
  // EOS at once has -1.2 a token; two more tokens bring the mean to -0.5.
  const late = bigram({ 1: [.3, 0, .25, 0], 2: [0, 0, 0, 1], 3: [1, 0, 0, 0] });
  const search = (alpha: number) =>
    beamSearch(late, { ...at, width: 1, maxLength: 6, alpha })[0].tokens;
  assertEquals(search(0), [BOS, EOS]);
  assertEquals(search(1), [BOS, 2, 3, EOS]);
});
Deno.test("the best string may begin with EOS", () => {
  const empty = bigram({ 1: [.9, 0, .1], 2: [.5, 0, .5] });
  const [best] = beamSearch(empty, { ...at, width: 2, maxLength: 5 });
  assertEquals([best.tokens, best.finished], [[BOS, EOS], true]);
});
Deno.test("without EOS every string is unfinished and says so", () => {
  const endless = bigram({ 1: [0, 0, 1], 2: [0, 0, 1] });
  const found = beamSearch(endless, { ...at, width: 4, maxLength: 3 });
  assertEquals(found.map((h) => h.finished), [false]);
  assertEquals(found[0].tokens, [BOS, 2, 2, 2]);
});
Deno.test("a maximum length of 0 gives BOS alone, unfinished, unasked", () => {
  const found = beamSearch(() => {
    throw new Error("asked");
  }, { ...at, width: 3, maxLength: 0, alpha: 1 });
  assertEquals(found, [
    { tokens: [BOS], logProb: 0, score: 0, finished: false },
  ]);
});
Deno.test("a string that nothing can follow is dropped", () => {
  const dead = bigram({ 1: [0, 0, .6, .4], 2: [0, 0, 0, 0], 3: [1, 0, 0, 0] });
  const found = beamSearch(dead, { ...at, width: 2, maxLength: 4 });
  assertEquals(found.map((h) => h.tokens), [[BOS, 3, EOS]]);
  const none = bigram({ 1: [0, 0, 0] });
  assertEquals(beamSearch(none, { ...at, width: 2, maxLength: 4 }), []);
});
Deno.test("equal strings come in the order of their tokens, every time", () => {
  const even = () => [.25, 0, .25, .25, .25].map(Math.log);
  const found = beamSearch(even, { ...at, width: 3, maxLength: 2 });
  assertEquals(found.map((h) => h.tokens.join(" ")), ["1 0", "1 2 0", "1 2 2"]);
});
Deno.test("a width above V is no error", () => {
  assertEquals(beamSearch(model, { ...at, width: 99, maxLength: 1 }).length, 3);
});
Deno.test("lengthPenalty(): alpha 0 is none; GNMT counts from 6", () => {
  assertEquals(lengthPenalty(7, { alpha: 0 }), 1);
  assertEquals(lengthPenalty(7, { alpha: 1 }), 7);
  assertEquals(lengthPenalty(7, { alpha: 1, penalty: "gnmt" }), 2);
  assertEquals(lengthPenalty(1, { alpha: 0.6, penalty: "gnmt" }), 1);
});

Deno.test("the looping model's most probable string of a length repeats one word", () => {
  // Every word after "again" and every word elsewhere is alike: two stand for all.
  for (let length = 1; length <= 8; length++) {
    const strings = Array.from({ length: 2 ** length }, (_, bits) => {
      const words = Array.from({ length }, (_, i) => 2 + (bits >> i & 1));
      const tokens = [BOS, ...words];
      const logProb = words.reduce(
        (sum, word, i) => sum + loopingModel(tokens.slice(0, i + 1))[word],
        0,
      );
      return { words, logProb };
    });
    const [best] = strings.sort((a, b) => b.logProb - a.logProb);
    assertEquals(best.words, Array(length).fill(2));
  }
});
Deno.test("the looping model: the beam repeats, and a wider one finds nothing at all", () => {
  for (const tokens of [[BOS], [BOS, 2], [BOS, 7]]) {
    const sum = loopingModel(tokens).reduce((sum, x) => sum + Math.exp(x), 0);
    close(sum, 1);
  }
  const best = (width: number, alpha: number) =>
    beamSearch(loopingModel, { ...at, width, maxLength: 9, alpha })[0]
      .tokens.slice(1).map((token) => WORDS[token]).join(" ");
  assertEquals(best(1, 0), "again ".repeat(9).trim());
  assertEquals(best(4, 0), "again EOS");
  assertEquals(best(16, 0), "EOS");
  assertEquals(best(4, 1), "again ".repeat(8) + "EOS");
});

const flat: Model = () => [-1, -1, -1];
const ERRORS: [name: string, Model, Partial<BeamOptions>, message: string][] = [
  ["width 0", flat, { width: 0 }, "width must be an integer above 0, got 0"],
  ["width -1", flat, { width: -1 }, "width must be an integer above 0, got -1"],
  [
    "width 1.5",
    flat,
    { width: 1.5 },
    "width must be an integer above 0, got 1.5",
  ],
  [
    "maxLength -1",
    flat,
    { maxLength: -1 },
    "maxLength must be a whole number, got -1",
  ],
  [
    "bos = eos",
    flat,
    { bos: 0 },
    "eos must be another token than bos 0, got 0",
  ],
  ["eos NaN", flat, { eos: NaN }, "eos must be a token, got NaN"],
  [
    "alpha < 0",
    flat,
    { alpha: -1 },
    "alpha must be finite and not below 0, got -1",
  ],
  [
    "alpha NaN",
    flat,
    { alpha: NaN },
    "alpha must be finite and not below 0, got NaN",
  ],
  ["eos beyond V", flat, { eos: 3 }, "eos is 3, but there are 3 scores"],
  [
    "NaN scores",
    () => [-1, NaN, -1],
    {},
    "Cannot extend [1]: a log-probability must be at most 0, got NaN",
  ],
  ["probabilities", () => [.2, .3, .5], {}, "must be at most 0, got 0.2"],
  [
    "another V",
    (tokens) => Array(2 + tokens.length).fill(-1),
    {},
    "Cannot extend [1,0]: the first call gave 3 scores, this one 4",
  ],
];
for (const [name, model, options, message] of ERRORS) {
  Deno.test(`beamSearch() is an error: ${name}`, () => {
    // The last model grows with the string; with eos 2 token 0 goes on.
    const eos = name === "another V" ? 2 : EOS;
    assertThrows(
      () =>
        beamSearch(model, {
          width: 2,
          maxLength: 3,
          bos: BOS,
          eos,
          ...options,
        }),
      RangeError,
      message,
    );
  });
}
