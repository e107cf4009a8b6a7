import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ALL, draw, splitmix64 } from "./questions.ts";
import { solution } from "./answers.ts";
import { HELP, parseOptions, USAGE } from "./quiz.ts";

Deno.test("parseOptions() of nothing is three questions in ten seconds, and any seed", () => {
  assertEquals(parseOptions([]), { help: false, questions: 3, seconds: 10 });
});

Deno.test("parseOptions() reads every flag, and every digit of a seed", () => {
  const digits = "123456789012345678901234567890";
  const args = `--questions 5 --seconds 7.5 --seed=-${digits} --help`;
  assertEquals(parseOptions(args.split(" ")), {
    help: true,
    questions: 5,
    seconds: 7.5,
    seed: -BigInt(digits),
  });
});

const ERRORS: [args: string, error: typeof Error, message: string][] = [
  ["--questions 0", RangeError, `a whole number from 1 to ${ALL}, got 0`],
  ["--questions 1.5", SyntaxError, `from 1 to ${ALL}, got "1.5"`],
  ["--questions=-3", SyntaxError, `from 1 to ${ALL}, got "-3"`],
  [`--questions ${ALL + 1}`, RangeError, `1 to ${ALL}, got ${ALL + 1}`],
  ["--questions NaN", SyntaxError, 'got "NaN"'],
  ["--seconds -1", SyntaxError, "Unknown argument -1; write --flag=-1"],
  ["--seconds=-1", SyntaxError, '--seconds needs a number above 0, got "-1"'],
  ["--seconds 0", RangeError, "--seconds needs a number above 0, got 0"],
  ["--seconds NaN", SyntaxError, '--seconds needs a number above 0, got "NaN"'],
  ["--seconds 1e999", RangeError, "a number above 0, got Infinity"],
  ["--seconds 0x10", SyntaxError, 'a number above 0, got "0x10"'],
  ["--seed 1.5", SyntaxError, '--seed needs an integer, got "1.5"'],
  ["--seed x", SyntaxError, '--seed needs an integer, got "x"'],
  ["--seed", SyntaxError, "--seed needs a value"],
  ["--questions --seed 1", SyntaxError, "--questions needs a value"],
  ["--sed 1", SyntaxError, "Unknown argument --sed"],
  ["--__proto__ 1", SyntaxError, "Unknown argument --__proto__"],
  ["13", SyntaxError, "Unknown argument 13"],
  ["-- 13", SyntaxError, "Unknown argument 13"],
];
for (const [args, error, message] of ERRORS) {
  Deno.test(`parseOptions() of ${args} is an error, not a guess`, () => {
    assertThrows(() => parseOptions(args.split(" ")), error, message);
  });
}

const granted = (["run", "read"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);
const SCRIPT = new URL("quiz.ts", import.meta.url);
const env = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** A test of quiz.ts as a program. */
function testProgram(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: granted ? name : `needs --allow-all, so not tested here: ${name}`,
    ignore: !granted,
    fn,
  });
}

/** Runs quiz.ts without any permission, and with `input` from a pipe. */
async function run(input: string, ...args: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", SCRIPT.href, ...args],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out, err };
}

testProgram(
  "quiz.ts takes its answers from a pipe, one a line, and exits 0",
  async () => {
    const [first, second, third] = draw(3, splitmix64(3n));
    const input = `${solution(first)}\r\nnonsense\n`;
    const { code, out, err } = await run(input, "--seed", "3");
    const lines = out.split("\n");
    assertEquals(
      lines.slice(0, 7),
      [
        first.text,
        "  right",
        second.text,
        `  wrong: ${solution(second)}`,
        third.text,
        "",
        "1 right in time, 0 right but late, 1 wrong, 1 unanswered; seed 3",
      ],
    );
    assertEquals([code, err, out.includes("\x1b")], [0, "", false]);
  },
);

testProgram(
  "quiz.ts names its seed, and that seed asks the same again",
  async () => {
    const { out } = await run("\n\n\n");
    const [, seed] = /; seed (\d+)\n/.exec(out) ?? [];
    const again = await run("\n\n\n", "--seed", seed);
    const untimed = (text: string) => text.split("; seed")[0];
    assertEquals(untimed(again.out), untimed(out));
  },
);

testProgram(
  "quiz.ts --help is on stdout; a bad argument two lines on stderr, exit 2",
  async () => {
    assertEquals(await run("", "--help"), {
      code: 0,
      out: `${HELP}\n`,
      err: "",
    });
    assertEquals(await run("", "--questions", "0"), {
      code: 2,
      out: "",
      err:
        `--questions needs a whole number from 1 to ${ALL}, got 0\n${USAGE}\n`,
    });
  },
);

testProgram("quiz.ts says nothing when nobody reads any more", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", SCRIPT.href],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("1\n1\n1\n")).catch(() => {});
  await writer.close().catch(() => {});
  const stderr = await new Response(child.stderr).text();
  const { code } = await child.status;
  assertEquals([code, stderr], [141, ""]);
});

const hasScript = granted && Deno.build.os === "linux" &&
  await new Deno.Command("script", {
    args: ["--version"],
    stdout: "null",
    stderr: "null",
  }).output().then(({ success }) => success, () => false);

/** Plays on a pseudo-terminal, with keys once a text is shown; then asks stty. */
async function playOnTerminal(...steps: [shown: string, keys: string][]) {
  const quiz = `"${Deno.execPath()}" run --no-prompt "${SCRIPT.href}"`;
  const command = `${quiz} --seed 3 --seconds 600; echo "code $?"; stty -a`;
  const child = new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const decoder = new TextDecoder();
  let shown = "";
  for await (const bytes of child.stdout) {
    shown += decoder.decode(bytes, { stream: true });
    if (steps.length > 0 && shown.includes(steps[0][0])) {
      await writer.write(new TextEncoder().encode(steps.shift()![1]));
    }
    if (/code \d+[^]*echoprt/.test(shown)) break;
  }
  await writer.close().catch(() => {});
  await child.status;
  return shown;
}

const ENDINGS: [name: string, key: string, code: number][] = [
  ["Ctrl-C", "\x03", 130],
  ["Ctrl-D", "\x04", 0],
];
for (const [name, key, code] of ENDINGS) {
  Deno.test({
    name: hasScript
      ? `quiz.ts counts down on a terminal, and ${name} puts it back and shows the score`
      : `needs --allow-all and the command script, so not tested here: ${name}`,
    ignore: !hasScript,
    async fn() {
      const [first] = draw(3, splitmix64(3n));
      const shown = await playOnTerminal(
        ["600 s ", solution(first) + "\r"],
        ["\n  ", key], // what is said of the answer
      );
      assertStringIncludes(shown, "\r\x1b[K");
      assertStringIncludes(
        shown,
        `${first.text} ${solution(first)}\r\n  right\r\n`,
      );
      assertStringIncludes(
        shown,
        "1 right in time, 0 right but late, 0 wrong, 2",
      );
      assertStringIncludes(shown, `code ${code}`);
      const settings = shown.split(/code \d+/)[1].split(/[\s;]+/);
      for (const setting of ["icanon", "echo", "isig", "icrnl"]) {
        assert(settings.includes(setting), `${setting} is off`);
      }
    },
  });
}
