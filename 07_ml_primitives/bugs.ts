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
    file: "kv_cache.ts",
    name: "attends only to the current token",
    find: "const { keys, values } = this;",
    replace:
      "const [keys, values] = [this.keys.subarray((T - 1) * D).slice(), this.values.subarray((T - 1) * E).slice()];",
    hint: "What is the softmax of one score, whatever the query?",
  },
  {
    file: "kv_cache.ts",
    name: "applies the causal mask of a square once more",
    find: `weights.forEach((w, t) => {
      for`,
    replace: `weights.forEach((w, t) => {
      if (t > 0) return;
      for`,
    hint:
      "Row 0 of a triangle hides all keys but the first. Which row is this query?",
  },
  {
    file: "kv_cache.ts",
    name: "attends to the unwritten rest of the array",
    find: "return Math.min(this.position, this.#capacity);",
    replace: "return this.#capacity;",
    hint: "A key of zeros has a score of 0. What is its weight?",
  },
  {
    file: "kv_cache.ts",
    name: "attends before it appends: a token does not see itself",
    find: `  cache.append(project.key(x, position), project.value(x, position));
  return cache.attend(project.query(x, position));`,
    replace: `  const out = cache.attend(project.query(x, position));
  cache.append(project.key(x, position), project.value(x, position));
  return out;`,
    hint: "Which keys may the first token attend to?",
  },
  {
    file: "kv_cache.ts",
    name: "makes a larger array at every append",
    find: "return this.#keys.subarray(0, this.length * this.#width[0]);",
    replace: "return this.#keys.slice(0, this.length * this.#width[0]);",
    hint: "How many numbers have been copied after T tokens?",
  },
  {
    file: "kv_cache.ts",
    name: "numbers the tokens by their slot, not by their place in the text",
    find: "const { position } = cache;",
    replace: "const position = 0;",
    hint: "By which angle is the hundredth key rotated?",
  },
  {
    file: "kv_cache.ts",
    name: "multiplies by √D instead of dividing",
    find: "Math.exp((s - max) / Math.sqrt(D))",
    replace: "Math.exp((s - max) * Math.sqrt(D))",
    hint: "The variance of a dot product grows with D. What undoes that?",
  },
  {
    file: "kv_cache.ts",
    name: "counts the keys and forgets the values",
    find: "n * size(name, x), 2);",
    replace: "n * size(name, x), 1);",
    hint: "How many arrays does a layer keep?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "writes to a shared block without copying it",
    find: "else if (this.allocator.users(table[page]) > 1) {",
    replace: "else if (this.allocator.users(table[page]) > 9) {",
    hint: "Two forks write their next token. Into which slot?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "copies the block, and stays a user of the old one",
    find: `      this.allocator.release(from);
`,
    replace: "",
    hint: "How many users has the block that both forks have left?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "frees a block while another request reads it",
    find: "if (this.users(block) === 0) this.#free.push(block);",
    replace: "this.#free.push(block);",
    hint: "The prompt ends before its forks do. Whose block is it then?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "a fork does not count as a user of its blocks",
    find: "table.forEach((block) => this.allocator.share(block));",
    replace: "",
    hint: "When two requests end that share a block, how often is it released?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "a fork keeps its parent's table itself, not a copy",
    find: "table: [...table], length",
    replace: "table, length",
    hint: "The fork takes a new block. In whose table does it appear?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "looks the token up at its place in the text, not through the table",
    find: "table[Math.floor(t / S)] * S + t % S;",
    replace: "table[0] * S + t;",
    hint: "Do the blocks of a request lie side by side?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "adds a page to the table before it knows that there is one",
    find: "table.push(this.allocator.take());",
    replace: "table[table.push(-1) - 1] = this.allocator.take();",
    hint: "What is in the table after the pool has said no?",
  },
  {
    file: "paged_kv_cache.ts",
    name: "a request can be freed twice",
    find: `    this.#live.delete(sequence);
`,
    replace: "",
    hint: "Between the two calls, who may have taken the blocks?",
  },
  {
    file: "lora.ts",
    name: "B is random at the start: the adapted model is not the base model",
    find: "new Array<number>(R).fill(0);",
    replace: "Array.from({ length: R }, random);",
    hint: "What should the first output be, before anything is learned?",
  },
  {
    file: "lora.ts",
    name: "A is zero too, so that nothing ever learns",
    find: "(2 * random() - 1) / Math.sqrt(IN)",
    replace: "0 * random()",
    hint:
      "The gradient of B holds A·x, that of A holds B. What if both are zero?",
  },
  {
    file: "lora.ts",
    name: "scales at the merge only",
    find: "return plus(y, this.scale, apply(this.adapter.b, hidden));",
    replace: "return plus(y, 1, apply(this.adapter.b, hidden));",
    hint:
      "Which output did the loss see, and which one does the merged model give?",
  },
  {
    file: "lora.ts",
    name: "scales the base as well",
    find: "return plus(y, this.scale, apply(this.adapter.b, hidden));",
    replace:
      "return plus(y, 1, apply(this.adapter.b, hidden)).map((row) => row.map((v) => v * this.scale));",
    hint: "With B at zero, what may α/R change?",
  },
  {
    file: "lora.ts",
    name: "makes W + α/R · B·A at every forward pass",
    find: `const y = apply(this.#weight, x); // (N, IN) → (N, OUT)
    if (this.merged) return y;`,
    replace:
      `const y = apply(this.merged ? this.#weight : plus(this.#weight, this.scale, this.#delta()), x);
    if (y) return y;`,
    hint: "How many numbers does B·A have, and how many does B·(A·x)?",
  },
  {
    file: "lora.ts",
    name: "counts the detour twice once it is merged",
    find: `    if (this.merged) return y;
`,
    replace: "",
    hint: "Where is B·A after a merge?",
  },
  {
    file: "lora.ts",
    name: "multiplies by alpha, not by alpha / R",
    find: "this.scale = alpha / R;",
    replace: "this.scale = alpha;",
    hint: "What happens to the learning rate when the rank is doubled?",
  },
  {
    file: "lora.ts",
    name: "the gradient of x forgets the detour",
    find: "plus(times(dy, this.#weight), 1, times(hidden, a))",
    replace: "times(dy, this.#weight)",
    hint: "On how many ways does x reach y?",
  },
  {
    file: "dora.ts",
    name: "one magnitude for all rows",
    find: "const factor = dora.magnitude[i] /",
    replace: "const factor = dora.magnitude[0] /",
    hint: "Are all rows of W equally long?",
  },
  {
    file: "dora.ts",
    name: "divides by the length of W, not of W + B·A",
    find: "Math.max(Math.hypot(...v), EPS);",
    replace: "Math.max(lengths(weight)[i], EPS);",
    hint: "Which vector has to be of length 1 before m is applied?",
  },
  {
    file: "dora.ts",
    name: "divides by zero for a row of zeros",
    find: "Math.max(Math.hypot(...v), EPS);",
    replace: "Math.hypot(...v);",
    hint: "What is 0 / 0?",
  },
  {
    file: "dora.ts",
    name: "the gradient takes the length for a constant",
    find: "(d - dMagnitude[i] * unit[j])",
    replace: "d",
    hint: "Can a step along V change V/‖V‖?",
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
    find: `    if (bin > 0 && confidence <= bin / bins) bin--;
`,
    replace: `    if (bin < bins - 1 && confidence >= (bin + 1) / bins) bin++;
`,
    hint: "Of the bins (0, ½] and (½, 1], which holds ½?",
  },
  {
    file: "calibration.ts",
    name: "returns 1/T for T",
    find: "const temperature = size / high;",
    replace: "const temperature = high / size;",
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
    file: "rope.ts",
    name: "turns the values as well",
    find: `  key: rope(key, ...at),
  value,
`,
    replace: `  key: rope(key, ...at),
  value: rope(value as Matrix, ...at) as unknown as V,
`,
    hint: "The scores see distances only. What would the output see?",
  },
  {
    file: "rope.ts",
    name: "pairs neighbours whatever the layout says",
    find: `layout === "halves" ? [i, i + half] : [2 * i, 2 * i + 1]`,
    replace: "[2 * i, 2 * i + 1]",
    hint: "With which pairs were the weights trained?",
  },
  {
    file: "rope.ts",
    name: "ignores the offset when decoding",
    find: `const start = typeof position === "number" ? position : 0;`,
    replace: "const start = 0;",
    hint:
      "The cache holds 7 tokens and one comes in alone. What is its number?",
  },
  {
    file: "rope.ts",
    name: "turns backwards and forwards: the sign of one sine is wrong",
    find: "row[a] * cos[at][i] - row[b] * sin[at][i]",
    replace: "row[a] * cos[at][i] + row[b] * sin[at][i]",
    hint: "How long is a pair after a turn?",
  },
  {
    file: "rope.ts",
    name: "turns queries and keys by twice the exponent's step",
    find: "base ** (-2 * i / D)",
    replace: "base ** (-4 * i / D)",
    hint: "How fast does the last pair turn, with base 10000?",
  },
  {
    file: "rope.ts",
    name: "multiplies the base by the factor itself",
    find: "base *= factor ** (D / (D - 2));",
    replace: "base *= factor;",
    hint:
      "The slowest pair is base^(−(D − 2)/D). Which base makes it slower by the factor?",
  },
  {
    file: "rope.ts",
    name: "interpolates in the wrong direction",
    find: "/ divisor",
    replace: "* divisor",
    hint: "Is position 8000 to look like 2000, or like 32000?",
  },
  {
    file: "yarn.ts",
    name: "interpolates the fast pairs and leaves the slow ones",
    find: "return keep * theta + (1 - keep) * theta / factor;",
    replace: "return (1 - keep) * theta + keep * theta / factor;",
    hint: "Which pair tells neighbours apart?",
  },
  {
    file: "yarn.ts",
    name: "interpolates every pair",
    find: "return keep * theta + (1 - keep) * theta / factor;",
    replace: "return theta / factor + 0 * keep;",
    hint: "How many radians are between neighbours then, for the fastest pair?",
  },
  {
    file: "yarn.ts",
    name: "counts radians for turns",
    find: `trained * theta / (2 * Math.PI);
    const`,
    replace: `trained * theta;
    const`,
    hint: "How many radians has a full turn?",
  },
  {
    file: "yarn.ts",
    name: "sharpens by the factor itself, not by its logarithm",
    find: "0.1 * Math.log(factor) + 1",
    replace: "0.1 * factor + 1",
    hint: "What should a factor of 1 change?",
  },
  {
    file: "long_rope.ts",
    name:
      "turns the new position by the long list before the text is longer than L",
    find: "return T > rope.trained ? rope.long : rope.short;",
    replace: "return T >= rope.trained ? rope.long : rope.short;",
    hint: "Which list did a text of exactly L tokens have in training?",
  },
  {
    file: "long_rope.ts",
    name: "keeps the cache when the list changes",
    find:
      "return cached > 0 && factorsFor(rope, cached) !== factorsFor(rope, T);",
    replace: "return cached > T;",
    hint: "By which list were the keys of token 1 turned?",
  },
  {
    file: "long_rope.ts",
    name: "multiplies the frequencies by the factors",
    find: "n * theta : n * theta / factor",
    replace: "n * theta : n * theta * factor",
    hint: "Is a longer text to turn further or less far?",
  },
  {
    file: "long_rope.ts",
    name: "scales the positions after the first ones that stay, one too many",
    find: "return n < unscaled ?",
    replace: "return n <= unscaled ?",
    hint: "How many positions are there below n̂, counted from 0?",
  },
  {
    file: "long_rope.ts",
    name: "leaves out the root of the scale, which queries and keys both get",
    find:
      "return Math.sqrt(1 + Math.log(longest / trained) / Math.log(trained));",
    replace: "return 1 + Math.log(longest / trained) / Math.log(trained);",
    hint: "A score is a product of two scaled vectors. By what does it grow?",
  },
  {
    file: "long_rope.ts",
    name: "scales as YaRN does",
    find:
      "return Math.sqrt(1 + Math.log(longest / trained) / Math.log(trained));",
    replace: "return 0.1 * Math.log(longest / trained) + 1;",
    hint: "What is the scale of 4096 positions read to 131072, by hand?",
  },
  {
    file: "long_rope.ts",
    name: "turns the second half of a vector the other way",
    find: "xi * cos[i - P] + x[i - P] * sin[i - P]",
    replace: "xi * cos[i - P] - x[i - P] * sin[i - P]",
    hint: "Does the length of a turned vector stay the same?",
  },
  {
    file: "long_rope.ts",
    name: "takes factors that fall from a fast pair to a slow one",
    find: "const least = i === 0 ? Number.MIN_VALUE : factors[i - 1];",
    replace: "const least = 1;",
    hint: "Which constraint did the search have?",
  },
  {
    file: "long_rope_search.ts",
    name: "changes factors without putting them back in order",
    find: "  ).sort((x, y) => x - y);",
    replace: "  );",
    hint: "Does every list that is rated rise?",
  },
  {
    file: "long_rope_search.ts",
    name: "crosses pair by pair without keeping the order",
    find: "least = Math.max(least, random() < 0.5 ? x : b.factors[i])",
    replace: "least = random() < 0.5 ? x : b.factors[i]",
    hint: "1, 8 and 3, 3: which children fall?",
  },
  {
    file: "long_rope_search.ts",
    name: "lets the children replace the best ones",
    find: "alive = best([...alive, ...children.map(rate)]);",
    replace: "alive = best(children.map(rate));",
    hint: "Can a round lose what the round before had found?",
  },
  {
    file: "long_rope_search.ts",
    name: "keeps the worst",
    find: "order(a.loss) - order(b.loss)",
    replace: "order(b.loss) - order(a.loss)",
    hint: "Is a high loss good?",
  },
  {
    file: "long_rope_search.ts",
    name: "lets a NaN of the loss decide the order",
    find: "Number.isNaN(x) ? Infinity : x",
    replace: "Number.isNaN(x) ? -Infinity : x",
    hint: "Where does NaN sort?",
  },
  {
    file: "long_rope_search.ts",
    name: "never changes how many positions stay unscaled",
    find: "random() < 0.3 ? pick(unscaled) : a.unscaled",
    replace: "a.unscaled",
    hint: "If all starts have n̂ = 0, which values are ever rated?",
  },
  {
    file: "long_rope_search.ts",
    name:
      "raises the base by s alone for NTK, so that the slowest pair is stretched less",
    find: "s ** (2 * i / (D - 2))",
    replace: "s ** (2 * i / D)",
    hint: "What should the factor of the last pair be?",
  },
  {
    file: "long_rope_search.ts",
    name: "counts radians as turns in YaRN's start",
    find: "base ** (-2 * i / D) / (2 * Math.PI)",
    replace: "base ** (-2 * i / D)",
    hint: "How far is one full turn?",
  },
  {
    file: "rope_precision.ts",
    name: "cuts the bits off instead of rounding",
    find: "bits[0] += 0x7fff + (bits[0] >>> 16 & 1);",
    replace: "bits[0] += 0;",
    hint: "Which is nearer to 259, 258 or 260?",
  },
  {
    file: "rope_precision.ts",
    name: "rounds halves up, not to even",
    find: "0x7fff + (bits[0] >>> 16 & 1)",
    replace: "0x8000",
    hint: "257 is between 256 and 258. Which of them ends in a 0 bit?",
  },
  {
    file: "rope_precision.ts",
    name: "forgets that the product is rounded too",
    find: "round(round(position) * round(theta))",
    replace: "round(position) * round(theta)",
    hint: "In which format does the multiplier put its result?",
  },
  {
    file: "rms_norm.ts",
    name: "adds eps outside the root",
    find: "Math.sqrt(meanSquare + eps / unit / unit)",
    replace: "Math.sqrt(meanSquare) + eps / unit",
    hint: "In which unit is eps: that of x, or that of x²?",
  },
  {
    file: "rms_norm.ts",
    name: "has no eps",
    find: "meanSquare + eps / unit / unit",
    replace: "meanSquare",
    hint: "What is a row of zeros divided by its length?",
  },
  {
    file: "rms_norm.ts",
    name: "multiplies by gamma as by a matrix of one column",
    find: "row.map((v, c) => v * gamma[c])), saved };",
    replace:
      "row.map(() => row.reduce((sum, v, c) => sum + v * gamma[c], 0))), saved };",
    hint: "Is gamma a projection, or a scale of each channel?",
  },
  {
    file: "rms_norm.ts",
    name: "divides by the length of the row, without the mean",
    find: "mean(centred.map((v) => v * v))",
    replace: "centred.reduce((sum, v) => sum + v * v, 0)",
    hint: "What should the mean square of the result be?",
  },
  {
    file: "rms_norm.ts",
    name: "squares before it takes the size out",
    find: "const scaled = row.map((v) => v / unit);",
    replace:
      "const scaled = row.map((v) => row.some((w) => w * w === Infinity) ? 0 : v / unit);",
    hint: "What is 1e200 squared?",
  },
  {
    file: "rms_norm.ts",
    name: "takes the variance over C − 1",
    find: "const meanSquare = mean(centred.map((v) => v * v));",
    replace:
      "const meanSquare = centred.reduce((sum, v) => sum + v * v, 0) / Math.max(1, middle === 0 ? C : C - 1);",
    hint: "Is a norm an estimate of something, or a fixed formula?",
  },
  {
    file: "rms_norm.ts",
    name: "treats the rms as a constant in the backward pass",
    find: "(v - middle - xhat[b][c] * along) / scale[b]",
    replace: "(v - middle) / scale[b]",
    hint: "Does the rms depend on x?",
  },
  {
    file: "rms_norm.ts",
    name: "treats the mean as a constant in the backward pass",
    find: "(v - middle - xhat[b][c] * along)",
    replace: "(v - 0 * middle - xhat[b][c] * along)",
    hint: "What does LayerNorm do to a shift of x?",
  },
  {
    file: "rms_norm.ts",
    name: "keeps only the last row's gradient of gamma",
    find: "dgamma[c] += v",
    replace: "dgamma[c] = v",
    hint: "How many rows does one gamma scale?",
  },
  {
    file: "pre_norm.ts",
    name: "norms the stream of pre-norm as well",
    find: `stream = placement === "post" ? norm(sum) : sum;`,
    replace: "stream = norm(sum);",
    hint:
      "What may stand between the input and the output of a pre-norm stream?",
  },
  {
    file: "pre_norm.ts",
    name: "forgets the norm after the last block of pre-norm",
    find: `const y = placement === "pre" ? norm(stream) : stream;`,
    replace: "const y = stream;",
    hint: "How large is a sum of L branches?",
  },
  {
    file: "pre_norm.ts",
    name: "loses the gradient that passes by the branch",
    find: "d = d.map((v, c) => v + branch[c]);",
    replace: "d = branch;",
    hint: "On how many ways does x reach x + f(x)?",
  },
  {
    file: "pre_norm.ts",
    name: "takes the norm of the branch for the identity on the way back",
    find: "branch = normBackward(branch, input);",
    replace: "branch = [...branch];",
    hint: "What is the derivative of x / rms(x)?",
  },
  {
    file: "pre_norm.ts",
    name:
      "gives LayerNorm's and RMSNorm's statistics two bytes, as an activation",
    find: "statistics * rows * 4",
    replace: "statistics * rows * bytes",
    hint: "In which precision are sums of 4096 squares kept?",
  },
  {
    file: "adamw.ts",
    name: "forgets the bias correction",
    find: `const mHat = m[i] / (1 - beta1 ** t);
        const vHat = v[i] / (1 - beta2 ** t);`,
    replace: "const [mHat, vHat] = [m[i], v[i]];",
    hint: "How far should the first step go?",
  },
  {
    file: "adamw.ts",
    name: "puts eps inside the root",
    find: "(Math.sqrt(vHat) + eps)",
    replace: "Math.sqrt(vHat + eps)",
    hint: "Beside which is 1e−8 small: a gradient, or its square?",
  },
  {
    file: "adamw.ts",
    name: "adds λ · p to the gradient: L2, not decoupled decay",
    find: "const g = grads[name][i];",
    replace: "const g = grads[name][i] + (1 - keep) / (lr || 1) * p[i];",
    hint: "What divides a decay that goes through the gradient?",
  },
  {
    file: "adamw.ts",
    name: "counts t once for all parameters",
    find: "const t = ++seen.t;",
    replace: `seen.t++;
      const t = Math.max(...[...this.#state.values(), seen].map((s) => s.t));`,
    hint: "How many gradients has a parameter seen that joined just now?",
  },
  {
    file: "adamw.ts",
    name: "starts t at 0",
    find: "const t = ++seen.t;",
    replace: "const t = seen.t++;",
    hint: "What is 1 − β⁰?",
  },
  {
    file: "adamw.ts",
    name: "lets a NaN into m and v, where it stays",
    find: "if (!Number.isFinite(g * g)) fail(",
    replace: "if (false) fail(",
    hint: "What is 0.9 · NaN + 0.1 · g, for any g?",
  },
  {
    file: "adamw.ts",
    name: "checks a gradient only when the parameters before it have moved",
    find: `      this.#check(name, params[name].length, grads);
    }`,
    replace: `    }
    const check = this.#check.bind(this);`,
    hint: "What if the last gradient is NaN?",
  },
  {
    file: "adamw.ts",
    name: "saves the moments themselves, not a copy",
    find: "return structuredClone(Object.fromEntries(this.#state));",
    replace: "return Object.fromEntries(this.#state);",
    hint: "What does the next step do to a checkpoint?",
  },
  {
    file: "adamw.ts",
    name: "decays norms and biases too",
    find: "decayed.has(name) ? 1 - lr * weightDecay : 1",
    replace: "1 - lr * weightDecay",
    hint: "Which parameters did the caller exclude?",
  },
  {
    file: "adamw.ts",
    name: "clips each gradient by its own length",
    find: "    for (const g of grad) norm = Math.hypot(norm, g);",
    replace: "    norm = Math.max(norm, Math.hypot(...grad));",
    hint: "Does the direction of all gradients together stay?",
  },
  {
    file: "adamw.ts",
    name: "counts the weights as optimizer state",
    find: "const state = N * 4 * (moments",
    replace: "const state = N * 4 * (1 + moments",
    hint: "Which two numbers does Adam add to each weight?",
  },
  {
    file: "muon.ts",
    name: "does not divide by the norm before the rounds",
    find: "norm === 0 ? 0 : g / norm",
    replace: "g",
    hint: "What does a·s + b·s³ + c·s⁵ do to a singular value of 10?",
  },
  {
    file: "muon.ts",
    name: "multiplies the wrong way round: XᵀX without its X",
    find: "row.map((v, j) => a * v + BX[i][j])",
    replace: "row.map((v, j) => a * v + (B[i][j] ?? 0))",
    hint: "Is every term of the polynomial odd in X?",
  },
  {
    file: "muon.ts",
    name: "keeps the momentum without the gradient's second turn (no Nesterov)",
    find: "orthogonalise(ahead)",
    replace: "orthogonalise(next)",
    hint: "At which point of the path does Nesterov take the direction?",
  },
  {
    file: "muon.ts",
    name: "orthogonalises the gradient, and keeps the momentum of that",
    find: "return { weight: moved, momentum: next };",
    replace: "return { weight: moved, momentum: step };",
    hint: "Which comes first, the mean or the orthogonalisation?",
  },
  {
    file: "muon.ts",
    name: "scales by N/M, not by M/N",
    find: "weight.length / weight[0].length",
    replace: "weight[0].length / weight.length",
    hint: "Which side of a tall matrix is larger?",
  },
  {
    file: "muon.ts",
    name: "forgets to turn a tall matrix back",
    find: "return transpose(orthogonalise(transpose(G), rounds, [a, b, c]));",
    replace: "return orthogonalise(transpose(G), rounds, [a, b, c]);",
    hint: "Which shape has the step of a (3, 2) weight?",
  },
  {
    file: "shampoo.ts",
    name: "takes −½ on each side",
    find: `const left = powerOf(L, -1 / 4, eps);
  const right = powerOf(R, -1 / 4, eps);`,
    replace: `const left = powerOf(L, -1 / 2, eps);
  const right = powerOf(R, -1 / 2, eps);`,
    hint: "L holds S². What is left of S after S^−1 · S · S^−1?",
  },
  {
    file: "shampoo.ts",
    name: "preconditions from the left only",
    find: "multiply(multiply(left, grad), right)",
    replace: "multiply(multiply(left, left), grad)",
    hint: "Which matrix knows about the columns?",
  },
  {
    file: "shampoo.ts",
    name: "forgets the gradients before this one",
    find: "v + (y?.[i][j] ?? 0)",
    replace: "v + 0 * (y?.[i][j] ?? 0)",
    hint: "Is L of the last step, or of all?",
  },
  {
    file: "shampoo.ts",
    name: "takes the root of each entry, not of the matrix",
    find: "const { values, vectors } = eigen(A);",
    replace: `const values = A.map((row, i) => row[i]);
  const vectors: number[][] = A.map((_, i) => A.map((_, j) => i === j ? 1 : 0));`,
    hint: "Is the square of that root the matrix?",
  },
  {
    file: "shampoo.ts",
    name: "divides by the eigenvalue of a direction that was never seen",
    find: "Math.max(v, eps * largest) ** power",
    replace: "v ** power",
    hint: "How many eigenvalues of Gᵀ·G are 0 if G is wide?",
  },
  {
    file: "grad_accumulation.ts",
    name: "does not zero the gradients after a window",
    find: `    for (const sum of Object.values(this.#sums)) sum.fill(0);
`,
    replace: "",
    hint: "Whose samples are in the second window's gradient?",
  },
  {
    file: "grad_accumulation.ts",
    name: "forgets the 1/n: the gradient is n times too long",
    find: "sum.map((s) => s / count)",
    replace: "sum.map((s) => s * this.#n / count)",
    hint: "Does a larger batch mean a longer gradient?",
  },
  {
    file: "grad_accumulation.ts",
    name: "steps the optimizer on every micro-batch",
    find: "if (this.#pending + 1 === this.#n) {",
    replace: "if (this.#pending < this.#n) {",
    hint: "How often is the optimizer called in a window?",
  },
  {
    file: "grad_accumulation.ts",
    name: "gives every micro-batch the same weight, whatever its size",
    find: "const { loss, grads, count } = this.#model.backward(batch);",
    replace: `const { loss, grads, ...micro } = this.#model.backward(batch);
    const count = micro.count > 0 ? 1 : micro.count;`,
    hint: "Is the mean of two means the mean of all?",
  },
  {
    file: "grad_accumulation.ts",
    name: "divides what is flushed by n micro-batches, not by those there are",
    find: `this.#apply(this.#sums, this.#count);
    return true;`,
    replace: `this.#apply(this.#sums, this.#count * this.#n / this.#pending);
    return true;`,
    hint: "How many samples are in the last window?",
  },
  {
    file: "grad_accumulation.ts",
    name: "adds the batch before it looks at it",
    find: `    this.#check(loss, grads, count);
`,
    replace: `    this.#count += count;
    this.#check(loss, grads, count);
    this.#count -= count;
`,
    hint: "What does a refused batch leave behind?",
  },
  {
    file: "grad_accumulation.ts",
    name: "returns the loss divided by n",
    find: "return loss;",
    replace: "return loss / this.#n;",
    hint: "Which of the two does one log?",
  },
  {
    file: "grad_accumulation.ts",
    name: "hands its own sums to the optimizer, and zeroes them",
    find: "mapTensors(sums, (sum) => sum.map((s) => s / count))",
    replace: `this.#sums;
    for (const name of Object.keys(grads)) grads[name].set(sums[name].map((s) => s / count))`,
    hint: "What does an optimizer hold that keeps its gradients?",
  },
  {
    file: "grad_accumulation.ts",
    name: "clips each micro-batch, not the average",
    find: "s + (grad ? count * grad[i] : 0)",
    replace:
      "s + (grad ? count * Math.sign(grad[i]) * Math.min(this.#maxNorm, Math.abs(grad[i])) : 0)",
    hint: "3 and −1, clipped to 2: before the mean, or after?",
  },
  {
    file: "batch_norm.ts",
    name: "normalises the rows: that is LayerNorm",
    find:
      "const columns = x[0].map((_, c) => x.map((row) => row[c])); // (C, B)",
    replace: "const columns = x.map((row) => [...row]);",
    hint: "Over which axis does BatchNorm take its mean?",
  },
  {
    file: "batch_norm.ts",
    name: "takes the variance over B − 1",
    find: "return mean(x.map((v) => (v - middle) ** 2));",
    replace:
      "return mean(x.map((v) => (v - middle) ** 2)) * x.length / (x.length - 1);",
    hint: "What is the variance of one row?",
  },
  {
    file: "batch_norm.ts",
    name: "lets LayerNorm use the variance of the batch's first row",
    find: "const scale = Math.sqrt(variance(row) + eps);",
    replace: "const scale = Math.sqrt(variance(x[0]) + eps);",
    hint: "Which rows may the result of a row depend on?",
  },
  {
    file: "vector_search.ts",
    name: "does not normalise, so a longer vector wins",
    find: "return y.map((yi) => yi / max / norm);",
    replace: "return y;",
    hint: "Which of (10, 10) and (1, 0) points the same way as (1, 0)?",
  },
  {
    file: "vector_search.ts",
    name: "divides a zero vector by its norm",
    find: `  if (max === 0) return y;
`,
    replace: "",
    hint: "What is 0 / 0, and where does it come in a sort?",
  },
  {
    file: "vector_search.ts",
    name: "adds a small ε to the norm instead of asking whether it is 0",
    find:
      `const norm = Math.sqrt(y.reduce((sum, yi) => sum + (yi / max) ** 2, 0));
  return y.map((yi) => yi / max / norm);`,
    replace: `const norm = Math.sqrt(y.reduce((sum, yi) => sum + yi ** 2, 0));
  return y.map((yi) => yi / (norm + 1e-8));`,
    hint: "What is left of a vector of length 1e−9?",
  },
  {
    file: "vector_search.ts",
    name: "squares entries before it scales them",
    find:
      `const norm = Math.sqrt(y.reduce((sum, yi) => sum + (yi / max) ** 2, 0));
  return y.map((yi) => yi / max / norm);`,
    replace: `const norm = Math.sqrt(y.reduce((sum, yi) => sum + yi ** 2, 0));
  return y.map((yi) => yi / norm);`,
    hint: "What is the square of 1e−200?",
  },
  {
    file: "vector_search.ts",
    name: "gives the worst of the k first",
    find: "worse(a, b) ? 1 : -1",
    replace: "worse(a, b) ? -1 : 1",
    hint: "Which end of an ascending sort is the best?",
  },
  {
    file: "vector_search.ts",
    name: "sorts every score to take k of them",
    find: "  // A heap whose root is",
    replace: `  if (!ids) {
    return Array.from({ length: scores.length }, (_, id) => id)
      .sort((a, b) => scores[b] - scores[a] || a - b).slice(0, k)
      .map((id) => ({ id, score: scores[id] }));
  }
  // A heap whose root is`,
    hint: "How often is each of 10,000 scores looked at?",
  },
  {
    file: "vector_search.ts",
    name: "sifts down to the left child without asking the right one",
    find:
      `      if (down + 1 < heap.length && worse(heap[down + 1], heap[down])) down++;
`,
    replace: "",
    hint: "Which of two children may become the parent of the other?",
  },
  {
    file: "vector_search.ts",
    name: "breaks ties by the place of the row in memory",
    find: "(a.score === b.score && a.id > b.id)",
    replace: "false",
    hint: "Which of two equal vectors comes first after the rows have moved?",
  },
  {
    file: "vector_search.ts",
    name: "leaves the moved row under the name of the removed one",
    find: `    if (last !== id) this.#ids[row] = last;
`,
    replace: "",
    hint: "Whose vector lies in the row of the removed one now?",
  },
  {
    file: "ivf.ts",
    name: "probes the farthest lists",
    find: "scores[b] - scores[a] || a - b",
    replace: "scores[a] - scores[b] || a - b",
    hint: "In which lists do the neighbours of a query lie?",
  },
  {
    file: "ivf.ts",
    name: "moves the centroid of an empty cell to the mean of nothing",
    find: "return mean.some((m) => m !== 0) ? mean : centres[l];",
    replace:
      "return mean.map((m) => m / sum.reduce((s, x) => s + Math.abs(x), 0));",
    hint: "What is 0 / 0?",
  },
  {
    file: "ivf.ts",
    name: "takes the mean of unit vectors for a unit vector",
    find: "const mean = unit(sum, sum.length);",
    replace: "const mean = sum.map((s) => s / points.length);",
    hint: "How long is the mean of two unit vectors at right angles?",
  },
  {
    file: "ivf.ts",
    name: "adds a new vector to the first list instead of the nearest",
    find: "const [cell] = nearest(this.centres, x, 1);",
    replace: "const cell = 0;",
    hint: "Where will a query look for it?",
  },
  {
    file: "ivf.ts",
    name: "scans all lists whatever the number of probes",
    find: "of nearest(this.centres, q, probes)",
    replace: "of nearest(this.centres, q, this.centres.length)",
    hint: "What does a search with one probe cost?",
  },
  {
    file: "quantised_search.ts",
    name: "returns the order of the codes without rescoring",
    find: "if (rescore) {",
    replace: "if (false) {",
    hint: "Of two neighbours with the same code, which is nearer?",
  },
  {
    file: "quantised_search.ts",
    name: "takes only k candidates, whatever the oversampling",
    find: "Math.ceil(oversampling * k)",
    replace: "k",
    hint: "Can rescoring find a row that the codes did not choose?",
  },
  {
    file: "quantised_search.ts",
    name: "scales by the largest entry, outliers and all",
    find: "const at = quantile * (sizes.length - 1);",
    replace: "const at = sizes.length - 1;",
    hint:
      "One entry of a thousand is 100 times the others. How many codes are left for them?",
  },
  {
    file: "quantised_search.ts",
    name: "lets clipped entries wrap around",
    find: "Math.max(-127, Math.min(127, x / scale))",
    replace: "x / scale",
    hint: "What is 130 as a signed byte?",
  },
  {
    file: "quantised_search.ts",
    name: "gives an entry of 0 the sign of a positive one",
    find: "if (x > 0) codes",
    replace: "if (x >= 0) codes",
    hint: "A zero vector and its own code: which bits are set?",
  },
  {
    file: "quantised_search.ts",
    name: "packs the bits of a row without a new word for the next row",
    find: "codes[n * words + (d >> 5)] |= 1 << (d & 31)",
    replace: "codes[i >> 5] |= 1 << (i & 31)",
    hint: "Where does row 1 begin if rows have 35 bits?",
  },
  {
    file: "quantised_search.ts",
    name: "counts equal bits as different ones",
    find: "return 1 - 2 * q.reduce(differ, 0) / D;",
    replace: "return 2 * q.reduce(differ, 0) / D - 1;",
    hint: "What does XOR leave of two equal words?",
  },
  {
    file: "quantised_search.ts",
    name: "compares rows of any length by their dot product",
    find: "this.#rows.set(unit(row, D), n * D)",
    replace: "this.#rows.set(row, n * D)",
    hint: "Which rows win if lengths differ?",
  },
  {
    file: "segments.ts",
    name: "drops the dead after the best were taken",
    find: "const living = [...ids.keys()].filter((row) => !dead.has(row));",
    replace: `const living = [...ids.keys()].sort((a, b) =>
        dot(query8, codes, b * this.D) - dot(query8, codes, a * this.D)
      ).slice(0, Math.ceil(oversampling * k)).filter((row) => !dead.has(row));`,
    hint: "All of the ten best are deleted. How many results are left?",
  },
  {
    file: "segments.ts",
    name: "forgets the tombstone of a changed vector",
    find: `    this.delete(id);
    this.#growing.set(id, row);`,
    replace: "    this.#growing.set(id, row);",
    hint: "Which versions of a vector can a search find?",
  },
  {
    file: "segments.ts",
    name: "does not search the growing segment",
    find: "const hits = [...this.#growing].map(([id, row]) => exact(id, row));",
    replace: "const hits: Hit[] = [];",
    hint: "When is a vector found after it was added?",
  },
  {
    file: "segments.ts",
    name: "searches one segment only",
    find: "dead } of this.#sealed) {",
    replace: "dead } of this.#sealed.slice(0, 1)) {",
    hint: "In how many places can the nearest vector be?",
  },
  {
    file: "segments.ts",
    name: "puts the results of the segments end to end instead of merging them",
    find:
      "return hits.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k);",
    replace: "return hits.slice(0, k);",
    hint: "Is the best of the first segment better than that of the second?",
  },
  {
    file: "segments.ts",
    name: "brings the dead back to life when it compacts",
    find: `          .filter((_, row) => !dead.has(row))
`,
    replace: "",
    hint: "What is compaction for?",
  },
  {
    file: "segments.ts",
    name:
      "keeps the growing segment after it was sealed, so that all is stored twice",
    find: `    this.#growing = new Map();
  }`,
    replace: "  }",
    hint: "How often does a search find a sealed vector?",
  },
  {
    file: "segments.ts",
    name: "moves vectors in a compaction and leaves their places as they were",
    find: "ids.forEach((id, row) => this.#place.set(id, { segment, row }));",
    replace: `ids.forEach((id, row) => {
      if (!this.#place.has(id)) this.#place.set(id, { segment, row });
    });`,
    hint: "Which row is deleted after a compaction?",
  },
  {
    file: "hnsw.ts",
    name: "takes k for ef, whatever width is asked for",
    find: "Math.max(ef, k)",
    replace: "k",
    hint: "What does a wider beam see that the first k do not?",
  },
  {
    file: "hnsw.ts",
    name: "does not raise ef to k",
    find: "Math.max(ef, k)",
    replace: "ef",
    hint: "How many nodes does a beam of 1 hold?",
  },
  {
    file: "hnsw.ts",
    name: "runs the wide beam in every layer",
    find: "distance, 1, layer, counts)[0].id",
    replace: "distance, ef, layer, counts)[0].id",
    hint: "How many nodes does the search hand on to the layer below?",
  },
  {
    file: "hnsw.ts",
    name: "forgets which nodes it has seen, except those in the beam",
    find: `    if (seen.has(id)) return;
`,
    replace: `    if (best.some((hit) => hit.id === id)) return;
`,
    hint: "How often is the distance to one node computed?",
  },
  {
    file: "hnsw.ts",
    name: "starts layer 0 from the entry instead of where the descent ended",
    find: "return beam(links, near, distance, Math.max(ef, k)",
    replace: "return beam(links, entry, distance, Math.max(ef, k)",
    hint: "What were the upper layers for?",
  },
  {
    file: "hnsw.ts",
    name: "stops at the first node that is no better than the best",
    find: "before(best[ef - 1], hit)) break",
    replace: "before(best[0], hit)) break",
    hint: "With which node of the beam is the next candidate compared?",
  },
  {
    file: "hnsw.ts",
    name: "never stops early, and walks on when nothing nearer can come",
    find: `    if (best.length === ef && before(best[ef - 1], hit)) break;
`,
    replace: "",
    hint: "Which open nodes can still lead into a full beam?",
  },
  {
    file: "hnsw.ts",
    name: "keeps a beam of any length",
    find: `    if (best.length > ef) best.pop();
`,
    replace: "",
    hint: "How many results does a beam of 3 return?",
  },
  {
    file: "hnsw_index.ts",
    name: "links the M nearest, so that clusters cut themselves off",
    find:
      "if (chosen.every((c) => distance < far(graph, q, c))) chosen.push(id);",
    replace: "if (q) chosen.push(id);",
    hint: "Which link of a cluster's node leads out of the cluster?",
  },
  {
    file: "hnsw_index.ts",
    name: "lets a node that is linked often keep all its links",
    find: "if (back.push(node) <= most) continue;",
    replace: "if (back.push(node) >= 0) continue;",
    hint: "How many links does the first node have in the end?",
  },
  {
    file: "hnsw_index.ts",
    name: "links one way only",
    find: `      const back = links[other][layer];
`,
    replace: `      const back = [...links[other][layer]];
`,
    hint: "How is a new node found if nothing leads to it?",
  },
  {
    file: "hnsw_index.ts",
    name: "draws layers that hold half of the one below, whatever M is",
    find: "/ Math.log(M)));",
    replace: "/ Math.LN2));",
    hint: "How many layers do N nodes need if each link list holds M?",
  },
  {
    file: "hnsw_index.ts",
    name: "lets removed vectors fill the beam",
    find: "if (nameless || names[id].length > 0) place",
    replace: "if (nameless || names[id]) place",
    hint: "How many of the ef in the beam may be returned?",
  },
  {
    file: "hnsw_index.ts",
    name: "does not walk through removed vectors",
    find: `    place(open, hit, -1);
`,
    replace: `    if (nameless || names[id].length > 0) place(open, hit, -1);
`,
    hint: "Which way leads to what was linked through them?",
  },
  {
    file: "hnsw_index.ts",
    name: "makes every copy a node of its own",
    find: "if (hits[0].distance > 0) continue;",
    replace: "if (hits[0].distance >= 0) continue;",
    hint: "To which links are a hundred equal vectors the nearest?",
  },
  {
    file: "hnsw_index.ts",
    name: "does not move the entry up to a new top layer",
    find: "if (level > top) graph.entry = node;",
    replace: "if (top < 0) graph.entry = node;",
    hint: "Who starts in the highest layer?",
  },
  {
    file: "bm25.ts",
    name: "takes log(N/df), so a term in every document counts nothing",
    find: "Math.log(1 + (N - df + 0.5) / (df + 0.5)),",
    replace: "Math.log(N / df),",
    hint: "What is the logarithm of 3/3?",
  },
  {
    file: "bm25.ts",
    name: "leaves out the factor k1 + 1: every score changes, no ranking does",
    find: "ids.length) * (k1 + 1);",
    replace: "ids.length);",
    hint: "What does a term that comes once in an average document count?",
  },
  {
    file: "bm25.ts",
    name: "counts raw repeats without saturation",
    find: "weight * tfs[i] / (tfs[i] + k1 * norm)",
    replace: "weight * tfs[i] / (1 + k1 * norm)",
    hint: "How much more do 500 repeats say than four?",
  },
  {
    file: "bm25.ts",
    name: "does not take the length into account",
    find: "1 - b + b * lengths[ids[i]] / average",
    replace: "1",
    hint: "Is one hit in two words worth less than two in a hundred?",
  },
  {
    file: "bm25.ts",
    name: "counts tokens for df instead of documents",
    find: "(lengths.length, ids.length)",
    replace: "(lengths.length, tfs.reduce((sum, tf) => sum + tf, 0))",
    hint: "May df be larger than N?",
  },
  {
    file: "bm25.ts",
    name: "ranks from 0 in the fusion",
    find: "1 / (constant + i + 1)",
    replace: "1 / (constant + i)",
    hint: "Which rank has the best document?",
  },
  {
    file: "bm25.ts",
    name: "adds scores of different scales",
    find: "high > low ? (score - low) / (high - low) : 1",
    replace: "score",
    hint: "What is a cosine of 0.9 beside a BM25 of 9?",
  },
  {
    file: "bm25f.ts",
    name: "saturates each field by itself and adds the scores",
    find: "return sum + w * tf / (1 - b + b * texts[n].length / average);",
    replace: `const c = tf / (1 - b + b * texts[n].length / average);
        return sum + w * c * (k1 + 1) / (c + k1);`,
    hint: "How much more do a title and a body say than a title?",
  },
  {
    file: "bm25f.ts",
    name: "normalises every field by the length of the first",
    find: "b * texts[n].length / average",
    replace: "b * parts[0].texts[n].length / parts[0].average",
    hint: "How long is a title beside a body?",
  },
  {
    file: "bm25f.ts",
    name: "leaves the weights out",
    find: "return sum + w * tf /",
    replace: "return sum + tf /",
    hint: "What makes a word in the title worth more?",
  },
  {
    file: "token_bucket.ts",
    name: "lets an idle bucket fill beyond its capacity",
    find: "Math.min(this.limit.capacity, this.#tokens + gained)",
    replace: "this.#tokens + gained",
    hint: "Nobody asks for an hour. How large may the next burst be?",
  },
  {
    file: "token_bucket.ts",
    name: "takes tokens away when the clock goes back",
    find: "    if (now > this.#last) {",
    replace: "    {",
    hint: "What is elapsed · rate if elapsed is −5 s?",
  },
  {
    file: "token_bucket.ts",
    name: "asks the time of day",
    find: "now = () => performance.now() / 1000",
    replace: "now = () => Date.now() / 1000",
    hint: "Which clock never jumps?",
  },
  {
    file: "token_bucket.ts",
    name: "takes milliseconds for seconds",
    find: "now = () => performance.now() / 1000",
    replace: "now = () => performance.now()",
    hint: "What does performance.now() count?",
  },
  {
    file: "token_bucket.ts",
    name: "starts empty",
    find: "    this.#tokens = capacity;",
    replace: "    this.#tokens = 0;",
    hint: "What may a new client do at once?",
  },
  {
    file: "token_bucket.ts",
    name: "takes tokens from a request that it refuses",
    find: "    if (this.wait(n) > 0) return false;",
    replace: `    if (this.wait(n) > 0) {
      this.#tokens = 0;
      return false;
    }`,
    hint: "What does a refused request cost?",
  },
  {
    file: "token_bucket.ts",
    name: "counts the same second twice",
    find: "      this.#last = now;",
    replace: "",
    hint: "From when on does the next request gain tokens?",
  },
  {
    file: "token_bucket.ts",
    name: "says no for ever to a request above the capacity",
    find: "    if (n > capacity || n === Infinity) {",
    replace: "    if (n === Infinity) {",
    hint: "How long does a client retry that can never succeed?",
  },
  {
    file: "token_bucket.ts",
    name: "mints tokens for a negative request",
    find: "    if (!(n >= 0)) {",
    replace: "    if (Number.isNaN(n)) {",
    hint: "What is tokens − (−5)?",
  },
  {
    file: "token_bucket.ts",
    name: "trusts that ten tenths are one",
    find: "const DRIFT = 1e-9;",
    replace: "const DRIFT = 0;",
    hint: "What is 0.1 added up ten times?",
  },
  {
    file: "token_bucket.ts",
    name: "takes from the first bucket before it asks the second",
    find: "    if (waits.some((seconds) => seconds > 0)) return false;",
    replace: "    void waits;",
    hint: "The second limit says no. Who gives the first its tokens back?",
  },
  {
    file: "token_bucket.ts",
    name: "gives a client new buckets with each request",
    find: "    this.#buckets.set(key, buckets);",
    replace: "",
    hint: "What does a limiter have to remember?",
  },
  {
    file: "token_bucket.ts",
    name: "forgets clients that still owe",
    find: "      if (full) this.#buckets.delete(key);",
    replace: "      if (full || key) this.#buckets.delete(key);",
    hint: "What does a forgotten client get?",
  },
  {
    file: "token_bucket.ts",
    name: "forgives the rounding of every request anew",
    find: "    this.#tokens -= n;",
    replace: "    this.#tokens = Math.max(0, this.#tokens - n);",
    hint: "A thousand requests for a billionth of a token: how many pass?",
  },
  {
    file: "leaky_bucket.ts",
    name: "lets a burst out at once",
    find: "    this.#free = leaves + this.#gap;",
    replace: "    this.#free = leaves;",
    hint: "When may the next request leave?",
  },
  {
    file: "leaky_bucket.ts",
    name: "has a queue without an end",
    find: "    if (waiting > this.#size) return undefined;",
    replace: "    void waiting;",
    hint: "How much memory does a flood of requests take?",
  },
  {
    file: "leaky_bucket.ts",
    name: "lets a request leave before it came, after a pause",
    find: "const leaves = Math.max(now, this.#free);",
    replace: "const leaves = this.#free === -Infinity ? now : this.#free;",
    hint: "Nobody came for a minute. When does the next one leave?",
  },
  {
    file: "leaky_bucket.ts",
    name: "refuses the last that fits the queue",
    find: "waiting > this.#size",
    replace: "waiting >= this.#size",
    hint: "How many may wait, besides the one that leaves?",
  },
  {
    file: "leaky_bucket.ts",
    name: "lets the level leak below nothing, and so saves up a burst",
    find: "Math.max(0, this.#level - (now - this.#last) * this.#rate)",
    replace: "this.#level - (now - this.#last) * this.#rate",
    hint: "How empty can a bucket be?",
  },
  {
    file: "leaky_bucket.ts",
    name: "pours in what it refuses",
    find:
      "    if (this.level + n - this.#capacity > 1e-9 * Math.max(1, n)) return false;",
    replace:
      `    if ((this.#level = this.level + n) > this.#capacity) return false;
    this.#level -= n;`,
    hint: "What does a refused request change?",
  },
  {
    file: "leaky_bucket.ts",
    name: "lets the level rise when the clock goes back",
    find: "    if (now > this.#last) {",
    replace: "    {",
    hint: "What leaks out in −5 s?",
  },
  {
    file: "shared_limiter.ts",
    name: "reads, decides and writes, whoever wrote in between",
    find:
      "    if ((this.#values.get(key)?.version ?? 0) !== version) return false;",
    replace: "",
    hint: "Two gateways read that one token is left. How many pass?",
  },
  {
    file: "shared_limiter.ts",
    name: "does not try again when another gateway was faster",
    find: "    if (await store.compareAndSet(key, version, next)) return true;",
    replace: "    return await store.compareAndSet(key, version, next);",
    hint: "Is there no token left, or was somebody else faster?",
  },
  {
    file: "shared_limiter.ts",
    name: "calls a counter that expires a sliding window",
    find: ".filter((t) => t > now - seconds);",
    replace:
      ".filter((t) => Math.floor(t / seconds) === Math.floor(now / seconds));",
    hint: "How many pass from one second before the edge to one after it?",
  },
  {
    file: "shared_limiter.ts",
    name: "lets a sliding window remember for ever",
    find: ".filter((t) => t > now - seconds);",
    replace: ".filter((t) => t > 0);",
    hint: "When is a grant forgotten?",
  },
  {
    file: "shared_limiter.ts",
    name: "does not begin a new window",
    find: "seen?.window === window ? seen.count : 0",
    replace: "seen ? seen.count : 0",
    hint: "What was EXPIRE for?",
  },
  {
    file: "shared_limiter.ts",
    name: "lets an idle bucket in the store fill beyond its capacity",
    find: "Math.min(capacity, tokens + gained) - 1",
    replace: "tokens + gained - 1",
    hint: "Nobody asks for an hour. How large may the next burst be?",
  },
  {
    file: "shared_limiter.ts",
    name: "throws at the client when the store is gone",
    find: `.catch(() => onFailure === "open")`,
    replace: "",
    hint: "Whose problem is the store?",
  },
  {
    file: "shared_limiter.ts",
    name: "lets all pass when the store is gone, whatever was decided",
    find: `.catch(() => onFailure === "open")`,
    replace: ".catch(() => true)",
    hint: "Who decided what happens then?",
  },
  {
    file: "shared_limiter.ts",
    name: "takes a busy store for a broken one",
    find: `  return false;
}

/** A limiter that does`,
    replace: `  throw new Error(key);
}

/** A limiter that does`,
    hint: "Others were faster a hundred times. Is the store gone?",
  },
  {
    file: "shared_limiter.ts",
    name: "begins a new window when the clock goes back",
    find: "seen?.window ?? -Infinity,",
    replace: "-Infinity,",
    hint: "Which window is it after the clock was set?",
  },
  {
    file: "shared_limiter.ts",
    name: "lets limiters of several kinds write over each other",
    find: "`${kind} ${key}`",
    replace: "key",
    hint: "What does a bucket read that finds a counter?",
  },
  {
    file: "lru_cache.ts",
    name: "does not make the entry of a get the newest",
    find: `this.hits++;
    this.#unlink(slot);
    this.#linkFirst(slot);`,
    replace: "this.hits++;",
    hint: "Put 1, put 2, get 1, put 3: which of them is left?",
  },
  {
    file: "lru_cache.ts",
    name: "drives out the newest entry",
    find: "const slot = full ? this.#newer[0]",
    replace: "const slot = full ? this.#older[0]",
    hint: "Which end of the list was used last?",
  },
  {
    file: "lru_cache.ts",
    name: "replaces the value of an old key without making it the newest",
    find: `this.#values[known] = value;
      this.#unlink(known);
      this.#linkFirst(known);`,
    replace: "this.#values[known] = value;",
    hint: "Is a put a use?",
  },
  {
    file: "lru_cache.ts",
    name: "leaves the evicted key in the Map",
    find: "this.#slots.delete(oldKey as K);",
    replace: "",
    hint: "Whose slot does the old key name now?",
  },
  {
    file: "lru_cache.ts",
    name: "takes a stored undefined for a missing entry",
    find: "if (found !== undefined || cache.has(key)) return found as V;",
    replace: "if (found !== undefined) return found as V;",
    hint: "What does get() return for a key whose value is undefined?",
  },
  {
    file: "lru_cache.ts",
    name: "deletes and sets a key again on each hit",
    find: "this.hits++;",
    replace:
      "this.hits++; this.#slots.delete(key); this.#slots.set(key, slot);",
    hint:
      "What happens to a hash table when its hottest key is deleted a million times?",
  },
  {
    file: "lru_cache.ts",
    name: "calls onEvict before the new entry is in",
    find: `this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#linkFirst(slot);
    // Last, so that an error thrown in there leaves nothing half done.
    if (full) this.onEvict?.(oldKey as K, oldValue as V);`,
    replace: `if (full) this.onEvict?.(oldKey as K, oldValue as V);
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#linkFirst(slot);`,
    hint: "What is left of the cache if the callback throws?",
  },
  {
    file: "lru_cache.ts",
    name: "never uses the slot of a deleted entry again",
    find: "this.#free.push(slot);",
    replace: "",
    hint: "How many slots are there, and how often can you delete?",
  },
  {
    file: "async_lru.ts",
    name: "lists the promise only when it has its value: check, await, set",
    find: `    this.#running.set(key, promise);
    return promise;`,
    replace:
      "    return promise.then((value) => (this.#running.set(key, promise), value));",
    hint: "What does the second caller find while the first one still waits?",
  },
  {
    file: "async_lru.ts",
    name: "remembers an error for ever",
    find: "if (listed()) this.#running.delete(key);",
    replace:
      "if (listed() && this.#values.has(key)) this.#running.delete(key);",
    hint: "What does the next caller get, once the service is up again?",
  },
  {
    file: "async_lru.ts",
    name: "stores a value that was deleted while it was computed",
    find: "if (listed()) this.#store(key, value);",
    replace: "this.#store(key, value);",
    hint: "Was the key deleted before or after the computation read its data?",
  },
  {
    file: "async_lru.ts",
    name: "an old computation unlists the new one of its key",
    find: "if (listed()) this.#running.delete(key);",
    replace: "this.#running.delete(key);",
    hint: "Whose promise stands there when the old computation ends?",
  },
  {
    file: "async_lru.ts",
    name: "a delete forgets the value, and lets what runs store another",
    find: "const ran = this.#running.delete(key);",
    replace: "const ran = this.#running.has(key);",
    hint: "What about the value that is not there yet?",
  },
  {
    file: "async_lru.ts",
    name: "unlists the computation when those who wait already go on",
    find: "if (listed()) this.#running.delete(key);",
    replace:
      "own().catch(() => {}).then(() => listed() && this.#running.delete(key));",
    hint: "Which promise does a retry in the catch get?",
  },
  {
    file: "async_lru.ts",
    name: "takes a stored undefined for a missing value",
    find: "if (this.#values.has(key)) {",
    replace: "if (this.#values.get(key) !== undefined) {",
    hint: "How often is a key computed whose value is undefined?",
  },
  {
    file: "async_lru.ts",
    name: "a turn is given back, and then the next one is woken",
    find: `if (next) next();
      else this.#free++;`,
    replace: `this.#free++;
      if (next) setTimeout(() => (this.#free--, next()));`,
    hint: "Who can take the turn before the one that was woken runs?",
  },
  {
    file: "sharded_lru.ts",
    name: "reads the old value before it has the lock",
    find: `    return shard.lock.run(async () => {
      const { capacity, entries } = shard;
      const value = await next(entries.get(key));`,
    replace: `    const old = shard.entries.get(key);
    return shard.lock.run(async () => {
      const { capacity, entries } = shard;
      const value = await next(old);`,
    hint: "What do 100 callers read, if all of them read at once?",
  },
  {
    file: "sharded_lru.ts",
    name: "a task that fails keeps the lock for ever",
    find: "this.#last = result.then(ended, ended);",
    replace: `this.#last = result.then(ended);
    this.#last.catch(ended);`,
    hint: "What does the next task wait for, if the last one threw?",
  },
  {
    file: "sharded_lru.ts",
    name: "a plain set goes past the lock",
    find: "await this.update(key, () => value);",
    replace: `const { entries } = this.#shards[this.shardOf(key)];
    await Promise.resolve(entries.set(key, value));`,
    hint: "What does an update write that read before the set?",
  },
  {
    file: "sharded_lru.ts",
    name: "a delete goes past the lock",
    find: "return lock.run(() => entries.delete(key));",
    replace: "return Promise.resolve(lock && entries.delete(key));",
    hint: "What does an update put back that read before the delete?",
  },
  {
    file: "sharded_lru.ts",
    name: "one lock for all shards",
    find: `    this.#shards = Array.from({ length: shards }, (_, i) => ({
      capacity: base + (i < capacity % shards ? 1 : 0),
      lock: new Mutex(),`,
    replace: `    const lock = new Mutex();
    this.#shards = Array.from({ length: shards }, (_, i) => ({
      capacity: base + (i < capacity % shards ? 1 : 0),
      lock,`,
    hint: "Do updates of two shards overlap?",
  },
  {
    file: "sharded_lru.ts",
    name: "the remainder of a negative hash is negative",
    find: "(this.#hash(key) >>> 0) % this.#shards.length",
    replace: "(this.#hash(key) | 0) % this.#shards.length",
    hint: "What is -7 % 5?",
  },
  {
    file: "sharded_lru.ts",
    name: "every shard gets the rounded-up share",
    find: "base + (i < capacity % shards ? 1 : 0)",
    replace: "base + (capacity % shards && i >= 0 ? 1 : 0)",
    hint: "What do the shares of 7 in 3 shards sum to?",
  },
  {
    file: "sharded_lru.ts",
    name: "hashes every object to the same text",
    find: `  if (Object(key) === key) {
    throw new TypeError("Cannot hash an object: pass a hash for such keys");
  }
`,
    replace: "",
    hint: "What is String({})? And String([1]) after a push?",
  },
  {
    file: "prefix_cache.ts",
    name: "knows a block by its own tokens",
    find: "    return `${parent} ${tokens",
    replace: "    return `${String(parent).slice(0, 0)} ${tokens",
    hint: "Are the values of 5 5 5 5 the same behind another prefix?",
  },
  {
    file: "prefix_cache.ts",
    name: "trusts a hash of the tokens",
    find:
      "    return `${parent} ${tokens.slice(i * this.#S, (i + 1) * this.#S)}`;",
    replace: `    const own = tokens.slice(i * this.#S, (i + 1) * this.#S);
    return \`\${parent} \${own.reduce((hash, t) => hash * 31 + t | 0, 7)}\`;`,
    hint: "Which tokens have the same hash as 1, 33?",
  },
  {
    file: "prefix_cache.ts",
    name: "shares the last token too, and computes nothing",
    find: "Math.floor((tokens.length - 1) / this.#S)",
    replace: "Math.floor(tokens.length / this.#S)",
    hint: "Where do the logits of a fully cached prompt come from?",
  },
  {
    file: "prefix_cache.ts",
    name: "gives the first block back first",
    find: "request.table.toReversed().forEach",
    replace: "request.table.forEach",
    hint: "What is a child worth whose parent was overwritten?",
  },
  {
    file: "prefix_cache.ts",
    name: "counts the blocks that it has found as free for the rest",
    find: "this.#demand(fresh, this.free() - idle);",
    replace: "this.#demand(fresh + 0 * idle, this.free());",
    hint: "Can a block be read and overwritten by the same request?",
  },
  {
    file: "prefix_cache.ts",
    name: "lets others find a block before it is computed",
    find: `    this.#live.add(request);
`,
    replace: `    this.#live.add(request);
    this.commit(request);
    request.computed = computed;
`,
    hint: "What stands in the block between start and commit?",
  },
  {
    file: "prefix_cache.ts",
    name: "an overwritten block can still be found",
    find:
      "if (key !== undefined && this.#known.delete(key)) this.stats.evicted++;",
    replace: "if (key !== undefined) this.stats.evicted++;",
    hint: "What does its old key lead to now?",
  },
  {
    file: "prefix_cache.ts",
    name: "takes some blocks before it sees that there are too few",
    find: `    this.#demand(fresh, this.free() - idle);
    table.forEach((block) => this.#use(block));
    const computed = table.length * this.#S;
    for (let i = 0; i < fresh; i++) table.push(this.#take());`,
    replace: `    table.forEach((block) => this.#use(block));
    const computed = table.length * this.#S;
    for (let i = 0; i < fresh; i++) {
      this.#demand(1, this.free() + 0 * idle);
      table.push(this.#take());
    }`,
    hint: "Who gives back what a request took that never began?",
  },
  {
    file: "speculative_decoding.ts",
    name: "accepts where the target is at least as sure as the draft",
    find: "random() * draft[i][x] < target[i][x]",
    replace: "draft[i][x] <= target[i][x]",
    hint: "How often must a token of half the draft's probability pass?",
  },
  {
    file: "speculative_decoding.ts",
    name: "draws from the target after a rejection",
    find: "draw(residual(target[i], draft[i]), random)",
    replace: "draw(target[i], random)",
    hint: "Which tokens did acceptance already give their share?",
  },
  {
    file: "speculative_decoding.ts",
    name: "gives no bonus token",
    find: "tokens: [...drafted, draw(target[K], random)],",
    replace: "tokens: [...drafted],",
    hint: "What does the target's last row predict?",
  },
  {
    file: "speculative_decoding.ts",
    name: "keeps the accepted drafts after a rejected one",
    find: "...drafted.slice(0, i), token",
    replace: "...drafted.slice(0, i), token, ...drafted.slice(i + 1)",
    hint: "Which prefix were the later drafts drawn for?",
  },
  {
    file: "speculative_decoding.ts",
    name: "adds 1e-9 to the sum it divides the residual by",
    find: "rest.map((r) => r / mass)",
    replace: "rest.map((r) => r / (mass + 1e-9))",
    hint: "How large is the residual of a draft that is nearly right?",
  },
  {
    file: "speculative_decoding.ts",
    name: "compares the random number with p / (q + 1e-9)",
    find: "random() * draft[i][x] < target[i][x]",
    replace: "random() <= target[i][x] / (draft[i][x] + 1e-9)",
    hint: "How often is a token of p = q = 1e-9 accepted?",
  },
  {
    file: "speculative_decoding.ts",
    name: "expects 1 + αK tokens a pass",
    find: "tokens = 1 + alpha * tokens",
    replace: "tokens += alpha",
    hint: "Can the third draft be accepted when the second was not?",
  },
  {
    file: "speculative_decoding.ts",
    name: "scores the drafts with the rows one position late",
    find: "slice(prefix.length - 1); // (K + 1, V)",
    replace: "slice(prefix.length); // (K + 1, V)",
    hint: "Which row predicts the first drafted token?",
  },
  {
    file: "medusa.ts",
    name: "fits each head one token too near: head 1 learns what the root says",
    find: "token === tokens[t + k + 2] ? 1 : 0",
    replace: "token === tokens[t + k + 1] ? 1 : 0",
    hint:
      "State t has read token t and decides t + 1. What is left for head 1?",
  },
  {
    file: "medusa.ts",
    name:
      "guesses from the root's state, not from the one that decided the next token",
    find: "hidden[path[path.length - 1]]",
    replace: "hidden[0]",
    hint: "Which node had the row that `next` is the argmax of?",
  },
  {
    file: "medusa.ts",
    name: "leaves out the token after the accepted path",
    find: "text.push(...path.slice(1).map((node) => tree.tokens[node]), next);",
    replace: `text.push(...path.slice(1).map((node) => tree.tokens[node]));
    if (path.length === 1) text.push(next);`,
    hint: "How many tokens does a pass give if all K guesses are right?",
  },
  {
    file: "medusa.ts",
    name: "looks for the argmax anywhere in the tree, not below the node",
    find: "parents[n] === node && x === next",
    replace: "n > node && x === next",
    hint:
      "The same token stands under two parents. Which one did the target read?",
  },
  {
    file: "medusa.ts",
    name: "pairs the guesses of the heads one to one instead of crossing them",
    find: `level = level.flatMap((parent) =>
      order.slice(0, sizes[i]).map((token) => {`,
    replace: `level = level.flatMap((parent, at) =>
      order.slice(at, at + 1).map((token) => {`,
    hint: "How many leaves have 2 guesses of one head and 3 of the next?",
  },
  {
    file: "medusa.ts",
    name: "takes the least likely guesses of each head",
    find: "q[b] - q[a] || a - b",
    replace: "q[a] - q[b] || a - b",
    hint: "Which way does sort() order?",
  },
  {
    file: "medusa.ts",
    name:
      "decides a pass by the argmax of the heads, without asking the target",
    find: "const { path, next } = verifyGreedy(tree, probs);",
    replace: `const path = [0];
    for (let n = 1; tree.parents.includes(path[path.length - 1]); n++) {
      path.push(tree.parents.indexOf(path[path.length - 1]));
    }
    const { next } = verifyGreedy(
      { tokens: [0], parents: [-1] },
      [probs[path[path.length - 1]]],
    );`,
    hint: "Who said that the guesses are right?",
  },
  {
    file: "medusa_acceptance.ts",
    name: "raises the threshold to the larger of the two",
    find: "return Math.min(eps, delta * Math.exp(-H));",
    replace: "return Math.max(eps, delta * Math.exp(-H));",
    hint: "Of 100 equally likely tokens, is any above 0.09?",
  },
  {
    file: "medusa_acceptance.ts",
    name: "measures the entropy in bits",
    find: "sum - x * Math.log(x) : sum",
    replace: "sum - x * Math.log2(x) : sum",
    hint: "exp(−H) of V equal tokens is 1/V. In which unit?",
  },
  {
    file: "medusa_acceptance.ts",
    name: "accepts tokens below a rejected one",
    find: "if (before === undefined || !(p > limits[parent])) continue;",
    replace: "if (!(p > limits[parent])) continue;",
    hint: "Which text did the target read before this node?",
  },
  {
    file: "medusa_acceptance.ts",
    name: "compares paths by their last token's probability alone",
    find: "before.log + Math.log(p)",
    replace: "Math.log(p)",
    hint: "How likely is a path of two tokens?",
  },
  {
    file: "medusa_acceptance.ts",
    name: "takes the likeliest path, not the longest",
    find: "if (longer > 0 || (longer === 0 && passed[n].log > best.log)) {",
    replace: "if (best.path.length === 1 || passed[n].log > best.log) {",
    hint: "Can a longer path be likelier than its own beginning?",
  },
  {
    file: "medusa_acceptance.ts",
    name:
      "draws from the target's row after a rejection, not from the residual",
    find: "const rest = p.map((py, y) => Math.max(0, py - q[y]));",
    replace: "const rest = p;",
    hint: "What did the accepted draws leave short?",
  },
  {
    file: "medusa_acceptance.ts",
    name:
      "accepts whatever the target finds likelier than the head, and nothing else",
    find: "if (!(random() * q[x] < p[x])) {",
    replace: "if (!(q[x] <= p[x])) {",
    hint: "A token of p = 0.4 and q = 0.5: how often is it to come?",
  },
  {
    file: "medusa_acceptance.ts",
    name: "draws the token after a full chain from the row before it",
    find: "draw(probs[guesses.length], random)",
    replace: "draw(probs[Math.max(0, guesses.length - 1)], random)",
    hint: "K guesses have how many rows?",
  },
  {
    file: "tree_attention.ts",
    name: "masks the flattened tree causally, so that siblings see each other",
    find: "(_, m) => parent >= 0 && mask[parent][T + m]",
    replace: "(_, m) => m <= n",
    hint: "Which of the nodes before this one are on its own path?",
  },
  {
    file: "tree_attention.ts",
    name: "shows a node its parent only, not the ancestors above",
    find: "(_, m) => parent >= 0 && mask[parent][T + m]",
    replace: "(_, m) => m === parent",
    hint: "What does a grandchild see in a chain?",
  },
  {
    file: "tree_attention.ts",
    name: "hides a node from itself",
    find: "row[n] = true;",
    replace: "row[n] = parent < 0;",
    hint: "What stands on the diagonal of a causal mask?",
  },
  {
    file: "tree_attention.ts",
    name: "numbers positions by place in the list",
    find: "(row) => T - 1 + row.filter(Boolean).length",
    replace: "(_, n) => T + n",
    hint: "Two siblings continue the same text. Where does each stand?",
  },
  {
    file: "tree_attention.ts",
    name: "forgets the prefix in the positions",
    find: "T - 1 + row.filter(Boolean).length",
    replace: "row.filter(Boolean).length - 1",
    hint: "Where is the root of a tree behind three tokens?",
  },
  {
    file: "tree_attention.ts",
    name: "keeps the first rows of the tree in the cache, as for a chain",
    find: "path.map((n) => rows[T + n])",
    replace: "path.map((_, n) => rows[T + n])",
    hint: "Do the accepted nodes lie side by side?",
  },
  {
    file: "tree_attention.ts",
    name: "divides the scores by the width, not by its root",
    find: "/ Math.sqrt(q.length)",
    replace: "/ q.length",
    hint: "What is the standard deviation of a sum of D products?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "stops after the reduce-scatter",
    find: "step < 2 * (n - 1); step++",
    replace: "step < n - 1; step++",
    hint: "How many of its n chunks does a worker have complete by then?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "passes on its first numbers, not the sums so far",
    find: "    const messages = results.map((numbers, r) => {",
    replace: "    const messages = workers.map((numbers, r) => {",
    hint: "What has its left neighbour added by now?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "turns the direction, and not the order of the chunks",
    find: "results[mod(r + 1, n)]",
    replace: "results[mod(r - 1, n)]",
    hint: "Which chunk does the left neighbour wait for?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "adds in the all-gather, too",
    find: "const reducing = step < n - 1;",
    replace: "const reducing = step < 2 * n;",
    hint: "What is a complete chunk plus an incomplete one?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "changes the numbers of the workers",
    find: "const results = workers.map((numbers) => [...numbers]);",
    replace: "const results = workers.map((numbers) => numbers as number[]);",
    hint: "Whose gradients are they?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "leaves out the last numbers, where n does not divide d",
    find: "return Math.floor(j * d / n);",
    replace: "return j * Math.floor(d / n);",
    hint: "Which chunk has the 10th of 10 numbers, with 3 workers?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "adds another worker's length without a word",
    find: "  if (odd < 0) return { n, d };",
    replace: "  if (odd < n) return { n, d };",
    hint: "What is undefined plus 1?",
  },
  {
    file: "ring_all_reduce.ts",
    name: "counts what goes into the server, not what comes out",
    find: "moved: moved + n * d",
    replace: "moved",
    hint: "How do the workers get the sum?",
  },
  {
    file: "pipelined_ring.ts",
    name: "lets a link carry two messages at once",
    find: "const begin = Math.max(ready[r][part], linkFree[r]);",
    replace: "const begin = ready[r][part];",
    hint: "When is the link free for the next piece?",
  },
  {
    file: "pipelined_ring.ts",
    name: "sends a piece before it is added",
    find: "const begin = Math.max(ready[r][part], linkFree[r]);",
    replace: "const begin = linkFree[r];",
    hint: "What does a worker pass on?",
  },
  {
    file: "pipelined_ring.ts",
    name: "adds two pieces at once",
    find: "done = Math.max(done, adderFree[right]) + data.length * costs.add;",
    replace: "done += data.length * costs.add;",
    hint: "How many adders has a worker?",
  },
  {
    file: "pipelined_ring.ts",
    name: "counts no time for a message itself",
    find: "begin + costs.message + (to - from)",
    replace: "begin + (to - from)",
    hint: "Why not a million pieces?",
  },
  {
    file: "pipelined_ring.ts",
    name: "adds in the all-gather, too",
    find: "      if (step < n - 1) {",
    replace: "      if (step < 2 * n) {",
    hint: "What is a complete chunk plus an incomplete one?",
  },
  {
    file: "pipelined_ring.ts",
    name: "takes the bound of one phase for that of both",
    find: "return 2 * (n - 1) / n * d * number;",
    replace: "return (n - 1) / n * d * number;",
    hint: "How often does each number cross a link?",
  },
  {
    file: "decode_loop.ts",
    name: "turns every key as if it were the first",
    find:
      "const keys = rope(heads(layer.key), turns, same(sizes.KV, position));",
    replace: "const keys = rope(heads(layer.key), turns, same(sizes.KV, 0));",
    hint: "Which position has the token of this step?",
  },
  {
    file: "decode_loop.ts",
    name: "turns the heads as if they were positions",
    find: "rope(heads(layer.query), turns, same(sizes.H, position))",
    replace: "rope(heads(layer.query), turns, position)",
    hint: "The rows here are heads. At which position is each?",
  },
  {
    file: "decode_loop.ts",
    name: "gives all queries the first head of keys",
    find: "caches[Math.floor(i / G)].attend(query)",
    replace: "caches[0].attend(query)",
    hint: "Which head of keys does query head i share?",
  },
  {
    file: "decode_loop.ts",
    name: "forgets the residual of attention",
    find: `x = feedForward(plus(x, times(out, layer.output)), layer);
    });
    return`,
    replace: `x = feedForward(times(out, layer.output), layer);
    });
    return`,
    hint: "What does a layer add to?",
  },
  {
    file: "decode_loop.ts",
    name: "shares one cache between the layers",
    find: "const caches = this.#caches[l];",
    replace: "const caches = this.#caches[l * 0];",
    hint: "Whose keys does the second layer attend to?",
  },
  {
    file: "decode_loop.ts",
    name: "runs the last token, though nobody asks what follows",
    find: "if (tokens.length < count) logits = decoder.step(tokens.at(-1)!);",
    replace: "logits = decoder.step(tokens.at(-1)!);",
    hint: "How many steps do n new tokens take?",
  },
  {
    file: "decode_loop.ts",
    name: "feeds the first token of the prompt only",
    find: "prompt.map((token) => decoder.step(token)).at(-1)!",
    replace: "decoder.step(prompt[0])",
    hint: "What must be in the cache before the first new token?",
  },
  {
    file: "decode_loop.ts",
    name: "lets the run without a cache see what comes later",
    find: "{ causal: true }",
    replace: "{ causal: false }",
    hint: "What had token t seen when it was decoded?",
  },
  {
    file: "hybrid_search.ts",
    name: "takes no more candidates than results",
    find: "{ k, depth = 10 * k, constant }",
    replace: "{ k, depth = k, constant }",
    hint: "Where is the best document in each ranking?",
  },
  {
    file: "hybrid_search.ts",
    name: "counts a document that has nothing in common",
    find: "      .filter(({ score }) => score > 0);",
    replace: "      .slice();",
    hint: "Which rank has a document with a cosine of 0?",
  },
  {
    file: "hybrid_search.ts",
    name: "fuses one ranking with itself",
    find: "[words, meaning].map((hits)",
    replace: "[words, words].map((hits)",
    hint: "What does the second ranking know?",
  },
  {
    file: "hybrid_search.ts",
    name: "counts places from 0",
    find: "ids.indexOf(id) + 1 || undefined",
    replace: "ids.indexOf(id)",
    hint: "Which place has the first?",
  },
  {
    file: "hybrid_search.ts",
    name: "looks for words in the case they are written in",
    find: "text.normalize().toLowerCase().match(",
    replace: "text.normalize().match(",
    hint: "Is GPU another word than gpu?",
  },
  {
    file: "hybrid_search.ts",
    name: "forgets the constant that was asked for",
    find: "fuseRanks(rankings, constant)",
    replace: "fuseRanks(rankings)",
    hint: "What is options.constant for?",
  },
  {
    file: "ring_sockets.ts",
    name: "takes one read for a whole message",
    find: `    for (let at = 0; at < bytes.length;) {
      const read = await`,
    replace: `    for (let at = 0; at === 0 && bytes.length > 0;) {
      const read = await`,
    hint: "How many bytes does a read return?",
  },
  {
    file: "ring_sockets.ts",
    name: "adds what it should keep: results go round and grow",
    find: `    if (step >= n - 1) into.set(received);
    else received`,
    replace: "    received",
    hint: "From which step on is a chunk complete?",
  },
  {
    file: "ring_sockets.ts",
    name: "sends the chunk that it will receive",
    find: "[chunk(rank - step), chunk(rank - step - 1)]",
    replace: "[chunk(rank - step), chunk(rank - step)]",
    hint: "Which chunk comes from the worker before?",
  },
  {
    file: "ring_sockets.ts",
    name: "waits for ever",
    find:
      "    const [received] = await within(deadline, `Step ${step}`, both);",
    replace:
      "    const [received] = await within(60_000, `Step ${step}`, both);",
    hint: "A worker sleeps. When do its neighbours give up?",
  },
  {
    file: "ring_sockets.ts",
    name: "changes arrays that lie in shared memory",
    find: "const data = Float64Array.from(arrays[rank]);",
    replace: "const data = arrays[rank];",
    hint: "Does postMessage copy a SharedArrayBuffer?",
  },
  {
    file: "backprop.ts",
    name: "forgets the mean over the batch in the gradient",
    find: "(p / total - (k === t ? 1 : 0)) / B",
    replace: "p / total - (k === t ? 1 : 0)",
    hint: "The loss is a mean. What does one row's share of it weigh?",
  },
  {
    file: "backprop.ts",
    name: "divides by the batch at the loss and again at each layer",
    find: "this.dw = multiply(transpose(this.#x), dy); // (N, B) · (B, M)",
    replace:
      "this.dw = multiply(transpose(this.#x), dy).map((r) => r.map((v) => v / dy.length));",
    hint: "How often may 1/B come in on the way back?",
  },
  {
    file: "backprop.ts",
    name: "inverts the mask of ReLU",
    find: "this.#x[b][n] > 0 ? g : 0",
    replace: "this.#x[b][n] > 0 ? 0 : g",
    hint: "Which inputs moved the output?",
  },
  {
    file: "backprop.ts",
    name: "masks by the gradient instead of by the input",
    find: "this.#x[b][n] > 0 ? g : 0",
    replace: "g > 0 ? g : 0",
    hint: "Whose sign decides: that of the input, or that of its gradient?",
  },
  {
    file: "backprop.ts",
    name: "adds the bias along the batch",
    find: "row.map((y, m) => y + this.b[m])",
    replace: "row.map((y) => y + this.b[x.indexOf(row) % this.b.length])",
    hint: "One bias for each output, or one for each row?",
  },
  {
    file: "backprop.ts",
    name: "takes the mean of dY for the bias, not the sum",
    find: "dy.reduce((sum, row) => sum + row[m], 0));",
    replace: "dy.reduce((sum, row) => sum + row[m] / dy.length, 0));",
    hint: "To how many rows was the bias added?",
  },
  {
    file: "backprop.ts",
    name: "forgets to transpose the weights on the way back",
    find: "return multiply(dy, transpose(this.w)); // (B, M) · (M, N)",
    replace:
      "return multiply(dy, this.w.length === this.b.length ? this.w : transpose(this.w));",
    hint: "With a square w the shapes fit either way. Which sum is it?",
  },
  {
    file: "backprop.ts",
    name: "lets exp overflow: softmax without the maximum",
    find: "Math.exp(z - max));",
    replace: "Math.exp(z));",
    hint: "What is exp(1000), and what is it over itself?",
  },
  {
    file: "backprop.ts",
    name: "takes the logarithm of a share that may be 0",
    find: "sum += Math.log(total) + (max - row[t]);",
    replace: "sum -= Math.log(powers[t] / total);",
    hint: "What is the loss of a logit 800 below the others?",
  },
  {
    file: "backprop.ts",
    name: "uses the weights' gradient of the last call, too",
    find:
      "this.db = this.b.map((_, m) => dy.reduce((sum, row) => sum + row[m], 0));",
    replace:
      "this.db = this.b.map((_, m) => dy.reduce((sum, row) => sum + row[m], this.db[m] ?? 0));",
    hint: "Should a second call of backward change the gradient?",
  },
  {
    file: "linear_grad.ts",
    name: "takes w as it is where its transpose belongs",
    find: "dx[b][n] += dy[b][m] * w[n][m];",
    replace: "dx[b][n] += dy[b][m] * (w[m]?.[n] ?? 0);",
    hint: "Which weight led from input n to output m?",
  },
  {
    file: "linear_grad.ts",
    name: "takes x as it is where its transpose belongs",
    find: "dw[n][m] += x[b][n] * dy[b][m];",
    replace: "dw[n][m] += (x[n]?.[b] ?? 0) * dy[b][m];",
    hint: "Which input was multiplied by w[n][m] in row b?",
  },
  {
    file: "linear_grad.ts",
    name: "keeps the last row's gradient instead of the sum over the batch",
    find: "dw[n][m] += x[b][n]",
    replace: "dw[n][m] = x[b][n]",
    hint: "How many rows used the same weight?",
  },
  {
    file: "linear_grad.ts",
    name: "takes dY/dW for xᵀ: the same for each column of Y",
    find: "k === m ? row[n] : 0",
    replace: "row[n]",
    hint: "Does column 2 of W move column 1 of Y?",
  },
  {
    file: "linear_grad.ts",
    name: "divides by the batch a second time",
    find: "dw[n][m] += x[b][n] * dy[b][m];",
    replace: "dw[n][m] += x[b][n] * dy[b][m] / B;",
    hint: "Where has a mean over the batch divided by B already?",
  },
  {
    file: "gradient_check.ts",
    name: "takes a one-sided difference",
    find: "return (loss(up) - loss(down)) / step;",
    replace: "return (loss(up) - loss(at.slice())) / h;",
    hint: "Which power of h is the error of a difference to one side?",
  },
  {
    file: "gradient_check.ts",
    name: "divides by h for a step of 2h",
    find: "/ step;",
    replace: "/ h;",
    hint: "How far apart are x + h and x − h?",
  },
  {
    file: "gradient_check.ts",
    name: "compares by absolute error",
    find: "Math.abs(a - n) / Math.max(Math.abs(a) + Math.abs(n), floor)",
    replace: "Math.abs(a - n)",
    hint: "Is an error of 1e-4 good for a gradient of 1e-4?",
  },
  {
    file: "gradient_check.ts",
    name: "divides zero by zero where both gradients are 0",
    find: "Math.max(Math.abs(a) + Math.abs(n), floor)",
    replace: "(Math.abs(a) + Math.abs(n))",
    hint: "What is the relative error of 0 against 0?",
  },
  {
    file: "gradient_check.ts",
    name: "calls what rounding leaves of 0 wrong",
    find: "const floor = 2 ** -50 * (1 + Math.abs(here)) / h / tolerance;",
    replace: "const floor = 1e-300;",
    hint:
      "What is left of f(x + h) − f(x − h), if f is 1e5 and does not depend on x?",
  },
  {
    file: "gradient_check.ts",
    name: "lets NaN pass: it is not above the tolerance",
    find: "!(errors[i] <= tolerance)",
    replace: "errors[i] > tolerance",
    hint: "Is NaN > 1e-6?",
  },
  {
    file: "gradient_check.ts",
    name: "sees a kink only where the parameter is exactly on it",
    find: "Math.abs(less / more - 0.5) > 0.25",
    replace: "less / more > 0.75",
    hint:
      "Which of x − h, x and x + h are on the same side of a kink at x + h/2?",
  },
  {
    file: "gradient_check.ts",
    name: "takes curvature for a kink",
    find: "Math.abs(more) > noise && Math.abs(less / more - 0.5) > 0.25",
    replace: "Math.abs(more) > noise && Math.abs(less / more) > 0.25",
    hint: "How does the difference of the two slopes of x² depend on h?",
  },
  {
    file: "gradient_check.ts",
    name: "moves a parameter and does not move it back",
    find: "at.with(i, at[i] + h);",
    replace: "(at[i] += h, at);",
    hint: "What are the other parameters when the second one is moved?",
  },
  {
    file: "gradient_check.ts",
    name: "does not ask whether the loss says the same twice",
    find: "!Object.is(here, again) || !Number.isFinite(here)",
    replace: "!Number.isFinite(here)",
    hint: "What do differences of a loss with dropout measure?",
  },
  {
    file: "broadcasting.ts",
    name: "aligns shapes on the left",
    find: "shape[axis - R + shape.length] ?? 1",
    replace: "shape[axis] ?? 1",
    hint: "Which axes of (4, 3) and (3,) belong together?",
  },
  {
    file: "broadcasting.ts",
    name: "takes the larger size, without a look whether the other is 1",
    find: "if (new Set(sizes).size > 1) {",
    replace: `sizes.sort((a, b) => b - a);
    if (sizes.length > 2) {`,
    hint: "What would a size of 2 repeat to fill 3?",
  },
  {
    file: "broadcasting.ts",
    name: "keeps the stride of an axis that is repeated",
    find: "if (shape[axis] !== 1) strides[at] = stride;",
    replace: "strides[at] = stride;",
    hint: "How far apart are the copies of one number?",
  },
  {
    file: "broadcasting.ts",
    name: "makes the strides of column-major order",
    find: "for (let axis = shape.length - 1; axis >= 0; axis--) {",
    replace: "for (let axis = 0; axis < shape.length; axis++) {",
    hint: "Along which axis are neighbours next to each other in memory?",
  },
  {
    file: "broadcasting.ts",
    name: "keeps the last gradient of a number that was read many times",
    find: "data[to] += grad.data[i]",
    replace: "data[to] = grad.data[i]",
    hint: "A bias was added to each row. Which rows move the loss?",
  },
  {
    file: "broadcasting.ts",
    name: "takes the mean over the repeated axes for the sum",
    find: "data[to] += grad.data[i]",
    replace: "data[to] += grad.data[i] * data.length / grad.data.length",
    hint:
      "By how much does the sum move, if one number moves that is read twice?",
  },
  {
    file: "broadcasting.ts",
    name: "lets a shape of more axes be broadcast to one of fewer",
    find: "if (shape.length > to.length) {",
    replace: "if (shape.length > to.length + 1) {",
    hint: "May (1, 2) become (2,)?",
  },
  {
    file: "autograd.ts",
    name: "sets the gradient of a leaf instead of adding to it",
    find: "if (node.leaf) node.leaf.grad = add(grad, node.leaf.grad);",
    replace: "if (node.leaf) node.leaf.grad = grad;",
    hint: "What should two micro-batches without zeroGrad() give?",
  },
  {
    file: "autograd.ts",
    name: "overwrites the gradient of a result that is used twice",
    find: "if (parent) grads.set(parent, add(g, grads.get(parent)));",
    replace: "if (parent) grads.set(parent, g);",
    hint: "What is the slope of x · x at 3?",
  },
  {
    file: "autograd.ts",
    name: "leaves the gradient in the shape that was broadcast",
    find: "reduce(g, parents[i].rows.length, parents[i].rows[0].length)",
    replace: "g",
    hint: "Which shape has the gradient of a bias (1, M)?",
  },
  {
    file: "autograd.ts",
    name: "takes one copy's gradient for the sum over all",
    find: "sums[r % R][c % C] += v",
    replace: "sums[r % R][c % C] = v",
    hint: "To how many rows was the bias added?",
  },
  {
    file: "autograd.ts",
    name: "gives each factor its own value for a slope",
    find: "[pairs(g, b, times), pairs(g, a, times)]",
    replace: "[pairs(g, a, times), pairs(g, b, times)]",
    hint: "By how much does a · b move, if a does?",
  },
  {
    file: "autograd.ts",
    name: "forgets to transpose on the way back through a product",
    find: "multiply(transpose(a), g),",
    replace: "multiply(a.length === a[0].length ? a : transpose(a), g),",
    hint: "Y = A·B: which row of B met which column of A?",
  },
  {
    file: "autograd.ts",
    name: "does not look whether what it reads was overwritten",
    find: "order.forEach((node) => node.check());",
    replace: "",
    hint: "Which numbers does the backward pass of a product read?",
  },
  {
    file: "autograd.ts",
    name: "does not count writing in place",
    find: "this.#version++;",
    replace: "",
    hint: "How can backward know that its numbers are the old ones?",
  },
  {
    file: "autograd.ts",
    name: "goes on without recording after an error in noGrad()",
    find: `  try {
    return work();
  } finally {
    recording = before;
  }`,
    replace: `  const result = work();
  recording = before;
  return result;`,
    hint: "What if the work throws?",
  },
  {
    file: "autograd.ts",
    name: "records again after a noGrad() within another",
    find: "recording = before;",
    replace: "recording = true;",
    hint: "Which mode was it before the inner one?",
  },
  {
    file: "autograd.ts",
    name: "lets gradients through what was detached",
    find: "return new Tensor(this.rows.map((row) => [...row]));",
    replace: "return this;",
    hint: "Is a detached tensor part of the graph?",
  },
  {
    file: "autograd.ts",
    name: "visits a node before all that depends on it has been visited",
    find:
      `const next = node.parents.find((parent) => parent && !order.has(parent));
    if (next) stack.push(next);
    else order.add(stack.pop()!);`,
    replace: `order.add(stack.pop()!);
    stack.push(...node.parents.filter((p) => p && !order.has(p)) as Node[]);
    if (stack.length === 0) return [...order].reverse();`,
    hint: "When is the gradient of a node that is used twice complete?",
  },
  {
    file: "matrix_tape.ts",
    name: "assigns the gradient of a product instead of adding it",
    find: "b.grad[kn] += a.data[mk] * out.grad[mn];",
    replace: "b.grad[kn] = a.data[mk] * out.grad[mn];",
    hint: "What reaches a weight that several rows use?",
  },
  {
    file: "matrix_tape.ts",
    name: "runs the tape from its beginning",
    find: "tape.splice(0).reverse()",
    replace: "tape.splice(0)",
    hint: "Which operation knows its gradient first?",
  },
  {
    file: "matrix_tape.ts",
    name: "treats the root mean square as a constant",
    find: "(dy[i] - y[i] * dot(dy, y) / y.length) / rms",
    replace: "dy[i] / rms",
    hint: "What does a norm do to a step along its own row?",
  },
  {
    file: "matrix_tape.ts",
    name: "forgets the mean in the gradient of a softmax",
    find: "p[i] * (dy[i] - dot(dy, p))",
    replace: "p[i] * dy[i]",
    hint: "If one share grows, what do the others do?",
  },
  {
    file: "matrix_tape.ts",
    name: "gives NaN where a whole row is hidden",
    find: `  if (max === -Infinity) return x.slice();
`,
    replace: "",
    hint: "What is −Infinity − −Infinity?",
  },
  {
    file: "matrix_tape.ts",
    name: "forgets one of the two gradients of a sum",
    find: `    b.grad[i] += dy;
`,
    replace: "",
    hint: "To how many does a sum pass its gradient?",
  },
  {
    file: "matrix_tape.ts",
    name: "assigns the gradient of a table's row",
    find: "table.grad[at(i)] += dy",
    replace: "table.grad[at(i)] = dy",
    hint: "What if a token stands in a text twice?",
  },
  {
    file: "decoder.ts",
    name: "forgets the length of the cache in the position",
    find: "parts.position(past + t)",
    replace: "parts.position(t)",
    hint: "Where does the only token of a step stand?",
  },
  {
    file: "decoder.ts",
    name: "forgets the length of the cache in the mask",
    find: "parts.sees(past + t, s)",
    replace: "parts.sees(t, s)",
    hint: "May a new token look at all that is cached?",
  },
  {
    file: "decoder.ts",
    name: "lets a token look at the next one",
    find: "s <= t,",
    replace: "s <= t + 1,",
    hint: "Does the logit of a token depend on the one it is to predict?",
  },
  {
    file: "decoder.ts",
    name: "does not divide the scores by the root of C",
    find: "() => C ** -0.5",
    replace: "() => 1",
    hint: "How large is the dot product of two rows of C entries?",
  },
  {
    file: "decoder.ts",
    name: "forgets the residual around attention",
    find: "x = plus(x, parts.dropout(times(mix, `output ${l}`), tape), tape);",
    replace: "x = parts.dropout(times(mix, `output ${l}`), tape);",
    hint: "How does a token that attends elsewhere know itself?",
  },
  {
    file: "decoder.ts",
    name: "counts padding in the mean",
    find:
      "const N = batch.flatMap(({ targets }) => targets).filter(counts).length;",
    replace: "const N = batch.flatMap(({ targets }) => targets).length;",
    hint: "What is the loss of the same text with more padding?",
  },
  {
    file: "decoder.ts",
    name: "caches the values without those before",
    find: "joined(cache?.[l]?.values, times(h, `value ${l}`))",
    replace: "times(h, `value ${l}`)",
    hint: "How many rows have keys and values after three steps?",
  },
  {
    file: "decoder.ts",
    name: "passes each number of the cache as an argument",
    find: "Float64Array.from([...past.data, ...next.data])",
    replace: "Float64Array.of(...past.data, ...next.data)",
    hint: "Where do a function's arguments go, and how many fit?",
  },
  {
    file: "decoder.ts",
    name: "does not clear the gradients after a step",
    find: `    grad.fill(0);
`,
    replace: "",
    hint: "What does the second step go down?",
  },
  {
    file: "broken_transformer.ts",
    name: "turns the mask round but leaves the token itself",
    find: "sees: (t, s) => s > t",
    replace: "sees: (t, s) => s >= t",
    hint: "What is the opposite of at most?",
  },
  {
    file: "broken_transformer.ts",
    name: "detaches with the same tensor",
    find: "embedded: (x) => new ops.Tensor(x.rows, x.columns, x.data),",
    replace: "embedded: (x) => x,",
    hint: "Where does the gradient of a copy go?",
  },
  {
    file: "broken_transformer.ts",
    name: "adds up the gradients of two calls",
    find: `    for (const [, { grad }] of params) grad.fill(0);
`,
    replace: "",
    hint: "What has a gradient when it is asked for a second time?",
  },
  {
    file: "broken_transformer.ts",
    name: "leaves dropout off in training",
    find: `training || is("dropout left on")`,
    replace: `is("dropout left on")`,
    hint: "Is the same text the same twice, in training?",
  },
  {
    file: "broken_transformer.ts",
    name: "takes what is missing at the end for a token",
    find: "?? PAD;",
    replace: "?? 1;",
    hint: "What comes after the last token of a text?",
  },
  {
    file: "transformer_debug.ts",
    name: "looks for the leak in all rows, the last included",
    find: "Math.max(...moved.slice(0, -1))",
    replace: "Math.max(...moved)",
    hint: "Which logits may depend on the last token?",
  },
  {
    file: "transformer_debug.ts",
    name: "does not sum the rows of attention",
    find: `    const sums = trainer.attention(text).map((row) =>
      row.reduce((s, p) => s + p)
    );`,
    replace: "    const sums = trainer.attention(text).map(() => 1);",
    hint: "What does a column that sums to 1 know of later queries?",
  },
  {
    file: "transformer_debug.ts",
    name: "checks with dropout on",
    find: "trainer.train(false);",
    replace: "trainer.train(true);",
    hint: "Which of the checks bear noise?",
  },
  {
    file: "transformer_debug.ts",
    name: "compares the loss with V instead of ln V",
    find: "!(Math.abs(loss - Math.log(trainer.V)) < 0.3)",
    replace: "!(Math.abs(loss - trainer.V) < 0.3)",
    hint: "What is −ln of 1/V?",
  },
  {
    file: "transformer_debug.ts",
    name: "compares a text without padding with one that has some",
    find: "[[0], [0, 0, 0]]",
    replace: "[[], [0, 0, 0]]",
    hint: "Is the last token of a text an input, with nothing after it?",
  },
  {
    file: "transformer_debug.ts",
    name: "swaps the names of the two shifts",
    find: "same > second ?",
    replace: "same < second ?",
    hint: "What does a model say that was asked for what it was given?",
  },
  {
    file: "transformer_debug.ts",
    name: "draws texts in which a token stands twice",
    find: "const drawn = deck.sort((a, b) => keys[a - 1] - keys[b - 1]);",
    replace: "const drawn = deck.map((_, i) => 1 + Math.floor(keys[i] * 11));",
    hint: "After the same token, which one is the next?",
  },
  {
    file: "transformer_debug.ts",
    name: "calls it learning if any parameter moves",
    find: "return still.length > 0 && [",
    replace: "return still.length === before.length && [",
    hint: "What if only one is left out of the optimiser?",
  },
  {
    file: "classification_head.ts",
    name: "pools over padding",
    find: "token === PAD ? 0 : 1",
    replace: "1",
    hint: "What are the logits with five more tokens of padding?",
  },
  {
    file: "classification_head.ts",
    name: "divides by all places instead of the real ones",
    find: "real.map((r) => r / count)",
    replace: "real.map((r) => r / real.length)",
    hint: "How many states are in the mean?",
  },
  {
    file: "classification_head.ts",
    name: "takes the last place, which may be padding",
    find: "const last = real.lastIndexOf(1);",
    replace: "const last = real.length - 1;",
    hint: "What stands at the end of a short text?",
  },
  {
    file: "classification_head.ts",
    name: "takes the first real token, which has seen nothing",
    find: "const last = real.lastIndexOf(1);",
    replace: "const last = real.indexOf(1);",
    hint: "Under a causal mask, which state knows the whole text?",
  },
  {
    file: "classification_head.ts",
    name: "forgets the 1/B of the mean in the gradient",
    find: "logP.grad[label] -= 1 / batch.length",
    replace: "logP.grad[label] -= 1",
    hint: "By what factor is the slope off for two texts?",
  },
  {
    file: "classification_head.ts",
    name: "leaves the parameters where the check moved them",
    find: `    data.set(kept[p][0]);
`,
    replace: "",
    hint: "What is the loss after the check?",
  },
  {
    file: "classification_head.ts",
    name: "measures one-sided but divides by both sides",
    find: "const [up, down] = [h, -h].map(",
    replace: "const [up, down] = [h, 0].map(",
    hint: "How far apart are the two losses?",
  },
  {
    file: "agreement.ts",
    name: "reports the observed disagreement without that of chance",
    find: "expected === 0 ? NaN : 1 - observed / expected;",
    replace: "expected === 0 ? NaN : 1 - observed;",
    hint: "How often do two agree who both say no 97 times in 100?",
  },
  {
    file: "agreement.ts",
    name: "calls 0 / 0 perfect agreement",
    find: "expected === 0 ? NaN :",
    replace: "expected === 0 ? 1 :",
    hint: "What does a second vote tell where only one label is in use?",
  },
  {
    file: "agreement.ts",
    name: "takes both annotators' shares from the first",
    find: "[0, 1].map((i) => counts(both.map((pair) => pair[i])))",
    replace: "[0, 0].map((i) => counts(both.map((pair) => pair[i])))",
    hint: "Does kappa change when the two annotators change places?",
  },
  {
    file: "agreement.ts",
    name: "draws alpha's chance pairs with replacement",
    find: "/ (total * (total - 1));",
    replace: "/ (total * total);",
    hint: "Can a label be paired with itself?",
  },
  {
    file: "agreement.ts",
    name: "weighs each example alike in alpha, however many votes it has",
    find: `(sum, row) => sum + row.length * disagreement(row, distance),
    0,
  ) / total;`,
    replace: `(sum, row) => sum + disagreement(row, distance),
    0,
  ) / rows.length;`,
    hint:
      "Which pool do the expected pairs come from, and how often is an example in it?",
  },
  {
    file: "agreement.ts",
    name: "leaves examples with a single vote in the pool",
    find: "filter((row) => row.length > 1)",
    replace: "filter((row) => row.length > 0)",
    hint: "Whom does a single vote agree with?",
  },
  {
    file: "agreement.ts",
    name: "takes class 0 for a missing vote",
    find: "row.filter((vote) => vote !== null)",
    replace: "row.filter((vote) => vote !== null).filter(Boolean)",
    hint: "Which class is falsy?",
  },
  {
    file: "label_aggregation.ts",
    name: "breaks ties by the first largest share, unasked",
    find: "return tied.length === 1 ? tied[0] : tie(tied);",
    replace: `void tie;
    return tied[0];`,
    hint: "Which class gains when annotators toss coins?",
  },
  {
    file: "label_aggregation.ts",
    name: "divides by the number of annotators instead of votes",
    find: `const total = counts.reduce((sum, c) => sum + c, 0);
    if (total > 0)`,
    replace: `const total = row.length;
    if (total > 0)`,
    hint: "What do the shares sum to where a vote is missing?",
  },
  {
    file: "label_aggregation.ts",
    name: "smooths only classes that got a vote",
    find: "const counts = new Array<number>(K).fill(smoothing);",
    replace:
      "const counts = Array.from({ length: K }, (_, k) => row.includes(k) ? smoothing : 0);",
    hint: "What is the target of a class that nobody named?",
  },
  {
    file: "label_aggregation.ts",
    name: "multiplies a target of 0 by the logarithm of 0",
    find: "t > 0 ? s - t * Math.log(probs[n][k]) : s",
    replace: "s - t * Math.log(probs[n][k])",
    hint: "What is 0 · −Infinity?",
  },
  {
    file: "label_aggregation.ts",
    name: "trains on the hard class of a soft target",
    find: "p.map((pk, k) => pk - targets[n][k])",
    replace:
      "p.map((pk, k) => pk - (targets[n][k] === Math.max(...targets[n]) ? 1 : 0))",
    hint: "How sure should a model be where 3 of 5 agree?",
  },
  {
    file: "label_aggregation.ts",
    name: "takes the truth's own top class, not that of the prediction",
    find: "const top = row.indexOf(Math.max(...row));",
    replace: "const top = truth[n].indexOf(Math.max(...truth[n]));",
    hint: "Whose confidence is it?",
  },
  {
    file: "group_split.ts",
    name: "splits rows, not groups",
    find: "hash(salt + group) < testShare",
    replace: "hash(salt + group + row) < testShare",
    hint: "On which side are the other votes on this example?",
  },
  {
    file: "group_split.ts",
    name: "puts groups on a side by their rank, so that new rows move old ones",
    find: `split[hash(salt + group) < testShare ? "test" : "train"].push(row);`,
    replace: `const names = [...new Set(groups)];
    const first = names.indexOf(group) < testShare * names.length;
    void hash(salt);
    split[first ? "test" : "train"].push(row);`,
    hint: "Is a row of last week's test still in the test today?",
  },
  {
    file: "group_split.ts",
    name: "forgets the salt",
    find: "hash(salt + group)",
    replace: "hash(group.slice(0 * salt.length))",
    hint: "How do you get a second split?",
  },
  {
    file: "group_split.ts",
    name: "leaves the case of a text in its key",
    find: ".toLowerCase()",
    replace: "",
    hint: "Is HELLO another text than hello?",
  },
  {
    file: "group_split.ts",
    name: "hashes UTF-16 units cut to a byte",
    find: "for (const byte of new TextEncoder().encode(text)) {",
    replace:
      "for (const byte of Uint8Array.from(text, (c) => c.charCodeAt(0))) {",
    hint: "What does another language's library make of 日本?",
  },
  {
    file: "dawid_skene.ts",
    name: "begins from equal posteriors",
    find: "[...start?.[n] ?? fill(seed)]",
    replace: "[...start?.[n] ?? fill(seed).map(() => 1 / K)]",
    hint: "What tells class 0 from class 1 in the first step?",
  },
  {
    file: "dawid_skene.ts",
    name: "normalises confusion matrices by votes instead of true classes",
    find: "const confusion = counts.map((matrix) => matrix.map(shares));",
    replace: `const confusion = counts.map((matrix) => {
      const columns = matrix.map((_, v) => shares(matrix.map((row) => row[v])));
      return matrix.map((_, k) => columns.map((column) => column[k]));
    });`,
    hint: "P(vote | class) or P(class | vote)?",
  },
  {
    file: "dawid_skene.ts",
    name: "multiplies probabilities instead of adding logarithms",
    find: "const exps = joint.map((j) => Math.exp(j - most));",
    replace:
      "const exps = joint.map((j) => Math.exp(j) / (Math.exp(most) || 1e-323));",
    hint: "What is 0.5 to the power of 2,000?",
  },
  {
    file: "dawid_skene.ts",
    name: "leaves out the prior",
    find: "const joint = [...logPrior];",
    replace: "const joint = logPrior.map(() => 0);",
    hint: "What is the posterior of an example without votes?",
  },
  {
    file: "dawid_skene.ts",
    name: "does not smooth",
    find: "const added = votes[0].length > 1 ? smoothing : 0;",
    replace: "const added = 0 * smoothing;",
    hint: "What if somebody never says 2, and then does?",
  },
  {
    file: "dawid_skene.ts",
    name: "begins from gold labels alone, though two classes have none",
    find: ".size > K - 2;",
    replace: ".size > 0;",
    hint: "With gold for class 0 only: what tells class 1 from class 2?",
  },
  {
    file: "dawid_skene.ts",
    name: "lets EM overrule gold labels",
    find: "if (gold[n] !== null && gold[n] !== k) joint[k] = -Infinity;",
    replace: "void gold;",
    hint: "What is the posterior of a label that is known?",
  },
  {
    file: "dawid_skene.ts",
    name: "weighs annotators by how often they are right",
    find: "return (entropy(votes) - noise) / entropy(prior);",
    replace: `void noise;
  return prior.reduce((sum, p, k) => sum + p * confusion[k][k], 0);`,
    hint: "What is somebody worth who is wrong every time?",
  },
  {
    file: "label_filtering.ts",
    name: "uses probabilities of rows that the model was trained on",
    find: `const others = x.filter((_, i) => folds[i] !== folds[n]);
    const theirs = labels.filter((_, i) => folds[i] !== folds[n]);`,
    replace: `const others = [...x];
    const theirs = folds.every((fold) => fold === folds[n]) ? [] : [...labels];`,
    hint: "What does a model say of an error that it has learnt?",
  },
  {
    file: "label_filtering.ts",
    name: "holds out the row, and not its copies in the fold",
    find: `const others = x.filter((_, i) => folds[i] !== folds[n]);
    const theirs = labels.filter((_, i) => folds[i] !== folds[n]);`,
    replace: `const others = x.filter((_, i) => i !== n);
    const theirs = folds.every((fold) => fold === folds[n])
      ? []
      : labels.filter((_, i) => i !== n);`,
    hint: "Where is the copy of the text with the same wrong label?",
  },
  {
    file: "label_filtering.ts",
    name: "takes the mean over all rows as the threshold of a class",
    find: "probs.filter((_, n) => labels[n] === k).map((p) => p[k])",
    replace: "probs.map((p) => p[k])",
    hint: "How sure is the model of class k on rows labelled k?",
  },
  {
    file: "label_filtering.ts",
    name: "asks for a probability of one half in every class",
    find: "own.length > 0 ? mean(own) : Infinity",
    replace: "own.length > 0 ? 0.5 : Infinity",
    hint: "What of a class that the model is never sure of?",
  },
  {
    file: "label_filtering.ts",
    name: "takes the first class that is reached, not the likeliest",
    find: "reached.reduce((best, k) => p[k] > p[best] ? k : best)",
    replace: "reached[0]",
    hint: "Which class does it confidently belong to, of two?",
  },
  {
    file: "label_filtering.ts",
    name:
      "compares with the exact mean, above which equal numbers may fall short",
    find: "thresholds[k] - 1e-9",
    replace: "thresholds[k]",
    hint: "Is the mean of ten times 0.7 equal to 0.7?",
  },
  {
    file: "label_filtering.ts",
    name: "lets the lowest class win where the label is as likely",
    find: "[label, ...classes]",
    replace: "[...classes]",
    hint: "What does it suspect if the model says ½ to all?",
  },
  {
    file: "label_filtering.ts",
    name: "swaps precision and recall",
    find: "{ precision: hits / flagged.length, recall: hits / all }",
    replace: "{ precision: hits / all, recall: hits / flagged.length }",
    hint: "What is the recall of a filter that flags everything?",
  },
  {
    file: "filter_policies.ts",
    name: "weighs a suspect by the probability of the suggestion",
    find: `policy === "down-weight" ? probs[n][label] : 1`,
    replace:
      `policy === "down-weight" ? probs[n][suspects.get(n) ?? label] : 1`,
    hint: "Which label does the row keep?",
  },
  {
    file: "filter_policies.ts",
    name: "relabels and removes in one",
    find: `if (policy === "remove") return 0;`,
    replace: `if (policy === "remove" || policy === "relabel") return 0;`,
    hint: "What is a new label for, on a row without weight?",
  },
  {
    file: "filter_policies.ts",
    name: "divides a group's removals by all that were removed",
    find: "const removed = out.length / own.length;",
    replace: "const removed = out.length / gone.size;",
    hint: "Can a small group look safe because it is small?",
  },
  {
    file: "filter_policies.ts",
    name: "reports the share of removals that were wrong labels as mistakes",
    find: "mistaken: 1 - hits / out.length",
    replace: "mistaken: hits / out.length",
    hint: "Is it a mistake to remove a wrong label?",
  },
  {
    file: "filter_policies.ts",
    name: "lets the lowest class win where the label is as likely",
    find: "[labels[n], ...p.keys()]",
    replace: "p.keys()",
    hint: "Should class 1 lose labels because its number is not 0?",
  },
  {
    file: "filter_policies.ts",
    name: "ignores the weights in the model",
    find: "return Math.log(weights[n]) - square / 2 / bandwidth ** 2;",
    replace: `void weights;
    return -square / 2 / bandwidth ** 2;`,
    hint: "What is a row of weight 0?",
  },
  {
    file: "efficient_inference.ts",
    name: "spreads codes from 0 to the maximum, and clips the negatives",
    find: ": Math.max(high, -low) / most;",
    replace: ": high / most;",
    hint: "Which entry is the furthest from 0?",
  },
  {
    file: "efficient_inference.ts",
    name: "uses the code −128 of symmetric codes",
    find: ": Math.max(high, -low) / most;",
    replace: ": Math.max(high, -low) / (most + 1);",
    hint: "What is the opposite of −128 in 8 bits?",
  },
  {
    file: "efficient_inference.ts",
    name: "leaves 0 out of the range of asymmetric codes",
    find: "const low = part.reduce((a, b) => Math.min(a, b), 0);",
    replace: "const low = part.reduce((a, b) => Math.min(a, b), Infinity);",
    hint: "What does padding stand for, if no code is exactly 0?",
  },
  {
    file: "efficient_inference.ts",
    name: "divides by a scale of 0 where all is 0",
    find: "spread > 0 ? Math.max(spread, 2 ** -126) : 1",
    replace: "spread",
    hint: "What is 0 / 0?",
  },
  {
    file: "efficient_inference.ts",
    name: "cuts off instead of rounding",
    find: "Math.round(v / scales[g]) + zeros[g]",
    replace: "Math.trunc(v / scales[g]) + zeros[g]",
    hint: "How far is the next code at most, if you go to the nearest?",
  },
  {
    file: "efficient_inference.ts",
    name: "lets a code wrap around instead of clipping it",
    find: "Math.max(least, Math.min(most, code))",
    replace: "code",
    hint: "What is 128 in an Int8Array?",
  },
  {
    file: "efficient_inference.ts",
    name: "adds the zero point where it should be taken off",
    find: "(code - q.zeros[g])",
    replace: "(code + q.zeros[g])",
    hint: "Which number does the code of the zero point stand for?",
  },
  {
    file: "efficient_inference.ts",
    name: "forgets the zero point of the inputs in the product",
    find: "zero !== 0 && c < C",
    replace: "zero > C && c < C",
    hint: "What does Σ (x − z)·w have beside Σ x·w?",
  },
  {
    file: "efficient_inference.ts",
    name: "forgets the scale of the weights",
    find: "* x.scales[gx] * w.scales[gw]",
    replace: "* x.scales[gx]",
    hint:
      "Each code stands for a number by its own scale. Whose are in a product?",
  },
  {
    file: "efficient_inference.ts",
    name: "unpacks 4 bits without their sign",
    find: "(packed[i >> 1] << (i % 2 === 0 ? 28 : 24)) >> 28",
    replace: "(packed[i >> 1] >> (i % 2 === 0 ? 0 : 4)) & 15",
    hint: "What does 1111 stand for in two's complement?",
  },
  {
    file: "pruning.ts",
    name: "prunes by value: negative weights go first",
    find: "Math.abs(w[from + j]) - Math.abs(w[from + i])",
    replace: "w[from + j] - w[from + i]",
    hint: "Which weights move the output least?",
  },
  {
    file: "pruning.ts",
    name: "prunes the largest",
    find: "Math.abs(w[from + j]) - Math.abs(w[from + i])",
    replace: "Math.abs(w[from + i]) - Math.abs(w[from + j])",
    hint: "In which order are they sorted, and which end is kept?",
  },
  {
    file: "pruning.ts",
    name: "keeps as many as should go",
    find: "Math.round((1 - sparsity) * group)",
    replace: "Math.round(sparsity * group)",
    hint: "Is sparsity the share of zeros, or of what is left?",
  },
  {
    file: "pruning.ts",
    name: "cuts by a threshold, so that ties go together",
    find: `.slice(0, keep)
`,
    replace:
      `.filter((i, _, all) => keep > 0 && Math.abs(w[from + i]) >= Math.abs(w[from + all[keep - 1]]))
`,
    hint: "How many of four equal weights are above their median?",
  },
  {
    file: "pruning.ts",
    name: "reads the place from the wrong two bits",
    find: ">> 2 * (at & 3) & 3;",
    replace: ">> (at & 3) & 3;",
    hint: "How many bits has a place, and how many places has a byte?",
  },
  {
    file: "pruning.ts",
    name: "multiplies by the neighbour of another four",
    find: "x[(k >> 1) * 4 + place]",
    replace: "x[k * 2 + place]",
    hint: "Which four of x belong to the third weight that was kept?",
  },
  {
    file: "dynamic_batching.ts",
    name: "waits for a full batch, without a limit",
    find: "Math.min(full, arrivals[first] + wait)",
    replace: "(full < Infinity ? full : arrivals[first] + wait)",
    hint: "When does a batch start, if the next request comes in an hour?",
  },
  {
    file: "dynamic_batching.ts",
    name: "starts while the last batch still runs",
    find: "Math.max(free, Math.min(full, arrivals[first] + wait))",
    replace: "Math.min(full, arrivals[first] + wait)",
    hint: "How many batches run at once on one machine?",
  },
  {
    file: "dynamic_batching.ts",
    name: "waits from when the machine is free, not from the arrival",
    find: "Math.max(free, Math.min(full, arrivals[first] + wait))",
    replace:
      "Math.min(Math.max(free, full), Math.max(free, arrivals[first]) + wait)",
    hint: "How long has a request waited that came while the machine ran?",
  },
  {
    file: "dynamic_batching.ts",
    name: "leaves behind who came at the very moment of the start",
    find: "arrivals[last] <= start",
    replace: "(last === first || arrivals[last] < start)",
    hint: "Two requests come at once, and nothing waits. How many batches?",
  },
  {
    file: "dynamic_batching.ts",
    name: "charges the weights once a request",
    find: "free = start + perBatch + perRequest * requests.length;",
    replace: "free = start + (perBatch + perRequest) * requests.length;",
    hint: "How often does a batch read the weights?",
  },
  {
    file: "dynamic_batching.ts",
    name: "measures from the start of the batch, not from the arrival",
    find: "requests.map((n) => end - arrivals[n])",
    replace: "requests.map(() => end - start)",
    hint: "Does the user feel the time in the queue?",
  },
  {
    file: "dynamic_batching.ts",
    name: "lets requests come at even gaps",
    find: "time -= Math.log(1 - random()) * 1000 / rate",
    replace: "time += 1000 / rate",
    hint: "Do users wait for each other?",
  },
  {
    file: "kl_divergence.ts",
    name: "weighs by q: that is the other direction",
    find: "sum += pi * (Math.log(pi) - Math.log(q[i]));",
    replace: "sum += q[i] * (Math.log(q[i]) - Math.log(pi));",
    hint: "Whose samples are coded: those of p, or those of q?",
  },
  {
    file: "kl_divergence.ts",
    name: "gives 0 · log 0 as NaN",
    find: "if (pi > 0) sum +=",
    replace: "sum +=",
    hint:
      "What does x · ln x tend to as x goes to 0, and what does a double say?",
  },
  {
    file: "kl_divergence.ts",
    name: "adds a small number to q, so that nothing is infinite",
    find: "Math.log(q[i]));",
    replace: "Math.log(q[i] + 1e-300));",
    hint: "How much should a model lose that rules out what happened?",
  },
  {
    file: "kl_divergence.ts",
    name: "leaves out what q rules out",
    find: "if (pi > 0) sum +=",
    replace: "if (pi > 0 && q[i] > 0) sum +=",
    hint: "Which terms are 0, and which are infinite?",
  },
  {
    file: "kl_divergence.ts",
    name: "takes the logarithm of a quotient that overflows",
    find: "Math.log(pi) - Math.log(q[i])",
    replace: "Math.log(pi / q[i])",
    hint: "What is 0.5 / 5e-324?",
  },
  {
    file: "kl_divergence.ts",
    name: "turns nats into bits the wrong way",
    find: `/ (unit === "bits" ? Math.LN2 : 1)`,
    replace: `* (unit === "bits" ? Math.LN2 : 1)`,
    hint: "One bit is ln 2 nats. Is the number in bits larger or smaller?",
  },
  {
    file: "kl_divergence.ts",
    name: "returns a divergence below 0",
    find: "Math.max(0, sum)",
    replace: "sum",
    hint: "What does rounding do to a sum that should be 0?",
  },
  {
    file: "kl_divergence.ts",
    name: "covers where it should seek",
    find: "klDivergence(p, q) : klDivergence(q, p)",
    replace: "klDivergence(q, p) : klDivergence(p, q)",
    hint: "Which direction makes q pay wherever p is?",
  },
  {
    file: "kl_divergence.ts",
    name: "divides the shift of the means by the wrong width",
    find: "(p.mean - q.mean) / q.sd",
    replace: "(p.mean - q.mean) / p.sd",
    hint: "Whose density is at most how surprised by p's mean?",
  },
  {
    file: "classification_metrics.ts",
    name: "swaps precision and recall",
    find: `const predicted = sum(counts.map((row) => row[c]));
  const occurs = sum(counts[c]);`,
    replace: `const occurs = sum(counts.map((row) => row[c]));
  const predicted = sum(counts[c]);`,
    hint: "Of the alarms, or of the positives: which share is precision?",
  },
  {
    file: "classification_metrics.ts",
    name: "puts the predicted class into the row",
    find: "counts[target][predictions[n]]++;",
    replace: "counts[predictions[n]][target]++;",
    hint: "What is a row of the matrix: what is true, or what was said?",
  },
  {
    file: "classification_metrics.ts",
    name: "takes the arithmetic mean of precision and recall for F1",
    find: "f1: 2 * right / (predicted + occurs),",
    replace: "f1: (right / predicted + right / occurs) / 2,",
    hint: "What should F1 be with a precision of 1 and a recall of 0?",
  },
  {
    file: "classification_metrics.ts",
    name: "counts an undefined recall as 0",
    find: "const known = x.filter((xi) => !Number.isNaN(xi));",
    replace: "const known = x.map((xi) => xi || 0);",
    hint: "Did a class that never occurs go unfound?",
  },
  {
    file: "classification_metrics.ts",
    name: "weighs the price of a miss as that of a false alarm",
    find: "const prices = costs.flat();",
    replace:
      "const prices = costs.map((_, i) => costs.map((row) => row[i])).flat();",
    hint: "Which index of the prices is the true class?",
  },
  {
    file: "classification_metrics.ts",
    name: "divides by the deviation of one share, not of the difference",
    find: "* (1 / nA + 1 / nB);",
    replace: "/ nA;",
    hint: "What is the variance of a difference of two independent numbers?",
  },
  {
    file: "classification_metrics.ts",
    name: "reports the tail of one side for both",
    find: "return Math.min(1, 2 * tail);",
    replace: "return Math.min(1, tail);",
    hint: "Would you have been as surprised by the opposite result?",
  },
  {
    file: "classification_metrics.ts",
    name: "leaves the split itself out of its tail",
    find: "i <= Math.min(onlyA, onlyB)",
    replace: "i < Math.min(onlyA, onlyB)",
    hint: "At least as uneven: does that include what was seen?",
  },
  {
    file: "roc_curve.ts",
    name: "steps row by row through equal scores",
    find: "if (scores[order[i + 1]] !== scores[n]) {",
    replace: "if (i >= 0) {",
    hint: "Which threshold lies between two equal scores?",
  },
  {
    file: "roc_curve.ts",
    name: "sorts from the lowest score up",
    find: "0 : scores[b] - scores[a]",
    replace: "0 : scores[a] - scores[b]",
    hint: "Which rows are alarmed first as the threshold falls?",
  },
  {
    file: "roc_curve.ts",
    name: "counts a tie as lost",
    find: "return area + (x - x0) * (y + y0) / 2;",
    replace: "return area + (x - x0) * y0;",
    hint: "How often does a positive win against an equal negative?",
  },
  {
    file: "roc_curve.ts",
    name: "divides by all rows where the negatives belong",
    find: "p.wrong / all.wrong",
    replace: "p.wrong / (all.wrong + all.right)",
    hint: "Of which rows is the false-positive rate a share?",
  },
  {
    file: "roc_curve.ts",
    name: "draws straight lines between points of precision",
    find: "return area + rise * precision;",
    replace: "return area + rise * (precision + 1) / 2;",
    hint: "Is precision linear in recall between two thresholds?",
  },
  {
    file: "roc_curve.ts",
    name: "weighs each precision alike, without the rise of recall",
    find: "const rise = recall - before;",
    replace: "const rise = recall > before ? 1 : 0;",
    hint: "How many positives came in at this threshold?",
  },
  {
    file: "roc_curve.ts",
    name: "prices found positives, not missed ones",
    find: "(P - right) * costs.miss",
    replace: "right * costs.miss",
    hint: "Which positives cost something?",
  },
  {
    file: "roc_curve.ts",
    name: "takes the lowest of equally cheap thresholds",
    find: "next.cost < best.cost",
    replace: "next.cost <= best.cost",
    hint: "Two thresholds cost the same. Which raises fewer alarms?",
  },
  {
    file: "bayes.ts",
    name: "forgets the base rate: takes the likelihoods for the answer",
    find: "const logs = prior.map(Math.log); // (K,)",
    replace: "const logs = prior.map(() => 0);",
    hint: "Of 1,000 people, how many are ill, and how many test positive?",
  },
  {
    file: "bayes.ts",
    name: "does not divide by the probability of the evidence",
    find: "return joint.map((j) => j / evidence);",
    replace: "return joint;",
    hint: "What must the beliefs in all hypotheses sum to?",
  },
  {
    file: "bayes.ts",
    name: "multiplies probabilities until they are 0",
    find: "Math.exp(log - max)",
    replace: "Math.exp(log)",
    hint: "What is 0.001 to the power of 200?",
  },
  {
    file: "bayes.ts",
    name: "lets only the last piece of evidence count",
    find: "logs[k] += Math.log(p);",
    replace: "logs[k] = Math.log(prior[k]) + Math.log(p);",
    hint: "What is the prior of the second piece of evidence?",
  },
  {
    file: "bayes.ts",
    name: "takes the specificity for the rate of false positives",
    find: "? [sensitivity, 1 - specificity]",
    replace: "? [sensitivity, specificity]",
    hint: "How often is the test positive for those who have nothing?",
  },
  {
    file: "bayes.ts",
    name: "uses the ratio of a positive result for a negative one",
    find: ": [1 - sensitivity, specificity];",
    replace: ": [sensitivity, 1 - specificity];",
    hint: "Should a negative result raise the odds?",
  },
  {
    file: "bayes.ts",
    name: "takes the logarithm of p for the log-odds",
    find: "return Math.log(p) - Math.log1p(-p);",
    replace: "return Math.log(p);",
    hint: "What are the log-odds of ½?",
  },
  {
    file: "bayes.ts",
    name: "rounds small probabilities to 0",
    find: "(logOdds < 0 ? small : 1) / (1 + small)",
    replace: "logOdds < 0 ? 1 - 1 / (1 + small) : 1 / (1 + small)",
    hint: "How many digits are left of 1 − 0.9999999999999999?",
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
