import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { GPT2, type Merge, train, trainByRecount } from "./byte_bpe.ts";

const WHOLE = /[^]+/gu;
/** The merged bytes of each merge; one UTF-16 unit a byte. */
function bytesOf(merges: readonly Merge[]): string[] {
  const vocab = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));
  for (const [left, right] of merges) vocab.push(vocab[left] + vocab[right]);
  return vocab.slice(256);
}
const CATS =
  "it's the cat, the dog. the cat's dog, the dog's cat; 10 cats, 100 dogs, they'll say.";
const SEA =
  "she sells sea shells on the sea shore the shells she sells are sea shells i am sure  \n  baaaaad aaaa aaa";

// Golden: python3, tokenizers 0.23.2, whose ids of ASCII sort like bytes:
// t = Tokenizer(models.BPE())
// t.pre_tokenizer = pre_tokenizers.Split(Regex(GPT2), "isolated")  # or none
// t.train_from_iterator([text], trainers.BpeTrainer(
//   vocab_size=len(set(text)) + n, min_frequency=1, special_tokens=[]))
// print(["".join(m) for m in json.loads(t.to_str())["model"]["merges"]])
// deno-fmt-ignore
const GOLDEN: [name: string, text: string, split: RegExp, string[]][] = [
  ["cats", CATS, GPT2,
    [" t", "he", " the", " c", " d", "at", "og", " cat", " dog", "'s", " 1", " 10", " s", "'l", "ay", "it"]],
  ["cats in one piece", CATS, WHOLE,
    [" t", "he", " the", " c", " d", "at", "og", " cat", " dog", "'s", ", the", " 1", " the cat", ", the dog", " 10", " s"]],
  ["sea shells and runs of a letter", SEA, GPT2,
    [" s", "aa", "he", "ll", " se", "lls", " she", "re", " sea", " shells", " a", " t", " aa", " sells", " the", "\n ", "  ", " b", " i", " o"]],
];
for (const [name, text, split, expected] of GOLDEN) {
  Deno.test(`train() golden: ${name}`, () => {
    assertEquals(bytesOf(train(text, expected.length, split)), expected);
  });
}

const texts = fc.array(
  fc.oneof(
    fc.string({ unit: fc.constantFrom(..."aab "), maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(..."abc  .1'é🙂\n"), maxLength: 12 }),
    fc.string({ unit: "binary", maxLength: 4 }),
  ),
  { maxLength: 9 },
).map((parts) => parts.join(" "));
const limits = fc.integer({ min: 0, max: 40 });

for (const [name, split] of [["split", GPT2], ["whole", WHOLE]] as const) {
  Deno.test(`the counts kept up to date give the merges of a recount: ${name} texts`, () => {
    fc.assert(
      fc.property(texts, limits, (text, limit) => {
        assertEquals(
          train(text, limit, split),
          trainByRecount(text, limit, split),
        );
      }),
      { seed: 11, numRuns: 200 },
    );
  });
}
Deno.test("runs of one letter, where pairs overlap, are counted as a recount does", () => {
  for (let n = 0; n < 40; n++) {
    const text = "a".repeat(n) + " b" + "a".repeat(2 * n) + "b";
    assertEquals(train(text, 99, WHOLE), trainByRecount(text, 99, WHOLE));
  }
});
Deno.test("each merge is the most frequent pair at its time, ties to the lower ids", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const merges = train(text, 12);
      let pieces = (text.match(GPT2) ?? []).map((
        piece,
      ) => [...new TextEncoder().encode(piece)]);
      merges.forEach(([left, right], n) => {
        // A plain list of all pieces, not the different ones with a count.
        const counts = new Map<string, number>();
        for (const ids of pieces) {
          for (let i = 0; i + 1 < ids.length; i++) {
            const key = `${ids[i]} ${ids[i + 1]}`;
            counts.set(key, (counts.get(key) ?? 0) + 1);
          }
        }
        const most = Math.max(...counts.values());
        const [[a, b]] = [...counts].filter(([, count]) => count === most)
          .map(([key]) => key.split(" ").map(Number))
          .sort((x, y) => x[0] - y[0] || x[1] - y[1]);
        assertEquals([left, right], [a, b]);
        pieces = pieces.map((ids) => {
          const next: number[] = [];
          for (let i = 0; i < ids.length; i++) {
            const fits = ids[i] === left && ids[i + 1] === right;
            next.push(fits ? 256 + n : ids[i]);
            if (fits) i++;
          }
          return next;
        });
      });
    }),
    { seed: 11, numRuns: 100 },
  );
});

Deno.test("no token runs over the edge of a piece, though the whole text has such", () => {
  const crosses = (token: string) =>
    /[a-z] |[a-z][.,;]|[.,;] |\d [a-z]/.test(token);
  assertEquals(bytesOf(train(CATS, 60)).filter(crosses), []);
  assert(bytesOf(train(CATS, 60, WHOLE)).filter(crosses).length > 5);
});
Deno.test("a piece that occurs three times counts three times", () => {
  assertEquals(bytesOf(train("xy.xy.xy.ab.abc", 1, /\w+|\W/gu)), ["xy"]);
});
Deno.test("characters are bytes: two of an é, four of an emoji", () => {
  assertEquals(train("éé", 9), [[0xc3, 0xa9], [256, 256]]);
  assertEquals(train("🙂", 9).length, 3);
});
Deno.test("GPT2 splits as GPT-2 does: signs, numbers, shortened words, blanks", () => {
  const pieces = "we'll pay 100$,  ok?\n\n x".match(GPT2);
  assertEquals(pieces, [
    "we",
    "'ll",
    " pay",
    " 100",
    "$,",
    " ",
    " ok",
    "?",
    "\n\n",
    " x",
  ]);
});
Deno.test("nothing to merge gives no merges, and too many stop early", () => {
  assertEquals(train("", 9), []);
  assertEquals(train("a", 9), []);
  assertEquals(train("a b", 0), []);
  assertEquals(train("aaaa", 1000), [[97, 97], [256, 256]]);
  assertEquals(trainByRecount("", 9), []);
});
Deno.test("one merge looks at the pieces that hold it, not at all of them", () => {
  // Every pair that is counted is written to a Map: a spy counts the writes.
  const words = Array.from({ length: 300 }, (_, i) => "." + i.toString(36));
  const text = words.join("");
  const writes = (run: () => unknown) => {
    const set = Map.prototype.set;
    let calls = 0;
    Map.prototype.set = function (key, value) {
      calls++;
      return set.call(this, key, value);
    };
    try {
      run();
    } finally {
      Map.prototype.set = set;
    }
    return calls;
  };
  const split = /\.\w+/gu;
  const more = (trainer: typeof train) =>
    writes(() => trainer(text, 40, split)) -
    writes(() => trainer(text, 20, split));
  assert(more(train) < more(trainByRecount) / 3);
});

for (const trainer of [train, trainByRecount]) {
  for (const limit of [-1, 2.5, NaN, 2 ** 21]) {
    Deno.test(`${trainer.name}() with a limit of ${limit} is an error`, () => {
      assertThrows(
        () => trainer("abc", limit),
        RangeError,
        `Cannot train: limit must be a whole number below 2^21 - 256, got ${limit}`,
      );
    });
  }
  Deno.test(`${trainer.name}() with a pattern that leaves gaps is an error`, () => {
    assertThrows(
      () => trainer("ab cd", 3, /\w+/gu),
      RangeError,
      "Cannot split by /\\w+/gu: it gives 4 of 5 units",
    );
    assertThrows(() => trainer("ab", 3, /\w+/u), RangeError, "Cannot split by");
  });
}
