/**
 * Llama with grouped-query heads, in Hugging Face's module tree (`modeling_llama.py`), so that checkpoints load by name:
 * embeddings, N layers of (RMSNorm, attention, RMSNorm, gated MLP), RMSNorm, output product.
 *
 * Letters: B batch, T new tokens, S all tokens, H query heads, Hkv key/value heads, D head size, E hidden size, V words.
 */
import {
  applyRope,
  GrowableKvCache,
  type KvCache,
  ropeFrequencies,
  ropeTables,
  scaledDotProductAttention,
  ShapeError,
  swiglu,
  type Tensor,
  tidy,
} from "../../core/mod.ts";
import { Embedding, Linear, RMSNorm } from "./layers.ts";
import { Module, type ParameterSource } from "./module.ts";

/** What a Llama is made of; Hugging Face's config fields in camelCase. */
export interface LlamaConfig {
  /** V. */
  readonly vocabSize: number;
  /** E. */
  readonly hiddenSize: number;
  /** Width of the MLP. */
  readonly intermediateSize: number;
  /** Layers. */
  readonly numHiddenLayers: number;
  /** H. */
  readonly numAttentionHeads: number;
  /** Hkv; it divides H. */
  readonly numKeyValueHeads: number;
  /** D. */
  readonly headDim: number;
  /** Tokens the model was made for. */
  readonly maxPositionEmbeddings: number;
  /** Added to mean squares. */
  readonly rmsNormEps: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** Whether q and k rows pair 2i with 2i + 1, as GGUF stores them, instead of i with i + D/2. */
  readonly ropeInterleaved: boolean;
  /** Whether q, k, v and o have biases. */
  readonly attentionBias: boolean;
  /** Whether the MLP's products have biases. */
  readonly mlpBias: boolean;
  /** Whether the output product uses the embeddings. */
  readonly tieWordEmbeddings: boolean;
}

/** Cosines and sines of the new tokens' angles, `[T, D/2]`. */
export interface RopeTables {
  /** Cosines. */
  readonly cos: Tensor;
  /** Sines. */
  readonly sin: Tensor;
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

  /** Takes the four products under `name`. */
  constructor(config: LlamaConfig, source: ParameterSource, name: string) {
    super();
    const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim, attentionBias } = config;
    this.#config = config;
    this.q_proj = Linear.from(source, `${name}.q_proj`, hiddenSize, numAttentionHeads * headDim, attentionBias);
    this.k_proj = Linear.from(source, `${name}.k_proj`, hiddenSize, numKeyValueHeads * headDim, attentionBias);
    this.v_proj = Linear.from(source, `${name}.v_proj`, hiddenSize, numKeyValueHeads * headDim, attentionBias);
    this.o_proj = Linear.from(source, `${name}.o_proj`, numAttentionHeads * headDim, hiddenSize, attentionBias);
  }

  /** `[B, T, E] -> [B, T, E]`; new keys and values go to the cache's layer, where there is one. */
  forward(x: Tensor, rope: RopeTables, layer: number, cache?: KvCache): Tensor {
    const { numAttentionHeads, numKeyValueHeads, headDim, ropeInterleaved: interleaved } = this.#config;
    const [batch, length] = [x.shape[0]!, x.shape[1]!];
    const heads = (h: Tensor, count: number) => h.reshape([batch, length, count, headDim]).transpose(1, 2);
    const query = applyRope(heads(this.q_proj.forward(x), numAttentionHeads), rope.cos, rope.sin, { interleaved });
    const newKeys = applyRope(heads(this.k_proj.forward(x), numKeyValueHeads), rope.cos, rope.sin, { interleaved });
    const newValues = heads(this.v_proj.forward(x), numKeyValueHeads);
    const { keys, values } = cache?.append(layer, newKeys, newValues) ?? { keys: newKeys, values: newValues };
    const attended = scaledDotProductAttention(query, keys, values, { causal: "lower-right" }); // [B, H, T, D]
    return this.o_proj.forward(attended.transpose(1, 2).reshape([batch, length, numAttentionHeads * headDim]));
  }
}

/** The gated MLP, `down(silu(gate(x)) * up(x))`. */
export class LlamaMLP extends Module {
  /** `[intermediate, E]`. */
  readonly gate_proj: Linear;
  /** `[intermediate, E]`. */
  readonly up_proj: Linear;
  /** `[E, intermediate]`. */
  readonly down_proj: Linear;

  /** Takes the three products under `name`. */
  constructor({ hiddenSize, intermediateSize, mlpBias }: LlamaConfig, source: ParameterSource, name: string) {
    super();
    this.gate_proj = Linear.from(source, `${name}.gate_proj`, hiddenSize, intermediateSize, mlpBias);
    this.up_proj = Linear.from(source, `${name}.up_proj`, hiddenSize, intermediateSize, mlpBias);
    this.down_proj = Linear.from(source, `${name}.down_proj`, intermediateSize, hiddenSize, mlpBias);
  }

  /** `[…, E] -> […, E]`. */
  forward(x: Tensor): Tensor {
    return this.down_proj.forward(swiglu(this.gate_proj.forward(x), this.up_proj.forward(x)));
  }
}

/** One layer: attention and MLP, each on a normalised copy and added back. */
export class LlamaDecoderLayer extends Module {
  /** Attention. */
  readonly self_attn: LlamaAttention;
  /** MLP. */
  readonly mlp: LlamaMLP;
  /** Before attention. */
  readonly input_layernorm: RMSNorm;
  /** Before the MLP. */
  readonly post_attention_layernorm: RMSNorm;

