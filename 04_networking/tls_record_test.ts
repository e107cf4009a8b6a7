import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type ByteStream, memoryPair } from "./http2_stream.ts";
import { nonceOf, Records, TlsError, type TlsRecord } from "./tls_record.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** A side that gets these bytes, in pieces of a size, and sends to nobody. */
function receiver(wire: Uint8Array, size = wire.length || 1): Records {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < wire.length; at += size) {
    pieces.push(wire.subarray(at, at + size));
  }
  return new Records({
    readable: ReadableStream.from(pieces),
    writable: new WritableStream(),
  });
}

/** A side that gets nothing, and what it has sent. */
function sender(): [Records, Uint8Array[]] {
  const sent: Uint8Array[] = [];
  const stream: ByteStream = {
    readable: new ReadableStream(),
    writable: new WritableStream({ write: (part) => void sent.push(part) }),
  };
  return [new Records(stream), sent];
}

const keys = {
  key: bytes("000102030405060708090a0b0c0d0e0f"),
  iv: bytes("a0a1a2a3a4a5a6a7a8a9aaab"),
};

/** RFC 8448 section 3: keys, what is meant, and the record; the first of each key. */
const TRACE = [
  {
    key: "dbfaa693d1762c5b666af5d950258d01",
    iv: "5bd3c71b836e0b76bb73265f",
    type: "handshake",
    content:
      "14000020a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61",
    wire: "170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44" +
      "d87f38f80338ac98fc46deb384bd1caeacab6867d726c40546",
  },
  {
    key: "17422dda596ed5d9acd890e3c63f5051",
    iv: "5b78923dee08579033e523d9",
    type: "data",
    content: Array.from(
      { length: 50 },
      (_, i) => i.toString(16).padStart(2, "0"),
    )
      .join(""),
    wire: "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b" +
      "9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb" +
      "21694915e4",
  },
] as const;
/** The record after the last one, with the number 1. */
const CLOSE = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";

Deno.test("records are the RFC's, bit by bit, in both directions", async () => {
  for (const { key, iv, type, content, wire } of TRACE) {
    const keys = { key: bytes(key), iv: bytes(iv) };
    const [ours, sent] = sender();
    ours.writeWith(keys);
    await ours.write(type, bytes(content));
    assertEquals(sent.map((part) => part.toHex()), [wire]);
    const theirs = receiver(bytes(wire));
    theirs.readWith(keys);
    assertEquals(await theirs.read(), { type, content: bytes(content) });
    assertEquals(await theirs.read(), undefined);
  }
});

Deno.test("the second record has the next nonce", async () => {
  const { key, iv, wire } = TRACE[1];
  const theirs = receiver(bytes(wire + CLOSE));
  theirs.readWith({ key: bytes(key), iv: bytes(iv) });
  await theirs.read();
  const expected: TlsRecord = { type: "alert", content: bytes("0100") };
  assertEquals(await theirs.read(), expected);
});

Deno.test("a nonce is the iv with the number added to its last eight bytes", () => {
  for (
    const [number, expected] of [
      [0, "a0a1a2a3a4a5a6a7a8a9aaab"],
      [1, "a0a1a2a3a4a5a6a7a8a9aaaa"],
      [256, "a0a1a2a3a4a5a6a7a8a9abab"],
      [2 ** 40 + 255, "a0a1a2a3a4a5a7a7a8a9aa54"],
    ] as const
  ) {
    assertEquals(nonceOf(keys.iv, number).toHex(), expected);
  }
  assertEquals(keys.iv.toHex(), "a0a1a2a3a4a5a6a7a8a9aaab");
});

