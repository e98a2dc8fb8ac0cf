/**
 * Attention with grouped heads as the PyTorch package grouped-query-attention-pytorch has it (`MultiheadGQA`): queries, keys
 * and values of `[B, T or S, E]`, each projected; scaledDotProductGqa; MAGNETO's extra LayerNorm (Wang et al., 2022) on the
 * heads side by side; the last product. Fresh weights are Xavier-normal, those of v and out with gain gammaInit; biases 0.
 */
import { scaledDotProductGqa, ShapeError, type Tensor, tidy } from "../../core/mod.ts";
import { checkNames, showShape, showValue } from "../../core/src/errors.ts";
import { divides } from "./grouped_query_attention.ts";
import { xavierNormal, zeros } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { checkEps, LayerNorm } from "./norm.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** What a {@linkcode MultiheadGQA} is made of. */
export interface MultiheadGQAOptions {
  /** E. */
  readonly embedDim: number;
  /** H; it divides E. */
  readonly queryHeads: number;
  /** Hkv; it divides H. */
  readonly kvHeads: number;
  /** Probability that a weight is dropped in training; 0 when left out. */
  readonly dropout?: number | undefined;
  /** Whether the products have biases; true when left out. */
  readonly bias?: boolean | undefined;
  /** Whether there is a norm before the last product; true when left out. */
  readonly layerNorm?: boolean | undefined;
  /** Added to its variance; 1e-5 when left out. */
  readonly layerNormEps?: number | undefined;
  /** Gain of v's and out's fresh weights; 1 when left out. */
  readonly gammaInit?: number | undefined;
}

/** Settings of {@linkcode MultiheadGQA.forward}. */
export interface MultiheadGQAForwardOptions {
  /** Whether to return the weights. */
  readonly needWeights?: boolean | undefined;
  /** Hides keys after the query (`s <= t`). */
  readonly isCausal?: boolean | undefined;
  /** The weights' mean over the queries, as the original computes it. */
  readonly averageAttnWeights?: boolean | undefined;
  /** Which weights drop; needed in training where there is dropout, another one for each call. */
  readonly seed?: number | undefined;
}

const OPTIONS = {
  embedDim: true,
  queryHeads: true,
  kvHeads: true,
  dropout: true,
  bias: true,
  layerNorm: true,
  layerNormEps: true,
  gammaInit: true,
} as const satisfies Record<keyof MultiheadGQAOptions, true>;
const FOREIGN: Readonly<Record<string, string>> = {
  embed_dim: "embedDim",
  query_heads: "queryHeads",
  kv_heads: "kvHeads",
  layer_norm: "layerNorm",
  layer_norm_eps: "layerNormEps",
  gamma_init: "gammaInit",
  device: "the backend of the source",
  dtype: "the dtype of the source",
};
const FORWARD_OPTIONS = {
  needWeights: true,
  isCausal: true,
  averageAttnWeights: true,
  seed: true,
} as const satisfies Record<keyof MultiheadGQAForwardOptions, true>;
const FOREIGN_FORWARD: Readonly<Record<string, string>> = {
  need_weights: "needWeights",
  is_causal: "isCausal",
  causal: "isCausal",
  average_attn_weights: "averageAttnWeights",
  attn_mask: "GroupedQueryAttention, which takes masks",
};

/** Attention with grouped heads and a norm before the last product. */
export class MultiheadGQA extends Module {
  /** `[E, E]`. */
  readonly q_proj: Linear;
  /** `[Hkv * D, E]`. */
  readonly k_proj: Linear;
  /** `[Hkv * D, E]`. */
  readonly v_proj: Linear;
  /** Over E, if there is one. */
  readonly norm: LayerNorm | undefined;
  /** `[E, E]`. */
  readonly out_proj: Linear;
  readonly #headSize: number;
  readonly #dropout: number;

