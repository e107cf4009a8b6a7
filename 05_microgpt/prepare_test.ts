import {
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { capture } from "./checkpoint.ts";
import { KARPATHY } from "./microgpt.ts";
import { parseOptions } from "./options.ts";
import { checkSize, prepare, type Run } from "./prepare.ts";

const run = (line: string): Promise<Run> =>
  prepare(parseOptions(line ? line.split(" ") : []));

Deno.test("prepare() of nothing takes the names of this folder, and no permission", async () => {
  const { model, seed, samples, temperature, prefix } = await run("");
  assertEquals([seed, samples, temperature, prefix], [42n, 10, 0.5, ""]);
  assertEquals([model.steps, model.batch, model.logEps], [20, 8, 1e-10]);
  const letters = "abcdefghijklmnopqrstuvwxyz";
  assertEquals(model.chars.join(""), letters);
  assertEquals(model.docs.length, 2909);
  assertEquals(new Set(model.docs).size, 2909);
});

Deno.test("prepare() takes a recipe, and flags over it", async () => {
  const { model, samples } = await run("--recipe karpathy --batch 3");
  assertEquals([model.steps, model.batch, model.rmsEps], [1000, 3, 1e-5]);
  assertEquals(samples, 20);
});

Deno.test("checkSize() refuses what would not fit, before it is made", () => {
  const size = (config: Partial<typeof KARPATHY>, doc: string) => () =>
    checkSize({ ...KARPATHY, ...config }, [doc]);
  size({ embd: 64, layers: 4 }, "abcdefghijklmnop")();
  size({ embd: 256, layers: 4 }, "")(); // one token only
  assertThrows(
    size({ embd: 256, layers: 4 }, "abcdefghijklmnop"),
    RangeError,
    "Cannot train 3158528 parameters on 16 tokens: about 106 million Values at once, and 10 million fit; lower --embd, --layers or --block",
  );
  assertThrows(size({ block: 1e6 }, "ab".repeat(5e4)), RangeError);
});

const ERRORS: [line: string, message: string][] = [
  ["--heads 3", "Cannot split 16 into 3 heads"],
  ["--embd 1000000", "Cannot train 12000070000000 parameters on 12 tokens"],
  [
    "--prefix zoé",
    'Cannot begin with --prefix zoé: "é" is not one of abcdefghijklmnopqrstuvwxyz',
  ],
  [
    "--prefix abcdefg --block 7",
    "Cannot begin with --prefix abcdefg: with the token that begins a text it has 8, --block is 7",
  ],
  ["--inspect wte[99][0]", "Cannot inspect wte[99][0]: wte has rows 0 to 26"],
];
for (const [line, message] of ERRORS) {
  Deno.test(`prepare() of ${line} is an error before any step`, async () => {
    await assertRejects(() => run(line), Error, message);
  });
}

/** Tests with files; the folder is gone afterwards. */
function testFiles(name: string, fn: (folder: string) => Promise<void>) {
  const granted = (["read", "write", "net"] as const).every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
  Deno.test({
    name: granted ? name : `needs --allow-all, so not tested here: ${name}`,
    ignore: !granted,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await fn(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

testFiles(
  "--names reads lines of any system, without blanks and blank lines",
  async (folder) => {
    const path = `${folder}/names.txt`;
    await Deno.writeTextFile(path, "ada\r\n alan \n\n\rgrace");
    const { model } = await run(`--names ${path}`);
    assertEquals(model.docs.toSorted(), ["ada", "alan", "grace"]);
  },
);

testFiles(
  "--names reads an address, and tells what the server answered",
  async () => {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) =>
        new URL(request.url).pathname === "/names"
          ? new Response("ada\nalan\n")
          : new Response("no", { status: 404 }),
    );
    const url = `http://127.0.0.1:${server.addr.port}`;
    try {
      const { model } = await run(`--names ${url}/names`);
      assertEquals(model.docs.toSorted(), ["ada", "alan"]);
      await assertRejects(
        () => run(`--names ${url}/other`),
        Error,
        `Cannot read names from ${url}/other: the server answered 404`,
      );
    } finally {
      await server.shutdown();
    }
    await assertRejects(
      () => run(`--names ${url}/names`),
      Error,
      `Cannot read names from ${url}/names: no server answers there`,
    );
  },
);

testFiles(
  "--names, --save and --load refuse bad files in one line each",
  async (folder) => {
    const path = (name: string) => `${folder}/${name}`;
    await Deno.writeTextFile(path("empty"), "\n \n");
    await Deno.writeFile(path("binary"), new Uint8Array([0xff, 0xfe, 0]));
    const cases = [
      [`--names ${path("empty")}`, "there is no text in it"],
      [`--names ${path("binary")}`, "it is not UTF-8 text"],
      [`--names ${folder}`, "it is a folder"],
      [`--names ${path("none")}`, "no such file or folder"],
      [`--save ${folder}`, "it is a folder"],
      [`--save ${path("none/file")}`, "no such file or folder"],
      [
        `--save ${path("binary")}`,
        "it is there, and is not a checkpoint; name another file",
      ],
      [`--load ${path("empty")}`, "it is not JSON"],
      [`--load ${path("none")}`, "no such file or folder"],
    ];
    for (const [line, why] of cases) {
      const error = await assertRejects(() => run(line), Error, why);
      assertEquals(error.message.split("\n").length, 1);
    }
    const names = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    assertEquals(names.toSorted(), ["binary", "empty"]);
    const device = "it is not a file";
    await assertRejects(() => run("--names /dev/null"), Error, device);
    await assertRejects(() => run("--save /dev/null"), Error, device);
  },
);

testFiles(
  "--save tries the file first, and leaves everything as it was",
  async (folder) => {
    const names = () =>
      [...Deno.readDirSync(folder)].map((entry) => entry.name);
    await run(`--save ${folder}/run.json`);
    assertEquals(names(), []);
    const text = JSON.stringify(capture(await run("--embd 4")));
    await Deno.writeTextFile(`${folder}/run.json`, text);
    await run(`--save ${folder}/run.json`);
    assertEquals(names(), ["run.json"]);
    assertEquals(await Deno.readTextFile(`${folder}/run.json`), text);
  },
);

testFiles(
  "--load goes on with what was saved; flags cannot change what it is",
  async (folder) => {
    const path = `${folder}/run.json`;
    const first = await run(
      "--seed 5 --batch 2 --embd 8 --samples 3 --temperature 2 --prefix al",
    );
    const { model } = first;
    model.random.gauss(0, 1);
    const text = JSON.stringify(capture(first));
    await Deno.writeTextFile(path, text);
    const names = `${folder}/names.txt`;
    await Deno.writeTextFile(names, model.docs.toReversed().join("\n"));

    for (const flags of ["", " --seed 5 --embd 8", ` --names ${names}`]) {
      const loaded = await run(`--load ${path}${flags}`);
      assertEquals(JSON.stringify(capture(loaded)), text);
    }
    const changed = await run(
      `--load ${path} --steps 40 --lr 0.5 --seed 6 --samples 1 --prefix bo`,
    );
    assertEquals([changed.model.steps, changed.model.lr], [40, 0.5]);
    assertEquals([changed.samples, changed.temperature], [1, 2]);
    assertEquals(changed.prefix, "bo");
    assertNotEquals(changed.model.random.random(), model.random.random());

    await Deno.writeTextFile(names, "ada");
    const cases = [
      ["--embd 16", "its embd is 8, not 16"],
      ["--recipe karpathy", "its logEps is 1e-10, not 0"],
      [`--names ${names}`, `it was trained on other names than ${names}`],
    ];
    for (const [flag, why] of cases) {
      const line = `--load ${path} ${flag}`;
      const message = `Cannot load ${path}: ${why}`;
      await assertRejects(() => run(line), Error, message);
    }
    await Deno.writeTextFile(path, text.replace('"step":0', '"step":9'));
    await assertRejects(
      () => run(`--load ${path} --steps 8`),
      Error,
      `Cannot load ${path}: it has done 9 steps already`,
    );
    await Deno.writeTextFile(path, text.replace('"embd":8', '"embd":80000'));
    await assertRejects(() => run(`--load ${path}`), Error, "million Values");
  },
);
