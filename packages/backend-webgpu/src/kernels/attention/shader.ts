/** The shaders of an attention call: which files they are made of, and where their operands are bound. */
import type { WebGpuOperand } from "../../buffer.ts";
import { Shader, Shaders } from "../../shader.ts";
import CHECK_INDEX from "../../wgsl/check_index.wgsl" with { type: "text" };
import ELEMENTS from "../../wgsl/elements.wgsl" with { type: "text" };
import FLOAT_BITS from "../../wgsl/float_bits.wgsl" with { type: "text" };
import EXP from "../../wgsl/math/exp.wgsl" with { type: "text" };
import EXP_BELOW_ZERO from "../../wgsl/math/exp_below_zero.wgsl" with { type: "text" };
import LOG from "../../wgsl/math/log.wgsl" with { type: "text" };
import THREEFRY from "../../wgsl/threefry.wgsl" with { type: "text" };
import ALIBI from "./extras/alibi.wgsl" with { type: "text" };
import NO_ALIBI from "./extras/alibi_none.wgsl" with { type: "text" };
import BLOCKS from "./extras/blocks.wgsl" with { type: "text" };
import NO_BLOCKS from "./extras/blocks_none.wgsl" with { type: "text" };
import DROPOUT from "./extras/dropout.wgsl" with { type: "text" };
import NO_DROPOUT from "./extras/dropout_none.wgsl" with { type: "text" };
import LENGTHS from "./extras/lengths.wgsl" with { type: "text" };
import NO_LENGTHS from "./extras/lengths_none.wgsl" with { type: "text" };
import LOG_SUM_EXP from "./extras/log_sum_exp.wgsl" with { type: "text" };
import NO_LOG_SUM_EXP from "./extras/log_sum_exp_none.wgsl" with { type: "text" };
import MASK_BOOL from "./extras/mask_bool.wgsl" with { type: "text" };
import MASK_FLOAT from "./extras/mask_float.wgsl" with { type: "text" };
import NO_MASK from "./extras/mask_none.wgsl" with { type: "text" };
import PAGES from "./extras/pages.wgsl" with { type: "text" };
import NO_PAGES from "./extras/pages_none.wgsl" with { type: "text" };
import POSITIONS from "./extras/positions.wgsl" with { type: "text" };
import NO_POSITIONS from "./extras/positions_none.wgsl" with { type: "text" };
import SINKS from "./extras/sinks.wgsl" with { type: "text" };
import NO_SINKS from "./extras/sinks_none.wgsl" with { type: "text" };
import FEW_ROWS from "./few_rows.wgsl" with { type: "text" };
import HALF_FLOATS from "./halves.wgsl" with { type: "text" };
import HALVES from "./lines_halves.wgsl" with { type: "text" };
import Q8_0 from "./lines_q8_0.wgsl" with { type: "text" };
import SINGLY from "./lines.wgsl" with { type: "text" };
import WORDS from "./lines_words.wgsl" with { type: "text" };
import MERGE from "./merge.wgsl" with { type: "text" };
import OUT_FOURS from "./out_fours.wgsl" with { type: "text" };
import OUT from "./out.wgsl" with { type: "text" };
import PARAMETERS from "./parameters.wgsl" with { type: "text" };
import PARTS from "./parts.wgsl" with { type: "text" };
import QUERIES from "./queries.wgsl" with { type: "text" };
import QUERY_WORDS from "./queries_words.wgsl" with { type: "text" };
import ROWS from "./rows.wgsl" with { type: "text" };
import SCORES from "./scores.wgsl" with { type: "text" };
import TILE from "./tile.wgsl" with { type: "text" };
import TOTALS from "./totals.wgsl" with { type: "text" };
import type { Extras } from "./parameters.ts";

/** An operand after output, query, key and value; its constant `NAME_AT` is its binding, and `NAME` its dtype. */
interface Binding {
  readonly name: string;
  readonly operand: WebGpuOperand;
}

/** How keys and values are read: elements singly, or four at once where they lie together. */
export type Lines = "singly" | "words" | "halves" | "q8_0";

const VARIANTS = { rows: ROWS, tile: TILE, few_rows: FEW_ROWS };

