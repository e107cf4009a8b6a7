#!/usr/bin/env -S deno run
/**
 * Q. How is www.google.com turned into an address?
 *
 * A. Your machine looks into its own cache and its hosts file, and asks a resolver, whose
 * cache mostly knows. If it does not, it asks a root server, which says who serves com; one
 * of those, which says who serves google.com; and one of those, which says the address.
 * The addresses of servers come along, as glue, where they could not be found otherwise.
 * An answer may be another name, a CNAME, and the search begins anew. Each answer is kept
 * for as long as its ttl says, an absence too. A server is believed only in what lies
 * within the zone for which it was asked, and a search has a budget.
 *
 * Trap: believing whatever comes along: glue for google.com from the servers of evil.net.
 * Left out: DNSSEC, minimised names (RFC 9156), prefetching, several clients at once.
 * Source: RFC 1034 section 5.3.3; ranking data: RFC 2181 section 5.4.1; absences: RFC 2308;
 * root servers: https://www.iana.org/domains/root/files.
 * Run: `deno run dns_resolver.ts`; `dns.ts` asks the real servers
 * @module
 */
import { addressFamily } from "./address.ts";
import { DnsError } from "./dns_client.ts";
import { type Message, message, RCODES } from "./dns_message.ts";
import {
  canonicalName,
  type DnsRecord,
  escapeLabel,
  formatRecord,
  isWithin,
  labels,
  typeNumber,
} from "./dns_record.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";

/** Where a search begins: the root servers, by name. */
export const ROOT_HINTS: Record<string, readonly string[]> = {
  "a.root-servers.net": ["198.41.0.4", "2001:503:ba3e::2:30"],
  "b.root-servers.net": ["170.247.170.2", "2801:1b8:10::b"],
  "c.root-servers.net": ["192.33.4.12", "2001:500:2::c"],
  "d.root-servers.net": ["199.7.91.13", "2001:500:2d::d"],
  "e.root-servers.net": ["192.203.230.10", "2001:500:a8::e"],
  "f.root-servers.net": ["192.5.5.241", "2001:500:2f::f"],
  "g.root-servers.net": ["192.112.36.4", "2001:500:12::d0d"],
  "h.root-servers.net": ["198.97.190.53", "2001:500:1::53"],
  "i.root-servers.net": ["192.36.148.17", "2001:7fe::53"],
  "j.root-servers.net": ["192.58.128.30", "2001:503:c27::2:30"],
  "k.root-servers.net": ["193.0.14.129", "2001:7fd::1"],
  "l.root-servers.net": ["199.7.83.42", "2001:500:9f::42"],
  "m.root-servers.net": ["202.12.27.33", "2001:dc3::35"],
};

/** Questions to servers for one name, with all that it takes. */
const BUDGET = 64;
/** Aliases in a row, and servers' names that must be found to find a server's name. */
const MOST_ALIASES = 16;
const DEEPEST = 6;
/** Nothing is kept longer than a day, an absence not longer than an hour. */
const LONGEST = 86_400;
const LONGEST_ABSENCE = 3600;

/** One question to one server. */
export interface Step {
  readonly name: string;
  readonly type: string;
  /** The zone for which the server was asked. */
  readonly zone: string;
  readonly server: string;
  readonly address: string;
  readonly ms: number;
  /** As "answer", "referral to com", "no such name", or why there was none. */
  readonly outcome: string;
}

/** What was found. */
export interface Found {
  /** Aliases in their order, then the records; empty if there are none of the type. */
  readonly records: readonly DnsRecord[];
  readonly status: "found" | "no-data" | "no-such-name";
  /** How many questions it took; 0 if all was in the cache. */
  readonly asked: number;
}

