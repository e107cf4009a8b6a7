#!/usr/bin/env -S deno run --allow-all
/**
 * Lets you write a script again, from memory and against the clock: puts a copy of
 * its chapter into `practice/`, in which the script has only its question, its types
 * and its exported signatures, and runs the script's own tests each time you save.
 *
 * A file that is there already is gone on with. The clock ends nothing: it only says
 * when the time is up.
 *
 * Run: `deno task practice FILE [--minutes 15] [--into practice]`, FILE as in
 * 07_ml_primitives/softmax.ts
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { runTests } from "./bug_hunt.ts";

/** What stands in place of each body. */
const BODY = '{ throw new Error("Not written yet"); }';

/** A script without its answer: question, types and signatures. */
export function blank(script: string): string {
  const head = /^.*? \* @module\n \*\/\n/s.exec(script)?.[0] ?? "";
  const code = script.slice(head.length);
  const { statements } = ts.createSourceFile(
    "",
    code,
    ts.ScriptTarget.Latest,
    true,
  );
  const edits = statements.filter(isShown).flatMap(withoutBodies);
  let hidden = statements.filter((node) => !isShown(node));
  const result = () => apply(code, [...edits, ...hidden.map(without)]);
  // What is not exported is shown only if something that is shown names it.
  for (let named = hidden; named.length > 0;) {
    const words = new Set(withoutComments(result()).match(/[\w$]+/g));
    named = hidden.filter((node) => namesOf(node).some((n) => words.has(n)));
    edits.push(...named.flatMap(withoutBodies));
    hidden = hidden.filter((node) => !named.includes(node));
  }
  const question = head
    .replace(/^ \* A\. .*?(?=^ \* (Shapes:|Run:))/ms, "")
    .replace(/^ \* (Time|Trap:|Left out:|Source:).*?(?=^ \* Run:)/ms, "");
  return `${question}${result().replaceAll(/\n{3,}/g, "\n\n").trimEnd()}\n`;
}

/** A part of a text, and what is to stand there. */
interface Edit {
  from: number;
  to: number;
  text: string;
}

function apply(text: string, edits: Edit[]): string {
  return edits.toSorted((a, b) => b.from - a.from).reduce(
    (done, { from, to, text }) => done.slice(0, from) + text + done.slice(to),
    text,
  );
}

const withoutComments = (code: string) =>
  code.replaceAll(/\/\*.*?\*\/|\/\/.*?$/gms, "");

/** Takes a node out, and the comment above it. */
const without = (node: ts.Node): Edit => (
  { from: node.getFullStart(), to: node.end, text: "" }
);

/** Imports, exports and types. */
const isShown = (node: ts.Statement) =>
  ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ||
  ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) ||
  hasModifier(node, ts.SyntaxKind.ExportKeyword);

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) &&
    !!ts.getModifiers(node)?.some((modifier) => modifier.kind === kind);
}

/** The names that a statement declares. */
function namesOf(node: ts.Statement): string[] {
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.flatMap(({ name }) =>
      name.getText().match(/[\w$]+/g) ?? []
    );
  }
  return ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)
    ? [node.name?.text ?? ""]
    : [];
}

/** Empties bodies and long texts, as of kernels, and hides what is private. */
function withoutBodies(node: ts.Node): Edit[] {
  if (ts.isClassElement(node) && isPrivate(node)) return [without(node)];
  if (ts.isClassDeclaration(node)) return node.members.flatMap(withoutBodies);
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.flatMap(withoutBodies);
  }
  if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node)) {
    return node.initializer ? withoutBodies(node.initializer) : [];
  }
  const part = ts.isFunctionLike(node) && "body" in node
    ? node.body as ts.Node | undefined
    : ts.isTemplateLiteral(node) && node.getText().includes("\n")
    ? node
    : undefined;
  if (!part) return [];
  const text = part === node ? '""' : BODY;
  return [{ from: part.getStart(), to: part.end, text }];
}

const isPrivate = (node: ts.ClassElement) =>
  hasModifier(node, ts.SyntaxKind.PrivateKeyword) ||
  !!node.name && ts.isPrivateIdentifier(node.name);

