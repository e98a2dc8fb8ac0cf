/**
 * The shaders of matmul: a variant, and how it reads each operand. An operand is read in quads where its elements lie
 * together along a dim, four to a quad, and an element at a time otherwise; a reader gives blocks of 4 x 4 either way.
 */
import { type DType, isBlock, isHalf } from "../../../../core/src/dtype.ts";
import type { WebGpuOperand } from "../../buffer.ts";
import { Shader, Shaders } from "../../shader.ts";
import SUM from "../../wgsl/sum.wgsl" with { type: "text" };
import { elementConstant, elementFiles } from "../decoding.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { type Folding, foldingFeatures, foldingFiles } from "../folding.ts";
import COLUMN_SUM_TREE from "./column_sum_tree.wgsl" with { type: "text" };
import COLUMN_SUM_WORKGROUP from "./column_sum_workgroup.wgsl" with { type: "text" };
import INT_NAIVE from "./int_naive.wgsl" with { type: "text" };
import LEFT_ALONG_K from "./left_along_k.wgsl" with { type: "text" };
import LEFT_ALONG_M from "./left_along_m.wgsl" with { type: "text" };
import LEFT_ANYHOW from "./left_anyhow.wgsl" with { type: "text" };
import LEFT_ELEMENTS from "./left_elements.wgsl" with { type: "text" };
import LEFT_F16 from "./left_f16.wgsl" with { type: "text" };
import LEFT_HALVES from "./left_halves.wgsl" with { type: "text" };
import LEFT_ROW from "./left_row.wgsl" with { type: "text" };
import LEFT_WORDS from "./left_words.wgsl" with { type: "text" };
import NAIVE from "./naive.wgsl" with { type: "text" };
import REGISTERS from "./registers.wgsl" with { type: "text" };
import RESULT from "./result.wgsl" with { type: "text" };
import RIGHT_ALONG_K from "./right_along_k.wgsl" with { type: "text" };
import RIGHT_ALONG_N from "./right_along_n.wgsl" with { type: "text" };
import RIGHT_ANYHOW from "./right_anyhow.wgsl" with { type: "text" };
import RIGHT_BLOCKS from "./right_blocks.wgsl" with { type: "text" };
import RIGHT_ELEMENTS from "./right_elements.wgsl" with { type: "text" };
import RIGHT_F16 from "./right_f16.wgsl" with { type: "text" };
import RIGHT_HALVES from "./right_halves.wgsl" with { type: "text" };
import RIGHT_WORDS from "./right_words.wgsl" with { type: "text" };
import RUN_BLOCKS from "./run_blocks.wgsl" with { type: "text" };
import RUN_QUADS from "./run_quads.wgsl" with { type: "text" };
import SPLIT from "./split.wgsl" with { type: "text" };
import TILED from "./tiled.wgsl" with { type: "text" };
import TILED_MAIN from "./tiled_main.wgsl" with { type: "text" };
import VECTOR from "./vector.wgsl" with { type: "text" };
import { type VariantName, VARIANTS } from "./variants.ts";

/** Along which dim an operand's elements lie together; `row`: along K, and there is one row. */
export type Access = "row" | "along_k" | "along_other" | "anyhow";

/** What decides which shader a product takes. */
export interface ShaderChoice {
  readonly variant: VariantName;
  readonly left: DType;
  readonly leftAccess: Access;
  readonly right: DType;
  readonly rightAccess: Access;
  /** Whether the right operand's blocks lie in pairs. */
  readonly packed: boolean;
  /** Whether the device reads f16 itself. */
  readonly nativeHalves: boolean;
  /** How a workgroup sums what its invocations have of one column. */
  readonly folding: Folding;
}

const KERNELS = { registers: [REGISTERS], tiled: [TILED, TILED_MAIN], vector: [VECTOR], split: [SPLIT] };

const LEFT = { row: LEFT_ROW, along_k: LEFT_ALONG_K, along_other: LEFT_ALONG_M, anyhow: LEFT_ANYHOW };
const RIGHT = { row: RIGHT_ALONG_K, along_k: RIGHT_ALONG_K, along_other: RIGHT_ALONG_N, anyhow: RIGHT_ANYHOW };

const SHADERS = new Shaders((key) => make(JSON.parse(key) as ShaderChoice)); // as shaderFor() wrote it

