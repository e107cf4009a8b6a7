import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Fault, startLab } from "./lab.ts";
import { StoryError } from "./failures.ts";
import { type Asking, type Stage, type Story, Visitor } from "./story.ts";

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

/** Goes the whole way in a lab, once for each text, with one browser. */
async function go(texts: string | string[], fault?: Fault, showBytes = false) {
  const lab = await startLab(fault);
  const visitor = new Visitor(lab);
  const stories: Story[] = [];
  const stages: Stage[] = [];
  let error: StoryError | undefined;
  try {
    for (const text of [texts].flat()) {
      stages.length = 0;
      const onStage = (stage: Stage) => void stages.push(stage);
      stories.push(await visitor.enter(text, { onStage, showBytes }));
    }
  } catch (thrown) {
    error = thrown as StoryError;
  } finally {
    await visitor.close();
    await lab.close();
  }
  const did = (name: string) => stages.find((s) => s.name === name)?.did ?? [];
  return { story: stories.at(-1), stages, error, did };
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
    "browser: memory",
  ]);
  assertEquals(
    [story?.status, story?.protocol, story?.address, story?.redirects],
    [200, "h2", "2001:db8::80", 0],
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
    ...["name", "connection", "page", "memory", "caches"],
    ...["name", "connection", "encryption", "page", "memory"],
  ]);
  // For each type two misses and the questions; then what they came to. The second name
  // needs only the servers that are known by now.
  assertEquals(stages[4].did.length, 2 * (2 + 3) + 1);
  assertEquals(stages[9].did.length, 2 * (2 + 2) + 1);
  assert(stages[6].did.includes("GET /x HTTP/1.1, Host: google.com"));
});

test("a second visit has a connection, a cookie and the page", async () => {
  const { story, stages, did } = await go(["www.google.com", "www.google.com"]);
  assertEquals(stages.slice(3).map(({ name }) => name), [
    ...["caches", "page", "memory"],
  ]);
  const [hsts, page, cookie, condition, connection] = did("caches");
  assertEquals(hsts, "HSTS: www.google.com wants https only");
  assertEquals(
    page,
    "the page: the response says no-cache: ask with If-None-Match",
  );
  assert(/^to be sent: Cookie: origin=[012]$/.test(cookie), cookie);
  assertEquals(condition, 'to be sent: If-None-Match: "1"');
  assertEquals(
    connection,
    "a connection to www.google.com is open: no DNS, TCP or TLS",
  );
  assertEquals(did("page").slice(1), [":status 304", "0 bytes in DATA frames"]);
  assert(
    did("memory").includes("the same page as before: 157 bytes of the cache"),
  );
  assertEquals([story?.status, story?.bytes], [200, 157]);
  assert(story!.text.includes("façade, naïve, 東京"));
});

test("after a first visit http: does not leave the machine", async () => {
  const { story, stages } = await go([
    ...["www.google.com", "http://www.google.com"],
  ]);
  assertEquals([story?.url, story?.redirects], ["https://www.google.com/", 0]);
  assertEquals(stages.slice(3).map(({ name }) => name), [
    ...["caches", "page", "memory"],
  ]);
});

test("an address of a broken family costs its head start", async () => {
  const { story, did } = await go("www.google.com", "broken IPv6");
  assertEquals(story?.address, "203.0.113.80");
  const [six, four] = did("connection");
  assertEquals(six, "at 0 ms SYN to 2001:db8::80 port 443: given up");
  const [, ms] = /^at (\d+) ms SYN to 203.0.113.80 port 443: connected$/
    .exec(four)!;
  assert(Number(ms) >= 249, ms);
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
  // Four questions of each type, each with its answer.
  const packets = shown("name").filter((line) => /^[→←]/.test(line));
  assertEquals(packets.length, 2 * 4 * 2);
  assert(/^→ to 198.51.100.1, 43 bytes over udp$/.test(packets[0]), packets[0]);
  assert(shown("name").some((line) => line.includes("answer: web.google.com")));
  assert(shown("encryption").includes("← CertificateVerify"));
  assert(shown("encryption").some((line) => line.endsWith('"www.google.com"')));
  assert(shown("page").some((line) => line.startsWith("→ HEADERS, stream 1")));
  assert(shown("page").some((line) => line.startsWith("← DATA, stream 1")));
});

for (
  const [fault, stage, line, advice] of [
    ["no such name", "name", "There is no name www.google.com", "spelt right"],
    ["nothing listens", "connection", "Cannot connect to any address", "down"],
    ["wrong certificate", "encryption", "is not for", "Do not go on"],
    ["expired certificate", "encryption", "was good until", "Do not go on"],
    ["unknown authority", "encryption", "No authority", "Do not go on"],
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
    const last = fault === "redirect loop" ? "memory" : stage;
    assertEquals(stages.at(-1)?.name, last);
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

const nobody = () => Promise.reject(new Error("nobody is there"));
const empty = {
  ...{ ask: nobody, connect: nobody, encrypt: nobody },
  families: [4] as const,
};
const onStage = () => {};

Deno.test("a search ends at the address bar", async () => {
  const error = await assertRejects(
    () => new Visitor(empty).enter("what is dns", { onStage }),
    StoryError,
    '"what is dns" is no address: a browser would search for it',
  );
  assertEquals(error.stage, "address bar");
});

Deno.test("a name has its time, and its steps are told when that is over", async () => {
  // A server that says nothing, and holds the test up until it is given up.
  const held = setTimeout(() => {}, 5000);
  const world = {
    ...empty,
    hints: { "a.root": ["192.0.2.1"] },
    ask: (_: string, __: string, ___: string, { signal }: Asking = {}) =>
      new Promise<never>((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason))
      ),
  };
  const stages: Stage[] = [];
  const error = await assertRejects(
    () =>
      new Visitor(world).enter("www.google.com", {
        ...{ onStage: (stage) => void stages.push(stage), patience: 20 },
      }),
    StoryError,
    "It took too long",
  );
  clearTimeout(held);
  assertEquals(error.stage, "name");
  assertEquals(stages.at(-1)?.did.slice(0, 2), [
    ...["cache of the browser: A? miss", "cache of the system: A? miss"],
  ]);
});

Deno.test("a mistake of the program is not taken for one of the network", async () => {
  const ask = () => Promise.reject(new TypeError("a mistake"));
  await assertRejects(
    () => new Visitor({ ...empty, ask }).enter("www.google.com", { onStage }),
    TypeError,
    "a mistake",
  );
});
