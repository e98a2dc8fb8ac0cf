/** Reading tensors back: the one thing that waits for a device. Values come in row-major order whatever the strides. */
import type { Backend } from "./backend.ts";
import { fromBytes } from "./create.ts";
import { dtypeInfo, isBlock } from "./dtype.ts";
import { BackendError, ShapeError, showShape } from "./errors.ts";
import { bf16ToF32, f16ToF32 } from "./half.ts";
import { noGrad } from "./grad/no_grad.ts";
import { contiguous } from "./ops/primitives/copy.ts";
import type { Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A copy on another backend; the same one shares storage. @throws {DTypeError} when it has no such dtype */
export async function move(x: Tensor, backend: Backend): Promise<Tensor> {
  x.checkAlive("move");
  if (x.backend === backend) return x.detach();
  using ordered = inOrder(x);
  const bytes = x.numel === 0
    ? new Uint8Array(0)
    : await x.backend.download(ordered.storage.buffer, ordered.offset, x.numel);
  return fromBytes(bytes, x.shape, x.dtype, { backend });
}

/** What `data()` gives: Float32Array for f32 and halves, Uint8Array for u8, bool and the bytes of blocks. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A number, or arrays of them nested as deep as the tensor has dims. */
export type NestedNumbers = number | NestedNumbers[];

/** The elements in row-major order. */
export async function read(x: Tensor): Promise<TypedArray> {
  x.checkAlive("read");
  if (x.numel === 0) return decode(x, new Uint8Array(0));
  using ordered = inOrder(x);
  return decode(x, await x.backend.download(ordered.storage.buffer, ordered.offset, x.numel));
}

/** The same at once. @throws {BackendError} where reading is asynchronous */
export function readSync(x: Tensor): TypedArray {
  x.checkAlive("read");
  const { backend } = x;
  if (backend.downloadSync === undefined) {
    throw new BackendError(
      `Cannot read ${showShape(x.shape)} at once: ${backend.name} reads asynchronously; use await t.data()`,
    );
  }
  if (x.numel === 0) return decode(x, new Uint8Array(0));
  using ordered = inOrder(x);
  return decode(x, backend.downloadSync(ordered.storage.buffer, ordered.offset, x.numel));
}

function inOrder(x: Tensor): Tensor {
  return noGrad(() => contiguous(x)).keep();
}

/** Canonical bytes as numbers, aligned for their array. */
function decode({ dtype }: Tensor, bytes: Uint8Array): TypedArray {
  if (isBlock(dtype) || dtype === "u8" || dtype === "bool") return bytes;
  const aligned = bytes.byteOffset % dtypeInfo(dtype).blockBytes === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  if (dtype === "f32") return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (dtype === "f64") return new Float64Array(buffer, byteOffset, byteLength / 8);
  if (dtype === "i32") return new Int32Array(buffer, byteOffset, byteLength / 4);
  return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), dtype === "f16" ? f16ToF32 : bf16ToF32);
}

/** The only element. @throws {ShapeError} when there is not exactly one */
export async function readItem(x: Tensor): Promise<number> {
  if (x.numel !== 1) {
    throw new ShapeError(`Cannot item ${showShape(x.shape)}: it has ${x.numel} elements, not one; use data()`);
  }
  return (await read(x))[0]!;
}

/** Row-major values as nested arrays. */
export function toNested(data: ArrayLike<number>, shape: Shape, start = 0, dim = 0): NestedNumbers {
  if (dim === shape.length) return data[start]!;
  const step = shape.slice(dim + 1).reduce((n, size) => n * size, 1);
  return Array.from({ length: shape[dim]! }, (_, i) => toNested(data, shape, start + i * step, dim + 1));
}
