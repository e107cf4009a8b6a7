/** Well-known wrong versions of this chapter's scripts; every one must turn a test red. */
export const bugs = [
  {
    file: "softmax.ts",
    name: "subtracts the mean instead of the max",
    find: `const shift = largest(x);
  if (shift === -Infinity) return x.map(() => 0);`,
    replace: `largest(x);
  const shift = x.reduce((sum, xi) => sum + xi, 0) / x.length;
  if (shift === -Infinity) return x.map(() => 0);`,
    hint: "Which shift keeps every exponent at or below zero?",
  },
  {
    file: "softmax.ts",
    name: "takes the sum of the exponentials before the shift",
    find: "const total = exps.reduce((sum, e) => sum + e, 0);",
    replace: "const total = x.reduce((sum, xi) => sum + Math.exp(xi), 0);",
    hint: "What do the shares of 1, 2, 3 sum to?",
  },
  {
    file: "softmax.ts",
    name: "takes the logarithm of the softmax",
    find: "return x.map((xi) => (xi - shift) - logTotal);",
    replace: "return softmax(x).map(Math.log);",
    hint: "What is the logarithm of a share too small to write?",
  },
  {
    file: "softmax.ts",
    name: "adds the max to the logarithm of the sum before it subtracts",
    find: "(xi - shift) - logTotal",
    replace: "xi - (shift + logTotal)",
    hint: "What is 1e17 + 0.7?",
  },
  {
    file: "softmax.ts",
    name: "gives NaN when everything is masked",
    find: `if (shift === -Infinity) return x.map(() => 0);
`,
    replace: "",
    hint: "What is −Infinity − −Infinity?",
  },
  {
    file: "softmax.ts",
    name: "normalises the columns of a batch",
    find: "axis = -1,",
    replace: "axis = 0,",
    hint: "Which axis of (B, V) are the classes?",
  },
  {
    file: "softmax.ts",
    name: "passes the logits to Math.max as arguments",
    find: "const max = x.reduce((m, xi) => Math.max(m, xi), -Infinity);",
    replace: "const max = Math.max(...x);",
    hint: "How many arguments fit on the stack?",
  },
  {
    file: "softmax.ts",
    name: "does not skip the max in the sum that log1p adds 1 to",
    find: "i === at ? sum : sum + Math.exp(xi - max)",
    replace: "sum + Math.exp(xi - max)",
    hint: "How often is the term of the maximum counted?",
  },
  {
    file: "attention.ts",
    name: "masks the diagonal: triu of k = 0",
    find: "causal ? i + SK - SQ : SK - 1",
    replace: "causal ? i + SK - SQ - 1 : SK - 1",
    hint: "What may the first position see?",
  },
  {
    file: "attention.ts",
    name: "lines the causal mask up with the first key, not the last",
    find: "causal ? i + SK - SQ : SK - 1",
    replace: "causal ? i : SK - 1",
    hint: "Which keys does the one query of a decode step see?",
  },
  {
    file: "attention.ts",
    name: "multiplies key by query, the wrong way round",
    find: "scale * dot(q, k)",
    replace: "scale * dot(query[j % SQ], key[i % SK])",
    hint: "Does row i of the scores belong to query i?",
  },
  {
    file: "attention.ts",
    name: "forgets the softmax",
    find:
      "    softmax(key.map((k, j) => visible(i, j) ? scale * dot(q, k) : -Infinity))",
    replace: "    key.map((k, j) => visible(i, j) ? scale * dot(q, k) : 0)",
    hint: "What should come out when all values are the same?",
  },
  {
    file: "attention.ts",
    name: "forgets to divide by the root of D",
    find: "scale = 1 / Math.sqrt(D)",
    replace: "scale = 1",
    hint: "What is the variance of a dot product of D terms?",
  },
  {
    file: "attention.ts",
    name: "masks with −1e9, which real scores can pass",
    find: "scale * dot(q, k) : -Infinity",
    replace: "scale * dot(q, k) : -1e9",
    hint: "Which is smaller, −1e9 or a score of −2e10?",
  },
  {
    file: "attention.ts",
    name: "lets the NaN of a masked value through: 0 · NaN",
    find: `      if (weight === 0) return;
`,
    replace: "",
    hint: "What is 0 · NaN?",
  },
  {
    file: "attention.ts",
    name: "gives NaN to a query that sees no key",
    find: `  if (max === -Infinity) return x.map(() => 0);
`,
    replace: "",
    hint: "What is −Infinity − −Infinity?",
  },
  {
    file: "attention.ts",
    name: "allows a key if padding or the mask allows it",
    find: "(mask?.[i][j] ?? true) && (present?.[j] ?? true)",
    replace: "((mask?.[i][j] ?? true) || (present?.[j] ?? true))",
    hint: "May a query see padding that its mask does not forbid?",
  },
  {
    file: "multi_head_attention.ts",
    name: "reshapes straight to (H, T, D), which mixes positions",
    find: "x.map((row) => row.slice(h * D, (h + 1) * D))",
    replace:
      "x.map((_, t) => x.flat().slice((h * x.length + t) * D, (h * x.length + t + 1) * D))",
    hint: "Does head 1 own some columns of every row, or some rows?",
  },
  {
    file: "multi_head_attention.ts",
    name: "takes every H-th column for a head",
    find: "row.slice(h * D, (h + 1) * D)",
    replace: "row.filter((_, c) => c % heads === h)",
    hint: "Which columns of the weights belong to head 0?",
  },
  {
    file: "multi_head_attention.ts",
    name: "puts the heads below one another, not side by side",
    find:
      "return (heads[0] ?? []).map((_, t) => heads.flatMap((head) => head[t]));",
    replace: "return heads.flatMap((head) => head.map((row) => [...row]));",
    hint: "How many rows should come out?",
  },
  {
    file: "multi_head_attention.ts",
    name: "forgets the output matrix",
    find: "return multiply(mergeHeads(heads), weights.output);",
    replace: "return mergeHeads(heads);",
    hint: "What should come out if the output matrix is all zeros?",
  },
  {
    file: "multi_head_attention.ts",
    name: "divides the scores by D, not by its root",
    find: "/ Math.sqrt(D)",
    replace: "/ D",
    hint: "Is D the variance of a score, or its standard deviation?",
  },
  {
    file: "multi_head_attention.ts",
    name: "deals the query heads out to the key heads in turn",
    find: "const kv = Math.floor(h / G);",
    replace: "const kv = h % KV;",
    hint: "With 4 query heads and 2 key heads: which does head 1 share?",
  },
  {
    file: "multi_head_attention.ts",
    name: "makes keys and values of x in cross-attention too",
    find: "const value = splitHeads(multiply(memory, weights.value), KV);",
    replace: "const value = splitHeads(multiply(x, weights.value), KV);",
    hint: "Where do the values of cross-attention come from?",
  },
  {
    file: "multi_head_attention.ts",
    name: "lets a position see the one after it",
    find: "Math.max(0, t + 1 + S - T)",
    replace: "Math.max(0, t + 2 + S - T)",
    hint: "How many keys may position 0 see?",
  },
  {
    file: "batched_heads.ts",
    name: "reads the groups before the heads that they share",
    find: "[B, T, KV, G, D]);",
    replace: "[B, T, G, KV, D]);",
    hint: "Which query heads share key head 0: neighbours, or every KV-th?",
  },
  {
    file: "batched_heads.ts",
    name: "leaves the heads before the positions when it merges them",
    find: `einsum("bkgts,bskd->btkgd"`,
    replace: `einsum("bkgts,bskd->bkgtd"`,
    hint:
      "Which axis must lie next to d, so that a reshape can merge the heads?",
  },
  {
    file: "batched_heads.ts",
    name: "transposes the scores",
    find: `einsum("btkgd,bskd->bkgts"`,
    replace: `einsum("bskgd,btkd->bkgts"`,
    hint: "Does a row of the scores belong to a query or to a key?",
  },
  {
    file: "batched_heads.ts",
    name: "adds over an axis that is asked for",
    find: "if (at < 0) return 0;",
    replace: "if (at <= 0) return 0;",
    hint: "At which index does the first letter stand?",
  },
  {
    file: "batched_heads.ts",
    name: "counts the row of the mask through all heads",
    find: "x.subarray(0, row % T + 1)",
    replace: "x.subarray(0, row + 1)",
    hint: "Which position is row T of the scores?",
  },
  {
    file: "bpe.ts",
    name: "counts characters again after merges, not symbols",
    find: `    for (const pair of pairsOf(symbols)) {
      const key`,
    replace: `    for (const pair of pairsOf([...symbols.join("")])) {
      const key`,
    hint: `After ("l", "o"), what is the neighbour of "w"?`,
  },
  {
    file: "bpe.ts",
    name: "misses the last pair of each word",
    find: "i + 1 < symbols.length",
    replace: "i + 2 < symbols.length",
    hint: "How many neighbouring pairs do n symbols have?",
  },
  {
    file: "bpe.ts",
    name: "counts on the words as they were, without the merges",
    find: "word.symbols = mergePair(word.symbols, best);",
    replace: "mergePair(word.symbols, best);",
    hint: "Which pair is the most frequent one the second time?",
  },
  {
    file: "bpe.ts",
    name: "counts each different word once",
    find: `if (seen) seen.count += count;
      else counts.set(key, { pair, count });`,
    replace: `if (seen) seen.count += 1;
      else counts.set(key, { pair, count: 1 });`,
    hint: "A word stands in the text five times: how much does its pair weigh?",
  },
  {
    file: "bpe.ts",
    name: "leaves ties to the order of the texts",
    find:
      `const sooner = ties === "sorted" && best && precedes(next.pair, best.pair);`,
    replace: "const sooner = false;",
    hint: "Does the tokenizer change if the texts come in another order?",
  },
  {
    file: "bpe.ts",
    name: "uses the right half of a merged pair again",
    find: "i += fits ? 2 : 1;",
    replace: "i += 1;",
    hint: `How many symbols are left of "aa" after (a, a)?`,
  },
  {
    file: "bpe.ts",
    name: "applies the latest merge first when it encodes",
    find: `best = Math.min(best, ranks.get(keyOf(pair)) ?? Infinity);
      }`,
    replace: `const rank = ranks.get(keyOf(pair)) ?? Infinity;
        if (best === Infinity || (rank > best && rank < Infinity)) best = rank;
      }`,
    hint: "In which order did training apply the merges?",
  },
  {
    file: "bpe.ts",
    name: "splits an emoji into two halves",
    find: "[...word, END]",
    replace: `[...word.split(""), END]`,
    hint: "How many UTF-16 units has 🙂, and how many code points?",
  },
  {
    file: "bpe.ts",
    name: "the end marker is the string </w>, which a text may hold",
    find: `export const END = " ";`,
    replace: `export const END = "</w>";`,
    hint: "What if the text is HTML?",
  },
  {
    file: "byte_bpe.ts",
    name: "leaves the old pairs of a merged piece in the counts",
    find: "tally(ids, -count, change);",
    replace: "tally(ids, 0, change);",
    hint: `After "the" is one token, does its piece still hold (t, h)?`,
  },
  {
    file: "byte_bpe.ts",
    name: "forgets the pairs that the new token forms",
    find: "tally(merged, count, change);",
    replace: "tally(merged.filter((other) => other !== id), count, change);",
    hint: "Which pairs exist now that did not before?",
  },
  {
    file: "byte_bpe.ts",
    name: "counts a changed piece once, however often it occurs",
    find: `      tally(ids, -count, change);
      tally(merged, count, change);`,
    replace: `      tally(ids, -1, change);
      tally(merged, 1, change);`,
    hint: "The first count was weighted: is the change?",
  },
  {
    file: "byte_bpe.ts",
    name: "trusts a count in the heap that is out of date",
    find: "if (counts.get(best.value) !== best.priority) continue;",
    replace: "if ((counts.get(best.value) ?? 0) <= 0) continue;",
    hint:
      "A pair was pushed with 9 and has lost 5 since: where in the heap is it?",
  },
  {
    file: "byte_bpe.ts",
    name: "does not index the pieces of new pairs after the first",
    find: "else if (list[list.length - 1] !== piece) list.push(piece);",
    replace: "else if (id === undefined) list.push(piece);",
    hint: "In how many pieces may a new pair stand?",
  },
  {
    file: "byte_bpe.ts",
    name: "breaks ties by whatever the heap has on top",
    find:
      "a.priority > b.priority || (a.priority === b.priority && a.value < b.value);",
    replace: "a.priority > b.priority;",
    hint: "Two pairs with the same count: does a recount pick the same one?",
  },
  {
    file: "byte_bpe.ts",
    name: "merges from the right pair of an overlap on",
    find:
      "const fits = i + 1 < ids.length && ids[i] * SHIFT + ids[i + 1] === pair;",
    replace:
      `const fits = i + 1 < ids.length && ids[i] * SHIFT + ids[i + 1] === pair &&
      (ids[i] !== ids[i + 1] || (ids.length - i) % 2 === 0);`,
    hint: `Is "aaa" aa + a or a + aa?`,
  },
  {
    file: "byte_bpe.ts",
    name: "counts everything again after every merge",
    find: `return pairs.map(halves);
}

/** What`,
    replace: `return trainByRecount(text, limit, split);
}

/** What`,
    hint: "How many counts does one merge change?",
  },
  {
    file: "byte_bpe.ts",
    name: "takes UTF-16 units for bytes",
    find: "ids: Array.from(utf8.encode(piece))",
    replace: "ids: Array.from(piece, (_, i) => piece.charCodeAt(i))",
    hint: "How large is the largest code unit, and how many bytes are there?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "forgets what it has encoded",
    find: "    known.set(piece, own);",
    replace: "",
    hint: "How often does a text have the same word?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "merges the latest learnt pair first",
    find: "if (id !== undefined) heap.push(-id, i);",
    replace: "if (id !== undefined) heap.push(id - 2 * SHIFT, i);",
    hint: "In which order did training apply the merges?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "of equal pairs in a run, takes the last one first",
    find: "a.value < b.value);",
    replace: "a.value > b.value);",
    hint: `Is "aaa" aa + a or a + aa?`,
  },
  {
    file: "byte_tokenizer.ts",
    name: "does not offer the pair with the neighbour on the left again",
    find: "if (before[i] >= 0) offer(before[i]);",
    replace: "",
    hint: "How many new pairs does a merge form?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "keeps the old left neighbour of what follows a merge",
    find: "if (after[i] < ids.length) before[after[i]] = i;",
    replace: "",
    hint: "Of a list linked both ways, how many links does a removal change?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "decodes each id by itself",
    find: `return new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(new Uint8Array(bytes));`,
    replace: `const reader = new TextDecoder("utf-8", { ignoreBOM: true });
  return bytes.length < 0
    ? ""
    : ids.map((id) => reader.decode(vocab[id].slice())).join("");`,
    hint: "What if one id holds the first half of an emoji?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "loses the byte order mark at the start of a text",
    find: "{ ignoreBOM: true }",
    replace: "{}",
    hint: "What does TextDecoder do with U+FEFF unless told otherwise?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "splits by JavaScript's white space, not by Unicode's",
    find:
      "[^\\p{White_Space}\\p{L}\\p{N}]+|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+/gu",
    replace: "[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+/gu",
    hint: "Is U+FEFF white space? Is U+0085?",
  },
  {
    file: "byte_tokenizer.ts",
    name: "takes a byte for its own id in a published table",
    find: "Array.from(bytes, (byte) => byteIds[byte])",
    replace: "Array.from(bytes)",
    hint: "Which id has the exclamation mark in GPT-2?",
  },
  {
    file: "sampling.ts",
    name: "top-p adds up logits instead of probabilities",
    find: "nucleusSize(kept, weights, topP)",
    replace: "nucleusSize(kept, logits, topP)",
    hint: "In which space does a sum of 0.9 mean nine tenths?",
  },
  {
    file: "sampling.ts",
    name: "drops the token that crosses top-p",
    find: "return n + 1;",
    replace: "return n;",
    hint: "Does the set without that token reach p?",
  },
  {
    file: "sampling.ts",
    name: "keeps one token more when the sum equals top-p",
    find: "if (sum >= enough)",
    replace: "if (sum > enough)",
    hint: "Two equal tokens and p = 0.5: how many reach it?",
  },
  {
    file: "sampling.ts",
    name: "keeps every token that ties with the k-th",
    find: "kept = kept.slice(0, topK);",
    replace:
      "kept = kept.filter((i) => logits[i] >= logits[kept.at(topK - 1) ?? i]);",
    hint: "Five equal logits and k = 1: how many may be drawn?",
  },
  {
    file: "sampling.ts",
    name: "measures the nucleus before the temperature",
    find: "nucleusSize(kept, weights, topP)",
    replace:
      "nucleusSize(kept, logits.map((x) => Math.exp(x - logits[best])), topP)",
    hint: "Does a flatter distribution need more tokens to reach p?",
  },
  {
    file: "sampling.ts",
    name: "applies top-p before top-k",
    find: `  if (topK > 0) kept = kept.slice(0, topK);
  if (topP < 1) kept = kept.slice(0, nucleusSize(kept, weights, topP));`,
    replace:
      `  if (topP < 1) kept = kept.slice(0, nucleusSize(kept, weights, topP));
  if (topK > 0) kept = kept.slice(0, topK);`,
    hint: "Of which sum is p a part, once only k tokens are left?",
  },
  {
    file: "sampling.ts",
    name: "divides by a temperature of 0",
    find: "if (temperature === 0) return",
    replace: "if (temperature < 0) return",
    hint: "What is (x − max) / 0 for the best token?",
  },
  {
    file: "sampling.ts",
    name: "compares min-p with the probability itself",
    find: "weights[i] >= minP",
    replace: "weights[i] / weights.reduce((sum, w) => sum + w) >= minP",
    hint: "If every token has 0.01, what does a min-p of 0.1 leave?",
  },
  {
    file: "sampling.ts",
    name: "runs top-p at p = 1 too, where rounding cuts the tail",
    find: "if (topP < 1)",
    replace: "if (topP <= 1)",
    hint: "When does a running sum of probabilities first round to 1?",
  },
  {
    file: "beam_search.ts",
    name: "multiplies the probabilities",
    find: "logProb: parent.logProb + logProb });",
    replace:
      "logProb: Math.log(Math.exp(parent.logProb) * Math.exp(logProb)) });",
    hint: "What is 0.1 to the power 400 as a double?",
  },
  {
    file: "beam_search.ts",
    name: "a beam that ended in EOS goes on living",
    find: "(done ? finished : live).push(",
    replace: "live.push(",
    hint: "Can anything follow EOS?",
  },
  {
    file: "beam_search.ts",
    name: "keeps W² strings instead of W",
    find: "live.length === width) return;",
    replace: "live.length === width ** 2) return;",
    hint: "How many calls of the model does one step make?",
  },
  {
    file: "beam_search.ts",
    name: "adds the finished strings to the results twice",
    find: "return [...finished, ...live]",
    replace: "return [...finished, ...finished, ...live]",
    hint: "Two beams end in the same step: how often is each returned?",
  },
  {
    file: "beam_search.ts",
    name: "ranks unfinished prefixes with the finished strings",
    find: "return [...finished, ...live].slice",
    replace:
      "return [...finished, ...live].sort((a, b) => b.score - a.score).slice",
    hint: "Which has fewer factors below 1 so far?",
  },
  {
    file: "beam_search.ts",
    name: "ranks finished strings by the sum, so the shortest win",
    find: "const score = logProb / lengthPenalty(t + 1, options);",
    replace: "const score = logProb;",
    hint: "What does each further token do to the sum?",
  },
  {
    file: "beam_search.ts",
    name: "counts BOS as a token of the length",
    find: "const score = logProb / lengthPenalty(t + 1, options);",
    replace: "const score = logProb / lengthPenalty(t + 2, options);",
    hint: "How many log-probabilities were added?",
  },
  {
    file: "beam_search.ts",
    name: "stops as soon as W strings are finished",
    find:
      "if (finished.length === width && finished[width - 1].score >= bound)",
    replace: "if (finished.length === width)",
    hint: "Could a longer string still have a better mean?",
  },
  {
    file: "beam_search.ts",
    name: "the stop takes the length so far for the longest possible",
    find: "/ lengthPenalty(maxLength, options);",
    replace: "/ lengthPenalty(t + 1, options);",
    hint: "Which length makes the best of a sum that can only fall?",
  },
  {
    file: "beam_search.ts",
    name: "sorts the worst to the front",
    find: "next.sort((a, b) => b.logProb - a.logProb);",
    replace: "next.sort((a, b) => a.logProb - b.logProb);",
    hint: "Is −1 or −5 the likelier log-probability?",
  },
  {
    file: "cross_entropy.ts",
    name: "takes the logarithm of the softmax",
    find: "return x.map((xi) => (xi - max) - Math.log1p(others));",
    replace:
      "return x.map((xi) => Math.log(Math.exp(xi - max) / (1 + others)));",
    hint: "What is the logarithm of a share too small to write?",
  },
  {
    file: "cross_entropy.ts",
    name: "smooths to a target that sums to more than 1",
    find: "v === target ? 1 - smoothing + rest : rest",
    replace: "v === target ? 1 : rest",
    hint: "What do five equal logits cost?",
  },
  {
    file: "cross_entropy.ts",
    name: "spreads ε as over V − 1 classes, and adds it to all V",
    find: "const rest = smoothing / V;",
    replace: "const rest = smoothing / Math.max(1, V - 1);",
    hint: "Does the class itself get its share of the uniform part?",
  },
  {
    file: "cross_entropy.ts",
    name: "takes the mean over the classes too",
    find: "reduce((sum, loss) => sum + loss, 0) / counted",
    replace:
      "reduce((sum, loss) => sum + loss, 0) / counted / logits[0].length",
    hint: "What do V equal logits cost?",
  },
  {
    file: "cross_entropy.ts",
    name: "divides by all rows, the ignored ones too",
    find: "targets.filter((target) => target !== ignoreIndex).length",
    replace: "targets.length",
    hint: "Does padding make the loss smaller?",
  },
  {
    file: "cross_entropy.ts",
    name: "takes −1 for the last class",
    find: "Number.isInteger(target) && target >= 0 && target < V",
    replace: "Number.isInteger(target) && target < V",
    hint: "Which class is −1?",
  },
  {
    file: "cross_entropy.ts",
    name: "smooths the loss, but not its gradient",
    find: "(share - target[v]) / counted",
    replace: "(share - (v === targets[b] ? 1 : 0)) / counted",
    hint: "Where is the gradient of a smoothed loss 0?",
  },
  {
    file: "cross_entropy.ts",
    name: "forgets that the gradient of a mean is a mean",
    find: "(share - target[v]) / counted",
    replace: "share - target[v]",
    hint: "How much does one row of B move the mean?",
  },
  {
    file: "cross_entropy.ts",
    name: "multiplies a share of 0 by −Infinity",
    find: "target[v] === 0 ? loss : loss - target[v] * l",
    replace: "loss - target[v] * l",
    hint: "What is 0 · −Infinity?",
  },
  {
    file: "calibration.ts",
    name: "lets a bin that is too sure make up for one that is not",
    find:
      "return excess.reduce((sum, e) => sum + Math.abs(e), 0) / shares.length;",
    replace:
      "return Math.abs(excess.reduce((sum, e) => sum + e, 0)) / shares.length;",
    hint: "Where does the absolute value belong: to each bin, or to all?",
  },
  {
    file: "calibration.ts",
    name: "takes the share of the target for the confidence",
    find: "const confidence = row[top];",
    replace: "const confidence = row[targets[n]];",
    hint: "How sure is the model of what it says when it is wrong?",
  },
  {
    file: "calibration.ts",
    name: "puts the edge of a bin into the upper one",
    find: "Math.min(bins, Math.ceil(confidence * bins)) - 1",
    replace: "Math.min(bins - 1, Math.floor(confidence * bins))",
    hint: "Of the bins (0, ½] and (½, 1], which holds ½?",
  },
  {
    file: "calibration.ts",
    name: "returns 1/T for T",
    find: "return 1 / high;",
    replace: "return high;",
    hint:
      "Should logits that are too large be divided by more, or by less, than 1?",
  },
  {
    file: "calibration.ts",
    name: "multiplies the logits by the temperature",
    find: "Math.exp((z - max) / temperature)",
    replace: "Math.exp((z - max) * Math.min(temperature, 1e9))",
    hint: "Is a hot softmax flatter or sharper?",
  },
  {
    file: "calibration.ts",
    name: "adds ε/V to every class without taking ε from the target",
    find: "(v === 0 ? 1 - eps : 0)",
    replace: "(v === 0 ? 1 : 0)",
    hint: "At which gap is the gradient of all logits the same?",
  },
  {
    file: "calibration.ts",
    name: "fits a temperature to rows that are all right",
    find: "z[targets[n]] === z[argmax(z)]",
    replace: "z[targets[n]] > z[argmax(z)]",
    hint: "Which temperature makes the NLL of right rows smallest?",
  },
  {
    file: "ml_primitives.ts",
    name: "reads a part of the doc only up to the end of its line",
    find: `parts[name] = \`\${parts[name] ?? ""} \${rest ?? words}\`.trim();`,
    replace: "parts[name] ??= (rest ?? words).trim();",
    hint: "How long may an answer be?",
  },
  {
    file: "ml_primitives.ts",
    name: "runs a demo as a module that is not the main one: nothing happens",
    find: `text.replace("if (import.meta.main)", "if (true)")`,
    replace: "text",
    hint: "What is import.meta.main in a module that is imported?",
  },
  {
    file: "ml_primitives.ts",
    name: "copies a script, and not what it imports",
    find:
      `    text = text.replace(\` from "./\${name}.ts";\`, \` from "\${url}";\`);`,
    replace: "    void url;",
    hint: "Relative to what is ./softmax.ts in a copy?",
  },
  {
    file: "ml_primitives.ts",
    name: "takes any path for a topic",
    find: "  if (!TOPICS.includes(name)) {",
    replace: `  if (name === "") {`,
    hint: "What is ../deno?",
  },
];
