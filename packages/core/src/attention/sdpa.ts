/**
 * Scaled dot-product attention with grouped heads (PyTorch's `scaled_dot_product_attention`; GQA: Ainslie et al., 2023):
 * `softmax(q · kᵀ * scale + mask) · v`, query head h reading key head `floor(h / G)`, `G = H / Hkv`.
 *
 * Heads of a group are read as rows of one `[B, Hkv, G, T, D]`, so that keys and values are used as they lie and never
 * repeated; `Hkv = H` is multi-head, `Hkv = 1` multi-query attention, one path for all. A backend's fused kernel keeps no
 * `[T, S]` matrix; the composition that defines it runs where weights or scores are asked for, or functions change them.
 */
import { allocate, callInto, takesFused } from "../dispatch.ts";
import { record } from "../grad/node.ts";
import { isGradEnabled } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import { Tensor } from "../tensor.ts";
import { type AttentionCall, extraOf, mergeHeads, prepare } from "./call.ts";
import { composed } from "./composed.ts";
import { attentionVjp } from "./gradient.ts";
import { checkReturns } from "./check.ts";
import { type KeyValueView, viewOf } from "./kv_cache.ts";
import type { AttentionOptions, AttentionResult, AttentionReturns } from "./options.ts";

/**
 * Attention.
 *
 * @param query `[B, H, T, D]`
 * @param key `[B, Hkv, S, D]`, Hkv dividing H; a float dtype or q8_0
 * @param value `[B, Hkv, S, Dv]`, likewise
 * @returns `[B, H, T, Dv]` in query's dtype; zeros for a query that may attend to nothing
 * @throws {ShapeError} naming all shapes, when they do not fit, and when an option is out of its range
 * @throws {DTypeError} when an operand is of the wrong kind
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { randn, scaledDotProductAttention } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * const [query, key, value] = [8, 2, 2].map((heads, i) => randn([1, heads, 5, 16], { seed: i, backend }));
 * const output = scaledDotProductAttention(query!, key!, value!, { causal: "upper-left" });
 * assertEquals(output.shape, [1, 8, 5, 16]);
 * ```
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options?: AttentionOptions,
): Tensor;
/**
 * Attention to what a cache holds, as it lies.
 *
 * @param query `[B, H, T, D]`, the last T tokens that the cache has seen
 * @param view what `append` gave
 */
export function scaledDotProductAttention(query: Tensor, view: KeyValueView, options?: AttentionOptions): Tensor;
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor | KeyValueView,
  ...rest: (Tensor | AttentionOptions | undefined)[]
): Tensor {
  const { view, options, cached } = asView(key, rest);
  return tidy(() => attend(prepare(query, view, options, cached), options, {}).output);
}

/**
 * Attention that also hands out what it computed on the way.
 *
 * @param query `[B, H, T, D]`
 * @param key `[B, Hkv, S, D]`
 * @param value `[B, Hkv, S, Dv]`
 * @param options `returns` names what is wanted; weights and scores cost their `[T, S]` memory
 * @returns `output`, and a tensor for each name in `returns`
 * @throws {ShapeError} {DTypeError} as {@linkcode scaledDotProductAttention}
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { attention, ones } from "@heed/heed/core";
 *
 * const x = ones([1, 1, 2, 4], { backend: createScalarBackend() });
 * const { weights } = attention(x, x, x, { causal: "upper-left", returns: { weights: true } });
 * assertEquals(await weights.toArray(), [[[[1, 0], [0.5, 0.5]]]]);
 * ```
 */
export function attention<const R extends AttentionReturns>(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns: R },
): AttentionResult<R>;
/** Attention to what a cache holds, as it lies, and what it computed on the way. */
export function attention<const R extends AttentionReturns>(
  query: Tensor,
  view: KeyValueView,
  options: AttentionOptions & { readonly returns: R },
): AttentionResult<R>;
export function attention(
  query: Tensor,
  key: Tensor | KeyValueView,
  ...rest: (Tensor | AttentionOptions | undefined)[]
): AttentionResult<AttentionReturns> {
  const { view, options: { returns = {}, ...options }, cached } = asView(key, rest);
  checkReturns(returns);
  return tidy(() => attend(prepare(query, view, options, cached), options, returns));
}

