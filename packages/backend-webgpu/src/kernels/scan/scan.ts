/**
 * Running sum or product along `dim`, in out's dtype; floats in f32, ints modulo 2^32.
 *
 * A workgroup a row: each of its 64 invocations folds a segment, learns what came before it, and goes through the segment
 * again. Sums are thus over a 64th of the row and 64 shares, which keeps errors small.
 */
import type { PrimitiveKernels, ScanOp } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { viaF32 } from "../temporaries.ts";
import ROWS from "./rows.wgsl" with { type: "text" };

const SHADERS = new Shaders((key) => {
  const [op, from] = key.split(" ") as [ScanOp, DType]; // as scan() puts them together
  const number = isFloat(from) ? "f32" : "u32";
  const types = `alias Running = ${number};\nfn load(i: u32) -> Running { return ${
    isFloat(from) ? "widen(bits_in(x_words[word_of(i, X)], i, X), X)" : "x_words[i]"
  }; }`;
  const constants = { X: dtypeConstant(from), PRODUCT: `${op === "prod"}` };
  return new Shader(`scan_${op}_${from}`, "wr", constants, [...PREAMBLE, types, ROWS]);
});

/** The kernel. */
export function scan(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["scan"] {
  return {
    layout: "strided",
    run([x], [out], { op, dim }): void {
      viaF32(gpu, out!, (wide) => {
        const shape = x.shape.with(dim, 1);
        const numel = numelOf(shape);
        const attrs = [wide.strides[dim]!, x.strides[dim]!];
        const parameters = { shape, operands: [wide, x], numel, length: x.shape[dim]!, attrs };
        gpu.run(SHADERS.get(`${op} ${x.dtype}`), [wide, x], parameters, gpu.line(numel));
      });
    },
  };
}
