/** A model of its files: one GGUF, or safetensors (in one file or in shards) with config.json and tokenizer.json. */
import {
  type ByteSource,
  FormatError,
  type LlamaConfig,
  llamaConfigFromGguf,
  llamaConfigFromJson,
  openGguf,
  openSafetensors,
  openShardedSafetensors,
  type TensorFile,
  type Tokenizer,
  tokenizerFromGguf,
  tokenizerFromJson,
} from "../../../../packages/heed/mod.ts";
import { isSafetensors, isSafetensorsIndex } from "../file_on_server.ts";
import { totalBytes } from "./room.ts";

/** A model whose headers were read. */
export interface OpenedModel {
  readonly name: string;
  readonly byteLength: number;
  readonly file: TensorFile;
  /** The parsed config.json, where there is one. */
  readonly json: unknown;
  readonly config: LlamaConfig;
  readonly tokenizer: Tokenizer;
}

/** Files by name. */
export type Sources = ReadonlyMap<string, ByteSource>;

/**
 * Opens a model, without its weights.
 *
 * @throws {FormatError} naming what is missing, corrupt or not known here
 */
export async function openModel(sources: Sources): Promise<OpenedModel> {
  const byteLength = totalBytes([...sources.values()]);
  const gguf = ggufOf([...sources.values()]);
  if (gguf !== undefined) {
    const file = await openGguf(gguf);
    const tokenizer = tokenizerFromGguf(file.metadata);
    return { name: gguf.name, byteLength, file, json: undefined, config: await llamaConfigFromGguf(file), tokenizer };
  }
  const json = await readJson(sources, "config.json");
  const tokenizer = tokenizerFromJson(
    await readJson(sources, "tokenizer.json"),
    sources.has("tokenizer_config.json") ? await readJson(sources, "tokenizer_config.json") : undefined,
  );
  const file = await openWeights(sources);
  return { name: nameOf(json), byteLength, file, json, config: llamaConfigFromJson(json), tokenizer };
}

/** The GGUF file: the one that is called so, or the only one, as an address may end in any name. */
function ggufOf(sources: readonly ByteSource[]): ByteSource | undefined {
  const [only] = sources.length === 1 ? sources : [];
  return sources.find(({ name }) => /\.gguf$/i.test(name)) ??
    (only !== undefined && !/\.(safetensors|json)$/i.test(only.name) ? only : undefined);
}

async function openWeights(sources: Sources): Promise<TensorFile> {
  const index = [...sources.keys()].find(isSafetensorsIndex);
  if (index !== undefined) {
    return await openShardedSafetensors(index, async (name) => await Promise.resolve(need(sources, name)));
  }
  const single = [...sources.keys()].find(isSafetensors);
  return await openSafetensors(need(sources, single ?? "model.safetensors"));
}

function need(sources: Sources, name: string): ByteSource {
  const source = sources.get(name);
  if (source !== undefined) return source;
  const given = sources.size === 0 ? "nothing" : [...sources.keys()].join(", ");
  throw new FormatError(
    `Cannot open a model of ${given}: ${name} is missing; give one .gguf file, or model.safetensors together with ` +
      `config.json and tokenizer.json`,
    { file: name },
  );
}

async function readJson(sources: Sources, name: string): Promise<unknown> {
  const source = need(sources, name);
  const bytes = await source.read(0, source.byteLength);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new FormatError(`Cannot read ${name}: it is not JSON`, { file: name, cause: error });
  }
}

/** Hugging Face's configs may say what they are of; a folder's name is not told to pages. */
function nameOf(json: unknown): string {
  const name: unknown = Object(json)["_name_or_path"];
  return typeof name === "string" && name !== "" ? name : "safetensors model";
}
