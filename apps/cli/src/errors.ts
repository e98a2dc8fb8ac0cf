/**
 * The errors a person at the terminal meets. Their messages stand alone, so `main.ts` prints them without a stack;
 * anything else that escapes a command is a fault of the program and keeps its stack.
 */

/**
 * Whether the operating system or Deno's permissions refused something: an error of a class in `Deno.errors`, or, where that
 * has none (EROFS, ENOSPC, EDQUOT, EIO), a plain one with the system's code. EBADF is left out: a file used after it was
 * closed is a fault of ours.
 */
export function isSystemError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (Object.values(Deno.errors).some((known) => error instanceof known)) return true;
  const plain = error.constructor === Error && "code" in error;
  return plain && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code) && error.code !== "EBADF";
}

/** A wrong command line: the program ends with exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A model that cannot be found, fetched or read as asked: exit code 1. */
export class ModelError extends Error {
  override name = "ModelError";
}

/**
 * Why a download failed. After "broken" the bytes so far are kept and the same source is asked again next time; after
 * the others another source may be tried.
 */
export type DownloadFault = "unreachable" | "refused" | "wrong file" | "broken";

/** A download that did not end in a whole, right file. */
export class DownloadError extends Error {
  override name = "DownloadError";

  /** @param fault what kind of failure it was */
  constructor(readonly fault: DownloadFault, message: string) {
    super(message);
  }
}

/** The person at the terminal ended it: exit code 130, and nothing to say. */
export class Interrupted extends Error {
  override name = "Interrupted";
}

/** It was asked to terminate: exit code 143, and nothing to say. */
export class Terminated extends Error {
  override name = "Terminated";
}
