#!/usr/bin/env -S deno run
/**
 * Q. Implement a GPT from scratch: no library, about 200 lines.
 *
 * A. A `Value` remembers what it was computed from, so `backward` can carry the
 * slope of the loss to every parameter, and Adam moves them. The model turns a
 * token and its place into logits for the next; it looks back through a cache.
 *
 * Sizes: V vocabulary, C width, H heads of D = C / H, T tokens so far.
 * Time O(T·C + C²) a token and layer; space as much, for the graph of a text.
 * Trap: `grad =` for `grad +=`, which is right until a Value is used twice.
 * Left out: tensors, biases, dropout, the gains of the norms.
 * Source: Karpathy (2026), https://karpathy.github.io/2026/02/12/microgpt/
 * Run: `deno run microgpt.ts`; `--help` lists the flags
 * @module
 */
import type { PythonRandom } from "./python_random.ts";
let recording = true;

/** A number with its children `a`, `b` and local gradients `da` = ∂this/∂a, `db`. */
export class Value {
  grad = 0; // ∂root/∂this, after root.backward()
  constructor(
    public data: number,
    readonly a?: Value,
    readonly da = 0,
    readonly b?: Value,
    readonly db = 0,
  ) {}
  plus(other: Value | number): Value {
    const x = lift(other);
    return node(this.data + x.data, this, 1, x, 1);
  }
  times(other: Value | number): Value {
    const x = lift(other);
    return node(this.data * x.data, this, x.data, x, this.data);
  }
  over(other: Value | number): Value {
    return this.times(lift(other).pow(-1));
  }
  pow(n: number): Value {
    return node(this.data ** n, this, n === 0 ? 0 : n * this.data ** (n - 1));
  }
  /** At 0: −Infinity with slope Infinity. Below 0: NaN. */
  log(): Value {
    return node(Math.log(this.data), this, 1 / this.data);
  }
  exp(): Value {
    const y = Math.exp(this.data);
    return node(y, this, y);
  }
  relu(): Value {
    return node(Math.max(0, this.data), this, this.data > 0 ? 1 : 0);
  }
  /** Adds ∂this/∂leaf to the `grad` of every leaf; may be called again. */
  backward(): void {
    const order = topologicalOrder(this);
    for (const value of order) if (value.a) value.grad = 0;
    this.grad += 1; // ∂this/∂this
    for (const { a, da, b, db, grad } of order.reverse()) {
      if (a) a.grad += da * grad;
      if (b) b.grad += db * grad;
    }
  }
}

const lift = (x: Value | number) => typeof x === "number" ? new Value(x) : x;
const node = (data: number, a: Value, da: number, b?: Value, db?: number) =>
  recording ? new Value(data, a, da, b, db) : new Value(data);

/** All that `root` depends on: children before parents, `root` last. */
export function topologicalOrder(root: Value): Value[] {
  const order = new Set<Value>(); // keeps the order of insertion
  const path = [root]; // a stack of our own: recursion overflows near 10,000
  while (path.length > 0) {
    const { a, b } = path[path.length - 1];
    if (a && !order.has(a)) path.push(a);
    else if (b && !order.has(b)) path.push(b);
    else order.add(path.pop()!);
  }
  return [...order];
}

/** Builds no graph until disposed of, then what was `before`: `using _ = noGrad()`. */
export function noGrad(before = recording): Disposable {
  recording = false;
  return { [Symbol.dispose]: () => void (recording = before) };
}

export type Matrix = Value[][];
const list = <T>(n: number, make: () => T) => Array.from({ length: n }, make);
const sum = (xs: Value[]) => xs.reduce((s, x) => s.plus(x), new Value(0));
const add = (xs: Value[], ys: Value[]) => xs.map((x, i) => x.plus(ys[i]));
const dot = (xs: Value[], ys: Value[]) => sum(xs.map((x, i) => x.times(ys[i])));

/** `w` (M, N) times `x` (N,): (M,). @throws {RangeError} if they do not fit */
export function linear(x: Value[], w: Matrix): Value[] {
  const [N, n] = [w[0].length, x.length];
  if (N !== n) throw new RangeError(`Cannot multiply rows of ${N} by ${n}`);
  return w.map((row) => dot(row, x));
}

/** exp(x) / Σ exp(x), all lowered by the largest so that exp cannot overflow. */
export function softmax(logits: Value[]): Value[] {
  const max = logits.reduce((m, { data }) => Math.max(m, data), -Infinity);
  const exps = logits.map((logit) => logit.plus(-max).exp());
  const total = sum(exps);
  return exps.map((e) => e.over(total));
}

/** `x` divided by its root mean square. */
export function rmsnorm(x: Value[], eps: number): Value[] {
  const rms = sum(x.map((xi) => xi.pow(2))).over(x.length).plus(eps).pow(0.5);
  return x.map((xi) => xi.over(rms));
}

const SIZES = { layers: 1, heads: 4, embd: 16, block: 16, rmsEps: 1e-5 };
const TRAINING = { steps: 1000, batch: 1, lr: 0.01, logEps: 0 };
/** The published settings. */
export const KARPATHY = { ...SIZES, ...TRAINING };
export type Config = typeof KARPATHY;
export type Model = ReturnType<typeof createModel>;

