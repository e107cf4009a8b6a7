import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, locate, Probe } from "./inspect.ts";
import { createModel, loss, type Model, train } from "./microgpt.ts";
import names from "./names.txt" with { type: "text" };
import { RECIPES } from "./options.ts";
import { PythonRandom } from "./python_random.ts";

const model = () =>
  createModel(
    RECIPES.reference.config,
    names.trim().split("\n"),
    new PythonRandom(42),
  );

/** What the next step does to a parameter. */
function watch(m: Model, label: string) {
  const probe = new Probe(m, label);
  train(m, probe.watch).next();
  return probe.report();
}

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
    const { gradient, m: first, v: second, to } = watch(m, label);
    [gradient, first, second, to].slice(0, expected.length).forEach((x, i) =>
      assertAlmostEquals(x, expected[i], 1e-12 * Math.abs(expected[i]))
    );
  }
});

const DOCS = ["abba", "cab", "bob"];
const small = () => {
  const config = { ...RECIPES.reference.config, batch: 3 };
  return createModel(config, [...DOCS], new PythonRandom(1));
};

Deno.test("Probe names each text with its own share of the gradient", () => {
  for (const label of ["wte[2][4]", "wte[1][0]", "lm_head[0][0]"]) {
    const m = small();
    const p = m.params[locate(m, label)];
    const expected = m.docs.map((doc): [string, number] => {
      p.grad = 0;
      loss(m, doc).over(3).backward(); // this text alone
      return [doc, p.grad];
    }).filter(([, share]) => share !== 0);
    m.params.forEach((p) => p.grad = 0);
    const { shares } = watch(m, label);
    assertEquals(shares.map(([doc]) => doc), expected.map(([doc]) => doc));
    shares.forEach(([, share], i) =>
      assertAlmostEquals(share, expected[i][1], 1e-16)
    );
  }
});

Deno.test("Probe begins anew with every step", () => {
  const m = small();
  const probe = new Probe(m, "wte[2][4]"); // the c of cab
  for (const _ of [1, 2]) {
    train(m, probe.watch).next();
    const { shares, gradient } = probe.report();
    assertEquals(shares, [["cab", gradient]]);
  }
});

Deno.test("Probe gives a character that no text has a gradient of exactly 0", () => {
  const report = watch(model(), "wte[9][5]"); // j, and the first eight have none
  assertEquals([report.gradient, report.to - report.from], [0, 0]);
  assertEquals(describe(report)[1], "    gradient 0, no text moves it");
});

Deno.test("describe() tells value, gradient, shares, moments and update", () => {
  assertEquals(
    describe({
      label: "wte[1][2]",
      from: 0.5,
      gradient: 3,
      shares: [["ada", 1], ["alan", 2]],
      m: 4,
      v: 5,
      to: 0.25,
    }),
    [
      "  wte[1][2] = 0.5",
      "    gradient 3",
      "      from ada: 1",
      "      from alan: 2",
      "    moments m 4, v 5",
      "    update -0.25, to 0.25",
    ],
  );
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
