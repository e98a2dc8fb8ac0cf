/** What a view of a block-quantised tensor must keep to, so that kernels may decode it block by block. */
import { dtypeInfo } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import type { Layout } from "../../layout.ts";
import type { Tensor } from "../../tensor.ts";

/** @throws {DTypeError} when a view of x by this layout would cut blocks */
export function checkBlocks(op: string, x: Tensor, layout: Layout): void {
  const { blockSize } = dtypeInfo(x.dtype);
  if (layout.keepsBlocks(blockSize)) return;
  throw new DTypeError(
    `Cannot ${op} ${x.dtype} ${showShape(x.shape)} to ${showShape(layout.shape)}: that would cut its blocks of ` +
      `${blockSize}; convert with to("f32") first`,
  );
}
