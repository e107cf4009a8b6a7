import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CertificateError,
  checkServer,
  matches,
  readCertificate,
} from "./certificate_check.ts";
import { makeAuthority } from "./certificates.ts";
import { run, testWith } from "./counterparts.ts";
import { sequence, value } from "./der.ts";
import { readPem, readSequence } from "./der_reader.ts";

/** The server's certificate of RFC 8448 section 3: RSA, version 3, without other names. */
const TRACE = Uint8Array.fromHex(
  "308201ac30820115a003020102020102300d06092a864886f70d01010b0500300e310c300a" +
    "06035504031303727361301e170d3136303733303031323335395a170d3236303733303031" +
    "323335395a300e310c300a0603550403130372736130819f300d06092a864886f70d010101" +
    "050003818d0030818902818100b4bb498f8279303d980836399b36c6988c0c68de55e1bdb8" +
    "26d3901a2461eafd2de49a91d015abbc9a95137ace6c1af19eaa6af98c7ced43120998e187" +
    "a80ee0ccb0524b1b018c3e0b63264d449a6d38e22a5fda430846748030530ef0461c8ca9d9" +
    "efbfae8ea6d1d03e2bd193eff0ab9a8002c47428a6d35a8d88d79f7f1e3f0203010001a31a" +
    "301830090603551d1304023000300b0603551d0f0404030205a0300d06092a864886f70d01" +
    "010b05000381810085aad2a0e5b9276b908c65f73a7267170618a54c5f8a7b337d2df7a594" +
    "365417f2eae8f8a58c8f8172f9319cf36b7fd6c55b80f21a03015156726096fd335e5e67f2" +
    "dbf102702e608ccae6bec1fc63a42a99be5c3eb7107c3c54e9b9eb2bd5203b1c3b84e0a8b2" +
    "f759409ba3eac9d91d402dcc0cc8f8961229ac9187b42b4de1",
);

