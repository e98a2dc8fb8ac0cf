/**
 * Llama without its last product (`LlamaModel` in Hugging Face's `modeling_llama.py`): embeddings, N layers of (RMSNorm,
 * attention, RMSNorm, gated MLP), RMSNorm.
 */
import {
  type DType,
  DTypeError,
  isBlock,
  type KvCache,
  type RopeFrequencies,
  ropeFrequencies,
  type RopeTables,
  ropeTables,
  ShapeError,
  type Tensor,
  tidy,
} from "../../core/mod.ts";
import { checkNames, showValue } from "../../core/src/errors.ts";
import { takeBack, tokensBeforeModel } from "./cached_tokens.ts";
import { Embedding } from "./embedding.ts";
import { normal } from "./init.ts";
import type { LlamaAttentionOptions } from "./llama_attention.ts";
import { checkLlamaConfig, type LlamaConfig, rotaryDim } from "./llama_config.ts";
import { LlamaDecoderLayer } from "./llama_decoder_layer.ts";
import { outsideVocabulary, paddedPositions, scoreMask } from "./llama_mask.ts";
import { checkLlamaNames, checkReturns, INPUTS } from "./llama_options.ts";
import { Module } from "./module.ts";
import { RMSNorm } from "./norm.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** How a Llama computes. */
export interface LlamaOptions {
  /**
   * The dtype of activations, and so of hidden states, attention weights, caches and logits: f32, f16, bf16 or f64. When left
   * out it is that of the embeddings, f32 where those are block-quantised.
   */
  readonly dtype?: DType | undefined;
}

const OPTIONS = { dtype: true } as const satisfies Record<keyof LlamaOptions, true>;
const FOREIGN = { torch_dtype: "dtype", device: "a source of parameters on that backend" };
const FLOATS: readonly DType[] = ["f32", "f16", "bf16", "f64"];

/** What a pass is told of its tokens. */
export interface LlamaTokenInputs {
  /**
   * `[B, S]` (i32, u8 or bool) of 0 for padding and 1 for tokens, the cached ones included: padding is not attended to.
   * Or `[B, 1, T, S]`, bool (true: may attend) or float (added to the scores). Later tokens are hidden in any case.
   */
  readonly attentionMask?: Tensor | undefined;
  /** i32 `[B, T]` or `[T]`. When left out they go on from the cache's, or count the mask's tokens where it is `[B, S]`. */
  readonly positionIds?: Tensor | undefined;
}

/** What a pass is told of its tokens, and of those before them. */
export interface LlamaInputs extends LlamaTokenInputs {
  /**
   * Holds the past, and takes the new keys and values: one with as many layers as the model. When a pass fails it is as it
   * was (a window that cannot go back so far is cleared).
   */
  readonly cache?: KvCache | undefined;
}

/** What a pass can give besides its result. */
export type LlamaReturn = "hiddenStates" | "attentions";

/** What {@linkcode LlamaModel.outputs} gives. */
export interface LlamaModelOutputs {
  /** After the last norm, `[B, T, E]`. */
  readonly lastHiddenState: Tensor;
  /** After the embeddings and after each layer, the last one normalised, `[B, T, E]` each; where asked for. */
  readonly hiddenStates?: readonly Tensor[];
  /** Weights of each layer, `[B, H, T, S]` each; where asked for. */
  readonly attentions?: readonly Tensor[];
}

/** Embeddings, layers, and the last norm. */
export class LlamaModel extends Module {
  /** `[V, E]`. */
  readonly embed_tokens: Embedding;
  /** The layers. */
  readonly layers: readonly LlamaDecoderLayer[];
  /** The last norm. */
  readonly norm: RMSNorm;
  readonly #frequencies: RopeFrequencies;
  readonly #dtype: DType | undefined;

  /**
   * Takes all its parts.
   *
   * @throws {ShapeError} when the config's numbers do not fit each other, or an option is unknown
   * @throws {DTypeError} when activations cannot be of that dtype
   */
  constructor(config: LlamaConfig, source: ParameterSource, options: LlamaOptions = {}) {
    super();
    checkLlamaConfig(config);
    this.#dtype = dtypeOf(options);
    const { vocabSize: numEmbeddings, hiddenSize, padTokenId: paddingIdx, initializerRange: std = 0.02 } = config;
    const table = { numEmbeddings, embeddingDim: hiddenSize, paddingIdx, initWeight: normal({ std }) };
    this.embed_tokens = new Embedding(table, within(source, "embed_tokens"));
    this.layers = Array.from(
      { length: config.numHiddenLayers },
      (_, i) => new LlamaDecoderLayer(config, within(source, `layers.${i}`)),
    );
    this.norm = new RMSNorm({ size: hiddenSize, eps: config.rmsNormEps }, within(source, "norm"));
    this.#frequencies = ropeFrequencies(rotaryDim(config), config.ropeTheta, config.ropeScaling);
  }

