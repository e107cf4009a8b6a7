import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { createModel, KARPATHY, loss, Value } from "./microgpt.ts";
import {
  attention,
  drawGraph,
  embeddingTable,
  gradientTable,
} from "./pictures.ts";
import { PythonRandom } from "./python_random.ts";

const model = (config: Partial<typeof KARPATHY> = {}) =>
  createModel(
    { ...KARPATHY, embd: 6, heads: 2, block: 5, rmsEps: 1e-8, ...config },
    ["abba", "cab"],
    new PythonRandom(1),
  );

Deno.test("drawGraph() draws each Value once, and an edge for each use of it", () => {
  const x = new Value(3), y = x.times(x);
  y.backward();
  assertEquals(
    drawGraph(y, new Map([[x, "x"]])),
    `graph LR
  v0["x = 3, grad 6"]
  v1["9, grad 1"]
  v0 -- 3 --> v1
  v0 -- 3 --> v1`,
  );
});

Deno.test("embeddingTable() adds the row of the token to the row of the place", () => {
  const m = model();
  m.weights.wte.flat().forEach((p, i) => p.data = Math.floor(i / 6));
  m.weights.wpe.flat().forEach((p, i) => p.data = Math.floor(i / 6) / 10);
  assertEquals(embeddingTable(m, "ca", 2), [
    "^ 0   3.00  3.00  +  0.00  0.00  =  3.00  3.00",
    "c 1   2.00  2.00  +  0.10  0.10  =  2.10  2.10",
    "a 2   0.00  0.00  +  0.20  0.20  =  0.20  0.20",
  ]);
});

Deno.test("attention() is CPython's: no share for what comes later", () => {
  // attention_weights of layer 0 in gpt() of the reference program with n_embed,
  // n_head, block_size = 6, 2, 5, a vocabulary of 4, (i * 37 % 19 - 9) / 10 as
  // parameter i, for the tokens 3, 0, 1
  // deno-fmt-ignore
  const golden = [
    [[1], [0.6256761457203733, 0.37432385427962667], [0.5233197976330056, 0.14098673914695653, 0.33569346322003796]],
    [[1], [0.7415792094540585, 0.25842079054594147], [0.4781048514228384, 0.16447618328360075, 0.3574189652935608]],
  ];
  const m = model();
  m.params.forEach((p, i) => p.data = (i * 37 % 19 - 9) / 10);
  const heads = attention(m, "ab");
  assertEquals(heads.map((rows) => rows.map((row) => row.length)), [[1, 2, 3], [
    1,
    2,
    3,
  ]]);
  heads.flat(2).forEach((share, i) =>
    assertAlmostEquals(share, golden.flat(2)[i], 1e-14)
  );
});

Deno.test("attention() of a model without layers is an error", () => {
  assertThrows(
    () => attention(model({ layers: 0 }), "ab"),
    RangeError,
    "Cannot show the attention of a model without layers",
  );
});

Deno.test("gradientTable() takes the root of the mean over each matrix", () => {
  const m = model();
  m.weights.wte.flat().forEach((p, i) =>
    p.grad = i === 0 ? 3 : i === 1 ? -4 : 0
  );
  const [[name, n, rms], ...others] = gradientTable(m);
  assertEquals([name, n], ["wte", 24]);
  assertAlmostEquals(rms, 5 / Math.sqrt(24), 1e-15);
  assert(others.every(([, , rms]) => rms === 0));
  loss(m, "abba").backward();
  assert(gradientTable(m).every(([, , rms]) => rms > 0));
});
