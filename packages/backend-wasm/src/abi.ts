/**
 * What crosses the border to the kernels: records of operands, settings as f64, codes. Mirrors crate/src/abi.rs.
 *
 * Nothing reaches a kernel unchecked: every element that an operand's shape, strides and offset reach must lie in its
 * buffer, and the buffer must be this backend's own.
 */
import type { DType } from "../../core/src/dtype.ts";
import { BackendError, internalError, showShape } from "../../core/src/errors.ts";
import type { WasmOperand } from "./buffer.ts";
import type { Heap } from "./heap.ts";
import type { LinearMemory } from "./linear_memory.ts";

/** What `abi_version` of the kernels must say. */
export const ABI_VERSION = 1;

/** As many dims as an operand can have. */
export const MAX_RANK = 8;

/** Words of a record: ptr, dtype, rank, offset, packed, shape, strides. */
export const OPERAND_WORDS = 5 + 2 * MAX_RANK;

/** `packed` of a matrix in panels. */
const PANELS = 1;

const MAX_OPERANDS = 16;
const MAX_SETTINGS = 32;

/** Codes of dtypes. */
export const DTYPE_CODES: Readonly<Record<DType, number>> = {
  ...{ f32: 0, f16: 1, bf16: 2, i32: 3, u8: 4, bool: 5, f64: 6 },
  ...{ q4_0: 8, q4_1: 9, q5_0: 10, q5_1: 11, q8_0: 12, q2_k: 13, q3_k: 14, q4_k: 15, q5_k: 16, q6_k: 17 },
  ...{ iq4_nl: 18, iq4_xs: 19 },
};

/** What a kernel returns, or leaves behind before it traps. */
export const CODES = {
  ok: 0,
  indexOutOfRange: 1,
  unsupported: 2,
  outOfMemory: 3,
  workerFailed: 4,
  workerLost: 5,
} as const;

/** Where calls are written: one at a time, since they are synchronous. */
export class CallRecord {
  readonly #memory: LinearMemory;
  readonly #heap: Heap;
  /** Address of the operands' records. */
  readonly operands: number;
  /** Address of the settings. */
  readonly settings: number;

  /** Takes its room from the heap, whose buffers alone it lets pass. */
  constructor(memory: LinearMemory, heap: Heap) {
    const address = heap.allocate(MAX_SETTINGS * 8 + MAX_OPERANDS * OPERAND_WORDS * 4);
    if (address === undefined) throw new BackendError("Cannot create the wasm backend: there is no memory for it");
    this.#memory = memory;
    this.#heap = heap;
    this.settings = address;
    this.operands = address + MAX_SETTINGS * 8;
  }

  /**
   * Writes a call, inputs before outputs.
   *
   * @throws {BackendError} when an operand is another backend's, has too many dims, or reaches beyond its buffer
   */
  write(
    name: string,
    inputs: readonly WasmOperand[],
    outputs: readonly WasmOperand[],
    settings: readonly number[],
  ): void {
    const count = inputs.length + outputs.length;
    if (count > MAX_OPERANDS || settings.length > MAX_SETTINGS) throw internalError(`${name} has too many operands`);
    const { words } = this.#memory;
    let at = this.operands >>> 2;
    for (let i = 0; i < count; i++, at += OPERAND_WORDS) {
      this.#writeOperand(words, at, name, i < inputs.length ? inputs[i]! : outputs[i - inputs.length]!, i);
    }
    if (settings.length === 0) return;
    const { doubles } = this.#memory;
    at = this.settings >>> 3;
    for (let i = 0; i < settings.length; i++) doubles[at + i] = settings[i]!;
  }

  /** Checks and writes in one walk over the dims: a record that is refused half-way is never read. */
  #writeOperand(words: Uint32Array, at: number, name: string, operand: WasmOperand, i: number): void {
    const { buffer, shape, strides, offset, dtype, panels } = operand;
    const rank = shape.length;
    if (buffer.heap !== this.#heap) throw refuse(name, operand, i, "it lives on another backend");
    if (rank > MAX_RANK) {
      throw refuse(name, operand, i, `WebAssembly kernels take at most ${MAX_RANK} dims; reshape it`);
    }
    if (dtype !== buffer.dtype || strides.length !== rank) throw refuse(name, operand, i, "it is malformed");
    words[at] = panels === undefined ? buffer.address : panels.address;
    words[at + 1] = DTYPE_CODES[dtype];
    words[at + 2] = rank;
    words[at + 3] = offset;
    words[at + 4] = panels === undefined ? buffer.packed ?? 0 : PANELS;
    const [shapeAt, stridesAt] = [at + 5, at + 5 + MAX_RANK];
    let last = isWord(offset) ? offset : NaN;
    for (let d = 0; d < rank; d++) {
      const size = shape[d]!;
      const stride = strides[d]!;
      last += isWord(size) && size > 0 && isWord(stride) ? (size - 1) * stride : NaN;
      words[shapeAt + d] = size;
      words[stridesAt + d] = stride;
    }
    if (!(last < buffer.numel)) {
      throw refuse(name, operand, i, `it reaches beyond its buffer of ${buffer.numel} elements`);
    }
    for (let d = rank; d < MAX_RANK; d++) {
      words[shapeAt + d] = 1;
      words[stridesAt + d] = 0;
    }
  }
}

function isWord(x: number): boolean {
  return x >>> 0 === x;
}

function refuse(name: string, { dtype, shape, strides, offset }: WasmOperand, i: number, why: string): BackendError {
  return new BackendError(
    `Cannot ${name}: operand ${i}, ${dtype} ${showShape(shape)} with strides ${showShape(strides)} and offset ` +
      `${offset}, is refused: ${why}`,
  );
}
