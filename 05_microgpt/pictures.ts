#!/usr/bin/env -S deno run
/**
 * Q. Draw it: the graph that backward() walks, the embeddings, the attention.
 *
 * A. The graph runs from its inputs to the loss, each Value with its gradient and
 * each edge with its local gradient. A gradient is a sum over the edges that
 * leave a Value: the edge times the gradient where it ends. A token enters as the
 * sum of what it is, a row of `wte`, and where it stands, a row of `wpe`. In the
 * attention of a head, every token shares out 1 among itself and those before.
 *
 * Left out: colours, and the program that turns Mermaid into a drawing.
 * Run: `deno run pictures.ts`
 * @module
 */
import * as microgpt from "./microgpt.ts";
import { type Model, topologicalOrder, Value } from "./microgpt.ts";
import { parseOptions } from "./options.ts";
import { prepare } from "./prepare.ts";

/**
 * A computation in the language of Mermaid, which READMEs draw.
 * @param names of the Values that are to be called by one
 */
export function drawGraph(root: Value, names: Map<Value, string>): string {
  const order = topologicalOrder(root);
  const id = new Map(order.map((value, i) => [value, `v${i}`]));
  const nodes = order.map((value) => {
    const name = names.has(value) ? `${names.get(value)} = ` : "";
    return `${id.get(value)}["${name}${value.data}, grad ${value.grad}"]`;
  });
  const edges = order.flatMap((value) => {
    const { a, da, b, db } = value;
    const draw = (child: Value, local: number) =>
      `${id.get(child)} -- ${local} --> ${id.get(value)}`;
    return [...(a ? [draw(a, da)] : []), ...(b ? [draw(b, db)] : [])];
  });
  return ["graph LR", ...nodes, ...edges].join("\n  ");
}

/** The first `columns` entries of what enters the model at each token of `text`. */
export function embeddingTable(
  model: Model,
  text: string,
  columns = 4,
): string[] {
  const { bos, block, weights: { wte, wpe } } = model;
  const row = (xs: Value[]) =>
    xs.slice(0, columns).map((x) => x.data.toFixed(2).padStart(5)).join(" ");
  const tokens = [bos, ...microgpt.encode(model, text)].slice(0, block);
  return tokens.map((token, position) => {
    const [what, where] = [wte[token], wpe[position]];
    const both = what.map((x, i) => x.plus(where[i]));
    return `${model.chars[token] ?? "^"} ${position}  ${row(what)}  + ${
      row(where)
    }  = ${row(both)}`;
  });
}

/**
 * The attention of each head of the first layer: (H, T, up to T), rows sum to 1.
 * @throws {RangeError} if the model has no layer
 */
export function attention(model: Model, text: string): number[][][] {
  const { bos, weights: w, rmsEps, heads, embd, block } = model;
  if (model.layers === 0) {
    throw new RangeError("Cannot show the attention of a model without layers");
  }
  const D = embd / heads;
  const tokens = [bos, ...microgpt.encode(model, text)].slice(0, block);
  using _ = microgpt.noGrad();
  const rows = tokens.map((token, position) => {
    const x = w.wte[token].map((what, i) => what.plus(w.wpe[position][i]));
    const normed = microgpt.rmsnorm(microgpt.rmsnorm(x, rmsEps), rmsEps);
    const project = (name: string) =>
      microgpt.linear(normed, w[`blocks.0.attn.${name}`]);
    return { query: project("wq"), key: project("wk") };
  });
  return Array.from({ length: heads }, (_, h) => {
    const head = (x: Value[]) => x.slice(h * D, h * D + D);
    return rows.map(({ query }, t) => {
      const keys = rows.slice(0, t + 1).map(({ key }) => head(key)); // (T, D)
      const scores = microgpt.linear(head(query), keys);
      const scaled = scores.map((score) => score.over(Math.sqrt(D)));
      return microgpt.softmax(scaled).map((share) => share.data);
    });
  });
}

/** For each matrix: its size, and the root mean square of its gradient. */
export function gradientTable(
  model: Model,
): [name: string, n: number, rms: number][] {
  return Object.entries(model.weights).map(([name, matrix]) => {
    const grads = matrix.flat().map((x) => x.grad);
    const meanSquare = grads.reduce((s, g) => s + g * g, 0) / grads.length;
    return [name, grads.length, Math.sqrt(meanSquare)];
  });
}

if (import.meta.main) {
  const w = new Value(2);
  const a = w.times(3), b = w.times(5), loss = a.times(a).plus(b);
  loss.backward();
  console.log("loss = a · a + b, where a = 3w and b = 5w\n");
  const names = { w, a, b, loss };
  const named = Object.entries(names).map(([k, v]) => [v, k] as const);
  console.log(drawGraph(loss, new Map(named)));

  const { model } = await prepare(parseOptions([]));
  console.log("\nwhat enters at the tokens of ^emma: token + position\n");
  embeddingTable(model, "emma").forEach((line) => console.log(line));

  console.log("\nroot mean square of the gradients of the first text\n");
  microgpt.loss(model, model.docs[0]).backward();
  for (const [name, n, rms] of gradientTable(model)) {
    console.log(name.padEnd(18), `${n}`.padStart(5), rms.toExponential(1));
  }
  model.params.forEach((p) => p.grad = 0);

  for (const _ of microgpt.train(model));
  console.log("\nattention of head 0 in ^emma, after 20 steps, in percent\n");
  console.log("    ", ...[..."^emma"].map((char) => char.padStart(3)));
  attention(model, "emma")[0].forEach((row, t) => {
    const shares = row.map((share) => `${Math.round(100 * share)}`.padStart(3));
    console.log("   ", "^emma"[t], ...shares);
  });
}
