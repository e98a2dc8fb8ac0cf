/**
 * Products of block-quantised weights by int8 activations. Rows of the left operand are rounded, by a kernel of their own
 * (quantise_rows.wgsl), to blocks of 32 elements, or 16 where the weight's scales are as fine, and then multiplied by the
 * weights' own bytes, four multiply-adds an instruction (tiled_int8.wgsl). matmul.ts has the ladder.
 *
 * For normally distributed activations the error of a block is 3e-5 of its variance (d is about 0.019 σ, the rounding's
 * variance d² / 12), and so is that of a product with independent weights.
 */
import { type BlockDType, type DType, isBlock } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { pack } from "../../packing.ts";
import { MAX_DIMS } from "../../parameters.ts";
import { Shader, Shaders } from "../../shader.ts";
import QUANTISE from "../../wgsl/quantise.wgsl" with { type: "text" };
import { elementFiles } from "../decoding.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { withTemporary } from "../temporaries.ts";
import LEFT_ELEMENTS from "./left_elements.wgsl" with { type: "text" };
import { parametersOf, partsOf, type Product } from "./parts.ts";
import QUANTISE_ROWS from "./quantise_rows.wgsl" with { type: "text" };
import RESULT from "./result.wgsl" with { type: "text" };
import RIGHT_ELEMENTS from "./right_elements.wgsl" with { type: "text" };
import { rightAccess } from "./shaders.ts";
import { fills, type Tile, tileGrid } from "./tiles.ts";
import TILED_INT8 from "./tiled_int8.wgsl" with { type: "text" };
import TILED_MAIN from "./tiled_main.wgsl" with { type: "text" };
import { FEW_ROWS } from "./variants.ts";

/** Formats with a scale for every 16 elements; the others have one for 32. */
const FINE: ReadonlySet<DType> = new Set(["q2_k", "q3_k", "q6_k"]);

/** For GPUs; software adapters lose by them. */
const TILES = { large: [64, 64], small: [32, 32] } as const satisfies Record<string, Tile>;

/** Invocations of a workgroup that quantises. */
const WORKGROUP = 64;

/**
 * Whether a product is one for int8: several rows by blocks along K. Few rows wait for the weights' bytes, whatever is done
 * with them, and stay exact. K is whole blocks where they lie along it: core makes no view that cuts them.
 */
export function takesInt8(a: WebGpuOperand, b: WebGpuOperand): boolean {
  if (!isBlock(b.dtype) || a.shape.at(-2)! <= FEW_ROWS || rightAccess(b) !== "along_k") return false;
  return a.shape.length <= MAX_DIMS; // all of them are walked
}

/** `out = a b`, where `takesInt8`; `out` is f32. */
export function multiplyInt8(gpu: Gpu, a: WebGpuOperand, b: WebGpuOperand, out: WebGpuOperand): void {
  const packed = pack(gpu, b.buffer);
  const right = { ...b, takesPacked: true };
  const product = { a, b: right, out, rowStep: out.shape.at(-1)!, adds: false };
  withQuantised(gpu, a, FINE.has(b.dtype) ? 16 : 32, (rows) => {
    for (const part of partsOf(gpu, product)) runPart(gpu, { ...part, a: rows }, packed);
  });
}

/**
 * Lets `use` record work on the rows of `a` as int8, `[batch…, M, words of K / block blocks]`; rows that are one and the same
 * in `a` (their dim has stride 0) are so there.
 */
function withQuantised(gpu: Gpu, a: WebGpuOperand, block: number, use: (rows: WebGpuOperand) => void): void {
  const last = a.shape.length - 1;
  const rows = a.shape.slice(0, last).map((size, d) => a.strides[d] === 0 ? 1 : size);
  const [count, words] = [a.shape[last]! / block, 2 + block / 4];
  withTemporary(gpu, "i32", [...rows, count * words], (quantised) => {
    const blocks = [...rows, count];
    const numel = numelOf(blocks);
    const from = { strides: a.strides.with(last, block * a.strides[last]!), offset: a.offset };
    const to = { strides: quantised.strides.with(last, words), offset: 0 };
    const parameters = { shape: blocks, operands: [to, from], numel, attrs: [a.strides[last]!] };
    const shader = QUANTISERS.get(`${a.dtype} ${block}`);
    gpu.run(shader, [quantised, a], parameters, gpu.line(Math.ceil(numel / WORKGROUP)));
    use({ ...quantised, strides: quantised.strides.map((stride, d) => a.strides[d] === 0 && d < last ? 0 : stride) });
  });
}

function runPart(gpu: Gpu, product: Product, packed: boolean): void {
  const { a, b, out } = product;
  const size = fills(TILES.large, out.shape) ? "large" : "small";
  const shader = PRODUCTS.get(`${size} ${b.dtype} ${packed}`);
  gpu.run(shader, [out, a, b], parametersOf(product), tileGrid(gpu, TILES[size], out.shape));
}

const QUANTISERS = new Shaders((key) => {
  const [dtype, block] = key.split(" ") as [DType, string]; // as withQuantised() puts them together
  const files = [...PREAMBLE, LEFT_ELEMENTS, QUANTISE, QUANTISE_ROWS];
  return new Shader(`matmul_quantise_${dtype}`, "wr", { LEFT: dtypeConstant(dtype), BLOCK: `${block}u` }, files);
});

const PRODUCTS = new Shaders((key) => {
  const [size, dtype, packed] = key.split(" ") as [keyof typeof TILES, BlockDType, string]; // as runPart() puts them together
  const [rows, columns] = TILES[size];
  const files = [
    ...PREAMBLE,
    RESULT,
    RIGHT_ELEMENTS,
    ...elementFiles(dtype, packed === "true"),
    TILED_INT8,
    TILED_MAIN,
  ];
  const constants = {
    BLOCK: FINE.has(dtype) ? "16u" : "32u",
    ...{ TILE_M: `${rows}u`, TILE_N: `${columns}u`, ROW_BLOCKS: size === "large" ? "2u" : "1u" },
  };
  return new Shader(`matmul_int8_${rows}_${dtype}`, "wrr", constants, files);
});
