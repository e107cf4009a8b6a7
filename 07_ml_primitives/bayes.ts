#!/usr/bin/env -S deno run
/**
 * Q. State Bayes' theorem, and update a belief with evidence.
 *
 * A. P(H|E) = P(E|H) · P(H) / P(E), and P(E) is the sum of the numerator over all
 * hypotheses. In odds it needs no P(E): posterior odds are prior odds times the
 * likelihood ratio. A test that is right 99 times in 100 and positive for a disease of
 * 1 in 1,000 leaves 9 %, because the 1 % of the healthy outnumber the sick. Evidence
 * that is independent given H is used one piece after the other, in any order; in
 * logarithms it adds up, and no product of a thousand small numbers becomes 0.
 *
 * Shapes: K hypotheses; N pieces of evidence.
 * Time O(N·K); space O(K).
 * Trap: taking P(E|H) for P(H|E): the base rate is forgotten.
 * Left out: priors over continuous parameters, dependent evidence.
 * Source: Bayes (1763), doi:10.1098/rstl.1763.0053; the base rate: Casscells et al.
 * (1978), doi:10.1056/NEJM197811022991808.
 * Run: `deno run bayes.ts`
 * @module
 */

/**
 * What to believe after evidence.
 * @param prior (K,) probabilities of hypotheses that exclude each other
 * @param likelihoods (N, K) rows, one for each piece of evidence: its probability
 * under each hypothesis, given which the pieces are independent. A row need not sum
 * to 1
 * @returns (K,) probabilities
 * @throws {RangeError} if sizes differ, an entry is no probability, the prior does not
 * sum to 1, or no hypothesis with a prior above 0 allows all evidence
 */
export function posterior(
  prior: readonly number[],
  likelihoods: readonly (readonly number[])[],
): number[] {
  prior.forEach((p, k) => checkProbability(`prior ${k}`, p));
  const total = sum(prior);
  if (!(Math.abs(total - 1) <= 1e-9)) {
    throw new RangeError(`Cannot update: the prior sums to ${total}, not to 1`);
  }
  const logs = prior.map(Math.log); // (K,)
  for (const [n, row] of likelihoods.entries()) {
    if (row.length !== prior.length) {
      throw new RangeError(
        `Cannot update ${prior.length} beliefs by the ${row.length} likelihoods of ${n}`,
      );
    }
    row.forEach((p, k) => {
      checkProbability(`likelihood ${k} of evidence ${n}`, p);
      logs[k] += Math.log(p);
    });
  }
  const max = logs.reduce((a, b) => Math.max(a, b));
  if (max === -Infinity) {
    throw new RangeError("Cannot update: no hypothesis allows the evidence");
  }
  // All products may underflow; over the largest, one of them is exactly 1.
  const joint = logs.map((log) => Math.exp(log - max));
  const evidence = sum(joint);
  return joint.map((j) => j / evidence);
}

/** A test for something that is there or is not. */
export interface Test {
  /** P(positive | there). */
  sensitivity: number;
  /** P(negative | not there). */
  specificity: number;
}

/**
 * How much the odds grow by a result: P(result | there) / P(result | not there).
 * @returns from 0 to Infinity
 * @throws {RangeError} if the test never has this result, or an entry is no probability
 */
export function likelihoodRatio(test: Test, positive: boolean): number {
  const { sensitivity, specificity } = test;
  checkProbability("sensitivity", sensitivity);
  checkProbability("specificity", specificity);
  const [there, not] = positive
    ? [sensitivity, 1 - specificity]
    : [1 - sensitivity, specificity];
  if (there === 0 && not === 0) {
    const result = positive ? "positive" : "negative";
    throw new RangeError(`Cannot update: such a test is never ${result}`);
  }
  return there / not;
}

/**
 * ln(p / (1 − p)), in which evidence adds up: logOdds(prior) + Σ ln(likelihood ratio).
 * @param p from 0 to 1, which give −Infinity and Infinity
 */
export function logOdds(p: number): number {
  checkProbability("p", p);
  return Math.log(p) - Math.log1p(-p);
}

/** The probability of such log-odds; exact to its last digits near 0, too. */
export function probability(logOdds: number): number {
  const small = Math.exp(-Math.abs(logOdds));
  return (logOdds < 0 ? small : 1) / (1 + small);
}

const sum = (x: readonly number[]) => x.reduce((total, xi) => total + xi, 0);

function checkProbability(name: string, p: number): void {
  if (p >= 0 && p <= 1) return;
  throw new RangeError(
    `Cannot update: ${name} is ${p}, and a probability is from 0 to 1`,
  );
}

if (import.meta.main) {
  const test = { sensitivity: 0.99, specificity: 0.99 };
  const percent = (p: number) => `${(100 * p).toPrecision(3)} %`;
  const prior = 0.001;
  console.log("1 in 1,000 is ill; the test is right 99 times in 100");
  console.log("P(positive | ill)           ", percent(test.sensitivity));
  const [ill] = posterior([prior, 1 - prior], [[0.99, 0.01]]);
  console.log("P(ill | positive)           ", percent(ill));
  let odds = logOdds(prior);
  for (const n of [1, 2, 3]) {
    odds += Math.log(likelihoodRatio(test, true));
    console.log(`after ${n} independent positives`, percent(probability(odds)));
  }
  const coin = Array.from({ length: 2000 }, (_, n) => n % 5 < 3); // 60 % heads
  const [fair, bent] = [0.5, 0.6].map((heads) =>
    coin.reduce((p, head) => p * (head ? heads : 1 - heads), 0.5)
  );
  const rows = coin.map((head) => head ? [0.5, 0.6] : [0.5, 0.4]);
  console.log("\n2,000 tosses, 60 % heads: is the coin bent to 60 %?");
  console.log("product of likelihoods:", bent / (bent + fair));
  console.log("sum of logarithms:     ", posterior([0.5, 0.5], rows)[1]);
}
