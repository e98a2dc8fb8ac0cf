/** Group `layers`: attention layers of given parameters, and what people use who compose attention by hand. */
import { attentionQkvPacked, causalMask, repeatKv } from "../../../../core/mod.ts";
import {
  fromStateDict,
  GroupedQueryAttention,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  MultiQueryAttention,
} from "../../../../nn/mod.ts";
import type { Call, Mapping, OpTable } from "../call.ts";

/** The weights come with the output; the plain call must give the same output. */
function ways(make: (c: Call, options: MultiHeadAttentionOptions) => GroupedQueryAttention): Mapping {
  const layer = (c: Call) =>
    make(c, { hiddenSize: c.attrs.number("hidden_size"), numHeads: c.attrs.number("num_heads") });
  return [
    (c) => ({ ...layer(c).outputs(c.tensor("hidden_state"), { mask: c.maybe("attention_mask") }) }),
    (c) => {
      const [x, mask] = [c.tensor("hidden_state"), c.maybe("attention_mask")];
      return { output: layer(c).forward(x, { mask }), weights: layer(c).outputs(x, { mask }).weights };
    },
  ];
}

/** Mappings of group `layers`. */
export const LAYER_OPS: OpTable = {
  multi_head_attention: ways((c, options) => new MultiHeadAttention(options, fromStateDict(c.named("state_dict")))),
  multi_query_attention: ways((c, options) => new MultiQueryAttention(options, fromStateDict(c.named("state_dict")))),
  grouped_query_attention: ways((c, options) =>
    new GroupedQueryAttention(
      { ...options, numGroups: c.attrs.number("num_groups") },
      fromStateDict(c.named("state_dict")),
    )
  ),
  qkv_packed: (c) => ({ output: attentionQkvPacked(c.tensor("qkv"), { causal: c.attrs.flag("causal") }) }),
  causal_mask: (c) => ({ output: causalMask(c.attrs.number("n"), { backend: c.backend }) }),
  repeat_kv: (c) => ({ output: repeatKv(c.tensor("x"), c.attrs.number("n")) }),
};
