/** Operands of kernels with random elements, and what they hold, for tests that call kernels themselves. */
import { byteLengthOf, type DType, isBlock } from "../../core/src/dtype.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../core/src/half.ts";
import { contiguousStrides } from "../../core/src/layout.ts";
import { dequantizeBlocks } from "../../core/src/quant/formats.ts";
import { threefry2x32 } from "../../core/src/random.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { WebGpuOperand } from "../src/buffer.ts";
import { acquireDevice } from "../src/device.ts";
import { Gpu } from "../src/gpu.ts";
import type { WebGpuBackendOptions } from "../src/options.ts";
import { pack } from "../src/packing.ts";
import { download, upload } from "../src/transfer.ts";
import { anyAdapter } from "./software_backend.ts";

/** An operand, and the numbers of its buffer. */
export interface Filled {
  readonly operand: WebGpuOperand;
  readonly values: Float32Array;
}

/** How an operand lies in its buffer. */
export interface Lie {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** A device of its own, to call kernels on; `software` makes it pass for another kind. */
export async function testGpu(
  { software, ...options }: WebGpuBackendOptions & { readonly software?: boolean } = {},
): Promise<Gpu & Disposable> {
  const acquired = await acquireDevice({ softwareAdapter: true, ...options });
  const gpu = new Gpu(software === undefined ? acquired : { ...acquired, software });
  return Object.assign(gpu, { [Symbol.dispose]: () => gpu.device.destroy() });
}

/** A device that says its limits are these, where no real one can be had with such small ones. */
export async function limitedDevice(limits: Partial<Record<keyof GPUSupportedLimits, number>>): Promise<GPUDevice> {
  const device = await (await anyAdapter()).requestDevice();
  const limited = new Proxy(device.limits, {
    get: (own, name) => limits[name as keyof GPUSupportedLimits] ?? Reflect.get(own, name, own), // names of limits alone
  });
  return new Proxy(device, {
    get: (own, name) => {
      const value: unknown = name === "limits" ? limited : Reflect.get(own, name, own);
      return typeof value === "function" ? value.bind(own) : value;
    },
  });
}

/** Canonical bytes of random elements: numbers from -1 to 1, or blocks of random bits whose scales are below 2. */
export function randomBytes(dtype: DType, numel: number, seed: number): Uint8Array<ArrayBuffer> {
  const draw = (i: number): number => threefry2x32(seed, 0, i, 0)[0] >>> 0;
  if (isBlock(dtype)) return Uint8Array.from({ length: byteLengthOf(dtype, numel) }, (_, i) => draw(i) & 0xbf);
  const number = (i: number): number => draw(i) / 2 ** 31 - 1;
  if (dtype === "f32") return new Uint8Array(Float32Array.from({ length: numel }, (_, i) => number(i)).buffer);
  if (dtype === "i32") return new Uint8Array(Int32Array.from({ length: numel }, (_, i) => draw(i)).buffer);
  const encode = dtype === "f16" ? f32ToF16 : f32ToBf16;
  return new Uint8Array(Uint16Array.from({ length: numel }, (_, i) => encode(number(i))).buffer);
}

/** What canonical bytes of floats or blocks stand for. */
export function valuesOf(dtype: DType, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  if (isBlock(dtype)) return dequantizeBlocks(dtype, bytes);
  if (dtype === "f32") return new Float32Array(bytes.buffer);
  return Float32Array.from(new Uint16Array(bytes.buffer), dtype === "f16" ? f16ToF32 : bf16ToF32);
}

/** An operand with random elements in a buffer that ends where the operand does, or a little later. */
export function filled(
  gpu: Gpu,
  dtype: DType,
  { shape, strides, offset = 0 }: Lie,
  seed: number,
  options: { readonly frozen?: boolean; readonly numel?: number } = {},
): Filled {
  const last = shape.reduce((at, size, d) => at + (size - 1) * strides[d]!, offset);
  const numel = options.numel ?? (isBlock(dtype) ? Math.ceil((last + 1) / 256) * 256 : last + 1);
  const buffer = gpu.pool.allocate(dtype, numel, options.frozen);
  const bytes = randomBytes(dtype, numel, seed);
  upload(gpu, buffer, 0, bytes);
  if (options.frozen === true) {
    buffer.frozen = true;
    pack(gpu, buffer);
  }
  return { operand: { buffer, dtype, shape, strides, offset }, values: valuesOf(dtype, bytes) };
}

/** An f32 operand whose elements are what no kernel leaves: what it does not write shows. */
export function poisoned(gpu: Gpu, shape: readonly number[]): WebGpuOperand {
  const buffer = gpu.pool.allocate("f32", numelOf(shape));
  const memory = gpu.pool.forWriting(buffer, 0);
  gpu.device.queue.writeBuffer(memory.gpu, 0, new Float32Array(memory.size / 4).fill(1e30));
  return { buffer, dtype: "f32", shape, strides: contiguousStrides(shape), offset: 0 };
}

/** The first elements of an f32 operand's buffer, as the device has them. */
export async function read(gpu: Gpu, { buffer, shape }: WebGpuOperand): Promise<Float32Array> {
  const bytes = await download(gpu, buffer, 0, numelOf(shape));
  return new Float32Array(bytes.buffer);
}
