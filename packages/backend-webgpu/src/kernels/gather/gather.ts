/**
 * `out[i0, …] = x[…, index[i0, …], …]`, the index put in at `dim`; bits are moved, blocks are decoded. An index out of
 * range leaves 0 and is told at the next flush or read.
 */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isBlock } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import INDEX from "../../wgsl/check_index.wgsl" with { type: "text" };
import { elementConstant, elementFiles } from "../decoding.ts";
import { dtypeConstant, elementwiseShaders, movedAs, runElementwise } from "../elementwise.ts";
import { armIndices } from "../indices.ts";
import GATHER from "./gather.wgsl" with { type: "text" };

const SHADERS = elementwiseShaders("rrw", (key) => {
  const [from, to] = key.split(" ") as [DType, DType]; // as gather() puts them together
  return {
    label: `gather_${from}`,
    constants: { X: elementConstant(from), OUT: dtypeConstant(to), STATUS: 4 },
    files: [INDEX, GATHER, ...elementFiles(from)],
  };
});

/** The kernel. */
export function gather(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["gather"] {
  return {
    layout: "strided",
    run([x, index], [out], { dim }): void {
      const key = isBlock(x.dtype) ? `${x.dtype} ${out!.dtype}` : `${movedAs(x.dtype)} ${movedAs(out!.dtype)}`;
      const { tag, status } = armIndices(gpu, "gather", index, x.shape, dim);
      const rest = { ...x, strides: x.strides.with(dim, 0) };
      const attrs = [x.shape[dim]!, x.strides[dim]!, tag];
      runElementwise(gpu, SHADERS, key, out!, [rest, index], attrs, [status]);
    },
  };
}
