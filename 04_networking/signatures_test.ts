import { assert, assertEquals } from "@std/assert";
import { integer, objectId, sequence, value } from "./der.ts";
import { readSequence } from "./der_reader.ts";
import { type Method, signEcdsa, verify } from "./signatures.ts";

const base64 = (text: string) => Uint8Array.fromBase64(text);
const text = new TextEncoder().encode("the text");

// Goldens, from OpenSSL 3.0.19: keys by ecparam -genkey, genrsa 1024 and genpkey, then
// openssl pkey -in $1.key -pubout -outform DER | base64 -w0
// printf 'the text' > text
// openssl dgst -sha256 -sign p256.key text | base64 -w0
// openssl dgst -sha384 -sign p384.key text | base64 -w0
// openssl dgst -sha256 -sign rsa.key text | base64 -w0, and for PSS with
// -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
// openssl pkeyutl -sign -inkey ed.key -rawin -in text | base64 -w0
const KEYS = {
  p256: base64(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEiziQo55zVsfDSbdHn83cQEkKnejxbANr9bVx" +
      "XTHZOlaTYm6EiF954VDkLDcjcLh2fbK+zZCHWlNdtfqhAz78eA==",
  ),
  p384: base64(
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEI+x/YDLaoNQW38+qFbqVFHB8/TMGLDl4aCxkkNMb" +
      "dZxYUuOoOYqSDv4RTLRBWMVa6/L4zo7P7hFAKEsaGEySXIYk8sjZF6ozaQW0Lu+04vZRe93i" +
      "ehTOpPX0McdKaknz",
  ),
  rsa: base64(
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCn+DX0PfWy/5h4J5laKnVyNhkn+zp1J5kc" +
      "XwwACEfgI2COBkTP6qxgIlWvYpqtrRFJNPmUy5ZiEaUmVYkCRzdAUIAkLAMI6St/ObGxT9Vq" +
      "u8jlCsHQikjA5WFxh4bpUX8pfAQZn1WnGA0ddRms5a7w3zH3/ECPVa4++cOh0P1mEwIDAQAB",
  ),
  ed25519: base64(
    "MCowBQYDK2VwAyEANzGyanx0YFn2qxlBVdkGVazRxFW9Lp5yMZw0gHEEmTU=",
  ),
};
const GOLDENS: [keyof typeof KEYS, Method, Uint8Array][] = [
  [
    "p256",
    { name: "ECDSA", hash: "SHA-256" },
    base64(
      "MEUCIDuEdCOz93is7JZpu+oMqRvj8f00Uw9vaCd+NKvs4AFUAiEAwLSLp5UtDF2apYMvgJ7p" +
        "4Edx2ORRnpfk+GO820Pyu5M=",
    ),
  ],
  [
    "p384",
    { name: "ECDSA", hash: "SHA-384" },
    base64(
      "MGQCMBammnU3g6OO5UEg48rIf1Y3P4wR5eYuA73dzLb+lmHJJ1SIzsty44V5IJXcd08rrAIw" +
        "ZXLxzvpsl7ZepGejPvWLDjFmE4iHlm35IlMgkWDzrcBSeyYE1jmWerzUOjul0jnk",
    ),
  ],
  [
    "rsa",
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    base64(
      "UcUF6W5sWVQYJzEsdOttdHhXFy1MBi9BLw0VY4ZUnW64fFuz4OCCEyKJ7ok4JWhkigOPuAAG" +
        "BTW/4xFJoN1HO8NN+OyzNT+aXYDZMvnhnWuODyfyxA+NhJxtYLkq6stFIgar0nzQ1U3/qC70" +
        "NjMjdt5TLGZdhofyKX9Lc/JgalA=",
    ),
  ],
  [
    "rsa",
    { name: "RSA-PSS", hash: "SHA-256" },
    base64(
      "geFCWP8LnNbBR9j6CTMI/pdzfFdfBVFoWhmCmzInkyuIeeTXlzDzJaa5hsueHFkB28n3Bh0s" +
        "1rsjzc0wkpZyQY93S5nTz5ezkfa9v8RgGL1+2lPgTFzCX95Nu1assd7m7sT8Ks2EbspagY27" +
        "rgR09tSNihVgUDzy8tNXfaig4EA=",
    ),
  ],
  [
    "ed25519",
    { name: "Ed25519", hash: "SHA-512" },
    base64(
      "VvlszVCNwmhM2hOiPqkm78WwdIw7cU1u5b+ftnbUiSyewpqcXCyslZAJ+qTn4Hp3OqeZ8qej" +
        "B1daFg82NuSdAg==",
    ),
  ],
];

