#!/usr/bin/env -S deno run
/**
 * Q. A server sends a certificate. When does the browser believe it?
 *
 * A. It reads what was signed: names, dates, a public key, what the key may be used for. The
 * name it asked for must be among the names, today among the dates, and the use must be a
 * server's. Then it looks for who signed: another certificate that was sent along, which
 * must be an authority's, or a root that the machine came with; and each signature is
 * checked with the next one's key, until a root is reached. What it does not understand and
 * is marked critical is a reason to refuse. That the server has the private key shows only
 * in the handshake (tls.ts).
 *
 * Trap: to follow the chain without asking whether each signer is an authority: then anyone
 * with a certificate can sign one for google.com.
 * Left out: revocation, transparency logs, another way up where one fails, name constraints
 * and policies (as they are critical, they are refused), the strength of RSA keys.
 * Source: RFC 5280 sections 4.1, 4.2 and 6.1; names: RFC 9525 section 6.
 * Run: `deno run certificate_check.ts`
 * @module
 */
import { addressFamily, parseAddress } from "./address.ts";
import { makeAuthority } from "./certificates.ts";
import {
  DerError,
  need,
  readBits,
  readBoolean,
  readObjectId,
  readOne,
  readPem,
  readSequence,
  readSmall,
  readTime,
  readValues,
  TAGS,
  type Value,
} from "./der_reader.ts";
import { type Method, verify } from "./signatures.ts";

/** What a certificate says. */
export interface Certificate {
  /** What is signed. */
  readonly body: Uint8Array;
  /** Who signed and who is meant, as DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly from: Date;
  readonly until: Date;
  /** The public key, as DER. */
  readonly key: Uint8Array;
  /** Domain names, and addresses as bytes in hex. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  /** Whether it is an authority's, and how many further ones may come below. */
  readonly authority: boolean;
  readonly below: number;
  /** Whether its key may sign certificates of TLS servers, and prove one. */
  readonly signs: boolean;
  readonly serves: boolean;
  /** What is critical and not understood. */
  readonly unknown: readonly string[];
  readonly method: Method | undefined;
  readonly signature: Uint8Array;
}

/** Why a certificate is not believed. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
  constructor(
    readonly code: "malformed" | "name" | "time" | "use" | "unknown authority",
    message: string,
  ) {
    super(message);
  }
}

/** Methods by object identifier. */
const METHODS: Record<string, Method> = {
  "1.2.840.10045.4.3.2": { name: "ECDSA", hash: "SHA-256" },
  "1.2.840.10045.4.3.3": { name: "ECDSA", hash: "SHA-384" },
  "1.2.840.113549.1.1.11": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  "1.2.840.113549.1.1.12": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
  "1.2.840.113549.1.1.13": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
  "1.3.101.112": { name: "Ed25519", hash: "SHA-512" },
};
const SERVER = "1.3.6.1.5.5.7.3.1";
const ANY_USE = "2.5.29.37.0";
/** Certificates from the server's to a root, the root not counted. */
const LONGEST = 6;

/**
 * Checks what a server sent.
 * @param sent certificates in DER, the server's own first, others in any order
 * @param host the name or address that was asked for
 * @param roots certificates in DER that are trusted
 * @returns the server's
 * @throws {CertificateError}
 */
export async function checkServer(
  sent: readonly Uint8Array[],
  host: string,
  roots: readonly Uint8Array[],
  now: Date,
): Promise<Certificate> {
  const [server, ...others] = sent.map(readCertificate);
  if (!server) {
    throw new CertificateError("malformed", "The server sent no certificate");
  }
  checkName(server, host);
  if (!server.serves) {
    const why = "The certificate may not be used for a server of TLS";
    throw new CertificateError("use", why);
  }
  const trusted = roots.map(readCertificate);
  let last = server;
  for (let n = 0; n < LONGEST; n++) {
    checkTime(last, now);
    checkUnderstood(last);
    const root = await findSigner(last, trusted, n);
    if (root) return server;
    const next = await findSigner(last, others, n);
    if (!next) break;
    last = next;
  }
  const why = `No authority that is trusted has signed for ${host}`;
  throw new CertificateError("unknown authority", why);
}

/** Who of these signed, if that is an authority with no more below it than it may have. */
async function findSigner(
  signed: Certificate,
  candidates: readonly Certificate[],
  below: number,
): Promise<Certificate | undefined> {
  const named = candidates.filter(({ subject }) =>
    same(subject, signed.issuer)
  );
  for (const signer of named) {
    if (!signer.authority || !signer.signs || below > signer.below) continue;
    const { method, body, signature } = signed;
    if (method && await verify(signer.key, method, body, signature)) {
      return signer;
    }
  }
}

function checkName({ names, addresses }: Certificate, host: string): void {
  const found = addressFamily(host) > 0
    ? addresses.includes(parseAddress(host).toHex())
    : names.some((name) => matches(name, host));
  if (found) return;
  const why = `The certificate is not for ${host}, but for ${
    [...names, ...addresses].join(", ") || "nobody"
  }`;
  throw new CertificateError("name", why);
}

/** Whether a name of a certificate means a host; * stands for one whole first label. */
export function matches(name: string, host: string): boolean {
  const [wanted, asked] = [name, host].map((text) =>
    text.toLowerCase().replace(/\.$/, "")
  );
  if (!wanted.startsWith("*.")) return wanted === asked;
  const dot = asked.indexOf(".");
  // *.com would be half of all sites.
  return dot > 0 && asked.slice(dot) === wanted.slice(1) &&
    wanted.split(".").length > 2;
}

