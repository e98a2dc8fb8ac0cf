/**
 * Benchmarks, as `deno task bench --help` says.
 *
 * JSON goes to stdout (machine, versions, commit, figures), a table to stderr. Every figure is the median of rounds that
 * take all cases in turn, so that a slow moment of the machine falls on all of them, and what ratios compare is alike.
 * Where reading is asynchronous it is inside the timed region.
 */
import { parseArgs } from "node:util";
import { createBackend } from "../../packages/heed/mod.ts";
import { attentionCases, decodeGrowth } from "./attention.ts";
import { type Figure, measure } from "./measure.ts";
import { benchModel } from "./model.ts";
import { opCases } from "./ops.ts";

const HELP = `deno task bench

  --backend NAME  what computes: scalar (default), wasm or webgpu
  --filter TEXT   only cases whose names have it
  --model PATH    also a model: a GGUF file of a Llama
  -h, --help      show this`;

const OPTIONS = {
  backend: { type: "string", default: "scalar" },
  filter: { type: "string" },
  model: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** What was asked for; the program ends here where that is help, or nothing it knows. */
function options(): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"] {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    if (!values.help) return values;
    console.log(HELP);
    Deno.exit(0);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    Deno.exit(2);
  }
}

async function commit(): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // no git here
    throw error;
  }
}

function showRow({ name, value, unit, goal }: Figure): string {
  const shown = value.toFixed(value < 10 ? 3 : 1);
  return `${name.padEnd(44)} ${shown.padStart(10)} ${unit.padEnd(12)} ${goal === undefined ? "" : `goal ${goal}`}`;
}

if (import.meta.main) {
  const values = options();
  const backend = await createBackend(values.backend);
  const wanted = (name: string): boolean => name.includes(values.filter ?? "");
  const cases = [...opCases(backend), ...attentionCases(backend)];
  const figures = await measure(cases.filter(({ name }) => wanted(name)));
  if (wanted("a token")) figures.push(...await decodeGrowth(backend));
  if (values.model !== undefined) {
    figures.push(...(await benchModel(values.model, backend)).filter(({ name }) => wanted(name)));
  }
  const { os, arch } = Deno.build;
  const machine = { os, arch, cores: navigator.hardwareConcurrency };
  const versions = { deno: Deno.version.deno, v8: Deno.version.v8 };
  console.log(
    JSON.stringify({ machine, versions, commit: await commit(), backend: backend.describe(), figures }, null, 2),
  );
  for (const figure of figures) console.error(showRow(figure));
  backend.dispose();
}
