import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { train } from "./byte_bpe.ts";
import { decode, encode, fromMerges, fromVocab } from "./byte_tokenizer.ts";

type Pair = [left: number, right: number];
const WHOLE = /[^]+/gu;

// Golden: python3, tiktoken 0.14.0:
// v = [bytes([i]) for i in range(256)]
// for l, r in PAIRS: v.append(v[l] + v[r])
// e = tiktoken.Encoding("x", pat_str=GPT2, special_tokens={},
//   mergeable_ranks={b: i for i, b in enumerate(v)})
// print(e.encode_ordinary(text))
// deno-fmt-ignore
const PAIRS: Pair[] = [[104, 101], [116, 256], [32, 257], [240, 159], [97, 97],
  [259, 153], [32, 110], [260, 97], [195, 169], [10, 10], [32, 32]];
// deno-fmt-ignore
const GOLDEN: [text: string, ids: number[]][] = [
  ["the 🙂, then  the\n\n\n x", [257, 32, 261, 130, 44, 258, 110, 32, 258, 265, 10, 32, 120]],
  ["aaaaaaa naé Straße", [260, 260, 263, 262, 97, 264, 32, 83, 116, 114, 97, 195, 159, 101]],
  ["\x85 \ufeffthe\u0301 's 12three", [194, 133, 32, 239, 187, 191, 257, 204, 129, 32, 39, 115, 32, 49, 50, 116, 104, 114, 101, 101]],
  ["  \u3000 the   he's", [266, 227, 128, 128, 258, 266, 32, 256, 39, 115]],
];
const golden = fromMerges(PAIRS);
for (const [text, ids] of GOLDEN) {
  Deno.test(`encode() golden: ${JSON.stringify(text)}`, () => {
    assertEquals(encode(golden, text), ids);
    assertEquals(decode(golden, ids), text);
  });
}

const CORPUS =
  "the cats and the dogs sat; aaaa aaa, 100 cats 🙂🙂 naïve naïve. ".repeat(3);
const trained = fromMerges(train(CORPUS, 60));
const sure = { seed: 17, numRuns: 300 };

// Golden: as above with PAIRS (32, 0xef) and (0x21, 0xc2).
Deno.test("U+FEFF is a sign and U+0085 is white space, unlike in JavaScript", () => {
  const tokenizer = fromMerges([[32, 0xef], [0x21, 0xc2]]);
  const ids = [120, 256, 187, 191, 33, 194, 133];
  assertEquals(encode(tokenizer, "x \ufeff!\x85"), ids);
});

Deno.test("the lowest id is merged first, not the longest match", () => {
  const [a, b, c] = [97, 98, 99];
  const tokenizer = fromMerges([[b, c], [a, b]]);
  assertEquals(encode(tokenizer, "abc"), [a, 256]);
});
Deno.test("encode() applies one merge after the other, as training does", () => {
  const unit = fc.constantFrom(..."aab ");
  const text = fc.string({ unit, maxLength: 30 });
  fc.assert(
    fc.property(text, text, (corpus, text) => {
      const pairs = train(corpus, 12, WHOLE);
      let ids = [...new TextEncoder().encode(text)];
      pairs.forEach(([left, right], n) => {
        const next: number[] = [];
        for (let i = 0; i < ids.length; i++) {
          const fits = ids[i] === left && ids[i + 1] === right;
          next.push(fits ? 256 + n : ids[i]);
          if (fits) i++;
        }
        ids = next;
      });
      assertEquals(encode(fromMerges(pairs, WHOLE), text), ids);
    }),
    sure,
  );
});
Deno.test("decode() undoes encode() for any text at all", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => {
      assertEquals(decode(trained, encode(trained, text)), text);
    }),
    sure,
  );
  for (
    const text of [
      "",
      " ",
      "a",
      "\0",
      "</w>",
      "<|endoftext|>",
      "e\u0301 🙂",
      CORPUS,
    ]
  ) {
    assertEquals(decode(trained, encode(trained, text)), text);
  }
});
Deno.test("a character never seen is its bytes, and needs no <unk>", () => {
  assertEquals(encode(trained, "漢"), [...new TextEncoder().encode("漢")]);
});
Deno.test("a byte order mark at the start of a text is kept", () => {
  assertEquals(decode(trained, encode(trained, "\ufeffcats")), "\ufeffcats");
});
Deno.test("half a character decodes to U+FFFD; both halves together to itself", () => {
  const tokenizer = fromMerges([]);
  assertEquals(decode(tokenizer, [0xf0, 0x9f]), "\ufffd");
  assertEquals(decode(tokenizer, [0xf0, 0x9f, 0x99, 0x82]), "🙂");
});
Deno.test("half a surrogate pair has no bytes and comes back as U+FFFD", () => {
  assertEquals(decode(trained, encode(trained, "a\ud83d")), "a\ufffd");
});
Deno.test("encode() of nothing is nothing", () => {
  assertEquals(encode(trained, ""), []);
  assertEquals(decode(trained, []), "");
});
Deno.test("a piece that is known is not encoded again", () => {
  const known = new Map<string, number[]>();
  const ids = encode(golden, "the cats, the cats", known);
  assertEquals([...known.keys()], ["the", " cats", ",", " the"]);
  assertEquals(encode(golden, "the cats, the cats", known), ids);
  known.set("the", [7]);
  assertEquals(encode(golden, "the", known), [7]);
});

