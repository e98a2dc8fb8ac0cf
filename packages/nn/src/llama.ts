/**
 * Llama as a language model (`LlamaForCausalLM` in Hugging Face's `modeling_llama.py`), in its module tree, so that
 * checkpoints load by name: {@linkcode LlamaModel} and a product with the vocabulary.
 *
 * Letters: B batch, T new tokens, S all tokens, H query heads, E hidden size, V words.
 */
import { crossEntropy, type DType, GrowableKvCache, type KvCache, ShapeError, Tensor, tidy } from "../../core/mod.ts";
import { showShape, showValue } from "../../core/src/errors.ts";
import { sameShape } from "../../core/src/shape.ts";
import { tokensBeforeModel } from "./cached_tokens.ts";
import type { Linear } from "./linear.ts";
import { checkLlamaConfig, type LlamaConfig } from "./llama_config.ts";
import { checkModelMask, checkPositions } from "./llama_mask.ts";
import { llamaLinear } from "./llama_mlp.ts";
import {
  type LlamaInputs,
  LlamaModel,
  type LlamaOptions,
  type LlamaReturn,
  type LlamaTokenInputs,
} from "./llama_model.ts";
import { checkLlamaNames, checkLossNames, FORWARD, OUTPUTS } from "./llama_options.ts";
import { Module } from "./module.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** Settings of a forward pass. */
export interface ForwardOptions extends LlamaInputs {
  /** Logits of the last n tokens only; of all when left out. */
  readonly logitsToKeep?: number | undefined;
}

/** Settings of {@linkcode LlamaForCausalLM.outputs}. */
export interface OutputsOptions extends ForwardOptions {
  /** What to give besides the logits. */
  readonly returns?: readonly LlamaReturn[] | undefined;
}

