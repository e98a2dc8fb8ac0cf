/**
 * Indices out of range, which only the device sees. A kernel that meets one leaves its element alone and adds to a small
 * buffer; every batch with such kernels copies that buffer back, and what it tells is thrown at the next flush or read.
 *
 *     word 0   how many bad indices there were
 *     word 1   the tag of the dispatch that met the first one
 *     word 2   that index
 */
import { ShapeError } from "../../core/src/errors.ts";
import { WebGpuBuffer } from "./buffer.ts";
import type { Encoder } from "./encoder.ts";
import type { Faults } from "./faults.ts";
import type { MemoryPool } from "./pool.ts";
import type { StagingPool } from "./staging.ts";

const STATUS_BYTES = 16;

/** The message for an index, given the index. */
type Describe = (index: number) => string;

/** The bad indices of one device. */
export class IndexFaults {
  /** What kernels add to. */
  readonly status: WebGpuBuffer = new WebGpuBuffer("i32", STATUS_BYTES / 4);
  readonly #device: GPUDevice;
  readonly #pool: MemoryPool;
  readonly #staging: StagingPool;
  readonly #faults: Faults;
  readonly #described = new Map<number, Describe>();
  readonly #pending = new Set<Promise<void>>();
  #lastTag = 0;
  #toldTag = 0;

  /** Reads back by way of the staging pool, and tells the faults. */
  constructor(device: GPUDevice, pool: MemoryPool, staging: StagingPool, faults: Faults) {
    this.#device = device;
    this.#pool = pool;
    this.#staging = staging;
    this.#faults = faults;
    pool.forWriting(this.status, 0); // memory that nobody had before: it must begin as zeros
  }

  /** A tag for the dispatch that is recorded next, which checks indices. */
  arm(describe: Describe): number {
    this.#described.set(++this.#lastTag, describe);
    return this.#lastTag;
  }

  /** Records the copy back, where the batch needs one. @returns what to call once the batch is submitted */
  record(encoder: Encoder): () => void {
    const { batch } = encoder;
    const memory = this.#pool.forKernel(this.status);
    if (memory.lastBatch !== batch) return () => {};
    this.status.lastWritten = 0; // where the batch is lost, no index was met
    const tag = this.#lastTag;
    const staging = this.#staging.take(STATUS_BYTES);
    encoder.copy(memory, 0, staging, 0, STATUS_BYTES);
    return () => {
      const read = this.#read(staging, tag, batch);
      this.#pending.add(read);
      void read.finally(() => this.#pending.delete(read));
    };
  }

  /** Waits for what submitted batches have to tell. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #read(staging: GPUBuffer, lastTag: number, batch: number): Promise<void> {
    try {
      const [count, tag, index] = await this.#staging.read(staging, STATUS_BYTES, (bytes) => {
        return Array.from(new Int32Array(bytes));
      });
      await this.#faults.settle();
      if (this.#faults.lost.causeOf(batch) !== undefined) return; // if it ran nevertheless, the next one tells
      if (count !== 0) this.#tell(tag!, index!);
      // the last one's dispatch may have come after the batch
      for (const tag of this.#described.keys()) if (tag < lastTag) this.#described.delete(tag);
    } catch {
      return; // the device is lost, and that is told elsewhere
    }
  }

  #tell(tag: number, index: number): void {
    if (tag <= this.#toldTag) return; // two batches were under way when the first was told
    this.#toldTag = this.#lastTag;
    this.#faults.note(
      new ShapeError(this.#described.get(tag)?.(index) ?? `Cannot use the index ${index}: out of range`),
    );
    if (this.#pool.disposed) return;
    const { gpu } = this.#pool.forKernel(this.status);
    this.#device.queue.writeBuffer(gpu, 0, new Uint32Array(STATUS_BYTES / 4));
  }
}
