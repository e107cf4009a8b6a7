import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  frequencies,
  type Layout,
  rope,
  ropeHeads,
  ropeQueryKey,
  ropeTable,
  toHalves,
} from "./rope.ts";

type Matrix = readonly (readonly number[])[];

/** (rows, columns) of quarters between −1 and 1.5, in no order. */
const make = (rows: number, columns: number, step: number): number[][] =>
  Array.from(
    { length: rows },
    (_, i) =>
      Array.from(
        { length: columns },
        (_, j) => (i * columns + j) * step % 11 / 4 - 1,
      ),
  );
const close = (actual: Matrix, expected: Matrix, tolerance: number) => {
  assertEquals(actual.map((row) => row.length), expected.map((r) => r.length));
  expected.forEach((row, i) =>
    row.forEach((e, j) => assertAlmostEquals(actual[i][j], e, tolerance))
  );
};
const dot = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, xi, i) => sum + xi * y[i], 0);
const LAYOUTS: Layout[] = ["halves", "interleaved"];
const TABLE = {
  halves: ropeTable(frequencies(6), 40, "halves"),
  interleaved: ropeTable(frequencies(6), 40, "interleaved"),
};

// Goldens:
// python3 -c "
// import numpy as np
// def make(r, c, step): return (np.arange(r * c) * step % 11 / 4 - 1).reshape(r, c)
// def angles(positions, D, base): return np.outer(positions, base ** (-np.arange(0, D, 2) / D))
// def halves(x, positions, base=10000.0):
//     D = x.shape[1]
//     c, s = np.cos(angles(positions, D, base)), np.sin(angles(positions, D, base))
//     a, b = x[:, :D // 2], x[:, D // 2:]
//     return np.concatenate([a * c - b * s, a * s + b * c], axis=1)
// def interleaved(x, positions, base=10000.0):
//     D = x.shape[1]
//     z = (x[:, ::2] + 1j * x[:, 1::2]) * np.exp(1j * angles(positions, D, base))
//     return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)
// x, y = make(3, 6, 7), np.array([[1.0, 2.0, 3.0, 4.0]] * 2)
// print(halves(x, [0, 1, 2]).tolist()); print(interleaved(x, [0, 1, 2]).tolist())
// print(halves(x, [4, 5, 6]).tolist())
// print(interleaved(x, [9, 2, 100000], 500.0).tolist())
// print(halves(y, [0, 1]).tolist()); print(interleaved(y, [0, 1]).tolist())"
const Y = [[1, 2, 3, 4], [1, 2, 3, 4]];
const GOLDEN: [
  name: string,
  x: Matrix,
  layout: Layout,
  positions: number[],
  base: number,
  expected: Matrix,
][] = [
  ["halves", make(3, 6, 7), "halves", [0, 1, 2], 1e4, [[
    -1.0,
    0.75,
    -0.25,
    1.5,
    0.5,
    -0.5,
  ], [
    -0.1660931024727218,
    0.2497307440101576,
    -0.747843826381495,
    1.5921410368780105,
    0.01159980586618282,
    -1.001613503974005,
  ], [
    -0.7667588408231977,
    -0.20257430564157136,
    1.494600005196615,
    0.47389965184569005,
    -0.5210217372565518,
    1.2564516801159837,
  ]]],
  ["interleaved", make(3, 6, 7), "interleaved", [0, 1, 2], 1e4, [[
    -1.0,
    0.75,
    -0.25,
    1.5,
    0.5,
    -0.5,
  ], [
    0.4650101361332006,
    1.1869143074769055,
    -0.795591455495204,
    0.964123558442082,
    0.0021544330233656045,
    -0.9999976792064809,
  ], [
    -0.08478577070393638,
    0.7860097792560469,
    1.4471920857962461,
    0.6368948632299608,
    -0.5053814284767764,
    1.2478339680224981,
  ]]],
  ["halves from 4 on", make(3, 6, 7), "halves", [4, 5, 6], 1e4, [[
    1.788847363825504,
    0.6448111201197557,
    -0.24568190083285574,
    -0.22366293598748976,
    0.6298560306688393,
    -0.5021358417830327,
  ], [
    1.3135020064921712,
    0.24329755606963013,
    -0.7391845204074364,
    -0.9149931578656969,
    0.05750042791619186,
    -1.0080209545391545,
  ], [
    0.8598354640872374,
    -0.1029129110679863,
    1.4837168686675761,
    0.2705235196759886,
    -0.5494624033867219,
    1.2692849379202777,
  ]]],
  [
    "interleaved, far and in no order",
    make(3, 6, 7),
    "interleaved",
    [9, 2, 100000],
    500,
    [[
      0.6020413979533594,
      -1.0954661816552642,
      -1.4648980757188224,
      0.408134325627349,
      0.5660962881687768,
      -0.4237156977520814,
    ], [
      -0.7475079023903485,
      1.0325850743953164,
      -0.9756407066242835,
      0.7814251157837638,
      0.03174268797480737,
      -0.9994960739093146,
    ], [
      -0.7405834060856552,
      0.2766518003385655,
      -0.2751525587836272,
      1.5570135097020907,
      1.2887090640046641,
      -0.3895240022799904,
    ]],
  ],
  ["4 wide, halves", Y, "halves", [0, 1], 1e4, [[1.0, 2.0, 3.0, 4.0], [
    -1.9841106485555495,
    1.959900667496664,
    2.4623779024123156,
    4.019799668334994,
  ]]],
  ["4 wide, interleaved", Y, "interleaved", [0, 1], 1e4, [
    [1.0, 2.0, 3.0, 4.0],
    [
      -1.1426396637476532,
      1.922075596544176,
      2.959850667913329,
      4.029799501669161,
    ],
  ]],
];
for (const [name, x, layout, positions, base, expected] of GOLDEN) {
  Deno.test(`rope() golden: ${name}`, () => {
    const theta = frequencies(x[0].length, base);
    const table = ropeTable(theta, Math.max(...positions) + 1, layout);
    // An angle of 1e5 is known to 1e-11, and moves numbers of 1 by as much.
    close(rope(x, table, positions), expected, 1e-10);
  });
}