Deno.test("content of any size arrives, in pieces of any size", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 1, 16383, 16384, 16385, 40000),
      fc.integer({ min: 1, max: 5000 }),
      fc.boolean(),
      async (size, piece, secret) => {
        const content = Uint8Array.from({ length: size }, (_, i) => i * 7);
        const [ours, sent] = sender();
        if (secret) ours.writeWith(keys);
        await ours.write("handshake", content);
        assertEquals(sent.length, Math.max(1, Math.ceil(size / 16384)));
        const all = Uint8Array.from(sent.flatMap((part) => [...part]));
        const theirs = receiver(all, piece);
        if (secret) theirs.readWith(keys);
        const got: number[] = [];
        for (let one; (one = await theirs.read());) {
          assertEquals(one.type, "handshake");
          got.push(...one.content);
        }
        assertEquals(Uint8Array.from(got), content);
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("records that are sent at once go in the order of their numbers", async () => {
  const [near, far] = memoryPair();
  const [ours, theirs] = [new Records(near), new Records(far)];
  ours.writeWith(keys);
  theirs.readWith(keys);
  const sent = [40_000, 1, 9000].map((size) =>
    ours.write("data", new Uint8Array(size))
  );
  for (const size of [16_384, 16_384, 7232, 1, 9000]) {
    assertEquals((await theirs.read())?.content.length, size);
  }
  await Promise.all(sent);
});

Deno.test("each bit that is changed is seen, in the header, too", async () => {
  const [ours, sent] = sender();
  ours.writeWith(keys);
  for (const part of ["00", "0102030405"]) {
    await ours.write("data", bytes(part));
  }
  const [first, wire] = sent;
  for (let i = 0; i < 8 * wire.length; i++) {
    const changed = new Uint8Array(wire);
    changed[i >> 3] ^= 1 << (i & 7);
    const theirs = receiver(Uint8Array.from([...first, ...changed]));
    theirs.readWith(keys);
    await theirs.read();
    const error = await assertRejects(() => theirs.read(), TlsError);
    assert(error.message.length > 20, `bit ${i}`);
  }
});

Deno.test("a record that is left out or doubled does not open", async () => {
  const [ours, sent] = sender();
  ours.writeWith(keys);
  for (const n of [1, 2]) await ours.write("data", Uint8Array.of(n));
  const [first, second] = sent;
  const line = "Cannot decrypt a record: it was changed, or left out";
  const out = receiver(second);
  out.readWith(keys);
  await assertRejects(() => out.read(), TlsError, line);
  const twice = receiver(Uint8Array.from([...first, ...first]));
  twice.readWith(keys);
  assertEquals((await twice.read())?.content, Uint8Array.of(1));
  await assertRejects(() => twice.read(), TlsError, line);
});

/** A record that some other program has encrypted. */
async function encrypted(text: Uint8Array): Promise<Uint8Array> {
  const size = text.length + 16;
  const header = Uint8Array.of(23, 3, 3, size >> 8, size);
  const how = { name: "AES-GCM", iv: keys.iv, additionalData: header };
  const key = await crypto.subtle
    .importKey("raw", keys.key, "AES-GCM", false, ["encrypt"]);
  const body = await crypto.subtle.encrypt(how, key, new Uint8Array(text));
  return Uint8Array.from([...header, ...new Uint8Array(body)]);
}

Deno.test("zeros at the end of an encrypted record are not content", async () => {
  const padded = receiver(await encrypted(bytes("01020016" + "00".repeat(40))));
  padded.readWith(keys);
  const expected: TlsRecord = { type: "handshake", content: bytes("010200") };
  assertEquals(await padded.read(), expected);
});

Deno.test("what is no record, too long or cut is an error", async () => {
  for (
    const [wire, secret, code, line] of [
      ["474554202f20", false, "unexpected_message", "type 71: is this TLS?"],
      [
        "160303400101",
        false,
        "record_overflow",
        "of 16385 bytes: 16384 at most",
      ],
      [
        "170303410101",
        true,
        "record_overflow",
        "of 16641 bytes: 16640 at most",
      ],
      ["160303000201", false, "closed", "in the middle of a record"],
      ["1603", false, "closed", "in the middle of a record"],
      ["16030300020100", true, "unexpected_message", "handshake in the clear"],
      ["1703030001aa", true, "bad_record_mac", "Cannot decrypt"],
    ] as const
  ) {
    const theirs = receiver(bytes(wire));
    if (secret) theirs.readWith(keys);
    const error = await assertRejects(() => theirs.read(), TlsError, line);
    assertEquals(error.code, code, wire);
  }
  for (
    const [text, code] of [
      [new Uint8Array(20), "unexpected_message"],
      [new Uint8Array(16386).fill(23), "record_overflow"],
      [new Uint8Array(16386).fill(23, 0, 2), "record_overflow"],
      [Uint8Array.of(1, 20), "unexpected_message"],
      [Uint8Array.of(1, 99), "unexpected_message"],
    ] as const
  ) {
    const theirs = receiver(await encrypted(text));
    theirs.readWith(keys);
    const error = await assertRejects(() => theirs.read(), TlsError);
    assertEquals(error.code, code);
  }
});

Deno.test("an alert in the clear is read until the other side has shown keys", async () => {
  const alert = bytes("15030300020228");
  const first = receiver(alert);
  first.readWith(keys);
  assertEquals(await first.read(), { type: "alert", content: bytes("0228") });
  const data = await encrypted(bytes("0117"));
  const later = receiver(Uint8Array.from([...data, ...alert]));
  later.readWith(keys);
  await later.read();
  const line = "Cannot read a record of type alert in the clear here";
  await assertRejects(() => later.read(), TlsError, line);
});

Deno.test("the old sign for new keys passes in the clear, and is told", async () => {
  const theirs = receiver(bytes("140303000101"));
  theirs.readWith(keys);
  const expected = {
    type: "change_cipher_spec",
    content: bytes("01"),
  } as const;
  assertEquals(await theirs.read(), expected);
});

Deno.test("who observes sees each record as it went, and as it is meant", async () => {
  const seen: string[] = [];
  const [near, far] = memoryPair();
  const ours = new Records(
    near,
    (sent, wire, { type, content }) =>
      seen.push(`${sent} ${wire.length} ${type} ${content.toHex()}`),
  );
  const theirs = new Records(
    far,
    (sent, wire, { type }) => seen.push(`${sent} ${wire.length} ${type}`),
  );
  ours.writeWith(keys);
  theirs.readWith(keys);
  const sent = ours.write("data", bytes("0102"));
  await theirs.read();
  await sent;
  // A header of 5, content of 2, the type, and 16 of AES-GCM.
  assertEquals(seen, ["true 24 data 0102", "false 24 data"]);
});
