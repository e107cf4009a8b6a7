import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectError, connectToFirst, interleave } from "./happy_eyeballs.ts";

const [A6, B6, A4, B4, C4] = [
  ...["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "192.0.2.3"],
];

Deno.test("families take turns, IPv6 first, each in its order", () => {
  assertEquals(interleave([A4, B4, C4, A6, B6]), [A6, A4, B6, B4, C4]);
  assertEquals(interleave([A4, B4]), [A4, B4]);
  assertEquals(interleave([B6, A6]), [B6, A6]);
  assertEquals(interleave([]), []);
});

/** Connections that succeed, fail or hang after some ms, and what was closed. */
function world(answers: Record<string, [ms: number, error?: string]>) {
  const [begun, closed, ended]: string[][] = [[], [], []];
  const connect = (address: string, signal: AbortSignal) => {
    begun.push(address);
    const [ms, error] = answers[address];
    return new Promise<string>((done, fail) => {
      const timer = ms === Infinity ? undefined : setTimeout(() => {
        if (error) fail(new Error(error));
        else done(address);
      }, ms);
      signal.addEventListener("abort", () => {
        ended.push(address);
        clearTimeout(timer);
        fail(signal.reason);
      });
    });
  };
  return {
    connect,
    close: (c: string) => void closed.push(c),
    begun,
    closed,
    ended,
  };
}
const headStart = 30;

Deno.test("the first address is taken if it answers in time, and no other is tried", async () => {
  const { connect, close, begun } = world({ [A6]: [1], [A4]: [0] });
  const won = await connectToFirst([A6, A4], connect, close, { headStart });
  assertEquals([won.address, won.connection, begun], [A6, A6, [A6]]);
  assertEquals(won.attempts.map((a) => a.outcome), ["connected"]);
});

Deno.test("a silent one costs its head start, and is given up when another answers", async () => {
  const { connect, close, begun, ended, closed } = world({
    ...{ [A6]: [Infinity], [A4]: [1] },
  });
  const won = await connectToFirst([A6, A4], connect, close, { headStart });
  assertEquals([won.address, begun, ended], [A4, [A6, A4], [A6, A4]]);
  assertEquals(won.attempts.map((a) => a.outcome), ["given up", "connected"]);
  assert(won.attempts[1].start >= headStart - 2);
  assertEquals(closed, []);
});

Deno.test("one that fails is no reason to wait", async () => {
  const { connect, close } = world({ [A6]: [1, "refused"], [A4]: [1] });
  const options = { headStart: 60_000 };
  const won = await connectToFirst([A6, A4], connect, close, options);
  assertEquals(won.attempts.map((a) => a.outcome), ["refused", "connected"]);
  // Of a minute: which of the two it was, not how fast.
  assert(won.attempts[1].start < 2500);
});

Deno.test("a slow one still wins, if it answers before those that came later", async () => {
  const { connect, close, begun } = world({
    ...{ [A6]: [50], [A4]: [Infinity], [B6]: [Infinity] },
  });
  const won = await connectToFirst([A6, B6, A4], connect, close, {
    headStart: 20,
  });
  assertEquals(won.address, A6);
  assert(begun.length > 1);
});

Deno.test("what connects too late is closed", async () => {
  const closed: string[] = [];
  let late: ((c: string) => void) | undefined;
  const connect = (address: string) =>
    address === A6
      ? new Promise<string>((done) => late = done)
      : Promise.resolve(address);
  const won = await connectToFirst([A6, A4], connect, (c) => closed.push(c), {
    headStart,
  });
  assertEquals([won.address, closed], [A4, []]);
  late!(A6);
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(closed, [A6]);
});

Deno.test("what has connected is given or closed, whenever the signal comes", async () => {
  for (let n = 0; n < 12; n++) {
    const stop = new AbortController();
    const closed: string[] = [];
    const connect = async (address: string) => {
      await new Promise((done) => setTimeout(done));
      const late = async () => {
        for (let i = 0; i < n; i++) await null;
        stop.abort();
      };
      late();
      return address;
    };
    const { signal } = stop;
    const won = await connectToFirst([A4], connect, (c) => closed.push(c), {
      signal,
    }).catch(() => undefined);
    assertEquals([won?.connection, ...closed].filter((c) => c), [A4], `${n}`);
  }
});

Deno.test("if all fail, the error names each address and why", async () => {
  const { connect, close } = world({
    [A6]: [1, "no route"],
    [A4]: [1, "refused"],
  });
  const error = await assertRejects(
    () => connectToFirst([A4, A6], connect, close, { headStart }),
    ConnectError,
    `Cannot connect to any address: ${A6}: no route; ${A4}: refused`,
  );
  assertEquals(error.attempts.length, 2);
  await assertRejects(
    () => connectToFirst([], connect, close),
    ConnectError,
    "Cannot connect to any address: there is none",
  );
});

Deno.test("an aborted attempt ends all, with the reason", async () => {
  const { connect, close, ended } = world({
    [A6]: [Infinity],
    [A4]: [Infinity],
  });
  const signal = AbortSignal.timeout(50);
  await assertRejects(
    () => connectToFirst([A6, A4], connect, close, { headStart: 10, signal }),
    DOMException,
    "aborted due to timeout",
  );
  assertEquals(ended.sort(), [A4, A6]);
});
