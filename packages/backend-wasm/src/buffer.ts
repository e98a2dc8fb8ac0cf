/** One buffer in linear memory: where it is, what is in it, and that it is given back once. */
import type { Operand } from "../../core/src/backend.ts";
import { byteLengthOf, type DType } from "../../core/src/dtype.ts";
import { internalError } from "../../core/src/errors.ts";
import type { Heap } from "./heap.ts";

/** The WebAssembly backend's handle of a buffer. */
export class WasmBuffer {
  /** @ignore The allocator it comes from: that of one backend. */
  readonly heap: Heap;
  /** How elements are stored. */
  readonly dtype: DType;
  /** How many there are. */
  readonly numel: number;
  /** Bytes they take. */
  readonly byteLength: number;
  /** Whether nothing will be written any more. */
  frozen = false;
  /** How a frozen weight lies: 0 for canonical bytes, else what `quant_pack` said; undefined before anyone tried. */
  packed: number | undefined;
  /** @ignore What matmul multiplies by instead of a frozen f32 matrix; gone with the buffer. */
  panels: Panels | undefined;
  readonly #address: number;
  #freed = false;

  /** Takes over the room at `address`, made for as many elements. */
  constructor(heap: Heap, dtype: DType, numel: number, address: number) {
    this.heap = heap;
    this.dtype = dtype;
    this.numel = numel;
    this.byteLength = byteLengthOf(dtype, numel);
    this.#address = address;
  }

  /** Where it starts. */
  get address(): number {
    if (this.#freed) throw internalError(`a ${this.dtype} buffer was used after it was freed`);
    return this.#address;
  }

  /** Gives the room back, once. @returns the bytes of panels that went with it */
  free(): number {
    if (this.#freed) return 0;
    this.#freed = true;
    this.heap.free(this.#address, this.byteLength);
    if (this.panels === undefined) return 0;
    const { address, byteLength } = this.panels;
    this.panels = undefined;
    this.heap.free(address, byteLength);
    return byteLength;
  }
}

/** A second form of a matrix, in the order in which matmul reads it. */
export interface Panels {
  /** Of which view of the buffer. */
  readonly of: Operand<WasmBuffer>;
  /** Where they start. */
  readonly address: number;
  /** Bytes they take. */
  readonly byteLength: number;
}

/** One operand of a kernel of this backend. */
export interface WasmOperand extends Operand<WasmBuffer> {
  /** Read these in place of the buffer. */
  readonly panels?: Panels;
}
