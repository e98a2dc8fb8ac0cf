/**
 * `out[i0, …] = x[…, index[i0, …], …]`, the index put in at `dim`; bits are moved, blocks are decoded. An index out of
 * range leaves 0 and is told at the next flush or read. A weight larger than the device can bind at once is bound in
 * windows, side by side, and read by `word_at`. Each element is read once: 4 bytes for 4 written, or a block's.
 */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isBlock } from "../../../../core/src/dtype.ts";
import { BackendError, showShape } from "../../../../core/src/errors.ts";
import type { BufferWindow, WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { pack } from "../../packing.ts";
import { windowsOf } from "../../windows.ts";
import INDEX from "../../wgsl/check_index.wgsl" with { type: "text" };
import { elementConstant, elementFiles } from "../decoding.ts";
import { dtypeConstant, elementwiseShaders, movedAs, runElementwise } from "../elementwise.ts";
import { armIndices } from "../indices.ts";
import GATHER from "./gather.wgsl" with { type: "text" };
import WHOLE from "./whole.wgsl" with { type: "text" };
import WINDOWS from "./windows.wgsl" with { type: "text" };

/** Windows that a kernel can bind besides what else it needs: by default devices bind eight buffers. */
const MAX_WINDOWS = 4;

const SHADERS = elementwiseShaders("rrw", (key) => describe(key, WHOLE));
const WINDOWED = elementwiseShaders(`rrw${"r".repeat(MAX_WINDOWS - 1)}`, (key) => describe(key, WINDOWS));

function describe(key: string, source: string) {
  const [from, to, blocks] = key.split(" ") as [DType, DType, string]; // as gather() puts them together
  return {
    label: `gather_${from}`,
    constants: { X: elementConstant(from), OUT: dtypeConstant(to), STATUS: 4 },
    files: [INDEX, source, GATHER, ...elementFiles(from, blocks === "packed")],
  };
}

/** The kernel. */
export function gather(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["gather"] {
  return {
    layout: "strided",
    run([x, index], [out], { dim, op }): void {
      const windows = windowsFor(gpu, op, x);
      const kind = isBlock(x.dtype) ? `${x.dtype} ${out!.dtype}` : `${movedAs(x.dtype)} ${movedAs(out!.dtype)}`;
      const key = `${kind} ${pack(gpu, x.buffer) ? "packed" : "canonical"}`;
      const { tag, status } = armIndices(gpu, op, index, x.shape, dim);
      const rest = { ...x, strides: x.strides.with(dim, 0), takesPacked: true };
      const attrs = [x.shape[dim]!, x.strides[dim]!, tag, windows[0]!.byteLength / 4];
      if (windows.length === 1) return runElementwise(gpu, SHADERS, key, out!, [rest, index], attrs, [status]);
      const [first, ...others] = Array.from({ length: MAX_WINDOWS }, (_, i) => {
        return { ...rest, window: windows[Math.min(i, windows.length - 1)]! };
      });
      runElementwise(gpu, WINDOWED, key, out!, [first!, index], attrs, [status, ...others]);
    },
  };
}

/** How to bind x. @throws {BackendError} when it takes more windows than a kernel can bind */
function windowsFor(gpu: Gpu, op: string, x: WebGpuOperand): BufferWindow[] {
  const windows = windowsOf(gpu, x.buffer.byteLength, 4);
  if (windows.length <= MAX_WINDOWS) return windows;
  throw new BackendError(
    `Cannot ${op} ${x.dtype} ${showShape(x.shape)} on webgpu: its ${x.buffer.byteLength} bytes are more than ` +
      `${MAX_WINDOWS} times the ${gpu.device.limits.maxStorageBufferBindingSize} that the device binds at once; split the ` +
      "weight by rows, or use another backend",
  );
}
