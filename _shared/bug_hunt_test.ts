import { assertEquals, assertThrows } from "@std/assert";
import { applyBug, type Bug, hunt, type Verdict } from "./bug_hunt.ts";

const bug = (edit: Partial<Bug>): Bug => ({
  file: "double.ts",
  name: "adds one",
  find: "x * 2",
  replace: "x + 1",
  hint: "",
  ...edit,
});

Deno.test("applyBug() takes the replacement as it is, dollar signs too", () => {
  assertEquals(applyBug("a x * 2 b", bug({ replace: "$& $1" })), "a $& $1 b");
});

Deno.test("applyBug() refuses an edit that applies nowhere, or twice", () => {
  for (const [script, n] of [["x + x", 0], ["x * 2 * x * 2", 2]] as const) {
    assertThrows(
      () => applyBug(script, bug({})),
      RangeError,
      `its edit applies in ${n} places, not in one`,
    );
  }
});

const { state } = Deno.permissions.querySync({ name: "run" });
Deno.test({
  name: state === "granted"
    ? "hunt() tells a caught bug from one that survives, or is not tested"
    : "hunt() needs --allow-all, so it is not tested here",
  ignore: state !== "granted",
  async fn() {
    const root = await Deno.makeTempDir();
    const bugs: [bug: Bug, verdict: Omit<Verdict, "label">][] = [
      [bug({}), { red: ["double() of 3 is 6"] }],
      [
        bug({ name: "survives", replace: "x + x" }),
        { red: [], problem: "survives 2 green tests" },
      ],
      [
        bug({ name: "leaks", replace: "(setInterval(() => {}, 1), x * 2)" }),
        { red: ["double() of 3 is 6", "double() of 1 is 2"] },
      ],
      [
        bug({ name: "is no program", replace: "x *" }),
        { red: [], problem: "its tests end without a verdict" },
      ],
      [
        bug({ name: "is stale", find: "x * 3" }),
        { red: [], problem: "its edit applies in 0 places, not in one" },
      ],
    ];
    try {
      await Deno.mkdir(`${root}/chapter`);
      const write = (name: string, text: string) =>
        Deno.writeTextFile(`${root}/chapter/${name}`, text);
      await write("deno.json", "{}");
      await write("double.ts", "export const double = (x: number) => x * 2;");
      await write(
        "double_test.ts",
        `import { double } from "./double.ts";
         const check = (x: number, y: number) => {
           if (double(x) !== y) throw new Error("wrong");
         };
         Deno.test("double() of 3 is 6", () => check(3, 6));
         Deno.test("double() of 1 is 2", () => check(1, 2));`,
      );
      await write(
        "bugs.ts",
        `export const bugs = ${JSON.stringify(bugs.map(([bug]) => bug))};`,
      );
      const verdicts = await hunt(root, "chapter", () => {});
      const byLabel = Object.fromEntries(
        verdicts.map(({ label, ...rest }) => [label, rest]),
      );
      assertEquals(byLabel["chapter/double.ts"], { red: [] });
      for (const [{ name }, verdict] of bugs) {
        assertEquals(byLabel[`chapter/double.ts: ${name}`], verdict);
      }
      assertEquals((await hunt(root, "stale", () => {})).length, 2);
      for (const { label, red, problem } of await hunt(root, "", () => {})) {
        const all = byLabel[label];
        assertEquals([red, problem], [all.red.slice(0, 1), all.problem]);
      }
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});
