/** The checks of an attention call, all before anything is allocated; each error names every shape and the remedy. */
import { commonBackend } from "../dispatch.ts";
import { dtypeInfo, isFloat } from "../dtype.ts";
import { checkNames, DTypeError, ShapeError, showShape, showValue } from "../errors.ts";
import { Tensor } from "../tensor.ts";
import { BlockMask } from "./block_mask.ts";
import type { KeyValueView } from "./kv_cache.ts";
import type { AttentionOptions, AttentionReturns, AttentionWindow } from "./options.ts";

/** The sizes of a call. */
export interface AttentionSizes {
  /** B. */
  readonly batch: number;
  /** H. */
  readonly heads: number;
  /** Hkv. */
  readonly keyHeads: number;
  /** T. */
  readonly length: number;
  /** S. */
  readonly keyCount: number;
  /** D. */
  readonly size: number;
}

/** What other libraries call options, and what to use here. */
const FOREIGN: Readonly<Record<string, string>> = {
  isCausal: 'causal: "upper-left" (PyTorch\'s is_causal), or "lower-right" for cached decoding',
  is_causal: 'causal: "upper-left" (PyTorch\'s is_causal), or "lower-right" for cached decoding',
  attnMask: "mask",
  attn_mask: "mask",
  attentionMask: "mask",
  dropoutP: "dropout",
  dropout_p: "dropout",
  enableGqa: "nothing: heads are grouped by their counts",
  enable_gqa: "nothing: heads are grouped by their counts",
  returns: "attention, which hands out more than the output",
};

const KNOWN = {
  ...{ mask: true, causal: true, window: true, scale: true, softcap: true, alibiSlopes: true, sinks: true },
  ...{ keyLengths: true, offset: true, headGrouping: true, dropout: true, seed: true },
  ...{ maskMod: true, scoreMod: true, blockMask: true },
} as const satisfies Readonly<Record<keyof AttentionOptions, true>>;

const WINDOW = { left: true, right: true, sinkTokens: true } as const satisfies Record<keyof AttentionWindow, true>;

const RETURNS = { weights: true, logSumExp: true, scores: true } as const satisfies Record<
  keyof AttentionReturns,
  true
>;

/**
 * Checks a call.
 *
 * @param cached whether the view is a cache's
 * @returns its sizes
 * @throws {ShapeError} when shapes do not fit or an option is out of its range
 * @throws {DTypeError} when an operand is of the wrong kind
 */
export function checkAttention(
  query: Tensor,
  view: KeyValueView,
  options: AttentionOptions,
  cached: boolean,
): AttentionSizes {
  checkNames("attend", options, KNOWN, FOREIGN);
  if (options.window !== undefined) checkNames("attend with a window", options.window, WINDOW);
  checkTensors(query, view, options);
  const sizes = checkShapes(query, view);
  checkBackends(query, view, options);
  checkDTypes(query, view);
  checkNumbers(options);
  checkMask(options, sizes);
  checkVectors(options, sizes);
  checkBlocks(options, sizes);
  if (cached) checkCached(view, options, sizes);
  return sizes;
}

/** What {@linkcode attention} is asked for. @throws {ShapeError} for what it cannot give */
export function checkReturns(returns: AttentionReturns): void {
  checkNames("attend with returns", returns, RETURNS);
  const allowed = {
    weights: [true, "mean"],
    logSumExp: [true],
    scores: ["raw", "scaled", "softcapped", "masked"],
  } as const;
  for (const [name, values] of Object.entries(allowed)) {
    const value = returns[name as keyof AttentionReturns]; // entries() forgets the key type
    if (value === undefined || (values as readonly unknown[]).includes(value)) continue; // of any type, from JavaScript
    throw new ShapeError(
      `Cannot attend with returns.${name} ${showValue(value)}: it is ${
        values.map(showValue).join(" or ")
      }, or left out`,
    );
  }
}

/** Positions are i32, and differences of two must be as well. */
export const FARTHEST = 2 ** 30;

/** What callers without types may pass in a tensor's place. */
function checkTensors(query: Tensor, { keys, values }: KeyValueView, options: AttentionOptions): void {
  requireTensor("query", query);
  requireTensor("key", keys);
  requireTensor("value", values);
  for (const name of TENSOR_OPTIONS) if (options[name] !== undefined) requireTensor(name, options[name]);
  for (const name of ["maskMod", "scoreMod"] as const) {
    const mod = options[name];
    if (mod === undefined || typeof mod === "function") continue;
    throw new DTypeError(`Cannot attend with ${name} ${showValue(mod)}: it is a function of index tensors`);
  }
  if (options.blockMask !== undefined && !(options.blockMask instanceof BlockMask)) {
    throw new DTypeError(
      `Cannot attend with blockMask ${showValue(options.blockMask)}: it is what createBlockMask gives, awaited`,
    );
  }
}

