/**
 * Weights whose blocks are a half and some words (18, 22, 34, 110 or 210 bytes) are packed in pairs, so that kernels read
 * whole words: a pair's two scales share a word and the rest of both blocks is aligned. Packing happens in place, a pair
 * an invocation, when a weight is frozen; canonical bytes come back by the opposite kernel, and kernels that know nothing
 * of pairs find them unpacked. In GGML's layout a pair is `d q… d q…`, or `q… d q… d`; packed it is `d d q… q…`, or
 * `q… d d q…`: the halves from one place to another, both odd, move on by one.
 */
import { type DType, dtypeInfo } from "../../core/src/dtype.ts";
import { isPackable, type WebGpuBuffer } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import { Shader, Shaders } from "./shader.ts";
import { windowsOf } from "./windows.ts";
import PACK from "./wgsl/blocks/pack.wgsl" with { type: "text" };
import UNPACK from "./wgsl/blocks/unpack.wgsl" with { type: "text" };
import PARAMETERS from "./wgsl/parameters.wgsl" with { type: "text" };

const WORKGROUP = 64;

/** Formats whose scale stands behind what it scales. */
const SCALE_LAST: ReadonlySet<DType> = new Set(["q3_k", "q6_k"]);

const SHADERS = new Shaders((key) => {
  const [verb, dtype] = key.split(" ") as ["pack" | "unpack", DType]; // as rearrange() puts them together
  const words = dtypeInfo(dtype).blockBytes / 2;
  const [first, last] = SCALE_LAST.has(dtype) ? [(words - 1) / 2, words - 1] : [0, (words - 1) / 2];
  const constants = { PAIR_WORDS: `${words}u`, FIRST: `${first}u`, LAST: `${last}u` };
  return new Shader(`${verb}_${dtype}`, "w", constants, [PARAMETERS, verb === "pack" ? PACK : UNPACK]);
});

/** Packs a frozen weight, where that helps. @returns whether its blocks lie in pairs now */
export function pack(gpu: Gpu, buffer: WebGpuBuffer): boolean {
  if (!buffer.packed && buffer.frozen && isPackable(buffer.dtype)) {
    rearrange(gpu, buffer, "pack");
    buffer.packed = true;
  }
  return buffer.packed;
}

/** Gives a packed weight its canonical bytes back. */
export function unpack(gpu: Gpu, buffer: WebGpuBuffer): void {
  if (!buffer.packed) return;
  rearrange(gpu, buffer, "unpack");
  buffer.packed = false;
}

function rearrange(gpu: Gpu, buffer: WebGpuBuffer, verb: "pack" | "unpack"): void {
  const { dtype, byteLength } = buffer;
  const pairBytes = 2 * dtypeInfo(dtype).blockBytes;
  for (const window of windowsOf(gpu, byteLength, pairBytes)) {
    const operand = { buffer, dtype, shape: [buffer.numel], strides: [1], offset: 0, window, takesPacked: true };
    const numel = window.byteLength / pairBytes;
    const parameters = { shape: [numel], operands: [], numel };
    gpu.run(SHADERS.get(`${verb} ${dtype}`), [operand], parameters, gpu.line(Math.ceil(numel / WORKGROUP)));
  }
}
