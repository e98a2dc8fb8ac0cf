/**
 * Making tensors. Each function takes `{ backend }`, or uses the default that `setDefaultBackend` names; there is no
 * hidden one. Ranges and draws are made on the backend; values given from outside are written to it.
 */
import type { Backend } from "./backend.ts";
import { allocate } from "./dispatch.ts";
import { byteLengthOf, type DType, dtypeInfo } from "./dtype.ts";
import { BackendError, DTypeError, ShapeError, showShape } from "./errors.ts";
import { encodeBf16, encodeF16 } from "./half.ts";
import { filled } from "./ops/primitives/fill.ts";
import { integers, normalOf, uniformOf } from "./ops/primitives/random.ts";
import { checkShape, numelOf, type Shape } from "./shape.ts";
import type { NestedNumbers } from "./read.ts";
import type { Tensor } from "./tensor.ts";

/** Where and as what a tensor is made. */
export interface CreateOptions {
  /** The backend; the default one when left out. */
  readonly backend?: Backend | undefined;
  /** The dtype. */
  readonly dtype?: DType | undefined;
}

let defaultBackend: Backend | undefined;

/** Names the backend that creation uses when none is given; undefined takes it back. */
export function setDefaultBackend(backend: Backend | undefined): void {
  defaultBackend = backend;
}

/** The backend named, or the default. @throws {BackendError} when there is neither */
export function resolveBackend(backend: Backend | undefined): Backend {
  const found = backend ?? defaultBackend;
  if (found !== undefined) return found;
  throw new BackendError(
    "Cannot make a tensor: no backend was given; pass { backend }, or call setDefaultBackend once",
  );
}

/** A boolean too counts as a number, 0 or 1. */
export type NestedValues = number | boolean | readonly NestedValues[];

/** Any typed array, Float16Array among them where there is one; a DataView is none. */
export type NumberArray = (ArrayBufferView & ArrayLike<number>) | BigInt64Array | BigUint64Array;

/**
 * A tensor of given values (`torch.tensor`).
 *
 * @param values a number, nested arrays, or a typed array with `options.shape`
 * @param options dtype: that of the typed array (i32 for integers but bytes), bool for booleans, else f32. Ints cut
 *   fractions off
 * @throws {ShapeError} when rows differ in length, or the shape does not hold as many values
 * @throws {DTypeError} for values that an int dtype does not hold, NaN too, for a DataView, and for block dtypes, which
 *   come as bytes: see `fromBytes`
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { tensor } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * assertEquals(tensor([[1, 2, 3], [4, 5, 6]], { backend }).shape, [2, 3]);
 * ```
 */
export function tensor(
  values: NestedValues | NestedNumbers | NumberArray,
  options: CreateOptions & { shape?: Shape } = {},
): Tensor {
  const typed = ArrayBuffer.isView(values);
  const flat: number[] = [];
  const found = typed ? [values.length] : flatten(values, flat);
  const own = typed ? dtypeOfArray(values) : hasBoolean(values) ? "bool" : "f32";
  const shape = options.shape ?? found;
  const data = typed ? numbersOf(values) : flat;
  checkShape("make a tensor", shape);
  if (numelOf(shape) !== data.length) {
    throw new ShapeError(
      `Cannot make a tensor ${showShape(shape)} of ${data.length} values: it holds ${numelOf(shape)}`,
    );
  }
  const dtype = options.dtype ?? own;
  return fromBytes(encode(data, shape, dtype), shape, dtype, options);
}

/** The shape of nested arrays, and their numbers in order. */
function flatten(values: NestedValues | NestedNumbers, into: number[]): number[] {
  if (typeof values === "number" || typeof values === "boolean") {
    into.push(Number(values));
    return [];
  }
  if (!Array.isArray(values)) {
    throw new DTypeError(
      `Cannot make a tensor of a ${
        values === null ? "null" : typeof values
      }: it takes numbers, booleans and arrays of them`,
    );
  }
  let inner: number[] | undefined;
  for (const row of values) {
    const shape = flatten(row, into);
    if (inner !== undefined && showShape(inner) !== showShape(shape)) {
      throw new ShapeError(`Cannot make a tensor: rows of shapes ${showShape(inner)} and ${showShape(shape)} differ`);
    }
    inner = shape;
  }
  return [values.length, ...(inner ?? [])];
}

function hasBoolean(values: NestedValues | NestedNumbers): boolean {
  if (typeof values === "object") return values.length > 0 && hasBoolean(values[0]!);
  return typeof values === "boolean";
}

const ARRAY_DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ["Float16Array", "f16"], // by its name only: Node 22 and Safari lack it
  ["Float32Array", "f32"],
  ["Float64Array", "f64"],
  ["Uint8Array", "u8"],
  ["Uint8ClampedArray", "u8"],
  ["Int8Array", "i32"],
  ["Int16Array", "i32"],
  ["Uint16Array", "i32"],
  ["Int32Array", "i32"],
  ["Uint32Array", "i32"],
  ["BigInt64Array", "i32"],
  ["BigUint64Array", "i32"],
]);