  /** Takes everything under `name`. */
  constructor(config: LlamaConfig, source: ParameterSource, name: string) {
    super();
    const norm = (which: string) =>
      new RMSNorm(source.take(`${name}.${which}.weight`, [config.hiddenSize]), config.rmsNormEps);
    this.self_attn = new LlamaAttention(config, source, `${name}.self_attn`);
    this.mlp = new LlamaMLP(config, source, `${name}.mlp`);
    this.input_layernorm = norm("input_layernorm");
    this.post_attention_layernorm = norm("post_attention_layernorm");
  }

  /** `[B, T, E] -> [B, T, E]`. */
  forward(x: Tensor, rope: RopeTables, layer: number, cache?: KvCache): Tensor {
    const h = x.add(this.self_attn.forward(this.input_layernorm.forward(x), rope, layer, cache));
    return h.add(this.mlp.forward(this.post_attention_layernorm.forward(h)));
  }
}

/** Embeddings, layers, and the last norm. */
export class LlamaModel extends Module {
  /** `[V, E]`. */
  readonly embed_tokens: Embedding;
  /** The layers. */
  readonly layers: readonly LlamaDecoderLayer[];
  /** The last norm. */
  readonly norm: RMSNorm;
  readonly #frequencies: Float32Array;

  /** Takes everything under `model.`. */
  constructor(config: LlamaConfig, source: ParameterSource) {
    super();
    this.embed_tokens = new Embedding(source.take("model.embed_tokens.weight", [config.vocabSize, config.hiddenSize]));
    this.layers = Array.from(
      { length: config.numHiddenLayers },
      (_, i) => new LlamaDecoderLayer(config, source, `model.layers.${i}`),
    );
    this.norm = new RMSNorm(source.take("model.norm.weight", [config.hiddenSize]), config.rmsNormEps);
    this.#frequencies = ropeFrequencies(config.headDim, config.ropeTheta);
  }

  /** Ids `[B, T]` to hidden states `[B, T, E]`; positions go on from the cache's. */
  forward(ids: Tensor, cache?: KvCache): Tensor {
    const backend = this.embed_tokens.weight.backend;
    const rope = ropeTables(this.#frequencies, cache?.length ?? 0, ids.shape[1]!, { backend });
    let h = this.embed_tokens.forward(ids);
    for (const [i, layer] of this.layers.entries()) {
      const before = h;
      h = tidy(() => layer.forward(before, rope, i, cache)); // a layer's values go with the layer
      before.dispose();
    }
    return this.norm.forward(h);
  }
}

/** Settings of a forward pass. */
export interface ForwardOptions {
  /** Holds the past, and takes the new keys and values. */
  readonly cache?: KvCache | undefined;
  /** Logits of the last n tokens only; of all when left out. */
  readonly logitsToKeep?: number | undefined;
}

/** A Llama that gives the next token's logits. */
export class LlamaForCausalLM extends Module {
  /** What it is made of. */
  readonly config: LlamaConfig;
  /** Embeddings, layers, norm. */
  readonly model: LlamaModel;
  /** `[V, E]`; the embeddings themselves where they are tied. */
  readonly lm_head: Linear;

  /**
   * A model of the source's tensors.
   *
   * @param source hands out the checkpoint's tensors, which the model then owns
   * @throws {ShapeError} when the config's numbers do not fit each other
   */
  constructor(config: LlamaConfig, source: ParameterSource) {
    super();
    if (config.numAttentionHeads % config.numKeyValueHeads !== 0) {
      throw new ShapeError(
        `Cannot make a Llama: ${config.numAttentionHeads} query heads do not share ${config.numKeyValueHeads} key heads evenly`,
      );
    }
    this.config = config;
    this.model = new LlamaModel(config, source);
    this.lm_head = config.tieWordEmbeddings
      ? new Linear(this.model.embed_tokens.weight)
      : Linear.from(source, "lm_head", config.hiddenSize, config.vocabSize);
  }

  /** An empty cache for one batch of sequences. */
  createCache(): KvCache {
    return new GrowableKvCache(this.config.numHiddenLayers);
  }

  /**
   * Logits of the next token after each one.
   *
   * @param ids i32 `[B, T]`, on the model's backend
   * @returns f32 `[B, T, V]`, or `[B, n, V]` with `logitsToKeep: n`
   * @throws {ShapeError} when ids are no `[B, T]` with T >= 1, one is outside the vocabulary, or they go beyond the context
   */
  forward(ids: Tensor, options: ForwardOptions = {}): Tensor {
    const past = options.cache?.length ?? 0;
    const length = ids.shape[1] ?? 0;
    if (ids.rank !== 2 || length === 0) {
      throw new ShapeError(`Cannot run a Llama on ids [${ids.shape.join(", ")}]: they are [B, T] with T >= 1`);
    }
    if (past + length > this.config.maxPositionEmbeddings) {
      throw new ShapeError(
        `Cannot run a Llama on ${length} tokens after ${past}: its context holds ${this.config.maxPositionEmbeddings}; shorten the prompt`,
      );
    }
    return tidy(() => {
      const h = this.model.forward(ids, options.cache);
      const keep = options.logitsToKeep ?? length;
      return this.lm_head.forward(h.narrow(1, length - keep, keep));
    });
  }
}
