/**
 * Attention against one loop over all scores: each option alone in every layout, all dtypes, and any options together by random
 * search. The same cases run through the composition, so that fused and composed are held to one oracle.
 */
import * as core from "../../../../core/mod.ts";
import { attention as solve, type AttentionAnswer } from "../../oracle/attention.ts";
import { type Dense, generate, map } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import type { Capability } from "../../capability.ts";
import type { Check } from "../check.ts";
import { CONTRACTION_LIMITS, toleranceOf } from "../check.ts";
import { type LayoutCase, layoutsFor, PLAIN_LAYOUT } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";
import type { SuiteContext } from "../suite_context.ts";

/** Sizes of a call. */
interface Sizes {
  readonly batch: number;
  readonly keyHeads: number;
  readonly groups: number;
  readonly length: number;
  readonly keys: number;
  readonly size: number;
  readonly valueSize: number;
}

/** Options as they are asked for; operands are made of them. */
interface Wish {
  readonly mask?: "bool" | "float" | "hiding";
  readonly causal?: core.CausalAlignment;
  readonly offset?: number;
  readonly left?: number;
  readonly right?: number;
  readonly sinkTokens?: number;
  readonly scale?: number;
  readonly softcap?: number;
  readonly alibi?: boolean;
  readonly sinks?: boolean;
  readonly keyLengths?: boolean;
  readonly interleaved?: boolean;
  readonly dropout?: number;
  readonly dtype?: PlainDType;
  readonly keyDType?: PlainDType;
  readonly layout?: LayoutCase;
}

const SEED = 99;

/** The library's call and the oracle's, of the same numbers. */
interface Call {
  readonly operands: readonly [query: core.Tensor, key: core.Tensor, value: core.Tensor];
  readonly options: core.AttentionOptions;
  readonly answer: AttentionAnswer;
}

function callOf(c: SuiteContext, sizes: Sizes, wish: Wish): Call {
  const { batch, keyHeads, groups, length, keys, size, valueSize } = sizes;
  const heads = keyHeads * groups;
  const { dtype = "f32", layout = PLAIN_LAYOUT } = wish;
  const kv = { dtype: wish.keyDType ?? dtype, layout };
  const query = c.operand([batch, heads, length, size], { dtype, layout });
  const key = c.operand([batch, keyHeads, keys, size], kv);
  const value = c.operand([batch, keyHeads, keys, valueSize], kv);
  const shown = wish.mask === "bool" ? c.operand([batch, 1, length, keys], { dtype: "bool" }) : undefined;
  const bias = wish.mask === "float"
    ? c.operand([heads, length, keys])
    : wish.mask === "hiding"
    ? c.operand([length, keys], { values: hidingRows(c, length, keys) })
    : undefined;
  const slopes = wish.alibi === true ? c.operand([heads]) : undefined;
  const sinks = wish.sinks === true ? c.operand([heads]) : undefined;
  const lengths = wish.keyLengths === true
    ? c.operand([batch], { dtype: "i32", values: generate([batch], () => c.random.integer(0, keys + 1)).data })
    : undefined;
  const { causal, offset, left, right, sinkTokens, scale, softcap, interleaved } = wish;
  return {
    operands: [query.tensor, key.tensor, value.tensor],
    options: {
      ...{ causal, offset, scale, softcap, window: { left, right, sinkTokens }, dropout: wish.dropout, seed: SEED },
      mask: shown?.tensor ?? bias?.tensor,
      alibiSlopes: slopes?.tensor,
      sinks: sinks?.tensor,
      keyLengths: lengths?.tensor,
      headGrouping: interleaved === true ? "interleaved" : undefined,
    },
    answer: solve({
      ...{ query: query.dense, key: key.dense, value: value.dense, shown: shown?.dense, bias: bias?.dense },
      ...{ causal, offset, left, right, sinkTokens, scale, softcap, interleaved },
      ...{ alibiSlopes: slopes?.dense, sinks: sinks?.dense, keyLengths: lengths?.dense },
      dropout: wish.dropout === undefined ? undefined : { p: wish.dropout, seed: [SEED, 0] },
    }),
  };
}

