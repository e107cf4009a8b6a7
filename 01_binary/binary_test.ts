import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  explain,
  fromBinary,
  fromTwosComplement,
  halvings,
  toBinary,
  toTwosComplement,
} from "./binary.ts";

// python3 -c "print(*(f'{n:b}' for n in (...)))"
const GOLDEN: [n: number | bigint, text: string][] = [
  [13, "1101"],
  [0, "0"],
  [1, "1"],
  [-13, "-1101"],
  [2 ** 31, "10000000000000000000000000000000"],
  [2 ** 53, "100000000000000000000000000000000000000000000000000000"],
  [2n ** 53n + 1n, "100000000000000000000000000000000000000000000000000001"],
  [
    -(2n ** 64n),
    "-10000000000000000000000000000000000000000000000000000000000000000",
  ],
];
for (const [n, text] of GOLDEN) {
  Deno.test(`toBinary() of ${n} is ${text}, and fromBinary() brings it back`, () => {
    assertEquals(toBinary(n), text);
    assertEquals(BigInt(fromBinary(text)), BigInt(n));
  });
}

Deno.test("toBinary() and back is any integer, beyond 32 bits and beyond 53", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), (n) => {
      assertEquals(BigInt(fromBinary(toBinary(n))), n);
      assertEquals(toBinary(n), n.toString(2)); // the engine's own
    }),
  );
  fc.assert(fc.property(fc.maxSafeInteger(), (n) => {
    assertEquals(fromBinary(toBinary(n)), n === 0 ? 0 : n);
  }));
});

Deno.test("fromBinary() takes leading zeros, and gives a bigint from 2^53 on", () => {
  assertEquals(fromBinary("0001101"), 13);
  assertEquals(fromBinary("1".repeat(53)), 2 ** 53 - 1);
  assertEquals(fromBinary("1" + "0".repeat(53)), 2n ** 53n);
});

Deno.test("halvings() of 13 are the four steps that one says aloud", () => {
  assertEquals(halvings(13), [
    { n: 13, half: 6, bit: 1 },
    { n: 6, half: 3, bit: 0 },
    { n: 3, half: 1, bit: 1 },
    { n: 1, half: 0, bit: 1 },
  ]);
});

// Two's complement: python3 -c "print(f'{n % 2**w:0{w}b}')"
const COMPLEMENTS: [n: number, width: number, bits: string][] = [
  [13, 8, "00001101"],
  [-13, 8, "11110011"],
  [-1, 5, "11111"],
  [-16, 5, "10000"],
  [15, 5, "01111"],
  [0, 1, "0"],
  [-1, 1, "1"],
];
for (const [n, width, bits] of COMPLEMENTS) {
  Deno.test(`toTwosComplement() of ${n} in ${width} bits is ${bits}, zeros kept`, () => {
    assertEquals(toTwosComplement(n, width), bits);
    assertEquals(fromTwosComplement(bits), n);
  });
}

Deno.test("toTwosComplement() is what a typed array of that width stores", () => {
  fc.assert(fc.property(fc.integer(), (n) => {
    const bits = (new Int32Array([n])[0] >>> 0).toString(2).padStart(32, "0");
    assertEquals(toTwosComplement(n, 32), bits);
  }));
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
      const bits = BigInt.asUintN(64, n).toString(2).padStart(64, "0");
      assertEquals(toTwosComplement(n, 64), bits);
      assertEquals(BigInt(fromTwosComplement(bits)), n);
    }),
  );
});

Deno.test("explain() shows the way to 13, and its two's complement", () => {
  assertEquals(explain("13").slice(0, 8), [
    "13 = 1101",
    "  13 = 2 · 6 + 1",
    "   6 = 2 · 3 + 0",
    "   3 = 2 · 1 + 1",
    "   1 = 2 · 0 + 1",
    "  the bits are the remainders, from the last to the first",
    "two's complement in 8 bits: 00001101",
    "f64  0 10000000010 1010000000000000000000000000000000000000000000000000",
  ]);
});

