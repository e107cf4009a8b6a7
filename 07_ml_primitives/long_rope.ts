#!/usr/bin/env -S deno run
/**
 * Q. How do models with LongRoPE, such as Phi-3 of 128k, turn queries and keys?
 *
 * A. Each pair of a head has its own factor, found by a search, that divides its
 * frequency. There are two lists of factors: one for texts up to the length L of the
 * first training, one for longer texts. The length of the text chooses the list, and
 * then all its positions are turned by that one. Queries and keys are also multiplied
 * by √(1 + ln s / ln L) each, s the longest text over L, with both lists. The paper
 * also leaves the first n̂ positions unscaled; the released models do not.
 *
 * Shapes: D wide a head, D/2 pairs; L positions in training; T tokens of a text.
 * Time O(D) a position; space O(D) a list.
 * Trap: changing the list in the middle of a text. The keys in the cache were turned
 * by the short one; at token L + 1 the whole text must be read again.
 * Left out: how the factors are found: long_rope_search.ts; by formula: yarn.ts.
 * Source: Ding et al. (2024), arXiv:2402.13753; Phi-3: arXiv:2404.14219.
 * Run: `deno run long_rope.ts`
 * @module
 */

/** What a released model carries. */
export interface LongRope {
  /** L, the positions of the first training. */
  readonly trained: number;
  /** The longest text, L or more. */
  readonly longest: number;
  /** (D/2,) factors for texts of at most L tokens. */
  readonly short: readonly number[];
  /** (D/2,) factors for longer texts. */
  readonly long: readonly number[];
}

/**
 * The list for a text of T tokens, for every position of it.
 * @throws {RangeError} if T is no count or above the longest text
 */
export function factorsFor(rope: LongRope, T: number): readonly number[] {
  if (!(Number.isInteger(T) && T >= 0 && T <= rope.longest)) {
    throw new RangeError(
      `Cannot turn ${T} tokens: the longest text has ${rope.longest}`,
    );
  }
  return T > rope.trained ? rope.long : rope.short;
}

/**
 * Whether a cache of `cached` tokens is void once the text has T: another list turned
 * it. Turning its keys once more would not do: every layer above the first has read
 * what attention made of the old turns.
 */
export function mustReread(rope: LongRope, cached: number, T: number): boolean {
  return cached > 0 && factorsFor(rope, cached) !== factorsFor(rope, T);
}

/**
 * What queries and keys are each multiplied by: √(1 + ln s / ln L), and 1 if s is 1.
 * The model's lengths decide, not the text's: it is one number for both lists.
 * @throws {RangeError} if L is below 2 or above the longest text
 */
export function longRopeScale(rope: LongRope): number {
  const { trained, longest } = rope;
  if (!(trained >= 2 && longest >= trained && longest < Infinity)) {
    throw new RangeError(`Cannot stretch ${trained} positions to ${longest}`);
  }
  return Math.sqrt(1 + Math.log(longest / trained) / Math.log(trained));
}

/**
 * The angle of each pair at position n: n·θ_i / factor_i, or n·θ_i if n < `unscaled`.
 * @param factors (D/2,), each above 0 and none below the one before it; trained lists
 * begin near 1, some a little below
 * @param unscaled n̂ of the paper; 0 in released models
 * @returns (D/2,) radians
 * @throws {RangeError} if the factors or the position are not as they must be
 */
export function longRopeAngles(
  n: number,
  factors: readonly number[],
  { base = 10000, unscaled = 0 } = {},
): number[] {
  if (!(Number.isInteger(n) && n >= 0)) {
    throw new RangeError(`Cannot turn position ${n}: needs a whole number ≥ 0`);
  }
  if (!(base > 1 && base < Infinity)) {
    throw new RangeError(`Cannot turn by base ${base}: needs more than 1`);
  }
  return factors.map((factor, i) => {
    const least = i === 0 ? Number.MIN_VALUE : factors[i - 1];
    if (!(factor >= least && factor < Infinity)) {
      const needed = i === 0 ? "more than 0" : `${least} or more`;
      throw new RangeError(
        `Cannot divide pair ${i} by ${factor}: needs ${needed}`,
      );
    }
    const theta = base ** (-i / factors.length);
    return n < unscaled ? n * theta : n * theta / factor;
  });
}

/**
 * Turns a query or a key: number i is paired with number i + D/2.
 * @param x (D,); left unchanged
 * @param angles (D/2,) radians
 * @param scale as longRopeScale() gives it
 * @returns (D,)
 * @throws {RangeError} if there is not one angle for two numbers
 */
export function turn(
  x: readonly number[],
  angles: readonly number[],
  scale = 1,
): number[] {
  const P = angles.length;
  if (x.length !== 2 * P) {
    throw new RangeError(`Cannot turn ${x.length} numbers by ${P} angles`);
  }
  const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
  return x.map((xi, i) =>
    scale *
    (i < P
      ? xi * cos[i] - x[i + P] * sin[i]
      : xi * cos[i - P] + x[i - P] * sin[i - P])
  );
}

if (import.meta.main) {
  const P = 32;
  const rope: LongRope = {
    trained: 4096,
    longest: 131072,
    short: Array(P).fill(1),
    // Made up, for show: 1 to 32 in equal ratios. A search finds better ones.
    long: Array.from({ length: P }, (_, i) => 32 ** (i / (P - 1))),
  };
  const scale = longRopeScale(rope);
  console.log(
    "trained on 4096, up to 131072: scores grow by",
    (scale ** 2).toFixed(4),
  );
  const x = Array.from({ length: 2 * P }, () => 1 / Math.sqrt(2 * P));
  const score = (keys: readonly number[], queries: readonly number[]) =>
    [1, 8, 64, 512].map((distance) => {
      const key = turn(x, longRopeAngles(4096 - distance, keys), scale);
      return turn(x, longRopeAngles(4096, queries), scale)
        .reduce((sum, q, d) => sum + q * key[d], 0).toFixed(3).padStart(7);
    }).join("");
  console.log(
    "score of token 4097 with one 1, 8, 64, 512 before, same vectors",
  );
  console.log(
    "  keys and query by the short list:",
    score(rope.short, rope.short),
  );
  console.log(
    "  keys and query by the long list :",
    score(rope.long, rope.long),
  );
  console.log(
    "  keys short (cached), query long :",
    score(rope.short, rope.long),
  );
  console.log(
    "read again at 4097:",
    mustReread(rope, 4096, 4097),
    "and at 4098:",
    mustReread(rope, 4097, 4098),
  );
}
