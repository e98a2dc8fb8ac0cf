/**
 * Self-attention with learned projections and grouped heads (Ainslie et al., 2023): `[B, T, E] -> [B, T, E]`.
 *
 * Query head h reads key head `floor(h / (numHeads / numGroups))`. As many groups as heads is multi-head attention (Vaswani
 * et al., 2017), one group multi-query attention (Shazeer, 2019): one implementation, three names.
 */
import {
  attention,
  type AttentionOptions,
  scaledDotProductAttention,
  ShapeError,
  type Tensor,
  tidy,
} from "../../core/mod.ts";
import { checkNames, showShape } from "../../core/src/errors.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { type ParameterSource, within } from "./parameter_source.ts";

/** What {@linkcode MultiHeadAttention} and {@linkcode MultiQueryAttention} are made of. */
export interface MultiHeadAttentionOptions {
  /** E. */
  readonly hiddenSize: number;
  /** H; it divides E. */
  readonly numHeads: number;
  /** Whether the four products have biases; true when left out. */
  readonly bias?: boolean | undefined;
}

/** What {@linkcode GroupedQueryAttention} is made of. */
export interface GroupedQueryAttentionOptions extends MultiHeadAttentionOptions {
  /** Hkv: key and value heads; it divides H. */
  readonly numGroups: number;
}

/** An attention layer's result and weights. */
export interface AttentionLayerOutputs {
  /** `[B, T, E]`. */
  readonly output: Tensor;
  /** `[B, H, T, T]`, as they multiply the values. */
  readonly weights: Tensor;
}

const MULTI_HEAD_OPTIONS = {
  hiddenSize: true,
  numHeads: true,
  bias: true,
} as const satisfies Record<keyof MultiHeadAttentionOptions, true>;
const OPTIONS = { ...MULTI_HEAD_OPTIONS, numGroups: true } as const satisfies Record<
  keyof GroupedQueryAttentionOptions,
  true
>;
const FOREIGN: Readonly<Record<string, string>> = {
  embed_dim: "hiddenSize",
  embedDim: "hiddenSize",
  hidden_size: "hiddenSize",
  num_heads: "numHeads",
  num_groups: "numGroups",
  numGroups: "GroupedQueryAttention, which takes groups",
  num_kv_heads: "numGroups",
  num_key_value_heads: "numGroups",
  numKeyValueHeads: "numGroups",
  kvHeads: "numGroups",
};

/** Self-attention whose query heads share key heads in groups. */
export class GroupedQueryAttention extends Module {
  /** `[E, E]`. */
  readonly q_linear: Linear;
  /** `[Hkv * D, E]`. */
  readonly k_linear: Linear;
  /** `[Hkv * D, E]`. */
  readonly v_linear: Linear;
  /** `[E, E]`. */
  readonly o_linear: Linear;
  readonly #headSize: number;

