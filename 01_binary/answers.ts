#!/usr/bin/env -S deno run
/**
 * Q. Which ways to write an answer are right?
 *
 * A. Whatever means the same to every reader. A number may be grouped, 299 792 458,
 * or scaled, 3e8, 3·10^8, 3×10⁸; bits may have 0b before them and zeros; a time
 * needs its unit and is right to a factor of 3; a speed without a unit is in m/s,
 * as the question says. So each answer is read for its value, and values are
 * compared.
 *
 * Not accepted, because readers differ: 1k (1000 or 1024?), 0,1 (a comma that
 * groups?), a time without a unit; nor the question itself, 2^10 for "what is
 * 2^10?".
 * Trap: `includes`, `Number(text)`, which takes "" for 0, and `eval`.
 * Run: `deno run answers.ts '100 ns'`
 * @module
 */
import { canonical, plainDigits } from "./big_o.ts";
import { formatSeconds, SPEED_OF_LIGHT } from "./constants.ts";
import type { Question } from "./questions.ts";

/** Longer answers are none. */
const LONGEST = 80;
/** 3·10^8 m/s is 0.07 % high. */
const LIGHT_TOLERANCE = 0.001;
/** How many times too long or too short a time may be. */
const LATENCY_FACTOR = 3;

const TIMES = units([
  [1, "s sec second seconds"],
  [1e-3, "ms msec millisecond milliseconds"],
  [1e-6, "us μs usec microsecond microseconds"],
  [1e-9, "ns nsec nanosecond nanoseconds"],
]);
const SPEEDS = units([
  [1, "m/s mps meters/second metres/second"],
  [1e3, "km/s kilometers/second kilometres/second"],
]);

function units(table: [size: number, names: string][]): Map<string, number> {
  return new Map(
    table.flatMap(([size, names]) => names.split(" ").map((n) => [n, size])),
  );
}

/** A number as it was written. */
interface Quantity {
  value: number;
  /** What stands behind it, in lower case. */
  unit: string;
  /** Of a power, such as 2^10. */
  base?: number;
}

/** Digits with or without groups of three; a scale or a power; a unit. */
const QUANTITY = new RegExp(
  [
    /^(?<digits>(?:\d{1,3}(?:[ ,_'’]\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)/,
    /(?:e(?<scale>[+-]?\d{1,3})| ?\^ ?\(?(?<power>[+-]?\d{1,3})\)?)?/,
    /(?: ?[*x] ?10 ?\^ ?\(?(?<ten>[+-]?\d{1,3})\)?)?/,
    / ?(?<unit>[a-zμ/ ]*)$/,
  ].map(({ source }) => source).join(""),
);

/** @returns undefined if it is no number, or beyond those of a double */
function readQuantity(answer: string): Quantity | undefined {
  const plain = plainDigits(answer.trim().toLowerCase())
    .replaceAll("µ", "μ").replace(/\s+/g, " ");
  const parts = QUANTITY.exec(plain)?.groups;
  if (!parts) return undefined;
  const digits = parts.digits.replace(/[ ,_'’]/g, "");
  const mantissa = Number(`${digits}e${parts.scale ?? 0}`);
  const scale = Number(`1e${parts.ten ?? 0}`);
  const value = mantissa ** Number(parts.power ?? 1) * scale;
  if (!Number.isFinite(value)) return undefined;
  const unit = parts.unit.replace(/ ?(?:\bper\b|\/) ?/, "/").trim();
  const base = parts.power === undefined ? undefined : mantissa;
  return { value, unit, base };
}

/** Reads 1101, 0b1101, 1101b, 1101₂, 0000 1101 for its value. */
function readBits(answer: string): number | undefined {
  const plain = answer.trim().toLowerCase().replace(/[\s_]/g, "");
  const [, bits] = /^(?:0b)?([01]+)$/.exec(plain) ??
    /^([01]+)[b₂]$/.exec(plain) ?? [];
  return bits === undefined ? undefined : parseInt(bits, 2);
}

/** Whether the answer is right, in whatever way it is written. */
export function accepts(question: Question, answer: string): boolean {
  if (answer.length > LONGEST) return false;
  const { kind, value } = question;
  if (kind === "binary") return readBits(answer) === value;
  if (kind === "complexity") {
    const form = canonical(answer);
    return form !== undefined &&
      [value, ...question.or].some((text) => canonical(text) === form);
  }
  const read = readQuantity(answer);
  if (read === undefined) return false;
  if (kind === "latency") {
    const seconds = read.value * (TIMES.get(read.unit) ?? NaN);
    return within(seconds / value, LATENCY_FACTOR);
  }
  if (kind === "light") {
    const size = read.unit === "" ? 1 : SPEEDS.get(read.unit) ?? NaN;
    return Math.abs(read.value * size / value - 1) <= LIGHT_TOLERANCE;
  }
  if (read.unit !== "") return false;
  if (kind === "decimal") return read.value === value;
  if (kind === "exponent") {
    return (read.base === 2 ? read.value : 2 ** read.value) === value;
  }
  return !repeats(read) &&
    Math.abs(read.value / value - 1) <= question.tolerance;
}

/** Whether it is a power like that of the question, which says nothing new. */
function repeats({ base }: Quantity): boolean {
  return base !== undefined && base !== 10;
}

/** Whether a ratio is at most `factor`, up or down; to the rounding of a double. */
function within(ratio: number, factor: number): boolean {
  return Math.max(ratio, 1 / ratio) <= factor * (1 + 1e-12);
}

/** The answer that is shown after a wrong one. */
export function solution(question: Question): string {
  const { kind, value } = question;
  if (kind === "complexity") return `O(${value})`;
  if (kind === "binary") return value.toString(2);
  if (kind === "exponent") return `${Math.log2(value)}`;
  if (kind === "latency") {
    return `${formatSeconds(value)}, to a factor of ${LATENCY_FACTOR}`;
  }
  const digits = value.toLocaleString("en");
  if (kind === "light") return `${digits} m/s, about 3·10^8`;
  return kind === "power" && question.tolerance > 0
    ? `${value.toExponential(1).replace("e+", "·10^")}`
    : digits;
}

/** What else is to be said of this answer; mostly nothing. */
export function remark(question: Question, answer: string): string {
  const { kind, value } = question;
  const read = readQuantity(answer);
  if (read === undefined) return "";
  if (kind === "latency" && !TIMES.has(read.unit)) {
    return "a time needs its unit: ns, µs, ms or s";
  }
  if (kind === "light" && accepts(question, answer)) {
    return `exactly ${value.toLocaleString("en")} m/s`;
  }
  if (kind === "light" && read.unit !== "" && !SPEEDS.has(read.unit)) {
    return "the unit is m/s or km/s";
  }
  return kind === "power" && repeats(read) ? "that was the question" : "";
}

if (import.meta.main) {
  const questions: Question[] = [
    { kind: "binary", value: 13, text: "What is 13 in binary?" },
    { kind: "light", value: SPEED_OF_LIGHT, text: "How fast is light?" },
    { kind: "latency", value: 1e-7, text: "How long: main memory reference?" },
    { kind: "complexity", value: "n log n", or: [], text: "merge sort: time?" },
  ];
  const answers = Deno.args.length > 0
    ? Deno.args
    : ["0000 1101", "3×10⁸", "300,000 km/s", "0.1 µs", "100", "O(n·lg n)"];
  for (const answer of answers) {
    const asked = questions.filter((question) => accepts(question, answer));
    console.log(
      `${answer}: ${asked.map(({ text }) => text).join(" ") || "wrong"}`,
    );
  }
}
