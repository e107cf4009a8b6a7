#!/usr/bin/env -S deno run
/**
 * Q. From the key to the page: which steps are there, and which must come before which?
 *
 * A. Key, interrupt, event; URL, HSTS, cache; stub, ARP, resolver, root, com, google.com;
 * address; SYN, NAT, SYN-ACK, ACK; ClientHello, ServerHello, certificate, Finished;
 * request, balancer, origin, answer; parse. Each needs what the one before brought about,
 * so there is hardly a choice: the order of each pair is forced, but for the cookies, which
 * may be looked up at any time between the URL and the request, and what is kept of the
 * answer. It is a first visit, with HTTP/2 over TLS 1.3 over TCP and IPv4; nothing is
 * cached, and nothing fetched ahead.
 *
 * Trap: ARP just before the SYN: the first packet is the question to the resolver, and that
 * needs the router, too.
 * Left out: layout and painting, HTTP/3, proxies, a second visit.
 * Source: RFC 826 (ARP), 1034 section 5.3 (DNS), 9293 section 3.5 (TCP), 8446 section 2
 * (TLS 1.3), 9113 section 3.2 (HTTP/2 over TLS); https://fetch.spec.whatwg.org section 4.1
 * (HSTS before caches); https://github.com/alex/what-happens-when
 * Run: `deno run walk.ts`
 * @module
 */
import type { Layer } from "./stages.ts";

/** One step of the way. */
export interface Step {
  readonly name: string;
  readonly layer: Layer;
  readonly what: string;
  /** Why it must be there, and not before those that it comes after. */
  readonly why: string;
  /** The steps that must be done before; those before these follow. */
  readonly after: readonly string[];
}

/** What belongs to each layer here, so that it is one only. */
export const LAYERS: Readonly<Record<Layer, string>> = {
  hardware: "switches, controllers, the CPU's interrupt",
  system:
    "drivers, events, routes, ARP and NAT, of this machine and of the router",
  browser:
    "what is in the address bar, what it keeps, which address it tries, the page",
  DNS:
    "whatever turns a name into an address, from the stub to the last server",
  TCP: "what opens and carries the stream",
  TLS: "keys, certificates, and their checks",
  HTTP: "requests and answers, and who passes them on",
};

/** Layer, name and what; below it what must be done before, and why. */
const TEXT = `
hardware  key: the switch closes, and the keyboard reports Enter
          first: nothing begins by itself
hardware  interrupt: the controller interrupts the CPU, which jumps to a handler
          after key: else the CPU would have to look all the time; there must be a report to fetch
system    event: the driver makes a key event of the code, for the window in front
          after interrupt: the handler has fetched the code; only the system knows whose key it is
browser   address bar: is the text an address or a search? It becomes a URL
          after event: Enter says that the text is whole
browser   HSTS: does this host want https only? Then http becomes https
          after address bar: the host is in the URL; later the first request would go in clear text
browser   page cache: is a fresh copy of the page here? No
          after HSTS: copies are kept by URL, and HSTS may have changed it; a fresh one would end the walk
DNS       stub: the stub resolver looks in its cache and the hosts file: nothing
          after page cache: only who must connect needs an address; a file costs less than a packet
system    ARP: the route to the resolver leads by the router: who has its address? It gives its MAC
          after stub: the first packet that goes out, to the resolver, needs a frame, and that a destination
DNS       question: the stub asks the resolver, by UDP, to do the rest
          after ARP: the packet can leave only when the frame has an address
DNS       root: the resolver asks a root server, which names the servers of com
          after question: its cache is empty, and root's addresses are the only ones it has from the start
DNS       com: the resolver asks a server of com, which names those of google.com
          after root: the root has just said where com is
DNS       google.com: the resolver asks a server of google.com, which says the address
          after com: com has just said where google.com is
DNS       DNS answer: the resolver keeps the answer for its TTL, and passes it to the stub
          after google.com: only the servers of the zone itself could say it
browser   address choice: one of the addresses is tried first, another one if it is slow
          after DNS answer: a name may have several, and a connection goes to one
TCP       SYN: the client sends its first sequence number
          after address choice: it must know to whom; the server must know where the stream begins
system    NAT: the router puts its own address and port into the opening segment, and remembers
          after SYN: a private address gets no answer from outside; there must be a segment to change
TCP       SYN-ACK: the server acknowledges that number, and sends its own
          after NAT: it answers what came through; each direction has numbers of its own
TCP       ACK: the client acknowledges the server's number: the connection is open
          after SYN-ACK: until then the server cannot tell a client from a forged address
TLS       ClientHello: the client sends versions, ciphers, the name, h2, and its share of a key
          after ACK: it goes over the stream, so that must be open; without a share there is no secret
TLS       ServerHello: the server chooses, and sends its share: from here on all is encrypted
          after ClientHello: it can choose only from what was offered
TLS       certificate check: the name, the dates, the chain of signatures, and that the server has the key
          after ServerHello: the certificate comes encrypted, after both shares; a secret with whom is the question
TLS       Finished: the client confirms with a MAC of all messages that nobody changed one
          after certificate check: who does not trust the certificate stops before it
browser   cookies: those for this host, path and scheme are looked up
          after HSTS: they need the last form of the URL and nothing else, and are part of the request
HTTP      request: a frame of compressed headers: GET, the host, the path
          after Finished and cookies: before the handshake is done it would be readable, or be for a stranger
HTTP      balancer: the front end reads the path, and picks one of many origins
          after request: it ends TLS, and chooses by what is asked
HTTP      origin: one server makes the page
          after balancer: nobody else has been given the request
HTTP      answer: status, headers and frames of data come back the same way
          after origin: there must be a page to send
browser   keep: Set-Cookie goes to the jar, and the page to the cache if it may
          after answer: the headers of the answer say so
browser   parse: no redirect, which would begin again at HSTS: the bytes become a tree, which names more
          after answer: the status says which of the two
`;

