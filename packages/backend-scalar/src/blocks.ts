/** Rows of block-quantised elements, decoded to f32. */
import { dtypeInfo, isBlock } from "../../core/src/dtype.ts";
import { internalError } from "../../core/src/errors.ts";
import type { BlockFormat } from "../../core/src/quant/block.ts";
import { blockFormat } from "../../core/src/quant/formats.ts";
import type { ScalarBuffer } from "./buffer.ts";
import { asBytes } from "./elements.ts";

/** The layout of the blocks in a buffer that holds some. */
export function formatOf({ dtype }: ScalarBuffer): BlockFormat {
  if (isBlock(dtype)) return blockFormat(dtype);
  throw internalError(`${dtype} elements do not come in blocks`);
}

/** Room for `decodeRow` of `numel` elements. */
export function makeRow(x: ScalarBuffer, numel: number): Float32Array {
  return new Float32Array(numel + 2 * dtypeInfo(x.dtype).blockSize);
}

/**
 * Decodes to `row` the blocks that hold elements `start` to `start + numel`.
 *
 * @returns where in `row` the element `start` is
 */
export function decodeRow(x: ScalarBuffer, start: number, numel: number, row: Float32Array): number {
  const { blockSize, blockBytes } = dtypeInfo(x.dtype);
  const first = Math.floor(start / blockSize);
  const end = Math.ceil((start + numel) / blockSize);
  formatOf(x).decode(asBytes(x.elements), first * blockBytes, row, 0, end - first);
  return start - first * blockSize;
}
