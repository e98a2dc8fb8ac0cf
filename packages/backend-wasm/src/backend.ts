/**
 * The WebAssembly backend: buffers are ranges of linear memory, a kernel is one call of an export, everything is done when
 * the call returns.
 *
 * The host writes each call's operands as records, after checking that they stay within their buffers, and reads one word
 * after it. A kernel that traps (there is no memory for scratch, a worker died) becomes a BackendError, and the backend
 * goes on: with one thread where it lost a worker.
 */
import type {
  AllocateOptions,
  Backend,
  BackendDescription,
  Kernels,
  MatmulActivations,
} from "../../core/src/backend.ts";
import { byteLengthOf, type DType, dtypeInfo } from "../../core/src/dtype.ts";
import { BackendError, internalError } from "../../core/src/errors.ts";
import { MemoryAccount } from "../../core/src/memory.ts";
import { CallRecord, CODES } from "./abi.ts";
import { type Panels, WasmBuffer, type WasmOperand } from "./buffer.ts";
import { Heap } from "./heap.ts";
import { indexError } from "./indices.ts";
import type { KernelExport, Started } from "./instance.ts";
import { makeKernels, type RunKernel } from "./kernels.ts";
import { LinearMemory } from "./linear_memory.ts";
import type { Workers } from "./workers.ts";

/** Columns of a panel, as matmul_pack.rs has it. */
const PANEL_COLUMNS = 8;

/** What a backend is made of. */
export interface WasmBackendParts {
  /** The kernels. */
  readonly started: Started;
  /** Who shares the work; none for one thread. */
  readonly workers: Workers | undefined;
  /** Why there are not more threads, for `describe()`. */
  readonly whyNotMore: string;
  /** How matmul treats activations. */
  readonly matmulActivations: MatmulActivations;
  /** Bytes that tensors may take. */
  readonly memoryBudgetBytes: number;
  /** Milliseconds without any progress after which a worker counts as lost. */
  readonly workerTimeoutMs: number;
}

/** The backend that `createWasmBackend` makes. */
export class WasmBackend implements Backend<WasmBuffer> {
  /** `"wasm"`. */
  readonly name = "wasm";
  /** What is alive. */
  readonly memory: MemoryAccount;
  /** Every primitive, and the fused kernels. */
  readonly kernels: Kernels<WasmBuffer>;
  readonly #parts: WasmBackendParts;
  readonly #linear: LinearMemory;
  readonly #heap: Heap;
  readonly #record: CallRecord;
  readonly #failure: number;
  /** Where the kernels' stack ends between calls, and must after a trap. */
  readonly #stack: number;
  #workers: Workers | undefined;
  #whyNotMore: string;
  #disposed = false;

  /** Takes over the kernels and the workers. */
  constructor(parts: WasmBackendParts) {
    const { started, workers, matmulActivations } = parts;
    this.#parts = parts;
    this.#workers = workers;
    this.#whyNotMore = parts.whyNotMore;
    this.memory = new MemoryAccount(parts.memoryBudgetBytes);
    this.#linear = new LinearMemory(started.memory);
    this.#heap = new Heap(this.#linear);
    this.#record = new CallRecord(this.#linear, this.#heap);
    this.#failure = started.exports.pool_failure() >>> 2;
    this.#stack = started.exports.__stack_pointer.value;
    this.kernels = makeKernels({
      kernel: (name) => this.#bind(name),
      packForMatmul: (weight) => this.#pack(weight),
      withPanels: (matrix) => this.#withPanels(matrix),
      unpack: (operand) => this.#unpack(operand.buffer),
      quantiseActivations: matmulActivations === "int8",
    });
    this.#configure();
  }

  /** Every dtype can live here. */
  hasDType(_dtype: DType): boolean {
    this.#checkAlive("look up a dtype");
    return true;
  }

