/**
 * `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]`, any strides; floats in f32, ints wrap, truth values by "and", "or".
 * The right operand may be of any storage dtype; halves and blocks are decoded where they are read.
 *
 * The ladder, with the operations of an invocation for each word that it loads from memory (f32, K long), and the rate
 * beside `naive`'s, measured at 512 cubed on llvmpipe. That is a processor: it says nothing about the order on a GPU.
 *
 *     variant        a workgroup's tile   operations a word   on llvmpipe
 *     naive          64 elements                 1              1          the reference; does tiny products
 *     tiled_32       32 x 32                    16              5          4 x 4 an invocation
 *     tiled_64       64 x 64                    32              7          8 x 4
 *     tiled_128      128 x 64                   43              -          8 x 4
 *     registers_4    4 x 64                      5             11          4 x 8, for up to four rows
 *     registers_8    8 x 64                      8             16          8 x 8
 *     registers_16   16 x 64                    11             21          16 x 8; takes longer to compile
 *     vector_*       4 x 4, 4 x 2, 4 x 1         2              -          up to four rows; K split among 16 to 64
 *     split          4 x 32                      4              -          the same, however the operands lie
 *
 * - `tiled` brings tiles of both operands through workgroup memory and moves K (M N / TILE_N + M N / TILE_M) words. The
 *   larger the tile, the fewer bytes, and the fewer workgroups there are to fill the device. For GPUs;
 * - `registers` has no workgroup memory and no barriers: on software adapters the one is memory like any other, the other
 *   changes contexts, and every load is done lane by lane, so that operations a load decide. For these alone;
 * - `vector` and `split` read every weight once: N K words of f32, a seventh of that in q4_0. Sums are added in workgroup
 *   memory by a tree. Subgroups may hold invocations of several columns, so only where a workgroup has one column do they
 *   sum it where there are any (folding.ts): with 2 barriers in place of 7 for 32 invocations, 8 for 64. That was run on
 *   software adapters only, and never timed on a GPU; the tuner decides.
 * - int8 (int8.ts) is `tiled_64` and `tiled_32` for block-quantised weights where the backend was asked for int8 activations:
 *   10 words hold 32 of them, and four multiply-adds are an instruction on devices that have it. By q4_1 it does 137 and 68
 *   multiply-adds a word, where they do 55 and 28. On llvmpipe, which lacks the instruction, 128 x 576 x 1536 and 512 cubed
 *   took 0.5 to 0.7 of their time, and 1.4 to 2 times that of registers_16. Up to four rows stay f32: they wait for the
 *   weights, whose bytes are the same.
 *
 * Which one: by the rows, by how much there is to do, and by what suits the device (suited.ts; measured by tuner.ts).
 */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import { isFloat } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu, Grid } from "../../gpu.ts";
import { pack } from "../../packing.ts";
import { foldingOn } from "../folding.ts";
import { viaF32 } from "../temporaries.ts";
import { multiplyInt8, takesInt8 } from "./int8.ts";
import { parametersOf, partsOf, type Product } from "./parts.ts";
import { intShaderFor, leftAccess, rightAccess, type ShaderChoice, shaderFor } from "./shaders.ts";
import { suitedTo } from "./suited.ts";
import { fills, tileGrid } from "./tiles.ts";
import { FEW_ROWS, type VariantName, VARIANTS } from "./variants.ts";

/** Multiply-adds up to which a product is done before a larger kernel would have begun. */
const TINY = 2 ** 15;

/** K up to which one invocation may walk along all of it. */
const SHORT = 128;

/** Multiply-adds as few as that for each of a batch. */
const TINY_OF_A_BATCH = 2 ** 9;

/** The kernel; `int8`: whether activations are quantised where that helps, which takes the language's packed dot product. */
export function matmul(gpu: Gpu, int8: boolean): PrimitiveKernels<WebGpuBuffer>["matmul"] {
  return {
    layout: "strided",
    run([a, b], [out]): void {
      const by = int8 && takesInt8(a, b) ? multiplyInt8 : multiply;
      viaF32(gpu, out!, (wide) => by(gpu, a, b, wide));
    },
  };
}

/** The kernel's function, by a certain variant or by the one that suits; `out` is f32 where `a` is a float. */
export function multiply(
  gpu: Gpu,
  a: WebGpuOperand,
  b: WebGpuOperand,
  out: WebGpuOperand,
  variant?: VariantName,
): void {
  const packed = pack(gpu, b.buffer);
  const right = { ...b, takesPacked: true };
  const whole = { a, b: right, out, rowStep: out.shape.at(-1)!, adds: false };
  for (const part of partsOf(gpu, whole)) runPart(gpu, part, packed, variant);
}

function runPart(gpu: Gpu, product: Product, packed: boolean, variant?: VariantName): void {
  const { a, b, out } = product;
  if (!isFloat(a.dtype)) {
    const grid = gpu.line(Math.ceil(numelOf(out.shape) / VARIANTS.naive.tile[1]));
    return gpu.run(intShaderFor(a.dtype), [out, a, b], parametersOf(product), grid);
  }
  const [left, right] = [leftAccess(a), rightAccess(b)];
  const unlike = left === "along_other" || left === "anyhow" || right !== "along_k";
  const chosen = variant ?? choose(gpu, product, unlike);
  const choice: ShaderChoice = {
    ...{ variant: chosen, left: a.dtype, leftAccess: left, right: b.dtype, rightAccess: right, packed },
    nativeHalves: gpu.acquired.features.has("shader-f16"),
    folding: foldingOn(gpu),
  };
  gpu.run(shaderFor(choice), [out, a, b], parametersOf(product), gridOf(gpu, chosen, out.shape));
}

/** The variant for a product; `unlike` where an operand does not lie as a vector variant reads it. */
function choose(gpu: Gpu, product: Product, unlike: boolean): VariantName {
  const { shape } = product.out;
  const [m, n, k] = [shape.at(-2)!, shape.at(-1)!, product.a.shape.at(-1)!];
  if (k <= SHORT && (numelOf(shape) * k <= TINY || m * n * k <= TINY_OF_A_BATCH)) return "naive";
  const suited = suitedTo(gpu.acquired);
  const name = m <= FEW_ROWS ? suited.few : fills(VARIANTS[suited.many].tile, shape) ? suited.many : suited.small;
  const { kernel, tile: [rows, columns] } = VARIANTS[name];
  if (kernel === "vector" && unlike) return "split";
  const most = Math.max(Math.ceil(n / columns), Math.ceil(m / rows), numelOf(shape) / (m * n));
  if (kernel !== "registers" || most <= gpu.device.limits.maxComputeWorkgroupsPerDimension) return name;
  return m <= FEW_ROWS ? "split" : "tiled_64"; // they walk on where a grid ends
}

function gridOf(gpu: Gpu, variant: VariantName, shape: readonly number[]): Grid {
  const { kernel, tile } = VARIANTS[variant];
  if (kernel === "naive") return gpu.line(Math.ceil(numelOf(shape) / tile[1]));
  const grid = tileGrid(gpu, tile, shape);
  if (kernel !== "vector" && kernel !== "split") return grid;
  const [x, y] = gpu.line(Math.ceil(shape.at(-1)! / tile[1])); // they walk the rows themselves
  return [x, y, grid[2]];
}
