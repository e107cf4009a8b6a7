import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createSocket, type RemoteInfo } from "node:dgram";
import { answers, ask, DnsError } from "./dns_client.ts";
import { decode, encode, type Message, message } from "./dns_message.ts";

const granted = Deno.permissions.querySync({ name: "net" }).state === "granted";

/** A test that needs the network of this machine. */
function test(name: string, fn: () => Promise<void>): void {
  const label = granted ? name : `${name}: not tested without --allow-net`;
  Deno.test({ name: label, ignore: !granted, fn });
}

/** Sends to who asked, from this server. */
type Send = (packet: Uint8Array | Message, to: RemoteInfo) => void;

/** A UDP server of this machine while `work` runs. */
async function withServer(
  onQuery: (
    query: Message,
    from: RemoteInfo,
    send: Send,
    count: number,
  ) => void,
  work: (server: { address: string; port: number }) => Promise<void>,
  port = 0,
): Promise<number> {
  const socket = createSocket("udp4");
  let count = 0;
  const send: Send = (packet, to) => {
    const bytes = packet instanceof Uint8Array ? packet : encode(packet);
    socket.send(bytes, to.port, to.address);
  };
  socket.on("message", (bytes, from) => {
    onQuery(decode(new Uint8Array(bytes)), from, send, count++);
  });
  await new Promise<void>((done) => socket.bind(port, "127.0.0.1", done));
  try {
    await work({ address: "127.0.0.1", port: socket.address().port });
  } finally {
    await new Promise<void>((done) => socket.close(done));
  }
  return count;
}

const reply = (query: Message, address: string): Message => ({
  ...query,
  response: true,
  answers: [{ name: query.questions[0].name, ttl: 5, type: "A", address }],
});
const once = { timeout: 5000, tries: 1 };
const found = (m: Message) => m.answers.map((r) => r.type === "A" && r.address);

test("a question goes out with EDNS, and its answer comes back", async () => {
  const asked = await withServer((query, from, send) => {
    assertEquals(query.questions, [{ name: "Example.com", type: "A" }]);
    assertEquals([query.recursionDesired, query.edns?.size], [false, 1232]);
    send(reply(query, "192.0.2.1"), from);
  }, async (server) => {
    assertEquals(found(await ask(server, "Example.com", "A")), ["192.0.2.1"]);
  });
  assertEquals(asked, 1);
});

test("an answer is lost, and the question is sent again, with another id", async () => {
  const ids = new Set<number>();
  const ports = new Set<number>();
  const asked = await withServer((query, from, send, count) => {
    ids.add(query.id);
    ports.add(from.port);
    if (count === 2) send(reply(query, "192.0.2.1"), from);
  }, async (server) => {
    const options = { timeout: 30, tries: 3 };
    assertEquals(found(await ask(server, "a", "A", options)), ["192.0.2.1"]);
  });
  assertEquals(asked, 3);
  // By chance two ids are equal once in 20,000 runs, so all three never are.
  assert(
    ids.size > 1 && ports.size > 1,
    `${ids.size} ids, ${ports.size} ports`,
  );
});

test("forged answers are passed over, and the right one is taken", async () => {
  const other = createSocket("udp4");
  await new Promise<void>((done) => other.bind(0, "127.0.0.1", done));
  await withServer((query, from, send) => {
    const forged = reply(query, "6.6.6.6");
    const [question] = query.questions;
    send({ ...forged, id: (query.id + 1) % 65536 }, from);
    send({ ...forged, response: false }, from);
    send({ ...forged, opcode: 2 }, from);
    send({ ...forged, questions: [{ ...question, type: "AAAA" }] }, from);
    send({ ...forged, questions: [{ ...question, name: "b" }] }, from);
    send({ ...forged, questions: [question, question] }, from);
    send({ ...forged, questions: [] }, from);
    send(Uint8Array.of(1, 2, 3), from);
    // With all that is right, but from another port.
    other.send(encode(forged), from.port, from.address);
    setTimeout(() => send(reply(query, "192.0.2.1"), from), 20);
  }, async (server) => {
    const options = { timeout: 500, tries: 1 };
    assertEquals(found(await ask(server, "a", "A", options)), ["192.0.2.1"]);
  });
  await new Promise<void>((done) => other.close(done));
});

