#!/usr/bin/env -S deno run
/**
 * Q. What happens between the TCP connection and the first encrypted byte?
 *
 * A. One round trip. The client sends its Hello with a share of a key; the server answers
 * with its own, and both have keys. In the same flight, encrypted, come its certificate, a
 * signature over all that was said, by the certificate's key, and Finished. The client
 * checks the certificate, the signature and Finished, each a reason to stop: the wrong name
 * is another site, the wrong signature a copy of a certificate, the wrong Finished a changed
 * message. Then it sends its Finished, and at once the request.
 *
 * Trap: a man in the middle has keys with both sides; only the signature gives him away.
 * Left out: other ciphers and curves, tickets and 0-RTT, client certificates, TLS 1.2.
 * Source: RFC 8446 sections 2, 4.4, 4.6.3 and 6.
 * Run: `deno run tls.ts`
 * @module
 */
import { addressFamily } from "./address.ts";
import { checkServer } from "./certificate_check.ts";
import { makeAuthority } from "./certificates.ts";
import { readPem } from "./der_reader.ts";
import { type ByteStream, memoryPair } from "./http2_stream.ts";
import { type Method, signEcdsa, verify } from "./signatures.ts";
import {
  clientHello,
  readClientHello,
  readServerHello,
  serverHello,
} from "./tls_hello.ts";
import {
  applicationSecrets,
  type Bytes,
  handshakeSecrets,
  makeShare,
  type Share,
} from "./tls_keys.ts";
import {
  certificateMessage,
  certificateVerify,
  encryptedExtensions,
  readCertificates,
  readProtocol,
  readVerify,
  SCHEMES,
} from "./tls_messages.ts";
import { TlsError } from "./tls_record.ts";
import { Session, type SessionOptions, type TlsStream } from "./tls_session.ts";

/** What both sides may say. */
interface Options extends SessionOptions {
  /** Protocols for ALPN, the best first. */
  readonly protocols?: readonly string[];
}

export interface ClientOptions extends Options {
  /** Whom the client means: a name or an address, which the certificate must have. */
  readonly host: string;
  /** Certificates of the authorities that it trusts, in PEM. */
  readonly roots: readonly string[];
  /** Today, if not given. */
  readonly now?: Date;
}

export interface ServerOptions extends Options {
  /** Its certificate and its private key of P-256, in PEM. */
  readonly certificate: string;
  readonly key: string;
}

/** How the handshake is signed, by the number of the method. */
const METHODS: Record<number, Method> = {
  [SCHEMES.ecdsa_secp256r1_sha256]: {
    ...{ name: "ECDSA", hash: "SHA-256", curve: "P-256" },
  },
  [SCHEMES.ecdsa_secp384r1_sha384]: {
    ...{ name: "ECDSA", hash: "SHA-384", curve: "P-384" },
  },
  [SCHEMES.rsa_pss_rsae_sha256]: { name: "RSA-PSS", hash: "SHA-256" },
  [SCHEMES.ed25519]: { name: "Ed25519", hash: "SHA-512" },
};

/**
 * The client's side of the handshake.
 * @returns the stream, once the server has proved who it is
 * @throws {CertificateError} if its certificate is not to be believed
 * @throws {TlsError} if it does something else that it must not; `signal`'s reason
 */
export async function connectTls(
  stream: ByteStream,
  options: ClientOptions,
): Promise<TlsStream> {
  const { host, roots, protocols = [], now = new Date() } = options;
  const trusted = roots.map((root) => readPem("CERTIFICATE", root));
  const session = new Session(stream, options);
  return await session.guard(async () => {
    const share = await makeShare();
    await session.send(clientHello({
      random: crypto.getRandomValues(new Uint8Array(32)),
      // The name of a server is never an address.
      ...(addressFamily(host) === 0 && { host }),
      ...{ share: share.bytes, protocols },
    }));
    const theirs = readServerHello(await session.receive("ServerHello"));
    const shared = await agree(share, theirs);
    const secrets = await handshakeSecrets(shared, await session.hash());
    await session.readWith(secrets.server);
    await session.writeWith(secrets.client);
    const protocol = readProtocol(
      await session.receive("EncryptedExtensions"),
      ["server_name", "supported_groups", "alpn"],
    );
    if (protocol !== undefined && !protocols.includes(protocol)) {
      const name = JSON.stringify(protocol);
      const why = `The server chose ${name}, which was not offered`;
      const asked = protocols.length > 0;
      const code = asked ? "illegal_parameter" : "unsupported_extension";
      throw new TlsError(code, why);
    }
    const chain = readCertificates(await session.receive("Certificate"));
    if (chain.length === 0) {
      throw new TlsError("decode_error", "The server sent no certificate");
    }
    const { key } = await checkServer(chain, host, trusted, now);
    const signed = signedText(await session.hash());
    const [scheme, signature] = readVerify(
      await session.receive("CertificateVerify"),
    );
    const method = METHODS[scheme];
    if (!method) {
      const why = "The server signs by a method that was not offered";
      throw new TlsError("illegal_parameter", why);
    }
    if (!await verify(key, method, signed, signature)) {
      const why = "The server does not have the key of its certificate";
      throw new TlsError("decrypt_error", why);
    }
    await session.receiveFinished(secrets.server);
    const data = await applicationSecrets(secrets.master, await session.hash());
    await session.sendFinished(secrets.client);
    return await session.open(data.server, data.client, protocol);
  });
}

