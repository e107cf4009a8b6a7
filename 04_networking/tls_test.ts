import { assert, assertEquals, assertRejects } from "@std/assert";
import { CertificateError } from "./certificate_check.ts";
import { type Identity, makeAuthority } from "./certificates.ts";
import { listens, PATHS, testWith, withProgram } from "./counterparts.ts";
import { type ByteStream, memoryPair } from "./http2_stream.ts";
import { acceptTls, type ClientOptions, connectTls } from "./tls.ts";
import { TlsError } from "./tls_record.ts";
import type { TlsStream } from "./tls_session.ts";

const HOST = "www.example.com";
const root = await makeAuthority("Root");
const server = await root.issue({ names: [HOST, "192.0.2.1"] });
const roots = [root.certificate];

/** What became of both sides: the stream, or the error. */
type Outcome = TlsStream | Error;

/** Both sides of a handshake, each to its end; `change` sees each piece on the way. */
async function shake(
  options: Partial<ClientOptions> = {},
  identity: Identity & { protocols?: readonly string[] } = server,
  change: (piece: Uint8Array, toServer: boolean) => Uint8Array = (p) => p,
): Promise<[Outcome, Outcome]> {
  const [near, far] = memoryPair();
  const [left, right] = memoryPair();
  const pass = (from: ByteStream, to: ByteStream, toServer: boolean) =>
    from.readable.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (piece, out) => out.enqueue(change(piece, toServer)),
      }),
    ).pipeTo(to.writable).catch(() => {});
  pass(far, left, true);
  pass(left, far, false);
  const error = (error: Error) => error;
  return await Promise.all([
    connectTls(near, { host: HOST, roots, ...options }).catch(error),
    acceptTls(right, identity).catch(error),
  ]);
}

/** The error that an outcome must be. */
function failed(outcome: Outcome): Error & { code?: string } {
  if (outcome instanceof Error) return outcome;
  throw new Error("it went well");
}

