#!/usr/bin/env -S deno run --allow-all
/**
 * Applies every well-known bug of every chapter to a copy of its script, runs
 * the script's own tests there, and expects some of them to turn red.
 *
 * It is a failure if the tests of an unchanged copy are not green, if a bug
 * survives, if its edit applies nowhere or twice, or if the tests of the changed
 * script end without a verdict, because then nothing was tested.
 *
 * Run: `deno task bugs [FILTER]`, a part of "chapter/file: name". With a filter
 * every test that turns red is named, without one only the first.
 * @module
 */
import { cp } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A mistake that people make, as an edit of the right script. */
export interface Bug {
  /** The script, in the folder of the `bugs.ts` that lists it. */
  file: string;
  /** What is wrong, as one would say it. */
  name: string;
  /** A text that stands in the script exactly once, and what to put there. */
  find: string;
  replace: string;
  /** A question that leads a learner to the mistake. */
  hint: string;
}

/** What the tests of one copy said. */
export interface Verdict {
  /** "chapter/file: name", or "chapter/file" for the unchanged copy. */
  label: string;
  /** The names of the tests that turned red. */
  red: string[];
  /** Why the hunt fails here; undefined if all is well. */
  problem?: string;
}

/** How long the tests of one copy may take, in ms. */
const LIMIT = 120_000;

/** Puts the bug into the script. @throws {RangeError} unless it applies once */
export function applyBug(script: string, { find, replace }: Bug): string {
  const places = script.split(find).length - 1;
  if (places !== 1) {
    throw new RangeError(`its edit applies in ${places} places, not in one`);
  }
  return script.replace(find, () => replace);
}

/** Lists the chapters of `root` that have a `bugs.ts`, with their bugs. */
export async function readBugs(root: string): Promise<Map<string, Bug[]>> {
  const chapters = new Map<string, Bug[]>();
  const folders = [...Deno.readDirSync(root)].filter((e) => e.isDirectory);
  for (const { name } of folders.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const files = [...Deno.readDirSync(`${root}/${name}`)];
    if (!files.some((file) => file.name === "bugs.ts")) continue;
    const url = pathToFileURL(`${root}/${name}/bugs.ts`).href;
    chapters.set(name, (await import(url)).bugs);
  }
  return chapters;
}

/** Hunts the bugs whose label contains `filter`, several at a time. */
export async function hunt(
  root: string,
  filter: string,
  report: (verdict: Verdict) => void,
): Promise<Verdict[]> {
  const jobs: (() => Promise<Verdict>)[] = [];
  for (const [chapter, bugs] of await readBugs(root)) {
    const folder = `${root}/${chapter}`;
    const wanted = bugs.filter(({ file, name }) =>
      `${chapter}/${file}: ${name}`.includes(filter)
    );
    for (const file of new Set(wanted.map((bug) => bug.file))) {
      jobs.push(() => check(folder, file, `${chapter}/${file}`));
    }
    for (const bug of wanted) {
      const label = `${chapter}/${bug.file}: ${bug.name}`;
      jobs.push(() => check(folder, bug.file, label, bug, filter === ""));
    }
  }
  const verdicts: Verdict[] = [];
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const verdict = await job();
      verdicts.push(verdict);
      report(verdict);
    }
  };
  await Promise.all(Array.from(
    { length: navigator.hardwareConcurrency },
    worker,
  ));
  return verdicts;
}

/**
 * Tests a copy of `folder`, with `bug` in `file` if there is one.
 * @param brief stops at the first test that is red
 */
async function check(
  folder: string,
  file: string,
  label: string,
  bug?: Bug,
  brief = false,
): Promise<Verdict> {
  const copy = await Deno.makeTempDir({ prefix: "bug_hunt_" });
  try {
    await cp(folder, copy, { recursive: true });
    await copySanitizers(copy);
    if (bug) {
      const script = await Deno.readTextFile(`${copy}/${file}`);
      await Deno.writeTextFile(`${copy}/${file}`, applyBug(script, bug));
    }
    const { green, red, done } = await runTests(copy, file, brief);
    if (!done) {
      return { label, red, problem: "its tests end without a verdict" };
    }
    if (bug && red.length === 0) {
      return { label, red, problem: `survives ${green} green tests` };
    }
    if (!bug && (red.length > 0 || green === 0)) {
      return { label, red, problem: "its own tests are not green" };
    }
    return { label, red };
  } catch (error) {
    return { label, red: [], problem: (error as Error).message };
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** Lets the copy's tests notice what they leak, as those of the workshop do. */
async function copySanitizers(copy: string): Promise<void> {
  const path = `${copy}/deno.json`;
  const config = JSON.parse(await Deno.readTextFile(path));
  config.test = { sanitizeOps: true, sanitizeResources: true };
  await Deno.writeTextFile(path, JSON.stringify(config));
}

/** Runs the tests of one script, up to the first red one if `brief`; counts them. */
export async function runTests(folder: string, file: string, brief = false) {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ..."test --allow-all --no-check --no-lock --reporter=tap".split(" "),
      ...(brief ? ["--fail-fast"] : []),
      file.replace(/\.ts$/, "_test.ts"),
    ],
    cwd: folder,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => process.kill("SIGKILL"), LIMIT);
  const { stdout } = await process.output();
  clearTimeout(timer);
  const lines = new TextDecoder().decode(stdout).split("\n");
  const red = lines.flatMap((line) =>
    /^not ok \d+ - (.*)/.exec(line)?.[1] ?? []
  );
  const green = lines.filter((line) => /^ok \d+ - /.test(line)).length;
  return { red, green, done: lines.some((line) => /^1\.\.[1-9]/.test(line)) };
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const filter = Deno.args[0] ?? "";
  const verdicts = await hunt(root, filter, ({ label, red, problem }) => {
    console.log(problem ? `FAILED ${label}: ${problem}` : label);
    red.forEach((test) => console.log(`  red: ${test}`));
  });
  if (verdicts.length === 0) {
    console.error(`No bug has "${filter}" in its chapter, file or name`);
    Deno.exit(2);
  }
  const failed = verdicts.filter((verdict) => verdict.problem).length;
  const bugs = verdicts.filter(({ label }) => label.includes(": ")).length;
  console.log(
    `${bugs} bugs hunted: ${verdicts.length - failed} passed, ${failed} failed`,
  );
  Deno.exit(failed > 0 ? 1 : 0);
}