test("no answer is an error that says whom was asked, and how often", async () => {
  const asked = await withServer(() => {}, async (server) => {
    const error = await assertRejects(
      () => ask(server, "a", "A", { timeout: 10, tries: 2 }),
      DnsError,
      `No answer from 127.0.0.1 port ${server.port} to 2 packets`,
    );
    assertEquals(error.code, "timeout");
  });
  assertEquals(asked, 2);
});

test("an rcode is an answer; FORMERR of an old server is asked again without EDNS", async () => {
  const asked = await withServer((query, from, send) => {
    const rcode = query.edns ? 1 : 3;
    send(
      { ...query, response: true, edns: undefined, questions: [], rcode },
      from,
    );
  }, async (server) => {
    assertEquals((await ask(server, "a", "A", once)).rcode, 3);
  });
  assertEquals(asked, 2);
});

test("an aborted question ends at once, with the reason", async () => {
  await withServer(() => {}, async (server) => {
    const reason = new Error("enough");
    for (const when of [0, 20]) {
      const controller = new AbortController();
      if (when === 0) controller.abort(reason);
      else setTimeout(() => controller.abort(reason), when);
      const start = performance.now();
      await assertRejects(
        () =>
          ask(server, "a", "A", { timeout: 5000, signal: controller.signal }),
        Error,
        "enough",
      );
      // Far less than the wait: no bound on speed, but on which of the two it was.
      assert(performance.now() - start < 2500);
    }
  });
});

test("a type may be asked for by its number", async () => {
  await withServer((query, from, send) => {
    send(reply(query, "192.0.2.1"), from);
  }, async (server) => {
    assertEquals(found(await ask(server, "a", "TYPE1", once)), ["192.0.2.1"]);
  });
});

/** A UDP server that always says "truncated", and one of TCP at the same port. */
async function withTcp(
  serve: (connection: Deno.TcpConn, query: Uint8Array) => Promise<void>,
  work: (server: { address: string; port: number }) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      const buffer = new Uint8Array(600);
      const count = await connection.read(buffer) ?? 0;
      await serve(connection, buffer.slice(0, count));
      connection.close();
    }
  })();
  try {
    await withServer(
      (query, from, send) => {
        send({ ...reply(query, "6.6.6.6"), truncated: true }, from);
      },
      work,
      listener.addr.port,
    );
  } finally {
    listener.close();
    await serving;
  }
}

const framed = (m: Message) => {
  const bytes = encode(m);
  return Uint8Array.of(bytes.length >> 8, bytes.length, ...bytes);
};

test("what did not fit is asked for over TCP, however its bytes come", async () => {
  const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(100));
  await withTcp(async (connection, query) => {
    assertEquals(query[0] << 8 | query[1], query.length - 2);
    const asked = decode(query.subarray(2));
    const bytes = framed({
      ...asked,
      response: true,
      answers: [{ name: "a", ttl: 5, type: "TXT", texts }],
    });
    for (const part of [[0, 1], [1, 3], [3, 900], [900, bytes.length]]) {
      await connection.write(bytes.subarray(...part as [number, number]));
      await new Promise((done) => setTimeout(done, 5));
    }
  }, async (server) => {
    const answer = await ask(server, "a", "TXT", once);
    assertEquals(answer.answers, [{ name: "a", ttl: 5, type: "TXT", texts }]);
    assertEquals(answer.truncated, false);
  });
});

test("over TCP, too, only the right answer counts, whole and in time", async () => {
  const asked = (query: Uint8Array) => decode(query.subarray(2));
  for (
    const [serve, code, line] of [
      [
        async (c: Deno.TcpConn, q: Uint8Array) => {
          const { id, ...rest } = reply(asked(q), "6.6.6.6");
          await c.write(framed({ ...rest, id: (id + 1) % 65536 }));
        },
        ...["malformed", "answered something else"],
      ],
      [
        async (c: Deno.TcpConn, q: Uint8Array) => {
          await c.write(framed(reply(asked(q), "1.2.3.4")).subarray(0, 20));
        },
        ...["malformed", "the connection ended at byte 18 of "],
      ],
      [
        async (c: Deno.TcpConn) =>
          void await c.write(Uint8Array.of(0, 2, 1, 1)),
        ...["malformed", "sent nonsense: Cannot read the message at byte 2"],
      ],
      [
        () => new Promise<void>((done) => setTimeout(done, 1500)),
        ...["timeout", "over TCP"],
      ],
    ] as [Parameters<typeof withTcp>[0], string, string][]
  ) {
    await withTcp(serve, async (server) => {
      const timeout = code === "timeout" ? 500 : 5000;
      const error = await assertRejects(
        () => ask(server, "a", "A", { timeout, tries: 1 }),
        DnsError,
        line,
      );
      assertEquals(error.code, code);
    });
  }
});

