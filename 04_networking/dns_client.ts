#!/usr/bin/env -S deno run --allow-net
/**
 * Q. How does a program ask a DNS server?
 *
 * A. It sends the message as one UDP packet to port 53, from a random port and with a
 * random id, and takes only an answer that has both, comes from where it was sent, and
 * repeats the question: else anybody could answer first. UDP may lose it, so it waits,
 * and sends again. An answer that did not fit has the flag TC; then it asks again over
 * TCP, where each message has its length before it. It says by EDNS how large an answer
 * may be: 1,232 bytes pass everywhere without being cut into fragments.
 *
 * Trap: to take the first packet that comes: it may be a late one, or a forged one.
 * Left out: DNS over TLS and HTTPS, cookies, random case in names.
 * Source: RFC 1035 section 4.2; RFC 5452 (forged answers); RFC 7766 (TCP); RFC 6891 section
 * 6.2.2 and https://www.dnsflagday.net/2020/ (sizes).
 * Run: `deno run --allow-net dns_client.ts`, or `… dns_client.ts example.com 9.9.9.9`
 * @module
 */
import { createSocket } from "node:dgram";
import { addressFamily, formatAddress, parseAddress } from "./address.ts";
import { decode, encode, type Message, message } from "./dns_message.ts";
import {
  canonicalName,
  DnsFormatError,
  formatRecord,
  typeName,
  typeNumber,
} from "./dns_record.ts";
import { sendFramed, serveDns } from "./dns_server.ts";

/** Where a server listens. */
export interface Server {
  /** An IP address. */
  readonly address: string;
  /** 53, if not given. */
  readonly port?: number;
}

/** Why there is no answer. */
export class DnsError extends Error {
  override readonly name = "DnsError";
  constructor(
    readonly code:
      | ("timeout" | "refused" | "network" | "malformed")
      /** What was asked for cannot be found. */
      | ("no-such-name" | "no-data" | "server-failure" | "too-many-steps"),
    message: string,
  ) {
    super(message);
  }
}

/** How to ask. */
export interface AskOptions {
  /** ms to wait for the first packet; twice as long for each one after it. */
  readonly timeout?: number;
  /** Packets before giving up. */
  readonly tries?: number;
  /** Whether the server shall find the answer elsewhere, if it does not know. */
  readonly recursion?: boolean;
  readonly signal?: AbortSignal;
  /** Gets each packet that is sent, and each that is taken for the answer. */
  readonly observe?: ObservePacket;
}

/** Called with a packet; over TCP without the length before it. */
export type ObservePacket = (
  sent: boolean,
  packet: Uint8Array,
  transport: "udp" | "tcp",
) => void;

/** The size of UDP answers that is asked for, in bytes. */
const UDP_SIZE = 1232;

/**
 * Asks one server one question.
 * @param type as in A or AAAA
 * @returns the answer, whatever its rcode; over TCP if it did not fit into UDP
 * @throws {DnsError} if no right answer comes; `signal`'s reason if that is aborted
 * @throws {RangeError} if there is no such port
 */
export async function ask(
  server: Server,
  name: string,
  type: string,
  options: AskOptions = {},
): Promise<Message> {
  type = typeName(typeNumber(type)); // TYPE1 comes back as A
  const { port = 53 } = server;
  if (!(Number.isInteger(port) && port > 0 && port < 65536)) {
    throw new RangeError(`Cannot ask port ${port}: needs 1 to 65535`);
  }
  const question = message({
    recursionDesired: options.recursion ?? false,
    questions: [{ name, type }],
    edns: { size: UDP_SIZE, version: 0, dnssecOk: false, options: [] },
  });
  const answer = await exchange(server, question, options);
  // FORMERR from a server of before 1999: it does not know EDNS.
  return answer.rcode === 1 && !answer.edns
    ? await exchange(server, { ...question, edns: undefined }, options)
    : answer;
}

async function exchange(
  server: Server,
  question: Message,
  options: AskOptions,
) {
  const { timeout = 1500, tries = 3 } = options;
  let wait = timeout;
  for (let n = 0; n < tries; n++, wait *= 2) {
    const answer = await overUdp(server, question, wait, options);
    if (answer?.truncated) {
      return await overTcp(server, question, wait, options);
    }
    if (answer) return answer;
  }
  throw new DnsError(
    "timeout",
    `No answer from ${where(server)} to ${tries} packets`,
  );
}

/** An address in its one right form. */
const right = (address: string) => formatAddress(parseAddress(address));

/** A number of 16 bits that nobody can guess. */
const randomId = () => crypto.getRandomValues(new Uint16Array(1))[0];

/** Whether a message answers a question: id, kind, and what was asked. */
export function answers(answer: Message, question: Message): boolean {
  const same = ({ questions: [a] }: Message, { questions: [b] }: Message) =>
    a.type === b.type && canonicalName(a.name) === canonicalName(b.name);
  return answer.response && answer.id === question.id &&
    answer.opcode === question.opcode &&
    // Some errors come back without the question.
    (answer.questions.length === 1
      ? same(answer, question)
      : answer.questions.length === 0 && answer.rcode > 0);
}

