import { assert, assertEquals, assertRejects } from "@std/assert";
import { createSocket } from "node:dgram";
import { run, testWith } from "./counterparts.ts";
import { ask } from "./dns_client.ts";
import { decode, encode, message } from "./dns_message.ts";
import { type DnsRecord } from "./dns_record.ts";
import { type Answer, type DnsServer, serveDns } from "./dns_server.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

const a = (name: string, address: string): DnsRecord => ({
  ...{ name, ttl: 300, type: "A", address },
});
const ZONE: Zone = {
  origin: "example.com",
  records: [
    {
      ...{
        name: "example.com",
        ttl: 300,
        type: "SOA",
        primary: "ns.example.com",
      },
      ...{ mailbox: "admin.example.com", serial: 1, refresh: 2, retry: 3 },
      ...{ expire: 4, minimum: 5 },
    },
    a("www.example.com", "192.0.2.1"),
    {
      name: "alias.example.com",
      ttl: 300,
      type: "CNAME",
      target: "www.example.com",
    },
    ...Array.from(
      { length: 60 },
      (_, i) => a("many.example.com", `192.0.2.${i}`),
    ),
    ...Array.from(
      { length: 99 },
      (_, i) => a("more.example.com", `192.0.2.${i}`),
    ),
    { name: "t.example.com", ttl: 300, type: "TXT", texts: ['a "b"', ""] },
    {
      ...{ name: "t.example.com", ttl: 300, type: "HTTPS", priority: 1 },
      ...{ target: ".", params: [{ key: 1, value: "\x02h2" }] },
    },
  ],
};
const zone: Answer = (query) => answerFrom([ZONE], query);

/** A test with a server, that needs the network of this machine. */
function test(
  name: string,
  answer: Answer,
  fn: (server: DnsServer) => Promise<void>,
): void {
  Deno.test({
    name: net ? name : `${name}: not tested without --allow-net`,
    ignore: !net,
    async fn() {
      const server = await serveDns(answer);
      try {
        await fn(server);
      } finally {
        await server.close();
      }
    },
  });
}

/** What comes back to a packet; undefined if nothing does in time. */
async function send(server: DnsServer, packet: Uint8Array, ms = 5000) {
  const socket = createSocket("udp4");
  const reply = await new Promise<Uint8Array | undefined>((done) => {
    const timer = setTimeout(() => done(undefined), ms);
    socket.on("message", (bytes) => {
      clearTimeout(timer);
      done(new Uint8Array(bytes));
    });
    socket.send(packet, server.port, server.address);
  });
  await new Promise<void>((done) => socket.close(done));
  return reply;
}
const query = (name: string, size?: number) =>
  encode(message({
    ...{ id: 0x1234, questions: [{ name, type: "A" }] },
    ...(size && { edns: { size, version: 0, dnssecOk: false, options: [] } }),
  }));

test("a question over UDP is answered over UDP", zone, async (server) => {
  const reply = decode((await send(server, query("www.example.com")))!);
  assertEquals([reply.id, reply.response, reply.rcode], [0x1234, true, 0]);
  assertEquals(reply.answers, [a("www.example.com", "192.0.2.1")]);
});

test(
  "what the client does not take is cut to nothing, with the flag TC",
  zone,
  async (server) => {
    for (
      const [name, size, whole] of [
        ["many.example.com", undefined, false],
        ["many.example.com", 512, false],
        ["many.example.com", 100, false],
        ["many.example.com", 1232, true],
        ["more.example.com", 1232, false],
        ["more.example.com", 4096, true],
      ] as const
    ) {
      const bytes = (await send(server, query(name, size)))!;
      const reply = decode(bytes);
      assertEquals(reply.truncated, !whole, `${name} ${size}`);
      assertEquals(reply.answers.length > 0, whole);
      assert(bytes.length <= Math.max(512, size ?? 0));
      assertEquals(reply.questions[0].name, name);
    }
  },
);

test("the client comes again over TCP, and gets all", zone, async (server) => {
  const reply = await ask(server, "more.example.com", "A");
  assertEquals([reply.answers.length, reply.truncated], [99, false]);
});

test(
  "several questions come on one connection, in any pieces",
  zone,
  async (server) => {
    const connection = await Deno.connect({
      hostname: server.address,
      port: server.port,
    });
    const frame = (
      bytes: Uint8Array,
    ) => [bytes.length >> 8, bytes.length, ...bytes];
    const both = Uint8Array.from([
      ...frame(query("www.example.com")),
      ...frame(query("no.example.com")),
    ]);
    for (const at of [0, 1, 2, 20, 40]) {
      const end = { 0: 1, 1: 2, 2: 20, 20: 40, 40: both.length }[at];
      await connection.write(both.subarray(at, end));
      await new Promise((done) => setTimeout(done, 2));
    }
    const found: number[] = [];
    let rest: number[] = [];
    const buffer = new Uint8Array(1024);
    while (found.length < 2) {
      const n = await connection.read(buffer);
      rest.push(...buffer.subarray(0, n ?? 0));
      const size = rest[0] << 8 | rest[1];
      if (rest.length < size + 2) continue;
      found.push(decode(Uint8Array.from(rest.slice(2, size + 2))).rcode);
      rest = rest.slice(size + 2);
      if (rest.length > 2 && rest.length >= (rest[0] << 8 | rest[1]) + 2) {
        found.push(decode(Uint8Array.from(rest.slice(2))).rcode);
      }
    }
    assertEquals(found, [0, 3]);
    connection.close();
  },
);