/** What {@linkcode LlamaForCausalLM.outputs} gives. */
export interface CausalLMOutputs {
  /** `[B, T, V]`, or `[B, n, V]` with `logitsToKeep: n`, in the model's dtype. */
  readonly logits: Tensor;
  /** After the embeddings and after each layer, the last one normalised, `[B, T, E]` each; where asked for. */
  readonly hiddenStates?: readonly Tensor[];
  /** Attention weights of each layer, `[B, H, T, S]` each; where asked for. */
  readonly attentions?: readonly Tensor[];
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
   * A model of the source's tensors, which it then owns.
   *
   * @param source a checkpoint, `initialized({ backend, seed })`, `fromStateDict(state)`
   * @param options the activations' dtype; that of the embeddings when left out
   * @throws {ShapeError} when the config's numbers do not fit each other, or an option is unknown
   * @throws {DTypeError} when activations cannot be of that dtype
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { createScalarBackend } from "@heed/heed/backend-scalar";
   * import { tensor } from "@heed/heed/core";
   * import { initialized, LlamaForCausalLM } from "@heed/heed/nn";
   *
   * const backend = createScalarBackend();
   * const config = {
   *   ...{ vocabSize: 11, hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 1, maxPositionEmbeddings: 16 },
   *   ...{ numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4, rmsNormEps: 1e-5, ropeTheta: 10000 },
   *   ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true },
   * };
   * using model = new LlamaForCausalLM(config, initialized({ backend, seed: 1 })).requiresGrad_();
   * using ids = tensor(Int32Array.of(3, 1, 4, 1), { shape: [1, 4], backend });
   * using loss = model.loss(ids, ids);
   * loss.backward();
   * assertEquals(model.model.embed_tokens.weight.grad?.shape, [11, 8]);
   * ```
   */
  constructor(config: LlamaConfig, source: ParameterSource, options: LlamaOptions = {}) {
    super();
    checkLlamaConfig(config);
    this.config = config;
    this.model = new LlamaModel(config, within(source, "model"), options);
    const head = config.tieWordEmbeddings
      ? { take: () => this.model.embed_tokens.weight } // the same tensor in two places
      : within(source, "lm_head");
    this.lm_head = llamaLinear(config, config.hiddenSize, config.vocabSize, false, head);
  }

  /** The dtype of activations and logits. */
  get dtype(): DType {
    return this.model.dtype;
  }

  /** An empty cache for one batch of sequences. */
  createCache(): KvCache {
    return new GrowableKvCache(this.config.numHiddenLayers);
  }

  /**
   * Logits of the next token after each one.
   *
   * @param ids i32 `[B, T]`, on the model's backend
   * @returns `[B, T, V]`, or `[B, n, V]` with `logitsToKeep: n`, in the model's {@linkcode dtype}
   * @throws {ShapeError} when ids are no `[B, T]` with T >= 1, one is outside the vocabulary, they go beyond the context, mask,
   * positions or logitsToKeep do not fit them, or the cache does not fit the model
   */
  forward(ids: Tensor, options: ForwardOptions = {}): Tensor {
    checkLlamaNames(options, FORWARD);
    return this.outputs(ids, options).logits;
  }

  /** Logits, and hidden states and attention weights where asked for. @throws {ShapeError} as {@linkcode forward} */
  outputs(ids: Tensor, options: OutputsOptions = {}): CausalLMOutputs {
    checkLlamaNames(options, OUTPUTS);
    this.#check(ids, options);
    const { logitsToKeep, returns, ...inputs } = options;
    return tidy(() => {
      const { lastHiddenState, ...rest } = this.model.outputs(ids, inputs, returns);
      const length = ids.shape[1]!;
      const keep = logitsToKeep ?? length;
      return { logits: this.lm_head.forward(lastHiddenState.narrow(1, length - keep, keep)), ...rest };
    });
  }

  /**
   * Mean cross entropy of each next token, as Hugging Face's `labels`: they are shifted here, so ids may serve as labels.
   * Logits of halves are widened first.
   *
   * @param ids i32 `[B, T]`
   * @param labels i32 `[B, T]`; -100 does not count
   * @returns a scalar, f32 (f64 of a f64 model)
   * @throws {ShapeError} when labels have another shape than ids, or as {@linkcode forward}
   */
  loss(ids: Tensor, labels: Tensor, options: LlamaTokenInputs = {}): Tensor {
    checkLossNames(options);
    checkIds(ids);
    checkIds(labels);
    const length = ids.shape[1] ?? 0;
    if (!sameShape(ids.shape, labels.shape) || length < 2) {
      throw new ShapeError(
        `Cannot take the loss of ids ${showShape(ids.shape)} with labels ${showShape(labels.shape)}: ` +
          `both are [B, T] with T >= 2, since each token is predicted from those before it`,
      );
    }
    return tidy(() => {
      const predictions = this.forward(ids, options).narrow(1, 0, length - 1).flatten(0, 1); // [B * (T - 1), V]
      const wide = predictions.to(this.dtype === "f64" ? "f64" : "f32");
      return crossEntropy(wide, labels.narrow(1, 1, length - 1).flatten());
    });
  }

  #check(ids: Tensor, { cache, attentionMask, positionIds, logitsToKeep: keep }: ForwardOptions): void {
    checkIds(ids);
    const past = tokensBeforeModel(cache, this.config.numHiddenLayers);
    const length = ids.shape[1] ?? 0;
    const refuse = (what: string) => new ShapeError(`Cannot run a Llama on ${what}`);
    if (ids.rank !== 2 || length === 0) throw refuse(`ids ${showShape(ids.shape)}: they are [B, T] with T >= 1`);
    const room = this.config.maxPositionEmbeddings;
    if (past + length > room) {
      throw refuse(`${length} tokens after ${past}: its context holds ${room}; shorten the prompt`);
    }
    if (keep !== undefined && !(Number.isInteger(keep) && keep >= 0 && keep <= length)) {
      throw refuse(`ids ${showShape(ids.shape)} with logitsToKeep ${keep}: it is a count from 0 to ${length}`);
    }
    if (attentionMask !== undefined) checkModelMask(ids, attentionMask, past + length);
    if (positionIds !== undefined) checkPositions(ids, positionIds);
  }
}

/** From JavaScript anything may come, lists of numbers first of all. */
function checkIds(ids: unknown): void {
  if (ids instanceof Tensor) return;
  throw new ShapeError(
    `Cannot run a Llama on ${showValue(ids)}: ids and labels are tensors; use tensor(rows, { dtype: "i32", backend })`,
  );
}
