/** Group `qknorm_attention`: rotated, then normalised queries and keys; whole prompts, single tokens and chunks on a cache. */
import { cat, GrowableKvCache } from "../../../../core/mod.ts";
import { fromStateDict, QkNormAttention, SelfAttention } from "../../../../nn/mod.ts";
import type { Call, OpTable } from "../call.ts";
import { cacheOf, chunksOf, contents } from "./cached.ts";

/** The vectors' names, and the layer's. */
const NAMES = { q_proj: "q_linear", k_proj: "k_linear", v_proj: "v_linear", out_proj: "out" };

/** SelfAttention where the case is one: rotated by the negative angle, with fewer key heads. */
function layerOf(c: Call): QkNormAttention {
  const { attrs } = c;
  const [nHead, kvHead] = [attrs.number("query_heads"), attrs.number("kv_heads")];
  const options = { nHead, kvHead, nEmbed: nHead * attrs.number("head_dim"), ropeTheta: attrs.number("rope_theta") };
  const state = c.named("state_dict");
  const renamed = Object.entries(NAMES).map(([from, to]) => [`${to}.weight`, state.get(`${from}.weight`)!] as const);
  const source = fromStateDict(new Map(renamed));
  const ropeInverse = attrs.text("rope_style") === "half_negative";
  if (ropeInverse && kvHead < nHead) return new SelfAttention(options, 0, source);
  return new QkNormAttention({ ...options, ropeInverse }, 0, source);
}

/** Mappings of group `qknorm_attention`. */
export const QKNORM_ATTENTION_OPS: OpTable = {
  qknorm_attention: (c) => {
    const x = c.tensor("x");
    if (!c.attrs.flag("use_cache")) return { output: layerOf(c).forward(x) };
    using cache = cacheOf(c);
    const output = layerOf(c).forward(x, cache);
    const shape = [x.shape[0]!, c.attrs.number("kv_heads"), c.attrs.number("head_dim")] as const;
    const { keys, values } = contents(c, cache, 0, shape);
    return { output, cache_keys: keys, cache_values: values };
  },
  qknorm_attention_cached: (c) => {
    const layer = layerOf(c);
    using cache = new GrowableKvCache(1);
    return { output: cat(chunksOf(c, c.tensor("x")).map((x) => layer.forward(x, cache)), 1) };
  },
};