function dtypeOfArray(values: ArrayBufferView): DType {
  const name = Object.prototype.toString.call(values).slice("[object ".length, -1); // also of a subclass, as Buffer is
  const dtype = ARRAY_DTYPES.get(name);
  if (dtype !== undefined) return dtype;
  throw new DTypeError(
    `Cannot make a tensor of a ${name}: it takes typed arrays, as Float32Array; use fromBytes for bytes`,
  );
}

function numbersOf(values: NumberArray): ArrayLike<number> {
  const isBig = values instanceof BigInt64Array || values instanceof BigUint64Array;
  return isBig ? Float64Array.from<bigint>(values, Number) : values;
}

/** Canonical bytes of numbers. @throws {DTypeError} for block dtypes, and for what an int dtype does not hold */
function encode(data: ArrayLike<number>, shape: Shape, dtype: DType): Uint8Array {
  const { kind } = dtypeInfo(dtype);
  if (kind === "block") {
    throw new DTypeError(
      `Cannot make a tensor of ${dtype} from numbers: use fromBytes(quantizeBlocks("${dtype}", values), …)`,
    );
  }
  const bytes = new Uint8Array(byteLengthOf(dtype, data.length));
  if (dtype === "f32") new Float32Array(bytes.buffer).set(data);
  else if (dtype === "f64") new Float64Array(bytes.buffer).set(data);
  else if (dtype === "i32") encodeWhole(data, shape, dtype, new Int32Array(bytes.buffer));
  else if (dtype === "u8") encodeWhole(data, shape, dtype, bytes);
  else if (dtype === "bool") { for (let i = 0; i < data.length; i++) bytes[i] = data[i] === 0 ? 0 : 1; }
  else {
    const encodeHalf = dtype === "f16" ? encodeF16 : encodeBf16;
    encodeHalf(Float32Array.from(data), 0, new Uint16Array(bytes.buffer), 0, data.length);
  }
  return bytes;
}

/** Whole numbers, fractions cut off. @throws {DTypeError} for the first that would come out as another */
function encodeWhole(data: ArrayLike<number>, shape: Shape, dtype: "i32" | "u8", into: Int32Array | Uint8Array): void {
  into.set(data);
  if (data.constructor === into.constructor) return;
  for (let i = 0; i < data.length; i++) {
    if (into[i] === Math.trunc(data[i]!)) continue;
    const at = shape.map((size, dim) => Math.floor(i / numelOf(shape.slice(dim + 1))) % size);
    throw new DTypeError(
      `Cannot make ${dtype} ${showShape(shape)} with ${data[i]} at ${showShape(at)}: it holds whole numbers from ` +
        `${dtype === "i32" ? "-2147483648 to 2147483647" : "0 to 255"}; clamp it first, or use f32`,
    );
  }
}

/**
 * A tensor of canonical bytes: little-endian, bool as 0 and 1, blocks as GGML lays them out.
 *
 * @throws {ShapeError} when the shape takes another number of bytes
 * @throws {DTypeError} when rows would cut blocks, or the backend has no such dtype
 */
export function fromBytes(
  bytes: Uint8Array,
  shape: Shape,
  dtype: DType,
  options: { backend?: Backend | undefined } = {},
): Tensor {
  const out = emptyChecked("make a tensor", shape, dtype, resolveBackend(options.backend), false);
  if (out.storage.byteLength !== bytes.byteLength) {
    const { byteLength } = out.storage;
    out.dispose();
    throw new ShapeError(
      `Cannot make ${dtype} ${showShape(shape)} of ${bytes.byteLength} bytes: it takes ${byteLength}`,
    );
  }
  if (bytes.byteLength > 0) out.backend.write(out.storage.buffer, 0, bytes);
  return out;
}

function emptyChecked(op: string, shape: Shape, dtype: DType, backend: Backend, constant: boolean): Tensor {
  checkShape(op, shape);
  const { blockSize } = dtypeInfo(dtype);
  if ((shape.at(-1) ?? 1) % blockSize !== 0) {
    throw new DTypeError(`Cannot ${op} ${dtype} ${showShape(shape)}: its rows are no whole blocks of ${blockSize}`);
  }
  return allocate(backend, shape, dtype, constant);
}

/**
 * A tensor whose bytes come in pieces, so that a large weight is never twice in memory.
 *
 * @param pieces canonical bytes in order, cut anywhere; each is used before the next is asked for
 * @param options `constant` (true when left out) promises that it will not be written to
 * @throws {ShapeError} when there are more or fewer bytes than the shape takes; nothing stays allocated
 */
