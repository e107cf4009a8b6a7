#!/usr/bin/env -S deno run
/**
 * Q. Two strangers talk in the open. How do both come to keys that no listener has?
 *
 * A. Each draws a secret number and sends a share made of it: X25519, a Diffie-Hellman on a
 * curve. From the own number and the other's share both compute the same 32 bytes; from
 * both shares nobody else can. These bytes are no keys yet. TLS 1.3 extracts a secret from
 * them, and expands that, by HMAC and a label, into one secret for each direction and each
 * part of the conversation. Into each goes the hash of all messages so far: whoever has
 * changed one of them has other keys. When it is over the numbers are thrown away, so that
 * a server's key, stolen later, opens nothing of today.
 *
 * Trap: Diffie-Hellman alone. It agrees on a key with whoever is there, also with the man in
 * the middle: the certificate says who it is (certificate_check.ts).
 * Left out: shared keys of earlier visits and 0-RTT, other curves, other hashes.
 * Source: RFC 8446 section 7; HKDF: RFC 5869; X25519: RFC 7748.
 * Run: `deno run tls_keys.ts`
 * @module
 */
import { concat } from "./http_message.ts";

/** Bytes as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A share of a key that is to be. */
export interface Share {
  /** (32,) what the other side gets. */
  readonly bytes: Bytes;
  /**
   * @param other (32,) the other side's share
   * @returns (32,) what both know
   * @throws {RangeError} if the share is none, or of a kind that would give zeros
   */
  agree(other: Uint8Array): Promise<Bytes>;
}

/** A secret for each direction. */
export interface Secrets {
  readonly client: Bytes;
  readonly server: Bytes;
}

/** What a direction encrypts with. */
export interface TrafficKeys {
  /** (16,) for AES-128-GCM. */
  readonly key: Bytes;
  /** (12,) to which the number of each record is added. */
  readonly iv: Bytes;
}

/** The bytes of SHA-256. */
const SIZE = 32;

/** Draws a number, and makes the share of it. */
export async function makeShare(): Promise<Share> {
  const pair = await crypto.subtle.generateKey("X25519", false, [
    "deriveBits",
  ]) as CryptoKeyPair;
  const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
  return shareOf(pair.privateKey, new Uint8Array(raw));
}

/** The share of a number that is known. */
export const shareOf = (number: CryptoKey, bytes: Bytes): Share => ({
  bytes,
  async agree(other) {
    if (other.length !== SIZE) {
      const why = `a share of X25519 has ${SIZE} bytes, not ${other.length}`;
      throw new RangeError(`Cannot agree on a key: ${why}`);
    }
    const raw = new Uint8Array(other);
    try {
      const key = await crypto.subtle.importKey("raw", raw, "X25519", true, []);
      const algorithm = { name: "X25519", public: key };
      const both = await crypto.subtle.deriveBits(algorithm, number, 8 * SIZE);
      const bytes = new Uint8Array(both);
      // A point of small order leads to zeros, whatever our number is.
      if (bytes.some((byte) => byte !== 0)) return bytes;
    } catch {
      // The runtime may have seen the same.
    }
    const why = "the other share gives zeros, which everybody knows";
    throw new RangeError(`Cannot agree on a key: ${why}`);
  },
});

/**
 * The secrets under which the handshake goes on after both Hellos.
 * @param shared (32,) what both know
 * @param hellos (32,) hash of ClientHello and ServerHello
 * @returns with `master`, (32,) for what comes after the handshake
 */
export async function handshakeSecrets(
  shared: Uint8Array,
  hellos: Uint8Array,
): Promise<Secrets & { readonly master: Bytes }> {
  const zeros = new Uint8Array(SIZE);
  const empty = await sha256();
  // Where a key of an earlier visit would go in.
  const early = await extract(zeros, zeros);
  const salt = await expandLabel(early, "derived", empty);
  const secret = await extract(salt, shared);
  const [client, server, next] = await Promise.all([
    expandLabel(secret, "c hs traffic", hellos),
    expandLabel(secret, "s hs traffic", hellos),
    expandLabel(secret, "derived", empty),
  ]);
  return { client, server, master: await extract(next, zeros) };
}

/**
 * The secrets for the data.
 * @param master (32,) of {@link handshakeSecrets}
 * @param flight (32,) hash of all messages up to the server's Finished
 */
export async function applicationSecrets(
  master: Uint8Array,
  flight: Uint8Array,
): Promise<Secrets> {
  const [client, server] = await Promise.all([
    expandLabel(master, "c ap traffic", flight),
    expandLabel(master, "s ap traffic", flight),
  ]);
  return { client, server };
}

/** The key and the first nonce of a direction. @param secret (32,) */
export async function trafficKeys(secret: Uint8Array): Promise<TrafficKeys> {
  const none = new Uint8Array();
  const [key, iv] = await Promise.all([
    expandLabel(secret, "key", none, 16),
    expandLabel(secret, "iv", none, 12),
  ]);
  return { key, iv };
}

/** The secret after this one, when a side asks for fresh keys. @param secret (32,) */
export const nextSecret = (secret: Uint8Array): Promise<Bytes> =>
  expandLabel(secret, "traffic upd", new Uint8Array());

/**
 * What a side says in Finished: that it has the keys, and has seen the same messages.
 * @param secret (32,) of the side in the handshake
 * @param messages (32,) hash of all messages before
 * @returns (32,)
 */
export async function finishedOf(
  secret: Uint8Array,
  messages: Uint8Array,
): Promise<Bytes> {
  return await hmac(
    await expandLabel(secret, "finished", new Uint8Array()),
    messages,
  );
}

/** HKDF-Extract: from bytes that are secret to a key. */
export const extract = (salt: Uint8Array, secret: Uint8Array): Promise<Bytes> =>
  hmac(salt, secret);

/**
 * HKDF-Expand with TLS's label.
 * @param size bytes, 32 at most: more than one block is never needed here
 */
export async function expandLabel(
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  size = SIZE,
): Promise<Bytes> {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  const info = [0, size, name.length, ...name, context.length, ...context];
  const block = await hmac(secret, Uint8Array.from([...info, 1]));
  return block.slice(0, size);
}

/** SHA-256 of messages in a row. */
export async function sha256(
  ...messages: readonly Uint8Array[]
): Promise<Bytes> {
  const all = concat(messages);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

async function hmac(secret: Uint8Array, data: Uint8Array): Promise<Bytes> {
  const how = { name: "HMAC", hash: "SHA-256" };
  const raw = new Uint8Array(secret);
  const key = await crypto.subtle.importKey("raw", raw, how, false, ["sign"]);
  return new Uint8Array(
    await crypto.subtle.sign("HMAC", key, new Uint8Array(data)),
  );
}

if (import.meta.main) {
  const [client, server] = [await makeShare(), await makeShare()];
  const show = (what: string, bytes: Uint8Array) =>
    console.log(what.padEnd(39), bytes.toHex());
  show("the client sends", client.bytes);
  show("the server sends", server.bytes);
  const shared = await client.agree(server.bytes);
  show("the client computes", shared);
  show("the server computes", await server.agree(client.bytes));
  const hellos = await sha256(client.bytes, server.bytes);
  const secrets = await handshakeSecrets(shared, hellos);
  show(
    "the client's key for the handshake",
    (await trafficKeys(secrets.client)).key,
  );
  show("the server's", (await trafficKeys(secrets.server)).key);
  const other = await sha256(client.bytes, client.bytes);
  const changed = await handshakeSecrets(shared, other);
  show(
    "the server's, if a message was changed",
    (await trafficKeys(changed.server)).key,
  );
}
