import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import zlib from "node:zlib";
import {
  framingOf,
  MAX_CHUNK_LINE,
  MAX_EXTENSIONS,
  MAX_INTERIM,
  type ReadOptions,
  readResponse,
} from "./http_body.ts";
import {
  ByteReader,
  concat,
  type Field,
  HttpError,
  latin1,
  MAX_FIELDS,
} from "./http_message.ts";

const reader = (...pieces: (string | Uint8Array)[]) =>
  new ByteReader(ReadableStream.from(
    pieces.map((piece) => typeof piece === "string" ? latin1(piece) : piece),
  ));
const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** What a wire gives: all that a caller can see. */
async function read(
  source: ByteReader,
  method = "GET",
  options: ReadOptions = {},
) {
  const response = await readResponse(source, method, options);
  const body = String.fromCharCode(...await response.bytes(1e6));
  return {
    status: response.status,
    fields: response.fields,
    body,
    trailers: response.trailers,
  };
}
async function failure(work: Promise<unknown>): Promise<[string, string]> {
  const { code, message } = await assertRejects(() => work, HttpError);
  assert(!/[\r\n]/.test(message), message);
  return [code, message];
}

Deno.test("chunks, extensions and a trailer are read, with sizes in hexadecimal", async () => {
  // Wikipedia's example, with what the grammar of RFC 9112, 7.1 allows: extensions,
  // leading zeros, several zeros at the end, a trailer.
  const wire =
    `${CHUNKED}4\r\nWiki\r\n6;a=1;b="x y"\r\npedia \r\n00E ;c\r\nin \r\n\r\nchunks.\r\n000\r\nX-Sum: 7\r\nA:  b \r\n\r\n`;
  const { body, trailers, fields } = await read(reader(wire));
  assertEquals(body, "Wikipedia in \r\n\r\nchunks.");
  assertEquals(trailers, [["x-sum", "7"], ["a", "b"]]);
  assertEquals(fields, [["transfer-encoding", "chunked"]]);
  for (const size of ["1a", "1A", "00000000000000000000001a"]) {
    const big = `${CHUNKED}${size}\r\n${"x".repeat(26)}\r\n0\r\n\r\n`;
    assertEquals((await read(reader(big))).body.length, 26);
  }
});

Deno.test("what follows the answer stays in the reader, a trailer does not", async () => {
  for (
    const [wire, method] of [
      [`${OK}Content-Length: 2\r\n\r\nhi`, "GET"],
      [`${CHUNKED}2\r\nhi\r\n0\r\nX: 1\r\nY: 2\r\n\r\n`, "GET"],
      [`${OK}Content-Length: 2\r\n\r\n`, "HEAD"],
      ["HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", "GET"],
    ]
  ) {
    const source = reader(
      `${wire}HTTP/1.1 404 Next\r\nContent-Length: 3\r\n\r\nend`,
    );
    let ends = 0;
    await read(source, method, { end: () => ends++ });
    assertEquals(ends, 1);
    const next = await read(source);
    assertEquals([next.status, next.body], [404, "end"]);
  }
});

