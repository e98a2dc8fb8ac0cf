/**
 * `out = source`, any view to any view of the same shape, with a cast where dtypes differ; blocks are decoded an element
 * at a time. An out of q8_0 is written a block an invocation: rounded by GGML's rule, or moved where its blocks lie alike
 * in the source.
 */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, dtypeInfo } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import { elementConstant, elementFiles } from "../decoding.ts";
import { dtypeConstant, elementwiseShaders, PREAMBLE, runElementwise } from "../elementwise.ts";
import QUANTISE from "../../wgsl/quantise.wgsl" with { type: "text" };
import CAST from "./cast.wgsl" with { type: "text" };
import ENCODE from "./encode_q8_0.wgsl" with { type: "text" };
import MOVE from "./move_q8_0.wgsl" with { type: "text" };
import SOURCE from "./source.wgsl" with { type: "text" };

const SHADERS = elementwiseShaders("r", (key) => {
  const [from, to] = key.split(" ") as [DType, DType]; // as copyElements() puts them together
  return {
    label: from === to ? `copy_${from}` : `copy_${from}_to_${to}`,
    constants: { X: elementConstant(from), OUT: dtypeConstant(to) },
    files: [SOURCE, ...elementFiles(from), CAST],
  };
});

const ENCODERS = new Shaders((from) => {
  const files = [...PREAMBLE, SOURCE, ...elementFiles(from as DType), QUANTISE, ENCODE]; // as writeBlocks() gives it
  return new Shader(`copy_${from}_to_q8_0`, "wr", { X: elementConstant(from as DType) }, files);
});

const MOVER = new Shader("copy_q8_0", "wr", {}, [...PREAMBLE, SOURCE, MOVE]);

/** Invocations of a workgroup in the kernels that write blocks. */
const WORKGROUP = 64;

/** The kernel. */
export function copy(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["copy"] {
  return {
    layout: "strided",
    run([source], [out]): void {
      copyElements(gpu, source, out!);
    },
  };
}

/** The kernel's function, for other kernels. */
export function copyElements(gpu: Gpu, source: WebGpuOperand, out: WebGpuOperand): void {
  if (out.dtype === "q8_0") writeBlocks(gpu, source, out);
  else runElementwise(gpu, SHADERS, `${source.dtype} ${out.dtype}`, out, [source]);
}

/** The dim along which out's blocks lie becomes the last, as a dim of blocks. */
function writeBlocks(gpu: Gpu, source: WebGpuOperand, out: WebGpuOperand): void {
  const { blockSize } = dtypeInfo(out.dtype);
  const inner = out.strides.findIndex((stride, d) => stride === 1 && out.shape[d]! > 1);
  const outerDims = out.shape.map((_, d) => d).filter((d) => d !== inner);
  const shape = [...outerDims.map((d) => out.shape[d]!), out.shape[inner]! / blockSize];
  const stepsOf = ({ strides, offset }: WebGpuOperand) => ({
    strides: [...outerDims.map((d) => strides[d]!), strides[inner]! * blockSize],
    offset,
  });
  const numel = numelOf(shape);
  const moves = source.dtype === out.dtype && source.strides[inner] === 1;
  const shader = moves ? MOVER : ENCODERS.get(source.dtype);
  const parameters = { shape, operands: [stepsOf(out), stepsOf(source)], numel, attrs: [source.strides[inner]!] };
  gpu.run(shader, [out, source], parameters, gpu.line(Math.ceil(numel / WORKGROUP)));
}
