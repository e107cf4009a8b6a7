import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  Interrupted,
  row,
  show,
  sizes,
  span,
  type World,
} from "./dartboard.ts";
import { BLOCK } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { fromDarts } from "./intervals.ts";
import { HELP, parseOptions } from "./options.ts";
import { convergence, svgPicture, throwSome } from "./pictures.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Runs a command line in a world of its own; returns its lines. */
async function lines(line: string, world: Partial<World> = {}) {
  const printed: string[] = [];
  await show(parseOptions(line.split(" ").filter(Boolean)), {
    print: (line) => printed.push(line),
    warn: () => {},
    progress: () => {},
    now: () => 0,
    stopped: () => false,
    ...world,
  });
  return printed;
}

Deno.test("show() prints a picture of 200 darts, and a row for each power of ten", async () => {
  const printed = await lines("");
  assertEquals(printed.length, 1 + 22 + 2 + 5);
  assertStringIncludes(printed[21], "n = 200  3.0600");
  // the estimates of the Python twin in pi_test.ts
  const counts = printed.slice(-5).map((row) => row.split(/ +/).slice(1, 3));
  assertEquals(counts, [
    ["100", "3.04"],
    ["1,000", "3.080"],
    ["10,000", "3.140"],
    ["100,000", "3.1438"],
    ["1,000,000", "3.1395"],
  ]);
});

Deno.test("show() depends on the seed, and not on the workers", async () => {
  const [one, two, other] = await Promise.all(
    ["--seed 1 --workers 1", "--seed 1 --workers 3", "--seed 2"]
      .map((flags) => lines(`--darts 5e6 ${flags}`)),
  );
  assertEquals(one, two);
  assert(one.at(-1) !== other.at(-1));
});

for (const workers of [1, 3]) {
  Deno.test(`show() with --workers ${workers} starts as many, and no more than blocks`, async () => {
    const RealWorker = globalThis.Worker;
    let started = 0;
    globalThis.Worker = class extends RealWorker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        started++;
      }
    };
    try {
      await lines(`--darts ${2 * BLOCK} --workers ${workers}`);
    } finally {
      globalThis.Worker = RealWorker;
    }
    assertEquals(started, Math.min(2, workers));
  });
}

Deno.test("show() has no picture of a method that throws no darts", async () => {
  const printed = await lines("--method needle --darts 1000");
  assertEquals(printed[0], "Buffon's needle on a floor of boards, seed 42");
  assertEquals(printed.length, 2 + 2);
});

Deno.test("show() of fewer than 200 darts draws those", async () => {
  const printed = await lines("--darts 7");
  assertEquals(printed.slice(1).join("").match(/[●○]/g)?.length, 7);
  assertEquals(printed.length, 1 + 22 + 2 + 1);
});

Deno.test("sizes() go up by ten, and end with what was asked for", () => {
  assertEquals(sizes(1), [1]);
  assertEquals(sizes(100), [100]);
  assertEquals(sizes(5000), [100, 1000, 5000]);
});

Deno.test("row() shows as many digits as leave two of the error", () => {
  const cells = (value: number, error: number) =>
    row(1000, { value, error, low: value - error, high: value + 3 * error })
      .trim().split(/ +/).slice(1);
  assertEquals(
    cells(3.08, 0.0532),
    ["1,000", "3.080", "0.053", "3.027", "…", "3.240", "-1.2"],
  );
  assertEquals(
    cells(3.25, 0.15),
    ["1,000", "3.25", "0.15", "3.10", "…", "3.70", "0.7"],
  );
  assertEquals(cells(3.14159265, 6.1e-9)[1], "3.1415926500");
});

Deno.test("row() of one dart has an interval, and no error to divide by", () => {
  const cells = row(1, fromDarts(1, 1)).trim().split(/ +/).slice(1);
  assertEquals(cells, ["1", "4.00", "?", "0.83", "…", "4.00", "?"]);
});

Deno.test("span() rounds up, in a unit of which there are two", () => {
  assertEquals(
    [0, 1, 90_000, 120_000, 7_300_000, 1e9].map(span),
    ["0 s", "1 s", "90 s", "2 min", "3 h", "12 days"],
  );
});

