#!/usr/bin/env -S deno run
/**
 * Q. Train on all positions of a text at once. What keeps the future out?
 *
 * A. A mask: the score of a query and a later key is −Infinity, so that softmax
 * gives that key the weight exp(−Infinity) = 0. One token after the other, as in
 * microgpt.ts, needs no mask, because the later keys are not there yet. Both are
 * the same function, to the last bit. On a GPU the parallel form wins, because
 * it is made of large products; on scalars it only adds the upper triangle.
 *
 * Time O(T²·C + T·C²) a layer, either way; space likewise.
 * Trap: calling the mask slow. It makes the graph larger by 4 to 11 %.
 * Run: `deno run masked_attention.ts`
 * @module
 */
import {
  createModel,
  encode,
  KARPATHY,
  linear,
  loss,
  type Matrix,
  type Model,
  rmsnorm,
  softmax,
  topologicalOrder,
  type Value,
} from "./microgpt.ts";
import { PythonRandom } from "./python_random.ts";

/**
 * What `loss` of microgpt.ts computes, with every position side by side.
 * @returns the mean of −log p(next token) over the first `block` tokens
 */
export function maskedLoss(model: Model, doc: string): Value {
  const { weights: w, rmsEps, embd, layers, block, bos } = model;
  const tokens = [bos, ...encode(model, doc), bos];
  const T = Math.min(block, tokens.length - 1);
  const norm = (x: Matrix) => x.map((row) => rmsnorm(row, rmsEps));
  const times = (x: Matrix, name: string) =>
    x.map((row) => linear(row, w[name]));

  let x = norm(add(tokens.slice(0, T).map((token) => w.wte[token]), w.wpe)); // (T, C)
  for (let i = 0; i < layers; i++) {
    const [query, key, value] = ["wq", "wk", "wv"].map((name) =>
      times(norm(x), `blocks.${i}.attn.${name}`)
    );
    const mixed: Matrix = x.map(() => []);
    const D = embd / model.heads;
    for (let h = 0; h < embd; h += D) {
      const head = (rows: Matrix) => rows.map((row) => row.slice(h, h + D));
      const out = attend(head(query), head(key), head(value)); // (T, D)
      out.forEach((row, t) => mixed[t].push(...row));
    }
    x = add(times(mixed, `blocks.${i}.attn.wo`), x);
    const wide = times(norm(x), `blocks.${i}.mlp_fc1`); // (T, 4C)
    const active = wide.map((row) => row.map((y) => y.relu()));
    x = add(times(active, `blocks.${i}.mlp_fc2`), x);
  }
  const losses = times(x, "lm_head").map((logits, t) =>
    softmax(logits)[tokens[t + 1]].plus(model.logEps).log().times(-1)
  );
  return losses.reduce((x, y) => x.plus(y)).over(T);
}

/** Masked attention of one head: query, key and value (T, D) to (T, D). */
function attend(query: Matrix, key: Matrix, value: Matrix): Matrix {
  const D = query[0].length;
  const columns = value[0].map((_, d) => value.map((row) => row[d])); // (D, T)
  return query.map((q, t) => {
    const scores = linear(q, key).map((score) => score.over(Math.sqrt(D)));
    const seen = scores.map((x, s) => s > t ? x.plus(-Infinity) : x); // (T,)
    return linear(softmax(seen), columns);
  });
}

const add = (x: Matrix, y: Matrix) =>
  x.map((row, t) => row.map((xi, i) => xi.plus(y[t][i])));

if (import.meta.main) {
  const text = "abcdefghijklmno";
  const model = createModel(KARPATHY, [text], new PythonRandom(42));
  console.log("tokens  Values one by one  masked   more  same loss");
  for (const n of [4, 8, 16]) {
    const [a, b] = [loss, maskedLoss].map((form) =>
      form(model, text.slice(1, n))
    );
    const [x, y] = [a, b].map((root) => topologicalOrder(root).length);
    const more = `${(100 * (y / x - 1)).toFixed(1)} %`;
    console.log(
      `${n}`.padStart(6),
      `${x}`.padStart(18),
      `${y}`.padStart(7),
      more.padStart(6),
      a.data === b.data,
    );
  }
}
