#!/usr/bin/env -S deno run
/**
 * Q. Several routes of a router's table match an address. Which one does the packet take?
 *
 * A. The longest: the one with the most bits in common, so the one that says the most. An
 * address is a number of 32 bits; 203.0.113.0/24 are all that have the first 24 bits of
 * 203.0.113.0. 0.0.0.0/0 has no bits to compare, so it matches all and wins against none:
 * that is the default route. The order of the table does not count. Here all routes are
 * looked at; a real router walks a tree of the bits, at most 32 steps for any table.
 *
 * Shapes: R routes.
 * Time O(R); space O(1).
 * Trap: `1 << 32` is 1, so a mask by shifts makes 0.0.0.0/0 match one address.
 * Left out: metrics, for equal prefixes; IPv6; the tree.
 * Source: RFC 1812 section 5.2.4.3; prefixes: RFC 4632 section 3.1.
 * Run: `deno run route_table.ts`, or with ADDRESS PREFIX ...
 * @module
 */
import { addressFamily, formatAddress, parseAddress } from "./address.ts";

/** Why a packet cannot even be sent, or a network not be built. */
export class RoutingError extends Error {
  override name = "RoutingError";
  constructor(
    readonly code: "network unreachable" | "host unreachable" | "config",
    message: string,
  ) {
    super(message);
  }
}

/** Addresses with the same first bits. */
export interface Prefix {
  readonly text: string;
  readonly bits: number;
  /** The first address, as a number. */
  readonly start: number;
}

/** The longest prefix that holds an address; the first of equally long ones. */
export function longestMatch<R extends { readonly prefix: Prefix }>(
  routes: readonly R[],
  address: string,
): R | undefined {
  let best: R | undefined;
  for (const route of routes) {
    if (!contains(route.prefix, address)) continue;
    if (!best || route.prefix.bits > best.prefix.bits) best = route;
  }
  return best;
}

/** @throws {RoutingError} if a text is none, as 192.168.1.0/24, or has further bits set */
export function parsePrefix(text: string): Prefix {
  const { prefix, address } = parseInterface(text);
  if (toNumber(address) === prefix.start) return prefix;
  const fix = `is ${prefix.text} meant?`;
  return configError(
    `${text}: it has bits after the first ${prefix.bits}; ${fix}`,
  );
}

/** Whether an address has the first bits of a prefix. */
export function contains({ start, bits }: Prefix, address: string): boolean {
  const size = 2 ** (32 - bits);
  const number = toNumber(address);
  return number - number % size === start;
}

/**
 * An address with how many bits of it are the cable's, as 192.168.1.20/24.
 * @throws {RoutingError} if a text is none
 */
export function parseInterface(
  text: string,
): { address: string; prefix: Prefix } {
  const [, address, length] = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(text) ?? [];
  const bits = Number(length);
  if (!address || bits > 32 || addressFamily(address) !== 4) {
    configError(`${text}: needs a form like 192.168.1.0/24`);
  }
  const number = toNumber(address);
  const start = number - number % 2 ** (32 - bits);
  const first = [24, 16, 8, 0].map((shift) =>
    Math.floor(start / 2 ** shift) % 256
  );
  const name = formatAddress(Uint8Array.from(first));
  return { address, prefix: { text: `${name}/${bits}`, bits, start } };
}

/** @throws {RoutingError} always: what is set up wrong */
export function configError(what: string): never {
  throw new RoutingError("config", `Cannot use ${what}`);
}

function toNumber(address: string): number {
  if (addressFamily(address) !== 4) configError(`${address}: no IPv4 address`);
  return parseAddress(address).reduce((sum, byte) => sum * 256 + byte, 0);
}

if (import.meta.main) {
  const [address, ...texts] = Deno.args.length > 0 ? Deno.args : [
    "203.0.113.80",
    ...["0.0.0.0/0", "203.0.112.0/20", "203.0.113.0/24", "203.0.113.128/25"],
  ];
  try {
    const routes = texts.map((text) => ({ prefix: parsePrefix(text) }));
    // An address that is none is an error, whatever the table.
    parsePrefix(`${address}/32`);
    const best = longestMatch(routes, address);
    for (const route of routes) {
      const text = !contains(route.prefix, address)
        ? "does not match"
        : route === best
        ? "matches, and is the longest"
        : "matches";
      console.log(`${route.prefix.text.padEnd(18)} ${text}`);
    }
    if (!best) console.log(`network unreachable: nothing matches ${address}`);
  } catch (error) {
    if (!(error instanceof RoutingError)) throw error;
    console.error(
      `${error.message}\nUsage: deno run route_table.ts [ADDRESS PREFIX ...]`,
    );
    Deno.exit(2);
  }
}
