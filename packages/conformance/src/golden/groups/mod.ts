/** Which group has which mappings, and what this version does not cover yet. */
import type { Mapping, OpTable } from "../call.ts";
import { ACTIVATION_OPS } from "./activation.ts";
import { AUTOGRAD_OPS } from "./autograd.ts";
import { EINSUM_OPS } from "./einsum.ts";
import { ELEMENTWISE_OPS } from "./elementwise.ts";
import { INDEXING_OPS } from "./indexing.ts";
import { MATMUL_OPS } from "./matmul.ts";
import { NORM_OPS } from "./norm.ts";
import { ONNX_OPS } from "./onnx_ops.ts";
import { QUANT_OPS } from "./quant.ts";
import { REDUCE_OPS } from "./reduce.ts";
import { SOFTMAX_OPS } from "./softmax.ts";
import { VIEW_OPS } from "./views.ts";

const TABLES: Readonly<Record<string, OpTable>> = {
  matmul: MATMUL_OPS,
  einsum: EINSUM_OPS,
  views: VIEW_OPS,
  elementwise: ELEMENTWISE_OPS,
  reduce: REDUCE_OPS,
  softmax: SOFTMAX_OPS,
  indexing: INDEXING_OPS,
  activation: ACTIVATION_OPS,
  norm: NORM_OPS,
  quant: QUANT_OPS,
  onnx_ops: ONNX_OPS,
  autograd: AUTOGRAD_OPS,
};

/** The groups that this version covers: an op of theirs without a mapping is a failure. */
export const COVERED_GROUPS: readonly string[] = Object.keys(TABLES);

/** Ops of covered groups that a later version brings. */
const AWAITED: Readonly<Record<string, readonly string[]>> = {
  autograd: ["rope", "sdpa", "LlamaDecoderLayer", "causal_lm_loss"],
};

/** Whether an op of a covered group is still to come. */
export function isAwaited(group: string, op: string): boolean {
  return AWAITED[group]?.includes(op) ?? false;
}

/** The mapping of an op: the group's own, else another group's of the same name; folders may hold groups not known here. */
export function findMapping(group: string, op: string): Mapping | undefined {
  const own = Object.hasOwn(TABLES, group) ? [TABLES[group]!] : [];
  return [...own, ...Object.values(TABLES)].find((table) => Object.hasOwn(table, op))?.[op];
}
