import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import * as microgpt from "./microgpt.ts";
import { parseOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { Interrupted, learn, type World, write } from "./train.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Runs a command line in a world of its own; returns its lines. */
async function lines(args: string[], world: Partial<World> = {}) {
  const printed: string[] = [];
  const run = await prepare(parseOptions(args));
  const whole: World = {
    print: (line) => printed.push(line),
    progress: () => {},
    now: () => 0,
    stopped: () => false,
    ...world,
  };
  await learn(run, whole);
  write(run, whole);
  return printed;
}

// stdout of the reference program in CPython 3.11 on this folder's names.txt
const REFERENCE = `Number of docs: 2909
Vocab size: 27
Number of parameters: 4192
Step 1/20, Loss: 3.3389
Step 2/20, Loss: 3.3304
Step 3/20, Loss: 3.1691
Step 4/20, Loss: 3.0816
Step 5/20, Loss: 3.1913
Step 6/20, Loss: 2.9816
Step 7/20, Loss: 2.9320
Step 8/20, Loss: 2.7082
Step 9/20, Loss: 2.8834
Step 10/20, Loss: 2.8649
Step 11/20, Loss: 2.6840
Step 12/20, Loss: 2.6702
Step 13/20, Loss: 2.6349
Step 14/20, Loss: 2.3810
Step 15/20, Loss: 2.5415
Step 16/20, Loss: 2.8562
Step 17/20, Loss: 2.6027
Step 18/20, Loss: 2.6810
Step 19/20, Loss: 2.6667
Step 20/20, Loss: 3.0233

Generated names:
keaia
felia
da
le
yaa
be
telia
maa
ve
xra`;

Deno.test("learn() prints what the reference program prints in CPython", async () => {
  assertEquals((await lines([])).join("\n"), REFERENCE);
});

Deno.test("learn() prints the loss of a step before its update, not after", async () => {
  const args = "--steps 2 --batch 1 --samples 0".split(" ");
  const { model } = await prepare(parseOptions(args));
  const [first, second] = [...microgpt.train(model)];
  assertEquals((await lines(args)).slice(3, 5), [
    `Step 1/2, Loss: ${first.toFixed(4)}`,
    `Step 2/2, Loss: ${second.toFixed(4)}`,
  ]);
});

Deno.test("learn() of no step samples from the weights as they were drawn", async () => {
  const printed = await lines("--steps 0 --samples 2 --block 4".split(" "));
  assertEquals(printed.length, 3 + 1 + 2);
  assertEquals(printed[3], "\nGenerated names:");
});

Deno.test("write() begins every text with the prefix", async () => {
  const printed = await lines("--steps 1 --batch 1 --prefix har".split(" "));
  assertEquals(
    printed.slice(-10).every((text) => text.startsWith("har")),
    true,
  );
});

Deno.test("learn() reports step, loss, tokens a second and the time left", async () => {
  const shown: string[] = [];
  const args = "--steps 3 --batch 1 --samples 0 --block 4".split(" ");
  let clock = 0;
  const progress = (line: string) => shown.push(line);
  const printed = await lines(args, { progress, now: () => clock += 500 });
  const losses = printed.slice(3, 6).map((line) => line.split(": ")[1]);
  // Each step is of 4 tokens and the clock moves 0.5 s whenever it is read.
  assertEquals(shown.filter(Boolean), [
    `step 1/3  loss ${losses[0]}  4 tokens/s  2 s left`,
    `step 2/3  loss ${losses[1]}  5 tokens/s  1 s left`,
    `step 3/3  loss ${losses[2]}  6 tokens/s  0 s left`,
  ]);
  assertEquals(shown.at(-1), "");
});

Deno.test("learn() prints what --inspect asked for below each step", async () => {
  const args = "--steps 2 --batch 1 --samples 0 --inspect lm_head[0][0]";
  const printed = (await lines(args.split(" "))).slice(3, -1);
  const kinds = printed.map((line) => /^ *[A-Za-z]+/.exec(line)?.[0].trim());
  const step = ["Step", "lm", "gradient", "from", "moments", "update"];
  assertEquals(kinds, [...step, ...step]);
});

Deno.test("write() draws at the temperature asked for", async () => {
  const plan = "--steps 0 --samples 20 --block 8".split(" ");
  const [cold, hot] = await Promise.all(
    ["0", "9"].map((temperature) =>
      lines([...plan, "--temperature", temperature])
    ),
  );
  assertEquals(new Set(cold.slice(4)).size, 1);
  assertEquals(new Set(hot.slice(4)).size > 10, true);
});

Deno.test("learn() ends when the loss is no number, before it is printed", async () => {
  const args = "--recipe karpathy --steps 20 --lr 1e5".split(" ");
  const printed: string[] = [];
  const print = (line: string) => printed.push(line);
  const error = await assertRejects(() => lines(args, { print }), RangeError);
  assertStringIncludes(error.message, "where the loss is Infinity: lower --lr");
  assertEquals(printed.some((line) => /NaN|Infinity/.test(line)), false);
});

Deno.test("learn() ends when it diverges, before the next step", async () => {
  await assertRejects(
    () => lines("--steps 9 --batch 1 --lr 1e300".split(" ")),
    RangeError,
    "Training diverged at step 2 of 9, where the loss is ",
  );
});

/** The texts that Karpathy's program and the goldens below are about. */
const { state } = Deno.permissions.querySync({
  name: "env",
  variable: "MAKEMORE_NAMES",
});
const makemore = state === "granted" && Deno.env.get("MAKEMORE_NAMES");

/** A test on makemore's names.txt, which this project does not contain. */
function testMakemore(name: string, fn: (path: string) => Promise<void>) {
  Deno.test({
    name: makemore
      ? name
      : `needs MAKEMORE_NAMES=path/to/names.txt and --allow-all: ${name}`,
    ignore: !makemore,
    fn: () => fn(makemore as string),
  });
}

testMakemore(
  "20 steps on makemore's names have CPython's losses to 1e-9",
  async (path) => {
    // The reference program with random.seed(42), loss.data at full precision
    // deno-fmt-ignore
    const golden = [
    3.280918647392335, 3.2279950861852362, 3.178901403167824, 3.1100413231865476,
    3.0133602238199084, 2.961201033271825, 2.8968931912021163, 2.9498909064370418,
    2.8648577388801018, 2.7224251277104803, 2.7154264758925386, 2.8193489948623554,
    2.8031103746964745, 2.5612738241097976, 2.751983498900559, 2.5665090103258295,
    2.814187906748617, 2.8311957256508555, 2.6414440970831246, 2.675197222778226,
  ];
    const { model } = await prepare(parseOptions(["--names", path]));
    [...microgpt.train(model)].forEach((mean, i) =>
      assertAlmostEquals(mean, golden[i], 1e-9 * golden[i])
    );
  },
);

testMakemore(
  "the recipe of Karpathy gives the losses and names he published",
  async (path) => {
    // https://karpathy.github.io/2026/02/12/microgpt/
    // deno-fmt-ignore
    const losses = [
    3.3660, 3.4243, 3.1778, 3.0664, 3.2209, 2.9452, 3.2894, 3.3245, 2.8990,
    3.2229, 2.7964, 2.9345, 3.0544,
  ];
    const names = "kamon ann karai jaire vialan karia yeran anna areli kaina " +
      "konna keylen liole alerin earan lenne kana lara alela anton";
    const printed = await lines(["--names", path, "--recipe", "karpathy"]);
    losses.forEach((loss, i) =>
      assertStringIncludes(printed[3 + i], `Loss: ${loss.toFixed(4)}`)
    );
    assertEquals(printed.slice(-20).join(" "), names);
  },
);

const granted = (["run", "read", "write"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

/** A test with a folder of its own, and microgpt.ts as a program in it. */
function testProgram(
  name: string,
  fn: (run: (line: string) => Deno.Command, folder: string) => Promise<void>,
) {
  const script = new URL("microgpt.ts", import.meta.url);
  Deno.test({
    name: granted ? name : `needs --allow-all, so not tested here: ${name}`,
    ignore: !granted,
    async fn() {
      const folder = await Deno.makeTempDir();
      const run = (line: string) => {
        const [flags, args] = line.split("microgpt.ts").map((part) =>
          part.split(" ").filter(Boolean)
        );
        return new Deno.Command(Deno.execPath(), {
          args: ["run", "--no-prompt", ...flags, script.href, ...args],
          cwd: folder,
          stdin: "null",
          stdout: "piped",
          stderr: "piped",
        });
      };
      try {
        await fn(run, folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

testProgram(
  "microgpt.ts needs no permission, and says nothing on stderr",
  async (run) => {
    const { code, stdout, stderr } = await run(
      "microgpt.ts --steps 1 --batch 1",
    )
      .output();
    assertEquals([code, decode(stderr)], [0, ""]);
    assertEquals(decode(stdout).split("\n").length, 3 + 1 + 2 + 10 + 1);
  },
);

testProgram(
  "microgpt.ts tells a failure on stderr in a line, with exit code",
  async (run) => {
    const usage =
      "Usage: deno run microgpt.ts [--flag value]...; --help lists the flags";
    const cases: [line: string, code: number, stderr: string][] = [
      ["microgpt.ts --foo", 2, `Unknown argument --foo\n${usage}\n`],
      ["microgpt.ts --heads 3", 2, "Cannot split 16 into 3 heads\n"],
      [
        "microgpt.ts --names a.txt",
        2,
        'Cannot read names from a.txt: Requires read access to "a.txt", run again with the --allow-read flag\n',
      ],
      [
        "microgpt.ts --batch 1 --steps 3 --lr 1e150",
        1,
        "Training diverged at step 2 of 3, where the loss is NaN: lower --lr, now 1e+150\n",
      ],
    ];
    for (const [line, code, stderr] of cases) {
      const output = await run(line).output();
      assertEquals([output.code, decode(output.stderr)], [code, stderr]);
    }
  },
);

testProgram(
  "--save keeps a run that is stopped, and --load goes on as if it was not",
  async (_, folder) => {
    const path = `${folder}/run.json`;
    const plan = "--steps 5 --batch 1 --samples 3".split(" ");
    const whole = await lines(plan);
    let steps = 0;
    const printed: string[] = [];
    const error = await assertRejects(
      () =>
        lines([...plan, "--save", path], {
          print: (line) => printed.push(line),
          stopped: () => ++steps === 2,
        }),
      Interrupted,
    );
    assertEquals(
      error.message,
      `Stopped after step 2 of 5; go on with --load ${path}`,
    );
    const rest = await lines([
      "--load",
      path,
      "--save",
      path,
    ]);
    assertEquals([...printed, ...rest.slice(3)], whole);
    const again = await lines(["--load", path]);
    assertEquals(again.slice(-3), whole.slice(-3));
    const files = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    assertEquals(files, ["run.json"]);
  },
);

testProgram(
  "--save keeps the run every ten seconds, and never one that diverged",
  async (_, folder) => {
    const path = `${folder}/run.json`;
    let clock = 0;
    const args = [
      "--batch",
      "1",
      "--steps",
      "9",
      "--lr",
      "1e300",
      "--save",
      path,
    ];
    await assertRejects(
      () => lines(args, { now: () => clock += 6000 }),
      RangeError,
    );
    const { step } = JSON.parse(await Deno.readTextFile(path));
    assertEquals(step, 1); // the second step is the one that fails
  },
);

testProgram(
  "Ctrl-C with --save ends with 130 and a run to go on with",
  async (run, folder) => {
    const process = run(
      "--allow-read --allow-write microgpt.ts --steps 5000 --batch 1 --save run.json",
    )
      .spawn();
    const reader = process.stdout.getReader();
    let printed = "";
    while (!printed.includes("Step 3/5000")) {
      const { value, done } = await reader.read();
      if (done) throw new Error("It ended before its third step");
      printed += decode(value);
    }
    process.kill("SIGINT");
    while (!(await reader.read()).done);
    const stderr = await process.stderr.bytes();
    assertEquals((await process.status).code, 130);
    const [, step] =
      /^Stopped after step (\d+) of 5000; go on with --load run.json\n$/
        .exec(decode(stderr)) ?? [];
    const saved = JSON.parse(await Deno.readTextFile(`${folder}/run.json`));
    assertEquals(saved.step, Number(step));
  },
);

testProgram(
  "training keeps no graph of an earlier step in memory",
  async (_, folder) => {
    const url = (name: string) => new URL(name, import.meta.url).href;
    const script = `
      import { createModel, KARPATHY, train } from "${url("microgpt.ts")}";
      import { PythonRandom } from "${url("python_random.ts")}";
      const config = { ...KARPATHY, steps: 40 };
      const docs = ["ada", "alan", "edsger", "grace", "john", "barbara"];
      for (const _ of train(createModel(config, docs, new PythonRandom(1)))) {
        globalThis.gc();
        console.log(Deno.memoryUsage().heapUsed);
      }`;
    await Deno.writeTextFile(`${folder}/heap.js`, script);
    const flags = ["--no-config", "--v8-flags=--expose-gc"];
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, `${folder}/heap.js`],
    }).output();
    const bytes = decode(stdout).trim().split("\n").map(Number);
    assertEquals(bytes.length, 40);
    // The graph of one text takes some 10 MB.
    assert(bytes[39] - bytes[4] < 1e6, `from ${bytes[4]} to ${bytes[39]}`);
  },
);
