#!/usr/bin/env -S deno run
/**
 * Q. Implement beam search over a function that scores the next token.
 *
 * A. Keep the W best unfinished strings. Each step, extend each of them by every
 * token and add the log-probabilities; a product would underflow. An extension by
 * EOS that is among the W best is finished and never extended again; of the rest,
 * the W best live on. Finished strings are ranked by log-probability over
 * length^α, because each token can only lower the sum, and rank before unfinished
 * ones. It is a pruned breadth-first search, a heuristic, and not dynamic
 * programming: no two strings share a state. With W = 1 it is greedy.
 *
 * Shapes: V vocabulary size; W beam width; T tokens generated at most.
 * Time O(T·W·V log(W·V)), and at most 1 + W·(T − 1) calls of the model;
 * space O(W·V).
 * Trap: ranking unfinished strings with finished ones: they are a prefix ahead.
 * Left out: batching the W calls; sharing a key-value cache between beams.
 * Source: length normalisation and the stop: Wu et al. (2016), arXiv:1609.08144;
 * the empty string as the best one: Stahlberg, Byrne (2019), arXiv:1908.10090;
 * repetition: Holtzman et al. (2020), arXiv:1904.09751.
 * Run: `deno run beam_search.ts`
 * @module
 */

/** Gives the (V,) log-probabilities, in nats, of what follows `tokens`. */
export type Model = (tokens: readonly number[]) => readonly number[];

/** A string found by the search. */
export interface Hypothesis {
  /** BOS, then up to T tokens; EOS is the last one if it is finished. */
  readonly tokens: readonly number[];
  /** The sum of the log-probabilities after BOS, in nats. */
  readonly logProb: number;
  /** What it is ranked by: `logProb` over the length penalty. */
  readonly score: number;
  /** Whether it ends in EOS. */
  readonly finished: boolean;
}

/** The size of the search, its two special tokens, and the ranking. */
export interface BeamOptions {
  readonly width: number;
  /** T, the most tokens to generate; EOS counts, BOS does not. */
  readonly maxLength: number;
  readonly bos: number;
  readonly eos: number;
  /** 0, the default, ranks by log-probability; 1 by its mean per token. */
  readonly alpha?: number;
  /** "length" is length^α, the default; "gnmt" is ((5 + length) / 6)^α. */
  readonly penalty?: "length" | "gnmt";
}

/**
 * Finds up to W strings of high score, the best first: all finished ones, then
 * those that ran into `maxLength`. A string that no token can follow is dropped.
 * @throws {RangeError} if an option is out of range, or if the model returns
 * NaN, a number above 0, or a different V
 */
export function beamSearch(model: Model, options: BeamOptions): Hypothesis[] {
  const { width, maxLength, bos, eos } = options;
  check(options);
  const finished: Hypothesis[] = [];
  let live: Hypothesis[] = [
    { tokens: [bos], logProb: 0, score: 0, finished: false },
  ];
  let V: number | undefined;

  for (let t = 0; t < maxLength && live.length > 0; t++) {
    const next: { parent: Hypothesis; token: number; logProb: number }[] = [];
    for (const parent of live) {
      const logProbs = model(parent.tokens); // (V,)
      V ??= logProbs.length;
      checkScores(logProbs, parent.tokens, V, eos);
      logProbs.forEach((logProb, token) => {
        if (logProb === -Infinity) return;
        next.push({ parent, token, logProb: parent.logProb + logProb });
      });
    }
    // The sort is stable: equals stay in the order of parent, then token.
    next.sort((a, b) => b.logProb - a.logProb); // (W·V,)
    live = [];
    next.forEach(({ parent, token, logProb }, rank) => {
      const done = token === eos;
      if (done ? rank >= width : live.length === width) return;
      const tokens = [...parent.tokens, token];
      const score = logProb / lengthPenalty(t + 1, options);
      (done ? finished : live).push({ tokens, logProb, score, finished: done });
    });
    finished.sort((a, b) => b.score - a.score);
    finished.length = Math.min(finished.length, width);
    // A sum can only fall, and the longest string divides it by the most.
    const bound = (live[0]?.logProb ?? 0) / lengthPenalty(maxLength, options);
    if (finished.length === width && finished[width - 1].score >= bound) break;
  }
  return [...finished, ...live].slice(0, width);
}