function checkTime({ from, until }: Certificate, now: Date): void {
  const day = (date: Date) => date.toISOString().slice(0, 10);
  if (now > until) {
    const why = `The certificate was good until ${day(until)}`;
    throw new CertificateError("time", why);
  }
  if (now < from) {
    const why = `The certificate is good from ${day(from)} only`;
    throw new CertificateError("time", why);
  }
}

function checkUnderstood({ unknown }: Certificate): void {
  if (unknown.length === 0) return;
  const why = `The certificate has critical extensions that are not known: ${
    unknown.join(", ")
  }`;
  throw new CertificateError("use", why);
}

/** Reads a certificate. @param der its bytes @throws {CertificateError} if they are none */
export function readCertificate(der: Uint8Array): Certificate {
  try {
    return read(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const why = `Cannot read the certificate: ${error.message}`;
    throw new CertificateError("malformed", why);
  }
}

function read(der: Uint8Array): Certificate {
  const [body, how, signature, ...more] = readSequence(der);
  if (more.length > 0) throw new DerError("something after the signature");
  const fields = readValues(need(body, TAGS.sequence).content);
  // Version 1 has no field for it.
  const version = fields[0]?.tag === 0xa0 ? fields.shift() : undefined;
  const [, inner, issuer, times, subject, key, ...rest] = fields;
  const [method] = readSequence(need(how, TAGS.sequence).whole);
  if (!same(need(inner, TAGS.sequence).whole, how.whole)) {
    throw new DerError("two methods of signing");
  }
  const [from, until] = readSequence(need(times, TAGS.sequence).whole);
  const extensions = rest.find(({ tag }) => tag === 0xa3);
  if (extensions && version?.content.at(-1) !== 2) {
    throw new DerError("extensions without version 3");
  }
  return {
    body: body.whole,
    issuer: need(issuer, TAGS.sequence).whole,
    subject: need(subject, TAGS.sequence).whole,
    ...{ from: readTime(from), until: readTime(until) },
    key: need(key, TAGS.sequence).whole,
    ...readExtensions(extensions ? readSequence(extensions.content) : []),
    method: METHODS[readObjectId(method)],
    signature: wholeBytes(signature),
  };
}

/** A signature has no unused bits: else it could be written in several ways. */
function wholeBytes(value: Value | undefined): Uint8Array {
  const { bytes, unused } = readBits(value);
  if (unused > 0) throw new DerError("a signature that is not whole bytes");
  return bytes;
}

/** A name, in ASCII: what stands for other letters is ASCII, too. */
function readName(bytes: Uint8Array): string {
  if (!bytes.every((byte) => byte > 0x20 && byte < 0x7f)) {
    throw new DerError("a name that is not of letters of ASCII");
  }
  return new TextDecoder().decode(bytes);
}

/** What extensions say; without them it is nobody's, and no authority. */
function readExtensions(all: readonly Value[]) {
  const found = {
    ...{ names: [] as string[], addresses: [] as string[] },
    ...{ authority: false, below: Infinity, signs: true, serves: true },
    unknown: [] as string[],
  };
  const seen = new Set<string>();
  for (const one of all) {
    const [idValue, ...rest] = readSequence(one.whole);
    const id = readObjectId(idValue);
    if (seen.has(id)) throw new DerError(`two extensions ${id}`);
    seen.add(id);
    const critical = rest.length > 1 && readBoolean(rest[0]);
    const content = need(rest.at(-1), TAGS.octets).content;
    switch (id) {
      case "2.5.29.17": // subject alternative names
        for (const { tag, content: name } of readSequence(content)) {
          if (tag === 0x82) found.names.push(readName(name));
          if (tag === 0x87) found.addresses.push(name.toHex());
        }
        break;
      case "2.5.29.19": { // basic constraints
        const [authority, below] = readSequence(content);
        found.authority = authority !== undefined && readBoolean(authority);
        if (below) found.below = readSmall(below);
        break;
      }
      case "2.5.29.15": { // key usage: bit 0 signs a handshake, bit 5 certificates
        const [first = 0] = readBits(readOne(content, TAGS.bits)).bytes;
        found.signs &&= (first & 0x04) !== 0;
        found.serves &&= (first & 0x80) !== 0;
        break;
      }
      case "2.5.29.37": { // extended key usage
        const uses = readSequence(content).map(readObjectId);
        const server = uses.some((use) => use === SERVER || use === ANY_USE);
        found.serves &&= server;
        // An authority for other things does not sign for servers.
        found.signs &&= server;
        break;
      }
      default:
        if (critical) found.unknown.push(id);
    }
  }
  return found;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

if (import.meta.main) {
  const day = 86_400_000;
  const now = new Date();
  const [root, stranger] = [
    await makeAuthority("Root"),
    await makeAuthority("Root"),
  ];
  const issue = async (signer: typeof root, days = 1) => {
    const until = new Date(now.getTime() + days * day);
    const names = ["www.example.com", "*.example.net"];
    const { certificate } = await signer.issue({ names, until });
    return readPem("CERTIFICATE", certificate);
  };
  const [good, forged] = [await issue(root), await issue(stranger)];
  const roots = [readPem("CERTIFICATE", root.certificate)];
  const tomorrow = new Date(now.getTime() + 2 * day);
  for (
    const [what, host, certificate, when] of [
      ["as it must be", "www.example.com", good, now],
      ["by *", "shop.example.net", good, now],
      ["another name", "www.google.com", good, now],
      ["in two days", "www.example.com", good, tomorrow],
      ["another root, of the same name", "www.example.com", forged, now],
    ] as const
  ) {
    const outcome = await checkServer([certificate], host, roots, when)
      .then(() => "believed", (error) => error.message);
    console.log(`${what}: ${outcome}`);
  }
}
