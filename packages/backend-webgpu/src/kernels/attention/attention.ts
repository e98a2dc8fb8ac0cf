/**
 * `softmax(q · k * scale, …) · v` by an online softmax: query `[B, Hkv, G, T, D]`, key `[B, Hkv, S, D]`, value
 * `[B, Hkv, S, Dv]` to `[B, Hkv, G, T, Dv]` and logSumExp `[B, Hkv, G, T]`; `AttentionAttrs` says what the settings mean.
 * Rows are all heads of a group at all times. They go by fours, and so do keys and elements: 4 x 4 matrices.
 *
 * - `rows`: an invocation has four rows, for itself; reads 1 element for 8 operations. The reference; it takes any
 *   sizes up to D + Dv of 1024 in 16 KiB. Software adapters take it, since they run the invocations of a workgroup one
 *   after the other, stop at barriers, and share a cache anyway.
 * - `tile`: a workgroup has 32 rows and goes through the keys by 32: 64 operations for each element read from memory, 4
 *   for each from workgroup memory. For prompts on GPUs.
 * - `few_rows`: a workgroup has 4 rows and a part of the keys, which it reads once: 8 operations for each element, so it
 *   waits for memory. For decoding on GPUs.
 *
 * Where rows alone give too little to do, keys are split into parts, and `merge` brings their results together. Blocks
 * that the window or a block mask hides are passed over. Nothing of size T x S exists, and what a call does not have (a
 * mask, pages, …) is not in its shader: each extra is one of two files, there or not.
 *
 * 9/3 heads of 64, causal prefill of 128 / 256 and decoding at 512, ms: a tile of 8 rows by 64 invocations, elements
 * singly, on LLVM pipe 58 / 265 / 12.7, on SwiftShader 147 / 519 / 14.7; `rows` with one row an invocation 15.6 / 47 /
 * 4.9 and 50 / 187 / 4.8; with four 6.5 / 15 / 3.9 and 19.6 / 56 / 3.0 (on a machine with other work). There `tile` and
 * `few_rows` take 49 / 79 / 10.
 *
 * Source: Dao et al., "FlashAttention" (2022), algorithm 1; Dao, "FlashAttention-2" (2023), section 3.1; Dao et al.,
 * "Flash-Decoding for long-context inference" (2023).
 */
import type { AttentionAttrs, FusedKernels } from "../../../../core/src/backend.ts";
import { isFloat } from "../../../../core/src/dtype.ts";
import { showShape } from "../../../../core/src/errors.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { dtypeConstant } from "../elementwise.ts";
import { viaF32, withTemporary } from "../temporaries.ts";
import { attentionParameters, type Extras } from "./parameters.ts";
import {
  bindingsOf,
  type Lines,
  mergeShader,
  partWords,
  rowsLanes,
  shaderFor,
  sliceOf,
  type Variant,
} from "./shader.ts";

/** Invocations of a workgroup in merge.wgsl, and rows of a tile in tile.wgsl. */
const MERGE_LANES = 64;
const TILE_ROWS = 32;

/** The largest head size that leaves an invocation of tile.wgsl its registers, and few_rows.wgsl enough of them. */
const MAX_TILED_SIZE = 256;

/** Up to so many rows of a head few_rows.wgsl takes. */
const FEW_ROWS = 8;

/** Keys are split into parts up to so many, until a GPU, or a processor, has enough to do. */
const MAX_PARTS = 32;
const ENOUGH_WORKGROUPS = 256;
const ENOUGH_INVOCATIONS = 32;

