#!/usr/bin/env -S deno run
/**
 * Q. How old is a response, and for how long is it fresh?
 *
 * A. It is fresh while its age is below its lifetime. The lifetime is max-age; without
 * that, Expires less Date, both of the origin's clock, so that ours may be wrong; and
 * without both a guess, a tenth of the time that it has been unchanged. The age begins
 * when the origin made it: what we count by Date, or what the caches on the way counted,
 * in Age, together with the time that the exchange took, whichever is more; and from then
 * on how long it has been here.
 *
 * Trap: counting from when it came: a response that lay 50 s in a cache lives 50 s longer.
 * Left out: s-maxage, which is for shared caches; a longest guess.
 * Source: RFC 9111, sections 4.2 and 5.2; dates: RFC 9110, 5.6.7.
 * Run: `deno run http_freshness.ts`
 * @module
 */
import { type Field, trim } from "./http_message.ts";

/** What was answered; a cache keeps the body as it is and does not copy it. */
export interface CacheResponse {
  status: number;
  fields: readonly Field[];
  body: Uint8Array;
}

/** A response with the times, in ms since 1970, when it was asked for and had come. */
export interface Timed {
  response: Omit<CacheResponse, "body">;
  requestTime: number;
  responseTime: number;
}

/** Seconds from which on more makes no difference (RFC 9111, 1.2.2). */
const LONGEST = 2 ** 31;
/** Statuses that may be kept although no field says so (RFC 9110, 15.1). */
export const HEURISTIC: readonly number[] = [
  ...[200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501],
];

/** For how long a response is fresh, in seconds from when the origin made it. */
export function freshnessLifetime({ response, responseTime }: Timed): number {
  const { status, fields } = response;
  const said = parseCacheControl(fields);
  const maxAge = seconds(said, "max-age");
  if (maxAge !== undefined) return maxAge;
  const date = dateOf(fields, responseTime);
  const since = (text: string) => parseHttpDate(text, responseTime) - date;
  const expires = fields.filter(([name]) => isNamed(name, "expires"));
  if (expires.length > 0) {
    // Of several the first to come; what is no date, as 0, has been.
    const times = expires.map(([, value]) => since(value) / 1000 || 0);
    return Math.max(0, Math.min(...times));
  }
  if (!HEURISTIC.includes(status) && !said.has("public")) return 0;
  const unchanged = -since(valueOf(fields, "last-modified") ?? "") / 1000;
  return unchanged > 0 ? unchanged / 10 : 0;
}

/** How long ago the origin made or confirmed a response, in seconds (RFC 9111, 4.2.3). */
export function currentAge(
  { response: { fields }, requestTime, responseTime }: Timed,
  now: number,
): number {
  const apparent = Math.max(0, responseTime - dateOf(fields, responseTime));
  const [age = ""] = (valueOf(fields, "age") ?? "").split(",").map(trim);
  const told = /^\d+$/.test(age) ? Math.min(Number(age), LONGEST) : 0;
  // Which part of the delay was the way back is not known: all of it counts.
  const corrected = 1000 * told + responseTime - requestTime;
  // A clock that was set back makes nothing younger.
  const resident = Math.max(0, now - responseTime);
  return (Math.max(apparent, corrected) + resident) / 1000;
}

/** The directives of Cache-Control and their values, which are "" where there is none. */
export function parseCacheControl(
  fields: readonly Field[],
): Map<string, string[]> {
  const directives = new Map<string, string[]>();
  const value = valueOf(fields, "cache-control") ?? "";
  const pattern =
    /([^\s,;="]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,;]*)))?/g;
  for (const [, name, quoted, plain] of value.matchAll(pattern)) {
    const key = name.toLowerCase();
    const text = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
    const known = directives.get(key);
    if (known) known.push(text);
    else directives.set(key, [text]);
  }
  return directives;
}

/** The least of a directive's values; one that is no number is 0. */
export function seconds(
  directives: Map<string, string[]>,
  name: string,
): number | undefined {
  return directives.get(name)
    ?.map((text) => /^\d+$/.test(text) ? Number(text) : 0)
    .reduce((least, next) => Math.min(least, next), LONGEST);
}

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";
const CLOCK = "(?<h>\\d\\d):(?<m>\\d\\d):(?<s>\\d\\d)";
const DATES = [
  `\\w{3}, (?<day>\\d\\d) (?<month>\\w{3}) (?<year>\\d{4}) ${CLOCK} GMT`,
  `\\w{6,9}, (?<day>\\d\\d)-(?<month>\\w{3})-(?<year>\\d\\d) ${CLOCK} GMT`,
  `\\w{3} (?<month>\\w{3}) (?<day>[ \\d]\\d) ${CLOCK} (?<year>\\d{4})`,
].map((pattern) => new RegExp(`^${pattern}$`, "i"));

/**
 * Reads a date of HTTP in one of its three forms.
 * @param now in ms since 1970, to know the century of a year of two digits
 * @returns ms since 1970; NaN for anything else
 */
export function parseHttpDate(text: string, now: number): number {
  const parts = DATES.map((form) => form.exec(text)).find(Boolean)?.groups;
  if (!parts) return NaN;
  const [day, h, m, s] = [parts.day, parts.h, parts.m, parts.s].map(Number);
  const month = MONTHS.indexOf(parts.month.toLowerCase()) / 3;
  let year = Number(parts.year);
  if (parts.year.length === 2) {
    // Not more than 50 years ahead.
    const thisYear = new Date(now).getUTCFullYear();
    year += 100 * Math.floor((thisYear + 50 - year) / 100);
  }
  const ms = Date.UTC(year, month, day, h, m, s);
  const ok = Number.isInteger(month) && month >= 0 && h < 24 && m < 60 &&
    s <= 60 && new Date(Date.UTC(year, month, day)).getUTCDate() === day;
  return ok ? ms : NaN;
}

/** When the origin made the response; when it came, if that is not said. */
export function dateOf(fields: readonly Field[], responseTime: number): number {
  const date = parseHttpDate(valueOf(fields, "date") ?? "", responseTime);
  return isNaN(date) ? responseTime : date;
}

function isNamed(name: string, lower: string): boolean {
  return name.toLowerCase() === lower;
}

/** The values of all fields of that name in one, as Vary compares them. */
export function valueOf(
  fields: readonly Field[],
  name: string,
): string | undefined {
  const own = fields.filter(([other]) => isNamed(other, name));
  return own.length > 0
    ? own.map(([, value]) => trim(value)).join(", ")
    : undefined;
}

if (import.meta.main) {
  const responseTime = Date.UTC(2026, 0, 1, 12);
  const at = (seconds: number) =>
    new Date(responseTime + 1000 * seconds).toUTCString();
  for (
    const fields of [
      { "cache-control": "max-age=60" },
      { "cache-control": "max-age=60", age: "50" },
      { "cache-control": "max-age=60", expires: at(600) },
      { date: at(-7200), expires: at(-3600) },
      { date: at(0), "last-modified": at(-86_400) },
      { date: at(0), expires: "0" },
    ]
  ) {
    const response = { status: 200, fields: Object.entries(fields) };
    const timed = { response, requestTime: responseTime - 2000, responseTime };
    const life = freshnessLifetime(timed);
    const age = currentAge(timed, responseTime);
    const left = life > age ? `fresh for ${life - age} s` : "stale";
    console.log(
      Object.entries(fields).map((pair) => pair.join(": ")).join("; "),
    );
    console.log(`  lives ${life} s, is ${age} s old when it comes: ${left}`);
  }
}
