#!/usr/bin/env -S deno run
/**
 * Q. Show how the estimate comes about, and how slowly it gets better.
 *
 * A. Two pictures. The darts in the square: those inside the quarter circle are
 * counted. And the estimate after each dart, on an axis where every step is ten
 * times the darts: it strays, but 95 times in 100 within ±1.96 · 1.642 / √n of π,
 * a funnel that narrows by 3.2 at each step. After 200 darts it is still 0.23
 * wide on each side: one digit.
 *
 * Trap: "more darts, better estimate" holds on average. About one run in five is
 * further off with ten times the darts.
 * Left out: a picture that moves.
 * Run: `deno run pictures.ts`
 * @module
 */
import { BLOCK, countInside } from "./fast_darts.ts";
import { Xoshiro128 } from "./generators.ts";
import { digits } from "./intervals.ts";
import { checkCount, draw, type Random, standardError } from "./pi.ts";

/** A dart, from the corner where the quarter circle has its centre. */
export type Dart = [x: number, y: number];

/** The estimate `pi` after `n` darts. */
export interface Point {
  n: number;
  pi: number;
}

const isInside = ([x, y]: Dart) => x * x + y * y <= 1;

/** The first `n` darts that `random` throws, x before y. */
export function throwSome(n: number, random: Random): Dart[] {
  return Array.from({ length: n }, () => [draw(random), draw(random)]);
}

/**
 * The darts in a square of characters, and beside each row how the estimate
 * stands after a share of the darts.
 */
export function textPicture(
  darts: readonly Dart[],
  rows = 20,
  columns = 40,
): string[] {
  const empty = (r: number, c: number): string => {
    const near = Math.hypot(c / columns, (rows - r - 1) / rows);
    const far = Math.hypot((c + 1) / columns, (rows - r) / rows);
    return near <= 1 && far > 1 ? "·" : " "; // the arc passes through
  };
  const grid = Array.from(
    { length: rows },
    (_, r) => Array.from({ length: columns }, (_, c) => empty(r, c)),
  );
  for (const dart of darts) {
    const [x, y] = dart;
    const c = Math.min(columns - 1, Math.floor(x * columns));
    const r = Math.min(rows - 1, Math.floor(y * rows));
    grid[rows - 1 - r][c] = isInside(dart) ? "●" : "○";
  }
  const edge = "─".repeat(columns);
  const lines = grid.map((cells, r) => {
    const n = Math.round(darts.length * (r + 1) / rows);
    const inside = darts.slice(0, n).filter(isInside).length;
    const pi = n > 0 ? (4 * inside / n).toFixed(4) : "";
    return `│${cells.join("")}│ n = ${`${n}`.padStart(3)}  ${pi}`;
  });
  return [`┌${edge}┐`, ...lines, `└${edge}┘`];
}

/**
 * The estimate after 1, 2, 3 … darts of one stream, sixty times in each decade.
 * @param n the last
 * @throws {RangeError} if it is no integer from 1 to {@link BLOCK}
 */
export function convergence(n: number, seed: number | bigint): Point[] {
  checkCount(n);
  if (n > BLOCK) {
    throw new RangeError(
      `Cannot follow ${n} darts: a stream has ${BLOCK}, and no more are drawn`,
    );
  }
  const { words } = new Xoshiro128(seed);
  const points: Point[] = [];
  let thrown = 0, inside = 0;
  for (let step = 0; thrown < n; step++) {
    const next = Math.min(n, Math.ceil(10 ** (step / 60)));
    if (next === thrown) continue;
    inside += countInside(next - thrown, words);
    thrown = next;
    points.push({ n: thrown, pi: 4 * inside / thrown });
  }
  return points;
}

const [SIZE, LEFT, TOP, GAP] = [400, 20, 60, 90];
const [INSIDE, OUTSIDE, INK] = ["#1f6fb4", "#d1622b", "#333333"];
/** How far from π the second picture reaches, up and down. */
const REACH = 0.5;

/**
 * The darts, and the estimate in its funnel, as an SVG document.
 * @param points in order of n, at least one
 */