  /**
   * Takes `q_proj`, `k_proj`, `v_proj`, `norm` and `out_proj`.
   *
   * @throws {ShapeError} when heads or size do not divide, the head size is no multiple of 8 or above 128, or dropout is no
   * probability below 1
   */
  constructor(options: MultiheadGQAOptions, source: ParameterSource) {
    super();
    checkNames("make MultiheadGQA", options, OPTIONS, FOREIGN);
    const { embedDim, queryHeads, kvHeads, bias, layerNorm = true, layerNormEps, gammaInit = 1 } = options;
    checkMultiheadGQA(options);
    this.#headSize = embedDim / queryHeads;
    this.#dropout = options.dropout ?? 0;
    const product = (name: string, outFeatures: number, gain = 1): Linear => {
      const initWeight = xavierNormal({ gain });
      return new Linear(
        { inFeatures: embedDim, outFeatures, bias, initWeight, initBias: zeros() },
        within(source, name),
      );
    };
    const keySize = kvHeads * this.#headSize;
    this.q_proj = product("q_proj", embedDim);
    this.k_proj = product("k_proj", keySize);
    this.v_proj = product("v_proj", keySize, gammaInit);
    this.norm = layerNorm ? new LayerNorm({ size: embedDim, eps: layerNormEps }, within(source, "norm")) : undefined;
    this.out_proj = product("out_proj", embedDim, gammaInit);
  }

  /**
   * Attends.
   *
   * @param query `[B, T, E]`
   * @param key `[B, S, E]`
   * @param value `[B, S, E]`
   * @returns the output `[B, T, E]`, and the weights `[B, T, S, H]`, or `[B, S, H]` averaged, where they are needed
   * @throws {ShapeError} when an operand is of another shape, or batches or key lengths differ
   */
  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadGQAForwardOptions = {},
  ): [output: Tensor, weights: Tensor | undefined] {
    checkNames("run MultiheadGQA", options, FORWARD_OPTIONS, FOREIGN_FORWARD);
    this.#check(query, key, value);
    const heads = (x: Tensor) => x.unflatten(2, [-1, this.#headSize]); // [B, T, H * D] -> [B, T, H, D]
    return tidy(() => {
      const [attended, weights] = scaledDotProductGqa({
        query: heads(this.q_proj.forward(query)),
        key: heads(this.k_proj.forward(key)),
        value: heads(this.v_proj.forward(value)),
      }, {
        isCausal: options.isCausal ?? false,
        needWeights: options.needWeights,
        averageAttnWeights: options.averageAttnWeights,
        ...(this.training && this.#dropout > 0 ? { dropout: this.#dropout, seed: options.seed } : {}),
      });
      const joined = attended.flatten(2); // [B, T, E]
      return [this.out_proj.forward(this.norm?.forward(joined) ?? joined), weights];
    });
  }

  #check(query: Tensor, key: Tensor, value: Tensor): void {
    const size = this.q_proj.weight.shape[1]!;
    const wrong = [query, key, value].some((x) => x.rank !== 3 || x.shape[2] !== size || x.shape[0] !== query.shape[0]);
    if (!wrong && key.shape[1] === value.shape[1]) return;
    throw new ShapeError(
      `Cannot run MultiheadGQA with query ${showShape(query.shape)}, key ${showShape(key.shape)}, ` +
        `value ${showShape(value.shape)}: they should be [B, T, E], [B, S, E] and [B, S, E] with E = ${size}`,
    );
  }
}

const LARGEST_HEAD = 128; // the original's limit, FlashAttention's of its time

function checkMultiheadGQA(options: MultiheadGQAOptions): void {
  const { embedDim, queryHeads, kvHeads, dropout = 0, layerNormEps = 0, gammaInit = 1 } = options;
  const refuse = (why: string) =>
    new ShapeError(`Cannot make MultiheadGQA of embedDim ${embedDim}, ${queryHeads} and ${kvHeads} heads: ${why}`);
  if (!divides(kvHeads, queryHeads)) throw refuse(`queryHeads should be a multiple of kvHeads`);
  if (!divides(queryHeads, embedDim)) throw refuse(`embedDim should be a multiple of queryHeads`);
  const headSize = embedDim / queryHeads;
  if (headSize % 8 !== 0) throw refuse(`the head size ${headSize} should be a multiple of 8`);
  if (headSize > LARGEST_HEAD) throw refuse(`the head size ${headSize} should be at most ${LARGEST_HEAD}`);
  if (!(dropout >= 0 && dropout < 1)) throw refuse(`dropout ${showValue(dropout)} is no probability below 1`);
  if (!Number.isFinite(gammaInit)) throw refuse(`gammaInit ${showValue(gammaInit)} is no finite number`);
  checkEps("MultiheadGQA", "layerNormEps", layerNormEps);
}
