/**
 * `softmax(q · k * scale, …) · v` by an online softmax: query `[B, Hkv, G, T, D]`, key `[B, Hkv, S, D]`, value
 * `[B, Hkv, S, Dv]` to `[B, Hkv, G, T, Dv]` and logSumExp `[B, Hkv, G, T]`; `AttentionAttrs` says what the settings mean.
 *
 * `tile`: a workgroup of 64 takes 8 rows (all heads of a group at a few times) over all keys that they may see. Keys and
 * values are read and decoded once for the 8 rows: 4 * 8 operations for each element read. Nothing of size T x S exists.
 * What a call does not have (a mask, pages, …) is not in its shader: each extra is one of two files, there or not.
 *
 * Source: Dao et al., "FlashAttention" (2022), algorithm 1; Dao, "FlashAttention-2" (2023), section 3.1.
 */
import type { AttentionAttrs, FusedKernels } from "../../../../core/src/backend.ts";
import { isFloat } from "../../../../core/src/dtype.ts";
import { showShape } from "../../../../core/src/errors.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { dtypeConstant } from "../elementwise.ts";
import { viaF32 } from "../temporaries.ts";
import { attentionParameters, type Extras } from "./parameters.ts";
import { bindingsOf, shaderFor, workgroupBytes } from "./shader.ts";

/** Rows of a tile, as tile.wgsl has it. */
const ROWS = 8;

/** The kernel. */
export function attention(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["attention"]> {
  return {
    layout: "strided",
    supports(inputs, attrs): boolean {
      const [query, key, value] = inputs;
      const { mask, blockKinds, blockTable } = named(inputs, attrs);
      const { maxComputeWorkgroupStorageSize, maxStorageBuffersPerShaderStage } = gpu.device.limits;
      return isFloat(query!.dtype) && isReadable(key!) && isReadable(value!) &&
        (mask === undefined || mask.dtype === "bool" || isFloat(mask.dtype)) &&
        (blockKinds === undefined) === (blockTable === undefined) &&
        workgroupBytes(query!.shape[4]!, value!.shape[3]!) <= maxComputeWorkgroupStorageSize &&
        inputs.length + 3 <= maxStorageBuffersPerShaderStage; // output, logSumExp, the status of pages
    },
    run(inputs, [out, logSumExp], attrs): void {
      viaF32(gpu, out!, (wide) => attend(gpu, inputs, wide, logSumExp, attrs));
    },
  };
}

function named(inputs: readonly WebGpuOperand[], { extras }: AttentionAttrs): Extras {
  return Object.fromEntries(extras.map((name, i) => [name, inputs[3 + i]!]));
}

/** Floats as they may lie, q8_0 along the last dim. */
function isReadable({ dtype, strides }: WebGpuOperand): boolean {
  return isFloat(dtype) || (dtype === "q8_0" && strides[3] === 1);
}

function attend(
  gpu: Gpu,
  inputs: readonly WebGpuOperand[],
  out: WebGpuOperand,
  logSumExp: WebGpuOperand | undefined,
  attrs: AttentionAttrs,
): void {
  const [query, key, value] = inputs;
  const extras = named(inputs, attrs);
  const [batch, heads, groups, times, size] = query!.shape;
  const { tag, status } = armPages(gpu, key!, extras.pageTable);
  const bindings = bindingsOf(extras, logSumExp, status);
  const shader = shaderFor({
    dtypes: [query!, key!, value!].map(({ dtype }) => dtypeConstant(dtype)),
    sizes: [size!, value!.shape[3]!],
    bindings: bindings.map(({ name, operand }) => `${name}:${dtypeConstant(operand.dtype)}`),
    dropout: attrs.dropout !== undefined,
    offsetByLength: attrs.offset === "keyLengths",
  });
  const operands = [out, query!, key!, value!, ...bindings.map(({ operand }) => operand)];
  const parameters = attentionParameters(inputs, extras, attrs, tag);
  gpu.run(shader, operands, parameters, [Math.ceil(groups! * times! / ROWS), heads!, batch!]);
}

/** Has the pages of a table checked, where there is one. */
function armPages(gpu: Gpu, key: WebGpuOperand, table: WebGpuOperand | undefined): {
  tag: number;
  status: WebGpuOperand | undefined;
} {
  if (table === undefined) return { tag: 0, status: undefined };
  const tag = gpu.indexFaults.arm((page) =>
    `Cannot attend to keys of the pool ${showShape(key.shape)} by the page table ${showShape(table.shape)}: ` +
    (page === -1 ? "it has no entry for some key, or it is -1" : `page ${page} is out of range`)
  );
  const { status: buffer } = gpu.indexFaults;
  return { tag, status: { buffer, dtype: buffer.dtype, shape: [buffer.numel], strides: [1], offset: 0 } };
}
