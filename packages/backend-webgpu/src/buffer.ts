/**
 * One buffer of this backend: a handle that gets its place on the device at its first use. So a buffer that a kernel
 * fills can take memory that recorded work still reads, while one that the host fills, whose bytes arrive before that
 * work runs, cannot (see pool.ts).
 *
 * How elements lie in 32-bit words:
 *
 *     f32, i32         a word each
 *     f16, bf16        two a word, the first in the low half
 *     u8, bool         a word each: kernels then store without touching neighbours
 *     blocks           GGML's bytes, four a word
 */
import type { Operand } from "../../core/src/backend.ts";
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { internalError } from "../../core/src/errors.ts";

/** One piece of device memory. */
export interface DeviceMemory {
  /** The device's own handle. */
  readonly gpu: GPUBuffer;
  /** A number of its own: bind groups are found by it. */
  readonly id: number;
  /** Bytes. */
  readonly size: number;
  /** Which batch of recorded work used it last. */
  lastBatch: number;
}

/** The WebGPU backend's handle of a buffer. */
export class WebGpuBuffer {
  /** How elements are stored. */
  readonly dtype: DType;
  /** How many there are. */
  readonly numel: number;
  /** Bytes on the device. */
  readonly byteLength: number;
  /** Whether it is a weight, which gets memory of exactly its size. */
  readonly constant: boolean;
  #memory: DeviceMemory | undefined;
  #freed = false;

  /** A buffer without a place as yet. */
  constructor(dtype: DType, numel: number, constant = false) {
    this.dtype = dtype;
    this.numel = numel;
    this.constant = constant;
    this.byteLength = deviceBytes(dtype, numel);
  }

  /** Its place, if it has one. */
  get memory(): DeviceMemory | undefined {
    if (this.#freed) throw internalError(`a ${this.dtype} buffer was used after it was freed`);
    return this.#memory;
  }

  /** Gives it its place. */
  place(memory: DeviceMemory): void {
    this.#memory = memory;
  }

  /** Gives its place up. @returns what it was, or undefined when it had none or gave it up before */
  release(): DeviceMemory | undefined {
    const memory = this.#memory;
    this.#memory = undefined;
    this.#freed = true;
    return memory;
  }
}

/** One operand of a kernel of this backend. */
export type WebGpuOperand = Operand<WebGpuBuffer>;

/** Whether each element has a word where its canonical form has a byte. */
export function isSpread(dtype: DType): boolean {
  return dtype === "u8" || dtype === "bool";
}

/** Whether two elements share a word. */
export function isHalf(dtype: DType): boolean {
  return dtype === "f16" || dtype === "bf16";
}

/** Bytes on the device, in whole words. */
export function deviceBytes(dtype: DType, numel: number): number {
  return isSpread(dtype) ? 4 * numel : Math.ceil(byteLengthOf(dtype, numel) / 4) * 4;
}