/** What a resolver needs; only `ask` has to be given. */
export interface ResolverOptions {
  /** Sends a question to the server at an address. */
  ask(address: string, name: string, type: string): Promise<Message>;
  hints?: Readonly<Record<string, readonly string[]>>;
  /** Seconds. */
  now?(): number;
  /** From 0 to below 1; chooses among servers. */
  random?(): number;
  onStep?(step: Step): void;
  /** Which addresses can be reached; 4 and 6 if not given. */
  families?: readonly (4 | 6)[];
}

interface Entry {
  readonly records: readonly DnsRecord[];
  /** Of an absence: whether the name itself is missing. */
  readonly missing?: boolean;
  readonly until: number;
}

/** What a server's answer is good for. */
type Use =
  | { readonly kind: "entry"; readonly outcome: string; readonly entry: Entry }
  | {
    readonly kind: "referral";
    readonly outcome: string;
    readonly zone: string;
  }
  | { readonly kind: "none"; readonly outcome: string };

/** Finds records by asking from the root down, and remembers what it was told. */
export class Resolver {
  readonly #cache = new Map<string, Entry>();
  readonly #options: Required<ResolverOptions>;
  #left = 0;

  constructor(options: ResolverOptions) {
    this.#options = {
      hints: ROOT_HINTS,
      now: () => performance.now() / 1000,
      random: Math.random,
      onStep: () => {},
      families: [4, 6],
      ...options,
    };
  }

  /**
   * @param type as in A or AAAA
   * @throws {DnsError} if no server answers, or it would take too many steps
   * @throws {DnsFormatError} if there can be no such name or type
   */
  async resolve(name: string, type: string): Promise<Found> {
    typeNumber(type);
    this.#left = BUDGET;
    const found = await this.#find(canonicalName(name), type, 0);
    return { ...found, asked: BUDGET - this.#left };
  }

  async #find(name: string, type: string, depth: number) {
    const records: DnsRecord[] = [];
    for (let n = 0; n <= MOST_ALIASES; n++) {
      const entry = this.#known(name, type) ?? this.#known(name, "CNAME") ??
        await this.#iterate(name, type, depth);
      records.push(...entry.records);
      if (entry.missing) return { records, status: "no-such-name" as const };
      const [alias] = entry.records;
      if (alias?.type !== "CNAME" || type === "CNAME") {
        const none = entry.records.length === 0;
        return {
          records,
          status: none ? "no-data" as const : "found" as const,
        };
      }
      name = canonicalName(alias.target);
    }
    throw new DnsError(
      "too-many-steps",
      `More than ${MOST_ALIASES} aliases in a row, the last one of ${name}`,
    );
  }

  /** What the cache has, with the ttl that is left. */
  #known(name: string, type: string): Entry | undefined {
    const entry = this.#cache.get(`${type} ${name}`);
    const left = entry ? Math.floor(entry.until - this.#options.now()) : 0;
    if (!entry || left <= 0) return undefined;
    // An absence of aliases says nothing about the name.
    if (type === "CNAME" && entry.records.length === 0) return undefined;
    const records = entry.records.map((record) => ({ ...record, ttl: left }));
    return { ...entry, records };
  }

  #keep(name: string, type: string, entry: Omit<Entry, "until">, ttl: number) {
    const until = this.#options.now() + Math.min(ttl, LONGEST);
    const kept = { ...entry, until };
    if (ttl > 0) this.#cache.set(`${type} ${name}`, kept);
    return kept;
  }

  /** Goes down from the deepest zone whose servers are known, to the answer. */
  async #iterate(name: string, type: string, depth: number): Promise<Entry> {
    let zone = this.#deepestZone(name);
    for (;;) {
      const reply = await this.#askZone(zone, name, type, depth);
      if (reply.kind === "entry") return reply.entry;
      zone = reply.zone;
    }
  }

  /** The nearest zone above a name, or of that name, whose servers are known. */
  #deepestZone(name: string): string {
    const parts = labels(name).map(escapeLabel);
    for (let i = 0; i < parts.length; i++) {
      const zone = parts.slice(i).join(".");
      if (this.#known(zone, "cut")) return zone;
    }
    return ".";
  }

  /** Asks the servers of a zone, one after the other, until one is of use. */
  async #askZone(zone: string, name: string, type: string, depth: number) {
    const { onStep, now } = this.#options;
    let last = "it has no server that can be reached";
    for await (const [server, address] of this.#servers(zone, depth)) {
      if (this.#left === 0) break;
      this.#left--;
      const start = now();
      const tell = (outcome: string) => {
        const ms = (now() - start) * 1000;
        onStep({ name, type, zone, server, address, ms, outcome });
        last = `${server}: ${outcome}`;
      };
      try {
        const message = await this.#options.ask(address, name, type);
        const use = this.#use(message, zone, name, type);
        tell(use.outcome);
        if (use.kind !== "none") return use;
      } catch (error) {
        if (!(error instanceof DnsError)) throw error;
        tell(error.message);
      }
    }
    if (this.#left === 0) {
      const why = `Stopped after ${BUDGET} questions, at ${name}`;
      throw new DnsError("too-many-steps", why);
    }
    const where = zone === "." ? "the root" : zone;
    const why = `No server of ${where} answers for ${name}; the last, ${last}`;
    throw new DnsError("server-failure", why);
  }

  /** Names and addresses of a zone's servers, those with known addresses first. */
  async *#servers(
    zone: string,
    depth: number,
  ): AsyncGenerator<[string, string]> {
    const { hints, families, random } = this.#options;
    const reached = (address: string) =>
      families.some((family) => family === addressFamily(address));
    const names = zone === "."
      ? Object.keys(hints)
      : (this.#known(zone, "cut")?.records ?? []).flatMap((record) =>
        record.type === "NS" ? [canonicalName(record.target)] : []
      );
    const drawn = names.map((name) => [random(), name] as const)
      .sort(([a], [b]) => a - b).map(([, name]) => name);
    const unknown: string[] = [];
    for (const name of drawn) {
      const here = zone === "." ? hints[name] : this.#addresses(name);
      if (here.length === 0) unknown.push(name);
      for (const address of here.filter(reached)) yield [name, address];
    }
    for (const name of unknown) {
      if (depth === DEEPEST) break;
      for (const family of families) {
        try {
          const type = family === 4 ? "A" : "AAAA";
          const { records } = await this.#find(name, type, depth + 1);
          for (const address of addressesOf(records)) yield [name, address];
        } catch (error) {
          // At the end of the budget the next question says so.
          if (!(error instanceof DnsError)) throw error;
        }
      }
    }
  }

  /** What is known of a server's name, from an answer or as glue. */
  #addresses(name: string): string[] {
    return ["A", "AAAA"].flatMap((type) => {
      const known = this.#known(name, type) ??
        this.#known(name, `glue ${type}`);
      return addressesOf(known?.records ?? []);
    });
  }

  /** What an answer says of the question; keeps what the server may be believed. */
  #use(message: Message, zone: string, name: string, type: string): Use {
    const { rcode, truncated } = message;
    const own = (record: DnsRecord) =>
      isWithin(canonicalName(record.name), zone);
    const missing = rcode === RCODES.indexOf("NXDOMAIN");
    if (rcode !== 0 && !missing || truncated) {
      const outcome = truncated ? "truncated" : RCODES[rcode] ?? `${rcode}`;
      return { kind: "none", outcome };
    }
    const at = (section: readonly DnsRecord[], owner: string, type: string) =>
      section.filter(own).filter((record) =>
        record.type === type && canonicalName(record.name) === owner
      );
    for (const wanted of [type, "CNAME"]) {
      const records = at(message.answers, name, wanted);
      if (records.length === 0) continue;
      // What else is said of where an alias leads is asked for again.
      const entry = this.#keep(name, wanted, { records }, leastTtl(records));
      const outcome = wanted === type ? "answer" : "alias";
      return { kind: "entry", outcome, entry };
    }
    const cut = message.authorities.filter(own).find((record) =>
      record.type === "NS" && isDeeper(canonicalName(record.name), zone, name)
    );
    if (cut && !missing && !message.authoritative) {
      const below = canonicalName(cut.name);
      // Not an answer to anybody: only the way down. A ttl of 0 lasts for this search.
      const keep = (name: string, type: string, records: DnsRecord[]) =>
        this.#keep(name, type, { records }, Math.max(1, leastTtl(records)));
      const servers = at(message.authorities, below, "NS");
      keep(below, "cut", servers);
      for (const server of servers) {
        if (server.type !== "NS") continue;
        const target = canonicalName(server.target);
        for (const type of ["A", "AAAA"]) {
          const glue = at(message.additionals, target, type);
          if (glue.length > 0) keep(target, `glue ${type}`, glue);
        }
      }
      const outcome = `referral to ${below}`;
      return { kind: "referral", outcome, zone: below };
    }
    const soa = message.authorities.filter(own).find((r) => r.type === "SOA");
    // Neither an answer nor a way to one: a lame delegation.
    if (!soa && !message.authoritative) {
      return { kind: "none", outcome: "lame" };
    }
    const ttl = soa?.type === "SOA" ? Math.min(soa.ttl, soa.minimum) : 0;
    const absent = { records: [], missing };
    const entry = this.#keep(
      name,
      type,
      absent,
      Math.min(ttl, LONGEST_ABSENCE),
    );
    const outcome = missing ? "no such name" : "no such type";
    return { kind: "entry", outcome, entry };
  }
}