/** The stream that an outcome must be. */
function opened(outcome: Outcome): TlsStream {
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

const text = (value: string) => new TextEncoder().encode(value);

/** Sends a text and the end, and reads what the other side reads. */
async function carry(from: TlsStream, to: TlsStream, value: string) {
  const writer = from.writable.getWriter();
  const sent = writer.write(text(value)).then(() => writer.close());
  const read = await new Response(to.readable).text();
  await sent;
  return read;
}

Deno.test("both sides come to a stream, which carries text both ways", async () => {
  const names: string[] = [];
  const [client, far] = (await shake({
    onMessage: (sent, { name }) => names.push(`${sent ? "→" : "←"} ${name}`),
  })).map(opened);
  assertEquals(names, [
    ...["→ ClientHello", "← ServerHello", "← EncryptedExtensions"],
    ...["← Certificate", "← CertificateVerify", "← Finished", "→ Finished"],
  ]);
  const large = "façade".repeat(10_000);
  assertEquals(await carry(client, far, large), large);
  assertEquals(await carry(far, client, "and back"), "and back");
});

Deno.test("nothing of what is said can be read on the way", async () => {
  const seen: number[] = [];
  const [client, far] = (await shake({ protocols: ["secret/1"] }, {
    ...server,
    protocols: ["secret/1"],
  }, (piece) => (seen.push(...piece), piece))).map(opened);
  await carry(client, far, "the password");
  const all = new TextDecoder("latin1").decode(Uint8Array.from(seen));
  // The name of the server is in the clear, and what the client offers.
  assert(all.includes(HOST) && all.includes("secret/1"));
  assert(!all.includes("password"));
  // The certificate is not; it has the authority's name.
  assert(!all.includes("Root"));
});

Deno.test("the server's choice of protocol counts, the best first", async () => {
  for (
    const [client, far, expected] of [
      [["h2", "http/1.1"], ["http/1.1"], "http/1.1"],
      [["http/1.1", "h2"], ["h2", "http/1.1"], "h2"],
      [["h2"], [], undefined],
      [[], ["h2"], undefined],
    ] as const
  ) {
    const identity = { ...server, protocols: far };
    const sides = await shake({ protocols: client }, identity);
    assertEquals(sides.map((side) => opened(side).protocol), [
      expected,
      expected,
    ]);
  }
  const [client, far] = await shake({ protocols: ["h2"] }, {
    ...server,
    protocols: ["http/1.1"],
  });
  assertEquals(failed(far).code, "no_application_protocol");
  assertEquals(
    failed(client).message,
    "The other side ended the connection: no_application_protocol",
  );
});

Deno.test("a certificate that is not believed ends it, and the server is told", async () => {
  const other = await makeAuthority("Other");
  const until = new Date(Date.now() - 1000);
  const over = await root.issue({ names: [HOST], until });
  for (
    const [options, identity, code, alert] of [
      [{ host: "www.google.com" }, server, "name", "bad_certificate"],
      [{ host: "192.0.2.2" }, server, "name", "bad_certificate"],
      [{}, over, "time", "certificate_expired"],
      [
        { roots: [other.certificate] },
        server,
        "unknown authority",
        "unknown_ca",
      ],
      [{ roots: [] }, server, "unknown authority", "unknown_ca"],
    ] as const
  ) {
    const [client, far] = await shake(options, identity);
    const error = failed(client);
    assert(error instanceof CertificateError);
    assertEquals(error.code, code);
    assertEquals(
      failed(far).message,
      `The other side ended the connection: ${alert}`,
    );
  }
  opened((await shake({ host: "192.0.2.1" }))[0]);
});

Deno.test("a man in the middle has keys, but not the server's", async () => {
  // His own authority is not trusted.
  const mallory = await makeAuthority("Root");
  const own = await mallory.issue({ names: [HOST] });
  const [first] = await shake({}, own);
  assert(first instanceof CertificateError);
  // Google's certificate anybody can send; its key he does not have.
  const copied = { certificate: server.certificate, key: own.key };
  const [second, far] = await shake({}, copied);
  const error = failed(second);
  assertEquals(error.code, "decrypt_error");
  assertEquals(
    error.message,
    "The server does not have the key of its certificate",
  );
  assert(failed(far).message.endsWith("decrypt_error"));
});

Deno.test("each record that is changed on the way is seen by both, and nobody hangs", async () => {
  const records: number[] = [];
  await shake({}, server, (record) => (records.push(record.length), record));
  assertEquals(records.length, 7);
  for (let n = 0; n < records.length; n++) {
    // Behind the lengths in the clear, which would only make the reader wait for more.
    for (let at = n < 2 ? 9 : 5; at < records[n]; at += 3) {
      let seen = 0;
      const [client, far] = await shake({}, server, (record) => {
        const changed = new Uint8Array(record);
        // A signature may be a byte or two shorter this time.
        const last = changed.length - 1;
        if (seen++ === n) changed[Math.min(at, last)] ^= 1 << at % 8;
        return changed;
      });
      const what = `record ${n}, byte ${at}`;
      const codes = [client, far].map((side) =>
        side instanceof TlsError || side instanceof CertificateError
      );
      // The client has sent its Finished, and knows nothing of what becomes of it.
      assertEquals(codes, [n < 6, true], what);
    }
  }
});

Deno.test("a conversation that is cut anywhere ends on both sides", async () => {
  const sizes: number[] = [];
  await shake({}, server, (record) => (sizes.push(record.length), record));
  for (let n = 0; n < sizes.length; n++) {
    let seen = 0;
    const [client, far] = await shake({}, server, (record) => {
      if (seen++ < n) return record;
      throw new Error("cut");
    });
    assert(n === 6 || client instanceof Error, `record ${n}`);
    assert(far instanceof Error, `record ${n}`);
  }
});

Deno.test("a server of another kind is told apart", async () => {
  for (
    const [answer, line] of [
      ["HTTP/1.1 400 Bad Request\r\n\r\n", "is this TLS?"],
      ["", "The connection ended before ServerHello"],
    ]
  ) {
    const stream: ByteStream = {
      readable: ReadableStream.from(answer ? [text(answer)] : []),
      writable: new WritableStream(),
    };
    await assertRejects(
      () => connectTls(stream, { host: HOST, roots }),
      TlsError,
      line,
    );
  }
});

Deno.test("a handshake ends when it takes too long", async () => {
  const control = new AbortController();
  const { signal } = control;
  setTimeout(() => control.abort(new Error("too late")), 20);
  await assertRejects(
    () => connectTls(memoryPair()[0], { host: HOST, roots, signal }),
    Error,
    "too late",
  );
});

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";
const why = net ? "" : ": not tested without --allow-net";

Deno.test({
  name: `the runtime's client and server understand ours${why}`,
  ignore: !net,
  async fn() {
    const protocols = ["h2", "http/1.1"];
    // Our server.
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = listener.accept().then(async (tcp) => {
      const stream = await acceptTls(tcp, { ...server, protocols });
      const read = await new Response(stream.readable).text();
      await stream.writable.close();
      return [stream.protocol, read];
    });
    const { port } = listener.addr;
    const client = await Deno.connectTls({
      ...{ hostname: "127.0.0.1", port, caCerts: roots },
      alpnProtocols: ["http/1.1"],
      unsafelyDisableHostnameVerification: true,
    });
    assertEquals((await client.handshake()).alpnProtocol, "http/1.1");
    await client.write(text("to our server"));
    client.close();
    assertEquals(await serving, ["http/1.1", "to our server"]);
    listener.close();
    // Our client.
    const theirs = Deno.listenTls({
      ...{ hostname: "127.0.0.1", port: 0, alpnProtocols: ["h2"] },
      ...{ cert: server.certificate, key: server.key },
    });
    const answering = theirs.accept().then(async (tls) => {
      const bytes = new Uint8Array(100);
      const count = await tls.read(bytes);
      await tls.write(bytes.subarray(0, count!));
      tls.close();
    });
    const where = theirs.addr as Deno.NetAddr;
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: where.port });
    const stream = await connectTls(tcp, { host: HOST, roots, protocols });
    assertEquals(stream.protocol, "h2");
    const writer = stream.writable.getWriter();
    await writer.write(text("to theirs"));
    assertEquals(await new Response(stream.readable).text(), "to theirs");
    await writer.close();
    await answering;
    theirs.close();
  },
});

