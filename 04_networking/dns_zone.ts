#!/usr/bin/env -S deno run
/**
 * Q. How does an authoritative name server find its answer?
 *
 * A. It takes the deepest of its zones that holds the name, and refuses if there is none.
 * On the way down from the zone's top, a name with NS records is where it has given the
 * rest away: then it answers with those servers and their addresses, a referral, without
 * the flag AA. Else it has the name or not. If it has, and there is a CNAME, it adds that
 * and goes on with the other name; if records of the type are missing, the answer is
 * empty. If it has not, the answer is NXDOMAIN. Both absences come with the zone's SOA,
 * which says for how long they may be kept.
 *
 * Trap: NXDOMAIN where only the type is missing, or where there are names below.
 * Left out: DNSSEC, transfers, ANY, DNAME.
 * Source: RFC 1034 section 4.3.2; absences: RFC 2308; wildcards: RFC 4592; names with
 * nothing but names below: RFC 8020.
 * Run: `deno run dns_zone.ts`
 * @module
 */
import { type Message, message, type Question, RCODES } from "./dns_message.ts";
import {
  canonicalName,
  type DnsRecord,
  escapeLabel,
  formatRecord,
  isWithin,
  labels,
} from "./dns_record.ts";

/** Records from one name down; one of them is the SOA of `origin`. */
export interface Zone {
  readonly origin: string;
  readonly records: readonly DnsRecord[];
}

/** A version of EDNS that is not known (RFC 6891 section 6.1.3). */
const BADVERS = 16;
/** As many CNAMEs in a row as are followed. */
const MOST_ALIASES = 8;

/**
 * The answer of a server that has these zones and asks nobody else.
 * @returns with the id, question and EDNS size of the query
 */
export function answerFrom(zones: readonly Zone[], query: Message): Message {
  const reply = (fields: Partial<Message>) =>
    message({
      ...{ id: query.id, response: true, opcode: query.opcode },
      ...{ recursionDesired: query.recursionDesired },
      questions: query.questions,
      ...(query.edns && {
        edns: {
          ...{ size: 1232, version: 0, options: [] },
          dnssecOk: query.edns.dnssecOk, // copied, whatever it asks for (RFC 3225)
        },
      }),
      ...fields,
    });
  if (query.opcode !== 0) return reply({ rcode: RCODES.indexOf("NOTIMP") });
  if (query.questions.length !== 1) {
    return reply({ rcode: RCODES.indexOf("FORMERR"), questions: [] });
  }
  if (query.edns && query.edns.version > 0) return reply({ rcode: BADVERS });
  const [question] = query.questions;
  const zone = zoneOf(zones, canonicalName(question.name));
  return zone
    ? reply(lookUp(zone, question))
    : reply({ rcode: RCODES.indexOf("REFUSED") });
}

/** The deepest zone that holds a canonical name. */
function zoneOf(zones: readonly Zone[], name: string): Zone | undefined {
  return zones
    .filter(({ origin }) => isWithin(name, canonicalName(origin)))
    .sort((a, b) => labels(b.origin).length - labels(a.origin).length)[0];
}

function lookUp(zone: Zone, question: Question): Partial<Message> {
  const origin = canonicalName(zone.origin);
  const all = zone.records.map((record) => ({
    owner: canonicalName(record.name),
    record,
  }));
  const at = (owner: string, type?: string) =>
    all.filter((r) => r.owner === owner && (!type || r.record.type === type))
      .map(({ record }) => record);
  const addresses = (targets: readonly DnsRecord[]) =>
    targets.flatMap((record) =>
      record.type === "NS"
        ? ["A", "AAAA"].flatMap((type) =>
          at(canonicalName(record.target), type)
        )
        : []
    );
  const exists = (name: string) => all.some((r) => isWithin(r.owner, name));
  const answers: DnsRecord[] = [];
  const soa = at(origin, "SOA");
  let name = canonicalName(question.name);
  // Each alias, and then the name that it leads to, if that is of this zone.
  for (let n = 0; n <= MOST_ALIASES; n++) {
    const cut = ancestors(name, origin).find((a) => at(a, "NS").length > 0);
    if (cut !== undefined) {
      const authorities = at(cut, "NS");
      const additionals = addresses(authorities);
      return { answers, authorities, additionals, authoritative: n > 0 };
    }
    const source = exists(name) ? name : wildcard(name, origin, exists);
    if (source === undefined) {
      const rcode = RCODES.indexOf("NXDOMAIN");
      return { answers, authorities: soa, authoritative: true, rcode };
    }
    // A wildcard's records are of the name that was asked for.
    const here = at(source).map((record) =>
      source === name ? record : { ...record, name }
    );
    const found = here.filter(({ type }) => type === question.type);
    const [alias] = here.filter(({ type }) => type === "CNAME");
    if (found.length > 0 || alias?.type !== "CNAME") {
      const authorities = found.length > 0 ? [] : soa;
      answers.push(...found);
      return { answers, authorities, authoritative: true };
    }
    if (answers.includes(alias)) break; // a ring
    answers.push(alias);
    name = canonicalName(alias.target);
    if (!isWithin(name, origin)) break;
  }
  return { answers, authoritative: true };
}

/** The names from just below the zone's origin down to `name`. */
function ancestors(name: string, origin: string): string[] {
  const parts = labels(name).map(escapeLabel);
  const above = labels(origin).length;
  return parts.slice(0, parts.length - above)
    .map((_, i) => parts.slice(i).join(".")).reverse();
}

/** The wildcard that stands for a name: below the nearest one that exists. */
function wildcard(
  name: string,
  origin: string,
  exists: (name: string) => boolean,
): string | undefined {
  const nearest = ancestors(name, origin).findLast(exists) ?? origin;
  const star = nearest === "." ? "*" : `*.${nearest}`;
  return exists(star) ? star : undefined;
}

if (import.meta.main) {
  const ttl = 300;
  const zone: Zone = {
    origin: "example.com",
    records: [
      {
        ...{ name: "example.com", ttl, type: "SOA", primary: "ns.example.com" },
        ...{ mailbox: "admin.example.com", serial: 1, refresh: 7200 },
        ...{ retry: 900, expire: 1209600, minimum: 60 },
      },
      {
        name: "www.example.com",
        ttl,
        type: "CNAME",
        target: "web.example.com",
      },
      { name: "web.example.com", ttl, type: "A", address: "192.0.2.1" },
      {
        name: "sub.example.com",
        ttl,
        type: "NS",
        target: "ns.sub.example.com",
      },
      { name: "ns.sub.example.com", ttl, type: "A", address: "192.0.2.53" },
    ],
  };
  for (
    const [name, type] of [
      ...[["www.example.com", "A"], ["web.example.com", "AAAA"]],
      ...[["a.sub.example.com", "A"], ["b.example.com", "A"]],
      ["example.org", "A"],
    ]
  ) {
    const query = message({ questions: [{ name, type }] });
    const reply = answerFrom([zone], query);
    const kind = reply.authoritative ? "authoritative" : "not its own";
    console.log(`${name} ${type}: ${RCODES[reply.rcode]}, ${kind}`);
    for (const section of ["answers", "authorities", "additionals"] as const) {
      for (const record of reply[section]) {
        console.log(`  ${section.padEnd(11)} ${formatRecord(record)}`);
      }
    }
  }
}
