/**
 * One attention call after its checks, as kernels and the composition take it: heads split into groups,
 * `[B, Hkv, G, T, …]`, every operand broadcast, every setting a number. What differs between a plain call, a cache's view, and
 * either way of grouping heads is gone here.
 */
import type { AttentionAttrs, AttentionExtra } from "../backend.ts";
import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { filled } from "../ops/primitives/fill.ts";
import { logicalAnd } from "../ops/primitives/binary.ts";
import { seedWords } from "../ops/primitives/random.ts";
import { where } from "../ops/primitives/where.ts";
import type { Tensor } from "../tensor.ts";
import { type AttentionSizes, checkAttention } from "./check.ts";
import type { KeyValueView } from "./kv_cache.ts";
import type { AttentionOptions, MaskMod } from "./options.ts";

/** A checked call. */
export interface AttentionCall {
  /** Query, key, value, then what `attrs.extras` lists. */
  readonly inputs: readonly Tensor[];
  /** Settings. */
  readonly attrs: AttentionAttrs;
  /** Scores `[B, Hkv, G, T, S]` to others, where a `scoreMod` was given. */
  readonly scoreMod: ((scores: Tensor) => Tensor) | undefined;
}

/** An operand after key and value, if it is there. */
export function extraOf({ inputs, attrs }: AttentionCall, name: AttentionExtra): Tensor | undefined {
  const at = attrs.extras.indexOf(name);
  return at < 0 ? undefined : inputs[3 + at];
}

/** `[B, H, …] -> [B, Hkv, G, …]`, a view. */
export function splitHeads(x: Tensor, keyHeads: number, options: AttentionOptions): Tensor {
  const groups = x.shape[1]! / keyHeads;
  if (options.headGrouping !== "interleaved") return x.unflatten(1, [keyHeads, groups]);
  return x.unflatten(1, [groups, keyHeads]).transpose(1, 2);
}

/** `[B, Hkv, G, …] -> [B, H, …]`; a view of contiguous groups, a copy of interleaved ones. */
export function mergeHeads(x: Tensor, options: AttentionOptions): Tensor {
  const shape = [x.shape[0]!, x.shape[1]! * x.shape[2]!, ...x.shape.slice(3)];
  return (options.headGrouping === "interleaved" ? x.transpose(1, 2) : x).reshape(shape);
}

/**
 * Checks a call and brings it into form. To be called within `tidy`: it makes views and small tensors.
 *
 * @throws {ShapeError} {DTypeError} as {@linkcode scaledDotProductAttention}
 */
export function prepare(query: Tensor, view: KeyValueView, options: AttentionOptions): AttentionCall {
  const sizes = checkAttention(query, view, options);
  const { keyHeads } = sizes;
  const wide = query.dtype === "f64" ? "f64" : "f32";
  const perHead = (x: Tensor | undefined) =>
    x === undefined ? undefined : splitHeads(x.to(wide).unsqueeze(0), keyHeads, options).squeeze(0);
  const band = bandOf(sizes, view, options);
  const mask = maskOf(sizes, view, band, options);
  const { blockMask } = options;
  const { batch, heads } = sizes;
  const kinds = blockMask?.kinds.expand([batch, heads, ...blockMask.kinds.shape.slice(2)]);
  const extras: readonly (readonly [AttentionExtra, Tensor | undefined])[] = [
    ["mask", mask === undefined ? undefined : splitHeads(mask, keyHeads, options)],
    ["alibiSlopes", perHead(options.alibiSlopes)],
    ["sinks", perHead(options.sinks)],
    ["keyLengths", options.keyLengths?.to("i32")],
    ["keyPositions", view.keyPositions],
    ["pageTable", view.pageTable],
    ["blockKinds", kinds === undefined ? undefined : splitHeads(kinds, keyHeads, options)],
    ["blockTable", blockMask?.table],
  ];
  const given = extras.filter((extra): extra is readonly [AttentionExtra, Tensor] => extra[1] !== undefined);
  const { dropout = 0, seed = 0, scoreMod } = options;
  const indices = () => indicesOf(sizes, view, band, options);
  return {
    inputs: [splitHeads(query, keyHeads, options), view.keys, view.values, ...given.map(([, tensor]) => tensor)],
    attrs: {
      extras: given.map(([name]) => name),
      keyCount: sizes.keyCount,
      scale: options.scale ?? 1 / Math.sqrt(sizes.size),
      softcap: options.softcap ?? 0,
      dropout: dropout === 0 ? undefined : { p: dropout, seed: seedWords(seed) },
      ...band,
    },
    scoreMod: scoreMod === undefined ? undefined : (scores) => {
      const changed = scoreMod(mergeHeads(scores, options), ...indices());
      checkScores(changed, sizes);
      return splitHeads(changed, keyHeads, options);
    },
  };
}

