/**
 * A model on disk, with only its headers read: one GGUF file, or a Hugging Face folder (config.json beside safetensors,
 * in one file or in shards with an index).
 */
import { basename, join, resolve } from "node:path";
import { openGguf, openSafetensors, openShardedSafetensors, type TensorFile } from "../../../packages/heed/mod.ts";
import { ModelError } from "./errors.ts";
import { fileSource } from "./file_source.ts";

/** A model whose headers were read. */
export interface OpenedModel extends Disposable {
  /** What messages call it. */
  readonly name: string;
  /** Its tensors and metadata. */
  readonly file: TensorFile;
  /** The parsed config.json of a Hugging Face folder; a GGUF file says it all in its metadata. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
}

const INDEX = "model.safetensors.index.json";
const SINGLE = "model.safetensors";

/**
 * Opens a model; `using` closes it.
 *
 * @param path a GGUF file or a Hugging Face folder
 * @throws {ModelError} when the folder lacks a file, or the file is a part of a folder
 * @throws {FormatError} when a header is corrupt
 */
export async function openModel(path: string): Promise<OpenedModel> {
  const { isDirectory } = await Deno.stat(path);
  if (!isDirectory && /\.(safetensors|json)$/.test(path)) {
    throw new ModelError(`Cannot describe ${path} by itself: give the folder that holds it and its config.json`);
  }
  const config = isDirectory ? await readConfig(path) : undefined;
  const file = isDirectory ? await openWeights(path) : await openGgufFile(path);
  return { name: basename(resolve(path)), file, config, [Symbol.dispose]: () => file.close() };
}

async function openGgufFile(path: string): Promise<TensorFile> {
  const source = await fileSource(path);
  return await closingOnError(source, openGguf(source));
}

async function openWeights(folder: string): Promise<TensorFile> {
  if (await exists(join(folder, INDEX))) {
    return await openShardedSafetensors(INDEX, (fileName) => fileSource(join(folder, fileName)));
  }
  if (!(await exists(join(folder, SINGLE)))) {
    throw new ModelError(`Cannot find weights in ${folder}: it has neither ${SINGLE} nor ${INDEX}`);
  }
  const source = await fileSource(join(folder, SINGLE));
  return await closingOnError(source, openSafetensors(source));
}

async function closingOnError(source: { close(): void }, opening: Promise<TensorFile>): Promise<TensorFile> {
  try {
    return await opening;
  } catch (error) {
    source.close();
    throw error;
  }
}

async function readConfig(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, "config.json");
  if (!(await exists(path))) throw new ModelError(`Cannot find a model in ${folder}: it has no config.json`);
  const config = parseJson(await Deno.readTextFile(path));
  if (typeof config === "object" && config !== null && !Array.isArray(config)) {
    return { ...config };
  }
  throw new ModelError(`Cannot read ${path}: it is not a JSON object`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
