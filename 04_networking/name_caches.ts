#!/usr/bin/env -S deno run
/**
 * Q. Who is asked for the address of a name, in which order, and who remembers it for how
 * long?
 *
 * A. The browser looks into its own cache, then it asks the system. That looks into the
 * hosts file, then into its cache, and asks the router; the router looks into its cache
 * and asks the resolver of the provider; and that one looks into its cache before it asks
 * from the root down. Each keeps what it was told, an absence too, for as long as the ttl
 * says, and when it is asked, it tells only what is left of it. The browser is stricter:
 * it keeps nothing for more than a minute. So a new address is seen everywhere when one
 * ttl is over, wherever the old one was kept.
 *
 * Trap: caches that start the ttl anew: then one waits for the sum of them all.
 * Left out: the system's own interface tells no ttl, so a real browser keeps each address
 * for its whole minute; machines without a cache of their own; errors, kept for some
 * seconds (RFC 9520); stale answers (RFC 8767); search domains; resolvers over HTTPS.
 * Source: RFC 1034, 5.3.1 and 5.3.3; ttl: RFC 1035, 3.2.1; absences: RFC 2308, section 5;
 * hosts(5).
 * Run: `deno run name_caches.ts`
 * @module
 */
import { addressFamily, formatAddress, parseAddress } from "./address.ts";
import { message } from "./dns_message.ts";
import { canonicalName, type DnsRecord } from "./dns_record.ts";
import { Resolver } from "./dns_resolver.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";

/** A browser's cache: seconds and names as Chromium has them, when it asks the system. */
export const BROWSER = { mostSeconds: 60, mostNames: 1000 };
/** A router's, as of dnsmasq, which many run. */
export const ROUTER = { mostNames: 150 };
/** The most names of any other, as of systemd-resolved. */
const MOST_NAMES = 4096;
/** The longest that anybody keeps a name, in seconds: a day. */
const LONGEST = 86_400;

export type AddressType = "A" | "AAAA";

/** What is known of a name. */
export interface Answer {
  readonly addresses: readonly string[];
  readonly status: "found" | "no-data" | "no-such-name";
  /** For how many seconds it may be kept. */
  readonly ttl: number;
  /** Who knew. */
  readonly from: string;
}

/** Finds addresses: a cache, or who stands behind it. */
export type Ask = (name: string, type: AddressType) => Promise<Answer>;

/** What a cache did with a question. */
export interface CacheEvent {
  readonly cache: string;
  readonly name: string;
  readonly type: AddressType;
  /** "expired" is a miss of something that was there. */
  readonly outcome: "hit" | "miss" | "expired";
  /** Of a hit, the seconds that are left. */
  readonly left: number;
}

export interface NameCacheOptions {
  /** Whose it is. */
  readonly label: string;
  /** Who is asked on a miss. */
  readonly below: Ask;
  /** Seconds. */
  now(): number;
  readonly mostSeconds?: number;
  readonly mostNames?: number;
  /** The trap: to tell the whole ttl again on each hit. */
  readonly startsAnew?: boolean;
  onEvent?(event: CacheEvent): void;
}

interface Entry {
  readonly answer: Answer;
  readonly until: number;
}

/** A cache between one who asks and one who is asked. */
export class NameCache {
  // By type and name, the one used longest ago first; no-such-name is of any type.
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Map<string, Promise<Answer>>();

  constructor(readonly options: NameCacheOptions) {}

  get size(): number {
    return this.#entries.size;
  }

  /** What is kept, or else what `below` says. */
  readonly ask: Ask = async (asked, type) => {
    const { label, now, startsAnew, onEvent = () => {} } = this.options;
    const name = canonicalName(asked);
    for (const key of [`${type} ${name}`, `any ${name}`]) {
      const entry = this.#entries.get(key);
      if (!entry) continue;
      this.#entries.delete(key);
      const left = entry.until - now();
      if (left <= 0) {
        onEvent({ cache: label, name, type, outcome: "expired", left: 0 });
        return await this.#askBelow(name, type);
      }
      this.#entries.set(key, entry);
      onEvent({ cache: label, name, type, outcome: "hit", left });
      // Rounded down: what is told on lasts no longer than what was told here.
      const ttl = startsAnew ? entry.answer.ttl : Math.floor(left);
      return { ...entry.answer, ttl, from: label };
    }
    onEvent({ cache: label, name, type, outcome: "miss", left: 0 });
    return await this.#askBelow(name, type);
  };

