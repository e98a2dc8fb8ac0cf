/** Every op. `primitives/` have a kernel of their own, `fused/` may have one, the rest is composed. */
export { alias, cast, clone, contiguous, copy_ } from "./primitives/copy.ts";
export { fill_ } from "./primitives/fill.ts";
export * from "./primitives/unary.ts";
export {
  add,
  div,
  eq,
  ge,
  gt,
  le,
  logicalAnd,
  logicalOr,
  logicalXor,
  lt,
  maximum,
  minimum,
  mul,
  ne,
  pow,
  sub,
} from "./primitives/binary.ts";
export { maskedFill, where } from "./primitives/where.ts";
export { all, amax, amin, any, argmax, argmin, prod, sum, sumTo } from "./primitives/reduce.ts";
export type { ArgOptions, ReduceOptions } from "./primitives/reduce.ts";
export { cumprod, cumsum } from "./primitives/scan.ts";
export { matmul } from "./primitives/matmul.ts";
export { embedding, gather, indexSelect } from "./primitives/gather.ts";
export { indexAdd, scatter, scatterAdd } from "./primitives/scatter.ts";
export { argsort, sort, topk } from "./primitives/sort.ts";
export type { SortOptions, SortResult, TopkOptions } from "./primitives/sort.ts";
export { expand, squeeze, unsqueeze } from "./views/expand.ts";
export { movedim, permute, t, transpose } from "./views/permute.ts";
export { flatten, reshape, unflatten, view } from "./views/reshape.ts";
export { asStrided, chunk, diagonal, narrow, select, slice, split, unfold } from "./views/slice.ts";
export { logSoftmax, softmax } from "./fused/softmax.ts";
export { groupNorm, layerNorm, normalize, rmsNorm } from "./fused/norm.ts";
export type { LayerNormOptions, RmsNormOptions } from "./fused/norm.ts";
export * from "./activation.ts";
export * from "./linear.ts";
export * from "./loss.ts";
export * from "./rearrange.ts";
export * from "./search.ts";
export * from "./statistics.ts";
export { dropout } from "./dropout.ts";
export { einsum } from "./einsum.ts";
export { oneHot, tril, triu } from "./triangle.ts";
