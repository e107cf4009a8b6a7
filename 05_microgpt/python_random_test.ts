import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { PythonRandom } from "./python_random.ts";

// Goldens from CPython 3.11: r = random.Random(seed), and then, of one r:
// [r.random() for _ in range(5)], [r.getrandbits(32) for _ in range(3)],
// [r.getrandbits(7) for _ in range(3)], [r.randrange(27) for _ in range(5)],
// [r.gauss(0, 0.08) for _ in range(5)], x = list(range(20)); r.shuffle(x); x,
// r.choices(range(5), weights=[1, 2, 3, 4, 5], k=8)
// deno-fmt-ignore
const GOLDEN = [
  {
    seed: 0n,
    random: [0.8444218515250481, 0.7579544029403025, 0.420571580830845, 0.25891675029296335, 0.5112747213686085],
    getrandbits32: [1739178872, 3943786419, 3366389305],
    getrandbits7: [106, 38, 123],
    randrange: [15, 11, 18, 6, 16],
    gauss: [0.028133623161080645, 0.03369345826617131, 0.11868630323371067, 0.08047476895539736, 0.09834657938524932],
    shuffle: [0, 6, 12, 17, 18, 15, 16, 11, 1, 8, 7, 5, 10, 13, 14, 2, 3, 9, 4, 19],
    choices: [3, 3, 0, 4, 4, 1, 4, 4],
  },
  {
    seed: 42n,
    random: [0.6394267984578837, 0.025010755222666936, 0.27502931836911926, 0.22321073814882275, 0.7364712141640124],
    getrandbits32: [2906402157, 3181143731, 3831882064],
    getrandbits7: [69, 11, 75],
    randrange: [13, 1, 0, 2, 6],
    gauss: [0.011807678602879165, 0.10795305917305202, -0.11765489373981906, -0.04765088975878765, -0.025122273289252452],
    shuffle: [19, 17, 7, 10, 13, 9, 16, 1, 12, 3, 2, 4, 15, 6, 11, 5, 0, 8, 18, 14],
    choices: [4, 4, 3, 4, 2, 3, 4, 3],
  },
  {
    seed: 12345678901234567890n,
    random: [0.5120180983871961, 0.9318805526703359, 0.6423121128048344, 0.8522436047096272, 0.35402963702233636],
    getrandbits32: [985677794, 2454170533, 2048063850],
    getrandbits7: [46, 16, 9],
    randrange: [5, 17, 1, 23, 14],
    gauss: [-0.09753822180152773, 0.018604585003561883, -0.08363567771695384, 0.10750660635587794, -0.0719364431310371],
    shuffle: [5, 6, 8, 0, 15, 3, 19, 14, 1, 16, 11, 9, 18, 13, 10, 17, 4, 7, 12, 2],
    choices: [2, 2, 2, 2, 0, 1, 2, 3],
  },
];
const times = <T>(n: number, draw: () => T) => Array.from({ length: n }, draw);

/** The calls that made the goldens, in their order. */
function play(seed: bigint) {
  const r = new PythonRandom(seed);
  const items = [...Array(20).keys()];
  return {
    random: times(5, () => r.random()),
    getrandbits32: times(3, () => r.getrandbits(32)),
    getrandbits7: times(3, () => r.getrandbits(7)),
    randrange: times(5, () => r.randrange(27)),
    gauss: times(5, () => r.gauss(0, 0.08)),
    shuffle: (r.shuffle(items), items),
    choices: r.choices([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], 8),
  };
}
for (const golden of GOLDEN) {
  const name = `of seed ${golden.seed} are CPython's`;
  Deno.test(`random() numbers ${name}, all 53 bits of them`, () => {
    assertEquals(play(golden.seed).random, golden.random);
  });
  Deno.test(`getrandbits() numbers ${name}, 32 bits and 7`, () => {
    const { getrandbits32, getrandbits7 } = play(golden.seed);
    assertEquals(getrandbits32, golden.getrandbits32);
    assertEquals(getrandbits7, golden.getrandbits7);
  });
  Deno.test(`randrange() numbers ${name}: too large ones are drawn again`, () => {
    assertEquals(play(golden.seed).randrange, golden.randrange);
  });
  Deno.test(`gauss() numbers ${name}: the second of each pair is kept`, () => {
    // V8 and glibc round log, sin and cos differently about once in 700 times.
    play(golden.seed).gauss.forEach((actual, i) => {
      const expected = golden.gauss[i];
      assertAlmostEquals(actual, expected, 4e-16 * Math.abs(expected));
    });
  });
  Deno.test(`shuffle() orders ${name}: from the back, with what is left`, () => {
    assertEquals(play(golden.seed).shuffle, golden.shuffle);
  });
  Deno.test(`choices() ${name}: one random() each, times the whole weight`, () => {
    assertEquals(play(golden.seed).choices, golden.choices);
  });
}

// r = random.Random(seed); r.random(), r.random(), r.getrandbits(53), r.getrandbits(33)
// deno-fmt-ignore
const SEEDS: [seed: number | bigint, a: number, b: number, bits53: number, bits33: number][] = [
  [-42, 0.6394267984578837, 0.025010755222666936, 2205789010285143, 958682846],
  [2 ** 32, 0.11299430095636409, 0.41782886486292836, 205557206411035, 6922290953],
  [2n ** 70n, 0.2327882718301838, 0.4150663501741646, 7288602913237799, 3222345578],
];
for (const [seed, a, b, bits53, bits33] of SEEDS) {
  Deno.test(`seed() takes ${seed} as CPython does, all its bits and no sign`, () => {
    const r = new PythonRandom(seed);
    assertEquals([r.random(), r.random()], [a, b]);
    assertEquals([r.getrandbits(53), r.getrandbits(33)], [bits53, bits33]);
  });
}

