/**
 * Whether transformers loads what `heed convert` writes, and computes the same. Where PyTorch and transformers are installed
 * from is pip's own setting.
 */
import { convertFolder } from "../apps/cli/src/convert_folder.ts";
import { openModel } from "../apps/cli/src/open_model.ts";
import { createBackend, loadModel, tensor } from "../packages/heed/mod.ts";
import { runScript } from "./command_line.ts";
import { ROOT } from "./files.ts";
import { runPython } from "./python.ts";

const HELP = `deno task check:transformers [FOLDER…]

Converts Hugging Face folders (default: the tiny ones among the golden vectors) to one
key/value head by each method, and compares logits with those of transformers. That and
PyTorch, gigabytes of them, are installed into .cache when first run.

  -h, --help  show this
`;

const ENVIRONMENT = `${ROOT}.cache/python/transformers`;
const PYTHON = `${ENVIRONMENT}/${Deno.build.os === "windows" ? "Scripts/python.exe" : "bin/python"}`;
const VECTORS = `${ROOT}packages/conformance/vectors`;
const MAX_DIFFERENCE = 1e-4;
const TOKENS = 12;

/** What a Python program printed. @throws Error with its complaint where it fails */
async function python(args: readonly string[], interpreter = PYTHON): Promise<string> {
  const { success, stdout, stderr } = await runPython(args, interpreter);
  if (success) return stdout;
  throw new Error(stderr.trim());
}

async function prepare(): Promise<void> {
  if ((await runPython(["-c", "import torch, transformers"], PYTHON)).success) return;
  console.error("Installing PyTorch and transformers; this takes minutes");
  await python(["-m", "venv", ENVIRONMENT], "python3");
  await python(["-m", "pip", "install", "--quiet", "torch", "transformers", "safetensors", "numpy"]);
}

/** Logits of some ids by Heed, `[T * V]`. */
async function heedLogits(folder: string, ids: readonly number[]): Promise<Float32Array> {
  using opened = await openModel(folder);
  const backend = await createBackend("scalar");
  try {
    using model = await loadModel(opened, { backend });
    using input = tensor(Int32Array.from(ids), { shape: [1, ids.length], backend });
    using logits = model.forward(input);
    return Float32Array.from(await logits.data());
  } finally {
    backend.dispose();
  }
}

/** Prints how far Heed and transformers are apart. @returns whether that is near enough */
async function compare(folder: string, what: string): Promise<boolean> {
  const { vocab_size: words }: { vocab_size: number } = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  const ids = Array.from({ length: TOKENS }, (_, i) => (1 + 7 * i) % words);
  const ours = await heedLogits(folder, ids);
  const theirs: number[] = JSON.parse(
    await python([`${ROOT}scripts/check_transformers.py`, folder, JSON.stringify(ids)]),
  );
  const differences = theirs.map((x, i) => Math.abs(x - (ours[i] ?? NaN)));
  const worst = differences.reduce((most, x) => x > most ? x : Number.isNaN(x) ? Infinity : most, 0);
  const near = ours.length === theirs.length && worst < MAX_DIFFERENCE;
  console.log(
    `${near ? "ok    " : "FAILED"} ${what}: ${theirs.length} logits, at most ${worst.toExponential(1)} apart`,
  );
  return near;
}

/** Compares all conversions of some folders. @returns how many are not near enough */
async function compareAll(inputs: readonly string[]): Promise<number> {
  const scratch = await Deno.makeTempDir();
  let failed = 0;
  try {
    for (const input of inputs) {
      for (const method of ["mean", "first", "random"] as const) {
        const output = `${scratch}/converted`;
        await convertFolder({ input, output, kvHeads: 1, method, seed: 1, overwrite: true });
        if (!(await compare(output, `${input.split("/").at(-1)}, 1 head by ${method}`))) failed++;
      }
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return failed;
}

if (import.meta.main) {
  await runScript({ help: HELP, options: {}, maxArguments: Infinity }, async ({ positionals }) => {
    await prepare();
    const inputs = positionals.length > 0 ? positionals : [`${VECTORS}/hf_tiny`, `${VECTORS}/hf_tiny_sharded`];
    if (await compareAll(inputs) > 0) Deno.exit(1);
  });
}
