/**
 * The scalar backend: buffers are typed arrays, kernels are loops, everything is done when the call returns.
 *
 * There is nothing to submit, to wait for or to repack, so `flush`, `settled` and `freeze` have no work. Buffers are in
 * the engine's own memory; the host is taken to be little-endian, as every one that runs JavaScript today is.
 */
import type { Backend, BackendDescription, Kernels } from "../../core/src/backend.ts";
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { BackendError, checkNames, internalError } from "../../core/src/errors.ts";
import { MemoryAccount } from "../../core/src/memory.ts";
import { ScalarBuffer } from "./buffer.ts";
import { attention } from "./kernels/attention.ts";
import { binary } from "./kernels/binary.ts";
import { copy } from "./kernels/copy.ts";
import { fill } from "./kernels/fill.ts";
import { gather } from "./kernels/gather.ts";
import { matmul } from "./kernels/matmul.ts";
import { random } from "./kernels/random.ts";
import { reduce } from "./kernels/reduce.ts";
import { rmsNorm } from "./kernels/rms_norm.ts";
import { rope } from "./kernels/rope.ts";
import { scan } from "./kernels/scan.ts";
import { scatter } from "./kernels/scatter.ts";
import { siluMul } from "./kernels/silu_mul.ts";
import { softmax } from "./kernels/softmax.ts";
import { sort } from "./kernels/sort.ts";
import { unary } from "./kernels/unary.ts";
import { where } from "./kernels/where.ts";
import { Pool } from "./pool.ts";

/** Settings of the scalar backend. */
export interface ScalarBackendOptions {
  /** Bytes of tensors that may be alive at once; without end when left out. */
  readonly memoryBudgetBytes?: number;
}

const OPTIONS = { memoryBudgetBytes: true } as const satisfies Record<keyof ScalarBackendOptions, true>;

/**
 * A backend of plain loops in TypeScript: every op, every dtype, on any engine.
 *
 * @throws {ShapeError} when an option is unknown or out of its range
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 *
 * const backend = createScalarBackend();
 * assertEquals(backend.name, "scalar");
 * assertEquals(backend.hasDType("f64"), true);
 * ```
 */
export function createScalarBackend(options: ScalarBackendOptions = {}): Backend<ScalarBuffer> {
  checkNames("create the scalar backend", options, OPTIONS);
  return new ScalarBackend(options);
}

/** The backend that {@linkcode createScalarBackend} makes. */
export class ScalarBackend implements Backend<ScalarBuffer> {
  /** `"scalar"`. */
  readonly name = "scalar";
  /** What is alive. */
  readonly memory: MemoryAccount;
  /** Every primitive, and the fused kernels that save passes over memory. */
  readonly kernels: Kernels<ScalarBuffer> = {
    ...{ fill, copy, unary, binary, where, reduce, scan, matmul, gather, scatter, sort, random },
    ...{ softmax, rmsNorm, rope, siluMul, attention },
  };
  readonly #pool = new Pool();
  #disposed = false;

  /** Keeps to a memory budget. */
  constructor(options: ScalarBackendOptions = {}) {
    this.memory = new MemoryAccount(options.memoryBudgetBytes);
  }

  /** Every dtype can live here. */
  hasDType(_dtype: DType): boolean {
    this.#checkAlive("look up a dtype");
    return true;
  }

  /** A buffer of `numel` elements. @throws {BackendError} when the engine has no room, or after `dispose` */
  allocate(dtype: DType, numel: number): ScalarBuffer {
    this.#checkAlive("allocate");
    try {
      return new ScalarBuffer(dtype, numel, this.#pool.take(dtype, numel));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new BackendError(
        `Cannot allocate ${numel} elements of ${dtype} on scalar: the engine has no room for ` +
          `${byteLengthOf(dtype, numel)} bytes; dispose of tensors (using, tidy)`,
        { cause: error },
      );
    }
  }

  /** Writes canonical bytes. @throws {BackendError} after `dispose` */
  write(buffer: ScalarBuffer, offsetBytes: number, bytes: Uint8Array): void {
    this.#checkAlive("write");
    const all = bytesOf(buffer);
    if (offsetBytes < 0 || offsetBytes + bytes.length > all.length) {
      throw internalError(`a write of ${bytes.length} bytes at ${offsetBytes} misses a buffer of ${all.length}`);
    }
    all.set(bytes, offsetBytes);
  }

  /** Nothing to repack. @throws {BackendError} after `dispose` */
  freeze(_buffer: ScalarBuffer): void {
    this.#checkAlive("freeze");
  }

  /** The same as `downloadSync`, as a promise that rejects where that throws. */
  download(buffer: ScalarBuffer, start: number, numel: number): Promise<Uint8Array> {
    return new Promise((resolve) => resolve(this.downloadSync(buffer, start, numel)));
  }

  /** A copy of the canonical bytes of some elements. @throws {BackendError} after `dispose` */
  downloadSync(buffer: ScalarBuffer, start: number, numel: number): Uint8Array {
    this.#checkAlive("download");
    const from = byteLengthOf(buffer.dtype, start);
    return bytesOf(buffer).slice(from, from + byteLengthOf(buffer.dtype, numel));
  }

  /** Takes a buffer back; after `dispose` too, so that what still holds tensors can let go of them. */
  free(buffer: ScalarBuffer): void {
    const elements = buffer.release();
    if (elements !== undefined && !this.#disposed) this.#pool.give(buffer.dtype, buffer.numel, elements);
  }

  /** Nothing waits to be submitted. @throws {BackendError} after `dispose` */
  flush(): void {
    this.#checkAlive("flush");
  }

  /** Resolves at once. @returns a promise that rejects with BackendError after `dispose` */
  settled(): Promise<void> {
    return new Promise((resolve) => resolve(this.#checkAlive("wait")));
  }

  /** What it is. @throws {BackendError} after `dispose` */
  describe(): BackendDescription {
    this.#checkAlive("describe it");
    return {
      name: this.name,
      summary: "plain loops in TypeScript, one thread",
      precision: "arithmetic in f64, rounded once to the dtype of the output",
      details: { threads: 1, memoryBudgetBytes: this.memory.budgetBytes },
    };
  }

  /** Ends it: from now on every method but `free` throws. Memory goes with the last tensors. */
  dispose(): void {
    this.#disposed = true;
    this.#pool.clear();
  }

  #checkAlive(op: string): void {
    if (this.#disposed) throw new BackendError(`Cannot ${op} on scalar: the backend was disposed of`);
  }
}

function bytesOf(buffer: ScalarBuffer): Uint8Array {
  const { buffer: memory, byteOffset, byteLength } = buffer.elements;
  return new Uint8Array(memory, byteOffset, byteLength);
}
