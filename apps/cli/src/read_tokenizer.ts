/**
 * A model's tokenizer: in a GGUF file's metadata, or in a Hugging Face folder's tokenizer.json, with special tokens
 * named by tokenizer_config.json where there is one.
 */
import { join } from "node:path";
import { type Tokenizer, tokenizerFromGguf, tokenizerFromJson } from "../../../packages/heed/mod.ts";
import { ModelError } from "./errors.ts";
import type { OpenedModel } from "./open_model.ts";

/**
 * Reads a model's tokenizer.
 *
 * @param path the model's file or folder
 * @param model the same, opened
 * @throws {ModelError} when a folder has no tokenizer.json, or a file is not JSON
 * @throws {FormatError} when the tokenizer is none that is known
 */
export async function readTokenizer(path: string, model: OpenedModel): Promise<Tokenizer> {
  if (model.file.format === "gguf") return tokenizerFromGguf(model.file.metadata);
  const tokenizer = await readJson(join(path, "tokenizer.json"));
  if (tokenizer === undefined) throw new ModelError(`Cannot write text with ${path}: it has no tokenizer.json`);
  return tokenizerFromJson(tokenizer, await readJson(join(path, "tokenizer_config.json")));
}

/** The parsed file, or undefined where there is none. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof SyntaxError) throw new ModelError(`Cannot read ${path}: it is not JSON (${error.message})`);
    throw error;
  }
}
