/** From an operand to what is bound for a kernel: memory, whole or in part, with its blocks as the kernel reads them. */
import { BackendError, showShape } from "../../core/src/errors.ts";
import type { BufferWindow, DeviceMemory, WebGpuOperand } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import { unpack } from "./packing.ts";

/** What is bound at one binding. */
export interface BoundMemory {
  /** Where the buffer lies. */
  readonly memory: DeviceMemory;
  /** The part of it that is bound; else the whole. */
  readonly window: BufferWindow | undefined;
}

/**
 * What to bind for an operand.
 *
 * @throws {BackendError} when the whole is to be bound, and is larger than the device admits
 */
export function bindOperand(gpu: Gpu, label: string, operand: WebGpuOperand): BoundMemory {
  const { buffer, window, takesPacked } = operand;
  if (window === undefined) checkBindable(gpu, label, operand);
  if (takesPacked !== true) unpack(gpu, buffer);
  return { memory: gpu.pool.forKernel(buffer), window };
}

function checkBindable(gpu: Gpu, label: string, { buffer, dtype, shape }: WebGpuOperand): void {
  const limit = gpu.device.limits.maxStorageBufferBindingSize;
  if (buffer.byteLength <= limit) return;
  throw new BackendError(
    `Cannot run ${label} with ${dtype} ${
      showShape(shape)
    } on webgpu: its ${buffer.byteLength} bytes are more than the ` +
      `${limit} that the device binds at once, and only matmul (its right operand) and gather read them in parts; ` +
      "split the weight by rows, or use another backend",
  );
}
