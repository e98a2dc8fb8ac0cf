/**
 * What safetensors and GGUF files have in common once their header is read: named tensors that lie somewhere in a
 * source, and metadata. Bytes are read in pieces, in order, so that a weight is never twice in memory.
 */
import type { DType } from "../../core/src/dtype.ts";
import type { ByteSource } from "./byte_source.ts";
import { formatError } from "./format_error.ts";
import { boolBytes, narrowIntegers } from "./stored_as.ts";

/** A value of a file's metadata (safetensors: a string). 64-bit integers are bigint where a number is not exact. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** Where a tensor lies, and what it is. */
export interface TensorEntry {
  /** Its name. */
  readonly name: string;
  /** How its elements are stored once loaded. */
  readonly dtype: DType;
  /** Sizes in PyTorch's order, outermost first. */
  readonly shape: readonly number[];
  /** The file it lies in; a sharded model has several. */
  readonly source: ByteSource;
  /** Where it begins in its source, in bytes. */
  readonly offsetBytes: number;
  /** Bytes it takes in its source. */
  readonly byteLength: number;
  /** The integer type in the file where that is wider than `dtype`; loading checks that each value fits. */
  readonly storedAs?: "i64" | "u64";
}

/** A file, or a set of shards, whose header was read and checked. */
export interface TensorFile {
  /** What messages call it. */
  readonly name: string;
  /** Its format. */
  readonly format: "safetensors" | "gguf";
  /** Its tensors by name, in the order the file lists them. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Its metadata by key. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Lets go of its sources. */
  close(): void;
}

/** Settings of {@linkcode streamTensor}. */
export interface StreamOptions {
  /** Bytes to read at once; 1 MiB when left out, at least 8. */
  readonly chunkBytes?: number;
  /** Where pieces may be put, of several tensors in turn: no more is read at once than fits. */
  readonly room?: Uint8Array;
  /** Ends the reading: the next piece rejects with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * A tensor's bytes in order, as its `dtype` lays them out: little-endian, bool as 0 or 1, blocks as GGML has them.
 * The pieces share one buffer: use each before asking for the next.
 *
 * @param entry a tensor of a {@linkcode TensorFile}
 * @param options size of the pieces, an AbortSignal
 * @throws {FormatError} when the file ends early, a 64-bit integer does not fit i32, or a bool is neither 0 nor 1
 */
export async function* streamTensor(entry: TensorEntry, options: StreamOptions = {}): AsyncGenerator<Uint8Array> {
  const { chunkBytes = 1 << 20, signal } = options;
  const most = Math.min(chunkBytes, options.room?.length ?? chunkBytes);
  const step = Math.min(Math.max(8, most - most % 8), entry.byteLength); // whole 64-bit integers
  const room = options.room ?? new Uint8Array(step);
  for (let done = 0; done < entry.byteLength;) {
    signal?.throwIfAborted();
    const length = Math.min(step, entry.byteLength - done);
    const piece = await entry.source.read(entry.offsetBytes + done, length, room);
    if (entry.storedAs !== undefined) yield narrowIntegers(entry, piece, done / 8);
    else yield entry.dtype === "bool" ? boolBytes(entry, piece, done) : piece;
    done += length;
  }
}

/**
 * The tensor of a name.
 *
 * @throws {FormatError} when the file has none of that name
 */
export function findTensor(file: TensorFile, name: string): TensorEntry {
  const entry = file.tensors.get(name);
  if (entry !== undefined) return entry;
  throw formatError(file.name, "it is not in the file", { tensor: name, found: `${file.tensors.size} other tensors` });
}
