import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, locate, Probe } from "./inspect.ts";
import { accumulate, createModel } from "./microgpt.ts";
import names from "./names.txt" with { type: "text" };
import { RECIPES } from "./options.ts";
import { PythonRandom } from "./python_random.ts";

const model = () =>
  createModel(
    RECIPES.reference.config,
    names.trim().split("\n"),
    new PythonRandom(42),
  );

Deno.test("Probe tells the gradient of CPython before Adam clears it", () => {
  // The reference program on this folder's names.txt, after its first
  // loss.backward() and after its first update of m, v and param.data
  // deno-fmt-ignore
  const golden = {
    "wte[10][5]": [-0.005517582190840077],
    "blocks.0.attn.wq[3][7]": [0.00010187603594494208],
    "lm_head[0][0]": [-0.016611115286145367, -0.0024916672929218052, 2.7592915104961253e-6, -0.0684060777523294],
  };
  for (const [label, expected] of Object.entries(golden)) {
    const m = model();
    const probe = new Probe(m, label);
    accumulate(m, (doc) => probe.see(doc));
    const { gradient, m: first, v: second, to } = probe.update();
    [gradient, first, second, to].slice(0, expected.length).forEach((x, i) =>
      assertAlmostEquals(x, expected[i], 1e-12 * Math.abs(expected[i]))
    );
  }
});

Deno.test("Probe names each text with its share; the shares are the gradient", () => {
  const m = createModel(
    { ...RECIPES.reference.config, batch: 3 },
    ["abba", "cab", "bob"],
    new PythonRandom(1),
  );
  const probe = new Probe(m, "wte[2][4]"); // the c of cab
  accumulate(m, (doc) => probe.see(doc));
  const { shares, gradient } = probe.update();
  assertEquals(shares, [["cab", gradient]]);
  accumulate(m, (doc) => probe.see(doc));
  assertEquals(probe.update().shares.map(([doc]) => doc), ["cab"]);
  const every = new Probe(m, "lm_head[0][0]");
  accumulate(m, (doc) => every.see(doc));
  const all = every.update();
  assertEquals(all.shares.map(([doc]) => doc), m.docs);
  const total = all.shares.reduce((sum, [, share]) => sum + share, 0);
  assertAlmostEquals(total, all.gradient, 1e-16);
});

Deno.test("Probe gives a character that no text has a gradient of exactly 0", () => {
  const m = model();
  const probe = new Probe(m, "wte[9][5]"); // j, and the first eight have none
  accumulate(m, (doc) => probe.see(doc));
  const report = probe.update();
  assertEquals([report.gradient, report.to - report.from], [0, 0]);
  assertEquals(describe(report), [
    `  wte[9][5] = ${report.from}`,
    "    gradient 0, no text uses it",
    "    moments m 0, v 0",
    `    update 0, to ${report.from}`,
  ]);
});

const ERRORS: [label: string, error: typeof Error, message: string][] = [
  ["wte", SyntaxError, "needs the form 'wte[9][5]'"],
  ["wte[1]", SyntaxError, "needs the form 'wte[9][5]'"],
  ["wte[-1][0]", SyntaxError, "needs the form 'wte[9][5]'"],
  ["wtf[0][0]", RangeError, "the matrices are wte wpe lm_head blocks.0.attn"],
  ["toString[0][0]", RangeError, "the matrices are wte wpe"],
  ["wte[27][0]", RangeError, "wte has rows 0 to 26, columns 0 to 15"],
  ["wpe[0][16]", RangeError, "wpe has rows 0 to 15, columns 0 to 15"],
];
for (const [label, error, message] of ERRORS) {
  Deno.test(`locate() of ${label} is an error that says what there is`, () => {
    assertThrows(() => locate(model(), label), error, message);
  });
}