export function svgPicture(
  darts: readonly Dart[],
  points: readonly Point[],
): string {
  const last = points[points.length - 1];
  const [width, height] = [2 * SIZE + 2 * LEFT + GAP + 20, SIZE + TOP + 50];
  const error = standardError(last.n);
  const title = `π by darts: ${last.pi.toFixed(digits(error))} ± ${
    error.toPrecision(2)
  } after ${last.n.toLocaleString("en")}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="14" fill="${INK}">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${LEFT}" y="30" font-size="18">${title}</text>`,
    `<g transform="translate(${LEFT} ${TOP})">`,
    ...dartboard(darts),
    `</g>`,
    `<g transform="translate(${LEFT + SIZE + GAP} ${TOP})">`,
    ...funnel(points),
    `</g>`,
    `</svg>\n`,
  ].join("\n");
}

function dartboard(darts: readonly Dart[]): string[] {
  const inside = darts.filter(isInside).length;
  return [
    `<rect width="${SIZE}" height="${SIZE}" fill="none" stroke="${INK}"/>`,
    `<path d="M0 0A${SIZE} ${SIZE} 0 0 1 ${SIZE} ${SIZE}" fill="none" stroke="${INK}"/>`,
    ...darts.map((dart) => {
      const [x, y] = [dart[0] * SIZE, (1 - dart[1]) * SIZE].map(short);
      const fill = isInside(dart) ? INSIDE : OUTSIDE;
      return `<circle cx="${x}" cy="${y}" r="2" fill="${fill}"/>`;
    }),
    `<text y="${SIZE + 24}">inside: ${inside} of ${darts.length}</text>`,
  ];
}

function funnel(points: readonly Point[]): string[] {
  const end = Math.max(10, points[points.length - 1].n);
  const toX = (n: number) => short(SIZE * Math.log10(n) / Math.log10(end));
  const toY = (pi: number) => short(SIZE * (Math.PI - pi + REACH) / REACH / 2);
  const half = (n: number) => 1.96 * standardError(n);
  const path = (side: Point[]) => side.map((p) => `${toX(p.n)} ${toY(p.pi)}`);
  const edge = (sign: number) =>
    points.map(({ n }) => ({ n, pi: Math.PI + sign * half(n) }));
  const area = [...path(edge(1)), ...path(edge(-1).reverse())];
  const ticks: string[] = [];
  for (let power = 0; 10 ** power <= end; power++) {
    const label = power < 2 ? `${10 ** power}` : `10${"⁰¹²³⁴⁵⁶⁷⁸⁹"[power]}`;
    ticks.push(
      `<text x="${toX(10 ** power)}" y="${
        SIZE + 24
      }" text-anchor="middle">${label}</text>`,
    );
  }
  for (const pi of [2.8, 3, 3.2, 3.4, 3.6]) {
    ticks.push(
      `<text x="-8" y="${toY(pi) + 5}" text-anchor="end">${
        pi.toFixed(1)
      }</text>`,
    );
  }
  return [
    `<clipPath id="plot"><rect width="${SIZE}" height="${SIZE}"/></clipPath>`,
    `<g clip-path="url(#plot)">`,
    `<polygon points="${area.join(" ")}" fill="#dde7f0"/>`,
    `<path d="M0 ${
      toY(Math.PI)
    }H${SIZE}" stroke="${INK}" stroke-dasharray="4"/>`,
    `<polyline points="${
      path([...points]).join(" ")
    }" fill="none" stroke="${INSIDE}" stroke-width="1.5"/>`,
    `</g>`,
    `<rect width="${SIZE}" height="${SIZE}" fill="none" stroke="${INK}"/>`,
    `<text x="${SIZE + 4}" y="${toY(Math.PI) + 5}">π</text>`,
    ...ticks,
    `<text x="${SIZE / 2}" y="${
      SIZE + 44
    }" text-anchor="middle">darts; the funnel is ±1.96 · 1.642 / √n</text>`,
  ];
}

const short = (x: number) => Math.round(100 * x) / 100;

if (import.meta.main) {
  const { random } = new Xoshiro128(42);
  console.log(
    "200 darts with seed 42, ● inside, ○ outside; the estimate after n",
  );
  textPicture(throwSome(200, random)).forEach((line) => console.log(line));
  console.log("\nthe same stream further on, and how far off it is");
  for (const { n, pi } of convergence(1_000_000, 42)) {
    if (!Number.isInteger(Math.log10(n))) continue;
    const sigmas = (pi - Math.PI) / standardError(n);
    console.log(
      n.toLocaleString("en").padStart(9),
      pi.toFixed(6),
      `${sigmas.toFixed(1).padStart(5)} standard errors`,
    );
  }
}