test("to be aborted just when the connection is there leaves none open", async () => {
  const { connect } = Deno;
  const controller = new AbortController();
  const opened: Deno.TcpConn[] = [];
  Deno.connect = (async (options: Deno.ConnectOptions) => {
    opened.push(await connect(options));
    controller.abort(new Error("enough"));
    return opened[0];
  }) as typeof Deno.connect;
  try {
    await withTcp(() => Promise.resolve(), async (server) => {
      const options = { ...once, signal: controller.signal };
      const asked = () => ask(server, "a", "A", options);
      await assertRejects(asked, Error, "enough");
      assertThrows(() => opened[0].close(), Deno.errors.BadResource);
    });
  } finally {
    Deno.connect = connect;
  }
});

test("no server of TCP at the port is an error that says so", async () => {
  await withServer((query, from, send) => {
    send({ ...query, response: true, truncated: true }, from);
  }, async (server) => {
    const error = await assertRejects(
      () => ask(server, "a", "A", once),
      DnsError,
      `No DNS server listens at 127.0.0.1 port ${server.port}`,
    );
    assertEquals(error.code, "refused");
  });
});

Deno.test("an answer repeats the question, in whatever case, or is an error without one", () => {
  const question = message({ id: 7, questions: [{ name: "a.b", type: "A" }] });
  const right = { ...question, response: true };
  assert(answers(right, question));
  assert(
    answers({ ...right, questions: [{ name: "A.B.", type: "A" }] }, question),
  );
  assert(answers({ ...right, questions: [], rcode: 1 }, question));
  for (
    const wrong of [
      { id: 8 },
      { response: false },
      { opcode: 1 },
      { questions: [] },
      { questions: [{ name: "a.c", type: "A" }] },
      { questions: [{ name: "a.b", type: "NS" }] },
    ]
  ) {
    assert(!answers({ ...right, ...wrong }, question), JSON.stringify(wrong));
  }
});

test("who observes sees what was sent, and the answer, but no forged one", async () => {
  const seen: string[] = [];
  await withServer((query, from, send) => {
    send({ ...reply(query, "192.0.2.66"), id: query.id ^ 1 }, from);
    send(reply(query, "192.0.2.1"), from);
  }, async (server) => {
    await ask(server, "a.b", "A", {
      ...once,
      observe(sent, packet, transport) {
        const { id, answers } = decode(packet);
        const [record] = answers;
        const address = record?.type === "A" ? record.address : "";
        seen.push(`${sent} ${transport} ${id > 0} ${address}`);
      },
    });
  });
  assertEquals(seen, ["true udp true ", "false udp true 192.0.2.1"]);
});

Deno.test("a port that is none is an error before anything is opened", async () => {
  for (const port of [0, -1, 1.5, 65536]) {
    const server = { address: "127.0.0.1", port };
    await assertRejects(
      () => ask(server, "a.b", "A"),
      RangeError,
      `Cannot ask port ${port}: needs 1 to 65535`,
    );
  }
});

const runs = granted &&
  Deno.permissions.querySync({ name: "run" }).state === "granted";

Deno.test({
  name: runs
    ? "what the command cannot do is a line, and no stack trace"
    : "needs --allow-net and --allow-run, so not tested here: the command",
  ignore: !runs,
  async fn() {
    const script = import.meta.resolve("./dns_client.ts");
    const net = "--allow-net";
    for (
      const [flags, args, code, line] of [
        [[], [], 1, "Cannot use the network: add --allow-net\n"],
        [[net], ["a", "127.0.0.1", "70000"], 2, "Usage: deno run"],
        [[net], ["a", "127.0.0.1", "1.5"], 2, "Usage: deno run"],
        [[net], ["a..b", "127.0.0.1"], 2, "Cannot use the name a..b"],
      ] as const
    ) {
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", ...flags, script, ...args],
        env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
        stdin: "null",
      });
      const { code: found, stderr } = await command.output();
      const text = new TextDecoder().decode(stderr);
      assertEquals([found, text.slice(0, line.length)], [code, line]);
      assertEquals(text.trim().split("\n").length, 1);
    }
  },
});
