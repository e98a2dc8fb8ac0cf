/**
 * The core of Heed: strided tensors, ops with their gradients, and the contract that backends implement.
 *
 * @module
 */
export * from "./src/attention/kv_cache.ts";
export { GrowableKvCache } from "./src/attention/kv_cache_growable.ts";
export { LayeredKvCache } from "./src/attention/kv_cache_layered.ts";
export { PagedKvCache, type PagedKvCacheOptions } from "./src/attention/kv_cache_paged.ts";
export { RowsKvCache } from "./src/attention/kv_cache_rows.ts";
export type { KvCacheForm, SavedKvCache, SavedKvLayer, SavedKvTensor } from "./src/attention/kv_cache_saved.ts";
export { StaticKvCache, type StaticKvCacheOptions } from "./src/attention/kv_cache_static.ts";
export { SlidingWindowKvCache, type SlidingWindowKvCacheOptions } from "./src/attention/kv_cache_window.ts";
export * from "./src/attention/rope.ts";
export * from "./src/attention/rope_scaling.ts";
export * from "./src/attention/rope_tables.ts";
export * from "./src/attention/block_mask.ts";
export * from "./src/attention/gqa.ts";
/** Ready-made functions for `maskMod`, `scoreMod` and `createBlockMask`. */
export * as mods from "./src/attention/mods.ts";
export * from "./src/attention/options.ts";
export * from "./src/attention/sdpa.ts";
export * from "./src/backend.ts";
export * from "./src/create.ts";
export { trace, type TraceEntry } from "./src/dispatch.ts";
export {
  ALL_DTYPES,
  type BlockDType,
  byteLengthOf,
  type DType,
  type DTypeInfo,
  dtypeInfo,
  type DTypeKind,
  isBlock,
  isFloat,
  promoteTypes,
} from "./src/dtype.ts";
export { BackendError, DTypeError, ShapeError } from "./src/errors.ts";
export type { FormatOptions } from "./src/format.ts";
export { backward, type BackwardOptions, gradients } from "./src/grad/backward.ts";
export { gradcheck, type GradcheckOptions } from "./src/grad/gradcheck.ts";
export type { GradEdge, GradNode, JointVjp, Vjp } from "./src/grad/node.ts";
export { isGradEnabled, noGrad } from "./src/grad/no_grad.ts";
export { Layout } from "./src/layout.ts";
export { MemoryAccount, Storage, tidy } from "./src/memory.ts";
export * from "./src/ops/mod.ts";
export type { BlockFormat } from "./src/quant/block.ts";
export { blockFormat, dequantizeBlocks, quantizeBlocks } from "./src/quant/formats.ts";
export * from "./src/registry.ts";
export type { NestedNumbers, TypedArray } from "./src/read.ts";
export type { Shape } from "./src/shape.ts";
export { Tensor, type TensorLike } from "./src/tensor.ts";