/** 0 or -Infinity, the first row hidden in full. */
function hidingRows(c: SuiteContext, length: number, keys: number): Float64Array {
  return generate([length, keys], ([t]) => t === 0 || c.random.next() < 0.4 ? -Infinity : 0).data;
}

/** Output, weights and logSumExp of a call, and what holds whatever the numbers are. */
function checksOf(c: SuiteContext, sizes: Sizes, wish: Wish): Check[] {
  const { operands, options, answer } = callOf(c, sizes, wish);
  const dtype = wish.dtype ?? "f32";
  const rounded = (x: Dense): Dense => map(x, (v) => roundTo(dtype, v));
  const wide = dtype === "f64" ? "f64" : "f32";
  const both = core.attention(...operands, { ...options, returns: { weights: true, logSumExp: true } });
  const light = core.attention(...operands, { ...options, returns: { logSumExp: true } });
  const near = { dtype, ...limitOf(dtype, answer.output) };
  return [
    {
      what: "output",
      got: core.scaledDotProductAttention(...operands, options),
      want: rounded(answer.output),
      ...near,
    },
    { what: "output beside weights", got: both.output, want: rounded(answer.output), ...near },
    { what: "weights", got: both.weights, want: answer.weights, dtype: wide, tolerance: toleranceOf(wide) },
    { what: "logSumExp", got: light.logSumExp, want: answer.logSumExp, dtype: wide, tolerance: toleranceOf(wide) },
    { what: "logSumExp beside weights", got: both.logSumExp, want: answer.logSumExp, tolerance: toleranceOf(wide) },
  ];
}

/** Contractions are judged as a whole; where all is zero, exactly. */
function limitOf(dtype: PlainDType, want: Dense): Pick<Check, "normalizedLimit" | "tolerance"> {
  if (want.data.every((x) => x === 0)) return { tolerance: { rtol: 0, atol: 0 } };
  return { normalizedLimit: CONTRACTION_LIMITS[dtype === "f32" || dtype === "f64" ? dtype : "half"] };
}

function needsOf(wish: Wish): Capability[] {
  return [...(wish.dtype === undefined ? [] : [wish.dtype]), ...(wish.keyDType === undefined ? [] : [wish.keyDType])];
}

function attentionCase(name: string, sizes: Sizes, wish: Wish): SuiteCase {
  return { name: `attention/${name}`, needs: needsOf(wish), run: (c) => checksOf(c, sizes, wish) };
}

const CHUNK: Sizes = { batch: 2, keyHeads: 2, groups: 3, length: 5, keys: 7, size: 8, valueSize: 5 };

/** Every option by itself. */
const WISHES: Readonly<Record<string, Wish>> = {
  "plain": {},
  "bool mask": { mask: "bool" },
  "float mask": { mask: "float" },
  "mask that hides a row": { mask: "hiding" },
  "causal upper-left": { causal: "upper-left" },
  "causal lower-right": { causal: "lower-right" },
  "offset": { causal: "lower-right", offset: 1 },
  "window": { left: 2, right: 1 },
  "window to the left": { left: 1 },
  "window with sink tokens": { left: 1, right: 0, sinkTokens: 2 },
  "scale": { scale: -0.3 },
  "softcap": { softcap: 0.7 },
  "alibi": { alibi: true },
  "sinks": { sinks: true },
  "key lengths": { keyLengths: true },
  "key lengths, causal": { keyLengths: true, causal: "lower-right" },
  "interleaved heads": { interleaved: true },
  "dropout": { dropout: 0.3 },
  "interleaved dropout": { dropout: 0.3, interleaved: true },
};

const ALONE = Object.entries(WISHES).map(([name, wish]) => attentionCase(name, CHUNK, wish));

