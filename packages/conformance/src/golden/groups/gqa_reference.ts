/** The calls of grouped-query-attention-pytorch. */
import { scaledDotProductGqa } from "../../../../core/mod.ts";
import type { OpTable } from "../call.ts";
import { MULTIHEAD_GQA_OPS } from "./multihead_gqa.ts";

/** Mappings of the group gqa_reference. */
export const GQA_REFERENCE_OPS: OpTable = {
  ...MULTIHEAD_GQA_OPS,
  scaled_dot_product_gqa: (c) => {
    const inputs = { query: c.tensor("query"), key: c.tensor("key"), value: c.tensor("value") };
    const [output, weights] = scaledDotProductGqa(inputs, {
      mask: c.maybe("mask"),
      scale: c.attrs.maybeNumber("scale"),
      isCausal: c.attrs.has("is_causal") ? c.attrs.flag("is_causal") : undefined,
      needWeights: c.attrs.flag("need_weights"),
      averageAttnWeights: c.attrs.flag("average_attn_weights"),
      forceGrouped: c.attrs.flag("force_grouped"),
    });
    return weights === undefined ? { output } : { output, weights };
  },
};