for (const [kind, method, signature] of GOLDENS) {
  Deno.test(`OpenSSL's signature is right: ${kind}, ${method.name}`, async () => {
    assert(await verify(KEYS[kind], method, text, signature));
  });

  Deno.test(`nothing else is: ${kind}, ${method.name}`, async () => {
    const other = new Uint8Array(text);
    other[0] ^= 1;
    assertEquals(await verify(KEYS[kind], method, other, signature), false);
    for (let at = 0; at < signature.length; at += 5) {
      const changed = new Uint8Array(signature);
      changed[at] ^= 1;
      const right = await verify(KEYS[kind], method, text, changed);
      assertEquals(right, false, `${at}`);
    }
    for (const cut of [0, 1, signature.length - 1]) {
      const part = signature.subarray(0, cut);
      assertEquals(await verify(KEYS[kind], method, text, part), false);
    }
    // With each other method and key.
    for (const [other, key] of Object.entries(KEYS)) {
      for (const [, how] of GOLDENS) {
        const right = await verify(key, how, text, signature);
        assertEquals(
          right,
          other === kind && how === method,
          `${other} ${how}`,
        );
      }
    }
  });
}

Deno.test("numbers of any length are signed and read, short ones, too", async () => {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const pair = await crypto.subtle.generateKey(curve, true, ["sign", "verify"]);
  const spki = await crypto.subtle.exportKey("spki", pair.publicKey);
  const method = { name: "ECDSA", hash: "SHA-256" } as const;
  const sizes = new Set<number>();
  // One in 128 has a number of 31 bytes or less.
  for (let n = 0; n < 2000 && !sizes.has(31); n++) {
    const text = Uint8Array.of(n >> 8, n);
    const signature = await signEcdsa(pair.privateKey, text);
    for (const { content } of readSequence(signature)) {
      sizes.add(content.length);
    }
    assert(await verify(new Uint8Array(spki), method, text, signature));
  }
  assert(sizes.has(31) && sizes.has(32) && sizes.has(33), `${[...sizes]}`);
});

Deno.test("a method may name the curve", async () => {
  for (const [kind, method, signature] of GOLDENS.slice(0, 2)) {
    for (const curve of ["P-256", "P-384"] as const) {
      const how = { ...method, curve };
      const right = await verify(KEYS[kind], how, text, signature);
      assertEquals(right, kind === (curve === "P-256" ? "p256" : "p384"));
    }
  }
});

Deno.test("a damaged key is no error but wrong", async () => {
  for (const [kind, method, signature] of GOLDENS) {
    let right = 0;
    for (let at = 0; at < KEYS[kind].length; at++) {
      const key = new Uint8Array(KEYS[kind]);
      key[at] ^= 1;
      if (await verify(key, method, text, signature)) right++;
    }
    // The runtime passes over some bits that say nothing.
    assert(right < 5, `${kind}: ${right}`);
  }
});

Deno.test("a signature that is none, or a key, is no error but wrong", async () => {
  const [, method, right] = GOLDENS[0];
  const [r, s] = readSequence(right).map(({ whole }) => whole);
  const negative = value(2, new Uint8Array(32).fill(255));
  for (
    const signature of [
      ...[
        sequence(r),
        sequence(r, s, s),
        sequence(s, r),
        sequence(r, negative),
      ],
      ...[sequence(integer(0), integer(0)), sequence(r, integer(2n ** 300n))],
      ...[sequence(), new Uint8Array(64)],
      // The right numbers, written longer than they are.
      sequence(
        value(2, Uint8Array.of(0, ...readSequence(right)[0].content)),
        s,
      ),
    ]
  ) {
    assertEquals(await verify(KEYS.p256, method, text, signature), false);
  }
  const unknown = sequence(
    sequence(objectId("1.2.840.10045.2.1"), objectId("1.2.3")),
    value(3, new Uint8Array(66)),
  );
  for (
    const key of [new Uint8Array(), sequence(), unknown, KEYS.p256.slice(0, 60)]
  ) {
    assertEquals(await verify(key, method, text, right), false);
  }
});
