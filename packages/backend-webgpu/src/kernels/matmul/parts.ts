/**
 * A product as kernels are told of it; and one whose right operand is larger than the device can bind at once, as products
 * that can be bound: by columns where a row of the buffer is a column of the operand (a transposed weight), by parts of K,
 * added up, where it is a row.
 */
import { dtypeInfo } from "../../../../core/src/dtype.ts";
import { BackendError, showShape } from "../../../../core/src/errors.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import { deviceBytes, isPackable, type WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import type { Parameters } from "../../parameters.ts";
import { leastCommonMultiple } from "../../windows.ts";

/** One product `out = a b`, or `out += a b`. */
export interface Product {
  readonly a: WebGpuOperand;
  readonly b: WebGpuOperand;
  /** Contiguous but for its rows, which are `rowStep` apart. */
  readonly out: WebGpuOperand;
  readonly rowStep: number;
  readonly adds: boolean;
}

/** What result.wgsl's kernels are told of a product. K is that of b: a may be rows of quantised blocks, so many words each. */
export function parametersOf({ a, b, out, rowStep, adds }: Product): Parameters {
  const batchDims = out.shape.length - 2;
  const shape = out.shape.slice(0, batchDims);
  const [m, n, k] = [out.shape.at(-2)!, out.shape.at(-1)!, b.shape.at(-2)!];
  return {
    shape,
    operands: [out, a, b].map(({ strides, offset }) => ({ strides: strides.slice(0, batchDims), offset })),
    numel: numelOf(shape),
    attrs: [
      ...[m, n, k, rowStep],
      ...[a.strides.at(-2)!, a.strides.at(-1)!, b.strides.at(-2)!, b.strides.at(-1)!],
      Number(adds),
    ],
  };
}

/**
 * The products that make up one; itself where its right operand can be bound whole.
 *
 * @throws {BackendError} when its rows cannot be bound a few at a time
 */
export function partsOf(gpu: Gpu, product: Product): readonly Product[] {
  const { b } = product;
  if (b.buffer.byteLength <= gpu.device.limits.maxStorageBufferBindingSize) return [product];
  const dim = b.shape.length - (b.strides.at(-2) === 1 ? 1 : 2);
  if (b.shape.some((size, d) => d < b.shape.length - 2 && size > 1 && b.strides[d] !== 0)) throw tooLarge(gpu, product);
  const parts: Product[] = [];
  for (let row = 0; row < b.shape[dim]!;) {
    const { window, start, rows } = windowFrom(gpu, b, dim, row);
    if (rows <= 0) throw tooLarge(gpu, product);
    const shape = b.shape.with(dim, rows);
    const right = { ...b, shape, offset: b.offset + row * b.strides[dim]! - start, window };
    parts.push(dim === b.shape.length - 1 ? byColumns(product, right, row) : byPartOfK(product, right, row));
    row += rows;
  }
  return parts;
}

/** A window that begins at a row, or as little before it as its alignment asks; its first element; the rows it holds. */
function windowFrom({ device: { limits } }: Gpu, b: WebGpuOperand, dim: number, row: number) {
  const { blockSize } = dtypeInfo(b.dtype);
  const unit = isPackable(b.dtype) ? 2 * blockSize : Math.max(blockSize, 2); // whole words, and whole pairs of blocks
  const unitBytes = deviceBytes(b.dtype, unit);
  const aligned = leastCommonMultiple(unitBytes, limits.minStorageBufferOffsetAlignment) / unitBytes * unit;
  const other = 2 * b.shape.length - 3 - dim;
  const [step, length] = [Math.max(b.strides[dim]!, 1), (b.shape[other]! - 1) * b.strides[other]! + 1];
  const first = b.offset + row * step;
  const start = Math.floor(first / aligned) * aligned;
  const capacity = Math.floor(limits.maxStorageBufferBindingSize / unitBytes);
  const rows = Math.floor((start + capacity * unit - first - length) / step) + 1;
  const offsetBytes = start / unit * unitBytes;
  const byteLength = Math.min(capacity * unitBytes, b.buffer.byteLength - offsetBytes);
  return { window: { offsetBytes, byteLength }, start, rows: Math.min(rows, b.shape[dim]! - row) };
}

function byColumns({ a, out, rowStep, adds }: Product, b: WebGpuOperand, from: number): Product {
  const columns = { ...out, shape: out.shape.with(-1, b.shape.at(-1)!), offset: out.offset + from };
  return { a, b, out: columns, rowStep, adds };
}

function byPartOfK({ a, out, rowStep, adds }: Product, b: WebGpuOperand, from: number): Product {
  const part = { ...a, shape: a.shape.with(-1, b.shape.at(-2)!), offset: a.offset + from * a.strides.at(-1)! };
  return { a: part, b, out, rowStep, adds: adds || from > 0 };
}

function tooLarge({ device: { limits } }: Gpu, { a, b }: Product): BackendError {
  return new BackendError(
    `Cannot matmul ${showShape(a.shape)} with ${b.dtype} ${showShape(b.shape)} on webgpu: its ${b.buffer.byteLength} ` +
      `bytes are more than the ${limits.maxStorageBufferBindingSize} that the device binds at once, and its rows cannot ` +
      "be bound in parts; multiply by one of its batch at a time, or use another backend",
  );
}
