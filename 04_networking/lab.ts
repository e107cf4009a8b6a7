#!/usr/bin/env -S deno run --allow-net=127.0.0.1,0.0.0.0
/**
 * Q. How do you show what happens on the internet on a machine that has none?
 *
 * A. Build one in this process. A root server, one of com and one of google.com answer real
 * DNS packets; a balancer passes connections on to three origins in turn; these speak TLS
 * with certificates of the lab's own authority, HTTP/1.1 and HTTP/2. All listen on loopback,
 * at ports that the system picks, and a table says which address of the lab is which port.
 * Everything above that is the real thing: the same packets, handshakes and frames. And
 * what is rare on the real internet can be had at will: a lost packet, a lame server, a
 * certificate that is over.
 *
 * Trap: to test only what works: most of a network program is about what does not.
 * Left out: delays of distance, packet loss below TCP (tcp.ts has both).
 * Source: addresses for examples: RFC 5737 and RFC 3849.
 * Run: `deno run --allow-net=127.0.0.1,0.0.0.0 lab.ts`
 * @module
 */
import { roundRobin } from "./balancer.ts";
import { type Identity, makeAuthority } from "./certificates.ts";
import { ask } from "./dns_client.ts";
import { type DnsRecord } from "./dns_record.ts";
import { Resolver } from "./dns_resolver.ts";
import { type Answer, type DnsServer, serveDns } from "./dns_server.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";
import { encryptByHand } from "./encryption.ts";
import type { World } from "./story.ts";

/** What can be made to go wrong. */
export const FAULTS = [
  "lost packets",
  "truncated answers",
  "lame delegation",
  "no such name",
  "nothing listens",
  "broken IPv6",
  "wrong certificate",
  "expired certificate",
  "unknown authority",
  "slow response",
  "cut response",
  "redirect loop",
] as const;
export type Fault = typeof FAULTS[number];

/** An internet that runs. */
export interface Lab extends World {
  /** Root servers, for a resolver. */
  readonly hints: Readonly<Record<string, readonly string[]>>;
  /** Certificates of the authorities that the lab's clients trust. */
  readonly caCerts: readonly string[];
  /** Connects to an address of the lab. @throws as Deno.connect */
  connect(
    address: string,
    port: number,
    signal?: AbortSignal,
  ): Promise<Deno.TcpConn>;
  /** Where its ports 443 and 80 are on 127.0.0.1, for programs that are not of the lab. */
  readonly ports: Readonly<Record<number, number>>;
  /** How many requests each origin has answered. */
  readonly served: readonly number[];
  /** Ends all of it. */
  close(): Promise<void>;
}

const ROOT = "198.51.100.1";
const COM = "198.51.100.2";
const GOOGLE = "198.51.100.3";
const BALANCER = "203.0.113.80";
const BALANCER_6 = "2001:db8::80";
const LAME = "198.51.100.66";
const ORIGINS = 3;
const ttl = 300;

const a = (name: string, address: string): DnsRecord => ({
  ...{ name, ttl, type: "A", address },
});
/** Both addresses of the balancer. */
const both = (name: string): DnsRecord[] => [
  a(name, BALANCER),
  { name, ttl, type: "AAAA", address: BALANCER_6 },
];
const ns = (name: string, target: string): DnsRecord => ({
  ...{ name, ttl, type: "NS", target },
});
const zone = (origin: string, ...records: DnsRecord[]): Zone => ({
  origin,
  records: [{
    ...{
      name: origin,
      ttl,
      type: "SOA",
      primary: "ns.lab",
      mailbox: "admin.lab",
    },
    ...{ serial: 1, refresh: 7200, retry: 900, expire: 1209600, minimum: 60 },
  }, ...records],
});

/** Zones by the address of the server that has them. */
const zones = (fault?: Fault): Record<string, Zone> => ({
  [ROOT]: zone(
    ".",
    ns("com", "a.gtld-servers.net"),
    a("a.gtld-servers.net", COM),
  ),
  [COM]: zone(
    "com",
    ...(fault === "lame delegation"
      ? [ns("google.com", "ns9.google.com")]
      : []),
    ...[ns("google.com", "ns1.google.com"), a("ns1.google.com", GOOGLE)],
    a("ns9.google.com", LAME),
  ),
  [GOOGLE]: zone(
    "google.com",
    ...both("google.com"),
    ...(fault === "no such name" ? [] : [
      {
        name: "www.google.com",
        ttl,
        type: "CNAME",
        target: "web.google.com",
      } as const,
      ...both("web.google.com"),
    ]),
  ),
});

