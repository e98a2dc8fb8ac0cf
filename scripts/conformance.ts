/**
 * Runs a backend through the suite and the golden vectors: `conformance.ts --backend NAME [--vectors DIR]
 * [--filter TEXT]`.
 *
 * With `--vectors` it runs only the golden vectors of that folder: any in the format of
 * packages/conformance/vectors/README.md, so also ones that Heed has never seen. Each case that fails or is skipped is
 * a line, with the reason; the last line is `N passed, N failed, N skipped`.
 */
import { parseArgs } from "node:util";
import { type CaseResult, runGolden, runSuite, type VectorReader } from "../packages/conformance/mod.ts";
import { createBackend } from "../packages/heed/mod.ts";
import { ROOT } from "./files.ts";

function folderReader(folder: string): VectorReader {
  return {
    json: async (path) => JSON.parse(await Deno.readTextFile(`${folder}/${path}`)),
    bytes: async (path) => await Deno.readFile(`${folder}/${path}`),
  };
}

/** The groups in a folder: the names that have both a manifest and its tensors. */
function groupsIn(folder: string): string[] {
  const names = new Set([...Deno.readDirSync(folder)].filter((entry) => entry.isFile).map((entry) => entry.name));
  return [...names]
    .filter((name) => name.endsWith(".json") && names.has(name.replace(/\.json$/, ".safetensors")))
    .map((name) => name.replace(/\.json$/, ""))
    .sort();
}

function report(result: CaseResult): void {
  if (result.status === "passed") return;
  console.log(`${result.status} ${result.name}${result.message === undefined ? "" : `: ${result.message}`}`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { backend: { type: "string" }, vectors: { type: "string" }, filter: { type: "string" } },
  });
  if (values.backend === undefined) {
    console.error("Usage: deno task conformance --backend NAME [--vectors DIR] [--filter TEXT]");
    Deno.exit(2);
  }
  const backend = await createBackend(values.backend);
  const options = { backend, onResult: report, ...(values.filter === undefined ? {} : { filter: values.filter }) };
  const total = { passed: 0, failed: 0, skipped: 0 };
  const folder = values.vectors ?? `${ROOT}packages/conformance/vectors`;
  const runs = [
    ...(values.vectors === undefined ? [() => runSuite(options)] : []),
    () => runGolden({ ...options, reader: folderReader(folder), groups: groupsIn(folder) }),
  ];
  for (const run of runs) {
    const { passed, failed, skipped } = await run();
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (total.failed > 0 || total.passed + total.skipped === 0) Deno.exit(1);
}
