/** What a run of one choice came to: what the page shows, what a download holds, and what whoever drives the page reads. */
import type { CaseResult } from "../../packages/conformance/mod.ts";
import type { BackendDescription } from "../../packages/heed/mod.ts";

/** A case and how long it took; the first of a group of vectors also waits for their bytes. */
export interface TimedResult extends CaseResult {
  readonly milliseconds: number;
}

/** What a run came to. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly milliseconds: number;
  /** What the backend says of itself: its device, build and threads. */
  readonly description: BackendDescription;
  /** Lines for a person. */
  readonly failures: readonly string[];
}

declare global {
  /** What the page's address asked for: resolves when all has run, rejects if it could not; absent if it asked nothing. */
  var report: Promise<Report> | undefined;
}
