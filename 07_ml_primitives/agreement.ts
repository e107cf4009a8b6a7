#!/usr/bin/env -S deno run
/**
 * Q. Several annotators labelled the same examples. How do you measure whether they
 * agree?
 *
 * A. Not by the percentage: if 97 % of examples are negative, two annotators who never
 * mark the same positive agree on almost everything. Every coefficient is
 * 1 − observed disagreement / disagreement expected by chance, and they differ in what
 * chance is. Cohen's kappa: two annotators, each with their own shares of the classes.
 * Fleiss' kappa: n votes an example, one pool of shares. Krippendorff's alpha: the pool
 * without replacement, any number of votes, missing ones ignored, any distance between
 * labels. 1 is perfect, 0 is chance, below 0 is systematic. Take kappa for each pair,
 * too, where one bad annotator shows, and for one annotator's first and second pass.
 *
 * Shapes: N examples, A annotators, K different labels; a vote that is missing is null.
 * Time O(N·A²) for observed and O(K²) for expected disagreement; space O(N·A + K).
 * Trap: 95 % agreement on unbalanced classes is a kappa near 0.
 * Left out: standard errors, ordinal and ratio distances.
 * Source: Cohen (1960), doi:10.1177/001316446002000104; Fleiss (1971),
 * doi:10.1037/h0031619; Hayes, Krippendorff (2007), doi:10.1080/19312450709336664.
 * Run: `deno run agreement.ts`
 * @module
 */

/** The label that an annotator gave, or null where there is none. */
export type Vote = number | null;

/** (N, A): a row for each example, a column for each annotator. */
export type Votes = readonly (readonly Vote[])[];

/** How far two labels are apart: 0 if equal, else above 0. */
export type Distance = (a: number, b: number) => number;

/** Labels that are names: any two are as different as any other two. */
export const nominal: Distance = (a, b) => a === b ? 0 : 1;
/** Labels in an order: the linear weights of kappa. */
export const linear: Distance = (a, b) => Math.abs(a - b);
/** Labels that are measured: alpha's interval metric, the quadratic weights of kappa. */
export const interval: Distance = (a, b) => (a - b) ** 2;

/**
 * Cohen's kappa of two annotators: chance keeps the shares of each.
 * @param a (N,) votes
 * @param b (N,) votes on the same examples; those with one vote only are ignored
 * @returns up to 1; NaN if both always gave one and the same label, where agreement by
 * chance is certain too: 0 / 0
 * @throws {RangeError} if sizes differ, or no example has two votes
 */
export function cohenKappa(
  a: readonly Vote[],
  b: readonly Vote[],
  distance: Distance = nominal,
): number {
  if (a.length !== b.length) {
    throw new RangeError(
      `Cannot compare ${a.length} votes with ${b.length} votes`,
    );
  }
  const both = pairable(a.map((x, n) => [x, b[n]]));
  const observed = mean(both.map(([x, y]) => distance(x, y)));
  const [ofA, ofB] = [0, 1].map((i) => counts(both.map((pair) => pair[i])));
  const expected = between(ofA, ofB, distance) / both.length ** 2;
  return beyondChance(observed, expected);
}

/**
 * Fleiss' kappa: every example has as many votes, by whomever.
 * @param votes (N, A) with the same number of votes, 2 or more, in each row
 * @returns up to 1; NaN if there is one label only
 * @throws {RangeError} if rows have different numbers of votes
 */
export function fleissKappa(votes: Votes): number {
  const rows = votes.map(given);
  const sizes = [...new Set(rows.map((row) => row.length))];
  if (sizes.length !== 1 || sizes[0] < 2) {
    throw new RangeError(
      `Cannot take Fleiss' kappa of rows with ${sizes.join(" and ") || "no"} ` +
        "votes: needs one number, 2 or more",
    );
  }
  const observed = mean(rows.map((row) => disagreement(row, nominal)));
  const pool = counts(rows.flat());
  const expected = between(pool, pool, nominal) / rows.flat().length ** 2;
  return beyondChance(observed, expected);
}

/**
 * Krippendorff's alpha: chance draws two labels from all that were given.
 * @param votes (N, A); rows with fewer than two votes are ignored
 * @returns up to 1; NaN if there is one label only
 * @throws {RangeError} if no row has two votes
 */
