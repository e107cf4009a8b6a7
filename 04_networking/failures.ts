#!/usr/bin/env -S deno run
/**
 * Q. Something on the way has failed. What does the person need to know?
 *
 * A. At which step it was, what was wrong there, and what to do, which depends on whose fault
 * it is: a name that is not there is a slip of the keyboard, an unreachable server the
 * network's or the site's, a wrong certificate perhaps an attack. Each layer has errors of
 * its own kind, so the step that knows them can tell them apart. What is none of these is a
 * mistake of the program, and must not be dressed up as one of the network.
 *
 * Trap: "something went wrong, please try again", for a wrong certificate, too.
 * Source: the errors of this chapter's scripts.
 * Run: `deno run failures.ts`
 * @module
 */
import { CertificateError } from "./certificate_check.ts";
import { DnsError } from "./dns_client.ts";
import { DnsFormatError } from "./dns_record.ts";
import { ConnectError } from "./happy_eyeballs.ts";
import { HttpError } from "./http_message.ts";
import { Http2Error } from "./http2_frames.ts";
import { TlsError } from "./tls_record.ts";

/** Why a visit came to an end, at which stage, and what a person can do. */
export class StoryError extends Error {
  override readonly name = "StoryError";
  constructor(
    readonly stage: string,
    message: string,
    readonly advice: string,
  ) {
    super(message);
  }
}

/** What failed at a stage, and what a person can do; or the error itself, if it is a bug. */
export function explain(stage: string, error: Error): Error {
  if (error instanceof StoryError) return error;
  const cut = error instanceof TlsError && error.code === "closed" ||
    error instanceof HttpError && error.code === "cut" ||
    /close_notify|unexpected eof|without a word/i.test(error.message);
  const message = stage === "page" && cut
    ? "The connection ended before the page was whole"
    : error.name === "TimeoutError"
    ? "It took too long"
    : error.message;
  const advice = adviceFor(stage, error, cut);
  return advice ? new StoryError(stage, message, advice) : error;
}

const NO_DNS = "Look whether this network lets DNS through, or go with --lab";

function adviceFor(
  stage: string,
  error: Error,
  cut: boolean,
): string | undefined {
  if (error instanceof DnsFormatError) {
    return "Look whether the name is spelt right";
  }
  if (error instanceof DnsError) {
    return error.code === "no-such-name" || error.code === "no-data"
      ? "Look whether the name is spelt right"
      : NO_DNS;
  }
  if (error instanceof ConnectError) {
    return "The site or the network is down: try later";
  }
  if (error.name === "TimeoutError" || error.name === "AbortError") {
    return stage === "name" ? NO_DNS : "Try again later";
  }
  if (error instanceof CertificateError || stage === "encryption") {
    return "Do not go on: the other side may not be who it says it is";
  }
  if (stage === "page" && cut) return "The connection broke: try again";
  if (error instanceof HttpError && error.code === "url") {
    return stage === "page"
      ? "Nobody can go where the site sends: tell its owner"
      : "Correct the address";
  }
  if (error instanceof HttpError || error instanceof Http2Error) {
    return "The server does not answer as it should: try again later";
  }
  return stage === "page" ? "The connection broke: try again" : undefined;
}

if (import.meta.main) {
  for (
    const [stage, error] of [
      ["name", new DnsError("no-such-name", "There is no name ww.google.com")],
      ["name", new DnsError("timeout", "No answer from 192.0.2.1 port 53")],
      ["connection", new ConnectError([])],
      [
        "encryption",
        new CertificateError("name", "The certificate is not for google.com"),
      ],
      ["page", new TlsError("closed", "The connection ended without a word")],
      ["page", new HttpError("limit", "Cannot keep the body")],
      ["name", new TypeError("undefined is not a function")],
    ] as const
  ) {
    const told = explain(stage, error);
    const advice = told instanceof StoryError ? told.advice : "a bug, as it is";
    console.log(`${stage}: ${told.message}\n  ${advice}`);
  }
}