/**
 * Starts the lab, with something broken or nothing.
 * @throws if it may not listen on 127.0.0.1
 */
export async function startLab(fault?: Fault): Promise<Lab> {
  const closers: (() => unknown)[] = [];
  const dns = new Map<string, DnsServer>();
  for (const [address, zone] of Object.entries(zones(fault))) {
    const server = await serveDns(misbehave(zone, fault));
    dns.set(address, server);
    closers.unshift(() => server.close());
  }
  // It serves nothing that anybody asks for.
  const lame = await serveDns((query) =>
    answerFrom([zone("other.test")], query)
  );
  dns.set(LAME, lame);
  closers.unshift(() => lame.close());

  const authority = await makeAuthority("Lab Root");
  const unknown = fault === "unknown authority" &&
    await makeAuthority("Lab Root");
  const day = 86_400_000;
  const identity = await (unknown || authority).issue({
    names: fault === "wrong certificate"
      ? ["www.example.com"]
      : ["www.google.com", "google.com"],
    ...(fault === "expired certificate" && {
      from: new Date(Date.now() - 2 * day),
      until: new Date(Date.now() - day),
    }),
  });
  const served = new Array<number>(ORIGINS).fill(0);
  const end = new AbortController();
  const ended = end.signal;
  const origins = served.map((_, n) =>
    serveOrigin({
      ...{ n, fault, identity, ended, onCut: () => secure.cut() },
      onRequest: () => served[n]++,
    })
  );
  const plain = serveOrigin({ n: -1, ended });
  const shutDown = [...origins, plain].map((origin) => () => origin.shutdown());
  closers.unshift(...shutDown);
  const [secure, open] = [origins, [plain]].map((targets) => balance(targets));
  closers.unshift(() => end.abort(), secure.close, open.close);
  const ports: Record<string, number> = { 443: secure.port, 80: open.port };

  return {
    hints: { "a.root-servers.net": [ROOT] },
    caCerts: [authority.certificate],
    ...{ ports, served },
    families: [6, 4],
    ask(address, name, type, observe, signal) {
      const server = dns.get(address) ?? { address: "127.0.0.1", port: 9 };
      return ask(server, name, type, { timeout: 150, observe, signal });
    },
    async connect(address, port, signal) {
      if (fault === "broken IPv6" && address === BALANCER_6) {
        return await untilAborted(signal);
      }
      const there = [BALANCER, BALANCER_6].includes(address) &&
        fault !== "nothing listens";
      // Port 9 is one at which nothing listens.
      const target = there ? ports[port] ?? 9 : 9;
      const where = { hostname: "127.0.0.1", port: target, signal };
      const connection = await Deno.connect(where);
      connection.setNoDelay();
      return connection;
    },
    encrypt: (tcp, request) =>
      encryptByHand(tcp, [authority.certificate], request),
    async close() {
      for (const close of closers) await close();
    },
  };
}

/** A SYN that nobody answers: waits until it is given up. */
function untilAborted(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason));
    if (signal?.aborted) reject(signal.reason);
  });
}

/** A DNS server's answers, with what is to go wrong. */
function misbehave(zone: Zone, fault?: Fault): Answer {
  const seen = new Set<string>();
  return (query, transport) => {
    const [{ name, type } = { name: "", type: "" }] = query.questions;
    const key = `${name} ${type}`;
    if (fault === "lost packets" && !seen.has(key)) {
      seen.add(key);
      return undefined;
    }
    const answer = answerFrom([zone], query);
    return fault === "truncated answers" && transport === "udp"
      ? { ...answer, answers: [], truncated: true }
      : answer;
  };
}

const PAGE = `<!doctype html>
<html><head><title>Google</title></head>
<body><h1>It works</h1><p>The whole way, on one machine: façade, naïve, 東京.</p></body></html>
`;

