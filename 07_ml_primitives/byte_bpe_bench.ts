/**
 * How fast byte-level pairs are learnt and applied: counts kept up to date against
 * a recount, small texts against large ones, and encoding with GPT-2's own table
 * against gpt-tokenizer.
 *
 * Run: `deno bench byte_bpe_bench.ts`
 * @module
 */
import table from "gpt-tokenizer/r50k_base_ranks";
import * as peer from "gpt-tokenizer/r50k_base";
import { train, trainByRecount } from "./byte_bpe.ts";
import { decode, encode, fromVocab } from "./byte_tokenizer.ts";

/** A text of `length` letters whose words follow Zipf's law: rank r weighs 1/r. */
function zipfText(length: number, seed: number): string {
  let state = seed;
  const random = () => (state = state * 16807 % 2147483647) / 2147483647;
  const pick = (from: readonly string[]) =>
    from[Math.floor(random() * from.length)];
  const heads = "b c d f g h l m n p r s t w th st ch tr pl".split(" ");
  const vowels = "a e i o u e a ea ou".split(" ");
  const tails = ["", "n", "r", "s", "t", "d", "ng", "ll", "st"];
  const words = Array.from({ length: 20_000 }, (_, rank) => {
    let word = "";
    for (let n = 0; n <= Math.min(3, Math.log10(rank + 1) * random()); n++) {
      word += pick(heads) + pick(vowels) + pick(tails);
    }
    return word;
  });
  const most = Math.log(words.length);
  const parts: string[] = [];
  for (let size = 0; size < length;) {
    const word = words[Math.floor(Math.exp(random() * most)) - 1];
    const part = word + (random() < 0.1 ? ", " : random() < 0.07 ? ".\n" : " ");
    parts.push(part);
    size += part.length;
  }
  return parts.join("").slice(0, length);
}

const MERGES = 1000;
const text = zipfText(2 ** 20, 1);
const tenth = text.slice(0, 100_000);
if (
  JSON.stringify(train(tenth, MERGES)) !==
    JSON.stringify(trainByRecount(tenth, MERGES))
) throw new Error("The two trainers differ: nothing to time");

const group = `train ${MERGES} merges on 1 MB`;
Deno.bench("recount", { group, baseline: true, n: 3, warmup: 0 }, () => {
  trainByRecount(text, MERGES);
});
Deno.bench("counts kept up to date", { group, n: 10 }, () => {
  train(text, MERGES);
});

for (const megabytes of [1, 2, 4, 8]) {
  const larger = zipfText(megabytes * 2 ** 20, 1);
  Deno.bench(`${megabytes} MB`, {
    group: `train ${MERGES} merges`,
    baseline: megabytes === 1,
    n: 10,
  }, () => {
    train(larger, MERGES);
  });
}

const vocab = table.map((bytes: string | readonly number[]) =>
  typeof bytes === "string"
    ? new TextEncoder().encode(bytes)
    : Uint8Array.from(bytes)
);
const gpt2 = fromVocab(vocab);
const random = Array.from(
  { length: 40_000 },
  (_, i) => (i * 2654435761 % 4294967296).toString(36),
).join(" ");
const letters = "abcdefghij".repeat(2000);
for (
  const [name, sample] of [
    ["1 MB of words", text],
    ["0.3 MB of random letters", random],
    ["one word of 20,000 letters", letters],
  ]
) {
  const ids = encode(gpt2, sample);
  if (ids.join() !== peer.encode(sample).join()) {
    throw new Error(`The ids of ${name} differ: nothing to time`);
  }
  if (decode(gpt2, ids) !== sample) throw new Error("The text does not return");
  const group = `encode ${name} with GPT-2's table`;
  Deno.bench("byte_tokenizer.ts, no cache yet", { group }, () => {
    encode(gpt2, sample);
  });
  const known = new Map<string, number[]>();
  encode(gpt2, sample, known);
  Deno.bench("byte_tokenizer.ts, cache warm", { group, baseline: true }, () => {
    encode(gpt2, sample, known);
  });
  Deno.bench("gpt-tokenizer, no cache yet", { group }, (bench) => {
    peer.clearMergeCache();
    bench.start();
    peer.encode(sample);
    bench.end();
  });
  Deno.bench("gpt-tokenizer, cache warm", { group }, () => {
    peer.encode(sample);
  });
}