/**
 * Makes the exercise, unless it is there.
 * @param file of the workshop at `root`, as in 07_ml_primitives/softmax.ts
 * @returns the folder that holds it, and whether it is new
 * @throws {RangeError} if there is no such script with a test
 */
export async function prepare(root: string, file: string, into: string) {
  const [, chapter, name] = /^(\d\d_\w+)\/(\w+)\.ts$/.exec(file) ?? [];
  const test = `${root}/${chapter}/${name}_test.ts`;
  if (!chapter || !await exists(`${root}/${file}`) || !await exists(test)) {
    throw new RangeError(
      `No script with a test is called ${file}: needs one as in 07_ml_primitives/softmax.ts`,
    );
  }
  const folder = `${into}/${chapter}/${name}`;
  const isNew = !await exists(`${folder}/${name}.ts`);
  if (isNew) {
    const script = await Deno.readTextFile(`${root}/${file}`);
    await cp(`${root}/${chapter}`, folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/${name}.ts`, blank(script));
    await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", `${folder}/${name}.ts`],
    }).output();
  }
  return { folder, isNew };
}

const exists = (path: string) =>
  Deno.stat(path).then((found) => found.isFile, () => false);

/** Runs the tests at each save until all are green, and says how far it is. */
export async function watch(
  folder: string,
  name: string,
  minutes: number,
  say: (line: string) => void,
): Promise<void> {
  const start = Date.now();
  const clock = () => {
    const seconds = Math.floor((Date.now() - start) / 1000);
    return `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, "0")}`;
  };
  const timer = setTimeout(
    () => say(`${clock()}  the time is up; the exercise goes on`),
    minutes * 60_000,
  );
  const watcher = Deno.watchFs(`${folder}/${name}.ts`);
  try {
    let tested = "";
    const step = async () => {
      const text = await Deno.readTextFile(`${folder}/${name}.ts`);
      // A save may be several events, and a first one may find the file still empty.
      if (text === tested || text === "") return false;
      tested = text;
      const { green, red, done } = await runTests(folder, `${name}.ts`);
      const all = green + red.length;
      say(
        done
          ? `${clock()}  ${green} of ${all} tests pass` +
            (red.length > 0 ? `; red: ${red[0]}` : "")
          : `${clock()}  the tests do not run: ${await reason(folder, name)}`,
      );
      return done && red.length === 0;
    };
    if (await step()) return;
    for await (const _ of watcher) if (await step()) return;
  } finally {
    watcher.close();
    clearTimeout(timer);
  }
}

/** Why the tests do not even load. The reporter of the tests keeps that to itself. */
async function reason(folder: string, name: string): Promise<string> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", `${folder}/${name}_test.ts`],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const lines = new TextDecoder().decode(stderr);
  return /^error: (?:Uncaught (?:\(in promise\) )?)?(.*)/m.exec(lines)?.[1] ??
    "they take too long";
}

const USAGE = "Usage: deno task practice FILE [--minutes 15] [--into practice]";

if (import.meta.main) {
  const root = fileURLToPath(new URL("..", import.meta.url)).slice(0, -1);
  const options = parseArgs(Deno.args, {
    string: ["minutes", "into"],
    unknown: (name, key) => !key || fail(`Unknown option ${name}`),
  });
  const [file, ...more] = options._.map(String);
  const minutes = Number(options.minutes ?? 15);
  const into = String(options.into ?? `${root}/practice`);
  if (file === undefined || more.length > 0) fail("Needs one FILE");
  if (!(minutes > 0 && minutes < 1000)) {
    fail(`Cannot time ${options.minutes} minutes: needs from 0 to 1000`);
  }
  try {
    const { folder, isNew } = await prepare(root, file, into);
    const name = file.replace(/^.*\/|\.ts$/g, "");
    console.log(`${isNew ? "Write" : "Go on with"} ${folder}/${name}.ts`);
    console.log(`${minutes} minutes from now. Each save runs its tests.`);
    await watch(folder, name, minutes, console.log);
    console.log(`Done. Compare with ${file}.`);
  } catch (error) {
    fail((error as Error).message);
  }
}

function fail(line: string): never {
  console.error(`${line}\n${USAGE}`);
  Deno.exit(2);
}
