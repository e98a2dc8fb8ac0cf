/**
 * What a block format is: bytes to numbers and back, and the dot product that matmul is made of.
 *
 * A block is one or two f16 scales and some small integers q; an element is `d * q`, or `d * q + m`
 * with an offset. In every format the products take at most 24 significant bits (11 of the scale, up
 * to 13 of the integers), which f32 holds exactly. So computing in JavaScript's f64 and rounding once,
 * by the store into a Float32Array, gives the very bits that ggml's f32 arithmetic does.
 *
 * Layouts, names and formulas: ggml-common.h, ggml-quants.c. Everything is little-endian.
 */
import { type BlockDType, dtypeInfo } from "../dtype.ts";
import { f16ToF32, f32ToF16 } from "../half.ts";

/** One block format's layout, as functions over bytes; none of them checks its arguments. */
export interface BlockFormat {
  /** The dtype whose layout this is. */
  readonly dtype: BlockDType;

  /** Writes the elements of `blocks` blocks to `out`; offsets in bytes of `source` and elements of `out`. */
  decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void;

  /**
   * The sum of the blocks' elements times those of `x`, in f64 and with elements not rounded to f32;
   * offsets in bytes of `source` and elements of `x`.
   */
  dot(source: Uint8Array, sourceOffset: number, x: Float32Array, xOffset: number, blocks: number): number;

  /**
   * Writes `blocks` blocks that stand for the elements of `source`, bytes as ggml's reference makes them;
   * absent where quantising well takes a search. Offsets in elements of `source` and bytes of `out`.
   */
  encode?(source: Float32Array, sourceOffset: number, out: Uint8Array, outOffset: number, blocks: number): void;
}

/** The f16 at a byte offset. */
export function readF16(source: Uint8Array, offset: number): number {
  return f16ToF32(source[offset]! | (source[offset + 1]! << 8));
}

/** The i8 at a byte offset. */
export function readI8(source: Uint8Array, offset: number): number {
  return (source[offset]! << 24) >> 24;
}

/** Rounds a number to f16 and writes it at a byte offset. */
export function writeF16(out: Uint8Array, offset: number, value: number): void {
  const bits = f32ToF16(value);
  out[offset] = bits; // the store keeps the low byte
  out[offset + 1] = bits >> 8;
}

/** A `dot` made of a `decode`, a block at a time: for formats that matmul seldom meets, at half the speed. */
export function dotByDecoding(dtype: BlockDType, decode: BlockFormat["decode"]): BlockFormat["dot"] {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const elements = new Float32Array(blockSize);
  return function dot(source, sourceOffset, x, xOffset, blocks) {
    let sum = 0;
    for (let b = 0; b < blocks; b++) {
      decode(source, sourceOffset + b * blockBytes, elements, 0, 1);
      const start = xOffset + b * blockSize;
      for (let i = 0; i < blockSize; i++) sum += elements[i]! * x[start + i]!;
    }
    return sum;
  };
}