/** Whether a zone is below `zone`, and above or at `name`. */
const isDeeper = (below: string, zone: string, name: string) =>
  below !== zone && isWithin(below, zone) && isWithin(name, below);

const leastTtl = (records: readonly DnsRecord[]) =>
  Math.min(...records.map(({ ttl }) => ttl));

const addressesOf = (records: readonly DnsRecord[]) =>
  records.flatMap((r) =>
    r.type === "A" || r.type === "AAAA" ? [r.address] : []
  );

if (import.meta.main) {
  // An internet of three servers, in memory.
  const ttl = 300;
  const soa = (name: string): DnsRecord => ({
    ...{ name, ttl, type: "SOA", primary: "ns", mailbox: "admin", serial: 1 },
    ...{ refresh: 7200, retry: 900, expire: 1209600, minimum: 60 },
  });
  const zone = (origin: string, ...rest: DnsRecord[]): Zone => ({
    origin,
    records: [soa(origin), ...rest],
  });
  const ns = (name: string, target: string, address: string): DnsRecord[] => [
    { name, ttl, type: "NS", target },
    { name: target, ttl, type: "A", address },
  ];
  const servers: Record<string, Zone> = {
    "192.0.2.1": zone(".", ...ns("com", "a.gtld-servers.net", "192.0.2.2")),
    "192.0.2.2": zone(
      "com",
      ...ns("google.com", "ns1.google.com", "192.0.2.3"),
    ),
    "192.0.2.3": zone(
      "google.com",
      { name: "www.google.com", ttl, type: "CNAME", target: "web.google.com" },
      { name: "web.google.com", ttl, type: "A", address: "192.0.2.80" },
    ),
  };
  const resolver = new Resolver({
    hints: { "a.root-servers.net": ["192.0.2.1"] },
    ask: (address, name, type) => {
      const query = message({ questions: [{ name, type }] });
      return Promise.resolve(answerFrom([servers[address]], query));
    },
    onStep: ({ server, zone, name, type, outcome }) =>
      console.log(`  ${server}, for ${zone}: ${name} ${type}? ${outcome}`),
  });
  for (const name of ["www.google.com", "www.google.com", "mail.google.com"]) {
    console.log(name);
    const { status, asked, records } = await resolver.resolve(name, "A");
    console.log(`  ${status}, by ${asked} questions`);
    records.forEach((record) => console.log(`  ${formatRecord(record)}`));
  }
}
