import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decode, encode, END, type Merge, show, trainBpe } from "./bpe.ts";

const shown = (merges: readonly Merge[]) =>
  merges.map((pair) => show(pair.join(""))).join(" ");
const TOY = [
  "low low low low low",
  "lower lower",
  "newest newest newest newest newest newest",
  "widest widest widest",
];
const SEA =
  "she sells sea shells on the sea shore the shells she sells are sea shells i am sure";

// Golden: python3, the paper's Algorithm 1 with tuples for its joined strings:
// vocab = {tuple(w)+(" ",): c for w, c in counts.items()}
// for _ in range(n):
//   pairs = Counter()
//   for w, c in vocab.items():
//     for p in zip(w, w[1:]): pairs[p] += c
//   best = max(pairs, key=pairs.get)                       # "first", or
//   best = min(pairs, key=lambda p: (-pairs[p], p))        # "sorted"
//   vocab = {merge(w, best): c for w, c in vocab.items()}  # left to right
const GOLDEN: [name: string, string[], "first" | "sorted", string][] = [
  [
    "the paper's words",
    TOY,
    "first",
    "es est est</w> lo low ne new newest</w> low</w> wi",
  ],
  [
    "the paper's words, sorted ties",
    TOY,
    "sorted",
    "es est est</w> lo low ew ewest</w> newest</w> low</w> dest</w>",
  ],
  [
    "sea shells",
    [SEA],
    "first",
    "he she se ll lls lls</w> sea sea</w> shells</w> re re</w> she</w>",
  ],
  [
    "sea shells, sorted ties",
    [SEA],
    "sorted",
    "e</w> sh el ell ells ells</w> a</w> ea</w> re</w> sea</w> shells</w> he</w>",
  ],
];
for (const [name, texts, ties, expected] of GOLDEN) {
  Deno.test(`trainBpe() golden: ${name}`, () => {
    const limit = expected.split(" ").length;
    assertEquals(shown(trainBpe(texts, limit, ties)), expected);
  });
}

Deno.test("a merge joins symbols, not the characters of the word", () => {
  const merges = trainBpe(TOY, 10, "first");
  assertEquals(merges[4], ["lo", "w"]);
  assertEquals(merges[2], ["est", END]);
});
Deno.test("the last pair of a word counts: a letter and the end of the word", () => {
  // Four words of one letter: there is no other pair.
  assertEquals(trainBpe(["a a a b"], 1), [["a", END]]);
});
Deno.test("no pair is merged twice: counts are of the merged words", () => {
  const merges = trainBpe(TOY, 100);
  const keys = merges.map((pair) => pair.join("|"));
  assertEquals(new Set(keys).size, keys.length);
});
Deno.test("a word that occurs five times counts five times", () => {
  assertEquals(trainBpe(["xy xy xy xy xy ab abc"], 1), [["x", "y"]]);
  assertEquals(trainBpe(Array(5).fill("xy").concat("ab", "abc"), 1), [[
    "x",
    "y",
  ]]);
});
Deno.test("pairs that join to the same string are told apart", () => {
  const merges: Merge[] = [["b", "c"], ["ab", "c"]];
  assertEquals(encode("abc", merges), ["a", "bc", END]);
});
Deno.test("equal counts go to the pair that sorts first, whatever the order", () => {
  assertEquals(trainBpe(["ab cd"], 4), trainBpe(["cd ab"], 4));
  assertEquals(trainBpe(["cd ab"], 1), [["a", "b"]]);
  assertEquals(trainBpe(["cd ab"], 1, "first"), [["c", "d"]]);
});
Deno.test("overlapping pairs are counted as they stand, and merged from the left", () => {
  // (a, a) counts 2 in each aaa, 4 in all, ahead of the 3 of (b, c).
  const merges = trainBpe(["aaa aaa bc bc bc"], 1);
  assertEquals(merges, [["a", "a"]]);
  assertEquals(encode("aaa", merges), ["aa", "a", END]);
  assertEquals(encode("aaaaa", merges), ["aa", "aa", "a", END]);
});
Deno.test("training stops when no pair is left", () => {
  assertEquals(trainBpe(["aaaa"], 1000), [
    ["a", "a"],
    ["aa", END],
    ["aa", "aa" + END],
  ]);
});
Deno.test("nothing to train on gives no merges", () => {
  for (const texts of [[], [""], ["  \n\t "], ["", " "]]) {
    assertEquals(trainBpe(texts, 9), []);
  }
  assertEquals(trainBpe(TOY, 0), []);
});