  /** The dtype of activations. */
  get dtype(): DType {
    const { dtype } = this.embed_tokens.weight;
    return this.#dtype ?? (isBlock(dtype) ? "f32" : dtype);
  }

  /**
   * Hidden states of new tokens, and what else is asked for.
   *
   * @param ids i32 `[B, T]`
   * @param returns what to give besides; each keeps memory that a plain pass frees
   * @throws {ShapeError} when an id is outside the vocabulary, or the cache does not fit the model
   */
  outputs(ids: Tensor, inputs: LlamaInputs = {}, returns: readonly LlamaReturn[] = []): LlamaModelOutputs {
    checkLlamaNames(inputs, INPUTS);
    checkReturns(returns);
    const { cache } = inputs;
    const past = tokensBeforeModel(cache, this.layers.length);
    try {
      return this.#run(ids, past, inputs, returns);
    } catch (error) {
      if (cache !== undefined) takeBack(cache, past); // some layers had taken the tokens already
      throw error;
    }
  }

  #run(ids: Tensor, past: number, inputs: LlamaInputs, returns: readonly LlamaReturn[]): LlamaModelOutputs {
    const keeps = returns.includes("hiddenStates");
    return tidy(() => {
      const options = { cache: inputs.cache, ...this.#describe(ids, past, inputs) };
      const states: Tensor[] = [];
      const attentions: Tensor[] = [];
      let h = this.#embed(ids);
      for (const [layer, block] of this.layers.entries()) {
        const before = h;
        if (returns.includes("attentions")) {
          const { output, weights } = block.outputs(before, { ...options, layer });
          h = output;
          attentions.push(weights);
        } else h = block.forward(before, { ...options, layer });
        if (keeps) states.push(before);
        else before.dispose();
      }
      const lastHiddenState = this.norm.forward(h);
      return {
        lastHiddenState,
        ...(keeps ? { hiddenStates: [...states, lastHiddenState] } : {}),
        ...(returns.includes("attentions") ? { attentions } : {}),
      };
    });
  }

  /** `[B, T, E]`. Only the lookup itself sees the ids: reading them before would wait for the device. */
  #embed(ids: Tensor): Tensor {
    const { dtype } = this;
    try {
      const rows = this.embed_tokens.forward(ids);
      if (rows.dtype === dtype) return rows;
      using stored = rows;
      return stored.to(dtype);
    } catch (error) {
      throw error instanceof ShapeError ? outsideVocabulary(ids, this.embed_tokens.weight.shape[0]!, error) : error;
    }
  }

  /** The rotations of the new tokens, and who may attend to whom. */
  #describe(
    ids: Tensor,
    past: number,
    { attentionMask, positionIds }: LlamaInputs,
  ): Omit<LlamaAttentionOptions, "layer" | "cache"> {
    const length = ids.shape[1]!;
    const padding = attentionMask?.rank === 2 ? attentionMask : undefined;
    const positions = positionIds ?? (padding === undefined ? undefined : paddedPositions(padding, length));
    const rope = this.#rotations(positions ?? { start: past, length });
    return { rope, mask: attentionMask === undefined ? undefined : scoreMask(attentionMask, length) };
  }

  #rotations(positions: Tensor | { start: number; length: number }): RopeTables {
    return ropeTables(this.#frequencies, positions, { backend: this.embed_tokens.weight.backend });
  }
}

/** @throws {ShapeError} {DTypeError} when an option is unknown, or activations cannot be of that dtype */
function dtypeOf(options: LlamaOptions): DType | undefined {
  checkNames("make a Llama", options, OPTIONS, FOREIGN);
  const { dtype } = options;
  if (dtype === undefined || FLOATS.includes(dtype)) return dtype;
  throw new DTypeError(
    `Cannot make a Llama with dtype ${showValue(dtype)}: activations are f32, f16, bf16 or f64`,
  );
}
