/**
 * Benchmarks, as `deno task bench --help` says.
 *
 * JSON goes to stdout (machine, versions, commit, figures), a table to stderr. Every figure is the median of rounds that
 * take all cases in turn, so that a slow moment of the machine falls on all of them, and what ratios compare is alike.
 * Where reading is asynchronous it is inside the timed region.
 */
import { attentionCases, decodeGrowth, GROWTH_FIGURES } from "../apps/bench/attention.ts";
import { type Figure, measure } from "../apps/bench/measure.ts";
import { benchModel, MODEL_FIGURES } from "../apps/bench/model.ts";
import { opCases } from "../apps/bench/ops.ts";
import type { CommandLine } from "../apps/cli/src/command_line.ts";
import { isSystemError, ModelError, UsageError } from "../apps/cli/src/errors.ts";
import { fileSource } from "../apps/cli/src/file_source.ts";
import { FormatError, llamaConfigFromGguf, openGguf, type TensorFile } from "../packages/heed/mod.ts";
import { runScript } from "./command_line.ts";
import { makeBackend } from "./make_backend.ts";

const HELP = `deno task bench

  --backend NAME  what computes: scalar (default), wasm or webgpu
  --filter TEXT   only cases whose names have it
  --model PATH    also a model: a GGUF file of a Llama
  -h, --help      show this
`;

const OPTIONS = {
  backend: { type: "string", default: "scalar" },
  filter: { type: "string", default: "" },
  model: { type: "string" },
} as const;

async function commit(): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // no git here
    throw error;
  }
}

/** Opens a model, and of its weights reads nothing. */
async function openModel(path: string): Promise<TensorFile> {
  try {
    const file = await openGguf(await fileSource(path));
    await llamaConfigFromGguf(file);
    return file;
  } catch (error) {
    const wrong = error instanceof ModelError || error instanceof FormatError || isSystemError(error);
    throw wrong ? new UsageError(`Cannot use --model "${path}": ${error.message}; give a GGUF file of a Llama`) : error;
  }
}

function showRow({ name, value, unit, goal }: Figure): string {
  const shown = value.toFixed(value < 10 ? 3 : 1);
  return `${name.padEnd(44)} ${shown.padStart(10)} ${unit.padEnd(12)} ${goal === undefined ? "" : `goal ${goal}`}`;
}

async function run({ values }: CommandLine<typeof OPTIONS>): Promise<void> {
  const model = values.model === undefined ? undefined : await openModel(values.model);
  const backend = await makeBackend(values.backend);
  const wanted = (name: string): boolean => name.includes(values.filter);
  const cases = [...opCases(backend), ...attentionCases(backend)].filter(({ name }) => wanted(name));
  const growth = GROWTH_FIGURES.some(wanted);
  const timed = MODEL_FIGURES.some(wanted) ? model : undefined;
  if (cases.length === 0 && !growth && timed === undefined) {
    console.error(`No case has "${values.filter}" in its name`);
    Deno.exit(1);
  }
  const figures = await measure(cases);
  if (growth) figures.push(...(await decodeGrowth(backend)).filter(({ name }) => wanted(name)));
  if (timed !== undefined) figures.push(...(await benchModel(timed, backend)).filter(({ name }) => wanted(name)));
  const { os, arch } = Deno.build;
  const machine = { os, arch, cores: navigator.hardwareConcurrency };
  const versions = { deno: Deno.version.deno, v8: Deno.version.v8 };
  console.log(
    JSON.stringify({ machine, versions, commit: await commit(), backend: backend.describe(), figures }, null, 2),
  );
  for (const figure of figures) console.error(showRow(figure));
  model?.close();
  backend.dispose();
}

if (import.meta.main) await runScript({ help: HELP, options: OPTIONS }, run);