/** The name of this state of the page. */
const VERSION = '"1"';

/** What an origin is to do. */
interface Origin {
  readonly n: number;
  readonly fault?: Fault;
  /** Without one it speaks no TLS, and sends to https. */
  readonly identity?: Identity;
  onRequest?(): void;
  /** Cuts the connections to it. */
  onCut?(): void;
  /** The end of the lab. */
  readonly ended: AbortSignal;
}

function serveOrigin(
  { n, fault, identity, onRequest, onCut, ended }: Origin,
): Deno.HttpServer<Deno.NetAddr> {
  const options = {
    ...{ hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ...(identity && { cert: identity.certificate, key: identity.key }),
  };
  return Deno.serve(options, (request) => {
    onRequest?.();
    const { host, pathname } = new URL(request.url);
    if (!identity || host === "google.com") {
      const location = `https://www.google.com${pathname}`;
      return new Response(null, { status: 301, headers: { location } });
    }
    if (fault === "redirect loop") {
      const headers = { location: `${pathname === "/" ? "/again" : "/"}` };
      return new Response(null, { status: 302, headers });
    }
    const headers = new Headers({
      "content-type": "text/html; charset=utf-8",
      "set-cookie": `origin=${n}; Secure; HttpOnly; Path=/`,
      "strict-transport-security": "max-age=31536000",
      "cache-control": "no-cache",
      etag: VERSION,
      server: `origin ${n}`,
    });
    if (request.headers.get("if-none-match") === VERSION) {
      return new Response(null, { status: 304, headers });
    }
    if (fault !== "cut response" && fault !== "slow response") {
      return new Response(PAGE, { headers });
    }
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        controller.enqueue(new TextEncoder().encode(PAGE.slice(0, 50)));
        await new Promise<void>((done) => {
          const timer = setTimeout(done, 20);
          ended.addEventListener("abort", () => done(clearTimeout(timer)));
        });
        if (ended.aborted) return controller.close();
        if (fault === "cut response") onCut?.();
      },
    });
    return new Response(body, { headers });
  });
}

/** Passes connections on to some servers, one after the other. */
function balance(targets: readonly Deno.HttpServer<Deno.NetAddr>[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const passing: Promise<unknown>[] = [];
  const pick = roundRobin();
  const servers = targets.map(({ addr: { port } }) => ({
    ...{ name: `127.0.0.1:${port}`, port, open: 0 },
  }));
  let closed = false;
  const pass = async (client: Deno.TcpConn) => {
    const { port } = pick(servers);
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(server);
    if (closed) return cut();
    // Else small pieces wait for the acknowledgement of those before them.
    for (const side of [client, server]) side.setNoDelay();
    // Each direction ends by itself; an error is the end of both.
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  };
  const accepting = (async () => {
    for await (const client of listener) {
      open.add(client);
      passing.push(pass(client).catch(() => {}));
    }
  })();
  const cut = () => {
    for (const connection of open) {
      try {
        connection.close();
      } catch {
        // It has ended before.
      }
    }
    open.clear();
  };
  return {
    ...{ port: listener.addr.port, cut },
    async close() {
      closed = true;
      listener.close();
      cut();
      await Promise.all([accepting, ...passing]);
    },
  };
}

if (import.meta.main) {
  const lab = await startLab();
  try {
    const resolver = new Resolver({
      hints: lab.hints,
      ask: lab.ask,
      onStep: ({ server, name, type, outcome }) =>
        console.log(`${server}: ${name} ${type}? ${outcome}`),
    });
    const { records } = await resolver.resolve("www.google.com", "A");
    const [address] = records.flatMap((r) => r.type === "A" ? [r.address] : []);
    for (const protocol of ["h2", "http/1.1"]) {
      const tcp = await lab.connect(address, 443);
      const tls = await Deno.startTls(tcp, {
        ...{ hostname: "www.google.com", alpnProtocols: [protocol] },
        caCerts: [...lab.caCerts],
      });
      const { alpnProtocol } = await tls.handshake();
      console.log(`connected to ${address}, both speak ${alpnProtocol}`);
      tls.close();
    }
  } finally {
    await lab.close();
  }
}
