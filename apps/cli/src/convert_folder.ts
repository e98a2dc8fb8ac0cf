/**
 * A Hugging Face folder converted to another: config and weights made anew, every other file copied. Nothing larger than one
 * projection is in memory.
 */
import { dirname, join } from "node:path";
import { type CheckpointFile, convertCheckpoint, createBackend } from "../../../packages/heed/mod.ts";
import type { ConvertRequest } from "./convert_options.ts";
import { checkTarget, makeFolder } from "./convert_target.ts";
import type { OnProgress } from "./download.ts";
import { ModelError } from "./errors.ts";
import { openModel } from "./open_model.ts";

/** Weights in any form: those that are not converted do not go with the new config. */
const WEIGHTS =
  /\.(safetensors(\.index\.json)?|pth?|gguf|onnx|h5|msgpack)$|^(pytorch_|adapter_)?model.*\.bin(\.index\.json)?$/;
/** What version control and downloads leave behind. */
const SKIPPED = new Set([".git", ".cache"]);

/** Settings of {@linkcode convertFolder}. */
export interface ConvertFolderOptions {
  /** Ends it: it rejects with the signal's reason, and nothing has changed. */
  readonly signal?: AbortSignal;
  /** Called after every piece of the weights, with bytes. */
  readonly onProgress?: OnProgress;
}

/**
 * Converts a folder. When it fails, or is ended by its signal, everything is as it was.
 *
 * @returns the files that were not copied since they hold other weights, as paths in the folder
 * @throws {ModelError | FormatError | ShapeError | DTypeError} saying what does not fit
 */
export async function convertFolder(request: ConvertRequest, options: ConvertFolderOptions = {}): Promise<string[]> {
  const { input, output, overwrite, ...how } = request;
  await checkInput(input);
  using model = await openModel(input);
  const target = await checkTarget(output, input, overwrite);
  const backend = await createBackend("scalar");
  try {
    const config = await Deno.readTextFile(join(input, "config.json"));
    const files = convertCheckpoint({ file: model.file, config }, { ...how, backend });
    const written = new Set(files.map(({ name }) => name));
    const others = [...filesBelow(input)].filter((path) => !written.has(path));
    await makeFolder(target, async (folder) => {
      await writeFiles(folder, files, options);
      await copyFiles(input, folder, others.filter((path) => !isWeights(path)), options.signal);
    });
    return others.filter(isWeights);
  } finally {
    backend.dispose();
  }
}

async function checkInput(path: string): Promise<void> {
  const found = await Deno.stat(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  });
  const remedy = "give a Hugging Face folder, with config.json and safetensors";
  if (found === undefined) throw new ModelError(`Cannot convert ${path}: there is no such folder; ${remedy}`);
  if (found.isDirectory) return;
  if (!path.endsWith(".gguf")) throw new ModelError(`Cannot convert ${path}: it is a file; ${remedy}`);
  throw new ModelError(
    `Cannot convert ${path}: GGUF packs its weights for one kind of engine; convert the Hugging Face folder it was made of`,
  );
}

function isWeights(path: string): boolean {
  return WEIGHTS.test(path.slice(path.lastIndexOf("/") + 1));
}

/** Files of a folder and of those in it, sorted, with slashes; links lead to files, as in a download cache, not to folders. */
function* filesBelow(folder: string, prefix = ""): Generator<string> {
  const entries = [...Deno.readDirSync(join(folder, prefix))].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, isDirectory, isSymlink } of entries) {
    const path = prefix + name;
    if (isDirectory && !SKIPPED.has(name)) yield* filesBelow(folder, `${path}/`);
    else if (!isDirectory && !(isSymlink && Deno.statSync(join(folder, path)).isDirectory)) yield path;
  }
}

async function writeFiles(
  folder: string,
  files: readonly CheckpointFile[],
  options: ConvertFolderOptions,
): Promise<void> {
  const total = files.reduce((bytes, { byteLength }) => bytes + byteLength, 0);
  let done = 0;
  for (const { name, stream } of files) {
    using file = await Deno.open(join(folder, name), { write: true, createNew: true });
    for await (const chunk of stream()) {
      options.signal?.throwIfAborted();
      for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await file.write(rest));
      options.onProgress?.(done += chunk.byteLength, total);
    }
  }
}

async function copyFiles(from: string, to: string, paths: readonly string[], signal?: AbortSignal): Promise<void> {
  for (const path of paths) {
    signal?.throwIfAborted();
    await Deno.mkdir(dirname(join(to, path)), { recursive: true });
    await Deno.copyFile(join(from, path), join(to, path));
  }
  signal?.throwIfAborted();
}
