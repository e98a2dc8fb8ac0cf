/** Parameters of kernels that work on rows along the last dim: the other dims are walked, `attrs[0]` is x's step in a row. */
import { numelOf } from "../../../core/src/shape.ts";
import type { WebGpuOperand } from "../buffer.ts";
import type { Parameters } from "../parameters.ts";

/** Rows of x, and of an output without gaps of the same shape; `attrs` follow x's step. */
export function rowsOfLastDim(x: WebGpuOperand, out: WebGpuOperand, attrs: readonly number[] = []): Parameters {
  const last = x.shape.length - 1;
  const shape = x.shape.slice(0, last);
  return {
    shape,
    operands: [out, x].map(({ strides, offset }) => ({ strides: strides.slice(0, last), offset })),
    numel: numelOf(shape),
    length: x.shape[last]!,
    attrs: [x.strides[last]!, ...attrs],
  };
}