const vector = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), {
  minLength: 6,
  maxLength: 6,
});
const position = fc.integer({ min: 0, max: 19 });
const layout = fc.constantFrom(...LAYOUTS);

Deno.test("a turn keeps the length of every pair", () => {
  fc.assert(
    fc.property(vector, position, layout, (x, p, layout) => {
      const [y] = rope([x], TABLE[layout], p);
      const pairs = [0, 1, 2].map((i) =>
        layout === "halves" ? [i, i + 3] : [2 * i, 2 * i + 1]
      );
      for (const [a, b] of pairs) {
        assertAlmostEquals(
          Math.hypot(y[a], y[b]),
          Math.hypot(x[a], x[b]),
          1e-14,
        );
      }
    }),
    { seed: 7 },
  );
});

Deno.test("a score depends on the distance of query and key, not on where they are", () => {
  fc.assert(
    fc.property(
      vector,
      vector,
      position,
      position,
      position,
      layout,
      (...all) => {
        const [q, k, m, n, shift, layout] = all;
        const score = (by: number) =>
          dot(
            rope([q], TABLE[layout], m + by)[0],
            rope([k], TABLE[layout], n + by)[0],
          );
        // Angles up to 40 are known to 4e-15; sums reach 54.
        assertAlmostEquals(score(shift), score(0), 1e-12);
      },
    ),
    { seed: 7 },
  );
});

Deno.test("one token at a time, at its absolute position, equals all at once", () => {
  for (const layout of LAYOUTS) {
    const x = make(7, 6, 5);
    const all = rope(x, TABLE[layout]);
    assertEquals(x.flatMap((row, t) => rope([row], TABLE[layout], t)), all);
    assertEquals(rope(x.slice(4), TABLE[layout], 4), all.slice(4));
    assertEquals(rope(x, TABLE[layout], [0, 1, 2, 3, 4, 5, 6]), all);
    assertEquals(x.flatMap((row) => rope([row], TABLE[layout])), x);
  }
});

/** Causal attention of the last row to all. */
function attend(query: Matrix, key: Matrix, value: Matrix): number[] {
  const exps = key.map((k) => Math.exp(dot(query.at(-1)!, k)));
  const total = exps.reduce((a, b) => a + b);
  return value[0].map((_, e) =>
    exps.reduce((sum, x, t) => sum + x / total * value[t][e], 0)
  );
}

Deno.test("the values are not turned: a common offset leaves attention as it is", () => {
  const [q, k, v] = [make(5, 6, 7), make(5, 6, 5), make(5, 6, 3)];
  const at = (offset: number) => {
    const { query, key, value } = ropeQueryKey(q, k, v, TABLE.halves, offset);
    assertEquals(value === v, true);
    return attend(query, key, value);
  };
  close([at(30)], [at(0)], 1e-12);
  // Turned values would give another output at another offset.
  const wrong = (offset: number) =>
    attend(
      rope(q, TABLE.halves, offset),
      rope(k, TABLE.halves, offset),
      rope(v, TABLE.halves, offset),
    );
  const gap = wrong(30).map((x, i) => Math.abs(x - wrong(0)[i]));
  assertEquals(Math.max(...gap) > 0.5, true);
});

Deno.test("the layouts pair other numbers, and a permutation turns one into the other", () => {
  const unit = (d: number) =>
    Array.from({ length: 6 }, (_, i) => i === d ? 1 : 0);
  const touched = (layout: Layout) =>
    rope([unit(1)], TABLE[layout], 2)[0].flatMap((x, d) => x === 0 ? [] : [d]);
  assertEquals(touched("halves"), [1, 4]);
  assertEquals(touched("interleaved"), [0, 1]);
  const [q, k] = [make(1, 6, 7), make(1, 6, 5)];
  const score = (layout: Layout, q: Matrix, k: Matrix) =>
    dot(rope(q, TABLE[layout], 9)[0], rope(k, TABLE[layout], 4)[0]);
  const gap = score("halves", q, k) - score("interleaved", q, k);
  assertEquals(Math.abs(gap) > 0.1, true);
  const permuted = score("halves", q.map(toHalves), k.map(toHalves));
  assertAlmostEquals(permuted, score("interleaved", q, k), 1e-12);
  assertEquals(toHalves([[0], [1], [2], [3]]), [[0], [2], [1], [3]]);
});

