import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Header } from "./hpack.ts";
import { Http2Error } from "./http2_frames.ts";
import {
  contentLength,
  readMessage,
  REQUEST,
  RESPONSE,
} from "./http2_messages.ts";

const bad: [string, Header[]][] = [
  ["no :status", [["a", "b"]]],
  [":status twice", [[":status", "200"], [":status", "200"]]],
  [":status after others", [["a", "b"], [":status", "200"]]],
  [":path in a response", [[":status", "200"], [":path", "/"]]],
  ["a name in upper case", [[":status", "200"], ["Date", "x"]]],
  ["a name of nothing", [[":status", "200"], ["", "x"]]],
  ["connection", [[":status", "200"], ["connection", "close"]]],
  ["transfer-encoding", [[":status", "200"], ["transfer-encoding", "chunked"]]],
  ["a value with a line break", [[":status", "200"], ["a", "b\r\nc: d"]]],
  ["a value that starts with a space", [[":status", "200"], ["a", " b"]]],
  ["two lengths", [[":status", "200"], ["content-length", "1"], [
    "content-length",
    "2",
  ]]],
];
for (const [name, headers] of bad) {
  Deno.test(`a response is malformed with ${name}`, () => {
    const error = assertThrows(() => {
      const { rest } = readMessage(headers, RESPONSE, 5);
      contentLength(rest, 5);
    }, Http2Error);
    assertEquals([error.code, error.stream], ["PROTOCOL_ERROR", 5]);
    assert(/^Malformed message: [^\n]+$/.test(error.message), error.message);
  });
}

const whole: Header[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "a"],
  [":path", "/"],
];
Deno.test("a request needs its method, scheme and path, and not its authority", () => {
  for (const [missing] of whole) {
    const read = () =>
      readMessage(whole.filter(([name]) => name !== missing), REQUEST, 1);
    if (missing === ":authority") read();
    else assertThrows(read, Http2Error, `${missing} is missing`);
  }
  const empty = whole.map(([name, value]): Header =>
    name === ":path" ? [name, ""] : [name, value]
  );
  assertThrows(
    () => readMessage(empty, REQUEST, 1),
    Http2Error,
    ":path is missing",
  );
  assertThrows(
    () => readMessage([...whole, [":status", "200"]], REQUEST, 1),
    Http2Error,
    "does not belong here",
  );
});

Deno.test("a request's host is its authority, and its first line has no spaces", () => {
  const read = (...rest: Header[]) =>
    readMessage([...whole, ...rest], REQUEST, 1);
  assertEquals(read(["host", "A"]).rest, [["host", "A"]]);
  const other = () => read(["host", "a"], ["host", "b"]);
  assertThrows(other, Http2Error, '"host" is not the :authority');
  for (const name of [":method", ":path", ":authority"]) {
    const bad = whole.map((header): Header =>
      header[0] === name ? [name, "/ HTTP/1.1"] : header
    );
    assertThrows(() => readMessage(bad, REQUEST, 1), Http2Error, "a space");
  }
});

Deno.test("trailers have no header with a colon", () => {
  assertEquals(readMessage([["x-sum", "1"]], [], 1).rest, [["x-sum", "1"]]);
  assertThrows(() => readMessage([[":status", "200"]], [], 1), Http2Error);
});

Deno.test("any message of allowed names and values is read as it is", () => {
  const name = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,9}$/)
    .filter((name) =>
      !["te", "upgrade", "connection", "keep-alive"].includes(name)
    );
  const value = fc.stringMatching(/^([!-~][ -~]*[!-~]|[!-~\xa0-\xff]?)$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (rest) => {
      const read = readMessage([[":status", "204"], ...rest], RESPONSE, 1);
      assertEquals(read, { pseudo: { ":status": "204" }, rest });
    }),
    { seed: 3 },
  );
});

Deno.test("te may only say trailers; a name like __proto__ is only a name", () => {
  const read = (...rest: Header[]) =>
    readMessage([...whole, ...rest], REQUEST, 1);
  assertEquals(read(["te", "trailers"]).rest.length, 1);
  assertThrows(() => read(["te", "gzip"]), Http2Error);
  assertEquals(read(["__proto__", "x"]).rest, [["__proto__", "x"]]);
});

Deno.test("content-length is one whole number, or the same one several times", () => {
  const lengths = (...values: string[]) =>
    contentLength(values.map((value) => ["content-length", value]), 1);
  assertEquals([lengths(), lengths("0"), lengths("007"), lengths("5", "5")], [
    undefined,
    0,
    7,
    5,
  ]);
  for (
    const bad of [["-1"], ["+1"], ["1.0"], ["0x1"], [""], ["1, 1"], ["1", "01"]]
  ) {
    assertThrows(() => lengths(...bad), Http2Error, "content-length is");
  }
  assertThrows(() => lengths("9".repeat(16)), Http2Error);
});
