import { assertEquals } from "@std/assert";
import { readInput } from "./address_bar.ts";

Deno.test("an address is told from a search", () => {
  for (
    const [text, expected] of [
      ["www.google.com", "https://www.google.com/"],
      [" www.google.com ", "https://www.google.com/"],
      ["http://www.google.com", "http://www.google.com/"],
      ["HTTPS://Example.com/A?b#c", "https://example.com/A?b#c"],
      ["example.com/a b", undefined],
      ["example.com:8443/x", "https://example.com:8443/x"],
      ["localhost", "http://localhost/"],
      ["localhost:8000", "http://localhost:8000/"],
      ["localhost:443", "http://localhost:443/"],
      ["localhost.example", "https://localhost.example/"],
      ["192.0.2.1", "http://192.0.2.1/"],
      ["192.0.2.1.example", "https://192.0.2.1.example/"],
      ["[2001:db8::1]:81", "http://[2001:db8::1]:81/"],
      ["what is dns", undefined],
      ["google", undefined],
      ["node.js help", undefined],
      ["a@b.c", undefined],
      ["ftp://example.com", undefined],
      ["", undefined],
      ["http://", undefined],
    ] as const
  ) {
    const input = readInput(text);
    assertEquals(
      input.kind === "url" ? input.url.href : undefined,
      expected,
      text,
    );
  }
});
