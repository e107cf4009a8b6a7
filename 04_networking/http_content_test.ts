import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import zlib from "node:zlib";
import {
  codingsOf,
  collect,
  decoded,
  MAX_CODINGS,
  type Pieces,
  texts,
} from "./http_content.ts";
import { concat, HttpError } from "./http_message.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const hex = (digits: string) => Uint8Array.fromHex(digits.replaceAll(" ", ""));

let taken = 0;
/** These pieces; `taken` counts those that somebody took of the last source. */
async function* source(...all: Uint8Array[]): Pieces {
  taken = 0;
  for (const piece of all) {
    taken++;
    yield await Promise.resolve(piece);
  }
}
async function all(pieces: AsyncIterable<Uint8Array>) {
  return concat(await Array.fromAsync(pieces));
}
async function text(pieces: Pieces, type?: string) {
  return (await Array.fromAsync(texts(pieces, type))).join("");
}
async function failure(work: Promise<unknown>): Promise<[string, string]> {
  const { code, message } = await assertRejects(() => work, HttpError);
  assert(!/[\r\n]/.test(message), message);
  return [code, message];
}

const PAGE = "<p>Grüße, 12 €</p>\n".repeat(300);
const PACKED: Record<string, Uint8Array> = {
  gzip: zlib.gzipSync(PAGE),
  deflate: zlib.deflateSync(PAGE),
  br: zlib.brotliCompressSync(PAGE),
};

// printf 'Hello, Grüße' | gzip -n | xxd -p
// python3 -c 'import zlib; print(zlib.compress("Hello, Grüße".encode()).hex())'
const GOLDENS: Record<string, string> = {
  gzip: "1f8b0800000000000003f348cdc9c9d751702f3abce7f0fc5400283ff11c0e000000",
  deflate: "789cf348cdc9c9d751702f3abce7f0fc540028fd0640",
};
for (const [coding, bytes] of Object.entries(GOLDENS)) {
  Deno.test(`${coding} that another program packed is unpacked`, async () => {
    assertEquals(
      await text(decoded(source(hex(bytes)), coding)),
      "Hello, Grüße",
    );
  });
}

for (const [coding, packed] of Object.entries(PACKED)) {
  Deno.test(`${coding} of node:zlib is unpacked, split at every byte`, async () => {
    for (let i = 0; i <= packed.length; i += 1 + (packed.length >> 6)) {
      const pieces = source(packed.subarray(0, i), packed.subarray(i));
      assertEquals(await text(decoded(pieces, coding)), PAGE);
    }
    const bytes = Array.from(packed, (byte) => Uint8Array.of(byte));
    assertEquals(await text(decoded(source(...bytes), coding)), PAGE);
  });

  Deno.test(`${coding} that is cut is an error, and no body at all is none`, async () => {
    assertEquals(await all(decoded(source(), coding)), new Uint8Array());
    for (const length of [1, 5, packed.length >> 1, packed.length - 1]) {
      const cut = decoded(source(packed.subarray(0, length)), coding);
      const [code, message] = await failure(all(cut));
      assertEquals(code, "coding");
      assert(message.startsWith(`Cannot undo ${coding}: `), message);
    }
  });

  Deno.test(`20 MB out of a few bytes of ${coding} are stopped at the limit`, async () => {
    const zeros = new Uint8Array(20_000_000);
    const bomb = ({
      gzip: zlib.gzipSync,
      deflate: zlib.deflateSync,
      br: zlib.brotliCompressSync,
    } as Record<string, (bytes: Uint8Array) => Uint8Array>)[coding](zeros);
    let [most, total] = [0, 0];
    const count = async (limit: number) => {
      for await (const part of decoded(source(bomb), coding, limit)) {
        most = Math.max(most, part.length);
        total += part.length;
      }
    };
    assertEquals(await failure(count(19_000_000)), [
      "limit",
      `Cannot undo ${coding}: more than 19000000 bytes come of it`,
    ]);
    assert(total <= 19_000_000, `${total} bytes`);
    await count(20_000_000);
    // What one slice may become: the memory that a bomb can take at once.
    assert(most <= (coding === "br" ? 2 ** 24 : 1032 * 4096), `${most} bytes`);
  });
}

Deno.test("deflate that is cut at any byte is an error, though the runtime takes it", async () => {
  const packed = PACKED.deflate;
  for (let length = 1; length < packed.length; length++) {
    const cut = decoded(source(packed.subarray(0, length)), "deflate");
    assertEquals((await failure(all(cut)))[0], "coding", `${length} bytes`);
  }
  for (const bytes of [new Uint8Array(), new Uint8Array(20_000).fill(255)]) {
    const whole = zlib.deflateSync(bytes);
    assertEquals(await all(decoded(source(whole), "deflate")), bytes);
  }
});

Deno.test("deflate without its zlib header, which nothing checks, is an error", async () => {
  const bare = decoded(source(zlib.deflateRawSync(PAGE)), "deflate");
  assertEquals((await failure(all(bare)))[0], "coding");
});

