/**
 * The conformance suite and the golden vectors in a browser: a table for people, and for `deno task test:browser` the
 * promise `globalThis.report`. `?backend=NAME&filter=TEXT` say what to run, `build` and `threads` how the wasm backend is
 * made. Vectors are fetched from `vectors/` beside the page, a group at a time.
 */
import { type CaseResult, runGolden, runSuite, type VectorReader } from "../../packages/conformance/mod.ts";
import { createBackend, type CreateBackendOptions } from "../../packages/heed/mod.ts";
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

/** Vectors are exact, so matmul leaves activations f32; a software WebGPU adapter will do. */
function backendOptions(query: URLSearchParams): CreateBackendOptions {
  const [build, threads] = [query.get("build"), query.get("threads")];
  return {
    matmulActivations: "f32",
    softwareAdapter: true,
    ...(build === "plain" || build === "threads" ? { build } : {}),
    ...(threads === null ? {} : { threads: Number(threads) }),
  };
}

async function run(query: URLSearchParams): Promise<Report> {
  const filter = query.get("filter") ?? "";
  const table = new ResultTable(document);
  const failures: string[] = [];
  const onResult = (result: CaseResult): void => {
    table.add(result);
    if (result.status === "failed") failures.push(`${result.name}: ${result.message ?? "failed"}`);
  };
  const backend = await createBackend(query.get("backend") ?? "scalar", backendOptions(query));
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
globalThis.report = run(query);
globalThis.report.catch((error) => document.querySelector("#summary")?.replaceChildren(`${error}`));
