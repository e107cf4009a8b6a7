#!/usr/bin/env -S deno run
/**
 * Q. What is a certificate, and who checks what?
 *
 * A. A statement, signed by an authority: this public key belongs to these names, from
 * then until then. The authority's own certificate is signed by another, up to a root that
 * your machine came with. A client checks five things: that each signature is right, up to
 * a root that it has; that the name it asked for is among the names; that today lies
 * within the time; that the certificate may be used for that, so that a server cannot sign
 * further ones; and that the other side has the private key, which it proves by signing
 * the handshake. Without any one of these it is worth nothing.
 *
 * Trap: to check the signature and forget the name: any site could be any other.
 * Left out: revocation, transparency logs, chains of more than two, RSA.
 * Source: RFC 5280 section 4; names: RFC 9525; ECDSA in certificates: RFC 5758 section
 * 3.2; keys: RFC 5480 and RFC 5208.
 * Run: `deno run certificates.ts`
 * @module
 */
import {
  bits,
  boolean,
  context,
  type Der,
  integer,
  objectId,
  octets,
  pem,
  sequence,
  set,
  time,
  utf8,
  value,
} from "./der.ts";
import { parseAddress } from "./address.ts";

/** A certificate and its private key, both in PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** Who signs: an identity whose certificate is an authority's. */
export interface Authority extends Identity {
  /** Signs a certificate for a server. */
  issue(options: ServerOptions): Promise<Identity>;
}

/** What a server's certificate says. */
export interface ServerOptions {
  /** Domain names, with * as a first label if need be, or IP addresses. */
  readonly names: readonly string[];
  /** From when and until when it holds: as its authority's own, if not given. */
  readonly from?: Date;
  readonly until?: Date;
}

const HOUR = 3_600_000;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** The algorithm of each signature here: ECDSA with SHA-256. */
const SIGNATURE = sequence(objectId("1.2.840.10045.4.3.2"));

/**
 * Makes an authority, with a key of its own.
 * @param name as "Lab Root"
 */
export async function makeAuthority(
  name: string,
  from = new Date(Date.now() - HOUR),
  until = new Date(Date.now() + 24 * HOUR),
): Promise<Authority> {
  const own = await makeKey();
  const certificate = await sign(own.privateKey, {
    ...{ subject: name, issuer: name, from, until },
    ...{ key: own.publicDer, issuerKey: own.publicDer },
    extensions: [
      // An authority, which signs servers, not further authorities.
      extension("2.5.29.19", true, sequence(boolean(true), integer(0))),
      // Bits 5 and 6 of 9: may sign certificates and lists of revoked ones.
      extension("2.5.29.15", true, bits(Uint8Array.of(0x06), 1)),
      extension("2.5.29.14", false, octets(await keyId(own.publicDer))),
    ],
  });
  return {
    certificate: pem("CERTIFICATE", certificate),
    key: pem("PRIVATE KEY", own.privateDer),
    async issue({ names, from: start = from, until: end = until }) {
      if (names.length === 0) {
        throw new RangeError("Cannot issue a certificate without a name");
      }
      const key = await makeKey();
      const alternatives = sequence(...names.map(generalName));
      const certificate = await sign(own.privateKey, {
        ...{ subject: names[0], issuer: name, from: start, until: end },
        ...{ key: key.publicDer, issuerKey: own.publicDer },
        extensions: [
          extension("2.5.29.19", true, sequence()), // no authority
          extension("2.5.29.15", true, bits(Uint8Array.of(0x80), 7)), // may sign
          // For servers of TLS.
          extension(
            "2.5.29.37",
            false,
            sequence(objectId("1.3.6.1.5.5.7.3.1")),
          ),
          extension("2.5.29.17", false, alternatives),
        ],
      });
      return {
        certificate: pem("CERTIFICATE", certificate),
        key: pem("PRIVATE KEY", key.privateDer),
      };
    },
  };
}

async function makeKey() {
  const pair = await crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const [publicDer, privateDer] = await Promise.all([
    crypto.subtle.exportKey("spki", pair.publicKey),
    crypto.subtle.exportKey("pkcs8", pair.privateKey),
  ]);
  return {
    privateKey: pair.privateKey,
    publicDer: new Uint8Array(publicDer),
    privateDer: new Uint8Array(privateDer),
  };
}

/** What is signed. */
interface Statement {
  readonly subject: string;
  readonly issuer: string;
  readonly from: Date;
  readonly until: Date;
  readonly key: Uint8Array;
  readonly issuerKey: Uint8Array;
  readonly extensions: readonly Der[];
}

async function sign(signer: CryptoKey, statement: Statement): Promise<Der> {
  const { subject, issuer, from, until, key, issuerKey, extensions } =
    statement;
  // 16 random bytes, and not 0 nor negative.
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = serial[0] & 0x7f | 0x40;
  const link = sequence(context(0, await keyId(issuerKey), false));
  const all = [...extensions, extension("2.5.29.35", false, link)];
  const body = sequence(
    context(0, integer(2)), // version 3
    value(0x02, serial),
    SIGNATURE,
    commonName(issuer),
    sequence(time(from), time(until)),
    commonName(subject),
    key,
    context(3, sequence(...all)),
  );
  const raw = new Uint8Array(await crypto.subtle.sign(ECDSA, signer, body));
  // WebCrypto puts both numbers end to end; in certificates they are two integers.
  const signature = sequence(
    integer(toBigInt(raw, 0)),
    integer(toBigInt(raw, 32)),
  );
  return sequence(body, SIGNATURE, bits(signature));
}

const toBigInt = (bytes: Uint8Array, from: number) =>
  BigInt(`0x${bytes.subarray(from, from + 32).toHex()}`);

const commonName = (name: string) =>
  sequence(set(sequence(objectId("2.5.4.3"), utf8(name))));

/** A name that the certificate is for: a domain or an address. */
function generalName(name: string): Der {
  if (/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(name) && !/^[\d.]+$/.test(name)) {
    return context(2, new TextEncoder().encode(name), false);
  }
  return context(7, parseAddress(name), false);
}

const extension = (id: string, critical: boolean, content: Uint8Array) =>
  sequence(objectId(id), ...(critical ? [boolean(true)] : []), octets(content));

/** SHA-1 of a public key: a name for it, for finding, not for trusting. */
async function keyId(publicDer: Uint8Array): Promise<Uint8Array> {
  // The last 65 bytes of P-256's form are the key itself.
  const key = publicDer.slice(-65);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", key));
}

if (import.meta.main) {
  const authority = await makeAuthority("Lab Root");
  const names = ["www.example.com", "*.example.net", "127.0.0.1"];
  const server = await authority.issue({ names });
  console.log(`an authority, and a certificate for ${names.join(", ")}`);
  console.log(server.certificate.trim());
  console.log("read it: deno run certificates.ts | openssl x509 -noout -text");
}
