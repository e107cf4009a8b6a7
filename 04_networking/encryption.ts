#!/usr/bin/env -S deno run
/**
 * Q. The TCP connection stands. Make it secret, and say what you have done.
 *
 * A. Whoever uses TLS hands over three things besides the connection: the name that was
 * asked for, which goes into the first message and must be in the certificate; the
 * authorities that are trusted; and the protocols that may follow. Back come a stream, and
 * the protocol that was agreed on. Here the runtime does it for the internet, as only the
 * machine has the list of authorities; in the lab our own does (tls.ts), so that each
 * record can be shown, the encrypted ones, too.
 *
 * Trap: to hand over the address in place of the name: no certificate is for that.
 * Source: RFC 8446; the choice of a protocol: RFC 7301.
 * Run: `deno run encryption.ts`
 * @module
 */
import { type Field, formatFields } from "./byte_fields.ts";
import { makeAuthority } from "./certificates.ts";
import { type ByteStream, memoryPair } from "./http2_stream.ts";
import { acceptTls, connectTls } from "./tls.ts";
import { explainMessage, explainRecord } from "./tls_explain.ts";
import { GOODBYE, settledWithin } from "./tls_session.ts";

/** Protocols that are offered, the best first. */
const PROTOCOLS = ["h2", "http/1.1"] as const;

/** What it takes. */
export interface EncryptRequest {
  /** The name that was asked for. */
  readonly host: string;
  readonly signal: AbortSignal;
  /** Gets what was done, in lines for people. */
  readonly say: (line: string) => void;
  /** Gets what went over the connection, if that is wanted. */
  readonly bytes?: (line: string) => void;
}

/** A connection that is secret. */
export interface Encrypted {
  readonly stream: ByteStream;
  /** "http/1.1" if nothing was agreed on. */
  readonly protocol: string;
  /** Ends it, and the connection below, when the last byte is sent. */
  close(): Promise<void>;
}

/** By our own hand. @param roots certificates that are trusted, in PEM */
export async function encryptByHand(
  tcp: ByteStream & { close(): void },
  roots: readonly string[],
  { host, signal, say, bytes }: EncryptRequest,
): Promise<Encrypted> {
  const show = (head: string, fields: () => Field[]) => {
    bytes?.(head);
    if (bytes) formatFields(fields()).forEach((line) => bytes(`  ${line}`));
  };
  let open = true;
  // The signal is for the handshake; the stream may live longer.
  const control = new AbortController();
  const abort = () => control.abort(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  const stream = await connectTls(tcp, {
    ...{ host, roots, protocols: PROTOCOLS, signal: control.signal },
    onMessage(sent, message) {
      const { name, whole } = message;
      say(`${sent ? "→" : "←"} ${name}, ${whole.length} bytes`);
      show(`${sent ? "→" : "←"} ${name}`, () => explainMessage(message));
    },
    onRecord(sent, wire, record) {
      // The pages that follow are told by their own protocol.
      if (!open) return;
      const head = `${sent ? "→" : "←"} a record of ${wire.length} bytes`;
      show(head, () => explainRecord(wire, record));
    },
  }).finally(() => signal.removeEventListener("abort", abort));
  open = false;
  const protocol = stream.protocol ?? "http/1.1";
  say("TLS 1.3, as an extension of both Hellos says");
  say(`the certificate is for ${host}, of an authority that is trusted`);
  say(`both speak ${protocol}`);
  const close = async () => {
    await settledWithin(GOODBYE, stream.ended);
    quietly(() => tcp.close());
    await stream.idle();
  };
  return { stream, protocol, close };
}

/** By the runtime, with the machine's authorities. */
export async function encryptByRuntime(
  tcp: Deno.TcpConn,
  { host, signal, say }: EncryptRequest,
): Promise<Encrypted> {
  const tls = await Deno.startTls(tcp, {
    ...{ hostname: host, alpnProtocols: [...PROTOCOLS] },
  });
  const close = () => {
    quietly(() => tls.close());
    return Promise.resolve();
  };
  signal.addEventListener("abort", close);
  try {
    if (signal.aborted) close();
    const { alpnProtocol } = await tls.handshake();
    const protocol = alpnProtocol ?? "http/1.1";
    say(`by the runtime, which does not tell its messages: for ${host}`);
    say(`offers ${PROTOCOLS.join(" and ")}`);
    say(`the certificate is for ${host}, of an authority that is trusted`);
    say(`both speak ${protocol}`);
    return { stream: tls, protocol, close };
  } catch (error) {
    await close();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** Closes what may have ended by itself. */
export function quietly(close: () => void): void {
  try {
    close();
  } catch {
    // It has ended by itself.
  }
}

if (import.meta.main) {
  const authority = await makeAuthority("Root");
  const identity = await authority.issue({ names: ["www.google.com"] });
  const [near, far] = memoryPair();
  acceptTls(far, { ...identity, protocols: PROTOCOLS });
  await encryptByHand({ ...near, close() {} }, [authority.certificate], {
    ...{ host: "www.google.com", signal: AbortSignal.timeout(5000) },
    ...{ say: console.log, bytes: () => {} },
  });
}
