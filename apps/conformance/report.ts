/** What the page tells whoever drives it. */

/** What a run came to; failures are lines for a person. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

declare global {
  /** Resolves when all has run; rejects if it could not. */
  var report: Promise<Report>;
}
