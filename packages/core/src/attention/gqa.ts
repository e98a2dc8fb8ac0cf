/**
 * Grouped attention by other libraries' conventions, for people who compose by hand or port code:
 * {@linkcode scaledDotProductGqa} is grouped-query-attention-pytorch's call, {@linkcode attentionQkvPacked} flash-attn's.
 */
import { resolveBackend, zeros } from "../create.ts";
import type { Backend } from "../backend.ts";
import { checkNames, DTypeError, ShapeError, showShape, showValue } from "../errors.ts";
import { tidy } from "../memory.ts";
import { filled } from "../ops/primitives/fill.ts";
import { where } from "../ops/primitives/where.ts";
import type { Tensor } from "../tensor.ts";

import { attention, scaledDotProductAttention } from "./sdpa.ts";

/** Operands of {@linkcode scaledDotProductGqa}: tokens before heads. */
export interface GqaInputs {
  /** `[B, T, H, D]`. */
  readonly query: Tensor;
  /** `[B, S, Hkv, D]`. */
  readonly key: Tensor;
  /** `[B, S, Hkv, D]`. */
  readonly value: Tensor;
}

/** Settings of {@linkcode scaledDotProductGqa}, as the original has them. */
export interface GqaOptions {
  /** Probability that a weight is dropped. */
  readonly dropout?: number | undefined;
  /** Which weights drop; needed with `dropout`. */
  readonly seed?: number | undefined;
  /** Divides the scores; `sqrt(D)` when left out. */
  readonly scale?: number | undefined;
  /** Bool (true: may attend) `[B, S]`, `[B, T, S]`, or what broadcasts to `[B, H, T, S]` or `[B, G, Hkv, T, S]`. */
  readonly mask?: Tensor | undefined;
  /** `s <= t`; not together with a mask, not even as false. */
  readonly isCausal?: boolean | undefined;
  /** Whether to return the weights. */
  readonly needWeights?: boolean | undefined;
  /** Their mean over the queries (dim 1), as the original computes it. */
  readonly averageAttnWeights?: boolean | undefined;
  /** Without effect: heads are always grouped by their counts. */
  readonly forceGrouped?: boolean | undefined;
}

const GQA_OPTIONS = {
  ...{ dropout: true, seed: true, scale: true, mask: true, isCausal: true },
  ...{ needWeights: true, averageAttnWeights: true, forceGrouped: true },
} as const satisfies Readonly<Record<keyof GqaOptions, true>>;

/**
 * Grouped attention as the PyTorch package grouped-query-attention-pytorch computes it: `scale` divides, hidden scores become
 * the lowest finite number, so that a row that may attend to nothing attends to all keys alike.
 *
 * @returns the output `[B, T, H, D]`, and the weights `[B, T, S, H]`, or `[B, S, H]` averaged
 * @throws {ShapeError} when shapes do not fit, or a mask is given together with isCausal
 * @throws {DTypeError} when the mask is not bool
 */
export function scaledDotProductGqa(
  inputs: GqaInputs,
  options: GqaOptions = {},
): [output: Tensor, weights: Tensor | undefined] {
  checkNames("scaledDotProductGqa", options, GQA_OPTIONS, { causal: "isCausal", is_causal: "isCausal" });
  checkGqa(inputs, options);
  const { query, key, value } = inputs;
  const [length, heads, size] = query.shape.slice(1) as [number, number, number]; // rank 4, checked
  const [keys, keyHeads] = [key.shape[1]!, key.shape[2]!];
  return tidy(() => {
    const [q, k, v] = [query, key, value].map((x) => x.transpose(1, 2)) as [Tensor, Tensor, Tensor];
    const shown = options.mask === undefined
      ? options.isCausal === true ? lowerTriangle(query.backend, length, keys) : undefined
      : spreadMask(options.mask, heads, keyHeads);
    const mask = shown === undefined ? undefined : where(shown, 0, lowest(shown.backend, query.dtype));
    const settings = {
      mask,
      scale: 1 / (options.scale ?? Math.sqrt(size)),
      dropout: options.dropout,
      seed: options.seed,
    };
    if (options.needWeights !== true) return [scaledDotProductAttention(q, k, v, settings).transpose(1, 2), undefined];
    const { output, weights } = attention(q, k, v, { ...settings, returns: { weights: true } });
    const byKey = weights.permute([0, 2, 3, 1]).to(query.dtype); // [B, T, S, H]
    return [output.transpose(1, 2), options.averageAttnWeights === true ? byKey.mean({ dim: 1 }) : byKey];
  });
}