const LAYOUTS = layoutsFor([2, 2, 7, 8]).flatMap((layout) => [
  attentionCase(`plain, ${layout.name}`, { ...CHUNK, valueSize: 8 }, { layout }),
  attentionCase(`causal, masked, ${layout.name}`, CHUNK, { layout, causal: "lower-right", mask: "bool" }),
]);

/** Long enough for several tiles of any kernel, and sizes that no vector register divides. */
const SIZES: Readonly<Record<string, Sizes>> = {
  "one token": { ...CHUNK, length: 1, keys: 131, groups: 2 },
  "many keys": { ...CHUNK, length: 67, keys: 131, batch: 1 },
  "more queries than keys": { ...CHUNK, length: 9, keys: 4 },
  "one head, D 1": { ...CHUNK, keyHeads: 1, groups: 1, size: 1, valueSize: 1 },
  "D 64": { ...CHUNK, size: 64, valueSize: 64, batch: 1 },
  "no key": { ...CHUNK, keys: 0 },
  "no query": { ...CHUNK, length: 0 },
  "no batch": { ...CHUNK, batch: 0 },
};

const LONG = Object.entries(SIZES).flatMap(([name, sizes]) => [
  attentionCase(name, sizes, {}),
  attentionCase(`${name}, causal`, sizes, { causal: "lower-right" }),
  attentionCase(`${name}, window and sinks`, sizes, { left: 9, right: 3, sinks: true }),
]);

const PAIRS: readonly (readonly [PlainDType, PlainDType])[] = [
  ["f64", "f64"],
  ["f16", "f16"],
  ["bf16", "bf16"],
  ["f32", "f16"],
  ["f32", "bf16"],
];

const DTYPES = PAIRS.flatMap(([dtype, keyDType]) =>
  [{}, { causal: "lower-right" as const, softcap: 2, sinks: true }].map((wish) =>
    attentionCase(`${dtype} with ${keyDType} keys${"softcap" in wish ? ", options" : ""}`, CHUNK, {
      dtype,
      keyDType,
      ...wish,
    })
  )
);

/** Any options together; the case's name is its seed. */
function randomCase(i: number): SuiteCase {
  const name = `attention/random options ${i}`;
  return {
    name,
    run: (c) => {
      const { random } = c;
      const maybe = <T>(value: T): T | undefined => random.next() < 0.4 ? value : undefined;
      const sizes: Sizes = {
        batch: random.integer(1, 3),
        keyHeads: random.integer(1, 3),
        groups: random.integer(1, 4),
        length: random.integer(1, 7),
        keys: random.integer(1, random.next() < 0.2 ? 90 : 9),
        size: random.integer(1, 9),
        valueSize: random.integer(1, 9),
      };
      const wish = Object.fromEntries(
        Object.entries({
          mask: maybe((["bool", "float", "hiding"] as const)[random.integer(0, 3)]!),
          causal: maybe((["upper-left", "lower-right"] as const)[random.integer(0, 2)]!),
          offset: maybe(random.integer(-3, 9)),
          left: maybe(random.integer(0, 5)),
          right: maybe(random.integer(0, 4)),
          sinkTokens: maybe(random.integer(0, 3)),
          scale: maybe(random.between(-1, 1)),
          softcap: maybe(random.between(0.5, 3)),
          alibi: maybe(true),
          sinks: maybe(true),
          keyLengths: maybe(true),
          interleaved: maybe(true),
          dropout: maybe(random.between(0.1, 0.9)),
          layout: maybe(layoutsFor([1, 1, 1, 1])[random.integer(0, 6)]!),
        }).filter(([, value]) => value !== undefined),
      ) as Wish; // the entries of a wish, less those left out
      return checksOf(c, sizes, wish).map((check) => ({
        ...check,
        what: `${JSON.stringify({ sizes, wish })}: ${check.what}`,
      }));
    },
  };
}

/** Cases of attention that run with and without the fused kernel. */
export const ATTENTION_CASES: readonly SuiteCase[] = [
  ...ALONE,
  ...LAYOUTS,
  ...LONG,
  ...DTYPES,
  ...Array.from({ length: 80 }, (_, i) => randomCase(i)),
];
