/**
 * ONNX's Attention. Its causal mask counts queries from the past's length, and from each row's length with nonpad_kv_seqlen; a
 * past is a cache here; a mask that ends before the keys hides the rest.
 */
import {
  attention,
  type AttentionOptions,
  cat,
  full,
  GrowableKvCache,
  type KeyValueView,
  scaledDotProductAttention,
  type ScoreStage,
  type Tensor,
} from "../../../../core/mod.ts";
import type { Call, OpTable, Results } from "../call.ts";

const STAGES: readonly ScoreStage[] = ["scaled", "softcapped", "masked"]; // qk_matmul_output_mode 0 to 2; 3 are weights

/** `[B, T, H * D]`, ONNX's other form, as `[B, H, T, D]`. */
function byHeads(x: Tensor, heads: number | undefined): Tensor {
  return x.rank === 4 ? x : x.unflatten(2, [heads!, -1]).transpose(1, 2);
}

/** A mask over all S keys. */
function wholeMask(c: Call, keys: number): Tensor | undefined {
  const mask = c.maybe("attn_mask");
  const missing = keys - (mask?.shape.at(-1) ?? keys);
  if (mask === undefined || missing === 0) return mask;
  const hidden = full([...mask.shape.slice(0, -1), missing], -Infinity, { dtype: mask.dtype, backend: c.backend });
  return cat([mask, hidden], -1);
}

/** Keys and values with the past before them. */
function viewOf(c: Call, node: Call["attrs"]): { cache: GrowableKvCache; view: KeyValueView } {
  const cache = new GrowableKvCache(1);
  if (c.has("past_key")) cache.append(0, c.tensor("past_key"), c.tensor("past_value"));
  const heads = node.maybeNumber("kv_num_heads");
  return { cache, view: cache.append(0, byHeads(c.tensor("K"), heads), byHeads(c.tensor("V"), heads)) };
}

function optionsOf(c: Call, node: Call["attrs"], keys: number): AttentionOptions {
  const side = (name: string) => {
    const count = node.maybeNumber(name);
    return count === -1 ? undefined : count;
  };
  return {
    mask: wholeMask(c, keys),
    causal: node.flag("is_causal") ? "lower-right" : undefined,
    offset: c.has("nonpad_kv_seqlen") ? undefined : c.maybe("past_key")?.shape[2] ?? 0,
    window: { left: side("left_window_size"), right: side("right_window_size") },
    scale: node.maybeNumber("scale"),
    softcap: node.maybeNumber("softcap"),
    keyLengths: c.maybe("nonpad_kv_seqlen"),
  };
}

/** What the node's third and later outputs ask for. */
function besides(c: Call, node: Call["attrs"], query: Tensor, view: KeyValueView, options: AttentionOptions): Results {
  const asked = c.attrs.raw("node_outputs") as readonly string[]; // a list of names, by the format
  const present: Results = asked.includes("present_key")
    ? { present_key: view.keys.clone(), present_value: view.values.clone() }
    : {};
  if (!asked.includes("qk_matmul_output")) return present;
  const mode = node.maybeNumber("qk_matmul_output_mode") ?? 0;
  const products = mode === 3
    ? attention(query, view, { ...options, returns: { weights: true } }).weights
    : attention(query, view, { ...options, returns: { scores: STAGES[mode]! } }).scores;
  return { ...present, qk_matmul_output: products };
}

/** Mappings of the group onnx_attention. */
export const ONNX_ATTENTION_OPS: OpTable = {
  "onnx.Attention": (c) => {
    const node = c.attrs.within("node");
    const query = byHeads(c.tensor("Q"), node.maybeNumber("q_num_heads"));
    const { cache, view } = viewOf(c, node);
    using _cache = cache;
    const options = optionsOf(c, node, view.keyCount);
    const output = scaledDotProductAttention(query, view, options);
    const joined = c.tensor("Q").rank === 4 ? output : output.transpose(1, 2).flatten(2);
    return { Y: joined, ...besides(c, node, query, view, options) };
  },
};
