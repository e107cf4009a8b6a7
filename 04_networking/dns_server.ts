#!/usr/bin/env -S deno run --allow-net
/**
 * Q. What does a DNS server do besides knowing the answer?
 *
 * A. It listens on UDP and on TCP, at the same port. Over UDP an answer must fit into what
 * the client said that it takes, 512 bytes without EDNS; if it does not, the server sends
 * an empty one with the flag TC, and the client comes again over TCP, where a length of
 * two bytes stands before each message, and several may come on one connection. It
 * answers nonsense with FORMERR if it can read as much as the id, and never answers an
 * answer, or two servers could keep each other busy for ever.
 *
 * Trap: to forget TCP: it works until one answer is too long.
 * Left out: limits by client, cookies, idle connections kept for long.
 * Source: RFC 1035 section 4.2; RFC 7766; RFC 6891 section 6.2.
 * Run: `deno run --allow-net dns_server.ts 5300`, then
 * `dig @127.0.0.1 -p 5300 www.example.com`
 * @module
 */
import { createSocket } from "node:dgram";
import {
  decode,
  encode,
  type Message,
  message,
  RCODES,
} from "./dns_message.ts";
import { DnsFormatError, type DnsRecord } from "./dns_record.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";

/** A server that runs. */
export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** Ends it, and all its connections. */
  close(): Promise<void>;
}

/** What to answer; undefined for nothing, as if the packet were lost. */
export type Answer = (
  query: Message,
  transport: "udp" | "tcp",
) => Message | undefined | Promise<Message | undefined>;

/** As much as UDP carries if the client does not say what it takes. */
const PLAIN_SIZE = 512;
/** More than this, in bytes, is for TCP, whatever the client says that it takes. */
const MOST_UDP = 4096;
/** A connection on which nothing comes, or goes, for so long, in ms, is ended. */
const IDLE = 5000;

/**
 * Answers questions over UDP and TCP.
 * @param hostname an address of this machine
 * @param port 0 for one that is free
 * @param idle ms for a question over TCP to come, and its answer to be taken
 * @throws if the port is taken, or without permission
 */
export async function serveDns(
  answer: Answer,
  hostname = "127.0.0.1",
  port = 0,
  idle = IDLE,
): Promise<DnsServer> {
  const listener = Deno.listen({ hostname, port });
  const bound = listener.addr.port;
  const socket = createSocket(hostname.includes(":") ? "udp6" : "udp4");
  socket.on("message", async (bytes, from) => {
    const reply = await respond(new Uint8Array(bytes), answer, "udp");
    // Nobody can have sent it from port 0, but anybody can write that there.
    if (reply && !closed && from.port > 0) {
      socket.send(reply, from.port, from.address);
    }
  });
  let closed = false;
  try {
    await new Promise<void>((done, fail) => {
      socket.once("error", fail);
      socket.bind(bound, hostname, done);
    });
  } catch (error) {
    listener.close();
    socket.close();
    // The port was free for TCP, and is not for UDP: then it shall be another.
    const taken = (error as { code?: string }).code === "EADDRINUSE";
    if (port === 0 && taken) return serveDns(answer, hostname, 0, idle);
    throw error;
  }
  const connections = new Map<Deno.TcpConn, Promise<void>>();
  const accepting = (async () => {
    for await (const connection of listener) {
      const served = converse(connection, answer, idle)
        .finally(() => connections.delete(connection));
      connections.set(connection, served);
    }
  })();
  return {
    ...{ address: hostname, port: bound },
    async close() {
      closed = true;
      listener.close();
      for (const connection of connections.keys()) end(connection);
      await Promise.all([accepting, ...connections.values()]);
      await new Promise<void>((done) => socket.close(done));
    },
  };
}

/** The bytes to send back; undefined for none. */
async function respond(
  bytes: Uint8Array,
  answer: Answer,
  transport: "udp" | "tcp",
): Promise<Uint8Array | undefined> {
  // An id and flags must be there, and the first flag says that it is no answer.
  if (bytes.length < 12 || bytes[2] & 0x80) return undefined;
  let rcode = "FORMERR";
  try {
    const query = decode(bytes);
    rcode = "SERVFAIL"; // If the answer cannot be written, that is no fault of the client.
    const reply = await answer(query, transport);
    if (!reply) return undefined;
    const whole = encode(reply);
    const size = Math.max(PLAIN_SIZE, query.edns?.size ?? 0);
    const room = Math.min(size, MOST_UDP);
    if (transport === "tcp" || whole.length <= room) return whole;
    const empty = { answers: [], authorities: [], additionals: [] };
    return encode({ ...reply, ...empty, truncated: true });
  } catch (error) {
    if (!(error instanceof DnsFormatError)) throw error;
    const [id, opcode] = [bytes[0] << 8 | bytes[1], bytes[2] >> 3 & 15];
    const fields = { id, opcode, response: true };
    return encode(message({ ...fields, rcode: RCODES.indexOf(rcode) }));
  }
}

/** Closes a connection, if it is not closed. */
function end(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed from the other end, or from here.
  }
}

/** Answers what comes on a connection until it ends, or is idle. */
async function converse(
  connection: Deno.TcpConn,
  answer: Answer,
  idle: number,
) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const read = async (count: number) => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const n = await connection.read(bytes.subarray(at));
      if (n === null) return undefined;
      at += n;
    }
    return bytes;
  };
  try {
    for (;;) {
      timer = setTimeout(end, idle, connection);
      const size = await read(2);
      const bytes = size && await read(size[0] << 8 | size[1]);
      const reply = bytes && await respond(bytes, answer, "tcp");
      if (!reply) return;
      await sendFramed(connection, reply);
      // Only now, as a client that reads nothing must not hold it for ever.
      clearTimeout(timer);
    }
  } catch {
    // The client is gone, or the server ends: nobody is left to be told.
  } finally {
    clearTimeout(timer);
    end(connection);
  }
}

/** Sends a message over TCP, where its length of two bytes stands before it. */
export async function sendFramed(connection: Deno.TcpConn, packet: Uint8Array) {
  const framed = Uint8Array.of(packet.length >> 8, packet.length, ...packet);
  for (let at = 0; at < framed.length;) {
    at += await connection.write(framed.subarray(at));
  }
}

if (import.meta.main) {
  const [port = "0", ...more] = Deno.args;
  if (!/^\d{1,5}$/.test(port) || +port > 65535 || more.length > 0) {
    console.error("Usage: deno run --allow-net dns_server.ts [PORT]");
    Deno.exit(2);
  }
  const of = { ttl: 300, type: "A" } as const;
  const records: DnsRecord[] = [
    { ...of, name: "www.example.com", address: "192.0.2.1" },
    // Too many for 512 bytes.
    ...Array.from(
      { length: 60 },
      (_, i) => ({ ...of, name: "many.example.com", address: `192.0.2.${i}` }),
    ),
    {
      ...{
        name: "example.com",
        ttl: 300,
        type: "SOA",
        primary: "ns.example.com",
      },
      ...{ mailbox: "admin.example.com", serial: 1, refresh: 7200, retry: 900 },
      ...{ expire: 1209600, minimum: 60 },
    },
  ];
  const zone: Zone = { origin: "example.com", records };
  try {
    const server = await serveDns(
      (query) => answerFrom([zone], query),
      undefined,
      +port,
    );
    console.log(
      `example.com is served at ${server.address} port ${server.port}`,
    );
    console.log(`dig @${server.address} -p ${server.port} many.example.com`);
    if (port === "0") await server.close();
  } catch (error) {
    console.error(`Cannot listen at port ${port}: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