/** Both signatures as one. */
function asView(
  key: Tensor | KeyValueView,
  [first, second]: readonly (Tensor | AttentionOptions | undefined)[],
): { view: KeyValueView; options: AttentionOptions & { returns?: AttentionReturns }; cached: boolean } {
  const cached = isView(key);
  const values = first as Tensor; // by the signatures
  const view = cached
    ? key
    : key instanceof Tensor
    ? viewOf(key, values)
    : { keys: key, values, keyCount: 0, tokens: 0 };
  return { view, options: (cached ? first : second) as AttentionOptions | undefined ?? {}, cached }; // likewise
}

function isView(key: Tensor | KeyValueView): key is KeyValueView {
  return !(key instanceof Tensor) && typeof key === "object" && key !== null && "keyCount" in key;
}

function attend(
  call: AttentionCall,
  options: AttentionOptions,
  { weights, logSumExp, scores }: AttentionReturns,
): AttentionResult<AttentionReturns> {
  const merged = (x: Tensor) => mergeHeads(x, options);
  const needsScores = weights !== undefined || scores !== undefined || scoresNeeded(call, logSumExp === true);
  if (!needsScores && takesFused("attention", call.inputs, call.attrs)) {
    const [output, total] = runFused(call, logSumExp === true);
    return { output: merged(output), ...(logSumExp === undefined ? {} : { logSumExp: merged(total!) }) };
  }
  const all = composed(call);
  return {
    output: merged(all.output),
    ...(weights === undefined ? {} : { weights: weights === "mean" ? meanOfHeads(all.weights) : merged(all.weights) }),
    ...(logSumExp === undefined ? {} : { logSumExp: merged(all.logSumExp) }),
    ...(scores === undefined ? {} : { scores: merged(all.scores[scores]) }),
  };
}

function meanOfHeads(weights: Tensor): Tensor {
  return weights.mean({ dim: [1, 2] });
}

/** Whether the composition must run, because the fused kernel and its backward pass never hold the scores. */
function scoresNeeded(call: AttentionCall, wantsLogSumExp: boolean): boolean {
  if (call.scoreMod !== undefined) return true; // a function of scores
  if (!recordsGradient(call)) return false;
  const perScore = [extraOf(call, "mask"), extraOf(call, "alibiSlopes")]; // their gradients are the scores'
  const paged = extraOf(call, "pageTable") !== undefined; // its gradient is scattered into a pool
  return paged || wantsLogSumExp || perScore.some((x) => x?.requiresGrad === true);
}

function recordsGradient({ inputs }: AttentionCall): boolean {
  return isGradEnabled() && inputs.some((x) => x.requiresGrad);
}

/** The backend's kernel; logSumExp where it is wanted, or where the backward pass will need it. */
function runFused(call: AttentionCall, wantsLogSumExp: boolean): [output: Tensor, logSumExp?: Tensor] {
  const { inputs, attrs } = call;
  const [query, , value] = inputs as [Tensor, Tensor, Tensor]; // they come first
  const rows = query.shape.slice(0, 4);
  const output = allocate(query.backend, [...rows, value.shape[3]!], query.dtype);
  const records = recordsGradient(call);
  if (!records && !wantsLogSumExp) {
    callInto("attention", inputs, [output], attrs);
    return [output];
  }
  const logSumExp = allocate(query.backend, rows, query.dtype === "f64" ? "f64" : "f32");
  callInto("attention", inputs, [output, logSumExp], attrs);
  if (records) record("attention", output, inputs, attentionVjp(call), [...inputs, output, logSumExp]);
  return [output, logSumExp];
}