Deno.test("where a body ends is decided in the order of RFC 9112, 6.3", () => {
  const chunked: Field = ["transfer-encoding", "chunked"];
  const te = (value: string): Field => ["transfer-encoding", value];
  const length = (value: string): Field => ["content-length", value];
  const cases: [
    status: number,
    method: string,
    fields: Field[],
    right: unknown,
  ][] = [
    [200, "HEAD", [length("5")], { kind: "none" }],
    [200, "HEAD", [chunked], { kind: "none" }],
    [103, "GET", [length("5")], { kind: "none" }],
    [204, "GET", [length("5")], { kind: "none" }],
    [304, "GET", [length("5")], { kind: "none" }],
    [304, "POST", [chunked, length("5")], { kind: "none" }],
    [200, "GET", [chunked], { kind: "chunked" }],
    [200, "GET", [te("CHUNKED")], { kind: "chunked" }],
    [200, "GET", [length("5")], { kind: "length", length: 5 }],
    [200, "GET", [length("5"), length("5")], { kind: "length", length: 5 }],
    [200, "GET", [length("5, 5")], { kind: "length", length: 5 }],
    [200, "GET", [length("0")], { kind: "length", length: 0 }],
    [404, "POST", [length("007")], { kind: "length", length: 7 }],
    [200, "GET", [length("9007199254740991")], {
      kind: "length",
      length: 2 ** 53 - 1,
    }],
    [200, "GET", [], { kind: "close" }],
    [500, "POST", [], { kind: "close" }],
    [
      200,
      "GET",
      [chunked, length("5")],
      "both Content-Length and Transfer-Encoding",
    ],
    [200, "GET", [length("5"), length("6")], 'Content-Length is "5" and "6"'],
    [200, "GET", [length("5, 6")], 'Content-Length is "5" and "6"'],
    [200, "GET", [length("5"), length("05")], 'Content-Length is "5" and "05"'],
    [200, "GET", [length("")], 'Content-Length is ""'],
    [200, "GET", [length("-1")], 'Content-Length is "-1"'],
    [200, "GET", [length("+5")], 'Content-Length is "+5"'],
    [200, "GET", [length("0x5")], 'Content-Length is "0x5"'],
    [200, "GET", [length("5 5")], 'Content-Length is "5 5"'],
    [200, "GET", [length("9007199254740992")], "above 2⁵³ − 1"],
    [200, "GET", [length("9".repeat(400))], "above 2⁵³ − 1"],
    [200, "GET", [te("gzip, chunked")], 'the transfer coding "gzip, chunked"'],
    [200, "GET", [chunked, chunked], 'the transfer coding "chunked, chunked"'],
    [200, "GET", [te("identity")], 'the transfer coding "identity"'],
    [200, "GET", [te("")], 'the transfer coding ""'],
  ];
  for (const [status, method, fields, right] of cases) {
    const head = { minor: 1, status, reason: "", fields };
    const what = JSON.stringify([status, method, fields]);
    if (typeof right !== "string") {
      assertEquals<unknown>(framingOf(head, method), right, what);
    } else assertThrows(() => framingOf(head, method), HttpError, right, what);
  }
  const old = { minor: 0, status: 200, reason: "", fields: [chunked] };
  assertThrows(
    () => framingOf(old, "GET"),
    HttpError,
    "Transfer-Encoding in HTTP/1.0",
  );
});

Deno.test("a body that is cut is an error, at whatever byte, and never a short body", async () => {
  for (
    const wire of [
      `${OK}Content-Length: 5\r\n\r\nhello`,
      `${CHUNKED}3\r\nhel\r\n2\r\nlo\r\n0\r\nX: 1\r\n\r\n`,
    ]
  ) {
    assertEquals((await read(reader(wire))).body, "hello");
    for (let i = 1; i < wire.length; i++) {
      let failures = 0;
      const fail = () => failures++;
      const [code] = await failure(
        read(reader(wire.slice(0, i)), "GET", { fail }),
      );
      assertEquals([code, failures], ["cut", 1], wire.slice(0, i));
    }
  }
  assertEquals(
    await failure(read(reader(`${OK}Content-Length: 5\r\n\r\nhel`))),
    ["cut", "The body is cut: 3 of 5 bytes came"],
  );
  // Only here is an early end the end.
  assertEquals((await read(reader(`${OK}\r\nhel`))).body, "hel");
});