/** Sends one packet; undefined if no answer comes in time. */
function overUdp(
  server: Server,
  asked: Message,
  ms: number,
  { signal, observe }: AskOptions,
): Promise<Message | undefined> {
  const question = { ...asked, id: randomId() };
  const packet = encode(question);
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const [address, port] = [right(server.address), server.port ?? 53];
    // From a port that the system picks at random.
    const socket = createSocket(addressFamily(address) === 6 ? "udp6" : "udp4");
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.removeAllListeners();
      // What comes after the end is no one's.
      socket.on("error", () => {});
      socket.close();
      settle();
    };
    const abort = () => end(() => reject(signal!.reason));
    const timer = setTimeout(() => end(() => resolve(undefined)), ms);
    signal?.addEventListener("abort", abort);
    socket.on("error", (error) => end(() => reject(asDnsError(error, server))));
    socket.on("message", (bytes, from) => {
      if (from.port !== port || right(from.address) !== address) return;
      try {
        const answer = decode(new Uint8Array(bytes));
        if (!answers(answer, question)) return;
        observe?.(false, new Uint8Array(bytes), "udp");
        end(() => resolve(answer));
      } catch (error) {
        // Whoever forges an answer must not be able to end the wait for the right one.
        if (!(error instanceof DnsFormatError)) end(() => reject(error));
      }
    });
    observe?.(true, packet, "udp");
    socket.send(packet, port, address, (error) => {
      if (error) end(() => reject(asDnsError(error, server)));
    });
  });
}

/** Asks over TCP, where both messages have a length of two bytes before them. */
async function overTcp(
  server: Server,
  asked: Message,
  ms: number,
  { signal, observe }: AskOptions,
): Promise<Message> {
  const question = { ...asked, id: randomId() };
  const packet = encode(question);
  const deadline = AbortSignal.timeout(ms);
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline;
  let connection: Deno.TcpConn | undefined;
  const close = () => {
    connection?.close();
    connection = undefined;
  };
  try {
    connection = await Deno.connect({
      hostname: server.address,
      port: server.port ?? 53,
      signal: either,
    });
    either.addEventListener("abort", close);
    either.throwIfAborted();
    observe?.(true, packet, "tcp");
    await sendFramed(connection, packet);
    const [high, low] = await readExactly(connection, 2);
    const bytes = await readExactly(connection, high << 8 | low);
    const answer = decode(bytes);
    if (answers(answer, question)) {
      observe?.(false, bytes, "tcp");
      return answer;
    }
    throw new DnsError("malformed", `${where(server)} answered something else`);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (deadline.aborted) {
      throw new DnsError("timeout", `No answer from ${where(server)} over TCP`);
    }
    throw asDnsError(error as Error, server);
  } finally {
    either.removeEventListener("abort", close);
    close();
  }
}

async function readExactly(connection: Deno.TcpConn, count: number) {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const n = await connection.read(bytes.subarray(at));
    if (n === null) {
      throw new DnsError(
        "malformed",
        `the connection ended at byte ${at} of ${count}`,
      );
    }
    at += n;
  }
  return bytes;
}

function asDnsError(error: Error & { code?: string }, server: Server): Error {
  if (error instanceof DnsError || error instanceof Deno.errors.NotCapable) {
    return error;
  }
  if (error instanceof DnsFormatError) {
    return new DnsError(
      "malformed",
      `${where(server)} sent nonsense: ${error.message}`,
    );
  }
  const refused = error instanceof Deno.errors.ConnectionRefused ||
    error.code === "ECONNREFUSED";
  return refused
    ? new DnsError("refused", `No DNS server listens at ${where(server)}`)
    : new DnsError(
      "network",
      `Cannot reach ${where(server)}: ${error.message}`,
    );
}

const where = ({ address, port = 53 }: Server) => `${address} port ${port}`;

/** Asks a server of this process, which loses a packet, and has a long answer. */
async function demo(): Promise<void> {
  let packets = 0;
  const name = "www.example.com";
  const answers = Array.from(
    { length: 100 },
    (_, i) => ({ name, ttl: 300, type: "A", address: `192.0.2.${i}` }) as const,
  );
  const server = await serveDns((query, transport) => {
    if (transport === "udp") packets++;
    const lost = packets === 1;
    const what = lost ? "lost" : transport === "udp" ? "too long" : "answered";
    console.log(`${transport}, id ${query.id}, ${name}? ${what}`);
    return lost ? undefined : { ...query, response: true, answers };
  });
  const answer = await ask(server, name, "A", { timeout: 100 });
  console.log(`${answer.answers.length} addresses`);
  await server.close();
}

if (import.meta.main) {
  const [name, address = "", port = "53", ...more] = Deno.args;
  const wrong = !addressFamily(address) || more.length > 0 ||
    !/^\d{1,5}$/.test(port) || +port < 1 || +port > 65535;
  if (name !== undefined && wrong) {
    console.error(
      "Usage: deno run --allow-net dns_client.ts [NAME SERVER [PORT]]",
    );
    Deno.exit(2);
  }
  try {
    // Asked for here, as a socket without permission fails where nobody can catch it.
    const net = { name: "net", host: "0.0.0.0" } as const;
    if (Deno.permissions.requestSync(net).state !== "granted") {
      throw new DnsError("network", "Cannot use the network: add --allow-net");
    }
    if (name === undefined) await demo();
    else {
      const server = { address, port: +port };
      const answer = await ask(server, name, "A", { recursion: true });
      for (const record of answer.answers) console.log(formatRecord(record));
      if (answer.answers.length === 0) console.log("no address");
    }
  } catch (error) {
    if (!(error instanceof DnsError || error instanceof DnsFormatError)) {
      throw error;
    }
    console.error(error.message);
    // The name is what is wrong in form: what a server sends is a DnsError.
    Deno.exit(error instanceof DnsFormatError ? 2 : 1);
  }
}