Deno.test("the earliest merge is applied first, not the longest match", () => {
  const merges: Merge[] = [["b", "c"], ["a", "b"]];
  assertEquals(encode("abc", merges), ["a", "bc", END]);
  // "x" + "ab" is longer than "x" + "a", and leftmost is no rule either.
  assertEquals(encode("abab", [["b", "a"], ["a", "b"]]), ["a", "ba", "b", END]);
});
Deno.test("encode() of a word of the texts gives what training made of it", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."abc"),
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 0, max: 20 }),
      (words, limit) => {
        const merges = trainBpe(words, limit);
        for (const word of words) {
          // One merge after the other over the whole word, as training does.
          let symbols = [...word, END];
          for (const [left, right] of merges) {
            const next: string[] = [];
            for (let i = 0; i < symbols.length; i++) {
              const fits = symbols[i] === left && symbols[i + 1] === right;
              next.push(fits ? left + right : symbols[i]);
              if (fits) i++;
            }
            symbols = next;
          }
          assertEquals(encode(word, merges), symbols);
        }
      },
    ),
    { seed: 5, numRuns: 200 },
  );
});
Deno.test("each merge is the most frequent pair at its time", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."abcd"),
    minLength: 1,
    maxLength: 7,
  });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 15 }), (words) => {
      const merges = trainBpe(words, 8);
      merges.forEach((merge, n) => {
        const counts = new Map<string, number>();
        for (const word of words) {
          const symbols = encode(word, merges.slice(0, n));
          symbols.slice(1).forEach((right, i) => {
            const key = symbols[i] + "|" + right;
            counts.set(key, (counts.get(key) ?? 0) + 1);
          });
        }
        const most = Math.max(...counts.values());
        assertEquals(counts.get(merge.join("|")), most);
      });
    }),
    { seed: 5, numRuns: 100 },
  );
});

Deno.test("decode() undoes encode(), for any words in any script", () => {
  const merges = trainBpe([SEA, "sähe 🙂 ça </w>"], 40);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const words = text.split(/\s+/u).filter((word) => word);
      assertEquals(decode(encode(text, merges)), words.join(" "));
    }),
    { seed: 5, numRuns: 300 },
  );
  assertEquals(decode(encode("she  sells\n", merges)), "she sells");
});
Deno.test("a text with </w> in it is not taken for the end of a word", () => {
  const merges = trainBpe(["</w>q </w>q a"], 99);
  const symbols = encode("</w>q a", merges);
  assertEquals(symbols, ["</w>q" + END, "a" + END]);
  assertEquals(decode(symbols), "</w>q a");
  assertEquals(decode(encode("a</w>b", [])), "a</w>b");
});
Deno.test("symbols are code points: an emoji is one, a combining mark its own", () => {
  assertEquals(encode("é🙂", []), ["é", "🙂", END]);
  assertEquals(encode("e\u0301", []), ["e", "\u0301", END]);
  assertEquals(trainBpe(["🙂🙂🙂"], 1), [["🙂", "🙂"]]);
});
Deno.test("a character never seen stays a symbol of its own", () => {
  const merges = trainBpe(TOY, 10, "first");
  assertEquals(encode("low漢", merges), ["low", "漢", END]);
});
Deno.test("encode() of nothing is nothing, and so is decode()", () => {
  assertEquals(encode("", [["a", "b"]]), []);
  assertEquals(encode("   ", []), []);
  assertEquals(decode([]), "");
  assertEquals(encode("a", []), ["a", END]);
});
Deno.test("trainBpe() and encode() leave what they are given unchanged", () => {
  const texts = Object.freeze(["low lower", "low"]);
  const merges = Object.freeze(trainBpe(texts, 3));
  const copy = merges.map(([left, right]) => [left, right]);
  encode("lowest", merges);
  assertEquals(merges.map(([left, right]) => [left, right]), copy);
});
for (const limit of [-1, 2.5, NaN, Infinity]) {
  Deno.test(`trainBpe() with a limit of ${limit} is an error`, () => {
    assertThrows(
      () => trainBpe(TOY, limit),
      RangeError,
      `Cannot train: limit must be a whole number, got ${limit}`,
    );
  });
}