test(
  "nonsense is FORMERR, and what is no question gets no answer",
  zone,
  async (server) => {
    const right = query("www.example.com");
    const cut = (await send(server, right.subarray(0, 20)))!;
    assertEquals([decode(cut).id, decode(cut).rcode], [0x1234, 1]);
    // Of the kind of the question, or the client does not take it for its answer.
    const status = right.slice(0, 20);
    status[2] |= 2 << 3;
    assertEquals(decode((await send(server, status))!).opcode, 2);
    assertEquals(await send(server, right.subarray(0, 11), 100), undefined);
    assertEquals(await send(server, new Uint8Array(), 100), undefined);
    // An answer to an answer would go to and fro for ever.
    const answer = right.slice();
    answer[2] |= 0x80;
    assertEquals(await send(server, answer, 100), undefined);
  },
);

test(
  "an answer that cannot be written is SERVFAIL, and the server lives on",
  (query) => {
    const texts = Array.from({ length: 300 }, () => "x".repeat(255));
    const [{ name }] = query.questions;
    const record = { name, ttl: 1, type: "TXT", texts } as const;
    return { ...query, response: true, answers: [record] };
  },
  async (server) => {
    for (const _ of [1, 2]) {
      const reply = decode((await send(server, query("a")))!);
      assertEquals([reply.id, reply.rcode], [0x1234, 2]);
    }
    assertEquals((await ask(server, "a", "TXT")).rcode, 2);
  },
);

test("what is too long for any UDP goes over TCP", (query) => {
  const [{ name }] = query.questions;
  const texts = Array.from({ length: 20 }, () => "x".repeat(255));
  const record = { name, ttl: 1, type: "TXT", texts } as const;
  return { ...query, response: true, answers: [record] };
}, async (server) => {
  const reply = (await send(server, query("a", 65535)))!;
  assertEquals([reply.length < 100, decode(reply).truncated], [true, true]);
});

Deno.test({
  name: "a client that asks and never reads is let go",
  ignore: !net,
  async fn() {
    const texts = Array.from({ length: 200 }, () => "x".repeat(255));
    const answers = [{ name: "a", ttl: 1, type: "TXT", texts } as const];
    const server = await serveDns(
      (query) => ({ ...query, response: true, answers }),
      ...["127.0.0.1", 0, 200] as const,
    );
    const { address: hostname, port } = server;
    const connection = await Deno.connect({ hostname, port });
    const packet = query("a");
    const framed = Uint8Array.of(0, packet.length, ...packet);
    let held = false;
    const timer = setTimeout(() => {
      held = true;
      connection.close();
    }, 5000);
    // Until nothing goes through either way, and the server ends the connection.
    await assertRejects(
      async () => {
        for (;;) await connection.write(framed);
      },
      Error,
      "",
    );
    clearTimeout(timer);
    assert(!held);
    connection.close();
    await server.close();
  },
});

Deno.test({
  name: "a port that is taken is an error, and leaves nothing open",
  ignore: !net,
  async fn() {
    const socket = createSocket("udp4");
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    const { port } = socket.address();
    await assertRejects(
      () => serveDns(zone, "127.0.0.1", port),
      Error,
      "EADDRINUSE",
    );
    await new Promise<void>((done) => socket.close(done));
  },
});

let lost = 0;
test("what is not answered is as if lost", () => {
  lost++;
  return undefined;
}, async (server) => {
  assertEquals(await send(server, query("www.example.com"), 100), undefined);
  assertEquals(lost, 1);
});

test("to close ends open connections, too", zone, async (server) => {
  const connection = await Deno.connect({
    hostname: server.address,
    port: server.port,
  });
  await connection.write(Uint8Array.of(0, 40, 1));
  await new Promise((done) => setTimeout(done, 5));
  await server.close();
  assertEquals(
    await connection.read(new Uint8Array(1)).catch(() => null),
    null,
  );
  connection.close();
  // Closed twice: once here, and once by the test.
  server.close = () => Promise.resolve();
});

testWith("dig", "dig reads every answer, over UDP and TCP", async () => {
  const server = await serveDns(zone);
  const dig = async (...args: string[]) => {
    const at = [`@${server.address}`, "-p", `${server.port}`];
    return (await run("dig", [...at, ...args])).out;
  };
  assertEquals(
    await dig("+short", "alias.example.com"),
    "www.example.com.\n192.0.2.1\n",
  );
  assertEquals(
    (await dig("+short", "more.example.com")).split("\n").length,
    100,
  );
  assert(
    (await dig("+ignore", "more.example.com")).includes("flags: qr aa tc rd"),
  );
  assertEquals(await dig("+short", "+tcp", "www.example.com"), "192.0.2.1\n");
  assertEquals(
    await dig("+short", "t.example.com", "TXT"),
    '"a \\"b\\"" ""\n',
  );
  assertEquals(
    await dig("+short", "t.example.com", "HTTPS"),
    '1 . alpn="h2"\n',
  );
  const none = await dig("no.example.com");
  assert(
    none.includes("status: NXDOMAIN") &&
      none.includes("\tSOA\tns.example.com."),
  );
  assert((await dig("+dnssec", "www.example.com")).includes("flags: do;"));
  const version = await dig("+edns=1", "+noednsneg", "www.example.com");
  assert(version.includes("status: BADVERS"), version);
  const no = await dig("www.example.com", "AAAA");
  assert(no.includes("status: NOERROR") && no.includes("ANSWER: 0"));
  assert((await dig("example.org")).includes("status: REFUSED"));
  for (const text of [none, no]) {
    assert(!text.includes("WARNING: Message parser"));
  }
  await server.close();
});