export async function tensorFromPieces(
  shape: Shape,
  dtype: DType,
  pieces: AsyncIterable<Uint8Array>,
  options: { backend?: Backend | undefined; constant?: boolean | undefined } = {},
): Promise<Tensor> {
  const { constant = true } = options;
  const out = emptyChecked("load", shape, dtype, resolveBackend(options.backend), constant).keep();
  const { storage, backend } = out;
  try {
    let offset = 0;
    for await (const piece of pieces) {
      if (offset + piece.byteLength > storage.byteLength) offset = Infinity;
      if (offset === Infinity) break;
      backend.write(storage.buffer, offset, piece);
      offset += piece.byteLength;
    }
    if (offset !== storage.byteLength) {
      throw new ShapeError(
        `Cannot load ${dtype} ${showShape(shape)}: it takes ${storage.byteLength} bytes, and ` +
          `${offset === Infinity ? "more" : offset} came`,
      );
    }
    if (constant) backend.freeze(storage.buffer);
    return out;
  } catch (error) {
    out.dispose();
    throw error;
  }
}

function make(op: string, shape: Shape, options: CreateOptions, value: number, step = 0): Tensor {
  checkShape(op, shape);
  return filled(resolveBackend(options.backend), shape, options.dtype ?? "f32", value, step);
}

/** All 0; q8_0 too, to be written into by `copy_`. @throws {ShapeError} {DTypeError} for other block dtypes */
export function zeros(shape: Shape, options: CreateOptions = {}): Tensor {
  return make("make zeros", shape, options, 0);
}

/** All 1. @throws {ShapeError} */
export function ones(shape: Shape, options: CreateOptions = {}): Tensor {
  return make("make ones", shape, options, 1);
}

/** All `value`. @throws {ShapeError} */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  return make("fill", shape, options, value);
}

/** 0 in the shape, dtype and place of another tensor. */
export function zerosLike(x: Tensor): Tensor {
  return filled(x.backend, x.shape, x.dtype, 0);
}

/** 1 in the shape, dtype and place of another tensor. */
export function onesLike(x: Tensor): Tensor {
  return filled(x.backend, x.shape, x.dtype, 1);
}

/**
 * `start`, `start + step`, … below `end` (`torch.arange`): i32 for whole numbers, else f32.
 *
 * @param start the end, when it is the only number
 * @throws {ShapeError} when step is 0 or leads away from end
 */
export function arange(start: number, end?: number, step = 1, options: CreateOptions = {}): Tensor {
  const [from, to] = end === undefined ? [0, start] : [start, end];
  const count = Math.ceil((to - from) / step);
  if (!Number.isFinite(count) || count < 0) {
    throw new ShapeError(`Cannot arange from ${from} to ${to} by ${step}: the step leads elsewhere`);
  }
  const dtype = options.dtype ?? ([from, to, step].every(Number.isInteger) ? "i32" : "f32");
  return make("arange", [count], { ...options, dtype }, from, step);
}

/** `count` values from `start` to `end`, both included (`torch.linspace`). @throws {ShapeError} */
export function linspace(start: number, end: number, count: number, options: CreateOptions = {}): Tensor {
  return make("linspace", [count], options, start, count > 1 ? (end - start) / (count - 1) : 0);
}

/** The identity matrix, `[rows, columns]`. @throws {ShapeError} */
export function eye(rows: number, columns = rows, options: CreateOptions = {}): Tensor {
  using column = arange(0, columns, 1, { backend: options.backend });
  using row = arange(0, rows, 1, { backend: options.backend });
  using index = row.unsqueeze(1);
  using equal = index.eq(column);
  return equal.to(options.dtype ?? "f32");
}

/** Settings of random tensors. */
export interface RandomOptions extends CreateOptions {
  /** Which draws: a whole number. There is no hidden state, so the same seed gives the same tensor. */
  readonly seed: number;
}

/** Draws have a shape and a seed; callers without types may leave all options out. @throws {ShapeError} */
function checkDraws(op: string, shape: Shape, options: RandomOptions | undefined): void {
  checkShape(op, shape);
  if (options?.seed !== undefined) return;
  throw new ShapeError(
    `Cannot ${op} ${showShape(shape)} without a seed: there is no hidden one; pass { seed: 0 }, ` +
      `and { backend } unless setDefaultBackend named one`,
  );
}

/** Uniform in [0, 1) (`torch.rand`). @throws {ShapeError} without a seed */
export function rand(shape: Shape, options: RandomOptions): Tensor {
  checkDraws("rand", shape, options);
  return uniformOf(resolveBackend(options.backend), shape, options.seed, options.dtype ?? "f32");
}

/** Normal with mean 0 and variance 1 (`torch.randn`). @throws {ShapeError} without a seed */
export function randn(shape: Shape, options: RandomOptions): Tensor {
  checkDraws("randn", shape, options);
  return normalOf(resolveBackend(options.backend), shape, options.seed, options.dtype ?? "f32");
}

/** Whole numbers (i32) in `[low, high)` (`torch.randint`). @throws {ShapeError} without a seed */
export function randint(low: number, high: number, shape: Shape, options: RandomOptions): Tensor {
  checkDraws("randint", shape, options);
  return integers(resolveBackend(options.backend), shape, options.seed, low, high);
}
