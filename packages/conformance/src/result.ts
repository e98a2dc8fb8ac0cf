/** What a run of cases tells: one result a case, and their sum. A case that is skipped says which capability it lacks. */

/** How one case ended. */
export interface CaseResult {
  /** `group/case`. */
  readonly name: string;
  /** How it ended; skipped means that the backend lacks something it needs. */
  readonly status: "passed" | "failed" | "skipped";
  /** What was wrong, or missing; absent when it passed. */
  readonly message?: string;
}

/** How many cases ended how. */
export interface RunSummary {
  /** Cases whose every output was right. */
  readonly passed: number;
  /** Cases with a wrong result, a missing or untyped error, or a leak. */
  readonly failed: number;
  /** Cases that need what the backend does not have. */
  readonly skipped: number;
}

/** Counts results and passes them on. */
export class Tally implements RunSummary {
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly #onResult: ((result: CaseResult) => void) | undefined;

  /** @param onResult called with each result as it comes */
  constructor(onResult: ((result: CaseResult) => void) | undefined) {
    this.#onResult = onResult;
  }

  /** Adds one result. */
  add(result: CaseResult): void {
    this[result.status]++;
    this.#onResult?.(result);
  }

  /** The sum as a plain object. */
  summary(): RunSummary {
    return { passed: this.passed, failed: this.failed, skipped: this.skipped };
  }
}

/** What a thrown value says, with its class. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
}