  /** A buffer of `numel` elements. @throws {BackendError} when WebAssembly has no room, or after `dispose` */
  allocate(dtype: DType, numel: number, _options?: AllocateOptions): WasmBuffer {
    this.#checkAlive("allocate");
    const byteLength = byteLengthOf(dtype, numel);
    const address = numel < 2 ** 32 ? this.#heap.allocate(byteLength) : undefined;
    if (address !== undefined) return new WasmBuffer(this.#heap, dtype, numel, address);
    throw new BackendError(
      `Cannot allocate ${numel} elements of ${dtype} on wasm: there is no room for ${byteLength} bytes beside the ` +
        `${this.#heap.bytesInUse} in use, of the 4294967296 that WebAssembly can address; ` +
        `dispose of tensors (using, tidy)`,
    );
  }

  /** Writes canonical bytes. @throws {BackendError} after `dispose` */
  write(buffer: WasmBuffer, offsetBytes: number, bytes: Uint8Array): void {
    this.#checkAlive("write");
    if (offsetBytes < 0 || offsetBytes + bytes.length > buffer.byteLength) {
      throw internalError(`a write of ${bytes.length} bytes at ${offsetBytes} misses a buffer of ${buffer.byteLength}`);
    }
    if (buffer.frozen) throw internalError("a frozen buffer is written");
    this.#linear.bytes.set(bytes, buffer.address + offsetBytes);
  }

  /** From now on the buffer may be repacked, which its first matmul does. @throws {BackendError} after `dispose` */
  freeze(buffer: WasmBuffer): void {
    this.#checkAlive("freeze");
    buffer.frozen = true;
  }

  /** The same as `downloadSync`, as a promise that rejects where that throws. */
  download(buffer: WasmBuffer, start: number, numel: number): Promise<Uint8Array> {
    return new Promise((resolve) => resolve(this.downloadSync(buffer, start, numel)));
  }

  /** A copy of the canonical bytes of some elements. @throws {BackendError} after `dispose` */
  downloadSync(buffer: WasmBuffer, start: number, numel: number): Uint8Array {
    this.#checkAlive("download");
    this.#unpack(buffer);
    const from = buffer.address + byteLengthOf(buffer.dtype, start);
    return this.#linear.bytes.slice(from, from + byteLengthOf(buffer.dtype, numel));
  }

  /** Takes a buffer back; after `dispose` too, so that what still holds tensors can let go of them. */
  free(buffer: WasmBuffer): void {
    this.memory.removePacked(buffer.free());
  }

  /** Nothing waits to be submitted. @throws {BackendError} after `dispose` */
  flush(): void {
    this.#checkAlive("flush");
  }

  /** Resolves at once. @returns a promise that rejects with BackendError after `dispose` */
  settled(): Promise<void> {
    return new Promise((resolve) => resolve(this.#checkAlive("wait")));
  }

  /** What it is: the build, the threads and why not more, how exact. @throws {BackendError} after `dispose` */
  describe(): BackendDescription {
    this.#checkAlive("describe it");
    const { started: { build }, matmulActivations } = this.#parts;
    const simd = build === "plain" ? "SIMD" : "relaxed SIMD";
    const threads = this.#threads;
    const activations = matmulActivations === "int8"
      ? "activations are quantised to int8 where they meet block-quantised weights"
      : "activations stay f32 where they meet block-quantised weights";
    return {
      name: this.name,
      summary: `WebAssembly with ${simd}, ${threads === 1 ? "one thread" : `${threads} threads`}`,
      precision: `f32 accumulates in f32, f64 in f64; ${activations}`,
      details: {
        build,
        threads,
        whyNotMoreThreads: this.#whyNotMore,
        matmulActivations,
        linearMemoryBytes: this.#linear.byteLength,
        packedBytes: this.memory.packedBytes,
        memoryBudgetBytes: this.memory.budgetBytes,
      },
    };
  }

  /** Ends it: workers stop, memory is let go of, and every method but `free` throws. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#parts.started.exports.pool_stop?.();
    this.#workers?.terminate();
    this.#workers = undefined;
    this.#linear.release();
  }

  get #threads(): number {
    return 1 + (this.#workers?.count ?? 0);
  }

  #configure(): void {
    this.#parts.started.exports.pool_configure?.(this.#threads, this.#parts.workerTimeoutMs);
  }

  #bind(name: string): RunKernel {
    const kernel = this.#parts.started.instance.exports[name] as KernelExport; // every name in the table is exported
    return (inputs, outputs, settings, op = name) => this.#run(name, kernel, inputs, outputs, settings, op);
  }

  #run(
    name: string,
    kernel: KernelExport,
    inputs: readonly WasmOperand[],
    outputs: readonly WasmOperand[],
    settings: readonly number[],
    op: string,
  ): void {
    this.#checkAlive(name);
    this.#record.write(name, inputs, outputs, settings);
    const { operands, settings: at } = this.#record;
    const code = this.#guarded(name, kernel, operands, inputs.length + outputs.length, at);
    if (code === CODES.ok) return;
    if (code === CODES.indexOutOfRange) throw indexError(name, op, inputs, outputs, settings, this.#linear);
    throw internalError(`the kernel ${name} returned ${code}`);
  }

  /**
   * Runs Rust, which ignores arguments beyond its parameters; what goes wrong there is an error of ours, and the next call
   * finds everything in order. (Arguments instead of a closure: this is every kernel's call.)
   */
  #guarded<T>(name: string, call: (a: number, b: number, c: number) => T, a: number, b = 0, c = 0): T {
    let trap: unknown;
    let result: T | undefined;
    try {
      result = call(a, b, c);
    } catch (error) {
      trap = error;
      const { exports } = this.#parts.started;
      exports.__stack_pointer.value = this.#stack;
      exports.pool_abandon?.();
    }
    const { words } = this.#linear;
    const code = words[this.#failure]!;
    if (code === CODES.ok && trap === undefined) return result as T; // it is set where nothing was caught
    const detail = words[this.#failure + 1]!;
    words[this.#failure] = CODES.ok;
    throw this.#failed(name, code, detail, trap);
  }

  #failed(name: string, code: number, detail: number, trap: unknown): Error {
    const options = { cause: trap };
    if (code === CODES.outOfMemory) {
      return new BackendError(
        `Cannot ${name} on wasm: there is no room for ${detail} bytes to work in beside the ${this.#heap.bytesInUse} ` +
          `in use; dispose of tensors (using, tidy)`,
        options,
      );
    }
    if (code === CODES.workerLost) {
      this.#dropWorkers(`a worker was lost in ${name}`);
      return new BackendError(
        `Cannot ${name} on wasm: a worker took a part of it and did not come back; the backend goes on with one thread`,
        options,
      );
    }
    if (code === CODES.workerFailed) {
      return new BackendError(`Cannot ${name} on wasm: a worker failed in it (WebAssembly trapped there)`, options);
    }
    return new BackendError(`Cannot ${name} on wasm: WebAssembly trapped (${trap})`, options);
  }

  #dropWorkers(why: string): void {
    this.#workers?.terminate();
    this.#workers = undefined;
    this.#whyNotMore = why;
    this.#configure();
  }

  /** Packs a frozen weight whose rows, along which blocks lie, are what matmul multiplies by: once, in place. */
  #pack({ buffer, dtype, shape, strides }: WasmOperand): void {
    if (!buffer.frozen || buffer.packed !== undefined) return;
    const [k, n] = [shape.length - 2, shape.length - 1];
    const row = strides[n]!;
    if (strides[k] !== 1 || row !== shape[k] || buffer.numel % row !== 0) return;
    const weight = { buffer, dtype, shape: [buffer.numel / row, row], strides: [row, 1], offset: 0 };
    this.#record.write("matmul", [weight], [], []);
    const { exports } = this.#parts.started;
    buffer.packed = this.#guarded("matmul", exports.quant_pack, this.#record.operands) >>> 0;
  }

  /** One set of panels a buffer; where it has no room, in memory or the budget, or another view has it, the matrix stays. */
  #withPanels(matrix: WasmOperand): WasmOperand {
    const { buffer, shape, strides, offset } = matrix;
    const batches = shape.length - 2;
    const [k, n] = [shape[batches]!, shape[batches + 1]!];
    for (let d = 0; d < batches; d++) if (shape[d] !== 1 && strides[d] !== 0) return matrix;
    const of = { ...matrix, shape: [k, n], strides: strides.slice(batches) };
    buffer.panels ??= this.#makePanels(of);
    const made = buffer.panels?.of;
    const same = made !== undefined && made.offset === offset && sameNumbers(made.shape, of.shape) &&
      sameNumbers(made.strides, of.strides);
    return same
      ? { ...matrix, offset: 0, strides: matrix.strides.map((s, d) => d < batches ? 0 : s), panels: buffer.panels! }
      : matrix;
  }

  /** None of a narrow matrix, which would be padded many times over, nor where 32 bits do not count its bytes. */
  #makePanels(of: WasmOperand): Panels | undefined {
    const { exports } = this.#parts.started;
    const [k, n] = of.shape as [number, number]; // as withPanels() cut it
    if (n < PANEL_COLUMNS || 4 * k * (n + PANEL_COLUMNS) >= 2 ** 32) return undefined;
    const byteLength = exports.matmul_pack_bytes(k, n) >>> 0;
    if (!this.memory.addPacked(byteLength)) return undefined;
    const address = this.#heap.allocate(byteLength);
    if (address === undefined) {
      this.memory.removePacked(byteLength);
      return undefined;
    }
    try {
      this.#record.write("matmul", [of], [], []);
      this.#guarded("matmul", exports.matmul_pack_f32, this.#record.operands, address);
    } catch (error) {
      this.#heap.free(address, byteLength);
      this.memory.removePacked(byteLength);
      throw error;
    }
    return { of, address, byteLength };
  }

  #unpack(buffer: WasmBuffer): void {
    if ((buffer.packed ?? 0) === 0) return;
    const { blockSize } = dtypeInfo(buffer.dtype);
    const row = (buffer.packed! & 0xffff) * blockSize;
    const weight = { buffer, dtype: buffer.dtype, shape: [buffer.numel / row, row], strides: [row, 1], offset: 0 };
    this.#record.write("download", [weight], [], []);
    this.#guarded("download", this.#parts.started.exports.quant_unpack, this.#record.operands);
    buffer.packed = undefined; // the next matmul packs it again
  }

  #checkAlive(op: string): void {
    if (this.#disposed) throw new BackendError(`Cannot ${op} on wasm: the backend was disposed of`);
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