const FIRST_LINES: [text: string, line: string][] = [
  ["-13", "-13 = -1101"],
  ["+5", "5 = 101"],
  ["0b1101", "0b1101 = 13"],
  ["-0b11", "-0b11 = -3"],
  ["0.1", "0.1 = 0.0(0011)"],
  ["-2.5", "-2.5 = -10.1"],
  ["5/6", "5/6 = 0.1(10)"],
  [
    "340282366920938463463374607431768211456",
    `340282366920938463463374607431768211456 = 1${"0".repeat(128)}`,
  ],
];
for (const [text, line] of FIRST_LINES) {
  Deno.test(`explain() of ${text} begins with ${line.slice(0, 60)}`, () => {
    assertEquals(explain(text)[0], line);
  });
}

Deno.test("explain() of a long decimal is about the nearest double, rounded once", () => {
  // python3: 0.6249979066121302517, and float(6249979066121302517) / 1e19 beside it
  const text = "0.6249979066121302517";
  const line = explain(text).find((line) => line.startsWith("     = "));
  assertEquals(Number(line?.slice(7)), 0.6249979066121303);
  assertEquals(
    explain("3.14159265358979")[0].slice(0, 30),
    "3.14159265358979 = 11.00100100",
  );
});

Deno.test("explain() takes as many bits as a number needs, in eights", () => {
  for (
    const [text, width] of [["127", 8], ["128", 16], ["-128", 8], ["-129", 16]]
  ) {
    const line = explain(`${text}`).find((line) => line.startsWith("two's"));
    assertEquals(
      line?.slice(0, 26),
      `two's complement in ${width} bits`.slice(0, 26),
    );
  }
});

const ERRORS: [
  name: string,
  run: () => unknown,
  error: typeof Error,
  message: string,
][] = [
  [
    "toBinary() of a fraction",
    () => toBinary(0.5),
    RangeError,
    "Cannot write 0.5 in binary: needs an integer, as a bigint beyond 2^53",
  ],
  [
    "toBinary() of a number that has lost digits",
    () => toBinary(2 ** 60),
    RangeError,
    "Cannot write 1152921504606847000 in binary",
  ],
  ["toBinary() of NaN", () => toBinary(NaN), RangeError, "Cannot write NaN"],
  ["halvings() of −1", () => halvings(-1), RangeError, "Cannot halve -1 away"],
  [
    "fromBinary() of no bits",
    () => fromBinary(""),
    SyntaxError,
    'Cannot read "" as binary: needs 0s and 1s',
  ],
  ["fromBinary() of 102", () => fromBinary("102"), SyntaxError, "Cannot read"],
  [
    "fromTwosComplement() of a minus sign",
    () => fromTwosComplement("-101"),
    SyntaxError,
    'Cannot read "-101": the first bit is the sign',
  ],
  [
    "toTwosComplement() of 128 in 8 bits",
    () => toTwosComplement(128, 8),
    RangeError,
    "Cannot write 128 in 8 bits: they hold -128 to 127",
  ],
  [
    "toTwosComplement() in no bits",
    () => toTwosComplement(0, 0),
    RangeError,
    "Cannot write in 0 bits: needs 1 or more",
  ],
  [
    "explain() of a word",
    () => explain("ten"),
    SyntaxError,
    'Cannot read "ten" as a number: needs one like 13, -13, 0.1, 5/6, 0b1101',
  ],
  ["explain() of 1/0", () => explain("1/0"), RangeError, "Cannot divide by 0"],
  [
    "explain() of a fraction beyond what a double holds",
    () => explain("1/9007199254740993"),
    RangeError,
    "Cannot show 1/9007199254740993 as a float: neither part may be beyond 2^53",
  ],
  ["explain() in half a bit", () => explain("1", 0.5), RangeError, "0.5 bits"],
];
for (const [name, run, error, message] of ERRORS) {
  Deno.test(`${name} is an error`, () => {
    assertThrows(run, error, message);
  });
}
