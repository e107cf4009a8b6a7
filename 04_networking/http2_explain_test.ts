import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HpackEncoder } from "./hpack.ts";
import { FrameExplainer } from "./http2_explain.ts";
import { encodeFrame, type Frame } from "./http2_frames.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** Frames that were sent, one after the other: where fields are, and what they mean. */
function told(...frames: Frame[]): string[][] {
  const explainer = new FrameExplainer();
  return frames.map((frame) =>
    explainer.explain(true, frame).map(({ at, bytes, meaning }) =>
      `${at} ${bytes.toHex()} ${meaning}`
    )
  );
}

const headers = (
  stream: number,
  block: Uint8Array,
  endHeaders = true,
): Frame => ({
  ...{ type: "HEADERS", stream, block, endHeaders, endStream: true },
});

Deno.test("the RFC's requests are told header by header, the second one by the table", () => {
  // RFC 7541, C.4.1 and C.4.2: with Huffman codes.
  const [first, second] = told(
    headers(1, bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")),
    headers(3, bytes("8286 84be 5886 a8eb 1064 9cbf")),
  );
  assertEquals(first, [
    "0 000011 17 bytes after these nine",
    "3 01 HEADERS",
    "4 05 flags: END_STREAM, END_HEADERS",
    "5 00000001 stream 1",
    "9 82 from the table, :method GET",
    "10 86 from the table, :scheme http",
    "11 84 from the table, :path /",
    "12 418cf1e3c2e5f23a6ba0ab90f4ff for the table, :authority www.example.com",
  ]);
  assertEquals(second.slice(4), [
    "9 82 from the table, :method GET",
    "10 86 from the table, :scheme http",
    "11 84 from the table, :path /",
    "12 be from the table, :authority www.example.com",
    "13 5886a8eb10649cbf for the table, cache-control: no-cache",
  ]);
});

Deno.test("each direction has a table of its own", () => {
  const explainer = new FrameExplainer();
  const block = bytes("4103612e62");
  explainer.explain(true, headers(1, block));
  const again = explainer.explain(false, headers(1, bytes("be")));
  assert(again.at(-1)!.meaning.includes("index 62 is not in 1 to 61"));
  const same = explainer.explain(true, headers(3, bytes("be")));
  assertEquals(same.at(-1)!.meaning, "from the table, :authority a.b");
});

Deno.test("how a header is written is told, and a new size of the table", () => {
  const [fields] = told(
    headers(1, bytes("3f e1 1f 40 01 61 01 62 00 01 63 01 64 10 01 65 01 66")),
  );
  assertEquals(fields.slice(4), [
    "9 3fe11f4001610162 after a new size of the table, a: b",
    "17 0001630164 not for the table, c: d",
    "22 1001650166 never for a table, e: f",
  ]);
});

Deno.test("a block in several frames is told as such, and the table goes on", () => {
  const encoder = new HpackEncoder();
  const block = encoder.encode([["x-a", "1"], ["x-b", "2"]]);
  const [one, two, next] = told(
    headers(1, block.subarray(0, 4), false),
    {
      type: "CONTINUATION",
      stream: 1,
      block: block.subarray(4),
      endHeaders: true,
    },
    headers(3, encoder.encode([["x-a", "1"]])),
  );
  assertEquals(
    one.at(-1),
    `9 ${block.subarray(0, 4).toHex()} a part of the block`,
  );
  assertEquals(
    two.at(-1),
    `9 ${block.subarray(4).toHex()} the end of the block`,
  );
  assertEquals(next.at(-1), "9 bf from the table, x-a: 1");
});

Deno.test("each other kind of frame is told", () => {
  const last = (frame: Frame) => told(frame)[0].slice(4);
  assertEquals(
    last({
      type: "SETTINGS",
      stream: 0,
      ack: false,
      settings: [[4, 65535], [99, 1]],
    }),
    [
      "9 0004 INITIAL_WINDOW_SIZE",
      "11 0000ffff 65535",
      "15 0063 99",
      "17 00000001 1",
    ],
  );
  assertEquals(last({ type: "WINDOW_UPDATE", stream: 0, increment: 258 }), [
    "9 00000102 258 bytes more may be sent",
  ]);
  assertEquals(last({ type: "RST_STREAM", stream: 1, code: 8 }), [
    "9 00000008 CANCEL",
  ]);
  const debug = new TextEncoder().encode("bye");
  assertEquals(last({ type: "GOAWAY", stream: 0, last: 5, code: 0, debug }), [
    "9 00000005 streams up to 5 were looked at",
    "13 00000000 NO_ERROR",
    "17 627965 more about it, for people",
  ]);
  const data = bytes("010203");
  assertEquals(
    last({ type: "DATA", stream: 1, data, endStream: true, padding: 3 }),
    [
      "9 02 2 bytes of padding at the end",
      "10 010203 3 bytes of the body",
      "13 0000 padding",
    ],
  );
  assertEquals(
    told({ type: "PING", stream: 0, ack: true, data: new Uint8Array(8) })[0]
      .slice(2),
    [
      "4 01 flags: ACK",
      "5 00000000 the connection",
      "9 0000000000000000 not told here",
    ],
  );
});

Deno.test("whatever a block holds, all bytes are told, and nothing else fails", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 5 }),
      fc.boolean(),
      (blocks, padded) => {
        const explainer = new FrameExplainer();
        for (const block of blocks) {
          const frame = { ...headers(1, block), ...(padded && { padding: 4 }) };
          const all = explainer.explain(false, frame as Frame)
            .flatMap(({ bytes }) => [...bytes]);
          assertEquals(Uint8Array.from(all), encodeFrame(frame as Frame));
        }
      },
    ),
  );
});
