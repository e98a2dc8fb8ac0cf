/**
 * One file by https, resumable, and under its final name only when it is whole and right.
 *
 *     partial there? -> Range + If-Range -> 206: append · 200: from the start · 416: the partial is no part of it
 *     then: length, SHA-256, rename
 *
 * The caller holds the lock of `lock.ts`, so no other process writes the same partial file.
 */
import { DownloadError } from "./errors.ts";
import { PartialFile, type ResumePoint } from "./partial_file.ts";
import type { ExpectedFile } from "./pinned_models.ts";
import { verifyFile } from "./verify.ts";
import { Watch } from "./watch.ts";

/** Tells how far something is; `total` is undefined where nobody knows. */
export type OnProgress = (done: number, total: number | undefined) => void;

/** How {@linkcode download} goes about it. */
export interface DownloadOptions {
  /** What the file must be; without it, only the length the server states is checked. */
  readonly expected?: ExpectedFile;
  /** Ends the download; what has come stays for the next time. */
  readonly signal?: AbortSignal;
  /** Called after every piece, with bytes. */
  readonly onProgress?: OnProgress;
  /** Called with what a person should know. */
  readonly onNotice?: (message: string) => void;
  /** How long to wait for the answer to begin; default 10 seconds. */
  readonly connectTimeoutMs?: number;
  /** How long to wait for the next bytes; default 60 seconds. */
  readonly stallTimeoutMs?: number;
}

/**
 * Downloads a file to `path`, going on where an earlier try stopped.
 *
 * @param url https, or http on this machine
 * @param path where the whole file will be; its folder must exist
 * @throws {DownloadError} saying by its `fault` whether another source may be tried
 * @throws the signal's reason when it is aborted
 */
export async function download(url: URL, path: string, options: DownloadOptions = {}): Promise<void> {
  checkScheme(url);
  const { expected, onNotice } = options;
  const partial = new PartialFile(path, url);
  for (;;) {
    const from = usable(await partial.resumePoint(), expected);
    try {
      if (from.offset !== expected?.byteLength) await fetchRest(url, partial, from, options);
      if (expected !== undefined) await verifyFile(partial.path, shown(url), expected);
      return await partial.finish();
    } catch (error) {
      if (!(error instanceof DownloadError) || error.fault !== "wrong file") throw error;
      await partial.discard();
      if (from.offset === 0) throw error;
      onNotice?.(`${error.message}. The part from an earlier try may be to blame: starting again`);
    }
  }
}

/** Without a version to compare by or a checksum to come, bytes of two versions could end up in one file. */
function usable(from: ResumePoint, expected: ExpectedFile | undefined): ResumePoint {
  return from.validator === undefined && expected === undefined ? { offset: 0 } : from;
}

async function fetchRest(url: URL, partial: PartialFile, from: ResumePoint, options: DownloadOptions): Promise<void> {
  using watch = new Watch(options.signal);
  watch.expect("answer", options.connectTimeoutMs ?? 10_000);
  const response = await ask(url, from, watch);
  const start = response.status === 206 ? from.offset : 0;
  const total = checkedTotal(url, response, start, options.expected);
  if (start > 0) options.onNotice?.(`Going on after the ${start} bytes from an earlier try`);
  using file = await partial.open(start, response.headers);
  const done = await writeBody(response, file, { start, total, url, watch, options });
  if (total !== undefined && done !== total) throw brokenOff(url, done, total, "the connection ended");
}

async function ask(url: URL, from: ResumePoint, watch: Watch): Promise<Response> {
  const headers = new Headers({ "accept-encoding": "identity" }); // ranges count the bytes of the file itself
  if (from.offset > 0) headers.set("range", `bytes=${from.offset}-`);
  if (from.validator !== undefined) headers.set("if-range", from.validator);
  try {
    return await fetch(url, { headers, signal: watch.signal });
  } catch (error) {
    watch.throwIfCallerAborted();
    throw new DownloadError("unreachable", `Cannot reach ${url.host}: ${reason(error)}`);
  }
}

/** The whole file's length as the server states it, once the answer is one that can be used. */
function checkedTotal(
  url: URL,
  response: Response,
  start: number,
  expected: ExpectedFile | undefined,
): number | undefined {
  if (response.redirected) checkScheme(new URL(response.url));
  if (response.status === 416) throw wrongFile(url, "it has no bytes after those of an earlier try");
  if (!response.ok) throw new DownloadError("refused", `Cannot download ${shown(url)}: ${statusLine(response)}`);
  const total = response.status === 206 ? rangeTotal(url, response, start) : statedLength(response);
  if (expected !== undefined && total !== undefined && total !== expected.byteLength) {
    throw wrongFile(url, `it has ${total} bytes there where ${expected.byteLength} were expected`);
  }
  return total;
}

function statedLength(response: Response): number | undefined {
  const text = response.headers.get("content-length");
  return text === null ? undefined : Number(text);
}

function rangeTotal(url: URL, response: Response, start: number): number {
  const text = response.headers.get("content-range") ?? "";
  const [, first, total] = text.match(/^bytes (\d+)-\d+\/(\d+)$/) ?? [];
  if (total === undefined || Number(first) !== start) {
    throw wrongFile(url, `it was asked for from byte ${start} on, and the answer was "${text}"`);
  }
  return Number(total);
}

interface Body {
  readonly start: number;
  readonly total: number | undefined;
  readonly url: URL;
  readonly watch: Watch;
  readonly options: DownloadOptions;
}

/** Writes each piece as it comes, so that an interrupt loses none; returns the file's length then. */
async function writeBody(response: Response, file: Deno.FsFile, body: Body): Promise<number> {
  const { total, url, watch, options } = body;
  let done = body.start;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      watch.expect("more bytes", options.stallTimeoutMs ?? 60_000);
      const piece = await reader?.read();
      if (piece?.value === undefined) return done;
      await writeAll(file, piece.value);
      done += piece.value.length;
      options.onProgress?.(done, total);
    }
  } catch (error) {
    watch.throwIfCallerAborted();
    throw brokenOff(url, done, total, reason(error));
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
}

function checkScheme(url: URL): void {
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol === "https:" || (url.protocol === "http:" && local)) return;
  throw new DownloadError("refused", `Cannot download ${shown(url)}: only https is taken, and http on this machine`);
}

function brokenOff(url: URL, done: number, total: number | undefined, why: string): DownloadError {
  const of = total === undefined ? "" : ` of ${total}`;
  const message = `The download of ${shown(url)} broke off after ${done}${of} bytes: ${why}; run again to go on`;
  return new DownloadError("broken", message);
}

function wrongFile(url: URL, why: string): DownloadError {
  return new DownloadError("wrong file", `Cannot use ${shown(url)}: ${why}`);
}

/** The URL without its query, which may hold a secret. */
function shown(url: URL): string {
  return url.origin + url.pathname;
}

function statusLine(response: Response): string {
  return `the server answered ${response.status} ${response.statusText}`.trim();
}

/** Deno's fetch keeps what happened in the cause, behind the URL. */
function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.replace(/^error sending request for url \([^)]*\): /, "");
}
