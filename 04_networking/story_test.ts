import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Fault, startLab } from "./lab.ts";
import { enter, readInput, type Stage, StoryError } from "./story.ts";

Deno.test("an address is told from a search", () => {
  for (
    const [text, expected] of [
      ["www.google.com", "https://www.google.com/"],
      [" www.google.com ", "https://www.google.com/"],
      ["http://www.google.com", "http://www.google.com/"],
      ["HTTPS://Example.com/A?b#c", "https://example.com/A?b#c"],
      ["example.com/a b", undefined],
      ["example.com:8443/x", "https://example.com:8443/x"],
      ["localhost", "https://localhost/"],
      ["localhost:8000", "https://localhost:8000/"],
      ["192.0.2.1", "https://192.0.2.1/"],
      ["[2001:db8::1]:81", "https://[2001:db8::1]:81/"],
      ["what is dns", undefined],
      ["google", undefined],
      ["node.js help", undefined],
      ["a@b.c", undefined],
      ["ftp://example.com", undefined],
      ["", undefined],
      ["http://", undefined],
    ] as const
  ) {
    const input = readInput(text);
    assertEquals(
      input.kind === "url" ? input.url.href : undefined,
      expected,
      text,
    );
  }
});

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

/** Goes the whole way in a lab. */
async function go(text: string, fault?: Fault, showBytes = false) {
  const lab = await startLab(fault);
  const stages: Stage[] = [];
  try {
    const world = { ...lab, families: [4] as const };
    const story = await enter(text, world, (s) => stages.push(s), {
      showBytes,
    });
    return { story, stages };
  } catch (error) {
    return { error: error as StoryError, stages };
  } finally {
    await lab.close();
  }
}

/** A test that needs the network of this machine. */
function test(name: string, fn: () => Promise<void>): void {
  const label = net ? name : `${name}: not tested without --allow-net`;
  Deno.test({ name: label, ignore: !net, fn });
}

test("the whole way, from the key to the page, each stage with its layer", async () => {
  const { story, stages } = await go("www.google.com");
  assertEquals(stages.map(({ name, layer }) => `${layer}: ${name}`), [
    "hardware: key",
    "system: event",
    "browser: address bar",
    "browser: caches",
    "DNS: name",
    "TCP: connection",
    "TLS: encryption",
    "HTTP: page",
  ]);
  assertEquals(
    [story?.status, story?.protocol, story?.address, story?.redirects],
    [200, "h2", "203.0.113.80", 0],
  );
  assert(story!.text.includes("façade, naïve, 東京"));
  // One after the other, and none longer than all.
  stages.forEach(({ start, ms }, i) => {
    const next = stages[i + 1]?.start ?? story!.ms;
    assert(start + ms <= next + 1e-6, `${i}`);
  });
  assert(
    stages.every(({ did, bytes }) => did.length > 0 && bytes === undefined),
  );
});

test("http: leads to https:, and all begins again with the name in the cache", async () => {
  const { story, stages } = await go("http://google.com/x");
  assertEquals([story?.url, story?.redirects], ["https://www.google.com/x", 1]);
  const names = stages.slice(4).map(({ name }) => name);
  assertEquals(names, [
    ...["name", "connection", "page"],
    ...["name", "connection", "encryption", "page"],
  ]);
  // The second name needs only the servers that are known by now.
  assertEquals(stages[4].did.length, 3 + 1);
  assertEquals(stages[7].did.length, 2 + 1);
  assert(stages[6].did.includes("GET /x HTTP/1.1, Host: google.com"));
});

test("an address needs no DNS", async () => {
  const { error, stages } = await go("http://203.0.113.80/");
  assertEquals(stages[4].name, "connection");
  // It leads to the name.
  assertEquals(error, undefined);
});

test("with bytes, each stage shows what went over the network", async () => {
  const { stages } = await go("www.google.com", undefined, true);
  const shown = (name: string) =>
    stages.find((s) => s.name === name)?.bytes ?? [];
  assertEquals(shown("name").length, 4);
  assert(shown("page").some((line) => line.startsWith("→ HEADERS, stream 1")));
  assert(shown("page").some((line) => line.startsWith("← DATA, stream 1")));
});

for (
  const [fault, stage, line, advice] of [
    ["no such name", "name", "There is no name www.google.com", "spelt right"],
    ["nothing listens", "connection", "Cannot connect to any address", "down"],
    ["wrong certificate", "encryption", "not valid for name", "Do not go on"],
    ["expired certificate", "encryption", "expired", "Do not go on"],
    [
      "unknown authority",
      "encryption",
      "invalid peer certificate",
      "Do not go on",
    ],
    ["cut response", "page", "ended before the page was whole", "try again"],
    ["redirect loop", "page", "More than 10 redirects", "in a circle"],
  ] as const
) {
  test(`${fault}: the story names the stage, and what a person can do`, async () => {
    const { error, stages } = await go("www.google.com", fault);
    if (!(error instanceof StoryError)) throw new Error(`no error, ${error}`);
    assertEquals(error.stage, stage);
    assert(error.message.includes(line), error.message);
    assert(error.advice.includes(advice), error.advice);
    assertEquals(stages.at(-1)?.name, stage);
    const pages = stages.filter(({ name }) => name === "page").length;
    assertEquals(
      pages,
      stage === "page" ? fault === "redirect loop" ? 11 : 1 : 0,
    );
  });
}

for (
  const fault of [
    "lost packets",
    "truncated answers",
    "lame delegation",
  ] as const
) {
  test(`${fault}: the page comes all the same`, async () => {
    assertEquals((await go("www.google.com", fault)).story?.status, 200);
  });
}

Deno.test("a search ends at the address bar", async () => {
  const world = {
    ask: () => Promise.reject(new Error("nobody asks")),
    connect: () => Promise.reject(new Error("nobody connects")),
    families: [4] as const,
  };
  const error = await assertRejects(
    () => enter("what is dns", world, () => {}),
    StoryError,
    '"what is dns" is no address: a browser would search for it',
  );
  assertEquals(error.stage, "address bar");
});

Deno.test("a mistake of the program is not taken for one of the network", async () => {
  const world = {
    ask: () => Promise.reject(new TypeError("a mistake")),
    connect: () => Promise.reject(new Error()),
    families: [4] as const,
  };
  await assertRejects(
    () => enter("www.google.com", world, () => {}),
    TypeError,
    "a mistake",
  );
});
