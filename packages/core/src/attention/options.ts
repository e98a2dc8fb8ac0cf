/**
 * What attention can be asked for. One table of options serves the plain call, the cached one and every kernel; SEMANTICS of
 * each are here, docs/attention.md draws them.
 *
 * Letters: B batch, T queries, S keys, H query heads, Hkv key/value heads, D head size, Dv value head size. `p(t)` is the
 * position of query t: `t` with causal "upper-left", else `t + S - T`, the alignment of cached decoding.
 */
import type { Tensor } from "../tensor.ts";
import type { BlockMask } from "./block_mask.ts";

/** Which keys a query sees by position: PyTorch's `is_causal` (`s <= t`), or aligned at the end (`s <= t + S - T`). */
export type CausalAlignment = "upper-left" | "lower-right";

/** How query heads share key heads: `floor(h / G)` (PyTorch, Llama), or `h mod Hkv`. */
export type HeadGrouping = "contiguous" | "interleaved";

/** Keys near the query's position, both ends included. */
export interface AttentionWindow {
  /** Positions seen before p(t); all when left out. */
  readonly left?: number | undefined;
  /** Positions seen after p(t); all when left out. */
  readonly right?: number | undefined;
  /** Positions from the start that `left` does not hide (StreamingLLM's attention sinks); none when left out. */
  readonly sinkTokens?: number | undefined;
}

/** Index tensors (i32) of a score, each of four dims, to be broadcast: batch row, query head, p(t), position of the key. */
export type AttentionIndices = readonly [b: Tensor, h: Tensor, t: Tensor, s: Tensor];

/** Whether a query may attend to a key, as a bool tensor that broadcasts to `[B, H, T, S]` (FlexAttention's `mask_mod`). */
export type MaskMod = (...indices: AttentionIndices) => Tensor;

/** Scores `[B, H, T, S]`, scaled and softcapped, to others of that shape (FlexAttention's `score_mod`). */
export type ScoreMod = (score: Tensor, ...indices: AttentionIndices) => Tensor;

/** Settings of {@linkcode scaledDotProductAttention}; they all combine. */
export interface AttentionOptions {
  /** Bool (true: may attend) or float (added to the scores); broadcasts to `[B, H, T, S]`. */
  readonly mask?: Tensor | undefined;
  /** Hides later keys. Cached decoding is `"lower-right"`; the two agree when T = S. */
  readonly causal?: CausalAlignment | undefined;
  /** Hides keys far from the query. */
  readonly window?: AttentionWindow | undefined;
  /** Factor of `q · k`; `1 / sqrt(D)` when left out. */
  readonly scale?: number | undefined;
  /** Bounds scores: `softcap * tanh(score / softcap)` (Gemma 2). */
  readonly softcap?: number | undefined;
  /** `[H]`: adds `slope * (s - p(t))` (Press et al., 2021). */
  readonly alibiSlopes?: Tensor | undefined;
  /** `[H]`: one more logit a head, which takes probability and no value. */
  readonly sinks?: Tensor | undefined;
  /** i32 `[B]`: keys from there on do not exist; p(t) counts from each row's length. */
  readonly keyLengths?: Tensor | undefined;
  /** p(0), where queries are neither the first nor the last tokens: a whole number that takes the alignment's place. */
  readonly offset?: number | undefined;
  /** `"contiguous"` when left out. */
  readonly headGrouping?: HeadGrouping | undefined;
  /** Probability that a weight is dropped; the others are scaled by `1 / (1 - dropout)`. */
  readonly dropout?: number | undefined;
  /** Which weights drop; another one for each call. Needed with `dropout`. */
  readonly seed?: number | undefined;
  /** Hides what it says false of. */
  readonly maskMod?: MaskMod | undefined;
  /** Changes scores, before masks. */
  readonly scoreMod?: ScoreMod | undefined;
  /** Hides whole blocks, which fused kernels then skip. */
  readonly blockMask?: BlockMask | undefined;
}

/** Stages of a score: the product, times scale, softcapped, with biases added and -Infinity where hidden. */
export type ScoreStage = "raw" | "scaled" | "softcapped" | "masked";

/** What {@linkcode attention} gives besides the output. */
export interface AttentionReturns {
  /** Weights `[B, H, T, S]` as they multiply the values, after dropout; `"mean"` averages over heads, `[B, T, S]`. */
  readonly weights?: true | "mean";
  /** `[B, H, T]`, sinks included; -Infinity for a row that attends to nothing. */
  readonly logSumExp?: true;
  /** Scores `[B, H, T, S]` at a stage. */
  readonly scores?: ScoreStage;
}

/** The output `[B, H, T, Dv]`, and what was asked for. */
export type AttentionResult<R extends AttentionReturns> =
  & { readonly output: Tensor }
  & {
    readonly [K in keyof R]: Tensor;
  };
