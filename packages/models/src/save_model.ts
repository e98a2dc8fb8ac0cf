/**
 * Weights as the files of a Hugging Face folder: `model.safetensors`, or shards `model-00001-of-00003.safetensors` with
 * `model.safetensors.index.json`, which says where each tensor lies. Files are streams: a tensor's bytes are asked for when
 * their turn comes, so a model is written without being in memory. Where files go is the caller's affair.
 */
import { byteLengthOf, type Tensor } from "../../core/mod.ts";
import { numelOf } from "../../core/src/shape.ts";
import { safetensorsByteLength, type TensorData, writeSafetensors } from "../../formats/mod.ts";

/** A file to write. */
export interface CheckpointFile {
  /** Its plain name. */
  readonly name: string;
  /** Its length in bytes. */
  readonly byteLength: number;
  /** Its bytes in order; each call begins anew. */
  stream(): ReadableStream<Uint8Array>;
}

/** Settings of {@linkcode weightFiles}. */
export interface WeightFilesOptions {
  /** Bytes of tensors in a file before another is begun; 5e9 when left out, as Hugging Face has it. */
  readonly maxShardBytes?: number | undefined;
  /** The file that each tensor goes to, where that is settled; an index is then written whatever the size. */
  readonly shards?: ReadonlyMap<string, string> | undefined;
  /** Strings for the header of each file; `format: "pt"` when left out, without which some readers refuse a file. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

const SINGLE = "model.safetensors";
const MAX_SHARD_BYTES = 5e9;

/**
 * The files that hold some tensors.
 *
 * @param tensors parameters by name, as {@linkcode tensorData} gives them or as they lie in another file
 * @throws {DTypeError} when a tensor is block-quantised
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { ones } from "@heed/heed/core";
 * import { bytesSource, openSafetensors } from "@heed/heed/formats";
 * import { tensorData, weightFiles } from "@heed/heed/models";
 *
 * using weight = ones([2, 3], { backend: createScalarBackend() });
 * const [file] = weightFiles(new Map([["lm_head.weight", tensorData(weight)]]));
 * const written = await openSafetensors(bytesSource(await new Response(file!.stream()).bytes(), file!.name));
 * assertEquals(written.tensors.get("lm_head.weight")?.shape, [2, 3]);
 * ```
 */
export function weightFiles(
  tensors: ReadonlyMap<string, TensorData>,
  options: WeightFilesOptions = {},
): CheckpointFile[] {
  const { metadata = { format: "pt" }, maxShardBytes = MAX_SHARD_BYTES } = options;
  const shards = options.shards ?? splitBySize(tensors, maxShardBytes);
  const names = [...new Set(shards.values())];
  const files = names.map((name) => {
    const part = new Map([...tensors].filter(([tensor]) => shards.get(tensor) === name));
    return weightFile(name, part, metadata);
  });
  const indexed = options.shards !== undefined || names.length > 1;
  return indexed ? [...files, indexFile(tensors, shards)] : files;
}

/**
 * A tensor as it will be written: its bytes are read from its backend when their turn comes.
 *
 * @param x a tensor that lives until it is written
 */
export function tensorData(x: Tensor): TensorData {
  return { dtype: x.dtype, shape: x.shape, bytes: () => readBytes(x) };
}

/** Canonical bytes in row-major order. */
export async function readBytes(x: Tensor): Promise<Uint8Array> {
  if (x.numel === 0) return new Uint8Array(0);
  using ordered = x.contiguous().keep();
  return await x.backend.download(ordered.storage.buffer, ordered.offset, x.numel);
}

/** A file of JSON text. */
export function textFile(name: string, text: string): CheckpointFile {
  const bytes = new TextEncoder().encode(text);
  return { name, byteLength: bytes.byteLength, stream: () => new Blob([bytes]).stream() };
}

function weightFile(
  name: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
): CheckpointFile {
  return {
    name,
    byteLength: safetensorsByteLength(tensors, metadata),
    stream: () => writeSafetensors(tensors, metadata),
  };
}

function storedBytes({ dtype, shape, storedAs }: TensorData): number {
  return storedAs === undefined ? byteLengthOf(dtype, numelOf(shape)) : numelOf(shape) * 8;
}

/** In the order given, a file until the next tensor would make it too large. */
function splitBySize(tensors: ReadonlyMap<string, TensorData>, maxShardBytes: number): Map<string, string> {
  const shardOf = new Map<string, number>();
  let [shard, bytes] = [1, 0];
  for (const [name, tensor] of tensors) {
    const more = storedBytes(tensor);
    if (bytes > 0 && bytes + more > maxShardBytes) [shard, bytes] = [shard + 1, 0];
    bytes += more;
    shardOf.set(name, shard);
  }
  const padded = (n: number): string => String(n).padStart(5, "0");
  const fileName = (n: number): string => shard === 1 ? SINGLE : `model-${padded(n)}-of-${padded(shard)}.safetensors`;
  return new Map(Array.from(shardOf, ([name, n]) => [name, fileName(n)]));
}

function indexFile(tensors: ReadonlyMap<string, TensorData>, shards: ReadonlyMap<string, string>): CheckpointFile {
  const all = [...tensors.values()];
  const metadata = {
    total_parameters: all.reduce((sum, { shape }) => sum + numelOf(shape), 0),
    total_size: all.reduce((sum, tensor) => sum + storedBytes(tensor), 0),
  };
  const index = { metadata, weight_map: Object.fromEntries(shards) };
  return textFile(`${SINGLE}.index.json`, `${JSON.stringify(index, null, 2)}\n`);
}
