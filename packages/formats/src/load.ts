/**
 * From a file's tensors to a backend's: read in the order they lie in, piece by piece, with progress. After an error or
 * an abort nothing is half loaded: what was made is disposed of.
 */
import type { Backend } from "../../core/src/backend.ts";
import { tensorFromPieces } from "../../core/src/create.ts";
import { byteLengthOf } from "../../core/src/dtype.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { Tensor } from "../../core/src/tensor.ts";
import { findTensor, streamTensor, type TensorEntry, type TensorFile } from "./tensor_file.ts";

/** Room for the pieces of all tensors: one of its own for each would leave as much to the collector as there are weights. */
const PIECE_BYTES = 1 << 20;

/** Settings of {@linkcode loadTensor}. */
export interface LoadOptions {
  /** Where the tensor will live. */
  readonly backend: Backend;
  /** Ends the loading: it rejects with the signal's reason, and disposes of what it made. */
  readonly signal?: AbortSignal;
  /** Whether it will be written to, and so is no constant that the backend may repack. */
  readonly trainable?: boolean;
}

/** How far loading has come. */
export interface LoadProgress {
  /** Bytes on the backend. */
  readonly loadedBytes: number;
  /** Bytes in all. */
  readonly totalBytes: number;
  /** The name of the tensor that is being loaded. */
  readonly tensor: string;
}

/** Settings of {@linkcode loadTensors}. */
export interface LoadManyOptions extends LoadOptions {
  /** What to load; every tensor of the file when left out. */
  readonly names?: Iterable<string>;
  /** Called after each piece (up to 1 MiB). */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Loads one tensor, as the file stores it (block-quantised tensors stay so), as a constant unless it is trainable.
 *
 * @param file an opened file
 * @param name the tensor's name
 * @param options the backend, an AbortSignal
 * @throws {FormatError} when the file has no such tensor, or ends early
 * @throws {DTypeError} when the backend has no such dtype
 * @throws {BackendError} when there is no room
 */
export async function loadTensor(file: TensorFile, name: string, options: LoadOptions): Promise<Tensor> {
  return await load(findTensor(file, name), options, undefined, () => {});
}

/**
 * Loads several tensors, as the file stores them, as constants unless they are trainable.
 *
 * @param file an opened file
 * @param options the backend, names, progress, an AbortSignal
 * @returns the tensors by name, in the order asked for
 * @throws {FormatError} when the file lacks one of them, or ends early
 * @throws {DTypeError} when the backend has no such dtype
 * @throws {BackendError} when there is no room
 */
export async function loadTensors(file: TensorFile, options: LoadManyOptions): Promise<Map<string, Tensor>> {
  const names = [...new Set(options.names ?? file.tensors.keys())];
  const entries = inFileOrder(names.map((name) => findTensor(file, name)));
  const totalBytes = entries.reduce((sum, entry) => sum + byteLengthOf(entry.dtype, numelOf(entry.shape)), 0);
  let loadedBytes = 0;
  const loaded = new Map<string, Tensor>();
  const room = new Uint8Array(PIECE_BYTES);
  try {
    for (const entry of entries) {
      const tensor = await load(entry, options, room, (byteLength) => {
        loadedBytes += byteLength;
        options.onProgress?.({ loadedBytes, totalBytes, tensor: entry.name });
      });
      loaded.set(entry.name, tensor);
    }
  } catch (error) {
    for (const tensor of loaded.values()) tensor.dispose();
    throw error;
  }
  return new Map(names.map((name) => [name, loaded.get(name)!]));
}

/** Front to back, one source after the other: a download is then one request a source. */
function inFileOrder(entries: TensorEntry[]): TensorEntry[] {
  const sources = [...new Set(entries.map((entry) => entry.source))];
  const rank = new Map(sources.map((source, i) => [source, i]));
  return entries.sort((a, b) => rank.get(a.source)! - rank.get(b.source)! || a.offsetBytes - b.offsetBytes);
}

function load(
  entry: TensorEntry,
  options: LoadOptions,
  room: Uint8Array | undefined,
  onPiece: (byteLength: number) => void,
): Promise<Tensor> {
  const { backend, signal } = options;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of streamTensor(entry, { ...(room && { room }), ...(signal && { signal }) })) {
      yield piece; // on the backend once the next one is asked for
      onPiece(piece.byteLength);
    }
  }
  return tensorFromPieces(entry.shape, entry.dtype, pieces(), { backend, constant: options.trainable !== true });
}
