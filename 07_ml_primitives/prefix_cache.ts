#!/usr/bin/env -S deno run
/**
 * Q. Many requests begin with the same system prompt. How is it computed only once?
 *
 * A. By blocks of S tokens. What a layer writes for a token depends on all tokens
 * before it, so a full block is known by its parent, the block before, and by its own
 * tokens: a path in a trie. A new request walks it, shares what it finds, and takes
 * fresh blocks for the rest. It always computes the last token, as its logits are
 * wanted. A block without users can still be found, until it is overwritten, the
 * longest unused first. A request gives its last block back first, so a parent outlives
 * its children. I compare tokens: equal hashes would show one user another's text.
 *
 * Shapes: S tokens in a block; T in a request.
 * Time O(T) a start, O(S) a commit of one more token, but for what deleting leaves in a
 * Set (lru_cache.ts); space O(blocks · S).
 * Trap: to know a block by its own tokens: behind another prefix it has other values.
 * Left out: the keys and values, copy on write (paged_kv_cache.ts), preemption.
 * Source: https://docs.vllm.ai/en/latest/design/prefix_caching/; Kwon et al. (2023),
 * arXiv:2309.06180; CVE-2025-25183 for hashes that collide on purpose.
 * Run: `deno run prefix_cache.ts`
 * @module
 */

/** A request; its table lists the blocks of its tokens in the order of the text. */
export interface Request {
  readonly tokens: number[]; // (T,)
  readonly table: number[]; // (⌈T / S⌉,)
  /** How many tokens, from the first on, have their keys and values. */
  computed: number;
  /** What else these depend on, such as an adapter or the tenant. */
  readonly scope: string;
}

/** Which block holds what, who uses it, and which one is overwritten next. */
export class PrefixCache {
  /** Tokens found and computed, and known blocks overwritten, so far. */
  readonly stats = { hits: 0, computed: 0, evicted: 0 };
  readonly #S: number;
  // Without a key it cannot be found; the id is its content's, and never comes again.
  readonly #blocks: { users: number; id: number; key?: string }[];
  readonly #known = new Map<string, number>();
  #lastId = 0;
  // Blocks without users: those without a key, and the others, longest unused first.
  readonly #empty: number[];
  readonly #idle = new Set<number>();
  readonly #live = new Set<Request>();

  /** @throws {RangeError} unless `blocks` and `blockSize`, S, are whole, and S ≥ 1 */
  constructor(blocks: number, blockSize: number) {
    const length = whole("blocks", blocks, 0);
    this.#blocks = Array.from({ length }, () => ({ users: 0, id: 0 }));
    this.#empty = this.#blocks.map((_, i) => length - 1 - i);
    this.#S = whole("a block size of", blockSize, 1);
  }

  /** How many requests use the block. */
  users = (block: number) => this.#blocks[block]?.users ?? 0;
  /** How many blocks nobody uses, and how many can be found, used or not. */
  free = () => this.#empty.length + this.#idle.size;
  cached = () => this.#known.size;

