import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Fault, startLab } from "./lab.ts";
import { StoryError } from "./failures.ts";
import { type Message, message } from "./dns_message.ts";
import type { Stage } from "./stages.ts";
import { type Story, Visitor, type World } from "./story.ts";

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

/** Goes the whole way in a lab, once for each text, with one browser. */
async function go(
  texts: string | string[],
  fault?: Fault,
  showBytes = false,
  patience?: number,
) {
  const lab = await startLab(fault);
  const visitor = new Visitor(lab, patience);
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
  assert(shown("key").some((line) => line.endsWith("Enter is down")));
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

const HARMLESS = ["lost packets", "truncated answers", "lame delegation"];
for (const fault of HARMLESS as Fault[]) {
  test(`${fault}: the page comes all the same`, async () => {
    assertEquals((await go("www.google.com", fault)).story?.status, 200);
  });
}

test("slow response: it is not waited for without end", async () => {
  const { error, stages } = await go(
    "www.google.com",
    "slow response",
    false,
    1500,
  );
  assertEquals([error?.stage, error?.message], ["page", "It took too long"]);
  assertEquals(stages.at(-1)?.name, "page");
});

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

Deno.test("a mistake of the program is not taken for one of the network", async () => {
  const ask = () => Promise.reject(new TypeError("a mistake"));
  await assertRejects(
    () => new Visitor({ ...empty, ask }).enter("www.google.com", { onStage }),
    TypeError,
    "a mistake",
  );
});

Deno.test("DNS that is silent ends with the page's time, and who was asked is told", async () => {
  const stages: Stage[] = [];
  const asked: string[] = [];
  const ask = (
    ...[address, , , , signal]: Parameters<World["ask"]>
  ): Promise<Message> => {
    asked.push(address);
    if (asked.length === 1) return Promise.resolve(message({ rcode: 5 }));
    return new Promise((_, reject) => {
      const timer = setTimeout(() => reject(new Error("waited on")), 3000);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  };
  const error = await assertRejects(
    () =>
      new Visitor({ ...empty, ask }, 400)
        .enter("www.google.com", { onStage: (stage) => stages.push(stage) }),
    StoryError,
    "It took too long",
  );
  assertEquals(error.stage, "name");
  assert(error.advice.includes("lets DNS through"), error.advice);
  assert(stages.at(-1)!.did.some((line) => line.includes("REFUSED")));
});

Deno.test("silence about one family leaves time for the other's address", async () => {
  const ask = (
    ...[, name, type, , signal]: Parameters<World["ask"]>
  ): Promise<Message> => {
    if (type === "AAAA") {
      return new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason))
      );
    }
    const address = {
      name,
      ttl: 300,
      type: "A",
      address: "192.0.2.80",
    } as const;
    const flags = { response: true, authoritative: true };
    return Promise.resolve(message({ ...flags, answers: [address] }));
  };
  // Else nothing keeps the process alive.
  const timer = setTimeout(() => {}, 3000);
  const error = await assertRejects(
    () =>
      new Visitor({ ...empty, ask, families: [6, 4] }, 1000)
        .enter("http://a.example", { onStage }),
    StoryError,
    "192.0.2.80: nobody is there",
  ).finally(() => clearTimeout(timer));
  assertEquals(error.stage, "connection");
});

const SITE = "http://192.0.2.1/";

/** Visits a site over http:, whose connections, in their order, take so many requests. */
async function visitSite(
  texts: string[],
  answer: (path: string) => string,
  most: number[] = [],
  requests: number[] = [],
) {
  const connect = () => {
    const n = requests.push(0) - 1;
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const readable = new ReadableStream<Uint8Array>({
      start: (given) => void (controller = given),
    });
    const writable = new WritableStream<Uint8Array>({
      write(bytes) {
        if (++requests[n] > (most[n] ?? 99)) return controller.close();
        const [, path] = new TextDecoder().decode(bytes).split(" ");
        controller.enqueue(new TextEncoder().encode(answer(path)));
      },
    });
    const connection = { readable, writable, close() {} };
    return Promise.resolve(connection as unknown as Deno.TcpConn);
  };
  const visitor = new Visitor({ ...empty, connect });
  const stages: Stage[] = [];
  let story: Story | undefined;
  try {
    for (const text of texts) {
      stages.length = 0;
      const onStage = (stage: Stage) => void stages.push(stage);
      story = await visitor.enter(text, { onStage });
    }
  } finally {
    await visitor.close();
  }
  return { story, stages, requests };
}

