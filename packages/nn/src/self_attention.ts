/**
 * Cached self-attention as small chat models have it (karpathy/nanochat `gpt.py`): products without bias, RoPE on queries and
 * keys, then an RMS norm without weight over each head of them, grouped heads, causal aligned to the end of the keys.
 *
 * The whole prompt (T = S), one token (T = 1) and a chunk on a prefix are one call: `causal: "lower-right"`.
 * {@linkcode SelfAttention} is the grouped form that rotates by the negative angle; {@linkcode QkNormAttention} the general.
 */
import {
  applyRope,
  type KvCache,
  rmsNorm,
  type RopeFrequencies,
  ropeFrequencies,
  ropeTables,
  scaledDotProductAttention,
  ShapeError,
  type Tensor,
  tidy,
} from "../../core/mod.ts";
import { viewOf } from "../../core/src/attention/kv_cache.ts";
import { checkNames, showShape, showValue } from "../../core/src/errors.ts";
import { tokensBefore } from "./cached_tokens.ts";
import { divides } from "./grouped_query_attention.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** What {@linkcode SelfAttention} is made of. */
export interface SelfAttentionOptions {
  /** H; it divides E. */
  readonly nHead: number;
  /** Hkv; it divides H. */
  readonly kvHead: number;
  /** E. */
  readonly nEmbed: number;
  /** Base of the rotary frequencies; 10000 when left out. */
  readonly ropeTheta?: number | undefined;
}

/** What {@linkcode QkNormAttention} is made of. */
export interface QkNormAttentionOptions extends SelfAttentionOptions {
  /** Whether to rotate by the negative angle; false when left out. */
  readonly ropeInverse?: boolean | undefined;
}

const OPTIONS = {
  nHead: true,
  kvHead: true,
  nEmbed: true,
  ropeTheta: true,
} as const satisfies Record<keyof SelfAttentionOptions, true>;
const OPTIONS_WITH_INVERSE = { ...OPTIONS, ropeInverse: true } as const satisfies Record<
  keyof QkNormAttentionOptions,
  true
>;
const FOREIGN: Readonly<Record<string, string>> = {
  n_head: "nHead",
  n_kv_head: "kvHead",
  kv_head: "kvHead",
  nKvHead: "kvHead",
  n_embd: "nEmbed",
  n_embed: "nEmbed",
  nEmbd: "nEmbed",
  rope_theta: "ropeTheta",
  ropeInverse: "QkNormAttention, which can choose; SelfAttention always rotates by the negative angle",
};

/** Cached causal self-attention with rotated, then normalised queries and keys. */
export class QkNormAttention extends Module {
  /** `[E, E]`. */
  readonly q_linear: Linear;
  /** `[Hkv * D, E]`. */
  readonly k_linear: Linear;
  /** `[Hkv * D, E]`. */
  readonly v_linear: Linear;
  /** `[E, E]`. */
  readonly out: Linear;
  /** The layer of the cache that is its own. */
  readonly layerIndex: number;
  readonly #headSize: number;
  readonly #inverse: boolean;
  readonly #frequencies: RopeFrequencies;

