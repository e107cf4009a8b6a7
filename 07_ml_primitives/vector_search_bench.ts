/**
 * Exact search over 100,000 unit vectors of 384 dimensions, 154 MB: one query against
 * a loop that only sums the same numbers, and what the selection adds to it.
 *
 * Run: `deno bench vector_search_bench.ts`
 * @module
 */
import { cosineTopK, topK, VectorIndex } from "./vector_search.ts";

const [N, D, K] = [100_000, 384, 10];
let state = 1;
const random = () => (state = state * 48271 % 2147483647) / 2147483647;
const flat = Float32Array.from({ length: N * D }, () => random() - 0.5);
const row = (n: number) => flat.subarray(n * D, (n + 1) * D);
const query = Float32Array.from({ length: D }, () => random() - 0.5);

/** A pass over the array that does nothing but add, in four chains. */
function sum(x: Float32Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = 0; i < x.length; i += 4) {
    s0 += x[i];
    s1 += x[i + 1];
    s2 += x[i + 2];
    s3 += x[i + 3];
  }
  return s0 + s1 + s2 + s3;
}

const index = new VectorIndex(D);
for (let n = 0; n < N; n++) index.add(row(n));

/** The cosine as it is often written: all norms again at each query. */
function scan(query: Float32Array): Float64Array {
  return Float64Array.from({ length: N }, (_, n) => {
    let [dot, rr, qq] = [0, 0, 0];
    for (let d = 0, i = n * D; d < D; d++, i++) {
      dot += flat[i] * query[d];
      rr += flat[i] * flat[i];
      qq += query[d] * query[d];
    }
    return dot / Math.sqrt(rr * qq);
  });
}
const scores = scan(query);
const sorted = () =>
  Array.from(scores, (score, id) => ({ id, score }))
    .sort((a, b) => b.score - a.score || a.id - b.id).slice(0, K);

// All forms must find the same rows in the same order.
const expected = sorted().map((hit) => hit.id).join();
const some = Array.from({ length: 2000 }, (_, n) => [...row(n)]);
for (
  const [name, hits] of [
    ["VectorIndex", index.search(query, K)],
    ["topK", topK(scores, K)],
    ["norms at each query", topK(scan(query), K)],
  ] as const
) {
  if (hits.map((hit) => hit.id).join() !== expected) {
    throw new Error(`${name} finds other rows: nothing to time`);
  }
}
const part = cosineTopK(some, [...query], K).map((hit) => hit.id).join();
if (part !== topK(scores.subarray(0, 2000), K).map((hit) => hit.id).join()) {
  throw new Error("cosineTopK finds other rows: nothing to time");
}

// Short searches first: the engine has then done with the loop before it is timed.
const small = new VectorIndex(D);
some.forEach((vector) => small.add(vector));
for (let i = 0; i < 200; i++) small.search(query, K);

const group = `top ${K} of ${N} × ${D}, f32`;
let kept = 0;
Deno.bench(
  "sum of the same array: the bound",
  { group, baseline: true },
  () => {
    kept += sum(flat);
  },
);
Deno.bench("VectorIndex.search", { group, n: 30, warmup: 20 }, () => {
  kept += index.search(query, K).length;
});
Deno.bench("all norms again at each query", { group, n: 5, warmup: 1 }, () => {
  kept += topK(scan(query), K).length;
});
const selection = `select ${K} of ${N} scores`;
Deno.bench("topK", { group: selection, baseline: true }, () => {
  kept += topK(scores, K).length;
});
Deno.bench("topK of 1000", { group: selection }, () => {
  kept += topK(scores, 1000).length;
});
Deno.bench("sort everything", { group: selection, n: 10 }, () => {
  kept += sorted().length;
});
globalThis.addEventListener("unload", () => {
  if (kept === 0) throw new Error("Nothing was computed");
});