Deno.test("the RFC's certificate says what it says", () => {
  const read = readCertificate(TRACE);
  assertEquals(read.from.toISOString(), "2016-07-30T01:23:59.000Z");
  assertEquals(read.until.toISOString(), "2026-07-30T01:23:59.000Z");
  assertEquals(read.issuer, read.subject);
  assertEquals([read.names, read.addresses], [[], []]);
  assertEquals([read.authority, read.signs, read.serves], [false, false, true]);
  assertEquals(read.method, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" });
  assertEquals(read.signature.length, 128);
  assertEquals(read.unknown, []);
});

const der = ({ certificate }: { certificate: string }) =>
  readPem("CERTIFICATE", certificate);
const authority = await makeAuthority("Root");
const names = ["www.example.com", "*.example.net", "192.0.2.1", "2001:db8::1"];
const server = await authority.issue({ names });
const roots = [der(authority)];

/** What becomes of it: "believed", or the code of the error and its line. */
async function check(
  sent: readonly Uint8Array[],
  host: string,
  trusted = roots,
  when = new Date(),
): Promise<string> {
  try {
    await checkServer(sent, host, trusted, when);
    return "believed";
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

Deno.test("each of its names is believed, and no other", async () => {
  const sent = [der(server)];
  for (
    const host of [
      ...["www.example.com", "WWW.Example.COM", "www.example.com."],
      ...["shop.example.net", "192.0.2.1", "2001:db8:0::1"],
    ]
  ) {
    assertEquals(await check(sent, host), "believed", host);
  }
  for (
    const host of [
      ...["example.com", "www.example.com.evil.net", "xwww.example.com"],
      ...["example.net", "a.b.example.net", ".example.net", "192.0.2.2", ""],
      ...["2001:db8::2", "3221225985"],
    ]
  ) {
    const outcome = await check(sent, host);
    assert(
      outcome.startsWith(`name: The certificate is not for ${host}, but`),
      host,
    );
  }
});

Deno.test("* is one whole label, the first, and below a name of two at least", () => {
  for (
    const [name, host, expected] of [
      ["*.example.com", "a.example.com", true],
      ["*.example.com", "A.EXAMPLE.com", true],
      ["*.example.com", "example.com", false],
      ["*.example.com", "a.b.example.com", false],
      ["*.example.com", ".example.com", false],
      ["*.com", "example.com", false],
      ["*", "localhost", false],
      ["w*.example.com", "www.example.com", false],
      ["www.*.com", "www.example.com", false],
      ["a.example.com", "b.example.com", false],
    ] as const
  ) {
    assertEquals(matches(name, host), expected, `${name} ${host}`);
  }
});

Deno.test("before its time and after it, it is refused", async () => {
  const { from, until } = readCertificate(der(server));
  const at = (date: Date, ms: number) =>
    check([der(server)], names[0], roots, new Date(date.getTime() + ms));
  assertEquals(await at(from, 0), "believed");
  assertEquals(await at(until, 0), "believed");
  assertEquals(
    await at(until, 1),
    `time: The certificate was good until ${until.toISOString().slice(0, 10)}`,
  );
  assertEquals(
    await at(from, -1),
    `time: The certificate is good from ${
      from.toISOString().slice(0, 10)
    } only`,
  );
});

Deno.test("without a root that has signed it is refused", async () => {
  const line =
    "unknown authority: No authority that is trusted has signed for www.example.com";
  const other = await makeAuthority("Other");
  const namesake = await makeAuthority("Root");
  for (const trusted of [[], [der(other)], [der(namesake)]]) {
    assertEquals(await check([der(server)], names[0], trusted), line);
  }
  // Found among several, also of the same name.
  const all = [der(other), der(namesake), ...roots];
  assertEquals(await check([der(server)], names[0], all), "believed");
  // Sending the root along does not make it trusted.
  assertEquals(await check([der(server), ...roots], names[0], []), line);
});

Deno.test("a server cannot sign for another", async () => {
  // As if the server's key were an authority's: its name, but not its right.
  const mallory = await makeAuthority("www.example.com");
  const forged = await mallory.issue({ names: ["www.google.com"] });
  const sent = [der(forged), der(server)];
  const outcome = await check(sent, "www.google.com");
  assert(outcome.startsWith("unknown authority"), outcome);
});

Deno.test("each bit of it counts", async () => {
  const whole = der(server);
  let refused = 0;
  for (let at = 0; at < whole.length; at += 3) {
    const changed = new Uint8Array(whole);
    changed[at] ^= 1 << at % 8;
    const outcome = await check([changed], names[0]);
    if (outcome !== "believed") refused++;
  }
  assertEquals(refused, Math.ceil(whole.length / 3));
});

Deno.test("what is no certificate is an error of its own", async () => {
  assertEquals(
    await check([], names[0]),
    "malformed: The server sent no certificate",
  );
  for (const cut of [0, 1, 4, 20, 200, der(server).length - 1]) {
    assertThrows(
      () => readCertificate(der(server).subarray(0, cut)),
      CertificateError,
      "Cannot read the certificate: ",
    );
  }
  await assertRejects(
    () => checkServer([der(server)], names[0], [new Uint8Array(3)], new Date()),
    CertificateError,
  );
});

Deno.test("there is one way to write a certificate that is signed", () => {
  const [body, how, signature] = readSequence(der(server))
    .map(({ whole }) => whole);
  const bits = readSequence(der(server))[2].content;
  const uneven = value(3, Uint8Array.of(1, ...bits.subarray(1, -1), 0));
  for (
    const [changed, line] of [
      [sequence(body, how, signature, how), "something after the signature"],
      [sequence(body, how, uneven), "a signature that is not whole bytes"],
    ] as const
  ) {
    assertThrows(() => readCertificate(changed), CertificateError, line);
  }
});

Deno.test("a name in other letters is not a name", () => {
  // The sign of the kelvin is k in small letters; a mark at the start would vanish.
  for (const letters of ["e284aa", "efbbbf", "1b", "20"]) {
    const hex = der(server).toHex();
    const name = new TextEncoder().encode("www.example.com").toHex();
    const forged = hex.slice(0, hex.lastIndexOf(name)) + letters +
      hex.slice(hex.lastIndexOf(name) + letters.length);
    assertThrows(
      () => readCertificate(Uint8Array.fromHex(forged)),
      CertificateError,
      "a name that is not of letters of ASCII",
    );
  }
});

Deno.test("a damaged certificate never is another error", () => {
  const whole = der(server);
  let refused = 0;
  for (let at = 0; at < whole.length; at++) {
    for (const byte of [0, 1, 2, 5, 0x30, 0x7f, 0x80, 0x82, 0xa0, 0xff]) {
      const changed = new Uint8Array(whole);
      changed[at] = byte;
      try {
        readCertificate(changed);
      } catch (error) {
        if (!(error instanceof CertificateError)) throw error;
        refused++;
      }
    }
  }
  assert(refused > 500, `${refused}`);
});

/** What stands in a chain of three, and whether it may be believed. */
const CHAINS: {
  what: string;
  root?: string;
  middle?: string;
  leaf?: string;
  ours: string;
  openssl: boolean;
}[] = [
  { what: "as it must be", ours: "believed", openssl: true },
  {
    what: "a signer that is no authority",
    middle: "basicConstraints=critical,CA:FALSE",
    ...{ ours: "unknown authority", openssl: false },
  },
  {
    what: "a signer that may not sign certificates",
    middle:
      "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature",
    ...{ ours: "unknown authority", openssl: false },
  },
  {
    what: "a chain longer than its root allows",
    root: "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign",
    ...{ ours: "unknown authority", openssl: false },
  },
  {
    what: "a certificate for clients",
    leaf: "subjectAltName=DNS:www.example.com\nextendedKeyUsage=clientAuth",
    ...{ ours: "use", openssl: false },
  },
  {
    what: "an authority for clients only",
    middle: "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth",
    ...{ ours: "unknown authority", openssl: false },
  },
  {
    what: "a name in the subject only",
    leaf: "extendedKeyUsage=serverAuth",
    // OpenSSL still takes the common name.
    ...{ ours: "name", openssl: true },
  },
  {
    what: "something critical that nobody knows",
    leaf: "subjectAltName=DNS:www.example.com\n1.2.3.4=critical,DER:0500",
    ...{ ours: "use", openssl: false },
  },
];

testWith(
  "openssl",
  "chains are believed as openssl believes them",
  async () => {
    const folder = await Deno.makeTempDir();
    const openssl = async (...args: string[]) => {
      const { code, text } = await run("openssl", args, folder);
      return { right: code === 0, text };
    };
    for (
      const [name, ...how] of [
        ["root", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
        ["middle", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
        ["leaf", "ed25519"],
      ]
    ) {
      const [algorithm, ...more] = how;
      const made = await openssl(
        ...["genpkey", "-algorithm", algorithm, ...more, "-out", `${name}.key`],
      );
      assert(made.right, made.text);
    }
    const issue = async (name: string, signer: string, extensions: string) => {
      await Deno.writeTextFile(`${folder}/${name}.ext`, extensions);
      const subject = name === "leaf" ? "/CN=www.example.com" : `/CN=${name}`;
      const key = ["-key", `${name}.key`, "-subj", subject];
      await openssl("req", "-new", ...key, "-out", `${name}.csr`);
      const by = name === signer ? ["-signkey", `${name}.key`] : [
        "-CA",
        `${signer}.pem`,
        "-CAkey",
        `${signer}.key`,
        "-CAcreateserial",
      ];
      const made = await openssl(
        ...[
          "x509",
          "-req",
          "-in",
          `${name}.csr`,
          ...by,
          "-days",
          "2",
          "-sha384",
        ],
        ...["-extfile", `${name}.ext`, "-out", `${name}.pem`],
      );
      assert(made.right, made.text);
      const pem = await Deno.readTextFile(`${folder}/${name}.pem`);
      return readPem("CERTIFICATE", pem);
    };
    const signs =
      "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";
    for (const { what, root, middle, leaf, ours, openssl: theirs } of CHAINS) {
      const top = await issue("root", "root", root ?? signs);
      const between = await issue("middle", "root", middle ?? signs);
      const bottom = await issue(
        "leaf",
        "middle",
        leaf ?? "subjectAltName=DNS:www.example.com",
      );
      const { right } = await openssl(
        ...["verify", "-CAfile", "root.pem", "-untrusted", "middle.pem"],
        ...["-purpose", "sslserver", "-verify_hostname", "www.example.com"],
        "leaf.pem",
      );
      assertEquals(right, theirs, what);
      const outcome = await check([bottom, between], "www.example.com", [top]);
      assertEquals(outcome.split(": ")[0], ours, what);
      // A certificate too many on the way does no harm.
      const more = [bottom, der(server), top, between];
      assertEquals(
        (await check(more, "www.example.com", [top])).split(": ")[0],
        ours,
      );
    }
    await Deno.remove(folder, { recursive: true });
  },
);
