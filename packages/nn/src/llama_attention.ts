/**
 * Attention of one Llama layer (`LlamaAttention` in Hugging Face's `modeling_llama.py`): grouped heads, rotated queries and
 * keys, and a cache that attention reads as it lies.
 *
 * Letters: B batch, T new tokens, S all tokens, H query heads, Hkv key/value heads, D head size, E hidden size.
 */
import {
  applyRope,
  attention,
  type KeyValueView,
  type KvCache,
  type RopeTables,
  scaledDotProductAttention,
  type Tensor,
  tidy,
} from "../../core/mod.ts";
import { checkNames } from "../../core/src/errors.ts";
import { viewOf } from "../../core/src/attention/kv_cache.ts";
import { tokensBefore } from "./cached_tokens.ts";
import type { Linear } from "./linear.ts";
import { checkLlamaConfig, type LlamaConfig } from "./llama_config.ts";
import { llamaLinear } from "./llama_mlp.ts";
import { checkMask, tokensOf } from "./llama_mask.ts";
import { Module } from "./module.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** What {@linkcode LlamaAttention} is told besides its input. */
export interface LlamaAttentionOptions {
  /** The new tokens' rotations. */
  readonly rope: RopeTables;
  /** Holds the past, and takes the new keys and values. */
  readonly cache?: KvCache | undefined;
  /** The cache's layer; 0 when left out. */
  readonly layer?: number | undefined;
  /** Bool (true: may attend) or float (added to the scores), `[B, 1, T, S]`; later tokens are hidden besides. */
  readonly mask?: Tensor | undefined;
}

/** What {@linkcode LlamaAttention.outputs} gives. */
export interface LlamaAttentionOutputs {
  /** `[B, T, E]`. */
  readonly output: Tensor;
  /** `[B, H, T, S]`. */
  readonly weights: Tensor;
}

const OPTIONS = {
  rope: true,
  cache: true,
  layer: true,
  mask: true,
} as const satisfies Record<keyof LlamaAttentionOptions, true>;
const FOREIGN: Readonly<Record<string, string>> = {
  position_embeddings: "rope: ropeTables(frequencies, positions)",
  attention_mask: "mask",
  attentionMask: "mask",
  past_key_values: "cache",
  layer_idx: "layer",
  causal: "mask for more than causal, which it always is",
};

interface Projected {
  readonly query: Tensor;
  readonly seen: KeyValueView;
  readonly mask: Tensor | undefined;
}

/** Attention of one layer: grouped heads, rotated queries and keys, and the cache. */
export class LlamaAttention extends Module {
  /** `[H * D, E]`. */
  readonly q_proj: Linear;
  /** `[Hkv * D, E]`. */
  readonly k_proj: Linear;
  /** `[Hkv * D, E]`. */
  readonly v_proj: Linear;
  /** `[E, H * D]`. */
  readonly o_proj: Linear;
  readonly #config: LlamaConfig;

  /** Takes the four products. @throws {ShapeError} when the config's numbers do not fit each other */
  constructor(config: LlamaConfig, source: ParameterSource) {
    super();
    checkLlamaConfig(config);
    const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim } = config;
    const product = (name: string, inFeatures: number, outFeatures: number): Linear =>
      llamaLinear(config, inFeatures, outFeatures, config.attentionBias, within(source, name));
    this.#config = config;
    this.q_proj = product("q_proj", hiddenSize, numAttentionHeads * headDim);
    this.k_proj = product("k_proj", hiddenSize, numKeyValueHeads * headDim);
    this.v_proj = product("v_proj", hiddenSize, numKeyValueHeads * headDim);
    this.o_proj = product("o_proj", numAttentionHeads * headDim, hiddenSize);
  }

  /**
   * Attends.
   *
   * @param x `[B, T, E]`
   * @returns `[B, T, E]`
   * @throws {ShapeError} when x is no `[B, T, E]`, the mask no `[B, 1, T, S]`, or the cache refuses
   */
  forward(x: Tensor, options: LlamaAttentionOptions): Tensor {
    return tidy(() => {
      const { query, seen, mask } = this.#project(x, options);
      return this.#join(scaledDotProductAttention(query, seen, { mask, causal: "lower-right" }));
    });
  }

  /** The same, with the weights. @throws {ShapeError} as {@linkcode forward} */
  outputs(x: Tensor, options: LlamaAttentionOptions): LlamaAttentionOutputs {
    return tidy(() => {
      const { query, seen, mask } = this.#project(x, options);
      const { output, weights } = attention(query, seen, { mask, causal: "lower-right", returns: { weights: true } });
      return { output: this.#join(output), weights };
    });
  }

  /** Rotated queries `[B, H, T, D]`, and all keys and values there are now; the mask of those that are still there. */
  #project(x: Tensor, options: LlamaAttentionOptions): Projected {
    checkNames("run LlamaAttention", options, OPTIONS, FOREIGN);
    const { rope, cache, layer = 0, mask } = options;
    const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim, ropeInterleaved: interleaved } = this.#config;
    const [batch, length] = tokensOf("LlamaAttention", x, hiddenSize);
    const tokens = tokensBefore(cache, layer) + length;
    if (mask !== undefined) checkMask("LlamaAttention", x.shape, mask, [batch, 1, length, tokens]);
    const heads = (h: Tensor, count: number) => h.reshape([batch, length, count, headDim]).transpose(1, 2);
    const rotated = (h: Tensor, count: number) => applyRope(heads(h, count), rope.cos, rope.sin, { interleaved });
    const query = rotated(this.q_proj.forward(x), numAttentionHeads); // [B, H, T, D]
    const keys = rotated(this.k_proj.forward(x), numKeyValueHeads); // [B, Hkv, T, D]
    const values = heads(this.v_proj.forward(x), numKeyValueHeads); // [B, Hkv, T, D]
    const seen = cache?.append(layer, keys, values) ?? viewOf(keys, values);
    const { keyPositions } = seen; // where tokens are gone, their columns of the mask go too
    return { query, seen, mask: keyPositions === undefined ? mask : mask?.indexSelect(3, keyPositions) };
  }

  /** Heads side by side, and the last product: `[B, H, T, D] -> [B, T, E]`. */
  #join(heads: Tensor): Tensor {
    return this.o_proj.forward(heads.transpose(1, 2).flatten(2)); // [B, T, H * D]
  }
}