Deno.test("all heads are turned by the same positions", () => {
  const heads = [make(3, 6, 7), make(3, 6, 5)];
  assertEquals(
    ropeHeads(heads, TABLE.halves, 4),
    heads.map((x) => rope(x, TABLE.halves, 4)),
  );
});

Deno.test("the fastest pair turns by 1 radian, the next by base^(−2/D) of that", () => {
  // python3 -c "print([10000.0 ** (-2 * i / 6) for i in range(3)])"
  const expected = [1.0, 0.046415888336127795, 0.002154434690031885];
  close([frequencies(6)], [expected], 1e-16);
});

Deno.test("interpolation turns position 4p as p was turned", () => {
  const theta = frequencies(6, 10000, { kind: "linear", factor: 4 });
  const stretched = ropeTable(theta, 40, "halves");
  const x = make(1, 6, 7);
  for (const p of [0, 1, 5, 9]) {
    close(rope(x, stretched, 4 * p), rope(x, TABLE.halves, p), 1e-13);
  }
});

Deno.test("the change of base keeps the fastest pair and slows the slowest by the factor", () => {
  for (const D of [4, 6, 128]) {
    const plain = frequencies(D);
    const ntk = frequencies(D, 10000, { kind: "ntk", factor: 8 });
    assertEquals(ntk[0], 1);
    assertAlmostEquals(plain.at(-1)! / ntk.at(-1)!, 8, 1e-12);
    const slower = plain.map((theta, i) => theta / ntk[i]);
    slower.slice(1).forEach((s, i) => assertEquals(s > slower[i], true));
  }
  // Llama's 128 wide heads: python3 -c "print(10000 * 8 ** (128 / 126))"
  const [, second] = frequencies(128, 10000, { kind: "ntk", factor: 8 });
  assertAlmostEquals(second ** -64, 82684.62264056221, 1e-6);
  assertEquals(frequencies(2, 10000, { kind: "ntk", factor: 8 }), [1]);
});

Deno.test("a factor of 1 changes nothing", () => {
  for (const kind of ["linear", "ntk"] as const) {
    assertEquals(frequencies(6, 10000, { kind, factor: 1 }), frequencies(6));
  }
});

Deno.test("no row, NaN and the caller's own arrays", () => {
  assertEquals(rope([], TABLE.halves, 40), []);
  assertEquals(rope([], ropeTable([1], 0, "halves")), []);
  const [y] = rope([[NaN, 1, 1, 1, 1, 1]], TABLE.halves, 1);
  assertEquals(y.map(Number.isNaN), [true, false, false, true, false, false]);
  const x = make(3, 6, 7);
  rope(x, TABLE.halves, 5);
  assertEquals(x, make(3, 6, 7));
});

Deno.test("a position outside the table is refused, not wrapped or broadcast", () => {
  const x = make(3, 6, 7);
  const bad: [position: number | number[], wrong: number][] = [
    [38, 40],
    [41, 41],
    [-1, -1],
    [0.5, 0.5],
    [NaN, NaN],
    [[0, 1, 40], 40],
    [[0, -2, 3], -2],
  ];
  for (const [position, wrong] of bad) {
    assertThrows(
      () => rope(x, TABLE.halves, position),
      RangeError,
      `Cannot turn by position ${wrong}: the table has 0 to `,
    );
  }
  assertThrows(
    () => rope(x, TABLE.halves, [1, 2]),
    RangeError,
    "Cannot turn 3 rows by 2 positions",
  );
});

Deno.test("a width, a base or a factor that cannot be is refused, with the number", () => {
  for (const D of [0, 5, -2, 2.5, NaN]) {
    assertThrows(() => frequencies(D), RangeError, `Cannot pair ${D} numbers`);
  }
  for (const base of [1, 0, -5, NaN, Infinity]) {
    assertThrows(() => frequencies(6, base), RangeError, `by base ${base}`);
  }
  for (const factor of [0.5, 0, NaN, Infinity]) {
    assertThrows(
      () => frequencies(6, 10000, { kind: "linear", factor }),
      RangeError,
      `Cannot stretch by factor ${factor}: needs 1 or more`,
    );
  }
  for (const width of [2, 4, 8, 7]) {
    assertThrows(
      () => rope(make(1, width, 7), TABLE.halves),
      RangeError,
      `Cannot turn row 0 of ${width} numbers: the table is for 6`,
    );
  }
  assertThrows(() => ropeTable([], 3, "halves"), RangeError, "of 0 pairs");
  assertThrows(
    () => ropeTable([1], 2.5, "halves"),
    RangeError,
    "Cannot make a table of 2.5 positions",
  );
});
