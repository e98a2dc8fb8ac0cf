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
 *     blocks           GGML's bytes, four a word; those of weights may be packed in pairs (see packing.ts)
 */
import type { Operand } from "../../core/src/backend.ts";
import { byteLengthOf, type DType, dtypeInfo } from "../../core/src/dtype.ts";
import { internalError } from "../../core/src/errors.ts";

/** One piece of device memory. */
export interface DeviceMemory {
  /** The device's own handle. */
  readonly gpu: GPUBuffer;
  /** A number of its own: bind groups are found by it. */
  readonly id: number;
  /** Bytes. */
  readonly size: number;
  /** Whether it was made for bytes of the host, and goes to such again. */
  readonly forHost: boolean;
  /** Which batch of recorded work used it last. */
  lastBatch: number;
  /** How many batches of work had been submitted when it was freed last. */
  freeSince: number;
  /** Whether the device had no room for it, as is known by now. */
  failed: boolean;
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
  /** Whether nothing will be written any more. */
  frozen = false;
  /** Whether its blocks lie in pairs by now, as recorded work will find them. */
  packed = false;
  /** Which batch of recorded work wrote it last; when that is lost, so are its elements (see faults.ts). */
  lastWritten = 0;
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

/** A part of a buffer that is bound instead of the whole. */
export interface BufferWindow {
  /** Where it begins, as the device wants offsets aligned. */
  readonly offsetBytes: number;
  /** Its size in whole words. */
  readonly byteLength: number;
}

/** One operand of a kernel of this backend. */
export interface WebGpuOperand extends Operand<WebGpuBuffer> {
  /** The part to bind: kernels that leave it out bind the whole, and cannot if that is beyond the device's limit. */
  readonly window?: BufferWindow;
  /** Whether the kernel reads blocks as they are: for others packed ones are unpacked first. */
  readonly takesPacked?: boolean;
}

/** Whether each element has a word where its canonical form has a byte. */
export function isSpread(dtype: DType): boolean {
  return dtype === "u8" || dtype === "bool";
}

/** Whether blocks begin within words, so that weights are packed: two blocks then lie in whole words. */
export function isPackable(dtype: DType): boolean {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  return blockSize > 1 && blockBytes % 4 === 2;
}

/** Bytes on the device, in whole words, and in pairs of blocks where these can be packed. */
export function deviceBytes(dtype: DType, numel: number): number {
  if (isSpread(dtype)) return 4 * numel;
  const unit = isPackable(dtype) ? 2 * dtypeInfo(dtype).blockBytes : 4;
  return Math.ceil(byteLengthOf(dtype, numel) / unit) * unit;
}
