#!/usr/bin/env -S deno run
/**
 * Q. Draw the next token from logits, with temperature, top-k and top-p.
 *
 * A. In that order: divide by the temperature, because it moves the probability
 * that top-p measures; keep the k likeliest; then, of what is left, the smallest
 * set whose probability reaches p, with the token that crosses p inside it. Min-p
 * keeps what is at least min-p times as likely as the best. Each filter keeps the
 * likeliest token, so the sum is never 0. Temperature 0 is the argmax, a case of
 * its own. Then walk along the cumulative sum until it passes a uniform number.
 *
 * Shapes: V vocabulary size.
 * Time O(V log V), for the sort; space O(V).
 * Trap: top-p measured on logits, or at a temperature of 1: the nucleus is wrong.
 * Left out: repetition penalties; selecting the top k in O(V) without a sort.
 * Source: top-p: Holtzman et al. (2020), arXiv:1904.09751; min-p: Nguyen et al.
 * (2024), arXiv:2407.01082.
 * Run: `deno run sampling.ts`
 * @module
 */

/** How to reshape the distribution; without options it is softmax(logits). */
export interface SamplingOptions {
  /** Divides the logits; 0 is the argmax, Infinity is uniform. Default 1. */
  readonly temperature?: number;
  /** How many tokens to keep; 0 keeps all. Default 0. */
  readonly topK?: number;
  /** The probability the kept tokens must reach; 1 keeps all. Default 1. */
  readonly topP?: number;
  /** The least probability, as a part of the largest; 0 keeps all. Default 0. */
  readonly minP?: number;
}

/**
 * Draws one token.
 * @param logits (V,) unnormalised log-probabilities; left unchanged
 * @param random returns uniform numbers of [0, 1)
 * @returns a token whose probability is above 0
 * @throws {RangeError} as `probabilities` does, or if `random` leaves [0, 1)
 */
export function sample(
  logits: readonly number[],
  options: SamplingOptions,
  random: () => number,
): number {
  const probs = probabilities(logits, options);
  let left = random();
  if (!(left >= 0 && left < 1)) {
    throw new RangeError(
      `Cannot draw a token: random() must be in [0, 1), got ${left}`,
    );
  }
  let token = -1;
  for (let i = 0; i < probs.length; i++) {
    if (probs[i] === 0) continue;
    token = i;
    left -= probs[i];
    if (left < 0) break;
  }
  // The sum may round to less than 1: then the last possible token is drawn.
  return token;
}

/**
 * The distribution that `sample` draws from.
 * @param logits (V,); −Infinity marks a token as impossible; left unchanged
 * @returns (V,) probabilities, 0 where a filter removed the token
 * @throws {RangeError} if an option is out of range, or if `logits` is empty,
 * has NaN or Infinity, or leaves no token possible
 */
export function probabilities(
  logits: readonly number[],
  options: SamplingOptions = {},
): number[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  check("temperature", temperature, Infinity);
  check("topK", topK, Infinity);
  check("topP", topP, 1);
  check("minP", minP, 1);
  if (topK !== Math.floor(topK)) {
    throw new RangeError(`Cannot sample: topK must be an integer, got ${topK}`);
  }
  const best = greedy(logits);
  if (temperature === 0) return logits.map((_, i) => i === best ? 1 : 0);

  // Probabilities relative to the best: its own is 1, so none overflows.
  const weights = logits.map((x) => {
    if (x === -Infinity) return 0;
    if (temperature === Infinity) return 1;
    return Math.exp((x - logits[best]) / temperature);
  });
  // Ranked by logit: weights that round to the same number keep their order.
  let kept = Array.from(logits.keys())
    .filter((i) => weights[i] > 0)
    .sort((i, j) => logits[j] - logits[i] || i - j);
  if (topK > 0) kept = kept.slice(0, topK);
  if (topP < 1) kept = kept.slice(0, nucleusSize(kept, weights, topP));
  kept = kept.filter((i) => weights[i] >= minP);

  const total = kept.reduce((sum, i) => sum + weights[i], 0);
  const probs = logits.map(() => 0);
  for (const i of kept) probs[i] = weights[i] / total;
  return probs;
}

/**
 * The likeliest token; the lowest index among equals.
 * @param logits (V,)
 * @throws {RangeError} as `probabilities` does
 */
export function greedy(logits: readonly number[]): number {
  let best = -1;
  logits.forEach((x, i) => {
    if (Number.isNaN(x) || x === Infinity) {
      throw new RangeError(
        `Cannot sample: logits must be below Infinity, got ${x} at index ${i}`,
      );
    }
    if (x > (logits[best] ?? -Infinity)) best = i;
  });
  if (best < 0) {
    throw new RangeError(
      `Cannot sample: none of the ${logits.length} logits is above -Infinity`,
    );
  }
  return best;
}

/** How many of the ranked tokens it takes to reach `topP` of their sum. */
function nucleusSize(
  ranked: readonly number[],
  weights: readonly number[],
  topP: number,
): number {
  const enough = topP * ranked.reduce((sum, i) => sum + weights[i], 0);
  let sum = 0;
  for (let n = 0; n < ranked.length; n++) {
    sum += weights[ranked[n]];
    if (sum >= enough) return n + 1;
  }
  return ranked.length;
}

/**
 * Sums as a float32 kernel with `lanes` partial sums does. How many there are
 * depends on the shape of the batch, which is why a model at temperature 0 may
 * still answer the same question in two ways.
 * @param terms (N,) rounded to float32 first
 */
export function sumFloat32(terms: readonly number[], lanes: number): number {
  const partial = new Float32Array(lanes);
  terms.forEach((x, i) => partial[i % lanes] += Math.fround(x));
  return partial.reduce((sum, x) => Math.fround(sum + x), 0);
}

function check(name: string, value: number, max: number): void {
  if (!(value >= 0 && value <= max)) {
    throw new RangeError(
      `Cannot sample: ${name} must be in [0, ${max}], got ${value}`,
    );
  }
}

if (import.meta.main) {
  const logits = [0.4, 0.3, 0.2, 0.1].map(Math.log);
  const show = (name: string, options: SamplingOptions) => {
    const probs = probabilities(logits, options);
    console.log(name, probs.map((p) => p.toFixed(3)).join("  "));
  };
  show("softmax               ", {});
  show("top-p 0.6             ", { topP: 0.6 });
  show("top-p 0.6, T 3        ", { topP: 0.6, temperature: 3 });
  show("top-p 0.75            ", { topP: 0.75 });
  show("top-p 0.75, top-k 3   ", { topP: 0.75, topK: 3 });
  show("min-p 0.5             ", { minP: 0.5 });
  show("temperature 0         ", { temperature: 0 });

  const terms = [2 ** 24, 1, 1, -(2 ** 24)];
  console.log("\nlogits 2 and 0.5 at temperature 0, the first a float32 sum:");
  for (const lanes of [1, 2]) {
    const sum = sumFloat32(terms, lanes);
    console.log(`${lanes} lane(s): ${sum}, so token ${greedy([sum, 0.5])}`);
  }
}