export function krippendorffAlpha(
  votes: Votes,
  distance: Distance = nominal,
): number {
  const rows = pairable(votes);
  const pool = counts(rows.flat());
  const total = rows.flat().length;
  // A row of m votes counts m times: once for each vote, as in the pool.
  const observed = rows.reduce(
    (sum, row) => sum + row.length * disagreement(row, distance),
    0,
  ) / total;
  // Without replacement: no label is paired with itself.
  const expected = between(pool, pool, distance) / (total * (total - 1));
  return beyondChance(observed, expected);
}

/**
 * The share of pairs of votes on one example that are equal, the mean of all examples
 * with two votes. Says little alone.
 * @param votes (N, A)
 * @throws {RangeError} if no row has two votes
 */
export function percentAgreement(votes: Votes): number {
  return 1 - mean(pairable(votes).map((row) => disagreement(row, nominal)));
}

/** The mean distance of two different votes of a row of two or more. */
function disagreement(row: readonly number[], distance: Distance): number {
  let sum = 0;
  row.forEach((x, i) => {
    for (let j = 0; j < i; j++) sum += distance(x, row[j]);
  });
  return sum / (row.length * (row.length - 1) / 2);
}

/** The distances of all pairs of a label of `a` and one of `b`, summed. */
function between(a: Counts, b: Counts, distance: Distance): number {
  let sum = 0;
  for (const [x, nx] of a) {
    for (const [y, ny] of b) sum += nx * ny * distance(x, y);
  }
  return sum;
}

function pairable(votes: Votes): number[][] {
  const rows = votes.map(given).filter((row) => row.length > 1);
  if (rows.length > 0) return rows;
  throw new RangeError(
    `Cannot compare votes: none of ${votes.length} examples has two`,
  );
}

const beyondChance = (observed: number, expected: number) =>
  expected === 0 ? NaN : 1 - observed / expected;

const given = (row: readonly Vote[]) => row.filter((vote) => vote !== null);

const mean = (x: readonly number[]) =>
  x.reduce((sum, xi) => sum + xi, 0) / x.length;

/** How often each label was given. */
type Counts = Map<number, number>;

function counts(labels: readonly number[]): Counts {
  const count: Counts = new Map();
  for (const label of labels) count.set(label, (count.get(label) ?? 0) + 1);
  return count;
}

if (import.meta.main) {
  // A row for each example: how often do both say 0, and so on.
  const table = (...times: number[]) =>
    times.flatMap((n, i) => Array.from({ length: n }, () => [i >> 1, i & 1]));
  const column = (rows: Vote[][], a: number) => rows.map((row) => row[a]);
  const pair = (rows: Vote[][], a: number, b: number) =>
    cohenKappa(column(rows, a), column(rows, b));
  const half = table(475, 25, 25, 475);
  const few = table(950, 25, 25, 0);
  for (const [name, rows] of [["50", half], ["2.5", few]] as const) {
    console.log(
      `each marks ${name} % of 1,000 examples:`,
      `${(100 * percentAgreement(rows)).toFixed(1)} % agree,`,
      `kappa ${pair(rows, 0, 1).toFixed(3)}`,
    );
  }

  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  // Three are right 85 times in 100, the last one 15 times; a fifth of votes missing.
  const votes = Array.from({ length: 400 }, () => {
    const truth = random() < 0.3 ? 1 : 0;
    return [0.85, 0.85, 0.85, 0.15].map((right) =>
      random() < 0.2 ? null : random() < right ? truth : 1 - truth
    );
  });
  const good = votes.map((row) => row.slice(0, 3));
  console.log("\nfour annotators, the last one adversarial");
  console.log(
    `alpha of all ${krippendorffAlpha(votes).toFixed(3)},`,
    `of the first three ${krippendorffAlpha(good).toFixed(3)}`,
  );
  console.log("kappa of each pair:");
  for (const a of [0, 1, 2, 3]) {
    const row = [0, 1, 2, 3].map((b) => pair(votes, a, b).toFixed(2));
    console.log(" ", a, row.map((kappa) => kappa.padStart(6)).join(" "));
  }
}
