#!/usr/bin/env -S deno run
/**
 * Q. Verify K drafted tokens so that the output is distributed as the target's own.
 *
 * A. The draft model drew token x from q; the target gives it p. Accept x with
 * probability min(1, p/q). At the first rejection draw from max(0, p − q),
 * normalised: just what the accepted draws left short; and drop the later drafts.
 * If all K pass, the target's last row gives one token more. Each pass so yields 1
 * to K + 1 tokens, each distributed as p. One pass scores all K because of the
 * causal mask: row t sees only the tokens up to t, right or wrong after it.
 *
 * Shapes: V vocabulary size; K drafted tokens; T tokens of the prefix.
 * Time O(K·V) beside the models; space O(V).
 * Trap: drawing from p after a rejection: what the draft likes comes twice.
 * Left out: trees of drafts, batches, adapting K.
 * Source: Leviathan et al. (2023), arXiv:2211.17192; Chen et al. (2023),
 * arXiv:2302.01318.
 * Run: `deno run speculative_decoding.ts`
 * @module
 */

/** What one pass of the target yields. */
export interface Verified {
  /** 1 to K + 1 tokens: the accepted drafts, then, unless EOS ended them, one more. */
  readonly tokens: readonly number[];
  /** How many drafts were accepted: cut the KV cache to the prefix and these. */
  readonly accepted: number;
  /** Where the last token is from. */
  readonly end: "residual" | "bonus" | "eos";
}

/**
 * Accepts a part of the drafted tokens.
 * @param drafted (K,) tokens, each drawn from its row of `draft`
 * @param draft (K, V) probabilities; filtered (top-p …) as those of the target are
 * @param target (K + 1, V) probabilities; at temperature 0 one-hot rows
 * @param random returns uniform numbers of [0, 1)
 * @param eos the token after which nothing follows, if there is one
 * @throws {RangeError} if the shapes differ, a row is no distribution, or a drafted
 * token has probability 0 in its row of `draft`
 */
export function verify(
  drafted: readonly number[],
  draft: readonly (readonly number[])[],
  target: readonly (readonly number[])[],
  random: () => number,
  eos?: number,
): Verified {
  check(drafted, draft, target);
  const K = drafted.length;
  for (let i = 0; i < K; i++) {
    const x = drafted[i];
    // Strict: p = 0 is never accepted, even by a random number of 0.
    if (!(random() * draft[i][x] < target[i][x])) {
      const token = draw(residual(target[i], draft[i]), random);
      return {
        tokens: [...drafted.slice(0, i), token],
        accepted: i,
        end: "residual",
      };
    }
    if (x === eos) {
      return { tokens: drafted.slice(0, i + 1), accepted: i + 1, end: "eos" };
    }
  }
  return {
    tokens: [...drafted, draw(target[K], random)],
    accepted: K,
    end: "bonus",
  };
}

/**
 * What acceptance leaves of the target: max(0, p − q) over its sum.
 * @param p (V,) of the target; `q`, (V,), of the draft
 * @returns (V,) probabilities; p itself if p − q rounds to 0 everywhere
 */
export function residual(p: readonly number[], q: readonly number[]): number[] {
  const rest = p.map((pi, i) => Math.max(0, pi - q[i]));
  const mass = rest.reduce((sum, r) => sum + r, 0);
  return mass > 0 ? rest.map((r) => r / mass) : [...p];
}

/** The probability that a draw from q is accepted, Σ min(p, q), or 1 − TV(p, q). */
export function acceptanceRate(
  p: readonly number[],
  q: readonly number[],
): number {
  return p.reduce((sum, pi, i) => sum + Math.min(pi, q[i]), 0);
}

/** Tokens a pass yields: Σ αⁱ over i = 0 … K, α the acceptance rate; not 1 + αK. */
export function expectedTokens(alpha: number, K: number): number {
  let tokens = 1;
  for (let i = 0; i < K; i++) tokens = 1 + alpha * tokens;
  return tokens;
}

