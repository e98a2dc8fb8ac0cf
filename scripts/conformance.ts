/**
 * Runs a backend through the suite and the golden vectors, as `deno task conformance --help` says.
 *
 * Each case that fails or is skipped is a line, with the reason; the last line is `N passed, N failed, N skipped`.
 */
import type { CommandLine } from "../apps/cli/src/command_line.ts";
import { UsageError } from "../apps/cli/src/errors.ts";
import { BACKEND_OPTIONS } from "../apps/conformance/backend_options.ts";
import {
  type CaseResult,
  groupNames,
  runGolden,
  runSuite,
  type RunSummary,
  type VectorReader,
} from "../packages/conformance/mod.ts";
import { runScript } from "./command_line.ts";
import { ROOT } from "./files.ts";
import { backendOptions, makeBackend } from "./make_backend.ts";

const HELP = `deno task conformance --backend NAME

Runs the conformance suite and the golden vectors.

  --backend NAME    scalar, wasm or webgpu
  --vectors DIR     only the golden vectors of a folder: any in the format of
                    packages/conformance/vectors/README.md; ops without a mapping are skipped
  --filter TEXT     only cases whose names have it
  --build NAME      of the wasm backend: plain or threads
  --threads N       of the wasm backend
  --features NAMES  optional ones of webgpu: all (default), none, or names with commas between
  -h, --help        show this
`;

const OPTIONS = {
  backend: { type: "string" },
  vectors: { type: "string" },
  filter: { type: "string" },
  ...BACKEND_OPTIONS,
} as const;

/** What the command line says. */
type Values = CommandLine<typeof OPTIONS>["values"];

function folderReader(folder: string): VectorReader {
  return {
    json: async (path) => JSON.parse(await Deno.readTextFile(`${folder}/${path}`)),
    bytes: (path) => Deno.readFile(`${folder}/${path}`),
    list: () => Promise.resolve(filesIn(folder)),
  };
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).map(({ name }) => name);
}

/** The groups in a folder that was asked for. */
function groupsIn(folder: string): string[] {
  const cannot = `Cannot run the vectors of ${folder}`;
  try {
    const groups = groupNames(filesIn(folder));
    if (groups.length > 0) return groups;
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
    throw absent ? new UsageError(`${cannot}: there is no such folder`) : error;
  }
  throw new UsageError(`${cannot}: it holds no group (NAME.json, NAME.safetensors)`);
}

function report({ name, status, message }: CaseResult): void {
  if (status !== "passed") console.log(`${status} ${name}${message === undefined ? "" : `: ${message}`}`);
}

async function runAll(values: Values): Promise<RunSummary[]> {
  const { backend, vectors, filter } = values;
  if (backend === undefined) throw new UsageError("Cannot go on without --backend: scalar, wasm or webgpu");
  const groups = vectors === undefined ? {} : { groups: groupsIn(vectors) };
  const options = {
    backend: await makeBackend(backend, backendOptions(values)),
    onResult: report,
    ...(filter === undefined ? {} : { filter }),
  };
  const reader = folderReader(vectors ?? `${ROOT}packages/conformance/vectors`);
  const suite = vectors === undefined ? [await runSuite(options)] : [];
  return [...suite, await runGolden({ ...options, ...groups, reader })];
}

if (import.meta.main) {
  await runScript({ help: HELP, options: OPTIONS }, async ({ values }) => {
    const summaries = await runAll(values);
    const sum = (key: keyof RunSummary): number => summaries.reduce((n, summary) => n + summary[key], 0);
    console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
    if (sum("failed") > 0 || sum("passed") + sum("skipped") === 0) Deno.exit(1);
  });
}
