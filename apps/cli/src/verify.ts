/**
 * Whether a file is the one that was asked for: its length, then its SHA-256, read a piece at a time.
 */
import { createHash } from "node:crypto";
import { DownloadError } from "./errors.ts";
import type { ExpectedFile } from "./pinned_models.ts";

/**
 * The SHA-256 of a file.
 *
 * @returns 64 lower-case hex digits
 */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20); // larger pieces were no faster
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}

/**
 * Passes when a file is as expected; otherwise deletes it, since nothing in it can be trusted, and throws.
 *
 * @param source what the message calls the file's origin
 * @throws {DownloadError} naming what was expected and what was found
 */
export async function verifyFile(path: string, source: string, expected: ExpectedFile): Promise<void> {
  const wrong = await difference(path, expected);
  if (wrong === undefined) return;
  await Deno.remove(path);
  throw new DownloadError("wrong file", `Cannot use what came from ${source}: ${wrong}; it was deleted`);
}

async function difference(path: string, expected: ExpectedFile): Promise<string | undefined> {
  const { size } = await Deno.stat(path);
  if (size !== expected.byteLength) return `it has ${size} bytes where ${expected.byteLength} were expected`;
  const sha256 = await sha256OfFile(path);
  return sha256 === expected.sha256 ? undefined : `its SHA-256 is ${sha256} where ${expected.sha256} was expected`;
}
