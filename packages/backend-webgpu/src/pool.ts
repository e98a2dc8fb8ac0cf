/**
 * Device memory, used again and again. Creating a buffer costs more than a small kernel, so freed ones wait in lists by
 * size class (four classes to a power of two: at most a quarter is wasted).
 *
 * Recorded work runs in order, so a kernel may write to memory that was freed a moment ago. `writeBuffer` runs before
 * all recorded work: for the host's bytes only memory will do that no recorded work uses. They have lists of their own, or
 * what a kernel gets would depend on where in a step the batches end.
 *
 * What goes back to the device, once no recorded work uses it: weights, whose sizes are their own, when they are freed,
 * and with the last of them all that is free (a model was disposed of); of the rest what is freed beyond POOL_BYTES, and
 * what nobody wanted for IDLE_BATCHES; and all that is free when the device had no room.
 */
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { BackendError } from "../../core/src/errors.ts";
import { type DeviceMemory, WebGpuBuffer } from "./buffer.ts";
import type { Faults, Recording } from "./faults.ts";

/** Free bytes that are kept. */
const POOL_BYTES = 2 ** 28;

/** Batches of work after which free memory is idle: some hundred steps of decoding. It is looked for as often. */
const IDLE_BATCHES = 1024;

/** Memory that begins a batch of its own, so that what was recorded before is not lost where the device has no room. */
const OWN_BATCH_BYTES = 2 ** 20;

/** Every buffer can be bound, copied from and copied to; the numbers are those of GPUBufferUsage. */
const USAGE = 0x80 | 0x4 | 0x8; // STORAGE, COPY_SRC, COPY_DST

/** The smallest class that holds so many bytes. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (31 - Math.clz32((bytes - 1) / 4)); // a quarter of the power of two below
  return Math.ceil(bytes / step) * step;
}

/**
 * Keeps a list in falling order of ids: the lowest is taken first, so what a step is given depends on what is free and not
 * on the order in which it was freed, and a step that repeats itself meets the bind groups that it made before.
 */
function insert(list: DeviceMemory[], memory: DeviceMemory): void {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (list[middle]!.id > memory.id) from = middle + 1;
    else to = middle;
  }
  list.splice(from, 0, memory);
}

/** The memory of one device. */
export class MemoryPool {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #recording: Recording;
  readonly #taken = new Set<DeviceMemory>();
  readonly #freeForKernels = new Map<number, DeviceMemory[]>();
  readonly #freeForHost = new Map<number, DeviceMemory[]>();
  #unwanted: DeviceMemory[] = [];
  #freeBytes = 0;
  #constants = 0;
  #batch = 1;
  /** Batches that had work. */
  #age = 0;
  /** Buffers created so far. */
  created = 0;
  /** Bytes taken from the device: used and free. */
  deviceBytes = 0;
  /** Whether all of it went back to the device for good. */
  disposed = false;

  /** An empty pool. */
  constructor(device: GPUDevice, faults: Faults, recording: Recording) {
    this.#device = device;
    this.#faults = faults;
    this.#recording = recording;
  }

