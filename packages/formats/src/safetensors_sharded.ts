/**
 * A model in several safetensors files, with an index: `model.safetensors.index.json` holds
 * `{ "metadata": { "total_size" }, "weight_map": { "<tensor>": "<file>" } }` (Hugging Face's layout). Shards lie beside
 * the index; a name that could lead elsewhere is refused.
 */
import type { ByteSource } from "./byte_source.ts";
import { FormatError, formatError, quote } from "./format_error.ts";
import { isObject, MAX_HEADER_BYTES, parseJsonObject } from "./json_object.ts";
import { openSafetensors } from "./safetensors.ts";
import type { TensorEntry, TensorFile } from "./tensor_file.ts";

/** Opens a file beside the index, by its plain name. */
export type OpenFile = (fileName: string) => Promise<ByteSource>;

/**
 * Reads the index and the header of every shard it names, and checks that each tensor is where the index says.
 *
 * @param indexName the index's file name, for instance `model.safetensors.index.json`
 * @param open opens the index and the shards
 * @returns all shards as one file, tensors in the index's order
 * @throws {FormatError} when the index is corrupt, names a path, or a shard or a tensor in it is missing
 */
export async function openShardedSafetensors(indexName: string, open: OpenFile): Promise<TensorFile> {
  const weightMap = await readIndex(indexName, open);
  const shards = new Map<string, TensorFile>();
  const close = (): void => shards.forEach((shard) => shard.close());
  try {
    for (const shardName of new Set(weightMap.values())) {
      shards.set(shardName, await openShard(indexName, shardName, open));
    }
    const tensors = new Map<string, TensorEntry>();
    for (const [tensor, shardName] of weightMap) {
      const entry = shards.get(shardName)?.tensors.get(tensor);
      if (entry === undefined) {
        throw formatError(indexName, `it is not in ${quote(shardName)}, where the index has it`, { tensor });
      }
      tensors.set(tensor, entry);
    }
    const metadata = new Map([...shards.values()].flatMap((shard) => [...shard.metadata]));
    return { name: indexName, format: "safetensors", tensors, metadata, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readIndex(indexName: string, open: OpenFile): Promise<Map<string, string>> {
  const source = await open(indexName);
  try {
    if (source.byteLength > MAX_HEADER_BYTES) {
      throw formatError(indexName, "the index is absurdly long", {
        expected: `at most ${MAX_HEADER_BYTES} bytes`,
        found: `${source.byteLength}`,
      });
    }
    const index = parseJsonObject(indexName, "the index", await source.read(0, source.byteLength), 16);
    return checkWeightMap(indexName, index["weight_map"]);
  } finally {
    source.close?.();
  }
}

function checkWeightMap(indexName: string, value: unknown): Map<string, string> {
  if (!isObject(value)) {
    throw formatError(indexName, "bad weight_map", { expected: "an object of file names", found: quote(value) });
  }
  const weightMap = new Map<string, string>();
  for (const [tensor, fileName] of Object.entries(value)) {
    // No separators of any system, no drive, no scheme, no "..": the shard lies beside the index.
    if (
      typeof fileName !== "string" || !/^[^/\\:\0]+$/.test(fileName) || fileName.startsWith("..") || fileName === "."
    ) {
      throw formatError(indexName, "bad shard name", {
        tensor,
        expected: "a plain file name beside the index",
        found: quote(fileName),
      });
    }
    weightMap.set(tensor, fileName);
  }
  return weightMap;
}

async function openShard(indexName: string, shardName: string, open: OpenFile): Promise<TensorFile> {
  let source: ByteSource;
  try {
    source = await open(shardName);
  } catch (cause) {
    if (cause instanceof FormatError || (cause instanceof DOMException && cause.name === "AbortError")) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw formatError(indexName, `shard ${quote(shardName)} cannot be opened (${why})`, { cause });
  }
  try {
    return await openSafetensors(source);
  } catch (error) {
    source.close?.();
    throw error;
  }
}