  /**
   * Takes `q_linear`, `k_linear`, `v_linear` and `o_linear`.
   *
   * @throws {ShapeError} when the heads do not divide the hidden size, or the groups the heads
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { createScalarBackend } from "@heed/heed/backend-scalar";
   * import { randn } from "@heed/heed/core";
   * import { GroupedQueryAttention, initialized } from "@heed/heed/nn";
   *
   * const backend = createScalarBackend();
   * using layer = new GroupedQueryAttention({ hiddenSize: 32, numHeads: 4, numGroups: 2 }, initialized({ backend }));
   * using x = randn([1, 5, 32], { seed: 1, backend });
   * using output = layer.forward(x, { causal: "upper-left" });
   * assertEquals(output.shape, [1, 5, 32]);
   * ```
   */
  constructor(options: GroupedQueryAttentionOptions, source: ParameterSource) {
    super();
    checkNames("make GroupedQueryAttention", options, OPTIONS, FOREIGN);
    const { hiddenSize, numHeads, numGroups, bias } = options;
    const refuse = (why: string) =>
      new ShapeError(`Cannot make an attention layer of hidden size ${hiddenSize}: ${why}`);
    if (!divides(numHeads, hiddenSize)) throw refuse(`its ${numHeads} heads should divide it`);
    if (!divides(numGroups, numHeads)) throw refuse(`its ${numGroups} groups should divide its ${numHeads} heads`);
    this.#headSize = hiddenSize / numHeads;
    const product = (name: string, outFeatures: number): Linear =>
      new Linear({ inFeatures: hiddenSize, outFeatures, bias }, within(source, name));
    this.q_linear = product("q_linear", hiddenSize);
    this.k_linear = product("k_linear", numGroups * this.#headSize);
    this.v_linear = product("v_linear", numGroups * this.#headSize);
    this.o_linear = product("o_linear", hiddenSize);
  }

  /**
   * Attends.
   *
   * @param x `[B, T, E]`
   * @param options masks (`[T, T]`, `[B, 1, T, T]`, `[B, H, T, T]`), `causal` and all else that attention takes
   * @returns `[B, T, E]`
   * @throws {ShapeError} {DTypeError} when x is no `[B, T, E]`, or as scaledDotProductAttention
   */
  forward(x: Tensor, options: AttentionOptions = {}): Tensor {
    return tidy(() => this.#join(scaledDotProductAttention(...this.#project(x), options)));
  }

  /** The same, with the weights. @throws {ShapeError} {DTypeError} as {@linkcode forward} */
  outputs(x: Tensor, options: AttentionOptions = {}): AttentionLayerOutputs {
    return tidy(() => {
      const { output, weights } = attention(...this.#project(x), { ...options, returns: { weights: true } });
      return { output: this.#join(output), weights };
    });
  }

  /** Query `[B, H, T, D]`, key and value `[B, Hkv, T, D]`. */
  #project(x: Tensor): [query: Tensor, key: Tensor, value: Tensor] {
    const hiddenSize = this.q_linear.weight.shape[1]!;
    if (x.rank !== 3 || x.shape[2] !== hiddenSize) {
      throw new ShapeError(`Cannot attend to ${showShape(x.shape)}: it should be [B, T, E] with E = ${hiddenSize}`);
    }
    const heads = (h: Tensor) => h.unflatten(2, [-1, this.#headSize]).transpose(1, 2);
    return [
      heads(this.q_linear.forward(x)),
      heads(this.k_linear.forward(x)),
      heads(this.v_linear.forward(x)),
    ];
  }

  /** Heads side by side, and the last product: `[B, H, T, D] -> [B, T, E]`. */
  #join(heads: Tensor): Tensor {
    return this.o_linear.forward(heads.transpose(1, 2).flatten(2));
  }
}

/** Self-attention with a key head for each query head. */
export class MultiHeadAttention extends GroupedQueryAttention {
  /** Takes what GroupedQueryAttention takes. @throws {ShapeError} when the heads do not divide the hidden size */
  constructor(options: MultiHeadAttentionOptions, source: ParameterSource) {
    checkNames("make MultiHeadAttention", options, MULTI_HEAD_OPTIONS, FOREIGN);
    super({ ...options, numGroups: options.numHeads }, source);
  }
}

/** Self-attention whose query heads all share one key head. */
export class MultiQueryAttention extends GroupedQueryAttention {
  /** Takes what GroupedQueryAttention takes. @throws {ShapeError} when the heads do not divide the hidden size */
  constructor(options: MultiHeadAttentionOptions, source: ParameterSource) {
    checkNames("make MultiQueryAttention", options, MULTI_HEAD_OPTIONS, FOREIGN);
    super({ ...options, numGroups: 1 }, source);
  }
}

/** Whether a count is one, and divides a size without rest. */
export function divides(count: number, size: number): boolean {
  return Number.isSafeInteger(count) && count >= 1 && Number.isSafeInteger(size) && size >= 1 && size % count === 0;
}
