import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { startLab } from "./lab.ts";
import type { Stage } from "./stages.ts";
import { Visitor } from "./story.ts";
import { converse } from "./tcp.ts";
import {
  allBefore,
  freePairs,
  LAYERS,
  mayComeNext,
  tell,
  WALK,
} from "./walk.ts";

const NAMES = WALK.map(({ name }) => name);

/** Orders that the standards draw. */
const CHAINS: [source: string, ...steps: string[]][] = [
  ["RFC 826, the first lines", "ARP", "question", "SYN"],
  [
    "RFC 1034, 5.3.3 and 6.3",
    "stub",
    "question",
    "root",
    "com",
    "google.com",
    "DNS answer",
  ],
  ["RFC 6724, 2", "DNS answer", "address choice", "SYN"],
  ["RFC 9293, figure 6", "SYN", "SYN-ACK", "ACK"],
  ["RFC 3022, 2.2", "SYN", "NAT", "SYN-ACK"],
  [
    "RFC 8446, figure 1",
    "ACK",
    "ClientHello",
    "ServerHello",
    "certificate check",
    "Finished",
  ],
  ["RFC 9113, 3.2", "Finished", "request"],
  [
    "RFC 6797, 8.3, and Fetch, 4.1 and 4.5",
    "address bar",
    "HSTS",
    "page cache",
    "stub",
  ],
  ["RFC 6265, 5.4", "HSTS", "cookies", "request"],
  ["RFC 9110, 3.7 and 3.4", "request", "balancer", "origin", "answer", "parse"],
  ["RFC 6265, 5.2, and RFC 9111, 3", "answer", "keep"],
];
for (const [source, ...steps] of CHAINS) {
  Deno.test(`the order is forced from ${steps.join(" to ")} (${source})`, () => {
    steps.slice(1).forEach((step, i) => {
      assert(NAMES.includes(steps[i]), steps[i]);
      assert(allBefore(step).includes(steps[i]), `${steps[i]}, ${step}`);
    });
  });
}

Deno.test("only the cookies, and what is kept of the answer, are free to come earlier or later", () => {
  const during = NAMES.slice(
    NAMES.indexOf("page cache"),
    NAMES.indexOf("cookies"),
  );
  assertEquals(during.length, 17);
  assertEquals(freePairs(), [
    ...during.map((name): [string, string] => [name, "cookies"]),
    ["keep", "parse"],
  ]);
});

Deno.test("the walk begins with the key, and no step stands before one that it needs", () => {
  assertEquals(mayComeNext([]).map(({ name }) => name), ["key"]);
  WALK.forEach((step, n) => {
    assert(mayComeNext(NAMES.slice(0, n)).includes(step), step.name);
    assertEquals(step.after.length > 0, n > 0);
  });
  assertEquals(mayComeNext(NAMES), []);
});

Deno.test("whichever possible step is taken next, the walk comes to its end", () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (choices) => {
      const done: string[] = [];
      for (
        let next = mayComeNext(done);
        next.length > 0;
        next = mayComeNext(done)
      ) {
        const { name } = next[choices.next().value! % next.length];
        assertEquals(allBefore(name).filter((x) => !done.includes(x)), []);
        done.push(name);
      }
      assertEquals(done.toSorted(), NAMES.toSorted());
    }),
    { seed: 7, numRuns: 50 },
  );
});

Deno.test("no step is said to come after one that it comes after anyway", () => {
  for (const { name, after } of WALK) {
    for (const before of after) {
      const others = after.filter((other) => other !== before);
      const anyway = others.flatMap(allBefore);
      assert(!anyway.includes(before), `${name} after ${before}`);
    }
  }
});

Deno.test("names and texts are all different, one line each, and every layer has its steps", () => {
  const texts = WALK.flatMap(({ name, what, why }) => [name, what, why]);
  assertEquals(new Set(texts).size, texts.length);
  for (const step of WALK) {
    assertEquals(tell(step).length, 2);
    for (const line of tell(step)) assert(line.length <= 120, line);
    assertEquals(step.after.filter((name) => !NAMES.includes(name)), []);
  }
  const used = new Set<string>(WALK.map(({ layer }) => layer));
  assertEquals([...used].toSorted(), Object.keys(LAYERS).toSorted());
});

Deno.test("tell() says the layer, the step, what it comes after, and why", () => {
  assertEquals(tell(WALK[0]), [
    "hardware  key: the switch closes, and the keyboard reports Enter",
    "          first: nothing begins by itself",
  ]);
  assertEquals(tell(WALK.find(({ name }) => name === "request")!), [
    "HTTP      request: a frame of compressed headers: GET, the host, the path",
    "          after Finished and cookies: before the handshake is done it would be " +
    "readable, or be for a stranger",
  ]);
});

Deno.test("its TCP is what two endpoints of this chapter send", () => {
  const { sent } = converse({ client: {}, server: {} });
  const kinds = sent.slice(0, 3).map(({ segment: { syn, ack } }) =>
    [syn && "SYN", ack !== undefined && "ACK"].filter(Boolean).join("-")
  );
  assertEquals(
    WALK.filter(({ layer }) => layer === "TCP").map(({ name }) => name),
    kinds,
  );
});

const { state } = Deno.permissions.querySync({
  name: "net",
  host: "127.0.0.1",
});
const granted = state === "granted";
Deno.test({
  name: granted
    ? "its layers are those of the story that the lab tells, in that order"
    : "needs --allow-net, so not compared here: the story that the lab tells",
  ignore: !granted,
  async fn() {
    const lab = await startLab();
    const visitor = new Visitor(lab);
    const stages: Stage[] = [];
    const onStage = (stage: Stage) => void stages.push(stage);
    try {
      await visitor.enter("www.google.com", { onStage });
    } finally {
      await visitor.close();
      await lab.close();
    }
    // Up to a redirect, where it begins again.
    const end = stages.findIndex(({ layer }) => layer === "HTTP") + 1;
    let at = 0;
    for (const { name, layer } of stages.slice(0, end)) {
      const step = WALK.find((step) => step.name === name);
      if (step) assertEquals(step.layer, layer, name);
      at = WALK.findIndex((step, i) => i >= at && step.layer === layer);
      assert(at >= 0, `no ${layer} for ${name}`);
    }
  },
});