Deno.test("getrandbits() goes on as CPython after 624 words", () => {
  // r = random.Random(42); xs = [r.getrandbits(32) for _ in range(2000)]
  const r = new PythonRandom(42);
  const xs = times(2000, () => r.getrandbits(32));
  assertEquals(
    [623, 624, 1247, 1248, 1999].map((i) => xs[i]),
    [2929454134, 1071722055, 3190649866, 2301518177, 1557724698],
  );
});

Deno.test("randrange() draws as many bits as the stop has, as CPython does", () => {
  // r = random.Random(5); r.randrange(2**53 - 1), twice; five r.randrange(16);
  // r.randrange(1); r.getrandbits(32)
  const r = new PythonRandom(5);
  assertEquals(r.randrange(2 ** 53 - 1), 2300846720580677);
  assertEquals(r.randrange(2 ** 53 - 1), 3229401980715161);
  assertEquals(times(5, () => r.randrange(16)), [0, 14, 7, 1, 5]);
  assertEquals([r.randrange(1), r.getrandbits(32)], [0, 1596840319]);
});

Deno.test("restore() goes on where the state was taken, between two gausses", () => {
  fc.assert(fc.property(fc.bigInt(), fc.nat(1500), (seed, n) => {
    const r = new PythonRandom(seed);
    times(n, () => r.gauss(0, 1));
    const state = JSON.parse(JSON.stringify(r.state));
    const next = times(9, () => r.gauss(3, 2));
    const s = new PythonRandom(0);
    s.restore(state);
    assertEquals(times(9, () => s.gauss(3, 2)), next);
  }));
});

Deno.test("seed() starts again, without the half that gauss() kept", () => {
  const r = new PythonRandom(7);
  const first = r.gauss(0, 1);
  r.seed(7);
  assertEquals(r.gauss(0, 1), first);
});

Deno.test("shuffle() leaves no item out and adds none", () => {
  fc.assert(fc.property(fc.array(fc.nat(9)), fc.integer(), (items, seed) => {
    const shuffled = [...items];
    new PythonRandom(seed).shuffle(shuffled);
    assertEquals(shuffled.toSorted(), items.toSorted());
  }));
});

Deno.test("choices() never draws an item of weight 0", () => {
  const drawn = new PythonRandom(3).choices([..."abc"], [0, 2, 0], 100);
  assert(drawn.every((item) => item === "b"));
});

Deno.test("getrandbits() of no bits is 0 and draws nothing", () => {
  const r = new PythonRandom(42);
  assertEquals(r.getrandbits(0), 0);
  assertEquals(r.random(), 0.6394267984578837);
});

const ERRORS: [
  name: string,
  run: (r: PythonRandom) => unknown,
  message: string,
][] = [
  [
    "seed() of a fraction",
    () => new PythonRandom(1.5),
    "Cannot seed with 1.5: needs an integer, as a bigint beyond 2^53",
  ],
  [
    "seed() of a number that has lost digits",
    () => new PythonRandom(2 ** 60),
    "Cannot seed with 1152921504606847000",
  ],
  [
    "getrandbits() of more bits than a number holds",
    (r) => r.getrandbits(54),
    "Cannot draw 54 bits: needs an integer from 0 to 53",
  ],
  [
    "randrange() of nothing",
    (r) => r.randrange(0),
    "Cannot draw below 0: needs an integer from 1 to 2^53 - 1",
  ],
  [
    "choices() with a weight too few",
    (r) => r.choices([1, 2], [1]),
    "Cannot choose from 2 items by 1 weight(s)",
  ],
  [
    "choices() with no weight at all",
    (r) => r.choices([1, 2], [0, 0]),
    "Cannot choose with weights that add up to 0",
  ],
  [
    "choices() with a weight that is no number",
    (r) => r.choices([1, 2], [1, NaN]),
    "Cannot choose with weights that add up to NaN",
  ],
];
for (const [name, run, message] of ERRORS) {
  Deno.test(`${name} is an error`, () => {
    assertThrows(() => run(new PythonRandom(0)), RangeError, message);
  });
}

const { words } = new PythonRandom(0).state;
const good = { words, used: 624, nextGauss: null };
const STATES: [name: string, state: unknown][] = [
  ["nothing", undefined],
  ["too few words", { ...good, words: [1, 2] }],
  ["words that are a text", { ...good, words: "a".repeat(624) }],
  ["a word of 33 bits", { ...good, words: words.with(5, 2 ** 32) }],
  ["a word below 0", { ...good, words: words.with(5, -1) }],
  ["more used than there are", { ...good, used: 625 }],
  ["half a word used", { ...good, used: 0.5 }],
  ["a gauss that is no number", { ...good, nextGauss: NaN }],
];
for (const [name, state] of STATES) {
  Deno.test(`restore() of ${name} is an error, and changes nothing`, () => {
    const r = new PythonRandom(42);
    assertThrows(
      () => r.restore(state as typeof good),
      RangeError,
      "Cannot restore: this is not the state of a 624-word generator",
    );
    assertEquals(r.random(), 0.6394267984578837);
  });
}
