/**
 * One attention call after its checks, as kernels and the composition take it: heads split into groups,
 * `[B, Hkv, G, T, …]`, every operand broadcast, every setting a number. What differs between a plain call, a cache's view, and
 * either way of grouping heads is gone here.
 */
import type { AttentionAttrs, AttentionExtra } from "../backend.ts";
import { filled } from "../ops/primitives/fill.ts";
import { logicalAnd } from "../ops/primitives/binary.ts";
import { seedWords } from "../ops/primitives/random.ts";
import { where } from "../ops/primitives/where.ts";
import type { Tensor } from "../tensor.ts";
import { type AttentionSizes, checkAttention, FARTHEST } from "./check.ts";
import type { KeyValueView } from "./kv_cache.ts";
import { checkScores, indicesOf, shownBy } from "./indices.ts";
import * as mods from "./mods.ts";
import type { AttentionIndices, AttentionOptions, AttentionWindow, MaskMod } from "./options.ts";

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
 * @param cached whether the view is a cache's
 * @throws {ShapeError} {DTypeError} as {@linkcode scaledDotProductAttention}
 */
export function prepare(
  query: Tensor,
  view: KeyValueView,
  options: AttentionOptions,
  cached: boolean,
): AttentionCall {
  const sizes = checkAttention(query, view, options, cached);
  const { keyHeads } = sizes;
  const wide = query.dtype === "f64" ? "f64" : "f32";
  const perHead = (x: Tensor | undefined) =>
    x === undefined ? undefined : splitHeads(x.to(wide).unsqueeze(0), keyHeads, options).squeeze(0);
  const band = bandOf(sizes, view, options);
  let made: AttentionIndices | undefined;
  const indices = (): AttentionIndices => made ??= indexTensors(sizes, view, band, options);
  const mask = maskOf(sizes, [options.maskMod, windowBesides(view, options)], indices, options);
  const { blockMask } = options;
  const { batch, heads } = sizes;
  const kinds = blockMask?.kinds.expand([batch, heads, ...blockMask.kinds.shape.slice(2)]);
  const inputs = [splitHeads(query, keyHeads, options), view.keys, view.values];
  const extras: AttentionExtra[] = [];
  const add = (name: AttentionExtra, x: Tensor | undefined) => {
    if (x === undefined) return;
    extras.push(name);
    inputs.push(x);
  };
  add("mask", mask === undefined ? undefined : splitHeads(mask, keyHeads, options));
  add("alibiSlopes", perHead(options.alibiSlopes));
  add("sinks", perHead(options.sinks));
  add("keyLengths", options.keyLengths?.to("i32"));
  add("keyPositions", view.keyPositions);
  add("pageTable", view.pageTable);
  add("blockKinds", kinds === undefined ? undefined : splitHeads(kinds, keyHeads, options));
  add("blockTable", blockMask?.table);
  const { dropout = 0, seed = 0, scoreMod } = options;
  return {
    inputs,
    attrs: {
      extras,
      keyCount: sizes.keyCount,
      scale: options.scale ?? 1 / Math.sqrt(sizes.size),
      softcap: options.softcap ?? 0,
      dropout: dropout === 0 ? undefined : { p: dropout, seed: seedWords(seed) },
      ...band,
    },
    scoreMod: scoreMod === undefined ? undefined : (scores) => {
      const merged = mergeHeads(scores, options);
      return splitHeads(checkScores(scoreMod(merged, ...indices()), merged.shape), keyHeads, options);
    },
  };
}

type Band = Pick<AttentionAttrs, "offset" | "left" | "right" | "sinkTokens">;

/** Where queries stand and how far they see; a bound that hides nothing is taken away. */
function bandOf(sizes: AttentionSizes, view: KeyValueView, options: AttentionOptions): Band {
  const { causal, window, keyLengths } = options;
  const { length, keyCount } = sizes;
  const near = narrowest(view, options);
  const left = bound(near.left);
  const right = causal === undefined ? bound(window?.right) : 0; // a window to the right cannot show what is later
  const sinkTokens = near.sinkTokens ?? 0;
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

function bound(count: number | undefined): number {
  return count === undefined || count >= FARTHEST ? Infinity : count;
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

/** The mask and what functions say as one, `[B, H, T, S]` by expansion. */
function maskOf(
  { batch, heads, length, keyCount }: AttentionSizes,
  maskMods: readonly (MaskMod | undefined)[],
  indices: () => AttentionIndices,
  { mask }: AttentionOptions,
): Tensor | undefined {
  const scores = [batch, heads, length, keyCount];
  let all = mask;
  for (const maskMod of maskMods) {
    if (maskMod === undefined) continue;
    const shown = shownBy("attend", maskMod, indices(), scores);
    all = all === undefined ? shown : all.dtype === "bool" ? logicalAnd(all, shown) : where(shown, all, -Infinity);
  }
  return all?.expand(scores);
}

/** The window that a band stands for: the option's where it lies within the cache's, else the cache's. */
function narrowest(view: KeyValueView, options: AttentionOptions): AttentionWindow {
  const { window } = options;
  return window?.left === undefined || besides(view, options) ? view.window ?? {} : window;
}

/** Whether the cache's window and the option's each show what the other hides, so that no one band is both. */
function besides({ window: cached }: KeyValueView, { window }: AttentionOptions): boolean {
  if (cached === undefined || window?.left === undefined) return false;
  return window.left > cached.left || (window.sinkTokens ?? 0) > cached.sinkTokens;
}

/** The option's window as a function, where the band is the cache's. */
function windowBesides(view: KeyValueView, options: AttentionOptions): MaskMod | undefined {
  const { left, sinkTokens = 0 } = options.window ?? {};
  if (left === undefined || !besides(view, options)) return undefined;
  return mods.orMasks((_b, _h, t, s) => s.ge(t.sub(left)), (_b, _h, _t, s) => s.lt(sinkTokens));
}

function indexTensors(
  { batch, heads, length, keyCount }: AttentionSizes,
  view: KeyValueView,
  { offset }: Band,
  { keyLengths }: AttentionOptions,
): AttentionIndices {
  const { backend } = view.keys;
  const s = view.keyPositions ?? filled(backend, [keyCount], "i32", 0, 1);
  return indicesOf(backend, batch, heads, positions(backend, length, offset, keyLengths), s);
}