const head = (status: string, ...fields: string[]) =>
  [`HTTP/1.1 ${status}`, "Content-Length: 0", ...fields, "", ""].join("\r\n");

Deno.test("a connection that the server has closed in the meantime is opened again", async () => {
  const twice = [SITE, SITE];
  const no = head("200 OK", "Cache-Control: no-store");
  const { story, stages, requests } = await visitSite(twice, () => no, [1]);
  assertEquals([story?.status, requests], [200, [2, 1]]);
  assertEquals(stages.slice(3).map(({ name }) => name), [
    ...["caches", "page", "connection", "page", "memory"],
  ]);
  // One that hangs up on the new one, too, is asked no more.
  const asked: number[] = [];
  await assertRejects(
    () => visitSite(twice, () => no, [1, 0], asked),
    StoryError,
    "The server closed before an answer began",
  );
  assertEquals(asked, [2, 1]);
});

Deno.test("a redirect keeps the fragment, and only the five that are ones are followed", async () => {
  for (
    const [status, location, expected] of [
      ["302 Found", "/b", "http://192.0.2.1/b#top"],
      ["308 Permanent Redirect", "/b#c", "http://192.0.2.1/b#c"],
      ["300 Multiple Choices", "/b", "http://192.0.2.1/a#top"],
      ["304 Not Modified", "/b", "http://192.0.2.1/a#top"],
    ]
  ) {
    const answer = (path: string) =>
      path === "/a" ? head(status, `Location: ${location}`) : head("200 OK");
    const { story } = await visitSite(["http://192.0.2.1/a#top"], answer);
    assertEquals(story?.url, expected, status);
  }
});

Deno.test("a redirect that nobody can follow is the site's mistake, not the program's", async () => {
  const wrong = ["ftp://192.0.2.1/", "javascript:1", "http://[", "about:blank"];
  for (const location of wrong) {
    const answer = () => head("302 Found", `Location: ${location}`);
    const visit = () => visitSite(["http://192.0.2.1/a"], answer);
    const error = await assertRejects(visit, StoryError, "Cannot open");
    assert(error.advice.includes("tell its owner"), error.advice);
  }
});

Deno.test("a password in an address is refused before anything is sent", async () => {
  const visitor = new Visitor(empty);
  const enter = () => visitor.enter("http://me:secret@192.0.2.1/", { onStage });
  const line = "with a password in it";
  const { stage, advice } = await assertRejects(enter, StoryError, line);
  assertEquals([stage, advice], ["address bar", "Correct the address"]);
});

Deno.test("a stale page is asked for, and the story does not say that it is shown before", async () => {
  const field = "Cache-Control: max-age=0, stale-while-revalidate=60";
  const { stages } = await visitSite([SITE, SITE], () => head("200 OK", field));
  const [, why, then] = stages.find(({ name }) => name === "caches")!.did;
  assert(why.endsWith("shown, while it is asked for"), why);
  assertEquals(then, "here it is asked for first");
  assert(stages.some(({ name }) => name === "page"));
});

Deno.test("a 304 about another version is not shown: it is asked for again", async () => {
  const answers = [
    head("200 OK", "Cache-Control: no-cache", 'ETag: "1"'),
    head("304 Not Modified", 'ETag: "2"'),
    head("200 OK", 'ETag: "2"'),
  ];
  const answer = () => answers.shift()!;
  const { story, requests } = await visitSite([SITE, SITE], answer);
  assertEquals([story?.status, requests], [200, [3]]);
});
