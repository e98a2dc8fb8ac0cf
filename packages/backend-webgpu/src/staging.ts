/** Buffers that the host can map, kept for the next read: small ones by powers of two, large ones of the size asked for. */
import type { Faults } from "./faults.ts";

const MAP_READ = 0x1; // GPUBufferUsage.MAP_READ, GPUMapMode.READ
const COPY_DST = 0x8; // GPUBufferUsage.COPY_DST

/** Bytes that are kept for the next reads, all buffers together: the smallest, of which most are wanted again. */
const KEPT_BYTES = 2 ** 25;

/** Bytes up to which sizes are powers of two: of what is larger half might be wasted, or more than a buffer can have. */
const ROUNDED_BYTES = 2 ** 24;

/** The mappable buffers of one device. */
export class StagingPool {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  /** By size; no list is empty. */
  readonly #free = new Map<number, GPUBuffer[]>();
  #freeBytes = 0;
  #disposed = false;
  /** Buffers created so far. */
  created = 0;

  /** An empty pool. */
  constructor(device: GPUDevice, faults: Faults) {
    this.#device = device;
    this.#faults = faults;
  }

  /**
   * A buffer to copy into.
   *
   * @param bytes how many it holds at least, in whole words
   * @param beforeCreating is called when none is free, and the device may have no room for another
   */
  take(bytes: number, beforeCreating?: () => void): GPUBuffer {
    const size = bytes > ROUNDED_BYTES ? bytes : Math.max(256, 2 ** Math.ceil(Math.log2(bytes)));
    const found = this.#takeFree(size);
    if (found !== undefined) return found;
    beforeCreating?.();
    this.created++;
    return this.#faults.watchRead(
      () => `allocate ${size} bytes to read into`,
      () => this.#device.createBuffer({ label: "read", size, usage: MAP_READ | COPY_DST }),
    );
  }

  /** What `use` makes of the first bytes of a buffer, once they are there; then the buffer is free again. */
  async read<T>(buffer: GPUBuffer, bytes: number, use: (mapped: ArrayBuffer) => T): Promise<T> {
    await buffer.mapAsync(MAP_READ, 0, bytes);
    const result = use(buffer.getMappedRange(0, bytes));
    buffer.unmap();
    this.#give(buffer);
    return result;
  }

  #give(buffer: GPUBuffer): void {
    if (this.#disposed) return buffer.destroy();
    this.#freeBytes += buffer.size;
    const list = this.#free.get(buffer.size);
    if (list === undefined) this.#free.set(buffer.size, [buffer]);
    else list.push(buffer);
    while (this.#freeBytes > KEPT_BYTES) this.#takeFree(Math.max(...this.#free.keys()))!.destroy();
  }

  #takeFree(size: number): GPUBuffer | undefined {
    const list = this.#free.get(size);
    if (list === undefined) return undefined;
    this.#freeBytes -= size;
    if (list.length === 1) this.#free.delete(size);
    return list.pop();
  }

  /** Destroys what is free, and what is being read as soon as it was; the last call. */
  dispose(): void {
    this.#disposed = true;
    for (const list of this.#free.values()) for (const buffer of list) buffer.destroy();
    this.#free.clear();
    this.#freeBytes = 0;
  }
}