/** Speed against plain decoding, if a draft pass costs `c` of a target pass. */
export function speedUp(alpha: number, K: number, c: number): number {
  return expectedTokens(alpha, K) / (K * c + 1);
}

/** The acceptance rate from which K drafts pay; Infinity if none does. */
export function breakEven(K: number, c: number): number {
  if (!(K >= 1 && c < 1)) return Infinity;
  let [low, high] = [0, 1];
  for (let n = 0; n < 60; n++) {
    const middle = (low + high) / 2;
    if (speedUp(middle, K, c) > 1) high = middle;
    else low = middle;
  }
  return high;
}

/** A causal model: (T,) tokens to (T, V) rows, row t of what follows token t. */
export type Model = (tokens: readonly number[]) => number[][];

/** Continues a non-empty prefix by K draft passes and one pass of the target. */
export function speculate(
  draft: Model,
  target: Model,
  prefix: readonly number[],
  K: number,
  random: () => number,
  eos?: number,
): Verified {
  if (prefix.length === 0) throw new RangeError("Cannot continue no token");
  const tokens = [...prefix];
  const rows: number[][] = [];
  for (let i = 0; i < K; i++) {
    const row = draft(tokens)[tokens.length - 1]; // (V,)
    tokens.push(draw(row, random));
    rows.push(row);
  }
  const scores = target(tokens).slice(prefix.length - 1); // (K + 1, V)
  return verify(tokens.slice(prefix.length), rows, scores, random, eos);
}

/** Draws from (V,) probabilities; never a token of probability 0. */
export function draw(probs: readonly number[], random: () => number): number {
  let left = random();
  let token = -1;
  for (let i = 0; i < probs.length && left >= 0; i++) {
    if (probs[i] === 0) continue;
    token = i;
    left -= probs[i];
  }
  // The sum may round to less than 1: then the last possible token is drawn.
  return token;
}

function check(
  drafted: readonly number[],
  draft: readonly (readonly number[])[],
  target: readonly (readonly number[])[],
): void {
  const K = drafted.length;
  const fail = (why: string) => {
    throw new RangeError(`Cannot verify ${K} drafted tokens: ${why}`);
  };
  if (draft.length !== K) fail(`draft has ${draft.length} rows`);
  if (target.length !== K + 1) {
    fail(`target has ${target.length} rows, not ${K + 1}`);
  }
  const V = target[0].length;
  for (const row of [...draft, ...target]) {
    if (row.length !== V) fail(`rows of ${V} and ${row.length} tokens differ`);
    const wrong = row.find((x) => !(x >= 0));
    if (wrong !== undefined) fail(`a probability is ${wrong}`);
    const sum = row.reduce((total, x) => total + x, 0);
    // Float32 rows of a large vocabulary still sum to 1 within this.
    if (!(Math.abs(sum - 1) < 1e-4)) fail(`a row sums to ${sum}, not 1`);
  }
  drafted.forEach((x, i) => {
    if (!(draft[i][x] > 0)) {
      fail(`draft gives token ${x} probability ${draft[i][x]} in row ${i}`);
    }
  });
}

if (import.meta.main) {
  const [p, q] = [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]];
  const alpha = acceptanceRate(p, q);
  const show = (name: string, probs: readonly number[]) =>
    console.log(name, probs.map((x) => x.toFixed(3)).join(" "));
  const refill = (r: readonly number[]) =>
    p.map((pi, i) => Math.min(pi, q[i]) + (1 - alpha) * r[i]);
  show("target                    ", p);
  show("draft                     ", q);
  show("rejected: residual        ", refill(residual(p, q)));
  show("rejected: the target again", refill(p));
  console.log("\nα 0.8   tokens a pass   1 + αK   speed-up at c = 0.1");
  for (const K of [1, 4, 8]) {
    const tokens = expectedTokens(0.8, K);
    const [a, b, c] = [tokens, 1 + 0.8 * K, speedUp(0.8, K, 0.1)]
      .map((x) => x.toFixed(2));
    console.log(`K ${K}     ${a}            ${b}     ${c}`);
  }
}