Deno.test("show() tells how a long row stands, each tenth of a second, and clears that", async () => {
  let clock = 0;
  const shown: string[] = [];
  const printed = await lines(`--darts ${3 * BLOCK} --workers 1`, {
    now: () => clock += 60,
    progress: (line) => shown.push(line),
  });
  // The clock moves 60 ms whenever it is read: at the start and after a block.
  // The rows of 10,000,000 and of 12,582,912 darts have three blocks each.
  assertEquals(shown.length, 4);
  // 120 ms for 8,388,608 darts are 60 ms for the 4,194,304 that are left.
  assert(/^8,388,608 darts: 3\.14\d{3}, 1 s left$/.test(shown[2]), shown[2]);
  assertEquals([shown[1], shown[3]], ["", ""]);
  assertStringIncludes(printed.at(-1)!, (3 * BLOCK).toLocaleString("en"));
});

Deno.test("show() that will take long says so once, before it does", async () => {
  let clock = 0;
  const heard: string[] = [];
  await lines("--method mean --darts 1e6", {
    now: () => clock += 100,
    warn: (line) => heard.push(line),
    print: (line) => heard.push(line.slice(0, 16)),
  });
  // 100 ms for 100 points are 1,111 seconds for the 1,111,000 that are left.
  assertEquals(heard.slice(2, 5), [
    "n=           100",
    "1,000,000 will take 19 min; Ctrl-C ends it",
    "n=         1,000",
  ]);
  assertEquals(heard.length, 2 + 5 + 1);
});

Deno.test("show() that is stopped prints what it has found so far", async () => {
  const printed: string[] = [];
  let asked = 0;
  const run = () =>
    lines(`--darts ${9 * BLOCK} --workers 2`, {
      print: (line) => printed.push(line),
      stopped: () => ++asked === 5,
    });
  // three blocks of the row of 10,000,000, and two of the next
  const message = "Stopped after 8,388,608 darts of 37,748,736";
  await assertRejects(run, Interrupted, message);
  assertStringIncludes(printed.at(-1)!, "n=     8,388,608 ");
});