/** The kernel. */
export function attention(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["attention"]> {
  return {
    layout: "strided",
    supports(inputs, attrs): boolean {
      const [query, key, value] = inputs;
      const { mask, blockKinds, blockTable } = named(inputs, attrs);
      const { maxStorageBuffersPerShaderStage } = gpu.device.limits;
      return isFloat(query!.dtype) && areReadable(key!, value!) &&
        (mask === undefined || mask.dtype === "bool" || isFloat(mask.dtype)) &&
        (blockKinds === undefined) === (blockTable === undefined) &&
        isWithinLimits(gpu, query!, value!) &&
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

/** Floats as they may lie, or both q8_0 along the last dim. */
function areReadable(key: WebGpuOperand, value: WebGpuOperand): boolean {
  if (key.dtype !== "q8_0" && value.dtype !== "q8_0") return isFloat(key.dtype) && isFloat(value.dtype);
  return key.dtype === value.dtype && key.strides[3] === 1 && value.strides[3] === 1;
}

/** Whether four rows have room in workgroup memory, and a grid for all: batch rows, heads and workgroups each have a dim. */
function isWithinLimits(gpu: Gpu, query: WebGpuOperand, value: WebGpuOperand): boolean {
  const { lanes, workgroups } = planFor(gpu, query, value);
  const [batch, heads] = query.shape as [number, number];
  return lanes > 0 && Math.max(workgroups, heads, batch) <= gpu.device.limits.maxComputeWorkgroupsPerDimension;
}

/** How keys and values are read: as they both lie. */
function linesOfBoth(key: WebGpuOperand, value: WebGpuOperand): Lines {
  const lines = linesOf(key);
  return lines === linesOf(value) ? lines : "singly";
}

function linesOf({ dtype, shape, strides, offset }: WebGpuOperand): Lines {
  if (dtype === "q8_0") return "q8_0";
  const steps = [...strides.slice(0, -1), shape.at(-1)!, offset];
  const inFours = strides.at(-1) === 1 && steps.every((n) => n % 4 === 0);
  return !inFours ? "singly" : dtype === "f32" ? "words" : "halves";
}

/** How a call is run. */
interface Plan {
  readonly variant: Variant;
  /** Invocations of a workgroup of `rows`, 0 where it lacks the memory. */
  readonly lanes: number;
  /** Into how many parts the keys are split; 1 for not at all. */
  readonly parts: number;
  /** Workgroups of one head of one batch row. */
  readonly workgroups: number;
}

/** It does not look at S, so that a step of decoding is run as the one before. */
function planFor({ acquired, device }: Gpu, query: WebGpuOperand, value: WebGpuOperand): Plan {
  const [batch, heads, groups, times, size] = query.shape as [number, number, number, number, number];
  const rows = groups * times;
  const fours = Math.ceil(rows / 4);
  const sizes = [size, value.shape[3]!];
  const lanes = rowsLanes(sizes, device.limits.maxComputeWorkgroupStorageSize);
  if (acquired.software === true || Math.max(...sizes) > MAX_TILED_SIZE) {
    const parts = fours * heads * batch < ENOUGH_INVOCATIONS ? MAX_PARTS : 1;
    return { variant: "rows", lanes, parts, workgroups: Math.ceil(fours * parts / lanes) };
  }
  const few = rows <= FEW_ROWS;
  const pieces = few ? fours : Math.ceil(rows / TILE_ROWS);
  const parts = Math.max(1, Math.min(MAX_PARTS, Math.ceil(ENOUGH_WORKGROUPS / (pieces * heads * batch))));
  return { variant: few ? "few_rows" : "tile", lanes, parts, workgroups: pieces * parts };
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
  const [batch, heads, groups, times, size] = query!.shape as [number, number, number, number, number];
  const width = value!.shape[3]!;
  const { variant, lanes, parts, workgroups } = planFor(gpu, query!, value!);
  const { tag, status } = armPages(gpu, key!, extras.pageTable);
  const parameters = attentionParameters(inputs, extras, attrs, tag, parts);
  const into = (to: WebGpuOperand, total: WebGpuOperand | undefined): void => {
    const bindings = bindingsOf(extras, total, status);
    const shader = shaderFor({
      ...{ variant, lanes, split: parts > 1, queryLines: linesOf(query!), lines: linesOfBoth(key!, value!) },
      slice: sliceOf([size, width], gpu.device.limits.maxComputeWorkgroupStorageSize),
      dtypes: [query!, key!, value!].map(({ dtype }) => dtypeConstant(dtype)),
      sizes: [size, width],
      bindings: bindings.map(({ name, operand }) => `${name}:${dtypeConstant(operand.dtype)}`),
      softcap: attrs.softcap !== 0,
      dropout: attrs.dropout !== undefined,
      offsetByLength: attrs.offset === "keyLengths",
    });
    const operands = [to, query!, key!, value!, ...bindings.map(({ operand }) => operand)];
    gpu.run(shader, operands, parameters, [workgroups, heads, batch]);
  };
  if (parts === 1) return into(out, logSumExp);
  const rows = groups * times;
  withTemporary(gpu, "f32", [batch * heads * rows * parts * partWords(width)], (results) => {
    into(results, undefined);
    const operands = [out, results, ...(logSumExp === undefined ? [] : [logSumExp])];
    const shader = mergeShader(width, logSumExp !== undefined);
    gpu.run(shader, operands, parameters, [Math.ceil(rows * width / MERGE_LANES), heads, batch]);
  });
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
