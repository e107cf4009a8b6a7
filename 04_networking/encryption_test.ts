import { assert, assertEquals, assertRejects } from "@std/assert";
import { CertificateError } from "./certificate_check.ts";
import { makeAuthority } from "./certificates.ts";
import {
  encryptByHand,
  encryptByRuntime,
  type Encrypted,
} from "./encryption.ts";
import { memoryPair } from "./http2_stream.ts";
import { acceptTls } from "./tls.ts";

const HOST = "www.example.com";
const authority = await makeAuthority("Root");
const identity = await authority.issue({ names: [HOST] });
const roots = [authority.certificate];

/** What is asked for, and what was told. */
function request(host = HOST, signal = new AbortController().signal) {
  const [said, shown]: string[][] = [[], []];
  const say = (line: string) => void said.push(line);
  const bytes = (line: string) => void shown.push(line);
  return { said, shown, request: { host, signal, say, bytes } };
}

/** A client's end of a connection to our own server, which reads all, and its end. */
function connected(protocols = ["h2"]) {
  const [near, far] = memoryPair();
  const serving = acceptTls(far, { ...identity, protocols })
    .then(({ readable }) => readable.pipeTo(new WritableStream()))
    .catch(() => {});
  return { tcp: { ...near, close() {} }, serving };
}

/** Ends it from the client's side, and waits until the server has seen that. */
async function finish({ stream, close }: Encrypted, serving: Promise<void>) {
  await stream.writable.close();
  await close();
  await serving;
}

Deno.test("by hand each message is told, and each record shown, also what it hides", async () => {
  const { said, shown, request: asked } = request();
  const { tcp, serving } = connected();
  const encrypted = await encryptByHand(tcp, roots, asked);
  assertEquals(encrypted.protocol, "h2");
  await finish(encrypted, serving);
  assertEquals(said.map((line) => line.split(",")[0]), [
    ...["→ ClientHello", "← ServerHello", "← EncryptedExtensions"],
    ...["← Certificate", "← CertificateVerify", "← Finished", "→ Finished"],
    "TLS 1.3",
    `the certificate is for ${HOST}`,
    "both speak h2",
  ]);
  assert(shown.some((line) => line.endsWith(`"${HOST}"`)), "the name");
  assert(shown.some((line) => line.includes("encrypted: 1")), "a record");
  assert(
    shown.some((line) => line.endsWith("check of all messages by the new key")),
  );
});

Deno.test("without a protocol in common it is HTTP/1.1", async () => {
  const { request: asked } = request();
  const { tcp, serving } = connected([]);
  const encrypted = await encryptByHand(tcp, roots, asked);
  assertEquals(encrypted.protocol, "http/1.1");
  await finish(encrypted, serving);
});

Deno.test("the name that was asked for is the one that is checked", async () => {
  const { request: asked } = request("www.google.com");
  const { tcp, serving } = connected();
  await assertRejects(
    () => encryptByHand(tcp, roots, asked),
    CertificateError,
    "The certificate is not for www.google.com",
  );
  await serving;
});

Deno.test("a signal ends the handshake, and not the stream that comes of it", async () => {
  const control = new AbortController();
  const { request: asked } = request(HOST, control.signal);
  const [silent] = memoryPair();
  const waiting = encryptByHand({ ...silent, close() {} }, roots, asked);
  control.abort(new Error("too late"));
  await assertRejects(() => waiting, Error, "too late");
  const later = new AbortController();
  const { request: next } = request(HOST, later.signal);
  const { tcp, serving } = connected();
  const encrypted = await encryptByHand(tcp, roots, next);
  later.abort(new Error("too late"));
  const writer = encrypted.stream.writable.getWriter();
  await writer.write(Uint8Array.of(1));
  writer.releaseLock();
  await finish(encrypted, serving);
});

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

Deno.test({
  name: net
    ? "the runtime trusts the machine's authorities only, and ends with the signal"
    : "needs --allow-net, so not tested here: the runtime's own TLS",
  ignore: !net,
  async fn() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
    const serving = (async () => {
      const first = await listener.accept();
      await acceptTls(first, { ...identity }).catch(() => {});
      const second = await listener.accept();
      return second;
    })();
    const tcp = await connect();
    await assertRejects(
      () => encryptByRuntime(tcp, request().request),
      Error,
      "invalid peer certificate",
    );
    const control = new AbortController();
    const silent = await connect();
    const { request: asked } = request(HOST, control.signal);
    const waiting = encryptByRuntime(silent, asked);
    control.abort(new Error("too late"));
    await assertRejects(() => waiting, Error, "too late");
    (await serving).close();
    listener.close();
  },
});