type Band = Pick<AttentionAttrs, "offset" | "left" | "right" | "sinkTokens">;

/** Where queries stand and how far they see; a bound that hides nothing is taken away. */
function bandOf(sizes: AttentionSizes, view: KeyValueView, options: AttentionOptions): Band {
  const { causal, window, keyLengths } = options;
  const { length, keyCount } = sizes;
  const left = Math.min(window?.left ?? Infinity, view.window?.left ?? Infinity);
  const right = causal === undefined ? window?.right ?? Infinity : Math.min(window?.right ?? 0, 0);
  const sinkTokens = Math.max(window?.sinkTokens ?? 0, view.window?.sinkTokens ?? 0);
  if (causal !== "upper-left" && keyLengths !== undefined && options.offset === undefined) {
    return { offset: "keyLengths", left, right, sinkTokens };
  }
  const offset = options.offset ?? (causal === "upper-left" ? 0 : view.tokens - length);
  const last = view.keyPositions === undefined ? keyCount - 1 : view.tokens - 1;
  return {
    offset,
    left: offset + length - 1 - left <= 0 ? Infinity : left,
    right: offset + right >= last ? Infinity : right,
    sinkTokens,
  };
}

/** The positions p(t), `[T]`, or `[B, T]` where they differ by row. */
export function queryPositions(call: AttentionCall): Tensor {
  const [query, { offset }] = [call.inputs[0]!, call.attrs];
  return positions(query.backend, query.shape[3]!, offset, extraOf(call, "keyLengths"));
}

function positions(
  backend: Tensor["backend"],
  length: number,
  offset: Band["offset"],
  keyLengths: Tensor | undefined,
): Tensor {
  if (offset !== "keyLengths") return filled(backend, [length], "i32", offset, 1);
  return keyLengths!.to("i32").unsqueeze(1).add(filled(backend, [length], "i32", -length, 1));
}

/** The mask and what `maskMod` says as one, `[B, H, T, S]` by expansion. */
function maskOf(
  sizes: AttentionSizes,
  view: KeyValueView,
  band: Band,
  options: AttentionOptions,
): Tensor | undefined {
  const { batch, heads, length, keyCount } = sizes;
  const { mask, maskMod } = options;
  const shown = maskMod === undefined
    ? undefined
    : modMask(maskMod, sizes, () => indicesOf(sizes, view, band, options));
  const both = mask === undefined || shown === undefined
    ? mask ?? shown
    : mask.dtype === "bool"
    ? logicalAnd(mask, shown)
    : where(shown, mask, -Infinity);
  return both?.expand([batch, heads, length, keyCount]);
}

function modMask(
  maskMod: MaskMod,
  sizes: AttentionSizes,
  indices: () => readonly [Tensor, Tensor, Tensor, Tensor],
): Tensor {
  const shown = maskMod(...indices());
  const { batch, heads, length, keyCount } = sizes;
  const scores = [batch, heads, length, keyCount];
  if (shown.dtype !== "bool") {
    throw new DTypeError(`Cannot attend: maskMod gave ${shown.dtype} ${showShape(shown.shape)}; it must give bool`);
  }
  const fits = shown.rank <= 4 && shown.shape.every((size, i) => size === 1 || size === scores[4 - shown.rank + i]);
  if (fits) return shown;
  throw new ShapeError(
    `Cannot attend: maskMod gave ${showShape(shown.shape)}, which does not broadcast to the scores ${
      showShape(scores)
    }`,
  );
}

function checkScores(scores: Tensor, { batch, heads, length, keyCount }: AttentionSizes): void {
  const shape = [batch, heads, length, keyCount];
  if (!isFloat(scores.dtype)) {
    throw new DTypeError(
      `Cannot attend: scoreMod gave ${scores.dtype} ${showShape(scores.shape)}; it must give floats`,
    );
  }
  if (scores.rank === 4 && scores.shape.every((size, i) => size === shape[i])) return;
  throw new ShapeError(
    `Cannot attend: scoreMod gave ${showShape(scores.shape)}; it must keep the scores' shape ${showShape(shape)}`,
  );
}

function indicesOf(
  { batch, heads, length, keyCount }: AttentionSizes,
  view: KeyValueView,
  { offset }: Band,
  { keyLengths }: AttentionOptions,
): readonly [Tensor, Tensor, Tensor, Tensor] {
  const { backend } = view.keys;
  const t = positions(backend, length, offset, keyLengths);
  const s = view.keyPositions ?? filled(backend, [keyCount], "i32", 0, 1);
  return [
    filled(backend, [batch, 1, 1, 1], "i32", 0, 1),
    filled(backend, [1, heads, 1, 1], "i32", 0, 1),
    t.reshape([t.rank === 2 ? batch : 1, 1, length, 1]),
    s.reshape([1, 1, 1, keyCount]),
  ];
}