  /** Two who ask for the same at the same time wait for one answer. */
  #askBelow(name: string, type: AddressType): Promise<Answer> {
    const key = `${type} ${name}`;
    const known = this.#waiting.get(key);
    if (known) return known;
    const answer = this.options.below(name, type)
      .then((answer) => this.#keep(name, type, answer))
      .finally(() => this.#waiting.delete(key));
    this.#waiting.set(key, answer);
    return answer;
  }

  #keep(name: string, type: AddressType, answer: Answer): Answer {
    const { now, mostSeconds = LONGEST, mostNames = MOST_NAMES } = this.options;
    const seconds = Math.min(answer.ttl, mostSeconds);
    // A ttl of 0 is for the one who has asked, and for nobody else.
    if (seconds <= 0) return answer;
    const missing = answer.status === "no-such-name";
    const key = `${missing ? "any" : type} ${name}`;
    this.#entries.delete(key);
    this.#entries.set(key, { answer, until: now() + seconds });
    if (this.#entries.size > mostNames) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    return answer;
  }
}

/**
 * Reads a hosts file: in each line an address and its names. A line without an address
 * that can be read is skipped, as the system skips it.
 * @returns addresses by name in lower case, in the order of the file
 */
export function parseHosts(text: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [content] = line.split("#");
    const [address, ...names] = content.split(/\s+/).filter(Boolean);
    if (!address || !addressFamily(address)) continue;
    for (const name of names.map(bare)) {
      const known = hosts.get(name) ?? [];
      // In the one right form, so that the same one is not listed twice.
      const right = formatAddress(parseAddress(address));
      if (!known.includes(right)) hosts.set(name, [...known, right]);
    }
  }
  return hosts;
}

/** Answers what the hosts file has, and leaves all else to `below`. */
export function withHosts(hosts: Map<string, string[]>, below: Ask): Ask {
  return (name, type) => {
    const family = type === "A" ? 4 : 6;
    const addresses = (hosts.get(bare(name)) ?? [])
      .filter((address) => addressFamily(address) === family);
    if (addresses.length === 0) return below(name, type);
    const ttl = Infinity;
    const from = "hosts file";
    return Promise.resolve({ addresses, status: "found", ttl, from });
  };
}

/** A machine: the browser, the hosts file and the system's cache; `below` is its router. */
export function machine(
  options: Omit<NameCacheOptions, "label">,
  hosts: Map<string, string[]> = new Map(),
): Ask {
  const system = new NameCache({ ...options, label: "system" });
  // What the file says is not kept: it holds as soon as the file is saved.
  const below = withHosts(hosts, system.ask);
  const browser = { ...options, ...BROWSER, label: "browser", below };
  return new NameCache(browser).ask;
}

/**
 * The end of the chain: a resolver that asks from the root down.
 * @param absence for how many seconds "there is none" may be kept
 */
export function fromResolver(resolver: Resolver, absence = () => 0): Ask {
  return async (name, type) => {
    const { records, status, asked } = await resolver.resolve(name, type);
    const ttls = records.map(({ ttl }) => ttl);
    if (status !== "found") ttls.push(absence());
    const addresses = records.flatMap((record) =>
      record.type === type ? [(record as { address: string }).address] : []
    );
    const from = asked > 0 ? "the zone's server" : "resolver";
    return { addresses, status, ttl: Math.min(...ttls), from };
  };
}

/**
 * How long an old address is seen when each cache asks the next one in the last second
 * of what that one keeps.
 * @param ttl of the address, in seconds, above 1
 * @returns the last second in which somebody is told the old one
 */
