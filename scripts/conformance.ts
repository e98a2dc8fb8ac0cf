/**
 * Runs a backend through the suite and the golden vectors: `conformance.ts --backend NAME [--vectors DIR]
 * [--filter TEXT] [--build plain|threads] [--threads N] [--features all|none|NAMES]`; build and threads are for the wasm
 * backend, features for webgpu.
 *
 * With `--vectors` it runs only the golden vectors of that folder: any in the format of
 * packages/conformance/vectors/README.md, so also ones that Heed has never seen; an op it has no mapping for is skipped.
 * Each case that fails or is skipped is a line, with the reason; the last line is `N passed, N failed, N skipped`.
 */
import { parseArgs } from "node:util";
import { BACKEND_OPTIONS, readBackendOptions } from "../apps/conformance/backend_options.ts";
import {
  type CaseResult,
  groupNames,
  runGolden,
  runSuite,
  type RunSummary,
  type VectorReader,
} from "../packages/conformance/mod.ts";
import { type Backend, BackendError } from "../packages/core/mod.ts";
import { createBackend, type CreateBackendOptions } from "../packages/heed/mod.ts";
import { ROOT } from "./files.ts";

const USAGE = "Usage: deno task conformance --backend NAME [--vectors DIR] [--filter TEXT] " +
  "[--build plain|threads] [--threads N] [--features all|none|NAMES]";

/** What the command line asks for. */
interface Wanted {
  readonly backend: string;
  readonly options: CreateBackendOptions;
  readonly vectors: string | undefined;
  readonly filter: { readonly filter?: string };
}

/** Prints why nothing ran, and ends. */
function refuse(reason: string): never {
  console.error(reason);
  Deno.exit(2);
}

function readArguments(): Wanted {
  const own = { backend: { type: "string" }, vectors: { type: "string" }, filter: { type: "string" } } as const;
  try {
    const { values } = parseArgs({ args: Deno.args, options: { ...own, ...BACKEND_OPTIONS } });
    const { backend, vectors, filter } = values;
    if (backend === undefined) refuse(USAGE);
    return { backend, options: readBackendOptions(values), vectors, filter: filter === undefined ? {} : { filter } };
  } catch (error) {
    refuse(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}

async function makeBackend({ backend, options }: Wanted): Promise<Backend> {
  try {
    return await createBackend(backend, options);
  } catch (error) {
    if (error instanceof BackendError) refuse(error.message);
    throw error;
  }
}

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
  try {
    const groups = groupNames(filesIn(folder));
    return groups.length > 0
      ? groups
      : refuse(`Cannot run the vectors of ${folder}: it holds no group (NAME.json, NAME.safetensors)`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      refuse(`Cannot run the vectors of ${folder}: there is no such folder`);
    }
    throw error;
  }
}

function report({ name, status, message }: CaseResult): void {
  if (status !== "passed") console.log(`${status} ${name}${message === undefined ? "" : `: ${message}`}`);
}

async function runAll(wanted: Wanted): Promise<RunSummary[]> {
  const { vectors, filter } = wanted;
  const groups = vectors === undefined ? {} : { groups: groupsIn(vectors) };
  const options = { backend: await makeBackend(wanted), onResult: report, ...filter };
  const reader = folderReader(vectors ?? `${ROOT}packages/conformance/vectors`);
  const suite = vectors === undefined ? [await runSuite(options)] : [];
  return [...suite, await runGolden({ ...options, ...groups, reader })];
}

if (import.meta.main) {
  const summaries = await runAll(readArguments());
  const sum = (key: keyof RunSummary): number => summaries.reduce((n, summary) => n + summary[key], 0);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
  if (sum("failed") > 0 || sum("passed") + sum("skipped") === 0) Deno.exit(1);
}
