import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatStage, formatStory, readArgs } from "./networking.ts";
import type { Stage } from "./stages.ts";

Deno.test("readArgs() reads the address and what to show", () => {
  const rest = { lab: false, bytes: false, json: false, again: false };
  const none = { ...rest, fault: undefined, svg: undefined };
  assertEquals(readArgs(["a.b"]), { text: "a.b", ...none });
  // Without an address, in the lab.
  assertEquals(readArgs([]), { text: "www.google.com", ...none, lab: true });
  assertEquals(readArgs(["what", "is", "dns"]).text, "what is dns");
  assertEquals(
    readArgs([
      "a.b",
      "--lab",
      "--bytes",
      "--json",
      "--again",
      "--svg",
      "x.svg",
    ]),
    {
      ...{ text: "a.b", lab: true, bytes: true, json: true, again: true },
      ...{ fault: undefined, svg: "x.svg" },
    },
  );
  const { lab, fault } = readArgs(["--fault", "lost packets"]);
  assertEquals([lab, fault], [true, "lost packets"]);
});

Deno.test("wrong arguments are errors of one line", () => {
  for (
    const [args, line] of [
      [["--labs"], "Unknown option --labs"],
      [["--fault", "rain"], 'No fault is called "rain": lost packets, '],
      [["--svg="], "--svg needs a file"],
    ] as const
  ) {
    assertThrows(() => readArgs(args), SyntaxError, line);
  }
});

Deno.test("a stage and the end read like sentences", () => {
  const did = ["asked", "found"];
  const stage: Stage = { name: "name", layer: "DNS", start: 1.26, ms: 20, did };
  assertEquals(
    formatStage(stage),
    "DNS: name, at 1.3 ms, 20.0 ms\n  asked\n  found",
  );
  assertEquals(
    formatStage({ ...stage, bytes: ["00"] }).split("\n").at(-1),
    "    00",
  );
  const story = {
    ...{ input: "a.b", url: "https://a.b/", status: 200, protocol: "h2" },
    ...{
      address: "192.0.2.1",
      redirects: 0,
      bytes: 3,
      text: "abc\n",
      ms: 99.6,
    },
  };
  assertEquals(
    formatStory(story),
    "200 from 192.0.2.1 over h2, 3 bytes of https://a.b/, 100 ms\n\nabc",
  );
  const fresh = formatStory({ ...story, protocol: "none", address: "" });
  assert(fresh.startsWith("200 from the cache, 3 bytes of "), fresh);
  for (const [redirects, words] of [[1, "1 redirect"], [2, "2 redirects"]]) {
    const text = formatStory({ ...story, redirects: Number(redirects) });
    assert(text.includes(`a.b/ after ${words}, 100 ms`), text);
  }
});

const all = (["net", "run", "read", "write"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

/** Runs the command with these flags of Deno's and arguments. */
async function run(flags: string[], ...args: string[]) {
  const script = import.meta.resolve("./networking.ts");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...flags, script, ...args],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out, err };
}

Deno.test({
  name: all
    ? "the command tells the story in the lab, as text, JSON and a picture"
    : "needs all permissions, so not tested here: the command",
  ignore: !all,
  async fn() {
    const text = await run(["--allow-net"], "--lab");
    assertEquals([text.code, text.err], [0, ""]);
    assert(text.out.includes("\n200 from 2001:db8::80 over h2, "), text.out);
    assert(/^HTTP {5}page .*█+ .* ms$/m.test(text.out), text.out);

    const file = await Deno.makeTempFile({ suffix: ".svg" });
    const json = await run(["-A"], "--lab", "--json", "--svg", file);
    const { status, stages } = JSON.parse(json.out);
    assertEquals([json.code, status, stages.length], [0, 200, 9]);
    const twice = await run(["--allow-net"], "--json", "--again");
    const { stages: cold, again } = JSON.parse(twice.out);
    assertEquals([cold.length, again.stages.length], [9, 6]);
    assert((await Deno.readTextFile(file)).endsWith("</svg>\n"));
    await Deno.remove(file);

    const fault = await run(["--allow-net"], "--fault", "expired certificate");
    assertEquals(fault.code, 1);
    assert(
      fault.err.includes('It ended at the stage "encryption": '),
      fault.err,
    );
    const told = await run(
      ["--allow-net"],
      "--json",
      "--fault",
      "no such name",
    );
    assertEquals([told.code, told.err], [1, ""]);
    assertEquals(JSON.parse(told.out).error.stage, "name");

    assertEquals(await run([], "--lab"), {
      ...{ code: 1, out: "" },
      err: "Cannot use the network: add --allow-net, also for the lab\n",
    });
    const wrong = await run(["--allow-net"], "--nope");
    assertEquals([wrong.code, wrong.out], [2, ""]);
    assert(wrong.err.startsWith("Unknown option --nope\nUsage: deno run"));
    const unwritten = await run(
      ["--allow-net"],
      "--lab",
      "--svg",
      "/none/x.svg",
    );
    assertEquals(unwritten.code, 1);
    assertEquals(unwritten.err.split("\n").length, 2);
  },
});
