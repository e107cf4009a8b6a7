#!/usr/bin/env -S deno run
/**
 * Q. Multi-head attention for a whole batch, without a loop over heads.
 *
 * A. Name the axes and let einsum do the rest. The projection (B, T, C) is read as
 * (B, T, KV, G, D): a reshape that moves nothing. Then two products:
 * "btkgd,bskd->bkgts" for the scores and "bkgts,bskd->btkgd" for the outputs,
 * whose heads already lie side by side. The keys have no axis g: the G queries of
 * a group share them by a stride of 0, so nothing is copied or transposed.
 *
 * Shapes: B batch, T positions (S as keys), C channels, H = KV·G query heads of
 * D = C / H, KV heads of keys and values.
 * Time O(B·T·C·(C + T)); space O(B·H·T²) for the scores.
 * Trap: copying the keys G-fold before the product gives back what sharing saves.
 * Left out: speed; einsum here walks every index, a library blocks and calls BLAS.
 * Masked values are multiplied by 0, not skipped, so a NaN in them comes through.
 * Source: Vaswani et al. (2017), arXiv:1706.03762; Ainslie et al. (2023),
 * arXiv:2305.13245.
 * Run: `deno run batched_heads.ts`
 * @module
 */

/** Numbers in row-major order, the last axis moving fastest. */
export interface Tensor {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

/** The projections; a row of x stands on their left. */
export interface HeadWeights {
  /** (C, C) */
  query: Tensor;
  /** (C, KV·D) */
  key: Tensor;
  /** (C, KV·D) */
  value: Tensor;
  /** (C, C) */
  output: Tensor;
}

/**
 * @param x (B, T, C); left unchanged
 * @param heads H, which must divide C
 * @param kvHeads KV, which must divide H; 1 is multi-query
 * @param causal hides what comes after a position
 * @returns (B, T, C)
 * @throws {RangeError} if heads do not divide, or shapes do not fit
 */
export function batchedHeads(
  x: Tensor,
  weights: HeadWeights,
  { heads: H, kvHeads: KV = H, causal = false }: {
    heads: number;
    kvHeads?: number;
    causal?: boolean;
  },
): Tensor {
  const [B, T, C] = x.shape;
  const [G, D] = [H / KV, C / H];
  if (![H, KV, G, D].every((n) => Number.isInteger(n) && n > 0)) {
    throw new RangeError(
      `Cannot cut ${C} channels into ${H} heads that share ${KV}`,
    );
  }
  const project = (w: Tensor, shape: number[]) =>
    reshape(einsum("btc,cn->btn", x, w), shape);
  const query = project(weights.query, [B, T, KV, G, D]);
  const key = project(weights.key, [B, T, KV, D]);
  const value = project(weights.value, [B, T, KV, D]);
  const scores = einsum("btkgd,bskd->bkgts", query, key); // (B, KV, G, T, S)
  softmaxRows(scores, 1 / Math.sqrt(D), causal);
  const out = einsum("bkgts,bskd->btkgd", scores, value); // (B, T, KV, G, D)
  return einsum("btc,cn->btn", reshape(out, [B, T, C]), weights.output);
}

/**
 * Sums the products of two tensors over every axis that the result does not have.
 * @param spec one letter an axis, as in "mk,kn->mn"
 * @returns the axes after "->"
 * @throws {RangeError} if letters and axes do not fit, or one letter has two sizes
 */
export function einsum(spec: string, a: Tensor, b: Tensor): Tensor {
  const [inputs, result] = spec.split("->");
  const names = inputs.split(",");
  if ([...names, result].some((s) => new Set(s).size < s.length)) {
    throw new RangeError(`Cannot compute ${spec}: a letter is there twice`);
  }
  const sizes = new Map<string, number>();
  [a, b].forEach(({ shape }, i) => {
    if (names[i].length !== shape.length) {
      throw new RangeError(
        `Cannot read (${shape.join(", ")}) as "${names[i]}": ` +
          `${shape.length} axes and ${names[i].length} letters`,
      );
    }
    shape.forEach((size, axis) => {
      const name = names[i][axis];
      const known = sizes.get(name) ?? size;
      if (known !== size) {
        throw new RangeError(
          `Cannot compute ${spec}: ${name} is ${known} and ${size}`,
        );
      }
      sizes.set(name, size);
    });
  });
  const unknown = [...result].find((name) => !sizes.has(name));
  if (unknown) {
    throw new RangeError(`Cannot compute ${spec}: what is ${unknown}?`);
  }

  const shape = [...result].map((name) => sizes.get(name)!);
  const out = { data: new Float64Array(count(shape)), shape };
  const axes = [...sizes.keys()];
  // How far one step along an axis moves in a, b and the result; 0 if it is not there.
  const steps = [names[0], names[1], result].map((letters) =>
    axes.map((axis) => {
      const at = letters.indexOf(axis);
      if (at < 0) return 0;
      return count([...letters.slice(at + 1)].map((name) => sizes.get(name)!));
    })
  );
  const index = axes.map(() => 0);
  const place = [0, 0, 0];
  for (let left = count([...sizes.values()]); left > 0; left--) {
    out.data[place[2]] += a.data[place[0]] * b.data[place[1]];
    // The next index: the last axis moves, and at its end the one before it.
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const turn = ++index[axis] === sizes.get(axes[axis])!;
      const by = turn ? 1 - index[axis] : 1;
      for (let i = 0; i < 3; i++) place[i] += by * steps[i][axis];
      if (!turn) break;
      index[axis] = 0;
    }
  }
  return out;
}

/** The same numbers read as another shape. @throws {RangeError} if it has not as many */
export function reshape({ data }: Tensor, shape: readonly number[]): Tensor {
  if (data.length === count(shape)) return { data, shape };
  throw new RangeError(
    `Cannot read ${data.length} numbers as (${shape.join(", ")})`,
  );
}

/** Softmax of every row of (…, T, S), in place; causal row t keeps s ≤ t. */
function softmaxRows({ data, shape }: Tensor, scale: number, causal: boolean) {
  const [T, S] = shape.slice(-2);
  for (let row = 0; row < data.length / S; row++) {
    const x = data.subarray(row * S, (row + 1) * S); // (S,)
    const seen = causal ? x.subarray(0, row % T + 1) : x;
    const max = seen.reduce((m, xi) => Math.max(m, xi), -Infinity);
    let total = 0;
    seen.forEach((xi, s) => total += seen[s] = Math.exp(scale * (xi - max)));
    x.forEach((xi, s) => x[s] = s < seen.length ? xi / total : 0);
  }
}

const count = (sizes: readonly number[]) =>
  sizes.reduce((product, size) => product * size, 1);

if (import.meta.main) {
  const make = (shape: number[], step: number): Tensor => ({
    shape,
    data: Float64Array.from(
      { length: count(shape) },
      (_, i) => i * step % 11 / 4 - 1,
    ),
  });
  const [B, T, C, H] = [2, 3, 8, 4];
  for (const KV of [4, 2, 1]) {
    const weights = {
      query: make([C, C], 7),
      key: make([C, KV * C / H], 5),
      value: make([C, KV * C / H], 3),
      output: make([C, C], 2),
    };
    const options = { heads: H, kvHeads: KV, causal: true };
    const { data } = batchedHeads(make([B, T, C], 4), weights, options);
    const last = [...data.slice((T - 1) * C, (T - 1) * C + 3)];
    console.log(
      `KV = ${KV}: keys of ${B * T * KV * C / H} numbers, ` +
        `${B * T * C} if copied; ${last.map((y) => y.toFixed(2)).join(" ")} …`,
    );
  }
}