/**
 * The server's side of the handshake.
 * @throws {TlsError} if the client does not speak TLS 1.3, or refuses; `signal`'s reason
 */
export async function acceptTls(
  stream: ByteStream,
  options: ServerOptions,
): Promise<TlsStream> {
  const { certificate, key, protocols = [] } = options;
  const chain = [readPem("CERTIFICATE", certificate)];
  const session = new Session(stream, options);
  return await session.guard(async () => {
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const pkcs8 = readPem("PRIVATE KEY", key);
    const signer = await crypto.subtle
      .importKey("pkcs8", pkcs8, curve, false, ["sign"]);
    const offer = readClientHello(await session.receive("ClientHello"));
    const protocol = protocols.find((name) => offer.protocols.includes(name));
    if (protocols.length * offer.protocols.length > 0 && !protocol) {
      const why =
        `The client speaks ${offer.protocols}, the server ${protocols}`;
      throw new TlsError("no_application_protocol", why);
    }
    const share = await makeShare();
    const shared = await agree(share, offer.share);
    const random = crypto.getRandomValues(new Uint8Array(32));
    await session.send(serverHello(random, offer.session, share.bytes));
    // A client that names a session wants it to look like TLS 1.2 on the way.
    if (offer.session.length > 0) await session.changeCipherSpec();
    const secrets = await handshakeSecrets(shared, await session.hash());
    await session.writeWith(secrets.server);
    await session.readWith(secrets.client);
    await session.send(encryptedExtensions(protocol));
    await session.send(certificateMessage(chain));
    const signature = await signEcdsa(signer, signedText(await session.hash()));
    await session.send(certificateVerify(signature));
    await session.sendFinished(secrets.server);
    const data = await applicationSecrets(secrets.master, await session.hash());
    await session.receiveFinished(secrets.client);
    return await session.open(data.client, data.server, protocol);
  });
}

async function agree(share: Share, theirs: Uint8Array): Promise<Bytes> {
  try {
    return await share.agree(theirs);
  } catch (error) {
    throw new TlsError("illegal_parameter", (error as Error).message);
  }
}

/** What the server signs: 64 spaces, so that it is no text of anything else. */
const signedText = (messages: Uint8Array): Bytes =>
  Uint8Array.from([
    ...new TextEncoder().encode(" ".repeat(64)),
    ...new TextEncoder().encode("TLS 1.3, server CertificateVerify\0"),
    ...messages,
  ]);

if (import.meta.main) {
  const authority = await makeAuthority("Root");
  const [near, far] = memoryPair();
  const server = acceptTls(far, {
    ...await authority.issue({ names: ["www.google.com"] }),
    protocols: ["h2", "http/1.1"],
  });
  const client = await connectTls(near, {
    host: "www.google.com",
    roots: [authority.certificate],
    protocols: ["h2", "http/1.1"],
    onMessage: (sent, { name, whole }) =>
      console.log(`${sent ? "→" : "←"} ${name}, ${whole.length} bytes`),
  });
  console.log(`both speak ${client.protocol}`);
  const stream = await server;
  const writer = client.writable.getWriter();
  const sent = writer.write(new TextEncoder().encode("the first request"));
  const { value } = await stream.readable.getReader().read();
  await sent;
  console.log(`the server reads: ${new TextDecoder().decode(value)}`);
}
