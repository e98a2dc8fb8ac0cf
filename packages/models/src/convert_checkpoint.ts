/**
 * A Hugging Face checkpoint with fewer key/value heads, from files to files: config.json with the new number, and weights in
 * as many files as there were. Keys and values are read, converted and written one tensor at a time, and everything else
 * passes through a buffer as it lies there, so memory is that of one projection. All names, shapes and dtypes are checked
 * against the config before the first byte.
 */
import { type Backend, isFloat } from "../../core/mod.ts";
import { checkNames, showShape } from "../../core/src/errors.ts";
import { sameShape } from "../../core/src/shape.ts";
import {
  FormatError,
  loadTensor,
  streamTensor,
  type TensorData,
  type TensorEntry,
  type TensorFile,
} from "../../formats/mod.ts";
import { readHeadCounts, withKvHeads } from "./convert_config.ts";
import {
  checkHeads,
  CONVERT_OPTIONS,
  type ConvertHeadsOptions,
  FOREIGN_CONVERT_OPTIONS,
  type HeadConfig,
} from "./convert_heads.ts";
import { convertParameter, projectionShape, projectionWeights } from "./convert_projection.ts";
import { type CheckpointFile, readBytes, textFile, weightFiles } from "./save_model.ts";

/** What {@linkcode convertCheckpoint} reads. */
export interface Checkpoint {
  /** The weights: safetensors, in one file or in shards. */
  readonly file: TensorFile;
  /** The text of the config.json beside them. */
  readonly config: string;
}

/** Settings of {@linkcode convertCheckpoint}. */
export interface ConvertCheckpointOptions extends ConvertHeadsOptions {
  /** Where keys and values are converted, a tensor at a time. */
  readonly backend: Backend;
  /** Bytes in a file before another is begun, where the weights come in one; 5e9 when left out. */
  readonly maxShardBytes?: number | undefined;
}

const OPTIONS = { ...CONVERT_OPTIONS, backend: true, maxShardBytes: true } as const satisfies Record<
  keyof ConvertCheckpointOptions,
  true
>;

/**
 * The files of a converted checkpoint. Shards stay shards, with the names they have. Nothing is read before a file's stream
 * is; a stream that is cancelled leaves nothing on the backend.
 *
 * @returns config.json, the weights, and their index where there are several files; tokenizers and the like are to be copied
 * @throws {ShapeError} when kvHeads does not divide the present number, the method or an option is unknown, or the seed is
 * no whole number
 * @throws {FormatError} naming file, tensor, expected and found, when the weights are no such model
 */
export function convertCheckpoint(checkpoint: Checkpoint, options: ConvertCheckpointOptions): CheckpointFile[] {
  const { file } = checkpoint;
  checkNames("convert a checkpoint", options, OPTIONS, FOREIGN_CONVERT_OPTIONS);
  checkFormat(file);
  const config = readHeadCounts(checkpoint.config, `config.json of ${file.name}`);
  checkHeads(config, options);
  checkGroups(file, config.numAttentionHeads, config.numKeyValueHeads);
  for (const name of projectionWeights(config)) {
    if (!file.tensors.has(name)) throw wrong(file.name, name, projectionShape(name, config, config.numKeyValueHeads)!);
  }
  const tensors = new Map<string, TensorData>();
  for (const [name, entry] of file.tensors) tensors.set(name, plan(file, entry, config, options));
  const metadata = Object.fromEntries([...file.metadata].map(([key, value]) => [key, String(value)]));
  return [
    textFile("config.json", withKvHeads(checkpoint.config, options.kvHeads)),
    ...weightFiles(tensors, {
      metadata: { format: "pt", ...metadata },
      shards: shardsOf(file),
      maxShardBytes: options.maxShardBytes,
    }),
  ];
}

function checkFormat({ name, format }: TensorFile): void {
  if (format === "safetensors") return;
  throw new FormatError(
    `Cannot convert ${name}: it is GGUF, whose weights are packed for one engine; convert the Hugging Face folder that it ` +
      `was made of`,
    { file: name, expected: "safetensors", found: "GGUF" },
  );
}

function checkGroups({ name: file }: TensorFile, heads: number, kvHeads: number): void {
  if (heads % kvHeads === 0) return;
  throw new FormatError(
    `Cannot convert ${file}: its config has ${heads} query heads, which do not share ${kvHeads} key/value heads evenly`,
    { file },
  );
}

/** The file of each tensor, where there is an index. */
function shardsOf(file: TensorFile): Map<string, string> | undefined {
  const entries = [...file.tensors.values()];
  if (entries.every(({ source }) => source.name === file.name)) return undefined;
  return new Map(entries.map(({ name, source }) => [name, source.name]));
}

/** One tensor of the new file. */
function plan(
  file: TensorFile,
  entry: TensorEntry,
  config: HeadConfig,
  options: ConvertCheckpointOptions,
): TensorData {
  const { name, dtype, shape, storedAs } = entry;
  const expected = projectionShape(name, config, config.numKeyValueHeads);
  if (expected === undefined) return { dtype, shape, storedAs, bytes: () => streamTensor(asBytes(entry)) };
  if (!sameShape(shape, expected) || !isFloat(dtype)) throw wrong(entry.source.name, name, expected, entry);
  return {
    dtype,
    shape: projectionShape(name, config, options.kvHeads)!,
    bytes: () => convert(file, name, config, options),
  };
}

/** The same bytes without a meaning: 64-bit integers, which are held as i32, stay 64 bits wide. */
function asBytes({ name, source, offsetBytes, byteLength }: TensorEntry): TensorEntry {
  return { name, source, offsetBytes, byteLength, dtype: "u8", shape: [byteLength] };
}

async function convert(
  file: TensorFile,
  name: string,
  config: HeadConfig,
  options: ConvertCheckpointOptions,
): Promise<Uint8Array> {
  using x = await loadTensor(file, name, { backend: options.backend });
  using converted = convertParameter(name, x, config, options);
  return await readBytes(converted);
}

function wrong(file: string, tensor: string, shape: readonly number[], entry?: TensorEntry): FormatError {
  const expected = `floats ${showShape(shape)}`;
  const found = entry === undefined ? "nothing" : `${entry.dtype} ${showShape(entry.shape)}`;
  return new FormatError(
    `Cannot convert ${file}: tensor "${tensor}" should be ${expected}, as config.json has it, found ${found}`,
    { file, tensor, expected, found },
  );
}
