import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("..", import.meta.url);
const { state } = Deno.permissions.querySync({ name: "read", path: ROOT });
const readable = state === "granted";
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

/** Every TypeScript file of the chapters and of `_shared`, from the root. */
const files: string[] = [];
/** The chapters, in order. */
const chapters: string[] = [];
if (readable) {
  for (const { name, isDirectory } of Deno.readDirSync(ROOT)) {
    if (!isDirectory || !/^(\d\d_|_shared)/.test(name)) continue;
    if (name !== "_shared") chapters.push(name);
    list(name);
  }
}
function list(folder: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    const path = `${folder}/${name}`;
    if (isDirectory) list(path);
    else if (name.endsWith(".ts")) files.push(path);
  }
}
chapters.sort();
files.sort();
const inChapter = (file: string) => !file.startsWith("_shared/");
const isScript = (file: string) =>
  inChapter(file) && !/(_test|_bench|\/bugs|\.d)\.ts$/.test(file);
const scripts = files.filter(isScript);

/** Runs `check` on every path; the first failure names it. */
function each(name: string, paths: string[], check: (path: string) => void) {
  Deno.test({
    name: readable ? name : `${name}: not checked without --allow-read`,
    ignore: !readable,
    fn: () => {
      assert(paths.length > 0);
      paths.forEach(check);
    },
  });
}

each(
  "every chapter has a README, an import map, and a row in the README",
  chapters,
  (chapter) => {
    assert(read(`${chapter}/README.md`).trim(), chapter);
    assert(read(`${chapter}/deno.json`), chapter);
    assert(read("README.md").includes(`](${chapter}/README.md)`), chapter);
  },
);

each("every script has a test", scripts, (script) => {
  assert(files.includes(script.replace(/\.ts$/, "_test.ts")), script);
});
each("every test and every bench has its script", files, (file) => {
  const [, name, kind] = /^(.*)_(test|bench)\.ts$/.exec(file) ?? [];
  if (!kind || file === "_shared/layout_test.ts") return;
  // A bench may be of several scripts whose names begin alike.
  const found = kind === "bench"
    ? scripts.some((script) => script.startsWith(name))
    : files.includes(`${name}.ts`);
  assert(found, `${file} has no script`);
});

each(
  "every script has a row with its run line in its chapter's README",
  scripts,
  (script) => {
    const [chapter, name] = script.split("/");
    const row = read(`${chapter}/README.md`).split("\n")
      .find((row) => row.startsWith(`| [${name}](${name})`)) ?? "";
    assert(/`deno run [^`]*`/.exec(row)?.[0].includes(name), script);
  },
);

each(
  "every script opens with a shebang and a module doc that asks its question",
  scripts,
  (script) => {
    const text = read(script);
    assert(text.startsWith("#!/usr/bin/env -S deno run"), script);
    const doc = /^\/\*\*\n \* Q\. .+?\n \*\/$/ms.exec(text)?.[0] ?? "";
    assertEquals(text.indexOf(doc), text.indexOf("\n") + 1, script);
    for (const part of ["\n * A. ", "\n * Run: `deno run ", "\n * @module\n"]) {
      assert(doc.includes(part), `${script} has no${part}`);
    }
  },
);

each(
  "no script and no test imports outside its folder",
  files.filter(inChapter),
  (file) => {
    const [chapter] = file.split("/");
    const text = read(file); // formatted, so each import ends its line
    for (
      const [, from] of [
        ...text.matchAll(/\bfrom "([^"]+)"(?: with \{.*\})?;$/gm),
        ...text.matchAll(/\bimport\(?\s*["'`]([^"'`]+)/g),
      ]
    ) {
      const bench = file.endsWith("_bench.ts");
      const path = new URL(from, `file:///${file}`).pathname;
      const inside = /^\.{1,2}\//.test(from)
        ? path.startsWith(`/${chapter}/`) ||
          bench && path.startsWith("/_shared/")
        : /^(@std\/|node:|fast-check$)/.test(from) ||
          bench && from in JSON.parse(read(`${chapter}/deno.json`)).imports;
      assert(inside, `${file} imports ${from}`);
    }
  },
);

each(
  "only `_test.ts` files of a chapter import fast-check",
  files.filter(inChapter),
  (file) => {
    assert(
      file.endsWith("_test.ts") || !read(file).includes('"fast-check"'),
      file,
    );
  },
);

each(
  "no file but a catalogue of bugs is longer than 400 lines, and microgpt.ts not than 250",
  files.filter((file) => !file.endsWith("/bugs.ts")),
  (file) => {
    const lines = read(file).split("\n").length - 1;
    assert(
      lines <= (file.endsWith("/microgpt.ts") ? 250 : 400),
      `${file}: ${lines}`,
    );
  },
);

each(
  "every link to a line leads to the line that it names",
  chapters,
  (chapter) => {
    const links = read(`${chapter}/README.md`).matchAll(
      /\[`([^`]+)`\]\((\w+\.ts)#L(\d+)\)/g,
    );
    for (const [link, name, file, line] of links) {
      const text = read(`${chapter}/${file}`).split("\n")[Number(line) - 1] ??
        "";
      assert(text.includes(name), `${chapter}/README.md: ${link} is "${text}"`);
    }
  },
);
