/** One buffer of the scalar backend: a typed array that is given back at a known time, and not used after it. */
import type { Operand } from "../../core/src/backend.ts";
import type { DType } from "../../core/src/dtype.ts";
import { internalError } from "../../core/src/errors.ts";
import type { Elements } from "./elements.ts";

/** The scalar backend's handle of a buffer. */
export class ScalarBuffer {
  /** How elements are stored. */
  readonly dtype: DType;
  /** How many there are. */
  readonly numel: number;
  #elements: Elements | undefined;

  /** Takes memory made by `makeElements` for as many elements. */
  constructor(dtype: DType, numel: number, elements: Elements) {
    this.dtype = dtype;
    this.numel = numel;
    this.#elements = elements;
  }

  /** The memory, as stored. */
  get elements(): Elements {
    if (this.#elements === undefined) throw internalError(`a ${this.dtype} buffer was used after it was freed`);
    return this.#elements;
  }

  /** Gives the memory up: nobody reaches it through this buffer any more. @returns it, or undefined when done before */
  release(): Elements | undefined {
    const elements = this.#elements;
    this.#elements = undefined;
    return elements;
  }
}

/** One operand of a kernel of this backend. */
export type ScalarOperand = Operand<ScalarBuffer>;
