import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { accepts, remark, solution } from "./answers.ts";
import type { Question } from "./questions.ts";

const QUESTIONS: Record<string, Question> = {
  binary: { kind: "binary", value: 13, text: "What is 13 in binary?" },
  decimal: { kind: "decimal", value: 13, text: "What is binary 1101?" },
  exact: { kind: "power", value: 1024, tolerance: 0, text: "What is 2^10?" },
  power: {
    kind: "power",
    value: 2 ** 40,
    tolerance: 0.1,
    text: "What is 2^40?",
  },
  exponent: {
    kind: "exponent",
    value: 1024,
    text: "1,024 is 2 to which power?",
  },
  light: { kind: "light", value: 299_792_458, text: "How fast is light?" },
  memory: { kind: "latency", value: 100e-9, text: "main memory?" },
  packet: { kind: "latency", value: 150e-3, text: "packet?" },
  sort: { kind: "complexity", value: "n log n", or: [], text: "merge sort?" },
  square: { kind: "complexity", value: "n^2", or: [], text: "bubble sort?" },
  once: { kind: "complexity", value: "1", or: [], text: "peek?" },
  dijkstra: {
    kind: "complexity",
    value: "(V + E) log V",
    or: ["E log V"],
    text: "Dijkstra?",
  },
};

// deno-fmt-ignore
const RIGHT: Record<string, string[]> = {
  binary: ["1101", "0b1101", "0B1101", "1101b", "1101₂", "0000 1101", "0000_1101", "00001101", " 1101 "],
  decimal: ["13", "13.0", "1.3e1", "0013", " 13 "],
  exact: ["1024", "1,024", "1 024", "1_024", "1'024", "1.024e3", "1024.0", "1.024*10^3"],
  power: ["1099511627776", "1,099,511,627,776", "1.1e12", "1e12", "10^12", "10¹²", "1.1·10^12", "1.2 × 10**12"],
  exponent: ["10", "2^10", "2**10", "2¹⁰", "2 ^ 10"],
  light: [
    "3e8", "3E8", "3*10^8", "3*10^8 m/s", "3·10^8", "3×10⁸", "3 x 10^8", "3x10**8 m/s", "3.0e+8",
    "299792458", "299 792 458", "299_792_458", "299,792,458 m/s", "299’792’458", "299\u202f792\u202f458",
    "300,000 km/s", "300000 KM/S", "3·10^5 km/s", "299792.458 km/s", "2.998e8", "300 000 000 meters per second",
  ],
  memory: ["100 ns", "100ns", "0.1 us", "0.1 µs", "0.1 μs", ".1 µs", "1e-7 s", "10^-7 s", "10⁻⁷ s", "1·10^(-7) s",
    "100 nanoseconds", "0.0001 ms", "300 ns", "34 ns", "50 NS"],
  packet: ["150ms", "150 ms", "0.15 s", "150,000 µs", "150,000,000 ns", "100 ms", "0.4 seconds"],
  sort: ["nlogn", "n log n", "O(n log n)", "O(nlgn)", "n*log(n)", "Θ(n log n)", "n log2 n", "N log N"],
  square: ["n^2", "n²", "n*n", "n**2", "O(n^2)", "quadratic"],
  once: ["1", "O(1)", "constant"],
  dijkstra: ["E log V", "(V+E) log V", "O((E+V) lg V)"],
};

// deno-fmt-ignore
const WRONG: Record<string, string[]> = {
  binary: ["110", "11010", "1011", "11012", "13", "0xd", "0b", "b", "0b1101b", "1101.0", "-1101", "0b0b1101", "1,101"],
  decimal: ["1101", "12", "13 m", "0xd", "13b", "thirteen", "-13", "1 3", "13 000"],
  exact: ["2^10", "2**10", "2¹⁰", "4^5", "1000", "1k", "1K", "1e3", "1.024", "10 24", "10,24", "1,0240"],
  power: ["2^40", "1e11", "1e13", "1.3e12", "0.9e12", "1T", "12"],
  exponent: ["1024", "9", "11", "4^5", "10^2", "2^9", "2"],
  light: ["3e9", "3e7", "3e5", "3e8 km/s", "300,000", "3·10^5 m/s", "300 km/s", "3e8 m", "3e8 s", "3e8 km/h",
    "3.1e8", "3,0e8", "299.792.458", "3^8", "c", "3 108", "3e8 m/s/s"],
  memory: ["100", "100 m/s", "100 ms", "100 µs", "10 ns", "1 µs", "301 ns", "33 ns", "0 ns", "-100 ns", "0,1 µs",
    "100 n", "100 ns ns", "1e-7", "ns", "100 ps"],
  packet: ["150", "150 µs", "15 ms", "1.5 s", "150 s"],
  sort: ["n", "log n", "n^2", "n + log n", "n log n n", "2 n log n", "O(n log n", "linear"],
  square: ["n log n", "n", "2n", "n^3", "2^n", "n^2 log n"],
  once: ["n", "0", "2", "one"],
  dijkstra: ["V log V", "E + V", "V^2", "E log V + V"],
};

