#!/usr/bin/env -S deno run
/**
 * Q. Something stands in the address bar. Is it an address, or words to search for?
 *
 * A. It is an address if it has a scheme, or if it has no spaces and looks like a host: a dot
 * in the middle, a port, localhost, or an IP address. Anything else goes to the search
 * engine, with all that was typed. Where no scheme was typed browsers try https first, and
 * have done so since 2021; but http for localhost and IP addresses, which seldom have a
 * certificate.
 *
 * Trap: to ask DNS for whatever was typed: then each search goes to whoever runs it.
 * Left out: names of one label within a company, the history, and guesses while typing.
 * Source: https://github.com/alex/what-happens-when#parse-url; URLs: https://url.spec.whatwg.org
 * Run: `deno run address_bar.ts`, or `… address_bar.ts WORDS`
 * @module
 */

import { addressFamily } from "./address.ts";

/** What stands in the address bar. */
export type Input =
  | { readonly kind: "url"; readonly url: URL }
  | { readonly kind: "search"; readonly words: string };

/**
 * An address or a search, as browsers tell them apart: by a scheme, a dot or a port
 * without spaces, or localhost.
 */
export function readInput(text: string): Input {
  const input = text.trim();
  if (/^https?:\/\//i.test(input) && URL.canParse(input)) {
    return { kind: "url", url: new URL(input) };
  }
  const [host] = input.split(/[/?#]/);
  const looks = /^(localhost|[^\s@:]+\.[^\s@:.]+|\[[\da-f:.]+\])\.?(:\d+)?$/i
    .test(host);
  const url = looks && !/\s/.test(input) && URL.parse(`https://${input}`);
  if (!url) return { kind: "search", words: input };
  // Not by url.protocol: a port 443 would be lost.
  return isLocalOrIp(url.hostname)
    ? { kind: "url", url: new URL(`http://${input}`) }
    : { kind: "url", url };
}

const isLocalOrIp = (host: string) =>
  /^localhost\.?$/.test(host) ||
  addressFamily(host.replace(/^\[|\]$/g, "")) > 0;

if (import.meta.main) {
  const examples = [
    ...["www.google.com", "https://example.com/a?b", "localhost:8000"],
    ...["what is dns", "192.0.2.1", "[2001:db8::1]:81/x", "a@b.c"],
    ...["node.js help", "google"],
  ];
  const texts = Deno.args.length > 0 ? [Deno.args.join(" ")] : examples;
  for (const text of texts) {
    const input = readInput(text);
    const what = input.kind === "url" ? input.url.href : "a search";
    console.log(text.padEnd(24), what);
  }
}
