import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  applicationSecrets,
  expandLabel,
  extract,
  finishedOf,
  handshakeSecrets,
  makeShare,
  nextSecret,
  sha256,
  shareOf,
  trafficKeys,
} from "./tls_keys.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** RFC 8448 section 3, "Simple 1-RTT Handshake". */
const TRACE = {
  clientNumber:
    "49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005",
  clientShare:
    "99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c",
  serverShare:
    "c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f",
  shared: "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d",
  early: "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a",
  derived: "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba",
  hellos: "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8",
  client: "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
  server: "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
  master: "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919",
  flight: "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13",
  clientData:
    "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
  serverData:
    "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
  clientFinished:
    "a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61",
};

Deno.test("the share and what both compute are the RFC's", async () => {
  const base64 = (hex: string) =>
    bytes(hex).toBase64({ alphabet: "base64url", omitPadding: true });
  const { clientNumber, clientShare, serverShare, shared } = TRACE;
  const jwk = {
    ...{ kty: "OKP", crv: "X25519" },
    ...{ d: base64(clientNumber), x: base64(clientShare) },
  };
  const number = await crypto.subtle
    .importKey("jwk", jwk, "X25519", false, ["deriveBits"]);
  const share = shareOf(number, bytes(clientShare));
  assertEquals((await share.agree(bytes(serverShare))).toHex(), shared);
});

Deno.test("secrets of the handshake and of the data are the RFC's", async () => {
  const zeros = new Uint8Array(32);
  const early = await extract(zeros, zeros);
  assertEquals(early.toHex(), TRACE.early);
  const derived = await expandLabel(early, "derived", await sha256());
  assertEquals(derived.toHex(), TRACE.derived);
  const { client, server, master } = await handshakeSecrets(
    bytes(TRACE.shared),
    bytes(TRACE.hellos),
  );
  assertEquals(client.toHex(), TRACE.client);
  assertEquals(server.toHex(), TRACE.server);
  assertEquals(master.toHex(), TRACE.master);
  const data = await applicationSecrets(master, bytes(TRACE.flight));
  assertEquals(data.client.toHex(), TRACE.clientData);
  assertEquals(data.server.toHex(), TRACE.serverData);
});

Deno.test("keys, ivs and Finished are the RFC's", async () => {
  for (
    const [secret, key, iv] of [
      [
        TRACE.client,
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
      ],
      [
        TRACE.server,
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
      ],
      [
        TRACE.serverData,
        "9f02283b6c9c07efc26bb9f2ac92e356",
        "cf782b88dd83549aadf1e984",
      ],
      [
        TRACE.clientData,
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
      ],
    ]
  ) {
    const keys = await trafficKeys(bytes(secret));
    assertEquals([keys.key.toHex(), keys.iv.toHex()], [key, iv]);
  }
  const finished = await finishedOf(bytes(TRACE.client), bytes(TRACE.flight));
  assertEquals(finished.toHex(), TRACE.clientFinished);
});

Deno.test("HKDF of TLS is that of RFC 5869 with a label in front", async () => {
  // WebCrypto extracts and expands in one step.
  const utf8 = (text: string) => new TextEncoder().encode(text);
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.constantFrom("key", "iv", "c hs traffic"),
      fc.uint8Array({ maxLength: 32 }),
      fc.integer({ min: 1, max: 32 }),
      async (salt, secret, label, context, size) => {
        const raw = new Uint8Array(secret);
        const key = await crypto.subtle
          .importKey("raw", raw, "HKDF", false, ["deriveBits"]);
        const name = utf8(`tls13 ${label}`);
        const info = Uint8Array.from([
          ...[0, size, name.length, ...name],
          ...[context.length, ...context],
        ]);
        const how = {
          ...{ name: "HKDF", hash: "SHA-256", info },
          salt: new Uint8Array(salt),
        };
        const whole = await crypto.subtle.deriveBits(how, key, 8 * size);
        const ours = await expandLabel(
          await extract(salt, secret),
          label,
          context,
          size,
        );
        assertEquals(ours, new Uint8Array(whole));
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("both sides come to the same, and no two shares are alike", async () => {
  const [a, b, c] = [await makeShare(), await makeShare(), await makeShare()];
  assertEquals(await a.agree(b.bytes), await b.agree(a.bytes));
  assertNotEquals(await a.agree(b.bytes), await a.agree(c.bytes));
  assertNotEquals(a.bytes, b.bytes);
});

Deno.test("a changed message gives other keys, and so does an update", async () => {
  const shared = bytes(TRACE.shared);
  const hellos = await sha256(Uint8Array.of(1), Uint8Array.of(2, 3));
  assertEquals(hellos, await sha256(Uint8Array.of(1, 2), Uint8Array.of(3)));
  const changed = await sha256(Uint8Array.of(1), Uint8Array.of(2, 4));
  assertNotEquals(
    (await handshakeSecrets(shared, hellos)).server,
    (await handshakeSecrets(shared, changed)).server,
  );
  const next = await nextSecret(bytes(TRACE.client));
  assertNotEquals(next.toHex(), TRACE.client);
  assertNotEquals((await nextSecret(next)).toHex(), next.toHex());
});

Deno.test("a share that gives zeros, or is none, is refused", async () => {
  const share = await makeShare();
  // Points of order 1, 4 and 8 (RFC 7748 section 6.1).
  for (
    const hex of [
      "00".repeat(32),
      "01" + "00".repeat(31),
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    ]
  ) {
    const line =
      "Cannot agree on a key: the other share gives zeros, which everybody knows";
    await assertRejects(() => share.agree(bytes(hex)), RangeError, line);
  }
  for (const size of [0, 31, 33]) {
    await assertRejects(
      () => share.agree(new Uint8Array(size)),
      RangeError,
      `Cannot agree on a key: a share of X25519 has 32 bytes, not ${size}`,
    );
  }
});
