import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Identity, makeAuthority } from "./certificates.ts";
import { run, testWith } from "./counterparts.ts";

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

/** Whether a client that trusts `root` gets a byte from `identity` as `hostname`. */
async function connect(identity: Identity, root: string, hostname: string) {
  const { certificate: cert, key } = identity;
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert,
    key,
  });
  const serving = (async () => {
    const connection = await listener.accept();
    // The client may hang up in the middle of the handshake: that is the test.
    await connection.write(Uint8Array.of(42)).catch(() => {});
    connection.close();
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  let client: Deno.TlsConn | undefined;
  try {
    client = await Deno.startTls(tcp, { hostname, caCerts: [root] });
    const byte = new Uint8Array(1);
    await client.read(byte);
    return byte[0];
  } finally {
    client?.close();
    await serving;
    listener.close();
  }
}

/** A test that needs the network of this machine. */
function test(name: string, fn: () => Promise<void>): void {
  const label = net ? name : `${name}: not tested without --allow-net`;
  Deno.test({ name: label, ignore: !net, fn });
}

const authority = await makeAuthority("Test Root");
const names = ["www.example.com", "*.example.net", "127.0.0.1", "::1"];
const server = await authority.issue({ names });

test("a client that trusts the authority takes each of the names", async () => {
  for (const name of ["www.example.com", "a.example.net", "127.0.0.1"]) {
    assertEquals(await connect(server, authority.certificate, name), 42, name);
  }
});

test("another name is refused", async () => {
  for (
    const name of ["example.com", "a.b.example.net", "example.net", "127.0.0.2"]
  ) {
    await assertRejects(
      () => connect(server, authority.certificate, name),
      Error,
      "certificate not valid for name",
      name,
    );
  }
});

test("an authority that the client does not have is refused", async () => {
  // Of the same name: only the signature tells them apart.
  const other = await makeAuthority("Test Root");
  await assertRejects(
    () => connect(server, other.certificate, "www.example.com"),
    Error,
    "invalid peer certificate",
  );
});

test("a certificate that is over, or not yet begun, is refused", async () => {
  const day = 86_400_000;
  for (
    const [from, until, line] of [
      [-2 * day, -day, "certificate expired"],
      [day, 2 * day, "not valid yet"],
    ] as const
  ) {
    const identity = await authority.issue({
      names: ["www.example.com"],
      from: new Date(Date.now() + from),
      until: new Date(Date.now() + until),
    });
    await assertRejects(
      () => connect(identity, authority.certificate, "www.example.com"),
      Error,
      line,
    );
  }
});

test("a server cannot be an authority for itself", async () => {
  await assertRejects(
    () => connect(server, server.certificate, "other.example.com"),
    Error,
    "invalid peer certificate",
  );
});

Deno.test("no two certificates have the same serial number, or key", async () => {
  const body = (identity: Identity) =>
    Uint8Array.fromBase64(
      identity.certificate.replaceAll(/-----.*-----|\n/g, ""),
    );
  const seen = new Set<string>();
  for (let n = 0; n < 5; n++) {
    // Two sequences of 4 bytes each, the version of 5, and the integer's own 2.
    const serial = body(await authority.issue({ names })).subarray(13, 31);
    assertEquals([serial[0], serial[1]], [2, 16]);
    assert(serial[2] > 0 && serial[2] < 128);
    seen.add(serial.toHex());
  }
  assertEquals(seen.size, 5);
});

Deno.test("a certificate without a name, or with what is none, is an error", async () => {
  await assertRejects(
    () => authority.issue({ names: [] }),
    RangeError,
    "Cannot issue a certificate without a name",
  );
  for (const name of ["", "a b", "1.2.3", "x.*.com", "a..b"]) {
    await assertRejects(
      () => authority.issue({ names: [name] }),
      SyntaxError,
      `Cannot read ${name} as an IP address`,
    );
  }
});

testWith(
  "openssl",
  "openssl takes the chain, and reads what was meant",
  async () => {
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/root.pem`, authority.certificate);
    await Deno.writeTextFile(`${folder}/server.pem`, server.certificate);
    await Deno.writeTextFile(`${folder}/key.pem`, server.key);
    const openssl = async (...args: string[]) =>
      (await run("openssl", args, folder)).text;
    const verify = ["verify", "-x509_strict", "-CAfile", "root.pem"];
    assertEquals(
      await openssl(...verify, "-purpose", "sslserver", "server.pem"),
      "server.pem: OK\n",
    );
    const named = (name: string) =>
      openssl(...verify, "-verify_hostname", name, "server.pem");
    assertEquals(await named("a.example.net"), "server.pem: OK\n");
    assert((await named("example.com")).includes("hostname mismatch"));
    const text = await openssl("x509", "-in", "server.pem", "-noout", "-text");
    for (
      const line of [
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN = Test Root",
        "Subject: CN = www.example.com",
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Server Authentication",
        "DNS:www.example.com, DNS:*.example.net, IP Address:127.0.0.1, " +
        "IP Address:0:0:0:0:0:0:0:1",
      ]
    ) {
      assert(text.includes(line), `no ${line} in ${text}`);
    }
    // The key is that of the certificate.
    const [a, b] = [
      await openssl("x509", "-in", "server.pem", "-noout", "-pubkey"),
      await openssl("pkey", "-in", "key.pem", "-pubout"),
    ];
    assertEquals(a, b);
    // The server signs another certificate with its key: nobody takes it.
    await openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
      ...["-nodes", "-keyout", "k.pem", "-out", "r.pem", "-subj", "/CN=evil"],
    );
    await openssl(
      ...["x509", "-req", "-in", "r.pem", "-CA", "server.pem", "-CAkey"],
      ...["key.pem", "-set_serial", "7", "-out", "evil.pem"],
    );
    const evil = [...verify, "-untrusted", "server.pem", "evil.pem"];
    const refusal = await openssl(...evil);
    assert(refusal.includes("invalid CA certificate"), refusal);
    await Deno.remove(folder, { recursive: true });
  },
);
