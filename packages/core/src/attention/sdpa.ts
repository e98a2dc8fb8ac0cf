/**
 * Scaled dot-product attention with grouped heads (PyTorch's `scaled_dot_product_attention`; GQA: Ainslie et al., 2023):
 * `softmax(q · kᵀ * scale + mask) · v`, query head h reading key head `floor(h / G)`, `G = H / Hkv`.
 *
 * The heads of a group are folded into rows, `[B, Hkv, G * T, D]`, so that keys and values are read as they lie and never
 * repeated. A row with no key to attend to gives zeros, never NaN.
 */
import { filled } from "../ops/primitives/fill.ts";
import { where } from "../ops/primitives/where.ts";
import { matmul } from "../ops/primitives/matmul.ts";
import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";

/** Which keys a query sees by position: PyTorch's `is_causal` (`s <= t`), or aligned at the end (`s <= t + S - T`). */
export type CausalAlignment = "upper-left" | "lower-right";

/** Settings of {@linkcode scaledDotProductAttention}. */
export interface AttentionOptions {
  /** Bool (true: may attend) or float (added to the scores); broadcasts to `[B, H, T, S]`. */
  readonly mask?: Tensor | undefined;
  /** Hides later keys. Cached decoding is `"lower-right"`; the two agree when T = S. */
  readonly causal?: CausalAlignment | undefined;
  /** Factor of the scores; `1 / sqrt(D)` when left out. */
  readonly scale?: number | undefined;
}

/**
 * Attention.
 *
 * @param query `[B, H, T, D]`
 * @param key `[B, Hkv, S, D]`, Hkv dividing H
 * @param value `[B, Hkv, S, Dv]`
 * @returns `[B, H, T, Dv]` in query's dtype
 * @throws {ShapeError} naming all shapes, when they do not fit
 * @throws {DTypeError} when the mask is neither bool nor float
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  check(query, key, value);
  checkCausal(options.causal);
  const [batch, heads, length, size] = query.shape as [number, number, number, number]; // rank 4, checked
  const [keyHeads, keys] = [key.shape[1]!, key.shape[2]!];
  const rows = (heads / keyHeads) * length;
  return tidy(() => {
    if (keys === 0) return filled(query.backend, [batch, heads, length, value.shape[3]!], query.dtype, 0);
    const scale = options.scale ?? 1 / Math.sqrt(size);
    const folded = query.mul(scale).reshape([batch, keyHeads, rows, size]);
    const raw = matmul(folded, key.transpose(2, 3)).reshape([batch, heads, length, keys]);
    const weights = maskedSoftmax(raw.to(raw.dtype === "f64" ? "f64" : "f32"), options);
    const out = matmul(weights.to(query.dtype).reshape([batch, keyHeads, rows, keys]), value);
    return out.reshape([batch, heads, length, value.shape[3]!]);
  });
}

function check(query: Tensor, key: Tensor, value: Tensor): void {
  const shapes = `query ${showShape(query.shape)}, key ${showShape(key.shape)}, value ${showShape(value.shape)}`;
  const refuse = (why: string) => new ShapeError(`Cannot attend with ${shapes}: ${why}`);
  if ([query, key, value].some((x) => x.rank !== 4)) throw refuse("each must be [batch, heads, tokens, head size]");
  const [batch, heads, , size] = query.shape;
  const [keyBatch, keyHeads, keys, keySize] = key.shape;
  if (batch !== keyBatch || batch !== value.shape[0]) throw refuse("batch sizes differ");
  if (size !== keySize) throw refuse(`head sizes of query and key, ${size} and ${keySize}, differ`);
  if (keyHeads !== value.shape[1] || keys !== value.shape[2]) throw refuse("key and value differ in heads or length");
  if (keyHeads === 0 || heads! % keyHeads! !== 0) {
    throw refuse(`${heads} query heads do not share ${keyHeads} key heads evenly`);
  }
}

function checkCausal(causal: CausalAlignment | undefined): void {
  if (causal === undefined || causal === "upper-left" || causal === "lower-right") return;
  throw new ShapeError(
    `Cannot attend with causal ${
      JSON.stringify(causal)
    }: it is "upper-left" (s <= t) or "lower-right" (s <= t + S - T)`,
  );
}

function checkMask(mask: Tensor, scores: Tensor): void {
  const lead = scores.rank - mask.rank;
  if (lead >= 0 && mask.shape.every((size, i) => size === 1 || size === scores.shape[lead + i])) return;
  throw new ShapeError(
    `Cannot attend with a mask ${showShape(mask.shape)}: it does not broadcast to the scores [B, H, T, S], ${
      showShape(scores.shape)
    }`,
  );
}

/** Softmax over the keys a row may see; a row that sees none is zero. */
function maskedSoftmax(scores: Tensor, { mask, causal }: AttentionOptions): Tensor {
  let masked = scores;
  if (mask !== undefined) {
    checkMask(mask, scores);
    if (mask.dtype === "bool") masked = where(mask.expand(scores.shape), masked, -Infinity);
    else if (isFloat(mask.dtype)) masked = masked.add(mask.expand(scores.shape));
    else throw new DTypeError(`Cannot attend with a mask ${mask.dtype} ${showShape(mask.shape)}: it is bool or float`);
  }
  const [length, keys] = [scores.shape[2]!, scores.shape[3]!];
  const everythingSeen = length === 1 && causal === "lower-right";
  if (causal !== undefined && !everythingSeen) {
    const offset = causal === "lower-right" ? keys - length : 0;
    const query = filled(scores.backend, [length, 1], "i32", offset, 1);
    const key = filled(scores.backend, [1, keys], "i32", 0, 1);
    masked = where(key.le(query), masked, -Infinity);
  }
  if (masked === scores) return scores.softmax(-1);
  const empty = masked.amax({ dim: -1, keepdim: true }).eq(-Infinity);
  return where(empty, 0, where(empty, 0, masked).softmax(-1));
}