/** What the log-probability of `length` tokens is divided by. */
export function lengthPenalty(
  length: number,
  { alpha = 0, penalty = "length" }: Pick<BeamOptions, "alpha" | "penalty">,
): number {
  return (penalty === "gnmt" ? (5 + length) / 6 : length) ** alpha;
}

function check(options: BeamOptions): void {
  const { width, maxLength, bos, eos, alpha = 0 } = options;
  const fail = (name: string, rule: string, value: number) => {
    throw new RangeError(
      `Cannot search: ${name} must be ${rule}, got ${value}`,
    );
  };
  const whole = (value: number, min: number) =>
    Number.isSafeInteger(value) && value >= min;
  if (!whole(width, 1)) fail("width", "an integer above 0", width);
  if (!whole(maxLength, 0)) fail("maxLength", "a whole number", maxLength);
  if (!whole(bos, 0)) fail("bos", "a token", bos);
  if (!whole(eos, 0)) fail("eos", "a token", eos);
  if (bos === eos) fail("eos", `another token than bos ${bos}`, eos);
  if (!(alpha >= 0 && alpha < Infinity)) {
    fail("alpha", "finite and not below 0", alpha);
  }
}

function checkScores(
  logProbs: readonly number[],
  tokens: readonly number[],
  V: number,
  eos: number,
): void {
  const where = `Cannot extend [${tokens}]: `;
  if (logProbs.length !== V) {
    throw new RangeError(
      `${where}the first call gave ${V} scores, this one ${logProbs.length}`,
    );
  }
  if (eos >= V) {
    throw new RangeError(`${where}eos is ${eos}, but there are ${V} scores`);
  }
  // A rounded log-softmax may exceed 0 by an ulp; probabilities exceed it by far.
  const wrong = logProbs.find((x) => !(x <= 1e-6));
  if (wrong !== undefined) {
    throw new RangeError(
      `${where}a log-probability must be at most 0, got ${wrong}`,
    );
  }
}

/** The vocabulary of `loopingModel`: EOS, BOS, the word that loops, the others. */
export const WORDS = "EOS BOS again we sat down and spoke of home now".split(
  " ",
);

/**
 * Likes no word much, but after "again" it likes that word most. So the most
 * probable string of any length says it again and again; a sampled one does not.
 */
export function loopingModel(tokens: readonly number[]): number[] {
  const looping = tokens.at(-1) === 2;
  const special = looping ? [0.1, 0, 0.5] : [0.02, 0, 0.18];
  const other = (1 - special[0] - special[2]) / (WORDS.length - 3);
  return WORDS.map((_, token) => Math.log(special[token] ?? other));
}

if (import.meta.main) {
  const show = (name: string, tokens: readonly number[], logProb: number) => {
    const words = tokens.slice(1).map((token) => WORDS[token]).join(" ");
    console.log(name, logProb.toFixed(1).padStart(5), "", words);
  };
  for (const [width, alpha] of [[1, 0], [4, 0], [16, 0], [4, 1]]) {
    const options = { width, alpha, maxLength: 9, bos: 1, eos: 0 };
    const [best] = beamSearch(loopingModel, options);
    show(`W ${width}, α ${alpha}:`.padEnd(10), best.tokens, best.logProb);
  }
  const tokens = [1];
  let logProb = 0;
  for (let seed = 20260; tokens.length < 10 && tokens.at(-1) !== 0;) {
    seed = seed * 16807 % 2147483647;
    let left = seed / 2147483647;
    const logProbs = loopingModel(tokens);
    tokens.push(logProbs.findIndex((x) => (left -= Math.exp(x)) < 0));
    logProb += logProbs[tokens[tokens.length - 1]];
  }
  show("sampled:  ", tokens, logProb);
  console.log("\n0.1 multiplied 400 times:", 0.1 ** 400);
  console.log("log 0.1 added 400 times :", (400 * Math.log(0.1)).toFixed(1));
}