const TENSOR_OPTIONS = ["mask", "alibiSlopes", "sinks", "keyLengths"] as const;

function requireTensor(name: string, x: unknown): void {
  if (x instanceof Tensor) return;
  throw new DTypeError(`Cannot attend with ${name} ${showValue(x)}: it is a Tensor; make one with tensor()`);
}

/** Before heads are split, so that shapes are the caller's. */
function checkBackends(query: Tensor, { keys, values }: KeyValueView, options: AttentionOptions): void {
  const operands = [query, keys, values];
  for (const name of TENSOR_OPTIONS) if (options[name] !== undefined) operands.push(options[name]);
  commonBackend("attend", operands);
}

/** What would be read wrongly from a cache. */
function checkCached(view: KeyValueView, options: AttentionOptions, { length }: AttentionSizes): void {
  const { causal, offset, keyLengths, blockMask } = options;
  if (view.window !== undefined && (keyLengths ?? blockMask) !== undefined) {
    throw new ShapeError(
      `Cannot attend with ${keyLengths === undefined ? "a blockMask" : "keyLengths"} to a cache with a window: ` +
        `its ${view.keyCount} keys of ${view.tokens} tokens are not always the first ones; use a maskMod, or another cache`,
    );
  }
  if (offset !== undefined) return;
  if (length > view.tokens) {
    throw new ShapeError(
      `Cannot attend with ${length} queries to a cache of ${view.tokens} tokens: they are its last ones; ` +
        `append their keys and values first, or pass { offset }`,
    );
  }
  if (causal === "upper-left" && length < view.tokens) {
    throw new ShapeError(
      `Cannot attend with causal "upper-left" and ${length} queries to a cache of ${view.tokens} tokens: the queries are ` +
        `its last tokens; use "lower-right", or pass { offset }`,
    );
  }
}

/** Shapes of the three operands, as messages show them. */
function shapesOf(query: Tensor, { keys, values }: KeyValueView): string {
  return `query ${showShape(query.shape)}, key ${showShape(keys.shape)}, value ${showShape(values.shape)}`;
}

function checkShapes(query: Tensor, view: KeyValueView): AttentionSizes {
  const { keys, values, pageTable } = view;
  const refuse = (why: string) => new ShapeError(`Cannot attend with ${shapesOf(query, view)}: ${why}`);
  if ([query, keys, values].some((x) => x.rank !== 4)) throw refuse("each must be [batch, heads, tokens, head size]");
  const [batch, heads, length, size] = query.shape as [number, number, number, number]; // rank 4, checked
  const [keyBatch, keyHeads, , keySize] = keys.shape as [number, number, number, number]; // rank 4, checked
  const rows = pageTable === undefined ? keyBatch : pageTable.shape[0];
  if (batch !== rows || keyBatch !== values.shape[0]) {
    throw refuse(rows === 1 || batch === 1 ? "batch sizes differ; expand the one of 1" : "batch sizes differ");
  }
  if (size !== keySize) throw refuse(`head sizes of query and key, ${size} and ${keySize}, differ`);
  if (size === 0) throw refuse("the head size is 0, so there are no scores");
  if (keyHeads !== values.shape[1] || keys.shape[2] !== values.shape[2]) {
    throw refuse("key and value differ in heads or length");
  }
  if (keyHeads === 0 || heads % keyHeads !== 0) {
    const swapped = keys.shape[2] === heads && length === keyHeads; // [B, T, H, D], as flash-attn has it
    throw refuse(
      `${heads} query heads do not share ${keyHeads} key heads evenly` +
        (swapped ? "; heads come before tokens: transpose(1, 2)" : ""),
    );
  }
  return { batch, heads, keyHeads, length, keyCount: view.keyCount, size };
}

function checkDTypes(query: Tensor, view: KeyValueView): void {
  const { keys, values } = view;
  if (!isFloat(query.dtype)) {
    throw new DTypeError(
      `Cannot attend with ${shapesOf(query, view)}: the query is ${query.dtype}, not float; use to("f32")`,
    );
  }
  for (const x of [keys, values]) {
    if (isFloat(x.dtype) || x.dtype === "q8_0") continue;
    throw new DTypeError(
      `Cannot attend with ${shapesOf(query, view)}: keys and values are floats or q8_0, not ${x.dtype}; use to("f32")`,
    );
  }
}

