/** Runs one choice: a backend through the suite and the golden vectors, which are fetched from `vectors/`, a group at a time. */
import { type CaseResult, runGolden, runSuite, type VectorReader } from "../../packages/conformance/mod.ts";
import { createBackend } from "../../packages/heed/mod.ts";
import { readBackendOptions } from "./backend_options.ts";
import type { Report, TimedResult } from "./report.ts";

/** What to run, as an address says it: `backend`, `filter`, and backend_options.ts. */
export type Wanted = Readonly<Record<string, string>>;

async function fetchVector(path: string): Promise<Response> {
  const response = await fetch(`vectors/${path}`);
  if (!response.ok) throw new Error(`Cannot fetch vectors/${path}: ${response.status} ${response.statusText}`);
  return response;
}

const READER: VectorReader = {
  json: async (path) => await (await fetchVector(path)).json(),
  bytes: async (path) => new Uint8Array(await (await fetchVector(path)).arrayBuffer()),
};

/**
 * Runs it.
 *
 * @param onResult called with each result as it comes
 * @throws {BackendError} when the backend is not there
 */
export async function run(wanted: Wanted, onResult: (result: TimedResult) => void): Promise<Report> {
  const { backend: name = "scalar", filter = "" } = wanted;
  const backend = await createBackend(name, readBackendOptions(wanted));
  const start = performance.now();
  const failures: string[] = [];
  let last = start;
  const timed = (result: CaseResult): void => {
    const now = performance.now();
    onResult({ ...result, milliseconds: now - last });
    if (result.status === "failed") failures.push(`${result.name}: ${result.message ?? "failed"}`);
    last = now;
  };
  const options = { backend, onResult: timed, ...(filter === "" ? {} : { filter }) };
  const [suite, golden] = [await runSuite(options), await runGolden({ ...options, reader: READER })];
  const description = backend.describe();
  backend.dispose();
  return {
    passed: suite.passed + golden.passed,
    failed: suite.failed + golden.failed,
    skipped: suite.skipped + golden.skipped,
    milliseconds: performance.now() - start,
    description,
    failures,
  };
}