  /** The blocks that a request for these tokens would share; changes nothing. */
  match(tokens: readonly number[], scope = ""): number[] {
    const found: number[] = [];
    // Without the last token: nothing would give its logits.
    const most = Math.floor((tokens.length - 1) / this.#S);
    for (let i = 0; i < most; i++) {
      const block = this.#known.get(this.#key(tokens, scope, found, i));
      if (block === undefined) break;
      found.push(block);
    }
    return found;
  }

  /**
   * Shares what is known and takes blocks for the rest. The caller computes the tokens
   * from `computed` on, and then calls {@link commit}.
   * @throws {RangeError} if there is no token, one is no whole number, or too few
   * blocks are free; then nothing has changed
   */
  start(tokens: readonly number[], scope = ""): Request {
    if (tokens.length === 0) throw new RangeError("Cannot start: no tokens");
    tokens.forEach((token) => whole("token", token, 0));
    const table = this.match(tokens, scope);
    const fresh = Math.ceil(tokens.length / this.#S) - table.length;
    // What is found is not free to be overwritten, even if nobody uses it yet.
    const idle = table.filter((block) => this.users(block) === 0).length;
    this.#demand(fresh, this.free() - idle);
    table.forEach((block) => this.#use(block));
    const computed = table.length * this.#S;
    for (let i = 0; i < fresh; i++) table.push(this.#take());
    const request = { tokens: [...tokens], table, computed, scope };
    this.#live.add(request);
    this.stats.hits += computed;
    return request;
  }

  /** Adds a token that was sampled. @throws as {@link start} */
  append(request: Request, token: number): void {
    this.#check(request);
    whole("token", token, 0);
    if (request.tokens.length === request.table.length * this.#S) {
      this.#demand(1, this.free());
      request.table.push(this.#take());
    }
    request.tokens.push(token);
  }

  /**
   * Says that all tokens are computed: others find the full blocks from now on. If one
   * is already known, the table lists that instead, and its own is given back.
   */
  commit(request: Request): void {
    this.#check(request);
    const { tokens, table, scope } = request;
    const full = Math.floor(tokens.length / this.#S);
    for (let i = Math.floor(request.computed / this.#S); i < full; i++) {
      const key = this.#key(tokens, scope, table, i);
      const [own, known] = [table[i], this.#known.get(key)];
      if (known === undefined) {
        this.#known.set(key, own);
        this.#blocks[own] = { users: 1, id: ++this.#lastId, key };
      } else {
        this.#use(known);
        table[i] = known;
        this.#release(own);
      }
    }
    this.stats.computed += tokens.length - request.computed;
    request.computed = tokens.length;
  }

  /** Ends a request. @throws {RangeError} if it has ended */
  end(request: Request): void {
    this.#check(request);
    this.#live.delete(request);
    // The last first, as nobody can find a block whose parent is gone.
    request.table.toReversed().forEach((block) => this.#release(block));
  }

  #key(tokens: readonly number[], scope: string, table: number[], i: number) {
    const parent = i === 0 ? `root ${scope}` : this.#blocks[table[i - 1]].id;
    return `${parent} ${tokens.slice(i * this.#S, (i + 1) * this.#S)}`;
  }

  #use(block: number): void {
    if (this.#blocks[block].users++ === 0) this.#idle.delete(block);
  }

  #take(): number {
    const block = this.#empty.pop() ?? this.#idle.values().next().value!;
    const { key } = this.#blocks[block];
    if (key !== undefined && this.#known.delete(key)) this.stats.evicted++;
    this.#idle.delete(block);
    this.#blocks[block] = { users: 1, id: 0 };
    return block;
  }

  #release(block: number): void {
    const state = this.#blocks[block];
    if (--state.users > 0) return;
    if (state.key === undefined) this.#empty.push(block);
    else this.#idle.add(block);
  }

  #demand(blocks: number, free: number): void {
    if (blocks <= free) return;
    throw new RangeError(`Cannot take ${blocks} blocks: ${free} are free`);
  }

  #check(request: Request): void {
    if (this.#live.has(request)) return;
    throw new RangeError("Cannot use the request: it has ended");
  }
}

function whole(name: string, x: number, least: number): number {
  if (Number.isSafeInteger(x) && x >= least) return x;
  throw new RangeError(`Cannot use ${name} ${x}: no integer ≥ ${least}`);
}

if (import.meta.main) {
  const cache = new PrefixCache(9, 4);
  console.log("14, 17 and 14 tokens, of which the first 10 are the same");
  for (const question of ["Why?", "How so?", "Why?"]) {
    const text = `Be brief. ${question}`;
    const request = cache.start(Array.from(text, (c) => c.charCodeAt(0)));
    console.log(`  ${request.computed} found; blocks`, ...request.table);
    cache.commit(request);
    cache.end(request);
  }
  console.log(`  ended: ${cache.free()} free, ${cache.cached()} to be found`);

  const mean = (prefix: number) => (4 * prefix + 4 * 5) / 8;
  console.log("a toy in which a token's value is the mean of all up to it");
  console.log(
    `  9999 5555: ${mean(9)}; with 5555 as it is behind 1111: ${mean(1)}`,
  );
}