function checkGqa({ query, key, value }: GqaInputs, { mask, isCausal, scale }: GqaOptions): void {
  const shapes = `query ${showShape(query.shape)}, key ${showShape(key.shape)}, value ${showShape(value.shape)}`;
  const refuse = (why: string) => new ShapeError(`Cannot scaledDotProductGqa with ${shapes}: ${why}`);
  if (mask !== undefined && isCausal !== undefined) {
    throw refuse(
      `a mask ${showShape(mask.shape)} and isCausal exclude each other; scaledDotProductAttention takes both`,
    );
  }
  if (scale !== undefined && !(Number.isFinite(scale) && scale !== 0)) {
    throw refuse(`scale ${showValue(scale)} divides the scores, so it is finite and not 0`);
  }
  if ([query, key, value].some((x) => x.rank !== 4)) throw refuse("each must be [batch, tokens, heads, head size]");
  const [batch, , heads, size] = query.shape;
  const [keyBatch, , keyHeads, keySize] = key.shape;
  if (batch !== keyBatch || batch !== value.shape[0]) throw refuse("batch sizes differ");
  if (size !== keySize || size !== value.shape[3]) throw refuse("head sizes differ");
  if (keyHeads !== value.shape[2] || key.shape[1] !== value.shape[1]) {
    throw refuse("key and value differ in heads or length");
  }
  if (keyHeads === 0 || heads! % keyHeads! !== 0) {
    throw refuse(`${heads} query heads do not share ${keyHeads} key heads evenly`);
  }
  if (mask === undefined) return;
  if (mask.dtype !== "bool") {
    throw new DTypeError(
      `Cannot scaledDotProductGqa with ${shapes} and a mask ${mask.dtype} ${
        showShape(mask.shape)
      }: it is bool; use ne(0)`,
    );
  }
  const [length, keys, groups] = [query.shape[1]!, key.shape[1]!, heads! / keyHeads!];
  const full = [[], [], [batch, keys], [batch, length, keys], [batch, heads, length, keys], [
    ...[batch, groups, keyHeads, length, keys],
  ]][mask.rank] ?? [];
  if (mask.rank >= 2 && full.length > 0 && mask.shape.every((n, i) => n === full[i] || (mask.rank > 3 && n === 1))) {
    return;
  }
  throw refuse(
    `a mask ${
      showShape(mask.shape)
    } is none of [B, S], [B, T, S], [B, H, T, S], [B, G, Hkv, T, S] with B = ${batch}, ` +
      `T = ${length}, S = ${keys}, H = ${heads}, Hkv = ${keyHeads}`,
  );
}

/** To rank 4, `[B or 1, H or 1, T or 1, S]`. */
function spreadMask(mask: Tensor, heads: number, keyHeads: number): Tensor {
  if (mask.rank === 2) return mask.unsqueeze(1).unsqueeze(1);
  if (mask.rank === 3) return mask.unsqueeze(1);
  if (mask.rank === 4) return mask;
  const [batch, , , length, keys] = mask.shape as [number, number, number, number, number]; // rank 5, checked
  const grouped = mask.expand([batch, heads / keyHeads, keyHeads, length, keys]);
  return grouped.transpose(1, 2).reshape([batch, heads, length, keys]);
}

function lowerTriangle(backend: Backend, length: number, keys: number): Tensor {
  return filled(backend, [1, keys], "i32", 0, 1).le(filled(backend, [length, 1], "i32", 0, 1));
}

/** The lowest finite number of a dtype, as a scalar; scores never come so low, so adding it leaves it as it is. */
function lowest(backend: Backend, dtype: Tensor["dtype"]): Tensor {
  return filled(backend, [], dtype === "f64" ? "f64" : "f32", dtype === "f64" ? -Number.MAX_VALUE : -MAX_F32);
}

const MAX_F32 = 2 ** 128 - 2 ** 104;

/**
 * Each head n times in a row, for kernels that want as many key heads as query heads (`repeat_kv` of transformers).
 * Attention here needs none of it.
 *
 * @param x `[B, Hkv, S, D]`
 * @returns `[B, Hkv * n, S, D]`
 * @throws {ShapeError} when x is of another rank, or n no positive integer
 */
export function repeatKv(x: Tensor, n: number): Tensor {
  if (x.rank !== 4 || !Number.isInteger(n) || n < 1) {
    throw new ShapeError(
      `Cannot repeatKv ${showShape(x.shape)} ${n} times: it is [B, Hkv, S, D], and repeats are a count of at least 1`,
    );
  }
  const [batch, heads, keys, size] = x.shape as [number, number, number, number]; // rank 4, checked
  return tidy(() => x.unsqueeze(2).expand([batch, heads, n, keys, size]).reshape([batch, heads * n, keys, size]));
}

/**
 * An additive mask, 0 up to the diagonal and -Infinity after it.
 *
 * @returns f32 `[n, n]`
 * @throws {ShapeError} when n is no positive integer
 */
export function causalMask(n: number, options: { readonly backend?: Backend | undefined } = {}): Tensor {
  if (!Number.isInteger(n) || n < 1) {
    throw new ShapeError(`Cannot make a causalMask of ${n}: it is a count of at least 1`);
  }
  const backend = resolveBackend(options.backend);
  return tidy(() => where(lowerTriangle(backend, n, n), zeros([], { backend }), -Infinity));
}

/**
 * Attention of queries, keys and values packed into one tensor (flash-attn's `flash_attn_qkvpacked_func`).
 *
 * @param qkv `[B, T, 3, H, D]`
 * @param options `causal` is upper-left, which is all there is for T = S
 * @returns `[B, T, H, D]`
 * @throws {ShapeError} when qkv is of another shape
 */
export function attentionQkvPacked(qkv: Tensor, options: { readonly causal?: boolean | undefined } = {}): Tensor {
  if (qkv.rank !== 5 || qkv.shape[2] !== 3) {
    throw new ShapeError(`Cannot attentionQkvPacked ${showShape(qkv.shape)}: it is [B, T, 3, H, D]`);
  }
  checkNames("attentionQkvPacked", options, { causal: true });
  const flag: unknown = options.causal; // callers without types may name an alignment
  if (flag !== undefined && typeof flag !== "boolean") {
    throw new ShapeError(`Cannot attentionQkvPacked with causal ${showValue(flag)}: it is true or false`);
  }
  return tidy(() => {
    const [query, key, value] = [0, 1, 2].map((i) => qkv.select(2, i).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    const causal = options.causal === true ? "upper-left" : undefined;
    return scaledDotProductAttention(query, key, value, { causal }).transpose(1, 2);
  });
}