function checkNumbers(options: AttentionOptions): void {
  const { causal, window, scale, softcap, headGrouping, dropout, seed, offset } = options;
  const refuse = (name: string, value: unknown, expected: string) =>
    new ShapeError(`Cannot attend with ${name} ${showValue(value)}: it is ${expected}`);
  if (causal !== undefined && causal !== "upper-left" && causal !== "lower-right") {
    throw refuse("causal", causal, '"upper-left" (s <= t) or "lower-right" (s <= t + S - T)');
  }
  if (headGrouping !== undefined && headGrouping !== "contiguous" && headGrouping !== "interleaved") {
    throw refuse("headGrouping", headGrouping, '"contiguous" (floor(h / G)) or "interleaved" (h mod Hkv)');
  }
  for (const side of ["left", "right", "sinkTokens"] as const) {
    const count = window?.[side];
    if (
      count === undefined || (count >= 0 && (Number.isInteger(count) || (count === Infinity && side !== "sinkTokens")))
    ) {
      continue;
    }
    throw refuse(`window.${side}`, count, "a count of positions from 0; leave it out for all");
  }
  if (offset !== undefined && !(Number.isInteger(offset) && Math.abs(offset) < FARTHEST)) {
    throw refuse("offset", offset, "the first query's position");
  }
  if (scale !== undefined && !Number.isFinite(scale)) throw refuse("scale", scale, "a finite factor");
  if (softcap !== undefined && !(softcap > 0 && softcap < Infinity)) {
    throw refuse("softcap", softcap, "a bound above 0; leave it out for none");
  }
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) {
    throw refuse("dropout", dropout, "a probability below 1");
  }
  if (dropout !== undefined && dropout > 0 && seed === undefined) {
    throw new ShapeError(
      `Cannot attend with dropout ${dropout} without a seed: pass { seed }, another one for each call`,
    );
  }
}

function checkMask({ mask }: AttentionOptions, { batch, heads, length, keyCount }: AttentionSizes): void {
  if (mask === undefined) return;
  if (mask.dtype !== "bool" && !isFloat(mask.dtype)) {
    throw new DTypeError(
      `Cannot attend with a mask ${mask.dtype} ${
        showShape(mask.shape)
      }: it is bool (true: may attend) or float (added)` +
        (dtypeInfo(mask.dtype).kind === "int" ? "; use ne(0)" : ""),
    );
  }
  const scores = [batch, heads, length, keyCount];
  const lead = 4 - mask.rank;
  if (lead >= 0 && mask.shape.every((size, i) => size === 1 || size === scores[lead + i])) return;
  throw new ShapeError(
    `Cannot attend with a mask ${showShape(mask.shape)}: it does not broadcast to the scores [B, H, T, S], ${
      showShape(scores)
    }` + (mask.rank === 2 && mask.shape[0] === batch && mask.shape[1] === keyCount
      ? "; for one of keys by row use reshape([B, 1, 1, S])"
      : ""),
  );
}

function checkVectors(options: AttentionOptions, { batch, heads, keyCount }: AttentionSizes): void {
  const of = (name: string, x: Tensor | undefined, size: number, letter: string) => {
    if (x === undefined || (x.rank === 1 && x.shape[0] === size)) return;
    throw new ShapeError(`Cannot attend with ${name} ${showShape(x.shape)}: it is [${letter}], [${size}]`);
  };
  of("alibiSlopes", options.alibiSlopes, heads, "H");
  of("sinks", options.sinks, heads, "H");
  of("keyLengths", options.keyLengths, batch, "B");
  const { keyLengths } = options;
  if (keyLengths !== undefined && keyLengths.dtype !== "i32" && keyLengths.dtype !== "u8") {
    throw new DTypeError(
      `Cannot attend with keyLengths ${keyLengths.dtype} ${
        showShape(keyLengths.shape)
      }: counts up to S = ${keyCount} ` +
        `are i32; use to("i32")`,
    );
  }
  for (const name of ["alibiSlopes", "sinks"] as const) {
    const x = options[name];
    if (x === undefined || isFloat(x.dtype)) continue;
    throw new DTypeError(`Cannot attend with ${name} ${x.dtype} ${showShape(x.shape)}: it takes floats; use to("f32")`);
  }
}

function checkBlocks({ blockMask }: AttentionOptions, { batch, heads, length, keyCount }: AttentionSizes): void {
  if (blockMask === undefined) return;
  const { kinds, queryLength, keyLength } = blockMask;
  const fits = queryLength === length && keyLength === keyCount;
  if (
    fits && (kinds.shape[0] === 1 || kinds.shape[0] === batch) && (kinds.shape[1] === 1 || kinds.shape[1] === heads)
  ) {
    return;
  }
  throw new ShapeError(
    `Cannot attend with a blockMask of ${kinds.shape[0]} rows, ${kinds.shape[1]} heads, T = ${queryLength} and ` +
      `S = ${keyLength}: the scores [B, H, T, S] are ${showShape([batch, heads, length, keyCount])}`,
  );
}