export async function lastSight(
  ttl: number,
  startsAnew: boolean,
): Promise<number> {
  let [time, last] = [0, 0];
  let below: Ask = () => {
    const addresses = [time === 0 ? "192.0.2.1" : "192.0.2.2"];
    return Promise.resolve({ addresses, status: "found", ttl, from: "zone" });
  };
  const look = async (at: number) => {
    time = at;
    const { addresses: [address] } = await below("www.example", "A");
    if (address === "192.0.2.1") last = time;
  };
  for (const label of ["resolver", "router", "system", "browser"]) {
    const limits = label === "browser" ? BROWSER : {};
    const now = () => time;
    const options = { label, below, now, startsAnew, ...limits };
    below = new NameCache(options).ask;
    await look(label === "resolver" ? 0 : time + ttl - 1);
  }
  for (let more = 4 * ttl; more > 0; more--) await look(time + 1);
  return last;
}

/** A name as hosts files compare it. */
function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

if (import.meta.main) {
  let time = 0;
  const now = () => time;
  let absence = 0;
  // An internet of three servers, in memory; its zones may change.
  const ttl = 300;
  const zone = (origin: string, ...records: DnsRecord[]): Zone => {
    const soa: DnsRecord = {
      ...{ name: origin, ttl, type: "SOA", primary: "ns", mailbox: "admin" },
      ...{ serial: 1, refresh: 7200, retry: 900, expire: 86_400, minimum: 60 },
    };
    return { origin, records: [soa, ...records] };
  };
  const cut = (name: string, target: string, address: string): DnsRecord[] => [
    { name, ttl: 86_400, type: "NS", target },
    { name: target, ttl: 86_400, type: "A", address },
  ];
  const google = (address: string) =>
    zone("google.com", { name: "www.google.com", ttl, type: "A", address });
  const servers: Record<string, Zone> = {
    "192.0.2.1": zone(".", ...cut("com", "a.gtld-servers.net", "192.0.2.2")),
    "192.0.2.2": zone(
      "com",
      ...cut("google.com", "ns1.google.com", "192.0.2.3"),
    ),
    "192.0.2.3": google("192.0.2.80"),
  };
  const resolver = new Resolver({
    hints: { "a.root-servers.net": ["192.0.2.1"] },
    now,
    ask: (address, name, type) => {
      const query = message({ questions: [{ name, type }] });
      const answer = answerFrom([servers[address]], query);
      const soa = answer.authorities.find(({ type }) => type === "SOA");
      if (soa?.type === "SOA") absence = Math.min(soa.ttl, soa.minimum);
      return Promise.resolve(answer);
    },
    onStep: ({ server, outcome }) => console.log(`  ${server}: ${outcome}`),
  });
  const onEvent = ({ cache, outcome, left }: CacheEvent) =>
    console.log(`  ${cache}: ${outcome}${left ? `, ${left} s left` : ""}`);
  const router = new NameCache({
    ...{ label: "router", now, onEvent, ...ROUTER },
    below: fromResolver(resolver, () => absence),
  });
  const hosts = parseHosts("192.0.2.200 printer.lan Printer  # in the hall\n");
  const laptop = machine({ below: router.ask, now, onEvent }, hosts);
  const phone = machine({ below: router.ask, now, onEvent });
  const visit = async (at: number, who: Ask, name = "www.google.com") => {
    time = at;
    console.log(`${at} s, the ${who === laptop ? "laptop" : "phone"}: ${name}`);
    const { addresses, status, from } = await who(name, "A");
    console.log(`  ${addresses.join(", ") || status}, by ${from}`);
  };
  await visit(0, laptop);
  await visit(1, laptop);
  await visit(61, laptop);
  await visit(100, phone);
  servers["192.0.2.3"] = google("192.0.2.81");
  console.log("The address changes at the zone.");
  await visit(299, phone);
  await visit(300, phone);
  await visit(301, laptop, "printer");
  await visit(302, laptop, "mail.google.com");
  await visit(303, phone, "mail.google.com");

  console.log("A ttl of 300 s, and each cache asks as late as it can:");
  for (const anew of [false, true]) {
    const what = anew ? "starts it anew" : "tells what is left of it";
    const last = await lastSight(300, anew);
    console.log(`  each ${what}: the old address is last seen at ${last} s`);
  }
}