Deno.test("chunks that are none are errors that say which", async () => {
  for (
    const [chunks, message] of [
      ["g\r\n", 'Cannot read the size of chunk 1: "g"'],
      ["0x5\r\n", 'Cannot read the size of chunk 1: "0x5"'],
      ["-1\r\n", 'Cannot read the size of chunk 1: "-1"'],
      ["+5\r\n", 'Cannot read the size of chunk 1: "+5"'],
      [" 5\r\n", 'Cannot read the size of chunk 1: " 5"'],
      ["\r\n", 'Cannot read the size of chunk 1: ""'],
      [";a=1\r\n", 'Cannot read the size of chunk 1: ";a=1"'],
      ["5 5\r\n", 'Cannot read the size of chunk 1: "5 5"'],
      ["5;\r\r\n", 'Cannot read the size of chunk 1: "5;\ufffd"'],
      ["2\r\nhi!\r\n", "Cannot read chunk 1: longer than the 2 bytes it names"],
      [
        "2\r\nhi\n0\r\n",
        "Cannot read the end of chunk 1: an LF without a CR before it",
      ],
      [
        "2\nhi\r\n",
        "Cannot read the size of chunk 1: an LF without a CR before it",
      ],
      ["1\r\na\r\nz\r\n", 'Cannot read the size of chunk 2: "z"'],
      ["20000000000000\r\n", "Cannot read chunk 1: its size is above 2⁵³ − 1"],
      [
        `${"f".repeat(400)}\r\n`,
        "Cannot read chunk 1: its size is above 2⁵³ − 1",
      ],
    ]
  ) {
    const error = await failure(read(reader(CHUNKED + chunks)));
    assertEquals(error, ["chunk", message]);
  }
  const [code] = await failure(read(reader(`${CHUNKED}0\r\nX : 1\r\n\r\n`)));
  assertEquals(code, "head");
});

Deno.test("sizes, extensions and trailers without an end stop at their limits", async () => {
  const most = `1;${"x".repeat(MAX_CHUNK_LINE - 2)}\r\na\r\n`;
  for (
    const [chunks, message] of [
      [
        "0".repeat(5000),
        "Cannot read the size of chunk 1: longer than 4096 bytes",
      ],
      [
        most.repeat(MAX_EXTENSIONS / MAX_CHUNK_LINE + 1),
        `Cannot read chunk 17: more than ${MAX_EXTENSIONS} bytes behind the sizes`,
      ],
      [
        `0\r\n${"A: 1\r\n".repeat(MAX_FIELDS + 1)}`,
        "Cannot read the trailer: more than 128 fields",
      ],
    ]
  ) {
    const error = await failure(read(reader(CHUNKED + chunks)));
    assertEquals(error, ["limit", message]);
  }
});

Deno.test("1xx are skipped, but not for ever, and 101 is an error", async () => {
  const interim =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  const final = `${OK}Content-Length: 2\r\n\r\nhi`;
  const { status, body, fields } = await read(reader(interim + final));
  assertEquals([status, body], [200, "hi"]);
  assertEquals(fields, [["content-length", "2"]]);
  const one = "HTTP/1.1 102 Processing\r\n\r\n";
  assertEquals(
    (await read(reader(one.repeat(MAX_INTERIM) + final))).status,
    200,
  );
  assertEquals(
    await failure(read(reader(one.repeat(MAX_INTERIM + 1) + final))),
    ["limit", "Cannot read the answer: more than 16 of 1xx before it"],
  );
  const switched = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
  assertEquals((await failure(read(reader(switched))))[0], "head");
});

/** A wire, cut at these places. */
function cut(wire: Uint8Array, places: number[]): Uint8Array[] {
  const sorted = [0, ...places.map((at) => at % (wire.length + 1)), wire.length]
    .sort((a, b) => a - b);
  return sorted.slice(1).map((to, i) => wire.subarray(sorted[i], to));
}

const packed = zlib.gzipSync("<p>Grüße, 12 €</p>".repeat(30));
const half = packed.length >> 1;
const WIRES: [name: string, wire: Uint8Array][] = [
  [
    "by length",
    latin1(
      `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 11\r\n\r\nhello world`,
    ),
  ],
  ["to the end", latin1(`${OK}\r\nhello world`)],
  [
    "in chunks, packed",
    concat([
      latin1(
        `${OK}Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n${
          half.toString(16)
        };x\r\n`,
      ),
      packed.subarray(0, half),
      latin1(`\r\n${(packed.length - half).toString(16)}\r\n`),
      packed.subarray(half),
      latin1("\r\n0\r\nX-Sum: 7\r\n\r\n"),
    ]),
  ],
];
for (const [name, wire] of WIRES) {
  Deno.test(`any split of the same bytes gives the same answer: ${name}`, async () => {
    const right = await read(reader(wire));
    for (let at = 0; at <= wire.length; at++) {
      assertEquals(await read(reader(...cut(wire, [at]))), right);
    }
    const bytes = Array.from(wire, (byte) => Uint8Array.of(byte));
    assertEquals(await read(reader(...bytes)), right);
    await fc.assert(fc.asyncProperty(fc.array(fc.nat()), async (places) => {
      assertEquals(await read(reader(...cut(wire, places))), right);
    }));
  });
}