Deno.test("what follows the gzip, and a wrong checksum, are errors", async () => {
  const packed = PACKED.gzip;
  const tail = decoded(source(packed, Uint8Array.of(1, 2)), "gzip");
  assertEquals((await failure(all(tail)))[0], "coding");
  const wrong = packed.slice();
  wrong[wrong.length - 6] ^= 1;
  assertEquals(
    (await failure(all(decoded(source(wrong), "gzip"))))[0],
    "coding",
  );
});

Deno.test("an error of the source comes through the decoder as it is", async () => {
  const cut: Pieces = (async function* () {
    yield await Promise.resolve(PACKED.gzip.subarray(0, 30));
    throw new HttpError("cut", "cut here");
  })();
  assertEquals(await failure(all(decoded(cut, "gzip"))), ["cut", "cut here"]);
});

Deno.test("codings are listed in order, and unknown ones refused, those of Object too", () => {
  for (
    const [value, right] of [
      ["gzip", ["gzip"]],
      ["X-GZIP", ["gzip"]],
      ["identity", []],
      ["", []],
      ["deflate, br", ["deflate", "br"]],
    ] as const
  ) {
    assertEquals<readonly string[]>(
      codingsOf([["content-encoding", value]]),
      right,
    );
  }
  for (
    const value of [
      "zstd",
      "gzip, compress",
      "constructor",
      "gzip,".repeat(MAX_CODINGS) + "gzip",
    ]
  ) {
    assertThrows(
      () => codingsOf([["content-encoding", value]]),
      HttpError,
      "Cannot undo the content coding",
    );
  }
});

Deno.test("a body in pieces of a byte is kept as bytes, not as so many arrays", async () => {
  // Whoever keeps the piece itself sees it change.
  const piece = new Uint8Array(1);
  async function* pieces() {
    for (let i = 0; i < 300; i++) {
      piece[0] = i;
      yield await Promise.resolve(piece);
    }
  }
  const right = Uint8Array.from({ length: 300 }, (_, i) => i);
  const kept = await collect(pieces(), 300);
  assertEquals([kept, kept.buffer.byteLength], [right, 300]);
  assertEquals(await failure(collect(pieces(), 299)), [
    "limit",
    "Cannot keep the body: longer than 299 bytes",
  ]);
  assertEquals(await collect(source(), 0), new Uint8Array());
});

Deno.test("text that is cut inside a character, anywhere, is the same text", async () => {
  const right = "ä€😀\u0000z";
  const bytes = utf8(right);
  for (let i = 0; i <= bytes.length; i++) {
    for (let j = i; j <= bytes.length; j++) {
      const parts = [
        bytes.subarray(0, i),
        bytes.subarray(i, j),
        bytes.subarray(j),
      ];
      assertEquals(await text(source(...parts)), right);
    }
  }
  await fc.assert(fc.asyncProperty(
    fc.string({ unit: "binary" }),
    fc.array(fc.nat(20)),
    async (right, cuts) => {
      const bytes = utf8(right);
      // As fetch's text(): a byte order mark at the start is no text.
      const whole = await new Response(bytes).text();
      const parts: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) parts.push(bytes.subarray(at, at += cut));
      assertEquals(await text(source(...parts, bytes.subarray(at))), whole);
    },
  ));
});

Deno.test("a byte order mark wins over the charset, and the charset over UTF-8", async () => {
  // iconv -f utf-8 -t utf-16le, -t utf-16be and -t windows-1252
  for (
    const [bytes, type, right] of [
      ["ef bb bf c3 a4", undefined, "ä"],
      ["ef bb bf c3 a4", "text/html; charset=iso-8859-1", "ä"],
      ["ff fe e4 00 ac 20", "text/html; charset=utf-8", "ä€"],
      ["fe ff 00 e4 20 ac", undefined, "ä€"],
      ["e4 80", "text/html; charset=iso-8859-1", "ä€"],
      ["e4 80", 'text/html;x=y; Charset="windows-1252"', "ä€"],
      ["e4 00", "text/plain;charset=utf-16le", "ä"],
      ["c3 a4", "text/html; charset=none-such", "ä"],
      ["c3 a4", "text/html", "ä"],
      ["c3", undefined, "\ufffd"],
      ["ef bb", undefined, "\ufffd"],
      ["ff fe", undefined, ""],
      ["", undefined, ""],
      ["c3 a4 ff 41 e2 82", undefined, "ä\ufffdA\ufffd"],
    ] as const
  ) {
    assertEquals(await text(source(hex(bytes)), type), right, bytes);
    const split = Array.from(hex(bytes), (byte) => Uint8Array.of(byte));
    assertEquals(await text(source(...split), type), right, `${bytes}, split`);
  }
});

Deno.test("whoever stops reading early stops the source", async () => {
  const pieces = source(
    ...Array.from({ length: 100 }, () => utf8("x".repeat(5000))),
  );
  for await (const _ of texts(pieces)) break;
  assertEquals(taken, 1);
  const packed = zlib.gzipSync(crypto.getRandomValues(new Uint8Array(60_000)));
  const slices = Array.from(
    { length: 60 },
    (_, i) => packed.subarray(1000 * i, 1000 * i + 1000),
  );
  const many = source(...slices);
  for await (const _ of decoded(many, "gzip")) break;
  assert(taken < 60, `${taken} pieces`);
});