testWith("openssl", "openssl's server understands our client", async () => {
  await withProgram(
    "openssl",
    () => ({ "cert.pem": server.certificate, "key.pem": server.key }),
    (folder, port) => [
      ...["s_server", "-accept", `127.0.0.1:${port}`, "-tls1_3", "-www"],
      ...["-cert", `${folder}/cert.pem`, "-key", `${folder}/key.pem`],
      ...["-alpn", "http/1.1"],
    ],
    listens,
    async (port) => {
      const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
      const protocols = ["h2", "http/1.1"];
      const options = { host: HOST, roots, protocols };
      const stream = await connectTls(await connect(), options);
      assertEquals(stream.protocol, "http/1.1");
      const writer = stream.writable.getWriter();
      await writer.write(text("GET / HTTP/1.0\r\n\r\n"));
      const page = await new Response(stream.readable).text();
      await writer.close();
      assert(page.startsWith("HTTP/1.0 200 ok\r\n"), page);
      assert(page.includes("TLS_AES_128_GCM_SHA256"), page);
      const other = { host: "www.google.com", roots };
      const tcp = await connect();
      await assertRejects(() => connectTls(tcp, other), CertificateError);
    },
  );
});

testWith(
  "openssl",
  "openssl's client understands our server, fresh keys, too",
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const names: string[] = [];
    const [shaken, updated] = [0, 1].map(() => Promise.withResolvers<void>());
    const serving = listener.accept().then(async (tcp) => {
      const { readable, writable } = await acceptTls(tcp, {
        ...server,
        onMessage(sent, { name }) {
          if (sent) return;
          names.push(name);
          if (name === "Finished") shaken.resolve();
          if (name === "KeyUpdate") updated.resolve();
        },
      });
      const reader = readable.getReader();
      const writer = writable.getWriter();
      const { value } = await reader.read();
      await writer.write(value);
      await reader.read().catch(() => {});
      await writer.close();
    });
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/root.pem`, root.certificate);
    const client = new Deno.Command(PATHS.openssl, {
      args: [
        ...["s_client", "-connect", `127.0.0.1:${listener.addr.port}`],
        ...["-servername", HOST, "-CAfile", `${folder}/root.pem`],
        ...["-verify_hostname", HOST, "-verify_return_error"],
      ],
      ...{ stdin: "piped", stdout: "piped", stderr: "null" },
    }).spawn();
    const writer = client.stdin.getWriter();
    const printed = client.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    let shown = "";
    const until = async (line?: string) => {
      while (line === undefined || !shown.includes(line)) {
        const { done, value } = await printed.read();
        if (done) return;
        shown += value;
      }
    };
    // K alone in a line: new keys, and the other side shall send new ones, too.
    await shaken.promise;
    await writer.write(text("K\n"));
    await updated.promise;
    await writer.write(text("hello\n"));
    await until("\nhello\n");
    await writer.write(text("Q\n"));
    writer.close().catch(() => {});
    await until();
    await client.status;
    await serving;
    listener.close();
    await Deno.remove(folder, { recursive: true });
    assert(shown.includes("Verify return code: 0 (ok)"), shown);
    assert(shown.includes("\nhello\n"), shown);
    assertEquals(names, ["ClientHello", "Finished", "KeyUpdate"]);
  },
);