const granted = (["run", "read", "write"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

/** A test with a folder of its own, and pi.ts as a program in it. */
function testProgram(
  name: string,
  fn: (run: (line: string) => Deno.Command, folder: string) => Promise<void>,
) {
  const script = new URL("pi.ts", import.meta.url);
  Deno.test({
    name: granted ? name : `needs --allow-all, so not tested here: ${name}`,
    ignore: !granted,
    async fn() {
      const folder = await Deno.makeTempDir();
      const run = (line: string) => {
        const [flags, args] = line.split("pi.ts").map((part) =>
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

testProgram("pi.ts needs no permission, with workers neither", async (run) => {
  const { code, stdout, stderr } = await run("pi.ts --darts 1e7").output();
  assertEquals([code, decode(stderr)], [0, ""]);
  assertStringIncludes(decode(stdout), "10,000,000       3.14160");
});

testProgram(
  "pi.ts tells a failure on stderr in a line, with exit code",
  async (run, folder) => {
    const usage =
      "Usage: deno run pi.ts [--flag value]...; --help lists the flags";
    const cases: [line: string, code: number, stderr: string][] = [
      ["pi.ts --foo", 2, `Unknown argument --foo\n${usage}\n`],
      [
        "pi.ts --darts 0",
        2,
        `--darts needs a whole number from 1 to 9007199254740991, got 0\n${usage}\n`,
      ],
      ["-RW pi.ts --svg none/a.svg", 1, "Cannot draw to none/a.svg: No such"],
      ["-RW pi.ts --svg .", 1, "Cannot draw to .: Is a directory"],
      [
        "pi.ts --svg a.svg",
        1,
        "Cannot draw to a.svg: needs --allow-read and --allow-write for its folder\n",
      ],
      ["-R pi.ts --svg a.svg", 1, "Cannot draw to a.svg: needs --allow-read"],
    ];
    for (const [line, code, stderr] of cases) {
      const output = await run(line).output();
      assertEquals(output.code, code);
      assert(decode(output.stderr).startsWith(stderr), decode(output.stderr));
      assert(decode(output.stderr).split("\n").length <= 3);
      assertEquals(decode(output.stdout), "");
    }
    assertEquals([...Deno.readDirSync(folder)], []);
  },
);

testProgram(
  "--svg draws a file, whole, over what was there",
  async (run, folder) => {
    await Deno.writeTextFile(`${folder}/a.svg`, "old");
    const { code } = await run("-RW pi.ts --svg a.svg --darts 500").output();
    assertEquals(code, 0);
    const svg = await Deno.readTextFile(`${folder}/a.svg`);
    assert(svg.startsWith("<svg ") && svg.endsWith("</svg>\n"));
    assertEquals(svg.match(/<circle /g)?.length, 500);
    assertEquals([...Deno.readDirSync(folder)].length, 1);
  },
);

testProgram(
  "Ctrl-C ends a run of 10^12 darts with what it has found",
  async (run) => {
    const process = run("pi.ts --darts 1e12").spawn();
    const reader = process.stderr.getReader();
    const { value } = await reader.read();
    assertStringIncludes(decode(value!), "1,000,000,000,000 will take");
    process.kill("SIGINT");
    let rest = "";
    for (
      let part = await reader.read();
      !part.done;
      part = await reader.read()
    ) {
      rest += decode(part.value);
    }
    const printed = await new Response(process.stdout).text();
    assertEquals((await process.status).code, 130);
    assert(
      /^Stopped after [\d,]+ darts of 1,000,000,000,000\n$/.test(rest),
      rest,
    );
    assert(/^n= +[\d,]+ +3\.14/.test(printed.trim().split("\n").at(-1)!));
  },
);

testProgram(
  "--help and the result are on stdout, and nobody need read them",
  async (run) => {
    const { code, stdout } = await run("pi.ts --help").output();
    assertEquals([code, decode(stdout)], [0, `${HELP}\n`]);
    const process = run("pi.ts --darts 1e12").spawn();
    await process.stdout.cancel();
    assertEquals((await process.status).code, 141);
    await process.stderr.cancel();
  },
);

testProgram(
  "--svg draws the stream of the seed, as far as one stream goes",
  async (run, folder) => {
    await run("-RW pi.ts --svg a.svg --darts 5e6 --seed 9").output();
    const svg = await Deno.readTextFile(`${folder}/a.svg`);
    const points = convergence(BLOCK, 9);
    assertEquals(
      svg,
      svgPicture(throwSome(2000, new Xoshiro128(9).random), points),
    );
  },
);

testProgram(
  "--svg leaves the old file to those who have it open, and its mode",
  async (run, folder) => {
    await Deno.writeTextFile(`${folder}/a.svg`, "old", { mode: 0o600 });
    await Deno.link(`${folder}/a.svg`, `${folder}/open`);
    await Deno.symlink("a.svg", `${folder}/link`);
    await run("-RW pi.ts --svg link --darts 10").output();
    assertEquals(await Deno.readTextFile(`${folder}/open`), "old");
    assert((await Deno.readTextFile(`${folder}/a.svg`)).startsWith("<svg"));
    assert((await Deno.lstat(`${folder}/link`)).isSymlink);
    assertEquals((await Deno.stat(`${folder}/a.svg`)).mode! & 0o777, 0o600);
  },
);

testProgram(
  "--svg writes into a pipe, and puts nothing in the place of either a pipe or a link",
  async (run, folder) => {
    const made = await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] })
      .output().catch(() => undefined);
    if (made?.success) {
      const reader = new Deno.Command("cat", {
        args: [`${folder}/pipe`],
        stdout: "piped",
      }).spawn();
      await run("-RW pi.ts --svg pipe --darts 10").output();
      const { isFifo } = await Deno.lstat(`${folder}/pipe`);
      if (!isFifo) reader.kill(); // it would wait for ever
      const text = decode((await reader.output()).stdout);
      assert(isFifo);
      assert(text.startsWith("<svg") && text.endsWith("</svg>\n"));
    }
    await Deno.symlink("nowhere.svg", `${folder}/link`);
    await run("-RW pi.ts --svg link --darts 10").output();
    assert((await Deno.lstat(`${folder}/link`)).isSymlink);
  },
);

testProgram("Ctrl-C ends another method at once", async (run) => {
  const process = run("pi.ts --method mean --darts 1e12").spawn();
  const reader = process.stderr.getReader();
  await reader.read(); // that it will take long
  reader.releaseLock();
  process.kill("SIGINT");
  await Promise.all([process.stdout.cancel(), process.stderr.cancel()]);
  assertEquals((await process.status).signal, "SIGINT");
});
