#!/usr/bin/env -S deno run
/**
 * Q. How do you check who signed something?
 *
 * A. Whoever has the private key computes a number from a hash of the text; with the public
 * key anybody can check it, and cannot make one. The key says its own kind, RSA or a point
 * on a curve; the signature says by which method and hash it was made; both must fit. In
 * TLS and certificates a signature by a curve is two integers in DER; WebCrypto wants them
 * end to end, each as long as the curve's numbers.
 *
 * Trap: DER cuts zeros in front, so one signature in 128 has a shorter number.
 * Left out: SHA-1 and shorter hashes, which nobody may trust; P-521, DSA.
 * Source: RFC 8446 section 4.2.3; in certificates: RFC 5758, RFC 4055, RFC 8410; ECDSA in
 * DER: RFC 3279 section 2.2.3.
 * Run: `deno run signatures.ts`
 * @module
 */
import { integer, sequence } from "./der.ts";
import {
  DerError,
  need,
  readObjectId,
  readSequence,
  TAGS,
} from "./der_reader.ts";
import type { Bytes } from "./tls_keys.ts";

/** How a signature was made. */
export interface Method {
  readonly name: "ECDSA" | "RSASSA-PKCS1-v1_5" | "RSA-PSS" | "Ed25519";
  readonly hash: "SHA-256" | "SHA-384" | "SHA-512";
  /** Which curve the key must be of; any, if not given. TLS 1.3 names it, DER does not. */
  readonly curve?: "P-256" | "P-384";
}

/** Curves by object identifier, with the bytes of their numbers. */
const CURVES: Record<string, { namedCurve: string; size: number }> = {
  "1.2.840.10045.3.1.7": { namedCurve: "P-256", size: 32 },
  "1.3.132.0.34": { namedCurve: "P-384", size: 48 },
};

/**
 * Whether a signature is right.
 * @param key a public key in DER, as SubjectPublicKeyInfo
 * @returns false also if the key is of another kind than the method, or none at all
 */
export async function verify(
  key: Uint8Array,
  method: Method,
  text: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const curve = method.name === "ECDSA" ? curveOf(key) : undefined;
    if (curve && curve.namedCurve !== (method.curve ?? curve.namedCurve)) {
      return false;
    }
    const how = { ...method, namedCurve: curve?.namedCurve, saltLength: 32 };
    const [spki, data] = [new Uint8Array(key), new Uint8Array(text)];
    const usages: KeyUsage[] = ["verify"];
    // It refuses a key of another kind than the method.
    const imported = await crypto.subtle
      .importKey("spki", spki, how, false, usages);
    const raw = curve ? fromDer(signature, curve.size) : signature;
    const bytes = new Uint8Array(raw);
    return await crypto.subtle.verify(how, imported, bytes, data);
  } catch {
    // What is no key to the runtime it says in errors of several classes.
    return false;
  }
}

/** Signs by a private key of P-256. @returns the signature in DER */
export async function signEcdsa(key: CryptoKey, text: Bytes): Promise<Bytes> {
  const how = { name: "ECDSA", hash: "SHA-256" };
  const raw = new Uint8Array(await crypto.subtle.sign(how, key, text));
  const half = (from: number) =>
    BigInt(`0x${raw.subarray(from, from + 32).toHex()}`);
  return sequence(integer(half(0)), integer(half(32)));
}

/** The curve of a key. @throws {DerError} if it has none, or another one */
function curveOf(key: Uint8Array) {
  const [algorithm] = readSequence(key);
  const [, id] = readSequence(need(algorithm, TAGS.sequence).whole);
  const curve = CURVES[readObjectId(id)];
  if (!curve) throw new DerError("Cannot read a key of an unknown curve");
  return curve;
}

/** Both integers end to end, `size` bytes each. @throws {DerError} */
function fromDer(signature: Uint8Array, size: number): Uint8Array {
  const values = readSequence(signature);
  if (values.length !== 2) throw new DerError("Cannot read a signature");
  const raw = new Uint8Array(2 * size);
  values.forEach((value, i) => {
    const bytes = need(value, TAGS.integer).content;
    const first = bytes.findIndex((byte) => byte !== 0);
    const digits = first < 0
      ? bytes.subarray(bytes.length)
      : bytes.subarray(first);
    // A zero in front is for a first digit that would be a sign.
    const long = bytes.length > 1 && bytes[0] === 0 && bytes[1] < 128;
    if (digits.length > size || bytes[0] >= 128 || long) {
      throw new DerError(`Cannot read a number of ${bytes.length} bytes`);
    }
    raw.set(digits, (i + 1) * size - digits.length);
  });
  return raw;
}

if (import.meta.main) {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const pair = await crypto.subtle
    .generateKey(curve, true, ["sign", "verify"]);
  const key = new Uint8Array(
    await crypto.subtle.exportKey("spki", pair.publicKey),
  );
  const text = new TextEncoder().encode("pay Bob 10");
  const signature = await signEcdsa(pair.privateKey, text);
  console.log(`${signature.length} bytes: ${signature.toHex()}`);
  const method = { name: "ECDSA", hash: "SHA-256" } as const;
  for (const read of ["pay Bob 10", "pay Bob 99"]) {
    const right = await verify(
      key,
      method,
      new TextEncoder().encode(read),
      signature,
    );
    console.log(`${read}: ${right ? "signed" : "not what was signed"}`);
  }
}
