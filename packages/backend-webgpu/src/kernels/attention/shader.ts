/** The shader of an attention call: which files it is made of, and where its operands are bound. */
import type { WebGpuOperand } from "../../buffer.ts";
import { Shader, Shaders } from "../../shader.ts";
import CHECK_INDEX from "../../wgsl/check_index.wgsl" with { type: "text" };
import ELEMENTS from "../../wgsl/elements.wgsl" with { type: "text" };
import FLOAT_BITS from "../../wgsl/float_bits.wgsl" with { type: "text" };
import EXP from "../../wgsl/math/exp.wgsl" with { type: "text" };
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
import LINES from "./lines.wgsl" with { type: "text" };
import PARAMETERS from "./parameters.wgsl" with { type: "text" };
import TILE from "./tile.wgsl" with { type: "text" };
import type { Extras } from "./parameters.ts";

/** An operand after output, query, key and value; its constant `NAME_AT` is its binding, and `NAME` its dtype. */
interface Binding {
  readonly name: string;
  readonly operand: WebGpuOperand;
}

/** What decides which shader a call takes. */
interface ShaderKey {
  /** The constants of query's, key's and value's dtypes. */
  readonly dtypes: readonly string[];
  /** D and Dv. */
  readonly sizes: readonly number[];
  /** What is bound after them, as `NAME:DTYPE`. */
  readonly bindings: readonly string[];
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

/** Keys of a block: 2048 elements of the wider of keys and values, 8 KiB. */
function blockKeys(widest: number): number {
  return Math.max(1, Math.min(32, Math.floor(2048 / widest)));
}

/** Workgroup memory that a call takes, in bytes. */
export function workgroupBytes(size: number, valueSize: number): number {
  const widest = Math.max(size, valueSize);
  const keys = blockKeys(widest);
  return 4 * (8 * size + keys * widest + 8 * keys);
}

const SHADERS = new Shaders((text) => make(JSON.parse(text) as ShaderKey)); // as shaderFor() wrote it

/** The shader of a call. */
export function shaderFor(key: ShaderKey): Shader {
  return SHADERS.get(JSON.stringify(key));
}

function make({ dtypes, sizes, bindings, dropout, offsetByLength }: ShaderKey): Shader {
  const bound = new Map(bindings.map((entry) => entry.split(":") as [string, string])); // as attend() put them together
  const [size, valueSize] = sizes as [number, number];
  const widest = Math.max(size, valueSize);
  const constants: Record<string, string> = {
    ...{ QUERY: dtypes[0]!, KEY: dtypes[1]!, VALUE: dtypes[2]! },
    ...{ D: `${size}u`, DV: `${valueSize}u`, WIDEST: `${widest}u`, KEYS: `${blockKeys(widest)}u` },
    ...{ SHARE_OF_DV: `${Math.ceil(valueSize / 8)}u`, DROPOUT: `${dropout}`, OFFSET_BY_LENGTH: `${offsetByLength}` },
  };
  [...bound].forEach(([name, dtype], i) => {
    const at = FIRST_BINDING + i;
    if (name === "STATUS") constants[name] = `${at}`;
    else Object.assign(constants, { [name]: dtype, [`${name}_AT`]: `${at}` });
  });
  const mask = bound.get("MASK");
  const files = [
    ...[ELEMENTS, FLOAT_BITS, EXP, LOG, PARAMETERS, LINES],
    ...(bound.has("STATUS") ? [CHECK_INDEX] : []),
    mask === undefined ? NO_MASK : mask === "BOOL" ? MASK_BOOL : MASK_FLOAT,
    ...EXTRA_FILES.map(([name, present, absent]) => bound.has(name) ? present : absent),
    ...(dropout ? [THREEFRY, DROPOUT] : [NO_DROPOUT]),
    TILE,
  ];
  const access = `wrrr${[...bound.keys()].map((name) => WRITTEN.has(name) ? "w" : "r").join("")}`;
  return new Shader(`attention_tile_${dtypes[0]!.toLowerCase()}`, access, constants, files);
}