  /**
   * Takes `q_linear`, `k_linear`, `v_linear` and `out`.
   *
   * @param layerIndex its layer of the cache, from 0
   * @throws {ShapeError} when the heads do not divide the size, the key heads the heads, the head size is odd, or the layer is
   * no index
   */
  constructor(options: QkNormAttentionOptions, layerIndex: number, source: ParameterSource) {
    super();
    checkNames("make QkNormAttention", options, OPTIONS_WITH_INVERSE, FOREIGN);
    checkSettings("QkNormAttention", options, layerIndex);
    const { nHead, kvHead, nEmbed, ropeTheta = 10000, ropeInverse = false } = options;
    this.layerIndex = layerIndex;
    this.#headSize = nEmbed / nHead;
    this.#inverse = ropeInverse;
    this.#frequencies = ropeFrequencies(this.#headSize, ropeTheta);
    const product = (name: string, outFeatures: number): Linear =>
      new Linear({ inFeatures: nEmbed, outFeatures, bias: false }, within(source, name));
    this.q_linear = product("q_linear", nEmbed);
    this.k_linear = product("k_linear", kvHead * this.#headSize);
    this.v_linear = product("v_linear", kvHead * this.#headSize);
    this.out = product("out", nEmbed);
  }

  /**
   * Attends.
   *
   * @param x `[B, T, E]`, the tokens after those in the cache
   * @param cache holds the past, and takes the new keys and values
   * @returns `[B, T, E]`
   * @throws {ShapeError} when x is no `[B, T, E]`, or the cache refuses
   */
  forward(x: Tensor, cache?: KvCache): Tensor {
    const size = this.q_linear.weight.shape[1]!;
    if (x.rank !== 3 || x.shape[2] !== size) {
      throw new ShapeError(`Cannot attend to ${showShape(x.shape)}: it should be [B, T, E] with E = ${size}`);
    }
    return tidy(() => {
      const length = x.shape[1]!;
      const start = tokensBefore(cache, this.layerIndex);
      const { cos, sin } = ropeTables(this.#frequencies, { start, length }, { backend: x.backend });
      const turned = (h: Tensor) => rmsNorm(applyRope(h, cos, sin, { inverse: this.#inverse }));
      const query = turned(this.#heads(this.q_linear.forward(x))); // [B, H, T, D]
      const keys = turned(this.#heads(this.k_linear.forward(x))); // [B, Hkv, T, D]
      const values = this.#heads(this.v_linear.forward(x)); // [B, Hkv, T, D]
      const seen = cache?.append(this.layerIndex, keys, values) ?? viewOf(keys, values);
      const attended = scaledDotProductAttention(query, seen, { causal: "lower-right" });
      return this.out.forward(attended.transpose(1, 2).flatten(2));
    });
  }

  #heads(h: Tensor): Tensor {
    return h.unflatten(2, [-1, this.#headSize]).transpose(1, 2);
  }
}

/** Cached causal self-attention whose heads share fewer key heads, rotating by the negative angle. */
export class SelfAttention extends QkNormAttention {
  /**
   * Takes what QkNormAttention takes.
   *
   * @param layerIndex its layer of the cache, from 0
   * @throws {ShapeError} as QkNormAttention, and when there are not fewer key heads than heads
   */
  constructor(options: SelfAttentionOptions, layerIndex: number, source: ParameterSource) {
    checkNames("make SelfAttention", options, OPTIONS, FOREIGN);
    checkSettings("SelfAttention", options, layerIndex);
    const { nHead, kvHead, nEmbed } = options;
    if (kvHead >= nHead) {
      throw new ShapeError(
        `Cannot make SelfAttention of nEmbed ${nEmbed}: kvHead ${kvHead} should be smaller than nHead ${nHead}; ` +
          `QkNormAttention takes as many`,
      );
    }
    super({ ...options, ropeInverse: true }, layerIndex, source);
  }
}

function checkSettings(name: string, { nHead, kvHead, nEmbed }: SelfAttentionOptions, layerIndex: number): void {
  const refuse = (why: string) => new ShapeError(`Cannot make ${name} of nEmbed ${nEmbed}: ${why}`);
  if (!divides(nHead, nEmbed)) throw refuse(`nHead ${nHead} should divide it`);
  if (!divides(kvHead, nHead)) throw refuse(`kvHead ${kvHead} should divide nHead ${nHead}`);
  if ((nEmbed / nHead) % 2 !== 0) {
    throw refuse(`the head size ${nEmbed / nHead} should be even, since RoPE turns pairs`);
  }
  if (!(Number.isSafeInteger(layerIndex) && layerIndex >= 0)) {
    throw refuse(
      `layerIndex ${showValue(layerIndex)} should be its layer of the cache, from 0; ` +
        `it takes (options, layerIndex, source)`,
    );
  }
}