/** The ways to attend; attention.ts tells of them. */
export type Variant = keyof typeof VARIANTS;

/** What decides which shader a call takes. */
interface ShaderKey {
  readonly variant: Variant;
  /** Invocations of a workgroup of rows.wgsl. */
  readonly lanes: number;
  /** Whether a row's keys are split into parts. */
  readonly split: boolean;
  readonly queryLines: Lines;
  readonly lines: Lines;
  /** Fours of a line that tile.wgsl has in workgroup memory at a time. */
  readonly slice: number;
  /** The constants of query's, key's and value's dtypes. */
  readonly dtypes: readonly string[];
  /** D and Dv. */
  readonly sizes: readonly number[];
  /** What is bound after them, as `NAME:DTYPE`. */
  readonly bindings: readonly string[];
  readonly softcap: boolean;
  readonly dropout: boolean;
  readonly offsetByLength: boolean;
}

/** Files by the operand they read, where it is there and where it is not. */
const EXTRA_FILES: readonly (readonly [name: string, present: string, absent: string])[] = [
  ["LENGTHS", LENGTHS, NO_LENGTHS],
  ["POSITIONS", POSITIONS, NO_POSITIONS],
  ["ALIBI", ALIBI, NO_ALIBI],
  ["SINKS", SINKS, NO_SINKS],
  ["PAGES", PAGES, NO_PAGES],
  ["KINDS", BLOCKS, NO_BLOCKS],
  ["LOG_SUM", LOG_SUM_EXP, NO_LOG_SUM_EXP],
];

const WRITTEN: ReadonlySet<string> = new Set(["LOG_SUM", "STATUS"]);
const FIRST_BINDING = 5;

/** What is bound after output, query, key and value, in order. */
export function bindingsOf(
  extras: Extras,
  logSumExp: WebGpuOperand | undefined,
  status: WebGpuOperand | undefined,
): Binding[] {
  const all: readonly (readonly [string, WebGpuOperand | undefined])[] = [
    ["MASK", extras.mask],
    ["ALIBI", extras.alibiSlopes],
    ["SINKS", extras.sinks],
    ["LENGTHS", extras.keyLengths],
    ["POSITIONS", extras.keyPositions],
    ["PAGES", extras.pageTable],
    ["KINDS", extras.blockKinds],
    ["TABLE", extras.blockTable],
    ["LOG_SUM", logSumExp],
    ["STATUS", status],
  ];
  return all.flatMap(([name, operand]) => operand === undefined ? [] : [{ name, operand }]);
}

/** Words that a part of the keys gives of a row: the output, the maximum, the sum, and what kind of scores there were. */
export function partWords(valueSize: number): number {
  return 4 * foursOf(valueSize) + 4;
}

function foursOf(size: number): number {
  return Math.ceil(size / 4);
}

/** Fours of a line that tile.wgsl has in workgroup memory at a time: up to 16, or 8 in the 16 KiB that all devices have. */
export function sliceOf(sizes: readonly number[], workgroupBytes: number): number {
  const slice = Math.min(16, Math.max(...sizes.map(foursOf)));
  return tileBytes(slice) <= workgroupBytes ? slice : Math.min(8, slice);
}

/** Workgroup memory that tile.wgsl takes, in bytes: queries, lines, weights, what invocations tell each other, a turn. */
function tileBytes(slice: number): number {
  return 16 * (2 * 32 * (slice + 1) + 8 * 33 + 64 + 1);
}

/** Invocations of a workgroup of rows.wgsl: as many as their queries and outputs leave room for, 0 where there is none. */
export function rowsLanes(sizes: readonly number[], workgroupBytes: number): number {
  const each = 4 * 16 * sizes.reduce((sum, size) => sum + foursOf(size), 0);
  return [8, 4, 2, 1].find((lanes) => lanes * each <= workgroupBytes) ?? 0;
}

/**
 * Invocations that share a line in few_rows.wgsl, a power of two; there are 64 in all. It takes the more workgroup memory
 * the fewer they are: at most 15 KiB.
 */
export function foursAcross(sizes: readonly number[]): number {
  return 2 ** Math.max(3, ...sizes.map((size) => Math.ceil(Math.log2(foursOf(size)))));
}

