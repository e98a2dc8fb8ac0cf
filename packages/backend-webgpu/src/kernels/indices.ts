/** What gather and scatter share: the device checks their indices, and tells of a bad one later. */
import { showShape } from "../../../core/src/errors.ts";
import type { WebGpuOperand } from "../buffer.ts";
import type { Gpu } from "../gpu.ts";

/**
 * Has a dispatch's indices checked.
 *
 * @param shape of the tensor that is indexed along `dim`
 * @returns the tag that the kernel writes, and where to
 */
export function armIndices(
  gpu: Gpu,
  op: string,
  index: WebGpuOperand,
  shape: readonly number[],
  dim: number,
): { tag: number; status: WebGpuOperand } {
  const tag = gpu.indexFaults.arm((found) =>
    `Cannot ${op} ${showShape(shape)} along dim ${dim} with index ${showShape(index.shape)}: ` +
    `the index ${found} is out of range for size ${shape[dim]}`
  );
  const { status: buffer } = gpu.indexFaults;
  return { tag, status: { buffer, dtype: buffer.dtype, shape: [buffer.numel], strides: [1], offset: 0 } };
}