for (const [name, question] of Object.entries(QUESTIONS)) {
  for (const answer of RIGHT[name]) {
    Deno.test(`accepts() takes "${answer}" for ${question.text}`, () => {
      assertEquals(accepts(question, answer), true);
    });
  }
  for (const answer of WRONG[name]) {
    Deno.test(`accepts() does not take "${answer}" for ${question.text}`, () => {
      assertEquals(accepts(question, answer), false);
    });
  }
  Deno.test(`accepts() takes no nonsense for ${question.text}`, () => {
    const nonsense = [
      ..."|  |O()|NaN|Infinity|-Infinity|1e999|1e-999|0x|__proto__|constructor"
        .split("|"),
      ..."undefined|null|true|e|^|10^|[object Object]|1101 3e8 n log n".split(
        "|",
      ),
      "1".repeat(1e6),
      " ".repeat(1e6) + "1",
      "1 ".repeat(1e5),
      "\0",
    ].filter((text) => name !== "once" || text !== "1");
    for (const text of nonsense) {
      assertEquals(accepts(question, text), false, text.slice(0, 30));
    }
  });
  Deno.test(`accepts() of ${question.text} never throws, nor remark()`, () => {
    const piece = fc.constantFrom(..."0123e^*x.,- '()/mskn", "²", "10^", "ns");
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 100 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(text, (text) => {
        assertEquals(typeof accepts(question, text), "boolean");
        assertEquals(typeof remark(question, text), "string");
      }),
      { numRuns: 300 },
    );
  });
}

Deno.test("accepts() takes a time within a factor of 3, whatever its unit", () => {
  const units = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };
  const unit = fc.constantFrom(...Object.entries(units));
  const ratio = fc.double({ min: 0.01, max: 100, noNaN: true })
    .filter((ratio) =>
      Math.abs(Math.abs(Math.log(ratio)) - Math.log(3)) > 1e-9
    );
  fc.assert(fc.property(unit, ratio, ([name, size], ratio) => {
    const answer = `${(150e-3 * ratio / size).toExponential()} ${name}`;
    const near = ratio >= 1 / 3 && ratio <= 3;
    assertEquals(accepts(QUESTIONS.packet, answer), near, answer);
  }));
});

Deno.test("accepts() takes every number that is written in groups, and its own solution()", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 53 - 1 }), (value) => {
    const question: Question = { kind: "decimal", value, text: "" };
    for (const locale of ["en", "fr", "de-CH"]) {
      const answer = value.toLocaleString(locale);
      assertEquals(accepts(question, answer), true, answer);
    }
    assertEquals(accepts(question, `${value + 1}`), value + 1 === value);
    assertEquals(accepts(question, solution(question)), true);
  }));
});

const SOLUTIONS: [name: string, text: string][] = [
  ["binary", "1101"],
  ["decimal", "13"],
  ["exact", "1,024"],
  ["power", "1.1·10^12"],
  ["exponent", "10"],
  ["light", "299,792,458 m/s, about 3·10^8"],
  ["memory", "100 ns, to a factor of 3"],
  ["sort", "O(n log n)"],
];
for (const [name, text] of SOLUTIONS) {
  Deno.test(`solution() of ${QUESTIONS[name].text} is ${text}`, () => {
    assertEquals(solution(QUESTIONS[name]), text);
  });
}

const REMARKS: [name: string, answer: string, text: string][] = [
  ["light", "3e8", "exactly 299,792,458 m/s"],
  ["light", "300,000 km/s", "exactly 299,792,458 m/s"],
  ["light", "3e8 km/h", "the unit is m/s or km/s"],
  ["light", "3e9", ""],
  ["memory", "100", "a time needs its unit: ns, µs, ms or s"],
  ["memory", "100 m/s", "a time needs its unit: ns, µs, ms or s"],
  ["memory", "100 ms", ""],
  ["memory", "100 ns", ""],
  ["memory", "long", ""],
  ["power", "2^40", "that was the question"],
  ["power", "1e12", ""],
  ["sort", "n", ""],
];
for (const [name, answer, text] of REMARKS) {
  Deno.test(`remark() on "${answer}" for ${QUESTIONS[name].text} is "${text}"`, () => {
    assertEquals(remark(QUESTIONS[name], answer), text);
  });
}