  /** The most bytes one buffer can have and be bound whole. */
  get largestBuffer(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** The most bytes a weight can have, which matmul and gather bind in parts. */
  get largestWeight(): number {
    return this.#device.limits.maxBufferSize;
  }

  /** A handle; a weight may be larger than what can be bound whole. @throws {BackendError} beyond the device's limits */
  allocate(dtype: DType, numel: number, constant = false): WebGpuBuffer {
    const buffer = new WebGpuBuffer(dtype, numel, constant);
    const limit = constant ? this.largestWeight : this.largestBuffer;
    if (buffer.byteLength <= limit) return buffer;
    const what = `${numel} elements of ${dtype} (${byteLengthOf(dtype, numel)} bytes)`;
    throw new BackendError(
      `Cannot allocate ${what} on webgpu: the device ${constant ? "has buffers of" : "binds"} at most ${limit} bytes` +
        `${constant ? "" : " at once"}; split the tensor, or use another backend`,
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
    const { constant, byteLength } = buffer;
    const size = constant ? Math.max(byteLength, 4) : Math.min(sizeClass(byteLength), this.largestBuffer);
    const memory = this.#reuse(size, batch) ?? this.#create(buffer, size, batch !== Infinity);
    if (constant) this.#constants++;
    buffer.place(memory);
    return memory;
  }

  #reuse(size: number, batch: number): DeviceMemory | undefined {
    const list = (batch === Infinity ? this.#freeForKernels : this.#freeForHost).get(size);
    if (list === undefined) return undefined;
    for (let i = list.length - 1; i >= 0; i--) {
      if (list[i]!.lastBatch >= batch) continue;
      const [memory] = list.splice(i, 1);
      this.#freeBytes -= size;
      return memory;
    }
    return undefined;
  }

  #create(buffer: WebGpuBuffer, size: number, forHost: boolean): DeviceMemory {
    const { dtype, numel } = buffer;
    if (size >= OWN_BATCH_BYTES) this.#recording.flush();
    const taken = this.deviceBytes;
    const describe = (): string =>
      `allocate ${size} bytes for ${numel} elements of ${dtype} besides ${taken} bytes taken`;
    const gpu = this.#faults.watch(describe, () => this.#device.createBuffer({ size, usage: USAGE }), (_, batch) => {
      memory.failed = true;
      buffer.lastWritten = batch;
      this.clear();
    });
    this.deviceBytes += size;
    const memory: DeviceMemory = {
      ...{ gpu, id: ++this.created, size, forHost },
      ...{ lastBatch: 0, freeSince: 0, failed: false },
    };
    this.#taken.add(memory);
    return memory;
  }

  /** Takes a buffer's memory back. */
  free(buffer: WebGpuBuffer): void {
    const memory = buffer.release();
    if (memory === undefined || this.disposed) return;
    if (buffer.constant) {
      this.#letGo([memory]);
      if (--this.#constants === 0) this.clear();
    } else if (memory.failed || this.#freeBytes + memory.size > POOL_BYTES) {
      this.#letGo([memory]);
    } else {
      this.#keep(memory);
    }
  }

  #keep(memory: DeviceMemory): void {
    memory.freeSince = this.#age;
    const free = memory.forHost ? this.#freeForHost : this.#freeForKernels;
    const list = free.get(memory.size);
    if (list === undefined) free.set(memory.size, [memory]);
    else insert(list, memory);
    this.#freeBytes += memory.size;
  }

  /**
   * Lets go of what waited for a submit.
   *
   * @param batch the one that begins
   * @param hadWork whether the one before had any
   */
  submitted(batch: number, hadWork: boolean): void {
    this.#batch = batch;
    const unwanted = this.#unwanted;
    this.#unwanted = [];
    this.#letGo(unwanted);
    if (hadWork && ++this.#age % IDLE_BATCHES === 0) this.#letGoOfFree(this.#age - IDLE_BATCHES);
  }

  /** Gives all free memory back to the device. */
  clear(): void {
    this.#letGoOfFree(Infinity);
  }

  /** Gives all memory back to the device, also what tensors hold; the last call but `free`. */
  dispose(): void {
    this.disposed = true;
    for (const memory of this.#taken) memory.gpu.destroy();
    this.#taken.clear();
    this.deviceBytes = 0;
  }

  /** What has been free since that age or longer. */
  #letGoOfFree(age: number): void {
    for (const free of [this.#freeForKernels, this.#freeForHost]) {
      for (const [size, list] of free) {
        const idle = list.filter(({ freeSince }) => freeSince <= age);
        free.set(size, list.filter(({ freeSince }) => freeSince > age));
        this.#freeBytes -= idle.length * size;
        this.#letGo(idle);
      }
    }
  }

  /** Destroys what no recorded work uses, and the rest after submitting. */
  #letGo(memories: readonly DeviceMemory[]): void {
    for (const memory of memories) {
      if (memory.lastBatch === this.#batch) {
        this.#unwanted.push(memory);
        continue;
      }
      memory.gpu.destroy();
      this.#taken.delete(memory);
      this.deviceBytes -= memory.size;
    }
  }
}