/** The shader of a product of floats. */
export function shaderFor(choice: ShaderChoice): Shader {
  return SHADERS.get(JSON.stringify(choice));
}

const INT_SHADERS = new Shaders((dtype) => {
  const files = [...PREAMBLE, RESULT, LEFT_ELEMENTS, RIGHT_ELEMENTS, INT_NAIVE];
  return new Shader(`matmul_naive_${dtype}`, "wrr", { LEFT: dtypeConstant(dtype as DType) }, files); // as given to get()
});

/** The shader of a product of ints or truth values. */
export function intShaderFor(dtype: DType): Shader {
  return INT_SHADERS.get(dtype);
}

function make(choice: ShaderChoice): Shader {
  const { variant, left, right, packed, nativeHalves, folding } = choice;
  const { kernel, sizes } = VARIANTS[variant];
  const constants: Record<string, string> = { LEFT: dtypeConstant(left), X: elementConstant(right) };
  for (const [name, value] of Object.entries(sizes)) constants[name] = `${value}u`;
  const files = kernel === "naive"
    ? [LEFT_ELEMENTS, RIGHT_ELEMENTS, ...elementFiles(right, packed), NAIVE]
    : [...leftFiles(choice), ...rightFiles(choice), ...runFiles(choice), ...KERNELS[kernel]];
  const label = `matmul_${variant}_${left}${left === right ? "" : `_${right}`}`;
  const features = nativeHalves && (left === "f16" || right === "f16") ? ["f16"] : [];
  if (hasOneColumn(variant)) features.push(...foldingFeatures(folding));
  return new Shader(label, "wrr", constants, [...PREAMBLE, RESULT, ...files], features);
}

function leftFiles({ left, leftAccess, nativeHalves }: ShaderChoice): string[] {
  if (leftAccess === "anyhow") return [LEFT_ELEMENTS, LEFT_ANYHOW];
  const native = nativeHalves && left === "f16";
  return [native ? LEFT_F16 : isHalf(left) ? LEFT_HALVES : LEFT_WORDS, LEFT[leftAccess]];
}

function rightFiles({ right, rightAccess, packed, nativeHalves }: ShaderChoice): string[] {
  const access = RIGHT[rightAccess];
  if (rightAccess === "anyhow") return [RIGHT_ELEMENTS, ...elementFiles(right, packed), access];
  if (isBlock(right)) return [RIGHT_ELEMENTS, ...elementFiles(right, packed), RIGHT_BLOCKS, access];
  const native = nativeHalves && right === "f16";
  return [native ? RIGHT_F16 : isHalf(right) ? RIGHT_HALVES : RIGHT_WORDS, access];
}

function runFiles({ variant, right, folding }: ShaderChoice): string[] {
  if (VARIANTS[variant].kernel !== "vector") return [];
  const sums = hasOneColumn(variant) ? [SUM, ...foldingFiles(folding), COLUMN_SUM_WORKGROUP] : [COLUMN_SUM_TREE];
  return [isBlock(right) ? RUN_BLOCKS : RUN_QUADS, ...sums];
}

/** Whether all of a workgroup sum one column. */
function hasOneColumn(variant: VariantName): boolean {
  return VARIANTS[variant].tile[1] === 1;
}

/** How the left operand `[batch…, M, K]` is read. */
export function leftAccess(a: WebGpuOperand): Access {
  if (liesTogether(a, a.shape.length - 1)) return a.shape.at(-2) === 1 ? "row" : "along_k";
  return isOfFours(a.shape.at(-1)!) && liesTogether(a, a.shape.length - 2) ? "along_other" : "anyhow";
}

/** How the right operand `[batch…, K, N]` is read. */
export function rightAccess(b: WebGpuOperand): Access {
  if (liesTogether(b, b.shape.length - 2)) return "along_k";
  return isOfFours(b.shape.at(-2)!) && liesTogether(b, b.shape.length - 1) ? "along_other" : "anyhow";
}

/** Blocks that lie along the other dim hold four steps of K, which they do not look beyond. */
function isOfFours(k: number): boolean {
  return k % 4 === 0;
}

/** Whether elements lie in quads along a dim. */
function liesTogether({ shape, strides, offset }: WebGpuOperand, dim: number): boolean {
  if (strides[dim] !== 1 || shape[dim]! % 4 !== 0 || offset % 4 !== 0) return false;
  return shape.every((size, d) => d === dim || size === 1 || strides[d]! % 4 === 0);
}
