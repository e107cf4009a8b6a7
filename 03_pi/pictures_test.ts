import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { BLOCK } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { estimatePi, standardError } from "./pi.ts";
import {
  convergence,
  type Dart,
  svgPicture,
  textPicture,
  throwSome,
} from "./pictures.ts";

Deno.test("throwSome() throws the darts of estimatePi(), x before y", () => {
  const numbers = [0.1, 0.2, 0.3, 0.4];
  assertEquals(throwSome(2, () => numbers.shift()!), [[0.1, 0.2], [0.3, 0.4]]);
});

Deno.test("textPicture() has the centre at the lower left, and y upwards", () => {
  const darts: Dart[] = [[0.1, 0.1], [0.9, 0.9], [0.1, 0.9]];
  // The arc leaves the rows at x = 0.745, 0.943 and 1; a column is 0.167 wide.
  assertEquals(textPicture(darts, 3, 6), [
    "┌──────┐",
    "│●····○│ n =   1  4.0000",
    "│    ··│ n =   2  2.0000",
    "│●    ·│ n =   3  2.6667",
    "└──────┘",
  ]);
});

Deno.test("textPicture() ends with the estimate of all its darts", () => {
  const lines = textPicture(throwSome(200, new Xoshiro128(42).random));
  const pi = estimatePi(200, new Xoshiro128(42).random).toFixed(4);
  assertStringIncludes(lines[20], `n = 200  ${pi}`);
  assertEquals(
    new Set(lines.slice(1, 21).map((l) => l.indexOf("│", 1))).size,
    1,
  );
});

Deno.test("textPicture() shows a dart at the far corner, and no dart at all", () => {
  assertEquals(textPicture([[1, 1]])[1].slice(40, 42), "○│");
  assertStringIncludes(textPicture([])[20], "│ n =   0");
});

Deno.test("convergence() is estimatePi() after as many darts", () => {
  const points = convergence(3000, 5);
  assertEquals(points[0].n, 1);
  assertEquals(points[points.length - 1].n, 3000);
  for (const { n, pi } of points) {
    assertEquals(pi, estimatePi(n, new Xoshiro128(5).random));
  }
});

Deno.test("convergence() stays in the funnel in 95 of 100 runs", () => {
  let held = 0;
  for (let seed = 0; seed < 400; seed++) {
    const { n, pi } = convergence(1000, seed).pop()!;
    if (Math.abs(pi - Math.PI) <= 1.96 * standardError(n)) held++;
  }
  const share = held / 400; // ± 0.011, here within four of that
  assert(share > 0.906 && share < 0.994, `${share}`);
});

Deno.test("convergence() refuses more darts than a stream has", () => {
  assertThrows(() => convergence(BLOCK + 1, 1), RangeError, "a stream has");
});

/** The elements that are open where they must not be, and the numbers. */
function check(svg: string) {
  const open: string[] = [];
  for (
    const [, slash, name, closed] of svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)
  ) {
    if (slash) assertEquals(open.pop(), name);
    else if (!closed) open.push(name);
  }
  assertEquals(open, []);
  assert(!/NaN|Infinity|undefined/.test(svg));
}

Deno.test("svgPicture() is well-formed, with a circle for each dart", () => {
  const darts = throwSome(300, new Xoshiro128(1).random);
  const svg = svgPicture(darts, convergence(5000, 1));
  check(svg);
  assertEquals(svg.match(/<circle /g)?.length, 300);
  const inside = darts.filter(([x, y]) => x * x + y * y <= 1).length;
  assertEquals(svg.match(/<circle [^>]*fill="#1f6fb4"/g)?.length, inside);
  assertStringIncludes(svg, `inside: ${inside} of 300<`);
});

Deno.test("svgPicture() puts darts and arc into the same corner", () => {
  const svg = svgPicture([[0, 0], [1, 0.25]], convergence(10, 1));
  assertStringIncludes(svg, '<circle cx="0" cy="400" r="2" fill="#1f6fb4"/>');
  assertStringIncludes(svg, '<circle cx="400" cy="300" r="2" fill="#d1622b"/>');
  // from the upper left to the lower right, round the lower left
  assertStringIncludes(svg, '<path d="M0 0A400 400 0 0 1 400 400"');
});

Deno.test("svgPicture() draws the funnel at ±1.96 · 1.642 / √n of π", () => {
  const svg = svgPicture([], [{ n: 100, pi: 3.24 }, { n: 10_000, pi: 3.14 }]);
  check(svg);
  // 400 pixels are 1: at n = 100, half way to 10,000, 0.32187 is 128.75 pixels
  assertStringIncludes(
    svg,
    'points="200 71.25 400 187.13 400 212.87 200 328.75"',
  );
  assertStringIncludes(svg, 'points="200 160.64 400 200.64"');
});

Deno.test("svgPicture() of one dart is drawn, too", () => {
  check(svgPicture([[0.5, 0.5]], convergence(1, 1)));
});
