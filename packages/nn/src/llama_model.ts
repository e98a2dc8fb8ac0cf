/**
 * Llama without its last product (`LlamaModel` in Hugging Face's `modeling_llama.py`): embeddings, N layers of (RMSNorm,
 * attention, RMSNorm, gated MLP), RMSNorm.
 */
import {
  type KvCache,
  type RopeFrequencies,
  ropeFrequencies,
  type RopeTables,
  ropeTables,
  type Tensor,
  tidy,
} from "../../core/mod.ts";
import { Embedding } from "./embedding.ts";
import { normal } from "./init.ts";
import type { LlamaAttentionOptions } from "./llama_attention.ts";
import { type LlamaConfig, rotaryDim } from "./llama_config.ts";
import { LlamaDecoderLayer } from "./llama_decoder_layer.ts";
import { paddedPositions, scoreMask } from "./llama_mask.ts";
import { Module } from "./module.ts";
import { RMSNorm } from "./norm.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** What a pass is told of its tokens. */
export interface LlamaInputs {
  /** Holds the past, and takes the new keys and values. */
  readonly cache?: KvCache | undefined;
  /**
   * `[B, S]` (i32, u8 or bool) of 0 for padding and 1 for tokens, the cached ones included: padding is not attended to.
   * Or `[B, 1, T, S]`, bool (true: may attend) or float (added to the scores). Later tokens are hidden in any case.
   */
  readonly attentionMask?: Tensor | undefined;
  /** i32 `[B, T]` or `[T]`. When left out they go on from the cache's, or count the mask's tokens where it is `[B, S]`. */
  readonly positionIds?: Tensor | undefined;
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

  /** Takes all its parts. */
  constructor(config: LlamaConfig, source: ParameterSource) {
    super();
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

  /**
   * Hidden states of new tokens, and what else is asked for.
   *
   * @param ids i32 `[B, T]`
   * @param returns what to give besides; each keeps memory that a plain pass frees
   * @throws {ShapeError} when an id is outside the vocabulary
   */
  outputs(ids: Tensor, inputs: LlamaInputs = {}, returns: readonly LlamaReturn[] = []): LlamaModelOutputs {
    const { cache } = inputs;
    const past = cache?.length ?? 0;
    try {
      return this.#run(ids, inputs, returns);
    } catch (error) {
      cache?.truncate(past); // some layers had taken the tokens already
      throw error;
    }
  }

  #run(ids: Tensor, inputs: LlamaInputs, returns: readonly LlamaReturn[]): LlamaModelOutputs {
    const keeps = returns.includes("hiddenStates");
    return tidy(() => {
      const options = { cache: inputs.cache, ...this.#describe(ids, inputs) };
      const states: Tensor[] = [];
      const attentions: Tensor[] = [];
      let h = this.embed_tokens.forward(ids);
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

  /** The rotations of the new tokens, and who may attend to whom. */
  #describe(ids: Tensor, { cache, attentionMask, positionIds }: LlamaInputs): Omit<LlamaAttentionOptions, "layer"> {
    const length = ids.shape[1]!;
    const padding = attentionMask?.rank === 2 ? attentionMask : undefined;
    const positions = positionIds ?? (padding === undefined ? undefined : paddedPositions(padding, length));
    const rope = this.#rotations(positions ?? { start: cache?.length ?? 0, length });
    return { rope, mask: attentionMask === undefined ? undefined : scoreMask(attentionMask, length) };
  }

  #rotations(positions: Tensor | { start: number; length: number }): RopeTables {
    return ropeTables(this.#frequencies, positions, { backend: this.embed_tokens.weight.backend });
  }
}
