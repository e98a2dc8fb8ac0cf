/** Group `norm`: layer, RMS and group norms, and scaling to length one. */
import { groupNorm, layerNorm, normalize, rmsNorm } from "../../../../core/mod.ts";
import type { OpTable } from "../call.ts";

/** Mappings of group `norm`. */
export const NORM_OPS: OpTable = {
  layer_norm: (c) => ({
    output: layerNorm(c.tensor("x"), c.attrs.numbers("normalized_shape"), {
      weight: c.maybe("weight"),
      bias: c.maybe("bias"),
      eps: c.attrs.maybeNumber("eps"),
    }),
  }),
  rms_norm: (c) => ({
    output: rmsNorm(c.tensor("x"), {
      normalizedShape: c.attrs.numbers("normalized_shape"),
      weight: c.maybe("weight"),
      eps: c.attrs.maybeNumber("eps") ?? null, // null: the machine epsilon
    }),
  }),
  group_norm: (c) => ({
    output: groupNorm(c.tensor("x"), c.attrs.number("num_groups"), {
      weight: c.maybe("weight"),
      bias: c.maybe("bias"),
      eps: c.attrs.maybeNumber("eps"),
    }),
  }),
  normalize: (c) => ({
    output: normalize(c.tensor("x"), {
      p: c.attrs.number("p"),
      dim: c.attrs.number("dim"),
      eps: c.attrs.number("eps"),
    }),
  }),
};