Deno.test("whatever is sent in chunks of whatever size is what is read", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }),
    async (chunks) => {
      const parts = chunks.flatMap((
        chunk,
      ) => [latin1(`${chunk.length.toString(16)}\r\n`), chunk, latin1("\r\n")]);
      const { body } = await read(reader(CHUNKED, ...parts, "0\r\n\r\n"));
      assertEquals(latin1(body), concat(chunks));
    },
  ));
});

Deno.test("bytes() and text() keep no more than they are told, and read once", async () => {
  const wire = `${OK}Content-Length: 6\r\n\r\n12 \xe2\x82\xac`;
  for (const how of ["bytes", "text"] as const) {
    const fails: string[] = [];
    const response = await readResponse(reader(wire), "GET", {
      fail: ({ code }) => fails.push(code),
    });
    assertEquals(await failure(response[how](5)), [
      "limit",
      "Cannot keep the body: longer than 5 bytes",
    ]);
    // The rest is not read, so the connection is no good any more.
    assertEquals(fails, ["closed"]);
    const whole = await readResponse(reader(wire), "GET");
    assertEquals((await whole[how](6)).length, how === "text" ? 4 : 6);
    // Not a body that is empty.
    assertEquals((await failure(whole[how]()))[0], "closed");
    const [code] = await failure((async () => {
      const twice = await readResponse(reader(wire), "GET");
      const first = twice.body.getReader();
      try {
        await twice[how]();
      } finally {
        await first.cancel();
      }
    })());
    assertEquals(code, "closed");
  }
});

Deno.test("a body is read only when asked, and cancelled while it waits for bytes", async () => {
  for (const coding of ["identity", "gzip"]) {
    let [pulled, cancelled] = [0, 0];
    const head = `${OK}Content-Encoding: ${coding}\r\nContent-Length: 50\r\n`;
    const pieces = [`${head}\r\n`, "\x1f"];
    const silent = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces[pulled++];
        if (piece) controller.enqueue(latin1(piece));
      },
      cancel: () => void cancelled++,
    }, { highWaterMark: 0 });
    const fails: string[] = [];
    const response = await readResponse(new ByteReader(silent), "GET", {
      fail: ({ code }) => fails.push(code),
    });
    await new Promise((done) => setTimeout(done));
    assertEquals(pulled, 1);
    const body = response.body.getReader();
    if (coding === "identity") {
      assertEquals((await body.read()).value, Uint8Array.of(0x1f));
    }
    const waiting = body.read();
    await body.cancel();
    assertEquals((await waiting).done, true);
    assertEquals([cancelled, fails], [1, ["closed"]]);
  }
});

Deno.test("a location above ASCII stays the bytes that it was", async () => {
  const wire = `${OK}Location: /%20\xc3\xbc\r\nContent-Length: 0\r\n\r\n`;
  const { location } = await readResponse(reader(wire), "GET");
  assertEquals(location, "/%20%C3%BC");
});

Deno.test("codings round one another are undone from the last one in", async () => {
  const packed = zlib.gzipSync(zlib.deflateSync("hello"));
  for (const fields of ["deflate, gzip", "deflate\r\nContent-Encoding: gzip"]) {
    const head = `${OK}Content-Encoding: ${fields}\r\n\r\n`;
    assertEquals((await read(reader(head, packed))).body, "hello");
  }
});

Deno.test("a bomb inside a body ends in an error and closes the connection", async () => {
  const bomb = zlib.gzipSync(new Uint8Array(3_000_000));
  const head =
    `${OK}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`;
  const fails: string[] = [];
  const options: ReadOptions = {
    mostDecoded: 1_000_000,
    fail: ({ code }) => fails.push(code),
  };
  const [code] = await failure(read(reader(head, bomb), "GET", options));
  assertEquals([code, fails], ["limit", ["limit"]]);
});
