/**
 * BM25 over 100,000 short documents: an inverted index against a scan of every
 * document, and against minisearch and wink-bm25-text-search.
 *
 * Run: `deno bench --allow-env --allow-read bm25_bench.ts`
 * @module
 */
import MiniSearch from "minisearch";
import wink from "wink-bm25-text-search";
import { buildIndex, type Hit, IDF, search } from "./bm25.ts";

const [N, VOCABULARY, K, K1, B] = [100_000, 20_000, 10, 1.5, 0.75];
let state = 1;
const random = () => (state = state * 48271 % 2147483647) / 2147483647;
// Zipf's law: the word of rank r weighs 1/r.
const word = () => `w${Math.floor(VOCABULARY ** random())}`;
const docs = Array.from(
  { length: N },
  () => Array.from({ length: 8 + Math.floor(random() * 17) }, word),
);
// Words of the ranks 20 to 2000: neither in every document nor in none.
const queries = Array.from(
  { length: 50 },
  () =>
    Array.from({ length: 3 }, () => `w${Math.floor(20 * 100 ** random())}`)
      .filter((term, i, all) => all.indexOf(term) === i),
);
const index = buildIndex(docs);

/** The first form one writes: term counts of each document, all read for each query. */
const counts = docs.map((doc) => {
  const tf = new Map<string, number>();
  for (const term of doc) tf.set(term, (tf.get(term) ?? 0) + 1);
  return tf;
});
const df = new Map<string, number>();
for (const tf of counts) {
  for (const term of tf.keys()) df.set(term, (df.get(term) ?? 0) + 1);
}
function scan(query: string[]): Hit[] {
  const hits: Hit[] = [];
  counts.forEach((tf, id) => {
    let score = 0;
    for (const term of query) {
      const n = tf.get(term) ?? 0;
      const norm = 1 - B + B * docs[id].length / index.average;
      score += n === 0
        ? 0
        : IDF.lucene(N, df.get(term)!) * n * (K1 + 1) / (n + K1 * norm);
    }
    if (score > 0) hits.push({ id, score });
  });
  return hits.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, K);
}

const mini = new MiniSearch<{ id: number; text: string }>({
  fields: ["text"],
  tokenize: (text) => text.split(" "),
  // BM25+ with δ = 0 is BM25, and minisearch's idf is Lucene's.
  searchOptions: { bm25: { k: K1, b: B, d: 0 } },
});
mini.addAll(docs.map((doc, id) => ({ id, text: doc.join(" ") })));
const peer = wink();
// k = 1 changes its idf to log(1 + (N − df + ½)/(df + ½)), Lucene's.
peer.defineConfig({
  fldWeights: { text: 1 },
  bm25Params: { k1: K1, b: B, k: 1 },
});
peer.definePrepTasks([(text: string) => text.split(" ")]);
docs.forEach((doc, id) => peer.addDoc({ text: doc.join(" ") }, String(id)));
peer.consolidate(9);

// Equal up to the order of equal scores, and to the rounding of a peer's scores.
// minisearch has another formula: it measures a length in distinct words, and multiplies
// a sum by the number of words that matched. Its order may differ.
const forms: [string, (query: string[]) => number[]][] = [
  ["scan", (query) => scan(query).map((hit) => hit.id)],
  [
    "wink",
    (query) => peer.search(query.join(" "), K).map((hit: string[]) => +hit[0]),
  ],
  ["minisearch", (query) => mini.search(query.join(" ")).map((hit) => hit.id)],
];
for (const [name, find] of forms) {
  const same = queries.filter((query) => {
    const scores = new Map(
      search(index, query, N).map(({ id, score }) => [id, score]),
    );
    const best = [...scores.values()].slice(0, K);
    return find(query).slice(0, K).every((id, i) =>
      Math.abs((scores.get(id) ?? 0) - best[i]) <= 1e-6 * best[i]
    );
  }).length;
  console.log(
    `${name}: the same top ${K} in ${same} of ${queries.length} queries`,
  );
  if (same < queries.length && name !== "minisearch") {
    throw new Error(`${name} differs: nothing to time`);
  }
}

let [at, kept] = [0, 0];
const next = () => queries[at++ % queries.length];
const group = `top ${K} of ${N} documents, 3 words`;
Deno.bench(
  "inverted index",
  { group, baseline: true, n: 300, warmup: 50 },
  () => {
    kept += search(index, next(), K).length;
  },
);
Deno.bench("scan of every document", { group, n: 20, warmup: 2 }, () => {
  kept += scan(next()).length;
});
Deno.bench("minisearch", { group }, () => {
  kept += mini.search(next().join(" ")).length;
});
Deno.bench("wink-bm25-text-search", { group }, () => {
  kept += peer.search(next().join(" "), K).length;
});
globalThis.addEventListener("unload", () => {
  if (kept === 0) throw new Error("Nothing was found");
});
