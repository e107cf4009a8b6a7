import { assert, assertEquals } from "@std/assert";
import { CertificateError } from "./certificate_check.ts";
import { DnsError } from "./dns_client.ts";
import { DnsFormatError } from "./dns_record.ts";
import { explain, StoryError } from "./failures.ts";
import { ConnectError } from "./happy_eyeballs.ts";
import { HttpError } from "./http_message.ts";
import { Http2Error } from "./http2_frames.ts";
import { TlsError } from "./tls_record.ts";

Deno.test("each kind of failure has what a person can do", () => {
  for (
    const [stage, error, message, advice] of [
      ["name", new DnsError("no-such-name", "a"), "a", "spelt right"],
      ["name", new DnsError("no-data", "a"), "a", "spelt right"],
      ["name", new DnsFormatError("a"), "a", "spelt right"],
      ["name", new DnsError("timeout", "a"), "a", "lets DNS through"],
      ["name", new DnsError("server-failure", "a"), "a", "lets DNS through"],
      ["connection", new ConnectError([]), "Cannot connect", "down: try later"],
      [
        "connection",
        new DOMException("a", "TimeoutError"),
        "It took too long",
        "Try again later",
      ],
      [
        "name",
        new DOMException("a", "TimeoutError"),
        "It took too long",
        "lets DNS through",
      ],
      ["address bar", new HttpError("url", "a"), "a", "Correct the address"],
      ["page", new HttpError("url", "a"), "a", "tell its owner"],
      ["encryption", new CertificateError("time", "a"), "a", "Do not go on"],
      ["encryption", new TlsError("decrypt_error", "a"), "a", "Do not go on"],
      ["encryption", new TlsError("closed", "a"), "a", "Do not go on"],
      ["page", new HttpError("head", "a"), "a", "does not answer as it"],
      ["page", new Http2Error("CANCEL", "a"), "a", "does not answer as it"],
      [
        "page",
        new TlsError("closed", "a"),
        "ended before the page was whole",
        "The connection broke",
      ],
      [
        "page",
        new Error("peer closed without close_notify"),
        "ended before the page was whole",
        "The connection broke",
      ],
      [
        "page",
        new HttpError("cut", "a"),
        "ended before the page was whole",
        "The connection broke",
      ],
      ["page", new Error("a"), "a", "The connection broke"],
    ] as const
  ) {
    const told = explain(stage, error);
    if (!(told instanceof StoryError)) throw new Error(`a bug? ${error.name}`);
    assertEquals(told.stage, stage);
    assert(told.message.includes(message), told.message);
    assert(told.advice.includes(advice), told.advice);
  }
});

Deno.test("a wrong certificate is never something to try again", () => {
  for (const code of ["name", "time", "use", "unknown authority"] as const) {
    const told = explain("encryption", new CertificateError(code, "a"));
    assert(told instanceof StoryError && !/try/i.test(told.advice));
  }
});

Deno.test("a mistake of the program stays one, and what is told is told once", () => {
  for (const stage of ["name", "connection", "address bar", "memory"]) {
    const mistake = new TypeError("undefined is not a function");
    assertEquals(explain(stage, mistake), mistake);
  }
  const told = new StoryError("page", "a", "b");
  assertEquals(explain("memory", told), told);
});
