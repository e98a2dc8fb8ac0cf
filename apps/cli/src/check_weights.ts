/**
 * Looks for the first weight that is NaN or infinite. Floats are classified by their bits (all ones in the exponent),
 * blocks by what they stand for; a piece of one tensor is in memory at a time.
 */
import {
  dequantizeBlocks,
  type DType,
  dtypeInfo,
  isBlock,
  streamTensor,
  type TensorEntry,
  type TensorFile,
} from "../../../packages/heed/mod.ts";
import { ModelError } from "./errors.ts";
import type { OnProgress } from "./download.ts";

const BLOCKS_AT_ONCE = 1 << 15;

/**
 * Reads all weights of a model.
 *
 * @param file the model's tensors
 * @param onProgress called after every piece, with bytes
 * @throws {ModelError} naming the first tensor and index that is not finite
 */
export async function checkWeights(file: TensorFile, onProgress?: OnProgress): Promise<void> {
  const entries = [...file.tensors.values()];
  const total = entries.reduce((bytes, entry) => bytes + entry.byteLength, 0);
  let done = 0;
  for (const entry of entries) {
    const { blockSize, blockBytes } = dtypeInfo(entry.dtype);
    let first = 0;
    for await (const piece of streamTensor(entry, { chunkBytes: blockBytes * BLOCKS_AT_ONCE })) {
      const found = firstNotFinite(entry.dtype, piece);
      if (found !== undefined) throw notFinite(file.name, entry, { ...found, index: first + found.index });
      first += (piece.byteLength / blockBytes) * blockSize;
      onProgress?.(done += piece.byteLength, total);
    }
  }
}

interface Found {
  readonly index: number;
  readonly value: "NaN" | "infinity";
}

/** A float's bits: where its exponent lies in the upper half, or the whole, of `bytes`. */
interface FloatBits {
  readonly bytes: number;
  /** Where the 16 or 32 bits that hold sign and exponent begin. */
  readonly at: number;
  readonly exponent: number;
}

const FLOATS: ReadonlyMap<DType, FloatBits> = new Map([
  ["f16", { bytes: 2, at: 0, exponent: 0x7c00 }],
  ["bf16", { bytes: 2, at: 0, exponent: 0x7f80 }],
  ["f32", { bytes: 4, at: 0, exponent: 0x7f800000 }],
  ["f64", { bytes: 8, at: 4, exponent: 0x7ff00000 }],
]);

function firstNotFinite(dtype: DType, bytes: Uint8Array): Found | undefined {
  if (isBlock(dtype)) {
    const values = dequantizeBlocks(dtype, bytes);
    const index = values.findIndex((value) => !Number.isFinite(value));
    return index < 0 ? undefined : { index, value: Number.isNaN(values[index]) ? "NaN" : "infinity" };
  }
  const float = FLOATS.get(dtype);
  return float === undefined ? undefined : firstByBits(float, bytes); // integers and bools are always finite
}

function firstByBits({ bytes: size, at, exponent }: FloatBits, bytes: Uint8Array): Found | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < bytes.byteLength; offset += size) {
    const high = size === 2 ? view.getUint16(offset, true) : view.getUint32(offset + at, true);
    if ((high & exponent) !== exponent) continue;
    const mantissa = (high & (lowestBit(exponent) - 1)) | (at === 0 ? 0 : view.getUint32(offset, true));
    return { index: offset / size, value: mantissa === 0 ? "infinity" : "NaN" };
  }
  return undefined;
}

/** The bit above the mantissa. */
function lowestBit(exponent: number): number {
  return exponent & -exponent;
}

function notFinite(fileName: string, { name, shape }: TensorEntry, { index, value }: Found): ModelError {
  const indices = shape.map((size, dim) => {
    const stride = shape.slice(dim + 1).reduce((product, inner) => product * inner, 1);
    return Math.floor(index / stride) % size;
  });
  return new ModelError(`Cannot use ${fileName}: tensor "${name}" is ${value} at [${indices.join(", ")}]`);
}
