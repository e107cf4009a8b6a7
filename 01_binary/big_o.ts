#!/usr/bin/env -S deno run
/**
 * Q. Are O(n log n), O(n lg n) and Θ(n·log₂(n)) the same answer?
 *
 * A. Yes: the base of a logarithm is a constant factor, and the letter around is
 * not the growth. So read the text as a sum of products, forget what does not
 * count, multiply sums out, and sort: two texts that mean the same then have the
 * same form. Nothing is guessed: n log n is not n², although both are O(n²).
 *
 * Time O(length), with at most 16 terms.
 * Trap: comparing texts, or evaluating them at some n.
 * Left out: constant factors, O(2n), and smaller terms, O(n² + n): in an
 * interview they are dropped before one speaks.
 * Run: `deno run big_o.ts 'Θ(n·log₂(n))'`
 * @module
 */

/** A product: its factors, each with its exponent. The empty one is 1. */
type Product = Map<string, number>;
/** A sum of products, by their written form. */
type Sum = Map<string, Product>;

const WORDS = new Map([
  ["constant", "1"],
  ["logarithmic", "log n"],
  ["linear", "n"],
  ["linearithmic", "n log n"],
  ["log-linear", "n log n"],
  ["quadratic", "n^2"],
  ["cubic", "n^3"],
  ["factorial", "n!"],
  ["inverse ackermann", "α(n)"],
]);

/** Longer texts are no answer. */
const LONGEST = 80;
const MOST_TERMS = 16;

/**
 * Brings a complexity to the one form of all texts that mean the same.
 * @param text such as "O(n log n)", "n lgn", "n²", "E log V", "linear"
 * @returns undefined if it is not one
 */
export function canonical(text: string): string | undefined {
  if (text.length > LONGEST) return undefined;
  const plain = text.trim().toLowerCase();
  const tokens = tokenize(WORDS.get(plain) ?? plain);
  if (tokens === undefined) return undefined;
  try {
    return new Parser(tokens).parse();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes ², ₂, ·, × and − as ^2, 2, * and -. */
export function plainDigits(text: string): string {
  return text
    .replace(/[⁻⁰¹²³⁴-⁹ⁿ]+/g, (run) => `^${run.normalize("NFKC")}`)
    .replace(/[₀-₉]/g, (digit) => digit.normalize("NFKC"))
    .replaceAll("−", "-")
    .replace(/[·×⋅∙]/g, "*")
    .replaceAll("**", "^");
}

/** One token each: a logarithm with its base, a function, a number, a letter, a sign. */
function tokenize(text: string): string[] | undefined {
  const plain = plainDigits(text).replaceAll("|", "").replaceAll("1/2", "0.5");
  const token =
    /\s*(log_?(?:2|10)(?![\d.])|log|lg|ln|sqrt|√|alpha|phi|\d+(?:\.\d+)?|[a-zα-ω]|[-+*^!()])/y;
  const tokens: string[] = [];
  while (token.lastIndex < plain.length) {
    const from = token.lastIndex;
    const found = token.exec(plain);
    if (found === null) return plain.slice(from).trim() ? undefined : tokens;
    tokens.push(found[1]);
  }
  return tokens;
}

/** By recursion, as deep as the brackets of at most 80 characters. */
class Parser {
  #at = 0;
  constructor(readonly tokens: string[]) {}

  /** @throws {SyntaxError} if the tokens are no complexity */
  parse(): string {
    const wrapped = /^[oθ]$/.test(this.#next() ?? "") &&
      this.tokens[1] === "(" && this.tokens.at(-1) === ")";
    if (wrapped) this.#at++;
    const sum = this.#sum();
    if (this.#at !== this.tokens.length) throw new SyntaxError("Text is left");
    return write(sum);
  }

  #next(): string | undefined {
    return this.tokens[this.#at];
  }

  #take(token: string): boolean {
    if (this.#next() !== token) return false;
    this.#at++;
    return true;
  }

  #sum(): Sum {
    const sum = this.#product();
    while (this.#take("+")) {
      this.#product().forEach((product, key) => sum.set(key, product));
    }
    return sum;
  }

  #product(): Sum {
    let sum = this.#power();
    for (;;) {
      if (!this.#take("*") && /^[-+)]?$/.test(this.#next() ?? "")) return sum;
      sum = multiply(sum, this.#power());
    }
  }

  /** A factor, with ^ or ! behind it. */
  #power(): Sum {
    const base = this.#factor();
    if (this.#take("!")) return factor(`(${write(base)})!`);
    return this.#take("^") ? power(base, this.#power()) : base;
  }

  #factor(): Sum {
    const token = this.#next() ?? "";
    this.#at++;
    if (/^(log|lg|ln)/.test(token)) {
      const exponent = this.#take("^") ? this.#factor() : factor("1");
      return power(factor(`log(${write(this.#power())})`), exponent);
    }
    if (token === "sqrt" || token === "√") {
      return power(this.#power(), factor("0.5"));
    }
    if (token === "alpha" || token === "α") {
      return factor(`α(${write(this.#factor())})`);
    }
    if (token === "(") {
      const sum = this.#sum();
      if (this.#take(")")) return sum;
    }
    if (token === "phi") return factor("φ");
    if (/^[\da-zα-ω]/.test(token)) return factor(token);
    throw new SyntaxError(`Cannot begin a factor with "${token}"`);
  }
}

/** The sum of one product of one factor; 1 is the product of none. */
function factor(name: string, exponent = 1): Sum {
  const product: Product = new Map(name === "1" ? [] : [[name, exponent]]);
  return new Map([[writeProduct(product), product]]);
}

/** Multiplies out. */
function multiply(a: Sum, b: Sum): Sum {
  const sum: Sum = new Map();
  for (const left of a.values()) {
    for (const right of b.values()) {
      const product = new Map(left);
      for (const [name, exponent] of right) {
        product.set(name, (product.get(name) ?? 0) + exponent);
      }
      sum.set(writeProduct(product), product);
    }
  }
  if (sum.size > MOST_TERMS) throw new SyntaxError("Too many terms");
  return sum;
}

function power(base: Sum, exponent: Sum): Sum {
  const [product, ...more] = base.values();
  const times = Number(write(exponent));
  const single = more.length === 0 && product.size === 1;
  if (!single || Number.isNaN(times)) {
    return factor(`(${write(base)})^(${write(exponent)})`);
  }
  const [[name, before]] = product;
  return factor(name, before * times);
}

function write(sum: Sum): string {
  return [...sum.keys()].sort().join(" + ");
}

function writeProduct(product: Product): string {
  const factors = [...product].map(([name, exponent]) =>
    exponent === 1 ? name : `${name}^${exponent}`
  );
  return factors.sort().join("·") || "1";
}

if (import.meta.main) {
  const texts = Deno.args.length > 0
    ? Deno.args
    : ["O(n log n)", "n lgn", "Θ(n·log₂(n))", "(V+E) log V", "n²", "O()"];
  for (const text of texts) {
    console.log(`${text}: ${canonical(text) ?? "not a complexity"}`);
  }
}
