/**
 * Device memory, used again and again. Creating a buffer costs more than a small kernel, so freed ones wait in lists by
 * size class (four classes to a power of two: at most a quarter is wasted).
 *
 * Recorded work runs in order, so a kernel may write to memory that was freed a moment ago. `writeBuffer` runs before
 * all recorded work: for the host's bytes only memory will do that no recorded work uses.
 */
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { BackendError } from "../../core/src/errors.ts";
import { type DeviceMemory, WebGpuBuffer } from "./buffer.ts";
import type { Faults } from "./faults.ts";

/** Free bytes that are kept; what is freed beyond them goes back to the device. */
const POOL_BYTES = 2 ** 28;

/** Every buffer can be bound, copied from and copied to; the numbers are those of GPUBufferUsage. */
const USAGE = 0x80 | 0x4 | 0x8; // STORAGE, COPY_SRC, COPY_DST

/** The smallest class that holds so many bytes. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (31 - Math.clz32((bytes - 1) / 4)); // a quarter of the power of two below
  return Math.ceil(bytes / step) * step;
}

/** The memory of one device. */
export class MemoryPool {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #free = new Map<number, DeviceMemory[]>();
  readonly #unwanted: DeviceMemory[] = [];
  #freeBytes = 0;
  /** Buffers created so far. */
  created = 0;
  /** Bytes taken from the device: used and free. */
  deviceBytes = 0;

  /** An empty pool. */
  constructor(device: GPUDevice, faults: Faults) {
    this.#device = device;
    this.#faults = faults;
  }

  /** The most bytes one buffer can have and be bound whole. */
  get largestBuffer(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** A handle. @throws {BackendError} when the device's limits do not admit it */
  allocate(dtype: DType, numel: number, constant = false): WebGpuBuffer {
    const bytes = byteLengthOf(dtype, numel);
    const buffer = new WebGpuBuffer(dtype, numel, constant);
    if (buffer.byteLength <= this.largestBuffer) return buffer;
    throw new BackendError(
      `Cannot allocate ${numel} elements of ${dtype} (${bytes} bytes) on webgpu: the device binds at most ` +
        `${this.largestBuffer} bytes at once; split the tensor, or use another backend`,
    );
  }

  /** The buffer's memory; where it has none yet, any that recorded work is done with by the time it is used. */
  forKernel(buffer: WebGpuBuffer): DeviceMemory {
    return buffer.memory ?? this.#place(buffer, Infinity);
  }

  /** The same, and where it has none yet, memory that no work of this batch uses. */
  forWriting(buffer: WebGpuBuffer, batch: number): DeviceMemory {
    return buffer.memory ?? this.#place(buffer, batch);
  }

  #place(buffer: WebGpuBuffer, batch: number): DeviceMemory {
    const size = buffer.constant ? Math.max(buffer.byteLength, 4) : sizeClass(buffer.byteLength);
    const memory = this.#reuse(size, batch) ?? this.#create(buffer, Math.min(size, this.largestBuffer));
    buffer.place(memory);
    return memory;
  }

  #reuse(size: number, batch: number): DeviceMemory | undefined {
    const list = this.#free.get(size);
    if (list === undefined) return undefined;
    for (let i = list.length - 1; i >= 0; i--) {
      if (list[i]!.lastBatch >= batch) continue;
      const [memory] = list.splice(i, 1);
      this.#freeBytes -= size;
      return memory;
    }
    return undefined;
  }

  #create({ dtype, numel }: WebGpuBuffer, size: number): DeviceMemory {
    const describe = (): string => `allocate ${size} bytes for ${numel} elements of ${dtype}`;
    const gpu = this.#faults.watch(describe, () => this.#device.createBuffer({ size, usage: USAGE }));
    this.deviceBytes += size;
    return { gpu, id: ++this.created, size, lastBatch: 0 };
  }

  /** Takes a buffer's memory back. */
  free(buffer: WebGpuBuffer): void {
    const memory = buffer.release();
    if (memory === undefined) return;
    if (buffer.constant || this.#freeBytes + memory.size > POOL_BYTES) {
      this.#unwanted.push(memory);
      return;
    }
    const list = this.#free.get(memory.size);
    if (list === undefined) this.#free.set(memory.size, [memory]);
    else list.push(memory);
    this.#freeBytes += memory.size;
  }

  /** Destroys what is not kept, once no recorded work uses it: to be called after submitting. */
  destroyUnwanted(): void {
    for (const memory of this.#unwanted) {
      memory.gpu.destroy();
      this.deviceBytes -= memory.size;
    }
    this.#unwanted.length = 0;
  }

  /** Gives all free memory back to the device. */
  clear(): void {
    for (const list of this.#free.values()) this.#unwanted.push(...list);
    this.#free.clear();
    this.#freeBytes = 0;
    this.destroyUnwanted();
  }
}
