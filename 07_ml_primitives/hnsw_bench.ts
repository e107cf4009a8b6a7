/**
 * HNSW on 50,000 vectors of 64 dimensions in 200 clusters: builds an index for each M,
 * prints recall@10 and queries a second over ef beside the exact search, and times one
 * setting of recall above 0.95.
 *
 * Run: `deno bench hnsw_bench.ts`
 * @module
 */
import { Graph, insert, search } from "./hnsw_index.ts";
import { recall } from "./ivf.ts";
import { type Hit, topK } from "./vector_search.ts";

const [N, D, CLUSTERS, QUERIES, K] = [50_000, 64, 200, 300, 10];
let state = 1;
const random = () => (state = state * 48271 % 2147483647) / 2147483647;
const normal = () =>
  Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
const centres = Array.from(
  { length: CLUSTERS },
  () => Float32Array.from({ length: D }, normal),
);
const draw = () => {
  const centre = centres[Math.floor(random() * CLUSTERS)];
  return centre.map((c) => c + 0.5 * normal());
};
const rows = Array.from({ length: N }, draw);
const queries = Array.from({ length: QUERIES }, draw);
const flat = new Float32Array(N * D);
rows.forEach((row, n) => flat.set(row, n * D));

/** The exact search: one pass over all rows, as vector_search.ts does it. */
function exact(q: Float32Array): Hit[] {
  const scores = new Float64Array(N);
  for (let n = 0, i = 0; n < N; n++) {
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let d = 0; d < D; d += 4, i += 4) {
      const a = q[d] - flat[i];
      const b = q[d + 1] - flat[i + 1];
      const c = q[d + 2] - flat[i + 2];
      const e = q[d + 3] - flat[i + 3];
      s0 += a * a;
      s1 += b * b;
      s2 += c * c;
      s3 += e * e;
    }
    scores[n] = -(s0 + s1 + s2 + s3);
  }
  return topK(scores, K);
}

const perSecond = (run: () => unknown, count: number) => {
  const start = performance.now();
  run();
  return count * 1000 / (performance.now() - start);
};
queries.forEach(exact);
let answers: Hit[][] = [];
const base = perSecond(() => answers = queries.map(exact), QUERIES);
console.log(`exact: ${base.toFixed(0)} queries/s`);

let chosen = new Graph(D);
for (const [M, efConstruction] of [[8, 60], [16, 100]]) {
  const graph = new Graph(D);
  const build = N / perSecond(
    () => rows.forEach((row) => insert(graph, row, random, M, efConstruction)),
    N,
  );
  console.log(
    `M ${M}, efConstruction ${efConstruction}: built in ${build.toFixed(1)} s`,
  );
  for (const ef of [10, 20, 30, 40, 80, 160]) {
    const find = () => queries.map((q) => search(graph, q, K, ef));
    const found = find();
    const rates = Array.from({ length: 5 }, () => perSecond(find, QUERIES));
    const rate = rates.sort((a, b) => a - b)[2];
    const mean = found.reduce((sum, f, i) => sum + recall(answers[i], f), 0);
    console.log(
      `  ef ${ef}`.padEnd(8),
      `recall@${K} ${(mean / QUERIES).toFixed(3)}`,
      `${rate.toFixed(0).padStart(6)} queries/s, ${
        (rate / base).toFixed(1)
      } × exact`,
    );
    if (M === 16 && ef === 20 && mean / QUERIES < 0.95) {
      throw new Error(`Recall is ${mean / QUERIES}: nothing to time`);
    }
  }
  chosen = graph;
}

let at = 0;
let kept = 0;
const group = `top ${K} of ${N} × ${D}`;
Deno.bench("exact", { group, baseline: true }, () => {
  kept += exact(queries[at++ % QUERIES]).length;
});
Deno.bench("HNSW, M 16, ef 20", { group }, () => {
  kept += search(chosen, queries[at++ % QUERIES], K, 20).length;
});
globalThis.addEventListener("unload", () => {
  if (kept === 0) throw new Error("Nothing was found");
});
