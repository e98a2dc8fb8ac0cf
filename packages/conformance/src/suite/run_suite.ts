/** Runs the suite on a backend: each case with poisoned memory, and nothing left alive after it. */
import { type Backend, tidy } from "../../../core/mod.ts";
import { missingCapability } from "../capability.ts";
import { type CaseResult, describeError, type RunSummary, Tally } from "../result.ts";
import { SUITE } from "./cases/mod.ts";
import { verify } from "./check.ts";
import { poisoned } from "./poisoned.ts";
import type { AsyncSuiteCase, SuiteCase } from "./suite_case.ts";
import { SuiteContext } from "./suite_context.ts";

/** Settings of {@linkcode runSuite}. */
export interface SuiteOptions {
  /** The backend to run on. */
  readonly backend: Backend;
  /** Run only cases whose name holds this text. */
  readonly filter?: string;
  /** Called with each result as it comes. */
  readonly onResult?: (result: CaseResult) => void;
}

/**
 * Runs the suite.
 *
 * @returns how many cases passed, failed and were skipped
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { runSuite } from "@heed/heed/conformance";
 *
 * const summary = await runSuite({ backend: createScalarBackend(), filter: "random/" });
 * assertEquals(summary.failed, 0);
 * ```
 */
export async function runSuite(options: SuiteOptions): Promise<RunSummary> {
  const tally = new Tally(options.onResult);
  const backend = poisoned(options.backend);
  for (const suiteCase of SUITE) {
    if (suiteCase.name.includes(options.filter ?? "")) tally.add(await runSuiteCase(backend, suiteCase));
  }
  return tally.summary();
}

/** Runs one case on a backend that is poisoned already. */
export async function runSuiteCase(backend: Backend, suiteCase: SuiteCase | AsyncSuiteCase): Promise<CaseResult> {
  const { name, needs = [] } = suiteCase;
  const missing = missingCapability(backend, needs);
  if (missing !== undefined) return { name, status: "skipped", message: `needs ${missing}` };
  const before = backend.memory.liveStorages;
  const problem = await attempt(backend, suiteCase);
  if (problem !== undefined) return { name, status: "failed", message: problem };
  const left = backend.memory.liveStorages - before;
  if (left <= 0) return { name, status: "passed" };
  return { name, status: "failed", message: `it leaks: ${left} more storages alive than before` };
}

async function attempt(backend: Backend, suiteCase: SuiteCase | AsyncSuiteCase): Promise<string | undefined> {
  try {
    if ("run" in suiteCase) return await runAndVerify(backend, suiteCase);
    await suiteCase.runAsync(backend);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

async function runAndVerify(backend: Backend, suiteCase: SuiteCase): Promise<string | undefined> {
  const checks = tidy(() => [suiteCase.run(new SuiteContext(backend, suiteCase.name))].flat());
  try {
    for (const check of checks) {
      const problem = await verify(check);
      if (problem !== undefined) return problem;
    }
    return undefined;
  } finally {
    for (const { got } of checks) got.dispose();
  }
}
