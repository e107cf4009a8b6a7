import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { canonical, plainDigits } from "./big_o.ts";

/** All texts of a row mean the same, and none means what another row does. */
// deno-fmt-ignore
const SAME: string[][] = [
  ["1", "O(1)", "constant", "Constant", "Θ(1)", "(1)"],
  ["n", "O(n)", "o( n )", "linear", "LINEAR", " N ", "(((n)))"],
  ["log n", "logn", "lg n", "ln(n)", "log2 n", "log2n", "log₂(n)", "log_2 n", "log10(n)", "logarithmic"],
  ["n log n", "nlogn", "nlgn", "O(nlgn)", "n*log(n)", "Θ(n log n)", "n log2 n", "N log N", "n·log₂ n", "log n * n", "n ln n", "linearithmic"],
  ["n^2", "n²", "n*n", "n**2", "O(N^2)", "n×n", "quadratic", "n n"],
  ["n^3", "n³", "n*n*n", "n² n", "cubic"],
  ["(V+E) log V", "E log V + V log V", "(e + v) lg v", "O((|V| + |E|)·log |V|)", "log V (E + V)"],
  ["E log V", "elogv", "O(E lg V)"],
  ["V+E", "E + V", "O(|V|+|E|)", "(V) + E"],
  ["√n", "sqrt n", "sqrt(n)", "n^0.5", "n^(1/2)", "√(n)"],
  ["2^n", "2**n", "O(2^n)", "2ⁿ"],
  ["φ^n", "phi^n"],
  ["n!", "O(n!)", "factorial", "(n)!"],
  ["n n!", "n*n!", "n!·n"],
  ["n 2^n", "n·2^n", "2^n n"],
  ["n log log n", "n log(log n)", "nloglogn"],
  ["log^2 n", "log² n", "(log n)^2", "log n log n"],
  ["log n^2", "log(n*n)"],
  ["α(n)", "alpha(n)", "inverse Ackermann"],
  ["m n", "nm", "m*n", "O(n·m)"],
  ["T^2 d", "d t²", "T T d"],
  ["n^(log 7)", "n^lg 7", "n^log2 7"],
];
for (const row of SAME) {
  Deno.test(`canonical() takes ${row.join(", ")} for one answer`, () => {
    for (const text of row) {
      assertEquals(canonical(text), canonical(row[0]), text);
    }
    assert(canonical(row[0]) !== undefined);
  });
}

Deno.test("canonical() takes no two complexities for one", () => {
  const forms = SAME.map(([text]) => canonical(text));
  assertEquals(new Set(forms).size, SAME.length);
  for (const text of ["2n", "n + 1", "n^2 + n", "n log^2 n", "Ω(n)", "n^2.5"]) {
    assert(canonical(text) !== undefined, text);
    assertEquals(forms.includes(canonical(text)), false, text);
  }
});

// deno-fmt-ignore
const NONE = [
  "", " ", "O()", "()", "O(", "(n", "n)", "n +", "+ n", "n^", "^2", "!", "n -", "-n", "n - 1",
  "log", "n log", "sqrt", "α", "n/2", "n; n", "n=1", "__proto__", "n_1", "πr²?", "1".repeat(81),
  "(a+b)(c+d)(e+f)(g+h)(i+j)", "n".repeat(1e6), "(".repeat(80),
];
for (const text of NONE) {
  Deno.test(`canonical() of "${text.slice(0, 30)}" is undefined, not a guess`, () => {
    assertEquals(canonical(text), undefined);
  });
}

Deno.test("canonical() never throws, whatever is typed", () => {
  const piece = fc.constantFrom(
    ..."n2+*^!()| ",
    "log",
    "√",
    "o(",
    "α",
    "²",
    "1/2",
  );
  const text = fc.oneof(fc.string(), fc.array(piece).map((a) => a.join("")));
  fc.assert(
    fc.property(text, (text) => {
      assert(["string", "undefined"].includes(typeof canonical(text)));
    }),
    { numRuns: 1000 },
  );
});

/** A product of letters, logarithms and powers, as one may write it. */
const factor = fc.constantFrom("n", "m", "log n", "k^2", "2^n", "√m", "n!");
const product = fc.array(factor, { minLength: 1, maxLength: 4 });

Deno.test("canonical() does not mind the order of factors and terms", () => {
  const sums = fc.array(product, { minLength: 1, maxLength: 3 });
  fc.assert(fc.property(sums, fc.infiniteStream(fc.nat()), (sum, keys) => {
    const mix = <T>(list: T[]) =>
      list.map((item) => ({ item, key: keys.next().value ?? 0 }))
        .sort((a, b) => a.key - b.key).map(({ item }) => item);
    const write = (terms: string[][]) =>
      terms.map((term) => term.map((f) => `(${f})`).join("*")).join(" + ");
    assertEquals(canonical(write(mix(sum.map(mix)))), canonical(write(sum)));
  }));
});

Deno.test("canonical() of one factor more is another complexity", () => {
  fc.assert(fc.property(product, factor, (factors, more) => {
    const text = factors.map((f) => `(${f})`).join("");
    assertNotEquals(canonical(`${text}(${more})`), canonical(text));
  }));
});

Deno.test("plainDigits() keeps an exponent an exponent, and its sign", () => {
  assertEquals(plainDigits("3·10⁸"), "3*10^8");
  assertEquals(plainDigits("2 × 10⁻¹² − log₂ n**2"), "2 * 10^-12 - log2 n^2");
});
