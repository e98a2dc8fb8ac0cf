/**
 * From a file's tensors to a backend's: read in the order they lie in, piece by piece, with progress. After an error or
 * an abort nothing is half loaded: what was made is disposed of.
 */
import type { Backend } from "../../core/src/backend.ts";
import { tensorFromPieces } from "../../core/src/create.ts";
import { byteLengthOf, type DType, dtypeInfo, isBlock, isFloat } from "../../core/src/dtype.ts";
import { DTypeError, showShape } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { Tensor } from "../../core/src/tensor.ts";
import { castFloats } from "./stored_as.ts";
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
  /**
   * What each tensor is held as, its `dtype` or, of floats and blocks, any float: converted piece by piece on the way. As it
   * is stored when left out.
   */
  readonly dtypeOf?: (entry: TensorEntry) => DType;
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
  const entry = findTensor(file, name);
  return await load(entry, entry.dtype, options, undefined, () => {});
}

/**
 * Loads several tensors, as the file stores them or as `dtypeOf` says, as constants unless they are trainable.
 *
 * @param file an opened file
 * @param options the backend, names, progress, an AbortSignal
 * @returns the tensors by name, in the order asked for
 * @throws {FormatError} when the file lacks one of them, or ends early
 * @throws {DTypeError} when the backend has no such dtype, or one cannot be held as what `dtypeOf` says
 * @throws {BackendError} when there is no room
 */
export async function loadTensors(file: TensorFile, options: LoadManyOptions): Promise<Map<string, Tensor>> {
  const names = [...new Set(options.names ?? file.tensors.keys())];
  const entries = inFileOrder(names.map((name) => findTensor(file, name)));
  const { dtypeOf = ({ dtype }) => dtype } = options;
  const dtypes = new Map(entries.map((entry) => [entry, checkHeld(entry, dtypeOf(entry))]));
  const totalBytes = entries.reduce((sum, entry) => sum + byteLengthOf(dtypes.get(entry)!, numelOf(entry.shape)), 0);
  let loadedBytes = 0;
  const loaded = new Map<string, Tensor>();
  const room = new Uint8Array(PIECE_BYTES);
  try {
    for (const entry of entries) {
      const tensor = await load(entry, dtypes.get(entry)!, options, room, (byteLength) => {
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

/** @throws {DTypeError} when a tensor cannot be held as that */
function checkHeld({ name, dtype: stored, shape }: TensorEntry, dtype: DType): DType {
  if (dtype === stored || (isFloat(dtype) && (isFloat(stored) || isBlock(stored)))) return dtype;
  throw new DTypeError(
    `Cannot load "${name}" ${stored} ${showShape(shape)} as ${dtype}: only floats and blocks are converted, to floats`,
  );
}

function load(
  entry: TensorEntry,
  dtype: DType,
  options: LoadOptions,
  room: Uint8Array | undefined,
  onPiece: (byteLength: number) => void,
): Promise<Tensor> {
  const { backend, signal } = options;
  const group = 8 * dtypeInfo(entry.dtype).blockBytes; // pieces are of whole elements and blocks
  const chunkBytes = PIECE_BYTES - PIECE_BYTES % group;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of streamTensor(entry, { chunkBytes, ...(room && { room }), ...(signal && { signal }) })) {
      const held = dtype === entry.dtype ? piece : castFloats(piece, entry.dtype, dtype);
      yield held; // on the backend once the next one is asked for
      onPiece(held.byteLength);
    }
  }
  return tensorFromPieces(entry.shape, dtype, pieces(), { backend, constant: options.trainable !== true });
}
