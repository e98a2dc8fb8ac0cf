/** Which group has which mappings. */
import type { Mapping, OpTable } from "../call.ts";
import { ACTIVATION_OPS } from "./activation.ts";
import { AUTOGRAD_OPS } from "./autograd.ts";
import { EINSUM_OPS } from "./einsum.ts";
import { ELEMENTWISE_OPS } from "./elementwise.ts";
import { INDEXING_OPS } from "./indexing.ts";
import { LAYER_OPS } from "./layers.ts";
import { LLAMA_OPS } from "./llama.ts";
import { MATMUL_OPS } from "./matmul.ts";
import { NORM_OPS } from "./norm.ts";
import { GQA_CONVERSION_OPS } from "./gqa_conversion.ts";
import { GQA_REFERENCE_OPS } from "./gqa_reference.ts";
import { ONNX_ATTENTION_OPS } from "./onnx_attention.ts";
import { ONNX_OPS } from "./onnx_ops.ts";
import { QKNORM_ATTENTION_OPS } from "./qknorm_attention.ts";
import { QUANT_OPS } from "./quant.ts";
import { REDUCE_OPS } from "./reduce.ts";
import { ROPE_OPS } from "./rope.ts";
import { SAMPLING_OPS } from "./sampling.ts";
import { SDPA_OPS } from "./sdpa.ts";
import { SOFTMAX_OPS } from "./softmax.ts";
import { TRAINING_OPS } from "./training.ts";
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
  sdpa: SDPA_OPS,
  onnx_attention: ONNX_ATTENTION_OPS,
  gqa_reference: GQA_REFERENCE_OPS,
  gqa_conversion: GQA_CONVERSION_OPS,
  layers: LAYER_OPS,
  llama: LLAMA_OPS,
  qknorm_attention: QKNORM_ATTENTION_OPS,
  autograd: AUTOGRAD_OPS,
  training: TRAINING_OPS,
  rope: ROPE_OPS,
  sampling: SAMPLING_OPS,
};

/** The groups that this version covers: an op of theirs without a mapping is a failure. */
export const COVERED_GROUPS: readonly string[] = Object.keys(TABLES);

/** The mapping of an op: the group's own, else another group's of the same name; folders may hold groups not known here. */
export function findMapping(group: string, op: string): Mapping | undefined {
  const own = Object.hasOwn(TABLES, group) ? [TABLES[group]!] : [];
  return [...own, ...Object.values(TABLES)].find((table) => Object.hasOwn(table, op))?.[op];
}