const SHADERS = new Shaders((text) => make(JSON.parse(text) as ShaderKey)); // as shaderFor() wrote it

/** The shader of a call. */
export function shaderFor(key: ShaderKey): Shader {
  return SHADERS.get(JSON.stringify(key));
}

const LINES: Readonly<Record<Lines, string>> = { singly: SINGLY, words: WORDS, halves: HALVES, q8_0: Q8_0 };

/** Operands that change scores. */
const CHANGES = ["MASK", "ALIBI", "KINDS"];

/** lines_q8_0.wgsl has no use for a dtype's constant. */
function plain(dtype: string): string {
  return dtype === "Q8_0" ? "F32" : dtype;
}

function make(
  { variant, lanes, slice, split, queryLines, lines, dtypes, sizes, bindings, softcap, dropout, offsetByLength }:
    ShaderKey,
): Shader {
  const bound = new Map(bindings.map((entry) => entry.split(":") as [string, string])); // as attend() put them together
  const [size, valueSize] = sizes as [number, number];
  const constants: Record<string, string> = {
    ...{ QUERY: dtypes[0]!, KEY: plain(dtypes[1]!), VALUE: plain(dtypes[2]!), SPLIT: `${split}` },
    ...{ D: `${size}u`, DV: `${valueSize}u`, PART_WORDS: `${partWords(valueSize)}u` },
    ...{ CHUNKS: `${foursOf(size)}u`, VALUE_CHUNKS: `${foursOf(valueSize)}u` },
    ...{ LANES: `${lanes}u`, SLICE: `${slice}u`, ACROSS: `${foursAcross(sizes)}u` },
    ...{ DROPOUT: `${dropout}`, OFFSET_BY_LENGTH: `${offsetByLength}` },
    ...{ SOFTCAP: `${softcap}`, CHANGES: `${CHANGES.some((name) => bound.has(name))}` },
  };
  [...bound].forEach(([name, dtype], i) => {
    const at = FIRST_BINDING + i;
    if (name === "STATUS") constants[name] = `${at}`;
    else Object.assign(constants, { [name]: dtype, [`${name}_AT`]: `${at}` });
  });
  const mask = bound.get("MASK");
  const files = [
    ...[ELEMENTS, FLOAT_BITS, EXP, EXP_BELOW_ZERO, LOG, PARAMETERS, HALF_FLOATS, LINES[lines]],
    ...[queryLines === "words" ? QUERY_WORDS : QUERIES, valueSize % 4 === 0 ? OUT_FOURS : OUT],
    ...(bound.has("STATUS") ? [CHECK_INDEX] : []),
    mask === undefined ? NO_MASK : mask === "BOOL" ? MASK_BOOL : MASK_FLOAT,
    ...EXTRA_FILES.map(([name, present, absent]) => bound.has(name) ? present : absent),
    ...(dropout ? [THREEFRY, DROPOUT] : [NO_DROPOUT]),
    ...[TOTALS, SCORES, PARTS, VARIANTS[variant]],
  ];
  const access = `wrrr${[...bound.keys()].map((name) => WRITTEN.has(name) ? "w" : "r").join("")}`;
  return new Shader(`attention_${variant}_${dtypes[0]!.toLowerCase()}`, access, constants, files);
}

/** The shader that brings parts together; it writes logSumExp or does not. */
export function mergeShader(valueSize: number, logSum: boolean): Shader {
  return MERGE_SHADERS.get(`${valueSize} ${logSum}`);
}

const MERGE_SHADERS = new Shaders((key) => {
  const [valueSize, logSum] = key.split(" ") as [string, string]; // as mergeShader() put them together
  const width = Number(valueSize);
  const constants = {
    ...{ DV: `${width}u`, VALUE_CHUNKS: `${foursOf(width)}u`, PART_WORDS: `${partWords(width)}u`, LOG_SUM_AT: 3 },
  };
  const files = [
    ...[FLOAT_BITS, EXP, EXP_BELOW_ZERO, LOG, PARAMETERS, TOTALS],
    ...(logSum === "true" ? [LOG_SUM_EXP] : [NO_LOG_SUM_EXP]),
    MERGE,
  ];
  return new Shader("attention_merge", logSum === "true" ? "wrw" : "wr", constants, files);
});
