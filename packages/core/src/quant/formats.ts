/** Every block format by its dtype, and whole arrays through them. */
import { type BlockDType, byteLengthOf, dtypeInfo } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import type { BlockFormat } from "./block.ts";
import { IQ4_NL } from "./iq4_nl.ts";
import { IQ4_XS } from "./iq4_xs.ts";
import { Q2_K } from "./q2_k.ts";
import { Q3_K } from "./q3_k.ts";
import { Q4_0 } from "./q4_0.ts";
import { Q4_1 } from "./q4_1.ts";
import { Q4_K } from "./q4_k.ts";
import { Q5_0 } from "./q5_0.ts";
import { Q5_1 } from "./q5_1.ts";
import { Q5_K } from "./q5_k.ts";
import { Q6_K } from "./q6_k.ts";
import { Q8_0 } from "./q8_0.ts";

const FORMATS: Readonly<Record<BlockDType, BlockFormat>> = {
  q4_0: Q4_0,
  q4_1: Q4_1,
  q5_0: Q5_0,
  q5_1: Q5_1,
  q8_0: Q8_0,
  q2_k: Q2_K,
  q3_k: Q3_K,
  q4_k: Q4_K,
  q5_k: Q5_K,
  q6_k: Q6_K,
  iq4_nl: IQ4_NL,
  iq4_xs: IQ4_XS,
};

/**
 * The layout of a block dtype.
 *
 * @throws {DTypeError} when the dtype is not a block dtype
 */
export function blockFormat(dtype: BlockDType): BlockFormat {
  const format = Object.hasOwn(FORMATS, dtype) ? FORMATS[dtype] : undefined;
  if (format !== undefined) return format;
  throw new DTypeError(`Cannot take ${dtype} as a block dtype: those are ${Object.keys(FORMATS).join(", ")}`);
}

/**
 * The elements that whole blocks stand for, as f32.
 *
 * @param bytes blocks one after another, in GGUF layout
 * @throws {DTypeError} when the bytes are not a whole number of blocks
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dequantizeBlocks } from "@heed/heed/core";
 *
 * const block = new Uint8Array(34).fill(2, 2); // q8_0: the scale, then 32 signed bytes
 * block[1] = 0x38; // 0.5 as f16, little-endian
 * assertEquals(dequantizeBlocks("q8_0", block), new Float32Array(32).fill(1));
 * ```
 */
export function dequantizeBlocks(dtype: BlockDType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const format = blockFormat(dtype);
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const blocks = bytes.length / blockBytes;
  if (!Number.isInteger(blocks)) {
    throw new DTypeError(
      `Cannot dequantize ${bytes.length} bytes of ${dtype}: its blocks take ${blockBytes} bytes each`,
    );
  }
  const values = new Float32Array(blocks * blockSize);
  format.decode(bytes, 0, values, 0, blocks);
  return values;
}

/**
 * Whole blocks that stand for the given elements, rounded as ggml's reference does.
 *
 * @param values f32 elements; rows lie one after another and each must be whole blocks
 * @returns the blocks' bytes, in GGUF layout
 * @throws {DTypeError} when the elements are not whole blocks, or the dtype can only be read
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dequantizeBlocks, quantizeBlocks } from "@heed/heed/core";
 *
 * const values = new Float32Array(32).fill(1);
 * const blocks = quantizeBlocks("q4_1", values);
 * assertEquals(blocks.length, 20);
 * assertEquals(dequantizeBlocks("q4_1", blocks), values);
 * ```
 */
export function quantizeBlocks(dtype: BlockDType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const format = blockFormat(dtype);
  if (format.encode === undefined) {
    const encodable = Object.values(FORMATS).filter((other) => other.encode !== undefined).map((other) => other.dtype);
    throw new DTypeError(`Cannot quantize to ${dtype}: it can only be read; use one of ${encodable.join(", ")}`);
  }
  const bytes = new Uint8Array(byteLengthOf(dtype, values.length));
  format.encode(values, 0, bytes, 0, values.length / dtypeInfo(dtype).blockSize);
  return bytes;
}
