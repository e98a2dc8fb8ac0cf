/**
 * Group `quant`: GGUF's blocks to numbers and back, through tensors on the backend and through the reference functions, and a
 * linear layer on quantised weights.
 */
import {
  type BlockDType,
  blockFormat,
  dequantizeBlocks,
  type DType,
  dtypeInfo,
  fromBytes,
  isBlock,
  matmul,
  quantizeBlocks,
  type Tensor,
} from "../../../../core/mod.ts";
import type { Call, OpTable, Results } from "../call.ts";

const PLAIN: ReadonlyMap<string, DType> = new Map([["F32", "f32"], ["F16", "f16"], ["BF16", "bf16"]]);

/** GGML's name of a type as a dtype; an unknown one throws as blockFormat does. */
function storageOf(c: Call): DType {
  const name = c.attrs.text("type") ?? "";
  const plain = PLAIN.get(name);
  if (plain !== undefined) return plain;
  const block = name.toLowerCase() as BlockDType; // checked by the next line
  return blockFormat(block).dtype;
}

/** The shape that bytes in rows stand for, when the case gives none. */
function shapeOf(c: Call, dtype: DType, name: string): number[] {
  if (c.attrs.has("shape")) return c.attrs.numbers("shape");
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const rows = [...c.stored(name).shape];
  return [...rows.slice(0, -1), rows.at(-1)! / blockBytes * blockSize];
}

/** The bytes as a tensor of the case's type. */
function stored(c: Call): Tensor {
  const dtype = storageOf(c);
  return fromBytes(c.stored("data").bytes, shapeOf(c, dtype, "data"), dtype, { backend: c.backend });
}

function dequantizeByReference(c: Call): Results {
  const dtype = storageOf(c);
  if (!isBlock(dtype)) return { output: stored(c).to("f32") };
  const values = dequantizeBlocks(dtype, c.stored("data").bytes);
  return { output: fromFloats(c, values, shapeOf(c, dtype, "data")) };
}

function fromFloats(c: Call, values: Float32Array<ArrayBuffer>, shape: readonly number[]): Tensor {
  return fromBytes(new Uint8Array(values.buffer), shape, "f32", { backend: c.backend });
}

/** The case's numbers in the case's type, as bytes. */
function quantized(c: Call, dtype: BlockDType): Uint8Array {
  const { values, shape } = c.stored("x");
  if (shape.at(-1)! % dtypeInfo(dtype).blockSize === 0) return quantizeBlocks(dtype, Float32Array.from(values));
  return quantizeBlocks(dtype, Float32Array.from(values.subarray(0, shape.at(-1)))); // rows are quantised one by one
}

/** Both outputs of a case that quantises: the bytes in rows, and what they stand for. */
async function quantize(c: Call): Promise<Results> {
  const dtype = storageOf(c);
  const { shape } = c.stored("x");
  if (isBlock(dtype)) {
    const bytes = quantized(c, dtype);
    return quantizeResults(c, bytes, fromBytes(bytes, shape, dtype, { backend: c.backend }));
  }
  const halves = c.tensor("x").to(dtype);
  const bytes = await c.backend.download(halves.storage.buffer, 0, halves.numel);
  return quantizeResults(c, bytes, halves);
}

function quantizeResults(c: Call, bytes: Uint8Array, tensor: Tensor): Results {
  const rows = tensor.shape.slice(0, -1);
  const rowBytes = bytes.length / rows.reduce((n, size) => n * size, 1);
  const data = fromBytes(bytes, [...rows, rowBytes], "u8", { backend: c.backend });
  const dequantized = tensor.to("f32");
  tensor.dispose();
  return { data, dequantized };
}

/** Mappings of group `quant`. */
export const QUANT_OPS: OpTable = {
  dequantize: [(c) => ({ output: stored(c).to("f32") }), dequantizeByReference],
  quantize: { runAsync: quantize },
  quantized_linear: (c) => {
    const weight = fromBytes(c.stored("data").bytes, c.attrs.numbers("shape"), storageOf(c), { backend: c.backend });
    return { output: matmul(c.tensor("x"), weight.transpose(0, 1)) };
  },
};
