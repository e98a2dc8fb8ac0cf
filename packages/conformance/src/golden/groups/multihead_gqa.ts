/** Group `gqa_reference`'s layer, grouped-query-attention-pytorch's MultiheadGQA. */
import { fromStateDict, MultiheadGQA } from "../../../../nn/mod.ts";
import type { OpTable } from "../call.ts";

/** The mapping of `MultiheadGQA`. */
export const MULTIHEAD_GQA_OPS: OpTable = {
  MultiheadGQA: (c) => {
    const { attrs } = c;
    const layer = new MultiheadGQA({
      embedDim: attrs.number("embed_dim"),
      queryHeads: attrs.number("query_heads"),
      kvHeads: attrs.number("kv_heads"),
      bias: attrs.flag("bias", true),
      layerNorm: attrs.flag("layer_norm", true),
      layerNormEps: attrs.maybeNumber("layer_norm_eps"),
      gammaInit: attrs.maybeNumber("gamma_init"),
    }, fromStateDict(c.named("state_dict")));
    const [output, weights] = layer.forward(c.tensor("query"), c.tensor("key"), c.tensor("value"), {
      needWeights: attrs.flag("need_weights"),
      isCausal: attrs.flag("is_causal"),
      averageAttnWeights: attrs.flag("average_attn_weights"),
    });
    return weights === undefined ? { output } : { output, weights };
  },
};
