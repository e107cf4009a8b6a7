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
  addressesOf,
  canonicalName,
  type DnsRecord,
  escapeLabel,
  formatRecord,
  isWithin,
  labels,
  serversOf,
  typeName,
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
/** As many servers of a zone are kept: else one referral could name thousands. */
const MOST_SERVERS = 16;
/** Nothing is kept longer than a day, an absence not longer than an hour. The way down is
 * no answer to anybody, and must last for the search. */
const LONGEST = 86_400;
const LONGEST_ABSENCE = 3600;
const SHORTEST_CUT = 60;

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
  /** Entries of the cache, of which the oldest go first; 10,000 if not given. */
  capacity?: number;
}

/** A search: questions left, depth in servers' names, and addresses of these. */
interface Search {
  left: number;
  depth: number;
  readonly servers: Map<string, readonly string[]>;
}

interface Entry {
  readonly records: readonly DnsRecord[];
  /** Of an absence: whether the name itself is missing. */
  readonly missing?: boolean;
  readonly until: number;
}

/** What a server's answer is good for: an entry, a zone further down, or nothing. */
type Use = { outcome: string; entry?: Entry; zone?: string };

/** Finds records by asking from the root down, and remembers what it was told. */
export class Resolver {
  readonly #cache = new Map<string, Entry>();
  readonly #options: Required<ResolverOptions>;

