/**
 * The linear memory of one instance, and the only place where typed arrays over it are made.
 *
 * Growing detaches the views of a plain memory and leaves those of a shared one too short; whoever grows it (the heap, a
 * kernel that needs scratch, someone else who holds the memory), the next view asked for is a new one.
 */

/** Bytes of a page of WebAssembly. */
export const PAGE_BYTES = 65_536;
/** Pages that are used at most: the very last one is not, so that no end of a buffer wraps to address 0. */
export const MAX_PAGES = 65_535;

/** A WebAssembly memory with views that are never stale. */
export class LinearMemory {
  #memory: WebAssembly.Memory;
  #buffer: ArrayBufferLike;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #doubles: Float64Array;

  /** Views of a memory. */
  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#buffer = memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Uint32Array(this.#buffer);
    this.#doubles = new Float64Array(this.#buffer);
  }

  /** All of it as bytes. */
  get bytes(): Uint8Array {
    if (this.#memory.buffer !== this.#buffer) this.#renew();
    return this.#bytes;
  }

  /** All of it as unsigned 32-bit words. */
  get words(): Uint32Array {
    if (this.#memory.buffer !== this.#buffer) this.#renew();
    return this.#words;
  }

  /** All of it as f64. */
  get doubles(): Float64Array {
    if (this.#memory.buffer !== this.#buffer) this.#renew();
    return this.#doubles;
  }

  /** Bytes there are. */
  get byteLength(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Adds pages. @returns the address where they start, or undefined where there is no room */
  grow(pages: number): number | undefined {
    if (this.byteLength / PAGE_BYTES + pages > MAX_PAGES) return undefined;
    try {
      return this.#memory.grow(pages) * PAGE_BYTES;
    } catch (error) {
      if (error instanceof RangeError) return undefined; // the engine's limit, or the machine's
      throw error;
    }
  }

  /** Lets go of the memory, so that it can be collected while buffers' handles are still held. */
  release(): void {
    this.#memory = new WebAssembly.Memory({ initial: 0 });
    this.#renew();
  }

  #renew(): void {
    this.#buffer = this.#memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Uint32Array(this.#buffer);
    this.#doubles = new Float64Array(this.#buffer);
  }
}