Deno.test("no merge reaches over the edge of a piece", () => {
  const pairs: Pair[] = [[101, 32], [49, 97], [97, 46]];
  const bytes = (text: string) => [...new TextEncoder().encode(text)];
  const text = "e 1a a.";
  assertEquals(encode(fromMerges(pairs), text), bytes(text));
  assertEquals(encode(fromMerges(pairs, WHOLE), text), [256, 257, 32, 258]);
});
Deno.test("a long piece asks for each pair a few times, not for each merge", () => {
  const pairs: Pair[] = Array.from(
    { length: 12 },
    (_, n) => n === 0 ? [97, 97] : [255 + n, 255 + n],
  );
  const tokenizer = fromMerges(pairs);
  let asked = 0;
  const spied = {
    ...tokenizer,
    merges: new Proxy(tokenizer.merges, {
      get: (map, name) => {
        if (name === "get") asked++;
        const member = Reflect.get(map, name);
        return typeof member === "function" ? member.bind(map) : member;
      },
    }),
  };
  const ids = encode(spied, "a".repeat(4096 * 2 + 1));
  assertEquals(ids, [267, 267, 97]);
  // A scan for each of the 8190 merges would ask millions of times.
  assert(asked < 8 * 8193, `${asked} look-ups`);
});

Deno.test("fromVocab() finds the merges of a published table again", () => {
  const again = fromVocab(trained.vocab);
  assertEquals(again.merges, trained.merges);
  assertEquals(encode(again, CORPUS), encode(trained, CORPUS));
});
Deno.test("fromVocab() takes bytes in any order, as GPT-2 has them", () => {
  const byteIds = Array.from(
    { length: 256 },
    (_, byte) => (byte * 7 + 3) % 256,
  );
  const vocab: Uint8Array[] = [];
  byteIds.forEach((id, byte) => vocab[id] = Uint8Array.of(byte));
  vocab.push(Uint8Array.of(97, 98), Uint8Array.of(99, 97, 98));
  const tokenizer = fromVocab(vocab);
  assertEquals(encode(tokenizer, "cabb"), [257, byteIds[98]]);
  assertEquals(decode(tokenizer, [257, byteIds[98]]), "cabb");
});

Deno.test("what cannot be encoded, decoded or loaded is an error", () => {
  const { vocab } = fromMerges([]);
  const ERRORS: [run: () => unknown, message: string][] = [
    [() => decode(golden, [267]), "Cannot decode 267: there are 267 ids"],
    [() => decode(golden, [-1]), "Cannot decode -1: there are 267 ids"],
    [() => decode(golden, [1.5]), "Cannot decode 1.5: there are 267 ids"],
    [
      () => fromMerges([[97, 98], [97, 300]]),
      "Cannot load merge 1: no id 97 or 300",
    ],
    [() => fromVocab(vocab.slice(1)), "Cannot load: byte 0 has no id"],
    [
      () => fromVocab([...vocab, Uint8Array.of(97, 98, 99)]),
      "Cannot load id 256: 3 parts, not 2",
    ],
    [
      () => encode(fromMerges([], /\w+/gu), "a b"),
      "Cannot split by /\\w+/gu: it gives 2 of 3 units",
    ],
    [() => encode(fromMerges([], /[^]+/u), "ab"), "Cannot split by /[^]+/u"],
  ];
  for (const [run, message] of ERRORS) assertThrows(run, RangeError, message);
});