/** Shuffles `docs`, then draws weights. @throws {RangeError} if heads do not fit */
export function createModel(c: Config, docs: string[], random: PythonRandom) {
  const { embd: C, heads } = c;
  if (C % heads) throw new RangeError(`Cannot split ${C} into ${heads} heads`);
  random.shuffle(docs);
  const chars = [...new Set(docs.join(""))].sort();
  const bos = chars.length; // the token that begins and ends a document
  const weights: Record<string, Matrix> = {};
  const normal = () => new Value(random.gauss(0, 0.08));
  const draw = (name: string, rows: number, columns = C) =>
    weights[name] = list(rows, () => list(columns, normal));
  draw("wte", bos + 1); // what the token is
  draw("wpe", c.block); // where it stands
  draw("lm_head", bos + 1);
  for (let i = 0; i < c.layers; i++) {
    for (const w of "qkvo") draw(`blocks.${i}.attn.w${w}`, C);
    draw(`blocks.${i}.mlp_fc1`, 4 * C);
    draw(`blocks.${i}.mlp_fc2`, C, 4 * C);
  }
  const params = Object.values(weights).flat(2);
  const [m, v] = [params.map(() => 0), params.map(() => 0)]; // Adam's moments
  return { ...c, docs, random, chars, bos, weights, params, m, v, step: 0 };
}

/** @throws {RangeError} at a character that is not in the vocabulary */
export function encode({ chars }: Model, text: string): number[] {
  const odd = [...text].find((char) => !chars.includes(char));
  if (odd) throw new RangeError(`"${odd}" is not one of ${chars.join("")}`);
  return Array.from(text, (char) => chars.indexOf(char));
}

/** Keys and values (T, C) of the tokens so far, layer by layer. */
export type Cache = { keys: Matrix; values: Matrix }[];
export const emptyCache = ({ layers }: Model): Cache =>
  list(layers, () => ({ keys: [], values: [] }));

/** Logits (V,) of what follows `token`, the `pos`-th; it joins the cache. */
export function gpt(model: Model, token: number, pos: number, cache: Cache) {
  const { weights: w, heads, embd, rmsEps } = model;
  const D = embd / heads;
  let x = rmsnorm(add(w.wte[token], w.wpe[pos]), rmsEps); // (C,)
  cache.forEach(({ keys, values }, i) => {
    const normed = rmsnorm(x, rmsEps);
    const query = linear(normed, w[`blocks.${i}.attn.wq`]);
    keys.push(linear(normed, w[`blocks.${i}.attn.wk`]));
    values.push(linear(normed, w[`blocks.${i}.attn.wv`]));
    const mixed: Value[] = [];
    for (let h = 0; h < embd; h += D) {
      const q = query.slice(h, h + D); // (D,)
      const scores = keys.map((k) => dot(q, k.slice(h, h + D)).over(D ** 0.5));
      const shares = softmax(scores); // (T,)
      for (let d = h; d < h + D; d++) {
        mixed.push(dot(shares, values.map((v) => v[d])));
      }
    }
    x = add(linear(mixed, w[`blocks.${i}.attn.wo`]), x);
    const wide = linear(rmsnorm(x, rmsEps), w[`blocks.${i}.mlp_fc1`]);
    x = add(linear(wide.map((y) => y.relu()), w[`blocks.${i}.mlp_fc2`]), x);
  });
  return linear(x, w.lm_head);
}

/** The mean of −log p(next token), in nats, over `doc` up to the block. */
export function loss(model: Model, doc: string): Value {
  const tokens = [model.bos, ...encode(model, doc), model.bos];
  const targets = tokens.slice(1, model.block + 1);
  const cache = emptyCache(model);
  const losses = targets.map((target, i) => {
    const p = softmax(gpt(model, tokens[i], i, cache))[target];
    return p.plus(model.logEps).log().times(-1);
  });
  return sum(losses).over(losses.length);
}

/** One step of Adam, which clears the gradients. */
export function update(model: Model, beta1 = 0.85, beta2 = 0.99): void {
  const { m, v, lr, steps } = model;
  const t = ++model.step, rate = lr * (1 - (t - 1) / steps);
  model.params.forEach((p, i) => {
    m[i] = beta1 * m[i] + (1 - beta1) * p.grad;
    v[i] = beta2 * v[i] + (1 - beta2) * p.grad ** 2;
    const mHat = m[i] / (1 - beta1 ** t);
    const vHat = v[i] / (1 - beta2 ** t);
    p.data -= rate * mHat / (Math.sqrt(vHat) + 1e-8);
    p.grad = 0;
  });
}

/** Trains to the end, yields each mean loss; `watch` gets each text, then none. */
export function* train(model: Model, watch?: (doc?: string) => void) {
  const { docs, batch } = model;
  while (model.step < model.steps) {
    let total = 0;
    for (let i = 0; i < batch; i++) {
      const doc = docs[(model.step * batch + i) % docs.length];
      const share = loss(model, doc).over(batch);
      share.backward(); // a text at a time: no graph is larger than that
      total += share.data;
      watch?.(doc);
    }
    watch?.();
    update(model);
    yield total;
  }
}

/** A text from `prefix` on, at temperature `heat`; 0 takes the likeliest token. */
export function sample(model: Model, heat: number, prefix = ""): string {
  const { bos, block, chars, random } = model;
  const tokens = [bos, ...encode(model, prefix)];
  if (!(heat >= 0)) throw new RangeError(`Temperature ${heat} is below 0`);
  if (tokens.length > block) throw new RangeError(`No room after "${prefix}"`);
  const [cache, divisor] = [emptyCache(model), Math.max(heat, 1e-9)];
  using _ = noGrad();
  for (let i = 0; i < block; i++) {
    const logits = gpt(model, tokens[i], i, cache);
    if (i + 1 < tokens.length) continue; // still reading the prefix
    const odds = softmax(logits.map((x) => x.over(divisor)));
    const p = odds.map((x) => x.data), best = p.indexOf(Math.max(...p));
    const next = heat ? random.choices([...p.keys()], p)[0] : best;
    if (next === bos) break;
    tokens.push(next);
  }
  return tokens.slice(1).map((token) => chars[token]).join("");
}

if (import.meta.main) import("./train.ts").then(({ main }) => main());