const STEP = /^(\w+) +(.+?): (.+)\n +(?:first|after (.+?)): (.+)$/gm;

/** The walk, in one of the orders that are possible. */
export const WALK: readonly Step[] = [...TEXT.matchAll(STEP)].map(
  ([_, layer, name, what, after, why]) => ({
    ...{ name, layer: layer as Layer, what, why },
    after: after?.split(" and ") ?? [],
  }),
);

/** Steps that are not done, and miss nothing before them. */
export function mayComeNext(
  done: readonly string[],
  walk: readonly Step[] = WALK,
): Step[] {
  return walk.filter(({ name, after }) =>
    !done.includes(name) && after.every((before) => done.includes(before))
  );
}

/** A step in two lines. */
export function tell({ name, layer, what, why, after }: Step): string[] {
  const before = after.length > 0 ? `after ${after.join(" and ")}` : "first";
  return [
    `${layer.padEnd(9)} ${name}: ${what}`,
    `${" ".repeat(10)}${before}: ${why}`,
  ];
}

/** All steps that must be done before one, as names, in the order of the walk. */
export function allBefore(name: string): string[] {
  const found = new Set([name]);
  // The walk has each step behind those it needs, so once backwards is enough.
  for (const step of WALK.toReversed()) {
    if (found.has(step.name)) step.after.forEach((before) => found.add(before));
  }
  found.delete(name);
  return WALK.map(({ name }) => name).filter((name) => found.has(name));
}

/** Pairs of steps neither of which must wait for the other. */
export function freePairs(): [string, string][] {
  return WALK.flatMap(({ name }, n) => {
    const before = allBefore(name);
    return WALK.slice(0, n).filter((other) => !before.includes(other.name))
      .map((other): [string, string] => [other.name, name]);
  });
}

if (import.meta.main) {
  WALK.flatMap(tell).forEach((line) => console.log(line));
  const pairs = WALK.length * (WALK.length - 1) / 2;
  const free = freePairs();
  console.log(`\n${pairs - free.length} of ${pairs} pairs are forced; not:`);
  for (const late of new Set(free.map(([, late]) => late))) {
    const early = free.filter((pair) => pair[1] === late).map(([name]) => name);
    console.log(`${late}, and ${early.join(", ")}`);
  }
}