  constructor(options: ResolverOptions) {
    this.#options = {
      hints: ROOT_HINTS,
      now: () => performance.now() / 1000,
      random: Math.random,
      onStep: () => {},
      families: [4, 6],
      capacity: 10_000,
      ...options,
    };
  }

  /**
   * @param type as in A or AAAA
   * @throws {DnsError} if no server answers, or it would take too many steps
   * @throws {DnsFormatError} if there can be no such name or type
   */
  async resolve(name: string, type: string): Promise<Found> {
    type = typeName(typeNumber(type)); // TYPE1 is A
    const search: Search = { left: BUDGET, depth: 0, servers: new Map() };
    const found = await this.#find(canonicalName(name), type, search);
    return { ...found, asked: BUDGET - search.left };
  }

  async #find(name: string, type: string, search: Search) {
    const records: DnsRecord[] = [];
    for (let n = 0; n <= MOST_ALIASES; n++) {
      const entry = [type, `no ${type}`, "no name", "CNAME"]
        .map((type) => this.#known(name, type)).find((entry) => entry) ??
        await this.#iterate(name, type, search);
      records.push(...entry.records);
      if (entry.missing) return { records, status: "no-such-name" as const };
      const [alias] = entry.records;
      if (alias?.type !== "CNAME" || type === "CNAME") {
        const status = alias ? "found" as const : "no-data" as const;
        return { records, status };
      }
      name = canonicalName(alias.target);
    }
    const why =
      `More than ${MOST_ALIASES} aliases in a row, the last to ${name}`;
    throw new DnsError("too-many-steps", why);
  }

  /** What the cache has, with the ttl that is left. */
  #known(name: string, type: string): Entry | undefined {
    const entry = this.#cache.get(`${type} ${name}`);
    const left = entry ? entry.until - this.#options.now() : 0;
    if (!entry || left <= 0) return undefined;
    const ttl = Math.floor(left);
    const records = entry.records.map((record) => ({ ...record, ttl }));
    return { ...entry, records };
  }

  #keep(name: string, type: string, entry: Omit<Entry, "until">, ttl: number) {
    const { now, capacity } = this.#options;
    const kept = { ...entry, until: now() + Math.min(ttl, LONGEST) };
    const key = `${type} ${name}`;
    this.#cache.delete(key); // so that the newest stands last
    if (ttl > 0) this.#cache.set(key, kept);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > capacity) this.#cache.delete(oldest);
    return kept;
  }

  /** Goes down from the deepest zone whose servers are known, to the answer. */
  async #iterate(name: string, type: string, search: Search) {
    let use = await this.#askZone(this.#deepestZone(name), name, type, search);
    while (!use.entry) use = await this.#askZone(use.zone!, name, type, search);
    return use.entry;
  }

  /** The nearest zone above a name, or of that name, whose servers can be found. */
  #deepestZone(name: string): string {
    const parts = labels(name).map(escapeLabel);
    return parts.map((_, i) => parts.slice(i).join(".")).find((zone) =>
      // A server within its own zone is found by its address, or from further up.
      this.#serversOf(zone).some((server) =>
        !isWithin(server, zone) || this.#addresses(server).length > 0
      )
    ) ?? ".";
  }

  /** The names of a zone's servers, if they are known. */
  #serversOf(zone: string): string[] {
    if (zone === ".") return Object.keys(this.#options.hints);
    return serversOf(this.#known(zone, "cut")?.records ?? []);
  }

  /** Asks the servers of a zone, one after the other, until one is of use. */
  async #askZone(zone: string, name: string, type: string, search: Search) {
    const { onStep, now } = this.#options;
    let last = "it has no server that can be reached";
    for await (const [server, address] of this.#servers(zone, search)) {
      if (search.left === 0) break;
      search.left--;
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
        if (use.entry || use.zone) return use;
      } catch (error) {
        if (!(error instanceof DnsError)) throw error;
        tell(error.message);
      }
    }
    if (search.left === 0) {
      const why = `Stopped after ${BUDGET} questions, at ${name}`;
      throw new DnsError("too-many-steps", why);
    }
    const where = zone === "." ? "the root" : zone;
    const why = `No server of ${where} answers for ${name}; the last, ${last}`;
    throw new DnsError("server-failure", why);
  }

  /** Names and addresses of a zone's servers, those with known addresses first. */
  async *#servers(zone: string, search: Search) {
    const drawn = this.#serversOf(zone)
      .map((name) => [this.#options.random(), name] as const)
      .sort(([a], [b]) => a - b).map(([, name]) => name);
    const unknown: string[] = [];
    for (const name of drawn) {
      const here = this.#addresses(name);
      if (here.length === 0) unknown.push(name);
      for (const address of here) yield [name, address] as const;
    }
    for (const name of unknown) {
      for (const family of this.#options.families) {
        const type = family === 4 ? "A" : "AAAA";
        const here = await this.#lookUp(name, type, search);
        for (const address of here) yield [name, address] as const;
      }
    }
  }

  /** Looks a server's name up. */
  async #lookUp(name: string, type: string, search: Search) {
    const key = `${type} ${name}`;
    // Once: servers that need each other would else each be looked up at each depth.
    const known = search.servers.get(key);
    if (known) return known;
    if (search.depth === DEEPEST || search.left === 0) return [];
    search.servers.set(key, []);
    search.depth++;
    const { records } = await this.#find(name, type, search).catch((error) => {
      // At the end of the budget the next question says so.
      if (error instanceof DnsError) return { records: [] };
      throw error;
    });
    search.depth--;
    const found = addressesOf(records);
    search.servers.set(key, found);
    return found;
  }

  /** What can be reached of a server's addresses: hints, from answers, or as glue. */
  #addresses(name: string): readonly string[] {
    const { hints, families } = this.#options;
    const kept = ["A", "AAAA"].flatMap((type) =>
      (this.#known(name, type) ?? this.#known(name, `glue ${type}`))?.records ??
        []
    );
    return (Object.hasOwn(hints, name) ? hints[name] : addressesOf(kept))
      .filter((address) => families.some((f) => f === addressFamily(address)));
  }

  /** What an answer says of the question; keeps what the server may be believed. */
  #use(message: Message, zone: string, name: string, type: string): Use {
    const { rcode, truncated } = message;
    const own = (record: DnsRecord) =>
      isWithin(canonicalName(record.name), zone);
    const missing = rcode === RCODES.indexOf("NXDOMAIN");
    if (rcode !== 0 && !missing || truncated) {
      return { outcome: truncated ? "truncated" : RCODES[rcode] ?? `${rcode}` };
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
      return { outcome: wanted === type ? "answer" : "alias", entry };
    }
    const soa = message.authorities.filter(own).find((r) => r.type === "SOA");
    const cut = message.authorities.filter(own).find((record) =>
      record.type === "NS" && isDeeper(canonicalName(record.name), zone, name)
    );
    // An absence is told from a referral by its SOA (RFC 2308 section 2.2).
    if (cut && !missing && !soa) {
      const below = canonicalName(cut.name);
      const keep = (name: string, type: string, records: DnsRecord[]) => {
        const ttl = Math.max(SHORTEST_CUT, leastTtl(records));
        this.#keep(name, type, { records }, ttl);
      };
      const servers = at(message.authorities, below, "NS")
        .slice(0, MOST_SERVERS);
      keep(below, "cut", servers);
      for (const target of serversOf(servers)) {
        for (const type of ["A", "AAAA"]) {
          const glue = at(message.additionals, target, type);
          if (glue.length > 0) keep(target, `glue ${type}`, glue);
        }
      }
      return { outcome: `referral to ${below}`, zone: below };
    }
    // Neither an answer nor a way to one: a lame delegation.
    if (!soa && !message.authoritative) return { outcome: "lame" };
    const ttl = soa?.type === "SOA" ? Math.min(soa.ttl, soa.minimum) : 0;
    const absent = { records: [], missing };
    const life = Math.min(ttl, LONGEST_ABSENCE);
    // A missing name has no records of other types, either.
    const what = missing ? "name" : "type";
    const entry = this.#keep(name, `no ${missing ? what : type}`, absent, life);
    return { outcome: `no such ${what}`, entry };
  }
}

/** Whether a zone is below `zone`, and above or at `name`. */
const isDeeper = (below: string, zone: string, name: string) =>
  below !== zone && isWithin(below, zone) && isWithin(name, below);

const leastTtl = (records: readonly DnsRecord[]) =>
  Math.min(...records.map(({ ttl }) => ttl));

if (import.meta.main) {
  // An internet of three servers, in memory.
  const ttl = 300;
  const of = { ttl, serial: 1, refresh: 9, retry: 9, expire: 9, minimum: 60 };
  const zone = (name: string, ...rest: DnsRecord[]): Zone => ({
    origin: name,
    records: [
      { ...of, name, type: "SOA", primary: "ns", mailbox: "a" },
      ...rest,
    ],
  });
  const ns = (name: string, target: string, address: string): DnsRecord[] => [
    { name, ttl, type: "NS", target },
    { name: target, ttl, type: "A", address },
  ];
  const servers: Record<string, Zone> = {
    "192.0.2.1": zone(".", ...ns("com", "a.gtld-servers.net", "192.0.2.2")),
    "192.0.2.2": zone("com", ...ns("google.com", "ns.google.com", "192.0.2.3")),
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
