import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  isInstalled,
  PATHS,
  run,
  testWith,
  withProgram,
} from "./counterparts.ts";

Deno.test("what may not be looked at counts as not installed", () => {
  const { state } = Deno.permissions.querySync({ name: "read" });
  for (const program of Object.keys(PATHS) as (keyof typeof PATHS)[]) {
    if (state !== "granted") assertEquals(isInstalled(program), false);
    else assertEquals(typeof isInstalled(program), "boolean");
  }
});

testWith(
  "openssl",
  "run() gives the status and all that was printed",
  async () => {
    const right = await run("openssl", ["version"]);
    assertEquals([right.code, right.out.slice(0, 8)], [0, "OpenSSL "]);
    const wrong = await run("openssl", ["nonsense"]);
    assert(wrong.code !== 0 && wrong.out === "" && wrong.text !== "");
  },
);

testWith(
  "openssl",
  "a program runs while the work does, in a folder that goes with it",
  async () => {
    let place = "";
    let tries = 0;
    await withProgram(
      "openssl",
      (folder, port) => ({ where: `${place = folder} ${port}` }),
      // It waits for a connection for ever.
      () => ["s_client", "-connect", "127.0.0.1:9", "-quiet"],
      () => Promise.resolve(++tries === 3),
      async (port) => {
        assertEquals(
          await Deno.readTextFile(`${place}/where`),
          `${place} ${port}`,
        );
      },
    );
    assertEquals(tries, 3);
    await assertRejects(() => Deno.stat(place), Deno.errors.NotFound);
  },
);
