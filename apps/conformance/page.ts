/**
 * The conformance suite and the golden vectors in a browser: a table for people, and for `deno task test:browser` the
 * promise `globalThis.report`. `?backend=NAME&filter=TEXT` say what to run. Vectors are fetched from `vectors/` beside
 * the page, a group at a time.
 */
import { type CaseResult, runGolden, runSuite, type VectorReader } from "../../packages/conformance/mod.ts";
import { createBackend } from "../../packages/heed/mod.ts";
import type { Report } from "./report.ts";
import { ResultTable } from "./result_table.ts";

async function fetchVector(path: string): Promise<Response> {
  const response = await fetch(`vectors/${path}`);
  if (!response.ok) throw new Error(`Cannot fetch vectors/${path}: ${response.status} ${response.statusText}`);
  return response;
}

const READER: VectorReader = {
  json: async (path) => await (await fetchVector(path)).json(),
  bytes: async (path) => new Uint8Array(await (await fetchVector(path)).arrayBuffer()),
};

async function run(backendName: string, filter: string): Promise<Report> {
  const table = new ResultTable(document);
  const failures: string[] = [];
  const onResult = (result: CaseResult): void => {
    table.add(result);
    if (result.status === "failed") failures.push(`${result.name}: ${result.message ?? "failed"}`);
  };
  const backend = await createBackend(backendName);
  const options = { backend, onResult, ...(filter === "" ? {} : { filter }) };
  const suite = await runSuite(options);
  const golden = await runGolden({ ...options, reader: READER });
  table.finish();
  return {
    passed: suite.passed + golden.passed,
    failed: suite.failed + golden.failed,
    skipped: suite.skipped + golden.skipped,
    failures,
  };
}

/** Shows in the form what runs, so that it can be changed and run again. */
function fillForm(query: URLSearchParams): void {
  for (const [name, value] of query) {
    const input = document.querySelector<HTMLInputElement>(`input[name="${CSS.escape(name)}"]`);
    if (input !== null) input.value = value;
  }
}

const query = new URLSearchParams(location.search);
fillForm(query);
globalThis.report = run(query.get("backend") ?? "scalar", query.get("filter") ?? "");
globalThis.report.catch((error) => document.querySelector("#summary")?.replaceChildren(`${error}`));
